"""R19: a canary in every personal field stands in nothing that any process wrote: data, logs, temporary files, answers, commands.

What a log line, an identifier, a cell or a refused message may say is tested one by one in tests/never/test_canary.py.
"""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import new_node_databases
from tests.promises import canaries
from tests.promises.canaries import CANARIES, hits, searched, spellings
from tests.reliability.ledger import control, note

ROOT = Path(__file__).parents[2]
NAMES = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn")
LIFE_SECONDS = 600


def lived(tmp_path, *, databases=None, bug=""):
    """Run the life in a process of its own whose every output lands below one folder; return that folder and what it counted."""
    written, temporary = tmp_path / "written", tmp_path / "written" / "tmp"
    temporary.mkdir(parents=True)
    given = tmp_path / "databases.json"
    given.write_text(json.dumps(databases or {}))
    command = [sys.executable, "-m", "tests.promises.canary_life", written / "home", written, given if databases else "", bug]
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}
    with (written / "stdout").open("wb") as out, (written / "stderr").open("wb") as err:
        subprocess.run(
            list(map(str, command)), cwd=written, env=environment, stdout=out, stderr=err, check=True, timeout=LIFE_SECONDS
        )
    return written, json.loads((written / "stdout").read_text())


def told(found):
    return sorted({(Path(path).name, spelling) for path, spelling in found})


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_process_writes_a_personal_value(engine, tmp_path, request):
    databases, places = None, []
    if engine == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: R19 was shown on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in NAMES}
        for url in (url for pair in databases.values() for url in pair):
            talkative(server, url.rsplit("/", 1)[1])
    started = time.time()
    written, counted = lived(tmp_path, databases=databases)
    if databases:
        data = server["log"].parent / "data"
        places = [server["log"], *(path for path in data.rglob("*") if path.is_file() and path.stat().st_mtime >= started - 1)]
        assert b"parameters: $1" in server["log"].read_bytes(), "the server was to write every value it was given"
    total, found = searched(written, *places)
    log = (written / "stderr").read_text()
    note("R19", f"a whole life with its failures, {engine}", unit="messages with a canary", trials=counted["messages"],
         failures=len(found), figures={"MB searched": round(total / 1e6, 1), "spellings": len(canaries.SPELLINGS)})  # fmt: skip
    assert told(found) == []
    assert counted["valid"] >= 9, "every free text a message has took a canary"
    assert {"IntegrityError", "KeyError"} <= {
        json.loads(line).get("error") for line in log.splitlines() if line.startswith("{")
    }
    assert not list(written.rglob("core*")), "no memory of a process was left behind"


def talkative(server, database):
    """Have the server write every statement with its values: worse than any setting an institution would choose."""
    command = [
        server["programs"] / "psql",
        "-h",
        "127.0.0.1",
        "-p",
        str(server["port"]),
        "-U",
        "paradero",
        "-d",
        "postgres",
        "-qc",
    ]
    for setting in ("log_statement = 'all'", "log_min_error_statement = 'debug5'"):
        subprocess.run([*command, f"ALTER DATABASE {database} SET {setting}"], env=server["environment"], check=True)


COMMANDS = {
    "verify a file that is no evidence": ["verify", "FILE"],
    "verify with another fingerprint": ["verify", "FILE", "--root-fingerprint", "0000 1111"],
    "redact a file that is no evidence": ["evidence", "redact", "FILE", "-o", "out.json"],
    "try a source with an unknown mapping": ["adapter", "test", "FILE", "-m", "nada"],
    "send a source without a node": ["report", "transfer", "FILE", "-m", "reportes_conamigua"],
    "found from a file that is none": ["federation", "keyset", "FILE"],
}


def commanded(folder):
    """Run commands on files made of canaries; return what they wrote to stderr."""
    source = folder / "source.csv"
    source.write_text(";".join(CANARIES) * 3, encoding="utf-8")
    outputs = {}
    for words, arguments in COMMANDS.items():
        command = [sys.executable, "-m", "gateway", *(str(source) if item == "FILE" else item for item in arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
        assert done.returncode != 0, words
        outputs[words] = done.stderr + done.stdout
    return outputs


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_commands_that_fail_do_not_repeat_what_they_read(tmp_path):
    outputs = commanded(tmp_path)
    found = {words: hits(output) for words, output in outputs.items() if hits(output)}
    note("R19", "commands that fail on a file of canaries", unit="commands", trials=len(outputs), failures=len(found))
    assert found == {}
    assert all(outputs.values()), "a command that says nothing proves nothing"


@pytest.mark.parametrize("text", canaries.PARTS)
def test_every_spelling_is_found_where_it_stands(text, tmp_path):
    for number, spelling in enumerate(spellings(text)):
        (tmp_path / f"{number}").write_bytes(b"\xff{" + spelling + b"}\0")
        assert searched(tmp_path / f"{number}")[1], spelling
    for shift in range(3):
        assert hits(base64.b64encode(b"x" * (30 + shift) + text.encode() + b"y" * 31)), shift


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("bug", "words"),
    [
        ("exception-text", "A log line says what the exception said."),
        ("plain-bodies", "Bodies are stored as they came."),
    ],
)
def test_control_a_leak_is_seen(tmp_path, bug, words):
    written, _ = lived(tmp_path, bug=bug)
    _, found = searched(written)
    control("R19", words, seen=bool(found))
    assert found
