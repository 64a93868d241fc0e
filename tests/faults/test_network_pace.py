"""R8: a line too slow for a full batch within the deadlines still makes progress."""

import asyncio

from contracts.errors import PeerUnavailableError
from gateway.exchange.desk import send_rows
from gateway.workers.loops import Deliverer
from tests.faults import net_bugs
from tests.faults.oracle import desk_row
from tests.reliability.ledger import control, note
from tests.simulator.federation import simulated_federation

DESK, MBMID = "gt.conamigua", "gt.igm.mbmid"
FITS = 6
REPORTS = 70


class NarrowLine:
    """Cuts every request that is larger than it carries in time."""

    def __init__(self, real):
        self.real, self.cut, self.requests = real, 0, 0

    async def deliver(self, peer, envelopes):
        self.requests += 1
        if len(envelopes) > FITS:
            self.cut += 1
            raise PeerUnavailableError("TimeoutError")
        return await self.real.deliver(peer, envelopes)


async def left_after(tmp_path, turns):
    """Deliver over the narrow line; return what still waits, and the line."""
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        node = federation.nodes[DESK]
        rows = [desk_row(number) for number in range(1, REPORTS + 1)]
        await send_rows(rows, node.capabilities, actor=node.capabilities.pseudonyms.actor("desk"))
        line = NarrowLine(node.capabilities.transport)
        object.__setattr__(node.capabilities, "transport", line)
        deliverer = Deliverer(node.capabilities, "t", 4, asyncio.Event())
        for _ in range(turns):
            await deliverer.turn()
            await asyncio.gather(*deliverer._running.values())
            federation.clock.forward(seconds=31)
        counts = await node.operations.models.counts()
        return counts["outbox"].get("waiting", 0), line


async def test_a_batch_too_big_for_the_line_shrinks_until_it_fits(tmp_path):
    left, line = await left_after(tmp_path, 60)
    figures = {"requests": line.requests, "cut": line.cut}
    note("R8", "a line too slow for a full batch", unit="messages", trials=REPORTS, failures=left, figures=figures)
    assert line.cut > 0
    assert left == 0


async def test_the_planted_stubbornness_is_seen(tmp_path, monkeypatch):
    net_bugs.a_full_batch_every_time(monkeypatch)
    left, _ = await left_after(tmp_path, 20)
    control("R8", net_bugs.a_full_batch_every_time, seen=left > 0)
    assert left > 0
