"""A policy is built from its source, explained, and compared, in words; both languages; the same every time."""

import json
from hashlib import sha256

import pytest

from contracts.disclosure import Grant, Recipient, Release
from contracts.errors import SchemaError
from contracts.explaining import Answer, Message, answer_of, explain_fields, explain_message
from contracts.fields import RECORDS, Form
from contracts.ids import Code, NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.policy import Tightened, load_source, load_template, parse_overlay, parse_policy
from contracts.policy.comparing import Direction, compare_policies
from contracts.policy.drafting import build_policy, policy_digest, policy_text
from contracts.policy.model import MAX_POLICY_BYTES
from contracts.register import Role
from tests.contracts.make_vectors import TEMPLATES
from tests.contracts.test_policy_disclosure import POLICY

SOURCE = load_source("first-policy")


# -- building --------------------------------------------------------------------------------------------------------------


def test_the_template_is_what_its_source_builds_and_the_digest_is_written_down():
    """After a change to first-policy.toml: ``python tests/contracts/make_vectors.py`` (or ``make vectors``)."""
    built = build_policy(SOURCE)
    assert built == load_template("first-policy")
    assert policy_digest(built) == sha256(built).hexdigest()
    assert (TEMPLATES / "first-policy.sha256").read_text() == f"{policy_digest(built)}  first-policy.json\n"


def test_there_is_room_for_what_the_institutions_will_add():
    assert len(load_template("first-policy")) < MAX_POLICY_BYTES * 2 // 3


def test_a_policy_file_may_be_the_source():
    assert policy_text(SOURCE.encode()) == load_template("first-policy")
    assert policy_text(load_template("first-policy")) == load_template("first-policy")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('to = ["@missions"]', 'to = ["@nobody"]', "there is no group or set @nobody"),
        ('exact = ["repatriation", "sex"]', 'exact = ["repatriation", "sexo"]', "has no field sexo"),
        ('exact = ["repatriation", "sex"]', 'exact = ["repatriation", "sex"]\nyear = ["sex"]', "named in two forms"),
        ('exact = ["repatriation", "sex"]', 'month = ["sex"]', "cannot leave as month"),
        ('need = "c8|duty"', 'need = "c8 or duty"', "a need is written"),
        ('need = "c8|duty"', 'need = "c99"', "unknown_scope"),
        ("since = 2025-12-01T00:00:00Z", "since = 2025-12-01", "since"),
        ('id = "bulletin-01"', 'id = "report-01"', "repeated_id"),
        ('id = "bulletin-01"', 'id = "bulletin-01"\npublic = true', "unknown word public"),
        ('title = "', 'tytle = "', "unknown word tytle"),
        ("hours = 72\nurgent = 24\nlife = 4", "hours = 72\nurgent = 90\nlife = 4", "deadlines_out_of_order"),
        ("[[rule]]", "[[rule", "no TOML"),
    ],
)
def test_a_source_with_a_mistake_says_where(old, new, why):
    assert old in SOURCE
    with pytest.raises(SchemaError, match=why):
        build_policy(SOURCE.replace(old, new))


def test_a_partners_record_type_can_stand_in_the_source():
    own = (
        '\n[[record]]\nid = "mx.cnb.ficha"\nes = "Ficha"\nen = "Sheet"\nfields = """\n'
        'folio_unico | text | S1 | | MX MB | Folio único | Single folio\n"""\n'
        '\n[[rule]]\nid = "own-01"\nrecord = "mx.cnb.ficha"\nkinds = ["search.request"]\nto = ["search-mechanism"]\n'
        'purposes = ["locate-missing"]\nexact = ["@all"]\n'
    )
    policy = parse_policy(build_policy(SOURCE + own))
    assert dict(policy.rule_for("mx.cnb.ficha", "search.request", Role.SEARCH_MECHANISM, "locate-missing").fields) == {
        "folio_unico": Form.EXACT
    }


# -- explaining ------------------------------------------------------------------------------------------------------------


