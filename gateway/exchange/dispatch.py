"""From the inbox to the institution: each message is handled once, here, by what it is (SPEC 5.2).

A handler may be called again for a message it has seen (a crash between its work and our note of it), so every
handler is idempotent. One that keeps failing ends in quarantine and delays nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from contracts.codec import decode_message
from contracts.errors import ExchangeError, NotHandledError, NotPermittedError, SignatureError
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import (
    AuditRequest,
    AuditResponse,
    CaseMessage,
    CaseStatus,
    ConsentChange,
    Correction,
    DisclosureGrant,
    DisclosureRequest,
    DutyCancel,
    DutyNotice,
    ErasureOrder,
    ErasureReceipt,
    FindingAcknowledgement,
    FindingNotice,
    IdentityAnswer,
    IdentityCheck,
    NodeRestored,
    NodeReturned,
    Note,
    Ping,
    ReferralAccept,
    ReferralDecline,
    ReferralDone,
    ReferralOffer,
    ReferralUpdate,
    ReferralWithdraw,
    ReportAcknowledgement,
    ReportTransfer,
    SearchRequest,
    SearchResponse,
)
from gateway.exchange.attachment_ports import AttachmentEntry
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.collecting import wanted
from gateway.exchange.duties import note_cancelled
from gateway.exchange.erasing import came_after_its_order, take_order
from gateway.exchange.filing import (
    file_correction,
    file_duty,
    file_finding,
    file_note,
    file_report,
    file_status,
    note_acknowledgement,
)
from gateway.exchange.leaving import automatic
from gateway.exchange.oversight import open_window, take_window
from gateway.exchange.passed_on import take_word
from gateway.exchange.ports import InboxItem, Nudge, StagedLeaf, UnitOfWork
from gateway.exchange.recalling import file_receipt
from gateway.exchange.reconcile import give_back, take_back
from gateway.exchange.referrals import note_referral, say_owed
from gateway.exchange.replies import not_handled_reply
from gateway.exchange.retry import next_message_attempt
from gateway.exchange.searching import file_request, take_answer
from gateway.exchange.states import InboxState
from gateway.exchange.submit import Draft, Prepared, enqueue, prepare
from gateway.exchange.work import file_work
from keys.register.state import Freshness

BATCH = 50
LEASE = timedelta(seconds=120)
MAX_ATTEMPTS = 5
HANDLER_SECONDS = 4.0
RESTORE_SECONDS = 60.0  # everything between two nodes since a backup; inside the lease
SETTLE_SECONDS = 0.05

# A person releases these before anybody files them.
_FREE_TEXT = frozenset({"note"})

_LONG = frozenset({"node.restored", "node.returned"})

Handler = Callable[[CaseMessage, Capabilities], Awaitable[Sequence[Draft]]]


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of one claimed message: its state, and what we answer."""

    item: InboxItem
    state: InboxState
    replies: Sequence[Prepared] = ()
    leaf: StagedLeaf | None = None
    error: str | None = None
    attachments: Sequence[AttachmentEntry] = ()
    """What its records name, to be fetched."""
    message: CaseMessage | None = None
    """What was handled; none of what could not be."""


async def dispatch_turn(node: Capabilities, *, owner: str) -> bool:
    """Do one `dispatch_batch`; True when there may be more to do at once. What arrives meanwhile nudges."""
    fresh, lapsed = await _dispatch(node, owner, handle_message)
    return fresh == BATCH or lapsed > 0


async def dispatch_batch(node: Capabilities, *, owner: str, handle: Handler | None = None) -> int:
    """Handle up to fifty waiting messages side by side; return how many were claimed.

    Those that are done are finished together, without waiting for one that hangs. One whose lease ran out was with a
    process that ended, and may have ended it: such are handled one at a time, with nobody beside them to take along.
    """
    return sum(await _dispatch(node, owner, handle or handle_message))


