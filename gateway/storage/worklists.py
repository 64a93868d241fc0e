"""The inbox as pages show it: the database finds each item's section; a page begins where the last ended. On the read engine.

What is open is as long as the queue, and is sorted whole; what is over is read from its newest end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, case, func, literal, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ids import MessageId, NodeId
from contracts.threads import CLOSED, Side
from gateway.storage.case_tables import departures, exchange_messages, exchanges, work_items
from gateway.storage.people_tables import persons
from gateway.storage.rows import from_ms, to_ms
from gateway.storage.seeing import Seen
from gateway.storage.tables import outbox
from gateway.storage.work_items import ACKNOWLEDGED_AT_ONCE, SAME
from gateway.storage.work_models import TO_DO, WAITING, as_item, items, prepared, visible

_NEVER = 1 << 53
"""A term after every other: what has none stands last."""
_LAST_MS = 253_402_300_799_999  # in the year 9999: what is later is no moment
_OUTBOX_ASIDE = text("outbox.state NOT IN ('waiting', 'delivered')")
_QUESTIONS = ("search", "disclosure")


class Section(StrEnum):
    """The sections of the inbox, in the order in which they are shown."""

    LATE = "late"
    TODAY = "today"
    ACCEPT = "accept"
    ANSWER = "answer"
    NEW = "new"
    CHECKING = "checking"
    RUNNING = "running"
    OTHERS = "others"
    UNDELIVERED = "undelivered"
    OVER = "over"


RANKS: Sequence[Section] = tuple(Section)


@dataclass(frozen=True, slots=True)
class Today:
    """Now, and when the day ends on the clocks of offices; `elsewhere` where an office is not among them."""

    now: datetime
    ends: Mapping[str, datetime]
    elsewhere: datetime


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What of the inbox is looked at; None: whatever it is."""

    section: Section | None = None
    machine: str | None = None
    office: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Where an item stands in the order of the inbox. Codes and moments only, so an address may carry it."""

    rank: int
    due_ms: int
    opened_ms: int
    opening: str
    opener: str

    def __str__(self) -> str:
        """Return it as an address carries it."""
        return f"{self.rank}~{self.due_ms}~{self.opened_ms}~{self.opening}~{self.opener}"

    @classmethod
    def of(cls, written: str) -> "Mark | None":
        """Return what an address carried; None for what is no such thing."""
        parts = written.split("~")
        numbers = [int(part) for part in parts[:3] if part.isascii() and part.isdigit() and len(part) <= 16]
        if len(parts) != 5 or len(numbers) != 3 or numbers[0] >= len(RANKS) or numbers[2] > _LAST_MS:
            return None
        try:
            return cls(numbers[0], numbers[1], numbers[2], MessageId(parts[3]), NodeId(parts[4]))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page: its items in order, and from where to go on and back; None where there is nothing more."""

    items: tuple[Mapping[str, Any], ...]
    before: Mark | None = None
    after: Mark | None = None


