"""Why something may or may not leave: the decision, the rule that made it, and the rules that did not. Pure (SPEC 6.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from contracts.disclosure import (
    NOT_ASKED,
    NOT_NAMED,
    WALL_ENFORCEMENT,
    WALL_PERSON,
    WALL_REPORTER,
    WALL_STAYS,
    Judge,
    Release,
    walled,
)
from contracts.fields import FieldDefinition, Form
from contracts.ids import Code
from contracts.policy import Deny, Flow, Policy, Rule
from contracts.policy.entries import FORBID, NEVER, covers
from contracts.policy.overlay import OWN, Tightened
from contracts.policy.words import Labelled, Lang, need_in_words, say, word
from contracts.register import Role


class Answer(StrEnum):
    """What a policy can say. `NOT_PERMITTED`: nothing says yes. `FORBIDDEN`: something says no, and no grant changes it."""

    PERMITTED = "permitted"
    NEEDS_MORE = "needs-more"
    NOT_PERMITTED = "not-permitted"
    FORBIDDEN = "forbidden"
    STRICTER_HERE = "stricter-here"
    NOT_ASKED = "not-asked"


ANSWERS: dict[Answer, tuple[str, str]] = {
    Answer.PERMITTED: ("permitido", "permitted"),
    Answer.NEEDS_MORE: ("falta algo", "something is missing"),
    Answer.NOT_PERMITTED: ("no permitido: ninguna regla lo permite", "not permitted: no rule allows it"),
    Answer.FORBIDDEN: ("prohibido", "forbidden"),
    Answer.STRICTER_HERE: ("este nodo es más estricto", "this node is stricter"),
    Answer.NOT_ASKED: ("no se preguntó", "not asked for"),
}

_WALLS: dict[str, tuple[str, str]] = {
    WALL_ENFORCEMENT: (
        "muro: lo protegido (S4, S5) nunca llega a autoridades de control",
        "wall: what is protected (S4, S5) never reaches enforcement",
    ),
    WALL_STAYS: ("muro: este campo nunca sale de donde está", "wall: this field never leaves where it is"),
    WALL_PERSON: ("muro: esta persona no quiere llegar a ese destino", "wall: this person must not reach that recipient"),
    WALL_REPORTER: (
        "muro: quien reporta no viaja en una consulta, un hallazgo ni un boletín",
        "wall: a reporter travels in no query, finding or bulletin",
    ),
}


@dataclass(frozen=True, slots=True)
class Considered:
    """A flow or prohibition that speaks of the message type, whether it fits, and if not, why."""

    rule: str
    fits: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision about a message."""

    answer: Answer
    rule: str
    text: str
    considered: tuple[Considered, ...]


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """A decision about one field. `form` is None when it stays."""

    field: str
    label: str
    answer: Answer
    form: Form | None
    rule: str
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "field": self.field,
            "answer": self.answer.value,
            "form": self.form.value if self.form else None,
            "rule": self.rule,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Message:
    """The message a question is about."""

    kind: str
    sender: Role
    recipient: Role
    purpose: Code
    basis: Code


def explain_message(policy: Policy | Tightened, message: Message, lang: Lang) -> Explanation:
    """Return whether a message may go, which rule decided, and what the others say to it."""
    signed = policy.policy if isinstance(policy, Tightened) else policy
    decision = policy.decide(message.kind, message.sender, message.recipient, message.purpose, message.basis)
    considered = tuple(_considered(signed, message, lang))
    if isinstance(decision, Deny):
        answer = Answer.NOT_PERMITTED
        if decision.forbidden:
            answer = Answer.STRICTER_HERE if decision.rule.startswith(OWN) else Answer.FORBIDDEN
        return Explanation(answer, decision.rule, reason_in_words(decision.rule, policy, lang), considered)
    flow = signed.flow(decision.rule)
    return Explanation(Answer.PERMITTED, decision.rule, say(flow, lang), considered)


def explain_fields(release: Release, record: str, lang: Lang, names: Iterable[str] = ()) -> tuple[FieldExplanation, ...]:
    """Return what would become of each field of a record type (of those named, if any are), had it a value."""
    known = release.signed.fields_of(record)
    rule = release.signed.rule_for(record, release.kind, release.to.role, release.purpose)
    wanted = tuple(names) or tuple(known)
    if walled(record, release.kind):
        return tuple(_stays(known[name], WALL_REPORTER, release, lang) for name in wanted)
    if rule is None:
        return tuple(_without_rule(known[name], record, release, lang) for name in wanted)
    return tuple(_field(known[name], rule, release, lang) for name in wanted)


