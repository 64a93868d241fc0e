"""Cell parsers by the name a mapping gives them: text in, values of the field dictionary out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.tabular.mapping import Column
from contracts.fields import FIELDS, RecordType
from contracts.values import Parsed, UnreadableValueError
from contracts.values.dates import Order, parse_date
from contracts.values.documents import parse_cui, parse_document
from contracts.values.languages import parse_language
from contracts.values.measures import age, stature, weight
from contracts.values.names import (
    aliases,
    full_name,
    given_names,
    married_surname,
    names,
    normal_form,
    split_married,
    split_nickname,
    surname,
    surnames,
)
from contracts.values.phones import phones
from contracts.values.places import COUNTRIES, department_code, parse_place
from contracts.values.text import FORMULA_PREFIXES, plain, tidy

Fields = dict[str, Any]
_MAX_ITEMS = 20
_SIGNED = re.compile(r"[+-][\d\s().-]+(?:[/,;]\s*\+?[\d\s().-]+)*|[-–]+")
"""What begins like a formula and is none: numbers with a sign, telephone numbers, dashes."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one column of one file is read: the order its dates are in, the unit of its numbers."""

    today: date
    order: Order = "dmy"
    unit: str | None = None
    date1904: bool = False


def parse_cell(text: str, column: Column, record: RecordType, how: Reading) -> tuple[Fields, tuple[str, ...]]:
    """Return the fields one cell gives, and notes.

    Raises:
        UnreadableValueError: nobody should guess what it means.
    """
    if column.parser in _NAME_PARSERS:
        return _name_fields(text, column, record)
    if column.parser == "date":
        parsed = parse_date(text, order=how.order, today=how.today, date1904=how.date1904)
    elif column.parser in {"stature", "weight"}:
        parsed = (stature if column.parser == "stature" else weight)(text, unit=how.unit)
    elif column.parser in {"choice", "flag"}:
        parsed = _chosen(text, column, FIELDS[record][column.field].kind)
    elif column.parser == "ref":
        parsed = _cut([{"system": column.system or "local", "id": tidy(text)[:200]}], text, 200)
    else:
        parsed = _PARSERS[column.parser](text)
    return {column.field: parsed.value}, parsed.notes


def looks_like_formula(text: str) -> bool:
    """Return whether a spreadsheet would run the text. It stays text here, and somebody is told."""
    return text.startswith(FORMULA_PREFIXES) and not _SIGNED.fullmatch(text)


_NAME_PARSERS = frozenset({"given_names", "surname", "surnames", "full_name"})


def _name_fields(text: str, column: Column, record: RecordType) -> tuple[Fields, tuple[str, ...]]:
    known = FIELDS[record]
    fields: Fields = {}
    notes: tuple[str, ...] = ()
    said, nicknames = split_nickname(text)
    if nicknames:
        notes = ("nickname-in-name",)
        fields |= {"aliases": nicknames} if "aliases" in known else {}
    if column.parser != "given_names" and "married_surname" in known:
        said, married = split_married(said)
        fields |= {"married_surname": married} if married else {}
    if column.parser == "given_names":
        parsed = given_names(said)
        return {column.field: parsed.value, **fields}, (*parsed.notes, *notes)
    if column.parser == "full_name":
        parsed, said = full_name(said)
        fields, notes = {column.field: parsed.value, **fields}, (*parsed.notes, *notes)
        first_field = "surname_1"
    else:
        first_field = column.field
    if column.parser == "surname":
        parsed = surname(said)
        return {first_field: parsed.value, **fields}, (*parsed.notes, *notes)
    first, second = surnames(said)
    return {first_field: first.value, **({"surname_2": second.value} if second else {}), **fields}, (*first.notes, *notes)


def _chosen(text: str, column: Column, kind: str) -> Parsed:
    wanted = normal_form(text).rstrip(".")
    for said, meant in column.choices.items():
        if normal_form(said).rstrip(".") == wanted:
            return Parsed(meant == "true" if column.parser == "flag" else [meant] if kind == "choices" else meant)
    raise UnreadableValueError("choice-not-listed")


def _cut(value: Any, text: str, limit: int) -> Parsed:
    return Parsed(value, ("text-cut",) if len(text) > limit else ())


def _text(text: str) -> Parsed:
    said = tidy(text)
    return _cut(said[:200], said, 200)


def _long_text(text: str) -> Parsed:
    said = "\n".join(tidy(line) for line in text.splitlines()).strip()
    return _cut(said[:4000], said, 4000)


def _document(text: str) -> Parsed:
    found = [parse_document(part) for part in re.split(r"[;\n]|\s/\s", text) if part.strip()]
    if not found:
        raise UnreadableValueError("document-not-readable")
    return Parsed([{**parsed.value} for parsed in found], tuple(note for parsed in found for note in parsed.notes))


def _items(text: str) -> Parsed:
    found = [said for part in re.split(r"[;\n]", text) if (said := tidy(part))]
    if not found:
        raise UnreadableValueError("nothing-said")
    cut = len(found) > _MAX_ITEMS or any(len(said) > 200 for said in found)
    return Parsed([{"text": said[:200]} for said in found[:_MAX_ITEMS]], ("text-cut",) if cut else ())


def _department(text: str) -> Parsed:
    code = department_code(text)
    if code is None:
        raise UnreadableValueError("department-unknown")
    return Parsed({"country": "GT", "department": code})


def _country(text: str) -> Parsed:
    said = re.sub(r"[.\s]+", " ", plain(text)).strip()
    code = COUNTRIES.get(said) or (said.upper() if re.fullmatch(r"[a-z]{2}", said) else None)
    if code is None:
        raise UnreadableValueError("country-unknown")
    return Parsed(code.lower())


def _degrees(text: str, most: int) -> int:
    try:
        number = Decimal(plain(text).strip(" °").replace(",", "."))
    except InvalidOperation:
        raise UnreadableValueError("coordinate-not-readable") from None
    if not abs(number) <= most:
        raise UnreadableValueError("coordinate-out-of-range")
    return round(number * 100_000)


_PARSERS: Mapping[str, Callable[[str], Parsed]] = {
    "text": _text,
    "long_text": _long_text,
    "names": names,
    "married_surname": married_surname,
    "aliases": aliases,
    "age": age,
    "cui": parse_cui,
    "document": _document,
    "place": parse_place,
    "department": _department,
    "phones": phones,
    "language": parse_language,
    "items": _items,
    "country": _country,
    "coordinate_lat": lambda text: Parsed({"lat": _degrees(text, 90)}),
    "coordinate_lon": lambda text: Parsed({"lon": _degrees(text, 180)}),
}
