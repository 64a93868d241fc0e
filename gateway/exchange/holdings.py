"""Who has what of a case: the ledger of disclosures read as a family may read it (SPEC 17). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.consents import RelativeId
from contracts.ids import CaseAlias, Code, MessageId, NodeId, RecordId
from contracts.messages import DisclosedField


class RecallState(StrEnum):
    """What became of a copy. Comments say who moves next; the proof that it was given stays whatever the state."""

    HELD = "held"  # nobody; also while it is on its way
    NOT_TAKEN = "not-taken"  # nobody; the recipient signed that it did not take the message
    UNKNOWN = "unknown"  # an officer: the message expired, and whether it arrived is not known
    WITHDRAWN = "withdrawn"  # nobody; it was taken back before it left
    WANTED = "wanted"  # we: it must come back, and no order could be sent yet
    ORDERED = "ordered"  # the recipient: an erasure order is on its way or being worked on
    ERASED = "erased"  # nobody; its receipt is stored
    REFUSED = "refused"  # an officer: the recipient says which law makes it keep the copy


RECALL_TRANSITIONS: dict[RecallState, frozenset[RecallState]] = {
    RecallState.HELD: frozenset(
        {RecallState.ORDERED, RecallState.NOT_TAKEN, RecallState.UNKNOWN, RecallState.WANTED, RecallState.WITHDRAWN}
    ),
    RecallState.NOT_TAKEN: frozenset({RecallState.ORDERED}),
    RecallState.UNKNOWN: frozenset({RecallState.ORDERED, RecallState.WANTED}),
    RecallState.WANTED: frozenset({RecallState.ORDERED}),
    RecallState.ORDERED: frozenset({RecallState.ORDERED, RecallState.WANTED, RecallState.ERASED, RecallState.REFUSED}),
    RecallState.REFUSED: frozenset({RecallState.ORDERED}),
    RecallState.ERASED: frozenset(),
    RecallState.WITHDRAWN: frozenset(),
}

GONE = frozenset({RecallState.ERASED, RecallState.NOT_TAKEN, RecallState.WITHDRAWN})
"""Nobody has such a copy, and that is proven."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One record that left: to whom, in which message, what of it, why, until when it may be kept.

    `case_ref` is what our own books call the case; in a line that a peer gave back after a restore, its thread.
    """

    record_id: RecordId
    message_id: MessageId
    peer: NodeId
    case_ref: str
    kind: str
    record_type: str
    fields: tuple[DisclosedField, ...]
    purpose: Code
    basis: Code
    sent_at: datetime
    retain_until: datetime
    case_alias: CaseAlias | None = None
    recall: RecallState = RecallState.HELD
    recall_basis: Code | None = None
    scopes: frozenset[Code] | None = frozenset()
    """The scopes of consent it rests on; None: not known (it came back after a restore)."""
    relative: RelativeId | None = None
    """Whose data it is, where it is a relative's and that is known."""
    order: MessageId | None = None


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """One field a node has of a case. `overdue`: it should be gone by now and nothing says that it is."""

    node: NodeId
    record_type: str
    field: str
    form: str
    sent_at: datetime
    purpose: Code
    basis: Code
    rule: str
    message_id: MessageId
    recall: RecallState
    retain_until: datetime
    recall_basis: Code | None = None
    overdue: bool = False


def who_has(entries: Iterable[LedgerEntry], now: datetime) -> tuple[Holding, ...]:
    """Return every field that left of these entries, by node, record type, field and time; each copy is a line of its own."""
    return tuple(
        sorted(
            (
                Holding(
                    node=entry.peer,
                    record_type=entry.record_type,
                    field=item.field,
                    form=item.form,
                    sent_at=entry.sent_at,
                    purpose=entry.purpose,
                    basis=entry.basis,
                    rule=item.rule,
                    message_id=entry.message_id,
                    recall=entry.recall,
                    retain_until=entry.retain_until,
                    recall_basis=entry.recall_basis,
                    overdue=now >= entry.retain_until and entry.recall not in GONE,
                )
                for entry in entries
                for item in entry.fields
            ),
            key=lambda line: (line.node, line.record_type, line.field, line.sent_at, line.message_id),
        )
    )


def _check() -> None:
    if set(RECALL_TRANSITIONS) != set(RecallState):
        raise RuntimeError("RECALL_TRANSITIONS must name every state once")
    if {state for state, allowed in RECALL_TRANSITIONS.items() if not allowed} != {RecallState.ERASED, RecallState.WITHDRAWN}:
        raise RuntimeError("a recall ends with the copy erased or never given, and in no other way")


_check()
