"""`paradero doctor`: looks, from files alone, at all a node stands on; changes nothing, asks nobody on the network."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from contracts.errors import ConfigurationError, ExchangeError
from contracts.said import Said
from gateway.config import NodeConfig
from gateway.federation.tls import server_context
from gateway.people.ports import PersonState, Post
from gateway.people.roles import Role
from gateway.storage.backups import reconciling, recorded_backups
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.people import SqlPeopleReader
from gateway.storage.revisions import Schema
from gateway.storage.selfcheck import Finding, check_database
from keys.keystore import load_node_keys, read_secret
from keys.register.client import RegisterClient
from keys.register.custodians import load_custodian
from keys.register.state import Freshness, Keyset, Standing, TrustState
from keys.tls import expires, pin

MARKS = {"ok": "✓", "warn": "!", "refuse": "✗"}
_FULL, _TIGHT = 200 * 2**20, 2**30
_SOON = timedelta(days=30)
_SKEW = timedelta(minutes=5)
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"}
_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing `doctor` looked at. `refuse`: the node does not start, or nothing may leave it."""

    severity: str
    what: str
    advice: str = ""

    @property
    def mark(self) -> str:
        """A sign for people."""
        return MARKS[self.severity]

    def as_dict(self) -> dict[str, str]:
        """Return it for programs."""
        return asdict(self)


async def check_databases(config: NodeConfig) -> list[dict[str, Any]]:
    """Return what the self-check finds on both databases.

    Raises:
        ConfigurationError: the data folder is not there.
        StorageError: a database does not answer.
    """
    if not config.data.is_dir():
        raise ConfigurationError(f"no existe la carpeta de datos {config.data}", advice="Ejecute `paradero init`.")
    found: list[Finding] = []
    for url, schema in ((config.main_database, Schema.MAIN), (config.key_store, Schema.KEYS)):
        engine = create_engine(url)
        try:
            found += await check_database(engine, schema)
        finally:
            await engine.dispose()
    return [
        {"severity": item.severity, "mark": MARKS[item.severity], "text": item.what, "advice": item.advice} for item in found
    ]


async def diagnose(config: NodeConfig, now: datetime) -> list[Diagnosis]:
    """Look at folder, disk, keys, certificate, databases and register; say what each finding means and what to do."""
    if not config.data.is_dir():
        return [
            Diagnosis(
                "refuse", Said("No existe la carpeta de datos %(data)s.", data=config.data), Said("Ejecute `paradero init`.")
            )
        ]
    found = [_file_system(config.data), _space(config.data), _folder_mode(config.data)]
    found += [_readable_by_others(path) for path in _secrets(config) if path.exists()]
    found += [*_keys(config), *_certificate(config, now)]
    try:
        found += [Diagnosis(item["severity"], item["text"], item["advice"]) for item in await check_databases(config)]
    except ExchangeError as error:
        found.append(
            Diagnosis(
                "refuse",
                Said("Una base de datos no responde (%(error)s).", error=error),
                Said("Compruebe ruta, permisos, y el servidor si lo hay."),
            )
        )
    return [*found, *await _people(config), *await _backups(config, now), *_register(config, now)]


# -- the machine ----------------------------------------------------------------------------------------------------------


def _file_system(data: Path) -> Diagnosis:
    kind = _kind_of_mount(data.resolve(), Path("/proc/self/mounts").read_text(encoding="utf-8"))
    if kind in _MEMORY:
        return Diagnosis(
            "warn",
            Said("La carpeta de datos está en memoria (%(kind)s).", kind=kind),
            Said("Póngala en un disco: un corte de luz lo pierde todo."),
        )
    if kind in _NETWORK:
        return Diagnosis(
            "warn",
            Said("La carpeta de datos está en la red (%(kind)s).", kind=kind),
            Said("Póngala en un disco local: SQLite no es seguro en la red."),
        )
    return Diagnosis("ok", Said("La carpeta de datos está en un disco local."))


