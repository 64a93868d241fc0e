"""Messages that wait before they leave: shown to a person first, for a text or a second person, or for their slot (SPEC 18)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId

PersonRef = str
"""Who acts, by the one id a person keeps for ever. Two persons are two ids."""


class DepartureState(StrEnum):
    """Where a departure stands. Comments say who moves next."""

    SHOWN = "shown"  # whoever looked at it: they confirm it, or it is dropped after a day
    WAITING = "waiting"  # a person (a text, a second person) or the clock (its slot)
    LEFT = "left"  # nobody; its messages are in the outbox
    DROPPED = "dropped"  # nobody


@dataclass(frozen=True, slots=True)
class Departure:
    """Messages that leave together or not at all. `sealed` is all there is of their content, under the first one's thread.

    `content` is what people approve: SHA-256, in hex, of everything in the messages but ids and times.
    """

    id: MessageId
    state: DepartureState
    thread_id: ThreadId
    case_ref: str
    peer: NodeId
    kind: str
    in_reply_to: MessageId | None
    content: str
    sealed: bytes
    waits: tuple[str, ...]
    """What must still happen, as the names of walls; empty when only the clock is waited for."""
    leaves_at: datetime | None
    drafted_by: PersonRef
    actor: ActorPseudonym
    made_at: datetime
    office: Code | None = None
    """Whose work it is once it has left."""


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """A message as it came, sealed, and when it reached us."""

    sender: NodeId
    thread_id: ThreadId
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class SentBody:
    """A message that we sent as we keep it, sealed."""

    message_id: MessageId
    thread_id: ThreadId
    body: bytes


@dataclass(frozen=True, slots=True)
class TakenAnswer:
    """An answer as we keep it, sealed."""

    message_id: MessageId
    thread_id: ThreadId
    body: bytes
    received_at: datetime


class Departures(Protocol):
    """What waits before it leaves."""

    async def serialise(self, case_refs: Iterable[str]) -> None:
        """Let nobody else judge or withdraw anything of these cases until this transaction ends."""
        ...

    async def put(self, departure: Departure) -> None:
        """Write a departure down, or write it over; one that has ended stays as it is."""
        ...

    async def find(self, departure_id: MessageId) -> Departure | None:
        """Return one, locked until the transaction ends."""
        ...

    async def waiting(self, *, limit: int) -> Sequence[Departure]:
        """Return what waits, oldest first."""
        ...

    async def due(self, *, now: datetime, limit: int) -> Sequence[MessageId]:
        """Return what waits for the clock alone, and need wait no longer."""
        ...

    async def end(self, departure_id: MessageId, state: DepartureState, *, now: datetime) -> bool:
        """End one in LEFT or DROPPED, and forget its sealed content; False when it has ended before."""
        ...

    async def drop_shown(self, *, before: datetime, now: datetime) -> int:
        """Drop what was only looked at, before a moment; return how many."""
        ...

    async def approve(self, departure_id: MessageId, content: str, person: PersonRef, *, now: datetime) -> None:
        """Note that a person agreed to exactly this content; twice is once."""
        ...

    async def approvers(self, departure_id: MessageId, content: str) -> frozenset[PersonRef]:
        """Return who agreed to exactly this content."""
        ...

    async def sent_body(self, peer: NodeId, message_id: MessageId) -> tuple[ThreadId, bytes] | None:
        """Return the thread and the sealed body of a message we sent to a peer."""
        ...

    async def received_body(self, message_id: MessageId, kinds: Collection[str]) -> ReceivedBody | None:
        """Return a received message of one of these types; None also when two senders used that id."""
        ...

    async def taken_answer(self, thread_id: ThreadId, question: MessageId, kinds: Collection[str]) -> TakenAnswer | None:
        """Return the answer to a question of ours in its thread, once it was handled; None before, or when it was set aside."""
        ...

    async def taken(self, thread_id: ThreadId, question: MessageId, kind: str) -> Sequence[TakenAnswer]:
        """Return every message of a type that answers a question of ours in its thread and was handled, oldest first."""
        ...

    async def answers_to(self, question: MessageId) -> Sequence[MessageId]:
        """Return what waits and answers a question."""
        ...

    async def waiting_beside(self, question: MessageId, kind: str) -> Sequence[Departure]:
        """Return what waits, answers a question and is of one type, newest first."""
        ...

    async def sent_beside(self, question: MessageId, kind: str) -> Sequence[SentBody]:
        """Return every message of a type that we sent in answer to a question and still keep, newest first."""
        ...

    async def prepared(self, case_ref: str, kind: str) -> Sequence[MessageId]:
        """Return what waits of a case and is of one type."""
        ...

    async def names_in(self, thread_id: ThreadId) -> Sequence[str]:
        """Return what we call the cases about which something was signed in a thread, whether it has left or waits."""
        ...

    async def said(self, thread_id: ThreadId, kind: str) -> int:
        """Return how many messages of a type we have said in a thread."""
        ...
