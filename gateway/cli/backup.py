"""`paradero backup`: recovery keys, backups, what can be said of one, and restoring. Works on files alone."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts.errors import BackupRefusedError
from gateway.cli.context import now
from gateway.cli.local import LocalNode
from gateway.cli.options import AsJson, Config
from gateway.cli.output import ExitCode, err, fail, out, print_json, print_table, reported
from gateway.config import NodeConfig, config_path, load_config
from gateway.main.backup import Verified, add_recovery_key, back_up, list_backups, verify_backup
from gateway.main.backup_notes import note_check
from gateway.main.restore import RestoreReport, RestoreRequest, as_dict, restore

app = typer.Typer(no_args_is_help=True, help="Respaldos cifrados y restauración. Encrypted backups and restore.")

File = Annotated[Path, typer.Argument(help="Archivo de respaldo. A backup file.")]
Identity = Annotated[
    Path | None, typer.Option(help="Llave de recuperación, traída de donde se guarda sellada. The recovery key.")
]

NOT_PROVED = (
    "Esto no prueba que lo respaldado fuera verdad, ni que la bitácora no siguiera después con otra historia.",
    "No prueba que se pueda restaurar en otro equipo: eso lo prueba restaurar en uno, como simulacro.",
    "No incluye las llaves del nodo (carpeta keys/): se guardan aparte, selladas; sin ellas nada de esto sirve.",
)


@app.command()
def key(
    file: Annotated[Path, typer.Argument(help="Dónde escribir la llave secreta. Where to write the secret key.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Crea una llave de recuperación; el nodo sólo guarda su mitad pública. Make a recovery key."""
    with reported():
        recipient = add_recovery_key(load_config(config_path(config)), file)
    if as_json:
        print_json({"file": str(file), "recipient": recipient})
        return
    out.print(f"✓ {file}  (0600)", markup=False)
    out.print(f"Destinatario {recipient}", markup=False)
    out.print("Falta: llévela fuera de este equipo, en dos copias selladas, y bórrela aquí: shred -u.", markup=False)


