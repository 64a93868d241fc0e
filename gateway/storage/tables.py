"""The tables of the node core, and with them all others. Times are integer milliseconds since 1970 (UTC)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from gateway.storage import schema
from gateway.storage.attachment_tables import attachments
from gateway.storage.case_tables import exchanges
from gateway.storage.draft_tables import form_drafts
from gateway.storage.erasure_tables import erasures
from gateway.storage.factor_tables import steps
from gateway.storage.notice_tables import notices
from gateway.storage.people_tables import persons
from gateway.storage.sheet_tables import sheets
from gateway.storage.window_tables import windows

# One schema: whoever imports this module has every table of it.
metadata = exchanges.metadata
_imported = (erasures, windows, attachments, form_drafts, steps, notices, persons, sheets)  # for their tables
if any(table.metadata is not metadata for table in _imported):
    raise RuntimeError("two schemas where there is one")
key_metadata = schema.key_metadata

# SQLite numbers rows itself only for an INTEGER primary key.
_Serial = BigInteger().with_variant(Integer, "sqlite")
_waiting = text("state = 'waiting'")
_kept = text("retain_ms IS NOT NULL")
_same = text("same_as IS NOT NULL")
_named = text("subject IS NOT NULL")
LEAVES_REFUSED = text("event = 'msg.refused'")
"""Messages this node refused. A statement that is to use the index says it in these words."""
OUTBOX_ASIDE = text("state NOT IN ('waiting', 'delivered')")
INBOX_ASIDE = text("state NOT IN ('waiting', 'done')")
"""What is neither under way nor done as it should be: few, and found without reading through the rest. A statement that is to
use the index says it in these words."""

seen = Table(
    "seen",
    metadata,
    Column("sender", String(63), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("sender", String(63), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Column("in_reply_to", String(36)),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until_ms", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("last_error", String(64)),
    # Until when it may be kept; NULL once its text is erased.
    Column("retain_ms", BigInteger),
    Index("ix_inbox_waiting", "due_ms", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("ix_inbox_thread_id", "thread_id"),
    Index("ix_inbox_retain_ms", "retain_ms", sqlite_where=_kept, postgresql_where=_kept),
    Index("ix_inbox_message_id", "message_id"),
    Index("ix_inbox_received", "sender", "received_ms"),
    Index("ix_inbox_aside", "state", sqlite_where=INBOX_ASIDE, postgresql_where=INBOX_ASIDE),
)

outbox = Table(
    "outbox",
    metadata,
    Column("lane", String(63), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Column("in_reply_to", String(36)),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("lease_owner", String(64)),
    Column("lease_until_ms", BigInteger),
    Column("reason", String(64)),
    Column("retain_ms", BigInteger),
    Index("ix_outbox_waiting", "lane", "due_ms", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("ix_outbox_expiry", "expires_ms", sqlite_where=_waiting, postgresql_where=_waiting),
    Index("ix_outbox_message_id", "message_id"),
    Index("ix_outbox_ended", "lane", "ended_ms"),
    Index("ix_outbox_in_reply_to", "in_reply_to"),
    Index("ix_outbox_thread_id", "thread_id"),
    Index("ix_outbox_retain_ms", "retain_ms", sqlite_where=_kept, postgresql_where=_kept),
    Index("ix_outbox_aside", "state", "created_ms", sqlite_where=OUTBOX_ASIDE, postgresql_where=OUTBOX_ASIDE),
)

# Apart from the narrow queue, so that claims read little.
outbox_bodies = Table(
    "outbox_bodies",
    metadata,
    Column("lane", String(63), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("recipient_key", String(80), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("receipt", Text),
    Column("earlier_receipt", Text),
)

lanes = Table(
    "lanes",
    metadata,
    Column("peer", String(63), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_attempt_ms", BigInteger, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_until_ms", BigInteger),
    Column("last_served_ms", BigInteger, nullable=False),
    Column("last_success_ms", BigInteger),
)

cases = Table(
    "cases",
    metadata,
    Column("thread_id", String(36), primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("peer", String(63), nullable=False),
    Column("opened_by", String(36), nullable=False),
    Column("state", String(24), nullable=False),
    Column("alias", String(24)),
    Column("folio", String(20)),
    Column("opened_ms", BigInteger, nullable=False),
    # The case of the same person that was here before; questions are asked in that one.
    Column("same_as", String(36)),
    Index("ix_cases_folio", "folio"),
    Index("ix_cases_alias", "alias"),
    Index("ix_cases_opened", "opened_ms", "thread_id"),
    Index("ix_cases_same_as", "same_as", sqlite_where=_same, postgresql_where=_same),
)

folio_counters = Table(
    "folio_counters",
    metadata,
    Column("prefix", String(8), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("row_key", LargeBinary, primary_key=True),
    Column("source", String(64), nullable=False),
    Column("row", Integer, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reasons", Text, nullable=False),
    Column("thread_id", String(36)),
    Column("message_ids", Text, nullable=False),
    Column("imported_ms", BigInteger, nullable=False),
    Index("ix_imports_source", "source", "outcome", "imported_ms"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("code", String(40), primary_key=True),
    Column("subject", String(80), primary_key=True),
    Column("peer", String(63)),
    Column("raised_ms", BigInteger, nullable=False),
    Column("acknowledged_ms", BigInteger),
)

leaf_staging = Table(
    "leaf_staging",
    metadata,
    Column("id", _Serial, primary_key=True, autoincrement=True),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("disclosures", Text, nullable=False),
    Column("event", String(24), nullable=False),
    Column("message_id", String(36)),
    Column("peer", String(63)),
    Column("subject", String(36)),
)

leaves = Table(
    "leaves",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False, server_default="1"),
    Column("leaf_index", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("disclosures", Text, nullable=False),
    Column("event", String(24), nullable=False),
    Column("message_id", String(36)),
    Column("peer", String(63)),
    # Of what people did here: about what.
    Column("subject", String(36)),
    Index("ix_leaves_leaf_hash", "leaf_hash"),
    Index("ix_leaves_message_id", "message_id"),
    Index("ix_leaves_subject", "subject", sqlite_where=_named, postgresql_where=_named),
    Index("ix_leaves_refused", "epoch", "leaf_index", sqlite_where=LEAVES_REFUSED, postgresql_where=LEAVES_REFUSED),
)

tree_nodes = Table(
    "tree_nodes",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False, server_default="1"),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("node_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# One row per epoch, the newest being written: the sequencer's compare-and-swap. Two can never both extend the same tree.
log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False, server_default="1"),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_ms", BigInteger, nullable=False),
)

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False, server_default="1"),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String(200), primary_key=True),
    Column("line", Text, nullable=False),
)

# A restore opens an epoch: the log it brought back may have gone on elsewhere, so nothing is added to it (SPEC 7.5).
log_epochs = Table(
    "log_epochs",
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("origin", String(200), nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("previous_origin", String(200), nullable=False),
    Column("previous_size", BigInteger, nullable=False),
    Column("previous_root", LargeBinary, nullable=False),
    Column("announced_ms", BigInteger),
)

# Whom a restored node asked for what it lost, and what came of it.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("peer", String(63), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("parts", Text, nullable=False),
    Column("returned", Integer, nullable=False),
    Column("lost", Integer, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
)

backups = Table(
    "backups",
    metadata,
    Column("backup_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("file", String(200), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("taken_ms", BigInteger, nullable=False),
)

# When a backup was last looked at: from outside, or opened with a recovery key and everything in it compared.
backup_checks = Table(
    "backup_checks",
    metadata,
    Column("backup_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("opened", Boolean, primary_key=True),
    Column("checked_ms", BigInteger, nullable=False),
)

thread_keys = Table(
    "thread_keys",
    key_metadata,
    Column("thread_id", String(36), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("destroyed_ms", BigInteger),
    # Between the order to erase and the end of the key: nothing is read or said with it.
    Column("blocked_ms", BigInteger),
)
