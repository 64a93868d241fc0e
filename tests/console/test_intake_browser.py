"""Taking a report in Debian's Chromium: by keyboard alone, saved while somebody writes, told when the line is cut, printed."""

import re

import pytest

from tests.console.browser import browser, needs_browser, screen
from tests.console.test_browser import Keys, barriers
from tests.console.test_intake import JOURNEY, WHOM, begun, clerk, filled, opened, sent
from tests.gateway.test_exchange import table

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]
SESSION = "__Host-paradero"
SAVED = re.compile(r"Su texto está guardado hasta las \d\d:\d\d\.")


async def says(page, pattern):
    """Wait until the page says how its text stands."""
    from playwright.async_api import expect

    await expect(page.locator("#guardado")).to_have_text(pattern)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with opened(tmp_path, monkeypatch) as found:
        yield found


async def test_no_page_of_a_report_has_a_barrier_or_scrolls_sideways(world):
    visitor = await clerk(world)
    draft, receipt = await filled(visitor), await sent(visitor)
    paths = ["/reportes", "/reportes/nuevo", draft, f"{draft}/revisar", receipt]
    paths += [f"{draft}/parte/{section}" for section in ("quien-pide", "persona", "consentimientos", "proteccion")]
    wrong, said = [], []
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("en-US", 320)):
            async with screen(found, world.base, visitor.cookies[SESSION], width=width, lang=lang) as page:
                page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
                for path in paths:
                    await page.goto(world.base + path)
                    wrong += [(lang, width, path, *item) for item in await barriers(page)]
                    scrolls = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                    wrong += [(lang, width, path, "scrolls sideways")] if scrolls else []
    assert wrong == []
    assert said == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_clerk_takes_a_report_by_keyboard_alone(world, scripts):
    visitor = await clerk(world)
    async with browser() as found, screen(found, world.base, visitor.cookies[SESSION], scripts=scripts) as page:
        keys = Keys(page)
        await page.goto(f"{world.base}/reportes/nuevo")
        await keys.to("main form button")
        await keys.enter()
        draft = page.url
        for section, typed in (
            ("quien-pide", (("#canal-1", None), ("[id='r.name']", "Ficticia Madre"), ("[id='r.phones']", "5555 0100"))),
            ("persona", (("[id='p.given_names']", "Ficticio"), ("[id='p.birth_date']", "marzo de 1999"))),
            ("viaje", (("[id='p.last_contact_date']", "septiembre de 2026"),)),
            ("consentimientos", ()),
            ("proteccion", ()),
        ):
            await keys.to(f"a[href$='/parte/{section}']")
            await keys.enter()
            for selector, text in typed:
                await keys.to(selector)
                if text is None:
                    await keys.press("Space")
                else:
                    await page.keyboard.type(text)
            await keys.to("button[value='listo']", most=80)
            await keys.enter()
            assert page.url == draft, await page.inner_text("main")
        await keys.to("a[href$='/revisar']")
        await keys.enter()
        assert "1999-03" in await page.inner_text("main")
        await keys.to("main form button")
        await keys.enter()
        assert "/recibo/" in page.url, await page.inner_text("main")
        assert await page.locator("svg").count() == 1
        await page.go_back()
        await page.reload()
        assert "Firmar y enviar" not in await page.inner_text("body")
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(1,)]


async def test_what_is_written_is_saved_while_it_is_and_a_cut_line_is_told(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    async with browser() as found, screen(found, world.base, visitor.cookies[SESSION]) as page:
        await page.goto(f"{world.base}{draft}/parte/persona")
        await page.fill("[id='p.given_names']", "Ficticio")
        await page.focus("[id='p.surname_1']")
        await says(page, SAVED)
        assert SAVED.fullmatch(await page.inner_text("#guardado"))
        await page.context.set_offline(True)
        await page.fill("[id='p.surname_1']", "Caal")
        await page.focus("[id='p.given_names']")
        await says(page, re.compile("^Sin conexión"))
        assert SAVED.search(await page.inner_text("#guardado")), "until when it is saved is still said"
        await page.context.set_offline(False)
        await page.focus("[id='p.surname_1']")
        await says(page, re.compile("^Su texto"))
        assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert await page.evaluate("indexedDB.databases().then((found) => found.length)") == 0
        await page.reload()
        assert await page.input_value("[id='p.surname_1']") == "Caal"
    assert 'value="Caal"' in (await visitor.get(f"{draft}/parte/persona")).text


async def test_a_second_window_is_told_and_writes_nothing_over(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    path = f"{world.base}{draft}/parte/viaje"
    async with browser() as found, screen(found, world.base, visitor.cookies[SESSION]) as first:
        second = await first.context.new_page()
        await first.goto(path)
        await second.goto(path)
        for page, words in ((first, "una"), (second, "otra")):
            await page.fill("[id='p.intended_destination']", words)
            await page.focus("[id='p.departure_date']")
            await says(page, re.compile("."))
        assert "Otra ventana suya" in await second.inner_text("#guardado")
        async with second.expect_navigation():
            await second.click("button[value='guardar']")
        assert "Hay dos versiones" in await second.inner_text("main")
        assert 'value="una"' in (await visitor.get(f"{draft}/parte/viaje")).text
        async with second.expect_navigation():
            await second.click("button[value='esta-ventana']")
        assert await second.input_value("[id='p.intended_destination']") == "otra"


async def test_a_script_that_somebody_typed_runs_nowhere_and_nothing_is_fetched_from_outside(world):
    planted = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    visitor = await clerk(world)
    draft = await filled(
        visitor, {"persona": WHOM | {"p.features": planted}, "viaje": JOURNEY | {"p.narrative": planted}}, finished=False
    )
    said, fetched = [], []
    async with browser() as found, screen(found, world.base, visitor.cookies[SESSION]) as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
        page.on("request", lambda request: fetched.append(request.url))
        for path in (draft, f"{draft}/parte/persona", f"{draft}/parte/viaje", f"{draft}/revisar"):
            await page.goto(world.base + path)
    assert said == []
    assert [url for url in fetched if not url.startswith(world.base)] == []


async def test_a_printed_receipt_is_the_receipt_alone(world):
    visitor = await clerk(world)
    receipt = await sent(visitor)
    await world.federation.settle()
    async with browser() as found, screen(found, world.base, visitor.cookies[SESSION]) as page:
        await page.goto(world.base + receipt)
        await page.emulate_media(media="print")
        for hidden in ("header", "footer", ".crumbs", ".acts"):
            assert not await page.locator(hidden).first.is_visible(), hidden
        assert await page.locator(".qr svg").is_visible()
        assert "MBMID-2026-000001" in await page.inner_text("main")
