"""A family's report goes to the search mechanism at once, and comes back with a folio (E2)."""

from enum import StrEnum
from typing import Literal

from contracts.ids import Code, Folio
from contracts.messages.base import Answer, Attachments, Message, Minor, Records
from contracts.types import LanguageTag, Reference, UnixTime, WireModel


class Channel(StrEnum):
    """How the family reached the institution."""

    DESK = "desk"
    PHONE = "phone"
    WEB = "web"
    MAIL = "mail"
    MESSAGING = "messaging"
    VISIT = "visit"
    INSTITUTION = "institution"
    ORGANISATION = "organisation"


class ReportTransferBody(WireModel):
    """The taking of the report; the person sought and the reporter travel as records."""

    channel: Channel
    received_at: UnixTime
    office: Code
    language: LanguageTag
    """The reporter's, for the call back."""
    minor: Minor
    sender_reference: Reference | None = None


class ReportTransfer(Message):
    """We took a report: it is yours."""

    type: Literal["report.transfer"] = "report.transfer"
    records: Records = ()
    att: Attachments = ()
    body: ReportTransferBody


class ReportAcknowledgementBody(WireModel):
    """The case's folio, and when the transfer arrived."""

    folio: Folio
    received_at: UnixTime


class ReportAcknowledgement(Answer):
    """We have it, under this folio."""

    type: Literal["report.acknowledgement"] = "report.acknowledgement"
    body: ReportAcknowledgementBody
