"""The child process: reads cells and nothing else, under hard limits, and writes them as JSON lines.

Run as `python -m adapters.tabular.child`; the file comes on stdin, options as one JSON line before it. What a sheet's own
text says that the reading library does not (errors, hidden rows, the date system) comes from `adapters.tabular.sheet`.
"""

import codecs
import csv
import gc
import json
import math
import re
import resource
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from io import BytesIO, StringIO
from itertools import chain, repeat
from typing import Any, NoReturn

from adapters.tabular.sheet import ERROR, Sheet, inspect

MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELL = 10_000
MEMORY = 512 * 1024 * 1024
CPU_SECONDS = 10
OUTPUT = 40 * 1024 * 1024
ROWS_A_LINE, LETTERS_A_LINE = 256, 256 * 1024
EXIT_REFUSED = 3
_ENCODINGS = ("utf-8-sig", "utf-16", "cp1252", "latin-1", "cp850", "cp437")
_DELIMITERS = (",", ";", "\t", "|")


def limit_resources() -> None:
    """Take away what reading a table does not need: more memory, time, files, sockets, processes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


_as_json = json.JSONEncoder(ensure_ascii=False).encode


class _Teller:
    """Writes lines to the parent, and refuses to write without end. Rows go many to a line: a line costs as much as a row."""

    def __init__(self) -> None:
        self._left = OUTPUT
        self._rows: list[tuple[int, list[str]]] = []
        self._letters = 0

    def say(self, message: dict[str, Any]) -> None:
        line = _as_json(message).encode() + b"\n"
        self._left -= len(line)
        if self._left < 0:
            refuse("output-too-large")
        sys.stdout.buffer.write(line)

    def row(self, number: int, cells: list[str]) -> None:
        self._rows.append((number, cells))
        self._letters += sum(map(len, cells))
        if len(self._rows) == ROWS_A_LINE or self._letters > LETTERS_A_LINE:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self.say({"rows": self._rows})
            self._rows, self._letters = [], 0
        sys.stdout.buffer.flush()


def refuse(code: str, row: int | None = None) -> NoReturn:
    """Say why the file is refused, and at which row, and end."""
    sys.stdout.buffer.write(json.dumps({"refused": code, "row": row}).encode() + b"\n")
    sys.stdout.buffer.flush()
    sys.exit(EXIT_REFUSED)


def main() -> None:
    """Read the file on stdin and write its rows."""
    options = json.loads(sys.stdin.buffer.readline())  # noqa: TID251 - our own parent wrote it
    data = sys.stdin.buffer.read()
    reader = None
    if options["kind"] == "xlsx":
        # Loaded before the limits: the library maps its own code.
        from python_calamine import CalamineWorkbook  # noqa: PLC0415 - a CSV needs none of it

        reader = CalamineWorkbook
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)  # after the limits no file can be opened
    limit_resources()
    gc.disable()  # it ends before there is anything to collect, and looking for it takes longer than reading
    teller = _Teller()
    rows = _xlsx(reader, data, options, teller) if reader is not None else _csv(data, options, teller)
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            refuse("too-many-rows")
        if len(row) > MAX_COLUMNS:
            refuse("too-many-columns", number)
        teller.row(number, [_cell(cell, number) for cell in row])
    teller.flush()


# -- CSV -----------------------------------------------------------------------------------------------------------


def _csv(data: bytes, options: dict[str, Any], teller: _Teller) -> Iterator[list[str]]:
    text = _decode(data, options["encoding"], teller)
    if "\0" in text:
        refuse("nul-in-file")
    csv.field_size_limit(MAX_CELL)
    delimiter = options["delimiter"]
    if said := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE):
        delimiter, text = (said[1] if delimiter == "auto" else delimiter), text[said.end() :]
    if delimiter == "auto":
        delimiter = _delimiter(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    done = 0
    try:
        for row in reader:
            yield row
            done += 1
    except csv.Error as error:
        refuse("cell-too-long" if "field limit" in str(error) else "csv-not-readable", done + 1)


def _delimiter(text: str) -> str:
    """Return the delimiter that cuts the first rows into the same number of cells most often."""

    def fit(delimiter: str) -> tuple[float, int]:
        try:
            counts = [
                len(row)
                for row, _ in zip(csv.reader(StringIO(text[:65_536], newline=""), delimiter=delimiter), range(50), strict=False)
                if row
            ]
        except csv.Error:
            return 0, 0
        usual = max(set(counts), key=counts.count) if counts else 1
        return (0, 0) if usual < 2 else (counts.count(usual) / len(counts) * usual, usual)

    return max(_DELIMITERS, key=fit)


def _decode(data: bytes, encoding: str, teller: _Teller) -> str:
    if encoding != "auto":
        try:
            return data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeError:
            refuse("not-utf-8" if encoding == "utf-8" else "encoding-wrong")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _or_refuse(data, "utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if re.search(rb"\xc3[\x80-\xbf]", data):
            refuse("encoding-mixed")
        teller.say({"note": "encoding-assumed-cp1252"})
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _or_refuse(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeError:
        refuse("encoding-wrong")


# -- XLSX ----------------------------------------------------------------------------------------------------------


def _xlsx(reader: Any, data: bytes, options: dict[str, Any], teller: _Teller) -> Iterator[Sequence[Any]]:
    try:
        workbook = reader.from_filelike(BytesIO(data))
        name = _sheet_name(workbook, options.get("sheet"), teller)
        told = inspect(data, name)
        _check_extent(told.height, told.width)  # before the library makes room for every cell between
        sheet = workbook.get_sheet_by_name(name)
        _check_extent(sheet.total_height, sheet.total_width)
        rows = sheet.to_python(skip_empty_area=False)
        merged = bool(sheet.merged_cell_ranges)
    except Exception:  # noqa: BLE001 - whatever breaks in a file nobody trusts breaks here, in the child, without a trace
        refuse("workbook-not-readable")
    for note in (*told.notes, *(("merged-cells",) if merged else ())):
        teller.say({"note": note})
    yield from _with_errors(rows, told)


def _check_extent(height: int, width: int) -> None:
    if height > MAX_ROWS:
        refuse("too-many-rows")
    if width > MAX_COLUMNS:
        refuse("too-many-columns")


def _sheet_name(workbook: Any, wanted: str | None, teller: _Teller) -> str:
    kinds = {sheet.name: (str(sheet.visible), str(sheet.typ)) for sheet in workbook.sheets_metadata}
    visible = [
        name for name in workbook.sheet_names if kinds[name][0].endswith(".Visible") and kinds[name][1].endswith(".WorkSheet")
    ]
    hidden = sum(not seen.endswith(".Visible") for seen, _ in kinds.values())
    if hidden:
        teller.say({"note": "hidden-sheets-not-read"})
    found = next((name for name in visible if name.strip().casefold() == wanted.strip().casefold()), None) if wanted else None
    found = found or (visible[0] if visible and wanted is None else None)
    if found is None:
        refuse("no-such-sheet")
    if len(visible) > 1:
        teller.say({"note": "other-sheets-not-read"})
    return str(found)


def _with_errors(rows: Sequence[Sequence[Any]], told: Sheet) -> Iterator[Sequence[Any]]:
    lost = max(told.errors, default=0) - len(rows)  # the library ends a sheet at its last value
    for number, row in enumerate(chain(rows, repeat((), max(0, lost))), start=1):
        errors = told.errors.get(number, ())
        if not errors:
            yield row
            continue
        changed = [*row, *[""] * (min(max(errors), MAX_COLUMNS) - len(row))]
        for place in errors:
            if place <= len(changed):
                changed[place - 1] = ERROR
        yield changed


def _cell(value: Any, row: int) -> str:
    text = value if isinstance(value, str) else _as_text(value)
    if len(text) > MAX_CELL:
        refuse("cell-too-long", row)
    return _BREAK.sub("\n", text) if "\r" in text or "_x000" in text else text


_BREAK = re.compile(r"_x000[dD]_\n?|\r\n?")


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "sí" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        value = value.date()
    return "" if value is None else value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".12g")


if __name__ == "__main__":
    main()
