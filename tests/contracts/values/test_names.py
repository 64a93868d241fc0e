"""Names: particles, apostrophes, married names, nicknames, two people in a cell; never corrected."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import UnreadableValueError
from contracts.values.names import (
    APOSTROPHES,
    aliases,
    full_name,
    given_names,
    normal_form,
    split_married,
    split_nickname,
    surnames,
)
from contracts.values.text import escaped, is_garbled, is_nothing, plain, tidy

SURNAMES = {
    "Caal Choc": ("Caal", "Choc"), "CAAL CHOC": ("CAAL", "CHOC"), "Caal,Choc": ("Caal", "Choc"), "Xol Ba'": ("Xol", "Ba'"),
    "Raymundo Raymundo": ("Raymundo", "Raymundo"), "De León": ("De León", None), "de León Xol": ("de León", "Xol"),
    "De León de la Cruz": ("De León", "de la Cruz"), "DE LA CRUZ DE LEÓN": ("DE LA CRUZ", "DE LEÓN"), "Del Cid Del Valle": ("Del Cid", "Del Valle"),
    "Montes de Oca Ruiz": ("Montes de Oca", "Ruiz"), "Ponce de León": ("Ponce de León", None), "García-López Pérez": ("García-López", "Pérez"),
    "Pérez y Gómez": ("Pérez", "Gómez"), "Caal -": ("Caal", None), "Caal X": ("Caal", None), "San Juan Pérez": ("San Juan", "Pérez"),
    "Van der Berg": ("Van der Berg", None), "Mateo Pedro Francisco": ("Mateo", "Pedro Francisco"), "Ch'ol": ("Ch'ol", None),
}  # fmt: skip
GIVEN = {
    "Ana": ["Ana"], "María de los Ángeles": ["María", "de los Ángeles"], "MARÍA  JOSÉ": ["MARÍA", "JOSÉ"], "J. Antonio": ["J.", "Antonio"],
    "Ana\u200b": ["Ana"], "\u202eAna": ["Ana"], "Mari\u0301a": ["María"], "Ana María Lucía Sofía Inés Rosa Elena": ["Ana", "María", "Lucía", "Sofía", "Inés", "Rosa", "Elena"],
}  # fmt: skip
TWO_PEOPLE = ["José y su hermano", "Juan/Pedro", "Juan / Pedro", "Juan y Pedro", "Juan & María", "Juan+Pedro", "Juan;Pedro", "Juan, Pedro", "Juan\nPedro", "Juan e hijos"]  # fmt: skip


@pytest.mark.parametrize("text", SURNAMES)
def test_surnames_in_one_cell(text):
    first, second = surnames(text)
    assert (first.value, second.value if second else None) == SURNAMES[text]


@pytest.mark.parametrize("text", ["de", "Caal de", "-", "N.N.", "123"])
def test_no_surname(text):
    with pytest.raises(UnreadableValueError):
        surnames(text)


@pytest.mark.parametrize("text", GIVEN)
def test_given_names(text):
    assert given_names(text).value == GIVEN[text]


@pytest.mark.parametrize("text", TWO_PEOPLE)
def test_two_people_in_one_cell(text):
    with pytest.raises(UnreadableValueError) as caught:
        given_names(text)
    assert caught.value.code == "two-people-in-one-cell"


def test_what_looks_wrong_in_a_name_is_told_and_kept():
    assert given_names("\u0410na").notes == ("mixed-scripts",)
    assert given_names("Ana2").notes == ("digits-in-name",)
    assert "maybe-married-name" in surnames("López de Pérez")[0].notes
    assert not surnames("De León de Paz")[0].notes


@pytest.mark.parametrize(
    ("text", "given", "rest"),
    [
        ("Caal Choc, Ficticio Andrés", ["Ficticio", "Andrés"], "Caal Choc"),
        ("Ficticio Caal", ["Ficticio"], "Caal"),
        ("Ficticio Caal Choc", ["Ficticio"], "Caal Choc"),
        ("Ficticio Andrés Caal Choc", ["Ficticio", "Andrés"], "Caal Choc"),
        ("Ficticio Andrés De León de la Cruz", ["Ficticio", "Andrés"], "De León de la Cruz"),
    ],
)
def test_a_whole_name_in_one_cell(text, given, rest):
    parsed, left = full_name(text)
    assert (parsed.value, left) == (given, rest)
    assert ("name-split-assumed" in parsed.notes) == ("," not in text and len(text.split()) > 2)


def test_one_word_is_no_whole_name():
    with pytest.raises(UnreadableValueError):
        full_name("Ficticio")


def test_married_names_and_nicknames_are_taken_apart():
    assert split_married("Pop Xol Vda. de Choc") == ("Pop Xol", "Vda. de Choc")
    assert split_married("De León de la Cruz") == ("De León de la Cruz", None)
    assert split_nickname("Ficticio (El Chino)") == ("Ficticio  ", ["El Chino"])
    assert split_nickname('Ficticio "Chepe"')[1] == ["Chepe"]
    assert split_nickname("Ficticio")[1] == []
    assert aliases("El Chino, Chepe / no tiene").value == ["El Chino", "Chepe"]


@pytest.mark.parametrize("mark", APOSTROPHES)
def test_all_apostrophes_are_one(mark):
    assert normal_form(f"Q{mark}anil") == "q'anil"


@given(st.text(st.characters(codec="utf-8", categories=["L", "Mn", "Zs"]), max_size=30))
def test_composed_and_decomposed_names_compare_equal(text):
    assert normal_form(unicodedata.normalize("NFD", text)) == normal_form(unicodedata.normalize("NFC", text))
    assert tidy(tidy(text)) == tidy(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u00a0", "\u200b", "-", "--", "—", "...", "?", "N/A", "n.a.", "s/d", "S.D.", "N/D", "NULL", "ninguno", "No tiene.", "no sabe",
     "NO SABE", "se ignora", "sin datos", "desconocido", "unknown", "xxx", "***", "NS/NR", "No aplica", "pendiente"],
)  # fmt: skip
def test_words_for_nothing(text):
    assert is_nothing(text)


@pytest.mark.parametrize(
    "text", ["Nadia", "No", "Noé", "Nolasco", "Ana", "0", "Sin", "M", "Nilo", "Pendiente de confirmar en RENAP"]
)
def test_words_that_are_something(text):
    assert is_nothing(text) == (text == "No")


def test_text_destroyed_on_the_way_is_seen():
    assert is_garbled("MuÃ±oz")
    assert is_garbled("Mu\ufffdoz")
    assert is_garbled("Qâ€™anil")
    assert not any(is_garbled(text) for text in ("Muñoz", "São", "Ángel", "Q’anil", "ÃO"))


def test_plain_reads_digits_of_every_script():
    assert plain("١٢٣ ４５") == "123 45"


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "＝1", "\x1b[31m=1"])
def test_nothing_shown_runs_in_a_spreadsheet_or_a_terminal(text):
    shown = escaped(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "＝")) or shown.startswith("'")
    assert "\x1b" not in shown
