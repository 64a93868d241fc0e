"""Our own books of what is said: the ledger of what left, and each exchange as it now stands (SPEC 14, 17).

Called inside the transaction in which a message leaves or is handled: what the books say is so, or nothing happened.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from contracts.consents import RelativeId
from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import CaseMessage, PresentedRecord
from contracts.threads import (
    Effect,
    Exchange,
    Pending,
    Reason,
    Refusal,
    Side,
    begin,
    exchange_of,
    open_refusal,
    remember,
    say,
    sides_of,
    step,
)
from gateway.exchange.assigning import new_term, topic_of, work_of
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey
from gateway.exchange.holdings import LedgerEntry, RecallState
from gateway.exchange.notice_ports import Notice
from gateway.exchange.noticing import undelivered, what_is_told
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.presented import record_id_of, type_of
from gateway.exchange.states import OutboxState
from gateway.exchange.work_ports import WorkItem


class OutOfTurnError(NotPermittedError):
    """One of ours may not be said where its exchange stands, or opens a second one of its kind. Nothing was stored."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"may not be said now: {reason.value}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours, what our own books call its case, and its lines of the ledger."""

    message: CaseMessage
    case_ref: str
    lines: tuple[LedgerEntry, ...]


@dataclass(frozen=True, slots=True)
class Rests:
    """What one record of a message rests on: scopes of consent, and whose data it is where it is a relative's."""

    scopes: frozenset[Code]
    relative: RelativeId | None


def sent(message: CaseMessage, case_ref: str, rests: Sequence[Rests] | None = None) -> Sent:
    """Return a message of ours with a line of the ledger for each record in it; read from what was signed.

    `rests`: what each record rests on; None where that is not known any more.
    """
    known: Sequence[Rests | None] = [None] * len(message.records) if rests is None else rests
    lines = (_line(message, record, case_ref, why) for record, why in zip(message.records, known, strict=True))
    return Sent(message, case_ref, tuple(lines))


@dataclass(frozen=True, slots=True)
class _Place:
    """A message, the exchanges it can belong to, and a blank reading where it may be the first we know of its exchange."""

    message: CaseMessage
    keys: tuple[ExchangeKey, ...]
    blank: ExchangeEntry | None

    @property
    def opens(self) -> bool:
        """Whether it is the opening message itself."""
        return any(key.opening == self.message.message_id for key in self.keys)


async def note(handled: Sequence[CaseMessage], leaving: Sequence[Sent], work: UnitOfWork, *, now: datetime) -> None:
    """Write down what was handled and what leaves: records in the ledger, and what each message does to its exchange.

    A message that is no part of its exchange, or crossed one of ours, is raised to people.

    Raises:
        OutOfTurnError: one of ours may not be said where its exchange stands, or opens a second one of its kind.
    """
    await work.ledger.add([line for item in leaving for line in item.lines])
    await _refuse_second(leaving, work)
    heard = [_place(message, message.recipient, str(message.thread_id), now) for message in handled]
    told = [_place(item.message, item.message.sender, item.case_ref, now) for item in leaving]
    books = await _books([place for place in (*heard, *told) if place is not None], work, now)
    news = [await _hear(place, books, work, now) for place in heard if place is not None]
    await work.notices.add([item for item in news if item is not None])
    for place in told:
        if place is not None:
            _tell(place, books)
    await work.exchanges.store(list(books.values()), now=now)
    await work.work_items.file([item for message in leaving if (item := _waits(message.message, now)) is not None])
    await _reschedule([place for place in (*heard, *told) if place is not None], books, work, now)


async def _reschedule(
    places: Sequence[_Place], books: Mapping[ExchangeKey, ExchangeEntry], work: UnitOfWork, now: datetime
) -> None:
    """Move the terms that these messages change: whoever works on it said when it will be done."""
    for place in places:
        entry = _entry(place, books)
        if entry is None or entry.peer not in {place.message.sender, place.message.recipient}:
            continue
        moved = new_term(place.message, entry.exchange.state, now)
        if moved is not None:
            await work.work_items.schedule(entry.key, moved.term)


def _waits(message: CaseMessage, now: datetime) -> WorkItem | None:
    """Return what we wait for: the answer to an exchange that we open and that names a deadline."""
    return None if message.deadline is None else work_of(message, None, us=message.sender, office=None, now=now)


def _tell(place: _Place, books: dict[ExchangeKey, ExchangeEntry]) -> None:
    entry = _entry(place, books)
    if entry is None:
        return  # an answer to what reached us before there were books, or was lost with them
    result = say(entry.exchange, place.message, as_opener=entry.side is Side.OPENER)
    if isinstance(result, Refusal):
        raise OutOfTurnError(result.reason)
    books[entry.key] = _moved(entry, result.exchange, place.message)


async def _hear(place: _Place, books: dict[ExchangeKey, ExchangeEntry], work: UnitOfWork, now: datetime) -> Notice | None:
    entry, message = _entry(place, books), place.message
    if entry is None:
        return None  # as above; an acknowledgement of nothing is its handler's to refuse
    if entry.peer != message.sender:  # whoever learnt an id must not speak in another's name
        await work.alarms.raise_("not-of-this-exchange", subject=str(message.message_id), now=now, peer=message.sender)
        return None
    result = step(entry.exchange, message, from_opener=entry.side is Side.ADDRESSEE)
    if isinstance(result, Refusal):
        await work.alarms.raise_("not-of-this-exchange", subject=str(message.message_id), now=now, peer=message.sender)
        return None
    for crossed in sorted(result.crossed):
        await work.alarms.raise_("message-crossed", subject=str(crossed), now=now, peer=message.sender)
    books[entry.key] = moved = _moved(entry, result.exchange, message)
    return what_is_told(message, moved, now) if result.effect is Effect.MOVED else None


