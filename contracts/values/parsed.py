"""What a parser returns: a value in the shape of the field dictionary, and codes of what a person should know."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value that was read. `notes` are codes: what was assumed, repaired or looks wrong. Never the source text."""

    value: Any
    notes: tuple[str, ...] = ()


class UnreadableValueError(ValueError):
    """A value that nobody should guess. `code` says why; the text of the value is not in it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
