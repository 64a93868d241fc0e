"""No statement of an exchange reads through what the node has kept: a million stored messages cost no more than a thousand.

The plans are the database's own, of the statements as the stores issue them. SQLite has no statistics here, as in a node,
so its plans do not depend on size. PostgreSQL's do: it is asked for plans with sequential scans made dear, which a statement
without an index cannot avoid.
"""

import re
import sqlite3
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text, tuple_

from contracts.ids import MessageId, ThreadId, uuid7
from contracts.leaves import LeafEvent, LeafFields
from contracts.threads import Side
from gateway.exchange.assigning import term_of
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.ports import Alarm, Arrival, CaseEntry, DeliveryOutcome, InboxKey, Outgoing
from gateway.exchange.states import InboxState, OutboxState
from gateway.exchange.work_ports import Notice, WorkItem
from gateway.main.node import Leaves
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.inbox import SqlInbox
from gateway.storage.log import SqlLog
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.read_models import ReadModels
from gateway.storage.revisions import Schema
from gateway.storage.tables import seen, thread_keys
from gateway.storage.thread_keys import ThreadKeys
from gateway.storage.unit_of_work import unit_of_work_factory
from keys.vault import Vault
from tests.storage.test_empty_claim import LEASE, NOW, PEER

LARGE = {
    "seen": {"sender=?"}, "inbox": {"sender=?"}, "outbox": {"lane=?"}, "outbox_bodies": {"lane=?"}, "leaves": {"epoch=?"},
    "tree_nodes": {"epoch=?", "epoch=? AND level=?"}, "cases": set(), "imports": set(), "alarms": {"code=?"},
    "checkpoints": set(), "thread_keys": set(), "work_items": set(),
}  # fmt: skip
"""Tables that grow with every message, and the searches in them that still find a peer's whole history."""
WAITING = "ix_inbox_waiting|ix_outbox_waiting|ix_outbox_expiry|ix_work_items_uncounted|ix_work_items_untold"
"""Indexes of what waits alone: as long as the queue, not as the history."""


def at_fault(plan):
    """Return the lines of SQLite's plan that read through a large table."""
    found = []
    for line in plan:
        match = re.match(r"(SCAN|SEARCH) (\w+)(?: USING .*?(?:INDEX (\w+)|PRIMARY KEY))?(?: \((.*)\))?", line)
        if match is None or match[2] not in LARGE or re.fullmatch(WAITING, match[3] or ""):
            continue
        if match[1] == "SCAN" or match[4] in LARGE[match[2]]:
            found.append(line)
    return found


class Clock:
    def now(self):
        return NOW


class Node:
    """The stores of one node, every statement they issue noted."""

    def __init__(self, urls):
        self.engines = [create_engine(urls[0]), create_read_engine(urls[0]), create_engine(urls[1])]
        self.begin, self.log = unit_of_work_factory(self.engines[0]), SqlLog(self.engines[0])
        self.models, self.bodies = ReadModels(self.engines[1]), ThreadKeys(self.engines[2], Vault(bytes(32)), Clock())
        self.noted = []
        for engine in self.engines:
            event.listen(engine.sync_engine, "before_cursor_execute", self._note)

    def _note(self, connection, _cursor, statement, parameters, _context, many):
        if re.match(r"(?:SELECT|UPDATE|DELETE)", statement):
            self.noted.append((connection.engine, statement, parameters[0] if many else parameters))

    async def close(self):
        for engine in self.engines:
            await engine.dispose()


@asynccontextmanager
async def opened(urls):
    for url, schema in zip(urls, Schema, strict=True):
        await upgrade_async(url, schema)
    node = Node(urls)
    yield node
    await node.close()


@pytest.fixture
async def node(database_urls):
    async with opened(database_urls) as node:
        yield node


@pytest.fixture
async def sqlite_node(tmp_path):
    async with opened([f"sqlite+aiosqlite:///{tmp_path}/{name}.db" for name in ("main", "keys")]) as node:
        yield node


def _leaf(message_id):
    return Leaves().leaf(LeafFields(at=0, event=LeafEvent.SENT, message_id=message_id))


def _message(number):
    return MessageId(uuid7(int(NOW.timestamp() * 1000) - 10_000_000 + number, bytes(10)))


