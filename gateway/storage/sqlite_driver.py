"""SQLite on the event loop's own thread: what `aiosqlite` offers SQLAlchemy, without a thread behind each connection.

A thread costs two hand-overs per statement, more than the statement itself, and a busy loop starves it, so that what
arrives together no longer commits together. Here a statement runs at once. A commit that has something to sync does it on
a thread: one hand-over a transaction, and the loop waits for no disk.
Only for connections whose statements are short: those of the queues, the log and the key store. Long reads (console,
commands) keep their threads (`create_read_engine`).

The write lock is the one thing that may take long to come, when another process holds it: it is asked for without
waiting and asked for again, so that the loop goes on meanwhile.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Self

WAIT_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.025


class SqliteConnection(sqlite3.Connection):
    """Ends its transaction before it closes.

    SQLite keeps a closed file open, write lock included, while a statement was not read to its end; and after a request
    was cancelled there is one for as long as somebody still holds its error. The whole node would wait.
    """

    def close(self) -> None:
        """Roll back and close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


class InlineCursor:
    """A cursor as SQLAlchemy's adapter for asynchronous drivers expects it."""

    def __init__(self, cursor: sqlite3.Cursor, connection: sqlite3.Connection, syncing: "_Syncing") -> None:
        self._cursor = cursor
        self._connection = connection
        self._syncing = syncing

    async def __aenter__(self) -> Self:
        """Enter."""
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Close."""
        self._cursor.close()

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute one statement."""
        if sql == "BEGIN IMMEDIATE":
            await _take_write_lock(self._connection, self._syncing)
        else:
            self._cursor.execute(sql, parameters)  # type: ignore[arg-type] # a sequence or a mapping, as the adapter has it
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Execute one statement for each set of parameters."""
        self._cursor.executemany(sql, parameters)  # type: ignore[arg-type] # as above
        return self

    async def fetchone(self) -> Any:
        """Return the next row, or None."""
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return some rows."""
        return self._cursor.fetchmany() if size is None else self._cursor.fetchmany(size)

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows left."""
        return self._cursor.fetchall()

    async def close(self) -> None:
        """Close."""
        self._cursor.close()

    @property
    def description(self) -> Any:
        """The columns of the result."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The row id of the last insert."""
        return self._cursor.lastrowid

    @property
    def arraysize(self) -> int:
        """How many rows `fetchmany` returns."""
        return self._cursor.arraysize

    @arraysize.setter
    def arraysize(self, value: int) -> None:
        self._cursor.arraysize = value


class _Syncing:
    """The one thread on which an engine's commits wait for the disk, and the commit under way. SQLite has one writer."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-commit")
        self.commit: asyncio.Future[None] | None = None

    async def run(self, work: Callable[[], None]) -> None:
        """Do `work` on the thread, and see its end whatever happens meanwhile: the connection is nobody else's till then."""
        done = self.commit = asyncio.get_running_loop().run_in_executor(self._thread, work)
        cancelled = False
        try:
            while not done.done():
                try:
                    await asyncio.wait({done})
                except asyncio.CancelledError:
                    cancelled = True
        finally:
            if self.commit is done:
                self.commit = None
        done.result()  # a disk that failed is told before anything else
        if cancelled:
            raise asyncio.CancelledError


class _AtOnce:
    """Stands for aiosqlite's work queue, through which the adapter sets the isolation level: done when put."""

    def put_nowait(self, item: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
        future, function = item
        future.set_result(function())


class InlineConnection:
    """A connection as SQLAlchemy's adapter expects aiosqlite's."""

    def __init__(self, path: str, syncing: _Syncing, **options: Any) -> None:
        self._conn: sqlite3.Connection = sqlite3.connect(path, **options)
        self._connection: sqlite3.Connection | None = self._conn
        self._tx = _AtOnce()
        self._syncing = syncing
        self._synced = 0

    def cursor(self) -> InlineCursor:
        """Return a cursor."""
        return InlineCursor(self._conn.cursor(), self._conn, self._syncing)

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> InlineCursor:
        """Execute one statement on a cursor of its own."""
        return await self.cursor().execute(sql, parameters)

    async def create_function(self, *arguments: Any, **options: Any) -> None:
        """Add a function SQL can call."""
        self._conn.create_function(*arguments, **options)

    async def commit(self) -> None:
        """Commit. What changed rows has a sync to wait for; the rest is done at once.

        Raises:
            CancelledError: the task was cancelled meanwhile; it is committed all the same.
        """
        if self._conn.total_changes == self._synced:
            self._conn.commit()
            return
        self._synced = self._conn.total_changes
        await self._syncing.run(self._conn.commit)

    async def rollback(self) -> None:
        """Roll back."""
        self._conn.rollback()

    async def close(self) -> None:
        """Close; the second time does nothing."""
        if self._connection is not None:
            self._connection = None
            self._conn.close()

    def stop(self) -> None:
        """Close without ceremony."""
        self._connection = None
        self._conn.close()

    @property
    def isolation_level(self) -> str | None:
        """The driver's own transactions; None: they are ours."""
        return self._conn.isolation_level


def inline_connection(path: str) -> Callable[..., Any]:
    """Return the function that opens connections to the database at `path`."""
    syncing = _Syncing()

    async def connect(*_arguments: Any, **_options: Any) -> InlineConnection:
        # The pool may close a connection from wherever it is collected.
        return InlineConnection(path, syncing, check_same_thread=False, factory=SqliteConnection)

    return connect


async def _take_write_lock(connection: sqlite3.Connection, syncing: _Syncing) -> None:
    waited, pause = 0.0, _FIRST_PAUSE
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited > WAIT_SECONDS:
                    raise
            else:
                return
            if syncing.commit is not None:  # our own process has it: its turn ends with this commit
                await asyncio.wait({syncing.commit})
                continue
            await asyncio.sleep(pause)
            waited += pause
            pause = min(_LONGEST_PAUSE, pause * 2)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(WAIT_SECONDS * 1000)}")
