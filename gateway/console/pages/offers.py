"""A referral begun from a case, as a list of tasks. What it offers names nobody; data leave after it is accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.errors import NotPermittedError
from contracts.ids import Code, NodeId
from contracts.messages import ReferralOfferBody, Urgency
from contracts.services import SERVICES, Service
from gateway.console.access import Route
from gateway.console.eyes import open_offices
from gateway.console.marking import N_
from gateway.console.pages.answering import departure_of
from gateway.console.pages.answers import Problem
from gateway.console.pages.bodies import MINOR, PLACES, URGENCY
from gateway.console.pages.case_room import CASE, CaseFile, CaseRoom
from gateway.console.pages.drafts import DraftAnswers, offering
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.languages import LANGUAGES
from gateway.console.pages.partners import Partners
from gateway.console.pages.pending import give_way
from gateway.console.pages.refusals import why_not
from gateway.console.pages.timeline import scopes_in_words
from gateway.console.requests import by_of
from gateway.console.whose import worker
from gateway.console.words import Words
from gateway.exchange.consenting import consents_of
from gateway.exchange.deadlines import answer_due
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.drafting import Place
from gateway.exchange.ports.departures import DepartureState
from gateway.exchange.referrals import Offer, show_offer
from gateway.exchange.releasing import open_parcel
from gateway.exchange.work import Worker
from gateway.people.offices import calendar_at
from gateway.people.roles import Permission

_NEW = "/r/nueva/{thread}"
_KIND = "referral.offer"
DONE, BEGUN, TO_DO = N_("Hecha"), N_("Empezada"), N_("No empezada")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the list: where it stands on the page, what it is called, how far it is."""

    anchor: str
    label: str
    state: str


