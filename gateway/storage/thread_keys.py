"""The key store: one wrapped key per thread, in a database of its own (gateway.exchange.ports.Bodies; SPEC 11)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.errors import StorageError, ThreadErasedError
from contracts.ids import MessageId, ThreadId
from gateway.exchange.ports import Clock
from gateway.storage.rows import insert_new, to_ms
from gateway.storage.tables import thread_keys
from gateway.storage.unit_of_work import typed_errors
from keys.vault import KeptMessage, Provable

CACHE_LIMIT = 4096
CACHE_FOR = timedelta(seconds=5)
"""How long this process may still open what another one has blocked or destroyed."""


class BodyVault(Protocol):
    """What the key store needs of `keys.vault`."""

    def new_key(self, thread_id: ThreadId) -> bytes:
        """Return a fresh wrapped key."""
        ...

    def keep(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, message: Provable) -> bytes:
        """Seal a proven message."""
        ...

    def kept(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> KeptMessage:
        """Open it."""
        ...

    def keep_draft(self, wrapped: bytes, thread_id: ThreadId, draft_id: MessageId, data: bytes) -> bytes:
        """Seal what is no message yet."""
        ...

    def kept_draft(self, wrapped: bytes, thread_id: ThreadId, draft_id: MessageId, sealed: bytes) -> bytes:
        """Open it."""
        ...


class ThreadKeys:
    """Seals and opens bodies with the keys it keeps. A key is durable before anything sealed with it is returned."""

    def __init__(self, engine: AsyncEngine, vault: BodyVault, clock: Clock) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock
        self._cache: dict[ThreadId, bytes] = {}
        self._cached_until: datetime | None = None

    async def seal(self, items: Sequence[tuple[ThreadId, MessageId, Provable]], *, arriving: bool = False) -> Sequence[bytes]:
        """Return each body sealed under its thread's key, bound to its message id; `arriving`: also where it is blocked."""
        keys = await self._ensure({thread for thread, _, _ in items}, arriving=arriving)
        return [self._vault.keep(keys[thread], thread, message_id, message) for thread, message_id, message in items]

    async def seal_draft(self, thread_id: ThreadId, draft_id: MessageId, data: bytes) -> bytes:
        """Return what is no message yet, sealed under its thread's key."""
        keys = await self._ensure({thread_id})
        return self._vault.keep_draft(keys[thread_id], thread_id, draft_id, data)

    async def open_draft(self, thread_id: ThreadId, draft_id: MessageId, sealed: bytes) -> bytes:
        """Return what `seal_draft` sealed.

        Raises:
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        return self._vault.kept_draft(await self._key(thread_id), thread_id, draft_id, sealed)

    async def open(self, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> KeptMessage:
        """Return the body: proven before it was sealed, authenticated now.

        Raises:
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        return self._vault.kept(await self._key(thread_id), thread_id, message_id, sealed)

    async def _key(self, thread_id: ThreadId) -> bytes:
        keys = await self._load({thread_id})
        if thread_id not in keys:
            raise StorageError("the thread's key is not in the key store")
        return keys[thread_id]

    async def block(self, thread_ids: Iterable[ThreadId], *, blocked: bool = True) -> None:
        """Let nothing be opened or said with these threads' keys from now on; or, with False, let it again."""
        threads = list(thread_ids)
        here = thread_keys.c.thread_id.in_(threads)
        since = to_ms(self._clock.now()) if blocked else None
        with typed_errors():
            async with self._engine.begin() as connection:
                await connection.execute(update(thread_keys).where(here).values(blocked_ms=since))
        for thread in threads:
            self._cache.pop(thread, None)

    async def destroy(self, thread_ids: Iterable[ThreadId]) -> None:
        """Destroy threads' keys: every copy of what they sealed is unreadable from here on, backups included."""
        threads = list(thread_ids)
        with typed_errors():
            async with self._engine.begin() as connection:
                statement = update(thread_keys).where(thread_keys.c.thread_id.in_(threads))
                await connection.execute(statement.values(wrapped=b"", destroyed_ms=to_ms(self._clock.now())))
        for thread in threads:
            self._cache.pop(thread, None)
        await self._scrub()

    async def orphans(self, known: frozenset[ThreadId], *, before: datetime) -> Sequence[ThreadId]:
        """Return keys made before a time whose thread is not `known`: their message never committed."""
        statement = select(thread_keys.c.thread_id).where(thread_keys.c.created_ms < to_ms(before))
        with typed_errors():
            async with self._engine.connect() as connection:
                rows = (await connection.execute(statement.where(thread_keys.c.destroyed_ms.is_(None)))).scalars()
                return [ThreadId(row) for row in rows if ThreadId(row) not in known]

    async def _ensure(self, threads: set[ThreadId], *, arriving: bool = False) -> dict[ThreadId, bytes]:
        keys = self._cached(threads)
        missing = sorted(threads - keys.keys())
        if not missing:
            return keys
        now = to_ms(self._clock.now())
        with typed_errors():
            # One transaction: make what is not there, and read back, for another process's key made first counts.
            async with self._engine.begin() as connection:
                rows = [{"thread_id": item, "wrapped": self._vault.new_key(item), "created_ms": now} for item in missing]
                await connection.execute(insert_new(connection, thread_keys), rows)
                found = await _read(connection, missing, blocked_too=arriving)
        if len(found) != len(missing):
            raise StorageError("a thread's key could not be made")
        return keys | (found if arriving else self._remember(found))

    async def _load(self, threads: set[ThreadId]) -> dict[ThreadId, bytes]:
        keys = self._cached(threads)
        wanted = sorted(threads - keys.keys())
        if not wanted:
            return keys
        with typed_errors():
            async with self._engine.connect() as connection:
                found = await _read(connection, wanted)
        return keys | self._remember(found)

    def _cached(self, threads: set[ThreadId]) -> dict[ThreadId, bytes]:
        now = self._clock.now()
        if self._cached_until is None or not now < self._cached_until <= now + CACHE_FOR:
            self._cache.clear()
            self._cached_until = now + CACHE_FOR
        return {thread: self._cache[thread] for thread in threads if thread in self._cache}

    def _remember(self, found: dict[ThreadId, bytes]) -> dict[ThreadId, bytes]:
        # Only what is committed gets here.
        if len(self._cache) > CACHE_LIMIT:
            self._cache.clear()
        self._cache |= found
        return found

    async def _scrub(self) -> None:
        """Take the old bytes out of the file: cheap, because only keys live there."""
        async with self._engine.connect() as connection:
            raw = await connection.execution_options(isolation_level="AUTOCOMMIT")
            if raw.dialect.name == "sqlite":
                await raw.execute(text("VACUUM"))
                await raw.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            else:
                await raw.execute(text("VACUUM FULL thread_keys"))


_OF_THREADS = select(thread_keys).where(thread_keys.c.thread_id.in_(bindparam("threads", expanding=True)))


async def _read(
    connection: AsyncConnection, threads: Sequence[ThreadId], *, blocked_too: bool = False
) -> dict[ThreadId, bytes]:
    rows = (await connection.execute(_OF_THREADS, {"threads": threads})).all()
    gone = frozenset(ThreadId(row.thread_id) for row in rows if row.destroyed_ms is not None)
    if gone:
        raise ThreadErasedError("the thread's key was destroyed", threads=gone)
    blocked = frozenset(ThreadId(row.thread_id) for row in rows if row.blocked_ms is not None)
    if blocked and not blocked_too:
        raise ThreadErasedError("the thread is blocked: it is to be erased", threads=blocked)
    return {ThreadId(row.thread_id): row.wrapped for row in rows}
