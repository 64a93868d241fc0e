"""What waits for a person (gateway.exchange.case_ports.Holds): held texts and never-to rules."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ids import ActorPseudonym, Code, MessageId, ThreadId
from gateway.exchange.case_ports import HeldText, HoldState
from gateway.storage.case_tables import held_texts, never_to
from gateway.storage.people_tables import approvals
from gateway.storage.rows import from_ms, insert_new, insert_or_change, to_ms


class SqlHolds:
    """The holds of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def hold(self, texts: Sequence[HeldText]) -> None:
        """Keep texts until a person decides; one that is there stays as it was."""
        rows = [
            {
                "message_id": item.message_id,
                "place": item.place,
                "thread_id": item.thread_id,
                "state": HoldState.HELD.value,
                "sealed": item.sealed,
                "held_ms": to_ms(item.held_at),
            }
            for item in texts
        ]
        if rows:
            await self._connection.execute(insert_new(self._connection, held_texts), rows)

    async def held(self, *, limit: int) -> Sequence[HeldText]:
        """Return texts nobody decided yet, oldest first."""
        statement = select(held_texts).where(held_texts.c.state == HoldState.HELD).order_by(held_texts.c.held_ms).limit(limit)
        return [_text(row) for row in await self._connection.execute(statement)]

    async def of_message(self, message_id: MessageId) -> Sequence[HeldText]:
        """Return the texts of one message, by place."""
        statement = select(held_texts).where(held_texts.c.message_id == message_id).order_by(held_texts.c.place)
        return [_text(row) for row in await self._connection.execute(statement)]

    async def decide(self, message_id: MessageId, place: str, state: HoldState, *, by: ActorPseudonym, now: datetime) -> bool:
        """Release or discard a held text; the first decision counts."""
        here = and_(held_texts.c.message_id == message_id, held_texts.c.place == place, held_texts.c.state == HoldState.HELD)
        statement = update(held_texts).where(here).values(state=state.value, decided_by=by, decided_ms=to_ms(now))
        return state is not HoldState.HELD and (await self._connection.execute(statement)).rowcount == 1

    async def forbid(self, case_ref: str, target: str, *, reason: Code, by: ActorPseudonym, now: datetime) -> None:
        """Never send anything of this case to a target."""
        in_force = select(never_to.c.target).where(_standing(case_ref, target))
        if (await self._connection.execute(in_force)).first() is not None:
            return
        row = {"case_ref": case_ref, "target": target, "set_ms": to_ms(now), "reason": reason, "set_by": by}
        # A rule lifted in this very millisecond is set again, not silently left lifted.
        again = insert_or_change(self._connection, never_to, ("reason", "set_by", "lifted_by", "lifted_ms"))
        await self._connection.execute(again.values(row | {"lifted_by": None, "lifted_ms": None}))

    async def since(self, case_ref: str, target: str) -> datetime | None:
        """Return since when a rule is in force; None when there is none."""
        statement = select(never_to.c.set_ms).where(_standing(case_ref, target))
        found = (await self._connection.execute(statement)).scalar_one_or_none()
        return None if found is None else from_ms(found)

    async def agree(self, subject: str, person: str, *, now: datetime, since: datetime) -> frozenset[str]:
        """Note that a person agrees (again); return everybody who has since a moment."""
        row = {"subject": subject, "person_id": person, "given_ms": to_ms(now)}
        await self._connection.execute(insert_or_change(self._connection, approvals, ("given_ms",)).values(row))
        recent = and_(approvals.c.subject == subject, approvals.c.given_ms >= to_ms(since))
        return frozenset((await self._connection.execute(select(approvals.c.person_id).where(recent))).scalars())

    async def lift(self, case_ref: str, target: str, *, by: ActorPseudonym, now: datetime) -> bool:
        """End a rule; that there was one stays."""
        statement = update(never_to).where(_standing(case_ref, target)).values(lifted_by=by, lifted_ms=to_ms(now))
        return (await self._connection.execute(statement)).rowcount > 0

    async def never_to(self, case_refs: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Return the targets that are forbidden, by case."""
        wanted = list(case_refs)
        found: defaultdict[str, set[str]] = defaultdict(set)
        if wanted:
            statement = select(never_to.c.case_ref, never_to.c.target)
            rows = await self._connection.execute(
                statement.where(never_to.c.case_ref.in_(wanted), never_to.c.lifted_ms.is_(None))
            )
            for row in rows:
                found[row.case_ref].add(row.target)
        return {case_ref: frozenset(targets) for case_ref, targets in found.items()}


def _standing(case_ref: str, target: str) -> ColumnElement[bool]:
    return and_(never_to.c.case_ref == case_ref, never_to.c.target == target, never_to.c.lifted_ms.is_(None))


def _text(row: Any) -> HeldText:
    return HeldText(
        message_id=MessageId(row.message_id),
        place=row.place,
        thread_id=ThreadId(row.thread_id),
        sealed=row.sealed,
        held_at=from_ms(row.held_ms),
        state=HoldState(row.state),
        decided_by=ActorPseudonym(row.decided_by) if row.decided_by else None,
    )
