"""The ombudsman's windows as pages (SPEC 21): ask for one by a complaint, read it; and which were opened here.

Steps, terms and names of fields, never a value. A folio and a complaint's number travel in forms; that one is read is
in the log first.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from aiohttp import web

from contracts.errors import NotPermittedError
from contracts.ids import Folio, MessageId, NodeId
from contracts.messages import AuditRequestBody, CaseWindow, WindowCopy, WindowStep
from contracts.policy.words import word
from contracts.register import Role
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import calendar_here
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.audit_words import fields_in_words, with_form
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.pages.once import first_time, fresh_key
from gateway.console.pages.questions import basis_in_words
from gateway.console.requests import by_of
from gateway.console.words import Words
from gateway.exchange.departing import Held
from gateway.exchange.desk import addressee
from gateway.exchange.oversight import NoSuchWindowError, ask_window, own_window
from gateway.exchange.oversight_ports import WindowEntry
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission

_SHOWN = 200
RESULTS = {
    "": N_("en espera de respuesta"),
    "opened": N_("abierta"),
    "unknown-case": N_("la institución no tiene ese caso"),
    "refused": N_("no se abrió"),
}
_WHY = {
    "quota": N_("Hoy ya se abrieron todas las que caben en un día. Pida otra mañana."),
    "complaint-of-another-case": N_("Esa queja ya nombró otro caso en esa institución. Revise el número."),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One window in a list."""

    at: datetime
    peer: str
    folio: str
    complaint: str
    result: str
    address: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of what a window shows, cell by cell."""

    cells: tuple[str, ...]


class WindowPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks, self._operations, self._desk = looks, operations, desk
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/auditoria/ventanas", self._opened, Permission.OVERSIGHT_READ, Face.PAGE),
            Route("GET", "/auditoria/pedidas", self._asked, Permission.WINDOWS_READ, Face.PAGE),
            Route("POST", "/auditoria/pedidas", self._ask, Permission.WINDOWS_ASK, Face.PAGE),
            Route("GET", "/auditoria/pedidas/{message_id}", self._show, Permission.WINDOWS_READ, Face.PAGE),
        )

    async def _entries(self, *, ours: bool, told: Words) -> list[Listed]:
        async with self._looking.begin() as work:
            found = await work.windows.all(ours=ours, limit=_SHOWN)
        return [self._listed(entry, told) for entry in found]

    def _listed(self, entry: WindowEntry, told: Words) -> Listed:
        result = told.gettext(RESULTS[entry.result]) if entry.result in RESULTS else entry.result
        address = f"/auditoria/pedidas/{entry.message_id}" if entry.ours else ""
        return Listed(entry.at, self._looks.name(entry.peer), str(entry.folio), entry.complaint, result, address)

    async def _opened(self, request: web.Request) -> web.Response:
        await self._desk.record("audit.read windows", actor=request[PRINCIPAL].actor)
        rows = await self._entries(ours=False, told=self._looks.words(request))
        return await self._looks.page(request, "ventanas.html", rows=rows)

    async def _asked(self, request: web.Request) -> web.Response:
        return await self._asked_page(request, "", 200)

    async def _asked_page(self, request: web.Request, error: str, status: int) -> web.Response:
        told, trust = self._looks.words(request), self._node.trust()
        ours = trust.members.get(self._node.us)
        form = request[FORM] if status != 200 else None
        return await self._looks.page(
            request,
            "ventanas_pedidas.html",
            status=status,
            error=error,
            key=fresh_key(self._desk),
            rows=await self._entries(ours=True, told=told),
            asks=ours is not None and ours.role is Role.OMBUDSMAN and request[PRINCIPAL].may(Permission.WINDOWS_ASK),
            members=[(str(node), member.name) for node, member in trust.members.items() if node != self._node.us],
            folio="" if form is None else form.text("folio")[:40],
            complaint="" if form is None else form.text("queja")[:60],
            to="" if form is None else form.text("a"),
        )

    async def _ask(self, request: web.Request) -> web.Response:
        told, form = self._looks.words(request), request[FORM]
        try:
            folio = Folio(form.text("folio"))
            body = AuditRequestBody(folio=folio, complaint=form.text("queja"))
            to = NodeId(form.text("a")) if form.text("a") else addressee(self._node.trust(), Role.SEARCH_MECHANISM, self._now)
        except ValueError:
            why = told.gettext("Revise el folio (MBMID-2026-000123) y el número de la queja. No se pidió nada.")
            return await self._asked_page(request, why, 422)
        if not await first_time(request, self._desk):
            return web.Response(status=303, headers={"Location": "/auditoria/pedidas"})  # it came before, and was asked
        calendar = await calendar_here(request, Permission.WINDOWS_ASK, self._desk)
        try:
            found = await ask_window(folio, str(body.complaint), to, self._node, by=by_of(request), calendar=calendar)
        except NotPermittedError:
            why = told.gettext(
                "Sólo la procuraduría pide ventanas, por una queja, y a una institución del país. No se pidió nada."
            )
            return await self._asked_page(request, why, 403)
        address = "/auditoria/pedidas" if isinstance(found, Held) else f"/auditoria/pedidas/{found}"
        return web.Response(status=303, headers={"Location": address})

    @property
    def _now(self) -> datetime:
        return self._node.clock.now()

    async def _show(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        try:
            message_id = MessageId(request.match_info["message_id"])
        except ValueError:
            raise NoSuchWorkError("no id") from None
        await self._desk.record(f"window.read {message_id}", actor=request[PRINCIPAL].actor)  # first: nobody reads it unseen
        try:
            found = await own_window(message_id, self._node)
        except NoSuchWindowError:
            raise NoSuchWorkError("no window of that id") from None
        zone, window = await self._looks.zone(request), found.window
        return await self._looks.page(
            request,
            "ventana.html",
            entry=self._listed(found.entry, told),
            window=window,
            why="" if window is None or window.basis is None else told.gettext(_WHY.get(window.basis, _WHY["quota"])),
            late=0 if window is None else sum(step.overdue for step in window.steps),
            steps=[] if window is None else [self._step(step, zone, told) for step in window.steps],
            copies=[] if window is None else self._copies(window, zone, told),
        )

    def _step(self, step: WindowStep, zone: tzinfo, told: Words) -> Line:
        late = told.gettext("fuera de plazo") if step.overdue else told.gettext("en plazo")
        return Line(
            (
                _at(step.opened_at, zone, told),
                self._looks.name(step.asker),
                self._looks.name(step.asked),
                word("kind", step.kind, told.lang),
                _at(step.due_at, zone, told),
                _at(step.answered_at, zone, told),
                late,
            )
        )

    def _copies(self, window: CaseWindow, zone: tzinfo, told: Words) -> list[Line]:
        return [self._copy(copy, zone, told) for copy in window.copies]

    def _copy(self, copy: WindowCopy, zone: tzinfo, told: Words) -> Line:
        policy = self._node.trust().policy
        labels = fields_in_words([str(item.field) for item in copy.fields], policy, told, str(copy.record_type))
        fields = [with_form(label, str(item.form), told) for label, item in zip(labels, copy.fields, strict=True)]
        return Line(
            (
                _at(copy.sent_at, zone, told),
                self._looks.name(copy.recipient),
                "; ".join(fields) or "—",
                basis_in_words(policy, str(copy.basis), told),
                _at(copy.retain_until, zone, told),
            )
        )


def _at(seconds: int | None, zone: tzinfo, told: Words) -> str:
    return "—" if seconds is None else told.short(datetime.fromtimestamp(seconds, UTC), zone)
