"""docs/federation.md, from founding to "From `start` to `full`": each step as it is written there, by the commands alone."""

import json
import sqlite3
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from contracts.codec import b64u_decode, parse_object
from contracts.ids import NodeId
from gateway.cli import app
from gateway.cli.output import ExitCode
from keys.register.client import RegisterClient, fingerprint, read_folder
from keys.register.repository import Repository
from keys.register.state import Standing

RUN = CliRunner()
MINEX = NodeId("gt.minex")
OLD = ("igm-1", "minex-1", "pdh-1")
COUNCIL = ("igm-1", "nc-2", "nc-3", "nc-4", "nc-5")  # one of the old custodians sits in the new council
REGISTRARS, POLICY = ("r-1", "r-2", "r-3"), ("ombudsman", "data-protection", "chair")


class Room:
    """The folder of keys, the register, and a node elsewhere that follows it."""

    def __init__(self, home):
        self.home, self.register = home, home / "register"
        # One age identity opens every key here: a passphrase costs a second each time, by design.
        self.opens = ("--identity", home / "identity.age.key")
        self.online = ("--online", home / "online.age", "--identity", home / "identity.age.key")

    def run(self, *words, code=ExitCode.DONE):
        result = RUN.invoke(app, [str(word) for word in words])
        assert result.exit_code == code, (words, result.output)
        return result.output

    def federation(self, command, *words, code=ExitCode.DONE):
        return self.run("federation", command, *words, code=code)

    def custodians(self, *names):
        for name in names:
            self.federation("custodian", name, "--key", self.key(name), *self.opens)

    def key(self, name):
        return self.home / f"{name}.age"

    def keys(self, option, names):
        return [word for name in names for word in (option, self.key(name))]

    def sign(self, *names, code=ExitCode.DONE):
        for name in names:
            self.federation("sign", self.register, "--key", self.key(name), *self.opens, code=code)

    def publish(self, code=ExitCode.DONE):
        return self.federation("publish", self.register, *self.online, code=code)

    def node(self):
        """What a node knows after its next look, and when."""
        folder = self.home / "follower"
        if not folder.exists():
            root = (self.register / "metadata" / "1.root.json").read_bytes()
            RegisterClient.initialise(folder, root, expected=fingerprint(root))
        now = datetime.now(UTC)
        return RegisterClient(folder, read_folder(self.register)).refresh(now), now


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path)
    room.custodians(*OLD)
    room.federation("custodian", "online", "--key", tmp_path / "online.age", "--identity", tmp_path / "identity.age.key")
    room.federation("found", room.register, "--name", "Red de búsqueda", "--preset", "start", *room.keys("--council", OLD),
                    *room.online)  # fmt: skip
    room.sign("igm-1", "pdh-1")
    assert "Huella de la raíz" in room.publish()
    room.run("init", "--node", MINEX, "--role", "foreign-ministry", "--name", "Ficticio", "--country", "GT", "--endpoint",
             "https://node.example/x", "--config", tmp_path / "p.toml", "--data", tmp_path / "d", "--self-signed",
             "--json")  # fmt: skip
    room.federation("propose-member", room.register, tmp_path / "d" / "request.json")
    room.sign("minex-1", "pdh-1")
    room.publish()
    return room


def upgrade(room):
    room.custodians(*COUNCIL[1:], *REGISTRARS, *POLICY, "duty")
    return room.federation(
        "upgrade", room.register, *room.keys("--council", COUNCIL), *room.keys("--registrars", REGISTRARS),
        *room.keys("--policy-holders", POLICY), "--duty", room.key("duty"), *room.online,
    )  # fmt: skip


def test_the_written_path(room):
    before, now = room.node()
    assert (before.state.federation.preset, before.state.standing(MINEX, now)) == ("start", Standing.ACTIVE)
    upgrade(room)
    room.sign("igm-1", "pdh-1", *COUNCIL[1:3], *REGISTRARS[:2], *POLICY, "duty")
    room.publish()
    after, now = room.node()
    assert (after.problems, after.state.federation.preset) == ((), "full")
    assert after.state.standing(MINEX, now) is Standing.ACTIVE, "nothing else changes for them"
    # The offices are apart now: an old custodian's key is worth nothing, and each new one its own.
    suspend = ("suspend", room.register, MINEX, "--reason", "lost-laptop", *room.online[:2], "--online-identity",
               room.home / "identity.age.key", *room.opens)  # fmt: skip
    result = RUN.invoke(app, ["federation", *map(str, suspend), "--key", str(room.key("minex-1"))])
    assert result.exit_code != ExitCode.DONE
    assert room.node()[0].state.standing(MINEX, now) is Standing.ACTIVE
    Repository(room.register).discard()
    said = room.federation(*suspend, "--key", room.key("duty"))
    state, now = room.node()
    assert state.state.standing(MINEX, now) is Standing.SUSPENDED, "one key restricts"
    room.federation("clear", room.register, said.partition("(")[2].partition(")")[0])
    room.sign("duty", code=ExitCode.DENIED)
    room.sign("r-2", "r-3")
    room.publish()
    state, now = room.node()
    assert state.state.standing(MINEX, now) is Standing.ACTIVE, "the members' quorum ends it"


