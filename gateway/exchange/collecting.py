"""Attachments that peers send: which are wanted, and fetching them over whatever line there is (SPEC 23.4).

What is here counts from the file itself, so that a process that ends, or a line that drops, costs at most what was on its
way. Nothing is shown before the whole ciphertext has the digest its message names, and every chunk opened.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contracts.errors import EnvelopeError, ExchangeError, ThreadErasedError
from contracts.ids import NodeId
from contracts.messages import CaseMessage
from gateway.exchange.attachment_ports import AttachmentEntry, AttachmentId, AttachmentState
from gateway.exchange.attachments import KIND, NoSuchAttachmentError, entry_of, leaf, reference, references_in
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import BlobGoneError, Nudge, UnitOfWork
from gateway.exchange.presented import type_of
from gateway.exchange.retry import next_message_attempt
from keys.blobs import open_blob

SLICE = 256 * 1024
"""Bytes asked for at once: half a minute of a 64 kbit/s line."""
LEASE = timedelta(minutes=3)
GIVE_UP_AFTER = timedelta(days=14)
PEERS_AT_ONCE = 4
BROKEN_AFTER = 3
"""So many times a peer may serve something else before people are told."""
PEER_SHARE = 2
"""No peer fills more than one of so many parts of the space there is."""

FULL, GONE, DAMAGED, ERASED, LOST = "no-room", "gone", "damaged", "thread-blocked", "file-lost"
_REASONS: Mapping[type[ExchangeError], str] = {BlobGoneError: GONE, ThreadErasedError: ERASED}


async def wanted(message: CaseMessage, node: Capabilities) -> Sequence[AttachmentEntry]:
    """Return rows for the attachments that a message's records name; the references sealed, nothing stored."""
    policy, found = node.trust().policy, []
    for presented in message.records:
        known = policy.fields_of(type_of(presented))
        names = {name for item in presented.disclosed if (name := str(item.field)) in known and known[name].kind == KIND}
        if names:
            at = datetime.fromtimestamp(message.issued_at, UTC)  # it was valid when it came; how long it waited does not matter
            record = node.opener.verify_record(presented.sd_jwt, sender=message.sender, at=at)
            found += list(references_in({name: record.claims[name] for name in names}))
    distinct = {ref.name: ref for ref in found}
    return [
        replace(
            await entry_of(ref, node, thread_id=message.thread_id, state=AttachmentState.WANTED, peer=message.sender),
            message_id=message.message_id,
        )
        for ref in distinct.values()
    ]


@dataclass(frozen=True, slots=True)
class Progress:
    """What one turn did with one attachment; `again`: more of it may be fetched at once."""

    entry: AttachmentEntry
    again: bool


async def claim(node: Capabilities, *, but: Collection[NodeId] = ()) -> Sequence[AttachmentEntry]:
    """Return attachments that are due, one a peer, for this worker for some minutes."""
    now = node.clock.now()
    async with node.begin() as work:
        return await work.attachments.claim(now=now, until=now + LEASE, limit=PEERS_AT_ONCE, but=but)


async def collect_turn(node: Capabilities) -> int:
    """Fetch a slice of what is due, one peer after another; return how many were looked at."""
    entries = await claim(node)
    for entry in entries:
        await collect(entry, node)
    return len(entries)


async def collect(entry: AttachmentEntry, node: Capabilities) -> Progress:
    """Fetch the next slice of one; finish it when it is whole. What cannot be done now is tried again, backing off."""
    try:
        if not await _room_for(entry, node):
            return await _later(entry, node, FULL)
        return await _slice(entry, node)
    except ExchangeError as error:
        return await _later(entry, node, _REASONS.get(type(error), type(error).__name__[:40]))


async def _slice(entry: AttachmentEntry, node: Capabilities) -> Progress:
    ref = await reference(entry, node)  # a blocked thread fetches nothing more
    have = min(await node.blobs.have(entry.name), entry.size)
    if have < entry.size:
        end = min(have + SLICE, entry.size)
        part = await node.transport.read_blob(_peer(entry), entry.name, have, end)
        have = await node.blobs.append(entry.name, part.start, part.data[: entry.size - part.start])
    if have >= entry.size:
        return await _whole(entry, ref.key, node)
    reason = entry.reason if _damages(entry) else None
    moved = await _move(replace(entry, have=have, attempts=0, due_at=node.clock.now(), reason=reason), node)
    return Progress(moved, again=True)


def _damages(entry: AttachmentEntry) -> int:
    """Return how many times something else came; kept in the reason, which progress and a line that drops leave alone."""
    return int(entry.reason.rpartition("-")[2]) if entry.reason and entry.reason.startswith(f"{DAMAGED}-") else 0


