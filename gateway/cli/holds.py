"""`paradero hold` and `paradero approve`: what waits for a person before it leaves."""

import sys
from typing import Annotated, Any

import typer

from contracts.policy.words import word
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, moment_words, out, print_json, print_table
from gateway.cli.records import claims_rows, record_title

app = typer.Typer(no_args_is_help=True, help="Lo que espera a una persona antes de salir. What waits before it leaves.")

Departure = Annotated[str, typer.Argument(help="Identificador de lo que espera. The id of what waits.")]

_LIST = {
    "id": "PENDIENTE",
    "kind": "TIPO",
    "peer": "PARA",
    "waits": "ESPERA",
    "leaves_at": "SALE",
    "made": "DESDE",
    "drafted_by": "PREPARÓ",
}
_WAITS = {
    "wall:free-text-held": ("un texto que una persona debe leer", "a text that a person must read"),
    "wall:two-persons": ("otra persona", "another person"),
    "look-again": ("que alguien lo mire: algo cambió", "that somebody looks: something changed"),
}


@app.callback()
def _group() -> None:
    """Lo que espera a una persona antes de salir."""


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra lo que espera, y a quién o a qué. List what waits, and for whom."""
    answer = LocalNode.from_option(config).get("/api/v1/held")
    if as_json:
        print_json(answer)
        return
    rows = [
        {
            **row,
            "waits": ", ".join(_word(name, "es") for name in row["waits"]) or "su hora",
            "kind": word("kind", row["kind"], "es"),
        }
        for row in answer["held"]
    ]
    print_table("En espera", _LIST, rows)


@app.command()
def show(departure: Departure, config: Config = None, as_json: AsJson = False) -> None:
    """Abre lo que espera: qué saldrá y qué textos hay que leer; queda en la bitácora quién lo abrió. Open what waits."""
    answer = LocalNode.from_option(config).get(f"/api/v1/held/{departure}")
    if as_json:
        print_json(answer)
        return
    _tell(answer)


@app.command()
def release(
    departure: Departure,
    places: Annotated[list[str], typer.Argument(help="Qué textos, como los nombra `hold show`. Which texts.")],
    discard: Annotated[
        bool, typer.Option("--discard", help="Descarta el mensaje entero en vez de soltar el texto. Drop the whole message.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Suelta textos libres que usted leyó, o descarta el mensaje que los lleva. Release texts you have read."""
    body = {"places": places, "discard": discard}
    tell_went(LocalNode.from_option(config).send(f"/api/v1/held/{departure}/release", body), "Mensaje", as_json=as_json)


@app.command()
def drop(departure: Departure, config: Config = None, as_json: AsJson = False) -> None:
    """Descarta lo que espera; nada de ello sale. Drop what waits; nothing of it leaves."""
    tell_went(LocalNode.from_option(config).send(f"/api/v1/held/{departure}/drop", {}), "Mensaje", as_json=as_json)


def approve(
    departure: Departure,
    yes: Annotated[bool, typer.Option("--yes", help="No pregunta. Do not ask.")] = False,
    content: Annotated[
        str | None, typer.Option(help="Huella de lo que se miró; si no, se muestra ahora. The digest of what was looked at.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Da el visto bueno, como segunda persona, a exactamente lo que se muestra. Agree to exactly what is shown."""
    node = LocalNode.from_option(config)
    if content is None:
        answer = node.get(f"/api/v1/held/{departure}")
        content = answer["content"]
        if not as_json:
            _tell(answer)
        if not yes and not agreed("¿Da su visto bueno a exactamente esto?"):
            fail(ExitCode.INTERRUPTED, "No se aprobó nada.", advice="Puede descartarlo con `paradero hold drop`.")
    tell_went(node.send(f"/api/v1/held/{departure}/approve", {"content": content}), "Mensaje", as_json=as_json)


def agreed(question: str) -> bool:
    """Ask the person at the terminal; where there is none, say how to answer beforehand."""
    if not sys.stdin.isatty():
        fail(ExitCode.USAGE, "No hay nadie a quien preguntar.", advice="Mírelo primero y repita la orden con --yes.")
    return typer.confirm(question, err=True)


def _tell(answer: dict[str, Any]) -> None:
    out.print(
        f"{word('kind', answer['kind'], 'es').capitalize()} para {answer['to']}  · huella {answer['content'][:12]}…",
        markup=False,
    )
    for message in answer["messages"]:
        for record in message.get("records", ()):
            rows = claims_rows(record["claims"], record["type"])
            print_table(record_title(record["type"]), {"name": "CAMPO", "value": "SALE"}, rows)
    print_table("Textos", {"place": "TEXTO", "state": "ESTADO", "text": "DICE"}, answer["texts"])
    for line in waits_in_words(answer["id"], answer["waits"], "es"):
        out.print(f"! {line}", markup=False)


def waits_in_words(departure: str, waits: list[str], lang: str) -> list[str]:
    """Return what must still happen, and which command does it."""
    es = lang == "es"
    does = {
        "wall:free-text-held": f"paradero hold show {departure}",
        "wall:two-persons": f"paradero approve {departure}",
        "look-again": f"paradero hold show {departure}",
        "confirmation": "paradero request answer",
    }
    return [
        f"{'espera' if es else 'waits for'} {_word(name, lang)}: `{does.get(name, 'paradero hold list')}`" for name in waits
    ]


def tell_went(answer: dict[str, Any], what: str, *, as_json: bool) -> None:
    """Print what became of a message: on its way, waiting for its slot, or for a person."""
    if as_json:
        print_json(answer)
        return
    match answer["state"]:
        case "queued":
            due = f" · vence {moment_words(answer['deadline'])}" if answer.get("deadline") else ""
            out.print(f"✓ {what} en camino: {answer['message_id']}{due}", markup=False)
        case "waiting-for-slot":
            out.print(f"✓ {what}: sale el {moment_words(answer['leaves_at'])}, con las demás de su turno.", markup=False)
        case "dropped":
            out.print("✓ Descartado: nada salió.", markup=False)
        case _:
            out.print(f"• {what} en espera ({answer['id']}); nada ha salido.", markup=False)
            for line in waits_in_words(answer["id"], answer["waits"], "es"):
                out.print(f"  {line}", markup=False)


def _word(name: str, lang: str) -> str:
    return _WAITS[name][lang == "en"] if name in _WAITS else name
