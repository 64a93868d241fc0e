"""Routes of the private port for the ombudsman's windows: asking for one, reading it, seeing which were opened here (SPEC 21).

A folio and a complaint's number travel in bodies; that somebody read a window is in the log first.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from contracts.codec import parse_object
from contracts.errors import NotPermittedError, SchemaError
from contracts.ids import Folio, MessageId, NodeId
from contracts.messages import AuditRequestBody, CaseWindow
from contracts.register import Role
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.console.eyes import calendar_here
from gateway.console.operations import Operations
from gateway.exchange.departing import Held
from gateway.exchange.desk import addressee
from gateway.exchange.gate import By
from gateway.exchange.oversight import NoSuchWindowError, ask_window, own_window
from gateway.exchange.oversight_ports import WindowEntry
from gateway.people.desk import PeopleDesk
from gateway.people.errors import SignedOutError
from gateway.people.roles import Permission
from gateway.web import Watch

_BODY = 4 * 1024
_SHOWN = 500


class OversightApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/api/v1/audit", self._list, Permission.WINDOWS_READ),
            Route("POST", "/api/v1/audit", self._ask, Permission.WINDOWS_ASK),
            Route("GET", "/api/v1/audit/{message_id}", self._show, Permission.WINDOWS_READ),
            Route("GET", "/api/v1/oversight", self._opened, Permission.OVERSIGHT_READ),
        )

    async def _list(self, _request: web.Request) -> web.Response:
        return json_answer({"windows": await self._entries(ours=True)})

    async def _opened(self, request: web.Request) -> web.Response:
        await self._desk.record("audit.read windows", actor=request[PRINCIPAL].actor)  # first: nobody reads it unseen
        return json_answer({"windows": await self._entries(ours=False)})

    async def _entries(self, *, ours: bool) -> list[dict[str, Any]]:
        async with self._looking.begin() as work:
            return [_entry(entry) for entry in await work.windows.all(ours=ours, limit=_SHOWN)]

    async def _ask(self, request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        if principal.person_id is None:
            raise SignedOutError
        folio, complaint, to = self._wanted(await self._body(request))
        by = By(str(principal.person_id), principal.actor)
        calendar = await calendar_here(request, Permission.WINDOWS_ASK, self._desk)
        try:
            found = await ask_window(folio, complaint, to, self._node, by=by, calendar=calendar)
        except NotPermittedError as error:
            title, advice = "No está permitido.", "Sólo la PDH pregunta así, por una queja, a una institución del país."
            return problem(403, error.code.value, title, advice)
        held = isinstance(found, Held)
        return json_answer({"id": str(found.id if isinstance(found, Held) else found), "state": "held" if held else "asked"})

    def _wanted(self, body: Mapping[str, Any]) -> tuple[Folio, str, NodeId]:
        try:
            if not {"folio", "complaint"} <= set(body) <= {"folio", "complaint", "to"}:
                raise ValueError("fields")
            asked = AuditRequestBody(folio=Folio(body["folio"]), complaint=body["complaint"])
            to = NodeId(body["to"]) if "to" in body else self._mechanism()
        except (TypeError, ValueError):
            raise SchemaError(
                "hacen falta folio (MBMID-2026-000123), complaint (el número de la queja) y, si se quiere, to"
            ) from None
        return Folio(body["folio"]), str(asked.complaint), to

    def _mechanism(self) -> NodeId:
        return addressee(self._node.trust(), Role.SEARCH_MECHANISM, self._node.clock.now())

    async def _show(self, request: web.Request) -> web.Response:
        try:
            message_id = MessageId(request.match_info["message_id"])
            await self._desk.record(
                f"window.read {message_id}", actor=request[PRINCIPAL].actor
            )  # first: nobody reads it unseen
            found = await own_window(message_id, self._node)
        except (ValueError, NoSuchWindowError):
            return problem(404, "not-found", "No se pidió ninguna ventana con ese identificador.", NoSuchWindowError.advice)
        window = None if found.window is None else _window(found.window)
        return json_answer(_entry(found.entry) | {"window": window})

    async def _body(self, request: web.Request) -> dict[str, Any]:
        data = await request.content.read(_BODY + 1)
        self._watch.body_read(request)
        return parse_object(data or b"{}", limit=_BODY, depth=2)


def _entry(entry: WindowEntry) -> dict[str, Any]:
    return {
        "id": str(entry.message_id),
        "node": str(entry.peer),
        "folio": str(entry.folio),
        "complaint": entry.complaint,
        "asked": entry.at.isoformat(timespec="seconds"),
        "result": entry.result or "waiting",
    }


def _window(window: CaseWindow) -> dict[str, Any]:
    return window.model_dump(mode="json", by_alias=True, exclude_none=True)
