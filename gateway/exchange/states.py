"""States of queued messages. Comments say who moves next; TRANSITIONS are checked when this module loads."""

from enum import StrEnum


class InboxState(StrEnum):
    """A received message."""

    WAITING = "waiting"  # dispatch has it next
    DONE = "done"  # nobody; handled
    HELD = "held"  # a person must release it
    NOT_HANDLED = "not-handled"  # nobody here for this type; the sender was told, people here see it
    QUARANTINED = "quarantined"  # our code failed on it; an administrator looks


class OutboxState(StrEnum):
    """A message to a peer."""

    WAITING = "waiting"  # deliver has it next
    DELIVERED = "delivered"  # nobody; the peer's receipt is stored
    REJECTED = "rejected"  # an officer: the peer signed its refusal
    WITHDRAWN = "withdrawn"  # nobody; taken back before it left, or while it was on its way (then a receipt may still come)
    DEAD = "dead"  # an officer: expired, outcome unknown unless a receipt came


TRANSITIONS: dict[str, frozenset[str]] = {
    "inbox.waiting": frozenset({"inbox.waiting", "inbox.done", "inbox.held", "inbox.not-handled", "inbox.quarantined"}),
    "inbox.held": frozenset({"inbox.waiting", "inbox.done"}),
    "inbox.quarantined": frozenset({"inbox.waiting"}),
    "inbox.not-handled": frozenset({"inbox.waiting"}),
    "inbox.done": frozenset(),
    "outbox.waiting": frozenset({"outbox.waiting", "outbox.delivered", "outbox.rejected", "outbox.withdrawn", "outbox.dead"}),
    "outbox.delivered": frozenset({"outbox.waiting"}),  # the peer lost it and asks again (SPEC 8.7)
    "outbox.rejected": frozenset(),
    "outbox.withdrawn": frozenset({"outbox.delivered", "outbox.rejected"}),  # it was under way: the receipt tells the truth
    "outbox.dead": frozenset(),
}

FINAL = frozenset({"inbox.done", "outbox.rejected", "outbox.dead"})


def _check() -> None:
    names = {f"inbox.{state}" for state in InboxState} | {f"outbox.{state}" for state in OutboxState}
    targets = {target for allowed in TRANSITIONS.values() for target in allowed}
    if set(TRANSITIONS) != names or not targets <= names:
        raise RuntimeError("TRANSITIONS must name every state once and only states")
    if {name for name, allowed in TRANSITIONS.items() if not allowed} != FINAL:
        raise RuntimeError("the states nothing leaves must be exactly FINAL")


_check()
