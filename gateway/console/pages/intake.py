"""Taking a family's report at a desk or by phone: a list of tasks, each a page, saved as it is filled in; one signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from contracts.calendars import day_in_guatemala
from contracts.consents import ConsentEvent
from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, MessageId
from contracts.messages import ConsentAct
from contracts.minors import minority
from contracts.register import Role
from contracts.walls import Carried, narratives
from gateway.console import given
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.drafts import ANYWAY, DraftAnswers, saves, seen_of, written
from gateway.console.pages.forms import FORM
from gateway.console.pages.intake_form import IntakeForm, ReadIn, Wrong
from gateway.console.pages.intake_sections import DONE, PERSON, REPORTER, SECTIONS, Section
from gateway.console.pages.looks import Looks
from gateway.console.pages.requests import RequestPages
from gateway.console.requests import by_of
from gateway.exchange.desk import DeskRow
from gateway.exchange.drafting import (
    DraftChangedError,
    Drafted,
    NoSuchDraftError,
    Part,
    Place,
    begin_draft,
    drafts_of,
    drop_draft,
    open_draft,
    save_part,
)
from gateway.exchange.taking import known_report, take_report, takes_here
from gateway.exchange.told_at_desk import SentBeforeError, Told
from gateway.people.desk import PeopleDesk
from gateway.people.errors import NotAllowedError
from gateway.people.ports import Office
from gateway.people.roles import Permission

INTAKE = "intake"
SOURCE = "console"
STATES = {"none": N_("no empezada"), "begun": N_("empezada"), "done": N_("completa")}
_ONE = "/reportes/{draft}"
_PART = f"{_ONE}/parte/{{section}}"
_REFUSED = {
    "refused:not-permitted": N_("La política no deja que este nodo lo traslade. Avise a la jefatura: no se envió nada."),
    "refused:trust-stale": N_(
        "El registro de la red está atrasado: no se envió nada. Avise a la administración y pruebe otra vez."
    ),
}
_WAIT = N_("No se envió nada todavía. Lo escrito sigue guardado: pruebe otra vez en unos minutos y avise a la jefatura.")


@dataclass(frozen=True, slots=True)
class Task:
    """One line of the list of tasks."""

    address: str
    title: str
    state: str


class IntakePages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, requests: RequestPages) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._requests = requests
        self._drafts = DraftAnswers(looks, operations.node)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        send = Permission.REPORTS_SEND
        return (
            Route("GET", "/reportes/nuevo", self._new, send, Face.PAGE),
            Route("POST", "/reportes/nuevo", self._begin, send, Face.PAGE),
            Route("GET", _ONE, self._tasks, send, Face.PAGE),
            Route("POST", f"{_ONE}/descartar", self._discard, send, Face.PAGE),
            Route("GET", f"{_ONE}/revisar", self._review, send, Face.PAGE),
            Route("POST", f"{_ONE}/revisar", self._send, send, Face.PAGE),
            Route("GET", _PART, self._part, send, Face.PAGE),
            Route("POST", _PART, self._save, send, Face.PAGE),
            Route("POST", f"{_PART}/borrador", self._save_by_page, send, Face.PAGE),
        )

    # -- beginning -----------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.Response:
        return await self._new_page(request, "")

    async def _new_page(self, request: web.Request, error: str) -> web.Response:
        begun = await drafts_of(f"{INTAKE} ", self._node, person=by_of(request).person)
        offices, told = await self._own_offices(request), self._looks.words(request)
        names = {str(office.code): office.name(told.lang) for office in await open_offices(self._desk)}
        return await self._looks.page(
            request,
            "reporte_nuevo.html",
            status=422 if error else 200,
            offices=[(str(office.code), office.name(told.lang)) for office in offices],
            begun=[(f"/reportes/{item.id}", item.changed_at, names.get(item.office or "", "")) for item in begun],
            key=self._requests.fresh_key(),
            here=takes_here(self._node),
            error=error,
        )

    async def _begin(self, request: web.Request) -> web.Response:
        offices, wanted = await self._own_offices(request), request[FORM].text("oficina")
        chosen = next((office for office in offices if office.code == wanted or len(offices) == 1), None)
        if chosen is None:
            return await self._new_page(request, self._looks.words(request).gettext("Diga en qué oficina se recibe."))
        if not await self._requests.first_time(request):
            return _to("/reportes/nuevo")
        place = Place(f"{INTAKE} {self._node.new_message_id(self._node.clock.now())}", chosen.code)  # as many as they begin
        begun = await begin_draft(place, self._node, person=by_of(request).person)
        return _to(f"/reportes/{begun.draft.id}")

    async def _own_offices(self, request: web.Request) -> list[Office]:
        principal = request[PRINCIPAL]
        return [office for office in await open_offices(self._desk) if principal.may_at(Permission.REPORTS_SEND, office.code)]

    # -- the list of tasks ---------------------------------------------------------------------------------------------

    async def _tasks(self, request: web.Request) -> web.Response:
        drafted, told = await self._mine(request), self._looks.words(request)
        states = {section.id: _state(drafted.part(section.id)) for section in SECTIONS.values()}
        tasks = [
            Task(f"{request.path}/parte/{section.id}", told.gettext(section.title), told.gettext(STATES[states[section.id]]))
            for section in SECTIONS.values()
        ]
        done = sum(state == "done" for state in states.values())
        head = await self._head(request, drafted)
        return await self._looks.page(request, "reporte_tareas.html", **head, tasks=tasks, done=done, ready=done == len(tasks))

    async def _head(self, request: web.Request, drafted: Drafted) -> dict[str, Any]:
        told = self._looks.words(request)
        names = {str(office.code): office.name(told.lang) for office in await open_offices(self._desk)}
        return {
            "address": f"/reportes/{drafted.draft.id}",
            "office": names.get(drafted.draft.office or "", str(drafted.draft.office)),
            "begun_at": drafted.draft.made_at,
        }

    async def _mine(self, request: web.Request) -> Drafted:
        drafted = await open_draft(_draft_id(request), self._node, person=by_of(request).person)
        if not drafted.draft.purpose.startswith(f"{INTAKE} "):
            raise NoSuchDraftError("no report")
        return drafted

    async def _discard(self, request: web.Request) -> web.Response:
        await self._mine(request)
        await drop_draft(_draft_id(request), self._node, person=by_of(request).person)
        return _to("/reportes?hecho=descartado")

    # -- one page ------------------------------------------------------------------------------------------------------

    async def _part(self, request: web.Request) -> web.Response:
        drafted, section = await self._mine(request), _section(request)
        return await self._part_page(request, drafted, section, [])

    async def _part_page(self, request: web.Request, drafted: Drafted, section: Section, wrong: list[Wrong]) -> web.Response:
        told, part = self._looks.words(request), drafted.part(section.id)
        return await self._looks.page(
            request,
            "reporte_parte.html",
            status=422 if wrong else 200,
            **await self._head(request, drafted),
            here=f"/reportes/{drafted.draft.id}/parte/{section.id}",
            title=told.gettext(section.title),
            about=told.gettext(section.about),
            questions=self._form(request).questions(section, part.fields, wrong),
            wrong=wrong,
            version=part.version,
            saved=await self._drafts.saved_at(request, part),
        )

    async def _save(self, request: web.Request) -> web.Response:
        drafted, section = await self._mine(request), _section(request)
        form = request[FORM]
        fields, step = written(form), form.text("paso")
        wrong = [] if step != "listo" else self._form(request).wrong_in(section, fields)
        if step == "listo" and not wrong:
            fields = {**fields, DONE: ["si"]}
        try:
            seen = seen_of(form) if saves(form) else drafted.part(section.id).version
            await save_part(_draft_id(request), section.id, fields, self._node, person=by_of(request).person, seen=seen)
        except DraftChangedError as error:
            return await self._drafts.conflict(request, error, request.path)
        if wrong:
            return await self._part_page(request, await self._mine(request), section, wrong)
        return _to(request.path if step == ANYWAY else f"/reportes/{drafted.draft.id}")

    async def _save_by_page(self, request: web.Request) -> web.Response:
        await self._mine(request)
        form, person = request[FORM], by_of(request).person
        saving = save_part(
            _draft_id(request), _section(request).id, written(form), self._node, person=person, seen=seen_of(form)
        )
        return await self._drafts.saved_by_page(request, saving)

    def _form(self, request: web.Request) -> IntakeForm:
        trust, told = self._node.trust(), self._looks.words(request)
        others = [
            (str(member.node), member.name)
            for member in sorted(trust.members.values(), key=lambda member: member.name)
            if member.node != self._node.us and member.role is not Role.SEARCH_MECHANISM
        ]
        return IntakeForm(trust.policy, told, self._today(), others)

    def _today(self) -> date:
        return day_in_guatemala(self._node.clock.now())

    # -- reviewed and sent ---------------------------------------------------------------------------------------------

    async def _review(self, request: web.Request) -> web.Response:
        return await self._review_page(request, await self._mine(request), "", 200)

    async def _review_page(self, request: web.Request, drafted: Drafted, error: str, status: int) -> web.Response:
        told, read = self._looks.words(request), self._form(request).read(drafted)
        minor = Told(perhaps_minor=read.perhaps_minor).minor(minority(read.values[PERSON], self._today()))
        parts = [
            (f"/reportes/{drafted.draft.id}/parte/{section.id}", told.gettext(section.title), read.told[section.id])
            for section in SECTIONS.values()
        ]
        unfinished = [told.gettext(s.title) for s in SECTIONS.values() if _state(drafted.part(s.id)) != "done"]
        return await self._looks.page(
            request,
            "reporte_revisar.html",
            status=status,
            **await self._head(request, drafted),
            parts=parts,
            wrong=read.wrong,
            unfinished=unfinished,
            minor=minor,
            held=not takes_here(self._node) and self._has_story(read),
            here=takes_here(self._node),
            error=error,
        )

    def _has_story(self, read: ReadIn) -> bool:
        fields = self._node.trust().policy.fields_of(PERSON)
        return bool(narratives(Carried(PERSON, read.values[PERSON], fields)))

    async def _send(self, request: web.Request) -> web.Response:
        key = self._key(_draft_id(request))
        try:
            drafted = await self._mine(request)
        except NoSuchDraftError:
            return await self._sent_before(key)
        office = drafted.draft.office
        if office is None or not request[PRINCIPAL].may_at(Permission.REPORTS_SEND, office):
            raise NotAllowedError("Usted ya no tiene puesto en esa oficina.")
        read = self._form(request).read(drafted)
        unfinished = any(_state(drafted.part(section)) != "done" for section in SECTIONS)
        if read.wrong or unfinished:
            return await self._review_page(request, drafted, "", 422)
        try:
            result = await take_report(self._row(drafted, read), self._node, by=by_of(request))
        except SentBeforeError:
            return await self._sent_before(key)
        if result.thread_id is None:
            told = self._looks.words(request)
            why = told.gettext(_REFUSED.get(next(iter(result.reasons), ""), _WAIT))
            return await self._review_page(request, drafted, why, 503)
        return _to(f"/recibo/{result.thread_id}")

    async def _sent_before(self, key: bytes) -> web.Response:
        """Go on to the receipt of what this very form became: sending it again does nothing."""
        thread = await known_report(key, self._node)
        if thread is None:
            raise NoSuchDraftError("neither a draft nor a report")
        return _to(f"/recibo/{thread}")

    def _key(self, draft: MessageId) -> bytes:
        return self._operations.row_digest(f"console {draft}".encode())

    def _row(self, drafted: Drafted, read: ReadIn) -> DeskRow:
        agreed = self._agreed(read)
        records = read.records
        if agreed:  # the search mechanism reads with the report what the family agreed to
            reporter = dict(read.values[REPORTER]) | _consent_values(agreed, self._today())
            records = (*(item for item in records if item.type != REPORTER), SourceRecord(RecordType.REPORTER, reporter))
        return DeskRow(
            source=SOURCE,
            row=1,
            key=self._key(drafted.draft.id),
            records=records,
            office=drafted.draft.office or Code("x"),
            channel=read.channel,
            language=read.language,
            told=Told(agreed, self._never(read), read.perhaps_minor, drafted.draft.id),
        )

    def _agreed(self, read: ReadIn) -> tuple[ConsentEvent, ...]:
        if not read.agreed.scopes:
            return ()
        now, reporter = self._node.clock.now(), read.values[REPORTER]
        who = " ".join(reporter.get("name") or reporter.get("phones") or ("familia",))
        witness = None
        if read.agreed.witness:
            witness = given.witness(read.agreed.witness, self._node.pseudonyms)
        return (
            ConsentEvent(
                id=self._node.new_message_id(now),
                relative=given.relative(who, self._operations.digest),
                act=ConsentAct.GIVEN,
                scopes=frozenset(read.agreed.scopes),
                effective_at=int(now.timestamp()),
                form=read.agreed.form,
                language=read.agreed.language,
                witness=witness,
            ),
        )

    def _never(self, read: ReadIn) -> tuple[str, ...]:
        """Return whom the case must never reach: as said, and who a person in need of protection may be fleeing."""
        found = [read.never] if read.never else []
        person: Mapping[str, Any] = read.values[PERSON]
        if person.get("protection_need") is True:
            found.append(Role.FOREIGN_CONSULATE.value)
            found += [f"country:{code}" for code in person.get("nationalities", ()) if code != "gt"]
        return tuple(dict.fromkeys(found))


def _consent_values(agreed: tuple[ConsentEvent, ...], today: date) -> dict[str, Any]:
    scopes = sorted({scope.value for event in agreed for scope in event.scopes}, key=lambda scope: int(scope[1:]))
    how = {"act": "given", "from": today.isoformat(), "form": agreed[0].form.value, "language": agreed[0].language}
    return {"consents": scopes, "consent_details": [{"scope": scope, **how} for scope in scopes]}


def _state(part: Part) -> str:
    return "none" if part.version == 0 else "done" if DONE in part.fields else "begun"


def _section(request: web.Request) -> Section:
    found = SECTIONS.get(request.match_info["section"])
    if found is None:
        raise web.HTTPNotFound
    return found


def _draft_id(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["draft"])
    except ValueError:
        raise NoSuchDraftError("no id") from None


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})
