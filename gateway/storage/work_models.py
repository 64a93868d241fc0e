"""What people see of their work: items with who has them, until when, and where their exchange stands. On the read engine."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.threads import Side
from gateway.storage.case_tables import exchange_messages, exchanges, work_items
from gateway.storage.read_models import PAGE
from gateway.storage.rows import maybe_from_ms
from gateway.storage.tables import outbox, persons
from gateway.storage.work_items import OPEN, SAME


@dataclass(frozen=True, slots=True)
class Seen:
    """Whose work is looked at: that of these offices, and what is nobody's if one of them takes it."""

    offices: Collection[str]
    known: Collection[str]
    unclaimed: bool


class WorkModels:
    """Queries for the private port."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def work(
        self, seen: Seen, *, machine: str | None = None, everything: bool = False, due_before: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Return items, the soonest due first and those without a term last; at most a page.

        `everything`: those that are over too. `due_before`: only those whose term ends before it.
        """
        where = [_visible(seen)]
        where += [] if everything else [OPEN]
        where += [] if machine is None else [work_items.c.machine == machine]
        where += [] if due_before is None else [work_items.c.due_ms < int(due_before.timestamp() * 1000)]
        order = (work_items.c.due_ms.is_(None), work_items.c.due_ms, work_items.c.opened_ms, work_items.c.opening_id)
        statement = _items().where(*where).order_by(*order).limit(PAGE)
        async with self._engine.connect() as connection:
            return [_item(row) for row in await connection.execute(statement)]

    async def one(self, opening: str, seen: Seen, *, machine: str) -> dict[str, Any] | None:
        """Return one item of a machine with what was said in it, oldest first; None when there is none to be seen."""
        here = and_(work_items.c.opening_id == opening, work_items.c.machine == machine, _visible(seen))
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_items().where(here))).all()
            if len(rows) != 1:
                return None
            row = rows[0]
            said = select(exchange_messages).where(
                exchange_messages.c.opener == row.opener, exchange_messages.c.opening_id == row.opening_id
            )
            lines = await connection.execute(said.order_by(exchange_messages.c.logged_ms, exchange_messages.c.message_id))
            return _item(row) | {"said": [_line(line, row) for line in lines]}


def _items() -> Any:
    on_its_way = and_(outbox.c.lane == work_items.c.peer, outbox.c.message_id == work_items.c.opening_id)
    return (
        select(
            work_items,
            exchanges.c.state.label("state"),
            exchanges.c.outcome.label("outcome"),
            exchanges.c.awaited.label("awaited"),
            persons.c.name.label("person_name"),
            persons.c.login.label("person_login"),
            outbox.c.state.label("delivery"),
        )
        .join(exchanges, SAME)
        .outerjoin(persons, persons.c.person_id == work_items.c.person_id)
        .outerjoin(outbox, and_(on_its_way, work_items.c.side == Side.OPENER.value))
    )


def _visible(seen: Seen) -> ColumnElement[bool]:
    own = work_items.c.office.in_(list(seen.offices))
    if not seen.unclaimed:
        return own
    nobodys = or_(work_items.c.office.is_(None), work_items.c.office.not_in(list(seen.known)))
    return or_(own, nobodys) if seen.known or seen.offices else false()


def _item(row: Row[Any]) -> dict[str, Any]:
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
        "ended": _iso(row.ended_ms),
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
