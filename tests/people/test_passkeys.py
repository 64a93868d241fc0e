"""Passkeys by an authenticator in software: adding, coming in, confirming; what is no answer to what was asked; controls."""

import asyncio
import html
import json
import re

import pytest

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.cookies import STEP_COOKIE
from gateway.people import passkeys as module
from gateway.people.codes import step_holder, take_step
from gateway.people.factor_ports import Use
from gateway.people.ids import Login
from gateway.people.sign_in import Carrier
from keys.passkeys import RelyingParty, answer_of, went_back
from tests.console.visitor import Visitor
from tests.people.authenticator import UP, UV, Authenticator
from tests.people.factors import codes_of, demand, entering, quicken
from tests.people.hired import hired_at
from tests.people.world import OFFICE, open_world

OFFICER, OTHER = "o.ficticia", "p.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        quicken(found)
        # As a node behind a proxy is: what it is called is configured, and not what a request says.
        object.__setattr__(found.desk, "site", RelyingParty(found.base, "consola.example"))
        for login in (OFFICER, OTHER):
            await hired_at(found.desk, f"officer@{OFFICE}", login=login, carrier=Carrier.COOKIE)
        yield found


def options_of(page):
    return html.unescape(re.search(r'data-opciones="([^"]*)"', page.text)[1])


async def adding(world, visitor, authenticator, name="llavero azul", **changed):
    assert (await visitor.post("/cuenta/llaves")).location == "/cuenta/llaves"
    options = options_of(await visitor.get("/cuenta/llaves"))
    return await visitor.post(
        "/cuenta/llaves/respuesta", {"respuesta": authenticator.create(options, **changed), "nombre": name}
    )


async def with_key(world, login=OFFICER, **more):
    visitor, _ = await entering(world, login)
    authenticator = Authenticator(world.base, **more)
    page = await adding(world, visitor, authenticator)
    assert page.location == "/cuenta/recuperacion", page.text
    return visitor, authenticator


async def asked(world):
    """A browser at the door, and what it is asked."""
    visitor = Visitor(world.base)
    assert (await visitor.post("/entrar/llave", {"sigue": "/cuenta"})).location == "/entrar/llave?sigue=/cuenta"
    return visitor, options_of(await visitor.get("/entrar/llave"))


async def answering(visitor, text):
    return await visitor.post("/entrar/llave/respuesta", {"respuesta": text, "sigue": "/cuenta"})


async def held(world, login=OFFICER):
    async with world.desk.begin() as work:
        person = await work.persons.by_login(Login(login))
        return await work.factors.held(person.person_id)


# -- as it should be ----------------------------------------------------------------------------------------------------


async def test_a_passkey_is_added_named_and_opens_without_a_login_or_a_password(world):
    visitor, authenticator = await with_key(world)
    assert len(codes_of(await visitor.get("/cuenta/recuperacion"))) == 10
    text = (await visitor.get("/cuenta")).text
    assert "llavero azul" in text
    assert "todavía no" in text
    assert "Falta una segunda llave" in text
    newcomer, options = await asked(world)
    told = json.loads(options)
    assert told["rpId"] == "consola.example"
    assert not told.get("allowCredentials")
    page = await answering(newcomer, authenticator.sign(options))
    assert (page.status, page.location) == (303, "/cuenta")
    text = (await newcomer.get("/cuenta")).text
    assert OFFICER in text
    assert "con llave de acceso" in text
    assert "todavía no" not in text
    assert STEP_COOKIE not in newcomer.cookies
    second = Authenticator(world.base)
    assert (await adding(world, newcomer, second, "caja fuerte")).location == "/cuenta?hecho=llave"
    assert "Falta una segunda llave" not in (await newcomer.get("/cuenta")).text
    assert len((await held(world)).passkeys) == 2


async def test_with_a_passkey_a_password_alone_is_not_enough(world):
    _, authenticator = await with_key(world)
    visitor, page = await entering(world, OFFICER)
    assert page.location == "/entrar/codigo"
    assert SESSION_COOKIE not in visitor.cookies
    assert 'action="/entrar/llave"' in (await visitor.get("/entrar/codigo")).text
    await visitor.post("/entrar/llave", {"sigue": "/"})
    options = options_of(await visitor.get("/entrar/llave"))
    assert (await answering(visitor, authenticator.sign(options))).status == 303


