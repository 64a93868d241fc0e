"""Routes of the private port about people: coming in and going out, accounts, posts, offices.

Names and logins travel in bodies, never in addresses: addresses end up in histories and logs of proxies.
"""

from asyncio import IncompleteReadError
from datetime import timedelta
from typing import Any

from aiohttp import web

from contracts.codec import parse_object
from contracts.errors import ExchangeError
from gateway.console.access import PRINCIPAL, Open, Route, bearer
from gateway.console.answers import json_answer
from gateway.console.staff import listed_at
from gateway.people import accounts, offices
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError
from gateway.people.ports import Listed, Office
from gateway.people.roles import Permission
from gateway.people.sign_in import Knock, Principal, SignedIn, sign_in, sign_out
from gateway.web import Watch

_BODY = 16 * 1024
_TEXT = 4096
_DEVICE, _DEVICE_AND_CODE = frozenset({"device"}), frozenset({"device", "code"})


class PeopleApi:
    """The handlers."""

    def __init__(self, desk: PeopleDesk, watch: Watch) -> None:
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("POST", "/api/v1/session", self._sign_in, Open.EVERYBODY),
            Route("POST", "/api/v1/session/invitation", self._accept, Open.EVERYBODY),
            Route("GET", "/api/v1/session", self._who, Open.ANYBODY_SIGNED_IN),
            Route("DELETE", "/api/v1/session", self._sign_out, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/password", self._password, Open.ANYBODY_SIGNED_IN),
            Route("GET", "/api/v1/people", self._people, Permission.PEOPLE_READ),
            Route("POST", "/api/v1/people", self._add, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/invite", self._invite, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/enable", self._enable, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/disable", self._disable, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/roles", self._roles, Permission.PEOPLE_MANAGE),
            Route("GET", "/api/v1/offices", self._offices, Permission.OFFICES_READ),
            Route("POST", "/api/v1/offices", self._add_office, Permission.OFFICES_MANAGE),
            Route("POST", "/api/v1/offices/{code}/close", self._close_office, Permission.OFFICES_MANAGE),
            Route("GET", "/api/v1/offices/{code}/next", self._next, Permission.OFFICES_READ),
        )

    # -- sessions ----------------------------------------------------------------------------------------------------

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login", "password"}, _DEVICE_AND_CODE)
        knock, code = _knock(request, body), _text(body, "code") if "code" in body else ""
        return _signed_in(await sign_in(_text(body, "login"), _text(body, "password"), knock, self._desk, code))

    async def _accept(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login", "invitation", "password"}, _DEVICE)
        login, code, password = (_text(body, name) for name in ("login", "invitation", "password"))
        return _signed_in(await accounts.accept(login, code, password, _knock(request, body), self._desk))

    async def _who(self, request: web.Request) -> web.Response:
        return json_answer(_principal(request[PRINCIPAL]))

    async def _sign_out(self, request: web.Request) -> web.Response:
        await sign_out(bearer(request) or "", self._desk)
        return json_answer({"signed_out": True})

    async def _password(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"current", "new"})
        await accounts.change_password(_text(body, "current"), _text(body, "new"), request[PRINCIPAL], self._desk)
        return json_answer({"changed": True})

    # -- accounts ----------------------------------------------------------------------------------------------------

    async def _people(self, request: web.Request) -> web.Response:
        places = request[PRINCIPAL].offices(Permission.PEOPLE_READ)
        return json_answer({"people": [_listed(item) for item in listed_at(await self._desk.reader.people(), places)]})

    async def _add(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login", "name", "posts"})
        login, name, posts = _text(body, "login"), _text(body, "name"), _texts(body, "posts")
        return _invited(await accounts.add_person(login, name, posts, request[PRINCIPAL], self._desk))

    async def _invite(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login"})
        return _invited(await accounts.invite(_text(body, "login"), request[PRINCIPAL], self._desk))

    async def _enable(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login"})
        return _invited(await accounts.enable(_text(body, "login"), request[PRINCIPAL], self._desk))

    async def _disable(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login"})
        await accounts.disable(_text(body, "login"), request[PRINCIPAL], self._desk)
        return json_answer({"disabled": True})

    async def _roles(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"login", "posts"})
        held = await accounts.set_posts(_text(body, "login"), _texts(body, "posts"), request[PRINCIPAL], self._desk)
        return json_answer({"posts": sorted(str(post) for post in held)})

    # -- offices -----------------------------------------------------------------------------------------------------

    async def _offices(self, _request: web.Request) -> web.Response:
        return json_answer({"offices": [_office(office) for office in await self._desk.reader.offices()]})

    async def _add_office(self, request: web.Request) -> web.Response:
        names = {"code", "name_es", "name_en", "zone", "calendar"}
        body = await self._body(request, names, frozenset({"hours", "takes_inbox"}))
        new = offices.NewOffice(
            **{name: _text(body, name) for name in names},
            hours=_text(body, "hours") if "hours" in body else offices.USUAL_HOURS,
            takes_inbox=_flag(body, "takes_inbox", default=True),
        )
        return json_answer(_office(await offices.add_office(new, request[PRINCIPAL], self._desk)))

    async def _close_office(self, request: web.Request) -> web.Response:
        await offices.close_office(request.match_info["code"], request[PRINCIPAL], self._desk)
        return json_answer({"closed": True})

    async def _next(self, request: web.Request) -> web.Response:
        text = request.query.get("hours", "")
        if text and (not text.isascii() or not text.isdigit() or len(text) > 4):
            raise InvalidError("hours es un número entero.")
        found = await offices.working_moment(
            request.match_info["code"], timedelta(hours=int(text)) if text else None, self._desk
        )
        return json_answer(
            {
                "office": found.office.code,
                "zone": found.office.zone,
                "open": found.open_now,
                "opens": found.opens.isoformat(timespec="seconds"),
                "due": None if found.due is None else found.due.isoformat(timespec="seconds"),
            }
        )

    async def _body(self, request: web.Request, needed: set[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return the body's members: all that are needed and none that is unknown.

        Raises:
            InvalidError: it is something else. Says which members there are, never what was in them.
        """
        advice = f"Lleva, en JSON: {', '.join(sorted(needed))}."
        try:
            await request.content.readexactly(_BODY + 1)
            raise InvalidError("La petición es demasiado larga.", advice=advice)
        except IncompleteReadError as whole:
            data = whole.partial
        self._watch.body_read(request)
        try:
            value = parse_object(data, limit=_BODY, depth=3)
        except ExchangeError:
            raise InvalidError("La petición no es un objeto JSON.", advice=advice) from None
        if not needed <= set(value) <= needed | optional:
            raise InvalidError("A la petición le falta o le sobra algo.", advice=advice)
        return value


def _text(body: dict[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or len(value) > _TEXT:
        raise InvalidError(f"{name} es un texto.")
    return value


def _texts(body: dict[str, Any], name: str) -> list[str]:
    value = body[name]
    if not isinstance(value, list) or len(value) > 50 or not all(isinstance(item, str) for item in value):
        raise InvalidError(f"{name} es una lista de textos.")
    return list(value)


def _flag(body: dict[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise InvalidError(f"{name} es true o false.")
    return value


def _knock(request: web.Request, body: dict[str, Any]) -> Knock:
    device = _text(body, "device") if "device" in body else None
    return Knock(request.remote or "local", device, bearer(request))


def _signed_in(found: SignedIn) -> web.Response:
    return json_answer({"token": found.token, "device": found.device, **_principal(found.principal)})


def _principal(principal: Principal) -> dict[str, Any]:
    return {
        "login": principal.login,
        "name": principal.name,
        "actor": principal.actor,
        "posts": sorted(str(post) for post in principal.posts),
        "signed_in": principal.signed_in_at.isoformat(timespec="seconds"),
        "expires": principal.expires_at.isoformat(timespec="seconds"),
    }


def _invited(found: accounts.Invited) -> web.Response:
    return json_answer(
        {"login": found.login, "invitation": found.code, "expires": found.expires_at.isoformat(timespec="seconds")}
    )


def _listed(item: Listed) -> dict[str, Any]:
    person = item.person
    return {
        "login": person.login,
        "name": person.name,
        "state": person.state.value,
        "posts": [str(post) for post in item.posts],
        "created": person.created_at.isoformat(timespec="seconds"),
        "signed_in": None if person.signed_in_at is None else person.signed_in_at.isoformat(timespec="seconds"),
    }


def _office(office: Office) -> dict[str, Any]:
    return {
        "code": office.code,
        "name_es": office.name_es,
        "name_en": office.name_en,
        "zone": office.zone,
        "calendar": office.calendar,
        "hours": offices.show_hours(office.week),
        "takes_inbox": office.takes_inbox,
        "closed": None if office.closed_at is None else office.closed_at.isoformat(timespec="seconds"),
    }
