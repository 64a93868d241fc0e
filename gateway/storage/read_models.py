"""What people and commands may read: plain values with metadata, never a body. On the read engine."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, TextClause, and_, func, literal, or_, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.codec import parse_object
from contracts.ids import uuid7_ms
from gateway.exchange.ports.departures import DepartureState
from gateway.exchange.states import InboxState, OutboxState
from gateway.storage.case_models import kept_on_its_way
from gateway.storage.case_tables import OPEN_QUESTIONS, QUESTIONS, departures, exchanges, work_items
from gateway.storage.rows import from_json, maybe_from_ms, to_ms
from gateway.storage.seeing import Seen, hidden_from
from gateway.storage.tables import (
    INBOX_ASIDE,
    OUTBOX_ASIDE,
    alarms,
    backups,
    cases,
    imports,
    inbox,
    lanes,
    leaf_staging,
    log_epochs,
    log_head,
    outbox,
    outbox_bodies,
    reconciliations,
    seen,
)
from gateway.storage.work_items import SAME

PAGE = 1000
_WAITING = departures.c.state == DepartureState.WAITING.value


@dataclass(frozen=True, slots=True)
class SentMessage:
    """One message we sent, sealed body and receipt included: what evidence is made of."""

    message_id: str
    lane: str
    thread_id: str
    kind: str
    state: str
    digest: bytes
    body: bytes
    receipt: str | None


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """One message we received, sealed body and our receipt included."""

    message_id: str
    sender: str
    thread_id: str
    kind: str
    body: bytes
    receipt: str


class ReadModels:
    """Queries for the private port."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def engine(self) -> AsyncEngine:
        """The engine that reads, for other models."""
        return self._engine

    async def _all(self, statement: Any) -> list[Any]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())

    async def counts(self) -> dict[str, dict[str, int]]:
        """Return how many messages are in each state, and the sizes of log and alarms."""
        inboxed = await self._states(inbox, InboxState.DONE, INBOX_ASIDE)
        outboxed = await self._states(outbox, OutboxState.DELIVERED, OUTBOX_ASIDE)
        staged = await self._all(select(func.count()).select_from(leaf_staging))
        size = await self._all(select(func.coalesce(func.sum(log_head.c.size), 0)))
        raised = await self._all(select(func.count()).select_from(alarms).where(alarms.c.acknowledged_ms.is_(None)))
        return {
            "inbox": inboxed,
            "outbox": outboxed,
            "log": {"size": int(size[0][0]), "staged": staged[0][0]},
            "alarms": {"open": raised[0][0]},
        }

    async def _states(self, table: Table, usual: str, aside: TextClause) -> dict[str, int]:
        # Nearly all are in the usual state: they are what is left of the count of all, which reads one narrow index.
        waiting = select(literal("waiting"), func.count()).select_from(table).where(table.c.state == "waiting")
        others = select(table.c.state, func.count()).where(aside).group_by(table.c.state)
        everything = select(literal("all"), func.count()).select_from(table)
        counts = {state: int(number) for state, number in await self._all(union_all(everything, waiting, others))}
        total = counts.pop("all")
        counts[str(usual)] = total - sum(counts.values())
        return {state: number for state, number in counts.items() if number}

    async def last_backup(self) -> datetime | None:
        """Return when both databases were last backed up together; None before the first time."""
        newest = select(func.max(backups.c.taken_ms)).where(backups.c.kind == "keys")
        return maybe_from_ms((await self._all(newest))[0][0])

    async def restore(self) -> dict[str, Any] | None:
        """Return how the last restore stands; None when there was none."""
        opened = await self._all(select(log_epochs).order_by(log_epochs.c.epoch.desc()).limit(1))
        if not opened:
            return None
        peers = await self._all(select(reconciliations).order_by(reconciliations.c.peer))
        return {
            "restored": _iso(opened[0].opened_ms),
            "since": _iso(opened[0].since_ms),
            "announced": opened[0].announced_ms is not None,
            "waiting_for": [row.peer for row in peers if row.state == "asked"],
            "failed": [row.peer for row in peers if row.state == "failed"],
            "returned": sum(row.returned for row in peers),
            "lost": sum(row.lost for row in peers),
        }

    async def lanes(self) -> list[dict[str, Any]]:
        """Return every peer's lane with what waits in it."""
        waiting = and_(outbox.c.lane == lanes.c.peer, outbox.c.state == "waiting")
        statement = (
            select(lanes, func.count(outbox.c.message_id).label("waiting"), func.min(outbox.c.created_ms).label("oldest"))
            .outerjoin(outbox, waiting)
            .group_by(*lanes.c)
            .order_by(lanes.c.peer)
        )
        return [
            {
                "peer": row.peer,
                "waiting": row.waiting,
                "oldest_due": _iso(row.oldest),
                "failures": row.failures,
                "next_attempt": _iso(row.next_attempt_ms or None),
                "paused": row.paused,
                "held": row.held,
                "last_success": _iso(row.last_success_ms),
            }
            for row in await self._all(statement)
        ]

    async def outbox(self, state: str) -> list[dict[str, Any]]:
        """Return messages in one state, oldest first, at most a page."""
        statement = select(outbox).where(outbox.c.state == state).order_by(outbox.c.created_ms, outbox.c.message_id).limit(PAGE)
        if state not in {OutboxState.WAITING, OutboxState.DELIVERED}:
            statement = statement.where(OUTBOX_ASIDE)
        return [_outbox_row(row) for row in await self._all(statement)]

    async def cases(self, eyes: Seen | None = None) -> list[dict[str, Any]]:
        """Return cases, newest first, at most a page; with `eyes` not those that are the work of other offices alone."""
        shown = true() if eyes is None else _shown_to(eyes, cases.c.thread_id)
        other = cases.alias("other")
        joined = select(cases, other.c.folio.label("same_folio")).outerjoin(other, other.c.thread_id == cases.c.same_as)
        statement = joined.where(shown).order_by(cases.c.opened_ms.desc(), cases.c.thread_id).limit(PAGE)
        return [
            {
                "thread_id": row.thread_id,
                "kind": row.kind,
                "peer": row.peer,
                "state": row.state,
                "alias": row.alias,
                "folio": row.folio,
                "opened": _iso(row.opened_ms),
                "same_as": row.same_folio or row.same_as,
                **_journey(row),
            }
            for row in await self._all(statement)
        ]

    async def imported(self) -> list[dict[str, Any]]:
        """Return imported rows, at most a page: source, row, outcome, how many messages it became."""
        statement = select(imports).order_by(imports.c.imported_ms, imports.c.source, imports.c.row).limit(PAGE)
        return [
            {
                "source": row.source,
                "row": row.row,
                "outcome": row.outcome,
                "thread_id": row.thread_id,
                "messages": len(from_json(row.message_ids)),
                "imported": _iso(row.imported_ms),
            }
            for row in await self._all(statement)
        ]

    async def questions(self, now: datetime, eyes: Seen | None = None) -> list[dict[str, Any]]:
        """Return questions that came and that we asked, those due first on top; who they are about is not told.

        With `eyes` none that is the work of another office.
        """
        shown = true() if eyes is None else ~select(work_items.c.office).where(SAME, hidden_from(eyes)).exists()
        soonest = (exchanges.c.deadline_ms.is_(None), exchanges.c.deadline_ms, exchanges.c.opening_id)
        rows = await self._all(select(exchanges).where(OPEN_QUESTIONS, shown).order_by(*soonest).limit(PAGE))
        if len(rows) < PAGE:  # of those that are over the newest: nobody reads through what was asked in ten years
            over = select(exchanges).where(QUESTIONS, shown, exchanges.c.state.in_(("closed", "erased")))
            rows += await self._all(over.order_by(exchanges.c.opened_ms.desc()).limit(PAGE - len(rows)))
        return [
            {
                "request_id": row.opening_id,
                "kind": row.machine,
                "direction": "asked" if row.side == "opener" else "received",
                "peer": row.peer,
                "state": row.outcome or row.state,
                "opened": _iso(row.opened_ms),
                "deadline": _iso(row.deadline_ms),
                "overdue": row.awaited is not None and row.deadline_ms is not None and row.deadline_ms < to_ms(now),
            }
            for row in rows
        ]

    async def departures(self, eyes: Seen, *, actor: str) -> list[dict[str, Any]]:
        """Return what waits before it leaves, oldest first; ids and codes only.

        Not what is the work of other offices alone; what `actor` prepared these eyes always see.
        """
        statement = select(departures).where(_WAITING, _prepared_for(eyes, actor))
        statement = statement.order_by(departures.c.made_ms, departures.c.id).limit(PAGE)
        return [_departure_row(row) for row in await self._all(statement)]

    async def departure(self, departure_id: str) -> dict[str, Any] | None:
        """Return one of what waits before it leaves; None when nothing of that id waits."""
        found = await self._all(select(departures).where(_WAITING, departures.c.id == departure_id))
        return _departure_row(found[0]) if found else None

    async def departure_hidden(self, departure_id: str, eyes: Seen, *, actor: str) -> bool:
        """Return whether what waits, or waited, under an id is the work of other offices alone, and not of `actor`."""
        hidden = and_(departures.c.id == departure_id, ~_prepared_for(eyes, actor))
        return bool(await self._all(select(departures.c.id).where(hidden)))

    async def alarms(self) -> list[dict[str, Any]]:
        """Return open alarms, newest first."""
        statement = select(alarms).where(alarms.c.acknowledged_ms.is_(None)).order_by(alarms.c.raised_ms.desc()).limit(PAGE)
        return [
            {"code": row.code, "subject": row.subject, "peer": row.peer, "raised": _iso(row.raised_ms)}
            for row in await self._all(statement)
        ]

    async def message(self, message_id: str) -> dict[str, Any] | None:
        """Return what is known of one message, sent or received: metadata, states, receipt, manifest."""
        sent = await self._all(_joined().where(outbox.c.message_id == message_id))
        if sent:
            row = sent[0]
            return {
                **_outbox_row(row),
                "direction": "sent",
                "receipt": row.receipt,
                "manifest": parse_object(row.manifest.encode()),
                "digest": row.digest.hex(),
            }
        rows = await self._all(_received().where(inbox.c.message_id == message_id))
        return None if not rows else _inbox_row(rows[0])

    async def sent(self, message_id: str) -> SentMessage | None:
        """Return one message we sent."""
        rows = await self._all(_joined().where(outbox.c.message_id == message_id))
        if not rows:
            return None
        row = rows[0]
        return SentMessage(row.message_id, row.lane, row.thread_id, row.kind, row.state, row.digest, row.body, row.receipt)

    async def received(self, message_id: str) -> ReceivedMessage | None:
        """Return one message we received."""
        rows = await self._all(_received().where(inbox.c.message_id == message_id))
        if not rows:
            return None
        row = rows[0]
        return ReceivedMessage(row.message_id, row.sender, row.thread_id, row.kind, row.body, row.receipt)


