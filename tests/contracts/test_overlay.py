"""A node may be stricter than the policy, never laxer; and never than what the law makes it send."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.disclosure import Grant, Recipient, SourceRecord, extract, recheck
from contracts.errors import NotPermittedError, SchemaError
from contracts.fields import FIELDS
from contracts.fields.kinds import at_most
from contracts.ids import Code, NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.policy import Deny, Overlay, Permit, Stricter, Tightened, check_overlay, parse_overlay
from contracts.policy.overlay import OBLIGED
from contracts.register import Role
from tests.contracts.test_policy_disclosure import POLICY, full

EVERYTHING = Grant(frozenset(scope.id for scope in POLICY.scopes), duty=True, approvals=3, minor="no")
STRICT = """
title = "Acuerdo interno 7 de la oficina ficticia"

[[stricter]]
id = "own:names"
es = "Nombres, sólo iniciales a la red consular"
record = "missing-person"
recipients = ["foreign-ministry", "consulate"]
coarsen = { given_names = "initials", surname_1 = "initials" }

[[stricter]]
id = "own:documents"
es = "Ningún documento sale"
record = "missing-person"
withhold = ["documents", "cui"]

[[stricter]]
id = "own:two"
es = "Todo lo que sale a otro país lo autorizan dos personas"
recipients = ["foreign-search", "foreign-medicolegal"]
need = { approvals = 2 }

