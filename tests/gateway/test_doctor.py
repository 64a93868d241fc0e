"""`paradero doctor` names each unsafe thing and says what to do; a healthy node has none."""

import json
import shutil
from datetime import timedelta

import pytest

from contracts.codec import decode_model
from contracts.policy import load_template
from contracts.register import FederationInfo, Role
from gateway.config import load_config
from gateway.main.backup import add_recovery_key, back_up
from gateway.main.doctor import _kind_of_mount, _space, diagnose
from gateway.main.node import SystemClock
from gateway.main.setup import InitAnswers, initialise_node
from keys.register.ceremony import (
    EnrolmentRequest,
    Holders,
    Preset,
    publish,
    publish_alone,
    stage_founding,
    stage_keyset,
    stage_member,
    stage_suspension,
)
from keys.register.client import RegisterClient, fingerprint, read_folder
from keys.register.custodians import new_custodian
from keys.register.repository import Repository
from tests.people.hired import hired

NOW = SystemClock().now().replace(microsecond=0)
FOUNDED = NOW - timedelta(minutes=5)


class World:
    """A node with its certificate and its place in a register of its own."""

    def __init__(self, folder):
        self.folder, self.config = folder, folder / "p.toml"
        self.register = Repository(folder / "register")
        self.online, self.council = new_custodian("online"), [new_custodian(f"c-{n}") for n in range(3)]

    async def make(self):
        answers = InitAnswers(
            "gt.prueba", Role.MIGRANT_COUNCIL, "Prueba", "GT", "https://node.example/x", self.config, self.folder / "d",
            self_signed=True,
        )  # fmt: skip
        await initialise_node(answers)
        publics = [one.public for one in self.council]
        holders = Holders(publics, publics, publics, publics, self.online.public)
        info = FederationInfo(name="Prueba", demo=False, preset="start")
        stage_founding(self.register, Preset.START, holders, info, load_template("first-policy"), now=FOUNDED)
        self.publish(FOUNDED)
        request = decode_model(EnrolmentRequest, (self.folder / "d" / "request.json").read_bytes())
        stage_member(self.register, request.member, now=FOUNDED)
        stage_keyset(self.register, request.keyset, now=FOUNDED)
        self.publish(FOUNDED)
        root = self.register.root_bytes()
        RegisterClient.initialise(self.settings.trust, root, expected=fingerprint(root))
        self.fetch(FOUNDED)
        return self

    def publish(self, now):
        for custodian in self.council[:2]:
            self.register.sign(custodian)
        publish(self.register, self.online, now=now)

    def fetch(self, now):
        RegisterClient(self.settings.trust, read_folder(self.register.folder)).refresh(now)

    @property
    def settings(self):
        return load_config(self.config)

    async def told(self, now=NOW, severity=("warn", "refuse")):
        return {found.what: found.advice for found in await diagnose(self.settings, now) if found.severity in severity}


@pytest.fixture
async def world(tmp_path):
    return await World(tmp_path).make()


async def test_a_healthy_node_has_nothing_to_be_told_but_that_it_has_nobody_and_no_backup(world):
    found = await world.told()
    told = [what for what in found if "memoria" not in what]  # the test's own folder may be a tmpfs
    assert told == ["Nadie puede entrar a administrar este nodo.", "Este nodo no tiene ningún respaldo."]
    await hired(world.settings, "auditor")
    add_recovery_key(world.settings, world.folder / "recovery.key")
    await back_up(world.settings, world.config, None, NOW)
    assert [what for what in await world.told() if "memoria" not in what] == []
    assert "El último respaldo tiene 37 horas." in await world.told(NOW + timedelta(hours=37))


async def test_half_a_restore_is_told_and_refused(world):
    world.settings.restoring.write_text("")
    assert "Una restauración empezó y no terminó." in await world.told(severity=("refuse",))


def chmod(name, mode):
    return lambda world: (world.folder / "d" / name).chmod(mode)


def rewrite(old, new):
    return lambda world: world.config.write_text(world.config.read_text().replace(old, new))


def other_certificate(world):
    from keys.tls import self_signed_certificate

    certificate, key = self_signed_certificate(["node.example"], now=NOW)
    (world.folder / "d" / "tls" / "cert.pem").write_bytes(certificate)
    (world.folder / "d" / "tls" / "key.pem").write_bytes(key)


def other_keys(world):
    from keys.keystore import recipient_of, save_node_keys
    from keys.model import generate_node_keys

    recipient = recipient_of(world.settings.key_identity)
    save_node_keys(world.settings.node_keys, generate_node_keys(world.settings.node), recipient=recipient)


def suspended(world):
    stage_suspension(world.register, world.settings.node, reason="lost-laptop", by="c-0", now=NOW)
    publish_alone(world.register, world.council[0], world.online, now=NOW)
    world.fetch(NOW)


