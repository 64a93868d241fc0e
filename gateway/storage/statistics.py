"""Numbers over whole months: how requests fared, how soon offices answered, who asks whom, what left. Counted by the database.

Nothing here is suppressed yet: whoever shows it does that (gateway.console.figures).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, case, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ids import uuid7
from contracts.threads import CLOSED, MACHINES, Side
from gateway.storage.audit_models import answered_ms, state_of
from gateway.storage.case_tables import disclosures, exchange_messages, exchanges, work_items
from gateway.storage.rows import to_ms
from gateway.storage.tables import outbox
from gateway.storage.unit_of_work import typed_errors

ASKED = ("search", "disclosure", "identity", "referral")
"""Machines in which somebody asks somebody for something and waits."""
STAGES = ("sent", "delivered", "taken", "answered")
PACES = ("quarter", "half", "three-quarters", "in-time", "late", "open-late")
"""How soon a word came, in parts of its term; the last has passed its term without a word."""
_ENDINGS = sorted(
    {
        move.kind
        for machine in MACHINES.values()
        for move in machine.moves
        if move.by is Side.ADDRESSEE and move.target == CLOSED
    }
)


@dataclass(frozen=True, slots=True)
class Stage:
    """How many requests of ours came so far, and how many milliseconds half of them took at most; None: nobody's."""

    name: str
    count: int
    median_ms: int | None


class Statistics:
    """Queries for statistics. On the read engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def _all(self, statement: Any) -> Sequence[Any]:
        with typed_errors():
            async with self._engine.connect() as connection:
                return list((await connection.execute(statement)).all())

    async def funnel(self, start: datetime, end: datetime) -> Sequence[Stage]:
        """Return how far what we asked in a span has come, stage by stage."""
        reached = _reached(start, end).cte("reached")
        spans = union_all(
            *(
                select(literal(name).label("stage"), (reached.c[name] - reached.c.sent).label("ms")).where(
                    reached.c[name].is_not(None)
                )
                for name in STAGES
            )
        ).cte("spans")
        counted = func.count().over(partition_by=spans.c.stage).label("many")
        ranked = select(
            spans.c.stage,
            spans.c.ms,
            counted,
            func.row_number().over(partition_by=spans.c.stage, order_by=spans.c.ms).label("place"),
        ).subquery("ranked")
        middle = and_(2 * ranked.c.place >= ranked.c.many, 2 * ranked.c.place <= ranked.c.many + 2)
        found = select(ranked.c.stage, func.max(ranked.c.many).label("many"), func.avg(ranked.c.ms).label("ms"))
        rows = {row.stage: row for row in await self._all(found.where(middle).group_by(ranked.c.stage))}
        return [
            Stage(name, int(rows[name].many), int(rows[name].ms)) if name in rows else Stage(name, 0, None) for name in STAGES
        ]

    async def paces(self, start: datetime, end: datetime, now: datetime) -> Sequence[tuple[str | None, str, int]]:
        """Return, of what was asked of us in a span and has a term, (office, pace, how many)."""
        asked = and_(work_items.c.opened_ms >= to_ms(start), work_items.c.opened_ms < to_ms(end))
        owed = and_(asked, work_items.c.side == Side.ADDRESSEE.value, work_items.c.due_ms > work_items.c.opened_ms)
        timed = (
            select(
                work_items.c.office,
                (work_items.c.due_ms - work_items.c.opened_ms).label("term"),
                (answered_ms() - work_items.c.opened_ms).label("took"),
                (work_items.c.due_ms < to_ms(now)).label("passed"),
                state_of().label("state"),
            )
            .where(owed)
            .subquery("timed")
        )
        pace = case(
            (and_(timed.c.took.is_(None), timed.c.passed, timed.c.state.not_in((CLOSED, "erased"))), "open-late"),
            (timed.c.took.is_(None), None),
            (timed.c.took * 4 <= timed.c.term, "quarter"),
            (timed.c.took * 2 <= timed.c.term, "half"),
            (timed.c.took * 4 <= timed.c.term * 3, "three-quarters"),
            (timed.c.took <= timed.c.term, "in-time"),
            else_="late",
        )
        placed = select(timed.c.office, pace.label("pace")).subquery("placed")
        statement = select(placed.c.office, placed.c.pace, func.count().label("many")).where(placed.c.pace.is_not(None))
        rows = await self._all(statement.group_by(placed.c.office, placed.c.pace))
        return [(row.office, row.pace, int(row.many)) for row in rows]

    async def asked(self, start: datetime, end: datetime) -> Sequence[tuple[str, bool, int]]:
        """Return (peer, whether we asked, how many) of what was asked in a span."""
        here = and_(_opened(start, end), exchanges.c.machine.in_(ASKED))
        statement = select(exchanges.c.peer, exchanges.c.side, func.count().label("many")).where(here)
        rows = await self._all(statement.group_by(exchanges.c.peer, exchanges.c.side))
        return [(row.peer, row.side == Side.OPENER.value, int(row.many)) for row in rows]

    async def left(self, months: Sequence[datetime]) -> Sequence[tuple[int, str, tuple[str, ...], int]]:
        """Return (number of the month, record type, fields, how many) of what left; the last of `months` only ends it."""
        ids = [str(uuid7(to_ms(month), bytes(10))) for month in months]
        number = case(*((disclosures.c.message_id < end, place) for place, end in enumerate(ids[1:])), else_=-1)
        here = and_(disclosures.c.message_id >= ids[0], disclosures.c.message_id < ids[-1])
        taken = disclosures.c.recall.not_in(("withdrawn", "not-taken"))
        sorts = (number.label("number"), disclosures.c.record_type, disclosures.c.fields)
        inner = select(*sorts).where(here, taken).subquery("sorted")
        rows = await self._all(select(*inner.c, func.count().label("many")).group_by(*inner.c))
        return [
            (row.number, row.record_type, tuple(line.split(" ")[0] for line in row.fields.splitlines()), int(row.many))
            for row in rows
        ]


def _reached(start: datetime, end: datetime) -> Select[Any]:
    """Return when each of our own requests of a span reached each stage; NULL where it has not."""
    sent = and_(outbox.c.lane == exchanges.c.peer, outbox.c.message_id == exchanges.c.opening_id)
    arrived = case((outbox.c.state == "delivered", outbox.c.ended_ms))
    heard, ended = _word(None), _word(_ENDINGS)
    # Whoever answered had it, whatever the receipt did on its way back.
    return (
        select(
            exchanges.c.opened_ms.label("sent"),
            func.coalesce(arrived, heard).label("delivered"),
            heard.label("taken"),
            ended.label("answered"),
        )
        .outerjoin(outbox, sent)
        .where(_opened(start, end), exchanges.c.side == Side.OPENER.value, exchanges.c.machine.in_(ASKED))
    )


def _word(kinds: Sequence[str] | None) -> ScalarSelect[Any]:
    said = and_(exchange_messages.c.opener == exchanges.c.opener, exchange_messages.c.opening_id == exchanges.c.opening_id)
    theirs = and_(said, exchange_messages.c.said_by == Side.ADDRESSEE.value)
    word = theirs if kinds is None else and_(theirs, exchange_messages.c.kind.in_(kinds))
    return select(func.min(exchange_messages.c.logged_ms)).where(word).correlate(exchanges).scalar_subquery()


def _opened(start: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(exchanges.c.opened_ms >= to_ms(start), exchanges.c.opened_ms < to_ms(end))
