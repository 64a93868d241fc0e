"""Growth: what people and metrics ask for is found without reading through all that ever came or went."""

import sqlalchemy as sa
from alembic import op

revision = "r0004_growth"
down_revision = "r0003_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index received messages by their id, and in both queues the few that are neither under way nor done."""
    inbox, outbox = sa.text("state NOT IN ('waiting', 'done')"), sa.text("state NOT IN ('waiting', 'delivered')")
    op.create_index("ix_inbox_message_id", "inbox", ["message_id"], unique=False)
    op.create_index("ix_inbox_aside", "inbox", ["state"], unique=False, sqlite_where=inbox, postgresql_where=inbox)
    op.create_index("ix_outbox_aside", "outbox", ["state", "created_ms"], unique=False, sqlite_where=outbox, postgresql_where=outbox)


def downgrade() -> None:
    """Take the indexes away."""
    op.drop_index("ix_outbox_aside", "outbox")
    op.drop_index("ix_inbox_aside", "inbox")
    op.drop_index("ix_inbox_message_id", "inbox")
