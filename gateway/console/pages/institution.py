"""Pages for coming in, and confirming, by the ministry's own sign-in.

Who comes back from there comes from another site, and our cookies do not travel with that: a page of ours takes what was
brought and sends it on, as a form, from here.
"""

from collections.abc import Mapping

from aiohttp import web

from gateway.console.access import PRINCIPAL, Face, Open, Route
from gateway.console.marking import N_
from gateway.console.pages.cookies import STEP_COOKIE, keep_step
from gateway.console.pages.entrance import came_in, knock_of, on_to_code, ours, to
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.people.desk import PeopleDesk
from gateway.people.errors import CodeNeededError, ProviderError, ProviderFault, StepOverError
from gateway.people.institution import Returned, begin, come_back
from gateway.people.institution_ports import Institution
from gateway.people.sign_in import Principal

_MEMBERS = ("code", "state", "iss", "error")
_LONGEST = 4096
_WHY: Mapping[ProviderFault, str] = {
    ProviderFault.UNREACHABLE: N_("La entrada de su institución no responde. Entre con su clave, o pruebe más tarde."),
    ProviderFault.DENIED: N_("Su institución no le dejó entrar, o usted lo dejó. Pruebe otra vez, o entre con su clave."),
    ProviderFault.TOKEN: N_("Lo que dijo su institución no se pudo comprobar. No entró nadie. Avise a la administración."),
    ProviderFault.STALE: N_("Su institución no le pidió identificarse ahora. Salga de ella y pruebe otra vez."),
    ProviderFault.WEAK: N_("Su institución le dejó entrar sin la segunda prueba que este nodo pide. Use allí una más fuerte."),
    ProviderFault.UNLINKED: N_(
        "Su cuenta de la institución no está vinculada a ninguna de este nodo. La vincula la administración; "
        "mientras, entre con su clave."
    ),
}


class InstitutionPages:
    """The handlers."""

    def __init__(self, looks: Looks, desk: PeopleDesk) -> None:
        self._looks = looks
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("POST", "/entrar/institucion", self._begin, Open.EVERYBODY, Face.PAGE),
            Route("GET", "/entrar/institucion/vuelta", self._back, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/entrar/institucion/vuelta", self._come_in, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/confirmar/institucion", self._confirm, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    def _house(self) -> Institution:
        if self._desk.institution is None:
            raise web.HTTPNotFound
        return self._desk.institution

    async def _begin(self, request: web.Request) -> web.Response:
        return await self._on(request, None)

    async def _confirm(self, request: web.Request) -> web.Response:
        return await self._on(request, request[PRINCIPAL])

    async def _on(self, request: web.Request, again: Principal | None) -> web.Response:
        house = self._house()
        try:
            begun = await begin(house, ours(request[FORM].text("sigue")), again, self._desk)
        except ProviderError as error:
            return await self._failed(request, error)
        answer = await self._looks.page(request, "institucion.html", address=begun.address, name=house.name)
        keep_step(answer, begun.step)
        return answer

    async def _back(self, request: web.Request) -> web.Response:
        self._house()
        brought = {name: request.query.get(name, "")[:_LONGEST] for name in _MEMBERS}
        return await self._looks.page(request, "institucion_vuelta.html", brought=brought)

    async def _come_in(self, request: web.Request) -> web.Response:
        house, form = self._house(), request[FORM]
        back = Returned(*(form.raw(name)[:_LONGEST] for name in _MEMBERS))
        try:
            found, path = await come_back(house, request.cookies.get(STEP_COOKIE, ""), back, knock_of(request), self._desk)
        except StepOverError:
            return to("/entrar?otra=vez")
        except CodeNeededError as half:
            return on_to_code(half, ours(half.path))
        except ProviderError as error:
            return await self._failed(request, error)
        return came_in(found, ours(path))

    async def _failed(self, request: web.Request, error: ProviderError) -> web.Response:
        why = self._looks.words(request).gettext(_WHY[error.fault])
        status = 502 if error.fault is ProviderFault.UNREACHABLE else error.status
        return await self._looks.page(request, "entrar.html", status=status, next="/", login="", error=why, told="")