async def test_a_passkey_confirms_who_one_is_and_satisfies_a_node_that_asks_for_more(world):
    demand(world, require_factor=True)
    _, authenticator = await with_key(world)
    world.clock.forward(days=9)
    visitor, options = await asked(world)
    await answering(visitor, authenticator.sign(options))
    assert (await visitor.get("/bandeja")).status == 200
    world.clock.forward(minutes=6)
    assert (await visitor.post("/cuenta/llaves")).status == 403
    assert 'action="/confirmar/llave"' in (await visitor.get("/confirmar")).text
    await visitor.post("/confirmar/llave", {"sigue": "/cuenta"})
    page = await visitor.get("/confirmar/llave")
    assert len(json.loads(options_of(page))["allowCredentials"]) == 1
    before = visitor.cookies[SESSION_COOKIE]
    page = await visitor.post(
        "/confirmar/llave/respuesta", {"respuesta": authenticator.sign(options_of(page)), "sigue": "/cuenta"}
    )
    assert (page.status, page.location) == (303, "/cuenta")
    assert visitor.cookies[SESSION_COOKIE] != before
    assert (await visitor.post("/cuenta/llaves")).status == 303


async def test_a_key_is_taken_away_by_its_owner_alone_and_opens_nothing_more(world):
    visitor, authenticator = await with_key(world)
    handle = re.search(r'name="llave" value="([^"]+)"', (await visitor.get("/cuenta")).text)[1]
    stranger, _ = await entering(world, OTHER)
    assert (await stranger.post("/cuenta/llaves/quitar", {"llave": handle})).status == 404
    assert len((await held(world)).passkeys) == 1
    assert (await visitor.post("/cuenta/llaves/quitar", {"llave": handle})).location == "/cuenta?hecho=sin-llave"
    assert not (await held(world)).any
    newcomer, options = await asked(world)
    assert (await answering(newcomer, authenticator.sign(options))).status == 401
    details = [leaf.get("detail") for leaf in await world.leaves()]
    assert {"user.factor-added", "user.factor-removed"} <= set(details)


async def test_whoever_is_shut_out_does_not_come_in_by_passkey(world):
    from gateway.people.ports import PersonState

    _, authenticator = await with_key(world)
    async with world.desk.begin() as work:
        person = await work.persons.by_login(Login(OFFICER))
        await work.persons.set_state(person.person_id, PersonState.DISABLED)
    visitor, options = await asked(world)
    assert (await answering(visitor, authenticator.sign(options))).status == 401
    assert SESSION_COOKIE not in visitor.cookies


# -- challenges ---------------------------------------------------------------------------------------------------------


async def test_a_challenge_is_good_once_whatever_the_answer_was(world):
    _, authenticator = await with_key(world)
    visitor, options = await asked(world)
    assert (await answering(visitor, "{}")).status == 401
    assert (await answering(visitor, authenticator.sign(options))).location == "/entrar?otra=vez"
    visitor, options = await asked(world)
    pages = await asyncio.gather(*(answering(visitor, authenticator.sign(options)) for _ in range(3)))
    assert sorted(page.location for page in pages) == ["/cuenta", "/entrar?otra=vez", "/entrar?otra=vez"]


async def test_a_challenge_is_short_lived(world):
    _, authenticator = await with_key(world)
    visitor, options = await asked(world)
    world.clock.forward(minutes=5, seconds=1)
    assert (await answering(visitor, authenticator.sign(options))).location == "/entrar?otra=vez"


async def test_an_answer_to_the_challenge_of_another_browser_or_session_is_refused(world):
    visitor, authenticator = await with_key(world)
    mine, options = await asked(world)
    thief, _ = await asked(world)
    assert (await answering(thief, authenticator.sign(options))).status == 401
    assert (await answering(Visitor(world.base), authenticator.sign(options))).location == "/entrar?otra=vez"
    # Nor across uses: a challenge of the door confirms nothing, one of a session opens no door.
    await visitor.post("/confirmar/llave")
    confirming = options_of(await visitor.get("/confirmar/llave"))
    assert (await answering(mine, authenticator.sign(confirming))).status == 401
    other, _ = await entering(world, OTHER)
    await other.post("/confirmar/llave")
    page = await other.post("/confirmar/llave/respuesta", {"respuesta": authenticator.sign(confirming)})
    assert page.status == 422
    assert (await other.get("/cuenta")).status == 200


async def test_somebody_elses_passkey_confirms_nobody(world):
    _, mine = await with_key(world)
    other, theirs = await with_key(world, OTHER)
    await other.post("/confirmar/llave")
    options = options_of(await other.get("/confirmar/llave"))
    assert (await other.post("/confirmar/llave/respuesta", {"respuesta": mine.sign(options)})).status == 422
    await other.post("/confirmar/llave")
    options = options_of(await other.get("/confirmar/llave"))
    assert (await other.post("/confirmar/llave/respuesta", {"respuesta": theirs.sign(options)})).status == 303


