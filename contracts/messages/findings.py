"""Somebody was found: is a family looking? (E1)"""

from enum import StrEnum
from typing import Literal

from contracts.ids import Code, Folio
from contracts.messages.base import Answer, Attachments, Message, Records
from contracts.types import CountryCode, Reference, UnixTime, WireModel


class FindingKind(StrEnum):
    """Whom we hold."""

    REMAINS = "remains"
    LIVING_UNIDENTIFIED = "living-unidentified"
    DETAINED = "detained"


class FindingNoticeBody(WireModel):
    """Who is competent and where; coded descriptors travel as a record."""

    kind: FindingKind
    authority: Code
    """The competent authority abroad or here, for example ``us.tx.kenedy.jp-2``."""
    country: CountryCode
    received_at: UnixTime
    sender_reference: Reference | None = None


class FindingNotice(Message):
    """We hold somebody nobody has named."""

    type: Literal["finding.notice"] = "finding.notice"
    records: Records = ()
    att: Attachments = ()
    body: FindingNoticeBody


class FindingAcknowledgementBody(WireModel):
    """Our reference, and when the notice arrived.

    Never how many families may be looking: that is said only after an officer compared.
    """

    reference: Folio
    received_at: UnixTime
    candidates: Literal["unknown"] = "unknown"


class FindingAcknowledgement(Answer):
    """We have the notice and will compare."""

    type: Literal["finding.acknowledgement"] = "finding.acknowledgement"
    body: FindingAcknowledgementBody
