"""The dictionary itself: record types, their fields, labels in Spanish and English, sensitivity, who normally sees them.

The five record types of the protocol stand in ``dictionary.toml`` beside this module (SPEC 6.2). A partner's own record
type comes with the policy and passes the same `record_definition`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from importlib.resources import files
from types import MappingProxyType

from contracts.fields.forms import Form
from contracts.fields.kinds import KINDS, ladder
from contracts.fields.viewers import Viewer, parse_viewers

MAX_LEAVING = 48
"""Fields of one record type that can leave: as many as a record has digests (SPEC 6.1)."""
NEVER = "never"
COLUMNS = 7
_FIELD_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


class Sensitivity(IntEnum):
    """S0 to S5: how much harm the wrong reader of a field could do."""

    PUBLIC = 0
    OPERATIONAL = 1
    IDENTIFYING = 2
    DESCRIPTIVE = 3
    PROTECTED = 4
    SPECIAL = 5


class RecordType(StrEnum):
    """The record types of the protocol. The value is the last part of a record's `vct`."""

    MISSING_PERSON = "missing-person"
    UNIDENTIFIED_PERSON = "unidentified-person"
    UNIDENTIFIED_REMAINS = "unidentified-remains"
    CUSTODY = "custody"
    REPORTER = "reporter"


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """One field: its kind decides shape and ladder, its sensitivity decides who may ever see it."""

    name: str
    kind: str
    sensitivity: Sensitivity
    label_es: str
    label_en: str
    forms: tuple[Form, ...]
    """The forms it can leave in, most precise first; none: it never leaves."""
    seen_by: tuple[Viewer, ...] = ()
    """Who sees it in ordinary work. Told to people, checked against the template; decides nothing."""

    def label(self, lang: str) -> str:
        """Return what people call it, in ``es`` or ``en``."""
        return self.label_en if lang == "en" else self.label_es


@dataclass(frozen=True, slots=True)
class RecordDefinition:
    """A record type and its fields by name."""

    id: str
    label_es: str
    label_en: str
    fields: Mapping[str, FieldDefinition]

    def label(self, lang: str) -> str:
        """Return what people call it, in ``es`` or ``en``."""
        return self.label_en if lang == "en" else self.label_es


def record_definition(record: str, label_es: str, label_en: str, lines: Iterable[str]) -> RecordDefinition:
    """Return a record type made from its table, a line per field, as ``dictionary.toml`` explains.

    Raises:
        ValueError: a line that is no field, a field twice, more than 48 fields that can leave. Names the field.
    """
    fields: dict[str, FieldDefinition] = {}
    for line in lines:
        found = _field(line)
        if found.name in fields:
            raise ValueError(f"{record}.{found.name} stands twice")
        fields[found.name] = found
    if not fields or not label_es or not label_en:
        raise ValueError(f"{record} has no fields or no labels")
    if sum(1 for found in fields.values() if found.forms) > MAX_LEAVING:
        raise ValueError(f"{record} has more than {MAX_LEAVING} fields that can leave")
    return RecordDefinition(record, label_es, label_en, MappingProxyType(fields))


def _field(line: str) -> FieldDefinition:
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) != COLUMNS or not _FIELD_NAME.fullmatch(cells[0]):
        raise ValueError("a field is seven cells, the first its name")
    name, kind, level, leaves, seen_by, label_es, label_en = cells
    if kind not in KINDS or not re.fullmatch("S[0-5]", level) or not label_es or not label_en:
        raise ValueError(f"{name} has no known kind, no class from S0 to S5, or no labels")
    rungs = ladder(kind)
    if leaves not in ("", NEVER, *rungs):
        raise ValueError(f"{name} cannot leave as that")
    forms = () if leaves == NEVER else rungs[rungs.index(Form(leaves)) :] if leaves else rungs
    return FieldDefinition(name, kind, Sensitivity(int(level[1])), label_es, label_en, forms, parse_viewers(seen_by))


def _built_in() -> Mapping[str, RecordDefinition]:
    tables = tomllib.loads(files("contracts.fields").joinpath("dictionary.toml").read_text(encoding="utf-8"))
    made: dict[str, RecordDefinition] = {
        RecordType(name): record_definition(name, table["es"], table["en"], filter(str.strip, table["fields"].splitlines()))
        for name, table in tables.items()
    }
    if set(made) != set(RecordType):
        raise RuntimeError("the dictionary lacks a record type")
    return MappingProxyType(made)


RECORDS: Mapping[str, RecordDefinition] = _built_in()
"""The record types of the protocol. The keys are `RecordType`s, which are found by their text too."""

FIELDS: Mapping[str, Mapping[str, FieldDefinition]] = MappingProxyType(
    {record: found.fields for record, found in RECORDS.items()}
)
"""Their fields."""


def definition(record_type: str, name: str) -> FieldDefinition | None:
    """Return a field's definition, or None when the record type has no such field."""
    return FIELDS[record_type].get(name)
