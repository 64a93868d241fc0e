"""Messages to peers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from contracts.ids import MessageId, NodeId, ThreadId
from gateway.exchange.ports.log import StagedLeaf
from gateway.exchange.states import OutboxState


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One signed and sealed message on its way into the outbox."""

    message_id: MessageId
    lane: NodeId
    kind: str
    thread_id: ThreadId
    in_reply_to: MessageId | None
    digest: bytes
    """SHA-256 of the inner JWS."""
    envelope: bytes
    """The JWE; resent unchanged, re-made only when the recipient's key was retired."""
    recipient_key: str
    body: bytes
    """The inner JWS, sealed by the vault under the thread's key."""
    manifest: str
    """What was withheld and why, as JSON: field names and rules, never values. Stays here."""
    due: datetime
    expires_at: datetime
    leaf: StagedLeaf
    retain_until: datetime | None = None
    """How long what it says may be kept."""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """One message claimed for delivery."""

    message_id: MessageId
    lane: NodeId
    kind: str
    thread_id: ThreadId
    digest: bytes
    envelope: bytes
    recipient_key: str
    body: bytes
    attempts: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """How one claimed message ended, or that it goes back.

    DELIVERED and REJECTED carry the peer's verified receipt. WAITING goes back to its lane. DEAD has a reason and a leaf.
    """

    message_id: MessageId
    state: OutboxState
    receipt: str | None = None
    reason: str | None = None
    leaf: StagedLeaf | None = None
    envelope: bytes | None = None
    """A re-sealed envelope, to be stored in place of the old one."""
    recipient_key: str | None = None
    due: datetime | None = None
    """For WAITING: when this one message may be tried again; its lane does not wait for it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The one row per peer that holds back-off, pause and fairness."""

    peer: NodeId
    failures: int
    next_attempt: datetime
    paused: bool
    held: bool
    """Held by the register (suspended peer), not by our administrator."""
    last_success: datetime | None
    waiting: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message that has reached its peer."""

    message_id: MessageId
    thread_id: ThreadId
    body: bytes
    expires_at: datetime


class Onward(StrEnum):
    """How far one of our messages got, when somebody wants it back."""

    NEVER_LEFT = "never-left"  # it waits, and nobody ever tried
    MAY_HAVE_ARRIVED = "may-have-arrived"  # it is being delivered, or an attempt met silence
    ENDED = "ended"  # delivered, refused or expired: its own end tells


class Outbox(Protocol):
    """Messages to peers. Key: (lane, message id); lane is the peer's NodeId."""

    async def put(self, messages: Sequence[Outgoing]) -> None:
        """Store messages and their leaves; make their lanes if new.

        Raises:
            MessageConflictError: one of the ids is in the outbox already.
        """
        ...

    async def lanes_due(self, *, now: datetime, limit: int) -> Sequence[NodeId]:
        """Return lanes with due messages that are not paused, held, leased or backing off; longest unserved first."""
        ...

    async def claim(self, lane: NodeId, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]:
        """Lease up to `limit` due messages of `lane`, oldest first; empty when another worker has the lane."""
        ...

    async def finish(
        self, lane: NodeId, outcomes: Sequence[DeliveryOutcome], *, owner: str, now: datetime, next_attempt: datetime | None
    ) -> int:
        """Record outcomes of messages still leased to `owner` (leaves included) and release the lane; return how many.

        `next_attempt` None means the peer answered: its failures are reset. Otherwise one failure is counted.
        """
        ...

    async def release(self, worker: str) -> int:
        """Give back what earlier lives of `worker` had claimed, lanes included; return how many messages and lanes."""
        ...

    async def lane(self, peer: NodeId) -> Lane | None:
        """Return the peer's row."""
        ...

    async def wake(self, peer: NodeId, *, now: datetime) -> None:
        """The peer is back (it spoke to us): drop its back-off."""
        ...

    async def set_paused(self, peer: NodeId, *, paused: bool) -> None:
        """Stop or resume deliveries to one peer; makes the lane if new."""
        ...

    async def set_held(self, peers: frozenset[NodeId]) -> None:
        """Hold exactly these lanes: the register says they are suspended or gone."""
        ...

    async def expired(self, *, now: datetime, limit: int) -> Sequence[OutboxItem]:
        """Return waiting messages past their expiry (of any lane, paused and held ones too), not leased to anybody."""
        ...

    async def bury(self, outcomes: Sequence[tuple[NodeId, DeliveryOutcome]], *, now: datetime) -> frozenset[MessageId]:
        """End expired messages in DEAD, with their leaves, unless somebody leased or ended them meanwhile; return which."""
        ...

    async def make_due(self, *, now: datetime) -> None:
        """Let nothing that was tried wait for a later time: a clock that was wrong may have set it."""
        ...

    async def revive(self, message_id: MessageId, *, now: datetime) -> bool:
        """Make a waiting message due now and drop its lane's back-off; False when it is not waiting."""
        ...

    async def delivered_since(self, peer: NodeId, since: datetime) -> Sequence[Delivered]:
        """Return what reached `peer` since a moment, oldest first, but for what nodes say about restores."""
        ...

    async def requeue(self, peer: NodeId, sealed: Sequence[tuple[MessageId, bytes, str]], *, now: datetime) -> int:
        """Make delivered messages wait again, each in a new (envelope, key); their receipts are kept. Return how many."""
        ...

    async def refile(self, messages: Sequence[tuple[Outgoing, str | None]], *, now: datetime) -> frozenset[MessageId]:
        """File messages of ours that a peer gave back, as delivered, with their receipts; return those that were unknown.

        One that is in the outbox already, waiting or ended, stays as it is. Leaves of the others are staged.
        """
        ...

    async def onward(self, messages: Sequence[MessageId]) -> Mapping[MessageId, Onward]:
        """Return how far each of these messages got, locked until the transaction ends."""
        ...

    async def withdraw(self, messages: Sequence[MessageId], *, reason: str, now: datetime) -> frozenset[MessageId]:
        """Take waiting messages back: they are not sent (again), and their envelopes are gone; return which.

        One that a delivery has in hand is taken back too, so that nobody tries again; when a receipt comes for it all the
        same, the receipt counts.
        """
        ...

    async def answered(self, answers: Sequence[tuple[NodeId, MessageId, str]]) -> frozenset[tuple[NodeId, MessageId, str]]:
        """Return which (peer, message answered, type) there is an answer to in the outbox, whatever became of it."""
        ...
