"""Whose records an office looks through: every one of its own once, page by page from the newest, nobody else's."""

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from contracts.ids import uuid7
from gateway.storage import held_models
from gateway.storage.case_tables import work_items
from gateway.storage.draft_tables import taken_reports
from gateway.storage.engine import create_engine
from gateway.storage.held_models import HeldModels
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.revisions import Schema
from gateway.storage.seeing import Seen
from gateway.storage.tables import cases

NOW_MS = int(datetime(2026, 11, 26, 18, tzinfo=UTC).timestamp() * 1000)
OFFICES = ("central", "houston", None)
EYES = Seen(frozenset({"central"}), frozenset({"central", "houston"}), unclaimed=True)
PEOPLE = ("report", "finding", "duty")


@pytest.fixture
async def engine(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


def work(rng, office, machine):
    opening = uuid7(NOW_MS, rng.randbytes(10))
    return {
        "opener": rng.choice(["gt.x", "gt.y"]), "opening_id": opening, "machine": machine, "side": rng.choice(["opener", "addressee"]),
        "peer": "gt.x", "thread_id": opening, "kind": "k", "purpose": "p", "basis": "b", "office": office,
        "opened_ms": NOW_MS - rng.randrange(20),
    }  # fmt: skip


def taken(rng, office):
    thread, message = (uuid7(NOW_MS, rng.randbytes(10)) for _ in range(2))
    at = NOW_MS - rng.randrange(20)
    case = {
        "thread_id": thread, "kind": "report", "peer": "gt.us", "opened_by": message, "state": "received", "folio": "MBMID-1",
        "opened_ms": at,
    }  # fmt: skip
    return case, {"thread_id": thread, "message_id": message, "office": office, "actor": "a:x", "sealed": b"s", "taken_ms": at}


async def filled(engine, rng):
    """Fill the tables; return which rows these eyes see, the newest first, by moment and ids."""
    works = [work(rng, rng.choice(OFFICES), rng.choice([*PEOPLE, "search", "referral"])) for _ in range(30)]
    reports = [taken(rng, rng.choice(["central", "houston"])) for _ in range(14)]
    async with engine.begin() as connection:
        await connection.execute(insert(work_items), works)
        await connection.execute(insert(cases), [case for case, _ in reports])
        await connection.execute(insert(taken_reports), [report for _, report in reports])
    seen = [
        (item["opened_ms"], item["opening_id"], item["opener"])
        for item in works
        if item["machine"] in PEOPLE and item["office"] != "houston"
    ]
    seen += [(report["taken_ms"], report["message_id"], "gt.us") for _, report in reports if report["office"] == "central"]
    return sorted(seen, reverse=True)


async def read(models, most):
    found, sizes, after = [], [], None
    while True:
        page = await models.newest(EYES, most=most, after=after)
        found += page.messages
        sizes.append(len(page.messages))
        after = page.after
        if after is None:
            return found, sizes


@pytest.mark.parametrize("looked_at", [6000, 7, 1])
async def test_every_record_of_an_office_stands_on_one_page_from_the_newest_and_nobody_elses(engine, monkeypatch, looked_at):
    """However little one look goes back: a page may be short, and says that more comes after it."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    monkeypatch.setattr(held_models, "_LOOKED_AT", looked_at)
    monkeypatch.setattr(held_models, "_LOOKS", 2)
    expected = await filled(engine, rng)
    models = HeldModels(engine)
    for most in (3, len(expected)):
        found, sizes = await read(models, most)
        assert [(item.key.opening, item.key.opener) for item in found] == [(opening, opener) for _, opening, opener in expected]
        assert max(sizes) <= most
    assert (0 in sizes) or looked_at > 1, "control: where nearly nothing is looked at some pages are empty, and not the last"
    assert {item.taken for item in found} == {True, False}
    for item in found:
        again = models.taken(item.thread_id, EYES) if item.taken else models.one(item.key.opener, item.key.opening, EYES)
        assert await again == item


async def test_what_no_page_brings_is_not_there_by_its_name_either(engine):
    rng = random.Random(7)
    theirs, other = work(rng, "houston", "report"), work(rng, "central", "search")
    case, report = taken(rng, "houston")
    async with engine.begin() as connection:
        await connection.execute(insert(work_items), [theirs, other])
        await connection.execute(insert(cases), [case])
        await connection.execute(insert(taken_reports), [report])
    models, all_eyes = (
        HeldModels(engine),
        Seen(frozenset({"central", "houston"}), frozenset({"central", "houston"}), unclaimed=True),
    )
    for item in (theirs, other):
        assert await models.one(item["opener"], item["opening_id"], EYES) is None
    assert await models.taken(report["thread_id"], EYES) is None
    assert await models.one(theirs["opener"], theirs["opening_id"], all_eyes) is not None, "control: it is there"
    assert await models.taken(report["thread_id"], all_eyes) is not None, "control: it is there"
