"""R9, inside one process: what a node with a clock that jumped does not do, and that all of it happens once it is right."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from contracts.errors import ClockWrongError, ProblemCode
from contracts.ids import Code, NodeId
from gateway.exchange.deliver import bury_expired, deliver_lane, lanes_due
from gateway.exchange.desk import send_rows
from gateway.exchange.states import OutboxState
from gateway.exchange.timekeeping import Timekeeper, spoken
from gateway.main.node import open_node
from gateway.workers.loops import ClockWatch
from keys.register.ceremony import publish_alone, stage_suspension
from tests.faults import net_bugs
from tests.faults.oracle import desk_row
from tests.reliability.ledger import control, note
from tests.simulator.federation import simulated_federation

DESK, MBMID = "gt.conamigua", "gt.igm.mbmid"
JUMPS = (
    timedelta(days=-90),
    timedelta(hours=-1),
    timedelta(hours=1),
    timedelta(days=4),
    timedelta(days=9),
    timedelta(days=3652),
)
STATES = tuple(OutboxState)
ROWS = iter(range(1, 1000))


@dataclass
class JumpingClock:
    """A wall clock that can be set wrong, and the steady one beside it that cannot."""

    shared: object
    off: timedelta = timedelta(0)

    def now(self):
        return self.shared.now() + self.off

    async def sleep(self, seconds):
        await self.shared.sleep(seconds)

    def steady(self):
        return self.shared.now().timestamp()


async def with_jumping_clock(federation, name):
    """Open a node again, on a clock of its own."""
    clock = JumpingClock(federation.clock)
    old = federation.nodes[name]
    node = await federation.stack.enter_async_context(
        open_node(
            old.config,
            clock=clock,
            steady=clock.steady,
            transport=old.capabilities.transport,
            fetch=old.trust.client._fetch,
        )
    )
    federation.nodes[name] = node
    return node, clock


async def report(node, first, number=3):
    rows = [desk_row(first + n) for n in range(number)]
    results = await send_rows(rows, node.capabilities, actor=node.capabilities.pseudonyms.actor("desk"))
    return [message for result in results for message in result.message_ids]


async def states(node):
    found = {}
    for state in STATES:
        found |= {row["message_id"]: state.value for row in await node.operations.models.outbox(state.value)}
    return found


async def wrong_states(federation, ids):
    """Return acknowledged messages that did not arrive, settled once the clock is right."""
    await federation.settle()
    now = await states(federation.nodes[DESK])
    return [f"{message}: {now.get(str(message))}" for message in ids if now.get(str(message)) != "delivered"]


async def through_a_jump(federation, who, clock, jump):
    """Send across a jump of one node's clock and back; return what was lost, and what people were told."""
    node = federation.nodes[who]
    before = await clock_alarms(node)
    ids = await report(federation.nodes[DESK], next(ROWS) * 10)
    clock.off = jump
    watch = ClockWatch(node.capabilities)
    for _ in range(3):
        await watch.turn()
        await federation.turn()
        federation.clock.forward(seconds=31)
    status = (await node.operations.status())["sections"]["Reloj"][0]["value"]
    told = [alarm for alarm in await clock_alarms(node) if alarm not in before]
    clock.off = timedelta(0)
    await watch.turn()
    return await wrong_states(federation, ids), told, status


async def clock_alarms(node):
    return [alarm["subject"] for alarm in await node.operations.models.alarms() if alarm["code"] == "clock-jumped"]


@pytest.mark.slow
@pytest.mark.parametrize("who", [DESK, MBMID])
async def test_a_jump_and_back_ends_nothing_and_is_told(tmp_path, who):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        _, clock = await with_jumping_clock(federation, who)
        for jump in JUMPS:
            lost, told, status = await through_a_jump(federation, who, clock, jump)
            what = "a clock that jumps and comes back, in one process"
            note("R9", what, unit="messages", trials=3, failures=len(lost))
            assert lost == [], jump
            assert len(told) == 1, "people are told once"
            assert told[0].startswith(spoken(jump))
            assert status.startswith(f"SALTÓ {spoken(jump)}")


async def test_the_planted_belief_is_seen(tmp_path, monkeypatch):
    net_bugs.the_wall_clock_is_believed(monkeypatch)
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        _, clock = await with_jumping_clock(federation, DESK)
        lost, _, _ = await through_a_jump(federation, DESK, clock, timedelta(days=3652))
    control("R9", net_bugs.the_wall_clock_is_believed, seen=bool(lost))
    assert lost


