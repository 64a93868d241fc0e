"""Work passes from one institution to another: offered without a name, accepted, declined, reported on, done, taken back.

An offer names nobody and carries no record: its type has no room for one, `wall:offer-names` looks at its words, and the
machine lets no record leave before the acceptance (SPEC 14.1, 19.2). What two sides end with is decided by the addressee's
log: whoever says something where it no longer fits is refused inside the transaction, and nothing of it leaves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.codec import decode_message
from contracts.consents import RelativeId
from contracts.disclosure import SourceRecord
from contracts.errors import ExchangeError, NotPermittedError
from contracts.ids import Code, Folio, MessageId, NodeId, ThreadId
from contracts.messages import (
    CaseMessage,
    DeclineReason,
    Message,
    Minor,
    ReferralAccept,
    ReferralAcceptBody,
    ReferralDecline,
    ReferralDeclineBody,
    ReferralDone,
    ReferralDoneBody,
    ReferralOffer,
    ReferralOfferBody,
    ReferralOutcome,
    ReferralProgress,
    ReferralUpdate,
    ReferralUpdateBody,
    ReferralWithdraw,
    ReferralWithdrawBody,
    Urgency,
    WithdrawReason,
)
from contracts.services import Service
from contracts.threads import Exchange, Side, exchange_of, owed
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeEntry, ExchangeKey
from gateway.exchange.leaving import Held, automatic, leave, show
from gateway.exchange.ports import CaseEntry, InboxKey, Nudge, UnitOfWork
from gateway.exchange.ports.departures import Departure
from gateway.exchange.submit import Draft, Prepared, enqueue, prepare
from gateway.exchange.work import NoSuchWorkError, Worker, find_work
from gateway.exchange.work_ports import WorkItem

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of an act: the message that leaves, or what waits for a second person."""

    opening: MessageId
    message_id: MessageId | None
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is asked of whom, about which case of ours: codes alone."""

    to: NodeId
    case_ref: str
    office: Code
    service: Service
    urgency: Urgency
    minor: Minor
    purpose: Code
    basis: Code
    deadline: datetime
    language: str | None = None
    department: Code | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What an officer says of accepted work, and the records that go with it."""

    progress: ReferralProgress
    expected_by: datetime | None = None
    records: tuple[SourceRecord, ...] = ()
    reporter: RelativeId | None = None
    """Whose a reporter's record among them is."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How accepted work ended."""

    outcome: ReferralOutcome
    finished_at: datetime
    records: tuple[SourceRecord, ...] = ()


async def case_of(reference: str, work: UnitOfWork) -> str:
    """Return what our books call a case, from its folio or a thread of it; of two about one person, the one they share.

    Raises:
        NoSuchWorkError: there is no such case here.
    """
    entry = await entry_of(reference, work)
    thread = entry.same_as or entry.thread_id
    return await work.exchanges.case_of(thread) or str(thread)


async def entry_of(reference: str, work: UnitOfWork) -> CaseEntry:
    """Return a case by its folio or a thread of it.

    Raises:
        NoSuchWorkError: there is no such case here.
    """
    threads: Sequence[ThreadId] = ()
    try:
        threads = [ThreadId(reference)]
    except ValueError:
        try:
            threads = await work.cases.with_folio(Folio(reference))
        except ValueError:
            threads = ()
    known = await work.cases.find(threads)
    if len(known) != 1:
        raise NoSuchWorkError("no such case")
    return next(iter(known.values()))


# -- what officers do ------------------------------------------------------------------------------------------------


async def offer(wanted: Offer, node: Capabilities, *, by: Worker) -> Acted:
    """Ask another institution to take work on. One at a time about a case, with a recipient and for a service.

    Raises:
        OutOfTurnError: such an offer is under way.
        NotPermittedError: the policy has no such flow, or a wall stands in the way.
    """
    draft = _offer_draft(wanted, node, by)
    async with node.begin() as work:
        left = await leave([draft], node, work, by=by.by, office=wanted.office)
    return _acted(left, draft.message_id or MessageId(""), node)


async def show_offer(wanted: Offer, node: Capabilities, *, by: Worker) -> Departure:
    """Build an offer and keep it until whoever looks at it confirms it (`releasing.confirm`); nothing is sent.

    Raises:
        NotPermittedError: as `offer`.
    """
    departure, _, _ = await show([_offer_draft(wanted, node, by)], node, by=by.by, office=wanted.office)
    return departure


