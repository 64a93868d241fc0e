"""Restores a node from its backups, so that nothing is repeated and its log does not fork (SPEC 8.7, 11.2)."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from contracts.attachments import is_name
from contracts.codec import b64u_encode
from contracts.errors import BackupRefusedError, ConfigurationError
from contracts.leaves import LeafEvent, LeafFields
from gateway.config import NodeConfig
from gateway.exchange.filing import FINDING_PREFIX, REPORT_PREFIX
from gateway.main.backup import check_file
from gateway.main.node import Leaves
from gateway.storage.engine import Engine, create_engine
from gateway.storage.migrations.runner import upgrade_engine
from gateway.storage.restoring import (
    Opening,
    destroy_again,
    destroyed_threads,
    forget_unreadable,
    old_head,
    open_epoch,
    set_aside,
)
from gateway.storage.revisions import Schema
from gateway.storage.snapshot import is_empty, is_file, load, prepare, read_file
from keys.backups import Outer, read_frames, sync_folder
from keys.keystore import write_durably
from keys.notes import EPOCH_INFIX, log_origin


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """What to restore from. Without `keys` no message body of the backup opens again."""

    main: Path
    keys: Path | None
    identity: Path
    replace: bool = False


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What a restore did, and what people must know."""

    taken_at: int
    rows: int
    origin: str
    previous_origin: str
    previous_size: int
    asked_again: int
    unreadable: int
    aside: str | None


async def restore(config: NodeConfig, request: RestoreRequest, now: datetime) -> RestoreReport:
    """Fill both databases from backups and open a new log. Killed at any point it can be run again.

    Raises:
        BackupRefusedError: a file is damaged, foreign, expired, from the future, or not opened by the key.
        ConfigurationError: the node runs, or its databases are not empty and nobody said to move them aside.
    """
    main, keys = await asyncio.to_thread(_checked, config, request, now)
    await _refuse_running(config)
    engines = {Schema.MAIN: create_engine(config.main_database), Schema.KEYS: create_engine(config.key_store)}
    try:
        erased, aside = await _clear(config, engines, request, now)
        write_durably(config.restoring, b"paradero backup restore\n")
        loaded = await _load(config, engines[Schema.MAIN], Schema.MAIN, request.main, request.identity, main)
        if keys is not None and request.keys is not None:
            await _load(config, engines[Schema.KEYS], Schema.KEYS, request.keys, request.identity, keys)
        else:
            await prepare(engines[Schema.KEYS], Schema.KEYS, "head")
        await destroy_again(engines[Schema.KEYS], erased, now=now)
        report = await _begin_again(config, engines, main, now)
    finally:
        for engine in engines.values():
            await engine.dispose()
    config.restoring.unlink()
    sync_folder(config.restoring.parent)
    return replace(report, rows=loaded, aside=aside)


def _checked(config: NodeConfig, request: RestoreRequest, now: datetime) -> tuple[Outer, Outer | None]:
    main = check_file(request.main, config, now)
    keys = None if request.keys is None else check_file(request.keys, config, now)
    for outer, kind, option in ((main, "main", "FILE"), (keys, "keys", "--keys")):
        if outer is not None and outer.header.kind != kind:
            raise BackupRefusedError(
                f"{option} no es un respaldo de esa clase", advice="FILE termina en .main.backup y --keys en .keys.backup."
            )
    return main, keys


async def _refuse_running(config: NodeConfig) -> None:
    with suppress(OSError):
        _, writer = await asyncio.open_connection(config.private.host, config.private.port)
        writer.close()
        raise ConfigurationError("el nodo está en marcha", advice="Deténgalo antes: systemctl stop paradero")


