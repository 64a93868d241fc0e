"""Search sheets: choosing what of a case everybody may see, the second person's look, paper, and taking it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from contracts.errors import MessageConflictError
from contracts.fields import RecordType
from contracts.ids import Code, Folio, ThreadId
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.pages.paper import PAPER, pdf, pdf_possible, qr
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.values import said
from gateway.console.whose import worker
from gateway.console.words import Words
from gateway.exchange import sheets
from gateway.exchange.folios import folio_of
from gateway.exchange.sheet_ports import Sheet, SheetId, SheetState
from gateway.exchange.sheets import NoSheetError, NoSuchSheetError, Offer, Printed
from gateway.exchange.work import NoSuchWorkError, Worker
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission

MOST = 200
_NAMES = ("given_names", "surname_1", "surname_2")
_NEW = "/f/nueva/{thread}"
_ONE = "/f/{sheet}"
WHY = {
    "no-report": N_("Aquí no hay un reporte de ese caso del que hacer una ficha."),
    "consent": N_("La familia no ha autorizado un boletín público (C8), o ya no. Regístrelo antes, si lo autoriza."),
    "policy": N_("La política no deja que esta institución publique, o no deja que se publique nada de este reporte."),
    "never-to": N_("Hay a quien nada de este caso debe llegar, y una ficha la ve cualquiera."),
    "located": N_("De este caso ya no se hacen fichas."),
    "closed": N_("De este caso ya no se hacen fichas."),
    "nothing-chosen": N_("Marque al menos un dato."),
}
STATES = {
    SheetState.WAITING: N_("espera la aprobación de otra persona"),
    SheetState.VALID: N_("vigente"),
    SheetState.WITHDRAWN: N_("retirada"),
    SheetState.REPLACED: N_("reemplazada"),
    SheetState.DROPPED: N_("descartada"),
}
REASONS = {
    "family": N_("La familia lo pidió"),
    "error": N_("Tiene un error"),
    "no-longer": N_("Ya no hace falta"),
}
DONE = {
    "hecha": N_("La ficha está vigente: ya se puede imprimir."),
    "espera": N_("La ficha espera que otra persona la apruebe."),
    "aprobada": N_("Aprobada: ya se puede imprimir."),
    "retirada": N_("Retirada. Quien lea el código de una hoja ya impresa lo sabrá."),
    "ya": N_("Eso ya estaba hecho. No se hizo nada más."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A sheet as the list shows it: no names."""

    address: str
    folio: str
    state: str
    until: datetime


class SheetPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, requests: RequestPages) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._requests = requests

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, publish = Permission.SHEETS_READ, Permission.SHEETS_PUBLISH
        return (
            Route("GET", "/fichas", self._list, read, Face.PAGE),
            Route("POST", "/fichas/caso", self._case, read, Face.PAGE),
            Route("GET", _NEW, self._new, publish, Face.PAGE),
            Route("POST", _NEW, self._make, publish, Face.PAGE),
            Route("GET", _ONE, self._show, read, Face.PAGE),
            Route("GET", f"{_ONE}/pdf", self._pdf, read, Face.PAGE),
            Route("GET", f"{_ONE}/texto", self._text, read, Face.PAGE),
            Route("POST", f"{_ONE}/aprobar", self._approve, publish, Face.PAGE),
            Route("POST", f"{_ONE}/retirar", self._withdraw, Permission.SHEETS_WITHDRAW, Face.PAGE),
        )

    # -- the list ------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        return await self._list_page(request)

    async def _list_page(self, request: web.Request, error: str = "", typed: str = "") -> web.Response:
        told, by, now = self._looks.words(request), await self._by(request, Permission.SHEETS_READ), self._node.clock.now()
        async with self._node.begin() as work:
            found = [sheet for sheet in await work.sheets.listed(limit=MOST) if by.sees(sheet.office)]
        rows = [self._row(sheets.with_state(sheet, now), told) for sheet in found]
        said_ = {"rows": rows, "error": error, "typed": typed, "done": _done(request, told)}
        return await self._looks.page(request, "fichas.html", status=422 if error else 200, **said_)

    def _row(self, sheet: Sheet, told: Words) -> Row:
        folio = folio_of("F", str(sheet.id))
        return Row(f"/f/{sheet.id}", folio, told.gettext(STATES[sheet.state]), sheet.expires_at)

    async def _case(self, request: web.Request) -> web.Response:
        told, typed = self._looks.words(request), request[FORM].text("folio").upper()
        thread = None
        if Folio.pattern.fullmatch(typed):
            async with self._node.begin() as work:
                threads = await work.cases.with_folio(Folio(typed))
            thread = next(iter(threads), None)
        if thread is None or not await self._may_see(request, thread):
            why = told.gettext("No hay un caso con ese folio que usted pueda ver. Por ejemplo: MBMID-2026-000001.")
            return await self._list_page(request, why, typed[:40])
        return _to(f"/f/nueva/{thread}")

    # -- making one ----------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.Response:
        return await self._new_page(request)

    async def _new_page(self, request: web.Request, error: str = "") -> web.Response:
        told, thread = self._looks.words(request), await self._thread(request)
        try:
            await self._desk.record(f"sheet.offer {thread}", actor=request[PRINCIPAL].actor)  # before anybody reads it
            offered = await sheets.offer(thread, self._node)
        except NoSheetError as refused:
            why = told.gettext(WHY[refused.why])
            return await self._looks.page(request, "ficha_no.html", status=409, why=why)
        chosen = request[FORM].every("campo") if error else ()
        return await self._looks.page(
            request,
            "ficha_nueva.html",
            status=422 if error else 200,
            thread=thread,
            lines=self._lines(offered.public.values, told),
            second=offered.public.second is not None,
            most=_days(offered, self._node.clock.now()),
            chosen=chosen,
            key=self._requests.fresh_key(),
            error=error,
        )

    async def _make(self, request: web.Request) -> web.Response:
        told, thread, form = self._looks.words(request), await self._thread(request), request[FORM]
        days = form.text("dias")
        if not (days.isascii() and days.isdigit() and 1 <= len(days) <= 2 and 1 <= int(days) <= sheets.LONGEST.days):
            return await self._new_page(request, told.gettext("Diga por cuántos días, de 1 a 90."))
        if not form.every("campo"):
            return await self._new_page(request, told.gettext(WHY["nothing-chosen"]))
        if not await self._requests.first_time(request):
            return _to("/fichas?hecho=ya")
        by = await self._by(request, Permission.SHEETS_PUBLISH)
        office = await self._office(thread)
        try:
            sheet = await sheets.make(
                thread,
                form.every("campo"),
                int(days),
                self._node,
                digest=self._operations.digest,
                office=office,
                by=by.by,
            )
        except NoSheetError as refused:
            return await self._looks.page(request, "ficha_no.html", status=409, why=told.gettext(WHY[refused.why]))
        return _to(f"/f/{sheet.id}?hecho={'hecha' if sheet.state is SheetState.VALID else 'espera'}")

    # -- one -----------------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request)

    async def _page(self, request: web.Request, error: str = "", status: int = 200) -> web.Response:
        told, printed = self._looks.words(request), await self._opened(request)
        sheet, person = sheets.with_state(printed.sheet, self._node.clock.now()), str(request[PRINCIPAL].person_id)
        return await self._looks.page(
            request,
            "ficha.html",
            status=status,
            **self._paper(printed, told),
            sheet=sheet,
            state=told.gettext(STATES[sheet.state]),
            waits=sheet.state is SheetState.WAITING,
            own=sheet.drafted_by == person,
            holds=sheet.state is SheetState.VALID,
            live=sheet.state in sheets.LIVE,
            reasons=[(code, told.gettext(label)) for code, label in REASONS.items()],
            pdf=pdf_possible(),
            done=_done(request, told),
            error=error,
        )

    async def _pdf(self, request: web.Request) -> web.StreamResponse:
        printed = await self._valid(request)
        told = self._looks.words(request)
        template = self._looks.environment(told.lang).get_template("ficha_papel.html")
        institution = self._looks.name(self._node.us)
        zone = await self._looks.zone(request)
        html = template.render(**self._paper(printed, told), zone=zone, institution=institution, lang=told.lang)
        data = await pdf(html, PAPER)
        if data is None:
            return _to(f"/f/{printed.sheet.id}")  # the page says how to print it from the browser
        answer = web.Response(body=data, content_type="application/pdf")
        answer.headers["Content-Disposition"] = f'inline; filename="{folio_of("F", str(printed.sheet.id))}.pdf"'
        return answer

    async def _text(self, request: web.Request) -> web.Response:
        printed, told = await self._valid(request), self._looks.words(request)
        template = self._looks.environment(told.lang).get_template("ficha_texto.html")
        text = template.render(**self._paper(printed, told), zone=await self._looks.zone(request))
        return web.Response(text=text, content_type="text/plain", charset="utf-8")

    def _paper(self, printed: Printed, told: Words) -> dict[str, Any]:
        values, base = printed.values, self._operations.public_address
        names = [said("names", values[name], told) for name in _NAMES if name in values]
        address = "" if base is None else f"{base}/v/{printed.code}"
        return {
            "folio": folio_of("F", str(printed.sheet.id)),
            "name": " ".join(names),
            "lines": [line for line in self._lines(values, told) if line[0] not in _NAMES],
            "until": printed.sheet.expires_at,
            "code": printed.code,
            "address": address,
            "qr": qr(address, told.gettext("Código para comprobar esta ficha")) if address else "",
            "phone": self._operations.phone,
        }

    def _lines(self, values: Mapping[str, Any], told: Words) -> list[tuple[str, str, str]]:
        known = self._node.trust().policy.fields_of(RecordType.MISSING_PERSON)
        return [(name, known[name].label(told.lang), said(known[name].kind, value, told)) for name, value in values.items()]

    async def _approve(self, request: web.Request) -> web.Response:
        told, sheet = self._looks.words(request), await self._found(request)
        by = await self._by(request, Permission.SHEETS_PUBLISH)
        try:
            await sheets.approve(sheet.id, request[FORM].raw("contenido"), self._node, by=by.by)
        except MessageConflictError:
            return await self._page(request, told.gettext("Lo que espera ya no es lo que usted miró. Mírelo otra vez."), 409)
        except NoSheetError as refused:
            return await self._page(request, told.gettext(WHY[refused.why]), 409)
        except NoSuchSheetError:
            if sheet.state is SheetState.WAITING:
                return await self._page(request, told.gettext("La preparó usted: tiene que aprobarla otra persona."), 403)
            return _to(f"/f/{sheet.id}?hecho=ya")
        return _to(f"/f/{sheet.id}?hecho=aprobada")

    async def _withdraw(self, request: web.Request) -> web.Response:
        told, sheet = self._looks.words(request), await self._found(request, Permission.SHEETS_WITHDRAW)
        reason = request[FORM].text("motivo")
        if reason not in REASONS:
            return await self._page(request, told.gettext("Elija un motivo."), 422)
        by = await self._by(request, Permission.SHEETS_WITHDRAW)
        ended = await sheets.withdraw(sheet.id, Code(reason), self._node, by=by.by)
        return _to(f"/f/{sheet.id}?hecho={'retirada' if ended else 'ya'}")

    # -- whose ---------------------------------------------------------------------------------------------------------

    async def _by(self, request: web.Request, permission: Permission) -> Worker:
        return await worker(request, permission, self._desk)

    async def _office(self, thread: ThreadId) -> Code | None:
        async with self._node.begin() as work:
            return (await work.work_items.offices_of([thread])).get(thread)

    async def _may_see(self, request: web.Request, thread: ThreadId) -> bool:
        return (await self._by(request, Permission.SHEETS_READ)).sees(await self._office(thread))

    async def _thread(self, request: web.Request) -> ThreadId:
        try:
            thread = ThreadId(request.match_info["thread"])
        except ValueError:
            raise NoSuchWorkError("no id") from None
        if not await self._may_see(request, thread):
            raise NoSuchWorkError("the work of another office")
        return thread

    async def _found(self, request: web.Request, permission: Permission = Permission.SHEETS_READ) -> Sheet:
        try:
            sheet_id = SheetId(request.match_info["sheet"])
        except ValueError:
            raise NoSuchWorkError("no id") from None
        by = await self._by(request, permission)
        async with self._node.begin() as work:
            sheet = await work.sheets.find(sheet_id)
        if sheet is None or not by.sees(sheet.office):
            raise NoSuchWorkError("no such sheet")
        return sheet

    async def _opened(self, request: web.Request) -> Printed:
        sheet = await self._found(request)
        await self._desk.record(f"sheet.open {sheet.id}", actor=request[PRINCIPAL].actor)  # first: nobody reads it unseen
        return await sheets.opened(sheet.id, self._node)

    async def _valid(self, request: web.Request) -> Printed:
        printed = await self._opened(request)
        if sheets.stands(printed.sheet, self._node.clock.now()) is not SheetState.VALID:
            raise NoSuchWorkError("it is not valid: no paper is made of it")
        return printed


def _days(offered: Offer, now: datetime) -> int:
    return max(1, min(sheets.LONGEST.days, (offered.until - now).days))


def _done(request: web.Request, told: Words) -> str:
    word = request.query.get("hecho", "")
    return told.gettext(DONE[word]) if word in DONE else ""


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
