"""Identifiers that cross institutions (SPEC 2). Parsed once, at the edge; never bare strings afterwards.

Each is a ``str`` of its own type, so it hashes, sorts and stores like one, and mypy tells them apart.
"""

import re
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

MOST_PARSED = 4096


class Identifier(str):
    """A string that matched its pattern. Subclasses set `pattern` and `max_length`.

    Raises:
        ValueError: the text is not such an identifier. The message never repeats the text.
    """

    pattern: ClassVar[re.Pattern[str]]
    max_length: ClassVar[int] = 128
    parsed: ClassVar[dict[str, Any] | None] = None
    """Where few different ones are met again and again, those parsed before; emptied when there are too many."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Parse `text`, or raise ValueError."""
        if type(text) is cls:
            return text
        if not isinstance(text, str):  # callers without mypy too get the ValueError they were told of
            raise ValueError(f"not a {cls.__name__}")  # noqa: TRY004 - one error for whatever is no identifier
        parsed: dict[str, Self] | None = cls.parsed
        if parsed is not None and (found := parsed.get(text)) is not None:
            return found
        if len(text) > cls.max_length or not cls.pattern.fullmatch(text):
            raise ValueError(f"not a {cls.__name__}")
        made = super().__new__(cls, text)
        if parsed is not None:
            if len(parsed) >= MOST_PARSED:
                parsed.clear()
            parsed[made] = made
        return made

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: type[Any], _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate as a string in pydantic models; publish the pattern in the JSON Schema."""
        return core_schema.no_info_after_validator_function(
            cls,
            core_schema.str_schema(max_length=cls.max_length, strict=True),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _schema: core_schema.CoreSchema, _handler: Any) -> dict[str, Any]:
        """Publish the identifier as a patterned string."""
        return {"type": "string", "maxLength": cls.max_length, "pattern": f"^(?:{cls.pattern.pattern})$"}


_UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_NODE = r"[a-z]{2,3}(?:\.[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?){1,4}"


class NodeId(Identifier):
    """A node of the federation (``gt.minex``, ``mx.cnb``, ``int.icrc``); never a DNS name. An institution may own several."""

    pattern = re.compile(_NODE)
    max_length = 63
    parsed: ClassVar[dict[str, Any] | None] = {}


class KeyId(Identifier):
    """``<node>#<use>-<n>``, for example ``gt.minex#sig-1`` (SPEC 4.1). Until a signature verified, only a hint."""

    pattern = re.compile(_NODE + r"#(?:id|sig|enc|log)-[1-9][0-9]{0,5}")
    max_length = 80
    parsed: ClassVar[dict[str, Any] | None] = {}

    @property
    def node(self) -> NodeId:
        """The node the key claims to belong to."""
        return NodeId(self.partition("#")[0])

    @property
    def use(self) -> str:
        """One of ``id``, ``sig``, ``enc``, ``log``."""
        return self.partition("#")[2].partition("-")[0]


class MessageId(Identifier):
    """UUIDv7 (RFC 9562), chosen by the sender, unique per sender for ever."""

    pattern = re.compile(_UUID7)
    max_length = 36


class ThreadId(Identifier):
    """UUIDv7 of a conversation between two nodes about one case."""

    pattern = re.compile(_UUID7)
    max_length = 36


class RecordId(Identifier):
    """UUIDv7 of one issued record (a copy for one recipient)."""

    pattern = re.compile(_UUID7)
    max_length = 36


class CaseAlias(Identifier):
    """What one recipient knows a case by; another recipient gets another (SPEC 6.5). 128 bits, canonical base64url."""

    pattern = re.compile(r"c:[A-Za-z0-9_-]{21}[AQgw]")
    max_length = 24


class ActorPseudonym(Identifier):
    """The accountable officer, in a form only the sending institution can resolve."""

    pattern = re.compile(r"a:[A-Za-z0-9_-]{4,40}")
    max_length = 42


class Folio(Identifier):
    """What the MBMID calls a case, for example ``MBMID-2026-000123``."""

    pattern = re.compile(r"[A-Z]{2,8}-[0-9]{4}-[0-9]{6}")
    max_length = 20


class Code(Identifier):
    """A word of a published catalogue (purpose, legal basis, rule, service): lower case, dashes, dots, colons."""

    pattern = re.compile(r"[a-z][a-z0-9]*(?:[-.:_][a-z0-9]+)*")
    max_length = 80
    parsed: ClassVar[dict[str, Any] | None] = {}


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """Return a UUIDv7 (RFC 9562 section 5.7) for a time in milliseconds and 10 random bytes.

    Raises:
        ValueError: the time does not fit 48 bits or `randomness` is not 10 bytes.
    """
    if not 0 <= unix_ms < 1 << 48 or len(randomness) != 10:
        raise ValueError("a UUIDv7 needs a 48-bit time in milliseconds and 10 random bytes")
    bits = int.from_bytes(randomness)
    value = unix_ms << 80 | 0x7 << 76 | (bits >> 68) << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_ms(identifier: str) -> int:
    """Return the time in a UUIDv7, in milliseconds since 1970: when whoever made it says it was made."""
    return int(identifier.replace("-", "")[:12], 16)
