"""Officers of several institutions, each at a browser window of their own, who live a case through the pages.

Example::

    async with lived(tmp_path, monkeypatch, scripts, MBMID, DESK) as story:
        clerk = await story.enters("desk-clerk@huehuetenango", at=DESK)
        await clerk.goes("/reportes")
        await clerk.follows("Tomar un reporte")
        await clerk.presses("Empezar")
        await story.settle()
        assert "Madre" not in story.read_at(MBMID)
"""

import html
import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from tests.console.browser import browser, screen
from tests.people.factors import quicken
from tests.people.hired import PASSWORD, back_at, hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

TAGS = re.compile(r"<[^>]+>")


@dataclass
class Person:
    """Somebody at a window. `read`: every page that stood there, as it came: hidden fields and titles too."""

    page: object
    base: str
    login: str
    read: list[str] = field(default_factory=list)

    async def goes(self, path, status=200):
        """Open an address of the node; whoever was away so long that the door is shown comes in again first."""
        answer = await self.page.goto(self.base + path)
        if "/entrar" in self.page.url:
            await self.comes_in()
            answer = await self.page.goto(self.base + path)
        await self._seen()
        assert answer.status == status, (path, answer.status, await self.main())
        return await self.main()

    async def comes_in(self):
        """Sign in at the door."""
        await self.page.goto(f"{self.base}/entrar")
        await self.fills({"usuario": self.login, "clave": PASSWORD})
        await self.presses("Entrar")
        assert "/entrar" not in self.page.url, await self.main()

    async def follows(self, text, **more):
        """Follow the link of this text, the first of them."""
        await self.acts(self.page.locator("main").get_by_role("link", name=text, **more).first)

    async def presses(self, text):
        """Press the button of this text by the keyboard; who was away a while gives the password first, as the page asks."""
        if await self.page.locator("#clave").count() and "/entrar" not in self.page.url:
            await self.page.fill("#clave", PASSWORD)
        await self.acts(self.page.get_by_role("button", name=text, exact=True).first)

    async def acts(self, found):
        """Press Enter on what leads to another page."""
        await found.focus()
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")
        await self._seen()

    async def fills(self, fields):
        """Fill fields in by their id: ticked where the value is True, chosen where there is a choice, written otherwise."""
        for name, value in fields.items():
            found = self.page.locator(f'[id="{name}"]')
            kind = await found.evaluate("found => found.tagName")
            if value is True:
                await found.check()
            elif kind == "SELECT":
                await found.select_option(value)
            elif kind == "FIELDSET":
                await found.locator(f'input[value="{value}"]').check()
            else:
                await found.fill(value)

    async def ticks(self, name, *values):
        """Tick boxes or a button of a choice by their value."""
        for value in values:
            await self.page.locator(f'main input[name="{name}"][value="{value}"]').check()

    async def main(self):
        return " ".join((await self.page.inner_text("main")).split())

    async def sees(self, *words):
        """Each of these stands on the page."""
        text = (await self.main()).casefold()
        for word in words:
            assert word.casefold() in text, (word, text)

    async def _seen(self):
        self.read.append(await self.page.content())


@dataclass
class Lived:
    """Whole nodes, the port of each, and who works there."""

    federation: object
    worlds: dict
    windows: object
    stack: AsyncExitStack
    scripts: bool
    people: dict = field(default_factory=dict)

    async def enters(self, post, *, at, login=None):
        """Somebody with this post comes in by the door of their node, in a window of their own."""
        world = self.worlds[at]
        login = login or f"{post.partition('@')[0]}.{len(self.people)}.f"
        quicken(world)
        await hired_at(world.desk, post, login=login)
        page = await self.stack.enter_async_context(screen(self.windows, world.base, scripts=self.scripts))
        found = Person(page, world.base, login)
        self.people.setdefault(at, []).append(found)
        await found.comes_in()
        return found

    async def settle(self):
        await self.federation.settle()

    async def call(self, person, at, method, path, body=None):
        """What a program of the office does there, where there is no page: with a token of the same person."""
        token = await back_at(self.worlds[at].desk, person.login)
        status, answer = await self.worlds[at].call(method, f"/api/v1/{path}", token, body)
        assert status == 200, (path, status, answer)
        return answer

    def read_at(self, at):
        """Every page that anybody read at a node, in small letters."""
        return everything(person.read for person in self.people.get(at, []))


