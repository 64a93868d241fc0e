"""Kinds of values: any JSON is judged without a fault, every form hides what it says it hides, and stays accepted."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import fields
from contracts.attachments import MAX_SEALED, MEDIA_TYPES, Grade
from contracts.codec import b64u_encode
from contracts.fields import Form, check_value, coarsen, fits, kinds, ladder
from contracts.fields.kinds import AGE_BANDS, BAND_WIDTH, KINDS, MAX_ITEMS, MAX_MEASURE, at_most

CODES = st.from_regex(r"[a-z][a-z0-9-]{0,10}", fullmatch=True)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60).filter(str.strip)
DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2099, 12, 31))


def cut(day, length):
    return day.isoformat()[:length]


def dates():
    plain = [
        st.builds(lambda day, n=n, p=p: {"date": cut(day, n), "precision": p}, DAYS)
        for n, p in ((10, "day"), (7, "month"), (4, "year"), (10, "approximate"), (7, "approximate"), (4, "approximate"))
    ]
    lengths = st.sampled_from((4, 7, 10))
    ends = st.tuples(DAYS, DAYS).map(sorted)
    ranges = st.builds(
        lambda pair, a, b: {"from": cut(pair[0], a), "to": cut(pair[1], b), "precision": "range"}, ends, lengths, lengths
    )
    return st.one_of(*plain, ranges)


def ranges(high):
    return st.tuples(st.integers(0, high), st.integers(0, high)).map(lambda pair: {"min": min(pair), "max": max(pair)})


PLACES = st.fixed_dictionaries(
    {"country": st.from_regex("[A-Z]{2}", fullmatch=True)},
    optional={
        "department": st.from_regex("[0-9]{2}", fullmatch=True),
        "municipality": st.from_regex("[0-9]{4}", fullmatch=True),
        "text": WORDS,
    },
)
ITEMS = st.fixed_dictionaries(
    {}, optional={"type": CODES, "region": CODES, "side": CODES, "text": WORDS, "number": WORDS, "id": WORDS}
)
CONSENTS = st.fixed_dictionaries(
    {"scope": CODES, "act": st.sampled_from(["given", "narrowed", "withdrawn"]), "from": DAYS.map(str)},
    optional={
        "until": DAYS.map(str),
        "form": CODES,
        "to": st.lists(CODES, min_size=1, max_size=2),
        "witness": WORDS,
        "reason": WORDS,
    },
)
GRADED = st.fixed_dictionaries(
    {
        "sha256": st.binary(min_size=32, max_size=32).map(b64u_encode),
        "size": st.integers(1, MAX_SEALED),
        "mt": st.sampled_from(sorted(MEDIA_TYPES)),
        "grade": st.sampled_from([grade.value for grade in Grade]),
        "key": st.binary(min_size=32, max_size=32).map(b64u_encode),
    }
)
VALUES = {
    "text": WORDS,
    "long_text": WORDS,
    "choice": CODES,
    "choices": st.lists(CODES, min_size=1, max_size=MAX_ITEMS),
    "digits": st.from_regex("[0-9]{4,20}", fullmatch=True),
    "name": WORDS,
    "names": st.lists(WORDS, min_size=1, max_size=4),
    "date": dates(),
    "age": ranges(150),
    "measure": ranges(MAX_MEASURE),
    "place": PLACES,
    "items": st.lists(ITEMS.filter(bool), min_size=1, max_size=4),
    "consents": st.lists(CONSENTS, min_size=1, max_size=3),
    "phones": st.lists(WORDS, min_size=1, max_size=4),
    "coordinates": st.fixed_dictionaries(
        {"lat": st.integers(-9_000_000, 9_000_000), "lon": st.integers(-18_000_000, 18_000_000)}
    ),
    "attachments": st.just(True) | st.lists(GRADED, min_size=1, max_size=4, unique_by=lambda item: item["sha256"]),
    "flag": st.booleans(),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(["range", "day", "1999", "GT"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["date", "precision", "from", "to", "min", "max", "country", "department", "text", "lat", "lon", "type"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def test_every_kind_has_a_generator():
    assert set(VALUES) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=120, print_blob=True)
@given(data=st.data())
def test_what_coarsening_leaves_is_accepted_in_its_form_and_in_every_more_precise_one(kind, data):
    value = data.draw(VALUES[kind])
    assert check_value(kind, value)
    rungs = ladder(kind)
    for form in rungs:
        coarse = coarsen(kind, value, form)
        assert fits(kind, coarse, form), form
        assert all(at_most(kind, form, allowed) for allowed in rungs[: rungs.index(form) + 1])
        if coarse != value:
            assert not fits(kind, value, form), form


@settings(max_examples=400, print_blob=True)
@given(kind=st.sampled_from(sorted(KINDS)), value=JSON)
def test_any_json_is_judged_without_a_fault(kind, value):
    assert check_value(kind, value) in (True, False)
    for form in Form:
        assert fits(kind, value, form) in (True, False)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("date", {"date": "1999", "precision": []}),
        ("date", {"date": "1999", "precision": {}}),
        ("date", {"date": "١٩٩٩", "precision": "year"}),
        ("date", {"date": "1999-02-30", "precision": "day"}),
        ("date", {"date": "1999-02", "precision": "day"}),
        ("date", {"from": "2000", "to": "1990", "precision": "range"}),
        ("age", {"min": 20.0, "max": 30}),
        ("age", {"min": True, "max": 30}),
        ("age", {"min": 30, "max": 20}),
        ("text", ""),
        ("text", " \t"),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("names", ["Ficticia", "\udfff"]),
        ("names", []),
        ("place", {"country": "GT", "text": ""}),
        ("place", {"country": "gt"}),
        ("place", {"department": "13"}),
        ("items", [{}]),
        ("items", [{"type": "tattoo", "who": "x"}]),
        ("coordinates", {"lat": 27.03, "lon": -98.2}),
        ("flag", 1),
    ],
)
def test_what_is_no_value_of_its_kind_is_refused(kind, value):
    assert not check_value(kind, value)
    with pytest.raises(ValueError, match="not a value"):
        coarsen(kind, value, Form.EXACT)


def test_a_band_never_tells_the_number_round_ones_included():
    for number in range(400):
        exact, low = {"min": number, "max": number}, number // BAND_WIDTH * BAND_WIDTH
        assert coarsen("measure", exact, Form.BAND) == {"min": low, "max": low + BAND_WIDTH - 1}
        assert not fits("measure", exact, Form.BAND), number


def test_an_age_band_never_tells_the_age():
    for age in range(151):
        band = coarsen("age", {"min": age, "max": age}, Form.AGE_BAND)
        assert (band["min"], band["max"]) in AGE_BANDS
        assert not fits("age", {"min": age, "max": age}, Form.AGE_BAND), age


def test_control_bands_that_end_on_a_round_number_would_tell_it(monkeypatch):
    def careless(value):
        return {"min": value["min"] // 10 * 10, "max": -(-value["max"] // 10) * 10}

    planted = kinds.Kind("measure", KINDS["measure"].check, {**KINDS["measure"].forms, Form.BAND: careless})
    monkeypatch.setattr(kinds, "KINDS", {**KINDS, "measure": planted})
    exact = {"min": 160, "max": 160}
    assert fields.coarsen("measure", exact, Form.BAND) == exact
    assert fields.fits("measure", exact, Form.BAND)


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Ficticia", "F."),
        ("De León", "D.L."),
        ("Ficticia María", "F.M."),
        ("Caal-Choc", "C.C."),
        ("'Ña", "Ñ."),
        ("ßa", "S."),
        ("-", "?."),
        ("a b c d e f g h", "A.B.C.D.E.F."),
    ],
)
def test_initials(name, initials):
    assert coarsen("name", name, Form.INITIALS) == initials
    assert fits("name", initials, Form.INITIALS)
    assert not fits("name", name, Form.INITIALS)
