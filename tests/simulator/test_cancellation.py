"""A request is cancelled at its first await, at its second, at every one: everything or nothing, and asking again gives the truth."""

import asyncio

import pytest
from sqlalchemy import text

from gateway.exchange import arrivals, desk
from gateway.exchange.desk import send_rows
from gateway.exchange.submit import enqueue
from gateway.storage.engine import create_read_engine
from tests.reliability.ledger import control, note
from tests.simulator.cancelled import left_at, threaded
from tests.simulator.federation import simulated_federation
from tests.simulator.planted import a_repeat_earns_a_receipt_of_its_own
from tests.simulator.world import DESK, MBMID, NAMES, row

MOST_AWAITS = 400
DELIVERIES = 20


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, *NAMES, connect=threaded) as found:
        yield found


async def query(federation, name, sql):
    engine = create_read_engine(federation.nodes[name].config.main_database)
    async with engine.connect() as connection:
        found = (await connection.execute(text(sql))).all()
    await engine.dispose()
    return found


async def send(federation, number):
    node = federation.nodes[DESK].capabilities
    return await send_rows([row(number, minor=True)], node, actor=node.pseudonyms.actor("officer"))


async def departures_at_the_desk(federation):
    """Send a child's report with its client leaving at each await in turn; return (departures, half states found)."""
    halves = 0
    for at in range(1, MOST_AWAITS):
        first = await left_at(send(federation, at), at)
        filed = await query(federation, DESK, f"SELECT message_ids FROM imports WHERE row = {at}")
        queued = (await query(federation, DESK, "SELECT count(*) FROM outbox"))[0][0]
        if queued != 2 * (at - 1) + 2 * len(filed):
            halves += 1
            return at, halves
        [again] = await send(federation, at)
        halves += again.outcome != ("duplicate" if filed else "imported")
        if first is not None:
            return at - 1, halves
    raise AssertionError("a request that never ends")


async def departures_at_the_door(federation):
    """Deliver messages with the client leaving, each a little later than the one before; return (departures, broken)."""
    door, broken, left = federation.nodes[MBMID].door, 0, 0
    for at in range(1, DELIVERIES + 1):
        [sent] = await send(federation, 10_000 + at)
        transfer = f"SELECT envelope FROM outbox_bodies WHERE message_id = '{sent.message_ids[0]}'"
        [(envelope,)] = await query(federation, DESK, transfer)
        request = asyncio.create_task(door.receive([envelope]))
        await asyncio.sleep((at - 1) * 0.001)  # what it does once it waits is a task of its own: only moments differ
        request.cancel()
        await asyncio.wait({request})
        left += request.cancelled()
        said = set() if request.cancelled() else set(request.result())
        said |= {*await door.receive([envelope]), *await door.receive([envelope])}
        kept = await query(federation, MBMID, "SELECT receipt FROM seen")
        stored = len(await query(federation, MBMID, "SELECT 1 FROM inbox"))
        leaves = len(await query(federation, MBMID, "SELECT 1 FROM leaf_staging WHERE event = 'msg.received'"))
        broken += not (len(said) == 1 and {(receipt,) for receipt in said} <= set(kept) and stored == leaves == len(kept) == at)
    return left, broken


@pytest.mark.timeout(300)
async def test_a_report_whose_client_leaves_is_filed_whole_or_not_at_all(federation):
    departures, halves = await departures_at_the_desk(federation)
    note("R22", "a desk's client leaves at every await in turn", unit="departures", trials=departures, failures=halves)
    assert departures > 5, "it hardly waited"
    assert halves == 0


@pytest.mark.timeout(300)
async def test_a_delivery_whose_client_leaves_is_stored_whole_and_the_receipt_is_the_one_there_is(federation):
    departures, broken = await departures_at_the_door(federation)
    note("R22", "a peer leaves the door, each time a millisecond later", unit="departures", trials=departures, failures=broken)
    assert departures > 0, "nobody left"
    assert broken == 0


@pytest.mark.timeout(300)
async def test_a_report_in_two_transactions_is_seen(federation, monkeypatch):
    real, later = desk._store, []

    async def split(fresh, work, node, by):
        """A report's case is filed in the transaction after that of its messages."""
        await enqueue([message for item in fresh for message in item.messages], work, now=node.clock.now())
        later.append((fresh, by))

    async def then(rows, node, actor):
        results = await send_some(rows, node, actor)
        async with node.begin() as work:
            for fresh, by in later:
                monkeypatch.setattr(desk, "enqueue", nothing)
                await real(fresh, work, node, by)
                monkeypatch.setattr(desk, "enqueue", enqueue)
        later.clear()
        return results

    async def nothing(_prepared, _work, *, now):
        return None

    send_some = desk._send_some
    monkeypatch.setattr(desk, "_store", split)
    monkeypatch.setattr(desk, "_send_some", then)
    _, halves = await departures_at_the_desk(federation)
    control("R22", split, seen=halves > 0)
    assert halves > 0


@pytest.mark.timeout(300)
async def test_a_door_that_answers_a_repeat_anew_is_seen(federation, monkeypatch):
    a_repeat_earns_a_receipt_of_its_own(monkeypatch)
    assert arrivals._settle_one.__name__ == "settle", "planted"
    _, broken = await departures_at_the_door(federation)
    control("R22", "Who asks again after leaving gets a receipt that is not the stored one.", seen=broken > 0)
    assert broken > 0
