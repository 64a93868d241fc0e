"""What a notice may say outside this institution: that there is something to look at, and by when. A closed shape, never a
person: a webhook's body is read back by it before it leaves, and one that says anything else does not leave.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from contracts.codec import encode_object, parse_object
from contracts.errors import ExchangeError, SchemaError

LIMIT = 1024
"""Bytes of a body; the longest there is has some 300."""
_ID = r"[A-Z]-[0-9A-F]{4}-[0-9A-F]{4}"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACES = rf"/api/v1/(?:(?:messages|referrals|requests|sheets)/{_UUID}|federation|held|inbox|outbox|status)"


class NoticeType(StrEnum):
    """What happened. Receivers switch on these words: add, never rename."""

    REQUEST_RECEIVED = "request.received"
    REQUEST_DUE_SOON = "request.due_soon"
    REQUEST_OVERDUE = "request.overdue"
    REQUEST_ANSWERED = "request.answered"
    REQUEST_WITHDRAWN = "request.withdrawn"
    REFERRAL_RECEIVED = "referral.received"
    REFERRAL_DUE_SOON = "referral.due_soon"
    REFERRAL_OVERDUE = "referral.overdue"
    REFERRAL_ACCEPTED = "referral.accepted"
    REFERRAL_DECLINED = "referral.declined"
    REFERRAL_WITHDRAWN = "referral.withdrawn"
    REFERRAL_DONE = "referral.done"
    WORK_RECEIVED = "work.received"
    WORK_DUE_SOON = "work.due_soon"
    WORK_OVERDUE = "work.overdue"
    DELIVERY_FAILED = "delivery.failed"
    DELIVERY_RECOVERED = "delivery.recovered"
    KEY_EXPIRING = "key.expiring"
    SHEET_WITHDRAWN = "sheet.withdrawn"
    APPROVAL_WAITING = "approval.waiting"
    TEST = "test"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class NoticeData(_Closed):
    """What it is about: the short name people see on paper, where a program reads more as somebody who may, and by when."""

    id: Annotated[str, Field(pattern=f"^{_ID}$")]
    href: Annotated[str, Field(pattern=f"^{_PLACES}$")]
    due: AwareDatetime | None = None


class NoticeBody(_Closed):
    """The body of a webhook."""

    type: NoticeType
    timestamp: AwareDatetime
    data: NoticeData


def notice_body(kind: NoticeType, at: datetime, folio: str, href: str, due: datetime | None) -> bytes:
    """Return the bytes of a body, read back before they are given out.

    Raises:
        SchemaError: something in it is not of the closed shape. Says nothing of what it was.
    """
    data = {"id": folio, "href": href} | ({} if due is None else {"due": _moment(due)})
    body = encode_object({"type": kind.value, "timestamp": _moment(at), "data": data})
    check_notice(body)
    return body


def check_notice(body: bytes) -> NoticeBody:
    """Return the notice that bytes are.

    Raises:
        SchemaError: they are none, or say more than a notice may.
    """
    try:
        return NoticeBody.model_validate(parse_object(body, limit=LIMIT, depth=3))
    except (ValidationError, ExchangeError):
        raise SchemaError("not a notice") from None


def is_folio(text: str) -> bool:
    """Return whether a text is a short name as notices carry them."""
    return re.fullmatch(_ID, text) is not None


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
