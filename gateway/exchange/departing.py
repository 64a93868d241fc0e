"""Messages that wait before they leave, and what people and the clock do with them (SPEC 18.2 to 18.4).

What was shown to a person is kept, sealed, byte for byte as it will be signed. When it may leave it is weighed once more:
if anything else would leave than what people agreed to, it does not, and they look again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import ceil
from typing import Any

from contracts.codec import decode_message, encode_object, parse_object
from contracts.consents import RelativeId
from contracts.disclosure import Extract, SourceRecord
from contracts.errors import ClockWrongError, ExchangeError, MessageConflictError, NotPermittedError, TrustStaleError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import MESSAGE_TYPES
from contracts.walls import WALL_HELD, release_slot
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import HeldText, HoldState
from gateway.exchange.gate import (
    By,
    Persons,
    Weighed,
    built_of,
    known_of,
    pseudonym,
    refuse_walls,
    standing_walls,
    texts_of,
    weigh,
)
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.ports.departures import Departure, DepartureState
from gateway.exchange.submit import Built, Draft, Prepared, enqueue, rests_of, seal_signed, sign_built

SLOTTED = frozenset({"search.response", "disclosure.grant"})
"""Answers whose time would tell who or what made them: they leave at a slot."""
PATIENCE_SECONDS = 600
PERIOD_SECONDS = 600
STALE = timedelta(days=1)
"""A message that waited longer is made anew, with a new id and time, before it leaves."""
SHOWN_FOR = timedelta(days=1)
DUE_AT_ONCE = 50
UNCONFIRMED = "confirmation"
LOOK_AGAIN = "look-again"
HELD_CASE = "held"
"""The state of a case whose first message waits here."""


@dataclass(frozen=True, slots=True)
class Held:
    """Messages that wait: for what (names of walls), until when at least, under which id people find them."""

    id: MessageId
    waits: tuple[str, ...]
    leaves_at: datetime | None
    content: str


class NoSuchDepartureError(NotPermittedError):
    """Nothing of that id waits here (any more)."""

    advice = "Véase `paradero hold list`."


class RestoringError(NotPermittedError):
    """Our books were restored, and the addressee has not said yet what it had from us: it might be said twice."""

    advice = "Espere a que el par conteste, o `paradero backup give-up NODO`; `paradero status` lo muestra."


class ContentChangedError(NotPermittedError):
    """Something else would leave now than what people agreed to: a consent, the policy or a rule changed meanwhile."""

    advice = "Descártelo con `paradero hold drop` y prepare la respuesta otra vez."


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is in a departure: drafts, what was built of them, and when the question came that they answer."""

    drafts: tuple[Draft, ...]
    payloads: tuple[bytes, ...]
    contents: tuple[bytes, ...]
    asked_at: int | None

    @property
    def content(self) -> str:
        """What people agree to: everything in the messages but ids and times."""
        return sha256(b"\n".join(self.contents)).hexdigest()


async def weigh_all(
    drafts: Sequence[Draft], persons: Persons, node: Capabilities, work: UnitOfWork
) -> tuple[tuple[Weighed, ...], datetime]:
    """Weigh drafts by what the books know now, with nobody else changing it meanwhile.

    Raises:
        RestoringError: whether this was said before a restore is not known until its addressee has answered.
    """
    unsettled = await work.restores.unsettled()
    if unsettled is None or not unsettled.isdisjoint(draft.to for draft in drafts):
        raise RestoringError("the peer has not said yet what it had from us before the restore")
    await work.departures.serialise(draft.case_key for draft in drafts)
    now = node.clock.now()
    known = {ref: await known_of(ref, work, now) for ref in {draft.case_key for draft in drafts}}
    return tuple(weigh(draft, known[draft.case_key], persons, node, now) for draft in drafts), now


def slot_of(drafts: Sequence[Draft], asked_at: int | None, now: datetime) -> datetime | None:
    """Return when these may leave at the earliest; None: whenever nothing stands in the way."""
    if not any(_kind(draft) in SLOTTED for draft in drafts):
        return None
    ready = ceil(now.timestamp())
    asked = ready if asked_at is None else asked_at  # of a question we know nothing about, count from now
    slot = release_slot(asked_at=asked, ready_at=ready, patience=PATIENCE_SECONDS, period=PERIOD_SECONDS)
    return datetime.fromtimestamp(slot, UTC)