def _joined() -> Any:
    both = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
    return select(outbox, outbox_bodies.c.digest, outbox_bodies.c.body, outbox_bodies.c.manifest, outbox_bodies.c.receipt).join(
        outbox_bodies, both
    )


def _received() -> Any:
    both = and_(inbox.c.sender == seen.c.sender, inbox.c.message_id == seen.c.message_id)
    return select(inbox, seen.c.receipt, seen.c.digest).join(seen, both)


def _journey(row: Any) -> dict[str, Any]:
    """Return when what opened a case was sent, and what kept it."""
    if row.kind not in {"report", "duty"}:
        return {"sent": None, "delayed_by": None}
    return {"sent": _iso(uuid7_ms(row.opened_by)), "delayed_by": "link" if kept_on_its_way(row) else None}


def _outbox_row(row: Any) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "peer": row.lane,
        "kind": row.kind,
        "thread_id": row.thread_id,
        "state": row.state,
        "attempts": row.attempts,
        "due": _iso(row.due_ms),
        "expires": _iso(row.expires_ms),
        "created": _iso(row.created_ms),
        "ended": _iso(row.ended_ms),
        "reason": row.reason,
    }


def _inbox_row(row: Any) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "peer": row.sender,
        "kind": row.kind,
        "thread_id": row.thread_id,
        "state": row.state,
        "attempts": row.attempts,
        "received": _iso(row.received_ms),
        "direction": "received",
        "receipt": row.receipt,
        "digest": row.digest.hex(),
        "error": row.last_error,
    }


