"""Fields of a record in a form: how each is typed, and what was typed, read by the parsers of `contracts.values`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contracts.calendars import day_in_guatemala
from contracts.fields import FieldDefinition
from contracts.policy import Policy
from gateway.console.pages.answers import Problem
from gateway.console.pages.forms import Form
from gateway.console.pages.values import UnreadError, choices, hint, read_value
from gateway.console.words import Words
from gateway.exchange.attachments import KIND

_APART = frozenset({"coordinates"})
"""Kinds of field that are not typed into a form."""


Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Typed:
    """One field: its label, what was typed, in which way it is typed; whether it is to leave, whether and how it may."""

    name: str
    label: str
    value: str
    long: bool
    hint: str
    choices: Choices
    several: bool
    chosen: bool
    may: bool
    why: str


def typable(policy: Policy, record: str, *, attached: bool = False) -> dict[str, FieldDefinition]:
    """Return the fields of a record type that can be typed; with attachments, which are chosen, where they can be."""
    apart = _APART if attached else _APART | {KIND}
    return {str(name): found for name, found in policy.fields_of(record).items() if found.kind not in apart}


def as_typed(
    found: FieldDefinition, filled: Form, told: Words, *, may: bool = True, why: str = "", ready: Choices = ()
) -> Typed:
    """Return how a field stands in a form. `ready`: the attachments there are to choose from."""
    return Typed(
        name=found.name,
        label=found.label(told.lang),
        value=filled.lines(f"v-{found.name}") if found.kind == KIND else filled.text(f"v-{found.name}"),
        long=found.kind in {"long_text", "items"},
        hint=hint(found.kind, told),
        choices=ready if found.kind == KIND else choices(found, told),
        several=found.kind == KIND,
        chosen=found.name in filled.every("sale"),
        may=may,
        why=why,
    )


def read_typed(
    known: Mapping[str, FieldDefinition],
    names: Iterable[str],
    form: Form,
    problems: list[Problem],
    told: Words,
    *,
    now: datetime,
    needed: bool,
) -> dict[str, Any]:
    """Return what was typed of these fields; what cannot be read, or is missing where it is `needed`, is a problem."""
    values: dict[str, Any] = {}
    today = day_in_guatemala(now)
    for name in names:
        label = known[name].label(told.lang)
        text = form.lines(f"v-{name}") if known[name].kind == KIND else form.text(f"v-{name}")
        if not text:
            if needed:
                why = told.gettext("%(label)s: eligió que salga y falta el dato.") % {"label": label}
                problems.append(Problem(f"v-{name}", why))
            continue
        try:
            values[name] = read_value(known[name], text, today)
        except UnreadError:
            said = {"label": label, "hint": hint(known[name].kind, told)}
            why = told.gettext("%(label)s: no se entiende. %(hint)s") % said
            problems.append(Problem(f"v-{name}", why.strip()))
    return values


def refuse_unready(
    values: Mapping[str, Any], known: Mapping[str, FieldDefinition], ready: Choices, problems: list[Problem], told: Words
) -> None:
    """Say of attachments that are none of those there were to choose from that they cannot be read."""
    codes = {code for code, _ in ready}
    for name, value in values.items():
        if known[name].kind == KIND and not codes.issuperset(value):
            told_of = {"label": known[name].label(told.lang), "hint": hint(KIND, told)}
            problems.append(Problem(f"v-{name}", told.gettext("%(label)s: no se entiende. %(hint)s") % told_of))
