"""Finding the columns of a mapping in a file's headings, however they are spelt, ordered or placed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.tabular.mapping import Column, Record, TabularMapping
from adapters.tabular.refusals import refused
from contracts.values.names import normal_form

_LOOKED_AT = 50
_UNITS = {
    "cm": "cm", "cms": "cm", "centimetros": "cm", "m": "m", "mt": "m", "mts": "m", "metros": "m", "in": "in", "pulgadas": "in",
    "ft": "ft", "pies": "ft", "feet": "ft", "kg": "kg", "kgs": "kg", "kilos": "kg", "kilogramos": "kg",
    "lb": "lb", "lbs": "lb", "libras": "lb",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column stands, and what its heading says about its values."""

    index: int
    unit: str | None = None
    order: Literal["dmy", "mdy"] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the headings stand, how many there are, and the place of every column that is there."""

    row: int
    width: int
    places: Mapping[str, Place]


def slot(record: Record, column: Column) -> str:
    """Return what names one column of a mapping."""
    return f"{record.type}/{column.field}/{column.parser}/{column.headings[0]}"


def find_columns(mapping: TabularMapping, rows: Sequence[tuple[int, list[str]]]) -> Layout:
    """Return where the headings stand: in the row the mapping says, or else in the first row that has all that is required.

    Raises:
        SourceRefusedError: no row has them, a required column is missing, or a heading stands twice.
    """
    said = mapping.header_row
    if len(rows) >= said:
        layout = _layout(mapping, rows[said - 1])
        if not _missing(mapping, layout) and layout.places:
            return layout
    for row in rows[:_LOOKED_AT]:
        layout = _layout(mapping, row)
        if not _missing(mapping, layout) and len(layout.places) > 1:
            return layout
    if len(rows) < said or not any(rows[said - 1][1]):
        raise refused("no-header-row", f"fila {said}")
    lost = _missing(mapping, _layout(mapping, rows[said - 1]))
    raise refused("column-missing", f"«{lost.headings[0]}»") if lost else refused("no-header-row", f"fila {said}")


def _layout(mapping: TabularMapping, row: tuple[int, list[str]]) -> Layout:
    number, cells = row
    whole = [_name(cell) for cell in cells]
    short = [_name(re.sub(r"\([^()]*\)", " ", cell)) for cell in cells]
    places: dict[str, Place] = {}
    for record in mapping.records:
        for column in record.columns:
            index = _index(column, whole, short)
            if index is not None:
                places[slot(record, column)] = _place(index, cells[index])
    width = max((index for index, name in enumerate(whole, start=1) if name), default=0)
    return Layout(number, width, places)


def _missing(mapping: TabularMapping, layout: Layout) -> Column | None:
    wanted = ((record, column) for record in mapping.records for column in record.columns if column.required)
    return next((column for record, column in wanted if slot(record, column) not in layout.places), None)


def _index(column: Column, whole: list[str], short: list[str]) -> int | None:
    for names in (whole, short):
        for heading in column.headings:
            wanted, _, ordinal = heading.partition("#")
            found = [index for index, name in enumerate(names) if name == _name(wanted)]
            if ordinal.isdigit() and len(found) >= int(ordinal) > 0:
                return found[int(ordinal) - 1]
            if len(found) > 1 and not ordinal:
                raise refused("column-twice", f"«{heading}»")
            if found and not ordinal:
                return found[0]
    return None


def _place(index: int, heading: str) -> Place:
    hint = re.search(r"\(([^()]*)\)", heading)
    said = normal_form(hint[1]).strip(" .") if hint else ""
    order = re.match(r"(dd?|mm?)\W(dd?|mm?)", said)
    return Place(index, _UNITS.get(said), None if order is None else "mdy" if order[1].startswith("m") else "dmy")


def _name(text: str) -> str:
    return re.sub(r"[\s_]+", " ", normal_form(text)).strip(" :*.?¿")
