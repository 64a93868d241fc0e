"""The demo's folder: a temporary one that goes with it, or one that somebody chose and keeps."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gateway.demo.narrator import StepFailedError

_PREFIX, _LOCK = "paradero-demo-", "en-marcha.lock"


@contextmanager
def demo_home(chosen: Path | None) -> Iterator[Path]:
    """Give the demo its folder; a temporary one is erased at the end, and with it what killed demos left behind.

    Raises:
        StepFailedError: the chosen folder cannot be made, or something is in it.
    """
    if chosen is not None:
        yield _chosen(chosen)
        return
    _sweep(Path(tempfile.gettempdir()))
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with (home / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield home
        finally:
            shutil.rmtree(home, ignore_errors=True)


def running_home(chosen: Path | None) -> Path | None:
    """Return the folder of a demo that was started elsewhere: the chosen one, else the newest temporary one that runs."""
    if chosen is not None:
        return chosen.resolve() if (chosen / "register").is_dir() else None
    running = [folder for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*") if _runs(folder)]
    return max(running, key=lambda folder: folder.stat().st_mtime, default=None)


def _runs(folder: Path) -> bool:
    with suppress(OSError), (folder / _LOCK).open("r+") as lock:
        return _ours(folder) and not _free(lock)
    return False


def _chosen(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise StepFailedError(f"{folder} no puede ser la carpeta de la demostración: {error.strerror}") from None
    if used:
        raise StepFailedError(f"{folder} no está vacía; elija otra carpeta o bórrela (no se tocó nada)")
    return folder.resolve()


def _sweep(where: Path) -> None:
    for left in where.glob(f"{_PREFIX}*"):
        # One that runs holds its lock; one that is just being made has none yet.
        with suppress(OSError), (left / _LOCK).open("r+") as lock:
            if _ours(left) and _free(lock):
                shutil.rmtree(left, ignore_errors=True)


def _ours(folder: Path) -> bool:
    return not folder.is_symlink() and folder.stat().st_uid == os.geteuid()


def _free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
