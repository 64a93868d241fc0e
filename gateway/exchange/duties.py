"""Duty notices an officer sends, and their end: told to everybody who was told, in one act (E3; SPEC 19.8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import DutyCancel, DutyCancelBody, DutyNotice, DutyNoticeBody
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeEntry
from gateway.exchange.gate import By
from gateway.exchange.holdings import LedgerEntry
from gateway.exchange.leaving import Held, leave, leave_one
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.submit import Draft, Prepared
from gateway.exchange.work import NoSuchWorkError

CANCEL_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What a law makes us tell whom, about which case of ours."""

    to: NodeId
    case_ref: str
    duty: Code
    purpose: Code
    basis: Code
    age_known: bool
    records: tuple[SourceRecord, ...]


async def notify(duty: Duty, node: Capabilities, *, by: By) -> Prepared | Held:
    """Send a duty notice; no consent is asked for, and no second person (SPEC 16.1).

    Raises:
        WallError, NotPermittedError: the policy has no such duty, or a wall stands in the way.
    """
    if duty.to not in node.trust().members:
        raise NotPermittedError("the recipient is no member of the federation")
    now = node.clock.now()
    draft = Draft(
        kind=DutyNotice,
        to=duty.to,
        body=DutyNoticeBody(duty=duty.duty, age_known=duty.age_known),
        purpose=duty.purpose,
        basis=duty.basis,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=duty.case_ref,
        records=duty.records,
        message_id=node.new_message_id(now),
    )
    return await leave_one(draft, node, by=by)


async def told_of(case_ref: str, work: UnitOfWork, node: Capabilities) -> Sequence[ExchangeEntry]:
    """Return the duty notices of ours about a case, oldest first."""
    found = await work.exchanges.of_case(case_ref, "duty")
    return [entry for entry in found if entry.key.opener == node.us]


def ended_by(entry: ExchangeEntry) -> MessageId | None:
    """Return the message that says that a notice of ours is over; None while it stands."""
    return next((item.message_id for item in entry.exchange.said if item.kind == "duty.cancel"), None)


async def cancel(case_ref: str, node: Capabilities, *, by: By) -> Sequence[MessageId]:
    """Tell everybody who was told of a case by duty that it has ended, all in one transaction; why stays here.

    Raises:
        NoSuchWorkError: nobody was told, or all were told that it ended.
    """
    async with node.begin() as work:
        open_ = [entry for entry in await told_of(case_ref, work, node) if entry.exchange.state == "told"]
        # Why it was told stands in the ledger: our own copy of the notice may be a receipt by now.
        lines = {line.message_id: line for line in await work.ledger.of_case(case_ref)}
    standing = [(entry, lines[entry.key.opening]) for entry in open_ if entry.key.opening in lines]
    if not standing:
        raise NoSuchWorkError("no notice of this case stands")
    left = await leave([_cancellation(entry, line, node, by) for entry, line in standing], node, by=by)
    return [] if isinstance(left, Held) else [item.message.message_id for item in left]


async def note_cancelled(message: DutyCancel, node: Capabilities) -> None:
    """Note that a duty has ended, and tell people at once; the signed receipt is the answer. May be called again."""
    now = node.clock.now()
    async with node.begin() as work:
        case = (await work.cases.find([message.thread_id])).get(message.thread_id)
        if case is not None and (case.peer, case.opened_by) == (message.sender, message.body.notice):
            await work.cases.set_state(message.thread_id, state="cancelled")
            await work.alarms.raise_("duty-cancelled", subject=str(message.body.notice), now=now, peer=message.sender)


def _cancellation(entry: ExchangeEntry, line: LedgerEntry, node: Capabilities, by: By) -> Draft:
    return Draft(
        kind=DutyCancel,
        to=entry.peer,
        body=DutyCancelBody(notice=entry.key.opening),
        purpose=line.purpose,
        basis=line.basis,
        actor=by.actor,
        thread_id=entry.thread_id,
        case_key=entry.case_ref,
        deadline=node.clock.now() + CANCEL_WITHIN,
        message_id=node.new_message_id(node.clock.now()),
    )
