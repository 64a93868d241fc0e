"""Offices: their hours and holidays, asked of a running node; holidays cost the node no memory."""

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendars import DAY, Opening, week
from contracts.errors import FaultError
from contracts.ids import Code
from gateway.main import national_days
from gateway.main.national_days import NationalDays
from gateway.people import offices
from gateway.people.errors import InvalidError
from gateway.people.offices import calendar_at, parse_hours, show_hours
from tests.people.world import ADMIN, OFFICE, open_world


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        await found.bootstrap()
        yield found


async def test_an_office_is_opened_listed_worked_at_and_closed(world):
    await world.open_office()
    await world.open_office("consulado-houston", zone="America/Chicago", calendar="US", hours="lu-vi 09:00-13:00,14:00-17:00; sa 09:00-12:00")  # fmt: skip
    listed = (await world.ask(ADMIN, "office", "list"))["offices"]
    assert [(row["code"], row["hours"]) for row in listed] == [
        ("consulado-houston", "lu-vi 09:00-13:00,14:00-17:00; sa 09:00-12:00"),
        (OFFICE, "lu-vi 08:00-16:00"),
    ]
    await world.hire("o.ficticia", f"officer@{OFFICE}", "office-head@consulado-houston")
    members = (await world.ask("o.ficticia", "office", "members", "consulado-houston"))["people"]
    assert [row["login"] for row in members] == ["o.ficticia"]
    refused = await world.cli(ADMIN, "office", "close", OFFICE, code=6)
    assert "1 personas" in refused.output
    await world.cli(ADMIN, "user", "roles", "o.ficticia", "--role", "officer@consulado-houston")
    await world.cli(ADMIN, "office", "close", OFFICE)
    await world.cli(ADMIN, "office", "close", OFFICE, code=6)
    # Its code is not another's, and nobody can be given a post there.
    await world.cli(ADMIN, "office", "add", OFFICE, "--name-es", "x", "--name-en", "x", "--zone", "UTC", code=6)
    await world.cli(ADMIN, "user", "roles", "o.ficticia", "--role", f"officer@{OFFICE}", code=4)
    told = [leaf["detail"] for leaf in await world.leaves() if leaf.get("detail", "").startswith("office.")]
    assert told == ["office.add", "office.add", "office.close"]


@pytest.mark.parametrize(
    ("zone", "calendar", "now", "opens"),
    [
        # The army's day falls on a Monday in 2026; Saturday afternoon before it.
        ("America/Guatemala", "GT", datetime(2026, 6, 27, 20, tzinfo=UTC), datetime(2026, 6, 30, 14, tzinfo=UTC)),
        # Thanksgiving; and the Friday after is a working day.
        ("America/Chicago", "US", datetime(2026, 11, 26, 15, tzinfo=UTC), datetime(2026, 11, 27, 14, tzinfo=UTC)),
        # Constitution day is kept on the first Monday of February.
        ("America/Mexico_City", "MX", datetime(2026, 2, 1, 12, tzinfo=UTC), datetime(2026, 2, 3, 14, tzinfo=UTC)),
    ],
)
async def test_the_next_working_moment_knows_zone_and_holidays(world, zone, calendar, now, opens):
    world.clock.time = now
    await world.login(ADMIN)
    await world.open_office(zone=zone, calendar=calendar)
    told = await world.ask(ADMIN, "office", "next", OFFICE)
    assert not told["open"]
    assert datetime.fromisoformat(told["opens"]) == opens
    due = await world.ask(ADMIN, "office", "next", OFFICE, "--hours", "4")
    assert datetime.fromisoformat(due["due"]) == opens + timedelta(hours=4)
    said = await world.cli(ADMIN, "office", "next", OFFICE, "--hours", "4")
    assert f"({zone})" in said.output


