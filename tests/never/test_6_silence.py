"""Never 6: an asker who tells silence from absence. Two worlds: in one the record is not here; in the other it must stay unknown."""

import pytest

from contracts.alike import REFUSED, release_slot, told_result
from contracts.consents import Wish
from contracts.messages import SearchResponseBody, SearchResult
from contracts.walls import CaseMarks, must_stay_unknown
from tests.never.leavings import SECOND, found, leaving, message
from tests.never.signing import signed

HIDDEN = {
    "finder first": leaving(found(), marks=CaseMarks(finder_first=True), approved_by=frozenset({SECOND})),
    "wants nobody to know": leaving(found(), marks=CaseMarks(found=frozenset({"unidentified-person"})), wish=Wish.SILENCE),
    "never to this node": leaving(found(), never_to=frozenset({"gt.igm.mbmid"})),
}
PATIENCE, PERIOD = 3600, 600


def answer(result):
    basis = REFUSED if result is SearchResult.CANNOT_ANSWER else None
    return message("search.response", body=SearchResponseBody(result=result, searched_at=1_795_953_600, basis=basis))


@pytest.mark.parametrize("absent", [SearchResult.NO_MATCH, SearchResult.CANNOT_ANSWER])
@pytest.mark.parametrize("why", HIDDEN)
def test_both_worlds_give_the_same_bytes_but_for_ids_and_times(why, absent):
    here = answer(told_result(SearchResult.MATCH, silent=must_stay_unknown(HIDDEN[why]), without_record=absent))
    not_here = answer(told_result(absent, silent=False, without_record=absent))
    assert signed(here) == signed(not_here)


def test_an_answer_and_a_refusal_are_as_long_as_each_other():
    assert signed(answer(SearchResult.NO_MATCH))[1] == signed(answer(SearchResult.CANNOT_ANSWER))[1]


def test_both_worlds_leave_at_the_same_slot():
    for asked_at in range(0, 3000, 11):
        by_software = release_slot(asked_at=asked_at, ready_at=asked_at, patience=PATIENCE, period=PERIOD)
        after_a_talk = release_slot(asked_at=asked_at, ready_at=asked_at + PATIENCE, patience=PATIENCE, period=PERIOD)
        assert by_software == after_a_talk


def test_control_where_the_find_is_told_the_worlds_differ():
    told = answer(told_result(SearchResult.MATCH, silent=False, without_record=SearchResult.NO_MATCH))
    assert signed(told) != signed(answer(SearchResult.NO_MATCH))


def test_control_without_slots_the_time_tells():
    slots = {release_slot(asked_at=0, ready_at=took, patience=0, period=1) for took in (0, PATIENCE)}
    assert len(slots) == 2
