"""The inbox of work: which office an exchange is at, who has it, and until when a word is awaited."""

import sqlalchemy as sa
from alembic import op

revision = "r0007_work"
down_revision = "r0006_departures"
branch_labels = None
depends_on = None

_UNCOUNTED = "due_ms IS NULL AND hours IS NOT NULL AND ended_ms IS NULL"
_UNTOLD = "escalate_ms IS NOT NULL AND escalated_ms IS NULL AND ended_ms IS NULL"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "work_items",
        sa.Column("opener", sa.String(length=63), nullable=False),
        sa.Column("opening_id", sa.String(length=36), nullable=False),
        sa.Column("machine", sa.String(length=16), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("thread_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("purpose", sa.String(length=80), nullable=False),
        sa.Column("basis", sa.String(length=80), nullable=False),
        sa.Column("office", sa.String(length=80), nullable=True),
        sa.Column("service", sa.String(length=40), nullable=True),
        sa.Column("urgency", sa.String(length=16), nullable=True),
        sa.Column("minor", sa.String(length=8), nullable=True),
        sa.Column("hours", sa.BigInteger(), nullable=True),
        sa.Column("escalate_hours", sa.BigInteger(), nullable=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("remind_ms", sa.BigInteger(), nullable=True),
        sa.Column("escalate_ms", sa.BigInteger(), nullable=True),
        sa.Column("reminded_ms", sa.BigInteger(), nullable=True),
        sa.Column("escalated_ms", sa.BigInteger(), nullable=True),
        sa.Column("person_id", sa.String(length=36), nullable=True),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("opener", "opening_id", name=op.f("pk_work_items")),
    )
    op.create_index("ix_work_items_opening_id", "work_items", ["opening_id"], unique=False)
    op.create_index(
        "ix_exchanges_withdrawing",
        "exchanges",
        ["changed_ms"],
        unique=False,
        sqlite_where=sa.text("state = 'withdrawing'"),
        postgresql_where=sa.text("state = 'withdrawing'"),
    )
    for name, column, where in (("uncounted", "opened_ms", _UNCOUNTED), ("untold", "escalate_ms", _UNTOLD)):
        op.create_index(
            f"ix_work_items_{name}",
            "work_items",
            [column],
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    """Drop the table."""
    op.drop_index("ix_exchanges_withdrawing", "exchanges")
    op.drop_table("work_items")
