"""The list of cases, a page at a time: newest first, without sorting all there ever were."""

from alembic import op

revision = "r0019_case_list"
down_revision = "r0018_oversight"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_cases_opened", "cases", ["opened_ms", "thread_id"], unique=False)


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_cases_opened", table_name="cases")