class WorkLists:
    """Queries for pages."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def counts(self, seen: Seen, today: Today, only: Narrowed) -> dict[Section, int]:
        """Return how many open items stand in each section."""
        rank = _rank(today).label("rank")
        ranked = _open(items().with_only_columns(rank, maintain_column_froms=True), seen, only).subquery()
        statement = select(ranked.c.rank, func.count()).group_by(ranked.c.rank)
        async with self._engine.connect() as connection:
            found = {RANKS[row[0]]: int(row[1]) for row in await connection.execute(statement)}
        return {section: found[section] for section in RANKS if section in found and section is not Section.OVER}

    async def page(
        self, seen: Seen, today: Today, only: Narrowed, *, rows: int, after: Mark | None = None, before: Mark | None = None
    ) -> Sheet:
        """Return a page of what is open: after a mark, or the one that ends before a mark."""
        rank, due = _rank(today), func.coalesce(work_items.c.due_ms, _NEVER)
        place = (rank, due, work_items.c.opened_ms, work_items.c.opening_id, work_items.c.opener)
        statement = _open(items(rank.label("rank")), seen, only)
        statement = statement.where(rank != RANKS.index(Section.OVER))
        if only.section is not None:
            statement = statement.where(rank == RANKS.index(only.section))
        mark, back = (before, True) if before is not None else (after, False)
        if mark is not None:
            there = tuple_(*(literal(value) for value in (mark.rank, mark.due_ms, mark.opened_ms, mark.opening, mark.opener)))
            statement = statement.where(tuple_(*place) < there if back else tuple_(*place) > there)
        order = [part.desc() for part in place] if back else list(place)
        async with self._engine.connect() as connection:
            found = (await connection.execute(statement.order_by(*order).limit(rows + 1))).all()
        more, page = len(found) > rows, list(found[:rows])
        if back:
            page.reverse()
        first, last = (_mark(page[0]), _mark(page[-1])) if page else (None, None)
        earlier, later = (more, bool(page)) if back else (after is not None and bool(page), more)
        return Sheet(
            tuple(as_item(row) | {"section": RANKS[row.rank], "thread": row.thread_id} for row in page),
            first if earlier else None,
            last if later else None,
        )

    async def over(self, seen: Seen, only: Narrowed, *, rows: int, after: Mark | None = None) -> Sheet:
        """Return a page of what is over, the newest first."""
        ended = or_(work_items.c.ended_ms.is_not(None), work_items.c.over_ms.is_not(None))
        statement = items().where(visible(seen), ended, *_narrowed(only))
        place = (work_items.c.opened_ms, work_items.c.opening_id, work_items.c.opener)
        if after is not None:
            statement = statement.where(work_items.c.opened_ms <= after.opened_ms)  # by the index; then exactly
            there = tuple_(literal(after.opened_ms), literal(after.opening), literal(after.opener))
            statement = statement.where(tuple_(*place) < there)
        async with self._engine.connect() as connection:
            found = (await connection.execute(statement.order_by(*(part.desc() for part in place)).limit(rows + 1))).all()
        page = found[:rows]
        last = Mark(0, 0, page[-1].opened_ms, page[-1].opening_id, page[-1].opener) if len(found) > rows else None
        return Sheet(tuple(as_item(row) | {"section": Section.OVER, "thread": row.thread_id} for row in page), None, last)

    async def undelivered(self, seen: Seen, only: Narrowed, *, since: datetime, rows: int) -> list[dict[str, Any]]:
        """Return what was said in exchanges of these offices and did not arrive, newest first.

        Not what opened an exchange: that is an item of its own, and its state says so. Nor of what somebody ended.
        """
        statement = _not_arrived(since).where(visible(seen), *_narrowed(only))
        async with self._engine.connect() as connection:
            found = await connection.execute(statement.order_by(outbox.c.ended_ms.desc(), outbox.c.message_id).limit(rows))
            return [
                as_item(row)
                | {
                    "section": Section.UNDELIVERED,
                    "said_kind": row.said_kind,
                    "said_id": row.said_id,
                    "said_state": row.said_state,
                    "failed": from_ms(row.failed_ms).isoformat(timespec="seconds"),
                }
                for row in found
            ]

    async def terms(
        self, seen: Seen, *, start: datetime, end: datetime, rows: int, only: Narrowed | None = None
    ) -> list[dict[str, Any]]:
        """Return open items on which a word is awaited by a moment from `start` until, not including, `end`: soonest first."""
        statement = _open(items(), seen, only or Narrowed()).where(
            work_items.c.due_ms >= to_ms(start), work_items.c.due_ms < to_ms(end), _awaited()
        )
        order = (work_items.c.due_ms, work_items.c.opening_id, work_items.c.opener)
        async with self._engine.connect() as connection:
            found = await connection.execute(statement.order_by(*order).limit(rows))
            return [as_item(row) for row in found]

    async def answer_waiting(self, request_id: str, kinds: Sequence[str]) -> dict[str, Any] | None:
        """Return what waits before it leaves and answers a question; None when nothing does."""
        here = and_(WAITING, departures.c.in_reply_to == request_id, departures.c.kind.in_(list(kinds)))
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(departures).where(here).order_by(departures.c.made_ms).limit(1))).first()
        if row is None:
            return None
        made = from_ms(row.made_ms).isoformat(timespec="seconds")
        return {"id": row.id, "kind": row.kind, "drafted_by": row.actor, "person": row.drafted_by, "made": made}


def _not_arrived(since: datetime) -> Any:
    """What was said in exchanges after they were opened and did not arrive, with the work it belongs to."""
    said = and_(
        exchange_messages.c.opener == exchanges.c.opener,
        exchange_messages.c.opening_id == exchanges.c.opening_id,
        exchange_messages.c.message_id == outbox.c.message_id,
    )
    return (
        items(
            outbox.c.kind.label("said_kind"),
            outbox.c.message_id.label("said_id"),
            outbox.c.state.label("said_state"),
            outbox.c.ended_ms.label("failed_ms"),
            joined=False,
        )
        .select_from(outbox)
        .join(exchanges, and_(exchanges.c.thread_id == outbox.c.thread_id, exchanges.c.peer == outbox.c.lane))
        .join(exchange_messages, said)
        .join(work_items, SAME)
        .outerjoin(persons, persons.c.person_id == work_items.c.person_id)
        .where(
            _OUTBOX_ASIDE,
            outbox.c.state.in_(("rejected", "dead")),
            outbox.c.ended_ms >= to_ms(since),
            outbox.c.message_id != exchanges.c.opening_id,
            exchange_messages.c.said_by == work_items.c.side,
            work_items.c.ended_ms.is_(None),
        )
    )


def _at_once() -> ColumnElement[bool]:
    return and_(work_items.c.side == Side.ADDRESSEE.value, work_items.c.machine.in_(ACKNOWLEDGED_AT_ONCE))


def _awaited() -> ColumnElement[bool]:
    return or_(exchanges.c.awaited.is_not(None), and_(_at_once(), work_items.c.person_id.is_(None)))


def _rank(today: Today) -> Any:
    """Return the place of an item's section; `gateway.console.work_words.section` says the same of one item."""
    ours, due, state = work_items.c.side == Side.OPENER.value, work_items.c.due_ms, exchanges.c.state
    unheard = and_(ours, state.in_(("offered", "open")), outbox.c.state.in_(("rejected", "dead")))
    ends: Any = literal(to_ms(today.elsewhere))
    if today.ends:
        cases = [(work_items.c.office == code, literal(to_ms(end))) for code, end in sorted(today.ends.items())]
        ends = case(*cases, else_=ends)
    questions = work_items.c.machine.in_(_QUESTIONS)
    taken = work_items.c.person_id.is_not(None)
    ruled = (
        (and_(state == CLOSED, ~_at_once()), Section.OVER),
        (unheard, Section.UNDELIVERED),
        (and_(_awaited(), due < to_ms(today.now)), Section.LATE),
        (ours, Section.OTHERS),
        (and_(_awaited(), due < ends), Section.TODAY),
        (and_(work_items.c.machine == "referral", state.in_(("start", "offered"))), Section.ACCEPT),
        (work_items.c.machine == "referral", Section.RUNNING),
        (and_(_at_once(), ~taken), Section.NEW),
        (_at_once(), Section.RUNNING),
        (and_(questions, or_(taken, prepared())), Section.CHECKING),
    )
    return case(
        *((where, literal(RANKS.index(section), Integer)) for where, section in ruled), else_=RANKS.index(Section.ANSWER)
    )


def _open(statement: Any, seen: Seen, only: Narrowed) -> Any:
    return statement.where(visible(seen), TO_DO, *_narrowed(only))


def _narrowed(only: Narrowed) -> list[ColumnElement[bool]]:
    named = ((work_items.c.machine, only.machine), (work_items.c.office, only.office), (work_items.c.person_id, only.person))
    return [column == value for column, value in named if value is not None]


def _mark(row: Any) -> Mark:
    due = _NEVER if row.due_ms is None else row.due_ms
    return Mark(row.rank, due, row.opened_ms, row.opening_id, row.opener)
