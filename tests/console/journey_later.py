"""Officers of several institutions, each with a window of their own, and everything that each was shown.

Example::

    async with journey(tmp_path, monkeypatch, MBMID, MINEX, scripts=False) as told:
        ana = await told.officer(MBMID, "officer@igm", "Ana Ficticia")
        await ana.open("/bandeja")
        await ana.follow("Responder")
        assert "Refugio" not in told.shown_at(MBMID)
"""

import re
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.people.sign_in import Carrier
from tests.console.browser import browser, screen
from tests.gateway.test_exchange import row, send, table
from tests.people.hired import back_at, hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MBMID, DESK, MINEX = "gt.igm.mbmid", "gt.conamigua", "gt.minex"
CNB, FGR, ICRC = "mx.cnb", "mx.fgr", "int.icrc"
SEARCH = "gt:codigo-migracion:198-207"


class Officer:
    """One person at one window; they use what a page offers, by its words."""

    def __init__(self, page, world, login):
        self.page, self.world, self.login = page, world, login
        self.pages = []
        """Each page they were shown, whole: what it says and what stands in its source."""

    @property
    def path(self):
        return self.page.url.removeprefix(self.world.base)

    async def back(self):
        """Sign in again: hours passed, or a page is for who has just given a password."""
        from gateway.console.access import SESSION_COOKIE

        session = await back_at(self.world.desk, self.login, carrier=Carrier.COOKIE)
        kept = [item | {"value": session} for item in await self.page.context.cookies() if item["name"] == SESSION_COOKIE]
        assert len(kept) == 1
        await self.page.context.add_cookies(kept)

    async def open(self, path):
        """Type an address, or come back to one; what the page says."""
        answer = await self.page.goto(self.world.base + path)
        return await self._looks(answer)

    async def follow(self, words):
        """Click a link by what it says (a text, or a pattern)."""
        return await self._goes(self.page.locator("main").get_by_role("link", name=words).first)

    async def press(self, words):
        """Click a button by what it says."""
        return await self._goes(self.page.locator("main").get_by_role("button", name=words, exact=True).first)

    async def _goes(self, target):
        async with self.page.expect_navigation() as going:
            await target.click()
        return await self._looks(await going.value)

    async def _looks(self, answer):
        said = await self.page.inner_text("main")
        self.pages.append(f"{self.page.url}\n{await self.page.title()}\n{said}\n{await self.page.content()}")
        assert answer is None or answer.status < 500, said
        return " ".join(said.split())

    async def tick(self, *words):
        """Tick boxes, or choose the one, by their labels."""
        for text in words:
            await self.page.locator("main").get_by_label(text).first.check()

    async def fill(self, **values):
        """Fill in fields by their names, as an officer would type or choose; `_` stands for the dash of a name."""
        for name, value in values.items():
            field = self.page.locator(f'main [name="{name.replace("__", "-")}"]')
            if await field.first.evaluate("element => element.tagName") == "SELECT":
                await field.select_option(label=value)
            else:
                await field.fill(value)

    async def picks(self, name):
        """The values that a page offers to tick under a name."""
        boxes = self.page.locator(f'main input[name="{name}"]')
        return {await boxes.nth(number).get_attribute("value") for number in range(await boxes.count())}

    async def pick(self, name, *values):
        for value in values:
            await self.page.check(f'main input[name="{name}"][value="{value}"]')


class Journey:
    """The nodes, who works there, and what they were shown."""

    def __init__(self, federation, worlds, found, stack, scripts):
        self.federation, self.worlds = federation, worlds
        self._found, self._stack, self._scripts = found, stack, scripts
        self.officers = []

    async def officer(self, at, post, name):
        world, login = self.worlds[at], f"p{len(self.officers) + 1}.ficticia"
        session = await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE, name=name)
        page = await self._stack.enter_async_context(screen(self._found, world.base, session, scripts=self._scripts))
        found = Officer(page, world, login)
        self.officers.append(found)
        return found

    def shown_at(self, at):
        """Everything that anybody at a node was shown, in small letters."""
        return "\n".join(text for who in self.officers if who.world.name == at for text in who.pages).casefold()

    async def slot(self, minutes=25):
        """Time passes until what waits for its hour has left and arrived; everybody signs in again."""
        self.federation.clock.forward(minutes=minutes)
        await self.federation.settle()
        for who in self.officers:
            await who.back()


@asynccontextmanager
async def journey(folder, monkeypatch, *names, scripts, ports=None):
    """Whole nodes with a private port each (or those in `ports`), and a browser."""
    async with AsyncExitStack() as stack:
        federation = await stack.enter_async_context(simulated_federation(folder, *names))
        worlds = {
            name: await stack.enter_async_context(open_port(folder, monkeypatch, federation, name)) for name in ports or names
        }
        found = await stack.enter_async_context(browser())
        yield Journey(federation, worlds, found, stack, scripts)


def plain(said, *, without=()):
    """What a page says, without folios, ids, dates and hours: two pages that say the same are equal then."""
    for text in without:
        said = said.replace(text, "·")
    return re.sub(r"\d+", "#", said)


async def case_of(told, person=None):
    """A family's report that reached the MBMID: its folio and its thread."""
    await send(told.federation, person or row())
    await told.federation.settle()
    rows = await table(
        told.federation.nodes[MBMID], "SELECT folio, thread_id FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1"
    )
    return rows[0]


async def opens(who, folio):
    await who.open("/expedientes?ver=todo")
    return await who.follow(folio)


async def agrees(who, folio, relative, *scopes):
    """A relative says yes, and an officer writes it down."""
    await opens(who, folio)
    await who.follow("Consentimientos de los familiares")
    await who.fill(familiar=relative, como="Por escrito", idioma="Español")
    await who.pick("ambito", *scopes)
    assert "Quedó anotado" in await who.press("Anotar la autorización")


async def whom(who, folio, to, basis="consent"):
    """Choose whom to ask; the page of fields."""
    await opens(who, folio)
    await who.follow("Preguntar a una institución")
    await who.pick("para", to)
    for name, value in (("fin", "locate-missing"), ("base", basis), ("urgencia", "normal")):
        await who.page.select_option(f"#{name}", value)
    return await who.press("Seguir: qué datos")


async def asks(who, folio, to, leave, want, basis="consent", **values):
    """Ask field by field and sign; the page after it."""
    await whom(who, folio, to, basis)
    for name, value in values.items():
        field = who.page.locator(f"#v-{name}")
        is_list = await field.evaluate("element => element.tagName") == "SELECT"
        await (field.select_option(value) if is_list else field.fill(value))
    await who.pick("sale", *leave)
    await who.pick("pide", *want)
    review = await who.press("Revisar antes de enviar")
    assert "/enviar/" in who.path, review
    return await who.press("Firmar y enviar")


async def picked(who, path="/bandeja"):
    """The inbox of whoever is asked: open the newest request."""
    await who.open(path)
    link = who.page.locator('main a[href^="/s/"]').first
    return await who._goes(link)


async def own_question(told):
    """The page of the newest question that the MBMID asked."""
    rows = await table(
        told.federation.nodes[MBMID], "SELECT message_id FROM outbox WHERE kind = 'search.request' ORDER BY created_ms DESC"
    )
    return f"/s/{rows[0][0]}"
