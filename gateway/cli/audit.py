"""`paradero audit`: the ombudsman's window to one case under one complaint, and which windows were opened here."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from contracts.policy.words import word
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Supervisión de la PDH: un caso por cada queja. The ombudsman's oversight.")

_WINDOWS = {"id": "ID", "node": "NODO", "folio": "FOLIO", "complaint": "QUEJA", "asked": "PEDIDA", "result": "RESULTADO"}
_RESULTS = {"waiting": "en espera", "opened": "abierta", "unknown-case": "no tiene ese caso", "refused": "rechazada"}
_REFUSED = {
    "quota": "hoy ya se abrieron todas las que caben en un día; pruebe mañana",
    "complaint-of-another-case": "esa queja ya nombró otro caso",
}
_STEPS = {
    "opened": "CUÁNDO",
    "asker": "QUIÉN",
    "asked": "A QUIÉN",
    "what": "QUÉ",
    "due": "VENCÍA",
    "answered": "RESPONDIÓ",
    "late": "",
}
_COPIES = {"sent": "CUÁNDO", "recipient": "QUIÉN LO TIENE", "fields": "CAMPOS", "basis": "BASE", "recall": "ESTADO"}


@app.command("open")
def open_(
    case: Annotated[str, typer.Argument(help="Folio del caso, que da la familia. The case's folio.")],
    complaint: Annotated[str, typer.Option(help="Número de la queja: el mandato. The complaint's number.")],
    at: Annotated[str | None, typer.Option(help="Institución; si no, el MBMID. The institution, or the MBMID.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pide la ventana de un caso: pasos, plazos y qué salió; ningún contenido. Ask for the window to one case."""
    body = {"folio": case, "complaint": complaint} | ({} if at is None else {"to": at})
    answer = LocalNode.from_option(config).send("/api/v1/audit", body)
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ Pedida. Véala con: paradero audit show {answer['id']}", markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra las ventanas que se pidieron desde aquí. The windows asked for from here."""
    _print(LocalNode.from_option(config).get("/api/v1/audit"), as_json=as_json)


@app.command()
def opened(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra qué ventanas abrió la PDH en esta institución. Which windows were opened here."""
    _print(LocalNode.from_option(config).get("/api/v1/oversight"), as_json=as_json)


@app.command()
def show(
    window: Annotated[str, typer.Argument(help="Identificador de la ventana. The window's id.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Muestra una ventana: quién preguntó qué, cuándo se respondió, qué salió. Show a window."""
    answer = LocalNode.from_option(config).get(f"/api/v1/audit/{window}")
    if as_json:
        print_json(answer)
        return
    for line in told(answer):
        out.print(line, markup=False)
    if answer["window"] is not None and answer["window"]["result"] == "opened":
        print_table("\nPasos", _STEPS, [_step(step) for step in answer["window"].get("steps", [])])
        print_table("\nQué salió", _COPIES, [_copy(copy) for copy in answer["window"].get("copies", [])])


def told(answer: dict[str, Any]) -> list[str]:
    """Return what a window is, in words."""
    window = answer["window"]
    lines = [f"Caso {answer['folio']}, queja {answer['complaint']}, en {answer['node']}"]
    if window is None:
        return [*lines, "Aún no hay respuesta."]
    if window["result"] == "unknown-case":
        return [*lines, "La institución dice que no tiene ese caso."]
    if window["result"] == "refused":
        return [*lines, f"No se abrió: {_REFUSED.get(window['basis'], window['basis'])}."]
    late = sum(step["overdue"] for step in window.get("steps", []))
    lines += [
        f"{len(window.get('steps', []))} pasos, {late} fuera de plazo; {len(window.get('copies', []))} copias entregadas."
    ]
    return lines if window["complete"] else [*lines, "Hay más de lo que cabe: esto es lo último."]


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    rows = [row | {"result": _RESULTS.get(row["result"], row["result"])} for row in answer["windows"]]
    print_table("Ventanas", _WINDOWS, rows)


def _step(step: dict[str, Any]) -> dict[str, Any]:
    return step | {
        "opened": _day(step["opened_at"]),
        "what": word("kind", step["kind"], "es"),
        "due": _day(step.get("due_at")),
        "answered": _day(step.get("answered_at")),
        "late": "FUERA DE PLAZO" if step["overdue"] else "",
    }


def _copy(copy: dict[str, Any]) -> dict[str, Any]:
    fields = ", ".join(
        item["field"] if item["form"] == "exact" else f"{item['field']} ({item['form']})" for item in copy["fields"]
    )
    return copy | {"sent": _day(copy["sent_at"]), "fields": fields}


def _day(seconds: int | None) -> str:
    return "—" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"
