"""`paradero duty`: what a law makes an institution tell another, and its end, told to everybody who was told."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.consents import Case, case_named
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table
from gateway.cli.referrals import records_of

app = typer.Typer(no_args_is_help=True, help="Avisos por deber. Notices by duty.")

_COLUMNS = {"to": "A QUIÉN", "state": "ESTADO", "delivery": "AVISO", "cancel_delivery": "FIN", "notice": "IDENTIFICADOR"}


@app.command("list")
def list_(case: Case, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra a quién se avisó de un caso por deber, y quién firmó de recibido. Who was told, and who signed for it."""
    answer = LocalNode.from_option(config).get(f"/api/v1/cases/{case_named(case)}/duties")
    print_json(answer) if as_json else print_table("Avisos por deber. Notices by duty", _COLUMNS, answer["duties"])


@app.command()
def send(
    case: Case,
    records: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON con los registros. A JSON file.")],
    to: Annotated[str, typer.Option(help="Nodo, por ejemplo gt.mp. The node.")],
    duty: Annotated[str, typer.Option(help="Qué deber, un código: alba-keneth. Which duty, a code.")],
    purpose: Annotated[str, typer.Option(help="Fin, por ejemplo protect-child. The purpose.")],
    basis: Annotated[str, typer.Option(help="Base legal, por ejemplo gt:alba-keneth:8. The legal basis.")],
    age_known: Annotated[bool, typer.Option(help="Si la edad se conoce. Whether the age is known.")] = True,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Avisa por deber; ningún consentimiento lo detiene. Tell by duty; no consent stops it."""
    body = {"to": to, "duty": duty, "purpose": purpose, "basis": basis, "age_known": age_known, "records": records_of(records)}
    answer = LocalNode.from_option(config).send(f"/api/v1/cases/{case_named(case)}/duties", body)
    print_json(answer) if as_json else out.print(
        f"{answer['state']}: {answer.get('message_id') or answer['held']}", markup=False
    )


@app.command()
def end(case: Case, config: Config = None, as_json: AsJson = False) -> None:
    """Dice a todos los avisados que terminó; el motivo se queda aquí. Tell everybody who was told that it is over."""
    answer = LocalNode.from_option(config).send(f"/api/v1/cases/{case_named(case)}/duties/cancel", {})
    print_json(answer) if as_json else out.print(f"Avisado a {len(answer['messages'])}.", markup=False)
