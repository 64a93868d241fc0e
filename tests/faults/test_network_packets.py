"""R8: packets that really get lost, one way or both, between two nodes in network namespaces of their own."""

import asyncio
import random
import time

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults import rig as rigs
from tests.faults.net_rig import READY_SECONDS, effects, faults, put_reports, start_changed, waiting
from tests.faults.net_spaces import FIRST, NETWORK, SECOND, NotAllowedError, spaces
from tests.faults.rig import DESK, MBMID, found_rig
from tests.reliability.ledger import night, note, scaled

SEED = 30
HEALED_SECONDS = 60.0
ADDRESSES = {DESK: FIRST, MBMID: SECOND}
LOSSY = ("in numgen random mod 100 < 30 counter drop", "out numgen random mod 100 < 30 counter drop")
SCHEDULES = {
    "30 % loss both ways": LOSSY,
    "full partition": ("in counter drop", "out counter drop"),
    "one way, requests lost": (f"in ip saddr {FIRST} counter drop",),
    "one way, answers lost": (f"out ip daddr {FIRST} counter drop",),
    "reset after 20 kB": ("in tcp dport {port} quota over 20 kbytes counter reject with tcp reset",),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


async def found(home, ports, monkeypatch):
    """Found two nodes whose addresses are those of the namespaces."""
    real = rigs._make

    async def make(home, name, *others):
        monkeypatch.setattr(rigs, "HOST", ADDRESSES[name])
        return await real(home, name, *others)

    monkeypatch.setattr(rigs, "_make", make)
    made = await found_rig(home, MBMID, DESK, ports=ports)
    for node in made.nodes.values():
        node.config_file.write_text(node.config_file.read_text().replace("127.0.0.0/8", NETWORK))
    return made


async def listening(node) -> None:
    """Wait until a node says that both its ports are open: nobody outside its namespace can ask it."""
    until = time.monotonic() + READY_SECONDS
    while node.log_tail(100_000).count("listening") < 2:
        assert time.monotonic() < until, node.log_tail()
        assert node.exit_code() is None, node.log_tail()
        await asyncio.sleep(0.1)


async def drained(node, ids, within) -> float | None:
    began = time.monotonic()
    while time.monotonic() - began < within:
        if not waiting(node, ids):
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    return None


async def test_lost_packets_lose_no_message(tmp_path, monkeypatch):
    chance, drains, met, sent = random.Random(SEED), [], {}, []
    print("seed", SEED)
    try:
        with spaces() as two, reserved_ports(4) as ports:
            made = await found(tmp_path, ports, monkeypatch)
            desk, mbmid = made.nodes[DESK], made.nodes[MBMID]
            port = mbmid.config.federation.port
            try:
                for node, space in ((desk, two.first), (mbmid, two.second)):
                    start_changed(node, {}, before=two.before(space))
                    await listening(node)
                for name, rules in SCHEDULES.items():
                    two.rule(*(rule.replace("{port}", str(port)) for rule in rules))
                    ids = await put_reports(made, scaled(ci=20, night=100))
                    sent += ids
                    await asyncio.sleep(chance.uniform(60, 130) if night() else chance.uniform(4, 7))
                    met[name] = two.met()
                    two.rule()
                    drains.append(await drained(desk, ids, HEALED_SECONDS))
                    print(name, drains[-1], "packets met", met[name])
                two.slow(256)
                slow = await put_reports(made, scaled(ci=20, night=50))
                sent += slow
                drains.append(await drained(desk, slow, 2 * HEALED_SECONDS))
                print("256 kbit/s", drains[-1])
                for _ in range(900):
                    if not (not_one := effects(made, sent)):
                        break
                    await asyncio.sleep(0.2)
                broken = faults(made, sent)
            finally:
                made.end()
    except NotAllowedError as error:
        pytest.skip(f"{error}: LOST PACKETS BETWEEN REAL NODES WERE NOT PROVEN. apt-get install iproute2 nftables, and root")
    late = sum(drain is None for drain in drains)
    known = sorted(drain for drain in drains if drain is not None)
    figures = {
        "drained_p50_s": round(known[len(known) // 2], 1),
        "drained_max_s": round(known[-1], 1),
        "packets_met": sum(met.values()),
    }
    what = "lost packets in network namespaces: 30 %, partitions, resets, 256 kbit/s"
    note("R8", what, unit="messages", trials=len(sent), failures=len(set(broken)) + not_one + late, seed=SEED, figures=figures)
    assert all(met.values()), f"a fault that met no packet proved nothing: {met}"
    assert not broken
    assert not not_one
    assert not late
