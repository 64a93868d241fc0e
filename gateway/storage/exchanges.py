"""Exchanges with peers (gateway.exchange.case_ports.Exchanges). A reading is made anew from what was said."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import MessageId, NodeId, ThreadId
from contracts.threads import MACHINES, Exchange, Pending, Said, Side, replay
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey
from gateway.storage.case_tables import WITHDRAWING, exchange_messages, exchanges
from gateway.storage.rows import from_ms, insert_new, insert_or_change, maybe_from_ms, to_ms

_CHANGING = ("state", "outcome", "pending_slot", "awaited", "deadline_ms", "changed_ms")


class SqlExchanges:
    """The exchanges of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(
        self, keys: Sequence[ExchangeKey], new: Sequence[ExchangeEntry] = (), *, now: datetime
    ) -> Mapping[ExchangeKey, ExchangeEntry]:
        """Return those of `keys` that are here, locked; of those that are not, what `new` holds."""
        if new:
            # Whoever inserts the row first goes on; another transaction waits here and then reads what was written.
            await self._connection.execute(insert_new(self._connection, exchanges), [_row(entry, now) for entry in new])
        if not keys:
            return {}
        # In one order, so that two transactions that want the same two never wait for each other.
        statement = select(exchanges).where(_among(exchanges, keys)).order_by(exchanges.c.opener, exchanges.c.opening_id)
        rows = (await self._connection.execute(statement.with_for_update())).all()
        return {entry.key: entry for entry in await self._entries(rows)}

    async def pending(self, wanted: Sequence[Pending]) -> frozenset[Pending]:
        """Return which of `wanted` are under way already, opened by us."""
        if not wanted:
            return frozenset()
        here = tuple_(exchanges.c.peer, exchanges.c.case_ref, exchanges.c.pending_slot)
        statement = select(exchanges.c.pending_slot, exchanges.c.case_ref, exchanges.c.peer)
        rows = await self._connection.execute(
            statement.where(here.in_([(item.recipient, item.case, item.machine) for item in wanted]))
        )
        return frozenset(Pending(row.pending_slot, row.case_ref, row.peer) for row in rows)

    async def store(self, entries: Sequence[ExchangeEntry], *, now: datetime) -> None:
        """Write these readings."""
        if not entries:
            return
        # What ended leaves its slot first: one exchange may end and the next begin in one transaction.
        rows = sorted((_row(entry, now) for entry in entries), key=lambda row: row["pending_slot"] is not None)
        # A place that was given free is not taken again: a later exchange may stand in it.
        write = insert_or_change(self._connection, exchanges, _CHANGING, once_null=frozenset({"pending_slot"}))
        await self._connection.execute(write, rows)
        said = [_said(entry, item, now) for entry in entries for item in sorted(entry.exchange.said)]
        if said:
            await self._connection.execute(insert_new(self._connection, exchange_messages), said)

    async def release(self, peer: NodeId, openings: Sequence[MessageId]) -> None:
        """Free the place of exchanges we opened with `peer` by these messages."""
        opened = and_(exchanges.c.peer == peer, exchanges.c.opening_id.in_(list(openings)))
        ours = and_(opened, exchanges.c.side == Side.OPENER.value)
        await self._connection.execute(update(exchanges).where(ours).values(pending_slot=None, awaited=None))

    async def set_deadline(self, key: ExchangeKey, peer: NodeId, until: datetime) -> None:
        """Note that the word awaited in an exchange with `peer` is due later than it was."""
        named = and_(exchanges.c.opener == key.opener, exchanges.c.opening_id == key.opening, exchanges.c.peer == peer)
        here = and_(named, or_(exchanges.c.deadline_ms.is_(None), exchanges.c.deadline_ms < to_ms(until)))
        await self._connection.execute(update(exchanges).where(here).values(deadline_ms=to_ms(until)))

    async def case_of(self, thread_id: ThreadId) -> str | None:
        """Return what our books call the case of a thread; None when no exchange was on it."""
        statement = select(exchanges.c.case_ref).where(exchanges.c.thread_id == thread_id)
        found = await self._connection.execute(statement.order_by(exchanges.c.opened_ms, exchanges.c.opening_id).limit(1))
        return found.scalar_one_or_none()

    async def unconfirmed(self, *, limit: int) -> Sequence[ExchangeEntry]:
        """Return exchanges whose opener withdrew and waits for our confirmation, the longest unchanged first."""
        statement = select(exchanges).where(WITHDRAWING, exchanges.c.side == Side.ADDRESSEE.value)
        ordered = statement.order_by(exchanges.c.changed_ms, exchanges.c.opening_id).limit(limit)
        return await self._entries((await self._connection.execute(ordered)).all())

    async def overdue(self, *, now: datetime, limit: int) -> Sequence[ExchangeEntry]:
        """Return exchanges whose awaited word is late."""
        late = and_(exchanges.c.deadline_ms < to_ms(now), exchanges.c.awaited.is_not(None))
        statement = select(exchanges).where(late).order_by(exchanges.c.deadline_ms).limit(limit)
        return await self._entries((await self._connection.execute(statement)).all())

    async def _entries(self, rows: Sequence[Any]) -> list[ExchangeEntry]:
        keys = [_key(row) for row in rows]
        said: defaultdict[ExchangeKey, list[Said]] = defaultdict(list)
        if keys:
            for row in await self._connection.execute(select(exchange_messages).where(_among(exchange_messages, keys))):
                item = Said(MessageId(row.message_id), row.kind, Side(row.said_by), _maybe(row.in_reply_to), row.carries)
                said[_key(row)].append(item)
        return [_entry(row, replay(row.machine, MessageId(row.opening_id), said[_key(row)])) for row in rows]


