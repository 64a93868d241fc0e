"""One's own account: password, second factor, recovery codes, sessions. What is delicate asks first who one is."""

from aiohttp import web

from contracts.ids import NodeId
from gateway.console.access import PRINCIPAL, Face, Open, Route
from gateway.console.marking import N_
from gateway.console.pages.cookies import forget_session, session_of
from gateway.console.pages.entrance import Entrance, UnlikeError, to
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.staff import post_in_words
from gateway.people.accounts import SHORTEST, change_password
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, WrongCodeError, WrongCredentialsError
from gateway.people.factor_ports import Method
from gateway.people.own_factors import (
    begin_app,
    confirm_app,
    drop_app,
    enrolling,
    put_codes_away,
    renew_codes,
    shown_codes,
    whose,
)
from gateway.people.passkeys import handle_of
from gateway.people.sign_in import end_others, going_on

METHODS = {
    Method.PASSWORD: N_("con clave"),
    Method.CODE: N_("con clave y código"),
    Method.RECOVERY: N_("con un código de recuperación"),
    Method.PASSKEY: N_("con llave de acceso"),
    Method.PROVIDER: N_("por su institución"),
    Method.ASSURED: N_("por su institución"),
}
DONE = {
    "codigo": N_("Desde ahora se entra con la clave y un código de su aplicación. Sus otras sesiones terminaron."),
    "sin-codigo": N_("La aplicación de códigos ya no sirve para entrar."),
    "llave": N_("La llave de acceso está añadida. Sus otras sesiones terminaron."),
    "sin-llave": N_("Esa llave de acceso ya no sirve para entrar."),
    "sesiones": N_("Sus otras sesiones terminaron."),
    "guardados": N_("Los códigos de recuperación ya no se muestran. Los que anotó sirven, una vez cada uno."),
}


class AccountPages:
    """The handlers."""

    def __init__(self, looks: Looks, desk: PeopleDesk, us: NodeId, entrance: Entrance) -> None:
        self._looks = looks
        self._desk = desk
        self._us = us
        self._entrance = entrance

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/cuenta", self._account, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/clave", self._password, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("GET", "/cuenta/codigo", self._app, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/codigo", self._begin, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/codigo/confirmar", self._confirm, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/codigo/quitar", self._drop, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("GET", "/cuenta/recuperacion", self._codes, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/recuperacion", self._renew, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/recuperacion/guardados", self._put_away, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/cuenta/sesiones", self._end_others, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/sesion", self._go_on, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    async def _account(self, request: web.Request) -> web.Response:
        return await self._page(request, "", 200)

    async def _page(self, request: web.Request, error: str, status: int) -> web.Response:
        principal, told, offices = request[PRINCIPAL], self._looks.words(request), await self._desk.reader.offices()
        posts = sorted(post_in_words(post, offices, told) for post in principal.posts)
        own = session_of(request)
        sessions = [
            {
                "here": item.digest == own,
                "since": item.created_at,
                "used": item.used_at,
                "where": told.gettext("en un navegador") if item.pages else told.gettext("en la línea de órdenes"),
                "how": told.gettext(METHODS[item.method]),
            }
            for item in await self._desk.reader.sessions(whose(principal))
            if going_on(item, self._desk)
        ]
        return await self._looks.page(
            request,
            "cuenta.html",
            status=status,
            principal=principal,
            posts=posts,
            shortest=SHORTEST,
            handle_of=handle_of,
            held=await self._desk.reader.held(whose(principal)),
            recovered=principal.method is Method.RECOVERY,
            sessions=sessions,
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            error=error,
        )

    async def _password(self, request: web.Request) -> web.Response:
        form = request[FORM]
        try:
            if form.raw("clave") != form.raw("otra-vez"):
                raise UnlikeError
            await change_password(form.raw("actual"), form.raw("clave"), request[PRINCIPAL], self._desk)
        except InvalidError as error:
            return await self._page(request, self._entrance.why(error, request), error.status)
        except WrongCredentialsError:
            answer = to("/entrar?no-era=si")  # whoever holds the session gets one guess; it has ended
            forget_session(answer)
            return answer
        answer = to("/entrar?cambiada=si")
        forget_session(answer)
        return answer

    # -- an authenticator app ------------------------------------------------------------------------------------------

    async def _begin(self, request: web.Request) -> web.Response:
        await begin_app(session_of(request), request[PRINCIPAL], self._desk)
        return to("/cuenta/codigo")

    async def _app(self, request: web.Request) -> web.Response:
        return await self._app_page(request, "", 200)

    async def _app_page(self, request: web.Request, error: str, status: int) -> web.Response:
        found = await enrolling(session_of(request), request[PRINCIPAL], self._us, self._desk)
        picture = _picture(found.uri)
        return await self._looks.page(request, "codigo_nuevo.html", status=status, found=found, picture=picture, error=error)

    async def _confirm(self, request: web.Request) -> web.Response:
        try:
            await confirm_app(session_of(request), request[FORM].raw("codigo"), request[PRINCIPAL], self._desk)
        except WrongCodeError:
            why = self._looks.words(request).gettext(
                "Ese código no es. Compruebe que el reloj del teléfono esté en hora, y escriba el que se ve ahora."
            )
            return await self._app_page(request, why, 422)
        codes = await shown_codes(session_of(request), request[PRINCIPAL], self._desk)
        return to("/cuenta/recuperacion" if codes else "/cuenta?hecho=codigo")

    async def _drop(self, request: web.Request) -> web.Response:
        await drop_app(request[PRINCIPAL], self._desk)
        return to("/cuenta?hecho=sin-codigo")

    # -- recovery codes ------------------------------------------------------------------------------------------------

    async def _renew(self, request: web.Request) -> web.Response:
        await renew_codes(session_of(request), request[PRINCIPAL], self._desk)
        return to("/cuenta/recuperacion")

    async def _codes(self, request: web.Request) -> web.Response:
        codes = await shown_codes(session_of(request), request[PRINCIPAL], self._desk)
        return await self._looks.page(request, "recuperacion.html", codes=codes)

    async def _put_away(self, request: web.Request) -> web.Response:
        await put_codes_away(session_of(request), self._desk)
        return to("/cuenta?hecho=guardados")

    # -- sessions ------------------------------------------------------------------------------------------------------

    async def _end_others(self, request: web.Request) -> web.Response:
        await end_others(session_of(request), request[PRINCIPAL], self._desk)
        return to("/cuenta?hecho=sesiones")

    async def _go_on(self, request: web.Request) -> web.Response:
        # Whatever is asked of the node is use of the session: this does nothing but ask.
        return await self._looks.page(request, "sesion.html")


def _picture(uri: str) -> str:
    # Only who adds an app needs the library.
    import segno  # noqa: PLC0415 - see above

    return str(segno.make(uri, error="m").svg_inline(scale=5, border=4, dark="#000", light="#fff", omitsize=False))
