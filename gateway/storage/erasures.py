"""What is to go, what went, what a law keeps (gateway.exchange.erasure_ports.Erasures). Rows are never deleted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select, union, update

from contracts.ids import ActorPseudonym, Code, Folio, NodeId, ThreadId
from contracts.threads import CLOSED
from gateway.exchange.erasure_ports import EraserWatch, Erasure, ErasureState, Found, ItemKind, LegalHold
from gateway.exchange.sheet_ports import SheetState
from gateway.exchange.states import InboxState, OutboxState
from gateway.storage.attachments import SqlAttachments
from gateway.storage.case_tables import departures, disclosures, exchanges, held_texts, work_items
from gateway.storage.draft_tables import form_drafts, taken_reports
from gateway.storage.erasure_tables import UNANSWERED, WAITS, erasing_watch, erasures, legal_holds, received_records
from gateway.storage.outbox import change_bodies
from gateway.storage.retention import SqlRetention
from gateway.storage.rows import from_json, from_ms, insert_new, insert_or_change, maybe_from_ms, maybe_to_ms, to_json, to_ms
from gateway.storage.sheet_tables import LIVE as LIVE_SHEETS
from gateway.storage.sheet_tables import sheets
from gateway.storage.tables import cases, inbox, leaf_staging, leaves, outbox
from keys.leaves import without_person

_NOTHING = b""
ERASED_STATE = "erased"
"""Of a case and of an exchange whose thread was erased."""


class SqlErasures(SqlRetention):
    """The erasures of one open transaction."""

    # -- orders ------------------------------------------------------------------------------------------------------

    async def find(self, sender: NodeId, items: Iterable[str]) -> Mapping[str, Found]:
        """Return where records and messages that `sender` sent stand."""
        wanted = list(items)
        records = select(received_records.c.record_id.label("item"), received_records.c.thread_id).where(
            received_records.c.sender == sender, received_records.c.record_id.in_(wanted)
        )
        messages = select(inbox.c.message_id.label("item"), inbox.c.thread_id).where(
            inbox.c.sender == sender, inbox.c.message_id.in_(wanted)
        )
        rows = (await self._connection.execute(union(records, messages))).all()
        shared = await self._shared(sender, {row.thread_id for row in rows})
        return {row.item: Found(ThreadId(row.thread_id), row.thread_id not in shared) for row in rows}

    async def _shared(self, sender: NodeId, threads: set[str]) -> set[str]:
        """Return the threads that hold anything of another peer: whoever names a thread must not erase theirs."""
        came = select(inbox.c.thread_id).where(inbox.c.thread_id.in_(threads), inbox.c.sender != sender)
        went = select(outbox.c.thread_id).where(outbox.c.thread_id.in_(threads), outbox.c.lane != sender)
        return {row.thread_id for row in await self._connection.execute(union(came, went))}

    async def add(self, entries: Sequence[Erasure]) -> None:
        """File what is to go; an item of one order that is there stays as it was."""
        if entries:
            await self._connection.execute(insert_new(self._connection, erasures), [_row(entry) for entry in entries])

    async def ordered_before(self, items: Iterable[tuple[NodeId, str]]) -> frozenset[tuple[NodeId, str]]:
        """Return which of these (sender, item) the sender once ordered erased, and were not refused."""
        asked = frozenset(items)
        # Not as pairs: SQLite finds several of those only by reading through all of them.
        here = erasures.c.item.in_(sorted({item for _, item in asked}))
        statement = select(erasures.c.ordered_by, erasures.c.item).where(here, erasures.c.state != ErasureState.REFUSED.value)
        return frozenset((NodeId(row.ordered_by), row.item) for row in await self._connection.execute(statement)) & asked

    async def came_late(self, sender: NodeId, item: str, found: Found, *, shred_at: datetime) -> None:
        """Note that an item arrived whose erasure was ordered already: it is blocked."""
        here = and_(erasures.c.ordered_by == sender, erasures.c.item == item, erasures.c.state != ErasureState.REFUSED.value)
        blocked = {
            "state": ErasureState.BLOCKED.value,
            "thread_id": found.thread_id,
            "whole": found.whole,
            "shred_ms": to_ms(shred_at),
        }
        await self._connection.execute(update(erasures).where(here).values(blocked))

    async def due(self, *, now: datetime, limit: int) -> Sequence[Erasure]:
        """Return what waits and whose time has come, oldest first."""
        statement = select(erasures).where(WAITS, erasures.c.shred_ms <= to_ms(now)).order_by(erasures.c.shred_ms)
        return [_entry(row) for row in await self._connection.execute(statement.limit(limit))]

    async def waiting(self, *, limit: int) -> Sequence[Erasure]:
        """Return what is to go and has not gone, the next first."""
        statement = select(erasures).where(WAITS).order_by(erasures.c.shred_ms, erasures.c.item).limit(limit)
        return [_entry(row) for row in await self._connection.execute(statement)]

    async def end(self, entries: Sequence[Erasure], state: ErasureState, *, now: datetime, basis: Code | None = None) -> None:
        """Note that items went, or are kept and why."""
        change = update(erasures).where(
            erasures.c.ordered_by == bindparam("b_by"),
            erasures.c.order_id == bindparam("b_order"),
            erasures.c.item == bindparam("b_item"),
        )
        rows = [{"b_by": entry.ordered_by, "b_order": entry.order_id, "b_item": entry.item} for entry in entries]
        if rows:
            await self._connection.execute(change.values(state=state.value, basis=basis, ended_ms=to_ms(now)), rows)

    async def keep_marked(self, thread_id: ThreadId) -> None:
        """Take back the marks of a thread whose time is over: a law keeps it."""
        here = and_(erasures.c.thread_id == thread_id, erasures.c.state == ErasureState.MARKED.value)
        await self._connection.execute(update(erasures).where(here).values(state=ErasureState.REFUSED.value))

    async def answerable(self, *, limit: int) -> Sequence[Sequence[Erasure]]:
        """Return the items of peers' orders, order by order, of which none waits any more and none is answered."""
        statement = select(erasures).where(UNANSWERED, erasures.c.kind != ItemKind.THREAD.value)
        orders: defaultdict[tuple[str, str], list[Erasure]] = defaultdict(list)
        for row in await self._connection.execute(statement.order_by(erasures.c.ordered_ms, erasures.c.item).limit(limit)):
            orders[row.ordered_by, row.order_id].append(_entry(row))
        waits = (ErasureState.BLOCKED, ErasureState.MARKED)
        return [entries for entries in orders.values() if not any(entry.state in waits for entry in entries)]

    async def unanswered_since(self, before: datetime, *, limit: int) -> Sequence[tuple[NodeId, str]]:
        """Return (peer, order) of orders older than `before` that have no receipt yet."""
        late = and_(UNANSWERED, erasures.c.ordered_ms < to_ms(before), erasures.c.kind != ItemKind.THREAD.value)
        # Told apart here: to do it SQLite would read through everything that was ever erased.
        statement = select(erasures.c.ordered_by, erasures.c.order_id).where(late).order_by(erasures.c.ordered_ms).limit(limit)
        rows = await self._connection.execute(statement)
        return list(dict.fromkeys((NodeId(row.ordered_by), row.order_id) for row in rows))

    async def answered(self, ordered_by: NodeId, order_id: str, *, now: datetime) -> bool:
        """Note that an order's receipt is on its way; False when it was before."""
        here = and_(erasures.c.ordered_by == ordered_by, erasures.c.order_id == order_id, erasures.c.answered_ms.is_(None))
        return (await self._connection.execute(update(erasures).where(here).values(answered_ms=to_ms(now)))).rowcount > 0

    # -- what goes ---------------------------------------------------------------------------------------------------

    async def empty(self, threads: Sequence[ThreadId], *, now: datetime, only_from: NodeId | None = None) -> None:
        """Take the sealed texts of these threads out of every table, and what their leaves say of a person."""
        came = select(inbox.c.sender, inbox.c.message_id).where(inbox.c.thread_id.in_(list(threads)))
        # Chosen here: asked for the sender too, SQLite would read through all that ever came from there.
        keys = [row for row in await self._connection.execute(came) if only_from in (None, row.sender)]
        messages = {row.message_id for row in keys}
        if keys:
            gone = [{"b_sender": row.sender, "b_message_id": row.message_id} for row in keys]
            await self._connection.execute(_EMPTIED, gone)
        await SqlAttachments(self._connection).erase(threads, only_from=only_from)
        if only_from is None:
            messages |= await self._empty_whole(threads, now)
        for table, key in ((leaves, (leaves.c.epoch, leaves.c.leaf_index)), (leaf_staging, (leaf_staging.c.id,))):
            await self._forget(table, key, sorted(messages))

    async def _empty_whole(self, threads: Sequence[ThreadId], now: datetime) -> set[str]:
        went = outbox.c.thread_id.in_(list(threads))
        keys = (await self._connection.execute(select(outbox.c.lane, outbox.c.message_id).where(went))).all()
        sent = [(row.lane, row.message_id) for row in keys]
        await change_bodies(self._connection, sent, body=_NOTHING, envelope=_NOTHING, manifest="{}")
        await self._connection.execute(update(outbox).where(went).values(retain_ms=None))
        texts = update(held_texts).where(held_texts.c.thread_id.in_(list(threads)))
        await self._connection.execute(texts.values(sealed=_NOTHING))
        drafts = update(departures).where(departures.c.thread_id.in_(list(threads)))
        await self._connection.execute(drafts.values(sealed=_NOTHING))
        for table in (form_drafts, taken_reports):
            written = update(table).where(table.c.thread_id.in_(list(threads)))
            await self._connection.execute(written.values(sealed=_NOTHING))
        await self._empty_sheets(threads, now)
        await self._connection.execute(update(cases).where(cases.c.thread_id.in_(list(threads))).values(state=ERASED_STATE))
        await self._end_exchanges(threads, now)
        return {message_id for _, message_id in sent}

    async def _empty_sheets(self, threads: Sequence[ThreadId], now: datetime) -> None:
        here = sheets.c.thread_id.in_(list(threads))
        ended = {"state": SheetState.WITHDRAWN.value, "reason": "erased", "ended_ms": to_ms(now)}
        await self._connection.execute(update(sheets).where(here, LIVE_SHEETS).values(ended))
        await self._connection.execute(update(sheets).where(here).values(sealed=_NOTHING))

    async def _end_exchanges(self, threads: Sequence[ThreadId], now: datetime) -> None:
        """Wait for nothing more in these threads, and let nobody work on them: nothing can be said there again."""
        here = exchanges.c.thread_id.in_(list(threads))
        keys = (await self._connection.execute(select(exchanges.c.opener, exchanges.c.opening_id).where(here))).all()
        over = {"state": ERASED_STATE, "awaited": None, "pending_slot": None}
        open_ = update(exchanges).where(here, exchanges.c.state != CLOSED)
        await self._connection.execute(open_.values(over))
        rows = [{"b_opener": row.opener, "b_opening": row.opening_id, "b_now": to_ms(now)} for row in keys]
        if rows:
            await self._connection.execute(_WORK_ENDED, rows)

    async def _forget(self, table: Any, key: tuple[Any, ...], messages: Sequence[str]) -> None:
        """Leave of the leaves of these messages what speaks of the exchange, and nothing of a person (SPEC 7.1)."""
        about = table.c.message_id.in_(list(messages))
        rows = (await self._connection.execute(select(*key, table.c.disclosures).where(about))).all()
        for row in rows:
            here = and_(*(column == getattr(row, column.name) for column in key))
            shorter = to_json(without_person(from_json(row.disclosures)))
            await self._connection.execute(update(table).where(here).values(disclosures=shorter))

    async def end_queued(self, threads: Sequence[ThreadId], *, now: datetime) -> None:
        """Handle and send nothing more of these threads."""
        came = and_(inbox.c.thread_id.in_(list(threads)), inbox.c.state.in_([InboxState.WAITING.value, InboxState.HELD.value]))
        await self._connection.execute(update(inbox).where(came).values(state=InboxState.DONE.value, last_error="erased"))
        went = and_(outbox.c.thread_id.in_(list(threads)), outbox.c.state == OutboxState.WAITING.value)
        ended = {"state": OutboxState.WITHDRAWN.value, "reason": "erased", "ended_ms": to_ms(now)}
        taken = update(outbox).where(went).values(ended).returning(outbox.c.lane, outbox.c.message_id)
        keys = [(row.lane, row.message_id) for row in await self._connection.execute(taken)]
        await change_bodies(self._connection, keys, envelope=_NOTHING)

    # -- what stays --------------------------------------------------------------------------------------------------

    async def holds(self, threads: Iterable[ThreadId]) -> Mapping[ThreadId, Code]:
        """Return which of these threads a law keeps, and which."""
        here = and_(legal_holds.c.thread_id.in_(list(threads)), legal_holds.c.lifted_ms.is_(None))
        rows = await self._connection.execute(select(legal_holds).where(here).order_by(legal_holds.c.set_ms))
        return {ThreadId(row.thread_id): Code(row.basis) for row in rows}

    async def hold(self, thread_id: ThreadId, basis: Code, *, by: ActorPseudonym, now: datetime) -> bool:
        """Keep a thread for a law; False when one keeps it already."""
        if await self.holds([thread_id]):
            return False
        row = {"thread_id": thread_id, "set_ms": to_ms(now), "basis": basis, "set_by": by, "lifted_by": None, "lifted_ms": None}
        again = insert_or_change(self._connection, legal_holds, ("basis", "set_by", "lifted_by", "lifted_ms"))
        await self._connection.execute(again.values(row))
        return True

    async def lift(self, thread_id: ThreadId, *, by: ActorPseudonym, now: datetime) -> bool:
        """End that; False when nothing keeps it."""
        here = and_(legal_holds.c.thread_id == thread_id, legal_holds.c.lifted_ms.is_(None))
        lifted = update(legal_holds).where(here).values(lifted_by=by, lifted_ms=to_ms(now))
        return (await self._connection.execute(lifted)).rowcount > 0

    async def kept(self, *, limit: int) -> Sequence[LegalHold]:
        """Return the threads that are kept, oldest first."""
        statement = select(legal_holds).where(legal_holds.c.lifted_ms.is_(None)).order_by(legal_holds.c.set_ms).limit(limit)
        return [
            LegalHold(ThreadId(row.thread_id), Code(row.basis), ActorPseudonym(row.set_by), from_ms(row.set_ms))
            for row in await self._connection.execute(statement)
        ]

    # -- the eraser's own row ----------------------------------------------------------------------------------------

    async def watch(self) -> EraserWatch:
        """Return how the eraser stands, locked until the transaction ends."""
        row = (await self._connection.execute(select(erasing_watch).with_for_update())).one_or_none()
        if row is None:
            return EraserWatch(None, None, None, None, scrub_due=False)
        stopped, allowed = maybe_from_ms(row.stopped_ms), maybe_from_ms(row.allowed_until_ms)
        return EraserWatch(from_ms(row.last_run_ms), row.stopped, stopped, allowed, row.scrub_due)

    async def set_watch(self, watch: EraserWatch) -> None:
        """Write down how it stands."""
        row = {
            "id": 1,
            "last_run_ms": 0 if watch.last_run is None else to_ms(watch.last_run),
            "stopped": watch.stopped,
            "stopped_ms": maybe_to_ms(watch.stopped_at),
            "allowed_until_ms": maybe_to_ms(watch.allowed_until),
            "scrub_due": watch.scrub_due,
        }
        names = tuple(name for name in row if name != "id")
        await self._connection.execute(insert_or_change(self._connection, erasing_watch, names).values(row))

    # -- cases, as people name them ----------------------------------------------------------------------------------

    async def case_refs(self, text: str) -> Sequence[str]:
        """Return what our own books call a case that people name by folio, thread or reference."""
        refs: list[str] = []
        for thread in await self._case_threads(text):
            first = select(exchanges.c.case_ref).where(exchanges.c.thread_id == thread)
            ordered = first.order_by(exchanges.c.opened_ms, exchanges.c.opening_id)
            refs += [*(await self._connection.execute(ordered)).scalars(), thread]
        for column in (exchanges.c.case_ref, disclosures.c.case_ref):
            known = (await self._connection.execute(select(column).where(column == text).limit(1))).scalars()
            refs += [] if refs else known
        return list(dict.fromkeys(refs))

    async def _case_threads(self, text: str) -> Sequence[str]:
        here: ColumnElement[bool] = cases.c.thread_id == text
        if Folio.pattern.fullmatch(text):
            here = cases.c.folio == text
        found = select(cases.c.thread_id).where(here).order_by(cases.c.thread_id)
        return (await self._connection.execute(found)).scalars().all()


