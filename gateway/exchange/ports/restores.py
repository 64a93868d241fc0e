"""What a restore left to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import MessageId, NodeId


class ReconcileState(StrEnum):
    """Where a restored node stands with one peer."""

    ASKED = "asked"  # the peer has it next; what it sends meanwhile is stored and not yet handled
    DONE = "done"  # nobody; the peer has given back what it holds
    FAILED = "failed"  # an administrator: the peer cannot answer, or it was given up


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that peers must hear of. `since` is the last moment this node remembers."""

    restored_at: datetime
    since: datetime
    origin: str
    previous_origin: str
    previous_size: int
    previous_root: bytes


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One peer's part in a restore."""

    peer: NodeId
    message_id: MessageId
    state: ReconcileState


class Restores(Protocol):
    """What a restore left to be done."""

    async def pending(self) -> Restored | None:
        """Return the restore that was not announced yet."""
        ...

    async def announce(self, asked: Mapping[NodeId, MessageId], *, now: datetime) -> None:
        """Note whom we told, and by which message; what was noted of an earlier restore goes."""
        ...

    async def unsettled(self) -> frozenset[NodeId] | None:
        """Return the peers that were asked and have not answered; None while not even announced: then it is all of them."""
        ...

    async def find(self, peer: NodeId) -> Reconciliation | None:
        """Return how we stand with a peer."""
        ...

    async def take(self, peer: NodeId, part: int, parts: int, *, returned: int, lost: int, now: datetime) -> bool:
        """Note one part of a peer's answer; True when it was the last one missing."""
        ...

    async def end(self, peer: NodeId, state: ReconcileState, *, now: datetime) -> bool:
        """End a reconciliation that is under way; False when there is none."""
        ...

    async def unanswerable(self) -> Sequence[NodeId]:
        """Return the peers whose announcement was refused, or expired undelivered."""
        ...
