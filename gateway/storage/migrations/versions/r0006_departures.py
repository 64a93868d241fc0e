"""What waits before it leaves."""

import sqlalchemy as sa
from alembic import op

revision = "r0006_departures"
down_revision = "r0005_books"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "departures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("thread_id", sa.String(length=36), nullable=False),
        sa.Column("case_ref", sa.String(length=80), nullable=False),
        sa.Column("peer", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("in_reply_to", sa.String(length=36), nullable=True),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("waits", sa.Text(), nullable=False),
        sa.Column("leaves_ms", sa.BigInteger(), nullable=True),
        sa.Column("drafted_by", sa.String(length=36), nullable=False),
        sa.Column("actor", sa.String(length=42), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departures")),
    )
    op.create_index("ix_departures_state", "departures", ["state", "made_ms"], unique=False)
    op.create_index("ix_departures_thread_id", "departures", ["thread_id"], unique=False)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("departures")
