"""Signing in, in Debian's Chromium: passkeys by its own virtual authenticator (CDP WebAuthn), a ministry on another site, time."""

import pytest

from gateway.console.institution_client import InstitutionClient
from gateway.people.institution_ports import Institution
from gateway.people.sign_in import Carrier
from keys.passkeys import RelyingParty
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_browser import barriers
from tests.people.factors import app_of, now_code, quicken
from tests.people.hired import PASSWORD, hired_at
from tests.people.ministry import CLIENT, SECRET, ministry
from tests.people.world import OFFICE, open_world

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(300)]
OFFICER = "o.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        quicken(found)
        found.place = f"http://localhost:{found.port}"
        object.__setattr__(found.desk, "site", RelyingParty.at(found.place))
        found.api._hosts |= {"localhost"}
        await hired_at(found.desk, f"officer@{OFFICE}", login=OFFICER, carrier=Carrier.COOKIE)
        yield found


async def authenticator(page, **changed):
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    } | changed  # fmt: skip
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]


async def enter(page, world):
    await page.goto(f"{world.place}/entrar")
    await page.fill("#usuario", OFFICER)
    await page.fill("#clave", PASSWORD)
    await page.click("form[action='/entrar'] button")


async def add(page, world, name="teléfono de la oficina"):
    await page.goto(f"{world.place}/cuenta")
    await page.click("form[action='/cuenta/llaves'] button")
    await page.fill("#nombre", name)
    await page.click("form[data-llave] button")


async def test_a_passkey_is_added_opens_and_confirms(world):
    said = []
    async with browser() as found, screen(found, world.place) as page:
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        session, made = await authenticator(page)
        await enter(page, world)
        await add(page, world)
        await page.wait_for_url("**/cuenta/recuperacion")
        assert await page.locator("ol.codes li").count() == 10
        kept = await session.send("WebAuthn.getCredentials", {"authenticatorId": made})
        assert [(one["isResidentCredential"], one["rpId"]) for one in kept["credentials"]] == [(True, "localhost")]
        await page.click("form[action='/salir'] button")
        await page.click("form[action='/entrar/llave'] button")
        await page.wait_for_url(f"{world.place}/bandeja")
        world.clock.forward(minutes=6)
        await page.goto(f"{world.place}/cuenta")
        await page.goto(f"{world.place}/confirmar?sigue=/cuenta")
        await page.click("form[action='/confirmar/llave'] button")
        await page.wait_for_url(f"{world.place}/cuenta")
        assert "con llave de acceso" in await page.inner_text("main")
    assert said == []


async def test_without_a_key_at_hand_the_page_says_so_and_one_comes_in_otherwise(world):
    async with browser() as found, screen(found, world.place) as page:
        await authenticator(page)
        await page.goto(f"{world.place}/entrar")
        await page.click("form[action='/entrar/llave'] button")
        await page.wait_for_selector("[data-fallo]:not([hidden])")
        assert "entre de otra manera" in await page.inner_text("main")
        await page.click("main a")
        await enter(page, world)
        assert page.url == f"{world.place}/bandeja"


async def test_somebody_who_is_not_verified_adds_nothing(world):
    async with browser() as found, screen(found, world.place) as page:
        await authenticator(page, isUserVerified=False)
        await enter(page, world)
        await add(page, world)
        await page.wait_for_selector("[data-fallo]:not([hidden])")
    async with world.desk.begin() as work:
        from gateway.people.ids import Login

        person = await work.persons.by_login(Login(OFFICER))
        assert not (await work.factors.held(person.person_id)).any


async def test_a_session_is_warned_of_and_gone_on_with_while_one_writes(world):
    async with browser() as found, screen(found, world.place) as page:
        await enter(page, world)
        await page.clock.install()
        await page.goto(f"{world.place}/cuenta")
        await page.fill("#actual", "lo que se escribe")
        assert await page.locator("#sesion strong").is_hidden()
        await page.clock.fast_forward(18 * 60 * 1000)
        await page.wait_for_selector("#sesion strong:not([hidden])")
        world.clock.forward(minutes=18)
        await page.click("#sesion button")
        await page.wait_for_selector("#sesion strong[hidden]", state="attached")
        assert await page.input_value("#actual") == "lo que se escribe"
        world.clock.forward(minutes=18)
        assert (await page.goto(f"{world.place}/cuenta")).url.endswith("/cuenta")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_somebody_comes_back_from_another_site_and_is_in(world, scripts):
    """Cookies of ours do not travel from another site: a page of ours sends on what was brought."""
    async with ministry(world.clock.now) as there, browser() as found, screen(found, world.place, scripts=scripts) as page:
        client = InstitutionClient(there.issuer, CLIENT, SECRET, world.clock.now)
        house = Institution(client, there.issuer, CLIENT, "Ministerio Ficticio", f"{world.place}/entrar/institucion/vuelta")
        object.__setattr__(world.desk, "institution", house)
        admin = await hired_at(world.desk, "node-admin", login="t.ficticia")
        body = {"login": OFFICER, "subject": "f-1234"}
        assert (await world.call("POST", "/api/v1/people/link", admin, body))[0] == 200
        await page.goto(f"{world.place}/entrar")
        await page.click("form[action='/entrar/institucion'] button")
        if not scripts:
            await page.wait_for_selector("form[data-sigue]")
            await page.click("form[data-sigue] button")
        await page.wait_for_url(f"{world.place}/bandeja")
        await client.close()


async def test_no_page_of_signing_in_has_a_barrier_at_either_width(world):
    wrong, secret = [], b""
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("en-US", 320)):
            async with screen(found, world.place, width=width, lang=lang) as page:
                await authenticator(page)
                await page.goto(f"{world.place}/entrar")
                wrong += [("door", *item) for item in await barriers(page)]
                await enter(page, world)
                if await page.locator("#codigo").count():
                    wrong += [("code", *item) for item in await barriers(page)]
                    world.clock.forward(seconds=60)
                    await page.fill("#codigo", now_code(world, secret))
                    await page.click("form[action='/entrar/codigo'] button")
                await page.goto(f"{world.place}/cuenta")
                await page.click("form[action='/cuenta/codigo'] button")
                wrong += [("app", *item) for item in await barriers(page)]
                wrong += [("app", "sideways")] if await sideways(page) else []
                secret = app_of(Seen(await page.content()))
                world.clock.forward(seconds=60)
                await page.fill("#codigo", now_code(world, secret))
                await page.click("form[action='/cuenta/codigo/confirmar'] button")
                await page.goto(f"{world.place}/cuenta/recuperacion")
                wrong += [("codes", *item) for item in await barriers(page)]
                if await page.locator("ol.codes").count():
                    await page.click("main form button")
                await page.goto(f"{world.place}/cuenta")
                await page.click("form[action='/cuenta/llaves'] button")
                wrong += [("key", *item) for item in await barriers(page)]
                await page.fill("#nombre", f"llave {width}")
                await page.click("form[data-llave] button")
                await page.wait_for_url(lambda url: url.endswith("hecho=llave"))
                for path in ("/cuenta", "/confirmar", "/cuenta/recuperacion"):
                    await page.goto(world.place + path)
                    wrong += [(path, *item) for item in await barriers(page)]
                    wrong += [(path, "sideways")] if await sideways(page) else []
    assert wrong == []


class Seen:
    def __init__(self, text):
        self.text = text


async def sideways(page):
    return await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
