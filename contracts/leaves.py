"""What a leaf of the audit log commits to (SPEC 7.1). Which fields exist is part of the protocol; values are our own."""

import re
from dataclasses import dataclass, fields
from enum import StrEnum

from contracts.ids import ActorPseudonym, CaseAlias, Code, MessageId, NodeId


class LeafEvent(StrEnum):
    """What happened. Values are protocol: add, never rename."""

    SENT = "msg.sent"
    RECEIVED = "msg.received"
    REFUSED = "msg.refused"
    DEAD = "msg.dead"
    NOT_HANDLED = "msg.not-handled"
    QUARANTINED = "msg.quarantined"
    CONFLICT = "msg.conflict"
    ASKED = "ask.answered"
    UNAUTHENTICATED = "door.unauthenticated"
    KEY = "key.operation"
    TRUST = "trust.changed"
    ADMIN = "admin.action"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafFields:
    """The 16 fields a leaf may commit to (15 named ones and decoys to 16 digests). None is left out and a decoy stands in.

    `at` is Unix seconds; `digest` is SHA-256 of the inner JWS, base64url; `fields` are field names, never values.
    """

    at: int
    event: LeafEvent
    peer: NodeId | None = None
    message_id: MessageId | None = None
    digest: str | None = None
    kind: str | None = None
    purpose: Code | None = None
    basis: Code | None = None
    policy: int | None = None
    trust: int | None = None
    outcome: str | None = None
    record: str | None = None
    disclosed: tuple[str, ...] | None = None
    actor: ActorPseudonym | None = None
    case: CaseAlias | None = None
    detail: str | None = None


LEAF_DIGESTS = 16

# The name each field has inside the leaf (wire.md's short names are the protocol's).
LEAF_NAMES = {
    "at": "ts",
    "event": "ev",
    "peer": "peer",
    "message_id": "jti",
    "digest": "msg_sha256",
    "kind": "type",
    "purpose": "purpose",
    "basis": "basis",
    "policy": "pol",
    "trust": "trust",
    "outcome": "outcome",
    "record": "rec",
    "disclosed": "fields",
    "actor": "actor",
    "case": "case",
    "detail": "detail",
}

if set(LEAF_NAMES) != {field.name for field in fields(LeafFields)} or len(LEAF_NAMES) != LEAF_DIGESTS:
    raise RuntimeError("LEAF_NAMES must name the sixteen fields of a leaf")

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def subject_of(event: str, detail: str | None, message_id: str | None) -> str | None:
    """Return the id of what a person's act here was about: the first its words name, else its message's. None: no act."""
    if event != LeafEvent.ADMIN:
        return None
    named = _ID.search(detail or "")
    return named[0] if named else message_id
