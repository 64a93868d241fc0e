"""Notices, and who has work they are about (gateway.exchange.notice_ports.Notices)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import Code, MessageId, NodeId, ThreadId
from contracts.messages import Urgency
from contracts.notices import NoticeType
from contracts.threads import Side
from gateway.exchange.notice_ports import Notice, Outage, WorkOf
from gateway.storage.case_tables import exchanges, work_items
from gateway.storage.notice_tables import FRESH, LINK_UP, mail_queue, notices, webhook_posts
from gateway.storage.rows import from_ms, insert_new, maybe_from_ms, maybe_to_ms, to_ms
from gateway.storage.tables import lanes, outbox

_QUESTIONS = ("search", "disclosure", "identity")
_FAILED, _RECOVERED = NoticeType.DELIVERY_FAILED.value, NoticeType.DELIVERY_RECOVERED.value


class SqlNotices:
    """The notices of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, found: Sequence[Notice]) -> None:
        """Note what happened; what is noted already stays as it is."""
        if found:
            await self._connection.execute(insert_new(self._connection, notices), [notice_row(item) for item in found])

    async def fresh(self, *, limit: int) -> Sequence[Notice]:
        """Return those nobody was told of yet, oldest first."""
        statement = select(notices).where(FRESH).order_by(notices.c.at_ms).limit(limit).with_for_update(skip_locked=True)
        return [notice_of(row) for row in await self._connection.execute(statement)]

    async def spread(self, ids: Collection[str], *, now: datetime) -> None:
        """Note that whoever is to be told of these is in the queues."""
        await self._connection.execute(update(notices).where(notices.c.id.in_(list(ids))).values(spread_ms=to_ms(now)))

    async def work_of(self, openings: Collection[str]) -> Mapping[str, WorkOf]:
        """Return whose work it is, by its opening message."""
        rows = await self._connection.execute(select(work_items).where(work_items.c.opening_id.in_(list(openings))))
        return {
            row.opening_id: WorkOf(
                None if row.office is None else Code(row.office), row.person_id, row.urgency == Urgency.LIFE_AT_RISK.value
            )
            for row in rows
        }

    async def asked_in(self, threads: Collection[ThreadId]) -> Sequence[tuple[str, MessageId]]:
        """Return the questions of these threads that wait for our answer."""
        here = and_(exchanges.c.thread_id.in_(list(threads)), exchanges.c.side == Side.ADDRESSEE.value)
        waits = and_(here, exchanges.c.machine.in_(_QUESTIONS), exchanges.c.awaited.is_not(None))
        rows = await self._connection.execute(select(exchanges.c.machine, exchanges.c.opening_id).where(waits))
        return [(row.machine, MessageId(row.opening_id)) for row in rows]

    async def down(self, *, since: datetime) -> Sequence[tuple[NodeId, str]]:
        """Return peers to whom something waits, and nothing has gone since a moment."""
        silent = or_(lanes.c.last_success_ms.is_(None), lanes.c.last_success_ms < to_ms(since))
        waits = exists().where(outbox.c.lane == lanes.c.peer, outbox.c.state == "waiting", outbox.c.created_ms < to_ms(since))
        statement = select(lanes).where(lanes.c.failures > 0, lanes.c.paused.is_(False), silent, waits)
        return [(NodeId(row.peer), _link(row)) for row in await self._connection.execute(statement)]

    async def back(self) -> Sequence[Outage]:
        """Return links told to be down, not told to be up again, that work now."""
        told = and_(notices.c.type == _FAILED, _begins(notices.c.subject))
        up = select(notices.c.subject).where(notices.c.type == _RECOVERED, _begins(notices.c.subject))
        rows = await self._connection.execute(select(notices.c.subject).where(told, notices.c.subject.not_in(up)))
        links = {row.peer: row for row in await self._connection.execute(select(lanes).where(lanes.c.failures == 0))}
        found = [(subject, subject.split(" ")[1]) for subject in rows.scalars()]
        return [Outage(NodeId(peer), subject) for subject, peer in found if peer in links and _link(links[peer]) != subject]

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete notices that old, with what became of their telling."""
        old = select(notices.c.id).where(notices.c.at_ms < to_ms(before)).order_by(notices.c.at_ms).limit(limit)
        ids = list((await self._connection.execute(old)).scalars())
        if ids:
            for table, column in ((webhook_posts, "notice_id"), (mail_queue, "notice_id"), (notices, "id")):
                await self._connection.execute(delete(table).where(table.c[column].in_(ids)))
        return len(ids)


def _link(row: Any) -> str:
    """Return the name of how long a link has been carrying nothing: another one once it has carried something."""
    return f"{LINK_UP}{row.peer} {row.last_success_ms or 0}"


def _begins(column: ColumnElement[str]) -> ColumnElement[bool]:
    # A range of the index, in both databases and whatever their collation makes of capitals.
    return and_(column >= LINK_UP, column < LINK_UP + "~", func.substr(column, 1, len(LINK_UP)) == LINK_UP)


def notice_row(item: Notice) -> dict[str, Any]:
    """Return the row of a notice."""
    return {
        "id": item.id,
        "type": item.type.value,
        "subject": item.subject,
        "folio": item.folio,
        "href": item.href,
        "at_ms": to_ms(item.at),
        "due_ms": maybe_to_ms(item.due),
        "opening_id": item.opening,
        "office": item.office,
        "but_person": item.but,
        "spread_ms": None,
    }


def notice_of(row: Any) -> Notice:
    """Return the notice of a row."""
    return Notice(
        type=NoticeType(row.type),
        subject=row.subject,
        folio=row.folio,
        href=row.href,
        at=from_ms(row.at_ms),
        due=maybe_from_ms(row.due_ms),
        opening=row.opening_id,
        office=None if row.office is None else Code(row.office),
        but=row.but_person,
    )
