"""The first policy, extract and recheck: what leaves is what the policy names, and the recipient holds the sender to it."""

import json
import random

import pytest

from contracts.disclosure import DisclosedField, Grant, Recipient, SourceRecord, extract, recheck
from contracts.errors import NotPermittedError, OverDisclosureError, SchemaError
from contracts.fields import FIELDS, Form, RecordType, check_value, coarsen, fits, ladder
from contracts.fields.kinds import KINDS
from contracts.ids import Code, NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.policy import Deny, Permit, load_template, parse_policy
from contracts.register import Role

POLICY = parse_policy(load_template("first-policy"))
NOBODY = Grant(frozenset(), duty=False, approvals=1)
DUTY = Grant(frozenset(), duty=True, approvals=1)

SAMPLES = {
    "text": "texto",
    "long_text": "varias palabras",
    "choice": "male",
    "choices": ["quc", "spa"],
    "digits": "9900000011301",
    "name": "Ficticia",
    "names": ["Ficticia", "María"],
    "date": {"date": "1999-03-12", "precision": "day"},
    "age": {"min": 22, "max": 26},
    "measure": {"min": 162, "max": 166},
    "place": {"country": "GT", "department": "13", "municipality": "1333", "text": "Aldea Ficticia"},
    "items": [{"type": "tattoo", "region": "forearm", "text": "nombre de una persona"}],
    "consents": [{"scope": "c2", "act": "given", "from": "2026-10-15", "witness": "una persona"}],
    "phones": ["+50255550100"],
    "coordinates": {"lat": 2703110, "lon": -9821450},
    "attachments": [
        {"sha256": "A" * 42 + last, "size": 20_480, "mt": "image/jpeg", "grade": grade, "key": "A" * 42 + last}
        for grade, last in (("face", "E"), ("mark", "I"), ("object", "M"))
    ],
    "flag": True,
}


def full(record_type):
    return SourceRecord(record_type, {name: SAMPLES[field.kind] for name, field in FIELDS[record_type].items()})


def out(record_type, kind, role, purpose, grant=NOBODY):
    to = Recipient(NodeId("gt.igm.mbmid"), role)
    return extract(full(record_type), to=to, kind=kind, purpose=Code(purpose), grant=grant, policy=POLICY)


def test_every_kind_has_a_sample_and_every_form_coarsens_to_something_that_fits_and_stays():
    assert set(SAMPLES) == set(KINDS)
    for kind, value in SAMPLES.items():
        assert check_value(kind, value), kind
        for form in ladder(kind):
            coarse = coarsen(kind, value, form)
            assert fits(kind, coarse, form), (kind, form)


def test_a_more_precise_value_does_not_fit_a_coarser_form():
    for kind, value in SAMPLES.items():
        for form in ladder(kind)[1:]:
            if kind != "flag":
                assert not fits(kind, value, form), (kind, form)


@pytest.mark.parametrize("record_type", list(RecordType))
def test_no_record_type_needs_more_than_48_digests(record_type):
    assert sum(1 for field in FIELDS[record_type].values() if field.forms) <= 48


def test_labels_are_there_in_both_languages():
    for fields in FIELDS.values():
        for field in fields.values():
            assert field.label_es
            assert field.label_en


FLOWS = [
    (RecordType.MISSING_PERSON, "report.transfer", Role.SEARCH_MECHANISM, "locate-missing", NOBODY),
    (RecordType.REPORTER, "report.transfer", Role.SEARCH_MECHANISM, "locate-missing", NOBODY),
    (RecordType.MISSING_PERSON, "duty.notice", Role.CHILD_PROTECTION, "protect-child", DUTY),
    (RecordType.REPORTER, "duty.notice", Role.CHILD_PROTECTION, "protect-child", DUTY),
    (RecordType.UNIDENTIFIED_REMAINS, "finding.notice", Role.SEARCH_MECHANISM, "identify-remains", NOBODY),
]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: f"{flow[0]}:{flow[1]}")
def test_the_recipient_accepts_exactly_what_extract_lets_out(flow):
    record_type, kind, role, purpose, grant = flow
    found = out(record_type, kind, role, purpose, grant)
    recheck(record_type, found.claims, found.manifest.disclosed, own_role=role, kind=kind, purpose=Code(purpose), policy=POLICY)
    named = {entry.field for entry in found.manifest.disclosed} | {entry.field for entry in found.manifest.withheld}
    assert named == set(FIELDS[record_type])
    assert set(found.claims) == {entry.field for entry in found.manifest.disclosed}


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: f"{flow[0]}:{flow[1]}")
def test_the_recipient_refuses_anything_more(flow):
    record_type, kind, role, purpose, grant = flow
    found = out(record_type, kind, role, purpose, grant)
    disclosed, claims = list(found.manifest.disclosed), dict(found.claims)

    def refused(claims, disclosed):
        with pytest.raises(OverDisclosureError):
            recheck(record_type, claims, disclosed, own_role=role, kind=kind, purpose=Code(purpose), policy=POLICY)

    name = next(iter(claims))
    refused({key: value for key, value in claims.items() if key != name}, disclosed)
    refused(claims, disclosed[1:])
    for entry in found.manifest.withheld:
        value = full(record_type).values[entry.field]
        refused(claims | {entry.field: value}, [*disclosed, DisclosedField(entry.field, Form.EXACT, "x")])
    for entry in disclosed:
        if entry.form is not Form.EXACT:
            exact = full(record_type).values[entry.field]
            refused(claims | {entry.field: exact}, disclosed)
            others = [item for item in disclosed if item.field != entry.field]
            refused(claims | {entry.field: exact}, [*others, DisclosedField(entry.field, Form.EXACT, entry.rule)])


