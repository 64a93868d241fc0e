"""Offices and their hours (gateway.people.ports.Offices). Both databases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.calendars import Opening, Week, week
from contracts.ids import Code
from gateway.people.ports import Office
from gateway.storage.people_tables import offices
from gateway.storage.rows import from_json, insert_new, maybe_from_ms, to_json, to_ms


class SqlOffices:
    """Offices."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, office: Office) -> bool:
        """File a new one; False when the code is or was another's."""
        row = {
            "code": office.code,
            "name_es": office.name_es,
            "name_en": office.name_en,
            "zone": office.zone,
            "calendar": office.calendar,
            "hours": _hours_out(office.week),
            "takes_inbox": office.takes_inbox,
        }
        return (await self._connection.execute(insert_new(self._connection, offices).values(row))).rowcount == 1

    async def find(self, code: Code) -> Office | None:
        """Return an office."""
        row = (await self._connection.execute(select(offices).where(offices.c.code == code))).one_or_none()
        return None if row is None else office_of(row)

    async def all(self) -> Sequence[Office]:
        """Return every office, closed ones too, by code."""
        return [office_of(row) for row in await self._connection.execute(select(offices).order_by(offices.c.code))]

    async def close(self, code: Code, *, now: datetime) -> None:
        """Close an office for good."""
        await self._connection.execute(update(offices).where(offices.c.code == code).values(closed_ms=to_ms(now)))


def office_of(row: Any) -> Office:
    """Return the office of a row."""
    return Office(
        code=Code(row.code),
        name_es=row.name_es,
        name_en=row.name_en,
        zone=row.zone,
        calendar=row.calendar,
        week=_hours_in(row.hours),
        takes_inbox=row.takes_inbox,
        closed_at=maybe_from_ms(row.closed_ms),
    )


def _hours_out(days: Week) -> str:
    # "1 480 960" is Tuesday from 08:00 to 16:00.
    return to_json([f"{day} {span.start} {span.end}" for day, spans in enumerate(days) for span in spans])


def _hours_in(text: str) -> Week:
    days: list[list[Opening]] = [[] for _ in range(7)]
    for item in from_json(text):
        day, start, end = (int(part) for part in item.split(" "))
        days[day].append(Opening(start, end))
    return week(days)
