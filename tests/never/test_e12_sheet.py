"""Never (E11, E12): what is protected on a sheet for everybody, a telephone or a smuggler or a grave among it, whatever the policy says."""

import pytest

from contracts import publication
from contracts.consents import ConsentEvent, ConsentForm, RelativeId, Scope, in_force
from contracts.errors import NotPermittedError
from contracts.fields import FIELDS, Form, RecordType, Sensitivity
from contracts.ids import Code, MessageId
from contracts.messages import ConsentAct
from contracts.publication import publishable
from contracts.register import Role
from tests.contracts.test_policy_disclosure import POLICY, full

EVERYTHING = ConsentEvent(
    id=MessageId("01990000-0000-7000-8000-000000000001"),
    relative=RelativeId("r:madre-1"),
    act=ConsentAct.GIVEN,
    scopes=frozenset(Scope),
    form=ConsentForm.WRITTEN,
    effective_at=900,
    language="es",
)


def shown(record_type, policy=POLICY):
    """What a sheet of a record with every field there is would carry, when the family agreed to everything and two persons do."""
    consents = in_force([EVERYTHING], 1000)
    how = {"us": Role.SEARCH_MECHANISM, "consents": consents, "minor": "no", "approvals": 2, "policy": policy}
    return set(publishable(full(record_type), **how).values)


def telling_all(record_type):
    """A policy whose bulletin is of this record, names every field of it, exact, to who may see most, and keeps nothing back."""
    fields = {Code(name): Form.EXACT for name, field in FIELDS[record_type].items() if Form.EXACT in field.forms}
    change = {"record": record_type, "fields": fields, "needs": {}, "need": None, "recipients": (Role.SEARCH_MECHANISM,)}
    rules = [rule.model_copy(update=change) if rule.id == "bulletin-01" else rule for rule in POLICY.rules]
    return POLICY.model_copy(update={"rules": tuple(rules), "nevers": ()})


def protected(record_type):
    return {name for name, field in FIELDS[record_type].items() if field.sensitivity >= Sensitivity.PROTECTED}


@pytest.mark.parametrize("record_type", [RecordType.MISSING_PERSON, RecordType.UNIDENTIFIED_REMAINS])
def test_no_policy_puts_what_is_protected_on_a_sheet(record_type):
    found = shown(record_type, telling_all(record_type))
    assert found.isdisjoint(protected(record_type))
    assert found.isdisjoint({"phones", "smuggler", "debt", "companions", "found_coordinates", "disposition"})
    assert len(found) > 10, "control: what is not protected is there"


def test_the_first_policy_shows_who_is_sought_and_nobody_else():
    assert shown(RecordType.MISSING_PERSON) <= {
        *("given_names", "surname_1", "surname_2", "married_surname", "aliases"),
        *("age_range", "sex", "last_contact_date", "last_contact_place"),
    }
    for other in set(RecordType) - {RecordType.MISSING_PERSON}:
        with pytest.raises(NotPermittedError):
            shown(other)


def test_control_without_that_line_a_telephone_and_a_grave_are_on_it(monkeypatch):
    class Nothing:
        PROTECTED = 99

    monkeypatch.setattr(publication, "Sensitivity", Nothing)
    assert {"phones", "smuggler"} <= shown(RecordType.MISSING_PERSON, telling_all(RecordType.MISSING_PERSON))
    assert "found_coordinates" in shown(RecordType.UNIDENTIFIED_REMAINS, telling_all(RecordType.UNIDENTIFIED_REMAINS))
