"""Paradero's own pair beside ACA-Py, AS2 and AS4, on one machine, in one run: `make bench-peers`.

Each peer has a virtual environment of its own under `.bench-peers/`, made by this command from the pins beside it; the product
depends on none of them. Inside each repetition every size and number in flight is measured with every exchange in turn, with
payloads of the same length. A peer that cannot be had here is said, in the result and on the terminal. `--quick` tries the
command, and its numbers mean nothing.
"""

import argparse
import asyncio
import base64
import hashlib
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from gateway.federation.limits import AddressBudget
from tests.bench import report
from tests.bench.exchange import say
from tests.bench.pair import running_pair
from tests.bench.peers import acapy, as2, as4, judging
from tests.bench.peers.environments import PeerMissingError, prepare
from tests.bench.proc import machine

PEERS = (acapy, as2, as4)
SIZES, IN_FLIGHT = ("1.5", "4", "20"), (1, 16, 64)
ALONE_SHARE, LARGE_SHARE = 0.25, 0.25
"""Of a repetition's messages: how many are sent one by one, and how many when they are large."""
OURS = {
    "missing": None,
    "about": "Paradero, two nodes as shipped, SQLite, TLS",
    "durable": True,
    "receipt": True,
    "how": "counted when the verified receipt is committed; `make reliability` kills nodes and cuts the power under it",
}


def variant(size, in_flight):
    """Return a variant's name."""
    return f"{size} kB, {in_flight} in flight"


def text(length):
    """Return text of one length that no compression shortens much, the same in every run."""
    blocks = (hashlib.sha256(f"bench {number}".encode()).digest() for number in range(length // 42 + 1))
    return base64.b64encode(b"".join(blocks)).decode().replace("=", "A")[:length]


def _settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try the command on a tiny size")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--repetitions", type=int, help="instead of the usual number")
    options = parser.parse_args()
    options.repetitions, options.messages = (1, 8) if options.quick else (options.repetitions or 5, 240)
    return options


async def _opened(stack, home, missing):
    """Start every peer that can be had; return them by name, and put in `missing` why another cannot."""
    pairs, told = {}, {}
    for peer in PEERS:
        say(f"{peer.NAME}: its environment")
        (home / peer.NAME).mkdir()
        try:
            environment = await asyncio.to_thread(prepare, peer.NAME)
            pairs[peer.NAME] = await stack.enter_async_context(peer.opened(environment, home / peer.NAME))
            told[peer.NAME] = peer.about(environment)
        except (PeerMissingError, RuntimeError, TimeoutError, OSError) as error:
            missing[peer.NAME] = f"{type(error).__name__}: {error}"
            say(f"PEER NOT MEASURED: {peer.NAME}: {missing[peer.NAME]}")
    return pairs, told


def _count(messages, in_flight, size):
    return max(2, int(messages * (ALONE_SHARE if in_flight == 1 else 1) * (LARGE_SHARE if size == "20" else 1)))


def rest(carried, seconds):
    """Return how long to wait until a node's door takes as much from us again as before a repetition.

    The door has a budget of bytes for each address, and a bench sends in a minute what a peer sends in a day: without a rest the
    budget would be measured, not the exchange.

    Raises:
        RuntimeError: one repetition alone is more than the budget.
    """
    budget = AddressBudget()
    if carried > budget.burst:
        raise RuntimeError("a repetition carries more than the door takes from one address; lower the number of messages")
    return max(0.0, carried / budget.bytes_per_second - seconds)


async def _repetition(options, ours, pairs, rows, payloads):
    """Carry everything once; return how many bytes ours carried."""
    carried = 0
    for size in SIZES:
        for in_flight in IN_FLIGHT:
            name = variant(size, in_flight)
            say(f"paradero, {name}")
            count = _count(options.messages, in_flight, size)
            row = await ours.exchange(count=count, in_flight=in_flight, size=size)
            carried += row["bytes"] * count
            rows["paradero"].setdefault(name, []).append(row)
            length = payloads.setdefault(size, round(row["payload"]))
            for peer in PEERS:
                if peer.NAME in pairs and in_flight in peer.IN_FLIGHT and size in peer.SIZES:
                    say(f"{peer.NAME}, {name}")
                    messages = _count(min(options.messages, peer.MESSAGES), in_flight, size)
                    asked = {"count": messages, "in_flight": in_flight, "payload": text(length)}
                    row = await pairs[peer.NAME].exchange(**asked) | {"payload": length}
                    rows[peer.NAME].setdefault(name, []).append(row)
    return carried


async def measure(options):
    """Return everything a run finds."""
    load, date = os.getloadavg()[0], datetime.now(UTC)
    missing = {}
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paradero-bench-peers-")))
        pairs, told = await _opened(stack, home, missing)
        say("two nodes of Paradero")
        (home / "paradero").mkdir()
        ours = await stack.enter_async_context(running_pair(home / "paradero"))
        await ours.exchange(count=max(4, options.messages // 2), in_flight=16, size="4")
        for pair in pairs.values():
            await pair.exchange(count=4, in_flight=1, payload=text(1000))  # warms up
        rows, payloads = {name: {} for name in ("paradero", *pairs)}, {}
        for repetition in range(options.repetitions):
            say(f"repetition {repetition + 1} of {options.repetitions}")
            began = time.monotonic()
            carried = await _repetition(options, ours, pairs, rows, payloads)
            if repetition + 1 < options.repetitions:
                await asyncio.sleep(rest(carried, time.monotonic() - began))
        kept = {name: await pair.kept() for name, pair in pairs.items()}
        admin = await pairs["acapy"].admin_cpu_ms(100) if "acapy" in pairs else None
    peers = {"paradero": OURS}
    for peer in PEERS:
        name = peer.NAME
        peers[name] = {"missing": missing.get(name)} | ({"about": told[name]} | kept[name] if name in kept else {})
    found = {
        "date": date.isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": machine(load),
        "repetitions": options.repetitions,
        "messages": options.messages,
        "payloads": payloads,
        "peers": peers,
        "acapy_admin_cpu_ms": admin,
        "exchanges": {
            name: {
                at: {key: statistics.median(row[key] for row in kept_rows) for key in kept_rows[0]}
                for at, kept_rows in variants.items()
            }
            for name, variants in rows.items()
        },
        "ratios": judging.compared(rows),
    }
    return found | {"targets": judging.judged(found)}


def main():
    options = _settings()
    found = asyncio.run(measure(options))
    report.write(found, options.output, name="peers", text=judging.table, drawing=judging.plot)
    sys.stdout.write(judging.table(found))


if __name__ == "__main__":
    main()
