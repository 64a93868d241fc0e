"""Offices: adding and closing them, and when they work."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.calendars import CalendarError, Holidays, OfficeCalendar, Opening, Week, week
from contracts.errors import FaultError
from contracts.ids import Code
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, TakenError, UnknownError
from gateway.people.ports import Office
from gateway.people.sign_in import Principal

COUNTRIES = ("GT", "MX", "US")
USUAL_HOURS = "lu-vi 08:00-16:00"
_DAYS = ("lu", "ma", "mi", "ju", "vi", "sa", "do")
_ENGLISH = ("mo", "tu", "we", "th", "fr", "sa", "su")
_PART = re.compile(r"([a-z]{2})(?:-([a-z]{2}))? (\d\d:\d\d-\d\d:\d\d(?:,\d\d:\d\d-\d\d:\d\d)*)")
_YEARS_AHEAD = 2
_LONGEST = timedelta(hours=2000)


@dataclass(frozen=True, slots=True)
class NewOffice:
    """An office as somebody describes it. `hours` is text: ``lu-vi 08:00-12:00,13:00-16:00; sa 08:00-12:00``."""

    code: str
    name_es: str
    name_en: str
    zone: str
    calendar: str
    hours: str = USUAL_HOURS
    takes_inbox: bool = True


@dataclass(frozen=True, slots=True)
class WorkingMoment:
    """When an office works next, and when some working hours from now are over; UTC, and its zone to show them in."""

    office: Office
    open_now: bool
    opens: datetime
    due: datetime | None


async def add_office(new: NewOffice, by: Principal, desk: PeopleDesk) -> Office:
    """Open an office.

    Raises:
        InvalidError: code, names, zone, calendar or hours are not what they must be.
        TakenError: the code is or was another's.
    """
    office = _office(new)
    await desk.holidays(office.calendar, [desk.clock.now().year])  # a calendar that cannot be asked is found out now
    async with desk.begin() as work:
        if not await work.offices.add(office):
            raise TakenError("Ese código es o fue de una oficina.", advice="Elija otro; un código no se da dos veces.")
        await work.audit.stage([desk.leaf("office.add", now=desk.clock.now(), actor=by.actor, outcome=office.code)])
    desk.nudge_log()
    return office


async def close_office(code: str, by: Principal, desk: PeopleDesk) -> None:
    """Close an office for good; its code stays its own.

    Raises:
        UnknownError: no such office.
        TakenError: it is closed, or people still work there.
    """
    now = desk.clock.now()
    working = [item for item in await desk.reader.people() if any(post.office == code for post in item.posts)]
    if working:
        advice = "Cambie antes sus puestos: `paradero office members`, `paradero user roles`."
        raise TakenError(f"{len(working)} personas tienen puesto en esa oficina.", advice=advice)
    async with desk.begin() as work:
        office = await work.offices.find(_code(code))
        if office is None:
            raise UnknownError("No hay una oficina con ese código.", advice="Véase `paradero office list`.")
        if office.closed_at is not None:
            raise TakenError("Esa oficina ya está cerrada.", advice="No hace falta nada.")
        await work.offices.close(office.code, now=now)
        await work.audit.stage([desk.leaf("office.close", now=now, actor=by.actor, outcome=office.code)])
    desk.nudge_log()


async def working_moment(code: str, working: timedelta | None, desk: PeopleDesk) -> WorkingMoment:
    """Return when an office works next, and when `working` of its working time is over.

    Raises:
        UnknownError: no such office.
        InvalidError: it never opens, or `working` is not between a moment and 2,000 hours.
    """
    now = desk.clock.now()
    found = next((office for office in await desk.reader.offices() if office.code == _code(code)), None)
    if found is None:
        raise UnknownError("No hay una oficina con ese código.", advice="Véase `paradero office list`.")
    if working is not None and not timedelta() < working <= _LONGEST:
        raise InvalidError("Esas horas no son un plazo.", advice="Entre 1 y 2000 horas hábiles.")
    calendar = await calendar_of(found, now, desk)
    try:
        due = None if working is None else calendar.deadline(now, working)
        return WorkingMoment(found, calendar.is_open(now), calendar.next_working_moment(now), due)
    except CalendarError:
        raise InvalidError("Esa oficina no abre.", advice="Compruebe sus horas: `paradero office list`.") from None


async def calendar_of(office: Office, now: datetime, desk: PeopleDesk) -> OfficeCalendar:
    """Return an office's calendar, with the holidays of the years about `now`."""
    years = range(now.year - 1, now.year + _YEARS_AHEAD + 1)
    days = await desk.holidays(office.calendar, years)
    return OfficeCalendar(_zone(office.zone), office.week, Holidays(frozenset(years), days))


