"""What relatives decide about a case: given, narrowed, withdrawn; first who will be told, then who still owes a word."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from aiohttp import web

from contracts.consents import (
    NEEDS_NO_CONSENT,
    SCOPES,
    WITNESSED,
    InForce,
    Limits,
    RelativeId,
    Scope,
    Standing,
    ground_of,
)
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import ConsentAct
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.marking import N_
from gateway.console.pages.answers import Problem
from gateway.console.pages.case_room import CASE, ONE, CaseFile, CaseRoom
from gateway.console.pages.consent_words import FORMS, GIVEN_NOW, as_said, how_in_words, limits_in_words, said_in_words
from gateway.console.pages.forms import FORM, TOKEN, Form
from gateway.console.pages.held import OUTSTANDING
from gateway.console.pages.languages import LANGUAGES
from gateway.console.pages.questions import basis_in_words
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.timeline import scopes_in_words
from gateway.console.whose import GUATEMALA
from gateway.console.words import Words
from gateway.exchange.consenting import Decided, Decision, TakenBackError, consents_of, decide, foresee
from gateway.exchange.holdings import RecallState
from gateway.exchange.passed_on import said_there
from gateway.people.errors import InvalidError
from gateway.people.roles import Permission

_ALL = f"{ONE}/consentimientos"
_ACTS = {"reducir": ConsentAct.NARROWED, "retirar": ConsentAct.WITHDRAWN}
REASONS = {
    "changed-mind": N_("Cambió de parecer"),
    "threat": N_("Hay una amenaza, o miedo"),
    "found": N_("Ya apareció la persona"),
    "other": N_("Otro motivo, o no lo dijo"),
}
DONE = {
    "autorizado": N_("Quedó anotado lo que el familiar autorizó."),
    "reducido": N_("Quedó reducido desde ahora. Abajo se ve a quién se le ordenó borrar y quién falta por responder."),
    "retirado": N_("Quedó retirado desde ahora. Abajo se ve a quién se le ordenó borrar y quién falta por responder."),
    "ya": N_("Este formulario ya había llegado. No se anotó otra vez."),
    "sin-avisar": N_(
        "Quedó anotado, pero a quien leyó el reporte no se le puede avisar ahora, y no se intentará otra vez: llámele."
    ),
    "retirado-alla": N_(
        "No se anotó: la institución que tomó el reporte avisó de que la familia lo retiró. Hable con la familia."
    ),
}
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Relative:
    """One relative, whom the node knows by no name: a letter on this page, and what of theirs is in force."""

    label: str
    event: str
    scopes: tuple[tuple[str, str, str], ...]


class ConsentPages:
    """The handlers."""

    def __init__(self, room: CaseRoom, requests: RequestPages) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._requests = requests

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, record, route = Permission.CASES_READ, Permission.CONSENTS_RECORD, self._room.route
        return (
            route("GET", _ALL, self._list, read),
            route("POST", _ALL, self._grant, record),
            *(
                found
                for act in _ACTS
                for found in (
                    route("GET", f"{_ALL}/{{event}}/{act}", self._change, record),
                    route("POST", f"{_ALL}/{{event}}/{act}", self._changed, record),
                )
            ),
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        return await self._list_page(request, Form({}), [])

    async def _list_page(self, request: web.Request, filled: Form, problems: Sequence[Problem]) -> web.Response:
        file, told = request[CASE], self._looks.words(request)
        await self._room.record("case.open", file, request)
        _, holding = await consents_of(str(file.thread), self._node)
        there = await said_there(file.thread, self._node)
        if there is not None and there.scopes and request.method == "GET" and request.query.get("de") == "reporte":
            filled = as_said(there, self._looks)
        return await self._looks.page(
            request,
            "consentimientos.html",
            status=422 if problems else 200,
            there=None if there is None else said_in_words(there, holding, self._looks, told),
            reporter=there is not None and filled.text("familiar") == there.relative,
            **await self._room.head(request, file),
            relatives=self._relatives(holding, told),
            outstanding=await self._outstanding(file, told),
            duties=self._duties(told),
            filled=filled,
            problems=problems,
            records=request[PRINCIPAL].may(Permission.CONSENTS_RECORD),
            key=self._requests.fresh_key(),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            **self._lists(told),
        )

    def _lists(self, told: Words) -> dict[str, Any]:
        members = self._node.trust().members
        others = sorted((str(node) for node in members if node != self._node.us), key=self._looks.name)
        return {
            "scopes": [(scope.value, scopes_in_words({scope}, told)) for scope in SCOPES],
            "forms": [(form.value, told.gettext(FORMS[form])) for form in GIVEN_NOW],
            "languages": list(LANGUAGES.items()),
            "nodes": [(node, self._looks.name(node)) for node in others],
            "reasons": [(code, told.gettext(label)) for code, label in REASONS.items()],
        }

    def _relatives(self, holding: InForce, told: Words) -> list[Relative]:
        by_person: dict[RelativeId, list[tuple[Scope, Standing]]] = {}
        for (relative, scope), standing in sorted(holding.scopes.items()):
            by_person.setdefault(relative, []).append((scope, standing))
        ordered = sorted(by_person.values(), key=_first)
        return [self._relative(number, held, told) for number, held in enumerate(ordered)]

    def _relative(self, number: int, held: Sequence[tuple[Scope, Standing]], told: Words) -> Relative:
        return Relative(
            told.gettext("Familiar %(letter)s") % {"letter": _letter(number)},
            _first(held),
            tuple(
                (
                    scopes_in_words({scope}, told),
                    how_in_words(found, told),
                    limits_in_words(found.limits, self._node.trust().policy, self._looks, told),
                )
                for scope, found in held
            ),
        )

    def _duties(self, told: Words) -> list[str]:
        policy = self._node.trust().policy
        return [basis_in_words(policy, basis.id, told) for basis in policy.bases if ground_of(basis.id) in NEEDS_NO_CONSENT]

    async def _outstanding(self, file: CaseFile, told: Words) -> list[str]:
        """Return who has a copy that must come back, or says that a law makes them keep it: a line an institution."""
        async with self._room.operations.look() as work:
            entries = {entry.record_id: entry for ref in file.refs for entry in await work.ledger.of_case(ref)}
        lines: dict[tuple[str, str], int] = {}
        for entry in entries.values():
            if entry.recall in OUTSTANDING or entry.recall is RecallState.REFUSED:
                key = self._looks.name(entry.peer), told.gettext(_OWED[entry.recall])
                lines[key] = lines.get(key, 0) + 1
        return [
            told.ngettext("%(name)s: %(number)s copia, %(state)s", "%(name)s: %(number)s copias, %(state)s", number)
            % {"name": name, "number": number, "state": state}
            for (name, state), number in sorted(lines.items())
        ]

    # -- given ---------------------------------------------------------------------------------------------------------

    async def _grant(self, request: web.Request) -> web.Response:
        file, form, told = request[CASE], request[FORM], self._looks.words(request)
        problems: list[Problem] = []
        relative = self._named(form, problems, told)
        decision = self._read(form, ConsentAct.GIVEN, relative, frozenset(Scope), problems, told)
        if problems or decision is None:
            return await self._list_page(request, form, problems)
        if not await self._requests.first_time(request):
            return _back(file, "ya")
        try:
            decided = await decide(str(file.thread), decision, self._node, actor=request[PRINCIPAL].actor)
        except TakenBackError:
            return _back(file, "retirado-alla")
        return _back(file, "sin-avisar" if decided.unheard else "autorizado")

    def _named(self, form: Form, problems: list[Problem], told: Words) -> RelativeId | None:
        text = form.text("familiar")
        try:
            if not 0 < len(text) <= _LONGEST or not text.isprintable():
                raise InvalidError("")
            return given.relative(text, self._room.operations.digest)
        except InvalidError:
            why = told.gettext("Diga cómo llama su oficina a ese familiar, siempre igual; hasta 200 caracteres.")
            problems.append(Problem("familiar", why))
            return None

    # -- narrowed, withdrawn -------------------------------------------------------------------------------------------

    async def _held(self, request: web.Request) -> tuple[RelativeId, frozenset[Scope]] | None:
        """Return whose the decision of this address was, and what of theirs is in force; None where nothing is."""
        try:
            event_id = MessageId(request.match_info["event"])
        except ValueError:
            raise web.HTTPNotFound from None
        events, holding = await consents_of(str(request[CASE].thread), self._node)
        relative = next((event.relative for event in events if event.id == event_id), None)
        if relative is None:
            raise web.HTTPNotFound
        scopes = frozenset(scope for who, scope in holding.scopes if who == relative)
        return (relative, scopes) if scopes else None

    async def _change(self, request: web.Request) -> web.Response:
        if await self._held(request) is None:
            return _back(request[CASE], "ya")
        return await self._change_page(request, Form({}), [])

    async def _change_page(self, request: web.Request, filled: Form, problems: Sequence[Problem]) -> web.Response:
        held, told, file = await self._held(request), self._looks.words(request), request[CASE]
        lists = self._lists(told)
        scopes = frozenset() if held is None else held[1]
        lists["scopes"] = [(code, label) for code, label in lists["scopes"] if code in {scope.value for scope in scopes}]
        return await self._looks.page(
            request,
            "consentimiento_cambio.html",
            status=422 if problems else 200,
            **await self._room.head(request, file),
            here=request.path,
            withdraws=_act(request) is ConsentAct.WITHDRAWN,
            filled=filled,
            problems=problems,
            **lists,
        )

    async def _changed(self, request: web.Request) -> web.Response:
        file, form, told, held = request[CASE], request[FORM], self._looks.words(request), await self._held(request)
        signs = form.text("paso") == "firmar"
        if held is None or (signs and not await self._requests.first_time(request)):
            return _back(file, "ya")  # first: after a withdrawal the same form once more would find nothing to withdraw
        problems: list[Problem] = []
        decision = self._read(form, _act(request), held[0], held[1], problems, told)
        if problems or decision is None:
            return await self._change_page(request, form, problems)
        if not signs:
            return await self._confirm_page(request, decision)
        decided = await decide(str(file.thread), decision, self._node, actor=request[PRINCIPAL].actor)
        done = "retirado" if decision.act is ConsentAct.WITHDRAWN else "reducido"
        return _back(file, "sin-avisar" if decided.unheard else done)

    async def _confirm_page(self, request: web.Request, decision: Decision) -> web.Response:
        form, told, file = request[FORM], self._looks.words(request), request[CASE]
        found = await foresee(str(file.thread), decision, self._node)
        own = {TOKEN, "paso", "vez"}
        carried = [(name, value) for name in form.names() if name not in own for value in form.every(name)]
        return await self._looks.page(
            request,
            "consentimiento_confirmar.html",
            **await self._room.head(request, file),
            here=request.path,
            withdraws=decision.act is ConsentAct.WITHDRAWN,
            scopes=scopes_in_words(decision.scopes, told),
            told=self._will_be_told(found),
            news=sorted(self._looks.name(node) for node in found.told),
            never_left=len(found.taken_back),
            under_way=len(found.under_way),
            carried=carried,
            key=self._requests.fresh_key(),
        )

    def _will_be_told(self, found: Decided) -> list[tuple[str, int]]:
        return sorted((self._looks.name(node), copies) for node, copies in (found.ordered or {}).items())

    # -- read ----------------------------------------------------------------------------------------------------------

    def _read(
        self,
        form: Form,
        act: ConsentAct,
        relative: RelativeId | None,
        known: frozenset[Scope],
        problems: list[Problem],
        told: Words,
    ) -> Decision | None:
        scopes = frozenset(scope for scope in known if scope.value in form.every("ambito"))
        how = next((item for item in GIVEN_NOW if item.value == form.text("como")), None)
        witness = form.text("testigo")
        limits = self._limits_in(form, act, problems, told)
        if not scopes:
            problems.append(Problem("ambito", told.gettext("Marque al menos un ámbito.")))
        if how is None:
            problems.append(Problem("como", told.gettext("Diga cómo lo dijo.")))
        if form.text("idioma") not in LANGUAGES:
            problems.append(Problem("idioma", told.gettext("Diga en qué idioma se explicó y se decidió.")))
        if how in WITNESSED and not 0 < len(witness) <= _LONGEST:
            problems.append(Problem("testigo", told.gettext("La huella y la palabra llevan testigo.")))
        if problems or how is None or relative is None:
            return None
        reason = form.text("motivo")
        return Decision(
            relative=relative,
            act=act,
            scopes=scopes,
            form=how,
            language=form.text("idioma"),
            witness=given.witness(witness, self._node.pseudonyms) if how in WITNESSED else None,
            limits=limits,
            reason=Code(reason) if reason in REASONS else None,
        )

    def _limits_in(self, form: Form, act: ConsentAct, problems: list[Problem], told: Words) -> Limits:
        if act is ConsentAct.WITHDRAWN:
            return Limits()
        members = {str(node) for node in self._node.trust().members}
        nodes = frozenset(NodeId(node) for node in form.every("para") if node in members)
        until = _end_of(form.text("hasta"))
        if form.text("hasta") and (until is None or until <= self._node.clock.now()):
            problems.append(Problem("hasta", told.gettext("El último día tiene que ser hoy o después.")))
        if act is ConsentAct.NARROWED and not nodes and until is None:
            problems.append(Problem("para", told.gettext("Diga a qué se reduce: a qué instituciones, o hasta qué día.")))
        return Limits(recipients=nodes or None, until=None if until is None else int(until.timestamp()))


_OWED: Mapping[RecallState, str] = {
    RecallState.WANTED: N_("falta poder avisarle"),
    RecallState.ORDERED: N_("falta su constancia de borrado"),
    RecallState.UNKNOWN: N_("no se sabe si le llegó"),
    RecallState.REFUSED: N_("dice que una ley le obliga a conservarla"),
}


def _act(request: web.Request) -> ConsentAct:
    return _ACTS[request.path.rpartition("/")[2]]


def _back(file: CaseFile, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{file.address}/consentimientos?hecho={done}"})


def _first(held: Sequence[tuple[Scope, Standing]]) -> str:
    return min(str(standing.given_by) for _, standing in held)


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _end_of(text: str) -> datetime | None:
    """Return the first moment after a day, by the capital's clock."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, not a moment
        return datetime.combine(day + timedelta(days=1), time(), GUATEMALA).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
