"""From an institution's own rows to messages: a family's report to the MBMID, a finding to the MBMID, a child to the PGN.

A report about a person who is, or may be, under 18 and the duty notice to child protection enter the outbox in one
transaction: nothing can stop the one without the other. Both are duties and wait for nobody; but what somebody told in
their own words is held until a person has read it, and follows in a correction. A finding of remains waits for a second
person (SPEC 18.8).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from contracts.calendars import day_in_guatemala
from contracts.disclosure import Grant, SourceRecord
from contracts.errors import ExchangeError, NotPermittedError
from contracts.fields import RecordType, check_stated
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.messages import (
    Channel,
    Correction,
    CorrectionBody,
    DutyNotice,
    DutyNoticeBody,
    FindingKind,
    FindingNotice,
    FindingNoticeBody,
    Minor,
    ReportTransfer,
    ReportTransferBody,
)
from contracts.minors import minority
from contracts.register import Role
from contracts.walls import Carried, narratives
from gateway.exchange.assigning import Roles, work_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import HELD_CASE
from gateway.exchange.gate import SOFTWARE, By
from gateway.exchange.handing_over import handed_over
from gateway.exchange.leaving import leave
from gateway.exchange.ports import CaseEntry, ImportedRow, Nudge, UnitOfWork
from gateway.exchange.ports.departures import PersonRef
from gateway.exchange.presented import record_id_of
from gateway.exchange.submit import Draft, Prepared, Signed, enqueue, kind_of, preview, seal_signed, sign_draft
from gateway.exchange.told_at_desk import Told, write_down
from keys.register.state import Standing, TrustState

LOCATE = Code("locate-missing")
IDENTIFY = Code("identify-remains")
PROTECT = Code("protect-child")
REPORT_BASIS = Code("gt:mbmid:traslado-inmediato")
FINDING_BASIS = Code("gt:codigo-migracion:198-207")
DUTY_BASIS = Code("gt:alba-keneth:8")
ALBA_KENETH = Code("alba-keneth")
TOGETHER = 25
TEXT_HELD = "text-held"
SECOND_PERSON = "needs-second-person"
AFTER_RESTORE = "restoring:peer-has-not-answered"
"""Whether this row was sent before the restore is known once its addressee has answered; then it is tried again."""

_AGREED = Grant(frozenset(), duty=True, approvals=2)
"""To find out what would leave once a second person has agreed; what does leave rests on `gateway.exchange.gate`."""


@dataclass(frozen=True, slots=True)
class DeskRow:
    """One row of a source, ready to leave. `key` is a keyed digest of its content: a second import sends nothing twice."""

    source: str
    row: int
    key: bytes
    records: tuple[SourceRecord, ...]
    office: Code
    channel: Channel
    language: str
    """BCP 47, the reporter's."""
    authority: Code | None = None
    country: str | None = None
    """For findings: the competent authority, and its country (ISO 3166-1 alpha-2)."""
    told: Told = field(default_factory=Told)
    """For reports: what was said beside the records."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row."""

    row: int
    outcome: str
    reasons: tuple[str, ...]
    thread_id: ThreadId | None = None
    message_ids: tuple[MessageId, ...] = ()
    kinds: tuple[str, ...] = ()


