"""The inbox of work: filing what comes in, what news does to a term, taking, passing on and ending it (SPEC 19)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.errors import NotPermittedError
from contracts.ids import ActorPseudonym, Code, MessageId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import CaseMessage
from gateway.exchange.assigning import Roles, work_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.gate import By
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.work_ports import WorkItem


class NoSuchWorkError(NotPermittedError):
    """Nothing here is named so, or it is not this person's to see."""


class WorkTakenError(NotPermittedError):
    """Somebody has it, or it is done. The first counts."""


@dataclass(frozen=True, slots=True)
class Worker:
    """The person who acts on work: their id (one person, one id), what leaves call them, and the offices they work at.

    `unclaimed`: one of their offices takes what came for nobody in particular; `known` are the offices that are open.
    """

    person: str
    actor: ActorPseudonym
    offices: frozenset[Code]
    unclaimed: bool = False
    known: frozenset[Code] = frozenset()

    @property
    def by(self) -> By:
        """Who acts, apart from where they work."""
        return By(self.person, self.actor)

    def sees(self, office: Code | None) -> bool:
        """Return whether work of this office is theirs to see. What is at an office that is not there is nobody's."""
        return office in self.offices or (self.unclaimed and (office is None or office not in self.known))


async def file_work(messages: Sequence[CaseMessage], work: UnitOfWork, node: Capabilities, *, now: datetime) -> None:
    """File what handled messages ask of people.

    In the transaction in which they are handled: nothing that was receipted and handled is missing from the inbox.
    """
    trust, items = node.trust(), []
    offices = await work.work_items.offices_of([message.thread_id for message in messages])
    for message in messages:
        if message.sender not in trust.members:
            continue
        roles = Roles(trust.member(message.sender).role, trust.member(node.us).role, trust.policy)
        office = offices.get(message.thread_id) or node.assignments.office_for(message)
        if (item := work_of(message, roles, us=node.us, office=office, now=now)) is not None:
            items.append(item)
    await work.work_items.file(items)


# -- what people do with it ------------------------------------------------------------------------------------------


async def take_work(opening: MessageId, node: Capabilities, *, by: Worker) -> WorkItem:
    """Say that a person has it. Asking again for what one has changes nothing.

    Raises:
        NoSuchWorkError: there is none of that name that they may see.
        WorkTakenError: somebody else has it; nothing changed.
    """
    now = node.clock.now()
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
        if item.person == by.person:
            return item
        if not await work.work_items.take(item.key, by.person, now=now):
            raise WorkTakenError("somebody has it already")
        await _log("work.take", item, work, node, by=by)
    node.nudge(Nudge.LOG)
    return item


async def give_work(opening: MessageId, to: Worker, node: Capabilities, *, by: Worker, reason: Code | None = None) -> WorkItem:
    """Give it to a person who works at its office, whoever has it now.

    Raises:
        NoSuchWorkError: there is none of that name that both may see.
        WorkTakenError: it is done.
    """
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
        if not to.sees(item.office):
            raise NoSuchWorkError("who is to have it does not work there")
        if not await work.work_items.give(item.key, to.person, now=node.clock.now()):
            raise WorkTakenError("it is done")
        await _log(_with(f"work.give {to.actor}", reason), item, work, node, by=by)
    node.nudge(Nudge.LOG)
    return item


async def move_work(
    opening: MessageId, office: Code, node: Capabilities, *, by: Worker, reason: Code | None = None
) -> WorkItem:
    """Pass it on to another office of this institution; nobody there has it yet.

    Raises:
        NoSuchWorkError: there is none of that name that they may see, or no such office.
    """
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
        if office not in by.known:
            raise NoSuchWorkError("no such office")
        await work.work_items.move(item.key, office)
        await _log(_with(f"work.move {office}", reason), item, work, node, by=by)
    node.nudge(Nudge.LOG)
    return item


async def end_work(opening: MessageId, node: Capabilities, *, by: Worker) -> WorkItem:
    """Say that there is nothing left to do about it.

    Raises:
        NoSuchWorkError: there is none of that name that they may see.
        WorkTakenError: a word is still awaited, or it was done.
    """
    now = node.clock.now()
    async with node.begin() as work:
        item = await find_work(opening, work, by=by)
        found = await work.exchanges.lock([item.key], now=now)
        # A correction is taken over, not answered: the copy it replaces goes with its thread, and is accounted for then.
        awaited = item.kind != "correction" and item.key in found and found[item.key].exchange.awaited is not None
        if awaited:
            raise WorkTakenError("a word is still awaited")
        if not await work.work_items.end(item.key, now=now):
            raise WorkTakenError("it was done")
        await _log("work.end", item, work, node, by=by)
    node.nudge(Nudge.LOG)
    return item


async def find_work(opening: MessageId, work: UnitOfWork, *, by: Worker) -> WorkItem:
    """Return the item of an opening message.

    Raises:
        NoSuchWorkError: none, or not theirs to see: which of the two, nobody is told. Or two peers used one id.
    """
    found = [item for item in await work.work_items.find(opening) if by.sees(item.office)]
    if len(found) != 1:
        raise NoSuchWorkError("no such work")
    return found[0]


def _with(detail: str, reason: Code | None) -> str:
    return detail if reason is None else f"{detail} {reason}"


async def _log(detail: str, item: WorkItem, work: UnitOfWork, node: Capabilities, *, by: Worker) -> None:
    fields = LeafFields(
        at=int(node.clock.now().timestamp()),
        event=LeafEvent.ADMIN,
        peer=item.peer,
        message_id=item.key.opening,
        kind=item.kind,
        actor=by.actor,
        detail=detail,
    )
    await work.audit.stage([node.leaves.leaf(fields)])