def _outgoing(number):
    message_id = _message(number)
    return Outgoing(
        message_id=message_id, lane=PEER, kind="ping", thread_id=ThreadId(str(message_id)), in_reply_to=message_id, digest=bytes(32),
        envelope=b"e", recipient_key="gt.pgn#enc-1", body=b"b", manifest="{}", due=NOW, expires_at=NOW + timedelta(days=7),
        leaf=_leaf(message_id),
    )  # fmt: skip


def _arrival(number):
    message_id = _message(number)
    return Arrival(
        key=InboxKey(PEER, message_id), digest=bytes(32), kind="ping", thread_id=ThreadId(str(message_id)), in_reply_to=None,
        body=b"b", receipt="r", leaf=_leaf(message_id), received_at=NOW, expires_at=NOW + timedelta(days=7),
    )  # fmt: skip


async def an_exchange(node, number):
    """Do with the stores what exchanges, and the loops beside them, do: three messages each way, together.

    Three, because a database may find one row by an index and several by reading through.
    """
    sent = [_outgoing(number + offset) for offset in range(3)]
    came = [_arrival(number + offset) for offset in range(3)]
    await node.bodies._ensure({item.thread_id for item in sent})
    async with node.begin() as work:
        await work.outbox.put(sent)
    await _deliver(node, [item.message_id for item in sent])
    await _receive(node, came)
    await node.log.sequence()
    size = await node.log.size()
    await node.log.store_checkpoint(size, await node.log.root(size), "note", now=NOW)
    await node.log.head()
    await node.log.inclusion(sent[0].leaf.leaf_hash)
    await node.log.leaves_of(sent[0].message_id)
    await node.models.lanes()
    await node.models.message(sent[0].message_id)
    await node.models.sent(sent[0].message_id)
    await node.models.message(came[0].key.message_id)
    await node.models.received(came[0].key.message_id)
    node.bodies._cache.clear()
    await node.bodies._load({item.thread_id for item in sent})


async def _deliver(node, ids):
    ends = [DeliveryOutcome(message_id, OutboxState.DELIVERED, receipt="r") for message_id in ids]
    async with node.begin() as work:
        assert await work.outbox.lanes_due(now=NOW, limit=5) == [PEER]
        assert len(await work.outbox.claim(PEER, owner="only:1", now=NOW, lease=LEASE, limit=50)) == 3
        await work.outbox.lane(PEER)
        assert await work.outbox.finish(PEER, ends, owner="only:1", now=NOW, next_attempt=None) == 3
        await work.outbox.expired(now=NOW, limit=200)
        await work.outbox.bury([(PEER, end) for end in ends], now=NOW)
        assert len(await work.outbox.answered([(PEER, message_id, "ping") for message_id in ids])) == 3
        await work.outbox.revive(ids[0], now=NOW)
        await work.outbox.make_due(now=NOW)
        await work.outbox.release("only")
        await work.outbox._connection.execute(text("UPDATE outbox SET state = 'delivered' WHERE state = 'waiting'"))


async def _receive(node, came):
    entries = [
        CaseEntry(
            thread_id=item.thread_id, kind="duty", peer=PEER, opened_by=item.key.message_id, state="received", alias=None,
            folio=None, opened_at=NOW,
        )
        for item in came
    ]  # fmt: skip
    async with node.begin() as work:
        assert await work.inbox.seen([item.key for item in came]) == {}
        await work.inbox.store(came)
        assert len(await work.inbox.seen([item.key for item in came])) == 3
        await work.outbox.wake(PEER, now=NOW)
        for lapsed in (False, True):
            await work.inbox.claim(owner="only:1", now=NOW, lease=LEASE, limit=50, lapsed=lapsed)
        await work.cases.find([item.thread_id for item in came])
        await work.alarms.raise_all([Alarm("duty-notice", item.key.message_id, PEER) for item in came], now=NOW)
        await work.cases.open(entries)
        await work.cases.set_state(came[0].thread_id, state="received")
        await work.cases.with_aliases([(PEER, "none"), (PEER, "other")])
        await work.cases.with_folio("none")
        await work.imports.known([b"none", b"other"])
        ended = {item.key: InboxState.DONE for item in came}
        assert await work.inbox.finish(ended, owner="only:1") == frozenset(ended)
        await work.inbox.make_due(now=NOW)
        await work.inbox.release("only")
        await _work(work, [item.key.message_id for item in came])
        await work.restores.pending()
        await work.restores.unsettled()
        await work.restores.unanswerable()


