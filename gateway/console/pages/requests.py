"""A request as an officer reads it, and the short answers: nothing to tell, more time, more fields, no answer."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from aiohttp import web

from contracts.alike import ABOUT_THE_OFFICE
from contracts.errors import NotPermittedError
from contracts.fields import Sensitivity
from contracts.ids import Code, MessageId, ThreadId
from contracts.messages import DisclosureRequest, IdentityCheck, SearchRequest
from contracts.policy.words import word
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import calendar_here, eyes_of, may_pass_on, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.bodies import URGENCY
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.history import Told, history, told_done
from gateway.console.pages.looks import Looks
from gateway.console.pages.once import first_time, fresh_key
from gateway.console.pages.own_questions import own_question_page
from gateway.console.pages.questions import basis_in_words, purpose_in_words, sought, wanted
from gateway.console.requests import by_of
from gateway.console.staff import names_of
from gateway.console.whose import worker, zone_of
from gateway.console.words import Words
from gateway.console.work_words import due_words
from gateway.exchange import responding, searching
from gateway.exchange.asked import Asked, NoSuchRequestError, candidate_of, request_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.drafting import drop_finished
from gateway.exchange.folios import folio
from gateway.exchange.work import NoSuchWorkError, WorkTakenError, take_work
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.worklists import WorkLists
from gateway.web import Handler

SEARCHED = {
    "registro-de-la-oficina": N_("Registro de esta oficina"),
    "libro-de-visitas-y-llamadas": N_("Visitas, llamadas y correos"),
    "visitas-a-detenidos": N_("Visitas y listas de personas detenidas"),
    "hospitales-y-albergues": N_("Hospitales y albergues"),
    "otra-fuente": N_("Otra fuente"),
}
"""Where an office can have looked. The code stays in this node's log."""
REASONS = {
    "not-competent": N_("No nos corresponde"),
    "no-access": N_("No tenemos acceso a esos datos"),
    "no-capacity": N_("Nadie puede buscarlo ahora"),
    "out-of-service": N_("El sistema donde se busca no funciona"),
    "other": N_("Otro motivo"),
}
"""The first four are about the office and are told as that it cannot answer; any other may be about the person (SPEC 18.7)."""
ANSWERS = frozenset({"search.response", "disclosure.grant", "identity.answer"})
_ONE = "/s/{message_id}"
_WORK: web.RequestKey[dict[str, Any] | None] = web.RequestKey("work", dict)
_LATER = timedelta(days=3)


class RequestPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._lists = WorkLists(operations.models.engine)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, answer = Permission.REQUESTS_READ, Permission.REQUESTS_ANSWER
        return (
            Route("GET", _ONE, self.seen(self._show), read, Face.PAGE),
            Route("POST", f"{_ONE}/tomar", self.seen(self._take), Permission.WORK_TAKE, Face.PAGE),
            Route("GET", f"{_ONE}/sin-informacion", self.seen(self._nothing), answer, Face.PAGE),
            Route("POST", f"{_ONE}/sin-informacion", self.seen(self._say_nothing), answer, Face.PAGE),
            Route("GET", f"{_ONE}/prorroga", self.seen(self._later), answer, Face.PAGE),
            Route("POST", f"{_ONE}/prorroga", self.seen(self._say_later), answer, Face.PAGE),
            Route("GET", f"{_ONE}/aclaracion", self.seen(self._more), answer, Face.PAGE),
            Route("POST", f"{_ONE}/aclaracion", self.seen(self._ask_more), answer, Face.PAGE),
            Route("GET", f"{_ONE}/rechazo", self.seen(self._decline), answer, Face.PAGE),
            Route("POST", f"{_ONE}/rechazo", self.seen(self._say_declined), answer, Face.PAGE),
        )

    def seen(self, handler: Handler) -> Handler:
        """Return the handler for those who may see the request: of another office's nobody is told that it is there."""

        async def seen(request: web.Request) -> web.StreamResponse:
            eyes = await eyes_of(request, Permission.REQUESTS_READ, self._desk)
            if await self._operations.work.hidden(request_id_of(request), eyes):
                raise NoSuchRequestError("the work of another office")
            return await handler(request)

        return seen

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        request_id, by, told = request_id_of(request), by_of(request), self._looks.words(request)
        await self._desk.record(f"request.open {request_id}", actor=by.actor)  # first: nobody reads it unseen
        own = await searching.own_question(request_id, self._node)
        if own is not None:
            return await own_question_page(request, own, self._looks, self._node)
        if isinstance((await request_of(request_id, self._node)).message, IdentityCheck):
            return web.Response(status=303, headers={"Location": f"/i/{request_id}"})
        asked = await asked_for_fields(request_id, self._node)
        waiting, work, names = (
            await self._waiting(request_id),
            await self._work(request, request_id),
            await names_of(self._desk),
        )
        offices = await open_offices(self._desk)
        lines = await history(request_id, work, names, offices, self._operations, told)
        done = told_done(request.query.get("hecho", ""), work, waiting, Told(lines, names, by.actor), told)
        return await self._looks.page(
            request,
            "solicitud.html",
            **await self.head(request, asked),
            sought=sought(asked, self._operations, told),
            wanted=wanted(asked, self._operations, told),
            done=done,
            waiting=waiting,
            prepared_by="" if waiting is None else names.get(waiting["drafted_by"], ""),
            work=work,
            history=lines,
            answers=request[PRINCIPAL].may(Permission.REQUESTS_ANSWER),
            moves=may_pass_on(request, work),
        )

    async def head(self, request: web.Request, asked: Asked) -> dict[str, Any]:
        """Return what stands at the top of each page about a request: who asks, for what, on what basis, until when."""
        message, told = asked.message, self._looks.words(request)
        offices, policy = await open_offices(self._desk), self._node.trust().policy
        item = await self._work(request, MessageId(message.message_id))
        zone = zone_of(None if item is None else item["office"], offices)
        deadline = None if item is None or item["due"] is None else datetime.fromisoformat(item["due"])
        if deadline is None and message.deadline is not None:
            deadline = datetime.fromtimestamp(message.deadline, UTC)
        machine = "search" if isinstance(message, SearchRequest) else "disclosure"
        return {
            "asked": asked,
            "address": f"/s/{message.message_id}",
            "folio": folio(machine, message.message_id),
            "kind": word("kind", message.type, told.lang),
            "peer": self._looks.name(message.sender),
            "purpose": purpose_in_words(policy, message.purpose, told),
            "basis": basis_in_words(policy, message.basis, told),
            "deadline": deadline,
            "due": told.gettext("sin plazo") if deadline is None else due_words(deadline, self._node.clock.now(), zone, told),
            "office_zone": zone,
            "urgency": told.gettext(URGENCY[message.body.urgency.value]) if isinstance(message, SearchRequest) else "",
        }

    async def _work(self, request: web.Request, request_id: MessageId) -> dict[str, Any] | None:
        if _WORK not in request:  # asked for once, however many parts of the page need it
            seen = await eyes_of(request, Permission.REQUESTS_READ, self._desk)
            request[_WORK] = await self._operations.work.one(request_id, seen, "search", "disclosure")
        return request[_WORK]

    async def _take(self, request: web.Request) -> web.Response:
        request_id = request_id_of(request)
        by = await worker(request, Permission.WORK_TAKE, self._desk)
        try:
            await take_work(request_id, self._node, by=by)
        except NoSuchWorkError:
            raise NoSuchRequestError("no such work") from None
        except WorkTakenError:
            return back(request_id, "de-otra-persona")
        return back(request_id, "tomada")

    # -- nothing to tell -----------------------------------------------------------------------------------------------

    async def _nothing(self, request: web.Request) -> web.Response:
        return await self._nothing_page(request, Form({}), "")

    async def _nothing_page(self, request: web.Request, form: Form, error: str) -> web.Response:
        asked, told = await self.open_request(request), self._looks.words(request)
        head = await self.head(request, asked)
        return await self._looks.page(
            request,
            "sin_informacion.html",
            status=422 if error else 200,
            **head,
            sources=[(code, told.gettext(label), code in form.every("fuente")) for code, label in SEARCHED.items()],
            as_of=form.text("hasta") or _local(self._node.clock.now(), head["office_zone"]),
            error=error,
        )

    async def _say_nothing(self, request: web.Request) -> web.Response:
        request_id, form, told = request_id_of(request), request[FORM], self._looks.words(request)
        if await self.answered(request_id):
            return back(request_id, "ya")
        zone = (await self.head(request, await self.open_request(request)))["office_zone"]
        searched = tuple(Code(code) for code in form.every("fuente") if code in SEARCHED)
        as_of = local_moment(form.text("hasta"), zone)
        if not searched:
            return await self._nothing_page(request, form, told.gettext("Marque al menos una fuente: dónde se buscó."))
        if as_of is None or as_of > self._node.clock.now():
            why = told.gettext("Diga hasta qué día y hora llegaba lo que se consultó; no puede ser después de ahora.")
            return await self._nothing_page(request, form, why)
        by = by_of(request)
        answering = responding.no_information(request_id, self._node, by=by, searched=searched, as_of=as_of)
        return await self.once(request_id, answering, "sin-informacion")

    # -- later ---------------------------------------------------------------------------------------------------------

    async def _later(self, request: web.Request) -> web.Response:
        return await self._later_page(request, "", "")

    async def _later_page(self, request: web.Request, until: str, error: str) -> web.Response:
        asked = await self.open_request(request)
        head = await self.head(request, asked)
        proposed = (head["deadline"] or self._node.clock.now()) + _LATER
        said = {"until": until or _local(proposed, head["office_zone"]), "error": error, "key": self.fresh_key()}
        return await self._looks.page(request, "prorroga.html", status=422 if error else 200, **head, **said)

    async def _say_later(self, request: web.Request) -> web.Response:
        request_id, form, told = request_id_of(request), request[FORM], self._looks.words(request)
        head = await self.head(request, await self.open_request(request))
        until = local_moment(form.text("hasta"), head["office_zone"])
        if until is None or until <= max(self._node.clock.now(), head["deadline"] or datetime.min.replace(tzinfo=UTC)):
            why = told.gettext("El nuevo plazo tiene que ser después del que hay, y después de ahora.")
            return await self._later_page(request, form.text("hasta"), why)
        if not await self.first_time(request):
            return back(request_id, "ya")
        await responding.extend(request_id, until, self._node, by=by_of(request))
        return back(request_id, "prorroga")

    # -- more fields ---------------------------------------------------------------------------------------------------

    async def _more(self, request: web.Request) -> web.Response:
        return await self._more_page(request, "")

    async def _more_page(self, request: web.Request, error: str) -> web.Response:
        asked, told = await self.open_request(request), self._looks.words(request)
        fields = [(name, label) for name, label in self._askable(asked, told)]
        chosen = request[FORM].every("campo") if error else ()
        said = {"fields": fields, "chosen": chosen, "error": error, "key": self.fresh_key()}
        return await self._looks.page(
            request, "aclaracion.html", status=422 if error else 200, **await self.head(request, asked), **said
        )

    def _askable(self, asked: Asked, told: Words) -> list[tuple[str, str]]:
        """Return the fields of the person sought that the other side could give us: by its policy, and not there yet."""
        trust, known = self._node.trust(), candidate_of(asked, self._node)
        rule = trust.policy.rule_for(
            "missing-person", "disclosure.grant", trust.member(self._node.us).role, asked.message.purpose
        )
        fields = trust.policy.fields_of("missing-person")
        may = () if rule is None else [name for name in fields if rule.form_of(name) is not None and name not in known]
        return [(name, fields[name].label(told.lang)) for name in may if fields[name].sensitivity < Sensitivity.PROTECTED]

    async def _ask_more(self, request: web.Request) -> web.Response:
        request_id, told = request_id_of(request), self._looks.words(request)
        asked = await self.open_request(request)
        may = {name for name, _ in self._askable(asked, told)}
        fields = searching.fields_named(name for name in request[FORM].every("campo") if name in may)
        if not fields:
            return await self._more_page(request, told.gettext("Marque al menos un dato."))
        if not await self.first_time(request):
            return back(request_id, "ya")
        by, calendar = by_of(request), await calendar_here(request, Permission.REQUESTS_ANSWER, self._desk)
        sought, why = Code("missing-person"), Code("compare")
        await responding.clarify(request_id, fields, sought, why, self._node, by=by, calendar=calendar)
        return back(request_id, "aclaracion")

    # -- no answer -----------------------------------------------------------------------------------------------------

    async def _decline(self, request: web.Request) -> web.Response:
        return await self._decline_page(request, "")

    async def _decline_page(self, request: web.Request, error: str) -> web.Response:
        asked, told = await self.open_request(request), self._looks.words(request)
        reasons = [(code, told.gettext(label)) for code, label in REASONS.items()]
        head = await self.head(request, asked)
        return await self._looks.page(
            request, "declinar.html", status=422 if error else 200, **head, reasons=reasons, error=error
        )

    async def _say_declined(self, request: web.Request) -> web.Response:
        request_id, told = request_id_of(request), self._looks.words(request)
        if await self.answered(request_id):
            return back(request_id, "ya")
        reason = request[FORM].text("motivo")
        if reason not in REASONS:
            return await self._decline_page(request, told.gettext("Elija un motivo. Se queda en este nodo."))
        done = "rechazo" if Code(reason) in ABOUT_THE_OFFICE else "rechazo-otro"
        answering = responding.decline(request_id, self._node, by=by_of(request), reason=Code(reason))
        return await self.once(request_id, answering, done)

    # -- once ----------------------------------------------------------------------------------------------------------

    async def open_request(self, request: web.Request) -> Asked:
        """Return the request of a page, which can still be answered.

        Raises:
            NoSuchRequestError: it cannot.
        """
        asked = await asked_for_fields(request_id_of(request), self._node)
        if not asked.open:
            raise NoSuchRequestError("it was answered, or withdrawn")
        return asked

    async def answered(self, request_id: MessageId) -> bool:
        """Return whether a request was answered, or an answer to it waits: a second one would be one too many."""
        asked = await request_of(request_id, self._node)
        return not asked.open or await self._waiting(request_id) is not None

    async def once(self, request_id: MessageId, answering: Awaitable[object], done: str) -> web.Response:
        """Answer, and go back to the request; where somebody was first meanwhile, say that, and nothing else was sent.

        Raises:
            NotPermittedError: it may not be answered so, whoever is first.
        """
        try:
            await answering
        except NotPermittedError:
            if await self.answered(request_id):
                return back(request_id, "ya")
            raise
        await forget_drafts(request_id, self._node)
        return back(request_id, done)

    async def _waiting(self, request_id: MessageId) -> dict[str, Any] | None:
        """Return the answer to a request that waits before it leaves; more time asked for is none."""
        return await self._lists.answer_waiting(request_id, sorted(ANSWERS))

    def fresh_key(self) -> str:
        """Return what tells one form from every other."""
        return fresh_key(self._desk)

    async def first_time(self, request: web.Request) -> bool:
        """Return whether this very form came for the first time; then its effect may follow, once."""
        return await first_time(request, self._desk)


