"""A worker that comes back takes back at once what its last life held; nobody else's, and that life finishes nothing."""

from datetime import timedelta

import pytest

from contracts.ids import MessageId, NodeId, ThreadId, uuid7
from contracts.leaves import LeafEvent, LeafFields
from gateway.config import NodeConfig
from gateway.exchange.ports import Arrival, DeliveryOutcome, InboxKey
from gateway.exchange.states import InboxState, OutboxState
from gateway.main.node import Leaves
from gateway.storage.engine import create_engine
from gateway.storage.inbox import RELEASED_ATTEMPTS
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.unit_of_work import unit_of_work_factory
from tests.storage.test_empty_claim import LEASE, NOW, PEER, outgoing


@pytest.fixture
async def begin(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    yield unit_of_work_factory(engine)
    await engine.dispose()


def arrival(number):
    key = InboxKey(PEER, MessageId(uuid7(number, bytes(10))))
    leaf = Leaves().leaf(LeafFields(at=0, event=LeafEvent.RECEIVED, message_id=key.message_id))
    return Arrival(
        key=key,
        digest=bytes(32),
        kind="ping",
        thread_id=ThreadId(str(key.message_id)),
        in_reply_to=None,
        body=b"b",
        receipt="r",
        leaf=leaf,
        received_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )


async def release(begin, worker):
    async with begin() as work:
        return await work.inbox.release(worker) + await work.outbox.release(worker)


async def claimed(begin, owner, now=NOW, *, lapsed=False):
    async with begin() as work:
        return (
            len(await work.inbox.claim(owner=owner, now=now, lease=LEASE, limit=50, lapsed=lapsed)),
            len(await work.outbox.claim(PEER, owner=owner, now=now, lease=LEASE, limit=50)),
        )


async def test_what_a_dead_life_held_is_taken_back_at_once(begin):
    async with begin() as work:
        await work.outbox.put([outgoing(NOW)])
        await work.inbox.store([arrival(1)])
    assert await claimed(begin, "only:first") == (1, 1)
    assert await claimed(begin, "only:second") == (0, 0), "control: the lease holds while nobody takes it back"
    assert await release(begin, "only") == 3
    assert await claimed(begin, "only:second") == (1, 1)


@pytest.mark.parametrize("other", ["only2", "onl", "o%", "o___", "only:f", "ONLY"])
async def test_another_workers_leases_stay(begin, other):
    async with begin() as work:
        await work.outbox.put([outgoing(NOW)])
        await work.inbox.store([arrival(1)])
    assert await claimed(begin, "only:first") == (1, 1)
    assert await release(begin, other) == 0
    assert await claimed(begin, "other:life") == (0, 0)


async def test_a_life_that_was_not_dead_finishes_nothing_any_more(begin):
    message = outgoing(NOW)
    async with begin() as work:
        await work.outbox.put([message])
        await work.inbox.store([arrival(1)])
    await claimed(begin, "only:first")
    await release(begin, "only")
    for owner, done in (("only:first", 0), ("only:second", 1)):
        if done:
            await claimed(begin, owner)
        outcome = DeliveryOutcome(message.message_id, OutboxState.DELIVERED, receipt="r")
        async with begin() as work:
            assert await work.outbox.finish(PEER, [outcome], owner=owner, now=NOW, next_attempt=None) == done
            ended = await work.inbox.finish({arrival(1).key: InboxState.DONE}, owner=owner)
            assert ended == ({arrival(1).key} if done else set())


async def test_a_message_in_hand_at_every_death_waits_for_its_lease(begin):
    async with begin() as work:
        await work.inbox.store([arrival(1)])
    for life in range(RELEASED_ATTEMPTS + 1):
        assert (await claimed(begin, f"only:{life}"))[0] == 1
        await release(begin, "only")
    assert (await claimed(begin, "only:next"))[0] == 0
    assert (await claimed(begin, "only:later", NOW + LEASE))[0] == 0, "it is not claimed together with others"
    assert (await claimed(begin, "only:later", NOW + LEASE, lapsed=True))[0] == 1


def named(tmp_path, **given):
    return NodeConfig(node=NodeId("gt.pgn"), data=tmp_path, **given)


def test_a_worker_keeps_its_name_and_shares_it_with_nobody(tmp_path, monkeypatch):
    shared = {"database_url": "postgresql+asyncpg://somewhere/paradero"}
    assert named(tmp_path).worker_name == named(tmp_path, federation={"port": 1}).worker_name
    names = set()
    for host in ("a", "b", "x" * 60 + "1", "x" * 60 + "2"):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        names |= {named(tmp_path, **shared, federation={"port": port}).worker_name for port in (1, 2)}
    assert len(names) == 8
    assert max(map(len, names)) + len(":") + 12 <= 64, "the column's length"
    assert named(tmp_path, **shared, workers={"name": "uno"}).worker_name == "uno"
