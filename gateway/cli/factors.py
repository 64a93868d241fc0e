"""`paradero user totp, recovery-codes, reset-factors, link, unlink`: what people have beside a password."""

from typing import Annotated

import typer

from gateway.cli.asking import Asked, FromStdin
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import err, out, print_json

Login = Annotated[str, typer.Argument(help="Usuario, por ejemplo a.ficticia. A login.")]
_TOTP = "/api/v1/session/totp"


def totp(
    config: Config = None,
    remove: Annotated[bool, typer.Option("--remove", help="Quita la que hay. Take it away.")] = False,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Añade una aplicación de códigos propia, o la quita: muestra su clave y pide un código. One's own authenticator app.

    Por la entrada: el código en una línea, que quien llama calcula de la clave mostrada.
    """
    node = LocalNode.from_option(config)
    if remove:
        node.delete(_TOTP)
        _said({"removed": True}, "La aplicación de códigos ya no sirve para entrar.", as_json=as_json)
        return
    begun = node.send(_TOTP, {})
    # Before the code is asked for: whoever reads it from a pipe needs it to make one.
    out.print(begun["uri"] if as_json else f"Clave para la aplicación: {begun['secret']}", markup=False)
    if not as_json and out.is_terminal:
        _draw(begun["uri"])
    answer = node.send(f"{_TOTP}/confirm", {"code": Asked(from_stdin=password_stdin).secret("Código de seis cifras")})
    if as_json:
        print_json(answer)
        return
    out.print("✓ Desde ahora se entra con la clave y un código. Sus otras sesiones terminaron.", markup=False)
    _tell_codes(answer["recovery"])


def recovery_codes(config: Config = None, as_json: AsJson = False) -> None:
    """Hace otros códigos de recuperación, que se muestran una vez; los de antes ya no sirven. New recovery codes."""
    answer = LocalNode.from_option(config).send("/api/v1/session/recovery", {})
    if as_json:
        print_json(answer)
        return
    _tell_codes(answer["recovery"])


def reset_factors(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Retira la segunda prueba de una persona que la perdió; sus sesiones terminan. Take away a person's second factor."""
    answer = LocalNode.from_option(config).send("/api/v1/people/reset-factors", {"login": user})
    _said(answer, f"{user} entra con su clave, y añade otra segunda prueba en su cuenta.", as_json=as_json)


def link(
    user: Login,
    subject: Annotated[str, typer.Option(help="Quién es en su institución: su identificador o su correo. Who they are there.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice quién es una persona en la entrada de su institución; sus sesiones terminan. Link to the ministry's sign-in."""
    answer = LocalNode.from_option(config).send("/api/v1/people/link", {"login": user, "subject": subject})
    _said(answer, f"{user} puede entrar por su institución.", as_json=as_json)


def unlink(user: Login, config: Config = None, as_json: AsJson = False) -> None:
    """Quita el vínculo con la entrada de su institución; sus sesiones terminan. Unlink."""
    answer = LocalNode.from_option(config).send("/api/v1/people/unlink", {"login": user})
    _said(answer, f"{user} ya no entra por su institución.", as_json=as_json)


def _said(answer: dict[str, object], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ {words}", markup=False)


def _tell_codes(codes: list[str]) -> None:
    if not codes:
        return
    out.print("Códigos de recuperación, cada uno una vez:", markup=False)
    for code in codes:
        out.print(f"  {code}", markup=False)
    err.print("Anótelos o imprímalos, y guárdelos bajo llave. No se muestran otra vez.", markup=False)


def _draw(uri: str) -> None:
    # Only who adds an app at a terminal needs the library.
    import segno  # noqa: PLC0415 - see above

    segno.make(uri, error="m").terminal(compact=True)
