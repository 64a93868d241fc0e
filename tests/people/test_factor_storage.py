"""What people have beside a password, on both databases: what two do at once, what a restore ends, what each statement reads."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.people.factor_ports import Method, Passkey, Step, Use
from gateway.people.ids import PersonId
from gateway.people.ports import Session
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.people import SqlPeopleReader, people_work_factory
from gateway.storage.revisions import Schema
from tests.people.test_storage import person

NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)


@pytest.fixture
async def stores(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine, reads = create_engine(database_url), create_read_engine(database_url)
    async with people_work_factory(engine)() as work:
        for number in (1, 2):
            await work.persons.add(person(number))
    yield people_work_factory(engine), SqlPeopleReader(reads), engine
    await engine.dispose()
    await reads.dispose()


ONE, TWO = person(1).person_id, person(2).person_id


def key(credential=b"c1", owner=ONE, counter=0):
    return Passkey(credential, PersonId(owner), b"public", counter, "llavero ñ", NOW, None)


async def test_an_app_takes_each_step_once_and_counts_what_was_wrong(stores):
    begin, reader, _ = stores
    async with begin() as work:
        assert not await work.factors.use_step(ONE, 9)
        await work.factors.set_totp(ONE, b"sealed", 10, now=NOW)
        await work.factors.wrong_code(ONE)
        assert (await work.factors.totp(ONE)).wrong == 1
        assert not await work.factors.use_step(ONE, 10)
        assert await work.factors.use_step(ONE, 11)
        assert not await work.factors.use_step(ONE, 11)
        assert (await work.factors.totp(ONE)).wrong == 0
    assert (await reader.held(ONE)).totp
    assert not (await reader.held(TWO)).any
    async with begin() as work:
        await work.factors.set_totp(ONE, b"another", 5, now=NOW)
        assert (await work.factors.totp(ONE)).sealed == b"another"
        assert await work.factors.drop_totp(ONE)
        assert not await work.factors.drop_totp(ONE)


async def at_once(begin, act, times=4):
    async def one():
        async with begin() as work:
            return await act(work)

    return await asyncio.gather(*(one() for _ in range(times)))


async def test_what_is_good_once_is_good_once_for_those_who_come_together(stores):
    begin, _, _ = stores
    async with begin() as work:
        await work.factors.set_totp(ONE, b"sealed", 10, now=NOW)
        await work.factors.set_recovery(ONE, [b"r1", b"r2"])
        await work.factors.add_passkey(key(counter=4))
        await work.steps.put(Step(b"h", Use.KNOCK, None, b"s", NOW + timedelta(minutes=5)), now=NOW)
    assert (await at_once(begin, lambda work: work.factors.use_step(ONE, 12))).count(True) == 1
    assert (await at_once(begin, lambda work: work.factors.use_recovery(ONE, b"r1"))).count(True) == 1
    assert (await at_once(begin, lambda work: work.factors.use_passkey(key(counter=4), 5, now=NOW))).count(True) == 1
    taken = await at_once(begin, lambda work: work.steps.take(b"h", Use.KNOCK, now=NOW))
    assert [step is not None for step in taken].count(True) == 1


async def test_recovery_codes_and_passkeys_are_their_owners(stores):
    begin, reader, _ = stores
    async with begin() as work:
        await work.factors.set_recovery(ONE, [b"r1", b"r2"])
        assert not await work.factors.use_recovery(TWO, b"r1")
        await work.factors.set_recovery(ONE, [b"r3"])
        assert not await work.factors.use_recovery(ONE, b"r1")
        assert await work.factors.add_passkey(key())
        assert not await work.factors.add_passkey(key(owner=TWO))
        assert not await work.factors.drop_passkey(TWO, b"c1")
        assert await work.factors.use_passkey(key(), 7, now=NOW)
        assert (await work.factors.passkey(b"c1")).counter == 7
        assert await work.factors.passkey(b"c2") is None
    held = await reader.held(ONE)
    assert (held.recovery, [one.name for one in held.passkeys], held.passkeys[0].used_at) == (1, ["llavero ñ"], NOW)
    async with begin() as work:
        await work.factors.link(ONE, "https://m.example", "f-1")
        await work.factors.forget(ONE)
    held = await reader.held(ONE)
    assert (held.any, held.recovery, held.linked) == (False, 0, True)


async def test_a_link_is_one_persons(stores):
    begin, _, _ = stores
    async with begin() as work:
        assert await work.factors.link(ONE, "https://m.example", "f-1")
        assert await work.factors.link(ONE, "https://m.example", "f-1")
        assert not await work.factors.link(TWO, "https://m.example", "f-1")
        assert await work.factors.link(TWO, "https://otra.example", "f-1")
        assert await work.factors.linked("https://m.example", "f-1") == ONE
        assert await work.factors.link(ONE, "https://m.example", "f-2")
        assert await work.factors.linked("https://m.example", "f-1") is None
        assert await work.factors.unlink(ONE)
        assert not await work.factors.unlink(ONE)


async def test_a_step_is_of_its_holder_and_use_and_ends(stores):
    begin, reader, _ = stores
    until = NOW + timedelta(minutes=5)
    async with begin() as work:
        for sealed in (b"first", b"second"):
            await work.steps.put(Step(b"h", Use.KNOCK, None, sealed, until), now=NOW)
        await work.steps.put(Step(b"h", Use.CONFIRM, ONE, b"mine", until), now=NOW)
        assert (await work.steps.find(b"h", Use.KNOCK, now=NOW)).sealed == b"second"
        assert await work.steps.find(b"x", Use.KNOCK, now=NOW) is None
        assert await work.steps.find(b"h", Use.KNOCK, now=until) is None
        assert await work.steps.nobodys() == 1
        await work.sessions.forget(ONE)
        assert await work.steps.find(b"h", Use.CONFIRM, now=NOW) is None
    assert (await reader.step(b"h", Use.KNOCK, now=NOW)).sealed == b"second"
    async with begin() as work:
        await work.steps.put(Step(b"y", Use.KNOCK, None, b"", until + timedelta(hours=1)), now=until)
        assert await work.steps.nobodys() == 1, "what is over is swept"
        assert await work.steps.take(b"y", Use.KNOCK, now=until + timedelta(hours=1)) is None


async def test_the_same_step_begun_twice_at_once_is_one(stores):
    begin, _, _ = stores
    step = Step(b"h", Use.ENROL, ONE, b"s", NOW + timedelta(minutes=5))
    await at_once(begin, lambda work: work.steps.put(step, now=NOW))
    async with begin() as work:
        assert await work.steps.take(b"h", Use.ENROL, now=NOW) is not None
        assert await work.steps.take(b"h", Use.ENROL, now=NOW) is None


async def test_sessions_say_how_somebody_came_in_and_the_others_end(stores):
    begin, reader, _ = stores
    over = NOW + timedelta(hours=8)
    async with begin() as work:
        for number, digest in enumerate((b"a", b"b", b"c")):
            opened = NOW + timedelta(minutes=number)
            await work.sessions.open(Session(digest, ONE, opened, opened, over, Method.CODE, pages=digest == b"b"))
        await work.sessions.strengthen(b"a", Method.PASSKEY)
        await work.persons.factor_due(ONE, over)
    assert [(one.digest, one.method, one.pages) for one in await reader.sessions(ONE)] == [
        (b"c", Method.CODE, False), (b"b", Method.CODE, True), (b"a", Method.PASSKEY, False),
    ]  # fmt: skip
    async with begin() as work:
        assert await work.sessions.end_others(ONE, b"b") == 2
        assert (await work.persons.by_id(ONE)).factor_due_at == over
    assert [one.digest for one in await reader.sessions(ONE)] == [b"b"]


async def test_a_restore_ends_steps_under_way_and_keeps_what_people_have(stores):
    from contracts.leaves import LeafEvent, LeafFields
    from gateway.main.node import Leaves
    from gateway.storage.restoring import Opening, old_head, open_epoch

    begin, reader, engine = stores
    async with begin() as work:
        await work.factors.set_totp(ONE, b"sealed", 10, now=NOW)
        await work.steps.put(Step(b"h", Use.SECOND, ONE, b"", NOW + timedelta(minutes=5)), now=NOW)
        await work.calendar_links.put(ONE, b"digest", b"nonce", now=NOW)
    assert await reader.calendar_owner(b"digest") is not None, "control: the address was good"
    leaf = Leaves().leaf(LeafFields(at=0, event=LeafEvent.KEY))
    await open_epoch(engine, await old_head(engine), Opening("x/restored-1", "x", NOW, leaf, []), now=NOW)
    assert await reader.step(b"h", Use.SECOND, now=NOW) is None
    assert await reader.calendar_owner(b"digest") is None, "it may have been withdrawn since the backup"
    assert (await reader.held(ONE)).totp


async def test_of_calendar_addresses_asked_for_at_once_one_is_good(stores):
    begin, reader, _ = stores
    numbers = iter(range(4))

    async def ask(work):
        number = next(numbers)
        await work.calendar_links.put(ONE, b"digest %d" % number, b"nonce %d" % number, now=NOW)

    await at_once(begin, ask)
    good = [number for number in range(4) if await reader.calendar_owner(b"digest %d" % number) is not None]
    assert len(good) == 1
    assert await reader.calendar_nonce(ONE) == b"nonce %d" % good[0]


async def test_no_statement_reads_through_a_table(stores):
    """The database's own plans, sequential scans made dear where it has a choice."""
    from sqlalchemy import text

    _, _, engine = stores
    wheres = {
        "totp": "person_id = 'x'", "recovery_codes": "person_id = 'x'", "passkeys": "person_id = 'x'", "links": "issuer = 'x' AND subject = 'y'",
        "steps": "expires_ms <= 5", "sessions": "person_id = 'x'",
    }  # fmt: skip
    statements = [f"SELECT * FROM {table} WHERE {where}" for table, where in wheres.items()]
    statements += ["SELECT count(*) FROM steps WHERE person_id IS NULL", "SELECT * FROM passkeys WHERE public_key IS NULL"]
    plans = {}
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("SET enable_seqscan = off"))
        for statement in statements:
            how = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
            plans[statement] = " ".join(str(row) for row in await connection.execute(text(f"{how} {statement}")))
    scans = {statement for statement, plan in plans.items() if "SCAN" in plan or "Seq Scan" in plan}
    assert scans == {statements[-1]}, "only the planted one"
