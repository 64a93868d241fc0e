"""Routes of the private port for questions and answers, and for what waits for a person before it leaves.

Values of a record travel in bodies and answers, never in addresses; that somebody opened a question is in the log first.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from contracts.codec import encode_model, parse_object
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError, SchemaError
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import SearchResult, Urgency
from contracts.policy.words import Lang
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.exchange import departing, responding, searching
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import Held, NoSuchDepartureError
from gateway.exchange.gate import By, WallError
from gateway.exchange.responding import Asked, NoSuchRequestError, OwnAnswer, Shown
from gateway.exchange.searching import OwnQuestion, Question
from gateway.exchange.submit import Prepared
from gateway.people.desk import PeopleDesk
from gateway.people.errors import SignedOutError
from gateway.people.roles import Permission
from gateway.storage.read_models import ReadModels
from gateway.web import Watch

_BODY = 512 * 1024
_LIST = "Véase `paradero request list`."

Handler = Callable[[web.Request], Awaitable[web.Response]]


class RequestsApi:
    """The handlers."""

    def __init__(self, node: Capabilities, models: ReadModels, desk: PeopleDesk, watch: Watch) -> None:
        self._node = node
        self._models = models
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, answer, approve = Permission.REQUESTS_READ, Permission.REQUESTS_ANSWER, Permission.APPROVE
        one, held = "/api/v1/requests/{message_id}", "/api/v1/held/{message_id}"
        return (
            Route("GET", "/api/v1/requests", self._list, read),
            Route("POST", "/api/v1/requests", _told(self._new), answer),
            Route("GET", one, _told(self._show), read),
            Route("POST", f"{one}/preview", _told(self._preview), answer),
            Route("POST", f"{one}/clarify", _told(self._clarify), answer),
            Route("POST", f"{one}/extend", _told(self._extend), answer),
            Route("POST", f"{one}/decline", _told(self._decline), answer),
            Route("POST", f"{one}/no-information", _told(self._no_information), answer),
            Route("GET", "/api/v1/held", self._held, read),
            Route("GET", held, _told(self._open), read),
            Route("POST", f"{held}/confirm", _told(self._confirm), answer),
            Route("POST", f"{held}/approve", _told(self._approve), approve),
            Route("POST", f"{held}/release", _told(self._release), approve),
            Route("POST", f"{held}/drop", _told(self._drop), approve),
        )

    # -- questions ---------------------------------------------------------------------------------------------------

    async def _list(self, _request: web.Request) -> web.Response:
        return json_answer({"requests": await self._models.questions(self._node.clock.now())})

    async def _new(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        try:
            question = Question(
                to=NodeId(body["to"]),
                want=searching.fields_named(_list_of(body, "want")),
                purpose=Code(body["purpose"]),
                basis=Code(body["basis"]),
                case_ref=_case_ref(body["case_ref"]),
                records=_records(body),
                urgency=Urgency(body.get("urgency", Urgency.NORMAL.value)),
            )
        except (KeyError, ValueError):
            raise SchemaError("una pregunta lleva to, want, purpose, basis, case_ref y, si hay, records y urgency") from None
        return _went(await searching.ask_search(question, self._node, by=_by(request)))

    async def _show(self, request: web.Request) -> web.Response:
        request_id, by = _message_id(request), _by(request)
        await self._desk.record(f"request.open {request_id}", actor=by.actor)  # first: nobody reads it unseen
        own = await searching.own_question(request_id, self._node)
        if own is not None:
            return json_answer(self._own(own))
        return json_answer(self._asked(await responding.request_of(request_id, self._node)))

    def _own(self, own: OwnQuestion) -> dict[str, Any]:
        fields, record_type = searching.wanted_of(own.message)
        answer = own.answer
        return {
            "request_id": str(own.message.message_id),
            "direction": "asked",
            "kind": own.message.type,
            "to": str(own.message.recipient),
            "purpose": str(own.message.purpose),
            "basis": str(own.message.basis),
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
                "records": [{"type": kind, "claims": dict(claims)} for kind, claims in own.claims],
            },
        }

    def _asked(self, asked: Asked) -> dict[str, Any]:
        fields, record_type = searching.wanted_of(asked.message)
        return {
            "request_id": str(asked.message.message_id),
            "direction": "received",
            "kind": asked.message.type,
            "from": str(asked.message.sender),
            "purpose": str(asked.message.purpose),
            "basis": str(asked.message.basis),
            "received": asked.received_at.isoformat(timespec="seconds"),
            "deadline": _iso(asked.message.deadline),
            "open": asked.open,
            "want": sorted(fields),
            "record_type": record_type,
            "body": parse_object(encode_model(asked.message.body)),
            "candidate": responding.candidate_of(asked, self._node),
        }

    async def _preview(self, request: web.Request) -> web.Response:
        body, lang = await self._body(request), _lang(request)
        try:
            answer = OwnAnswer(
                result=SearchResult(body.get("result", SearchResult.MATCH.value)),
                records=_records(body),
                case_ref=_case_ref(body.get("case_ref")),
                consent_ref=body.get("consent_ref"),
                finder_released=body.get("finder_released", False) is True,
            )
        except ValueError:
            raise SchemaError("hacen falta result (match o possible), case_ref (el expediente propio) y records") from None
        if answer.result not in {SearchResult.MATCH, SearchResult.POSSIBLE}:
            raise SchemaError("sin hallazgo no hay qué mostrar: `paradero request no-information` o `decline`")
        shown = await responding.show_answer(_message_id(request), answer, self._node, by=_by(request), lang=lang)
        return json_answer(self._shown(shown))

    def _shown(self, shown: Shown) -> dict[str, Any]:
        return {
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

    async def _clarify(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        try:
            fields = searching.fields_named(_list_of(body, "fields"))
            record_type, reason = Code(body.get("record_type", "missing-person")), Code(body.get("reason", "compare"))
        except (KeyError, ValueError):
            raise SchemaError("fields es una lista de nombres de campos") from None
        by = _by(request)
        return _went(await responding.clarify(_message_id(request), fields, record_type, reason, self._node, by=by))

    async def _extend(self, request: web.Request) -> web.Response:
        until = _time(await self._body(request), "until")
        return _went(await responding.extend(_message_id(request), until, self._node, by=_by(request)))

    async def _decline(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        try:
            reason = Code(body.get("reason", ""))
        except ValueError:
            raise SchemaError("reason es un código; se queda en este nodo") from None
        return _went(await responding.decline(_message_id(request), self._node, by=_by(request), reason=reason))

    async def _no_information(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        try:
            searched = searching.fields_named(_list_of(body, "searched"))
        except (KeyError, ValueError):
            raise SchemaError("searched es una lista de códigos: dónde se buscó") from None
        as_of = _time(body, "as_of")
        if as_of > self._node.clock.now():
            raise SchemaError("as_of está por venir: diga hasta cuándo llegaba lo que se consultó")
        found = await responding.no_information(
            _message_id(request), self._node, by=_by(request), searched=searched, as_of=as_of
        )
        return _went(found)

    # -- what waits --------------------------------------------------------------------------------------------------

    async def _held(self, _request: web.Request) -> web.Response:
        return json_answer({"held": await self._models.departures()})

    async def _open(self, request: web.Request) -> web.Response:
        departure_id, by = _message_id(request), _by(request)
        await self._desk.record(f"held.open {departure_id}", actor=by.actor)
        departure, parcel, texts = await departing.open_parcel(departure_id, self._node)
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
                "messages": [parse_object(item) for item in parcel.contents],
                "texts": opened,
            }
        )

    async def _confirm(self, request: web.Request) -> web.Response:
        return _went(await departing.confirm(_message_id(request), self._node, by=_by(request)))

    async def _approve(self, request: web.Request) -> web.Response:
        content = (await self._body(request)).get("content")
        if not isinstance(content, str):
            raise SchemaError("content es la huella de lo que se miró")
        return _went(await departing.approve(_message_id(request), content, self._node, by=_by(request)))

    async def _release(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        try:
            places = _list_of(body, "places")
        except (KeyError, ValueError):
            raise SchemaError("places es una lista: qué textos") from None
        by, discard = _by(request), body.get("discard", False) is True
        return _went(await departing.release_text(_message_id(request), places, self._node, by=by, discard=discard))

    async def _drop(self, request: web.Request) -> web.Response:
        await departing.drop(_message_id(request), self._node, by=_by(request))
        return json_answer({"state": "dropped"})

    async def _body(self, request: web.Request) -> dict[str, Any]:
        data = await request.content.read(_BODY + 1)
        self._watch.body_read(request)
        if not data:
            raise SchemaError("falta el cuerpo, un objeto JSON")
        return parse_object(data, limit=_BODY)


class _NoIdError(NotPermittedError):
    """What stands where an id should is none."""


def _told(handler: Handler) -> Handler:
    """Return the handler with its refusals in the words people read: not there, or not allowed and by which wall."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (NoSuchRequestError, NoSuchDepartureError, _NoIdError) as error:
            return problem(404, "not-found", "No hay nada pendiente con ese identificador.", error.advice or _LIST)
        except WallError as error:
            return problem(403, "wall", f"No puede salir: {', '.join(error.walls)}.", error.advice)
        except NotPermittedError as error:
            return problem(403, error.code.value, f"No está permitido: {error}.", error.advice)

    return told


