"""Statures, weights and ages as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fields import check_value
from contracts.values import UnreadableValueError
from contracts.values.measures import age, stature, weight

STATURES = {
    "162": 162, "162 cm": 162, "162cms.": 162, "162.0": 162, "1.62": 162, "1,62 m": 162, "1.62 mts.": 162, "1.6256": 163,
    "1 metro 62": 162, "1 metro con 62": 162, "1m62": 162, "estatura 1.62": 162, "como 1.62": 162, "1.62 aprox.": 162,
    "5'4\"": 163, "5'4": 163, "5’4”": 163, "5´4": 163, "5 pies 4": 163, "5 pies con 4 pulgadas": 163, "5 ft 4 in": 163, "5ft4": 163,
    "5'4½\"": 164, "5'": 152, "64 in": 163, "64 pulgadas": 163, "5'-4\"": 163,
}  # fmt: skip
STATURES_REFUSED = {
    "mediano": "stature-in-words", "estatura mediana": "stature-in-words", "muy alto": "stature-in-words", "5.4": "stature-unit-unclear",
    "5-4": "stature-unit-unclear", "5'13\"": "stature-not-readable", "16.2": "measure-out-of-range", "1620": "measure-out-of-range",
    "-162": "stature-not-readable", "0": "measure-out-of-range", "1:62": "stature-not-readable",
}  # fmt: skip
WEIGHTS = {
    "68 kg": 68, "68kg": 68, "68,5 kg": 68, "68 kilos": 68, "150 lb": 68, "150 lbs.": 68, "150 libras": 68, "150#": 68,
    "aprox. 150 libras": 68, "68": 68,
}  # fmt: skip
WEIGHTS_REFUSED = {
    "150": "weight-unit-unclear",
    "delgado": "weight-in-words",
    "0 kg": "measure-out-of-range",
    "ciento": "weight-not-readable",
}
AGES = {
    "22": (22, 22), "22.0": (22, 22), "17 años": (17, 17), "17 AÑOS": (17, 17), "22 anios": (22, 22), "edad 22": (22, 22), "17.9": (17, 17),
    "como 20": (17, 23), "unos 20 años": (17, 23), "20 aprox.": (17, 23), "20?": (17, 23), "~20": (17, 23), "20-25": (20, 25),
    "de 20 a 25 años": (20, 25), "20 o 21": (20, 21), "20/25": (20, 25), "8 meses": (0, 0), "18 meses": (1, 1), "2 años y 3 meses": (2, 2),
    "recién nacido": (0, 0), "3 semanas": (0, 0), "más de 40": (40, 120), "40+": (40, 120), "menos de 18": (0, 17), "<18": (0, 17),
    "menor de edad": (0, 17), "adulto": (18, 120), "30s": (30, 39), "22 years old": (22, 22), "0": (0, 0),
}  # fmt: skip
AGES_REFUSED = {
    "joven": "age-not-readable",
    "121": "age-out-of-range",
    "12/03/1999": "age-not-readable",
    "-5": "age-not-readable",
}


@pytest.mark.parametrize("text", STATURES)
def test_a_stature(text):
    assert stature(text).value == {"min": STATURES[text], "max": STATURES[text]}


def test_a_stature_of_two_numbers():
    assert stature("1.60 a 1.65 m").value == {"min": 160, "max": 165}
    assert stature("160-165 cm").value == {"min": 160, "max": 165}


def test_the_unit_a_source_says():
    assert stature("5 4", unit="ft").value == {"min": 163, "max": 163}
    assert stature("64", unit="in").value == {"min": 163, "max": 163}
    assert weight("150", unit="lb").value == {"min": 68, "max": 68}
    assert weight("150", unit="kg").value == {"min": 150, "max": 150}
    assert weight("68 kg", unit="lb").value == {"min": 68, "max": 68}, "the cell knows better than the heading"


@pytest.mark.parametrize("text", WEIGHTS)
def test_a_weight(text):
    assert weight(text).value == {"min": WEIGHTS[text], "max": WEIGHTS[text]}


def test_a_weight_without_a_unit_says_so():
    assert "kilograms-assumed" in weight("68").notes


@pytest.mark.parametrize("text", AGES)
def test_an_age(text):
    low, high = AGES[text]
    assert age(text).value == {"min": low, "max": high}


REFUSED = [
    *((stature, text, code) for text, code in STATURES_REFUSED.items()),
    *((weight, text, code) for text, code in WEIGHTS_REFUSED.items()),
    *((age, text, code) for text, code in AGES_REFUSED.items()),
]


@pytest.mark.parametrize(("parser", "text", "code"), REFUSED)
def test_a_measure_nobody_should_guess(parser, text, code):
    with pytest.raises(UnreadableValueError) as caught:
        parser(text)
    assert caught.value.code == code


@pytest.mark.parametrize(("parser", "kind"), [(stature, "measure"), (weight, "measure"), (age, "age")])
@given(text=st.text(st.sampled_from("0123456789 .,-'\"/abcdefgikmnoprstu½²٣٤"), max_size=14))
def test_any_text_is_a_value_of_the_dictionary_or_refused(parser, kind, text):
    try:
        parsed = parser(text)
    except UnreadableValueError:
        return
    assert check_value(kind, parsed.value)


@given(st.integers(100, 220))
def test_centimetres_metres_and_commas_agree(centimetres):
    spellings = {
        str(centimetres),
        f"{centimetres / 100:.2f}",
        f"{centimetres / 100:.2f} m".replace(".", ","),
        f"{centimetres} cm",
    }
    assert {stature(text).value["min"] for text in spellings} == {centimetres}
