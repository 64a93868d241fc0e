"""Coming in by a link in Debian's Chromium, at two nodes of one machine: who enters at one is not out at the other."""

from contextlib import asynccontextmanager

import pytest

from gateway.console.private import PrivateApi
from gateway.demo.ports import local_name
from gateway.people.links import make_link
from gateway.web import Caps, Deadlines, Watch, serve_site
from tests.console.browser import browser, needs_browser, screen
from tests.people.hired import hired_at
from tests.people.world import OFFICE
from tests.simulator.federation import simulated_federation

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(300)]
NODES = ("gt.minex", "gt.igm.mbmid")


@asynccontextmanager
async def served(federation, name):
    """A node's pages under its name on this machine, as the demo serves them; gives (desk, port)."""
    node = federation.nodes[name]
    watch = Watch(Deadlines(header_seconds=75.0), Caps())
    hosts = ("127.0.0.1", local_name(name))
    api = PrivateApi(node.operations, node.people, token="x" * 43, hosts=hosts, watch=watch)
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    await hired_at(node.people, f"officer@{OFFICE}", login="o.ficticia")
    try:
        yield node.people, site.port
    finally:
        await site.close()


async def entered(page, desk, base):
    link = await make_link("o.ficticia", desk)
    await page.goto(f"{base}/enlace/{link.code}")
    async with page.expect_navigation():
        await page.click("main button")
    assert page.url == f"{base}/bandeja"


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_who_enters_at_one_node_is_not_out_at_another(tmp_path, scripts):
    async with (
        simulated_federation(tmp_path, *NODES) as federation,
        served(federation, NODES[0]) as (minex, first),
        served(federation, NODES[1]) as (mbmid, second),
        browser() as found,
    ):
        named = f"http://{local_name(NODES[0])}:{first}", f"http://{local_name(NODES[1])}:{second}"
        async with screen(found, named[0], scripts=scripts) as page:
            await entered(page, minex, named[0])
            await entered(page, mbmid, named[1])
            for base in named:
                await page.goto(f"{base}/cuenta")
                assert page.url == f"{base}/cuenta"
        # Control: under one name, which is what ports alone would be, the second cookie takes the place of the first.
        alike = f"http://127.0.0.1:{first}", f"http://127.0.0.1:{second}"
        async with screen(found, alike[0], scripts=scripts) as page:
            await entered(page, minex, alike[0])
            await entered(page, mbmid, alike[1])
            await page.goto(f"{alike[0]}/cuenta")
            assert page.url.startswith(f"{alike[0]}/entrar")
