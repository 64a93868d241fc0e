"""Cases by pages: a list without names, one case with what happened in it and who has what; who opened it is written down first."""

import html
import re

import pytest

from contracts.ids import ThreadId
from contracts.messages import ConsentAct
from gateway.console.pages.case_room import CaseRoom
from gateway.people.roles import PERMISSIONS, Permission
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_recall import said, says
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MBMID, DESK, OFFICE, MORE = "gt.igm.mbmid", "gt.conamigua", "igm", ("gt.pgn", "mx.cnb")
NOWHERE = "01990000-0000-7000-8000-000000000003"


@pytest.fixture(name="world")
async def cases_world(tmp_path, monkeypatch):
    """The MBMID with its private port, a desk that sends reports, and two institutions to ask things of."""
    async with (
        simulated_federation(tmp_path, MBMID, DESK, *MORE) as federation,
        open_port(tmp_path, monkeypatch, federation, MBMID) as found,
    ):
        yield found


async def officer(world, login="o.ficticia", post=f"officer@{OFFICE}"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def a_case(world, **values):
    """A family's report that reached the MBMID: the path of its page, and its folio."""
    await send(world.federation, row(**values))
    await world.federation.settle()
    found = await table(
        world.node, "SELECT thread_id, folio FROM cases WHERE kind = 'report' ORDER BY opened_ms DESC, folio DESC"
    )
    return f"/e/{found[0][0]}", found[0][1]


def text_of(page):
    """What somebody reads on a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def looked(world, what):
    """Who looked, as the node's log has it."""
    return [leaf for leaf in await world.leaves() if str(leaf.get("detail", "")).startswith(what)]


async def test_the_list_names_nobody_and_holds_a_page(world):
    visitor = await officer(world)
    for _ in range(27):
        await send(world.federation, row())
    await world.federation.settle()
    first = await visitor.get("/expedientes")
    second = await visitor.get(html.unescape(re.search(r'href="(/expedientes\?despues=[^"]+)"', first.text)[1]))
    assert [len(re.findall(r'href="/e/', page.text)) for page in (first, second)] == [25, 2]
    assert CANARY not in first.text + second.text
    listed = re.findall(r"MBMID-2026-\d{6}", first.text + second.text)  # whichever of one moment comes first
    assert sorted(set(listed)) == [f"MBMID-2026-{number:06}" for number in range(1, 28)]
    assert "Volver a los más nuevos" in second.text
    assert "despues=" not in second.text
    for odd in ("0", "x", NOWHERE, "9" * 400, "³"):
        assert (await visitor.get(f"/expedientes?despues={odd}")).status == 200


async def test_a_case_shows_what_happened_and_no_name(world):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c2", "c12"))
    visitor = await officer(world)
    page = await visitor.get(path)
    read = text_of(page)
    assert page.status == 200
    for words in (folio, "Reporte recibido", "traslado de reporte", "con datos de la persona", "Red consular"):
        assert words in read, words
    assert CANARY not in page.text
    only = text_of(await visitor.get(f"{path}?ver=decisiones"))
    assert "Un familiar autorizó" in only
    assert "traslado de reporte" not in only
    assert "Un familiar autorizó" not in text_of(await visitor.get(f"{path}?ver=mensajes"))


async def test_a_case_leads_to_a_new_sheet_until_it_is_over(world, monkeypatch):
    path, _ = await a_case(world)
    visitor, way = await officer(world), f'href="/f/nueva/{path.rpartition("/")[2]}"'
    page = await visitor.get(path)
    assert way in page.text
    assert 'href="/fichas"' in page.text.partition("<main")[2]
    monkeypatch.setitem(PERMISSIONS, Permission.SHEETS_PUBLISH, frozenset())
    assert way not in (await visitor.get(path)).text
    monkeypatch.undo()
    async with world.node.capabilities.begin() as work:
        await work.cases.set_state(ThreadId(path.rpartition("/")[2]), state="closed")
    assert way not in (await visitor.get(path)).text


async def test_opening_is_in_the_log_before_it_is_read_and_shows_who(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    await visitor.get(path)
    [leaf] = await looked(world, "case.open")
    assert leaf["actor"]
    await visitor.get(f"{path}/persona")
    assert len(await looked(world, "case.person")) == 1
    read = text_of(await visitor.get(f"{path}?ver=accesos"))
    assert "Abrió el expediente · Ficticia" in read
    assert "Leyó los datos de la persona · Ficticia" in read


@pytest.mark.parametrize("page", ["", "/persona", "/quien-pide", "/quien-tiene"])
async def test_what_cannot_be_logged_is_not_shown(world, monkeypatch, page):
    path, folio = await a_case(world)
    visitor = await officer(world)

    async def refuse(*_args):
        raise OSError("no log")

    monkeypatch.setattr(CaseRoom, "record", refuse)
    shown = await visitor.get(path + page)
    assert shown.status == 500
    assert folio not in shown.text
    assert CANARY not in shown.text


async def test_the_person_is_read_on_a_page_of_its_own(world):
    path, _ = await a_case(world)
    read = text_of(await (await officer(world)).get(f"{path}/persona"))
    assert CANARY in read
    assert "Caal" in read
    assert "50255550100" not in read  # who reported is not who is sought


async def test_what_is_another_offices_is_not_there(world):
    path, _ = await a_case(world)
    mine, other = await officer(world), await officer(world, "x.ficticia", "officer@otra")
    [[opening]] = await table(world.node, f"SELECT opened_by FROM cases WHERE thread_id = '{path[3:]}'")
    head = await officer(world, "j.ficticia", f"office-head@{OFFICE}")
    await world.call(
        "POST",
        f"/api/v1/inbox/{opening}/move",
        await hired_at(world.desk, f"office-head@{OFFICE}", login="h.ficticia"),
        {"office": OFFICE},
    )
    for page in ("", "/persona", "/quien-tiene"):
        assert (await mine.get(path + page)).status == 200
        assert (await head.get(path + page)).status == 200
        hidden = await other.get(path + page)
        assert hidden.status == 404
        assert "MBMID-2026" not in hidden.text
    for act in ("tomar", "terminar"):
        assert (await other.post(f"{path}/{act}", {})).status == 404
    assert path not in (await other.get("/expedientes")).text
    assert path in (await mine.get("/expedientes")).text
    for odd in (NOWHERE, "nada", "%00", "x" * 300):
        assert (await mine.get(f"/e/{odd}")).status == 404


async def test_who_has_what_is_told_field_by_field(world):
    await send(world.federation, row(age=(9, 9)))  # a child: the desk's own duty notice goes to PGN
    await world.federation.settle()
    desk = world.federation.nodes[DESK]
    assert desk
    path, _ = await a_case(world)
    visitor = await officer(world)
    assert "no ha salido ningún dato" in text_of(await visitor.get(path))
    assert "no ha salido ningún dato" in text_of(await visitor.get(f"{path}/quien-tiene"))


async def test_who_asks_is_on_a_page_of_its_own_and_noted_before_it_is_read(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    assert f'href="{path}/quien-pide"' in (await visitor.get(path)).text
    assert await looked(world, "case.reporter") == []
    read = text_of(await visitor.get(f"{path}/quien-pide"))
    assert len(await looked(world, "case.reporter")) == 1
    assert "+50255550100" in read
    assert CANARY not in read  # of the person sought nothing
    assert "55550100" not in text_of(await visitor.get(f"{path}/persona"))
    assert "Leyó quién pide la búsqueda" in text_of(await visitor.get(f"{path}?ver=accesos"))


async def test_what_a_link_kept_says_when_it_was_sent_and_what_was_not_kept_does_not(world):
    path, _ = await a_case(world)
    world.federation.network.down.add(MBMID)
    await send(world.federation, row())
    world.clock.forward(hours=9)
    world.federation.network.down.clear()
    await world.federation.settle()
    [(late,)] = await table(world.node, "SELECT thread_id FROM cases ORDER BY opened_ms DESC LIMIT 1")
    visitor = await officer(world)
    for address, kept in ((path, False), (f"/e/{late}", True)):
        assert ("Tardó en llegar porque no había enlace" in text_of(await visitor.get(address))) is kept


async def still_to_do(visitor, path):
    found = text_of(await visitor.get(path)).partition("Lo que falta por hacer")[2]
    return found.partition("Qué hacer")[0]


async def test_a_report_is_taken_and_ended_on_the_page_of_its_case(world):
    path, _ = await a_case(world)
    mine, second = await officer(world), await officer(world, "s.ficticia")
    assert "nos toca" in await still_to_do(mine, path)
    for visitor, done in ((mine, "tomar"), (second, "ya")):
        assert (await visitor.post(f"{path}/tomar", {})).location == f"{path}?hecho={done}"
    assert "Tomarlo yo" not in await still_to_do(second, path)
    for done in ("terminar", "ya"):
        assert (await mine.post(f"{path}/terminar", {})).location == f"{path}?hecho={done}"
    assert await still_to_do(mine, path) == ""
    for act in ("work.take", "work.end"):
        assert len(await looked(world, act)) == 1


@pytest.mark.parametrize(("over", "expected"), [(False, "nos toca"), (True, "terminó; falta")])
async def test_what_has_ended_elsewhere_is_not_said_to_be_our_turn(world, over, expected):
    path, _ = await a_case(world)
    if over:
        async with world.node.capabilities.begin() as work:
            await work.cases.set_state(ThreadId(path.rpartition("/")[2]), state="cancelled")
    assert expected in await still_to_do(await officer(world), path)