def everything(pages):
    return html.unescape("\n".join(text for read in pages for text in read)).casefold()


def words_of(page):
    return " ".join(html.unescape(TAGS.sub(" ", page)).split())


@asynccontextmanager
async def lived(folder, monkeypatch, scripts, *names):
    """Found a federation and open the private port of every node of it, and a browser."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(folder, *names))
        worlds = {name: await stack.enter_async_context(open_port(folder, monkeypatch, federation, name)) for name in names}
        windows = await stack.enter_async_context(browser())
        yield Lived(federation, worlds, windows, stack, scripts)


# -- what several stories do ---------------------------------------------------------------------------------------------------

MSPAS = "gt.mspas"
SECTIONS = ("Quién pide la búsqueda", "La persona buscada", "El viaje", "Consentimientos, uno por uno", "Protección")
MOTHER = {
    "canal-1": True, "r.name": "Ficticia Madrezanatuk", "r.relationship": "mother", "r.phones": "5555 0100", "r.language": "cac",
    "r.address": "Aldea Zanatukaldea",
}  # fmt: skip


async def takes_report(clerk, reporter, person, journey, consents=()):
    """A clerk takes a report and sends it; returns the addresses of its draft and of its receipt."""
    await clerk.goes("/reportes")
    await clerk.follows("Tomar un reporte")
    await clerk.presses("Empezar")
    draft = clerk.page.url.removeprefix(clerk.base)
    agreed = {f"c-{name}": "si" for name in consents}
    how = {"forma": "oral-witnessed", "lengua": "mam", "testigo": "Ficticia Testigo"} if agreed else {}
    for section, fields in zip(SECTIONS, (reporter, person, journey, agreed | how, {}), strict=True):
        await clerk.follows(section)
        await clerk.fills(fields)
        await clerk.presses("Guardar y continuar")
        assert clerk.page.url.endswith(draft), await clerk.main()
    await clerk.follows("Revisar y enviar")
    await clerk.presses("Firmar y enviar")
    assert "/recibo/" in clerk.page.url, await clerk.main()
    return draft, clerk.page.url.removeprefix(clerk.base)


async def opens(person, found):
    """Follow a link by the keyboard; returns where it led."""
    await person.acts(found)
    return person.page.url.removeprefix(person.base).partition("?")[0]


async def newest_case(officer):
    await officer.goes("/expedientes")
    return await opens(officer, officer.page.locator("main th[scope=row] a").first)


async def asks(
    officer, case, to=MSPAS, base="gt:codigo-migracion:198-207", fields=("surname_1", "age_range"), want=("sex", "age_range")
):
    """Fill a question in from a case, up to the page to check it on."""
    await officer.goes(case)
    await officer.follows("Preguntar a una institución")
    await officer.ticks("para", to)
    await officer.fills({"fin": "locate-missing", "base": base, "urgencia": "normal"})
    await officer.presses("Seguir: qué datos")
    await officer.ticks("sale", *fields)
    await officer.ticks("pide", *want)
    await officer.presses("Revisar antes de enviar")


async def approves(second):
    """Another officer opens what waits, reads its texts and lets it go."""
    await second.goes("/espera")
    waiting = second.page.locator("main th[scope=row] a")
    await opens(second, waiting.first)
    texts = await second.page.locator('main input[name="texto"]').all()
    if texts:
        for box in texts:
            await box.check()
        await second.presses("Puede salir")
        await second.goes("/espera")
        if not await waiting.count():
            return
        await opens(second, waiting.first)
    await second.presses("Apruebo que salga exactamente esto")


async def reviews(officer):
    """Go on to the page to check on what leaves, past the one that says that it may be a child."""
    await officer.presses("Revisar antes de enviar")
    if "/revisar/" not in officer.page.url:
        await officer.presses("Seguir y revisar")
    assert "/revisar/" in officer.page.url, await officer.main()


async def answered_at_its_hour(story):
    story.federation.clock.forward(minutes=25)
    await story.settle()


async def takes_up(officer, start):
    """Open the newest work of this kind in the inbox."""
    await officer.goes("/bandeja")
    return await opens(officer, officer.page.locator(f'main th[scope=row] a[href^="{start}"]').first)
