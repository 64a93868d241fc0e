"""Cases: the list, one case as a whole, the person's data when somebody asks for them, and who has what."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from contracts.fields import plain
from contracts.ids import MessageId, ThreadId
from contracts.threads import Side
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_at, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages import timeline
from gateway.console.pages.case_room import (
    CASE,
    ONE,
    CaseFile,
    CaseRoom,
    case_folio,
    kind_in_words,
    state_in_words,
)
from gateway.console.pages.drafts import SAVED
from gateway.console.pages.duties import notices_of
from gateway.console.pages.held import holders, matrix
from gateway.console.pages.inbox import PAGES
from gateway.console.pages.intake_reading import in_words
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.looks import Looks
from gateway.console.pages.questions import Pair
from gateway.console.pages.reports import TWICE
from gateway.console.staff import names_of, office_in_words
from gateway.console.whose import worker, zone_of
from gateway.console.work_words import KINDS, due_words
from gateway.exchange.consenting import consents_of
from gateway.exchange.folios import folio
from gateway.exchange.holdings import Holding, who_has
from gateway.exchange.passed_on import said_there
from gateway.exchange.persons import Opened, person_of, reporters_of
from gateway.exchange.work import WorkTakenError, end_work, take_work
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission

ROWS = 25
_LINES = 100
DONE = {
    "voluntad": N_("Quedó anotado lo que la persona quiere. Lo que espera para salir se vuelve a juzgar."),
    "cerrado": N_("El caso quedó cerrado. A todas las instituciones que trabajan en él se les avisa igual."),
    "segunda": N_("Quedó anotado cómo terminó. Se cierra cuando otra persona diga lo mismo; hasta entonces, nadie sabe nada."),
    "guardado": SAVED,
    "tomar": N_("Usted lo tiene ahora."),
    "terminar": N_("Quedó dicho que aquí no queda nada que hacer con lo que abrió este caso."),
    "ya": N_("Eso ya estaba hecho, o este formulario ya había llegado. No se hizo otra vez."),
}
_BEGUN_BY = frozenset({"report", "duty"})
"""What begins a case and has no page of its own: it is taken, and ended, on the page of the case."""


class CasePages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, room: CaseRoom) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._room = room

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read = Permission.CASES_READ
        return (
            Route("GET", "/expedientes", self._list, read, Face.PAGE),
            self._room.route("GET", ONE, self._show, read),
            self._room.route("GET", f"{ONE}/persona", self._person, read),
            self._room.route("GET", f"{ONE}/quien-pide", self._reporter, read),
            self._room.route("GET", f"{ONE}/quien-tiene", self._held, read),
            self._room.route("POST", f"{ONE}/tomar", self._take, Permission.WORK_TAKE),
            self._room.route("POST", f"{ONE}/terminar", self._end, Permission.WORK_TAKE),
        )

    # -- the list ------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._node.clock.now()
        offices = await open_offices(self._desk)
        eyes = eyes_at(request, Permission.CASES_READ, offices)
        everything, after = request.query.get("ver") == "todo", _thread(request.query.get("despues", ""))
        files, finds = self._operations.files, request[PRINCIPAL].may(Permission.FINDINGS_SEND)
        found, last = await files.page(eyes, everything=everything, after=after, limit=ROWS)
        rows = [
            {
                "address": f"/e/{row['thread_id']}",
                "folio": case_folio(row),
                "kind": kind_in_words(row["kind"], told),
                "peer": self._looks.name(row["peer"]),
                "state": state_in_words(row["state"], told),
                "opened": row["opened"],
                "age": told.span(now - row["opened"]),
                "owner": row["person"] or office_in_words(row["office"], offices, told),
            }
            for row in found
        ]
        shown: dict[str, Any] = {"rows": rows, "everything": everything, "after": after, "last": last, "finds": finds}
        return await self._looks.page(request, "expedientes.html", status=200, **shown)

    # -- one case ------------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        await self._room.record("case.open", file, request)  # first: nobody reads it unseen
        found = await self._operations.files.exchanges(file.refs)
        openings = [item["id"] for item in found]
        events, holding = await consents_of(str(file.thread), self._node)
        types, rows = matrix(await self._holdings(file), self._node.trust().policy, told, self._looks.name)
        sort = request.query.get("ver", "")
        wishes = await self._operations.files.wishes(file.refs)
        there = await said_there(file.thread, self._node)
        return await self._looks.page(
            request,
            "expediente.html",
            **await self._room.head(request, file),
            lines=timeline.in_order(await self._lines(file, openings, events, wishes, request), sort, _LINES),
            sort=sort if sort in timeline.SORTS else "",
            sorts=[(code, told.gettext(label)) for code, label in timeline.SORTS.items()],
            matrix_types=types,
            matrix_rows=rows,
            tasks=await self._tasks(request, file, openings),
            waiting=await self._waiting(file),
            consents=sorted({scope for _, scope in holding.scopes}),
            relatives=len({relative for relative, _ in holding.scopes}),
            scopes=timeline.scopes_in_words({scope for _, scope in holding.scopes}, told),
            wished=bool(wishes),
            said_there=there is not None and bool(there.scopes),
            notified=bool(await notices_of(file, self._room)),
            same_as=file.row["same_as"],
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
        )

    async def _lines(
        self, file: CaseFile, openings: list[str], events: Any, wishes: Any, request: web.Request
    ) -> list[timeline.Line]:
        told, files = self._looks.words(request), self._operations.files
        leaves = await self._operations.log.acts_about({*openings, file.row["opened_by"], str(file.thread)}, limit=_LINES)
        who = await names_of(self._desk) if leaves else {}
        return [
            *timeline.messages(await files.said(openings), told, self._looks.name),
            *timeline.consents(events, told),
            *timeline.wishes(wishes, told),
            *timeline.rules(await files.rules(file.refs), told, self._looks.name),
            *timeline.acts(leaves, told, who),
        ]

    async def _tasks(self, request: web.Request, file: CaseFile, openings: list[str]) -> list[dict[str, Any]]:
        told, now, offices = self._looks.words(request), self._node.clock.now(), await open_offices(self._desk)
        tasks = []
        for item in await self._operations.files.work(openings):
            start, machine = PAGES.get(item["machine"], ""), item["machine"]
            zone = zone_of(item["office"], offices)
            tasks.append(
                {
                    "address": f"{start}{item['id']}" if start else "",
                    "folio": folio(machine, item["id"]),
                    "kind": told.gettext(KINDS[machine]) if machine in KINDS else machine,
                    "peer": self._looks.name(item["peer"]),
                    "turn": told.gettext(_turn(item, file)),
                    "here": item["id"] == file.row["opened_by"]
                    and item["machine"] in _BEGUN_BY
                    and item["side"] == Side.ADDRESSEE,
                    "taken": item["taken"],
                    "due": told.gettext("sin plazo") if item["due"] is None else due_words(item["due"], now, zone, told),
                }
            )
        return tasks

    async def _take(self, request: web.Request) -> web.Response:
        return await self._worked(request, take_work, "tomar")

    async def _end(self, request: web.Request) -> web.Response:
        return await self._worked(request, end_work, "terminar")

    async def _worked(self, request: web.Request, act: Callable[..., Awaitable[object]], done: str) -> web.Response:
        """Take, or end, the work on what opened a case here: a receipt ends no report and no duty notice, people do."""
        file, by = request[CASE], await worker(request, Permission.WORK_TAKE, self._desk)
        try:
            await act(MessageId(file.row["opened_by"]), self._node, by=by)
        except WorkTakenError:
            done = "ya"
        return web.Response(status=303, headers={"Location": f"{file.address}?hecho={done}"})

    async def _waiting(self, file: CaseFile) -> list[dict[str, Any]]:
        found = await self._operations.files.waiting(file.refs)
        return [item | {"peer": self._looks.name(item["peer"]), "address": f"/espera/{item['id']}"} for item in found]

    async def _holdings(self, file: CaseFile) -> tuple[Holding, ...]:
        async with self._operations.look() as work:
            entries = [entry for ref in file.refs for entry in await work.ledger.of_case(ref)]
        return who_has({entry.record_id: entry for entry in entries}.values(), self._node.clock.now())

    # -- what is read on its own ---------------------------------------------------------------------------------------

    async def _person(self, request: web.Request) -> web.Response:
        file = request[CASE]
        await self._room.record("case.person", file, request)  # first: nobody reads it unseen
        return await self._opened(request, "expediente_persona.html", await person_of(file.thread, self._node))

    async def _reporter(self, request: web.Request) -> web.Response:
        file = request[CASE]
        await self._room.record("case.reporter", file, request)  # first: nobody reads it unseen
        return await self._opened(request, "expediente_quien_pide.html", await reporters_of(file.thread, self._node))

    async def _opened(self, request: web.Request, template: str, found: Sequence[Opened]) -> web.Response:
        told, policy, records = self._looks.words(request), self._node.trust().policy, []
        for record_type, claims in found:
            known = policy.fields_of(record_type)
            pairs = [
                Pair(known[name].label(told.lang), in_words(known[name], plain(value), told))
                for name, value in claims.items()
                if name in known and name not in TWICE
            ]
            records.append((type_in_words(record_type, policy, told), pairs))
        return await self._looks.page(request, template, **await self._room.head(request, request[CASE]), records=records)

    async def _held(self, request: web.Request) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        await self._room.record("case.family", file, request)
        found = holders(await self._holdings(file), self._node.trust().policy, told, self._looks.name)
        return await self._looks.page(request, "expediente_quien.html", **await self._room.head(request, file), holders=found)


def _turn(item: Mapping[str, Any], file: CaseFile) -> str:
    if item["side"] == Side.OPENER:
        return N_("esperamos su respuesta")
    ended = file.over and item["id"] == file.row["opened_by"]
    return N_("terminó; falta que aquí se diga que no queda nada que hacer") if ended else N_("nos toca")


def _thread(text: str) -> str | None:
    try:
        return str(ThreadId(text))
    except ValueError:
        return None