def answer_of(reason: str) -> Answer:
    """Return what sort of no a manifest's reason is (`contracts.disclosure.WithheldField`)."""
    if reason.startswith(("wall:", NEVER, FORBID)):
        return Answer.FORBIDDEN
    if reason.startswith("needs:"):
        return Answer.NEEDS_MORE
    if reason.startswith(OWN):
        return Answer.STRICTER_HERE
    return Answer.NOT_ASKED if reason == NOT_ASKED else Answer.NOT_PERMITTED


def reason_in_words(reason: str, policy: Policy | Tightened, lang: Lang) -> str:
    """Return a manifest's reason as people read it."""
    signed = policy.policy if isinstance(policy, Tightened) else policy
    plain = _WALLS | {NOT_ASKED: ANSWERS[Answer.NOT_ASKED], NOT_NAMED: ANSWERS[Answer.NOT_PERMITTED]}
    if reason in plain:
        return plain[reason][lang == "en"]
    if reason.startswith("needs:"):
        return _missing_in_words(reason, signed, lang)
    named: dict[str, Labelled] = {entry.id: entry for entry in signed.forbids} | {entry.id: entry for entry in signed.nevers}
    if isinstance(policy, Tightened):
        named |= {entry.id: entry for entry in policy.overlay.stricter}
    return say(named.get(reason), lang) or reason


def _missing_in_words(reason: str, signed: Policy, lang: Lang) -> str:
    _, sort, *rest = reason.split(":", 2)
    es = lang == "es"
    if sort == "scope":
        scope = next((scope for scope in signed.scopes if scope.id == rest[0]), None)
        told = say(scope, lang)
        return f"{'falta el consentimiento' if es else 'consent is missing:'} {rest[0].upper()} ({told})"
    if sort == "approvals":
        return f"{'hacen falta' if es else 'it takes'} {rest[0]} {'personas' if es else 'people'}"
    return "sólo por deber" if es else "by duty alone"


def _field(found: FieldDefinition, rule: Rule, release: Release, lang: Lang) -> FieldExplanation:
    verdict = Judge(rule, release).field(found)
    if not isinstance(verdict, Form):
        return _stays(found, verdict, release, lang)
    told = word("form", verdict.value, lang)
    need = need_in_words(rule.need_of(found.name), lang)
    return FieldExplanation(
        found.name, found.label(lang), Answer.PERMITTED, verdict, rule.id, f"{told} ({need})" if need else told
    )


def _stays(found: FieldDefinition, reason: str, release: Release, lang: Lang) -> FieldExplanation:
    text = reason_in_words(reason, release.policy, lang)
    return FieldExplanation(found.name, found.label(lang), answer_of(reason), None, reason, text)


def _without_rule(found: FieldDefinition, record: str, release: Release, lang: Lang) -> FieldExplanation:
    reason = release.signed.nevers_for(record, release.to.role).get(found.name, NOT_NAMED) if found.forms else WALL_STAYS
    return _stays(found, reason, release, lang)


def _considered(signed: Policy, message: Message, lang: Lang) -> Iterable[Considered]:
    banned = False
    for ban in signed.forbids:
        if message.kind in ban.kinds:
            fits = covers(ban.senders, message.sender) and covers(ban.recipients, message.recipient)
            banned = banned or fits
            yield Considered(ban.id, fits, say(ban, lang) if fits else ("otros roles", "other roles")[lang == "en"])
    for flow in signed.flows:
        if message.kind in flow.kinds:
            wrong = [told[lang == "en"] for fits, told in _against(flow, message) if not fits]
            if banned and not wrong:
                wrong = [
                    ("lo permitiría, pero la prohibición decide", "would allow it, but the prohibition decides")[lang == "en"]
                ]
            yield Considered(flow.id, not wrong, "; ".join(wrong) or say(flow, lang))


def _against(flow: Flow, message: Message) -> tuple[tuple[bool, tuple[str, str]], ...]:
    return (
        (covers(flow.senders, message.sender), ("no es quien puede enviar", "not who may send")),
        (covers(flow.recipients, message.recipient), ("no es quien puede recibir", "not who may receive")),
        (message.purpose in flow.purposes, ("otra finalidad", "another purpose")),
        (message.basis in flow.bases, ("otra base legal", "another legal basis")),
    )
