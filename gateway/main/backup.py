"""Backups of a node, running or stopped, and what can be said of one (SPEC 11.2). Works on files and databases alone."""

import asyncio
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.attachments import MAX_SEALED, is_name
from contracts.codec import b64u_encode, encode_object
from contracts.errors import BackupRefusedError, ConfigurationError, ExchangeError
from contracts.ids import KeyId
from contracts.leaves import LeafEvent, LeafFields
from gateway.config import NodeConfig
from gateway.main.backup_check import Contents, check_contents
from gateway.main.node import Leaves, refuse_half_restore
from gateway.storage.backups import BackupRow, record_backup, recorded_backups
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.revisions import REVISIONS, Schema, head
from gateway.storage.selfcheck import check_database, refuse_unsafe
from gateway.storage.snapshot import dump
from keys.backups import BackupHeader, BackupWriter, Kind, Outer, check_outer, read_frames, read_header, sync_folder
from keys.keystore import create_identity_file, load_node_keys, write_durably
from keys.model import SigningKey, VerifyKey

KEY_BACKUP_LIFE = timedelta(days=30)
"""How long a copy of the key store may exist: destroying a thread's key must erase the copies too (decision 4)."""
_SCHEMA: dict[Kind, Schema] = {"main": Schema.MAIN, "keys": Schema.KEYS}
_FRAME = 4 * 1024 * 1024
_PASSWORD = re.compile(r"(://[^:/@\s\"]+):[^@/\s\"]+@")


@dataclass(frozen=True, slots=True)
class Made:
    """One backup file."""

    kind: Kind
    file: Path
    size: int
    expires_at: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self) | {"file": str(self.file)}


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What `backup now` did."""

    made: tuple[Made, ...]
    pruned: tuple[Path, ...] = ()


def add_recovery_key(config: NodeConfig, path: Path) -> str:
    """Make a recovery key; its secret half goes to `path` and from there off this machine. Return its recipient.

    Raises:
        ConfigurationError: `path` is there already.
    """
    if path.exists():
        raise ConfigurationError(f"ya existe {path}; no se tocó nada", advice="Elija otro archivo.")
    recipient = create_identity_file(path, "opens this institution's backups. Keep it sealed, away from the node.")
    known = recipients(config)
    write_durably(config.recovery_recipients, "".join(f"{item}\n" for item in (*known, recipient)).encode(), mode=0o644)
    return recipient


def recipients(config: NodeConfig) -> tuple[str, ...]:
    """Return the recovery keys backups are sealed to."""
    try:
        lines = config.recovery_recipients.read_text(encoding="ascii").split()
    except FileNotFoundError:
        return ()
    return tuple(line for line in lines if line.startswith("age1"))


async def back_up(config: NodeConfig, config_file: Path, folder: Path | None, now: datetime) -> BackupReport:
    """Write a backup of both databases, each to a file of its own, and destroy copies of the key store that expired.

    The main database first: a thread's key is durable before anything sealed with it, so the later copy has every key.

    Raises:
        ConfigurationError: no recovery key, keys or databases as they should not be.
        OSError: the disk refused; no file with a backup's name is there.
    """
    refuse_half_restore(config)
    folder = folder or config.backup_folder
    signer = load_node_keys(config.node_keys, config.key_identity).log
    backup_id = secrets.token_hex(6)
    made = [await _write(config, config_file, folder, kind, backup_id, signer, now) for kind in ("main", "keys")]
    return BackupReport(tuple(made), tuple(prune(config, folder, now)))


async def _write(
    config: NodeConfig, config_file: Path, folder: Path, kind: Kind, backup_id: str, signer: SigningKey, now: datetime
) -> Made:
    header = BackupHeader(
        kind=kind,
        node=config.node,
        backup_id=backup_id,
        taken_at=int(now.timestamp()),
        revision=head(_SCHEMA[kind]),
        recipients=recipients(config),
        expires_at=int((now + KEY_BACKUP_LIFE).timestamp()) if kind == "keys" else None,
    )
    name = f"{config.node}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{backup_id}.{kind}.backup"
    writer = await asyncio.to_thread(BackupWriter, folder / name, header)
    try:
        if kind == "main":
            for frame in _files(config, config_file):
                await asyncio.to_thread(writer.write, frame)
            for frame in _blobs(config):  # one at a time in memory
                await asyncio.to_thread(writer.write, frame)
        await _dump(config, kind, writer)
        digest, size = await asyncio.to_thread(writer.finish, signer)
        await _record(config, BackupRow(backup_id, kind, name, digest, size, now))
        await asyncio.to_thread(writer.publish)
    except BaseException:
        writer.discard()
        raise
    return Made(kind, folder / name, size, header.expires_at)


async def _dump(config: NodeConfig, kind: Kind, writer: BackupWriter) -> None:
    engine = create_read_engine(config.main_database if kind == "main" else config.key_store)
    try:
        refuse_unsafe(await check_database(engine, _SCHEMA[kind]))
        async for frame in dump(engine, _SCHEMA[kind]):
            await asyncio.to_thread(writer.write, frame)
    finally:
        await engine.dispose()


async def _record(config: NodeConfig, row: BackupRow) -> None:
    """Log the backup before its file has its name: a copy nobody logged cannot be found lying about."""
    fields = LeafFields(
        at=int(row.taken_at.timestamp()),
        event=LeafEvent.KEY,
        outcome="backup",
        detail=f"backup.{row.kind} id={row.backup_id} sha256={b64u_encode(row.digest)}",
    )
    engine = create_engine(config.main_database)
    try:
        await record_backup(engine, row, Leaves().leaf(fields))
    finally:
        await engine.dispose()


def _files(config: NodeConfig, config_file: Path) -> Iterator[bytes]:
    """Yield frames of the configuration, without passwords, and of the register's mirror. Keys are in no backup."""
    text = _PASSWORD.sub(r"\1:***@", config_file.read_text(encoding="utf-8"))
    yield _file("paradero.toml", text.encode())
    for path in sorted(config.trust.rglob("*")) if config.trust.is_dir() else ():
        if path.is_file() and not path.name.startswith("."):
            with suppress(FileNotFoundError):  # a poll may replace one just now
                yield _file(f"trust/{path.relative_to(config.trust).as_posix()}", path.read_bytes())


