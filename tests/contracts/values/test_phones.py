"""Telephone numbers of three countries, as they stand in cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fields import check_value
from contracts.values import UnreadableValueError
from contracts.values.phones import phones

READ = {
    "5555-0100": ["+50255550100"], "5555 0100": ["+50255550100"], "5555.0100": ["+50255550100"], "5555–0100": ["+50255550100"],
    "55550100": ["+50255550100"], "55550100.0": ["+50255550100"], "+502 5555-0100": ["+50255550100"], "(502) 5555-0100": ["+50255550100"],
    "00502 5555 0100": ["+50255550100"], "50255550100": ["+50255550100"], "50255550100.0": ["+50255550100"],
    "5.0255550123e10": ["+50255550123"], "+502 5555‑0100": ["+50255550100"],
    "\u202a+502 5555 0100\u202c": ["+50255550100"], "５５５５０１００": ["+50255550100"],
    "+1 (713) 555-0100": ["+17135550100"], "001 713 555 0100": ["+17135550100"], "1-713-555-0100": ["+17135550100"],
    "+52 55 1234 5678": ["+525512345678"], "+52 1 55 1234 5678": ["+5215512345678"],
    "5555-0100 / 5555-0101": ["+50255550100", "+50255550101"], "5555-0100 y 5555-0101": ["+50255550100", "+50255550101"],
    "5555-0100 ó 5555-0101": ["+50255550100", "+50255550101"], "5555-0100 5555-0101": ["+50255550100", "+50255550101"],
    "55550100\n55550101": ["+50255550100", "+50255550101"], "5555-0100, 5555-0100": ["+50255550100"],
    "5555-0100 ext. 12": ["+50255550100;ext=12"], "+1 (713) 555-0100 x4": ["+17135550100;ext=4"],
    "5555-0100 (vecina)": ["+50255550100"], "cel: 5555-0100": ["+50255550100"], "+502 5555-0100 / no sabe": ["+50255550100"],
    "713-555-0100": ["7135550100"], "5555-010": ["5555010"],
}  # fmt: skip
TOLD = {
    "5555-0100": "country-code-assumed", "5555-0100 (vecina)": "words-not-kept", "713-555-0100": "phone-country-unknown",
    "5555-010": "phone-length", "+502 5555 010": "phone-length", "5555-0100 / 12": "phone-part-not-readable",
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_a_cell_of_numbers(text):
    parsed = phones(text)
    assert parsed.value == READ[text]
    assert check_value("phones", parsed.value)


@pytest.mark.parametrize("text", TOLD)
def test_what_is_not_certain_is_told(text):
    assert TOLD[text] in phones(text).notes


@pytest.mark.parametrize("text", ["no tiene", "2", "+502", "0", "00000000", "5.02555E+10", "vecina"])
def test_no_number(text):
    with pytest.raises(UnreadableValueError) as caught:
        phones(text)
    assert caught.value.code == "phone-not-readable"


@given(
    st.lists(st.integers(20_000_000, 79_999_999), min_size=1, max_size=4, unique=True),
    st.sampled_from([" / ", ", ", "; ", "\n", " y "]),
)
def test_no_number_of_a_cell_is_lost(numbers, separator):
    wanted = [f"+502{number}" for number in numbers if len(set(str(number))) > 1]
    if wanted:
        assert phones(separator.join(str(number) for number in numbers)).value == wanted


@given(st.text(max_size=40))
def test_any_text_is_a_list_of_the_dictionary_or_refused(text):
    try:
        parsed = phones(text)
    except UnreadableValueError:
        return
    assert check_value("phones", parsed.value)
