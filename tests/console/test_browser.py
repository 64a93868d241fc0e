"""The pages in Debian's Chromium: no barrier that axe knows, no sideways scroll, by keyboard alone, with scripts and without."""

import re
from pathlib import Path

import pytest
from aiohttp import web

from gateway.people.sign_in import Carrier
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_answering import MBMID, arrived, asked, officer, prepared
from tests.gateway.test_answers import at_slot
from tests.gateway.test_leaving import ADULT
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


def axe():
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


async def barriers(page):
    """What axe finds on the page that is open. The page's own policy lets in no script but its own; this one comes from outside it."""
    await page.evaluate(axe())
    found = await page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", _RULES)
    return [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in found["violations"]]


async def pages_of(world):
    """A visitor, and every page of theirs that there is something on."""
    visitor = await officer(world)
    request = await asked(world, "sex", "age_range", "height_cm", "found_place", "marks", "facility")
    other = await asked(world, "sex", case_ref="caso-2")
    free = {"v-facility": "Albergue Ficticio", "s-facility": "exact"}
    signed = await visitor.post(await prepared(visitor, other))
    waiting_for = await asked(world, "facility", "sex", case_ref="caso-3")
    await visitor.post(await prepared(visitor, waiting_for, **free))
    found = re.findall(r'href="(/espera/[^"]+)"', (await visitor.get("/espera")).text)
    return visitor, {
        "door": "/entrar",
        "invitation": "/invitacion",
        "inbox": "/bandeja",
        "everything": "/bandeja?ver=todo",
        "request": f"/s/{request}",
        "answered": f"/s/{other}?hecho=ya",
        "which": f"/s/{request}/responder",
        "answer": f"/s/{request}/responder/unidentified-person",
        "custody": f"/s/{request}/responder/custody",
        "stop": f"/s/{request}/responder/unidentified-remains",
        "nothing": f"/s/{request}/sin-informacion",
        "later": f"/s/{request}/prorroga",
        "more": f"/s/{request}/aclaracion",
        "decline": f"/s/{request}/rechazo",
        "review": await prepared(visitor, request, **free),
        "sent": signed.location,
        "waiting": "/espera",
        "waiting one": found[0],
        "waiting text": found[-1],
        "confirm": "/confirmar",
        "account": "/cuenta",
        "missing": "/nada",
    }


async def test_no_page_has_a_barrier_in_either_language_at_either_width(world):
    visitor, pages = await pages_of(world)
    session = visitor.cookies["__Host-paradero"]
    wrong, said = [], []
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("es-GT", 320), ("en-US", 1280), ("en-US", 320)):
            async with screen(found, world.base, session, width=width, lang=lang) as page:
                page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
                for name, path in pages.items():
                    await page.goto(world.base + path)
                    wrong += [(lang, width, name, *item) for item in await barriers(page)]
                    scrolls = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                    wrong += [(lang, width, name, "scrolls sideways")] if scrolls else []
                    wrong += (
                        [(lang, width, name, "language")] if await page.locator(f"html[lang={lang[:2]}]").count() != 1 else []
                    )
    assert wrong == []
    assert [text for text in said if "404" not in text] == []  # nothing the policy of the page had to stop


async def test_control_axe_sees_a_barrier(world):
    async with browser() as found, screen(found, world.base) as page:
        await page.goto(world.base + "/entrar")
        await page.evaluate("document.querySelector('label').remove()")
        assert [name for name, _ in await barriers(page)] == ["label"]


