"""A person is their id: two approvals, two sessions, two offices or two lives of an account never make two persons."""

import asyncio

import pytest

from contracts.ids import Code
from gateway.console.access import PRINCIPAL
from gateway.console.requests import by_of
from gateway.exchange.agreeing import agreed
from gateway.exchange.gate import By
from gateway.people.errors import SignedOutError
from gateway.people.sign_in import resolve
from tests.people.world import ADMIN, OFFICE, open_world

ANA, EVA = "ana.ficticia", "eva.ficticia"
ACT, CASE = Code("case.close"), "MBMID-2026-000001"


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
    return await says_yes(world, await who(world, login))


async def says_yes(world, principal):
    node = next(iter(world.federation.nodes.values())).capabilities
    async with node.begin() as work:
        return await agreed(ACT, CASE, "detained", work, node, by=By(str(principal.person_id), principal.actor))


async def test_two_approvals_of_one_person_are_one_whatever_happened_between(world):
    assert not await yes(world, ANA)
    assert not await yes(world, ANA)
    first = (await who(world, ANA)).actor
    await world.login(ANA, home="another machine")
    assert not await says_yes(world, await resolve(world.token("another machine"), world.desk))
    await world.cli(ADMIN, "user", "roles", ANA, "--role", "officer@otra", "--role", f"office-head@{OFFICE}")
    await world.login(ANA)
    assert not await yes(world, ANA)
    await world.cli(ADMIN, "user", "disable", ANA)
    # The name is not given to another id, not even with the account shut.
    again = await world.cli(ADMIN, "user", "add", ANA, "--name", "Otra", "--role", f"officer@{OFFICE}", code=6)
    assert "user enable" in again.output
    invitation = (await world.ask(ADMIN, "user", "enable", ANA))["invitation"]
    await world.accept(ANA, invitation)
    assert not await yes(world, ANA)
    assert (await who(world, ANA)).actor == first, "one person has one pseudonym, for ever"
    # Control: another person is the second.
    assert await yes(world, EVA)
    assert (await who(world, EVA)).actor != first
    said = [leaf["actor"] for leaf in await world.leaves() if leaf.get("detail") == f"agreed {ACT} detained"]
    assert len(set(said)) == 2


async def test_approvals_given_at_once_through_two_sessions_are_one(world):
    await world.login(ANA, home="another machine")
    both = [await who(world, ANA), await resolve(world.token("another machine"), world.desk)]
    assert set(await asyncio.gather(*(says_yes(world, one) for one in both * 5))) == {False}


async def test_people_who_come_in_at_once_all_come_in(world):
    from gateway.people.sign_in import Knock, sign_in
    from tests.people.world import password_of

    logins = [ADMIN, ANA, EVA] * 3
    found = await asyncio.gather(*(sign_in(login, password_of(login), Knock("desk"), world.desk) for login in logins))
    assert [str(one.principal.login) for one in found] == logins
    assert len({one.token for one in found}) == len(logins)


async def test_two_persons_who_say_yes_at_once_are_two(world):
    both = [await who(world, ANA), await who(world, EVA)]
    assert True in await asyncio.gather(*(says_yes(world, one) for one in both))


async def test_a_machine_is_nobody_who_could_agree(world):
    with pytest.raises(SignedOutError):
        by_of({PRINCIPAL: world.api._door._machine(world.clock.now())})


async def test_control_counting_approvals_instead_of_persons_is_seen(world, monkeypatch):
    """A table whose key is the approval and not the person would take two sessions for two persons."""
    from gateway.storage.holds import SqlHolds

    said = []

    async def agree(self, subject, person, *, now, since):
        said.append(person)
        return list(said)

    monkeypatch.setattr(SqlHolds, "agree", agree)
    await yes(world, ANA)
    assert await yes(world, ANA)


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
