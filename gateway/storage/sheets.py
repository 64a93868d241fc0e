"""Search sheets (gateway.exchange.sheet_ports.Sheets)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import ActorPseudonym, Code, ThreadId
from gateway.exchange.sheet_ports import Sheet, SheetId, SheetState
from gateway.storage.rows import from_ms, maybe_from_ms, maybe_to_ms, to_ms
from gateway.storage.sheet_tables import LIVE, sheets


class SqlSheets:
    """The sheets of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, sheet: Sheet) -> None:
        """File a new one."""
        await self._connection.execute(insert(sheets).values(_row(sheet)))

    async def find(self, sheet_id: SheetId) -> Sheet | None:
        """Return one, locked until the transaction ends."""
        return await self._one(select(sheets).where(sheets.c.id == sheet_id).with_for_update())

    async def by_code(self, code: bytes) -> Sheet | None:
        """Return the one of a code, by its digest."""
        return await self._one(select(sheets).where(sheets.c.code == code))

    async def approve(self, sheet_id: SheetId, by: str) -> bool:
        """Make a waiting one valid."""
        waits = update(sheets).where(sheets.c.id == sheet_id, sheets.c.state == SheetState.WAITING.value)
        done = await self._connection.execute(waits.values(state=SheetState.VALID.value, approved_by=by))
        return done.rowcount == 1

    async def end(self, ids: Collection[SheetId], state: SheetState, *, reason: str, now: datetime) -> Sequence[Sheet]:
        """End those that wait or are valid; return them."""
        if not ids:
            return ()
        live = select(sheets).where(sheets.c.id.in_(list(ids)), LIVE).order_by(sheets.c.id).with_for_update()
        found = [_sheet(row) for row in await self._connection.execute(live)]
        values = {"state": state.value, "reason": reason, "ended_ms": to_ms(now)}
        here = update(sheets).where(sheets.c.id.in_([sheet.id for sheet in found]))
        await self._connection.execute(here.values(values))
        return found

    async def of_cases(self, case_refs: Collection[str]) -> Sequence[Sheet]:
        """Return the sheets of a case, by our own reference or its thread, that wait or are valid."""
        refs, found = list(case_refs), dict[str, Sheet]()
        for column in (sheets.c.case_ref, sheets.c.thread_id):
            rows = await self._connection.execute(select(sheets).where(column.in_(refs), LIVE).order_by(sheets.c.id))
            found |= {row.id: _sheet(row) for row in rows}
        return list(found.values())

    async def listed(self, *, limit: int) -> Sequence[Sheet]:
        """Return sheets, newest first."""
        newest = select(sheets).order_by(sheets.c.made_ms.desc(), sheets.c.id).limit(limit)
        return [_sheet(row) for row in await self._connection.execute(newest)]

    async def _one(self, statement: Any) -> Sheet | None:
        row = (await self._connection.execute(statement)).one_or_none()
        return None if row is None else _sheet(row)


def _row(sheet: Sheet) -> dict[str, Any]:
    return {
        "id": sheet.id,
        "thread_id": sheet.thread_id,
        "case_ref": sheet.case_ref,
        "code": sheet.code,
        "content": sheet.content,
        "sealed": sheet.sealed,
        "state": sheet.state.value,
        "office": sheet.office,
        "drafted_by": sheet.drafted_by,
        "actor": sheet.actor,
        "approved_by": sheet.approved_by,
        "made_ms": to_ms(sheet.made_at),
        "expires_ms": to_ms(sheet.expires_at),
        "ended_ms": maybe_to_ms(sheet.ended_at),
        "reason": sheet.reason,
    }


def _sheet(row: Any) -> Sheet:
    return Sheet(
        id=SheetId(row.id),
        thread_id=ThreadId(row.thread_id),
        case_ref=row.case_ref,
        code=row.code,
        content=row.content,
        sealed=row.sealed,
        state=SheetState(row.state),
        drafted_by=row.drafted_by,
        actor=ActorPseudonym(row.actor),
        made_at=from_ms(row.made_ms),
        expires_at=from_ms(row.expires_ms),
        office=None if row.office is None else Code(row.office),
        approved_by=row.approved_by,
        ended_at=maybe_from_ms(row.ended_ms),
        reason=row.reason,
    )
