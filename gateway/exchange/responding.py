"""Answering a question: from one's own record, field by field; or that there is nothing, or nothing that may be told.

An officer is shown what would leave, and what leaves is that, byte for byte (SPEC 18.7). `no-match` means "nothing we may
tell": a find that must stay unknown is answered as if it were not here, in the same bytes and at the same slot.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from contracts.codec import decode_message
from contracts.disclosure import Extract, SourceRecord
from contracts.errors import NotPermittedError
from contracts.explaining import reason_in_words
from contracts.fields import Form, plain
from contracts.ids import Code, MessageId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import (
    CaseState,
    CaseStatus,
    CaseStatusBody,
    DisclosureGrant,
    DisclosureGrantBody,
    DisclosureRequest,
    DisclosureResult,
    Message,
    SearchRequest,
    SearchResponse,
    SearchResponseBody,
    SearchResult,
)
from contracts.policy.words import Lang, say, word
from contracts.walls import ABOUT_THE_PERSON, REFUSED, told_result
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.departing import Held
from gateway.exchange.gate import By, WallError
from gateway.exchange.leaving import leave, show
from gateway.exchange.presented import type_of
from gateway.exchange.searching import FieldsWanted, ask_fields, wanted_of
from gateway.exchange.submit import Draft, Prepared

QUESTIONS = ("search.request", "disclosure.request")
NOTHING = "—"


class NoSuchRequestError(NotPermittedError):
    """No question of that id came, or it was answered already."""

    advice = "Véase `paradero request list`."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that came: opened, for a person who may see it."""

    message: SearchRequest | DisclosureRequest
    received_at: datetime
    open: bool

    @property
    def asked_at(self) -> int:
        """When it reached us, Unix seconds: the grid of the answer's slots begins here."""
        return int(self.received_at.timestamp())


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """What an officer found: how sure, in which own records, of which own case: its wishes and never-to rules decide.

    `finder_released`: those who hold the person decided that the seeker may hear of them.
    """

    result: SearchResult
    records: tuple[SourceRecord, ...]
    case_ref: str
    consent_ref: str | None = None
    finder_released: bool = False


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


