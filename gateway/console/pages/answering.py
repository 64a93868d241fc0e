"""Answering: which record, field by field what leaves, then exactly what will be read, then the signature."""

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from contracts.consents import Wish
from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId, ThreadId
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.answers import HOW, REMAINS, WISHES, AnswerForm, Filled, record_types
from gateway.console.pages.attachable import ready
from gateway.console.pages.candidates import CandidatePages
from gateway.console.pages.cookies import keep_session
from gateway.console.pages.drafts import SEEN, DraftAnswers
from gateway.console.pages.entrance import Entrance, unsigned
from gateway.console.pages.forms import FORM, TOKEN, Form
from gateway.console.pages.letters import letter_of, tally_of, type_in_words
from gateway.console.pages.looks import Looks
from gateway.console.pages.questions import wanted
from gateway.console.pages.refusals import why_not
from gateway.console.pages.requests import RequestPages, asked_for_fields, back, drafts_about, forget_drafts, request_id_of
from gateway.console.requests import RequestsApi, by_of
from gateway.console.words import Words
from gateway.exchange.asked import Asked, NoSuchRequestError
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.drafting import Part, Place
from gateway.exchange.located import record_wish
from gateway.exchange.parcels import Parcel
from gateway.exchange.ports.departures import Departure, DepartureState
from gateway.exchange.releasing import confirm, open_parcel, state_of
from gateway.exchange.responding import show_answer
from gateway.exchange.searching import wanted_of
from gateway.people.desk import PeopleDesk
from gateway.people.errors import CodeNeededError, UnknownError, WaitError, WrongCredentialsError
from gateway.people.roles import Permission
from gateway.people.sign_in import SignedIn, is_fresh

WAITS: Mapping[str, str] = {
    "wall:two-persons": N_("la segunda aprobación, de otra persona"),
    "wall:free-text-held": N_("que otra persona lea y suelte el texto libre"),
    "look-again": N_("que alguien la revise otra vez: algo cambió desde que se preparó"),
    "confirmation": N_("su confirmación"),
}
_ONE = "/s/{message_id}"
_REVIEW = f"{_ONE}/revisar/{{departure}}"
_MARKED = "menor-visto"


