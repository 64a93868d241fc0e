"""Routes of the private port about what relatives decide, who has what, and what is to be erased (SPEC 15, 20).

Who a relative is travels in a body and is kept as a keyed digest; what an address holds is a case's folio, thread or reference.
"""

from asyncio import IncompleteReadError
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from aiohttp import web

from contracts.codec import b64u_encode, parse_object
from contracts.consents import SCOPES, ConsentEvent, ConsentForm, Limits, RelativeId, Scope
from contracts.errors import ExchangeError, SchemaError, UnknownCaseError
from contracts.ids import ActorPseudonym, Code, NodeId, ThreadId
from contracts.messages import ConsentAct
from contracts.policy import Policy
from contracts.policy.words import word
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.console.operations import Operations
from gateway.exchange.consenting import Decision, consents_of, decide, known_case
from gateway.exchange.erasing import Plan, erase_turn, go_on, keep, keep_no_longer, plan
from gateway.exchange.holdings import Holding, who_has
from gateway.people.errors import InvalidError
from gateway.people.roles import Permission
from gateway.web import Watch
from keys.register.state import TrustState

_BODY = 16 * 1024
_LIST = 50
_T = TypeVar("_T")
_DECISION = frozenset({"act", "relative", "scopes", "form", "language"})
_MORE = frozenset({"witness", "recipients", "purposes", "fields", "until", "reason"})
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class RecallApi:
    """The handlers."""

    def __init__(self, operations: Operations, watch: Watch) -> None:
        self._operations = operations
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        case = "/api/v1/cases/{case}"
        return (
            Route("GET", f"{case}/consents", _of_a_case(self._consents), Permission.CASES_READ),
            Route("POST", f"{case}/consents", _of_a_case(self._decide), Permission.CONSENTS_RECORD),
            Route("GET", f"{case}/who-has", _of_a_case(self._who_has), Permission.CASES_READ),
            Route("GET", "/api/v1/erasure", self._erasure, Permission.ERASURE_READ),
            Route("POST", "/api/v1/erasure/run", self._run, Permission.ERASURE_RUN),
            Route("POST", "/api/v1/erasure/keep", self._keep, Permission.ERASURE_RUN),
            Route("POST", "/api/v1/erasure/release", self._release, Permission.ERASURE_RUN),
        )

    # -- what relatives decide -----------------------------------------------------------------------------------------

    async def _consents(self, request: web.Request) -> web.Response:
        events, holding = await consents_of(request.match_info["case"], self._looking)
        standing = [
            {
                "relative": str(relative),
                "scope": scope.value,
                "scope_es": SCOPES[scope].es,
                "scope_en": SCOPES[scope].en,
                "form": found.form.value,
                "language": found.language,
                "limits": _limits(found.limits),
                "given_by": str(found.given_by),
            }
            for (relative, scope), found in sorted(holding.scopes.items())
        ]
        return json_answer(
            {"in_force": standing, "internal_search": holding.internal_search, "events": [_event(event) for event in events]}
        )

    async def _decide(self, request: web.Request) -> web.Response:
        body = await self._body(request, _DECISION, _MORE)
        decision = self._decision(body)
        found = await decide(request.match_info["case"], decision, self._node, actor=request[PRINCIPAL].actor)
        return json_answer(
            {
                "event": str(found.event),
                "act": decision.act.value,
                "relative": str(decision.relative),
                "scopes": sorted(scope.value for scope in decision.scopes),
                "taken_back": [str(item) for item in found.taken_back],
                "under_way": [str(item) for item in found.under_way],
                "ordered": [{"node": str(peer), "copies": number} for peer, number in sorted((found.ordered or {}).items())],
                "untold": [str(peer) for peer in found.untold],
            }
        )

    def _decision(self, body: Mapping[str, Any]) -> Decision:
        return Decision(
            relative=self._relative(_text(body, "relative")),
            act=_one(body, "act", ConsentAct),
            scopes=frozenset(_each(body, "scopes", Scope)),
            form=_one(body, "form", ConsentForm),
            language=_text(body, "language"),
            witness=self._witness(body),
            limits=_limits_in(body),
            reason=_one(body, "reason", Code) if "reason" in body else None,
        )

    def _relative(self, said: str) -> RelativeId:
        """Return a keyed digest of how the office calls a relative; what it gave before is taken as it is."""
        if RelativeId.pattern.fullmatch(said):
            return RelativeId(said)
        plain = " ".join(said.casefold().split())
        if not plain:
            raise InvalidError("Falta quién decide.", advice="--relative: cómo llama su oficina a esa persona, siempre igual.")
        return RelativeId("r:" + b64u_encode(self._operations.digest("relative", plain.encode())[:18]))

    def _witness(self, body: Mapping[str, Any]) -> ActorPseudonym | None:
        if "witness" not in body:
            return None
        return self._node.pseudonyms.actor("witness:" + " ".join(_text(body, "witness").casefold().split()))

    # -- who has what --------------------------------------------------------------------------------------------------

    async def _who_has(self, request: web.Request) -> web.Response:
        async with self._looking.begin() as work:
            refs = await known_case(request.match_info["case"], work)
            entries = [entry for ref in refs for entry in await work.ledger.of_case(ref)]
        trust = self._node.trust()
        held = who_has({entry.record_id: entry for entry in entries}.values(), self._node.clock.now())
        return json_answer({"case": request.match_info["case"], "holdings": [_holding(line, trust) for line in held]})

    # -- what is to go -------------------------------------------------------------------------------------------------

    async def _erasure(self, _request: web.Request) -> web.Response:
        return json_answer(_plan(await plan(self._looking), self._node.clock.now()))

    async def _run(self, request: web.Request) -> web.Response:
        body = await self._body(request, frozenset(), frozenset({"go_on"}))
        if body.get("go_on") is True:
            await go_on(self._node, actor=request[PRINCIPAL].actor)
        await erase_turn(self._node, self._operations.scrub)
        return await self._erasure(request)

    async def _keep(self, request: web.Request) -> web.Response:
        body = await self._body(request, frozenset({"thread", "basis"}))
        thread, basis = _one(body, "thread", ThreadId), _one(body, "basis", Code)
        if not await keep(thread, basis, self._node, actor=request[PRINCIPAL].actor):
            return problem(409, "conflict", "Ese hilo ya se conserva por ley.", "Véase `paradero erasure status`.")
        return json_answer({"thread": str(thread), "basis": str(basis)})

    async def _release(self, request: web.Request) -> web.Response:
        thread = _one(await self._body(request, frozenset({"thread"})), "thread", ThreadId)
        if not await keep_no_longer(thread, self._node, actor=request[PRINCIPAL].actor):
            return problem(404, "not-found", "Ninguna ley conserva ese hilo.", "Véase `paradero erasure status`.")
        return json_answer({"thread": str(thread)})

    async def _body(
        self, request: web.Request, needed: frozenset[str], optional: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        advice = f"Lleva, en JSON: {', '.join(sorted(needed | optional)) or 'nada'}."
        try:
            await request.content.readexactly(_BODY + 1)
            raise InvalidError("La petición es demasiado larga.", advice=advice)
        except IncompleteReadError as whole:
            data = whole.partial
        self._watch.body_read(request)
        try:
            value = parse_object(data or b"{}", limit=_BODY, depth=3)
        except ExchangeError:
            raise InvalidError("La petición no es un objeto JSON.", advice=advice) from None
        if not needed <= set(value) <= needed | optional:
            raise InvalidError("A la petición le falta o le sobra algo.", advice=advice)
        return value


def _of_a_case(handler: _Handler) -> _Handler:
    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except UnknownCaseError:
            return problem(404, "not-found", "Este nodo no tiene ese caso.", "Dé su folio, o un hilo de `GET /api/v1/cases`.")
        except SchemaError:
            advice = (
                "La huella y lo dicho de palabra llevan testigo (--witness); un consentimiento heredado llega con un archivo."
            )
            return problem(422, "schema", "Así no vale ese consentimiento.", advice)

    return told


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str) or not value.strip() or len(value) > 200:
        raise InvalidError(f"{name} es un texto corto.")
    return value