async def _dispatch(node: Capabilities, owner: str, handle: Handler) -> tuple[int, int]:
    """Return how many were claimed: fresh ones, and ones left behind."""
    if node.timekeeper.skew() is not None or node.trust().freshness(node.clock.now()) is Freshness.FROZEN:
        return 0, 0  # nothing may leave, so no answer either: messages wait, and none is quarantined for it
    async with node.begin() as work:
        fresh = await _claim(work, node, owner)
        lapsed = () if fresh else await _claim_lapsed(work, node, owner)
    await _handle_all(fresh, node, owner=owner, handle=handle)
    if fresh:  # claimed only now: if one of those ended the process, this one had no part in it
        async with node.begin() as work:
            lapsed = await _claim_lapsed(work, node, owner)
    await _handle_all(lapsed, node, owner=owner, handle=handle)
    return len(fresh), len(lapsed)


async def _claim(work: UnitOfWork, node: Capabilities, owner: str) -> Sequence[InboxItem]:
    return await work.inbox.claim(owner=owner, now=node.clock.now(), lease=LEASE, limit=BATCH)


async def _claim_lapsed(work: UnitOfWork, node: Capabilities, owner: str) -> Sequence[InboxItem]:
    return await work.inbox.claim(owner=owner, now=node.clock.now(), lease=LEASE, limit=1, lapsed=True)


async def _handle_all(items: Sequence[InboxItem], node: Capabilities, *, owner: str, handle: Handler) -> None:
    tasks = [asyncio.ensure_future(_handle_one(item, node, handle)) for item in items]
    pending = set(tasks)
    try:
        while pending:
            done, pending = await asyncio.wait(pending, timeout=SETTLE_SECONDS)
            if done:  # in the order in which they came
                await _settle_all([task.result() for task in tasks if task in done], node, owner=owner)
    finally:
        for task in pending:
            task.cancel()


async def _handle_one(item: InboxItem, node: Capabilities, handle: Handler) -> Handled:
    if item.attempts > MAX_ATTEMPTS:  # it took the whole process down, again and again
        return _quarantined(item, node, "too-many-attempts")
    try:
        kept = await node.bodies.open(item.thread_id, item.key.message_id, item.body)
        message = decode_message(kept.payload)  # proven at the door, before it was kept
        if (message.sender, message.recipient) != (item.key.sender, node.us):
            raise SignatureError("a body of another message than its row says")
        async with asyncio.timeout(RESTORE_SECONDS if item.kind in _LONG else HANDLER_SECONDS):
            return await _handled(item, message, node, handle)
    except Exception as error:  # noqa: BLE001 - whatever our code does with a message, the next one must not wait
        name = type(error).__name__
        return (
            _quarantined(item, node, name) if item.attempts >= MAX_ATTEMPTS else Handled(item, InboxState.WAITING, error=name)
        )


async def _handled(item: InboxItem, message: CaseMessage, node: Capabilities, handle: Handler) -> Handled:
    if await came_after_its_order(message, node):
        return Handled(item, InboxState.DONE)
    try:
        replies = await handle(message, node)
    except NotHandledError:
        leaf = _leaf(item, node, LeafEvent.NOT_HANDLED, "not-handled")
        return Handled(item, InboxState.NOT_HANDLED, await _say_not_handled(message, node), leaf)
    automatic(replies)
    state = InboxState.HELD if message.type in _FREE_TEXT else InboxState.DONE
    named = await wanted(message, node) if message.records else ()
    return Handled(item, state, await prepare(replies, node), attachments=named, message=message)


async def _say_not_handled(message: CaseMessage, node: Capabilities) -> Sequence[Prepared]:
    try:
        return await prepare(not_handled_reply(message, node), node)
    except NotPermittedError:  # no flow for the answer, or the sender has left: people here are told all the same
        return ()


