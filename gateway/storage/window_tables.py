"""The ombudsman's windows (SPEC 21): which case, under which complaint. A folio and a number; nothing of what was shown."""

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table

from gateway.storage.schema import metadata

windows = Table(
    "windows",
    metadata,
    Column("message_id", String(36), primary_key=True),
    Column("ours", Boolean, primary_key=True),
    Column("peer", String(63), nullable=False),
    Column("folio", String(20), nullable=False),
    Column("complaint", String(40), nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("result", String(16), nullable=False),
    Index("ix_windows_asked_ms", "ours", "asked_ms"),
    Index("ix_windows_complaint", "peer", "complaint"),
)
