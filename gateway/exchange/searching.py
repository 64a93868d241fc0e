"""Asking: an identified search, or fields of a record, with a deadline; and what an answer may bring (SPEC 18.5, 18.6)."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from contracts.calendars import OfficeCalendar
from contracts.codec import decode_message
from contracts.disclosure import SourceRecord, recheck_asked
from contracts.errors import NotPermittedError, OverDisclosureError, StorageError
from contracts.ids import Code, MessageId, NodeId, RecordId, ThreadId
from contracts.messages import (
    ASKED_KINDS,
    CaseMessage,
    DisclosureGrant,
    DisclosureRequest,
    DisclosureRequestBody,
    IdentityAnswer,
    IdentityCheck,
    Message,
    SearchRequest,
    SearchRequestBody,
    SearchResponse,
    Urgency,
)
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.deadlines import due_by_policy
from gateway.exchange.departing import Held
from gateway.exchange.gate import By
from gateway.exchange.judging import Authenticated, Verdict
from gateway.exchange.leaving import leave_one, show
from gateway.exchange.ports import CaseEntry
from gateway.exchange.ports.departures import Departure
from gateway.exchange.presented import type_of
from gateway.exchange.submit import Draft, Prepared


@dataclass(frozen=True, slots=True)
class Question:
    """What an officer asks of another institution. `want`: names of fields, and no answer carries another.

    `case_ref` is what our own books call the case; `records` is the candidate, exact, as it is held here. The answer is due by
    the `calendar` of the office that asks.
    """

    to: NodeId
    want: tuple[Code, ...]
    purpose: Code
    basis: Code
    case_ref: str
    records: tuple[SourceRecord, ...] = ()
    urgency: Urgency = Urgency.NORMAL
    calendar: OfficeCalendar | None = None


@dataclass(frozen=True, slots=True)
class FieldsWanted:
    """Fields of a record that are needed to decide, in a thread there is already or a new one."""

    to: NodeId
    record_type: Code
    fields: tuple[Code, ...]
    reason: Code
    purpose: Code
    basis: Code
    case_ref: str
    thread_id: ThreadId | None = None
    record: RecordId | None = None
    calendar: OfficeCalendar | None = None


async def ask_search(question: Question, node: Capabilities, *, by: By) -> Prepared | Held:
    """Send a search request, due when the policy's flow says; or hold it for a person.

    Raises:
        WallError, NotPermittedError: it may not be asked there, so, or now; or one like it is under way.
    """
    return await leave_one(_search_draft(question, node, by), node, by=by)


async def show_search(question: Question, node: Capabilities, *, by: By, office: Code | None = None) -> Departure:
    """Build a search request and keep it until whoever looks at it confirms it (`releasing.confirm`); nothing is sent.

    Raises:
        WallError, NotPermittedError: as `ask_search`.
    """
    departure, _, _ = await show([_search_draft(question, node, by)], node, by=by, office=office)
    return departure


def _search_draft(question: Question, node: Capabilities, by: By) -> Draft:
    now, why = node.clock.now(), (question.purpose, question.basis)
    return Draft(
        kind=SearchRequest,
        to=question.to,
        body=SearchRequestBody(want=question.want, urgency=question.urgency),
        purpose=question.purpose,
        basis=question.basis,
        actor=by.actor,
        thread_id=node.new_thread_id(now),
        case_key=question.case_ref,
        records=question.records,
        deadline=due_by_policy(node, "search.request", question.to, why, question.urgency, question.calendar),
        message_id=node.new_message_id(now),
    )


async def ask_fields(wanted: FieldsWanted, node: Capabilities, *, by: By, asked_at: int | None = None) -> Prepared | Held:
    """Send a disclosure request, due when the policy's flow says.

    `asked_at` (Unix seconds): it asks back about a question that reached us then, and leaves at a slot as its answer would.

    Raises:
        WallError, NotPermittedError: as `ask_search`.
    """
    now, why = node.clock.now(), (wanted.purpose, wanted.basis)
    body = DisclosureRequestBody(
        record_type=wanted.record_type, fields=wanted.fields, reason=wanted.reason, record=wanted.record
    )
    draft = Draft(
        kind=DisclosureRequest,
        to=wanted.to,
        body=body,
        purpose=wanted.purpose,
        basis=wanted.basis,
        actor=by.actor,
        thread_id=wanted.thread_id or node.new_thread_id(now),
        case_key=wanted.case_ref,
        deadline=due_by_policy(node, "disclosure.request", wanted.to, why, Urgency.NORMAL, wanted.calendar),
    )
    return await leave_one(draft, node, by=by, asked_at=asked_at)


# -- what came ---------------------------------------------------------------------------------------------------------


async def file_request(message: SearchRequest | DisclosureRequest | IdentityCheck, node: Capabilities) -> None:
    """File a question as work for people; whom it is about stays in the sealed body.

    Raises:
        NotPermittedError: the thread is another peer's.
    """
    kind = "search" if isinstance(message, SearchRequest) else message.type.partition(".")[0]
    entry = CaseEntry(
        thread_id=message.thread_id,
        kind=kind,
        peer=message.sender,
        opened_by=message.message_id,
        state="received",
        alias=message.case_alias,
        folio=None,
        opened_at=node.clock.now(),
    )
    async with node.begin() as work:
        known = (await work.cases.find([message.thread_id])).get(message.thread_id)
        if known is not None and known.peer != message.sender:
            raise NotPermittedError("the thread belongs to another peer")
        await work.cases.open([entry])


async def take_answer(message: SearchResponse | DisclosureGrant | IdentityAnswer, node: Capabilities) -> None:
    """Take an answer in, if it answers a question of ours to this peer and brings nothing else.

    Raises:
        NotPermittedError: it answers nothing we asked this peer.
        OverDisclosureError: it brings what was not asked.
    """
    asked = await _question(message, node)
    if asked is None:
        raise NotPermittedError("an answer to nothing we asked this peer")
    refuse_more(message, asked)


async def refuse_unasked(verdict: Verdict, node: Capabilities) -> Verdict:
    """Refuse at the door an answer that brings more than we asked: the asker alone knows what it asked (SPEC 6.4)."""
    if not isinstance(verdict, Authenticated) or verdict.error is not None or verdict.message is None:
        return verdict
    message = verdict.message
    if message.type in ASKED_KINDS and message.records:
        with suppress(StorageError):  # the handler looks again; nothing is shown before it has
            asked = await _question(message, node)
            if asked is not None:  # what answers nothing of ours is the handler's to refuse
                return _refused_if_more(verdict, message, asked)
    return verdict


def _refused_if_more(verdict: Authenticated, answer: CaseMessage, question: CaseMessage) -> Authenticated:
    try:
        refuse_more(answer, question)
    except OverDisclosureError as error:
        return replace(verdict, error=error)
    return verdict


def refuse_more(answer: CaseMessage, question: CaseMessage) -> None:
    """Refuse an answer that brings a field, or a type of record, nobody asked for.

    Raises:
        OverDisclosureError: it does.
    """
    fields, record_type = wanted_of(question)
    for record in answer.records:
        if record_type is not None and type_of(record) != record_type:
            raise OverDisclosureError("an answer with a type of record that was not asked for")
        recheck_asked((item.field for item in record.disclosed), fields)


def wanted_of(question: CaseMessage) -> tuple[frozenset[str], str | None]:
    """Return which fields a question asked for, and of which type of record (None: of any)."""
    if isinstance(question, SearchRequest):
        return frozenset(question.body.want), None
    if isinstance(question, DisclosureRequest):
        return frozenset(question.body.fields), str(question.body.record_type)
    return frozenset(), None


async def _question(answer: Message, node: Capabilities) -> CaseMessage | None:
    """Return the message of ours that `answer` answers; None when we sent this peer none of that id."""
    if answer.in_reply_to is None:
        return None
    async with node.begin() as work:
        sent = await work.departures.sent_body(answer.sender, MessageId(answer.in_reply_to))
    if sent is None:
        return None
    thread_id, body = sent
    kept = await node.bodies.open(thread_id, answer.in_reply_to, body)
    return decode_message(kept.payload)


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question of ours, opened, and what was answered, if anything was: both for a person who may see them."""

    message: SearchRequest | DisclosureRequest | IdentityCheck
    answer: SearchResponse | DisclosureGrant | IdentityAnswer | None
    claims: tuple[tuple[str, Mapping[str, Any]], ...]
    """What the answer brought: the type of each record, and its values."""
    received_at: datetime | None


