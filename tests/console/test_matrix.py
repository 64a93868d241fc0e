"""Every page, for every role that may open it, in both languages and at two widths, in Debian's Chromium.

No barrier that axe knows, no sideways scroll, nothing from another host, small views; also without scripts, with the colours of
the system forced, and with motion reduced. Pages come from the route table (`places`): a page without an address fails by name.
"""

import asyncio
import re
from collections import defaultdict

import pytest

from tests.console.browser import browser, needs_browser, screen
from tests.console.places import PEOPLE, STRANGER, played
from tests.console.test_browser import axe, barriers
from tests.console.test_places import BY_CLICK, FIRST_VIEW, NEXT_VIEW, REQUESTS
from tests.people.world import NODE

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(1200)]

_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
_MOVES = """() => document.getAnimations().length
  + [...document.querySelectorAll("*")].filter(e => getComputedStyle(e).transitionDuration.split(", ").some(t => parseFloat(t) > 0)).length"""
_LOST = """() => [...document.querySelectorAll("button, .button, input:not([type=hidden]), select, textarea, .tag, main a")]
  .filter(e => e.getClientRects().length && !e.closest(".vh"))
  .filter(e => { const s = getComputedStyle(e);
    const drawn = parseFloat(s.borderTopWidth) > 0 && s.borderTopStyle !== "none";
    const native = e.matches("input[type=checkbox], input[type=radio]");
    return !drawn && !native && !s.textDecorationLine.includes("underline"); })
  .map(e => e.outerHTML.slice(0, 80))"""
_UNSENDABLE = (
    """() => [...document.querySelectorAll("form")].filter(f => !f.querySelector("button, input[type=submit]")).length"""
)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with played(tmp_path, monkeypatch) as found:
        assert found.without_address() == []
        yield found


def by_role(world):
    """{(node, role): places}: one window shows them all, one after another."""
    found = defaultdict(list)
    for _, place, role in world.every():
        found[place.at, role].append(place)
    return found


def each_once(world):
    """Every place with one role that may open it."""
    found = {}
    for _, place, role in world.every():
        found.setdefault(place, role)
    return found.items()


def window(found, world, at, role, **more):
    return screen(found, world.worlds[at].base, world.sessions.get((at, role), ""), **more)


async def looked_at(page, base, place, lang):
    """What is wrong with one page at both widths."""
    answer = await page.goto(base + place.path)
    if answer.status >= 400:
        return [f"status {answer.status}"]
    wrong = [] if await page.locator(f"html[lang={lang[:2]}]").count() == 1 else ["language"]
    for width in (1280, 320):
        await page.set_viewport_size({"width": width, "height": 900})
        wrong += ["scrolls sideways"] if await page.evaluate(_SIDEWAYS) else []
        wrong += [f"{width}: {item}" for item in await barriers(page)]
    return wrong


@pytest.mark.parametrize("lang", ["es-GT", "en-US"])
async def test_no_page_has_a_barrier_for_any_role(world, lang):
    wrong, outside, turns, seen = [], [], asyncio.Semaphore(2), set()
    async with browser() as found:

        async def role_window(at, role, places):
            async with turns, window(found, world, at, role, lang=lang) as page:
                base = world.worlds[at].base
                page.on("request", lambda sent: None if sent.url.startswith(base) else outside.append(sent.url))
                for place in places:
                    seen.add(role)
                    wrong.extend((role, place.path, problem) for problem in await looked_at(page, base, place, lang))

        await asyncio.gather(*(role_window(*key, places) for key, places in by_role(world).items()))
    assert wrong == []
    assert outside == []
    assert seen == {*PEOPLE, STRANGER}


async def test_every_view_is_small_and_asks_nobody_else(world):
    wrong = []
    async with browser() as found:
        for place, role in each_once(world):
            async with window(found, world, place.at, role) as page:
                line = await page.context.new_cdp_session(page)
                await line.send("Network.enable")
                views = []
                for _ in range(2):  # the first, and one with what the browser keeps
                    sizes, urls = [], []
                    heard = [("Network.loadingFinished", lambda event, to=sizes: to.append(event["encodedDataLength"]))]
                    heard.append(("Network.requestWillBeSent", lambda event, to=urls: to.append(event["request"]["url"])))
                    for name, listen in heard:
                        line.on(name, listen)
                    await page.goto(world.base(place) + place.path, wait_until="networkidle")
                    for name, listen in heard:
                        line.remove_listener(name, listen)
                    views.append((sum(sizes), len(urls)))
                    wrong += [
                        (place.path, url) for url in urls if not url.startswith((world.base(place), "data:"))
                    ]  # the browser draws with data of its own
                (first, requests), (again, _) = views
                if (
                    first > FIRST_VIEW
                    or again > BY_CLICK.get(place.path, NEXT_VIEW)
                    or requests > REQUESTS + (place.path == "/")
                ):
                    wrong.append((place.path, first, again, requests))
                assert first > again > 0
    assert wrong == []


async def test_every_page_is_whole_without_scripts(world):
    wrong = []
    async with browser() as found:
        windows = defaultdict(list)
        for place, role in each_once(world):
            windows[place.at, role].append(place)
        for (at, role), places in windows.items():
            async with window(found, world, at, role, width=320, scripts=False) as page:
                for place in places:
                    await page.goto(world.worlds[at].base + place.path)
                    wrong += [(place.path, "scrolls sideways")] if await page.evaluate(_SIDEWAYS) else []
                    wrong += [(place.path, "a form without a button")] if await page.evaluate(_UNSENDABLE) else []
                    wrong += [(place.path, "no heading")] if not (await page.inner_text("h1")).strip() else []
    assert wrong == []


async def test_nothing_is_lost_with_forced_colours_and_nothing_moves_where_motion_is_reduced(world):
    wrong = []
    async with browser() as found:
        windows = defaultdict(list)
        for place, role in each_once(world):
            windows[place.at, role].append(place)
        for (at, role), places in windows.items():
            async with window(found, world, at, role) as page:
                await page.emulate_media(forced_colors="active", reduced_motion="reduce")
                for place in places:
                    await page.goto(world.worlds[at].base + place.path)
                    wrong += [(place.path, "no edge", item) for item in await page.evaluate(_LOST)]
                    wrong += [(place.path, "moves")] if await page.evaluate(_MOVES) else []
    assert wrong == []


async def test_control_each_look_sees_what_it_looks_for(world):
    async with browser() as found, window(found, world, NODE, "officer", width=320) as page:
        await page.goto(world.worlds[NODE].base + "/cuenta")
        await page.evaluate(axe())
        assert await page.evaluate(_SIDEWAYS) is False
        await page.evaluate("document.querySelector('h1').style.width = '900px'")
        assert await page.evaluate(_SIDEWAYS) is True
        assert await page.evaluate(_MOVES) == 0
        await page.evaluate("document.querySelector('h1').style.transition = 'opacity 1s'")
        assert await page.evaluate(_MOVES) == 1
        assert await page.evaluate(_LOST) == []
        await page.evaluate("document.querySelector('main button').style.border = '0'")
        assert len(await page.evaluate(_LOST)) == 1
        await page.evaluate("document.querySelector('main form button').remove()")
        assert await page.evaluate(_UNSENDABLE) == 1
        assert re.search("/cuenta$", page.url)
