"""Notices and search sheets in Debian's Chromium: no barrier, nothing sideways, and a sheet prints as one page, Letter and A4."""

import io
import re

import pypdf
import pytest
from aiohttp.test_utils import TestServer

from gateway.console.public import PublicSheets
from tests.console import test_sheets
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_browser import barriers
from tests.console.test_sheets import CANARY, MBMID, PHONE, code_of, sheet_made
from tests.gateway.test_exchange import row
from tests.people.hired import hired_at

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]

stage = test_sheets.stage
_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def wrong_with(page, address):
    """What is wrong with a page at both widths."""
    await page.goto(address)
    found = []
    for width in (1280, 320):
        await page.set_viewport_size({"width": width, "height": 900})
        found += [(address, width, "sideways")] if await page.evaluate(_SIDEWAYS) else []
        found += [(address, width, item) for item in await barriers(page)]
    return found


async def test_the_pages_of_sheets_and_notices_have_no_barrier(stage):
    await stage.report(row(age=(12, 13)))
    await stage.agrees()
    officer, second = await stage.officer(), await stage.officer("s.ficticia")
    waiting = (await sheet_made(officer, stage.thread)).location
    admin = await hired_at(stage.world.desk, "node-admin", login="n.ficticia", carrier=test_sheets.Carrier.COOKIE)
    base, wrong = stage.world.base, []
    pages = {
        second.cookies["__Host-paradero"]: ("/fichas", f"/f/nueva/{stage.thread}", waiting, "/cuenta/avisos"),
        admin: ("/avisos",),
    }
    async with browser() as found:
        for lang in ("es-GT", "en-US"):
            for session, paths in pages.items():
                async with screen(found, base, session, lang=lang) as page:
                    for path in paths:
                        wrong += await wrong_with(page, base + path)
    assert wrong == []


async def test_the_page_for_everybody_has_no_barrier_and_asks_nobody_else(stage):
    await stage.agrees()
    visitor = await stage.officer()
    code = code_of(await visitor.get((await sheet_made(visitor, stage.thread)).location))
    node = stage.federation.nodes[MBMID]
    wrong, asked = [], []
    async with TestServer(PublicSheets(node.operations).application()) as server:
        base = str(server.make_url("")).rstrip("/")
        async with browser() as found:
            for lang in ("es-GT", "en-US"):
                async with screen(found, base, lang=lang) as page:
                    page.on("request", lambda sent: asked.append(sent.url))
                    for path in (f"/v/{code}", "/v/nada"):
                        wrong += await wrong_with(page, base + path)
                    assert await page.context.cookies() == []
    assert wrong == []
    assert {url for url in asked if not url.startswith(base)} == set()


async def test_a_sheet_is_made_by_keyboard_without_scripts_and_prints_as_one_page(stage):
    await stage.agrees()
    visitor = await stage.officer()
    async with (
        browser() as found,
        screen(found, stage.world.base, visitor.cookies["__Host-paradero"], scripts=False, width=320) as page,
    ):
        await page.goto(stage.world.base + "/fichas")
        await page.focus("#folio")
        await page.keyboard.type(stage.folio)
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("/f/nueva/"))
        for box in await page.query_selector_all("input[name=campo]"):
            await box.focus()
            await page.keyboard.press("Space")
        await page.focus("#dias")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile("hecho=hecha"))
        for size in ("Letter", "A4"):
            printed = pypdf.PdfReader(io.BytesIO(await page.pdf(format=size)))
            assert len(printed.pages) == 1, size
            text = printed.pages[0].extract_text()
            assert CANARY in text
            assert PHONE in text
            for screen_only in ("Retirar la ficha", "Salir", "Enlaces:", "Estado:"):
                assert screen_only not in text, (size, screen_only)
