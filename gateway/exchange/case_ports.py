"""What the exchange needs of storage for exchanges, disclosures, consents and holds. Implemented by gateway.storage.

As in `ports`: every method runs inside the unit of work's transaction; times are aware UTC datetimes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.consents import ConsentEvent, WishEvent
from contracts.ids import ActorPseudonym, CaseAlias, Code, MessageId, NodeId, RecordId, ThreadId
from contracts.threads import Exchange, Pending, Side
from gateway.exchange.holdings import LedgerEntry, RecallState


@dataclass(frozen=True, slots=True)
class ExchangeKey:
    """What makes an exchange one exchange: who opened it, by which message."""

    opener: NodeId
    opening: MessageId


@dataclass(frozen=True, slots=True)
class ExchangeEntry:
    """An exchange as this node keeps it. `side` is ours; `case_ref` is what our own books call the case."""

    key: ExchangeKey
    exchange: Exchange
    side: Side
    peer: NodeId
    thread_id: ThreadId
    case_ref: str
    deadline: datetime | None
    opened_at: datetime
    topic: str = ""
    """The service asked for, where there is one: until the exchange ends no second one about it is opened."""


class Exchanges(Protocol):
    """Exchanges with peers. Key: (opener, opening message)."""

    async def lock(
        self, keys: Sequence[ExchangeKey], new: Sequence[ExchangeEntry] = (), *, now: datetime
    ) -> Mapping[ExchangeKey, ExchangeEntry]:
        """Return those of `keys` that are here, locked until the transaction ends; of those that are not, what `new` holds.

        Of two transactions that begin one exchange at once, the second finds what the first wrote.
        """
        ...

    async def pending(self, wanted: Sequence[Pending]) -> frozenset[Pending]:
        """Return which of `wanted` are under way already, opened by us."""
        ...

    async def store(self, entries: Sequence[ExchangeEntry], *, now: datetime) -> None:
        """Write these readings, new ones and old ones; what was said before stays as it was written.

        Raises:
            StorageError: a second exchange of an exclusive machine and topic would be under way with one peer about one case.
        """
        ...

    async def release(self, peer: NodeId, openings: Sequence[MessageId]) -> None:
        """Free the place of exchanges we opened with `peer`, or withdrew, by these messages: no answer is to be expected.

        People may ask anew. The exchanges stay where they stand; an answer that comes all the same still counts.
        """
        ...

    async def unsay(self, peer: NodeId, messages: Sequence[MessageId], *, now: datetime) -> None:
        """Make readings anew without the withdrawals among `messages` that `peer` signed it did not take: its log has none.

        Not where its thread was erased there: then no offer stands either, and `release` frees the place.
        """
        ...

    async def set_deadline(self, key: ExchangeKey, peer: NodeId, until: datetime) -> None:
        """Note that the word awaited in an exchange with `peer` is due later than it was; an earlier time changes nothing."""
        ...

    async def case_of(self, thread_id: ThreadId) -> str | None:
        """Return what our books call the case of a thread; None when no exchange was on it."""
        ...

    async def of_case(self, case_ref: str, machine: str) -> Sequence[ExchangeEntry]:
        """Return the exchanges of a machine about a case, oldest first."""
        ...

    async def unconfirmed(self, *, limit: int) -> Sequence[ExchangeEntry]:
        """Return exchanges whose opener withdrew and waits for our confirmation, the longest unchanged first.

        Not those of a blocked thread: nothing is said there until it is erased, or kept by a law.
        """
        ...

    async def overdue(self, *, now: datetime, limit: int) -> Sequence[ExchangeEntry]:
        """Return exchanges whose awaited word is late, the latest first to have been due."""
        ...


class Ledger(Protocol):
    """What left, for ever: rows are added, and only what became of the copy changes."""

    async def add(self, entries: Sequence[LedgerEntry]) -> None:
        """Write down what leaves, in the transaction in which it leaves."""
        ...

    async def of_case(self, case_ref: str, aliases: Iterable[CaseAlias] = ()) -> Sequence[LedgerEntry]:
        """Return everything that left of a case, oldest first: by our own reference, and by the aliases recipients know it by.

        A line that a peer gave back after a restore has only its alias.
        """
        ...

    async def recall(
        self,
        records: Sequence[RecordId],
        state: RecallState,
        *,
        now: datetime,
        order: MessageId | None = None,
        basis: Code | None = None,
    ) -> frozenset[RecordId]:
        """Note what became of copies; return those that moved. One that is not where `state` can follow stays as it is."""
        ...

    async def to_recall(self, *, limit: int) -> Sequence[LedgerEntry]:
        """Return copies that must come back and for which no order is on its way."""
        ...

    async def outstanding(self) -> Mapping[NodeId, int]:
        """Return how many copies each node still has that must come back."""
        ...

    async def of_order(self, order: MessageId) -> Sequence[LedgerEntry]:
        """Return the copies an order of ours names, and that still stand as ordered by it."""
        ...

    async def was_ordered(self, order: MessageId, peer: NodeId) -> bool:
        """Return whether some copy at `peer` was ordered erased by this order, whatever became of it."""
        ...

    async def order_lost(self, orders: Sequence[MessageId], *, now: datetime) -> None:
        """Note that these orders expired undelivered: what they named is still to be recalled."""
        ...

    async def not_delivered(self, messages: Sequence[MessageId], state: RecallState, *, now: datetime) -> None:
        """Note of every record of these messages that it was not taken, or that nobody knows."""
        ...


class Consents(Protocol):
    """Decisions of relatives and wishes of people found; only ever added to."""

    async def add(self, case_ref: str, events: Sequence[ConsentEvent], *, now: datetime) -> None:
        """Write decisions down; one whose id is there stays as it was.

        Raises:
            MessageConflictError: an id is there with another content.
        """
        ...

    async def of_case(self, case_ref: str) -> Sequence[ConsentEvent]:
        """Return every decision about a case, for `contracts.consents.in_force`."""
        ...

    async def add_wishes(self, case_ref: str, events: Sequence[WishEvent], *, now: datetime) -> None:
        """Write wishes down; one whose id is there stays as it was."""
        ...

    async def wishes_of(self, case_ref: str) -> Sequence[WishEvent]:
        """Return every wish of the person of a case, for `contracts.consents.wish_at`."""
        ...


class HoldState(StrEnum):
    """A free text. HELD: a person reads it next; the other two are final."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class HeldText:
    """A free text nobody has read yet: of which message, where in it, sealed under its thread's key."""

    message_id: MessageId
    place: str
    thread_id: ThreadId
    sealed: bytes
    held_at: datetime
    state: HoldState = HoldState.HELD
    decided_by: ActorPseudonym | None = None


