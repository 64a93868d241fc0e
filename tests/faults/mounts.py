"""File systems of a test's own: loop-mounted ext4 and XFS that lose their power, tmpfs that fills. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_FS_IOC_SHUTDOWN, _NOLOGFLUSH = 0x8004587D, 2
_MAKE = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
_MEGABYTES = {"ext4": 160, "xfs": 320}


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


@dataclass
class Disk:
    """A file system in a file. `cut` takes its power away; `again` is the machine's next start."""

    kind: str
    image: Path
    folder: Path

    def cut(self) -> None:
        """Stop the file system now: what is in the page cache or the journal's memory never reaches it."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(descriptor)

    def again(self) -> None:
        """Unmount and mount, which replays the journal. Nobody may have files open."""
        _run("umount", self.folder)
        _run("mount", "-o", "loop", self.image, self.folder)


@contextmanager
def power_cut_disk(base: Path, kind: str) -> Iterator[Disk]:
    """Give a file system whose power can be cut; skip loudly where the machine has none."""
    image, folder = base / f"{kind}.img", base / f"{kind}-mount"
    if os.geteuid() != 0 or shutil.which(_MAKE[kind][0]) is None:
        pytest.skip(f"POWER CUTS ON {kind.upper()} WERE NOT PROVEN: root and {_MAKE[kind][0]} are needed (e2fsprogs, xfsprogs)")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(_MEGABYTES[kind] * 1024 * 1024)
    try:
        _run(*_MAKE[kind], image)
        _run("mount", "-o", "loop", image, folder)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"POWER CUTS ON {kind.upper()} WERE NOT PROVEN: {error.stderr.decode(errors='replace')[:200]}")
    try:
        yield Disk(kind, image, folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        image.unlink()


@contextmanager
def small_disk(base: Path, megabytes: int) -> Iterator[Path]:
    """Give a tmpfs of a size; `grow` makes it larger. Skip loudly where the machine does not allow it."""
    folder = base / f"tmpfs-{megabytes}"
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "paradero-test", folder)
    except (subprocess.CalledProcessError, OSError):
        pytest.skip("A FULL DISK WAS NOT PROVEN: root is needed to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def grow(folder: Path, megabytes: int) -> None:
    """Make a tmpfs larger."""
    _run("mount", "-o", f"remount,size={megabytes}m", folder)


def writable(folder: Path, *, yes: bool) -> None:
    """Make a tmpfs read-only, or writable again. Nobody may have files open for writing."""
    _run("mount", "-o", "remount,rw" if yes else "remount,ro", folder)
