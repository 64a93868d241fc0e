"""`paradero demo`: a believable federation on one machine, in one command."""

import asyncio
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import ExitCode, err
from gateway.demo.narrator import StepFailedError
from gateway.demo.story import SCENES, play


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Termina al acabar; no deja nada en marcha. Leave nothing running.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Cada paso como una línea JSON. One JSON line a step.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Carpeta vacía que se conserva; por defecto, una temporal. An empty folder to keep.")
    ] = None,
) -> None:
    """Funda una federación con la ceremonia real, arranca seis nodos y cuenta la historia. Datos ficticios.

    Found a federation, start six nodes over TLS on loopback, play the first flows, say what happened.
    """
    try:
        asyncio.run(_play(folder, headless=headless, as_json=as_json))
    except StepFailedError:
        err.print("La demostración no fue como se cuenta; el paso marcado con ✗ dice por qué.", markup=False)
        raise typer.Exit(ExitCode.PROBLEMS) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(ExitCode.INTERRUPTED) from None


async def _play(folder: Path | None, *, headless: bool, as_json: bool) -> None:
    task = asyncio.current_task()
    if task is not None:
        for told in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: stop the nodes, then go
            asyncio.get_running_loop().add_signal_handler(told, task.cancel)
    await play(folder, headless=headless, as_json=as_json, program=_program(), scenes=SCENES)


def _program() -> str:
    """Return how a person can call this program from another terminal."""
    called = Path(sys.argv[0])
    if called.suffix == ".py":
        return f"{shlex.quote(sys.executable)} -m gateway"
    found = shutil.which("paradero")
    return "paradero" if found and Path(found).samefile(called) else shlex.quote(str(called.absolute()))
