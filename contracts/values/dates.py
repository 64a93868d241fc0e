"""Dates as people and spreadsheets write them; what is not known stays unknown. Years 1900 to 2100, none in the future.

A value is {"date": …, "precision": day | month | year | approximate} or {"from", "to", "precision": "range"}.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from contracts.values.parsed import Parsed, UnreadableValueError
from contracts.values.text import plain

Order = Literal["dmy", "mdy"]

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "enero ene january jan",
            "febrero feb february",
            "marzo mar march mzo",
            "abril abr april apr",
            "mayo may",
            "junio jun june",
            "julio jul july",
            "agosto ago august aug",
            "septiembre setiembre sep set sept september",
            "octubre oct october",
            "noviembre nov november",
            "diciembre dic december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_TIME = re.compile(r"[t ]\s*\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:[ap]\.?\s?m\.?|hrs?\.?|horas)?\s*(?:z|[+-]\d{2}:?\d{2})?$")
_BARE_NUMBERS = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}")
_AROUND_SEPARATOR = re.compile(r"\s+(?=[-/])|(?<=[-/])\s+")
_WEEKDAY = re.compile(r"^(?:lunes|martes|miercoles|jueves|viernes|sabado|domingo),?\s+")
_ABOUT_BEFORE = re.compile(
    r"^(?:(?:como|aprox(?:imadamente|imado)?|cerca|circa|ca|c|hacia|alrededor|por|mas o menos|tal vez|quizas?)\b\.?|~|¿)"
    r"\s*(?:de(?:l)?\b|en\b|el\b|a\b)?\s*"
)
_ABOUT_AFTER = re.compile(r"(?:\s*\(?(?:aprox(?:imadamente|imado)?|mas o menos)\.?\)?|\s*\?)$")
_FILLER = re.compile(r"^(?:nacio\s+)?(?:en\s+)?(?:el\s+)?(?:ano\s+(?:de\s+)?|dia\s+|mes\s+de\s+)?")
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?")
_NUMBERS = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{2}|\d{4})")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/.](\d{4})")
_MONTH_NAME = rf"(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})"
_DAY = r"(?P<day>\d{1,2}|primero)(?:ro|ero|do|th|st|nd|rd|o)?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_OF = r"(?:\s+de(?:l)?(?:\s+ano)?)?\s+"
_WORDS = re.compile(rf"(?:{_DAY}(?:\s+de)?\s*)?(?P<month>{_MONTH_NAME}){_OF}{_YEAR}")
_MONTH_DAY_YEAR = re.compile(rf"(?P<month>{_MONTH_NAME})\s+{_DAY}\s+(?P<year>\d{{4}})")
_MONTHS_OF_YEAR = re.compile(
    rf"(?:entre\s+)?(?P<first>{_MONTH_NAME})\s+(?:(?:o|y|a|e)\s+)?(?P<last>{_MONTH_NAME}){_OF}(?P<year>\d{{4}})"
)
_PARTS_NAMES = r"(?P<part>principios?|inicios?|comienzos?|mediados?|finales|fines|final|fin)"
_PART = re.compile(rf"(?:a\s+)?{_PARTS_NAMES}\s+del?\s+(?:ano\s+)?{_YEAR}")
_PART_OF_MONTH = re.compile(rf"(?:a\s+)?{_PARTS_NAMES}\s+de\s+(?P<month>{_MONTH_NAME}){_OF}(?P<year>\d{{4}})")
_YEARS = re.compile(r"(?:entre\s+)?(\d{4})\s*(?:-|/|a\b|y\b|o\b)\s*(\d{4})")
_DECADE = re.compile(
    r"(?:(?:la\s+)?decada\s+del?\s+(?:los\s+)?|los\s+(?:anos\s+)?|anos\s+)(?P<a>(?:19|20)?\d0)s?|(?P<b>(?:19|20)\d0)'?s"
)
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
_PARTS = {"principio": ("01", "04"), "inicio": ("01", "04"), "comienzo": ("01", "04"), "mediado": ("05", "08")}
_RELATIVE = re.compile(r"hace\b|ayer|hoy|anteayer|antier|la semana pasada|el (?:mes|ano) pasado|yesterday|today")
_LAST_SERIAL = 73_415  # 2100-12-31


@dataclass(frozen=True, slots=True)
class _Told:
    """How a source writes dates, and when it is read."""

    order: Order
    epoch: date
    today: date


def parse_date(text: str, *, order: Order = "dmy", today: date, date1904: bool = False) -> Parsed:
    """Return a date with its precision.

    `order` is what a source writes; a day that cannot be a month settles it. Excel serial numbers of five digits (from
    1927 on) are read as Excel means them, in a workbook's 1904 system when it says so; shorter ones look too much like
    years to be guessed.

    Raises:
        UnreadableValueError: not a date, impossible, without a year, in the future, or outside 1900 to 2100.
    """
    told = _Told(order, date(1904, 1, 1) if date1904 else date(1899, 12, 30), today)
    clean, about = _prepare(text)
    for reader in _READERS:
        found = reader(clean, told)
        if found is not None:
            return _checked(_approximate(found) if about else found, today)
    if _RELATIVE.match(clean):
        raise UnreadableValueError("date-relative")
    if re.fullmatch(rf"(?:\d{{1,2}}\s+(?:de\s+)?)?{_MONTH_NAME}", clean.replace("-", " ")):
        raise UnreadableValueError("date-without-year")
    raise UnreadableValueError("date-not-readable")


def _prepare(text: str) -> tuple[str, bool]:
    if _BARE_NUMBERS.fullmatch(text):  # as most columns are written: nothing around it to take away
        return text, False
    clean = _TIME.sub("", plain(text).lstrip("'")).strip(" .,;")
    clean = _WEEKDAY.sub("", _AROUND_SEPARATOR.sub("", clean))
    about = _ABOUT_AFTER.sub("", _ABOUT_BEFORE.sub("", clean))
    return _FILLER.sub("", about, count=1).strip(), about != clean


def _iso(text: str, _told: _Told) -> Parsed | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day = match.groups()
    return _day(int(year), int(month), int(day)) if day else _month(int(year), int(month))


def _compact(text: str, _told: _Told) -> Parsed | None:
    """Eight digits are read only when one order alone gives a date."""
    if not re.fullmatch(r"\d{8}", text):
        return None
    orders = ((text[:4], text[4:6], text[6:]), (text[4:], text[2:4], text[:2]))
    found = [value for value in (_maybe(*parts) for parts in orders) if value is not None]
    if len(found) != 1:
        raise UnreadableValueError("date-not-readable")
    return Parsed({"date": found[0].isoformat(), "precision": "day"}, ("compact-date",))


def _maybe(year: str, month: str, day: str) -> date | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if 1900 <= found.year <= 2100 else None


def _by_numbers(text: str, told: _Told) -> Parsed | None:
    match = _NUMBERS.fullmatch(text)
    if match is None:
        return None
    first, second = int(match[1]), int(match[2])
    year, notes = _year(match[3], told.today)
    if first > 12 >= second:
        day, month = first, second
        notes += ("day-first-date",) if told.order == "mdy" else ()
    elif second > 12 >= first:
        day, month = second, first
        notes += ("month-first-date",) if told.order == "dmy" else ()
    else:
        day, month = (first, second) if told.order == "dmy" else (second, first)
        notes += ("ambiguous-day-month",) if first != second else ()
    parsed = _day(year, month, day)
    return Parsed(parsed.value, notes)


def _month_year(text: str, _told: _Told) -> Parsed | None:
    match = _MONTH_YEAR.fullmatch(text)
    return None if match is None else _month(int(match[2]), int(match[1]))


def _year_parts(text: str, told: _Told) -> Parsed | None:
    if match := _PART.fullmatch(text):
        low, high = _PARTS.get(match["part"].rstrip("s"), ("09", "12"))
        year, notes = _year(match["year"], told.today)
        return _between(f"{year}-{low}", f"{year}-{high}", ("part-of-year", *notes))
    if match := _PART_OF_MONTH.fullmatch(text):
        month = _month(int(match["year"]), MONTHS[match["month"]])
        return Parsed(month.value, ("part-of-month",))
    if match := _YEARS.fullmatch(text):
        first, last = sorted((match[1], match[2]))
        return _between(first, last, ("range-of-years",))
    if match := _DECADE.fullmatch(text):
        first_year, _ = _year((match["a"] or match["b"]), told.today)
        return _between(str(first_year), str(first_year + 9), ("range-of-years",))
    return None


def _serial_or_year(text: str, told: _Told) -> Parsed | None:
    if re.fullmatch(r"(?:19|20)\d\d|2100", text):
        return Parsed({"date": text, "precision": "year"}, ("year-only",))
    if not _SERIAL.fullmatch(text):
        return None
    number = int(re.split("[.,]", text)[0])
    if not 10_000 <= number <= _LAST_SERIAL:
        raise UnreadableValueError("date-out-of-range")
    moment = told.epoch + timedelta(days=number)
    return Parsed({"date": moment.isoformat(), "precision": "day"}, ("excel-serial-date",))


def _in_words(text: str, told: _Told) -> Parsed | None:
    spaced = re.sub(r"\s+", " ", re.sub(r"[-/.,]+", " ", text)).strip()
    if match := _MONTHS_OF_YEAR.fullmatch(spaced):
        first, last = (_month(int(match["year"]), MONTHS[match[name]]).value["date"] for name in ("first", "last"))
        return _between(min(first, last), max(first, last), ("range-of-months",))
    match = _WORDS.fullmatch(spaced) or _MONTH_DAY_YEAR.fullmatch(spaced)
    if match is None:
        return None
    year, notes = _year(match["year"], told.today)
    month, day = MONTHS[match["month"]], match["day"]
    parsed = _month(year, month) if day is None else _day(year, month, 1 if day == "primero" else int(day))
    return Parsed(parsed.value, parsed.notes + notes)


_READERS: tuple[Callable[[str, _Told], Parsed | None], ...] = (
    _iso, _compact, _by_numbers, _month_year, _year_parts, _serial_or_year, _in_words,
)  # fmt: skip


def _year(text: str, today: date) -> tuple[int, tuple[str, ...]]:
    if len(text) == 4:
        return int(text), ()
    # Two digits: the latest such year that is not in the future.
    year = today.year // 100 * 100 + int(text)
    return (year if year <= today.year else year - 100), ("two-digit-year",)


def _day(year: int, month: int, day: int) -> Parsed:
    try:
        return Parsed({"date": date(year, month, day).isoformat(), "precision": "day"})
    except ValueError:
        raise UnreadableValueError("impossible-date") from None


def _month(year: int, month: int) -> Parsed:
    if not 1 <= month <= 12:
        raise UnreadableValueError("impossible-date")
    return Parsed({"date": f"{year:04d}-{month:02d}", "precision": "month"}, ("month-only",))


def _between(first: str, last: str, notes: tuple[str, ...]) -> Parsed:
    return Parsed({"from": first, "to": last, "precision": "range"}, notes)


def _approximate(parsed: Parsed) -> Parsed:
    notes = (*parsed.notes, "approximate")
    value = parsed.value
    return Parsed(value if value["precision"] == "range" else {**value, "precision": "approximate"}, notes)


def _checked(parsed: Parsed, today: date) -> Parsed:
    for member in ("date", "from", "to"):
        text = parsed.value.get(member)
        if text is not None and not 1900 <= int(text[:4]) < 2100:
            raise UnreadableValueError("date-out-of-range")
    first = parsed.value.get("from", parsed.value.get("date"))
    if first > today.isoformat()[: len(first)]:
        raise UnreadableValueError("date-in-future")
    return parsed
