"""Deadlines: day by day on the office's own clock with its holidays, as a month, and as a calendar that other programs read."""

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Any

from aiohttp import web

from contracts.errors import FaultError
from contracts.ids import NodeId
from contracts.threads import Side
from gateway.console.access import PRINCIPAL, Face, Open, Route
from gateway.console.eyes import eyes_at, eyes_for, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM
from gateway.console.pages.horizon import DAYS, Horizon, horizon
from gateway.console.pages.inbox import PAGES
from gateway.console.pages.looks import Looks
from gateway.console.staff import office_in_words
from gateway.console.whose import GUATEMALA, zone_of
from gateway.console.words import Words
from gateway.console.work_words import KINDS, SPANISH, told_of
from gateway.exchange.folios import folio
from gateway.people.calendars import address_of, drop_address, make_address, owner_of
from gateway.people.desk import PeopleDesk
from gateway.people.errors import UnknownError, WaitError
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.storage.seeing import Seen
from gateway.storage.worklists import WorkLists

_LISTED, _IN_MONTH, _IN_FEED, _IN_CELL = 60, 400, 500, 5
_LONG_AGO, _AHEAD, _DAY = timedelta(days=3650), timedelta(days=3650), timedelta(days=1)
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
_DONE = {
    "hecha": N_("Ésta es su dirección secreta. La de antes, si había, ya no sirve."),
    "quitada": N_("La dirección ya no sirve: los calendarios que la usaban dejan de recibir plazos."),
}


@dataclass(frozen=True, slots=True)
class Term:
    """One deadline as the list shows it."""

    address: str
    folio: str
    kind: str
    peer: str
    at: datetime
    zone: tzinfo
    due: str
    late: bool
    whose: str


@dataclass(slots=True)
class Day:
    """A day: what is said of it, and what is due."""

    day: date
    marks: list[str] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    more: int = 0
    inside: bool = True
    today: bool = False


class TermPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._desk = desk
        self._lists = WorkLists(operations.models.engine)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        reads = Permission.WORK_READ
        return (
            Route("GET", "/plazos", self._show, reads, Face.PAGE),
            Route("POST", "/plazos/direccion", self._address, reads, Face.PAGE),
            Route("GET", "/plazos/{secret}.ics", self._feed, Open.EVERYBODY, Face.PAGE),
        )

    # -- for eyes ------------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        told, now, offices = self._looks.words(request), self._operations.node.clock.now(), await open_offices(self._desk)
        seen, today = eyes_at(request, Permission.WORK_READ, offices), now.astimezone(await self._looks.zone(request)).date()
        found = await self._lists.terms(seen, start=now - _LONG_AGO, end=now + _AHEAD, rows=_LISTED + 1)
        month, terms = _month(request.query.get("mes", ""), today), [self._term(item, offices, now, told) for item in found]
        there = [self._term(item, offices, now, told) for item in await self._in_month(month, seen)]
        mine = [office for office in offices if office.code in seen.offices]
        ahead = {today + number * _DAY for number in range(DAYS)}
        marks = await self._marks(mine, _days(terms) | _days(there) | {day for week in month for day in week} | ahead, told)
        return await self._looks.page(
            request,
            "plazos.html",
            horizon=await self._horizon(seen, offices, today, marks, told),
            late=[term for term in terms[:_LISTED] if term.late],
            days=_by_day([term for term in terms[:_LISTED] if not term.late], marks),
            more=len(found) > _LISTED,
            unknown=marks is None,
            grid=_grid(month, _by_day(there, marks), marks, today),
            month=month[1][0],
            weekdays=[told.weekday(day) for day in month[0]],
            before=_beside(month, -1),
            after=_beside(month, +1),
            secret=_whole(request, await address_of(request[PRINCIPAL], self._desk)),
            done=told.gettext(_DONE[request.query["hecho"]]) if request.query.get("hecho") in _DONE else "",
        )

    async def _horizon(
        self, seen: Seen, offices: Sequence[Office], today: date, marks: Mapping[date, list[str]] | None, told: Words
    ) -> Horizon | None:
        """Return what this person's offices have to answer in the next days: what others owe is no work of theirs."""
        now = self._operations.node.clock.now()
        found = await self._lists.terms(seen, start=now, end=now + (DAYS + 1) * _DAY, rows=_IN_MONTH + 1)
        ours = [item for item in found[:_IN_MONTH] if item["side"] == Side.ADDRESSEE]
        due = [
            (datetime.fromisoformat(item["due"]).astimezone(zone_of(item["office"], offices)).date(), item["office"])
            for item in ours
        ]
        names = {code: office_in_words(code, offices, told) for code in sorted({office for _, office in due}, key=str)}
        return horizon(due, names, today, marks, told, more=len(found) > _IN_MONTH)

    async def _in_month(self, month: Sequence[Sequence[date]], seen: Seen) -> list[dict[str, Any]]:
        """Return what is due in a month, whatever an office's clock says of its first and its last day."""
        start, end = (datetime(day.year, day.month, day.day, tzinfo=GUATEMALA) for day in (month[0][0], month[-1][-1]))
        return await self._lists.terms(seen, start=start - _DAY, end=end + 2 * _DAY, rows=_IN_MONTH)

    def _term(self, item: Mapping[str, Any], offices: Sequence[Office], now: datetime, told: Words) -> Term:
        zone, start = zone_of(item["office"], offices), PAGES.get(item["machine"])
        words, at, ours = told_of(item, now, zone, told), datetime.fromisoformat(item["due"]), item["side"] == Side.OPENER
        peer = self._looks.name(NodeId(item["peer"]))
        return Term(
            address="" if start is None else f"{start}{item['id']}",
            folio=folio(item["machine"], item["id"]),
            kind=words.kind,
            peer=peer,
            at=at,
            zone=zone,
            due=words.due,
            late=at < now,
            whose=peer if ours else item["has_it_name"] or office_in_words(item["office"], offices, told),
        )

    async def _marks(self, offices: Sequence[Office], days: set[date], told: Words) -> dict[date, list[str]] | None:
        """Return what is said of days: who has a holiday, and when nobody works; None where holidays cannot be known."""
        years, found = sorted({day.year for day in days}), {day: list[str]() for day in days}
        for office in offices:
            try:
                holidays = await self._desk.holidays(office.calendar, years)
            except FaultError:
                return None
            name = office_in_words(office.code, offices, told)
            for day in days:
                if day in holidays:
                    only = len(offices) == 1
                    found[day].append(
                        told.gettext("feriado") if only else told.gettext("feriado en %(office)s") % {"office": name}
                    )
                elif len(offices) == 1 and not office.week[day.weekday()]:
                    found[day].append(told.gettext("no se atiende"))
        return found

    # -- for calendars -------------------------------------------------------------------------------------------------

    async def _address(self, request: web.Request) -> web.Response:
        drops = request[FORM].text("hacer") == "quitar"
        await (drop_address if drops else make_address)(request[PRINCIPAL], self._desk)
        return web.Response(status=303, headers={"Location": f"/plazos?hecho={'quitada' if drops else 'hecha'}#direccion"})

    async def _feed(self, request: web.Request) -> web.Response:
        """Return the deadlines of whoever the secret is of. The address is written nowhere: it is the key."""
        try:
            owner = await owner_of(request.match_info["secret"], request.remote or "", self._desk)
        except WaitError as error:
            return web.Response(status=429, headers={"Retry-After": str(error.seconds)})
        except UnknownError:
            return web.Response(status=404)
        offices, now = await open_offices(self._desk), self._operations.node.clock.now()
        seen = eyes_for(owner.posts, Permission.WORK_READ, offices)
        found = await self._lists.terms(seen, start=now - _LONG_AGO, end=now + _AHEAD, rows=_IN_FEED)
        body = feed([item for item in found if item["side"] == Side.ADDRESSEE], self._operations)
        tag = f'"{sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=900"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type="text/calendar", charset="utf-8")


