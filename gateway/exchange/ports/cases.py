"""What a node files: cases, imported rows, alarms. Ids and codes only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from contracts.ids import CaseAlias, Folio, MessageId, NodeId, ThreadId


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
    same_as: ThreadId | None = None
    """The case in which this person is searched for, where two reports are about one."""


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

    async def same_person(self, thread_id: ThreadId, same_as: ThreadId | None) -> None:
        """Note in which case the person of this one is searched for; None: in this one again."""
        ...

    async def with_same_person(self, thread_id: ThreadId) -> Sequence[ThreadId]:
        """Return the cases that say so of this one."""
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
