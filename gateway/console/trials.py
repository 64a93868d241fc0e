"""What trying a source shows, as values; what of it people may see; its reasons in words. Nothing here is sent or stored."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from contracts.codec import parse_object
from contracts.errors import ExchangeError
from contracts.fields import RECORDS
from contracts.ids import Code
from contracts.policy.words import Lang
from gateway.console.marking import N_
from gateway.console.words import Words
from gateway.exchange.comparing import spoken

STAYS = "no sale"
"""What leaves of a field that does not."""


@dataclass(frozen=True, slots=True)
class TrialField:
    """One field of one message: what the record holds, what would leave, which rule decides, and what it waits for first."""

    field: str
    label: str
    held: str
    leaves: str
    why: str
    waits: str = ""


@dataclass(frozen=True, slots=True)
class TrialMessage:
    """One message a row would become."""

    kind: str
    to_role: str
    fields: tuple[TrialField, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """One record a row was read as: its type, and each field's name and value as shown."""

    record: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row, tried. `original`, `held`: its cells and the records they were read as, where somebody asked to see them."""

    row: int
    outcome: str
    reasons: tuple[str, ...]
    messages: tuple[TrialMessage, ...]
    original: tuple[tuple[str, str], ...] = ()
    held: tuple[Held, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the row for programs."""
        told = asdict(self)
        del told["original"], told["held"]
        return told


