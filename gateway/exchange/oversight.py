"""The ombudsman's window to one case under one complaint (SPEC 21, E14): steps, terms and what left, never a value.

It is asked by folio, which the family has; there is no list to browse. Whoever answers for data protection here sees each
window, one complaint opens one case, and a day has few of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.calendars import OfficeCalendar
from contracts.codec import b64u_encode, decode_message
from contracts.errors import NotHandledError, NotPermittedError
from contracts.ids import Code, Folio, MessageId, NodeId
from contracts.messages import (
    AuditRequest,
    AuditRequestBody,
    AuditResponse,
    AuditResponseBody,
    CaseWindow,
    Urgency,
    WindowCopy,
    WindowStep,
)
from contracts.messages.administration import MAX_COPIES, MAX_STEPS
from contracts.register import Role
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import due_by_policy
from gateway.exchange.gate import By
from gateway.exchange.holdings import LedgerEntry
from gateway.exchange.leaving import Held, leave
from gateway.exchange.oversight_ports import Step, WindowEntry
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.replies import reply_draft
from gateway.exchange.submit import Draft
from keys.register.state import TrustState

OVERSEE = Code("oversee")
SUPERVISION = Code("gt:pdh:supervision")
WINDOWS_PER_DAY = 20
"""What one ombudsman may open here in a day: far above the complaints of a day, far below what counting up folios takes."""
_DAY = timedelta(days=1)
_QUOTA, _OTHER_CASE = Code("quota"), Code("complaint-of-another-case")


class NoSuchWindowError(NotPermittedError):
    """We asked for no window by that message."""

    advice = "Véase `paradero audit list`."


@dataclass(frozen=True, slots=True)
class OwnWindow:
    """A window we asked for, and what it shows once it was opened."""

    entry: WindowEntry
    window: CaseWindow | None


def has_mandate(message: AuditRequest, trust: TrustState) -> bool:
    """Return whether whoever asks may ask under a complaint: the oversight role alone, to oversee."""
    return message.purpose == OVERSEE and trust.member(message.sender).role is Role.OMBUDSMAN


# -- who is asked -----------------------------------------------------------------------------------------------------


async def open_window(message: AuditRequest, node: Capabilities) -> Sequence[Draft]:
    """Open the window that is asked for, or say why not; the answer to the same message is the same.

    Raises:
        NotHandledError: it names no case: leaves by range or hash are had as proofs, at the other door.
        NotPermittedError: whoever asks has no mandate.
    """
    folio, complaint = message.body.folio, message.body.complaint
    if folio is None or complaint is None:
        raise NotHandledError("a window is asked for by a folio")
    if not has_mandate(message, node.trust()):
        raise NotPermittedError("a window for who has no mandate")
    async with node.begin() as work:
        await work.departures.serialise([f"windows {message.sender}"])
        window = await _window(message.message_id, message.sender, folio, complaint, work, node)
    node.nudge(Nudge.LOG)
    return (reply_draft(message, AuditResponse, AuditResponseBody(window=window), node),)


async def _window(
    message_id: MessageId, peer: NodeId, folio: Folio, complaint: str, work: UnitOfWork, node: Capabilities
) -> CaseWindow:
    now = node.clock.now()
    refs = await work.erasures.case_refs(folio)
    before = await work.windows.find(message_id, ours=False)
    refused = None if before is not None else await _refused(peer, folio, complaint, work, now)
    result: Literal["opened", "unknown-case", "refused"] = "opened" if refs else "unknown-case"
    result = "refused" if refused is not None else result
    await work.windows.add(
        WindowEntry(message_id, ours=False, peer=peer, folio=folio, complaint=complaint, at=now, result=result)
    )
    code = "audit-window" if refused is None else f"audit-{refused}"
    await work.alarms.raise_(code, subject=str(message_id), now=now, peer=peer)
    if refused is not None or not refs:
        return CaseWindow(folio=folio, complaint=complaint, result=result, basis=refused)
    copies = [line for ref in refs for line in await work.ledger.of_case(ref)]
    steps = await work.windows.steps(node.us, refs, {line.message_id for line in copies})
    leaves = await work.windows.leaves([step.opening for step in steps])
    return CaseWindow(
        folio=folio,
        complaint=complaint,
        result="opened",
        complete=len(steps) <= MAX_STEPS and len(copies) <= MAX_COPIES,
        steps=tuple(_step(step, leaves.get(step.opening), now) for step in steps[-MAX_STEPS:]),
        copies=tuple(_copy(line) for line in sorted(copies, key=lambda line: line.sent_at)[-MAX_COPIES:]),
    )


async def _refused(peer: NodeId, folio: Folio, complaint: str, work: UnitOfWork, now: datetime) -> Code | None:
    if await work.windows.opened_since(peer, now - _DAY) >= WINDOWS_PER_DAY:
        return _QUOTA
    named = await work.windows.of_complaint(peer, complaint)
    return _OTHER_CASE if named not in {None, folio} else None


def _step(step: Step, leaf: bytes | None, now: datetime) -> WindowStep:
    return WindowStep(
        asker=step.opener,
        asked=step.addressee,
        kind=Code(step.kind),
        opened_at=_seconds(step.opened_at),
        due_at=None if step.due is None else _seconds(step.due),
        answered_at=None if step.answered_at is None else _seconds(step.answered_at),
        overdue=step.due is not None and (step.answered_at or now) > step.due,
        state=Code(step.state),
        outcome=None if step.outcome is None else Code(step.outcome),
        leaf=None if leaf is None else b64u_encode(leaf),
    )


def _copy(line: LedgerEntry) -> WindowCopy:
    return WindowCopy(
        recipient=line.peer,
        record_type=Code(line.record_type),
        fields=line.fields,
        sent_at=_seconds(line.sent_at),
        purpose=line.purpose,
        basis=line.basis,
        recall=Code(line.recall.value),
        recall_basis=line.recall_basis,
        retain_until=_seconds(line.retain_until),
    )


# -- who asks ---------------------------------------------------------------------------------------------------------


async def ask_window(
    folio: Folio, complaint: str, to: NodeId, node: Capabilities, *, by: By, calendar: OfficeCalendar | None
) -> MessageId | Held:
    """Ask a node for the window to one case.

    Raises:
        NotPermittedError: the policy has no such flow: this node is no ombudsman's, or that one is not overseen.
        ValidationError: no complaint's number.
    """
    now = node.clock.now()
    message_id = node.new_message_id(now)
    draft = Draft(
        kind=AuditRequest,
        to=to,
        body=AuditRequestBody(folio=folio, complaint=complaint),
        purpose=OVERSEE,
        basis=SUPERVISION,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=f"complaint {complaint}",
        deadline=due_by_policy(node, "audit.request", to, (OVERSEE, SUPERVISION), Urgency.NORMAL, calendar),
        message_id=message_id,
    )
    async with node.begin() as work:
        left = await leave([draft], node, work, by=by)
        await work.windows.add(WindowEntry(message_id, ours=True, peer=to, folio=folio, complaint=complaint, at=now, result=""))
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return left if isinstance(left, Held) else message_id


async def take_window(message: AuditResponse, node: Capabilities) -> None:
    """Note that a window we asked for was opened; what it shows stays in the sealed body.

    Raises:
        NotPermittedError: it answers nothing we asked this peer.
    """
    window = message.body.window
    if window is None:
        raise NotPermittedError("proofs are had at the other door")
    async with node.begin() as work:
        asked = await work.windows.find(message.in_reply_to, ours=True)
        if asked is None or (asked.folio, asked.complaint) != (window.folio, window.complaint):
            raise NotPermittedError("a window to a case nobody asked for")
        if not await work.windows.answered(message.in_reply_to, message.sender, window.result):
            raise NotPermittedError("a window of a node nobody asked")


async def own_window(message_id: MessageId, node: Capabilities) -> OwnWindow:
    """Return a window we asked for, opened.

    Raises:
        NoSuchWindowError: none by that message.
    """
    async with node.begin() as work:
        entry = await work.windows.find(message_id, ours=True)
        if entry is None:
            raise NoSuchWindowError("no window of that id")
        sent = await work.departures.sent_body(entry.peer, message_id)
        taken = None if sent is None else await work.departures.taken_answer(sent[0], message_id, ["audit.response"])
    if taken is None:
        return OwnWindow(entry, None)
    answer = decode_message((await node.bodies.open(taken.thread_id, taken.message_id, taken.body)).payload)
    return OwnWindow(entry, answer.body.window if isinstance(answer, AuditResponse) else None)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
