"""Making a node and bringing its databases up to date. Works on files alone."""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from contracts.codec import encode_model
from contracts.errors import ConfigurationError
from contracts.ids import NodeId
from contracts.leaves import LeafEvent, LeafFields
from contracts.register import Ed25519Jwk, KeysetLog, MemberEntry, MemberStatus, Role
from gateway.config import FEDERATION_PATH, NodeConfig, load_config
from gateway.main.node import Leaves, SystemClock
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade, upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.unit_of_work import unit_of_work_factory
from keys.keystore import create_identity_file, save_node_keys, write_durably
from keys.model import NodeKeys, generate_node_keys
from keys.notes import log_origin, verifier_key
from keys.register.ceremony import EnrolmentRequest, identity_fingerprint, make_keyset
from keys.tls import pin, self_signed_certificate


@dataclass(frozen=True, slots=True)
class InitAnswers:
    """What a new node must be told."""

    node: str
    role: Role
    name: str
    country: str
    endpoint: str
    config: Path
    data: Path
    self_signed: bool = False
    federation_port: int = 8440
    private_port: int = 8441
    federation_host: str = "0.0.0.0"  # noqa: S104 - peers come from outside
    extra: str = ""
    """More configuration, as TOML, appended as it is."""


async def initialise_node(answers: InitAnswers) -> dict[str, str]:
    """Write configuration, keys, databases, operator token and enrolment request.

    Every answer is checked before the first file is written: a typing error leaves no half node. Nothing is overwritten.

    Raises:
        ConfigurationError: an answer is wrong, or the node exists already.
    """
    node, now = _node_id(answers), SystemClock().now()
    _refuse_existing(answers)
    host = _host(answers.endpoint)
    keys = generate_node_keys(node)
    certificate, certificate_key = self_signed_certificate([host], now=now) if answers.self_signed else (None, b"")
    request = _request(answers, keys, pin(certificate) if certificate else None, now)
    answers.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if certificate is not None:
        write_durably(answers.data / "tls" / "cert.pem", certificate, mode=0o644)
        write_durably(answers.data / "tls" / "key.pem", certificate_key)
    write_durably(answers.config, _configuration(answers).encode(), mode=0o640)
    config = load_config(answers.config)
    recipient = create_identity_file(config.key_identity)
    save_node_keys(config.node_keys, keys, recipient=recipient)
    write_durably(config.operator_token, secrets.token_urlsafe(32).encode())
    await upgrade_async(config.main_database, Schema.MAIN)
    await upgrade_async(config.key_store, Schema.KEYS)
    await log_key_operation(config, now, "keys.generated")
    write_durably(config.request, encode_model(request), mode=0o644)
    identity = keys.identity
    return {
        "config": str(answers.config),
        "keys": str(config.node_keys),
        "request": str(config.request),
        "fingerprint": identity_fingerprint(identity.public) if identity else "",
    }


def _refuse_existing(answers: InitAnswers) -> None:
    for path in (answers.config, answers.data / "keys" / "node.age", answers.data / "keys" / "identity.age.key"):
        if path.exists():
            raise ConfigurationError(
                f"ya existe {path}; no se tocó nada",
                advice="Use ese nodo, o elija otros --config y --data. Si un `init` anterior no terminó, borre su carpeta.",
            )


def _host(endpoint: str) -> str:
    try:
        host, path = urlsplit(endpoint).hostname, urlsplit(endpoint).path
    except ValueError:
        host, path = None, ""
    if host is None or len(path) > 200 or not re.fullmatch(FEDERATION_PATH, path):
        raise ConfigurationError(
            "--endpoint no es una dirección de federación",
            advice="Es https://anfitrión/parte-secreta, sin barra final; la parte secreta, de letras, cifras, - y _.",
        )
    return host


def _node_id(answers: InitAnswers) -> NodeId:
    try:
        return NodeId(answers.node)
    except ValueError:
        raise ConfigurationError(
            "--node no es un nombre de nodo", advice="Por ejemplo gt.minex o mx.cnb: país, punto, institución."
        ) from None


def _configuration(answers: InitAnswers) -> str:
    path = urlsplit(answers.endpoint).path.rstrip("/")
    data = answers.data.resolve()
    lines = [
        "# Written by `paradero init`. Every option: deploy/paradero.example.toml.",
        f'node = "{answers.node}"',
        f"data = {_quoted(data)}",
    ]
    lines += [
        line for line in answers.extra.splitlines() if line and not line.startswith("[") and "=" in line and "#top" in line
    ]
    lines += [
        "",
        "[federation]",
        f'host = "{answers.federation_host}"',
        f"port = {answers.federation_port}",
        f'path = "{path}"',
    ]
    if answers.self_signed:
        tls = data / "tls"
        lines += [f"tls_certificate = {_quoted(tls / 'cert.pem')}", f"tls_key = {_quoted(tls / 'key.pem')}"]
    lines += ["", "[private]", f"port = {answers.private_port}", ""]
    return "\n".join(lines) + "\n".join(line for line in answers.extra.splitlines() if "#top" not in line) + "\n"


def _quoted(path: Path) -> str:
    # A JSON string of text is a TOML string too; a folder may have quotes in its name.
    return json.dumps(str(path), ensure_ascii=False)


def _request(answers: InitAnswers, keys: NodeKeys, tls_pin: str | None, now: datetime) -> EnrolmentRequest:
    identity = keys.identity
    if identity is None:
        raise ConfigurationError("un nodo nuevo tiene llave de identidad", advice="Ejecute init otra vez.")
    origin = log_origin(keys.node)
    vkey = str(verifier_key(origin, keys.log.public.raw))
    try:
        return EnrolmentRequest(
            member=MemberEntry(
                node=keys.node,
                name=answers.name,
                role=answers.role,
                country=answers.country,
                status=MemberStatus.ACTIVE,
                since=int(now.timestamp()),
                id_key=Ed25519Jwk.model_validate(identity.public.jwk()),
            ),
            keyset=make_keyset(
                keys, endpoint=answers.endpoint, log=KeysetLog(origin=origin, vkey=vkey), seq=1, now=now, tls_pin=tls_pin
            ),
        )
    except ValueError:
        advice = (
            "--country: dos mayúsculas; --endpoint: https://anfitrión/parte-secreta; --name: el nombre, no vacío ni larguísimo."
        )
        raise ConfigurationError("--name, --country o --endpoint no es lo que debe ser", advice=advice) from None


async def log_key_operation(config: NodeConfig, now: datetime, detail: str) -> None:
    """Log that this node's keys were made or changed: one leaf."""
    engine = create_engine(config.main_database)
    try:
        leaf = Leaves().leaf(LeafFields(at=int(now.timestamp()), event=LeafEvent.KEY, detail=detail))
        async with unit_of_work_factory(engine)() as work:
            await work.audit.stage([leaf])
    finally:
        await engine.dispose()


def upgrade_databases(config: NodeConfig) -> dict[str, str]:
    """Bring both databases to this release's schema; return their revisions."""
    return {
        Schema.MAIN.value: upgrade(config.main_database, Schema.MAIN),
        Schema.KEYS.value: upgrade(config.key_store, Schema.KEYS),
    }
