"""Takes erased bytes out of the files: free pages, write-ahead log, dead rows (reliability 0.9: DELETE is not erasure).

What was sealed is unreadable already when its key is gone. This is the second line: nothing of it lies about either.
"""

import asyncio
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.engine import error_code
from gateway.storage.unit_of_work import typed_errors

LARGEST = 512 * 1024 * 1024
"""A file up to this size is rewritten while the node runs: some seconds in which nothing else is written."""
_TRIES, _PAUSE = 20, 0.1
"""How often the write-ahead log is tried, and the seconds between."""
_LOCKED = "55P03"
REWRITTEN = (
    *("inbox", "outbox_bodies", "held_texts", "departures", "leaves", "leaf_staging", "attachments"),
    *("form_drafts", "taken_reports", "sheets"),
)
"""Every table of which erasing takes sealed texts."""


async def scrub_main(engine: AsyncEngine, *, largest: int = LARGEST) -> bool:
    """Rewrite what held sealed texts, and empty the write-ahead log; False when it is too large to do while the node runs.

    On PostgreSQL the old rows also stand in its WAL until it recycles the segments, and in an archive of it for ever:
    there the destroyed key is what erases.

    `engine` is one for reading: on SQLite its connections have threads of their own, and this one waits there for whoever is
    writing. On the loop's thread it would wait for a transaction that the loop itself has to end.

    Raises:
        StorageError: the database refused.
    """
    with typed_errors():
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            if connection.dialect.name == "sqlite":
                small = _size(engine) <= largest
                if small:
                    await connection.execute(text("VACUUM"))
                return await _empty_log(connection) and small
            size = (await connection.execute(text("SELECT pg_database_size(current_database())"))).scalar_one()
            if size > largest:
                return False
            return await _rewrite(connection)


async def _empty_log(connection: AsyncConnection) -> bool:
    """Empty the write-ahead log; False when somebody was always at it.

    SQLite waits for readers and writers here, and not for another checkpoint: a writer's own, which takes milliseconds, or
    that of a second scrubbing. So it is tried again.
    """
    for _ in range(_TRIES):
        busy = (await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).one()[0]
        if not busy:
            return True
        await asyncio.sleep(_PAUSE)
    return False


async def _rewrite(connection: AsyncConnection) -> bool:
    """Rewrite the tables, one after another; False when something (a backup) holds one: nobody else must queue behind us."""
    await connection.execute(text("SET statement_timeout = 0"))
    await connection.execute(text("SET lock_timeout = 5000"))
    try:
        for table in REWRITTEN:
            await connection.execute(text(f"VACUUM FULL {table}"))
    except DBAPIError as error:
        if error_code(error.orig) != _LOCKED:
            raise
        return False
    finally:
        await connection.execute(text("SET statement_timeout = 30000"))
        await connection.execute(text("SET lock_timeout = 0"))
    return True


def _size(engine: AsyncEngine) -> int:
    file = engine.url.database
    return Path(file).stat().st_size if file and Path(file).is_file() else 0
