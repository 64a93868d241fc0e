"""When a backup was last verified, and an index by which the rows of one source are counted."""

import sqlalchemy as sa
from alembic import op

revision = "r0021_checks"
down_revision = "r0020_notices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table('backup_checks',
    sa.Column('backup_id', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('checked_ms', sa.BigInteger(), nullable=False),
    sa.Column('opened', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('backup_id', 'kind', 'opened', name=op.f('pk_backup_checks'))
    )
    op.create_index('ix_imports_source', 'imports', ['source', 'outcome', 'imported_ms'], unique=False)


def downgrade() -> None:
    """Take them away."""
    op.drop_index("ix_imports_source", "imports")
    op.drop_table("backup_checks")
