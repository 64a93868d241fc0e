"""`paradero login, logout, whoami`, and `paradero user`: who works at this node."""

import asyncio
import sys
from typing import Annotated, Any

import typer

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
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Lee la clave de la entrada, una línea por pregunta. Read it from stdin.")
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

    Con --invitation la entrada trae dos líneas: el código y la clave nueva.
    """
    node = LocalNode.from_option(config)
    asked = _Asked(from_stdin=password_stdin)
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
    answer = node.knock("/api/v1/session/invitation" if invitation else "/api/v1/session", body)
    with reported():
        node.session.write(KeptSession(user, answer.pop("token"), answer["expires"]), answer.pop("device"))
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {answer['name']}, en {node.node}. {', '.join(answer['posts']) or 'Sin puesto todavía.'}", markup=False)
    err.print("Al irse: `paradero logout`.", markup=False)


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
        password = _Asked(from_stdin=password_stdin).new_password()
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
    asked = _Asked(from_stdin=password_stdin)
    current = asked.secret("Clave de ahora")
    answer = node.send("/api/v1/session/password", {"current": current, "new": asked.new_password()})
    node.session.forget()
    _done(answer, "Clave cambiada. Entre otra vez: `paradero login USUARIO`.", as_json=as_json)


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


class _Asked:
    """Asks for secrets on the terminal without showing them, or takes one line of the input for each."""

    def __init__(self, *, from_stdin: bool) -> None:
        self._from_stdin = from_stdin

    def secret(self, words: str) -> str:
        """Return one secret."""
        if self._from_stdin:
            return self._line(words)
        if not sys.stdin.isatty():
            advice = "Déla por la entrada: `paradero login USUARIO --password-stdin < ARCHIVO`."
            fail(ExitCode.USAGE, "No hay terminal donde preguntar la clave.", advice=advice)
        return str(typer.prompt(words, hide_input=True, err=True))

    def new_password(self) -> str:
        """Return a new password, typed twice on a terminal."""
        if self._from_stdin:
            return self._line("Clave nueva")
        first = self.secret("Clave nueva")
        if self.secret("Otra vez, para comprobar") != first:
            fail(ExitCode.USAGE, "Las dos no son iguales.", advice="Repita la orden.")
        return first

    def _line(self, words: str) -> str:
        with reported():
            line = sys.stdin.buffer.readline(8192).decode("utf-8").rstrip("\r\n")
        if not line:
            fail(ExitCode.USAGE, f"Falta una línea en la entrada: {words}.", advice="Una línea por pregunta, en su orden.")
        return line
