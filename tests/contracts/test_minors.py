"""A child is never taken for an adult because a date is imprecise."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.minors import minority

DAYS = st.dates(date(1990, 1, 1), date(2026, 12, 31))


def age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def every_birthday(text: str) -> list[date]:
    year, *rest = (int(part) for part in text.split("-"))
    months = rest[:1] or range(1, 13)
    return [date(year, month, day) for month in months for day in rest[1:] or range(1, monthrange(year, month)[1] + 1)]


@given(born=DAYS, length=st.sampled_from([4, 7, 10]), waited=st.integers(0, 365 * 30))
def test_every_birthday_a_date_leaves_possible_is_considered(born, length, waited):
    text = born.isoformat()[:length]
    today = born + timedelta(days=waited)
    ages = {age(day, today) >= 18 for day in every_birthday(text)}
    expected = "possible" if len(ages) == 2 else "no" if ages == {True} else "yes"
    precision = {4: "year", 7: "month", 10: "day"}[length]
    assert minority({"birth_date": {"date": text, "precision": precision}}, today) == expected


@pytest.mark.parametrize("today", [date(2026, 11, 28), date(2026, 11, 29)])
def test_a_month_ends_on_its_last_day(today):
    assert minority({"birth_date": {"date": "2008-11", "precision": "month"}}, today) == "possible"


def test_nothing_known_is_possible():
    assert minority({}, date(2026, 11, 24)) == "possible"


def test_two_statements_that_disagree_leave_both_possible():
    values = {"birth_date": {"date": "1990", "precision": "year"}, "age_range": {"min": 15, "max": 17}}
    assert minority(values, date(2026, 11, 24)) == "possible"


@pytest.mark.parametrize(("low", "high", "expected"), [(12, 17, "yes"), (17, 18, "possible"), (18, 25, "no")])
def test_a_stated_age(low, high, expected):
    assert minority({"age_range": {"min": low, "max": high}}, date(2026, 11, 24)) == expected