async def handle_message(message: CaseMessage, node: Capabilities) -> Sequence[Draft]:  # noqa: C901, PLR0912, PLR0915 - a line a type
    """Do what a message asks of this node and return what we answer.

    Raises:
        NotHandledError: nobody here for this type. The sender is told, and so are people here.
    """
    replies: Sequence[Draft] = ()
    match message:
        case ReportTransfer():
            replies = await file_report(message, node)
        case FindingNotice():
            replies = await file_finding(message, node)
        case Correction():
            await file_correction(message, node)
        case DutyNotice():
            await file_duty(message, node)
        case DutyCancel():
            await note_cancelled(message, node)
        case ReportAcknowledgement() | FindingAcknowledgement():
            await note_acknowledgement(message, node)
        case CaseStatus():
            await file_status(message, node)
        case Note():
            await file_note(message, node)
        case SearchRequest() | DisclosureRequest() | IdentityCheck():
            await file_request(message, node)
        case SearchResponse() | DisclosureGrant() | IdentityAnswer():
            await take_answer(message, node)
        case NodeRestored():
            replies = await give_back(message, node)
        case NodeReturned():
            await take_back(message, node)
        case ConsentChange():
            await take_word(message, node)
        case ErasureOrder():
            await take_order(message, node)
        case ErasureReceipt():
            await file_receipt(message, node)
        case AuditRequest():
            replies = await open_window(message, node)
        case AuditResponse():
            await take_window(message, node)
        case Ping():
            pass  # the receipt is the answer
        case ReferralOffer() | ReferralWithdraw() | ReferralAccept() | ReferralDecline() | ReferralUpdate() | ReferralDone():
            await note_referral(message, node)
        case _:
            raise NotHandledError(f"no handler for {message.type}")
    return replies


async def _settle_all(batch: Sequence[Handled], node: Capabilities, *, owner: str) -> None:
    try:
        await _settle(batch, node, owner=owner)
    except ExchangeError:
        if len(batch) == 1:
            raise
        for handled in batch:  # one result that cannot be stored must not hold up the others
            await _settle([handled], node, owner=owner)


async def _settle(batch: Sequence[Handled], node: Capabilities, *, owner: str) -> None:
    now = node.clock.now()
    async with node.begin() as work:
        for handled in batch:
            if handled.state is InboxState.WAITING:
                due = next_message_attempt(handled.item.attempts, now, node.randomness.uniform)
                await work.inbox.retry(handled.item.key, owner=owner, due=due, error=handled.error or "")
        ends = {handled.item.key: handled.state for handled in batch if handled.state is not InboxState.WAITING}
        ours = await work.inbox.finish(ends, owner=owner)
        # Of the rest another worker took over after our lease lapsed; its result counts.
        ended = [handled for handled in batch if handled.item.key in ours]
        messages = [handled.message for handled in ended if handled.message is not None]
        replies = await _unanswered([reply for handled in ended for reply in handled.replies], work)
        await enqueue(replies, work, now=now, handled=messages)
        await file_work(messages, work, node, now=now)
        await work.attachments.add([entry for handled in ended for entry in handled.attachments])
        for handled in ended:
            await _tell_people(handled, work, node)
    if any(handled.replies or handled.leaf for handled in batch):
        node.nudge(Nudge.OUTBOX)
        node.nudge(Nudge.LOG)
    if any(handled.attachments for handled in batch):
        node.nudge(Nudge.ATTACHMENTS)
    if any(isinstance(message, ReferralOffer | ReferralWithdraw) for message in messages):
        await say_owed(node)  # at once; whatever ends the process here, the loop says it


async def _unanswered(replies: Sequence[Prepared], work: UnitOfWork) -> Sequence[Prepared]:
    """Leave out what was answered before: a message that came again after a restore is not answered twice."""
    keys = {(item.outgoing.lane, re, item.outgoing.kind): item for item in replies if (re := item.outgoing.in_reply_to)}
    answered = await work.outbox.answered(list(keys))
    return [item for item in replies if (item.outgoing.lane, item.outgoing.in_reply_to, item.outgoing.kind) not in answered]


async def _tell_people(handled: Handled, work: UnitOfWork, node: Capabilities) -> None:
    if handled.leaf is None:
        return
    await work.audit.stage([handled.leaf])
    code = "message-quarantined" if handled.state is InboxState.QUARANTINED else "message-not-handled"
    key = handled.item.key
    await work.alarms.raise_(code, subject=str(key.message_id), now=node.clock.now(), peer=key.sender)


def _quarantined(item: InboxItem, node: Capabilities, error: str) -> Handled:
    leaf = _leaf(item, node, LeafEvent.QUARANTINED, error)
    return Handled(item, InboxState.QUARANTINED, leaf=leaf, error=error)


def _leaf(item: InboxItem, node: Capabilities, event: LeafEvent, outcome: str) -> StagedLeaf:
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=event,
            peer=item.key.sender,
            message_id=item.key.message_id,
            kind=item.kind,
            outcome=outcome,
        )
    )
