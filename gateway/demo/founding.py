"""Founds the demo's federation with the real ceremony and real thresholds; the demo holds every key itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from contracts.codec import b64u_decode, decode_model, parse_object
from contracts.ids import NodeId
from contracts.policy import load_template
from contracts.register import FederationInfo, Role
from gateway.demo.ports import HOST, local_name
from gateway.demo.processes import DemoNode
from gateway.main.node import SystemClock
from gateway.main.setup import InitAnswers, initialise_node
from keys.keystore import recipient_of, write_durably
from keys.register.ceremony import (
    EnrolmentRequest,
    Holders,
    Preset,
    publish,
    stage_founding,
    stage_keyset,
    stage_member,
)
from keys.register.client import RegisterClient, fingerprint
from keys.register.custodians import Custodian, new_custodian, save_custodian
from keys.register.repository import Repository

PREFIX = "/demo-k3v9w2m8"
MEMBERS = (
    ("gt.igm.mbmid", Role.SEARCH_MECHANISM, "IGM-MBMID (demostración)"),
    ("gt.conamigua", Role.MIGRANT_COUNCIL, "CONAMIGUA (demostración)"),
    ("gt.minex", Role.FOREIGN_MINISTRY, "MINEX (demostración)"),
    ("gt.pgn", Role.CHILD_PROTECTION, "PGN Alba-Keneth (demostración)"),
    ("gt.inacif", Role.FORENSIC, "INACIF (demostración)"),
    ("gt.pdh", Role.OMBUDSMAN, "PDH (demostración)"),
)
_EXTRA = """demo = true  #top
{overlay}
[register]
{register}
poll_seconds = 2.0

[workers]
idle_seconds = 1.0
checkpoint_seconds = 1.0
"""


@dataclass(frozen=True, slots=True)
class DemoFederation:
    """What was founded."""

    home: Path
    nodes: dict[str, DemoNode]
    fingerprint: str
    root_threshold: int

    def memory_mb(self) -> int:
        """Return what the nodes' processes take together."""
        return sum(node.memory_kib() for node in self.nodes.values()) // 1024


async def found_demo(home: Path, ports: Sequence[int]) -> DemoFederation:
    """Make six nodes and their register in `home`; each node takes two of `ports`.

    Raises:
        ConfigurationError: there is a demo in `home` already.
    """
    now = SystemClock().now()
    register = Repository(home / "register")
    online = new_custodian("online")
    council = [new_custodian(f"council-{number}") for number in range(1, 6)]
    registrars = [new_custodian(f"registrar-{number}") for number in range(1, 4)]
    policy = [new_custodian(name) for name in ("pdh", "data-protection", "council-chair")]
    duty = new_custodian("duty")
    holders = _holders(council, registrars, policy, duty, online)
    info = FederationInfo(name="Paradero: red de demostración", demo=True, preset="full")
    stage_founding(register, Preset.FULL, holders, info, load_template("first-policy"), now=now)
    for custodian in (*council[:3], *registrars[:2], *policy):
        register.sign(custodian)
    publish(register, online, now=now)
    nodes = await _make_nodes(home, ports)
    for node in nodes.values():
        request = decode_model(EnrolmentRequest, (node.folder / "request.json").read_bytes())
        stage_member(register, request.member, now=now)
        stage_keyset(register, request.keyset, now=now)
    for custodian in registrars[:2]:
        register.sign(custodian)
    publish(register, online, now=now)
    save_custodian(
        nodes["gt.igm.mbmid"].folder / "keys" / "online.age",
        online,
        recipient=recipient_of(nodes["gt.igm.mbmid"].folder / "keys" / "identity.age.key"),
    )
    root = register.root_bytes()
    for node in nodes.values():
        RegisterClient.initialise(node.folder / "trust", root, expected=fingerprint(root))
        _copy_mappings(node.folder / "mappings")
    return DemoFederation(home, nodes, fingerprint(root), 3)


def _holders(
    council: list[Custodian], registrars: list[Custodian], policy: list[Custodian], duty: Custodian, online: Custodian
) -> Holders:
    return Holders(
        [item.public for item in council],
        [item.public for item in registrars],
        [item.public for item in policy],
        [item.public for item in (*council, duty)],
        online.public,
    )


async def _make_nodes(home: Path, ports: Sequence[int]) -> dict[str, DemoNode]:
    nodes: dict[str, DemoNode] = {}
    for (name, role, title), federation, private in zip(MEMBERS, ports[::2], ports[1::2], strict=True):
        folder = home / name
        if name == "gt.igm.mbmid":
            register = f'hosted = "{(home / "register").resolve()}"\nonline_key = "keys/online.age"\nresign_seconds = 5.0'
        else:
            first = nodes["gt.igm.mbmid"]
            pin = decode_model(EnrolmentRequest, (first.folder / "request.json").read_bytes())
            register = f'mirrors = ["https://{HOST}:{first.federation_port}{PREFIX}/v1/trust"]\ntls_pin = "{_pin(pin.keyset)}"'
        answers = InitAnswers(
            node=name,
            role=role,
            name=title,
            country="GT",
            endpoint=f"https://{HOST}:{federation}{PREFIX}",
            config=folder / "paradero.toml",
            data=folder,
            self_signed=True,
            federation_port=federation,
            private_port=private,
            federation_host=HOST,
            extra=_EXTRA.format(register=register, overlay=_overlay(folder)),
        )
        await initialise_node(answers)
        _on_loopback(folder / "paradero.toml", local_name(name))
        nodes[name] = DemoNode(NodeId(name), title.partition(" (")[0], folder, federation, private)
    return nodes


def _overlay(folder: Path) -> str:
    """Write a node's own restrictions, where the fixtures have some; return the line of the configuration that names them."""
    source = files("gateway.demo").joinpath("fixtures", "overlays", f"{folder.name}.toml")
    if not source.is_file():
        return ""
    write_durably(folder / "propio.toml", source.read_bytes(), mode=0o644)
    return 'overlay = "propio.toml"  #top'


def _on_loopback(config: Path, name: str) -> None:
    # The demo's peers are on this machine; a real node refuses such addresses.
    text = config.read_text(encoding="utf-8")
    text = text.replace("[federation]\n", '[federation]\nallowed_networks = ["127.0.0.0/8"]\n')
    write_durably(config, text.replace("[private]\n", f'[private]\nnames = ["{name}"]\n').encode(), mode=0o640)


def _pin(keyset: str) -> str:
    return str(parse_object(b64u_decode(keyset.split(".")[1]))["tls_pin"])


def _copy_mappings(folder: Path) -> None:
    for source in files("gateway.demo").joinpath("fixtures").iterdir():
        if source.is_file():  # the samples too: people try them by hand afterwards
            write_durably(folder / source.name, source.read_bytes(), mode=0o644)
