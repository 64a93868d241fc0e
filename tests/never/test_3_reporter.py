"""Never 3: the reporter's identity in a query, a finding, a bulletin or an identity check, whatever a policy says."""

import pytest

from contracts import disclosure
from contracts.disclosure import Grant, Recipient, extract
from contracts.errors import NotPermittedError
from contracts.fields import Form, RecordType
from contracts.ids import Code, NodeId
from contracts.policy import Rule
from contracts.register import Role
from keys.pseudonyms import Pseudonyms
from tests.contracts.test_policy_disclosure import POLICY, full

KINDS = ["search.request", "search.response", "finding.notice", "bulletin", "identity.check"]


def attempt(kind):
    rule = Rule.model_construct(
        id=Code("bad"),
        record=RecordType.REPORTER,
        kinds=(Code(kind),),
        recipients=(Role.HEALTH,),
        purposes=(Code("locate-missing"),),
        fields={Code("name"): Form.EXACT},
        needs={},
    )
    return extract(
        full(RecordType.REPORTER),
        to=Recipient(NodeId("gt.mspas"), Role.HEALTH),
        kind=kind,
        purpose=Code("locate-missing"),
        grant=Grant(frozenset(), duty=True, approvals=3),
        policy=POLICY.model_copy(update={"rules": (rule,)}),
        asked={"name"},
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_policy_lets_it(kind):
    with pytest.raises(NotPermittedError):
        attempt(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_control_without_the_wall_it_would(kind, monkeypatch):
    monkeypatch.setattr(disclosure, "walled", lambda *_: False)
    assert attempt(kind).claims == {"name": ["Ficticia", "María"]}


def test_two_recipients_cannot_join_what_they_hold_by_the_case_alias():
    names = Pseudonyms(bytes(32))
    nodes = [NodeId(f"gt.nodo{number}") for number in range(200)]
    assert len({names.case_alias("expediente", node) for node in nodes}) == len(nodes)
