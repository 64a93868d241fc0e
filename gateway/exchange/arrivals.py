"""Stores verdicts, those of concurrent arrivals in one transaction (SPEC 8.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from contracts.codec import b64u_encode
from contracts.errors import ExchangeError, MessageConflictError, NotPermittedError, ProblemCode, ThreadErasedError
from contracts.ids import MessageId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import CaseMessage
from contracts.receipts import Receipt
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.judging import Authenticated
from gateway.exchange.ports import Arrival, InboxKey, Nudge, SeenMessage, StagedLeaf, UnitOfWork
from gateway.exchange.presented import record_id_of


@dataclass(slots=True)
class ArrivalWriter:
    """Writes authenticated verdicts and returns the receipt of each."""

    node: Capabilities

    async def write(self, verdicts: Sequence[Authenticated]) -> Sequence[str]:
        """Return one signed receipt per verdict, once everything it says is durable.

        Raises:
            StorageError: nothing was promised; the sender keeps its messages.
        """
        return await self.node.together.do(store_verdicts, verdicts, self.node)


class _RacedError(Exception):
    """Another process stored one of the messages between our look and our write."""


async def store_verdicts(verdicts: Sequence[Authenticated], node: Capabilities) -> list[str]:
    """Store `verdicts` in one transaction: message, deduplication row, leaf and receipt, or refusal leaf."""
    while True:
        try:
            return await _store_verdicts(verdicts, node)
        except _RacedError:
            continue  # rolled back; the second look finds what the other process stored


async def _store_verdicts(verdicts: Sequence[Authenticated], node: Capabilities) -> list[str]:
    now = node.clock.now()
    try:
        arrivals = await _arrivals([v for v in verdicts if v.error is None], node, now)
    except ThreadErasedError as erased:  # it must not take along what came beside it
        return await _store_verdicts([_refused_where_erased(v, erased.threads) for v in verdicts], node)
    receipts: list[str] = []
    async with node.begin() as work:
        keys = [key for verdict in verdicts if (key := _key(verdict))]
        seen = dict(await work.inbox.seen(keys))
        fresh: dict[InboxKey, Arrival] = {}
        for verdict in verdicts:
            receipt = await _settle_one(verdict, seen, arrivals, fresh, work, node, now)
            receipts.append(receipt)
        if await work.inbox.store(list(fresh.values())) != frozenset(fresh):
            raise _RacedError
        for sender in {arrival.key.sender for arrival in fresh.values()}:
            await work.outbox.wake(sender, now=now)
    node.nudge(Nudge.INBOX)
    node.nudge(Nudge.LOG)
    return receipts


def _refused_where_erased(verdict: Authenticated, threads: frozenset[str]) -> Authenticated:
    if verdict.message is None or verdict.message.thread_id not in threads:
        return verdict
    return replace(verdict, error=NotPermittedError("the thread was erased"))


async def _settle_one(
    verdict: Authenticated,
    seen: dict[InboxKey, SeenMessage],
    arrivals: dict[int, Arrival],
    fresh: dict[InboxKey, Arrival],
    work: UnitOfWork,
    node: Capabilities,
    now: datetime,
) -> str:
    key = _key(verdict)
    if key is not None and (before := seen.get(key)) is not None:
        if before.digest == verdict.verified.digest:
            return before.receipt
        conflict = MessageConflictError("one message id, two contents")
        await work.alarms.raise_("message-conflict", subject=str(key.message_id), now=now, peer=key.sender)
        return await _refuse(verdict, conflict, work, node, now, event=LeafEvent.CONFLICT)
    if verdict.error is not None:
        return await _refuse(verdict, verdict.error, work, node, now)
    arrival = arrivals[id(verdict)]
    fresh[arrival.key] = arrival
    seen[arrival.key] = SeenMessage(arrival.digest, arrival.receipt)
    return arrival.receipt


def _key(verdict: Authenticated) -> InboxKey | None:
    if verdict.message is None:
        return None
    return InboxKey(verdict.verified.sender, verdict.message.message_id)


async def _arrivals(accepted: Sequence[Authenticated], node: Capabilities, now: datetime) -> dict[int, Arrival]:
    pairs = [(verdict, verdict.message) for verdict in accepted if verdict.message is not None]
    # Before the transaction: a thread's key must be durable before anything sealed with it is.
    bodies = await node.bodies.seal([(m.thread_id, m.message_id, v.verified) for v, m in pairs], arriving=True)
    return {id(v): _arrival(v, m, body, node, now) for (v, m), body in zip(pairs, bodies, strict=True)}


def _arrival(verdict: Authenticated, message: CaseMessage, body: bytes, node: Capabilities, now: datetime) -> Arrival:
    leaf = node.leaves.leaf(verdict_leaf_fields(verdict, now, outcome="accepted", event=LeafEvent.RECEIVED))
    receipt = Receipt(
        iss=node.us,
        aud=message.sender,
        jti=node.new_message_id(now),
        iat=int(now.timestamp()),
        re=message.message_id,
        dig={"alg": "sha-256", "val": b64u_encode(verdict.verified.digest), "of": "message"},
        status="accepted",
        trust=node.trust().version,
        log={"origin": node.sealer.log_origin, "leaf": b64u_encode(leaf.leaf_hash)},
    )
    return Arrival(
        key=InboxKey(message.sender, message.message_id),
        digest=verdict.verified.digest,
        kind=message.type,
        thread_id=message.thread_id,
        in_reply_to=message.in_reply_to,
        body=body,
        receipt=node.sealer.sign_receipt(receipt),
        leaf=leaf,
        received_at=now,
        expires_at=datetime.fromtimestamp(message.expires_at, UTC),
        retain_until=datetime.fromtimestamp(message.use.retain_until, UTC),
        records=tuple(record_id_of(record) for record in message.records),
    )


async def _refuse(
    verdict: Authenticated,
    error: ExchangeError,
    work: UnitOfWork,
    node: Capabilities,
    now: datetime,
    *,
    event: LeafEvent = LeafEvent.REFUSED,
) -> str:
    await work.audit.stage([_refusal_leaf(verdict, error, node, now, event)])
    return rejection(node, now, code=error.code, digest=verdict.verified.digest, of="message", verdict=verdict)


def _refusal_leaf(
    verdict: Authenticated, error: ExchangeError, node: Capabilities, now: datetime, event: LeafEvent
) -> StagedLeaf:
    return node.leaves.leaf(verdict_leaf_fields(verdict, now, outcome=error.code.value, event=event))


def rejection(
    node: Capabilities,
    now: datetime,
    *,
    code: ProblemCode,
    digest: bytes,
    of: str,
    verdict: Authenticated | None = None,
) -> str:
    """Return a signed refusal. It ends the delivery, so it names exactly what was refused (SPEC 5.3)."""
    message_id: MessageId | None = verdict.message.message_id if verdict and verdict.message else None
    receipt = Receipt(
        iss=node.us,
        aud=verdict.verified.sender if verdict else None,
        jti=node.new_message_id(now),
        iat=int(now.timestamp()),
        re=message_id,
        dig={"alg": "sha-256", "val": b64u_encode(digest), "of": of},
        status="rejected",
        code=code,
        trust=node.trust().version,
    )
    return node.sealer.sign_receipt(receipt)


def unauthenticated_rejection(envelope: bytes, code: ProblemCode, node: Capabilities, now: datetime) -> str:
    """Return a signed refusal of an envelope nobody we know signed, over the envelope's own digest."""
    return rejection(node, now, code=code, digest=sha256(envelope).digest(), of="envelope")


