"""Attachments in the books (gateway.exchange.attachment_ports). References are sealed; the rest is ids and codes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import MessageId, NodeId, RecordId, ThreadId
from gateway.exchange.attachment_ports import ENDED, AttachmentEntry, AttachmentId, AttachmentState
from gateway.storage.attachment_tables import ERASING, KEPT, READY, WANTED, attachments
from gateway.storage.case_tables import RECALLED, disclosures
from gateway.storage.rows import from_ms, insert_new, maybe_from_ms, maybe_to_ms, to_ms

_HERE = attachments.c
_ENDED = [state.value for state in ENDED]
_GONE = {"state": AttachmentState.ERASING.value, "sealed": b""}


class SqlAttachments:
    """The attachments of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, entries: Sequence[AttachmentEntry]) -> None:
        """File attachments; one whose thread has that ciphertext already stays as it was."""
        if entries:
            await self._connection.execute(insert_new(self._connection, attachments), [_row(entry) for entry in entries])

    async def find(self, ids: Collection[AttachmentId]) -> Mapping[AttachmentId, AttachmentEntry]:
        """Return those of these ids that are there."""
        return {entry.id: entry for entry in await self._all(_HERE.id.in_(list(ids)))} if ids else {}

    async def named(self, name: str) -> Sequence[AttachmentEntry]:
        """Return those of one ciphertext."""
        return await self._all(_HERE.name == name)

    async def listed(self, *, limit: int) -> Sequence[AttachmentEntry]:
        """Return attachments, newest first: an id begins with its time."""
        rows = await self._connection.execute(select(attachments).order_by(_HERE.id.desc()).limit(limit))
        return [_entry(row) for row in rows]

    async def left(self, names: Collection[str], peer: NodeId, message_id: MessageId, thread_id: ThreadId) -> None:
        """Note that a message of this transaction names these ciphertexts of its thread."""
        here = and_(_HERE.thread_id == thread_id, _HERE.name.in_(list(names)), _HERE.outgoing, not_(_HERE.state.in_(_ENDED)))
        values = {"state": AttachmentState.SENT.value, "peer": peer, "message_id": message_id}
        await self._connection.execute(update(attachments).where(here).values(values))

    async def claim(self, *, now: datetime, until: datetime, limit: int, but: Collection[NodeId]) -> Sequence[AttachmentEntry]:
        """Return wanted ones that are due, one a peer and none of the peers `but`; nobody else gets them before `until`."""
        due = and_(WANTED, _HERE.due_ms <= to_ms(now), not_(_HERE.peer.in_(list(but))))
        statement = select(attachments).where(due).order_by(_HERE.due_ms, _HERE.id).with_for_update(skip_locked=True)
        found: dict[NodeId | None, AttachmentEntry] = {}
        for row in await self._connection.execute(statement.limit(limit * 20)):
            entry = _entry(row)
            found.setdefault(entry.peer, entry)
        taken = list(found.values())[:limit]
        ids = [entry.id for entry in taken]
        await self._connection.execute(update(attachments).where(_HERE.id.in_(ids)).values(due_ms=to_ms(until)))
        return [replace(entry, due_at=until) for entry in taken]

    async def move(self, entry: AttachmentEntry) -> bool:
        """Write state, have, attempts, due time and reason of one that has not ended; False when it has."""
        here = and_(_HERE.id == entry.id, not_(_HERE.state.in_(_ENDED)))
        values = {
            "state": entry.state.value,
            "have": entry.have,
            "attempts": entry.attempts,
            "due_ms": maybe_to_ms(entry.due_at),
            "reason": entry.reason,
        }
        return (await self._connection.execute(update(attachments).where(here).values(values))).rowcount > 0

    async def kept_bytes(self, peer: NodeId | None = None) -> int:
        """Return the bytes of ciphertexts that are, or are coming, here: of all, or of those this peer sent."""
        here = and_(KEPT) if peer is None else and_(KEPT, _HERE.peer == peer, not_(_HERE.outgoing))
        counted = or_(_HERE.state != AttachmentState.WANTED.value, _HERE.have > 0)
        total = select(func.coalesce(func.sum(_HERE.size), 0)).where(here, counted)
        return int((await self._connection.execute(total)).scalar_one())

    # -- what goes -----------------------------------------------------------------------------------------------------

    async def erase(self, threads: Collection[ThreadId], *, only_from: NodeId | None = None) -> None:
        """Forget the references of these threads: all, or those that this peer sent. Their files are still to be removed."""
        here: ColumnElement[bool] = _HERE.thread_id.in_(list(threads))
        if only_from is not None:
            here = and_(here, _HERE.peer == only_from, not_(_HERE.outgoing))
        await self._forget(here)

    async def erase_one(self, attachment_id: AttachmentId) -> bool:
        """Forget one no message names; False when one does, or it is not there."""
        return await self._forget(and_(_HERE.id == attachment_id, READY)) > 0

    async def _forget(self, here: ColumnElement[bool]) -> int:
        gone = update(attachments).where(here, not_(_HERE.state.in_(_ENDED))).values(_GONE)
        return (await self._connection.execute(gone)).rowcount

    async def erasing(self, *, limit: int) -> Sequence[AttachmentEntry]:
        """Return those whose file is still to be removed."""
        rows = await self._connection.execute(select(attachments).where(ERASING).order_by(_HERE.made_ms).limit(limit))
        return [_entry(row) for row in rows]

    async def erased(self, ids: Collection[AttachmentId], *, now: datetime) -> None:
        """Note that their files are gone."""
        here = and_(_HERE.id.in_(list(ids)), ERASING)
        values = {"state": AttachmentState.ERASED.value, "ended_ms": to_ms(now)}
        await self._connection.execute(update(attachments).where(here).values(values))

    async def unused(self, *, before: datetime, limit: int) -> Sequence[AttachmentEntry]:
        """Return those made before a moment that no message names."""
        old = select(attachments).where(READY, _HERE.made_ms < to_ms(before)).order_by(_HERE.made_ms).limit(limit)
        return [_entry(row) for row in await self._connection.execute(old)]

    async def live_names(self, names: Iterable[str]) -> frozenset[str]:
        """Return which of these ciphertexts some attachment still has."""
        here = select(_HERE.name).where(_HERE.name.in_(list(names)), not_(_HERE.state.in_(_ENDED)))
        return frozenset((await self._connection.execute(here)).scalars())

    async def of_threads(self, threads: Collection[ThreadId]) -> Mapping[ThreadId, int]:
        """Return how many attachments these threads have or had."""
        counted = select(_HERE.thread_id, func.count().label("many")).where(_HERE.thread_id.in_(list(threads)))
        rows = await self._connection.execute(counted.group_by(_HERE.thread_id))
        return {ThreadId(row.thread_id): int(row.many) for row in rows}

    async def on_disk(self) -> Sequence[AttachmentEntry]:
        """Return those whose whole ciphertext should be here."""
        return await self._all(and_(KEPT, _HERE.state != AttachmentState.WANTED.value))

    async def recalled(self, records: Collection[RecordId]) -> None:
        """Serve no longer what the messages named that carried these records, and forget it."""
        carried = select(disclosures.c.message_id).where(disclosures.c.record_id.in_(list(records)))
        messages = list((await self._connection.execute(carried)).scalars())
        if messages:
            await self._forget(and_(_HERE.message_id.in_(messages), _HERE.outgoing))

    async def outstanding(self) -> Mapping[NodeId, int]:
        """Return how many attachments each node may still have of copies that must come back."""
        back = select(disclosures.c.message_id).where(RECALLED)
        here = and_(_HERE.outgoing, _HERE.message_id.in_(back))
        rows = await self._connection.execute(select(_HERE.peer, func.count().label("many")).where(here).group_by(_HERE.peer))
        return {NodeId(row.peer): int(row.many) for row in rows}

    async def _all(self, here: ColumnElement[bool]) -> Sequence[AttachmentEntry]:
        return [_entry(row) for row in await self._connection.execute(select(attachments).where(here))]


def _row(entry: AttachmentEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "thread_id": entry.thread_id,
        "name": entry.name,
        "outgoing": entry.outgoing,
        "peer": entry.peer,
        "message_id": entry.message_id,
        "size": entry.size,
        "media_type": entry.media_type,
        "grade": entry.grade,
        "sealed": entry.sealed,
        "state": entry.state.value,
        "have": entry.have,
        "attempts": entry.attempts,
        "due_ms": maybe_to_ms(entry.due_at),
        "reason": entry.reason,
        "made_ms": to_ms(entry.made_at),
        "ended_ms": None,
    }


def _entry(row: Any) -> AttachmentEntry:
    return AttachmentEntry(
        id=AttachmentId(row.id),
        thread_id=ThreadId(row.thread_id),
        peer=None if row.peer is None else NodeId(row.peer),
        outgoing=row.outgoing,
        name=row.name,
        size=row.size,
        media_type=row.media_type,
        grade=row.grade,
        sealed=row.sealed,
        state=AttachmentState(row.state),
        made_at=from_ms(row.made_ms),
        message_id=None if row.message_id is None else MessageId(row.message_id),
        have=row.have,
        attempts=row.attempts,
        due_at=maybe_from_ms(row.due_ms),
        reason=row.reason,
    )
