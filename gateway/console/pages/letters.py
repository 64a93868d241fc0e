"""A message that has not left, as its recipient will read it: everything here comes from the bytes that will be signed."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from contracts.codec import decode_message, parse_object
from contracts.fields import RECORDS
from contracts.messages import CaseState, CaseStatusBody, Message
from contracts.policy import Policy
from contracts.policy.words import say, word
from gateway.console.marking import N_
from gateway.console.pages.answers import HOW
from gateway.console.pages.values import said
from gateway.console.words import Words
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.parcels import Parcel

RESULTS = {
    "match": N_("Coincide con la persona buscada"),
    "possible": N_("Posible coincidencia"),
    "no-match": N_("Sin información"),
    "cannot-answer": N_("No se puede responder"),
    "granted": N_("Se dan los datos pedidos"),
    "refused": N_("No se dan los datos pedidos"),
    "yes": N_("sí"),
    "no": N_("no"),
}
STATUSES = {
    CaseState.RECEIVED: N_("recibido"),
    CaseState.VALIDATING: N_("en revisión"),
    CaseState.SEARCHING: N_("en búsqueda"),
    CaseState.SEARCHING_ABROAD: N_("en búsqueda fuera del país"),
    CaseState.POSSIBLE_MATCH: N_("posible coincidencia"),
    CaseState.CONFIRMING: N_("por confirmar"),
    CaseState.LOCATED_ALIVE: N_("Está con vida"),
    CaseState.CLOSED: N_("terminado"),
    CaseState.REOPENED: N_("abierto otra vez"),
    CaseState.NOT_HANDLED_HERE: N_("no se atiende ahí"),
}
WILLS = {
    "contact": N_("quiere que su familia sepa y pueda contactarle"),
    "no-contact": N_("no quiere contacto"),
    "sealed-messages-only": N_("acepta sólo mensajes, sin que se sepa dónde está"),
    "undecided": N_("todavía no ha dicho qué quiere"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One field that leaves."""

    label: str
    text: str
    form: str
    rule: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: its one-word result, its fields, and what proves that this is all."""

    kind: str
    result: str
    record_types: tuple[str, ...]
    lines: tuple[Line, ...]
    fields: frozenset[str]
    text: str
    size: int
    digest: str
    keep_until: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """Of an answer: how many fields were asked for, how many of them are held here, and how many leave."""

    asked: int
    held: int
    left: int


def tally_of(asked: Collection[str], parcel: Parcel, letter: Letter) -> Tally | None:
    """Return how much of what was asked leaves; None for an answer that rests on no record."""
    records = (*parcel.drafts[0].records, *parcel.drafts[0].about)
    held = {str(name) for record in records for name in record.values}
    return Tally(len(asked), len(held & set(asked)), len(letter.fields)) if records else None


def letter_of(payload: bytes, node: Capabilities, told: Words) -> Letter:
    """Return a message as it will be read.

    Raises:
        ExchangeError: the bytes are no message, or a record in them does not verify.
    """
    message = decode_message(payload)
    lines, types, fields = _lines(message, node, told)
    return Letter(
        kind=word("kind", message.type, told.lang),
        result=body_in_words(message.body, told),
        record_types=types,
        lines=lines,
        fields=fields,
        text=json.dumps(parse_object(payload), ensure_ascii=False, indent=1),
        size=len(payload),
        digest=sha256(payload).hexdigest(),
        keep_until=datetime.fromtimestamp(message.use.retain_until, UTC),
    )


def located_in_words(body: CaseStatusBody, told: Words) -> str:
    """Return what a status says; of who was found alive, that and what they want."""
    text = told.gettext(STATUSES[body.state])
    if body.located is None:
        return text
    how = str(body.located.evidence)
    parts = (text, told.gettext(WILLS[body.located.will]), told.gettext(HOW[how]) if how in HOW else "")
    return "; ".join(part for part in parts if part)


def body_in_words(body: object, told: Words) -> str:
    """Return the one word of an answer as people say it; empty for a message that has none."""
    if isinstance(body, CaseStatusBody):
        return located_in_words(body, told)
    word = str(getattr(body, "result", "") or getattr(body, "answer", ""))
    return told.gettext(RESULTS[word]) if word in RESULTS else word


def _lines(message: Message, node: Capabilities, told: Words) -> tuple[tuple[Line, ...], tuple[str, ...], frozenset[str]]:
    policy = node.trust().policy
    lines: list[Line] = []
    types: list[str] = []
    fields: set[str] = set()
    for presented in message.records:
        record = node.opener.verify_issued(presented.sd_jwt, to=message.recipient)
        known = policy.fields_of(record.record_type)
        types.append(type_in_words(record.record_type, policy, told))
        for entry in presented.disclosed:
            found, form = known[entry.field], word("form", entry.form, told.lang)
            fields.add(str(entry.field))
            text = said(found.kind, record.claims[entry.field], told)
            lines.append(Line(found.label(told.lang), text, form, entry.rule))
    return tuple(lines), tuple(types), frozenset(fields)


def type_in_words(record_type: str, policy: Policy, told: Words) -> str:
    """Return what people call a type of record."""
    if record_type in RECORDS:
        return RECORDS[record_type].label(told.lang)
    return say(next((item for item in policy.records if item.id == record_type), None), told.lang) or record_type


def letters_of(payloads: Sequence[bytes], node: Capabilities, told: Words) -> tuple[Letter, ...]:
    """Return messages that leave together."""
    return tuple(letter_of(payload, node, told) for payload in payloads)
