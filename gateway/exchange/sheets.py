"""The search sheet: made of what the policy lets everybody see, on the family's consent to publish; it ends by itself, and at
once when the consent does. Paper cannot be called back: the code on it leads to a page that says whether it still holds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from contracts.calendars import day_in_guatemala
from contracts.codec import decode_message, encode_object, parse_object
from contracts.consents import in_force
from contracts.disclosure import SourceRecord
from contracts.errors import MessageConflictError, NotPermittedError, ThreadErasedError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId, ThreadId
from contracts.messages import ReportTransfer
from contracts.minors import minority
from contracts.notices import NoticeType
from contracts.publication import SCOPE, Public, publishable
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.folios import folio_of
from gateway.exchange.gate import By
from gateway.exchange.notice_ports import Notice
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.sheet_ports import Sheet, SheetId, SheetState

LONGEST = timedelta(days=90)
CODE_BYTES = 10
"""80 bits: nobody finds one by trying."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})
LIVE = (SheetState.WAITING, SheetState.VALID)
OVER = frozenset({"closed", "erased"})
"""States of a case in which nobody is looked for any more."""


class NoSuchSheetError(NotPermittedError):
    """There is no sheet of that id, or it has ended."""


class NoSheetError(NotPermittedError):
    """No sheet can be made of this case; `why` is a code."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no sheet: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be on a sheet of a case."""

    thread_id: ThreadId
    case_ref: str
    public: Public
    minor: str
    until: datetime
    """The latest it may end: the policy, the consent and 90 days, whichever comes first."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A sheet as it is printed."""

    sheet: Sheet
    code: str
    values: Mapping[str, Any]


Digest = Callable[[str, bytes], bytes]


async def offer(thread_id: ThreadId, node: Capabilities) -> Offer:
    """Return what may be on a sheet of a case.

    Raises:
        NoSheetError: nothing may, and why.
    """
    now = node.clock.now()
    async with node.begin() as work:
        entry = (await work.cases.find([thread_id])).get(thread_id)
        body = None if entry is None else await work.departures.received_body(entry.opened_by, ["report.transfer"])
        if entry is None or body is None:
            raise NoSheetError("no-report")
        refs = await _refs(thread_id, work)
        events = [event for ref in refs for event in await work.consents.of_case(ref)]
        await _refuse_unfit(refs, work, now)
    kept = await node.bodies.open(body.thread_id, entry.opened_by, body.body)
    message = decode_message(kept.payload)
    record = _sought(message, body.received_at, node) if isinstance(message, ReportTransfer) else None
    if record is None:
        raise NoSheetError("no-report")
    trust, holding = node.trust(), in_force(events, int(now.timestamp()))
    minor = minority(record.values, day_in_guatemala(now))
    try:
        public = publishable(
            record,
            us=trust.member(node.us).role,
            consents=holding,
            minor=minor,
            approvals=2,
            policy=node.tightened(trust.policy),
        )
    except NotPermittedError as error:
        why = str(error)
        raise NoSheetError("consent" if why.startswith("needs:scope") else "policy") from None
    limits = [found.limits.until for (_, scope), found in holding.scopes.items() if scope is SCOPE and found.limits.until]
    longest = min(now + LONGEST, now + timedelta(days=public.keep_days))
    until = min([longest, *(datetime.fromtimestamp(limit, now.tzinfo) for limit in limits)])
    return Offer(thread_id, refs[0], public, minor, until)


