"""One row of cells to records of the field dictionary, with the reasons a person should know."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.tabular.headings import Layout, slot
from adapters.tabular.mapping import Column, Record
from adapters.tabular.parsers import Reading, looks_like_formula, parse_cell
from adapters.tabular.sheet import ERROR
from contracts.fields import FIELDS, check_value
from contracts.values import UnreadableValueError
from contracts.values.places import join_places
from contracts.values.text import is_garbled, is_nothing, visible

BLOCKING = frozenset({"two-people-in-one-cell", "more-cells-than-headings", "text-garbled"})
"""Reasons that mean a person must look before anything leaves; all others are told and do not stop a row."""

_COORDINATES = {
    kind: frozenset(name for name, definition in fields.items() if definition.kind == "coordinates")
    for kind, fields in FIELDS.items()
}


@dataclass(slots=True)
class Draft:
    """A record in the making."""

    record: Record
    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    missing: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """What one text says in one column, whatever row it stands in."""

    reasons: tuple[str, ...] = ()
    values: tuple[tuple[str, Any, str | None, bool], ...] = ()
    """Field, value, its kind (None: not a field of the record), and whether it is a value of that kind."""
    missing: bool = False


_REMEMBERED, _LONGEST = 4096, 100


@dataclass(slots=True)
class ColumnReader:
    """Reads one column of one file. Most cells of a table were in it before: what a text means is worked out once.

    What is remembered is bounded and goes with the file; the values are shared by rows and changed by nobody.
    """

    record: Record
    column: Column
    index: int | None
    how: Reading
    _known: dict[str, _Read] = field(default_factory=dict)

    def read(self, text: str) -> _Read:
        """Return what a cell says."""
        found = self._known.get(text)
        if found is None:
            found = self._read(text)
            if len(self._known) < _REMEMBERED and len(text) <= _LONGEST:
                self._known[text] = found
        return found

    def _read(self, text: str) -> _Read:
        column = self.column
        said = visible(text).strip()
        listed = column.parser in {"choice", "flag"} and any(letter.isalnum() for letter in said)
        if not said or (is_nothing(said) and not listed):
            return _Read((f"missing:{column.field}",) if column.required else (), missing=column.required)
        if said.startswith("'") and looks_like_formula(said[1:]):
            said = said[1:]  # how spreadsheets and this product's own exports keep such a text from running
        reasons = (f"{column.field}:formula-as-text",) if looks_like_formula(said) else ()
        try:
            if said == ERROR:
                raise UnreadableValueError("cell-error")
            if is_garbled(said):
                raise UnreadableValueError("text-garbled")
            values, notes = parse_cell(said, column, self.record.type, self.how)
        except UnreadableValueError as error:
            reason = error.code if error.code in BLOCKING else f"{column.field}:{error.code}"
            return _Read((*reasons, reason), missing=column.required)
        told = tuple(self._told(name, value) for name, value in values.items())
        return _Read((*reasons, *(f"{column.field}:{note}" for note in notes)), told)

    def _told(self, name: str, value: Any) -> tuple[str, Any, str | None, bool]:
        definition = FIELDS[self.record.type].get(name)
        if definition is None:
            return name, value, None, False
        return name, value, definition.kind, check_value(definition.kind, value)


def readers(record: Record, layout: Layout, how: Reading) -> list[ColumnReader]:
    """Return what reads a record's columns in one file."""
    made = []
    for column in record.columns:
        place = layout.places.get(slot(record, column))
        told = how if place is None else replace(how, order=place.order or how.order, unit=column.unit or place.unit)
        made.append(ColumnReader(record, column, None if place is None else place.index, told))
    return made


def draft(record: Record, row: list[str], columns: list[ColumnReader]) -> Draft:
    """Return what one row says of one record."""
    made = Draft(record)
    for column in columns:
        index = column.index
        read = column.read(row[index] if index is not None and index < len(row) else "")
        made.reasons += read.reasons
        made.missing = made.missing or read.missing
        for name, value, kind, right in read.values:
            _put(made, name, value, kind, right=right)
    _finish(made)
    return made


def _put(made: Draft, name: str, value: Any, kind: str | None, *, right: bool) -> None:
    if kind is None:
        made.reasons.append(f"{name}:not-a-field")
        return
    if name in made.values:
        try:
            value = _joined(made.values[name], value, kind)
        except UnreadableValueError as error:
            made.reasons.append(f"{name}:{error.code}")
            return
        right = check_value(kind, value)
    if kind != "coordinates" and not right:
        made.reasons.append(f"{name}:not-a-value")
        return
    made.values[name] = value


def _joined(before: Any, value: Any, kind: str) -> Any:
    """Two columns of one field: lists grow, a department and its municipality are one place; others must agree."""
    if isinstance(before, list) and isinstance(value, list):
        return [*before, *(item for item in value if item not in before)]
    if kind == "place":
        return join_places(before, value).value
    if kind == "coordinates":
        return before | value
    if before != value:
        raise UnreadableValueError("two-values")
    return before


def _finish(made: Draft) -> None:
    values, record = made.values, made.record
    # All else was checked when it was put in; a latitude waits for its longitude.
    for name in sorted(_COORDINATES[record.type] & values.keys()):
        if check_value("coordinates", values[name]):
            continue
        del values[name]
        made.reasons.append(f"{name}:half-missing")
    if not values:
        return
    values.update({name: value for name, value in record.constants.items() if name not in values})
    for group in record.any_of:
        if not any(name in values for name in group):
            made.missing = True
            made.reasons.append(f"missing:{'|'.join(group)}")


def day_precise(value: Any) -> bool:
    """Return whether a value can tell people apart: a date only when its day is known."""
    return not (isinstance(value, Mapping) and value.get("precision") not in {None, "day"})