async def calendar_at(code: Code | None, desk: PeopleDesk) -> OfficeCalendar | None:
    """Return when an open office works; of work that is nobody's, when an office that takes such work does.

    None where there is no such office, or its holidays cannot be known.
    """
    offices = [office for office in await desk.reader.offices() if office.closed_at is None]
    unclaimed = [office for office in offices if office.takes_inbox]
    found = next((office for office in offices if office.code == code), unclaimed[0] if unclaimed else None)
    if found is None:
        return None
    try:
        return await calendar_of(found, desk.clock.now(), desk)
    except (CalendarError, FaultError):
        return None


def parse_hours(text: str) -> Week:
    """Return a week from its text; days in Spanish (lu ma mi ju vi sa do) or English (mo tu we th fr sa su).

    Raises:
        InvalidError: it is none.
    """
    days: list[list[Opening]] = [[] for _ in range(7)]
    try:
        for part in text.casefold().split(";"):
            match = _PART.fullmatch(" ".join(part.split()))
            if match is None:
                raise CalendarError("not hours")
            first, last = _day(match[1]), _day(match[2] or match[1])
            for day in range(first, last + 1):
                days[day] += [_opening(span) for span in match[3].split(",")]
        return week(days)
    except (CalendarError, ValueError):
        raise InvalidError("Eso no son horas de oficina.", advice=f"Por ejemplo «{USUAL_HOURS}; sa 08:00-12:00».") from None


def show_hours(days: Week) -> str:
    """Return a week as its text, equal days together."""
    texts = [",".join(f"{_clock(span.start)}-{_clock(span.end)}" for span in day) for day in days]
    parts: list[str] = []
    day = 0
    while day < 7:
        last = day
        while last < 6 and texts[last + 1] == texts[day]:
            last += 1
        if texts[day]:
            parts.append(f"{_DAYS[day]}{'' if last == day else '-' + _DAYS[last]} {texts[day]}")
        day = last + 1
    return "; ".join(parts)


def _day(word: str) -> int:
    # "ma" is martes and "sa" both sábado and Saturday: no word means two days.
    return _DAYS.index(word) if word in _DAYS else _ENGLISH.index(word)


def _opening(span: str) -> Opening:
    start, end = span.split("-")
    return Opening(_minutes(start), _minutes(end))


def _minutes(clock: str) -> int:
    hours, minutes = int(clock[:2]), int(clock[3:])
    if minutes > 59:
        raise CalendarError("not a time")
    return hours * 60 + minutes


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _office(new: NewOffice) -> Office:
    if new.calendar not in COUNTRIES:
        raise InvalidError("No hay un calendario de feriados para eso.", advice=f"Uno de {', '.join(COUNTRIES)}.")
    _zone(new.zone)
    return Office(
        _code(new.code),
        _name(new.name_es),
        _name(new.name_en),
        new.zone,
        new.calendar,
        parse_hours(new.hours),
        new.takes_inbox,
        None,
    )


def _code(text: str) -> Code:
    try:
        return Code(text)
    except ValueError:
        raise InvalidError("Eso no puede ser el código de una oficina.", advice="Por ejemplo consulado-houston.") from None


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > 120 or not name.isprintable():
        raise InvalidError("Falta un nombre de la oficina, en español y en inglés.", advice="Hasta 120 caracteres cada uno.")
    return name


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidError(
            "Este equipo no conoce esa zona horaria.",
            advice="Un nombre como America/Guatemala o America/Chicago; si falta, instale el paquete tzdata.",
        ) from None
