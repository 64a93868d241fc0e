"""Erasing, here: what a peer ordered, and what outlived its time (SPEC 20; E6; decision 4).

Two steps, so that a mistake can be seen before it is one. An order blocks at once: nothing of the thread is read or said any
more; a day later its key is destroyed, then the sealed texts go, then the order is answered. What outlived its time is marked
for a day and goes the same way. The eraser stops by itself where the clock cannot be believed or too much would go at once,
and a person lets it go on: a clock that jumped ahead must not be the end of every case.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contracts.codec import decode_message
from contracts.errors import ClockWrongError, ExchangeError, NotPermittedError, ThreadErasedError
from contracts.ids import ActorPseudonym, Code, NodeId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import CaseMessage, ErasureOrder
from gateway.exchange.accounting import account
from gateway.exchange.attachments import clear_erased, sweep
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.drafting import sweep_drafts
from gateway.exchange.erasure_ports import EraserWatch, Erasure, ErasureState, Found, ItemKind, LegalHold, Undated
from gateway.exchange.handing_over import handed_over, reduce_turn
from gateway.exchange.noticing import withdrawn
from gateway.exchange.ports import Nudge, StagedLeaf, UnitOfWork
from gateway.exchange.presented import record_id_of
from gateway.exchange.recalling import recall_turn
from gateway.exchange.taking import outlived_threads

SHRED_AFTER = timedelta(hours=24)
SHRED_BY = timedelta(hours=48)
RECEIPT_BY = timedelta(hours=72)
LONGEST_PAUSE = timedelta(hours=48)
"""Longer than this since the last turn, and a person says that the time is right: what fell due meanwhile would go at once."""
GO_ON_FOR = timedelta(hours=1)
KEPT_UNREAD = timedelta(days=90)
USUAL = 50
"""So many threads may always go in one turn; beyond that one in a hundred of all there are."""
AT_ONCE = 500

CLOCK, PAUSE, VOLUME = "clock-jumped", "long-pause", "unusual-volume"

Scrub = Callable[[], Awaitable[bool]]
"""Takes what was erased out of the main database's files; False when they are too large to do it while the node runs."""


