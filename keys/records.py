"""Records: strict SD-JWT (RFC 9901, SPEC 6.1). What RFC 9901 section 7.1 says MUST be rejected is rejected here.

`verify_sd_jwt` is the general verifier (nested and array disclosures); `verify_record` adds our profile: every claim
disclosed whole, 48 digests, explicit type, a bound recipient.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from contracts.codec import MAX_DEPTH, b64u_decode, b64u_encode, encode_array, encode_object, parse_object
from contracts.errors import ExchangeError, RecordInvalidError
from contracts.ids import Code, KeyId, NodeId, RecordId
from keys.jose import sign_jws, verify_jws
from keys.model import SigningKey, VerifyKey

DIGESTS = 48
RECORD_TYPE_URN = "urn:paradero:rec:"
MAX_DISCLOSURES = 512
_SALT_BYTES, _DECOY_BYTES = 16, 32
_RESERVED = frozenset({"_sd", "...", "_sd_alg"})
_VISIBLE = frozenset({"iss", "vct", "jti", "iat", "exp", "cnf", "use", "_sd", "_sd_alg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordClaims:
    """The always visible part of a record. Times in Unix seconds; `purposes` are policy codes."""

    issuer: NodeId
    record_type: str
    record_id: RecordId
    issued_at: int
    expires_at: int
    holder: KeyId
    """The signing key of the one node this copy was issued to (RFC 7800 `cnf` by key id)."""
    purposes: tuple[str, ...]
    retain_until: int


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record whose signature and disclosures held. Only `verify_record` makes one."""

    visible: RecordClaims
    claims: Mapping[str, Any]

    @property
    def record_type(self) -> str:
        """The record type's name, without the URN."""
        return self.visible.record_type


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One disclosed claim (`name` given) or array element (`name` None)."""

    digest: str
    name: str | None
    value: Any


def issue_record(claims: Mapping[str, Any], *, visible: RecordClaims, key: SigningKey, typ: str, digests: int = DIGESTS) -> str:
    """Return an SD-JWT that discloses all `claims` and hides their number behind `digests` digests.

    Raises:
        RecordInvalidError: more claims than digests, or a reserved claim name.
    """
    if len(claims) > digests or not _RESERVED.isdisjoint(claims) or not _VISIBLE.isdisjoint(claims):
        raise RecordInvalidError("claims do not fit a record")
    disclosures = [_encode_disclosure(name, value) for name, value in claims.items()]
    chance = secrets.token_bytes(_DECOY_BYTES * (digests - len(disclosures)))  # one call, not forty
    decoys = [_hashed(chance[start : start + _DECOY_BYTES]) for start in range(0, len(chance), _DECOY_BYTES)]
    payload = {
        "iss": str(visible.issuer),
        "vct": RECORD_TYPE_URN + visible.record_type + ":1",
        "jti": str(visible.record_id),
        "iat": visible.issued_at,
        "exp": visible.expires_at,
        "cnf": {"kid": str(visible.holder)},
        "use": {"purposes": list(visible.purposes), "hops": 1, "retain_until": visible.retain_until},
        "_sd": sorted([_digest(item) for item in disclosures] + decoys),
        "_sd_alg": "sha-256",
    }
    return "~".join((sign_jws(encode_object(payload), key, typ=typ), *disclosures, ""))


def present(sd_jwt: str, names: Sequence[str]) -> str:
    """Return the SD-JWT with only the disclosures of the claims in `names` (the holder's side of RFC 9901 section 7.2).

    Raises:
        RecordInvalidError: not an SD-JWT without key binding.
    """
    token, disclosures = _split(sd_jwt)
    kept = [item for item in disclosures if _decode_disclosure(item).name in names]
    return "~".join((token, *kept, ""))


def verify_record(sd_jwt: str, *, typ: str, find: Callable[[KeyId], VerifyKey]) -> VerifiedRecord:
    """Verify a record of our profile. Times, addressee and purpose are the caller's to judge.

    Raises:
        RecordInvalidError: anything RFC 9901 section 7.1 or SPEC 6.1 refuses.
        SenderUnknownError: from `find`.
    """
    signer, payload, disclosures = _open(sd_jwt, typ, find)
    digests = payload.get("_sd")
    if set(payload) != _VISIBLE or not isinstance(digests, list) or len(digests) != DIGESTS:
        raise RecordInvalidError("not the members of a record")
    if not all(item.digest in digests and item.name is not None and _is_whole(item.value) for item in disclosures):
        raise RecordInvalidError("a claim that is not disclosed whole")
    visible = _visible(payload)
    if signer.node != visible.issuer:
        raise RecordInvalidError("signed by another node than its issuer")
    claims = process_payload(payload, disclosures)
    return VerifiedRecord(visible, {name: value for name, value in claims.items() if name not in _VISIBLE})


def verify_sd_jwt(sd_jwt: str, *, typ: str, find: Callable[[KeyId], VerifyKey]) -> dict[str, Any]:
    """Verify any SD-JWT without key binding and return its processed payload (RFC 9901 section 7.1).

    Raises:
        RecordInvalidError: anything the section says MUST be rejected.
    """
    _, payload, disclosures = _open(sd_jwt, typ, find)
    return process_payload(payload, disclosures)


def _open(sd_jwt: str, typ: str, find: Callable[[KeyId], VerifyKey]) -> tuple[KeyId, dict[str, Any], list[Disclosure]]:
    token, disclosures = _split(sd_jwt)
    try:
        verified = verify_jws(token, typ=typ, find=find)
        payload = parse_object(verified.payload)
    except ExchangeError as error:
        if error.retryable:
            raise
        raise RecordInvalidError("the issuer's signature does not hold, or over nothing of this type") from None
    return verified.kid, payload, [_decode_disclosure(item) for item in disclosures]


def _split(sd_jwt: str) -> tuple[str, list[str]]:
    token, *disclosures = sd_jwt.split("~")
    if not disclosures or disclosures.pop() != "":
        raise RecordInvalidError("an SD-JWT ends in a tilde")
    if len(disclosures) > MAX_DISCLOSURES:
        raise RecordInvalidError("too many disclosures")
    return token, disclosures


def _is_whole(value: Any) -> bool:
    # A digest inside a value would hide something the 48 do not count.
    if isinstance(value, dict):
        return _RESERVED.isdisjoint(value) and all(_is_whole(item) for item in value.values())
    return all(_is_whole(item) for item in value) if isinstance(value, list) else True


def process_payload(payload: Mapping[str, Any], disclosures: Sequence[Disclosure]) -> dict[str, Any]:
    """Replace digests by what was disclosed (RFC 9901 section 7.1 step 3). The payload's signature must hold already.

    Raises:
        RecordInvalidError: a digest twice, a disclosure nothing refers to, a reserved or colliding name, a wrong shape,
            or disclosures that nest deeper than any object may (SPEC 3.1).
    """
    if payload.get("_sd_alg", "sha-256") != "sha-256":
        raise RecordInvalidError("another digest algorithm")
    by_digest = {item.digest: item for item in disclosures}
    if len(by_digest) != len(disclosures):
        raise RecordInvalidError("a disclosure twice")
    unpacking = _Unpacking(by_digest, set(), set())
    processed = unpacking.value(dict(payload), MAX_DEPTH)
    if unpacking.used != set(by_digest):
        raise RecordInvalidError("a disclosure nothing refers to")
    processed.pop("_sd_alg", None)
    return dict(processed)


@dataclass(frozen=True, slots=True)
class _Unpacking:
    disclosures: Mapping[str, Disclosure]
    used: set[str]
    met: set[str]

    def value(self, value: Any, room: int) -> Any:
        if not isinstance(value, dict | list):
            return value
        if room < 1:
            raise RecordInvalidError("disclosures nested too deep")
        if isinstance(value, dict):
            return self._object(value, room - 1)
        return [element for item in value for element in self._element(item, room - 1)]

    def _object(self, value: dict[str, Any], room: int) -> dict[str, Any]:
        digests = value.get("_sd", [])
        if not isinstance(digests, list) or "..." in value:
            raise RecordInvalidError("a digest list of the wrong shape")
        plain = {name: self.value(item, room) for name, item in value.items() if name != "_sd"}
        for digest in digests:
            found = self._meet(digest)
            if found is None:
                continue
            if found.name is None or found.name in _RESERVED or found.name in plain:
                raise RecordInvalidError("a disclosed claim with a name it cannot have")
            plain[found.name] = self.value(found.value, room)
        return plain

    def _element(self, item: Any, room: int) -> list[Any]:
        if not (isinstance(item, dict) and "..." in item):
            return [self.value(item, room)]
        if set(item) != {"..."}:
            raise RecordInvalidError("an array digest with siblings")
        found = self._meet(item["..."])
        if found is None:
            return []
        if found.name is not None:
            raise RecordInvalidError("a claim disclosed as an array element")
        return [self.value(found.value, room)]

    def _meet(self, digest: Any) -> Disclosure | None:
        if not isinstance(digest, str) or digest in self.met:
            raise RecordInvalidError("a digest twice, or not text")
        self.met.add(digest)
        found = self.disclosures.get(digest)
        if found is not None:
            self.used.add(digest)
        return found


def _visible(payload: Mapping[str, Any]) -> RecordClaims:
    use, cnf, vct = payload["use"], payload["cnf"], payload["vct"]
    try:
        if not isinstance(vct, str) or not vct.startswith(RECORD_TYPE_URN) or not vct.endswith(":1"):
            raise ValueError
        if set(cnf) != {"kid"} or set(use) != {"purposes", "hops", "retain_until"} or not isinstance(use["purposes"], list):
            raise ValueError
        numbers = [payload["iat"], payload["exp"], use["retain_until"], use["hops"]]
        if any(type(number) is not int for number in numbers) or use["hops"] != 1:
            raise ValueError
        if not 0 <= payload["iat"] < min(payload["exp"], use["retain_until"]):
            raise ValueError
        return RecordClaims(
            issuer=NodeId(payload["iss"]),
            record_type=Code(vct[len(RECORD_TYPE_URN) : -2]),
            record_id=RecordId(payload["jti"]),
            issued_at=payload["iat"],
            expires_at=payload["exp"],
            holder=KeyId(cnf["kid"]),
            purposes=tuple(Code(purpose) for purpose in use["purposes"]),
            retain_until=use["retain_until"],
        )
    except (ValueError, TypeError):
        raise RecordInvalidError("a visible claim of the wrong shape") from None


def _encode_disclosure(name: str, value: Any) -> str:
    return b64u_encode(encode_array([b64u_encode(secrets.token_bytes(_SALT_BYTES)), name, value]))


def _decode_disclosure(text: str) -> Disclosure:
    try:
        wrapped = parse_object(b'{"d":' + b64u_decode(text) + b"}")
    except ExchangeError:
        raise RecordInvalidError("a disclosure that is not well-formed") from None
    parts = wrapped["d"] if set(wrapped) == {"d"} else None  # more members: the disclosure was no single JSON value
    if not isinstance(parts, list) or len(parts) not in (2, 3) or not isinstance(parts[0], str):
        raise RecordInvalidError("a disclosure is [salt, name, value] or [salt, value]")
    if len(parts) == 2:
        return Disclosure(_digest(text), None, parts[1])
    if not isinstance(parts[1], str) or parts[1] in _RESERVED:
        raise RecordInvalidError("a disclosed claim with a name it cannot have")
    return Disclosure(_digest(text), parts[1], parts[2])


def _digest(text: str) -> str:
    return _hashed(text.encode("ascii"))


def _hashed(data: bytes) -> str:
    return b64u_encode(sha256(data).digest())
