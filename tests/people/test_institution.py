"""Coming in by a made-up ministry's own sign-in: who is let in, what is refused and in which words; controls."""

import html
import re
from dataclasses import replace

import pytest

from gateway.console.access import SESSION_COOKIE
from gateway.console.institution_client import InstitutionClient
from gateway.console.pages.cookies import STEP_COOKIE
from gateway.people import institution as module
from gateway.people.ids import Login
from gateway.people.institution_ports import Institution
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.people.factors import demand, entering, now_code, quicken, with_app
from tests.people.hired import hired_at
from tests.people.ministry import CLIENT, SECRET, ministry
from tests.people.world import OFFICE, open_world

OFFICER, OTHER, SUBJECT = "o.ficticia", "p.ficticia", "f-1234"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found, ministry(found.clock.now) as there:
        quicken(found)
        found.there = there
        client = InstitutionClient(there.issuer, CLIENT, SECRET, found.clock.now)
        use(found, Institution(client, there.issuer, CLIENT, "Ministerio Ficticio", f"{found.base}/entrar/institucion/vuelta"))
        for login in (OFFICER, OTHER):
            await hired_at(found.desk, f"officer@{OFFICE}", login=login, carrier=Carrier.COOKIE)
        found.admin = await hired_at(found.desk, "node-admin", login="t.ficticia")
        yield found
        await client.close()


def use(world, house):
    object.__setattr__(world.desk, "institution", house)


def change(world, **changed):
    use(world, replace(world.desk.institution, **changed))


async def linked(world, login=OFFICER, subject=SUBJECT):
    return await world.call("POST", "/api/v1/people/link", world.admin, {"login": login, "subject": subject})


async def sent(visitor, path="/entrar/institucion", sigue="/cuenta"):
    """Where a browser is sent."""
    page = await visitor.post(path, {"sigue": sigue})
    assert page.status == 200, page.text
    address = html.unescape(re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)[1])
    assert html.unescape(re.search(r'<a href="([^"]+)" rel="noreferrer"', page.text)[1]) == address
    return address


async def brought(visitor, back):
    """A browser comes back from another site, without our cookies, and a page of ours sends on what it brought."""
    query = "&".join(f"{name}={value}" for name, value in back.items())
    page = await Visitor(visitor.base).get(f"/entrar/institucion/vuelta?{query}")
    fields = dict(re.findall(r'<input type="hidden" name="(code|state|iss|error)" value="([^"]*)"', page.text))
    return await visitor.post("/entrar/institucion/vuelta", {name: html.unescape(value) for name, value in fields.items()})


async def through(world, subject=SUBJECT, **changed):
    visitor = Visitor(world.base)
    back = world.there.let_in(await sent(visitor), subject)
    return visitor, await brought(visitor, back | changed)


# -- as it should be ----------------------------------------------------------------------------------------------------


async def test_whoever_is_linked_comes_in_and_goes_on_where_they_were_going(world):
    assert (await linked(world))[0] == 200
    assert "Entrar por Ministerio Ficticio" in (await Visitor(world.base).get("/entrar")).text
    visitor, page = await through(world)
    assert (page.status, page.location) == (303, "/cuenta")
    text = (await visitor.get("/cuenta")).text
    assert OFFICER in text
    assert "por su institución" in text
    assert STEP_COOKIE not in visitor.cookies
    assert world.there.asked[0]["max_age"] == "300"
    assert world.there.asked[0]["scope"] == "openid"
    details = [leaf.get("detail", "") for leaf in await world.leaves()]
    assert [detail for detail in details if detail.startswith("user.linked a:")]
    assert SUBJECT not in str(await world.leaves())


async def test_a_token_makes_no_account(world):
    people = len(await world.desk.reader.people())
    visitor, page = await through(world)
    assert page.status == 401
    assert "no está vinculada a ninguna de este nodo" in page.text
    assert SESSION_COOKIE not in visitor.cookies
    assert len(await world.desk.reader.people()) == people


async def test_a_link_is_one_persons_an_administrators_and_ends_sessions(world):
    visitor, _ = await entering(world, OFFICER)
    assert (await linked(world))[0] == 200
    assert (await visitor.get("/cuenta")).location.startswith("/entrar")
    assert (await linked(world, OTHER))[0] == 409
    assert (await linked(world, "t.ficticia", "otro"))[0] == 403
    officer = await hired_at(world.desk, f"officer@{OFFICE}", login="q.ficticia")
    body = {"login": OTHER, "subject": "x"}
    assert (await world.call("POST", "/api/v1/people/link", officer, body))[0] == 403
    for odd in ("", "x" * 256, "a\nb"):
        assert (await linked(world, OTHER, odd))[0] == 422
    assert (await world.call("POST", "/api/v1/people/unlink", world.admin, {"login": OFFICER}))[0] == 200
    assert (await world.call("POST", "/api/v1/people/unlink", world.admin, {"login": OFFICER}))[0] == 409
    assert (await through(world))[1].status == 401