@dataclass(frozen=True, slots=True)
class Outstanding:
    """What one node still has of ours that must come back."""

    copies: int
    attachments: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would go: what waits, with its time; threads that outlived theirs and are not marked yet; why nothing goes now."""

    waiting: Sequence[Erasure]
    outlived: Sequence[ThreadId]
    kept: Sequence[LegalHold]
    attachments: int
    """How many of what waits, and of what outlived its time."""
    out: Mapping[NodeId, Outstanding]
    """What other nodes still have and must erase."""
    watch: EraserWatch
    stops: str | None


# -- a peer's order ------------------------------------------------------------------------------------------------------


async def take_order(message: ErasureOrder, node: Capabilities) -> None:
    """Block at once what a peer orders erased. May be called again: nothing is doubled.

    Only what that peer sent is found. A thread that also holds others' messages keeps its key; of it the peer's own go.
    """
    items: dict[str, ItemKind] = dict.fromkeys(message.body.records, ItemKind.RECORD)
    items |= dict.fromkeys(message.body.messages, ItemKind.MESSAGE)
    async with node.begin() as work:
        found = await work.erasures.find(message.sender, items)
    whole = sorted({where.thread_id for where in found.values() if where.whole})
    await node.bodies.block(whole)  # first: what is on file as blocked is blocked
    now = node.clock.now()
    entries = [_ordered(message, item, kind, found.get(item), now) for item, kind in items.items()]
    async with node.begin() as work:
        await work.erasures.add(entries)
        others = [thread for thread in whole if thread != message.thread_id]
        await work.erasures.end_queued(others, now=now)
        await work.notices.add(withdrawn(await work.notices.asked_in(whole), now) if whole else ())
        await work.audit.stage([_leaf(node, f"erasure.blocked items={len(items)} here={len(found)}", message)])
        await work.alarms.raise_("erasure-ordered", subject=str(message.message_id), now=now, peer=message.sender)
    node.nudge(Nudge.LOG)


def _ordered(message: ErasureOrder, item: str, kind: ItemKind, found: Found | None, now: datetime) -> Erasure:
    return Erasure(
        ordered_by=message.sender,
        order_id=str(message.message_id),
        item=item,
        kind=kind,
        thread_id=None if found is None else found.thread_id,
        whole=found is not None and found.whole,
        reason=message.body.reason.value,
        state=ErasureState.ABSENT if found is None else ErasureState.BLOCKED,
        ordered_at=now,
        shred_at=now + SHRED_AFTER,
        ended_at=now if found is None else None,
    )


async def came_after_its_order(message: CaseMessage, node: Capabilities) -> bool:
    """Block a message whose erasure its sender ordered before it arrived; False for any other. Then nobody handles it."""
    if not message.records:
        return False
    [ordered] = await node.together.do(_ordered_before, [message], node)
    if not ordered:
        return False
    async with node.begin() as work:
        found = await work.erasures.find(message.sender, ordered)
    await node.bodies.block({where.thread_id for where in found.values() if where.whole})
    async with node.begin() as work:
        for item, where in found.items():
            await work.erasures.came_late(message.sender, item, where, shred_at=node.clock.now() + SHRED_AFTER)
    return True


async def _ordered_before(messages: Sequence[CaseMessage], node: Capabilities) -> Sequence[frozenset[str]]:
    """Return of each message what of it is to be erased; one look for all that are handled side by side."""
    items = [[str(message.message_id), *(str(record_id_of(record)) for record in message.records)] for message in messages]
    asked = [(message.sender, item) for message, named in zip(messages, items, strict=True) for item in named]
    async with node.begin() as work:
        known = await work.erasures.ordered_before(asked)
    return [
        frozenset(item for item in named if (message.sender, item) in known)
        for message, named in zip(messages, items, strict=True)
    ]


# -- what a law keeps ----------------------------------------------------------------------------------------------------


async def keep(thread_id: ThreadId, basis: Code, node: Capabilities, *, actor: ActorPseudonym) -> bool:
    """Keep a thread because a law says so, whoever orders it erased; False when one keeps it already.

    Raises:
        NotPermittedError: the policy knows no such basis; a refusal that names none is no reason.
    """
    if basis not in {entry.id for entry in node.trust().policy.bases}:
        raise NotPermittedError("the policy has no such legal basis")
    now = node.clock.now()
    async with node.begin() as work:
        kept = await work.erasures.hold(thread_id, basis, by=actor, now=now)
        if kept:
            await work.audit.stage([_leaf(node, f"erasure.kept {thread_id} {basis}", actor=actor)])
    node.nudge(Nudge.LOG)
    return kept


async def keep_no_longer(thread_id: ThreadId, node: Capabilities, *, actor: ActorPseudonym) -> bool:
    """End that; False when nothing keeps it. An order that was refused is not taken up by itself: its peer orders again."""
    async with node.begin() as work:
        lifted = await work.erasures.lift(thread_id, by=actor, now=node.clock.now())
        if lifted:
            await work.audit.stage([_leaf(node, f"erasure.kept-no-longer {thread_id}", actor=actor)])
    node.nudge(Nudge.LOG)
    return lifted


# -- the eraser ----------------------------------------------------------------------------------------------------------


async def plan(node: Capabilities) -> Plan:
    """Return what would go and when; changes nothing."""
    now = node.clock.now()
    async with node.begin() as work:
        watch = await work.erasures.watch()
        waiting = await work.erasures.waiting(limit=AT_ONCE)
        outlived = await outlived_threads(work, node, now, limit=AT_ONCE)
        due = {item.thread_id for item in waiting if item.shred_at <= now} | set(outlived)
        stops = await _stops(watch, len(due), node, work, now)
        threads = {item.thread_id for item in waiting if item.thread_id is not None} | set(outlived)
        attached = sum((await work.attachments.of_threads(threads)).values())
        kept, out = await work.erasures.kept(limit=AT_ONCE), await _outstanding(work)
        return Plan(waiting, outlived, kept, attached, out, watch, stops)


async def _outstanding(work: UnitOfWork) -> Mapping[NodeId, Outstanding]:
    attached = await work.attachments.outstanding()
    copies = await work.ledger.outstanding()
    return {peer: Outstanding(number, attached.get(peer, 0)) for peer, number in copies.items()}


async def erase_turn(node: Capabilities, scrub: Scrub) -> bool:
    """Do one turn: recall, mark, shred, answer. True when there is more to do at once.

    Nothing is ended by a clock that nobody confirmed; a clock that jumped stops the eraser until a person lets it go on.
    """
    more = await recall_turn(node)
    more = await _date(node) or more
    if not await _may_run(node):
        return False
    due = await _mark_and_find(node)
    if due is None:
        return False
    if due:
        await _shred_due(due, node)
    more = await reduce_turn(node) or more
    await clear_erased(node)  # before anybody is told that all is gone
    await sweep(node)
    await sweep_drafts(node)
    await account(node)
    await _scrub_if_due(node, scrub)
    return more or len(due) == AT_ONCE


async def _date(node: Capabilities) -> bool:
    """Write down how long messages may be kept of which nobody did: as they say themselves, by the policy they name.

    One that does not open says nothing, to anybody: it is kept for a while all the same, in case its key is brought back.
    """
    async with node.begin() as work:
        waiting = await work.erasures.undated(limit=AT_ONCE)
    found = [(item, await _keep_until(item, node)) for item in waiting]
    if found:
        async with node.begin() as work:
            await work.erasures.date(found)
            cases = await work.cases.find(sorted({item.thread_id for item in waiting if item.sent}))
            await handed_over([case.thread_id for case in cases.values() if case.state == "acknowledged"], work, node)
    return len(waiting) >= AT_ONCE


async def _keep_until(item: Undated, node: Capabilities) -> datetime:
    try:
        kept = await node.bodies.open(item.thread_id, item.message_id, item.body)
        return datetime.fromtimestamp(decode_message(kept.payload).use.retain_until, UTC)
    except ThreadErasedError:  # blocked, or gone: its erasure is under way
        return node.clock.now()
    except ExchangeError as error:
        node.complain("keep-until", error)
        return node.clock.now() + KEPT_UNREAD


async def go_on(node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Let the eraser go on for an hour, because a person looked at the plan; with the leaf of the act and of who.

    Raises:
        ClockWrongError: the clock is still not believed: then nobody can let it.
    """
    node.timekeeper.check()
    if not node.timekeeper.sure():
        raise ClockWrongError("no other machine's time agrees with this clock yet")
    now = node.clock.now()
    async with node.begin() as work:
        watch = await work.erasures.watch()
        went_on = replace(watch, last_run=now, stopped=None, stopped_at=None, allowed_until=now + GO_ON_FOR)
        await work.erasures.set_watch(went_on)
        await work.audit.stage([_leaf(node, f"erasure.let-go-on {watch.stopped or 'not-stopped'}", actor=actor)])
    node.nudge(Nudge.LOG)


