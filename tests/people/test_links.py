"""Links that sign in once: at a demonstration only, spent by the button and not by a look, kept by digest, told to no log."""

from dataclasses import replace

import pytest
import structlog

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.links import LinkPages
from gateway.main.first_person import make_demo_link
from gateway.people import links
from gateway.people.accounts import accept, invite
from gateway.people.errors import PeopleError, WrongCredentialsError
from gateway.people.links import LIFE, enter, make_link
from gateway.people.sign_in import Knock, sign_in
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.people.hired import ADMIN, PASSWORD, _made_quick, hired_at
from tests.people.world import OFFICE, open_world

WHO = "o.ficticia"
KNOCK = Knock("test")


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        await hired_at(found.desk, f"officer@{OFFICE}", login=WHO)
        yield found


async def path_of(world):
    return f"/enlace/{(await make_link(WHO, world.desk)).code}"


async def test_a_link_signs_its_person_in_once_and_a_look_does_not_spend_it(world):
    visitor, path = Visitor(world.base), await path_of(world)
    for _ in range(3):  # what browsers and mail scanners do ahead
        page = await visitor.get(path)
        assert page.status == 200
        assert visitor.cookies == {}
    came = await visitor.post(path)
    assert (came.status, came.location) == (303, "/")
    assert WHO in (await visitor.get("/cuenta")).text
    again = await Visitor(world.base).post(path)
    assert again.status == 401
    assert "ya se usó" in again.text


async def test_control_a_look_that_spends_would_be_seen(world, monkeypatch):
    monkeypatch.setattr(LinkPages, "_look", LinkPages._enter)
    async with open_world(world.folder / "other", monkeypatch) as other:
        await hired_at(other.desk, f"officer@{OFFICE}", login=WHO)
        visitor, path = Visitor(other.base), await path_of(other)
        await visitor.get(path)
        assert SESSION_COOKIE in visitor.cookies


async def test_another_site_cannot_sign_somebody_in(world):
    visitor, path = Visitor(world.base), await path_of(world)
    assert (await visitor.post(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await visitor.post(path)).status == 303  # not spent


async def test_it_lasts_a_quarter_of_an_hour_and_a_later_one_ends_it(world):
    first = await path_of(world)
    second = await path_of(world)
    assert (await Visitor(world.base).post(first)).status == 401
    world.clock.forward(seconds=LIFE.total_seconds() - 1)
    assert (await Visitor(world.base).post(second)).status == 303
    third = await path_of(world)
    world.clock.forward(seconds=LIFE.total_seconds())
    assert (await Visitor(world.base).post(third)).status == 401


async def test_a_shut_account_has_no_way_in(world):
    path = await path_of(world)
    admin = (await sign_in(ADMIN, PASSWORD, KNOCK, _made_quick(world.desk))).principal
    await invite(WHO, admin, world.desk)
    assert (await Visitor(world.base).post(path)).status == 401
    with pytest.raises(PeopleError, match="no está abierta"):
        await make_link(WHO, world.desk)
    with pytest.raises(PeopleError, match="No hay una persona"):
        await make_link("nadie", world.desk)


@pytest.mark.parametrize("code", ["", "x", "ñ", "A" * 64, "0" * 63, "0" * 65, "0" * 64, " " * 64, "../cuenta"])
async def test_what_is_no_code_opens_nothing(world, code):
    with pytest.raises(WrongCredentialsError):
        await enter(code, KNOCK, world.desk)


# -- a real node -----------------------------------------------------------------------------------------------------------


def made_real(world):
    """The node goes by a register that is of no demonstration."""
    trust = world.node.trust
    trust.state = replace(trust.state, federation=trust.state.federation.model_copy(update={"demo": False}))


async def test_a_node_that_is_no_demonstration_makes_no_link_and_takes_none(world):
    path = await path_of(world)
    made_real(world)
    visitor = Visitor(world.base)
    assert (await visitor.get(path)).status == 404
    assert (await visitor.post(path)).status == 404
    assert visitor.cookies == {}
    with pytest.raises(Exception, match="sólo en una demostración"):
        await make_demo_link(world.node.config.model_copy(update={"demo": False}), WHO, clock=world.clock)


async def test_control_without_the_check_a_real_node_would_let_somebody_in(world, monkeypatch):
    path = await path_of(world)
    made_real(world)
    monkeypatch.setattr(LinkPages, "_refuse_elsewhere", lambda _self: None)
    assert (await Visitor(world.base).post(path)).status == 303


# -- what is kept, and what is told ----------------------------------------------------------------------------------------


async def test_only_its_digest_is_kept_and_no_log_is_told_the_code(world, monkeypatch, capfd):
    code = (await make_link(WHO, world.desk)).code
    kept = repr(await table(world.node, "SELECT * FROM invitations"))
    assert code not in kept
    assert bytes.fromhex(code) not in [row[0] for row in await table(world.node, "SELECT digest FROM invitations")]

    async def broken(*_args):
        raise RuntimeError("x")

    with structlog.testing.capture_logs() as told, monkeypatch.context() as patch:
        patch.setattr("gateway.console.pages.links.enter", broken)
        patch.setattr("gateway.console.pages.site.log", structlog.get_logger())  # a logger keeps the settings of its first line
        assert (await Visitor(world.base).post(f"/enlace/{code}")).status == 500
    assert [line["event"] for line in told] == ["private-port-failed"]  # control: there was something to tell
    assert code not in repr(told) + "".join(capfd.readouterr())
    assert code not in repr(await world.leaves())
    assert code not in (await Visitor(world.base).get("/metrics")).text
    page = await Visitor(world.base).get(f"/enlace/{code}")
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")


async def test_a_link_is_no_invitation_and_an_invitation_no_link(world):
    link = await make_link(WHO, world.desk)
    with pytest.raises(WrongCredentialsError):
        await accept(WHO, _as_secret(link.code), "una clave nueva y larga", KNOCK, world.desk)
    admin = (await sign_in(ADMIN, PASSWORD, KNOCK, _made_quick(world.desk))).principal
    invited = await invite(WHO, admin, world.desk)
    with pytest.raises(WrongCredentialsError):
        await enter(_as_code(invited.code), KNOCK, world.desk)
    # Neither spent the other.
    await accept(WHO, invited.code, "una clave nueva y larga", KNOCK, world.desk)


async def test_control_links_kept_like_invitations_would_be_taken_for_one(world, monkeypatch):
    monkeypatch.setattr(links, "_USE", b"")
    link = await make_link(WHO, world.desk)
    async with world.desk.begin() as work:
        digest = links._digest(link.code)
        assert digest is not None
        assert await work.sessions.invited(digest, now=world.clock.now())
    from keys.passwords import secret_digest

    assert secret_digest(_as_secret(link.code)) == digest


def _as_secret(code):
    from contracts.codec import b64u_encode

    return b64u_encode(bytes.fromhex(code))


def _as_code(secret):
    from contracts.codec import b64u_decode

    return b64u_decode(secret).hex()
