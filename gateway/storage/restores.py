"""What a restore left to be done (gateway.exchange.ports.Restores), and whose messages wait for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import MessageId, NodeId
from gateway.exchange.ports import ReconcileState, Reconciliation, Restored
from gateway.exchange.states import OutboxState
from gateway.storage.rows import from_json, from_ms, insert_many, to_json, to_ms
from gateway.storage.tables import inbox, log_epochs, outbox, reconciliations

ABOUT_RESTORES = ("node.restored", "node.returned")


def reconciled() -> ColumnElement[bool]:
    """Return the condition that a received message may be handled.

    Not while its sender may still hold our own answer to it: handling it again would give a second folio. What answers
    our announcement, or announces the peer's own restore, goes on.
    """
    unannounced = select(log_epochs.c.epoch).where(log_epochs.c.announced_ms.is_(None))
    asked = select(reconciliations.c.peer).where(reconciliations.c.state == ReconcileState.ASKED)
    about = or_(inbox.c.kind == "node.restored", inbox.c.in_reply_to.in_(select(reconciliations.c.message_id)))
    return and_(~unannounced.exists(), or_(inbox.c.sender.not_in(asked), about))


class SqlRestores:
    """The restores of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def pending(self) -> Restored | None:
        """Return the restore that was not announced yet."""
        statement = select(log_epochs).where(log_epochs.c.announced_ms.is_(None)).order_by(log_epochs.c.epoch.desc())
        row = (await self._connection.execute(statement.limit(1))).one_or_none()
        if row is None:
            return None
        return Restored(
            from_ms(row.opened_ms),
            from_ms(row.since_ms),
            row.origin,
            row.previous_origin,
            row.previous_size,
            row.previous_root,
        )

    async def announce(self, asked: Mapping[NodeId, MessageId], *, now: datetime) -> None:
        """Note whom we told; what was noted of an earlier restore goes."""
        await self._connection.execute(delete(reconciliations))
        rows = [
            {
                "peer": peer,
                "message_id": message_id,
                "state": ReconcileState.ASKED.value,
                "parts": to_json([]),
                "returned": 0,
                "lost": 0,
                "asked_ms": to_ms(now),
            }
            for peer, message_id in sorted(asked.items())
        ]
        await insert_many(self._connection, reconciliations, [dict(row) for row in rows])
        pending = update(log_epochs).where(log_epochs.c.announced_ms.is_(None))
        await self._connection.execute(pending.values(announced_ms=to_ms(now)))

    async def unsettled(self) -> frozenset[NodeId] | None:
        """Return the peers that have not answered; None while not announced."""
        if await self.pending() is not None:
            return None
        statement = select(reconciliations.c.peer).where(reconciliations.c.state == ReconcileState.ASKED)
        return frozenset(NodeId(peer) for peer in (await self._connection.execute(statement)).scalars())

    async def find(self, peer: NodeId) -> Reconciliation | None:
        """Return how we stand with a peer."""
        statement = select(reconciliations).where(reconciliations.c.peer == peer)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else Reconciliation(peer, MessageId(row.message_id), ReconcileState(row.state))

    async def take(self, peer: NodeId, part: int, parts: int, *, returned: int, lost: int, now: datetime) -> bool:
        """Note one part of a peer's answer; True when it was the last one missing."""
        row = (await self._connection.execute(select(reconciliations).where(reconciliations.c.peer == peer))).one_or_none()
        if row is None or str(part) in (taken := from_json(row.parts)):
            return False
        taken.append(str(part))
        change: dict[str, object] = {"parts": to_json(taken), "returned": row.returned + returned, "lost": row.lost + lost}
        last = len(taken) == parts and row.state == ReconcileState.ASKED
        if last:
            change |= {"state": ReconcileState.DONE.value, "ended_ms": to_ms(now)}
        await self._connection.execute(update(reconciliations).where(reconciliations.c.peer == peer).values(**change))
        return last

    async def end(self, peer: NodeId, state: ReconcileState, *, now: datetime) -> bool:
        """End a reconciliation that is under way."""
        under_way = and_(reconciliations.c.peer == peer, reconciliations.c.state == ReconcileState.ASKED)
        statement = update(reconciliations).where(under_way).values(state=state.value, ended_ms=to_ms(now))
        return (await self._connection.execute(statement)).rowcount == 1

    async def unanswerable(self) -> Sequence[NodeId]:
        """Return the peers whose announcement was refused, or expired undelivered."""
        ours = and_(outbox.c.lane == reconciliations.c.peer, outbox.c.message_id == reconciliations.c.message_id)
        ended = outbox.c.state.in_([OutboxState.REJECTED.value, OutboxState.DEAD.value])
        statement = select(reconciliations.c.peer).join(outbox, ours)
        rows = await self._connection.execute(statement.where(reconciliations.c.state == ReconcileState.ASKED, ended))
        return [NodeId(row.peer) for row in rows]