def _offer_draft(wanted: Offer, node: Capabilities, by: Worker) -> Draft:
    now = node.clock.now()
    body = ReferralOfferBody(
        service=wanted.service,
        urgency=wanted.urgency,
        minor=wanted.minor,
        language=wanted.language,
        department=wanted.department,
    )
    return Draft(
        kind=ReferralOffer,
        to=wanted.to,
        body=body,
        purpose=wanted.purpose,
        basis=wanted.basis,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=wanted.case_ref,
        deadline=wanted.deadline,
        message_id=node.new_message_id(now),
    )


async def accept(opening: MessageId, office: Code, node: Capabilities, *, starts_by: datetime | None, by: Worker) -> Acted:
    """Take it on; whoever accepts has it. The records come after this.

    Raises:
        NoSuchWorkError: there is no such offer that they may see.
        OutOfTurnError: it was accepted, declined or withdrawn before.
    """
    body = ReferralAcceptBody(office=office, starts_by=_seconds(starts_by))
    words = _Words(ReferralAccept, body, in_reply_to=opening)
    return await _say(opening, words, node, by=by, side=Side.ADDRESSEE)


async def decline(
    opening: MessageId, reason: DeclineReason, suggestion: NodeId | None, node: Capabilities, *, by: Worker
) -> Acted:
    """Do not take it on.

    Raises:
        NoSuchWorkError: there is no such offer that they may see.
        NotPermittedError: whoever is suggested is no member: the word would be free text.
        OutOfTurnError: it was accepted, declined or withdrawn before.
    """
    if suggestion is not None and suggestion not in node.trust().members:
        raise NotPermittedError("who is suggested is no member of the federation")
    body = ReferralDeclineBody(reason=reason, suggestion=None if suggestion is None else Code(suggestion))
    words = _Words(ReferralDecline, body, in_reply_to=opening)
    return await _say(opening, words, node, by=by, side=Side.ADDRESSEE)


async def update(opening: MessageId, news: News, node: Capabilities, *, by: Worker) -> Acted:
    """Tell the other side where accepted work stands; either side may, and only now may records go with it.

    Raises:
        NoSuchWorkError: there is no such referral that they may see.
        OutOfTurnError: it was not accepted, or is over.
    """
    body = ReferralUpdateBody(offer=opening, progress=news.progress, expected_by=_seconds(news.expected_by))
    words = _Words(ReferralUpdate, body, records=news.records, reporter=news.reporter)
    return await _say(opening, words, node, by=by)


async def done(opening: MessageId, ending: Ending, node: Capabilities, *, by: Worker) -> Acted:
    """Say that accepted work is over.

    Raises:
        NoSuchWorkError: there is no such referral that they may see, or it was not offered to us.
        OutOfTurnError: it was not accepted, or is over.
    """
    body = ReferralDoneBody(offer=opening, outcome=ending.outcome, finished_at=int(ending.finished_at.timestamp()))
    words = _Words(ReferralDone, body, records=ending.records)
    return await _say(opening, words, node, by=by, side=Side.ADDRESSEE)


async def withdraw(opening: MessageId, reason: WithdrawReason, node: Capabilities, *, by: Worker) -> Acted:
    """Take an offer back. It is withdrawn when the other side confirms it, and not before (SPEC 14.3).

    Raises:
        NoSuchWorkError: there is no such offer of ours that they may see.
        OutOfTurnError: it was accepted, declined or withdrawn before.
    """
    body = ReferralWithdrawBody(offer=opening, reason=reason)
    return await _say(opening, _Words(ReferralWithdraw, body), node, by=by, side=Side.OPENER)


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said in an exchange that stands: its thread, purpose, basis and case are the exchange's."""

    kind: type[Message]
    body: object
    in_reply_to: MessageId | None = None
    records: tuple[SourceRecord, ...] = ()
    reporter: RelativeId | None = None

    def draft(self, item: WorkItem, entry: ExchangeEntry, node: Capabilities, by: Worker) -> Draft:
        return Draft(
            kind=self.kind,
            to=item.peer,
            body=self.body,
            purpose=item.purpose,
            basis=item.basis,
            actor=by.actor,
            thread_id=item.thread_id,
            case_key=entry.case_ref,
            records=self.records,
            in_reply_to=self.in_reply_to,
            reporter=self.reporter,
            message_id=node.new_message_id(node.clock.now()),
        )


async def _say(opening: MessageId, words: _Words, node: Capabilities, *, by: Worker, side: Side | None = None) -> Acted:
    async with node.begin() as work:
        item, entry = await _entry(opening, work, node, by=by, side=side)
        draft = words.draft(item, entry, node, by)
        left = await leave([draft], node, work, by=by.by)
    return _acted(left, opening, node)