def test_remains_leave_coarse_and_names_on_documents_leave_to_the_mbmid_alone():
    found = out(RecordType.UNIDENTIFIED_REMAINS, "finding.notice", Role.SEARCH_MECHANISM, "identify-remains")
    assert found.claims["found_date"] == {"date": "1999-03", "precision": "month"}
    assert found.claims["marks"] == [{"type": "tattoo", "region": "forearm"}]
    assert "possible_names" in found.claims
    for name in ("found_coordinates", "cause_of_death", "phones_found", "dna_sample", "fingerprints", "disposition"):
        assert name not in found.claims
    with pytest.raises(NotPermittedError):
        out(RecordType.UNIDENTIFIED_REMAINS, "finding.notice", Role.FOREIGN_MINISTRY, "identify-remains")


def test_a_duty_reaches_child_protection_without_relatives_abroad_or_route():
    found = out(RecordType.MISSING_PERSON, "duty.notice", Role.CHILD_PROTECTION, "protect-child", DUTY)
    for name in ("intended_destination", "companions", "smuggler", "debt", "narrative", "route", "phones"):
        assert name not in found.claims
    assert "municipality" in found.claims["residence"]
    assert "text" not in found.claims["residence"]
    reporter = out(RecordType.REPORTER, "duty.notice", Role.CHILD_PROTECTION, "protect-child", DUTY)
    assert not {"address", "country", "cui"} & set(reporter.claims)


def test_an_undone_need_withholds_and_says_which():
    with pytest.raises(NotPermittedError):
        out(RecordType.REPORTER, "duty.notice", Role.CHILD_PROTECTION, "protect-child", NOBODY)


def test_what_the_policy_does_not_name_is_denied():
    decide = POLICY.decide
    basis = Code("gt:mbmid:traslado-inmediato")
    assert decide("report.transfer", Role.MIGRANT_COUNCIL, Role.SEARCH_MECHANISM, Code("locate-missing"), basis) == Permit(
        Code("flow:report-transfer")
    )
    for kind in MESSAGE_TYPES:
        for role in (Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT):
            for purpose in POLICY.purposes:
                decision = decide(kind, Role.SEARCH_MECHANISM, role, purpose.id, basis)
                assert isinstance(decision, Deny), (kind, role)


def test_only_the_immediate_transfer_and_the_agreement_are_verified_law():
    assert {basis.id for basis in POLICY.bases if basis.verified} == {"gt:mbmid:traslado-inmediato", "federation:operation"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda p: p["rules"][0]["fields"].update(no_such="exact"), "a field nobody knows"),
        (lambda p: p["rules"][0]["fields"].update(given_names="month"), "a form the kind does not have"),
        (lambda p: p["rules"][0].update(recipients=["migration-control"]), "a protected field to enforcement"),
        (lambda p: p["rules"][0].update(recipients=["*"]), "a protected field to anybody"),
        (lambda p: p["rules"].append(p["rules"][0] | {"id": "report-09"}), "two rules for one disclosure"),
        (lambda p: p["flows"][0].update(kinds=["no.such"]), "a message type nobody knows"),
        (lambda p: p["flows"][0].update(purposes=["nope"]), "a purpose nobody defined"),
        (lambda p: p["flows"][1].update(id=p["flows"][0]["id"]), "an id twice"),
        (lambda p: p.update(extra=1), "a member nobody knows"),
        (lambda p: p.update(version=0), "no version"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_policy_that_contradicts_itself_or_opens_a_wall_is_no_policy(change, what):
    policy = json.loads(load_template("first-policy"))
    change(policy)
    with pytest.raises(SchemaError):
        parse_policy(json.dumps(policy).encode())


def test_random_records_go_through_extract_and_recheck():
    seed = 20261124
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(300):
        record_type, kind, role, purpose, grant = chance.choice(FLOWS)
        names = chance.sample(sorted(FIELDS[record_type]), chance.randint(1, len(FIELDS[record_type])))
        record = SourceRecord(record_type, {name: full(record_type).values[name] for name in names})
        to = Recipient(NodeId("gt.igm.mbmid"), role)
        try:
            found = extract(record, to=to, kind=kind, purpose=Code(purpose), grant=grant, policy=POLICY)
        except NotPermittedError:
            continue
        recheck(
            record_type, found.claims, found.manifest.disclosed, own_role=role, kind=kind, purpose=Code(purpose), policy=POLICY
        )
        assert set(found.claims) <= set(names)