async def _may_run(node: Capabilities) -> bool:
    if node.timekeeper.skew() is not None:
        await _stop(CLOCK, node)
        return False
    return node.timekeeper.sure()


async def _mark_and_find(node: Capabilities) -> Sequence[Erasure] | None:
    """Mark what outlived its time, and return what is due; None when the eraser stands or must stop."""
    now = node.clock.now()
    async with node.begin() as work:
        watch = await work.erasures.watch()
        if watch.stopped is not None:
            return None
        due = await work.erasures.due(now=now, limit=AT_ONCE)
        outlived = await outlived_threads(work, node, now, limit=AT_ONCE)
        threads = {item.thread_id for item in due} | set(outlived)
        stops = await _stops(watch, len(threads), node, work, now)
        if stops is None:
            await work.erasures.add([_marked(thread, node, now) for thread in outlived])
            await work.erasures.set_watch(replace(watch, last_run=now))
            for peer, order in await work.erasures.unanswered_since(now - SHRED_BY, limit=AT_ONCE):
                await work.alarms.raise_("erasure-late", subject=order, now=now, peer=peer)
    if stops is not None:
        await _stop(stops, node)
        return None
    return due


async def _stops(watch: EraserWatch, threads: int, node: Capabilities, work: UnitOfWork, now: datetime) -> str | None:
    """Return why the eraser must not go on by itself: a clock that moved oddly since its last turn, or too much at once."""
    if watch.stopped is not None or node.timekeeper.skew() is not None:
        return watch.stopped or CLOCK
    if watch.allowed_until is not None and watch.allowed_until - GO_ON_FOR <= now < watch.allowed_until:
        return None
    if watch.last_run is not None and not -timedelta(minutes=15) <= now - watch.last_run <= LONGEST_PAUSE:
        return PAUSE if threads else None
    if threads > USUAL and threads > await work.erasures.threads() // 100:
        return VOLUME
    return None


