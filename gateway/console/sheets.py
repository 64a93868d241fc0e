"""Routes of the private port about search sheets: which there are, how each stands, taking one back."""

from typing import Any

from aiohttp import web

from contracts.ids import Code
from gateway.console import given
from gateway.console.access import Route
from gateway.console.answers import json_answer
from gateway.console.operations import Operations
from gateway.console.whose import worker
from gateway.exchange import sheets
from gateway.exchange.folios import folio_of
from gateway.exchange.sheet_ports import Sheet, SheetId
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, UnknownError
from gateway.people.roles import Permission
from gateway.web import Watch

MOST = 200
WITHDRAWN_FOR = ("family", "error", "no-longer")
_ONE = "/api/v1/sheets/{sheet}"


class SheetsApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._node = operations.node
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/api/v1/sheets", self._list, Permission.SHEETS_READ),
            Route("GET", _ONE, self._show, Permission.SHEETS_READ),
            Route("POST", f"{_ONE}/withdraw", self._withdraw, Permission.SHEETS_WITHDRAW),
        )

    async def _list(self, request: web.Request) -> web.Response:
        by = await worker(request, Permission.SHEETS_READ, self._desk)
        async with self._node.begin() as work:
            found = [sheet for sheet in await work.sheets.listed(limit=MOST) if by.sees(sheet.office)]
        return json_answer({"sheets": [self._told(sheet) for sheet in found]})

    async def _show(self, request: web.Request) -> web.Response:
        return json_answer(self._told(await self._found(request, Permission.SHEETS_READ)))

    async def _withdraw(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset({"reason"}))
        reason = given.text(body, "reason")
        if reason not in WITHDRAWN_FOR:
            raise InvalidError("reason es otra cosa.", advice=f"Una de: {', '.join(WITHDRAWN_FOR)}.")
        sheet = await self._found(request, Permission.SHEETS_WITHDRAW)
        by = await worker(request, Permission.SHEETS_WITHDRAW, self._desk)
        await sheets.withdraw(sheet.id, Code(reason), self._node, by=by.by)
        return json_answer(self._told(await self._found(request, Permission.SHEETS_WITHDRAW)))

    async def _found(self, request: web.Request, permission: Permission) -> Sheet:
        refused = UnknownError("No hay una ficha así.", advice="GET /api/v1/sheets las muestra.")
        try:
            sheet_id = SheetId(request.match_info["sheet"])
        except ValueError:
            raise refused from None
        by = await worker(request, permission, self._desk)
        async with self._node.begin() as work:
            sheet = await work.sheets.find(sheet_id)
        if sheet is None or not by.sees(sheet.office):
            raise refused
        return sheet

    def _told(self, sheet: Sheet) -> dict[str, Any]:
        stands = sheets.with_state(sheet, self._node.clock.now())
        return {
            "id": str(sheet.id),
            "folio": folio_of("F", str(sheet.id)),
            "state": stands.state.value,
            "office": sheet.office,
            "made": sheet.made_at.isoformat(timespec="seconds"),
            "expires": sheet.expires_at.isoformat(timespec="seconds"),
        }
