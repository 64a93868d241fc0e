"""What the log's entries about acts of people are about, so that who looked at a case is found; what was asked when."""

import json
from base64 import urlsafe_b64decode

import sqlalchemy as sa
from alembic import op

from contracts.leaves import subject_of

revision = "r0018_oversight"
down_revision = "r0017_drafts"
branch_labels = None
depends_on = None

_AT_ONCE = 2000
_TABLES = {"leaf_staging": ("id",), "leaves": ("epoch", "leaf_index")}


def upgrade() -> None:
    """Add the column and fill it from what each entry says."""
    for table, key in _TABLES.items():
        op.add_column(table, sa.Column("subject", sa.String(length=36), nullable=True))
        _fill(table, key)
    named, refused = sa.text("subject IS NOT NULL"), sa.text("event = 'msg.refused'")
    op.create_index("ix_leaves_subject", "leaves", ["subject"], unique=False, sqlite_where=named, postgresql_where=named)
    op.create_index(
        "ix_leaves_refused", "leaves", ["epoch", "leaf_index"], unique=False, sqlite_where=refused, postgresql_where=refused
    )
    op.create_index("ix_exchanges_opened_ms", "exchanges", ["opened_ms"], unique=False)


def _fill(table: str, key: tuple[str, ...]) -> None:
    acts = sa.table(table, *(sa.column(name) for name in (*key, "event", "message_id", "disclosures", "subject")))
    connection, after = op.get_bind(), None
    while True:
        order = [acts.c[name] for name in key]
        page = sa.select(acts).where(acts.c.event == "admin.action").order_by(*order).limit(_AT_ONCE)
        if after is not None:
            page = page.where(sa.tuple_(*order) > sa.tuple_(*after))
        rows = connection.execute(page).all()
        if not rows:
            return
        after = tuple(getattr(rows[-1], name) for name in key)
        found = [(row, subject_of(row.event, _detail(row.disclosures), row.message_id)) for row in rows]
        given = [{"b_subject": subject} | {f"b_{name}": getattr(row, name) for name in key} for row, subject in found if subject]
        if given:
            here = sa.and_(*(acts.c[name] == sa.bindparam(f"b_{name}") for name in key))
            connection.execute(sa.update(acts).where(here).values(subject=sa.bindparam("b_subject")), given)


def _detail(disclosures: str) -> str | None:
    try:
        said = [json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))) for text in json.loads(disclosures)]
        return next((str(value) for _salt, name, value in said if name == "detail"), None)
    except (ValueError, TypeError):  # a damaged entry stays as it is: the check of the log will name it
        return None


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_exchanges_opened_ms", "exchanges")
    for name in ("ix_leaves_refused", "ix_leaves_subject"):
        op.drop_index(name, "leaves")
    for table in _TABLES:
        op.drop_column(table, "subject")