async def _stop(why: str, node: Capabilities) -> None:
    now = node.clock.now()
    async with node.begin() as work:
        watch = await work.erasures.watch()
        if watch.stopped is not None:
            return
        await work.erasures.set_watch(replace(watch, stopped=why, stopped_at=now))
        await work.audit.stage([_leaf(node, f"erasure.stopped {why}")])
        await work.alarms.raise_("erasure-stopped", subject=f"{why} {now:%Y-%m-%d %H:%M}", now=now)
    node.nudge(Nudge.LOG)


def _marked(thread: ThreadId, node: Capabilities, now: datetime) -> Erasure:
    return Erasure(
        ordered_by=node.us,
        order_id=str(node.new_message_id(now)),
        item=str(thread),
        kind=ItemKind.THREAD,
        thread_id=thread,
        whole=True,
        reason="retention",
        state=ErasureState.MARKED,
        ordered_at=now,
        shred_at=now + SHRED_AFTER,
        answered_at=now,  # nobody waits for word of it
    )


async def _shred_due(due: Sequence[Erasure], node: Capabilities) -> None:
    threads = {item.thread_id for item in due if item.thread_id is not None}
    async with node.begin() as work:
        held = await work.erasures.holds(threads)
    kept = [item for item in due if item.thread_id in held]
    going = [item for item in due if item.thread_id not in held]
    whole = sorted({item.thread_id for item in going if item.whole and item.thread_id is not None})
    # The key first: from here on no copy opens, whatever becomes of the rest. Again after a crash: nothing more happens.
    if whole:
        await node.bodies.destroy(whole)
    await node.bodies.block({thread for thread in held if thread not in whole}, blocked=False)
    now = node.clock.now()
    async with node.begin() as work:
        await work.erasures.end_queued(whole, now=now)
        await work.erasures.empty(whole, now=now)
        for item in going:
            if not item.whole and item.thread_id is not None:
                await work.erasures.empty([item.thread_id], now=now, only_from=item.ordered_by)
                await work.alarms.raise_("erasure-in-shared-thread", subject=item.item, now=now, peer=item.ordered_by)
        await work.erasures.end(going, ErasureState.ERASED, now=now)
        await _refuse(kept, held, work, now)
        reasons = {item.thread_id: item.reason for item in going}
        gone = [_leaf(node, f"thread.erased {thread} {reasons[thread]}") for thread in sorted(reasons, key=str)]
        await work.audit.stage(gone)
        watch = await work.erasures.watch()
        await work.erasures.set_watch(replace(watch, scrub_due=watch.scrub_due or bool(going)))
    node.nudge(Nudge.LOG)


async def _refuse(kept: Sequence[Erasure], held: Mapping[ThreadId, Code], work: UnitOfWork, now: datetime) -> None:
    by_basis: defaultdict[Code, list[Erasure]] = defaultdict(list)
    for item in kept:
        if item.thread_id is not None:
            by_basis[held[item.thread_id]].append(item)
    for basis, items in by_basis.items():
        await work.erasures.end(items, ErasureState.REFUSED, now=now, basis=basis)


async def _scrub_if_due(node: Capabilities, scrub: Scrub) -> None:
    async with node.begin() as work:
        watch = await work.erasures.watch()
    if not watch.scrub_due:
        return
    done = await scrub()
    async with node.begin() as work:
        watch = await work.erasures.watch()
        await work.erasures.set_watch(replace(watch, scrub_due=not done))
        if not done:
            now = node.clock.now()
            await work.alarms.raise_("scrub-waits", subject=f"{now:%Y-%m}", now=now)


def _leaf(
    node: Capabilities, detail: str, order: ErasureOrder | None = None, *, actor: ActorPseudonym | None = None
) -> StagedLeaf:
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            peer=None if order is None else order.sender,
            message_id=None if order is None else order.message_id,
            detail=detail,
            actor=actor,
        )
    )
