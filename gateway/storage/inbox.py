"""Received messages (gateway.exchange.ports.Inbox)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Integer, UpdateBase, and_, bindparam, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import MessageId, NodeId, ThreadId
from gateway.exchange.ports import Arrival, InboxItem, InboxKey, Received, SeenMessage
from gateway.exchange.states import TRANSITIONS, InboxState
from gateway.storage.audit import SqlAuditStage
from gateway.storage.erasure_tables import received_records
from gateway.storage.restores import ABOUT_RESTORES, reconciled
from gateway.storage.rows import from_ms, insert_many, insert_new, leased_to, maybe_to_ms, reached, times, to_ms
from gateway.storage.tables import inbox, seen

RELEASED_ATTEMPTS = 2
LONGEST_LEASE = timedelta(minutes=10)  # a turn of dispatch has two
LONGEST_WAIT = timedelta(minutes=75)  # one message backs off to hourly


class SqlInbox:
    """The inbox of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def seen(self, keys: Sequence[InboxKey]) -> Mapping[InboxKey, SeenMessage]:
        """Return what is remembered of those `keys` that arrived before."""
        if not keys:
            return {}
        # Not as pairs: SQLite finds several of those only by reading through all that ever arrived.
        asked = {"senders": sorted({key.sender for key in keys}), "ids": sorted({key.message_id for key in keys})}
        rows = await self._connection.execute(_SEEN, asked)
        found = {InboxKey(NodeId(row.sender), MessageId(row.message_id)): SeenMessage(row.digest, row.receipt) for row in rows}
        return {key: found[key] for key in keys if key in found}

    async def store(self, arrivals: Sequence[Arrival]) -> frozenset[InboxKey]:
        """Store each arrival whose key is new, its leaf included; return the keys stored."""
        if not arrivals:
            return frozenset()
        unique = {arrival.key: arrival for arrival in reversed(arrivals)}
        statement = insert_new(self._connection, seen).returning(seen.c.sender, seen.c.message_id)
        rows = await self._connection.execute(statement, [_seen_row(arrival) for arrival in unique.values()])
        fresh = frozenset(InboxKey(NodeId(row.sender), MessageId(row.message_id)) for row in rows)
        kept = [arrival for arrival in dict.fromkeys(arrivals) if arrival.key in fresh and unique[arrival.key] is arrival]
        await insert_many(self._connection, inbox, [_inbox_row(arrival) for arrival in kept])
        records = [row for arrival in kept for row in _record_rows(arrival)]
        if records:  # an id that came before stays with the message it came in
            await self._connection.execute(insert_new(self._connection, received_records), records)
        await SqlAuditStage(self._connection).stage([arrival.leaf for arrival in kept])
        return fresh

    async def claim(
        self, *, owner: str, now: datetime, lease: timedelta, limit: int, lapsed: bool = False
    ) -> Sequence[InboxItem]:
        """Lease up to `limit` due messages, oldest first, and count the attempt; `lapsed`: of those whose lease ran out."""
        asked = times(to_ms(now), longest_lease=LONGEST_LEASE, longest_wait=LONGEST_WAIT)
        asked |= {"b_limit": limit, "b_until": to_ms(now + lease)}
        rows = (await self._connection.execute(_CLAIM[lapsed], asked | {"b_owner": owner})).all()
        items = [
            InboxItem(
                InboxKey(NodeId(row.sender), MessageId(row.message_id)),
                row.kind,
                ThreadId(row.thread_id),
                row.body,
                from_ms(row.received_ms),
                row.attempts,
            )
            for row in rows
        ]
        return sorted(items, key=lambda item: (item.received_at, item.key.message_id))

    async def finish(self, ended: Mapping[InboxKey, InboxState], *, owner: str) -> frozenset[InboxKey]:
        """End each message in its state; return those whose lease was still ours. One statement a state."""
        keys: dict[InboxState, list[InboxKey]] = {}
        for key, state in ended.items():
            if f"inbox.{state}" not in TRANSITIONS["inbox.waiting"]:
                raise ValueError("no such transition")
            keys.setdefault(state, []).append(key)
        done: frozenset[InboxKey] = frozenset()
        for state, those in keys.items():
            done |= await self._release(those, owner, state=state.value)
        return done

    async def release(self, worker: str) -> int:
        """Give back what earlier lives of `worker` had claimed; return how many messages.

        A message that was in hand at two deaths may be their cause: it waits for its lease to lapse, so that a process
        that dies at once each time does not use up the attempts of what it holds within seconds.
        """
        # Only what waits is leased, and that has an index: a node must not read through its whole history to start.
        leased = and_(inbox.c.state == InboxState.WAITING, leased_to(inbox.c.lease_owner, worker))
        statement = update(inbox).where(leased, inbox.c.attempts <= RELEASED_ATTEMPTS)
        return (await self._connection.execute(statement.values(lease_owner=None, lease_until_ms=None))).rowcount

    async def make_due(self, *, now: datetime) -> None:
        """Let nothing that was tried wait for a later time: a clock that was wrong may have set it."""
        later = and_(inbox.c.state == InboxState.WAITING, inbox.c.attempts > 0, inbox.c.due_ms > to_ms(now))
        await self._connection.execute(update(inbox).where(later).values(due_ms=to_ms(now)))

    async def retry(self, key: InboxKey, *, owner: str, due: datetime, error: str) -> bool:
        """Release the message until `due`; False when the lease is no longer ours."""
        return bool(await self._release([key], owner, due_ms=to_ms(due), last_error=error[:64]))

    async def received_since(self, sender: NodeId, since: datetime) -> Sequence[Received]:
        """Return what `sender` sent us since a moment, oldest first."""
        both = and_(inbox.c.sender == seen.c.sender, inbox.c.message_id == seen.c.message_id)
        statement = (
            select(inbox.c.message_id, inbox.c.thread_id, inbox.c.body, seen.c.receipt)
            .join(seen, both)
            .where(inbox.c.sender == sender, inbox.c.received_ms >= to_ms(since), inbox.c.kind.not_in(ABOUT_RESTORES))
            .order_by(inbox.c.received_ms, inbox.c.message_id)
        )
        rows = await self._connection.execute(statement)
        return [Received(MessageId(row.message_id), ThreadId(row.thread_id), row.body, row.receipt) for row in rows]

    async def kept(self, key: InboxKey) -> Received | None:
        """Return one message as we keep it; None when no such message came."""
        both = and_(inbox.c.sender == seen.c.sender, inbox.c.message_id == seen.c.message_id)
        here = and_(inbox.c.sender == key.sender, inbox.c.message_id == key.message_id)
        statement = select(inbox.c.message_id, inbox.c.thread_id, inbox.c.body, seen.c.receipt).join(seen, both).where(here)
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else Received(MessageId(row.message_id), ThreadId(row.thread_id), row.body, row.receipt)

    async def _release(self, keys: Sequence[InboxKey], owner: str, **values: object) -> frozenset[InboxKey]:
        ids: dict[NodeId, list[MessageId]] = {}
        for key in keys:
            ids.setdefault(key.sender, []).append(key.message_id)
        change = {f"b_{name}": value for name, value in values.items()}
        done: set[InboxKey] = set()
        # A statement a sender, not one of pairs: SQLite finds several pairs only by reading through all that ever arrived.
        for sender, those in ids.items():
            asked = {"b_sender": sender, "ids": those, "b_owner": owner} | change
            rows = await self._connection.execute(_released(tuple(values)), asked)
            done |= {InboxKey(sender, MessageId(found)) for found in rows.scalars()}
        return frozenset(done)


