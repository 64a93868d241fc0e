"""How long messages may be kept, and what has outlived it (part of gateway.exchange.erasure_ports.Erasures; SPEC 20.5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, text, union, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import MessageId, NodeId, ThreadId
from gateway.exchange.erasure_ports import Undated
from gateway.exchange.states import OutboxState
from gateway.storage.erasure_tables import WAITS, erasures, legal_holds
from gateway.storage.outbox import change_bodies
from gateway.storage.rows import to_ms
from gateway.storage.tables import cases, inbox, outbox, outbox_bodies

_NOTHING = b""
TOGETHER = 500
MOST_AT_A_LOOK = 20_000
"""Messages past their time that one look goes through; what is left over is seen at the next one."""


class SqlRetention:
    """Times to be kept, of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def outlived(self, *, now: datetime, limit: int) -> Sequence[ThreadId]:
        """Return threads every message of which has outlived its time to be kept, and that nothing waits in."""
        moment = to_ms(now)
        candidates = [
            row.thread_id for table in (inbox, outbox) for row in await self._connection.execute(_past(table, moment))
        ]
        return await not_kept(self._connection, candidates, moment, limit=limit)

    async def undated(self, *, limit: int) -> Sequence[Undated]:
        """Return messages that wait to be told how long they may be kept."""
        came = select(inbox.c.sender, inbox.c.message_id, inbox.c.thread_id, inbox.c.body).where(_DATED, inbox.c.retain_ms < 0)
        found = [
            Undated(NodeId(row.sender), MessageId(row.message_id), ThreadId(row.thread_id), row.body, sent=False)
            for row in await self._connection.execute(came.limit(limit))
        ]
        went = select(outbox.c.lane, outbox.c.message_id, outbox.c.thread_id).where(_DATED, outbox.c.retain_ms < 0).limit(limit)
        threads = {(row.lane, row.message_id): row.thread_id for row in await self._connection.execute(went)}
        lanes, messages = ({key[part] for key in threads} for part in (0, 1))
        kept = and_(outbox_bodies.c.lane.in_(lanes), outbox_bodies.c.message_id.in_(messages))
        bodies = select(outbox_bodies.c.lane, outbox_bodies.c.message_id, outbox_bodies.c.body).where(kept)
        found += [
            Undated(NodeId(row.lane), MessageId(row.message_id), ThreadId(thread), row.body, sent=True)
            for row in (await self._connection.execute(bodies) if threads else ())
            if (thread := threads.get((row.lane, row.message_id))) is not None
        ]
        return found

    async def date(self, found: Sequence[tuple[Undated, datetime]]) -> None:
        """Write down until when each may be kept."""
        for table, peer in ((inbox, inbox.c.sender), (outbox, outbox.c.lane)):
            rows = [
                {"b_peer": item.peer, "b_message_id": item.message_id, "b_retain": to_ms(until)}
                for item, until in found
                if item.sent is (table is outbox)
            ]
            here = and_(peer == bindparam("b_peer"), table.c.message_id == bindparam("b_message_id"), table.c.retain_ms < 0)
            if rows:
                await self._connection.execute(update(table).where(here).values(retain_ms=bindparam("b_retain")), rows)

    async def keep_until(self, threads: Sequence[ThreadId], until: datetime) -> None:
        """Keep our own copies of what we sent in these threads until then, and no longer."""
        moment = to_ms(until)
        longer = and_(outbox.c.thread_id.in_(list(threads)), outbox.c.retain_ms > moment)
        await self._connection.execute(update(outbox).where(longer).values(retain_ms=moment))

    async def handed_over(self, *, now: datetime, limit: int) -> int:
        """Take the sealed texts out of our copies of reports that are another's now, and past their time; return how many."""
        over = and_(outbox.c.retain_ms >= 0, outbox.c.retain_ms <= to_ms(now), outbox.c.kind.in_(_HANDED_OVER))
        theirs = or_(cases.c.state == "acknowledged", outbox.c.kind == "duty.notice")
        law = and_(legal_holds.c.thread_id == outbox.c.thread_id, legal_holds.c.lifted_ms.is_(None))
        statement = (
            select(outbox.c.lane, outbox.c.message_id)
            .outerjoin(cases, cases.c.thread_id == outbox.c.thread_id)
            .where(
                over, theirs, outbox.c.state == OutboxState.DELIVERED.value, ~select(legal_holds.c.basis).where(law).exists()
            )
            .order_by(outbox.c.retain_ms)
            .limit(limit)
        )
        keys = [(row.lane, row.message_id) for row in await self._connection.execute(statement)]
        await change_bodies(self._connection, keys, body=_NOTHING, envelope=_NOTHING)
        if keys:
            rows = [{"b_lane": lane, "b_message_id": message_id} for lane, message_id in keys]
            await self._connection.execute(_NO_LONGER_KEPT, rows)
        return len(keys)

    async def threads(self) -> int:
        """Return how many threads there are."""
        both = union(select(inbox.c.thread_id), select(outbox.c.thread_id)).subquery()
        return int((await self._connection.execute(select(func.count()).select_from(both))).scalar_one())


