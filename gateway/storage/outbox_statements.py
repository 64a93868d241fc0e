"""The outbox in rows: its statements, built once, and what becomes a row and what a row becomes."""

from datetime import timedelta
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
    exists,
    or_,
    select,
    update,
)

from contracts.ids import MessageId, NodeId, ThreadId
from gateway.exchange.ports import DeliveryOutcome, Onward, OutboxItem, Outgoing
from gateway.exchange.states import OutboxState
from gateway.storage.rows import from_ms, maybe_to_ms, reached, times, to_ms
from gateway.storage.tables import lanes, outbox, outbox_bodies

LONGEST_LEASE = timedelta(minutes=10)  # a delivery's is six minutes
LONGEST_WAIT = timedelta(minutes=75)  # one message backs off to hourly
LONGEST_SILENCE = timedelta(seconds=40)  # a silent peer is probed every thirty seconds at least


def moments(moment: int) -> dict[str, Any]:
    """Return the parameters of `now`, and of what no honest clock writes ahead of it."""
    return times(moment, longest_lease=LONGEST_LEASE, longest_wait=LONGEST_WAIT, longest_silence=LONGEST_SILENCE)


def free() -> ColumnElement[bool]:
    """Nobody has it: no lease, or one that lapsed."""
    return or_(outbox.c.lease_until_ms.is_(None), reached(outbox.c.lease_until_ms, "longest_lease"))


def _due() -> ColumnElement[bool]:
    return and_(outbox.c.state == OutboxState.WAITING, reached(outbox.c.due_ms, "longest_wait"), free())


def _open() -> ColumnElement[bool]:
    unleased = or_(lanes.c.lease_until_ms.is_(None), reached(lanes.c.lease_until_ms, "longest_lease"))
    probing = reached(lanes.c.next_attempt_ms, "longest_silence")
    return and_(lanes.c.paused.is_(False), lanes.c.held.is_(False), probing, unleased)


def with_bodies(where: ColumnElement[bool]) -> Select[Any]:
    """Return the statement that reads messages with what is kept of them, those due first first."""
    joined = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
    columns = outbox_bodies.c.digest, outbox_bodies.c.envelope, outbox_bodies.c.recipient_key, outbox_bodies.c.body
    return select(outbox, *columns).join(outbox_bodies, joined).where(where).order_by(outbox.c.due_ms, outbox.c.message_id)


@cache
def change_of(table: Table, names: tuple[str, ...]) -> Update:
    """Return the statement that changes these columns of one row; its key is ``b_lane, b_message_id``."""
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

LANES_DUE = (
    select(lanes.c.peer)
    .where(_open(), exists().where(outbox.c.lane == lanes.c.peer, _due()))
    .order_by(lanes.c.last_served_ms, lanes.c.peer)
    .limit(_LIMIT)
)
TAKE_LANE = (
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
TAKE_DUE = (
    update(outbox)
    .where(outbox.c.lane == _LANE, outbox.c.message_id.in_(_DUE_IN_LANE))
    .values(lease_owner=_OWNER, lease_until_ms=_UNTIL, attempts=outbox.c.attempts + 1)
    .returning(outbox.c.message_id)
)
TAKEN = with_bodies(and_(_MINE, outbox.c.lease_until_ms == _UNTIL))
# Locked: once our lease lapsed another process may be ending the same message.
_LEASED = select(outbox.c.message_id, outbox.c.state).where(_NAMED, outbox.c.lease_owner == _OWNER, _IN_HAND)
OURS = _LEASED.order_by(outbox.c.message_id).with_for_update()
EXPIRED = (
    select(outbox.c.lane, outbox.c.message_id)
    .where(outbox.c.state == OutboxState.WAITING, outbox.c.expires_ms <= bindparam("moment", type_=BigInteger), free())
    .order_by(outbox.c.expires_ms)
    .limit(_LIMIT)
)
_MOMENT = bindparam("b_moment", type_=BigInteger)
WAKE = update(lanes).where(lanes.c.peer == _LANE, lanes.c.failures > 0).values(failures=0, next_attempt_ms=_MOMENT)
RELEASED = update(lanes).where(_OUR_LANE).values(lease_owner=None, lease_until_ms=None)
LANE_ANSWERED = RELEASED.values(failures=0, next_attempt_ms=_MOMENT, last_success_ms=_MOMENT)
LANE_SILENT = RELEASED.values(failures=lanes.c.failures + 1, next_attempt_ms=bindparam("b_next", type_=BigInteger))


def onward_of(row: Row[Any]) -> Onward:
    """Return how far a message got."""
    if row.state not in (OutboxState.WAITING, OutboxState.WITHDRAWN):
        return Onward.ENDED
    return Onward.NEVER_LEFT if row.attempts == 0 else Onward.MAY_HAVE_ARRIVED


def unless_withdrawn(outcome: DeliveryOutcome, state: str) -> DeliveryOutcome:
    """Return what becomes of a message; one that was taken back does not wait again, and only a receipt tells another end."""
    if state != OutboxState.WITHDRAWN or outcome.state in (OutboxState.DELIVERED, OutboxState.REJECTED):
        return outcome
    return DeliveryOutcome(outcome.message_id, OutboxState.WITHDRAWN)


def queue_change(outcome: DeliveryOutcome, moment: int) -> dict[str, Any]:
    """Return what an outcome changes in the queue."""
    change: dict[str, Any] = {"state": outcome.state.value, "lease_owner": None, "lease_until_ms": None}
    if outcome.reason is not None:
        change["reason"] = outcome.reason[:64]
    if outcome.state is OutboxState.WAITING:
        if outcome.due is not None:
            change["due_ms"] = to_ms(outcome.due)
    else:
        change["ended_ms"] = moment
    return change


def body_change(outcome: DeliveryOutcome) -> dict[str, Any]:
    """Return what an outcome changes in what is kept of the message."""
    change: dict[str, Any] = {}
    if outcome.receipt is not None:
        change["receipt"] = outcome.receipt
    if outcome.envelope is not None:
        change |= {"envelope": outcome.envelope, "recipient_key": outcome.recipient_key}
    elif outcome.state is OutboxState.DELIVERED:
        change["envelope"] = b""  # it arrived; the sealed body and the receipt are the evidence
    return change


def outbox_row(message: Outgoing) -> dict[str, object]:
    """Return a new message's row in the queue."""
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
        "retain_ms": maybe_to_ms(message.retain_until),
    }


def body_row(message: Outgoing) -> dict[str, object]:
    """Return a new message's row beside it."""
    return {
        "lane": message.lane,
        "message_id": message.message_id,
        "digest": message.digest,
        "envelope": message.envelope,
        "recipient_key": message.recipient_key,
        "body": message.body,
        "manifest": message.manifest,
    }


def item_of(row: Row[Any]) -> OutboxItem:
    """Return a message as whoever delivers it needs it."""
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
