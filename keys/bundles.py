"""The evidence bundle as a file: its members, how one is made, read strictly and redacted (SPEC 7.4).

`keys.evidence` verifies what is read here. Nothing in a `Bundle` is proven.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from contracts.codec import Json, b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import ExchangeError, SchemaError
from contracts.ids import KeyId
from contracts.types import EARLIEST, LATEST
from keys.jose import parse_jws
from keys.leaves import open_leaf

FORMAT = "urn:paradero:evidence:1"
MAX_BUNDLE_BYTES = 32 * 1024 * 1024
MAX_KEYSETS = 8
REDACTED_FIELDS = frozenset({"ts", "ev", "peer", "jti", "msg_sha256", "type", "purpose", "basis", "pol", "trust", "outcome"})
"""Fields of the leaf that stay in a redacted bundle: nothing in them tells a case, a record or an officer."""

_REQUIRED = frozenset({"format", "personal_data", "receipt", "sender_leaf", "verified_at", "register"})
_OPTIONAL = frozenset({"message", "message_sha256", "recipient_proof", "keysets"})
_ROLES = ("targets", "members", "policy", "suspensions", "keysets")
_FILE = re.compile(
    r"metadata/(?:timestamp|(?:[1-9][0-9]{0,8})\.(?:root|snapshot|targets|members|policy|suspensions|keysets))\.json"
    r"|targets/[0-9a-f]{64}\.(?:federation|members|policy|suspensions|keysets)\.json"
)
_KINDS = sorted(
    [f"metadata/{name}" for name in ("timestamp", "snapshot", *_ROLES)]
    + [f"targets/{name}" for name in ("federation", *_ROLES[1:])]
)
"""One file of each of these, besides the roots."""
_MAX_FILES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleParts:
    """What a bundle is made of. `register` maps paths below the register's base to files; `keysets` are `older_keysets`."""

    message: str = field(repr=False)
    receipt: str
    leaf_data: bytes
    leaf_disclosures: tuple[str, ...]
    sender_proof: str | None
    recipient_proof: str | None
    register: Mapping[str, bytes] = field(repr=False)
    verified_at: int
    keysets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle taken apart. `message` is None in a redacted one; `digest` is the message's SHA-256, base64url, either way."""

    message: str | None = field(repr=False)
    digest: str
    receipt: str
    leaf_data: bytes
    leaf_disclosures: tuple[str, ...]
    sender_proof: str | None
    recipient_proof: str | None
    register: Mapping[str, bytes] = field(repr=False)
    verified_at: int
    keysets: tuple[str, ...]


def build_bundle(parts: BundleParts, *, redacted: bool = False) -> bytes:
    """Return the bundle as JSON; `redacted` leaves the message out and keeps its digest.

    Raises:
        TooLargeError, MalformedError: parts that no bundle can hold.
        SignatureError: only with `redacted`: the disclosures are not the leaf's.
    """
    digest = message_digest(parts.message)
    value: Json = {"format": FORMAT, "personal_data": not redacted}
    value |= {"message_sha256": digest} if redacted else {"message": parts.message}
    value["receipt"] = parts.receipt
    shown = _without_case(parts.leaf_data, parts.leaf_disclosures) if redacted else parts.leaf_disclosures
    leaf: Json = {"data": parts.leaf_data.decode(), "disclosures": list(shown)}
    if parts.sender_proof is not None:
        leaf["proof"] = parts.sender_proof
    value["sender_leaf"] = leaf
    if parts.recipient_proof is not None:
        value["recipient_proof"] = parts.recipient_proof
    if parts.keysets:
        value["keysets"] = list(parts.keysets)
    value["verified_at"] = parts.verified_at
    value["register"] = {name: b64u_encode(data) for name, data in sorted(parts.register.items())}
    return encode_object(value, limit=MAX_BUNDLE_BYTES)


def redact_bundle(data: bytes) -> bytes:
    """Return a bundle without its message: receipt, log entries and register still verify, over the message's digest.

    It needs the sender's log proof, which then alone speaks for the sender.

    Raises:
        ExchangeError: not a bundle.
    """
    bundle = parse_bundle(data)
    if bundle.message is None:
        return data
    parts = BundleParts(
        message=bundle.message,
        receipt=bundle.receipt,
        leaf_data=bundle.leaf_data,
        leaf_disclosures=bundle.leaf_disclosures,
        sender_proof=bundle.sender_proof,
        recipient_proof=bundle.recipient_proof,
        register=bundle.register,
        verified_at=bundle.verified_at,
        keysets=bundle.keysets,
    )
    redacted = build_bundle(parts, redacted=True)
    parse_bundle(redacted)
    return redacted


def parse_bundle(data: bytes) -> Bundle:
    """Take a bundle apart; every member has its one type and no other member is there.

    Raises:
        TooLargeError, MalformedError: bytes that are no JSON object.
        SchemaError: not a bundle.
    """
    value = parse_object(data, limit=MAX_BUNDLE_BYTES, depth=4)
    if value.get("format") != FORMAT or not _REQUIRED <= set(value) <= _REQUIRED | _OPTIONAL:
        raise SchemaError("not a bundle")
    message = _text(value["message"]) if "message" in value else None
    if (message is None) != ("message_sha256" in value) or value["personal_data"] is not (message is not None):
        raise SchemaError("a bundle holds the message, or its digest, and says which")
    leaf = value["sender_leaf"]
    if not isinstance(leaf, dict) or not {"data", "disclosures"} <= set(leaf) <= {"data", "disclosures", "proof"}:
        raise SchemaError("sender_leaf: not a leaf")
    if message is None and "proof" not in leaf:
        raise SchemaError("without the message, only its log entry speaks for the sender")
    verified_at = value["verified_at"]
    if type(verified_at) is not int or not EARLIEST <= verified_at <= LATEST:
        raise SchemaError("verified_at: not a time")
    return Bundle(
        message=message,
        digest=_sha256(value["message_sha256"]) if message is None else message_digest(message),
        receipt=_text(value["receipt"]),
        leaf_data=_text(leaf["data"]).encode(),
        leaf_disclosures=_texts(leaf["disclosures"], 16),
        sender_proof=_text(leaf["proof"]) if "proof" in leaf else None,
        recipient_proof=_text(value["recipient_proof"]) if "recipient_proof" in value else None,
        register=_files(value["register"]),
        verified_at=verified_at,
        keysets=_texts(value.get("keysets", []), MAX_KEYSETS),
    )


