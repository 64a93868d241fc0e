"""Whatever a command is given, a person reads what happened, why and what to do; never a traceback, never a half node."""

import asyncio
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import typer

from gateway.__main__ import main
from gateway.cli import app
from gateway.cli.output import ExitCode
from gateway.config import load_config

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "gateway" / "demo" / "fixtures"
INIT = {"--node": "gt.prueba", "--role": "police", "--name": "P", "--country": "GT", "--endpoint": "https://node.example/x"}


@pytest.fixture
def call(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["paradero", *map(str, words)])
        code = main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def init_words(config, data, **changed):
    answers = INIT | {f"--{name}": value for name, value in changed.items()}
    return ["init", *(word for pair in answers.items() for word in pair), "--config", config, "--data", data, "--self-signed"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A node, made once; tests copy it."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(
        [sys.executable, "-m", "gateway", *init_words(folder / "p.toml", folder / "d")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def node(made, tmp_path):
    shutil.copytree(made / "d", tmp_path / "d")
    text = (made / "p.toml").read_text().replace(str(made), str(tmp_path)).replace("port = 8441", "port = 1")
    (tmp_path / "p.toml").write_text(text)
    return tmp_path / "p.toml"


@pytest.fixture
def things(tmp_path):
    """Files that are not what a command wants."""
    folder = tmp_path / "things"
    folder.mkdir()
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "empty").touch()
    (folder / "object.json").write_text("{}")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "a folder").mkdir()
    return {
        "missing": folder / "missing",
        "below a file": folder / "empty" / "x",
        "too long": folder / ("a" * 300),
        "unreadable": Path("/proc/self/mem"),  # also for root, who may read every file
        **{path.name: path for path in folder.iterdir()},
    }


KINDS = ["missing", "below a file", "too long", "unreadable", "binary", "empty", "object.json", "deep.json", "a folder"]

