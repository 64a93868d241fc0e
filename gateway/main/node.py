"""Opens one node: every concrete class is chosen and joined here, and closed on the way out. It only wires."""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from contracts.errors import ConfigurationError
from contracts.ids import NodeId
from contracts.leaves import LeafFields
from gateway.config import NodeConfig
from gateway.console.operations import Health, Operations
from gateway.exchange.answer import AskDoor
from gateway.exchange.arrivals import ArrivalWriter
from gateway.exchange.assigning import Assignments, OfficeRule
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.leases import new_owner, take_back
from gateway.exchange.ports import Clock, Nudge, Randomness, StagedLeaf, Transport
from gateway.exchange.receive import Door, UnauthenticatedCounter
from gateway.exchange.timekeeping import Timekeeper
from gateway.exchange.together import Together
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.main.people import people_desk
from gateway.main.policies import node_overlay
from gateway.main.sources import source_reader
from gateway.main.trust import Trust, open_trust, register_fetch
from gateway.people.desk import PeopleDesk
from gateway.people.offices import calendar_at
from gateway.storage.engine import Creator, DiskFailed, create_engine, create_read_engine
from gateway.storage.log import AT_ONCE, Epoch, SqlLog
from gateway.storage.read_models import ReadModels
from gateway.storage.revisions import Schema
from gateway.storage.selfcheck import check_database, refuse_unsafe
from gateway.storage.thread_keys import ThreadKeys
from gateway.storage.unit_of_work import unit_of_work_factory
from gateway.storage.work_models import WorkModels
from gateway.telemetry import log
from gateway.workers.loops import LogSteps, RegisterSteps, Timing, TrustRefresher, node_loops
from gateway.workers.supervision import Loop, supervise
from keys.jose import self_test
from keys.keystore import load_node_keys
from keys.leaves import make_leaf
from keys.model import NodeKeys
from keys.notes import sign_checkpoint
from keys.pseudonyms import Pseudonyms
from keys.register.custodians import load_custodian
from keys.register.repository import Repository
from keys.register.state import TrustState
from keys.register.tuf_client import Fetch
from keys.sealing import Opener, Sealer
from keys.vault import Vault


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def steady_seconds() -> float:
    """Return seconds that no setting of the clock changes; where the system can, those it slept count too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class SystemRandomness:
    """The machine's randomness."""

    def __init__(self) -> None:
        self._random = secrets.SystemRandom()

    def token(self, size: int) -> bytes:
        """Return random bytes."""
        return secrets.token_bytes(size)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between two."""
        return self._random.uniform(low, high)


class Leaves:
    """Makes leaves for the exchange (gateway.exchange.ports.LeafBuilder)."""

    def leaf(self, fields: LeafFields) -> StagedLeaf:
        """Return a staged leaf."""
        made = make_leaf(fields)
        return StagedLeaf(made.leaf_hash, made.data, made.disclosures, fields.event.value, fields.message_id, fields.peer)


@dataclass(slots=True)
class Node:
    """A wired node: two applications and its loops over its databases."""

    config: NodeConfig
    capabilities: Capabilities
    trust: Trust
    door: Door
    ask_door: AskDoor
    operations: Operations
    people: PeopleDesk
    log: SqlLog
    loops: tuple[Loop, ...]

    async def run_loops(self) -> None:
        """Take back what this worker's last life left leased, then run every loop until cancelled."""
        await take_back(self.capabilities, self.config.worker_name)
        await supervise(self.loops, now=self.capabilities.clock.now, sleep=self.capabilities.clock.sleep)


