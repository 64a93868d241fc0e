"""From a file and a mapping to rows, every one accounted for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from typing import Any

from adapters.tabular.guards import kind_of, parts_to_note
from adapters.tabular.headings import Layout, find_columns
from adapters.tabular.mapping import TabularMapping
from adapters.tabular.parsers import Reading
from adapters.tabular.rows import BLOCKING, Draft, day_precise, draft, readers
from adapters.tabular.sandbox import Cells, read_cells
from contracts.adapter import RowOutcome, RowReport, SourceReading
from contracts.disclosure import SourceRecord
from contracts.values.names import normal_form
from contracts.values.text import visible

_as_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


@dataclass(slots=True)
class _Seen:
    """Rows that will leave, by their content and by the person they are about."""

    contents: dict[bytes, int] = field(default_factory=dict)
    people: dict[str, list[tuple[int, tuple[SourceRecord, ...]]]] = field(default_factory=dict)


def read_source(mapping: TabularMapping, data: bytes, *, today: date, shown: int = 0) -> SourceReading:
    """Read a whole file: each row is imported, to be completed, a duplicate or rejected, with its reasons.

    Of the first `shown` rows the cells are told too.

    Raises:
        SourceRefusedError: the file as a whole is refused.
    """
    kind = kind_of(data)
    options = {"kind": kind, "sheet": mapping.sheet, "delimiter": mapping.delimiter, "encoding": mapping.encoding}
    cells = read_cells(data, options)
    layout = find_columns(mapping, cells.rows)
    found = (f"headings-in-row-{layout.row}",) if layout.row != mapping.header_row else ()
    notes = (*cells.notes, *(parts_to_note(data) if kind == "xlsx" else ()), *found)
    overflow = "more-cells-than-headings" if kind == "csv" else "cells-without-heading"
    how = Reading(today, mapping.date_order, date1904="dates-from-1904" in cells.notes)
    columns = [(record, readers(record, layout, how)) for record in mapping.records]
    seen = _Seen()
    reports: list[RowReport] = []
    for number, row in _told(cells, layout):
        more = any(visible(cell).strip() for cell in row[layout.width :])
        drafts = [draft(record, row, reading) for record, reading in columns]
        report = _report(number, drafts, overflow if more else None, mapping.same_person, seen)
        reports.append(report if len(reports) >= shown else replace(report, original=_original(cells, layout, row)))
    return SourceReading(reports, notes)


def _told(cells: Cells, layout: Layout) -> Iterator[tuple[int, list[str]]]:
    for number, row in cells.rows:
        if number > layout.row and any(visible(cell).strip() for cell in row):
            yield number, row


def _original(cells: Cells, layout: Layout, row: Sequence[str]) -> tuple[tuple[str, str], ...]:
    headings = next((texts for number, texts in cells.rows if number == layout.row), [])
    return tuple(
        (visible(headings[index]).strip() if index < len(headings) else "", visible(cell).strip())
        for index, cell in enumerate(row)
        if visible(cell).strip()
    )


def _report(number: int, drafts: Sequence[Draft], overflow: str | None, same_person: Sequence[str], seen: _Seen) -> RowReport:
    told = [*(reason for made in drafts for reason in made.reasons), *([overflow] if overflow else [])]
    reasons = tuple(dict.fromkeys(told))
    records = tuple(SourceRecord(made.record.type, made.values) for made in drafts if made.values)
    content = _content(records)
    if not drafts[0].values:
        return RowReport(number, RowOutcome.REJECTED, (*reasons, "nothing-usable"), (), content)
    if any(made.missing for made in drafts) or not BLOCKING.isdisjoint(reasons):
        return RowReport(number, RowOutcome.TO_COMPLETE, reasons, records, content)
    same = _same_or_remembered(number, records, content, same_person, seen)
    if same is not None:
        before, differing = same
        again = (f"same-as-row-{before}", *(f"differs:{name}" for name in differing))
        return RowReport(number, RowOutcome.DUPLICATE, (*reasons, *again), records, content)
    return RowReport(number, RowOutcome.IMPORTED, reasons, records, content)


def _same_or_remembered(
    number: int, records: tuple[SourceRecord, ...], content: bytes, names: Sequence[str], seen: _Seen
) -> tuple[int, tuple[str, ...]] | None:
    """Return the row this one says again, and the fields in which it differs; a report of its own is remembered: None."""
    if content in seen.contents:
        return seen.contents[content], ()
    identity = _identity(records[0].values, names)
    for before_number, before in seen.people.get(identity, ()) if identity is not None else ():
        ours, theirs = records[0].values.get("cui"), before[0].values.get("cui")
        if ours is None or theirs is None or ours == theirs:  # homonyms have their own numbers
            return before_number, _differing(before, records)
    seen.contents[content] = number
    if identity is not None:
        seen.people.setdefault(identity, []).append((number, records))
    return None


def _identity(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return what makes two rows one report; None when a part is missing or coarse: homonyms must never be merged by guess."""
    if not names or any(name not in values or not day_precise(values[name]) for name in names):
        return None
    return _comparable([values[name] for name in names])


def _differing(before: Sequence[SourceRecord], after: Sequence[SourceRecord]) -> tuple[str, ...]:
    told: list[str] = []
    others = {record.type: record.values for record in before}
    for record in after:
        other = others.get(record.type, {})
        told += [
            name for name in {**other, **record.values} if _comparable(other.get(name)) != _comparable(record.values.get(name))
        ]
    return tuple(dict.fromkeys(told))


def _comparable(value: Any) -> str:
    return normal_form(_as_json(value))


def _content(records: Sequence[SourceRecord]) -> bytes:
    told = [[str(record.type), dict(record.values)] for record in records]
    return sha256(_as_json(told).encode()).digest()
