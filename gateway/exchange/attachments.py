"""Attachments we send: cleaned, sealed for one thread, named in a record, served to who was told of them (SPEC 23).

An attachment belongs to a thread from the beginning: that of the exchange it is for, or a new one, which the message that
names it then opens. So two peers never hold the same ciphertext, and what erases the thread erases it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from contracts.attachments import AttachmentRef, Grade, is_reference
from contracts.codec import encode_object, parse_object
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError, StorageError, TooLargeError
from contracts.fields import is_stated, plain
from contracts.ids import ActorPseudonym, NodeId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentId, AttachmentState
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import Nudge, StagedLeaf, UnitOfWork
from gateway.exchange.submit import Built, Draft, kind_of
from keys.blobs import open_blob, seal_blob

KIND = "attachments"
"""The kind of field that names attachments."""
UNUSED_FOR = timedelta(days=30)
"""What no message names by then is forgotten."""
_OPENING = frozenset({"search.request", "finding.notice"})
"""What an officer opens a thread with: it opens that of its attachments."""
_SERVED = frozenset({AttachmentState.SENT})
_NAMABLE = frozenset({AttachmentState.READY, AttachmentState.SENT})
_READABLE = frozenset({AttachmentState.READY, AttachmentState.SENT, AttachmentState.HERE})


class NoSuchAttachmentError(NotPermittedError):
    """There is none of that id here, or it is not whole yet, or it was erased."""

    advice = "Véase `paradero attachment list`."


class AttachmentElsewhereError(NotPermittedError):
    """It was sealed for another thread or another peer."""

    advice = "Cada adjunto es de una sola conversación: añádalo otra vez con --request o --thread."


class AttachmentsFullError(TooLargeError):
    """The disk space this node gives to attachments is used up."""

    advice = "Suba [attachments] quota_mib, o borre con `paradero attachment drop` lo que no se envió."


@dataclass(frozen=True, slots=True)
class Content:
    """What can be seen: its media type, its grade and its bytes."""

    media_type: str
    grade: Grade
    data: bytes = field(repr=False)


async def add(content: Content, node: Capabilities, *, thread_id: ThreadId | None, actor: ActorPseudonym) -> AttachmentEntry:
    """Seal what was cleaned for a thread (a new one where none is given) and keep it until a message names it.

    Raises:
        AttachmentsFullError: there is no room for it.
        ThreadErasedError, StorageError: the thread was erased; the disk refused. Nothing is kept.
    """
    now = node.clock.now()
    thread = thread_id or node.new_thread_id(now)
    sealed = seal_blob(content.data, thread)
    ref = AttachmentRef(sealed.sha256, len(sealed.ciphertext), content.media_type, content.grade, sealed.key)
    entry = await entry_of(ref, node, thread_id=thread, state=AttachmentState.READY)
    async with node.begin() as work:
        if await work.attachments.kept_bytes() + ref.size > node.attachments_quota:
            raise AttachmentsFullError("no room for another attachment")
    await node.blobs.put(entry.name, sealed.ciphertext)  # first: a row never names what is not there
    async with node.begin() as work:
        await work.attachments.add([entry])
        await work.audit.stage([leaf("attachment.added", entry, node, actor)])
    node.nudge(Nudge.LOG)
    return entry


async def entry_of(
    ref: AttachmentRef, node: Capabilities, *, thread_id: ThreadId, state: AttachmentState, peer: NodeId | None = None
) -> AttachmentEntry:
    """Return a row for a reference, which is sealed under its thread's key; from a peer where one is named."""
    now = node.clock.now()
    attachment_id = AttachmentId(node.new_message_id(now))
    return AttachmentEntry(
        id=attachment_id,
        thread_id=thread_id,
        peer=peer,
        outgoing=peer is None,
        name=ref.name,
        size=ref.size,
        media_type=ref.media_type,
        grade=ref.grade.value,
        sealed=await node.bodies.seal_draft(thread_id, attachment_id, encode_object(ref.as_claim())),
        state=state,
        made_at=now,
        have=ref.size if peer is None else 0,
        due_at=now if state is AttachmentState.WANTED else None,
    )


