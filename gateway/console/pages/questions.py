"""A question in words: whom they look for, what they ask, for what and on which basis."""

from dataclasses import dataclass

from contracts.policy import Policy
from contracts.policy.words import say
from gateway.console.operations import Operations
from gateway.console.pages.values import said
from gateway.console.words import Words
from gateway.exchange import searching
from gateway.exchange.asked import Asked, candidate_of


@dataclass(frozen=True, slots=True)
class Pair:
    """A label and what is said beside it."""

    label: str
    text: str


def sought(asked: Asked, operations: Operations, told: Words) -> list[Pair]:
    """Return what is said of the person who is sought, field by field."""
    known = operations.node.trust().policy.fields_of("missing-person")
    found = candidate_of(asked, operations.node)
    return [
        Pair(
            known[name].label(told.lang) if name in known else name,
            said(known[name].kind if name in known else "", value, told),
        )
        for name, value in found.items()
    ]


def wanted(asked: Asked, operations: Operations, told: Words) -> list[str]:
    """Return the labels of what is asked for."""
    return labels(operations.node.trust().policy, *searching.wanted_of(asked.message), told)


def labels(policy: Policy, fields: frozenset[str], record_type: str | None, told: Words) -> list[str]:
    """Return what people call fields, by the record types that can answer."""
    types = [record_type] if record_type else ["unidentified-person", "custody", "unidentified-remains", "missing-person"]
    found = []
    for name in sorted(fields):
        known = next((policy.fields_of(item)[name] for item in types if name in policy.fields_of(item)), None)
        found.append(name if known is None else known.label(told.lang))
    return found


def purpose_in_words(policy: Policy, purpose: str, told: Words) -> str:
    """Return what a purpose is called."""
    return say(next((item for item in policy.purposes if item.id == purpose), None), told.lang) or purpose


def basis_in_words(policy: Policy, basis: str, told: Words) -> str:
    """Return what a legal basis is called, and that nobody checked it where nobody did."""
    found = next((item for item in policy.bases if item.id == basis), None)
    text = say(found, told.lang) or basis
    if found is not None and not found.verified and "verif" not in text:
        text = told.gettext("%(text)s (cita sin comprobar)") % {"text": text}
    return text
