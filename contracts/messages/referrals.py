"""Work passes from one institution to another. An offer names nobody; records leave only after `accept`."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from contracts.ids import Code, MessageId
from contracts.messages.base import Answer, Attachments, Message, Minor, Records
from contracts.messages.searches import Urgency
from contracts.services import Service
from contracts.types import LanguageTag, UnixTime, WireModel


class ReferralOfferBody(WireModel):
    """What is asked, for whom in the coarsest words."""

    service: Service
    urgency: Urgency
    minor: Minor
    language: LanguageTag | None = None
    department: Code | None = None
    """Where the service is needed; nothing finer."""


class ReferralOffer(Message):
    """Will you take this on? Carries no record and no attachment (there is no room for one)."""

    type: Literal["referral.offer"] = "referral.offer"
    deadline: UnixTime = Field()
    body: ReferralOfferBody


class ReferralAcceptBody(WireModel):
    """Who takes it on."""

    office: Code
    starts_by: UnixTime | None = None


class ReferralAccept(Answer):
    """We take it on: send the records."""

    type: Literal["referral.accept"] = "referral.accept"
    body: ReferralAcceptBody


class DeclineReason(StrEnum):
    """Why not."""

    NOT_COMPETENT = "not-competent"
    OUTSIDE_AREA = "outside-area"
    NO_CAPACITY = "no-capacity"
    ALREADY_SERVED = "already-served"
    NEEDS_MORE = "needs-more"
    OTHER = "other"


class ReferralDeclineBody(WireModel):
    """Why, and who may take it instead."""

    reason: DeclineReason
    suggestion: Code | None = None
    """An institution's code."""


class ReferralDecline(Answer):
    """We do not take it on."""

    type: Literal["referral.decline"] = "referral.decline"
    body: ReferralDeclineBody


class ReferralProgress(StrEnum):
    """Where accepted work stands."""

    RECORDS_SENT = "records-sent"
    IN_PROGRESS = "in-progress"
    WAITING_FOR_FAMILY = "waiting-for-family"
    WAITING_FOR_SENDER = "waiting-for-sender"
    EXTENSION_ASKED = "extension-asked"


class ReferralUpdateBody(WireModel):
    """Which offer, and where it stands."""

    offer: MessageId
    progress: ReferralProgress
    expected_by: UnixTime | None = None


class ReferralUpdate(Message):
    """News of accepted work, from either side; the offerer's first one carries the records."""

    type: Literal["referral.update"] = "referral.update"
    records: Records = ()
    att: Attachments = ()
    body: ReferralUpdateBody


class ReferralOutcome(StrEnum):
    """How the work ended."""

    DONE = "done"
    PARTLY = "partly"
    NOT_POSSIBLE = "not-possible"
    NOT_WANTED = "not-wanted"


class ReferralDoneBody(WireModel):
    """Which offer, and how it ended."""

    offer: MessageId
    outcome: ReferralOutcome
    finished_at: UnixTime


class ReferralDone(Message):
    """The accepted work is over."""

    type: Literal["referral.done"] = "referral.done"
    records: Records = ()
    att: Attachments = ()
    body: ReferralDoneBody


class WithdrawReason(StrEnum):
    """Why an offer is taken back."""

    NO_LONGER_NEEDED = "no-longer-needed"
    CONSENT_WITHDRAWN = "consent-withdrawn"
    SENT_IN_ERROR = "sent-in-error"
    TAKEN_ELSEWHERE = "taken-elsewhere"


class ReferralWithdrawBody(WireModel):
    """Which offer, and why."""

    offer: MessageId
    reason: WithdrawReason


class ReferralWithdraw(Message):
    """The offerer takes its offer back."""

    type: Literal["referral.withdraw"] = "referral.withdraw"
    body: ReferralWithdrawBody
