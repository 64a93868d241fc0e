"""The four columns an officer decides by: what is asked, what is held, what will leave, and why (SPEC 18.7)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.disclosure import Extract, SourceRecord
from contracts.explaining import reason_in_words
from contracts.fields import Form, plain
from contracts.fields.coded import coded
from contracts.policy.words import Lang, say, word
from gateway.exchange.asked import Asked, candidate_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.searching import wanted_of

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Column:
    """One field: what is asked, what is held, what will leave, and why."""

    record: str
    field: str
    label: str
    asked: str
    held: str
    leaves: str
    why: str
    rule: str


def compare(
    asked: Asked, own: Sequence[SourceRecord], extracts: Sequence[Extract], node: Capabilities, lang: Lang
) -> tuple[Column, ...]:
    """Return, field by field: what is asked, what is held, what will leave, and why. For the eyes of one's own officers."""
    wanted, _ = wanted_of(asked.message)
    theirs = candidate_of(asked, node)
    rows: list[Column] = []
    for number, record in enumerate(own):
        extract = extracts[number] if number < len(extracts) else None
        rows += [
            _column(str(record.type), name, record, wanted, theirs, extract, node, lang) for name in _names(record, wanted)
        ]
    return tuple(rows)


def _names(record: SourceRecord, wanted: Collection[str]) -> list[str]:
    return sorted(wanted) + [name for name in record.values if name not in wanted]


def _column(  # noqa: PLR0917, PLR0913 - what a row is made of
    record_type: str,
    name: str,
    record: SourceRecord,
    wanted: Collection[str],
    theirs: dict[str, Any],
    extract: Extract | None,
    node: Capabilities,
    lang: Lang,
) -> Column:
    policy = node.trust().policy
    definition = policy.fields_of(record_type).get(name)
    es = lang == "es"
    there = name in record.values
    value = plain(record.values[name]) if there else None
    asked = spoken(plain(theirs[name]), lang) if name in theirs else ("se pregunta" if es else "asked")
    held = NOTHING if not there else spoken(value, lang) if name in wanted else ("(existe)" if es else "(exists)")
    if there and name in theirs and plain(theirs[name]) == value:
        held += " ="
    leaves, why, rule = _leaves(name, extract, node, lang) if there else (NOTHING, "no lo tenemos" if es else "not held", "")
    return Column(
        record=record_type,
        field=name,
        label=definition.label(lang) if definition else name,
        asked=asked if name in wanted else NOTHING,
        held=held,
        leaves=leaves,
        why=why,
        rule=rule,
    )


def _leaves(name: str, extract: Extract | None, node: Capabilities, lang: Lang) -> tuple[str, str, str]:
    stays = "no sale" if lang == "es" else "stays"
    if extract is None:
        return stays, "nada que se pueda decir" if lang == "es" else "nothing that may be told", ""
    policy = node.tightened(node.trust().policy)
    signed = node.trust().policy
    for entry in extract.manifest.disclosed:
        if entry.field == name:
            rule = next((found for found in signed.rules if found.id == entry.rule), None)
            form = "" if entry.form is Form.EXACT else f"{word('form', entry.form.value, lang)} · "
            return spoken(plain(extract.claims[name]), lang), f"{form}{say(rule, lang)}", str(entry.rule)
    for withheld in extract.manifest.withheld:
        if withheld.field == name:
            return stays, reason_in_words(withheld.rule, policy, lang), withheld.rule
    return stays, "", ""


def spoken(value: Any, lang: Lang) -> str:
    """Return a value of a record as an officer reads it."""
    match value:
        case bool():
            found = {"es": ("no", "sí"), "en": ("no", "yes")}[lang][value]
        case {"min": low, "max": high}:
            found = str(low) if low == high else f"{low}-{high}"
        case {"date": day}:
            found = str(day)
        case {"mt": kind, "grade": grade}:
            found = f"{kind} ({grade})"
        case {}:
            found = ", ".join(spoken(part, lang) for part in value.values())
        case list() | tuple():
            found = "; ".join(spoken(item, lang) for item in value)
        case str():
            found = coded(value, spanish=lang == "es")
        case _:
            found = str(value)
    return found