def verdict_leaf_fields(verdict: Authenticated, now: datetime, *, outcome: str, event: LeafEvent) -> LeafFields:
    """Return what a leaf says of an authenticated peer's bytes, whether they were a message or not."""
    if verdict.message is not None:
        return message_leaf_fields(verdict.message, verdict.verified.digest, now, outcome=outcome, event=event)
    return LeafFields(
        at=int(now.timestamp()),
        event=event,
        peer=verdict.verified.sender,
        digest=b64u_encode(verdict.verified.digest),
        outcome=outcome,
    )


def message_leaf_fields(
    message: CaseMessage, digest: bytes, now: datetime, *, outcome: str, event: LeafEvent, peer_is_recipient: bool = False
) -> LeafFields:
    """Return what a leaf says of one message: field names and codes, never a value of a record."""
    return LeafFields(
        at=int(now.timestamp()),
        event=event,
        peer=message.recipient if peer_is_recipient else message.sender,
        message_id=message.message_id,
        digest=b64u_encode(digest),
        kind=message.type,
        purpose=message.purpose,
        basis=message.basis,
        policy=message.policy_version,
        trust=message.trust_version,
        outcome=outcome,
        disclosed=tuple(entry.field for record in message.records for entry in record.disclosed) or None,
        actor=message.actor,
        case=message.case_alias,
    )