def _claim(*, lapsed: bool) -> UpdateBase:
    held = inbox.c.lease_until_ms
    free = reached(held, "longest_lease") if lapsed else held.is_(None)
    # One that was never tried is due from its arrival on, whatever the clock said then.
    come = or_(inbox.c.attempts == 0, reached(inbox.c.due_ms, "longest_wait"))
    due = (
        select(inbox.c.sender, inbox.c.message_id)
        .where(inbox.c.state == InboxState.WAITING, come, free, reconciled())
        .order_by(inbox.c.due_ms, inbox.c.message_id)
        .limit(bindparam("b_limit", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    taken = update(inbox).where(tuple_(inbox.c.sender, inbox.c.message_id).in_(due))
    lease = {"lease_owner": bindparam("b_owner"), "lease_until_ms": bindparam("b_until"), "attempts": inbox.c.attempts + 1}
    return taken.values(lease).returning(*inbox.c)


_CLAIM = {lapsed: _claim(lapsed=lapsed) for lapsed in (False, True)}
_SEEN = select(seen).where(
    seen.c.sender.in_(bindparam("senders", expanding=True)), seen.c.message_id.in_(bindparam("ids", expanding=True))
)


@cache
def _released(names: tuple[str, ...]) -> UpdateBase:
    these = and_(inbox.c.sender == bindparam("b_sender"), inbox.c.message_id.in_(bindparam("ids", expanding=True)))
    ours = and_(these, inbox.c.lease_owner == bindparam("b_owner"), inbox.c.state == InboxState.WAITING)
    changed = update(inbox).where(ours).values(lease_owner=None, lease_until_ms=None)
    changed = changed.values({name: bindparam(f"b_{name}") for name in names})
    return changed.returning(inbox.c.message_id)


def _seen_row(arrival: Arrival) -> dict[str, object]:
    return {
        "sender": arrival.key.sender,
        "message_id": arrival.key.message_id,
        "digest": arrival.digest,
        "receipt": arrival.receipt,
        "received_ms": to_ms(arrival.received_at),
    }


def _inbox_row(arrival: Arrival) -> dict[str, object]:
    return {
        "sender": arrival.key.sender,
        "message_id": arrival.key.message_id,
        "kind": arrival.kind,
        "thread_id": arrival.thread_id,
        "in_reply_to": arrival.in_reply_to,
        "body": arrival.body,
        "state": InboxState.WAITING.value,
        "attempts": 0,
        "due_ms": to_ms(arrival.received_at),
        "received_ms": to_ms(arrival.received_at),
        "expires_ms": to_ms(arrival.expires_at),
        "retain_ms": maybe_to_ms(arrival.retain_until),
    }


def _record_rows(arrival: Arrival) -> list[dict[str, object]]:
    came: dict[str, object] = {
        "sender": arrival.key.sender,
        "message_id": arrival.key.message_id,
        "thread_id": arrival.thread_id,
    }
    return [came | {"record_id": record} for record in arrival.records]
