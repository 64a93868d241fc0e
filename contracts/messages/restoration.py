"""After a restore: a node says from where it has forgotten, and each peer gives back what it holds (SPEC 8.7)."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from contracts.ids import MessageId
from contracts.messages.base import RIGHTS_DELIVERY_LIMIT, Answer, Message
from contracts.types import Count, Distinct, Jws, LogOrigin, Sha256, UnixTime, WireModel, broken

MAX_RETURNED = 50
MAX_NAMED = 500


class LogHead(WireModel):
    """How far a log went: its name, its size and the root over it. Of an empty log, RFC 6962's root of nothing."""

    origin: LogOrigin
    size: Count
    root: Sha256


class NodeRestoredBody(WireModel):
    """`since` is the last moment the node remembers; `log` names the log it writes from now on, which continues none."""

    restored_at: UnixTime
    since: UnixTime
    log: LogOrigin
    previous: LogHead
    """As the restored node knows its old log. Peers may have seen more of it; nothing is added to it any more."""

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.since > self.restored_at:
            raise broken("remembers_the_future")
        if self.log == self.previous.origin:
            raise broken("log_continued")
        return self


class NodeRestored(Message):
    """We were restored from a backup: give back what we sent you since, and send again what we received since."""

    validity_limit: ClassVar[timedelta] = RIGHTS_DELIVERY_LIMIT

    type: Literal["node.restored"] = "node.restored"
    body: NodeRestoredBody


class ReturnedMessage(WireModel):
    """A message of the restored node as it signed it, and the receipt it was given."""

    message: Jws = Field(repr=False)
    receipt: Jws = Field(repr=False)


class NodeReturnedBody(WireModel):
    """One of `parts` parts. `omitted`: of the restored node, but its text is gone here or too large.

    `lost`: of the answering node, delivered since and past their expiry, so that people must send anew.
    """

    part: Annotated[Count, Field(ge=1)]
    parts: Annotated[Count, Field(ge=1, le=10_000)]
    messages: Annotated[tuple[ReturnedMessage, ...], Field(max_length=MAX_RETURNED)] = ()
    omitted: Annotated[tuple[MessageId, ...], Field(max_length=MAX_NAMED), Distinct] = ()
    lost: Annotated[tuple[MessageId, ...], Field(max_length=MAX_NAMED), Distinct] = ()

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.part > self.parts:
            raise broken("part_beyond_parts")
        return self


class NodeReturned(Answer):
    """Your own messages, which you lost. Their signatures are yours: believe those, not us."""

    validity_limit: ClassVar[timedelta] = RIGHTS_DELIVERY_LIMIT

    type: Literal["node.returned"] = "node.returned"
    body: NodeReturnedBody
