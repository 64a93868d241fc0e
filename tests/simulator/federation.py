"""Whole nodes in one process on a network and a clock that tests control; real databases, keys, register and log.

Example::

    async with simulated_federation(tmp_path) as federation:
        federation.network.fail_next("lose-reply")   # stored by the peer, but we never hear so
        ...
        await federation.settle()
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.codec import decode_model
from contracts.errors import ClockWrongError, PeerUnavailableError, ProblemCode
from contracts.ids import NodeId
from contracts.policy import load_template
from contracts.register import FederationInfo, Role
from gateway.config import load_config
from gateway.exchange.attachments import served
from gateway.exchange.collecting import collect_turn
from gateway.exchange.deliver import bury_expired, deliver_lane, lanes_due
from gateway.exchange.departing import leave_due
from gateway.exchange.dispatch import dispatch_batch
from gateway.exchange.ports import BlobGoneError, BlobPart, DoorResult
from gateway.exchange.referrals import say_owed
from gateway.main.node import Node, SystemRandomness, open_node
from gateway.main.setup import InitAnswers, initialise_node, upgrade_databases
from keys.register.ceremony import EnrolmentRequest, Holders, Preset, publish, stage_founding, stage_keyset, stage_member
from keys.register.client import RegisterClient, fingerprint, read_folder
from keys.register.custodians import new_custodian
from keys.register.repository import Repository
from tests.migrated import place_sqlite

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
MEMBERS = {
    "gt.igm.mbmid": Role.SEARCH_MECHANISM,
    "gt.conamigua": Role.MIGRANT_COUNCIL,
    "gt.minex": Role.FOREIGN_MINISTRY,
    "gt.pgn": Role.CHILD_PROTECTION,
    "gt.igm.control": Role.MIGRATION_CONTROL,
}
ABROAD = {
    "mx.cnb": Role.FOREIGN_SEARCH,
    "int.icrc": Role.HUMANITARIAN,
    "us.tx.kenedy": Role.FOREIGN_MEDICOLEGAL,
    "us.ejemplo.control": Role.FOREIGN_ENFORCEMENT,
    "ve.consulado": Role.FOREIGN_CONSULATE,
    "co.consulado": Role.FOREIGN_CONSULATE,
    "gt.renap": Role.CIVIL_REGISTRY,
    "gt.pnc": Role.POLICE,
    "gt.mspas": Role.HEALTH,
    "gt.inacif": Role.FORENSIC,
    "gt.mp": Role.PROSECUTOR,
    "mx.fgr": Role.FOREIGN_PROSECUTOR,
    "gt.pdh": Role.OMBUDSMAN,
}
"""Only where a test names them."""


def _starts() -> datetime:
    """The moment a simulated history begins: at what day or hour a test runs must not decide what it sees.

    A Wednesday morning in Guatemala, a minute after a time at which answers leave (every ten). Another day, such as a
    Saturday or the end of a year, is tried with PARADERO_TEST_STARTS=2026-12-31T23:51+00:00.
    """
    return datetime.fromisoformat(os.environ.get("PARADERO_TEST_STARTS", "2026-11-25T15:01+00:00"))


@dataclass
class FakeClock:
    """Time that moves only when a test says so."""

    time: datetime = field(default_factory=_starts)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def forward(self, **delta: float) -> None:
        self.time += timedelta(**delta)


@dataclass
class SimulatedNetwork:
    """A Transport that hands bytes to the peer's own door, with faults on request. One object per sending node."""

    nodes: dict[NodeId, Node]
    shared: "Faults"

    async def deliver(self, peer, envelopes):
        fault = self.shared.next()
        if fault == "lose-request" or peer in self.shared.down:
            raise PeerUnavailableError("simulated")
        if fault == "bare-problem":
            return [DoorResult(None, ProblemCode.INTERNAL) for _ in envelopes]
        if fault == "flip-bit":
            envelopes = [envelope[:-30] + bytes([envelope[-30] ^ 1]) + envelope[-29:] for envelope in envelopes]
        self.shared.carried += [(peer, envelope) for envelope in envelopes]
        try:
            results = await self.nodes[peer].door.receive(envelopes)
        except ClockWrongError as error:  # the port answers 503
            raise PeerUnavailableError("simulated") from error
        if fault == "duplicate":
            again = await self.nodes[peer].door.receive(envelopes)
            assert list(again) == list(results)
        if fault == "lose-reply":
            raise PeerUnavailableError("simulated")
        return [DoorResult(None, result) if isinstance(result, ProblemCode) else DoorResult(result, None) for result in results]

    async def ask(self, peer, envelope):
        if peer in self.shared.down:
            raise PeerUnavailableError("simulated")
        result = await self.nodes[peer].ask_door.answer(envelope)
        if not isinstance(result, bytes):
            raise PeerUnavailableError(str(result))
        return result

    async def read_blob(self, peer, name, start, end):
        if peer in self.shared.down:
            raise PeerUnavailableError("simulated")
        node = self.nodes[peer].capabilities
        if await served(name, node) is None:
            raise BlobGoneError("simulated")
        data = await node.blobs.read(name, start, end)
        self.shared.served.append((name, start, len(data)))
        if self.shared.cut_after is not None:
            data = data[: self.shared.cut_after]
        if not data:
            raise PeerUnavailableError("simulated")
        return BlobPart(start, self.shared.touch(data))


