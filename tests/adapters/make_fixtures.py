"""Writes the demo's workbooks from the trap table. `python -m tests.adapters.make_fixtures`."""

import zipfile
from datetime import date, datetime
from io import BytesIO
from pathlib import Path

from openpyxl import Workbook
from openpyxl.comments import Comment

from tests.adapters.traps import HEADINGS, PLAIN, TRAPS

FOLDER = Path(__file__).parents[2] / "gateway" / "demo" / "fixtures"
STAMP = datetime(2026, 11, 1)


def workbook(rows) -> bytes:
    """A workbook with a title, headings, rows, a hidden sheet and a comment; the same bytes each time."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Reportes"
    sheet.append(["Reportes de familias (DATOS FICTICIOS)"])
    sheet.append(HEADINGS)
    for number, cells in enumerate(rows, start=1):
        sheet.append([number if name == "No." else cell(cells.get(name)) for name in HEADINGS])
    for line in sheet.iter_rows():
        for item in line:
            if isinstance(item.value, str) and item.value.startswith("="):
                item.data_type = "s"  # text that looks like a formula, as exports from other systems write it
    sheet["B4"].comment = Comment("Comentario que no se importa", "Ficticia Oficial")
    hidden = book.create_sheet("Notas internas")
    hidden.sheet_state = "hidden"
    hidden.append(["Esto no sale de la oficina"])
    book.properties.created = book.properties.modified = STAMP
    raw = BytesIO()
    book.save(raw)
    return restamped(raw.getvalue())


def cell(value):
    """A cell's value; @date: marks a real spreadsheet date."""
    if isinstance(value, str) and value.startswith("@date:"):
        return date.fromisoformat(value.removeprefix("@date:"))
    return value


def restamped(data: bytes) -> bytes:
    """The same archive with fixed times, so that the file does not change from day to day."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "docProps/core.xml":
                head, _, tail = content.partition(b"<dcterms:modified")
                rest = tail.partition(b"</dcterms:modified>")[2]
                content = head + b'<dcterms:modified xsi:type="dcterms:W3CDTF">2026-11-01T00:00:00Z</dcterms:modified>' + rest
            info = zipfile.ZipInfo(entry.filename, (2026, 11, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, content)
    return out.getvalue()


def files() -> dict[str, bytes]:
    """Every generated fixture."""
    cut = [
        PLAIN | {"Nombres": f"Ficticio Corte {number}", "Fecha de nacimiento": f"{number:02d}/04/1991"}
        for number in range(1, 21)
    ]
    return {
        "reportes_conamigua.xlsx": workbook([trap["cells"] for _, trap in TRAPS]),
        "reportes_corte.xlsx": workbook(cut),
    }


if __name__ == "__main__":
    for name, data in files().items():
        (FOLDER / name).write_bytes(data)