@dataclass(frozen=True, slots=True)
class Shown:
    """What an officer looks at before anything leaves. `payload` is every byte that will be signed."""

    id: MessageId
    content: str
    payload: bytes
    told: str
    silenced_by: tuple[str, ...]
    waits: tuple[str, ...]
    leaves_at: datetime | None
    rows: tuple[Column, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, in hex."""
        return sha256(self.payload).hexdigest()


async def request_of(request_id: MessageId, node: Capabilities) -> Asked:
    """Return a question that came, opened.

    Raises:
        NoSuchRequestError: none of that id did.
    """
    async with node.begin() as work:
        found = await work.departures.received_body(request_id, QUESTIONS)
        if found is None:
            raise NoSuchRequestError("no question of that id came")
        key = ExchangeKey(found.sender, request_id)
        entries = await work.exchanges.lock([key], now=node.clock.now())
    kept = await node.bodies.open(found.thread_id, request_id, found.body)
    message = decode_message(kept.payload)
    if not isinstance(message, SearchRequest | DisclosureRequest):
        raise NoSuchRequestError("no question")
    entry = entries.get(key)
    return Asked(message, found.received_at, entry is not None and entry.exchange.state == "open")


async def show_answer(request_id: MessageId, answer: OwnAnswer, node: Capabilities, *, by: By, lang: Lang = "es") -> Shown:
    """Build the answer and keep it for `departing.confirm`; nothing is sent.

    Raises:
        NoSuchRequestError: no such question is open.
        WallError: something stands in the way that is not about the person; what is, turns the answer into ``no-match``.
        NotPermittedError: the policy has no such flow, nothing of a record may leave, or another answer waits.
    """
    asked = await _open_request(request_id, node)
    silenced_by: tuple[str, ...] = ()
    draft = _answer_draft(asked, answer, node, by)
    try:
        departure, weighed, built = await show([draft], node, by=by, asked_at=asked.asked_at)
    except WallError as refused:
        if ABOUT_THE_PERSON.isdisjoint(refused.walls):
            raise
        silenced_by = refused.walls
        silent = _nothing_draft(asked, by, searched_at=node.clock.now())
        departure, weighed, built = await show([silent], node, by=by, asked_at=asked.asked_at)
    extracts = () if silenced_by else weighed[0].extracts
    return Shown(
        id=departure.id,
        content=departure.content,
        payload=built[0].payload,
        told=_told(built[0].message.body),
        silenced_by=silenced_by,
        waits=departure.waits,
        leaves_at=departure.leaves_at,
        rows=compare(asked, answer.records, extracts, node, lang),
    )


async def no_information(
    request_id: MessageId, node: Capabilities, *, by: By, searched: Sequence[Code], as_of: datetime
) -> Prepared | Held:
    """Answer that we hold nothing we may tell. What was searched, and as of when, stays in our log.

    Raises:
        NoSuchRequestError, NotPermittedError: as `show_answer`.
    """
    asked = await _open_request(request_id, node)
    await _log(f"request.no-information {' '.join(searched)}", asked, node, by)
    return await _send(_nothing_draft(asked, by, searched_at=as_of), asked, node, by)


async def decline(request_id: MessageId, node: Capabilities, *, by: By, reason: Code) -> Prepared | Held:
    """Answer that we cannot answer. The reason stays here; who asks hears the one word every refusal is.

    Raises:
        NoSuchRequestError, NotPermittedError: as `show_answer`.
    """
    asked = await _open_request(request_id, node)
    await _log(f"request.declined {reason}", asked, node, by)
    if isinstance(asked.message, SearchRequest):
        body = SearchResponseBody(
            result=SearchResult.CANNOT_ANSWER, searched_at=int(node.clock.now().timestamp()), basis=REFUSED
        )
        return await _send(_draft(asked, SearchResponse, body, by), asked, node, by)
    return await _send(_nothing_draft(asked, by, searched_at=node.clock.now()), asked, node, by)


async def extend(request_id: MessageId, until: datetime, node: Capabilities, *, by: By) -> Prepared | Held:
    """Tell who asks that the answer takes until a later time; says nothing of what was found.

    Raises:
        NoSuchRequestError: no such question is open.
        NotPermittedError: the time is not ahead, or not after the deadline there is.
    """
    asked = await _open_request(request_id, node)
    now = node.clock.now()
    before = asked.message.deadline
    if until <= now or (before is not None and until.timestamp() <= before):
        raise NotPermittedError("a later time than the deadline there is, ahead of now")
    async with node.begin() as work:
        sequence = await work.departures.said(asked.message.thread_id, "case.status") + 1
    draft = Draft(
        kind=CaseStatus,
        to=asked.message.sender,
        body=CaseStatusBody(state=CaseState.SEARCHING, sequence=sequence),
        purpose=asked.message.purpose,
        basis=asked.message.basis,
        actor=by.actor,
        thread_id=asked.message.thread_id,
        case_key=str(asked.message.thread_id),
        in_reply_to=asked.message.message_id,
        deadline=until,
    )
    result = await leave([draft], node, by=by)
    if isinstance(result, Held):
        return result
    async with node.begin() as work:
        key = ExchangeKey(asked.message.sender, asked.message.message_id)
        await work.exchanges.set_deadline(key, asked.message.sender, until)
    return result[0]


async def clarify(
    request_id: MessageId, fields: tuple[Code, ...], record_type: Code, reason: Code, node: Capabilities, *, by: By
) -> Prepared | Held:
    """Ask who asks for more fields of the person they seek, in the same thread.

    Raises:
        NoSuchRequestError: no such question is open.
        WallError, NotPermittedError: these fields may not be asked for there.
    """
    asked = (await _open_request(request_id, node)).message
    wanted = FieldsWanted(
        to=asked.sender,
        record_type=record_type,
        fields=fields,
        reason=reason,
        purpose=asked.purpose,
        basis=asked.basis,
        case_ref=str(asked.thread_id),
        thread_id=asked.thread_id,
    )
    return await ask_fields(wanted, node, by=by)


async def _open_request(request_id: MessageId, node: Capabilities) -> Asked:
    asked = await request_of(request_id, node)
    if not asked.open:
        raise NoSuchRequestError("it was answered, or withdrawn")
    async with node.begin() as work:
        if await work.departures.answers_to(request_id):
            raise NotPermittedError("an answer to it waits already")
    return asked


async def _send(draft: Draft, asked: Asked, node: Capabilities, by: By) -> Prepared | Held:
    result = await leave([draft], node, by=by, asked_at=asked.asked_at)
    return result if isinstance(result, Held) else result[0]


def _answer_draft(asked: Asked, answer: OwnAnswer, node: Capabilities, by: By) -> Draft:
    fields, record_type = wanted_of(asked.message)
    if not answer.records:  # without it no wall could tell a child, the dead or a wish
        raise NotPermittedError("what was found is found in a record")
    if record_type is not None and any(str(record.type) != record_type for record in answer.records):
        raise NotPermittedError(f"asked for a {record_type} record")
    if isinstance(asked.message, SearchRequest):
        kind: type[Message] = SearchResponse
        body: object = SearchResponseBody(
            result=answer.result, searched_at=int(node.clock.now().timestamp()), consent_ref=answer.consent_ref
        )
    else:
        kind, body = DisclosureGrant, DisclosureGrantBody(result=DisclosureResult.GRANTED, consent_ref=answer.consent_ref)
    more = {"records": answer.records, "asked": fields, "finder_released": answer.finder_released}
    return _draft(asked, kind, body, by, case_ref=answer.case_ref, **more)


def _nothing_draft(asked: Asked, by: By, *, searched_at: datetime) -> Draft:
    if isinstance(asked.message, SearchRequest):
        result = told_result(SearchResult.MATCH, silent=True, without_record=SearchResult.NO_MATCH)
        body = SearchResponseBody(result=result, searched_at=int(searched_at.timestamp()))
        return _draft(asked, SearchResponse, body, by)
    grant = DisclosureGrantBody(result=DisclosureResult.REFUSED, basis=REFUSED)
    return _draft(asked, DisclosureGrant, grant, by)


def _draft(question: Asked, kind: type[Message], body: object, by: By, *, case_ref: str | None = None, **more: Any) -> Draft:
    message = question.message
    return Draft(
        kind=kind,
        to=message.sender,
        body=body,
        purpose=message.purpose,
        basis=message.basis,
        actor=by.actor,
        thread_id=message.thread_id,
        # What is told of nobody is of no case of ours: an alias made of one would tell that there is one.
        case_key=case_ref or str(message.thread_id),
        in_reply_to=message.message_id,
        **more,
    )


def _told(body: object) -> str:
    if isinstance(body, SearchResponseBody):
        return body.result.value
    return body.result.value if isinstance(body, DisclosureGrantBody) else ""


async def _log(outcome: str, asked: Asked, node: Capabilities, by: By) -> None:
    message, now = asked.message, node.clock.now()
    fields = LeafFields(
        at=int(now.timestamp()),
        event=LeafEvent.ADMIN,
        peer=message.sender,
        message_id=message.message_id,
        kind=message.type,
        outcome=outcome,
        actor=by.actor,
    )
    async with node.begin() as work:
        await work.audit.stage([node.leaves.leaf(fields)])


# -- the four columns -------------------------------------------------------------------------------------------------


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


def candidate_of(asked: Asked, node: Capabilities) -> dict[str, Any]:
    """Return the values of the person who is sought, as the question carries them."""
    found: dict[str, Any] = {}
    for presented in asked.message.records:
        verified = node.opener.verify_record(presented.sd_jwt, sender=asked.message.sender, at=asked.received_at)
        if type_of(presented) != "reporter":
            found.update(verified.claims)
    return found


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
            found = f"{low}-{high}"
        case {"date": day}:
            found = str(day)
        case {}:
            found = ", ".join(spoken(part, lang) for part in value.values())
        case list() | tuple():
            found = "; ".join(spoken(item, lang) for item in value)
        case _:
            found = str(value)
    return found