[[stricter]]
id = "own:bulletins"
es = "Esta oficina no manda boletines"
kinds = ["bulletin"]
deny = true
"""


def released(record_type, kind, role, purpose, policy, grant=EVERYTHING):
    return extract(
        full(record_type),
        to=Recipient(NodeId("gt.minex"), role),
        kind=kind,
        purpose=Code(purpose),
        grant=grant,
        policy=policy,
        asked=set(FIELDS[record_type]),
    )


def strict():
    return Tightened(POLICY, parse_overlay(STRICT))


def test_it_coarsens_withholds_and_asks_for_more():
    assert check_overlay(POLICY, strict().overlay) == ()
    found = released("missing-person", "search.request", Role.CONSULATE, "locate-missing", strict())
    assert found.claims["given_names"] == ["F.", "M."]
    assert {"documents", "cui"}.isdisjoint(found.claims)
    reasons = {entry.field: entry.rule for entry in found.manifest.withheld}
    assert reasons["documents"] == "own:documents"
    recheck(
        "missing-person",
        found.claims,
        found.manifest.disclosed,
        own_role=Role.CONSULATE,
        kind="search.request",
        purpose=Code("locate-missing"),
        policy=POLICY,
    )
    one = Grant(EVERYTHING.scopes, duty=True, approvals=1, minor="no")
    with pytest.raises(NotPermittedError, match="needs:approvals:2"):
        released("missing-person", "search.request", Role.FOREIGN_SEARCH, "locate-missing", strict(), one)


def test_it_can_keep_a_message_back_and_never_let_one_go():
    question = (Role.CHILD_PROTECTION, Role.POLICE, Code("protect-child"), Code("gt:alba-keneth:8"))
    assert isinstance(POLICY.decide("bulletin", *question), Permit)
    assert strict().decide("bulletin", *question) == Deny("own:bulletins", "this node does not send it", forbidden=True)
    for kind in MESSAGE_TYPES:
        for role in (Role.MIGRATION_CONTROL, Role.FOREIGN_SEARCH):
            told = POLICY.decide(kind, Role.CONSULATE, role, Code("locate-missing"), Code("consent"))
            if isinstance(told, Deny):
                assert strict().decide(kind, Role.CONSULATE, role, Code("locate-missing"), Code("consent")) == told


@pytest.mark.parametrize("kind", sorted(OBLIGED))
def test_what_is_a_duty_or_a_right_cannot_be_narrowed(kind):
    with pytest.raises(SchemaError, match="obliged_or_unknown_type"):
        parse_overlay(f'title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\nkinds = ["{kind}"]\ndeny = true\n')
    everywhere = Tightened(POLICY, parse_overlay('title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\ndeny = true\n'))
    question = (Role.POLICE, Role.CHILD_PROTECTION, Code("protect-child"), Code("gt:alba-keneth:8"))
    if kind in ("duty.notice", "duty.cancel"):
        assert isinstance(everywhere.decide(kind, *question), Permit)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (
            'record = "missing-person"\nkinds = ["search.request"]\nrecipients = ["health"]\ncoarsen = { birth_date = "exact" }',
            "allows year",
        ),
        ('record = "missing-person"\ncoarsen = { given_names = "month" }', "a form the field does not have"),
        ('record = "missing-person"\nwithhold = ["no_such"]', "a field the record type does not have"),
        ('record = "no-such"\nwithhold = ["sex"]', "no record type"),
        ('need = { scope = "c99" }', "no scope"),
        ("", "restricts_nothing"),
        ('withhold = ["sex"]', "fields_of_what_record"),
        ('kinds = ["no.such"]\ndeny = true', "obliged_or_unknown_type"),
        ('deny = true\nallow = ["sex"]', "extra_forbidden"),
    ],
)
def test_what_is_laxer_or_unknown_is_refused(entry, why):
    with pytest.raises(SchemaError, match=why):
        check_overlay(POLICY, parse_overlay(f'title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\n{entry}\n'))


def test_an_entry_that_reaches_nothing_is_named():
    text = (
        'title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\nrecord = "custody"\nkinds = ["bulletin"]\nwithhold = ["source"]\n'
    )
    assert check_overlay(POLICY, parse_overlay(text)) == ("own:x",)


@st.composite
def overlays(draw):
    record = draw(st.sampled_from(sorted({rule.record for rule in POLICY.rules})))
    known = POLICY.fields_of(record)
    named = draw(st.lists(st.sampled_from(sorted(n for n in known if known[n].forms)), max_size=6, unique=True))
    entry = Stricter(
        id=Code("own:any"),
        es="x",
        record=Code(record),
        withhold=tuple(named[:2]),
        coarsen={name: draw(st.sampled_from(known[name].forms)) for name in named[2:]},
        need=draw(st.sampled_from([None, {"approvals": 2}, {"scope": "c1"}])) if named else {"approvals": 2},
    )
    return record, Overlay(title="x", stricter=(entry,))


GRANTS = st.builds(
    Grant,
    st.lists(st.sampled_from([scope.id for scope in POLICY.scopes])).map(frozenset),
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from(["yes", "no", "possible"]),
)


@settings(max_examples=250, print_blob=True, deadline=None)
@given(drawn=overlays(), data=st.data(), grant=GRANTS)
def test_whatever_an_overlay_says_nothing_more_and_nothing_finer_leaves(drawn, data, grant):
    record, overlay = drawn
    rule = data.draw(st.sampled_from([rule for rule in POLICY.rules if rule.record == record]))
    role = data.draw(st.sampled_from([Role(role) for role in rule.recipients]))
    kind, purpose = data.draw(st.sampled_from(rule.kinds)), data.draw(st.sampled_from(rule.purposes))

    def left(policy):
        try:
            return released(record, kind, role, purpose, policy, grant)
        except NotPermittedError:
            return None

    signed, own = left(POLICY), left(Tightened(POLICY, overlay))
    if own is None:
        return
    assert set(own.claims) <= set(signed.claims)
    forms = {entry.field: entry.form for entry in signed.manifest.disclosed}
    for entry in own.manifest.disclosed:
        assert at_most(FIELDS[record][entry.field].kind, entry.form, forms[entry.field])
    recheck(record, own.claims, own.manifest.disclosed, own_role=role, kind=kind, purpose=purpose, policy=POLICY)


def test_a_record_of_another_type_is_not_touched():
    found = extract(
        SourceRecord("unidentified-remains", full("unidentified-remains").values),
        to=Recipient(NodeId("gt.igm.mbmid"), Role.SEARCH_MECHANISM),
        kind="finding.notice",
        purpose=Code("identify-remains"),
        grant=EVERYTHING,
        policy=strict(),
    )
    assert "documents_found" in found.claims
