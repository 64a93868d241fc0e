"""What people see of their work: items with who has them, until when, and where their exchange stands. On the read engine."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, TextClause, and_, exists, false, literal, null, or_, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.threads import Side
from gateway.storage.case_tables import departures, exchange_messages, exchanges, work_items
from gateway.storage.draft_tables import taken_reports
from gateway.storage.people_tables import persons
from gateway.storage.read_models import PAGE
from gateway.storage.rows import maybe_from_ms
from gateway.storage.seeing import Seen, hidden_from, others_alone
from gateway.storage.tables import cases, outbox
from gateway.storage.work_items import SAME


class WorkModels:
    """Queries for the private port."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def work(
        self, seen: Seen, *, machine: str | None = None, everything: bool = False, due_before: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Return items, the soonest due first and those without a term last; at most a page.

        `everything`: those that are over too, and then the newest of all. `due_before`: only those whose term ends before it.
        """
        where: list[ColumnElement[bool] | TextClause] = [visible(seen)]
        where += [] if everything else [TO_DO]
        where += [] if machine is None else [work_items.c.machine == machine]
        where += [] if due_before is None else [work_items.c.due_ms < int(due_before.timestamp() * 1000)]
        order = (work_items.c.due_ms.is_(None), work_items.c.due_ms, work_items.c.opened_ms, work_items.c.opening_id)
        async with self._engine.connect() as connection:
            if everything:  # what there ever was: the newest page of it, and only that is sorted
                newest = select(work_items.c.opener, work_items.c.opening_id).where(*where)
                page = (await connection.execute(newest.order_by(work_items.c.opened_ms.desc()).limit(PAGE))).all()
                openers, openings = ({row[part] for row in page} for part in (0, 1))
                where = [work_items.c.opener.in_(openers), work_items.c.opening_id.in_(openings)]
            statement = items().where(*where).order_by(*order).limit(PAGE)
            return [as_item(row) for row in await connection.execute(statement)]

    async def hidden(self, opening: str, seen: Seen) -> bool:
        """Return whether the exchange of an opening message is the work of an office these eyes do not see."""
        here = and_(work_items.c.opening_id == opening, hidden_from(seen))
        async with self._engine.connect() as connection:
            return (await connection.execute(select(work_items.c.office).where(here).limit(1))).first() is not None

    async def case_hidden(self, case: str, seen: Seen) -> bool:
        """Return whether a case, by folio, thread or our own reference, is the work of offices these eyes do not see alone."""
        threads = select(cases.c.thread_id).where(or_(cases.c.thread_id == case, cases.c.folio == case))
        ours = select(work_items.c.office).join(exchanges, SAME).where(work_items.c.office.is_not(None))
        asked = [ours.where(where) for where in (exchanges.c.thread_id.in_(threads), exchanges.c.case_ref == case)]
        async with self._engine.connect() as connection:
            offices = {row.office for statement in asked for row in await connection.execute(statement)}
        return others_alone(offices, seen)

    async def one(self, opening: str, seen: Seen, *machines: str) -> dict[str, Any] | None:
        """Return one item with what was said in it, oldest first; None when there is none to be seen.

        `machines`: of one of these, where any is named.
        """
        here = and_(work_items.c.opening_id == opening, visible(seen))
        if machines:
            here = and_(here, work_items.c.machine.in_(machines))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(items().where(here))).all()
            if len(rows) != 1:
                return None
            row = rows[0]
            said = select(exchange_messages).where(
                exchange_messages.c.opener == row.opener, exchange_messages.c.opening_id == row.opening_id
            )
            lines = await connection.execute(said.order_by(exchange_messages.c.logged_ms, exchange_messages.c.message_id))
            return as_item(row) | {"said": [_line(line, row) for line in lines]}

    async def reports(self, seen: Seen, *, thread: str | None = None) -> list[dict[str, Any]]:
        """Return what became of the reports these offices took, the newest first; at most a page, or the one of a thread."""
        found: list[dict[str, Any]] = []
        async with self._engine.connect() as connection:
            for statement, at in (_handed_over(seen), work_items.c.opened_ms), (_taken_here(seen), taken_reports.c.taken_ms):
                here = statement if thread is None else statement.where(cases.c.thread_id == thread)
                found += [_report(row) for row in await connection.execute(here.order_by(at.desc()).limit(PAGE))]
        return sorted(found, key=lambda item: item["taken"], reverse=True)[:PAGE]

    async def delivery(self, peer: str, message_id: str) -> str | None:
        """Return how far a message of ours got; None for one that is not in the outbox."""
        statement = select(outbox.c.state).where(outbox.c.lane == peer, outbox.c.message_id == message_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()


def _handed_over(seen: Seen) -> Any:
    opened = and_(cases.c.thread_id == work_items.c.thread_id, cases.c.opened_by == work_items.c.opening_id)
    on_its_way = and_(outbox.c.lane == work_items.c.peer, outbox.c.message_id == work_items.c.opening_id)
    columns = (work_items.c.opening_id.label("message_id"), work_items.c.office, work_items.c.opened_ms.label("taken_ms"))
    own = and_(work_items.c.machine == "report", work_items.c.side == Side.OPENER.value)
    statement = select(*columns, *_CASE, outbox.c.state.label("delivery")).join(cases, opened).outerjoin(outbox, on_its_way)
    return statement.where(own, work_items.c.office.in_(list(seen.offices)))


def _taken_here(seen: Seen) -> Any:
    columns = (taken_reports.c.message_id, taken_reports.c.office, taken_reports.c.taken_ms, *_CASE, null().label("delivery"))
    statement = select(*columns).join(cases, cases.c.thread_id == taken_reports.c.thread_id)
    return statement.where(taken_reports.c.office.in_(list(seen.offices)))


def _report(row: Row[Any]) -> dict[str, Any]:
    return {
        "thread": row.thread_id,
        "id": row.message_id,
        "office": row.office,
        "folio": row.folio,
        "state": row.state,
        "delivery": row.delivery,
        "here": row.kind == "report",
        "taken": _iso(row.taken_ms),
    }


_CASE = (cases.c.thread_id, cases.c.folio, cases.c.state, cases.c.kind)
WAITING = text("departures.state = 'waiting'")
TO_DO = text("work_items.ended_ms IS NULL AND work_items.over_ms IS NULL")


def items(*more: Any, joined: bool = True) -> Any:
    """Return the statement of items, with whatever else is read of each; `joined` False: whoever asks joins the tables."""
    on_its_way = and_(outbox.c.lane == work_items.c.peer, outbox.c.message_id == work_items.c.opening_id)
    columns = (
        work_items,
        exchanges.c.state.label("state"),
        exchanges.c.outcome.label("outcome"),
        exchanges.c.awaited.label("awaited"),
        persons.c.name.label("person_name"),
        persons.c.login.label("person_login"),
        outbox.c.state.label("delivery"),
        prepared().label("prepared"),
    )
    statement = select(*columns, *more)
    if not joined:
        return statement
    return (
        statement.join(exchanges, SAME)
        .outerjoin(persons, persons.c.person_id == work_items.c.person_id)
        .outerjoin(outbox, and_(on_its_way, work_items.c.side == Side.OPENER.value))
    )


def prepared() -> ColumnElement[bool]:
    """Return whether an answer of ours waits before it leaves; more time asked for is none."""
    answers = and_(WAITING, departures.c.in_reply_to == work_items.c.opening_id, departures.c.kind != literal("case.status"))
    return exists().where(answers).correlate(work_items)


def visible(seen: Seen) -> ColumnElement[bool]:
    """Return whether an item is the work of those who look."""
    own = work_items.c.office.in_(list(seen.offices))
    if not seen.unclaimed:
        return own
    nobodys = or_(work_items.c.office.is_(None), work_items.c.office.not_in(list(seen.known)))
    return or_(own, nobodys) if seen.known or seen.offices else false()


def as_item(row: Row[Any]) -> dict[str, Any]:
    """Return an item as people read it."""
    return {
        "id": row.opening_id,
        "machine": row.machine,
        "kind": row.kind,
        "side": row.side,
        "peer": row.peer,
        "office": row.office,
        "has_it": row.person_login,
        "has_it_name": row.person_name,
        "state": row.state,
        "outcome": row.outcome,
        "awaited": row.awaited,
        "delivery": row.delivery,
        "service": row.service,
        "urgency": row.urgency,
        "minor": row.minor,
        "purpose": row.purpose,
        "basis": row.basis,
        "opened": _iso(row.opened_ms),
        "due": _iso(row.due_ms),
        "reminded": _iso(row.reminded_ms),
        "escalated": _iso(row.escalated_ms),
        "overseen": _iso(row.overseen_ms),
        "ended": _iso(row.ended_ms),
        "prepared": bool(row.prepared),
    }


def _line(line: Row[Any], row: Row[Any]) -> Mapping[str, Any]:
    return {
        "message_id": line.message_id,
        "kind": line.kind,
        "ours": line.said_by == row.side,
        "records": bool(line.carries),
        "at": _iso(line.logged_ms),
    }


def _iso(milliseconds: int | None) -> str | None:
    moment = maybe_from_ms(milliseconds)
    return None if moment is None else moment.isoformat(timespec="seconds")
