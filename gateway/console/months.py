"""Whole months on Guatemala's calendar: what audits and statistics are asked about."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.console.whose import GUATEMALA
from gateway.console.words import Words

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month."""

    year: int
    number: int

    @property
    def start(self) -> datetime:
        """Its first moment, in UTC."""
        return datetime(self.year, self.number, 1, tzinfo=GUATEMALA).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first moment that is not of it any more."""
        return self.after(1).start

    def after(self, months: int) -> "Month":
        """Return the month so many later; earlier when it is negative."""
        place = self.year * 12 + self.number - 1 + months
        return Month(place // 12, place % 12 + 1)

    def name(self, told: Words) -> str:
        """Return what people call it."""
        return told.month(self.start.astimezone(GUATEMALA).date())

    def __str__(self) -> str:
        """Return it as addresses and files have it."""
        return f"{self.year:04d}-{self.number:02d}"


def month(text: str) -> Month | None:
    """Return the month a text names: 2026-10; None for anything else."""
    found = _MONTH.fullmatch(text)
    return Month(int(found[1]), int(found[2])) if found else None


def month_at(moment: datetime) -> Month:
    """Return the month of a moment."""
    there = moment.astimezone(GUATEMALA)
    return Month(there.year, there.month)


def last_months(now: datetime, count: int) -> list[Month]:
    """Return this month and those before it, newest first."""
    this = month_at(now)
    return [this.after(-back) for back in range(count)]