def _blobs(config: NodeConfig) -> Iterator[bytes]:
    """Yield frames of the ciphertexts of attachments that are whole: no key of theirs is in the same backup."""
    for path in sorted(config.blobs.iterdir()) if config.blobs.is_dir() else ():
        if is_name(path.name):
            with suppress(FileNotFoundError):  # erased just now
                yield _file(f"blobs/{path.name}", path.read_bytes(), largest=MAX_SEALED)


def _file(name: str, data: bytes, *, largest: int = _FRAME) -> bytes:
    if len(data) > largest:
        raise ConfigurationError(f"{name} es demasiado grande para un respaldo", advice="Compruebe la carpeta de datos.")
    return encode_object({"file": name, "data": b64u_encode(data)}, limit=2 * largest)


def prune(config: NodeConfig, folder: Path, now: datetime) -> Iterator[Path]:
    """Destroy this node's expired copies of the key store, and what a killed `backup now` left; yield which."""
    for path in sorted(folder.glob(f"{config.node}-*.keys.backup")):
        try:
            header = read_header(path)
        except (BackupRefusedError, OSError):
            continue
        if header.node == config.node and header.expires_at is not None and header.expires_at <= now.timestamp():
            path.unlink()
            yield path
    for path in sorted(folder.glob(f".{config.node}-*.backup.new")):
        if now.timestamp() - path.stat().st_mtime > timedelta(days=1).total_seconds():
            path.unlink()
            yield path
    sync_folder(folder)


async def list_backups(config: NodeConfig) -> list[dict[str, Any]]:
    """Return the backups this node logged, newest first."""
    engine = create_read_engine(config.main_database)
    try:
        rows = await recorded_backups(engine)
    finally:
        await engine.dispose()
    return [
        {
            "taken": row.taken_at.isoformat(timespec="seconds"),
            "kind": row.kind,
            "file": row.file,
            "size": row.size,
            "id": row.backup_id,
        }
        for row in rows
    ]


# -- looking at one ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one backup file. `contents` is None when nobody gave the key that opens it."""

    outer: Outer
    contents: Contents | None = field(default=None)


def node_finder(config: NodeConfig) -> Any:
    """Return what vouches for this node's log key."""
    public = load_node_keys(config.node_keys, config.key_identity).log.public

    def find(key_id: KeyId) -> VerifyKey:
        if key_id != public.kid:
            raise BackupRefusedError("lo firmó otro nodo", advice="Use un respaldo de este nodo.")
        return public

    return find


def check_file(path: Path, config: NodeConfig | None, now: datetime) -> Outer:
    """Check a backup from outside: whole, this node's, not expired.

    Raises:
        BackupRefusedError: it is not.
    """
    header = read_header(path)
    if config is not None and header.node != config.node:
        raise BackupRefusedError(f"es del nodo {header.node}, no de {config.node}", advice="Use un respaldo de este nodo.")
    if header.expires_at is not None and header.expires_at <= now.timestamp():
        raise BackupRefusedError(
            f"venció el {datetime.fromtimestamp(header.expires_at, UTC):%Y-%m-%d}: puede guardar llaves de lo que se borró",
            advice=f"Destrúyalo: shred -u {path}. Use uno más nuevo.",
        )
    if header.revision not in REVISIONS[_SCHEMA[header.kind]]:
        raise BackupRefusedError(
            "es de una versión más nueva que este programa", advice="Instale esa versión; ésta podría dañar los datos."
        )
    return check_outer(path, node_finder(config) if config is not None else None)


def verify_backup(path: Path, identity: Path | None, config: NodeConfig | None, now: datetime) -> Verified:
    """Look at a backup; with a recovery key at everything in it: every chunk, every count, the whole log.

    Raises:
        BackupRefusedError: something does not hold.
    """
    outer = check_file(path, config, now)
    if identity is None:
        return Verified(outer)
    vouch = None
    if config is not None:
        vouch = load_node_keys(config.node_keys, config.key_identity).log.public.raw
    try:
        contents = check_contents(read_frames(path, identity, outer), outer.header, vouch)
    except BackupRefusedError:
        raise
    except ExchangeError as error:
        raise BackupRefusedError(f"su contenido no se sostiene: {error}", advice="Use otro respaldo.") from None
    return Verified(outer, contents)