async def _clear(
    config: NodeConfig, engines: dict[Schema, Engine], request: RestoreRequest, now: datetime
) -> tuple[frozenset[str], str | None]:
    """Return the threads known to be erased, and where what was there was moved to."""
    if config.restoring.exists() or all([await is_empty(engine, schema) for schema, engine in engines.items()]):
        return frozenset(), None  # half a restore is no data
    if not request.replace:
        raise ConfigurationError(
            "este nodo ya tiene datos; no se tocó nada",
            advice="Restaure en un nodo vacío, o use --replace: mueve los datos de ahora a un lado, sin borrarlos.",
        )
    erased = await destroyed_threads(engines[Schema.KEYS])
    name = f"replaced_{now.astimezone(UTC):%Y%m%dt%H%M%S}_{secrets.token_hex(2)}"
    for schema, engine in engines.items():
        await engine.dispose()
        url = config.main_database if schema is Schema.MAIN else config.key_store
        if url.startswith("sqlite"):
            _move_aside(Path(url.split(":///", 1)[1]), config.data / name)
        else:
            await set_aside(engine, schema, name)
    return erased, name


def _move_aside(database: Path, folder: Path) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
        if path.exists():
            path.rename(folder / path.name)
    sync_folder(folder)
    sync_folder(database.parent)


async def _load(config: NodeConfig, engine: Engine, schema: Schema, path: Path, identity: Path, outer: Outer) -> int:
    await prepare(engine, schema, outer.header.revision)
    counts = await load(engine, schema, _next(config, read_frames(path, identity, outer)))
    await upgrade_engine(engine, schema)
    return sum(counts.values())


def _next(config: NodeConfig, frames: Iterator[bytes]) -> Callable[[], Awaitable[bytes | None]]:
    keep_trust = (config.trust / "verified_at").exists()  # what is there is at least as new as what comes back

    def take() -> bytes | None:
        for frame in frames:
            if not is_file(frame):
                return frame
            _put_file(config, *read_file(frame), keep_trust=keep_trust)
        return None

    async def following() -> bytes | None:
        return await asyncio.to_thread(take)

    return following


def _put_file(config: NodeConfig, name: str, data: bytes, *, keep_trust: bool) -> None:
    if name == "paradero.toml":
        write_durably(config.data / "paradero.toml.from-backup", data)
        return
    if name.startswith("blobs/"):
        _put_blob(config, name.removeprefix("blobs/"), data)
        return
    path = (config.data / name).resolve()
    if not path.is_relative_to(config.trust.resolve()):
        raise BackupRefusedError("hay un archivo que no es del registro", advice="Use otro respaldo.")
    if not keep_trust:
        write_durably(path, data, mode=0o644)


def _put_blob(config: NodeConfig, name: str, data: bytes) -> None:
    if not is_name(name) or sha256(data).hexdigest() != name:
        raise BackupRefusedError("un adjunto no es lo que dice su nombre", advice="Use otro respaldo.")
    config.blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(config.blobs / name, data)


async def _begin_again(config: NodeConfig, engines: dict[Schema, Engine], main: Outer, now: datetime) -> RestoreReport:
    """Open a log of its own: the one that came back may have gone on where nobody here can see."""
    unreadable = await forget_unreadable(engines[Schema.MAIN], engines[Schema.KEYS])
    old = await old_head(engines[Schema.MAIN])
    since = datetime.fromtimestamp(main.header.taken_at, UTC)
    first = log_origin(config.node)
    previous = old.origin or first
    # A restore cannot know of others from the same backup: a log is named by time and chance, not counted.
    origin = f"{first}{EPOCH_INFIX}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    detail = (
        f"log.opened {origin} follows {previous} size={old.size} root={b64u_encode(old.root)} backup={main.header.backup_id}"
    )
    leaf = Leaves().leaf(LeafFields(at=int(now.timestamp()), event=LeafEvent.KEY, outcome="restored", detail=detail))
    opening = Opening(
        origin=origin,
        previous_origin=previous,
        since=min(since, unreadable.since or since),
        leaf=leaf,
        prefixes=(REPORT_PREFIX, FINDING_PREFIX),
    )
    await open_epoch(engines[Schema.MAIN], old, opening, now=now)
    return RestoreReport(
        taken_at=main.header.taken_at,
        rows=0,
        origin=origin,
        previous_origin=previous,
        previous_size=old.size,
        asked_again=unreadable.asked_again,
        unreadable=unreadable.kept,
        aside=None,
    )


def as_dict(report: RestoreReport) -> dict[str, Any]:
    """Return it for programs."""
    return {name: getattr(report, name) for name in RestoreReport.__slots__}
