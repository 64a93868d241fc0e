"""Stature and weight in whole centimetres and kilograms, whatever they were written in; ages in years."""

import re
from decimal import Decimal
from typing import Any

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import plain

_N = r"\d{1,4}(?:[.,]\d+)?"
_FOOT = r"(?:(?:'|pies?|fts?|feet|foot)\.?)"
_INCH = r"(?:(?:\"|''|pulgadas?|pulgs?|inch(?:es)?|in)\.?)"
_FEET = re.compile(rf"([3-7])\s*{_FOOT}\s*(?:,|-|y|con)?\s*(?:(\d{{1,2}}(?:[.,]\d+)?)\s*{_INCH}?)?")
_INCHES = re.compile(rf"({_N})\s*{_INCH}")
_METRES = re.compile(r"([12])\s*(?:m|mts?|metros?)\.?\s*(?:con|y|,)?\s*(\d{1,2})(?:\s*(?:cms?|centimetros?)\.?)?")
_RANGE = re.compile(rf"(?:entre\s+|de\s+)?({_N})\s*(?:-|/|\ba\b|\by\b|\bo\b|\bto\b)\s*({_N})")
_LENGTH_UNIT = re.compile(r"\s*(?:cms?|centimetros?|mts?|metros?|m)\.?(?=$|\s*(?:-|\ba\b|\by\b))")
_POUNDS = re.compile(r"\s*(?:lbs?|libras?|pounds?|#)\.?(?=$|\s*(?:-|\ba\b|\by\b))")
_KILOS = re.compile(r"\s*(?:kgs?|kilos?|kilogramos?)\.?(?=$|\s*(?:-|\ba\b|\by\b))")
_VAGUE = re.compile(
    r"(?:estatura\s+|muy\s+|de\s+)*(?:median[oa]|baj(?:it)?[oa]|alt[oa]|normal|regular|promedio|delgad[oa]|gord(?:it)?[oa]|flac[oa]|"
    r"robust[oa]|chaparr[oa]|pequen[oa])(?:\s+(?:estatura|complexion))?"
)
_SAID = re.compile(r"^(?:mide|pesa|estatura|peso|edad|tiene)\s*:?\s*")
_ABOUT_BEFORE = re.compile(r"^(?:(?:como|aprox(?:imadamente)?|un[oa]s|mas o menos|cerca|alrededor)\b\.?\s*(?:de\b\s*)?|~\s*)")
_ABOUT_AFTER = re.compile(r"(?:,?\s*\(?(?:aprox(?:imad[oa]s?|imadamente)?|mas o menos)\.?\)?|\s*\?|\s+y pico)$")
_YEARS = r"(?:\s*(?:anos?|anios?|years?(?:\s+old)?|yrs?|y\.?o\.?|a|y)\.?(?:\s+de\s+edad)?)?"
_AGE = re.compile(rf"(\d{{1,3}})(?:[.,](\d+))?{_YEARS}")
_AGE_RANGE = re.compile(rf"(?:entre\s+|de\s+)?(\d{{1,3}}){_YEARS}\s*(?:-|/|\ba\b|\by\b|\bo\b|\bto\b)\s*(\d{{1,3}}){_YEARS}")
_YEARS_MONTHS = re.compile(r"(\d{1,2})\s*anos?\s*(?:,|y|con)?\s*(?:\d{1,2}\s*mes(?:es)?|medio)")
_MONTHS = re.compile(r"(\d{1,2})\s*(?:mes|meses|months?|m)\.?(?:\s+de\s+edad)?")
_NEWBORN = re.compile(r"(?:\d{1,3}\s*(?:semanas?|dias?|weeks?|days?)(?:\s+de\s+(?:edad|nacid[oa]))?|recien nacid[oa]|bebe)")
_OLDER = re.compile(
    rf"(?:(?:mas|mayor(?:es)?)\s+de\s+|>=?\s*|\+\s*)(\d{{1,3}}){_YEARS}|(\d{{1,3}}){_YEARS}\s*(?:\+|o mas|en adelante)"
)
_YOUNGER = re.compile(rf"(?:(?:menos|menor(?:es)?)\s+de\s+|<\s*)(\d{{1,3}}){_YEARS}")
_TENS = re.compile(r"([1-9]0)'?s")
_MOST_WITHOUT_UNIT = 100
"""A weight above this without a unit is as likely in pounds: nobody should guess."""


def stature(text: str, *, unit: str | None = None) -> Parsed:
    """Return a stature as {min, max} in centimetres: 162, 1.62, 1,62 m, 5'4", 5 pies 4, 65 in.

    `unit` is what the source says its plain numbers are in: cm, m, in, ft.

    Raises:
        UnreadableValueError: a word like "mediano" (somebody must ask), or out of 30 to 250 cm.
    """
    said, notes = _prepare(text)
    if _VAGUE.fullmatch(said):
        raise UnreadableValueError("stature-in-words")
    inches = _in_inches(said, unit)
    if inches is not None:
        return _measure(inches * Decimal("2.54"), inches * Decimal("2.54"), 30, 250, (*notes, "from-feet"))
    if match := _METRES.fullmatch(said):
        centimetres = Decimal(match[1]) * 100 + Decimal(match[2].ljust(2, "0"))
        return _measure(centimetres, centimetres, 30, 250, (*notes, "from-metres"))
    low, high = _numbers(_LENGTH_UNIT.sub("", said), "stature-not-readable")
    if high < 3:
        low, high, notes = low * 100, high * 100, (*notes, "from-metres")
    elif high < 9:
        raise UnreadableValueError("stature-unit-unclear")  # 5.4 may be feet and inches, or feet
    return _measure(low, high, 30, 250, notes)


