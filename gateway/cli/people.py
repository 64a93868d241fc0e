"""`paradero login, logout, whoami`, and `paradero user`: who works at this node."""

import asyncio
from typing import Annotated, Any

import typer

from gateway.cli import factors
from gateway.cli.asking import Asked, FromStdin
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, err, fail, out, print_json, print_table, reported
from gateway.cli.sessions import KeptSession
from gateway.config import config_path, load_config
from gateway.main.first_person import make_first_administrator, recover_administrator

app = typer.Typer(no_args_is_help=True, help="Personas de este nodo. People of this node.")

Login = Annotated[str, typer.Argument(help="Usuario, por ejemplo a.ficticia. A login.")]
Name = Annotated[str, typer.Option(help="Nombre de la persona, como se le llama. The person's name.")]
Posts = Annotated[
    list[str],
    typer.Option(
        "--role",
        help="Puesto; se puede repetir: desk-clerk@OFICINA, officer@OFICINA, office-head@OFICINA, node-admin, "
        "network-registry, data-protection, auditor. A post; repeatable.",
    ),
]
_PEOPLE = {
    "login": "USUARIO",
    "name": "NOMBRE",
    "state": "ESTADO",
    "posts": "PUESTOS",
    "signed_in": "ÚLTIMA ENTRADA",
}
_STATES = {"invited": "invitada", "enabled": "habilitada", "disabled": "deshabilitada"}


