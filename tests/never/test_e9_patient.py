"""Never (E9): a seeker, who may be the aggressor, hears of a patient before those who care for them decided."""

from dataclasses import replace
from datetime import date

import pytest

from contracts.consents import Wish
from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.register import Role
from contracts.walls import WALL_FINDER_FIRST, marks_of, must_stay_unknown, walls
from tests.never.leavings import PATIENT, SECOND, found, leaving, message

TODAY = date(2026, 11, 26)
ADULT = {"age_range": {"min": 40, "max": 50}}


def marks(**values):
    return marks_of([SourceRecord(RecordType.UNIDENTIFIED_PERSON, ADULT | values)], TODAY)


@pytest.mark.parametrize("told", [{"aggressor_risk": True}, {"aggressor_risk": {"is": True, "source": "officer"}}])
@pytest.mark.parametrize("role", list(Role))
def test_those_who_hold_the_person_decide_first(role, told):
    for about in (found(), message("disclosure.grant"), message("finding.notice")):
        stopped = leaving(about, role, PATIENT, marks=marks(**told), approved_by=frozenset({SECOND}), wish=Wish.CONTACT)
        assert WALL_FINDER_FIRST in walls(stopped)
        assert must_stay_unknown(stopped)


def test_control_once_they_released_it_or_where_there_is_no_risk_it_goes():
    risky = marks(aggressor_risk=True)
    released = leaving(found(), Role.SEARCH_MECHANISM, PATIENT, marks=replace(risky, finder_released=True), wish=Wish.CONTACT)
    assert WALL_FINDER_FIRST not in walls(released)
    assert WALL_FINDER_FIRST not in walls(leaving(found(), Role.SEARCH_MECHANISM, PATIENT, marks=marks(aggressor_risk=False)))
