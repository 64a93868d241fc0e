"""Routes of the private port for questions and answers, and for what waits for a person before it leaves.

Values of a record travel in bodies and answers, never in addresses; that somebody opened a question is in the log first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from contracts.attachments import without_keys
from contracts.codec import encode_model, parse_object
from contracts.errors import SchemaError
from contracts.fields import RecordType
from contracts.ids import Code, Folio
from contracts.messages import CaseMessage, SearchResult, Urgency
from contracts.policy.words import Lang
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer
from gateway.console.eyes import calendar_here, eyes_of, of_ones_own
from gateway.console.operations import Operations
from gateway.console.refusals import labels, walls_in_words
from gateway.exchange import departing, referrals, releasing, responding, searching
from gateway.exchange.asked import Asked, NoSuchRequestError, candidate_of, request_of
from gateway.exchange.departing import Held
from gateway.exchange.gate import By
from gateway.exchange.identities import DOUBTS, Check, answer_identity, check_identity
from gateway.exchange.located import statuses_of
from gateway.exchange.responding import OwnAnswer, Shown
from gateway.exchange.searching import OwnQuestion, Question
from gateway.exchange.submit import Prepared
from gateway.exchange.work import NoSuchWorkError
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, SignedOutError, UnknownError
from gateway.people.roles import Permission
from gateway.web import Handler, Watch


class RequestsApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._node = operations.node
        self._models = operations.models
        self._work = operations.work
        self._digest = operations.digest
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, answer, approve = Permission.REQUESTS_READ, Permission.REQUESTS_ANSWER, Permission.APPROVE
        one, held = "/api/v1/requests/{message_id}", "/api/v1/held/{message_id}"
        return (
            Route("GET", "/api/v1/requests", self._list, read),
            Route("POST", "/api/v1/requests", self._new, answer, signs=True),
            Route("GET", one, self.seen(self._show, read), read),
            Route("POST", f"{one}/preview", self.seen(self._preview, answer), answer),
            Route("POST", f"{one}/clarify", self.seen(self._clarify, answer), answer),
            Route("POST", f"{one}/extend", self.seen(self._extend, answer), answer),
            Route("POST", f"{one}/decline", self.seen(self._decline, answer), answer),
            Route("POST", f"{one}/no-information", self.seen(self._no_information, answer), answer),
            Route("POST", "/api/v1/identity-checks", self._check, answer, signs=True),
            Route("POST", f"{one}/identity", self.seen(self._identity, answer), answer),
            Route("GET", "/api/v1/held", self._held, read),
            Route("GET", held, self._ours(self._open, read), read),
            Route("POST", f"{held}/confirm", self._confirm, answer, signs=True),
            Route("POST", f"{held}/approve", self._ours(self._approve, approve), approve, signs=True),
            Route("POST", f"{held}/release", self._ours(self._release, approve), approve),
            Route("POST", f"{held}/drop", self._ours(self._drop, approve), approve),
        )

    # -- questions ---------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        eyes = await eyes_of(request, Permission.REQUESTS_READ, self._desk)
        return json_answer({"requests": await self._models.questions(self._node.clock.now(), eyes)})

    def seen(self, handler: Handler, permission: Permission) -> Handler:
        """Return the handler for those who may see the question: of another office's nobody is told that it is there."""

        async def looked(request: web.Request) -> web.StreamResponse:
            if await self._work.hidden(given.message_id(request), await eyes_of(request, permission, self._desk)):
                raise NoSuchRequestError("the work of another office")
            return await handler(request)

        return looked

    async def _new(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"to", "want", "purpose", "basis", "case_ref"}, {"records", "urgency"})
        question = Question(
            to=given.node_id(body, "to"),
            want=given.codes(body, "want"),
            purpose=given.code(body, "purpose"),
            basis=given.code(body, "basis"),
            case_ref=await self.our_case(given.text(body, "case_ref")),
            records=given.records(body),
            urgency=_urgency(body),
            calendar=await calendar_here(request, Permission.REQUESTS_ANSWER, self._desk),
        )
        self._known(question.want, None)
        return went(await searching.ask_search(question, self._node, by=by_of(request)))

    def _known(self, fields: Sequence[Code], record_type: Code | None) -> None:
        """Refuse to ask for a field that no record has: nobody could answer it.

        Raises:
            InvalidError: there is one.
        """
        policy = self._node.trust().policy
        types = [record_type] if record_type is not None else [*RecordType, *(rule.record for rule in policy.rules)]
        known = {str(name) for kind in types for name in policy.fields_of(kind)}
        if not known.issuperset(map(str, fields)):
            raise InvalidError("Se pide un campo que no existe.", advice="`paradero policy matrix` muestra los campos que hay.")

    async def our_case(self, named: str) -> str:
        """Return what our books call a case: of a folio or a thread, its own; else the number it has in this institution.

        Consents are written down under the same name: what leaves under another would rest on none, and be recalled by none.

        Raises:
            UnknownError: a folio that no case here has.
        """
        try:
            async with self._node.begin() as work:
                return await referrals.case_of(named, work)
        except NoSuchWorkError:
            if Folio.pattern.fullmatch(named):
                raise UnknownError("Este nodo no tiene ese caso.", advice="case_ref es el folio del caso.") from None
            return named

    async def _show(self, request: web.Request) -> web.Response:
        request_id, by = given.message_id(request), by_of(request)
        await self._desk.record(f"request.open {request_id}", actor=by.actor)  # first: nobody reads it unseen
        own = await searching.own_question(request_id, self._node)
        if own is not None:
            said = await statuses_of(own.message.thread_id, request_id, self._node)
            told = [parse_object(encode_model(body)) | {"received": at.isoformat(timespec="seconds")} for body, at in said]
            return json_answer(self._own(own) | {"told": told})
        return json_answer(self._asked(await request_of(request_id, self._node)))

    def _own(self, own: OwnQuestion) -> dict[str, Any]:
        fields, record_type = searching.wanted_of(own.message)
        answer = own.answer
        return {
            "request_id": str(own.message.message_id),
            "direction": "asked",
            "kind": own.message.type,
            "to": str(own.message.recipient),
            **self._why(own.message),
            "deadline": _iso(own.message.deadline),
            "want": sorted(fields),
            "record_type": record_type,
            "open": answer is None,
            "answer": None
            if answer is None
            else {
                "message_id": str(answer.message_id),
                "received": None if own.received_at is None else own.received_at.isoformat(timespec="seconds"),
                "body": parse_object(encode_model(answer.body)),
                "records": [{"type": kind, "claims": without_keys(claims)} for kind, claims in own.claims],
            },
        }

    def _why(self, message: CaseMessage) -> dict[str, Any]:
        policy = self._node.trust().policy
        return {
            "purpose": str(message.purpose),
            **labels("purpose", message.purpose, policy),
            "basis": str(message.basis),
            **labels("basis", message.basis, policy),
        }

    def _asked(self, asked: Asked) -> dict[str, Any]:
        fields, record_type = searching.wanted_of(asked.message)
        return {
            "request_id": str(asked.message.message_id),
            "direction": "received",
            "kind": asked.message.type,
            "from": str(asked.message.sender),
            **self._why(asked.message),
            "received": asked.received_at.isoformat(timespec="seconds"),
            "deadline": _iso(asked.message.deadline),
            "open": asked.open,
            "want": sorted(fields),
            "record_type": record_type,
            "body": parse_object(encode_model(asked.message.body)),
            "candidate": without_keys(candidate_of(asked, self._node)),
        }

    async def _preview(self, request: web.Request) -> web.Response:
        more = {"result", "records", "consent_ref", "finder_released", "relative", "bare"}
        body, lang = await self._body(request, {"case_ref"}, more), _lang(request)
        answer = OwnAnswer(
            result=given.word(body, "result", SearchResult) if "result" in body else SearchResult.MATCH,
            records=given.records(body),
            case_ref=await self.our_case(given.text(body, "case_ref")),
            consent_ref=given.text(body, "consent_ref") if "consent_ref" in body else None,
            finder_released=given.yes(body, "finder_released"),
            reporter=given.relative(given.text(body, "relative"), self._digest) if "relative" in body else None,
            chosen=frozenset() if given.yes(body, "bare") else None,
        )
        if answer.result not in {SearchResult.MATCH, SearchResult.POSSIBLE}:
            raise SchemaError("sin hallazgo no hay qué mostrar: `paradero request no-information` o `decline`")
        shown = await responding.show_answer(given.message_id(request), answer, self._node, by=by_of(request), lang=lang)
        return json_answer(self._shown(shown))

    def _shown(self, shown: Shown) -> dict[str, Any]:
        purpose = Code(str(parse_object(shown.payload)["purpose"]))
        return {
            **labels("purpose", purpose, self._node.trust().policy),
            "silenced_es": walls_in_words(shown.silenced_by),
            "id": str(shown.id),
            "content": shown.content,
            "payload": shown.payload.decode(),
            "bytes": len(shown.payload),
            "sha256": shown.digest,
            "told": shown.told,
            "silenced_by": list(shown.silenced_by),
            "waits": list(shown.waits),
            "leaves_at": None if shown.leaves_at is None else shown.leaves_at.isoformat(timespec="seconds"),
            "policy": self._node.trust().policy.version,
            "rows": [asdict(row) for row in shown.rows],
        }

    async def _check(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"question", "purpose", "basis", "case_ref", "records"}, {"urgency"})
        records, doubt = given.records(body), next((item for item in DOUBTS if item == body["question"]), None)
        if len(records) != 1 or doubt is None:
            raise SchemaError(f"question es una de {', '.join(DOUBTS)}, y records un solo registro")
        check = Check(
            doubt=doubt,
            purpose=given.code(body, "purpose"),
            basis=given.code(body, "basis"),
            case_ref=await self.our_case(given.text(body, "case_ref")),
            record=records[0],
            urgency=_urgency(body),
            calendar=await calendar_here(request, Permission.REQUESTS_ANSWER, self._desk),
        )
        return went(await check_identity(check, self._node, by=by_of(request)))

    async def _identity(self, request: web.Request) -> web.Response:
        answer = (await self._body(request, {"answer"}))["answer"]
        if answer not in ("yes", "no"):
            raise SchemaError("answer es yes o no")
        return went(await answer_identity(given.message_id(request), answer, self._node, by=by_of(request)))

    async def _clarify(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"fields"}, {"record_type", "reason"})
        fields = given.codes(body, "fields")
        record_type = given.maybe_code(body, "record_type") or Code("missing-person")
        reason = given.maybe_code(body, "reason") or Code("compare")
        self._known(fields, record_type)
        request_id, by = given.message_id(request), by_of(request)
        calendar = await calendar_here(request, Permission.REQUESTS_ANSWER, self._desk)
        asked = responding.clarify(request_id, fields, record_type, reason, self._node, by=by, calendar=calendar)
        return went(await asked)

    async def _extend(self, request: web.Request) -> web.Response:
        until = given.when(await self._body(request, {"until"}), "until")
        return went(await responding.extend(given.message_id(request), until, self._node, by=by_of(request)))

    async def _decline(self, request: web.Request) -> web.Response:
        reason = given.code(await self._body(request, {"reason"}), "reason")
        return went(await responding.decline(given.message_id(request), self._node, by=by_of(request), reason=reason))

    async def _no_information(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"searched", "as_of"})
        searched, as_of = given.codes(body, "searched"), given.when(body, "as_of")
        if as_of > self._node.clock.now():
            raise SchemaError("as_of está por venir: diga hasta cuándo llegaba lo que se consultó")
        found = await responding.no_information(
            given.message_id(request), self._node, by=by_of(request), searched=searched, as_of=as_of
        )
        return went(found)

    # -- what waits --------------------------------------------------------------------------------------------------

    async def _held(self, request: web.Request) -> web.Response:
        eyes = await eyes_of(request, Permission.REQUESTS_READ, self._desk)
        return json_answer({"held": await self._models.departures(eyes, actor=str(by_of(request).actor))})

    def _ours(self, handler: Handler, permission: Permission) -> Handler:
        return of_ones_own(handler, given.message_id, permission, self._models, self._desk)

    async def _open(self, request: web.Request) -> web.Response:
        departure_id, by = given.message_id(request), by_of(request)
        await self._desk.record(f"held.open {departure_id}", actor=by.actor)
        departure, parcel, texts = await releasing.open_parcel(departure_id, self._node)
        opened = [
            {"place": item.place, "state": item.state.value, "text": await departing.text_of(item, departure_id, self._node)}
            for item in texts
        ]
        return json_answer(
            {
                "id": str(departure.id),
                "kind": departure.kind,
                "to": str(departure.peer),
                "waits": list(departure.waits),
                "leaves_at": None if departure.leaves_at is None else departure.leaves_at.isoformat(timespec="seconds"),
                "content": departure.content,
                "drafted_by": str(departure.actor),
                "messages": [without_keys(parse_object(item)) for item in parcel.contents],
                "texts": opened,
            }
        )

    async def _confirm(self, request: web.Request) -> web.Response:
        return went(await releasing.confirm(given.message_id(request), self._node, by=by_of(request)))

    async def _approve(self, request: web.Request) -> web.Response:
        content = given.text(await self._body(request, {"content"}), "content")
        return went(await releasing.approve(given.message_id(request), content, self._node, by=by_of(request)))

    async def _release(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"places"}, {"discard"})
        places, discard, by = given.each(body, "places", str), given.yes(body, "discard"), by_of(request)
        return went(await releasing.release_text(given.message_id(request), places, self._node, by=by, discard=discard))

    async def _drop(self, request: web.Request) -> web.Response:
        await releasing.drop(given.message_id(request), self._node, by=by_of(request))
        return json_answer({"state": "dropped"})

    async def _body(
        self, request: web.Request, needed: set[str], optional: set[str] | frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        return await given.read_body(request, self._watch, frozenset(needed), frozenset(optional))


def went(result: Prepared | Held | list[Prepared] | tuple[Prepared, ...] | Any) -> web.Response:
    """Return what became of it: queued, or what it waits for."""
    if isinstance(result, Held):
        leaves = None if result.leaves_at is None else result.leaves_at.isoformat(timespec="seconds")
        state = "held" if result.waits else "waiting-for-slot" if leaves else "dropped"
        found = {"state": state, "id": str(result.id), "waits": list(result.waits), "leaves_at": leaves}
        return json_answer(found | {"content": result.content})
    messages = [result] if isinstance(result, Prepared) else list(result)
    ids = [str(item.message.message_id) for item in messages]
    deadline = _iso(messages[0].message.deadline)
    return json_answer({"state": "queued", "message_id": ids[0], "messages": ids, "deadline": deadline})


def by_of(request: web.Request) -> By:
    """Return who acts: the person who signed in."""
    principal = request[PRINCIPAL]
    if principal.person_id is None:
        raise SignedOutError
    return By(str(principal.person_id), principal.actor)


def _lang(request: web.Request) -> Lang:
    return "en" if request.query.get("lang") == "en" else "es"


def _urgency(body: Mapping[str, Any]) -> Urgency:
    return given.word(body, "urgency", Urgency) if "urgency" in body else Urgency.NORMAL


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
