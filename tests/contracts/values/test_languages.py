"""Languages in the spellings sources use."""

import pytest

from contracts.values import UnreadableValueError
from contracts.values.languages import LANGUAGES, parse_language

SPELLINGS = {
    "K'iche'": "quc", "K’iche’": "quc", "K´iche´": "quc", "QUICHÉ": "quc", "kiche": "quc", "Q’eqchi’": "kek", "qeqchí": "kek",
    "Kanjobal": "kjb", "Q'anjob'al": "kjb", "Kaqchiquel": "cak", "idioma Mam": "mam", "Maya Mam": "mam", "Español": "spa", "castellano": "spa",
    "es": "spa", "Garifuna": "cab", "Achí": "acr", "Kanjobal (Q'anjob'al)": "kjb", "mam": "mam",
}  # fmt: skip


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_language(text):
    assert parse_language(text).value == SPELLINGS[text]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_spelling_of_the_table_is_read(code):
    assert {parse_language(spelling).value for spelling in LANGUAGES[code].split("|")} == {code}


def test_of_two_languages_the_first_and_a_note():
    parsed = parse_language("Mam y español")
    assert (parsed.value, parsed.notes) == ("mam", ("more-than-one-language",))


@pytest.mark.parametrize("text", ["klingon", "no sabe", ",", "y"])
def test_a_language_nobody_lists(text):
    with pytest.raises(UnreadableValueError):
        parse_language(text)
