"""A database as a stream of frames, and back: one format for SQLite and PostgreSQL, so that either restores the other's.

A snapshot is one read transaction (REPEATABLE READ; on SQLite a read transaction of the WAL): consistent while the node
writes on. Rows are JSON objects; a column that is NULL is left out, bytes are base64url. Memory holds one chunk.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import LargeBinary, MetaData, Table, func, insert, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.codec import Json, b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import BackupRefusedError, ExchangeError
from gateway.storage.migrations.runner import upgrade_engine
from gateway.storage.revisions import REVISIONS, Schema
from gateway.storage.tables import key_metadata, metadata
from gateway.storage.unit_of_work import typed_errors

ROWS = 500
BYTES = 2 * 1024 * 1024
_LIMIT = 64 * 1024 * 1024
_ADVICE = "Use otra copia u otro respaldo."
# Leases and what waits to be retried belong to a life that ended.
_TRANSIENT = {"lease_owner", "lease_until_ms"}


def tables_of(schema: Schema) -> Sequence[Table]:
    """Return a schema's tables; checkpoints before leaves, so that a reader can compare on the way."""
    found: MetaData = metadata if schema is Schema.MAIN else key_metadata
    return sorted(found.tables.values(), key=lambda table: (table.name == "leaves", table.name))


async def dump(engine: AsyncEngine, schema: Schema) -> AsyncIterator[bytes]:
    """Yield frames of every table, consistent as of one moment; the last one says how many rows each has."""
    counts: dict[str, int] = {}
    with typed_errors():
        async with engine.connect() as plain:
            connection = await _snapshot(plain)
            async with connection.begin():
                await _patience(connection)
                for table in tables_of(schema):
                    counts[table.name] = 0
                    async for rows in _chunks(connection, table):
                        counts[table.name] += len(rows)
                        yield encode_object({"table": table.name, "rows": rows}, limit=_LIMIT)
    yield encode_object({"counts": counts})


async def _snapshot(connection: AsyncConnection) -> AsyncConnection:
    if connection.dialect.name == "postgresql":
        return await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return connection


async def _patience(connection: AsyncConnection) -> None:
    # A slow disk under the backup must not end its transaction.
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await connection.execute(text("SET LOCAL statement_timeout = 0"))


