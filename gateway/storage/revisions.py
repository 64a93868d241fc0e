"""Which schema revisions this release knows. Apart from the migrations, so that a running node need not load Alembic."""

from enum import StrEnum

from sqlalchemy import Connection, inspect, text


class Schema(StrEnum):
    """Which of the two databases."""

    MAIN = "main database"
    KEYS = "key store"


REVISIONS = {
    Schema.MAIN: (
        *("r0001_core", "r0002_restore", "r0003_people", "r0004_growth", "r0005_books", "r0006_departures"),
        *("r0007_work", "r0008_erasure", "r0011_casework", "r0012_same_person", "r0013_windows", "r0014_attachments"),
        "r0015_second_factors",
        "r0016_worklists",
        "r0017_drafts",
        "r0018_oversight",
        "r0019_case_list",
        "r0020_notices",
        "r0021_checks",
        "r0022_sheets",
    ),
    Schema.KEYS: ("r0001_thread_keys", "r0002_blocked"),
}
"""Oldest first; a test keeps them the same as the migrations."""


def head(schema: Schema) -> str:
    """Return the newest revision this release knows."""
    return REVISIONS[schema][-1]


def version_table(schema: Schema) -> str:
    """Return where a database's revision is written; apart, so that both may share one PostgreSQL server."""
    return "alembic_version" if schema is Schema.MAIN else "alembic_version_keys"


def schema_state(connection: Connection, schema: Schema) -> str:
    """Return ``current``, ``behind``, ``missing`` or ``future``."""
    table = version_table(schema)
    if not inspect(connection).has_table(table):
        return "missing"
    actual = connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one_or_none()  # noqa: S608 - our own name
    if actual is None:
        return "missing"
    if actual == head(schema):
        return "current"
    return "behind" if actual in REVISIONS[schema] else "future"
