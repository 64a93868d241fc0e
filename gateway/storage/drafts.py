"""Forms that are not finished, and reports the node itself took (gateway.exchange.ports.drafts). Content is sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import ActorPseudonym, Code, MessageId, ThreadId
from gateway.exchange.ports.departures import PersonRef
from gateway.exchange.ports.drafts import FormDraft, TakenReport
from gateway.storage.draft_tables import form_drafts, taken_reports
from gateway.storage.retention import MOST_AT_A_LOOK, not_kept
from gateway.storage.rows import from_ms, insert_new, to_ms

_DROPPED_MS = 0
"""When a dropped draft was last changed: longer ago than anything is kept."""


class SqlFormDrafts:
    """The drafts of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, draft_id: MessageId) -> FormDraft | None:
        """Return one, locked until the transaction ends."""
        return await self._first(form_drafts.c.id == draft_id)

    async def of_purpose(self, person: PersonRef, purpose: str) -> FormDraft | None:
        """Return a person's draft of a form."""
        return await self._first(and_(form_drafts.c.person_id == person, form_drafts.c.purpose == purpose))

    async def _first(self, where: ColumnElement[bool]) -> FormDraft | None:
        row = (await self._connection.execute(select(form_drafts).where(where, _THERE).with_for_update())).first()
        return None if row is None else _draft(row)

    async def of_person(self, person: PersonRef, purposes: str, *, limit: int) -> Sequence[FormDraft]:
        """Return a person's drafts whose purpose begins so, the last changed first."""
        statement = select(form_drafts).where(form_drafts.c.person_id == person, _begins(purposes), _THERE)
        rows = await self._connection.execute(statement.order_by(form_drafts.c.changed_ms.desc()).limit(limit))
        return [_draft(row) for row in rows]

    async def count(self, person: PersonRef) -> int:
        """Return how many drafts a person has."""
        statement = select(func.count()).select_from(form_drafts).where(form_drafts.c.person_id == person, _THERE)
        return int((await self._connection.execute(statement)).scalar_one())

    async def add(self, draft: FormDraft) -> bool:
        """File a first version; False when the person has a draft of that purpose."""
        row = {
            "id": draft.id,
            "person_id": draft.person,
            "purpose": draft.purpose,
            "office": draft.office,
            "thread_id": draft.thread_id,
            "own_thread": draft.own_thread,
            "version": draft.version,
            "sealed": draft.sealed,
            "made_ms": to_ms(draft.made_at),
            "changed_ms": to_ms(draft.changed_at),
        }
        return (await self._connection.execute(insert_new(self._connection, form_drafts).values(row))).rowcount == 1

    async def change(self, draft: FormDraft) -> bool:
        """Write a later version over the one before it; False when another was first."""
        here = and_(form_drafts.c.id == draft.id, form_drafts.c.version == draft.version - 1, _THERE)
        values = {"version": draft.version, "sealed": draft.sealed, "changed_ms": to_ms(draft.changed_at)}
        return (await self._connection.execute(update(form_drafts).where(here).values(values))).rowcount == 1

    async def drop(self, draft_id: MessageId) -> None:
        """Forget what is in a draft; its row, and the key that is its own, go with the next sweep."""
        await self._drop(form_drafts.c.id == draft_id)

    async def drop_of_thread(self, thread_id: ThreadId, purposes: str) -> None:
        """Forget every person's drafts in a thread whose purpose begins so."""
        await self._drop(and_(form_drafts.c.thread_id == thread_id, _begins(purposes)))

    async def _drop(self, where: ColumnElement[bool]) -> None:
        # The purpose is free again: somebody may begin the same form anew before the sweep.
        gone = {"sealed": b"", "changed_ms": _DROPPED_MS, "purpose": form_drafts.c.id}
        await self._connection.execute(update(form_drafts).where(where).values(gone))

    async def outlived(self, *, before: datetime, limit: int) -> Sequence[FormDraft]:
        """Return drafts last changed before a time, and those that were dropped."""
        statement = select(form_drafts).where(form_drafts.c.changed_ms < to_ms(before)).order_by(form_drafts.c.changed_ms)
        return [_draft(row) for row in await self._connection.execute(statement.limit(limit))]

    async def remove(self, draft_ids: Sequence[MessageId]) -> None:
        """Take rows away."""
        if draft_ids:
            await self._connection.execute(delete(form_drafts).where(form_drafts.c.id.in_(list(draft_ids))))


class SqlTakenReports:
    """The node's own reports, of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, report: TakenReport) -> None:
        """File one; a thread that has one keeps it."""
        row = {
            "thread_id": report.thread_id,
            "message_id": report.message_id,
            "office": report.office,
            "actor": report.actor,
            "sealed": report.sealed,
            "taken_ms": to_ms(report.taken_at),
        }
        await self._connection.execute(insert_new(self._connection, taken_reports).values(row))

    async def find(self, thread_id: ThreadId) -> TakenReport | None:
        """Return one."""
        statement = select(taken_reports).where(taken_reports.c.thread_id == thread_id)
        row = (await self._connection.execute(statement)).first()
        if row is None:
            return None
        return TakenReport(
            ThreadId(row.thread_id),
            MessageId(row.message_id),
            Code(row.office),
            ActorPseudonym(row.actor),
            row.sealed,
            from_ms(row.taken_ms),
        )

    async def outlived(self, *, before: datetime, now: datetime, limit: int) -> Sequence[ThreadId]:
        """Return threads of reports taken before a time whose texts are still there, and that nothing keeps."""
        old = and_(taken_reports.c.taken_ms < to_ms(before), func.length(taken_reports.c.sealed) > 0)
        oldest = select(taken_reports.c.thread_id).where(old).order_by(taken_reports.c.taken_ms).limit(MOST_AT_A_LOOK)
        threads = (await self._connection.execute(oldest)).scalars().all()
        return await not_kept(self._connection, threads, to_ms(now), limit=limit)


_THERE = form_drafts.c.changed_ms > _DROPPED_MS


def _begins(purposes: str) -> ColumnElement[bool]:
    return form_drafts.c.purpose.startswith(purposes, autoescape=True)


def _draft(row: Any) -> FormDraft:
    return FormDraft(
        id=MessageId(row.id),
        person=row.person_id,
        purpose=row.purpose,
        office=None if row.office is None else Code(row.office),
        thread_id=ThreadId(row.thread_id),
        own_thread=row.own_thread,
        version=row.version,
        sealed=row.sealed,
        made_at=from_ms(row.made_ms),
        changed_at=from_ms(row.changed_ms),
    )
