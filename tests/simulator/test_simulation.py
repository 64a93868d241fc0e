"""Histories full of crashes, lost answers and refused commits, each a function of its seed; and bugs that must be seen.

SEEDS and FIRST_SEED say which histories are played: make simulate SEEDS=10000 for a night.
"""

import os
import shutil
import statistics
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.reliability.ledger import control, note, scaled
from tests.simulator import invariants
from tests.simulator.planted import PLANTED
from tests.simulator.weather import KINDS, Weather
from tests.simulator.world import NotDrainedError, make_template, play

QUICK = 3
SEEDS = int(os.environ.get("SEEDS", scaled(ci=200, night=10_000)))
FIRST = int(os.environ.get("FIRST_SEED", "1"))
TRIES = 20
ENOUGH = 20
"""Histories after which every kind of fault must have been met."""


def seeds():
    """All of them when they were asked for; else a handful, and the rest where there is time."""
    asked = "SEEDS" in os.environ
    for number, seed in enumerate(range(FIRST, FIRST + SEEDS)):
        yield pytest.param(seed, marks=() if asked or number < QUICK else pytest.mark.slow)


@pytest.fixture(scope="module")
def home():
    """A folder in memory where there is one: a simulated crash loses nothing that was written, a sync would prove nothing."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="paradero-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def template(home):
    return make_template(home / "template")


def history(seed, template, home, weather=Weather(), *, liveness=True):  # noqa: B008 - frozen
    folder = home / str(seed)
    try:
        return play(seed, weather, template, folder, invariants, liveness=liveness)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Tally:
    """What a run of histories did and broke, for the ledger."""

    def __init__(self):
        self.counts, self.broken = Counter(), Counter()
        self.histories = self.promised = self.answered = self.stuck = self.peak = 0
        self.drained, self.played = [], []

    def add(self, world):
        self.counts.update(world.counts)
        self.broken.update(words.split()[0] for words in world.violations)
        self.histories += 1
        self.promised += len(world.promised)
        self.answered += len(world.answers)
        self.peak = max(self.peak, world.peak())
        self.played.append(world.seed)
        if world.drained_after is not None:
            self.drained.append(world.drained_after)

    def tell(self):
        """Write one line for each promise."""
        count, said = self.counts, f"{min(self.played)}-{max(self.played)}"
        crashes = count["crash-before"] + count["crash-after"]
        lines = {
            "R1": ("processes that die at database calls", "acknowledged", self.promised + self.answered, {"crashes": crashes}),
            "R2": (
                "lost, doubled, late, shuffled and repeated requests; commits of unknown outcome",
                "messages",
                self.answered,
                {"asked again and answered": count["answered-again"], "commits unknown": count["unknown-commit"]},
            ),
            "R5": ("leaves against effects, at the storm's height and at rest", "histories", self.histories, {}),
            "R8": (
                "partitions (one direction, flapping), then calm: drained",
                "histories",
                len(self.drained) + self.stuck,
                {
                    "cuts": count["cut"],
                    "seconds to drain, median": statistics.median(self.drained or [0]),
                    "longest": max(self.drained, default=0),
                    "most requests to one peer in 10 s": self.peak,
                },
            ),
            "R14": (
                "workers stopped with messages in hand, then resumed",
                "stops",
                count["freeze"],
                {"stale results refused": count["stale-refused"]},
            ),
            "R22": ("clients that leave at a random moment", "departures", count["hang-up"] + count["leave-desk"], {}),
        }
        for promise, (what, unit, trials, figures) in lines.items():
            failures = self.broken[promise] + (self.stuck if promise == "R8" else 0)
            note(promise, f"simulation: {what}", unit=unit, trials=trials, failures=failures, seed=said, figures=figures)


@pytest.fixture(scope="module")
def tally():
    found = Tally()
    yield found
    if found.histories:
        found.tell()
        missed = [kind for kind in KINDS if not found.counts[kind]]
        assert not missed or found.histories < ENOUGH, f"{found.histories} histories, and never: {missed}"


@pytest.mark.parametrize("seed", list(seeds()))
def test_whatever_happens_every_promise_holds(seed, template, home, tally):
    """Every fourth history ends in the middle of the storm; the others must come to rest when it is over."""
    try:
        world = history(seed, template, home, liveness=seed % 4 != 0)
    except NotDrainedError:
        tally.stuck += 1
        raise
    tally.add(world)
    assert world.violations == [], f"seed {seed}"
    faults = world.counts
    assert faults["crash-before"] + faults["crash-after"] > 0, "a history without a crash teaches nothing"


def test_a_seed_replays_to_the_last_bit(template, home):
    one, other, another = (history(seed, template, home).fingerprint() for seed in (FIRST, FIRST, FIRST + 1))
    assert one == other
    assert one != another


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_seen(bug, template, home, monkeypatch):
    promise, weather = PLANTED[bug]
    bug(monkeypatch)
    for seed in range(1, TRIES + 1):
        try:
            broken = history(seed, template, home, weather).violations
        except NotDrainedError as error:
            broken = [f"R8 {error}"]
        if any(words.startswith(f"{promise} ") for words in broken):
            control(promise, bug, seen=True)
            print(f"seed {seed}: {broken[0]}")
            return
    control(promise, bug, seen=False)
    pytest.fail(f"{bug.__doc__} Not seen in {TRIES} seeds.")
