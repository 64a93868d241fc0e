"""Routes of the private port about a case as a whole: which it shares a person with, whom it must never reach, who was told."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from contracts.errors import MessageConflictError, NotPermittedError
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer
from gateway.console.eyes import eyes_of
from gateway.console.operations import Operations
from gateway.console.requests import by_of
from gateway.exchange import duties
from gateway.exchange.barring import Lifting, bar, unbar
from gateway.exchange.case_ports import ExchangeEntry
from gateway.exchange.consenting import known_case
from gateway.exchange.leaving import Held
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.referrals import case_of, entry_of
from gateway.exchange.same_person import join, part
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, TakenError, UnknownError
from gateway.people.roles import Permission
from gateway.web import Watch

_Handler = Callable[[web.Request], Awaitable[web.Response]]


class CaseworkApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._node = operations.node
        self._work = operations.work
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        case = "/api/v1/cases/{case}"
        same, never, duty = f"{case}/same-person", f"{case}/never-to", f"{case}/duties"
        answer, send = Permission.REQUESTS_ANSWER, Permission.REFERRALS_SEND
        return (
            self._route("POST", same, self._join, answer),
            self._route("DELETE", same, self._part, answer),
            self._route("GET", never, self._barred, Permission.CASES_READ),
            self._route("POST", never, self._bar, answer),
            self._route("POST", f"{never}/lift", self._lift, Permission.APPROVE),
            self._route("GET", duty, self._duties, Permission.WORK_READ),
            self._route("POST", duty, self._notify, send),
            self._route("POST", f"{duty}/cancel", self._cancel, send),
        )

    def _route(self, method: str, path: str, handler: _Handler, permission: Permission) -> Route:
        """Return a route for those who may see the case: of another office's nobody is told that it is there."""

        async def seen(request: web.Request) -> web.Response:
            eyes = await eyes_of(request, permission, self._desk)
            if await self._work.case_hidden(request.match_info["case"], eyes):
                raise NoSuchWorkError("the work of another office")
            return await handler(request)

        return Route(method, path, _told(seen), permission)

    # -- one person, two reports -----------------------------------------------------------------------------------------

    async def _join(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"as"})
        async with self._node.begin() as work:
            case, to = await entry_of(request.match_info["case"], work), await entry_of(given.text(body, "as"), work)
            try:
                await join(case, to, work, self._node, actor=request[PRINCIPAL].actor)
            except NotPermittedError:
                advice = "Se unen dos reportes distintos; el segundo, al que ya estaba y no está unido a otro."
                raise InvalidError("Esos dos no se unen.", advice=advice) from None
        return json_answer({"case": str(case.folio or case.thread_id), "same_as": str(to.folio or to.thread_id)})

    async def _part(self, request: web.Request) -> web.Response:
        async with self._node.begin() as work:
            case = await entry_of(request.match_info["case"], work)
            await part(case, work, self._node, actor=request[PRINCIPAL].actor)
        return json_answer({"case": str(case.folio or case.thread_id), "same_as": None})

    # -- whom it must never reach ----------------------------------------------------------------------------------------

    async def _barred(self, request: web.Request) -> web.Response:
        async with self._node.begin() as work:
            return await self._told_of(await case_of(request.match_info["case"], work), work)

    async def _bar(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"target", "reason"})
        target, reason = given.text(body, "target"), given.code(body, "reason")
        async with self._node.begin() as work:
            case_ref = await case_of(request.match_info["case"], work)
            try:
                await bar(case_ref, target, reason, work, self._node, actor=request[PRINCIPAL].actor)
            except NotPermittedError:
                advice = "Un nodo de la red, un papel (foreign-consulate) o country:ve."
                raise InvalidError("target no es ni nodo, ni papel, ni país.", advice=advice) from None
            return await self._told_of(case_ref, work)

    async def _lift(self, request: web.Request) -> web.Response:
        target = given.text(await self._body(request, {"target"}), "target")
        async with self._node.begin() as work:
            case_ref = await case_of(request.match_info["case"], work)
            refs = await known_case(request.match_info["case"], work)
            lifting = await unbar((case_ref, *refs), target, work, self._node, by=by_of(request))
            if lifting is Lifting.NO_RULE:
                raise NoSuchWorkError("no such rule")
            return await self._told_of(case_ref, work, waits=lifting is Lifting.WAITS)

    async def _told_of(self, case_ref: str, work: UnitOfWork, *, waits: bool = False) -> web.Response:
        found = (await work.holds.never_to([case_ref])).get(case_ref, frozenset())
        return json_answer({"never_to": sorted(found), **({"state": "waits-second"} if waits else {})})

    # -- duties ----------------------------------------------------------------------------------------------------------

    async def _duties(self, request: web.Request) -> web.Response:
        async with self._node.begin() as work:
            case_ref = await case_of(request.match_info["case"], work)
            entries = await duties.told_of(case_ref, work, self._node)
        return json_answer({"duties": [await self._duty(entry) for entry in entries]})

    async def _duty(self, entry: ExchangeEntry) -> dict[str, Any]:
        ended = duties.ended_by(entry)
        return {
            "notice": str(entry.key.opening),
            "to": str(entry.peer),
            "state": entry.exchange.state,
            "delivery": await self._work.delivery(entry.peer, entry.key.opening),
            "cancel": None if ended is None else str(ended),
            "cancel_delivery": None if ended is None else await self._work.delivery(entry.peer, ended),
        }

    async def _notify(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"to", "duty", "purpose", "basis", "age_known", "records"})
        records = given.records(body)
        if not records or not isinstance(body["age_known"], bool):
            raise InvalidError("Un aviso lleva un registro al menos, y age_known es true o false.")
        async with self._node.begin() as work:
            case_ref = await case_of(request.match_info["case"], work)
        duty = duties.Duty(
            to=given.node_id(body, "to"),
            case_ref=case_ref,
            duty=given.code(body, "duty"),
            purpose=given.code(body, "purpose"),
            basis=given.code(body, "basis"),
            age_known=body["age_known"],
            records=records,
        )
        left = await duties.notify(duty, self._node, by=by_of(request))
        if isinstance(left, Held):
            return json_answer({"state": "held", "held": str(left.id), "waits": list(left.waits), "content": left.content})
        return json_answer({"state": "queued", "message_id": str(left.message.message_id)})

    async def _cancel(self, request: web.Request) -> web.Response:
        async with self._node.begin() as work:
            case_ref = await case_of(request.match_info["case"], work)
        sent = await duties.cancel(case_ref, self._node, by=by_of(request))
        return json_answer({"messages": [str(item) for item in sent]})

    async def _body(self, request: web.Request, needed: set[str]) -> dict[str, Any]:
        return await given.read_body(request, self._watch, frozenset(needed))


def _told(handler: _Handler) -> _Handler:
    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except NoSuchWorkError:
            raise UnknownError("No hay un caso así aquí.", advice="Dé su folio, o un hilo de `paradero case list`.") from None
        except MessageConflictError:
            raise TakenError("Ese caso ya está unido a otro.", advice="`paradero case list` dice a cuál.") from None

    return told
