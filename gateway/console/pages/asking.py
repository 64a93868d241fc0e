"""Asking an institution about the person of a case: first whom and why, then which fields go and which are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aiohttp import web

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import FieldDefinition, RecordType
from contracts.ids import Code, NodeId
from contracts.messages import SearchRequestBody, Urgency
from gateway.console.access import Route
from gateway.console.eyes import only_office
from gateway.console.marking import N_
from gateway.console.pages.answering import departure_of
from gateway.console.pages.answers import Problem
from gateway.console.pages.bodies import URGENCY
from gateway.console.pages.case_room import CASE, CaseFile, CaseRoom
from gateway.console.pages.drafts import DraftAnswers, asking
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.partners import Partners
from gateway.console.pages.pending import give_way
from gateway.console.pages.refusals import why_not
from gateway.console.pages.typed import Typed, as_typed, read_typed, typable
from gateway.console.pages.values import typed
from gateway.console.requests import by_of
from gateway.console.whose import worker
from gateway.console.words import Words
from gateway.exchange.consenting import consents_of
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.drafting import NoSuchDraftError, Part, Place, drafts_of
from gateway.exchange.persons import person_of
from gateway.exchange.ports.departures import DepartureState
from gateway.exchange.releasing import open_parcel
from gateway.exchange.searching import Question, show_search
from gateway.people.offices import calendar_at
from gateway.people.roles import Permission

_NEW = "/s/nueva/{thread}"
_KIND, _SOUGHT = "search.request", RecordType.MISSING_PERSON.value
_ANSWERED_BY = (RecordType.UNIDENTIFIED_PERSON.value, RecordType.CUSTODY.value, RecordType.UNIDENTIFIED_REMAINS.value)
_WHOM = ("para", "fin", "base", "urgencia")
_MOST = 16
_NO_FLOW = N_("La política no deja preguntar ahí para eso, con esa base. Bajo cada institución dice para qué y con qué.")
_GONE = N_("Ya hay una solicitud pendiente a esa institución, sobre este caso.")


class AskPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._drafts = DraftAnswers(room.looks, room.node)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        ask = Permission.REQUESTS_ANSWER
        return (
            self._room.route("GET", _NEW, self._new, ask),
            self._room.route("POST", _NEW, self._prepare, ask),
            self._room.route("POST", f"{_NEW}/borrador", self._save_by_page, ask),
        )

    async def _new(self, request: web.Request) -> web.Response:
        told = self._looks.words(request)
        if "desde" in request.query:
            filled = await self._again(request, request.query["desde"])
            return await self._fields_page(request, filled, ())
        filled = Form({name: [request.query.get(name, "")] for name in _WHOM})
        if "seguir" in request.query:
            filled = Form((await self._begun(request, request.query["seguir"])).fields)
        elif "para" not in request.query:
            return await self._whom_page(request, filled, ())
        problems = self._whom_problems(filled, told)
        if problems:
            return await self._whom_page(request, filled, problems)
        if "seguir" not in request.query:
            filled = await self._filled(request, filled)
        return await self._fields_page(request, filled, ())

    # -- what was saved ------------------------------------------------------------------------------------------------

    async def _begun(self, request: web.Request, to: str) -> Part:
        """Return what this person left unfinished of a question to an institution; that somebody reads it is in the log first.

        Raises:
            NoSuchDraftError: they have begun none.
        """
        await self._room.record("case.person", request[CASE], request)
        kept = await self._drafts.kept(request, self._place(request, to).purpose)
        if not kept.version:
            raise NoSuchDraftError("no question that this person has begun")
        return kept

    async def _filled(self, request: web.Request, whom: Form) -> Form:
        """Return the form of which fields go and come: as it was left, or as is held. What was chosen is for one reason."""
        named, held = {name: [whom.text(name)] for name in _WHOM}, await self._values(request)
        kept = (await self._drafts.kept(request, self._place(request, whom.text("para")).purpose)).fields
        if kept and all(list(kept.get(name, ())) == named[name] for name in ("fin", "base")):
            return Form({**kept, **named})
        return Form({**held, **{name: values for name, values in kept.items() if name != "sale"}, **named})

    async def _save_by_page(self, request: web.Request) -> web.Response:
        return await self._drafts.saved_by_page(
            request, self._drafts.save(request, self._place(request, request[FORM].text("para")))
        )

    def _place(self, request: web.Request, to: str) -> Place:
        if to not in {item.code for item in Partners(_KIND, self._node, self._looks.words(request)).known(())}:
            raise NoSuchDraftError("nobody who may be asked")
        file = request[CASE]
        return Place(asking(file.ref, to), thread_id=file.thread)

    async def _unfinished(self, request: web.Request) -> list[tuple[str, str, datetime]]:
        """Return whom this person has begun to ask about the case, and when they last changed it."""
        start, person = asking(request[CASE].ref), by_of(request).person
        begun = await drafts_of(start, self._node, person=person)
        found = [(item.purpose.removeprefix(start), item.changed_at) for item in begun]
        # What has a blank is of another case, whose own name begins so.
        return [(to, self._looks.name(to), at) for to, at in found if " " not in to]

    # -- whom ----------------------------------------------------------------------------------------------------------

    async def _whom_page(self, request: web.Request, filled: Form, problems: Sequence[Problem]) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        partners = Partners(_KIND, self._node, told)
        return await self._looks.page(
            request,
            "solicitud_nueva.html",
            status=422 if problems else 200,
            **await self._room.head(request, file),
            filled=filled,
            problems=problems,
            begun=await self._unfinished(request),
            partners=partners.known(await self._room.operations.models.lanes()),
            purposes=partners.purposes(),
            bases=partners.bases(),
            urgencies=[(code, told.gettext(label)) for code, label in URGENCY.items()],
        )

    def _whom_problems(self, filled: Form, told: Words) -> list[Problem]:
        partners = Partners(_KIND, self._node, told)
        to, purpose, basis = filled.text("para"), filled.text("fin"), filled.text("base")
        checks = (
            ("para", to in {item.code for item in partners.known(())}, told.gettext("Elija a qué institución.")),
            ("fin", purpose in {item.code for item in partners.purposes()}, told.gettext("Diga para qué se pregunta.")),
            ("base", basis in {item.code for item in partners.bases()}, told.gettext("Diga en qué base legal descansa.")),
            ("urgencia", filled.text("urgencia") in set(Urgency), told.gettext("Diga qué tan urgente es.")),
        )
        problems = [Problem(anchor, text) for anchor, fine, text in checks if not fine]
        if not problems and not partners.lets(to, purpose, basis):
            why = told.gettext(_NO_FLOW)
            problems.append(Problem("para", why))
        return problems

    # -- which fields --------------------------------------------------------------------------------------------------

    async def _values(self, request: web.Request) -> dict[str, list[str]]:
        """Return what is held of the person, as it would be typed; that somebody reads it is in the log first."""
        file = request[CASE]
        await self._room.record("case.person", file, request)
        known = self._known()
        found: dict[str, list[str]] = {}
        for record_type, claims in await person_of(file.thread, self._node):
            if record_type == _SOUGHT:
                found |= {f"v-{name}": [typed(known[name], value)] for name, value in claims.items() if name in known}
        return found

    def _known(self) -> dict[str, FieldDefinition]:
        return typable(self._node.trust().policy, _SOUGHT)

    async def _fields_page(
        self, request: web.Request, filled: Form, problems: Sequence[Problem], refused: str = "", link: str = ""
    ) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        events, _ = await consents_of(str(file.thread), self._node)
        partners, to = Partners(_KIND, self._node, told), filled.text("para")
        kept = await self._drafts.kept(request, self._place(request, to).purpose)
        may = partners.now(to, (filled.text("fin"), filled.text("base")), events)
        return await self._looks.page(
            request,
            "solicitud_campos.html",
            status=422 if problems or refused else 200,
            **await self._room.head(request, file),
            filled=filled,
            problems=problems,
            refused=refused,
            link=link,
            version=kept.version,
            saved=await self._drafts.saved_at(request, kept),
            to=self._looks.name(to),
            sought=self._sought(filled, may, told),
            wanted=self._wanted(filled, told),
            carried=[(name, filled.text(name)) for name in _WHOM],
        )

    def _sought(self, filled: Form, may: Mapping[str, tuple[bool, str]], told: Words) -> list[Typed]:
        """Return the fields that may leave to that institution, and those that are held and may not, which stand last."""
        rows = []
        for name, found in self._known().items():
            fine, why = may.get(name, (False, ""))
            if fine or filled.text(f"v-{name}"):
                rows.append(as_typed(found, filled, told, may=fine, why=why))
        return sorted(rows, key=lambda row: not row.may)

    def _wanted(self, filled: Form, told: Words) -> list[tuple[str, str, bool]]:
        """Return what may be asked for: fields that whoever is asked may give us, by the policy."""
        trust = self._node.trust()
        role = trust.member(self._node.us).role
        found: dict[str, str] = {}
        for record in (*_ANSWERED_BY, _SOUGHT):
            rule = trust.policy.rule_for(record, "search.response", role, filled.text("fin"))
            for name, field in trust.policy.fields_of(record).items() if rule is not None else ():
                if rule is not None and rule.form_of(name) is not None and field.kind != "attachments":
                    found.setdefault(str(name), field.label(told.lang))
        return [(name, label, name in filled.every("pide")) for name, label in sorted(found.items(), key=lambda item: item[1])]

    async def _again(self, request: web.Request, departure: str) -> Form:
        found, parcel, _ = await open_parcel(departure_of(departure), self._node)
        draft, known = parcel.drafts[0], self._known()
        mine = found.drafted_by == by_of(request).person and found.state is DepartureState.SHOWN
        if not mine or draft.case_key != request[CASE].ref or not isinstance(draft.body, SearchRequestBody):
            raise NoSuchDepartureError("nothing of that id was shown to this person")
        values = await self._values(request)
        for record in draft.records:
            values |= {f"v-{name}": [typed(known[name], value)] for name, value in record.values.items() if name in known}
        fields = {
            "para": [str(draft.to)],
            "fin": [str(draft.purpose)],
            "base": [str(draft.basis)],
            "urgencia": [draft.body.urgency.value],
            "pide": [str(name) for name in draft.body.want],
            "sale": [name for record in draft.records for name in record.values],
        }
        return Form({**values, **fields})

    # -- prepared ------------------------------------------------------------------------------------------------------

    async def _prepare(self, request: web.Request) -> web.Response:
        form, to = request[FORM], request[FORM].text("para")
        whom = self._whom_problems(form, self._looks.words(request))
        if whom:
            return await self._whom_page(request, form, whom)
        again, later = f"{request.path}?seguir={to}", f"{request[CASE].address}?hecho=guardado"
        stopped = await self._drafts.stopped(request, self._place(request, to), again=again, later=later)
        return stopped or await self._checked(request)

    async def _checked(self, request: web.Request) -> web.Response:
        form, told, file = request[FORM], self._looks.words(request), request[CASE]
        problems: list[Problem] = []
        question = self._read(file, form, problems, told)
        if question is None:
            return await self._fields_page(request, form, problems)
        by = await worker(request, Permission.REQUESTS_ANSWER, self._room.desk)
        office = only_office(by.offices)
        due_by = replace(question, calendar=await calendar_at(office, self._room.desk))
        try:
            shown = await show_search(due_by, self._node, by=by.by, office=office)
        except NotPermittedError as error:
            return await self._fields_page(request, form, (), refused=why_not(error, told))
        link = await give_way(shown.id, self._node, by=by_of(request))
        if link:
            return await self._fields_page(request, form, (), refused=told.gettext(_GONE), link=link)
        return web.Response(status=303, headers={"Location": f"/enviar/{shown.id}"})

    def _read(self, file: CaseFile, form: Form, problems: list[Problem], told: Words) -> Question | None:
        known, now = self._known(), self._node.clock.now()
        chosen = [name for name in known if name in form.every("sale")]
        values = read_typed(known, chosen, form, problems, told, now=now, needed=True)
        may = {name for name, _, _ in self._wanted(form, told)}
        want = tuple(dict.fromkeys(Code(name) for name in form.every("pide") if name in may))
        if not 0 < len(want) <= _MOST:
            problems.append(Problem("pide", told.gettext("Marque qué se pregunta: entre 1 y 16 datos.")))
        if not values and not problems:
            why = told.gettext("Elija al menos un dato de la persona que salga: sin él no se puede buscar.")
            problems.append(Problem("tabla", why))
        if problems:
            return None
        return Question(
            to=NodeId(form.text("para")),
            want=want,
            purpose=Code(form.text("fin")),
            basis=Code(form.text("base")),
            case_ref=file.ref,
            records=(SourceRecord(_SOUGHT, values),),
            urgency=Urgency(form.text("urgencia")),
        )
