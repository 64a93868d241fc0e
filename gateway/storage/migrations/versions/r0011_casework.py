"""Whose work a departure is; what an offer is exclusive about; how long what came before r0008 may be kept; lists that do not
read what is over.
"""

import sqlalchemy as sa
from alembic import op

revision = "r0011_casework"
down_revision = "r0008_erasure"
branch_labels = None
depends_on = None

_WIDER = sa.String(length=64)
_NARROW = sa.String(length=16)
_OPEN = "machine IN ('search', 'disclosure') AND state NOT IN ('closed', 'erased')"
_ESCALATED = "escalated_ms IS NOT NULL AND overseen_ms IS NULL AND ended_ms IS NULL AND over_ms IS NULL"
_INDEXES = (
    ("ix_exchanges_opening_id", "exchanges", ["opening_id"], None),
    ("ix_exchanges_awaited", "exchanges", ["deadline_ms"], "awaited IS NOT NULL"),
    ("ix_exchanges_questions", "exchanges", ["opened_ms"], "machine IN ('search', 'disclosure')"),
    ("ix_exchanges_open", "exchanges", ["deadline_ms"], _OPEN),
    ("ix_held_texts_held", "held_texts", ["held_ms"], "state = 'held'"),
    ("ix_work_items_opened", "work_items", ["opened_ms"], None),
    ("ix_work_items_escalated", "work_items", ["escalated_ms"], _ESCALATED),
    ("ix_work_items_open", "work_items", ["due_ms"], "ended_ms IS NULL AND over_ms IS NULL"),
)


def upgrade() -> None:
    """Widen the tables."""
    # When each may go stands in the sealed message: the eraser opens them and writes it down.
    op.execute("UPDATE inbox SET retain_ms = -1 WHERE retain_ms IS NULL AND length(body) > 0")
    kept = "SELECT 1 FROM outbox_bodies AS b WHERE b.lane = outbox.lane AND b.message_id = outbox.message_id"
    op.execute(f"UPDATE outbox SET retain_ms = -1 WHERE retain_ms IS NULL AND EXISTS ({kept} AND length(b.body) > 0)")
    op.add_column("departures", sa.Column("office", sa.String(length=80), nullable=True))
    with op.batch_alter_table("exchanges") as table:
        table.alter_column("pending_slot", type_=_WIDER, existing_type=_NARROW, existing_nullable=True)
    op.drop_index("ix_exchanges_deadline_ms", "exchanges")
    for name in ("over_ms", "overseen_ms"):
        op.add_column("work_items", sa.Column(name, sa.BigInteger(), nullable=True))
    same = "x.opener = work_items.opener AND x.opening_id = work_items.opening_id AND x.state = 'closed'"
    at_once = "side = 'addressee' AND machine IN ('report', 'finding', 'duty')"
    moment = f"SELECT x.changed_ms FROM exchanges AS x WHERE {same}"
    op.execute(f"UPDATE work_items SET over_ms = ({moment}) WHERE NOT ({at_once})")
    for name, indexed, columns, where in _INDEXES:
        part = None if where is None else sa.text(where)
        op.create_index(name, indexed, columns, unique=False, sqlite_where=part, postgresql_where=part)


def downgrade() -> None:
    """Take it away."""
    for name, indexed, _, _ in reversed(_INDEXES):
        op.drop_index(name, indexed)
    for name in ("overseen_ms", "over_ms"):
        op.drop_column("work_items", name)
    op.create_index("ix_exchanges_deadline_ms", "exchanges", ["deadline_ms"], unique=False)
    with op.batch_alter_table("exchanges") as table:
        table.alter_column("pending_slot", type_=_NARROW, existing_type=_WIDER, existing_nullable=True)
    op.drop_column("departures", "office")
    for queue in ("inbox", "outbox"):
        op.execute(f"UPDATE {queue} SET retain_ms = NULL WHERE retain_ms < 0")