@pytest.mark.parametrize("missing", ["pdh-1", "nc-3", "r-2", "chair"])
def test_no_signature_of_the_written_path_can_be_left_out(room, missing):
    upgrade(room)
    everybody = ["pdh-1", "minex-1", "nc-2", "nc-3", "nc-4", *REGISTRARS[:2], *POLICY, "duty"]
    room.sign(*(name for name in everybody if name != missing))
    room.publish(code=ExitCode.CONFIGURATION)
    shown = json.loads(room.federation("show", room.register, "--json"))
    assert any(len(role["signed_by"]) < role["threshold"] for role in shown["signatures"])
    assert room.node()[0].state.federation.preset == "start"


def test_a_node_suspends_itself_asking_nobody_and_names_the_keyset_that_is_in_force(room):
    room.federation("self-suspend", room.register, *room.online, "--reason", "key-lost", "--config", room.home / "p.toml")
    refresh, now = room.node()
    assert refresh.state.standing(MINEX, now) is Standing.SUSPENDED
    [jws] = json.loads(Repository(room.register).target("keysets.json"))["self_suspensions"].values()
    assert parse_object(b64u_decode(jws.split(".")[1]))["seq"] == refresh.state.keyset(MINEX).seq, "its next one ends it"


def renew(room, *words, code=ExitCode.DONE):
    return room.run("keys", "renew", "--config", room.home / "p.toml", *words, code=code)


def follow(room):
    """Give the node's own folder what the register says now."""
    root = (room.register / "metadata" / "1.root.json").read_bytes()
    folder = room.home / "d" / "trust"
    if not folder.exists():
        RegisterClient.initialise(folder, root, expected=fingerprint(root))
    return RegisterClient(folder, read_folder(room.register)).refresh(datetime.now(UTC)).state


def test_a_node_renews_its_keyset_and_ends_its_own_suspension_with_it(room):
    before = follow(room).keyset(MINEX)
    room.federation("self-suspend", room.register, *room.online, "--reason", "key-lost", "--config", room.home / "p.toml")
    assert follow(room).standing(MINEX, datetime.now(UTC)) is Standing.SUSPENDED
    made = json.loads(renew(room, "--endpoint", "https://elsewhere.example/y", "--json"))
    room.federation("keyset", room.register, made["keyset"])
    room.publish()
    state = follow(room)
    after = state.keyset(MINEX)
    assert state.standing(MINEX, datetime.now(UTC)) is Standing.ACTIVE
    assert (after.seq, after.endpoint.url) == (before.seq + 1, "https://elsewhere.example/y")
    assert (after.sig, after.enc, after.log, after.endpoint.tls_pin) == (
        before.sig, before.enc, before.log, before.endpoint.tls_pin,
    )  # fmt: skip
    assert after.expires_at >= before.expires_at
    with sqlite3.connect(room.home / "d" / "paradero.db") as database:
        staged = database.execute("SELECT disclosures FROM leaf_staging WHERE event LIKE 'key%'").fetchall()
    assert len(staged) == 2, "one leaf for the keys, one for the renewal"


def test_a_renewal_that_could_not_be_published_is_refused_before_it_is_signed(room):
    assert "federation join" in renew(room, code=ExitCode.CONFIGURATION), "it knows no register yet"
    follow(room)
    renew(room, "--seq", "1", code=ExitCode.CONFIGURATION)
    renew(room, "--endpoint", "http://plain.example", code=ExitCode.CONFIGURATION)
    (room.home / "d" / "tls" / "cert.pem").unlink()
    renew(room, code=ExitCode.CONFIGURATION)
    assert not (room.home / "d" / "keyset.jws").exists()
