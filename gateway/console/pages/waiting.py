"""What waits before it leaves: free texts to read, second approvals, and dropping what should not go."""

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.errors import MessageConflictError
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_of, of_ones_own
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.answering import AnswerPages, departure_of, waits_in_words
from gateway.console.pages.cookies import keep_session
from gateway.console.pages.entrance import unsigned
from gateway.console.pages.forms import FORM
from gateway.console.pages.letters import letters_of
from gateway.console.pages.looks import Looks
from gateway.console.requests import by_of
from gateway.console.words import Words
from gateway.exchange.case_ports import HoldState
from gateway.exchange.departing import NoSuchDepartureError, text_of
from gateway.exchange.folios import folio
from gateway.exchange.ports.departures import DepartureState
from gateway.exchange.releasing import approve, drop, open_parcel, release_text
from gateway.people.desk import PeopleDesk
from gateway.people.errors import CodeNeededError, WaitError, WrongCredentialsError
from gateway.people.roles import Permission
from gateway.people.sign_in import is_fresh
from gateway.web import Handler

_ONE = "/espera/{departure}"
DONE = {
    "aprobada": N_("Su aprobación quedó puesta."),
    "soltada": N_("El texto puede salir."),
    "descartada": N_("Se descartó. No salió nada."),
    "ya": N_("Eso ya no espera: salió, se descartó, o alguien decidió antes. No se hizo nada más."),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line of the list."""

    address: str
    folio: str
    peer: str
    kind: str
    waits: tuple[str, ...]
    leaves_at: str | None
    mine: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A free text that somebody must read."""

    place: str
    state: str
    text: str


class WaitingPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, answers: AnswerPages) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._answers = answers

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, approves = Permission.REQUESTS_READ, Permission.APPROVE
        return (
            Route("GET", "/espera", self._list, read, Face.PAGE),
            Route("GET", _ONE, self._ours(self._show, read), read, Face.PAGE),
            Route("POST", f"{_ONE}/aprobar", self._ours(self._approve, approves), approves, Face.PAGE),
            Route("POST", f"{_ONE}/soltar", self._ours(self._release, approves), approves, Face.PAGE),
            Route("POST", f"{_ONE}/descartar", self._ours(self._drop, approves), approves, Face.PAGE),
        )

    def _ours(self, handler: Handler, permission: Permission) -> Handler:
        return of_ones_own(handler, _named, permission, self._operations.models, self._desk)

    async def _list(self, request: web.Request) -> web.Response:
        told, actor = self._looks.words(request), str(request[PRINCIPAL].actor)
        eyes = await eyes_of(request, Permission.REQUESTS_READ, self._desk)
        rows = [self._row(item, actor, told) for item in await self._operations.models.departures(eyes, actor=actor)]
        done = told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else ""
        return await self._looks.page(request, "espera.html", rows=rows, done=done)

    def _row(self, item: dict[str, Any], actor: str, told: Words) -> Waiting:
        machine = "search" if item["kind"].startswith("search.") else item["kind"].split(".")[0]
        return Waiting(
            address=f"/espera/{item['id']}",
            folio=folio(machine, item["in_reply_to"] or item["id"]),
            peer=self._looks.name(item["peer"]),
            kind=item["kind"],
            waits=tuple(waits_in_words(tuple(item["waits"]), told)),
            leaves_at=item["leaves_at"],
            mine=item["drafted_by"] == actor,
        )

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, "", 200)

    async def _page(self, request: web.Request, error: str, status: int) -> web.Response:
        departure_id, by, told = (
            departure_of(request.match_info["departure"]),
            by_of(request),
            self._looks.words(request),
        )
        await self._desk.record(f"held.open {departure_id}", actor=by.actor)  # first: nobody reads it unseen
        departure, parcel, held = await open_parcel(departure_id, self._node)
        if departure.state is not DepartureState.WAITING:
            raise NoSuchDepartureError("it was shown to one person, who has not signed")
        texts = [Text(item.place, item.state.value, await text_of(item, departure_id, self._node)) for item in held]
        mine = departure.drafted_by == by.person
        return await self._looks.page(
            request,
            "espera_una.html",
            status=status,
            departure=departure,
            letters=letters_of(parcel.payloads, self._node, told),
            peer=self._looks.name(departure.peer),
            waits=waits_in_words(departure.waits, told),
            texts=[text for text in texts if text.state == HoldState.HELD.value],
            second="wall:two-persons" in departure.waits and not mine,
            own="wall:two-persons" in departure.waits and mine,
            acts=request[PRINCIPAL].may(Permission.APPROVE),
            fresh=is_fresh(request[PRINCIPAL], self._desk),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            error=error,
        )

    async def _approve(self, request: web.Request) -> web.Response:
        departure_id, told = departure_of(request.match_info["departure"]), self._looks.words(request)
        if not await self._waits(departure_id):
            return _after(None, "ya")
        try:
            renewed = await self._answers.renewed(request)
        except (WrongCredentialsError, CodeNeededError, WaitError) as error:
            why = told.gettext("La clave o el código no son. No se aprobó nada: escríbalos otra vez.")
            return await self._page(request, why, unsigned(error))
        try:
            await approve(departure_id, request[FORM].raw("contenido"), self._node, by=by_of(request))
        except MessageConflictError:
            why = told.gettext("Lo que espera ya no es lo que usted miró. Mírelo otra vez antes de aprobar.")
            return await self._page(request, why, 409)
        answer = _after(departure_id if await self._waits(departure_id) else None, "aprobada")
        if renewed is not None:
            keep_session(answer, renewed)
        return answer

    async def _release(self, request: web.Request) -> web.Response:
        departure_id, told = departure_of(request.match_info["departure"]), self._looks.words(request)
        places = request[FORM].every("texto")
        if not await self._waits(departure_id):
            return _after(None, "ya")
        if not places:
            return await self._page(request, told.gettext("Marque el texto que leyó y puede salir."), 422)
        try:
            await release_text(departure_id, places, self._node, by=by_of(request))
        except NoSuchDepartureError:
            return _after(departure_id, "ya")
        return _after(departure_id if await self._waits(departure_id) else None, "soltada")

    async def _drop(self, request: web.Request) -> web.Response:
        departure_id = departure_of(request.match_info["departure"])
        if not await self._waits(departure_id):
            return _after(None, "ya")
        await drop(departure_id, self._node, by=by_of(request))
        return _after(None, "descartada")

    async def _waits(self, departure_id: str) -> bool:
        return await self._operations.models.departure(departure_id) is not None


def _after(departure_id: str | None, done: str) -> web.Response:
    path = "/espera" if departure_id is None else f"/espera/{departure_id}"
    return web.Response(status=303, headers={"Location": f"{path}?hecho={done}"})


def _named(request: web.Request) -> str:
    return departure_of(request.match_info["departure"])
