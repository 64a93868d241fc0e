"""Trying the policy: a question to it, the answer, the rule that decided, those that did not. Sends nothing, reads no case."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.disclosure import Grant, Recipient, Release
from contracts.explaining import ANSWERS, Answer, Message, explain_fields, explain_message
from contracts.ids import Code, NodeId
from contracts.messages import ASKED_KINDS, MESSAGE_TYPES, Minor
from contracts.policy import Policy
from contracts.policy.words import say, word
from contracts.register import Role
from gateway.console.access import Face, Route
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.words import Words
from gateway.people.roles import Permission

_NOBODY = NodeId("zz.prueba")
_MINORS: Mapping[Minor, str] = {"possible": N_("puede ser, o no se sabe"), "yes": N_("sí"), "no": N_("no")}
_WRONG = {
    "de": N_("Elija de qué papel es quien envía."),
    "a": N_("Elija de qué papel es quien recibe."),
    "mensaje": N_("Elija qué mensaje se enviaría."),
    "finalidad": N_("Elija para qué."),
    "base": N_("Elija la base legal."),
    "registro": N_("Elija de qué registro son los datos."),
    "campo": N_("Elija sólo datos de ese registro."),
    "consentimiento": N_("Elija sólo consentimientos de la política."),
    "personas": N_("Elija cuántas personas lo autorizan: de 0 a 3."),
    "menor": N_("Diga si puede ser menor de edad."),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as somebody put it together. `wrong` names the parts that are none."""

    sender: str
    recipient: str
    kind: str
    purpose: str
    basis: str
    record: str
    fields: tuple[str, ...]
    scopes: tuple[str, ...]
    duty: bool
    approvals: str
    minor: str
    wrong: tuple[str, ...]


class PolicyTester:
    """The handler."""

    def __init__(self, looks: Looks, operations: Operations) -> None:
        self._looks = looks
        self._node = operations.node

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (Route("GET", "/politica/probar", self._try, Permission.FEDERATION_READ, Face.PAGE),)

    async def _try(self, request: web.Request) -> web.Response:
        told, policy, put = self._looks.words(request), self._node.trust().policy, "mensaje" in request.query
        asked = self._asked(request, policy)
        answer = self._answer(asked, told) if put and not asked.wrong else None
        return await self._looks.page(
            request,
            "politica_probar.html",
            status=422 if put and asked.wrong else 200,
            asked=asked,
            wrong=[(name, told.gettext(_WRONG[name])) for name in asked.wrong] if put else [],
            answer=answer,
            lists=self._lists(policy, asked, told),
        )

    def _asked(self, request: web.Request, policy: Policy) -> Asked:
        query = request.query
        fields = tuple(dict.fromkeys(query.getall("campo", ())))
        scopes = tuple(dict.fromkeys(query.getall("consentimiento", ())))
        parts = self._parts(query, policy)
        wrong = [name for name, (value, every) in parts.items() if value not in every]
        wrong += [] if set(fields) <= set(policy.fields_of(parts["registro"][0])) else ["campo"]
        wrong += [] if set(scopes) <= {str(entry.id) for entry in policy.scopes} else ["consentimiento"]
        said = {name: value if value in every else "" for name, (value, every) in parts.items()}
        return Asked(
            sender=said["de"],
            recipient=said["a"],
            kind=said["mensaje"],
            purpose=said["finalidad"],
            basis=said["base"],
            record=said["registro"],
            fields=() if "campo" in wrong else fields,
            scopes=() if "consentimiento" in wrong else scopes,
            duty=query.get("deber") == "si",
            approvals=said["personas"],
            minor=said["menor"],
            wrong=tuple(wrong),
        )

    def _parts(self, query: Mapping[str, str], policy: Policy) -> dict[str, tuple[str, Collection[str]]]:
        """Return each part of a question that is one word of a list: what was chosen, and the list."""
        roles = {role.value for role in Role}
        return {
            "de": (query.get("de", self._own_role().value), roles),
            "a": (query.get("a", ""), roles),
            "mensaje": (query.get("mensaje", ""), set(MESSAGE_TYPES)),
            "finalidad": (query.get("finalidad", ""), {str(entry.id) for entry in policy.purposes}),
            "base": (query.get("base", ""), {str(entry.id) for entry in policy.bases}),
            "registro": (query.get("registro", "missing-person"), {entry.id for entry in policy.record_types()}),
            "personas": (query.get("personas", "1"), ("0", "1", "2", "3")),
            "menor": (query.get("menor", "possible"), set(_MINORS)),
        }

    def _own_role(self) -> Role:
        return self._node.trust().member(self._node.us).role

    def _answer(self, asked: Asked, told: Words) -> dict[str, Any]:
        policy = self._node.tightened(self._node.trust().policy)
        purpose, lang = Code(asked.purpose), told.lang
        message = Message(asked.kind, Role(asked.sender), Role(asked.recipient), purpose, Code(asked.basis))
        decision = explain_message(policy, message, lang)
        minor: Minor = "yes" if asked.minor == "yes" else "no" if asked.minor == "no" else "possible"
        grant = Grant(frozenset(map(Code, asked.scopes)), asked.duty, int(asked.approvals), minor)
        names = asked.fields or tuple(self._node.trust().policy.fields_of(asked.record))
        question = names if asked.kind in ASKED_KINDS else None
        to = Recipient(_NOBODY, message.recipient)
        release = Release(to, asked.kind, purpose, grant, policy, question)
        fields = explain_fields(release, asked.record, lang, names)
        leaves = sum(1 for item in fields if item.form is not None) if decision.answer is Answer.PERMITTED else 0
        return {
            "fine": decision.answer is Answer.PERMITTED,
            "said": ANSWERS[decision.answer][lang == "en"],
            "rule": decision.rule,
            "text": decision.text,
            "others": [item for item in decision.considered if item.rule != decision.rule],
            "fields": [{"told": ANSWERS[item.answer][lang == "en"], "item": item} for item in fields],
            "leaves": leaves,
        }

    def _lists(self, policy: Policy, asked: Asked, told: Words) -> dict[str, Sequence[tuple[str, str]]]:
        lang, found = told.lang, policy.record_of(asked.record)
        return {
            "roles": [(role.value, self._role_with_members(role, told)) for role in Role],
            "kinds": sorted(((kind, word("kind", kind, lang)) for kind in MESSAGE_TYPES), key=lambda pair: pair[1]),
            "purposes": [(str(entry.id), say(entry, lang)) for entry in policy.purposes],
            "bases": [
                (str(entry.id), say(entry, lang) if entry.verified else f"{say(entry, lang)} ({told.gettext('sin verificar')})")
                for entry in policy.bases
            ],
            "records": [(entry.id, entry.label(lang)) for entry in policy.record_types()],
            "fields": [] if found is None else [(name, item.label(lang)) for name, item in found.fields.items()],
            "scopes": [(str(entry.id), f"{entry.id.upper()}: {say(entry, lang)}") for entry in policy.scopes],
            "minors": [(code, told.gettext(label)) for code, label in _MINORS.items()],
        }

    def _role_with_members(self, role: Role, told: Words) -> str:
        """Return a role's name, and who holds it in this network: people know partners by name."""
        names = sorted(member.name for member in self._node.trust().members.values() if member.role is role)
        label = word("role", role, told.lang)
        return f"{label} · {', '.join(names[:3])}" if names else label
