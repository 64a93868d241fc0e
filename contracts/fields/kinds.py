"""Kinds of values: their shape, their ladder of forms, and what each form leaves of a value. Pure.

Coarsening keeps a kind's shape where it can, so that one validator serves every form:

* text, long_text, choice, digits: a string
* name: a string; names: a list of strings
* date: {"date": "1999-03-12" | "1999-03" | "1999", "precision": "day" | "month" | "year" | "approximate"}
  or {"from": …, "to": …, "precision": "range"}
* age, measure: {"min": int, "max": int}, both ends included (years; centimetres, kilograms, days or a plain number)
* place: {"country": "GT", "department": "13", "municipality": "1333", "text": "…"}, all but country optional
* items: a list of objects whose members are codes, and free "text" that CODED removes
* consents: a list of {"scope", "act": "given" | "narrowed" | "withdrawn", "from"} and, optional, "until", "form", "language",
  "to" and "fields" (lists of codes), "witness" and "reason" (text); CODED leaves scope, act and dates
* attachments: a list of references {"sha256", "size", "mt", "grade": "object" | "mark" | "face", "key"}
  (contracts.attachments), or true: there is one, not here. MARK leaves no face, OBJECT things alone; if that leaves none, true
* phones: a list of strings; coordinates: {"lat": int, "lon": int} in 1e-5 degrees; flag: true or false

COUNT makes a number of a list, YES_NO makes true of anything that is there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from contracts.attachments import MAX_IN_A_FIELD, Grade, is_reference
from contracts.fields.forms import Form

Json = Any

MAX_ITEMS = 40
AGE_BANDS = ((0, 11), (12, 17), (18, 29), (30, 44), (45, 59), (60, 150))
BAND_WIDTH = 10
MAX_MEASURE = 9_999
"""The last number of a band, so that the band of every value is a value; remains are found after decades of days."""
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_UNWRITABLE = re.compile("[\\0\ud800-\udfff]")
_CODE = re.compile(r"[a-z0-9][a-z0-9._:-]{0,59}")
_COUNTRY = re.compile("[A-Z]{2}")
_PLACE_CODE = re.compile("[A-Za-z0-9-]{1,12}")
_INITIALS = re.compile(r"(?:[^\W_]\.){1,6}|\?\.")
_PRECISIONS = {"day": 10, "month": 7, "year": 4, "approximate": 4}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: `check` says whether a value has its shape; `forms` are its rungs, most precise first."""

    name: str
    check: Callable[[Json], bool]
    forms: Mapping[Form, Callable[[Json], Json]]


def ladder(kind: str) -> tuple[Form, ...]:
    """Return the rungs of a kind, most precise first."""
    return tuple(KINDS[kind].forms)


def check_value(kind: str, value: Json) -> bool:
    """Return whether `value`, any JSON value whatever, has the shape of its kind; never raises."""
    return KINDS[kind].check(value)


def coarsen(kind: str, value: Json, form: Form) -> Json:
    """Return what `form` leaves of `value`.

    Raises:
        ValueError: the kind has no such form, or the value is not of the kind.
    """
    found = KINDS[kind]
    if form not in found.forms or not found.check(value):
        raise ValueError("no such form of this kind, or not a value of it")
    return found.forms[form](value)


def fits(kind: str, value: Json, form: Form) -> bool:
    """Return whether `value` says no more than `form` allows: coarsening it again changes nothing."""
    found = KINDS[kind]
    if form is Form.YES_NO:
        return value is True
    if form is Form.COUNT:
        return type(value) is int and 0 <= value <= MAX_ITEMS
    return form in found.forms and found.check(value) and found.forms[form](value) == value


def at_most(kind: str, form: Form, allowed: Form) -> bool:
    """Return whether `form` is as coarse as `allowed`, or coarser, on the kind's ladder."""
    rungs = ladder(kind)
    return form in rungs and allowed in rungs and rungs.index(form) >= rungs.index(allowed)


# -- shapes --------------------------------------------------------------------------------------------------------


def _text(limit: int) -> Callable[[Json], bool]:
    def check(value: Json) -> bool:
        return isinstance(value, str) and 0 < len(value) <= limit and value.strip() != "" and not _UNWRITABLE.search(value)

    return check


_short = _text(60)
_described = _text(200)


def _choice(value: Json) -> bool:
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _digits(value: Json) -> bool:
    return isinstance(value, str) and 4 <= len(value) <= 20 and value.isascii() and value.isalnum()


def _texts(value: Json) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_ITEMS and all(_short(item) for item in value)


