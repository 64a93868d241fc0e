"""The inbox of work: what is to be done, by when, in words. No names of people but of those who work here, unless asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from contracts.ids import NodeId
from contracts.policy.words import word
from contracts.threads import Side
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_at, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM
from gateway.console.pages.history import REASSIGNED
from gateway.console.pages.looks import Looks
from gateway.console.pages.naming import choose_names, note_names, people_in, shows_names
from gateway.console.staff import office_in_words
from gateway.console.whose import GUATEMALA, zone_of
from gateway.console.words import Words
from gateway.console.work_words import KINDS, NAMED, counted, delivery_words, told_of
from gateway.exchange.folios import folio
from gateway.people.desk import PeopleDesk
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.storage.seeing import Seen
from gateway.storage.worklists import Mark, Narrowed, Section, Sheet, Today, WorkLists

ROWS = 25
PAGES = {"search": "/s/", "disclosure": "/s/", "referral": "/r/", "identity": "/i/", "finding": "/h/"}
_OPEN_CASES = {"duty", "report"}
STATES = {
    "vencidas": Section.LATE,
    "hoy": Section.TODAY,
    "por-aceptar": Section.ACCEPT,
    "por-responder": Section.ANSWER,
    "nuevas": Section.NEW,
    "en-verificacion": Section.CHECKING,
    "en-curso": Section.RUNNING,
    "esperando": Section.OTHERS,
    "no-entregadas": Section.UNDELIVERED,
    "terminadas": Section.OVER,
}
"""Sections as an address calls them."""
TYPES = {
    "solicitud": "search",
    "datos": "disclosure",
    "referencia": "referral",
    "reporte": "report",
    "hallazgo": "finding",
    "aviso": "duty",
    "identidad": "identity",
    "supresion": "erasure",
}
_DONE = {
    "nombres": N_(
        "Ahora la lista muestra nombres, hasta que usted salga. Queda en la bitácora qué nombres se muestran y a quién."
    ),
    "sin-nombres": N_("La lista ya no muestra nombres."),
    "reasignada": REASSIGNED,
}
_NEAR = timedelta(hours=48)
_KEPT = timedelta(days=30)
"""How long the list tells of what did not arrive; the log and the case keep it."""
_EXPECTED = (Section.LATE, Section.TODAY, Section.ACCEPT, Section.ANSWER)


@dataclass(frozen=True, slots=True)
class Row:
    """One item as the list shows it. `urgency`: how its term is set off, by a word and not by colour alone."""

    address: str
    folio: str
    kind: str
    peer: str
    due: str
    urgency: str
    state: str
    held_by: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to narrow the list: a link."""

    label: str
    address: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for."""

    query: Mapping[str, str]
    only: Narrowed
    after: Mark | None
    before: Mark | None

    def address(self, **changed: str) -> str:
        """Return the address of the same list with something else about it; an empty value takes it away."""
        query = {name: value for name, value in {**self.query, **changed}.items() if value}
        return f"/bandeja?{urlencode(query, safe='~')}" if query else "/bandeja"


class InboxPage:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._desk = desk
        self._lists = WorkLists(operations.models.engine)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/bandeja", self._list, Permission.WORK_READ, Face.PAGE),
            Route("POST", "/bandeja/nombres", self._names, Permission.REQUESTS_READ, Face.PAGE),
        )

    async def _list(self, request: web.Request) -> web.Response:
        told, offices = self._looks.words(request), await open_offices(self._desk)
        seen, now = eyes_at(request, Permission.WORK_READ, offices), self._operations.node.clock.now()
        asked = _asked(request)
        today, section = today_at(offices, now), asked.only.section
        counts = await self._lists.counts(seen, today, Narrowed(None, asked.only.machine, asked.only.office, asked.only.person))
        if section is Section.OVER:
            sheet = await self._lists.over(seen, asked.only, rows=ROWS, after=asked.after)
        else:
            sheet = await self._lists.page(seen, today, asked.only, rows=ROWS, after=asked.after, before=asked.before)
        failed = await self._lists.undelivered(seen, asked.only, since=now - _KEPT, rows=ROWS)
        shown = [*sheet.items, *(failed if sheet.after is None and section in {None, Section.UNDELIVERED} else ())]
        names = shows_names(request)
        about = await self._about(request, shown, seen) if names else {}
        rows = [self._row(item, offices, now, told, about) for item in shown]
        if failed:
            counts[Section.UNDELIVERED] = counts.get(Section.UNDELIVERED, 0) + len(failed)
        return await self._looks.page(
            request,
            "bandeja.html",
            headline=counted(counts, told),
            sections=_sections(shown, told, rows),
            filters=_filters(asked, counts, request, offices, told),
            narrowed=bool(asked.query),
            names=names,
            may_see_names=request[PRINCIPAL].may(Permission.REQUESTS_READ),
            done=told.gettext(_DONE[request.query["hecho"]]) if request.query.get("hecho") in _DONE else "",
            ends=_ends(asked, sheet),
        )

    async def _about(self, request: web.Request, shown: Sequence[Mapping[str, Any]], seen: Seen) -> dict[str, str]:
        await note_names(shown, self._desk, actor=request[PRINCIPAL].actor)  # first: nobody reads them unseen
        return await people_in(shown, self._operations, self._looks.words(request), seen)

    async def _names(self, request: web.Request) -> web.Response:
        shown = request[FORM].text("mostrar") == "si"
        await self._desk.record("inbox.names-shown" if shown else "inbox.names-hidden", actor=request[PRINCIPAL].actor)
        answer = web.Response(status=303, headers={"Location": f"/bandeja?hecho={'nombres' if shown else 'sin-nombres'}"})
        choose_names(request, answer, shown=shown)
        return answer

    def _row(
        self, item: Mapping[str, Any], offices: Sequence[Office], now: datetime, told: Words, about: Mapping[str, str]
    ) -> Row:
        words, start = told_of(item, now, zone_of(item["office"], offices), told), PAGES.get(item["machine"])
        section, due = item["section"], None if item["due"] is None else datetime.fromisoformat(item["due"])
        near = due is not None and section in _EXPECTED and due - now < _NEAR
        state, late = words.state, "late" if section is Section.LATE else ""
        if "said_kind" in item:
            what, when = word("kind", item["said_kind"], told.lang), told.day(datetime.fromisoformat(item["failed"]), GUATEMALA)
            state = told.gettext("%(what)s, %(when)s: %(how)s") % {
                "what": what,
                "when": when,
                "how": delivery_words(item["said_state"], told),
            }
        return Row(
            address=_read_at(item) if start is None else f"{start}{item['id']}",
            folio=folio(item["machine"], item["id"]),
            kind=words.kind,
            peer=self._looks.name(NodeId(item["peer"])),
            due=words.due,
            urgency=late or ("soon" if section is Section.TODAY or near else ""),
            state=state,
            held_by=item["has_it_name"] or office_in_words(item["office"], offices, told),
            about=about.get(item["id"], ""),
        )


def _read_at(item: Mapping[str, Any]) -> str:
    """Return where what has no page of its own is read: what others sent, in the case it opened here; empty where nowhere."""
    opens = item["machine"] in _OPEN_CASES and item["side"] != Side.OPENER
    return f"/e/{item['thread']}" if opens and item.get("thread") else ""


def today_at(offices: Sequence[Office], now: datetime) -> Today:
    """Return now, and when the day ends at each office."""
    return Today(
        now, {str(office.code): _midnight(office.code, offices, now) for office in offices}, _midnight(None, offices, now)
    )


def _midnight(code: str | None, offices: Sequence[Office], now: datetime) -> datetime:
    zone = zone_of(code, offices)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)


def _asked(request: web.Request) -> Wanted:
    query = request.query
    kept = {
        "estado": query.get("estado", "terminadas" if query.get("ver") == "todo" else ""),
        "tipo": query.get("tipo", ""),
        "oficina": query.get("oficina", ""),
        "quien": query.get("quien", ""),
    }
    known = {
        "estado": kept["estado"] in STATES,
        "tipo": kept["tipo"] in TYPES,
        "oficina": 0 < len(kept["oficina"]) <= 80 and kept["oficina"].isascii() and kept["oficina"].isprintable(),
        "quien": kept["quien"] == "yo",
    }
    kept = {name: value for name, value in kept.items() if known[name]}
    person = request[PRINCIPAL].person_id if "quien" in kept else None
    only = Narrowed(STATES.get(kept.get("estado", "")), TYPES.get(kept.get("tipo", "")), kept.get("oficina"), person)
    return Wanted(kept, only, Mark.of(query.get("despues", "")), Mark.of(query.get("antes", "")))


def _filters(
    asked: Wanted, counts: Mapping[Section, int], request: web.Request, offices: Sequence[Office], told: Words
) -> list[tuple[str, list[Choice]]]:
    """Return the ways to narrow the list, group by group."""
    states = [(slug, told.gettext(NAMED[section]), counts.get(section, 0)) for slug, section in STATES.items()]
    shown = [
        (slug, f"{label} ({number})" if number else label)
        for slug, label, number in states
        if number or slug in {asked.query.get("estado"), "terminadas"}
    ]
    places = request[PRINCIPAL].offices(Permission.WORK_READ)
    mine = [office for office in offices if places is None or office.code in places]
    groups = [
        (told.gettext("Estado"), "estado", [("", told.gettext("Todo lo que no ha terminado")), *shown]),
        (
            told.gettext("Tipo"),
            "tipo",
            [("", told.gettext("Todos")), *((slug, told.gettext(KINDS[machine])) for slug, machine in TYPES.items())],
        ),
        (told.gettext("De quién"), "quien", [("", told.gettext("De todos")), ("yo", told.gettext("Sólo lo mío"))]),
    ]
    if len(mine) > 1:
        named = [(str(office.code), office_in_words(office.code, offices, told)) for office in mine]
        groups.append((told.gettext("Oficina"), "oficina", [("", told.gettext("Todas")), *named]))
    return [
        (
            title,
            [Choice(label, asked.address(**{name: slug}), asked.query.get(name, "") == slug) for slug, label in found],
        )
        for title, name, found in groups
    ]


def _ends(asked: Wanted, sheet: Sheet) -> dict[str, str]:
    return {
        "earlier": "" if sheet.before is None else asked.address(antes=str(sheet.before)),
        "later": "" if sheet.after is None else asked.address(despues=str(sheet.after)),
        "first": asked.address() if asked.after is not None or asked.before is not None else "",
    }


def _sections(items: Sequence[Mapping[str, Any]], told: Words, rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    found: dict[Section, list[Row]] = {}
    for item, row in zip(items, rows, strict=True):
        found.setdefault(item["section"], []).append(row)
    return [(told.gettext(NAMED[section]), found[section]) for section in Section if section in found]
