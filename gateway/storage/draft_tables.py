"""Forms that are not finished, and reports this node itself took: ids, codes and times; what was written is sealed."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table

from gateway.storage.schema import metadata

form_drafts = Table(
    "form_drafts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("person_id", String(36), nullable=False),
    # Which form it is: ids and codes, never what is in it.
    Column("purpose", String(160), nullable=False),
    Column("office", String(80)),
    Column("thread_id", String(36), nullable=False),
    # Its thread is its own, and its key goes with it.
    Column("own_thread", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_form_drafts_person_id", "person_id", "purpose", unique=True),
    Index("ix_form_drafts_thread_id", "thread_id"),
    Index("ix_form_drafts_changed_ms", "changed_ms"),
)

taken_reports = Table(
    "taken_reports",
    metadata,
    Column("thread_id", String(36), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("office", String(80), nullable=False),
    Column("actor", String(42), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("taken_ms", BigInteger, nullable=False),
    Index("ix_taken_reports_taken_ms", "taken_ms"),
)
