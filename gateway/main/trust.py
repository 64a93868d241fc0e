"""The register a node goes by: opened from disk or fetched, polled, and what follows when it says something new."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from contracts.errors import ConfigurationError, PeerUnavailableError
from contracts.ids import NodeId
from contracts.leaves import LeafEvent, LeafFields
from gateway.config import NodeConfig
from gateway.console.operations import RegisterCopy
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import Clock, Nudge, Transport
from gateway.federation.client import HttpTransport
from gateway.telemetry import log
from keys.evidence import older_keysets, register_files
from keys.register.client import Refresh, RegisterClient, first_of, read_folder
from keys.register.state import TrustState
from keys.register.tuf_client import Fetch

FIRST_REGISTER_TRIES = 60

_Told = tuple[int, frozenset[NodeId], tuple[str, ...]]


@dataclass(slots=True)
class Trust:
    """The register this node goes by: one value, swapped whole."""

    client: RegisterClient
    clock: Clock
    state: TrustState
    node: Capabilities | None = None
    """Set once the node is wired; what it holds and logs follows the register from then on."""
    _told: _Told | None = None
    _polling: asyncio.Lock = field(default_factory=asyncio.Lock)

    def current(self) -> TrustState:
        """Return the register in force."""
        return self.state

    async def poll(self) -> bool:
        """Fetch, verify, adopt and follow; True when it changed. What a refusal says goes to the log and to people."""
        async with self._polling:
            try:
                refresh = await asyncio.to_thread(self.client.refresh, self.clock.now())
            except PeerUnavailableError:
                await self.follow(self._told[2] if self._told else ())  # what we hold ages all the same
                raise
            self.state = refresh.state
            if self.node is not None and refresh.changed and not refresh.problems:
                self.node.timekeeper.told(refresh.state.published_at)
            await self.follow(tuple(problem.kind for problem in refresh.problems))
            return refresh.changed

    async def follow(self, problems: tuple[str, ...] = ()) -> None:
        """Hold the lanes of suspended peers, and log what is new; a suspension lapses with time, so every poll looks."""
        node, now = self.node, self.clock.now()
        told = (self.state.version, self.state.suspended(now), problems)
        if node is None or told == self._told or node.timekeeper.skew() is not None:
            return  # by a clock that jumped a suspension would seem over
        detail = " ".join((f"version={self.state.version}", *problems))
        fields = LeafFields(at=int(now.timestamp()), event=LeafEvent.TRUST, trust=self.state.version, detail=detail)
        async with node.begin() as work:
            await work.outbox.set_held(self.state.suspended(now))
            await work.audit.stage([node.leaves.leaf(fields)])
            for kind in problems:
                await work.alarms.raise_("register-problem", subject=f"{kind}:{self.state.version}", now=now)
        self._told = told
        node.nudge(Nudge.LOG)
        node.nudge(Nudge.OUTBOX)

    def copy(self, tokens: Collection[str]) -> RegisterCopy:
        """Return the register's files as proof of who signed `tokens`."""
        mirror = self.client.mirror
        return RegisterCopy(register_files(mirror), older_keysets(mirror, tokens), self.client.verified_at())


async def open_trust(config: NodeConfig, clock: Clock, fetch: Fetch) -> Trust:
    """Load the register from disk, or fetch it for the first time.

    Raises:
        ConfigurationError: it is out of reach or does not verify; says what to do.
    """
    client = RegisterClient(config.trust, fetch, demo=config.demo)
    if (config.trust / "verified_at").exists():
        state = await asyncio.to_thread(client.load)
    else:
        state = (await _first_register(client, clock)).state
    return Trust(client, clock, state)


async def _first_register(client: RegisterClient, clock: Clock) -> Refresh:
    """Fetch the register for the first time; a mirror that is still starting gets a minute."""
    for _ in range(FIRST_REGISTER_TRIES):
        try:
            return await asyncio.to_thread(client.refresh, clock.now())
        except PeerUnavailableError as error:
            log.warning("register-out-of-reach", exc_info=error)
            await clock.sleep(1.0)
    raise ConfigurationError(
        "no se pudo traer el registro de la red", advice="Compruebe [register] mirrors y tls_pin, y que haya red."
    )


def register_fetch(config: NodeConfig, transport: Transport) -> Fetch:
    """Return how register files are fetched: from a local folder where this node hosts it, else from mirrors in turn."""
    if config.register_.hosted is not None:
        return read_folder(config.register_.hosted)
    loop = asyncio.get_running_loop()

    def remote(base: str) -> Fetch:
        def fetch(path: str, limit: int) -> bytes:
            if not isinstance(transport, HttpTransport):
                raise PeerUnavailableError("no mirror without a network")
            work = transport.fetch(base, config.register_.tls_pin, path, limit)
            return asyncio.run_coroutine_threadsafe(work, loop).result()

        return fetch

    return first_of([remote(base) for base in config.register_.mirrors])
