"""Cases in Debian's Chromium: no barrier that axe knows, no sideways scroll, and a referral and a finding by keyboard alone."""

import re
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import pytest

from contracts.messages import ConsentAct
from gateway.people.sign_in import Carrier
from tests.adapters.pictures import photograph
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_ask_pages import FIELDS, WHOM
from tests.console.test_attached_pages import part, upload
from tests.console.test_browser import Keys, barriers
from tests.console.test_cases import a_case, officer
from tests.console.test_consent_pages import reported_with_consents
from tests.console.test_ending_pages import CHECK
from tests.console.test_find_pages import PATIENT
from tests.console.test_find_pages import REMAINS as REMAINS_FORM
from tests.console.test_offer_pages import OFFER
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import said, says
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(900)]

MBMID, MINEX = "gt.igm.mbmid", "gt.minex"
NAMES = (MBMID, "gt.conamigua", "gt.pgn", "mx.cnb", "gt.renap", MINEX)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    """The MBMID, which has cases, and MINEX, which finds."""
    async with (
        simulated_federation(tmp_path, *NAMES) as federation,
        open_port(tmp_path, monkeypatch, federation, MBMID) as found,
        open_port(tmp_path, monkeypatch, federation, MINEX) as other,
    ):
        found.other = other
        yield found


async def finder(world):
    other = world.other
    return Visitor(
        other.base, session=await hired_at(other.desk, "officer@houston", login="h.ficticia", carrier=Carrier.COOKIE)
    )


async def pages_of(world):
    """A visitor of the MBMID, one of MINEX, and every page of theirs that there is something on."""
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c1", "c3", "c4", "c12"))
    visitor, minex = await officer(world), await finder(world)
    thread = path[3:]
    offer = await visitor.post(f"/r/nueva/{thread}", OFFER)
    ask = await visitor.post(f"/s/nueva/{thread}", [*WHOM.items(), *FIELDS])
    await visitor.post(ask.location)
    check = await visitor.post(f"{path}/identidad", CHECK)
    await visitor.post(check.location)
    notice = await minex.post("/hallazgos/nuevo/unidentified-person", PATIENT)
    await minex.post(notice.location)
    remains = await minex.post("/hallazgos/nuevo/unidentified-remains", REMAINS_FORM)
    picture = await upload(visitor, part("grado", "mark"), part("archivo", photograph(), '; filename="x.jpg"'))
    attached = picture.location.partition("?")[0]
    reported, taken_back = await reported_with_consents(world)
    await taken_back()
    [find] = await sent(world.other.node, "finding.notice")
    listed = (await visitor.get(f"{path}/consentimientos")).text
    withdraw, narrow = (re.search(rf'href="([^"]+/{act})"', listed)[1] for act in ("retirar", "reducir"))
    ours = {
        "cases": "/expedientes", "case": path, "decisions": f"{path}?ver=decisiones", "person": f"{path}/persona", "held": f"{path}/quien-tiene",
        "consents": f"{path}/consentimientos", "withdraw": withdraw, "narrow": narrow, "offer": f"/r/nueva/{thread}", "check offer": offer.location,
        "sent ask": f"{ask.location}/hecho", "ask": f"/s/nueva/{thread}", "ask fields": f"/s/nueva/{thread}?{urlencode(WHOM)}",
        "identity": f"{path}/identidad", "wish": f"{path}/voluntad", "close": f"{path}/cerrar", "find": f"/h/{find.message_id}",
        "said elsewhere": f"{reported}/consentimientos?de=reporte", "attachments": "/adjuntos", "attachment": attached, "attachment seen": f"{attached}?ver=si", "add": "/adjuntos/nuevo",
    }  # fmt: skip
    theirs = {
        "which": "/hallazgos/nuevo", "form": "/hallazgos/nuevo/unidentified-person", "stop": "/hallazgos/nuevo/unidentified-remains",
        "remains": "/hallazgos/nuevo/unidentified-remains?seguir=si", "check remains": remains.location, "own find": f"/h/{find.message_id}",
    }  # fmt: skip
    return ((world, visitor, ours), (world.other, minex, theirs))


