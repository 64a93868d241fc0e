"""Answers that are read in their own way at intake: countries, languages, kinship. As in `values`, nothing is guessed."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from contracts.consents import SCOPES, Scope
from contracts.fields import FieldDefinition
from contracts.fields.coded import CODED, coded
from contracts.values.languages import LANGUAGES
from contracts.values.places import COUNTRIES
from contracts.values.text import plain
from gateway.console.marking import N_
from gateway.console.pages.values import UnreadError, country, hint, read_value, said
from gateway.console.words import Words

_RELATIONS = ("mother", "father", "spouse", "child", "sibling", "grandparent", "aunt-uncle", "cousin", "friend")
_UNKNOWN = frozenset({"no sabe", "no se sabe", "no sabemos", "se desconoce", "desconoce", "no lo sabe", "ns", "n/s"})
_BCP47 = {"spa": "es", "eng": "en", "x-cha": "es"}
"""Short codes where there are some; Chalchiteko has none of the kind messages carry, and its speakers are called in Spanish."""


def bcp47(code: str) -> str:
    """Return a language as messages name it."""
    return _BCP47.get(code, code)


def _tongue(code: str) -> str:
    return LANGUAGES[code].partition("|")[0] if code in LANGUAGES else code


def tongues() -> list[tuple[str, str]]:
    """Return the languages a family can be asked for, the most spoken first."""
    first = ("spa", "quc", "mam", "kek", "cak")  # the most spoken ones, then by name
    rest = sorted((code for code in LANGUAGES if code not in first), key=lambda code: _bare(_tongue(code)))
    return [(code, _tongue(code)) for code in (*first, *rest)]


def _bare(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(sign))


def _by_kind(found: FieldDefinition, text: str, today: date) -> Any:
    return read_value(found, text, today)


def _one_of(codes: Sequence[str]) -> Callable[[FieldDefinition, str, date], Any]:
    def read(found: FieldDefinition, text: str, _today: date) -> Any:
        if text not in codes:
            raise UnreadError(found.name)
        return text

    return read


def _countries(found: FieldDefinition, text: str, today: date) -> Any:
    return list(dict.fromkeys(_country(found, part, today) for part in re.split(r"[,;\n]|\sy\s", text) if part.strip()))


def _country(found: FieldDefinition, text: str, _today: date) -> str:
    code = COUNTRIES.get(plain(text).strip(" ."))
    if code is None:
        raise UnreadError(found.name)
    return code.lower()


def _languages(found: FieldDefinition, text: str, _today: date) -> Any:
    known = {_bare(name).replace("'", ""): code for code, names in LANGUAGES.items() for name in names.split("|")}
    codes = [known.get(_bare(part.strip()).replace("'", "")) for part in re.split(r"[,;\n]|\sy\s", text) if part.strip()]
    if not codes or None in codes:
        raise UnreadError(found.name)
    return list(dict.fromkeys(codes))


_READERS: Mapping[str, Callable[[FieldDefinition, str, date], Any]] = {
    "relationship": _one_of(_RELATIONS),
    "language": _one_of(tuple(LANGUAGES)),
    "mother_tongue": _one_of(tuple(LANGUAGES)),
    "languages": _languages,
    "nationalities": _countries,
    "country": _country,
}
_HINTS: Mapping[str, str] = {
    "nationalities": N_("Países, separados por comas: Guatemala, Honduras."),
    "country": N_("Un país: Guatemala, México, Estados Unidos."),
    "languages": N_("Separados por comas: Español, Mam."),
    "given_names": N_("Separados por comas si tiene varios."),
    "birth_date": N_("Como se sepa: 12/3/1999, marzo de 1999, 1999."),
    "last_contact_date": N_("Como se sepa: 3/9/2026, septiembre de 2026, 2026."),
    "departure_date": N_("Como se sepa: 3/9/2026, septiembre de 2026, 2026."),
    "age_range": N_("Si no se sabe la fecha: 17, o 30 a 34."),
    "safe_hours": N_("Cuándo se puede llamar sin riesgo."),
}


def unknown(text: str) -> bool:
    """Return whether somebody says that they do not know: then there is no answer."""
    return not text or plain(text).strip(" .?") in _UNKNOWN


def read_answer(found: FieldDefinition, text: str, today: date) -> Any:
    """Return an answer in the shape of its field.

    Raises:
        UnreadError: it is none.
    """
    return _READERS.get(found.name, _by_kind)(found, text, today)


def tip(found: FieldDefinition, told: Words) -> str:
    """Return how an answer is typed; empty when it needs no saying."""
    return told.gettext(_HINTS[found.name]) if found.name in _HINTS else hint(found.kind, told)


def kinships(told: Words) -> list[tuple[str, str]]:
    """Return who somebody can be to the person sought."""
    return [(code, CODED[code][told.lang == "en"]) for code in _RELATIONS]


def in_words(found: FieldDefinition, value: Any, told: Words) -> str:
    """Return an answer as people read it."""
    each = [value] if isinstance(value, str) else value
    if found.name in {"language", "mother_tongue", "languages"}:
        return ", ".join(_tongue(code) for code in each)
    if found.name in {"nationalities", "country"}:
        return ", ".join(country(code.upper(), told) for code in each)
    if found.name == "consents":
        labels = [SCOPES[Scope(code)] for code in each]
        return "; ".join(label.en if told.lang == "en" else label.es for label in labels)
    return coded(value, spanish=told.lang != "en") if found.name == "relationship" else said(found.kind, value, told)
