"""Three whole nodes in virtual time: processes that crash, freeze and come back, on a network that fails them.

What happens is a function of the seed; what is cryptographic chance (keys, salts, ciphertexts) is not in the trace.
"""

import asyncio
import logging
import random
import shutil
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

from contracts.disclosure import SourceRecord
from contracts.errors import ExchangeError, PeerUnavailableError
from contracts.fields import RecordType
from contracts.ids import Code
from contracts.messages.reports import Channel
from gateway.exchange import deliver, dispatch
from gateway.exchange.desk import DeskRow, send_rows
from gateway.main import node as node_module
from gateway.main import trust as trust_module
from gateway.storage.inbox import SqlInbox
from gateway.storage.outbox import SqlOutbox
from gateway.storage.tables import inbox, outbox
from gateway.workers import loops
from keys.register.client import Refresh, RegisterClient
from tests.simulator.federation import simulated_federation
from tests.simulator.network import Network
from tests.simulator.process import Process
from tests.simulator.sqlite import CrashedError
from tests.simulator.virtual import run
from tests.simulator.weather import Weather

DESK, MBMID, PGN = "gt.conamigua", "gt.igm.mbmid", "gt.pgn"
NAMES = (DESK, MBMID, PGN)
CALM_SECONDS = 900
PEAK_SECONDS = 10
WRONG_SECONDS = 240
"""What a clock may be off: the tolerance is five minutes between two of them, and one here is right."""


@dataclass(frozen=True)
class Template:
    """A founded federation on disk, copied for every seed: founding costs a second and teaches nothing twice."""

    folder: Path
    founded: object


def make_template(folder: Path) -> Template:
    """Found a federation of three nodes in `folder`."""

    async def found():
        async with simulated_federation(folder, *NAMES) as federation:
            return federation.clock.now()

    founded = asyncio.run(found())
    for name in NAMES:
        config = folder / name / "paradero.toml"
        config.write_text(config.read_text() + "\n[workers]\nidle_seconds = 5.0\n\n[register]\npoll_seconds = 600.0\n")
    return Template(folder, founded)


class VirtualClock:
    """The node's wall clock: the founding time plus virtual time, plus what this one is off."""

    def __init__(self, start):
        self._start = start
        self.offset = timedelta(0)

    def now(self):
        return self._start + timedelta(seconds=asyncio.get_running_loop().time()) + self.offset

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


class SeededRandomness:
    """Ids and jitter of one life, from the seed."""

    def __init__(self, seed):
        self._random = random.Random(seed)

    def token(self, size):
        return self._random.randbytes(size)

    def uniform(self, low, high):
        return self._random.uniform(low, high)


@dataclass
class World:
    """One run: its seed, its weather, its trace, and what an observer outside of every node saw."""

    seed: int
    weather: Weather
    template: Template
    home: Path
    stormy: bool = True
    counts: Counter = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    processes: dict = field(default_factory=dict)
    clocks: dict = field(default_factory=dict)
    cut: set = field(default_factory=set)
    promised: dict = field(default_factory=dict)
    attempts: dict = field(default_factory=lambda: defaultdict(list))
    answers: dict = field(default_factory=lambda: defaultdict(list))
    carried: dict = field(default_factory=dict)
    hung_up: set = field(default_factory=set)
    stale: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    drained_after: float | None = None
    _tasks: set = field(default_factory=set)

    def __post_init__(self):
        self.chance = random.Random(self.seed)
        self.clocks = {name: VirtualClock(self.template.founded) for name in NAMES}

    def randomness(self, ids):
        """Return the ids and the jitter of one life."""
        return SeededRandomness(ids)

    def note(self, *words):
        """Write one line of the trace, with its virtual time."""
        self.trace.append(f"{asyncio.get_running_loop().time():.6f} " + " ".join(map(str, words)))

    def fingerprint(self):
        """Return what two runs of one seed must agree on."""
        return sha256("\n".join(self.trace).encode()).hexdigest()

    def happens(self, what, probability):
        """Throw the dice for one fault, in a storm only."""
        if not self.stormy or probability == 0 or self.chance.random() >= probability:
            return False
        self.counts[what] += 1
        return True

    def background(self, work):
        """Run something that belongs to no process."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def attempt(self, sender, peer, size):
        """Note that a request leaves."""
        self.note(sender, "->", peer, size)
        self.attempts[sender, peer].append(asyncio.get_running_loop().time())

    def told(self, peer, envelopes, results):
        """Note what a door said, whether or not its words arrive anywhere."""
        for envelope, result in zip(envelopes, results, strict=True):
            digest = sha256(envelope).digest()
            before = self.answers[peer, digest]
            self.counts["answered-in-storm"] += self.stormy
            self.counts["answered-again"] += bool(before)
            self.counts["asked-again-after-hanging-up"] += digest in self.hung_up
            self.hung_up.discard(digest)
            before.append(str(result))
            self.carried[peer, digest] = envelope

    def peak(self):
        """Return the most requests that left for one peer within ten seconds."""
        return max(
            (sum(start <= at < start + PEAK_SECONDS for at in times) for times in self.attempts.values() for start in times),
            default=0,
        )

    async def end(self):
        """Leave nothing running."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *(process.end() for process in self.processes.values()), return_exceptions=True)