def weight(text: str, *, unit: str | None = None) -> Parsed:
    """Return a weight as {min, max} in kilograms; pounds are converted when the cell or the source (`unit`) says so.

    Raises:
        UnreadableValueError: a word, no unit where pounds are as likely, or out of 1 to 300 kg.
    """
    said, notes = _prepare(text)
    if _VAGUE.fullmatch(said):
        raise UnreadableValueError("weight-in-words")
    numbers = _POUNDS.sub("", said)
    pounds, kilos = numbers != said, _KILOS.search(said) is not None
    low, high = _numbers(_KILOS.sub("", numbers), "weight-not-readable")
    if not pounds and not kilos:
        pounds = unit == "lb"
        if unit is None:
            notes = (*notes, "kilograms-assumed")
            if high > _MOST_WITHOUT_UNIT:
                raise UnreadableValueError("weight-unit-unclear")
    if pounds:
        low, high, notes = low * Decimal("0.45359237"), high * Decimal("0.45359237"), (*notes, "from-pounds")
    return _measure(low, high, 1, 300, notes)


def age(text: str) -> Parsed:
    """Return an age as {min, max} in years: 22, "como 20" (±3, towards the child), "20-25", "8 meses", "más de 40".

    Raises:
        UnreadableValueError: not an age from 0 to 120.
    """
    said, notes = _prepare(text)
    if said in {"menor", "menor de edad", "nino", "nina"}:
        return _years(0, 17, (*notes, "open-range"))
    if said in {"mayor de edad", "adulto", "adulta", "adult"}:
        return _years(18, 120, (*notes, "open-range"))
    return _age_in_months(said, notes) or _age_between(said, notes) or _age_in_years(said, notes)


def _age_in_months(said: str, notes: tuple[str, ...]) -> Parsed | None:
    if match := _MONTHS.fullmatch(said):
        return _years(int(match[1]) // 12, int(match[1]) // 12, (*notes, "from-months"))
    if match := _YEARS_MONTHS.fullmatch(said):
        return _years(int(match[1]), int(match[1]), (*notes, "from-months"))
    return _years(0, 0, (*notes, "from-months")) if _NEWBORN.fullmatch(said) else None


def _age_between(said: str, notes: tuple[str, ...]) -> Parsed | None:
    if match := _AGE_RANGE.fullmatch(said):
        low, high = sorted((int(match[1]), int(match[2])))
        return _years(low, high, notes)
    if match := _OLDER.fullmatch(said):
        return _years(int(match[1] or match[2]), 120, (*notes, "open-range"))
    if match := _YOUNGER.fullmatch(said):
        return _years(0, max(0, int(match[1]) - 1), (*notes, "open-range"))
    match = _TENS.fullmatch(said)
    return None if match is None else _years(int(match[1]), int(match[1]) + 9, notes)


def _age_in_years(said: str, notes: tuple[str, ...]) -> Parsed:
    match = _AGE.fullmatch(said)
    if match is None:
        raise UnreadableValueError("age-not-readable")
    years, slack = int(match[1]), 3 if "approximate" in notes else 0
    if (match[2] or "").strip("0"):
        notes = (*notes, "from-decimals")
    return _years(max(0, years - slack), years + slack, notes)


def _prepare(text: str) -> tuple[str, tuple[str, ...]]:
    said = _SAID.sub("", plain(text)).strip()
    about = _ABOUT_AFTER.sub("", _ABOUT_BEFORE.sub("", said)).strip()
    return about, ("approximate",) if about != said else ()


def _in_inches(said: str, unit: str | None) -> Decimal | None:
    match = _FEET.fullmatch(said)
    if match is None and unit == "ft" and (bare := re.fullmatch(r"([3-7])(?:\s+|-)(\d{1,2})|([3-7])", said)):
        feet, rest = (bare[1] or bare[3]), bare[2] or "0"
    elif match is not None:
        feet, rest = match[1], (match[2] or "0").replace(",", ".")
    elif match := _INCHES.fullmatch(said):
        return _decimal(match[1])
    else:
        return _decimal(said) if unit == "in" and re.fullmatch(_N, said) else None
    if Decimal(rest) >= 12:
        raise UnreadableValueError("stature-not-readable")
    return Decimal(feet) * 12 + Decimal(rest)


def _numbers(said: str, code: str) -> tuple[Decimal, Decimal]:
    if match := _RANGE.fullmatch(said.strip()):
        low, high = sorted((_decimal(match[1]), _decimal(match[2])))
        return low, high
    if not re.fullmatch(_N, said.strip()):
        raise UnreadableValueError(code)
    return _decimal(said), _decimal(said)


def _decimal(text: str) -> Decimal:
    return Decimal(text.strip().replace(",", "."))


def _measure(low: Decimal, high: Decimal, least: int, most: int, notes: tuple[str, ...]) -> Parsed:
    value = {"min": round(low), "max": round(high)}
    if not least <= value["min"] <= value["max"] <= most:
        raise UnreadableValueError("measure-out-of-range")
    return Parsed(value, notes)


def _years(low: int, high: int, notes: tuple[str, ...]) -> Parsed:
    if not 0 <= low <= high <= 120:
        raise UnreadableValueError("age-out-of-range")
    value: dict[str, Any] = {"min": low, "max": high}
    return Parsed(value, notes)
