"""Attachments: one row each; ciphertexts are files."""

import sqlalchemy as sa
from alembic import op

revision = "r0014_attachments"
down_revision = "r0013_windows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.create_table('attachments',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('outgoing', sa.Boolean(), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=True),
    sa.Column('message_id', sa.String(length=36), nullable=True),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('media_type', sa.String(length=40), nullable=False),
    sa.Column('grade', sa.String(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('have', sa.BigInteger(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_ms', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('made_ms', sa.BigInteger(), nullable=False),
    sa.Column('ended_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attachments'))
    )
    op.create_index('ix_attachments_thread_id', 'attachments', ['thread_id', 'name'], unique=True)
    op.create_index('ix_attachments_name', 'attachments', ['name'], unique=False)
    op.create_index('ix_attachments_message_id', 'attachments', ['message_id'], unique=False)
    kept = sa.text("state IN ('ready', 'sent', 'wanted', 'here')")
    op.create_index('ix_attachments_kept', 'attachments', ['peer'], unique=False, sqlite_where=kept, postgresql_where=kept)
    for name, column in (("wanted", "due_ms"), ("erasing", "made_ms"), ("ready", "made_ms")):
        state = sa.text(f"state = '{name}'")
        op.create_index(f'ix_attachments_{name}', 'attachments', [column], unique=False, sqlite_where=state, postgresql_where=state)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("attachments")