def ask(kind, sender, to, purpose, basis, policy=POLICY, lang="es"):
    return explain_message(policy, Message(kind, sender, to, Code(purpose), Code(basis)), lang)


def test_forbidden_is_told_apart_from_not_permitted():
    forbidden = ask("case.status", Role.CONSULATE, Role.MIGRATION_CONTROL, "locate-missing", "consent")
    assert (forbidden.answer, forbidden.rule) == (Answer.FORBIDDEN, "forbid:to-enforcement")
    assert "control migratorio" in forbidden.text
    nothing = ask("search.request", Role.SEARCH_MECHANISM, Role.HEALTH, "locate-missing", "federation:operation")
    assert (nothing.answer, nothing.rule) == (Answer.NOT_PERMITTED, "none")
    why = {item.rule: item.why for item in nothing.considered}
    assert why["flow:search-national"] == "otra base legal"
    assert why["flow:missions"].startswith("no es quien puede enviar")
    assert not any(item.fits for item in nothing.considered)


def test_a_permit_names_its_flow_in_both_languages():
    for lang, told in (("es", "Quien recibe un reporte"), ("en", "Whoever takes a report")):
        found = ask(
            "report.transfer", Role.POLICE, Role.SEARCH_MECHANISM, "locate-missing", "gt:mbmid:traslado-inmediato", lang=lang
        )
        assert (found.answer, found.rule) == (Answer.PERMITTED, "flow:report-transfer")
        assert found.text.startswith(told)


def test_a_nodes_own_restriction_says_so():
    text = 'title = "x"\n[[stricter]]\nid = "own:none"\nes = "Aquí no"\nkinds = ["note"]\ndeny = true\n'
    policy = Tightened(POLICY, parse_overlay(text))
    found = ask("note", Role.CONSULATE, Role.HEALTH, "locate-missing", "consent", policy)
    assert (found.answer, found.rule, found.text) == (Answer.STRICTER_HERE, "own:none", "Aquí no")


def test_the_explanation_of_every_decision_agrees_with_the_decision():
    from contracts.policy import Permit

    for kind in MESSAGE_TYPES:
        for sender in (Role.SEARCH_MECHANISM, Role.CONSULATE, Role.FOREIGN_SEARCH, Role.MIGRATION_CONTROL):
            for to in Role:
                for purpose, basis in (("locate-missing", "consent"), ("operate", "federation:operation")):
                    decided = POLICY.decide(kind, sender, to, Code(purpose), Code(basis))
                    told = ask(kind, sender, to, purpose, basis)
                    assert (told.answer is Answer.PERMITTED) == isinstance(decided, Permit)
                    assert told.rule == decided.rule
                    assert any(item.fits and item.rule == told.rule for item in told.considered) or told.rule == "none"


@pytest.mark.parametrize("record", sorted(RECORDS))
@pytest.mark.parametrize("lang", ["es", "en"])
def test_every_field_of_every_rule_can_be_explained(record, lang):
    grant = Grant(frozenset(), duty=False, approvals=1)
    for kind in MESSAGE_TYPES:
        for role in (Role.SEARCH_MECHANISM, Role.FOREIGN_SEARCH, Role.FOREIGN_ENFORCEMENT):
            release = Release(Recipient(NodeId("gt.prueba"), role), kind, Code("locate-missing"), grant, POLICY)
            told = explain_fields(release, record, lang)
            assert [item.field for item in told] == list(RECORDS[record].fields)
            for item in told:
                assert (item.form is None) == (item.answer is not Answer.PERMITTED)
                assert item.form is not None or answer_of(item.rule) is item.answer
                assert item.text
                assert item.label


# -- comparing -------------------------------------------------------------------------------------------------------------


def changed(change):
    policy = json.loads(load_template("first-policy"))
    change(policy)
    return parse_policy(json.dumps(policy).encode())


def rule(policy, name):
    return next(rule for rule in policy["rules"] if rule["id"] == name)


