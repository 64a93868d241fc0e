"""A node's copy of the register: fetched, verified, every version kept, served on to others (SPEC 10.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from contracts.errors import ConfigurationError, ExchangeError, PeerUnavailableError
from contracts.policy import parse_policy
from keys.keystore import write_durably
from keys.register.state import TIMESTAMP_LIFE, RegisterTargets, TrustState, build_state
from keys.register.tuf_client import (
    DELEGATED,
    EquivocationError,
    Fetch,
    KeepingFetcher,
    RegisterRefusedError,
    verified_refresh,
)


@dataclass(frozen=True, slots=True)
class RegisterProblem:
    """Why a refresh was refused, or what people should look at in what was adopted."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh brought. On a problem the state we had stays in force."""

    state: TrustState
    changed: bool
    problems: tuple[RegisterProblem, ...] = ()


def fingerprint(root: bytes) -> str:
    """Return what people compare by voice: the first 160 bits of SHA-256 of the root file, in ten groups."""
    digest = sha256(root).hexdigest()[:40]
    return " ".join(digest[start : start + 4] for start in range(0, 40, 4))


def check_targets(targets: Mapping[str, bytes], *, demo: bool) -> None:
    """Refuse a register version whose signed content is not what it must be, before any of it is kept.

    Raises:
        RegisterRefusedError: a target does not parse, or a demo federation meets a node that is none (or the reverse).
    """
    try:
        parse_policy(targets["policy.json"])
        # Built whole, as it would be adopted: what cannot be adopted must not get onto the disk either.
        state = build_state(
            RegisterTargets(
                version=0,
                timestamp_version=0,
                published_at=datetime.fromtimestamp(0, UTC),
                federation=targets["federation.json"],
                members=(targets["members.json"],),
                policies=(targets["policy.json"],),
                suspensions=(targets["suspensions.json"],),
                keysets=(targets["keysets.json"],),
            )
        )
    except ExchangeError as error:
        raise RegisterRefusedError("content", str(error)) from None
    if state.federation.demo != demo:
        raise RegisterRefusedError("demo-mismatch", "a demo federation and a real one never mix")


def check_roles(metadata: Path) -> None:
    """Refuse a version in which a role signs anything but its own one target, under its SHA-256 (SPEC 10.2).

    python-tuf never asks a role for what is not delegated to it; but we keep, and serve on, every file a role names.

    Raises:
        RegisterRefusedError: a role names another target, none, or another kind of hash.
    """
    for role in ("targets", *DELEGATED):
        signed = Metadata[Targets].from_bytes((metadata / f"{role}.json").read_bytes()).signed
        names = ["federation.json"] if role == "targets" else [f"{role}.json"]
        if list(signed.targets) != names or any(list(info.hashes) != ["sha256"] for info in signed.targets.values()):
            raise RegisterRefusedError("role-oversteps", role)


