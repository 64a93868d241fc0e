"""Strict scalars and the base of every model that crosses the wire (SPEC 3.1).

A model takes these aliases and identifiers, never a bare ``int`` or ``str``: a bare type coerces and has no bound.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal, LiteralString, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, Strict, StringConstraints
from pydantic_core import PydanticCustomError

Item = TypeVar("Item")
Key = TypeVar("Key")
Value = TypeVar("Value")

MAX_INTEGER = (1 << 53) - 1
EARLIEST = 631_152_000
"""1990-01-01T00:00:00Z in Unix seconds."""
LATEST = 4_102_444_800
"""2100-01-01T00:00:00Z in Unix seconds."""

# Control characters and line separators break lists and logs; directional overrides make a screen show what was not signed.
_CONTROLS = r"\u0000-\u001F\u007F-\u009F\u2028\u2029"
_OVERRIDES = r"\u202A-\u202E\u2066-\u2069"
_B64 = "[A-Za-z0-9_-]"
# The last character of 32 (or 2) bytes and of 1 byte: trailing bits are zero, so that a value has one spelling (SPEC 3.2).
_LAST_OF_32 = "[AEIMQUYcgkosw048]"
_LAST_OF_1 = "[AQgw]"


class WireModel(BaseModel):
    """Base of everything that crosses the wire: immutable, closed, and silent about values when it refuses.

    Python code uses the field names, the wire the aliases; `contracts.codec` accepts aliases only.

    Raises:
        pydantic.ValidationError: on construction, when a value breaks a rule.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        validate_default=False,
        # A node uses few of the types; those it never meets cost no memory and no start-up time.
        defer_build=True,
    )


def broken(rule: LiteralString) -> PydanticCustomError:
    """Return the error a validator raises: its type is the rule's name, and no value is in it."""
    return PydanticCustomError(rule, "a rule is broken")


def _exact_integer(value: Any) -> Any:
    # A Literal compares by equality: True and 1.0 would pass as 1.
    if type(value) is not int:
        raise broken("int_type")
    return value


def _distinct(items: tuple[Item, ...]) -> tuple[Item, ...]:
    if len(set(items)) != len(items):
        raise broken("repeated_item")
    return items


def _read_only(members: Mapping[Key, Value]) -> Mapping[Key, Value]:
    return MappingProxyType(dict(members))


def _plain(members: Mapping[Key, Value]) -> dict[Key, Value]:
    return dict(members)


Text = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=200, pattern=f"^[^{_CONTROLS}{_OVERRIDES}]+$")]
"""One line, 1 to 200 characters, in whatever Unicode form it came."""

LongText = Annotated[
    str,
    Strict(),
    StringConstraints(min_length=1, max_length=4000, pattern=r"^(?:[\t\n]|[^" + _CONTROLS + _OVERRIDES + "])+$"),
]
"""Several lines, 1 to 4000 characters. A person reads it before it is filed (HELD)."""

Reference = Annotated[str, Strict(), StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,38}[A-Za-z0-9])?$")]
"""An opaque number in the sender's own books (a file, a sample): 1 to 40 characters, no personal data."""

Count = Annotated[int, Strict(), Field(ge=0, le=MAX_INTEGER)]
"""A number of things, or a version."""

UnixTime = Annotated[int, Strict(), Field(ge=EARLIEST, le=LATEST)]
"""Seconds since 1970-01-01T00:00:00Z, between 1990 and 2100."""

Flag = Annotated[bool, Strict()]
"""true or false, and nothing that merely looks like it."""

One = Annotated[Literal[1], BeforeValidator(_exact_integer, json_schema_input_type=Literal[1])]
"""The version of the message format."""

Sha256 = Annotated[str, Strict(), StringConstraints(pattern=f"^{_B64}{{42}}{_LAST_OF_32}$")]
"""32 bytes, canonical base64url without padding: 43 characters."""

Sha256Hex = Annotated[str, Strict(), StringConstraints(pattern="^[0-9a-f]{64}$")]
"""32 bytes, lower-case hex."""