@app.command("now")
def now_(
    config: Config = None,
    to: Annotated[Path | None, typer.Option(help="Carpeta de destino; si no, [backup] folder. Where to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Respalda ambas bases de datos, con el nodo en marcha o detenido. Back up both databases."""
    path = config_path(config)
    with reported(), err.status("Respaldando…"):
        report = asyncio.run(back_up(load_config(path), path, to, now()))
    if as_json:
        print_json({"made": [item.as_dict() for item in report.made], "pruned": [str(item) for item in report.pruned]})
        return
    for item in report.made:
        until = (
            "" if item.expires_at is None else f", vence el {_day(item.expires_at)}: destrúyalo entonces dondequiera que esté"
        )
        out.print(f"✓ {item.file} ({item.size} bytes{until})", markup=False)
    for pruned in report.pruned:
        out.print(f"✓ Vencido y destruido: {pruned}", markup=False)


@app.command("list")
def list_(config: Config = None, as_json: AsJson = False) -> None:
    """Muestra los respaldos que este nodo anotó. List the backups this node logged."""
    with reported():
        rows = asyncio.run(list_backups(load_config(config_path(config))))
    if as_json:
        print_json({"backups": rows})
        return
    print_table("Respaldos", {"taken": "CUÁNDO", "kind": "CLASE", "file": "ARCHIVO", "size": "BYTES"}, rows)


@app.command()
def verify(file: File, config: Config = None, identity: Identity = None, as_json: AsJson = False) -> None:
    """Comprueba un respaldo; con --identity, todo su contenido; dice lo que eso no prueba. Verify a backup."""
    with reported(), _refusals(), err.status("Comprobando…"):
        known = _known(config)
        found = verify_backup(file, identity, known, now())
        noted = known is not None and asyncio.run(note_check(found, known, now()))
    if as_json:
        print_json(_verified(found) | {"noted": noted})
        return
    for line in _words(found):
        out.print(line, markup=False)
    if noted:
        out.print("✓ Quedó anotado en el nodo que se comprobó.", markup=False)
    elif known is not None:
        out.print("! No se pudo anotar en el nodo que se comprobó; la comprobación vale igual.", markup=False)


@app.command("restore")
def restore_(
    file: File,
    identity: Annotated[Path, typer.Option(help="Llave de recuperación. The recovery key.")],
    keys: Annotated[Path | None, typer.Option(help="Respaldo de las llaves de los hilos. The key store's backup.")] = None,
    without_keys: Annotated[bool, typer.Option(help="Sin él: ningún texto anterior abre. No key store.")] = False,
    replace: Annotated[bool, typer.Option(help="Mueve a un lado los datos de ahora, sin borrarlos. Move data aside.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Restaura un nodo detenido; al arrancar pide a los demás lo que perdió. Restore a stopped node."""
    if keys is None and not without_keys:
        raise typer.BadParameter("dé el respaldo .keys.backup, o --without-keys", param_hint="--keys")
    with reported(), _refusals(), err.status("Restaurando…"):
        request = RestoreRequest(file, keys, identity, replace)
        report = asyncio.run(restore(load_config(config_path(config)), request, now()))
    if as_json:
        print_json(as_dict(report))
        return
    _tell(report)


@app.command("give-up")
def give_up(peer: Annotated[str, typer.Argument(help="Nodo. A node.")], config: Config = None) -> None:
    """Deja de esperar lo que un nodo debía devolver tras una restauración. Stop waiting for one peer."""
    print_json(LocalNode.from_option(config).post(f"/api/v1/restore/{peer}/give-up"))


class _refusals:  # noqa: N801 - reads as a context
    """Says why a backup was refused, with its own exit code."""

    def __enter__(self) -> None:
        """Enter."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Tell."""
        if isinstance(error, BackupRefusedError):
            fail(ExitCode.VERIFICATION, "El respaldo fue rechazado.", why=str(error), advice=error.advice)


def _known(config: Path | None) -> NodeConfig | None:
    """Return the node's configuration where there is one: without it nobody vouches for who signed the file."""
    path = config_path(config)
    return load_config(path) if config is not None or path.exists() else None


def _verified(found: Verified) -> dict[str, Any]:
    header, contents = found.outer.header, found.contents
    return {
        "ok": True,
        "kind": header.kind,
        "node": str(header.node),
        "id": header.backup_id,
        "taken_at": header.taken_at,
        "expires_at": header.expires_at,
        "signature_checked": bool(found.outer.signed),
        "opened": contents is not None,
        "rows": None if contents is None else contents.rows,
        "leaves": None if contents is None else contents.leaves,
        "checkpoints": None if contents is None else contents.checkpoints,
        "not_proved": list(NOT_PROVED),
    }


def _words(found: Verified) -> list[str]:
    header, contents = found.outer.header, found.contents
    lines = [f"✓ Respaldo {header.backup_id} de {header.node}, {header.kind}, del {_moment(header.taken_at)}: está entero."]
    if found.outer.signed:
        lines.append("✓ Lo firmó este nodo.")
    else:
        lines.append("! No se comprobó quién lo firmó: hace falta --config, con las llaves del nodo en su sitio.")
    if contents is None:
        return [*lines, "! No se abrió: sin --identity nada se sabe de su contenido.", *NOT_PROVED]
    lines.append(f"✓ Abre: {sum(contents.rows.values())} filas en {len(contents.rows)} tablas, {contents.files} archivos.")
    if header.kind == "main":
        signed = "firmados " if contents.checkpoints_signed else ""
        lines.append(
            f"✓ Bitácora: {contents.leaves} anotaciones dan los {contents.checkpoints} puntos de control {signed}que lleva."
        )
    return [*lines, *NOT_PROVED]


def _tell(report: RestoreReport) -> None:
    out.print(f"✓ Restaurado al {_moment(report.taken_at)}: {report.rows} filas.", markup=False)
    out.print(f"✓ Bitácora nueva {report.origin}; la anterior termina en {report.previous_size}.", markup=False)
    if report.aside is not None:
        out.print(f"✓ Los datos de antes están en {report.aside}; nada se borró.", markup=False)
    if report.asked_again:
        out.print(f"! {report.asked_again} mensajes sin tratar no abren; se pedirán de nuevo.", markup=False)
    if report.unreadable:
        out.print(f"! {report.unreadable} mensajes ya tratados o enviados no abren: falta su llave.", markup=False)
    out.print(
        "Arranque el nodo: avisará a los demás y les pedirá lo perdido. `paradero status` dice cuándo termina.", markup=False
    )


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
