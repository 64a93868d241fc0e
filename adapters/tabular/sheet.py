"""What a worksheet's own text says that the reading library leaves out.

Error cells, formulas without a value, hidden rows, the workbook's date system: by regular expressions over parts already
checked. Nothing is parsed as XML.
"""

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from io import BytesIO

ERROR = "#ERROR"
"""What stands for a cell whose formula failed, or whose result nobody computed: its value is not known."""

_SHEETS = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
_RELATIONS = re.compile(r"<(?:\w+:)?Relationship\s[^>]*>")
_DATE1904 = re.compile(r"<(?:\w+:)?workbookPr\s[^>]*\bdate1904=\"(?:1|true)\"")
_CELLS = re.compile(r"<(?:\w+:)?c\s([^>]*?)(/?)>(.*?)(?=<(?:\w+:)?c[\s>]|</(?:\w+:)?row>)", re.DOTALL)
_HIDDEN_ROW = re.compile(r"<(?:\w+:)?row\s[^>]*\bhidden=\"(?:1|true)\"")
_HIDDEN_COLUMN = re.compile(r"<(?:\w+:)?col\s[^>]*\bhidden=\"(?:1|true)\"")
_PLACE = re.compile(r"\br=\"([A-Z]{1,3})(\d{1,7})\"")
_FILLED = re.compile(r"<(?:\w+:)?c\s(?:[^>]*?\s)?r=\"([A-Z]{1,3})(\d{1,7})\"[^>]*(?<!/)>(?!\s*</)")
_FORMULA = re.compile(r"<(?:\w+:)?f[\s>/]")
_RESULT = re.compile(r"<(?:\w+:)?v>[^<]|<(?:\w+:)?is>")


@dataclass(frozen=True, slots=True)
class Sheet:
    """How far down and right a sheet's values reach, its cells without a usable one (row, columns; from 1), and notes."""

    height: int
    width: int
    errors: Mapping[int, tuple[int, ...]]
    notes: tuple[str, ...]


def inspect(data: bytes, name: str) -> Sheet:
    """Return what the text of the sheet called `name` says. A sheet that is not where a workbook keeps it says nothing."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        workbook = _read(archive, "xl/workbook.xml")
        sheet = _read(archive, _path(workbook, _read(archive, "xl/_rels/workbook.xml.rels"), name))
    errors = _errors(sheet)
    told = {
        "dates-from-1904": _DATE1904.search(workbook),
        "hidden-rows-read": _HIDDEN_ROW.search(sheet),
        "hidden-columns-read": _HIDDEN_COLUMN.search(sheet),
        "error-cells": errors,
    }
    return Sheet(*_extent(sheet), errors, tuple(note for note, found in told.items() if found))


def _read(archive: zipfile.ZipFile, path: str) -> str:
    try:
        return archive.read(path).decode("utf-8", "replace")
    except KeyError:
        return ""


def _path(workbook: str, relations: str, name: str) -> str:
    wanted = next((tag for tag in _SHEETS.findall(workbook) if unescape(_attribute(tag, "name")) == name), "")
    identity = _attribute(wanted, "id")
    target = next((_attribute(tag, "Target") for tag in _RELATIONS.findall(relations) if _attribute(tag, "Id") == identity), "")
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"(?:\s|:){name}=\"([^\"]*)\"", tag)
    return found[1] if found else ""


def _extent(sheet: str) -> tuple[int, int]:
    """Return the last row and column with a value: cells that only have a style are no table."""
    height = width = 0
    for place in _FILLED.finditer(sheet):
        height, width = max(height, int(place[2])), max(width, _column(place[1]))
    return height, width


def _errors(sheet: str) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    if 't="e"' not in sheet and _FORMULA.search(sheet) is None:
        return {}
    for cell in _CELLS.finditer(sheet):
        attributes, closed, inside = cell.groups()
        failed = 't="e"' in attributes or (not closed and _FORMULA.search(inside) and not _RESULT.search(inside))
        place = _PLACE.search(attributes) if failed else None
        if place is not None:
            found.setdefault(int(place[2]), []).append(_column(place[1]))
    return {row: tuple(columns) for row, columns in found.items()}


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
