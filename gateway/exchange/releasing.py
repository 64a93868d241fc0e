"""What people do with what waits to leave: confirm what they were shown, agree, release texts, drop (SPEC 18.2 to 18.4)."""

from collections.abc import Sequence
from dataclasses import replace

from contracts.errors import MessageConflictError
from contracts.ids import MessageId
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import HeldText, HoldState
from gateway.exchange.departing import Held, NoSuchDepartureError, advance, hold_texts, nudge, weigh_all
from gateway.exchange.gate import By, Persons, pseudonym
from gateway.exchange.leaving import only_answer
from gateway.exchange.parcels import Parcel, open_kept, rebuilt
from gateway.exchange.ports import StagedLeaf, UnitOfWork
from gateway.exchange.ports.departures import Departure, DepartureState
from gateway.exchange.submit import Prepared

UNCONFIRMED = "confirmation"


async def confirm(departure_id: MessageId, node: Capabilities, *, by: By) -> Sequence[Prepared] | Held:
    """Let go what a person was shown: exactly that, or nothing.

    Raises:
        NoSuchDepartureError: it is not there, has ended, or another person was shown it.
        ContentChangedError, WallError: it would not be the same, or may not leave any more.
    """
    async with node.begin() as work:
        departure = await work.departures.find(departure_id)
        if departure is None or departure.state is not DepartureState.SHOWN or departure.drafted_by != by.person:
            raise NoSuchDepartureError("nothing of that id was shown to this person")
        if departure.in_reply_to is not None:
            await only_answer([departure.in_reply_to], work)
        # Whoever took longer to decide than the slot allowed gets a later one, like everybody.
        waiting = replace(departure, state=DepartureState.WAITING, waits=departure.waits or (UNCONFIRMED,))
        await work.departures.put(waiting)
        parcel = await open_kept(waiting, node)
        weighed, _ = await weigh_all(parcel.drafts, Persons(by.person), node, work)
        built = [rebuilt(parcel, number, item, node) for number, item in enumerate(weighed)]
        await hold_texts(waiting, weighed, built, Persons(by.person), node, work)
        result = await advance(waiting, node, work)
    nudge(node)
    return result


async def approve(departure_id: MessageId, content: str, node: Capabilities, *, by: By) -> Sequence[Prepared] | Held:
    """Note that a person agrees to exactly this content; what was waiting for them alone leaves.

    Raises:
        NoSuchDepartureError: nothing of that id waits.
        MessageConflictError: its content is not what this person saw.
    """
    async with node.begin() as work:
        departure = await _waiting(departure_id, work)
        if departure.content != content:
            raise MessageConflictError("its content is not what was looked at")
        await work.departures.approve(departure_id, content, by.person, now=node.clock.now())
        await work.audit.stage([_leaf("leaving.approved", departure, by, node)])
        result = await advance(departure, node, work)
    nudge(node)
    return result


async def release_text(
    departure_id: MessageId, places: Sequence[str], node: Capabilities, *, by: By, discard: bool = False
) -> Sequence[Prepared] | Held:
    """Let free texts go, or drop the whole message that carries them; the first decision counts.

    Raises:
        NoSuchDepartureError: nothing of that id waits, or one of the texts was decided on before.
    """
    async with node.begin() as work:
        departure = await _waiting(departure_id, work)
        state = HoldState.DISCARDED if discard else HoldState.RELEASED
        now = node.clock.now()
        for place in places:
            if not await work.holds.decide(departure_id, place, state, by=by.actor, now=now):
                raise NoSuchDepartureError("no text of that place waits for a person")
            await work.audit.stage([_leaf(f"leaving.text-{state.value} {place}", departure, by, node)])
        if discard:
            await work.departures.end(departure_id, DepartureState.DROPPED, now=now)
            result: Sequence[Prepared] | Held = Held(departure_id, (), None, departure.content)
        else:
            result = await advance(departure, node, work)
    nudge(node)
    return result


async def drop(departure_id: MessageId, node: Capabilities, *, by: By) -> None:
    """Drop what waits or was shown; nothing of it leaves.

    Raises:
        NoSuchDepartureError: it is not there, or has ended.
    """
    now = node.clock.now()
    async with node.begin() as work:
        departure = await work.departures.find(departure_id)
        if departure is None or not await work.departures.end(departure_id, DepartureState.DROPPED, now=now):
            raise NoSuchDepartureError("nothing of that id waits")
        for item in await work.holds.of_message(departure_id):
            await work.holds.decide(departure_id, item.place, HoldState.DISCARDED, by=by.actor, now=now)
        await work.audit.stage([_leaf("leaving.dropped", departure, by, node)])
    nudge(node)


async def open_parcel(departure_id: MessageId, node: Capabilities) -> tuple[Departure, Parcel, tuple[HeldText, ...]]:
    """Return what waits under an id, opened, for a person to look at.

    Raises:
        NoSuchDepartureError: it is not there, or has ended.
    """
    async with node.begin() as work:
        departure = await work.departures.find(departure_id)
        if departure is None or departure.state in {DepartureState.LEFT, DepartureState.DROPPED}:
            raise NoSuchDepartureError("nothing of that id waits")
        texts = tuple(await work.holds.of_message(departure_id))
    return departure, await open_kept(departure, node), texts


async def drafted(departure_id: MessageId, node: Capabilities, *, by: By) -> Departure:
    """Return what a person drafted, ended or not: ids and codes.

    Raises:
        NoSuchDepartureError: they drafted nothing of that id.
    """
    async with node.begin() as work:
        departure = await work.departures.find(departure_id)
    if departure is None or departure.drafted_by != by.person:
        raise NoSuchDepartureError("nothing of that id was drafted by this person")
    return departure


async def state_of(departure_id: MessageId, node: Capabilities, *, by: By) -> DepartureState | None:
    """Return where what a person drafted stands, ended or not; None when they drafted nothing of that id."""
    async with node.begin() as work:
        departure = await work.departures.find(departure_id)
    return None if departure is None or departure.drafted_by != by.person else departure.state


async def _waiting(departure_id: MessageId, work: UnitOfWork) -> Departure:
    departure = await work.departures.find(departure_id)
    if departure is None or departure.state is not DepartureState.WAITING:
        raise NoSuchDepartureError("nothing of that id waits")
    return departure


def _leaf(outcome: str, departure: Departure, by: By, node: Capabilities) -> StagedLeaf:
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            peer=departure.peer,
            kind=departure.kind,
            outcome=outcome,
            actor=pseudonym(by.person, node),
            detail=str(departure.id),
        )
    )
