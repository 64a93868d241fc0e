"""Decisions and wishes (gateway.exchange.case_ports.Consents): rows are added, none is ever changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.codec import encode_object, parse_object
from contracts.consents import ConsentEvent, ConsentForm, Limits, RelativeId, Scope, Wish, WishEvent
from contracts.errors import MessageConflictError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId
from contracts.messages import ConsentAct
from gateway.storage.case_tables import consent_events, wish_events
from gateway.storage.rows import from_json, insert_new, to_json, to_ms


class SqlConsents:
    """The consents of one open transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, case_ref: str, events: Sequence[ConsentEvent], *, now: datetime) -> None:
        """Write decisions down; one whose id is there stays as it was."""
        if not events:
            return
        rows = [{**_row(case_ref, event), "recorded_ms": to_ms(now)} for event in events]
        await self._connection.execute(insert_new(self._connection, consent_events), rows)
        there = select(consent_events).where(consent_events.c.id.in_([event.id for event in events]))
        kept = {(row.case_ref, _event(row)) for row in await self._connection.execute(there)}
        if any((case_ref, event) not in kept for event in events):
            raise MessageConflictError("one consent event, two contents")

    async def of_case(self, case_ref: str) -> Sequence[ConsentEvent]:
        """Return every decision about a case."""
        statement = select(consent_events).where(consent_events.c.case_ref == case_ref)
        ordered = statement.order_by(consent_events.c.effective_ms, consent_events.c.id)
        return [_event(row) for row in await self._connection.execute(ordered)]

    async def add_wishes(self, case_ref: str, events: Sequence[WishEvent], *, now: datetime) -> None:
        """Write wishes down; one whose id is there stays as it was."""
        rows = [
            {
                "id": event.id,
                "case_ref": case_ref,
                "wish": event.wish.value,
                "effective_ms": event.effective_at * 1000,
                "evidence": event.evidence,
                "recorded_ms": to_ms(now),
            }
            for event in events
        ]
        if rows:
            await self._connection.execute(insert_new(self._connection, wish_events), rows)

    async def wishes_of(self, case_ref: str) -> Sequence[WishEvent]:
        """Return every wish of the person of a case."""
        statement = select(wish_events).where(wish_events.c.case_ref == case_ref).order_by(wish_events.c.effective_ms)
        return [
            WishEvent(MessageId(row.id), Wish(row.wish), row.effective_ms // 1000, Code(row.evidence))
            for row in await self._connection.execute(statement)
        ]


def _row(case_ref: str, event: ConsentEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "case_ref": case_ref,
        "relative": event.relative,
        "act": event.act.value,
        "scopes": to_json(sorted(scope.value for scope in event.scopes)),
        "limits": _limits_json(event.limits),
        "effective_ms": event.effective_at * 1000,
        "form": event.form.value,
        "language": event.language,
        "witness": event.witness,
        "imported": event.imported,
        "reason": event.reason,
    }


def _event(row: Any) -> ConsentEvent:
    return ConsentEvent(
        id=MessageId(row.id),
        relative=RelativeId(row.relative) if row.relative else None,
        act=ConsentAct(row.act),
        scopes=frozenset(Scope(item) for item in from_json(row.scopes)),
        effective_at=row.effective_ms // 1000,
        form=ConsentForm(row.form),
        language=row.language,
        witness=ActorPseudonym(row.witness) if row.witness else None,
        limits=_limits(row.limits),
        imported=row.imported,
        reason=Code(row.reason) if row.reason else None,
    )


def _limits_json(limits: Limits) -> str:
    named = {"recipients": limits.recipients, "purposes": limits.purposes, "fields": limits.fields}
    told: dict[str, Any] = {name: sorted(map(str, items)) for name, items in named.items() if items is not None}
    return encode_object(told | ({} if limits.until is None else {"until": limits.until})).decode()


def _limits(column: str) -> Limits:
    told = parse_object(column.encode())
    return Limits(
        recipients=frozenset(map(NodeId, told["recipients"])) if "recipients" in told else None,
        purposes=frozenset(map(Code, told["purposes"])) if "purposes" in told else None,
        fields=frozenset(map(Code, told["fields"])) if "fields" in told else None,
        until=told.get("until"),
    )
