"""`paradero verify` and `paradero evidence`: proof of one exchange, offline; and a full check of a node's own log."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.errors import ExchangeError
from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.output import ExitCode, err, fail, out, print_json, reported
from gateway.config import load_config
from gateway.main.logcheck import check_log
from gateway.storage.log import LogCheck
from keys.bundles import MAX_BUNDLE_BYTES
from keys.evidence import Verification, in_words, redact_bundle, verify_bundle
from keys.keystore import write_durably
from keys.notes import COSIGNATURE_TYPE, VerifierKey, parse_vkey

app = typer.Typer(no_args_is_help=True, help="Constancias. Evidence.")

Config = Annotated[Path | None, typer.Option("--config", help="Archivo de configuración del nodo.")]


@app.callback()
def _group() -> None:
    """Constancias."""


@app.command()
def export(
    message: Annotated[str, typer.Argument(help="Identificador del mensaje.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Archivo que se escribe.")] = Path("constancia.json"),
    redacted: Annotated[bool, typer.Option("--redacted", help="Sin el mensaje: sólo su resumen.")] = False,
    config: Config = None,
) -> None:
    """Exporta la constancia de un mensaje propio: mensaje, recibo, bitácoras y registro. Export evidence.

    El archivo contiene el mensaje, salvo con --redacted: guárdelo como al expediente.
    """
    bundle = LocalNode.from_option(config).get_bytes(f"/api/v1/messages/{message}/evidence")
    _write(output, bundle, redacted=redacted)


@app.command()
def redact(
    file: Annotated[Path, typer.Argument(help="Constancia (.json) que contiene el mensaje.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Archivo que se escribe.")],
) -> None:
    """Quita el mensaje de una constancia; lo demás se sigue verificando sobre su resumen. Leave the message out."""
    _write(output, _read(file), redacted=True)


def verify(
    file: Annotated[
        Path, typer.Argument(help="Constancia (.json), o configuración de un nodo (.toml) para revisar su bitácora entera.")
    ],
    root_fingerprint: Annotated[str | None, typer.Option(help="Huella de la raíz, como está en el acta.")] = None,
    witness: Annotated[list[str] | None, typer.Option(help="Llave (vkey) de un testigo; se puede repetir.")] = None,
    lang: Annotated[str, typer.Option(help="es o en.")] = "es",
    as_json: Annotated[bool, typer.Option("--json", help="Salida para programas.")] = False,
) -> None:
    """Verifica sin red una constancia, o la bitácora de un nodo, y dice lo que eso no prueba. Verify offline."""
    if lang not in ("es", "en"):
        raise typer.BadParameter("es o en", param_hint="--lang")
    witnesses = [_witness(text) for text in witness or ()]
    if file.suffix == ".toml" and file.is_file():
        _verify_log(file, as_json=as_json)
        return
    result = verify_bundle(_read(file), root_fingerprint=root_fingerprint, now=now(), witnesses=witnesses)
    if as_json:
        print_json(_as_dict(result, spanish=lang == "es"))
    else:
        for line in in_words(result, spanish=lang == "es", at=now()):
            out.print(line, markup=False)
    if not result.ok:
        raise typer.Exit(ExitCode.VERIFICATION)


def _as_dict(result: Verification, *, spanish: bool) -> dict[str, Any]:
    return {
        "ok": result.ok,
        "complete": result.complete,
        "steps": [
            {"name": step.name, "outcome": step.outcome.value, "text": step.es if spanish else step.en} for step in result.steps
        ],
        "exchange": None if result.exchange is None else asdict(result.exchange),
        "not_proved": [sentence.es if spanish else sentence.en for sentence in result.not_proved],
    }


def _witness(text: str) -> VerifierKey:
    try:
        key = parse_vkey(text)
    except ExchangeError:
        raise typer.BadParameter("no es una llave de testigo", param_hint="--witness") from None
    if key.kind != COSIGNATURE_TYPE:
        raise typer.BadParameter("es una llave, pero no de testigo", param_hint="--witness")
    return key


def _read(file: Path) -> bytes:
    if not file.is_file():
        fail(ExitCode.NOT_FOUND, f"No existe {file}.", advice="Exporte una con `paradero evidence export MENSAJE`.")
    if file.stat().st_size > MAX_BUNDLE_BYTES:
        fail(ExitCode.VERIFICATION, f"{file} no es una constancia: es demasiado grande.")
    try:
        return file.read_bytes()
    except OSError as error:
        fail(ExitCode.NOT_FOUND, f"No se puede leer {file}.", why=str(error.strerror))


def _write(output: Path, bundle: bytes, *, redacted: bool) -> None:
    if redacted:
        try:
            bundle = redact_bundle(bundle)
        except ExchangeError as error:
            why = f"{error.code.value}: {error}"
            fail(ExitCode.VERIFICATION, "No es una constancia que se pueda tachar.", why=why)
    write_durably(output, bundle)
    what = "Sin el mensaje, sólo su resumen." if redacted else "Contiene el mensaje: guárdelo como al expediente."
    out.print(f"✓ {output} ({len(bundle)} bytes). {what}", markup=False)


def _verify_log(config: Path, *, as_json: bool) -> None:
    with reported(), err.status("Recalculando la bitácora…"):
        result = asyncio.run(check_log(load_config(config)))
    if as_json:
        print_json(result.as_dict())
    else:
        _tell(result)
    if not result.ok:
        raise typer.Exit(ExitCode.VERIFICATION)


def _tell(result: LogCheck) -> None:
    if result.ok:
        out.print(f"✓ {result.size} anotaciones; {result.checkpoints} puntos de control firmados concuerdan.", markup=False)
    else:
        where = "" if result.first_bad is None else f" La primera que no concuerda es la número {result.first_bad}."
        out.print(f"✗ La bitácora fue alterada: {result.problem}.{where}", markup=False)
    out.print("Esto no prueba que no exista otra versión para otros ojos: eso lo prueba un testigo.", markup=False)
