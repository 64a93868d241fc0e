"""Terms: counted in an office's working time, kept, and told of when they come near or pass (SPEC 19.3).

Each is told once: the row that says so is written in the transaction of the alarm. A clock that jumped tells nobody anything.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from contracts.calendars import CalendarError, OfficeCalendar
from contracts.errors import NotPermittedError
from contracts.ids import Code, NodeId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import Urgency
from contracts.policy import Counting, Deny
from gateway.exchange.assigning import term_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.noticing import late as late_notice
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.work_ports import Notice, Term, WorkItem

AT_ONCE = 100
NEAR = "deadline-near"
PASSED = "deadline-passed"
IGNORED = "deadline-ignored"
ADDRESSEES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {NEAR: ("whoever-has-it",), PASSED: ("office-head",), IGNORED: ("data-protection", "node-admin")}
)
"""For whom each alarm is, as roles of people are called: who has the work; its head; a day later who answers for the node."""
USUAL_HOURS = 72
"""Where a flow names no deadline and its message must have one."""

CalendarOf = Callable[[Code | None], Awaitable[OfficeCalendar | None]]
"""Returns when an office works; None where there is no such office, or its holidays are not known: then hours just pass."""


def moment_after(
    start: datetime,
    hours: int,
    calendar: OfficeCalendar | None,
    *,
    urgency: str | None = None,
    counting: Counting = Counting.OPENING,
) -> datetime:
    """Return when `hours` are over, as the policy counts them. Where a life is at risk, nothing waits.

    Where the holidays are not known the hours just pass: sooner than they should is the safe side.
    """
    moment = start + timedelta(hours=hours)
    if calendar is None or urgency == Urgency.LIFE_AT_RISK or counting is Counting.ELAPSED:
        return moment
    try:
        if counting is Counting.WORKING and hours > 0:
            return calendar.deadline(start, timedelta(hours=hours))
        return calendar.next_working_moment(moment)
    except CalendarError:
        return moment


def due_by_policy(
    node: Capabilities,
    kind: str,
    to: NodeId,
    why: tuple[Code, Code],
    urgency: Urgency,
    calendar: OfficeCalendar | None,
) -> datetime | None:
    """Return when the answer to a message of ours is due, by the flow that lets it go; None where it names no hours.

    `why` is its purpose and its basis; `calendar` is of the office that waits for the answer.

    Raises:
        NotPermittedError: no flow lets it go, or the recipient is no member.
    """
    hours, counting = _allowed(node, kind, to, why, urgency)
    return None if hours is None else moment_after(node.clock.now(), hours, calendar, urgency=urgency, counting=counting)


def answer_due(
    node: Capabilities,
    kind: str,
    to: NodeId,
    why: tuple[Code, Code],
    urgency: Urgency,
    calendar: OfficeCalendar | None,
) -> datetime:
    """Return what `due_by_policy` does, and after the usual hours where the flow names none: for what must name a moment.

    Raises:
        NotPermittedError: as `due_by_policy`.
    """
    hours, counting = _allowed(node, kind, to, why, urgency)
    hours = USUAL_HOURS if hours is None else hours
    return moment_after(node.clock.now(), hours, calendar, urgency=urgency, counting=counting)


def _allowed(
    node: Capabilities, kind: str, to: NodeId, why: tuple[Code, Code], urgency: Urgency
) -> tuple[int | None, Counting]:
    """Return the hours the flow of a message of ours gives for its answer, and how they run."""
    trust = node.trust()
    if to not in trust.members:
        raise NotPermittedError("the recipient is no member of the federation")
    roles = trust.member(node.us).role, trust.member(to).role
    decision = node.tightened(trust.policy).decide(kind, *roles, *why)
    if isinstance(decision, Deny):
        raise NotPermittedError(f"rule {decision.rule}: {decision.reason}")
    return trust.policy.deadline_hours(decision.rule, urgency), trust.policy.counting(decision.rule)


async def deadline_turn(node: Capabilities, calendar_of: CalendarOf) -> bool:
    """Count the terms that came with no moment, then tell of those that come near or passed; True when there may be more."""
    if node.timekeeper.skew() is not None:
        return False
    async with node.begin() as work:
        fresh = await work.work_items.unscheduled(limit=AT_ONCE)
    for item in fresh:
        term = counted(item, await calendar_of(item.office), _counting(item, node))
        async with node.begin() as work:
            await work.work_items.schedule(item.key, term)
    async with node.begin() as work:
        await work.work_items.settle(now=node.clock.now())
        for item, due in await work.work_items.postponed(limit=AT_ONCE):
            await work.work_items.schedule(item.key, term_of(item.opened_at, due, due))
    told = await _tell(Notice.OVERSIGHT, IGNORED, node)
    told += await _tell(Notice.ESCALATION, PASSED, node)  # first: what passed needs no word that it comes near
    told += await _tell(Notice.REMINDER, NEAR, node)
    return len(fresh) == AT_ONCE or told >= AT_ONCE


def counted(item: WorkItem, calendar: OfficeCalendar | None, counting: Counting = Counting.OPENING) -> Term:
    """Return the term of an item whose answer may take so many hours."""
    hours = item.hours or 0
    how: dict[str, Any] = {"urgency": item.urgency, "counting": counting}
    due = moment_after(item.opened_at, hours, calendar, **how)
    escalate = moment_after(item.opened_at, max(hours, item.escalate_hours or 0), calendar, **how)
    return term_of(item.opened_at, due, escalate)


def _counting(item: WorkItem, node: Capabilities) -> Counting:
    """Return how the hours of what came run, by the flow that let it come; a policy without it counts as usual."""
    trust = node.trust()
    if item.peer not in trust.members:
        return Counting.OPENING
    roles = trust.member(item.peer).role, trust.member(node.us).role
    decision = trust.policy.decide(item.kind, *roles, item.purpose, item.basis)
    return Counting.OPENING if isinstance(decision, Deny) else trust.policy.counting(decision.rule)


async def _tell(notice: Notice, code: str, node: Capabilities) -> int:
    now = node.clock.now()
    async with node.begin() as work:
        late = await work.work_items.late(notice, now=now, limit=AT_ONCE)
        for item in late:
            if item.due is not None and await work.work_items.told(item.key, notice, item.due, now=now):
                await _raise(code, item, work, node, now=now)
                if (news := late_notice(notice, item, now)) is not None:
                    await work.notices.add([news])
    if late:
        node.nudge(Nudge.LOG)
    return len(late)


async def _raise(code: str, item: WorkItem, work: UnitOfWork, node: Capabilities, *, now: datetime) -> None:
    # A term that was moved is another one, and so is what is told of it: its moment is part of the alarm's name.
    subject = f"{item.key.opening} {item.due:%Y-%m-%dT%H:%MZ}"
    await work.alarms.raise_(code, subject=subject, now=now, peer=item.peer)
    fields = LeafFields(
        at=int(now.timestamp()),
        event=LeafEvent.ADMIN,
        peer=item.peer,
        message_id=item.key.opening,
        kind=item.kind,
        detail=code,
        outcome=item.office or "unassigned",
    )
    await work.audit.stage([node.leaves.leaf(fields)])
