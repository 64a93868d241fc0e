"""A message dies once: two processes on one database that look at the same moment leave one leaf between them."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.ports import DeliveryOutcome
from gateway.exchange.states import OutboxState
from gateway.main.node import Leaves
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.unit_of_work import unit_of_work_factory
from tests.storage.test_empty_claim import LEASE, NOW, PEER, outgoing

LATE = NOW + timedelta(days=8)


def dead(item):
    leaf = Leaves().leaf(LeafFields(at=int(LATE.timestamp()), event=LeafEvent.DEAD, message_id=item.message_id))
    return DeliveryOutcome(item.message_id, OutboxState.DEAD, reason="expired-outcome-unknown", leaf=leaf)


async def end(engine):
    async with engine.connect() as connection:
        leaves = await connection.execute(text("SELECT count(*) FROM leaf_staging WHERE event = 'msg.dead'"))
        states = await connection.execute(text("SELECT state, reason FROM outbox"))
        return leaves.scalar_one(), [tuple(row) for row in states]


async def test_two_who_bury_at_once_write_one_leaf(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    begin = unit_of_work_factory(engine)
    async with begin() as work:
        await work.outbox.put([outgoing(NOW)])
        items = await work.outbox.expired(now=LATE, limit=5)

    async def bury():
        async with begin() as work:
            return await work.outbox.bury([(PEER, dead(item)) for item in items], now=LATE)

    async with begin() as first:
        buried = await first.outbox.bury([(PEER, dead(item)) for item in items], now=LATE)
        second = asyncio.create_task(bury())
        await asyncio.sleep(0.3)  # it has looked, or waits for us
    assert (len(buried), len(await second)) == (1, 0)
    assert await end(engine) == (1, [("dead", "expired-outcome-unknown")])
    await engine.dispose()


async def test_what_a_late_worker_brings_does_not_raise_the_dead(database_url):
    """Its lease lapsed while it delivered; another process ends the message while it writes down what it heard."""
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    begin = unit_of_work_factory(engine)
    async with begin() as work:
        await work.outbox.put([outgoing(NOW)])
        items = await work.outbox.claim(PEER, owner="slow", now=NOW, lease=LEASE, limit=5)

    async def finish():
        outcomes = [DeliveryOutcome(item.message_id, OutboxState.DELIVERED, receipt="r") for item in items]
        async with begin() as work:
            return await work.outbox.finish(PEER, outcomes, owner="slow", now=LATE, next_attempt=None)

    async with begin() as first:
        assert len(await first.outbox.bury([(PEER, dead(item)) for item in items], now=LATE)) == 1
        late = asyncio.create_task(finish())
        await asyncio.sleep(0.3)
    assert await late == 0
    assert await end(engine) == (1, [("dead", "expired-outcome-unknown")])
    await engine.dispose()
