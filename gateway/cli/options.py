"""Options that many commands share, worded once. Help is Spanish first, then English."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuración del nodo; si no, $PARADERO_CONFIG o /etc/paradero. The node's configuration."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Salida para programas. Output for programs.")]
