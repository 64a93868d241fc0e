"""Policies nobody wrote by hand: whatever one allows, `extract` lets out no more, and `recheck` holds the sender to it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import encode_object
from contracts.disclosure import DisclosedField, Grant, Recipient, SourceRecord, extract, recheck
from contracts.errors import NotPermittedError, OverDisclosureError, SchemaError
from contracts.fields import FIELDS, Form, RecordType, coarsen, ladder
from contracts.ids import Code, NodeId
from contracts.policy import ENFORCEMENT, Need, load_template, parse_policy
from contracts.register import Role
from tests.contracts.test_fields import VALUES
from tests.contracts.test_policy_disclosure import POLICY, SAMPLES

KIND, PURPOSE = "report.transfer", Code("locate-missing")
NEEDS = (None, {"scope": "c2"}, {"duty": True}, {"scope": "c2", "duty": True}, {"approvals": 2})
GRANTS = st.builds(Grant, st.sampled_from([frozenset(), frozenset({Code("c2")})]), st.booleans(), st.integers(1, 3))


@st.composite
def cases(draw, roles=tuple(Role)):
    """A record, a recipient and a policy that passed the parser: a rule of random fields, forms and needs."""
    record_type = draw(st.sampled_from(list(RecordType)))
    role = draw(st.sampled_from(roles))
    known = {name: field for name, field in FIELDS[record_type].items() if field.forms}
    named = draw(st.lists(st.sampled_from(sorted(known)), min_size=1, max_size=48, unique=True))
    if role in ENFORCEMENT:
        named = [name for name in named if known[name].sensitivity < 4] or ["sex" if "sex" in known else "source"]
        named = [name for name in named if name in known] or ["relationship"]
    fields = {name: draw(st.sampled_from(known[name].forms)).value for name in named}
    needs = {name: need for name in named if (need := draw(st.sampled_from(NEEDS)))}
    policy = json.loads(load_template("first-policy"))
    rule = {"id": "random-01", "record": record_type.value, "kinds": [KIND], "recipients": [role.value]}
    policy |= {"nevers": [], "rules": [{**rule, "purposes": [PURPOSE], "fields": fields, "needs": needs}]}
    every = FIELDS[record_type]
    held = draw(st.lists(st.sampled_from(sorted(every)), min_size=1, max_size=12, unique=True))
    record = SourceRecord(record_type, {name: draw(VALUES[every[name].kind]) for name in held})
    return record, role, parse_policy(encode_object(policy)), draw(GRANTS)


def let_out(record, role, policy, grant):
    to = Recipient(NodeId("gt.igm.mbmid"), role)
    try:
        return extract(record, to=to, kind=KIND, purpose=PURPOSE, grant=grant, policy=policy)
    except NotPermittedError:
        return None


def held_to(record, role, policy, claims, disclosed):
    recheck(record.type, claims, disclosed, own_role=role, kind=KIND, purpose=PURPOSE, policy=policy)


@settings(max_examples=250, print_blob=True, deadline=None)
@given(case=cases())
def test_what_leaves_is_named_and_coarsened_and_the_recipient_takes_it(case):
    record, role, policy, grant = case
    found = let_out(record, role, policy, grant)
    if found is None:
        return
    fields = policy.rules[0].fields
    assert set(found.claims) <= set(record.values) & set(fields)
    for name, value in found.claims.items():
        assert value == coarsen(FIELDS[record.type][name].kind, record.values[name], fields[Code(name)])
    named = [entry.field for entry in (*found.manifest.disclosed, *found.manifest.withheld)]
    assert sorted(named) == sorted(record.values)
    held_to(record, role, policy, found.claims, found.manifest.disclosed)


@settings(max_examples=250, print_blob=True, deadline=None)
@given(case=cases(), data=st.data())
def test_anything_more_precise_or_more_is_refused(case, data):
    record, role, policy, grant = case
    found = let_out(record, role, policy, grant)
    if found is None:
        return
    claims, disclosed = dict(found.claims), list(found.manifest.disclosed)
    for index, entry in enumerate(disclosed):
        kind, exact = FIELDS[record.type][entry.field].kind, record.values[entry.field]
        others = disclosed[:index] + disclosed[index + 1 :]
        for finer in ladder(kind)[: ladder(kind).index(entry.form)]:
            more = claims | {entry.field: coarsen(kind, exact, finer)}
            with pytest.raises(OverDisclosureError):
                held_to(record, role, policy, more, [*others, DisclosedField(entry.field, finer, entry.rule)])
        if exact != claims[entry.field]:
            with pytest.raises(OverDisclosureError):
                held_to(record, role, policy, claims | {entry.field: exact}, disclosed)
        with pytest.raises(OverDisclosureError):
            held_to(record, role, policy, claims, others)
    stranger = data.draw(st.sampled_from(sorted(set(FIELDS[record.type]) - set(policy.rules[0].fields)) or [""]))
    if stranger:
        value = SAMPLES[FIELDS[record.type][stranger].kind]
        with pytest.raises(OverDisclosureError):
            held_to(
                record,
                role,
                policy,
                claims | {stranger: value},
                [*disclosed, DisclosedField(stranger, Form.EXACT, "random-01")],
            )


def test_a_manifest_that_names_a_field_twice_is_refused():
    claims = {"birth_date": SAMPLES["date"]}
    entries = [DisclosedField("birth_date", form, "report-01") for form in (Form.YEAR, Form.EXACT)]
    record = SourceRecord(RecordType.MISSING_PERSON, {})
    held_to(record, Role.SEARCH_MECHANISM, POLICY, claims, entries[1:])
    for order in (entries, entries[::-1]):
        with pytest.raises(OverDisclosureError):
            held_to(record, Role.SEARCH_MECHANISM, POLICY, claims, order)


@pytest.mark.parametrize("value", [[], {}, {"date": "1999", "precision": []}, {"date": [], "precision": "day"}, None, 1, "x"])
def test_a_hostile_value_is_refused_and_never_a_fault(value):
    entries = [DisclosedField("birth_date", Form.EXACT, "report-01")]
    record = SourceRecord(RecordType.MISSING_PERSON, {})
    with pytest.raises(OverDisclosureError):
        held_to(record, Role.SEARCH_MECHANISM, POLICY, {"birth_date": value}, entries)


@pytest.mark.parametrize("need", [{}, {"duty": False}, {"approvals": 0}, {"approvals": 4}, {"scope": ""}, {"who": "x"}])
def test_a_need_of_nothing_or_of_something_unknown_is_no_policy(need):
    policy = json.loads(load_template("first-policy"))
    policy["rules"][0]["needs"] = {"given_names": need}
    with pytest.raises(SchemaError):
        parse_policy(encode_object(policy))


@pytest.mark.parametrize(
    ("need", "grant", "leaves"),
    [
        (Need(scope=Code("c2")), Grant(frozenset(), duty=True, approvals=3), False),
        (Need(scope=Code("c2")), Grant(frozenset({Code("c2")}), duty=False, approvals=1), True),
        (Need(scope=Code("c2"), duty=True), Grant(frozenset(), duty=True, approvals=1), True),
        (Need(duty=True), Grant(frozenset({Code("c2")}), duty=False, approvals=3), False),
        (Need(approvals=2), Grant(frozenset(), duty=True, approvals=1), False),
        (Need(approvals=2), Grant(frozenset(), duty=False, approvals=2), True),
    ],
)
def test_what_a_field_needs(need, grant, leaves):
    rule = POLICY.rules[0].model_copy(update={"needs": {Code("given_names"): need}})
    policy = POLICY.model_copy(update={"rules": (rule,)})
    record = SourceRecord(RecordType.MISSING_PERSON, {"given_names": ["Ficticia"], "sex": "female"})
    found = let_out(record, Role.SEARCH_MECHANISM, policy, grant)
    assert ("given_names" in found.claims) is leaves
    assert leaves or [entry.rule.startswith("needs:") for entry in found.manifest.withheld] == [True]


def test_a_manifest_that_states_another_rule_is_refused():
    record = SourceRecord(RecordType.MISSING_PERSON, {})
    claims = {"birth_date": SAMPLES["date"]}
    held_to(record, Role.SEARCH_MECHANISM, POLICY, claims, [DisclosedField("birth_date", Form.EXACT, "report-01")])
    with pytest.raises(OverDisclosureError):
        held_to(record, Role.SEARCH_MECHANISM, POLICY, claims, [DisclosedField("birth_date", Form.EXACT, "duty-01")])


def test_an_unidentified_patient_leaves_without_place_of_care_diagnosis_or_will():
    values = {name: SAMPLES[field.kind] for name, field in FIELDS[RecordType.UNIDENTIFIED_PERSON].items()}
    found = extract(
        SourceRecord(RecordType.UNIDENTIFIED_PERSON, values),
        to=Recipient(NodeId("gt.igm.mbmid"), Role.SEARCH_MECHANISM),
        kind="finding.notice",
        purpose=Code("identify-person"),
        grant=Grant(frozenset(), duty=False, approvals=1),
        policy=POLICY,
    )
    assert set(found.claims).isdisjoint({"facility", "diagnosis", "contact_will", "presumed_nationality", "discharge"})
    assert {"sex", "age_range", "said_names"} <= set(found.claims)
