"""R16: after restoring any backup nothing is repeated, the log does not fork, and peers send again what was lost."""

import os
import random

import pytest

from gateway.exchange import dispatch, reconcile
from gateway.main import restore as restore_main
from gateway.workers import loops
from tests.conftest import REQUIRE, new_node_databases
from tests.reliability.ledger import control, note, scaled
from tests.simulator.federation import simulated_federation
from tests.simulator.restoring import DESK, MBMID, NAMES, PGN, Story

SEED = int(os.environ.get("FIRST_SEED", "16"))
MOMENTS = scaled(ci=6, night=20)


def databases(request, engine):
    if engine == "sqlite":
        return None
    server = request.getfixturevalue("postgresql_server")
    if server is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail("PostgreSQL is required here and is not installed")
        pytest.skip("NO POSTGRESQL FOUND: RESTORES WERE PROVED ON SQLITE ONLY. apt-get install postgresql")
    return {name: new_node_databases(server) for name in NAMES}


async def play(folder, seed, databases=None, victim=None):
    victim = victim or random.Random(seed).choice([MBMID, MBMID, DESK, DESK, PGN])
    async with simulated_federation(folder, *NAMES, databases=databases) as federation:
        story = Story(federation, seed, victim)
        await story.play(folder)
        return (*await story.verdict(), story)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("seed", range(SEED, SEED + MOMENTS))
async def test_whatever_the_moment_a_restored_node_repeats_and_forks_nothing(request, tmp_path, engine, seed):
    broken, recovered, story = await play(tmp_path, seed, databases(request, engine))
    print(f"seed {seed}, {engine}, {story.victim}: broken {dict(broken)}, recovered {recovered}, {dict(story.count)}")
    note(
        "R16",
        "a node lost and restored from a backup of a random moment",
        unit="restores",
        trials=1,
        failures=int(bool(broken)),
        seed=seed,
        figures={"messages recovered from peers": recovered},
    )
    assert not broken
    opened = [origin for origin in story.published if origin.startswith(f"{story.victim}/paradero-log/restored-")]
    assert len(opened) == 1, "the restore opened a log of its own"


def nobody_is_asked(patch):
    """A restored node goes on without asking its peers for what it lost."""

    async def silent(node):
        async with node.begin() as work:
            if await work.restores.pending() is None:
                return False
            await work.restores.announce({}, now=node.clock.now())
        return True

    patch.setattr(loops, "announce_restore", silent)


def the_old_log_goes_on(patch):
    """A restore that writes on in the log it brought back."""
    real = restore_main.open_epoch

    async def without(engine, old, opening, *, now):
        from sqlalchemy import text

        await real(engine, old, opening, now=now)
        async with engine.begin() as connection:
            await connection.execute(text(f"DELETE FROM log_head WHERE id = {old.epoch + 1}"))

    patch.setattr(restore_main, "open_epoch", without)


def answers_given_before_are_forgotten(patch):
    """A message that comes again is answered again: what the peer gives back of ours is not filed."""

    async def deaf(message, node):
        async with node.begin() as work:
            body = message.body
            await work.restores.take(message.sender, body.part, body.parts, returned=0, lost=0, now=node.clock.now())

    patch.setattr(dispatch, "take_back", deaf)


def books_stay_lost(patch):
    """What a peer gives back of ours is filed, and neither the ledger nor the exchanges hear of it."""

    async def deaf(_messages, _work, *, now):
        return None

    patch.setattr(reconcile, "note_returned", deaf)


BUGS = [
    (books_stay_lost, DESK),
    (nobody_is_asked, MBMID),
    (the_old_log_goes_on, MBMID),
    (answers_given_before_are_forgotten, MBMID),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("bug", "victim"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
async def test_the_oracle_sees_a_planted_bug(tmp_path, monkeypatch, bug, victim):
    bug(monkeypatch)
    seen = {}
    for seed in range(SEED, SEED + 6):
        try:
            broken, _, _ = await play(tmp_path / str(seed), seed, victim=victim)
        except AssertionError as error:
            broken = {"did not settle": str(error)}
        if broken:
            seen = dict(broken)
            break
    print(f"{bug.__name__}: seed {seed}: {seen}")
    control("R16", bug, seen=bool(seen))
    assert seen
