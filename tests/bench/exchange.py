"""Speed of whole exchanges between two real nodes, beside what bounds it: `make bench`.

Two processes over TLS on loopback, as shipped; CPU from /proc until everything is filed and logged. Variants are interleaved
inside each repetition; the median counts. `--quick` tries the command, and its numbers mean nothing.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from tests.bench import bounds, postgresql, report
from tests.bench.pair import running_pair
from tests.bench.proc import machine

VARIANTS = {
    "4 kB, 1 in flight": {"size": "4", "in_flight": 1, "share": 0.2},
    "4 kB, 16 in flight": {"size": "4", "in_flight": 16},
    "4 kB, 64 in flight": {"size": "4", "in_flight": 64},
    "1.5 kB, 64 in flight": {"size": "1.5", "in_flight": 64},
    "20 kB, 64 in flight": {"size": "20", "in_flight": 64},
    "4 kB, 50 a POST": {"size": "4", "in_flight": 50, "together": 50},
}
TARGETED = "4 kB, 64 in flight"


def say(text):
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _median(rows):
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def _settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="try the command on a tiny size")
    parser.add_argument("--output", type=Path, default=Path("docs/benchmarks"))
    parser.add_argument("--only", metavar="VARIANT", help="measure this variant alone, without bounds; prints, writes nothing")
    parser.add_argument("--engine", choices=("sqlite", "sqlite-threads", "postgresql"), default="sqlite", help="with --only")
    parser.add_argument("--repetitions", type=int, help="with --only or without, instead of 5")
    parser.add_argument("--messages", type=int, help="a repetition, instead of 200")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="with --only: write cProfile's view of both ends here")
    options = parser.parse_args()
    repetitions, messages, options.idle = (1, 10, 1.0) if options.quick else (5, 200, 20.0)
    options.repetitions, options.messages = options.repetitions or repetitions, options.messages or messages
    return options


def _databases(engine, home, server):
    """Return what makes the two URLs of a node, or None for the configuration's own; `sqlite-threads` is aiosqlite's driver."""
    if engine == "postgresql":
        return lambda: postgresql.two_databases(server)
    if engine == "sqlite":
        return None
    numbers = count()
    return lambda: tuple(f"sqlite+aiosqlite:///{home}/{next(numbers)}.db?timeout=30" for _ in range(2))


async def measure_one(options, server):
    """Print one variant, each repetition and the median: a minute's look at what a change does."""
    [(name, variant)] = [(name, variant) for name, variant in VARIANTS.items() if options.only in name]
    asked = {key: value for key, value in variant.items() if key != "share"}
    with tempfile.TemporaryDirectory(prefix="paradero-bench-") as home:
        async with running_pair(Path(home), databases=_databases(options.engine, home, server)) as pair:
            await pair.exchange(count=options.messages // 2, in_flight=16, size="4")  # warms up
            if options.profile:
                await pair.profile(True)
            rows = []
            for _ in range(options.repetitions):
                slow = sum(bounds.primitives(50).values())
                rows.append(await pair.exchange(count=options.messages, **asked))
                # The machine's pace just then: one signature, one proof, one sealing, one opening.
                rows[-1] |= {"primitives_ms": (slow + sum(bounds.primitives(50).values())) / 2}
                rows[-1] |= {"cpu_in_primitives": rows[-1]["cpu_ms"] / rows[-1]["primitives_ms"]}
                say("  ".join(f"{key} {value:.2f}" for key, value in rows[-1].items()))
            if options.profile:
                options.profile.mkdir(parents=True, exist_ok=True)
                await pair.profile(False, options.profile)
    sys.stdout.write(f"{options.engine}, {name}: " + "  ".join(f"{key} {value:.2f}" for key, value in _median(rows).items()))
    sys.stdout.write("\n")


async def _idle(pair, seconds):
    before = pair.receiver.cpu()
    await asyncio.sleep(seconds)
    return {
        "cpu_percent": (pair.receiver.cpu() - before) / seconds * 100,
        "resident_mb": pair.receiver.resident_mb(),
        "ready_seconds": pair.sender.ready_seconds,
        **bounds.libraries(),
    }


async def _bounds(folder, databases, messages):
    """Return what bounds an exchange, once."""
    found = {"bare POST, 4 kB, 64 in flight": await bounds.bare_post(folder, messages, 64)}
    for engine, url in databases.items():
        number = time.monotonic_ns()
        target = url() if callable(url) else f"sqlite+aiosqlite:///{folder}/bound-{number}.db"
        for name, row in (await bounds.commits(target, messages)).items():
            found[f"{engine}, row of 4 kB, {name}"] = row
        if engine == "sqlite":
            found["joserfc pair, sqlite, 64 in flight"] = await bounds.jose_pair(folder, target, messages, 64)
    return found


async def measure(options, server):
    """Return everything a run finds."""
    load, date = os.getloadavg()[0], datetime.now(UTC)
    engines = {"sqlite": None} | ({"postgresql": lambda: postgresql.two_databases(server)} if server else {})
    singles = {"sqlite": None} | ({"postgresql": lambda: postgresql.two_databases(server)[0]} if server else {})
    exchanges = {engine: {name: [] for name in VARIANTS} for engine in engines}
    bound_rows, ratios = [], {"against_jose_pair": [], "postgresql_against_sqlite": [], "share_of_the_slower_side": []}
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paradero-bench-")))
        pairs, idle = {}, None
        for engine, databases in engines.items():
            say(f"two nodes on {engine}")
            (home / engine).mkdir()
            pairs[engine] = await stack.enter_async_context(running_pair(home / engine, databases=databases))
            if idle is None:
                say("idle")
                await asyncio.sleep(options.idle / 4)
                idle = await _idle(pairs[engine], options.idle)
            await pairs[engine].exchange(count=options.messages // 2, in_flight=16, size="4")  # warms up
        for repetition in range(options.repetitions):
            now = {}
            for name, variant in VARIANTS.items():
                for engine, pair in pairs.items():
                    say(f"repetition {repetition + 1} of {options.repetitions}: {engine}, {name}")
                    number = max(2, int(options.messages * variant.get("share", 1)))
                    asked = {key: value for key, value in variant.items() if key != "share"}
                    now[engine, name] = await pair.exchange(count=number, **asked)
                    exchanges[engine][name].append(now[engine, name])
            say(f"repetition {repetition + 1} of {options.repetitions}: bounds")
            bound_rows.append(await _bounds(home, singles, options.messages))
            targeted = now["sqlite", TARGETED]
            cost = targeted["cpu_ms"]
            slower = max(targeted["cpu_ms_send"], targeted["cpu_ms_receive"])
            ratios["share_of_the_slower_side"].append(targeted["per_second"] * slower / 1000)
            ratios["against_jose_pair"].append(cost / bound_rows[-1]["joserfc pair, sqlite, 64 in flight"]["cpu_ms"])
            if server:
                ratios["postgresql_against_sqlite"].append(now["postgresql", TARGETED]["cpu_ms"] / cost)
    found = {
        "date": date.isoformat(timespec="seconds"),
        "quick": options.quick,
        "machine": machine(load),
        "repetitions": options.repetitions,
        "messages": options.messages,
        "exchanges": {engine: {name: _median(rows) for name, rows in kept.items()} for engine, kept in exchanges.items()},
        "bounds": {name: _median([row[name] for row in bound_rows]) for name in bound_rows[0]},
        "primitives": bounds.primitives(20 if options.quick else 300),
        "idle": idle,
        "ratios": {name: statistics.median(rows) if rows else None for name, rows in ratios.items()},
    }
    return found | {"targets": report.judged(found)}


def main():
    options = _settings()
    if options.only:
        with postgresql.server() if options.engine == "postgresql" else nullcontext() as server:
            asyncio.run(measure_one(options, server))
        return
    with postgresql.server() as server:
        if server is None:
            say("NO POSTGRESQL FOUND: measured on SQLite only. apt-get install postgresql")
        found = asyncio.run(measure(options, server))
    report.write(found, options.output)
    sys.stdout.write(report.table(found))


if __name__ == "__main__":
    main()
