"""Scrubbing a running node: it waits for whoever writes, and holds up nobody's loop meanwhile."""

import asyncio
import sqlite3

import pytest
from sqlalchemy import text

from contracts.errors import StorageError
from gateway.storage import engine as engines
from gateway.storage import scrub
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.scrub import scrub_main
from gateway.storage.sqlite_driver import inline_connection
from gateway.storage.tables import metadata

SECRET = "Ficticia Zanatuk"


@pytest.fixture
def url(tmp_path):
    path = tmp_path / "node.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE told (value TEXT)")
        connection.executemany("INSERT INTO told VALUES (?)", [(f"{SECRET} {number}",) for number in range(500)])
        connection.execute("DELETE FROM told")
    connection.close()
    return f"sqlite+aiosqlite:///{path}"


async def while_somebody_writes(url, scrubbing):
    """Scrub while a transaction of the same loop is open; return what came of it, and how often the loop went round."""
    writing, turns = create_engine(url), 0
    try:
        async with writing.begin() as connection:
            await connection.execute(text("INSERT INTO told VALUES ('x')"))
            running = asyncio.ensure_future(scrub_main(scrubbing))
            for _ in range(30):
                await asyncio.sleep(0.01)
                turns += 1
            waited = not running.done()
        return waited, await running, turns
    finally:
        await writing.dispose()
        await scrubbing.dispose()


async def test_it_waits_for_a_writer_and_the_loop_goes_on(url):
    assert await while_somebody_writes(url, create_read_engine(url)) == (True, True, 30)
    path = url.partition("///")[2]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT value FROM told").fetchall() == [("x",)]
    connection.close()


async def test_two_at_once_are_two_after_one_another(url):
    reading = create_read_engine(url)
    try:
        assert await asyncio.gather(scrub_main(reading), scrub_main(reading)) == [True, True]
    finally:
        await reading.dispose()


async def test_control_tried_once_it_would_give_up_beside_another_checkpoint(url, monkeypatch):
    monkeypatch.setattr(scrub, "_TRIES", 1)
    reading = create_read_engine(url)
    try:
        for _ in range(60):
            if False in await asyncio.gather(scrub_main(reading), scrub_main(reading)):
                return
        pytest.fail("no checkpoint met another in 60 rounds")
    finally:
        await reading.dispose()


async def test_control_on_the_loops_own_thread_it_waits_for_itself(url, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_MILLISECONDS", 200)
    monkeypatch.setattr(engines, "_SQLITE_SETTINGS", (*engines._SQLITE_SETTINGS, "PRAGMA busy_timeout=200"))
    own = create_read_engine(url, creator=inline_connection(url.partition("///")[2]))
    with pytest.raises(StorageError):
        await while_somebody_writes(url, own)


def test_every_table_with_sealed_texts_of_a_thread_is_written_anew():
    """PostgreSQL keeps what a row said before until its table is rewritten: one that is forgotten keeps what was erased."""
    texts = {"sealed", "body", "envelope"}
    sealed = {name for name, table in metadata.tables.items() if "thread_id" in table.c and texts & set(table.c.keys())}
    assert {"inbox", "departures", "form_drafts", "taken_reports", "sheets"} <= sealed, "control: they are found"
    assert sealed <= set(scrub.REWRITTEN) <= set(metadata.tables)
