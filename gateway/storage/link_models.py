"""What went over the links to other institutions: counts by type and by day, last contact each way. Metadata alone, as this
node saw it. On the read engine.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Integer, Select, cast, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ids import NodeId
from gateway.storage.rows import from_ms, maybe_from_ms, to_ms
from gateway.storage.tables import imports, inbox, lanes, outbox

_DAY_MS = 86_400_000
_Name = TypeVar("_Name", bound=str)
_AT_ONCE = 100
"""Peers or sources in one statement: SQLite takes five hundred SELECTs in a UNION, and two are asked for each."""


@dataclass(frozen=True, slots=True)
class Contact:
    """When a peer was last heard: by a message of theirs, and by their receipt for one of ours."""

    received: datetime | None
    delivered: datetime | None


@dataclass(frozen=True, slots=True)
class Carried:
    """How many messages of one type went one way since some moment, and when the last did. `ours`: we sent them."""

    peer: NodeId
    kind: str
    ours: bool
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class SourceRun:
    """What became of the rows of one source: when the last was taken in, and how many ended as what."""

    source: str
    last: datetime
    outcomes: dict[str, int]


class LinkModels:
    """Queries for the pages about the network and about sources."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def _all(self, statement: Any) -> list[Any]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(statement)).all())

    async def contacts(self, peers: Collection[NodeId]) -> dict[NodeId, Contact]:
        """Return when each peer was last heard, each way."""
        heard: dict[str, int | None] = {}
        for some in _parts(peers):
            rows = await self._all(union_all(*(_last_received(peer) for peer in some)))
            heard |= {row.peer: row.last for row in rows}
        reached = {row.peer: row.last_success_ms for row in await self._all(select(lanes.c.peer, lanes.c.last_success_ms))}
        return {peer: Contact(maybe_from_ms(heard.get(peer)), maybe_from_ms(reached.get(peer))) for peer in peers}

    async def carried(self, peers: Collection[NodeId], since: datetime) -> list[Carried]:
        """Return what went to and came from each peer since then: what a peer has a receipt for, and what came in."""
        found = []
        for some in _parts(peers):
            counts = (count for peer in some for count in (_received(peer, since), _delivered(peer, since)))
            found += await self._all(union_all(*counts))
        return [Carried(NodeId(row.peer), row.kind, bool(row.ours), row.number, from_ms(row.last)) for row in found]

    async def days(self, peer: NodeId, since: datetime, offset: timedelta) -> dict[tuple[int, bool], int]:
        """Return how many messages went each day: (days since 1970 on a clock with that offset, ours) → number."""
        received = _by_day(inbox.c.received_ms, offset, ours=False).where(inbox.c.sender == peer)
        delivered = _by_day(outbox.c.ended_ms, offset, ours=True).where(outbox.c.lane == peer, outbox.c.state == "delivered")
        rows = await self._all(
            union_all(
                received.where(inbox.c.received_ms >= to_ms(since)).group_by("day"),
                delivered.where(outbox.c.ended_ms >= to_ms(since)).group_by("day"),
            )
        )
        return {(int(row.day), bool(row.ours)): row.number for row in rows}

    async def sources(self, names: Collection[str]) -> dict[str, SourceRun]:
        """Return what became of the rows of sources, of those that any were taken in of."""
        runs: dict[str, SourceRun] = {}
        for some in _parts(names):
            for row in await self._all(union_all(*(_rows_of(name) for name in some))):
                before = runs.get(row.source)
                newest = from_ms(row.last) if before is None else max(from_ms(row.last), before.last)
                outcomes = ({} if before is None else before.outcomes) | {row.outcome: row.number}
                runs[row.source] = SourceRun(row.source, newest, outcomes)
        return runs


def _parts(names: Collection[_Name]) -> list[Sequence[_Name]]:
    every = sorted(names)
    return [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)]


def _last_received(peer: NodeId) -> Select[Any]:
    last = select(func.max(inbox.c.received_ms)).where(inbox.c.sender == peer, inbox.c.received_ms > 0)
    return select(literal(str(peer)).label("peer"), last.scalar_subquery().label("last"))


def _received(peer: NodeId, since: datetime) -> Select[Any]:
    columns = (literal(str(peer)).label("peer"), inbox.c.kind, literal(0).label("ours"))
    counted = select(*columns, func.count().label("number"), func.max(inbox.c.received_ms).label("last"))
    return counted.where(inbox.c.sender == peer, inbox.c.received_ms >= to_ms(since)).group_by(inbox.c.kind)


def _delivered(peer: NodeId, since: datetime) -> Select[Any]:
    columns = (literal(str(peer)).label("peer"), outbox.c.kind, literal(1).label("ours"))
    counted = select(*columns, func.count().label("number"), func.max(outbox.c.ended_ms).label("last"))
    ended = (outbox.c.lane == peer, outbox.c.ended_ms >= to_ms(since), outbox.c.state == "delivered")
    return counted.where(*ended).group_by(outbox.c.kind)


def _by_day(column: Any, offset: timedelta, *, ours: bool) -> Select[Any]:
    day: Any = cast((column + offset // timedelta(milliseconds=1)) // _DAY_MS, Integer).label("day")
    return select(day, literal(int(ours)).label("ours"), func.count().label("number"))


def _rows_of(source: str) -> Select[Any]:
    last, number = func.max(imports.c.imported_ms).label("last"), func.count().label("number")
    counted = select(imports.c.source, imports.c.outcome, last, number)
    return counted.where(imports.c.source == source).group_by(imports.c.source, imports.c.outcome)
