"""The two capabilities the exchange gets: sign and seal, open and verify (SPEC 4.2, 4.3, 5.3, 6.1). Never a key.

Only this module makes the Verified* types: a verified thing has another type than an unverified one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from contracts.codec import PAD_OVERHEAD, pad_payload
from contracts.errors import EnvelopeError, RecordInvalidError, SignatureError, TooLargeError
from contracts.ids import KeyId, NodeId, RecordId
from contracts.receipts import Receipt, decode_receipt, encode_receipt
from keys.jose import decrypt_jwe, encrypt_jwe, jws_header_length, sign_jws, verify_jws
from keys.model import NodeKeys, OpeningKey, VerifyKey
from keys.records import RecordClaims, VerifiedRecord, issue_record, verify_record
from keys.register.state import TrustState

MESSAGE_TYP = "paradero-msg+jwt"
ENVELOPE_TYP = "paradero-msg+jwe"
RECEIPT_TYP = "paradero-receipt+jwt"
RECORD_TYP = "paradero-rec+sd-jwt"
BUCKETS = tuple(1 << power for power in range(11, 20))
"""Lengths a message's JWS is padded towards, in bytes: 2 KiB to 512 KiB."""
_SIGNATURE_CHARS = 86
_CLOCK_SKEW = timedelta(seconds=300)
_PROOF = object()


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """Our own message, signed: the JWS and its SHA-256. Made by `Sealer.sign_message` alone."""

    jws: bytes
    digest: bytes
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("only Sealer.sign_message makes a SignedMessage")


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """A signed message, sealed: the JWE and the key it is sealed to."""

    envelope: bytes
    recipient_key: KeyId


@dataclass(frozen=True, slots=True)
class UnverifiedMessage:
    """What an envelope held. Nobody vouches for it yet."""

    jws: bytes


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A message whose signer is proven; `payload` is exactly the bytes that were signed. Made by `Opener.verify` alone."""

    sender: NodeId
    key_id: KeyId
    payload: bytes
    jws: bytes
    digest: bytes
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("only Opener.verify makes a VerifiedMessage")


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A receipt the peer signed. Made by `Opener.verify_receipt` alone."""

    receipt: Receipt
    proof: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proof is not _PROOF:
            raise TypeError("only Opener.verify_receipt makes a VerifiedReceipt")


class Sealer:
    """Signs as this node and seals to peers."""

    def __init__(self, own: NodeKeys, trust: Callable[[], TrustState], log_origin: str) -> None:
        self._own = own
        self._trust = trust
        self._log_origin = log_origin

    @property
    def node(self) -> NodeId:
        """Who we are."""
        return self._own.node

    @property
    def log_origin(self) -> str:
        """The name of our audit log."""
        return self._log_origin

    def sign_message(self, payload: bytes) -> SignedMessage:
        """Pad the payload to its bucket and sign it.

        Raises:
            TooLargeError: over 512 KiB.
        """
        padded = pad_payload(payload, padded_length(len(payload), self._own.sig.kid))
        jws = sign_jws(padded, self._own.sig, typ=MESSAGE_TYP).encode("ascii")
        return SignedMessage(jws, sha256(jws).digest(), _PROOF)

    def seal(self, jws: bytes, to: NodeId) -> SealedMessage:
        """Seal a signed message to the newest key of a member.

        Raises:
            SenderUnknownError: the register has no key for it.
        """
        key = self._trust().seal_key(to)
        return SealedMessage(encrypt_jwe(jws, key, typ=ENVELOPE_TYP, cty=MESSAGE_TYP).encode("ascii"), key.kid)

    def sign_receipt(self, receipt: Receipt) -> str:
        """Return the receipt as a compact JWS."""
        return sign_jws(encode_receipt(receipt), self._own.sig, typ=RECEIPT_TYP)

    def issue_record(
        self,
        claims: Mapping[str, Any],
        *,
        record_type: str,
        to: NodeId,
        record_id: RecordId,
        issued_at: datetime,
        expires_at: datetime,
        purposes: tuple[str, ...],
    ) -> str:
        """Return a record with all `claims` disclosed, for one recipient, under fresh salts.

        Raises:
            RecordInvalidError: more claims than a record has digests.
            SenderUnknownError: the register has no signing key for the recipient.
        """
        until = int(expires_at.timestamp())
        visible = RecordClaims(
            issuer=self._own.node,
            record_type=record_type,
            record_id=record_id,
            issued_at=int(issued_at.timestamp()),
            expires_at=until,
            holder=self._trust().signing_key(to).kid,
            purposes=tuple(str(purpose) for purpose in purposes),
            retain_until=until,
        )
        return issue_record(claims, visible=visible, key=self._own.sig, typ=RECORD_TYP)


