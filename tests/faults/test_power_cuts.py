"""R1: power cuts. The file system is shut down under a frozen machine; what it had not been made to write is gone."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from statistics import median

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults.bugs import BUGS
from tests.faults.mounts import power_cut_disk
from tests.faults.oracle import open_oracle
from tests.faults.postgresql import PostgreSQL, open_folder
from tests.faults.rig import DESK, MBMID, NodeEndedError, Zygote, found_rig
from tests.reliability.ledger import control, note, scaled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(scaled(ci=600, night=14_400))]

SEED = int(os.environ.get("FIRST_SEED", "1"))
A_LIFE = 24


async def load_until(oracle, chance):
    """Load the node; return the load still under way at a random moment after the first receipts."""
    letters = oracle.write(A_LIFE)
    oracle.heard.clear()
    load = asyncio.create_task(oracle.load(letters, batch=3, at_once=4))
    async with asyncio.timeout(60):
        await oracle.heard.wait()
    await asyncio.sleep(chance.uniform(0, 0.1))
    return letters, load


async def ended(load):
    load.cancel()
    with suppress(asyncio.CancelledError):
        await load


async def cut_sqlite(disk, rig, oracle, zygote, *, cuts, chance, bug=None):
    """Cut the power so often; stop at the first broken promise. Return what broke and the last letters."""
    node, letters, broken = rig.nodes[MBMID], [], []
    for _ in range(cuts):
        try:
            node.start(zygote, bug=bug)
            await node.until_ready()
        except NodeEndedError as error:
            return [f"the node does not start after a cut: {error.code}"], letters
        letters, load = await load_until(oracle, chance)
        node.signal(signal.SIGSTOP)  # a dead disk under a live process would acknowledge what is nowhere
        disk.cut()
        node.kill()
        await ended(load)
        disk.again()
        if broken := await oracle.broken(node):
            break
    return broken, letters


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
async def test_a_power_cut_loses_nothing_acknowledged_on_sqlite(tmp_path, kind):
    cuts, chance = scaled(ci=15, night=500), random.Random(SEED)
    print(f"seed {SEED}")
    with power_cut_disk(tmp_path, kind) as disk, reserved_ports(4) as ports, Zygote() as zygote:
        # The node is founded on this disk, and never synced by us: what founding says is there must be.
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, data={MBMID: disk.folder / "node"})
        node = rig.nodes[MBMID]
        disk.cut()
        disk.again()
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            broken, letters = await cut_sqlite(disk, rig, oracle, zygote, cuts=cuts, chance=chance)
            if not broken:
                node.start(zygote)
                await node.until_ready()
                broken = await oracle.replay(letters)
                node.kill()
        rig.end()
    figures = {"cuts": cuts, "recovery p50 s": round(median(node.spans), 2), "recovery max s": round(max(node.spans), 2)}
    for promise in ("R1", "R5"):
        what = f"power cut under SQLite on {kind}"
        note(
            promise,
            what,
            unit="acknowledged messages",
            trials=oracle.acknowledged,
            failures=len(broken),
            seed=SEED,
            figures=figures,
        )
    assert broken == []
    assert len(oracle.book) >= cuts
    assert oracle.unanswered, "no cut hit a message in flight"


@pytest.mark.parametrize("bug", ["sqlite_does_not_sync", "sqlite_syncs_now_and_then"])
async def test_power_cuts_see_a_database_that_does_not_sync(tmp_path, bug):
    chance = random.Random(SEED)
    with power_cut_disk(tmp_path, "ext4") as disk, reserved_ports(4) as ports, Zygote() as zygote:
        rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, data={MBMID: disk.folder / "node"})
        async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
            broken, _ = await cut_sqlite(disk, rig, oracle, zygote, cuts=scaled(ci=10, night=40), chance=chance, bug=bug)
        rig.end()
    assert f"PLANTED {bug}" in rig.nodes[MBMID].log.read_text()
    control("R1", BUGS[bug], seen=bool(broken))
    assert broken


async def cut_postgresql(disk, server, rig, oracle, zygote, *, cuts, chance, bug=None):
    node, broken = rig.nodes[MBMID], []
    node.start(zygote, bug=bug)
    await node.until_ready()
    for number in range(cuts):
        _, load = await load_until(oracle, chance)
        server.signal(signal.SIGSTOP)
        whole_machine = number % 2 == 0
        if whole_machine:
            node.kill()  # else the node lives on, and must find its way back to its database
        disk.cut()
        server.kill()
        await ended(load)
        disk.again()
        server.start()
        if whole_machine:
            node.start(zygote, bug=bug)
        await node.until_ready()
        if broken := await oracle.broken(node):
            break
    node.kill()
    return broken


async def _on_postgresql(tmp_path, *, cuts, bug=None):
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    with (
        open_folder() as base,
        power_cut_disk(base, "ext4") as disk,
        reserved_ports(4) as ports,
        Zygote() as zygote,
    ):
        disk.folder.chmod(0o755)
        with PostgreSQL(disk.folder) as server:
            urls = server.new_database("main_db"), server.new_database("keys_db")
            rig = await found_rig(tmp_path, MBMID, DESK, ports=ports, databases={MBMID: urls})
            async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
                broken = await cut_postgresql(disk, server, rig, oracle, zygote, cuts=cuts, chance=chance, bug=bug)
            rig.end()
    return broken, oracle, rig.nodes[MBMID]


async def test_a_power_cut_loses_nothing_acknowledged_on_postgresql(tmp_path):
    cuts = scaled(ci=5, night=200)
    broken, oracle, node = await _on_postgresql(tmp_path, cuts=cuts)
    figures = {"cuts": cuts, "recovery p50 s": round(median(node.spans), 2), "recovery max s": round(max(node.spans), 2)}
    for promise in ("R1", "R5"):
        what = "power cut under PostgreSQL on ext4"
        note(
            promise,
            what,
            unit="acknowledged messages",
            trials=oracle.acknowledged,
            failures=len(broken),
            seed=SEED,
            figures=figures,
        )
    assert broken == []
    assert len(oracle.book) >= cuts
    assert oracle.unanswered, "no cut hit a message in flight"


async def test_power_cuts_see_a_postgresql_that_does_not_wait(tmp_path):
    broken, _, node = await _on_postgresql(tmp_path, cuts=scaled(ci=6, night=20), bug="postgresql_does_not_wait")
    assert "PLANTED postgresql_does_not_wait" in node.log.read_text()
    control("R1", BUGS["postgresql_does_not_wait"], seen=bool(broken))
    assert broken


async def test_the_start_refuses_databases_that_could_lose_what_was_acknowledged(tmp_path):
    """Without the planted blindness of the controls above there is no start on such settings."""
    with open_folder() as base, PostgreSQL(base) as server, reserved_ports(2) as ports, Zygote() as zygote:
        urls = server.new_database("main_db"), server.new_database("keys_db")
        rig = await found_rig(tmp_path, MBMID, ports=ports, databases={MBMID: urls})
        (server.folder / "data" / "postgresql.auto.conf").write_text("fsync = off\n")
        server.kill()
        server.start()
        rig.nodes[MBMID].start(zygote)
        assert rig.nodes[MBMID].exit_code(60) == 3
        assert "PostgreSQL fsync es off" in rig.nodes[MBMID].log.read_text()