async def test_control_challenges_that_are_not_bound_to_a_browser_are_seen(world, monkeypatch):
    _, authenticator = await with_key(world)
    owner, options = await asked(world)
    thief, _ = await asked(world)

    async def anybodys(_holder, use, desk):
        return await take_step(step_holder(owner.cookies[STEP_COOKIE]), use, desk)

    monkeypatch.setattr(module, "take_step", anybodys)
    page = await answering(thief, authenticator.sign(options))
    assert (page.status, page.location) == (303, "/cuenta")
    assert SESSION_COOKIE in thief.cookies


async def test_strangers_make_us_keep_no_more_than_so_much(world, monkeypatch):
    monkeypatch.setattr("gateway.people.codes.STRANGERS", 3)
    visitor = Visitor(world.base)
    assert [(await visitor.post("/entrar/llave")).status for _ in range(5)] == [303, 303, 303, 429, 429]
    world.clock.forward(minutes=6)
    async with world.desk.begin() as work:
        await work.steps.put(_any_step(world), now=world.clock.now())
    assert (await visitor.post("/entrar/llave")).status == 303


def _any_step(world):
    from datetime import timedelta

    from gateway.people.factor_ports import Step

    return Step(b"x" * 32, Use.KNOCK, None, b"", world.clock.now() + timedelta(minutes=1))


# -- answers that are none ----------------------------------------------------------------------------------------------


async def refused(world, authenticator, **changed):
    visitor, options = await asked(world)
    page = await answering(visitor, authenticator.sign(options, **changed))
    assert SESSION_COOKIE not in visitor.cookies
    return page.status == 401


async def test_what_is_no_answer_opens_nothing(world):
    _, authenticator = await with_key(world)
    assert await refused(world, authenticator, challenge="A" * 43)
    assert await refused(world, authenticator, rpId="otra.example")
    assert await refused(world, authenticator, kind="webauthn.create")
    assert await refused(world, authenticator, owner=None)
    assert await refused(world, authenticator, owner=b"x" * 32)
    elsewhere = Authenticator("https://consola.evil.example", keys=authenticator.keys)
    assert await refused(world, elsewhere)
    for flags in (UV, UP, 0):
        assert await refused(world, Authenticator(world.base, flags=flags, keys=authenticator.keys)), flags
    visitor, options = await asked(world)
    forged = json.loads(authenticator.sign(options))
    forged["response"]["signature"] = forged["response"]["signature"][:-4] + "AAAA"
    assert (await answering(visitor, json.dumps(forged))).status == 401
    stranger = Authenticator(
        world.base,
        keys=[
            type(authenticator.keys[0])(
                authenticator.keys[0].credential, _another(), authenticator.keys[0].owner, "consola.example", 99
            )
        ],
    )
    assert await refused(world, stranger)
    # Control: the same authenticator, asked properly, opens.
    assert not await refused_softly(world, authenticator)


def _another():
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


async def refused_softly(world, authenticator):
    visitor, options = await asked(world)
    return (await answering(visitor, authenticator.sign(options))).status == 401


HOSTILE = [
    "", "{}", "[]", "null", "x", '{"rawId": 7}', '{"rawId": "AAAA"}', '{"rawId": "AAAA", "response": []}', "{" * 50_000,
    '{"rawId": "AAAA", "response": {"userHandle": "AAAA"}}', '{"rawId": "' + "A" * 9000 + '", "response": {"userHandle": "AAAA"}}',
    '{"rawId": "\\ud800", "response": {"userHandle": "AAAA"}}', '{"id":"AAAA","rawId":"AAAA","type":"x","response":{"userHandle":"AAAA","clientDataJSON":"AA","authenticatorData":"AA","signature":"AA"}}',
]  # fmt: skip


async def test_hostile_answers_are_refused_and_break_nothing(world):
    visitor, _ = await entering(world, OTHER)
    for text in HOSTILE:
        newcomer, _ = await asked(world)
        assert (await answering(newcomer, text)).status == 401, text[:60]
        await visitor.post("/cuenta/llaves")
        page = await visitor.post("/cuenta/llaves/respuesta", {"respuesta": text, "nombre": "x"})
        assert page.status == 422, text[:60]
    assert not (await held(world, OTHER)).any


