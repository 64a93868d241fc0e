"""What a node does with the messages of the first flows: file the case, answer with a folio. Every step is idempotent."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from contracts.errors import MessageConflictError, NotPermittedError
from contracts.ids import Folio
from contracts.messages import (
    CaseMessage,
    CaseState,
    CaseStatus,
    DutyNotice,
    FindingAcknowledgement,
    FindingAcknowledgementBody,
    FindingNotice,
    Note,
    ReportAcknowledgement,
    ReportAcknowledgementBody,
    ReportTransfer,
)
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import CaseEntry, ReconcileState, UnitOfWork
from gateway.exchange.replies import reply_draft
from gateway.exchange.submit import Draft

REPORT_PREFIX = "MBMID"
FINDING_PREFIX = "HALLAZGO"
# A folio's year is the year where the office stands; Guatemala keeps UTC-6 all year.
_GUATEMALA = timezone(timedelta(hours=-6))


async def file_report(message: ReportTransfer, node: Capabilities) -> Sequence[Draft]:
    """Open a case for a family's report and answer with its folio."""
    folio = await _file(message, node, kind="report", prefix=REPORT_PREFIX)
    body = ReportAcknowledgementBody(folio=folio, received_at=_received(node))
    return (reply_draft(message, ReportAcknowledgement, body, node),)


async def file_finding(message: FindingNotice, node: Capabilities) -> Sequence[Draft]:
    """Open a case for a finding and answer with its reference."""
    reference = await _file(message, node, kind="finding", prefix=FINDING_PREFIX)
    body = FindingAcknowledgementBody(reference=reference, received_at=_received(node))
    return (reply_draft(message, FindingAcknowledgement, body, node),)


async def file_duty(message: DutyNotice, node: Capabilities) -> None:
    """File a duty notice and raise it to people: a child is missing. The signed receipt is the answer."""
    now = node.clock.now()
    async with node.begin() as work:
        await _own_case(work, message)
        await work.cases.open([_entry(message, kind="duty", folio=None, now=now)])
        await work.alarms.raise_("duty-notice", subject=str(message.message_id), now=now, peer=message.sender)


async def note_acknowledgement(message: ReportAcknowledgement | FindingAcknowledgement, node: Capabilities) -> None:
    """Note the folio the MBMID gave to what we sent.

    Raises:
        NotPermittedError: it answers nothing we sent to this peer.
    """
    folio = message.body.folio if isinstance(message, ReportAcknowledgement) else message.body.reference
    async with node.begin() as work:
        case = await work.cases.find(message.thread_id)
        if case is None or case.peer != message.sender or case.opened_by != message.in_reply_to:
            raise NotPermittedError("an acknowledgement of nothing we sent to this peer")
        await work.cases.set_state(message.thread_id, state="acknowledged", folio=folio)


async def file_status(message: CaseStatus, node: Capabilities) -> None:
    """Note where the peer's work stands; "not handled here" is raised to people."""
    now = node.clock.now()
    async with node.begin() as work:
        case = await _own_case(work, message)
        if case is not None:
            await work.cases.set_state(message.thread_id, state=message.body.state.value)
        if message.body.state is CaseState.NOT_HANDLED_HERE:
            asked = await work.restores.find(message.sender)
            if asked is not None and asked.message_id == message.in_reply_to:  # it cannot give back what it holds
                await work.restores.end(message.sender, ReconcileState.FAILED, now=now)
            await work.alarms.raise_("not-handled-by-peer", subject=str(message.in_reply_to), now=now, peer=message.sender)


async def file_note(message: Note, node: Capabilities) -> None:
    """Raise a note to people; its text stays in the sealed body."""
    async with node.begin() as work:
        await work.alarms.raise_("note", subject=str(message.message_id), now=node.clock.now(), peer=message.sender)


async def _file(message: ReportTransfer | FindingNotice, node: Capabilities, *, kind: str, prefix: str) -> Folio:
    now = node.clock.now()
    async with node.begin() as work:
        case = await _own_case(work, message)
        if case is not None and case.folio is not None:
            return case.folio  # handled before; the answer must be the same
        folio = await work.cases.next_folio(prefix, now.astimezone(_GUATEMALA).year)
        await work.cases.open([_entry(message, kind=kind, folio=folio, now=now)])
        return folio


async def _own_case(work: UnitOfWork, message: CaseMessage) -> CaseEntry | None:
    case = await work.cases.find(message.thread_id)
    if case is not None and case.peer != message.sender:
        raise MessageConflictError("the thread belongs to another peer")
    return case


def _entry(message: CaseMessage, *, kind: str, folio: Folio | None, now: datetime) -> CaseEntry:
    return CaseEntry(
        thread_id=message.thread_id,
        kind=kind,
        peer=message.sender,
        opened_by=message.message_id,
        state="received",
        alias=message.case_alias,
        folio=folio,
        opened_at=now,
    )


def _received(node: Capabilities) -> int:
    return int(node.clock.now().timestamp())
