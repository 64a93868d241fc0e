"""Backups and restores: logs have epochs, a restore is reconciled with each peer, a receipt that was replaced is kept."""

import sqlalchemy as sa
from alembic import op

revision = "r0002_restore"
down_revision = "r0001_core"
branch_labels = None
depends_on = None

_KEYS = {
    "leaves": ("leaf_index",),
    "tree_nodes": ("level", "node_index"),
    "checkpoints": ("size",),
    "cosignatures": ("size", "witness"),
}


def upgrade() -> None:
    """Number what is there as the first epoch; make the tables of a restore."""
    for table, columns in _KEYS.items():
        # SQLite cannot change a primary key: there the table is written anew.
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("epoch", sa.Integer(), nullable=False, server_default="1"))
            batch.drop_constraint(f"pk_{table}", type_="primary")
            batch.create_primary_key(f"pk_{table}", ["epoch", *columns])
    with op.batch_alter_table("outbox_bodies") as batch:
        batch.add_column(sa.Column("earlier_receipt", sa.Text(), nullable=True))
    op.create_index("ix_cases_alias", "cases", ["alias"], unique=False)
    op.create_index("ix_outbox_ended", "outbox", ["lane", "ended_ms"], unique=False)
    op.create_index("ix_outbox_in_reply_to", "outbox", ["in_reply_to"], unique=False)
    op.create_index("ix_inbox_received", "inbox", ["sender", "received_ms"], unique=False)
    op.create_table('log_epochs',
    sa.Column('epoch', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('origin', sa.String(length=200), nullable=False),
    sa.Column('opened_ms', sa.BigInteger(), nullable=False),
    sa.Column('since_ms', sa.BigInteger(), nullable=False),
    sa.Column('previous_origin', sa.String(length=200), nullable=False),
    sa.Column('previous_size', sa.BigInteger(), nullable=False),
    sa.Column('previous_root', sa.LargeBinary(), nullable=False),
    sa.Column('announced_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('epoch', name=op.f('pk_log_epochs'))
    )
    op.create_table('reconciliations',
    sa.Column('peer', sa.String(length=63), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('parts', sa.Text(), nullable=False),
    sa.Column('returned', sa.Integer(), nullable=False),
    sa.Column('lost', sa.Integer(), nullable=False),
    sa.Column('asked_ms', sa.BigInteger(), nullable=False),
    sa.Column('ended_ms', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('peer', name=op.f('pk_reconciliations'))
    )
    op.create_table('backups',
    sa.Column('backup_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('file', sa.String(length=200), nullable=False),
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('taken_ms', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('backup_id', 'kind', name=op.f('pk_backups'))
    )


def downgrade() -> None:
    """There is no way back: an older release would write on in a log that has ended."""
    raise NotImplementedError
