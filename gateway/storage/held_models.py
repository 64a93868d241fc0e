"""Records of people that this node holds, in messages and in reports it took, for whoever compares one with a question.

On the read engine; sealed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from contracts.ids import MessageId, NodeId, ThreadId
from contracts.threads import Side
from gateway.exchange.candidates import HeldMessage
from gateway.exchange.case_ports import ExchangeKey
from gateway.storage.case_tables import candidate_verdicts, work_items
from gateway.storage.draft_tables import taken_reports
from gateway.storage.rows import from_ms
from gateway.storage.seeing import Seen
from gateway.storage.tables import cases, inbox, outbox_bodies
from gateway.storage.work_models import visible
from gateway.storage.worklists import Mark

_LOOKED_AT = 6000
"""Pieces of work, whatever they are, among which those about people are looked for at a time."""
_LOOKS = 10
"""And how often, before a page is given that has less than was asked for."""
_BRING_PEOPLE = ("report", "finding", "duty")
_WORK = (work_items.c.opened_ms, work_items.c.opening_id, work_items.c.opener)
_TAKEN = (taken_reports.c.taken_ms, taken_reports.c.message_id)
"""Where a row stands in the order of the page, as `Mark` says it."""


@dataclass(frozen=True, slots=True)
class HeldList:
    """Messages with records, the newest first; `after`: where older ones begin, None where there are none."""

    messages: tuple[HeldMessage, ...]
    after: Mark | None


class HeldModels:
    """Queries for the page of candidates."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def newest(self, seen: Seen, *, most: int, after: Mark | None = None) -> HeldList:
        """Return the newest messages about people in the work of these offices, sealed as they are kept: those after a mark.

        A page may be short, and more come after it.
        """
        found: list[HeldMessage] = []
        last = after
        async with self._engine.connect() as connection:
            for _ in range(_LOOKS):
                page, last = await _look(connection, seen, last, most - len(found))
                found += page
                if last is None or len(found) == most:
                    break
        return HeldList(tuple(found), last)

    async def one(self, opener: str, opening: str, seen: Seen) -> HeldMessage | None:
        """Return one of the messages that a page may bring; None for what is none of them."""
        statement = _people(seen, work_items.c.opener == opener, work_items.c.opening_id == opening)
        async with self._engine.connect() as connection:
            row = (await connection.execute(statement)).first()
        return None if row is None else _message(row)

    async def taken(self, thread: str, seen: Seen) -> HeldMessage | None:
        """Return one of the reports taken here that a page may bring; None for what is none of them."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_reports(seen, taken_reports.c.thread_id == thread))).first()
        return None if row is None else _report(row)

    async def of(self, openings: Collection[str], seen: Seen) -> list[HeldMessage]:
        """Return what opened these exchanges, where it is the work of these offices, sealed as it is kept."""
        statement = _held().where(visible(seen), work_items.c.opening_id.in_(list(openings)))
        async with self._engine.connect() as connection:
            return [_message(row) for row in await connection.execute(statement)]

    async def verdicts(self, request_id: str) -> dict[tuple[str, str], str]:
        """Return what was said of candidates beside a question, by opener and opening message."""
        statement = select(candidate_verdicts).where(candidate_verdicts.c.request_id == request_id)
        async with self._engine.connect() as connection:
            return {(row.opener, row.opening_id): row.verdict for row in await connection.execute(statement)}


async def _look(
    connection: AsyncConnection, seen: Seen, after: Mark | None, most: int
) -> tuple[list[HeldMessage], Mark | None]:
    """Return what one look finds, and after what the next one begins; None where there is nothing more."""
    floor = await _floor(connection, after)
    works = _people(seen, *_between(_WORK, after, floor)).order_by(*_newest(_WORK)).limit(most + 1)
    taken = _reports(seen, *_between(_TAKEN, after, floor)).order_by(*_newest(_TAKEN)).limit(most + 1)
    found = [(_place(row.opened_ms, row), _message(row)) for row in await connection.execute(works)]
    found += [(_place(row.taken_ms, row), _report(row)) for row in await connection.execute(taken)]
    found.sort(key=lambda item: (item[0].opened_ms, item[0].opening, item[0].opener), reverse=True)
    if len(found) > most:
        floor = found[most - 1][0]
    return [message for _, message in found[:most]], floor


async def _floor(connection: AsyncConnection, after: Mark | None) -> Mark | None:
    """Return how far back a look goes, so that a long history in which nothing is found costs no more than a short one."""
    floors: list[tuple[int, str, str]] = []
    for place, columns in ((_WORK, _WORK), (_TAKEN, (*_TAKEN, _of_case(cases.c.peer)))):
        last = select(*columns).where(*_between(place, after, None)).order_by(*_newest(place)).offset(_LOOKED_AT - 1).limit(1)
        floors += [(row[0], row[1], row[2]) for row in await connection.execute(last)]
    return Mark(0, 0, *max(floors)) if floors else None


def _between(place: Sequence[ColumnElement[Any]], after: Mark | None, floor: Mark | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if after is not None:  # by the index; then exactly
        where += [place[0] <= after.opened_ms, tuple_(*place) < _there(after, len(place))]
    if floor is not None:
        where += [place[0] >= floor.opened_ms, tuple_(*place) >= _there(floor, len(place))]
    return where


def _there(mark: Mark, parts: int) -> Any:
    return tuple_(*(literal(value) for value in (mark.opened_ms, mark.opening, mark.opener)[:parts]))


def _newest(place: Sequence[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [part.desc() for part in place]


def _place(at_ms: int, row: Any) -> Mark:
    return Mark(0, 0, at_ms, row.opening_id, row.opener)


def _held() -> Any:
    came = and_(inbox.c.sender == work_items.c.opener, inbox.c.message_id == work_items.c.opening_id)
    went = and_(outbox_bodies.c.lane == work_items.c.peer, outbox_bodies.c.message_id == work_items.c.opening_id)
    ours = work_items.c.side == Side.OPENER.value
    return (
        select(work_items, inbox.c.received_ms, func.coalesce(inbox.c.body, outbox_bodies.c.body).label("body"))
        .outerjoin(inbox, and_(came, ~ours))
        .outerjoin(outbox_bodies, and_(went, ours))
    )


def _people(seen: Seen, *where: ColumnElement[bool]) -> Any:
    return _held().where(visible(seen), work_items.c.machine.in_(_BRING_PEOPLE), *where)


def _reports(seen: Seen, *where: ColumnElement[bool]) -> Any:
    opener, folio = _of_case(cases.c.peer).label("opener"), _of_case(cases.c.folio).label("folio")
    statement = select(taken_reports, taken_reports.c.message_id.label("opening_id"), opener, folio)
    return statement.where(taken_reports.c.office.in_(list(seen.offices)), *where)


def _of_case(column: ColumnElement[Any]) -> Any:
    """Return what the case of a report says, asked for row by row: joined, a database may read through all reports."""
    return select(column).where(cases.c.thread_id == taken_reports.c.thread_id).scalar_subquery()


def _message(row: Any) -> HeldMessage:
    return HeldMessage(
        key=ExchangeKey(NodeId(row.opener), MessageId(row.opening_id)),
        machine=row.machine,
        ours=row.side == Side.OPENER.value,
        peer=NodeId(row.peer),
        thread_id=ThreadId(row.thread_id),
        at=_at(row.received_ms, row.opened_ms),
        sealed=bytes(row.body or b""),
    )


def _report(row: Any) -> HeldMessage:
    return HeldMessage(
        key=ExchangeKey(NodeId(row.opener), MessageId(row.opening_id)),
        machine="report",
        ours=False,
        peer=NodeId(row.opener),
        thread_id=ThreadId(row.thread_id),
        at=from_ms(row.taken_ms),
        sealed=row.sealed,
        taken=True,
        folio=row.folio,
    )


def _at(received_ms: int | None, opened_ms: int) -> datetime:
    return from_ms(opened_ms if received_ms is None else received_ms)
