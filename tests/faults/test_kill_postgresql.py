"""R1, R10: the database server killed in mid-load, whole or a session at a time; the node finds its way back by itself."""

import asyncio
import os
import random

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults.oracle import open_oracle
from tests.faults.postgresql import PostgreSQL, open_folder
from tests.faults.rig import DESK, MBMID, Zygote, found_rig
from tests.reliability.ledger import note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]

SEED = int(os.environ.get("FIRST_SEED", "1"))


async def test_a_killed_database_server_costs_nothing_acknowledged_and_the_node_reconnects(tmp_path):
    kills, chance, broken = scaled(ci=6, night=100), random.Random(SEED), []
    print(f"seed {SEED}")
    with open_folder() as base, PostgreSQL(base) as server, reserved_ports(4) as ports, Zygote() as zygote:
        urls = server.new_database("main_db"), server.new_database("keys_db")
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, databases={MBMID: urls})
        node = rig.nodes[MBMID]
        node.start(zygote)
        await node.until_ready()
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            for number in range(kills):
                letters = oracle.write(24)
                oracle.heard.clear()
                load = asyncio.create_task(_until_one_is_heard(oracle, letters))
                async with asyncio.timeout(120):
                    await oracle.heard.wait()
                await asyncio.sleep(chance.uniform(0, 0.1))
                if number % 2:
                    server.kill_a_backend(chance)
                else:
                    server.kill()
                    server.start()
                await load
                await _until_all_are_in(oracle, letters)
            assert node.exit_code() is None, "the node did not outlive its database"
            node.kill()
            broken = await oracle.broken(node)
    figures = {"kills": kills, "refused meanwhile": oracle.refused.total()}
    for promise in ("R1", "R5"):
        what = "PostgreSQL killed under a running node"
        note(
            promise,
            what,
            unit="acknowledged messages",
            trials=len(oracle.book),
            failures=len(broken),
            seed=SEED,
            figures=figures,
        )
    assert broken == []
    assert oracle.refused, "no kill was felt"


async def _until_one_is_heard(oracle, letters):
    """Send all; again if the database was still coming back from the kill before this one."""
    while not oracle.heard.is_set():
        await oracle.load(letters, batch=3, at_once=4)
        await asyncio.sleep(0.1)


async def _until_all_are_in(oracle, letters):
    async with asyncio.timeout(120):
        while any(letter.message_id not in oracle.book for letter in letters):
            await oracle.send([letter for letter in letters if letter.message_id not in oracle.book])
            await asyncio.sleep(0.2)