async def hold(  # noqa: PLR0913 - what a departure is made of
    weighed: Sequence[Weighed],
    built: Sequence[Built],
    node: Capabilities,
    work: UnitOfWork,
    *,
    by: By,
    waits: Sequence[str],
    leaves_at: datetime | None,
    asked_at: int | None,
    state: DepartureState,
) -> Departure:
    """Keep messages that cannot leave yet, and their free texts for whoever reads them."""
    now = node.clock.now()
    drafts = tuple(item.draft for item in weighed)
    contents = tuple(content_of(item.draft, item.extracts) for item in weighed)
    parcel = Parcel(drafts, tuple(item.payload for item in built), contents, asked_at)
    first, departure_id = drafts[0], node.new_message_id(now)
    departure = Departure(
        id=departure_id,
        state=state,
        thread_id=first.thread_id,
        case_ref=first.case_key,
        peer=first.to,
        kind=_kind(first),
        in_reply_to=first.in_reply_to,
        content=parcel.content,
        sealed=await node.bodies.seal_draft(first.thread_id, departure_id, _pack(parcel)),
        waits=tuple(sorted(waits)),
        leaves_at=leaves_at,
        drafted_by=by.person,
        actor=by.actor,
        made_at=now,
    )
    await work.departures.put(departure)
    persons = Persons(by.person)
    if state is DepartureState.WAITING:
        await _hold_texts(departure, weighed, built, persons, node, work)
    return departure


async def _hold_texts(
    departure: Departure,
    weighed: Sequence[Weighed],
    built: Sequence[Built],
    persons: Persons,
    node: Capabilities,
    work: UnitOfWork,
) -> None:
    now = node.clock.now()
    held = []
    for number, (item, message) in enumerate(zip(weighed, built, strict=True)):
        for place, text in enumerate(texts_of(item, message, persons, node)):
            name = f"{number}.{place}"
            data = encode_object({"place": name, "text": text})
            sealed = await node.bodies.seal_draft(departure.thread_id, departure.id, data)
            held.append(HeldText(departure.id, name, departure.thread_id, sealed, now))
    if WALL_HELD in departure.waits:
        await work.holds.hold(held)


async def send(built: Sequence[Built], node: Capabilities, work: UnitOfWork) -> Sequence[Prepared]:
    """Sign and seal exactly what was built, and put it into the outbox of this transaction, with its books."""
    now = node.clock.now()
    prepared = await seal_signed([sign_built(item, node, now) for item in built], node)
    await enqueue(prepared, work, now=now)
    return prepared


# -- what people do -----------------------------------------------------------------------------------------------------


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
        if departure.in_reply_to is not None and await work.departures.answers_to(departure.in_reply_to):
            raise NotPermittedError("another answer to it waits already")
        # Whoever took longer to decide than the slot allowed gets a later one, like everybody.
        waiting = replace(departure, state=DepartureState.WAITING, waits=departure.waits or (UNCONFIRMED,))
        await work.departures.put(waiting)
        parcel = await _open(waiting, node)
        weighed, _ = await weigh_all(parcel.drafts, Persons(by.person), node, work)
        built = [_rebuilt(parcel, number, item, node) for number, item in enumerate(weighed)]
        await _hold_texts(waiting, weighed, built, Persons(by.person), node, work)
        result = await _advance(waiting, node, work)
    _nudge(node)
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
        result = await _advance(departure, node, work)
    _nudge(node)
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
            result = await _advance(departure, node, work)
    _nudge(node)
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
    _nudge(node)


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
    return departure, await _open(departure, node), texts


# -- what the clock does ---------------------------------------------------------------------------------------------


async def leave_due(node: Capabilities) -> int:
    """Let go what waited for its slot alone, each in a transaction of its own; return how many went.

    What may not leave any more waits for a person, who is told.
    """
    now = node.clock.now()
    if node.timekeeper.skew() is not None:
        return 0
    async with node.begin() as work:
        await work.departures.drop_shown(before=now - SHOWN_FOR, now=now)
        due = await work.departures.due(now=now, limit=DUE_AT_ONCE)
    left = 0
    for departure_id in due:
        left += await _leave_one(departure_id, node)
    if left:
        _nudge(node)
    return left


async def _leave_one(departure_id: MessageId, node: Capabilities) -> bool:
    try:
        async with node.begin() as work:
            departure = await work.departures.find(departure_id)
            if departure is None or departure.state is not DepartureState.WAITING:
                return False
            return not isinstance(await _advance(departure, node, work), Held)
    except (TrustStaleError, ClockWrongError, RestoringError):
        return False  # nothing may leave now; it waits as it is
    except ExchangeError:
        # A consent was withdrawn, a wish expressed, the policy changed, the thread erased: somebody must look, and nothing
        # leaves meanwhile. One that cannot leave holds up nobody else's.
        async with node.begin() as work:
            departure = await work.departures.find(departure_id)
            if departure is not None and departure.state is DepartureState.WAITING:
                await work.departures.put(replace(departure, waits=(LOOK_AGAIN,)))
            await work.alarms.raise_("leaving-stopped", subject=str(departure_id), now=node.clock.now())
        return False


