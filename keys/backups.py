r"""Sealed backup files (SPEC 11.2): a header in the clear, an age file, and the node's signature over both.

::

    {"format":"urn:paradero:backup:1",…}\n      what it is; no personal data
    age-encryption.org/v1 …                     to the institution's recovery keys; the node itself cannot open it
    \n<JWS>\n                                   the node's log key over size and SHA-256 of all the above

Anybody can seal to a recipient, so what opens proves nothing about where it comes from: the signature does. Inside are
frames, each a length and its bytes; the first is the header again, the last says how many there are.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pyrage import DecryptError, RecipientError, decrypt_io, encrypt_io, x25519

from contracts.codec import Json, b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import BackupRefusedError, ConfigurationError, ExchangeError
from contracts.ids import KeyId, NodeId
from keys.jose import parse_jws, sign_jws, verify_jws
from keys.keystore import load_identities
from keys.model import SigningKey, VerifyKey

BACKUP_TYP = "paradero-backup+jwt"
_FORMAT = "urn:paradero:backup:1"
_MAX_HEADER = 8192
_MAX_TRAILER = 4096
MAX_FRAME = 64 * 1024 * 1024
_CHUNK = 1024 * 1024
_FOREIGN = "Compruebe que sea un respaldo de este nodo y use otra copia si la hay."
_DAMAGED = "Use otra copia u otro respaldo; copie los archivos enteros y compruébelos con `paradero backup verify`."

Kind = Literal["main", "keys"]


@dataclass(frozen=True, slots=True)
class BackupHeader:
    """What a backup says of itself in the clear. `expires_at`: past it, it must not be opened but destroyed."""

    kind: Kind
    node: NodeId
    backup_id: str
    taken_at: int
    revision: str
    recipients: tuple[str, ...]
    expires_at: int | None = None

    def encoded(self) -> bytes:
        """Return the header as its line in the file."""
        value: Json = {
            "format": _FORMAT,
            "kind": self.kind,
            "node": str(self.node),
            "id": self.backup_id,
            "taken_at": self.taken_at,
            "revision": self.revision,
            "recipients": list(self.recipients),
        }
        if self.expires_at is not None:
            value["expires_at"] = self.expires_at
        return encode_object(value)


@dataclass(frozen=True, slots=True)
class Outer:
    """A backup file seen from outside. `signed`: by a key the caller vouched for; None: nobody was asked."""

    header: BackupHeader
    size: int
    digest: bytes
    signed: bool | None


class _Hashing:
    """A file that counts and hashes what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write."""
        self.hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Flush."""
        self._file.flush()


class BackupWriter:
    """Writes one sealed backup to a temporary file beside `path`; nothing is at `path` before `publish`.

    Its methods block: call them from a thread.
    """

    def __init__(self, path: Path, header: BackupHeader) -> None:
        try:
            recipients = [x25519.Recipient.from_str(item) for item in header.recipients]
        except RecipientError:
            recipients = []
        if not recipients:
            raise ConfigurationError(
                "no hay llave de recuperación a la que cifrar el respaldo",
                advice="Créela una vez: `paradero backup key ARCHIVO`, y guarde el archivo fuera de este equipo.",
            )
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._temporary = path.with_name(f".{path.name}.new")
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        os.fchmod(descriptor, 0o600)
        self._out = _Hashing(self._file)
        self._out.write(header.encoded() + b"\n")
        reader, writer = os.pipe()
        self._pipe = os.fdopen(writer, "wb", buffering=0)
        self._failure: list[BaseException] = []
        self._frames = 0
        self._thread = threading.Thread(target=self._encrypt, args=(os.fdopen(reader, "rb"), recipients), daemon=True)
        self._thread.start()
        self.write(header.encoded())

    def _encrypt(self, source: BinaryIO, recipients: Sequence[x25519.Recipient]) -> None:
        with source:
            try:
                encrypt_io(source, self._out, recipients)
            except BaseException as error:  # noqa: BLE001 - told to the writer, which raises it
                self._failure.append(error)

    def write(self, frame: bytes) -> None:
        """Add a frame.

        Raises:
            OSError: the disk refused.
        """
        try:
            _write_all(self._pipe.fileno(), len(frame).to_bytes(4) + frame)
        except BrokenPipeError:
            self._thread.join()
            raise OSError("the backup could not be written") from None
        self._frames += 1

    def finish(self, key: SigningKey) -> tuple[bytes, int]:
        """End, sign and sync the file; return its SHA-256 and size."""
        self.write(encode_object({"end": self._frames}))
        self._pipe.close()
        self._thread.join()
        if self._failure:
            raise OSError("the backup could not be written") from self._failure[0]
        payload = encode_object({"sha256": b64u_encode(self._out.hash.digest()), "size": self._out.size})
        self._out.write(b"\n" + sign_jws(payload, key, typ=BACKUP_TYP).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._out.hash.digest(), self._out.size

    def publish(self) -> None:
        """Give the file its name, durably."""
        self._temporary.replace(self.path)
        sync_folder(self.path.parent)

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):
            self._pipe.close()
        self._thread.join(10)
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:_CHUNK]) :]


