"""What goes to and fro about a case: where it stands, a question of identity, a word between people, files."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.ids import ActorPseudonym, Code
from contracts.messages.base import MAX_ATTACHMENTS, Answer, Attachment, Attachments, Message, Records
from contracts.types import Bytes64K, Count, Distinct, LanguageTag, LongText, Sha256, Text, UnixTime, WireModel, broken


class CaseState(StrEnum):
    """Where a case stands. `closed` says nothing of how: every closing looks the same from outside."""

    RECEIVED = "received"
    VALIDATING = "validating"
    SEARCHING = "searching"
    SEARCHING_ABROAD = "searching-abroad"
    POSSIBLE_MATCH = "possible-match"
    CONFIRMING = "confirming"
    LOCATED_ALIVE = "located-alive"
    CLOSED = "closed"
    REOPENED = "reopened"
    NOT_HANDLED_HERE = "not-handled-here"


class Located(WireModel):
    """What a person found alive wants (E7); never where."""

    will: Literal["contact", "no-contact", "sealed-messages-only", "undecided"]
    evidence: Code
    review_at: UnixTime | None = None


class CaseStatusBody(WireModel):
    """`sequence` counts the sender's statuses in this thread, so that a gap shows."""

    state: CaseState
    sequence: Count | None = Field(default=None, alias="seq")
    located: Located | None = None

    @model_validator(mode="after")
    def _fits_state(self) -> Self:
        if (self.state is CaseState.LOCATED_ALIVE) != (self.located is not None):
            raise broken("located_and_state")
        if (self.state is CaseState.NOT_HANDLED_HERE) != (self.sequence is None):
            raise broken("sequence_and_state")
        return self


class CaseStatus(Message):
    """Where it stands; or, with `in_reply_to`, that nobody here handles that message's type."""

    type: Literal["case.status"] = "case.status"
    body: CaseStatusBody

    @model_validator(mode="after")
    def _names_what_is_not_handled(self) -> Self:
        if self.body.state is CaseState.NOT_HANDLED_HERE and self.in_reply_to is None:
            raise broken("not_handled_without_reference")
        return self


class NoteBody(WireModel):
    """Free text; on both sides a person releases it first."""

    text: LongText = Field(repr=False)
    language: LanguageTag


class Note(Message):
    """A word from one officer to another."""

    type: Literal["note"] = "note"
    body: NoteBody


class IdentityCheckBody(WireModel):
    """What is asked; the values to check travel as a record."""

    question: Literal["document-exists", "data-matches", "fingerprint-matches"]


class IdentityCheck(Message):
    """Is this right? Answered with yes or no and nothing else."""

    type: Literal["identity.check"] = "identity.check"
    records: Records = ()
    att: Attachments = ()
    body: IdentityCheckBody


class IdentityAnswerBody(WireModel):
    """Yes or no."""

    answer: Literal["yes", "no"]


class IdentityAnswer(Answer):
    """The answer to an identity check."""

    type: Literal["identity.answer"] = "identity.answer"
    body: IdentityAnswerBody


class FamilyMessageBody(WireModel):
    """Words between a family and a person found; no node reads them on the way.

    `sealed` is an age v1 file for the one officer `officer`, by the pseudonym that officer's messages to us carry as `actor`.
    """

    to: Literal["family", "person"]
    officer: ActorPseudonym
    sealed: Bytes64K = Field(repr=False)


class FamilyMessage(Message):
    """A sealed message to a family, or from it."""

    type: Literal["family.message"] = "family.message"
    body: FamilyMessageBody


class ManifestColumn(WireModel):
    """A column of the file, and the field it is mapped to; none means it is not to be imported."""

    name: Text
    field: Code | None = None


class BulkManifestBody(WireModel):
    """What is in a file that is handed over whole (E5): enough to account for every row."""

    file: Sha256
    """Of the file in clear; the attachment names the ciphertext."""
    format: Literal["csv", "xlsx", "json"]
    rows: Count
    record_type: Code
    columns: Annotated[tuple[ManifestColumn, ...], Field(min_length=1, max_length=200), Distinct]
    classification: Literal["S0", "S1", "S2", "S3", "S4", "S5"]
    signatory: ActorPseudonym
    delete_by: UnixTime
    """When the recipient's staging copy is gone."""


class BulkManifest(Message):
    """A file is handed over; it waits in quarantine until each row has a fate."""

    type: Literal["bulk.manifest"] = "bulk.manifest"
    att: Annotated[tuple[Attachment, ...], Field(min_length=1, max_length=MAX_ATTACHMENTS)]
    body: BulkManifestBody
