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


@dataclass(slots=True)
class Draft:
    """A record in the making."""

    record: Record
    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    missing: bool = False


def draft(record: Record, row: list[str], layout: Layout, how: Reading) -> Draft:
    """Return what one row says of one record."""
    made = Draft(record)
    for column in record.columns:
        place = layout.places.get(slot(record, column))
        text = row[place.index] if place is not None and place.index < len(row) else ""
        told = how if place is None else replace(how, order=place.order or how.order, unit=column.unit or place.unit)
        _fill(made, column, text, told)
    _finish(made)
    return made


def _fill(made: Draft, column: Column, text: str, how: Reading) -> None:
    said = visible(text).strip()
    listed = column.parser in {"choice", "flag"} and any(letter.isalnum() for letter in said)
    if not said or (is_nothing(said) and not listed):
        _unread(made, column, f"missing:{column.field}" if column.required else None)
        return
    if said.startswith("'") and looks_like_formula(said[1:]):
        said = said[1:]  # how spreadsheets and this product's own exports keep such a text from running
    if looks_like_formula(said):
        made.reasons.append(f"{column.field}:formula-as-text")
    try:
        if said == ERROR:
            raise UnreadableValueError("cell-error")
        if is_garbled(said):
            raise UnreadableValueError("text-garbled")
        values, notes = parse_cell(said, column, made.record.type, how)
    except UnreadableValueError as error:
        _unread(made, column, error.code if error.code in BLOCKING else f"{column.field}:{error.code}")
        return
    made.reasons += [f"{column.field}:{note}" for note in notes]
    for name, value in values.items():
        _put(made, name, value)


def _unread(made: Draft, column: Column, reason: str | None) -> None:
    made.reasons += [reason] if reason else []
    made.missing = made.missing or column.required


def _put(made: Draft, name: str, value: Any) -> None:
    definition = FIELDS[made.record.type].get(name)
    if definition is None:
        made.reasons.append(f"{name}:not-a-field")
        return
    try:
        joined = _joined(made.values[name], value, definition.kind) if name in made.values else value
    except UnreadableValueError as error:
        made.reasons.append(f"{name}:{error.code}")
        return
    if definition.kind != "coordinates" and not check_value(definition.kind, joined):
        made.reasons.append(f"{name}:not-a-value")
        return
    made.values[name] = joined


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
    for name in [name for name, value in values.items() if not check_value(FIELDS[record.type][name].kind, value)]:
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
