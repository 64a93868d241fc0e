"""What an adapter gives the gateway: rows of a source, each accounted for. See adapters/README.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from contracts.disclosure import SourceRecord


class RowOutcome(StrEnum):
    """What became of a row. Every row has exactly one."""

    IMPORTED = "imported"
    TO_COMPLETE = "to-complete"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class RowReport:
    """One row: where it stood, what became of it and why, and the records it gives. `reasons` are codes."""

    row: int
    outcome: RowOutcome
    reasons: tuple[str, ...]
    records: tuple[SourceRecord, ...]
    content: bytes
    """What identifies the row's content; digested with a key before it is kept."""
    original: tuple[tuple[str, str], ...] = ()
    """Headings and cells as they stood, of a row that somebody asked to be shown; of no other."""


@dataclass(frozen=True, slots=True)
class SourceReading:
    """One source file, every row of it. `notes` say what was not read: hidden sheets, comments."""

    rows: Sequence[RowReport]
    notes: tuple[str, ...]


class SourceRefusedError(Exception):
    """The file as a whole was refused; nothing of it was used.

    `code` says why to programs, `what` says it to people, `advice` what to do.
    None of them holds what a cell says: a row, a column of the mapping or a limit at most.
    """

    def __init__(self, code: str, advice: str, *, what: str = "") -> None:
        super().__init__(f"{code}: {what}" if what else code)
        self.code = code
        self.what = what
        self.advice = advice
