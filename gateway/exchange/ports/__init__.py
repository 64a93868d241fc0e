"""What the exchange needs from outside. Implemented by gateway.storage, gateway.federation, keys and adapters.

Times are aware UTC datetimes here; storage keeps integer milliseconds. Every method of a store runs inside the
unit of work's transaction: nothing it did counts before the block was left without an exception, and then all of it.
"""

from gateway.exchange.ports.cases import Alarm, Alarms, CaseEntry, Cases, ImportedRow, Imports
from gateway.exchange.ports.inbox import Arrival, Inbox, InboxItem, InboxKey, Received, SeenMessage
from gateway.exchange.ports.log import AuditStage, LeafBuilder, LogReader, StagedLeaf
from gateway.exchange.ports.node import BlobGoneError, BlobPart, Clock, DoorResult, Nudge, Randomness, Transport
from gateway.exchange.ports.outbox import Delivered, DeliveryOutcome, Lane, Onward, Outbox, OutboxItem, Outgoing
from gateway.exchange.ports.restores import ReconcileState, Reconciliation, Restored, Restores
from gateway.exchange.ports.work import BeginUnitOfWork, Bodies, UnitOfWork

__all__ = [
    "Alarm",
    "Alarms",
    "Arrival",
    "AuditStage",
    "BeginUnitOfWork",
    "BlobGoneError",
    "BlobPart",
    "Bodies",
    "CaseEntry",
    "Cases",
    "Clock",
    "Delivered",
    "DeliveryOutcome",
    "DoorResult",
    "ImportedRow",
    "Imports",
    "Inbox",
    "InboxItem",
    "InboxKey",
    "Lane",
    "LeafBuilder",
    "LogReader",
    "Nudge",
    "Onward",
    "Outbox",
    "OutboxItem",
    "Outgoing",
    "Randomness",
    "Received",
    "ReconcileState",
    "Reconciliation",
    "Restored",
    "Restores",
    "SeenMessage",
    "StagedLeaf",
    "Transport",
    "UnitOfWork",
]
