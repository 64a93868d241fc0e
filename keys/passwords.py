"""Passwords, and the secrets that stand for a person who signed in (SPEC 13).

A password is kept as Argon2id (RFC 9106), with the memory and passes of its second recommendation: 64 MiB, three passes; one
lane, since a sign-in must not take both cores of a small machine. 16 bytes of salt, 32 of hash, written as a PHC string.
Comparison is the library's, in constant time. Session tokens, invitations and device marks are 32 random bytes: there is
nothing to guess, so SHA-256 keeps them.
"""

import os
import unicodedata
from hashlib import sha256

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import MalformedError

MEMORY_KIB = 65_536
PASSES = 3
LANES = 1
_SALT, _LENGTH = 16, 32
_PARAMETERS = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"
_SECRET = 32


def hash_password(password: str) -> str:
    """Return the PHC string of a password. Takes a tenth of a second and 64 MiB: call it off the loop."""
    return str(_argon2id(os.urandom(_SALT)).derive_phc_encoded(_bytes(password)))


def verify_password(password: str, kept: str | None) -> bool:
    """Return whether `password` is the one kept.

    For an account that has none (`kept` is None: unknown, or not yet invited in) as much work is done and the answer is no,
    so that how long it takes says nothing about who exists.
    """
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept if kept is not None else _NOBODY)
    except (InvalidKey, ValueError):
        return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Return whether a hash was made with other parameters than today's: it is made anew at the next sign-in."""
    return not kept.startswith(_PARAMETERS)


def new_secret(random: bytes, use: bytes = b"") -> tuple[str, bytes]:
    """Return (text to hand out, digest to keep) of 32 random bytes. `use` as in `secret_digest`.

    Raises:
        ValueError: it is not 32 bytes.
    """
    if len(random) != _SECRET:
        raise ValueError("a secret is 32 random bytes")
    return b64u_encode(random), sha256(use + random).digest()


def secret_digest(text: str, use: bytes = b"") -> bytes | None:
    """Return the digest a secret is kept by; None for what is no such secret. One kept for a `use` is nothing for another."""
    try:
        data = b64u_decode(text)
    except MalformedError:
        return None
    return sha256(use + data).digest() if len(data) == _SECRET else None


def _argon2id(salt: bytes) -> Argon2id:
    return Argon2id(salt=salt, length=_LENGTH, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB)


def _bytes(password: str) -> bytes:
    # What two keyboards write differently is one password (RFC 8265: NFC after mapping widths; NFKC does both).
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


# A salt and a hash of zeros: no password is known to give it, and `verify_password` says no whatever it gives.
_NOBODY = f"{_PARAMETERS}{'A' * 22}${'A' * 43}"
