"""What an audit asks (SPEC 7, 17, 19): who looked at a case, what left, what was refused or kept back, who answered late.

Ids, codes, names of fields and pseudonyms; never a value. Lists are of one month or of one case, a page at a time, by an index.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import parse_object
from contracts.ids import Folio, uuid7
from contracts.threads import MACHINES, Side
from gateway.storage.attachment_tables import attachments
from gateway.storage.case_tables import departures, disclosures, exchange_messages, exchanges, work_items
from gateway.storage.log import LoggedLeaf, logged
from gateway.storage.rows import from_ms, to_ms
from gateway.storage.tables import LEAVES_REFUSED, cases, inbox, leaves, outbox, outbox_bodies
from gateway.storage.unit_of_work import typed_errors
from gateway.storage.work_items import SAME

MOST_IDS = 5000
"""Of one case: far more messages than any has."""
ANSWERS = frozenset(
    move.kind for machine in MACHINES.values() for move in machine.moves if move.by is Side.ADDRESSEE and move.moves
)
"""What ends the wait of whoever asked."""


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment until before another, and a page of what there is in it. `offices`: only theirs; None: the whole node's.

    `unclaimed`: besides, what no office has.
    """

    start: datetime
    end: datetime
    offices: Collection[str] | None
    unclaimed: bool = False
    skip: int = 0
    most: int = 25


@dataclass(frozen=True, slots=True)
class Left:
    """A record that left: to whom, why, which fields in which form by which rule."""

    at: datetime
    message_id: str
    office: str | None
    peer: str
    kind: str
    record_type: str
    purpose: str
    basis: str
    fields: tuple[tuple[str, str, str], ...]
    recall: str


@dataclass(frozen=True, slots=True)
class KeptBack:
    """A message that left without everything that was held: which fields stayed, by which rule."""

    at: datetime
    message_id: str
    office: str | None
    peer: str
    kind: str
    withheld: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Late:
    """An exchange whose word came after its term, or has not come."""

    opened: datetime
    message_id: str
    office: str | None
    peer: str
    ours: bool
    kind: str
    purpose: str
    due: datetime
    answered: datetime | None


@dataclass(frozen=True, slots=True)
class About:
    """What somebody's act was about, as the books have it."""

    kind: str
    purpose: str
    office: str | None


