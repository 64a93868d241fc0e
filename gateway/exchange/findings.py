"""Findings sent by an officer: remains, an unidentified patient, a detained person. Is a family looking? (SPEC 19.4)

They leave through the gate: remains and possible children wait for a second person. The acknowledgement says only that the
notice arrived, and under which reference; never how many families may be looking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from contracts.calendars import OfficeCalendar
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId
from contracts.messages import FindingKind, FindingNotice, FindingNoticeBody, Urgency
from contracts.register import Role
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import answer_due
from gateway.exchange.departing import ONCE, AlreadySentError, told_before
from gateway.exchange.desk import FINDING_BASIS, IDENTIFY, LOCATE, addressee
from gateway.exchange.leaving import Held, leave, show
from gateway.exchange.ports import Nudge
from gateway.exchange.ports.departures import Departure
from gateway.exchange.reading import read
from gateway.exchange.searching import FieldsWanted, ask_fields
from gateway.exchange.submit import Draft, Prepared
from gateway.exchange.work import NoSuchWorkError, Worker

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


PURPOSES: Mapping[str, Code] = MappingProxyType({record: said.purpose for record, said in _OF_RECORD.items()})
"""What a finding is told for, by the record of who was found."""


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
        AlreadySentError: this finding left before, or waits for a second person.
        OutOfTurnError: it left and was not acknowledged yet.
    """
    draft = _draft(find, node, by)
    async with node.begin() as work:
        await work.departures.serialise([find.case_ref])
        if await work.departures.prepared(find.case_ref, ONCE) or await told_before(find.case_ref, work):
            raise AlreadySentError("this finding was sent, or waits for a second person")
        left = await leave([draft], node, work, by=by.by, office=find.office)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return FindingSent(draft.message_id or MessageId(""), left if isinstance(left, Held) else None)


async def show_finding(find: Find, node: Capabilities, *, by: Worker) -> Departure:
    """Build the notice and keep it until whoever looks at it confirms it (`releasing.confirm`); nothing is sent.

    Raises:
        NotPermittedError, WallError, AlreadySentError: as `send_finding`.
    """
    async with node.begin() as work:
        if await work.departures.prepared(find.case_ref, ONCE) or await told_before(find.case_ref, work):
            raise AlreadySentError("this finding was sent, or waits for a second person")
    departure, _, _ = await show([_draft(find, node, by)], node, by=by.by, office=find.office)
    return departure


async def ask_more(
    finding: MessageId,
    fields: tuple[Code, ...],
    reason: Code,
    node: Capabilities,
    *,
    by: Worker,
    calendar: OfficeCalendar | None,
) -> Prepared | Held:
    """Ask whoever told of a finding for fields of it, in the same thread: those that decide, and no more.

    Raises:
        NoSuchWorkError: no finding of that id came that they may see.
        WallError, NotPermittedError: these fields may not be asked for there.
    """
    brought = await read(finding, node, by=by)
    message = brought.message
    if not isinstance(message, FindingNotice) or not brought.claims:
        raise NoSuchWorkError("no finding")
    wanted = FieldsWanted(
        to=message.sender,
        record_type=Code(brought.claims[0][0]),
        fields=fields,
        reason=reason,
        purpose=message.purpose,
        basis=message.basis,
        case_ref=str(message.thread_id),
        thread_id=message.thread_id,
        calendar=calendar,
    )
    return await ask_fields(wanted, node, by=by.by)


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
        deadline=answer_due(node, "finding.notice", to, why, Urgency.NORMAL, find.calendar),
        message_id=node.new_message_id(now),
    )
