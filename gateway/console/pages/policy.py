"""The policy to look at: what leaves of each field to each role at most, and behind each cell the rules, the law, the walls."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from contracts.disclosure import WALL_ENFORCEMENT, WALL_STAYS
from contracts.explaining import reason_in_words
from contracts.fields import FieldDefinition, RecordDefinition, Sensitivity
from contracts.ids import Code
from contracts.policy import ENFORCEMENT, Basis, Flow, Policy, Rule
from contracts.policy.entries import covers
from contracts.policy.matrix import matrix, rules_to
from contracts.policy.words import Lang, need_in_words, say, word, words
from contracts.register import Role
from gateway.console.access import Face, Route
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.pages.policy_tester import PolicyTester
from gateway.console.words import Words
from gateway.exchange.work import NoSuchWorkError
from gateway.people.roles import Permission

FIRST = "missing-person"
_ACROSS = 5
"""Roles side by side: more are another table."""


class NoSuchEntryError(NoSuchWorkError):
    """The policy in force has no such record type, field or role."""


class PolicyPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations) -> None:
        self._looks = looks
        self._node = operations.node
        self._tester = PolicyTester(looks, operations)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read = Permission.FEDERATION_READ
        return (
            Route("GET", "/politica", self._first, read, Face.PAGE),
            *self._tester.routes(),
            Route("GET", "/politica/{record}", self._matrix, read, Face.PAGE),
            Route("GET", "/politica/{record}/{field}/{role}", self._cell, read, Face.PAGE),
        )

    @property
    def _policy(self) -> Policy:
        return self._node.trust().policy

    async def _first(self, request: web.Request) -> web.Response:
        return await self._table(request, FIRST)

    async def _matrix(self, request: web.Request) -> web.Response:
        return await self._table(request, request.match_info["record"])

    async def _table(self, request: web.Request, record: str) -> web.Response:
        told, policy, found = self._looks.words(request), self._policy, self._record(record)
        everybody = request.query.get("ver") == "todos"
        rows, roles = matrix(policy, record, told.lang), self._roles(everybody=everybody)
        return await self._looks.page(
            request,
            "politica.html",
            policy=policy,
            since=datetime.fromtimestamp(policy.since, UTC),
            record=found.id,
            record_name=found.label(told.lang),
            records=[(item.id, item.label(told.lang)) for item in policy.record_types()],
            tables=[
                [(role.value, word("role", role, told.lang)) for role in roles[start : start + _ACROSS]]
                for start in range(0, len(roles), _ACROSS)
            ],
            rows=rows,
            everybody=everybody,
            unverified=len(policy.unverified()),
        )

    def _roles(self, *, everybody: bool) -> list[Role]:
        trust = self._node.trust()
        here = {member.role for member in trust.members.values() if member.node != self._node.us}
        return [role for role in Role if everybody or role in here]

    # -- one cell ------------------------------------------------------------------------------------------------------

    async def _cell(self, request: web.Request) -> web.Response:
        told, policy, record = self._looks.words(request), self._policy, self._record(request.match_info["record"])
        name, role = request.match_info["field"], _role(request.match_info["role"])
        found = record.fields.get(name)
        if found is None or role is None:
            raise NoSuchEntryError("no such field or role")
        rules = [rule for rule in rules_to(policy, record.id, role) if Code(name) in rule.fields]
        return await self._looks.page(
            request,
            "politica_celda.html",
            policy=policy,
            since=datetime.fromtimestamp(policy.since, UTC),
            record=record.id,
            record_name=record.label(told.lang),
            field=found.label(told.lang),
            sensitivity=f"S{found.sensitivity.value}",
            role=word("role", role, told.lang),
            rules=[self._rule(rule, found, role, told.lang) for rule in rules],
            never=self._never(record, found, role, told),
        )

    def _rule(self, rule: Rule, found: FieldDefinition, role: Role, lang: Lang) -> dict[str, Any]:
        policy = self._policy
        purposes = [entry for entry in policy.purposes if entry.id in rule.purposes]
        return {
            "id": rule.id,
            "text": say(rule, lang),
            "form": word("form", rule.fields[Code(found.name)].value, lang),
            "need": need_in_words(rule.need_of(found.name), lang),
            "kinds": words("kind", rule.kinds, lang),
            "purposes": "; ".join(say(entry, lang) for entry in purposes),
            "two": [say(entry, lang) for entry in policy.second_person if _meets(entry.records, entry.kinds, rule)],
            "bases": [
                {"text": say(basis, lang), "norm": _norm(basis), "verified": basis.verified, "id": basis.id}
                for basis in self._bases(rule, role)
            ],
        }

    def _bases(self, rule: Rule, role: Role) -> list[Basis]:
        """Return the law that the flows name by which this node sends such a message to such a role."""
        policy, ours = self._policy, self._node.trust().member(self._node.us).role
        named = {basis for flow in policy.flows if _carries(flow, rule, ours, role) for basis in flow.bases}
        return [basis for basis in policy.bases if basis.id in named]

    def _never(self, record: RecordDefinition, found: FieldDefinition, role: Role, told: Words) -> list[str]:
        reasons = []
        if not found.forms:
            reasons.append(WALL_STAYS)
        elif role in ENFORCEMENT and found.sensitivity >= Sensitivity.PROTECTED:
            reasons.append(WALL_ENFORCEMENT)
        never = self._policy.nevers_for(record.id, role).get(found.name)
        reasons += [] if never is None else [never]
        return [reason_in_words(reason, self._policy, told.lang) for reason in reasons]

    def _record(self, name: str) -> RecordDefinition:
        found = self._policy.record_of(name)
        if found is None:
            raise NoSuchEntryError("no such record type")
        return found


def _role(text: str) -> Role | None:
    return next((role for role in Role if role.value == text), None)


def _meets(records: Sequence[str], kinds: Sequence[str], rule: Rule) -> bool:
    return rule.record in records and not set(kinds).isdisjoint(rule.kinds)


def _carries(flow: Flow, rule: Rule, sender: Role, recipient: Role) -> bool:
    meets = not set(flow.kinds).isdisjoint(rule.kinds) and not set(flow.purposes).isdisjoint(rule.purposes)
    return meets and covers(flow.senders, sender) and covers(flow.recipients, recipient)


def _norm(basis: Basis) -> str:
    return ", ".join(part for part in (basis.norm, basis.article, basis.value, basis.in_force) if part)
