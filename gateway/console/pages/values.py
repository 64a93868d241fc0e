"""Values as people type and read them. What is typed is read by the parsers of `contracts.values`; nothing is guessed."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from contracts.attachments import MAX_IN_A_FIELD
from contracts.fields import FieldDefinition, check_value, plain
from contracts.fields.coded import coded
from contracts.ids import MessageId
from contracts.values.dates import parse_date
from contracts.values.measures import age, stature, weight
from contracts.values.municipalities import NAMES
from contracts.values.parsed import UnreadableValueError
from contracts.values.places import DEPARTMENTS, UNKNOWN_COUNTRY, parse_place
from gateway.console.marking import N_
from gateway.console.words import Words
from gateway.exchange.comparing import spoken

CHOICES: Mapping[str, tuple[str, ...]] = {
    "sex": ("female", "male", "intersex", "unknown"),
    **dict.fromkeys(("speaks_spanish", "communicates", "can_consent", "reads"), ("yes", "no", "partly", "unknown")),
}
"""Fields whose words are few and known; the others take a word or two."""
_CODES: Mapping[str, str] = {
    "female": N_("mujer"),
    "male": N_("hombre"),
    "intersex": N_("intersexual"),
    "unknown": N_("no se sabe"),
    "yes": N_("sí"),
    "no": N_("no"),
    "partly": N_("en parte"),
}
_HINTS: Mapping[str, str] = {
    "date": N_("Por ejemplo 12/3/1999, marzo de 1999 o 1999."),
    "age": N_("Por ejemplo 32, o 30 a 34."),
    "measure": N_("Por ejemplo 160, o 155 a 162."),
    "names": N_("Separados por comas."),
    "choices": N_("Separados por comas."),
    "phones": N_("Separados por comas."),
    "place": N_("Por ejemplo Chiantla, Huehuetenango; o Chiapas, México."),
    "items": N_("Una cosa por línea. Si quiere, con su tipo: cicatriz: ceja izquierda."),
    "attachments": N_("Los que estén listos para esto. Para agregar uno, véase «Adjuntos»."),
    "coordinates": N_("Latitud y longitud, por ejemplo 15.32, -91.47."),
}
_SPAN = re.compile(r"(\d{1,4})(?:\s*(?:-|–|a|to|y)\s*(\d{1,4}))?")
LONGEST = 4000


class UnreadError(ValueError):
    """What was typed cannot be read as what the field holds. Never repeats it."""


def hint(kind: str, told: Words) -> str:
    """Return how a value of a kind is typed; empty when it needs no saying."""
    return told.gettext(_HINTS[kind]) if kind in _HINTS else ""


def choices(found: FieldDefinition, told: Words) -> list[tuple[str, str]]:
    """Return the words a field can be answered with, (code, label); none when it is typed."""
    codes = ("yes", "no") if found.kind == "flag" else CHOICES.get(found.name, ())
    return [(code, told.gettext(_CODES[code])) for code in codes]


def read_value(found: FieldDefinition, text: str, today: date) -> Any:
    """Return a typed value in the shape of its field.

    Raises:
        UnreadError: it is none.
    """
    if len(text) > LONGEST:
        raise UnreadError(found.name)
    if found.kind == "attachments":
        return _attached(found, text)
    try:
        value = _READERS.get(found.kind, _as_it_is)(found, unicodedata.normalize("NFC", text), today)
    except (UnreadableValueError, ValueError, KeyError):
        raise UnreadError(found.name) from None
    if not check_value(found.kind, value):
        raise UnreadError(found.name)
    return value


def typed(found: FieldDefinition, value: Any) -> str:
    """Return a value as it would be typed: what `read_value` reads as the same."""
    value = plain(value)
    return _TYPED[found.kind](value) if found.kind in _TYPED else said(found.kind, value, None)


def said(kind: str, value: Any, told: Words | None) -> str:
    """Return a value as people read it; `told` None: in words that `read_value` reads."""
    value = plain(value)
    code = {True: "yes", False: "no"}.get(value) if isinstance(value, bool) else value
    if told is not None and isinstance(code, str) and kind in {"choice", "flag"}:
        return told.gettext(_CODES[code]) if code in _CODES else coded(code, spanish=told.lang != "en").replace("-", " ")
    if kind == "place" and isinstance(value, dict):
        return _place(value, told)
    if kind in _SAID and isinstance(value, dict | list) and (told is None or kind != "items"):
        return _SAID[kind](value)
    return spoken(value, "en" if told is not None and told.lang == "en" else "es")


def _between(value: Mapping[str, int], word: str) -> str:
    return str(value["min"]) if value["min"] == value["max"] else f"{value['min']}{word}{value['max']}"


def _place(value: Mapping[str, str], told: Words | None) -> str:
    known = value["country"] == "GT"
    municipality, department = value.get("municipality", ""), value.get("department", "")
    parts = [value.get("text", "")]
    parts.append(NAMES.get(municipality, municipality) if known else municipality)
    parts.append(DEPARTMENTS.get(department, department) if known else department)
    name = country(value["country"], told)
    parts += [name] if name not in parts[0] else []
    return ", ".join(part for part in parts if part)


def country(code: str, told: Words | None) -> str:
    """Return a country's name; empty for an unknown one."""
    if code == UNKNOWN_COUNTRY:
        return ""
    from babel import Locale  # noqa: PLC0415 - as in `words`

    return str(Locale(told.lang if told else "es").territories.get(code, code))


