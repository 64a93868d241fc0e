"""`paradero demo`: a believable federation on one machine, in one command."""

import asyncio
import shlex
import shutil
import signal
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.cases import told
from gateway.cli.output import ExitCode, err, fail, out, print_json, reported
from gateway.cli.requests import preview_lines
from gateway.demo.clock import put_ahead
from gateway.demo.home import running_home
from gateway.demo.links import DemoLink, links_to, nodes_in
from gateway.demo.narrator import StepFailedError
from gateway.demo.stage import Pages
from gateway.demo.story import SCENES, play
from gateway.demo.tour import walk

_WIDTH = 108
_PAGES = Pages(
    preview=partial(preview_lines, lang="es", width=_WIDTH), who_has=lambda case, holdings: told(case, holdings, "es")
)


app = typer.Typer(invoke_without_command=True, help="Una federación de demostración. A demonstration federation.")

_Folder = Annotated[
    Path | None, typer.Option(help="La carpeta de la demostración que está en marcha. The folder of the demo that runs.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Salida para programas. Output for programs.")]


@app.callback()
def demo(
    context: typer.Context,
    headless: Annotated[
        bool, typer.Option("--headless", help="Termina al acabar; no deja nada en marcha. Leave nothing running.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Cada paso como una línea JSON. One JSON line a step.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Carpeta vacía que se conserva; por defecto, una temporal. An empty folder to keep.")
    ] = None,
    ahead: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_080,
            metavar="MINUTOS",
            help="Adelanta el reloj de la demostración que está en marcha en --folder, y termina. Put its clock ahead.",
        ),
    ] = None,
) -> None:
    """Funda una federación con la ceremonia real, arranca seis nodos y cuenta la historia. Datos ficticios.

    Found a federation, start six nodes over TLS on loopback, play the first flows, say what happened.
    """
    if context.invoked_subcommand is not None:
        return
    if ahead is not None:
        _put_ahead(folder, ahead, as_json=as_json)
        return
    try:
        asyncio.run(_play(folder, headless=headless, as_json=as_json))
    except StepFailedError:
        err.print("La demostración no fue como se cuenta; el paso marcado con ✗ dice por qué.", markup=False)
        raise typer.Exit(ExitCode.PROBLEMS) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(ExitCode.INTERRUPTED) from None


@app.command()
def links(folder: _Folder = None, as_json: _AsJson = False) -> None:
    """Da enlaces nuevos para entrar, uno por papel; los de antes dejan de servir.

    Give fresh links to sign in with, one a role; those given before stop working.
    """
    home = _running(folder)
    with reported():
        made = asyncio.run(links_to(nodes_in(home), home))
    if as_json:
        print_json({"links": [_told(link) for link in made]})
        return
    out.print("Cada enlace deja entrar una vez, en 15 minutos. Each link signs in once, within 15 minutes.", markup=False)
    for link in made:
        out.print(f"\n  {link.entry.es} · {link.entry.en}\n  {link.url}", markup=False)


@app.command()
def tour(
    folder: _Folder = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Lo recorre solo, por las mismas páginas. Play the people too, over the same pages.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Recorre con usted la demostración que está en marcha, en seis pasos, y espera a que cada uno ocurra.

    Walk through the pages of the demo that runs, in six steps; wait until each has truly happened.
    """
    home = _running(folder)
    try:
        with reported():
            asyncio.run(walk(home, as_json=as_json, alone=yes))
    except StepFailedError as error:
        fail(ExitCode.PROBLEMS, "El recorrido no siguió.", why=str(error), advice="Empiece otra vez: `paradero demo tour`.")
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _told(link: DemoLink) -> dict[str, str]:
    entry = link.entry
    return {"node": entry.node, "login": entry.login, "es": entry.es, "en": entry.en, "url": link.url}


def _running(folder: Path | None) -> Path:
    home = running_home(folder)
    if home is None:
        fail(
            ExitCode.NOT_FOUND,
            "No hay una demostración en marcha.",
            advice="Empiécela con `paradero demo`; --folder es la carpeta que dice al final.",
        )
    return home


def _put_ahead(folder: Path | None, minutes: int, *, as_json: bool) -> None:
    """Let time pass at a demo that runs: what waits for its slot or its day need not be waited for."""
    if folder is None or not (folder / "register").is_dir():
        fail(
            ExitCode.NOT_FOUND,
            "Ahí no hay una demostración.",
            advice="--folder es la carpeta que la demostración dice al final.",
        )
    with reported():
        now = put_ahead(folder, timedelta(minutes=minutes))
    if as_json:
        print_json({"ahead_seconds": int(now.total_seconds())})
        return
    out.print(
        f"✓ El reloj de los seis nodos va {int(now.total_seconds()) // 60} min adelante. Las sesiones pueden haber terminado.",
        markup=False,
    )


async def _play(folder: Path | None, *, headless: bool, as_json: bool) -> None:
    task = asyncio.current_task()
    if task is not None:
        for told in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: stop the nodes, then go
            asyncio.get_running_loop().add_signal_handler(told, task.cancel)
    await play(folder, headless=headless, as_json=as_json, program=_program(), scenes=SCENES, pages=_PAGES)


def _program() -> str:
    """Return how a person can call this program from another terminal."""
    called = Path(sys.argv[0])
    if called.suffix == ".py":
        return f"{shlex.quote(sys.executable)} -m gateway"
    found = shutil.which("paradero")
    return "paradero" if found and Path(found).samefile(called) else shlex.quote(str(called.absolute()))