def _one(body: Mapping[str, Any], name: str, kind: Callable[[str], _T]) -> _T:
    try:
        return kind(_text(body, name))
    except ValueError:
        raise InvalidError(f"{name} no es lo que debe ser.", advice="`--help` dice qué valores hay.") from None


def _each(body: Mapping[str, Any], name: str, kind: Callable[[str], _T]) -> list[_T]:
    values = body[name]
    if not isinstance(values, list) or not 0 < len(values) <= _LIST:
        raise InvalidError(f"{name} es una lista.")
    return [_one({name: value}, name, kind) for value in values]


def _limits_in(body: Mapping[str, Any]) -> Limits:
    until = body.get("until")
    if until is not None and (type(until) is not int or until < 0):
        raise InvalidError("until es un tiempo Unix, en segundos.")
    return Limits(
        recipients=frozenset(_each(body, "recipients", NodeId)) if "recipients" in body else None,
        purposes=frozenset(_each(body, "purposes", Code)) if "purposes" in body else None,
        fields=frozenset(_each(body, "fields", Code)) if "fields" in body else None,
        until=until,
    )


def _limits(limits: Limits) -> dict[str, Any]:
    named = {"recipients": limits.recipients, "purposes": limits.purposes, "fields": limits.fields}
    told: dict[str, Any] = {name: sorted(map(str, items)) for name, items in named.items() if items is not None}
    return told if limits.until is None else told | {"until": limits.until}


