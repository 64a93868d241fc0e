"""Coming in by a page: the cookie, the form's token, the door for strangers, and that page and API open nothing of each other."""

import re

import pytest

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages import site
from gateway.console.pages.entrance import DEVICE_COOKIE, ours
from gateway.people.sign_in import Carrier
from tests.console.visitor import OURS, Visitor
from tests.people.hired import hired_at
from tests.people.world import OFFICE, open_world, password_of

OFFICER = "o.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
async def staffed(world):
    await world.bootstrap()
    await world.open_office()
    await world.hire(OFFICER, f"officer@{OFFICE}")
    return world


async def entered(world, who=OFFICER, **more):
    visitor = Visitor(world.base, **more)
    page = await visitor.post("/entrar", {"usuario": who, "clave": password_of(who), "sigue": "/"})
    assert page.status == 303, page.text
    return visitor


async def quick(world, post=f"officer@{OFFICE}", login="q.ficticia"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def test_somebody_comes_in_is_named_and_goes_out(staffed):
    visitor = await entered(staffed)
    page = await visitor.get("/cuenta")
    assert page.status == 200
    assert OFFICER in page.text
    assert "Oficial" in page.text
    old = visitor.cookies[SESSION_COOKIE]
    gone = await visitor.post("/salir")
    assert (gone.status, gone.location) == (303, "/entrar?salio=si")
    assert '"cache"' in gone.headers["Clear-Site-Data"]
    assert SESSION_COOKIE not in visitor.cookies
    assert DEVICE_COOKIE in visitor.cookies  # guesses of strangers must not hold this person up tomorrow
    assert "Usted salió" in (await visitor.get(gone.location)).text
    again = Visitor(staffed.base, session=old)
    assert (await again.get("/cuenta")).location == "/entrar?sigue=/cuenta"


async def test_a_wrong_password_is_said_once_and_the_login_is_not_typed_again(staffed):
    visitor = Visitor(staffed.base)
    page = await visitor.post("/entrar", {"usuario": OFFICER, "clave": "no es, y es larga", "sigue": "/cuenta"})
    assert page.status == 401
    assert 'role="alert"' in page.text
    assert f'value="{OFFICER}"' in page.text
    assert 'value="/cuenta"' in page.text
    assert "no es, y es larga" not in page.text
    assert visitor.cookies == {}
    for _ in range(6):
        page = await visitor.post("/entrar", {"usuario": OFFICER, "clave": "no es, y es larga"})
    assert page.status == 429
    assert int(page.headers["Retry-After"]) > 0


async def test_an_invitation_is_used_up_and_a_new_password_needs_two_like_it(staffed):
    code = await staffed.invited("n.ficticia", f"officer@{OFFICE}")
    visitor = Visitor(staffed.base)
    given = {"usuario": "n.ficticia", "codigo": code, "clave": "cuatro palabras que junto", "otra-vez": "otras cuatro palabras"}
    assert "no son iguales" in (await visitor.post("/invitacion", given)).text
    assert "Esa clave no sirve" in (await visitor.post("/invitacion", given | {"clave": "corta", "otra-vez": "corta"})).text
    page = await visitor.post("/invitacion", given | {"otra-vez": given["clave"]})
    assert (page.status, page.location) == (303, "/")
    assert (await visitor.get("/cuenta")).status == 200
    assert (await Visitor(staffed.base).post("/invitacion", given | {"otra-vez": given["clave"]})).status == 401


async def test_a_cookie_opens_no_route_of_the_api_and_a_bearer_no_page(world):
    bearer = await hired_at(world.desk, f"officer@{OFFICE}", login="b.ficticia")
    visitor = await quick(world)
    cookie = visitor.cookies[SESSION_COOKIE]
    assert (await visitor.get("/cuenta")).status == 200  # control
    assert (await world.call("GET", "/api/v1/cases", bearer))[0] == 200  # control
    for path in ("/api/v1/cases", "/api/v1/session", "/api/v1/requests", "/api/v1/inbox"):
        assert (await visitor.get(path)).status == 401, path
        assert (await world.call("GET", path, cookie))[0] == 401, path
    crossed = Visitor(world.base, session=bearer)
    assert (await crossed.get("/cuenta")).location.startswith("/entrar")
    assert (await Visitor(world.base).get("/cuenta", Authorization=f"Bearer {bearer}")).location.startswith("/entrar")


async def test_control_sessions_kept_alike_for_both_would_be_seen(world, monkeypatch):
    # Tokens of both carriers under one digest: what a cookie carries would open the API.
    monkeypatch.setattr("gateway.people.sign_in.secret_digest", lambda text, _use=b"": _plain(text))
    monkeypatch.setattr("gateway.people.sign_in.new_secret", lambda random, _use=b"": _new(random))
    visitor = await quick(world)
    assert (await world.call("GET", "/api/v1/cases", visitor.cookies[SESSION_COOKIE]))[0] == 200


def _plain(text):
    from keys.passwords import secret_digest

    return secret_digest(text)


def _new(random):
    from keys.passwords import new_secret

    return new_secret(random)


FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
]


