"""Files for tests, made in code: workbooks of rows, workbooks of raw parts, and the hostile ones."""

import struct
import zipfile
from io import BytesIO
from pathlib import Path

from openpyxl import Workbook

from adapters.tabular.mapping import TabularMapping, load_mapping
from tests.adapters.make_fixtures import FOLDER
from tests.adapters.traps import HEADINGS, PLAIN

MAPPING = load_mapping(FOLDER / "reportes_conamigua.toml")
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def plain(**cells):
    """The plain row of the trap table with `cells` changed; None removes one."""
    return {name: value for name, value in (PLAIN | cells).items() if value is not None}


def table(rows, *, headings=HEADINGS, title=True, arrange=None) -> bytes:
    """A workbook of rows (dicts by heading), as a desk would keep it. `arrange` changes the openpyxl workbook last."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Reportes"
    if title:
        sheet.append(["Reportes de familias"])
    sheet.append(headings)
    for row in rows:
        sheet.append([row.get(name) for name in headings])
    if arrange is not None:
        arrange(book, sheet)
    raw = BytesIO()
    book.save(raw)
    return raw.getvalue()


def csv_text(rows, *, headings=HEADINGS, delimiter=",", end="\r\n") -> str:
    """The same rows as CSV text, every cell quoted."""
    lines = [headings, *([row.get(name) for name in headings] for row in rows)]
    quoted = (('"' + ("" if cell is None else str(cell)).replace('"', '""') + '"' for cell in line) for line in lines)
    return end.join(delimiter.join(line) for line in quoted) + end


def parts(sheet: str, *, strings: str = "", workbook: str = "", more: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """The parts of the smallest workbook: one sheet of raw XML, shared strings of raw XML."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    found = {
        "[Content_Types].xml": f'{head}<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": workbook
        or f'{head}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets><sheet name="Reportes" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'{head}<sst xmlns="{MAIN}">{strings}</sst>',
    }
    return {name: text.encode() for name, text in found.items()} | (more or {})


def archive(entries: dict[str, bytes], *, stored=()) -> bytes:
    """A zip of parts."""
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in entries.items():
            target.writestr(name, data, zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED)
    return raw.getvalue()


def headings_row(row: int = 1) -> str:
    """The headings as inline strings of raw XML."""
    return f'<row r="{row}">' + "".join(inline(text) for text in HEADINGS) + "</row>"


def inline(text: str) -> str:
    """One inline string cell."""
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def overlapping() -> bytes:
    """A workbook whose directory names the same bytes many times over."""
    data = archive(parts(headings_row()))
    end = data.rfind(b"PK\x05\x06")
    count, size, start = struct.unpack("<HII", data[end + 10 : end + 20])
    first = data[start : start + 46 + struct.unpack("<H", data[start + 28 : start + 30])[0]]
    copies = b"".join(
        first.replace(b"[Content_Types].xml", f"xl/part{number:05d}.xml".encode().ljust(19, b"_")) for number in range(20)
    )
    tail = data[end : end + 8] + struct.pack("<HHII", count + 20, count + 20, size + len(copies), start) + data[end + 20 :]
    return data[:end] + copies + tail


def with_sizes_that_lie(data: bytes, name: str) -> bytes:
    """The same archive, its directory claiming that the part `name` is ten bytes long."""
    found = bytearray(data)
    place = found.find(b"PK\x01\x02")
    while place >= 0:
        length = struct.unpack("<H", found[place + 28 : place + 30])[0]
        if bytes(found[place + 46 : place + 46 + length]) == name.encode():
            found[place + 24 : place + 28] = struct.pack("<I", 10)
        place = found.find(b"PK\x01\x02", place + 4)
    return bytes(found)


def mapping(**changes) -> TabularMapping:
    """The fixture's mapping with members changed."""
    return TabularMapping.model_validate(MAPPING.model_dump() | changes)


def written(folder: Path, name: str, data: bytes) -> Path:
    """A file of `data`."""
    path = folder / name
    path.write_bytes(data)
    return path
