"""What every command shares: exit codes, output for people or programs, errors that say what to do."""

import errno
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleDimensions
from rich.table import Table
from rich.text import Text

from contracts.calendars import GUATEMALA
from contracts.errors import ConfigurationError, ExchangeError, PeerUnavailableError, ProblemCode, StorageError
from contracts.values.text import escaped
from gateway.people.errors import PeopleError


class ExitCode(IntEnum):
    """Documented in docs/cli.md; tested."""

    DONE = 0
    BUG = 1
    USAGE = 2
    CONFIGURATION = 3
    NOT_FOUND = 4
    DENIED = 5
    CONFLICT = 6
    UNREACHABLE = 7
    VERIFICATION = 8
    PARTIAL = 9
    PROBLEMS = 10
    INTERRUPTED = 130
    NOBODY_READS = 141


EXIT_BY_STATUS = {
    401: ExitCode.CONFIGURATION,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    422: ExitCode.USAGE,
    429: ExitCode.UNREACHABLE,
    503: ExitCode.UNREACHABLE,
}
"""What the private port's answers mean for a command."""

WHY: Mapping[str, str] = {
    "code": "el código no es, ya se usó, o es de otro momento",
    "code-needed": "tiene una aplicación de códigos o una llave de acceso, y la clave sola no basta",
    "conflict": "ya está en ese estado, o alguien se adelantó",
    "erased": "se borró, o se va a borrar",
    "factor-needed": "este nodo pide algo más que la clave para su puesto",
    "malformed": "no tiene la forma que debe",
    "credentials": "el usuario o la clave no son ésos",
    "not-found": "no existe, o no es de su oficina",
    "not-permitted": "su puesto, la política o el estado del caso no lo permiten",
    "schema": "algo falta, sobra o está mal escrito",
    "sign-in-again": "hace más de cinco minutos que entró",
    "slow-down": "hubo muchos intentos",
    "step-over": "tardó demasiado, o ya se usó",
    "too-large": "es demasiado grande",
    "trust-stale": "el registro de la red está viejo",
    "unauthorised": "nadie ha entrado, o la sesión terminó",
    "wall": "un muro que nadie puede quitar",
}
"""Why, of the code that the private port's problems carry; a code that is not here says nothing to a person."""

_SAID: Mapping[str, str] = {
    "duplicate member": "un dato está dos veces",
    "text with NUL or a lone surrogate": "lleva un carácter que no es texto",
}
"""What the codec found, as people read it."""

_ADVICE = "Compruebe lo que dio a la orden; `--help` dice qué espera, `paradero doctor` revisa el nodo."

_NOT_A_SCREEN = 1000
"""Columns for a file or another program: there a row is a line, however long."""

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(code: ExitCode, what: str, *, why: str = "", advice: str = "") -> NoReturn:
    """Say on stderr what happened, why and what to do; end with `code`."""
    err.print(f"✗ {what}", markup=False)
    if why:
        err.print(f"  Por qué: {why}", markup=False)
    err.print(f"  Qué hacer: {advice or _ADVICE}", markup=False)
    raise typer.Exit(code)


_REASONS = {
    errno.ENOENT: "no existe",
    errno.EACCES: "no hay permiso",
    errno.EPERM: "no hay permiso",
    errno.EISDIR: "es una carpeta",
    errno.ENOTDIR: "una parte de la ruta no es una carpeta",
    errno.EEXIST: "ya existe",
    errno.ENOSPC: "no queda espacio en el disco",
    errno.EROFS: "el disco es de sólo lectura",
    errno.ENAMETOOLONG: "el nombre es demasiado largo",
    errno.EADDRINUSE: "otro programa usa el puerto",
    errno.EADDRNOTAVAIL: "esa dirección no es de este equipo",
}


def reason(error: OSError | UnicodeDecodeError) -> str:
    """Say in Spanish why a file or a port could not be used."""
    if isinstance(error, UnicodeDecodeError):
        return "no es texto"
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


