"""`paradero policy`: what it says is what the node does; documented exit codes; Spanish first, English beside it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.codec import parse_object
from contracts.disclosure import Grant
from contracts.fields import RECORDS
from contracts.policy import load_source, load_template, parse_policy
from contracts.policy.matrix import matrix
from contracts.register import Role
from gateway.cli import app
from gateway.cli import policy as policy_cli
from gateway.main.policies import sample_record, simulate

ROOT = Path(__file__).parents[2]
EXPECTATIONS = ROOT / "contracts" / "templates" / "expectations" / "first-policy.toml"
FIXTURES = ROOT / "gateway" / "demo" / "fixtures"
RUN = CliRunner()
POLICY = parse_policy(load_template("first-policy"))


def run(*words):
    return RUN.invoke(app, ["policy", *(str(word) for word in words)])


def told(*words, code=0):
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_show_says_it_in_both_languages_and_flags_what_nobody_verified():
    spanish, english = run("show"), run("show", "--lang", "en")
    assert spanish.exit_code == english.exit_code == 0
    assert "Quien recibe un reporte lo traslada al MBMID" in spanish.stdout
    assert "Whoever takes a report transfers it to the MBMID" in english.stdout
    assert "15 textos legales sin verificar" in spanish.stdout
    assert "15 legal texts not verified" in english.stdout
    found = told("show")
    assert found["policy"] == POLICY.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert len(found["unverified"]) == 15


@pytest.mark.parametrize(
    "name", ["search-07", "flow:bulletin", "forbid:to-enforcement", "gt:alba-keneth:8", "c4", "second:remains"]
)
def test_show_one_entry(name):
    assert run("show", name).exit_code == 0
    assert told("show", name)["id"] == name


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "no-such"), 4),
        (("show", "--lang", "fr"), 2),
        (("show", "--policy", "/nowhere.json"), 4),
        (("show", "--policy", "x", "--node"), 2),
        (("matrix", "--record", "no-such"), 4),
        (("matrix", "--role", "no-such"), 2),
        (("explain", "note", "--to", "health", "--purpose", "locate-missing"), 2),
        (("explain", "note", "--to", "no-such", "--purpose", "locate-missing"), 2),
        (("test", "/nowhere.toml"), 4),
        (("diff", "/nowhere.json", "/nowhere.json"), 4),
        (("simulate", "--record", "no-such"), 2),
        (("simulate", "/nowhere.csv"), 2),
        (("show", "--node", "--config", "/nowhere.toml"), 3),
    ],
)
def test_exit_codes(words, code):
    assert run(*words).exit_code == code, run(*words).output


def test_the_matrix_says_what_the_rules_say():
    found = told("matrix", "--record", "missing-person", "--kind", "search.request")
    rows = {row["field"]: row for row in found["rows"]}
    assert rows["birth_date"]["cells"]["health"] == "año"
    assert rows["given_names"]["cells"]["foreign-search"] == "tal cual (consentimiento C4)"
    assert "migration-control" not in rows["given_names"]["cells"]
    assert "health" not in rows["narrative"]["cells"]
    assert rows["narrative"]["class"] == "S4"
    for record in RECORDS:
        for row in matrix(POLICY, record, "en"):
            for role in row.cells:
                assert any(
                    row.field in rule.fields for rule in POLICY.rules if rule.record == record and role in rule.recipients
                )
    assert "año" in run("matrix", "--kind", "search.request", "--role", "health").stdout


def test_explain_ends_with_5_when_the_answer_is_no():
    question = ("explain", "case.status", "--from", "consulate", "--purpose", "locate-missing", "--basis", "consent")
    found = told(*question, "--to", "migration-control", code=5)
    assert (found["message"]["answer"], found["message"]["rule"]) == ("forbidden", "forbid:to-enforcement")
    found = told(*question, "--to", "health")
    assert (found["message"]["answer"], found["message"]["rule"]) == ("permitted", "flow:case-status")
    field = ("explain", "search.request", "--to", "foreign-search", "--purpose", "locate-missing", "--record", "missing-person")
    found = told(*field, "--field", "surname_1", "--scope", "c3", code=5)
    assert found["fields"][0]["answer"] == "needs-more"
    found = told(*field, "--field", "surname_1", "--scope", "c3", "--scope", "c4")
    assert (found["fields"][0]["answer"], found["fields"][0]["form"]) == ("permitted", "exact")
    assert "falta el consentimiento" in run(*field, "--field", "surname_1", "--lang", "es").stdout
    assert "consent is missing" in run(*field, "--field", "surname_1", "--lang", "en").stdout


def test_explain_counts_a_nodes_own_restrictions(tmp_path):
    path = tmp_path / "overlay.toml"
    path.write_text(
        'title = "x"\n[[stricter]]\nid = "own:sex"\nes = "Aquí no"\nrecord = "missing-person"\nwithhold = ["sex"]\n'
    )
    found = told(
        *("explain", "search.request", "--to", "health", "--purpose", "locate-missing", "--record", "missing-person"),
        *("--field", "sex", "--overlay", path),
        code=5,
    )
    assert found["fields"][0] | {"label": ""} == {
        "field": "sex", "answer": "stricter-here", "form": None, "rule": "own:sex", "text": "Aquí no", "label": "",
    }  # fmt: skip
    assert told("check-overlay", path) == {"entries": 1, "idle": []}
    path.write_text(
        'title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\nrecord = "missing-person"\ncoarsen = { birth_date = "exact" }\n'
    )
    refused = run("check-overlay", path)
    assert refused.exit_code == 2
    assert "birth_date would leave as exact" in refused.output
    path.write_text('title = "x"\n[[stricter]]\nid = "own:x"\nes = "x"\nkinds = ["ping"]\ndeny = true\n')
    assert run("check-overlay", path).exit_code == 2


def test_the_template_keeps_what_was_agreed_and_a_changed_one_does_not(tmp_path):
    assert told("test", EXPECTATIONS)["failed"] == 0
    policy = json.loads(load_template("first-policy"))
    rule = next(rule for rule in policy["rules"] if rule["id"] == "search-07")
    rule.pop("need")
    rule.pop("needs")
    path = tmp_path / "wider.json"
    path.write_text(json.dumps(policy))
    found = told("test", EXPECTATIONS, "--policy", path, code=10)
    wrong = [item for item in found["results"] if not item["held"]]
    assert ["C4" in item["because"] for item in wrong] == [True]
    shown = run("test", EXPECTATIONS, "--policy", path)
    assert "No se cumple" in shown.stdout
    assert "25 de 26" in shown.stdout


@pytest.mark.parametrize(
    "text",
    [
        "",
        "expect = []",
        '[[expect]]\nmessage = "note"\nto = "nobody"\npurpose = "x"\nanswer = "permitted"',
        '[[expect]]\nmessage = "note"\nto = "health"\npurpose = "x"\nanswer = "permitted"',
        '[[expect]]\nmessage = "note"\nto = "health"\npurpose = "x"\nrecord = "missing-person"\nfield = "nope"\nanswer = "permitted"',
        "[[expect",
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text):
    path = tmp_path / "t.toml"
    path.write_text(text)
    assert run("test", path).exit_code == 2


def test_a_table_may_be_json(tmp_path):
    path = tmp_path / "t.json"
    line = {
        "message": "note",
        "from": "police",
        "to": "health",
        "purpose": "locate-missing",
        "basis": "consent",
        "answer": "permitted",
    }
    path.write_text(json.dumps({"expect": [line]}))
    assert told("test", path) | {"results": []} == {"total": 1, "failed": 0, "results": []}


def test_diff_says_which_way_and_can_stop_a_pipeline(tmp_path):
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text(load_source("first-policy"))
    new.write_text(load_source("first-policy").replace('id = "search-05"', 'id = "search-05"\nmonth = ["last_contact_date"]'))
    found = told("diff", old, new)
    assert [change["direction"] for change in found["changes"]] == ["wider"]
    assert "SE AMPLÍA (1)" in run("diff", old, new).stdout
    assert "BECOMES NARROWER (1)" in run("diff", new, old, "--lang", "en").stdout
    assert run("diff", old, new, "--fail-if-wider").exit_code == 10
    assert run("diff", new, old, "--fail-if-wider").exit_code == 0
    assert "Nada cambia" in run("diff", old, old).stdout


def test_simulate_shows_each_role_what_extract_would_let_out():
    grant = Grant(frozenset(scope.id for scope in POLICY.scopes), duty=True, approvals=3, minor="no")
    everything = simulate([sample_record(POLICY, record) for record in RECORDS], POLICY, grant, "es")
    assert {item.rule for item in everything} == {rule.id for rule in POLICY.rules}
    assert all(item.leaves for item in everything)
    found = told("simulate", "--to", "foreign-medicolegal", "--scope", "c5", "--approvals", "2")
    assert found["sent"] == 0
    [item] = found["records"]
    assert item["leaves"]["Fecha del último contacto"] == '{"date":"1999-03","precision":"month"}'
    assert "Destino previsto" not in item["leaves"]
    [nothing] = told("simulate", "--to", "foreign-medicolegal")["records"]
    assert (nothing["leaves"], nothing["stays"]) == ({}, len(RECORDS["missing-person"].fields))
    assert all("enforcement" not in item["role"] for item in told("simulate")["records"])


def test_simulate_takes_a_row_of_a_file():
    source = FIXTURES / "restos_ogis.csv"
    found = told("simulate", source, "--mapping", FIXTURES / "restos_ogis.toml", "--to", "search-mechanism")
    leaving = next(item for item in found["records"] if item["rule"] == "finding-01")
    assert "Condado o entidad" in leaving["leaves"]
    assert "Coordenadas" not in leaving["leaves"]
    assert "Esto no envía nada." in run("simulate", source, "--mapping", FIXTURES / "restos_ogis.toml").stdout


def test_build_writes_what_the_template_is(tmp_path):
    source, output = tmp_path / "p.toml", tmp_path / "policy.json"
    source.write_text(load_source("first-policy"))
    found = told("build", source, "-o", output)
    assert output.read_bytes() == load_template("first-policy")
    assert found["digest"] in (ROOT / "contracts" / "templates" / "first-policy.sha256").read_text()
    source.write_text(load_source("first-policy").replace('exact = ["repatriation", "sex"]', 'exact = ["sexo"]'))
    refused = run("build", source, "-o", output)
    assert refused.exit_code == 2
    assert "referral-05" in refused.output
    assert output.read_bytes() == load_template("first-policy")


def test_the_running_nodes_policy_is_the_one_shown(monkeypatch):
    answer = {
        "version": 7,
        "digest": "0" * 64,
        "policy": POLICY.model_copy(update={"version": 7}).model_dump(mode="json", exclude_none=True),
    }

    class Node:
        """Stands for the private port; tests/console asks the real one for the same answer."""

        @classmethod
        def from_option(cls, _config):
            return cls()

        def get(self, path):
            assert path == "/api/v1/policy"
            return answer

    monkeypatch.setattr(policy_cli, "LocalNode", Node)
    assert told("show", "--node")["policy"]["version"] == 7
    assert told("show", "--node")["digest"] == "0" * 64
    assert parse_object(json.dumps(answer).encode())
    assert run("matrix", "--node").exit_code == 0
    found = told(
        "explain", "note", "--node", "--from", "police", "--to", "health", "--purpose", "locate-missing", "--basis", "consent"
    )
    assert found["message"]["answer"] == "permitted"


def test_every_role_can_be_simulated_without_a_fault():
    for role in Role:
        simulate(
            [sample_record(POLICY, record) for record in RECORDS],
            POLICY,
            Grant(frozenset(), duty=False, approvals=0),
            "en",
            [role],
        )
