"""Notices that there is something to look at, who asked to be told, and what became of the telling. Implemented by
gateway.storage.

As in `ports`: every method runs inside the unit of work's transaction; times are aware UTC datetimes. Ids, codes and times
only: the one address of a person, and what is shared with a receiver, are sealed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from contracts.ids import Code, MessageId, NodeId, ThreadId
from contracts.notices import NoticeType


@dataclass(frozen=True, slots=True)
class Notice:
    """Something happened. `type` and `subject` are its name: the same is noted once, however often it is found.

    `opening`: the work it is about, whose office and person are told; else `office`. `but`: who need not be told by mail.
    """

    type: NoticeType
    subject: str
    folio: str
    href: str
    at: datetime
    due: datetime | None = None
    opening: str | None = None
    office: Code | None = None
    but: str | None = None

    @property
    def id(self) -> str:
        """What receivers know it by, at every attempt."""
        return notice_id(self.type, self.subject)


def notice_id(kind: NoticeType, subject: str) -> str:
    """Return the id of a notice: of its name alone, so that finding it twice makes no second one."""
    return "msg_" + sha256(f"{kind.value} {subject}".encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Outage:
    """A link that was down: to whom, and what its notice was named by."""

    peer: NodeId
    subject: str


@dataclass(frozen=True, slots=True)
class WorkOf:
    """Whose work something is. `pressing`: a life is at risk."""

    office: Code | None
    person: str | None
    pressing: bool


class Notices(Protocol):
    """What happened."""

    async def add(self, notices: Sequence[Notice]) -> None:
        """Note what happened; what is noted already stays as it is."""
        ...

    async def fresh(self, *, limit: int) -> Sequence[Notice]:
        """Return those nobody was told of yet, oldest first, locked until the transaction ends."""
        ...

    async def spread(self, ids: Collection[str], *, now: datetime) -> None:
        """Note that whoever is to be told of these is in the queues."""
        ...

    async def work_of(self, openings: Collection[str]) -> Mapping[str, WorkOf]:
        """Return whose work it is, by its opening message."""
        ...

    async def asked_in(self, threads: Collection[ThreadId]) -> Sequence[tuple[str, MessageId]]:
        """Return the questions of these threads that wait for our answer: machine and opening message."""
        ...

    async def down(self, *, since: datetime) -> Sequence[tuple[NodeId, str]]:
        """Return peers to whom something waits, and nothing has gone since a moment; with what names this outage."""
        ...

    async def back(self) -> Sequence[Outage]:
        """Return links told to be down, not told to be up again, that work now."""
        ...

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete notices that old, with what became of their telling; return how many."""
        ...


class HookState(StrEnum):
    """A receiver. GONE: it said 410, that it wants no more."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Hook:
    """A receiver of webhooks. `types` empty: all. `previous` is the secret before the last change, good until a moment."""

    id: str
    name: str
    host: str
    address: bytes
    secret: bytes
    types: frozenset[NoticeType]
    state: HookState
    made_at: datetime
    previous: bytes | None = None
    previous_until: datetime | None = None


class PostState(StrEnum):
    """One notice to one receiver."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Post:
    """One notice to one receiver, and how far it got. `status`: the last HTTP status, or None; `reason`: why there is none."""

    hook: str
    notice: Notice
    state: PostState
    attempts: int
    made_at: datetime
    due_at: datetime | None = None
    status: int | None = None
    reason: str | None = None
    ended_at: datetime | None = None


class Hooks(Protocol):
    """Receivers and what goes to them."""

    async def put(self, hook: Hook) -> None:
        """Write a receiver, new or changed."""
        ...

    async def all(self) -> Sequence[Hook]:
        """Return every receiver, by name."""
        ...

    async def find(self, hook_id: str) -> Hook | None:
        """Return one, locked until the transaction ends."""
        ...

    async def remove(self, hook_id: str) -> bool:
        """Delete a receiver and what was to go to it; False when there is none."""
        ...

    async def queue(self, pairs: Sequence[tuple[str, Notice]], *, now: datetime) -> None:
        """Let notices go to receivers; what was queued before stays as it is."""
        ...

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> Sequence[Post]:
        """Take what is due, to receivers that want it; nobody else gets it before the lease lapses."""
        ...

    async def finish(self, post: Post) -> None:
        """Write what became of an attempt."""
        ...

    async def log(self, hook_id: str, *, limit: int) -> Sequence[Post]:
        """Return what went or is to go to a receiver, newest first."""
        ...

    async def again(self, hook_id: str, notice: str | None, *, now: datetime) -> int:
        """Let one notice go again, or with None all that are dead; return how many."""
        ...

    async def dead(self) -> Mapping[str, int]:
        """Return how many notices each receiver never got."""
        ...


@dataclass(frozen=True, slots=True)
class MailWish:
    """That a person wants to be told by mail. `address` is sealed. `next_at`: when the next mail may go."""

    person: str
    address: bytes
    language: str
    next_at: datetime
    attempts: int = 0
    reason: str | None = None


class Mails(Protocol):
    """Who wants mail, and of what they are to be told."""

    async def wish(self, wish: MailWish) -> None:
        """Write what a person wants in place of what they wanted before."""
        ...

    async def wish_of(self, person: str) -> MailWish | None:
        """Return what a person wants."""
        ...

    async def wishing(self, people: Collection[str]) -> frozenset[str]:
        """Return which of these people want mail."""
        ...

    async def no_more(self, person: str) -> None:
        """Forget a person's address and what was to be told them."""
        ...

    async def queue(self, pairs: Sequence[tuple[str, Notice]], *, now: datetime, urgent: bool) -> None:
        """Let notices be told to people; something urgent does not wait for its turn."""
        ...

    async def claim(self, *, now: datetime, lease: timedelta, limit: int) -> Sequence[tuple[MailWish, Sequence[Notice]]]:
        """Take people whose turn it is, each with all that waits for them; nobody else gets them before the lease lapses."""
        ...

    async def sent(self, person: str, notices: Collection[str], *, now: datetime, next_at: datetime) -> None:
        """Note that a mail went."""
        ...

    async def failed(self, wish: MailWish) -> None:
        """Note that it did not, and when to try again."""
        ...

    async def give_up(self, wish: MailWish, notices: Collection[str], *, now: datetime) -> None:
        """Note that a person could not be told, and why; they see it on their page."""
        ...