def _kind_of_mount(folder: Path, mounts: str) -> str:
    """Return the file system `folder` is on: the deepest mount above it, of those the last."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        _, point, name, *_ = line.split(" ")
        mount = Path(point.replace("\\040", " "))
        if folder.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), name
    return kind


def _space(data: Path) -> Diagnosis:
    free = shutil.disk_usage(data).free
    left = Said("%(free)s MB libres donde está la carpeta de datos", free=free // 2**20)
    if free < _FULL:
        return Diagnosis(
            "refuse",
            Said("Disco casi lleno: %(left)s.", left=left),
            Said("Libere espacio ya: sin disco el nodo no puede recibir nada."),
        )
    if free < _TIGHT:
        return Diagnosis("warn", Said("Poco disco: %(left)s.", left=left), Said("Libere espacio o amplíe el disco."))
    return Diagnosis("ok", Said("Hay disco: %(left)s.", left=left))


# -- files ----------------------------------------------------------------------------------------------------------------


def _folder_mode(data: Path) -> Diagnosis:
    if data.stat().st_mode & 0o077:
        advice = Said("Ejecute: chmod 700 %(data)s", data=data)
        return Diagnosis("warn", Said("Otros usuarios de este equipo pueden entrar en %(data)s.", data=data), advice)
    return Diagnosis("ok", Said("Sólo el usuario del nodo entra en la carpeta de datos."))


def _secrets(config: NodeConfig) -> Iterator[Path]:
    yield from (config.node_keys, config.key_identity, config.operator_token)
    yield from (path for path in (config.federation.tls_key, config.register_.online_key) if path is not None)


def _readable_by_others(path: Path) -> Diagnosis:
    try:
        read_secret(path)
    except ConfigurationError:
        if not os.access(path, os.R_OK):
            advice = Said("Ejecute doctor como el usuario del nodo, o déle el archivo: chown paradero: %(path)s", path=path)
            return Diagnosis("refuse", Said("No se puede leer %(path)s.", path=path), advice)
        advice = Said(
            "Ejecute: chmod 600 %(path)s (y piense si alguien pudo copiarlo: docs/federation.md, «Suspending»)", path=path
        )
        return Diagnosis("refuse", Said("Otros pueden leer el secreto %(path)s, o no es un archivo.", path=path), advice)
    return Diagnosis("ok", Said("Sólo su dueño lee %(name)s.", name=path.name))


def _keys(config: NodeConfig) -> Iterator[Diagnosis]:
    try:
        keys = load_node_keys(config.node_keys, config.key_identity)
    except ConfigurationError as error:
        yield Diagnosis("refuse", Said("Las llaves del nodo no abren: %(error)s", error=error), error.advice)
        return
    if keys.node != config.node:
        advice = Said("Ponga en su sitio las llaves o la configuración que corresponde.")
        yield Diagnosis(
            "refuse",
            Said("Las llaves son de %(node)s y la configuración dice %(configured)s.", node=keys.node, configured=config.node),
            advice,
        )
        return
    yield Diagnosis("ok", Said("Las llaves del nodo abren."))
    if config.register_.online_key is not None:
        yield _online_key(config.register_.online_key, config.key_identity)


def _online_key(key: Path, identity: Path) -> Diagnosis:
    try:
        load_custodian(key, identity=identity)
    except ConfigurationError:
        advice = Said("Se crea con la identidad del nodo: `paradero federation custodian` (docs/federation.md, «Founding»).")
        return Diagnosis(
            "refuse", Said("La identidad del nodo no abre la llave en línea del registro, %(key)s.", key=key), advice
        )
    return Diagnosis("ok", Said("La llave en línea del registro abre."))


def _certificate(config: NodeConfig, now: datetime) -> Iterator[Diagnosis]:
    certificate, key = config.federation.tls_certificate, config.federation.tls_key
    if certificate is None or key is None:
        fine = config.federation.behind_proxy and config.federation.host in {"127.0.0.1", "::1", "localhost"}
        advice = Said('Ponga tls_certificate y tls_key, o behind_proxy = true con host = "127.0.0.1".')
        yield (
            Diagnosis("ok", Said("El TLS lo pone el proxy de este equipo."))
            if fine
            else Diagnosis("refuse", Said("El puerto de federación no tiene certificado."), advice)
        )
        return
    try:
        server_context(certificate, key)
        until = expires(certificate.read_bytes())
    except (ConfigurationError, OSError, ValueError):
        advice = Said("Compruebe [federation] tls_certificate y tls_key, y que el usuario del nodo los lea.")
        yield Diagnosis("refuse", Said("El certificado TLS o su llave no sirven."), advice)
        return
    yield _validity(
        Said("El certificado TLS"), until, now, Said("Renuévelo; si su huella está en el registro, publique llaves nuevas.")
    )


def _validity(what: str, until: datetime, now: datetime, advice: str) -> Diagnosis:
    if until <= now:
        return Diagnosis("refuse", Said("%(what)s venció el %(until)s.", what=what, until=until.date().isoformat()), advice)
    if until - now < _SOON:
        return Diagnosis("warn", Said("%(what)s vence el %(until)s.", what=what, until=until.date().isoformat()), advice)
    return Diagnosis("ok", Said("%(what)s vale hasta el %(until)s.", what=what, until=until.date().isoformat()))


async def _people(config: NodeConfig) -> list[Diagnosis]:
    """Whether somebody can come in, and whether passwords would cross a network in the clear."""
    found = []
    if config.private.host not in {"127.0.0.1", "::1", "localhost"}:
        advice = Said('Ponga [private] host = "127.0.0.1"; para entrar desde otro equipo, un túnel SSH o un proxy con TLS.')
        found.append(Diagnosis("warn", Said("El puerto privado escucha en la red, y por él viajan claves sin cifrar."), advice))
    engine = create_read_engine(config.main_database)
    try:
        people = await SqlPeopleReader(engine).people()
    except ExchangeError:
        return found  # told already
    finally:
        await engine.dispose()
    if any(item.person.state is PersonState.ENABLED and Post(Role.NODE_ADMIN, None) in item.posts for item in people):
        return [*found, Diagnosis("ok", Said("Alguien administra este nodo."))]
    advice = Said("Ejecute aquí `paradero user bootstrap USUARIO --name NOMBRE`; si la hubo, `paradero user recover USUARIO`.")
    return [*found, Diagnosis("warn", Said("Nadie puede entrar a administrar este nodo."), advice)]


async def _backups(config: NodeConfig, now: datetime) -> list[Diagnosis]:
    """When the node was last backed up, and whether a restore is still being reconciled."""
    if config.restoring.exists():
        advice = Said("Repita `paradero backup restore` con los mismos archivos.")
        return [Diagnosis("refuse", Said("Una restauración empezó y no terminó."), advice)]
    engine = create_read_engine(config.main_database)
    try:
        made, peers = await recorded_backups(engine, limit=2), await reconciling(engine)
    except ExchangeError:
        return []  # told already
    finally:
        await engine.dispose()
    found = [_backup_age(max((row.taken_at for row in made), default=None), now)]
    waiting = [peer for peer, state in peers if state == "asked"]
    if waiting:
        advice = Said("Espere a que respondan; si un nodo no puede, `paradero backup give-up NODO`.")
        found.append(
            Diagnosis("warn", Said("Restaurado; falta que devuelvan lo suyo: %(peers)s.", peers=", ".join(waiting)), advice)
        )
    return found


def _backup_age(taken: datetime | None, now: datetime) -> Diagnosis:
    advice = Said("Ejecute `paradero backup now` cada día (deploy/paradero-backup.timer) y guárdelo en otro equipo.")
    if taken is None:
        return Diagnosis("warn", Said("Este nodo no tiene ningún respaldo."), advice)
    hours = (now - taken).total_seconds() / 3600
    return Diagnosis(
        "warn" if hours > 36 else "ok",
        Said("El último respaldo tiene %(hours)s horas.", hours=round(hours)),
        advice if hours > 36 else "",
    )


# -- the register ---------------------------------------------------------------------------------------------------------


def _register(config: NodeConfig, now: datetime) -> Iterator[Diagnosis]:
    if config.trust.is_dir() and not (config.trust / "verified_at").exists():
        advice = Said("Arranque el nodo y repita; si sigue así, compruebe [register] mirrors, tls_pin y la red.")
        yield Diagnosis("warn", Said("Este nodo aún no ha traído el registro."), advice)
        return
    try:
        trust = RegisterClient(config.trust, _no_network, demo=config.demo).load()
    except ConfigurationError as error:
        yield Diagnosis("refuse", Said("No hay registro con que trabajar: %(error)s", error=error), error.advice)
        return
    yield _freshness(trust, now)
    yield _clock(trust, now)
    standing = trust.standing(config.node, now)
    if standing not in {Standing.ACTIVE, Standing.PROBATION}:
        yield Diagnosis(
            "refuse",
            Said("Este nodo está «%(standing)s» en el registro.", standing=standing.value),
            Said("Hable con el registrador de la red."),
        )
        return
    yield Diagnosis("ok", Said("Este nodo está «%(standing)s» en el registro.", standing=standing.value))
    keyset = trust.keysets.get(config.node)
    if keyset is None:
        advice = Said("Envíe request.json al registrador.")
        yield Diagnosis("refuse", Said("El registro no tiene las llaves de este nodo."), advice)
        return
    advice = Said("Renuévelo: `paradero keys renew`; luego `paradero federation keyset` (docs/federation.md).")
    yield _validity(Said("El juego de llaves publicado"), keyset.expires_at, now, advice)
    yield from _published(config, keyset)


def _no_network(_path: str, _limit: int) -> bytes:
    raise ConfigurationError("doctor no usa la red")


def _freshness(trust: TrustState, now: datetime) -> Diagnosis:
    freshness = trust.freshness(now)
    told = Said(
        "El registro es la versión %(version)s, de hace %(ago)s", version=trust.version, ago=_ago(now - trust.published_at)
    )
    advice = Said("Compruebe [register] mirrors, la red, y que el nodo esté en marcha (docs/federation.md, «Freshness»).")
    if freshness is Freshness.FROZEN:
        return Diagnosis("refuse", Said("%(told)s: demasiado viejo, nada sale de este nodo.", told=told), advice)
    if freshness is Freshness.FRESH:
        return Diagnosis("ok", Said("%(told)s.", told=told))
    return Diagnosis("warn", Said("%(told)s: está viejo.", told=told), advice)


def _ago(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _clock(trust: TrustState, now: datetime) -> Diagnosis:
    if trust.published_at - now > _SKEW:
        seconds = (trust.published_at - now).total_seconds()
        advice = Said("Active la sincronización de hora: timedatectl set-ntp true")
        return Diagnosis(
            "warn", Said("El reloj de este equipo va %(seconds)s s detrás del registro.", seconds=round(seconds)), advice
        )
    if trust.freshness(now) in {Freshness.STALE, Freshness.FROZEN}:
        advice = Said(
            "Compare la hora con la de otro equipo; un nodo que no la tiene confirmada no da por vencido ningún mensaje."
        )
        return Diagnosis(
            "warn", Said("El reloj va %(ago)s por delante del registro que hay.", ago=_ago(now - trust.published_at)), advice
        )
    return Diagnosis("ok", Said("El reloj no va detrás del registro."))


def _published(config: NodeConfig, keyset: Keyset) -> Iterator[Diagnosis]:
    """What the register says of this node must be what this node is, or peers reject it."""
    try:
        keys = load_node_keys(config.node_keys, config.key_identity)
    except ConfigurationError:
        return  # told already
    if keys.sig.public.raw not in {key.raw for key in keyset.sig}:
        advice = Said("Otros rechazarán lo que firme: restaure las llaves publicadas o publique éstas.")
        yield Diagnosis("refuse", Said("Las llaves de este equipo no son las publicadas."), advice)
    certificate, pinned = config.federation.tls_certificate, keyset.endpoint.tls_pin
    if pinned is None or certificate is None:
        return
    same = _pin_of(certificate) == pinned
    advice = Said("Otros no podrán conectarse: restaure el certificado, o publique llaves con la huella nueva.")
    yield (
        Diagnosis("ok", Said("El certificado es el que está en el registro."))
        if same
        else Diagnosis("refuse", Said("El certificado TLS no es el que está en el registro."), advice)
    )


def _pin_of(certificate: Path) -> str | None:
    try:
        return pin(certificate.read_bytes())
    except (OSError, ValueError):
        return None
