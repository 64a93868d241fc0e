"""Somebody was found alive (E7): what they want told, that they are alive, and how a case ends for everybody else (SPEC 22).

Who found them, where and in which office's hours must not show. The word that they are alive comes from the institution, at a
slot, in the one voice all its desks share; an ending comes from the search mechanism and is the same whatever it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from contracts.alike import Closing, closing_notice
from contracts.codec import decode_message
from contracts.consents import Wish, WishEvent, wish_at
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError, UnknownCaseError
from contracts.ids import ActorPseudonym, Code, Folio, MessageId, NodeId, ThreadId
from contracts.messages import CaseMessage, CaseState, CaseStatus, CaseStatusBody, Located
from contracts.register import Role
from gateway.exchange.acts import note_act
from gateway.exchange.agreeing import agreed
from gateway.exchange.asked import request_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.gate import By, one_case, wishes_under
from gateway.exchange.leaving import Held, leave
from gateway.exchange.parcels import open_kept
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.sheets import end_of_case
from gateway.exchange.submit import Draft, Prepared
from keys.register.state import Standing

LOCATE = Code("locate-missing")
SEARCH_LAW = Code("gt:codigo-migracion:198-207")
CLOSED = "closed"
_STATUS = "case.status"
CLOSE = Code("case.close")
_WILLS: Mapping[Wish, Literal["contact", "sealed-messages-only", "no-contact"]] = {
    Wish.CONTACT: "contact",
    Wish.SEALED_MESSAGES_ONLY: "sealed-messages-only",
    Wish.ALIVE_ONLY: "no-contact",
}
_MEMBERS = frozenset({Standing.ACTIVE, Standing.PROBATION, Standing.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Alive:
    """That a person somebody asked for is alive: of which case of ours, and what is held of them, for the walls to look at.

    `records` travel nowhere. `finder_released`: those who hold the person decided that the seeker may hear of them.
    """

    case_ref: str
    records: tuple[SourceRecord, ...]
    review_at: datetime | None = None
    finder_released: bool = False


class AlreadyToldError(NotPermittedError):
    """Just that was told of this question, or waits to leave."""

    advice = "Véase `paradero hold list`: quizá espera su hora, o a otra persona."


@dataclass(frozen=True, slots=True)
class Closed:
    """Who was told that a case ended."""

    told: tuple[NodeId, ...]


async def record_wish(
    case_ref: str, wish: Wish, evidence: Code, node: Capabilities, *, by: By, thread: ThreadId | None = None
) -> MessageId:
    """Write down what the person found wants, from now on. What waits is weighed by it before it leaves.

    With `thread` it holds for whatever was signed there, also under the number that another record here has.
    """
    node.timekeeper.check()
    now = node.clock.now()
    event = WishEvent(node.new_message_id(now), wish, int(now.timestamp()), evidence)
    async with node.begin() as work:
        names = {case_ref, *(() if thread is None else await work.departures.names_in(thread))}
        await work.departures.serialise(names)
        await work.consents.add_wishes(case_ref, [event], now=now)
        for name in sorted(names - {case_ref}):
            await work.consents.add_wishes(name, [replace(event, id=node.new_message_id(now))], now=now)
        await end_of_case(await work.erasures.case_refs(case_ref) or [case_ref], "located", work, now)
        await note_act(f"wish.recorded {event.id}", work, node, actor=by.actor, case_ref=case_ref)
    node.nudge(Nudge.LOG)
    return event.id


async def tell_alive(request_id: MessageId, alive: Alive, node: Capabilities, *, by: By) -> Prepared | Held:
    """Tell who asked that the person is alive, and what they want; never where. At a slot, like every answer.

    Raises:
        NoSuchRequestError: no such question came.
        NotPermittedError: nobody wrote down what the person wants, or there is no record of them.
        AlreadyToldError: just that was told of this question, or waits to leave: another window, or another desk, was first.
        WallError: they want nobody to know, or whoever holds them decides first.
    """
    asked = await request_of(request_id, node)
    if not alive.records:  # without it no wall could tell a child or who needs protection
        raise NotPermittedError("who was found is found in a record")
    message, now = asked.message, node.clock.now()
    async with node.begin() as work:
        await work.departures.serialise([request_id])  # whoever tells it at the same time must see it
        wishes = await wishes_under(one_case(alive.case_ref, message.thread_id), work)
        located = _located(wishes, alive, now)
        if await _told_last(message, work, node) == located:
            raise AlreadyToldError("just that was told of it already, or waits to leave")
        draft = Draft(
            kind=CaseStatus,
            to=message.sender,
            body=CaseStatusBody(
                state=CaseState.LOCATED_ALIVE,
                sequence=await work.departures.said(message.thread_id, _STATUS) + 1,
                located=located,
            ),
            purpose=message.purpose,
            basis=message.basis,
            actor=one_voice(node),
            thread_id=message.thread_id,
            case_key=alive.case_ref,
            in_reply_to=message.message_id,
            about=alive.records,
            finder_released=alive.finder_released,
        )
        left = await leave([draft], node, work, by=by, asked_at=asked.asked_at)
        await note_act(f"person.told-alive {request_id}", work, node, actor=by.actor, case_ref=alive.case_ref)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return left if isinstance(left, Held) else left[0]


def will_of(wish: Wish, evidence: Code, review_at: datetime | None = None) -> Located:
    """Return what is told of a wish: what the person wants and how they said it."""
    review = None if review_at is None else int(review_at.timestamp())
    return Located(will=_WILLS.get(wish, "undecided"), evidence=evidence, review_at=review)


def one_voice(node: Capabilities) -> ActorPseudonym:
    """Return the pseudonym under which this institution says what must not show which of its desks says it; its log has who."""
    return node.pseudonyms.actor("answers")


async def close_case(case: Folio, closing: Closing, node: Capabilities, *, by: By) -> Closed | None:
    """End a case of the search mechanism when two persons agree on how it ended, and tell everybody who works on it: the same
    words, whatever the ending. None while the second person has not.

    Raises:
        UnknownCaseError: no such case here.
        NotPermittedError: it was closed before, or this node is not the search mechanism: who tells an ending would tell more.
    """
    trust, now = node.trust(), node.clock.now()
    if trust.member(node.us).role is not Role.SEARCH_MECHANISM:
        raise NotPermittedError("a case is closed by the search mechanism, so that who closes it tells nothing")
    async with node.begin() as work:
        threads = await work.cases.with_folio(case)
        if not threads:
            raise UnknownCaseError("no such case here")
        entries = await work.cases.find(threads)
        if all(entry.state == CLOSED for entry in entries.values()):
            raise NotPermittedError("it was closed")
        if not await agreed(CLOSE, str(threads[0]), closing.value, work, node, by=by):
            return None
        for thread in threads:
            await work.cases.set_state(thread, state=CLOSED)
        await end_of_case([str(thread) for thread in threads], "closed", work, now)
        said = {(thread, entry.peer) for thread, entry in entries.items()} | await _asked_about(case, node, work)
        there = sorted(pair for pair in said if trust.standing(pair[1], now) in _MEMBERS)
        drafts = [await _notice(thread, peer, closing, work, by) for thread, peer in there]
        await leave(drafts, node, work, by=by)
        await note_act(f"case.closed {closing.value}", work, node, actor=by.actor, case_ref=str(threads[0]))
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return Closed(tuple(sorted({peer for _, peer in there})))


async def statuses_of(
    thread_id: ThreadId, question: MessageId, node: Capabilities
) -> Sequence[tuple[CaseStatusBody, datetime]]:
    """Return what was said of a question of ours beside its answer, oldest first."""
    async with node.begin() as work:
        taken = await work.departures.taken(thread_id, question, _STATUS)
    found: list[tuple[CaseStatusBody, datetime]] = []
    for item in taken:
        message = decode_message((await node.bodies.open(item.thread_id, item.message_id, item.body)).payload)
        if isinstance(message, CaseStatus):
            found.append((message.body, item.received_at))
    return found


async def _told_last(question: CaseMessage, work: UnitOfWork, node: Capabilities) -> Located | None:
    """Return what was told last of who was found alive, in answer to a question: what waits to leave, else what left."""
    for departure in await work.departures.waiting_beside(question.message_id, _STATUS):
        body = (await open_kept(departure, node)).drafts[0].body
        if isinstance(body, CaseStatusBody) and body.located is not None:
            return body.located
    for item in await work.departures.sent_beside(question.message_id, _STATUS):
        message = decode_message((await node.bodies.open(item.thread_id, item.message_id, item.body)).payload)
        if isinstance(message, CaseStatus) and message.body.located is not None:
            return message.body.located
    return None


def _located(wishes: Sequence[WishEvent], alive: Alive, now: datetime) -> Located:
    at = int(now.timestamp())
    wish = wish_at(wishes, at)
    last = max((event for event in wishes if event.wish is wish and event.effective_at <= at), key=_when, default=None)
    if last is None:
        raise NotPermittedError("nobody wrote down what the person found wants")
    return will_of(wish, last.evidence, alive.review_at)


def _when(event: WishEvent) -> int:
    return event.effective_at


async def _asked_about(case: Folio, node: Capabilities, work: UnitOfWork) -> set[tuple[ThreadId, NodeId]]:
    refs = await work.erasures.case_refs(case)
    steps = await work.windows.steps(node.us, refs, ())
    return {(step.thread_id, step.addressee) for step in steps if step.opener == node.us}


async def _notice(thread: ThreadId, peer: NodeId, closing: Closing, work: UnitOfWork, by: By) -> Draft:
    return Draft(
        kind=CaseStatus,
        to=peer,
        body=closing_notice(closing, sequence=await work.departures.said(thread, _STATUS) + 1),
        purpose=LOCATE,
        basis=SEARCH_LAW,
        actor=by.actor,
        thread_id=thread,
        case_key=str(thread),
    )
