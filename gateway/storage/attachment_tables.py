"""The table of attachments (SPEC 23): ids, codes, sizes and digests of ciphertexts; the reference with its key is sealed."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, text

from gateway.storage.schema import metadata

WANTED = text("state = 'wanted'")
ERASING = text("state = 'erasing'")
READY = text("state = 'ready'")
KEPT = text("state IN ('ready', 'sent', 'wanted', 'here')")
"""What has, or gets, a file here: as much as the quota lets be."""

attachments = Table(
    "attachments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("thread_id", String(36), nullable=False),
    Column("name", String(64), nullable=False),
    Column("outgoing", Boolean, nullable=False),
    Column("peer", String(63)),
    Column("message_id", String(36)),
    Column("size", BigInteger, nullable=False),
    Column("media_type", String(40), nullable=False),
    Column("grade", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("have", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_ms", BigInteger),
    Column("reason", String(40)),
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index("ix_attachments_thread_id", "thread_id", "name", unique=True),
    Index("ix_attachments_name", "name"),
    Index("ix_attachments_message_id", "message_id"),
    Index("ix_attachments_wanted", "due_ms", sqlite_where=WANTED, postgresql_where=WANTED),
    Index("ix_attachments_erasing", "made_ms", sqlite_where=ERASING, postgresql_where=ERASING),
    Index("ix_attachments_kept", "peer", sqlite_where=KEPT, postgresql_where=KEPT),
    Index("ix_attachments_ready", "made_ms", sqlite_where=READY, postgresql_where=READY),
)
