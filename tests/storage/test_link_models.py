"""What pages tell of links: counts by type and by day each way, last contact, rows by source. On both databases alike."""

from datetime import timedelta

from sqlalchemy import text

from contracts.ids import NodeId
from gateway.storage.backups import BackupCheck, BackupRow, checked_backups, record_backup, record_check
from tests.storage.plans import arrival, leaf_of, message_at, outgoing
from tests.storage.test_empty_claim import NOW, PEER

OTHER = NodeId("gt.minex")
GUATEMALA = timedelta(hours=-6)
EPOCH_DAY = timedelta(days=1) // timedelta(milliseconds=1)


def day_of(moment):
    return (int(moment.timestamp() * 1000) - 6 * 3_600_000) // EPOCH_DAY


async def filled(node):
    """Five that came, of which two a month ago; four that went, of which three have a receipt."""
    async with node.begin() as work:
        await work.inbox.store([arrival(number) for number in range(5)])
        await work.outbox.put([outgoing(number) for number in range(4)])
    async with node.engines[0].begin() as connection:
        long_ago = int((NOW - timedelta(days=31)).timestamp() * 1000)
        for number in (0, 1):
            old = {"at": long_ago, "id": message_at(number)}
            await connection.execute(text("UPDATE inbox SET received_ms = :at WHERE message_id = :id"), old)
        ended = int(NOW.timestamp() * 1000)
        for number in (0, 1, 2):
            done = {"at": ended, "id": message_at(number)}
            await connection.execute(text("UPDATE outbox SET state = 'delivered', ended_ms = :at WHERE message_id = :id"), done)
        await connection.execute(
            text("UPDATE lanes SET last_success_ms = :at WHERE peer = :peer"), {"at": ended, "peer": str(PEER)}
        )


async def test_both_directions_are_counted_apart_and_only_since_then(node):
    await filled(node)
    since = NOW - timedelta(days=30)
    found = {(item.peer, item.kind, item.ours): item.count for item in await node.links.carried([PEER, OTHER], since)}
    assert found == {(PEER, "ping", False): 3, (PEER, "ping", True): 3}
    days = await node.links.days(PEER, since, GUATEMALA)
    assert days == {(day_of(NOW), False): 3, (day_of(NOW), True): 3}
    assert await node.links.days(OTHER, since, GUATEMALA) == {}
    contacts = await node.links.contacts([PEER, OTHER])
    assert (contacts[PEER].received, contacts[PEER].delivered) == (NOW, NOW)
    assert (contacts[OTHER].received, contacts[OTHER].delivered) == (None, None)
    assert await node.links.contacts([]) == {}
    assert await node.links.carried([], since) == []


async def test_a_day_begins_at_midnight_in_guatemala(node):
    await filled(node)
    midnight = NOW.replace(hour=6, minute=0, second=0, microsecond=0)
    async with node.engines[0].begin() as connection:
        for number, moment in ((2, midnight), (3, midnight - timedelta(milliseconds=1))):
            moved = {"at": int(moment.timestamp() * 1000) - (number == 3), "id": message_at(number)}
            await connection.execute(text("UPDATE inbox SET received_ms = :at WHERE message_id = :id"), moved)
    days = await node.links.days(PEER, midnight - timedelta(days=2), GUATEMALA)
    assert days[day_of(midnight), False] >= 1
    assert days[day_of(midnight) - 1, False] == 1


async def test_many_peers_are_asked_about_in_parts(node):
    await filled(node)
    many = [NodeId(f"gt.n{number}") for number in range(150)] + [PEER]
    assert {peer for peer, found in (await node.links.contacts(many)).items() if found.received} == {PEER}
    assert {item.peer for item in await node.links.carried(many, NOW - timedelta(days=30))} == {PEER}


async def test_rows_are_counted_by_source_and_outcome(node):
    rows = [("a", 1, "imported"), ("a", 2, "imported"), ("a", 3, "rejected"), ("b", 1, "imported")]
    statement = text(
        "INSERT INTO imports (row_key, source, row, outcome, reasons, message_ids, imported_ms) VALUES (:key, :s, :r, :o, '[]', '[]', :at)"
    )
    async with node.engines[0].begin() as connection:
        for number, (source, place, outcome) in enumerate(rows):
            given = {"key": bytes([number]), "s": source, "r": place, "o": outcome, "at": int(NOW.timestamp() * 1000) + number}
            await connection.execute(statement, given)
    found = await node.links.sources(["a", "b", "none"])
    assert {name: run.outcomes for name, run in found.items()} == {"a": {"imported": 2, "rejected": 1}, "b": {"imported": 1}}
    assert found["a"].last == NOW + timedelta(milliseconds=2)


async def test_the_newest_check_of_a_backup_counts_and_how_it_was_done(node):
    engine = node.engines[0]
    for kind in ("main", "keys"):
        await record_backup(engine, BackupRow("b1", kind, f"x.{kind}", bytes(32), 7, NOW), leaf_of(None))
    for hours, opened in ((1, False), (2, True), (3, False)):
        await record_check(engine, BackupCheck("b1", "main", opened, NOW + timedelta(hours=hours)), leaf_of(None))
    found = {item.row.kind: item for item in await checked_backups(engine)}
    assert (found["main"].whole_at, found["main"].opened_at) == (NOW + timedelta(hours=3), NOW + timedelta(hours=2))
    assert (found["keys"].whole_at, found["keys"].opened_at) == (None, None)