def _among(table: Any, keys: Sequence[ExchangeKey]) -> ColumnElement[bool]:
    return tuple_(table.c.opener, table.c.opening_id).in_([(key.opener, key.opening) for key in keys])


def _key(row: Any) -> ExchangeKey:
    return ExchangeKey(NodeId(row.opener), MessageId(row.opening_id))


def _maybe(text: str | None) -> MessageId | None:
    return None if text is None else MessageId(text)


def _entry(row: Any, exchange: Exchange) -> ExchangeEntry:
    return ExchangeEntry(
        key=_key(row),
        exchange=exchange,
        side=Side(row.side),
        peer=NodeId(row.peer),
        thread_id=ThreadId(row.thread_id),
        case_ref=row.case_ref,
        deadline=maybe_from_ms(row.deadline_ms),
        opened_at=from_ms(row.opened_ms),
    )


def _row(entry: ExchangeEntry, now: datetime) -> dict[str, Any]:
    exchange = entry.exchange
    exclusive = MACHINES[exchange.machine].exclusive and entry.side is Side.OPENER
    return {
        "opener": entry.key.opener,
        "opening_id": entry.key.opening,
        "machine": exchange.machine,
        "side": entry.side.value,
        "peer": entry.peer,
        "thread_id": entry.thread_id,
        "case_ref": entry.case_ref,
        "state": exchange.state,
        "outcome": exchange.outcome,
        "pending_slot": exchange.machine if exclusive and exchange.pending else None,
        "awaited": None if exchange.awaited is None else exchange.awaited.value,
        "deadline_ms": None if entry.deadline is None else to_ms(entry.deadline),
        "opened_ms": to_ms(entry.opened_at),
        "changed_ms": to_ms(now),
    }


def _said(entry: ExchangeEntry, item: Said, now: datetime) -> dict[str, Any]:
    return {
        "opener": entry.key.opener,
        "opening_id": entry.key.opening,
        "message_id": item.message_id,
        "kind": item.kind,
        "said_by": item.by.value,
        "in_reply_to": item.re,
        "carries": item.carries,
        "logged_ms": to_ms(now),
    }
