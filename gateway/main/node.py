"""Opens one node: every concrete class is chosen and joined here, and closed on the way out. It only wires."""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from contracts.errors import ConfigurationError
from contracts.ids import NodeId
from contracts.leaves import LeafFields, subject_of
from gateway.config import NodeConfig
from gateway.console.operations import Health, Operations
from gateway.exchange.answer import AskDoor
from gateway.exchange.arrivals import ArrivalWriter
from gateway.exchange.assigning import Assignments, OfficeRule
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.erasing import Scrub
from gateway.exchange.leases import new_owner, take_back
from gateway.exchange.ports import Clock, Nudge, Randomness, StagedLeaf, Transport
from gateway.exchange.receive import Door, UnauthenticatedCounter
from gateway.exchange.telling import Telling
from gateway.exchange.timekeeping import Timekeeper
from gateway.exchange.together import Together
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.main.checkpoints import Checkpointer, current_origin
from gateway.main.logcheck import check_stored
from gateway.main.machine_room import machine_room
from gateway.main.people import people_desk
from gateway.main.policy_files import node_overlay
from gateway.main.single_sign_on import institution_of
from gateway.main.sources import cleaned, source_reader
from gateway.main.telling import hosts_of, telling_of
from gateway.main.trust import Trust, open_trust, register_fetch
from gateway.people.desk import PeopleDesk
from gateway.people.offices import calendar_at
from gateway.storage.audit_models import AuditModels
from gateway.storage.blobs import BlobFolder
from gateway.storage.case_models import CaseModels
from gateway.storage.engine import Creator, DiskFailed, Engine, create_engine, create_read_engine
from gateway.storage.log import AT_ONCE, SqlLog
from gateway.storage.read_models import ReadModels
from gateway.storage.revisions import Schema
from gateway.storage.scrub import scrub_main
from gateway.storage.selfcheck import check_database, refuse_unsafe
from gateway.storage.statistics import Statistics
from gateway.storage.thread_keys import ThreadKeys
from gateway.storage.unit_of_work import unit_of_work_factory
from gateway.storage.work_models import WorkModels
from gateway.telemetry import log
from gateway.workers.loops import LogSteps, RegisterSteps, Timing, TrustRefresher, node_loops
from gateway.workers.supervision import Loop, supervise
from gateway.workers.telling import telling_loops
from keys.jose import self_test
from keys.keystore import load_node_keys
from keys.leaves import make_leaf
from keys.model import NodeKeys
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
        event, subject = fields.event.value, subject_of(fields.event.value, fields.detail, fields.message_id)
        return StagedLeaf(made.leaf_hash, made.data, made.disclosures, event, fields.message_id, fields.peer, subject)


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
        engine, key_engine, read_engine = await _open_databases(config, connect, disk_failed, stack)
        holder: list[Trust] = []
        http = transport or _http_transport(config, lambda: holder[0].state, stack)
        trust = await open_trust(config, clock, fetch or register_fetch(config, http))
        holder.append(trust)
        wake = {nudge: asyncio.Event() for nudge in Nudge}
        opened = _Opened(config, keys, Vault(keys.vault), engine, key_engine, read_engine, SqlLog(engine), trust, wake)
        timekeeper = Timekeeper(clock, steady, trust.state.published_at, config.register_.hosted is not None)
        capabilities = await _capabilities(opened, http, timekeeper, clock, randomness or SystemRandomness())
        people = _people(opened, capabilities, stack)
        trust.node = capabilities
        await trust.follow()
        yield _assemble(opened, capabilities, people)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a node stands on: its keys, its databases, its log and its register."""

    config: NodeConfig
    keys: NodeKeys
    vault: Vault
    engine: Engine
    key_engine: Engine
    read_engine: Engine
    log: SqlLog
    trust: Trust
    wake: Mapping[Nudge, asyncio.Event]


async def _open_databases(
    config: NodeConfig, connect: Callable[[str], Creator | None], disk_failed: DiskFailed | None, stack: AsyncExitStack
) -> tuple[Engine, Engine, Engine]:
    """Open the engine of the node's database, that of its key store, and the one that reads."""
    main, key_store = config.main_database, config.key_store
    engine = create_engine(main, creator=connect(main), disk_failed=disk_failed)
    key_engine = create_engine(key_store, creator=connect(key_store), disk_failed=disk_failed)
    read_engine = create_read_engine(main, creator=connect(main))
    for opened in (engine, key_engine, read_engine):
        stack.push_async_callback(opened.dispose)
    refuse_unsafe(await check_database(engine, Schema.MAIN))
    refuse_unsafe(await check_database(key_engine, Schema.KEYS))
    return engine, key_engine, read_engine


