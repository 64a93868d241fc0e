"""Dates as desks type them, one line each: what is read, how precisely, and what a person is told."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fields import check_value
from contracts.values import UnreadableValueError
from contracts.values.dates import parse_date

TODAY = date(2026, 11, 24)


def day(text, *notes):
    return {"date": text, "precision": "day"}, set(notes)


def month(text, *notes):
    return {"date": text, "precision": "month"}, {"month-only", *notes}


def about(text, *notes):
    return {"date": text, "precision": "approximate"}, {"approximate", *notes}


def between(first, last, *notes):
    return {"from": first, "to": last, "precision": "range"}, set(notes)


READ = {
    "15/06/1999": day("1999-06-15"),
    "12/03/1999": day("1999-03-12", "ambiguous-day-month"),
    "12/03/99": day("1999-03-12", "ambiguous-day-month", "two-digit-year"),
    "15/06/30": day("1930-06-15", "two-digit-year"),
    "15/06/24": day("2024-06-15", "two-digit-year"),
    "06/15/24": day("2024-06-15", "two-digit-year", "month-first-date"),
    "3/3/1999": day("1999-03-03"),
    "15-06-1999": day("1999-06-15"),
    "15.06.1999": day("1999-06-15"),
    "15 06 1999": day("1999-06-15"),
    "15 / 06 / 1999": day("1999-06-15"),
    "15–06–1999": day("1999-06-15"),
    " 15/06/1999 ": day("1999-06-15"),
    "'15/06/1999": day("1999-06-15"),
    "15/06/1999\u200b": day("1999-06-15"),
    "１５/０６/１９９９": day("1999-06-15"),
    "15/06/1999 10:30": day("1999-06-15"),
    "15/06/1999 10:30 p. m.": day("1999-06-15"),
    "1999-06-15": day("1999-06-15"),
    "1999/6/15": day("1999-06-15"),
    "1999-06-15T10:30:00": day("1999-06-15"),
    "1999-06-15T10:30:00Z": day("1999-06-15"),
    "1999-06-15 10:30:00": day("1999-06-15"),
    "19990615": day("1999-06-15", "compact-date"),
    "15061999": day("1999-06-15", "compact-date"),
    "12 de marzo de 1999": day("1999-03-12"),
    "12 de marzo del 1999": day("1999-03-12"),
    "12\u00a0de\u00a0marzo\u00a0de\u00a01999": day("1999-03-12"),
    "lunes, 12 de marzo de 1999": day("1999-03-12"),
    "12 MAR 1999": day("1999-03-12"),
    "12-mar-99": day("1999-03-12", "two-digit-year"),
    "12/mar/1999": day("1999-03-12"),
    "1ro de enero de 1999": day("1999-01-01"),
    "primero de enero de 2000": day("2000-01-01"),
    "3 de setiembre de 1991": day("1991-09-03"),
    "Dec 3, 1991": day("1991-12-03"),
    "36231": day("1999-03-12", "excel-serial-date"),
    "36231.5": day("1999-03-12", "excel-serial-date"),
    "36231,5": day("1999-03-12", "excel-serial-date"),
    "marzo de 1999": month("1999-03"),
    "marzo 1999": month("1999-03"),
    "marzo/1999": month("1999-03"),
    "03-2019": month("2019-03"),
    "3/2019": month("2019-03"),
    "2019-03": month("2019-03"),
    "mar-99": month("1999-03", "two-digit-year"),
    "fines de marzo de 2019": ({"date": "2019-03", "precision": "month"}, {"part-of-month"}),
    "1999": ({"date": "1999", "precision": "year"}, {"year-only"}),
    "año 1999": ({"date": "1999", "precision": "year"}, {"year-only"}),
    "como en 1999": about("1999", "year-only"),
    "aprox. 1999": about("1999", "year-only"),
    "1999 aprox.": about("1999", "year-only"),
    "1999?": about("1999", "year-only"),
    "como marzo de 1999": about("1999-03", "month-only"),
    "mediados de 1998": between("1998-05", "1998-08", "part-of-year"),
    "a finales del 98": between("1998-09", "1998-12", "part-of-year", "two-digit-year"),
    "1998-1999": between("1998", "1999", "range-of-years"),
    "entre 1998 y 1999": between("1998", "1999", "range-of-years"),
    "1998/1999": between("1998", "1999", "range-of-years"),
    "marzo o abril de 1999": between("1999-03", "1999-04", "range-of-months"),
    "los años 80": between("1980", "1989", "range-of-years"),
}

REFUSED = {
    "no sabe": "date-not-readable",
    "31/02/1990": "impossible-date",
    "29/02/1999": "impossible-date",
    "1999-13-01": "impossible-date",
    "00/00/1999": "impossible-date",
    "12/03/2190": "date-out-of-range",
    "01/01/0001": "date-out-of-range",
    "15/06/1899": "date-out-of-range",
    "2026-11-25": "date-in-future",
    "2027": "date-in-future",
    "15/12/26": "date-in-future",
    "1899": "date-not-readable",  # not the serial number of some day in 1905
    "2101": "date-not-readable",
    "1": "date-not-readable",
    "60": "date-not-readable",  # Excel's 29 February 1900, which never was
    "100000": "date-not-readable",
    "99999": "date-out-of-range",
    "10111210": "date-not-readable",
    "hace tres meses": "date-relative",
    "ayer": "date-relative",
    "12 de marzo": "date-without-year",
    "agosto": "date-without-year",
    "12/03/199": "date-not-readable",
    "10:30:00": "date-not-readable",
}


@pytest.mark.parametrize("text", READ)
def test_a_date_is_read(text):
    value, notes = READ[text]
    parsed = parse_date(text, today=TODAY)
    assert parsed.value == value
    assert set(parsed.notes) == notes
    assert check_value("date", parsed.value)


@pytest.mark.parametrize("text", REFUSED)
def test_a_date_nobody_should_guess(text):
    with pytest.raises(UnreadableValueError) as caught:
        parse_date(text, today=TODAY)
    assert caught.value.code == REFUSED[text]


@pytest.mark.parametrize(
    ("text", "order", "iso", "notes"),
    [
        ("03/12/1999", "mdy", "1999-03-12", {"ambiguous-day-month"}),
        ("03/12/1999", "dmy", "1999-12-03", {"ambiguous-day-month"}),
        ("15/06/1999", "mdy", "1999-06-15", {"day-first-date"}),
        ("06/15/1999", "mdy", "1999-06-15", set()),
    ],
)
def test_the_order_a_source_writes_decides_only_what_is_open(text, order, iso, notes):
    parsed = parse_date(text, order=order, today=TODAY)
    assert (parsed.value["date"], set(parsed.notes)) == (iso, notes)


def test_serial_numbers_of_a_1904_workbook():
    assert parse_date("34769", today=TODAY, date1904=True).value["date"] == "1999-03-12"
    assert parse_date("34769", today=TODAY).value["date"] == "1995-03-11"


@given(st.text(max_size=40))
def test_any_text_is_a_date_of_the_dictionary_or_refused(text):
    try:
        parsed = parse_date(text, today=TODAY)
    except UnreadableValueError:
        return
    assert check_value("date", parsed.value)


@given(
    st.dates(date(1930, 1, 1), TODAY), st.sampled_from(["%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y", "%d.%m.%Y", "%Y-%m-%dT00:00:00"])
)
def test_every_day_comes_back_in_every_usual_spelling(when, spelling):
    assert parse_date(when.strftime(spelling), today=TODAY).value == {"date": when.isoformat(), "precision": "day"}


@given(st.dates(date(1930, 1, 1), TODAY))
def test_every_serial_number_is_the_day_a_spreadsheet_shows(when):
    serial = str((when - date(1899, 12, 30)).days)
    assert parse_date(serial, today=TODAY).value["date"] == when.isoformat()
