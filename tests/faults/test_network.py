"""R8: lines that are cut, lose one direction, flap, reset and crawl; then they heal. Two real nodes, a line of our own."""

import asyncio
import random
import time

import pytest

from gateway.demo.ports import reserved_ports
from tests.faults.net_rig import Line, Pair, attempts, effects, open_pair, starved
from tests.reliability.ledger import control, note, scaled

SEED = 20261125
HEALED_SECONDS = 60.0
PEAK_PER_SECOND = 10  # full jitter from half a second: the first second of a cut may see a few probes, later ones almost none
KBIT = 125.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


async def cut(pair: Pair, chance: random.Random) -> None:
    """Nothing gets through."""
    pair.to_mbmid.become(Line(cut=True))
    pair.to_desk.become(Line(cut=True))
    await asyncio.sleep(chance.uniform(3, 6))


async def held(pair: Pair, chance: random.Random) -> None:
    """Packets go nowhere and nobody says so."""
    pair.to_mbmid.become(Line(hold=True))
    await asyncio.sleep(chance.uniform(3, 6))


async def requests_lost(pair: Pair, chance: random.Random) -> None:
    """One way: no request gets through."""
    pair.to_mbmid.become(Line(lose_requests=True))
    await asyncio.sleep(chance.uniform(3, 6))


async def receipts_lost(pair: Pair, chance: random.Random) -> None:
    """One way: requests get through, their receipts do not."""
    pair.to_mbmid.become(Line(lose_answers=True))
    await asyncio.sleep(chance.uniform(4, 7))


async def flapping(pair: Pair, chance: random.Random) -> None:
    """Up and down, many times."""
    for _ in range(8):
        pair.to_mbmid.become(Line(cut=True))
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        pair.to_mbmid.become(Line())
        await asyncio.sleep(chance.uniform(0.05, 0.3))


async def reset(pair: Pair, chance: random.Random) -> None:
    """Every connection is reset after some kilobytes."""
    pair.to_mbmid.become(Line(reset_after=chance.randrange(8_000, 200_000)))
    await asyncio.sleep(chance.uniform(3, 6))


async def far(pair: Pair, _chance: random.Random) -> None:
    """256 kbit/s and 800 ms."""
    pair.to_mbmid.become(Line(rate=256 * KBIT, latency=0.8))
    await asyncio.sleep(5)


SCHEDULES = (cut, held, requests_lost, receipts_lost, flapping, reset, far)