async def _capabilities(
    opened: _Opened, transport: Transport, timekeeper: Timekeeper, clock: Clock, randomness: Randomness
) -> Capabilities:
    config, keys, trust, wake = opened.config, opened.keys, opened.trust, opened.wake
    return Capabilities(
        us=config.node,
        mode=config.mode,
        begin=unit_of_work_factory(opened.engine),
        together=Together(),
        bodies=ThreadKeys(opened.key_engine, opened.vault, clock),
        sealer=Sealer(keys, trust.current, await current_origin(opened.log, config.node)),
        opener=Opener(keys, trust.current),
        pseudonyms=Pseudonyms(keys.pseudonym),
        leaves=Leaves(),
        log=opened.log,
        trust=trust.current,
        refresh_trust=TrustRefresher(trust.poll, clock.now),
        nudge=lambda nudge: wake[nudge].set(),
        transport=transport,
        blobs=BlobFolder(config.blobs),
        attachments_quota=config.attachments.quota_mib * 1024 * 1024,
        complain=lambda where, error: log.error("fault", code=where, exc_info=error),
        clock=clock,
        timekeeper=timekeeper,
        randomness=randomness,
        overlay=node_overlay(config.overlay, trust.state.policy),
        assignments=_assignments(config),
        keep_handed_over=None if config.desk.own_norm else timedelta(days=config.desk.keep_days),
    )


def _people(opened: _Opened, capabilities: Capabilities, stack: AsyncExitStack) -> PeopleDesk:
    config = opened.config
    return people_desk(
        opened.engine,
        opened.read_engine,
        opened.keys,
        limits=config.sessions,
        require_factor=config.second_factor,
        console_url=config.console_url,
        institution=institution_of(config, capabilities.clock, stack),
        leaves=capabilities.leaves,
        clock=capabilities.clock,
        randomness=capabilities.randomness,
        nudge_log=opened.wake[Nudge.LOG].set,
    )


def _assemble(opened: _Opened, capabilities: Capabilities, people: PeopleDesk) -> Node:
    config, strangers = opened.config, UnauthenticatedCounter()
    scrub = partial(scrub_main, opened.read_engine)
    telling, hooks = telling_of(config, opened.vault, people)
    idle = config.workers.idle_seconds
    loops = (
        *_loops(opened, capabilities, people, strangers, scrub),
        *telling_loops(capabilities, telling, idle=idle, close=hooks.close),
    )
    return Node(
        config=config,
        capabilities=capabilities,
        trust=opened.trust,
        door=Door(capabilities, ArrivalWriter(capabilities), strangers),
        ask_door=AskDoor(capabilities, strangers),
        operations=_operations(opened, capabilities, loops, scrub, telling),
        people=people,
        log=opened.log,
        loops=loops,
    )


def _loops(
    opened: _Opened, capabilities: Capabilities, people: PeopleDesk, strangers: UnauthenticatedCounter, scrub: Scrub
) -> Sequence[Loop]:
    config, workers, poll = opened.config, opened.config.workers, opened.trust.poll
    return node_loops(
        capabilities,
        owner=new_owner(config.worker_name, capabilities.randomness),
        wake=opened.wake,
        strangers=strangers,
        log=LogSteps(opened.log.sequence, Checkpointer(opened.log, opened.keys, config).turn, AT_ONCE),
        register=RegisterSteps(poll, _resigning(config, capabilities)),
        timing=Timing(
            idle=workers.idle_seconds,
            lanes_at_once=workers.lanes_at_once,
            checkpoint=workers.checkpoint_seconds,
            poll=config.register_.poll_seconds,
            resign=config.register_.resign_seconds,
        ),
        calendar_of=partial(calendar_at, desk=people),
        scrub=scrub,
    )


def _operations(
    opened: _Opened, capabilities: Capabilities, loops: Sequence[Loop], scrub: Scrub, telling: Telling
) -> Operations:
    config, reads, trust, vault = opened.config, opened.read_engine, opened.trust, opened.vault
    return Operations(
        node=capabilities,
        models=ReadModels(reads),
        work=WorkModels(reads),
        files=CaseModels(reads),
        log=opened.log,
        read_source=source_reader(config, capabilities.clock),
        clean=cleaned,
        row_digest=lambda content: vault.digest("import-row", content),
        poll_register=trust.poll,
        copy_register=trust.copy,
        health=lambda: Health({loop.name: loop.health.failures_in_a_row < 3 for loop in loops}),
        scrub=scrub,
        room=machine_room(config, reads, capabilities.clock, trust.current),
        digest=vault.digest,
        look=unit_of_work_factory(reads),
        telling=telling,
        hosts=hosts_of(config),
        audit=AuditModels(reads),
        figures=Statistics(reads),
        check_log=partial(check_stored, SqlLog(reads), config.node, opened.keys.log.public.raw),
        public_address=config.public.address,
        phone=config.public.phone,
    )


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
            f"las llaves son de {keys.node} y la configuración dice {config.node}",
            advice="Ponga en data/keys las llaves de este nodo, o corrija `node` en la configuración.",
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
