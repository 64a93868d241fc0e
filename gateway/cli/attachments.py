"""`paradero attachment`: pictures and documents that travel with a record, cleaned and sealed."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.attachments import MAX_CONTENT
from contracts.errors import MalformedError, TooLargeError
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, out, print_json, print_table, reason, reported

app = typer.Typer(no_args_is_help=True, help="Fotografías y documentos adjuntos. Attached pictures and documents.")

Attachment = Annotated[str, typer.Argument(help="Identificador del adjunto. The attachment's id.")]

_LIST = {
    "id": "ADJUNTO",
    "direction": "SENTIDO",
    "peer": "CON",
    "what": "QUÉ ES",
    "grade": "GRADO",
    "size": "TAMAÑO",
    "state": "ESTADO",
}
_DIRECTIONS = {"sent": "nuestro", "received": "recibido"}
_GRADES = {"object": "objeto", "mark": "seña", "face": "rostro"}
_KINDS = {"image/jpeg": "fotografía", "image/png": "imagen", "application/pdf": "PDF"}
_STATES = {
    "ready": "listo, sin enviar",
    "sent": "enviado",
    "wanted": "llegando",
    "here": "aquí, entero",
    "missing": "no se pudo traer",
    "broken": "dañado: no se muestra",
    "erasing": "borrándose",
    "erased": "borrado",
}


@app.callback()
def _group() -> None:
    """Fotografías y documentos adjuntos."""


@app.command()
def add(
    source: Annotated[Path, typer.Argument(help="Fotografía o PDF, hasta 25 MiB. A picture or PDF, up to 25 MiB.")],
    grade: Annotated[
        str,
        typer.Option(help="Qué deja reconocer: object, mark o face; en la duda, face. What it shows; in doubt, face."),
    ],
    request: Annotated[
        str | None, typer.Option(help="Pregunta a la que se responde con él. The question it helps to answer.")
    ] = None,
    thread: Annotated[
        str | None, typer.Option(help="Hilo en que irá, si ya existe. The thread it goes into, if there is one.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Limpia y sella una fotografía o un PDF; el nombre del archivo no sale de aquí. Clean and seal a picture or a PDF."""
    with reported():
        data = _read(source)
    where = {name: value for name, value in (("request", request), ("thread", thread)) if value is not None}
    answer = LocalNode.from_option(config).post("/api/v1/attachments", data, grade=grade, **where)
    if as_json:
        print_json(answer)
        return
    out.print(f"✓ {_KINDS[answer['media_type']]} sin metadatos, sellada: {answer['id']}", markup=False)
    out.print(f'  En el registro: attachments = ["{answer["id"]}"]   Hilo: {answer["thread_id"]}', markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los adjuntos, enviados y recibidos. List attachments, sent and received."""
    answer = LocalNode.from_option(config).get("/api/v1/attachments")
    if as_json:
        print_json(answer)
        return
    print_table("Adjuntos", _LIST, [_row(item) for item in answer["attachments"]])


@app.command()
def show(attachment: Attachment, config: Config = None, as_json: AsJson = False) -> None:
    """Dice qué es un adjunto y cómo va; no muestra su contenido. What an attachment is, and how it stands."""
    answer = LocalNode.from_option(config).get(f"/api/v1/attachments/{attachment}")
    if as_json:
        print_json(answer)
        return
    _tell(answer)


@app.command()
def fetch(attachment: Attachment, config: Config = None, as_json: AsJson = False) -> None:
    """Trae ahora un adjunto recibido, desde donde se quedó. Fetch a received attachment now, from where it stopped."""
    answer = LocalNode.from_option(config).send(f"/api/v1/attachments/{attachment}/fetch", {})
    if as_json:
        print_json(answer)
        return
    _tell(answer)


@app.command()
def save(
    attachment: Attachment,
    to: Annotated[Path, typer.Option("--to", help="Archivo nuevo donde guardarlo. The new file to save it to.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Saca un adjunto del nodo a un archivo suyo; queda en la bitácora quién lo hizo. Save one; the log says who did."""
    if to.exists():
        fail(ExitCode.USAGE, f"Ya existe {to}; no se tocó.", advice="Elija otro nombre.")
    data = LocalNode.from_option(config).get_bytes(f"/api/v1/attachments/{attachment}/content")
    try:
        opened = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(opened, "wb") as file:
            file.write(data)
    except OSError as error:
        fail(ExitCode.USAGE, f"No se pudo escribir {to}.", why=reason(error), advice="Compruebe la carpeta y sus permisos.")
    if as_json:
        print_json({"id": attachment, "file": str(to), "bytes": len(data)})
        return
    out.print(f"✓ Guardado en {to}. Bórrelo cuando no haga falta: ya está fuera del nodo.", markup=False)


@app.command()
def drop(attachment: Attachment, config: Config = None, as_json: AsJson = False) -> None:
    """Borra un adjunto que no se envió. Erase an attachment that was not sent."""
    answer = LocalNode.from_option(config).send(f"/api/v1/attachments/{attachment}/drop", {})
    if as_json:
        print_json(answer)
        return
    out.print("✓ Borrado: nadie supo de él.", markup=False)


def _read(source: Path) -> bytes:
    with source.open("rb") as file:
        data = file.read(MAX_CONTENT + 1)
    if len(data) > MAX_CONTENT:
        error = TooLargeError("pasa de 25 MiB")
        error.advice = "Reduzca la fotografía, o divida el documento (make it smaller)."
        raise error
    if not data:
        raise MalformedError("vacío")
    return data


def _row(item: dict[str, Any]) -> dict[str, Any]:
    state = _STATES.get(item["state"], item["state"])
    if item["state"] == "wanted":
        state += f", {100 * item['have'] // item['size']} %" + (f" ({item['reason']})" if item["reason"] else "")
    return {
        **item,
        "direction": _DIRECTIONS[item["direction"]],
        "what": _KINDS.get(item["media_type"], item["media_type"]),
        "grade": _GRADES.get(item["grade"], item["grade"]),
        "size": f"{item['size'] / 1024:.0f} KiB",
        "state": state,
    }


def _tell(item: dict[str, Any]) -> None:
    row = _row(item) | {"thread": item["thread_id"], "next": item["next_try"] or "—"}
    told = {**_LIST, "thread": "HILO", "made": "DESDE", "next": "SE INTENTA"}
    print_table("", {"name": "", "value": ""}, [{"name": title, "value": row[name]} for name, title in told.items()])
