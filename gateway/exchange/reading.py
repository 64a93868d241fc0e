"""What a message brought, opened for a person whose work it is: its body, and the values of its records (SPEC 19.7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.codec import decode_message
from contracts.ids import MessageId
from contracts.messages import CaseMessage
from contracts.threads import exchange_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.work import NoSuchWorkError, Worker, find_work

READABLE = ("report.transfer", "finding.notice", "duty.notice", "referral.update", "referral.done")
"""Questions and answers have their own way of being read (SPEC 18.5)."""


@dataclass(frozen=True, slots=True)
class Brought:
    """A message that came: the type of each record, and its values."""

    message: CaseMessage
    received_at: datetime
    claims: tuple[tuple[str, Mapping[str, Any]], ...]


async def read(message_id: MessageId, node: Capabilities, *, by: Worker) -> Brought:
    """Return what a message brought.

    Raises:
        NoSuchWorkError: none of that id came, or the exchange it belongs to is not theirs to see: nobody is told which.
    """
    async with node.begin() as work:
        found = await work.departures.received_body(message_id, READABLE)
        if found is None:
            raise NoSuchWorkError("no such message")
    kept = await node.bodies.open(found.thread_id, message_id, found.body)
    message = decode_message(kept.payload)
    named = exchange_of(message)
    if named is None:
        raise NoSuchWorkError("of no exchange")
    async with node.begin() as work:
        await find_work(named[1], work, by=by)
    return Brought(message, found.received_at, _claims(message, found.received_at, node))


def _claims(message: CaseMessage, at: datetime, node: Capabilities) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    records: Sequence[Any] = message.records
    opened = [node.opener.verify_record(item.sd_jwt, sender=message.sender, at=at) for item in records]
    return tuple((record.record_type, record.claims) for record in opened)
