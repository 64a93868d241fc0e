"""`paradero inbox`: what waits for people of one's office, until when, and who has it."""

from typing import Annotated, Any

import typer

from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Bandeja de trabajo de la oficina. The office's inbox of work.")

Item = Annotated[str, typer.Argument(help="Identificador, como lo muestra la lista. The id the list shows.")]
All = Annotated[bool, typer.Option("--all", help="También lo terminado. What is over, too.")]

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
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pasa el trabajo a otra oficina de la institución. Pass it on to another office."""
    answer = LocalNode.from_option(config).send(f"/api/v1/inbox/{item}/move", {"office": office})
    done(answer, f"{item}: ahora es de la oficina {office}.", as_json=as_json)


def print_work(answer: dict[str, Any], *, as_json: bool) -> None:
    """Print a list of work, section by section, in the order in which it should be looked at."""
    if as_json:
        print_json(answer)
        return
    out.print(answer["headline"], markup=False)
    for section in dict.fromkeys(item["section"] for item in answer["work"]):
        print_table(section, COLUMNS, [item for item in answer["work"] if item["section"] == section])


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
        "Urgencia": item["urgency"],
        "Puede ser menor": item["minor"],
        "Finalidad": item["purpose"],
        "Base": item["basis"],
        "Oficina": item["office"],
        "Lo tiene": item["has_it"],
    }
    print_table(item["kind_es"], {"name": "", "value": ""}, [{"name": name, "value": value} for name, value in told.items()])
    columns = {"at": "CUÁNDO", "who": "QUIÉN", "kind": "QUÉ", "records": "CON DATOS", "message_id": "MENSAJE"}
    said = [line | {"who": "esta institución" if line["ours"] else item["peer"]} for line in item["said"]]
    print_table("Lo que se dijo", columns, said)


def done(answer: dict[str, Any], words: str, *, as_json: bool) -> None:
    """Say that something was done, or that it waits for another person."""
    if as_json:
        print_json(answer)
    elif answer.get("state") == "held":
        out.print(f"● Espera a otra persona ({', '.join(answer['waits'])}). Aún no salió nada.", markup=False)
        out.print(f"  Quien la apruebe: `paradero hold show {answer['held']}`.", markup=False)
    else:
        out.print(f"✓ {words}", markup=False)


def _all(*, everything: bool) -> dict[str, str]:
    return {"all": "yes"} if everything else {}
