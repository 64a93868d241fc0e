"""No statement of an exchange reads through what the node has kept: a million stored messages cost no more than a thousand."""

import re

import pytest
from sqlalchemy import event, select, text, tuple_

from contracts.ids import ThreadId
from gateway.exchange.ports import DeliveryOutcome, InboxKey
from gateway.exchange.states import OutboxState
from gateway.storage.inbox import SqlInbox
from gateway.storage.tables import seen, thread_keys
from tests.storage.plans import an_exchange, arrival, at_fault, faults, message_at, outgoing, sqlite_plan
from tests.storage.test_empty_claim import NOW, PEER


async def test_no_statement_of_an_exchange_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    assert len({statement for _, statement, _ in node.noted}) > 35, "control: the statements were noted"
    assert await faults(node) == []


async def test_no_statement_of_an_erasure_reads_through_a_large_table(node):
    await an_exchange(node, 0)
    node.noted.clear()
    threads = [ThreadId(str(message_at(number))) for number in (0, 1)]
    ids = [message_at(number) for number in (0, 1)]
    async with node.begin() as work:
        await work.outbox.onward(ids)
        await work.outbox.withdraw(ids, reason="consent-withdrawn", now=NOW)
        await work.erasures.find(PEER, ids)
        await work.erasures.ordered_before([(PEER, item) for item in ids])
        await work.erasures.due(now=NOW, limit=50)
        await work.erasures.waiting(limit=50)
        await work.erasures.end_queued(threads, now=NOW)
        await work.erasures.empty(threads, now=NOW)
        await work.erasures.empty(threads, now=NOW, only_from=PEER)
        await work.erasures.answerable(limit=50)
        await work.erasures.unanswered_since(NOW, limit=50)
        await work.erasures.outlived(now=NOW, limit=50)
        await work.erasures.case_refs(str(threads[0]))
        await work.ledger.to_recall(limit=50)
        await work.ledger.outstanding()
    assert len({statement for _, statement, _ in node.noted}) > 20, "control: the statements were noted"
    assert await faults(node) == []


PLANTED = (
    "SELECT id FROM departures WHERE peer = 'gt.pgn'",
    "SELECT opening_id FROM exchanges WHERE state = 'closed' ORDER BY deadline_ms",
    "SELECT count(*) FROM seen WHERE receipt = 'r'",
    "SELECT thread_id FROM cases ORDER BY state DESC",
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
    assert at_fault(sqlite_plan(sqlite_node.engines[0], statement, ("gt.pgn", "only:1", "waiting")))


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
        await work.outbox.put([outgoing(number) for number in range(9)])
        await work.inbox.store([arrival(number) for number in range(12)])
    assert (await node.models.counts())["outbox"] == {"waiting": 9}
    states = {
        "outbox": ("delivered", "delivered", "dead", "rejected"),
        "inbox": ("done", "done", "held", "quarantined", "not-handled"),
    }
    async with node.engines[0].begin() as connection:
        for table, names in states.items():
            for number, state in enumerate(names):
                change = text(f"UPDATE {table} SET state = :state WHERE message_id = :message_id")
                await connection.execute(change, {"state": state, "message_id": message_at(number)})
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
            await work.outbox.put([outgoing(number) for number in part])
            await work.inbox.store([arrival(number) for number in part])
            await work.outbox._record(
                [(PEER, DeliveryOutcome(message_at(number), OutboxState.DELIVERED, receipt="r")) for number in part], 0
            )
            await work.outbox._connection.execute(text("UPDATE inbox SET state = 'done' WHERE state = 'waiting'"))
        while await node.log.sequence():
            pass
    async with node.engines[2].begin() as connection:
        rows = [{"thread_id": str(message_at(number)), "wrapped": b"w", "created_ms": 0} for number in numbers]
        await connection.execute(thread_keys.insert(), rows)
