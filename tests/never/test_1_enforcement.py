"""Never 1: S4 or S5 fields in a message to migration control or foreign enforcement, whatever a policy says."""

import random

import pytest

from contracts import disclosure
from contracts.disclosure import Grant, Recipient, SourceRecord, extract, recheck
from contracts.errors import NotPermittedError, OverDisclosureError
from contracts.fields import FIELDS, Form, Sensitivity
from contracts.ids import Code, NodeId
from contracts.policy import ENFORCEMENT, Rule
from contracts.register import Role
from tests.contracts.test_policy_disclosure import POLICY, full

GRANT = Grant(frozenset(), duty=True, approvals=3)


def hostile(chance):
    """A policy object that no register could carry: it lets random fields go to enforcement."""
    record = chance.choice(list(FIELDS))
    names = chance.sample(sorted(FIELDS[record]), min(48, len(FIELDS[record])))
    rule = Rule.model_construct(
        id=Code("bad"),
        record=record,
        kinds=(Code("report.transfer"),),
        recipients=tuple(ENFORCEMENT),
        purposes=(Code("locate-missing"),),
        fields={Code(name): Form.EXACT for name in names},
        needs={},
    )
    return record, POLICY.model_copy(update={"rules": (rule,)})


def leaked(chance):
    record, policy = hostile(chance)
    role = chance.choice(sorted(ENFORCEMENT))
    try:
        found = extract(
            SourceRecord(record, full(record).values),
            to=Recipient(NodeId("gt.igm.control"), role),
            kind="report.transfer",
            purpose=Code("locate-missing"),
            grant=GRANT,
            policy=policy,
        )
    except NotPermittedError:
        return record, policy, role, {}
    return (
        record,
        policy,
        role,
        {n: v for n, v in found.claims.items() if FIELDS[record][n].sensitivity >= Sensitivity.PROTECTED},
    )


def test_no_policy_opens_the_wall():
    seed = 1
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(200):
        assert leaked(chance)[3] == {}


def beside():
    """What leaves of a public field whose source is known, under a policy object that lets the source go."""
    rule = Rule.model_construct(
        id=Code("bad"),
        record="missing-person",
        kinds=(Code("bulletin"),),
        recipients=tuple(ENFORCEMENT),
        purposes=(Code("protect-child"),),
        fields={Code("sex"): Form.EXACT},
        need=None,
        needs={},
        about=("source", "as_of"),
    )
    return extract(
        SourceRecord("missing-person", {"sex": {"is": "female", "source": "family", "as_of": "2026-10-15"}}),
        to=Recipient(NodeId("gt.igm.control"), Role.MIGRATION_CONTROL),
        kind="bulletin",
        purpose=Code("protect-child"),
        grant=GRANT,
        policy=POLICY.model_copy(update={"rules": (rule,)}),
    ).claims


def test_nothing_is_said_beside_a_value_that_goes_there():
    assert beside() == {"sex": "female"}


def test_control_without_that_wall_the_source_would_leave(monkeypatch):
    monkeypatch.setattr(disclosure, "told_beside", lambda rule, _role: rule.about)
    assert beside()["sex"]["source"] == "family"


def test_control_without_the_wall_it_leaks_and_the_recipient_would_take_it(monkeypatch):
    monkeypatch.setattr(disclosure, "behind_wall", lambda *_: False)
    record, policy, role, found = leaked(random.Random(2))
    assert found
    monkeypatch.undo()
    entries = [disclosure.DisclosedField(name, Form.EXACT, "bad") for name in found]
    with pytest.raises(OverDisclosureError):
        recheck(record, found, entries, own_role=role, kind="report.transfer", purpose=Code("locate-missing"), policy=policy)
