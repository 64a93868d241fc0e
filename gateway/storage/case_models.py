"""What people see of cases: the list, a page at a time, and what there is of one. Ids and codes alone. On the read engine."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ids import uuid7_ms
from gateway.exchange.ports.departures import DepartureState
from gateway.storage.case_tables import departures, exchange_messages, exchanges, never_to, wish_events, work_items
from gateway.storage.people_tables import persons
from gateway.storage.rows import from_json, from_ms, maybe_from_ms
from gateway.storage.seeing import Seen, others_alone
from gateway.storage.tables import cases, outbox
from gateway.storage.work_items import SAME

MOST = 400
"""Lines of one case that a page holds: the newest."""
_AT_ONCE_MS = 15 * 60 * 1000
"""A transfer that took longer was kept on its way."""
_AT_ONCE = 100
_LOOKS = 20
"""So many hundreds of cases are looked through for one page, at most: those of other offices are not on it."""
_OVER = ("closed", "erased", "cancelled")


class CaseModels:
    """Queries about cases."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def _all(self, statement: Any) -> list[Any]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())

    async def page(
        self, eyes: Seen, *, everything: bool, after: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Return cases after a case, newest first, without those that are the work of other offices alone, and who has each.

        And after which case the next page begins; None where this is the last. A page may be short, and more come after it.
        """
        shown: list[dict[str, Any]] = []
        last = after
        for _ in range(_LOOKS):
            rows = await self._newest(last, everything=everything)
            held = await self._held([row.thread_id for row in rows])
            for row in rows:
                if len(shown) == limit:
                    return shown, last
                last = row.thread_id
                holders = held.get(row.thread_id, [])
                if not others_alone([office for office, _ in holders], eyes):
                    shown.append(_case(row) | _newest_of(holders))
            if len(rows) < _AT_ONCE:
                return shown, None
        return shown, last

    async def _newest(self, after: str | None, *, everything: bool) -> list[Any]:
        where: list[ColumnElement[bool]] = [] if everything else [cases.c.state.not_in(_OVER)]
        if after is not None:
            opened = await self._all(select(cases.c.opened_ms).where(cases.c.thread_id == after))
            if not opened:
                return []
            where.append(tuple_(cases.c.opened_ms, cases.c.thread_id) < (opened[0][0], after))
        newest = select(cases).where(*where).order_by(cases.c.opened_ms.desc(), cases.c.thread_id.desc())
        return await self._all(newest.limit(_AT_ONCE))

    async def one(self, thread_id: str) -> dict[str, Any] | None:
        """Return one case and who has it; None when there is none."""
        rows = await self._all(select(cases).where(cases.c.thread_id == thread_id))
        if not rows:
            return None
        held = await self._held([thread_id])
        return _case(rows[0]) | _newest_of(held.get(thread_id, []))

    async def _held(self, threads: Collection[str]) -> Mapping[str, list[tuple[str | None, str | None]]]:
        """Return at which office, and with whom, the work of each of these threads is, the oldest first."""
        statement = (
            select(exchanges.c.thread_id, work_items.c.office, persons.c.name, work_items.c.opened_ms)
            .join(work_items, SAME)
            .outerjoin(persons, persons.c.person_id == work_items.c.person_id)
            .where(exchanges.c.thread_id.in_(list(threads)))
        )
        found: dict[str, list[tuple[str | None, str | None]]] = {}
        for row in sorted(await self._all(statement), key=lambda row: row.opened_ms) if threads else []:
            found.setdefault(row.thread_id, []).append((row.office, row.name))
        return found

    async def exchanges(self, refs: Sequence[str]) -> list[dict[str, Any]]:
        """Return the exchanges about a case, by our references and its threads, newest first."""
        found: dict[tuple[str, str], Any] = {}
        for column in (exchanges.c.case_ref, exchanges.c.thread_id):
            here = select(exchanges).where(column.in_(refs)).order_by(exchanges.c.opened_ms.desc()).limit(MOST)
            found |= {(row.opener, row.opening_id): row for row in await self._all(here)}
        rows = sorted(found.values(), key=lambda row: (row.opened_ms, row.opening_id), reverse=True)[:MOST]
        return [
            {
                "id": row.opening_id,
                "machine": row.machine,
                "side": row.side,
                "peer": row.peer,
                "state": row.state,
                "outcome": row.outcome,
                "thread_id": row.thread_id,
                "awaited": row.awaited,
                "deadline": maybe_from_ms(row.deadline_ms),
            }
            for row in rows
        ]

    async def said(self, openings: Collection[str]) -> list[dict[str, Any]]:
        """Return what was said in the exchanges that these messages opened, newest first, and how far ours got."""
        lane = and_(outbox.c.lane == exchanges.c.peer, outbox.c.message_id == exchange_messages.c.message_id)
        same = and_(exchanges.c.opener == exchange_messages.c.opener, exchanges.c.opening_id == exchange_messages.c.opening_id)
        statement = (
            select(
                exchange_messages,
                exchanges.c.machine,
                exchanges.c.side,
                exchanges.c.peer,
                outbox.c.state.label("delivery"),
            )
            .join(exchanges, same)
            .outerjoin(outbox, lane)
            .where(exchanges.c.opening_id.in_(list(openings)))
            .order_by(exchange_messages.c.logged_ms.desc(), exchange_messages.c.message_id.desc())
            .limit(MOST)
        )
        rows = await self._all(statement) if openings else []
        return [
            {
                "at": from_ms(row.logged_ms),
                "kind": row.kind,
                "ours": row.said_by == row.side,
                "peer": row.peer,
                "records": bool(row.carries),
                "delivery": row.delivery if row.said_by == row.side else None,
                "opening": row.opening_id,
                "machine": row.machine,
            }
            for row in rows
        ]

    async def work(self, openings: Collection[str]) -> list[dict[str, Any]]:
        """Return the work that is open in the exchanges that these messages opened, what is due first on top."""
        here = and_(
            work_items.c.opening_id.in_(list(openings)), work_items.c.ended_ms.is_(None), work_items.c.over_ms.is_(None)
        )
        ordered = select(work_items).where(here).order_by(work_items.c.due_ms.is_(None), work_items.c.due_ms)
        return [
            {
                "id": row.opening_id,
                "machine": row.machine,
                "side": row.side,
                "peer": row.peer,
                "office": row.office,
                "taken": row.person_id is not None,
                "due": maybe_from_ms(row.due_ms),
            }
            for row in (await self._all(ordered) if openings else [])
        ]

    async def waiting(self, refs: Sequence[str]) -> list[dict[str, Any]]:
        """Return what waits to leave of a case, oldest first."""
        here = and_(departures.c.state == DepartureState.WAITING.value, departures.c.case_ref.in_(refs))
        return [
            {
                "id": row.id,
                "kind": row.kind,
                "peer": row.peer,
                "waits": tuple(from_json(row.waits)),
                "made": from_ms(row.made_ms),
            }
            for row in await self._all(select(departures).where(here).order_by(departures.c.made_ms))
        ]

    async def rules(self, refs: Sequence[str]) -> list[dict[str, Any]]:
        """Return whom a case must never reach, and must no more never reach, newest first."""
        statement = select(never_to).where(never_to.c.case_ref.in_(refs)).order_by(never_to.c.set_ms.desc())
        return [
            {"target": row.target, "at": from_ms(row.set_ms), "by": row.set_by, "lifted": maybe_from_ms(row.lifted_ms)}
            for row in await self._all(statement)
        ]

    async def wishes(self, refs: Sequence[str]) -> list[dict[str, Any]]:
        """Return what the person of a case said that they want, newest first."""
        statement = select(wish_events).where(wish_events.c.case_ref.in_(refs)).order_by(wish_events.c.effective_ms.desc())
        return [{"wish": row.wish, "at": from_ms(row.effective_ms)} for row in await self._all(statement)]


def _newest_of(holders: Sequence[tuple[str | None, str | None]]) -> dict[str, Any]:
    office, person = holders[-1] if holders else (None, None)
    return {"office": office, "person": person}


def _case(row: Any) -> dict[str, Any]:
    opened: datetime = from_ms(row.opened_ms)
    return {
        "thread_id": row.thread_id,
        "kind": row.kind,
        "peer": row.peer,
        "opened_by": row.opened_by,
        "state": row.state,
        "folio": row.folio,
        "opened": opened,
        "same_as": row.same_as,
        "kept_since": from_ms(uuid7_ms(row.opened_by)) if kept_on_its_way(row) else None,
    }


def kept_on_its_way(row: Any) -> bool:
    """Return whether what opened a case came late: signed as it left, only its way can have kept it."""
    return row.kind in {"report", "duty"} and bool(row.opened_ms - uuid7_ms(row.opened_by) > _AT_ONCE_MS)
