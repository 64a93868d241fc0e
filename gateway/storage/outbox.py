"""Messages to peers (gateway.exchange.ports.Outbox). One lane per peer; its row holds back-off, pause, hold and lease."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    Table,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
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
from gateway.storage.restores import ABOUT_RESTORES
from gateway.storage.rows import from_ms, insert_many, insert_new, leased_to, maybe_from_ms, reached, times, to_ms
from gateway.storage.tables import lanes, outbox, outbox_bodies

LONGEST_LEASE = timedelta(minutes=10)  # a delivery's is six minutes
LONGEST_WAIT = timedelta(minutes=75)  # one message backs off to hourly
LONGEST_SILENCE = timedelta(seconds=40)  # a silent peer is probed every thirty seconds at least


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
            await insert_many(self._connection, outbox, [_row(message) for message in messages])
            await insert_many(self._connection, outbox_bodies, [_body_row(message) for message in messages])
        except IntegrityError:
            raise MessageConflictError("a message id is in the outbox already") from None
        await SqlAuditStage(self._connection).stage([message.leaf for message in messages])

    async def lanes_due(self, *, now: datetime, limit: int) -> Sequence[NodeId]:
        """Return lanes with something due and nobody serving them, the longest unserved first."""
        rows = await self._connection.execute(_LANES_DUE, _times(to_ms(now)) | {"b_limit": limit})
        return [NodeId(peer) for peer in rows.scalars()]

    async def claim(self, lane: NodeId, *, owner: str, now: datetime, lease: timedelta, limit: int) -> Sequence[OutboxItem]:
        """Lease up to `limit` due messages of `lane`; empty when another worker has the lane."""
        ours = {"b_lane": lane, "b_owner": owner, "b_until": to_ms(now + lease)}
        asked = _times(to_ms(now)) | ours
        if (await self._connection.execute(_TAKE_LANE, asked)).rowcount != 1:
            return []
        taken = (await self._connection.execute(_TAKE_DUE, asked | {"b_limit": limit})).scalars().all()
        items = [_item(row) for row in await self._connection.execute(_TAKEN, ours | {"ids": taken})]
        if not items:  # another worker was faster: a lane held for nothing would be silent until the lease lapses
            await self._connection.execute(_RELEASED, {"b_lane": lane, "b_owner": owner})
        return items

    async def finish(
        self, lane: NodeId, outcomes: Sequence[DeliveryOutcome], *, owner: str, now: datetime, next_attempt: datetime | None
    ) -> int:
        """Record outcomes of messages still leased to `owner`, and release the lane; return how many."""
        asked = {"b_lane": lane, "b_owner": owner, "ids": [outcome.message_id for outcome in outcomes]}
        ours = {row.message_id: row.state for row in await self._connection.execute(_OURS, asked)}
        valid = [_unless_withdrawn(outcome, ours[outcome.message_id]) for outcome in outcomes if outcome.message_id in ours]
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
        await self._connection.execute(_WAKE, {"b_lane": peer, "b_moment": to_ms(now)})

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
        keys = (await self._connection.execute(_EXPIRED, _times(to_ms(now)) | {"b_limit": limit})).all()
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
                _free(),
            )
            # Locked: of two processes that look at once, the second must see what the first did, or a death has two leaves.
            found = await self._connection.execute(statement.with_for_update(), _times(moment))
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
            row = _row(message) | {"state": OutboxState.DELIVERED.value, "ended_ms": to_ms(now), "reason": "returned"}
            filed = await self._connection.execute(insert_new(self._connection, outbox).values(row))
            if filed.rowcount != 1:
                continue
            await self._connection.execute(outbox_bodies.insert().values(_body_row(message) | {"receipt": receipt}))
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
        return {MessageId(row.message_id): _onward(row) for row in rows}

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
        return [_item(row) for row in await self._connection.execute(_with_bodies(where))]

    async def _record(self, outcomes: Sequence[tuple[NodeId, DeliveryOutcome]], moment: int) -> None:
        """Write outcomes with one executemany per shape of change."""
        queue: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        bodies: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        leaves: list[StagedLeaf] = []
        for lane, outcome in outcomes:
            key = {"b_lane": lane, "b_message_id": outcome.message_id}
            change, body = _queue_change(outcome, moment), _body_change(outcome)
            queue[tuple(change)].append(key | change)
            if body:
                bodies[tuple(body)].append(key | body)
            if outcome.leaf is not None:
                leaves.append(outcome.leaf)
        for table, groups in ((outbox, queue), (outbox_bodies, bodies)):
            for names, rows in groups.items():
                await self._connection.execute(_change(table, names), rows)
        await SqlAuditStage(self._connection).stage(leaves)

    async def _release_lane(self, lane: NodeId, owner: str, moment: int, next_attempt: datetime | None) -> None:
        ours = {"b_lane": lane, "b_owner": owner}
        if next_attempt is None:
            await self._connection.execute(_LANE_ANSWERED, ours | {"b_moment": moment})
        else:
            await self._connection.execute(_LANE_SILENT, ours | {"b_next": to_ms(next_attempt)})


async def change_bodies(connection: AsyncConnection, keys: Sequence[tuple[str, str]], **values: Any) -> None:
    """Change what is kept of messages, by their whole keys: by their ids alone it would read through all there are."""
    if keys:
        rows = [{"b_lane": lane, "b_message_id": message_id} | values for lane, message_id in keys]
        await connection.execute(_change(outbox_bodies, tuple(values)), rows)


# -- statements, built once ----------------------------------------------------------------------------------------------


def _times(moment: int) -> dict[str, Any]:
    return times(moment, longest_lease=LONGEST_LEASE, longest_wait=LONGEST_WAIT, longest_silence=LONGEST_SILENCE)


def _free() -> ColumnElement[bool]:
    return or_(outbox.c.lease_until_ms.is_(None), reached(outbox.c.lease_until_ms, "longest_lease"))


def _due() -> ColumnElement[bool]:
    return and_(outbox.c.state == OutboxState.WAITING, reached(outbox.c.due_ms, "longest_wait"), _free())


def _open() -> ColumnElement[bool]:
    unleased = or_(lanes.c.lease_until_ms.is_(None), reached(lanes.c.lease_until_ms, "longest_lease"))
    probing = reached(lanes.c.next_attempt_ms, "longest_silence")
    return and_(lanes.c.paused.is_(False), lanes.c.held.is_(False), probing, unleased)


def _with_bodies(where: ColumnElement[bool]) -> Select[Any]:
    joined = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
    columns = outbox_bodies.c.digest, outbox_bodies.c.envelope, outbox_bodies.c.recipient_key, outbox_bodies.c.body
    return select(outbox, *columns).join(outbox_bodies, joined).where(where).order_by(outbox.c.due_ms, outbox.c.message_id)


@cache
def _change(table: Table, names: tuple[str, ...]) -> Update:
    here = and_(table.c.lane == bindparam("b_lane"), table.c.message_id == bindparam("b_message_id"))
    return update(table).where(here).values({name: bindparam(name) for name in names})


_LIMIT = bindparam("b_limit", type_=Integer)
_LANE, _OWNER = bindparam("b_lane", type_=String), bindparam("b_owner", type_=String)
_UNTIL = bindparam("b_until", type_=BigInteger)
# By their keys: a search by lease would read all that waits in the lane, or every message it ever had.
_NAMED = and_(outbox.c.lane == _LANE, outbox.c.message_id.in_(bindparam("ids", expanding=True)))
_MINE = and_(_NAMED, outbox.c.lease_owner == _OWNER, outbox.c.state == OutboxState.WAITING)
# Taken back while we had it in hand: what came of it is still ours to say.
_IN_HAND = outbox.c.state.in_([OutboxState.WAITING.value, OutboxState.WITHDRAWN.value])
_OUR_LANE = and_(lanes.c.peer == _LANE, lanes.c.lease_owner == _OWNER)

_LANES_DUE = (
    select(lanes.c.peer)
    .where(_open(), exists().where(outbox.c.lane == lanes.c.peer, _due()))
    .order_by(lanes.c.last_served_ms, lanes.c.peer)
    .limit(_LIMIT)
)
_TAKE_LANE = (
    update(lanes)
    .where(lanes.c.peer == _LANE, _open())
    .values(lease_owner=_OWNER, lease_until_ms=_UNTIL, last_served_ms=bindparam("moment", type_=BigInteger))
)
_DUE_IN_LANE = (
    select(outbox.c.message_id)
    .where(outbox.c.lane == _LANE, _due())
    .order_by(outbox.c.due_ms, outbox.c.message_id)
    .limit(_LIMIT)
)
_TAKE_DUE = (
    update(outbox)
    .where(outbox.c.lane == _LANE, outbox.c.message_id.in_(_DUE_IN_LANE))
    .values(lease_owner=_OWNER, lease_until_ms=_UNTIL, attempts=outbox.c.attempts + 1)
    .returning(outbox.c.message_id)
)
_TAKEN = _with_bodies(and_(_MINE, outbox.c.lease_until_ms == _UNTIL))
# Locked: once our lease lapsed another process may be ending the same message.
_LEASED = select(outbox.c.message_id, outbox.c.state).where(_NAMED, outbox.c.lease_owner == _OWNER, _IN_HAND)
_OURS = _LEASED.order_by(outbox.c.message_id).with_for_update()
_EXPIRED = (
    select(outbox.c.lane, outbox.c.message_id)
    .where(outbox.c.state == OutboxState.WAITING, outbox.c.expires_ms <= bindparam("moment", type_=BigInteger), _free())
    .order_by(outbox.c.expires_ms)
    .limit(_LIMIT)
)
_MOMENT = bindparam("b_moment", type_=BigInteger)
_WAKE = update(lanes).where(lanes.c.peer == _LANE, lanes.c.failures > 0).values(failures=0, next_attempt_ms=_MOMENT)
_RELEASED = update(lanes).where(_OUR_LANE).values(lease_owner=None, lease_until_ms=None)
_LANE_ANSWERED = _RELEASED.values(failures=0, next_attempt_ms=_MOMENT, last_success_ms=_MOMENT)
_LANE_SILENT = _RELEASED.values(failures=lanes.c.failures + 1, next_attempt_ms=bindparam("b_next", type_=BigInteger))


def _onward(row: Row[Any]) -> Onward:
    if row.state not in (OutboxState.WAITING, OutboxState.WITHDRAWN):
        return Onward.ENDED
    return Onward.NEVER_LEFT if row.attempts == 0 else Onward.MAY_HAVE_ARRIVED


def _unless_withdrawn(outcome: DeliveryOutcome, state: str) -> DeliveryOutcome:
    """Return what becomes of a message; one that was taken back does not wait again, and only a receipt tells another end."""
    if state != OutboxState.WITHDRAWN or outcome.state in (OutboxState.DELIVERED, OutboxState.REJECTED):
        return outcome
    return DeliveryOutcome(outcome.message_id, OutboxState.WITHDRAWN)


def _queue_change(outcome: DeliveryOutcome, moment: int) -> dict[str, Any]:
    change: dict[str, Any] = {"state": outcome.state.value, "lease_owner": None, "lease_until_ms": None}
    if outcome.reason is not None:
        change["reason"] = outcome.reason[:64]
    if outcome.state is OutboxState.WAITING:
        if outcome.due is not None:
            change["due_ms"] = to_ms(outcome.due)
    else:
        change["ended_ms"] = moment
    return change


def _body_change(outcome: DeliveryOutcome) -> dict[str, Any]:
    change: dict[str, Any] = {}
    if outcome.receipt is not None:
        change["receipt"] = outcome.receipt
    if outcome.envelope is not None:
        change |= {"envelope": outcome.envelope, "recipient_key": outcome.recipient_key}
    elif outcome.state is OutboxState.DELIVERED:
        change["envelope"] = b""  # it arrived; the sealed body and the receipt are the evidence
    return change


def _row(message: Outgoing) -> dict[str, object]:
    return {
        "lane": message.lane,
        "message_id": message.message_id,
        "kind": message.kind,
        "thread_id": message.thread_id,
        "in_reply_to": message.in_reply_to,
        "state": OutboxState.WAITING.value,
        "attempts": 0,
        "due_ms": to_ms(message.due),
        "expires_ms": to_ms(message.expires_at),
        "created_ms": to_ms(message.due),
        "retain_ms": None if message.retain_until is None else to_ms(message.retain_until),
    }


def _body_row(message: Outgoing) -> dict[str, object]:
    return {
        "lane": message.lane,
        "message_id": message.message_id,
        "digest": message.digest,
        "envelope": message.envelope,
        "recipient_key": message.recipient_key,
        "body": message.body,
        "manifest": message.manifest,
    }


def _item(row: Row[Any]) -> OutboxItem:
    return OutboxItem(
        MessageId(row.message_id),
        NodeId(row.lane),
        row.kind,
        ThreadId(row.thread_id),
        row.digest,
        row.envelope,
        row.recipient_key,
        row.body,
        row.attempts,
        from_ms(row.expires_ms),
    )
