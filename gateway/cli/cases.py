"""`paradero case`: who has what of a case, so that a family can read it."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Annotated, Any

import typer

from contracts.policy.words import Lang
from gateway.cli.consents import Case, case_named
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, out, print_json

app = typer.Typer(no_args_is_help=True, help="Casos. Cases.")

_GUATEMALA = timezone(timedelta(hours=-6))
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
    day = f"{datetime.fromisoformat(sent).astimezone(_GUATEMALA):%Y-%m-%d %H:%M}"
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
