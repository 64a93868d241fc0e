"""Getting copies back: an order to each node that has one, its receipt or its reasoned no, what is still out (SPEC 20, E6).

The ledger says who has what. An order is written in the transaction in which the copy's state moves; where it cannot be
written (the register is too old, the peer has left), the copy stays wanted, and `recall_turn` tries again.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from contracts.calendars import day_in_guatemala
from contracts.errors import ExchangeError, NotPermittedError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, RecordId, ThreadId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import (
    ConsentAct,
    ConsentChange,
    ConsentChangeBody,
    ErasureOrder,
    ErasureOrderBody,
    ErasureReason,
    ErasureReceipt,
)
from contracts.messages.consents import MAX_COPIES
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.holdings import LedgerEntry, RecallState
from gateway.exchange.ports import Nudge, StagedLeaf, UnitOfWork
from gateway.exchange.submit import Draft, Prepared, enqueue, prepare

RIGHTS = Code("exercise-rights")
RIGHTS_BASIS = Code("consent")
RECEIPT_WITHIN = timedelta(hours=72)
"""From the order to the receipt (SPEC 20)."""
AT_ONCE = 200
Change = tuple[ConsentAct, frozenset[Code], int]
"""What a relative did, the scopes it is about, from when (Unix seconds)."""


async def prepare_orders(
    copies: Sequence[LedgerEntry],
    node: Capabilities,
    *,
    actor: ActorPseudonym,
    change: Change | None = None,
) -> tuple[dict[RecordId, MessageId], list[Prepared], frozenset[NodeId]]:
    """Sign an order for each node that has one of `copies`, and before it the change of consent it must know of.

    Returns which order names which record, the messages, and the nodes that cannot be told now. Stores nothing.
    """
    by_peer: defaultdict[tuple[NodeId, str], list[LedgerEntry]] = defaultdict(list)
    for copy in copies:
        by_peer[copy.peer, copy.case_ref].append(copy)
    named: dict[RecordId, MessageId] = {}
    messages: list[Prepared] = []
    untold: set[NodeId] = set()
    for (peer, _), held in sorted(by_peer.items()):
        for start in range(0, len(held), MAX_COPIES):
            part = held[start : start + MAX_COPIES]
            try:
                signed = await prepare(_drafts(part, node, actor, change), node)
            except ExchangeError:
                untold.add(peer)
                continue
            messages += signed
            named |= dict.fromkeys((copy.record_id for copy in part), signed[-1].message.message_id)
    return named, messages, frozenset(untold)


async def prepare_news(
    copies: Sequence[LedgerEntry], node: Capabilities, *, actor: ActorPseudonym, change: Change
) -> tuple[list[Prepared], frozenset[NodeId]]:
    """Sign a change of consent for each node that read in one of `copies` what was agreed to: no copy has to come back for it.

    Returns the messages, and the nodes that cannot be told now. Stores nothing.
    """
    act, scopes, at = change
    messages: list[Prepared] = []
    untold: set[NodeId] = set()
    for peer, case in sorted({(copy.peer, copy.case_ref) for copy in copies}):
        held = [copy for copy in copies if (copy.peer, copy.case_ref) == (peer, case)][:MAX_COPIES]
        records = tuple(copy.record_id for copy in held)
        told = ConsentChangeBody(act=act, scopes=tuple(sorted(scopes)), records=records, effective_at=at)
        draft = _draft(ConsentChange, held[0], told, actor, node.new_thread_id(node.clock.now()))
        try:
            messages += await prepare([draft], node)
        except ExchangeError:
            untold.add(peer)
    return messages, frozenset(untold)


def _drafts(copies: Sequence[LedgerEntry], node: Capabilities, actor: ActorPseudonym, change: Change | None) -> list[Draft]:
    now, first = node.clock.now(), copies[0]
    records = tuple(copy.record_id for copy in copies)
    thread = node.new_thread_id(now)  # not the copies' own: the order and its receipt outlive them
    drafts = []
    if change is not None:
        act, scopes, at = change
        rested = frozenset(scope for copy in copies for scope in (scopes if copy.scopes is None else copy.scopes))
        # What else a relative decided is not this node's to know.
        told = ConsentChangeBody(act=act, scopes=tuple(sorted(scopes & rested or scopes)), records=records, effective_at=at)
        drafts.append(_draft(ConsentChange, first, told, actor, thread))
    order = ErasureOrderBody(records=records, reason=ErasureReason.CONSENT)
    drafts.append(_draft(ErasureOrder, first, order, actor, thread, deadline=now + RECEIPT_WITHIN))
    return drafts


def _draft(
    kind: type[ConsentChange | ErasureOrder],
    copy: LedgerEntry,
    body: object,
    actor: ActorPseudonym,
    thread: ThreadId,
    *,
    deadline: datetime | None = None,
) -> Draft:
    return Draft(
        kind=kind,
        to=copy.peer,
        body=body,
        purpose=RIGHTS,
        basis=RIGHTS_BASIS,
        actor=actor,
        thread_id=thread,
        case_key=copy.case_ref,
        deadline=deadline,
    )


async def write_orders(
    copies: Collection[RecordId],
    named: dict[RecordId, MessageId],
    messages: Sequence[Prepared],
    work: UnitOfWork,
    now: datetime,
) -> None:
    """Queue orders and move the ledger with them; copies no order names are wanted back."""
    by_order: defaultdict[MessageId, list[RecordId]] = defaultdict(list)
    for record in copies:
        if record in named:
            by_order[named[record]].append(record)
    for order, records in by_order.items():
        await work.ledger.recall(records, RecallState.ORDERED, now=now, order=order)
    wanted = [record for record in copies if record not in named]
    if wanted:
        await work.ledger.recall(wanted, RecallState.WANTED, now=now)
    await enqueue(messages, work, now=now)


async def recall_turn(node: Capabilities) -> bool:
    """Order what could not be ordered before, and say once a day what is still out; True when there is more to do."""
    async with node.begin() as work:
        wanted = await work.ledger.to_recall(limit=AT_ONCE)
    named, messages, _ = await prepare_orders(wanted, node, actor=node.pseudonyms.actor("node"))
    now = node.clock.now()
    async with node.begin() as work:
        still = {copy.record_id for copy in await work.ledger.to_recall(limit=AT_ONCE)} & set(named)
        if still == set(named):
            await write_orders(still, named, messages, work, now)
        if node.timekeeper.skew() is None:
            await _list_outstanding(work, now)
    if messages:
        node.nudge(Nudge.OUTBOX)
        node.nudge(Nudge.LOG)
    return len(messages) > 0 and len(wanted) == AT_ONCE


async def _list_outstanding(work: UnitOfWork, now: datetime) -> None:
    day = day_in_guatemala(now)
    for peer in await work.ledger.outstanding():
        await work.alarms.raise_("recall-outstanding", subject=f"{peer} {day}", now=now, peer=peer)


async def file_receipt(message: ErasureReceipt, node: Capabilities) -> None:
    """Note what a node erased and what it keeps by which law. The signed receipt itself stays in the store of bodies.

    Raises:
        NotPermittedError: it answers no order of ours to this node, or accounts for what the order did not name.
    """
    now, body = node.clock.now(), message.body
    refused = {entry.item: entry.basis for entry in body.refused}
    async with node.begin() as work:
        copies = {copy.record_id: copy for copy in await work.ledger.of_order(message.in_reply_to)}
        if any(copy.peer != message.sender for copy in copies.values()):
            raise NotPermittedError("a receipt for another node's copies")
        erased = [record for record in body.records if record in copies]
        kept = [record for record in copies if record in refused]
        if not erased and not kept:
            if await work.ledger.was_ordered(message.in_reply_to, message.sender):
                return  # filed before
            raise NotPermittedError("a receipt for no order of ours")
        await work.ledger.recall(erased, RecallState.ERASED, now=now, order=message.in_reply_to)
        for record in kept:
            await work.ledger.recall([record], RecallState.REFUSED, now=now, order=message.in_reply_to, basis=refused[record])
        if kept:
            await work.alarms.raise_("erasure-refused", subject=str(message.message_id), now=now, peer=message.sender)
        if body.key_stays:  # erased there, and in older backups of theirs it still opens: a family may ask
            await work.alarms.raise_("erasure-key-stays", subject=str(message.message_id), now=now, peer=message.sender)
        left = set(copies) - set(erased) - set(kept)
        if left:
            await work.alarms.raise_("erasure-unaccounted", subject=str(message.message_id), now=now, peer=message.sender)
        await work.audit.stage([_receipt_leaf(message, len(erased), len(kept), node)])
    node.nudge(Nudge.LOG)


def _receipt_leaf(message: ErasureReceipt, erased: int, kept: int, node: Capabilities) -> StagedLeaf:
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            peer=message.sender,
            message_id=message.in_reply_to,
            detail=f"recall.accounted erased={erased} refused={kept} keys-stay={len(message.body.key_stays)}",
        )
    )