async def test_a_jump_does_not_end_a_suspension(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        desk, clock = await with_jumping_clock(federation, DESK)
        now, online = federation.clock.now(), federation.custodians["online"][0]
        stage_suspension(
            federation.register, federation.nodes[MBMID].config.node, reason=Code("lost-laptop"), by="duty", now=now
        )
        publish_alone(federation.register, federation.custodians["duty"][0], online, now=now)
        await federation.poll()
        await report(desk, 1)
        clock.off = timedelta(days=4)  # the suspension would have lapsed, the messages would still be valid
        await desk.trust.poll()
        await federation.turn()
        clock.off = timedelta(0)
        await federation.turn()
        carried = len(federation.network.carried)
    note("R9", "a jump past the end of a suspension", unit="messages", trials=3, failures=carried)
    assert carried == 0


async def test_a_node_that_jumped_signs_nothing_and_says_by_how_much(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        desk, clock = await with_jumping_clock(federation, DESK)
        clock.off = timedelta(days=-90)
        with pytest.raises(ClockWrongError, match="jumped by -90 d"):
            await report(desk, 1)
        with pytest.raises(ClockWrongError):
            await desk.door.receive([b"x"])


async def test_after_a_start_nothing_ends_by_a_clock_nobody_confirmed(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        federation.network.down.add(federation.nodes[MBMID].config.node)
        ids = await report(federation.nodes[DESK], 1)
        federation.clock.forward(days=8)  # the machine was off, or its clock is wrong: it cannot know
        desk, _ = await with_jumping_clock(federation, DESK)
        assert not desk.capabilities.timekeeper.sure()
        assert await bury_expired(desk.capabilities) == 0
        for lane in await lanes_due(desk.capabilities, limit=5):
            await deliver_lane(lane, desk.capabilities, owner="t")
        assert set((await states(desk)).values()) == {"waiting"}
        federation.register.resign_timestamp(federation.custodians["online"][0], now=federation.clock.now())
        await desk.trust.poll()
        assert desk.capabilities.timekeeper.sure()
        assert await bury_expired(desk.capabilities) == len(ids)


async def test_a_refusal_for_its_time_waits_for_a_clock_that_is_confirmed(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        await report(federation.nodes[DESK], 1)
        federation.clock.forward(hours=2)
        mbmid, clock = await with_jumping_clock(federation, MBMID)
        federation.clock.forward(days=8)
        clock.off = timedelta(0)
        await federation.turn()  # the desk's own clock is believed: what it sends now is late by ours
        item = federation.network.carried[:1]
        if item:
            assert await mbmid.door.receive([item[0][1]]) == [ProblemCode.UNAVAILABLE]


def test_a_clock_set_right_is_believed_once_the_register_agrees():
    class Still:
        time = datetime(2026, 1, 1, tzinfo=UTC)

        def now(self):
            return self.time

    wall = Still()
    keeper = Timekeeper(wall, steady=lambda: 0.0, known=datetime(2026, 6, 1, tzinfo=UTC))
    assert keeper.skew() is not None, "behind what another machine signed"
    wall.time = datetime(2026, 6, 9, tzinfo=UTC)
    assert keeper.skew() is not None
    keeper.told(wall.time - timedelta(minutes=2))
    assert keeper.sure()


async def test_what_a_jump_in_mid_flight_put_off_is_due_once_the_clock_is_right(tmp_path):
    async with simulated_federation(tmp_path, MBMID, DESK) as federation:
        desk, clock = await with_jumping_clock(federation, DESK)
        await report(desk, 1)
        watch, network = ClockWatch(desk.capabilities), desk.capabilities.transport
        federation.network.fail_next("bare-problem")
        real = network.deliver

        async def jump_and_deliver(peer, envelopes):
            clock.off = timedelta(hours=1)
            return await real(peer, envelopes)

        network.deliver = jump_and_deliver
        await deliver_lane(NodeId(MBMID), desk.capabilities, owner="t")
        network.deliver = real
        await watch.turn()
        clock.off = timedelta(0)
        assert not await lanes_due(desk.capabilities, limit=5), "put off for an hour"
        await watch.turn()
        assert await lanes_due(desk.capabilities, limit=5)
