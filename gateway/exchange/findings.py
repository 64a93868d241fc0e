"""Findings sent by an officer: remains, an unidentified patient, a detained person. Is a family looking? (SPEC 19.4)

They leave through the gate: remains and possible children wait for a second person. The acknowledgement says only that the
notice arrived, and under which reference; never how many families may be looking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from contracts.calendars import OfficeCalendar
from contracts.disclosure import Grant, SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId
from contracts.messages import FindingKind, FindingNotice, FindingNoticeBody, Urgency
from contracts.register import Role
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.deadlines import answer_due
from gateway.exchange.desk import FINDING_BASIS, IDENTIFY, LOCATE, addressee
from gateway.exchange.gate import By
from gateway.exchange.leaving import Held, leave
from gateway.exchange.ports import CaseEntry, Nudge, UnitOfWork
from gateway.exchange.submit import Draft, Prepared
from gateway.exchange.work import Worker, WorkTakenError

IDENTIFY_PERSON = Code("identify-person")


@dataclass(frozen=True, slots=True)
class _Said:
    kind: FindingKind
    purpose: Code


_OF_RECORD: Mapping[str, _Said] = MappingProxyType(
    {
        RecordType.UNIDENTIFIED_REMAINS.value: _Said(FindingKind.REMAINS, IDENTIFY),
        RecordType.UNIDENTIFIED_PERSON.value: _Said(FindingKind.LIVING_UNIDENTIFIED, IDENTIFY_PERSON),
        RecordType.CUSTODY.value: _Said(FindingKind.DETAINED, LOCATE),
    }
)


class AlreadySentError(WorkTakenError):
    """This very finding left before; its ledger says to whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """What was found: its record, who is competent for it and where. `case_ref`: what our own books call it.

    `office` waits for the acknowledgement, which is due by its `calendar`.
    """

    record: SourceRecord
    authority: Code
    country: str
    received_at: datetime
    case_ref: str
    basis: Code = FINDING_BASIS
    sender_reference: str | None = None
    office: Code | None = None
    calendar: OfficeCalendar | None = None


@dataclass(frozen=True, slots=True)
class FindingSent:
    """The notice that left, or what it waits for."""

    message_id: MessageId
    held: Held | None = None


async def send_finding(find: Find, node: Capabilities, *, by: Worker) -> FindingSent:
    """Tell the search mechanism of somebody nobody has named.

    Raises:
        NotPermittedError: the record is none of a person found, or the policy has no such flow.
        WallError: a wall stands in the way that nobody can take away.
        AlreadySentError: this finding left before.
        OutOfTurnError: it left and was not acknowledged yet.
    """
    draft = _draft(find, node, by)
    async with node.begin() as work:
        if any(line.kind == "finding.notice" for line in await work.ledger.of_case(find.case_ref)):
            raise AlreadySentError("this finding was sent")
        left = await leave([draft], node, work, by=By(by.person, by.actor))
        if not isinstance(left, Held):
            await _file(left[0], work, node)
            if find.office is not None:
                await work.work_items.move(ExchangeKey(node.us, left[0].message.message_id), find.office)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return FindingSent(draft.message_id or MessageId(""), left if isinstance(left, Held) else None)


async def _file(prepared: Prepared, work: UnitOfWork, node: Capabilities) -> None:
    message = prepared.message
    entry = CaseEntry(
        thread_id=message.thread_id,
        kind="finding-sent",
        peer=message.recipient,
        opened_by=message.message_id,
        state="sent",
        alias=message.case_alias,
        folio=None,
        opened_at=node.clock.now(),
    )
    await work.cases.open([entry])


def _draft(find: Find, node: Capabilities, by: Worker) -> Draft:
    said = _OF_RECORD.get(str(find.record.type))
    if said is None:
        raise NotPermittedError(f"a {find.record.type} record is nobody who was found")
    now = node.clock.now()
    to = addressee(node.trust(), Role.SEARCH_MECHANISM, now)
    why = said.purpose, find.basis
    body = FindingNoticeBody(
        kind=said.kind,
        authority=find.authority,
        country=find.country,
        received_at=int(find.received_at.timestamp()),
        sender_reference=find.sender_reference,
    )
    return Draft(
        kind=FindingNotice,
        to=to,
        body=body,
        purpose=said.purpose,
        basis=find.basis,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=find.case_ref,
        records=(find.record,),
        grant=Grant(frozenset(), duty=False, approvals=1),
        deadline=answer_due(node, "finding.notice", to, why, Urgency.NORMAL, find.calendar),
        message_id=node.new_message_id(now),
    )
