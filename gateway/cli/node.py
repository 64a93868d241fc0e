"""`paradero init, serve, status, doctor`: one node's life."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from contracts.register import Role
from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, err, fail, out, print_json, print_table, reason, reported
from gateway.config import config_path, load_config
from gateway.main.doctor import diagnose
from gateway.main.serving import serve_node
from gateway.main.setup import InitAnswers, initialise_node


def init(
    node: Annotated[str, typer.Option(help="Nombre del nodo en la red, por ejemplo gt.minex. The node's name.")],
    role: Annotated[Role, typer.Option(help="Papel de la institución. The institution's role.")],
    name: Annotated[str, typer.Option(help="Nombre de la institución. The institution's name.")],
    country: Annotated[str, typer.Option(help="País, ISO 3166-1 de dos letras. Country.")],
    endpoint: Annotated[
        str, typer.Option(help="Dirección https del puerto de federación, con su parte secreta. Where peers knock.")
    ],
    config: Annotated[Path, typer.Option(help="Archivo de configuración que se escribe. Configuration to write.")] = Path(
        "paradero.toml"
    ),
    data: Annotated[Path, typer.Option(help="Carpeta de datos (disco local). Data folder (local disk).")] = Path("data"),
    self_signed: Annotated[
        bool, typer.Option(help="Crea un certificado propio y publica su huella. Make and pin a certificate.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Crea un nodo: configuración, llaves, bases de datos y la solicitud de ingreso. Create a node."""
    answers = InitAnswers(node, role, name, country, endpoint, config, data, self_signed=self_signed)
    with reported(), err.status("Creando llaves y bases de datos…"):
        made = asyncio.run(initialise_node(answers))
    if as_json:
        print_json(made)
        return
    out.print(f"Configuración  {made['config']}", markup=False)
    out.print(f"Llaves         {made['keys']}  (0600)", markup=False)
    out.print(f"Solicitud      {made['request']}", markup=False)
    out.print(f"Huella         {made['fingerprint']}", markup=False)
    out.print(
        "Falta: envíe la solicitud al registro; cuando le llamen al número del papel firmado, LEA la huella.", markup=False
    )
    out.print("Después: `paradero federation join` y `paradero serve`.", markup=False)


def serve(config: Config = None) -> None:
    """Pone el nodo en marcha: puertas, puerto privado y trabajadores, hasta SIGTERM. Run the node."""
    with reported():
        settings = load_config(config_path(config))
        try:
            code = asyncio.run(serve_node(settings))
        except OSError as error:
            fail(
                ExitCode.CONFIGURATION,
                "El nodo no puede escuchar en sus puertos, o no puede leer sus archivos.",
                why=reason(error),
                advice="¿Ya hay un nodo en marcha? Compruebe [federation] y [private]: host y port; y los permisos.",
            )
    raise typer.Exit(code)


def status(config: Config = None, as_json: AsJson = False) -> None:
    """Una pantalla: componentes, bandejas, bitácora, registro, avisos. One screen."""
    answer = LocalNode.from_option(config).get("/api/v1/status")
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer['node']}  ·  {answer['mode']}  ·  {'listo' if answer['ready'] else 'CON PROBLEMAS'}", markup=False)
    for title, rows in answer["sections"].items():
        print_table(title, {"name": "", "value": ""}, rows)


def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Comprueba disco, permisos, llaves, certificado, bases de datos, registro y reloj; dice qué hacer. Check everything.

    No usa la red ni cambia nada.
    """
    with reported():
        findings = asyncio.run(diagnose(load_config(config_path(config)), now()))
    if as_json:
        print_json({"findings": [finding.as_dict() for finding in findings]})
    else:
        for finding in findings:
            out.print(f"{finding.mark} {finding.what}", markup=False)
            if finding.advice:
                out.print(f"    Qué hacer: {finding.advice}", markup=False)
    if any(finding.severity == "refuse" for finding in findings):
        raise typer.Exit(ExitCode.PROBLEMS)
