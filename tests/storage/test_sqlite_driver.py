"""SQLite on the loop's own thread: who waits for the write lock waits alone, and what fails leaves nothing behind."""

import asyncio
import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from gateway.storage.engine import create_engine


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
