"""Search sheets as this node keeps them: what is on one, its code and whose it is are sealed under its case's thread.

As in `ports`: methods of the store run inside the unit of work's transaction; times are aware UTC datetimes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.ids import ActorPseudonym, Code, MessageId, ThreadId

SheetId = MessageId


class SheetState(StrEnum):
    """Where a sheet stands."""

    WAITING = "waiting"  # a second person
    VALID = "valid"  # whoever prints it, until it expires
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"
    DROPPED = "dropped"  # nobody printed it


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet. `code`: a keyed digest of what its paper carries. `content`: SHA-256, in hex, of all that is on it."""

    id: SheetId
    thread_id: ThreadId
    case_ref: str
    code: bytes
    content: str
    sealed: bytes
    state: SheetState
    drafted_by: str
    actor: ActorPseudonym
    made_at: datetime
    expires_at: datetime
    office: Code | None = None
    approved_by: str | None = None
    ended_at: datetime | None = None
    reason: str | None = None


class Sheets(Protocol):
    """The sheets."""

    async def add(self, sheet: Sheet) -> None:
        """File a new one."""
        ...

    async def find(self, sheet_id: SheetId) -> Sheet | None:
        """Return one, locked until the transaction ends."""
        ...

    async def by_code(self, code: bytes) -> Sheet | None:
        """Return the one of a code, by its digest."""
        ...

    async def approve(self, sheet_id: SheetId, by: str) -> bool:
        """Make a waiting one valid; False when it does not wait."""
        ...

    async def end(self, ids: Collection[SheetId], state: SheetState, *, reason: str, now: datetime) -> Sequence[Sheet]:
        """End those that wait or are valid; return them."""
        ...

    async def of_cases(self, case_refs: Collection[str]) -> Sequence[Sheet]:
        """Return the sheets of a case that wait or are valid."""
        ...

    async def listed(self, *, limit: int) -> Sequence[Sheet]:
        """Return sheets, newest first."""
        ...
