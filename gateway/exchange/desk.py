"""From an institution's own rows to messages: a family's report to the MBMID, a finding to the MBMID, a child to the PGN.

A report about a person who is, or may be, under 18 and the duty notice to child protection enter the outbox in one
transaction: nothing can stop the one without the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice

from contracts.disclosure import Grant, SourceRecord
from contracts.errors import ExchangeError, NotPermittedError
from contracts.fields import RecordType
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.messages import (
    CaseMessage,
    Channel,
    DutyNotice,
    DutyNoticeBody,
    FindingKind,
    FindingNotice,
    FindingNoticeBody,
    ReportTransfer,
    ReportTransferBody,
)
from contracts.minors import minority
from contracts.register import Role
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import CaseEntry, ImportedRow, Nudge, UnitOfWork
from gateway.exchange.submit import Draft, Prepared, Signed, enqueue, seal_signed, sign_draft
from keys.register.state import Standing, TrustState

LOCATE = Code("locate-missing")
IDENTIFY = Code("identify-remains")
PROTECT = Code("protect-child")
REPORT_BASIS = Code("gt:mbmid:traslado-inmediato")
FINDING_BASIS = Code("gt:codigo-migracion:198-207")
DUTY_BASIS = Code("gt:alba-keneth:8")
ALBA_KENETH = Code("alba-keneth")
TOGETHER = 25
AFTER_RESTORE = "restoring:peer-has-not-answered"
"""Whether this row was sent before the restore is known once its addressee has answered; then it is tried again."""

_GUATEMALA = timezone(timedelta(hours=-6))


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


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row."""

    row: int
    outcome: str
    reasons: tuple[str, ...]
    thread_id: ThreadId | None = None
    message_ids: tuple[MessageId, ...] = ()
    kinds: tuple[str, ...] = ()


async def send_rows(rows: Sequence[DeskRow], node: Capabilities, *, actor: ActorPseudonym) -> list[RowResult]:
    """Turn rows into messages in the outbox, each row wholly or not at all; return one result per row, in order."""
    results: list[RowResult] = []
    for start in range(0, len(rows), TOGETHER):
        results += await _send_some(rows[start : start + TOGETHER], node, actor)
    return results


async def _send_some(rows: Sequence[DeskRow], node: Capabilities, actor: ActorPseudonym) -> list[RowResult]:
    node.timekeeper.check()
    signed = [_signed(row, node, actor) for row in rows]
    sealed = iter(await seal_signed([message for messages, _ in signed for message in messages], node))
    results: list[RowResult] = []
    fresh: list[_Fresh] = []
    async with node.begin() as work:
        known = {key: row.thread_id for key, row in (await work.imports.known([row.key for row in rows])).items()}
        known |= await _known_to_peers(rows, signed, work)
        unsettled = await work.restores.unsettled()
        for row, (messages, refusal) in zip(rows, signed, strict=True):
            own = tuple(islice(sealed, len(messages)))
            if refusal is not None:
                results.append(RowResult(row.row, "rejected", (refusal,)))
                continue
            if row.key in known:
                results.append(RowResult(row.row, "duplicate", ("already-sent",), known[row.key]))
                continue
            if unsettled is None or any(message.message.recipient in unsettled for message in own):
                results.append(RowResult(row.row, "rejected", (AFTER_RESTORE,)))
                continue
            item = _Fresh(row, own)
            known[row.key] = item.first.thread_id
            fresh.append(item)
            results.append(item.result())
        await _store(fresh, work, node.clock.now())
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return results


async def _known_to_peers(
    rows: Sequence[DeskRow], signed: Sequence[tuple[Sequence[Signed], str | None]], work: UnitOfWork
) -> dict[bytes, ThreadId | None]:
    """Return rows whose case is here without its row: a peer gave it back after a restore, and its alias is the row's own."""
    keys = {
        row.key: (messages[0].message.recipient, alias)
        for row, (messages, _) in zip(rows, signed, strict=True)
        if messages and (alias := messages[0].message.case_alias) is not None
    }
    found = await work.cases.with_aliases(list(keys.values()))
    return {key: found[alias] for key, alias in keys.items() if alias in found}


def _signed(row: DeskRow, node: Capabilities, actor: ActorPseudonym) -> tuple[Sequence[Signed], str | None]:
    """Return all messages of a row, signed; or none, and the reason."""
    now = node.clock.now()
    try:
        return [sign_draft(draft, node, now) for draft in row_drafts(row, node, actor, now)], None
    except ExchangeError as error:
        return (), f"refused:{error.code.value}"


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A row that was never sent, and its messages: they enter the outbox together."""

    row: DeskRow
    messages: Sequence[Prepared]

    @property
    def first(self) -> CaseMessage:
        return self.messages[0].message

    def result(self) -> RowResult:
        ids = tuple(item.message.message_id for item in self.messages)
        kinds = tuple(item.message.type for item in self.messages)
        return RowResult(self.row.row, "imported", (), self.first.thread_id, ids, kinds)

    def case(self, now: datetime) -> CaseEntry:
        return CaseEntry(
            thread_id=self.first.thread_id,
            kind="report-sent" if isinstance(self.first, ReportTransfer) else "finding-sent",
            peer=self.first.recipient,
            opened_by=self.first.message_id,
            state="sent",
            alias=self.first.case_alias,
            folio=None,
            opened_at=now,
        )

    def imported(self) -> ImportedRow:
        result = self.result()
        return ImportedRow(self.row.source, result.row, self.row.key, "imported", (), result.thread_id, result.message_ids)


async def _store(fresh: Sequence[_Fresh], work: UnitOfWork, now: datetime) -> None:
    await enqueue([message for item in fresh for message in item.messages], work, now=now)
    await work.cases.open([item.case(now) for item in fresh])
    await work.imports.add([item.imported() for item in fresh], now=now)


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
    trust = node.trust()
    minor = minority(row.records[0].values, now.astimezone(_GUATEMALA).date())
    case_key = row.key.hex()
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
    duty = Draft(
        kind=DutyNotice,
        to=addressee(trust, Role.CHILD_PROTECTION, now),
        body=DutyNoticeBody(duty=ALBA_KENETH, age_known=minor == "yes", transfer=transfer.message_id),
        purpose=PROTECT,
        basis=DUTY_BASIS,
        actor=actor,
        thread_id=node.new_thread_id(now),
        case_key=case_key,
        records=row.records,
        grant=Grant(frozenset(), duty=True, approvals=1),
    )
    return transfer, duty


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
