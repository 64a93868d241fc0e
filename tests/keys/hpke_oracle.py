"""HPKE base mode with ML-KEM-768 and X25519, a second time and by the definition; an oracle for tests alone.

draft-ietf-hpke-pq and draft-ietf-hpke-hpke (one-stage key derivation), with nothing of ours and nothing of the library's own
HPKE: the two key agreements, SHA3-256, SHAKE256 and an AEAD. Its own proof are the vectors of `cryptography_vectors`.
"""

import hashlib
import struct

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEM_ID, SHAKE256_ID = 0x647A, 0x0011
CIPHERTEXT, PUBLIC = 1088, 1184
LABEL = b"\\.//^\\"


class PrivateKey:
    """The interchange form of a private key is 32 bytes; everything else is expanded from them."""

    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(seed).digest(96)
        self._kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self._group = X25519PrivateKey.from_private_bytes(expanded[64:])

    @property
    def public(self) -> bytes:
        return self._kem.public_key().public_bytes_raw() + self._group.public_key().public_bytes_raw()

    def decapsulate(self, enc: bytes) -> bytes:
        shared = self._group.exchange(X25519PublicKey.from_public_bytes(enc[CIPHERTEXT:]))
        return combine(self._kem.decapsulate(enc[:CIPHERTEXT]), shared, enc[CIPHERTEXT:], self.public[PUBLIC:])


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    """Return (shared secret, enc) for a raw public key."""
    first, ciphertext = MLKEM768PublicKey.from_public_bytes(public[:PUBLIC]).encapsulate()
    ephemeral = X25519PrivateKey.generate()
    share = ephemeral.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    second = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[PUBLIC:]))
    return combine(first, second, share, public[PUBLIC:]), ciphertext + share


def combine(first: bytes, second: bytes, share: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(first + second + share + public + LABEL).digest()


def schedule(shared: bytes, info: bytes, aead_id: int) -> tuple[bytes, bytes, bytes]:
    """Return (key, base nonce, exporter secret) for SHAKE256 and an AEAD with 32-byte keys."""
    suite = b"HPKE" + struct.pack(">HHH", KEM_ID, SHAKE256_ID, aead_id)
    secrets = prefixed(b"") + prefixed(shared)  # no PSK
    context = b"\x00" + prefixed(b"") + prefixed(info)  # mode base, no PSK id
    length = 32 + 12 + 64
    labeled = secrets + b"HPKE-v1" + suite + prefixed(b"secret") + struct.pack(">H", length) + context
    made = hashlib.shake_256(labeled).digest(length)
    return made[:32], made[32:44], made[44:]


def prefixed(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
