"""Erasure: what a copy rests on, until when a message is kept, what peers ordered erased, and what must be kept all the same."""

import sqlalchemy as sa
from alembic import op

revision = "r0008_erasure"
down_revision = "r0007_work"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and widen the queues and the ledger."""
    op.create_table('received_records',
    sa.Column('sender', sa.String(length=63), nullable=False),
    sa.Column('record_id', sa.String(length=36), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('sender', 'record_id', name=op.f('pk_received_records'))
    )
    op.create_index('ix_received_records_thread_id', 'received_records', ['thread_id'], unique=False)
    op.create_table('erasures',
    sa.Column('ordered_by', sa.String(length=63), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('item', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=True),
    sa.Column('whole', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('basis', sa.String(length=80), nullable=True),
    sa.Column('ordered_ms', sa.BigInteger(), nullable=False),
    sa.Column('shred_ms', sa.BigInteger(), nullable=False),
    sa.Column('ended_ms', sa.BigInteger(), nullable=True),
    sa.Column('answered_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('ordered_by', 'order_id', 'item', name=op.f('pk_erasures'))
    )
    waits, unanswered = sa.text("state IN ('blocked', 'marked')"), sa.text("answered_ms IS NULL")
    op.create_index('ix_erasures_waiting', 'erasures', ['shred_ms'], unique=False, sqlite_where=waits, postgresql_where=waits)
    op.create_index('ix_erasures_unanswered', 'erasures', ['ordered_ms'], unique=False, sqlite_where=unanswered, postgresql_where=unanswered)
    op.create_index('ix_erasures_item', 'erasures', ['item'], unique=False)
    op.create_index('ix_erasures_thread_id', 'erasures', ['thread_id'], unique=False)
    op.create_table('legal_holds',
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('set_ms', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('basis', sa.String(length=80), nullable=False),
    sa.Column('set_by', sa.String(length=42), nullable=False),
    sa.Column('lifted_by', sa.String(length=42), nullable=True),
    sa.Column('lifted_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('thread_id', 'set_ms', name=op.f('pk_legal_holds'))
    )
    op.create_table('erasing_watch',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('last_run_ms', sa.BigInteger(), nullable=False),
    sa.Column('stopped', sa.String(length=24), nullable=True),
    sa.Column('stopped_ms', sa.BigInteger(), nullable=True),
    sa.Column('allowed_until_ms', sa.BigInteger(), nullable=True),
    sa.Column('scrub_due', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_erasing_watch'))
    )
    op.add_column('disclosures', sa.Column('scopes', sa.Text(), nullable=True))
    op.add_column('disclosures', sa.Column('relative', sa.String(length=42), nullable=True))
    recalled = sa.text("recall IN ('wanted', 'ordered')")
    op.create_index('ix_disclosures_recalled', 'disclosures', ['peer'], unique=False, sqlite_where=recalled, postgresql_where=recalled)
    op.create_index('ix_disclosures_recall_order', 'disclosures', ['recall_order'], unique=False)
    kept = sa.text("retain_ms IS NOT NULL")
    for queue in ("inbox", "outbox"):
        op.add_column(queue, sa.Column('retain_ms', sa.BigInteger(), nullable=True))
        op.create_index(f'ix_{queue}_retain_ms', queue, ['retain_ms'], unique=False, sqlite_where=kept, postgresql_where=kept)


def downgrade() -> None:
    """Take it away."""
    for queue in ("outbox", "inbox"):
        op.drop_index(f"ix_{queue}_retain_ms", queue)
        op.drop_column(queue, "retain_ms")
    op.drop_index("ix_disclosures_recall_order", "disclosures")
    op.drop_index("ix_disclosures_recalled", "disclosures")
    op.drop_column("disclosures", "relative")
    op.drop_column("disclosures", "scopes")
    op.drop_table("erasing_watch")
    op.drop_table("legal_holds")
    op.drop_table("erasures")
    op.drop_table("received_records")
