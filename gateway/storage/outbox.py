"""Messages to peers (gateway.exchange.ports.Outbox). One lane per peer; its row holds back-off, pause, hold and lease."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    func,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.errors import MessageConflictError
from contracts.ids import MessageId, NodeId, ThreadId
from gateway.exchange.ports import Delivered, DeliveryOutcome, Lane, Onward, OutboxItem, Outgoing, StagedLeaf
from gateway.exchange.states import OutboxState
from gateway.storage.audit import SqlAuditStage
from gateway.storage.outbox_statements import (
    EXPIRED,
    LANE_ANSWERED,
    LANE_SILENT,
    LANES_DUE,
    OURS,
    RELEASED,
    TAKE_DUE,
    TAKE_LANE,
    TAKEN,
    WAKE,
    body_change,
    body_row,
    change_of,
    free,
    item_of,
    moments,
    onward_of,
    outbox_row,
    queue_change,
    unless_withdrawn,
    with_bodies,
)
from gateway.storage.restores import ABOUT_RESTORES
from gateway.storage.rows import from_ms, insert_many, insert_new, leased_to, maybe_from_ms, to_ms
from gateway.storage.tables import lanes, outbox, outbox_bodies


class SqlOutbox:
    """The outbox of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, messages: Sequence[Outgoing]) -> None:
        """Store messages and their leaves; make their lanes if new."""
        if not messages:
            return
        await self._make_lanes({message.lane for message in messages})
        try:
            await insert_many(self._connection, outbox, [outbox_row(message) for message in messages])
            await insert_many(self._connection, outbox_bodies, [body_row(message) for message in messages])
        except IntegrityError:
            raise MessageConflictError("a message id is in the outbox already") from None
        await SqlAuditStage(self._connection).stage([message.leaf for message in messages])

    async def lanes_due(self, *, now: datetime, limit: int) -> Sequence[NodeId]:
        """Return lanes with something due and nobody serving them, the longest unserved first."""
        rows = await self._connection.execute(LANES_DUE, moments(to_ms(now)) | {"b_limit": limit})
        return [NodeId(peer) for peer in rows.scalars()]

    async def claim(self, lane: NodeId, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]:
        """Lease up to `limit` due messages of `lane`; empty when another worker has the lane."""
        ours = {"b_lane": lane, "b_owner": owner, "b_until": to_ms(now + lease)}
        asked = moments(to_ms(now)) | ours
        if (await self._connection.execute(TAKE_LANE, asked)).rowcount != 1:
            return []
        taken = (await self._connection.execute(TAKE_DUE, asked | {"b_limit": limit})).scalars().all()
        items = [item_of(row) for row in await self._connection.execute(TAKEN, ours | {"ids": taken})]
        if not items:  # another worker was faster: a lane held for nothing would be silent until the lease lapses
            await self._connection.execute(RELEASED, {"b_lane": lane, "b_owner": owner})
        return items

    async def finish(
        self, lane: NodeId, outcomes: Sequence[DeliveryOutcome], *, owner: str, now: datetime, next_attempt: datetime | None
    ) -> int:
        """Record outcomes of messages still leased to `owner`, and release the lane; return how many."""
        asked = {"b_lane": lane, "b_owner": owner, "ids": [outcome.message_id for outcome in outcomes]}
        ours = {row.message_id: row.state for row in await self._connection.execute(OURS, asked)}
        valid = [unless_withdrawn(outcome, ours[outcome.message_id]) for outcome in outcomes if outcome.message_id in ours]
        await self._record([(lane, outcome) for outcome in valid], to_ms(now))
        await self._release_lane(lane, owner, to_ms(now), next_attempt)
        return len(valid)

    async def release(self, worker: str) -> int:
        """Give back what earlier lives of `worker` had claimed, lanes included; return how many messages and lanes."""
        released = 0
        # Only what waits is leased, and that has an index: a node must not read through its whole history to start.
        waiting = and_(outbox.c.state == OutboxState.WAITING, leased_to(outbox.c.lease_owner, worker))
        for statement in (update(outbox).where(waiting), update(lanes).where(leased_to(lanes.c.lease_owner, worker))):
            released += (await self._connection.execute(statement.values(lease_owner=None, lease_until_ms=None))).rowcount
        return released

    async def lane(self, peer: NodeId) -> Lane | None:
        """Return the peer's row."""
        waiting = select(func.count(), func.min(outbox.c.due_ms)).where(
            outbox.c.lane == peer, outbox.c.state == OutboxState.WAITING
        )
        row = (await self._connection.execute(select(lanes).where(lanes.c.peer == peer))).one_or_none()
        if row is None:
            return None
        number, oldest = (await self._connection.execute(waiting)).one()
        return Lane(
            NodeId(row.peer),
            row.failures,
            from_ms(row.next_attempt_ms),
            row.paused,
            row.held,
            maybe_from_ms(row.last_success_ms),
            number,
            maybe_from_ms(oldest),
        )

    async def wake(self, peer: NodeId, *, now: datetime) -> None:
        """The peer is back: drop its back-off."""
        await self._connection.execute(WAKE, {"b_lane": peer, "b_moment": to_ms(now)})

    async def set_paused(self, peer: NodeId, *, paused: bool) -> None:
        """Stop or resume deliveries to one peer."""
        await self._make_lanes({peer})
        await self._connection.execute(update(lanes).where(lanes.c.peer == peer).values(paused=paused))

    async def set_held(self, peers: frozenset[NodeId]) -> None:
        """Hold exactly these lanes."""
        await self._make_lanes(set(peers))
        await self._connection.execute(update(lanes).values(held=case((lanes.c.peer.in_(sorted(peers)), True), else_=False)))

    async def expired(self, *, now: datetime, limit: int) -> Sequence[OutboxItem]:
        """Return waiting messages past their expiry that nobody has leased."""
        keys = (await self._connection.execute(EXPIRED, moments(to_ms(now)) | {"b_limit": limit})).all()
        found: list[OutboxItem] = []
        for key in keys:
            found += await self._items(and_(outbox.c.lane == key.lane, outbox.c.message_id == key.message_id))
        return found

    async def bury(self, outcomes: Sequence[tuple[NodeId, DeliveryOutcome]], *, now: datetime) -> frozenset[MessageId]:
        """End expired messages in DEAD, with their leaves, unless somebody leased or ended them meanwhile; return which."""
        moment, buried = to_ms(now), set[MessageId]()
        for lane, outcome in outcomes:
            statement = select(outbox.c.message_id).where(
                outbox.c.lane == lane,
                outbox.c.message_id == outcome.message_id,
                outbox.c.state == OutboxState.WAITING,
                free(),
            )
            # Locked: of two processes that look at once, the second must see what the first did, or a death has two leaves.
            found = await self._connection.execute(statement.with_for_update(), moments(moment))
            if found.one_or_none() is not None:
                await self._record([(lane, outcome)], moment)
                buried.add(outcome.message_id)
        return frozenset(buried)

    async def make_due(self, *, now: datetime) -> None:
        """Let nothing that was tried wait for a later time: a clock that was wrong may have set it."""
        moment = to_ms(now)
        later = and_(outbox.c.state == OutboxState.WAITING, outbox.c.attempts > 0, outbox.c.due_ms > moment)
        await self._connection.execute(update(outbox).where(later).values(due_ms=moment))
        await self._connection.execute(update(lanes).where(lanes.c.next_attempt_ms > moment).values(next_attempt_ms=moment))

    async def revive(self, message_id: MessageId, *, now: datetime) -> bool:
        """Make a waiting message due now and drop its lane's back-off."""
        moment = to_ms(now)
        statement = update(outbox).where(outbox.c.message_id == message_id, outbox.c.state == OutboxState.WAITING)
        row = (await self._connection.execute(statement.values(due_ms=moment).returning(outbox.c.lane))).first()
        if row is None:
            return False
        await self._connection.execute(update(lanes).where(lanes.c.peer == row.lane).values(failures=0, next_attempt_ms=moment))
        return True

    async def delivered_since(self, peer: NodeId, since: datetime) -> Sequence[Delivered]:
        """Return what reached `peer` since a moment, oldest first."""
        joined = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
        reached = and_(outbox.c.lane == peer, outbox.c.ended_ms >= to_ms(since), outbox.c.state == OutboxState.DELIVERED)
        statement = (
            select(outbox.c.message_id, outbox.c.thread_id, outbox.c.expires_ms, outbox_bodies.c.body)
            .join(outbox_bodies, joined)
            .where(reached, outbox.c.kind.not_in(ABOUT_RESTORES))
            .order_by(outbox.c.ended_ms, outbox.c.message_id)
        )
        return [
            Delivered(MessageId(row.message_id), ThreadId(row.thread_id), row.body, from_ms(row.expires_ms))
            for row in await self._connection.execute(statement)
        ]

    async def requeue(self, peer: NodeId, sealed: Sequence[tuple[MessageId, bytes, str]], *, now: datetime) -> int:
        """Make delivered messages wait again; return how many."""
        moved = 0
        for message_id, envelope, recipient_key in sealed:
            here = and_(outbox.c.lane == peer, outbox.c.message_id == message_id, outbox.c.state == OutboxState.DELIVERED)
            again = {"state": OutboxState.WAITING.value, "due_ms": to_ms(now), "ended_ms": None, "reason": "peer-restored"}
            if (await self._connection.execute(update(outbox).where(here).values(again))).rowcount != 1:
                continue
            body = and_(outbox_bodies.c.lane == peer, outbox_bodies.c.message_id == message_id)
            earlier = func.coalesce(outbox_bodies.c.earlier_receipt, outbox_bodies.c.receipt)
            change = {"envelope": envelope, "recipient_key": recipient_key, "earlier_receipt": earlier}
            await self._connection.execute(update(outbox_bodies).where(body).values(change))
            moved += 1
        return moved

    async def refile(self, messages: Sequence[tuple[Outgoing, str | None]], *, now: datetime) -> frozenset[MessageId]:
        """File messages of ours that a peer gave back; return those that were unknown."""
        await self._make_lanes({message.lane for message, _ in messages})
        fresh: set[MessageId] = set()
        for message, receipt in messages:
            row = outbox_row(message) | {"state": OutboxState.DELIVERED.value, "ended_ms": to_ms(now), "reason": "returned"}
            filed = await self._connection.execute(insert_new(self._connection, outbox).values(row))
            if filed.rowcount != 1:
                continue
            await self._connection.execute(outbox_bodies.insert().values(body_row(message) | {"receipt": receipt}))
            await SqlAuditStage(self._connection).stage([message.leaf])
            fresh.add(message.message_id)
        return frozenset(fresh)

    async def answered(self, answers: Sequence[tuple[NodeId, MessageId, str]]) -> frozenset[tuple[NodeId, MessageId, str]]:
        """Return which of these answers are in the outbox."""
        if not answers:
            return frozenset()
        # Not as triples: SQLite finds several of those only by reading through the whole outbox.
        answered = outbox.c.in_reply_to.in_(sorted({message_id for _, message_id, _ in answers}))
        rows = await self._connection.execute(select(outbox.c.lane, outbox.c.in_reply_to, outbox.c.kind).where(answered))
        return frozenset((NodeId(row.lane), MessageId(row.in_reply_to), row.kind) for row in rows) & frozenset(answers)

    async def onward(self, messages: Sequence[MessageId]) -> Mapping[MessageId, Onward]:
        """Return how far each of these messages got, locked until the transaction ends."""
        if not messages:
            return {}
        statement = select(outbox).where(outbox.c.message_id.in_(list(messages))).order_by(outbox.c.message_id)
        rows = await self._connection.execute(statement.with_for_update())
        return {MessageId(row.message_id): onward_of(row) for row in rows}

    async def withdraw(self, messages: Sequence[MessageId], *, reason: str, now: datetime) -> frozenset[MessageId]:
        """Take waiting messages back; return which."""
        if not messages:
            return frozenset()
        here = and_(outbox.c.message_id.in_(list(messages)), outbox.c.state == OutboxState.WAITING)
        end = {"state": OutboxState.WITHDRAWN.value, "reason": reason, "ended_ms": to_ms(now)}
        taken = (
            await self._connection.execute(update(outbox).where(here).values(end).returning(outbox.c.lane, outbox.c.message_id))
        ).all()
        await change_bodies(self._connection, [(row.lane, row.message_id) for row in taken], envelope=b"")
        return frozenset(MessageId(row.message_id) for row in taken)

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _make_lanes(self, peers: set[NodeId]) -> None:
        rows = [
            {"peer": peer, "failures": 0, "next_attempt_ms": 0, "paused": False, "held": False, "last_served_ms": 0}
            for peer in sorted(peers)
        ]
        if rows:
            await self._connection.execute(insert_new(self._connection, lanes), rows)

    async def _items(self, where: ColumnElement[bool]) -> list[OutboxItem]:
        return [item_of(row) for row in await self._connection.execute(with_bodies(where))]

    async def _record(self, outcomes: Sequence[tuple[NodeId, DeliveryOutcome]], moment: int) -> None:
        """Write outcomes with one executemany per shape of change."""
        queue: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        bodies: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        leaves: list[StagedLeaf] = []
        for lane, outcome in outcomes:
            key = {"b_lane": lane, "b_message_id": outcome.message_id}
            change, body = queue_change(outcome, moment), body_change(outcome)
            queue[tuple(change)].append(key | change)
            if body:
                bodies[tuple(body)].append(key | body)
            if outcome.leaf is not None:
                leaves.append(outcome.leaf)
        for table, groups in ((outbox, queue), (outbox_bodies, bodies)):
            for names, rows in groups.items():
                await self._connection.execute(change_of(table, names), rows)
        await SqlAuditStage(self._connection).stage(leaves)

    async def _release_lane(self, lane: NodeId, owner: str, moment: int, next_attempt: datetime | None) -> None:
        ours = {"b_lane": lane, "b_owner": owner}
        if next_attempt is None:
            await self._connection.execute(LANE_ANSWERED, ours | {"b_moment": moment})
        else:
            await self._connection.execute(LANE_SILENT, ours | {"b_next": to_ms(next_attempt)})


async def change_bodies(connection: AsyncConnection, keys: Sequence[tuple[str, str]], **values: Any) -> None:
    """Change what is kept of messages, by their whole keys: by their ids alone it would read through all there are."""
    if keys:
        rows = [{"b_lane": lane, "b_message_id": message_id} | values for lane, message_id in keys]
        await connection.execute(change_of(outbox_bodies, tuple(values)), rows)
