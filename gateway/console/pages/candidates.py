"""Candidates: who of this node's own records may be the person of a request, with why; nothing leaves by looking or saying."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.ids import MessageId, NodeId, ThreadId
from gateway.console.access import Face, Route
from gateway.console.eyes import eyes_of
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.answers import AnswerForm, record_types
from gateway.console.pages.forms import FORM, Form
from gateway.console.pages.looks import Looks
from gateway.console.pages.questions import Pair
from gateway.console.pages.requests import RequestPages, back, request_id_of
from gateway.console.pages.values import said
from gateway.console.requests import by_of
from gateway.console.words import Words
from gateway.exchange.asked import NoSuchRequestError, candidate_of
from gateway.exchange.candidates import (
    NOTHING_YET,
    Candidate,
    HeldMessage,
    Searched,
    Verdict,
    candidates_among,
    judge,
    values_of,
)
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.folios import folio
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.held_models import HeldModels
from gateway.storage.rows import from_ms
from gateway.storage.seeing import Seen
from gateway.storage.worklists import Mark

READ = 1000
"""Messages that are opened for one look, the newest first: what that leaves out is said, and a link goes on from there."""
AT_ONCE = 200
"""Of these, how many are in memory together."""
_PATH = "/s/{message_id}/candidatos"
REASONS: Mapping[str, str] = {
    "document-same": N_("mismo CUI"),
    "name-same": N_("mismo nombre"),
    "name-like": N_("nombre parecido"),
    "name-part": N_("parte del nombre"),
    "birth-same": N_("misma fecha de nacimiento"),
    "birth-year": N_("fecha de nacimiento compatible"),
    "birth-near": N_("año de nacimiento cercano"),
    "age-fits": N_("edad compatible"),
    "height-fits": N_("estatura compatible"),
    "marks-like": N_("seña parecida"),
    "municipality-same": N_("mismo municipio"),
    "department-same": N_("mismo departamento"),
    "sex-same": N_("mismo sexo"),
}
AGAINST: Mapping[str, str] = {
    "document-other": N_("otro CUI"),
    "name-other": N_("otro nombre"),
    "birth-other": N_("otra fecha de nacimiento"),
    "age-other": N_("otra edad"),
    "height-other": N_("otra estatura"),
    "sex-other": N_("otro sexo"),
}
_SAYS = {"es": Verdict.YES, "podria": Verdict.MAYBE, "no-es": Verdict.NO}
_SAID = {
    Verdict.YES.value: N_("Se dijo que es la persona."),
    Verdict.MAYBE.value: N_("Se dijo que podría ser la persona."),
}
_SHOWN = (
    *("given_names", "said_names", "possible_names", "surname_1", "surname_2", "sex", "birth_date", "age_range", "height_cm"),
    *("residence", "found_place", "last_contact_place", "return_place", "marks", "clothing"),
)
_TYPES = {"missing-person": "unidentified-person"}
"""As which type of record an answer says what is held as another, where it may not be said as it is."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A candidate as the page shows it."""

    name: str
    folio: str
    source: str
    at: Any
    facts: list[Pair]
    reasons: list[str]
    against: list[str]
    said: str