def strange_online_key(world):
    from keys.keystore import create_identity_file
    from keys.register.custodians import save_custodian

    save_custodian(world.folder / "online.age", world.online, recipient=create_identity_file(world.folder / "other.key"))
    world.config.write_text(world.config.read_text() + '[register]\nonline_key = "online.age"\n')


def joined_only(world):
    (world.settings.trust / "verified_at").unlink()


UNSAFE = {
    "a private port on the network": (
        rewrite("[private]", '[private]\nhost = "0.0.0.0"'),
        "warn",
        "claves sin cifrar",
        "127.0.0.1",
    ),
    "an online key of another": (strange_online_key, "refuse", "llave en línea", "federation custodian"),
    "joined, never started": (joined_only, "warn", "aún no ha traído", "Arranque"),
    "others enter": (chmod("", 0o755), "warn", "pueden entrar", "chmod 700"),
    "others read the identity": (chmod("keys/identity.age.key", 0o640), "refuse", "identity.age.key", "chmod 600"),
    "others read the keys": (chmod("keys/node.age", 0o644), "refuse", "node.age", "chmod 600"),
    "others read the token": (chmod("operator.token", 0o644), "refuse", "operator.token", "chmod 600"),
    "others read the TLS key": (chmod("tls/key.pem", 0o644), "refuse", "key.pem", "chmod 600"),
    "another certificate": (other_certificate, "refuse", "no es el que está en el registro", "huella nueva"),
    "other keys": (other_keys, "refuse", "no son las publicadas", "restaure"),
    "another name": (rewrite('"gt.prueba"', '"gt.otra"'), "refuse", "la configuración dice gt.otra", "corresponde"),
    "no certificate": (rewrite("tls_certificate", "# tls_certificate"), "refuse", "no tiene certificado", "behind_proxy"),
    "suspended": (suspended, "refuse", "suspended", "registrador"),
    "no register": (lambda world: shutil.rmtree(world.settings.trust), "refuse", "No hay registro", "federation join"),
    "no data": (lambda world: shutil.rmtree(world.settings.data), "refuse", "No existe la carpeta", "init"),
    "no database": (
        lambda world: (world.settings.data / "paradero.db").write_bytes(b"x" * 5000),
        "refuse",
        "no responde",
        "ruta",
    ),
}


@pytest.mark.parametrize("name", UNSAFE)
async def test_each_unsafe_thing_is_named_with_what_to_do(world, name):
    damage, severity, what, advice = UNSAFE[name]
    damage(world)
    found = await world.told(severity=(severity,))
    assert [True for told, do in found.items() if what in told and advice in do], found


@pytest.mark.parametrize(
    ("after", "severity", "what"),
    [
        (timedelta(hours=2), "warn", "está viejo"),
        (timedelta(days=8), "refuse", "nada sale"),
        (timedelta(minutes=-30), "warn", "detrás del registro"),
        (timedelta(days=800), "warn", "certificado TLS vence"),
        (timedelta(days=900), "refuse", "certificado TLS venció"),
        (timedelta(days=900), "refuse", "juego de llaves publicado venció"),
    ],
)
async def test_time_is_looked_at(world, after, severity, what):
    found = await world.told(NOW + after, (severity,))
    assert [told for told in found if what in told], found


def test_the_deepest_mount_decides(tmp_path):
    mounts = "d / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nd /tmp/disk ext4 rw 0 0\nn /srv/a\\040b nfs4 rw 0 0\n"
    kinds = {
        folder: _kind_of_mount(tmp_path.__class__(folder), mounts) for folder in ("/x", "/tmp/x", "/tmp/disk/x", "/srv/a b/x")
    }
    assert kinds == {"/x": "ext4", "/tmp/x": "tmpfs", "/tmp/disk/x": "ext4", "/srv/a b/x": "nfs4"}


@pytest.mark.parametrize(("free", "severity"), [(100 * 2**20, "refuse"), (500 * 2**20, "warn"), (5 * 2**30, "ok")])
def test_a_disk_that_fills_is_told_before_it_is_full(tmp_path, monkeypatch, free, severity):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert _space(tmp_path).severity == severity


async def test_json_has_the_same_findings(world, monkeypatch, capsys):
    from gateway.__main__ import main

    chmod("operator.token", 0o644)(world)
    monkeypatch.setattr("sys.argv", ["paradero", "doctor", "--json", "--config", str(world.config)])
    import asyncio

    assert await asyncio.to_thread(main) == 10
    found = json.loads(capsys.readouterr().out)["findings"]
    assert {item["severity"] for item in found} >= {"ok", "refuse"}
    assert all(item["advice"] for item in found if item["severity"] != "ok")
