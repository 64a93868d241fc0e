"""The pages about the node, the network, the policy and sources in Debian's Chromium: no barrier axe knows, no sideways scroll."""

import re

import pytest

from gateway.people.sign_in import Carrier
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_adapter_pages import NAME, ROWS
from tests.console.test_answering import MBMID, asked
from tests.console.test_browser import barriers
from tests.console.test_network import with_line
from tests.console.visitor import Visitor
from tests.people.hired import hired_at
from tests.people.world import FIXTURES, NODE, OFFICE, open_world

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(900)]


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID, "gt.pgn") as found:
        found.mappings()
        (found.node.config.mapping_folder / f"{NAME}.xlsx").write_bytes((FIXTURES / f"{NAME}.xlsx").read_bytes())
        yield found


async def visitor_of(world, post, login):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def pages_of(world, monkeypatch):
    """Who administers, and every page of theirs that there is something on."""
    await hired_at(world.desk, f"officer@{OFFICE}", login="o.ficticia")
    await asked(world)
    visitor = await visitor_of(world, "node-admin", "t.ficticia")
    with_line(world, monkeypatch)
    await visitor.post(f"/red/{MBMID}/probar")
    person = next(item.person.person_id for item in await world.desk.reader.people() if item.person.login == "o.ficticia")
    tester = "de=consulate&a=foreign-search&mensaje=search.request&finalidad=locate-missing&base=consent&registro=missing-person&personas=1&menor=no"
    return visitor, {
        "network": "/red",
        "map": "/red/mapa",
        "matrix": "/red/matriz",
        "one": f"/red/{MBMID}",
        "policy": "/politica",
        "policy, every role": "/politica?ver=todos",
        "cell": "/politica/missing-person/given_names/search-mechanism",
        "tester": "/politica/probar",
        "answer": f"/politica/probar?{tester}",
        "wrong question": "/politica/probar?mensaje=x",
        "sources": "/adaptadores",
        "trial": f"/adaptadores/{NAME}/probar",
        "home": "/administracion",
        "state": "/administracion/estado",
        "people": "/administracion/personas",
        "person": f"/administracion/personas/{person}",
        "new person": "/administracion/personas/nueva",
        "offices": "/administracion/oficinas",
        "new office": "/administracion/oficinas/nueva",
        "keys": "/administracion/llaves",
        "backups": "/administracion/respaldos",
        "retention": "/administracion/retencion",
        "outbox": "/administracion/salida",
    }


async def test_no_page_has_a_barrier_in_either_language_at_either_width(world, monkeypatch):
    visitor, pages = await pages_of(world, monkeypatch)
    session = visitor.cookies["__Host-paradero"]
    wrong, said, titles = [], [], {}
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("es-GT", 320), ("en-US", 1280), ("en-US", 320)):
            async with screen(found, world.base, session, width=width, lang=lang) as page:
                page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
                for name, path in pages.items():
                    await page.goto(world.base + path)
                    wrong += [(lang, width, name, *item) for item in await barriers(page)]
                    scrolls = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                    wrong += [(lang, width, name, "scrolls sideways")] if scrolls else []
                    wrong += [(lang, width, name, "headings")] if await page.locator("h1").count() != 1 else []
                    titles.setdefault((lang, await page.title()), set()).add(path.partition("?")[0])
    assert wrong == []
    assert [text for text in said if "422" not in text] == []  # nothing the policy of the page had to stop
    assert [title for title, paths in titles.items() if len(paths) > 1] == []


async def test_a_trial_and_an_invitation_have_no_barrier_either(world, monkeypatch):
    visitor, _ = await pages_of(world, monkeypatch)
    officer = await visitor_of(world, f"officer@{OFFICE}", "p.ficticia")
    async with browser() as found:
        for width in (1280, 320):
            async with screen(found, world.base, officer.cookies["__Host-paradero"], width=width) as page:
                await page.goto(f"{world.base}/adaptadores/{NAME}/probar")
                await page.fill("#filas", ROWS)
                await page.check("#valores")
                await page.click("main form button")
                assert "Ficticiacanaria" in await page.inner_text("main")
                assert await barriers(page) == []
                assert not await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
            async with screen(found, world.base, visitor.cookies["__Host-paradero"], width=width) as page:
                await page.goto(f"{world.base}/administracion/personas/nueva")
                await page.fill("#nombre", "Nueva Ficticia")
                await page.fill("#usuario", f"n.ficticia{width}")
                await page.click("text=Auditoría")
                await page.click("main form button")
                assert re.search(r"Código de la invitación", await page.inner_text("main"))
                assert await barriers(page) == []
                assert not await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_a_link_is_tried_and_paused_by_keyboard_alone(world, monkeypatch, scripts):
    from tests.console.test_browser import Keys

    visitor, _ = await pages_of(world, monkeypatch)
    world.clock.forward(seconds=30)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        keys = Keys(page)
        await page.goto(f"{world.base}/red/{MBMID}")
        await keys.to(f"form[action='/red/{MBMID}/probar'] button")
        await keys.enter()
        assert "firmó con la llave" in await page.inner_text("main")
        await keys.to(f"form[action='/red/{MBMID}/pausar'] button")
        await keys.enter()
        assert "en pausa" in await page.inner_text("main")
        assert keys.presses <= 60, keys.presses
