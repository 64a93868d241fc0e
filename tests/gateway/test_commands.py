"""The command line: documented exit codes, JSON for programs, errors that say what to do."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli.output import print_table
from gateway.config import NodeConfig, load_config

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "gateway" / "demo" / "fixtures"
RUN = CliRunner()


def run(*words):
    return RUN.invoke(app, [str(word) for word in words])


@pytest.fixture
def node(tmp_path):
    result = run(
        "init", "--node", "gt.prueba", "--role", "migrant-council", "--name", "Prueba", "--country", "GT", "--endpoint",
        "https://node.example/x", "--config", tmp_path / "p.toml", "--data", tmp_path / "d", "--self-signed", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return tmp_path / "p.toml"


def test_init_makes_a_node_once_and_never_overwrites(node):
    config = load_config(node)
    assert config.node == "gt.prueba"
    assert config.operator_token.stat().st_mode & 0o777 == 0o600
    again = run(
        "init", "--node", "gt.prueba", "--role", "police", "--name", "x", "--country", "GT", "--endpoint", "https://a.example/x",
        "--config", node, "--data", config.data,
    )  # fmt: skip
    assert again.exit_code == 3


def test_db_check_says_all_is_well_and_upgrade_can_be_repeated(node):
    assert run("db", "upgrade", "--config", node).exit_code == 0
    result = run("db", "check", "--config", node, "--json")
    assert result.exit_code == 0
    assert {finding["severity"] for finding in json.loads(result.stdout)["findings"]} == {"ok"}


def test_doctor_says_what_is_missing_and_what_to_do(node):
    result = run("doctor", "--config", node)
    assert result.exit_code == 10
    assert "federation join" in result.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status", "--config", "/nowhere.toml"), 3),
        (("verify", "/nowhere.json"), 4),
        (("report",), 2),
        (("federation", "show"), 2),
        (("--version",), 0),
        (("no-such-command",), 2),
    ],
)
def test_exit_codes(words, code):
    assert run(*words).exit_code == code


def test_a_node_that_does_not_run_is_unreachable_with_advice(node):
    result = run("status", "--config", node)
    assert result.exit_code == 7
    assert "paradero serve" in result.output


def test_verify_refuses_what_is_no_bundle(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    result = run("verify", path, "--json")
    assert result.exit_code == 8
    assert json.loads(result.stdout)["steps"][0]["outcome"] == "failed"


def test_adapter_test_shows_what_would_leave_and_sends_nothing():
    result = run("adapter", "test", FIXTURES / "reportes_conamigua.toml", "--rows", "50", "--json")
    assert result.exit_code == 9
    trial = json.loads(result.stdout)
    assert trial["sent"] == 0
    assert len(trial["rows"]) == 50
    girl = next(row for row in trial["rows"] if any(message["kind"] == "duty.notice" for message in row["messages"]))
    assert {message["to_role"] for message in girl["messages"]} == {"search-mechanism", "child-protection"}


def test_adapter_test_shows_remains_without_coordinates():
    result = run("adapter", "test", FIXTURES / "restos_ogis.toml", "--rows", "1", "--json")
    [message] = json.loads(result.stdout)["rows"][0]["messages"]
    held = {field["field"]: field["leaves"] for field in message["fields"]}
    assert held["found_coordinates"] == "no sale"
    assert held["cause_of_death"] == "no sale"


def test_what_a_cell_says_is_never_markup_of_the_terminal(tmp_path):
    path = tmp_path / "x.csv"
    text = "Nombres,Apellidos,Edad,Último contacto,Relato\nFicticio,Caal,30,2026-10-15,[/b] [red]rojo \x1b[31m\n"
    path.write_text(text, encoding="utf-8")
    result = run("adapter", "test", FIXTURES / "reportes_conamigua.toml", path)
    assert result.exit_code == 0, result.output
    assert "[/b] [red]rojo" in result.output
    assert "\x1b[31m" not in result.output


def test_a_refused_file_says_what_why_and_what_to_do(tmp_path):
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    result = run("adapter", "test", FIXTURES / "reportes_conamigua.toml", path)
    assert result.exit_code == 2
    assert all(word in result.output for word in ("Por qué:", ".xls antiguo", "Qué hacer:", ".xlsx"))


def test_schema_dump_gives_every_schema():
    schemas = json.loads(run("schema", "dump").stdout)
    assert len(schemas) > 40


def test_a_typing_error_in_the_configuration_is_named_without_its_value(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('node = "gt.prueba"\ndata = "d"\n[federation]\nprot = 1\n')
    result = run("db", "check", "--config", path)
    assert result.exit_code == 3
    assert "federation.prot" in result.output


def test_the_example_configuration_names_every_option():
    text = (ROOT / "deploy" / "paradero.example.toml").read_text()

    def options(model):
        for name, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and hasattr(kind, "model_fields"):
                yield f"[{field.alias or name}]"
                yield from options(kind)
            else:
                yield f"{name} ="

    missing = [option for option in options(NodeConfig) if option not in text]
    assert missing == []
    load_config(ROOT / "deploy" / "paradero.example.toml")


def test_a_file_that_is_not_there_is_not_found_with_advice(node):
    for command in (("report", "transfer"), ("adapter", "run")):
        result = run(*command, "/nowhere.csv", "-m", "reportes", "--config", node)
        assert result.exit_code == 4
        assert "Qué hacer" in result.output


def test_in_a_file_a_row_is_a_line_and_an_id_is_whole(capsys):
    message = "01990000-0000-7000-8000-000000000001"
    row = {"id": message, "at": "2026-11-25T21:48:28+00:00", "why": "palabra " * 30}
    print_table("", {"id": "MENSAJE", "at": "PRÓXIMO", "why": "MOTIVO"}, [row])
    printed = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert len(printed) == 2
    assert printed[1].split()[:3] == [message, "2026-11-25", "21:48:28Z"]
