"""Telling who asked that the person is alive and what they want, and nothing else: never where, nor which office knows."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from contracts.consents import Wish
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import FieldDefinition
from contracts.ids import Code
from contracts.messages import CaseState, CaseStatusBody
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.answering import AnswerPages
from gateway.console.pages.answers import HOW, PROTECTS, Problem
from gateway.console.pages.cookies import keep_session
from gateway.console.pages.endings import WISHES
from gateway.console.pages.entrance import unsigned
from gateway.console.pages.forms import FORM, TOKEN, Form
from gateway.console.pages.letters import located_in_words
from gateway.console.pages.looks import Looks
from gateway.console.pages.refusals import why_not
from gateway.console.pages.requests import RequestPages, back, request_id_of
from gateway.console.pages.typed import as_typed, read_typed, typable
from gateway.console.requests import RequestsApi, by_of
from gateway.console.words import Words
from gateway.exchange.located import Alive, AlreadyToldError, record_wish, tell_alive, will_of
from gateway.people.desk import PeopleDesk
from gateway.people.errors import CodeNeededError, UnknownError, WaitError, WrongCredentialsError
from gateway.people.roles import Permission
from gateway.people.sign_in import is_fresh

_ONE = "/s/{message_id}/con-vida"
_RECORD = "unidentified-person"
_TOLD = (Wish.CONTACT.value, Wish.SEALED_MESSAGES_ONLY.value, Wish.ALIVE_ONLY.value)
"""Wishes with which it may be told. With any other nothing is told, which is an answer like every other."""
_NO_CASE = N_("Este nodo no tiene un caso con ese folio.")


class AlivePages:
    """The handlers."""

    def __init__(
        self,
        looks: Looks,
        operations: Operations,
        desk: PeopleDesk,
        requests: RequestPages,
        answers: AnswerPages,
        api: RequestsApi,
    ) -> None:
        self._looks = looks
        self._node = operations.node
        self._desk = desk
        self._requests = requests
        self._answers = answers
        self._api = api

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        answer, seen = Permission.REQUESTS_ANSWER, self._requests.seen
        return (
            Route("GET", _ONE, seen(self._form), answer, Face.PAGE),
            Route("POST", _ONE, seen(self._tell), answer, Face.PAGE),
        )

    def _known(self) -> dict[str, FieldDefinition]:
        found = typable(self._node.trust().policy, _RECORD)
        return {name: found[name] for name in PROTECTS if name in found}

    async def _form(self, request: web.Request) -> web.Response:
        return await self._page(request, Form({}), ())

    async def _page(self, request: web.Request, filled: Form, problems: Sequence[Problem], refused: str = "") -> web.Response:
        asked, told = await self._requests.open_request(request), self._looks.words(request)
        return await self._looks.page(
            request,
            "con_vida.html",
            status=422 if problems or refused else 200,
            **await self._requests.head(request, asked),
            wishes=[(code, told.gettext(WISHES[code][0])) for code in _TOLD],
            how=[(code, told.gettext(label)) for code, label in HOW.items()],
            rows=[as_typed(found, filled, told) for found in self._known().values()],
            filled=filled,
            problems=problems,
            refused=refused,
        )

    async def _tell(self, request: web.Request) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        signs = form.text("paso") == "firmar"
        problems: list[Problem] = []
        values = self._read(form, problems, told)
        if problems:
            return await self._page(request, form, problems)
        if not signs:
            return await self._confirm_page(request, "", 200)
        try:
            alive = Alive(
                await self._api.our_case(form.text("expediente")),
                (SourceRecord(_RECORD, values),),
                finder_released=form.text("decidido") == "si",
            )
        except UnknownError:
            return await self._page(request, form, (), told.gettext(_NO_CASE))
        return await self._signed(request, alive)

    async def _signed(self, request: web.Request, alive: Alive) -> web.Response:
        request_id, form, told = request_id_of(request), request[FORM], self._looks.words(request)
        await self._requests.open_request(request)
        try:
            renewed = await self._answers.renewed(request)
        except (WrongCredentialsError, CodeNeededError, WaitError) as error:
            why = told.gettext("La clave o el código no son. No se envió nada: escríbalos otra vez.")
            return await self._confirm_page(request, why, unsigned(error))
        if not await self._requests.first_time(request):
            return back(request_id, "ya")
        by, wish = by_of(request), Wish(form.text("voluntad"))
        await record_wish(alive.case_ref, wish, Code(form.text("como")), self._node, by=by)
        try:
            await tell_alive(request_id, alive, self._node, by=by)
        except AlreadyToldError:
            return back(request_id, "ya")
        except NotPermittedError as error:
            return await self._page(request, form, (), why_not(error, told))
        sent = back(request_id, "con-vida")
        if renewed is not None:
            keep_session(sent, renewed)
        return sent

    async def _confirm_page(self, request: web.Request, error: str, status: int) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        asked = await self._requests.open_request(request)
        own = {TOKEN, "paso", "vez", "clave", "codigo"}
        located = will_of(Wish(form.text("voluntad")), Code(form.text("como")))
        body = CaseStatusBody(state=CaseState.LOCATED_ALIVE, sequence=1, located=located)
        return await self._looks.page(
            request,
            "con_vida_confirmar.html",
            status=status,
            **await self._requests.head(request, asked),
            will_read=located_in_words(body, told),
            carried=[(name, value) for name in form.names() if name not in own for value in form.every(name)],
            key=self._requests.fresh_key(),
            fresh=is_fresh(request[PRINCIPAL], self._desk),
            error=error,
        )

    def _read(self, form: Form, problems: list[Problem], told: Words) -> Mapping[str, Any]:
        known = self._known()
        values = read_typed(known, known, form, problems, told, now=self._node.clock.now(), needed=False)
        case_ref = form.text("expediente")
        checks = (
            ("voluntad", form.text("voluntad") in _TOLD, told.gettext("Diga qué autorizó la persona localizada.")),
            ("como", form.text("como") in HOW, told.gettext("Diga cómo lo dijo la persona.")),
            ("proteger", bool(values), told.gettext("Diga al menos la edad de la persona, o si es menor.")),
            (
                "expediente",
                1 <= len(case_ref) <= 80 and case_ref.isprintable(),
                told.gettext("Escriba el expediente de esta oficina, hasta 80 caracteres."),
            ),
        )
        problems += [Problem(anchor, text) for anchor, fine, text in checks if not fine]
        return values