def _went(result: Prepared | Held | list[Prepared] | tuple[Prepared, ...] | Any) -> web.Response:
    if isinstance(result, Held):
        leaves = None if result.leaves_at is None else result.leaves_at.isoformat(timespec="seconds")
        state = "held" if result.waits else "waiting-for-slot" if leaves else "dropped"
        found = {"state": state, "id": str(result.id), "waits": list(result.waits), "leaves_at": leaves}
        return json_answer(found | {"content": result.content})
    messages = [result] if isinstance(result, Prepared) else list(result)
    ids = [str(item.message.message_id) for item in messages]
    deadline = _iso(messages[0].message.deadline)
    return json_answer({"state": "queued", "message_id": ids[0], "messages": ids, "deadline": deadline})


def _by(request: web.Request) -> By:
    principal = request[PRINCIPAL]
    if principal.person_id is None:
        raise SignedOutError
    return By(str(principal.person_id), principal.actor)


def _message_id(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise _NoIdError("no id") from None


def _lang(request: web.Request) -> Lang:
    return "en" if request.query.get("lang") == "en" else "es"


def _records(body: Mapping[str, Any]) -> tuple[SourceRecord, ...]:
    found = body.get("records", [])
    if not isinstance(found, list) or not all(isinstance(item, dict) and set(item) == {"type", "values"} for item in found):
        raise SchemaError("records es una lista de {type, values}")
    if not all(isinstance(item["type"], str) and isinstance(item["values"], dict) for item in found):
        raise SchemaError("records es una lista de {type, values}")
    return tuple(SourceRecord(item["type"], item["values"]) for item in found)


def _list_of(body: Mapping[str, Any], name: str) -> list[str]:
    found = body[name]
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise ValueError(name)
    return found


def _case_ref(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 80 or not value.isprintable():
        raise ValueError("case_ref")
    return value


def _time(body: Mapping[str, Any], name: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(body.get(name)))
    except ValueError:
        raise SchemaError(f"{name} es una fecha y hora, por ejemplo 2026-11-26T10:00:00-06:00") from None
    if found.tzinfo is None:
        raise SchemaError(f"{name} necesita su zona horaria, por ejemplo -06:00")
    return found.astimezone(UTC)


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