class AnswerPages:
    """The handlers."""

    def __init__(
        self,
        looks: Looks,
        operations: Operations,
        desk: PeopleDesk,
        requests: RequestPages,
        entrance: Entrance,
        api: RequestsApi,
        candidates: CandidatePages,
    ) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._requests = requests
        self._entrance = entrance
        self._api = api
        self._candidates = candidates
        self._drafts = DraftAnswers(looks, operations.node)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        answer, seen = Permission.REQUESTS_ANSWER, self._requests.seen
        return (
            Route("GET", f"{_ONE}/responder", seen(self._which), answer, Face.PAGE),
            Route("GET", f"{_ONE}/responder/{{record}}", seen(self._form), answer, Face.PAGE),
            Route("POST", f"{_ONE}/responder/{{record}}", seen(self._prepare), answer, Face.PAGE),
            Route("POST", f"{_ONE}/responder/{{record}}/borrador", seen(self._save_by_page), answer, Face.PAGE),
            Route("GET", _REVIEW, seen(self._review), answer, Face.PAGE),
            Route("POST", _REVIEW, seen(self._sign), answer, Face.PAGE),
            Route("GET", f"{_ONE}/enviada/{{departure}}", seen(self._sent), answer, Face.PAGE),
        )

    # -- which record --------------------------------------------------------------------------------------------------

    async def _which(self, request: web.Request) -> web.Response:
        asked, told = await self._requests.open_request(request), self._looks.words(request)
        types, policy = record_types(asked, self._node), self._node.trust().policy
        if len(types) == 1:
            return web.Response(status=303, headers={"Location": f"{request.path}/{types[0]}"})
        found = [(name, type_in_words(name, policy, told)) for name in types]
        return await self._looks.page(request, "responder_que.html", **await self._requests.head(request, asked), types=found)

    async def _answerable(self, request: web.Request) -> Asked:
        asked = await self._requests.open_request(request)
        if request.match_info["record"] not in record_types(asked, self._node):
            raise NoSuchRequestError("no such type of record answers it")
        return asked

    async def _answer_form(self, request: web.Request) -> tuple[Asked, AnswerForm]:
        asked, record = await self._answerable(request), request.match_info["record"]
        told, thread = self._looks.words(request), ThreadId(asked.message.thread_id)
        chosen = await ready(request, thread, self._operations, self._desk, told)
        return asked, AnswerForm(asked, record, self._node, told, ready=chosen)

    # -- field by field ------------------------------------------------------------------------------------------------

    async def _form(self, request: web.Request) -> web.Response:
        asked, form = await self._answer_form(request)
        if form.record_type == REMAINS and request.query.get("seguir") != "si":
            head = await self._requests.head(request, asked)
            return await self._looks.page(request, "interrupcion.html", **head, record=form.record_type)
        kept = await self._kept(request, asked)
        filled = Form(kept.fields)
        if "desde" in request.query:
            _, parcel = await self._mine(request, request.query["desde"])
            filled = form.again(parcel)
        elif "con" in request.query:
            filled = await self._candidates.prefilled(request, form, filled)
        return await self._form_page(request, asked, form, filled)

    async def _form_page(
        self, request: web.Request, asked: Asked, form: AnswerForm, filled: Form, read: Filled | None = None, refused: str = ""
    ) -> web.Response:
        kept = await self._kept(request, asked)
        told, problems = self._looks.words(request), () if read is None else read.problems
        beside = {item.anchor.removeprefix("v-"): item.text for item in problems if item.anchor.startswith("v-")}
        return await self._looks.page(
            request,
            "responder.html",
            status=422 if problems or refused else 200,
            **await self._requests.head(request, asked),
            record=form.record_type,
            record_words=type_in_words(form.record_type, self._node.trust().policy, told),
            questions=form.questions(filled, beside),
            protecting=form.protecting(filled, beside),
            unasked=len(wanted(asked, self._operations, told)),
            living=form.living,
            wishes=[(code, told.gettext(label), told.gettext(more)) for code, (label, more) in WISHES.items()],
            how=[(code, told.gettext(label)) for code, label in HOW.items()],
            filled=filled,
            problems=problems,
            refused=refused,
            version=kept.version,
            saved=await self._drafts.saved_at(request, kept),
        )

    # -- what was saved ------------------------------------------------------------------------------------------------

    async def _kept(self, request: web.Request, asked: Asked) -> Part:
        return await self._drafts.kept(request, _place(request, asked).purpose)

    async def _save_by_page(self, request: web.Request) -> web.Response:
        asked = await self._answerable(request)
        return await self._drafts.saved_by_page(request, self._drafts.save(request, _place(request, asked), _MARKED))

    # -- prepared ------------------------------------------------------------------------------------------------------

    async def _prepare(self, request: web.Request) -> web.Response:
        if await self._requests.answered(request_id_of(request)):
            return back(request_id_of(request), "ya")
        asked, form = await self._answer_form(request)
        place, later = _place(request, asked), f"/s/{request_id_of(request)}?hecho=guardado"
        stopped = await self._drafts.stopped(request, place, _MARKED, again=request.path, later=later)
        return stopped or await self._checked(request, asked, form)

    async def _checked(self, request: web.Request, asked: Asked, form: AnswerForm) -> web.Response:
        filled = request[FORM]
        if filled.text("paso") == "comparar":
            return await self._form_page(request, asked, form, filled)
        read = form.read(filled)
        if read.problems:
            return await self._form_page(request, asked, form, filled, read)
        if read.marks.minor != "no" and filled.text(_MARKED) != "si":
            return await self._minor(request, asked, form, filled)
        return await self._shown(request, asked, form, read)

    async def _shown(self, request: web.Request, asked: Asked, form: AnswerForm, read: Filled) -> web.Response:
        request_id, filled, told = request_id_of(request), request[FORM], self._looks.words(request)
        by = by_of(request)
        try:
            answer = replace(read.answer, case_ref=await self._api.our_case(read.answer.case_ref))
        except UnknownError:
            why = told.gettext("Este nodo no tiene un caso con ese folio.")
            return await self._form_page(request, asked, form, filled, read, refused=why)
        if read.wish is Wish.UNDECIDED:  # nobody asked yet: there is no wish to write down
            return web.Response(status=303, headers={"Location": f"/s/{request_id}/prorroga"})
        if read.wish is not None:
            await record_wish(answer.case_ref, read.wish, Code(read.evidence), self._node, by=by)
        try:
            shown = await show_answer(request_id, answer, self._node, by=by, lang=told.lang)
        except NotPermittedError as error:
            return await self._form_page(request, asked, form, filled, read, refused=why_not(error, told))
        return web.Response(status=303, headers={"Location": f"/s/{request_id}/revisar/{shown.id}"})

    async def _minor(self, request: web.Request, asked: Asked, form: AnswerForm, filled: Form) -> web.Response:
        carried = [
            (name, value) for name in filled.names() if name not in {TOKEN, SEEN, _MARKED} for value in filled.every(name)
        ]
        head = await self._requests.head(request, asked)
        return await self._looks.page(request, "menor.html", **head, record=form.record_type, carried=carried)

    # -- what will be read ---------------------------------------------------------------------------------------------

    async def _mine(self, request: web.Request, departure_id: str) -> tuple[Departure, Parcel]:
        """Return what this person was shown of this request, and nobody else's.

        Raises:
            NoSuchDepartureError: there is no such thing.
        """
        departure, parcel, _ = await open_parcel(departure_of(departure_id), self._node)
        mine = departure.drafted_by == by_of(request).person
        if not mine or departure.in_reply_to != request_id_of(request) or departure.state is not DepartureState.SHOWN:
            raise NoSuchDepartureError("nothing of that id was shown to this person")
        return departure, parcel

    async def _review(self, request: web.Request) -> web.Response:
        return await self._review_page(request, "", 200)

    async def _review_page(self, request: web.Request, error: str, status: int) -> web.Response:
        departure, parcel = await self._mine(request, request.match_info["departure"])
        asked, told = await self._requests.open_request(request), self._looks.words(request)
        letter = letter_of(parcel.payloads[0], self._node, told)
        labels = dict(zip(sorted(wanted_of(asked.message)[0]), wanted(asked, self._operations, told), strict=True))
        records = (*parcel.drafts[0].records, *parcel.drafts[0].about)
        return await self._looks.page(
            request,
            "revisar.html",
            status=status,
            **await self._requests.head(request, asked),
            letter=letter,
            asked_count=len(labels),
            tally=tally_of(labels, parcel, letter),
            staying=[label for name, label in labels.items() if name not in letter.fields],
            silent=not records,
            record=str(records[0].type) if records else "",
            departure=departure,
            waits=waits_in_words(departure.waits, told),
            fresh=is_fresh(request[PRINCIPAL], self._desk),
            error=error,
        )

    async def _sign(self, request: web.Request) -> web.Response:
        request_id, told = request_id_of(request), self._looks.words(request)
        departure_id = departure_of(request.match_info["departure"])
        sent = web.Response(status=303, headers={"Location": f"/s/{request_id}/enviada/{departure_id}"})
        state = await state_of(departure_id, self._node, by=by_of(request))
        if state in {DepartureState.WAITING, DepartureState.LEFT}:
            return sent  # the same form once more: one effect
        if await self._requests.answered(request_id):
            return back(request_id, "ya")  # somebody else was first
        await self._mine(request, departure_id)
        try:
            renewed = await self.renewed(request)
        except (WrongCredentialsError, CodeNeededError, WaitError) as error:
            why = told.gettext("La clave o el código no son. No se envió nada: escríbalos otra vez.")
            return await self._review_page(request, why, unsigned(error))
        try:
            await confirm(departure_id, self._node, by=by_of(request))
        except NotPermittedError:
            if await self._requests.answered(request_id):
                return back(request_id, "ya")  # between our look and our signature
            raise
        await forget_drafts(request_id, self._node)
        if renewed is not None:
            keep_session(sent, renewed)
        return sent

    async def renewed(self, request: web.Request) -> SignedIn | None:
        """Return a new session of somebody who signs and had to give their password again; None when they need not.

        Raises:
            WrongCredentialsError, CodeNeededError, WaitError: it is not theirs; there is no code; too many failures.
        """
        if is_fresh(request[PRINCIPAL], self._desk):
            return None
        return await self._entrance.confirmed(request)

    async def _sent(self, request: web.Request) -> web.Response:
        request_id, told = request_id_of(request), self._looks.words(request)
        departure_id = departure_of(request.match_info["departure"])
        asked = await asked_for_fields(request_id, self._node)
        state = await state_of(departure_id, self._node, by=by_of(request))
        waiting = await self._operations.models.departure(departure_id)
        if state not in {DepartureState.WAITING, DepartureState.LEFT}:
            raise NoSuchDepartureError("nothing of that id was signed by this person")
        tally = None
        if state is DepartureState.WAITING:  # what left is no longer kept beside what was held
            _, parcel, _ = await open_parcel(departure_id, self._node)
            tally = tally_of(wanted_of(asked.message)[0], parcel, letter_of(parcel.payloads[0], self._node, told))
        return await self._looks.page(
            request,
            "enviada.html",
            **await self._requests.head(request, asked),
            waiting=waiting,
            tally=tally,
            waits=[] if waiting is None else waits_in_words(tuple(waiting["waits"]), told),
        )


def departure_of(text: str) -> MessageId:
    """Return the id of a departure.

    Raises:
        NoSuchDepartureError: it is none.
    """
    try:
        return MessageId(text)
    except ValueError:
        raise NoSuchDepartureError("no id") from None


def _place(request: web.Request, asked: Asked) -> Place:
    purpose = f"{drafts_about(request_id_of(request))}{request.match_info['record']}"
    return Place(purpose, thread_id=ThreadId(asked.message.thread_id))


def waits_in_words(waits: tuple[str, ...], told: Words) -> list[str]:
    """Return what something waits for, in words."""
    return [told.gettext(WAITS[name]) if name in WAITS else name for name in waits]
