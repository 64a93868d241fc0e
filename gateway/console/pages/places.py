"""Offices: when they work, by which clock and holidays; opening and closing one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from contracts.errors import FaultError
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.looks import Looks
from gateway.console.words import Words
from gateway.exchange.work import NoSuchWorkError
from gateway.people import offices as steps
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, PeopleError, TakenError
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.people.sign_in import is_fresh

_ALL = "/administracion/oficinas"
_COUNTRIES = {"GT": N_("Guatemala"), "MX": N_("México"), "US": N_("Estados Unidos")}
_SHOWN = 6
DONE = {
    "abierta": N_("La oficina está abierta."),
    "cerrada": N_("La oficina está cerrada; su código no se da otra vez."),
}


class PlacePages:
    """The handlers."""

    def __init__(self, looks: Looks, desk: PeopleDesk) -> None:
        self._looks = looks
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, manage = Permission.OFFICES_READ, Permission.OFFICES_MANAGE
        return (
            Route("GET", _ALL, self._list, read, Face.PAGE),
            Route("GET", f"{_ALL}/nueva", self._new, manage, Face.PAGE),
            Route("POST", f"{_ALL}/nueva", self._add, manage, Face.PAGE),
            Route("POST", f"{_ALL}/{{code}}/cerrar", self._close, manage, Face.PAGE),
        )

    async def _list(self, request: web.Request) -> web.Response:
        return await self._page(request, "")

    async def _page(self, request: web.Request, error: str) -> web.Response:
        told, now = self._looks.words(request), self._desk.clock.now()
        found = [await self._row(office, now, told) for office in await self._desk.reader.offices()]
        principal = request[PRINCIPAL]
        return await self._looks.page(
            request,
            "admin_oficinas.html",
            status=409 if error else 200,
            error=error,
            rows=[row for row in found if row["closed"] is None],
            closed=[row for row in found if row["closed"] is not None],
            may_manage=principal.may(Permission.OFFICES_MANAGE),
            fresh=is_fresh(principal, self._desk),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
        )

    async def _row(self, office: Office, now: datetime, told: Words) -> dict[str, Any]:
        zone, holidays = ZoneInfo(office.zone), await self._holidays(office, now)
        row: dict[str, Any] = {
            "code": office.code,
            "name": office.name(told.lang),
            "zone": office.zone,
            "here": told.time(now, zone),
            "hours": steps.show_hours(office.week),
            "calendar": told.gettext(_COUNTRIES[office.calendar]),
            "takes": office.takes_inbox,
            "closed": office.closed_at,
            "holidays": None if holidays is None else [day.isoformat() for day in holidays],
            "open_now": None,
            "opens": "",
        }
        if office.closed_at is not None:
            return row
        try:
            moment = await steps.working_moment(office.code, None, self._desk)
        except (PeopleError, FaultError):
            return row
        return row | {"open_now": moment.open_now, "opens": told.moment(moment.opens, zone)}

    async def _holidays(self, office: Office, now: datetime) -> Sequence[date] | None:
        """Return the next national holidays; None where they cannot be known."""
        today = now.astimezone(ZoneInfo(office.zone)).date()
        try:
            days = await self._desk.holidays(office.calendar, [today.year, today.year + 1])
        except FaultError:
            return None
        return sorted(day for day in days if day >= today)[:_SHOWN]

    # -- acts ----------------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.Response:
        return await self._form(request, _GIVEN, ())

    async def _form(self, request: web.Request, given: dict[str, str], wrong: Sequence[tuple[str, str]]) -> web.Response:
        told = self._looks.words(request)
        countries = [(code, told.gettext(name)) for code, name in _COUNTRIES.items()]
        said = {"given": given, "wrong": wrong, "countries": countries}
        return await self._looks.page(request, "admin_oficina_nueva.html", status=422 if wrong else 200, **said)

    async def _add(self, request: web.Request) -> web.Response:
        told, given = self._looks.words(request), _given(request[FORM])
        wrong = _wrong_parts(given, told)
        if wrong:
            return await self._form(request, given, wrong)
        new = steps.NewOffice(
            code=given["codigo"],
            name_es=given["nombre-es"],
            name_en=given["nombre-en"],
            zone=given["zona"],
            calendar=given["feriados"],
            hours=given["horas"],
            takes_inbox=given["recibe"] == "si",
        )
        try:
            await steps.add_office(new, request[PRINCIPAL], self._desk)
        except TakenError:
            why = told.gettext("Ese código es o fue de una oficina. Un código no se da dos veces.")
            return await self._form(request, given, [("codigo", why)])
        except InvalidError:
            why = told.gettext("El código lleva minúsculas, cifras y guiones: consulado-houston.")
            return await self._form(request, given, [("codigo", why)])
        return web.Response(status=303, headers={"Location": f"{_ALL}?hecho=abierta"})

    async def _close(self, request: web.Request) -> web.Response:
        code = request.match_info["code"]
        known = {str(office.code): office for office in await self._desk.reader.offices()}
        if code not in known:
            raise NoSuchWorkError("no such office")
        if known[code].closed_at is None:  # sent twice it is closed once
            try:
                await steps.close_office(code, request[PRINCIPAL], self._desk)
            except TakenError:
                told = self._looks.words(request)
                why = told.gettext("Hay personas con puesto en esa oficina: cambie antes sus puestos. No se cerró.")
                return await self._page(request, why)
        return web.Response(status=303, headers={"Location": f"{_ALL}?hecho=cerrada"})


_GIVEN = {
    "codigo": "",
    "nombre-es": "",
    "nombre-en": "",
    "zona": "America/Guatemala",
    "feriados": "GT",
    "horas": steps.USUAL_HOURS,
    "recibe": "si",
}
"""What a form for a new office begins with."""


def _given(form: Form) -> dict[str, str]:
    return {name: form.text(name) for name in _GIVEN}


def _wrong_parts(given: dict[str, str], told: Words) -> list[tuple[str, str]]:
    unnamed = [name for name in ("nombre-es", "nombre-en") if not _is_name(given[name])]
    why = told.gettext("Escriba el nombre de la oficina en los dos idiomas, en una línea cada uno.")
    wrong = [(name, why) for name in unnamed]
    try:
        ZoneInfo(given["zona"])
    except (ValueError, OSError, KeyError):
        wrong.append(
            ("zona", told.gettext("Escriba una zona horaria que este equipo conozca: America/Guatemala, America/Chicago."))
        )
    if given["feriados"] not in _COUNTRIES:
        wrong.append(("feriados", told.gettext("Elija de qué país son los feriados.")))
    try:
        steps.parse_hours(given["horas"])
    except InvalidError:
        wrong.append(("horas", told.gettext("Escriba las horas así: lu-vi 08:00-12:00,13:00-16:00; sa 08:00-12:00.")))
    return wrong


def _is_name(text: str) -> bool:
    return bool(text) and len(text) <= 120 and text.isprintable()
