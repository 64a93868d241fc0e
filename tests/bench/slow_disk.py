"""Exchanges on a disk whose syncs take 2 ms longer, beside the same on this machine's own disk.

The delay is put where a slow disk has it: a library of a few lines, compiled here, that stands before the C library's `fsync`
and `fdatasync` in both nodes (`LD_PRELOAD`). So it holds for every sync whoever asks for it, SQLite's and the key store's, and
the product is untouched. Sleeping in the launcher would only slow down the commits that the bench knows of.
"""

import shutil
import statistics
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

from tests.bench.pair import running_pair

DELAY_MS = 2
VARIANTS = {"64 in flight": {"size": "4", "in_flight": 64}, "1 in flight": {"size": "4", "in_flight": 1}}


def compiled(folder):
    """Return the library, compiled into `folder`; None without a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library = folder / "slow_disk.so"
    source = Path(__file__).with_suffix(".c")
    options = ["-shared", "-fPIC", "-O2", f"-DDELAY_NS={DELAY_MS * 1_000_000}L", "-o", library, source, "-ldl"]
    subprocess.run([compiler, *options], check=True)
    return library


def _loaded(process, library):
    return str(library) in Path(f"/proc/{process.pid}/maps").read_text()


async def measure(home, options, say):
    """Return rates on both disks and the medians of their ratios; None without a compiler."""
    library = compiled(home)
    if library is None:
        say("NO C COMPILER FOUND: the slow disk is not measured. apt-get install gcc")
        return None
    rows = {name: {"fast": [], "slow": []} for name in VARIANTS}
    async with AsyncExitStack() as stack:
        pairs = {}
        for name, environment in (("fast", {}), ("slow", {"LD_PRELOAD": str(library)})):
            (home / name).mkdir()
            pairs[name] = await stack.enter_async_context(running_pair(home / name, environment=environment))
            await pairs[name].exchange(count=max(4, options.messages // 4), in_flight=16, size="4")
        if not all(_loaded(process, library) for process in (pairs["slow"].sender, pairs["slow"].receiver)):
            raise RuntimeError("the slow disk is not in force")
        for repetition in range(options.repetitions):
            say(f"slow disk, repetition {repetition + 1} of {options.repetitions}")
            for name, asked in VARIANTS.items():
                count = max(2, options.messages // (10 if asked["in_flight"] == 1 else 1))
                for disk, pair in pairs.items():
                    rows[name][disk].append(await pair.exchange(count=count, **asked))
    return {"delay_ms": DELAY_MS, "variants": {name: _summary(found) for name, found in rows.items()}}


def _summary(found):
    pairs = list(zip(found["slow"], found["fast"], strict=True))
    return {
        "fast_per_second": statistics.median(row["per_second"] for row in found["fast"]),
        "slow_per_second": statistics.median(row["per_second"] for row in found["slow"]),
        "rate": statistics.median(slow["per_second"] / fast["per_second"] for slow, fast in pairs),
        "cpu": statistics.median(slow["cpu_ms"] / fast["cpu_ms"] for slow, fast in pairs),
    }