async def send_rows(
    rows: Sequence[DeskRow], node: Capabilities, *, actor: ActorPseudonym, person: PersonRef = SOFTWARE
) -> list[RowResult]:
    """Turn rows into messages in the outbox, each row wholly or not at all; return one result per row, in order.

    `person` is who looked at the rows and sends them: the first of the two persons that findings need.
    """
    results: list[RowResult] = []
    for start in range(0, len(rows), TOGETHER):
        results += await _send_some(rows[start : start + TOGETHER], node, By(person, actor))
    return results


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a row becomes: messages that leave at once, drafts that wait for a person, or a refusal and nothing else."""

    signed: Sequence[Signed] = ()
    waiting: Sequence[Draft] = ()
    refusal: str | None = None

    @property
    def recipients(self) -> frozenset[NodeId]:
        """Whom it is for."""
        return frozenset((*(item.message.recipient for item in self.signed), *(draft.to for draft in self.waiting)))


async def _send_some(rows: Sequence[DeskRow], node: Capabilities, by: By) -> list[RowResult]:
    node.timekeeper.check()
    ready = [_ready(row, node, by.actor) for row in rows]
    sealed = iter(await seal_signed([message for item in ready for message in item.signed], node))
    results: list[RowResult] = []
    fresh: list[_Fresh] = []
    async with node.begin() as work:
        known = {key: row.thread_id for key, row in (await work.imports.known([row.key for row in rows])).items()}
        known |= await _known_to_peers(rows, ready, work, node)
        unsettled = await work.restores.unsettled()
        for row, item in zip(rows, ready, strict=True):
            own = tuple(islice(sealed, len(item.signed)))
            if item.refusal is not None:
                results.append(RowResult(row.row, "rejected", (item.refusal,)))
                continue
            if row.key in known:
                results.append(RowResult(row.row, "duplicate", ("already-sent",), known[row.key]))
                continue
            if unsettled is None or item.recipients & unsettled:
                results.append(RowResult(row.row, "rejected", (AFTER_RESTORE,)))
                continue
            entry = _Fresh(row, own, item.waiting)
            known[row.key] = entry.thread_id
            fresh.append(entry)
            results.append(entry.result())
        await _store(fresh, work, node, by)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return results


async def _known_to_peers(
    rows: Sequence[DeskRow], ready: Sequence[_Ready], work: UnitOfWork, node: Capabilities
) -> dict[bytes, ThreadId | None]:
    """Return rows whose case is here without its row: a peer gave it back after a restore, and its alias is the row's own."""
    keys = {
        row.key: (peer, node.pseudonyms.case_alias(row.key.hex(), peer))
        for row, item in zip(rows, ready, strict=True)
        if (peer := _first_peer(item)) is not None
    }
    found = await work.cases.with_aliases(list(keys.values()))
    return {key: found[alias] for key, alias in keys.items() if alias in found}


def _first_peer(ready: _Ready) -> NodeId | None:
    if ready.signed:
        return ready.signed[0].message.recipient
    return ready.waiting[0].to if ready.waiting else None


def _ready(row: DeskRow, node: Capabilities, actor: ActorPseudonym) -> _Ready:
    """Return all messages of a row, signed, and what of it waits; or the reason why there is nothing."""
    now = node.clock.now()
    try:
        if row.records[0].type == RecordType.UNIDENTIFIED_REMAINS:
            drafts = row_drafts(row, node, actor, now)
            preview(replace(drafts[0], grant=_AGREED), node)  # refused now, or never; its texts wait with it
            return _Ready(waiting=drafts)
        told = replace(row, records=tuple(_without_narratives(record, node) for record in row.records))
        drafts = row_drafts(told, node, actor, now)
        signed = [sign_draft(draft, node, now) for draft in drafts]
        return _Ready(signed, tuple(_followings(row, drafts[0], signed[0], node)))
    except ExchangeError as error:
        return _Ready(refusal=f"refused:{error.code.value}")


def _without_narratives(record: SourceRecord, node: Capabilities) -> SourceRecord:
    held = _narratives(record, node)
    return replace(record, values={name: value for name, value in record.values.items() if name not in held})


def _narratives(record: SourceRecord, node: Capabilities) -> frozenset[str]:
    fields = node.trust().policy.fields_of(str(record.type))
    known = {name: value for name, value in record.values.items() if name in fields}  # of the others `extract` says no
    return narratives(Carried(str(record.type), known, fields))