class AuditModels:
    """Queries for whoever audits. On the read engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def _all(self, statement: Select[Any]) -> Sequence[Any]:
        with typed_errors():
            async with self._engine.connect() as connection:
                return list((await connection.execute(statement)).all())

    async def _ids(self, column: ColumnElement[Any], where: ColumnElement[bool]) -> set[str]:
        rows = await self._all(select(column).where(where).distinct().limit(MOST_IDS))
        return {row[0] for row in rows if row[0] is not None}

    # -- who looked ----------------------------------------------------------------------------------------------------

    async def threads(self, text: str) -> frozenset[str]:
        """Return the threads of a case that is named by folio, thread or one of its messages; empty: there is none here."""
        if Folio.pattern.fullmatch(text):
            found = await self._ids(cases.c.thread_id, cases.c.folio == text)
        else:
            found = await self._ids(inbox.c.thread_id, inbox.c.message_id == text)
            found |= await self._ids(outbox.c.thread_id, outbox.c.message_id == text)
            found |= await self._ids(exchanges.c.thread_id, exchanges.c.thread_id == text)
            found |= await self._ids(cases.c.thread_id, cases.c.thread_id == text)
        if not found:
            return frozenset()
        refs = await self._ids(exchanges.c.case_ref, exchanges.c.thread_id.in_(list(found))) | found
        return frozenset(found | await self._ids(exchanges.c.thread_id, exchanges.c.case_ref.in_(list(refs))))

    async def ids_of(self, threads: Collection[str]) -> frozenset[str]:
        """Return every id that an act about these threads can name: theirs, and of messages, departures, attachments."""
        found, wanted = set(threads), list(threads)
        for table, column in ((inbox, "message_id"), (outbox, "message_id"), (departures, "id"), (attachments, "id")):
            found |= await self._ids(table.c[column], table.c.thread_id.in_(wanted))
        return frozenset(list(found)[:MOST_IDS])

    async def acts(self, subjects: Collection[str], *, skip: int, most: int) -> tuple[Sequence[LoggedLeaf], int]:
        """Return a page of the log's entries about these ids, newest first, and how many there are."""
        here = leaves.c.subject.in_(list(subjects))
        newest = select(leaves).where(here).order_by(leaves.c.epoch.desc(), leaves.c.leaf_index.desc())
        total = await self._all(select(func.count()).select_from(leaves).where(here))
        return [logged(row) for row in await self._all(newest.offset(skip).limit(most))], int(total[0][0])

    async def about(self, subjects: Collection[str]) -> Mapping[str, About]:
        """Return what is known of exchanges that acts name."""
        columns = (work_items.c.opening_id, work_items.c.kind, work_items.c.purpose, work_items.c.office)
        rows = await self._all(select(*columns).where(work_items.c.opening_id.in_(list(subjects))))
        return {row.opening_id: About(row.kind, row.purpose, row.office) for row in rows}

    async def entries_of(self, messages: Collection[str]) -> Mapping[str, LoggedLeaf]:
        """Return the entry of each message that was sent from here."""
        here = and_(leaves.c.message_id.in_(list(messages)), leaves.c.event == "msg.sent")
        return {str(row.message_id): logged(row) for row in await self._all(select(leaves).where(here))}

    # -- what left, and what did not -----------------------------------------------------------------------------------

    async def left(self, span: Span) -> tuple[Sequence[Left], int]:
        """Return a page of the records that left, newest first, and how many there are; what was taken back before is none."""
        office = _office_of(disclosures.c.message_id)
        here = and_(_of_time(disclosures.c.message_id, span), disclosures.c.recall != "withdrawn", _theirs(office, span))
        rows, total = await self._page(
            select(disclosures, office.label("office")).where(here),
            (disclosures.c.message_id.desc(), disclosures.c.record_id),
            select(func.count()).select_from(disclosures).where(here),
            span,
        )
        return [
            Left(
                at=from_ms(row.sent_ms),
                message_id=row.message_id,
                office=row.office,
                peer=row.peer,
                kind=row.kind,
                record_type=row.record_type,
                purpose=row.purpose,
                basis=row.basis,
                fields=tuple(_three(line) for line in row.fields.splitlines()),
                recall=row.recall,
            )
            for row in rows
        ], total

    async def kept_back(self, span: Span) -> tuple[Sequence[KeptBack], int]:
        """Return a page of the messages that left without some field, newest first, and how many there are."""
        office = _office_of(outbox.c.message_id)
        both = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
        kept = outbox_bodies.c.manifest.like('%"withheld":[[%')
        here = and_(_of_time(outbox.c.message_id, span), kept, _theirs(office, span))
        columns = (outbox.c.message_id, outbox.c.lane, outbox.c.kind, outbox.c.created_ms, outbox_bodies.c.manifest)
        rows, total = await self._page(
            select(*columns, office.label("office")).join(outbox_bodies, both).where(here),
            (outbox.c.message_id.desc(),),
            select(func.count()).select_from(outbox).join(outbox_bodies, both).where(here),
            span,
        )
        return [
            KeptBack(from_ms(row.created_ms), row.message_id, row.office, row.lane, row.kind, _withheld(row.manifest))
            for row in rows
        ], total

    async def refused(self, *, skip: int, most: int) -> Sequence[LoggedLeaf]:
        """Return a page of the log's entries about messages that were refused at the door, newest first."""
        newest = select(leaves).where(LEAVES_REFUSED).order_by(leaves.c.epoch.desc(), leaves.c.leaf_index.desc())
        return [logged(row) for row in await self._all(newest.offset(skip).limit(most))]

    # -- who was late --------------------------------------------------------------------------------------------------

    async def late(self, span: Span, now: datetime) -> tuple[Sequence[Late], int]:
        """Return a page of what was asked in a span and whose word came late or has not come, newest first; and how many."""
        answered, state = answered_ms(), state_of()
        over = func.coalesce(answered, to_ms(now))
        waits = or_(answered.is_not(None), state.not_in(("closed", "erased")))
        asked = and_(work_items.c.opened_ms >= to_ms(span.start), work_items.c.opened_ms < to_ms(span.end))
        here = and_(asked, work_items.c.due_ms < over, waits, _theirs(work_items.c.office, span))
        rows, total = await self._page(
            select(work_items, answered.label("answered_ms")).where(here),
            (work_items.c.opened_ms.desc(), work_items.c.opening_id),
            select(func.count()).select_from(work_items).where(here),
            span,
        )
        return [
            Late(
                opened=from_ms(row.opened_ms),
                message_id=row.opening_id,
                office=row.office,
                peer=row.peer,
                ours=row.side == Side.ADDRESSEE.value,
                kind=row.kind,
                purpose=row.purpose,
                due=from_ms(row.due_ms),
                answered=None if row.answered_ms is None else from_ms(row.answered_ms),
            )
            for row in rows
        ], total

    async def _page(
        self, statement: Select[Any], order: Sequence[Any], counting: Select[Any], span: Span
    ) -> tuple[Sequence[Any], int]:
        total = await self._all(counting)
        rows = await self._all(statement.order_by(*order).offset(span.skip).limit(span.most))
        return rows, int(total[0][0])


def answered_ms() -> ScalarSelect[Any]:
    """Return when the word that an item of work waits for was said first."""
    said = and_(exchange_messages.c.opener == work_items.c.opener, exchange_messages.c.opening_id == work_items.c.opening_id)
    word = and_(said, exchange_messages.c.said_by == Side.ADDRESSEE.value, exchange_messages.c.kind.in_(sorted(ANSWERS)))
    return select(func.min(exchange_messages.c.logged_ms)).where(word).correlate(work_items).scalar_subquery()


def state_of() -> ScalarSelect[Any]:
    """Return where the exchange of an item of work stands; looked up row by row, so that nothing else of them is read."""
    return select(exchanges.c.state).where(SAME).correlate(work_items).scalar_subquery()


def _of_time(message_id: ColumnElement[Any], span: Span) -> ColumnElement[bool]:
    # Ids of our own messages begin with the moment they were made (RFC 9562): their index is one of time.
    return and_(message_id >= str(uuid7(to_ms(span.start), bytes(10))), message_id < str(uuid7(to_ms(span.end), bytes(10))))


def _office_of(message_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return the office that has the thread of one of our messages."""
    sent = outbox.alias("sent")
    at_work = select(func.min(work_items.c.office)).join(exchanges, SAME).join(sent, sent.c.thread_id == exchanges.c.thread_id)
    return at_work.where(sent.c.message_id == message_id).scalar_subquery()


def _theirs(office: Any, span: Span) -> ColumnElement[bool]:
    if span.offices is None:
        return true()
    own: ColumnElement[bool] = office.in_(list(span.offices))
    return or_(own, office.is_(None)) if span.unclaimed else own


def _three(line: str) -> tuple[str, str, str]:
    field, form, rule = line.split(" ")
    return field, form, rule


def _withheld(manifest: str) -> tuple[tuple[str, str], ...]:
    records = parse_object(manifest.encode())["records"]
    found = ((str(field), str(rule)) for record in records for field, rule in record.get("withheld", ()))
    return tuple(dict.fromkeys(found))
