"""What is in a departure: drafts and what was built of them, sealed at rest, and the bytes people agree to (SPEC 18.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from contracts.codec import decode_message, encode_object, parse_object
from contracts.consents import RelativeId
from contracts.disclosure import Extract, SourceRecord
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from contracts.messages import MESSAGE_TYPES
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.gate import Weighed
from gateway.exchange.ports.departures import Departure
from gateway.exchange.submit import Built, Draft, kind_of, rests_of


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is in a departure: drafts, what was built of them, and when the question came that they answer."""

    drafts: tuple[Draft, ...]
    payloads: tuple[bytes, ...]
    contents: tuple[bytes, ...]
    asked_at: int | None

    @property
    def content(self) -> str:
        """What people agree to: everything in the messages but ids and times."""
        return sha256(b"\n".join(self.contents)).hexdigest()


def content_of(draft: Draft, extracts: Sequence[Extract]) -> bytes:
    """Return everything a message says but its ids and times: what people agree to."""
    told = _draft_told(draft)
    told["records"] = [
        {
            "type": str(record.type),
            "claims": dict(item.claims),
            "disclosed": [[entry.field, entry.form.value, entry.rule] for entry in item.manifest.disclosed],
        }
        for record, item in zip(draft.records, extracts, strict=True)
    ]
    return encode_object(told)


def _draft_told(draft: Draft) -> dict[str, Any]:
    body = draft.body.model_dump(mode="json", by_alias=True, exclude_none=True)  # type: ignore[attr-defined] # a WireModel
    told = {
        "kind": kind_of(draft),
        "to": str(draft.to),
        "body": body,
        "purpose": str(draft.purpose),
        "basis": str(draft.basis),
        "thread": str(draft.thread_id),
        "re": None if draft.in_reply_to is None else str(draft.in_reply_to),
        "deadline": None if draft.deadline is None else int(draft.deadline.timestamp()),
    }
    return {name: value for name, value in told.items() if value is not None}


def pack(parcel: Parcel) -> bytes:
    """Return everything a departure must keep, as the bytes that are sealed."""
    found: dict[str, Any] = {
        "drafts": [_packed(draft) for draft in parcel.drafts],
        "payloads": [item.decode() for item in parcel.payloads],
        "contents": [item.decode() for item in parcel.contents],
    }
    if parcel.asked_at is not None:
        found["asked_at"] = parcel.asked_at
    return encode_object(found, limit=16 * 1024 * 1024)


def _packed(draft: Draft) -> dict[str, Any]:
    own = {
        "actor": str(draft.actor),
        "case": draft.case_key,
        "records": [{"type": str(item.type), "values": dict(item.values)} for item in draft.records],
        "about": [{"type": str(item.type), "values": dict(item.values)} for item in draft.about],
        "finder_released": draft.finder_released,
        "message_id": None if draft.message_id is None else str(draft.message_id),
        "asked": None if draft.asked is None else sorted(draft.asked),
        "reporter": None if draft.reporter is None else str(draft.reporter),
    }
    return _draft_told(draft) | {name: value for name, value in own.items() if value is not None}


async def open_kept(departure: Departure, node: Capabilities) -> Parcel:
    """Return what a departure keeps, opened."""
    data = await node.bodies.open_draft(departure.thread_id, departure.id, departure.sealed)
    found = parse_object(data, limit=16 * 1024 * 1024, depth=24)
    return Parcel(
        drafts=tuple(_unpacked(item) for item in found["drafts"]),
        payloads=tuple(item.encode() for item in found["payloads"]),
        contents=tuple(item.encode() for item in found["contents"]),
        asked_at=found.get("asked_at"),
    )


def _unpacked(found: Mapping[str, Any]) -> Draft:
    kind = MESSAGE_TYPES[found["kind"]]
    body = kind.model_fields["body"].annotation
    deadline, asked = found.get("deadline"), found.get("asked")
    return Draft(
        kind=kind,
        to=NodeId(found["to"]),
        body=body.model_validate_json(encode_object(found["body"])),  # type: ignore[union-attr] # each class has a body model
        purpose=Code(found["purpose"]),
        basis=Code(found["basis"]),
        actor=ActorPseudonym(found["actor"]),
        thread_id=ThreadId(found["thread"]),
        case_key=found["case"],
        records=tuple(SourceRecord(item["type"], item["values"]) for item in found["records"]),
        about=tuple(SourceRecord(item["type"], item["values"]) for item in found["about"]),
        finder_released=found["finder_released"],
        in_reply_to=MessageId(found["re"]) if "re" in found else None,
        deadline=None if deadline is None else datetime.fromtimestamp(deadline, UTC),
        message_id=MessageId(found["message_id"]) if "message_id" in found else None,
        asked=None if asked is None else frozenset(asked),
        reporter=RelativeId(found["reporter"]) if "reporter" in found else None,
    )


def rebuilt(parcel: Parcel, number: int, weighed: Weighed, node: Capabilities) -> Built:
    """Return what was built, from its own bytes."""
    payload = parcel.payloads[number]
    manifests = tuple(item.manifest for item in weighed.extracts)
    claims = tuple(item.claims for item in weighed.extracts)
    rests = rests_of(weighed.draft, weighed.extracts, node)
    return Built(decode_message(payload), payload, manifests, claims, weighed.draft.case_key, rests)
