"""What the exchange needs from outside. Implemented by gateway.storage, gateway.federation, keys and adapters.

Times are aware UTC datetimes here; storage keeps integer milliseconds. Every method of a store runs inside the
unit of work's transaction: nothing it did counts before the block was left without an exception, and then all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from contracts.errors import ProblemCode
from contracts.ids import CaseAlias, Folio, MessageId, NodeId, ThreadId
from contracts.leaves import LeafFields
from gateway.exchange.states import InboxState, OutboxState
from keys.vault import KeptMessage, Provable


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


# -- inbox ---------------------------------------------------------------------------------------------------------


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
class StagedLeaf:
    """A leaf of the audit log before it has its index (SPEC 7.1).

    `leaf_hash` is RFC 6962's SHA-256(0x00 || data); `data` is public, `disclosures` stay in our database.
    """

    leaf_hash: bytes
    data: bytes
    disclosures: tuple[str, ...]
    event: str
    message_id: MessageId | None
    peer: NodeId | None


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


# -- outbox --------------------------------------------------------------------------------------------------------


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

    async def answered(self, answers: Sequence[tuple[NodeId, MessageId, str]]) -> frozenset[tuple[NodeId, MessageId, str]]:
        """Return which (peer, message answered, type) there is an answer to in the outbox, whatever became of it."""
        ...


# -- cases, imports, alarms ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaseEntry:
    """What dispatch files about a thread: enough for a list, nothing personal."""

    thread_id: ThreadId
    kind: str
    peer: NodeId
    opened_by: MessageId
    state: str
    alias: CaseAlias | None
    folio: Folio | None
    opened_at: datetime


class Cases(Protocol):
    """The node's own list of cases (at the MBMID: with folios)."""

    async def open(self, entries: Sequence[CaseEntry]) -> None:
        """File cases; a thread that has one already keeps it as it is."""
        ...

    async def find(self, thread_ids: Sequence[ThreadId]) -> Mapping[ThreadId, CaseEntry]:
        """Return the cases of those threads that have one."""
        ...

    async def acknowledge(self, folios: Mapping[ThreadId, Folio]) -> None:
        """Move cases to "acknowledged", each under the peer's folio; a folio once set stays."""
        ...

    async def set_state(self, thread_id: ThreadId, *, state: str, folio: Folio | None = None) -> None:
        """Move a case; a folio once set stays."""
        ...

    async def next_folios(self, prefix: str, year: int, count: int) -> Sequence[Folio]:
        """Return the next numbers of `year`; gaps cannot occur but by a restore, which skips ahead."""
        ...

    async def with_folio(self, folio: Folio) -> Sequence[ThreadId]:
        """Return the threads of the cases that carry a folio; more than one is a fault of ours."""
        ...

    async def folio_was_given(self, folio: Folio) -> None:
        """See to it that `next_folios` never returns `folio` or one before it."""
        ...

    async def with_aliases(self, aliases: Sequence[tuple[NodeId, CaseAlias]]) -> Mapping[tuple[NodeId, CaseAlias], ThreadId]:
        """Return the threads of cases known to a peer under an alias."""
        ...


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """What became of one row of a source file. `key` is a keyed digest of the row's content, never the content."""

    source: str
    row: int
    key: bytes
    outcome: str
    reasons: tuple[str, ...]
    thread_id: ThreadId | None
    message_ids: tuple[MessageId, ...]


class Imports(Protocol):
    """Which rows of source files were taken in, so that a second import of the same file sends nothing twice."""

    async def known(self, keys: Sequence[bytes]) -> Mapping[bytes, ImportedRow]:
        """Return the rows already imported among `keys`."""
        ...

    async def add(self, rows: Sequence[ImportedRow], *, now: datetime) -> None:
        """File rows; a key that is there stays as it was."""
        ...


@dataclass(frozen=True, slots=True)
class Alarm:
    """What people must look at: a code, the id of what it is about, and the peer it has to do with."""

    code: str
    subject: str
    peer: NodeId | None = None


class Alarms(Protocol):
    """What people must look at. Codes and ids only."""

    async def raise_all(self, raised: Sequence[Alarm], *, now: datetime) -> None:
        """Raise alarms, each once per (code, subject)."""
        ...

    async def raise_(self, code: str, *, subject: str, now: datetime, peer: NodeId | None = None) -> None:
        """Raise an alarm once per (code, subject)."""
        ...


class AuditStage(Protocol):
    """Leaves that wait for the sequencer; in the transaction of their effect."""

    async def stage(self, leaves: Sequence[StagedLeaf]) -> None:
        """Stage leaves in this order."""
        ...


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


class UnitOfWork(Protocol):
    """One transaction. Leaving the block without an exception commits; with one, nothing happened."""

    @property
    def inbox(self) -> Inbox: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def cases(self) -> Cases: ...

    @property
    def imports(self) -> Imports: ...

    @property
    def alarms(self) -> Alarms: ...

    @property
    def audit(self) -> AuditStage: ...

    @property
    def restores(self) -> Restores: ...


BeginUnitOfWork = Callable[[], AbstractAsyncContextManager[UnitOfWork]]


class Bodies(Protocol):
    """Seals message bodies at rest, one key per thread, kept in the key store (DESIGN 7).

    `seal` returns only when the thread's key is durable: call it before the transaction that stores the body.
    """

    async def seal(self, items: Sequence[tuple[ThreadId, MessageId, Provable]]) -> Sequence[bytes]:
        """Return each message sealed under its thread's key, bound to its message id. Only proven ones are taken.

        Raises:
            StorageError: a thread's key was destroyed (its case was erased), or the key store cannot be written.
        """
        ...

    async def open(self, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> KeptMessage:
        """Return the message: verified or signed before it was sealed, authenticated now.

        Raises:
            StorageError: the key is gone, or the sealed bytes were changed.
        """
        ...


class LeafBuilder(Protocol):
    """Makes audit leaves (keys.leaves)."""

    def leaf(self, fields: LeafFields) -> StagedLeaf:
        """Return a leaf that commits to `fields`, each under its own salt."""
        ...


class Nudge(StrEnum):
    """Which loop has new work after a commit in this process; polling remains the truth."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    LOG = "log"


class LogReader(Protocol):
    """Reads this node's own audit log. Nothing here changes it."""

    async def inclusion(self, leaf_hash: bytes) -> str | None:
        """Return the C2SP tlog-proof of a leaf under the newest signed checkpoint, or None when it is in none yet."""
        ...


# -- the network ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DoorResult:
    """What the peer's inbox said of one envelope: a receipt (unverified text), or a problem that proves nothing."""

    receipt: str | None
    problem: ProblemCode | None


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