# F is the odd file; C is a good configuration; R a folder that is no register.
FILE_COMMANDS = [
    "verify F", "verify F --json", "evidence redact F -o OUT", "adapter test F", "adapter test MAPPING F",
    "adapter test MAPPING --policy F", "schema dump F/x", "report transfer F -m x --config C", "adapter run F -m x --config C",
    "federation join F --fingerprint x --config C", "federation show F", "federation show F --json",
    "federation sign F --key F --identity F", "federation publish F --online F --identity F",
    "federation resign F --online F --identity F", "federation propose-member R F", "federation propose-policy R F",
    "federation keyset R F", "federation custodian x --key OUT --passphrase-file F", "federation custodian x --key F/x",
    "federation found R --name x --preset start --council F --online F --identity F",
    "federation suspend R gt.x --reason x --key F --online F --online-identity F", "federation clear F s-x",
    "federation upgrade R --council F --registrars F --policy-holders F --duty F --online F --identity F",
    "federation self-suspend R --online F --identity F --reason x --config C", "demo --headless --folder F/x",
    "demo links --folder F", "demo links --folder F --json", "demo tour --folder F", "demo tour --folder F --yes --json",
    *(f"{command} --config F" for command in (
        "status", "status --json", "doctor", "doctor --json", "serve", "db check", "db check --json", "db upgrade", "outbox list",
        "outbox show x", "outbox retry x", "outbox pause x", "outbox resume x", "federation status", "federation poll", "federation test gt.x",
        "adapter list", "evidence export x", "backup list", "backup list --json", "backup now", "backup give-up gt.pgn",
        "backup key OUT", "keys renew", "keys renew --json", "login x", "logout", "whoami", "user list", "user bootstrap x --name x", "user recover x",
        "user add x --name x --role auditor", "user invite x", "user enable x", "user disable x", "user set-password",
        "user totp", "user totp --remove --json", "user recovery-codes", "user reset-factors x", "user link x --subject x", "user unlink x",
        "user roles x --role auditor", "office list", "office close x", "office members x", "office next x",
        "request list", "request show x", "request clarify x --field sex", "request extend x --until x", "request decline x --reason x",
        "request no-information x --searched x --as-of x", "hold list", "hold show x", "hold release x 0.0", "hold drop x",
        "approve x", "office add x --name-es x --name-en x --zone UTC",
        "inbox list", "inbox list --json", "inbox read x", "finding clarify x --field sex", "request identity x yes", "duty list x", "duty end x", "inbox take x", "inbox done x", "inbox move x --office x", "inbox give x --to x", "referral list", "referral show x",
        "referral offer --to gt.x --case x --service shelter --minor no --purpose x --basis x", "referral accept x",
        "referral decline x --reason other", "referral update x --progress in-progress", "referral done x --outcome done",
        "referral withdraw x --reason sent-in-error", "finding list", "finding show x",
        "attachment list", "attachment show x", "attachment fetch x", "attachment drop x", "attachment save x --to OUT",
        "case who-has MBMID-2026-000001", "case list", "case same-person x x", "case other-person x", "case never-to x gt.x", "case never-to x --lift",
        "case wish x --wish silence --evidence interview", "case close MBMID-2026-000001 --as detained",
        "audit open MBMID-2026-000001 --complaint PDH-2026-1", "audit list", "audit list --json", "audit show x", "audit opened", "stats", "stats --json",
        "consent grant x --relative x --scope c3 --form written --language es", "consent show x",
        "consent narrow x --relative x --scope c3 --form written --language es --to gt.x",
        "consent withdraw x --relative x --scope c3 --form written --language es --json",
        "webhook add x https://x.example/a", "webhook list", "webhook list --json", "webhook test x", "webhook deliveries x",
        "webhook replay x", "webhook secret x", "webhook pause x", "webhook resume x", "webhook remove x",
        "erasure plan", "erasure run", "erasure run --go-on", "erasure status --json", "erasure keep x --basis x", "erasure release x",
    )),
    "policy show --policy F", "policy matrix --policy F", "policy explain search.request --to x --purpose x --policy F",
    "policy test F", "policy diff F F", "policy simulate F --mapping F", "policy build F --output OUT", "policy check-overlay F",
    "request new F --config C", "request check F --config C",
    "duty send x F --to gt.mp --duty x --purpose x --basis x --config C", "request answer x F --config C", "preview x F --config C", "preview x F --lang en --config C",
    "request alive x F --config C",
    "finding send F --authority x --country US --case-ref x --config C", "referral update x --progress records-sent --records F --config C",
    "referral done x --outcome done --records F --config C",
    "attachment add F --grade mark --config C",
    "backup verify F", "backup verify F --json", "backup verify F --identity F", "backup key F/x --config C",
    "backup restore F --identity F --keys F --config C", "backup restore F --identity F --without-keys --config C",
]  # fmt: skip


def leaves(group, before=()):
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from leaves(command, (*before, name))
        else:
            yield (*before, name), command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def assert_told(code, out, err, words):
    assert code in set(ExitCode), words
    assert code not in {ExitCode.DONE, ExitCode.BUG}, (words, out, err)
    assert "Traceback" not in out + err, words
    # 8 and 10 say it on stdout, line by line, with ✗; usage errors are the parser's; the rest is what, why, what to do.
    assert "Qué hacer:" in err or "Usage:" in err or code in {ExitCode.VERIFICATION, ExitCode.PROBLEMS}, (words, err)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", FILE_COMMANDS)
def test_an_odd_file_is_refused_in_words(call, node, things, tmp_path, command, kind):
    if kind in {"missing", "a folder"} and "F/x" in command:
        pytest.skip("a folder that can be made")
    odd = str(things[kind])
    meant = {
        "C": str(node),
        "R": str(tmp_path / "r"),
        "OUT": str(tmp_path / "out"),
        "MAPPING": str(FIXTURES / "restos_ogis.toml"),
    }
    words = [odd + word[1:] if word in {"F", "F/x"} else meant.get(word, word) for word in command.split()]
    assert_told(*call(*words), words)


def test_the_table_knows_every_command():
    told = {tuple(word for word in command.split() if word.islower() and not word.startswith("-")) for command in FILE_COMMANDS}
    missing = [path for path in COMMANDS if not any(words[: len(path)] == path for words in told)]
    assert missing == [("init",)], "init has its own table below"