async def _chunks(connection: AsyncConnection, table: Table) -> AsyncIterator[list[Json]]:
    keys = list(table.primary_key.columns)
    result = await connection.stream(select(table).order_by(*keys).execution_options(yield_per=ROWS))
    rows: list[Json] = []
    size = 0
    async for row in result:
        item = _row(table, dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's documented name
        rows.append(item)
        size += sum(len(value) for value in item.values() if isinstance(value, str))
        if len(rows) >= ROWS or size >= BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _row(table: Table, values: Mapping[str, Any]) -> Json:
    return {
        column.name: b64u_encode(bytes(value)) if isinstance(column.type, LargeBinary) else value
        for column in table.columns
        if (value := values[column.name]) is not None and column.name not in _TRANSIENT
    }


def is_file(frame: bytes) -> bool:
    """Return whether a frame carries a file, not rows."""
    return frame.startswith(b'{"file":')


def read_file(frame: bytes) -> tuple[str, bytes]:
    """Return (name, content) of a frame that carries a file.

    Raises:
        BackupRefusedError: it is none.
    """
    try:
        value = parse_object(frame, limit=_LIMIT, depth=2)
        return str(value["file"]), b64u_decode(value["data"])
    except (ExchangeError, KeyError, TypeError):
        raise BackupRefusedError("un trozo no es lo que debe ser", advice=_ADVICE) from None


def read_frame(frame: bytes, schema: Schema) -> tuple[str, list[dict[str, Any]]] | dict[str, int]:
    """Return (table, rows) of a frame, bytes decoded; or the counts, of the last one.

    Raises:
        BackupRefusedError: not a frame of this schema.
    """
    try:
        value = parse_object(frame, limit=_LIMIT, depth=4)
        if "counts" in value:
            return {str(name): int(number) for name, number in value["counts"].items()}
        table = _TABLES[schema].get(value["table"])
        if table is None:
            raise BackupRefusedError("hay una tabla que esta versión no conoce", advice="Instale la versión con que se hizo.")
        binary = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
        rows = [{name: b64u_decode(cell) if name in binary else cell for name, cell in row.items()} for row in value["rows"]]
    except BackupRefusedError:
        raise
    except (ExchangeError, KeyError, TypeError, AttributeError, ValueError):
        raise BackupRefusedError("un trozo no es lo que debe ser", advice=_ADVICE) from None
    return table.name, rows


_TABLES = {schema: {table.name: table for table in tables_of(schema)} for schema in Schema}


async def is_empty(engine: AsyncEngine, schema: Schema) -> bool:
    """Return whether a database has none of our tables, or nothing in them but what `init` wrote into the log."""
    with typed_errors():
        async with engine.connect() as connection:
            there = set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
            for table in tables_of(schema):
                if table.name in there and table.name not in _BY_INIT:
                    count = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
                    if count:
                        return False
    return True


_BY_INIT = {"leaf_staging", "leaves", "tree_nodes", "log_head", "checkpoints"}


async def prepare(engine: AsyncEngine, schema: Schema, revision: str) -> None:
    """Make the tables of `revision`, all of them new.

    Raises:
        BackupRefusedError: a revision this release does not know.
    """
    if revision not in ("head", *REVISIONS[schema]):
        raise BackupRefusedError(
            "es de una versión más nueva que este programa", advice="Instale esa versión; ésta podría dañar los datos."
        )
    with typed_errors():
        async with engine.begin() as connection:
            await connection.run_sync(_drop, schema)
    await upgrade_engine(engine, schema, revision)


def _drop(connection: Any, schema: Schema) -> None:
    there = set(inspect(connection).get_table_names())
    version = "alembic_version" if schema is Schema.MAIN else "alembic_version_keys"
    for name in [table.name for table in tables_of(schema)] + [version]:
        if name in there:
            connection.execute(text(f"DROP TABLE {name}"))


Frames = Iterator[bytes]


async def load(engine: AsyncEngine, schema: Schema, next_frame: Callable[[], Any]) -> dict[str, int]:
    """Fill the tables `prepare` made, in one transaction: all of a backup or nothing. Returns rows by table.

    Raises:
        BackupRefusedError: what came is not what the last frame counts.
    """
    counts: dict[str, int] = {}
    told: dict[str, int] | None = None
    with typed_errors():
        async with engine.begin() as connection:
            await _patience(connection)
            while (frame := await next_frame()) is not None:
                found = read_frame(frame, schema)
                if isinstance(found, dict):
                    told = found
                    continue
                name, rows = found
                counts[name] = counts.get(name, 0) + len(rows)
                for shape in _by_shape(rows):
                    await connection.execute(insert(_TABLES[schema][name]), shape)
            if told is None or any(counts.get(name, 0) != number for name, number in told.items()):
                raise BackupRefusedError("no tiene las filas que dice tener", advice=_ADVICE)
            await connection.run_sync(_after, schema)
    return counts


def _by_shape(rows: Sequence[dict[str, Any]]) -> Sequence[list[dict[str, Any]]]:
    # executemany wants the same columns in every row.
    shapes: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        shapes.setdefault(tuple(sorted(row)), []).append(row)
    return list(shapes.values())


def _after(connection: Any, schema: Schema) -> None:
    # PostgreSQL numbers staged leaves by a sequence, which the inserted ids did not move.
    if schema is Schema.MAIN and connection.dialect.name == "postgresql":
        last = connection.execute(text("SELECT coalesce(max(id), 0) FROM leaf_staging")).scalar_one()
        if last:
            connection.execute(text("SELECT setval(pg_get_serial_sequence('leaf_staging', 'id'), :last)"), {"last": last})
