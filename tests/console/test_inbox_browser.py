"""The inbox, deadlines, candidates and passing on in Debian's Chromium: no barrier, no sideways scroll, by keyboard alone."""

import pytest

from tests.console.browser import browser, needs_browser, screen
from tests.console.test_answering import MBMID, officer
from tests.console.test_browser import barriers
from tests.console.test_candidates import question, reported
from tests.console.test_inbox import MINEX, several
from tests.people.world import OFFICE, open_port
from tests.simulator.federation import simulated_federation

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with (
        simulated_federation(tmp_path, MINEX, MBMID) as federation,
        open_port(tmp_path, monkeypatch, federation, MINEX) as found,
    ):
        yield found


async def pages_of(world):
    """A head of office, and every page of this seam with something on it."""
    await officer(world, "x.ficticia", "officer@otra")
    head = await officer(world, "h.ficticia", f"office-head@{OFFICE}")
    opening = await reported(world)
    request, *_ = await question(world), await several(world, 2)
    await head.post(f"/s/{request}/tomar")
    await head.post("/bandeja/nombres", {"mostrar": "si"})
    await head.post("/plazos/direccion", {"hacer": "otra"})
    month = f"{world.clock.now():%Y-%m}"
    return head, {
        "inbox": "/bandeja",
        "narrowed": "/bandeja?quien=yo",
        "nothing": "/bandeja?tipo=referencia",
        "over": "/bandeja?estado=terminadas",
        "request": f"/s/{request}",
        "pass on": f"/bandeja/{request}/reasignar",
        "deadlines": "/plazos",
        "month": f"/plazos?mes={month}",
        "candidates": f"/s/{request}/candidatos",
        "filled in": f"/s/{request}/responder/missing-person?con={MINEX}~{opening}",
    }


def kept(world, name, value):
    address = world.base.replace("http:", "https:")
    return {"name": name, "value": value, "url": address, "secure": True, "httpOnly": True, "sameSite": "Strict"}


async def test_no_page_has_a_barrier_in_either_language_at_either_width(world):
    visitor, pages = await pages_of(world)
    wrong = []
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("es-GT", 320), ("en-US", 1280), ("en-US", 320)):
            async with screen(found, world.base, width=width, lang=lang) as page:
                await page.context.add_cookies([kept(world, name, value) for name, value in visitor.cookies.items()])
                for name, path in pages.items():
                    answer = await page.goto(world.base + path)
                    assert answer.status == 200, (name, answer.status)
                    wrong += [(name, lang, width, item) for item in await barriers(page)]
                    wide = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
                    wrong += [(name, lang, width, "scrolls sideways")] if wide else []
    assert wrong == []


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_head_passes_work_on_by_keyboard_alone(world, scripts):
    visitor, pages = await pages_of(world)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        await page.goto(world.base + pages["pass on"])
        await page.locator("#contenido").focus()
        presses = 0
        for key in ("Tab", "Tab", "Tab", "Space", "Tab", "Space", "Tab", "Enter"):
            await page.keyboard.press(key)
            presses += 1
        await page.wait_for_url("**hecho=reasignada")
        assert presses < 12


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_request_is_reached_from_the_inbox_and_the_list_is_narrowed_by_keyboard(world, scripts):
    visitor, _ = await pages_of(world)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        await page.goto(world.base + "/bandeja")
        await page.locator("summary").focus()
        await page.keyboard.press("Enter")
        await page.locator('a[href="/bandeja?quien=yo"]').focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/bandeja?quien=yo")
        rows = page.locator('th[scope="row"] a')
        assert await rows.count() == 1
        stops = await page.locator("tbody a, tbody button, tbody input").count()
        assert stops == 1, "the link of a row is its only stop"
        await rows.first.focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/s/*")
        assert await page.locator("h1").count() == 1
