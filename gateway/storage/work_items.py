"""The inbox of work (gateway.exchange.work_ports.WorkItems)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import Code, MessageId, NodeId, ThreadId
from contracts.threads import Side
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.work_ports import Notice, Term, WorkItem
from gateway.storage.case_tables import exchanges, work_items
from gateway.storage.rows import from_ms, insert_new, maybe_from_ms, maybe_to_ms, to_ms

ACKNOWLEDGED_AT_ONCE = ("report", "finding", "duty")
"""Machines whose answer, or receipt, the node gives by itself: people's work begins with it, and ends when they say so."""

SAME = and_(exchanges.c.opener == work_items.c.opener, exchanges.c.opening_id == work_items.c.opening_id)
_received = work_items.c.side == Side.ADDRESSEE.value
_at_once = and_(_received, work_items.c.machine.in_(ACKNOWLEDGED_AT_ONCE))
OPEN = and_(work_items.c.ended_ms.is_(None), work_items.c.over_ms.is_(None))
"""There is something to do: the exchange is not over, or its answer was only an acknowledgement."""
AWAITED = and_(OPEN, or_(exchanges.c.awaited.is_not(None), and_(_at_once, work_items.c.person_id.is_(None))))
"""Somebody owes a word: the peer, we, or whoever should have taken what was acknowledged."""


# Name by name: several exchanges end in one statement, and a list in it can be opened for one row alone.
GOES_WITH_ITS_EXCHANGE = ~and_(_received, or_(*(work_items.c.machine == name for name in ACKNOWLEDGED_AT_ONCE)))
"""Work that is over when its exchange is."""

# In the words of the index of what was not told of yet.
_UNTOLD = and_(work_items.c.escalate_ms.is_not(None), work_items.c.escalated_ms.is_(None), work_items.c.ended_ms.is_(None))


_ESCALATED = and_(work_items.c.escalated_ms.is_not(None), work_items.c.overseen_ms.is_(None), OPEN)
OVERSEEN_AFTER = timedelta(hours=24)
"""As hours pass: by then a head who is away, or nobody, has not answered either."""


