"""`paradero federation`: the ceremonies of the register, and a node's place in it. docs/federation.md tells the story."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.codec import decode_model
from contracts.errors import ConfigurationError
from contracts.ids import Code, NodeId
from contracts.policy import load_template
from contracts.register import FederationInfo, MemberStatus
from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.output import ExitCode, fail, out, print_json, print_table, reported
from gateway.config import config_path, load_config
from keys.keystore import create_identity_file, load_node_keys, read_secret, recipient_of
from keys.register.ceremony import (
    EnrolmentRequest,
    Holders,
    Preset,
    describe_staged,
    keyset_seq,
    make_self_suspension,
    publish,
    publish_alone,
    stage_clearing,
    stage_founding,
    stage_keyset,
    stage_member,
    stage_policy,
    stage_self_suspension,
    stage_suspension,
    stage_upgrade,
)
from keys.register.client import RegisterClient, fingerprint
from keys.register.custodians import Custodian, load_custodian, new_custodian, save_custodian
from keys.register.repository import Repository

app = typer.Typer(no_args_is_help=True, help="El registro de la red. The federation's register.")

Register = Annotated[Path, typer.Argument(help="Carpeta del registro.")]
Online = Annotated[Path, typer.Option(help="Llave en línea (.age).")]
Identity = Annotated[Path, typer.Option(help="Identidad age que abre la llave.")]
Key = Annotated[Path, typer.Option("--key", help="Llave del custodio (.age).")]
Words = Annotated[Path | None, typer.Option("--passphrase-file", help="Archivo (0600) con la frase de la llave.")]
OptionalIdentity = Annotated[Path | None, typer.Option("--identity", help="Identidad age, en lugar de frase.")]
Config = Annotated[Path | None, typer.Option("--config", help="Archivo de configuración del nodo.")]
AsJson = Annotated[bool, typer.Option("--json", help="Salida para programas.")]
Publics = Annotated[list[Path], typer.Option(help="Llaves de custodios; se repite.")]


@app.command()
def custodian(
    name: Annotated[str, typer.Argument(help="Quién responde por la llave, por ejemplo pdh-1.")],
    key: Key,
    words: Words = None,
    identity: OptionalIdentity = None,
) -> None:
    """Crea la llave de un custodio, o la llave en línea (con --identity). Make a custodian's key."""
    with reported():
        if key.exists():
            raise ConfigurationError(f"{key} exists", advice="Choose another file; keys are never overwritten.")
        recipient = _recipient(identity)
        made = new_custodian(name)
        save_custodian(key, made, recipient=recipient, words=_words(words))
    out.print(f"✓ {key} · {name} · {made.public.keyid[:16]}", markup=False)


@app.command()
def found(
    register: Register,
    name: Annotated[str, typer.Option(help="Nombre de la red.")],
    preset: Annotated[Preset, typer.Option(help="start: 3 o 4 custodios para todo; full: oficios separados.")],
    council: Publics,
    online: Online,
    identity: Identity,
    registrars: Annotated[list[Path] | None, typer.Option(help="Registradores (full).")] = None,
    policy_holders: Annotated[list[Path] | None, typer.Option(help="Firmantes de la política (full).")] = None,
    duty: Annotated[Path | None, typer.Option(help="Llave de guardia para suspender (full).")] = None,
    policy: Annotated[Path | None, typer.Option(help="Política; por defecto, la plantilla.")] = None,
    words: Words = None,
) -> None:
    """Prepara la fundación; después firman los custodios y publica la llave en línea. Stage the founding."""
    with reported():
        open_one = _opener(words, identity)
        council_keys = [open_one(path) for path in council]
        registrar_keys = [open_one(path) for path in registrars or council]
        policy_keys = [open_one(path) for path in policy_holders or council]
        duty_keys = [open_one(duty)] if duty else []
        holders = Holders(
            [key.public for key in council_keys],
            [key.public for key in registrar_keys],
            [key.public for key in policy_keys],
            [key.public for key in [*council_keys, *duty_keys]],
            load_custodian(online, identity=identity).public,
        )
        info = FederationInfo(name=name, demo=False, preset=preset.value)
        text = policy.read_bytes() if policy else load_template("first-policy")
        stage_founding(Repository(register), preset, holders, info, text, now=now())
    out.print(
        "Preparado. Ahora cada custodio: `paradero federation sign`; al final: `paradero federation publish`.", markup=False
    )


@app.command("propose-member")
def propose_member(
    register: Register,
    request: Annotated[Path, typer.Argument(help="request.json del nodo.")],
    status: Annotated[MemberStatus, typer.Option(help="Estado del miembro.")] = MemberStatus.ACTIVE,
) -> None:
    """Prepara el alta o el cambio de un miembro; muestra la huella que se coteja por teléfono. Stage a member."""
    with reported():
        repository = Repository(register)
        asked = decode_model(EnrolmentRequest, request.read_bytes())
        stage_member(repository, asked.member.model_copy(update={"status": status}), now=now())
        if status is MemberStatus.ACTIVE:
            stage_keyset(repository, asked.keyset, now=now())
    _show_staged(repository)