@dataclass(frozen=True, slots=True)
class Trial:
    """A whole trial; counts are of all rows, also of those not shown."""

    rows: tuple[TrialRow, ...]
    counts: dict[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappingInfo:
    """One source this node is set up to read. `problem` says why its mapping file is none."""

    name: str
    title: str = ""
    office: Code | None = None
    sample: bool = False
    problem: str = ""


# -- what may be seen ------------------------------------------------------------------------------------------------------

_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")


def masked(text: str) -> str:
    """Return the shape of a value and nothing it says: of words that there are some, of numbers about how long.

    ``Ficticia López`` and ``sí`` alike give runs of ``xxx``: neither a name's length nor a yes shows. A date keeps its shape,
    which is what whoever mends a mapping has to see.
    """
    hidden = _LETTERS.sub("xxx", text)
    return _DIGITS.sub(lambda found: "9" * next(size for size in (2, 4, 6) if size == 6 or len(found[0]) <= size), hidden)


def masked_trial(trial: Trial) -> Trial:
    """Return a trial with every value masked: cells, fields and what would leave. Headings and labels are no values."""
    return replace(trial, rows=tuple(_masked_row(row) for row in trial.rows))


def _masked_row(row: TrialRow) -> TrialRow:
    messages = tuple(replace(message, fields=tuple(map(_masked_field, message.fields))) for message in row.messages)
    held = tuple(replace(item, values=tuple((name, masked(value)) for name, value in item.values)) for item in row.held)
    return replace(row, messages=messages, held=held, original=tuple((name, masked(cell)) for name, cell in row.original))


def _masked_field(field: TrialField) -> TrialField:
    return replace(field, held=masked(field.held), leaves=field.leaves if field.leaves == STAYS else masked(field.leaves))


def spoken_trial(trial: Trial, lang: Lang) -> Trial:
    """Return a trial with the values of records as people read them, where `adapter test` tells them as JSON."""
    return replace(trial, rows=tuple(_spoken_row(row, lang) for row in trial.rows))


def _spoken_row(row: TrialRow, lang: Lang) -> TrialRow:
    messages = tuple(
        replace(message, fields=tuple(replace(field, leaves=_readable(field.leaves, lang)) for field in message.fields))
        for message in row.messages
    )
    held = tuple(
        replace(item, values=tuple((name, _readable(value, lang)) for name, value in item.values)) for item in row.held
    )
    return replace(row, messages=messages, held=held)


def _readable(text: str, lang: Lang) -> str:
    if text == STAYS:
        return text
    try:
        value = parse_object(f'{{"v":{text}}}'.encode())["v"] if text.startswith(("{", "[")) else text
    except ExchangeError:
        value = text
    return spoken(value, lang)


# -- in words --------------------------------------------------------------------------------------------------------------

OUTCOMES: Mapping[str, str] = {
    "imported": N_("sale en cuanto se envíe"),
    "held": N_("espera a otra persona antes de salir"),
    "to-complete": N_("hay que completarla"),
    "duplicate": N_("está repetida"),
    "rejected": N_("no se usa"),
}
_REASONS: Mapping[str, str] = {
    "nothing-usable": N_("no hay nada que se pueda usar"),
    "two-people-in-one-cell": N_("dos personas en una celda"),
    "more-cells-than-headings": N_("más celdas que encabezados: quizá una coma suelta"),
    "cells-without-heading": N_("celdas sin encabezado"),
    "text-garbled": N_("letras rotas"),
    "cell-error": N_("la celda trae un error de la hoja"),
    "formula-as-text": N_("una fórmula, que se toma como texto"),
    "ambiguous-day-month": N_("día y mes podrían estar al revés"),
    "two-digit-year": N_("año de dos cifras"),
    "impossible-date": N_("esa fecha no existe"),
    "date-in-future": N_("fecha futura"),
    "date-without-year": N_("fecha sin año"),
    "date-relative": N_("fecha sin decir cuándo"),
    "municipality-ambiguous": N_("hay más de un municipio con ese nombre"),
    "municipality-unknown": N_("municipio desconocido"),
    "department-or-municipality": N_("puede ser el departamento o el municipio"),
    "country-unknown": N_("no se sabe el país"),
    "cui-digits-lost": N_("al CUI le faltan cifras"),
    "leading-zero-restored": N_("al CUI le faltaba el cero del principio"),
    "phone-country-unknown": N_("no se sabe de qué país es el teléfono"),
    "phone-length": N_("el teléfono no tiene las cifras que debe"),
    "stature-unit-unclear": N_("no se sabe en qué unidad está la estatura"),
    "stature-in-words": N_("la estatura está en palabras"),
    "weight-unit-unclear": N_("no se sabe en qué unidad está el peso"),
    "kilograms-assumed": N_("se tomó por kilogramos"),
    "one-surname": N_("un solo apellido"),
    "maybe-married-name": N_("puede ser apellido de casada"),
    "name-split-assumed": N_("se supuso dónde acaba el nombre y empieza el apellido"),
    "text-held": N_("un texto que antes lee una persona"),
    "needs-second-person": N_("antes lo aprueba una segunda persona"),
    "already-sent": N_("ya se envió"),
}


_ABOUT_FIELDS = {"missing": N_("falta: %(field)s"), "differs": N_("difiere: %(field)s")}


def reason_in_words(reason: str, told: Words) -> str:
    """Return one reason of a row as people read it; a code that has no words yet reads as itself. Never what a cell says."""
    name, colon, code = reason.partition(":")
    if name in _ABOUT_FIELDS and colon:
        return told.gettext(_ABOUT_FIELDS[name]) % {"field": _label(code, told)}
    if reason.startswith("same-as-row-"):
        return told.gettext("dice lo mismo que la fila %(row)s") % {"row": reason.removeprefix("same-as-row-")}
    if name == "refused":
        return told.gettext("la política no deja que salga")
    said = code if colon else reason
    spoken = told.gettext(_REASONS[said]) if said in _REASONS else said
    return f"{_label(name, told)}: {spoken}" if colon else spoken


def summary(trial: Trial, told: Words) -> str:
    """Return a sentence: how many rows pass, and what holds up the others, the commonest first."""
    total, fine = sum(trial.counts.values()), trial.counts.get("imported", 0) + trial.counts.get("held", 0)
    first = told.ngettext("%(fine)s de %(number)s fila pasa.", "%(fine)s de %(number)s filas pasan.", total)
    others = [
        f"{number} {told.gettext(OUTCOMES[outcome])}"
        for outcome, number in sorted(trial.counts.items(), key=lambda pair: -pair[1])
        if outcome in OUTCOMES and outcome not in {"imported", "held"}
    ]
    return " ".join((first % {"fine": fine, "number": total}, "; ".join(others) + "." if others else "")).strip()


def _label(name: str, told: Words) -> str:
    found = next((record.fields[name] for record in RECORDS.values() if name in record.fields), None)
    return name if found is None else found.label(told.lang)
