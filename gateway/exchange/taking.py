"""A family's report from a desk of this node: handed to the search mechanism at once, or, where this node is that, a case here.

Nobody sends themselves a message: a report to the search mechanism's own desk is filed with its folio and kept sealed, and the
notice about a child leaves in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.codec import encode_object, parse_object
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import check_stated
from contracts.ids import MessageId, ThreadId
from contracts.policy.model import RETAIN_DAYS
from contracts.register import Role
from gateway.exchange.acts import note_act
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.desk import AFTER_RESTORE, DeskRow, RowResult, duty_draft, minor_of, send_rows
from gateway.exchange.filing import REPORT_PREFIX, folio_year
from gateway.exchange.gate import By
from gateway.exchange.handing_over import handed_over
from gateway.exchange.ports import CaseEntry, ImportedRow, Nudge, UnitOfWork
from gateway.exchange.ports.drafts import TakenReport
from gateway.exchange.submit import Prepared, enqueue, seal_signed, sign_draft
from gateway.exchange.told_at_desk import write_down

_LONGEST = 256 * 1024


def takes_here(node: Capabilities) -> bool:
    """Return whether this node is where reports go."""
    return node.trust().member(node.us).role is Role.SEARCH_MECHANISM


def kept_for(node: Capabilities) -> timedelta:
    """Return how long such a report is kept: as long as one that another institution hands over."""
    flows = [flow for flow in node.trust().policy.flows if "report.transfer" in flow.kinds]
    return timedelta(days=max((flow.retain_days or RETAIN_DAYS for flow in flows), default=RETAIN_DAYS))


async def outlived_threads(work: UnitOfWork, node: Capabilities, now: datetime, *, limit: int) -> Sequence[ThreadId]:
    """Return threads whose time to be kept is over: of messages, and of reports that were taken here."""
    taken = await work.taken_reports.outlived(before=now - kept_for(node), now=now, limit=limit)
    return [*await work.erasures.outlived(now=now, limit=limit), *taken]


async def take_report(row: DeskRow, node: Capabilities, *, by: By) -> RowResult:
    """Take one report, wholly or not at all; the same row once more is a duplicate and does nothing.

    Raises:
        SentBeforeError: its form was sent, or discarded.
        ClockWrongError: our clock jumped; it would carry the wrong time.
    """
    if takes_here(node):
        return await _take_here(row, node, by)
    [result] = await send_rows([row], node, actor=by.actor, person=by.person)
    return result


async def known_report(key: bytes, node: Capabilities) -> ThreadId | None:
    """Return the thread of a report that was taken under this key."""
    async with node.begin() as work:
        found = (await work.imports.known([key])).get(key)
    return None if found is None else found.thread_id


async def _take_here(row: DeskRow, node: Capabilities, by: By) -> RowResult:
    node.timekeeper.check()
    _check(row, node)
    now = node.clock.now()
    thread, report = node.new_thread_id(now), node.new_message_id(now)
    told = []
    if minor_of(row, now) != "no":
        told = [sign_draft(duty_draft(row, report, str(thread), node, by.actor, now), node, now)]
    notices = await seal_signed(told, node)
    sealed = await node.bodies.seal_draft(thread, report, _packed(row))
    async with node.begin() as work:
        known = (await work.imports.known([row.key])).get(row.key)
        if known is not None:
            return RowResult(row.row, "duplicate", ("already-sent",), known.thread_id)
        unsettled = await work.restores.unsettled()
        if notices and (unsettled is None or notices[0].message.recipient in unsettled):
            return RowResult(row.row, "rejected", (AFTER_RESTORE,))
        await _store(TakenReport(thread, report, row.office, by.actor, sealed, now), row, notices, work, node)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    kinds = tuple(item.message.type for item in notices)
    return RowResult(row.row, "imported", (), thread, tuple(item.message.message_id for item in notices), kinds)


async def _store(report: TakenReport, row: DeskRow, notices: Sequence[Prepared], work: UnitOfWork, node: Capabilities) -> None:
    now, thread = report.taken_at, report.thread_id
    await write_down(row.told, str(thread), work, node, actor=report.actor)
    await enqueue(notices, work, now=now)
    await handed_over([item.message.thread_id for item in notices], work, node)
    [folio] = await work.cases.next_folios(REPORT_PREFIX, folio_year(now), 1)
    await work.cases.open([CaseEntry(thread, "report", node.us, report.message_id, "received", None, folio, now)])
    await work.taken_reports.add(report)
    ids = tuple(item.message.message_id for item in notices)
    await work.imports.add([ImportedRow(row.source, row.row, row.key, "imported", (), thread, ids)], now=now)
    await note_act(f"report.taken {folio}", work, node, actor=report.actor)


def _check(row: DeskRow, node: Capabilities) -> None:
    for record in row.records:
        known = node.trust().policy.fields_of(str(record.type))
        if any(name not in known or not check_stated(known[name].kind, value) for name, value in record.values.items()):
            raise NotPermittedError("the record has a field or value the dictionary does not know")


def _packed(row: DeskRow) -> bytes:
    told = {
        "channel": row.channel.value,
        "language": row.language,
        "records": [{"type": str(item.type), "values": dict(item.values)} for item in row.records],
    }
    return encode_object(told, limit=_LONGEST)


async def taken_records(thread_id: ThreadId, node: Capabilities) -> tuple[SourceRecord, ...] | None:
    """Return what a family told this node itself, where it takes reports; None for any other thread.

    Raises:
        ThreadErasedError: it was erased, or is blocked.
    """
    async with node.begin() as work:
        report = await work.taken_reports.find(thread_id)
    if report is None:
        return None
    return await records_told(thread_id, report.message_id, report.sealed, node)


async def records_told(
    thread_id: ThreadId, message_id: MessageId, sealed: bytes, node: Capabilities
) -> tuple[SourceRecord, ...]:
    """Return what is sealed in a report that was taken here.

    Raises:
        ThreadErasedError: it was erased, or is blocked.
    """
    data = await node.bodies.open_draft(thread_id, message_id, sealed)
    return tuple(SourceRecord(item["type"], item["values"]) for item in parse_object(data, limit=_LONGEST)["records"])
