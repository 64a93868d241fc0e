"""`paradero report` and `paradero adapter`: from an institution's own files to messages."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, err, out, print_json, print_table, reported
from gateway.config import config_path, load_config
from gateway.console.trials import TrialField, TrialRow
from gateway.exchange.desk import SECOND_PERSON, TEXT_HELD
from gateway.main.trial import installed_adapters, try_mapping

report = typer.Typer(no_args_is_help=True, help="Reportes de familias. Families' reports.")
adapter = typer.Typer(no_args_is_help=True, help="Fuentes de la institución. The institution's own sources.")

Source = Annotated[Path, typer.Argument(help="Archivo CSV o XLSX. A CSV or XLSX file.")]
Mapping = Annotated[
    str, typer.Option("--mapping", "-m", help="Nombre del mapeo en la carpeta de mapeos del nodo. A mapping of the node.")
]

_ROWS = {"row": "FILA", "outcome": "RESULTADO", "reasons": "MOTIVOS", "kinds": "MENSAJES"}


@report.callback()
def _report_group() -> None:
    """Reportes de familias."""


@report.command()
def transfer(source: Source, mapping: Mapping, config: Config = None, as_json: AsJson = False) -> None:
    """Traslada de inmediato los reportes de un archivo al MBMID (y a la PGN si puede ser menor). Transfer reports.

    Una segunda vez con el mismo archivo no envía nada dos veces.
    """
    _import(source, mapping, config, as_json=as_json)


@adapter.command("run")
def run(source: Source, mapping: Mapping, config: Config = None, as_json: AsJson = False) -> None:
    """Importa un archivo y envía lo que su mapeo dice (reportes o hallazgos). Import a file and send it."""
    _import(source, mapping, config, as_json=as_json)


def _import(source: Path, mapping: str, config: Path | None, *, as_json: bool) -> None:
    node = LocalNode.from_option(config)
    with reported():
        data = source.read_bytes()
    with err.status("Leyendo, revisando y poniendo en cola…"):
        answer = node.post("/api/v1/imports", data, mapping=mapping, name=source.name)
    if as_json:
        print_json(answer)
    else:
        _tell(answer)
    if any(answer["counts"].get(outcome) for outcome in ("rejected", "to-complete", "held")):
        raise typer.Exit(ExitCode.PARTIAL)


def _tell(answer: dict[str, Any]) -> None:
    counts = answer["counts"]
    words = {"imported": "enviadas", "to-complete": "por completar", "duplicate": "duplicadas", "rejected": "rechazadas"}
    if counts.get("held"):
        words["held"] = "en espera de otra persona (`paradero hold list`)"
    out.print(
        f"{answer['total']} filas: " + " · ".join(f"{counts.get(key, 0)} {word}" for key, word in words.items()), markup=False
    )
    shown = [{**row, "reasons": ", ".join(row["reasons"]), "kinds": ", ".join(row.get("kinds", ()))} for row in answer["rows"]]
    print_table("Fila por fila", _ROWS, [row for row in shown if row["outcome"] != "imported"])
    for note in answer.get("notes", ()):
        out.print(f"• {note}", markup=False)


@adapter.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los adaptadores y los mapeos del nodo. List adapters and this node's mappings."""
    with reported():
        mappings = load_config(config_path(config)).mapping_folder
    names = sorted(path.stem for path in mappings.glob("*.toml"))
    if as_json:
        print_json({"adapters": installed_adapters(), "mappings": names})
        return
    out.print("Adaptadores: " + ", ".join(installed_adapters()), markup=False)
    out.print("Mapeos: " + (", ".join(names) or f"ninguno en {mappings}"), markup=False)


_WAITS = {TEXT_HELD: "antes lo lee una persona", SECOND_PERSON: "antes lo aprueba una segunda persona"}


@adapter.command("test")
def trial(
    mapping: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Archivo de mapeo (.toml). A mapping file.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="Archivo; por defecto, la muestra del mapeo. A file; by default the mapping's sample.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=1000, help="Cuántas filas mostrar. How many rows to show.")] = 20,
    policy: Annotated[
        Path | None,
        typer.Option(help="Política; por defecto, la que trae el producto. A policy; by default the one that ships."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prueba sin envío: fila → registro → lo que saldría, y por qué. Dry run; sends nothing."""
    with reported():
        tried = try_mapping(mapping, source, limit=rows, policy=policy, now=now())
    if as_json:
        print_json(
            {"rows": [row.as_dict() for row in tried.rows], "counts": tried.counts, "notes": list(tried.notes), "sent": 0}
        )
    else:
        for row in tried.rows:
            _show_trial(row)
        for note in tried.notes:
            out.print(f"• {note}", markup=False)
        out.print(" · ".join(f"{number} {name}" for name, number in tried.counts.items()), markup=False)
        out.print("Esto no envía nada.", markup=False)
    if any(tried.counts.get(outcome) for outcome in ("rejected", "to-complete")):
        raise typer.Exit(ExitCode.PARTIAL)


def _show_trial(row: TrialRow) -> None:
    reasons = f" ({', '.join(row.reasons)})" if row.reasons else ""
    out.print(f"\nFila {row.row}: {row.outcome}{reasons}", markup=False)
    for message in row.messages:
        out.print(f"  → {message.kind} a {message.to_role}", markup=False)
        print_table(
            "",
            {"field": "CAMPO", "held": "LO QUE TENEMOS", "leaves": "LO QUE SALE", "why": "POR QUÉ"},
            [{"field": f.label, "held": f.held, "leaves": f.leaves, "why": _why(f)} for f in message.fields],
        )


def _why(field: TrialField) -> str:
    return f"{field.why} · {_WAITS[field.waits]}" if field.waits else field.why
