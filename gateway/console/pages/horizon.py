"""What falls due in the next days, as columns: on which day it piles up, and at which of one's offices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.console.words import Words

DAYS = 14


@dataclass(frozen=True, slots=True)
class Column:
    """One day: what it is called, and how much is due at each office, in the horizon's order."""

    day: date
    name: str
    numbers: tuple[int, ...]
    free: bool

    @property
    def total(self) -> int:
        """Return how much is due on the day."""
        return sum(self.numbers)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The days from today on. `more`: not all could be counted."""

    offices: tuple[str, ...]
    columns: tuple[Column, ...]
    told: str
    more: bool

    @property
    def most(self) -> int:
        """Return how much is due on the fullest day."""
        return max(column.total for column in self.columns)


def horizon(
    due: Sequence[tuple[date, str | None]],
    offices: Mapping[str | None, str],
    today: date,
    marks: Mapping[date, Sequence[str]] | None,
    told: Words,
    *,
    more: bool = False,
) -> Horizon | None:
    """Return the next fourteen days, or None where nothing is due in them.

    `due`: the day and the office of each deadline; `offices`: what those are called; `marks`: what is said of a day, where that
    is known.
    """
    days = [today + timedelta(days=number) for number in range(DAYS)]
    numbers = Counter(item for item in due if days[0] <= item[0] <= days[-1])
    there = [code for code in offices if any(code == office for _, office in numbers)]
    if not there:
        return None
    columns = tuple(
        Column(
            day=day,
            name=told.calendar_day(day),
            numbers=tuple(numbers[day, code] for code in there),
            free=bool((marks or {}).get(day)),
        )
        for day in days
    )
    return Horizon(tuple(offices[code] for code in there), columns, _told(columns, told), more)


def _told(columns: Sequence[Column], told: Words) -> str:
    total, now = sum(column.total for column in columns), columns[0].total
    fullest = max(columns, key=lambda column: column.total)
    due = told.ngettext("Vence %(number)s.", "Vencen %(number)s.", total) % {"number": total}
    today = told.gettext("Hoy: %(number)s.") % {"number": now}
    if total == fullest.total:
        return f"{due} {today}"
    day = told.gettext("El día con más: %(number)s el %(day)s.") % {"day": fullest.name, "number": fullest.total}
    return f"{due} {today} {day}"
