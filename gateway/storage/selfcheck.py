"""Start-up self-check: refuse settings under which an acknowledged message could be lost (DESIGN ruling 21)."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.errors import ConfigurationError
from gateway.storage.revisions import Schema, schema_state
from gateway.storage.unit_of_work import typed_errors

Severity = Literal["ok", "warn", "refuse"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `advice` says what to do."""

    severity: Severity
    what: str
    advice: str = ""


async def check_database(engine: AsyncEngine, schema: Schema) -> tuple[Finding, ...]:
    """Return what the self-check found on one database."""
    with typed_errors():
        async with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                found = await _check_sqlite(connection)
            else:
                found = await _check_postgresql(connection)
            state = await connection.run_sync(lambda sync: schema_state(sync, schema))
    return (*found, _schema_finding(state, schema))


def refuse_unsafe(findings: tuple[Finding, ...]) -> None:
    """Refuse to start on what is unsafe.

    Raises:
        ConfigurationError: names the first finding and what to do.
    """
    for finding in findings:
        if finding.severity == "refuse":
            raise ConfigurationError(finding.what, advice=finding.advice)


async def _check_sqlite(connection: AsyncConnection) -> list[Finding]:
    wanted = {
        "journal_mode": ("wal", "the write-ahead log"),
        "synchronous": ("2", "FULL: every commit reaches the disk"),
        "foreign_keys": ("1", "on"),
    }
    found = []
    for name, (value, meaning) in wanted.items():
        actual = str((await connection.execute(text(f"PRAGMA {name}"))).scalar_one()).lower()
        if actual == value:
            found.append(Finding("ok", f"SQLite {name} = {value} ({meaning})"))
        else:
            advice = "The node sets this itself; a network file system or a read-only folder prevents it. Use a local disk."
            found.append(Finding("refuse", f"SQLite {name} is {actual}, must be {value}", advice))
    return found


async def _check_postgresql(connection: AsyncConnection) -> list[Finding]:
    found = []
    for name, allowed in (
        ("fsync", {"on"}),
        ("full_page_writes", {"on"}),
        ("synchronous_commit", {"on", "remote_apply", "remote_write"}),
    ):
        actual = str((await connection.execute(text(f"SHOW {name}"))).scalar_one())
        if actual in allowed:
            found.append(Finding("ok", f"PostgreSQL {name} = {actual}"))
        else:
            found.append(Finding("refuse", f"PostgreSQL {name} is {actual}", f"Set {name} = on in postgresql.conf and reload."))
    return found


def _schema_finding(state: str, schema: Schema) -> Finding:
    if state == "current":
        return Finding("ok", f"schema of {schema.value} is this release's")
    if state == "future":
        return Finding(
            "refuse",
            f"schema of {schema.value} is from a newer release",
            "Install that release; this one could damage the data.",
        )
    return Finding("refuse", f"schema of {schema.value} is {state}", "Run `paradero db upgrade`.")
