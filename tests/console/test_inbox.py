"""The inbox by pages: sections in order, links that narrow it, one page after another, names only when asked for and noted."""

import html
import re

import pytest

from contracts.ids import Code
from gateway.console.pages import inbox, naming
from tests.console.test_answering import MBMID, asked, officer
from tests.gateway.test_leaving import ADULT
from tests.people.world import NODE, open_port, open_world
from tests.simulator.federation import simulated_federation

MINEX = "gt.minex"
NAMED = ADULT | {"given_names": ["Ficticia Canaria"], "surname_1": "Xol"}


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


@pytest.fixture
async def consular(tmp_path, monkeypatch):
    """A consular node: names may reach it."""
    async with (
        simulated_federation(tmp_path, MINEX, MBMID) as federation,
        open_port(tmp_path, monkeypatch, federation, MINEX) as found,
    ):
        yield found


def folios(page):
    return re.findall(r'<th scope="row"><a href="(/[sr]/[^"]+)">', page.text)


async def several(world, number):
    return [await asked(world, "sex", values=NAMED, case_ref=f"caso-{place}", to=world.name) for place in range(number)]


async def move(world, request, office):
    node = world.node.capabilities
    async with node.begin() as work:
        [item] = await work.work_items.find(request)
        await work.work_items.move(item.key, Code(office))


async def test_what_is_there_is_paged_forwards_and_back_and_every_page_can_be_kept(world, monkeypatch):
    monkeypatch.setattr(inbox, "ROWS", 3)
    visitor, sent = await officer(world), await several(world, 7)
    seen, path, paths = [], "/bandeja", []
    while path:
        page = await visitor.get(path)
        seen += folios(page)
        paths.append(path)
        found = re.search(r'<a href="([^"]+)">Siguientes', page.text)
        path = html.unescape(found[1]) if found else ""
    assert sorted(seen) == sorted(f"/s/{request}" for request in sent)
    assert len(seen) == len(set(seen)) == 7
    back = html.unescape(re.search(r'<a href="([^"]+)">Anteriores', page.text)[1])
    assert folios(await visitor.get(back)) == seen[3:6]
    assert all("Ficticia" not in path and "Xol" not in path for path in paths)
    assert "7 por atender. 0 vencidas." in page.text, "the sentence counts everything, not a page"


async def test_the_list_is_narrowed_by_links_and_nonsense_in_an_address_is_no_error(world):
    visitor, (one, other, third) = await officer(world), await several(world, 3)
    await visitor.post(f"/s/{one}/tomar")
    links = {html.unescape(path) for path in re.findall(r'href="(/bandeja\?[^"]+)"', (await visitor.get("/bandeja")).text)}
    assert {"/bandeja?quien=yo", "/bandeja?tipo=solicitud", "/bandeja?estado=en-verificacion"} <= links
    for path in links:
        assert (await visitor.get(path)).status == 200, path
    assert folios(await visitor.get("/bandeja?quien=yo")) == [f"/s/{one}"]
    assert folios(await visitor.get("/bandeja?estado=en-verificacion&tipo=solicitud")) == [f"/s/{one}"]
    assert sorted(folios(await visitor.get("/bandeja?estado=por-responder"))) == sorted(f"/s/{item}" for item in (other, third))
    assert folios(await visitor.get("/bandeja?tipo=referencia")) == []
    assert "Aquí no hay nada ahora." in (await visitor.get("/bandeja?tipo=referencia")).text
    for nonsense in ("estado=nada", "despues=x~y", "tipo=%00", "oficina=%F0%9F%98%80", "quien=otra", "antes=1~1~1~%27~b"):
        assert (await visitor.get(f"/bandeja?{nonsense}")).status == 200, nonsense


async def test_sections_stand_in_their_order_and_what_is_late_comes_first(world):
    visitor, (one, other) = await officer(world), await several(world, 2)
    await visitor.post(f"/s/{one}/tomar")
    titles = re.findall(r"<h2[^>]*>([^<]+)</h2>", (await visitor.get("/bandeja")).text)
    assert titles == ["Por responder", "En verificación"]
    world.clock.forward(days=20)
    visitor = await officer(world, "s.ficticia")
    page = await visitor.get("/bandeja")
    assert re.findall(r"<h2[^>]*>([^<]+)</h2>", page.text) == ["Vencidas"]
    assert "2 por atender. 2 vencidas." in page.text
    assert sorted(folios(page)) == sorted((f"/s/{one}", f"/s/{other}"))


