"""Whom a law made this institution tell of a case, and telling all of them that it is over, in one act (E3; SPEC 19.8)."""

from aiohttp import web

from gateway.console.access import Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.case_room import CASE, ONE, CaseFile, CaseRoom
from gateway.console.pages.looks import Looks
from gateway.console.requests import by_of
from gateway.console.words import Words
from gateway.exchange.case_ports import ExchangeEntry
from gateway.exchange.duties import cancel, ended_by, told_of
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission

_TOLD = f"{ONE}/avisos-por-ley"
_STANDS = "told"
DONE = {
    "terminado": N_("Se les dice a todas que terminó. Tienen una hora para retirar lo que publicaron."),
    "ya": N_("Ya no había ningún aviso vigente. No se hizo otra vez."),
}


class DutyPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        route = self._room.route
        return (
            route("GET", _TOLD, self._list, Permission.CASES_READ),
            route("POST", _TOLD, self._end, Permission.REFERRALS_SEND),
        )

    async def _list(self, request: web.Request) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        entries, operations = await notices_of(file, self._room), self._room.operations
        done = DONE.get(request.query.get("hecho", ""))
        return await self._looks.page(
            request,
            "avisos_por_ley.html",
            **await self._room.head(request, file),
            rows=[(await notice_in_words(entry, operations, self._looks, told), entry.opened_at) for entry in entries],
            stands=any(entry.exchange.state == _STANDS for entry in entries),
            done=told.gettext(done) if done else "",
        )

    async def _end(self, request: web.Request) -> web.Response:
        file = request[CASE]
        try:
            await cancel(file.ref, self._node, by=by_of(request))
        except NoSuchWorkError:
            return _back(file, "ya")
        return _back(file, "terminado")


async def notices_of(file: CaseFile, room: CaseRoom) -> list[ExchangeEntry]:
    """Return the duty notices of ours about a case, oldest first."""
    async with room.operations.look() as work:
        return [*await told_of(file.ref, work, room.node)]


async def notice_in_words(entry: ExchangeEntry, operations: Operations, looks: Looks, told: Words) -> str:
    """Return who was told, and how far that got; nothing of whom it is about."""
    ended = ended_by(entry)
    arrived = await operations.work.delivery(entry.peer, ended or entry.key.opening) == "delivered"
    if ended is None:
        said = N_("%(name)s: avisada, y lo recibió") if arrived else N_("%(name)s: aviso en camino")
    elif arrived:
        said = N_("%(name)s: avisada; después se le dijo que terminó")
    else:
        said = N_("%(name)s: avisada; decirle que terminó va en camino")
    return told.gettext(said) % {"name": looks.name(entry.peer)}


def _back(file: CaseFile, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{file.address}/avisos-por-ley?hecho={done}"})
