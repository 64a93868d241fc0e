"""What turns a restored copy into a node again: a log of its own, folios nobody was given, no lease of a life that ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.exchange.ports import StagedLeaf
from gateway.exchange.states import InboxState
from gateway.storage.audit import SqlAuditStage
from gateway.storage.cases import skip_folios
from gateway.storage.factor_tables import steps
from gateway.storage.log import FIRST_EPOCH, load_nodes
from gateway.storage.people_tables import calendar_links, invitations, sessions
from gateway.storage.revisions import Schema
from gateway.storage.rows import from_ms, to_ms
from gateway.storage.snapshot import tables_of
from gateway.storage.tables import (
    folio_counters,
    inbox,
    leaf_staging,
    log_epochs,
    log_head,
    outbox,
    reconciliations,
    seen,
    thread_keys,
)
from gateway.storage.unit_of_work import typed_errors
from keys.tree import asked_of, root

FOLIO_GAP = 10_000
"""Folios skipped: more than any office gives between two backups, and seen at a glance."""
_ROUND = 1000


@dataclass(frozen=True, slots=True)
class OldHead:
    """How far the log goes that a restore ends."""

    epoch: int
    origin: str | None
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Messages whose thread's key is not in the restored key store."""

    asked_again: int
    """Not handled yet: forgotten here, so that their senders send them again."""
    kept: int
    """Handled or sent; their text is gone, what is known of them stays."""
    since: datetime | None
    """When the oldest of those asked for again came in."""


async def old_head(engine: AsyncEngine) -> OldHead:
    """Return how far the restored log goes."""
    with typed_errors():
        async with engine.connect() as connection:
            row = (await connection.execute(select(log_head).order_by(log_head.c.id.desc()).limit(1))).one_or_none()
            if row is None:
                return OldHead(FIRST_EPOCH, None, 0, root(0, lambda *_: b""))
            where = log_epochs.c.epoch == row.id
            origin = (await connection.execute(select(log_epochs.c.origin).where(where))).scalar_one_or_none()
            node_at = await load_nodes(connection, row.id, asked_of(lambda at: root(row.size, at)))
            return OldHead(row.id, origin, row.size, root(row.size, node_at))


@dataclass(frozen=True, slots=True)
class Opening:
    """The log a restore opens."""

    origin: str
    previous_origin: str
    since: datetime
    leaf: StagedLeaf
    """Its first: it says which head of which log it follows."""
    prefixes: Sequence[str]


async def open_epoch(engine: AsyncEngine, old: OldHead, opening: Opening, *, now: datetime) -> None:
    """End the restored log and open another, skip folios, forget leases; one transaction."""
    with typed_errors():
        async with engine.begin() as connection:
            await _end_log(connection, old, now)
            await connection.execute(
                insert(log_epochs).values(
                    epoch=old.epoch + 1,
                    origin=opening.origin,
                    opened_ms=to_ms(now),
                    since_ms=to_ms(opening.since),
                    previous_origin=opening.previous_origin,
                    previous_size=old.size,
                    previous_root=old.root,
                )
            )
            await connection.execute(insert(log_head).values(id=old.epoch + 1, size=0))
            await _stage_first(connection, opening.leaf)
            # Ended, used or withdrawn since the backup, perhaps: everybody signs in again, and asks for a new calendar address.
            for table in (sessions, invitations, steps, calendar_links):
                await connection.execute(delete(table))
            for prefix in opening.prefixes:
                for year in range(opening.since.year, now.year + 1):
                    await _skip(connection, prefix, year)


async def _end_log(connection: AsyncConnection, old: OldHead, now: datetime) -> None:
    if old.epoch == FIRST_EPOCH and old.size == 0:
        there = (await connection.execute(select(func.count()).select_from(log_head))).scalar_one()
        if not there:
            await connection.execute(insert(log_head).values(id=FIRST_EPOCH, size=0))
    await connection.execute(update(log_epochs).where(log_epochs.c.announced_ms.is_(None)).values(announced_ms=to_ms(now)))
    await connection.execute(delete(reconciliations))


