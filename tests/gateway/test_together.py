"""Work that callers do for each other: one transaction for all who wait, and nobody suffers for another."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from contracts.errors import MessageConflictError
from contracts.ids import NodeId
from gateway.exchange import dispatch
from gateway.exchange.deliver import deliver_lane
from gateway.exchange.ports import CaseEntry
from gateway.exchange.submit import submit
from gateway.exchange.together import MOST, Together
from tests.bench.messages import drafts
from tests.simulator.federation import simulated_federation

MBMID, PGN = NodeId("gt.igm.mbmid"), NodeId("gt.pgn")


class Recorder:
    """Work that notes which items came together, refuses some and can be held up."""

    def __init__(self, *bad):
        self.batches, self.bad, self.gate = [], set(bad), asyncio.Event()
        self.gate.set()

    async def __call__(self, items, node):
        self.batches.append(list(items))
        await self.gate.wait()
        if self.bad & set(items):
            raise ValueError(sorted(self.bad & set(items)))
        return [item * 10 for item in items]


async def test_those_who_ask_at_once_are_served_at_once():
    together, work = Together(), Recorder()
    results = await asyncio.gather(*[together.do(work, [number], None) for number in range(5)])
    assert results == [[0], [10], [20], [30], [40]]
    assert work.batches == [[0, 1, 2, 3, 4]]


async def test_who_comes_meanwhile_comes_next_and_no_turn_takes_more_than_it_may():
    together, work = Together(), Recorder()
    work.gate.clear()
    first = asyncio.create_task(together.do(work, [0], None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.create_task(together.do(work, [number], None)) for number in range(1, MOST + 3)]
    await asyncio.sleep(0)
    work.gate.set()
    await asyncio.gather(first, *later)
    assert [len(batch) for batch in work.batches] == [1, MOST, 2]


async def test_one_that_fails_hurts_only_itself():
    together, work = Together(), Recorder(2)
    results = await asyncio.gather(*[together.do(work, [number], None) for number in range(4)], return_exceptions=True)
    assert [results[0], results[1], results[3]] == [[0], [10], [30]]
    assert isinstance(results[2], ValueError)
    assert work.batches == [[0, 1, 2, 3], [0], [1], [2], [3]]


async def test_who_leaves_takes_along_what_nobody_began_and_nothing_else():
    together, work = Together(), Recorder()
    work.gate.clear()
    begun = [asyncio.create_task(together.do(work, [number], None)) for number in (0, 1)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waits = [asyncio.create_task(together.do(work, [number], None)) for number in (2, 3)]
    await asyncio.sleep(0)
    begun[0].cancel()
    waits[0].cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await asyncio.gather(begun[1], waits[1]) == [[10], [30]]
    assert work.batches == [[0, 1], [3]], "what was begun went on, what was not is gone"


class EndingError(BaseException):
    """What ends a process, and no handler catches."""


@pytest.mark.parametrize("end", [EndingError, asyncio.CancelledError])
async def test_what_ends_the_work_is_told_to_everybody_and_the_next_may_try(end):
    async def work(items, node):
        if node == "bad":
            await asyncio.sleep(0)
            raise end
        return items

    together = Together()
    tasks = [asyncio.create_task(together.do(work, [number], "bad")) for number in range(3)]
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(result) for result in results] == [end] * 3
    assert await together.do(work, [7], "good") == [7]


# -- in whole nodes ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.pgn") as found:
        yield found


def duties(node, count):
    return drafts(node, "1.5", count)


async def rows(node, sql):
    async with node.begin() as work:
        return [tuple(row) for row in await work.inbox._connection.execute(text(sql))]


def counting(node):
    """Return the node and a list that grows with each transaction it opens."""
    opened = []

    def begin():
        opened.append(1)
        return node.begin()

    return replace(node, begin=begin), opened


async def test_submissions_share_a_transaction_and_a_refused_one_spares_the_others(federation):
    node, opened = counting(federation.nodes["gt.igm.mbmid"].capabilities)
    made = duties(node, 5)
    await asyncio.gather(*[submit([draft], node) for draft in made[:4]])
    assert len(opened) == 1
    twice = [submit([made[4]], node), submit([replace(made[4], message_id=made[0].message_id)], node)]
    good, bad = await asyncio.gather(*twice, return_exceptions=True)
    assert not isinstance(good, Exception)
    assert isinstance(bad, MessageConflictError)
    assert await rows(node, "SELECT count(*) FROM outbox") == [(5,)]
    assert await rows(node, "SELECT count(*) FROM leaf_staging WHERE event = 'msg.sent'") == [(5,)]


async def delivered(federation, count):
    sender = federation.nodes["gt.igm.mbmid"].capabilities
    made = duties(sender, count)
    await submit(made, sender)
    await deliver_lane(PGN, sender, owner="t")
    return made, federation.nodes["gt.pgn"].capabilities


class OpenedTogether:
    """The bodies of a node, of which none is open before all are: else a busy machine decides how many are filed at once."""

    def __init__(self, bodies, count):
        self._bodies, self._all = bodies, asyncio.Barrier(count)

    async def open(self, *where):
        kept = await self._bodies.open(*where)
        await self._all.wait()
        return kept

    def __getattr__(self, name):
        return getattr(self._bodies, name)


async def test_messages_handled_side_by_side_are_filed_in_one_transaction(federation, monkeypatch):
    monkeypatch.setattr(dispatch, "SETTLE_SECONDS", 5.0)  # all are done before any is finished
    _, receiver = await delivered(federation, 6)
    node, opened = counting(replace(receiver, bodies=OpenedTogether(receiver.bodies, 6)))
    assert await dispatch.dispatch_batch(node, owner="t") == 6
    assert len(opened) == 4, "claim, file, finish, and a look for those left behind"
    assert await rows(receiver, "SELECT state, count(*) FROM inbox GROUP BY state") == [("done", 6)]
    assert await rows(receiver, "SELECT count(*) FROM cases") == [(6,)]
    assert await dispatch.dispatch_batch(node, owner="t") == 0
    assert len(opened) == 5, "one look where there is nothing"


async def test_one_that_cannot_be_filed_spares_those_beside_it(federation):
    made, receiver = await delivered(federation, 6)
    taken = made[2].thread_id
    async with receiver.begin() as work:
        await work.cases.open([case_of_another_peer(receiver, taken)])
    await dispatch.dispatch_batch(receiver, owner="t")
    assert await rows(receiver, "SELECT state, count(*) FROM inbox GROUP BY state ORDER BY state") == [
        ("done", 5),
        ("waiting", 1),
    ]
    assert await rows(receiver, "SELECT last_error FROM inbox WHERE state = 'waiting'") == [("MessageConflictError",)]


def case_of_another_peer(node, thread):
    now = node.clock.now()
    return CaseEntry(thread, "duty", NodeId("gt.minex"), node.new_message_id(now), "received", None, None, now)


async def test_a_body_moved_to_another_senders_row_is_not_handled(federation):
    _, receiver = await delivered(federation, 1)
    async with receiver.begin() as work:
        await work.inbox._connection.execute(text("UPDATE inbox SET sender = 'gt.minex'"))
    await dispatch.dispatch_batch(receiver, owner="t")
    assert await rows(receiver, "SELECT state, last_error FROM inbox") == [("waiting", "SignatureError")]
    assert await rows(receiver, "SELECT count(*) FROM cases") == [(0,)]