async def suffer(pair: Pair, schedule, chance: random.Random, number: int) -> tuple[float | None, int]:
    """Send through a schedule, heal, and return the seconds until all had arrived and the peak of attempts in a second."""
    began = time.monotonic()
    first = await pair.report(number // 2)
    fault = asyncio.create_task(schedule(pair, chance))
    ids = first + await pair.report(number - number // 2)
    await fault
    pair.to_mbmid.become(Line())
    pair.to_desk.become(Line())
    healed = time.monotonic()
    return await pair.drained(ids, HEALED_SECONDS), pair.to_mbmid.peak(began, healed)


async def settled(pair: Pair) -> int:
    """Wait until every report has its effect; return how many have not exactly one."""
    for _ in range(900):
        if not (wrong := effects(pair.rig, pair.sent)):
            return 0
        await asyncio.sleep(0.2)
    return wrong


async def test_whatever_the_line_does_nothing_is_lost_and_it_heals(tmp_path):
    chance, rounds = random.Random(SEED), scaled(ci=1, night=8)
    drains, peaks, broken = [], [], []
    print("seed", SEED)
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports) as pair:
            for schedule in SCHEDULES * rounds:
                drain, peak = await suffer(pair, schedule, chance, scaled(ci=24, night=100))
                drains.append(drain)
                peaks.append(peak)
                broken += pair.broken()
                print(schedule.__name__, drain, peak, dict(pair.to_mbmid.counts))
            wrong, sent, counts = await settled(pair), len(pair.sent), pair.to_mbmid.counts
            again = attempts(pair.desk) - sent
    late = sum(1 for drain in drains if drain is None)
    figures = {
        "schedules": len(drains),
        "drained_p50_s": round(sorted(d or HEALED_SECONDS for d in drains)[len(drains) // 2], 1),
        "drained_max_s": round(max(d or HEALED_SECONDS for d in drains), 1),
        "peak_attempts_per_s": max(peaks),
        "handed_over_again": again,
    }
    what = "seven kinds of broken line between real processes"
    note("R8", what, unit="messages", trials=sent, failures=len(set(broken)) + wrong, seed=SEED, figures=figures)
    note("R8", "healed within a minute", unit="schedules", trials=len(drains), failures=late, seed=SEED)
    note("R8", "no storm of retries", unit="schedules", trials=len(peaks), failures=sum(p > PEAK_PER_SECOND for p in peaks))
    assert min(counts[fault] for fault in ("cut", "held", "request-lost", "answer-lost", "reset")) > 0
    assert again > 0, "nothing was sent twice: the faults proved nothing"
    assert not broken
    assert not wrong
    assert not late
    assert max(peaks) <= PEAK_PER_SECOND


async def test_a_backlog_of_a_thousand_arrives_within_a_minute_of_the_heal(tmp_path):
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports) as pair:
            pair.to_mbmid.become(Line(cut=True))
            ids = await pair.report(1000)
            await asyncio.sleep(2)
            assert pair.to_mbmid.counts["cut"] > 0
            pair.to_mbmid.become(Line())
            starved_before = starved(pair.desk, pair.mbmid)
            drain = await pair.drained(ids, 5 * HEALED_SECONDS)
            # What other programs on this machine took from our nodes is no property of our nodes.
            without = starved(pair.desk, pair.mbmid) - starved_before
            broken = pair.broken()
    print("drain", drain, "of which waiting for a processor", without)
    failures = int(drain is None or drain - without > HEALED_SECONDS)
    figures = {"messages": len(ids), "seconds": round(drain or -1, 1), "of_these_without_a_processor": round(without, 1)}
    note("R8", "a backlog of 1,000 messages after a cut", unit="heals", trials=1, failures=failures, figures=figures)
    assert not broken
    assert not failures


async def test_fifty_messages_cross_a_line_of_64_kbit(tmp_path):
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports) as pair:
            pair.to_mbmid.become(Line(cut=True))
            ids = await pair.report(scaled(ci=50, night=150))
            pair.to_mbmid.become(Line(rate=64 * KBIT, latency=0.8))
            carried = pair.to_mbmid.carried
            drain = await pair.drained(ids, 700)
            wasted = (pair.to_mbmid.carried - carried) / len(ids)
            broken = pair.broken()
    print("drain", drain, "bytes per message", wasted)
    figures = {"messages": len(ids), "seconds": round(drain or -1), "kB_per_message": round(wasted / 1000, 1)}
    what, failures = "a full batch over 64 kbit/s and 800 ms", len(broken) + (drain is None)
    note("R8", what, unit="messages", trials=len(ids), failures=failures, figures=figures)
    assert drain is not None, figures
    assert not broken


@pytest.mark.parametrize("bug", ["a_silent_peer_is_given_up", "sent_before_the_receipt"])
async def test_a_planted_bug_is_seen(tmp_path, bug):
    with reserved_ports(6) as ports:
        async with open_pair(tmp_path, ports, bug=bug) as pair:
            chance = random.Random(SEED)
            drain, _ = await suffer(pair, cut, chance, 8)
            seen = drain is None or bool(pair.broken()) or effects_after(pair)
            said = pair.desk.log_tail()
    assert f"PLANTED {bug}" in said
    control("R8", bug.replace("_", " "), seen=seen)
    assert seen


def effects_after(pair: Pair) -> bool:
    """Return whether something that counts as delivered has no effect."""
    return effects(pair.rig, pair.sent) > 0