def _date(value: Mapping[str, str]) -> str:
    return f"{value['from']} a {value['to']}" if "from" in value else value["date"]


def _typed_items(value: list[Mapping[str, str]]) -> str:
    return "\n".join(": ".join(part for part in (item.get("type", ""), item.get("text", "")) if part) for item in value)


_SAID: Mapping[str, Callable[[Any], str]] = {
    "age": lambda value: _between(value, "-"),
    "measure": lambda value: _between(value, "-"),
    "date": _date,
    "items": lambda value: "; ".join(": ".join(str(part) for part in item.values()) for item in value),
}
_TYPED: Mapping[str, Callable[[Any], str]] = {
    "flag": lambda value: "yes" if value else "no",
    "choice": str,  # its code: what a list of choices is chosen by, and what a word is read as
    "age": lambda value: _between(value, " a "),
    "measure": lambda value: _between(value, " a "),
    **dict.fromkeys(("names", "choices", "phones"), ", ".join),
    "items": _typed_items,
    "coordinates": lambda value: f"{value['lat'] / 100_000}, {value['lon'] / 100_000}",
}


def _as_it_is(_found: FieldDefinition, text: str, _today: date) -> Any:
    return " ".join(text.split())


def _long(_found: FieldDefinition, text: str, _today: date) -> Any:
    return text


def _code(text: str) -> str:
    bare = unicodedata.normalize("NFD", text.strip().casefold())
    return re.sub(r"[^a-z0-9]+", "-", "".join(sign for sign in bare if not unicodedata.combining(sign))).strip("-")


def _choice(_found: FieldDefinition, text: str, _today: date) -> Any:
    return _code(text)


def _attached(found: FieldDefinition, text: str) -> list[str]:
    """Return the ids of attachments: what they stand for is put in their place when the message is made."""
    ids = list(dict.fromkeys(_listed(text)))
    if not 0 < len(ids) <= MAX_IN_A_FIELD or not all(MessageId.pattern.fullmatch(item) for item in ids):
        raise UnreadError(found.name)
    return ids


def _listed(text: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"[,;\n]", text) if part.strip()]


def _measure(found: FieldDefinition, text: str, _today: date) -> Any:
    if found.name == "height_cm":
        return stature(text).value
    if found.name == "weight_kg":
        return weight(text).value
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise UnreadError(found.name)
    return {"min": int(match[1]), "max": int(match[2] or match[1])}


def _items(_found: FieldDefinition, text: str, _today: date) -> Any:
    made = []
    for line in filter(None, (" ".join(part.split()) for part in text.split("\n"))):
        kind, colon, rest = line.partition(":")
        made.append({"type": _code(kind), "text": rest.strip()} if colon and rest.strip() else {"type": "other", "text": line})
    return made


def _coordinates(_found: FieldDefinition, text: str, _today: date) -> Any:
    lat, lon = (float(part) for part in text.split(","))
    return {"lat": round(lat * 100_000), "lon": round(lon * 100_000)}


_READERS: Mapping[str, Callable[[FieldDefinition, str, date], Any]] = {
    "long_text": _long,
    "choice": _choice,
    "choices": lambda _found, text, _today: [_code(part) for part in _listed(text)],
    "digits": lambda _found, text, _today: "".join(filter(str.isalnum, text)),
    "names": lambda _found, text, _today: _listed(text),
    "phones": lambda _found, text, _today: _listed(text),
    "date": lambda _found, text, today: parse_date(text, today=today).value,
    "age": lambda _found, text, _today: age(text).value,
    "measure": _measure,
    "place": lambda _found, text, _today: parse_place(text).value,
    "items": _items,
    "coordinates": _coordinates,
    "flag": lambda _found, text, _today: {"yes": True, "no": False}[text],
}
