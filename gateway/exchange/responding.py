"""Answering a question: from one's own record, field by field; or that there is nothing, or nothing that may be told.

An officer is shown what would leave, and what leaves is that, byte for byte (SPEC 18.7). `no-match` means "nothing we may
tell": a find that must stay unknown is answered as if it were not here, in the same bytes and at the same slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from contracts.alike import ABOUT_THE_OFFICE, REFUSED, told_result
from contracts.calendars import OfficeCalendar
from contracts.consents import RelativeId
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
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
    IdentityCheck,
    Message,
    SearchRequest,
    SearchResponse,
    SearchResponseBody,
    SearchResult,
)
from contracts.policy.words import Lang
from contracts.walls import ABOUT_THE_PERSON
from gateway.exchange.asked import Asked, NoSuchRequestError, request_of
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.comparing import Column, compare
from gateway.exchange.departing import Held
from gateway.exchange.gate import By, WallError
from gateway.exchange.leaving import leave_one, show
from gateway.exchange.located import one_voice
from gateway.exchange.searching import FieldsWanted, ask_fields, wanted_of
from gateway.exchange.submit import Draft, Prepared

EXTENSION = "case.status"


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
    reporter: RelativeId | None = None
    """Whose a reporter's record among them is: nobody else's consent lets anything of it leave."""
    chosen: frozenset[str] | None = None
    """Which of the fields that were asked for the officer lets go; None: all. None of them: yes or possible, and no field of a
    record; the walls look at the records all the same."""


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


async def show_answer(request_id: MessageId, answer: OwnAnswer, node: Capabilities, *, by: By, lang: Lang = "es") -> Shown:
    """Build the answer and keep it for `releasing.confirm`; nothing is sent.

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
        silent = _nothing_draft(asked, node)
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
    as_of_words = f"as-of {as_of.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    await _log(f"request.no-information {' '.join(searched)}", asked, node, by, detail=as_of_words)
    return await leave_one(_nothing_draft(asked, node), node, by=by, asked_at=asked.asked_at)


async def decline(request_id: MessageId, node: Capabilities, *, by: By, reason: Code) -> Prepared | Held:
    """Answer that we cannot answer, or, where the reason may be about the person, that there is nothing we may tell.

    The reason stays here. One of `ABOUT_THE_OFFICE` is told as the one word every refusal is; any other would tell that
    somebody is here, and becomes the very answer of who holds nothing.

    Raises:
        NoSuchRequestError, NotPermittedError: as `show_answer`.
    """
    asked = await _open_request(request_id, node)
    await _log(f"request.declined {reason}", asked, node, by)
    if isinstance(asked.message, SearchRequest) and reason in ABOUT_THE_OFFICE:
        body = SearchResponseBody(result=SearchResult.CANNOT_ANSWER, searched_at=asked.asked_at, basis=REFUSED)
        voice = By(by.person, one_voice(node))
        return await leave_one(_draft(asked, SearchResponse, body, voice), node, by=by, asked_at=asked.asked_at)
    return await leave_one(_nothing_draft(asked, node), node, by=by, asked_at=asked.asked_at)


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
        if await work.departures.prepared(str(asked.message.thread_id), EXTENSION):
            raise NotPermittedError("an extension waits for its slot already")
        sequence = await work.departures.said(asked.message.thread_id, EXTENSION) + 1
    draft = Draft(
        kind=CaseStatus,
        to=asked.message.sender,
        body=CaseStatusBody(state=CaseState.SEARCHING, sequence=sequence),
        purpose=asked.message.purpose,
        basis=asked.message.basis,
        actor=one_voice(node),
        thread_id=asked.message.thread_id,
        case_key=str(asked.message.thread_id),
        in_reply_to=asked.message.message_id,
        deadline=until,
    )
    return await leave_one(draft, node, by=by, asked_at=asked.asked_at)


async def clarify(
    request_id: MessageId,
    fields: tuple[Code, ...],
    record_type: Code,
    reason: Code,
    node: Capabilities,
    *,
    by: By,
    calendar: OfficeCalendar | None,
) -> Prepared | Held:
    """Ask who asks for more fields of the person they seek, in the same thread.

    Raises:
        NoSuchRequestError: no such question is open.
        WallError, NotPermittedError: these fields may not be asked for there.
    """
    question = await _open_request(request_id, node)
    asked = question.message
    wanted = FieldsWanted(
        to=asked.sender,
        record_type=record_type,
        fields=fields,
        reason=reason,
        purpose=asked.purpose,
        basis=asked.basis,
        case_ref=str(asked.thread_id),
        thread_id=asked.thread_id,
        calendar=calendar,
    )
    return await ask_fields(wanted, node, by=by, asked_at=question.asked_at)


async def _open_request(request_id: MessageId, node: Capabilities) -> Asked:
    asked = await request_of(request_id, node)
    if isinstance(asked.message, IdentityCheck):
        raise NotPermittedError("it is answered with yes or no")
    if not asked.open:
        raise NoSuchRequestError("it was answered, or withdrawn")
    async with node.begin() as work:
        if await work.departures.answers_to(request_id):
            raise NotPermittedError("an answer to it waits already")
    return asked


def _answer_draft(asked: Asked, answer: OwnAnswer, node: Capabilities, by: By) -> Draft:
    fields, record_type = wanted_of(asked.message)
    if not answer.records:  # without it no wall could tell a child, the dead or a wish
        raise NotPermittedError("what was found is found in a record")
    bare = answer.chosen is not None and not answer.chosen
    if bare and isinstance(asked.message, DisclosureRequest):
        raise NotPermittedError("fields were asked for: they are granted, or they are not")
    if record_type is not None and any(str(record.type) != record_type for record in answer.records):
        raise NotPermittedError(f"asked for a {record_type} record")
    if isinstance(asked.message, SearchRequest):
        kind: type[Message] = SearchResponse
        body: object = SearchResponseBody(result=answer.result, searched_at=asked.asked_at, consent_ref=answer.consent_ref)
    else:
        kind, body = DisclosureGrant, DisclosureGrantBody(result=DisclosureResult.GRANTED, consent_ref=answer.consent_ref)
    leaving = fields if answer.chosen is None else fields & answer.chosen
    carried = {"about": answer.records} if bare else {"records": answer.records}
    more = carried | {"asked": leaving, "finder_released": answer.finder_released, "reporter": answer.reporter}
    by = By(by.person, one_voice(node)) if bare else by
    return _draft(asked, kind, body, by, case_ref=answer.case_ref, **more)


def _nothing_draft(asked: Asked, node: Capabilities) -> Draft:
    by = By("", one_voice(node))  # the desk that answers may be where somebody was found
    if isinstance(asked.message, SearchRequest):
        result = told_result(SearchResult.MATCH, silent=True, without_record=SearchResult.NO_MATCH)
        # When somebody looked would tell whether they looked twice; what was looked through, and as of when, is in our leaf.
        body = SearchResponseBody(result=result, searched_at=asked.asked_at)
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


async def _log(outcome: str, asked: Asked, node: Capabilities, by: By, *, detail: str | None = None) -> None:
    message, now = asked.message, node.clock.now()
    fields = LeafFields(
        at=int(now.timestamp()),
        event=LeafEvent.ADMIN,
        peer=message.sender,
        message_id=message.message_id,
        kind=message.type,
        outcome=outcome,
        actor=by.actor,
        detail=detail,
    )
    async with node.begin() as work:
        await work.audit.stage([node.leaves.leaf(fields)])