async def test_a_form_of_another_site_is_refused_and_does_nothing(world):
    visitor = await quick(world)
    for headers in FOREIGN:
        page = await visitor.post("/salir", headers=headers)
        assert page.status == 403, headers
        assert "no vino de una página de este nodo" in page.text
        assert (await visitor.get("/cuenta")).status == 200
        assert (await visitor.post("/entrar", {"usuario": "x"}, headers=headers)).status == 403


async def test_a_form_without_the_sessions_own_token_is_refused_and_does_nothing(world):
    visitor, other = await quick(world), await quick(world, login="r.ficticia")
    theirs = re.search(r'name="ficha" value="([^"]+)"', (await other.get("/cuenta")).text)[1]
    for token in ("", "x", "ñ", "A" * 43, theirs):
        page = await visitor.post("/salir", token=token)
        assert page.status == 419, token
        assert "No se envió nada" in page.text
        assert (await visitor.get("/cuenta")).status == 200
    assert (await visitor.post("/salir")).status == 303  # control: with it, it is done


NO_FORM = [
    ("application/json", "{}"), ("text/plain", "a=b"), ("multipart/form-data; boundary=x", "--x--"),
    ("application/x-www-form-urlencoded", "a=%FF"), ("application/x-www-form-urlencoded", "a=%00"),
    ("application/x-www-form-urlencoded", "a=" + "b" * 300_000), ("application/x-www-form-urlencoded", "&".join(["a=b"] * 700)),
]  # fmt: skip


async def test_what_is_no_form_is_refused(world):
    visitor = await quick(world)
    for kind, data in NO_FORM:
        page = await visitor.ask("POST", "/salir", headers=OURS | {"Content-Type": kind}, data=data)
        assert page.status == 422, (kind, data[:20])
        assert (await visitor.get("/cuenta")).status == 200


async def test_a_new_session_at_every_sign_in_and_the_old_one_ends(staffed):
    visitor = await entered(staffed)
    first = visitor.cookies[SESSION_COOKIE]
    fixed = Visitor(staffed.base, session="A" * 43)  # a token that somebody else chose
    assert (await fixed.post("/entrar", {"usuario": OFFICER, "clave": password_of(OFFICER)})).status == 303
    assert fixed.cookies[SESSION_COOKIE] != "A" * 43
    page = await visitor.post("/confirmar", {"clave": password_of(OFFICER), "sigue": "/cuenta"})
    assert (page.status, page.location) == (303, "/cuenta")
    assert visitor.cookies[SESSION_COOKIE] != first
    assert (await Visitor(staffed.base, session=first).get("/cuenta")).location.startswith("/entrar")
    assert (await visitor.post("/confirmar", {"clave": "no es, y es larga"})).status == 422
    assert (await visitor.get("/cuenta")).status == 200


async def test_a_session_that_was_left_alone_ends_and_a_form_then_says_nothing_was_sent(world):
    visitor = await quick(world)
    world.clock.forward(minutes=21)
    assert (await visitor.get("/cuenta")).location == "/entrar?sigue=/cuenta"
    page = await visitor.post("/cuenta/clave")
    assert page.status == 401
    assert "No se envió nada" in page.text


async def test_a_new_password_ends_every_session(staffed):
    visitor, elsewhere = await entered(staffed), await entered(staffed)
    new = "otra clave larga, de prueba"
    given = {"actual": password_of(OFFICER), "clave": new, "otra-vez": new}
    assert "no son iguales" in (await visitor.post("/cuenta/clave", given | {"otra-vez": "otra"})).text
    changed = await visitor.post("/cuenta/clave", given)
    assert "Su clave cambió" in (await visitor.get(changed.location)).text
    assert (await elsewhere.get("/cuenta")).location.startswith("/entrar")
    assert (await Visitor(staffed.base).post("/entrar", {"usuario": OFFICER, "clave": new})).status == 303


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil",
        "https://evil.example",
        "/%2f",
        "/a?b",
        "/a#b",
        "",
        "/a//b",
        "/a/",
        "/s/\r\nX: y",
        "javascript:x",
    ],
)
async def test_nobody_is_sent_elsewhere_after_coming_in(path):
    assert ours(path) == "/"


