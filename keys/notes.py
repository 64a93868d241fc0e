"""Signed notes, checkpoints, cosignatures and proofs of inclusion in C2SP's formats (SPEC 7.2).

Sources: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. A line of a key we know must hold or the whole
note is refused; lines of other keys are ignored, so a log can rotate keys and gather witnesses we never heard of.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from contracts.errors import SignatureError
from contracts.ids import NodeId
from keys import ed25519
from keys.model import SigningKey
from keys.tree import verify_inclusion

ED25519_TYPE = 0x01
COSIGNATURE_TYPE = 0x04
MAX_NOTE_BYTES = 128 * 1024
"""Room for the sixteen signatures every verifier must accept, post-quantum ones included."""
MAX_SIGNATURES = 16
MAX_PROOF_HASHES = 63
MAX_EXTRA_BYTES = 4096
_LATEST_TIME = (1 << 63) - 1
_PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_NAME = re.compile(r"[^\s+\x00-\x20]{1,200}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


EPOCH_INFIX = "/restored-"
"""Between a log's name and what a restore adds to it."""


def log_origin(node: NodeId) -> str:
    """Return the name of a node's audit log, as its keyset names it."""
    return f"{node}/paradero-log"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A note verifier key: name, 4-byte id, algorithm type and 32 bytes of Ed25519 key."""

    name: str
    key_id: bytes
    kind: int
    raw: bytes

    def __str__(self) -> str:
        """Return the vkey text: ``name+hex(id)+base64(type || key)``."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.raw).decode()}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature of a note that held. `at` is the Unix time a witness gave, None where the signature has none."""

    key: VerifierKey
    at: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A verified note: its text, and each known key that signed it, once."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: the log's name, its size, its root, and which witnesses cosigned when (Unix seconds)."""

    origin: str
    size: int
    root: bytes
    witnessed: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A parsed tlog-proof. Nothing in it is proven until `verify_proof`; nothing ever vouches for `extra`."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""


def verifier_key(name: str, raw: bytes, *, kind: int = ED25519_TYPE) -> VerifierKey:
    """Return the verifier key of a name and a public key.

    Raises:
        SignatureError: no name for a key, or a key that is refused (small order, not canonical).
    """
    if not _NAME.fullmatch(name):
        raise SignatureError("not a key name")
    ed25519.load_public_key(raw)
    return VerifierKey(name, _key_id(name, kind, raw), kind, raw)


def parse_vkey(text: str) -> VerifierKey:
    """Return the key of a vkey text.

    Raises:
        SignatureError: malformed, an id that is not the key's, another algorithm, a refused key.
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise SignatureError("a vkey is name+id+key")
    data = _b64(parts[2])
    if len(data) != 33 or data[0] not in (ED25519_TYPE, COSIGNATURE_TYPE):
        raise SignatureError("not an Ed25519 vkey")
    key = verifier_key(parts[0], data[1:], kind=data[0])
    if key.key_id.hex() != parts[1]:
        raise SignatureError("a vkey whose id is not its key's")
    return key


def epoch_key(log: VerifierKey, origin: str) -> VerifierKey:
    """Return the key that a log's checkpoints verify by under `origin`: its own name, or one a restore gave it (SPEC 7.5).

    Raises:
        SignatureError: the origin is of another log.
    """
    if origin == log.name:
        return log
    if not origin.startswith(log.name + EPOCH_INFIX):
        raise SignatureError("another log's name")
    return verifier_key(origin, log.raw, kind=log.kind)


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """Return the body of a checkpoint (C2SP tlog-checkpoint)."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def sign_checkpoint(origin: str, size: int, root: bytes, key: SigningKey) -> str:
    """Return a signed checkpoint of our own log. Sign only over durable leaves."""
    text = checkpoint_text(origin, size, root)
    verifier = verifier_key(origin, key.public.raw)
    return f"{text}\n{_signature_line(origin, verifier.key_id, key.sign(text.encode()))}"


def cosign(note: str, name: str, key: SigningKey, *, at: int) -> str:
    """Return a witness's signature line for a checkpoint (cosignature/v1); `at` is Unix seconds."""
    text, _ = _split(note)
    verifier = verifier_key(name, key.public.raw, kind=COSIGNATURE_TYPE)
    signature = at.to_bytes(8) + key.sign(_cosigned(text, at))
    return _signature_line(name, verifier.key_id, signature)


def open_note(note: str, keys: Sequence[VerifierKey]) -> Note:
    """Verify a signed note: every line of a known key must hold, lines of other keys are ignored (C2SP signed-note).

    A key that signed twice counts once, with its first line.

    Raises:
        SignatureError: malformed, no line of a known key, one that does not hold, or two known keys under one id.
    """
    text, lines = _split(note)
    known = {(key.name, key.key_id): key for key in keys}
    if len(known) != len(set(keys)):
        raise SignatureError("two known keys go by one name and id")
    found: dict[VerifierKey, NoteSignature] = {}
    for name, key_id, signature in lines:
        key = known.get((name, key_id))
        if key is not None:
            found.setdefault(key, NoteSignature(key, _verify_line(key, signature, text)))
    if not found:
        raise SignatureError("not signed by a known key")
    return Note(text, tuple(found.values()))


