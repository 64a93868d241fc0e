"""The benches of growth, of a slow disk and of import: how they judge, what they make, and that they run end to end."""

import csv
import json
import random
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from io import StringIO

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound

from gateway.storage.engine import create_engine
from gateway.storage.log import SqlLog
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.tables import inbox, leaves, log_head, outbox, seen, thread_keys
from gateway.storage.unit_of_work import unit_of_work_factory
from tests.bench import growth, importing, report, slow_disk
from tests.bench.filling import Filler
from tests.storage.test_empty_claim import LEASE, NOW, PEER, outgoing
from tests.storage.test_leases import arrival


def _row(cpu):
    return {"cpu_ms": cpu, "per_second": 100.0, "bytes": 1.0}


def _told():
    return {name: {"label": name, "stored": 1, "queued": 0, "fill_seconds": 0.0, "megabytes": 1.0} for name in growth.FULL}


def test_growth_is_judged_inside_each_repetition():
    # A machine three times slower in the second repetition must not look like growth.
    rows = {name: [_row(2.0), _row(6.0), _row(2.0)] for name in growth.FULL} | {"most": [_row(2.4), _row(7.2), _row(2.4)]}
    found = growth.against_base(rows, _told(), {name: {"ready_seconds": 1.0, "ready_cpu_seconds": 1.0} for name in rows})
    assert found["most"]["cpu"] == pytest.approx(1.2)
    assert found["queued"]["cpu"] == pytest.approx(1.0)
    met = {item["what"]: item["met"] for item in report.judged({"variants": found, "slow_disk": None}, growth.TARGETS)}
    assert list(met.values()) == [False, True, True, None]


def test_a_slow_disk_that_was_not_measured_is_said_so():
    assert "NOT MEASURED" in "\n".join(growth._slow_rows(None))


def test_the_slow_disk_is_slow(tmp_path):
    library = slow_disk.compiled(tmp_path)
    if library is None:
        pytest.skip("NO C COMPILER FOUND: the slow disk was not tried")
    code = (
        "import os, sys, time; f = open(sys.argv[1], 'wb'); began = time.perf_counter();"
        "[os.fsync(f.fileno()) for _ in range(20)]; [os.fdatasync(f.fileno()) for _ in range(20)];"
        "print((time.perf_counter() - began) / 40 * 1000)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    plain, slow = (
        float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
        for environment in ({}, {"LD_PRELOAD": str(library)})
    )
    assert slow >= slow_disk.DELAY_MS
    assert slow > plain


class Config:
    def __init__(self, folder):
        self.main_database = f"sqlite+aiosqlite:///{folder}/main.db"
        self.key_store = f"sqlite+aiosqlite:///{folder}/keys.db"


@pytest.fixture
async def ended(tmp_path):
    """A node's databases after one message each way."""
    config = Config(tmp_path)
    await upgrade_async(config.main_database, Schema.MAIN)
    await upgrade_async(config.key_store, Schema.KEYS)
    engine, keys = create_engine(config.main_database), create_engine(config.key_store)
    sent, came = outgoing(NOW), arrival(1)
    async with unit_of_work_factory(engine)() as work:
        await work.outbox.put([sent])
        await work.inbox.store([came])
        await work.outbox._connection.execute(outbox.update().values(state="delivered", ended_ms=1))
        await work.outbox._connection.execute(inbox.update().values(state="done"))
    await SqlLog(engine).sequence()
    async with keys.begin() as connection:
        rows = [{"thread_id": thread, "wrapped": b"w", "created_ms": 0} for thread in (sent.thread_id, came.thread_id)]
        await connection.execute(thread_keys.insert(), rows)
    yield config, engine, keys
    await engine.dispose()
    await keys.dispose()


async def _count(engine, table):
    async with engine.connect() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def test_a_filled_log_is_a_log_the_product_goes_on_with(ended):
    config, engine, keys = ended
    filler = Filler(config, "sender")
    await filler.learn()
    await filler.store(300)
    await filler.queue(40, ["gt.pdh", "gt.minex"])
    await filler.close()
    assert await _count(engine, outbox) == 1 + 300 + 40
    assert await _count(keys, thread_keys) == 2 + 300
    async with engine.connect() as connection:
        kept = (await connection.execute(select(leaves).order_by(leaves.c.leaf_index))).all()
        size = (await connection.execute(select(log_head.c.size))).scalar_one()
    assert size == len(kept) == 302
    assert [row.leaf_index for row in kept] == list(range(302))
    assert all(row.leaf_hash == sha256(b"\0" + row.data).digest() for row in kept)
    async with unit_of_work_factory(engine)() as work:
        await work.outbox.put([outgoing_again()])
        assert PEER in await work.outbox.lanes_due(now=NOW, limit=9)
        assert len(await work.outbox.claim(PEER, owner="only:1", now=NOW, lease=LEASE, limit=50)) == 1
    log = SqlLog(engine)
    assert await log.sequence() == 1
    await log.store_checkpoint(303, await log.root(303), "note", now=NOW)
    assert await log.inclusion(kept[150].leaf_hash) is not None


def outgoing_again():
    """Another message to the same peer."""
    return replace(outgoing(NOW), message_id=arrival(7).key.message_id)


async def test_half_an_exchange_is_not_multiplied(ended):
    config, engine, _ = ended
    filler = Filler(config, "receiver")
    with pytest.raises(NoResultFound):
        await filler.learn()  # no case and no alarm were filed: the bench copies a whole exchange or nothing
    await filler.close()
    assert await _count(engine, seen) == 1


def test_the_people_of_the_import_are_the_same_every_time_and_survive_the_csv():
    first, second = (importing.people(300, random.Random(importing.SEED)) for _ in range(2))
    assert first == second
    assert list(csv.reader(StringIO(importing.as_csv(first).decode(), newline="")))[1:] == first


def test_an_import_that_loses_a_row_is_refused():
    reading = importing.read_source(
        importing.MAPPING, importing.as_csv(importing.people(20, random.Random(1))), today=importing.TODAY
    )
    assert sum(importing._accounted(reading, 20).values()) == 20
    with pytest.raises(RuntimeError, match="21 rows went in and 20 came out"):
        importing._accounted(reading, 21)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_quick_run_of_growth_writes_result_and_table(tmp_path):
    command = [sys.executable, "-m", "tests.bench.growth", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, timeout=880)
    found = json.loads((tmp_path / "growth.json").read_text())
    assert found["quick"] is True
    assert set(found["variants"]) == set(found["calls"]) == set(growth.QUICK)
    assert all(row["exchange"]["cpu_ms"] >= 0 for row in found["variants"].values())
    assert all(microseconds > 0 for calls in found["calls"].values() for microseconds in calls.values())
    assert (tmp_path / "growth.md").read_text().startswith("# ")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_quick_import_writes_result_and_table(tmp_path):
    command = [sys.executable, "-m", "tests.bench.importing", "--quick", "--output", str(tmp_path)]
    subprocess.run(command, check=True, timeout=280)
    found = json.loads((tmp_path / "import.json").read_text())
    assert found["quick"] is True
    assert sum(found["csv"]["outcomes"].values()) == found["csv"]["rows"]
    assert found["xlsx"]["per_cpu_second"] > 0
    assert (tmp_path / "import.md").read_text().startswith("# ")
