"""Which loops a node runs, and what one turn of each does."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.errors import ExchangeError
from contracts.ids import NodeId
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import CalendarOf, deadline_turn
from gateway.exchange.deliver import Pace, bury_expired, deliver_lane, lanes_due
from gateway.exchange.departing import DUE_AT_ONCE, leave_due
from gateway.exchange.dispatch import dispatch_turn
from gateway.exchange.erasing import Scrub, erase_turn
from gateway.exchange.ports import Nudge
from gateway.exchange.receive import UnauthenticatedCounter
from gateway.exchange.reconcile import announce_restore, end_unanswerable
from gateway.exchange.referrals import AT_ONCE, say_owed
from gateway.exchange.timekeeping import spoken
from gateway.telemetry import log
from gateway.workers.collecting import Collector
from gateway.workers.supervision import Loop, Step

EXPIRY_SECONDS = 5.0
ERASE_SECONDS = 60.0
STRANGERS_SECONDS = 60.0
DEADLINES_SECONDS = 20.0
DISPATCH_PACE_SECONDS = 0.005
"""The receipts of what has just arrived leave first: handling commits on the same thread, and nobody waits for that."""
LOG_PACE_SECONDS = 0.1
"""A leaf is durable with its effect; only its index in the tree waits this long, for others to get theirs with it."""


@dataclass(frozen=True, slots=True)
class LogSteps:
    """The audit log's turns (gateway.storage.log and keys.notes, wired by main)."""

    sequence: Callable[[], Awaitable[int]]
    """Give staged leaves their index; return how many."""
    checkpoint: Callable[[datetime], Awaitable[bool]]
    """Sign a checkpoint over durable leaves if one is due; True when one was signed."""
    at_once: int
    """How many leaves one turn moves at most."""


