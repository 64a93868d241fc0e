"""Every page of the route table, for every role that may open it: reachable, one heading, a title of its own, within the budget.

The browser's part (axe, reflow, forced colours) is slow and stands in `test_matrix.py`.
"""

import html
import re

import pytest

from gateway.console.access import Face, Open, Route
from tests.console.places import STRANGER, played

pytestmark = pytest.mark.timeout(600)

FIRST_VIEW, NEXT_VIEW, REQUESTS = 40_000, 15_000, 6
BY_CLICK = {"/politica/missing-person?ver=todos": 20_000}
"""Views that somebody asks for beyond a page's own: they may be larger, and no more than this."""

_FROM_OUTSIDE = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//|url\(|@import""")
_SHOWN_ALONE = {"/"}
"""Answers with the way to another page."""

_ALSO = {"/politica": "/politica/{record}"}
"""Shows, without being told which, the first of those another route shows."""


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with played(tmp_path, monkeypatch) as found:
        yield found


def problems_of(text):
    """What is wrong with a page by itself."""
    wrong = []
    if len(re.findall(r"<h1[ >]", text)) != 1:
        wrong.append("not one h1")
    wrong += ["something from outside"] if _FROM_OUTSIDE.search(text) else []
    wrong += ["inline style or script"] if re.search(r"\sstyle=|<style|<script(?![^>]*\bsrc=)|\son\w+=", text) else []
    ids = re.findall(r'\sid="([^"]+)"', text)
    wrong += ["an id twice"] if len(ids) != len(set(ids)) else []
    return wrong


async def test_every_page_has_an_address_that_a_test_looks_at(world):
    assert world.without_address() == []
    # Control: one that nobody gave an address is told by name.
    routes = world.worlds["gt.conamigua"].api
    known = routes.routes()
    routes.routes = lambda: (*known, Route("GET", "/nueva/{id}", None, Open.EVERYBODY, Face.PAGE))
    assert world.without_address() == ["/nueva/{id}"]


@pytest.mark.parametrize("language", ["es", "en"])
async def test_every_page_opens_for_every_role_that_may_and_is_small(world, language):
    wrong, titles, files, stranger = [], {}, {}, world.visitor("")
    for route, place, role in world.every():
        page = await world.visitor("" if role == STRANGER else role, place.at, language=language).get(place.path)
        if route.path in _SHOWN_ALONE or (page.status == 303 and page.location.startswith(place.path)):
            continue
        if page.status != 200:
            wrong.append((role, place.path, page.status))
            continue
        loads = set(re.findall(r'(?:src|href)="(/estatico/[^"]+)"', page.text))
        for name in loads - set(files):
            files[name] = (await stranger.get(name)).size
        wrong += [(role, place.path, problem) for problem in problems_of(page.text)]
        wrong += [(role, place.path, "next view", page.size)] if page.size > BY_CLICK.get(place.path, NEXT_VIEW) else []
        first = page.size + sum(files[name] for name in loads)
        wrong += [(role, place.path, "first view", first, len(loads))] if first > FIRST_VIEW or len(loads) >= REQUESTS else []
        title = html.unescape(re.search(r"<title>(.*?)</title>", page.text, re.DOTALL)[1])
        titles.setdefault((role, place.at, title), set()).add((_ALSO.get(route.path, route.path), place.path))
    assert wrong == []
    assert files, "the pages load nothing: the look went past them"
    alike = {key[2]: paths for key, paths in titles.items() if len({route for route, _ in paths}) > 1}
    assert alike == {}


def test_control_what_is_wrong_with_a_page_is_seen():
    assert problems_of("<h1>a</h1>") == []
    assert problems_of("<h1>a</h1><h1>b</h1>") == ["not one h1"]
    assert problems_of('<h1 id="x">a</h1><p id="x">') == ["an id twice"]
    for text in ('<img src="//cdn.example/x">', "<link href='https://x'>", "<a style='background:url(x)'>"):
        assert "something from outside" in problems_of(f"<h1>a</h1>{text}")
    for text in ("<p style='x'>", "<script>x</script>", '<p onclick="x">'):
        assert "inline style or script" in problems_of(f"<h1>a</h1>{text}")
