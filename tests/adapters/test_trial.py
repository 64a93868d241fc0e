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
from contracts.walls import WALL_TWO_PERSONS
from gateway.console.operations import Sender
from gateway.exchange.desk import SECOND_PERSON, TEXT_HELD
from gateway.exchange.releasing import approve, open_parcel, release_text
from gateway.main import trial
from gateway.main.trial import try_mapping
from tests.adapters.builders import archive, csv_text, parts, plain, written
from tests.adapters.make_fixtures import FOLDER
from tests.gateway.test_leaving import SECOND, by
from tests.simulator.federation import NOW, simulated_federation

CLERK = Sender(ActorPseudonym("a:ventanillaficticia"), "ventanilla-ficticia", lambda _office: True)
ROOT = Path(__file__).parents[2]
SOURCES = [("reportes_conamigua", "gt.conamigua", ".xlsx"), ("restos_ogis", "gt.minex", ".csv")]


@pytest.fixture
def now():
    return NOW


async def arrived(federation, answer):
    """Every claim that reached a recipient, by row and kind of message."""
    rows = {name: row["row"] for row in answer["rows"] for name in (row["thread_id"], *row["messages"])}
    found = {}
    for peer, envelope in federation.network.carried:
        opener = federation.nodes[str(peer)].capabilities.opener
        message = decode_message(opener.verify(opener.open(envelope).jws).payload)
        row = rows.get(str(message.message_id), rows.get(str(message.thread_id)))
        if row is None or not message.records:
            continue
        records = [
            opener.verify_record(record.sd_jwt, sender=message.sender, at=federation.clock.now()).claims
            for record in message.records
        ]
        found[row, message.type] = [
            {name: trial.shown(json.loads(encode_object({"v": value}))["v"]) for name, value in claims.items()}
            for claims in records
        ]
    return found


def told(tried, waits):
    """What a trial says leaves at once (`waits` empty) or after somebody did something, by row and kind of message."""
    found = {
        (row.row, message.kind): [
            (field.field, field.leaves) for field in message.fields if field.leaves != trial.STAYS and field.waits in waits
        ]
        for row in tried.rows
        for message in row.messages
    }
    return {key: fields for key, fields in found.items() if fields}


async def let_go(node):
    """Somebody reads every text that waits, and a second person agrees to everything."""
    async with node.begin() as work:
        waiting = await work.departures.waiting(limit=1000)
    for held in waiting:
        _, _, texts = await open_parcel(held.id, node)
        if texts:
            await release_text(held.id, [text.place for text in texts], node, by=by(node, SECOND))
        if WALL_TWO_PERSONS in held.waits:
            await approve(held.id, held.content, node, by=by(node, SECOND))


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
        at_once = await arrived(federation, answer)
        await let_go(sender.capabilities)
        await federation.settle()
        later = {key: claims for key, claims in (await arrived(federation, answer)).items() if key not in at_once}
    return tried, answer, again, at_once, later


def same(shown, left):
    assert set(shown) == set(left)
    for key, records in left.items():
        assert sorted(shown[key]) == sorted((field, value) for claims in records for field, value in claims.items())


@pytest.mark.parametrize(("name", "node", "suffix"), SOURCES)
async def test_what_is_shown_is_what_leaves(tmp_path, name, node, suffix):
    tried, answer, again, at_once, later = await compared(tmp_path, name, node, suffix)
    same(told(tried, {""}), at_once)
    findings = told(tried, {SECOND_PERSON})
    same(findings, {key: claims for key, claims in later.items() if key[1] == "finding.notice"})
    stories = {
        (row, "correction"): fields for (row, kind), fields in told(tried, {TEXT_HELD}).items() if kind == "report.transfer"
    }
    followed = {key: claims for key, claims in later.items() if key[1] == "correction"}
    assert set(stories) == set(followed)
    assert all(set(fields) <= {pair for claims in followed[key] for pair in claims.items()} for key, fields in stories.items())
    assert len(findings) + len(stories) == len(later) > 0
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