@pytest.mark.parametrize(
    "wrong",
    [{"zone": "America/Atlantis"}, {"zone": "../../etc/passwd"}, {"zone": "/etc/localtime"}, {"calendar": "XX"}, {"hours": "siempre"}, {"name-es": " "},
     {"hours": "lu-vi 16:00-08:00"}, {"hours": "vi-lu 08:00-16:00"}, {"hours": "lu 08:00-25:00"}],
)  # fmt: skip
async def test_an_office_that_is_none_is_refused_in_words_and_changes_nothing(world, wrong):
    options = {"name-es": "x", "name-en": "x", "zone": "UTC", "calendar": "GT"} | wrong
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    refused = await world.cli(ADMIN, "office", "add", OFFICE, *words, code=2)
    assert "Qué hacer" in refused.output
    assert (await world.ask(ADMIN, "office", "list"))["offices"] == []


@st.composite
def weeks(draw):
    days = []
    for _ in range(7):
        marks = sorted(draw(st.sets(st.integers(0, DAY), max_size=6)))
        days.append([Opening(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)])
    days[0] = days[0] or [Opening(0, DAY)]
    return week(days)


@given(weeks())
def test_hours_are_read_as_they_are_shown(days):
    assert parse_hours(show_hours(days)) == days


@given(st.text(max_size=40))
def test_whatever_is_typed_for_hours_is_hours_or_refused(text):
    with suppress(InvalidError):
        assert parse_hours(show_hours(parse_hours(text))) == parse_hours(text)


async def test_a_term_counts_by_the_office_that_takes_new_work_where_its_own_is_not_there(world, monkeypatch):
    assert await calendar_at(Code(OFFICE), world.desk) is None  # there is no office at all
    await world.open_office("consulado-houston", zone="America/Chicago", calendar="US")
    await world.open_office()
    mine = await calendar_at(Code(OFFICE), world.desk)
    assert str(mine.zone) == "America/Guatemala"
    first = await calendar_at(None, world.desk)
    await world.cli(ADMIN, "office", "close", OFFICE)
    for gone in (OFFICE, "no-hay"):
        assert await calendar_at(Code(gone), world.desk) == await calendar_at(None, world.desk)
    assert str(first.zone) == "America/Chicago"

    async def unknown(*_):
        raise FaultError("nobody knows the holidays")

    monkeypatch.setattr(offices, "calendar_of", unknown)
    assert await calendar_at(None, world.desk) is None  # then hours just pass


def test_hours_are_read_in_english_too():
    assert parse_hours("mo-fr 08:00-16:00; sa 08:00-12:00") == parse_hours("lu-vi 08:00-16:00; sa 08:00-12:00")


# -- national days --------------------------------------------------------------------------------------------------------


async def test_national_days_of_three_countries():
    source = NationalDays()
    guatemala = await source("GT", [2026, 2027])
    assert {date(2026, 9, 15), date(2026, 4, 3), date(2027, 1, 1)} <= guatemala
    assert date(2026, 9, 16) in await source("MX", [2026])
    assert date(2026, 11, 26) in await source("US", [2026])
    assert {day.year for day in guatemala} == {2026, 2027}


async def test_a_child_that_does_not_answer_is_no_year_without_holidays(monkeypatch):
    source = NationalDays()
    monkeypatch.setattr(national_days, "_SECONDS", 0.0)
    with pytest.raises(FaultError):
        await source("GT", [2026])
    monkeypatch.setattr(national_days, "_SECONDS", 30.0)
    assert await source("GT", [2026])  # control: and it is not remembered as none
    with pytest.raises(FaultError):
        await source("XX", [2026])


async def test_what_is_known_is_not_asked_again(monkeypatch):
    source = NationalDays()
    await source("GT", [2026])

    async def never(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr(national_days, "_ask", never)
    assert await source("GT", [2026])


def test_the_package_weighs_on_the_child_and_not_on_the_node():
    """Resident memory of a process that has the node's modules, before and after it asked for holidays: under 3 MB."""
    program = """
import asyncio, resource, sys
import gateway.main.serving, gateway.main.people
from gateway.main.national_days import NationalDays
def kib():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
async def main():
    source = NationalDays()
    await asyncio.sleep(0)
    before = kib()
    for country in ("GT", "MX", "US"):
        assert await source(country, [2025, 2026, 2027, 2028])
    print(kib() - before, "holidays" in sys.modules)
asyncio.run(main())
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) < 3 * 1024, said
    assert said[1] == "False"