def row(number, *, minor):
    """A fictitious report; every fourth is of a child."""
    person = {
        "given_names": ["Ficticio"],
        "surname_1": f"Caal{number}",
        "age_range": {"min": 12, "max": 15} if minor else {"min": 30, "max": 35},
        "last_contact_date": {"date": "2026-10-15", "precision": "day"},
    }
    return DeskRow(
        source="simulada",
        row=number,
        key=number.to_bytes(32),
        records=(SourceRecord(RecordType.MISSING_PERSON, person),),
        office=Code("banco"),
        channel=Channel.DESK,
        language="es",
    )


async def _desk(world):
    """Officers who keep trying until the system says it has the report; only then is it promised."""
    async with asyncio.TaskGroup() as group:
        for number in range(1, world.weather.rows + 1):
            group.create_task(_report(world, number, world.chance.uniform(0, 0.9 * world.weather.storm_seconds)))


async def _report(world, number, start):
    await asyncio.sleep(start)
    while number not in world.promised:
        process = world.processes[DESK]
        if process.node is not None:
            work = process.spawn(_send(process.node, row(number, minor=number % 4 == 0)))
            if world.happens("leave-desk", world.weather.leave_desk):
                asyncio.get_running_loop().call_later(world.chance.uniform(0, 0.03), work.cancel)
            await asyncio.wait({work})
            if not work.cancelled() and work.exception() is None:
                world.promised[number] = work.result()
                world.note("promised", number)
            elif not work.cancelled() and not isinstance(work.exception(), CrashedError | ExchangeError):
                raise work.exception()
        await asyncio.sleep(world.chance.uniform(0.2, 1.0))


async def _send(node, desk_row):
    capabilities = node.capabilities
    [result] = await send_rows([desk_row], capabilities, actor=capabilities.pseudonyms.actor("officer"))
    return result


async def _partitions(world):
    """Cut single directions between nodes, for long or, flapping, for moments."""
    while True:
        flapping = world.happens("flap", world.weather.flap)
        for _ in range(8 if flapping else 1):
            await asyncio.sleep(world.chance.uniform(0.1, 0.8) if flapping else world.chance.uniform(1, 12))
            world.cut.clear()
            for one in NAMES:
                for other in NAMES:
                    if one != other and world.happens("cut", world.weather.partition):
                        world.cut.add((one, other))
            world.note("cut", sorted(world.cut))


def _set_clocks(world):
    if world.happens("wrong-clock", world.weather.wrong_clock):
        name = world.chance.choice(NAMES)
        world.clocks[name].offset = timedelta(seconds=world.chance.uniform(-WRONG_SECONDS, WRONG_SECONDS))
        world.note(name, "clock", world.clocks[name].offset)


async def _replay(world):
    """Everything that was ever carried, once more and in another order, to its recipient."""
    again = list(world.carried.items())
    world.chance.shuffle(again)
    for (peer, _), envelope in again:
        life = world.processes[peer].life
        network = Network(world, life)
        for _ in range(60):
            try:
                await network._answered(peer, [envelope])
            except PeerUnavailableError:
                await asyncio.sleep(1)
            else:
                world.counts["replayed"] += 1
                break


class NotDrainedError(AssertionError):
    """Faults stopped, and yet the system did not come to rest: somebody waits for ever."""


async def _history(world, oracle, *, liveness):
    world.processes = {name: Process(world, name) for name in NAMES}
    _set_clocks(world)
    lives = [asyncio.create_task(process.supervise()) for process in world.processes.values()]
    cuts = asyncio.create_task(_partitions(world))
    desk = asyncio.create_task(_desk(world))
    try:
        await asyncio.sleep(world.weather.storm_seconds)
        world.violations = oracle.broken_now(world)
        if liveness:
            await _calm(world, oracle, cuts, desk, lives)
    finally:
        for task in (cuts, desk, *lives):
            task.cancel()
        await world.end()
        await asyncio.gather(cuts, desk, *lives, return_exceptions=True)


async def _calm(world, oracle, cuts, desk, lives):
    """No more faults: everything promised must arrive, be answered, and the system come to rest."""
    world.stormy = False
    cuts.cancel()
    world.cut.clear()
    world.note("calm")
    start = asyncio.get_running_loop().time()
    broken = [life for life in lives if life.done()]  # a process is started again whatever ends it, but for a bug of ours
    await asyncio.gather(*broken)
    while not (desk.done() and not oracle.waiting(world)):
        await asyncio.sleep(1)
        if asyncio.get_running_loop().time() > start + CALM_SECONDS:
            raise NotDrainedError(
                f"seed {world.seed}: after {CALM_SECONDS} virtual seconds of calm {len(world.promised)} of "
                f"{world.weather.rows} reports are promised and these wait: {oracle.waiting(world)}"
            )
    await desk
    world.drained_after = asyncio.get_running_loop().time() - start
    world.note("drained")
    await _replay(world)
    await asyncio.sleep(1)
    while oracle.waiting(world):  # noqa: ASYNC110 - looks from outside, at files
        await asyncio.sleep(5)
    world.violations += oracle.broken_at_rest(world)