_HANDED_OVER = ("report.transfer", "duty.notice", "correction")
_NO_LONGER_KEPT = (
    update(outbox)
    .where(outbox.c.lane == bindparam("b_lane"), outbox.c.message_id == bindparam("b_message_id"))
    .values(retain_ms=None)
)


_DATED = text("retain_ms IS NOT NULL")
"""In the words of the index."""


async def not_kept(connection: AsyncConnection, threads: Sequence[str], moment: int, *, limit: int) -> Sequence[ThreadId]:
    """Return the first of these threads that nothing keeps; those that something does hold up none behind them."""
    found, every = list[str](), list(dict.fromkeys(threads))
    for start in range(0, len(every), TOGETHER):
        some = every[start : start + TOGETHER]
        kept = {row.thread_id for check in _reasons(some, moment) for row in await connection.execute(check)}
        found += [thread for thread in some if thread not in kept]
        if len(found) >= limit:
            break
    return [ThreadId(thread) for thread in found[:limit]]


def _past(table: Any, moment: int) -> Select[Any]:
    """Threads with a message past its time, the oldest first."""
    over = select(table.c.thread_id).where(table.c.retain_ms.is_not(None), table.c.retain_ms.between(0, moment))
    return over.order_by(table.c.retain_ms).limit(MOST_AT_A_LOOK)


def _reasons(threads: Sequence[str], moment: int) -> Sequence[Select[Any]]:
    """What keeps some of these threads: a message that may still be kept, waits, or came before we wrote down for how long;
    a mark there already; a law. The threads are named one by one: joined, a database may read through all there are.
    """
    body = and_(outbox_bodies.c.lane == outbox.c.lane, outbox_bodies.c.message_id == outbox.c.message_id)
    sent = select(outbox.c.thread_id).join(outbox_bodies, body)
    return [
        select(inbox.c.thread_id).where(inbox.c.thread_id.in_(threads), _kept(inbox, moment, inbox.c.body)),
        sent.where(outbox.c.thread_id.in_(threads), _kept(outbox, moment, outbox_bodies.c.body)),
        select(erasures.c.thread_id).where(erasures.c.thread_id.in_(threads), WAITS),
        select(legal_holds.c.thread_id).where(legal_holds.c.thread_id.in_(threads), legal_holds.c.lifted_ms.is_(None)),
    ]


def _kept(table: Any, moment: int, body: ColumnElement[Any]) -> ColumnElement[bool]:
    unknown = or_(and_(table.c.retain_ms.is_(None), func.length(body) > 0), table.c.retain_ms < 0)
    return or_(table.c.retain_ms > moment, table.c.state == "waiting", unknown)