@pytest.mark.parametrize("command", ["status", "outbox list", "outbox show x", "outbox retry x", "outbox pause gt.x",
                                     "outbox resume gt.x", "federation status", "federation poll", "federation test gt.x", "evidence export x",
                                     "inbox list", "referral list", "finding list", "whoami", "user list", "user disable x", "office list", "office next x"])  # fmt: skip
def test_a_node_that_is_stopped_or_is_another_program_is_unreachable(call, node, command):
    assert call(*command.split(), "--config", node)[0] == ExitCode.UNREACHABLE

    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(b"SSH-2.0-dropbear\r\n")

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node.write_text(node.read_text().replace("port = 1\n", f"port = {server.server_port}\n"))
    try:
        code, out, err = call(*command.split(), "--config", node)
    finally:
        server.shutdown()
        server.server_close()
    assert code == ExitCode.UNREACHABLE
    assert "Qué hacer:" in err
    assert out == ""


@pytest.mark.parametrize("token", [b"\xc3\xb1", b"a\r\nX-Injected: b", b""])
def test_an_operator_token_that_is_none_is_told(call, node, token):
    (load_config(node).operator_token).write_bytes(token)
    code, _, err = call("status", "--config", node)
    assert code in {ExitCode.CONFIGURATION, ExitCode.UNREACHABLE}
    assert "Qué hacer:" in err


BROKEN = {
    "no folder": shutil.rmtree,
    "empty database": lambda data: [(data / "paradero.db").unlink(), sqlite3.connect(data / "paradero.db").close()],
    "no database": lambda data: (data / "paradero.db").write_bytes(b"this is no database" * 500),
    "a folder for a database": lambda data: [(data / "paradero.db").unlink(), (data / "paradero.db").mkdir()],
    "no keys": lambda data: shutil.rmtree(data / "keys"),
    "keys others read": lambda data: (data / "keys" / "node.age").chmod(0o644),
}


@pytest.mark.parametrize("damage", BROKEN)
@pytest.mark.parametrize("command", ["doctor", "serve", "db check", "verify"])
def test_a_broken_node_is_told(call, node, damage, command):
    BROKEN[damage](load_config(node).data)
    words = ["verify", node] if command == "verify" else [*command.split(), "--config", node]
    code, out, err = call(*words)
    if command in {"db check", "verify"} and "keys" in damage:
        return  # what these look at is well
    assert_told(code, out, err, words)
    assert "sqlite3" not in out + err


@pytest.mark.parametrize("url", ["nonsense", "mysql://x@127.0.0.1/x", "sqlite:///x", "postgresql://x@127.0.0.1/x"])
def test_a_database_of_another_kind_is_a_wrong_option(call, node, url):
    node.write_text(f'database_url = "{url}"\n' + node.read_text())
    code, _, err = call("db", "check", "--config", node)
    assert code == ExitCode.CONFIGURATION
    assert "database_url" in err
    assert url not in err


def test_a_database_server_that_is_off_is_told(call, node):
    node.write_text('database_url = "postgresql+asyncpg://x@127.0.0.1:1/x"\n' + node.read_text())
    for command in ("db check", "db upgrade", "serve"):
        code, _, err = call(*command.split(), "--config", node)
        assert code == ExitCode.CONFIGURATION
        assert "Qué hacer:" in err


@pytest.mark.parametrize("rows", ["0", "-1", "1000000000", "x", ""])
def test_rows_that_are_no_number_of_rows(call, rows):
    assert call("adapter", "test", FIXTURES / "restos_ogis.toml", "--rows", rows)[0] == ExitCode.USAGE


