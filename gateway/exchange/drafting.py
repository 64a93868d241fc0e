"""Forms that a person has not finished: kept sealed, part by part, for that person alone, until they are sent or for a week.

Two windows may show one part. Whoever saves what another window changed meanwhile is told, and nothing is written; they may
then say that theirs counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.codec import encode_object, parse_object
from contracts.errors import MessageConflictError, NotPermittedError, SchemaError, StorageError, TooLargeError
from contracts.ids import Code, MessageId, ThreadId
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.ports.departures import PersonRef
from gateway.exchange.ports.drafts import FormDraft

KEPT = timedelta(days=7)
"""After the last change."""
MOST = 40
"""Drafts of one person."""
LONGEST = 64 * 1024
"""Bytes of one draft."""
AT_ONCE = 200
_TRIES = 5

Fields = Mapping[str, Sequence[str]]


class NoSuchDraftError(NotPermittedError):
    """There is no such draft, or it is another person's."""


class TooManyDraftsError(NotPermittedError):
    """The person has as many drafts as one may have."""


class DraftTooLongError(SchemaError):
    """More than one draft may hold."""


class DraftChangedError(MessageConflictError):
    """Another window changed this part since this one read it; nothing was written. `saved_at` is when it did."""

    def __init__(self, saved_at: datetime) -> None:
        super().__init__("the draft was changed elsewhere")
        self.saved_at = saved_at


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form as it was saved last. Version 0: never."""

    fields: Fields = field(default_factory=dict)
    version: int = 0
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, opened."""

    draft: FormDraft
    parts: Mapping[str, Part]

    def part(self, name: str) -> Part:
        """Return one part."""
        return self.parts.get(name, Part())


@dataclass(frozen=True, slots=True)
class Place:
    """Where a draft that is not there yet goes: a person has one of a purpose. `thread_id` None: a thread of its own."""

    purpose: str
    office: Code | None = None
    thread_id: ThreadId | None = None


async def begin_draft(place: Place, node: Capabilities, *, person: PersonRef) -> Drafted:
    """Begin an empty draft.

    Raises:
        TooManyDraftsError: the person has as many as one may have.
        DraftChangedError: there is one of that purpose already.
    """
    now = node.clock.now()
    draft_id = node.new_message_id(now)
    thread = place.thread_id or node.new_thread_id(now)
    sealed = await node.bodies.seal_draft(thread, draft_id, _packed({}))  # before: its key must be durable
    draft = FormDraft(draft_id, person, place.purpose, place.office, thread, place.thread_id is None, 1, sealed, now, now)
    async with node.begin() as work:
        if await work.form_drafts.count(person) >= MOST:
            raise TooManyDraftsError("as many drafts as one person may have")
        if not await work.form_drafts.add(draft):
            raise DraftChangedError(now)
    return Drafted(draft, {})


async def open_draft(draft_id: MessageId, node: Capabilities, *, person: PersonRef) -> Drafted:
    """Return a draft of this person's.

    Raises:
        NoSuchDraftError: it is not there, or not theirs.
        ThreadErasedError: what it is about was erased, or is blocked.
    """
    async with node.begin() as work:
        draft = await work.form_drafts.find(draft_id)
    if draft is None or draft.person != person:
        raise NoSuchDraftError("no such draft")
    return await _opened(draft, node)


async def draft_of(purpose: str, node: Capabilities, *, person: PersonRef) -> Drafted | None:
    """Return this person's draft of a form, if there is one."""
    async with node.begin() as work:
        draft = await work.form_drafts.of_purpose(person, purpose)
    return None if draft is None else await _opened(draft, node)


async def drafts_of(purposes: str, node: Capabilities, *, person: PersonRef) -> Sequence[FormDraft]:
    """Return this person's drafts whose purpose begins so, unopened, the last changed first."""
    async with node.begin() as work:
        return await work.form_drafts.of_person(person, purposes, limit=MOST)