def _followings(row: DeskRow, draft: Draft, sent: Signed, node: Capabilities) -> Iterator[Draft]:
    """Return what follows the transfer once a person has read it: a record of it again, with what somebody told.

    No field leaves in it that would not have left in the transfer itself, nor any more precise: this node's own
    restrictions do not hold for corrections, and must not be got round by one.
    """
    if not any(_narratives(record, node) for record in row.records):
        return
    whole = preview(replace(draft, records=row.records, grant=_AGREED), node)
    for record, extract, presented in zip(row.records, whole, sent.message.records, strict=True):
        kinds = node.trust().policy.fields_of(str(record.type))
        values = {name: value for name, value in extract.claims.items() if check_stated(kinds[name].kind, value)}
        changed = tuple(Code(name) for name in sorted(_narratives(record, node) & values.keys()))
        following = Draft(
            kind=Correction,
            to=draft.to,
            body=CorrectionBody(replaces=record_id_of(presented), changed=changed),
            purpose=draft.purpose,
            basis=draft.basis,
            actor=draft.actor,
            thread_id=draft.thread_id,
            case_key=draft.case_key,
            records=(SourceRecord(record.type, values),),
            grant=_AGREED,
            finder_released=True,  # nobody was found: who searches reads what the family itself told
        )
        if changed and _may_follow(following, node):
            yield following


def _may_follow(following: Draft, node: Capabilities) -> bool:
    """Return whether the policy has a way for it; where it has none, what was told stays here."""
    try:
        preview(following, node)
    except NotPermittedError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A row that was never sent, and its messages: they enter the outbox together. `waiting` needs a person first."""

    row: DeskRow
    messages: Sequence[Prepared]
    waiting: Sequence[Draft]

    @property
    def thread_id(self) -> ThreadId:
        """The thread of the row's case."""
        return self.messages[0].message.thread_id if self.messages else self.waiting[0].thread_id

    def result(self) -> RowResult:
        if not self.messages:
            kinds = tuple(kind_of(draft) for draft in self.waiting)
            return RowResult(self.row.row, "held", (SECOND_PERSON,), self.thread_id, (), kinds)
        ids = tuple(item.message.message_id for item in self.messages)
        kinds = tuple(item.message.type for item in self.messages)
        return RowResult(self.row.row, "imported", (TEXT_HELD,) if self.waiting else (), self.thread_id, ids, kinds)

    def case(self, node: Capabilities, now: datetime) -> CaseEntry:
        if not self.messages:
            draft = self.waiting[0]
            opened_by, alias = draft.message_id, node.pseudonyms.case_alias(draft.case_key, draft.to)
            if opened_by is None:
                raise NotPermittedError("what waits names its message beforehand")
            return CaseEntry(self.thread_id, "finding-sent", draft.to, opened_by, HELD_CASE, alias, None, now)
        first = self.messages[0].message
        return CaseEntry(
            thread_id=first.thread_id,
            kind="report-sent",
            peer=first.recipient,
            opened_by=first.message_id,
            state="sent",
            alias=first.case_alias,
            folio=None,
            opened_at=now,
        )

    def imported(self) -> ImportedRow:
        result = self.result()
        return ImportedRow(self.row.source, result.row, self.row.key, result.outcome, (), result.thread_id, result.message_ids)


async def _store(fresh: Sequence[_Fresh], work: UnitOfWork, node: Capabilities, by: By) -> None:
    now = node.clock.now()
    messages = [(item, message.message) for item in fresh for message in item.messages]
    await enqueue([message for item in fresh for message in item.messages], work, now=now)
    # A family's report is somebody's to follow until it is acknowledged, and to read out over the telephone when it is not.
    awaited = [
        work_of(message, _roles(message, node), us=node.us, office=item.row.office, now=now)
        for item, message in messages
        if isinstance(message, ReportTransfer)
    ]
    await work.work_items.file([item for item in awaited if item is not None])
    await handed_over([message.thread_id for _, message in messages if isinstance(message, DutyNotice)], work, node)
    await work.cases.open([item.case(node, now) for item in fresh])
    await work.imports.add([item.imported() for item in fresh], now=now)
    for item in fresh:
        await write_down(item.row.told, item.row.key.hex(), work, node, actor=by.actor)
        for draft in item.waiting:
            # What an adapter brought nobody has read, whoever sent the file: a text waits for a person all the same.
            who = by if draft.kind is FindingNotice else By(SOFTWARE, by.actor)
            await leave([draft], node, work, by=who, office=item.row.office)


