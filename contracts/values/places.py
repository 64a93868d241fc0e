"""Places: Guatemala's departments and municipalities by code, states of Mexico and the United States by name.

Municipalities are known by the names in `municipalities.py` and by what people call them; a name that is not there is kept
as text with a note. Nothing is guessed: a place that names no country we know is of country ZZ.
"""

import re
from difflib import get_close_matches
from typing import Any

from contracts.values.documents import MUNICIPALITIES
from contracts.values.municipalities import NAMES
from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import plain, tidy

UNKNOWN_COUNTRY = "ZZ"
"""CLDR's code for an unknown region (user-assigned in ISO 3166-1)."""

_DEPARTMENT_NAMES = """
Guatemala|El Progreso|Sacatepéquez|Chimaltenango|Escuintla|Santa Rosa|Sololá|Totonicapán|Quetzaltenango|Suchitepéquez|
Retalhuleu|San Marcos|Huehuetenango|Quiché|Baja Verapaz|Alta Verapaz|Petén|Izabal|Zacapa|Chiquimula|Jalapa|Jutiapa
"""
DEPARTMENTS = {f"{number:02d}": name for number, name in enumerate(_DEPARTMENT_NAMES.replace("\n", "").split("|"), start=1)}
_COUNTRY_NAMES = {
    "GT": "guatemala|guate|gt|gtm|republica de guatemala",
    "MX": "mexico|mejico|mex|mx|estados unidos mexicanos|republica mexicana",
    "US": "estados unidos|estados unidos de america|eeuu|ee uu|eua|usa|us|u s a|united states|united states of america",
    "HN": "honduras", "SV": "el salvador", "NI": "nicaragua", "BZ": "belice|belize", "CR": "costa rica", "PA": "panama",
    "VE": "venezuela", "CO": "colombia", "EC": "ecuador", "HT": "haiti", "CU": "cuba", "CA": "canada",
    "PE": "peru", "BR": "brasil", "ES": "espana",
}  # fmt: skip
COUNTRIES = {name: code for code, names in _COUNTRY_NAMES.items() for name in names.split("|")}
_STATES = {
    "MX": """
aguascalientes|baja california|baja california sur|campeche|chiapas|chihuahua|ciudad de mexico|cdmx|d f|
distrito federal|coahuila|colima|durango|estado de mexico|edomex|guanajuato|guerrero|hidalgo|jalisco|michoacan|
morelos|nayarit|nuevo leon|oaxaca|puebla|queretaro|quintana roo|san luis potosi|sinaloa|sonora|tabasco|
tamaulipas|tlaxcala|veracruz|yucatan|zacatecas
""",
    "US": """
alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois|
indiana|iowa|kansas|kentucky|louisiana|luisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|
misisipi|missouri|montana|nebraska|nevada|new hampshire|new jersey|nueva jersey|new mexico|nuevo mexico|
new york|nueva york|north carolina|carolina del norte|north dakota|ohio|oklahoma|oregon|pennsylvania|
pensilvania|rhode island|south carolina|carolina del sur|south dakota|tennessee|texas|tejas|tx|az|utah|vermont|
virginia|washington|west virginia|wisconsin|wyoming
""",
}
_STATE_COUNTRY = {name.strip(): code for code, names in _STATES.items() for name in names.split("|")}
_ALSO_CALLED = {
    "0101": "ciudad de guatemala|ciudad capital|guatemala city|la capital", "0901": "xela|xelaju", "0801": "toto",
    "1308": "san pedro soloma", "1326": "santa cruz barillas", "1309": "san ildefonso ixtahuacan|san idelfonso ixtahuacan",
    "1315": "todos santos",
    "1406": "santo tomas chichicastenango|chichi", "1413": "santa maria nebaj", "1405": "san gaspar chajul",
    "1420": "playa grande|ixcan playa grande|playa grande ixcan", "1616": "santa catalina la tinta|santa catarina la tinta",
    "1613": "san miguel chisec", "1614": "san pablo chahal",
}  # fmt: skip
_SHORT_DEPARTMENTS = {
    "a v": "16",
    "b v": "15",
    "huehue": "13",
    "reu": "11",
    "peten": "17",
    "quiche": "14",
    "xela": "09",
    "toto": "08",
}
_ABBREVIATIONS = ((r"\bsta\b", "santa"), (r"\bsto\b", "santo"), (r"\bs(?:n)?\b(?= [a-z]{3})", "san"))
_OF_DEPARTMENT = re.compile(r"^(?:departamento|depto|dpto|dep)(?: de| del)? |^(?:municipio|mun|muni|mpio)(?: de| del)? ")
_SEPARATOR = re.compile(r"\s*[,;()/|\n]\s*|\s+-\s+|\s*[–—]\s*")


def _words(text: str) -> str:
    said = re.sub(r"[.\s]+", " ", plain(text)).strip()
    for short, whole in _ABBREVIATIONS:
        said = re.sub(short, whole, said)
    return _OF_DEPARTMENT.sub("", said).strip()


