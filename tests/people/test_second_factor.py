"""A password and a code: adding an app, coming in with it, recovery, who must have one; each defence with a control."""

import asyncio
import re

import pytest

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.cookies import STEP_COOKIE
from gateway.people import codes as module
from gateway.people.ids import Login
from gateway.people.sign_in import Carrier
from keys.totp import recovery_bytes, recovery_code, totp_code, totp_step, totp_text, totp_uri
from tests.console.visitor import Visitor
from tests.people.factors import app_of, codes_of, demand, entering, now_code, quicken, with_app
from tests.people.hired import ADMIN, PASSWORD, hired_at
from tests.people.world import NODE, OFFICE, open_world

OFFICER = "o.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        quicken(found)
        await hired_at(found.desk, f"officer@{OFFICE}", login=OFFICER, carrier=Carrier.COOKIE)
        yield found


async def given(visitor, code, sigue="/"):
    return await visitor.post("/entrar/codigo", {"codigo": code, "sigue": sigue})


async def details(world):
    return [f"{leaf.get('detail')} {leaf.get('outcome', '')}".strip() for leaf in await world.leaves()]


# -- codes -------------------------------------------------------------------------------------------------------------


def test_codes_are_those_of_rfc_6238():
    secret = b"12345678901234567890"
    for now, code in ((59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (20000000000, "353130")):
        assert totp_code(secret, now=now) == code
    assert totp_uri(secret, name="o.ficticia", issuer="Paradero gt.x").startswith(
        "otpauth://totp/Paradero%20gt.x:o.ficticia?secret="
    )
    assert totp_text(secret) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


def test_a_code_is_good_for_its_step_and_one_beside_and_never_for_an_earlier_one_than_the_last():
    secret, now = bytes(20), 3_000_000
    for seconds, good in ((0, True), (-30, True), (30, True), (-90, False), (90, False)):
        assert (totp_step(secret, totp_code(secret, now=now + seconds), now=now, after=0) is not None) is good
    step = totp_step(secret, totp_code(secret, now=now), now=now, after=0)
    assert step == now // 30
    assert totp_step(secret, totp_code(secret, now=now), now=now, after=step) is None
    for odd in ("", "abcdef", "ñ", "\ud800", "0" * 500):
        assert totp_step(secret, odd, now=now, after=0) is None


def test_a_recovery_code_is_read_however_it_is_typed():
    code = recovery_code(b"ficticia10")
    assert re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code)
    assert recovery_bytes(code) == recovery_bytes(code.upper().replace("-", " ")) is not None
    for odd in ("", "x", code[:-1], code + "a", "ñ" * 16, "0" * 16, "\ud800"):
        assert recovery_bytes(odd) is None


# -- adding and coming in -----------------------------------------------------------------------------------------------


async def test_an_app_is_added_and_from_then_on_a_password_alone_is_not_enough(world):
    visitor, secret, _ = await with_app(world, OFFICER)
    assert "un código de su aplicación" in (await visitor.get("/cuenta")).text
    other, page = await entering(world, OFFICER)
    assert (page.status, page.location) == (303, "/entrar/codigo")
    assert SESSION_COOKIE not in other.cookies
    assert (await other.get("/cuenta")).location.startswith("/entrar")
    form = (await other.get("/entrar/codigo")).text
    assert 'autocomplete="one-time-code"' in form
    assert "onpaste" not in form
    code = now_code(world, secret)
    page = await given(other, f" {code[:3]} {code[3:]}", "/cuenta")  # as it is pasted
    assert (page.status, page.location) == (303, "/cuenta")
    assert (await other.get("/cuenta")).status == 200
    assert STEP_COOKIE not in other.cookies
    assert "user.factor-added totp" in await details(world)


