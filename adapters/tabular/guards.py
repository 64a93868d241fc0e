"""Looks at a file before anything parses it: what it is, and whether it would unfold into something enormous."""

import re
import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath

from adapters.tabular.refusals import refused

MAX_FILE = 32 * 1024 * 1024
MAX_ENTRIES = 200
MAX_UNFOLDED = 50 * 1024 * 1024
MAX_RATIO = 100
_CHUNK = 1024 * 1024
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHER_FILES = (
    b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"<html", b"<!doctype", b"<?xml", b"\x1f\x8b", b"rar!", b"7z\xbc\xaf",
    b"{\\rtf", b"\x7felf", b"mz\x90", b"sqlite format 3", b"\x00\x00\x00",
)  # fmt: skip
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_BROKEN = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def kind_of(data: bytes) -> str:
    """Return ``xlsx`` or ``csv``.

    Raises:
        SourceRefusedError: empty, too large, an old or protected Office file, or something else.
    """
    if not data.strip():
        raise refused("file-empty")
    if len(data) > MAX_FILE:
        raise refused("file-too-large")
    if data.startswith(_OLE2):
        raise refused("file-is-xls-or-protected")
    if data.startswith(b"PK"):
        _check_workbook(data)
        return "xlsx"
    if data.lstrip()[:16].lower().startswith(tuple(head.lower() for head in _OTHER_FILES)):
        raise refused("file-is-no-table")
    return "csv"


def _check_workbook(data: bytes) -> None:
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except _BROKEN:
        raise refused("file-damaged") from None
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(entries) > MAX_ENTRIES:
        raise refused("file-unfolds-too-large")
    if len(set(names)) != len(names):
        raise refused("file-damaged")
    if any(name.startswith(("/", "\\")) or ".." in PurePosixPath(name.replace("\\", "/")).parts for name in names):
        raise refused("file-unsafe-names")
    if any("vbaproject" in name.lower() for name in names):
        raise refused("file-has-macros")
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names) or "xl/workbook.bin" in names:
        raise refused("file-is-no-table")
    _check_sizes(entries)
    check_overlaps(entries, end=archive.start_dir)
    _check_parts(archive, entries)


def _check_sizes(entries: list[zipfile.ZipInfo]) -> None:
    unfolded = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if unfolded > MAX_UNFOLDED or unfolded > max(packed, 1024) * MAX_RATIO:
        raise refused("file-unfolds-too-large")
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise refused("file-is-xls-or-protected")


def check_overlaps(entries: list[zipfile.ZipInfo], *, end: int) -> None:
    """Refuse entries that share bytes (CVE-2024-0450): 14 kB can unfold to a gigabyte, and not every Python looks.

    Raises:
        SourceRefusedError: two entries overlap, or one runs into the directory that starts at `end`.
    """
    ends = 0
    for entry in sorted(entries, key=lambda item: item.header_offset):
        if entry.header_offset < ends:
            raise refused("file-overlaps")
        ends = entry.header_offset + 30 + len(entry.orig_filename) + entry.compress_size
    if ends > end:
        raise refused("file-overlaps")


def _check_parts(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    """Unfold every part once, in chunks and whatever its name, and count: the sizes in the directory are only claims."""
    left = MAX_UNFOLDED
    for entry in entries:
        try:
            left = _check_part(archive, entry, left)
        except _BROKEN:
            raise refused("file-damaged") from None


def _check_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> int:
    tail, markup = b"", None
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise refused("file-unfolds-too-large")
            if markup is None:
                markup = _is_markup(chunk)
            if markup and _DOCTYPE.search(tail + chunk):
                raise refused("file-has-doctype")
            tail = chunk[-16:]
    return left


def _is_markup(head: bytes) -> bool:
    if b"<" in head[:4] and b"\0" in head[:4]:
        raise refused("file-has-doctype")  # UTF-16: no spreadsheet writes it, and it would hide a declaration
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def parts_to_note(data: bytes) -> tuple[str, ...]:
    """Return what a workbook holds besides cells: it is not read, and said."""
    names = [entry.filename.lower() for entry in zipfile.ZipFile(BytesIO(data)).infolist()]
    looked_for = {
        "comments-not-read": "comments",
        "external-links-not-read": "externallinks/",
        "pictures-not-read": "xl/media/",
    }
    return tuple(note for note, part in looked_for.items() if any(part in name for name in names))
