"""`paradero case`: who has what of it, so that a family can read it; what a person found wants; how it ends."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import typer

from contracts.calendars import GUATEMALA
from contracts.policy.words import Lang
from gateway.cli.consents import Case, case_named
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, out, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Casos. Cases.")
_COLUMNS = {
    "folio": "folio",
    "kind": "tipo",
    "peer": "de o para",
    "state": "estado",
    "sent": "enviado",
    "opened": "recibido",
    "delayed_by": "demora",
    "same_as": "misma persona que",
    "thread_id": "hilo",
}
WAITS = "waits-second"
Other = Annotated[
    str, typer.Argument(help="Folio del caso en que ya se busca a esa persona. The case they are searched for in.")
]

_STATES = {
    "held": ("lo tiene", "has it"),
    "not-taken": ("no lo aceptó: no lo tiene", "did not take it: does not have it"),
    "unknown": ("se envió y no se sabe si llegó", "it was sent; nobody knows whether it arrived"),
    "withdrawn": ("no llegó a salir", "never left"),
    "wanted": ("debe borrarlo; aún no se le pudo avisar", "must erase it; could not be told yet"),
    "ordered": ("se le ordenó borrarlo; falta su constancia", "was ordered to erase it; its receipt is missing"),
    "erased": ("lo borró, con constancia firmada", "erased it, with a signed receipt"),
    "refused": ("dice que una ley le obliga a conservarlo", "says a law makes it keep it"),
}


@app.command("who-has")
def who_has(
    case: Case,
    lang: Annotated[str, typer.Option(help="es o en. The language.")] = "es",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice quién tiene qué datos de un caso, desde cuándo, para qué y por qué ley. Who has which data of a case."""
    if lang not in {"es", "en"}:
        fail(ExitCode.USAGE, "No hay textos en ese idioma.", advice="--lang es o --lang en.")
    answer = LocalNode.from_option(config).get(f"/api/v1/cases/{case_named(case)}/who-has")
    if as_json:
        print_json(answer)
        return
    for line in told(answer["case"], answer["holdings"], "en" if lang == "en" else "es"):
        out.print(line, markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los casos: cuándo se enviaron y llegaron, qué los retrasó, con cuál comparten persona. List cases."""
    answer = LocalNode.from_option(config).get("/api/v1/cases")
    if as_json:
        print_json(answer)
        return
    print_table("Casos. Cases", _COLUMNS, answer["cases"])


@app.command("same-person")
def same_person(case: Case, other: Other, config: Config = None, as_json: AsJson = False) -> None:
    """Une un reporte al caso de la misma persona; cada reportante sigue aparte. Join two reports about one person."""
    answer = LocalNode.from_option(config).send(f"/api/v1/cases/{case_named(case)}/same-person", {"as": other})
    print_json(answer) if as_json else out.print(f"{answer['case']}: se le busca en {answer['same_as']}.", markup=False)


@app.command("other-person")
def other_person(case: Case, config: Config = None, as_json: AsJson = False) -> None:
    """Separa un reporte que se unió por error: era otra persona. Part a report joined by mistake."""
    answer = LocalNode.from_option(config).delete(f"/api/v1/cases/{case_named(case)}/same-person")
    print_json(answer) if as_json else out.print(f"{answer['case']}: vuelve a ser un caso aparte.", markup=False)


@app.command("never-to")
def never_to(
    case: Case,
    target: Annotated[
        str | None, typer.Argument(help="Nodo, papel (foreign-consulate) o country:ve; sin él, muestra los que hay. Whom.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Motivo, un código; se queda aquí. A code; it stays here.")] = "risk",
    lift: Annotated[
        bool, typer.Option("--lift", help="Levanta la regla; lo dicen dos personas. Lift the rule; it takes two persons.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice a quién no debe llegar nunca nada de un caso. Say whom nothing of a case must ever reach."""
    node, path = LocalNode.from_option(config), f"/api/v1/cases/{case_named(case)}/never-to"
    if target is None:
        answer = node.get(path)
    else:
        answer = (
            node.send(f"{path}/lift", {"target": target}) if lift else node.send(path, {"target": target, "reason": reason})
        )
    if as_json:
        print_json(answer)
        return
    if answer.get("state") == WAITS:
        out.print("Falta otra persona: la regla sigue en pie hasta que alguien más diga lo mismo, en 7 días.", markup=False)
    out.print(f"Nada de este caso sale hacia: {', '.join(answer['never_to']) or 'nadie está excluido'}.", markup=False)


@app.command()
def wish(
    case_ref: Annotated[str, typer.Argument(help="Expediente propio de la persona hallada. Your own file of who was found.")],
    said: Annotated[
        str,
        typer.Option(
            "--wish", help="contact, sealed-messages-only, alive-only, cannot-say, undecided o silence. What the person wants."
        ),
    ],
    evidence: Annotated[str, typer.Option(help="Cómo se sabe: un código, por ejemplo interview. How it is known.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Anota qué quiere la persona hallada; sin eso no se dice a nadie. Write down what the person found wants."""
    answer = LocalNode.from_option(config).send("/api/v1/wishes", {"case_ref": case_ref, "wish": said, "evidence": evidence})
    if as_json:
        print_json(answer)
    else:
        out.print(f"✓ Anotado: {answer['wish']}. Lo que espera se vuelve a juzgar antes de salir.", markup=False)


@app.command()
def close(
    case: Case,
    ending: Annotated[str, typer.Option("--as", help="Cómo terminó; se queda en este nodo. How it ended; it stays here.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Cierra un caso cuando dos personas lo dicen: a todos se les avisa igual. Close a case; it takes two persons."""
    answer = LocalNode.from_option(config).send(f"/api/v1/cases/{case_named(case)}/close", {"as": ending})
    if as_json:
        print_json(answer)
    elif answer["state"] == WAITS:
        out.print("Falta otra persona: el caso sigue abierto hasta que alguien más diga lo mismo, en 7 días.", markup=False)
    else:
        out.print(f"✓ Cerrado. Se avisa a: {', '.join(answer['told']) or 'nadie'}.", markup=False)


def told(case: str, holdings: Sequence[dict[str, Any]], lang: Lang) -> list[str]:
    """Return a page a family can read: by institution, what it was given, in which form, when, what for, by which law."""
    es = lang == "es"
    if not holdings:
        return [f"Caso {case}: ningún dato ha salido de esta institución." if es else f"Case {case}: no data has left."]
    lines = [f"Caso {case}: quién tiene sus datos" if es else f"Case {case}: who has your data"]
    copies = sorted(holdings, key=lambda row: (row["name"], row["sent"], row["message"], row["record"]))
    for (name, sent, _), rows in groupby(copies, key=lambda row: (row["name"], row["sent"], row["message"])):
        lines += _copy(name, sent, list(rows), lang)
    return lines


def _copy(name: str, sent: str, rows: Sequence[dict[str, Any]], lang: Lang) -> list[str]:
    es, first = lang == "es", rows[0]
    day = f"{datetime.fromisoformat(sent).astimezone(GUATEMALA):%Y-%m-%d %H:%M}"
    lines = ["", f"{name}, {day}"]
    for state, part in groupby(sorted(rows, key=lambda row: row["state"]), key=lambda row: row["state"]):
        fields = list(part)
        said = "; ".join(_field(row, lang) for row in sorted(fields, key=lambda row: row[f"field_{lang}"]))
        lines += [f"  {_STATES[state][not es]}: {said}."]
        if state == "refused":
            lines += [f"  {'Ley' if es else 'Law'}: {fields[0]['kept_by']}."]
    lines += [f"  {'Para qué' if es else 'What for'}: {first[f'purpose_{lang}']}."]
    lines += [f"  {'Por qué ley o permiso' if es else 'By which law or consent'}: {first[f'basis_{lang}']}."]
    until = first["keep_until"][:10]
    lines += [f"  {'Puede conservarlo hasta' if es else 'May keep it until'}: {until}."]
    if any(row["overdue"] for row in rows):
        lines += [
            "  Ese plazo ya venció y no consta que lo borrara." if es else "  That has passed, and nothing says it is gone."
        ]
    return lines


def _field(row: dict[str, Any], lang: Lang) -> str:
    label = str(row[f"field_{lang}"])
    return label if row["form"] == "exact" else f"{label} ({row[f'form_{lang}']})"
