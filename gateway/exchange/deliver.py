"""From the outbox to the peers. No transaction is open while the network is used (SPEC 8.6)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import accumulate

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import ExchangeError, PeerUnavailableError, ProblemCode
from contracts.ids import ActorPseudonym, MessageId, NodeId
from contracts.leaves import LeafEvent, LeafFields
from contracts.receipts import Receipt
from gateway.exchange.bookkeeping import note_ended
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import DeliveryOutcome, DoorResult, OutboxItem, StagedLeaf
from gateway.exchange.retry import next_lane_attempt, next_message_attempt
from gateway.exchange.states import OutboxState

BATCH_MESSAGES = 50
BATCH_BYTES = 1024 * 1024 - 4096  # of envelopes; the rest is the batch's own JSON
LEASE = timedelta(seconds=360)  # longer than the longest delivery the client allows


async def lanes_due(node: Capabilities, *, limit: int) -> Sequence[NodeId]:
    """Return the peers that have something due now, the longest unserved first."""
    if node.timekeeper.skew() is not None:
        return ()
    async with node.begin() as work:
        return await work.outbox.lanes_due(now=node.clock.now(), limit=limit)


@dataclass(slots=True)
class Pace:
    """How many messages a request to each peer carries: half as many after each silence, twice as many after an answer.

    On a line too slow for a full batch within the deadlines, a full batch would be cut for ever.
    """

    _sizes: dict[NodeId, int] = field(default_factory=dict)

    def size(self, lane: NodeId) -> int:
        """Return how many to send now."""
        return self._sizes.get(lane, BATCH_MESSAGES)

    def note(self, lane: NodeId, *, answered: bool) -> None:
        """Learn from how a request ended."""
        size = self.size(lane)
        self._sizes[lane] = min(BATCH_MESSAGES, size * 2) if answered else max(1, size // 2)


async def deliver_lane(lane: NodeId, node: Capabilities, *, owner: str, pace: Pace | None = None) -> int:
    """Deliver what is due to one peer, up to fifty messages in one request; return how many were claimed.

    Only a signed receipt ends a delivery. Whatever else comes back, the message waits and is tried again until it expires.
    """
    if node.timekeeper.skew() is not None:  # a suspension would seem over, a message dead
        return 0
    now = node.clock.now()
    async with node.begin() as work:
        claimed = await work.outbox.claim(lane, owner=owner, now=now, lease=LEASE, limit=(pace or Pace()).size(lane))
    if not claimed:
        return 0
    # By a clock that nobody confirmed a message is not dead: the peer's clock decides.
    late = {item.message_id for item in claimed if item.expires_at <= now and node.timekeeper.sure()}
    live = [item for item in claimed if item.message_id not in late]
    outcomes = [_expired(item, node, now) for item in claimed if item.message_id in late]
    sending = _fitting(live)
    outcomes += [DeliveryOutcome(item.message_id, OutboxState.WAITING, due=now) for item in live[len(sending) :]]
    next_attempt: datetime | None = None
    if sending:
        try:
            results = await node.transport.deliver(lane, [item.envelope for item in sending])
        except PeerUnavailableError:
            if pace is not None:
                pace.note(lane, answered=False)
            next_attempt = await _after_silence(lane, node)
            outcomes += [DeliveryOutcome(item.message_id, OutboxState.WAITING) for item in sending]
        else:
            if pace is not None:
                pace.note(lane, answered=True)
            outcomes += await _read_results(sending, results, node)
    await _finish(lane, outcomes, node, owner=owner, next_attempt=next_attempt)
    return len(claimed)


def _fitting(items: Sequence[OutboxItem]) -> Sequence[OutboxItem]:
    # One request stays under a mebibyte; a message that is larger alone still goes, alone.
    sizes = list(accumulate(len(item.envelope) + 3 for item in items))
    fitting = sum(1 for size in sizes if size <= BATCH_BYTES)
    return items[: max(fitting, 1)]


async def _after_silence(lane: NodeId, node: Capabilities) -> datetime:
    async with node.begin() as work:
        row = await work.outbox.lane(lane)
    failures = row.failures if row else 0
    return next_lane_attempt(failures, node.clock.now(), node.randomness.uniform)


async def _finish(
    lane: NodeId, outcomes: Sequence[DeliveryOutcome], node: Capabilities, *, owner: str, next_attempt: datetime | None
) -> None:
    now = node.clock.now()
    async with node.begin() as work:
        finished = await work.outbox.finish(lane, outcomes, owner=owner, now=now, next_attempt=next_attempt)
        if finished == len(outcomes):  # where another worker took over, its result counts: until then the copy is held
            await note_ended(lane, {outcome.message_id: outcome.state for outcome in outcomes}, work, now=now)
        for outcome in outcomes:
            if outcome.state in (OutboxState.REJECTED, OutboxState.DEAD):
                code = "message-rejected" if outcome.state is OutboxState.REJECTED else "message-dead"
                await work.alarms.raise_(code, subject=str(outcome.message_id), now=now, peer=lane)
            elif outcome.reason == "receipt-invalid":
                await work.alarms.raise_("receipt-invalid", subject=str(outcome.message_id), now=now, peer=lane)


async def _read_results(
    items: Sequence[OutboxItem], results: Sequence[DoorResult], node: Capabilities
) -> list[DeliveryOutcome]:
    if any(result.problem is ProblemCode.KEY_RETIRED for result in results):
        await node.refresh_trust()
    return [await _outcome(item, result, node) for item, result in zip(items, results, strict=True)]


async def _outcome(item: OutboxItem, result: DoorResult, node: Capabilities) -> DeliveryOutcome:
    now = node.clock.now()
    if result.receipt is not None:
        try:
            return _by_receipt(item, node.opener.verify_receipt(result.receipt, peer=item.lane).receipt, result.receipt)
        except ExchangeError:
            return _again(item, now, node, reason="receipt-invalid")
    if result.problem is ProblemCode.KEY_RETIRED:
        return await _sealed_again(item, now, node)
    return _again(item, now, node, reason=result.problem.value if result.problem else "no-result")


def _by_receipt(item: OutboxItem, receipt: Receipt, token: str) -> DeliveryOutcome:
    """Return the end a receipt proves.

    Raises:
        ExchangeError: the receipt is genuine but of something else.
    """
    named = b64u_decode(receipt.dig.val)
    expected = item.digest if receipt.dig.of == "message" else sha256(item.envelope).digest()
    if named != expected or receipt.re not in (item.message_id, None):
        raise PeerUnavailableError("a receipt of something else")
    if receipt.status == "accepted":
        if receipt.dig.of != "message" or receipt.re is None:
            raise PeerUnavailableError("an acceptance that does not name the message")
        return DeliveryOutcome(item.message_id, OutboxState.DELIVERED, receipt=token)
    reason = receipt.code.value if receipt.code else "rejected"
    return DeliveryOutcome(item.message_id, OutboxState.REJECTED, receipt=token, reason=reason)


def _again(item: OutboxItem, now: datetime, node: Capabilities, *, reason: str) -> DeliveryOutcome:
    due = next_message_attempt(item.attempts, now, node.randomness.uniform)
    return DeliveryOutcome(item.message_id, OutboxState.WAITING, reason=reason, due=due)


async def _sealed_again(item: OutboxItem, now: datetime, node: Capabilities) -> DeliveryOutcome:
    kept = await node.bodies.open(item.thread_id, item.message_id, item.body)
    sealed = node.sealer.seal(kept.jws, item.lane)
    if str(sealed.recipient_key) == item.recipient_key:
        return _again(item, now, node, reason=ProblemCode.KEY_RETIRED.value)  # the new keyset has not reached us yet
    return DeliveryOutcome(
        item.message_id,
        OutboxState.WAITING,
        reason=ProblemCode.KEY_RETIRED.value,
        envelope=sealed.envelope,
        recipient_key=str(sealed.recipient_key),
        due=now,
    )


def _expired(item: OutboxItem, node: Capabilities, now: datetime) -> DeliveryOutcome:
    return DeliveryOutcome(
        item.message_id, OutboxState.DEAD, reason="expired-outcome-unknown", leaf=_dead_leaf(item, node, now)
    )


def _dead_leaf(item: OutboxItem, node: Capabilities, now: datetime) -> StagedLeaf:
    return node.leaves.leaf(
        LeafFields(
            at=int(now.timestamp()),
            event=LeafEvent.DEAD,
            peer=item.lane,
            message_id=item.message_id,
            digest=b64u_encode(item.digest),
            kind=item.kind,
            outcome="expired-outcome-unknown",
        )
    )


async def bury_expired(node: Capabilities, *, limit: int = 200) -> int:
    """End messages past their expiry in a visible dead letter, those of paused and held peers too.

    Not by a clock that jumped or that nobody confirmed: it can wait, and cannot be taken back.
    """
    if not node.timekeeper.sure():
        return 0
    now = node.clock.now()
    async with node.begin() as work:
        items = await work.outbox.expired(now=now, limit=limit)
        buried = await work.outbox.bury([(item.lane, _expired(item, node, now)) for item in items], now=now)
        for lane in {item.lane for item in items}:
            dead = [item.message_id for item in items if item.lane == lane and item.message_id in buried]
            await note_ended(lane, dict.fromkeys(dead, OutboxState.DEAD), work, now=now)
        for item in items:
            if item.message_id in buried:
                await work.alarms.raise_("message-dead", subject=str(item.message_id), now=now, peer=item.lane)
    return len(buried)


async def pause_peer(peer: NodeId, node: Capabilities, *, paused: bool, actor: ActorPseudonym) -> None:
    """Pause or resume deliveries to one peer, with the leaf of the act and of who did it."""
    leaf = _admin_leaf(node, actor, "lane.paused" if paused else "lane.resumed", peer=peer)
    async with node.begin() as work:
        await work.outbox.set_paused(peer, paused=paused)
        await work.audit.stage([leaf])


async def retry_now(message_id: MessageId, node: Capabilities, *, actor: ActorPseudonym) -> bool:
    """Make one waiting message due now, with the leaf of the act and of who did it; False when it is not waiting."""
    leaf = _admin_leaf(node, actor, "outbox.retried", message_id=message_id)
    async with node.begin() as work:
        revived = await work.outbox.revive(message_id, now=node.clock.now())
        if revived:
            await work.audit.stage([leaf])
    return revived


def _admin_leaf(
    node: Capabilities, actor: ActorPseudonym, detail: str, *, peer: NodeId | None = None, message_id: MessageId | None = None
) -> StagedLeaf:
    at = int(node.clock.now().timestamp())
    fields = LeafFields(at=at, event=LeafEvent.ADMIN, peer=peer, message_id=message_id, detail=detail, actor=actor)
    return node.leaves.leaf(fields)
