"""What every command shares: exit codes, output for people or programs, errors that say what to do."""

import errno
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import typer
from rich.console import Console, ConsoleDimensions
from rich.table import Table
from rich.text import Text

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


def _fail_refused(error: ExchangeError) -> NoReturn:
    why = f"{error.code.value}: {error}"
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


def print_table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; `columns` maps a row's member to its heading."""
    if not rows:
        out.print(f"{title}: nada.", markup=False)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=any(columns.values()))
    for place, heading in enumerate(columns.values()):
        table.add_column(heading, overflow="fold", no_wrap=place == 0)  # the first names the row: whole, to be copied
    for row in rows:
        table.add_row(*(Text(escaped(_cell(row.get(name)))) for name in columns))  # never markup, a formula, or an escape
    if out.is_terminal:
        out.print(table)
        return
    with _wide():
        out.print(table)


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
