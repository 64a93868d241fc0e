"""Between rows and values: milliseconds and datetimes, inserts that keep what is there."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Insert, Table, bindparam, case, func, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def reached(column: ColumnElement[Any], longest: str) -> ColumnElement[bool]:
    """Return whether the time in `column` has come, by the parameters of `times`. One further ahead than `longest`, which
    nobody sets, was written by a clock that ran ahead; waiting for it would be waiting for years.
    """
    return or_(column <= bindparam("moment", type_=BigInteger), column > bindparam(longest, type_=BigInteger))


def times(moment: int, **longest: timedelta) -> dict[str, int]:
    """Return the parameters of statements with `reached`: now, and for each name the time nobody sets."""
    return {"moment": moment} | {name: moment + int(length.total_seconds() * 1000) for name, length in longest.items()}


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the aware UTC datetime of milliseconds since 1970."""
    return _EPOCH + milliseconds * _MILLISECOND


def maybe_from_ms(milliseconds: int | None) -> datetime | None:
    """Return the datetime, or None."""
    return None if milliseconds is None else from_ms(milliseconds)


def maybe_to_ms(moment: datetime | None) -> int | None:
    """Return the milliseconds, or None."""
    return None if moment is None else to_ms(moment)


def insert_new(connection: AsyncConnection, table: Table) -> Insert:
    """Return an insert that leaves rows alone whose primary key is there already (both dialects)."""
    return _insert_new(connection.dialect.name, table)


@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return made.on_conflict_do_nothing()


@cache
def _insert(table: Table) -> Insert:
    return table.insert()


def insert_or_change(
    connection: AsyncConnection, table: Table, changing: tuple[str, ...], *, once_null: frozenset[str] = frozenset()
) -> Insert:
    """Return an insert that changes these columns of a row whose primary key is there; another unique index still refuses.

    Of those in `once_null`, one that is NULL stays so.
    """
    return _insert_or_change(connection.dialect.name, table, changing, once_null)


@cache
def _insert_or_change(dialect: str, table: Table, changing: tuple[str, ...], once_null: frozenset[str]) -> Insert:
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    change = {
        name: case((made.excluded[name].is_(None), None), else_=table.c[name]) if name in once_null else made.excluded[name]
        for name in changing
    }
    return made.on_conflict_do_update(index_elements=[column.name for column in table.primary_key], set_=change)


async def insert_many(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows with one executemany; nothing for no rows."""
    if rows:
        await connection.execute(_insert(table), list(rows))


def leased_to(owner: "Column[str]", worker: str) -> ColumnElement[bool]:
    """Return whether a lease belongs to some life of `worker` (gateway.exchange.leases)."""
    prefix = f"{worker}:"
    return func.substr(owner, 1, len(prefix)) == prefix  # not LIKE: on SQLite that does not tell capitals from small letters


def to_json(items: Sequence[object]) -> str:
    """Return a list of codes and ids as the JSON our own columns keep."""
    return json.dumps([str(item) for item in items], ensure_ascii=False)


def from_json(column: str) -> list[Any]:
    """Return the list in a column of ours."""
    return list(json.loads(column))