@dataclass
class Faults:
    """What goes wrong next, who is down, and every envelope that was carried."""

    queue: list[str] = field(default_factory=list)
    down: set[NodeId] = field(default_factory=set)
    carried: list[tuple[NodeId, bytes]] = field(default_factory=list)
    served: list[tuple[str, int, int]] = field(default_factory=list)
    cut_after: int | None = None
    """The line drops after so many bytes of every part of a ciphertext."""
    touch: Callable[[bytes], bytes] = lambda data: data

    def next(self):
        return self.queue.pop(0) if self.queue else None

    def fail_next(self, *faults: str) -> None:
        self.queue.extend(faults)


@dataclass
class Federation:
    """Everything a test may touch."""

    home: Path
    nodes: dict[str, Node]
    network: Faults
    clock: FakeClock
    register: Repository
    custodians: dict[str, list]
    stack: AsyncExitStack
    connect: Callable[[str], Any] = lambda _: None

    async def turn(self) -> int:
        """One turn of every node's queues; returns how much was done."""
        done = 0
        for node in self.nodes.values():
            for lane in await lanes_due(node.capabilities, limit=20):
                done += await deliver_lane(lane, node.capabilities, owner=f"{node.config.node}:test")
            done += await dispatch_batch(node.capabilities, owner="test")
            done += await leave_due(node.capabilities)
            done += await collect_turn(node.capabilities)
            done += await bury_expired(node.capabilities)
            done += await say_owed(node.capabilities)
            done += await node.log.sequence()
        return done

    async def settle(self, *, turns: int = 60) -> None:
        """Run queues, moving time past back-offs, until two turns in a row do nothing."""
        idle = 0
        for _ in range(turns):
            idle = 0 if await self.turn() else idle + 1
            if idle == 2:
                return
            self.clock.forward(seconds=31)
        raise AssertionError("the federation does not settle")

    async def poll(self) -> None:
        for node in self.nodes.values():
            await node.trust.poll()

    async def publish(self, custodians=()) -> None:
        for custodian in custodians:
            self.register.sign(custodian)
        publish(self.register, self.custodians["online"][0], now=self.clock.now())
        await self.poll()

    async def reopen(self, name: str) -> Node:
        """Close nothing, open a second time on the same files: what a restarted process sees."""
        config = self.nodes[name].config
        node = await self.stack.enter_async_context(open_simulated(config, self))
        self.nodes[name] = node
        return node


def open_simulated(config, federation: Federation):
    by_id = _ById(federation.nodes)
    return open_node(
        config,
        clock=federation.clock,
        randomness=SystemRandomness(),
        transport=SimulatedNetwork(by_id, federation.network),
        fetch=read_folder(federation.register.folder),
        connect=federation.connect,
    )


class _ById(dict):
    def __init__(self, nodes):
        super().__init__()
        self.nodes = nodes

    def __getitem__(self, key):
        return self.nodes[str(key)]


@asynccontextmanager
async def simulated_federation(home: Path, *names: str, databases=None, connect=lambda _: None) -> AsyncIterator[Federation]:
    """Found a federation and open its nodes. `databases` gives (main, keys) URLs by node; SQLite files otherwise.

    `connect` opens the databases' connections another way (gateway.main.node.open_node).
    """
    clock = FakeClock()
    register = Repository(home / "register")
    custodians = {
        "council": [new_custodian(f"c{n}") for n in range(5)],
        "registrars": [new_custodian(f"r{n}") for n in range(3)],
        "policy": [new_custodian(f"p{n}") for n in range(3)],
        "duty": [new_custodian("duty")],
        "online": [new_custodian("online")],
    }
    publics = {office: [item.public for item in holders] for office, holders in custodians.items()}
    holders = Holders(
        publics["council"], publics["registrars"], publics["policy"], publics["council"] + publics["duty"], publics["online"][0]
    )
    stage_founding(
        register,
        Preset.FULL,
        holders,
        FederationInfo(name="Simulada", demo=True, preset="full"),
        load_template("first-policy"),
        now=clock.now(),
    )
    for item in (*custodians["council"][:3], *custodians["registrars"][:2], *custodians["policy"]):
        register.sign(item)
    publish(register, custodians["online"][0], now=clock.now())
    configs = {}
    for name in names or MEMBERS:
        configs[name] = await _make(home / name, name, (databases or {}).get(name))
        request = decode_model(EnrolmentRequest, configs[name].request.read_bytes())
        stage_member(register, request.member, now=clock.now())
        stage_keyset(register, request.keyset, now=clock.now())
    for item in custodians["registrars"][:2]:
        register.sign(item)
    publish(register, custodians["online"][0], now=clock.now())
    async with AsyncExitStack() as stack:
        federation = Federation(home, {}, Faults(), clock, register, custodians, stack, connect)
        for name, config in configs.items():
            RegisterClient.initialise(config.trust, register.root_bytes(), expected=fingerprint(register.root_bytes()))
            federation.nodes[name] = await stack.enter_async_context(open_simulated(config, federation))
        yield federation


async def _make(folder: Path, name: str, databases):
    import asyncio

    extra = "demo = true #top\n"
    if databases:
        extra += f'database_url = "{databases[0]}" #top\nkey_store_url = "{databases[1]}" #top\n'
    answers = InitAnswers(
        node=name,
        role=(MEMBERS | ABROAD)[name],
        name=f"{name} (ficticio)",
        country="GT",
        endpoint=f"https://{name.replace('.', '-')}.example/x",
        config=folder / "paradero.toml",
        data=folder,
        extra=extra,
    )
    if not databases:
        place_sqlite(folder)
    await initialise_node(answers)
    config = load_config(folder / "paradero.toml")
    await asyncio.to_thread(upgrade_databases, config)
    return config
