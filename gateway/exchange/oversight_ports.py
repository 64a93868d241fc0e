"""What the exchange needs of storage for the ombudsman's windows (SPEC 21). Implemented by gateway.storage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.ids import Folio, MessageId, NodeId, ThreadId


@dataclass(frozen=True, slots=True)
class WindowEntry:
    """One window: which case, under which complaint, with which node, and what came of it.

    `ours`: we asked for it; else it was opened here. `result` is empty while no answer has come.
    """

    message_id: MessageId
    ours: bool
    peer: NodeId
    folio: Folio
    complaint: str
    at: datetime
    result: str


@dataclass(frozen=True, slots=True)
class Step:
    """An exchange of a case as the books have it."""

    opener: NodeId
    addressee: NodeId
    opening: MessageId
    thread_id: ThreadId
    kind: str
    opened_at: datetime
    due: datetime | None
    answered_at: datetime | None
    state: str
    outcome: str | None


class Windows(Protocol):
    """Windows that were asked for, here or by us, for ever."""

    async def add(self, entry: WindowEntry) -> None:
        """Write a window down; one whose message is there stays as it was."""
        ...

    async def find(self, message_id: MessageId, *, ours: bool) -> WindowEntry | None:
        """Return the window a message asked for."""
        ...

    async def answered(self, message_id: MessageId, peer: NodeId, result: str) -> bool:
        """Note what came of a window we asked `peer` for; False when we asked it for none by that message."""
        ...

    async def of_complaint(self, peer: NodeId, complaint: str) -> Folio | None:
        """Return the case a complaint of `peer` first named here; None: none yet. Nobody else's transaction is between."""
        ...

    async def opened_since(self, peer: NodeId, since: datetime) -> int:
        """Return how many windows `peer` asked for here since a moment."""
        ...

    async def all(self, *, ours: bool, limit: int) -> Sequence[WindowEntry]:
        """Return windows, newest first."""
        ...

    async def steps(self, us: NodeId, case_refs: Sequence[str], messages: Collection[MessageId]) -> Sequence[Step]:
        """Return the exchanges of a case, and those in which one of `messages` was said, oldest first."""
        ...

    async def leaves(self, messages: Collection[MessageId]) -> Mapping[MessageId, bytes]:
        """Return the hash of the first leaf about each message, of those that are in the log."""
        ...