async def test_an_empty_inbox_says_what_will_appear(world):
    page = html.unescape((await (await officer(world)).get("/bandeja")).text)
    assert "No hay nada en la bandeja" in page
    assert "Aquí aparecerán solicitudes, referencias" in page


async def test_names_are_shown_only_when_asked_for_in_this_session_and_are_noted_before(consular):
    world = consular
    visitor, [request] = await officer(world), await several(world, 1)
    assert "Canaria" not in (await visitor.get("/bandeja")).text
    assert not [leaf for leaf in await world.leaves() if "inbox.name" in str(leaf.get("detail"))]
    assert (await visitor.post("/bandeja/nombres", {"mostrar": "si"})).location == "/bandeja?hecho=nombres"
    page = html.unescape((await visitor.get("/bandeja")).text)
    assert "Ficticia Canaria Xol · mujer · 30-35" in page
    told = [leaf["detail"] for leaf in await world.leaves() if "inbox.name" in str(leaf.get("detail"))]
    assert told == ["inbox.names-shown", f"inbox.name {request}"]
    other = await officer(world, "s.ficticia")
    other.cookies[naming.NAMES_COOKIE] = visitor.cookies[naming.NAMES_COOKIE]  # the choice of another session
    assert "Canaria" not in (await other.get("/bandeja")).text
    await visitor.post("/bandeja/nombres", {"mostrar": "no"})
    assert "Canaria" not in (await visitor.get("/bandeja")).text


async def test_control_names_that_are_shown_before_they_are_noted_would_be_seen(consular, monkeypatch):
    world = consular
    visitor, _ = await officer(world), await several(world, 1)
    await visitor.post("/bandeja/nombres", {"mostrar": "si"})

    async def fails(*_args, **_more):
        raise RuntimeError("no log")

    monkeypatch.setattr(inbox, "note_names", fails)
    page = await visitor.get("/bandeja")
    assert page.status == 500
    assert "Canaria" not in page.text


async def test_the_names_of_another_offices_work_are_not_there(consular):
    world = consular
    await officer(world, "x.ficticia", "officer@otra")
    visitor, [one, other] = await officer(world), await several(world, 2)
    await move(world, other, "otra")
    await visitor.post("/bandeja/nombres", {"mostrar": "si"})
    page = await visitor.get("/bandeja")
    assert folios(page) == [f"/s/{one}"]
    assert page.text.count("Canaria") == 1
    assert folios(await visitor.get("/bandeja?oficina=otra")) == []


async def test_an_answer_that_waits_says_so_and_one_that_did_not_arrive_is_never_silent(world):
    visitor, [request] = await officer(world), await several(world, 1)
    form = [("hasta", (await as_of(visitor, request))), ("fuente", "registro-de-la-oficina")]
    assert (await visitor.post(f"/s/{request}/sin-informacion", form)).location.endswith("hecho=sin-informacion")
    assert "Respuesta preparada; aún no sale" in (await visitor.get("/bandeja?estado=en-verificacion")).text
    world.federation.network.down.add(MBMID)
    world.clock.forward(hours=2)
    for _ in range(3):
        await world.federation.turn()
    visitor = await officer(world, "s.ficticia")
    assert folios(await visitor.get("/bandeja")) == []  # answered: nothing to do but wait for the link
    world.clock.forward(days=400)
    for _ in range(3):
        await world.federation.turn()
    visitor = await officer(world, "t.ficticia")
    page = html.unescape((await visitor.get("/bandeja")).text)
    assert "No entregadas" in page
    assert "no entregada" in page
    assert folios(await visitor.get("/bandeja?estado=no-entregadas")) == [f"/s/{request}"]


async def as_of(visitor, request):
    return re.search(r'name="hasta" value="([^"]+)"', (await visitor.get(f"/s/{request}/sin-informacion")).text)[1]
