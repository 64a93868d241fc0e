"""Seals message bodies at rest: one key per thread, wrapped by the vault's key (SPEC 11).

Destroying a thread's wrapped key erases every copy of what it sealed. AES-256-GCM with random 96-bit nonces: a thread's
key seals a few hundred bodies in its life, far below the 2**32 where random nonces need care.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.errors import StorageError
from contracts.ids import MessageId, ThreadId
from keys.jose import parse_jws
from keys.sealing import SignedMessage, VerifiedMessage

_KEY_BYTES = 32
_NONCE_BYTES = 12
_PROOF = object()

Provable = SignedMessage | VerifiedMessage
"""What `keep` takes: a message we signed, or one whose signer is proven. Nothing else gets into the store of bodies."""


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message whose signature was made or verified here before it was kept, and that the vault's key has authenticated
    since: under this thread, this message id, not a bit changed. Made by `Vault.kept` alone; it needs no second look.
    """

    jws: bytes
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("only Vault.kept makes a KeptMessage")

    @property
    def payload(self) -> bytes:
        """Exactly the bytes that were signed."""
        return parse_jws(self.jws.decode("ascii")).payload


class Vault:
    """Wraps thread keys and seals with them. Takes the vault's own key of 32 bytes."""

    __slots__ = ("_digest_key", "_secrets", "_wrapper")

    def __init__(self, master: bytes) -> None:
        if len(master) != _KEY_BYTES:
            raise ValueError("the vault's key has 32 bytes")
        self._wrapper = AESGCM(hmac.digest(master, b"paradero vault: wrap thread keys", sha256))
        self._secrets = AESGCM(hmac.digest(master, b"paradero vault: seal secrets", sha256))
        self._digest_key = hmac.digest(master, b"paradero vault: keyed digests", sha256)

    def new_key(self, thread_id: ThreadId) -> bytes:
        """Return a fresh key for a thread, wrapped and bound to it."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._wrapper.encrypt(nonce, secrets.token_bytes(_KEY_BYTES), b"thread:" + thread_id.encode())

    def keep(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, message: Provable) -> bytes:
        """Return a proven message sealed under the thread's key, bound to thread and message.

        Raises:
            StorageError: the thread's key does not open.
        """
        return self.seal(wrapped, thread_id, message_id, message.jws)

    def kept(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> KeptMessage:
        """Return what `keep` sealed.

        Raises:
            StorageError: changed, cut short, or moved from another message or thread.
        """
        return KeptMessage(self.open(wrapped, thread_id, message_id, sealed), _PROOF)

    def seal(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, data: bytes) -> bytes:
        """Return `data` sealed under the thread's key, bound to thread and message."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._key(wrapped, thread_id).encrypt(nonce, data, _binding(thread_id, message_id))

    def open(self, wrapped: bytes, thread_id: ThreadId, message_id: MessageId, sealed: bytes) -> bytes:
        """Return what `seal` sealed.

        Raises:
            StorageError: changed, cut short, or moved from another message or thread.
        """
        try:
            key = self._key(wrapped, thread_id)
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _binding(thread_id, message_id))
        except (InvalidTag, ValueError):
            raise StorageError("a sealed body does not open") from None

    def keep_draft(self, wrapped: bytes, thread_id: ThreadId, draft_id: MessageId, data: bytes) -> bytes:
        """Return what is no message yet, sealed under the thread's key; `kept` never opens it, since nobody signed it.

        Raises:
            StorageError: the thread's key does not open.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._key(wrapped, thread_id).encrypt(nonce, data, b"draft:" + _binding(thread_id, draft_id))

    def kept_draft(self, wrapped: bytes, thread_id: ThreadId, draft_id: MessageId, sealed: bytes) -> bytes:
        """Return what `keep_draft` sealed.

        Raises:
            StorageError: changed, cut short, or moved from another draft or thread.
        """
        key, binding = self._key(wrapped, thread_id), b"draft:" + _binding(thread_id, draft_id)
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], binding)
        except (InvalidTag, ValueError):
            raise StorageError("a sealed draft does not open") from None

    def seal_secret(self, use: str, secret: bytes) -> bytes:
        """Return a secret of the node or of a person, sealed and bound to its use: one moved to another does not open."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._secrets.encrypt(nonce, secret, use.encode())

    def open_secret(self, use: str, sealed: bytes) -> bytes:
        """Return what `seal_secret` sealed.

        Raises:
            StorageError: changed, cut short, or moved from another use.
        """
        try:
            return self._secrets.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], use.encode())
        except (InvalidTag, ValueError):
            raise StorageError("a sealed secret does not open") from None

    def digest(self, purpose: str, data: bytes) -> bytes:
        """Return a keyed digest: equal data gives equal digests on this node, and tells nobody else anything."""
        return hmac.digest(self._digest_key, purpose.encode() + b"\0" + data, sha256)

    def _key(self, wrapped: bytes, thread_id: ThreadId) -> AESGCM:
        try:
            return AESGCM(
                self._wrapper.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], b"thread:" + thread_id.encode())
            )
        except (InvalidTag, ValueError):
            raise StorageError("a thread's key does not open") from None


def _binding(thread_id: ThreadId, message_id: MessageId) -> bytes:
    return f"body:{thread_id}:{message_id}".encode()