class Opener:
    """Opens what peers sealed to this node, and verifies what they signed."""

    def __init__(self, own: NodeKeys, trust: Callable[[], TrustState]) -> None:
        self._own = own
        self._opening = {key.kid: key for key in own.enc}
        self._trust = trust

    def open(self, envelope: bytes) -> UnverifiedMessage:
        """Open an envelope.

        Raises:
            KeyRetiredError: sealed to a key of ours that is gone.
            EnvelopeError: not an envelope, not for us, or it does not open.
        """
        try:
            token = envelope.decode("ascii")
        except UnicodeDecodeError:
            raise EnvelopeError("envelope is not well-formed") from None
        return UnverifiedMessage(decrypt_jwe(token, typ=ENVELOPE_TYP, cty=MESSAGE_TYP, find=self._opening_key))

    def _opening_key(self, kid: KeyId) -> OpeningKey | None:
        if kid.node != self._own.node or kid.use != "enc":
            raise EnvelopeError("sealed to no opening key of this node")
        return self._opening.get(kid)

    def verify(self, jws: bytes) -> VerifiedMessage:
        """Verify a message's signature with the key the register vouches for. What it says is the caller's to judge.

        Raises:
            SenderUnknownError: no register version we have knows the key.
            SignatureError: malformed, or the signature does not hold.
        """
        verified = verify_jws(_ascii(jws), typ=MESSAGE_TYP, find=self._signer)
        return VerifiedMessage(verified.kid.node, verified.kid, verified.payload, jws, sha256(jws).digest(), _PROOF)

    def verify_receipt(self, token: str, *, peer: NodeId) -> VerifiedReceipt:
        """Verify a receipt signed by `peer` for us.

        Raises:
            SignatureError, SenderUnknownError, MalformedError, SchemaError: it proves nothing.
        """
        verified = verify_jws(token, typ=RECEIPT_TYP, find=self._signer)
        receipt = decode_receipt(verified.payload)
        if verified.kid.node != peer or receipt.iss != peer or receipt.aud not in (self._own.node, None):
            raise SignatureError("a receipt of another peer, or for another sender")
        return VerifiedReceipt(receipt, _PROOF)

    def verify_record(self, sd_jwt: str, *, sender: NodeId, at: datetime) -> VerifiedRecord:
        """Verify a record that `sender` issued to this node (hop limit 1: nobody forwards).

        Raises:
            RecordInvalidError: RFC 9901 or SPEC 6.1 refuses it, or it was issued to somebody else, or it expired.
            SenderUnknownError: its key is in no register version we have.
        """
        record = verify_record(sd_jwt, typ=RECORD_TYP, find=self._signer)
        visible = record.visible
        if visible.issuer != sender or visible.holder.node != self._own.node:
            raise RecordInvalidError("issued by or to another node")
        seconds = at.timestamp()
        if visible.issued_at > seconds + _CLOCK_SKEW.total_seconds() or visible.expires_at <= seconds:
            raise RecordInvalidError("outside its validity")
        return record

    def verify_issued(self, sd_jwt: str, *, to: NodeId) -> VerifiedRecord:
        """Read a record that this node issued, as its recipient will: what it says is in these bytes, and nothing else.

        Raises:
            RecordInvalidError: RFC 9901 or SPEC 6.1 refuses it, or another node issued it, or to somebody else.
        """
        record = verify_record(sd_jwt, typ=RECORD_TYP, find=self._signer)
        if record.visible.issuer != self._own.node or record.visible.holder.node != to:
            raise RecordInvalidError("issued by or to another node")
        return record

    def _signer(self, kid: KeyId) -> VerifyKey:
        if kid.use != "sig":
            raise SignatureError("not a signing key")
        return self._trust().signer(kid)


def padded_length(length: int, kid: KeyId) -> int:
    """Return the payload length that brings the JWS of a sender's message as close under its bucket as base64 allows.

    Constant per bucket and key id: the size of a message says nothing but its bucket (SPEC 3.3).

    Raises:
        TooLargeError: over the largest bucket.
    """
    fixed = jws_header_length(kid, MESSAGE_TYP) + 2 + _SIGNATURE_CHARS
    for bucket in BUCKETS:
        room = (bucket - fixed) * 3 // 4
        if length == room or length + PAD_OVERHEAD <= room:
            return room
    raise TooLargeError("message over 512 KiB")


def _ascii(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise SignatureError("token is not well-formed") from None
