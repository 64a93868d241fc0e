"""Ciphertexts of attachments as files (gateway.exchange.attachment_ports.Blobs).

A file's name is the SHA-256 of what is in it, so that no name tells anything and every file can be checked. A whole one was
written beside its place, synced and renamed; one that is being fetched grows at its end and is synced before it counts.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TypeVar

from contracts.attachments import is_name
from contracts.errors import StorageError
from gateway.storage.engine import disk_failure
from gateway.storage.unit_of_work import DiskFailedError

_PART = ".part"
_NEW = ".new"
_BLOCK = 256 * 1024
_T = TypeVar("_T")


class DiskFullError(StorageError):
    """There is no room for a ciphertext; nothing was lost, and it is tried again."""


class BlobFolder:
    """The files of one node, in a folder of its own (0700)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, data: bytes) -> None:
        """Keep a whole ciphertext."""
        await self._on_disk(lambda: self._put(self._path(name), data))

    async def have(self, name: str) -> int:
        """Return how many bytes of one that is being fetched are here."""
        return await self._on_disk(lambda: _size(self._path(name, _PART)) or 0)

    async def append(self, name: str, offset: int, data: bytes) -> int:
        """Add bytes to one that is being fetched."""
        return await self._on_disk(lambda: self._append(self._path(name, _PART), offset, data))

    async def finish(self, name: str) -> bool:
        """Give one that was fetched its place, if it is what its name says."""
        return await self._on_disk(lambda: self._finish(name))

    async def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        """Return bytes of a whole one."""
        return await self._on_disk(lambda: _read(self._path(name), start, end))

    async def size(self, name: str) -> int | None:
        """Return how large a whole one is."""
        return await self._on_disk(lambda: _size(self._path(name)))

    async def remove(self, names: Collection[str]) -> None:
        """Remove ciphertexts, whole or not."""
        if names:
            await self._on_disk(lambda: self._remove(names))

    async def names(self, *, older_than: datetime | None = None, whole: bool = False) -> frozenset[str]:
        """Return the names of all, or of those last written before a moment; `whole`: not of what is only begun."""
        before = inf if older_than is None else older_than.timestamp()
        return await self._on_disk(lambda: self._names(before, whole=whole))

    def _path(self, name: str, kind: str = "") -> Path:
        if not is_name(name):
            raise StorageError("not a ciphertext's name")
        return self._folder / f"{name}{kind}"

    async def _on_disk(self, act: Callable[[], _T]) -> _T:
        try:
            return await asyncio.to_thread(act)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError("no room for a ciphertext") from None
            if code := disk_failure(error):
                raise DiskFailedError(f"the disk failed: {code}") from None
            raise StorageError(f"the disk refused: {type(error).__name__}") from None

    def _put(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(path.name + _NEW)
        try:
            _write(new, 0, data)
            new.replace(path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        self._sync()

    def _append(self, part: Path, offset: int, data: bytes) -> int:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = not part.exists()
        try:
            _write(part, offset, data)
        except OSError:
            with suppress(OSError):
                os.truncate(part, offset)  # what was not synced does not count
            raise
        if fresh:
            self._sync()
        return offset + len(data)

    def _finish(self, name: str) -> bool:
        part, digest = self._path(name, _PART), sha256()
        if not part.exists():
            return self._path(name).exists()
        with part.open("rb") as found:
            while block := found.read(_BLOCK):
                digest.update(block)
        if digest.hexdigest() != name:
            part.unlink()
            return False
        part.replace(self._path(name))
        self._sync()
        return True

    def _remove(self, names: Collection[str]) -> None:
        for name in names:
            for kind in ("", _PART, _NEW):
                self._path(name, kind).unlink(missing_ok=True)
        if self._folder.is_dir():
            self._sync()

    def _names(self, before: float, *, whole: bool) -> frozenset[str]:
        if not self._folder.is_dir():
            return frozenset()
        files = [entry for entry in os.scandir(self._folder) if not whole or "." not in entry.name]
        found = ((entry.name.partition(".")[0], entry.stat().st_mtime) for entry in files)
        return frozenset(name for name, written in found if is_name(name) and written < before)

    def _sync(self) -> None:
        opened = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _write(path: Path, offset: int, data: bytes) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(opened, "wb", buffering=0) as file:
        file.truncate(offset)
        file.seek(offset)
        left = memoryview(data)
        while left:
            left = left[file.write(left) or 0 :]
        os.fsync(file.fileno())


def _read(path: Path, start: int, end: int | None) -> bytes | None:
    try:
        with path.open("rb") as found:
            found.seek(start)
            return found.read(-1 if end is None else max(0, end - start))
    except FileNotFoundError:
        return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