async def test_the_page_that_adds_an_app_shows_a_picture_and_a_text_that_say_the_same(world):
    visitor, _ = await entering(world, OFFICER)
    await visitor.post("/cuenta/codigo")
    page = await visitor.get("/cuenta/codigo")
    assert "<svg" in page.text
    assert "style=" not in page.text.split("<svg", 1)[1].split("</svg>")[0]
    assert app_of(page) == app_of(await visitor.get("/cuenta/codigo"))  # a line that broke loses nothing
    wrong = await visitor.post("/cuenta/codigo/confirmar", {"codigo": "000000"})
    assert wrong.status == 422
    assert not (await world.desk.reader.held(await person(world))).any
    world.clock.forward(minutes=11)
    assert (await visitor.get("/cuenta/codigo")).location.startswith("/confirmar")


async def person(world, login=OFFICER):
    async with world.desk.begin() as work:
        return (await work.persons.by_login(Login(login))).person_id


async def test_ones_account_names_ones_office_and_shows_no_code(world):
    visitor, _ = await entering(world, OFFICER)
    page = await visitor.get("/cuenta")
    assert "Oficial · Ficticia" in page.text
    assert f"Oficial · {OFFICE}" not in page.text


async def test_adding_an_app_ends_the_other_sessions_and_asks_who_one_is(world):
    elsewhere, _ = await entering(world, OFFICER)
    visitor, _, _ = await with_app(world, OFFICER)
    assert (await elsewhere.get("/cuenta")).location.startswith("/entrar")
    assert (await visitor.get("/cuenta")).status == 200
    world.clock.forward(minutes=6)
    assert (await visitor.post("/cuenta/codigo/quitar")).status == 403
    assert (await visitor.post("/cuenta/codigo")).status == 403
    assert (await visitor.post("/cuenta/recuperacion")).status == 403
    assert (await world.desk.reader.held(await person(world))).totp


async def test_a_code_is_good_once_also_for_two_who_send_it_at_the_same_moment(world):
    _, secret, _ = await with_app(world, OFFICER)
    code = now_code(world, secret)
    visitors = [(await entering(world, OFFICER))[0] for _ in range(4)]
    pages = await asyncio.gather(*(given(visitor, code) for visitor in visitors))
    assert sorted(page.status for page in pages) == [303, 401, 401, 401]
    late, _ = await entering(world, OFFICER)
    assert (await given(late, code)).status in {401, 429}


async def test_control_a_code_that_can_be_replayed_is_seen(world, monkeypatch):
    from gateway.storage.factors import SqlFactors

    async def used(*_):
        return True

    _, secret, _ = await with_app(world, OFFICER)
    monkeypatch.setattr(SqlFactors, "use_step", used)
    code = now_code(world, secret)
    for _ in range(2):
        visitor, _ = await entering(world, OFFICER)
        assert (await given(visitor, code)).status == 303


async def test_a_step_is_of_one_browser_short_lived_and_over_when_the_account_changes(world):
    _, secret, _ = await with_app(world, OFFICER)
    mine, _ = await entering(world, OFFICER)
    for stranger in (Visitor(world.base), Visitor(world.base, session=mine.cookies[STEP_COOKIE])):
        assert (await given(stranger, now_code(world, secret))).location == "/entrar?otra=vez"
    crossed = Visitor(world.base)
    crossed.cookies[SESSION_COOKIE] = mine.cookies[STEP_COOKIE]
    assert (await crossed.get("/cuenta")).location.startswith("/entrar")
    world.clock.forward(minutes=6)
    assert (await given(mine, now_code(world, secret))).location == "/entrar?otra=vez"
    again, _ = await entering(world, OFFICER)
    admin, _ = await entering(world, ADMIN)
    from gateway.people.accounts import disable
    from gateway.people.sign_in import resolve

    by = await resolve(admin.cookies[SESSION_COOKIE], world.desk, Carrier.COOKIE)
    await disable(OFFICER, by, world.desk)
    assert (await given(again, now_code(world, secret))).location == "/entrar?otra=vez"


# -- guessing -----------------------------------------------------------------------------------------------------------


async def guesses(world, number, wait=0):
    """Statuses of so many wrong codes by somebody who has the password, on a machine nobody ever came in from."""
    found = []
    for _ in range(number):
        visitor, page = await entering(world, OFFICER)
        found.append(page.status if page.status != 303 else (await given(visitor, "000000")).status)
        world.clock.forward(seconds=wait)
    return found


