"""The key store: a thread can be blocked, between the order to erase it and the end of its key."""

import sqlalchemy as sa
from alembic import op

revision = "r0002_blocked"
down_revision = "r0001_thread_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Say since when a thread may not be read."""
    op.add_column("thread_keys", sa.Column("blocked_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("thread_keys", "blocked_ms")
