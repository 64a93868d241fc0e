"""Audit, evidence and statistics in Debian's Chromium: no barrier that axe knows, no sideways scroll, with scripts and without."""

import pytest

from keys.bundles import build_bundle
from tests.console.browser import browser, needs_browser, screen
from tests.console.test_answering import MBMID
from tests.console.test_audit_pages import answered, auditor, links, touched
from tests.console.test_browser import barriers
from tests.console.test_statistics_pages import MONTHS, filled
from tests.keys.evidence_world import World as Exchanged
from tests.people.world import NODE, open_world

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    good = build_bundle(Exchanged(tmp_path_factory.mktemp("evidence")).parts())
    (folder / "buena.json").write_bytes(good)
    (folder / "rota.json").write_bytes(good[:-100])
    return folder


async def pages_of(world):
    """An auditor, and every page of theirs with something on it."""
    request = await answered(world)
    await filled(world)
    visitor = await auditor(world)
    case = (await visitor.post("/auditoria/expediente", {"caso": request})).location
    entry = links(await visitor.get(case))[0]
    await visitor.post("/auditoria/registro")
    return visitor, {
        "questions": "/auditoria",
        "case": case,
        "left": "/auditoria/salio",
        "kept back": "/auditoria/negado",
        "refused": "/auditoria/rechazado",
        "late": "/auditoria/tarde?mes=2026-10",
        "entry": entry,
        "log": "/auditoria/registro",
        "verify": "/auditoria/verificar",
        "windows": "/auditoria/ventanas",
        "statistics": f"/estadisticas?{MONTHS}",
        "nothing yet": "/estadisticas",
        "not theirs": "/auditoria/pedidas",
    }


async def faults(page, *names):
    found = [(*names, *item) for item in await barriers(page)]
    scrolls = await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*found, *([(*names, "scrolls sideways")] if scrolls else [])]


async def test_no_page_has_a_barrier_in_either_language_at_either_width(world, bundle):
    visitor, pages = await pages_of(world)
    session, wrong, said = visitor.cookies["__Host-paradero"], [], []
    async with browser() as found:
        for lang, width in (("es-GT", 1280), ("es-GT", 320), ("en-US", 1280), ("en-US", 320)):
            async with screen(found, world.base, session, width=width, lang=lang) as page:
                page.on("console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None)
                for name, path in pages.items():
                    await page.goto(world.base + path)
                    wrong += await faults(page, lang, width, name)
                    for summary in await page.locator("summary").all():
                        await summary.click()
                    wrong += await faults(page, lang, width, f"{name}, opened")
                for file in ("buena.json", "rota.json"):
                    await verified(page, world, bundle / file)
                    wrong += await faults(page, lang, width, file)
    assert wrong == []
    assert [text for text in said if "403" not in text] == []


async def verified(page, world, file):
    await page.goto(f"{world.base}/auditoria/verificar")
    await page.set_input_files("#archivo", file)
    async with page.expect_navigation():
        await page.click("main form .acts button")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_an_auditor_asks_follows_the_proof_and_verifies_a_file(world, bundle, scripts):
    request = await answered(world)
    visitor = await auditor(world)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], scripts=scripts) as page:
        await page.goto(f"{world.base}/auditoria")
        await page.fill("#caso", request)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/auditoria/expediente/*")
        await page.click("main td a")
        assert "no ha cambiado desde que se selló" in await page.inner_text("main")
        await verified(page, world, bundle / "buena.json")
        assert "La constancia se comprueba" in await page.inner_text("main")
        await verified(page, world, bundle / "rota.json")
        assert "Pida el archivo otra vez" in await page.inner_text("main")
        await page.goto(f"{world.base}/auditoria/registro")
        await page.click("main form button")
        assert "No falta nada." in await page.inner_text("main")
        touched(world, "UPDATE leaves SET leaf_hash = zeroblob(32) WHERE leaf_index = 2")
        await page.click("main form button")
        assert "Primera posición que no concuerda" in await page.inner_text("main")


async def test_statistics_are_looked_at_and_taken_along(world):
    await filled(world)
    visitor = await auditor(world)
    async with browser() as found, screen(found, world.base, visitor.cookies["__Host-paradero"], width=320) as page:
        asked_for = []
        page.on("request", lambda sent: asked_for.append(sent.url))
        await page.goto(f"{world.base}/estadisticas?{MONTHS}")
        assert await page.locator("figure svg").count() == 4
        async with page.expect_download() as taken:
            await page.click("figure >> nth=0 >> a")
        assert (await taken.value).suggested_filename == "paradero-funnel-2026-09-2026-10.csv"
    assert [url for url in asked_for if not url.startswith(world.base)] == []
