"""Database engines. Makes SQLite keep the promise a unit of work makes: all of it, or none; durable once committed."""

import errno
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.storage.sqlite_driver import SqliteConnection, inline_connection

BUSY_MILLISECONDS = 30_000
_SQLITE_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    f"PRAGMA busy_timeout={BUSY_MILLISECONDS}",
)
_POSTGRESQL_SETTINGS = {
    "application_name": "paradero",
    "statement_timeout": "30000",
    "idle_in_transaction_session_timeout": "10000",
    "timezone": "UTC",
}

Creator = Callable[[], Awaitable[Any]]
DiskFailed = Callable[[str], None]
"""Told of a write or sync the disk refused, with the driver's code for it."""
Engine = AsyncEngine
"""What `gateway.main` hands on; it issues no SQL itself."""


def create_engine(url: str, *, creator: Creator | None = None, disk_failed: DiskFailed | None = None) -> AsyncEngine:
    """Return an engine for writing. On SQLite every transaction takes the write lock at once, on the loop's own thread.

    `creator` opens driver connections in place of the driver's own function: a simulation enters here.
    `disk_failed` hears of a failed disk before whoever asked does, so that no caller can swallow it.
    """
    target = make_url(url)
    if (
        creator is None
        and target.get_backend_name() == "sqlite"
        and not target.query
        and target.database not in (None, "", ":memory:")
    ):
        creator = inline_connection(str(target.database))
    engine = _create(url, creator)
    if disk_failed is not None:
        tell = disk_failed

        def look(context: ExceptionContext) -> None:
            if code := disk_failure(context.original_exception):
                tell(code)

        event.listen(engine.sync_engine, "handle_error", look)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "begin", _begin_immediate)
    return engine


def create_read_engine(url: str, *, creator: Creator | None = None) -> AsyncEngine:
    """Return an engine for reading (console, commands): it never waits for writers."""
    engine = _create(url, creator)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "begin", _begin_deferred)
    return engine


def error_code(error: BaseException | None) -> str:
    """Return the driver's code for an error; never its text, which can hold values."""
    return str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or type(error).__name__)


def disk_failure(error: BaseException | None) -> str | None:
    """Return the code of an error that says that the disk failed; None for any other, a full disk among them."""
    code = error_code(error)
    failed = isinstance(error, OSError) and error.errno in {errno.EIO, errno.EROFS}
    return code if failed or code.startswith("SQLITE_IOERR") else None


def _create(url: str, creator: Creator | None) -> AsyncEngine:
    options: dict[str, Any] = {"hide_parameters": True}
    if creator is not None:
        options["async_creator"] = creator
    if url.startswith("postgresql"):
        options |= {"pool_size": 8, "max_overflow": 8, "pool_pre_ping": True}
        options["connect_args"] = {"server_settings": _POSTGRESQL_SETTINGS}
    if url.startswith("sqlite"):
        options["connect_args"] = {"factory": SqliteConnection}
    engine = create_async_engine(url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # Python's driver opens transactions lazily and commits on RELEASE SAVEPOINT; without this a rolled-back unit of
    # work leaves rows behind. WAL + FULL loses no acknowledged commit at a power cut; NORMAL, the usual advice, does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for setting in _SQLITE_SETTINGS:
        cursor.execute(setting)
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # An upgrade from read to write does not wait for busy_timeout.
    if _transactional(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(connection: Connection) -> None:
    if _transactional(connection):
        connection.exec_driver_sql("BEGIN")


def _transactional(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT"  # VACUUM refuses to run inside one
