"""Working time: properties that hold in every zone, on every day, also where summer time begins and ends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.calendars import DAY, CalendarError, Holidays, OfficeCalendar, Opening, day_in_guatemala, instant, week

ZONES = ["America/Guatemala", "America/Mexico_City", "America/Tijuana", "America/Chicago", "America/New_York", "America/Denver",
         "Europe/Zurich", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]  # fmt: skip
YEARS = frozenset(range(2024, 2031))
OFFICE = ((Opening(480, 720), Opening(780, 1020)),) * 5 + ((), ())


@st.composite
def calendars(draw):
    def day():
        marks = sorted(draw(st.sets(st.integers(0, DAY), max_size=6)))
        return [Opening(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]

    days = [day() for _ in range(7)]
    if sum(span.end - span.start for day in days for span in day) < 60:  # enough for a deadline to come before the years end
        days[draw(st.integers(0, 6))] = [Opening(0, DAY)]
    holidays = draw(st.sets(st.dates(date(2025, 1, 1), date(2028, 12, 31)), max_size=30))
    return OfficeCalendar(ZoneInfo(draw(st.sampled_from(ZONES))), week(days), Holidays(YEARS, frozenset(holidays)))


TRIED = settings(print_blob=True, deadline=None)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 6, 1), timezones=st.just(UTC))
spans = st.integers(1, 40 * 60).map(lambda minutes: timedelta(minutes=minutes))


@TRIED
@given(calendars(), moments)
def test_the_next_working_moment_is_open_and_nothing_before_it_is(calendar, at):
    found = calendar.next_working_moment(at)
    assert found >= at
    assert calendar.is_open(found)
    assert found == at or not calendar.is_open(at)
    assert calendar.working_time(at, found) == timedelta()


@TRIED
@given(calendars(), moments, spans)
def test_a_deadline_is_exactly_that_much_working_time_away(calendar, start, working):
    due = calendar.deadline(start, working)
    assert calendar.working_time(start, due) == working
    # Not a moment later than it must be.
    assert calendar.working_time(start, due - timedelta(seconds=1)) < working


@TRIED
@given(calendars(), moments, spans, spans)
def test_two_deadlines_in_a_row_are_one_of_their_sum(calendar, start, one, other):
    assert calendar.deadline(calendar.deadline(start, one), other) == calendar.deadline(start, one + other)


@TRIED
@given(calendars(), moments, spans, st.integers(0, 10_000))
def test_who_starts_later_is_never_due_earlier(calendar, start, working, later):
    assert calendar.deadline(start, working) <= calendar.deadline(start + timedelta(minutes=later), working)


@TRIED
@given(calendars(), moments, moments, moments)
def test_working_time_adds_up_and_never_exceeds_the_time_there_is(calendar, a, b, c):
    first, middle, last = sorted((a, b, c))
    first = max(first, last - timedelta(days=60))
    middle = max(first, middle)
    both = calendar.working_time(first, middle) + calendar.working_time(middle, last)
    assert calendar.working_time(first, last) == both
    assert timedelta() <= both <= last - first
    assert calendar.working_time(last, first) == timedelta()


@TRIED
@given(st.sampled_from(ZONES), st.dates(date(2025, 1, 1), date(2028, 1, 1)), st.integers(0, DAY), st.integers(0, DAY))
def test_the_order_of_wall_clocks_is_the_order_of_instants(zone, day, one, other):
    first, second = sorted((one, other))
    assert instant(ZoneInfo(zone), day, first) <= instant(ZoneInfo(zone), day, second)
    # First: a second before it the wall clock showed less.
    found = instant(ZoneInfo(zone), day, one)
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=one)
    assert found.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= wall
    assert (found - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) < wall


def office(zone, *holidays):
    return OfficeCalendar(ZoneInfo(zone), week(OFFICE), Holidays(YEARS, frozenset(holidays)))


def at(zone, *parts):
    return datetime(*parts, tzinfo=ZoneInfo(zone))


def test_a_day_at_a_desk_in_guatemala():
    here, zone = office("America/Guatemala", date(2026, 6, 29)), "America/Guatemala"
    assert here.is_open(at(zone, 2026, 6, 26, 8, 0))
    assert not here.is_open(at(zone, 2026, 6, 26, 12, 0))
    # Friday 16:00 and two working hours: one today; Monday is the army's day; the other on Tuesday.
    assert here.deadline(at(zone, 2026, 6, 26, 16, 0), timedelta(hours=2)) == at(zone, 2026, 6, 30, 9, 0)
    assert here.deadline(at(zone, 2026, 6, 26, 16, 0), timedelta(hours=1)) == at(zone, 2026, 6, 26, 17, 0)
    assert here.next_working_moment(at(zone, 2026, 6, 26, 17, 0)) == at(zone, 2026, 6, 30, 8, 0)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)],
    ids=["summer time begins", "summer time ends", "any day"],
)
def test_an_office_that_never_closes_works_as_many_hours_as_the_day_has(day, hours):
    zone = ZoneInfo("America/Chicago")
    calendar = OfficeCalendar(zone, week([[Opening(0, DAY)]] * 7), Holidays(YEARS, frozenset()))
    start, end = instant(zone, day, 0), instant(zone, day, DAY)
    assert calendar.working_time(start, end) == end - start == timedelta(hours=hours)


def test_a_time_that_is_skipped_is_the_jump_and_one_that_comes_twice_the_first():
    zone = ZoneInfo("America/Chicago")
    assert instant(zone, date(2026, 3, 8), 150) == datetime(2026, 3, 8, 8, tzinfo=UTC)
    assert instant(zone, date(2026, 11, 1), 90) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    skipped = OfficeCalendar(zone, week([[Opening(130, 170)]] * 7), Holidays(YEARS, frozenset()))
    assert skipped.next_working_moment(datetime(2026, 3, 8, 7, tzinfo=UTC)).astimezone(zone).date() == date(2026, 3, 9)


def test_two_consulates_keep_their_own_hours():
    moment = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)
    assert office("America/New_York").is_open(moment)
    assert not office("America/Los_Angeles").is_open(moment)


def test_a_year_nobody_gave_the_holidays_of_is_no_year_without_holidays():
    calendar = OfficeCalendar(ZoneInfo("UTC"), week(OFFICE), Holidays(frozenset({2026}), frozenset()))
    assert calendar.is_open(datetime(2026, 12, 31, 9, tzinfo=UTC))
    with pytest.raises(CalendarError):
        calendar.deadline(datetime(2026, 12, 31, 16, 30, tzinfo=UTC), timedelta(hours=1))


def test_a_question_about_today_needs_no_holidays_of_years_to_come():
    calendar = OfficeCalendar(ZoneInfo("UTC"), week(OFFICE), Holidays(frozenset({2026}), frozenset({date(2026, 12, 30)})))
    assert not calendar.is_open(datetime(2026, 12, 30, 9, tzinfo=UTC))
    assert not calendar.is_open(datetime(2026, 12, 31, 7, tzinfo=UTC))
    assert not calendar.is_open(datetime(2026, 12, 31, 20, tzinfo=UTC))
    assert calendar.next_working_moment(datetime(2026, 12, 30, 9, tzinfo=UTC)) == datetime(2026, 12, 31, 8, tzinfo=UTC)


def test_an_office_that_never_opens_is_told():
    days = [[Opening(480, 960)], [], [], [], [], [], []]
    mondays = frozenset(date(2024, 1, 1) + timedelta(days=n) for n in range(2557))
    calendar = OfficeCalendar(ZoneInfo("UTC"), week(days), Holidays(YEARS, mondays))
    with pytest.raises(CalendarError):
        calendar.next_working_moment(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "days",
    [[], [[]] * 7, [[Opening(0, 10)]] * 6, [[Opening(0, 10), Opening(5, 20)]] + [[]] * 6, [[Opening(9, 10), Opening(0, 5)]] + [[]] * 6],
)  # fmt: skip
def test_what_is_no_week_is_refused(days):
    with pytest.raises(CalendarError):
        week(days)


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-1, 5), (0, 1441)])
def test_what_is_no_opening_is_refused(start, end):
    with pytest.raises(CalendarError):
        Opening(start, end)


@pytest.mark.parametrize("working", [timedelta(), timedelta(hours=-1)])
def test_a_deadline_lies_ahead(working):
    with pytest.raises(CalendarError):
        office("UTC").deadline(datetime(2026, 1, 1, tzinfo=UTC), working)


def test_control_counting_wall_clock_hours_is_seen():
    """What a deadline would be that adds local hours to a local time across the end of summer time."""
    zone = ZoneInfo("America/Chicago")
    calendar = OfficeCalendar(zone, week([[Opening(0, DAY)]] * 7), Holidays(YEARS, frozenset()))
    start = datetime(2026, 10, 31, 12, tzinfo=zone)
    naive = start + timedelta(hours=24)  # the wall clock shows noon again: 25 hours later
    assert calendar.deadline(start, timedelta(hours=24)) != naive
    assert calendar.working_time(start, naive) == timedelta(hours=25)


def test_a_day_ends_at_midnight_in_guatemala():
    assert day_in_guatemala(datetime(2026, 11, 25, 5, 59, tzinfo=UTC)) == date(2026, 11, 24)
    assert day_in_guatemala(datetime(2026, 11, 25, 6, tzinfo=UTC)) == date(2026, 11, 25)
