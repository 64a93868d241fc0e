"""Attachments sealed in chunks (SPEC 23.2): C2SP chunked-encryption, HKDF-Expand with SHA-512, AES-256-GCM.

A changed, cut, swapped, repeated or added chunk does not open, nor does a ciphertext of another thread. The key is random and
single-use, so the SHA-256 of the ciphertext, which is its name, says nothing about the content and cannot be guessed.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import EnvelopeError
from contracts.ids import ThreadId


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """A ciphertext, its SHA-256 and the key that opens it, both base64url. The key belongs into a sealed message only."""

    ciphertext: bytes = field(repr=False)
    sha256: str
    key: str = field(repr=False)


def seal_blob(content: bytes, thread_id: ThreadId) -> SealedBlob:
    """Return `content` sealed under a fresh key, for this thread alone."""
    key = Cobblestone256Encryptor.generate_key()
    encryptor = Cobblestone256Encryptor(key, _context(thread_id))
    ciphertext = encryptor.update(content) + encryptor.finalize()
    return SealedBlob(ciphertext, b64u_encode(sha256(ciphertext).digest()), b64u_encode(key))


def open_blob(ciphertext: bytes, key: str, thread_id: ThreadId) -> bytes:
    """Return what `seal_blob` sealed; `key` is base64url.

    Raises:
        EnvelopeError: another key or thread, or a single bit is not as it was sealed.
    """
    try:
        decryptor = Cobblestone256Decryptor(b64u_decode(key), _context(thread_id))
        return decryptor.update(ciphertext) + decryptor.finalize()
    except (InvalidTag, ValueError):
        raise EnvelopeError("an attachment does not open") from None


def _context(thread_id: ThreadId) -> bytes:
    return b"paradero-attachment|" + thread_id.encode()
