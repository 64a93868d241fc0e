"""Writes `docs/RELIABILITY.md` from a run's ledger, or checks that a run kept every promise and could have seen it broken.

python -m tests.reliability.report --check            # exit 1 and say what is missing
python -m tests.reliability.report docs/RELIABILITY.md
"""

import json
import math
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.reliability import ledger
from tests.reliability.promises import PROMISES, Promise


@dataclass
class Line:
    """What was tried for one promise in one way, all runs of it added up."""

    unit: str
    trials: int = 0
    failures: int = 0
    seeds: list[str] = field(default_factory=list)
    figures: dict[str, list[ledger.Figure]] = field(default_factory=dict)


@dataclass
class Kept:
    """All that a ledger holds of one promise."""

    lines: dict[str, Line] = field(default_factory=dict)
    controls: dict[str, bool] = field(default_factory=dict)


def read(lines: Sequence[str]) -> dict[str, Kept]:
    """Return what a ledger says, by promise."""
    found = {promise: Kept() for promise in PROMISES}
    for item in map(json.loads, lines):
        kept = found[item["promise"]]
        if "control" in item:
            kept.controls[item["control"]] = kept.controls.get(item["control"], True) and item["seen"]
            continue
        line = kept.lines.setdefault(item["what"], Line(item["unit"]))
        line.trials += item["trials"]
        line.failures += item["failures"]
        if item["seed"] is not None:
            line.seeds.append(str(item["seed"]))
        for name, value in item["figures"].items():
            line.figures.setdefault(name, []).append(value)
    return found


def bound(failures: int, trials: int) -> float:
    """Return the upper end of the one-sided 95 % interval of Clopper and Pearson; 1 when nothing was tried."""
    if trials <= 0 or failures >= trials:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(failures, trials, middle) > 0.05 else (low, middle)
    return high


def _at_most(failures: int, trials: int, chance: float) -> float:
    if chance in (0.0, 1.0):
        return 1.0 - chance
    logs = (
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(chance)
        + (trials - k) * math.log1p(-chance)
        for k in range(failures + 1)
    )
    return sum(map(math.exp, logs))


def missing(found: dict[str, Kept]) -> Iterator[str]:
    """Yield, in words, every promise that is not tested, not kept, or tested by something blind."""
    for name, promise in PROMISES.items():
        kept = found[name]
        if promise.later is None and not any(line.trials for line in kept.lines.values()):
            yield f"{name} ({promise.title}): nothing was tried"
        if promise.later is None and not kept.controls:
            yield f"{name} ({promise.title}): no planted bug shows that its test can fail"
        yield from (
            f"{name}: {what}: {line.failures} of {line.trials} broke it" for what, line in kept.lines.items() if line.failures
        )
        yield from (f"{name}: planted and not seen: {bug}" for bug, seen in kept.controls.items() if not seen)


def write(found: dict[str, Kept], *, machine: str, commit: str, size: str) -> str:
    """Return the report."""
    parts = [
        "# What Paradero promises, and what was tried to break it\n",
        f"Written by `make {size}` on {machine}, at commit {commit}. Not edited by hand.\n",
        (
            "*n* counts trials, *failures* the broken ones. *At most* is the upper end of the 95 % interval: no failure in n trials does "
            "not say zero, it says under 3 in n. *Planted bugs* are put into the code by the suite itself; one that is not seen fails the run.\n"
        ),
    ]
    parts += [_section(name, found[name]) for name in PROMISES if PROMISES[name].later is None]
    parts.append("## Not yet\n\nThese promises wait for their feature; no test claims them.\n")
    parts.append(
        "".join(f"* **{name}** {item.title}: {item.statement} *Waits for: {item.later}.*\n" for name, item in _later())
    )
    return "\n".join(parts)


def _later() -> Iterator[tuple[str, Promise]]:
    return ((name, item) for name, item in PROMISES.items() if item.later is not None)


def _section(name: str, kept: Kept) -> str:
    promise = PROMISES[name]
    rows = "".join(
        f"| {what} | {line.trials:,} {line.unit} | {line.failures} | {_percent(bound(line.failures, line.trials))} | "
        f"{_seeds(line.seeds)} | {_figures(line.figures)} |\n"
        for what, line in sorted(kept.lines.items())
    )
    bugs = "".join(f"* {'seen' if seen else '**NOT SEEN**'}: {bug}\n" for bug, seen in sorted(kept.controls.items()))
    head = "| what was done | n | failures | at most | seed | figures |\n|---|---|---|---|---|---|\n"
    return f"## {name}: {promise.title}\n\n{promise.statement}\n\n{head}{rows}\nPlanted bugs:\n\n{bugs}"


def _percent(chance: float) -> str:
    return f"{chance * 100:.2g} %"


def _seeds(seeds: Sequence[str]) -> str:
    distinct = sorted(set(seeds), key=lambda seed: (len(seed), seed))
    return ", ".join(distinct) if len(distinct) <= 3 else f"{distinct[0]} … {distinct[-1]} ({len(distinct)})"


def _figures(figures: dict[str, list[ledger.Figure]]) -> str:
    return "; ".join(f"{name} {_one(values)}" for name, values in figures.items())


def _one(values: Sequence[ledger.Figure]) -> str:
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values):
        return ", ".join(dict.fromkeys(map(str, values)))
    if len(numbers) == 1:
        return f"{numbers[0]:,.4g}"
    return f"{min(numbers):,.4g} to {max(numbers):,.4g}"


def machine() -> str:
    """Say what this ran on."""
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    cores = sum(1 for line in _cpuinfo() if line.startswith("processor"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cpu}, {cores} cores, Linux {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str]) -> int:
    """Write or check."""
    file = ledger.path()
    found = read(file.read_text(encoding="utf-8").splitlines() if file.exists() else [])
    problems = list(missing(found))
    for problem in problems:
        print(problem, file=sys.stderr)
    targets = [item for item in arguments if not item.startswith("--")]
    for target in targets:
        Path(target).write_text(
            write(found, machine=machine(), commit=_commit(), size="night" if ledger.night() else "reliability"),
            encoding="utf-8",
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
