"""Exchanges, the ledger of disclosures, consents and wishes, and what waits for a person."""

import sqlalchemy as sa
from alembic import op

revision = "r0005_books"
down_revision = "r0004_growth"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table('consent_events',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('case_ref', sa.String(length=80), nullable=False),
    sa.Column('relative', sa.String(length=42), nullable=True),
    sa.Column('act', sa.String(length=16), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('limits', sa.Text(), nullable=False),
    sa.Column('effective_ms', sa.BigInteger(), nullable=False),
    sa.Column('form', sa.String(length=24), nullable=False),
    sa.Column('language', sa.String(length=16), nullable=False),
    sa.Column('witness', sa.String(length=42), nullable=True),
    sa.Column('imported', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.String(length=80), nullable=True),
    sa.Column('recorded_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_consent_events'))
    )
    op.create_index('ix_consent_events_case_ref', 'consent_events', ['case_ref'], unique=False)
    op.create_table('disclosures',
    sa.Column('record_id', sa.String(length=36), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('case_ref', sa.String(length=80), nullable=False),
    sa.Column('case_alias', sa.String(length=24), nullable=True),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('record_type', sa.String(length=80), nullable=False),
    sa.Column('fields', sa.Text(), nullable=False),
    sa.Column('purpose', sa.String(length=80), nullable=False),
    sa.Column('basis', sa.String(length=80), nullable=False),
    sa.Column('sent_ms', sa.BigInteger(), nullable=False),
    sa.Column('retain_until_ms', sa.BigInteger(), nullable=False),
    sa.Column('recall', sa.String(length=16), nullable=False),
    sa.Column('recall_order', sa.String(length=36), nullable=True),
    sa.Column('recall_basis', sa.String(length=80), nullable=True),
    sa.Column('recalled_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('record_id', name=op.f('pk_disclosures'))
    )
    op.create_index('ix_disclosures_case_alias', 'disclosures', ['case_alias'], unique=False)
    op.create_index('ix_disclosures_case_ref', 'disclosures', ['case_ref'], unique=False)
    op.create_index('ix_disclosures_message_id', 'disclosures', ['message_id'], unique=False)
    op.create_table('exchange_messages',
    sa.Column('opener', sa.String(length=63), nullable=False),
    sa.Column('opening_id', sa.String(length=36), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('said_by', sa.String(length=10), nullable=False),
    sa.Column('in_reply_to', sa.String(length=36), nullable=True),
    sa.Column('carries', sa.Boolean(), nullable=False),
    sa.Column('logged_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('opener', 'opening_id', 'message_id', name=op.f('pk_exchange_messages'))
    )
    op.create_table('exchanges',
    sa.Column('opener', sa.String(length=63), nullable=False),
    sa.Column('opening_id', sa.String(length=36), nullable=False),
    sa.Column('machine', sa.String(length=16), nullable=False),
    sa.Column('side', sa.String(length=10), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('case_ref', sa.String(length=80), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('outcome', sa.String(length=24), nullable=True),
    sa.Column('pending_slot', sa.String(length=16), nullable=True),
    sa.Column('awaited', sa.String(length=10), nullable=True),
    sa.Column('deadline_ms', sa.BigInteger(), nullable=True),
    sa.Column('opened_ms', sa.BigInteger(), nullable=False),
    sa.Column('changed_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('opener', 'opening_id', name=op.f('pk_exchanges'))
    )
    op.create_index('ix_exchanges_case_ref', 'exchanges', ['case_ref'], unique=False)
    op.create_index('ix_exchanges_deadline_ms', 'exchanges', ['deadline_ms'], unique=False)
    op.create_index('ix_exchanges_thread_id', 'exchanges', ['thread_id'], unique=False)
    op.create_index('uq_exchanges_pending', 'exchanges', ['peer', 'case_ref', 'pending_slot'], unique=True, sqlite_where=sa.text('pending_slot IS NOT NULL'), postgresql_where=sa.text('pending_slot IS NOT NULL'))
    op.create_table('held_texts',
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('held_ms', sa.BigInteger(), nullable=False),
    sa.Column('decided_by', sa.String(length=42), nullable=True),
    sa.Column('decided_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('message_id', 'place', name=op.f('pk_held_texts'))
    )
    op.create_index('ix_held_texts_thread_id', 'held_texts', ['thread_id'], unique=False)
    op.create_table('never_to',
    sa.Column('case_ref', sa.String(length=80), nullable=False),
    sa.Column('target', sa.String(length=80), nullable=False),
    sa.Column('set_ms', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('reason', sa.String(length=80), nullable=False),
    sa.Column('set_by', sa.String(length=42), nullable=False),
    sa.Column('lifted_by', sa.String(length=42), nullable=True),
    sa.Column('lifted_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('case_ref', 'target', 'set_ms', name=op.f('pk_never_to'))
    )
    op.create_table('wish_events',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('case_ref', sa.String(length=80), nullable=False),
    sa.Column('wish', sa.String(length=24), nullable=False),
    sa.Column('effective_ms', sa.BigInteger(), nullable=False),
    sa.Column('evidence', sa.String(length=80), nullable=False),
    sa.Column('recorded_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_wish_events'))
    )
    op.create_index('ix_wish_events_case_ref', 'wish_events', ['case_ref'], unique=False)


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("wish_events")
    op.drop_table("never_to")
    op.drop_table("held_texts")
    op.drop_table("exchanges")
    op.drop_table("exchange_messages")
    op.drop_table("disclosures")
    op.drop_table("consent_events")
