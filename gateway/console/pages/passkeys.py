"""Pages for passkeys: one's own, coming in with one, confirming with one who one is. These alone need JavaScript."""

from aiohttp import web

from gateway.console.access import PRINCIPAL, Face, Open, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.cookies import STEP_COOKIE, keep_session, keep_step, session_of
from gateway.console.pages.entrance import after, came_in, knock_of, ours, to
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.people import passkeys
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, PasskeyError, StepOverError
from gateway.people.own_factors import shown_codes

_REFUSED = N_("Esa llave no sirvió: no es de esta cuenta o de este sitio, o tardó demasiado. No se hizo nada; pruebe otra vez.")


class PasskeyPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/entrar/llave", self._door, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/entrar/llave", self._knock, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/entrar/llave/respuesta", self._come_in, Open.EVERYBODY, Face.PAGE),
            Route("GET", "/confirmar/llave", self._confirmation, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/confirmar/llave", self._begin_confirm, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/confirmar/llave/respuesta", self._confirm, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("GET", "/cuenta/llaves", self._new, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/llaves", self._begin, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/llaves/respuesta", self._add, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/llaves/quitar", self._drop, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    # -- coming in -----------------------------------------------------------------------------------------------------

    async def _knock(self, request: web.Request) -> web.Response:
        answer = _on("/entrar/llave", request[FORM].text("sigue"))
        keep_step(answer, await passkeys.begin_knock(self._desk))
        return answer

    async def _door(self, request: web.Request) -> web.Response:
        try:
            options = await passkeys.knocking(request.cookies.get(STEP_COOKIE, ""), self._desk)
        except StepOverError:
            return to("/entrar?otra=vez")
        return await self._page(request, "get", "/entrar/llave", options, after(request))

    async def _come_in(self, request: web.Request) -> web.Response:
        form, step = request[FORM], request.cookies.get(STEP_COOKIE, "")
        try:
            found = await passkeys.come_in(step, form.raw("respuesta"), knock_of(request), self._desk)
        except StepOverError:
            return to("/entrar?otra=vez")
        except PasskeyError as error:
            return await self._again(request, "get", "/entrar/llave", ours(form.text("sigue")), error.status)
        return came_in(found, ours(form.text("sigue")))

    # -- confirming ----------------------------------------------------------------------------------------------------

    async def _begin_confirm(self, request: web.Request) -> web.Response:
        await passkeys.begin_confirm(session_of(request), request[PRINCIPAL], self._desk)
        return _on("/confirmar/llave", request[FORM].text("sigue"))

    async def _confirmation(self, request: web.Request) -> web.Response:
        options = await passkeys.confirming(session_of(request), request[PRINCIPAL], self._desk)
        return await self._page(request, "get", "/confirmar/llave", options, after(request))

    async def _confirm(self, request: web.Request) -> web.Response:
        form, principal = request[FORM], request[PRINCIPAL]
        try:
            found = await passkeys.confirm(session_of(request), form.raw("respuesta"), principal, knock_of(request), self._desk)
        except PasskeyError:
            return await self._again(request, "get", "/confirmar/llave", ours(form.text("sigue")), 422)
        answer = to(ours(form.text("sigue")))
        keep_session(answer, found)
        return answer

    # -- one's own -----------------------------------------------------------------------------------------------------

    async def _begin(self, request: web.Request) -> web.Response:
        await passkeys.begin_passkey(session_of(request), request[PRINCIPAL], self._desk)
        return to("/cuenta/llaves")

    async def _new(self, request: web.Request) -> web.Response:
        options = await self._registering(request)
        return await self._page(request, "create", "/cuenta/llaves", options, "/cuenta")

    async def _registering(self, request: web.Request) -> str:
        institution = self._looks.name(self._operations.node.us)
        return await passkeys.registering(session_of(request), request[PRINCIPAL], institution, self._desk)

    async def _add(self, request: web.Request) -> web.Response:
        form, session, told = request[FORM], session_of(request), self._looks.words(request)
        try:
            await passkeys.add_passkey(session, form.raw("respuesta"), form.text("nombre"), request[PRINCIPAL], self._desk)
        except PasskeyError:
            return await self._again(request, "create", "/cuenta/llaves", "/cuenta", 422)
        except InvalidError:
            options = await self._registering(request)
            why = told.gettext("Falta cómo llama a la llave, en una línea de hasta 60 letras.")
            return await self._page(request, "create", "/cuenta/llaves", options, "/cuenta", error=why, status=422)
        if await shown_codes(session, request[PRINCIPAL], self._desk):
            return to("/cuenta/recuperacion")
        return to("/cuenta?hecho=llave")

    async def _drop(self, request: web.Request) -> web.Response:
        await passkeys.drop_passkey(request[FORM].text("llave"), request[PRINCIPAL], self._desk)
        return to("/cuenta?hecho=sin-llave")

    async def _again(self, request: web.Request, act: str, address: str, path: str, status: int) -> web.Response:
        why = self._looks.words(request).gettext(_REFUSED)
        return await self._page(request, act, address, "", path, error=why, status=status)

    async def _page(
        self, request: web.Request, act: str, address: str, options: str, path: str, *, error: str = "", status: int = 200
    ) -> web.Response:
        site = self._desk.site
        return await self._looks.page(
            request,
            "llave.html",
            status=status,
            act=act,
            address=address,
            options=options,
            next=path,
            error=error,
            elsewhere="" if request.host == site.host else site.origin,
        )


def _on(path: str, after_that: str) -> web.Response:
    further = ours(after_that)
    return to(path if further == "/" else f"{path}?sigue={further}")
