"""SPEC 10 by a stranger: the register's files verified with python-tuf's Metadata API alone, step by step (TUF 5.3-5.6)."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from joserfc.jwk import OKPKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from tests.foreign.basics import RefusedError, need, parse, public_key, verify
from tests.foreign.schema import valid

DELEGATED = ("members", "policy", "suspensions", "keysets")
SIGNED_BY_ROOT = {"timestamp": Timestamp, "snapshot": Snapshot, "targets": Targets}


@dataclass
class Node:
    """A member with its keys: current and, once shown, earlier ones."""

    entry: dict[str, Any]
    keyset: dict[str, Any] | None = None
    signers: dict[str, OKPKey] = field(default_factory=dict)


@dataclass
class Register:
    demo: bool
    nodes: dict[str, Node]

    def signers(self) -> dict[str, OKPKey]:
        return {kid: key for node in self.nodes.values() for kid, key in node.signers.items()}


def fingerprint(root: bytes) -> str:
    """SPEC 10.3."""
    digits = sha256(root).hexdigest()[:40]
    return " ".join(re.findall("....", digits))


def check_paths(files: dict[str, Any]) -> None:
    """SPEC 7.4: the set of files a bundle carries."""
    roots, rest = [], []
    for path in files:
        found = re.fullmatch(r"metadata/([1-9][0-9]{0,8})\.([a-z]+)\.json", path)
        if found and found[2] == "root":
            roots.append(int(found[1]))
        else:
            rest.append(
                re.sub("[1-9][0-9]{0,8}", "N", path, count=1) if found else re.sub("(?<=/)[0-9a-f]{64}(?=[.])", "H", path)
            )
    wanted = ["metadata/timestamp.json"]
    wanted += [f"metadata/N.{name}.json" for name in ("snapshot", "targets", *DELEGATED)]
    wanted += [f"targets/H.{name}.json" for name in ("federation", *DELEGATED)]
    need(roots and sorted(roots) == list(range(1, len(roots) + 1)), "roots without a gap")
    need(sorted(rest) == sorted(wanted), "one file of each")


def _read(data: bytes, kind: type) -> Metadata[Any]:
    parse(data, limit=8 * 1024 * 1024)  # SPEC 3.1 holds here too: two parsers must not read two things
    try:
        metadata = Metadata.from_bytes(data)
    except (DeserializationError, ValueError, KeyError, TypeError) as error:
        raise RefusedError("metadata") from error
    need(isinstance(metadata.signed, kind), "metadata of another type")
    return metadata


def verify_register(files: dict[str, bytes], at: int) -> Register:
    try:
        return _verify_register(files, datetime.fromtimestamp(at, UTC))
    except (RepositoryError, OverflowError) as error:
        raise RefusedError("register") from error


def _verify_register(files: dict[str, bytes], at: datetime) -> Register:
    root = _latest_root(files)
    need(not root.is_expired(at), "root expired")
    timestamp = _vouched(root, "timestamp", files["metadata/timestamp.json"], at)
    snapshot = _listed(files, "snapshot", timestamp.snapshot_meta, root, at)
    targets = _listed(files, "targets", snapshot.meta["targets.json"], root, at)
    contents = {"federation": _target(files, "federation", targets)}
    for name in DELEGATED:
        role = targets.delegations.roles.get(name) if targets.delegations else None
        need(role and role.is_delegated_path(f"{name}.json") and f"{name}.json" in snapshot.meta, "delegation")
        delegated = _listed(files, name, snapshot.meta[f"{name}.json"], targets, at)
        need(f"{name}.json" not in targets.targets, "a target of two roles")
        contents[name] = _target(files, name, delegated)
    parsed = {name: parse(data) for name, data in contents.items()}
    for name, value in parsed.items():
        need(name == "policy" or valid(value, name), f"{name}.json")
    nodes = {entry["node"]: Node(entry) for entry in parsed["members"]["members"]}
    need(len(nodes) == len(parsed["members"]["members"]), "one entry for each member")
    for name, token in parsed["keysets"]["keysets"].items():
        with suppress(RefusedError):  # SPEC 10.3: a keyset that does not verify is none; nobody else's suffers
            take_keyset(nodes, token, name)
    return Register(parsed["federation"]["demo"], nodes)


def _latest_root(files: dict[str, bytes]) -> Root:
    root = None
    for number in range(1, sum(path.endswith(".root.json") for path in files) + 1):
        metadata = _read(files[f"metadata/{number}.root.json"], Root)
        for voucher in (root or metadata.signed, metadata.signed):
            voucher.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
        need(metadata.signed.version == number, "root version")
        root = metadata.signed
    if root is None:
        raise RefusedError("no root")
    return root


def _vouched(voucher: Root | Targets, name: str, data: bytes, at: datetime) -> Any:
    metadata = _read(data, SIGNED_BY_ROOT.get(name, Targets))
    voucher.verify_delegate(name, metadata.signed_bytes, metadata.signatures)
    need(not metadata.signed.is_expired(at), f"{name} expired")
    return metadata.signed


def _listed(files: dict[str, bytes], name: str, meta: Any, voucher: Root | Targets, at: datetime) -> Any:
    path = f"metadata/{meta.version}.{name}.json"
    need(path in files, path)
    meta.verify_length_and_hashes(files[path])
    signed = _vouched(voucher, name, files[path], at)
    need(signed.version == meta.version, "version")
    return signed


def _target(files: dict[str, bytes], name: str, role: Targets) -> bytes:
    info = role.targets.get(f"{name}.json")
    need(info and "sha256" in info.hashes, "target")
    path = f"targets/{info.hashes['sha256']}.{name}.json"  # type: ignore[union-attr]
    need(path in files, path)
    info.verify_length_and_hashes(files[path])  # type: ignore[union-attr]
    return files[path]


def take_keyset(nodes: dict[str, Node], token: Any, name: str | None = None, *, earlier: bool = False) -> None:
    """SPEC 4.4: a keyset in force, or an earlier one (SPEC 7.4)."""
    identities = {node.entry["id_key"]["kid"]: public_key(node.entry["id_key"], "id") for node in nodes.values()}
    kid, payload = verify(token, "paradero-keyset+jwt", identities)
    claims = parse(payload)
    need(valid(claims, "keyset") and kid.partition("#")[0] == claims["iss"] and name in (None, claims["iss"]), "keyset")
    need(0 < claims["exp"] - claims["iat"] <= 120 * 86400, "keyset life")
    kids = [key["kid"] for key in claims["keys"]]
    need(len(set(kids)) == len(kids) and all(item.startswith(claims["iss"] + "#") for item in kids), "key ids")
    node = nodes[claims["iss"]]
    signers = {key["kid"]: public_key(key, "sig") for key in claims["keys"] if key["use"] == "sig"}
    if earlier:
        need(node.keyset and claims["seq"] < node.keyset["seq"], "an earlier keyset")
        node.signers = signers | node.signers
    else:
        node.keyset, node.signers = claims, signers
