"""The key store: one wrapped key per thread."""

import sqlalchemy as sa
from alembic import op

revision = "r0001_thread_keys"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table('thread_keys',
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('wrapped', sa.LargeBinary(), nullable=False),
    sa.Column('created_ms', sa.BigInteger(), nullable=False),
    sa.Column('destroyed_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('thread_id', name=op.f('pk_thread_keys'))
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table('thread_keys')
