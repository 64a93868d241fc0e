"""Trying the link to a peer step by step, so that a person learns at which one it breaks. Nothing of a case is in it.

The address is the register's and nobody else's: what is tried is what deliveries would use.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from contracts.errors import ExchangeError, PeerUnavailableError
from contracts.ids import ActorPseudonym, Code, NodeId
from contracts.messages import Ping, PingBody
from gateway.exchange.ask import ask
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.submit import Draft
from keys.register.state import Standing

FAR_CLOCK = timedelta(minutes=2)
"""Further apart than this, two clocks are worth a word: from five minutes on messages are refused."""
_PURPOSE, _BASIS = Code("operate"), Code("federation:operation")


class Step(StrEnum):
    """What is tried, in this order."""

    REGISTER = "register"
    NAME = "name"
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    IDENTITY = "identity"
    CLOCK = "clock"
    ECHO = "echo"


class Fault(StrEnum):
    """Why a step did not succeed."""

    NOT_ACTIVE = "not-active"
    NO_KEYS = "no-keys"
    KEYS_EXPIRED = "keys-expired"
    NAME_UNKNOWN = "name-unknown"
    OWN_NETWORK = "own-network"
    REFUSED = "refused"
    SILENCE = "silence"
    UNREACHABLE = "unreachable"
    OTHER_CERTIFICATE = "other-certificate"
    NOT_TRUSTED = "not-trusted"
    HANDSHAKE = "handshake"
    NO_REPLY = "no-reply"
    REPLY_REFUSED = "reply-refused"
    CLOCK_AHEAD = "clock-ahead"
    CLOCK_BEHIND = "clock-behind"


@dataclass(frozen=True, slots=True)
class Looked:
    """One step: done (`fault` None) or where it ended. `took` is how long the echo was on its way, `apart` the clocks."""

    step: Step
    fault: Fault | None = None
    took: timedelta | None = None
    apart: timedelta | None = None


@dataclass(frozen=True, slots=True)
class LineLook:
    """How far down the line one came, and what the far end's clock said over it, if it said."""

    steps: tuple[Looked, ...]
    clock: datetime | None = None


class Line(Protocol):
    """Looks at the way to a peer: its name, a connection, its certificate. Implemented by gateway.federation."""

    async def look(self, peer: NodeId) -> LineLook:
        """Return the steps that were tried; the first that fails is the last. Never raises for what the network does."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """What a whole trial found; steps after the first that failed were not tried."""

    at: datetime
    steps: tuple[Looked, ...]

    @property
    def fine(self) -> bool:
        """Whether every step succeeded."""
        return all(looked.fault is None for looked in self.steps)


async def probe(peer: NodeId, node: Capabilities, line: Line, *, actor: ActorPseudonym) -> Probe:
    """Try the link to a member, up to the first step that fails."""
    now = node.clock.now()
    first = Looked(Step.REGISTER, _unfit(peer, node, now))
    if first.fault is not None:
        return Probe(now, (first,))
    look = await line.look(peer)
    steps = (first, *look.steps)
    if any(looked.fault is not None for looked in steps):
        return Probe(now, steps)
    return Probe(now, (*steps, *await _asked(peer, node, look.clock, actor)))


def _unfit(peer: NodeId, node: Capabilities, now: datetime) -> Fault | None:
    trust = node.trust()
    if trust.standing(peer, now) not in {Standing.ACTIVE, Standing.PROBATION}:
        return Fault.NOT_ACTIVE
    keyset = trust.keysets.get(peer)
    if keyset is None:
        return Fault.NO_KEYS
    return Fault.KEYS_EXPIRED if keyset.expires_at <= now else None


async def _asked(peer: NodeId, node: Capabilities, clock: datetime | None, actor: ActorPseudonym) -> tuple[Looked, ...]:
    before = node.clock.now()
    try:
        reply = await ask(_question(peer, node, before, actor), node)
    except PeerUnavailableError:
        return (Looked(Step.IDENTITY, Fault.NO_REPLY), *_apart(clock, before))
    except ExchangeError:
        return (Looked(Step.IDENTITY, Fault.REPLY_REFUSED), *_apart(clock, before))
    after = node.clock.now()
    signed = datetime.fromtimestamp(reply.issued_at, UTC)
    told = Looked(Step.ECHO, took=max(after - before, timedelta()))
    return (Looked(Step.IDENTITY), *_apart(signed, before + (after - before) / 2), told)


def _apart(theirs: datetime | None, ours: datetime) -> tuple[Looked, ...]:
    if theirs is None:
        return ()
    apart = theirs - ours
    fault = None
    if abs(apart) > FAR_CLOCK:
        fault = Fault.CLOCK_AHEAD if apart > timedelta() else Fault.CLOCK_BEHIND
    return (Looked(Step.CLOCK, fault, apart=apart),)


def _question(peer: NodeId, node: Capabilities, now: datetime, actor: ActorPseudonym) -> Draft:
    thread = node.new_thread_id(now)
    return Draft(
        kind=Ping,
        to=peer,
        body=PingBody(),
        purpose=_PURPOSE,
        basis=_BASIS,
        actor=actor,
        thread_id=thread,
        case_key=str(thread),
    )
