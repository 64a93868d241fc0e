"""`paradero erasure`: what is to go, letting it go on, and what a law keeps."""

from typing import Annotated, Any

import typer

from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Supresión de datos: plan, ejecución, estado. Erasure of data.")

Thread = Annotated[str, typer.Argument(help="Identificador del hilo. The thread's id.")]

_REASONS = {
    "clock-jumped": "el reloj de este equipo saltó",
    "long-pause": "pasó demasiado tiempo desde su última vuelta",
    "unusual-volume": "se borraría mucho más de lo usual",
}
_WHY = {
    "consent": "consentimiento retirado",
    "correction": "corrección",
    "retention": "venció su plazo",
    "sent-in-error": "enviado por error",
    "right": "derecho de la persona",
}
_STATES = {"blocked": "bloqueado", "marked": "marcado"}
_WAITING = {"item": "DATO", "kind": "TIPO", "ordered_by": "LO ORDENÓ", "why": "POR QUÉ", "state": "ESTADO", "goes": "SE BORRA"}
_OUT = {"node": "NODO", "copies": "COPIAS", "attachments": "ADJUNTOS"}
_KEPT = {"thread": "HILO", "basis": "LEY", "since": "DESDE"}


@app.command()
def plan(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra qué se borraría y cuándo; no borra nada. What would go, and when; changes nothing."""
    answer = LocalNode.from_option(config).get("/api/v1/erasure")
    if as_json:
        print_json(answer)
        return
    _show(answer)
    print_table("\nVenció su plazo y se marcará", {"thread": "HILO"}, [{"thread": thread} for thread in answer["outlived"]])


@app.command()
def run(
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Continúa tras una parada, una vez visto el plan. Go on after a stop.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Borra ahora lo que ya toca; con --go-on, después de una parada. Erase what is due now."""
    answer = LocalNode.from_option(config).send("/api/v1/erasure/run", {"go_on": go_on})
    if as_json:
        print_json(answer)
    else:
        _show(answer)
    if answer["stopped"]:
        raise typer.Exit(ExitCode.PARTIAL)


@app.command()
def status(config: Config = None, as_json: AsJson = False) -> None:
    """Dice cómo va la supresión y qué conserva una ley. How erasure stands, and what a law keeps."""
    answer = LocalNode.from_option(config).get("/api/v1/erasure")
    if as_json:
        print_json(answer)
        return
    _show(answer)
    print_table("\nSe conserva por ley", _KEPT, answer["kept"])


@app.command()
def keep(
    thread: Thread,
    basis: Annotated[str, typer.Option(help="Base legal de la política, por ejemplo gt:habeas-data. A basis of the policy.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Conserva un hilo porque una ley lo manda, aunque se ordene borrarlo. Keep a thread because a law says so."""
    answer = LocalNode.from_option(config).send("/api/v1/erasure/keep", {"thread": thread, "basis": basis})
    _done(
        answer,
        f"{answer.get('thread')}: se conserva por {answer.get('basis')}; a quien ordene borrarlo se le dirá.",
        as_json=as_json,
    )


@app.command()
def release(thread: Thread, config: Config = None, as_json: AsJson = False) -> None:
    """Deja de conservar un hilo. Keep a thread no longer."""
    answer = LocalNode.from_option(config).send("/api/v1/erasure/release", {"thread": thread})
    _done(answer, f"{answer.get('thread')}: ya no se conserva; quien lo quiera borrado lo ordena otra vez.", as_json=as_json)


def _show(answer: dict[str, Any]) -> None:
    if answer["stopped"]:
        why = _REASONS.get(answer["stopped"], answer["stopped"])
        out.print(f"✗ La supresión está parada: {why}. Nada se borra.", markup=False)
        out.print("  Qué hacer: vea `paradero erasure plan`; si está bien, `paradero erasure run --go-on`.", markup=False)
    elif answer["would_stop"]:
        why = _REASONS.get(answer["would_stop"], answer["would_stop"])
        out.print(f"! La próxima vuelta se parará: {why}.", markup=False)
    else:
        out.print(f"✓ La supresión está en marcha; última vuelta: {answer['last_run'] or 'ninguna aún'}.", markup=False)
    if answer["scrub_due"]:
        out.print("! Lo borrado ya no se puede abrir; aún falta limpiar los archivos de la base.", markup=False)
    rows = [
        row | {"why": _WHY.get(row["reason"], row["reason"]), "state": _STATES.get(row["state"], row["state"])}
        for row in answer["waiting"]
    ]
    print_table("Espera su hora", _WAITING, rows)
    if answer["attachments"]:
        out.print(f"  Con {answer['attachments']} adjuntos, que se van con su hilo.", markup=False)
    if answer["outstanding"]:
        print_table("\nOtros nodos aún deben borrar", _OUT, answer["outstanding"])


def _done(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ {words}", markup=False)
