"""Routes of the private port about one's own second factor, for who works by commands; and how an administrator takes one away.

A secret and recovery codes are in the answer to who asked for them, once, and nowhere else.
"""

from aiohttp import web

from contracts.ids import NodeId
from gateway.console.access import PRINCIPAL, Open, Route, bearer
from gateway.console.answers import json_answer
from gateway.console.given import read_body, text
from gateway.people import own_factors
from gateway.people.accounts import reset_factors
from gateway.people.desk import PeopleDesk
from gateway.people.institution import link, unlink
from gateway.people.roles import Permission
from gateway.people.sign_in import Carrier, end_others, session_digest
from gateway.web import Watch

_CODE, _LOGIN = frozenset({"code"}), frozenset({"login"})
_NOTHING: frozenset[str] = frozenset()


class FactorsApi:
    """The handlers."""

    def __init__(self, desk: PeopleDesk, us: NodeId, watch: Watch) -> None:
        self._desk = desk
        self._us = us
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/api/v1/session/factors", self._held, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/totp", self._begin, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/totp/confirm", self._confirm, Open.ANYBODY_SIGNED_IN),
            Route("DELETE", "/api/v1/session/totp", self._drop, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/recovery", self._renew, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/session/end-others", self._end_others, Open.ANYBODY_SIGNED_IN),
            Route("POST", "/api/v1/people/reset-factors", self._reset, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/link", self._link, Permission.PEOPLE_MANAGE),
            Route("POST", "/api/v1/people/unlink", self._unlink, Permission.PEOPLE_MANAGE),
        )

    async def _held(self, request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        held = await self._desk.reader.held(own_factors.whose(principal))
        due = principal.factor_due
        return json_answer(
            {
                "totp": held.totp,
                "passkeys": [key.name for key in held.passkeys],
                "recovery": held.recovery,
                "linked": held.linked,
                "came_by": principal.method.value,
                "needed_by": None if due is None else due.isoformat(timespec="seconds"),
            }
        )

    async def _begin(self, request: web.Request) -> web.Response:
        await read_body(request, self._watch, _NOTHING)
        session, principal = _session(request), request[PRINCIPAL]
        await own_factors.begin_app(session, principal, self._desk)
        found = await own_factors.enrolling(session, principal, self._us, self._desk)
        return json_answer({"secret": found.text, "uri": found.uri})

    async def _confirm(self, request: web.Request) -> web.Response:
        body = await read_body(request, self._watch, _CODE)
        session, principal = _session(request), request[PRINCIPAL]
        await own_factors.confirm_app(session, text(body, "code"), principal, self._desk)
        return await self._codes(request)

    async def _drop(self, request: web.Request) -> web.Response:
        await own_factors.drop_app(request[PRINCIPAL], self._desk)
        return json_answer({"dropped": True})

    async def _renew(self, request: web.Request) -> web.Response:
        await read_body(request, self._watch, _NOTHING)
        await own_factors.renew_codes(_session(request), request[PRINCIPAL], self._desk)
        return await self._codes(request)

    async def _codes(self, request: web.Request) -> web.Response:
        session = _session(request)
        codes = await own_factors.shown_codes(session, request[PRINCIPAL], self._desk)
        await own_factors.put_codes_away(session, self._desk)
        return json_answer({"added": True, "recovery": list(codes)})

    async def _end_others(self, request: web.Request) -> web.Response:
        await read_body(request, self._watch, _NOTHING)
        return json_answer({"ended": await end_others(_session(request), request[PRINCIPAL], self._desk)})

    async def _link(self, request: web.Request) -> web.Response:
        body = await read_body(request, self._watch, _LOGIN | {"subject"})
        house = self._desk.institution
        login, subject = text(body, "login"), text(body, "subject", longest=255)
        await link(login, subject, request[PRINCIPAL], house, self._desk)
        return json_answer({"linked": True})

    async def _unlink(self, request: web.Request) -> web.Response:
        body = await read_body(request, self._watch, _LOGIN)
        await unlink(text(body, "login"), request[PRINCIPAL], self._desk)
        return json_answer({"unlinked": True})

    async def _reset(self, request: web.Request) -> web.Response:
        body = await read_body(request, self._watch, _LOGIN)
        await reset_factors(text(body, "login"), request[PRINCIPAL], self._desk)
        return json_answer({"reset": True})


def _session(request: web.Request) -> bytes:
    return session_digest(bearer(request) or "", Carrier.BEARER)
