"""Pictures of every page, for people to look at: `python -m tests.console.pictures FOLDER`. Not kept in the repository.

The two in `docs/pictures` are taken of a demo that runs: `python -m tests.console.pictures docs/pictures --demo ITS_FOLDER`.
"""

import argparse
import asyncio
import re
import tempfile
import tomllib
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.links import link_for, nodes_in
from gateway.demo.narrator import Narrator
from gateway.demo.staff import OFFICER, sign_in
from gateway.demo.tour import Tour, arrives, fresh_case
from tests.console.browser import browser, screen
from tests.console.places import STRANGER, played

LARGEST = 200 * 1024
FIXTURES = Path(__file__).parents[2] / "gateway" / "demo" / "fixtures" / "casework"
ASKED = ({}, {"urgency": "normal", "want": ["sex", "age_range", "marks"]}, {"urgency": "life-at-risk"})


async def take(folder: Path) -> int:
    """Every place of the matrix, as one role that may see it, in two languages and at two widths."""
    taken = 0
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        async with played(Path(home), patch) as world, browser() as found:
            once = {}
            for _, place, role in world.every():
                once.setdefault(place, role)
            for lang in ("es", "en"):
                for place, role in once.items():
                    session = world.sessions.get((place.at, role), "")
                    async with screen(found, world.base(place), session, lang=lang) as page:
                        await page.goto(world.base(place) + place.path)
                        for width in (1280, 320):
                            await page.set_viewport_size({"width": width, "height": 900})
                            name = f"{named(place.path)}-{'door' if role == STRANGER else role}-{lang}-{width}.png"
                            await page.screenshot(path=folder / name, full_page=True)
                            taken += 1
    return taken


def named(path: str) -> str:
    """A file name of an address: ids are left out, they are other ones each time."""
    plain = re.sub(r"[0-9a-f-]{36}|[0-9a-f]{64}|[A-Za-z0-9_-]{43}", "x", path)
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "home"


async def take_two(folder: Path, home: Path) -> None:
    """The inbox and the answer page of the consulate, at a demo that runs."""
    async with aiohttp.ClientSession() as session:
        nodes = nodes_in(home)
        tour = Tour(home, dict(nodes), session, Narrator(lambda: 0.0), alone=True)
        await asyncio.gather(*(sign_in(node, session, OFFICER) for node in (tour.mbmid, tour.minex)))
        asked = [await ask(tour, more) for more in ASKED]
        for request in asked:
            await arrives(request, tour)
        link = await link_for(nodes, home, "gt.minex", OFFICER)
    async with browser() as found, screen(found, link.url, width=1100, height=760) as page:
        await page.goto(link.url)
        async with page.expect_navigation():
            await page.click("main button")
        await shot(page, folder / "bandeja.png")
        await page.goto(f"http://{link.host}/s/{asked[0]}/responder/unidentified-remains?seguir=si")
        await page.fill("#v-age_range", "24 a 30")
        await page.select_option("#v-sex", "male")
        await page.select_option("#s-sex", "exact")
        await page.fill("#v-height_cm", "163 a 168")
        await page.select_option("#s-height_cm", "exact")
        await page.fill("#v-cause_of_death", "por determinar")
        async with page.expect_navigation():
            await page.click("button[value=comparar]")
        await page.locator("#tabla").evaluate("table => scrollTo(0, table.getBoundingClientRect().top + scrollY - 60)")
        await shot(page, folder / "responder.png")


async def ask(tour: Tour, more: dict) -> str:
    """A question of the MBMID about a case nobody asked about, which the mother allowed."""
    folio = await fresh_case(tour)
    given = {"act": "given", "relative": "madre", "scopes": ["c2"], "form": "written", "language": "es"}
    await tour.mbmid.send(tour.session, f"/api/v1/cases/{folio}/consents", given)
    question = tomllib.loads((FIXTURES / "pregunta.toml").read_text().replace("FOLIO", folio)) | more
    return str((await tour.mbmid.send(tour.session, "/api/v1/requests", question))["message_id"])


async def shot(page, path: Path) -> None:
    """A picture of what a window shows, small enough for a repository."""
    from PIL import Image

    taken = Image.open(BytesIO(await page.screenshot())).convert("RGB").quantize(64)
    packed = BytesIO()
    taken.save(packed, "PNG", optimize=True)
    assert packed.tell() <= LARGEST, path
    await asyncio.to_thread(path.write_bytes, packed.getvalue())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--demo", type=Path, help="the folder of a demo that runs")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.demo:
        asyncio.run(take_two(given.folder, given.demo))
    else:
        print(f"{asyncio.run(take(given.folder))} pictures in {given.folder}")
