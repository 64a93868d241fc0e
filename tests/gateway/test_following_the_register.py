"""What a node does when the register says something new, and that it does nothing when it does not."""

import pytest

from contracts.errors import PeerUnavailableError
from contracts.ids import Code, NodeId
from keys.register.ceremony import publish_alone, stage_suspension
from tests.simulator.federation import simulated_federation

CONAMIGUA = NodeId("gt.conamigua")


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua") as found:
        yield found


async def suspend(federation):
    now, online = federation.clock.now(), federation.custodians["online"][0]
    stage_suspension(federation.register, CONAMIGUA, reason=Code("lost-laptop"), by="duty", now=now)
    publish_alone(federation.register, federation.custodians["duty"][0], online, now=now)
    await federation.poll()


async def resign(federation):
    """Sign the timestamp again: every five minutes, whether anything changed or not."""
    federation.register.resign_timestamp(federation.custodians["online"][0], now=federation.clock.now())
    await federation.poll()


async def held(node):
    async with node.capabilities.begin() as work:
        lane = await work.outbox.lane(CONAMIGUA)
    return lane.held


async def size(node):
    await node.log.sequence()
    return await node.log.size()


async def test_polls_that_bring_nothing_new_write_nothing(federation):
    node = federation.nodes["gt.igm.mbmid"]
    await suspend(federation)
    before = await size(node)
    for _ in range(5):
        federation.clock.forward(seconds=30)
        await node.trust.poll()
    await resign(federation)
    assert await size(node) == before


async def test_a_suspension_lapses_without_a_new_register(federation):
    node = federation.nodes["gt.igm.mbmid"]
    async with node.capabilities.begin() as work:
        await work.outbox.set_paused(CONAMIGUA, paused=False)
    await suspend(federation)
    assert await held(node)
    before = await size(node)
    federation.clock.forward(hours=73)
    await resign(federation)
    assert not await held(node)
    assert await size(node) == before + 1, "and the log says so, once"


async def test_a_suspension_lapses_while_the_register_is_out_of_reach(federation, monkeypatch):
    node = federation.nodes["gt.igm.mbmid"]
    await suspend(federation)
    assert await held(node)

    def gone(*_):
        raise PeerUnavailableError("down")

    monkeypatch.setattr(node.trust.client, "_fetch", gone)
    for hours, expected in ((71, True), (2, False)):
        federation.clock.forward(hours=hours)
        with pytest.raises(PeerUnavailableError):
            await node.trust.poll()
        assert await held(node) == expected