def message_digest(token: str) -> str:
    """Return SHA-256 over the ASCII bytes of a message's JWS, base64url: what receipts and leaves name.

    Raises:
        SchemaError: not ASCII.
    """
    if not token.isascii():
        raise SchemaError("message: not ASCII")
    return b64u_encode(sha256(token.encode("ascii")).digest())


def register_files(mirror: Path) -> dict[str, bytes]:
    """Return the register's files a bundle carries: every root, and of everything else what the timestamp leads to."""
    files = {f"metadata/{path.name}": path.read_bytes() for path in (mirror / "metadata").glob("*.root.json")}
    files["metadata/timestamp.json"] = (mirror / "metadata" / "timestamp.json").read_bytes()
    for role, version in _versions(mirror).items():
        name = f"metadata/{version}.{role}.json"
        files[name] = (mirror / name).read_bytes()
        for target, digest in _targets(files[name]).items():
            path = f"targets/{digest}.{target}"
            files[path] = (mirror / path).read_bytes()
    return files


def older_keysets(mirror: Path, tokens: Collection[str]) -> tuple[str, ...]:
    """Return the keysets that hold the keys which signed `tokens`, where the register no longer carries them.

    A message outlives the key that signed it: after a rotation the bundle needs the keyset of that time as well. Each is
    signed by its node's identity key, so it needs no other file to vouch for it.

    Raises:
        SignatureError: a token that is no JWS.
    """
    newest = _versions(mirror)["keysets"]
    current = set(_keysets_in(mirror, newest).values())
    found: dict[KeyId, str] = {}
    for version in range(1, newest + 1):
        if (mirror / "metadata" / f"{version}.keysets.json").exists():
            keysets = _keysets_in(mirror, version)
            signers = [parse_jws(token).kid for token in tokens]
            found |= {kid: keysets[kid.node] for kid in signers if kid.node in keysets and _lists(keysets[kid.node], kid)}
    return tuple(sorted(set(found.values()) - current))


def _versions(mirror: Path) -> dict[str, int]:
    """Return the version of every file the timestamp leads to; newer files may lie there when a refresh was cut short."""
    timestamp = parse_object((mirror / "metadata" / "timestamp.json").read_bytes(), limit=MAX_BUNDLE_BYTES)
    snapshot = int(timestamp["signed"]["meta"]["snapshot.json"]["version"])
    held = parse_object((mirror / "metadata" / f"{snapshot}.snapshot.json").read_bytes(), limit=MAX_BUNDLE_BYTES)
    meta = held["signed"]["meta"]
    return {"snapshot": snapshot} | {role: int(meta[f"{role}.json"]["version"]) for role in _ROLES}


def _keysets_in(mirror: Path, version: int) -> Mapping[str, str]:
    digest = _targets((mirror / "metadata" / f"{version}.keysets.json").read_bytes())["keysets.json"]
    content = parse_object((mirror / "targets" / f"{digest}.keysets.json").read_bytes(), limit=MAX_BUNDLE_BYTES)
    return {str(node): str(jws) for node, jws in content["keysets"].items()}


def _lists(jws: str, kid: KeyId) -> bool:
    keys = parse_object(parse_jws(jws).payload)["keys"]
    return any(key["kid"] == kid for key in keys)


def _targets(metadata: bytes) -> dict[str, str]:
    signed = parse_object(metadata, limit=MAX_BUNDLE_BYTES)["signed"]
    return {name: str(info["hashes"]["sha256"]) for name, info in signed.get("targets", {}).items()}


def _files(value: object) -> Mapping[str, bytes]:
    """Return the register's files: one of each, every root from the first on, nothing else.

    A second file of one kind would be a version nothing here vouches for: members could be invented in it.
    """
    if not isinstance(value, dict) or len(value) > _MAX_FILES or not all(_FILE.fullmatch(name) for name in value):
        raise SchemaError("register: not files of a register")
    kinds = [re.sub("(?<=/)[0-9a-f]+[.]", "", name)[:-5] for name in value if not name.endswith(".root.json")]
    roots = {name for name in value if name.endswith(".root.json")}
    if not roots or sorted(kinds) != _KINDS or roots != {f"metadata/{number}.root.json" for number in range(1, len(roots) + 1)}:
        raise SchemaError("register: not one version of each file, or not every root")
    return {name: b64u_decode(_text(data)) for name, data in value.items()}


def _without_case(data: bytes, disclosures: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in disclosures if set(open_leaf(data, [text])) <= REDACTED_FIELDS)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise SchemaError("a member is no text")
    return value


def _texts(value: object, most: int) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > most:
        raise SchemaError("a member is no short list")
    return tuple(_text(item) for item in value)


def _sha256(value: object) -> str:
    text = _text(value)
    try:
        if len(b64u_decode(text)) == 32:
            return text
    except ExchangeError:
        pass
    raise SchemaError("message_sha256: not a digest")