async def _advance(departure: Departure, node: Capabilities, work: UnitOfWork) -> Sequence[Prepared] | Held:
    """Weigh what waits once more, by what is so now; let it go, or say what it still waits for."""
    parcel = await _open(departure, node)
    approved = await work.departures.approvers(departure.id, departure.content)
    texts = await _texts(departure, node, work)
    persons = Persons(departure.drafted_by, approved, frozenset(text for text, state in texts if state is HoldState.RELEASED))
    weighed, now = await weigh_all(parcel.drafts, persons, node, work)
    contents = tuple(content_of(item.draft, item.extracts) for item in weighed)
    if contents != parcel.contents:
        raise ContentChangedError("something else would leave than what was agreed to")
    built = [_rebuilt(parcel, number, item, node) for number, item in enumerate(weighed)]
    waits = frozenset(
        name for item, message in zip(weighed, built, strict=True) for name in _standing(item, message, persons, node)
    )
    if waits:
        return await _keep(departure, work, waits=tuple(sorted(waits)))
    return await _go(departure, parcel, weighed, built, node, work, now)


async def _go(
    departure: Departure,
    parcel: Parcel,
    weighed: Sequence[Weighed],
    built: Sequence[Built],
    node: Capabilities,
    work: UnitOfWork,
    now: datetime,
) -> Sequence[Prepared] | Held:
    slot = departure.leaves_at
    if slot is not None and departure.waits and now > slot:  # a person took longer than the first slot allowed
        slot = slot_of(parcel.drafts, parcel.asked_at, now)
    moved = slot != departure.leaves_at
    if moved or now - _issued(built[0]) > STALE:
        built = [built_of(item, node, slot or now) for item in weighed]
        again = replace(parcel, payloads=tuple(item.payload for item in built))
        sealed = await node.bodies.seal_draft(departure.thread_id, departure.id, _pack(again))
        departure = replace(departure, sealed=sealed, leaves_at=slot)
    if slot is not None and now < slot:
        return await _keep(departure, work, waits=())
    prepared = await send(built, node, work)
    await work.departures.end(departure.id, DepartureState.LEFT, now=now)
    await _move_cases(prepared, work)
    return prepared


async def _move_cases(prepared: Sequence[Prepared], work: UnitOfWork) -> None:
    """Note that what a case began with is no longer held here."""
    cases = await work.cases.find([item.message.thread_id for item in prepared])
    for item in prepared:
        case = cases.get(item.message.thread_id)
        if case is not None and case.opened_by == item.message.message_id and case.state == HELD_CASE:
            await work.cases.set_state(case.thread_id, state="sent")


async def _keep(departure: Departure, work: UnitOfWork, *, waits: tuple[str, ...]) -> Held:
    await work.departures.put(replace(departure, waits=waits))
    return Held(departure.id, waits, departure.leaves_at, departure.content)


async def _waiting(departure_id: MessageId, work: UnitOfWork) -> Departure:
    departure = await work.departures.find(departure_id)
    if departure is None or departure.state is not DepartureState.WAITING:
        raise NoSuchDepartureError("nothing of that id waits")
    return departure


async def _texts(departure: Departure, node: Capabilities, work: UnitOfWork) -> Sequence[tuple[str, HoldState]]:
    return [(await text_of(item, departure.id, node), item.state) for item in await work.holds.of_message(departure.id)]


async def text_of(item: HeldText, departure_id: MessageId, node: Capabilities) -> str:
    """Return a held text, opened, for whoever decides on it."""
    opened = parse_object(await node.bodies.open_draft(item.thread_id, departure_id, item.sealed))
    if opened["place"] != item.place:
        raise NoSuchDepartureError("a held text of another place")
    return str(opened["text"])


def _standing(weighed: Weighed, built: Built, persons: Persons, node: Capabilities) -> tuple[str, ...]:
    standing = standing_walls(weighed, built.message, persons, node)
    refuse_walls(standing)
    return standing


def _issued(built: Built) -> datetime:
    return datetime.fromtimestamp(built.message.issued_at, UTC)