async def _stage_first(connection: AsyncConnection, leaf: StagedLeaf) -> None:
    # What was staged at the backup got its index in the life that was lost, in an order nobody here knows.
    rows = [dict(row._mapping) for row in await connection.execute(select(leaf_staging).order_by(leaf_staging.c.id))]  # noqa: SLF001 - SQLAlchemy's documented name
    await connection.execute(delete(leaf_staging))
    await SqlAuditStage(connection).stage([leaf])
    for row in rows:
        del row["id"]
        await connection.execute(insert(leaf_staging).values(row))


async def _skip(connection: AsyncConnection, prefix: str, year: int) -> None:
    here = (folio_counters.c.prefix == prefix) & (folio_counters.c.year == year)
    last = (await connection.execute(select(folio_counters.c.last).where(here))).scalar_one_or_none() or 0
    await skip_folios(connection, prefix, year, -(-(last + FOLIO_GAP) // _ROUND) * _ROUND)


async def forget_unreadable(engine: AsyncEngine, key_engine: AsyncEngine) -> Unreadable:
    """Forget waiting messages whose key is gone, so that their senders' copies are accepted as new; count the others."""
    with typed_errors():
        async with key_engine.connect() as connection:
            known = set((await connection.execute(select(thread_keys.c.thread_id))).scalars())
        async with engine.begin() as connection:
            columns = (inbox.c.sender, inbox.c.message_id, inbox.c.thread_id, inbox.c.state, inbox.c.received_ms)
            rows = [row for row in await connection.execute(select(*columns)) if row.thread_id not in known]
            waiting = [row for row in rows if row.state == InboxState.WAITING]
            for row in waiting:
                for table in (inbox, seen):
                    here = (table.c.sender == row.sender) & (table.c.message_id == row.message_id)
                    await connection.execute(delete(table).where(here))
            sent = (await connection.execute(select(outbox.c.thread_id))).scalars()
            gone = sum(1 for thread in sent if thread not in known)
    oldest = min((row.received_ms for row in waiting), default=None)
    return Unreadable(len(waiting), len(rows) - len(waiting) + gone, None if oldest is None else from_ms(oldest))


async def destroyed_threads(engine: AsyncEngine) -> frozenset[str]:
    """Return the threads whose keys a key store says were destroyed; none when it has no such table."""
    with typed_errors():
        async with engine.connect() as connection:
            if not await connection.run_sync(lambda sync: inspect(sync).has_table("thread_keys")):
                return frozenset()
            statement = select(thread_keys.c.thread_id).where(thread_keys.c.destroyed_ms.is_not(None))
            return frozenset((await connection.execute(statement)).scalars())


async def destroy_again(engine: AsyncEngine, threads: frozenset[str], *, now: datetime) -> None:
    """Destroy keys in a restored key store that were destroyed since its backup: the erased do not come back."""
    if not threads:
        return
    with typed_errors():
        async with engine.begin() as connection:
            for thread in sorted(threads):
                gone = {"wrapped": b"", "destroyed_ms": to_ms(now)}
                there = await connection.execute(update(thread_keys).where(thread_keys.c.thread_id == thread).values(gone))
                if there.rowcount == 0:
                    row = {"thread_id": thread, "created_ms": to_ms(now), **gone}
                    await connection.execute(insert(thread_keys).values(row))


async def set_aside(engine: AsyncEngine, schema: Schema, name: str) -> None:
    """Move a PostgreSQL database's tables into a schema of their own; nothing is deleted. `name` is made by us."""
    with typed_errors():
        async with engine.begin() as connection:
            there = set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {name}"))
            version = "alembic_version" if schema is Schema.MAIN else "alembic_version_keys"
            for table in [item.name for item in tables_of(schema)] + [version]:
                if table in there:
                    await connection.execute(text(f"ALTER TABLE {table} SET SCHEMA {name}"))
