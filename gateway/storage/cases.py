"""Cases, folios, imported rows and alarms (gateway.exchange.ports: Cases, Imports, Alarms). Ids and codes only."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import CaseAlias, Folio, MessageId, NodeId, ThreadId
from gateway.exchange.ports import Alarm, CaseEntry, ImportedRow
from gateway.storage.rows import from_json, from_ms, insert_new, to_json, to_ms
from gateway.storage.tables import alarms, cases, folio_counters, imports


class SqlCases:
    """The node's list of cases."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, entries: Sequence[CaseEntry]) -> None:
        """File cases; a thread that has one already keeps it as it is."""
        rows = [
            {
                "thread_id": entry.thread_id,
                "kind": entry.kind,
                "peer": entry.peer,
                "opened_by": entry.opened_by,
                "state": entry.state,
                "alias": entry.alias,
                "folio": entry.folio,
                "opened_ms": to_ms(entry.opened_at),
            }
            for entry in entries
        ]
        if rows:
            await self._connection.execute(insert_new(self._connection, cases), rows)

    async def find(self, thread_ids: Sequence[ThreadId]) -> Mapping[ThreadId, CaseEntry]:
        """Return the cases of those threads that have one."""
        rows = await self._connection.execute(_OF_THREADS, {"threads": thread_ids})
        return {
            ThreadId(row.thread_id): CaseEntry(
                thread_id=ThreadId(row.thread_id),
                kind=row.kind,
                peer=NodeId(row.peer),
                opened_by=MessageId(row.opened_by),
                state=row.state,
                alias=CaseAlias(row.alias) if row.alias else None,
                folio=Folio(row.folio) if row.folio else None,
                opened_at=from_ms(row.opened_ms),
                same_as=ThreadId(row.same_as) if row.same_as else None,
            )
            for row in rows
        }

    async def acknowledge(self, folios: Mapping[ThreadId, Folio]) -> None:
        """Move cases to "acknowledged", each under the peer's folio; a folio once set stays."""
        if not folios:
            return
        rows = [{"b_thread_id": thread, "b_folio": folio} for thread, folio in folios.items()]
        await self._connection.execute(_ACKNOWLEDGE, rows)

    async def set_state(self, thread_id: ThreadId, *, state: str, folio: Folio | None = None) -> None:
        """Move a case; a folio once set stays."""
        change = {"state": state} if folio is None else {"state": state, "folio": func.coalesce(cases.c.folio, folio)}
        await self._connection.execute(update(cases).where(cases.c.thread_id == thread_id).values(**change))

    async def same_person(self, thread_id: ThreadId, same_as: ThreadId | None) -> None:
        """Note in which case the person of this one is searched for; None: in this one again."""
        await self._connection.execute(update(cases).where(cases.c.thread_id == thread_id).values(same_as=same_as))

    async def with_same_person(self, thread_id: ThreadId) -> Sequence[ThreadId]:
        """Return the cases that say so of this one."""
        rows = await self._connection.execute(select(cases.c.thread_id).where(cases.c.same_as == thread_id))
        return [ThreadId(row) for row in rows.scalars()]

    async def next_folios(self, prefix: str, year: int, count: int) -> Sequence[Folio]:
        """Return the next numbers of `year`; part of the transaction, so that only a restore leaves a gap."""
        first = insert_new(self._connection, folio_counters).values(prefix=prefix, year=year, last=0)
        await self._connection.execute(first)
        here = (folio_counters.c.prefix == prefix) & (folio_counters.c.year == year)
        statement = update(folio_counters).where(here).values(last=folio_counters.c.last + count)
        last = int((await self._connection.execute(statement.returning(folio_counters.c.last))).scalar_one())
        return [Folio(f"{prefix}-{year:04d}-{number:06d}") for number in range(last - count + 1, last + 1)]

    async def with_folio(self, folio: Folio) -> Sequence[ThreadId]:
        """Return the threads of the cases that carry a folio."""
        rows = (await self._connection.execute(select(cases.c.thread_id).where(cases.c.folio == folio))).scalars()
        return [ThreadId(row) for row in rows]

    async def folio_was_given(self, folio: Folio) -> None:
        """See to it that `next_folios` never returns `folio` or one before it."""
        prefix, year, number = folio.rsplit("-", 2)
        await skip_folios(self._connection, prefix, int(year), int(number))

    async def with_aliases(self, aliases: Sequence[tuple[NodeId, CaseAlias]]) -> Mapping[tuple[NodeId, CaseAlias], ThreadId]:
        """Return the threads of cases known to a peer under an alias."""
        if not aliases:
            return {}
        statement = select(cases).where(cases.c.alias.in_([alias for _, alias in aliases]))
        found = {(NodeId(row.peer), CaseAlias(row.alias)): row for row in await self._connection.execute(statement)}
        return {key: ThreadId(row.thread_id) for key, row in found.items() if key in set(aliases)}


_OF_THREADS = select(cases).where(cases.c.thread_id.in_(bindparam("threads", expanding=True)))
_ACKNOWLEDGE = (
    update(cases)
    .where(cases.c.thread_id == bindparam("b_thread_id"))
    .values(state="acknowledged", folio=func.coalesce(cases.c.folio, bindparam("b_folio")))
)


async def skip_folios(connection: AsyncConnection, prefix: str, year: int, last: int) -> None:
    """Count on from `last`, unless the counter is past it already."""
    await connection.execute(insert_new(connection, folio_counters).values(prefix=prefix, year=year, last=0))
    behind = and_(folio_counters.c.prefix == prefix, folio_counters.c.year == year, folio_counters.c.last < last)
    await connection.execute(update(folio_counters).where(behind).values(last=last))


class SqlImports:
    """Rows of source files that were taken in."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, keys: Sequence[bytes]) -> Mapping[bytes, ImportedRow]:
        """Return the rows already imported among `keys`."""
        if not keys:
            return {}
        rows = await self._connection.execute(select(imports).where(imports.c.row_key.in_(list(keys))))
        return {
            row.row_key: ImportedRow(
                source=row.source,
                row=row.row,
                key=row.row_key,
                outcome=row.outcome,
                reasons=tuple(from_json(row.reasons)),
                thread_id=ThreadId(row.thread_id) if row.thread_id else None,
                message_ids=tuple(MessageId(item) for item in from_json(row.message_ids)),
            )
            for row in rows
        }

    async def add(self, rows: Sequence[ImportedRow], *, now: datetime) -> None:
        """File rows; a key that is there stays as it was."""
        if not rows:
            return
        values = [
            {
                "row_key": row.key,
                "source": row.source,
                "row": row.row,
                "outcome": row.outcome,
                "reasons": to_json(row.reasons),
                "thread_id": row.thread_id,
                "message_ids": to_json(row.message_ids),
                "imported_ms": to_ms(now),
            }
            for row in rows
        ]
        await self._connection.execute(insert_new(self._connection, imports), values)


class SqlAlarms:
    """What people must look at."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def raise_(self, code: str, *, subject: str, now: datetime, peer: NodeId | None = None) -> None:
        """Raise an alarm once per (code, subject)."""
        await self.raise_all([Alarm(code, subject, peer)], now=now)

    async def raise_all(self, raised: Sequence[Alarm], *, now: datetime) -> None:
        """Raise alarms, each once per (code, subject)."""
        rows = [{"code": item.code, "subject": item.subject, "peer": item.peer, "raised_ms": to_ms(now)} for item in raised]
        if rows:
            await self._connection.execute(insert_new(self._connection, alarms), rows)
