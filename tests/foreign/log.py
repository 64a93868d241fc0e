"""SPEC 7.1 and 7.2 by a stranger: leaf, RFC 6962 audit path, C2SP signed note, checkpoint, tlog-proof, cosignature/v1."""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.foreign.basics import RefusedError, check_point, digest, need, parse, unb64u

FIELDS = {
    "ts", "ev", "peer", "jti", "msg_sha256", "type", "purpose", "basis", "pol", "trust", "outcome", "rec", "fields", "actor",
    "case", "detail",
}  # fmt: skip
LOG, WITNESS = 1, 4


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    witnesses: frozenset[str]


def unb64(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise RefusedError("base64") from error
    need(b64encode(data).decode() == text, "canonical base64")
    return data


def open_leaf(data: str, disclosures: list[Any]) -> dict[str, Any]:
    """SPEC 7.1: the fields the disclosures open."""
    digests = parse(data, limit=1024, levels=2).get("_sd")
    need(isinstance(digests, list) and len(digests) == 16 and digests == sorted(set(map(str, digests))), "16 sorted digests")
    need(all(len(unb64u(item)) == 32 for item in digests), "digests")
    need(data == json.dumps({"v": 1, "_sd_alg": "sha-256", "_sd": digests}, separators=(",", ":")), "the one spelling")
    opened: dict[str, Any] = {}
    for text in disclosures:
        raw = unb64u(text)
        parts = parse(b'{"d":' + raw + b"}", limit=16_384 + 6, levels=3)
        need(set(parts) == {"d"} and isinstance(parts["d"], list) and len(parts["d"]) == 3, "disclosure")
        salt, name, value = parts["d"]
        need(len(unb64u(salt)) == 16 and name in FIELDS and name not in opened and digest(text) in digests, "disclosure")
        need(type(value) in (int, str) or (type(value) is list and all(type(item) is str for item in value)), "value")
        opened[name] = value
    return opened


def leaf_hash(data: str) -> bytes:
    return sha256(b"\0" + data.encode()).digest()


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162 2.1.3.2, which says how to verify RFC 6962's audit path."""
    need(0 <= index < size, "index inside the tree")
    fn, sn, r = index, size - 1, leaf
    for item in path:
        need(sn > 0, "path too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\1" + item + r).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1" + r + item).digest()
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "path too short")
    return r


def open_vkey(vkey: str, kind: int) -> tuple[str, bytes, Ed25519PublicKey]:
    """C2SP signed-note: name, key id, key."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = unb64(encoded)
    need(len(raw) == 33 and raw[0] == kind and re.fullmatch(r"[^\s+]+", name), "vkey")
    need(sha256(name.encode() + b"\n" + raw).digest()[:4].hex() == key_id, "key id")
    check_point(raw[1:])
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(raw[1:])


def _holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> None:
    try:
        key.verify(signature, message)
    except InvalidSignature as error:
        raise RefusedError("note signature") from error


def open_checkpoint(note: str, origin: str, vkey: str, witnesses: list[str]) -> Checkpoint:
    text, gap, tail = note.rpartition("\n\n")
    need(gap and tail.endswith("\n") and not re.search("[\0-\t\x0b-\x1f]", note), "signed note")
    text += "\n"
    lines = [re.fullmatch(r"— ([^\s+]+) (\S+)", line) for line in tail[:-1].split("\n")]
    need(0 < len(lines) <= 100 and all(lines), "signature lines")
    signatures = [(line[1], unb64(line[2])) for line in lines if line]
    need(all(len(raw) > 4 for _, raw in signatures), "signature lines")
    name, key_id, key = open_vkey(vkey, LOG)
    need(name == origin, "the log's key name is its origin")
    own = [raw[4:] for who, raw in signatures if (who, raw[:4]) == (name, key_id)]
    need(own, "signed by the log")
    for raw in own:
        _holds(key, raw, text.encode())
    seen = set()
    for witness in witnesses:
        name, key_id, key = open_vkey(witness, WITNESS)
        for raw in (raw[4:] for who, raw in signatures if (who, raw[:4]) == (name, key_id)):
            need(len(raw) == 72, "cosignature/v1")
            moment = int.from_bytes(raw[:8])
            _holds(key, raw[8:], f"cosignature/v1\ntime {moment}\n{text}".encode())
            seen.add(witness)
    body = text[:-1].split("\n")
    need(len(body) >= 3 and all(body) and body[0] == origin and re.fullmatch("0|[1-9][0-9]{0,15}", body[1]), "checkpoint")
    root = unb64(body[2])
    need(len(root) == 32, "root hash")
    return Checkpoint(origin, int(body[1]), root, frozenset(seen))


def open_proof(proof: Any, leaf: bytes, origin: str, vkey: str, witnesses: list[str]) -> Checkpoint:
    """C2SP tlog-proof@v1 of a leaf, without `extra` (SPEC 7.4)."""
    need(isinstance(proof, str), "text")
    head, gap, note = proof.partition("\n\n")
    lines = head.split("\n")
    need(gap and lines[0] == "c2sp.org/tlog-proof@v1" and len(lines) > 1, "tlog-proof")
    index = re.fullmatch("index (0|[1-9][0-9]{0,15})", lines[1])
    need(index, "index")
    path = [unb64(line) for line in lines[2:]]
    need(all(len(item) == 32 for item in path) and len(path) < 64, "path")
    checkpoint = open_checkpoint(note, origin, vkey, witnesses)
    need(root_from_path(leaf, int(index[1]), checkpoint.size, path) == checkpoint.root, "inclusion")  # type: ignore[index]
    return checkpoint
