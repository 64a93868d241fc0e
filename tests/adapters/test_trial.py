"""`adapter test`: what it shows is what would leave, it shows no more than asked, and it does nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.codec import decode_message, encode_object
from contracts.errors import SchemaError
from contracts.ids import ActorPseudonym
from gateway.console.operations import Sender
from gateway.exchange import desk
from gateway.main import trial
from gateway.main.trial import try_mapping
from tests.adapters.builders import archive, csv_text, parts, plain, written
from tests.adapters.make_fixtures import FOLDER
from tests.simulator.federation import NOW, simulated_federation

CLERK = Sender(ActorPseudonym("a:ventanillaficticia"), lambda _office: True)
ROOT = Path(__file__).parents[2]
SOURCES = [("reportes_conamigua", "gt.conamigua", ".xlsx"), ("restos_ogis", "gt.minex", ".csv")]


@pytest.fixture
def now():
    return NOW


async def arrived(federation, answer):
    """Every claim that reached a recipient, by row and kind of message."""
    rows = {message: row["row"] for row in answer["rows"] for message in row["messages"]}
    found = {}
    for peer, envelope in federation.network.carried:
        opener = federation.nodes[str(peer)].capabilities.opener
        message = decode_message(opener.verify(opener.open(envelope).jws).payload)
        if message.message_id not in rows:
            continue
        records = [
            opener.verify_record(record.sd_jwt, sender=message.sender, at=federation.clock.now()).claims
            for record in message.records
        ]
        found[rows[message.message_id], message.type] = [
            {name: trial.shown(json.loads(encode_object({"v": value}))["v"]) for name, value in claims.items()}
            for claims in records
        ]
    return found


def told(tried):
    return {
        (row.row, message.kind): [(field.field, field.leaves) for field in message.fields if field.leaves != "no sale"]
        for row in tried.rows
        for message in row.messages
    }


async def compared(tmp_path, name, node, suffix):
    names = {"gt.igm.mbmid", "gt.conamigua", "gt.pgn", node}
    async with simulated_federation(tmp_path, *sorted(names)) as federation:
        sender = federation.nodes[node]
        folder = sender.config.mappings or sender.config.data / "mappings"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / f"{name}.toml", folder)
        data = (FOLDER / f"{name}{suffix}").read_bytes()
        tried = try_mapping(FOLDER / f"{name}.toml", None, limit=1000, policy=None, now=federation.clock.now())
        answer = await sender.operations.import_file(name, "x", data, by=CLERK)
        again = await sender.operations.import_file(name, "x", data, by=CLERK)
        await federation.settle()
        left = await arrived(federation, answer)
    return tried, answer, again, left


@pytest.mark.parametrize(("name", "node", "suffix"), SOURCES)
async def test_what_is_shown_is_what_leaves(tmp_path, name, node, suffix):
    tried, answer, again, left = await compared(tmp_path, name, node, suffix)
    shown = told(tried)
    assert set(shown) == set(left)
    for key, records in left.items():
        assert sorted(shown[key]) == sorted((field, value) for claims in records for field, value in claims.items())
    assert [(row.row, row.outcome) for row in tried.rows] == [(row["row"], row["outcome"]) for row in answer["rows"]]
    assert tried.counts == answer["counts"]
    assert sum(answer["counts"].values()) == answer["total"]
    assert "imported" not in again["counts"], "a second time sends nothing"
    assert again["total"] == answer["total"]


async def test_the_comparison_sees_one_field_that_differs(tmp_path, monkeypatch):
    real = trial.extract

    def leaky(record, **how):
        found = real(record, **how)
        first = found.manifest.disclosed[0].field
        return type(found)({**found.claims, first: "otra cosa"}, found.manifest)

    monkeypatch.setattr(trial, "extract", leaky)
    with pytest.raises(AssertionError):
        await test_what_is_shown_is_what_leaves(tmp_path, *SOURCES[1])


def test_the_desk_and_the_trial_agree_on_the_day():
    assert trial.local_day.__globals__["_GUATEMALA"] == desk._GUATEMALA


def test_rows_are_counted_whole_and_shown_as_asked(now):
    tried = try_mapping(FOLDER / "reportes_conamigua.toml", None, limit=3, policy=None, now=now)
    assert len(tried.rows) == 3
    assert sum(tried.counts.values()) > 50


def test_a_finding_without_an_authority_is_refused_as_the_desk_would(tmp_path, now):
    text = (FOLDER / "restos_ogis.toml").read_text(encoding="utf-8").replace('authority = "us.tx.kenedy.jp-2"\n', "")
    path = written(tmp_path, "x.toml", text.encode())
    tried = try_mapping(path, FOLDER / "restos_ogis.csv", limit=1, policy=None, now=now)
    assert (tried.rows[0].outcome, tried.rows[0].messages) == ("rejected", ())
    assert "refused:not-permitted" in tried.rows[0].reasons
    assert "imported" not in tried.counts


def test_nothing_shown_begins_like_a_formula(now, tmp_path):
    rows = [
        plain(Nombres=f"Ficticio{ord(mark[0])}", Relato=f"{mark}cmd|'/C calc'!A0", Destino=f"{mark}1+1")
        for mark in ("=", "+", "-", "@", "\t=", "＝")
    ]
    path = written(tmp_path, "x.csv", csv_text(rows).encode())
    tried = try_mapping(FOLDER / "reportes_conamigua.toml", path, limit=20, policy=None, now=now)
    shown = [
        text
        for row in tried.rows
        for message in row.messages
        for field in message.fields
        for text in (field.held, field.leaves)
    ]
    assert any("cmd|" in text for text in shown)
    assert not [text for text in shown if text[:1] in "=+-@\t＝"]


def test_a_file_that_is_refused_says_what_why_and_what_to_do(now, tmp_path):
    path = written(tmp_path, "x.xlsx", archive(parts("", more={"xl/vbaProject.bin": b"x"})))
    with pytest.raises(SchemaError) as caught:
        try_mapping(FOLDER / "reportes_conamigua.toml", path, limit=20, policy=None, now=now)
    assert "file-has-macros" in str(caught.value)
    assert "macros" in str(caught.value).partition(":")[2]
    assert caught.value.advice


# -- it does nothing ---------------------------------------------------------------------------------------------------

WATCHED = """
import os, sys
done = []
def hook(event, arguments):
    if event in {"socket.connect", "socket.sendto", "sqlite3.connect"}:
        done.append(event)
    if event == "open" and not isinstance(arguments[0], int) and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        done.append(f"open {arguments[0]}")
sys.addaudithook(hook)
from gateway.cli import app
try:
    exec(os.environ["FIRST"])
    app(sys.argv[1:])
finally:
    print("DONE", [what for what in done if "/dev/null" not in what], file=sys.stderr)
"""


def watched(*words, first="pass"):
    environment = os.environ | {"FIRST": first, "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(
        [sys.executable, "-c", WATCHED, *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    return told, told.stderr.rpartition("DONE ")[2].strip()


def test_it_opens_no_socket_no_database_and_writes_no_file():
    told, done = watched("adapter", "test", FOLDER / "reportes_conamigua.toml", "--rows", "2")
    assert told.returncode == 9, told.stderr
    assert told.stdout.count("\nFila ") == 2
    assert done == "[]"


def test_the_watch_sees_what_it_watches(tmp_path):
    _, done = watched(
        "adapter", "test", FOLDER / "restos_ogis.toml", first=f"import sqlite3; sqlite3.connect({str(tmp_path / 'x')!r})"
    )
    assert "sqlite3.connect" in done
    _, done = watched("adapter", "test", FOLDER / "restos_ogis.toml", first=f"open({str(tmp_path / 'y')!r}, 'w').write('x')")
    assert f"open {tmp_path / 'y'}" in done
