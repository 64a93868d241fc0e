"""Leaves of the audit log: sixteen salted digests each, so that a field can be shown or erased alone (SPEC 7.1)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from contracts.codec import b64u_decode, b64u_encode, encode_array, encode_object, parse_object
from contracts.errors import MalformedError, SignatureError, TooLargeError
from contracts.leaves import LEAF_DIGESTS, LEAF_NAMES, LeafFields
from keys.tree import leaf_hash

MAX_LEAF_BYTES = 1024
_SALT_BYTES, _DECOY_BYTES = 16, 24
MAX_DISCLOSURE_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class MadeLeaf:
    """A leaf: `data` says nothing to anyone; `disclosures` open it field by field and stay in our database."""

    leaf_hash: bytes
    data: bytes
    disclosures: tuple[str, ...]


def make_leaf(values: LeafFields) -> MadeLeaf:
    """Return a leaf that commits to `values`, each under its own 128-bit salt, with decoys for what is not given."""
    said = [(name, value) for name, value in ((name, getattr(values, name)) for name in LEAF_NAMES) if value is not None]
    chance = secrets.token_bytes(_SALT_BYTES * len(said) + _DECOY_BYTES * (LEAF_DIGESTS - len(said)))  # one call, not sixteen
    salts, decoys = chance[: _SALT_BYTES * len(said)], chance[_SALT_BYTES * len(said) :]
    disclosures = tuple(
        _disclosure(salts[_SALT_BYTES * number :][:_SALT_BYTES], LEAF_NAMES[name], value)
        for number, (name, value) in enumerate(said)
    )
    digests = [_digest(item.encode("ascii")) for item in disclosures]
    digests += [_digest(decoys[start : start + _DECOY_BYTES]) for start in range(0, len(decoys), _DECOY_BYTES)]
    digests.sort()
    data = _encode(digests)
    return MadeLeaf(leaf_hash(data), data, disclosures)


def open_leaf(data: bytes, disclosures: Sequence[str]) -> dict[str, Any]:
    """Return the fields that `disclosures` open of a leaf, each checked against its digest. Any subset may be shown.

    Raises:
        SignatureError: not a leaf, or a disclosure that is none of its.
    """
    digests = _digests(data)
    opened: dict[str, Any] = {}
    for text in disclosures:
        name, value = _open_disclosure(text)
        if _digest(text.encode("ascii")) not in digests or name in opened:
            raise SignatureError("a disclosure that is not this leaf's")
        opened[name] = value
    return opened


PERSONAL = frozenset({"rec", "fields", "case"})
"""What a leaf says of a person's data: these go with the data, and the rest still verifies."""


def without_person(disclosures: Sequence[str]) -> tuple[str, ...]:
    """Return the disclosures of a leaf without those about a person. Their salts gone, nobody can tell what they said.

    Raises:
        SignatureError: one is none.
    """
    return tuple(text for text in disclosures if _open_disclosure(text)[0] not in PERSONAL)


def _encode(digests: list[Any]) -> bytes:
    return encode_object({"v": 1, "_sd_alg": "sha-256", "_sd": digests})


def _digests(data: bytes) -> frozenset[str]:
    """Return the digests of a leaf that is spelled the one way a leaf is spelled."""
    try:
        digests = parse_object(data, limit=MAX_LEAF_BYTES, depth=2).get("_sd")
        if not isinstance(digests, list) or len(digests) != LEAF_DIGESTS or data != _encode(digests):
            raise SignatureError("not a leaf")
        if any(not isinstance(item, str) or len(b64u_decode(item)) != 32 for item in digests):
            raise SignatureError("not a leaf")
    except (MalformedError, TooLargeError):
        raise SignatureError("not a leaf") from None
    # Sorted and each once: neither order nor repetition tells which digests are decoys.
    if digests != sorted(set(digests)):
        raise SignatureError("not a leaf")
    return frozenset(digests)


def _disclosure(salt: bytes, name: str, value: Any) -> str:
    return b64u_encode(encode_array([b64u_encode(salt), name, list(value) if isinstance(value, tuple) else value]))


def _open_disclosure(text: str) -> tuple[str, Any]:
    try:
        wrapped = parse_object(b'{"d":' + b64u_decode(text) + b"}", limit=MAX_DISCLOSURE_BYTES, depth=3)
        parts = wrapped["d"] if set(wrapped) == {"d"} else None
        if not isinstance(parts, list) or len(parts) != 3 or parts[1] not in LEAF_NAMES.values() or not _is_value(parts[2]):
            raise SignatureError("a disclosure that is not well-formed")
        if not isinstance(parts[0], str) or len(b64u_decode(parts[0])) != 16:
            raise SignatureError("a disclosure that is not well-formed")
    except (MalformedError, TooLargeError):
        raise SignatureError("a disclosure that is not well-formed") from None
    return str(parts[1]), parts[2]


def _is_value(value: Any) -> bool:
    # What fields of a leaf are: a number, a word, or a list of field names. Never an object, a null or a flag.
    return type(value) in (int, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _digest(data: bytes) -> str:
    return b64u_encode(sha256(data).digest())
