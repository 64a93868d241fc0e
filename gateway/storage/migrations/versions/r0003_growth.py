"""Growth: a received message is found by its id without reading through all that ever arrived."""

from alembic import op

revision = "r0003_growth"
down_revision = "r0002_restore"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index the console and the evidence commands search by."""
    op.create_index("ix_inbox_message_id", "inbox", ["message_id"], unique=False)


def downgrade() -> None:
    """Take the index away."""
    op.drop_index("ix_inbox_message_id", "inbox")
