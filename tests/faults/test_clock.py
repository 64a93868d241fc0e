"""R9: the clock of one real node jumps under it (libfaketime) and comes back."""

import asyncio
from pathlib import Path

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults.net_rig import Line, Pair, ask, effects, open_pair
from tests.faults.rig import DESK, MBMID
from tests.reliability.ledger import control, night, note

HEALED_SECONDS = 60.0
SETTLE_TRIES = 400  # on a machine without processors to spare the handler's four seconds run out, and it tries again later
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
WRONG_SECONDS = 9.0  # longer than a turn of the loop that ends expired messages, and than libfaketime's cache
ROUNDS = ((DESK, "+3652d"), (MBMID, "-90d"), (DESK, "-90d"), (MBMID, "+3652d"), (DESK, "+1h"), (MBMID, "-1h"))
MORE = (
    (MBMID, "+1h"),
    (DESK, "-1h"),
    (DESK, "2026-01-01 00:00:00"),
    (MBMID, "2026-01-01 00:00:00"),
    (DESK, "+4d"),
    (MBMID, "+9d"),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        LIBRARY is None, reason="NO LIBFAKETIME: jumps of a real node's clock were NOT proven. apt-get install faketime"
    ),
]


class Clocks:
    """The wall clock of each node, set by a file; the steady clock is left alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set(self, name: str, how: str) -> None:
        file = self.folder / f"{name}.clock"
        beside = file.with_suffix(".new")
        beside.write_text(how + "\n")
        beside.replace(file)

    def environment(self, name: str) -> dict[str, str]:
        self.set(name, "+0")
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.folder / f"{name}.clock"),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }


async def through_a_jump(pair: Pair, clocks: Clocks, who: str, jump: str, number: int) -> tuple[float | None, list[str]]:
    """Let reports wait, set one clock wrong, heal the line while it is, set it right; return the drain time and what broke."""
    pair.to_mbmid.become(Line(cut=True))
    ids = await pair.report(number)
    clocks.set(who, jump)
    await asyncio.sleep(WRONG_SECONDS / 2)
    pair.to_mbmid.become(Line())
    await asyncio.sleep(WRONG_SECONDS / 2)
    broken = pair.broken()
    clocks.set(who, "+0")
    return await pair.drained(ids, HEALED_SECONDS), broken + pair.broken()


def told(pair: Pair, who: str) -> list[str]:
    """Return what a node's people were told of its clock."""
    return [row[0] for row in ask(pair.rig.nodes[who], "SELECT subject FROM alarms WHERE code = 'clock-jumped'")]


async def test_a_clock_that_jumps_and_comes_back_loses_nothing(tmp_path):
    clocks, drains, broken, rounds = Clocks(tmp_path), [], [], ROUNDS + MORE if night() else ROUNDS
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports, environment=clocks.environment) as pair:
            for who, jump in rounds:
                before = len(told(pair, who))
                drain, wrong = await through_a_jump(pair, clocks, who, jump, 6)
                print(who, jump, drain, wrong, told(pair, who))
                drains.append(drain)
                broken += wrong
                assert len(told(pair, who)) > before, "the jump was not noticed, or did not happen"
            clocks.set(DESK, "+290s")
            clocks.set(MBMID, "-4s")
            skewed = await pair.report(6)
            drains.append(await pair.drained(skewed, HEALED_SECONDS))
            for _ in range(SETTLE_TRIES):
                if not (not_one := effects(pair.rig, pair.sent)):
                    break
                await asyncio.sleep(0.5)
            broken += pair.broken()
            sent = len(pair.sent)
            print(ask(pair.mbmid, "SELECT state, attempts, last_error, count(*) FROM inbox GROUP BY 1, 2, 3"))
    late = sum(drain is None for drain in drains)
    figures = {"jumps": len(rounds), "flows_again_max_s": round(max(d or HEALED_SECONDS for d in drains), 1)}
    note(
        "R9",
        "a real node's clock jumps and comes back",
        unit="messages",
        trials=sent,
        failures=len(set(broken)) + not_one,
        figures=figures,
    )
    note("R9", "flows within a minute of the right time", unit="jumps", trials=len(drains), failures=late)
    assert not broken
    assert not not_one
    assert not late


async def test_the_planted_belief_in_the_wall_clock_is_seen(tmp_path):
    clocks = Clocks(tmp_path)
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports, environment=clocks.environment, bug="the_wall_clock_is_believed") as pair:
            _, broken = await through_a_jump(pair, clocks, DESK, "+3652d", 4)
            assert "PLANTED" in pair.desk.log_tail(100_000)
    control("R9", "a real process believes its wall clock", seen=bool(broken))
    assert broken
