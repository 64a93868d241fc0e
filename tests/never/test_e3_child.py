"""Never (E3): a consent, a withdrawal or a wall that stops the notice about a missing child; a cancellation that says why."""

import pytest

from contracts.consents import ConsentEvent, ConsentForm, Occasion, RelativeId, Scope, grant_of, in_force
from contracts.disclosure import Grant, Recipient, extract
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId, uuid7
from contracts.messages import BulletinCancelBody, ConsentAct, DutyCancelBody
from contracts.register import Role
from contracts.walls import CaseMarks, walls
from tests.contracts.test_policy_disclosure import POLICY, full
from tests.never.leavings import carried, leaving, message

EVERYTHING_WITHDRAWN = ConsentEvent(
    id=MessageId(uuid7(1, bytes(10))),
    relative=RelativeId("r:madre-1"),
    act=ConsentAct.WITHDRAWN,
    scopes=frozenset(Scope),
    effective_at=1,
    form=ConsentForm.WRITTEN,
    language="es",
)
PGN = Recipient(NodeId("gt.pgn"), Role.CHILD_PROTECTION)


def notice(grant):
    return extract(
        full(RecordType.REPORTER), to=PGN, kind="duty.notice", purpose=Code("protect-child"), grant=grant, policy=POLICY
    )


def grant(basis):
    found = in_force([EVERYTHING_WITHDRAWN], 2)
    return grant_of(found, Occasion(Code(basis), PGN.node, Code("protect-child"), frozenset()), approvals=1)


def test_no_withdrawal_and_no_wall_stops_the_notice_about_a_child():
    assert "name" in notice(grant("gt:alba-keneth:8")).claims
    child = carried(RecordType.MISSING_PERSON, "given_names", "surname_1", "birth_date")
    about = message("duty.notice", basis="gt:alba-keneth:8")
    for marks in (CaseMarks(minor="yes"), CaseMarks(minor="possible", protection=True, finder_first=True)):
        assert walls(leaving(about, Role.CHILD_PROTECTION, child, marks=marks, drafted_by=None)) == ()


def test_all_cancellations_look_alike():
    assert set(DutyCancelBody.model_fields) == {"notice"}
    assert set(BulletinCancelBody.model_fields) == {"bulletin"}


def test_control_on_a_basis_of_consent_the_same_record_stays():
    assert "name" in notice(Grant(frozenset(), duty=True, approvals=1)).claims
    assert not grant("gt:codigo-migracion:198-207").duty
    with pytest.raises(NotPermittedError):
        notice(grant("gt:codigo-migracion:198-207"))
