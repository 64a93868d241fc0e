"""Document numbers: what is repaired, what is warned of, what is never made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import UnreadableValueError
from contracts.values.documents import (
    FICTITIOUS_SERIALS,
    MUNICIPALITIES,
    a_number,
    cui_notes,
    curp_checks,
    fictitious_cui,
    parse_cui,
    parse_document,
)

GOOD = "1234567890101"
SPELLINGS = [
    GOOD, f" {GOOD} ", "1234 56789 0101", "1234-56789-0101", f"{GOOD}.0", f"{GOOD},0", "1.234567890101E+12", "1,234,567,890,101",
    f"CUI {GOOD}", "DPI: 1234 56789 0101", f"'{GOOD}", f"{GOOD}\u200b", "１２３４５６７８９０１０１", "١٢٣٤٥٦٧٨٩٠١٠١", "1 2 3 4 5 6 7 8 9 0 1 0 1",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_cui_however_it_is_written(text):
    parsed = parse_cui(text)
    assert parsed.value == GOOD
    assert set(parsed.notes) <= {"cui-from-number"}


def test_there_are_340_municipalities():
    assert sum(MUNICIPALITIES) == 340


@pytest.mark.parametrize(
    ("digits", "notes"),
    [
        ("2000000041333", set()),  # Petatán, which tables of 339 refuse
        (fictitious_cui(6, 5, 14), set()),  # Sipacate
        ("1234567800101", {"cui-check-digit"}),
        ("1234567899901", {"cui-department"}),
        ("1234567890100", {"cui-municipality"}),
        (fictitious_cui(9)[:9] + "1334", {"cui-municipality"}),
        ("9900000101301", {"cui-remainder-ten"}),
    ],
)
def test_what_does_not_check_warns_and_stays(digits, notes):
    parsed = parse_cui(digits)
    assert parsed.value == digits
    assert set(parsed.notes) == notes


def test_a_zero_a_spreadsheet_ate():
    parsed = parse_cui("234567890101")
    assert parsed.value == "0234567890101"
    assert "leading-zero-restored" in parsed.notes


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.23457E+12", "cui-digits-lost"),
        ("1,23457E+12", "cui-digits-lost"),
        ("12345678901", "cui-not-13-digits"),
        ("12345678901015", "cui-not-13-digits"),
        ("123456789010O", "cui-not-13-digits"),
        ("en trámite", "cui-not-13-digits"),
        (f"{GOOD} / {GOOD}", "cui-not-13-digits"),
    ],
)
def test_digits_nobody_wrote_are_nobodys_number(text, code):
    with pytest.raises(UnreadableValueError) as caught:
        parse_cui(text)
    assert caught.value.code == code


@given(st.integers(0, 300), st.integers(1, 22), st.data())
def test_every_valid_cui_checks_and_one_wrong_digit_does_not(number, department, data):
    municipality = data.draw(st.integers(1, MUNICIPALITIES[department - 1]))
    digits = fictitious_cui(number, department, municipality)
    assert cui_notes(digits) == ()
    assert int(digits[:8]) in FICTITIOUS_SERIALS
    place = data.draw(st.integers(0, 8))
    other = str((int(digits[place]) + data.draw(st.integers(1, 9))) % 10)
    assert cui_notes(digits[:place] + other + digits[place + 1 :]) != ()


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("M-13 12345", "cedula-de-vecindad", "M-13 12345"),
        ("M-13 Reg. 12345", "cedula-de-vecindad", "M-13 12345"),
        ("Cédula M-13 12345", "cedula-de-vecindad", "M-13 12345"),
        ("BOXW310820HNERXN09", "curp", "BOXW310820HNERXN09"),
        ("A12345678", "a-number", "012345678"),
        ("A-012 345 678", "a-number", "012345678"),
        ("pasaporte 123456789", "passport", "123456789"),
        ("123456789.0", "passport", "123456789"),
        ("1234 56789 0101", "cui", GOOD),
    ],
)
def test_other_documents(text, kind, number):
    value = parse_document(text).value
    assert (value["type"], value["number"]) == (kind, number)


@pytest.mark.parametrize("text", ["DPI", "acta de nacimiento", "no tiene", "12"])
def test_no_document(text):
    with pytest.raises(UnreadableValueError):
        parse_document(text)


def test_curp_check_digit_and_sex_x():
    assert curp_checks("BOXW310820HNERXN09")
    assert not curp_checks("BOXW310820HNERXN08")
    assert "curp-check" in parse_document("BOXW310820HNERXN08").notes
    # the third sex letter is accepted, with a check digit of its own
    assert [digit for digit in "0123456789" if curp_checks(f"BOXW310820XNERXN0{digit}")]


def test_an_a_number_is_nine_digits():
    assert a_number("A 1234567").value == "001234567"