async def save_in(place: Place, part: str, fields: Fields, node: Capabilities, *, person: PersonRef, seen: int | None) -> Part:
    """Save a part of the form at `place`, which begins with its first save; as `save_part`."""
    found = await draft_of(place.purpose, node, person=person)
    if found is None:
        found = await begin_draft(place, node, person=person)
        seen = None  # whatever was there is gone: there is nothing to write over
    return await save_part(found.draft.id, part, fields, node, person=person, seen=seen)


async def save_part(
    draft_id: MessageId, part: str, fields: Fields, node: Capabilities, *, person: PersonRef, seen: int | None
) -> Part:
    """Save one part and leave the others. `seen`: the version that the window shows; None: theirs counts, whatever is there.

    Raises:
        DraftChangedError: another window saved this part meanwhile.
        NoSuchDraftError, DraftTooLongError: it is not there, or not theirs; it would be too long.
    """
    for _ in range(_TRIES):
        found = await open_draft(draft_id, node, person=person)
        before = found.part(part)
        if seen is not None and seen != before.version and dict(before.fields) != dict(fields):
            raise DraftChangedError(before.saved_at or found.draft.changed_at)
        now = node.clock.now()
        after = Part(fields, before.version + 1, now)
        data = _packed({**found.parts, part: after})
        sealed = await node.bodies.seal_draft(found.draft.thread_id, draft_id, data)
        later = replace(found.draft, version=found.draft.version + 1, sealed=sealed, changed_at=now)
        async with node.begin() as work:
            if await work.form_drafts.change(later):
                return after
    raise StorageError("too many windows write one draft")


async def drop_draft(draft_id: MessageId, node: Capabilities, *, person: PersonRef) -> None:
    """Forget a draft of this person's.

    Raises:
        NoSuchDraftError: it is not there, or not theirs.
    """
    async with node.begin() as work:
        draft = await work.form_drafts.find(draft_id)
        if draft is None or draft.person != person:
            raise NoSuchDraftError("no such draft")
        await work.form_drafts.drop(draft_id)


async def drop_form(purpose: str, node: Capabilities, *, person: PersonRef) -> None:
    """Forget this person's draft of a form, if there is one."""
    async with node.begin() as work:
        draft = await work.form_drafts.of_purpose(person, purpose)
        if draft is not None:
            await work.form_drafts.drop(draft.id)


async def drop_finished(thread_id: ThreadId, purposes: str, node: Capabilities) -> None:
    """Forget everybody's drafts of a form that somebody has finished."""
    async with node.begin() as work:
        await work.form_drafts.drop_of_thread(thread_id, purposes)


async def sweep_drafts(node: Capabilities) -> None:
    """Take away what nobody changed for a week, and what was dropped; keys of their own first: then no copy opens."""
    before = node.clock.now() - KEPT
    async with node.begin() as work:
        gone = await work.form_drafts.outlived(before=before, limit=AT_ONCE)
    if not gone:
        return
    own = sorted({draft.thread_id for draft in gone if draft.own_thread})
    if own:
        await node.bodies.destroy(own)
    async with node.begin() as work:
        await work.form_drafts.remove([draft.id for draft in gone])
        await _scrub_later(work)


async def _scrub_later(work: UnitOfWork) -> None:
    watch = await work.erasures.watch()
    await work.erasures.set_watch(replace(watch, scrub_due=True))


async def _opened(draft: FormDraft, node: Capabilities) -> Drafted:
    data = await node.bodies.open_draft(draft.thread_id, draft.id, draft.sealed)
    found: Mapping[str, Any] = parse_object(data, limit=LONGEST)
    return Drafted(draft, {name: _part(item) for name, item in found.items()})


def _part(item: Mapping[str, Any]) -> Part:
    return Part(item["fields"], item["version"], datetime.fromtimestamp(item["saved"], UTC))


def _packed(parts: Mapping[str, Part]) -> bytes:
    told = {
        name: {
            "fields": {key: list(values) for key, values in part.fields.items()},
            "version": part.version,
            "saved": 0 if part.saved_at is None else int(part.saved_at.timestamp()),
        }
        for name, part in parts.items()
    }
    try:
        return encode_object(told, limit=LONGEST)
    except TooLargeError:
        raise DraftTooLongError("more than a draft may hold") from None