async def test_who_is_shut_out_here_does_not_come_in_from_there_and_who_is_invited_does(world):
    await linked(world)
    await world.call("POST", "/api/v1/people/disable", world.admin, {"login": OFFICER})
    assert (await through(world))[1].status == 401
    await world.call("POST", "/api/v1/people/enable", world.admin, {"login": OFFICER})
    visitor, page = await through(world)
    assert page.status == 303
    assert (await visitor.get("/cuenta")).status == 200


async def test_by_an_address_only_one_the_ministry_vouches_for(world):
    change(world, by_email=True)
    await linked(world, subject="O.Ficticia@Ministerio.example")
    world.there.claims = {"email": "o.ficticia@ministerio.example", "email_verified": True}
    assert (await through(world))[1].status == 303
    assert world.there.asked[-1]["scope"] == "openid email"
    for vouched in (False, None, "true", 1):
        world.there.claims["email_verified"] = vouched
        assert (await through(world))[1].status == 401, vouched


async def test_a_second_factor_is_the_ministrys_where_it_says_so_and_this_nodes_otherwise(world):
    demand(world, require_factor=True)
    await linked(world)
    visitor, _ = await through(world)
    assert "este nodo pide algo más que la clave" in (await visitor.get("/cuenta")).text
    change(world, amr=frozenset({"mfa"}), acr=frozenset({"alto"}))
    assert (await through(world))[1].status == 401
    world.there.claims = {"amr": ["pwd"], "acr": "bajo"}
    _, page = await through(world)
    assert "sin la segunda prueba que este nodo pide" in page.text
    for claims in ({"amr": ["pwd", "mfa"]}, {"acr": "alto"}):
        world.there.claims = claims
        visitor, page = await through(world)
        assert page.status == 303
        assert "este nodo pide algo más" not in (await visitor.get("/cuenta")).text
    assert world.there.asked[-1]["acr_values"] == "alto"


async def test_who_has_an_app_here_shows_it_unless_the_ministry_asked_for_two(world):
    await linked(world)
    _, secret, _ = await with_app(world, OFFICER)
    visitor, page = await through(world)
    assert page.location == "/entrar/codigo?sigue=/cuenta", "the way they were going is not lost between the two proofs"
    assert SESSION_COOKIE not in visitor.cookies
    assert (await visitor.post("/entrar/codigo", {"codigo": now_code(world, secret)})).status == 303
    change(world, amr=frozenset({"mfa"}))
    world.there.claims = {"amr": ["mfa"]}
    assert (await through(world))[1].location == "/cuenta"


async def test_confirming_asks_for_the_person_then_and_there(world):
    await linked(world)
    visitor, _ = await through(world)
    world.clock.forward(minutes=6)
    assert (await visitor.post("/cuenta/codigo")).status == 403
    assert "Confirmar por Ministerio Ficticio" in (await visitor.get("/confirmar")).text
    address = await sent(visitor, "/confirmar/institucion")
    assert "prompt=login" in address
    world.there.claims = {"auth_time": int(world.clock.now().timestamp()) - 300}
    page = await brought(visitor, world.there.let_in(address))
    assert page.status == 401
    assert "no le pidió identificarse ahora" in page.text
    world.there.claims = {}
    page = await brought(visitor, world.there.let_in(await sent(visitor, "/confirmar/institucion")))
    assert (page.status, page.location) == (303, "/cuenta")
    assert (await visitor.post("/cuenta/codigo")).status == 303
    # Somebody else at the ministry confirms nothing for this person.
    await linked(world, OTHER, "f-9")
    visitor, _ = await through(world)
    page = await brought(visitor, world.there.let_in(await sent(visitor, "/confirmar/institucion"), "f-9"))
    assert page.status == 401


# -- what is refused ----------------------------------------------------------------------------------------------------

CLAIMS = {
    "another nonce": {"nonce": "A" * 43},
    "no nonce": {"nonce": None},
    "for somebody else": {"aud": "otra-aplicacion"},
    "for several, not ours by right": {"aud": [CLIENT, "otra"]},
    "for several, by right of another": {"aud": [CLIENT, "otra"], "azp": "otra"},
    "by right of another": {"azp": "otra"},
    "of another issuer": {"iss": "https://otra.example"},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
    "a subject that is none": {"sub": 7},
    "no end": {"exp": None},
    "an end that is none": {"exp": "mañana"},
    "when, nobody says": {"iat": None},
    "when it was shown, nobody says": {"auth_time": None},
}


