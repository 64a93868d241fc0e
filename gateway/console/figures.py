"""Statistics of whole months as they may be shown: counted by the database, small numbers hidden, a few minutes old at most."""

import asyncio
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

from contracts.fields import Sensitivity
from contracts.policy import Policy
from gateway.console.figure_words import CATEGORIES, HIDDEN, meanings
from gateway.console.months import Month, last_months
from gateway.console.operations import Operations
from gateway.console.suppression import nested, shown
from gateway.console.words import Words
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError
from gateway.storage.statistics import PACES

MONTHS = 24
"""At most, in one set of figures."""
_KEPT = timedelta(minutes=5)
_HOUR_MS = 3_600_000
_UNSAFE = ("=", "+", "-", "@", "\t", "\r", "\n")

_CLASS = {
    Sensitivity.PUBLIC: "handling", Sensitivity.OPERATIONAL: "handling", Sensitivity.IDENTIFYING: "identity",
    Sensitivity.DESCRIPTIVE: "description", Sensitivity.PROTECTED: "protected", Sensitivity.SPECIAL: "special",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a code, and its numbers; None is hidden."""

    code: str
    numbers: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One figure as numbers: `columns` are codes. Hours are whole, of what is not hidden."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def codes(self) -> list[str]:
        """Return every code in it, each once."""
        return list(dict.fromkeys((*self.columns, *(row.code for row in self.rows))))


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything there is of a span of months."""

    first: Month
    last: Month
    updated: datetime
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        """Return one of them."""
        return next((table for table in self.tables if table.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """Return them for programs; a hidden number is null."""
        tables = {
            table.name: {
                "columns": list(table.columns),
                "rows": [{"code": row.code, "numbers": list(row.numbers)} for row in table.rows],
            }
            for table in self.tables
        }
        return {"from": str(self.first), "to": str(self.last), "updated": self.updated.isoformat(timespec="seconds"), **tables}


class FigureDesk:
    """Makes figures, and keeps them a few minutes: nobody makes the database count by asking again."""

    def __init__(self, operations: Operations, desk: PeopleDesk) -> None:
        self._operations, self._desk = operations, desk
        self._kept: dict[tuple[Month, Month], Figures] = {}
        self._counting = asyncio.Lock()

    def span(self, first: Month | None, last: Month | None) -> tuple[Month, Month]:
        """Return the months asked for; without any, this one and the eleven before it.

        Raises:
            InvalidError: they run backwards, or are too many, or have not come.
        """
        this = last_months(self._operations.node.clock.now(), 1)[0]
        last = last or this
        first = first or last.after(-11)
        if not first <= last <= this or first.after(MONTHS) <= last:
            raise InvalidError(
                "Esos meses no pueden ser.", advice=f"Del primero al último, hasta {MONTHS}, y ninguno que no haya llegado."
            )
        return first, last

    async def of(self, first: Month, last: Month) -> Figures:
        """Return the figures of a span of months, as they were a few minutes ago at most."""
        async with self._counting:  # whoever asks meanwhile waits for the same numbers
            now = self._operations.node.clock.now()
            self._kept = {key: one for key, one in self._kept.items() if timedelta() <= now - one.updated < _KEPT}
            if (first, last) not in self._kept:
                self._kept[first, last] = await self._counted(first, last, now)
            return self._kept[first, last]

    async def _counted(self, first: Month, last: Month, now: datetime) -> Figures:
        months = [first]
        while months[-1] < last:
            months.append(months[-1].after(1))
        start, end = first.start, last.end
        asked = await self._asked(start, end)
        tables = (
            await self._funnel(start, end, tells=_tells_what_we_asked(asked)),
            await self._paces(start, end, now),
            asked,
            await self._left(months),
        )
        return Figures(first, last, now, tables)

    async def _funnel(self, start: datetime, end: datetime, *, tells: bool) -> Table:
        """Return how far what we asked came; `tells`: whether how much we asked may be known, or it is hidden beside this."""
        stages = await self._operations.figures.funnel(start, end)
        numbers = [stage.count for stage in stages]
        counts = nested(numbers) if tells else tuple(None if number else 0 for number in numbers)
        hours = [
            stage.median_ms // _HOUR_MS if count and stage.median_ms is not None else None
            for stage, count in zip(stages, counts, strict=True)
        ]
        rows = tuple(Row(stage.name, (count, spent)) for stage, count, spent in zip(stages, counts, hours, strict=True))
        return Table("funnel", ("requests", "median-hours"), rows)

    async def _paces(self, start: datetime, end: datetime, now: datetime) -> Table:
        found = await self._operations.figures.paces(start, end, now)
        offices = sorted({office or "" for office, _, _ in found})
        counts = {(office or "", pace): many for office, pace, many in found}
        return _summed("paces", PACES, offices, [[counts.get((office, pace), 0) for pace in PACES] for office in offices])

    async def _asked(self, start: datetime, end: datetime) -> Table:
        found = await self._operations.figures.asked(start, end)
        peers = sorted({peer for peer, _, _ in found})
        counts = {(peer, ours): many for peer, ours, many in found}
        ways = [[counts.get((peer, ours), 0) for peer in peers] for ours in (False, True)]
        grid = shown(ways, columns=False)  # each way has its sum; both ways together are nobody's question, and would tell
        rows = [Row(peer, both) for peer, both in zip(peers, zip(*grid.cells, strict=True), strict=True)]
        return Table("asked", ("asked-us", "we-asked"), (*rows, Row("total", grid.across)) if rows else ())

    async def _left(self, months: Sequence[Month]) -> Table:
        found = await self._operations.figures.left([month.start for month in months] + [months[-1].end])
        counts = dict.fromkeys(((name, number) for name in CATEGORIES for number in range(len(months))), 0)
        policy = self._operations.node.trust().policy
        for number, record_type, fields, many in found:
            for name in _categories(record_type, fields, policy):
                counts[name, number] += many
        lines = [[counts[name, number] for number in range(len(months))] for name in CATEGORIES]
        grid = shown(lines, columns=False)  # a record has fields of several categories: columns are no sums
        rows = tuple(Row(name, (*line, total)) for name, line, total in zip(CATEGORIES, grid.cells, grid.across, strict=True))
        return Table("left", (*map(str, months), "total"), rows)


def _tells_what_we_asked(asked: Table) -> bool:
    """Return whether the sum of what we asked is shown: it is what the funnel begins with."""
    return not asked.rows or asked.rows[-1].numbers[1] is not None


def _summed(name: str, columns: Sequence[str], codes: Sequence[str], lines: Sequence[Sequence[int]]) -> Table:
    grid = shown(lines)
    rows = [Row(code, (*line, total)) for code, line, total in zip(codes, grid.cells, grid.across, strict=True)]
    if rows:
        rows.append(Row("total", (*grid.down, grid.whole)))
    return Table(name, (*columns, "total"), tuple(rows))


def _categories(record_type: str, fields: Sequence[str], policy: Policy) -> set[str]:
    known = policy.fields_of(record_type)
    # What the policy does not know any more is counted as what is guarded most.
    return {_CLASS[known[name].sensitivity] if name in known else "special" for name in fields}


# -- as a file ---------------------------------------------------------------------------------------------------------


def as_csv(table: Table, figures: Figures, labels: Mapping[str, str], told: Words) -> str:
    """Return a table as a file that spreadsheets open: its lines, then what each column and line means."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([told.gettext("código"), told.gettext("nombre"), *(labels.get(code, code) for code in table.columns)])
    for row in table.rows:
        numbers = [told_of(number, column) for number, column in zip(row.numbers, table.columns, strict=True)]
        writer.writerow([neutral(row.code), neutral(labels.get(row.code, row.code)), *numbers])
    writer.writerow([])
    span = {"first": str(figures.first), "last": str(figures.last), "updated": figures.updated.isoformat(timespec="seconds")}
    writer.writerow([told.gettext("Meses: de %(first)s a %(last)s. Actualizado a %(updated)s.") % span])
    for name, meaning in meanings(table.codes(), labels, told):
        writer.writerow([neutral(name), neutral(meaning)])
    return out.getvalue()


def told_of(number: int | None, column: str) -> str:
    """Return a number as it is shown. A median of what is hidden, or of nothing, is no small number."""
    if number is None:
        return "—" if column == "median-hours" else HIDDEN
    return str(number)


def neutral(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_UNSAFE) else text
