"""Accounting to a peer for what it ordered erased: what went, from where, what stays and why (SPEC 20.4)."""

from collections.abc import Sequence
from datetime import timedelta

from contracts.errors import ExchangeError
from contracts.ids import Code, MessageId, NodeId, RecordId, ThreadId
from contracts.messages import ErasureReceipt, ErasureReceiptBody
from contracts.messages.consents import KeyStays, RefusedErasure
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.erasure_ports import Erasure, ErasureState, ItemKind
from gateway.exchange.ports import Nudge
from gateway.exchange.recalling import RIGHTS, RIGHTS_BASIS
from gateway.exchange.submit import Draft, enqueue, prepare

KEY_BACKUPS_EXPIRE = timedelta(days=30)
"""The key store's own backups are refused from then on (SPEC 11.2)."""
AT_ONCE = 500


async def account(node: Capabilities) -> None:
    """Account to each peer for an order of which nothing waits any more; what cannot be said now is said at a later turn."""
    async with node.begin() as work:
        orders = await work.erasures.answerable(limit=AT_ONCE)
        threads = {item.thread_id for items in orders for item in items if item.thread_id is not None}
        attached = frozenset(await work.attachments.of_threads(threads))
    for items in orders:
        peer, order = items[0].ordered_by, items[0].order_id
        try:
            prepared = await prepare([_receipt(peer, order, items, attached, node)], node)
        except ExchangeError:
            continue  # the peer has left, or nothing may leave just now
        now = node.clock.now()
        async with node.begin() as work:
            if await work.erasures.answered(peer, order, now=now):
                await enqueue(prepared, work, now=now)
        node.nudge(Nudge.OUTBOX)
        node.nudge(Nudge.LOG)


def _receipt(peer: NodeId, order: str, items: Sequence[Erasure], attached: frozenset[ThreadId], node: Capabilities) -> Draft:
    now = node.clock.now()
    gone = [item for item in items if item.state is not ErasureState.REFUSED]
    kept = [item for item in items if item.state is ErasureState.REFUSED]
    ended = max((item.ended_at for item in gone if item.ended_at is not None), default=now)
    had = [item for item in gone if item.state is ErasureState.ERASED]
    shared = [item for item in had if not item.whole]
    shredded = [item for item in had if item.whole]
    body = ErasureReceiptBody(
        records=tuple(RecordId(item.item) for item in gone if item.kind is ItemKind.RECORD),
        messages=tuple(MessageId(item.item) for item in gone if item.kind is ItemKind.MESSAGE),
        erased_at=int(ended.timestamp()) if gone else None,
        stores=_stores(had, shared, attached),
        backups_expire=int((ended + KEY_BACKUPS_EXPIRE).timestamp()) if shredded else None,
        refused=tuple(RefusedErasure(item=RecordId(item.item), basis=item.basis or RIGHTS_BASIS) for item in kept),
        key_stays=tuple(KeyStays(item=RecordId(item.item)) for item in shared),
    )
    return Draft(
        kind=ErasureReceipt,
        to=peer,
        body=body,
        purpose=RIGHTS,
        basis=RIGHTS_BASIS,
        actor=node.pseudonyms.actor("node"),
        thread_id=node.new_thread_id(now),  # the order's own may be what was erased
        case_key=order,
        in_reply_to=MessageId(order),
    )


def _stores(had: Sequence[Erasure], shared: Sequence[Erasure], attached: frozenset[ThreadId]) -> tuple[Code, ...]:
    """Return where every copy that was here is gone from: a key that others' messages need is still in its store."""
    if not had:
        return ()
    files = [Code("attachments")] if any(item.thread_id in attached for item in had) else []
    return (Code("database"), *([] if shared else [Code("key-store")]), *files)
