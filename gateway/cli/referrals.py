"""`paradero referral`: work that passes between institutions. An offer names nobody; data leaves after the acceptance."""

from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.codec import parse_object
from contracts.errors import ExchangeError
from gateway.cli.inbox import All, done, print_one, print_work
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, reported

app = typer.Typer(no_args_is_help=True, help="Referencias entre instituciones. Referrals between institutions.")

LIMIT = 256 * 1024
Referral = Annotated[str, typer.Argument(help="Identificador de la referencia. The referral's id.")]
Office = Annotated[str | None, typer.Option(help="Su oficina, si tiene puesto en varias. Your office, if you have several.")]
Records = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help='Archivo JSON: {"records":[{"type":…,"values":{…}}]}. Sólo sale lo permitido. A JSON file of records.',
    ),
]


@app.command()
def offer(
    to: Annotated[str, typer.Option(help="Nodo al que se le pide, por ejemplo gt.conamigua. Whom to ask.")],
    case: Annotated[str, typer.Option(help="Folio o hilo del caso aquí; no sale. The case's folio or thread here.")],
    service: Annotated[str, typer.Option(help="Servicio, por ejemplo transport. The service.")],
    minor: Annotated[str, typer.Option(help="¿Es menor de edad? yes, no o possible. Under 18?")],
    purpose: Annotated[str, typer.Option(help="Finalidad de la política, por ejemplo support-family. The purpose.")],
    basis: Annotated[str, typer.Option(help="Base legal de la política, por ejemplo consent. The legal basis.")],
    urgency: Annotated[str, typer.Option(help="normal, urgent o life-at-risk. How urgent.")] = "normal",
    language: Annotated[str | None, typer.Option(help="Idioma, BCP 47: es, quc, mam. The language.")] = None,
    department: Annotated[str | None, typer.Option(help="Departamento o estado, ISO 3166-2: gt-13. Where.")] = None,
    office: Office = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Ofrece un trabajo a otra institución, sin decir de quién se trata. Offer work without naming anybody."""
    body = {
        "to": to,
        "case": case,
        "service": service,
        "minor": minor,
        "purpose": purpose,
        "basis": basis,
        "urgency": urgency,
        "language": language,
        "department": department,
        "office": office,
    }
    answer = LocalNode.from_option(config).send("/api/v1/referrals", _given(body))
    done(answer, f"Ofrecida: {answer['id']}. Los datos saldrán cuando la acepten.", as_json=as_json)


@app.command()
def accept(
    referral: Referral,
    office: Office = None,
    starts_by: Annotated[str | None, typer.Option(help="Cuándo empieza, con su zona: 2026-11-30T08:00-06:00. When.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Acepta una referencia; queda a su nombre. Accept a referral; you have it."""
    _act(referral, "accept", {"office": office, "starts_by": starts_by}, "Aceptada.", config, as_json=as_json)


@app.command()
def decline(
    referral: Referral,
    reason: Annotated[
        str,
        typer.Option(
            help="not-competent, outside-area, no-capacity, already-served, needs-more u other. Why not.",
        ),
    ],
    suggest: Annotated[str | None, typer.Option(help="Qué nodo podría. Who may take it instead.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """No acepta una referencia, y dice por qué. Decline a referral."""
    _act(referral, "decline", {"reason": reason, "suggestion": suggest}, "Rechazada.", config, as_json=as_json)


@app.command()
def update(
    referral: Referral,
    progress: Annotated[
        str,
        typer.Option(
            help="records-sent, in-progress, waiting-for-family, waiting-for-sender, extension-asked. Where it stands."
        ),
    ],
    expected_by: Annotated[str | None, typer.Option(help="Para cuándo, con su zona. Until when.")] = None,
    records: Records = None,
    relative: Annotated[
        str | None, typer.Option(help="De qué familiar es el registro de familia que va. Whose a relative's record is.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice cómo va un trabajo aceptado; puede llevar datos. Tell where accepted work stands."""
    body = {"progress": progress, "expected_by": expected_by, "records": records_of(records), "relative": relative}
    _act(referral, "update", body, "Avisado.", config, as_json=as_json)


@app.command("done")
def done_(
    referral: Referral,
    outcome: Annotated[str, typer.Option(help="done, partly, not-possible o not-wanted. How it ended.")],
    records: Records = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Dice que un trabajo aceptado terminó. Say that accepted work is over."""
    _act(referral, "done", {"outcome": outcome, "records": records_of(records)}, "Realizada.", config, as_json=as_json)


@app.command()
def withdraw(
    referral: Referral,
    reason: Annotated[str, typer.Option(help="no-longer-needed, consent-withdrawn, sent-in-error o taken-elsewhere. Why.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Retira una referencia ofrecida; vale cuando la otra parte lo confirma. Take an offer back."""
    words = "Pedido. Estará retirada cuando lo confirmen; si la aceptaron antes, se le avisará."
    _act(referral, "withdraw", {"reason": reason}, words, config, as_json=as_json)


@app.command("list")
def list_(everything: All = False, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra las referencias de su oficina. List your office's referrals."""
    query = {"all": "yes"} if everything else {}
    print_work(LocalNode.from_option(config).get("/api/v1/referrals", **query), as_json=as_json)


@app.command()
def show(referral: Referral, config: Config = None, as_json: AsJson = False) -> None:
    """Muestra una referencia y lo que se dijo en ella. Show a referral and what was said in it."""
    print_one(LocalNode.from_option(config).get(f"/api/v1/referrals/{referral}"), as_json=as_json)


def _act(referral: str, act: str, body: dict[str, Any], words: str, config: Path | None, *, as_json: bool) -> None:
    answer = LocalNode.from_option(config).send(f"/api/v1/referrals/{referral}/{act}", _given(body))
    done(answer, words, as_json=as_json)


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def records_of(path: Path | None) -> list[Any] | None:
    """Return the records of a file, to be checked by the node; None without a file. Ends the command on another file."""
    if path is None:
        return None
    with reported():
        data = path.read_bytes()
    try:
        found = parse_object(data, limit=LIMIT).get("records")
    except ExchangeError as error:
        fail(ExitCode.USAGE, "El archivo no es un objeto JSON.", why=error.code.value, advice='Lleva {"records":[…]}.')
    if not isinstance(found, list):
        fail(ExitCode.USAGE, "El archivo no trae registros.", advice='Lleva {"records":[{"type":…,"values":{…}}]}.')
    return found
