"""What no consent can stop: the alert for a missing minor (E3), and bulletins that end when the person is found."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.ids import Code, MessageId
from contracts.messages.base import Attachments, Message, Records
from contracts.types import Flag, Text, UnixTime, WireModel


class DutyNoticeBody(WireModel):
    """Which duty; whether the age is known (false: unknown and possibly under 18); the transfer it goes out with."""

    duty: Code
    age_known: Flag
    transfer: MessageId | None = None


class DutyNotice(Message):
    """The law makes us tell you."""

    type: Literal["duty.notice"] = "duty.notice"
    records: Records = ()
    att: Attachments = ()
    body: DutyNoticeBody


class DutyCancelBody(WireModel):
    """Which notice. Why stays with us: all cancellations look alike."""

    notice: MessageId


class DutyCancel(Message):
    """The duty we told you of has ended."""

    type: Literal["duty.cancel"] = "duty.cancel"
    body: DutyCancelBody


class BulletinBody(WireModel):
    """A public alert; always with an end. The picture is an attachment, the few public fields are a record."""

    alert: Code
    hotline: Annotated[Text, Field(max_length=40)]
    ends_at: UnixTime


class Bulletin(Message):
    """Show this to the public until it ends or is cancelled."""

    type: Literal["bulletin"] = "bulletin"
    records: Records = ()
    att: Attachments = ()
    body: BulletinBody


class BulletinCancelBody(WireModel):
    """Which bulletin. Why stays with us: all cancellations look alike."""

    bulletin: MessageId


class BulletinCancel(Message):
    """Take it down everywhere before the deadline, and answer with an erasure receipt."""

    type: Literal["bulletin.cancel"] = "bulletin.cancel"
    deadline: UnixTime = Field()
    body: BulletinCancelBody
