"""What is said about a value: none of it leaves unless a rule names it, and a coarser form leaves less of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.fields import ABOUT, Form, check_stated, coarsen_stated, fits_stated, kept_back, ladder, plain, stated
from contracts.fields.kinds import KINDS, coarsen
from contracts.minors import minority
from tests.contracts.test_fields import DAYS, JSON, VALUES

SAID = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.sampled_from(sorted(stated.PRECISIONS)),
        "source": st.sampled_from(sorted(stated.SOURCES)),
        "as_of": DAYS.map(str),
        "confidence": st.sampled_from(sorted(stated.CONFIDENCES)),
    },
)
SOME_ABOUT = st.lists(st.sampled_from(ABOUT), unique=True).map(frozenset)


@settings(max_examples=300, print_blob=True, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), data=st.data(), said=SAID, about=SOME_ABOUT)
def test_what_leaves_is_the_coarse_value_and_what_the_rule_names_of_the_rest(kind, data, said, about):
    value = {"is": data.draw(VALUES[kind]), **said}
    assert check_stated(kind, value)
    for form in ladder(kind):
        left = coarsen_stated(kind, value, form, about)
        assert plain(left) == coarsen(kind, value["is"], form)
        assert fits_stated(kind, left, form, about)
        told = set(left) - {"is"} if isinstance(left, dict) and "is" in left else set()
        assert told <= about & set(said)
        assert "source" not in told or form is Form.EXACT
        assert set(kept_back(value, left)) == set(said) - told
        if form in (Form.YES_NO, Form.COUNT):
            assert told == set()
        if "as_of" in told and form is not Form.EXACT:
            assert len(left["as_of"]) == 4


@settings(max_examples=300, print_blob=True, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), data=st.data(), said=SAID.filter(bool), about=SOME_ABOUT)
def test_anything_said_beyond_the_rule_does_not_fit(kind, data, said, about):
    value = {"is": data.draw(VALUES[kind]), **said}
    for form in ladder(kind):
        left = coarsen_stated(kind, value, form, about)
        for name in set(said) - about:
            more = {**(left if stated.is_stated(left) else {"is": left}), name: said[name]}
            assert not fits_stated(kind, more, form, about), (form, name)


@settings(max_examples=300, print_blob=True)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    value=JSON,
    said=st.dictionaries(st.sampled_from(["is", *ABOUT, "who"]), JSON, max_size=5),
)
def test_any_json_is_judged_without_a_fault(kind, value, said):
    for tried in (value, {"is": value, **said}, said):
        assert check_stated(kind, tried) in (True, False)
        for form in Form:
            assert fits_stated(kind, tried, form) in (True, False)


@pytest.mark.parametrize(
    "said",
    [{"source": "la tía"}, {"as_of": "15/06/24"}, {"as_of": "2024-13"}, {"confidence": 1}, {"precision": None}, {"who": "x"}],
)
def test_what_is_said_is_of_a_catalogue_never_free_text(said):
    assert not check_stated("name", {"is": "Ficticia", **said})
    with pytest.raises(ValueError, match="not a value"):
        coarsen_stated("name", {"is": "Ficticia", **said}, Form.EXACT)


def test_a_source_that_stays_leaves_no_trace_of_itself():
    known = {"is": {"date": "1999-03-12", "precision": "day"}, "source": "self", "as_of": "2026-10-15"}
    unknown = {"is": {"date": "1999-03-12", "precision": "day"}}
    for form in ladder("date"):
        assert coarsen_stated("date", known, form, ()) == coarsen_stated("date", unknown, form, ())


def test_control_without_the_cut_the_day_of_a_statement_would_leave(monkeypatch):
    value = {"is": {"min": 22, "max": 22}, "as_of": "2026-10-15", "source": "self"}
    assert coarsen_stated("age", value, Form.AGE_BAND) == {"is": {"min": 18, "max": 29}, "as_of": "2026"}
    monkeypatch.setattr(stated, "_left_to_say", lambda value, form, about: {n: value[n] for n in ABOUT if n in value})
    assert coarsen_stated("age", value, Form.AGE_BAND)["source"] == "self"


def test_a_stated_age_counts_for_a_child():
    from datetime import date

    assert minority({"age_range": {"is": {"min": 14, "max": 16}, "source": "family"}}, date(2026, 11, 1)) == "yes"