_FILE_REFUSED = {ProblemCode.MALFORMED, ProblemCode.SCHEMA, ProblemCode.UNSUPPORTED, ProblemCode.TOO_LARGE}


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors a person can act on into exit codes; anything else is a bug and shows as one."""
    try:
        yield
    except ConfigurationError as error:
        fail(
            ExitCode.CONFIGURATION, "La configuración o las llaves no permiten continuar.", why=str(error), advice=error.advice
        )
    except StorageError as error:
        advice = error.advice or "Compruebe ruta, permisos y servidor con `paradero doctor`."
        fail(ExitCode.CONFIGURATION, "Una base de datos no responde, o no es de Paradero.", why=str(error), advice=advice)
    except PeopleError as error:
        fail(EXIT_BY_STATUS[error.status], str(error), why=error.problem, advice=error.advice)
    except ExchangeError as error:
        _fail_refused(error)
    except (OSError, UnicodeDecodeError) as error:
        name = getattr(error, "filename", None)
        what = "No se puede leer o escribir un archivo." if name is None else f"No se puede leer o escribir {name}."
        code = ExitCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ExitCode.USAGE
        fail(code, what, why=reason(error), advice="Compruebe la ruta, sus permisos y que sea el archivo que quiere.")


def _why_refused(error: ExchangeError) -> str:
    general, detail = WHY.get(error.code.value, error.code.value), str(error)
    if detail in _SAID or not detail.isascii():
        return f"{general}: {_SAID.get(detail, detail)}"
    return f"{general} ({detail})" if detail else general  # the house's English, for whoever mends the file or reports it


def moment_words(text: str) -> str:
    """Return a moment the node wrote (ISO 8601, UTC) as people read it: Guatemala's day and hour."""
    there = datetime.fromisoformat(text).astimezone(GUATEMALA)
    return f"{there:%Y-%m-%d %H:%M} (hora de Guatemala)"


def _fail_refused(error: ExchangeError) -> NoReturn:
    why = _why_refused(error)
    if error.code in _FILE_REFUSED:
        advice = error.advice or "Compruebe que sea el archivo que quiere y que esté entero."
        fail(ExitCode.USAGE, "El archivo fue rechazado.", why=why, advice=advice)
    if isinstance(error, PeerUnavailableError):
        fail(ExitCode.UNREACHABLE, "No hay respuesta.", why=why, advice=error.advice or "Compruebe la red; se puede repetir.")
    advice = error.advice or "Véase la política y el registro: `paradero federation status`."
    fail(ExitCode.DENIED, "La operación no está permitida.", why=why, advice=advice)


def print_json(value: Any) -> None:
    """Write one JSON value to stdout."""
    escaped = sys.stdout.encoding.lower() not in {"utf-8", "utf8"}
    sys.stdout.write(json.dumps(value, ensure_ascii=escaped, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()


def present(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the columns in which some row has anything: an empty one takes a narrow terminal's room."""
    return {name: heading for name, heading in columns.items() if any(row.get(name) is not None for row in rows)}


def print_table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; `columns` maps a row's member to its heading."""
    if not rows:
        out.print(f"{title}: nada.", markup=False)
        return
    table = _table(title, columns, rows)
    if out.is_terminal:
        out.print(table)
        return
    with _wide():
        out.print(table)


def table_lines(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, width: int) -> list[str]:
    """Return what `print_table` would print without a title on a terminal of so many columns, as lines."""
    page = Console(width=width, highlight=False, color_system=None, file=io.StringIO())
    with page.capture() as caught:
        page.print(_table("", columns, rows))
    return [line.rstrip() for line in caught.get().splitlines()]


def _table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, show_header=any(columns.values()))
    for place, heading in enumerate(columns.values()):
        table.add_column(heading, overflow="fold", no_wrap=place == 0)  # the first names the row: whole, to be copied
    for row in rows:
        table.add_row(*(Text(escaped(_cell(row.get(name)))) for name in columns))  # never markup, a formula, or an escape
    return table


@contextmanager
def _wide() -> Iterator[None]:
    before = out.size
    out.size = ConsoleDimensions(_NOT_A_SCREEN, before.height)
    try:
        yield
    finally:
        out.size = before


_SECONDS = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\+00:00$")


def _cell(value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "sí" if value else "no"
    return _SECONDS.sub(r"\1 \2Z", str(value))
