"""What waits before it leaves (gateway.exchange.ports.departures). Content is sealed; the rest is ids and codes."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, ThreadId
from gateway.exchange.ports.departures import Departure, DepartureState, PersonRef, ReceivedBody, SentBody, TakenAnswer
from gateway.exchange.states import InboxState
from gateway.storage.case_tables import departures, held_texts
from gateway.storage.people_tables import approvals
from gateway.storage.rows import from_json, from_ms, insert_new, insert_or_change, maybe_from_ms, maybe_to_ms, to_json, to_ms
from gateway.storage.tables import inbox, outbox, outbox_bodies

_ENDED = (DepartureState.LEFT.value, DepartureState.DROPPED.value)
_CHANGING = ("state", "content", "sealed", "waits", "leaves_ms")


class SqlDepartures:
    """The departures of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def serialise(self, case_refs: Iterable[str]) -> None:
        """Let nobody else judge or withdraw anything of these cases until this transaction ends."""
        if self._connection.dialect.name != "postgresql":
            return  # there is one writer
        for case_ref in sorted(set(case_refs)):
            await self._connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended(:case_ref, 17))"), {"case_ref": case_ref}
            )

    async def put(self, departure: Departure) -> None:
        """Write a departure down, or over; one that has ended stays as it is."""
        row = {
            "id": departure.id,
            "state": departure.state.value,
            "thread_id": departure.thread_id,
            "case_ref": departure.case_ref,
            "peer": departure.peer,
            "kind": departure.kind,
            "in_reply_to": departure.in_reply_to,
            "content": departure.content,
            "sealed": departure.sealed,
            "waits": to_json(departure.waits),
            "leaves_ms": maybe_to_ms(departure.leaves_at),
            "drafted_by": departure.drafted_by,
            "actor": departure.actor,
            "made_ms": to_ms(departure.made_at),
            "office": departure.office,
        }
        known = await self.find(departure.id)
        if known is not None and known.state.value in _ENDED:
            return
        await self._connection.execute(insert_or_change(self._connection, departures, _CHANGING).values(row))

    async def find(self, departure_id: MessageId) -> Departure | None:
        """Return one, locked until the transaction ends."""
        statement = select(departures).where(departures.c.id == departure_id).with_for_update()
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _departure(row)

    async def waiting(self, *, limit: int) -> Sequence[Departure]:
        """Return what waits, oldest first."""
        waiting = departures.c.state == DepartureState.WAITING.value
        rows = await self._connection.execute(select(departures).where(waiting).order_by(departures.c.made_ms).limit(limit))
        return [_departure(row) for row in rows]

    async def due(self, *, now: datetime, limit: int) -> Sequence[MessageId]:
        """Return what waits for the clock alone, and need wait no longer."""
        ready = and_(
            departures.c.state == DepartureState.WAITING.value,
            departures.c.waits == "[]",
            departures.c.leaves_ms <= to_ms(now),
        )
        rows = await self._connection.execute(
            select(departures.c.id).where(ready).order_by(departures.c.leaves_ms).limit(limit)
        )
        return [MessageId(row) for row in rows.scalars()]

    async def end(self, departure_id: MessageId, state: DepartureState, *, now: datetime) -> bool:
        """End one, and forget its sealed content."""
        open_ = and_(departures.c.id == departure_id, departures.c.state.not_in(_ENDED))
        values = {"state": state.value, "sealed": b"", "ended_ms": to_ms(now)}
        ended = await self._connection.execute(update(departures).where(open_).values(values))
        texts = update(held_texts).where(held_texts.c.message_id == departure_id).values(sealed=b"")
        await self._connection.execute(texts)  # that each was decided on, and by whom, stays
        return ended.rowcount == 1

    async def drop_shown(self, *, before: datetime, now: datetime) -> int:
        """Drop what was only looked at, before a moment."""
        old = and_(departures.c.state == DepartureState.SHOWN.value, departures.c.made_ms < to_ms(before))
        values = {"state": DepartureState.DROPPED.value, "sealed": b"", "ended_ms": to_ms(now)}
        return (await self._connection.execute(update(departures).where(old).values(values))).rowcount

    async def approve(self, departure_id: MessageId, content: str, person: PersonRef, *, now: datetime) -> None:
        """Note that a person agreed to exactly this content; twice is once."""
        row = {"subject": _subject(departure_id, content), "person_id": person, "given_ms": to_ms(now)}
        await self._connection.execute(insert_new(self._connection, approvals).values(row))

    async def approvers(self, departure_id: MessageId, content: str) -> frozenset[PersonRef]:
        """Return who agreed to exactly this content."""
        statement = select(approvals.c.person_id).where(approvals.c.subject == _subject(departure_id, content))
        return frozenset((await self._connection.execute(statement)).scalars())

    async def sent_body(self, peer: NodeId, message_id: MessageId) -> tuple[ThreadId, bytes] | None:
        """Return the thread and the sealed body of a message we sent to a peer."""
        both = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
        statement = select(outbox.c.thread_id, outbox_bodies.c.body).join(outbox_bodies, both)
        here = and_(outbox.c.lane == peer, outbox.c.message_id == message_id)
        row = (await self._connection.execute(statement.where(here))).first()
        return None if row is None else (ThreadId(row.thread_id), row.body)

    async def received_body(self, message_id: MessageId, kinds: Collection[str]) -> ReceivedBody | None:
        """Return a received message of one of these types; None also when two senders used that id."""
        here = and_(inbox.c.message_id == message_id, inbox.c.kind.in_(list(kinds)))
        columns = (inbox.c.sender, inbox.c.thread_id, inbox.c.body, inbox.c.received_ms)
        rows = (await self._connection.execute(select(*columns).where(here))).all()
        if len(rows) != 1:  # an id is its sender's own: of two senders' messages nobody can tell which is meant
            return None
        [row] = rows
        return ReceivedBody(NodeId(row.sender), ThreadId(row.thread_id), row.body, from_ms(row.received_ms))

    async def taken_answer(self, thread_id: ThreadId, question: MessageId, kinds: Collection[str]) -> TakenAnswer | None:
        """Return the answer to a question of ours in its thread, once it was handled."""
        return next(iter(await self._taken(thread_id, question, kinds, limit=1)), None)

    async def taken(self, thread_id: ThreadId, question: MessageId, kind: str) -> Sequence[TakenAnswer]:
        """Return every message of a type that answers a question of ours in its thread and was handled, oldest first."""
        return await self._taken(thread_id, question, [kind], limit=None)

    async def _taken(
        self, thread_id: ThreadId, question: MessageId, kinds: Collection[str], *, limit: int | None
    ) -> Sequence[TakenAnswer]:
        answers = and_(inbox.c.thread_id == thread_id, inbox.c.in_reply_to == question, inbox.c.kind.in_(list(kinds)))
        columns = (inbox.c.message_id, inbox.c.thread_id, inbox.c.body, inbox.c.received_ms)
        statement = select(*columns).where(answers, inbox.c.state == InboxState.DONE.value).order_by(inbox.c.received_ms)
        rows = await self._connection.execute(statement.limit(limit))
        return [
            TakenAnswer(MessageId(row.message_id), ThreadId(row.thread_id), row.body, from_ms(row.received_ms)) for row in rows
        ]

    async def answers_to(self, question: MessageId) -> Sequence[MessageId]:
        """Return what waits and answers a question."""
        here = and_(departures.c.in_reply_to == question, departures.c.state == DepartureState.WAITING.value)
        here = and_(here, departures.c.kind != "case.status")  # that it takes longer is no answer
        return [MessageId(row) for row in (await self._connection.execute(select(departures.c.id).where(here))).scalars()]

    async def waiting_beside(self, question: MessageId, kind: str) -> Sequence[Departure]:
        """Return what waits, answers a question and is of one type, newest first."""
        waiting = departures.c.state == DepartureState.WAITING.value
        here = and_(departures.c.in_reply_to == question, waiting, departures.c.kind == kind)
        rows = await self._connection.execute(select(departures).where(here).order_by(departures.c.made_ms.desc()))
        return [_departure(row) for row in rows]

    async def sent_beside(self, question: MessageId, kind: str) -> Sequence[SentBody]:
        """Return every message of a type that we sent in answer to a question and still keep, newest first."""
        both = and_(outbox.c.lane == outbox_bodies.c.lane, outbox.c.message_id == outbox_bodies.c.message_id)
        columns = (outbox.c.thread_id, outbox.c.message_id, outbox_bodies.c.body)
        here = and_(outbox.c.in_reply_to == question, outbox.c.kind == kind)
        statement = select(*columns).join(outbox_bodies, both).where(here).order_by(outbox.c.created_ms.desc())
        rows = await self._connection.execute(statement)
        return [SentBody(MessageId(row.message_id), ThreadId(row.thread_id), row.body) for row in rows]

    async def prepared(self, case_ref: str, kind: str) -> Sequence[MessageId]:
        """Return what waits of a case and is of one type."""
        here = and_(departures.c.state == DepartureState.WAITING.value, departures.c.case_ref == case_ref)
        statement = select(departures.c.id).where(here, departures.c.kind == kind)
        return [MessageId(row) for row in (await self._connection.execute(statement)).scalars()]

    async def names_in(self, thread_id: ThreadId) -> Sequence[str]:
        """Return what we call the cases about which something was signed in a thread, whether it has left or waits."""
        signed = departures.c.state.in_([DepartureState.WAITING.value, DepartureState.LEFT.value])
        statement = select(departures.c.case_ref).where(departures.c.thread_id == thread_id, signed).distinct()
        return (await self._connection.execute(statement)).scalars().all()

    async def said(self, thread_id: ThreadId, kind: str) -> int:
        """Return how many messages of a type we have said in a thread."""
        here = and_(outbox.c.thread_id == thread_id, outbox.c.kind == kind)
        return int((await self._connection.execute(select(func.count()).select_from(outbox).where(here))).scalar_one())


def _subject(departure_id: MessageId, content: str) -> str:
    return f"leaving {departure_id} {content}"


def _departure(row: Any) -> Departure:
    return Departure(
        id=MessageId(row.id),
        state=DepartureState(row.state),
        thread_id=ThreadId(row.thread_id),
        case_ref=row.case_ref,
        peer=NodeId(row.peer),
        kind=row.kind,
        in_reply_to=None if row.in_reply_to is None else MessageId(row.in_reply_to),
        content=row.content,
        sealed=row.sealed,
        waits=tuple(from_json(row.waits)),
        leaves_at=maybe_from_ms(row.leaves_ms),
        drafted_by=row.drafted_by,
        actor=ActorPseudonym(row.actor),
        made_at=from_ms(row.made_ms),
        office=None if row.office is None else Code(row.office),
    )
