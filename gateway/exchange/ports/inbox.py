"""Messages from peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from contracts.ids import MessageId, NodeId, RecordId, ThreadId
from gateway.exchange.ports.log import StagedLeaf
from gateway.exchange.states import InboxState


@dataclass(frozen=True, slots=True)
class InboxKey:
    """What makes a message one message: who sent it, under which id."""

    sender: NodeId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """What we remember of a message for deduplication. `receipt` is the one we answered with."""

    digest: bytes
    receipt: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One accepted message, ready to be stored: dedupe row, inbox row, leaf and receipt go in together."""

    key: InboxKey
    digest: bytes
    kind: str
    thread_id: ThreadId
    in_reply_to: MessageId | None
    body: bytes
    """The verified JWS, sealed by the vault under the thread's key."""
    receipt: str
    leaf: StagedLeaf
    received_at: datetime
    expires_at: datetime
    retain_until: datetime | None = None
    records: tuple[RecordId, ...] = ()
    """The ids their sender gave the records it carries: an order to erase names them."""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One message claimed for dispatch."""

    key: InboxKey
    kind: str
    thread_id: ThreadId
    body: bytes
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Received:
    """One message a peer sent us, as we keep it, and the receipt we gave."""

    message_id: MessageId
    thread_id: ThreadId
    body: bytes
    receipt: str


class Inbox(Protocol):
    """Received messages. Key: (sender, message id)."""

    async def seen(self, keys: Sequence[InboxKey]) -> Mapping[InboxKey, SeenMessage]:
        """Return what is remembered of those `keys` that arrived before."""
        ...

    async def store(self, arrivals: Sequence[Arrival]) -> frozenset[InboxKey]:
        """Store each arrival whose key is new, its leaf included, one executemany per table; return the keys stored.

        A key that arrived before (also twice in one call) is left as it was, without a leaf.
        """
        ...

    async def claim(
        self, *, owner: str, now: datetime, lease: timedelta, limit: int, lapsed: bool = False
    ) -> Sequence[InboxItem]:
        """Lease up to `limit` due messages, oldest first, and count the attempt.

        Those that nobody ever left unfinished, or with `lapsed` only those whose lease ran out: one of them may have ended
        the process that held it.
        """
        ...

    async def finish(self, ended: Mapping[InboxKey, InboxState], *, owner: str) -> frozenset[InboxKey]:
        """End each message in its state; return those whose lease was still ours (of the others nothing changed)."""
        ...

    async def release(self, worker: str) -> int:
        """Give back what earlier lives of `worker` had claimed; return how many messages."""
        ...

    async def make_due(self, *, now: datetime) -> None:
        """Let nothing that was tried wait for a later time: a clock that was wrong may have set it."""
        ...

    async def retry(self, key: InboxKey, *, owner: str, due: datetime, error: str) -> bool:
        """Release the message until `due`, noting the error's type name; False when the lease is no longer ours."""
        ...

    async def received_since(self, sender: NodeId, since: datetime) -> Sequence[Received]:
        """Return what `sender` sent us since a moment, oldest first, but for what nodes say about restores."""
        ...

    async def kept(self, key: InboxKey) -> Received | None:
        """Return one message as we keep it; None when no such message came."""
        ...