@app.command("propose-policy")
def propose_policy(register: Register, policy: Annotated[Path, typer.Argument(help="policy.json")]) -> None:
    """Prepara una versión nueva de la política. Stage a new policy version."""
    with reported():
        repository = Repository(register)
        stage_policy(repository, policy.read_bytes(), now=now())
    _show_staged(repository)


@app.command()
def keyset(register: Register, file: Annotated[Path, typer.Argument(help="keyset.jws del nodo.")]) -> None:
    """Prepara las llaves nuevas de un nodo, que él mismo firmó. Stage a node's keyset."""
    with reported():
        repository = Repository(register)
        node = stage_keyset(repository, file.read_text(encoding="ascii").strip(), now=now())
    out.print(f"✓ Llaves de {node} preparadas. Publique con `paradero federation publish`.", markup=False)


@app.command()
def show(register: Register, as_json: AsJson = False) -> None:
    """Dice en palabras qué cambiaría lo preparado y cuántas firmas tiene. Show what is staged."""
    if not (register / "metadata").is_dir() and not (register / "staged").is_dir():
        fail(ExitCode.NOT_FOUND, f"{register} no es la carpeta de un registro.", advice="Véase `paradero federation found`.")
    repository = Repository(register)
    if as_json:
        signatures = [
            {"role": item.role, "signed_by": list(item.signed_by), "threshold": item.threshold}
            for item in repository.signatures()
        ]
        print_json({"changes": describe_staged(repository), "signatures": signatures})
        return
    _show_staged(repository)


@app.command()
def sign(register: Register, key: Key, words: Words = None, identity: OptionalIdentity = None) -> None:
    """Agrega la firma de un custodio a lo preparado, tras leer qué cambia. Add a custodian's signature."""
    with reported():
        repository = Repository(register)
        signed = repository.sign(load_custodian(key, identity=identity, words=_words(words)))
    if not signed:
        fail(ExitCode.DENIED, "Esta llave no firma nada de lo preparado.", advice="Véase `paradero federation show`.")
    out.print(f"✓ Firmado: {', '.join(signed)}", markup=False)
    _show_staged(repository)


@app.command("publish")
def publish_(register: Register, online: Online, identity: Identity) -> None:
    """Publica lo preparado si tiene sus firmas y un cliente de verdad lo acepta. Publish, after a pre-flight."""
    with reported():
        repository = Repository(register)
        version = publish(repository, load_custodian(online, identity=identity), now=now())
    out.print(f"✓ Publicada la versión {version}. Huella de la raíz: {fingerprint(repository.root_bytes())}", markup=False)


@app.command()
def resign(register: Register, online: Online, identity: Identity) -> None:
    """Vuelve a firmar la hora del registro (el nodo que lo aloja lo hace solo). Re-sign the timestamp."""
    with reported():
        version = Repository(register).resign_timestamp(load_custodian(online, identity=identity), now=now())
    out.print(f"✓ Hora {version}", markup=False)


@app.command()
def suspend(
    register: Register,
    node: Annotated[str, typer.Argument(help="Nodo, por ejemplo gt.minex.")],
    reason: Annotated[str, typer.Option(help="Código, por ejemplo lost-laptop.")],
    key: Key,
    online: Online,
    online_identity: Annotated[Path, typer.Option(help="Identidad age de la llave en línea.")],
    words: Words = None,
    identity: OptionalIdentity = None,
) -> None:
    """Suspende un nodo con una sola llave, hasta 72 horas; todos lo aplican al siguiente sondeo. Suspend a node."""
    with reported():
        repository = Repository(register)
        holder = load_custodian(key, identity=identity, words=_words(words))
        found_id = stage_suspension(repository, NodeId(node), reason=Code(reason), by=holder.name, now=now())
        publish_alone(repository, holder, load_custodian(online, identity=online_identity), now=now())
    out.print(f"✓ {node} suspendido ({found_id}). Para levantarla: `paradero federation clear`.", markup=False)


@app.command()
def clear(register: Register, suspension: Annotated[str, typer.Argument(help="Identificador s-….")]) -> None:
    """Prepara el fin de una suspensión; lo firma el quórum de miembros. Stage the end of a suspension."""
    with reported():
        repository = Repository(register)
        stage_clearing(repository, suspension, now=now())
    _show_staged(repository)