async def _work(work, ids):
    items = [
        WorkItem(
            key=ExchangeKey(PEER, message_id), machine="duty", side=Side.ADDRESSEE, peer=PEER, thread_id=ThreadId(str(message_id)),
            kind="duty.notice", purpose="p", basis="b", opened_at=NOW, hours=4,
        )
        for message_id in ids
    ]  # fmt: skip
    await work.work_items.file(items)
    await work.work_items.unscheduled(limit=100)
    for item in items:
        await work.work_items.schedule(item.key, term_of(NOW, NOW, NOW))
        await work.work_items.take(item.key, "p", now=NOW)
        assert len(await work.work_items.find(item.key.opening)) == 1
    await work.work_items.settle(now=NOW)
    await work.work_items.postponed(limit=100)
    for notice in Notice:
        await work.work_items.late(notice, now=NOW, limit=100)
        await work.work_items.told(items[0].key, notice, NOW, now=NOW)
    await work.exchanges.unconfirmed(limit=50)
    await work.exchanges.case_of(items[0].thread_id)
    await work.work_items.end(items[0].key, now=NOW)


def _sqlite_plan(engine, statement, parameters):
    # A plan with the values bound, as in a node: SQLite uses an index of what waits only when it sees that what waits is asked for.
    with sqlite3.connect(engine.url.database) as database:
        return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def at_fault_on_postgresql(plan):
    """Return the lines of PostgreSQL's plan that read a large table or one of its indexes from end to end."""
    found = []
    for line, following in zip(plan, [*plan[1:], ""], strict=True):
        match = re.search(r"(Seq|Index|Index Only) Scan (?:Backward )?(?:using (\w+) )?on (\w+)", line)
        if match is None or match[3] not in LARGE or re.fullmatch(WAITING, match[2] or ""):
            continue
        if match[1] == "Seq" or "Index Cond" not in following:
            found.append(line)
    return found


