"""Secrets a command asks for: on the terminal, unseen, or a line of the input each. Never in the command itself."""

import sys
from typing import Annotated

import typer

from gateway.cli.output import ExitCode, fail, reported

FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Lee la clave de la entrada, una línea por pregunta. Read it from stdin.")
]


class Asked:
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
