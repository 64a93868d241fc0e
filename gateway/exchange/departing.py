"""Messages that wait before they leave, and how they go (SPEC 18.2 to 18.4); what people do with them: `releasing`.

What was shown to a person is kept, sealed, byte for byte as it will be signed. When it may leave it is weighed once more:
if anything else would leave than what people agreed to, it does not, and they look again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from contracts.alike import release_slot
from contracts.codec import encode_object, parse_object
from contracts.errors import ClockWrongError, ExchangeError, NotPermittedError, TrustStaleError
from contracts.ids import Code, MessageId
from contracts.messages import CaseStatus
from contracts.threads import exchange_of
from contracts.walls import WALL_HELD
from gateway.exchange import attachments
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey, HeldText, HoldState
from gateway.exchange.gate import (
    NO_CASE,
    SOFTWARE,
    WAITING_WALLS,
    By,
    Persons,
    Weighed,
    built_of,
    known_of,
    names_of,
    of_no_case,
    refuse_walls,
    standing_walls,
    texts_of,
    weigh,
)
from gateway.exchange.handing_over import handed_over
from gateway.exchange.noticing import note_waiting
from gateway.exchange.parcels import Parcel, content_of, open_kept, pack, rebuilt
from gateway.exchange.ports import CaseEntry, Nudge, UnitOfWork
from gateway.exchange.ports.departures import Departure, DepartureState, PersonRef
from gateway.exchange.submit import Built, Draft, Prepared, enqueue, kind_of, seal_signed, sign_built

SLOTTED = frozenset({"search.response", "disclosure.grant"})
"""Answers whose time would tell who or what made them: they leave at a slot, and so does whatever else answers a question."""
PATIENCE_SECONDS = 600
PERIOD_SECONDS = 600
STALE = timedelta(days=1)
"""A message that waited longer is made anew, with a new id and time, before it leaves."""
SHOWN_FOR = timedelta(days=1)
DUE_AT_ONCE = 50
LOOK_AGAIN = "look-again"
ONCE = "finding.notice"
"""Said once of a case, and never again."""
TAKEN = frozenset({"referral.offer", "referral.accept"})
"""Who says it has the work from then on."""
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


class AlreadySentError(NotPermittedError):
    """This very finding left before, its ledger says to whom; or it waits for a person already."""

    advice = "Véanse `paradero finding list --all` y `paradero hold list`."


class ContentChangedError(NotPermittedError):
    """Something else would leave now than what people agreed to: a consent, the policy or a rule changed meanwhile."""

    advice = "Descártelo con `paradero hold drop` y prepare la respuesta otra vez."


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
    cases = {names_of(draft) for draft in drafts}
    await work.departures.serialise({name for names in cases for name in names})
    now = node.clock.now()
    known = {names: await known_of(names, work, now) for names in cases}
    books = [NO_CASE if of_no_case(draft) else known[names_of(draft)] for draft in drafts]
    return tuple(weigh(draft, book, persons, node, now) for draft, book in zip(drafts, books, strict=True)), now


def slot_of(drafts: Sequence[Draft], asked_at: int | None, now: datetime) -> datetime | None:
    """Return when these may leave at the earliest; None: whenever nothing stands in the way."""
    if asked_at is None and not any(kind_of(draft) in SLOTTED for draft in drafts):
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
    office: Code | None = None,
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
        kind=kind_of(first),
        in_reply_to=first.in_reply_to,
        content=parcel.content,
        sealed=await node.bodies.seal_draft(first.thread_id, departure_id, pack(parcel)),
        waits=tuple(sorted(waits)),
        leaves_at=leaves_at,
        drafted_by=by.person,
        actor=by.actor,
        made_at=now,
        office=office,
    )
    await work.departures.put(departure)
    persons = Persons(by.person)
    if state is DepartureState.WAITING:
        await hold_texts(departure, weighed, built, persons, node, work)
    return departure


async def hold_texts(
    departure: Departure,
    weighed: Sequence[Weighed],
    built: Sequence[Built],
    persons: Persons,
    node: Capabilities,
    work: UnitOfWork,
) -> None:
    """Keep the free texts of what waits for whoever reads them next, and let it be known that it waits."""
    now = node.clock.now()
    if not WAITING_WALLS.isdisjoint(departure.waits):
        await note_waiting(departure, work, now)
    held = []
    for number, (item, message) in enumerate(zip(weighed, built, strict=True)):
        for place, text in enumerate(texts_of(item, message, persons, node)):
            name = f"{number}.{place}"
            data = encode_object({"place": name, "text": text})
            sealed = await node.bodies.seal_draft(departure.thread_id, departure.id, data)
            held.append(HeldText(departure.id, name, departure.thread_id, sealed, now))
    if WALL_HELD in departure.waits:
        await work.holds.hold(held)


async def send(
    built: Sequence[Built], node: Capabilities, work: UnitOfWork, *, person: PersonRef, office: Code | None
) -> Sequence[Prepared]:
    """Sign and seal exactly what was built, and put it into the outbox of this transaction, with its books.

    What it begins is the work of `office`; what `person` offers or accepts is theirs.

    Raises:
        AlreadySentError: it is a finding that was sent before.
    """
    now = node.clock.now()
    await _refuse_told(built, work)
    prepared = await seal_signed([sign_built(item, node, now) for item in built], node)
    await enqueue(prepared, work, now=now)
    await work.cases.open([_finding(item, now) for item in prepared if item.message.type == ONCE])
    for item in prepared:
        await _give(item, node, work, person=person, office=office)
    await attachments.left(built, work)
    return prepared


def _finding(prepared: Prepared, now: datetime) -> CaseEntry:
    """A finding is a case from when it leaves, however long it waited for a second person; one that is there stays."""
    message = prepared.message
    return CaseEntry(
        thread_id=message.thread_id,
        kind="finding-sent",
        peer=message.recipient,
        opened_by=message.message_id,
        state="sent",
        alias=message.case_alias,
        folio=None,
        opened_at=now,
    )


async def told_before(case_ref: str, work: UnitOfWork) -> bool:
    """Return whether the finding of a case of ours has left."""
    return any(line.kind == ONCE for line in await work.ledger.of_case(case_ref))


async def _refuse_told(built: Sequence[Built], work: UnitOfWork) -> None:
    """A finding is told once, whoever prepared it how often: a family must not be asked twice about one body."""
    for item in built:
        if item.message.type == ONCE and await told_before(item.case_key, work):
            raise AlreadySentError("this finding was sent")


async def _give(prepared: Prepared, node: Capabilities, work: UnitOfWork, *, person: PersonRef, office: Code | None) -> None:
    message = prepared.message
    if isinstance(message, CaseStatus) and message.in_reply_to is not None and message.deadline is not None:
        until = datetime.fromtimestamp(message.deadline, UTC)  # they were told that our answer takes longer
        await work.exchanges.set_deadline(ExchangeKey(message.recipient, message.in_reply_to), message.recipient, until)
    named = exchange_of(message)
    if named is None:
        return
    opens = named[1] == message.message_id
    key = ExchangeKey(node.us if opens else message.recipient, named[1])
    if opens and office is not None:
        await work.work_items.move(key, office)
    if message.type in TAKEN and person != SOFTWARE:
        await work.work_items.take(key, person, now=node.clock.now())


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
        nudge(node)
    return left


async def _leave_one(departure_id: MessageId, node: Capabilities) -> bool:
    try:
        async with node.begin() as work:
            departure = await work.departures.find(departure_id)
            if departure is None or departure.state is not DepartureState.WAITING:
                return False
            return not isinstance(await advance(departure, node, work), Held)
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


async def advance(departure: Departure, node: Capabilities, work: UnitOfWork) -> Sequence[Prepared] | Held:
    """Weigh what waits once more, by what is so now; let it go, or say what it still waits for."""
    parcel = await open_kept(departure, node)
    approved = await work.departures.approvers(departure.id, departure.content)
    texts = await _texts(departure, node, work)
    persons = Persons(departure.drafted_by, approved, frozenset(text for text, state in texts if state is HoldState.RELEASED))
    weighed, now = await weigh_all(parcel.drafts, persons, node, work)
    contents = tuple(content_of(item.draft, item.extracts) for item in weighed)
    if contents != parcel.contents:
        raise ContentChangedError("something else would leave than what was agreed to")
    built = [rebuilt(parcel, number, item, node) for number, item in enumerate(weighed)]
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
        sealed = await node.bodies.seal_draft(departure.thread_id, departure.id, pack(again))
        departure = replace(departure, sealed=sealed, leaves_at=slot)
    if slot is not None and now < slot:
        return await _keep(departure, work, waits=())
    prepared = await send(built, node, work, person=departure.drafted_by, office=departure.office)
    await work.departures.end(departure.id, DepartureState.LEFT, now=now)
    await _move_cases(prepared, work, node)
    return prepared


async def _move_cases(prepared: Sequence[Prepared], work: UnitOfWork, node: Capabilities) -> None:
    """Note that what a case began with is no longer held here."""
    cases = await work.cases.find([item.message.thread_id for item in prepared])
    told = [thread for thread, case in cases.items() if case.kind == "report-sent" and case.state == "acknowledged"]
    if told:
        await handed_over(told, work, node)
    for item in prepared:
        case = cases.get(item.message.thread_id)
        if case is not None and case.opened_by == item.message.message_id and case.state == HELD_CASE:
            await work.cases.set_state(case.thread_id, state="sent")


async def _keep(departure: Departure, work: UnitOfWork, *, waits: tuple[str, ...]) -> Held:
    await work.departures.put(replace(departure, waits=waits))
    return Held(departure.id, waits, departure.leaves_at, departure.content)


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


def nudge(node: Capabilities) -> None:
    """Wake whoever delivers and whoever keeps the log; after the commit."""
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
