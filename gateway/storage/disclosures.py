"""The ledger of what left (gateway.exchange.case_ports.Ledger): rows are added, and only what became of a copy changes."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.consents import RelativeId
from contracts.ids import CaseAlias, Code, MessageId, NodeId, RecordId
from contracts.messages import DisclosedField
from gateway.exchange.holdings import RECALL_TRANSITIONS, LedgerEntry, RecallState
from gateway.storage.attachments import SqlAttachments
from gateway.storage.case_tables import RECALLED, disclosures
from gateway.storage.rows import from_ms, insert_many, to_ms

_TAKEN_BACK = frozenset({RecallState.WANTED, RecallState.ORDERED, RecallState.WITHDRAWN})


class SqlLedger:
    """The ledger of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entries: Sequence[LedgerEntry]) -> None:
        """Write down what leaves, in the transaction in which it leaves."""
        await insert_many(self._connection, disclosures, [_row(entry) for entry in entries])

    async def of_case(self, case_ref: str, aliases: Iterable[CaseAlias] = ()) -> Sequence[LedgerEntry]:
        """Return everything that left of a case, oldest first: by our own reference, and by the aliases recipients know."""
        known = or_(disclosures.c.case_ref == case_ref, disclosures.c.case_alias.in_(list(aliases)))
        statement = select(disclosures).where(known)
        ordered = statement.order_by(disclosures.c.sent_ms, disclosures.c.record_id)
        return [_entry(row) for row in await self._connection.execute(ordered)]

    async def recall(
        self,
        records: Sequence[RecordId],
        state: RecallState,
        *,
        now: datetime,
        order: MessageId | None = None,
        basis: Code | None = None,
    ) -> frozenset[RecordId]:
        """Note what became of copies; return those that moved."""
        here = and_(disclosures.c.record_id.in_(list(records)), _can_become(state))
        change: dict[str, object] = {"recall": state.value, "recall_basis": basis, "recalled_ms": to_ms(now)}
        if order is not None:
            change["recall_order"] = order
        statement = update(disclosures).where(here).values(change).returning(disclosures.c.record_id)
        moved = frozenset(RecordId(row.record_id) for row in await self._connection.execute(statement))
        if state in _TAKEN_BACK and moved:  # what the peer has not fetched yet it never will
            await SqlAttachments(self._connection).recalled(moved)
        return moved

    async def to_recall(self, *, limit: int) -> Sequence[LedgerEntry]:
        """Return copies that must come back and for which no order is on its way."""
        wanted = select(disclosures).where(RECALLED, disclosures.c.recall == RecallState.WANTED.value)
        ordered = wanted.order_by(disclosures.c.peer, disclosures.c.case_ref, disclosures.c.record_id).limit(limit)
        return [_entry(row) for row in await self._connection.execute(ordered)]

    async def outstanding(self) -> Mapping[NodeId, int]:
        """Return how many copies each node still has that must come back."""
        statement = select(disclosures.c.peer, func.count().label("copies")).where(RECALLED).group_by(disclosures.c.peer)
        rows = await self._connection.execute(statement.order_by(disclosures.c.peer))
        return {NodeId(row.peer): row.copies for row in rows}

    async def of_order(self, order: MessageId) -> Sequence[LedgerEntry]:
        """Return the copies an order of ours names, and that still stand as ordered by it."""
        here = and_(disclosures.c.recall_order == order, disclosures.c.recall == RecallState.ORDERED.value)
        return [_entry(row) for row in await self._connection.execute(select(disclosures).where(here))]

    async def was_ordered(self, order: MessageId, peer: NodeId) -> bool:
        """Return whether some copy at `peer` was ordered erased by this order."""
        here = and_(disclosures.c.recall_order == order, disclosures.c.peer == peer)
        return (await self._connection.execute(select(disclosures.c.record_id).where(here).limit(1))).first() is not None

    async def order_lost(self, orders: Sequence[MessageId], *, now: datetime) -> None:
        """Note that these orders expired undelivered."""
        here = and_(disclosures.c.recall_order.in_(list(orders)), disclosures.c.recall == RecallState.ORDERED.value)
        lost = {"recall": RecallState.WANTED.value, "recalled_ms": to_ms(now)}
        await self._connection.execute(update(disclosures).where(here).values(lost))

    async def not_delivered(self, messages: Sequence[MessageId], state: RecallState, *, now: datetime) -> None:
        """Note of every record of these messages that it was not taken, or that nobody knows."""
        here = and_(disclosures.c.message_id.in_(list(messages)), _can_become(state))
        await self._connection.execute(update(disclosures).where(here).values(recall=state.value, recalled_ms=to_ms(now)))


def _can_become(state: RecallState) -> ColumnElement[bool]:
    return disclosures.c.recall.in_([source.value for source, allowed in RECALL_TRANSITIONS.items() if state in allowed])


def _row(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "record_id": entry.record_id,
        "message_id": entry.message_id,
        "peer": entry.peer,
        "case_ref": entry.case_ref,
        "case_alias": entry.case_alias,
        "kind": entry.kind,
        "record_type": entry.record_type,
        "fields": "\n".join(f"{item.field} {item.form} {item.rule}" for item in entry.fields),
        "purpose": entry.purpose,
        "basis": entry.basis,
        "sent_ms": to_ms(entry.sent_at),
        "retain_until_ms": to_ms(entry.retain_until),
        "recall": entry.recall.value,
        "recall_basis": entry.recall_basis,
        "scopes": None if entry.scopes is None else " ".join(sorted(entry.scopes)),
        "relative": entry.relative,
    }


def _entry(row: Any) -> LedgerEntry:
    return LedgerEntry(
        record_id=RecordId(row.record_id),
        message_id=MessageId(row.message_id),
        peer=NodeId(row.peer),
        case_ref=row.case_ref,
        kind=row.kind,
        record_type=row.record_type,
        fields=tuple(_field(*line.split(" ")) for line in row.fields.splitlines()),
        purpose=Code(row.purpose),
        basis=Code(row.basis),
        sent_at=from_ms(row.sent_ms),
        retain_until=from_ms(row.retain_until_ms),
        case_alias=CaseAlias(row.case_alias) if row.case_alias else None,
        recall=RecallState(row.recall),
        recall_basis=Code(row.recall_basis) if row.recall_basis else None,
        scopes=None if row.scopes is None else frozenset(map(Code, row.scopes.split())),
        relative=RelativeId(row.relative) if row.relative else None,
        order=MessageId(row.recall_order) if row.recall_order else None,
    )


def _field(field: str, form: str, rule: str) -> DisclosedField:
    # Three codes: none has a space in it.
    return DisclosedField(field=Code(field), form=Code(form), rule=Code(rule))
