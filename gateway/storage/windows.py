"""The ombudsman's windows (gateway.exchange.oversight_ports.Windows)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import Folio, MessageId, NodeId, ThreadId
from contracts.threads import Side
from gateway.exchange.oversight_ports import Step, WindowEntry
from gateway.storage.case_tables import exchange_messages, exchanges
from gateway.storage.rows import from_ms, insert_new, maybe_from_ms, to_ms
from gateway.storage.tables import leaves
from gateway.storage.window_tables import windows


class SqlWindows:
    """The windows of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entry: WindowEntry) -> None:
        """Write a window down; one whose message is there stays as it was."""
        row = {
            "message_id": entry.message_id,
            "ours": entry.ours,
            "peer": entry.peer,
            "folio": entry.folio,
            "complaint": entry.complaint,
            "asked_ms": to_ms(entry.at),
            "result": entry.result,
        }
        await self._connection.execute(insert_new(self._connection, windows).values(row))

    async def find(self, message_id: MessageId, *, ours: bool) -> WindowEntry | None:
        """Return the window a message asked for."""
        here = and_(windows.c.message_id == message_id, windows.c.ours.is_(ours))
        row = (await self._connection.execute(select(windows).where(here))).first()
        return None if row is None else _entry(row)

    async def answered(self, message_id: MessageId, peer: NodeId, result: str) -> bool:
        """Note what came of a window we asked `peer` for."""
        here = and_(windows.c.message_id == message_id, windows.c.ours.is_(True), windows.c.peer == peer)
        return (await self._connection.execute(update(windows).where(here).values(result=result))).rowcount == 1

    async def of_complaint(self, peer: NodeId, complaint: str) -> Folio | None:
        """Return the case a complaint of `peer` first named here."""
        here = and_(windows.c.peer == peer, windows.c.complaint == complaint, windows.c.ours.is_(False))
        first = select(windows.c.folio).where(here, windows.c.result != "refused").order_by(windows.c.asked_ms).limit(1)
        found = (await self._connection.execute(first)).scalar_one_or_none()
        return None if found is None else Folio(found)

    async def opened_since(self, peer: NodeId, since: datetime) -> int:
        """Return how many windows `peer` asked for here since a moment."""
        here = and_(windows.c.peer == peer, windows.c.ours.is_(False), windows.c.asked_ms > to_ms(since))
        return int((await self._connection.execute(select(func.count()).select_from(windows).where(here))).scalar_one())

    async def all(self, *, ours: bool, limit: int) -> Sequence[WindowEntry]:
        """Return windows, newest first."""
        statement = select(windows).where(windows.c.ours.is_(ours)).order_by(windows.c.asked_ms.desc()).limit(limit)
        return [_entry(row) for row in await self._connection.execute(statement)]

    async def steps(self, us: NodeId, case_refs: Sequence[str], messages: Collection[MessageId]) -> Sequence[Step]:
        """Return the exchanges of a case, and those in which one of `messages` was said, oldest first."""
        said = select(exchange_messages.c.opener, exchange_messages.c.opening_id)
        named = tuple_(exchanges.c.opener, exchanges.c.opening_id).in_(
            said.where(exchange_messages.c.message_id.in_(list(messages)))
        )
        statement = select(exchanges).where(or_(exchanges.c.case_ref.in_(list(case_refs)), named))
        rows = (await self._connection.execute(statement.order_by(exchanges.c.opened_ms, exchanges.c.opening_id))).all()
        if not rows:
            return []
        keys = [(row.opener, row.opening_id) for row in rows]
        inside = tuple_(exchange_messages.c.opener, exchange_messages.c.opening_id).in_(keys)
        spoken = (await self._connection.execute(select(exchange_messages).where(inside))).all()
        return [_step(us, row, [item for item in spoken if item.opening_id == row.opening_id]) for row in rows]

    async def leaves(self, messages: Collection[MessageId]) -> Mapping[MessageId, bytes]:
        """Return the hash of the first leaf about each message."""
        statement = select(leaves.c.message_id, leaves.c.leaf_hash).where(leaves.c.message_id.in_(list(messages)))
        ordered = statement.order_by(leaves.c.epoch.desc(), leaves.c.leaf_index.desc())
        return {MessageId(row.message_id): row.leaf_hash for row in await self._connection.execute(ordered)}


def _step(us: NodeId, row: Any, spoken: Sequence[Any]) -> Step:
    opening = next((item.kind for item in spoken if item.message_id == row.opening_id), row.machine)
    answers = [item.logged_ms for item in spoken if item.said_by == Side.ADDRESSEE.value]
    opener = NodeId(row.opener)
    return Step(
        opener=opener,
        addressee=NodeId(row.peer) if opener == us else us,
        opening=MessageId(row.opening_id),
        thread_id=ThreadId(row.thread_id),
        kind=opening,
        opened_at=from_ms(row.opened_ms),
        due=maybe_from_ms(row.deadline_ms),
        answered_at=from_ms(min(answers)) if answers else None,
        state=row.state,
        outcome=row.outcome,
    )


def _entry(row: Any) -> WindowEntry:
    return WindowEntry(
        message_id=MessageId(row.message_id),
        ours=row.ours,
        peer=NodeId(row.peer),
        folio=Folio(row.folio),
        complaint=row.complaint,
        at=from_ms(row.asked_ms),
        result=row.result,
    )
