"""How long the stores' own calls take on a database that a node filled: in transactions that are undone.

Times are of the whole call, SQLAlchemy included, in this process; CPU-µs of one call for fifty messages, medians.
"""

import os
import statistics
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from contracts.ids import MessageId, NodeId, ThreadId, uuid7
from gateway.exchange.ports import Arrival, DeliveryOutcome, InboxKey, Outgoing, StagedLeaf
from gateway.exchange.states import OutboxState
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.log import load_nodes
from gateway.storage.read_models import ReadModels
from gateway.storage.unit_of_work import SqlUnitOfWork
from keys.tree import right_edge
from tests.bench.messages import DESTINATION, SOURCE

TOGETHER = 50
LEASE = timedelta(minutes=6)


class _UndoneError(Exception):
    """Ends a transaction that must leave nothing."""


@asynccontextmanager
async def _undone(engine):
    try:
        async with engine.begin() as connection:
            yield SqlUnitOfWork(connection)
            raise _UndoneError
    except _UndoneError:
        pass


class Stopwatch:
    """Collects CPU-µs by name."""

    def __init__(self):
        self.times = {}

    async def time(self, name, call):
        """Return what a call gives, its time noted."""
        began = time.process_time_ns()
        found = await call
        self.times.setdefault(name, []).append((time.process_time_ns() - began) / 1000)
        return found

    def medians(self):
        """Return the median of every name."""
        return {name: statistics.median(times) for name, times in self.times.items()}


def _ids(now):
    moment = int(now.timestamp() * 1000)
    return [MessageId(uuid7(moment, os.urandom(10))) for _ in range(TOGETHER)]


def _leaf(message_id):
    return StagedLeaf(
        leaf_hash=os.urandom(32), data=bytes(300), disclosures=(), event="sent", message_id=message_id, peer=SOURCE
    )


def _outgoing(message_id, now):
    return Outgoing(
        message_id=message_id, lane=DESTINATION, kind="duty.notice", thread_id=ThreadId(str(message_id)), in_reply_to=None,
        digest=bytes(32), envelope=bytes(1000), recipient_key="gt.pgn#enc-1", body=bytes(256), manifest="{}", due=now,
        expires_at=now + timedelta(days=7), leaf=_leaf(message_id),
    )  # fmt: skip


def _arrival(message_id, now):
    return Arrival(
        key=InboxKey(NodeId(SOURCE), message_id), digest=bytes(32), kind="duty.notice", thread_id=ThreadId(str(message_id)),
        in_reply_to=None, body=bytes(256), receipt="r" * 600, leaf=_leaf(message_id), received_at=now,
        expires_at=now + timedelta(days=7),
    )  # fmt: skip


async def of_sender(url, repetitions):
    """Return what the outbox's calls take."""
    engine, watch = create_engine(url), Stopwatch()
    try:
        for _ in range(repetitions):
            now = datetime.now(UTC)
            ids = _ids(now)
            async with _undone(engine) as work:
                await watch.time("outbox: put", work.outbox.put([_outgoing(item, now) for item in ids]))
                await watch.time("outbox: lanes due", work.outbox.lanes_due(now=now, limit=8))
                claim = work.outbox.claim(DESTINATION, owner="bench:1", now=now, lease=LEASE, limit=TOGETHER)
                claimed = await watch.time("outbox: claim", claim)
                ends = [DeliveryOutcome(item.message_id, OutboxState.DELIVERED, receipt="r" * 600) for item in claimed]
                finish = work.outbox.finish(DESTINATION, ends, owner="bench:1", now=now, next_attempt=None)
                if await watch.time("outbox: finish", finish) != TOGETHER:
                    raise RuntimeError("the bench's own messages were not all claimed and finished")
                await watch.time("outbox: expired", work.outbox.expired(now=now, limit=200))
                await watch.time("outbox: take back a dead life's leases", work.outbox.release("bench"))
    finally:
        await engine.dispose()
    return watch.medians()


async def of_receiver(url, repetitions):
    """Return what the inbox's calls, the log's edge and people's look-ups take."""
    engine, reading, watch = create_engine(url), create_read_engine(url), Stopwatch()
    models = ReadModels(reading)
    try:
        for _ in range(repetitions):
            now = datetime.now(UTC)
            ids = _ids(now)
            keys = [InboxKey(NodeId(SOURCE), item) for item in ids]
            async with _undone(engine) as work:
                await watch.time("inbox: seen before", work.inbox.seen(keys))
                await watch.time("inbox: store", work.inbox.store([_arrival(item, now) for item in ids]))
                claim = work.inbox.claim(owner="bench:1", now=now, lease=LEASE, limit=TOGETHER)
                if len(await watch.time("inbox: claim", claim)) != TOGETHER:
                    raise RuntimeError("the bench's own messages were not all claimed")
                await watch.time("inbox: take back a dead life's leases", work.inbox.release("bench"))
                await watch.time("log: edge of the tree", load_nodes(work.inbox._connection, 1, right_edge(987_654)))
            await watch.time("people: a received message", models.received(ids[0]))
            await watch.time("people: the lanes", models.lanes())
            await watch.time("metrics: counts of each state", models.counts())
    finally:
        await engine.dispose()
        await reading.dispose()
    return watch.medians()