async def make(
    thread_id: ThreadId,
    fields: Collection[str],
    days: int,
    node: Capabilities,
    *,
    digest: Digest,
    office: Code | None,
    by: By,
) -> Sheet:
    """Make a sheet of the fields a person chose. One that there was of this case is replaced when this one holds.

    Raises:
        NoSheetError: nothing may be on one, or of what was chosen.
    """
    offered, now = await offer(thread_id, node), node.clock.now()
    values = {name: value for name, value in offered.public.values.items() if name in fields}
    if not values:
        raise NoSheetError("nothing-chosen")
    expires = min(offered.until, now + timedelta(days=days))
    code = new_code(node.randomness.token(CODE_BYTES))
    data = encode_object({"code": code, "values": values})
    sheet_id = SheetId(node.new_message_id(now))
    sheet = Sheet(
        id=sheet_id,
        thread_id=thread_id,
        case_ref=offered.case_ref,
        code=digest("sheet", code.encode()),
        content=sha256(encode_object({"values": values, "until": int(expires.timestamp())})).hexdigest(),
        sealed=await node.bodies.seal_draft(thread_id, sheet_id, data),
        state=SheetState.VALID if offered.public.second is None else SheetState.WAITING,
        drafted_by=by.person,
        actor=by.actor,
        made_at=now,
        expires_at=expires,
        office=office,
    )
    async with node.begin() as work:
        await work.departures.serialise([offered.case_ref])
        await _still(sheet, work, node, now)
        if sheet.state is SheetState.VALID:
            await _replace(sheet, work, now)
        await work.sheets.add(sheet)
        if sheet.state is SheetState.WAITING:
            await work.notices.add([_notice(NoticeType.APPROVAL_WAITING, sheet, now)])
        await note_act(f"sheet.made {sheet.state.value} {sheet.id}", work, node, actor=by.actor, case_ref=sheet.case_ref)
    node.nudge(Nudge.LOG)
    return sheet


async def approve(sheet_id: SheetId, content: str, node: Capabilities, *, by: By) -> None:
    """Note that a second person agrees to exactly this sheet: from now on it may be printed.

    Raises:
        NoSuchSheetError: it does not wait, or this person drafted it.
        MessageConflictError: it is not what this person saw.
        NoSheetError: the consent is gone.
    """
    now = node.clock.now()
    async with node.begin() as work:
        sheet = await work.sheets.find(sheet_id)
        if sheet is None or sheet.state is not SheetState.WAITING or sheet.drafted_by == by.person:
            raise NoSuchSheetError("nothing that this person could approve")
        if sheet.content != content:
            raise MessageConflictError("its content is not what was looked at")
        await work.departures.serialise([sheet.case_ref])
        await _still(sheet, work, node, now)
        await _replace(sheet, work, now)
        await work.sheets.approve(sheet_id, by.person)
        await note_act(f"sheet.approved {sheet.id}", work, node, actor=by.actor, case_ref=sheet.case_ref)
    node.nudge(Nudge.LOG)


async def withdraw(sheet_id: SheetId, reason: Code, node: Capabilities, *, by: By) -> bool:
    """End a sheet; False when it had ended."""
    now = node.clock.now()
    async with node.begin() as work:
        ended = await work.sheets.end([sheet_id], SheetState.WITHDRAWN, reason=str(reason), now=now)
        await work.notices.add([_notice(NoticeType.SHEET_WITHDRAWN, sheet, now) for sheet in ended])
        for sheet in ended:
            await note_act(f"sheet.withdrawn {reason} {sheet.id}", work, node, actor=by.actor, case_ref=sheet.case_ref)
    node.nudge(Nudge.LOG)
    return bool(ended)


async def end_of_case(case_refs: Collection[str], reason: str, work: UnitOfWork, now: datetime) -> Sequence[Sheet]:
    """End every sheet of a case, in the transaction of what ends them; return them."""
    live = await work.sheets.of_cases(case_refs)
    ended = await work.sheets.end([sheet.id for sheet in live], SheetState.WITHDRAWN, reason=reason, now=now)
    await work.notices.add([_notice(NoticeType.SHEET_WITHDRAWN, sheet, now) for sheet in ended])
    return ended


async def opened(sheet_id: SheetId, node: Capabilities) -> Printed:
    """Return a sheet with what is on it.

    Raises:
        NoSuchSheetError: there is none.
        ThreadErasedError: its case was erased.
    """
    async with node.begin() as work:
        sheet = await work.sheets.find(sheet_id)
    if sheet is None:
        raise NoSuchSheetError("no such sheet")
    if not sheet.sealed:
        raise ThreadErasedError("the case of this sheet was erased")
    kept = parse_object(await node.bodies.open_draft(sheet.thread_id, sheet.id, sheet.sealed))
    return Printed(sheet, kept["code"], kept["values"])


