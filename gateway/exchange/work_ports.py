"""What waits for people here: the node's inbox of work, one item an exchange. Implemented by gateway.storage.

As in `ports`: every method runs inside the unit of work's transaction; times are aware UTC datetimes. Ids and codes only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import Code, NodeId, ThreadId
from contracts.threads import Side
from gateway.exchange.case_ports import ExchangeKey


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An exchange as work. `office` None: it came for nobody in particular, and is every office's that takes such work.

    `hours`: how long the answer may take where the message names no moment; `due` is made of it later, by the calendar.
    `escalate_hours`: after which time the head of the office is told. `person` is the id of whoever has it.
    """

    key: ExchangeKey
    machine: str
    side: Side
    peer: NodeId
    thread_id: ThreadId
    kind: str
    purpose: Code
    basis: Code
    opened_at: datetime
    office: Code | None = None
    service: str | None = None
    urgency: str | None = None
    minor: str | None = None
    hours: int | None = None
    escalate_hours: int | None = None
    due: datetime | None = None
    remind_at: datetime | None = None
    escalate_at: datetime | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """Until when a word is awaited, when whoever has it is reminded, and when the head of the office is told."""

    due: datetime
    remind_at: datetime
    escalate_at: datetime


class Notice(StrEnum):
    """What is told about a term, each once."""

    REMINDER = "reminder"
    ESCALATION = "escalation"
    OVERSIGHT = "oversight"  # a day after the escalation, where still nobody answered


class WorkItems(Protocol):
    """The inbox of work. Key: the exchange's."""

    async def file(self, items: Sequence[WorkItem]) -> None:
        """File items; one that is there stays as it is."""
        ...

    async def find(self, opening: str, opener: NodeId | None = None) -> Sequence[WorkItem]:
        """Return the items of an opening message. Not locked: whoever changes one says what it must still be."""
        ...

    async def offices_of(self, threads: Sequence[ThreadId]) -> Mapping[ThreadId, Code]:
        """Return which office has a thread: that of the latest exchange in it that has one."""
        ...

    async def take(self, key: ExchangeKey, person: str, *, now: datetime) -> bool:
        """Give an item that nobody has to a person; False when somebody has it: the first counts."""
        ...

    async def give(self, key: ExchangeKey, person: str, *, now: datetime) -> bool:
        """Give an item to a person, whoever has it; False when it is done."""
        ...

    async def move(self, key: ExchangeKey, office: Code) -> None:
        """Give an item to another office; nobody there has it yet."""
        ...

    async def end(self, key: ExchangeKey, *, now: datetime) -> bool:
        """Say that the work is done; False when it was."""
        ...

    async def unscheduled(self, *, limit: int) -> Sequence[WorkItem]:
        """Return items whose term is still to be counted."""
        ...

    async def postponed(self, *, limit: int) -> Sequence[tuple[WorkItem, datetime]]:
        """Return items whose exchange has a later deadline by now than their term, and that deadline."""
        ...

    async def schedule(self, key: ExchangeKey, term: Term | None) -> None:
        """Set a term; another one than before is told of anew. None: no word is awaited by a moment."""
        ...

    async def settle(self, *, now: datetime) -> int:
        """Forget when to tell of items whose time has come and on which no word is awaited any more; return how many."""
        ...

    async def late(self, notice: Notice, *, now: datetime, limit: int) -> Sequence[WorkItem]:
        """Return items whose time for `notice` has come, that were not told of, and that a word is still awaited on."""
        ...

    async def told(self, key: ExchangeKey, notice: Notice, term: datetime, *, now: datetime) -> bool:
        """Note that people were told of the term that is due at `term`; False when they were, or when it is another by now."""
        ...
