"""Attachments: a picture or a PDF that a record names and that is fetched apart from it (SPEC 23). Pure.

What a record carries is a reference: which ciphertext, how large, of what kind, how delicate, and the key that opens it. The
ciphertext's name is its own SHA-256; since the key is random, nobody guesses the one without having been told the other.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from contracts.errors import SchemaError

MAX_CONTENT = 25 * 1024 * 1024
"""Bytes of a picture or document once it is cleaned."""
MAX_SEALED = MAX_CONTENT + 64 * 1024
"""Bytes of its ciphertext: a tag a chunk of 16 KiB, and a header."""
MAX_IN_A_FIELD = 20
MEDIA_TYPES = frozenset({"image/jpeg", "image/png", "application/pdf"})
"""What leaves: whatever came in was drawn or written anew as one of these."""

_B64_32 = re.compile("[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_NAME = re.compile("[0-9a-f]{64}")
_MEMBERS = frozenset({"sha256", "size", "mt", "grade", "key"})


class Grade(StrEnum):
    """What can be recognised on it. Values are protocol: add, never rename."""

    OBJECT = "object"
    """A thing: a rosary, a shoe."""
    MARK = "mark"
    """A part of a body: a tattoo, a scar."""
    FACE = "face"
    """A face, a whole body, or a document that may show either: the most delicate, and what holds when in doubt."""


@dataclass(frozen=True, slots=True)
class AttachmentRef:
    """A reference as a record carries it. `sha256` is of the ciphertext, base64url; `size` is its bytes."""

    sha256: str
    size: int
    media_type: str
    grade: Grade
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        """The ciphertext's name at the door and on disk: its SHA-256 in hex."""
        return urlsafe_b64decode(self.sha256 + "=").hex()

    def as_claim(self) -> dict[str, Any]:
        """Return it as it stands in a record."""
        return {
            "sha256": self.sha256,
            "size": self.size,
            "mt": self.media_type,
            "grade": self.grade.value,
            "key": self.key,
        }

    @classmethod
    def of_claim(cls, value: Any) -> Self:
        """Return the reference a record carries.

        Raises:
            SchemaError: it is none.
        """
        if not is_reference(value):
            raise SchemaError("no reference of an attachment")
        return cls(value["sha256"], value["size"], value["mt"], Grade(value["grade"]), value["key"])


def is_reference(value: Any) -> bool:
    """Return whether any JSON value whatever is a reference; never raises."""
    if not isinstance(value, Mapping) or set(value) != _MEMBERS:
        return False
    size, grade, kind = value["size"], value["grade"], value["mt"]
    if type(size) is not int or not 1 <= size <= MAX_SEALED or not (isinstance(grade, str) and isinstance(kind, str)):
        return False
    digests = all(isinstance(value[name], str) and _B64_32.fullmatch(value[name]) for name in ("sha256", "key"))
    return digests and grade in set(Grade) and kind in MEDIA_TYPES


def is_name(text: str) -> bool:
    """Return whether a text can be a ciphertext's name: 64 hex digits and nothing else."""
    return _NAME.fullmatch(text) is not None


def without_keys(value: Any) -> Any:
    """Return any JSON value as people may see it: of each reference in it the kind, the grade and the size, never the key."""
    if is_reference(value):
        return {"mt": value["mt"], "grade": value["grade"], "size": value["size"]}
    if isinstance(value, Mapping):
        return {name: without_keys(part) for name, part in value.items()}
    return [without_keys(part) for part in value] if isinstance(value, list | tuple) else value
