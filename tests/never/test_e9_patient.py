"""Never (E9): a seeker, who may be the aggressor, hears of a patient before those who care for them decided."""

from dataclasses import replace
from datetime import date

import pytest

from contracts.consents import Wish
from contracts.disclosure import Grant, Recipient, SourceRecord, extract
from contracts.fields import FIELDS, Form, RecordType
from contracts.ids import Code, NodeId
from contracts.policy import Rule
from contracts.register import Role
from contracts.walls import WALL_FINDER_FIRST, marks_of, must_stay_unknown, walls
from tests.contracts.test_policy_disclosure import POLICY, full
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


def with_rule_for(*names):
    """A policy object that no register could carry: a rule that names a patient's fields for everybody."""
    return POLICY.model_copy(
        update={
            "rules": (
                Rule.model_construct(
                    id=Code("bad"),
                    record=RecordType.UNIDENTIFIED_PERSON,
                    kinds=(Code("finding.notice"),),
                    recipients=(Role.SEARCH_MECHANISM,),
                    purposes=(Code("identify-person"),),
                    fields={Code(name): Form.EXACT for name in names},
                    needs={},
                    need=None,
                    about=(),
                ),
            )
        }
    )


def leaves(*names):
    found = extract(
        full(RecordType.UNIDENTIFIED_PERSON),
        to=Recipient(NodeId("gt.igm.mbmid"), Role.SEARCH_MECHANISM),
        kind="finding.notice",
        purpose=Code("identify-person"),
        grant=Grant(frozenset(), duty=True, approvals=3),
        policy=with_rule_for(*names),
    )
    return set(found.claims)


def test_a_diagnosis_has_no_form_in_which_it_could_leave():
    assert FIELDS[RecordType.UNIDENTIFIED_PERSON]["diagnosis"].forms == ()
    assert leaves("diagnosis", "sex") == {"sex"}


def test_control_another_field_of_the_same_rule_leaves():
    assert leaves("facility", "sex") == {"facility", "sex"}