@pytest.mark.parametrize("wrong", CLAIMS)
async def test_a_token_that_says_otherwise_opens_nothing(world, wrong):
    await linked(world)
    world.there.claims = CLAIMS[wrong]
    visitor, page = await through(world)
    assert page.status == 401, wrong
    assert SESSION_COOKIE not in visitor.cookies
    assert "No entró nadie" in page.text or "identificarse ahora" in page.text
    world.there.claims = {}
    assert (await through(world))[1].status == 303  # control


async def test_a_token_of_another_time_opens_nothing(world):
    await linked(world)
    now = int(world.clock.now().timestamp())
    for claims in (
        {"exp": now - 61}, {"iat": now - 700}, {"iat": now + 120}, {"nbf": now + 120}, {"auth_time": now - 400}, {"auth_time": now + 120},
    ):  # fmt: skip
        world.there.claims = claims
        assert (await through(world))[1].status == 401, claims
    world.there.claims = {"exp": now + 1, "iat": now + 30, "auth_time": now - 290}
    assert (await through(world))[1].status == 303  # control: clocks differ a little


async def test_a_token_signed_by_nothing_by_a_public_key_or_by_another_opens_nothing(world):
    from joserfc.jwk import ECKey

    await linked(world)
    for signed in ("none", "public key", "published secret"):
        world.there.signed = signed
        assert (await through(world))[1].status == 401, signed
    world.there.signed = "ES256"
    published = world.there.key
    assert (await through(world))[1].status == 303  # control; its keys are known now
    world.there.key = ECKey.generate_key("P-256", {"kid": "k1"})
    assert (await through(world))[1].status == 401
    world.there.key = published
    assert (await through(world))[1].status == 303


async def test_control_a_verifier_that_takes_any_algorithm_is_seen(world, monkeypatch):
    await linked(world)
    monkeypatch.setattr(module, "told_by", believing)
    world.there.signed = "none"
    assert (await through(world))[1].status == 303


def believing(token, _keys, _expected, *, now):
    from contracts.codec import b64u_decode, parse_object
    from keys.oidc import Told

    return Told(parse_object(b64u_decode(token.split(".")[1]))["sub"], None, frozenset(), None)


async def test_what_comes_back_is_good_once_in_the_browser_that_began(world):
    await linked(world)
    visitor = Visitor(world.base)
    back = world.there.let_in(await sent(visitor))
    thief = Visitor(world.base)
    assert (await brought(thief, back)).location == "/entrar?otra=vez"
    await sent(thief)
    assert (await brought(thief, back)).location == "/entrar?otra=vez"
    assert world.there.exchanged == 0
    step = visitor.cookies[STEP_COOKIE]
    assert (await brought(visitor, back)).status == 303
    again = Visitor(world.base)
    again.cookies[STEP_COOKIE] = step
    assert (await brought(again, back)).location == "/entrar?otra=vez"
    assert world.there.exchanged == 1


async def test_another_state_issuer_or_a_refusal_opens_nothing_and_uses_the_step_up(world):
    await linked(world)
    assert (await through(world, state="A" * 43))[1].location == "/entrar?otra=vez"
    assert (await through(world, state=""))[1].location == "/entrar?otra=vez"
    assert (await through(world, iss="https://otra.example"))[1].status == 401
    _, page = await through(world, error="access_denied")
    assert "no le dejó entrar" in page.text
    assert (await through(world, code=""))[1].status == 401
    assert (await through(world, code="inventado"))[1].status == 401
    assert (await through(world))[1].status == 303  # control


async def test_a_step_is_over_after_some_minutes(world):
    await linked(world)
    visitor = Visitor(world.base)
    back = world.there.let_in(await sent(visitor))
    world.clock.forward(minutes=6)
    assert (await brought(visitor, back)).location == "/entrar?otra=vez"


