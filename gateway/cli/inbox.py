"""`paradero inbox`: what waits for people of one's office, until when, and who has it."""

import json
from typing import Annotated, Any

import typer

from contracts.fields.coded import coded
from contracts.policy.words import word
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, present, print_json, print_table
from gateway.console.refusals import walls_in_words

app = typer.Typer(no_args_is_help=True, help="Bandeja de trabajo de la oficina. The office's inbox of work.")

Item = Annotated[str, typer.Argument(help="Identificador, como lo muestra la lista. The id the list shows.")]
All = Annotated[bool, typer.Option("--all", help="También lo terminado. What is over, too.")]

Reason = Annotated[
    str | None,
    typer.Option(help="competence, workload, absence, conflict, other. Queda en la bitácora. The log keeps it."),
]

COLUMNS = {
    "id": "IDENTIFICADOR",
    "kind_es": "TIPO",
    "peer": "CON",
    "state_es": "ESTADO",
    "due_es": "PLAZO",
    "service_es": "SERVICIO",
    "urgency": "URGENCIA",
    "office": "OFICINA",
    "has_it": "LO TIENE",
}

_URGENCIES = {"normal": "normal", "urgent": "urgente", "life-at-risk": "vida en riesgo"}


@app.command("list")
def list_(
    due: Annotated[
        int | None, typer.Option(min=1, max=8784, help="Sólo lo que vence en tantas horas. Only what is due within hours.")
    ] = None,
    everything: All = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Muestra el trabajo de su oficina: lo vencido primero. Show your office's work, what is late first."""
    query = {} if due is None else {"due": str(due)}
    answer = LocalNode.from_option(config).get("/api/v1/inbox", **query, **_all(everything=everything))
    print_work(answer, as_json=as_json)


@app.command("read")
def read_(
    message: Annotated[str, typer.Argument(help="Identificador de lo recibido. The id of what came.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Abre lo que trajo un reporte, hallazgo, aviso o referencia; queda constancia. Open what came; that you did is noted."""
    answer = LocalNode.from_option(config).get(f"/api/v1/received/{message}")
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer['kind']}, de {answer['from']}, recibido {answer['received']}", markup=False)
    for record in answer["records"]:
        rows = [{"field": name, "value": json.dumps(value, ensure_ascii=False)} for name, value in record["claims"].items()]
        print_table(record["type"], {"field": "CAMPO", "value": "VALOR"}, rows)


@app.command()
def take(item: Item, config: Config = None, as_json: AsJson = False) -> None:
    """Dice que usted lo atiende; quien llega segundo lo sabe. Say that you have it."""
    answer = LocalNode.from_option(config).send(f"/api/v1/inbox/{item}/take", {})
    done(answer, f"{item}: lo tiene usted.", as_json=as_json)


@app.command("done")
def done_(item: Item, config: Config = None, as_json: AsJson = False) -> None:
    """Dice que ya no queda nada por hacer. Say that there is nothing left to do."""
    answer = LocalNode.from_option(config).send(f"/api/v1/inbox/{item}/done", {})
    done(answer, f"{item}: terminado.", as_json=as_json)


@app.command()
def move(
    item: Item,
    office: Annotated[str, typer.Option(help="Código de la oficina que lo atenderá. The office that takes it on.")],
    reason: Reason = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pasa el trabajo a otra oficina de la institución. Pass it on to another office."""
    answer = LocalNode.from_option(config).send(f"/api/v1/inbox/{item}/move", {"office": office} | _reason(reason))
    done(answer, f"{item}: ahora es de la oficina {office}.", as_json=as_json)


@app.command()
def give(
    item: Item,
    to: Annotated[str, typer.Option(help="Usuario de quien lo atenderá. The login of who takes it on.")],
    reason: Reason = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Da el trabajo a una persona de la oficina. Give it to a person of the office."""
    answer = LocalNode.from_option(config).send(f"/api/v1/inbox/{item}/give", {"person": to} | _reason(reason))
    done(answer, f"{item}: lo tiene {to}.", as_json=as_json)


def print_work(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print a list of work, section by section, in the order in which it should be looked at."""
    if as_json:
        print_json(answer)
        return
    out.print(answer["headline"], markup=False)
    for section in dict.fromkeys(item["section"] for item in answer["work"]):
        rows = [item | _words(item) for item in answer["work"] if item["section"] == section]
        print_table(section, present(COLUMNS, rows), rows)


def print_one(item: dict[str, Any], *, as_json: bool) -> None:
    """Print one item and what was said in it."""
    if as_json:
        print_json(item)
        return
    told = {
        "Con": item["peer"],
        "Estado": item["state_es"],
        "Plazo": item["due_es"],
        "Servicio": item["service_es"],
        "Urgencia": _words(item)["urgency"],
        "Puede ser menor": None if item["minor"] is None else coded(item["minor"], spanish=True),
        "Finalidad": item["purpose_es"],
        "Base": item["basis_es"],
        "Oficina": item["office"],
        "Lo tiene": item["has_it"],
    }
    print_table(item["kind_es"], {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in told.items()])
    columns = {"at": "CUÁNDO", "who": "QUIÉN", "kind": "QUÉ", "records": "CON DATOS", "message_id": "MENSAJE"}
    said = [
        line | {"who": "esta institución" if line["ours"] else item["peer"], "kind": word("kind", line["kind"], "es")}
        for line in item["said"]
    ]
    print_table("Lo que se dijo", columns, said)


def _words(item: dict[str, Any]) -> dict[str, Any]:
    return {"urgency": _URGENCIES.get(item["urgency"], item["urgency"])}


def done(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    """Say that something was done, or that it waits for another person."""
    if as_json:
        print_json(answer)
    elif answer.get("state") == "held":
        out.print(f"● Espera a una persona: {walls_in_words(answer['waits'])}. Aún no salió nada.", markup=False)
        out.print(f"  Quien la apruebe: `paradero hold show {answer['held']}`.", markup=False)
    else:
        out.print(f"✓ {words}", markup=False)


def _reason(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def _all(*, everything: bool) -> dict[str, str]:
    return {"all": "yes"} if everything else {}
