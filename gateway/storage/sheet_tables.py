"""The table of search sheets. What is on one stands sealed under its case's thread; its code as a keyed digest."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, text

from gateway.storage.schema import metadata

LIVE = text("state IN ('waiting', 'valid')")
"""Those that paper may be made of. A statement that is to use the index says it in these words."""

sheets = Table(
    "sheets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("thread_id", String(36), nullable=False),
    Column("case_ref", String(80), nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("content", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("office", String(80)),
    Column("drafted_by", String(36), nullable=False),
    Column("actor", String(42), nullable=False),
    Column("approved_by", String(36)),
    Column("made_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("reason", String(40)),
    Index("ix_sheets_code", "code", unique=True),
    Index("ix_sheets_made", "made_ms"),
    Index("ix_sheets_thread_id", "thread_id"),
    Index("ix_sheets_live", "case_ref", sqlite_where=LIVE, postgresql_where=LIVE),
)
