"""The register as files: what is published, what is staged, who may sign what, and publishing with a pre-flight (SPEC 10.6).

A folder holds `metadata/` and `targets/` (public, static) and `staged/` (changes that gather signatures). Nothing is
published that a real client, starting from the first root in an empty folder, does not accept.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from securesystemslib.signer import SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.metadata import Role as TufRole

from contracts.errors import ConfigurationError
from keys.keystore import write_durably
from keys.register.client import check_roles, check_targets, read_folder
from keys.register.custodians import Custodian
from keys.register.state import TIMESTAMP_LIFE
from keys.register.tuf_client import DELEGATED, KeepingFetcher, RegisterRefusedError, verified_refresh

LONG_LIFE = timedelta(days=400)
ONLINE_LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """Who holds a role, and how many of them must sign."""

    keys: Sequence[SSlibKey]
    threshold: int


@dataclass(frozen=True, slots=True)
class Signing:
    """How far one staged file is: who signed, how many must."""

    role: str
    version: int
    signed_by: tuple[str, ...]
    threshold: int

    @property
    def complete(self) -> bool:
        """Whether it can be published."""
        return len(self.signed_by) >= self.threshold


class Repository:
    """One register folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._staged = folder / "staged"

    # -- reading -----------------------------------------------------------------------------------------------------

    def current(self, role: str) -> Metadata[Any]:
        """Return the newest published metadata of a role.

        Raises:
            ConfigurationError: nothing is published yet.
        """
        if role == "timestamp":
            path = self.folder / "metadata" / "timestamp.json"
        else:
            paths = sorted((self.folder / "metadata").glob(f"*.{role}.json"), key=lambda p: int(p.name.partition(".")[0]))
            path = paths[-1] if paths else self.folder / "metadata" / f"0.{role}.json"
        if not path.exists():
            raise ConfigurationError(f"the register has no {role} yet", advice="Found the federation first.")
        return Metadata.from_bytes(path.read_bytes())

    def target(self, name: str) -> bytes:
        """Return the published content of a target."""
        role = name.removesuffix(".json") if name.removesuffix(".json") in DELEGATED else "targets"
        info = self.current(role).signed.targets[name]
        return (self.folder / "targets" / f"{next(iter(info.hashes.values()))}.{name}").read_bytes()

    def staged(self, role: str) -> Metadata[Any] | None:
        """Return what is staged for a role."""
        path = self._staged / f"{role}.json"
        return Metadata.from_bytes(path.read_bytes()) if path.exists() else None

    def staged_target(self, name: str) -> bytes | None:
        """Return the staged content of a target."""
        path = self._staged / "targets" / name
        return path.read_bytes() if path.exists() else None

    def root_bytes(self, version: int = 1) -> bytes:
        """Return a published root file."""
        return (self.folder / "metadata" / f"{version}.root.json").read_bytes()

    # -- staging -----------------------------------------------------------------------------------------------------

    def stage_root(self, roles: Mapping[str, RoleKeys], *, now: datetime) -> None:
        """Stage a root file with these roles (root, targets, snapshot, timestamp), one version up."""
        old = self._published_or_none("root")
        root = Root(version=old.signed.version + 1 if old else 1, expires=_whole(now + LONG_LIFE), consistent_snapshot=True)
        for name, role in roles.items():
            root.roles[name] = TufRole([], role.threshold)
            for key in role.keys:
                root.add_key(key, name)
        self._stage("root", Metadata(root))

    def stage_delegations(self, roles: Mapping[str, RoleKeys], federation: bytes, *, now: datetime) -> None:
        """Stage the top-level targets file: federation.json and the four delegated roles."""
        old = self._published_or_none("targets")
        delegated = {
            name: DelegatedRole(name, [], roles[name].threshold, terminating=True, paths=[f"{name}.json"]) for name in DELEGATED
        }
        delegations = Delegations({}, delegated)
        targets = Targets(
            version=old.signed.version + 1 if old else 1, expires=_whole(now + LONG_LIFE), delegations=delegations
        )
        for name in DELEGATED:
            for key in roles[name].keys:
                targets.add_key(key, name)
        targets.targets["federation.json"] = _info("federation.json", federation)
        self._stage("targets", Metadata(targets), {"federation.json": federation})

    def stage_target(self, role: str, content: bytes, *, now: datetime) -> None:
        """Stage new content of a delegated role's one target, one version up."""
        old = self._published_or_none(role)
        life = ONLINE_LIFE if role == "keysets" else LONG_LIFE
        targets = Targets(version=old.signed.version + 1 if old else 1, expires=_whole(now + life))
        targets.targets[f"{role}.json"] = _info(f"{role}.json", content)
        self._stage(role, Metadata(targets), {f"{role}.json": content})

    def restage(self, role: str, *, now: datetime) -> None:
        """Stage a role's published content once more, for new keys to sign (after a change of who holds it)."""
        self.stage_target(role, self.target(f"{role}.json"), now=now)

    def discard(self) -> None:
        """Throw away everything staged."""
        shutil.rmtree(self._staged, ignore_errors=True)

    # -- signing -----------------------------------------------------------------------------------------------------

    def sign(self, custodian: Custodian, *, only: Sequence[str] | None = None) -> tuple[str, ...]:
        """Add the custodian's signature to every staged file they hold a key for; return the roles signed."""
        signed = []
        for role in self._staged_roles():
            if only is not None and role not in only:
                continue
            metadata = self._need_staged(role)
            if custodian.public.keyid in self._keyids(role):
                metadata.sign(custodian.signer, append=True)
                write_durably(self._staged / f"{role}.json", metadata.to_bytes(), mode=0o644)
                signed.append(role)
        return tuple(signed)

    def signatures(self) -> tuple[Signing, ...]:
        """Return how far each staged file is."""
        found = []
        for role in self._staged_roles():
            metadata = self._need_staged(role)
            for delegator in self._delegators(role):
                result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
                names = sorted(_name_of(key) for key in result.signed.values())
                found.append(Signing(role, metadata.signed.version, tuple(names), result.threshold))
        return tuple(found)

    # -- publishing --------------------------------------------------------------------------------------------------

    def publish(self, online: Custodian, *, now: datetime, demo: bool) -> int:
        """Sign snapshot and timestamp over everything staged, try it with a real client, then publish; return the version.

        Raises:
            ConfigurationError: a signature is missing, or a client would refuse the result. Nothing was published.
        """
        missing = [item for item in self.signatures() if not item.complete]
        if missing:
            parts = ", ".join(f"{item.role} {len(item.signed_by)}/{item.threshold}" for item in missing)
            raise ConfigurationError(f"signatures are missing: {parts}", advice="Custodians run `paradero federation sign`.")
        with TemporaryDirectory(prefix="paradero-publish-") as scratch:
            candidate = Path(scratch) / "register"
            candidate.mkdir()
            for part in ("metadata", "targets"):
                if (self.folder / part).exists():
                    shutil.copytree(self.folder / part, candidate / part)
            version = self._compose(candidate, online, now)
            self._preflight(candidate, Path(scratch) / "client", now, demo=demo)
            self._move_in(candidate)
        self.discard()
        return version

    def resign_timestamp(self, online: Custodian, *, now: datetime) -> int:
        """Sign the same snapshot with a new timestamp; return its version. Keeps keysets alive too when they near expiry."""
        old: Metadata[Timestamp] = self.current("timestamp")
        timestamp = Timestamp(
            version=old.signed.version + 1, expires=_whole(now + TIMESTAMP_LIFE), snapshot_meta=old.signed.snapshot_meta
        )
        metadata = Metadata(timestamp)
        metadata.sign(online.signer)
        write_durably(self.folder / "metadata" / "timestamp.json", metadata.to_bytes(), mode=0o644)
        return timestamp.version

    def _compose(self, candidate: Path, online: Custodian, now: datetime) -> int:
        for role in self._staged_roles():
            metadata = self._need_staged(role)
            _write(candidate / "metadata" / f"{metadata.signed.version}.{role}.json", metadata.to_bytes())
            for name, info in metadata.signed.targets.items() if isinstance(metadata.signed, Targets) else ():
                content = self.staged_target(name) or b""
                _write(candidate / "targets" / f"{next(iter(info.hashes.values()))}.{name}", content)
        composed = Repository(candidate)
        old = composed._published_or_none("snapshot")
        version = old.signed.version + 1 if old else 1
        meta = {f"{role}.json": MetaFile(composed.current(role).signed.version) for role in ("targets", *DELEGATED)}
        snapshot = Metadata(Snapshot(version=version, expires=_whole(now + ONLINE_LIFE), meta=meta))
        snapshot.sign(online.signer)
        _write(candidate / "metadata" / f"{version}.snapshot.json", snapshot.to_bytes())
        before = composed._published_or_none("timestamp")
        timestamp = Metadata(
            Timestamp(
                version=before.signed.version + 1 if before else 1,
                expires=_whole(now + TIMESTAMP_LIFE),
                snapshot_meta=MetaFile(version),
            )
        )
        timestamp.sign(online.signer)
        _write(candidate / "metadata" / "timestamp.json", timestamp.to_bytes())
        return version

    def _preflight(self, candidate: Path, client: Path, now: datetime, *, demo: bool) -> None:
        # Root rotation that forgets to re-sign a delegated role would brick every node: see it here, not there.
        root = (candidate / "metadata" / "1.root.json").read_bytes()
        try:
            fetcher = KeepingFetcher(read_folder(candidate), lambda _: None)
            check_targets(verified_refresh(client, fetcher, now=now, root=root), demo=demo)
            check_roles(client / "metadata")
        except RegisterRefusedError as error:
            raise ConfigurationError(
                f"a client would refuse this: {error}", advice="Nothing was published. Re-sign what the message names."
            ) from None

    def _move_in(self, candidate: Path) -> None:
        new = [path for path in sorted(candidate.rglob("*.json")) if path.name != "timestamp.json"]
        for path in [*new, candidate / "metadata" / "timestamp.json"]:
            target = self.folder / path.relative_to(candidate)
            if not target.exists() or target.name == "timestamp.json":
                write_durably(target, path.read_bytes(), mode=0o644)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _stage(self, role: str, metadata: Metadata[Any], targets: Mapping[str, bytes] | None = None) -> None:
        write_durably(self._staged / f"{role}.json", metadata.to_bytes(), mode=0o644)
        for name, content in (targets or {}).items():
            write_durably(self._staged / "targets" / name, content, mode=0o644)

    def _staged_roles(self) -> tuple[str, ...]:
        order = ("root", "targets", *DELEGATED)
        return tuple(role for role in order if (self._staged / f"{role}.json").exists())

    def _need_staged(self, role: str) -> Metadata[Any]:
        metadata = self.staged(role)
        if metadata is None:
            raise ConfigurationError(f"nothing is staged for {role}", advice="Propose a change first.")
        return metadata

    def _published_or_none(self, role: str) -> Metadata[Any] | None:
        try:
            return self.current(role)
        except ConfigurationError:
            return None

    def _delegators(self, role: str) -> list[Root | Targets]:
        """Whose keys must have signed a role; a new root needs the old one's quorum and its own."""
        root = self.staged("root") or self.current("root")
        if role == "root":
            old = self._published_or_none("root")
            return [delegator for delegator in (old.signed if old else None, root.signed) if delegator is not None]
        if role == "targets":
            return [root.signed]
        return [(self.staged("targets") or self.current("targets")).signed]

    def _keyids(self, role: str) -> set[str]:
        return {keyid for delegator in self._delegators(role) for keyid in delegator.get_delegated_role(role).keyids}


def _info(name: str, content: bytes) -> TargetFile:
    return TargetFile(length=len(content), hashes={"sha256": sha256(content).hexdigest()}, path=name)


def _name_of(key: Key) -> str:
    return str(key.unrecognized_fields.get("x-paradero-custodian", key.keyid[:12]))


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
