"""The inbox as the database orders it: the same sections as in words, every item once whatever the page, nobody else's."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from contracts.ids import uuid7
from contracts.threads import CLOSED, MACHINES, START
from gateway.console.work_words import NAMED, section
from gateway.storage.case_tables import departures, exchange_messages, exchanges, work_items
from gateway.storage.engine import create_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.people_tables import persons
from gateway.storage.revisions import Schema
from gateway.storage.seeing import Seen
from gateway.storage.tables import outbox
from gateway.storage.work_models import as_item, items
from gateway.storage.worklists import RANKS, Mark, Narrowed, Section, Today, WorkLists, _rank

NOW = datetime(2026, 11, 26, 18, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
ZONES = {"central": ZoneInfo("America/Guatemala"), "houston": ZoneInfo("America/Chicago"), "tokio": ZoneInfo("Asia/Tokyo")}
EYES = Seen(frozenset({"central", "houston"}), frozenset({"central", "houston", "tokio"}), unclaimed=True)
ALL = Seen(frozenset(ZONES), frozenset(ZONES), unclaimed=True)
PERSON = "0198aaaa-0000-7000-8000-000000000001"
HOUR = 3_600_000


def midnight(zone):
    day = NOW.astimezone(zone).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone)


TODAY = Today(NOW, {code: midnight(zone) for code, zone in ZONES.items()}, midnight(ZONES["central"]))


@pytest.fixture
async def engine(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        row = {"person_id": PERSON, "login": "o.ficticia", "name": "Ficticia", "state": "enabled", "created_ms": 1}
        await connection.execute(insert(persons), [row | {"password": None}])
    yield engine
    await engine.dispose()


def made(rng, number):
    """One exchange as work, in any state it can reach, and the rows that belong to it."""
    machine = rng.choice(sorted(MACHINES))
    side, opening, office = (
        rng.choice(["opener", "addressee"]),
        uuid7(NOW_MS + number, rng.randbytes(10)),
        rng.choice([*ZONES, None, "cerrada"]),
    )
    state = rng.choice(sorted(MACHINES[machine].states - ({START} if side == "opener" else set())))
    at_once = side == "addressee" and machine in {"report", "finding", "duty"}
    key = {"opener": "gt.x", "opening_id": opening}
    due = rng.choice([None, *(NOW_MS + hours * HOUR for hours in (-30, -1, 0, 1, 4, 8, 20, 70))])
    item = key | {
        "machine": machine, "side": side, "peer": "gt.x", "thread_id": opening, "kind": "k", "purpose": "p", "basis": "b",
        "office": office, "due_ms": due, "person_id": rng.choice([None, PERSON]), "opened_ms": NOW_MS - rng.randrange(5),
        "ended_ms": None, "over_ms": NOW_MS if state == CLOSED and not at_once else None,
    }  # fmt: skip
    exchange = key | {
        "machine": machine, "side": side, "peer": "gt.x", "thread_id": opening, "case_ref": "c", "state": state,
        "awaited": None if state == CLOSED else rng.choice(["opener", "addressee"]), "opened_ms": 1, "changed_ms": 1,
    }  # fmt: skip
    return item, exchange, rng.choice([None, None, "waiting", "delivered", "rejected", "dead"]), rng.random() < 0.3


def sent(opening, state, lane="gt.x", thread=None, ended=NOW_MS, kind="k"):
    return {
        "lane": lane, "message_id": opening, "thread_id": thread or opening, "kind": kind, "state": state, "attempts": 1,
        "due_ms": 1, "expires_ms": 1, "created_ms": 1, "ended_ms": ended, "size": 1,
    }  # fmt: skip


def waiting(number, opening, kind="search.response"):
    return {
        "id": uuid7(NOW_MS + number, bytes(10)), "state": "waiting", "thread_id": opening, "case_ref": "c", "peer": "gt.x", "kind": kind,
        "in_reply_to": opening, "content": "c", "sealed": b"", "waits": "[]", "drafted_by": PERSON, "actor": "a:x", "made_ms": 1,
    }  # fmt: skip


async def fill(engine, number=160, seed=None):
    seed = random.randrange(2**32) if seed is None else seed
    print("seed", seed)
    rng = random.Random(seed)
    async with engine.begin() as connection:
        for place in range(number):
            item, exchange, delivery, prepared = made(rng, place)
            await connection.execute(insert(work_items).values(item))
            await connection.execute(insert(exchanges).values(exchange))
            if delivery and item["side"] == "opener":
                await connection.execute(insert(outbox).values(_known(sent(item["opening_id"], delivery))))
            if prepared:
                await connection.execute(insert(departures).values(waiting(place, item["opening_id"])))


def _known(row):
    return {name: value for name, value in row.items() if name in outbox.c}


async def test_the_database_finds_the_section_that_the_words_say(engine):
    await fill(engine)
    async with engine.connect() as connection:
        rows = (await connection.execute(items(_rank(TODAY).label("rank")))).all()
    assert len({row.rank for row in rows}) > 7, "control: most sections were met"
    wrong = []
    for row in rows:
        item = as_item(row)
        at_once = item["side"] == "addressee" and item["machine"] in {"report", "finding", "duty"}
        awaited = item["awaited"] is not None or (at_once and item["has_it"] is None)
        due = datetime.fromisoformat(item["due"]) if item["due"] and awaited else None
        told = section(item, due, NOW, ZONES.get(item["office"], ZONES["central"]))
        if NAMED[RANKS[row.rank]] != told:
            wrong.append((NAMED[RANKS[row.rank]], told, item))
    assert wrong == []


async def walked(lists, only, seen=EYES, rows=7):
    """Every item by going on from page to page, and the same by going back."""
    onward, mark = [], None
    while True:
        sheet = await lists.page(seen, TODAY, only, rows=rows, after=mark)
        onward += sheet.items
        if sheet.after is None:
            break
        mark = sheet.after
    back, mark = list(sheet.items), sheet.before
    while mark is not None:
        sheet = await lists.page(seen, TODAY, only, rows=rows, before=mark)
        back = [*sheet.items, *back]
        mark = sheet.before
    return onward, back


@pytest.mark.parametrize(
    "only", [Narrowed(), Narrowed(machine="search"), Narrowed(person=PERSON), Narrowed(section=Section.LATE)]
)
async def test_every_item_stands_on_one_page_in_the_order_of_sections_forwards_and_back(engine, only):
    await fill(engine)
    lists = WorkLists(engine)
    onward, back = await walked(lists, only)
    ids = [item["id"] for item in onward]
    assert ids == [item["id"] for item in back]
    assert len(ids) == len(set(ids)) > 0
    places = [(list(Section).index(item["section"]), item["due"] or "9", item["id"]) for item in onward]
    assert [place[:2] for place in places] == sorted(place[:2] for place in places)
    counts = await lists.counts(EYES, TODAY, only)
    assert (sum(counts.values()) if only.section is None else counts[only.section]) == len(ids)
    assert {item["office"] for item in onward} <= {"central", "houston", None, "cerrada"}


async def test_a_mark_is_read_strictly():
    opening = "01990000-0000-7000-8000-000000000001"
    mark = Mark(3, 5, 6, opening, "gt.x")
    assert Mark.of(str(mark)) == mark
    for bad in (
        "",
        f"3~5~6~{opening}",
        f"x~5~6~{opening}~gt.x",
        f"99~1~1~{opening}~gt.x",
        "1~" + "9" * 17 + f"~1~{opening}~gt.x",
        f"1~-1~1~{opening}~gt.x",
        f"1~١~1~{opening}~gt.x",
        f"1~1~1~{opening}~gt.x" + "z" * 200,
        f"1~1~1~{opening}\x00~gt.x",  # PostgreSQL takes no NUL, and no half of a character
        f"1~1~1~{opening}~gt.x\x00",
        f"1~1~1~{opening}~gt.x\ud800",
        "1~1~1~x~gt.x",
        f"1~1~253402300800000~{opening}~gt.x",  # later than any moment
    ):
        assert Mark.of(bad) is None


async def test_what_did_not_arrive_of_what_was_said_is_told_of_though_its_exchange_is_over(engine):
    rng = random.Random(1)
    keys = []
    async with engine.begin() as connection:
        for number, (state, office, ended) in enumerate(
            [
                ("dead", "central", NOW_MS),
                ("rejected", "central", NOW_MS),
                ("delivered", "central", NOW_MS),
                ("dead", "tokio", NOW_MS),
                ("dead", "central", 5),
            ]
        ):
            item, exchange, _, _ = made(rng, number)
            opening, answer = item["opening_id"], uuid7(NOW_MS + 1000 + number, bytes(10))
            item |= {"side": "addressee", "machine": "search", "office": office, "over_ms": NOW_MS}
            exchange |= {"side": "addressee", "machine": "search", "state": CLOSED, "awaited": None}
            await connection.execute(insert(work_items).values(item))
            await connection.execute(insert(exchanges).values(exchange))
            await connection.execute(
                insert(outbox).values(_known(sent(answer, state, thread=opening, ended=ended, kind="search.response")))
            )
            line = {
                "opener": "gt.x",
                "opening_id": opening,
                "message_id": answer,
                "kind": "search.response",
                "said_by": "addressee",
            }
            await connection.execute(insert(exchange_messages).values(line | {"carries": False, "logged_ms": 1}))
            keys.append(opening)
    found = await WorkLists(engine).undelivered(EYES, Narrowed(), since=NOW - timedelta(days=30), rows=25)
    assert {item["id"]: item["said_state"] for item in found} == {keys[0]: "dead", keys[1]: "rejected"}
    assert {item["said_kind"] for item in found} == {"search.response"}


async def test_what_is_over_is_read_page_by_page_from_its_newest_end(engine):
    await fill(engine)
    lists, found, mark = WorkLists(engine), [], None
    while True:
        sheet = await lists.over(ALL, Narrowed(), rows=5, after=mark)
        found += sheet.items
        if sheet.after is None:
            break
        mark = sheet.after
    ids = [item["id"] for item in found]
    assert len(ids) == len(set(ids)) > 5
    assert [item["opened"] for item in found] == sorted((item["opened"] for item in found), reverse=True)


async def test_the_answer_that_waits_is_found_by_its_question(engine):
    one, other = (uuid7(NOW_MS + number, bytes(10)) for number in (1, 2))
    async with engine.begin() as connection:
        await connection.execute(
            insert(departures), [waiting(3, one, "case.status"), waiting(4, one), waiting(5, other, "case.status")]
        )
    lists = WorkLists(engine)
    assert (await lists.answer_waiting(one, ["search.response"]))["kind"] == "search.response"
    assert await lists.answer_waiting(other, ["search.response"]) is None


async def test_terms_are_those_on_which_a_word_is_awaited(engine):
    await fill(engine)
    found = await WorkLists(engine).terms(ALL, start=NOW - timedelta(hours=2), end=NOW + timedelta(hours=10), rows=500)
    assert found
    assert {item["due"] for item in found} <= {
        (NOW + timedelta(hours=hours)).isoformat(timespec="seconds") for hours in (-1, 0, 1, 4, 8)
    }
    assert all(item["awaited"] or item["has_it"] is None for item in found)
