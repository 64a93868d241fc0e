"""The mapping file: which column is which field, how it is read, what must be there. TOML; unknown keys are refused.

Option by option: docs/adapters.md.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.tabular.refusals import refused
from contracts.fields import FIELDS, RecordType, check_value
from contracts.ids import Code

Parser = Literal[
    "text", "long_text", "choice", "given_names", "surname", "surnames", "full_name", "married_surname", "aliases", "names",
    "date", "age", "stature", "weight", "cui", "document", "place", "department", "phones", "language", "items",
    "coordinate_lat", "coordinate_lon", "flag", "country", "ref",
]  # fmt: skip
_ALSO_FILLS = {"surnames": ("surname_2",), "full_name": ("surname_1", "surname_2")}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Column(_Part):
    """One column: the headings it may have, the parser, the field it fills."""

    headings: Annotated[tuple[str, ...], Field(min_length=1)]
    """Any of these; case, accents, line breaks and a colon at the end do not count. `Título#2` is the second of that name."""
    parser: Parser
    field: str
    required: bool = False
    choices: dict[str, str] = Field(default_factory=dict)
    """For `choice` and `flag`: what the cell says → what it means. A cell that is not listed is told, not guessed."""
    system: Code | None = None
    """For `ref`: whose number it is."""
    unit: Literal["cm", "m", "in", "ft", "kg", "lb"] | None = None
    """For `stature` and `weight`: what plain numbers are in, when neither the cell nor the heading says so."""


class Record(_Part):
    """One record a row gives."""

    type: RecordType
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    constants: dict[str, Any] = Field(default_factory=dict)
    """Values every row of the source has, in the shapes of the field dictionary."""
    any_of: tuple[tuple[str, ...], ...] = ()
    """Groups of fields of which at least one must be there; else the row is to be completed by a person."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = FIELDS[self.type]
        named = {column.field for column in self.columns} | set(self.constants) | {f for group in self.any_of for f in group}
        named |= {name for column in self.columns for name in _ALSO_FILLS.get(column.parser, ())}
        if unknown := sorted(named - set(known)):
            raise ValueError(f"{self.type.value} has no field {', '.join(unknown)}")
        for name, value in self.constants.items():
            if not check_value(known[name].kind, value):
                raise ValueError(f"constants.{name} is no {known[name].kind}")
        for column in self.columns:
            _check_choices(column, known[column.field].kind)
        return self


class TabularMapping(_Part):
    """A whole mapping."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
    title: str
    office: Code
    channel: Literal["desk", "phone", "web", "mail", "messaging", "visit", "institution", "organisation"] = "desk"
    language: str = "es"
    authority: Code | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    sample: str | None = None
    sheet: str | None = None
    header_row: Annotated[int, Field(ge=1, le=50)] = 1
    """Where the headings stand; when they do not, the first of the first 50 rows that has them is taken, and said."""
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    encoding: Literal["auto", "utf-8", "cp1252", "latin-1", "cp850", "utf-16"] = "auto"
    date_order: Literal["dmy", "mdy"] = "dmy"
    records: Annotated[tuple[Record, ...], Field(min_length=1, max_length=4)]
    same_person: tuple[str, ...] = ()
    """Fields of the first record by which two rows are the same report; accents and case do not count."""

    @model_validator(mode="after")
    def _same_person_known(self) -> Self:
        if unknown := sorted(set(self.same_person) - set(FIELDS[self.records[0].type])):
            raise ValueError(f"same_person: no field {', '.join(unknown)}")
        return self


def _check_choices(column: Column, kind: str) -> None:
    if column.parser == "flag" and not (column.choices and set(column.choices.values()) <= {"true", "false"}):
        raise ValueError(f"choices of {column.field} mean true or false")
    if column.parser == "choice" and not (
        column.choices and all(check_value(kind, meant) or check_value(kind, [meant]) for meant in column.choices.values())
    ):
        raise ValueError(f"choices of {column.field} are missing, or mean what is no {kind}")


def load_mapping(path: Path) -> TabularMapping:
    """Read a mapping file.

    Raises:
        SourceRefusedError: not TOML, an unknown key, a field the dictionary does not have; names the member.
    """
    try:
        return TabularMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise refused("mapping-not-readable", f"{path.name}: {type(error).__name__}") from None
    except ValidationError as error:
        where = "; ".join(_told(item) for item in error.errors(include_input=False, include_url=False)[:5])
        raise refused("mapping-wrong", f"{path.name}: {where}") from None


def _told(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    return f"{place}: {item['msg'].removeprefix('Value error, ')}" if place else str(item["msg"])