@app.command("self-suspend")
def self_suspend(
    register: Register,
    online: Online,
    identity: Identity,
    reason: Annotated[str, typer.Option(help="Código, por ejemplo key-lost.")],
    config: Config = None,
) -> None:
    """Suspende este nodo con su propia llave, sin pedir permiso a nadie. Suspend this node itself."""
    with reported():
        settings = load_config(config_path(config))
        keys = load_node_keys(settings.node_keys, settings.key_identity)
        repository = Repository(register)
        seq = max(1, keyset_seq(repository, settings.node))
        statement = make_self_suspension(keys, seq=seq, reason=Code(reason), now=now())
        stage_self_suspension(repository, settings.node, statement, now=now())
        publish(repository, load_custodian(online, identity=identity), now=now())
    out.print(
        f"✓ {settings.node} se suspendió. Termina cuando publique el juego de llaves siguiente (`paradero keys renew`).",
        markup=False,
    )


@app.command()
def upgrade(
    register: Register,
    council: Publics,
    registrars: Publics,
    policy_holders: Publics,
    duty: Annotated[Path, typer.Option(help="Llave de guardia para suspender.")],
    online: Online,
    identity: Identity,
    words: Words = None,
) -> None:
    """Prepara el paso de start a full; firman los custodios de antes y los nuevos. Stage start → full."""
    with reported():
        open_one = _opener(words, identity)
        members = [open_one(path).public for path in council]
        holders = Holders(
            members,
            [open_one(path).public for path in registrars],
            [open_one(path).public for path in policy_holders],
            [*members, open_one(duty).public],
            load_custodian(online, identity=identity).public,
        )
        stage_upgrade(Repository(register), holders, now=now())
    _show_staged(Repository(register))


@app.command()
def join(
    root: Annotated[Path, typer.Argument(help="1.root.json")],
    fingerprint_: Annotated[str, typer.Option("--fingerprint", help="Los diez grupos del acta.")],
    config: Config = None,
) -> None:
    """Toma la raíz de confianza tras cotejar su huella con la del acta. Take in the root of trust."""
    with reported():
        settings = load_config(config_path(config))
        RegisterClient.initialise(settings.trust, root.read_bytes(), expected=fingerprint_)
    out.print("✓ La huella coincide. Falta `paradero serve`.", markup=False)


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra el registro como lo conoce el nodo en marcha. Show the register as the node knows it."""
    answer = LocalNode.from_option(config).get("/api/v1/federation")
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer['federation']} · versión {answer['version']} · {answer['freshness']}", markup=False)
    columns = {"node": "NODO", "name": "INSTITUCIÓN", "role": "PAPEL", "country": "PAÍS", "standing": "ESTADO"}
    print_table("Miembros", columns, answer["members"])


@app.command()
def poll(config: Config = None, as_json: AsJson = False) -> None:
    """Hace que el nodo en marcha sondee el registro ahora. Make the node look at the register now."""
    answer = LocalNode.from_option(config).post("/api/v1/federation/poll")
    if as_json:
        print_json(answer)
        return
    news = "cambió" if answer["changed"] else "sin cambios"
    out.print(f"✓ Registro: {news}; versión {answer['version']}", markup=False)


@app.command("test")
def try_link(
    peer: Annotated[str, typer.Argument(help="Nodo, por ejemplo gt.minex. A node.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Prueba el enlace con una institución, paso por paso; no lleva datos. Try the link to a member, step by step."""
    from gateway.console.pages.probes import probe_in_words, probe_of_dict  # noqa: PLC0415 - other commands start without them
    from gateway.console.words import words  # noqa: PLC0415 - as above

    answer = LocalNode.from_option(config).post(f"/api/v1/federation/members/{peer}/test")
    found = probe_of_dict(answer)
    if as_json:
        print_json(answer)
    else:
        for line in probe_in_words(found, words("es")):
            out.print(f"{line.mark} {line.step}: {line.told}{f' → {line.advice}' if line.advice else ''}", markup=False)
    if not found.fine:
        raise typer.Exit(ExitCode.PROBLEMS)


def _show_staged(repository: Repository) -> None:
    for line in describe_staged(repository):
        out.print(f"• {line}", markup=False)
    for item in repository.signatures():
        mark = "✓" if item.complete else "…"
        out.print(
            f"{mark} {item.role}: {len(item.signed_by)} de {item.threshold} firmas ({', '.join(item.signed_by) or '—'})",
            markup=False,
        )


def _recipient(identity: Path | None) -> str | None:
    # An identity that is there opens other keys already: to write another over it would lock them for ever.
    if identity is None:
        return None
    return recipient_of(identity) if identity.exists() else create_identity_file(identity)


def _words(path: Path | None) -> str | None:
    return None if path is None else read_secret(path).decode("utf-8").strip()


class _opener:  # noqa: N801 - reads as a function
    """Opens custodians' keys with the passphrase file, or with the identity when there is none."""

    def __init__(self, words: Path | None, identity: Path) -> None:
        self._words = _words(words)
        self._identity = identity

    def __call__(self, path: Path) -> Custodian:
        if self._words is not None:
            return load_custodian(path, words=self._words)
        return load_custodian(path, identity=self._identity)
