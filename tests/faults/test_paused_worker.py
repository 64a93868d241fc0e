"""R14: a worker is stopped past its leases and goes on later, when somebody else has done its work."""

import asyncio
import random
import shutil
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.demo.ports import reserved_ports
from tests.conftest import new_postgresql_database
from tests.faults import net_bugs
from tests.faults.net_proxy import ChaosProxy
from tests.faults.net_rig import READY_SECONDS, Line, ask, listen_on, start_changed
from tests.faults.oracle import open_oracle
from tests.faults.rig import DESK, MBMID, RealNode, found_rig
from tests.reliability.ledger import control, note, scaled

SEED = 14
LEASE = 1.5
HANDLING = 0.8
PAUSE = LEASE + HANDLING + 0.9  # past the lease, and short of the time a handler has: what comes back is a result
LETTERS = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@asynccontextmanager
async def two_workers(home: Path, ports, databases, *, bug=None):
    """One institution on one database, served by two processes; the desk behind a slow line gets the answers."""
    urls = {MBMID: databases} if databases else None
    rig = await found_rig(home, MBMID, DESK, ports=ports[:4], databases=urls)
    registered = rig.nodes[DESK].config.federation.port
    listen_on(rig.nodes[DESK], ports[4])
    first = rig.nodes[MBMID]
    second = _twin(first, home / "second", ports[5], ports[6])
    workers = [first, second] if databases else [first]
    try:
        async with ChaosProxy(registered, ports[4], Line(latency=0.3)):
            start_changed(rig.nodes[DESK], {})
            for worker in workers:
                start_changed(worker, {"lease": LEASE, "handle": HANDLING, "bug": bug})
            for node in (rig.nodes[DESK], *workers):
                await node.until_ready(READY_SECONDS)
            yield rig, workers
    finally:
        for worker in workers:
            worker.signal(signal.SIGCONT)
            worker.kill()
        rig.end()


def _twin(node: RealNode, folder: Path, federation: int, private: int) -> RealNode:
    shutil.copytree(node.config_file.parent, folder)
    config = folder / "paradero.toml"
    old = node.config
    text = config.read_text().replace(str(node.config_file.parent), str(folder))
    text = text.replace(f"port = {old.federation.port}", f"port = {federation}").replace(
        f"port = {old.private.port}", f"port = {private}"
    )
    config.write_text(text)
    return RealNode("second", config, folder.parent / "second.log")


async def stop_at(rig, worker, oracle, moment: float, pause: float) -> None:
    """Give a worker letters, stop it at a moment of its work for longer than its leases, and let it go on."""
    letters = oracle.write(LETTERS)
    assert await oracle.send(letters) == LETTERS
    await asyncio.sleep(moment)
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(pause)
    worker.signal(signal.SIGCONT)


def not_one(rig, oracle) -> dict[str, str]:
    """Return each letter that has not exactly one case, one answer, and one arrival of that answer."""
    node, wrong = rig.nodes[MBMID], {}
    cases = [row[0] for row in ask(node, "SELECT opened_by FROM cases")]
    answers = [row[0] for row in ask(node, "SELECT in_reply_to FROM outbox")]
    ended = {row[0] for row in ask(node, "SELECT in_reply_to FROM outbox WHERE state = 'delivered'")}
    for message in map(str, oracle.letters):
        seen = (cases.count(message), answers.count(message), message in ended)
        if seen != (1, 1, True):
            wrong[message] = f"cases {seen[0]}, answers {seen[1]}, answered {seen[2]}"
    return wrong


async def settled(rig, oracle, seconds: float = 40.0) -> dict[str, str]:
    """Wait until all is as it should be; return what is not."""
    for _ in range(int(seconds / 0.5)):
        if not (wrong := not_one(rig, oracle)):
            return {}
        await asyncio.sleep(0.5)
    return wrong


def stale(workers) -> int:
    """Return how many results of workers that had lost their lease were refused."""
    return sum(worker.log.read_text(errors="replace").count("STALE") for worker in workers)


async def points(rig, workers, number: int) -> tuple[int, dict[str, str], int]:
    """Stop at so many moments; return letters sent, those with not one effect, and stale results refused."""
    chance = random.Random(SEED)
    async with open_oracle(rig, sender=DESK, to=MBMID) as oracle:
        for _ in range(number):
            # Up to the end of the handling, and on into the delivery of the answers.
            await stop_at(rig, workers[0], oracle, chance.uniform(0.0, HANDLING + 1.2), PAUSE)
        wrong = await settled(rig, oracle)
        await asyncio.sleep(1.0)
        return len(oracle.letters), wrong or not_one(rig, oracle), stale(workers)


def postgresql(request):
    server = request.getfixturevalue("postgresql_server")
    if server is None:
        pytest.skip("NO POSTGRESQL: two workers on one database were NOT proven. apt-get install postgresql")
    return new_postgresql_database(server), new_postgresql_database(server)


async def test_two_workers_on_one_postgresql(tmp_path, request):
    print("seed", SEED)
    with reserved_ports(7) as ports:
        async with two_workers(tmp_path, ports, postgresql(request)) as (rig, workers):
            number = scaled(ci=5, night=20)
            sent, wrong, refused = await points(rig, workers, number)
    figures = {"stops": number, "stale_results_refused": refused}
    what = "stopped past its lease, two workers on one PostgreSQL"
    note("R14", what, unit="messages", trials=sent, failures=len(wrong), seed=SEED, figures=figures)
    assert wrong == {}
    assert refused > 0, "nobody came too late: the stops proved nothing"


async def test_one_process_on_sqlite_stopped_and_resumed(tmp_path):
    with reserved_ports(7) as ports:
        async with two_workers(tmp_path, ports, None) as (rig, workers):
            number = scaled(ci=2, night=10)
            sent, wrong, _ = await points(rig, workers, number)
    what = "stopped past its lease and resumed, one process on SQLite"
    note("R14", what, unit="messages", trials=sent, failures=len(wrong), seed=SEED, figures={"stops": number})
    assert wrong == {}


async def test_the_planted_bug_is_seen(tmp_path, request):
    with reserved_ports(7) as ports:
        databases = postgresql(request)
        async with (
            two_workers(tmp_path, ports, databases, bug="whoever_finishes_last_wins") as (rig, workers),
            open_oracle(rig, sender=DESK, to=MBMID) as oracle,
        ):
            for moment in (0.3, 0.6, 0.9, 1.2, 1.5) * 4:  # on a busy machine a moment is not where it was meant to be
                await stop_at(rig, workers[0], oracle, moment, PAUSE)
                if wrong := await settled(rig, oracle, 6.0):
                    break
    control("R14", net_bugs.whoever_finishes_last_wins, seen=bool(wrong))
    assert wrong