def _codes(value: Json) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_ITEMS and all(_choice(item) for item in value)


def _is_date(value: Json) -> bool:
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    year, month, day = (int(part) if part else 1 for part in match.groups())
    try:
        date(year, month, day)
    except ValueError:
        return False
    return 1900 <= year <= 2099


def _date(value: Json) -> bool:
    if not isinstance(value, dict):
        return False
    precision = value.get("precision")
    if not isinstance(precision, str):
        return False
    if precision == "range":
        return set(value) == {"from", "to", "precision"} and _in_order(value["from"], value["to"])
    if set(value) != {"date", "precision"} or precision not in _PRECISIONS or not _is_date(value["date"]):
        return False
    return len(value["date"]) == _PRECISIONS[precision] or precision == "approximate"


def _in_order(first: Json, last: Json) -> bool:
    if not _is_date(first) or not _is_date(last):
        return False
    common = min(len(first), len(last))
    return bool(first[:common] <= last[:common])


def _range(high: int) -> Callable[[Json], bool]:
    def check(value: Json) -> bool:
        if not isinstance(value, dict) or set(value) != {"min", "max"}:
            return False
        low, top = value["min"], value["max"]
        return type(low) is int and type(top) is int and 0 <= low <= top <= high

    return check


def _place(value: Json) -> bool:
    if not isinstance(value, dict) or not {"country"} <= set(value) <= {"country", "department", "municipality", "text"}:
        return False
    if not _country(value["country"]) or not all(isinstance(part, str) for part in value.values()):
        return False
    codes = [value[part] for part in ("department", "municipality") if part in value]
    if "text" in value and not _described(value["text"]):
        return False
    return all(_PLACE_CODE.fullmatch(code) for code in codes)


def _items(value: Json) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_ITEMS and all(_item(item) for item in value)


def _item(item: Json) -> bool:
    return isinstance(item, dict) and bool(item) and all(_member(name)(part) for name, part in item.items())


def _member(name: str) -> Callable[[Json], bool]:
    return _ITEM_MEMBERS.get(name, _nothing)


def _nothing(_value: Json) -> bool:
    return False


def _consents(value: Json) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MAX_ITEMS and all(_consent(item) for item in value)


def _consent(item: Json) -> bool:
    if not isinstance(item, dict) or not {"scope", "act", "from"} <= set(item) <= set(_CONSENT_MEMBERS):
        return False
    return all(_CONSENT_MEMBERS[name](part) for name, part in item.items())


def _act(value: Json) -> bool:
    return value in ("given", "narrowed", "withdrawn") if isinstance(value, str) else False


def _small_number(value: Json) -> bool:
    return type(value) is int and 0 < value <= 1000


def _country(value: Json) -> bool:
    return isinstance(value, str) and _COUNTRY.fullmatch(value) is not None


def _coordinates(value: Json) -> bool:
    if not isinstance(value, dict) or set(value) != {"lat", "lon"}:
        return False
    lat, lon = value["lat"], value["lon"]
    return type(lat) is int and type(lon) is int and abs(lat) <= 9_000_000 and abs(lon) <= 18_000_000


def _flag(value: Json) -> bool:
    return type(value) is bool


def _attachments(value: Json) -> bool:
    if not isinstance(value, list):
        return value is True
    if not 0 < len(value) <= MAX_IN_A_FIELD or not all(is_reference(item) for item in value):
        return False
    return len({item["sha256"] for item in value}) == len(value)


_ITEM_MEMBERS: Mapping[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("type", "region", "side", "view", "colour", "brand", "size", "system"), _choice),
    **dict.fromkeys(("text", "number", "id"), _described),
    "count": _small_number,
    "country": _country,
    "date": _is_date,
}
_CONSENT_MEMBERS: Mapping[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("scope", "form", "language"), _choice),
    **dict.fromkeys(("to", "fields"), _codes),
    **dict.fromkeys(("from", "until"), _is_date),
    **dict.fromkeys(("witness", "reason"), _text(200)),
    "act": _act,
}


# -- forms ---------------------------------------------------------------------------------------------------------


def _same(value: Json) -> Json:
    return value


def _there(_value: Json) -> bool:
    return True


def _initials(value: Json) -> Json:
    if isinstance(value, list):
        return [_initials(item) for item in value]
    if _INITIALS.fullmatch(value):
        return value
    firsts = (next(filter(str.isalnum, word), "") for word in value.replace("-", " ").split())
    letters = [first.upper()[0] for first in firsts if first]
    return "".join(f"{letter}." for letter in letters[:6]) or "?."


