"""Asking for fields of a record, getting them, getting a fresh copy, putting one right."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.ids import Code, RecordId
from contracts.messages.base import (
    MAX_RECORDS,
    RECORD_DIGESTS,
    RIGHTS_DELIVERY_LIMIT,
    Answer,
    Attachments,
    Message,
    PresentedRecord,
    Records,
)
from contracts.types import Distinct, Reference, WireModel, broken


class DisclosureRequestBody(WireModel):
    """Which fields are needed to decide, and what they decide."""

    record_type: Code
    fields: Annotated[tuple[Code, ...], Field(min_length=1, max_length=RECORD_DIGESTS), Distinct]
    reason: Code
    record: RecordId | None = None
    """When one copy is meant that the sender holds already."""


class DisclosureRequest(Message):
    """We need these fields to decide."""

    type: Literal["disclosure.request"] = "disclosure.request"
    body: DisclosureRequestBody


class DisclosureResult(StrEnum):
    """A grant tells nothing of what was left out: fields that are withheld and fields that do not exist look alike."""

    GRANTED = "granted"
    REFUSED = "refused"


class DisclosureGrantBody(WireModel):
    """`basis` is why it was refused, `consent_ref` the consent it rests on."""

    result: DisclosureResult
    basis: Code | None = None
    consent_ref: Reference | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if (self.result is DisclosureResult.REFUSED) != (self.basis is not None):
            raise broken("basis_of_refusal")
        return self


class DisclosureGrant(Answer):
    """What leaves, as records; or why nothing does."""

    type: Literal["disclosure.grant"] = "disclosure.grant"
    records: Records = ()
    att: Attachments = ()
    body: DisclosureGrantBody

    @model_validator(mode="after")
    def _something_if_granted(self) -> Self:
        granted = self.body.result is DisclosureResult.GRANTED
        if granted != bool(self.records or self.att):
            raise broken("grant_and_records")
        return self


class RecordRequestBody(WireModel):
    """Which copy, and why a fresh one is needed."""

    record: RecordId
    reason: Code


class RecordRequest(Message):
    """Give us our own copy; instead of forwarding across more than one hop."""

    type: Literal["record.request"] = "record.request"
    body: RecordRequestBody


class CorrectionBody(WireModel):
    """Which copy the new record replaces, and which fields differ."""

    replaces: RecordId
    changed: Annotated[tuple[Code, ...], Field(max_length=RECORD_DIGESTS), Distinct] = ()


class Correction(Message):
    """A record was wrong, or incomplete: here is the right one. A receipt accounts for the old one once it has gone."""

    validity_limit = RIGHTS_DELIVERY_LIMIT

    type: Literal["correction"] = "correction"
    records: Annotated[tuple[PresentedRecord, ...], Field(min_length=1, max_length=MAX_RECORDS)]
    body: CorrectionBody
