"""The claims every message carries (SPEC 5.1)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from contracts.errors import ExpiredError, NotYetValidError
from contracts.ids import ActorPseudonym, CaseAlias, Code, MessageId, NodeId, ThreadId
from contracts.types import Count, Key32, MediaType, One, SdJwt, Sha256, Text, UnixTime, WireModel, broken, to_unix

MAX_RECORDS = 8
MAX_ATTACHMENTS = 20
MAX_ATTACHMENT_BYTES = 25 * 1024 * 1024
RECORD_DIGESTS = 48
CLOCK_SKEW = timedelta(seconds=300)
"""How far two nodes' clocks may be apart."""
DELIVERY_LIMIT = timedelta(days=7)
RIGHTS_DELIVERY_LIMIT = timedelta(days=30)
"""For consent, erasure and correction: a right must reach a node that was away for weeks."""

Mode = Literal["exercise", "actual"]
Minor = Literal["yes", "no", "possible"]
"""Is the person under 18? ``possible`` when the age is unknown and may be; duties then apply as for ``yes``."""


class UseTerms(WireModel):
    """What the recipient may do with this message's own body: until when, and whether it may pass it on once."""

    retain_until: UnixTime
    onward: Literal["none", "hop"]


class DisclosedField(WireModel):
    """One field that leaves: its name, how coarse, and the rule of the policy that let it."""

    field: Code
    form: Code
    rule: Code


class PresentedRecord(WireModel):
    """A record, and the manifest of what it discloses; the recipient refuses any difference between the two."""

    sd_jwt: SdJwt = Field(repr=False)
    disclosed: Annotated[tuple[DisclosedField, ...], Field(min_length=1, max_length=RECORD_DIGESTS)]

    @model_validator(mode="after")
    def _each_field_once(self) -> Self:
        if len({item.field for item in self.disclosed}) != len(self.disclosed):
            raise broken("repeated_field")
        return self


class Attachment(WireModel):
    """A blob to fetch (SPEC 8.4): `sha256` is of the ciphertext, `key` opens it, `size` is in bytes."""

    sha256: Sha256
    size: Annotated[Count, Field(ge=1, le=MAX_ATTACHMENT_BYTES)]
    media_type: MediaType = Field(alias="mt")
    key: Key32 = Field(repr=False)


Records = Annotated[tuple[PresentedRecord, ...], Field(max_length=MAX_RECORDS)]
NoRecords = Annotated[tuple[PresentedRecord, ...], Field(max_length=0)]
Attachments = Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)]
NoAttachments = Annotated[tuple[Attachment, ...], Field(max_length=0)]


class Message(WireModel):
    """Base of every message. A type carries records, attachments or a reference only if it says so.

    `issued_at` and `expires_at` bound the delivery, not the retention (that is `use`); `deadline` is when an answer is due.
    """

    validity_limit: ClassVar[timedelta] = DELIVERY_LIMIT

    sender: NodeId = Field(alias="iss")
    recipient: NodeId = Field(alias="aud")
    message_id: MessageId = Field(alias="jti")
    issued_at: UnixTime = Field(alias="iat")
    expires_at: UnixTime = Field(alias="exp")
    version: One = Field(default=1, alias="v")
    type: Text = Field(default="")
    """One literal per class; the union is told apart by it. This class itself has none and is no message."""
    thread_id: ThreadId = Field(alias="thid")
    in_reply_to: MessageId | None = Field(default=None, alias="re")
    purpose: Code
    basis: Code
    policy_version: Count = Field(alias="pol")
    trust_version: Count = Field(alias="trust")
    actor: ActorPseudonym
    mode: Mode
    deadline: UnixTime | None = None
    case_alias: CaseAlias | None = Field(default=None, alias="case")
    use: UseTerms
    records: NoRecords = ()
    att: NoAttachments = ()
    body: WireModel
    """Each class has its own."""

    def __repr_args__(self) -> Iterator[tuple[str, object]]:
        """Show what may stand in a log: who, to whom, which; never a record or a body."""
        yield from (("sender", self.sender), ("recipient", self.recipient), ("message_id", self.message_id))

    @model_validator(mode="after")
    def _times_and_parties(self) -> Self:
        if not self.type:
            raise broken("no_type")
        if self.sender == self.recipient:
            raise broken("sent_to_itself")
        if self.in_reply_to == self.message_id:
            raise broken("answers_itself")
        if not 0 < self.expires_at - self.issued_at <= self.validity_limit.total_seconds():
            raise broken("validity_limit")
        if self.deadline is not None and self.deadline < self.issued_at:
            raise broken("deadline_before_issue")
        return self


class Answer(Message):
    """Base of messages that answer another: `in_reply_to` is required."""

    in_reply_to: MessageId = Field(alias="re")


def check_validity(message: Message, now: datetime, *, skew: timedelta = CLOCK_SKEW) -> None:
    """Return if `message` may be accepted at `now` (aware), each clock being allowed to be off by `skew`.

    Raises:
        NotYetValidError: issued further ahead than `skew`.
        ExpiredError: expired longer ago than `skew`.
    """
    seconds = to_unix(now)
    if message.issued_at > seconds + skew.total_seconds():
        raise NotYetValidError("issued in the future")
    if message.expires_at <= seconds - skew.total_seconds():
        raise ExpiredError("past its expiry")
