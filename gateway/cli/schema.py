"""`paradero schema`: the JSON Schemas of everything that crosses the wire."""

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.schemas import json_schemas
from gateway.cli.output import out, print_json, reported

app = typer.Typer(no_args_is_help=True, help="Esquemas JSON del protocolo. JSON Schemas of the protocol.")


@app.callback()
def _group() -> None:
    """Esquemas JSON del protocolo."""


@app.command()
def dump(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="Carpeta de destino; sin ella, un objeto en la salida. A folder; without it, one object to stdout."
        ),
    ] = None,
) -> None:
    """Escribe los esquemas JSON (2020-12) de cada mensaje, recibo y registro. Write every JSON Schema."""
    schemas = json_schemas()
    if folder is None:
        print_json(schemas)
        return
    with reported():
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in schemas.items():
            (folder / f"{name}.schema.json").write_text(_pretty(schema), encoding="utf-8")
    out.print(f"{len(schemas)} esquemas en {folder}", markup=False)


def _pretty(schema: object) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