class Holds(Protocol):
    """What stands in the way until a person moves it: held texts and never-to rules."""

    async def hold(self, texts: Sequence[HeldText]) -> None:
        """Keep texts until a person decides; one that is there stays as it was."""
        ...

    async def held(self, *, limit: int) -> Sequence[HeldText]:
        """Return texts nobody decided yet, oldest first."""
        ...

    async def of_message(self, message_id: MessageId) -> Sequence[HeldText]:
        """Return the texts of one message, decided on or not, by place."""
        ...

    async def decide(self, message_id: MessageId, place: str, state: HoldState, *, by: ActorPseudonym, now: datetime) -> bool:
        """Release or discard a held text; False when it is not held (any more): the first decision counts."""
        ...

    async def forbid(self, case_ref: str, target: str, *, reason: Code, by: ActorPseudonym, now: datetime) -> None:
        """Never send anything of this case to a node, a role or a ``country:xx``; nothing changes where that holds already."""
        ...

    async def lift(self, case_ref: str, target: str, *, by: ActorPseudonym, now: datetime) -> bool:
        """End a rule; False when there is none. That there was one stays."""
        ...

    async def never_to(self, case_refs: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Return the targets that are forbidden, by case."""
        ...

    async def since(self, case_ref: str, target: str) -> datetime | None:
        """Return since when a rule is in force; None when there is none."""
        ...

    async def agree(self, subject: str, person: str, *, now: datetime, since: datetime) -> frozenset[str]:
        """Note that a person agrees (again); return everybody who has since a moment."""
        ...


class CaseStores(Protocol):
    """The stores of this module, as a unit of work has them."""

    @property
    def exchanges(self) -> Exchanges:
        """Exchanges with peers."""
        ...

    @property
    def ledger(self) -> Ledger:
        """What left."""
        ...

    @property
    def consents(self) -> Consents:
        """Decisions and wishes."""
        ...

    @property
    def holds(self) -> Holds:
        """What waits for a person."""
        ...
