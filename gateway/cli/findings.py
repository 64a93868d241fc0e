"""`paradero finding`: somebody was found whom nobody has named. Remains leave when two people agreed."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.inbox import All, done, print_one, print_work
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.referrals import Office, records_of

app = typer.Typer(no_args_is_help=True, help="Hallazgos: restos, pacientes, personas detenidas. Findings.")


@app.command()
def send(
    record: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help='Archivo JSON con un registro: {"records":[{"type":"unidentified-remains","values":{…}}]}. A JSON file.',
        ),
    ],
    authority: Annotated[str, typer.Option(help="Autoridad competente, por ejemplo us.tx.kenedy.jp-2. Who is competent.")],
    country: Annotated[str, typer.Option(help="País, dos letras: US, MX, GT. The country.")],
    case_ref: Annotated[str, typer.Option(help="Número de expediente propio; no sale. Your own file number; stays here.")],
    basis: Annotated[str | None, typer.Option(help="Base legal, si no es la usual. The legal basis.")] = None,
    received_at: Annotated[str | None, typer.Option(help="Cuándo se supo, con su zona. When it became known.")] = None,
    reference: Annotated[str | None, typer.Option(help="Referencia que sí sale. A reference that leaves.")] = None,
    office: Office = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Avisa al MBMID de un hallazgo. Tell the MBMID of somebody found."""
    body = {
        "records": records_of(record),
        "authority": authority,
        "country": country,
        "case_ref": case_ref,
        "basis": basis,
        "received_at": received_at,
        "sender_reference": reference,
        "office": office,
    }
    given = {name: value for name, value in body.items() if value is not None}
    answer = LocalNode.from_option(config).send("/api/v1/findings", given)
    done(answer, f"Avisado: {answer['id']}.", as_json=as_json)


@app.command("list")
def list_(everything: All = False, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los hallazgos recibidos y los enviados que aún esperan acuse. List findings."""
    query = {"all": "yes"} if everything else {}
    print_work(LocalNode.from_option(config).get("/api/v1/findings", **query), as_json=as_json)


@app.command()
def clarify(
    finding: Annotated[str, typer.Argument(help="Identificador del hallazgo recibido. The id of a finding that came.")],
    field: Annotated[
        list[str], typer.Option("--field", help="Campo que hace falta; se puede repetir. A field that is needed.")
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Pide a quien avisó los campos que faltan para decidir, y no otros. Ask for the fields that decide, and no others."""
    answer = LocalNode.from_option(config).send(f"/api/v1/findings/{finding}/clarify", {"fields": field})
    done(answer, "Pedido.", as_json=as_json)


@app.command()
def show(
    finding: Annotated[str, typer.Argument(help="Identificador del hallazgo. The finding's id.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Muestra un hallazgo y lo que se dijo de él. Show a finding."""
    print_one(LocalNode.from_option(config).get(f"/api/v1/findings/{finding}"), as_json=as_json)