def flow(policy, name):
    return next(flow for flow in policy["flows"] if flow["id"] == name)


def test_equal_policies_differ_in_nothing():
    assert compare_policies(POLICY, changed(lambda p: p["rules"].reverse()), "es") == []


@pytest.mark.parametrize(
    ("change", "direction", "told"),
    [
        (
            lambda p: rule(p, "search-02")["fields"].update(birth_date="exact"),
            "wider",
            "Fecha de nacimiento pasa de «año» a «tal cual»",
        ),
        (
            lambda p: rule(p, "finding-01")["fields"].update(found_date="year"),
            "narrower",
            "Fecha de hallazgo pasa de «mes + confianza, precisión» a «año + confianza, precisión»",
        ),
        (lambda p: rule(p, "search-07")["fields"].pop("sex"), "narrower", "Sexo ya no sale en"),
        (lambda p: rule(p, "search-05")["fields"].update(build="exact"), "wider", "Complexión sale ahora tal cual"),
        (lambda p: rule(p, "bulletin-01").pop("need"), "wider", "«tal cual con consentimiento C8 o deber» a «tal cual»"),
        (lambda p: rule(p, "search-05").update(need={"duty": True}), "narrower", "con deber"),
        (lambda p: rule(p, "report-01").update(about=[]), "narrower", "Nombres"),
        (
            lambda p: flow(p, "flow:note").update(kinds=["note", "bulk.manifest"]),
            "wider",
            "entrega de una base (bulk.manifest) puede ir ahora",
        ),
        (
            lambda p: flow(p, "flow:bulk").update(bases=["gt:mbmid:protocolo-2025"]),
            "narrower",
            "bulk.manifest) ya no puede ir de MINEX a MBMID",
        ),
        (lambda p: p["forbids"].pop(2), "wider", "forbid:bulletin-abroad"),
        (lambda p: p["nevers"].pop(0), "wider", "never:relatives-abroad"),
        (lambda p: p["second_person"].pop(0), "wider", "second:remains"),
        (
            lambda p: flow(p, "flow:note").update(counts="working"),
            "other",
            "flow:note: cómo corren las horas opening → working",
        ),
        (lambda p: flow(p, "flow:note").update(retain_days=900), "wider", "conservación (días) 365 → 900"),
        (lambda p: flow(p, "flow:note").update(retain_days=100), "narrower", "conservación (días) 365 → 100"),
        (lambda p: flow(p, "flow:bulk").update(approvals=1), "wider", "personas que autorizan 2 → 1"),
        (lambda p: flow(p, "flow:bulk").update(deadline_hours=24), "other", "plazo (horas) 120 → 24"),
        (lambda p: p["searches"][0].update(cases_per_day=500), "wider", "200 × 192 → 500 × 192"),
        (lambda p: p["searches"].pop(0), "narrower", "blind:national"),
        (lambda p: p["bases"][1].update(verified=True), "other", "gt:codigo-migracion:198-207: verificada"),
    ],
)
def test_each_change_is_told_with_its_direction(change, direction, told):
    changes = compare_policies(POLICY, changed(change), "es")
    found = [item for item in changes if told in item.text]
    assert found, [item.text for item in changes]
    assert {item.direction.value for item in found} == {direction}
    back = compare_policies(changed(change), POLICY, "en")
    assert len(back) == len(changes)
    opposite = {"wider": "narrower", "narrower": "wider", "other": "other"}
    assert {item.direction.value for item in back} >= {opposite[direction]}


def test_wider_comes_first_and_a_change_both_ways_counts_as_wider():
    def both(policy):
        rule(policy, "search-07")["fields"].pop("sex")
        rule(policy, "search-07")["need"] = {"scope": "c1"}

    changes = compare_policies(POLICY, changed(both), "es")
    directions = [item.direction for item in changes]
    assert directions == sorted(directions, key=list(Direction).index)
    assert any("consentimiento C3» a «tal cual con consentimiento C1»" in item.text for item in changes)
    assert directions[0] is Direction.WIDER