async def test_a_new_key_for_another_challenge_site_or_of_nobody_verified_is_not_kept(world):
    visitor, _ = await entering(world, OFFICER)
    for authenticator, changed in (
        (Authenticator(world.base), {"challenge": "A" * 43}),
        (Authenticator(world.base), {"rp": {"id": "otra.example"}}),
        (Authenticator("https://otra.example"), {}),
        (Authenticator(world.base, flags=UP), {}),
        (Authenticator(world.base, flags=UV), {}),
    ):
        assert (await adding(world, visitor, authenticator, **changed)).status == 422
    assert not (await held(world)).any
    assert (await adding(world, visitor, Authenticator(world.base), "")).status == 422
    assert (await adding(world, visitor, Authenticator(world.base), "x" * 61)).status == 422
    assert (await adding(world, visitor, Authenticator(world.base))).status == 303  # control
    assert len((await held(world)).passkeys) == 1


async def test_the_same_key_is_nobody_elses(world):
    _, authenticator = await with_key(world)
    visitor, _ = await entering(world, OTHER)
    await visitor.post("/cuenta/llaves")
    options = options_of(await visitor.get("/cuenta/llaves"))
    again = Authenticator(world.base)
    text = json.loads(again.create(options))
    # An authenticator that makes the id of somebody else's key again.
    again.keys[-1].credential = authenticator.keys[-1].credential
    text = _remade(again, options)
    assert (await visitor.post("/cuenta/llaves/respuesta", {"respuesta": text, "nombre": "x"})).status == 409
    assert not (await held(world, OTHER)).any


def _remade(authenticator, options):
    import os

    wanted = authenticator.keys[-1].credential
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "urandom", lambda size: wanted if size == 32 else bytes(size))
        return authenticator.create(options)


# -- counters -----------------------------------------------------------------------------------------------------------


def test_a_counter_must_grow_where_there_is_one():
    assert [went_back(*pair) for pair in ((1, 0), (0, 0), (5, 5), (4, 5), (0, 5))] == [False, False, True, True, True]


async def test_a_counter_that_went_back_is_refused_and_told(world):
    _, authenticator = await with_key(world)
    assert not await refused_softly(world, authenticator)
    authenticator.keys[-1].counter = 0
    assert await refused(world, authenticator)
    details = [leaf.get("detail", "") for leaf in await world.leaves()]
    assert [detail for detail in details if detail.startswith("sign-in.passkey-copied a:")]
    authenticator.keys[-1].counter = 7
    assert not await refused_softly(world, authenticator)


async def test_a_key_that_does_not_count_is_no_copy(world):
    _, authenticator = await with_key(world, counts=False)
    for _ in range(3):
        assert not await refused_softly(world, authenticator)


async def test_a_forged_counter_of_somebody_without_the_key_is_not_told_as_a_copy(world):
    _, authenticator = await with_key(world)
    await refused_softly(world, authenticator)
    key = authenticator.keys[0]
    stranger = Authenticator(world.base, keys=[type(key)(key.credential, _another(), key.owner, key.rp_id, -1 + 1)])
    assert await refused(world, stranger)
    assert not [leaf for leaf in await world.leaves() if "passkey-copied" in leaf.get("detail", "")]


async def test_control_a_copied_key_that_nobody_notices_is_seen(world, monkeypatch):
    monkeypatch.setattr(module, "went_back", lambda _counter, _before: False)
    _, authenticator = await with_key(world)
    await refused_softly(world, authenticator)
    authenticator.keys[-1].counter = 0
    assert not await refused_softly(world, authenticator)


# -- the site -----------------------------------------------------------------------------------------------------------


async def test_at_another_address_the_page_says_where_passkeys_work(world):
    object.__setattr__(world.desk, "site", RelyingParty.at("https://consola.example"))
    visitor = Visitor(world.base)
    await visitor.post("/entrar/llave")
    page = await visitor.get("/entrar/llave")
    assert "data-opciones" not in page.text
    assert 'href="https://consola.example"' in page.text


def test_a_site_is_its_address():
    site = RelyingParty.at("https://consola.example:8443")
    assert (site.origin, site.rp_id, site.host) == ("https://consola.example:8443", "consola.example", "consola.example:8443")
    assert answer_of("ñ") is None


@pytest.mark.parametrize(
    "url",
    ["http://consola.example", "https://consola.example/", "https://a b", "http://127.0.0.1", "javascript:x", "https://", ""],
)
def test_an_address_without_tls_or_with_a_path_is_no_place_for_pages(url):
    from pydantic import ValidationError

    from gateway.config import PrivateConfig

    assert PrivateConfig(url="https://consola.example").url
    assert PrivateConfig(url="http://localhost:8441").url
    with pytest.raises(ValidationError):
        PrivateConfig(url=url)
