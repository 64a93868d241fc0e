"""`paradero stats`: numbers of whole months, small ones hidden."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, print_table
from gateway.console.figure_words import HIDDEN, TITLES, WHAT_IS_HIDDEN
from keys.keystore import write_durably


def stats(
    first: Annotated[str | None, typer.Option("--from", help="Primer mes, 2026-10. First month.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Último mes, 2026-11. Last month.")] = None,
    folder: Annotated[Path | None, typer.Option("--csv", help="Carpeta para los CSV. Folder for CSV files.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Muestra las estadísticas de meses enteros, sin números pequeños. Statistics of whole months, small numbers hidden."""
    asked = {name: value for name, value in (("from", first), ("to", last)) if value is not None}
    node = LocalNode.from_option(config)
    found = node.get("/api/v1/statistics", **asked)
    if folder is not None:
        _write(folder, node, asked | {"from": found["from"], "to": found["to"]})
    elif as_json:
        print_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    out.print(f"De {found['from']} a {found['to']}. Actualizado a {found['updated']}.", markup=False)
    for name, title in TITLES.items():
        columns = {str(number): code for number, code in enumerate(found[name]["columns"])}
        rows = [
            {"code": row["code"] or "sin oficina"}
            | {str(number): _number(value, columns[str(number)]) for number, value in enumerate(row["numbers"])}
            for row in found[name]["rows"]
        ]
        print_table(f"\n{title}", {"code": "", **columns}, rows)
    out.print(f"\n{HIDDEN}: {WHAT_IS_HIDDEN}", markup=False)


def _number(value: int | None, column: str) -> str:
    if value is None:
        return "—" if column == "median-hours" else HIDDEN
    return str(value)


def _write(folder: Path, node: LocalNode, asked: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in TITLES:
        path = folder / f"paradero-{name}-{asked['from']}-{asked['to']}.csv"
        write_durably(path, ("\ufeff" + node.get("/api/v1/statistics", csv=name, **asked)["csv"]).encode())
        out.print(f"✓ {path}", markup=False)