async def test_whoever_has_the_password_and_guesses_codes_is_slowed_down_like_other_guessers(world):
    await with_app(world, OFFICER)
    found = await guesses(world, 40)
    assert 0 < found.count(401) <= 6
    assert set(found) == {401, 429}
    # A right password in between, as each of these was, forgave nothing.
    world.clock.forward(hours=3)
    found = await guesses(world, 60, wait=30)
    assert found.count(401) <= 30 + 8, "half an hour: at most one a minute, and a few before that"


async def test_control_right_passwords_that_forgive_wrong_codes_are_seen(world, monkeypatch):
    from gateway.people import sign_in
    from gateway.people.sign_in import _forgive

    async def forgiving(_found, work, buckets):
        await _forgive(work, buckets)

    await with_app(world, OFFICER)
    monkeypatch.setattr(sign_in, "_settle", forgiving)
    assert (await guesses(world, 20)).count(401) > 15


async def test_a_hundred_wrong_codes_shut_the_app_and_a_recovery_code_still_opens(world, monkeypatch):
    _, secret, recovery = await with_app(world, OFFICER)
    monkeypatch.setattr(module, "MOST_WRONG", 3)
    await guesses(world, 3, wait=120)
    assert [detail for detail in await details(world) if detail.startswith("sign-in.codes-shut a:")]
    world.clock.forward(hours=1)
    visitor, _ = await entering(world, OFFICER)
    assert (await given(visitor, now_code(world, secret))).status == 401
    assert (await given(visitor, recovery[0])).status == 303


# -- recovery -----------------------------------------------------------------------------------------------------------


async def test_a_recovery_code_opens_once_is_told_on_the_page_and_in_the_log(world):
    _, _, recovery = await with_app(world, OFFICER)
    visitor, _ = await entering(world, OFFICER)
    page = await given(visitor, recovery[3].upper().replace("-", " "), "/bandeja")
    assert page.location == "/cuenta"
    text = (await visitor.get("/cuenta")).text
    assert "Entró con un código de recuperación" in text
    assert "Quedan 9." in text
    assert any(detail.startswith("user.recovery-used") for detail in await details(world))
    again, _ = await entering(world, OFFICER)
    assert (await given(again, recovery[3])).status == 401
    assert (await given(again, recovery[4])).status == 303


async def test_recovery_codes_are_shown_until_put_away_to_that_session_alone_and_new_ones_end_the_old(world):
    visitor, secret, recovery = await with_app(world, OFFICER)
    assert codes_of(await visitor.get("/cuenta/recuperacion")) == recovery
    other, _ = await entering(world, OFFICER)
    await given(other, now_code(world, secret))
    assert codes_of(await other.get("/cuenta/recuperacion")) == []
    await visitor.post("/cuenta/recuperacion/guardados")
    assert codes_of(await visitor.get("/cuenta/recuperacion")) == []
    assert (await visitor.post("/cuenta/recuperacion")).location == "/cuenta/recuperacion"
    newer = codes_of(await visitor.get("/cuenta/recuperacion"))
    assert len(newer) == 10
    assert set(newer) & set(recovery) == set()
    third, _ = await entering(world, OFFICER)
    assert (await given(third, recovery[0])).status == 401
    assert (await given(third, newer[0])).status == 303
    world.clock.forward(minutes=11)
    assert codes_of(await visitor.get("/cuenta/recuperacion")) == []


async def test_an_administrator_takes_a_factor_away_unseen_and_sessions_end(world):
    visitor, _, _ = await with_app(world, OFFICER)
    api = await hired_at(world.desk, "node-admin", login="t.ficticia")
    assert (await world.call("POST", "/api/v1/people/reset-factors", api, {"login": "t.ficticia"}))[0] == 403
    status, answer = await world.call("POST", "/api/v1/people/reset-factors", api, {"login": OFFICER})
    assert (status, answer) == (200, {"reset": True})
    assert (await visitor.get("/cuenta")).location.startswith("/entrar")
    assert (await world.call("POST", "/api/v1/people/reset-factors", api, {"login": OFFICER}))[0] == 409
    _, page = await entering(world, OFFICER)
    assert page.location == "/"
    assert any(detail.startswith("user.factors-reset a:") for detail in await details(world))


