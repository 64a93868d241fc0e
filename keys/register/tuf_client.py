"""The one adapter to python-tuf's client: its clock and its fetcher are ours (a test pins both).

python-tuf verifies: thresholds, versions that only grow, expiry, hashes, delegations. What it does not look for is a
second file under a version we already hold; `KeepingFetcher` does.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from contracts.codec import parse_object
from contracts.errors import MalformedError, PeerUnavailableError, TooLargeError

Fetch = Callable[[str, int], bytes]
"""Returns the bytes of a path below the register's base, at most so many; FileNotFoundError when there is none."""

TARGETS = ("federation.json", "members.json", "policy.json", "suspensions.json", "keysets.json")
DELEGATED = ("members", "policy", "suspensions", "keysets")
_BASE = "register:///"
_LIMITS = UpdaterConfig(
    max_root_rotations=256,
    max_delegations=8,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=64_000,
    targets_max_length=512_000,
)
MAX_TARGET_BYTES = 8 * 1024 * 1024


class RegisterRefusedError(Exception):
    """The register's files do not verify; `kind` says how, the text has no personal data."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


class EquivocationError(RegisterRefusedError):
    """Two different files under one version; `held` and `shown` are the two."""

    def __init__(self, name: str, held: bytes, shown: bytes) -> None:
        super().__init__("equivocation", name)
        self.name = name
        self.held = held
        self.shown = shown


class KeepingFetcher(FetcherInterface):
    """Fetches through `fetch`; refuses a metadata file that two parsers could read differently (SPEC 3.1), or that differs
    from the one we hold under its version.
    """

    def __init__(self, fetch: Fetch, held: Callable[[str], bytes | None]) -> None:
        self._fetch_bytes = fetch
        self._held = held
        self.conflict: RegisterRefusedError | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(_BASE)
        try:
            data = self._fetch_bytes(path, MAX_TARGET_BYTES)
        except FileNotFoundError:
            raise DownloadHTTPError("not there", 404) from None
        except PeerUnavailableError as error:
            raise DownloadError(str(error)) from None
        if path.startswith("metadata/"):
            self._read_strictly(path, data)
            self._compare(path, data)
        return iter((data,))

    def look_at(self, path: str) -> None:
        """Compare what is served under a path with what we hold; a mirror that cannot be reached shows nothing.

        Raises:
            RegisterRefusedError: it differs, or two parsers could read it differently.
        """
        try:
            self._fetch(_BASE + path)
        except DownloadError:
            if self.conflict is not None:
                raise self.conflict from None

    def _read_strictly(self, path: str, data: bytes) -> None:
        # python-tuf takes the last of two members of one name; the parser of another node may take the first.
        try:
            parse_object(data)
        except (MalformedError, TooLargeError) as error:
            self.conflict = RegisterRefusedError("malformed", f"{path}: {error}")
            raise DownloadError("malformed") from None

    def _compare(self, path: str, data: bytes) -> None:
        name = path.removeprefix("metadata/")
        if name == "timestamp.json":
            name = f"{_version(data)}.timestamp.json"
        held = self._held(f"metadata/{name}")
        if held is not None and held != data:
            self.conflict = EquivocationError(name, held, data)
            raise DownloadError("equivocation")


def verified_refresh(cache: Path, fetcher: KeepingFetcher, *, now: datetime, root: bytes | None = None) -> Mapping[str, bytes]:
    """Refresh `cache` from the fetcher at the time `now` and return the verified targets by name.

    `root` starts from those bytes; without it the cached root is the anchor.

    Raises:
        RegisterRefusedError: something does not verify. The cache keeps only verified files.
        PeerUnavailableError: the register cannot be fetched.
    """
    metadata, targets = cache / "metadata", cache / "targets"
    metadata.mkdir(parents=True, exist_ok=True)
    targets.mkdir(parents=True, exist_ok=True)
    try:
        updater = Updater(
            str(metadata), _BASE + "metadata/", str(targets), _BASE + "targets/", fetcher, _LIMITS, bootstrap=root
        )
        # python-tuf reads the machine's clock when it starts; ours is injected.
        updater._trusted_set.reference_time = now  # noqa: SLF001 - pinned by tests/keys/register/test_tuf_client.py
        updater.refresh()
        return {name: _target(updater, name) for name in TARGETS}
    except DownloadError as error:
        if fetcher.conflict is not None:
            raise fetcher.conflict from None
        raise PeerUnavailableError(f"register: {error}"[:200]) from None
    except (RepositoryError, ValueError, KeyError) as error:
        raise RegisterRefusedError(_kind(error), str(error)[:200]) from None


def _target(updater: Updater, name: str) -> bytes:
    info = updater.get_targetinfo(name)
    if info is None:
        raise RegisterRefusedError("target-missing", name)
    path = updater.find_cached_target(info) or updater.download_target(info)
    return Path(path).read_bytes()


def _version(data: bytes) -> int:
    try:
        return int(Metadata.from_bytes(data).signed.version)
    except Exception:  # noqa: BLE001 - python-tuf refuses the file itself in the next step, whatever is wrong with it
        return 0


def _kind(error: Exception) -> str:
    # ExpiredMetadataError -> expired-metadata, UnsignedMetadataError -> unsigned-metadata, …
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
