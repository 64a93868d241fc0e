"""What a node does with the messages of the first flows: file the case, answer with a folio. Every step is idempotent.

What is handled side by side is filed in one transaction (`gateway.exchange.together`); when that fails, each alone.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from contracts.calendars import day_in_guatemala
from contracts.errors import MessageConflictError, NotPermittedError
from contracts.ids import Folio, ThreadId
from contracts.messages import (
    CaseMessage,
    CaseState,
    CaseStatus,
    Correction,
    DutyNotice,
    FindingAcknowledgement,
    FindingAcknowledgementBody,
    FindingNotice,
    Note,
    ReportAcknowledgement,
    ReportAcknowledgementBody,
    ReportTransfer,
)
from gateway.exchange.barring import bar_reported
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.handing_over import handed_over
from gateway.exchange.ports import Alarm, CaseEntry, ReconcileState, UnitOfWork
from gateway.exchange.replies import reply_draft
from gateway.exchange.submit import Draft

REPORT_PREFIX = "MBMID"
FINDING_PREFIX = "HALLAZGO"


def folio_year(now: datetime) -> int:
    """Return the year a folio of this moment is of: where the office stands."""
    return day_in_guatemala(now).year


async def file_report(message: ReportTransfer, node: Capabilities) -> Sequence[Draft]:
    """Open a case for a family's report and answer with its folio."""
    [folio] = await node.together.do(_file_reports, [message], node)
    body = ReportAcknowledgementBody(folio=folio, received_at=_received(node))
    return (reply_draft(message, ReportAcknowledgement, body, node),)


async def file_finding(message: FindingNotice, node: Capabilities) -> Sequence[Draft]:
    """Open a case for a finding and answer with its reference."""
    [reference] = await node.together.do(_file_findings, [message], node)
    body = FindingAcknowledgementBody(reference=reference, received_at=_received(node))
    return (reply_draft(message, FindingAcknowledgement, body, node),)


async def file_correction(message: Correction, node: Capabilities) -> None:
    """Take in a record that replaces one this peer sent before in the same thread; it is work for whoever has the thread.

    The earlier copy is of the same thread and goes with it: what was said, and when, stays provable until then.

    Raises:
        NotPermittedError: it replaces nothing this peer sent in that thread (yet: a report may still be on its way).
        MessageConflictError: the thread is another peer's.
    """
    replaced = str(message.body.replaces)
    async with node.begin() as work:
        found = (await work.erasures.find(message.sender, [replaced])).get(replaced)
        if found is None or found.thread_id != message.thread_id:
            raise NotPermittedError("a correction of nothing this peer sent in this thread")
        await _own_cases(work, [message])
        subject = str(message.message_id)
        await work.alarms.raise_("record-corrected", subject=subject, now=node.clock.now(), peer=message.sender)


async def file_duty(message: DutyNotice, node: Capabilities) -> None:
    """File a duty notice and raise it to people: a child is missing. The signed receipt is the answer."""
    await node.together.do(_file_duties, [message], node)


async def note_acknowledgement(message: ReportAcknowledgement | FindingAcknowledgement, node: Capabilities) -> None:
    """Note the folio the MBMID gave to what we sent.

    Raises:
        NotPermittedError: it answers nothing we sent to this peer.
    """
    await node.together.do(_note_acknowledgements, [message], node)


async def file_status(message: CaseStatus, node: Capabilities) -> None:
    """Note where the peer's work stands; "not handled here" is raised to people."""
    now = node.clock.now()
    async with node.begin() as work:
        if message.thread_id in await _own_cases(work, [message]):
            await work.cases.set_state(message.thread_id, state=message.body.state.value)
        if message.deadline is not None and message.in_reply_to is not None:  # our question, which they need longer for
            await work.exchanges.set_deadline(
                ExchangeKey(node.us, message.in_reply_to), message.sender, datetime.fromtimestamp(message.deadline, UTC)
            )
        if message.body.state is CaseState.LOCATED_ALIVE:  # to people, who read beside their question what the person wants
            await work.alarms.raise_("person-located", subject=str(message.in_reply_to), now=now, peer=message.sender)
        if message.body.state is CaseState.NOT_HANDLED_HERE:
            if message.in_reply_to is not None:
                await work.exchanges.release(message.sender, [message.in_reply_to])  # nobody there will answer
            asked = await work.restores.find(message.sender)
            if asked is not None and asked.message_id == message.in_reply_to:  # it cannot give back what it holds
                await work.restores.end(message.sender, ReconcileState.FAILED, now=now)
            await work.alarms.raise_("not-handled-by-peer", subject=str(message.in_reply_to), now=now, peer=message.sender)