class RegisterClient:
    """The register in `folder`: `mirror/` (every verified file, also what we serve), `cache/` (python-tuf's), `evidence/`."""

    def __init__(self, folder: Path, fetch: Fetch, *, demo: bool = False) -> None:
        self._folder = folder
        self._fetch = fetch
        self._demo = demo
        self._state: TrustState | None = None

    @property
    def mirror(self) -> Path:
        """Files to serve: `metadata/` and `targets/`."""
        return self._folder / "mirror"

    @classmethod
    def initialise(cls, folder: Path, root: bytes, *, expected: str) -> None:
        """Take in the root of trust after comparing its fingerprint; refuses to replace another one.

        Raises:
            ConfigurationError: the fingerprint differs, or another root is there already.
        """
        if fingerprint(root).split() != expected.lower().split():
            raise ConfigurationError(
                "the root's fingerprint is another one",
                advice="Do not go on. Call the registrar at the number on the signed paper and compare all ten groups.",
            )
        held = folder / "root.json"
        if held.exists() and held.read_bytes() != root:
            raise ConfigurationError(
                "another root is in place", advice="Re-founding is a ceremony of its own: docs/federation.md."
            )
        write_durably(held, root, mode=0o644)

    def load(self) -> TrustState:
        """Verify what is on disk, from the root of trust on, and return it. Needs no network and no fresh timestamp.

        Raises:
            ConfigurationError: no root of trust, or the copy on disk does not verify.
        """
        root, verified_at = self._root(), self.verified_at()
        try:
            with TemporaryDirectory(prefix="paradero-register-") as scratch:
                fetcher = KeepingFetcher(self._from_mirror, lambda _: None)
                verified_refresh(Path(scratch), fetcher, now=verified_at, root=root)
            self._state = build_state(self._targets())
        except (RegisterRefusedError, ExchangeError, OSError) as error:
            raise ConfigurationError(
                f"the register's copy on disk does not verify ({type(error).__name__})",
                advice=f"Move {self._folder}/mirror and {self._folder}/cache away; the node fetches them again.",
            ) from None
        return self._state

    def refresh(self, now: datetime) -> Refresh:
        """Fetch, verify and adopt; on a refusal keep what we have and say why.

        Raises:
            PeerUnavailableError: the register cannot be fetched and we have none.
            ConfigurationError: nothing verified was ever held, and what was fetched does not verify.
        """
        before = self._state
        try:
            fetcher = KeepingFetcher(self._fetch, self._held)
            targets = verified_refresh(self._folder / "cache", fetcher, now=now, root=self._anchor())
            if self._brings_news():
                check_targets(targets, demo=self._demo)
                check_roles(self._folder / "cache" / "metadata")
                self._look_at_snapshot(fetcher)
            changed = self._publish(now)
            if before is not None and not changed:
                return Refresh(before, changed=False)
            state = self._adopt()
        except RegisterRefusedError as error:
            return self._refused(error)
        problems = tuple(RegisterProblem(problem.kind, str(problem.node)) for problem in state.problems)
        return Refresh(state, changed=True, problems=problems)

    def _anchor(self) -> bytes | None:
        """Return the root of trust to start from; None while the cache has a root, which is at least as new."""
        try:
            Metadata[Root].from_bytes((self._folder / "cache" / "metadata" / "root.json").read_bytes())
        except (OSError, RepositoryError):
            # None yet; or python-tuf's, which does not sync what it writes, came out of a power cut empty.
            return self._root()
        return None

    def _brings_news(self) -> bool:
        verified = (self._folder / "cache" / "metadata" / "timestamp.json").read_bytes()
        return self._read("metadata/timestamp.json") != verified

    def _look_at_snapshot(self, fetcher: KeepingFetcher) -> None:
        """Fetch the snapshot again under each new timestamp: python-tuf skips one whose version it holds, and a second
        snapshot of that version would go unseen.

        Raises:
            EquivocationError: it is another file than the one we hold.
        """
        timestamp = (self._folder / "cache" / "metadata" / "timestamp.json").read_bytes()
        version = Metadata[Timestamp].from_bytes(timestamp).signed.snapshot_meta.version
        fetcher.look_at(f"metadata/{version}.snapshot.json")

    def _adopt(self) -> TrustState:
        self._state = build_state(self._targets())
        return self._state

    def _refused(self, error: RegisterRefusedError) -> Refresh:
        if isinstance(error, EquivocationError):
            folder = self._folder / "evidence"
            for role, data in (("held", error.held), ("shown", error.shown)):
                write_durably(folder / f"{error.name}.{role}.{sha256(data).hexdigest()[:16]}", data)
        if self._state is None:
            raise ConfigurationError(
                f"the register does not verify: {error.kind}", advice="Compare the root's fingerprint; ask another mirror."
            )
        return Refresh(self._state, changed=False, problems=(RegisterProblem(error.kind, str(error)[:120]),))

    # -- the mirror --------------------------------------------------------------------------------------------------

    def _publish(self, now: datetime) -> bool:
        """Copy what was verified into the mirror, the timestamp last: until then the old version is whole."""
        cache = self._folder / "cache"
        for path in sorted((cache / "metadata" / "root_history").glob("*.root.json")):
            self._keep(f"metadata/{path.name}", path.read_bytes())
        for role in ("snapshot", "targets", *DELEGATED):
            data = (cache / "metadata" / f"{role}.json").read_bytes()
            for name, info in _targets_in(role, data).items():
                content = (cache / "targets" / name).read_bytes()
                self._keep(f"targets/{next(iter(info.hashes.values()))}.{name}", content)
            self._keep(f"metadata/{Metadata.from_bytes(data).signed.version}.{role}.json", data)
        timestamp = (cache / "metadata" / "timestamp.json").read_bytes()
        changed = self._read("metadata/timestamp.json") != timestamp
        if changed:
            self._keep(f"metadata/{Metadata.from_bytes(timestamp).signed.version}.timestamp.json", timestamp)
            write_durably(self.mirror / "metadata" / "timestamp.json", timestamp, mode=0o644)
        write_durably(self._folder / "verified_at", str(int(now.timestamp())).encode(), mode=0o644)
        return changed

    def _keep(self, name: str, data: bytes) -> None:
        path = self.mirror / name
        if not path.exists():
            write_durably(path, data, mode=0o644)

    def _held(self, name: str) -> bytes | None:
        return self._read(name)

    def _read(self, name: str) -> bytes | None:
        path = self.mirror / name
        return path.read_bytes() if path.is_file() else None

    def _from_mirror(self, name: str, _limit: int) -> bytes:
        data = self._read(name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    def _root(self) -> bytes:
        path = self._folder / "root.json"
        if not path.exists():
            raise ConfigurationError("no root of trust", advice="Run `paradero federation join ROOT --fingerprint …` first.")
        return path.read_bytes()

    def verified_at(self) -> datetime:
        """Return when this register was last fetched and verified.

        Raises:
            ConfigurationError: never.
        """
        path = self._folder / "verified_at"
        if not path.exists():
            raise ConfigurationError("the register was never fetched", advice="Check [register] mirrors and the network.")
        return datetime.fromtimestamp(int(path.read_text()), UTC)

    def _targets(self) -> RegisterTargets:
        timestamp = Metadata[Timestamp].from_bytes(self._from_mirror("metadata/timestamp.json", 0)).signed
        snapshot = self._from_mirror(f"metadata/{timestamp.snapshot_meta.version}.snapshot.json", 0)
        newest = Metadata[Snapshot].from_bytes(snapshot).signed.meta
        return RegisterTargets(
            version=timestamp.snapshot_meta.version,
            timestamp_version=timestamp.version,
            published_at=timestamp.expires - TIMESTAMP_LIFE,
            federation=self._history("targets", "federation.json", newest)[-1],
            members=self._history("members", "members.json", newest),
            policies=self._history("policy", "policy.json", newest),
            suspensions=self._history("suspensions", "suspensions.json", newest),
            keysets=self._history("keysets", "keysets.json", newest),
        )

    def _history(self, role: str, name: str, newest: Mapping[str, MetaFile]) -> tuple[bytes, ...]:
        """Return every version of a target up to the snapshot's, oldest first, each once in a row.

        Later files may lie in the mirror when a refresh was cut short; until the timestamp names them they do not count.
        """
        paths = sorted((self.mirror / "metadata").glob(f"*.{role}.json"), key=_leading_number)
        found: list[bytes] = []
        for path in paths:
            if _leading_number(path) > newest[f"{role}.json"].version:
                continue
            info = Metadata[Targets].from_bytes(path.read_bytes()).signed.targets[name]
            data = self._from_mirror(f"targets/{next(iter(info.hashes.values()))}.{name}", 0)
            if not found or found[-1] != data:
                found.append(data)
        return tuple(found)


def _targets_in(role: str, data: bytes) -> Mapping[str, TargetFile]:
    return {} if role == "snapshot" else Metadata[Targets].from_bytes(data).signed.targets


def _leading_number(path: Path) -> int:
    return int(path.name.partition(".")[0])


def read_folder(folder: Path) -> Fetch:
    """Return a fetch that reads a register published in a local folder."""

    def fetch(path: str, limit: int) -> bytes:
        data = (folder / path).read_bytes()
        if len(data) > limit:
            raise FileNotFoundError(path)
        return data

    return fetch


def first_of(fetches: Sequence[Fetch]) -> Fetch:
    """Return a fetch that asks one mirror after the other; a mirror that has no such file has answered."""

    def fetch(path: str, limit: int) -> bytes:
        reasons = []
        for one in fetches:
            try:
                return one(path, limit)
            except PeerUnavailableError as error:
                reasons.append(str(error))
        raise PeerUnavailableError(f"no mirror answers: {', '.join(reasons) or 'none is configured'}")

    return fetch