_DEPARTMENT_BY_NAME = {_words(name): code for code, name in DEPARTMENTS.items()} | _SHORT_DEPARTMENTS
_MUNICIPALITIES_BY_NAME: dict[str, list[str]] = {}
for _code, _name in [*NAMES.items(), *((code, name) for code, names in _ALSO_CALLED.items() for name in names.split("|"))]:
    _MUNICIPALITIES_BY_NAME.setdefault(_words(_name), []).append(_code)


def parse_place(text: str) -> Parsed:
    """Return a place: a municipality code, "municipality, department", a department, a country, or text with a note.

    Raises:
        UnreadableValueError: a code that cannot be, or nothing but marks.
    """
    said = tidy(text)
    code = re.sub(r"[.,]0+$", "", plain(text))
    if code.isdigit():
        return Parsed(_by_code(code))
    parts = [words for part in _SEPARATOR.split(text) if (words := _words(part))]
    parts = [part for part in parts if not part.isdigit()] or parts
    if not parts:
        raise UnreadableValueError("place-not-readable")
    if parts == ["guatemala", "guatemala"]:
        return Parsed(_by_code("0101"))
    country = COUNTRIES.get(parts[-1]) or _STATE_COUNTRY.get(parts[-1])
    if country is not None and (country != "GT" or len(parts) == 1):
        known = {"country": country}
        return Parsed(known if parts[-1] in COUNTRIES and len(parts) == 1 else {**known, "text": said[:200]})
    return _guatemalan(parts[:-1] if country == "GT" else parts, said, country="GT" if country else UNKNOWN_COUNTRY)


def department_code(text: str) -> str | None:
    """Return a department's code from its name, with or without its article, or its number."""
    said = _words(text)
    if said.isdigit():
        return said.zfill(2) if said.zfill(2) in DEPARTMENTS else None
    return _DEPARTMENT_BY_NAME.get(said) or _DEPARTMENT_BY_NAME.get(re.sub(r"^el ", "", said))


def join_places(first: dict[str, Any], second: dict[str, Any]) -> Parsed:
    """Return one place of two cells, as sources with a column for the department and one for the municipality have it.

    Raises:
        UnreadableValueError: the two cells name different places.
    """
    whole, part = (first, second) if set(second) <= {"country", "department"} else (second, first)
    if set(part) - {"country", "department"}:
        raise UnreadableValueError("two-places")
    department = part.get("department")
    if department is None or whole.get("department") == department:
        return Parsed({**whole, "country": part["country"]} if whole["country"] == UNKNOWN_COUNTRY else whole)
    if "municipality" in whole:
        name = whole.get("text") or NAMES[whole["municipality"]]
    elif "department" in whole:
        name = DEPARTMENTS[whole["department"]]
    else:
        name = whole.get("text", "")
    found = parse_place(f"{name}, {DEPARTMENTS[department]}")
    if "municipality" in found.value or "text" in whole:
        return found
    raise UnreadableValueError("two-places")


def _guatemalan(parts: list[str], said: str, *, country: str) -> Parsed:
    department = department_code(parts[-1])
    if len(parts) == 1 and department is not None:
        both = parts[0] in _MUNICIPALITIES_BY_NAME
        return Parsed({"country": "GT", "department": department}, ("department-or-municipality",) if both else ())
    names = parts[:-1] if department is not None else parts
    codes = _codes(names[-1], department if len(parts) > 1 else None)
    hamlet = {"text": said[:200]} if len(names) > 1 else {}
    if len(codes) == 1:
        return Parsed({"country": "GT", "department": codes[0][:2], "municipality": codes[0], **hamlet})
    if department is not None:
        value = {"country": "GT", "department": department}
        return Parsed({**value, "text": said[:200]}, ("municipality-unknown",))
    if codes:
        return Parsed({"country": "GT", "text": said[:200]}, ("municipality-ambiguous",))
    notes = ("place-as-text",) if country == "GT" else ("place-as-text", "country-unknown")
    return Parsed({"country": country, "text": said[:200]}, notes)


def _codes(name: str, department: str | None) -> list[str]:
    codes = _MUNICIPALITIES_BY_NAME.get(name, [])
    if codes or department is not None:
        return [code for code in codes if department is None or code[:2] == department]
    # "La Libertad Petén": the department stands last, without a comma.
    words = name.split()
    for split in range(len(words) - 1, 0, -1):
        last = department_code(" ".join(words[split:]))
        if last is not None and not words[split].isdigit():
            return [code for code in _MUNICIPALITIES_BY_NAME.get(" ".join(words[:split]), []) if code[:2] == last]
    return []


def suggest(text: str) -> str | None:
    """Return the municipality or department a misspelt name is nearest to."""
    known = [*_MUNICIPALITIES_BY_NAME, *_DEPARTMENT_BY_NAME]
    near = get_close_matches(_words(text), known, n=1, cutoff=0.8)
    return near[0].title() if near else None


def _by_code(digits: str) -> dict[str, str]:
    code = digits.zfill(4) if len(digits) > 2 else digits.zfill(2)
    if code[:2] not in DEPARTMENTS or len(code) > 4:
        raise UnreadableValueError("place-code")
    if len(code) == 2:
        return {"country": "GT", "department": code}
    if not 1 <= int(code[2:]) <= MUNICIPALITIES[int(code[:2]) - 1]:
        raise UnreadableValueError("place-code")
    return {"country": "GT", "department": code[:2], "municipality": code}
