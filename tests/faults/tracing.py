"""strace as a fault: a running node killed at, or refused, the N-th write or sync of one of its files."""

import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CALLS = "pwrite64,fdatasync,fsync,write"


def require_strace() -> None:
    """Skip loudly where there is no strace, or it may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("FAULTS AT EVERY WRITE AND SYNC WERE NOT PROVEN: apt-get install strace")
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("FAULTS AT EVERY WRITE AND SYNC WERE NOT PROVEN: this machine does not allow strace")


@contextmanager
def traced(pid: int, out: Path, *, paths: Sequence[Path], inject: str | None = None, calls: str = CALLS) -> Iterator[None]:
    """Trace `calls` of a running process on `paths`, with what `inject` says of them; detach at the end."""
    command = ["strace", "-f", "-o", str(out), "-p", str(pid), "-e", f"trace={calls}"]
    command += [part for path in paths for part in ("-P", str(path))]
    command += ["-e", f"inject={calls}:{inject}"] if inject else []
    strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    attached = threading.Event()

    def read() -> None:
        for line in strace.stderr:
            if b"attached" in line:
                attached.set()
        attached.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert attached.wait(30), "strace does not attach"
        yield
    finally:
        with suppress(ProcessLookupError):
            strace.send_signal(signal.SIGINT)  # detaches; the process goes on
        strace.wait(30)
        reader.join(10)
        strace.stderr.close()


def calls_in(out: Path) -> list[str]:
    """Return the calls of a trace, in order."""
    return re.findall(r"^\d+ +(\w+)\(", out.read_text(errors="replace"), re.MULTILINE)


def injected(out: Path) -> bool:
    """Tell whether a trace has a refused call."""
    return "(INJECTED)" in out.read_text(errors="replace")
