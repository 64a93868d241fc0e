"""What the exchange needs for attachments: a row for each, and a place for ciphertexts (SPEC 23).

Methods of `Attachments` run inside the unit of work's transaction; those of `Blobs` touch files and no database.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import MessageId, NodeId, RecordId, ThreadId

AttachmentId = MessageId
"""A UUIDv7 of our own books: what people call an attachment by. Nothing of it crosses the wire."""


class AttachmentState(StrEnum):
    """Where an attachment stands. Comments say who moves next."""

    READY = "ready"  # an officer: cleaned and sealed, and no message names it yet
    SENT = "sent"  # the peer: a message names it, and whoever has that message may fetch it
    WANTED = "wanted"  # we: a message named it, and it is being fetched
    HERE = "here"  # nobody; it is whole, and opens
    MISSING = "missing"  # an officer: the peer has it no more, or could not be reached in time
    BROKEN = "broken"  # an officer: what the peer serves is not what its message names
    ERASING = "erasing"  # the eraser: its key is gone from the row; the ciphertext is still to be removed
    ERASED = "erased"  # nobody


ENDED = frozenset({AttachmentState.ERASING, AttachmentState.ERASED})


@dataclass(frozen=True, slots=True)
class AttachmentEntry:
    """One attachment. `sealed` is its reference, under its thread's key; `name` the ciphertext's, in hex."""

    id: AttachmentId
    thread_id: ThreadId
    peer: NodeId | None
    """Who sent it, or to whom it was sent; None while no message names it."""
    outgoing: bool
    name: str
    size: int
    media_type: str
    grade: str
    sealed: bytes
    state: AttachmentState
    made_at: datetime
    message_id: MessageId | None = None
    have: int = 0
    """Bytes of the ciphertext that are here, durably."""
    attempts: int = 0
    due_at: datetime | None = None
    reason: str | None = None


class Attachments(Protocol):
    """The rows. They stay when what they name is erased: that there was one, of which size and grade, and when it went."""

    async def add(self, entries: Sequence[AttachmentEntry]) -> None:
        """File attachments; one whose thread has that ciphertext already stays as it was."""
        ...

    async def find(self, ids: Collection[AttachmentId]) -> Mapping[AttachmentId, AttachmentEntry]:
        """Return those of these ids that are there."""
        ...

    async def named(self, name: str) -> Sequence[AttachmentEntry]:
        """Return those of one ciphertext."""
        ...

    async def listed(self, *, limit: int) -> Sequence[AttachmentEntry]:
        """Return attachments, newest first."""
        ...

    async def left(self, names: Collection[str], peer: NodeId, message_id: MessageId, thread_id: ThreadId) -> None:
        """Note that a message of this transaction names these ciphertexts of its thread."""
        ...

    async def claim(self, *, now: datetime, until: datetime, limit: int, but: Collection[NodeId]) -> Sequence[AttachmentEntry]:
        """Return wanted ones that are due, one a peer and none of the peers `but`; nobody else gets them before `until`."""
        ...

    async def move(self, entry: AttachmentEntry) -> bool:
        """Write state, have, attempts, due time and reason of one that has not ended; False when it has."""
        ...

    async def kept_bytes(self, peer: NodeId | None = None) -> int:
        """Return the bytes of ciphertexts that are, or are coming, here: of all, or of those this peer sent."""
        ...

    async def erase(self, threads: Collection[ThreadId], *, only_from: NodeId | None = None) -> None:
        """Forget the references of these threads: all, or those that this peer sent. Their files are still to be removed."""
        ...

    async def erase_one(self, attachment_id: AttachmentId) -> bool:
        """Forget one no message names; False when one does, or it is not there."""
        ...

    async def erasing(self, *, limit: int) -> Sequence[AttachmentEntry]:
        """Return those whose file is still to be removed."""
        ...

    async def erased(self, ids: Collection[AttachmentId], *, now: datetime) -> None:
        """Note that their files are gone."""
        ...

    async def unused(self, *, before: datetime, limit: int) -> Sequence[AttachmentEntry]:
        """Return those made before a moment that no message names."""
        ...

    async def live_names(self, names: Iterable[str]) -> frozenset[str]:
        """Return which of these ciphertexts some attachment still has."""
        ...

    async def of_threads(self, threads: Collection[ThreadId]) -> Mapping[ThreadId, int]:
        """Return how many attachments these threads have or had."""
        ...

    async def on_disk(self) -> Sequence[AttachmentEntry]:
        """Return those whose whole ciphertext should be here."""
        ...

    async def recalled(self, records: Collection[RecordId]) -> None:
        """Serve no longer what the messages named that carried these records, and forget it."""
        ...

    async def outstanding(self) -> Mapping[NodeId, int]:
        """Return how many attachments each node may still have of copies that must come back."""
        ...


class Blobs(Protocol):
    """Ciphertexts as files, by their names and nothing else. Each method is durable when it returns.

    Raises:
        StorageError: the disk is full, or refused.
    """

    async def put(self, name: str, data: bytes) -> None:
        """Keep a whole ciphertext."""
        ...

    async def have(self, name: str) -> int:
        """Return how many bytes of one that is being fetched are here."""
        ...

    async def append(self, name: str, offset: int, data: bytes) -> int:
        """Add bytes at `offset` of one that is being fetched, what lies beyond it cut off; return how many there are now."""
        ...

    async def finish(self, name: str) -> bool:
        """Give one that was fetched its place; False, and it is thrown away, when it is not what its name says."""
        ...

    async def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        """Return bytes of a whole one; None when it is not here."""
        ...

    async def size(self, name: str) -> int | None:
        """Return how large a whole one is; None when it is not here."""
        ...

    async def remove(self, names: Collection[str]) -> None:
        """Remove ciphertexts, whole or not; those that are not here are no matter."""
        ...

    async def names(self, *, older_than: datetime | None = None, whole: bool = False) -> frozenset[str]:
        """Return the names of all, or of those last written before a moment; `whole`: not of what is only begun."""
        ...
