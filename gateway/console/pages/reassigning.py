"""Passing work on: to a person of the office, or to another office. The head of the office does it, and why is kept."""

from typing import Any

from aiohttp import web

from contracts.ids import Code, MessageId
from gateway.console.access import Face, Route
from gateway.console.eyes import eyes_at, may_pass_on, open_offices
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.history import MOVES
from gateway.console.pages.inbox import PAGES
from gateway.console.pages.looks import Looks
from gateway.console.staff import office_in_words, takers, worker_of
from gateway.console.whose import worker
from gateway.console.work_words import KINDS
from gateway.exchange.folios import folio
from gateway.exchange.work import NoSuchWorkError, WorkTakenError, give_work, move_work
from gateway.people.desk import PeopleDesk
from gateway.people.ports import Listed
from gateway.people.roles import Permission

_PATH = "/bandeja/{message_id}/reasignar"


class ReassigningPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", _PATH, self._show, Permission.WORK_MOVE, Face.PAGE),
            Route("POST", _PATH, self._move, Permission.WORK_MOVE, Face.PAGE),
        )

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, Form({}), "")

    async def _page(self, request: web.Request, form: Form, error: str) -> web.Response:
        told, item = self._looks.words(request), await self._item(request)
        offices = await open_offices(self._desk)
        people = await self._people(request, item)
        return await self._looks.page(
            request,
            "reasignar.html",
            status=422 if error else 200,
            folio=folio(item["machine"], item["id"]),
            kind=told.gettext(KINDS[item["machine"]]) if item["machine"] in KINDS else item["machine"],
            peer=self._looks.name(item["peer"]),
            held_by=item["has_it_name"] or "",
            office=office_in_words(item["office"], offices, told),
            people=[(str(found.person.login), found.person.name) for found in people],
            offices=[(str(office.code), office_in_words(office.code, offices, told)) for office in offices],
            reasons=[(code, told.gettext(label)) for code, label in MOVES.items()],
            address=_address(item),
            opening=item["id"],
            form=form,
            error=error,
        )

    async def _item(self, request: web.Request) -> dict[str, Any]:
        eyes = eyes_at(request, Permission.WORK_MOVE, await open_offices(self._desk))
        item = await self._operations.work.one(_opening(request), eyes)
        if item is None or not may_pass_on(request, item):
            raise NoSuchWorkError("no such work, or it is over")
        return item

    async def _people(self, request: web.Request, item: dict[str, Any]) -> list[Listed]:
        by = await worker(request, Permission.WORK_MOVE, self._desk)
        return await takers(item["office"], by, self._desk)

    async def _move(self, request: web.Request) -> web.Response:
        told, form, item = self._looks.words(request), request[FORM], await self._item(request)
        to, reason = form.text("a"), form.text("motivo")
        sort, _, name = to.partition(":")
        people = {str(found.person.login): found for found in await self._people(request, item)}
        known = {str(office.code) for office in await open_offices(self._desk)}
        if (sort, name in people, name in known) not in {("persona", True, name in known), ("oficina", name in people, True)}:
            return await self._page(request, form, told.gettext("Elija a qué persona o a qué oficina."))
        if reason not in MOVES:
            return await self._page(request, form, told.gettext("Elija un motivo. Se queda en este nodo."))
        by, opening = await worker(request, Permission.WORK_MOVE, self._desk), MessageId(item["id"])
        try:
            if sort == "persona":
                other = await worker_of(people[name], self._desk)
                await give_work(opening, other, self._operations.node, by=by, reason=Code(reason))
            else:
                await move_work(opening, Code(name), self._operations.node, by=by, reason=Code(reason))
        except WorkTakenError:
            raise NoSuchWorkError("it is over") from None
        stays = sort == "persona" or Code(name) in by.offices
        where = f"{_address(item)}?hecho=reasignada" if stays and item["machine"] in PAGES else "/bandeja?hecho=reasignada"
        return web.Response(status=303, headers={"Location": where})


def _address(item: dict[str, Any]) -> str:
    return f"{PAGES[item['machine']]}{item['id']}" if item["machine"] in PAGES else "/bandeja"


def _opening(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise NoSuchWorkError("no id") from None