async def own_question(request_id: MessageId, node: Capabilities) -> OwnQuestion | None:
    """Return a question we asked; None when we asked none of that id."""
    key = ExchangeKey(node.us, request_id)
    async with node.begin() as work:
        entry = (await work.exchanges.lock([key], now=node.clock.now())).get(key)
        sent = None if entry is None else await work.departures.sent_body(entry.peer, request_id)
        kinds = sorted({*ASKED_KINDS, "identity.answer"})
        taken = None if sent is None else await work.departures.taken_answer(sent[0], request_id, kinds)
    if sent is None:
        return None
    question = decode_message((await node.bodies.open(sent[0], request_id, sent[1])).payload)
    if not isinstance(question, SearchRequest | DisclosureRequest | IdentityCheck):
        return None
    if taken is None:
        return OwnQuestion(question, None, (), None)
    answer = decode_message((await node.bodies.open(taken.thread_id, taken.message_id, taken.body)).payload)
    if not isinstance(answer, SearchResponse | DisclosureGrant | IdentityAnswer):
        return OwnQuestion(question, None, (), None)
    opened = [node.opener.verify_record(item.sd_jwt, sender=answer.sender, at=taken.received_at) for item in answer.records]
    claims = tuple((record.record_type, record.claims) for record in opened)
    return OwnQuestion(question, answer, claims, taken.received_at)


def fields_named(names: Iterable[str]) -> tuple[Code, ...]:
    """Return names of fields as codes, each once, in the order they were given.

    Raises:
        ValueError: one is no code.
    """
    return tuple(dict.fromkeys(Code(name) for name in names))
