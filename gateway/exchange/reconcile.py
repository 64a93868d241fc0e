"""After a restore (SPEC 8.7). The restored node tells every member from where it has forgotten; each gives back what the
node had sent it, which the node's own signature vouches for, and sends again what it had delivered.

Until a peer has answered, what it sends is stored and receipted but not handled: it may hold our answer already, and a
second one could name another folio.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from contracts.codec import b64u_decode, b64u_encode, decode_message
from contracts.errors import ExchangeError, NotPermittedError, StorageError, ThreadErasedError, TrustStaleError
from contracts.ids import ActorPseudonym, Code, Folio, MessageId, NodeId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import (
    CaseMessage,
    FindingAcknowledgement,
    FindingNotice,
    LogHead,
    NodeRestored,
    NodeRestoredBody,
    NodeReturned,
    NodeReturnedBody,
    ReportAcknowledgement,
    ReportTransfer,
    ReturnedMessage,
)
from contracts.messages.restoration import MAX_NAMED, MAX_RETURNED
from gateway.exchange.arrivals import message_leaf_fields
from gateway.exchange.bookkeeping import note_returned
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import (
    CaseEntry,
    Delivered,
    Nudge,
    Outgoing,
    Received,
    ReconcileState,
    Restored,
    StagedLeaf,
    UnitOfWork,
)
from gateway.exchange.replies import reply_draft
from gateway.exchange.submit import Draft, Prepared, enqueue, prepare
from keys.register.state import Standing
from keys.sealing import VerifiedMessage

OPERATE = Code("operate")
OPERATION_BASIS = Code("federation:operation")
MARGIN = timedelta(minutes=15)
"""Around the last moment a node remembers: two clocks may be off, and a delivery may have been under way."""
TOGETHER = 100
PART_BYTES = 280_000  # a message with its signature stays under 512 KiB
RETURNED_BYTES = 128 * 1024
_GONE = (Standing.LEFT, Standing.REVOKED, Standing.UNKNOWN)


# -- the restored node ---------------------------------------------------------------------------------------------------


async def announce_restore(node: Capabilities) -> bool:
    """Tell every member of a restore that was not announced yet; False when there is none, or nothing may leave yet."""
    async with node.begin() as work:
        restored = await work.restores.pending()
    if restored is None:
        return False
    prepared: list[Prepared] = []
    untold: list[NodeId] = []
    for draft in _announcements(restored, node):
        try:
            prepared += await prepare([draft], node)
        except NotPermittedError:
            untold.append(draft.to)
        except TrustStaleError:
            return False
    now = node.clock.now()
    async with node.begin() as work:
        if await work.restores.pending() != restored:
            return False  # another process was faster
        await enqueue(prepared, work, now=now)
        await work.restores.announce({item.message.recipient: item.message.message_id for item in prepared}, now=now)
        for peer in untold:
            await work.alarms.raise_("restore-unreconciled", subject=str(peer), now=now, peer=peer)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    node.nudge(Nudge.INBOX)
    return True


def _announcements(restored: Restored, node: Capabilities) -> Sequence[Draft]:
    trust, now = node.trust(), node.clock.now()
    body = NodeRestoredBody(
        restored_at=int(restored.restored_at.timestamp()),
        since=int(restored.since.timestamp()),
        log=restored.origin,
        previous=LogHead(
            origin=restored.previous_origin, size=restored.previous_size, root=b64u_encode(restored.previous_root)
        ),
    )
    return [
        Draft(
            kind=NodeRestored,
            to=peer,
            body=body,
            purpose=OPERATE,
            basis=OPERATION_BASIS,
            actor=node.pseudonyms.actor("node"),
            thread_id=node.new_thread_id(now),
            case_key=f"restore:{restored.origin}",
        )
        for peer in sorted(trust.members)
        if peer != node.us and trust.standing(peer, now) not in _GONE
    ]


async def end_unanswerable(node: Capabilities) -> int:
    """Stop waiting for peers whose announcement was refused or expired, and tell people; return how many."""
    async with node.begin() as work:
        peers = await work.restores.unanswerable()
        for peer in peers:
            await _end_failed(peer, work, node)
    if peers:
        node.nudge(Nudge.INBOX)
    return len(peers)


async def give_up(peer: NodeId, node: Capabilities, *, actor: ActorPseudonym) -> bool:
    """Stop waiting for a peer because a person says so, with the leaf of the act and of who; False when nobody waits for it."""
    async with node.begin() as work:
        ended = await _end_failed(peer, work, node)
        if ended:
            await work.audit.stage([_leaf(node, peer, "restore.given-up", actor=actor)])
    node.nudge(Nudge.INBOX)
    return ended


async def _end_failed(peer: NodeId, work: UnitOfWork, node: Capabilities) -> bool:
    now = node.clock.now()
    ended = await work.restores.end(peer, ReconcileState.FAILED, now=now)
    if ended:
        await work.alarms.raise_("restore-unreconciled", subject=str(peer), now=now, peer=peer)
    return ended


async def take_back(message: NodeReturned, node: Capabilities) -> None:
    """File what a peer gives back of ours: messages as delivered, cases, folios. Each is believed for our own signature.

    Raises:
        NotPermittedError: we did not ask this peer.
    """
    ours = [item for item in (_own(returned, message.sender, node) for returned in message.body.messages) if item]
    proven = len(ours)
    ours, filed = await _not_erased(ours, node)
    by_id = {item.message_id: item for item, _, _ in ours}
    now, body = node.clock.now(), message.body
    async with node.begin() as work:
        reconciliation = await work.restores.find(message.sender)
        if reconciliation is None or reconciliation.message_id != message.in_reply_to:
            raise NotPermittedError("an answer to a restore we did not announce to this peer")
        unknown = [by_id[message_id] for message_id in await work.outbox.refile(filed, now=now)]
        for lost_message in unknown:
            await _follow(lost_message, work, node)
        await note_returned(unknown, work, now=now)
        for lost in (*body.omitted, *body.lost):
            await work.alarms.raise_("lost-in-restore", subject=str(lost), now=now, peer=message.sender)
        if proven != len(body.messages):
            await work.alarms.raise_("returned-not-ours", subject=str(message.message_id), now=now, peer=message.sender)
        numbers = {"returned": len(filed), "lost": len(body.omitted) + len(body.lost)}
        if await work.restores.take(message.sender, body.part, body.parts, now=now, **numbers):
            await work.audit.stage([_leaf(node, message.sender, "restore.reconciled")])
    node.nudge(Nudge.INBOX)
    node.nudge(Nudge.LOG)


_Own = tuple[CaseMessage, VerifiedMessage, str | None]


def _own(returned: ReturnedMessage, peer: NodeId, node: Capabilities) -> _Own | None:
    """Return (message, its proof, receipt) when we signed it, to this peer."""
    try:
        verified = node.opener.verify(returned.message.encode("ascii"))
        message = decode_message(verified.payload)
    except ExchangeError:
        return None
    if (verified.sender, message.sender, message.recipient) != (node.us, node.us, peer):
        return None
    try:
        receipt = node.opener.verify_receipt(returned.receipt, peer=peer).receipt
        same = b64u_decode(receipt.dig.val) == verified.digest and receipt.status == "accepted"
    except ExchangeError:
        same = False
    return message, verified, returned.receipt if same else None


async def _not_erased(ours: list[_Own], node: Capabilities) -> tuple[list[_Own], list[tuple[Outgoing, str | None]]]:
    """Leave out what was erased here since: it does not come back by way of a peer."""
    try:
        return ours, await _outgoing(ours, node)
    except ThreadErasedError as erased:
        return await _not_erased([item for item in ours if item[0].thread_id not in erased.threads], node)


async def _outgoing(ours: Sequence[_Own], node: Capabilities) -> list[tuple[Outgoing, str | None]]:
    items = [(message.thread_id, message.message_id, verified) for message, verified, _ in ours]
    bodies = await node.bodies.seal(items, arriving=True)
    return [
        (_filed(message, verified.digest, body, node), receipt)
        for (message, verified, receipt), body in zip(ours, bodies, strict=True)
    ]


def _filed(message: CaseMessage, digest: bytes, body: bytes, node: Capabilities) -> Outgoing:
    fields = message_leaf_fields(
        message, digest, node.clock.now(), outcome="returned", event=LeafEvent.SENT, peer_is_recipient=True
    )
    return Outgoing(
        message_id=message.message_id,
        lane=message.recipient,
        kind=message.type,
        thread_id=message.thread_id,
        in_reply_to=message.in_reply_to,
        digest=digest,
        envelope=b"",
        recipient_key="",
        body=body,
        manifest='{"records":[],"returned":true}',  # what was withheld stood in the ledger that was lost
        due=datetime.fromtimestamp(message.issued_at, UTC),
        expires_at=datetime.fromtimestamp(message.expires_at, UTC),
        leaf=node.leaves.leaf(fields),
    )


async def _follow(message: CaseMessage, work: UnitOfWork, node: Capabilities) -> None:
    """Restore the effect that sending `message` had here."""
    match message:
        case ReportAcknowledgement():
            await _case_of_answer(message, message.body.folio, "report", work, node)
        case FindingAcknowledgement():
            await _case_of_answer(message, message.body.reference, "finding", work, node)
        case ReportTransfer():
            await work.cases.open([_entry(message, "report-sent", message.message_id)])
        case FindingNotice():
            await work.cases.open([_entry(message, "finding-sent", message.message_id)])
        case _:
            pass  # nothing of it is filed here


async def _case_of_answer(
    message: ReportAcknowledgement | FindingAcknowledgement, folio: Folio, kind: str, work: UnitOfWork, node: Capabilities
) -> None:
    # The message it answers comes again; `filing` then finds this case and its folio, and gives no other.
    await work.cases.open([_entry(message, kind, message.in_reply_to)])
    await work.cases.set_state(message.thread_id, state="received", folio=folio)
    await work.cases.folio_was_given(folio)
    holders = await work.cases.with_folio(folio)
    if any(thread != message.thread_id for thread in holders):
        await work.alarms.raise_("folio-conflict", subject=folio, now=node.clock.now(), peer=message.recipient)


def _entry(message: CaseMessage, kind: str, opened_by: MessageId) -> CaseEntry:
    sent = kind.endswith("-sent")
    return CaseEntry(
        thread_id=message.thread_id,
        kind=kind,
        peer=message.recipient,
        opened_by=opened_by,
        state="sent" if sent else "received",
        alias=message.case_alias if sent else None,
        folio=None,
        opened_at=datetime.fromtimestamp(message.issued_at, UTC),
    )


# -- its peers -----------------------------------------------------------------------------------------------------------


async def give_back(message: NodeRestored, node: Capabilities) -> Sequence[Draft]:
    """Send again what reached the peer since, and return what it sent us. May be called again: nothing is doubled."""
    since = datetime.fromtimestamp(message.body.since, UTC) - MARGIN
    async with node.begin() as work:
        received = await work.inbox.received_since(message.sender, since)
        delivered = await work.outbox.delivered_since(message.sender, since)
    returned, omitted = await _returned(received, node)
    requeued, lost = await _send_again(message.sender, delivered, node)
    now = node.clock.now()
    async with node.begin() as work:
        await work.alarms.raise_("peer-restored", subject=str(message.message_id), now=now, peer=message.sender)
        for message_id in lost:
            await work.alarms.raise_("lost-by-peer", subject=str(message_id), now=now, peer=message.sender)
        detail = f"peer.restored requeued={requeued} returned={len(returned)} lost={len(lost)}"
        await work.audit.stage([_leaf(node, message.sender, detail, message.message_id)])
    node.nudge(Nudge.OUTBOX)
    return [reply_draft(message, NodeReturned, body, node) for body in _parts(returned, omitted, lost)]


async def _returned(received: Sequence[Received], node: Capabilities) -> tuple[list[ReturnedMessage], list[MessageId]]:
    returned: list[ReturnedMessage] = []
    omitted: list[MessageId] = []
    for item in received:
        try:
            jws = (await node.bodies.open(item.thread_id, item.message_id, item.body)).jws
        except StorageError:
            omitted.append(item.message_id)  # erased since
            continue
        if len(jws) > RETURNED_BYTES:
            omitted.append(item.message_id)
        else:
            returned.append(ReturnedMessage(message=jws.decode("ascii"), receipt=item.receipt))
    return returned, omitted


async def _send_again(peer: NodeId, delivered: Sequence[Delivered], node: Capabilities) -> tuple[int, list[MessageId]]:
    """Seal the same signed bytes anew and put them back into the lane; those past their expiry are lost."""
    now = node.clock.now()
    lost = [item.message_id for item in delivered if item.expires_at <= now]
    live = [item for item in delivered if item.expires_at > now]
    requeued = 0
    for start in range(0, len(live), TOGETHER):
        sealed: list[tuple[MessageId, bytes, str]] = []
        for item in live[start : start + TOGETHER]:
            try:
                jws = (await node.bodies.open(item.thread_id, item.message_id, item.body)).jws
            except StorageError:
                lost.append(item.message_id)
                continue
            again = node.sealer.seal(jws, peer)
            sealed.append((item.message_id, again.envelope, str(again.recipient_key)))
        async with node.begin() as work:
            requeued += await work.outbox.requeue(peer, sealed, now=now)
    return requeued, lost


def _parts(
    returned: Sequence[ReturnedMessage], omitted: Sequence[MessageId], lost: Sequence[MessageId]
) -> Sequence[NodeReturnedBody]:
    groups: list[list[ReturnedMessage]] = [[]]
    size = 0
    for item in returned:
        length = len(item.message) + len(item.receipt)
        if groups[-1] and (len(groups[-1]) == MAX_RETURNED or size + length > PART_BYTES):
            groups.append([])
            size = 0
        groups[-1].append(item)
        size += length
    named = max((len(omitted) - 1) // MAX_NAMED, (len(lost) - 1) // MAX_NAMED) + 1
    groups += [[] for _ in range(named - len(groups))]
    return [
        NodeReturnedBody(
            part=number + 1,
            parts=len(groups),
            messages=tuple(group),
            omitted=tuple(omitted[number * MAX_NAMED : (number + 1) * MAX_NAMED]),
            lost=tuple(lost[number * MAX_NAMED : (number + 1) * MAX_NAMED]),
        )
        for number, group in enumerate(groups)
    ]


def _leaf(
    node: Capabilities, peer: NodeId, detail: str, message_id: MessageId | None = None, *, actor: ActorPseudonym | None = None
) -> StagedLeaf:
    at = int(node.clock.now().timestamp())
    fields = LeafFields(at=at, event=LeafEvent.ADMIN, peer=peer, message_id=message_id, detail=detail, actor=actor)
    return node.leaves.leaf(fields)