def open_checkpoint(note: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Checkpoint:
    """Verify a checkpoint with the log's key; witness lines that are known must hold, unknown lines are ignored.

    Raises:
        SignatureError: malformed, not signed by the log, a known key's line that does not verify, or a witness's key
            where the log's belongs (or the reverse).
    """
    if log.kind != ED25519_TYPE or any(witness.kind != COSIGNATURE_TYPE for witness in witnesses):
        raise SignatureError("a key of the wrong type for its part")
    opened = open_note(note, [log, *witnesses])
    if log not in [signature.key for signature in opened.signatures]:
        raise SignatureError("not signed by the log")
    origin, size, root = _parse_checkpoint(opened.text)
    if origin != log.name:
        raise SignatureError("a checkpoint of another log")
    witnessed = tuple((item.key.name, item.at) for item in opened.signatures if item.at is not None)
    return Checkpoint(origin, size, root, witnessed)


def proof_text(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """Return a tlog-proof: index, audit path, signed checkpoint."""
    path = "".join(f"{b64encode(value).decode()}\n" for value in hashes)
    return f"{_PROOF_HEADER}\nindex {index}\n{path}\n{checkpoint}"


def parse_proof(text: str) -> InclusionProof:
    """Take a tlog-proof apart.

    Raises:
        SignatureError: malformed.
    """
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or len(text) > 2 * MAX_NOTE_BYTES or lines.pop(0) != _PROOF_HEADER:
        raise SignatureError("not a tlog-proof")
    extra = _b64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else b""
    word, _, number = lines.pop(0).partition(" ") if lines else ("", "", "")
    if word != "index" or not _NUMBER.fullmatch(number) or len(lines) > MAX_PROOF_HASHES or len(extra) > MAX_EXTRA_BYTES:
        raise SignatureError("not a tlog-proof")
    hashes = tuple(_b64(line) for line in lines)
    if any(len(value) != 32 for value in hashes):
        raise SignatureError("not a tlog-proof")
    return InclusionProof(int(number), hashes, checkpoint, extra)


def verify_proof(text: str, leaf: bytes, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> Checkpoint:
    """Verify that a leaf hash is in the log: checkpoint signature, then audit path.

    Raises:
        SignatureError: either does not hold.
    """
    proof = parse_proof(text)
    checkpoint = open_checkpoint(proof.checkpoint, log, witnesses)
    if not verify_inclusion(leaf, proof.index, checkpoint.size, proof.hashes, checkpoint.root):
        raise SignatureError("the leaf is not in the tree of this checkpoint")
    return checkpoint


def _verify_line(key: VerifierKey, signature: bytes, text: str) -> int | None:
    if key.kind == ED25519_TYPE:
        ed25519.verify(key.raw, signature, text.encode())
        return None
    if len(signature) != 72:
        raise SignatureError("not a cosignature")
    at = int.from_bytes(signature[:8])
    if at > _LATEST_TIME:
        raise SignatureError("a cosignature from beyond time")
    ed25519.verify(key.raw, signature[8:], _cosigned(text, at))
    return at


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _split(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    try:
        length = len(note.encode())
    except UnicodeEncodeError:  # a lone surrogate
        raise SignatureError("not a signed note") from None
    position = note.rfind("\n\n")
    if length > MAX_NOTE_BYTES or position < 1 or not note.endswith("\n") or _CONTROL.search(note):
        raise SignatureError("not a signed note")
    text, lines = note[: position + 1], note[position + 2 :].split("\n")[:-1]
    if not 0 < len(lines) <= MAX_SIGNATURES:
        raise SignatureError("not a signed note")
    return text, [_parse_line(line) for line in lines]


def _parse_line(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not _NAME.fullmatch(parts[1]):
        raise SignatureError("not a signature line")
    data = _b64(parts[2])
    if len(data) < 5:
        raise SignatureError("not a signature line")
    return parts[1], data[:4], data[4:]


def _parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not _NUMBER.fullmatch(lines[1]):
        raise SignatureError("not a checkpoint")
    root = _b64(lines[2])
    if len(root) != 32:
        raise SignatureError("not a checkpoint")
    return lines[0], int(lines[1]), root


def _signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    return f"— {name} {b64encode(key_id + signature).decode()}\n"


def _key_id(name: str, kind: int, raw: bytes) -> bytes:
    return sha256(f"{name}\n".encode() + bytes([kind]) + raw).digest()[:4]


def _b64(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise SignatureError("not base64") from None
    if b64encode(data).decode() != text:
        raise SignatureError("base64 is not canonical")
    return data
