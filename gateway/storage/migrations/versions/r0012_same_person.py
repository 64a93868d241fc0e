"""Two reports about one person: the second says in which case that person is searched for; identity checks are questions too."""

import sqlalchemy as sa
from alembic import op

revision = "r0012_same_person"
down_revision = "r0011_casework"
branch_labels = None
depends_on = None

_BEFORE, _NOW = "machine IN ('search', 'disclosure')", "machine IN ('search', 'disclosure', 'identity')"


def _questions(which: str) -> None:
    for name, column, more in (
        ("ix_exchanges_questions", "opened_ms", ""),
        ("ix_exchanges_open", "deadline_ms", " AND state NOT IN ('closed', 'erased')"),
    ):
        here = sa.text(which + more)
        op.drop_index(name, table_name="exchanges")
        op.create_index(name, "exchanges", [column], unique=False, sqlite_where=here, postgresql_where=here)


def upgrade() -> None:
    """Widen the list of cases, and what counts as a question."""
    op.add_column("cases", sa.Column("same_as", sa.String(length=36), nullable=True))
    same = sa.text("same_as IS NOT NULL")
    op.create_index("ix_cases_same_as", "cases", ["same_as"], unique=False, sqlite_where=same, postgresql_where=same)
    _questions(_NOW)


def downgrade() -> None:
    """Take both back."""
    _questions(_BEFORE)
    op.drop_index("ix_cases_same_as", table_name="cases")
    op.drop_column("cases", "same_as")
