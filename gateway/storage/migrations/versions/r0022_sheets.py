"""Search sheets."""

import sqlalchemy as sa
from alembic import op

revision = "r0022_sheets"
down_revision = "r0021_checks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "sheets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("thread_id", sa.String(length=36), nullable=False),
        sa.Column("case_ref", sa.String(length=80), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("office", sa.String(length=80), nullable=True),
        sa.Column("drafted_by", sa.String(length=36), nullable=False),
        sa.Column("actor", sa.String(length=42), nullable=False),
        sa.Column("approved_by", sa.String(length=36), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheets")),
    )
    op.create_index("ix_sheets_code", "sheets", ["code"], unique=True)
    op.create_index("ix_sheets_live", "sheets", ["case_ref"], unique=False, sqlite_where=sa.text("state IN ('waiting', 'valid')"), postgresql_where=sa.text("state IN ('waiting', 'valid')"))
    op.create_index("ix_sheets_made", "sheets", ["made_ms"], unique=False)
    op.create_index("ix_sheets_thread_id", "sheets", ["thread_id"], unique=False)


def downgrade() -> None:
    """Take them away."""
    op.drop_table("sheets")
