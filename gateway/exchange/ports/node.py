"""Time, chance, the network and what wakes a loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.errors import PeerUnavailableError, ProblemCode
from contracts.ids import NodeId


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a simulation moves virtual time instead."""
        ...


class Randomness(Protocol):
    """The only source of chance outside `keys` (ids, jitter)."""

    def token(self, size: int) -> bytes:
        """Return `size` random bytes."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high]."""
        ...


class Nudge(StrEnum):
    """Which loop has new work after a commit in this process; polling remains the truth."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    LOG = "log"
    ATTACHMENTS = "attachments"


@dataclass(frozen=True, slots=True)
class DoorResult:
    """What the peer's inbox said of one envelope: a receipt (unverified text), or a problem that proves nothing."""

    receipt: str | None
    problem: ProblemCode | None


class BlobGoneError(PeerUnavailableError):
    """The peer does not serve that ciphertext: it has it no more, or never had."""


@dataclass(frozen=True, slots=True)
class BlobPart:
    """Bytes of a ciphertext from `start` on; fewer than were asked for where the line dropped. Nothing proves them yet."""

    start: int
    data: bytes


class Transport(Protocol):
    """Carries sealed bytes to a peer's doors. Addresses come from the register only."""

    async def deliver(self, peer: NodeId, envelopes: Sequence[bytes]) -> Sequence[DoorResult]:
        """Hand 1 to 50 envelopes to the peer's inbox; return one result each, in order.

        Raises:
            PeerUnavailableError: no answer, or one that is not a list of results. The outcome is unknown.
        """
        ...

    async def ask(self, peer: NodeId, envelope: bytes) -> bytes:
        """Hand a sealed question to the peer's ask door; return the sealed reply.

        Raises:
            PeerUnavailableError: no answer, or one that is no envelope.
        """
        ...

    async def read_blob(self, peer: NodeId, name: str, start: int, end: int) -> BlobPart:
        """Return bytes of a ciphertext the peer serves, from `start` and before `end`, or from 0 if it serves no parts.

        Raises:
            BlobGoneError: the peer serves none of that name.
            PeerUnavailableError: no byte came.
        """
        ...
