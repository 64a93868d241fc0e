"""R1, R2, R5: nodes killed with SIGKILL at random moments, receiving and sending; what was promised is there, once."""

import asyncio
import os
import random
from statistics import median

import pytest
from sqlalchemy import text

from gateway.demo.ports import reserved_ports
from gateway.storage.engine import create_read_engine
from tests.conftest import REQUIRE, new_postgresql_database
from tests.faults.bugs import BUGS
from tests.faults.oracle import open_oracle
from tests.faults.rig import DESK, MBMID, Zygote, found_rig
from tests.reliability.ledger import control, note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]

SEED = int(os.environ.get("FIRST_SEED", "1"))
AT_ONCE, BATCH, A_LIFE = 4, 3, 24


@pytest.fixture
def databases(request):
    """(main, keys) of the node that is killed; None for SQLite files of its own."""
    if request.param == "sqlite":
        return None
    server = request.getfixturevalue("postgresql_server")
    if server is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail("PostgreSQL is required here and is not installed")
        pytest.skip("NO POSTGRESQL FOUND: random kills were proven on SQLite only. apt-get install postgresql")
    return new_postgresql_database(server), new_postgresql_database(server)


async def kill_again_and_again(node, oracle, zygote, *, kills, chance, bug=None):
    """Start, load, kill at a random moment; so many times."""
    letters = []
    for _ in range(kills):
        node.start(zygote, bug=bug)
        await node.until_ready()
        fresh = oracle.write(A_LIFE)
        # What the last life left unanswered goes out again, as any sender's would: with the new in one queue.
        again = [letter for letter in letters[-A_LIFE:] if letter.message_id not in oracle.book]
        oracle.heard.clear()
        load = asyncio.create_task(oracle.load([*again, *fresh], batch=BATCH, at_once=AT_ONCE))
        async with asyncio.timeout(60):
            await oracle.heard.wait()
        await asyncio.sleep(chance.uniform(0, 0.12))
        node.kill()
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        letters += fresh
    return letters


async def stored(config):
    engine = create_read_engine(config.main_database)
    async with engine.connect() as connection:
        found = set((await connection.execute(text("SELECT message_id FROM inbox"))).scalars())
    await engine.dispose()
    return found


@pytest.mark.parametrize("databases", ["sqlite", "postgresql"], indirect=True)
async def test_a_receiving_node_that_dies_at_any_moment_loses_and_doubles_nothing(tmp_path, databases, request):
    engine, kills, chance = request.node.callspec.params["databases"], scaled(ci=30, night=500), random.Random(SEED)
    print(f"seed {SEED}")
    with reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, databases={MBMID: databases} if databases else None)
        node = rig.nodes[MBMID]
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            letters = await kill_again_and_again(node, oracle, zygote, kills=kills, chance=chance)
            broken = await oracle.broken(node)
            unheard = await stored(node.config) - oracle.book.keys()
            node.start(zygote)
            await node.until_ready()
            broken += await oracle.replay(letters)
            node.kill()
            broken += await oracle.broken(node)
    figures = {
        "kills": kills,
        "stored, answer lost": len(unheard),
        "in flight when killed": oracle.unanswered,
        "recovery p50 s": round(median(node.spans), 2),
        "recovery max s": round(max(node.spans), 2),
    }
    what = f"receiving node killed at random, {'SQLite' if engine == 'sqlite' else 'PostgreSQL'}"
    for promise, unit, trials in (
        ("R1", "acknowledged messages", oracle.acknowledged),
        ("R2", "messages", oracle.acknowledged),
        ("R5", "messages and leaves", oracle.acknowledged),
        ("R11", "replays", len(letters)),
    ):
        note(promise, what, unit=unit, trials=trials, failures=len(broken), seed=SEED, figures=figures)
    assert broken == []
    assert oracle.unanswered > kills / 2, "the kills did not hit messages in flight"
    assert len(oracle.book) >= kills, "too little was acknowledged to prove anything"


@pytest.mark.parametrize("bug", ["receipt_before_commit", "thread_key_after_the_message"])
async def test_random_kills_see_a_planted_bug(tmp_path, bug):
    chance, broken = random.Random(SEED), []
    with reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports)
        node = rig.nodes[MBMID]
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            for _ in range(10):
                await kill_again_and_again(node, oracle, zygote, kills=2, chance=chance, bug=bug)
                if broken := await oracle.broken(node):
                    break
    assert f"PLANTED {bug}" in node.log.read_text()
    control("R1", BUGS[bug], seen=bool(broken))
    assert broken
