"""Forms that are not finished, and reports this node took at its own desk. Content is sealed; the rest is ids and codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.ids import ActorPseudonym, Code, MessageId, ThreadId
from gateway.exchange.ports.departures import PersonRef


@dataclass(frozen=True, slots=True)
class FormDraft:
    """What one person filled in so far. `sealed` is all there is of it, under the key of `thread_id`.

    `purpose` says which form it is; a person has one draft of a purpose. `own_thread`: the thread is this draft's alone, and
    its key is destroyed with it. `version` counts changes, from 1.
    """

    id: MessageId
    person: PersonRef
    purpose: str
    office: Code | None
    thread_id: ThreadId
    own_thread: bool
    version: int
    sealed: bytes
    made_at: datetime
    changed_at: datetime


class FormDrafts(Protocol):
    """Drafts of forms, each its person's alone."""

    async def find(self, draft_id: MessageId) -> FormDraft | None:
        """Return one, locked until the transaction ends."""
        ...

    async def of_purpose(self, person: PersonRef, purpose: str) -> FormDraft | None:
        """Return a person's draft of a form."""
        ...

    async def of_person(self, person: PersonRef, purposes: str, *, limit: int) -> Sequence[FormDraft]:
        """Return a person's drafts whose purpose begins so, the last changed first."""
        ...

    async def count(self, person: PersonRef) -> int:
        """Return how many drafts a person has."""
        ...

    async def add(self, draft: FormDraft) -> bool:
        """File a first version; False when the person has a draft of that purpose."""
        ...

    async def change(self, draft: FormDraft) -> bool:
        """Write a later version over the one before it; False when another was first."""
        ...

    async def drop(self, draft_id: MessageId) -> None:
        """Forget what is in a draft; its row, and the key that is its own, go with the next sweep."""
        ...

    async def drop_of_thread(self, thread_id: ThreadId, purposes: str) -> None:
        """Forget every person's drafts in a thread whose purpose begins so."""
        ...

    async def outlived(self, *, before: datetime, limit: int) -> Sequence[FormDraft]:
        """Return drafts last changed before a time, and those that were dropped."""
        ...

    async def remove(self, draft_ids: Sequence[MessageId]) -> None:
        """Take rows away."""
        ...


@dataclass(frozen=True, slots=True)
class TakenReport:
    """A report that a family made to this very node, which is the search mechanism: no message brought it."""

    thread_id: ThreadId
    message_id: MessageId
    office: Code
    actor: ActorPseudonym
    sealed: bytes
    taken_at: datetime


class TakenReports(Protocol):
    """Reports this node took and has to hand to nobody."""

    async def add(self, report: TakenReport) -> None:
        """File one; a thread that has one keeps it."""
        ...

    async def find(self, thread_id: ThreadId) -> TakenReport | None:
        """Return one."""
        ...

    async def outlived(self, *, before: datetime, now: datetime, limit: int) -> Sequence[ThreadId]:
        """Return threads of reports taken before a time whose texts are still there, and that nothing keeps.

        What keeps one: a message in it that may still be kept or waits, a mark to erase it that is there already, a law.
        """
        ...