def _rebuilt(parcel: Parcel, number: int, weighed: Weighed, node: Capabilities) -> Built:
    """Return what was built, from its own bytes."""
    payload = parcel.payloads[number]
    manifests = tuple(item.manifest for item in weighed.extracts)
    claims = tuple(item.claims for item in weighed.extracts)
    rests = rests_of(weighed.draft, weighed.extracts, node)
    return Built(decode_message(payload), payload, manifests, claims, weighed.draft.case_key, rests)


def _leaf(outcome: str, departure: Departure, by: By, node: Capabilities) -> Any:
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


def _nudge(node: Capabilities) -> None:
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)


def _kind(draft: Draft) -> str:
    return str(draft.kind.model_fields["type"].default)


# -- what is in a departure ------------------------------------------------------------------------------------------


def content_of(draft: Draft, extracts: Sequence[Extract]) -> bytes:
    """Return everything a message says but its ids and times: what people agree to."""
    told = _draft_told(draft)
    told["records"] = [
        {
            "type": str(record.type),
            "claims": dict(item.claims),
            "disclosed": [[entry.field, entry.form.value, entry.rule] for entry in item.manifest.disclosed],
        }
        for record, item in zip(draft.records, extracts, strict=True)
    ]
    return encode_object(told)


def _draft_told(draft: Draft) -> dict[str, Any]:
    body = draft.body.model_dump(mode="json", by_alias=True, exclude_none=True)  # type: ignore[attr-defined] # a WireModel
    told = {
        "kind": _kind(draft),
        "to": str(draft.to),
        "body": body,
        "purpose": str(draft.purpose),
        "basis": str(draft.basis),
        "thread": str(draft.thread_id),
        "re": None if draft.in_reply_to is None else str(draft.in_reply_to),
        "deadline": None if draft.deadline is None else int(draft.deadline.timestamp()),
    }
    return {name: value for name, value in told.items() if value is not None}


def _pack(parcel: Parcel) -> bytes:
    found: dict[str, Any] = {
        "drafts": [_packed(draft) for draft in parcel.drafts],
        "payloads": [item.decode() for item in parcel.payloads],
        "contents": [item.decode() for item in parcel.contents],
    }
    if parcel.asked_at is not None:
        found["asked_at"] = parcel.asked_at
    return encode_object(found, limit=16 * 1024 * 1024)


def _packed(draft: Draft) -> dict[str, Any]:
    own = {
        "actor": str(draft.actor),
        "case": draft.case_key,
        "records": [{"type": str(item.type), "values": dict(item.values)} for item in draft.records],
        "about": [{"type": str(item.type), "values": dict(item.values)} for item in draft.about],
        "finder_released": draft.finder_released,
        "message_id": None if draft.message_id is None else str(draft.message_id),
        "asked": None if draft.asked is None else sorted(draft.asked),
        "reporter": None if draft.reporter is None else str(draft.reporter),
    }
    return _draft_told(draft) | {name: value for name, value in own.items() if value is not None}


async def _open(departure: Departure, node: Capabilities) -> Parcel:
    data = await node.bodies.open_draft(departure.thread_id, departure.id, departure.sealed)
    found = parse_object(data, limit=16 * 1024 * 1024, depth=24)
    return Parcel(
        drafts=tuple(_unpacked(item) for item in found["drafts"]),
        payloads=tuple(item.encode() for item in found["payloads"]),
        contents=tuple(item.encode() for item in found["contents"]),
        asked_at=found.get("asked_at"),
    )


def _unpacked(found: Mapping[str, Any]) -> Draft:
    kind = MESSAGE_TYPES[found["kind"]]
    body = kind.model_fields["body"].annotation
    deadline, asked = found.get("deadline"), found.get("asked")
    return Draft(
        kind=kind,
        to=NodeId(found["to"]),
        body=body.model_validate_json(encode_object(found["body"])),  # type: ignore[union-attr] # each class has a body model
        purpose=Code(found["purpose"]),
        basis=Code(found["basis"]),
        actor=ActorPseudonym(found["actor"]),
        thread_id=ThreadId(found["thread"]),
        case_key=found["case"],
        records=tuple(SourceRecord(item["type"], item["values"]) for item in found["records"]),
        about=tuple(SourceRecord(item["type"], item["values"]) for item in found["about"]),
        finder_released=found["finder_released"],
        in_reply_to=MessageId(found["re"]) if "re" in found else None,
        deadline=None if deadline is None else datetime.fromtimestamp(deadline, UTC),
        message_id=MessageId(found["message_id"]) if "message_id" in found else None,
        asked=None if asked is None else frozenset(asked),
        reporter=RelativeId(found["reporter"]) if "reporter" in found else None,
    )
