"""A PostgreSQL of a test's own, on a folder of its choice, that can be frozen, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import REQUIRE, _as_nobody, _postgresql_bin


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder the server's user gets through to: pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="paradero-faults-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class PostgreSQL:
    """One server. Use as a context: starts, and is gone at the end."""

    def __init__(self, folder: Path):
        self.programs = _postgresql_bin()
        if self.programs is None:
            if os.environ.get(REQUIRE) == "1":
                pytest.fail("PostgreSQL is required here and is not installed")
            pytest.skip("POSTGRESQL UNDER FAULTS WAS NOT PROVEN: apt-get install postgresql")
        self.folder = folder / "postgresql"
        self.log = Path(f"/tmp/paradero-faults-pg-{os.getpid()}-{id(self)}.log")
        self.environment = {"PATH": f"{self.programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None

    def __enter__(self):
        self.folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody", "nogroup")
        initdb = [self.programs / "initdb", "-D", self.folder / "data", "-U", "paradero", "-A", "trust", "-E", "UTF8"]
        subprocess.run(initdb, check=True, env=self.environment, cwd="/", capture_output=True, **_as_nobody())
        os.sync()
        self.start()
        return self

    def __exit__(self, *_error):
        self.kill()
        self.log.unlink(missing_ok=True)

    def start(self, seconds: float = 60) -> None:
        """Start the server and wait until it answers: crash recovery included."""
        options = {
            "unix_socket_directories": "",
            "listen_addresses": "127.0.0.1",
            "shared_buffers": "32MB",
            "max_connections": 60,
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            command = [self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *flags]
            self.process = subprocess.Popen(command, env=self.environment, cwd="/", stdout=log, stderr=log, **_as_nobody())
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ask = [self.programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ask, env=self.environment, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {self.log.read_text(errors='replace')[-800:]}")

    def processes(self) -> list[int]:
        """Return the postmaster's id and its children's."""
        found = [self.process.pid]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                if stat.read_text().rpartition(")")[2].split()[1] == str(self.process.pid):
                    found.append(int(stat.parent.name))
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the server; the postmaster first."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill the server, all of it, and wait."""
        if self.process is None:
            return
        everyone = self.processes()
        self.signal(signal.SIGKILL)
        self.process.wait(20)
        end = time.monotonic() + 20
        while any(_runs(pid) for pid in everyone) and time.monotonic() < end:
            time.sleep(0.01)
        self.process = None

    def kill_a_backend(self, chance) -> None:
        """Kill one session's process: the server then throws every session out and recovers."""
        names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.processes()[1:] if _runs(pid)}
        backends = [pid for pid, name in names.items() if b"paradero" in name and b"127.0.0.1" in name]
        if backends:
            os.kill(chance.choice(backends), signal.SIGKILL)

    def new_database(self, name: str) -> str:
        """Create a database; return its URL."""
        psql = [self.programs / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "paradero", "-d", "postgres", "-qc"]
        subprocess.run([*psql, f"CREATE DATABASE {name}"], env=self.environment, check=True, capture_output=True)
        return f"postgresql+asyncpg://paradero@127.0.0.1:{self.port}/{name}"


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False
