"""Whom a case is about, opened for a person who may read it: as the message says that opened it, or as a desk here took it."""

from collections.abc import Mapping
from typing import Any

from contracts.attachments import without_keys
from contracts.codec import decode_message
from contracts.fields import RecordType
from contracts.ids import ThreadId
from contracts.messages import CaseMessage
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import CaseEntry
from gateway.exchange.taking import taken_records

_OPENING = ("report.transfer", "finding.notice", "duty.notice", "search.request", "disclosure.request", "identity.check")

Opened = tuple[str, Mapping[str, Any]]


async def person_of(thread: ThreadId, node: Capabilities) -> list[Opened]:
    """Return the type and the values of each record about the person; of those who ask after them none.

    Nothing where the message is no more, or never carried a record.

    Raises:
        ThreadErasedError: it was erased, or is blocked.
    """
    return [item for item in await _all_of(thread, node) if item[0] != RecordType.REPORTER]


async def reporters_of(thread: ThreadId, node: Capabilities) -> list[Opened]:
    """Return who asks after the person, as `person_of` does the person.

    Raises:
        ThreadErasedError: it was erased, or is blocked.
    """
    return [item for item in await _all_of(thread, node) if item[0] == RecordType.REPORTER]


async def _all_of(thread: ThreadId, node: Capabilities) -> list[Opened]:
    async with node.begin() as work:
        entry = (await work.cases.find([thread])).get(thread)
        received = None if entry is None else await work.departures.received_body(entry.opened_by, _OPENING)
        sent = None if entry is None or received else await work.departures.sent_body(entry.peer, entry.opened_by)
    if entry is None or (received is None and (sent is None or not sent[1])):
        taken = await taken_records(thread, node) or ()
        return [(str(item.type), item.values) for item in taken]
    if received is not None:
        message = await _message(entry, received.body, node)
        opened = [
            node.opener.verify_record(item.sd_jwt, sender=message.sender, at=received.received_at) for item in message.records
        ]
    else:
        message = await _message(entry, sent[1] if sent else b"", node)
        opened = [node.opener.verify_issued(item.sd_jwt, to=message.recipient) for item in message.records]
    return [(str(item.record_type), without_keys(item.claims)) for item in opened]


async def _message(entry: CaseEntry, body: bytes, node: Capabilities) -> CaseMessage:
    kept = await node.bodies.open(entry.thread_id, entry.opened_by, body)
    return decode_message(kept.payload)
