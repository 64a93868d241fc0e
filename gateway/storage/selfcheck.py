"""Start-up self-check: refuse settings under which an acknowledged message could be lost."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.errors import ConfigurationError
from contracts.said import Said
from gateway.storage.revisions import Schema, schema_state
from gateway.storage.unit_of_work import typed_errors

Severity = Literal["ok", "warn", "refuse"]
_NAMES = {Schema.MAIN: Said("base de datos"), Schema.KEYS: Said("base de llaves de los hilos")}


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
        "journal_mode": ("wal", Said("la bitácora de escritura de SQLite")),
        "synchronous": ("2", Said("FULL: cada confirmación llega al disco")),
        "foreign_keys": ("1", Said("puesto")),
    }
    found = []
    for name, (value, meaning) in wanted.items():
        actual = str((await connection.execute(text(f"PRAGMA {name}"))).scalar_one()).lower()
        if actual == value:
            found.append(
                Finding("ok", Said("SQLite %(name)s = %(value)s (%(meaning)s).", name=name, value=value, meaning=meaning))
            )
        else:
            advice = Said("El nodo lo pone solo; un disco de red o una carpeta de sólo lectura lo impide. Use un disco local.")
            found.append(
                Finding(
                    "refuse",
                    Said("SQLite %(name)s es %(actual)s y ha de ser %(value)s.", name=name, actual=actual, value=value),
                    advice,
                )
            )
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
            found.append(Finding("ok", Said("PostgreSQL %(name)s = %(actual)s.", name=name, actual=actual)))
        else:
            found.append(
                Finding(
                    "refuse",
                    Said("PostgreSQL %(name)s es %(actual)s.", name=name, actual=actual),
                    Said("Ponga %(name)s = on en postgresql.conf y recargue.", name=name),
                )
            )
    return found


def _schema_finding(state: str, schema: Schema) -> Finding:
    if state == "current":
        return Finding("ok", Said("El esquema de la %(database)s es el de esta versión.", database=_NAMES[schema]))
    if state == "future":
        return Finding(
            "refuse",
            Said("El esquema de la %(database)s es de una versión más nueva.", database=_NAMES[schema]),
            Said("Instale esa versión; ésta podría dañar los datos."),
        )
    return Finding(
        "refuse",
        Said("El esquema de la %(database)s es de una versión anterior, o falta.", database=_NAMES[schema]),
        Said("Ejecute `paradero db upgrade`."),
    )
