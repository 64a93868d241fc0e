"""`paradero verify` and `paradero evidence redact`: exit codes, both languages, JSON for programs, nothing but files."""

import json

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from keys.bundles import build_bundle, parse_bundle
from tests.keys.evidence_world import WITNESS, WITNESS_KEY, World

RUN = CliRunner()


def run(*words):
    return RUN.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("commands"))


@pytest.fixture
def bundle(world, tmp_path):
    path = tmp_path / "constancia.json"
    path.write_bytes(build_bundle(world.parts(witness=WITNESS_KEY)))
    return path


@pytest.mark.parametrize(
    ("lang", "verdict", "rest"),
    [("es", "TODO VERIFICA", "Lo que esto no prueba:"), ("en", "VERIFIES", "What this does not prove:")],
)
def test_verify_tells_each_step_and_what_it_does_not_prove(world, bundle, lang, verdict, rest):
    result = run("verify", bundle, "--root-fingerprint", world.fingerprint, "--lang", lang)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert sum(line.startswith("✓") for line in lines) == 14
    assert any(line.startswith(verdict) for line in lines)
    assert rest in lines
    assert any("gt.minex" in line and "gt.igm.mbmid" in line for line in lines)


def test_verify_writes_json_for_programs(world, bundle):
    words = ("verify", bundle, "--root-fingerprint", world.fingerprint, "--witness", str(WITNESS), "--json", "--lang", "en")
    result = run(*words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["ok"]
    assert told["complete"]
    assert {step["outcome"] for step in told["steps"]} == {"ok"}
    assert told["exchange"]["sender"] == "gt.minex"
    assert told["exchange"]["accepted"] is True
    assert all(isinstance(sentence, str) for sentence in told["not_proved"])


def test_verify_fails_with_its_own_code(world, bundle):
    other = " ".join(["0000"] * 10)
    assert run("verify", bundle, "--root-fingerprint", other).exit_code == 8
    data = bundle.read_bytes()
    place = data.index(b'"receipt"') + 200
    bundle.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    result = run("verify", bundle, "--root-fingerprint", world.fingerprint)
    assert result.exit_code == 8
    assert "✗" in result.stdout
    assert "NO VERIFICA" in result.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--lang", "fr"), 2),
        (("--witness", "x"), 2),
        (("--witness", "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"), 2),
        (("--no-such-option",), 2),
    ],
)
def test_verify_refuses_options_it_does_not_know(bundle, words, code):
    assert run("verify", bundle, *words).exit_code == code


@pytest.mark.parametrize("name", ["nothing.json", "nothing.toml", "."])
def test_what_is_not_there_is_not_found(tmp_path, name):
    assert run("verify", tmp_path / name).exit_code == 4
    assert run("evidence", "redact", tmp_path / name, "-o", tmp_path / "x").exit_code == 4


def test_a_file_too_large_to_be_a_bundle_is_not_even_read(tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(33 * 1024 * 1024)
    assert run("verify", path).exit_code == 8


def test_redact_leaves_the_message_out_and_the_rest_verifies(world, bundle, tmp_path):
    output = tmp_path / "tachada.json"
    result = run("evidence", "redact", bundle, "-o", output)
    assert result.exit_code == 0, result.output
    assert parse_bundle(output.read_bytes()).message is None
    assert output.stat().st_mode & 0o777 == 0o600
    told = run("verify", output, "--root-fingerprint", world.fingerprint)
    assert told.exit_code == 0
    assert "sólo su resumen" in told.stdout


def test_redact_refuses_what_is_no_bundle(tmp_path):
    path, output = tmp_path / "x.json", tmp_path / "y.json"
    path.write_text("{}")
    assert run("evidence", "redact", path, "-o", output).exit_code == 8
    assert not output.exists()