def _cut(length: int, precision: str) -> Callable[[Json], Json]:
    def cut(value: Json) -> Json:
        if value["precision"] == "range":
            return {**value, "from": value["from"][:length], "to": value["to"][:length]}
        if value["precision"] == "approximate" or _PRECISIONS[value["precision"]] <= length:
            return {**value, "date": value["date"][:length]}
        return {"date": value["date"][:length], "precision": precision}

    return cut


def _decade(value: Json) -> Json:
    first = value.get("from", value.get("date"))
    last = value.get("to", value.get("date"))
    return {"from": f"{int(first[:4]) // 10 * 10:04d}", "to": f"{int(last[:4]) // 10 * 10 + 9:04d}", "precision": "range"}


def _age_band(value: Json) -> Json:
    low = next(band for band in AGE_BANDS if value["min"] <= band[1])
    high = next(band for band in AGE_BANDS if value["max"] <= band[1])
    return {"min": low[0], "max": high[1]}


def _band(value: Json) -> Json:
    # Both ends are included: a band never narrows to the one number it should hide, not even for a round one.
    return {"min": value["min"] // BAND_WIDTH * BAND_WIDTH, "max": value["max"] // BAND_WIDTH * BAND_WIDTH + BAND_WIDTH - 1}


def _keep(*members: str) -> Callable[[Json], Json]:
    def keep(value: Json) -> Json:
        return {name: value[name] for name in members if name in value}

    return keep


def _coded(value: Json) -> Json:
    # Free text, numbers and ids are where addresses and names hide; codes stay. An item that was only text is still counted.
    return [
        {name: part for name, part in item.items() if name not in {"text", "number", "id"}} or {"type": "other"}
        for item in value
    ]


def _graded(*grades: Grade) -> Callable[[Json], Json]:
    def graded(value: Json) -> Json:
        left = [] if value is True else [item for item in value if item["grade"] in grades]
        return left or True  # that there is one is less than this form may tell

    return graded


def _coded_consents(value: Json) -> Json:
    return [_keep("scope", "act", "from", "until")(item) for item in value]


_PLACE_FORMS = {
    Form.EXACT: _same,
    Form.MUNICIPALITY: _keep("country", "department", "municipality"),
    Form.DEPARTMENT: _keep("country", "department"),
    Form.COUNTRY: _keep("country"),
    Form.YES_NO: _there,
}
_DATE_FORMS = {
    Form.EXACT: _same,
    Form.MONTH: _cut(7, "month"),
    Form.YEAR: _cut(4, "year"),
    Form.DECADE: _decade,
    Form.YES_NO: _there,
}
_PLAIN: Mapping[Form, Callable[[Json], Json]] = {Form.EXACT: _same, Form.YES_NO: _there}
_NAMED = {Form.EXACT: _same, Form.INITIALS: _initials, Form.YES_NO: _there}
_LISTED = {Form.EXACT: _same, Form.COUNT: len, Form.YES_NO: _there}
_GRADED = {
    Form.EXACT: _same,
    Form.MARK: _graded(Grade.MARK, Grade.OBJECT),
    Form.OBJECT: _graded(Grade.OBJECT),
    Form.YES_NO: _there,
}
_CODED_ITEMS = {Form.EXACT: _same, Form.CODED: _coded, Form.COUNT: len, Form.YES_NO: _there}

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("text", _text(200), _PLAIN),
            Kind("long_text", _text(4000), _PLAIN),
            Kind("choice", _choice, _PLAIN),
            Kind("choices", _codes, _LISTED),
            Kind("digits", _digits, _PLAIN),
            Kind("name", _text(60), _NAMED),
            Kind("names", _texts, _NAMED),
            Kind("date", _date, _DATE_FORMS),
            Kind("age", _range(150), {Form.EXACT: _same, Form.AGE_BAND: _age_band, Form.YES_NO: _there}),
            Kind("measure", _range(MAX_MEASURE), {Form.EXACT: _same, Form.BAND: _band, Form.YES_NO: _there}),
            Kind("place", _place, _PLACE_FORMS),
            Kind("items", _items, _CODED_ITEMS),
            Kind("consents", _consents, {Form.EXACT: _same, Form.CODED: _coded_consents, Form.COUNT: len, Form.YES_NO: _there}),
            Kind("attachments", _attachments, _GRADED),
            Kind("phones", _texts, _LISTED),
            Kind("coordinates", _coordinates, _PLAIN),
            Kind("flag", _flag, {Form.EXACT: _same}),
        )
    }
)