async def look_for_files(node: Capabilities) -> None:
    """Find out which ciphertexts are not here any more, as after a restore: what a peer sent is fetched again.

    What we sent and lost cannot be served: people are told, and send it again where it matters.
    """
    now = node.clock.now()
    names = await node.blobs.names(whole=True)  # whatever their times say: the clock may be wrong
    async with node.begin() as work:
        lost = [entry for entry in await work.attachments.on_disk() if entry.name not in names]
        for entry in lost:
            state = AttachmentState.MISSING if entry.outgoing else AttachmentState.WANTED
            due = None if entry.outgoing else now
            await work.attachments.move(replace(entry, state=state, have=0, due_at=due, reason=LOST))
            if entry.outgoing:
                await work.alarms.raise_("attachment-missing", subject=str(entry.id), now=now, peer=entry.peer)


async def fetch_now(attachment_id: AttachmentId, node: Capabilities) -> AttachmentEntry:
    """Try one again at once, also one that was given up.

    Raises:
        NoSuchAttachmentError: none of that id is to be fetched.
    """
    async with node.begin() as work:
        entry = (await work.attachments.find([attachment_id])).get(attachment_id)
        open_ = {AttachmentState.WANTED, AttachmentState.MISSING, AttachmentState.BROKEN}
        if entry is None or entry.outgoing or entry.state not in open_:
            raise NoSuchAttachmentError("no attachment of that id is to be fetched")
        now = node.clock.now()
        again = replace(entry, state=AttachmentState.WANTED, attempts=0, due_at=now, reason=None)
        await work.attachments.move(again)
    node.nudge(Nudge.ATTACHMENTS)
    return again


def _peer(entry: AttachmentEntry) -> NodeId:
    if entry.peer is None:
        raise NoSuchAttachmentError("nobody sent it")
    return entry.peer


async def _room_for(entry: AttachmentEntry, node: Capabilities) -> bool:
    more = 0 if entry.have else entry.size
    async with node.begin() as work:
        total = await work.attachments.kept_bytes()
        theirs = await work.attachments.kept_bytes(entry.peer)
    return total + more <= node.attachments_quota and theirs + more <= node.attachments_quota // PEER_SHARE


async def _whole(entry: AttachmentEntry, key: str, node: Capabilities) -> Progress:
    if not await node.blobs.finish(entry.name):
        return await _later(entry, node, DAMAGED)
    try:
        open_blob(await node.blobs.read(entry.name) or b"", key, entry.thread_id)
    except EnvelopeError:
        return await _end(entry, AttachmentState.BROKEN, DAMAGED, node)
    return await _end(entry, AttachmentState.HERE, None, node)


async def _later(entry: AttachmentEntry, node: Capabilities, reason: str) -> Progress:
    now, attempts = node.clock.now(), entry.attempts + 1
    damages = _damages(entry) + (reason == DAMAGED)
    if damages >= BROKEN_AFTER:
        return await _end(entry, AttachmentState.BROKEN, reason, node)
    if now - entry.made_at > GIVE_UP_AFTER:
        return await _end(entry, AttachmentState.MISSING, reason, node)
    due = next_message_attempt(min(attempts, 9), now, node.randomness.uniform)
    have = 0 if reason == DAMAGED else min(await node.blobs.have(entry.name), entry.size)
    kept = f"{DAMAGED}-{damages}" if damages else reason
    moved = replace(entry, have=have, attempts=attempts, due_at=due, reason=kept)
    if reason == FULL or "DiskFull" in reason:
        async with node.begin() as work:
            await work.alarms.raise_("attachments-full", subject=f"{now:%Y-%m-%d}", now=now)
    return Progress(await _move(moved, node), again=False)


async def _end(entry: AttachmentEntry, state: AttachmentState, reason: str | None, node: Capabilities) -> Progress:
    now, whole = node.clock.now(), state is AttachmentState.HERE
    ended = replace(entry, state=state, have=entry.size if whole else 0, due_at=None, reason=reason)
    async with node.begin() as work:
        moved = await work.attachments.move(ended)
        if moved and not whole:
            await work.alarms.raise_(f"attachment-{state.value}", subject=str(entry.id), now=now, peer=entry.peer)
        if moved:
            await work.audit.stage([leaf(f"attachment.{state.value}", ended, node, None)])
    node.nudge(Nudge.LOG)
    if not moved or not whole:
        await _drop_file(entry, node)
    return Progress(ended, again=False)


async def _move(entry: AttachmentEntry, node: Capabilities) -> AttachmentEntry:
    async with node.begin() as work:
        moved = await work.attachments.move(entry)
    if not moved:  # erased meanwhile: what came after that goes too
        await _drop_file(entry, node)
    return entry


async def _drop_file(entry: AttachmentEntry, node: Capabilities) -> None:
    async with node.begin() as work:
        kept = await _served_from(entry, work)
    if not kept:
        await node.blobs.remove([entry.name])


async def _served_from(entry: AttachmentEntry, work: UnitOfWork) -> bool:
    return any(
        other.id != entry.id and other.state is AttachmentState.HERE for other in await work.attachments.named(entry.name)
    )