def _roles(message: ReportTransfer, node: Capabilities) -> Roles:
    trust = node.trust()
    return Roles(trust.member(node.us).role, trust.member(message.recipient).role, trust.policy)


def row_drafts(row: DeskRow, node: Capabilities, actor: ActorPseudonym, now: datetime) -> tuple[Draft, ...]:
    """Return the messages a row becomes: always all of them or none.

    Raises:
        NotPermittedError: no record this desk can send, or an addressee the register does not have.
    """
    main = row.records[0]
    if main.type == RecordType.MISSING_PERSON:
        return _report_drafts(row, node, actor, now)
    if main.type == RecordType.UNIDENTIFIED_REMAINS:
        return (_finding_draft(row, node, actor, now),)
    raise NotPermittedError(f"no flow sends a {main.type} record")


def _report_drafts(row: DeskRow, node: Capabilities, actor: ActorPseudonym, now: datetime) -> tuple[Draft, ...]:
    trust, minor, case_key = node.trust(), minor_of(row, now), row.key.hex()
    body = ReportTransferBody(
        channel=row.channel, received_at=int(now.timestamp()), office=row.office, language=row.language, minor=minor
    )
    transfer = Draft(
        kind=ReportTransfer,
        to=addressee(trust, Role.SEARCH_MECHANISM, now),
        body=body,
        purpose=LOCATE,
        basis=REPORT_BASIS,
        actor=actor,
        thread_id=node.new_thread_id(now),
        case_key=case_key,
        records=row.records,
        message_id=node.new_message_id(now),
    )
    if minor == "no":
        return (transfer,)
    return transfer, duty_draft(row, transfer.message_id, case_key, node, actor, now)


def minor_of(row: DeskRow, now: datetime) -> Minor:
    """Return whether the person of a report may be a child: by every age its record leaves possible, and by what was said."""
    return row.told.minor(minority(row.records[0].values, day_in_guatemala(now)))


def duty_draft(
    row: DeskRow, transfer: MessageId | None, case_key: str, node: Capabilities, actor: ActorPseudonym, now: datetime
) -> Draft:
    """Return the notice to child protection about a report."""
    return Draft(
        kind=DutyNotice,
        to=addressee(node.trust(), Role.CHILD_PROTECTION, now),
        body=DutyNoticeBody(duty=ALBA_KENETH, age_known=minor_of(row, now) == "yes", transfer=transfer),
        purpose=PROTECT,
        basis=DUTY_BASIS,
        actor=actor,
        thread_id=node.new_thread_id(now),
        case_key=case_key,
        records=row.records,
        grant=Grant(frozenset(), duty=True, approvals=1),
    )


def _finding_draft(row: DeskRow, node: Capabilities, actor: ActorPseudonym, now: datetime) -> Draft:
    if row.authority is None or row.country is None:
        raise NotPermittedError("a finding names its competent authority and country")
    return Draft(
        kind=FindingNotice,
        to=addressee(node.trust(), Role.SEARCH_MECHANISM, now),
        body=FindingNoticeBody(
            kind=FindingKind.REMAINS, authority=row.authority, country=row.country, received_at=int(now.timestamp())
        ),
        purpose=IDENTIFY,
        basis=FINDING_BASIS,
        actor=actor,
        thread_id=node.new_thread_id(now),
        case_key=row.key.hex(),
        records=row.records,
        message_id=node.new_message_id(now),
    )


def addressee(trust: TrustState, role: Role, now: datetime) -> NodeId:
    """Return the one node that acts in `role`; a suspended one still is the addressee, its messages wait.

    Raises:
        NotPermittedError: the register has none, or more than one.
    """
    gone = (Standing.LEFT, Standing.REVOKED, Standing.UNKNOWN)
    nodes = [node for node, member in trust.members.items() if member.role is role and trust.standing(node, now) not in gone]
    if len(nodes) != 1:
        raise NotPermittedError(f"the register has {len(nodes)} nodes in the role {role.value}, one is needed")
    return nodes[0]
