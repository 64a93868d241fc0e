"""Exchanges with peers (gateway.exchange.case_ports.Exchanges). A reading is made anew from what was said."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import ProblemCode
from contracts.ids import MessageId, NodeId, ThreadId
from contracts.threads import CLOSED, MACHINES, Exchange, Pending, Said, Side, replay
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey
from gateway.exchange.states import OutboxState
from gateway.storage.case_tables import WITHDRAWING, exchange_messages, exchanges, work_items
from gateway.storage.erasure_tables import WAITS, erasures
from gateway.storage.rows import from_ms, insert_new, insert_or_change, maybe_from_ms, maybe_to_ms, to_ms
from gateway.storage.tables import outbox
from gateway.storage.work_items import GOES_WITH_ITS_EXCHANGE

_WITHDRAWAL = "referral.withdraw"
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
        wanted = frozenset(keys)
        return {entry.key: entry for entry in await self._entries([row for row in rows if _key(row) in wanted])}

    async def pending(self, wanted: Sequence[Pending]) -> frozenset[Pending]:
        """Return which of `wanted` are under way already, opened by us."""
        if not wanted:
            return frozenset()
        named = [(item.recipient, item.case, _slot(item.machine, item.topic)) for item in wanted]
        peers, case_refs, slots = (sorted(set(column)) for column in zip(*named, strict=True))
        here = and_(exchanges.c.peer.in_(peers), exchanges.c.case_ref.in_(case_refs), exchanges.c.pending_slot.in_(slots))
        statement = select(exchanges.c.pending_slot, exchanges.c.case_ref, exchanges.c.peer)
        rows = await self._connection.execute(statement.where(here))
        found = {(row.peer, row.case_ref, row.pending_slot) for row in rows}
        return frozenset(item for item, name in zip(wanted, named, strict=True) if name in found)

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
        over = [
            {"b_opener": entry.key.opener, "b_opening": entry.key.opening, "b_now": to_ms(now)}
            for entry in entries
            if entry.exchange.state == CLOSED
        ]
        if over:
            await self._connection.execute(_OVER, over)

    async def release(self, peer: NodeId, openings: Sequence[MessageId]) -> None:
        """Free the place of exchanges we opened with `peer` by these messages."""
        opened = and_(exchanges.c.peer == peer, exchanges.c.opening_id.in_(list(openings)))
        ours = and_(opened, exchanges.c.side == Side.OPENER.value)
        await self._connection.execute(update(exchanges).where(ours).values(pending_slot=None, awaited=None))
        # A withdrawal that was lost, or came where its thread was erased, is confirmed by nobody.
        taken_back = and_(outbox.c.lane == peer, outbox.c.message_id.in_(list(openings)), outbox.c.kind == _WITHDRAWAL)
        threads = select(outbox.c.thread_id).where(taken_back)
        waits = and_(exchanges.c.thread_id.in_(threads), exchanges.c.peer == peer, WITHDRAWING)
        free = update(exchanges).where(waits, exchanges.c.side == Side.OPENER.value)
        await self._connection.execute(free.values(pending_slot=None, awaited=None))

    async def unsay(self, peer: NodeId, messages: Sequence[MessageId], *, now: datetime) -> None:
        """Make readings anew without the withdrawals among `messages` that `peer` signed it did not take."""
        ours = and_(outbox.c.lane == peer, outbox.c.message_id.in_(list(messages)))
        threads = select(outbox.c.thread_id).where(ours, _NOT_TAKEN)
        waits = and_(exchanges.c.thread_id.in_(threads), exchanges.c.peer == peer, WITHDRAWING)
        named = select(exchanges.c.opener, exchanges.c.opening_id).where(waits, exchanges.c.side == Side.OPENER.value)
        in_order = named.order_by(exchanges.c.opener, exchanges.c.opening_id)
        keys = [_key(row) for row in await self._connection.execute(in_order.with_for_update())]
        if keys:
            await self.store(list((await self.lock(keys, now=now)).values()), now=now)

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

    async def of_case(self, case_ref: str, machine: str) -> Sequence[ExchangeEntry]:
        """Return the exchanges of a machine about a case, oldest first."""
        statement = select(exchanges).where(exchanges.c.case_ref == case_ref, exchanges.c.machine == machine)
        ordered = statement.order_by(exchanges.c.opened_ms, exchanges.c.opening_id)
        return await self._entries((await self._connection.execute(ordered)).all())

    async def unconfirmed(self, *, limit: int) -> Sequence[ExchangeEntry]:
        """Return exchanges whose opener withdrew and waits for our confirmation, the longest unchanged first."""
        blocked = exists().where(erasures.c.thread_id == exchanges.c.thread_id, erasures.c.whole.is_(True), WAITS)
        statement = select(exchanges).where(WITHDRAWING, exchanges.c.side == Side.ADDRESSEE.value, ~blocked)
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
            stands = _stands(sorted({row.opener for row in rows if row.side == Side.OPENER.value}))
            here = select(exchange_messages).where(_among(exchange_messages, keys), stands)
            for row in await self._connection.execute(here):
                item = Said(MessageId(row.message_id), row.kind, Side(row.said_by), _maybe(row.in_reply_to), row.carries)
                said[_key(row)].append(item)
        return [_entry(row, replay(row.machine, MessageId(row.opening_id), said[_key(row)])) for row in rows]


_OVER = (
    update(work_items)
    .where(
        work_items.c.opener == bindparam("b_opener"),
        work_items.c.opening_id == bindparam("b_opening"),
        work_items.c.over_ms.is_(None),
        GOES_WITH_ITS_EXCHANGE,
    )
    .values(over_ms=bindparam("b_now"))
)


_NOT_TAKEN = and_(
    outbox.c.kind == _WITHDRAWAL,
    outbox.c.state == OutboxState.REJECTED.value,
    outbox.c.reason != ProblemCode.UNAVAILABLE.value,
)
"""A withdrawal of ours that the addressee signed it did not take; not where its thread was erased there."""


def _stands(us: Sequence[str]) -> ColumnElement[bool]:
    """Return whether what was said counts: a withdrawal of ours that was not taken stays in the books and is void."""
    ours = and_(exchange_messages.c.kind == _WITHDRAWAL, exchange_messages.c.opener.in_(us))
    return ~and_(ours, exists().where(outbox.c.message_id == exchange_messages.c.message_id, _NOT_TAKEN))


def _among(table: Any, keys: Sequence[ExchangeKey]) -> ColumnElement[bool]:
    """Return a condition for these keys; others that mix their parts fit too.

    Not as pairs: SQLite finds several of those only by reading through the whole table.
    """
    openers, openings = sorted({key.opener for key in keys}), sorted({key.opening for key in keys})
    return and_(table.c.opener.in_(openers), table.c.opening_id.in_(openings))


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
        topic=(row.pending_slot or "").partition(":")[2],
    )


def _slot(machine: str, topic: str) -> str:
    return f"{machine}:{topic}" if topic else machine


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
        "pending_slot": _slot(exchange.machine, entry.topic) if exclusive and exchange.pending else None,
        "awaited": None if exchange.awaited is None else exchange.awaited.value,
        "deadline_ms": maybe_to_ms(entry.deadline),
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