async def asked_for_fields(request_id: MessageId, node: Capabilities) -> Asked:
    """Return a question that is answered with fields; one that is answered with yes or no has a page of its own.

    Raises:
        NoSuchRequestError: there is no such question.
    """
    asked = await request_of(request_id, node)
    if not isinstance(asked.message, SearchRequest | DisclosureRequest):
        raise NoSuchRequestError("it is answered with yes or no")
    return asked


def request_id_of(request: web.Request) -> MessageId:
    """Return the id in a page's address.

    Raises:
        NoSuchRequestError: what stands there is none.
    """
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise NoSuchRequestError("no id") from None


def drafts_about(request_id: MessageId) -> str:
    """Return how the purposes of drafts of answers to a request begin."""
    return f"answer {request_id} "


async def forget_drafts(request_id: MessageId, node: Capabilities) -> None:
    """Forget what anybody had begun to answer to a request: it is answered."""
    asked = await request_of(request_id, node)
    await drop_finished(ThreadId(asked.message.thread_id), drafts_about(request_id), node)


def back(request_id: MessageId, done: str) -> web.Response:
    """Go on to the request's page, which says what was done."""
    return web.Response(status=303, headers={"Location": f"/s/{request_id}?hecho={done}"})


def _local(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def local_moment(text: str, zone: tzinfo) -> datetime | None:
    """Return a moment of a form on a clock of that zone; None for anything else."""
    try:
        found = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - its zone is the office's
    except ValueError:
        return None
    return found.replace(tzinfo=zone).astimezone(UTC) if 1970 < found.year < 9999 else None
