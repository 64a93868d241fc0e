"""How long people wait on a bad line: a family's report to the MBMID's receipt, "no information", a full answer.

`python -m tests.console.outcomes [--write]` measures in Debian's Chromium, on a line that truly takes its time (`line`), and with the
browser's own slowing down; `--write` puts it into docs/benchmarks/console.md. Typing is not counted: nobody waits while they type.
"""

import argparse
import asyncio
import os
import re
import statistics
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.people.sign_in import Carrier
from tests.bench.proc import machine
from tests.console.browser import browser, screen
from tests.console.line import line_to
from tests.console.test_answering import MBMID, asked
from tests.console.test_intake import WHOLE
from tests.people.hired import back_at, hired_at
from tests.people.world import NODE, OFFICE, open_world

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks" / "console.md"
BITS, ROUND_TRIP, LOSS, SEED = 64_000, 0.8, 0.05, 7
PEOPLE = {"o.ficticia": "officer", "v.ficticia": "desk-clerk"}
TABLE = "| what | line | waited, s (median of {n}) | least – most | views | KB down | KB up |\n|---|---|---|---|---|---|---|\n"


class Walk:
    """One window; counts the seconds in which somebody waits for the line."""

    def __init__(self, page, base):
        self.page, self.base, self.waited, self.views = page, base, 0.0, 0

    async def open(self, path):
        await self._wait(self.page.goto(self.base + path))

    async def send(self, selector):
        async def click():
            async with self.page.expect_navigation():
                await self.page.click(selector)

        await self._wait(click())

    async def _wait(self, what):
        started = time.monotonic()
        await what
        self.waited += time.monotonic() - started
        self.views += 1


async def nothing(walk, world):
    """From the inbox to 'it is said that there is no information'."""
    request = await asked(world, "sex", case_ref=f"caso-{time.monotonic_ns()}")

    async def go():
        await walk.open("/bandeja")
        await walk.send(f'a[href="/s/{request}"]')
        await walk.send('a[href$="/sin-informacion"]')
        await walk.page.check("#f1")
        await walk.send("main form .acts button")
        assert "hecho=sin-informacion" in walk.page.url, walk.page.url

    return go


async def answer(walk, world):
    """From the inbox to 'answer signed', field by field."""
    request = await asked(world, "sex", "age_range", "height_cm", case_ref=f"caso-{time.monotonic_ns()}")

    async def go():
        page = walk.page
        await walk.open("/bandeja")
        await walk.send(f'a[href="/s/{request}"]')
        await walk.send('a[href$="/responder"]')
        await walk.send('a[href$="/responder/unidentified-person"]')
        await page.check("#vol-contact")
        for field, value in (("sex", "female"), ("possible_minor", "no")):
            await page.select_option(f"#v-{field}", value)
        await page.fill("#v-age_range", "30 a 34")
        await page.fill("#v-height_cm", "1.60 m")
        for field in ("sex", "height_cm"):
            await page.select_option(f"#s-{field}", "exact")
        await page.check("#r-match")
        await page.fill("#expediente", "paciente-7")
        await walk.send('main form .acts button:not([name="paso"])')
        assert "/revisar/" in page.url, await page.inner_text("main")
        await walk.send('form[action*="/revisar/"] .acts button')
        assert "/enviada/" in page.url, page.url

    return go


async def report(walk, world):
    """From 'new report' to the page with the MBMID's folio; every page of it filled in."""

    async def go():
        page = walk.page
        await walk.open("/reportes/nuevo")
        await walk.send('form[action="/reportes/nuevo"] button')
        draft = page.url.removeprefix(walk.base)
        for section, fields in WHOLE.items():
            await walk.open(f"{draft}/parte/{section}")
            for name, value in fields.items():
                await fill(page, name, value)
            await walk.send('main form button[value="listo"]')
        await walk.open(f"{draft}/revisar")
        await walk.send('form[action$="/revisar"] .acts button')
        sent = page.url.removeprefix(walk.base)
        await world.federation.settle()  # the nodes' own part: each is on this machine
        await walk.open(sent)
        assert re.search(r"MBMID-2\d{3}-\d{6}", await page.inner_text("main")), await page.inner_text("main")

    return go


async def fill(page, name, value):
    field = page.locator(f'main form [name="{name}"]')
    kind = await field.first.evaluate("e => e.type || e.tagName.toLowerCase()")
    if kind in {"radio", "checkbox"}:
        await page.check(f'main form [name="{name}"][value="{value}"]')
    elif kind.startswith("select"):
        await field.select_option(value)
    else:
        await field.fill(value)