Key32 = Annotated[str, Strict(), StringConstraints(pattern=f"^{_B64}{{42}}{_LAST_OF_32}$")]
"""A key of 32 bytes, canonical base64url without padding."""

HybridKey = Annotated[str, Strict(), StringConstraints(pattern=f"^{_B64}{{1621}}{_LAST_OF_1}$")]
"""A public key of HPKE-9-KE: 1216 bytes (ML-KEM-768 and X25519), canonical base64url without padding."""

Bytes64K = Annotated[
    str,
    Strict(),
    StringConstraints(
        min_length=2, max_length=87_384, pattern=f"^(?:{_B64}{{4}})*(?:{_B64}{_LAST_OF_1}|{_B64}{{2}}{_LAST_OF_32})?$"
    ),
]
"""1 byte to 64 KiB, canonical base64url without padding."""

Bytes256K = Annotated[
    str,
    Strict(),
    StringConstraints(
        min_length=2, max_length=349_528, pattern=f"^(?:{_B64}{{4}})*(?:{_B64}{_LAST_OF_1}|{_B64}{{2}}{_LAST_OF_32})?$"
    ),
]
"""1 byte to 256 KiB, canonical base64url without padding."""

Jws = Annotated[str, Strict(), StringConstraints(max_length=131_072, pattern=rf"^{_B64}+\.{_B64}+\.{_B64}+$")]
"""A compact JWS (RFC 7515); only its shape is checked here."""

SdJwt = Annotated[str, Strict(), StringConstraints(max_length=262_144, pattern=rf"^{_B64}+\.{_B64}+\.{_B64}+~(?:{_B64}+~)*$")]
"""An SD-JWT without key binding (RFC 9901 section 4): ends in a tilde; only its shape is checked here."""

LogProof = Annotated[str, Strict(), StringConstraints(min_length=1, max_length=16_384, pattern=r"^[\n\u0020-\u007E\u2014]+$")]
"""A C2SP tlog-proof: printable ASCII, newlines, and the em dash of signed notes."""

LogOrigin = Annotated[str, Strict(), StringConstraints(max_length=200, pattern=r"^[!-*,-~]+$")]
"""The name of a log (C2SP tlog-checkpoint): printable ASCII without spaces or plus signs."""

LogVkey = Annotated[
    str, Strict(), StringConstraints(max_length=400, pattern=r"^[!-*,-~]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{4,120}={0,2}$")
]
"""A note verifier key (C2SP signed-note): name, key id, key."""

Endpoint = Annotated[
    str, Strict(), StringConstraints(max_length=300, pattern=r"^https://[A-Za-z0-9.\[\]:-]{1,255}(?:/[A-Za-z0-9._~-]+)*$")
]
"""An https address without user, query, fragment or final slash."""

MediaType = Annotated[str, Strict(), StringConstraints(max_length=100, pattern=r"^[a-z][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*$")]
"""A media type without parameters, lower case (RFC 6838)."""

CountryCode = Annotated[str, Strict(), StringConstraints(pattern="^[A-Z]{2}$")]
"""A country, ISO 3166-1 alpha-2."""

LanguageTag = Annotated[str, Strict(), StringConstraints(pattern="^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-[A-Z]{2})?$")]
"""A language, BCP 47: ``es``, ``quc``, ``es-GT``."""

Distinct = AfterValidator(_distinct)
"""Marks a tuple whose items must differ."""

FrozenMap = Annotated[Mapping[Key, Value], AfterValidator(_read_only), PlainSerializer(_plain)]
"""A mapping that is read-only once validated: ``FrozenMap[NodeId, Jws]``."""


def to_unix(moment: datetime) -> int:
    """Return `moment` in whole Unix seconds, rounded down.

    Raises:
        ValueError: `moment` has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return int(moment.timestamp() // 1)


def from_unix(seconds: int) -> datetime:
    """Return the aware UTC datetime of Unix `seconds`."""
    return datetime.fromtimestamp(seconds, UTC)
