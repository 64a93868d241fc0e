"""The ombudsman's windows: which case was shown under which complaint."""

import sqlalchemy as sa
from alembic import op

revision = "r0013_windows"
down_revision = "r0012_same_person"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table('windows',
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('ours', sa.Boolean(), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('folio', sa.String(length=20), nullable=False),
    sa.Column('complaint', sa.String(length=40), nullable=False),
    sa.Column('asked_ms', sa.BigInteger(), nullable=False),
    sa.Column('result', sa.String(length=16), nullable=False),
    sa.PrimaryKeyConstraint('message_id', 'ours', name=op.f('pk_windows'))
    )
    op.create_index('ix_windows_asked_ms', 'windows', ['ours', 'asked_ms'], unique=False)
    op.create_index('ix_windows_complaint', 'windows', ['peer', 'complaint'], unique=False)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("windows")
