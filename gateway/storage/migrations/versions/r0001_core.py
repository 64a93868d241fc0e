"""The node core: inbox, outbox, cases, log."""

import sqlalchemy as sa
from alembic import op

revision = "r0001_core"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table('alarms',
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=True),
    sa.Column('raised_ms', sa.BigInteger(), nullable=False),
    sa.Column('acknowledged_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('code', 'subject', name=op.f('pk_alarms'))
    )
    op.create_table('cases',
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False),
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('opened_by', sa.String(length=36), nullable=False),
    sa.Column('state', sa.String(length=24), nullable=False),
    sa.Column('alias', sa.String(length=24), nullable=True),
    sa.Column('folio', sa.String(length=20), nullable=True),
    sa.Column('opened_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('thread_id', name=op.f('pk_cases'))
    )
    op.create_index('ix_cases_folio', 'cases', ['folio'], unique=False)
    op.create_table('checkpoints',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('root', sa.LargeBinary(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('signed_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('size', name=op.f('pk_checkpoints'))
    )
    op.create_table('cosignatures',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('witness', sa.String(length=200), nullable=False),
    sa.Column('line', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('size', 'witness', name=op.f('pk_cosignatures'))
    )
    op.create_table('folio_counters',
    sa.Column('prefix', sa.String(length=8), nullable=False),
    sa.Column('year', sa.Integer(), nullable=False),
    sa.Column('last', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('prefix', 'year', name=op.f('pk_folio_counters'))
    )
    op.create_table('imports',
    sa.Column('row_key', sa.LargeBinary(), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('row', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('reasons', sa.Text(), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=True),
    sa.Column('message_ids', sa.Text(), nullable=False),
    sa.Column('imported_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('row_key', name=op.f('pk_imports'))
    )
    op.create_table('inbox',
    sa.Column('sender', sa.String(length=63), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('in_reply_to', sa.String(length=36), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_ms', sa.BigInteger(), nullable=False),
    sa.Column('lease_owner', sa.String(length=64), nullable=True),
    sa.Column('lease_until_ms', sa.BigInteger(), nullable=True),
    sa.Column('received_ms', sa.BigInteger(), nullable=False),
    sa.Column('expires_ms', sa.BigInteger(), nullable=False),
    sa.Column('last_error', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('sender', 'message_id', name=op.f('pk_inbox'))
    )
    op.create_index('ix_inbox_thread_id', 'inbox', ['thread_id'], unique=False)
    op.create_index('ix_inbox_waiting', 'inbox', ['due_ms'], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.create_table('lanes',
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('next_attempt_ms', sa.BigInteger(), nullable=False),
    sa.Column('paused', sa.Boolean(), nullable=False),
    sa.Column('held', sa.Boolean(), nullable=False),
    sa.Column('lease_owner', sa.String(length=64), nullable=True),
    sa.Column('lease_until_ms', sa.BigInteger(), nullable=True),
    sa.Column('last_served_ms', sa.BigInteger(), nullable=False),
    sa.Column('last_success_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('peer', name=op.f('pk_lanes'))
    )
    op.create_table('leaf_staging',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('leaf_hash', sa.LargeBinary(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('disclosures', sa.Text(), nullable=False),
    sa.Column('event', sa.String(length=24), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=True),
    sa.Column('peer', sa.String(length=63), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_leaf_staging'))
    )
    op.create_table('leaves',
    sa.Column('leaf_index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('leaf_hash', sa.LargeBinary(), nullable=False),
    sa.Column('data', sa.LargeBinary(), nullable=False),
    sa.Column('disclosures', sa.Text(), nullable=False),
    sa.Column('event', sa.String(length=24), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=True),
    sa.Column('peer', sa.String(length=63), nullable=True),
    sa.PrimaryKeyConstraint('leaf_index', name=op.f('pk_leaves'))
    )
    op.create_index('ix_leaves_leaf_hash', 'leaves', ['leaf_hash'], unique=False)
    op.create_index('ix_leaves_message_id', 'leaves', ['message_id'], unique=False)
    op.create_table('log_head',
    sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_log_head'))
    )
    op.create_table('outbox',
    sa.Column('lane', sa.String(length=63), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('thread_id', sa.String(length=36), nullable=False),
    sa.Column('in_reply_to', sa.String(length=36), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_ms', sa.BigInteger(), nullable=False),
    sa.Column('expires_ms', sa.BigInteger(), nullable=False),
    sa.Column('created_ms', sa.BigInteger(), nullable=False),
    sa.Column('ended_ms', sa.BigInteger(), nullable=True),
    sa.Column('lease_owner', sa.String(length=64), nullable=True),
    sa.Column('lease_until_ms', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('lane', 'message_id', name=op.f('pk_outbox'))
    )
    op.create_index('ix_outbox_expiry', 'outbox', ['expires_ms'], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.create_index('ix_outbox_message_id', 'outbox', ['message_id'], unique=False)
    op.create_index('ix_outbox_thread_id', 'outbox', ['thread_id'], unique=False)
    op.create_index('ix_outbox_waiting', 'outbox', ['lane', 'due_ms'], unique=False, sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.create_table('outbox_bodies',
    sa.Column('lane', sa.String(length=63), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('envelope', sa.LargeBinary(), nullable=False),
    sa.Column('recipient_key', sa.String(length=80), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('manifest', sa.Text(), nullable=False),
    sa.Column('receipt', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('lane', 'message_id', name=op.f('pk_outbox_bodies'))
    )
    op.create_table('seen',
    sa.Column('sender', sa.String(length=63), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('receipt', sa.Text(), nullable=False),
    sa.Column('received_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('sender', 'message_id', name=op.f('pk_seen'))
    )
    op.create_table('tree_nodes',
    sa.Column('level', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('node_index', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'node_index', name=op.f('pk_tree_nodes'))
    )
    if op.get_bind().dialect.name == "postgresql":
        # Queue tables churn: leave room for updates in place and vacuum early (dead tuples are the leading indicator).
        for table in ("outbox", "inbox", "lanes", "leaf_staging"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01)")


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table('tree_nodes')
    op.drop_table('seen')
    op.drop_table('outbox_bodies')
    op.drop_index('ix_outbox_waiting', table_name='outbox', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index('ix_outbox_thread_id', table_name='outbox')
    op.drop_index('ix_outbox_message_id', table_name='outbox')
    op.drop_index('ix_outbox_expiry', table_name='outbox', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table('outbox')
    op.drop_table('log_head')
    op.drop_index('ix_leaves_message_id', table_name='leaves')
    op.drop_index('ix_leaves_leaf_hash', table_name='leaves')
    op.drop_table('leaves')
    op.drop_table('leaf_staging')
    op.drop_table('lanes')
    op.drop_index('ix_inbox_waiting', table_name='inbox', sqlite_where=sa.text("state = 'waiting'"), postgresql_where=sa.text("state = 'waiting'"))
    op.drop_index('ix_inbox_thread_id', table_name='inbox')
    op.drop_table('inbox')
    op.drop_table('imports')
    op.drop_table('folio_counters')
    op.drop_table('cosignatures')
    op.drop_table('checkpoints')
    op.drop_index('ix_cases_folio', table_name='cases')
    op.drop_table('cases')
    op.drop_table('alarms')