def feed(items: Sequence[Mapping[str, Any]], operations: Operations) -> bytes:
    """Return deadlines as a calendar (RFC 5545). What an item says: what sort of work, its folio, that it is due."""
    from icalendar import Calendar, Event  # noqa: PLC0415 - only who asks for a calendar pays for the library

    made = Calendar()
    made.add("prodid", "-//Paradero//Plazos//ES")
    made.add("version", "2.0")
    made.add("x-wr-calname", "Plazos")
    for item in items:
        event, kind = Event(), SPANISH.gettext(KINDS.get(item["machine"], item["machine"]))
        event.add("uid", operations.digest("calendar-item", item["id"].encode()).hex()[:32])
        event.add("dtstamp", datetime.fromisoformat(item["opened"]))
        event.add("dtstart", datetime.fromisoformat(item["due"]))
        event.add("summary", f"{kind} {folio(item['machine'], item['id'])} vence")
        event.add("class", "PRIVATE")
        event.add("transp", "TRANSPARENT")
        made.add_component(event)
    return bytes(made.to_ical())


def _month(text: str, today: date) -> list[list[date]]:
    """Return the weeks of a month, Monday first, with the days beside it that fill them up."""
    match = _MONTH.fullmatch(text)
    year, month = (int(match[1]), int(match[2])) if match else (today.year, today.month)
    return calendar.Calendar().monthdatescalendar(year, month)


def _beside(month: Sequence[Sequence[date]], step: int) -> str:
    inside = month[1][0]
    number = inside.year * 12 + inside.month - 1 + step
    return f"{number // 12}-{number % 12 + 1:02d}"


def _days(terms: Sequence[Term]) -> set[date]:
    return {term.at.astimezone(term.zone).date() for term in terms}


def _by_day(terms: Sequence[Term], marks: Mapping[date, list[str]] | None) -> list[Day]:
    found: dict[date, Day] = {}
    for term in terms:
        day = term.at.astimezone(term.zone).date()
        found.setdefault(day, Day(day, (marks or {}).get(day, []))).terms.append(term)
    return [found[day] for day in sorted(found)]


def _grid(
    month: Sequence[Sequence[date]], days: Sequence[Day], marks: Mapping[date, list[str]] | None, today: date
) -> list[list[Day]]:
    known, inside = {day.day: day for day in days}, month[1][0].month
    grid = []
    for week in month:
        row = []
        for day in week:
            terms = known[day].terms if day in known else []
            said, more = (marks or {}).get(day, []), max(0, len(terms) - _IN_CELL)
            row.append(Day(day, said, terms[:_IN_CELL], more, inside=day.month == inside, today=day == today))
        grid.append(row)
    return grid


def _whole(request: web.Request, secret: str | None) -> str:
    """Return the whole address that a calendar program is told; empty where there is none."""
    if secret is None:
        return ""
    plain = request.host.partition(":")[0] in {"127.0.0.1", "localhost"}
    return f"{'http' if plain else 'https'}://{request.host}/plazos/{secret}.ics"