# The pool reports every connection that died in its hands; here that is the point.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
QUIET = structlog.make_filtering_bound_logger(logging.CRITICAL)


class _ReadOnce(RegisterClient):
    """The register as it was founded, verified once: nobody publishes in these histories."""

    known: ClassVar[dict] = {}

    def load(self):
        key = self._folder.parent.name
        if key not in self.known:
            self.known[key] = super().load()
        self._state = self.known[key]
        return self._state

    def refresh(self, _now):
        return Refresh(self._state or self.load(), changed=False)


async def _as_checked(_engine, _schema):
    return ()


class _OneDialect:
    """Lets every life use statements an earlier one compiled: SQLAlchemy keys them by the dialect, which each has anew."""

    compiled = LRUCache(1000)

    def __init__(self):
        self._create = node_module.create_engine, node_module.create_read_engine

    def writing(self, url, **options):
        return self._shared(self._create[0](url, **options))

    def reading(self, url, **options):
        return self._shared(self._create[1](url, **options))

    def _shared(self, engine):
        engine.sync_engine._compiled_cache = self.compiled
        return engine


def _bench(world, stack):
    """What stands still in these histories is computed once; what is counted is counted at the seams."""
    real_keys, keys = node_module._load_keys, {}
    real_finish, real_release = SqlOutbox.finish, SqlInbox._release
    engines = _OneDialect()

    def load_keys(config):
        if config.node not in keys:
            keys[config.node] = real_keys(config)
        return keys[config.node]

    async def finish(self, lane, outcomes, **others):
        held = select(outbox.c.message_id).where(outbox.c.lane == lane, outbox.c.lease_owner == others["owner"])
        ours = set((await self._connection.execute(held)).scalars())
        done = await real_finish(self, lane, outcomes, **others)
        if done > sum(item.message_id in ours for item in outcomes):
            world.stale.append(f"{others['owner']} ended what it no longer had for {lane}")
        world.counts["stale-refused"] += len(outcomes) - done
        return done

    async def release(self, keys, owner, **values):
        held = select(inbox.c.sender, inbox.c.message_id).where(inbox.c.lease_owner == owner)
        ours = {tuple(row) for row in await self._connection.execute(held)}
        done = await real_release(self, keys, owner, **values)
        for key in keys:
            if key in done and (key.sender, key.message_id) not in ours:
                world.stale.append(f"{key.message_id} was ended by {owner}, another had it")
        world.counts["stale-refused"] += len(keys) - len(done)
        return done

    changed = pytest.MonkeyPatch()
    stack.callback(changed.undo)
    for target, name, value in (
        (trust_module, "RegisterClient", _ReadOnce),
        (node_module, "_load_keys", load_keys),
        (node_module, "self_test", lambda: None),
        (node_module, "check_database", _as_checked),
        (node_module, "create_engine", engines.writing),
        (node_module, "create_read_engine", engines.reading),
        (loops, "EXPIRY_SECONDS", 30.0),
        (SqlOutbox, "finish", finish),
        (SqlInbox, "_release", release),
    ):
        changed.setattr(target, name, value)
    for name, value in (("__eq__", lambda one, other: type(one) is type(other)), ("__hash__", lambda one: hash(type(one)))):
        changed.setattr(SQLiteDialect_aiosqlite, name, value)
    if world.weather.lease_seconds is not None:
        lease = timedelta(seconds=world.weather.lease_seconds)
        changed.setattr(deliver, "LEASE", lease)
        changed.setattr(dispatch, "LEASE", lease)


def play(seed, weather, template, home, oracle, *, liveness=True):
    """Play one seed and return its world; databases stay in `home` for whoever wants to look.

    `oracle` has `broken_now` (what holds at any moment), `broken_at_rest` and `waiting` (tests.simulator.invariants).
    Without `liveness` the faults go on to the last moment and nothing has to come to rest.
    """
    shutil.copytree(template.folder, home)
    for name in NAMES:
        config = home / name / "paradero.toml"
        config.write_text(config.read_text().replace(str(template.folder), str(home)))
    world = World(seed, weather, template, home)
    with ExitStack() as stack:
        structlog.configure(wrapper_class=QUIET)
        stack.callback(structlog.reset_defaults)
        _bench(world, stack)
        run(_history(world, oracle, liveness=liveness), expected=(CrashedError, ExchangeError))
    return world