@asynccontextmanager
async def open_node(  # noqa: PLR0913 - what a test may stand in for
    config: NodeConfig,
    *,
    clock: Clock | None = None,
    steady: Callable[[], float] | None = None,
    randomness: Randomness | None = None,
    transport: Transport | None = None,
    fetch: Fetch | None = None,
    connect: Callable[[str], Creator | None] = lambda _: None,
    disk_failed: DiskFailed | None = None,
) -> AsyncIterator[Node]:
    """Wire a node from its configuration; close what it opened on the way out.

    What is given stands in for the real thing; a given clock is believed unless `steady` comes with it; `connect` returns
    how the connections of a database URL are opened, and `disk_failed` is told when the disk refuses a write or a sync.

    Raises:
        ConfigurationError: keys, databases or register do not allow a start; says what to do.
    """
    steady = steady_seconds if clock is None else steady
    clock = clock or SystemClock()
    self_test()
    refuse_half_restore(config)
    keys = _load_keys(config)
    async with AsyncExitStack() as stack:
        main, key_store = config.main_database, config.key_store
        engine = create_engine(main, creator=connect(main), disk_failed=disk_failed)
        key_engine = create_engine(key_store, creator=connect(key_store), disk_failed=disk_failed)
        read_engine = create_read_engine(main, creator=connect(main))
        for opened in (engine, key_engine, read_engine):
            stack.push_async_callback(opened.dispose)
        refuse_unsafe(await check_database(engine, Schema.MAIN))
        refuse_unsafe(await check_database(key_engine, Schema.KEYS))
        holder: list[Trust] = []
        http = transport or _http_transport(config, lambda: holder[0].state, stack)
        trust = await open_trust(config, clock, fetch or register_fetch(config, http))
        holder.append(trust)
        vault = Vault(keys.vault)
        sql_log = SqlLog(engine)
        origin = await current_origin(sql_log, config.node)
        wake = {nudge: asyncio.Event() for nudge in Nudge}
        capabilities = Capabilities(
            us=config.node,
            mode=config.mode,
            begin=unit_of_work_factory(engine),
            together=Together(),
            bodies=ThreadKeys(key_engine, vault, clock),
            sealer=Sealer(keys, trust.current, origin),
            opener=Opener(keys, trust.current),
            pseudonyms=Pseudonyms(keys.pseudonym),
            leaves=Leaves(),
            log=sql_log,
            trust=trust.current,
            refresh_trust=TrustRefresher(trust.poll, clock.now),
            nudge=lambda nudge: wake[nudge].set(),
            transport=http,
            complain=lambda where, error: log.error("fault", code=where, exc_info=error),
            clock=clock,
            timekeeper=Timekeeper(clock, steady, trust.state.published_at, config.register_.hosted is not None),
            randomness=randomness or SystemRandomness(),
            overlay=node_overlay(config.overlay, trust.state.policy),
            assignments=_assignments(config),
        )
        people = people_desk(
            engine,
            read_engine,
            keys,
            limits=config.sessions,
            leaves=capabilities.leaves,
            clock=clock,
            randomness=capabilities.randomness,
            nudge_log=wake[Nudge.LOG].set,
        )
        trust.node = capabilities
        await trust.follow()
        yield _assemble(config, capabilities, trust, sql_log, ReadModels(read_engine), vault, keys, wake, people)


def _assemble(  # noqa: PLR0913, PLR0917 - the parts of a node
    config: NodeConfig,
    capabilities: Capabilities,
    trust: Trust,
    sql_log: SqlLog,
    models: ReadModels,
    vault: Vault,
    keys: NodeKeys,
    wake: Mapping[Nudge, asyncio.Event],
    people: PeopleDesk,
) -> Node:
    strangers = UnauthenticatedCounter()
    workers = config.workers
    loops = node_loops(
        capabilities,
        owner=new_owner(config.worker_name, capabilities.randomness),
        wake=wake,
        strangers=strangers,
        log=LogSteps(sql_log.sequence, Checkpointer(sql_log, keys, config).turn, AT_ONCE),
        register=RegisterSteps(trust.poll, _resigning(config, capabilities)),
        timing=Timing(
            idle=workers.idle_seconds,
            lanes_at_once=workers.lanes_at_once,
            checkpoint=workers.checkpoint_seconds,
            poll=config.register_.poll_seconds,
            resign=config.register_.resign_seconds,
        ),
        calendar_of=partial(calendar_at, desk=people),
    )
    operations = Operations(
        node=capabilities,
        models=models,
        work=WorkModels(models.engine),
        log=sql_log,
        read_source=source_reader(config, capabilities.clock),
        row_digest=lambda content: vault.digest("import-row", content),
        poll_register=trust.poll,
        copy_register=trust.copy,
        health=lambda: Health({loop.name: loop.health.failures_in_a_row < 3 for loop in loops}),
    )
    return Node(
        config=config,
        capabilities=capabilities,
        trust=trust,
        door=Door(capabilities, ArrivalWriter(capabilities), strangers),
        ask_door=AskDoor(capabilities, strangers),
        operations=operations,
        people=people,
        log=sql_log,
        loops=tuple(loops),
    )