async def reference(entry: AttachmentEntry, node: Capabilities) -> AttachmentRef:
    """Return what a row seals.

    Raises:
        ThreadErasedError: its thread was erased, or is blocked.
    """
    return AttachmentRef.of_claim(parse_object(await node.bodies.open_draft(entry.thread_id, entry.id, entry.sealed)))


SAVED, SEEN = "attachment.saved", "attachment.seen"


async def content_of(attachment_id: AttachmentId, node: Capabilities, *, actor: ActorPseudonym, act: str = SAVED) -> Content:
    """Return what can be seen, verified chunk by chunk; that a person took it, or looked at it, is in the log first.

    Raises:
        NoSuchAttachmentError: none of that id is here whole.
        EnvelopeError: what is on disk is not what was sealed.
    """
    async with node.begin() as work:
        entry = (await work.attachments.find([attachment_id])).get(attachment_id)
        if entry is None or entry.state not in _READABLE:
            raise NoSuchAttachmentError("no attachment of that id is here")
        await work.audit.stage([leaf(act, entry, node, actor)])
    node.nudge(Nudge.LOG)
    ref, data = await reference(entry, node), await node.blobs.read(entry.name)
    if data is None:
        raise NoSuchAttachmentError("its ciphertext is not here")
    return Content(ref.media_type, ref.grade, open_blob(data, ref.key, entry.thread_id))


async def drop(attachment_id: AttachmentId, node: Capabilities, *, actor: ActorPseudonym) -> None:
    """Forget one that no message names.

    Raises:
        NoSuchAttachmentError: none of that id is here, or a message names it.
    """
    async with node.begin() as work:
        entry = (await work.attachments.find([attachment_id])).get(attachment_id)
        if entry is None or not await work.attachments.erase_one(attachment_id):
            raise NoSuchAttachmentError("no attachment of that id that nobody was told of")
        await work.audit.stage([leaf("attachment.dropped", entry, node, actor)])
    node.nudge(Nudge.LOG)
    await clear_erased(node)


async def clear_erased(node: Capabilities) -> None:
    """Remove the ciphertexts of what was erased, and forget what no message named in time; may be called again.

    Raises:
        StorageError: the disk refused; until it does not, nobody is told that they are gone.
    """
    now = node.clock.now()
    async with node.begin() as work:
        unused = await work.attachments.unused(before=now - UNUSED_FOR, limit=100)
        for entry in unused:
            await work.attachments.erase_one(entry.id)
        gone = await work.attachments.erasing(limit=1000)
        if not gone:
            return
        kept = await work.attachments.live_names([entry.name for entry in gone])
    await node.blobs.remove(sorted({entry.name for entry in gone} - kept))
    async with node.begin() as work:
        await work.attachments.erased([entry.id for entry in gone], now=now)


async def sweep(node: Capabilities) -> None:
    """Remove files no row names: what a process that ended between file and row left behind."""
    names = await node.blobs.names(older_than=node.clock.now() - timedelta(hours=1))
    if names:
        async with node.begin() as work:
            known = await work.attachments.live_names(names)
        await node.blobs.remove(names - known)


# -- the door ------------------------------------------------------------------------------------------------------------


async def served(name: str, node: Capabilities) -> int | None:
    """Return the size of a ciphertext that may be fetched; None for one that is not there, was erased or is being recalled.

    Whoever knows the name was told it in a sealed message; what else there is, or was, nobody can ask.
    """
    async with node.begin() as work:
        entries = [entry for entry in await work.attachments.named(name) if entry.outgoing and entry.state in _SERVED]
    for entry in entries:
        try:
            await reference(entry, node)  # its thread's key is there, and not blocked
        except StorageError:
            continue
        return await node.blobs.size(name)
    return None


# -- messages that name them ---------------------------------------------------------------------------------------------


