"""Tables of exchanges, of what left and of what stands in the way (SPEC 14 to 17). Times are integer milliseconds (UTC).

Names of fields, codes and ids only; the one personal text, a held one, is sealed under its thread's key.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, String, Table, Text, text

from gateway.storage.schema import metadata

_pending = text("pending_slot IS NOT NULL")
WITHDRAWING = text("state = 'withdrawing'")
"""Few, and found without reading through the rest: a statement that is to use the index says it in these words."""
_awaited = text("awaited IS NOT NULL")
_held = text("state = 'held'")
_waiting = text("state = 'waiting'")
QUESTIONS = text("machine IN ('search', 'disclosure', 'identity')")
OPEN_QUESTIONS = text("machine IN ('search', 'disclosure', 'identity') AND state NOT IN ('closed', 'erased')")
ESCALATED = text("escalated_ms IS NOT NULL AND overseen_ms IS NULL AND ended_ms IS NULL AND over_ms IS NULL")
TO_DO = text("ended_ms IS NULL AND over_ms IS NULL")
"""As WITHDRAWING: in the words of their indexes, for statements with no other table of such columns."""
_uncounted = text("due_ms IS NULL AND hours IS NOT NULL AND ended_ms IS NULL")
_untold = text("escalate_ms IS NOT NULL AND escalated_ms IS NULL AND ended_ms IS NULL")
RECALLED = text("recall IN ('wanted', 'ordered')")
"""Copies that are to come back. A statement that is to use the index says it in these words."""

exchanges = Table(
    "exchanges",
    metadata,
    Column("opener", String(63), primary_key=True),
    Column("opening_id", String(36), primary_key=True),
    Column("machine", String(16), nullable=False),
    Column("side", String(10), nullable=False),
    Column("peer", String(63), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Column("case_ref", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(24)),
    # The machine's name, and of an offer its service, while it is ours, under way and the only one of its kind allowed; so the
    # database refuses a second.
    Column("pending_slot", String(64)),
    Column("awaited", String(10)),
    Column("deadline_ms", BigInteger),
    Column("opened_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index(
        "uq_exchanges_pending",
        "peer",
        "case_ref",
        "pending_slot",
        unique=True,
        sqlite_where=_pending,
        postgresql_where=_pending,
    ),
    Index("ix_exchanges_thread_id", "thread_id"),
    Index("ix_exchanges_case_ref", "case_ref"),
    Index("ix_exchanges_opening_id", "opening_id"),
    Index("ix_exchanges_opened_ms", "opened_ms"),
    Index("ix_exchanges_awaited", "deadline_ms", sqlite_where=_awaited, postgresql_where=_awaited),
    Index("ix_exchanges_questions", "opened_ms", sqlite_where=QUESTIONS, postgresql_where=QUESTIONS),
    Index("ix_exchanges_open", "deadline_ms", sqlite_where=OPEN_QUESTIONS, postgresql_where=OPEN_QUESTIONS),
    Index("ix_exchanges_withdrawing", "changed_ms", sqlite_where=WITHDRAWING, postgresql_where=WITHDRAWING),
)

exchange_messages = Table(
    "exchange_messages",
    metadata,
    Column("opener", String(63), primary_key=True),
    Column("opening_id", String(36), primary_key=True),
    Column("message_id", String(36), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("said_by", String(10), nullable=False),
    Column("in_reply_to", String(36)),
    Column("carries", Boolean, nullable=False),
    Column("logged_ms", BigInteger, nullable=False),
)

# One row a record, not one a field: a report has thirty fields and one line of the ledger.
disclosures = Table(
    "disclosures",
    metadata,
    Column("record_id", String(36), primary_key=True),
    Column("message_id", String(36), nullable=False),
    Column("peer", String(63), nullable=False),
    Column("case_ref", String(80), nullable=False),
    Column("case_alias", String(24)),
    Column("kind", String(40), nullable=False),
    Column("record_type", String(80), nullable=False),
    Column("fields", Text, nullable=False),
    Column("purpose", String(80), nullable=False),
    Column("basis", String(80), nullable=False),
    Column("sent_ms", BigInteger, nullable=False),
    Column("retain_until_ms", BigInteger, nullable=False),
    Column("recall", String(16), nullable=False),
    Column("recall_order", String(36)),
    Column("recall_basis", String(80)),
    Column("recalled_ms", BigInteger),
    # The scopes of consent it rests on (NULL: it came back after a restore), and whose data it is where it is a relative's.
    Column("scopes", Text),
    Column("relative", String(42)),
    Index("ix_disclosures_case_ref", "case_ref"),
    Index("ix_disclosures_case_alias", "case_alias"),
    Index("ix_disclosures_message_id", "message_id"),
    Index("ix_disclosures_recalled", "peer", sqlite_where=RECALLED, postgresql_where=RECALLED),
    Index("ix_disclosures_recall_order", "recall_order"),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("case_ref", String(80), nullable=False),
    Column("relative", String(42)),
    Column("act", String(16), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("limits", Text, nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("form", String(24), nullable=False),
    Column("language", String(16), nullable=False),
    Column("witness", String(42)),
    Column("imported", Boolean, nullable=False),
    Column("reason", String(80)),
    Column("recorded_ms", BigInteger, nullable=False),
    Index("ix_consent_events_case_ref", "case_ref"),
)

wish_events = Table(
    "wish_events",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("case_ref", String(80), nullable=False),
    Column("wish", String(24), nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("evidence", String(80), nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
    Index("ix_wish_events_case_ref", "case_ref"),
)

never_to = Table(
    "never_to",
    metadata,
    Column("case_ref", String(80), primary_key=True),
    Column("target", String(80), primary_key=True),
    Column("set_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", String(80), nullable=False),
    Column("set_by", String(42), nullable=False),
    Column("lifted_by", String(42)),
    Column("lifted_ms", BigInteger),
)

held_texts = Table(
    "held_texts",
    metadata,
    Column("message_id", String(36), primary_key=True),
    Column("place", String(120), primary_key=True),
    Column("thread_id", String(36), nullable=False),
    Column("state", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("held_ms", BigInteger, nullable=False),
    Column("decided_by", String(42)),
    Column("decided_ms", BigInteger),
    Index("ix_held_texts_thread_id", "thread_id"),
    Index("ix_held_texts_held", "held_ms", sqlite_where=_held, postgresql_where=_held),
)

departures = Table(
    "departures",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Column("case_ref", String(80), nullable=False),
    Column("peer", String(63), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("in_reply_to", String(36)),
    Column("content", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("waits", Text, nullable=False),
    Column("leaves_ms", BigInteger),
    Column("drafted_by", String(36), nullable=False),
    Column("actor", String(42), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    # Whose work it is once it has left.
    Column("office", String(80)),
    Index("ix_departures_state", "state", "made_ms"),
    Index("ix_departures_thread_id", "thread_id"),
    Index("ix_departures_reply", "in_reply_to", sqlite_where=_waiting, postgresql_where=_waiting),
)

# What an officer said of a record of ours beside a question: opaque ids, and whether it may be shown again.
candidate_verdicts = Table(
    "candidate_verdicts",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("opener", String(63), primary_key=True),
    Column("opening_id", String(36), primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("actor", String(42), nullable=False),
    Column("said_ms", BigInteger, nullable=False),
)

# The inbox of work: a row an exchange. What was said stands in `exchanges`; here is who has it, and until when.
work_items = Table(
    "work_items",
    metadata,
    Column("opener", String(63), primary_key=True),
    Column("opening_id", String(36), primary_key=True),
    Column("machine", String(16), nullable=False),
    Column("side", String(10), nullable=False),
    Column("peer", String(63), nullable=False),
    Column("thread_id", String(36), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("purpose", String(80), nullable=False),
    Column("basis", String(80), nullable=False),
    Column("office", String(80)),
    Column("service", String(40)),
    Column("urgency", String(16)),
    Column("minor", String(8)),
    Column("hours", BigInteger),
    Column("escalate_hours", BigInteger),
    Column("due_ms", BigInteger),
    Column("remind_ms", BigInteger),
    Column("escalate_ms", BigInteger),
    Column("reminded_ms", BigInteger),
    Column("escalated_ms", BigInteger),
    Column("overseen_ms", BigInteger),
    Column("person_id", String(36)),
    Column("taken_ms", BigInteger),
    Column("opened_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    # When its exchange was over, where that ends the work too: what there is to do is found without reading what was done.
    Column("over_ms", BigInteger),
    Index("ix_work_items_opening_id", "opening_id"),
    Index("ix_work_items_opened", "opened_ms"),
    Index("ix_work_items_escalated", "escalated_ms", sqlite_where=ESCALATED, postgresql_where=ESCALATED),
    Index("ix_work_items_open", "due_ms", sqlite_where=TO_DO, postgresql_where=TO_DO),
    Index("ix_work_items_uncounted", "opened_ms", sqlite_where=_uncounted, postgresql_where=_uncounted),
    Index("ix_work_items_untold", "escalate_ms", sqlite_where=_untold, postgresql_where=_untold),
)
