"""Whom a case must never reach: the rules in force, a new one at once, the end of one when two persons say so (SPEC 17.4)."""

import re
from collections.abc import Mapping

from aiohttp import web

from contracts.ids import Code
from contracts.policy.words import word
from contracts.register import Role
from gateway.console.access import PRINCIPAL, Route
from gateway.console.marking import N_
from gateway.console.pages.case_room import CASE, ONE, CaseFile, CaseRoom
from gateway.console.pages.forms import FORM
from gateway.console.pages.timeline import target_in_words
from gateway.console.requests import by_of
from gateway.exchange.barring import Lifting, bar, unbar
from gateway.people.roles import Permission

_RULES = f"{ONE}/no-llegar"
_COUNTRY = re.compile(r"[a-z]{2}")
REASONS: Mapping[str, str] = {
    "family-asked": N_("Lo pidió la familia"),
    "person-asked": N_("Lo pidió la persona"),
    "aggressor": N_("Puede haber allí quien le haga daño"),
    "protection-need": N_("Necesita protección"),
}
_GROUPS = (Role.FOREIGN_CONSULATE, Role.FOREIGN_SEARCH, Role.FOREIGN_PROSECUTOR, Role.FOREIGN_MEDICOLEGAL, Role.POLICE)
DONE = {
    "puesta": N_("Desde ahora nada de este caso le llega. Lo que ya tenía se ve en «Quién tiene qué»."),
    "espera": N_("Quedó anotado. La regla sigue hasta que otra persona también diga que se levante."),
    "levantada": N_("La regla se levantó. Que la hubo queda anotado."),
    "ya": N_("Esa regla ya no estaba. No se hizo nada."),
}


class WalledPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        route = self._room.route
        return (
            route("GET", _RULES, self._list, Permission.CASES_READ),
            route("POST", _RULES, self._bar, Permission.REQUESTS_ANSWER),
            route("POST", f"{_RULES}/levantar", self._lift, Permission.APPROVE),
        )

    async def _list(self, request: web.Request) -> web.Response:
        return await self._page(request, "")

    async def _page(self, request: web.Request, error: str) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        rules = await self._room.operations.files.rules(file.refs)
        done = DONE.get(request.query.get("hecho", ""))
        return await self._looks.page(
            request,
            "no_llegar.html",
            status=422 if error else 200,
            **await self._room.head(request, file),
            rules=[
                (item["target"], target_in_words(item["target"], told, self._looks.name), item["at"])
                for item in rules
                if item["lifted"] is None
            ],
            nodes=self._nodes(),
            groups=[(role.value, word("role", role, told.lang)) for role in _GROUPS],
            reasons=[(code, told.gettext(label)) for code, label in REASONS.items()],
            filled=request.get(FORM),
            error=error,
            done=told.gettext(done) if done else "",
        )

    def _nodes(self) -> list[tuple[str, str]]:
        others = (str(node) for node in self._node.trust().members if node != self._node.us)
        return sorted(((node, self._looks.name(node)) for node in others), key=lambda pair: pair[1])

    async def _bar(self, request: web.Request) -> web.Response:
        file, form, told = request[CASE], request[FORM], self._looks.words(request)
        target, country = form.text("quien"), form.text("pais").lower()
        known = {node for node, _ in self._nodes()} | {role.value for role in _GROUPS}
        if target and country:
            return await self._page(
                request, told.gettext("Una regla nombra a una sola: deje vacío lo otro, y ponga dos reglas.")
            )
        if _COUNTRY.fullmatch(country):
            target = f"country:{country}"
        elif target not in known:
            return await self._page(
                request, told.gettext("Elija una institución o un grupo, o escriba las dos letras de un país.")
            )
        if form.text("motivo") not in REASONS:
            return await self._page(request, told.gettext("Diga por qué. Se queda en este nodo."))
        async with self._node.begin() as work:
            await bar(file.ref, target, Code(form.text("motivo")), work, self._node, actor=request[PRINCIPAL].actor)
        return _back(file, "puesta")

    async def _lift(self, request: web.Request) -> web.Response:
        file, target = request[CASE], request[FORM].text("quien")
        async with self._node.begin() as work:
            lifting = await unbar((file.ref, *file.refs), target, work, self._node, by=by_of(request))
        return _back(file, {Lifting.NO_RULE: "ya", Lifting.WAITS: "espera", Lifting.LIFTED: "levantada"}[lifting])


def _back(file: CaseFile, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{file.address}/no-llegar?hecho={done}"})
