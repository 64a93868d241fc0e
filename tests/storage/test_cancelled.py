"""A transaction cancelled at any await lets go of the database, even while its error is still held by somebody."""

import asyncio
import sqlite3

import aiosqlite
import pytest
from sqlalchemy import text

from gateway.storage import engine as engine_module
from gateway.storage.engine import create_engine
from gateway.storage.sqlite_driver import SqliteConnection
from tests.simulator.cancelled import interrupted

MOST_AWAITS = 60


async def reading_and_writing(engine):
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO things VALUES (1)"))
        (await connection.execute(text("SELECT thing FROM things UNION ALL SELECT 2 UNION ALL SELECT 3"))).all()
        await connection.execute(text("INSERT INTO things VALUES (4)"))
    return True


def threaded(path, factory):
    """Return what opens connections each with a thread: the driver that has an await at every statement."""

    async def connect():
        return await aiosqlite.connect(path, isolation_level=None, factory=factory, timeout=1.0)

    return connect


async def cancelled_everywhere(url, creator=None):
    """Return (awaits, halves): cancel at each await in turn, keep every error, and write once more each time."""
    engine, held, halves = create_engine(url, creator=creator), [], 0
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (thing INTEGER)"))
    try:
        for at in range(1, MOST_AWAITS):
            task = asyncio.create_task(_request(engine, at))
            await asyncio.wait({task})
            held.append(task)
            async with engine.begin() as connection:
                number = (await connection.execute(text("SELECT count(*) FROM things"))).scalar_one()
                halves += number % 2
            if not task.cancelled():
                return at - 1, halves
    finally:
        await engine.dispose()
    raise AssertionError("a transaction that never ends")


async def _request(engine, at):
    return await interrupted(reading_and_writing(engine), at)


async def test_a_cancelled_transaction_lets_go(database_url):
    awaits, halves = await cancelled_everywhere(database_url)
    assert awaits >= (1 if database_url.startswith("sqlite") else 5), "SQLite waits for its write lock alone"
    assert halves == 0


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(engine_module, "_SQLITE_SETTINGS", (*engine_module._SQLITE_SETTINGS, "PRAGMA busy_timeout=1000"))


async def test_nor_does_it_keep_the_lock_where_each_statement_is_awaited(tmp_path, impatient):
    url = f"sqlite+aiosqlite:///{tmp_path}/a.db"
    awaits, halves = await cancelled_everywhere(url, threaded(tmp_path / "a.db", SqliteConnection))
    assert awaits >= 5
    assert halves == 0


async def test_a_connection_that_only_closes_keeps_the_lock(tmp_path, impatient):
    """The control: with the driver's own connection the next transaction finds the database locked."""
    with pytest.raises(Exception, match="locked"):
        await cancelled_everywhere(f"sqlite+aiosqlite:///{tmp_path}/a.db", threaded(tmp_path / "a.db", sqlite3.Connection))
