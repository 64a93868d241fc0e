"""What the person located wants told, checking an identity from a case, and the end of a case: in words that do not hurt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from contracts.alike import Closing
from contracts.consents import Wish
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, Folio
from contracts.messages import Urgency
from contracts.register import Role
from gateway.console.access import Route
from gateway.console.eyes import only_office
from gateway.console.marking import N_
from gateway.console.pages.answers import HOW, Problem
from gateway.console.pages.bodies import DOUBTS
from gateway.console.pages.case_room import CASE, ONE, CaseFile, CaseRoom
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.partners import Partners
from gateway.console.pages.pending import give_way
from gateway.console.pages.refusals import why_not
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.typed import Typed, as_typed, read_typed, typable
from gateway.console.pages.values import typed
from gateway.console.requests import by_of
from gateway.console.whose import worker
from gateway.console.words import Words
from gateway.exchange.desk import addressee
from gateway.exchange.identities import DOUBTS as ASKABLE
from gateway.exchange.identities import Check, show_check
from gateway.exchange.located import close_case, record_wish
from gateway.exchange.persons import person_of
from gateway.people.offices import calendar_at
from gateway.people.roles import Permission

_WISH, _CLOSE, _IDENTITY = f"{ONE}/voluntad", f"{ONE}/cerrar", f"{ONE}/identidad"
_KIND, _SOUGHT = "identity.check", RecordType.MISSING_PERSON.value
WISHES: Mapping[str, tuple[str, str]] = {
    Wish.CONTACT.value: (N_("Quiere que su familia sepa y pueda contactarle"), N_("Sale lo que usted elija al responder.")),
    Wish.SEALED_MESSAGES_ONLY.value: (
        N_("Quiere sólo recibir mensajes, sin que se sepa dónde está"),
        N_("Sale que está con vida, y que acepta mensajes."),
    ),
    Wish.ALIVE_ONLY.value: (N_("Quiere sólo que se sepa que está con vida"), N_("Sale eso, y ningún dato.")),
    Wish.SILENCE.value: (N_("No quiere que se diga nada"), N_("Sale «sin información», igual que si no estuviera.")),
    Wish.CANNOT_SAY.value: (N_("No puede decirlo ahora"), N_("Decide la política, según la base legal.")),
    Wish.UNDECIDED.value: (N_("Todavía no se le ha preguntado, o quiere pensarlo"), N_("No sale nada de la persona.")),
}
CLOSINGS: Mapping[str, str] = {
    Closing.FOUND_ALIVE_CONTACT.value: N_("Apareció con vida y quiso contacto"),
    Closing.FOUND_ALIVE_NO_CONTACT.value: N_("Apareció con vida y no quiso contacto"),
    Closing.RETURNED.value: N_("Volvió"),
    Closing.DETAINED.value: N_("Está bajo custodia, y su familia lo sabe"),
    Closing.FOUND_DEAD.value: N_("Fue identificada, y su familia ya recibió la noticia en persona"),
    Closing.WITHDRAWN_BY_FAMILY.value: N_("La familia pidió que no se siga"),
    Closing.HANDED_OVER.value: N_("Lo lleva ahora otra institución"),
    Closing.MERGED.value: N_("Es la misma persona de otro expediente"),
    Closing.OPENED_IN_ERROR.value: N_("Se abrió por error"),
}


class EndingPages:
    """The handlers."""

    def __init__(self, room: CaseRoom, requests: RequestPages) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._requests = requests

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        route, ask = self._room.route, Permission.REQUESTS_ANSWER
        return (
            route("GET", _WISH, self._wish, Permission.CONSENTS_RECORD),
            route("POST", _WISH, self._wished, Permission.CONSENTS_RECORD),
            route("GET", _CLOSE, self._close, Permission.CASES_CLOSE),
            route("POST", _CLOSE, self._closed, Permission.CASES_CLOSE),
            route("GET", _IDENTITY, self._identity, ask),
            route("POST", _IDENTITY, self._checked, ask),
        )

    # -- what they want ------------------------------------------------------------------------------------------------

    async def _wish(self, request: web.Request) -> web.Response:
        return await self._wish_page(request, Form({}), ())

    async def _wish_page(self, request: web.Request, filled: Form, problems: Sequence[Problem]) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        return await self._looks.page(
            request,
            "voluntad.html",
            status=422 if problems else 200,
            **await self._room.head(request, file),
            wishes=[(code, told.gettext(label), told.gettext(more)) for code, (label, more) in WISHES.items()],
            how=[(code, told.gettext(label)) for code, label in HOW.items()],
            filled=filled,
            problems=problems,
            key=self._requests.fresh_key(),
        )

    async def _wished(self, request: web.Request) -> web.Response:
        file, form, told = request[CASE], request[FORM], self._looks.words(request)
        problems = []
        if form.text("voluntad") not in WISHES:
            problems.append(Problem("voluntad", told.gettext("Diga qué quiere la persona.")))
        if form.text("como") not in HOW:
            problems.append(Problem("como", told.gettext("Diga cómo lo dijo la persona.")))
        if problems:
            return await self._wish_page(request, form, problems)
        if not await self._requests.first_time(request):
            return _back(file, "ya")
        wish, how = Wish(form.text("voluntad")), Code(form.text("como"))
        await record_wish(file.ref, wish, how, self._node, by=by_of(request), thread=file.thread)
        return _back(file, "voluntad")

    # -- the end -------------------------------------------------------------------------------------------------------

    async def _close(self, request: web.Request) -> web.Response:
        return await self._close_page(request, "")

    async def _close_page(self, request: web.Request, error: str, status: int = 422) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        trust = self._node.trust()
        ours = trust.member(self._node.us).role is Role.SEARCH_MECHANISM and file.row["folio"] and file.row["kind"] == "report"
        return await self._looks.page(
            request,
            "cerrar.html",
            status=status if error else 200,
            **await self._room.head(request, file),
            closings=[(code, told.gettext(label)) for code, label in CLOSINGS.items()],
            ours=bool(ours),
            error=error,
        )

    async def _closed(self, request: web.Request) -> web.Response:
        file, told, closing = request[CASE], self._looks.words(request), request[FORM].text("final")
        if closing not in CLOSINGS:
            return await self._close_page(request, told.gettext("Elija cómo terminó. Se queda en este nodo."))
        if file.over:
            return _back(file, "ya")
        if file.row["folio"] is None:
            return await self._close_page(request, told.gettext("Sólo el MBMID cierra un caso, y cuando tiene folio."), 403)
        try:
            closed = await close_case(Folio(file.row["folio"]), Closing(closing), self._node, by=by_of(request))
        except NotPermittedError:
            return await self._close_page(request, told.gettext("Sólo el MBMID cierra un caso, y una sola vez."), 403)
        return _back(file, "segunda" if closed is None else "cerrado")

    # -- is this right? ------------------------------------------------------------------------------------------------

    async def _identity(self, request: web.Request) -> web.Response:
        file = request[CASE]
        await self._room.record("case.person", file, request)
        known = self._known()
        values: dict[str, list[str]] = {}
        for record_type, claims in await person_of(file.thread, self._node):
            if record_type == _SOUGHT:
                values |= {f"v-{name}": [typed(known[name], value)] for name, value in claims.items() if name in known}
        return await self._identity_page(request, Form(values), ())

    def _known(self) -> dict[str, Any]:
        return typable(self._node.trust().policy, _SOUGHT)

    async def _identity_page(
        self, request: web.Request, filled: Form, problems: Sequence[Problem], refused: str = "", link: str = ""
    ) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        partners = Partners(_KIND, self._node, told)
        return await self._looks.page(
            request,
            "identidad_nueva.html",
            status=422 if problems or refused else 200,
            **await self._room.head(request, file),
            filled=filled,
            problems=problems,
            refused=refused,
            link=link,
            doubts=[(code, told.gettext(label)) for code, label in DOUBTS.items()],
            purposes=partners.purposes(),
            bases=partners.bases(),
            partners=partners.known(()),
            rows=self._rows(filled, told),
        )

    def _rows(self, filled: Form, told: Words) -> list[Typed]:
        """Return the fields that may be sent to the civil registry, whatever it is asked for."""
        trust = self._node.trust()
        rules = [rule for rule in trust.policy.rules if rule.record == _SOUGHT and _KIND in rule.kinds]
        names = {str(name) for rule in rules for name in rule.fields}
        return [as_typed(found, filled, told) for name, found in self._known().items() if name in names]

    async def _checked(self, request: web.Request) -> web.Response:
        file, form, told = request[CASE], request[FORM], self._looks.words(request)
        problems: list[Problem] = []
        check = self._read(file, form, problems, told)
        if check is None:
            return await self._identity_page(request, form, problems)
        by = await worker(request, Permission.REQUESTS_ANSWER, self._room.desk)
        office = only_office(by.offices)
        due_by = replace(check, calendar=await calendar_at(office, self._room.desk))
        try:
            shown = await show_check(due_by, self._node, by=by.by, office=office)
        except NotPermittedError as error:
            return await self._identity_page(request, form, (), refused=why_not(error, told))
        link = await give_way(shown.id, self._node, by=by_of(request))
        if link:
            why = told.gettext("Ya hay una comprobación pendiente sobre este caso.")
            return await self._identity_page(request, form, (), refused=why, link=link)
        return web.Response(status=303, headers={"Location": f"/enviar/{shown.id}"})

    def _read(self, file: CaseFile, form: Form, problems: list[Problem], told: Words) -> Check | None:
        partners, now = Partners(_KIND, self._node, told), self._node.clock.now()
        purpose, basis = form.text("fin"), form.text("base")
        doubt = next((code for code in ASKABLE if code == form.text("duda")), None)
        checks = (
            ("duda", doubt is not None, told.gettext("Elija qué se pregunta.")),
            ("fin", purpose in {item.code for item in partners.purposes()}, told.gettext("Diga para qué se pregunta.")),
            ("base", basis in {item.code for item in partners.bases()}, told.gettext("Diga en qué base legal descansa.")),
        )
        problems += [Problem(anchor, text) for anchor, fine, text in checks if not fine]
        rows = self._rows(form, told)
        chosen = [row.name for row in rows if row.chosen]
        values = read_typed(self._known(), chosen, form, problems, told, now=now, needed=True)
        if not values and not problems:
            problems.append(Problem("tabla", told.gettext("Elija al menos un dato que comprobar.")))
        if problems or doubt is None:
            return None
        addressee(self._node.trust(), Role.CIVIL_REGISTRY, now)  # refused here, in words, where there is none
        return Check(
            doubt=doubt,
            purpose=Code(purpose),
            basis=Code(basis),
            case_ref=file.ref,
            record=SourceRecord(_SOUGHT, values),
            urgency=Urgency.NORMAL,
        )


def _back(file: CaseFile, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{file.address}?hecho={done}"})
