"""Routes of the private port about what relatives decide, who has what, and what is to be erased (SPEC 15, 20).

Who a relative is travels in a body and is kept as a keyed digest; what an address holds is a case's folio, thread or reference.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web

from contracts.consents import SCOPES, ConsentEvent, ConsentForm, Limits, Scope
from contracts.errors import NotPermittedError, SchemaError, UnknownCaseError
from contracts.ids import ActorPseudonym, Code, NodeId, ThreadId
from contracts.messages import ConsentAct
from contracts.policy.words import word
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.console.eyes import eyes_of
from gateway.console.operations import Operations
from gateway.console.refusals import labels
from gateway.exchange.consenting import Decision, consents_of, decide, known_case
from gateway.exchange.erasing import Plan, erase_turn, go_on, keep, keep_no_longer, plan
from gateway.exchange.holdings import Holding, who_has
from gateway.exchange.passed_on import said_there
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError
from gateway.people.roles import Permission
from gateway.web import Watch
from keys.register.state import TrustState

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_DECISION = frozenset({"act", "relative", "scopes", "form", "language"})
_MORE = frozenset({"witness", "recipients", "purposes", "fields", "until", "reason"})
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class RecallApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._operations = operations
        self._desk = desk
        self._node = operations.node
        self._looking = replace(operations.node, begin=operations.look)
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        case = "/api/v1/cases/{case}"
        return (
            Route("GET", f"{case}/consents", self._of_a_case(self._consents), Permission.CASES_READ),
            Route("POST", f"{case}/consents", self._of_a_case(self._decide), Permission.CONSENTS_RECORD),
            Route("GET", f"{case}/who-has", self._of_a_case(self._who_has), Permission.CASES_READ),
            Route("GET", "/api/v1/erasure", self._erasure, Permission.ERASURE_READ),
            Route("POST", "/api/v1/erasure/run", self._run, Permission.ERASURE_RUN),
            Route("POST", "/api/v1/erasure/keep", self._keep, Permission.ERASURE_RUN),
            Route("POST", "/api/v1/erasure/release", self._release, Permission.ERASURE_RUN),
        )

    def _of_a_case(self, handler: _Handler) -> _Handler:
        """Return the handler for those who may see the case; to others it is not there."""

        async def seen(request: web.Request) -> web.Response:
            eyes = await eyes_of(request, Permission.CASES_READ, self._desk)
            if await self._operations.work.case_hidden(request.match_info["case"], eyes):
                raise UnknownCaseError("the work of another office")
            return await handler(request)

        return _of_a_case(seen)

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
        there = await self._said_there(request.match_info["case"])
        return json_answer(
            {
                "in_force": standing,
                "internal_search": holding.internal_search,
                "events": [_event(event) for event in events],
                "said_there": there,
            }
        )

    async def _said_there(self, case: str) -> dict[str, Any] | None:
        async with self._looking.begin() as work:
            refs = await known_case(case, work)
        for ref in refs:
            if ThreadId.pattern.fullmatch(ref) and (found := await said_there(ThreadId(ref), self._node)) is not None:
                return {
                    "node": str(found.peer),
                    "relative": str(found.relative),
                    "scopes": _in_order(found.scopes),
                    "taken_back": _in_order(found.taken_back),
                    "form": found.form,
                    "language": found.language,
                }
        return None

    async def _decide(self, request: web.Request) -> web.Response:
        body = await self._body(request, _DECISION, _MORE)
        decision = self._decision(body)
        before = (await consents_of(request.match_info["case"], self._looking))[1].scopes
        found = await decide(request.match_info["case"], decision, self._node, actor=request[PRINCIPAL].actor)
        return json_answer(
            {
                "event": str(found.event),
                "act": decision.act.value,
                "relative": str(decision.relative),
                "scopes": sorted(scope.value for scope in decision.scopes),
                "had": sorted(scope.value for who, scope in before if who == decision.relative and scope in decision.scopes),
                "taken_back": [str(item) for item in found.taken_back],
                "under_way": [str(item) for item in found.under_way],
                "told": [str(peer) for peer in found.told],
                "ordered": [{"node": str(peer), "copies": number} for peer, number in sorted((found.ordered or {}).items())],
                "untold": [str(peer) for peer in found.untold],
                "unheard": [str(peer) for peer in found.unheard],
            }
        )

    def _decision(self, body: Mapping[str, Any]) -> Decision:
        return Decision(
            relative=given.relative(given.text(body, "relative", longest=200), self._operations.digest),
            act=given.one(body, "act", ConsentAct),
            scopes=frozenset(given.each(body, "scopes", Scope)),
            form=given.one(body, "form", ConsentForm),
            language=_language(body),
            witness=self._witness(body),
            limits=_limits_in(body),
            reason=given.one(body, "reason", Code) if "reason" in body else None,
        )

    def _witness(self, body: Mapping[str, Any]) -> ActorPseudonym | None:
        if "witness" not in body:
            return None
        return given.witness(given.text(body, "witness", longest=200), self._node.pseudonyms)

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
        if given.yes(body, "go_on"):
            await go_on(self._node, actor=request[PRINCIPAL].actor)
        await erase_turn(self._node, self._operations.scrub)
        return await self._erasure(request)

    async def _keep(self, request: web.Request) -> web.Response:
        body = await self._body(request, frozenset({"thread", "basis"}))
        thread, basis = given.one(body, "thread", ThreadId), given.one(body, "basis", Code)
        try:
            kept = await keep(thread, basis, self._node, actor=request[PRINCIPAL].actor)
        except NotPermittedError:
            raise InvalidError("La política no tiene esa base legal.", advice="`paradero policy show` las muestra.") from None
        if not kept:
            return problem(409, "conflict", "Ese hilo ya se conserva por ley.", "Véase `paradero erasure status`.")
        return json_answer({"thread": str(thread), "basis": str(basis)})

    async def _release(self, request: web.Request) -> web.Response:
        thread = given.one(await self._body(request, frozenset({"thread"})), "thread", ThreadId)
        if not await keep_no_longer(thread, self._node, actor=request[PRINCIPAL].actor):
            return problem(404, "not-found", "Ninguna ley conserva ese hilo.", "Véase `paradero erasure status`.")
        return json_answer({"thread": str(thread)})

    async def _body(
        self, request: web.Request, needed: frozenset[str], optional: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        return await given.read_body(request, self._watch, needed, optional)


def _in_order(scopes: frozenset[Scope]) -> list[str]:
    return [scope.value for scope in Scope if scope in scopes]


def _of_a_case(handler: _Handler) -> _Handler:
    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except UnknownCaseError:
            return problem(404, "not-found", "Este nodo no tiene ese caso.", "Dé su folio, por ejemplo MBMID-2026-000001.")
        except SchemaError:
            advice = (
                "La huella y lo dicho de palabra llevan testigo (--witness); un consentimiento heredado llega con un archivo."
            )
            return problem(422, "schema", "Así no vale ese consentimiento.", advice)

    return told


def _language(body: Mapping[str, Any]) -> str:
    """Return a language as BCP 47 writes it, in its short forms: two or three letters, and perhaps a region."""
    text = given.text(body, "language", longest=200)
    if not _LANGUAGE.fullmatch(text):
        raise InvalidError("language es un idioma.", advice="--language es, quc, mam, kek, kjb, en… (BCP 47).")
    return text


def _limits_in(body: Mapping[str, Any]) -> Limits:
    until = body.get("until")
    if until is not None and (type(until) is not int or until < 0):
        raise InvalidError("until es un tiempo Unix, en segundos.")
    return Limits(
        recipients=frozenset(given.each(body, "recipients", NodeId)) if "recipients" in body else None,
        purposes=frozenset(given.each(body, "purposes", Code)) if "purposes" in body else None,
        fields=frozenset(given.each(body, "fields", Code)) if "fields" in body else None,
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
        **labels("purpose", line.purpose, policy),
        "basis": str(line.basis),
        **labels("basis", line.basis, policy),
        "rule": line.rule,
        "message": str(line.message_id),
        "state": line.recall.value,
        "kept_by": "" if line.recall_basis is None else str(line.recall_basis),
        "keep_until": line.retain_until.isoformat(timespec="seconds"),
        "overdue": line.overdue,
    }


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
        "attachments": found.attachments,
        "outstanding": [
            {"node": str(peer), "copies": out.copies, "attachments": out.attachments} for peer, out in sorted(found.out.items())
        ],
        "outlived": [str(thread) for thread in found.outlived],
        "kept": [
            {"thread": str(item.thread_id), "basis": str(item.basis), "since": item.set_at.isoformat(timespec="seconds")}
            for item in found.kept
        ],
    }