def _event(event: ConsentEvent) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "relative": "" if event.relative is None else str(event.relative),
        "act": event.act.value,
        "scopes": sorted(scope.value for scope in event.scopes),
        "at": event.effective_at,
        "form": event.form.value,
        "language": event.language,
        "limits": _limits(event.limits),
        "imported": event.imported,
        "reason": "" if event.reason is None else str(event.reason),
    }


def _holding(line: Holding, trust: TrustState) -> dict[str, Any]:
    policy = trust.policy
    member = trust.members.get(line.node)
    found = policy.fields_of(line.record_type).get(line.field)
    es, en = (line.field, line.field) if found is None else (found.label("es"), found.label("en"))
    return {
        "node": str(line.node),
        "name": str(line.node) if member is None else member.name,
        "record": line.record_type,
        "field": line.field,
        "field_es": es,
        "field_en": en,
        "form": line.form,
        "form_es": word("form", line.form, "es"),
        "form_en": word("form", line.form, "en"),
        "sent": line.sent_at.isoformat(timespec="seconds"),
        "purpose": str(line.purpose),
        **_labels("purpose", line.purpose, policy),
        "basis": str(line.basis),
        **_labels("basis", line.basis, policy),
        "rule": line.rule,
        "message": str(line.message_id),
        "state": line.recall.value,
        "kept_by": "" if line.recall_basis is None else str(line.recall_basis),
        "keep_until": line.retain_until.isoformat(timespec="seconds"),
        "overdue": line.overdue,
    }


def _labels(sort: str, code: Code, policy: Policy) -> dict[str, str]:
    entries = policy.purposes if sort == "purpose" else policy.bases
    found = next((entry for entry in entries if entry.id == code), None)
    es = str(code) if found is None else found.es
    en = str(code) if found is None else found.en or found.es
    return {f"{sort}_es": es, f"{sort}_en": en}


def _plan(found: Plan, now: datetime) -> dict[str, Any]:
    watch = found.watch
    return {
        "stopped": watch.stopped,
        "would_stop": found.stops,
        "last_run": None if watch.last_run is None else watch.last_run.isoformat(timespec="seconds"),
        "scrub_due": watch.scrub_due,
        "waiting": [
            {
                "item": item.item,
                "kind": item.kind.value,
                "ordered_by": str(item.ordered_by),
                "reason": item.reason,
                "state": item.state.value,
                "goes": item.shred_at.isoformat(timespec="seconds"),
                "due": item.shred_at <= now,
            }
            for item in found.waiting
        ],
        "outlived": [str(thread) for thread in found.outlived],
        "kept": [
            {"thread": str(item.thread_id), "basis": str(item.basis), "since": item.set_at.isoformat(timespec="seconds")}
            for item in found.kept
        ],
    }
