"""A person is their id: two approvals, two sessions, two offices or two lives of an account never make two persons."""

import asyncio

import pytest

from contracts.ids import Code
from gateway.people.approvals import approve
from gateway.people.errors import InvalidError
from gateway.people.sign_in import resolve
from tests.people.world import ADMIN, OFFICE, open_world

ANA, EVA = "ana.ficticia", "eva.ficticia"
ACT, SUBJECT = Code("disclosure.release"), "01990000-0000-7000-8000-000000000001"


@pytest.fixture
async def world(tmp_path, monkeypatch, database_urls):
    async with open_world(tmp_path, monkeypatch, database_urls) as found:
        await found.bootstrap()
        await found.open_office()
        await found.open_office("otra")
        await found.hire(ANA, f"officer@{OFFICE}")
        await found.hire(EVA, f"officer@{OFFICE}")
        yield found


async def who(world, login):
    return await resolve(world.token(login), world.desk)


async def yes(world, login):
    return await approve(ACT, SUBJECT, await who(world, login), world.desk)


async def test_two_approvals_of_one_person_are_one_whatever_happened_between(world):
    assert await yes(world, ANA) == 1
    assert await yes(world, ANA) == 1
    first = (await who(world, ANA)).actor
    await world.login(ANA, home="another machine")
    assert await approve(ACT, SUBJECT, await resolve(world.token("another machine"), world.desk), world.desk) == 1
    await world.cli(ADMIN, "user", "roles", ANA, "--role", "officer@otra", "--role", f"office-head@{OFFICE}")
    await world.login(ANA)
    assert await yes(world, ANA) == 1
    await world.cli(ADMIN, "user", "disable", ANA)
    # The name is not given to another id, not even with the account shut.
    again = await world.cli(ADMIN, "user", "add", ANA, "--name", "Otra", "--role", f"officer@{OFFICE}", code=6)
    assert "user enable" in again.output
    invitation = (await world.ask(ADMIN, "user", "enable", ANA))["invitation"]
    await world.accept(ANA, invitation)
    assert await yes(world, ANA) == 1
    assert (await who(world, ANA)).actor == first, "one person has one pseudonym, for ever"
    # Control: another person is the second.
    assert await yes(world, EVA) == 2
    assert (await who(world, EVA)).actor != first
    given = [leaf for leaf in await world.leaves() if leaf.get("detail") == "approval.given"]
    assert len(given) == 2


async def test_approvals_given_at_once_through_two_sessions_are_one(world):
    await world.login(ANA, home="another machine")
    both = [await who(world, ANA), await resolve(world.token("another machine"), world.desk)]
    counts = await asyncio.gather(*(approve(ACT, SUBJECT, one, world.desk) for one in both * 5))
    assert set(counts) == {1}


async def test_people_who_come_in_at_once_all_come_in(world):
    from gateway.people.sign_in import Knock, sign_in
    from tests.people.world import password_of

    logins = [ADMIN, ANA, EVA] * 3
    found = await asyncio.gather(*(sign_in(login, password_of(login), Knock("desk"), world.desk) for login in logins))
    assert [str(one.principal.login) for one in found] == logins
    assert len({one.token for one in found}) == len(logins)


async def test_a_machine_approves_nothing(world):
    principal = world.api._door._machine(world.clock.now())
    with pytest.raises(InvalidError):
        await approve(ACT, SUBJECT, principal, world.desk)


async def test_control_counting_approvals_instead_of_persons_is_seen(world, monkeypatch):
    """A table whose key is the approval and not the person would take two sessions for two persons."""
    from gateway.storage.people import SqlApprovals

    said = []

    async def give(self, subject, person_id, *, now):
        said.append(person_id)
        return True

    async def given(self, subject):
        return list(said)

    monkeypatch.setattr(SqlApprovals, "give", give)
    monkeypatch.setattr(SqlApprovals, "given", given)
    await yes(world, ANA)
    assert await yes(world, ANA) == 2


async def test_nobody_decides_on_their_own_account_and_one_administrator_stays(world):
    for words in (("disable",), ("invite",), ("enable",), ("roles", "--role", "auditor")):
        refused = await world.cli(ADMIN, "user", words[0], ADMIN, *words[1:], code=5)
        assert "su propia cuenta" in refused.output
    # Two administrators who shut each other out at the same moment: one of them is too late.
    await world.hire("tec.ficticia", "node-admin")
    one, other = await who(world, ADMIN), await who(world, "tec.ficticia")
    from gateway.people.accounts import disable

    done = await asyncio.gather(
        disable("tec.ficticia", one, world.desk), disable(ADMIN, other, world.desk), return_exceptions=True
    )
    assert sum(result is None for result in done) == 1, done
    people = await world.desk.reader.people()
    assert sum(item.person.state == "enabled" and "node-admin" in map(str, item.posts) for item in people) == 1


async def test_an_import_carries_the_pseudonym_of_who_sent_it(tmp_path, monkeypatch):
    from contracts.codec import decode_message

    async with open_world(tmp_path, monkeypatch, None, "gt.conamigua", "gt.igm.mbmid") as world:
        await world.bootstrap()
        await world.open_office()
        await world.hire(ANA, f"desk-clerk@{OFFICE}")
        world.mappings()
        source = tmp_path / "r.csv"
        source.write_text("Nombres,Apellidos,Edad,Último contacto\nFicticio,Caal,30,2026-10-15\n")
        await world.cli(ANA, "report", "transfer", source, "-m", "reportes_conamigua")
        await world.federation.settle()
        opener = world.federation.nodes["gt.igm.mbmid"].capabilities.opener
        sent = [
            decode_message(opener.verify(opener.open(envelope).jws).payload)
            for peer, envelope in world.federation.network.carried
            if peer == "gt.igm.mbmid"
        ]
        [report] = [message for message in sent if message.type == "report.transfer"]
        assert report.actor == (await who(world, ANA)).actor
        leaf = next(leaf for leaf in await world.leaves() if leaf.get("jti") == report.message_id)
        assert leaf["actor"] == report.actor
