"""Tables of erasure (SPEC 20): what came as which record, what is to go, what a law keeps. Ids and codes only."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, text

from gateway.storage.schema import metadata

WAITS = text("state IN ('blocked', 'marked')")
UNANSWERED = text("answered_ms IS NULL")

received_records = Table(
    "received_records",
    metadata,
    Column("sender", String(63), primary_key=True),
    Column("record_id", String(36), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Index("ix_received_records_thread_id", "thread_id"),
)

# A row stays for ever: it is the proof of what went, and what is ordered erased and comes again finds it.
erasures = Table(
    "erasures",
    metadata,
    Column("ordered_by", String(63), primary_key=True),
    Column("order_id", String(36), primary_key=True),
    Column("item", String(36), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("thread_id", String(36)),
    Column("whole", Boolean, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("state", String(10), nullable=False),
    Column("basis", String(80)),
    Column("ordered_ms", BigInteger, nullable=False),
    Column("shred_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("answered_ms", BigInteger),
    Index("ix_erasures_waiting", "shred_ms", sqlite_where=WAITS, postgresql_where=WAITS),
    Index("ix_erasures_unanswered", "ordered_ms", sqlite_where=UNANSWERED, postgresql_where=UNANSWERED),
    Index("ix_erasures_item", "item"),
    Index("ix_erasures_thread_id", "thread_id"),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("thread_id", String(36), primary_key=True),
    Column("set_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("basis", String(80), nullable=False),
    Column("set_by", String(42), nullable=False),
    Column("lifted_by", String(42)),
    Column("lifted_ms", BigInteger),
)

# One row: when the eraser last ran, why it stopped, until when a person let it go on, whether files are still to be scrubbed.
erasing_watch = Table(
    "erasing_watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_run_ms", BigInteger, nullable=False),
    Column("stopped", String(24)),
    Column("stopped_ms", BigInteger),
    Column("allowed_until_ms", BigInteger),
    Column("scrub_due", Boolean, nullable=False),
)