async def test_a_new_invitation_gives_a_password_and_not_a_way_past_the_second_factor(world):
    _, secret, _ = await with_app(world, OFFICER)
    api = await hired_at(world.desk, "node-admin", login="t.ficticia")
    _, invited = await world.call("POST", "/api/v1/people/invite", api, {"login": OFFICER})
    visitor = Visitor(world.base)
    fields = {"usuario": OFFICER, "codigo": invited["invitation"], "clave": PASSWORD, "otra-vez": PASSWORD}
    assert (await visitor.post("/invitacion", fields)).location == "/entrar/codigo"
    assert SESSION_COOKIE not in visitor.cookies
    assert (await given(visitor, now_code(world, secret))).status == 303


async def test_taking_the_app_away_takes_the_recovery_codes_too(world):
    visitor, _, _ = await with_app(world, OFFICER)
    assert (await visitor.post("/cuenta/codigo/quitar")).location == "/cuenta?hecho=sin-codigo"
    held = await world.desk.reader.held(await person(world))
    assert (held.totp, held.recovery) == (False, 0)
    _, page = await entering(world, OFFICER)
    assert page.location == "/"
    assert (await visitor.post("/cuenta/codigo/quitar")).status == 409


# -- confirming who one is ----------------------------------------------------------------------------------------------


async def test_confirming_asks_for_both(world):
    visitor, secret, recovery = await with_app(world, OFFICER)
    world.clock.forward(minutes=6)
    assert 'name="codigo"' in (await visitor.get("/confirmar")).text
    missing = await visitor.post("/confirmar", {"clave": PASSWORD, "sigue": "/cuenta"})
    assert missing.status == 422
    assert "Escriba también el código" in missing.text
    assert (await visitor.post("/confirmar", {"clave": "no es ésta", "codigo": now_code(world, secret)})).status == 422
    assert (await visitor.post("/confirmar", {"clave": PASSWORD, "codigo": "000000"})).status == 422
    assert (await visitor.get("/cuenta")).status == 200
    page = await visitor.post("/confirmar", {"clave": PASSWORD, "codigo": recovery[0], "sigue": "/cuenta"})
    assert (page.status, page.location) == (303, "/cuenta")
    assert (await visitor.post("/cuenta/codigo")).status == 303  # fresh


# -- who must have one --------------------------------------------------------------------------------------------------


async def test_who_may_disclose_needs_more_than_a_password_after_a_week_and_is_told_before(world):
    demand(world, require_factor=True)
    visitor, _ = await entering(world, OFFICER)
    assert "Para su puesto, este nodo pide algo más que la clave" in (await visitor.get("/bandeja")).text
    world.clock.forward(days=6)
    visitor, _ = await entering(world, OFFICER)
    assert (await visitor.get("/bandeja")).status == 200
    world.clock.forward(days=1, minutes=1)
    visitor, _ = await entering(world, OFFICER)
    assert (await visitor.get("/bandeja")).location == "/cuenta?sigue=/bandeja"
    refused = await visitor.post("/espera/01990000-0000-7000-8000-000000000002/descartar")
    assert refused.status == 403
    assert "Falta su segunda prueba" in refused.text
    status, answer = await world.call("POST", "/api/v1/session", None, {"login": OFFICER, "password": PASSWORD})
    assert status == 200
    status, told = await world.call("GET", "/api/v1/cases", answer["token"])
    assert (status, told["type"].rpartition(":")[2]) == (403, "factor-needed")
    # They add one, in the very session, and work on.
    visitor, _, _ = await with_app(world, OFFICER)
    page = await visitor.get("/bandeja")
    assert page.status == 200
    assert "este nodo pide algo más" not in page.text


