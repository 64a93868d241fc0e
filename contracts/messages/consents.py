"""A consent changes, copies are erased, and each node proves what it erased or says why it may not (E6)."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.ids import Code, MessageId, NodeId, RecordId
from contracts.messages.base import RIGHTS_DELIVERY_LIMIT, Answer, Message
from contracts.types import Distinct, Jws, UnixTime, WireModel, broken

MAX_COPIES = 200


class ConsentAct(StrEnum):
    """What the person, or the family, decided."""

    GIVEN = "given"
    NARROWED = "narrowed"
    WITHDRAWN = "withdrawn"


class ConsentChangeBody(WireModel):
    """Which scopes (codes of the policy), which copies, from when."""

    act: ConsentAct
    scopes: Annotated[tuple[Code, ...], Field(min_length=1, max_length=16), Distinct]
    records: Annotated[tuple[RecordId, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    effective_at: UnixTime
    reason: Code | None = None


class ConsentChange(Message):
    """From now on this is what may be done."""

    validity_limit = RIGHTS_DELIVERY_LIMIT

    type: Literal["consent.change"] = "consent.change"
    body: ConsentChangeBody


class ErasureReason(StrEnum):
    """Why copies must go."""

    CONSENT = "consent"
    CORRECTION = "correction"
    RETENTION = "retention"
    SENT_IN_ERROR = "sent-in-error"
    RIGHT = "right"


class ErasureOrderBody(WireModel):
    """Which copies and messages; the message's deadline is when the receipt is due."""

    records: Annotated[tuple[RecordId, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    messages: Annotated[tuple[MessageId, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    reason: ErasureReason

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.records and not self.messages:
            raise broken("nothing_to_erase")
        return self


class ErasureOrder(Message):
    """Erase these, after those you passed them to have."""

    validity_limit = RIGHTS_DELIVERY_LIMIT

    type: Literal["erasure.order"] = "erasure.order"
    deadline: UnixTime = Field()
    body: ErasureOrderBody


class RefusedErasure(WireModel):
    """A copy the law makes us keep."""

    item: RecordId
    """The record's or the message's id."""
    basis: Code


class DownstreamReceipt(WireModel):
    """The erasure receipt of a node we had passed a copy to: its signed message, as it came."""

    node: NodeId
    receipt: Jws


class KeyStays(WireModel):
    """A copy that was taken out of the database, of a thread whose key is needed for what others said there."""

    item: RecordId
    """The record's or the message's id."""
    because: Literal["shared-thread"] = "shared-thread"


class ErasureReceiptBody(WireModel):
    """What was erased where, until when backups hold it, and what was not.

    `stores` is where every copy that was here is gone from. `key_stays` names those of `records` and `messages` whose key was
    not destroyed: what is in older backups of the database opens until these expire. `backups_expire` (Unix seconds) speaks of
    the others alone: from then on no backup of their keys is left.
    """

    records: Annotated[tuple[RecordId, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    messages: Annotated[tuple[MessageId, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    erased_at: UnixTime | None = None
    stores: Annotated[tuple[Code, ...], Field(max_length=16), Distinct] = ()
    backups_expire: UnixTime | None = None
    downstream: Annotated[tuple[DownstreamReceipt, ...], Field(max_length=8)] = ()
    refused: Annotated[tuple[RefusedErasure, ...], Field(max_length=MAX_COPIES), Distinct] = ()
    key_stays: Annotated[tuple[KeyStays, ...], Field(max_length=MAX_COPIES), Distinct] = ()

    @model_validator(mode="after")
    def _accounts(self) -> Self:
        erased: set[str] = {*self.records, *self.messages}
        refused: set[str] = {entry.item for entry in self.refused}
        if not erased and not refused:
            raise broken("nothing_accounted_for")
        if erased & refused or len(refused) != len(self.refused):
            raise broken("accounted_for_twice")
        if bool(erased) != (self.erased_at is not None):
            raise broken("erased_when")
        stays: set[str] = {entry.item for entry in self.key_stays}
        if not stays <= erased or len(stays) != len(self.key_stays):
            raise broken("key_of_what_stays")
        return self


class ErasureReceipt(Answer):
    """What we erased, and what we may not."""

    validity_limit = RIGHTS_DELIVERY_LIMIT

    type: Literal["erasure.receipt"] = "erasure.receipt"
    body: ErasureReceiptBody
