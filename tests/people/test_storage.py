"""People's tables on both databases: what two do at once, what a restore ends, what is never stored."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from contracts.ids import Code, uuid7
from gateway.people.ids import Login, PersonId
from gateway.people.offices import parse_hours
from gateway.people.ports import Failures, Invitation, Office, Person, PersonState, Post, Session
from gateway.people.roles import Role
from gateway.storage.engine import create_engine, create_read_engine
from gateway.storage.migrations.runner import upgrade_async
from gateway.storage.people import SqlPeopleReader, people_work_factory
from gateway.storage.revisions import Schema

NOW = datetime(2026, 11, 26, 15, tzinfo=UTC)


@pytest.fixture
async def stores(database_url):
    await upgrade_async(database_url, Schema.MAIN)
    engine, reads = create_engine(database_url), create_read_engine(database_url)
    yield people_work_factory(engine), SqlPeopleReader(reads), engine
    await engine.dispose()
    await reads.dispose()


def person(number, login=None, state=PersonState.ENABLED):
    person_id = PersonId(uuid7(1_700_000_000_000 + number, bytes(10)))
    return Person(person_id, Login(login or f"p{number}"), "Ficticia ñ", state, "hash", NOW, None)


async def test_an_account_comes_back_as_it_was_filed(stores):
    begin, reader, _ = stores
    filed = person(1)
    posts = frozenset({Post(Role.OFFICER, Code("a")), Post(Role.OFFICER, Code("b"))})
    async with begin() as work:
        assert await work.persons.add(filed)
        await work.persons.set_posts(filed.person_id, posts, now=NOW)
    async with begin() as work:
        assert await work.persons.by_login(filed.login) == filed
        assert await work.persons.by_id(filed.person_id) == filed
        assert await work.persons.posts(filed.person_id) == posts
        assert not await work.persons.add(person(2, filed.login)), "a login is one person's for ever"
        assert await work.persons.count() == 1
        await work.persons.set_posts(filed.person_id, frozenset(), now=NOW)
        assert await work.persons.posts(filed.person_id) == frozenset()
    [listed] = await reader.people()
    assert (listed.person, listed.posts) == (filed, ())


async def test_of_two_that_take_one_login_at_once_one_gets_it(stores):
    begin, _, _ = stores

    async def take(number):
        async with begin() as work:
            return await work.persons.add(person(number, "misma"))

    assert sorted(await asyncio.gather(*(take(number) for number in range(8)))) == [False] * 7 + [True]


async def test_an_invitation_taken_by_many_at_once_is_one_persons(stores):
    begin, _, _ = stores
    filed = person(1)
    async with begin() as work:
        await work.persons.add(filed)
        await work.sessions.invite(Invitation(b"d" * 32, filed.person_id, NOW + timedelta(hours=1)))

    async def take():
        async with begin() as work:
            return await work.sessions.take(b"d" * 32, now=NOW)

    taken = await asyncio.gather(*(take() for _ in range(8)))
    assert [one for one in taken if one is not None] == [filed.person_id]


async def test_a_session_is_found_until_it_ends(stores):
    begin, reader, _ = stores
    filed = person(1)
    sessions = [Session(bytes([n]) * 32, filed.person_id, NOW, NOW, NOW + timedelta(hours=8)) for n in range(3)]
    async with begin() as work:
        await work.persons.add(filed)
        for session in sessions:
            await work.sessions.open(session)
        await work.sessions.used(sessions[0].digest, now=NOW + timedelta(minutes=1))
    found = await reader.session(sessions[0].digest)
    assert found is not None
    assert found[0].used_at == NOW + timedelta(minutes=1)
    assert found[1] == filed
    async with begin() as work:
        assert await work.sessions.end(sessions[0].digest)
        assert not await work.sessions.end(sessions[0].digest)
        assert await work.sessions.end_all(filed.person_id) == 2
    for session in sessions:
        assert await reader.session(session.digest) is None


async def test_a_new_session_sweeps_those_that_have_expired(stores):
    begin, reader, _ = stores
    filed = person(1)
    async with begin() as work:
        await work.persons.add(filed)
        await work.sessions.open(Session(b"a" * 32, filed.person_id, NOW, NOW, NOW + timedelta(hours=8)))
        later = NOW + timedelta(hours=8)
        await work.sessions.open(Session(b"b" * 32, filed.person_id, later, later, later + timedelta(hours=8)))
    assert await reader.session(b"a" * 32) is None
    assert await reader.session(b"b" * 32) is not None


async def test_the_ten_newest_devices_are_known_and_only_to_their_person(stores):
    begin, _, _ = stores
    async with begin() as work:
        for number in (1, 2):
            await work.persons.add(person(number))
        for number in range(13):
            await work.sessions.remember(bytes([number]) * 32, person(1).person_id, now=NOW + timedelta(minutes=number))
        known = [await work.sessions.knows(bytes([n]) * 32, person(1).person_id) for n in range(13)]
        assert known == [False] * 3 + [True] * 10
        assert not await work.sessions.knows(bytes([12]) * 32, person(2).person_id)
        await work.sessions.forget(person(1).person_id)
        assert not await work.sessions.knows(bytes([12]) * 32, person(1).person_id)


async def test_failures_counted_at_once_are_all_counted(stores):
    begin, _, _ = stores

    async def fail():
        async with begin() as work:
            known = (await work.failures.find([b"k" * 32]))[b"k" * 32]
            await work.failures.put([Failures(b"k" * 32, known.count + 1, NOW, NOW)], forget_before=NOW - timedelta(days=1))

    await asyncio.gather(*(fail() for _ in range(12)))
    async with begin() as work:
        assert (await work.failures.find([b"k" * 32]))[b"k" * 32].count == 12
        await work.failures.take_back(b"k" * 32)
        assert (await work.failures.find([b"k" * 32]))[b"k" * 32].count == 11


async def test_an_old_failure_is_forgotten(stores):
    begin, _, _ = stores
    async with begin() as work:
        await work.failures.find([b"k" * 32, b"n" * 32])
        await work.failures.put([Failures(b"k" * 32, 9, NOW, NOW)], forget_before=NOW - timedelta(days=1))
    tomorrow = NOW + timedelta(days=1, minutes=1)
    async with begin() as work:
        await work.failures.find([b"n" * 32])
        await work.failures.put([Failures(b"n" * 32, 1, tomorrow, tomorrow)], forget_before=tomorrow - timedelta(days=1))
        assert (await work.failures.find([b"k" * 32]))[b"k" * 32].count == 0


async def test_an_office_comes_back_as_it_was_filed(stores):
    begin, reader, _ = stores
    hours = parse_hours("lu-vi 08:00-12:00,13:00-16:00; do 00:00-24:00")
    office = Office(Code("consulado-houston"), "Houston ñ", "Houston", "America/Chicago", "US", hours, True, None)
    async with begin() as work:
        assert await work.offices.add(office)
        assert not await work.offices.add(office)
        assert await work.offices.find(office.code) == office
        await work.offices.close(office.code, now=NOW)
    [listed] = await reader.offices()
    assert listed.closed_at == NOW


async def test_a_step_that_fails_leaves_nothing(stores):
    begin, reader, _ = stores

    async def step():
        async with begin() as work:
            await work.persons.add(person(1))
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await step()
    assert await reader.people() == []


async def test_a_restore_signs_everybody_out(stores):
    from contracts.leaves import LeafEvent, LeafFields
    from gateway.main.node import Leaves
    from gateway.storage.restoring import Opening, old_head, open_epoch

    begin, reader, engine = stores
    async with begin() as work:
        await work.persons.add(person(1))
        await work.sessions.open(Session(b"a" * 32, person(1).person_id, NOW, NOW, NOW + timedelta(hours=8)))
        await work.sessions.invite(Invitation(b"i" * 32, person(1).person_id, NOW + timedelta(hours=8)))
    leaf = Leaves().leaf(LeafFields(at=0, event=LeafEvent.KEY))
    await open_epoch(engine, await old_head(engine), Opening("x/restored-1", "x", NOW, leaf, []), now=NOW)
    assert await reader.session(b"a" * 32) is None
    async with begin() as work:
        assert await work.sessions.take(b"i" * 32, now=NOW) is None
    assert [item.person for item in await reader.people()] == [person(1)], "the people themselves are restored"
