"""The audit log as the exchange sees it: leaves go in, proofs come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.ids import MessageId, NodeId
from contracts.leaves import LeafFields


@dataclass(frozen=True, slots=True)
class StagedLeaf:
    """A leaf of the audit log before it has its index (SPEC 7.1).

    `leaf_hash` is RFC 6962's SHA-256(0x00 || data); `data` is public, `disclosures` stay in our database.
    """

    leaf_hash: bytes
    data: bytes
    disclosures: tuple[str, ...]
    event: str
    message_id: MessageId | None
    peer: NodeId | None
    subject: str | None = None
    """What a person's act was about (contracts.leaves.subject_of): so that it is found without opening every leaf."""


class AuditStage(Protocol):
    """Leaves that wait for the sequencer; in the transaction of their effect."""

    async def stage(self, leaves: Sequence[StagedLeaf]) -> None:
        """Stage leaves in this order."""
        ...


class LeafBuilder(Protocol):
    """Makes audit leaves (keys.leaves)."""

    def leaf(self, fields: LeafFields) -> StagedLeaf:
        """Return a leaf that commits to `fields`, each under its own salt."""
        ...


class LogReader(Protocol):
    """Reads this node's own audit log. Nothing here changes it."""

    async def inclusion(self, leaf_hash: bytes) -> str | None:
        """Return the C2SP tlog-proof of a leaf under the newest signed checkpoint, or None when it is in none yet."""
        ...