async def test_who_discloses_nothing_is_not_asked_and_a_demo_asks_nobody(world):
    assert world.desk.limits.require_factor is False
    assert world.node.config.second_factor is False
    assert replace_demo(world.node.config, demo=False).second_factor is True
    demand(world, require_factor=True)
    clerk = await hired_at(world.desk, f"desk-clerk@{OFFICE}", login="v.ficticia", carrier=Carrier.COOKIE)
    world.clock.forward(minutes=10)
    page = await Visitor(world.base, session=clerk).get("/cuenta")
    assert page.status == 200
    assert "este nodo pide algo más" not in page.text


def replace_demo(config, **changed):
    return config.model_copy(update=changed)


async def test_control_a_node_that_forgot_to_ask_is_seen(world, monkeypatch):
    from gateway.people import sign_in

    demand(world, require_factor=True)
    await entering(world, OFFICER)
    world.clock.forward(days=8)
    monkeypatch.setattr(sign_in, "TWO_FACTORS", frozenset())
    visitor, _ = await entering(world, OFFICER)
    assert (await visitor.get("/bandeja")).status == 200


# -- by commands --------------------------------------------------------------------------------------------------------


async def test_by_commands_a_code_is_asked_for_and_given(world):
    await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n")
    status, begun = await world.call("POST", "/api/v1/session/totp", world.token(OFFICER), {})
    assert status == 200
    from base64 import b32decode

    secret = b32decode(begun["secret"].replace(" ", ""))
    world.clock.forward(minutes=6)
    body = {"code": now_code(world, secret)}
    late, problem = await world.call("POST", "/api/v1/session/totp/confirm", world.token(OFFICER), body)
    assert (late, problem["type"].rpartition(":")[2]) == (403, "sign-in-again"), "a terminal left alone adds no app"
    await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n")
    secret = b32decode(
        (await world.call("POST", "/api/v1/session/totp", world.token(OFFICER), {}))[1]["secret"].replace(" ", "")
    )
    body = {"code": now_code(world, secret)}
    status, answer = await world.call("POST", "/api/v1/session/totp/confirm", world.token(OFFICER), body)
    assert (status, len(answer["recovery"])) == (200, 10)
    await world.cli(OFFICER, "logout")
    world.clock.forward(seconds=60)
    missing = await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n", code=2)
    assert "Código de su aplicación" in missing.output
    await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n000000\n", code=3)
    await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n{now_code(world, secret)}\n")
    told = await world.cli(OFFICER, "user", "recovery-codes")
    assert len(re.findall(r"[a-z2-7-]{19}", told.output)) == 10
    await world.cli(OFFICER, "user", "totp", "--remove")
    await world.cli(OFFICER, "user", "totp", "--remove", code=6)


# -- at rest ------------------------------------------------------------------------------------------------------------


