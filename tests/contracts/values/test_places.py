"""Places: a code only where the name leaves no doubt; a country only where it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fields import check_value
from contracts.values import UnreadableValueError
from contracts.values.municipalities import NAMES
from contracts.values.places import DEPARTMENTS, department_code, join_places, parse_place, suggest

MUNICIPALITY = {
    "Petatán": "1333", "PETATAN, HUEHUETENANGO": "1333", "La Libertad, Petén": "1705", "La Libertad (Petén)": "1705",
    "La Libertad - Petén": "1705", "La Libertad Petén": "1705", "La Libertad/Huehuetenango": "1311", "Nebaj\nQuiché": "1413",
    "Santa Cruz del Quiché": "1401", "Sta. Cruz del Quiché": "1401", "San Juan Ixcoy": "1323", "S. Juan Ixcoy": "1323", "San Pedro Soloma": "1308",
    "Santa Cruz Barillas": "1326", "Ciudad de Guatemala": "0101", "Cobán, A.V.": "1601", "Mixco, Guatemala": "0108",
    "Nebaj, El Quiché": "1413", "1333": "1333", "0514": "0514", "514": "0514", "1333.0": "1333", "municipio de Nebaj": "1413",
    "Aldea Las Nubes, San Juan Ixcoy, Huehuetenango": "1323", "Aldea Las Nubes, San Juan Ixcoy": "1323",
}  # fmt: skip
DEPARTMENT_ONLY = {
    "Petén": "17", "El Petén": "17", "peten": "17", "El Quiché": "14", "Depto. de Huehuetenango": "13", "Huehuetenango": "13",
    "El Progreso": "02", "13": "13", "5": "05", "13 - Huehuetenango": "13", "Alta Verapaz": "16", "A.V.": "16",
}  # fmt: skip
ABROAD = {
    "Reynosa, México": "MX", "Reynosa, Tamaulipas": "MX", "Tapachula, Chiapas": "MX", "Houston, Texas": "US", "Houston, TX": "US", "EE. UU.": "US",
    "U.S.A.": "US", "Río Bravo, Texas": "US", "Honduras": "HN", "Mejico": "MX", "Reynosa": "ZZ", "frontera": "ZZ",
}  # fmt: skip


@pytest.mark.parametrize("text", MUNICIPALITY)
def test_a_municipality(text):
    value = parse_place(text).value
    assert value["municipality"] == MUNICIPALITY[text]
    assert value["department"] == MUNICIPALITY[text][:2]
    assert check_value("place", value)


@pytest.mark.parametrize("text", DEPARTMENT_ONLY)
def test_a_department_and_no_more(text):
    assert parse_place(text).value == {"country": "GT", "department": DEPARTMENT_ONLY[text]}


def test_a_department_that_is_a_municipality_too_is_told():
    assert parse_place("Huehuetenango").notes == ("department-or-municipality",)
    assert parse_place("Petén").notes == ()


@pytest.mark.parametrize("text", ABROAD)
def test_a_country_is_said_or_unknown(text):
    assert parse_place(text).value["country"] == ABROAD[text]


@pytest.mark.parametrize("text", ["La Libertad", "La Democracia", "San Pedro Sacatepéquez"])
def test_a_name_in_two_departments_is_not_chosen_for_anybody(text):
    parsed = parse_place(text)
    assert "municipality" not in parsed.value
    assert "municipality-ambiguous" in parsed.notes


@pytest.mark.parametrize("text", [",", ";", " , ; ", "9999", "1334", "2301", "0"])
def test_no_place(text):
    with pytest.raises(UnreadableValueError):
        parse_place(text)


def test_guatemala_after_a_name_may_be_the_country():
    assert "municipality-ambiguous" in parse_place("San Pedro Sacatepéquez, Guatemala").notes
    assert parse_place("Guatemala, Guatemala").value["municipality"] == "0101"


@pytest.mark.parametrize("code", [code for code in NAMES if code != "0109"])
def test_every_municipality_is_found_with_its_department(code):
    assert parse_place(f"{NAMES[code]}, {DEPARTMENTS[code[:2]]}").value == {
        "country": "GT",
        "department": code[:2],
        "municipality": code,
    }


def test_two_columns_make_one_place():
    north = {"country": "GT", "department": "17"}
    assert join_places(parse_place("La Libertad").value, north).value["municipality"] == "1705"
    assert join_places(north, parse_place("La Libertad").value).value["municipality"] == "1705"
    assert join_places(north, north).value == north
    assert join_places({"country": "MX"}, parse_place("Reynosa").value).value == {"country": "MX", "text": "Reynosa"}
    with pytest.raises(UnreadableValueError):
        join_places(parse_place("Nebaj").value, north)


def test_departments_with_articles_numbers_and_short_names():
    assert {department_code(text) for text in ("Quiché", "El Quiché", "quiche", "14", "Depto. Quiché")} == {"14"}
    assert department_code("Texas") is None
    assert suggest("Huehuetenago") == "Huehuetenango"


@given(st.text(max_size=60))
def test_any_text_is_a_place_of_the_dictionary_or_refused(text):
    try:
        parsed = parse_place(text)
    except UnreadableValueError:
        return
    assert check_value("place", parsed.value)
