"""What a node costs as messages pile up, and on a slow disk: `make bench-growth`.

Pairs of nodes whose databases were filled beforehand (`tests.bench.filling`) run side by side; inside each repetition every
pair carries the same messages in turn, and its cost is compared with that of the pair that has stored least. Then, with the
nodes stopped, the stores' own calls are timed on the same databases. `--quick` tries the command, and its numbers mean nothing.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from gateway.config import load_config
from tests.bench import postgresql, report, slow_disk, statements
from tests.bench.exchange import say
from tests.bench.pair import founded_pair, started
from tests.bench.proc import machine

BASE = "base"
FULL = {BASE: (1_000, 0), "more": (100_000, 0), "most": (1_000_000, 0), "queued": (1_000, 100_000)}
QUICK = {BASE: (50, 0), "more": (200, 0), "most": (400, 0), "queued": (50, 200)}
TARGETS = (
    ("CPU per exchange with 1,000,000 stored, against 1,000", ("variants", "most", "cpu"), "<=", 1.1),
    ("CPU per exchange with 100,000 queued to other lanes, against none", ("variants", "queued", "cpu"), "<=", 1.2),
    ("Start to ready with 1,000,000 stored, seconds", ("variants", "most", "ready_seconds"), "<=", 2),
    ("Rate with 64 in flight, syncs 2 ms slower", ("slow_disk", "variants", "64 in flight", "rate"), ">=", 0.9),
)


def label(stored, queued):
    """Return a variant in words."""
    return f"{stored:,} stored" + (f", {queued:,} queued to others" if queued else "")


def _settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try the command on a tiny size")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--repetitions", type=int, help="instead of the usual number")
    options = parser.parse_args()
    options.variants = QUICK if options.quick else FULL
    options.repetitions, options.messages, options.calls = (1, 10, 2) if options.quick else (options.repetitions or 7, 240, 15)
    return options


async def _fill(pair, stored, queued):
    """Fill both databases, each in a process of its own; return the seconds the slower one took."""
    running = []
    for role, process in (("sender", pair.sender), ("receiver", pair.receiver)):
        command = [sys.executable, "-m", "tests.bench.filling", process.node.config, role, stored, queued, *pair.others]
        running.append(await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE))
    seconds = []
    for process in running:
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError("the databases could not be filled")
        seconds.append(json.loads(output)["seconds"])
    return max(seconds)


async def _prepared(stack, home, options, databases):
    """Found, fill and start every variant's pair."""
    pairs, told = {}, {}
    for name, (stored, queued) in options.variants.items():
        say(f"filling: {label(stored, queued)}")
        (home / name).mkdir()
        pair = pairs[name] = await stack.enter_async_context(founded_pair(home / name, databases=databases))
        async with started(pair):
            await pair.exchange(count=4, in_flight=2, size="4")  # what the filling multiplies
        seconds = await _fill(pair, stored, queued)
        files = [path for process in (pair.sender, pair.receiver) for path in process.node.folder.glob("*.db*")]
        told[name] = {
            "label": label(stored, queued), "stored": stored, "queued": queued, "fill_seconds": seconds,
            "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        }  # fmt: skip
    return pairs, told


async def _exchanges(pairs, options):
    rows = {name: [] for name in pairs}
    async with AsyncExitStack() as stack:
        ready = {}
        for name, pair in pairs.items():
            await stack.enter_async_context(started(pair))
            ends = (pair.sender, pair.receiver)
            ready[name] = {
                "ready_seconds": max(process.ready_seconds for process in ends),
                "ready_cpu_seconds": max(process.cpu() for process in ends),
            }
            await pair.exchange(count=max(4, options.messages // 2), in_flight=16, size="4")  # warms up
        for repetition in range(options.repetitions):
            for name, pair in pairs.items():
                say(f"repetition {repetition + 1} of {options.repetitions}: {name}")
                rows[name].append(await pair.exchange(count=options.messages, in_flight=64, size="4"))
    return rows, ready


async def _calls(pairs, options):
    """Return CPU-µs of the stores' calls by variant."""
    found = {}
    for name, pair in pairs.items():
        say(f"the stores' calls: {name}")
        ends = [load_config(process.node.config).main_database for process in (pair.sender, pair.receiver)]
        found[name] = await statements.of_sender(ends[0], options.calls) | await statements.of_receiver(ends[1], options.calls)
    return found


def against_base(rows, told, ready):
    """Return every variant's medians and the median of its repetitions' ratios to the base."""
    found = {}
    for name, kept in rows.items():
        medians = {key: statistics.median(row[key] for row in kept) for key in kept[0]}
        ratios = [row["cpu_ms"] / base["cpu_ms"] for row, base in zip(kept, rows[BASE], strict=True)]
        found[name] = told[name] | {"exchange": medians, "cpu": statistics.median(ratios)} | ready[name]
    return found


async def measure(options, databases=None):
    """Return everything a run finds."""
    load, date = os.getloadavg()[0], datetime.now(UTC)
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paradero-bench-growth-")))
        pairs, told = await _prepared(stack, home, options, databases)
        rows, ready = await _exchanges(pairs, options)
        calls = await _calls(pairs, options)
    slow = None
    if options.engine == "sqlite":
        with tempfile.TemporaryDirectory(prefix="paradero-bench-disk-") as folder:
            slow = await slow_disk.measure(Path(folder), options, say)
    found = {
        "date": date.isoformat(timespec="seconds"),
        "quick": options.quick,
        "engine": options.engine,
        "machine": machine(load),
        "repetitions": options.repetitions,
        "messages": options.messages,
        "variants": against_base(rows, told, ready),
        "calls": calls,
        "slow_disk": slow,
    }
    return found | {"targets": report.judged(found, TARGETS)}


def table(found):
    """Return the run as Markdown."""
    variants = found["variants"]
    lines = [
        *report.heading(found, "Growth and a slow disk, measured", "make bench-growth"),
        f"Exchanges of 4 kB, 64 in flight, {found['engine']}, both ends:",
        "",
        "| what the nodes keep | MB, both | filled in s | start to ready, s | CPU of it, s | exchanges/s | CPU-ms | against the first |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in variants.values():
        numbers = (
            f"{row['megabytes']:.0f} | {row['fill_seconds']:.0f} | {row['ready_seconds']:.2f} | {row['ready_cpu_seconds']:.2f}"
        )
        cost = f"{row['exchange']['per_second']:.0f} | {row['exchange']['cpu_ms']:.2f} | {row['cpu']:.2f}"
        lines.append(f"| {row['label']} | {numbers} | {cost} |")
    lines += ["", f"CPU-µs of the stores' own calls, for {statements.TOGETHER} messages where it is about messages:", ""]
    lines += [f"| call | {' | '.join(row['label'] for row in variants.values())} |", f"|---{'|---' * len(variants)}|"]
    for call in found["calls"][BASE]:
        times = [f"{found['calls'][name][call]:.0f}" for name in variants]
        lines.append(f"| {call} | {' | '.join(times)} |")
    return "\n".join([*lines, *_slow_rows(found["slow_disk"]), *report.target_rows(found), ""])


def _slow_rows(slow):
    if slow is None:
        return ["", "**The slow disk was NOT MEASURED: no C compiler, or not on this engine.**"]
    lines = [
        *("", f"Every sync of both nodes {slow['delay_ms']} ms slower, against this machine's disk:", ""),
        "| exchanges of 4 kB | this disk, per second | slow disk | ratio | CPU, ratio |",
        "|---|---|---|---|---|",
    ]
    for name, row in slow["variants"].items():
        rates = f"{row['fast_per_second']:.0f} | {row['slow_per_second']:.0f} | {row['rate']:.2f} | {row['cpu']:.2f}"
        lines.append(f"| {name} | {rates} |")
    return lines


def main():
    options = _settings()
    if options.engine == "sqlite":
        found = asyncio.run(measure(options))
    else:
        with postgresql.server() as server:
            if server is None:
                sys.exit("NO POSTGRESQL FOUND: nothing measured. apt-get install postgresql")
            found = asyncio.run(measure(options, lambda: postgresql.two_databases(server)))
    name = "growth" if options.engine == "sqlite" else "growth-postgresql"
    report.write(found, options.output, name=name, text=table, drawing=None)
    sys.stdout.write(table(found))


if __name__ == "__main__":
    main()
