"""The stores of a node whose every statement is noted, and the plans its database makes for them.

The plans are the database's own, of the statements as the stores issue them. SQLite has no statistics here, as in a node,
so its plans do not depend on size. PostgreSQL's do: it is asked for plans with sequential scans made dear, which a statement
without an index cannot avoid.
"""

import re
import sqlite3
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import event, text

from contracts.ids import MessageId, ThreadId, uuid7
from contracts.leaves import LeafEvent, LeafFields
from contracts.threads import Side
from gateway.exchange.assigning import term_of
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.ports import Alarm, Arrival, CaseEntry, DeliveryOutcome, InboxKey, Outgoing
from gateway.exchange.states import InboxState, OutboxState
from gateway.exchange.work_ports import Notice, WorkItem
from gateway.main.node import Leaves
from gateway.storage.case_models import CaseModels
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.link_models import LinkModels
from gateway.storage.log import SqlLog
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.read_models import ReadModels
from gateway.storage.revisions import Schema
from gateway.storage.thread_keys import ThreadKeys
from gateway.storage.unit_of_work import unit_of_work_factory
from gateway.storage.work_models import WorkModels
from keys.vault import Vault
from tests.storage.test_empty_claim import LEASE, NOW, PEER

LARGE = {
    "seen": {"sender=?"}, "inbox": {"sender=?"}, "outbox": {"lane=?"}, "outbox_bodies": {"lane=?"}, "leaves": {"epoch=?"},
    "tree_nodes": {"epoch=?", "epoch=? AND level=?"}, "cases": set(), "imports": set(), "alarms": {"code=?"},
    "checkpoints": set(), "thread_keys": set(), "work_items": set(), "exchanges": {"opener=?", "peer=?"}, "departures": set(),
    "exchange_messages": {"opener=?"}, "disclosures": {"peer=?"}, "held_texts": set(), "consent_events": set(),
    "wish_events": set(), "never_to": set(), "approvals": set(), "erasures": {"ordered_by=?"}, "legal_holds": set(),
    "received_records": {"sender=?"}, "attachments": set(), "candidate_verdicts": set(), "form_drafts": set(), "taken_reports": set(),
    "notices": set(), "webhook_posts": {"hook_id=?"}, "mail_queue": set(), "sheets": set(),
}  # fmt: skip
"""Tables that grow with every message, and the searches in them that still find a peer's whole history."""
WAITING = (
    "ix_inbox_waiting|ix_outbox_waiting|ix_outbox_expiry|ix_work_items_uncounted|ix_work_items_untold|ix_work_items_open|ix_work_items_escalated"
    "|ix_exchanges_withdrawing|ix_exchanges_awaited|ix_exchanges_open|ix_departures_state|ix_departures_reply|ix_outbox_aside|ix_held_texts_held"
    "|ix_erasures_waiting|ix_erasures_unanswered|ix_disclosures_recalled"
    "|ix_sheets_live|ix_notices_fresh|ix_webhook_posts_waiting|ix_webhook_posts_dead|ix_mail_queue_waiting"
    "|ix_attachments_wanted|ix_attachments_erasing|ix_attachments_ready|ix_attachments_kept"
)
"""Indexes of what waits alone: as long as the queue, not as the history. Of `departures` nobody asks for a state that ended."""
NEWEST = (
    "ix_sheets_made|ix_taken_reports_taken_ms|ix_webhook_posts_made|ix_notices_at|ix_exchanges_questions|ix_leaves_refused|ix_cases_opened|ix_work_items_opened"
    "|sqlite_autoindex_attachments_1|pk_attachments"
)
"""Indexes that give a page of what is newest: read from one end, and no further than the page."""


def at_fault(plan):
    """Return the lines of SQLite's plan that read through a large table."""
    found = []
    for line in plan:
        match = re.match(r"(SCAN|SEARCH) (\w+)(?: USING .*?(?:INDEX (\w+)|PRIMARY KEY))?(?: \((.*)\))?", line)
        if match is None or match[2] not in LARGE or re.fullmatch(f"{WAITING}|{NEWEST}", match[3] or ""):
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
        self.work_models = WorkModels(self.engines[1])
        self.links = LinkModels(self.engines[1])
        self.case_models = CaseModels(self.engines[1])
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


def leaf_of(message_id):
    return Leaves().leaf(LeafFields(at=0, event=LeafEvent.SENT, message_id=message_id))


def message_at(number):
    return MessageId(uuid7(int(NOW.timestamp() * 1000) - 10_000_000 + number, bytes(10)))


def outgoing(number):
    message_id = message_at(number)
    return Outgoing(
        message_id=message_id, lane=PEER, kind="ping", thread_id=ThreadId(str(message_id)), in_reply_to=message_id, digest=bytes(32),
        envelope=b"e", recipient_key="gt.pgn#enc-1", body=b"b", manifest="{}", due=NOW, expires_at=NOW + timedelta(days=7),
        leaf=leaf_of(message_id),
    )  # fmt: skip


def arrival(number):
    message_id = message_at(number)
    return Arrival(
        key=InboxKey(PEER, message_id), digest=bytes(32), kind="ping", thread_id=ThreadId(str(message_id)), in_reply_to=None,
        body=b"b", receipt="r", leaf=leaf_of(message_id), received_at=NOW, expires_at=NOW + timedelta(days=7),
    )  # fmt: skip


async def an_exchange(node, number):
    """Do with the stores what exchanges, and the loops beside them, do: three messages each way, together.

    Three, because a database may find one row by an index and several by reading through.
    """
    sent = [outgoing(number + offset) for offset in range(3)]
    came = [arrival(number + offset) for offset in range(3)]
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


def sqlite_plan(engine, statement, parameters):
    # A plan with the values bound, as in a node: SQLite uses an index of what waits only when it sees that what waits is asked for.
    with sqlite3.connect(engine.url.database) as database:
        return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


def at_fault_on_postgresql(plan):
    """Return the lines of PostgreSQL's plan that read a large table or one of its indexes from end to end."""
    found = []
    for line, following in zip(plan, [*plan[1:], ""], strict=True):
        match = re.search(r"(Seq|Index|Index Only) Scan (?:Backward )?(?:using (\w+) )?on (\w+)", line)
        if match is None or match[3] not in LARGE or re.fullmatch(f"{WAITING}|{NEWEST}", match[2] or ""):
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
    plans = {statement: sqlite_plan(engine, statement, parameters) for engine, statement, parameters in node.noted}
    return [(statement, line) for statement, plan in plans.items() for line in at_fault(plan)]
