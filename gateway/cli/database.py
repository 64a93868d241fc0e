"""`paradero db`: the schema of the two databases."""

import asyncio

import typer

from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, fail, out, print_json, reported
from gateway.config import config_path, load_config
from gateway.main.doctor import check_databases
from gateway.main.setup import upgrade_databases

app = typer.Typer(no_args_is_help=True, help="Bases de datos. Databases.")


@app.command()
def upgrade(config: Config = None, as_json: AsJson = False) -> None:
    """Lleva ambas bases de datos al esquema de esta versión. Bring both databases to this release's schema."""
    with reported():
        done = upgrade_databases(load_config(config_path(config)))
    if as_json:
        print_json(done)
        return
    for name, revision in done.items():
        out.print(f"✓ {name}: {revision}", markup=False)


@app.command()
def check(config: Config = None, as_json: AsJson = False) -> None:
    """Comprueba esquema y ajustes de durabilidad. Check schema and durability settings."""
    with reported():
        findings = asyncio.run(check_databases(load_config(config_path(config))))
    if as_json:
        print_json({"findings": findings})
    else:
        for finding in findings:
            out.print(f"{finding['mark']} {finding['text']}", markup=False)
    if any(finding["severity"] == "refuse" for finding in findings):
        fail(ExitCode.CONFIGURATION, "El nodo no arrancaría así.", advice="Corrija lo marcado con ✗.")
