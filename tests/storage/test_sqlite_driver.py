"""SQLite on the loop's own thread: who waits for the write lock waits alone, and what fails leaves nothing behind."""

import asyncio
import sqlite3
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.storage import sqlite_driver
from gateway.storage.engine import create_engine
from gateway.storage.sqlite_driver import SqliteConnection


async def _made(path):
    engine = create_engine(f"sqlite+aiosqlite:///{path}")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE kept (id INTEGER PRIMARY KEY)"))
    return engine


async def _count(engine):
    async with engine.begin() as connection:
        return (await connection.execute(text("SELECT count(*) FROM kept"))).scalar_one()


def test_the_loop_goes_on_while_another_process_holds_the_write_lock(tmp_path):
    async def scenario():
        engine = await _made(tmp_path / "a.db")
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def write():
            async with engine.begin() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (1)"))

        writing = asyncio.create_task(write())
        for _ in range(20):  # would never come round if the driver waited on the loop's thread
            await asyncio.sleep(0.001)
        assert not writing.done()
        other.execute("COMMIT")
        await writing
        assert await _count(engine) == 1
        other.close()
        await engine.dispose()

    asyncio.run(scenario())


def test_a_transaction_that_fails_leaves_nothing_and_the_next_one_works(tmp_path):
    async def scenario():
        engine = await _made(tmp_path / "a.db")

        async def twice():
            async with engine.begin() as connection:
                for _ in range(2):
                    await connection.execute(text("INSERT INTO kept VALUES (1)"))

        with pytest.raises(IntegrityError):
            await twice()
        assert await _count(engine) == 0
        await engine.dispose()

    asyncio.run(scenario())


def test_a_writer_that_gives_up_while_it_waits_leaves_no_lock(tmp_path):
    async def scenario():
        engine = await _made(tmp_path / "a.db")
        other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(_count(engine))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        other.execute("COMMIT")
        other.close()
        assert await _count(engine) == 0
        await engine.dispose()

    asyncio.run(scenario())


class SlowDisk(SqliteConnection):
    """A connection whose every commit waits for a slow disk, and can fail."""

    fails = False

    def commit(self):
        time.sleep(0.2)
        if self.fails and self.in_transaction:
            raise sqlite3.OperationalError("disk I/O error")
        super().commit()


async def _insert(engine, number):
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO kept VALUES (:id)"), {"id": number})


async def _ticks_while_committing(path):
    engine = await _made(path)
    writing, ticks = asyncio.create_task(_insert(engine, 1)), 0
    while not writing.done():
        await asyncio.sleep(0.005)
        ticks += 1
    await writing
    assert await _count(engine) == 1
    await engine.dispose()
    return ticks


def test_the_loop_goes_on_while_the_disk_syncs(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_driver, "SqliteConnection", SlowDisk)
    assert asyncio.run(_ticks_while_committing(tmp_path / "a.db")) > 10


def test_control_a_commit_on_the_loops_thread_is_seen(tmp_path, monkeypatch):
    async def run(_self, work):
        work()

    monkeypatch.setattr(sqlite_driver, "SqliteConnection", SlowDisk)
    monkeypatch.setattr(sqlite_driver._Syncing, "run", run)
    assert asyncio.run(_ticks_while_committing(tmp_path / "a.db")) < 3


def test_who_is_cancelled_while_it_commits_has_committed_and_the_next_one_works(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_driver, "SqliteConnection", SlowDisk)

    async def scenario():
        engine = await _made(tmp_path / "a.db")
        writing = asyncio.create_task(_insert(engine, 1))
        for _ in range(3):  # again and again, as a loop that ends does
            await asyncio.sleep(0.03)
            writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await asyncio.gather(*[_insert(engine, number) for number in (2, 3, 4)])
        assert await _count(engine) == 4
        await engine.dispose()

    asyncio.run(scenario())


def test_a_disk_that_fails_is_told_even_to_who_was_cancelled(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_driver, "SqliteConnection", SlowDisk)

    async def scenario():
        engine = await _made(tmp_path / "a.db")
        monkeypatch.setattr(SlowDisk, "fails", True)
        writing = asyncio.create_task(_insert(engine, 1))
        await asyncio.sleep(0.05)
        writing.cancel()
        with pytest.raises(OperationalError):
            await writing
        monkeypatch.setattr(SlowDisk, "fails", False)
        assert await _count(engine) == 0
        await engine.dispose()

    asyncio.run(scenario())