_EMPTIED = (
    update(inbox)
    .where(inbox.c.sender == bindparam("b_sender"), inbox.c.message_id == bindparam("b_message_id"))
    .values(body=_NOTHING, retain_ms=None)
)


_WORK_ENDED = (
    update(work_items)
    .where(
        work_items.c.opener == bindparam("b_opener"),
        work_items.c.opening_id == bindparam("b_opening"),
        work_items.c.ended_ms.is_(None),
    )
    .values(ended_ms=bindparam("b_now"))
)


def _row(entry: Erasure) -> dict[str, Any]:
    return {
        "ordered_by": entry.ordered_by,
        "order_id": entry.order_id,
        "item": entry.item,
        "kind": entry.kind.value,
        "thread_id": entry.thread_id,
        "whole": entry.whole,
        "reason": entry.reason,
        "state": entry.state.value,
        "basis": entry.basis,
        "ordered_ms": to_ms(entry.ordered_at),
        "shred_ms": to_ms(entry.shred_at),
        "ended_ms": maybe_to_ms(entry.ended_at),
        "answered_ms": maybe_to_ms(entry.answered_at),
    }


def _entry(row: Any) -> Erasure:
    return Erasure(
        ordered_by=NodeId(row.ordered_by),
        order_id=row.order_id,
        item=row.item,
        kind=ItemKind(row.kind),
        thread_id=ThreadId(row.thread_id) if row.thread_id else None,
        whole=row.whole,
        reason=row.reason,
        state=ErasureState(row.state),
        ordered_at=from_ms(row.ordered_ms),
        shred_at=from_ms(row.shred_ms),
        basis=Code(row.basis) if row.basis else None,
        ended_at=maybe_from_ms(row.ended_ms),
        answered_at=maybe_from_ms(row.answered_ms),
    )