OUTCOMES = {
    "a family's report: from an empty form to the MBMID's folio": (report, "v.ficticia"),
    "«no tenemos información»: from the inbox to its receipt": (nothing, "o.ficticia"),
    "a full answer: from the inbox to signed": (answer, "o.ficticia"),
}


@asynccontextmanager
async def relayed(world):
    """The line itself, with loss and TLS."""
    async with line_to(world.port, bits=BITS, round_trip=ROUND_TRIP, loss=LOSS, seed=SEED) as (line, base):
        yield base, lambda _page: _nothing_to_do(), line


@asynccontextmanager
async def emulated(world):
    """The browser slows itself down; no loss, no TLS."""

    async def slow(page):
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        given = {"offline": False, "latency": ROUND_TRIP * 1000, "downloadThroughput": BITS / 8, "uploadThroughput": BITS / 8}
        await session.send("Network.emulateNetworkConditions", given)

    yield world.base, slow, None


async def _nothing_to_do():
    return None


LINES = {
    f"64 kbit/s, 800 ms, 5 % lost (seed {SEED}), TLS 1.3": relayed,
    "64 kbit/s, 800 ms, as Chromium emulates it": emulated,
}


async def measure(world, found, repeats, lines):
    rows = []
    for line_name, how in lines.items():
        for name, (play, who) in OUTCOMES.items():
            takes, views, sizes = [], 0, []
            for _ in range(repeats):
                async with how(world) as (base, slow, line):
                    session = await back_at(world.desk, who, carrier=Carrier.COOKIE)
                    async with screen(found, base, session) as page:
                        page.set_default_timeout(240_000)
                        await slow(page)
                        walk = Walk(page, base)
                        go = await play(walk, world)
                        await back_to_work(page, world, who)
                        await go()
                        takes.append(walk.waited)
                        views = walk.views
                        sizes.append(dict(line.carried) if line else None)
            rows.append((name, line_name, takes, views, sizes))
            print(row_of(*rows[-1]), flush=True)
    return rows


async def back_to_work(page, world, who):
    """A session of this moment: the simulated clock moves while a question travels."""
    from gateway.console.access import SESSION_COOKIE

    session = await back_at(world.desk, who, carrier=Carrier.COOKIE)
    cookies = [cookie | {"value": session} for cookie in await page.context.cookies() if cookie["name"] == SESSION_COOKIE]
    await page.context.add_cookies(cookies)


def row_of(name, line, takes, views, sizes):
    carried = [size for size in sizes if size]
    down, up = (f"{statistics.median(size[way] for size in carried) / 1000:.0f}" if carried else "–" for way in ("down", "up"))
    return (
        f"| {name} | {line} | {statistics.median(takes):.1f} | {min(takes):.1f} – {max(takes):.1f} | {views} | {down} | {up} |"
    )


def page_of(rows, repeats, load):
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    rows_told = "\n".join(row_of(*row) for row in rows)
    return (
        "# What people wait for, on a bad line\n\n"
        f"{now}, {told_of(machine(load[0]))}. "
        "Written by `python -m tests.console.outcomes --write`. Debian's Chromium, nothing kept from before: "
        "style and script are fetched once and counted.\n\n"
        "Waited is what somebody sits through: from each click until the next page is whole. Typing and reading are not in it. "
        "The first line is a relay that holds back bytes and packets for as long as such a line would, TLS 1.3 at its end as "
        "docs/install.md deploys it; the second is the browser's own emulation. The nodes are on the same machine, so a report's folio is "
        "there when its page is opened again; between two machines their own line comes on top. A folio is what the MBMID's signed receipt brings.\n\n"
        + TABLE.format(n=repeats)
        + rows_told
        + "\n"
    )


def told_of(found):
    return "{cores} cores, {system}, Python {python}; load average at the start {load:.1f}, at the end {load_end:.1f}".format(
        **found
    )


async def main(repeats, write, lines):
    load = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        async with open_world(Path(folder), patch, None, NODE, MBMID, "gt.pgn") as world, browser() as found:
            for who, role in PEOPLE.items():
                await hired_at(world.desk, f"{role}@{OFFICE}", login=who)
            rows = await measure(world, found, repeats, lines)
    if write:
        PAGE.write_text(page_of(rows, repeats, load))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(main(given.repeats, given.write, LINES))