def login(
    user: Login,
    config: Config = None,
    invitation: Annotated[
        bool, typer.Option("--invitation", help="Usa una invitación y elige clave. Use an invitation, choose a password.")
    ] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Entra en el nodo. La clave se pregunta o viene por la entrada, nunca en la orden. Sign in.

    Con --invitation la entrada trae dos líneas: el código y la clave nueva. Después, quien tiene aplicación de
    códigos da uno suyo, o uno de recuperación.
    """
    node = LocalNode.from_option(config)
    asked = Asked(from_stdin=password_stdin)
    body: dict[str, Any] = {"login": user}
    with reported():
        device = node.session.device(user)
    if device is not None:
        body["device"] = device
    if invitation:
        body["invitation"] = asked.secret("Código de la invitación")
        body["password"] = asked.new_password()
    else:
        body["password"] = asked.secret("Clave")
    answer = _let_in(node, "/api/v1/session/invitation" if invitation else "/api/v1/session", body, asked)
    with reported():
        node.session.write(KeptSession(user, answer.pop("token"), answer["expires"]), answer.pop("device"))
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {answer['name']}, en {node.node}. {', '.join(answer['posts']) or 'Sin puesto todavía.'}", markup=False)
    err.print("Al irse: `paradero logout`.", markup=False)


def _let_in(node: LocalNode, path: str, body: dict[str, Any], asked: Asked) -> dict[str, Any]:
    answer = node.knock(path, body, unless="code-needed")
    if answer is not None:
        return answer
    known = {name: value for name, value in body.items() if name != "invitation"}  # it is used up; the password is chosen
    known["code"] = asked.secret("Código de su aplicación, o uno de recuperación")
    return node.knock("/api/v1/session", known) or {}


def logout(config: Config = None, as_json: AsJson = False) -> None:
    """Sale: la sesión termina en el nodo, y su archivo se borra. Sign out."""
    node = LocalNode.from_option(config)
    with reported():
        kept = node.session.read()
    if kept is None:
        fail(ExitCode.CONFLICT, "Nadie había entrado.", advice="No hace falta nada.")
    try:
        node.delete("/api/v1/session")
    finally:
        node.session.forget()  # also when the node is down, or had ended it: this file opens nothing any more
    if as_json:
        print_json({"signed_out": True})
        return
    out.print("✓ Salió.", markup=False)


def whoami(config: Config = None, as_json: AsJson = False) -> None:
    """Dice quién entró, con qué puestos y hasta cuándo. Who signed in."""
    answer = LocalNode.from_option(config).get("/api/v1/session")
    if as_json:
        print_json(answer)
        return
    rows = [
        ("usuario", answer["login"]),
        ("nombre", answer["name"]),
        ("puestos", ", ".join(answer["posts"])),
        ("en los mensajes", answer["actor"]),
        ("hasta", answer["expires"]),
    ]
    print_table("", {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in rows])


@app.command()
def bootstrap(
    user: Login, name: Name, config: Config = None, password_stdin: FromStdin = False, as_json: AsJson = False
) -> None:
    """Crea la primera persona, que administra el nodo. Sólo en su equipo y mientras no haya ninguna. First administrator."""
    with reported():
        settings = load_config(config_path(config))
        password = Asked(from_stdin=password_stdin).new_password()
        asyncio.run(make_first_administrator(settings, user, name, password))
    if as_json:
        print_json({"login": user})
        return
    out.print(f"✓ {user} administra {settings.node}. Entre con `paradero login {user}`.", markup=False)


@app.command()
def recover(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Da una invitación a quien administra y olvidó su clave. Sólo en el equipo del nodo. Recover an administrator."""
    with reported():
        invited = asyncio.run(recover_administrator(load_config(config_path(config)), user))
    expires = invited.expires_at.isoformat(timespec="seconds")
    _tell_invitation({"login": invited.login, "invitation": invited.code, "expires": expires}, as_json=as_json)


@app.command()
def add(user: Login, name: Name, role: Posts, config: Config = None, as_json: AsJson = False) -> None:
    """Añade una persona y da su invitación, que se muestra una sola vez. Add a person; prints the invitation once."""
    answer = LocalNode.from_option(config).send("/api/v1/people", {"login": user, "name": name, "posts": role})
    _tell_invitation(answer, as_json=as_json)


@app.command()
def invite(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Da otra invitación: la clave de antes y las sesiones terminan. Invite again; the old password ends."""
    answer = LocalNode.from_option(config).send("/api/v1/people/invite", {"login": user})
    _tell_invitation(answer, as_json=as_json)


@app.command()
def enable(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Habilita otra vez a la misma persona, con una invitación. Enable the same person again."""
    answer = LocalNode.from_option(config).send("/api/v1/people/enable", {"login": user})
    _tell_invitation(answer, as_json=as_json)


@app.command()
def disable(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Cierra una cuenta en el acto, con sus sesiones. Disable an account at once."""
    answer = LocalNode.from_option(config).send("/api/v1/people/disable", {"login": user})
    _done(answer, f"{user} ya no puede entrar.", as_json=as_json)


@app.command()
def roles(user: Login, role: Posts, config: Config = None, as_json: AsJson = False) -> None:
    """Cambia los puestos de una persona por éstos; sus sesiones terminan. Replace a person's posts."""
    answer = LocalNode.from_option(config).send("/api/v1/people/roles", {"login": user, "posts": role})
    _done(answer, f"{user}: {', '.join(answer['posts'])}.", as_json=as_json)


@app.command("set-password")
def set_password(config: Config = None, password_stdin: FromStdin = False, as_json: AsJson = False) -> None:
    """Cambia la clave propia; todas las sesiones terminan. Change one's own password.

    Por la entrada: la clave de ahora en la primera línea, la nueva en la segunda.
    """
    node = LocalNode.from_option(config)
    asked = Asked(from_stdin=password_stdin)
    current = asked.secret("Clave de ahora")
    answer = node.send("/api/v1/session/password", {"current": current, "new": asked.new_password()})
    node.session.forget()
    _done(answer, "Clave cambiada. Entre otra vez: `paradero login USUARIO`.", as_json=as_json)


app.command("totp")(factors.totp)
app.command("recovery-codes")(factors.recovery_codes)
app.command("reset-factors")(factors.reset_factors)
app.command("link")(factors.link)
app.command("unlink")(factors.unlink)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra las personas: todas a quien administra, las de su oficina a la responsable. List people."""
    answer = LocalNode.from_option(config).get("/api/v1/people")
    if as_json:
        print_json(answer)
        return
    print_people("Personas", answer["people"])


def print_people(title: str, people: list[dict[str, Any]]) -> None:
    """Print people as a table."""
    rows = [{**row, "state": _STATES[row["state"]], "posts": ", ".join(row["posts"])} for row in people]
    print_table(title, _PEOPLE, rows)


def _tell_invitation(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    out.print(f"Invitación de {answer['login']}, hasta {answer['expires']}:", markup=False)
    out.print(f"  {answer['invitation']}", markup=False)
    err.print("Désela en mano o por teléfono, no por correo. No se muestra otra vez.", markup=False)
    err.print(f"La persona: `paradero login {answer['login']} --invitation`.", markup=False)


def _done(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ {words}", markup=False)
