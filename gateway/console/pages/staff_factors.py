"""What somebody has beside a password, as whoever administers accounts sees it: that it is there, never what it is."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.people.accounts import reset_factors
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, NotAllowedError, PeopleError, TakenError
from gateway.people.institution import link, unlink
from gateway.people.ports import Listed
from gateway.people.roles import Permission

DONE = {
    "sin-prueba": N_("Su segunda prueba está retirada y sus sesiones terminaron: entrará con su clave y añadirá otra."),
    "vinculada": N_("Desde ahora puede entrar por su institución. Sus sesiones terminaron."),
    "desvinculada": N_("Ya no puede entrar por su institución. Sus sesiones terminaron."),
}
_WHY: tuple[tuple[type[PeopleError], str], ...] = (
    (NotAllowedError, N_("Nadie decide sobre su propia cuenta. Pídaselo a otra persona que administre el nodo.")),
    (TakenError, N_("Ya estaba así, o ese identificador es de otra persona. No se hizo nada.")),
    (InvalidError, N_("Eso no es un identificador de su institución. Cópielo como ella lo da; hasta 255 caracteres.")),
)
Find = Callable[[web.Request], Awaitable[Listed]]
Show = Callable[[web.Request, str, int], Awaitable[web.Response]]


class StaffFactors:
    """The handlers. `find` gives the person a page is about; `show` that page, with what is wrong."""

    def __init__(self, looks: Looks, desk: PeopleDesk, find: Find, show: Show) -> None:
        self._looks = looks
        self._desk = desk
        self._find = find
        self._show = show

    def routes(self, one: str) -> tuple[Route, ...]:
        """Return every route with what it needs, below a person's address."""
        manage = Permission.PEOPLE_MANAGE
        return (
            Route("POST", f"{one}/retirar-prueba", self._reset, manage, Face.PAGE),
            Route("POST", f"{one}/vincular", self._link, manage, Face.PAGE),
            Route("POST", f"{one}/desvincular", self._unlink, manage, Face.PAGE),
        )

    async def _reset(self, request: web.Request) -> web.Response:
        item = await self._find(request)
        return await self._done(request, item, "sin-prueba", reset_factors(item.person.login, request[PRINCIPAL], self._desk))

    async def _link(self, request: web.Request) -> web.Response:
        item, subject = await self._find(request), request[FORM].text("identificador")
        act = link(item.person.login, subject, request[PRINCIPAL], self._desk.institution, self._desk)
        return await self._done(request, item, "vinculada", act)

    async def _unlink(self, request: web.Request) -> web.Response:
        item = await self._find(request)
        return await self._done(request, item, "desvinculada", unlink(item.person.login, request[PRINCIPAL], self._desk))

    async def _done(self, request: web.Request, item: Listed, done: str, act: Awaitable[None]) -> web.Response:
        try:
            await act
        except (NotAllowedError, TakenError, InvalidError) as error:
            told = self._looks.words(request)
            why = next(text for kind, text in _WHY if isinstance(error, kind))
            return await self._show(request, told.gettext(why), error.status)
        path = f"/administracion/personas/{item.person.person_id}?hecho={done}"
        return web.Response(status=303, headers={"Location": path})
