"""Working time of an office: when it is open, its next working moment, deadlines counted in working hours.

Pure: holidays come as data (which years are known is part of them), the time zone as a `tzinfo`. Moments are aware
datetimes; results are UTC. Local times are whole minutes after midnight on the wall clock, 0 to 1440.

Where summer time begins or ends, a wall-clock time means **the first instant at which the clock on the wall shows it or
a later time**: a time that is skipped is the instant of the jump, one that comes twice is the first of the two. That makes
the order of instants the order of wall-clock times, so no opening ever ends before it begins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from itertools import pairwise

DAY = 1440
_SECOND = timedelta(seconds=1)
_LONGEST = 800
"""Days looked ahead for an opening; an office that has none in over two years has none."""
GUATEMALA = timezone(timedelta(hours=-6))
"""There is no summer time."""


class CalendarError(ValueError):
    """Hours that are none, a year whose holidays nobody gave, or an office that never opens. Names no value."""


def day_in_guatemala(now: datetime) -> date:
    """Return which day it is in Guatemala: whose day it is decides how old somebody is."""
    return now.astimezone(GUATEMALA).date()


@dataclass(frozen=True, slots=True, order=True)
class Opening:
    """From `start` until, not including, `end`: minutes after local midnight."""

    start: int
    end: int

    def __post_init__(self) -> None:
        """Refuse what is no span of one day."""
        if not 0 <= self.start < self.end <= DAY:
            raise CalendarError("an opening lies within one day and ends after it begins")


Week = tuple[tuple[Opening, ...], ...]
"""Seven days, Monday first; each day's openings in order."""


def week(days: Sequence[Sequence[Opening]]) -> Week:
    """Return a week of openings, checked: seven days, openings in order and apart, at least one.

    Raises:
        CalendarError: it is none.
    """
    checked = tuple(tuple(day) for day in days)
    if len(checked) != 7 or not any(checked):
        raise CalendarError("a week has seven days and at least one opening")
    if any(before.end > after.start for day in checked for before, after in pairwise(day)):
        raise CalendarError("openings of a day are in order and apart")
    return checked


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days an office is closed, and the years for which that is all of them."""

    years: frozenset[int]
    days: frozenset[date]

    def closed(self, day: date) -> bool:
        """Return whether `day` is a holiday.

        Raises:
            CalendarError: nobody said what the holidays of that year are; no answer is better than a wrong one.
        """
        if day.year not in self.years:
            raise CalendarError("the holidays of that year are not known")
        return day in self.days


@dataclass(frozen=True, slots=True)
class OfficeCalendar:
    """When one office works."""

    zone: tzinfo
    week: Week
    holidays: Holidays

    def is_open(self, at: datetime) -> bool:
        """Return whether the office works at `at`."""
        return any(start <= at < end for start, end in self._spans(at, days=1))

    def next_working_moment(self, at: datetime) -> datetime:
        """Return `at` while the office is open, else when it opens next (UTC).

        Raises:
            CalendarError: it does not, or the holidays of a year are not known.
        """
        for start, end in self._spans(at):
            if end > at:
                return max(start, at.astimezone(UTC))
        raise CalendarError("the office does not open")

    def deadline(self, start: datetime, working: timedelta) -> datetime:
        """Return the moment (UTC) at which `working` of the office's working time has passed since `start`.

        A deadline that falls due exactly when the office closes is that moment, not the next morning.

        Raises:
            CalendarError: `working` is not positive, the office does not open, or holidays are not known.
        """
        if working <= timedelta():
            raise CalendarError("a deadline lies ahead")
        left = working
        moment = start
        while True:
            opens, closes = self._next_span(moment)
            begin = max(opens, start.astimezone(UTC))
            if closes - begin >= left:
                return begin + left
            left -= closes - begin
            moment = closes

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """Return how much of the office's working time lies between two moments; zero when `end` is not after `start`."""
        total = timedelta()
        first, last = start.astimezone(UTC), end.astimezone(UTC)
        if last <= first:
            return total
        for opens, closes in self._spans(first):
            if opens >= last:
                return total
            total += max(timedelta(), min(closes, last) - max(opens, first))
        return total

    def _next_span(self, at: datetime) -> tuple[datetime, datetime]:
        for opens, closes in self._spans(at):
            if closes > at:
                return opens, closes
        raise CalendarError("the office does not open")

    def _spans(self, at: datetime, *, days: int = _LONGEST) -> Iterator[tuple[datetime, datetime]]:
        """Yield openings as instants (UTC), in order, from the local day of `at` on."""
        day = at.astimezone(self.zone).date()
        for _ in range(days):
            openings = self.week[day.weekday()]
            if openings and not self.holidays.closed(day):
                for opening in openings:
                    start, end = instant(self.zone, day, opening.start), instant(self.zone, day, opening.end)
                    if start < end:  # one that the jump of summer time skipped is none
                        yield start, end
            day += timedelta(days=1)


def instant(zone: tzinfo, day: date, minutes: int) -> datetime:
    """Return the first instant (UTC) at which the wall clock in `zone` shows `minutes` after midnight of `day`, or later."""
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - a wall clock's time
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(zone, first) == wall:
        return first
    # Skipped by a jump: it lies between what the offset after it makes of the time, and what the offset before it does.
    low, high = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        low, high = (low, middle) if _wall(zone, middle) >= wall else (middle, high)
    return high


def _wall(zone: tzinfo, moment: datetime) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