@asynccontextmanager
async def window(found, at, visitor, **more):
    async with screen(found, at.base, visitor.cookies["__Host-paradero"], **more) as page:
        yield page


async def test_no_page_of_a_case_has_a_barrier_in_either_language_at_either_width(world):
    wrong, said_so, titles = [], [], {}
    async with browser() as found:
        for at, visitor, pages in await pages_of(world):
            for lang, width in (("es-GT", 1280), ("es-GT", 320), ("en-US", 1280), ("en-US", 320)):
                async with window(found, at, visitor, width=width, lang=lang) as page:
                    page.on(
                        "console",
                        lambda message: said_so.append(message.text) if message.type in {"error", "warning"} else None,
                    )
                    for name, path in pages.items():
                        answer = await page.goto(at.base + path)
                        wrong += [] if answer.status == 200 else [(lang, width, name, answer.status)]
                        wrong += [(lang, width, name, *item) for item in await barriers(page)]
                        scrolls = await page.evaluate(
                            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
                        )
                        wrong += [(lang, width, name, "scrolls sideways")] if scrolls else []
                        titles.setdefault((lang, await page.title()), set()).add(name)
                        wrong += [] if await page.locator("h1").count() == 1 else [(lang, width, name, "not one h1")]
    assert wrong == []
    assert said_so == []
    same = [names for names in titles.values() if len(names) > 1]
    assert all(names <= {"case", "decisions"} or names <= {"attachment", "attachment seen"} for names in same), same


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_somebody_offers_a_referral_by_keyboard_alone(world, scripts):
    path, _ = await a_case(world)
    visitor = await officer(world)
    async with browser() as found, window(found, world, visitor, scripts=scripts) as page:
        keys = Keys(page)
        await page.goto(f"{world.base}/r/nueva/{path[3:]}")
        for field, typed in (("#menor", "n"), ("#servicio", "Tra"), ("#urgencia", "n"), ("#fin", "A"), ("#base", "C")):
            await keys.to(field, most=90)
            await page.keyboard.type(typed)
        await keys.to("[name=para]", most=90)
        await keys.press("Space")
        await keys.to("main form button", most=90)
        await keys.enter()
        assert "/enviar/" in page.url, await page.inner_text("main")
        await keys.to("main form button", most=90)
        await keys.enter()
        assert page.url.endswith("/hecho")
        await page.go_back()
        await page.reload()
        assert "Firmar y enviar" not in await page.inner_text("body")
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'referral.offer'") == [(1,)]


async def test_a_withdrawal_is_confirmed_by_keyboard_without_scripts(world):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c3"))
    visitor = await officer(world)
    target = re.search(r'href="([^"]+/retirar)"', (await visitor.get(f"{path}/consentimientos")).text)[1]
    async with browser() as found, window(found, world, visitor, scripts=False) as page:
        keys = Keys(page)
        await page.goto(world.base + target)
        await keys.to("#a-c3")
        await keys.press("Space")
        await keys.to("#como")
        await page.keyboard.type("Por")
        await keys.to("#idioma")
        await page.keyboard.type("Mam")
        await keys.to("main form button")
        await keys.enter()
        assert "A quién se le avisará" in await page.inner_text("main")
        await keys.to("main form button")
        await keys.enter()
        assert "hecho=retirado" in page.url
        assert keys.presses <= 60, keys.presses


async def test_a_picture_is_not_loaded_before_somebody_asks(world):
    visitor = await officer(world)
    picture = await upload(visitor, part("grado", "face"), part("archivo", photograph(), '; filename="x.jpg"'))
    address, asked_for = picture.location.partition("?")[0], []
    async with browser() as found, window(found, world, visitor) as page:
        page.on("request", lambda sent_one: asked_for.append(sent_one.url))
        await page.goto(world.base + address)
        assert not [url for url in asked_for if url.endswith("/imagen")]
        await page.click("text=Ver la imagen")
        await page.wait_for_load_state("networkidle")
        assert [url for url in asked_for if url.endswith("/imagen")]
        assert await page.evaluate("document.querySelector('img.seen').naturalWidth") > 0