class CandidatePages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, requests: RequestPages) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._requests = requests
        self._held = HeldModels(operations.models.engine)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        answer, seen = Permission.REQUESTS_ANSWER, self._requests.seen
        return (
            Route("GET", _PATH, seen(self._show), answer, Face.PAGE),
            Route("POST", _PATH, seen(self._say), answer, Face.PAGE),
        )

    async def _show(self, request: web.Request) -> web.Response:
        request_id, told = request_id_of(request), self._looks.words(request)
        after = Mark.of(request.query.get("despues", ""))
        asked = await self._requests.open_request(request)
        # First: whose records are opened is nobody's business unseen.
        await self._desk.record(f"candidate.search {request_id}", actor=by_of(request).actor)
        eyes = await eyes_of(request, Permission.REQUESTS_ANSWER, self._desk)
        verdicts = await self._held.verdicts(request_id)
        ruled_out = {ExchangeKey(NodeId(a), MessageId(b)) for (a, b), said_of in verdicts.items() if said_of == Verdict.NO}
        found, rest = await self._search(candidate_of(asked, self._node), eyes, after, ruled_out)
        return await self._looks.page(
            request,
            "candidatos.html",
            **await self._requests.head(request, asked),
            candidates=[self._shown(item, verdicts, told) for item in found.candidates],
            ruled_out=len(ruled_out),
            read=found.read,
            unreadable=found.unreadable,
            after=after and str(after),
            since=after and from_ms(after.opened_ms),
            rest=rest and str(rest),
            until=rest and from_ms(rest.opened_ms),
            done=told.gettext("Queda dicho que no es. No volverá a aparecer en esta solicitud.")
            if request.query.get("hecho") == "no-es"
            else "",
        )

    async def _search(
        self, theirs: Mapping[str, Any], eyes: Seen, after: Mark | None, ruled_out: Collection[ExchangeKey]
    ) -> tuple[Searched, Mark | None]:
        """Return what one look finds, and after what the next one begins; None where it reached the oldest."""
        found, last = NOTHING_YET, after
        for _ in range(READ // AT_ONCE):
            held = await self._held.newest(eyes, most=AT_ONCE, after=last)
            found = await candidates_among(theirs, held.messages, self._node, ruled_out=ruled_out, before=found)
            last = held.after
            if last is None:
                break
        return found, last

    def _shown(self, candidate: Candidate, verdicts: Mapping[tuple[str, str], str], told: Words) -> Shown:
        message, key = candidate.message, candidate.message.key
        known = self._node.trust().policy.fields_of(candidate.record_type)
        peer = self._looks.name(message.peer)
        source = told.gettext("enviado por este nodo a %(peer)s") if message.ours else told.gettext("llegó de %(peer)s")
        return Shown(
            name=_name(message),
            folio=message.folio or folio(message.machine, key.opening),
            source=told.gettext("reporte que tomó esta oficina") if message.taken else source % {"peer": peer},
            at=message.at,
            facts=[
                Pair(known[name].label(told.lang), said(known[name].kind, candidate.values[name], told))
                for name in _SHOWN
                if name in candidate.values and name in known
            ],
            reasons=[told.gettext(REASONS[code]) for code in candidate.reasons if code in REASONS],
            against=[told.gettext(AGAINST[code]) for code in candidate.against if code in AGAINST],
            said=told.gettext(_SAID[said_of])
            if (said_of := verdicts.get((str(key.opener), str(key.opening)), "")) in _SAID
            else "",
        )

    async def _say(self, request: web.Request) -> web.Response:
        request_id, form = request_id_of(request), request[FORM]
        if await self._requests.answered(request_id):
            return back(request_id, "ya")
        asked, says = await self._requests.open_request(request), _SAYS.get(form.text("dicho"))
        message = await self._one(request, form.text("registro"))
        if says is None:
            raise NoSuchRequestError("nothing was said")
        await judge(request_id, message.key, says, self._node, by=by_of(request))
        if says is Verdict.NO:
            here = Mark.of(form.text("despues"))
            where = f"{request.path}?hecho=no-es" + (f"&despues={here}" if here else "")
            return web.Response(status=303, headers={"Location": where})
        kind = next((kind for kind, _ in await values_of(message, self._node)), None)
        types = record_types(asked, self._node)
        wanted = next((name for name in (kind, _TYPES.get(kind or ""), *types) if name in types), None)
        if wanted is None:
            return web.Response(status=303, headers={"Location": f"/s/{request_id}/responder"})
        where = f"/s/{request_id}/responder/{wanted}?con={_name(message)}"
        return web.Response(status=303, headers={"Location": where})

    async def _one(self, request: web.Request, named: str) -> HeldMessage:
        """Return one of the messages that a look opens, by its name in forms.

        Raises:
            NoSuchRequestError: none of them is named so, or it is another office's.
        """
        eyes, (opener, split, opening) = await eyes_of(request, Permission.REQUESTS_ANSWER, self._desk), named.partition("~")
        try:
            if split:
                found = await self._held.one(NodeId(opener), MessageId(opening), eyes)
            else:
                found = await self._held.taken(ThreadId(named), eyes)
        except ValueError as error:
            raise NoSuchRequestError("no name of a record") from error
        if found is None:
            raise NoSuchRequestError("no such record")
        return found

    async def prefilled(self, request: web.Request, form: AnswerForm, filled: Form) -> Form:
        """Return what was filled in, and in what is empty what is held of the candidate somebody chose. Nothing leaves by it.

        Raises:
            NoSuchRequestError: there is no such candidate.
        """
        message = await self._one(request, request.query["con"])
        await self._desk.record(f"candidate.open {message.key.opening}", actor=by_of(request).actor)  # first
        fields = {name: list(filled.every(name)) for name in filled.names()}
        for _, values in await values_of(message, self._node):
            for name, value in form.held(values).items():
                if not filled.text(f"v-{name}"):
                    fields[f"v-{name}"] = [value]
        return Form(fields)


def _name(message: HeldMessage) -> str:
    """Return what forms and addresses call a message: its ids; of a report taken here, its thread."""
    return str(message.thread_id) if message.taken else f"{message.key.opener}~{message.key.opening}"