@dataclass(frozen=True, slots=True)
class RegisterSteps:
    """The register's turns (keys.register, wired by main). `resign` only where this node hosts the register."""

    poll: Callable[[], Awaitable[bool]]
    resign: Callable[[], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between turns when nothing wakes a loop."""

    idle: float
    lanes_at_once: int
    checkpoint: float
    poll: float
    resign: float


def node_loops(  # noqa: PLR0913 - what the loops of a node need
    node: Capabilities,
    *,
    owner: str,
    wake: Mapping[Nudge, asyncio.Event],
    strangers: UnauthenticatedCounter,
    log: LogSteps,
    register: RegisterSteps,
    timing: Timing,
    calendar_of: CalendarOf,
    scrub: Scrub,
) -> Sequence[Loop]:
    """Return the loops of one node; `owner` names this process in leases."""
    deliverer = Deliverer(node, owner, timing.lanes_at_once, wake[Nudge.OUTBOX])
    collector = Collector(node, wake[Nudge.ATTACHMENTS])
    loops = [
        Loop("deliver", deliverer.turn, timing.idle, wake[Nudge.OUTBOX], close=deliverer.close),
        Loop("dispatch", _dispatch(node, owner), timing.idle, wake[Nudge.INBOX], pace=DISPATCH_PACE_SECONDS),
        Loop("leave", _leave(node), timing.idle),
        Loop("expire", _expire(node), EXPIRY_SECONDS),
        Loop("log", _log(log, node), min(timing.checkpoint, timing.idle), wake[Nudge.LOG], pace=LOG_PACE_SECONDS),
        Loop("register", register.poll, timing.poll),
        Loop("reconcile", _reconcile(node), EXPIRY_SECONDS),
        Loop("owed", _owed(node), EXPIRY_SECONDS),
        Loop("deadlines", _deadlines(node, calendar_of), DEADLINES_SECONDS),
        Loop("collect", collector.turn, timing.idle, wake[Nudge.ATTACHMENTS], close=collector.close),
        Loop("erase", _erase(node, scrub), ERASE_SECONDS),
        Loop("strangers", _strangers(strangers, node), STRANGERS_SECONDS),
    ]
    if register.resign is not None:
        loops.append(Loop("resign", register.resign, timing.resign))
    return loops


@dataclass(slots=True)
class Deliverer:
    """Serves up to `at_once` peers side by side; one that is slow or silent keeps its own place busy and nobody else's."""

    node: Capabilities
    owner: str
    at_once: int
    wake: asyncio.Event
    _running: dict[NodeId, asyncio.Task[int]] = field(default_factory=dict)
    _pace: Pace = field(default_factory=Pace)

    async def turn(self) -> bool:
        """Start deliveries to peers that have something due and none under way.

        Raises:
            Exception: what a delivery since the last turn raised; its messages stay leased until the lease lapses.
        """
        for lane in [lane for lane, task in self._running.items() if task.done()]:
            self._running.pop(lane).result()
        for lane in await lanes_due(self.node, limit=self.at_once + len(self._running)):
            if lane not in self._running and len(self._running) < self.at_once:
                task = asyncio.create_task(
                    deliver_lane(lane, self.node, owner=self.owner, pace=self._pace), name=f"deliver {lane}"
                )
                task.add_done_callback(lambda _: self.wake.set())
                self._running[lane] = task
        return False

    async def close(self) -> None:
        """Stop what is under way; its messages are leased and go out again later."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


def _dispatch(node: Capabilities, owner: str) -> Step:
    async def turn() -> bool:
        return await dispatch_turn(node, owner=owner)

    return turn


def _leave(node: Capabilities) -> Step:
    async def turn() -> bool:
        return await leave_due(node) == DUE_AT_ONCE

    return turn


def _expire(node: Capabilities) -> Step:
    watch = ClockWatch(node)

    async def turn() -> bool:
        await watch.turn()
        return await bury_expired(node) > 0

    return turn


@dataclass(slots=True)
class ClockWatch:
    """Tells people, once, that the clock jumped and what that stops; and says when it is right again."""

    node: Capabilities
    _told: bool = False

    async def turn(self) -> None:
        """Look at the clock."""
        skew = self.node.timekeeper.skew()
        if skew is None:
            if self._told:
                await self._right_again()
            self._told = False
            return
        if not self._told:
            log.error("clock-jumped", seconds=int(skew.total_seconds()))
            now = self.node.clock.now()
            async with self.node.begin() as work:
                await work.alarms.raise_("clock-jumped", subject=f"{spoken(skew)} {now:%Y-%m-%d %H:%M}", now=now)
            self._told = True

    async def _right_again(self) -> None:
        log.warning("clock-right-again")
        now = self.node.clock.now()
        async with self.node.begin() as work:
            await work.inbox.make_due(now=now)
            await work.outbox.make_due(now=now)
        self.node.nudge(Nudge.INBOX)
        self.node.nudge(Nudge.OUTBOX)


def _reconcile(node: Capabilities) -> Step:
    async def turn() -> bool:
        await announce_restore(node)
        await end_unanswerable(node)
        return False

    return turn


def _owed(node: Capabilities) -> Step:
    async def turn() -> bool:
        return await say_owed(node) == AT_ONCE

    return turn


def _deadlines(node: Capabilities, calendar_of: CalendarOf) -> Step:
    async def turn() -> bool:
        return await deadline_turn(node, calendar_of)

    return turn


def _erase(node: Capabilities, scrub: Scrub) -> Step:
    async def turn() -> bool:
        return await erase_turn(node, scrub)

    return turn


def _log(log: LogSteps, node: Capabilities) -> Step:
    async def turn() -> bool:
        moved = await log.sequence()
        await log.checkpoint(node.clock.now())
        return moved >= log.at_once  # what was staged meanwhile has nudged

    return turn


def _strangers(strangers: UnauthenticatedCounter, node: Capabilities) -> Step:
    async def turn() -> bool:
        await strangers.flush(node)
        return False

    return turn


@dataclass(slots=True)
class TrustRefresher:
    """Lets the door ask for one more look at the register, at most once in `every`, however many strangers knock."""

    poll: Callable[[], Awaitable[bool]]
    now: Callable[[], datetime]
    every: timedelta = timedelta(seconds=2)
    _last: datetime | None = None

    async def __call__(self) -> bool:
        """Return True when the register changed."""
        now = self.now()
        if self._last is not None and abs(now - self._last) < self.every:
            return False
        self._last = now
        try:
            return await self.poll()
        except ExchangeError:
            return False  # the register is out of reach; what we hold stays in force