def references_in(claims: Mapping[str, Any]) -> Iterator[AttachmentRef]:
    """Yield every attachment that values of a record name."""
    for value in claims.values():
        bare = plain(value)
        if isinstance(bare, list | tuple):
            yield from (AttachmentRef.of_claim(item) for item in bare if is_reference(item))


async def left(built: Iterable[Built], work: UnitOfWork) -> None:
    """Note which attachments messages name that leave in this transaction: from now on they are served."""
    for item in built:
        names = {ref.name for claims in item.claims for ref in references_in(claims)}
        if names:
            message = item.message
            await work.attachments.left(names, message.recipient, message.message_id, message.thread_id)


async def named(drafts: Sequence[Draft], node: Capabilities, work: UnitOfWork) -> tuple[Draft, ...]:
    """Return drafts with references where people wrote ids of attachments; one that opens a thread opens theirs.

    Raises:
        NoSuchAttachmentError: an id of none that can be named.
        AttachmentElsewhereError: one that was sealed for another thread or peer.
    """
    peers: dict[ThreadId, NodeId] = {}
    return tuple([await _named(draft, node, work, peers) for draft in drafts])


async def _named(draft: Draft, node: Capabilities, work: UnitOfWork, peers: dict[ThreadId, NodeId]) -> Draft:
    ids = {item for record in draft.records for value in record.values.values() for item in _ids(value)}
    fields = _fields_of(draft, node)
    wanted = {item for name, value in fields for item in _ids(value)} & ids
    if not wanted:
        return draft
    entries = await work.attachments.find(sorted(wanted))
    if any(item not in entries or entries[item].state not in _NAMABLE for item in wanted):
        raise NoSuchAttachmentError("an attachment that is not here, or not ours to send")
    threads = {entry.thread_id for entry in entries.values()}
    opens = kind_of(draft) in _OPENING and len(threads) == 1
    thread = next(iter(threads)) if opens else draft.thread_id
    if threads != {thread} or peers.setdefault(thread, draft.to) != draft.to:
        raise AttachmentElsewhereError("an attachment of another thread")
    if any(entry.peer not in (None, draft.to) for entry in entries.values()):
        raise AttachmentElsewhereError("an attachment of another peer")
    refs = {item: (await reference(entry, node)).as_claim() for item, entry in entries.items()}
    records = tuple(SourceRecord(item.type, _with(item.values, refs)) for item in draft.records)
    return replace(draft, thread_id=thread, records=records)


def _fields_of(draft: Draft, node: Capabilities) -> list[tuple[str, Any]]:
    policy = node.trust().policy
    found: list[tuple[str, Any]] = []
    for record in draft.records:
        known = policy.fields_of(record.type) if policy.record_of(str(record.type)) is not None else {}
        found += [(name, value) for name, value in record.values.items() if name in known and known[name].kind == KIND]
    return found


def _ids(value: Any) -> Iterator[AttachmentId]:
    bare = plain(value)
    for item in bare if isinstance(bare, list | tuple) else ():
        if isinstance(item, str) and AttachmentId.pattern.fullmatch(item):
            yield AttachmentId(item)


def _with(values: Mapping[str, Any], refs: Mapping[AttachmentId, Any]) -> dict[str, Any]:
    def put(value: Any) -> Any:
        if is_stated(value):
            return {**value, "is": put(value["is"])}
        if isinstance(value, list | tuple) and value and all(isinstance(item, str) and item in refs for item in value):
            return [refs[AttachmentId(item)] for item in value]
        return value

    return {name: put(value) for name, value in values.items()}


def leaf(outcome: str, entry: AttachmentEntry, node: Capabilities, actor: ActorPseudonym | None) -> StagedLeaf:
    """Return the leaf of what became of an attachment: its id, never what it shows or how it is opened."""
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            peer=entry.peer,
            message_id=entry.message_id,
            outcome=outcome,
            actor=actor,
            detail=f"{outcome} {entry.id}",
        )
    )
