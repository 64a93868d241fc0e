"""`paradero keys`: this node's own keys."""

import asyncio
from typing import Annotated

import typer

from gateway.cli.options import AsJson, Config
from gateway.cli.output import out, print_json, reported
from gateway.config import config_path, load_config
from gateway.main.node import SystemClock
from gateway.main.renewal import renew_keyset

app = typer.Typer(no_args_is_help=True, help="Llaves de este nodo. This node's keys.")


@app.command()
def renew(
    endpoint: Annotated[
        str | None, typer.Option(help="Dirección nueva del puerto de federación, si cambió. A new address.")
    ] = None,
    seq: Annotated[
        int | None, typer.Option(help="Número del juego, si el registro ya tiene uno mayor. Its number.", min=1)
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Firma el siguiente juego de llaves para publicarlo: antes de que venza, tras suspenderse, o con otra dirección. Renew.

    Las llaves son las mismas; la huella del certificado se toma del que nombra la configuración.
    """
    with reported():
        made = asyncio.run(renew_keyset(load_config(config_path(config)), SystemClock(), endpoint=endpoint, seq=seq))
    if as_json:
        print_json(made)
        return
    out.print(f"Juego de llaves {made['seq']}  {made['keyset']}", markup=False)
    out.print(
        "Falta: envíelo a quien aloja el registro: `paradero federation keyset REGISTRO keyset.jws` y `publish`.", markup=False
    )
