"""Bugs that real systems have, planted into a node's process before it starts. Each must turn an oracle red."""

import asyncio
import os
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.exchange import arrivals
from gateway.storage import engine, selfcheck, thread_keys, unit_of_work
from tests.simulator.planted import Nothing


def receipt_before_commit() -> None:
    """The receipt leaves while the transaction is still to come."""
    real = arrivals.store_verdicts

    async def hasty(verdicts, node):
        @asynccontextmanager
        async def later():
            yield Nothing()

        receipts = await real(verdicts, replace(node, begin=later))

        async def commit():
            await asyncio.sleep(0.05)
            await real(verdicts, node)

        asyncio.ensure_future(commit()).add_done_callback(lambda done: done.cancelled() or done.exception())
        return receipts

    arrivals.store_verdicts = hasty


def sqlite_does_not_sync() -> None:
    """SQLite with synchronous=OFF, and a self-check that looks away."""
    _sqlite_synchronous("OFF")


def sqlite_syncs_now_and_then() -> None:
    """SQLite with synchronous=NORMAL, the usual advice for a write-ahead log, and a self-check that looks away."""
    _sqlite_synchronous("NORMAL")


def _sqlite_synchronous(value: str) -> None:
    engine._SQLITE_SETTINGS = tuple(item.replace("=FULL", f"={value}") for item in engine._SQLITE_SETTINGS)
    _no_self_check()


def _no_self_check() -> None:
    import gateway.main.node

    gateway.main.node.refuse_unsafe = lambda _found: None
    selfcheck.refuse_unsafe = lambda _found: None


def postgresql_does_not_wait() -> None:
    """PostgreSQL with synchronous_commit=off, and a self-check that looks away."""
    engine._POSTGRESQL_SETTINGS = {**engine._POSTGRESQL_SETTINGS, "synchronous_commit": "off"}
    _no_self_check()


def thread_key_after_the_message() -> None:
    """A thread's key is stored after the message that is sealed with it."""
    real = thread_keys.ThreadKeys._ensure

    async def later(self, threads, *, arriving=False):
        keys = await self._load(threads)
        made = {thread: self._vault.new_key(thread) for thread in threads - keys.keys()}
        self._cache |= made

        async def store():
            await asyncio.sleep(0.05)
            for thread in made:
                self._cache.pop(thread, None)
            vault, self._vault = self._vault, _Ready(self._vault, made)
            try:
                await real(self, set(made), arriving=arriving)
            finally:
                self._vault = vault

        if made:
            asyncio.ensure_future(store()).add_done_callback(lambda done: done.cancelled() or done.exception())
        return keys | made

    thread_keys.ThreadKeys._ensure = later


class _Ready:
    """A vault that hands out keys made before."""

    def __init__(self, vault, made):
        self._vault, self._made = vault, made

    def new_key(self, thread):
        return self._made.get(thread) or self._vault.new_key(thread)

    def __getattr__(self, name):
        return getattr(self._vault, name)


def a_failed_sync_is_forgiven() -> None:
    """A failed sync is noted, and the node goes on."""
    engine.disk_failure = lambda _error: None
    unit_of_work.disk_failure = lambda _error: None


def sent_before_the_receipt() -> None:
    """A message counts as delivered when it is handed to the network."""
    from tests.simulator import planted

    class Patch:
        @staticmethod
        def setattr(where, name, value):
            setattr(where, name, value)

    planted.sent_before_the_receipt(Patch)


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug
    for bug in (
        receipt_before_commit,
        sqlite_does_not_sync,
        sqlite_syncs_now_and_then,
        postgresql_does_not_wait,
        thread_key_after_the_message,
        a_failed_sync_is_forgiven,
        sent_before_the_receipt,
    )
}


def plant(name: str) -> None:
    """Plant a bug; say so in the node's log, so that a test can see that it was there."""
    BUGS[name]()
    os.write(2, f"PLANTED {name}\n".encode())