def _departure_row(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "peer": row.peer,
        "in_reply_to": row.in_reply_to,
        "waits": from_json(row.waits),
        "leaves_at": _iso(row.leaves_ms),
        "made": _iso(row.made_ms),
        "drafted_by": row.actor,
        "content": row.content,
    }


def _shown_to(eyes: Seen, thread: ColumnElement[str]) -> ColumnElement[bool]:
    """Return whether the work in a thread is not that of other offices alone."""
    at_work = and_(exchanges.c.thread_id == thread, SAME)
    theirs, ours = (select(work_items.c.office).join(exchanges, SAME).where(at_work) for _ in range(2))
    mine = work_items.c.office.in_(list(eyes.offices))
    return or_(~theirs.where(hidden_from(eyes)).exists(), ours.where(mine).exists())


def _prepared_for(eyes: Seen, actor: str) -> ColumnElement[bool]:
    """Return whether what waits is of these eyes: begun at an office of theirs, in work of theirs, or prepared by them."""
    begun = and_(departures.c.office.is_not(None), ~hidden_from(eyes, departures.c.office))
    said = and_(departures.c.office.is_(None), _shown_to(eyes, departures.c.thread_id))
    return or_(begun, said, departures.c.actor == actor)


def _iso(milliseconds: int | None) -> str | None:
    moment: datetime | None = maybe_from_ms(milliseconds)
    return None if moment is None else moment.isoformat(timespec="seconds")