class SqlWorkItems:
    """The items of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def file(self, items: Sequence[WorkItem]) -> None:
        """File items; one that is there stays as it is."""
        if items:
            await self._connection.execute(insert_new(self._connection, work_items), [_row(item) for item in items])

    async def find(self, opening: str, opener: NodeId | None = None) -> Sequence[WorkItem]:
        """Return the items of an opening message."""
        here = work_items.c.opening_id == opening
        if opener is not None:
            here = and_(here, work_items.c.opener == opener)
        statement = select(work_items).where(here).order_by(work_items.c.opener)
        return [_item(row) for row in await self._connection.execute(statement)]

    async def offices_of(self, threads: Sequence[ThreadId]) -> Mapping[ThreadId, Code]:
        """Return which office has a thread: that of the latest exchange in it that has one."""
        if not threads:
            return {}
        here = and_(exchanges.c.thread_id.in_(list(threads)), work_items.c.office.is_not(None))
        statement = select(exchanges.c.thread_id, work_items.c.office).join(work_items, SAME).where(here)
        rows = await self._connection.execute(statement.order_by(exchanges.c.opened_ms))
        return {ThreadId(row.thread_id): Code(row.office) for row in rows}

    async def take(self, key: ExchangeKey, person: str, *, now: datetime) -> bool:
        """Give an item that nobody has to a person; the first counts."""
        free = and_(_at(key), work_items.c.person_id.is_(None), work_items.c.ended_ms.is_(None))
        return await self._change(free, person_id=person, taken_ms=to_ms(now))

    async def give(self, key: ExchangeKey, person: str, *, now: datetime) -> bool:
        """Give an item to a person, whoever has it; False when it is done."""
        there = and_(_at(key), work_items.c.ended_ms.is_(None))
        return await self._change(there, person_id=person, taken_ms=to_ms(now))

    async def move(self, key: ExchangeKey, office: Code) -> None:
        """Give an item to another office."""
        await self._change(_at(key), office=office, person_id=None, taken_ms=None)

    async def end(self, key: ExchangeKey, *, now: datetime) -> bool:
        """Say that the work is done."""
        return await self._change(and_(_at(key), work_items.c.ended_ms.is_(None)), ended_ms=to_ms(now))

    async def unscheduled(self, *, limit: int) -> Sequence[WorkItem]:
        """Return items whose term is still to be counted, the oldest first."""
        waiting = and_(work_items.c.due_ms.is_(None), work_items.c.hours.is_not(None), work_items.c.ended_ms.is_(None))
        statement = select(work_items).where(waiting).order_by(work_items.c.opened_ms).limit(limit)
        return [_item(row) for row in await self._connection.execute(statement)]

    async def postponed(self, *, limit: int) -> Sequence[tuple[WorkItem, datetime]]:
        """Return items whose exchange has a later deadline by now than their term, and that deadline."""
        # Of an accepted referral the offer's own deadline says nothing any more.
        later = and_(exchanges.c.deadline_ms > work_items.c.due_ms, work_items.c.machine != "referral")
        joined = select(*work_items.c, exchanges.c.deadline_ms).join(exchanges, SAME)
        statement = joined.where(_UNTOLD, AWAITED, later).limit(limit)
        return [(_item(row), from_ms(row.deadline_ms)) for row in await self._connection.execute(statement)]

    async def schedule(self, key: ExchangeKey, term: Term | None) -> None:
        """Set a term; another one than before is told of anew."""
        if term is None:
            await self._change(_at(key), hours=None, due_ms=None, remind_ms=None, escalate_ms=None)
            return
        times = {"due_ms": to_ms(term.due), "remind_ms": to_ms(term.remind_at), "escalate_ms": to_ms(term.escalate_at)}
        another = or_(work_items.c.due_ms.is_(None), work_items.c.due_ms != times["due_ms"])
        await self._change(and_(_at(key), another), **times, reminded_ms=None, escalated_ms=None, overseen_ms=None)

    async def settle(self, *, now: datetime) -> int:
        """Forget when to tell of items whose time has come and on which no word is awaited any more."""
        # So that what was answered in time leaves the index of what is still to be told of.
        awaited = select(exchanges.c.opener).where(SAME, AWAITED).exists()
        over = and_(_UNTOLD, work_items.c.escalate_ms <= to_ms(now), ~awaited)
        done = await self._connection.execute(update(work_items).where(over).values(remind_ms=None, escalate_ms=None))
        return done.rowcount

    async def late(self, notice: Notice, *, now: datetime, limit: int) -> Sequence[WorkItem]:
        """Return items whose time for `notice` has come and that were not told of, the longest due first."""
        at, told = _NOTICES[notice]
        untold, since = (_UNTOLD, now) if notice is not Notice.OVERSIGHT else (_ESCALATED, now - OVERSEEN_AFTER)
        statement = (
            select(work_items)
            .join(exchanges, SAME)
            .where(untold, AWAITED, at <= to_ms(since), told.is_(None))
            .order_by(work_items.c.due_ms, work_items.c.opening_id)
            .limit(limit)
        )
        return [_item(row) for row in await self._connection.execute(statement)]

    async def told(self, key: ExchangeKey, notice: Notice, term: datetime, *, now: datetime) -> bool:
        """Note that people were told; False when they were, or when the term is another by now."""
        _, told = _NOTICES[notice]
        still = and_(_at(key), told.is_(None), work_items.c.due_ms == to_ms(term))
        values = {told.name: to_ms(now)}
        if notice is Notice.ESCALATION:
            values["reminded_ms"] = to_ms(now)  # who is told that it is late needs no word that it soon will be
        return await self._change(still, **values)

    async def _change(self, where: ColumnElement[bool], **values: Any) -> bool:
        return (await self._connection.execute(update(work_items).where(where).values(**values))).rowcount == 1


_NOTICES = {
    Notice.REMINDER: (work_items.c.remind_ms, work_items.c.reminded_ms),
    Notice.ESCALATION: (work_items.c.escalate_ms, work_items.c.escalated_ms),
    Notice.OVERSIGHT: (work_items.c.escalated_ms, work_items.c.overseen_ms),
}


def _at(key: ExchangeKey) -> ColumnElement[bool]:
    return and_(work_items.c.opener == key.opener, work_items.c.opening_id == key.opening)


def _row(item: WorkItem) -> dict[str, Any]:
    return {
        "opener": item.key.opener,
        "opening_id": item.key.opening,
        "machine": item.machine,
        "side": item.side.value,
        "peer": item.peer,
        "thread_id": item.thread_id,
        "kind": item.kind,
        "purpose": item.purpose,
        "basis": item.basis,
        "office": item.office,
        "service": item.service,
        "urgency": item.urgency,
        "minor": item.minor,
        "hours": item.hours,
        "escalate_hours": item.escalate_hours,
        "due_ms": maybe_to_ms(item.due),
        "remind_ms": maybe_to_ms(item.remind_at),
        "escalate_ms": maybe_to_ms(item.escalate_at),
        "person_id": item.person,
        "taken_ms": None if item.person is None else to_ms(item.opened_at),
        "opened_ms": to_ms(item.opened_at),
    }


def _item(row: Any) -> WorkItem:
    return WorkItem(
        key=ExchangeKey(NodeId(row.opener), MessageId(row.opening_id)),
        machine=row.machine,
        side=Side(row.side),
        peer=NodeId(row.peer),
        thread_id=ThreadId(row.thread_id),
        kind=row.kind,
        purpose=Code(row.purpose),
        basis=Code(row.basis),
        opened_at=from_ms(row.opened_ms),
        office=None if row.office is None else Code(row.office),
        service=row.service,
        urgency=row.urgency,
        minor=row.minor,
        hours=row.hours,
        escalate_hours=row.escalate_hours,
        due=maybe_from_ms(row.due_ms),
        remind_at=maybe_from_ms(row.remind_ms),
        escalate_at=maybe_from_ms(row.escalate_ms),
        person=row.person_id,
    )
