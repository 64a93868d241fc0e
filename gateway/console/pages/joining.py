"""Two reports about one person: the case says in which of the two they are searched for (E2; SPEC 19.6)."""

from aiohttp import web

from contracts.errors import MessageConflictError, NotPermittedError
from contracts.ids import Folio
from gateway.console.access import PRINCIPAL, Route
from gateway.console.eyes import eyes_of
from gateway.console.marking import N_
from gateway.console.pages.case_room import CASE, ONE, CaseFile, CaseRoom
from gateway.console.pages.forms import FORM
from gateway.exchange.referrals import entry_of
from gateway.exchange.same_person import join, part
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission

_SAME = f"{ONE}/misma-persona"
DONE = {
    "unidos": N_("Desde ahora se la busca en el otro expediente. Cada familia, y lo que autorizó, siguen en el suyo."),
    "separados": N_("Quedó dicho que son dos personas. Cada expediente se busca por su lado."),
}


class JoiningPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        route, answer = self._room.route, Permission.REQUESTS_ANSWER
        return (
            route("GET", _SAME, self._show, answer),
            route("POST", _SAME, self._join, answer),
            route("POST", f"{_SAME}/separar", self._part, answer),
        )

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, "")

    async def _page(self, request: web.Request, error: str) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        done = DONE.get(request.query.get("hecho", ""))
        return await self._looks.page(
            request,
            "misma_persona.html",
            status=422 if error else 200,
            **await self._room.head(request, file),
            same_as=file.row["same_as"],
            typed=request[FORM].text("folio") if error else "",
            error=error,
            done=told.gettext(done) if done else "",
        )

    async def _join(self, request: web.Request) -> web.Response:
        file, told, other = request[CASE], self._looks.words(request), request[FORM].text("folio").upper()
        try:
            named = Folio(other)
            eyes = await eyes_of(request, Permission.CASES_READ, self._room.desk)
            if await self._room.operations.work.case_hidden(named, eyes):
                raise NoSuchWorkError("the work of another office")
            async with self._node.begin() as work:
                case, to = await entry_of(str(file.thread), work), await entry_of(named, work)
                await join(case, to, work, self._node, actor=request[PRINCIPAL].actor)
        except (ValueError, NoSuchWorkError):
            return await self._page(request, told.gettext("No hay un expediente con ese folio que usted pueda ver."))
        except NotPermittedError:
            why = told.gettext("Se unen dos reportes distintos, y al que ya estaba: el otro no puede estar unido a un tercero.")
            return await self._page(request, why)
        except MessageConflictError:
            return await self._page(request, told.gettext("Ya está unido a otro expediente, o hay otros unidos a él."))
        return _back(file, "unidos")

    async def _part(self, request: web.Request) -> web.Response:
        file = request[CASE]
        try:
            async with self._node.begin() as work:
                await part(await entry_of(str(file.thread), work), work, self._node, actor=request[PRINCIPAL].actor)
        except NoSuchWorkError:
            pass  # it stands for itself already
        return _back(file, "separados")


def _back(file: CaseFile, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{file.address}/misma-persona?hecho={done}"})