@dataclass(slots=True)
class Checkpointer:
    """Signs a checkpoint over durable leaves: soon after a new one, and as a heartbeat when there is none."""

    log: SqlLog
    keys: NodeKeys
    config: NodeConfig
    _signed: float | None = None
    """When the newest checkpoint was signed, Unix seconds: soon after it none is due, whatever there is."""

    async def turn(self, now: datetime) -> bool:
        """Sign when one is due; True when one was signed."""
        if self._signed is not None and 0 <= now.timestamp() - self._signed < self.config.workers.checkpoint_seconds:
            return False
        epochs = await self.log.epochs()
        for ended in epochs[:-1]:
            await self._close(ended, now)
        if not epochs or epochs[-1].size == 0:
            return False
        epoch, head = epochs[-1], await self.log.head()
        age = float("inf") if head is None else now.timestamp() - head.signed_ms / 1000
        grown = head is None or epoch.size > head.size
        due = self.config.workers.checkpoint_seconds if grown else self.config.workers.heartbeat_seconds
        if head is not None and 0 <= age < due:
            self._signed = head.signed_ms / 1000
            return False
        await self._sign(epoch, now)
        return True

    async def _close(self, ended: Epoch, now: datetime) -> None:
        """Sign the last of a log that a restore ended, once. Its leaves were durable before the backup: no fork."""
        head = await self.log.head(ended.number)
        if ended.size and (head is None or head.size < ended.size):
            await self._sign(ended, now)

    async def _sign(self, epoch: Epoch, now: datetime) -> None:
        origin, root = epoch.origin or log_origin(self.config.node), await self.log.root(epoch.size, epoch.number)
        note = sign_checkpoint(origin, epoch.size, root, self.keys.log)
        await self.log.store_checkpoint(epoch.size, root, note, now=now, epoch=epoch.number)


def log_origin(node: NodeId) -> str:
    """Return the name of a node's audit log, as its keyset names it."""
    return f"{node}/paradero-log"


async def current_origin(log: SqlLog, node: NodeId) -> str:
    """Return the name of the log the node writes: of its first one, or of the one the last restore opened."""
    epochs = await log.epochs()
    return (epochs[-1].origin if epochs else None) or log_origin(node)


def refuse_half_restore(config: NodeConfig) -> None:
    """Refuse to start where a restore was begun and not ended.

    Raises:
        ConfigurationError: it was; what the databases hold is not a node yet.
    """
    if config.restoring.exists():
        raise ConfigurationError(
            "una restauración empezó y no terminó", advice="Repita `paradero backup restore` con los mismos archivos."
        )


def _assignments(config: NodeConfig) -> Assignments:
    rules = (
        OfficeRule(rule.office, rule.types, rule.records, rule.offices, rule.senders, rule.services)
        for rule in config.inbox.rules
    )
    return Assignments(tuple(rules), config.inbox.default_office)


def _load_keys(config: NodeConfig) -> NodeKeys:
    keys = load_node_keys(config.node_keys, config.key_identity)
    if keys.node != config.node:
        raise ConfigurationError(
            f"the keys are those of {keys.node}, the configuration says {config.node}", advice="Put the right one in its place."
        )
    return keys


def _resigning(config: NodeConfig, node: Capabilities) -> Callable[[], Awaitable[bool]] | None:
    hosted, key = config.register_.hosted, config.register_.online_key
    if hosted is None or key is None:
        return None
    online = load_custodian(key, identity=config.key_identity)

    async def turn() -> bool:
        node.timekeeper.check()  # everybody would adopt a time we only believe to be now
        await asyncio.to_thread(lambda: Repository(hosted).resign_timestamp(online, now=node.clock.now()))
        return False

    return turn


def _http_transport(config: NodeConfig, state: Callable[[], TrustState], stack: AsyncExitStack) -> HttpTransport:
    def address_of(peer: NodeId) -> PeerAddress:
        endpoint = state().endpoint(peer)
        return PeerAddress(endpoint.url, endpoint.tls_pin)

    transport = HttpTransport(address_of, allowed=config.federation.allowed_networks)
    stack.push_async_callback(transport.close)
    return transport
