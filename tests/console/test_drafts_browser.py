"""Saving while somebody writes, in Debian's Chromium: what is being saved when they send is not taken for another window's."""

import asyncio

import pytest

from tests.console.browser import browser, needs_browser, screen
from tests.console.test_answering import MBMID, asked, officer
from tests.people.world import NODE, open_world

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(300)]


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def compared(world, *, by):
    """Fill two fields in, the first of which is being saved on a slow line, and send; return how often it was saved, and the page."""
    visitor, request = await officer(world), await asked(world, "sex", "height_cm")
    saved = []
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"]) as page:

        async def slowly(route):
            saved.append(route.request.url)
            answer = await route.fetch()
            await asyncio.sleep(1.0)
            await route.fulfill(response=answer)

        await page.route("**/borrador", slowly)
        await page.goto(f"{world.base}/s/{request}/responder/unidentified-person")
        await page.fill("#v-height_cm", "1.60 m")
        await page.focus("#v-sex")  # leaving the field saves
        await page.select_option("#v-sex", "female")
        async with page.expect_navigation():
            await by(page)
        await page.wait_for_load_state()
        return saved, await page.inner_text("main"), await page.input_value("#v-height_cm")


async def click(page):
    await page.click("button[value=comparar]")


async def twice(page):
    await page.dblclick("button[value=comparar]")


async def keyboard(page):
    await page.focus("button[value=comparar]")
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("by", [click, twice, keyboard])
async def test_what_is_being_saved_when_somebody_sends_is_their_own(world, by):
    saved, text, height = await compared(world, by=by)
    assert saved, "nothing was being saved: the look went past it"
    assert "Compare y decida" in text
    assert "Hay dos versiones" not in text
    assert height == "1.60 m"