async def test_no_secret_and_no_code_is_on_the_disk_or_in_the_log(world, tmp_path):
    visitor, secret, recovery = await with_app(world, OFFICER)
    half, _ = await entering(world, OFFICER)
    plain = [secret, totp_text(secret).encode(), totp_text(secret).replace(" ", "").encode(), secret.hex().encode()]
    plain += [code.encode() for code in recovery] + [code.replace("-", "").upper().encode() for code in recovery]
    plain += [half.cookies[STEP_COOKIE].encode(), visitor.cookies[SESSION_COOKIE].encode()]
    files = [path for path in (tmp_path / NODE).rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    assert [text for text in plain if text in everything] == []
    assert OFFICER.encode() in everything  # control: what may be there is found
    leaves = str(await world.leaves())
    assert not any(text.decode("latin-1") in leaves for text in plain)
    _, metrics = await world.call("GET", "/metrics")
    assert not any(code in metrics for code in recovery)


async def test_control_a_secret_kept_plain_is_seen_on_the_disk(world, tmp_path, monkeypatch):
    class Open:
        def seal_secret(self, _use, secret):
            return secret

        def open_secret(self, _use, sealed):
            return sealed

    object.__setattr__(world.desk, "secrets", Open())
    _, secret, _ = await with_app(world, OFFICER)
    files = [path for path in (tmp_path / NODE).rglob("*") if path.is_file()]
    assert secret in b"".join(path.read_bytes() for path in files)


def test_a_sealed_secret_is_bound_to_its_use():
    from contracts.errors import StorageError
    from keys.vault import Vault

    vault = Vault(bytes(32))
    sealed = vault.seal_secret("totp a", b"secreto")
    assert vault.open_secret("totp a", sealed) == b"secreto"
    for use, data in (("totp b", sealed), ("totp a", sealed[:-1]), ("totp a", b""), ("totp a", sealed[:-1] + b"x")):
        with pytest.raises(StorageError):
            vault.open_secret(use, data)


# -- sessions -----------------------------------------------------------------------------------------------------------


async def test_own_sessions_are_listed_and_the_others_ended(world):
    first, _ = await entering(world, OFFICER)
    second, _ = await entering(world, OFFICER)
    await world.cli(OFFICER, "login", OFFICER, "--password-stdin", given=f"{PASSWORD}\n")
    text = (await first.get("/cuenta")).text
    assert text.count("en un navegador") == 3  # the one hired came in with, and two
    assert text.count("en la línea de órdenes") == 1
    assert text.count("<strong>ésta</strong>") == 1
    assert (await first.post("/cuenta/sesiones")).location == "/cuenta?hecho=sesiones"
    assert (await first.get("/cuenta")).text.count("en un navegador") == 1
    assert (await second.get("/cuenta")).location.startswith("/entrar")
    await world.cli(OFFICER, "whoami", code=3)


async def test_the_page_says_when_the_session_ends_and_one_goes_on_without_scripts(world):
    visitor, _ = await entering(world, OFFICER)
    text = (await visitor.get("/cuenta")).text
    said = re.search(r"su sesión termina a las <time>(\d\d:\d\d)</time>", text)[1]
    assert 'data-idle="1140"' in text
    world.clock.forward(minutes=19)
    page = await visitor.post("/sesion")
    assert page.status == 200
    assert "Su sesión sigue abierta" in page.text
    world.clock.forward(minutes=19)
    page = await visitor.get("/cuenta")
    assert page.status == 200
    assert said not in re.search(r"<time>.*?</time>", page.text)[0]
    world.clock.forward(minutes=21)
    assert (await visitor.get("/cuenta")).location.startswith("/entrar")


async def test_going_out_clears_what_a_shared_machine_kept(world):
    visitor, _ = await entering(world, OFFICER)
    assert (await visitor.post("/salir")).headers["Clear-Site-Data"] == '"cache", "storage"'
    visitor, _ = await entering(world, OFFICER)
    given_ = {"actual": "no es ésta, seguro", "clave": "otra clave larga y buena", "otra-vez": "otra clave larga y buena"}
    page = await visitor.post("/cuenta/clave", given_)
    assert page.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "no era su clave de antes" in (await visitor.get(page.location)).text, "whoever mistyped it reads why they are out"


async def test_an_administrator_takes_a_factor_away_on_the_persons_page_and_sees_none_of_it(world):
    visitor, secret, recovery = await with_app(world, OFFICER)
    admin = Visitor(world.base, session=await hired_at(world.desk, "node-admin", login="t.ficticia", carrier=Carrier.COOKIE))
    address = f"/administracion/personas/{await person(world)}"
    page = await admin.get(address)
    assert "aplicación de códigos" in page.text
    assert not [text for text in (totp_text(secret), *recovery) if text in page.text]
    assert (await visitor.post(f"{address}/retirar-prueba")).status == 403
    assert (await admin.post(f"{address}/retirar-prueba")).location == f"{address}?hecho=sin-prueba"
    assert (await visitor.get("/cuenta")).location.startswith("/entrar")
    assert (await admin.post(f"{address}/retirar-prueba")).status == 409
    own = f"/administracion/personas/{await person(world, 't.ficticia')}"
    assert (await admin.post(f"{own}/retirar-prueba")).status == 403
    world.clock.forward(minutes=6)
    assert (await admin.post(f"{address}/retirar-prueba")).status == 403