WRONG_ANSWERS = [
    ("node", ""), ("node", "GT.X"), ("node", "gt.ñ"), ("country", "gt"), ("country", 'G"\n'), ("name", ""), ("name", "a" * 5000),
    ("endpoint", "http://x"), ("endpoint", "https://a.example/x/"), ("endpoint", "https://[::1"), ("endpoint", "nonsense"),
    ("endpoint", 'https://a.example/x"y'), ("endpoint", "https://a.example/" + "y" * 300), ("role", "king"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_ANSWERS)
def test_a_wrong_answer_to_init_leaves_nothing_and_the_right_one_then_works(call, tmp_path, name, value):
    config, data = tmp_path / "etc" / "p.toml", tmp_path / "data"
    code, out, err = call(*init_words(config, data, **{name: value}))
    assert_told(code, out, err, (name, value))
    assert list(tmp_path.iterdir()) == []
    # Control: what was refused did not stand in the way.
    assert call(*init_words(config, data))[0] == ExitCode.DONE
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_data_folder_with_quotes_in_its_name_can_be_a_node(call, tmp_path):
    data = tmp_path / 'la "casa"'
    assert call(*init_words(tmp_path / "p.toml", data))[0] == ExitCode.DONE
    assert load_config(tmp_path / "p.toml").data == data


def test_an_identity_that_is_there_is_used_and_never_replaced(call, node, tmp_path):
    identity = load_config(node).key_identity
    before = identity.read_bytes()
    assert call("federation", "custodian", "en-linea", "--key", tmp_path / "online.age", "--identity", identity)[0] == 0
    assert identity.read_bytes() == before
    again = call("federation", "custodian", "otro", "--key", tmp_path / "otro.age", "--identity", tmp_path / "new.key")
    assert again[0] == 0
    assert (tmp_path / "new.key").exists(), "control: one that is not there is made"


def test_a_bug_is_one_sentence_with_its_place_and_no_value(call, monkeypatch):
    def broken():
        raise RuntimeError("Ficticia Reservada")

    monkeypatch.setattr("gateway.cli.run", broken)
    code, out, err = call("status")
    assert code == ExitCode.BUG
    assert "Traceback" not in err
    assert "Ficticia" not in out + err
    assert "RuntimeError" in err


def shell(line):
    return subprocess.run(
        ["bash", "-c", line], cwd=ROOT, env={**os.environ, "P": f"{sys.executable} -m gateway"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$P --help | true; exit ${PIPESTATUS[0]}", 141),
        ("$P schema dump | true; exit ${PIPESTATUS[0]}", 141),
        ("$P schema dump > /dev/full", 2),
        ("$P schema dump >&-", 0),
        ("$P status --config /nowhere.toml 2>&-", 3),
        ("$P schema dump <&- > /dev/null", 0),
        ("PYTHONIOENCODING=ascii $P status --config /nowhere.toml", 3),
        ("PYTHONIOENCODING=latin-1 $P --help > /dev/null", 0),
        ("timeout --preserve-status -s INT 0.4 $P adapter list --config /nowhere.toml", 130),
    ],
)
def test_streams_closed_full_narrow_or_cut(line, code):
    done = shell(line)
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_spanish_first_then_english(path):
    command = COMMANDS[path]
    first = (command.help or "").partition("\n\n")
    assert re.search(r"[.)] [A-Z`][^.]*[.:;]", first[0]) or re.match(r"[A-Z]", first[2]), command.help
    for parameter in command.params:
        if parameter.name != "help":
            assert parameter.help, parameter.name
            if path[0] not in {"federation", "verify", "evidence"}:
                assert re.search(r"[.)] [A-Z]", parameter.help), (path, parameter.name, parameter.help)


def test_the_page_of_commands_names_every_exit_code_and_every_command():
    page = (ROOT / "docs" / "cli.md").read_text()
    told = {int(code) for code in re.findall(r"\| *(\d+) *(?=\|)", page)}
    assert told == {int(code) for code in ExitCode}
    named = set(re.findall(r"[a-z-]+", " ".join(line for line in page.splitlines() if line.startswith("| `"))))
    assert [path for path in COMMANDS if not set(path) <= named] == []


async def test_doctor_neither_writes_nor_asks_the_network(node):
    from gateway.main.doctor import diagnose
    from gateway.main.node import SystemClock

    data = load_config(node).data
    before = {
        path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.suffix not in {".db-shm", ".db-wal"}
    }
    await asyncio.wait_for(diagnose(load_config(node), SystemClock().now()), 20)
    after = {
        path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.suffix not in {".db-shm", ".db-wal"}
    }
    assert after == before