async def file_note(message: Note, node: Capabilities) -> None:
    """Raise a note to people; its text stays in the sealed body."""
    async with node.begin() as work:
        await work.alarms.raise_("note", subject=str(message.message_id), now=node.clock.now(), peer=message.sender)


async def _file_reports(messages: Sequence[ReportTransfer], node: Capabilities) -> Sequence[Folio]:
    return await _file(messages, node, kind="report", prefix=REPORT_PREFIX)


async def _file_findings(messages: Sequence[FindingNotice], node: Capabilities) -> Sequence[Folio]:
    return await _file(messages, node, kind="finding", prefix=FINDING_PREFIX)


async def _file(
    messages: Sequence[ReportTransfer | FindingNotice], node: Capabilities, *, kind: str, prefix: str
) -> Sequence[Folio]:
    now = node.clock.now()
    async with node.begin() as work:
        cases = await _own_cases(work, messages)
        # Handled before: the answer must be the same.
        folios = {thread: case.folio for thread, case in cases.items() if case.folio is not None}
        first = {message.thread_id: message for message in reversed(messages) if message.thread_id not in folios}
        fresh = [message for message in messages if first.get(message.thread_id) is message]
        if fresh:
            numbers = await work.cases.next_folios(prefix, folio_year(now), len(fresh))
            folios |= {message.thread_id: folio for message, folio in zip(fresh, numbers, strict=True)}
            await work.cases.open([_entry(item, kind=kind, folio=folios[item.thread_id], now=now) for item in fresh])
            await bar_reported([item for item in fresh if isinstance(item, ReportTransfer)], work, node)
    return [folios[message.thread_id] for message in messages]


async def _file_duties(messages: Sequence[DutyNotice], node: Capabilities) -> Sequence[None]:
    now = node.clock.now()
    async with node.begin() as work:
        await _own_cases(work, messages)
        await work.cases.open([_entry(message, kind="duty", folio=None, now=now) for message in messages])
        raised = [Alarm("duty-notice", str(message.message_id), message.sender) for message in messages]
        await work.alarms.raise_all(raised, now=now)
    return [None] * len(messages)


async def _note_acknowledgements(
    messages: Sequence[ReportAcknowledgement | FindingAcknowledgement], node: Capabilities
) -> Sequence[None]:
    folios: dict[ThreadId, Folio] = {}
    async with node.begin() as work:
        cases = dict(await work.cases.find([message.thread_id for message in messages]))
        cases |= await _sent_later(work, [message for message in messages if message.thread_id not in cases], node)
        for message in messages:
            case = cases.get(message.thread_id)
            if case is None or case.peer != message.sender or case.opened_by != message.in_reply_to:
                raise NotPermittedError("an acknowledgement of nothing we sent to this peer")
            folio = message.body.folio if isinstance(message, ReportAcknowledgement) else message.body.reference
            folios.setdefault(message.thread_id, folio)
        await work.cases.acknowledge(folios)
        reports = [message.thread_id for message in messages if isinstance(message, ReportAcknowledgement)]
        if reports:
            await handed_over(reports, work, node)
    return [None] * len(messages)


async def _sent_later(
    work: UnitOfWork, messages: Sequence[ReportAcknowledgement | FindingAcknowledgement], node: Capabilities
) -> Mapping[ThreadId, CaseEntry]:
    """File what left without a case of its own: it waited for a second person, and the books say that we sent it."""
    if not messages:
        return {}
    now = node.clock.now()
    found = await work.exchanges.lock([ExchangeKey(node.us, message.in_reply_to) for message in messages], now=now)
    late = [
        CaseEntry(
            thread_id=entry.thread_id,
            kind=f"{entry.exchange.machine}-sent",
            peer=entry.peer,
            opened_by=key.opening,
            state="sent",
            alias=None,
            folio=None,
            opened_at=entry.opened_at,
        )
        for key, entry in found.items()
    ]
    await work.cases.open(late)
    return {case.thread_id: case for case in late}


async def _own_cases(work: UnitOfWork, messages: Sequence[CaseMessage]) -> Mapping[ThreadId, CaseEntry]:
    """Return the cases the messages' threads have.

    Raises:
        MessageConflictError: one is another peer's, or two peers would have one.
    """
    cases = await work.cases.find([message.thread_id for message in messages])
    owners = {thread: case.peer for thread, case in cases.items()}
    for message in messages:
        if owners.setdefault(message.thread_id, message.sender) != message.sender:
            raise MessageConflictError("the thread belongs to another peer")
    return cases


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