class OfferPages:
    """The handlers."""

    def __init__(self, room: CaseRoom) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._drafts = DraftAnswers(room.looks, room.node)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        send = Permission.REFERRALS_SEND
        return (
            self._room.route("GET", _NEW, self._new, send),
            self._room.route("POST", _NEW, self._prepare, send),
            self._room.route("POST", f"{_NEW}/borrador", self._save_by_page, send),
        )

    async def _new(self, request: web.Request) -> web.Response:
        if "desde" in request.query:
            filled = await self._again(request, request.query["desde"])
        else:
            filled = Form((await self._drafts.kept(request, _place(request).purpose)).fields)
        return await self._page(request, filled, ())

    async def _save_by_page(self, request: web.Request) -> web.Response:
        return await self._drafts.saved_by_page(request, self._drafts.save(request, _place(request)))

    async def _page(
        self, request: web.Request, filled: Form, problems: Sequence[Problem], refused: str = "", link: str = ""
    ) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        partners, kept = Partners(_KIND, self._node, told), await self._drafts.kept(request, _place(request).purpose)
        _, holding = await consents_of(str(file.thread), self._node)
        by = await worker(request, Permission.REFERRALS_SEND, self._room.desk)
        chosen = filled.text("para"), filled.text("fin")
        known = partners.known(await self._room.operations.models.lanes())
        to = next((item for item in known if item.code == chosen[0]), None)
        return await self._looks.page(
            request,
            "referencia_nueva.html",
            status=422 if problems or refused else 200,
            **await self._room.head(request, file),
            filled=filled,
            problems=problems,
            refused=refused,
            link=link,
            version=kept.version,
            saved=await self._drafts.saved_at(request, kept),
            tasks=_tasks(filled, told),
            partners=known,
            to=to,
            may=[] if to is None else partners.may_receive(to.code, "referral.update", chosen[1]),
            purposes=partners.purposes(),
            bases=partners.bases(),
            services=sorted(_services(told), key=lambda item: item[1]),
            minors=[(code, told.gettext(label)) for code, label in MINOR.items()],
            urgencies=[(code, told.gettext(label)) for code, label in URGENCY.items()],
            languages=list(LANGUAGES.items()),
            departments=list(PLACES.items()),
            offices=await self._offices(by, told),
            agreed=scopes_in_words({scope for _, scope in holding.scopes}, told),
        )

    async def _offices(self, by: Worker, told: Words) -> list[tuple[str, str]]:
        found = [office for office in await open_offices(self._room.desk) if office.code in by.offices]
        return [(str(office.code), office.name(told.lang)) for office in found]

    async def _again(self, request: web.Request, departure: str) -> Form:
        """Return the form of what somebody was shown, to change it; that one is dropped when another is made."""
        found, parcel, _ = await open_parcel(departure_of(departure), self._node)
        draft = parcel.drafts[0]
        mine = found.drafted_by == by_of(request).person and found.state is DepartureState.SHOWN
        if (
            not mine
            or found.kind != _KIND
            or draft.case_key != request[CASE].ref
            or not isinstance(draft.body, ReferralOfferBody)
        ):
            raise NoSuchDepartureError("nothing of that id was shown to this person")
        body = draft.body
        fields = {
            "menor": body.minor,
            "idioma": str(body.language or ""),
            "departamento": str(body.department or ""),
            "servicio": body.service.value,
            "urgencia": body.urgency.value,
            "fin": str(draft.purpose),
            "base": str(draft.basis),
            "para": str(draft.to),
            "oficina": str(found.office or ""),
            "antes": str(found.id),
        }
        return Form({name: [value] for name, value in fields.items()})

    # -- prepared ------------------------------------------------------------------------------------------------------

    async def _prepare(self, request: web.Request) -> web.Response:
        later = f"{request[CASE].address}?hecho=guardado"
        stopped = await self._drafts.stopped(request, _place(request), again=request.path, later=later)
        return stopped or await self._checked(request)

    async def _checked(self, request: web.Request) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        if form.text("paso") == "ver":
            return await self._page(request, form, ())
        by = await worker(request, Permission.REFERRALS_SEND, self._room.desk)
        problems: list[Problem] = []
        offer = await self._read(request[CASE], form, by, problems, told)
        if offer is None:
            return await self._page(request, form, problems)
        try:
            shown = await show_offer(offer, self._node, by=by)
        except NotPermittedError as error:
            return await self._page(request, form, (), refused=why_not(error, told))
        link = await give_way(shown.id, self._node, by=by_of(request))
        if link:
            why = told.gettext("Ya hay una pendiente de ese servicio con esa institución, sobre este caso.")
            return await self._page(request, form, (), refused=why, link=link)
        return web.Response(status=303, headers={"Location": f"/enviar/{shown.id}"})

    async def _read(self, file: CaseFile, form: Form, by: Worker, problems: list[Problem], told: Words) -> Offer | None:
        partners = Partners(_KIND, self._node, told)
        to, purpose, basis = form.text("para"), form.text("fin"), form.text("base")
        office = next((code for code in sorted(by.offices) if code == form.text("oficina") or len(by.offices) == 1), None)
        checks = (
            ("menor", form.text("menor") in MINOR, told.gettext("Diga si la persona es menor de edad, o puede serlo.")),
            ("servicio", form.text("servicio") in set(Service), told.gettext("Elija el servicio que se pide.")),
            ("urgencia", form.text("urgencia") in set(Urgency), told.gettext("Diga qué tan urgente es.")),
            ("fin", purpose in {item.code for item in partners.purposes()}, told.gettext("Diga para qué se refiere.")),
            ("base", basis in {item.code for item in partners.bases()}, told.gettext("Diga en qué base legal descansa.")),
            ("para", to in {item.code for item in partners.known(())}, told.gettext("Elija a qué institución.")),
            ("idioma", form.text("idioma") in {"", *LANGUAGES}, told.gettext("Elija el idioma de la lista.")),
            (
                "departamento",
                form.text("departamento") in {"", *PLACES},
                told.gettext("Elija el departamento de la lista."),
            ),
            ("oficina", office is not None, told.gettext("Diga qué oficina la sigue.")),
        )
        problems += [Problem(anchor, text) for anchor, fine, text in checks if not fine]
        if not problems and not partners.lets(to, purpose, basis):
            why = told.gettext(
                "La política no deja referir ahí para eso, con esa base. Bajo cada institución dice para qué y con qué."
            )
            problems.append(Problem("para", why))
        if problems or office is None:
            return None
        calendar, urgency = await calendar_at(office, self._room.desk), Urgency(form.text("urgencia"))
        why_codes, node = (Code(purpose), Code(basis)), NodeId(to)
        return Offer(
            to=node,
            case_ref=file.ref,
            office=Code(office),
            service=Service(form.text("servicio")),
            urgency=urgency,
            minor=_minor(form.text("menor")),
            purpose=why_codes[0],
            basis=why_codes[1],
            deadline=answer_due(self._node, _KIND, node, why_codes, urgency, calendar),
            language=form.text("idioma") or None,
            department=Code(form.text("departamento")) if form.text("departamento") else None,
        )


def _place(request: web.Request) -> Place:
    file = request[CASE]
    return Place(offering(file.ref), thread_id=file.thread)


def _minor(text: str) -> Any:
    return text


def _services(told: Words) -> list[tuple[str, str]]:
    return [(service.value, label.en if told.lang == "en" else label.es) for service, label in SERVICES.items()]


def _tasks(form: Form, told: Words) -> list[Task]:
    """Return the tasks; one that was not begun and one that is half done are two different things."""
    parts = (
        ("t1", told.gettext("Persona"), ("menor",), ("idioma", "departamento")),
        ("t2", told.gettext("Motivo y servicio pedido"), ("servicio", "urgencia", "fin"), ()),
        ("t3", told.gettext("Consentimiento"), ("base",), ()),
        ("t4", told.gettext("Destino"), ("para",), ()),
    )
    found = []
    for anchor, label, needed, more in parts:
        filled = [bool(form.text(name)) for name in needed]
        begun = any(filled) or any(form.text(name) for name in more)
        found.append(Task(anchor, label, told.gettext(DONE if all(filled) else BEGUN if begun else TO_DO)))
    chosen = bool(form.text("para") and form.text("fin"))
    found.append(
        Task(
            "t5", told.gettext("Qué datos salen"), told.gettext("Ninguno hasta que acepten") if chosen else told.gettext(TO_DO)
        )
    )
    return [*found, Task("t6", told.gettext("Revisar y enviar"), told.gettext(TO_DO))]