async def _postgresql_faults(node):
    found = []
    for sync_engine, statement, parameters in node.noted[:]:
        engine = next(engine for engine in node.engines if engine.sync_engine is sync_engine)
        async with engine.connect() as connection:
            await connection.execute(text("SET enable_seqscan = off"))
            plan = list((await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars())
            await connection.rollback()
        found += [(statement, line) for line in at_fault_on_postgresql(plan)]
    return found


async def faults(node):
    """Return (statement, line of its plan) of what was noted and reads through a large table."""
    if node.engines[0].dialect.name == "postgresql":
        return await _postgresql_faults(node)
    plans = {statement: _sqlite_plan(engine, statement, parameters) for engine, statement, parameters in node.noted}
    return [(statement, line) for statement, plan in plans.items() for line in at_fault(plan)]


async def test_no_statement_of_an_exchange_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    assert len({statement for _, statement, _ in node.noted}) > 35, "control: the statements were noted"
    assert await faults(node) == []


PLANTED = (
    "SELECT count(*) FROM seen WHERE receipt = 'r'",
    "SELECT thread_id FROM cases ORDER BY opened_ms DESC",
    "UPDATE inbox SET lease_owner = NULL WHERE substr(lease_owner, 1, 5) = 'only:' AND attempts <= 2",
)


@pytest.mark.parametrize("statement", PLANTED)
async def test_a_planted_scan_is_seen(node, statement):
    async with node.engines[0].connect() as connection:
        await connection.execute(text(statement))
    assert [found for found, _ in await faults(node)] == [statement]


async def test_a_search_that_finds_a_peers_whole_history_is_no_search(sqlite_node):
    """How a delivery once looked for its leases: by an index, and through every message the lane ever had."""
    statement = "SELECT message_id FROM outbox WHERE lane = ? AND lease_owner = ? AND state = ? ORDER BY message_id"
    assert at_fault(_sqlite_plan(sqlite_node.engines[0], statement, ("gt.pgn", "only:1", "waiting")))


async def test_counting_by_state_reads_no_message(sqlite_node):
    """Every scrape of the metrics counts: whole rows of a million messages would be gigabytes."""
    await an_exchange(sqlite_node, 0)
    sqlite_node.noted.clear()
    await sqlite_node.models.counts()
    read = [line for _, line in await faults(sqlite_node) if not re.search(r"USING COVERING INDEX|^SCAN alarms", line)]
    assert read == []


@pytest.mark.parametrize("state", ["dead", "rejected"])
async def test_a_page_of_what_went_wrong_reads_through_nothing(node, state):
    await node.models.outbox(state)
    assert await faults(node) == []


async def test_every_state_is_counted(node):
    """The usual state is what is left of all: the numbers must be what a plain count by state gives."""
    async with node.begin() as work:
        await work.outbox.put([_outgoing(number) for number in range(9)])
        await work.inbox.store([_arrival(number) for number in range(12)])
    assert (await node.models.counts())["outbox"] == {"waiting": 9}
    states = {
        "outbox": ("delivered", "delivered", "dead", "rejected"),
        "inbox": ("done", "done", "held", "quarantined", "not-handled"),
    }
    async with node.engines[0].begin() as connection:
        for table, names in states.items():
            for number, state in enumerate(names):
                change = text(f"UPDATE {table} SET state = :state WHERE message_id = :message_id")
                await connection.execute(change, {"state": state, "message_id": _message(number)})
    counts = await node.models.counts()
    assert counts["outbox"] == {"waiting": 5, "delivered": 2, "dead": 1, "rejected": 1}
    assert counts["inbox"] == {"waiting": 7, "done": 2, "held": 1, "quarantined": 1, "not-handled": 1}
    assert [row["state"] for row in await node.models.outbox("dead")] == ["dead"]


async def _steps(node, number):
    """Return how many hundreds of instructions of SQLite's machine each statement of one exchange took, by statement."""
    counted = {}

    def count(connection, cursor, statement, _parameters, _context, _many):
        driver = connection.connection.driver_connection
        raw = getattr(driver, "_conn", driver)
        counted.setdefault(statement, 0)

        def more():
            counted[statement] += 1
            return 0

        raw.set_progress_handler(more, 100)

    engine = node.engines[0].sync_engine
    event.listen(engine, "before_cursor_execute", count)
    await an_exchange(node, number)
    event.remove(engine, "before_cursor_execute", count)
    return counted


async def test_the_work_of_every_statement_stays_the_same_as_messages_pile_up(sqlite_node):
    """What no plan shows: how many rows are really visited. The same exchange, after 10 and after 3,000 others."""
    node = sqlite_node
    await _pile_up(node, range(1, 11))
    few = await _steps(node, 9_000)
    await _pile_up(node, range(11, 3_011))
    many = await _steps(node, 9_010)
    # A tree of 6,000 leaves has a few more levels than one of 20, and a B-tree one or two: that much is allowed.
    grown = {
        statement: (few.get(statement, 0), steps) for statement, steps in many.items() if steps > few.get(statement, 0) + 20
    }
    assert grown == {}
    assert len(many) > 35, "control: the statements were counted"


async def test_a_planted_statement_that_visits_more_and_more_rows_is_seen(sqlite_node, monkeypatch):
    node = sqlite_node

    async def by_pairs(inbox, keys):
        wanted = tuple_(seen.c.sender, seen.c.message_id).in_([(key.sender, key.message_id) for key in keys])
        rows = await inbox._connection.execute(select(seen).where(wanted))
        return {InboxKey(row.sender, row.message_id): row for row in rows}

    monkeypatch.setattr(SqlInbox, "seen", by_pairs)
    await _pile_up(node, range(1, 11))
    few = await _steps(node, 9_000)
    await _pile_up(node, range(11, 3_011))
    many = await _steps(node, 9_010)
    assert any(steps > few[statement] + 20 for statement, steps in many.items() if "FROM seen" in statement)


async def _pile_up(node, numbers):
    """Store messages that were sent and delivered, received and handled, each in a case of its own."""
    for start in range(numbers.start, numbers.stop, 500):
        part = range(start, min(start + 500, numbers.stop))
        async with node.begin() as work:
            await work.outbox.put([_outgoing(number) for number in part])
            await work.inbox.store([_arrival(number) for number in part])
            await work.outbox._record(
                [(PEER, DeliveryOutcome(_message(number), OutboxState.DELIVERED, receipt="r")) for number in part], 0
            )
            await work.outbox._connection.execute(text("UPDATE inbox SET state = 'done' WHERE state = 'waiting'"))
        while await node.log.sequence():
            pass
    async with node.engines[2].begin() as connection:
        rows = [{"thread_id": str(_message(number)), "wrapped": b"w", "created_ms": 0} for number in numbers]
        await connection.execute(thread_keys.insert(), rows)
