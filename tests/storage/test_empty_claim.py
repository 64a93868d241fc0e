"""A claim that finds nothing leaves its lane to others."""

from datetime import UTC, datetime, timedelta

from contracts.ids import MessageId, NodeId, ThreadId, uuid7
from contracts.leaves import LeafEvent, LeafFields
from gateway.exchange.ports import Outgoing
from gateway.main.node import Leaves
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.unit_of_work import unit_of_work_factory

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
PEER = NodeId("gt.pgn")
LEASE = timedelta(minutes=6)


def outgoing(due):
    message_id = MessageId(uuid7(int(NOW.timestamp() * 1000), bytes(10)))
    leaf = Leaves().leaf(LeafFields(at=int(NOW.timestamp()), event=LeafEvent.SENT, message_id=message_id))
    return Outgoing(
        message_id=message_id,
        lane=PEER,
        kind="ping",
        thread_id=ThreadId(str(message_id)),
        in_reply_to=None,
        digest=bytes(32),
        envelope=b"e",
        recipient_key="gt.pgn#enc-1",
        body=b"b",
        manifest="{}",
        due=due,
        expires_at=NOW + timedelta(days=7),
        leaf=leaf,
    )


async def test_a_lane_with_nothing_due_is_not_held(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    begin = unit_of_work_factory(engine)
    async with begin() as work:
        await work.outbox.put([outgoing(NOW + timedelta(minutes=1))])
    async with begin() as work:
        assert await work.outbox.claim(PEER, owner="early", now=NOW, lease=LEASE, limit=50) == []
    later = NOW + timedelta(minutes=1)
    async with begin() as work:
        assert await work.outbox.lanes_due(now=later, limit=5) == [PEER]
        assert len(await work.outbox.claim(PEER, owner="other", now=later, lease=LEASE, limit=50)) == 1
    async with begin() as work:  # control: while somebody has it, nobody else does
        assert await work.outbox.lanes_due(now=later, limit=5) == []
        assert await work.outbox.claim(PEER, owner="third", now=later, lease=LEASE, limit=50) == []
    await engine.dispose()