async def _entry(
    opening: MessageId, work: UnitOfWork, node: Capabilities, *, by: Worker, side: Side | None
) -> tuple[WorkItem, ExchangeEntry]:
    item = await find_work(opening, work, by=by)
    # The case before the exchange, as whoever judges a message of it does: two transactions must not wait crosswise.
    case_ref = await work.exchanges.case_of(item.thread_id)
    await work.departures.serialise([] if case_ref is None else [case_ref])
    found = await work.exchanges.lock([item.key], now=node.clock.now())
    if item.machine != "referral" or item.key not in found or side not in {None, item.side}:
        raise NoSuchWorkError("no such referral")
    return item, found[item.key]


def _acted(left: Sequence[Prepared] | Held, opening: MessageId, node: Capabilities) -> Acted:
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    if isinstance(left, Held):
        return Acted(opening, None, left)
    return Acted(opening, left[0].message.message_id)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


# -- what the peer says ----------------------------------------------------------------------------------------------


async def note_referral(message: CaseMessage, node: Capabilities) -> None:
    """See to it that a peer's word is one that counts here; the books and the inbox of work take it down when it is settled.

    Raises:
        NotPermittedError: it is about an offer this node knows nothing of, or that is not this peer's to speak about.
    """
    named = exchange_of(message)
    if named is None or isinstance(message, ReferralOffer | ReferralWithdraw):
        return  # either may be the first we hear of it
    openers = [node.us] if isinstance(message, ReferralAccept | ReferralDecline | ReferralDone) else [node.us, message.sender]
    async with node.begin() as work:
        found = await work.exchanges.lock([ExchangeKey(opener, named[1]) for opener in openers], now=node.clock.now())
    if isinstance(message, ReferralUpdate) and not found:
        return  # news of an offer that is still on its way
    if not any(entry.peer == message.sender for entry in found.values()):
        raise NotPermittedError("a word about an offer that this peer has nothing to do with")


# -- what the node says by itself ------------------------------------------------------------------------------------


async def say_owed(node: Capabilities) -> int:
    """Say what the books say is owed: that a withdrawal came before any answer. Return how much was said.

    Not the handler's: an offer may come after its withdrawal, and whoever handles the one may not see the other. The books
    see both. Between the withdrawal's entry and this, nothing else can be said: `say` refuses it (SPEC 14.3).
    """
    if node.timekeeper.skew() is not None:
        return 0
    async with node.begin() as work:
        waiting = await work.exchanges.unconfirmed(limit=AT_ONCE)
    return sum([await _confirm(entry, node) for entry in waiting])


async def _confirm(entry: ExchangeEntry, node: Capabilities) -> bool:
    """Confirm one; False when it cannot be just now: the next turn looks again."""
    if owed(entry.exchange, by_opener=False) is None:
        return False
    try:
        draft = await _confirmation(entry, node)
        if draft is None:
            return False
        drafts = [draft]
        automatic(drafts)
        prepared = await prepare(drafts, node)
        async with node.begin() as work:
            await enqueue(prepared, work, now=node.clock.now())
    except OutOfTurnError:
        return False  # another process said it
    except ExchangeError as error:
        node.complain("confirm-withdrawal", error)
        return False
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return True


async def _confirmation(entry: ExchangeEntry, node: Capabilities) -> Draft | None:
    """Return the confirmation of the withdrawal that stands, by what the books say: its text may be erased by now."""
    said = next(iter(_that_moved(entry.exchange, "referral.withdraw")), None)
    why = await _purpose_and_basis(entry, said, node)
    if said is None or why is None:
        return None
    finished = int(node.clock.now().timestamp())
    return Draft(
        kind=ReferralDone,
        to=entry.peer,
        body=ReferralDoneBody(offer=entry.key.opening, outcome=ReferralOutcome.NOT_WANTED, finished_at=finished),
        purpose=why[0],
        basis=why[1],
        actor=node.pseudonyms.actor("node"),
        thread_id=entry.thread_id,
        case_key=entry.case_ref,
        in_reply_to=said,
    )


async def _purpose_and_basis(entry: ExchangeEntry, said: MessageId | None, node: Capabilities) -> tuple[Code, Code] | None:
    """Return why the exchange is; where no work was filed for it, as the withdrawal itself says."""
    async with node.begin() as work:
        items = await work.work_items.find(entry.key.opening, entry.key.opener)
        kept = None if items or said is None else await work.inbox.kept(InboxKey(entry.peer, said))
    if items:
        return items[0].purpose, items[0].basis
    if kept is None or said is None:
        return None
    message = decode_message((await node.bodies.open(kept.thread_id, said, kept.body)).payload)
    return message.purpose, message.basis


def _that_moved(exchange: Exchange, kind: str) -> Iterable[MessageId]:
    aside = exchange.crossed | exchange.early
    return sorted(item.message_id for item in exchange.said if item.kind == kind and item.message_id not in aside)