def stands(sheet: Sheet, now: datetime) -> SheetState:
    """Return what paper of a sheet is worth now: valid, withdrawn (lapsed counts as that), or replaced."""
    if sheet.state is SheetState.REPLACED:
        return SheetState.REPLACED
    return SheetState.VALID if sheet.state is SheetState.VALID and now < sheet.expires_at else SheetState.WITHDRAWN


def new_code(chance: bytes) -> str:
    """Return a code people can read out: 80 bits in groups of four, without letters that look like others."""
    number = int.from_bytes(chance)
    letters = "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(16)))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def read_code(text: str) -> str | None:
    """Return a code as somebody typed it, written as it stands on the paper; None when it is none."""
    letters = text.upper().translate(_READ)
    if len(letters) != 16 or not set(letters) <= set(_ALPHABET):
        return None
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


# -- inside -----------------------------------------------------------------------------------------------------------


async def _refs(thread_id: ThreadId, work: UnitOfWork) -> Sequence[str]:
    return await work.erasures.case_refs(str(thread_id)) or [str(thread_id)]


async def _refuse_unfit(refs: Sequence[str], work: UnitOfWork, now: datetime) -> None:
    """Refuse where somebody must not see it, or nobody looks for the person any more."""
    barred = await work.holds.never_to(refs)
    if any(barred.values()):
        raise NoSheetError("never-to")  # everybody is among everybody
    wishes = [wish for ref in refs for wish in await work.consents.wishes_of(ref)]
    if any(wish.effective_at <= now.timestamp() for wish in wishes):  # whoever was asked what they want has been found
        raise NoSheetError("located")
    threads = await work.cases.find([ThreadId(ref) for ref in refs if _is_thread(ref)])
    if any(entry.state in OVER for entry in threads.values()):
        raise NoSheetError("closed")


def _is_thread(ref: str) -> bool:
    try:
        ThreadId(ref)
    except ValueError:
        return False
    return True


async def _still(sheet: Sheet, work: UnitOfWork, node: Capabilities, now: datetime) -> None:
    """See to it that the consent holds, and nothing stands against it, in the transaction that makes it valid."""
    refs = await _refs(sheet.thread_id, work)
    await _refuse_unfit(refs, work, now)
    events = [event for ref in refs for event in await work.consents.of_case(ref)]
    held = in_force(events, int(now.timestamp()))
    if not any(scope is SCOPE for _, scope in held.scopes):
        raise NoSheetError("consent")
    node.timekeeper.check()


async def _replace(sheet: Sheet, work: UnitOfWork, now: datetime) -> None:
    live = [other for other in await work.sheets.of_cases([sheet.case_ref]) if other.id != sheet.id]
    valid = [other.id for other in live if other.state is SheetState.VALID]
    await work.sheets.end(valid, SheetState.REPLACED, reason="replaced", now=now)


def _sought(message: ReportTransfer, at: datetime, node: Capabilities) -> SourceRecord | None:
    for item in message.records:
        record = node.opener.verify_record(item.sd_jwt, sender=NodeId(message.sender), at=at)
        if record.record_type == RecordType.MISSING_PERSON:
            return SourceRecord(record.record_type, dict(record.claims))
    return None


def _notice(kind: NoticeType, sheet: Sheet, now: datetime) -> Notice:
    href = f"/api/v1/sheets/{sheet.id}"
    but = sheet.drafted_by if kind is NoticeType.APPROVAL_WAITING else None
    return Notice(kind, str(sheet.id), folio_of("F", str(sheet.id)), href, now, office=sheet.office, but=but)


def with_state(sheet: Sheet, now: datetime) -> Sheet:
    """Return a sheet as it stands now."""
    return sheet if sheet.state is SheetState.WAITING else replace(sheet, state=stands(sheet, now))
