"""Cancels a task exactly when it waits for the n-th time, as a server does whose client leaves."""

import asyncio
import types

import aiosqlite
from sqlalchemy.engine import make_url

from gateway.storage.sqlite_driver import SqliteConnection


@types.coroutine
def interrupted(work, at):
    """Run `work`, and cancel the task around it when it waits for the `at`-th time, as a server does when its client leaves."""
    steps, waits, thrown = work.__await__(), 0, None
    while True:
        try:
            waited_for = steps.throw(thrown) if thrown is not None else steps.send(None)
        except StopIteration as end:
            return end.value
        waits, thrown = waits + 1, None
        if waits == at:
            asyncio.current_task().cancel()
        try:
            yield waited_for
        except BaseException as error:
            thrown = error


async def left_at(work, at):
    """Return what `work` came to, or None when its client left before it was done."""

    async def request():
        return await interrupted(work, at)

    task = asyncio.create_task(request())
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


def threaded(url):
    """Return what opens a SQLite database's connections each with a thread: there every statement is awaited."""
    path = make_url(url).database

    async def connect():
        return await aiosqlite.connect(path, isolation_level=None, factory=SqliteConnection)

    return connect