def read_header(path: Path) -> BackupHeader:
    """Return what a file says of itself; nothing of it is proved yet.

    Raises:
        BackupRefusedError: not a backup, or cut short in its first line.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return _header(file.readline(_MAX_HEADER + 1))


def _header(line: bytes) -> BackupHeader:
    try:
        value = parse_object(line.rstrip(b"\n"), limit=_MAX_HEADER, depth=2)
        if value.get("format") != _FORMAT or value["kind"] not in ("main", "keys"):
            raise BackupRefusedError("no es un respaldo de Paradero, o es de un formato más nuevo", advice=_FOREIGN)
        header = BackupHeader(
            value["kind"],
            NodeId(value["node"]),
            str(value["id"]),
            int(value["taken_at"]),
            str(value["revision"]),
            tuple(str(item) for item in value["recipients"]),
            value.get("expires_at"),
        )
    except BackupRefusedError:
        raise
    except (ExchangeError, KeyError, TypeError, ValueError):
        raise BackupRefusedError("no es un respaldo de Paradero", advice=_FOREIGN) from None
    if header.encoded() + b"\n" != line:
        raise BackupRefusedError("el encabezado del respaldo no es el que se escribió", advice=_DAMAGED)
    return header


def check_outer(path: Path, find: Callable[[KeyId], VerifyKey] | None) -> Outer:
    """Check size, digest and signature of a file without opening it.

    `find` vouches for the log key of the node; without it the signature is not verified, only that what it names agrees.

    Raises:
        BackupRefusedError: damaged, cut short, changed, or signed by somebody else.
        OSError: it cannot be read.
    """
    header = read_header(path)
    token, length = _trailer(path)
    try:
        payload = parse_jws(token).payload if find is None else verify_jws(token, typ=BACKUP_TYP, find=find).payload
        named = parse_object(payload, limit=1024, depth=1)
        size, digest = int(named["size"]), b64u_decode(named["sha256"])
    except (ExchangeError, KeyError, TypeError, ValueError):
        raise BackupRefusedError("no lo firmó este nodo, o la firma está dañada", advice=_FOREIGN) from None
    if size != length or _digest(path, length) != digest:
        raise BackupRefusedError("está dañado, incompleto o fue cambiado: no da el resumen que se firmó", advice=_DAMAGED)
    return Outer(header, size, digest, None if find is None else True)


def _trailer(path: Path) -> tuple[str, int]:
    total = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, total - _MAX_TRAILER))
        tail = file.read()
    start = tail.rfind(b"\n", 0, len(tail) - 1)
    if start < 0 or not tail.endswith(b"\n"):
        raise BackupRefusedError("está incompleto: le falta la firma del final", advice=_DAMAGED)
    try:
        return tail[start + 1 : -1].decode("ascii"), total - (len(tail) - start)
    except UnicodeDecodeError:
        raise BackupRefusedError("está incompleto: le falta la firma del final", advice=_DAMAGED) from None


def _digest(path: Path, length: int) -> bytes:
    found = sha256()
    with path.open("rb") as file:
        while length > 0 and (data := file.read(min(_CHUNK, length))):
            found.update(data)
            length -= len(data)
    return found.digest()


class _Part:
    """The age file inside: reading ends where the signature begins."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def read(self, count: int = -1) -> bytes:
        """Read."""
        data = self._file.read(self._left if count < 0 else min(count, self._left))
        self._left -= len(data)
        return data


def read_frames(path: Path, identity: Path, outer: Outer) -> Iterator[bytes]:
    """Yield the frames of a file that `check_outer` passed, header and end frame excluded. Blocks; one frame in memory.

    Raises:
        BackupRefusedError: the identity does not open it, or what is inside is another backup, or not whole.
        ConfigurationError: the identity file is none.
    """
    identities = load_identities(identity)
    reader, writer = os.pipe()
    failure: list[BaseException] = []
    thread = threading.Thread(target=_decrypt, args=(path, outer, identities, writer, failure), daemon=True)
    thread.start()
    with os.fdopen(reader, "rb") as source:
        count, ended = 0, False
        while (frame := _frame(source, failure)) is not None:
            if ended:
                raise BackupRefusedError("hay datos después de su fin", advice=_DAMAGED)
            if count == 0:
                if frame != outer.header.encoded():
                    raise BackupRefusedError("el encabezado no es el del contenido", advice=_FOREIGN)
            elif frame == encode_object({"end": count}):
                ended = True
            else:
                yield frame
            count += 1
    thread.join()
    if failure or not ended:
        raise _unopened(failure)


def _frame(source: BinaryIO, failure: Sequence[BaseException]) -> bytes | None:
    prefix = source.read(4)
    if not prefix:
        return None
    length = int.from_bytes(prefix)
    if len(prefix) != 4 or length > MAX_FRAME:
        raise _unopened(failure)
    frame = source.read(length)
    if len(frame) != length:
        raise _unopened(failure)
    return frame


def _unopened(failure: Sequence[BaseException]) -> BackupRefusedError:
    if failure and isinstance(failure[0], DecryptError):
        return BackupRefusedError(
            "esa llave no lo abre, o el contenido está dañado", advice="Use la llave de recuperación con que se hizo."
        )
    return BackupRefusedError("el contenido está incompleto", advice=_DAMAGED)


def _decrypt(path: Path, outer: Outer, identities: Sequence[Any], writer: int, failure: list[BaseException]) -> None:
    with os.fdopen(writer, "wb", buffering=0) as out, path.open("rb") as file:
        header = len(file.readline(_MAX_HEADER + 1))
        try:
            decrypt_io(_Part(file, outer.size - header), _Pipe(out.fileno()), identities)
        except BaseException as error:  # noqa: BLE001 - told to the reader, which raises it
            failure.append(error)


class _Pipe:
    """The writing end of a pipe, which takes everything or fails."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> int:
        """Write all."""
        _write_all(self._descriptor, data)
        return len(data)

    def flush(self) -> None:
        """There is nothing to flush."""
