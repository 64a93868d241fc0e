"""A signed receipt ends a delivery: accepted and logged, or rejected and why (SPEC 5.3)."""

from typing import Literal, Self

from pydantic import model_validator

from contracts.codec import decode_model, encode_model
from contracts.errors import ProblemCode
from contracts.ids import MessageId, NodeId
from contracts.types import Count, LogOrigin, Sha256, UnixTime, WireModel, broken

MAX_RECEIPT_BYTES = 4096


class ReceiptDigest(WireModel):
    """What was received: SHA-256 over the ASCII bytes of the inner JWS, or of the envelope when that did not open."""

    alg: Literal["sha-256"] = "sha-256"
    val: Sha256
    of: Literal["message", "envelope"]


class LogPromise(WireModel):
    """The leaf that is, or within ten minutes will be, in the log of that name."""

    origin: LogOrigin
    leaf: Sha256


class Receipt(WireModel):
    """What the recipient signs. `accepted`: authenticated, stored and logged; not: acted upon.

    `aud` and `re` are missing only where the sender could not be authenticated; then the digest is the envelope's or
    that of a message nobody vouches for.
    """

    iss: NodeId
    aud: NodeId | None = None
    jti: MessageId
    iat: UnixTime
    re: MessageId | None = None
    dig: ReceiptDigest
    status: Literal["accepted", "rejected"]
    code: ProblemCode | None = None
    trust: Count
    log: LogPromise | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        accepted = self.status == "accepted"
        if accepted == (self.code is not None):
            raise broken("code_iff_rejected")
        if accepted != (self.log is not None):
            raise broken("log_iff_accepted")
        if accepted and (self.aud is None or self.re is None or self.dig.of != "message"):
            raise broken("accepted_names_its_message")
        return self


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the payload of the receipt's JWS."""
    return encode_model(receipt)


def decode_receipt(payload: bytes) -> Receipt:
    """Return the receipt in the payload of a verified JWS.

    Raises:
        TooLargeError, MalformedError, SchemaError: not a receipt.
    """
    return decode_model(Receipt, payload, limit=MAX_RECEIPT_BYTES)
