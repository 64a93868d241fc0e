"""What the exchange needs of storage to erase: orders of peers, threads that outlived their time, what a law keeps (SPEC 20).

As in `ports`: every method runs inside the unit of work's transaction; times are aware UTC datetimes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId


class ErasureState(StrEnum):
    """One item that is to go. Comments say who moves next."""

    BLOCKED = "blocked"  # the eraser, when its time comes; until then nothing of it is read or said
    MARKED = "marked"  # the eraser, when its time comes; until then people can see it and say no
    ABSENT = "absent"  # nobody; it was not here. Should it come later, it is blocked at once
    ERASED = "erased"  # nobody; the key is gone
    REFUSED = "refused"  # nobody; a law keeps it, and its basis was told


class ItemKind(StrEnum):
    """What an item's id names."""

    RECORD = "record"
    MESSAGE = "message"
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One item of one order. `ordered_by` is a peer, or this node itself where the time to keep it is over.

    `whole`: the thread holds nothing of anybody else, and goes with its key; otherwise only the orderer's own messages go.
    """

    ordered_by: NodeId
    order_id: str
    item: str
    kind: ItemKind
    thread_id: ThreadId | None
    whole: bool
    reason: str
    state: ErasureState
    ordered_at: datetime
    shred_at: datetime
    basis: Code | None = None
    ended_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Where an item a peer names stands here."""

    thread_id: ThreadId
    whole: bool


@dataclass(frozen=True, slots=True)
class Undated:
    """A message of which nobody wrote down how long it may be kept: it was there before that was done."""

    peer: NodeId
    message_id: MessageId
    thread_id: ThreadId
    body: bytes
    sent: bool


@dataclass(frozen=True, slots=True)
class EraserWatch:
    """How the eraser stands. `stopped`: why it waits for a person."""

    last_run: datetime | None
    stopped: str | None
    stopped_at: datetime | None
    allowed_until: datetime | None
    scrub_due: bool


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A thread a law keeps, by which basis, and who said so."""

    thread_id: ThreadId
    basis: Code
    set_by: ActorPseudonym
    set_at: datetime


class Erasures(Protocol):
    """What is to go, what went, and what stays because a law says so. Rows are never deleted."""

    async def find(self, sender: NodeId, items: Iterable[str]) -> Mapping[str, Found]:
        """Return where records and messages that `sender` sent stand; an item of anybody else is not found."""
        ...

    async def add(self, entries: Sequence[Erasure]) -> None:
        """File what is to go; an item of one order that is there stays as it was."""
        ...

    async def ordered_before(self, items: Iterable[tuple[NodeId, str]]) -> frozenset[tuple[NodeId, str]]:
        """Return which of these (sender, item) the sender once ordered erased, and were not refused."""
        ...

    async def came_late(self, sender: NodeId, item: str, found: Found, *, shred_at: datetime) -> None:
        """Note that an item arrived whose erasure was ordered already: it is blocked."""
        ...

    async def due(self, *, now: datetime, limit: int) -> Sequence[Erasure]:
        """Return what waits and whose time has come, oldest first."""
        ...

    async def waiting(self, *, limit: int) -> Sequence[Erasure]:
        """Return what is to go and has not gone, the next first."""
        ...

    async def end(self, entries: Sequence[Erasure], state: ErasureState, *, now: datetime, basis: Code | None = None) -> None:
        """Note that items went, or are kept and why."""
        ...

    async def keep_marked(self, thread_id: ThreadId) -> None:
        """Take back the marks of a thread whose time is over: a law keeps it."""
        ...

    async def empty(self, threads: Sequence[ThreadId], *, now: datetime, only_from: NodeId | None = None) -> None:
        """Take the sealed texts of these threads out of every table, and what their leaves say of a person.

        `only_from`: of the threads, only the messages this peer sent. Otherwise their exchanges and the work on them are over.
        """
        ...

    async def end_queued(self, threads: Sequence[ThreadId], *, now: datetime) -> None:
        """Handle and send nothing more of these threads."""
        ...

    async def answerable(self, *, limit: int) -> Sequence[Sequence[Erasure]]:
        """Return the items of peers' orders, order by order, of which none waits any more and none is answered."""
        ...

    async def unanswered_since(self, before: datetime, *, limit: int) -> Sequence[tuple[NodeId, str]]:
        """Return (peer, order) of orders older than `before` that have no receipt yet."""
        ...

    async def answered(self, ordered_by: NodeId, order_id: str, *, now: datetime) -> bool:
        """Note that an order's receipt is on its way; False when it was before."""
        ...

    async def outlived(self, *, now: datetime, limit: int) -> Sequence[ThreadId]:
        """Return threads every message of which has outlived its time to be kept, and that nothing waits in."""
        ...

    async def undated(self, *, limit: int) -> Sequence[Undated]:
        """Return messages that wait to be told how long they may be kept."""
        ...

    async def date(self, found: Sequence[tuple[Undated, datetime]]) -> None:
        """Write down until when each may be kept."""
        ...

    async def keep_until(self, threads: Sequence[ThreadId], until: datetime) -> None:
        """Keep our own copies of what we sent in these threads until then, and no longer."""
        ...

    async def handed_over(self, *, now: datetime, limit: int) -> int:
        """Take the sealed texts out of our copies of reports that are another's now, and past their time; return how many.

        Delivered, the report acknowledged, and kept by no law. The thread's key stays: its peer may still speak in it.
        """
        ...

    async def threads(self) -> int:
        """Return how many threads there are; read only when there is reason to ask."""
        ...

    async def holds(self, threads: Iterable[ThreadId]) -> Mapping[ThreadId, Code]:
        """Return which of these threads a law keeps, and which."""
        ...

    async def hold(self, thread_id: ThreadId, basis: Code, *, by: ActorPseudonym, now: datetime) -> bool:
        """Keep a thread for a law; False when one keeps it already."""
        ...

    async def lift(self, thread_id: ThreadId, *, by: ActorPseudonym, now: datetime) -> bool:
        """End that; False when nothing keeps it."""
        ...

    async def kept(self, *, limit: int) -> Sequence[LegalHold]:
        """Return the threads that are kept, oldest first."""
        ...

    async def watch(self) -> EraserWatch:
        """Return how the eraser stands, locked until the transaction ends."""
        ...

    async def set_watch(self, watch: EraserWatch) -> None:
        """Write down how it stands."""
        ...

    async def case_refs(self, text: str) -> Sequence[str]:
        """Return what our own books call a case that people name by folio, thread or reference; the first is the one new
        decisions are written under. Empty when there is no such case.
        """
        ...
