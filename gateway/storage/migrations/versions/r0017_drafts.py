"""Forms that are not finished, and reports the node itself took."""

import sqlalchemy as sa
from alembic import op

revision = "r0017_drafts"
down_revision = "r0016_worklists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table('form_drafts',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('person_id', sa.String(length=36), nullable=False),
    sa.Column('purpose', sa.String(length=160), nullable=False),
    sa.Column('office', sa.String(length=80), nullable=True),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('own_thread', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('made_ms', sa.BigInteger(), nullable=False),
    sa.Column('changed_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_form_drafts'))
    )
    op.create_index('ix_form_drafts_person_id', 'form_drafts', ['person_id', 'purpose'], unique=True)
    op.create_index('ix_form_drafts_thread_id', 'form_drafts', ['thread_id'], unique=False)
    op.create_index('ix_form_drafts_changed_ms', 'form_drafts', ['changed_ms'], unique=False)
    op.create_table('taken_reports',
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('office', sa.String(length=80), nullable=False),
    sa.Column('actor', sa.String(length=42), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('taken_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('thread_id', name=op.f('pk_taken_reports'))
    )
    op.create_index('ix_taken_reports_taken_ms', 'taken_reports', ['taken_ms'], unique=False)


def downgrade() -> None:
    """Take them away."""
    op.drop_table("taken_reports")
    op.drop_table("form_drafts")