class Keys:
    """Somebody who uses the keyboard alone. Counts presses, not letters."""

    def __init__(self, page) -> None:
        self.page = page
        self.presses = 0

    async def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            await self.page.keyboard.press(key)
            self.presses += 1

    async def to(self, selector: str, most: int = 60) -> None:
        """Tab until an element has the focus."""
        for _ in range(most):
            if await self.page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
                assert await self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", selector
                return
            await self.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    async def enter(self) -> None:
        async with self.page.expect_navigation():
            await self.press("Enter")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_somebody_answers_by_keyboard_alone(world, scripts):
    visitor, request = await officer(world), await asked(world, "sex")
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        keys = Keys(page)
        await page.goto(f"{world.base}/s/{request}/responder/unidentified-person")
        await keys.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await keys.press("Enter")
        await keys.to("#vol-contact")
        await keys.press("Space")
        await keys.to("#v-sex")
        await page.keyboard.type("m")  # mujer
        await keys.to("#s-sex")
        await keys.press("ArrowDown")
        await keys.to("#v-age_range")
        await page.keyboard.type("30 a 34")
        await keys.to("#v-possible_minor")
        await page.keyboard.type("no")
        await keys.to("#r-match")
        await keys.press("Space")
        await keys.to("#expediente")
        await page.keyboard.type("paciente-7")
        await keys.enter()
        assert "/revisar/" in page.url, await page.inner_text("main")
        await keys.press("Tab")
        await keys.press("Enter")
        await keys.to("main form button")
        await keys.enter()
        assert "Respuesta firmada" in await page.inner_text("main")
        assert keys.presses <= 40, keys.presses
        await page.go_back()
        await page.reload()
        assert "Firmar y enviar" not in await page.inner_text("body")
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_no_information_takes_a_dozen_presses(world, scripts):
    visitor, request = await officer(world), await asked(world, "sex")
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        keys = Keys(page)
        await page.goto(f"{world.base}/s/{request}/sin-informacion")
        await keys.to("#f1")
        await keys.press("Space")
        await keys.enter()
        assert "hecho=sin-informacion" in page.url
        assert keys.presses <= 12, keys.presses


async def test_the_number_of_fields_that_will_leave_is_said_while_one_chooses(world):
    visitor, request = await officer(world), await asked(world)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"]) as page:
        await page.goto(f"{world.base}/s/{request}/responder/unidentified-person")
        assert await page.inner_text("#cuenta") == "Saldrán 0 de 4 campos."
        await page.select_option("#s-sex", "exact")
        assert await page.inner_text("#cuenta") == "Saldrán 1 de 4 campos."


async def test_what_a_peer_sends_runs_nowhere(world):
    planted = "<img src=x onerror=alert(1)><script>alert(2)</script>"[:58]
    visitor, request = await officer(world), await asked(world, values=ADULT | {"given_names": [planted]})
    said, asked_for = [], []
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"]) as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("request", lambda sent: asked_for.append(sent.url))
        for path in ("/bandeja", f"/s/{request}", f"/s/{request}/responder/unidentified-person"):
            await page.goto(world.base + path)
    assert said == []
    assert [url for url in asked_for if not url.startswith(world.base)] == []


async def test_a_page_of_another_site_can_send_nothing_in_somebodys_name(world):
    visitor, request = await officer(world), await asked(world)
    target = f"{world.base}/s/{request}/rechazo"

    async def evil(_request):
        text = f'<form method="post" action="{target}"><input name="motivo" value="other"></form><script>document.forms[0].submit()</script>'
        return web.Response(text=text, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", evil)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"]) as page:
            await page.goto(f"http://localhost:{port}/")
            await page.wait_for_url(target)
            assert "no vino de una página de este nodo" in await page.inner_text("main")
    finally:
        await runner.cleanup()
    assert 'href="' + f"/s/{request}/responder" in (await visitor.get(f"/s/{request}")).text  # still open


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_long_menu_leaves_two_thirds_of_a_small_screen_to_the_page(world, scripts):
    session = await hired_at(world.desk, f"office-head@{OFFICE}", login="h.ficticia", carrier=Carrier.COOKIE)
    async with browser() as found, screen(found, world.base, session, width=320, height=568, scripts=scripts) as page:
        await page.goto(f"{world.base}/bandeja")
        folded, links = await page.locator("header").bounding_box(), page.locator("header li a")
        assert await links.count() > 8
        assert folded["height"] <= 568 / 3, folded
        assert not [link for link in await links.all() if await link.is_visible()]
        await page.get_by_role("link", name="Menú").click()
        assert [link for link in await links.all() if not await link.is_visible()] == []
        await links.last.click()
        assert page.url == f"{world.base}/cuenta"
        for key in ("Tab", "Tab", "Enter", "Tab", "Tab", "Enter"):  # past the skip link, the menu; its second link
            await page.keyboard.press(key)
        await page.wait_for_url(f"{world.base}/expedientes")
