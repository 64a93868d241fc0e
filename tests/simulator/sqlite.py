"""SQLite connections without threads, on which every call can be delayed, made to fail, or be the last before a crash."""

import asyncio
import sqlite3
from contextlib import suppress
from functools import partial

import aiosqlite
from sqlalchemy.engine import make_url

from gateway.storage.engine import SqliteConnection

LOCK_SECONDS = 30.0


class CrashedError(BaseException):
    """The life of this node is dead; no handler of ours may catch it."""


class _Inline:
    """Where the driver queues work for its thread; here it is done at once."""

    def put_nowait(self, item):
        future, function = item
        try:
            result = function()
        except BaseException as error:
            future.set_exception(error)
        else:
            if future is not None and not future.done():
                future.set_result(result)


class SimulatedConnection(aiosqlite.Connection):
    """A driver connection whose every call passes `life.before` and `life.after`."""

    def __init__(self, path, life):
        super().__init__(partial(self._open, path), 64)
        self._file = None
        self._tx = _Inline()
        self._life = life
        self._since = None
        life.enlist(self)

    def _open(self, path):
        self._file = sqlite3.connect(path, isolation_level=None, factory=SqliteConnection)
        return self._file

    def __await__(self):
        return self._connect().__await__()

    def __del__(self):
        self.die()

    def die(self):
        """What the operating system does when a process ends: the file is closed, an open transaction never was."""
        self._running = False
        self._connection = None
        if self._file is not None:  # the driver forgets a connection that dies while it is closed; the system does not
            with suppress(sqlite3.ProgrammingError):  # closed already
                self._file.rollback()  # a statement that was never read to its end would keep the lock past close()
            self._file.close()
            self._file = None

    async def _execute(self, fn, *args, **kwargs):
        sql = args[0] if args and isinstance(args[0], str) else fn.__name__
        if sql.startswith("PRAGMA busy_timeout"):
            args = ("PRAGMA busy_timeout=0", *args[1:])  # nobody else can run while one thread waits
        if sql.startswith("BEGIN"):
            self._since = None
        await self._life.before(sql, changed=self._changed())
        changed = self._changed()
        try:
            result = await self._patiently(fn, args, kwargs)
        finally:
            await self._life.after(sql, changed=changed or self._changed())
        if sql.startswith("BEGIN"):
            self._since = self._connection.total_changes
        elif sql in ("commit", "rollback"):
            self._since = None
        return result

    def _changed(self):
        """Tell whether the open transaction has changed a row: only then is its end a moment that matters."""
        return self._connection is not None and self._since is not None and self._connection.total_changes != self._since

    async def _patiently(self, fn, args, kwargs):
        waited = 0.0
        while True:
            if not self._running or self._connection is None:
                raise CrashedError
            try:
                return fn(*args, **kwargs)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or waited > LOCK_SECONDS:
                    raise
                pause = self._life.chance.uniform(0.001, 0.02)
                waited += pause
                await asyncio.sleep(pause)


def connections_of(life):
    """Return what opens a database URL's connections inside `life`."""

    def connect(url):
        path = make_url(url).database

        async def creator():
            return await SimulatedConnection(path, life)

        return creator

    return connect
