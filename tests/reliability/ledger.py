"""Where tests of a promise write what they did: how often they tried, how often it broke, and that they can see it break.

Example::

    note("R1", "killed at random", unit="acknowledged messages", trials=1200, failures=0, seed=7, figures={"kills": 40})
    control("R1", receipt_before_commit, seen=True)
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tests.reliability.promises import PROMISES

Figure = int | float | str


def path() -> Path:
    """Return the ledger of this run; `PARADERO_LEDGER` moves it."""
    return Path(os.environ.get("PARADERO_LEDGER", Path(__file__).parents[2] / ".reliability" / "ledger.jsonl"))


def night() -> bool:
    """Tell whether the long sizes are asked for (`make night`)."""
    return os.environ.get("PARADERO_SCALE") == "night"


def scaled(*, ci: int, night: int) -> int:
    """Return how often to try: a size for every change, another for a night."""
    return night if os.environ.get("PARADERO_SCALE") == "night" else ci


def note(
    promise: str,
    what: str,
    *,
    unit: str,
    trials: int,
    failures: int,
    seed: int | str | None = None,
    figures: Mapping[str, Figure] | None = None,
) -> None:
    """Write one line; lines of the same `what` are added up. Call it before the assertion, so that a failure is told too."""
    _write(
        {
            "promise": promise,
            "what": what,
            "unit": unit,
            "trials": trials,
            "failures": failures,
            "seed": seed,
            "figures": dict(figures or {}),
        }
    )


def control(promise: str, bug: object, *, seen: bool) -> None:
    """Write that a planted bug was, or was not, seen. `bug` is its function or its name in words."""
    words = bug if isinstance(bug, str) else (getattr(bug, "__doc__", None) or getattr(bug, "__name__", repr(bug)))
    _write({"promise": promise, "control": words.strip().splitlines()[0], "seen": seen})


def _write(line: dict[str, object]) -> None:
    if line["promise"] not in PROMISES:
        raise KeyError(line["promise"])
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:  # one write of one line: safe between processes
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