async def test_a_ministry_that_does_not_answer_or_says_it_is_another_is_said_in_words(world):
    await linked(world)
    world.there.told_issuer = "https://otra.example"
    page = await Visitor(world.base).post("/entrar/institucion")
    assert (page.status, "no responde" in page.text) == (502, True)
    world.there.told_issuer = ""
    assert (await Visitor(world.base).post("/entrar/institucion")).status == 502, "it is left alone for a while"
    world.clock.forward(seconds=16)
    assert (await Visitor(world.base).post("/entrar/institucion")).status == 200
    world.clock.forward(hours=2)
    world.there.broken = {"/.well-known/openid-configuration"}
    assert (await Visitor(world.base).post("/entrar/institucion")).status == 502
    world.clock.forward(seconds=16)
    world.there.broken = {"/token"}
    assert (await through(world))[1].status == 502
    world.there.broken = {"/keys"}
    assert (await through(world))[1].status == 502
    world.there.broken = set()
    assert (await through(world))[1].status == 303


async def test_a_new_key_of_the_ministry_is_fetched_once_a_minute_at_most(world):
    from joserfc.jwk import ECKey

    await linked(world)
    assert (await through(world))[1].status == 303
    client = world.desk.institution.provider
    assert client._listed()[0]["kid"] == "k1"
    world.there.key = ECKey.generate_key("P-256", {"kid": "k2"})
    await client.keys("k2")
    assert client._listed()[0]["kid"] == "k1"
    world.clock.forward(seconds=61)
    await client.keys("k2")
    assert client._listed()[0]["kid"] == "k2"


async def test_a_node_without_it_has_no_such_page_and_links_nobody(world):
    use(world, None)
    assert "Entrar por" not in (await Visitor(world.base).get("/entrar")).text
    assert (await Visitor(world.base).post("/entrar/institucion")).status == 404
    assert (await Visitor(world.base).get("/entrar/institucion/vuelta")).status == 404
    assert (await Visitor(world.base).post("/entrar/institucion/vuelta")).status == 404
    assert (await linked(world))[0] == 422


async def test_nothing_secret_of_it_is_kept_in_the_open(world, tmp_path):
    await linked(world)
    visitor = Visitor(world.base)
    address = await sent(visitor)
    state, nonce = (re.search(rf"[?&]{name}=([^&]+)", address)[1] for name in ("state", "nonce"))
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [text for text in (state, nonce, visitor.cookies[STEP_COOKIE]) if text.encode() in files]
    assert SUBJECT.encode() in files  # control: what may be there is found
    async with world.desk.begin() as work:
        person = await work.persons.by_login(Login(OFFICER))
        assert (await work.factors.held(person.person_id)).linked


def test_a_node_is_configured_with_it(tmp_path):
    from contextlib import AsyncExitStack

    from pydantic import ValidationError

    from gateway.config import SingleSignOnConfig, load_config
    from gateway.main.single_sign_on import institution_of

    secret = tmp_path / "sso.secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    (tmp_path / "p.toml").write_text(
        'node = "gt.minex"\ndata = "."\n[private]\nurl = "https://consola.example"\n[single_sign_on]\n'
        'issuer = "https://entrada.example/x"\nclient_id = "paradero"\nname = "Ministerio"\nsecret_file = "sso.secret"\namr = ["mfa"]\n'
    )
    house = institution_of(load_config(tmp_path / "p.toml"), None or type("C", (), {"now": None})(), AsyncExitStack())
    assert house.back == "https://consola.example/entrar/institucion/vuelta"
    assert house.assures
    assert house.provider._secret == SECRET
    with pytest.raises(ValidationError):
        SingleSignOnConfig(issuer="https://entrada.example", name="x")
    for half in ({"client_id": "x", "name": "x"}, {"secret_file": "x"}):  # whoever forgot the issuer would have none, unsaid
        with pytest.raises(ValueError, match="issuer"):
            SingleSignOnConfig(**half)
    for issuer in ("http://entrada.example", "https://entrada.example?x", "ftp://x", ""):
        with pytest.raises(ValidationError):
            SingleSignOnConfig(issuer=issuer, client_id="x", name="x")


async def test_an_administrator_links_on_the_persons_page(world):
    admin = Visitor(world.base, session=await hired_at(world.desk, "node-admin", login="u.ficticia", carrier=Carrier.COOKIE))
    async with world.desk.begin() as work:
        person = await work.persons.by_login(Login(OFFICER))
    address = f"/administracion/personas/{person.person_id}"
    assert "Entrar por Ministerio Ficticio" in (await admin.get(address)).text
    assert (await admin.post(f"{address}/vincular", {"identificador": ""})).status == 422
    page = await admin.post(f"{address}/vincular", {"identificador": SUBJECT})
    assert page.location == f"{address}?hecho=vinculada"
    assert (await through(world))[1].status == 303
    assert (await admin.post(f"{address}/desvincular")).location == f"{address}?hecho=desvinculada"
    assert (await admin.post(f"{address}/desvincular")).status == 409
    assert (await through(world))[1].status == 401
