"""PDFs are written anew from what their pages show: no metadata, attachments, scripts, links or earlier versions."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pypdf import PdfReader, PdfWriter
from pypdf.errors import PdfReadError, PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, NameObject, StreamObject

from adapters.attached.ending import refuse

MAX_PAGES = 500
MAX_UNFOLDED = 100 * 1024 * 1024
_PAGE = frozenset({"/Type", "/Parent", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/Contents", "/Group", "/UserUnit"})
_NEVER = frozenset(
    {
        *("/Metadata", "/PieceInfo", "/LastModified", "/AF", "/EF", "/AA", "/A", "/OpenAction", "/JS", "/JavaScript", "/Names"),
        *("/Info", "/Thumb", "/StructParent", "/StructParents", "/Annots", "/Alternates", "/OPI", "/OC", "/Measure", "/PtData"),
    }
)
_HIDDEN = re.compile(rb"Exif\0\0|ns\.adobe\.com/xap|<x:xmpmeta|Photoshop 3\.0")
_JPX_KEPT = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c"})
_BROKEN = (PyPdfError, PdfReadError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OSError)


def clean_pdf(data: bytes) -> bytes:
    """Return the PDF written anew. What it shows besides its pages would be lost unseen, so such a PDF is refused."""
    try:
        reader = PdfReader(BytesIO(data), strict=False)
        if reader.is_encrypted:
            refuse("pdf-locked")
        _check(reader)
        writer = PdfWriter()
        for page in reader.pages:
            _keep_only(page, _PAGE)
            _strip(page)
            writer.add_page(page)
        writer.metadata = None
        out = BytesIO()
        writer.write(out)
    except zlib.error:
        refuse("pdf-not-readable")
    except _BROKEN:
        refuse("pdf-not-readable")
    return out.getvalue()


def _check(reader: PdfReader) -> None:
    root: Any = reader.trailer["/Root"].get_object()
    if not isinstance(root, DictionaryObject) or not reader.pages:
        refuse("pdf-not-readable")
    if len(reader.pages) > MAX_PAGES:
        refuse("pdf-too-many-pages")
    form = root.get("/AcroForm")
    form = form.get_object() if form is not None else None
    if isinstance(form, DictionaryObject) and (form.get("/Fields") or "/XFA" in form):
        refuse("pdf-form")
    if "/OCProperties" in root:
        refuse("pdf-layers")
    for page in reader.pages:
        notes: Any = page.get("/Annots")
        notes = notes.get_object() if notes is not None else ()
        if any(note.get_object().get("/Subtype") != "/Link" for note in notes or ()):
            refuse("pdf-notes")


def _keep_only(found: DictionaryObject, kept: frozenset[str]) -> None:
    for name in [name for name in found if str(name) not in kept]:
        del found[name]


def _strip(page: DictionaryObject) -> None:
    """Take out of everything a page leads to what no reader of the page sees, before any of it is copied."""
    waiting: list[Any] = [value for name, value in page.items() if name != "/Parent"]
    met: set[int] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, IndirectObject):
            if found.idnum in met:
                continue
            met.add(found.idnum)
            found = found.get_object()
        if isinstance(found, DictionaryObject):
            for name in [name for name in found if str(name) in _NEVER]:
                del found[name]
            if isinstance(found, StreamObject):
                _clean_stream(found)
            waiting += [value for name, value in found.items() if name != "/Parent"]
        elif isinstance(found, ArrayObject):
            waiting += list(found)


def _clean_stream(stream: StreamObject) -> None:
    names = _filters(stream)
    if names and names[-1] == "/DCTDecode":
        stream._data = strip_jpeg(_unfolded(stream, names[:-1]))  # noqa: SLF001 - pypdf has no other way to a stream's raw bytes
        stream[NameObject("/Filter")] = NameObject("/DCTDecode")
        _keep_parms_of_last(stream)
    elif names and names[-1] == "/JPXDecode":
        stream._data = _strip_jpx(_unfolded(stream, names[:-1]))  # noqa: SLF001 - as above
        stream[NameObject("/Filter")] = NameObject("/JPXDecode")
        stream.pop("/DecodeParms", None)
    elif stream.get("/Subtype") != "/Image" and _HIDDEN.search(_whole(stream)):
        refuse("pdf-not-clean")


def _filters(stream: StreamObject) -> list[str]:
    found = stream.get("/Filter")
    found = found.get_object() if found is not None else None
    if found is None:
        return []
    return [str(item.get_object()) for item in found] if isinstance(found, ArrayObject) else [str(found)]


def _unfolded(stream: StreamObject, names: list[str]) -> bytes:
    data: bytes = stream._data  # noqa: SLF001 - as above
    for name in names:
        if name not in {"/FlateDecode", "/Fl"}:
            refuse("pdf-not-clean")
        unfolding = zlib.decompressobj()
        data = unfolding.decompress(data, MAX_UNFOLDED)
        if unfolding.unconsumed_tail:
            refuse("pdf-not-readable")
    return data


def _keep_parms_of_last(stream: StreamObject) -> None:
    parms = stream.get("/DecodeParms")
    parms = parms.get_object() if parms is not None else None
    if isinstance(parms, ArrayObject):
        last = parms[-1].get_object()
        stream.pop("/DecodeParms")
        if isinstance(last, DictionaryObject):
            stream[NameObject("/DecodeParms")] = last


def _whole(stream: StreamObject) -> bytes:
    data: bytes = stream.get_data()
    if len(data) > MAX_UNFOLDED:
        refuse("pdf-not-readable")
    return data


# -- pictures inside -----------------------------------------------------------------------------------------------------


def strip_jpeg(data: bytes) -> bytes:
    """Return a JPEG without its comments and application segments, but for those that say how its colours are meant.

    The points are not touched: a JPEG is a list of segments (ITU-T T.81), and what follows the first scan is kept.
    """
    if not data.startswith(b"\xff\xd8"):
        refuse("pdf-not-readable")
    kept = [b"\xff\xd8"]
    for marker, segment in _segments(data):
        adobe = marker == 0xEE and segment[4:9] == b"Adobe"
        jfif = marker == 0xE0 and segment[4:9] == b"JFIF\0"
        if jfif:
            kept.append(b"\xff\xe0\x00\x10" + segment[4:16] + b"\0\0")  # without its thumbnail
        elif adobe or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept.append(segment)
    return b"".join(kept)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            refuse("pdf-not-readable")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == 0xDA:
            end = data.rfind(b"\xff\xd9")
            if end < place or _HIDDEN.search(data, place):
                refuse("pdf-not-clean" if end > place else "pdf-not-readable")
            yield marker, data[place : end + 2]
            return
        length = int.from_bytes(data[place + 2 : place + 4])
        yield marker, data[place : place + 2 + length]
        place += 2 + length
    refuse("pdf-not-readable")


def _strip_jpx(data: bytes) -> bytes:
    """Return a JPEG 2000 with the boxes that hold the picture, and no others (ISO/IEC 15444-1 annex I)."""
    if data.startswith(b"\xff\x4f\xff\x51"):
        return data if not _HIDDEN.search(data) else refuse("pdf-not-clean")
    kept, place = [], 0
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        length = len(data) - place if length == 0 else length
        if length < 8 or place + length > len(data):
            refuse("pdf-not-readable")
        if name in _JPX_KEPT:
            kept.append(data[place : place + length])
        place += length
    return b"".join(kept)