async def note_ended(lane: NodeId, ended: Mapping[MessageId, OutboxState], work: UnitOfWork, *, now: datetime) -> None:
    """Write down that messages of ours were refused, or expired with their outcome unknown: nobody is waited for any more."""
    for state, became in ((OutboxState.REJECTED, RecallState.NOT_TAKEN), (OutboxState.DEAD, RecallState.UNKNOWN)):
        messages = [message_id for message_id, end in ended.items() if end is state]
        if messages:
            await work.ledger.not_delivered(messages, became, now=now)
            await work.exchanges.unsay(lane, messages, now=now)
            await work.exchanges.release(lane, messages)
            await work.notices.add(undelivered(messages, now))
        if messages and state is OutboxState.DEAD:
            await work.ledger.order_lost(messages, now=now)  # nobody there knows that the copies must go


async def note_returned(messages: Iterable[CaseMessage], work: UnitOfWork, *, now: datetime) -> None:
    """Write down again what we are proven to have sent, and lost with our books. Its thread stands for its case."""
    returned = [sent(message, str(message.thread_id)) for message in messages]
    await work.ledger.add([line for item in returned for line in item.lines])
    places = [
        place for item in returned if (place := _place(item.message, item.message.sender, item.case_ref, now, proven=True))
    ]
    books = await _books(places, work, now)
    for place in places:
        entry = _entry(place, books)
        if entry is not None:
            again = remember(entry.exchange, place.message, by_opener=entry.side is Side.OPENER)
            books[entry.key] = _moved(entry, again, place.message)
    await work.exchanges.store(list(books.values()), now=now)


# -- where a message belongs ---------------------------------------------------------------------------------------


def _place(message: CaseMessage, us: NodeId, case_ref: str, now: datetime, *, proven: bool = False) -> _Place | None:
    """Return where a message belongs; None for a threadless one. What an addressee says is never the first of an exchange,
    unless it is proven and what came before was lost.
    """
    named = exchange_of(message)
    if named is None:
        return None
    machine, opening = named
    opened_by = {Side.OPENER: message.sender, Side.ADDRESSEE: message.recipient}
    keys = tuple(ExchangeKey(opened_by[side], opening) for side in sorted(sides_of(message), reverse=True))
    if len(keys) > 1 or (sides_of(message) == {Side.ADDRESSEE} and not proven):
        return _Place(message, keys, None)
    blank = ExchangeEntry(
        key=keys[0],
        exchange=begin(machine.name, opening),
        side=Side.OPENER if keys[0].opener == us else Side.ADDRESSEE,
        peer=message.recipient if message.sender == us else message.sender,
        thread_id=message.thread_id,
        case_ref=case_ref,
        deadline=None,
        opened_at=now,
        topic=topic_of(message),
    )
    return _Place(message, keys, blank)


async def _books(places: Sequence[_Place], work: UnitOfWork, now: datetime) -> dict[ExchangeKey, ExchangeEntry]:
    blanks = {place.blank.key: place.blank for place in places if place.blank is not None}
    # What we open ourselves has an id of our own making: nobody else's transaction can have it.
    opened = {key: blank for key, blank in blanks.items() if blank.side is Side.OPENER}
    keys = {key for place in places for key in place.keys if key not in opened or not place.opens}
    ordered = sorted(keys, key=_order)  # the rows too: two transactions must not insert the same two crosswise
    new = [blanks[key] for key in ordered if key in blanks]
    return opened | dict(await work.exchanges.lock(ordered, new, now=now))


def _order(key: ExchangeKey) -> tuple[str, str]:
    return key.opener, key.opening


def _entry(place: _Place, books: Mapping[ExchangeKey, ExchangeEntry]) -> ExchangeEntry | None:
    return next((books[key] for key in place.keys if key in books), None)


def _moved(entry: ExchangeEntry, exchange: Exchange, message: CaseMessage) -> ExchangeEntry:
    if message.message_id != entry.key.opening or message.deadline is None:
        return replace(entry, exchange=exchange)
    return replace(entry, exchange=exchange, deadline=datetime.fromtimestamp(message.deadline, UTC))


async def _refuse_second(messages: Sequence[Sent], work: UnitOfWork) -> None:
    """Refuse to open what is under way, in the books or among these messages themselves."""
    wanted = [
        Pending(named[0].name, item.case_ref, str(item.message.recipient), topic_of(item.message))
        for item in messages
        if (named := exchange_of(item.message)) is not None and named[1] == item.message.message_id
    ]
    pending = set(await work.exchanges.pending(wanted))
    for opened in wanted:
        if open_refusal(pending, opened) is not None:
            raise OutOfTurnError(Reason.SECOND_PENDING)
        pending.add(opened)


def _line(message: CaseMessage, record: PresentedRecord, case_ref: str, rests: Rests | None) -> LedgerEntry:
    return LedgerEntry(
        record_id=record_id_of(record),
        message_id=message.message_id,
        peer=message.recipient,
        case_ref=case_ref,
        kind=message.type,
        record_type=type_of(record),
        fields=record.disclosed,
        purpose=message.purpose,
        basis=message.basis,
        sent_at=datetime.fromtimestamp(message.issued_at, UTC),
        retain_until=datetime.fromtimestamp(message.use.retain_until, UTC),
        case_alias=message.case_alias,
        scopes=None if rests is None else rests.scopes,
        relative=None if rests is None else rests.relative,
    )
