"""Per-peer fairness: neither a long queue to one peer nor its silence holds up what waits for another (SPEC 8.6)."""

import asyncio

import pytest

from contracts.ids import NodeId
from gateway.exchange.desk import send_rows
from gateway.storage import outbox
from gateway.workers.loops import Deliverer
from tests.faults.oracle import desk_row
from tests.simulator.federation import simulated_federation

DESK, MBMID, PGN = "gt.conamigua", "gt.igm.mbmid", "gt.pgn"
BACKLOG = 170
"""Four full requests to the MBMID."""


class Line:
    """The network, noting who is served in which order; a silent peer keeps its request open until it may answer."""

    def __init__(self, real, silent=()):
        self.real, self.served, self.silent, self.speaks = real, [], silent, asyncio.Event()

    async def deliver(self, peer, envelopes):
        self.served.append(str(peer))
        if peer in self.silent:
            await self.speaks.wait()
        return await self.real.deliver(peer, envelopes)


@pytest.fixture
async def desk(tmp_path):
    """A desk with a long queue to the MBMID, and behind it one child's notice to the PGN."""
    async with simulated_federation(tmp_path, MBMID, DESK, PGN) as federation:
        node = federation.nodes[DESK].capabilities
        adults = [desk_row(number) for number in range(1, BACKLOG)]
        await send_rows([*adults, desk_row(BACKLOG, minor=True)], node, actor=node.pseudonyms.actor("desk"))
        yield node


def watched(node, **options):
    line = Line(node.transport, **options)
    object.__setattr__(node, "transport", line)
    return line


async def turns(node, *, at_once, number):
    wake = asyncio.Event()
    deliverer = Deliverer(node, "t", at_once, wake)
    for _ in range(number):
        await deliverer.turn()
        wake.clear()
        async with asyncio.timeout(10):
            await wake.wait()
    return deliverer


async def test_one_line_at_a_time_serves_every_peer_in_turn(desk):
    line = watched(desk)
    await turns(desk, at_once=1, number=5)
    assert line.served.index(PGN) <= 1, "after one request to the MBMID at the latest, not after its whole queue"
    assert line.served.count(MBMID) == 4


async def test_a_silent_peer_keeps_its_own_place_busy_and_nobody_elses(desk):
    line = watched(desk, silent={NodeId(MBMID)})
    deliverer = await turns(desk, at_once=2, number=1)
    async with desk.begin() as work:
        child = await work.outbox.lane(NodeId(PGN))
    assert (child.waiting, line.served.count(MBMID)) == (0, 1)
    line.speaks.set()
    await deliverer.close()


async def test_the_planted_greed_is_seen(desk, monkeypatch):
    """A queue served by name, and not by who waited longest, empties the first peer's before the second's turn."""
    real = outbox.SqlOutbox.lanes_due

    async def by_name(stored, *, now, limit):
        return sorted(await real(stored, now=now, limit=100))[:limit]

    monkeypatch.setattr(outbox.SqlOutbox, "lanes_due", by_name)
    line = watched(desk)
    await turns(desk, at_once=1, number=5)
    assert line.served.index(PGN) == 4