def test_paths_of_ours_are_gone_on_to():
    assert ours("/s/01990000-0000-7000-8000-000000000001/responder") != "/"
    assert ours("/bandeja") == "/bandeja"
    assert ours("/red/gt.igm.mbmid") == "/red/gt.igm.mbmid"
    assert [ours(path) for path in ("/..", "/red/..", "/red/.x", "/red/x.", "/a..b")] == ["/"] * 5


async def test_the_language_is_the_browsers_until_somebody_chooses(world):
    visitor = Visitor(world.base, language="en-GB,en;q=0.9")
    assert '<html lang="en">' in (await visitor.get("/entrar")).text
    assert (await visitor.post("/idioma", {"idioma": "es", "sigue": "/entrar"})).location == "/entrar"
    assert '<html lang="es">' in (await visitor.get("/entrar")).text
    assert (await visitor.post("/idioma", {"idioma": "xx"})).status == 303
    assert '<html lang="es">' in (await visitor.get("/entrar")).text
    assert '<html lang="es">' in (await Visitor(world.base, language="fr").get("/entrar")).text


async def test_control_a_form_that_nobody_checked_would_do_something(world, monkeypatch):
    # What the checks above refuse is what would happen without them.
    visitor = await quick(world)
    monkeypatch.setattr(site, "check_token", lambda _request, _form: None)
    assert (await visitor.post("/salir", token="x")).status == 303
    other = await quick(world, login="r.ficticia")
    monkeypatch.setattr(site, "from_our_page", lambda _request: True)
    assert (await other.post("/salir", headers={"Sec-Fetch-Site": "cross-site"})).status == 303


# -- headers ---------------------------------------------------------------------------------------------------------------


async def every_answer(world):
    """An answer of each sort: pages, refusals, redirects, files, the API's."""
    visitor, stranger = await quick(world), Visitor(world.base)
    style = re.search(r'href="(/estatico/console[^"]+)"', (await stranger.get("/entrar")).text)[1]
    return {
        "page": await visitor.get("/cuenta"),
        "door": await stranger.get("/entrar"),
        "redirect": await stranger.get("/cuenta"),
        "missing": await visitor.get("/nada"),
        "stale": await visitor.post("/salir", token="x"),
        "foreign": await visitor.post("/salir", headers={}),
        "wrong": await stranger.post("/entrar", {"usuario": "x", "clave": "y"}),
        "file": await stranger.get(style),
        "no file": await stranger.get("/estatico/console.0.css"),
        "api": await stranger.get("/api/v1/cases"),
        "other host": await stranger.get("/entrar", Host="evil.example"),
    }


async def test_every_answer_says_what_may_be_loaded_and_who_may_frame_it(world):
    answers = await every_answer(world)
    for name, page in answers.items():
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, name
        assert "frame-ancestors 'none'" in policy, name
        assert "unsafe" not in policy, name
        assert page.headers["X-Content-Type-Options"] == "nosniff", name
        cached = page.headers["Cache-Control"]
        assert cached == ("public, max-age=31536000, immutable" if name == "file" else "no-store"), name
    pages = [page for name, page in answers.items() if name not in {"api", "other host"}]
    nonces = [re.search(r"script-src 'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1] for page in pages]
    assert len(set(nonces)) == len(nonces)
    for page, nonce in zip(pages, nonces, strict=True):
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "form-action 'self'" in page.headers["Content-Security-Policy"]
        for tag in re.findall(r"<(?:script|link rel=.stylesheet)[^>]*>", page.text):
            assert f'nonce="{nonce}"' in tag
    assert answers["missing"].status == 404
    assert "No hay nada en esta dirección" in answers["missing"].text


async def test_what_fails_inside_says_so_in_words_and_tells_nothing(world, monkeypatch):
    visitor = await quick(world)

    async def broken(*_args):
        raise RuntimeError("secreto Ficticia")

    monkeypatch.setattr(site.Looks, "_shell", broken, raising=True)  # the page, and the frame of what says so
    page = await visitor.get("/cuenta")
    assert page.status == 500
    assert "secreto" not in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_a_file_is_compressed_once_and_named_by_its_content(world):
    visitor = Visitor(world.base)
    text = (await visitor.get("/entrar")).text
    for kind in ("css", "js", "svg"):
        address = re.search(rf'"(/estatico/[^"]+\.{kind})"', text)[1]
        page = await visitor.get(address)
        assert page.status == 200
        assert page.headers["Content-Encoding"] == "gzip"
        plain = await visitor.ask("GET", address, headers={"Accept-Encoding": "identity"})
        assert plain.text == page.text
        assert (await visitor.get(address.replace("/estatico/", "/estatico/x"))).status == 404
