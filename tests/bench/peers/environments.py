"""A virtual environment for each peer, outside the product's own: made when missing, from pins with hashes."""

import hashlib
import os
import shutil
import subprocess
import sysconfig
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[2] / ".bench-peers"
PYTHONS = {"acapy": (3, 13), "as2": (3, 11), "as4": (3, 11)}
"""The oldest Python each peer's pins run on."""


class PeerMissingError(Exception):
    """A peer cannot be had here; the text says why, and goes into the result."""


def prepare(name, *, cache=CACHE, pins=None):
    """Return the folder of a peer's environment, made if it is not there or its pins changed.

    Raises:
        PeerMissingError: no Python new enough, or the packages cannot be installed.
    """
    pins = pins or HERE / f"{name}.txt"
    folder, wanted = cache / name, hashlib.sha256(pins.read_bytes()).hexdigest()
    stamp = folder / "pins.sha256"
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    python = find_python(PYTHONS.get(name, (3, 11)))
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    _run([uv, "venv", "--quiet", "--no-config", "--python", python, folder])
    _run([uv, "pip", "install", "--quiet", "--no-config", "--require-hashes", "--python", folder / "bin/python", "-r", pins])
    stamp.write_text(wanted)
    return folder


def find_python(at_least):
    """Return an interpreter of this version or newer: on the path, or one that pyenv keeps.

    Raises:
        PeerMissingError: there is none.
    """
    names = [f"python3.{minor}" for minor in range(at_least[1], at_least[1] + 3)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [found for name in names for found in sorted(pyenv.glob(f"*/bin/{name}"))]
    for candidate in [*(shutil.which(name) for name in names), *kept]:
        if candidate is None:
            continue
        with suppress(OSError, subprocess.SubprocessError):  # a shim may name a version that is not switched on
            asked = [candidate, "-c", "import sys; print(sys.executable)"]
            return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
    raise PeerMissingError(f"no Python {at_least[0]}.{at_least[1]} or newer on this machine")


def version(folder, package):
    """Return the version of a package in a peer's environment."""
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    asked = [folder / "bin/python", "-c", code, package]
    return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def _run(command):
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=900)
    if done.returncode != 0:
        said = (done.stderr.strip() or "said nothing").splitlines()
        raise PeerMissingError(f"{' '.join(str(part) for part in command[1:3])} failed: {' '.join(said[:3])[:400]}")
