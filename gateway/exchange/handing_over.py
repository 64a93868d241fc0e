"""What a desk keeps of a report it handed over: acknowledged, and past being asked for again, a receipt (SPEC 20.8)."""

from collections.abc import Sequence
from dataclasses import replace

from contracts.ids import ThreadId
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import Nudge, UnitOfWork

AT_ONCE = 500


async def handed_over(threads: Sequence[ThreadId], work: UnitOfWork, node: Capabilities) -> None:
    """Note that what was sent in these threads is another institution's now; in the transaction that learns it."""
    if node.keep_handed_over is not None:
        await work.erasures.keep_until(threads, node.clock.now() + node.keep_handed_over)


async def reduce_turn(node: Capabilities) -> bool:
    """Reduce to receipts what is past its time: ids, digest, signed receipt and manifest stay. True when there may be more."""
    now = node.clock.now()
    async with node.begin() as work:
        reduced = await work.erasures.handed_over(now=now, limit=AT_ONCE)
        if reduced:
            fields = LeafFields(at=int(now.timestamp()), event=LeafEvent.ADMIN, detail=f"copies.reduced {reduced}")
            await work.audit.stage([node.leaves.leaf(fields)])
            watch = await work.erasures.watch()
            await work.erasures.set_watch(replace(watch, scrub_due=True))
    if reduced:
        node.nudge(Nudge.LOG)
    return reduced == AT_ONCE
