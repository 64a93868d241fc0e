"""The inbox as pages show it: answers that wait by their question, what was said of candidates, secret addresses of deadlines."""

import sqlalchemy as sa
from alembic import op

revision = "r0016_worklists"
down_revision = "r0015_second_factors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_departures_reply", "departures", ["in_reply_to"], unique=False, sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "candidate_verdicts",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("opener", sa.String(length=63), nullable=False),
        sa.Column("opening_id", sa.String(length=36), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.String(length=42), nullable=False),
        sa.Column("said_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", "opener", "opening_id", name=op.f("pk_candidate_verdicts")),
    )
    op.create_table(
        "calendar_links",
        sa.Column("person_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_calendar_links")),
    )
    op.create_index("ix_calendar_links_digest", "calendar_links", ["digest"], unique=True)


def downgrade() -> None:
    """Take them away."""
    op.drop_table("calendar_links")
    op.drop_table("candidate_verdicts")
    op.drop_index("ix_departures_reply", table_name="departures")
