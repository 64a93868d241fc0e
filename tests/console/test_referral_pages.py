"""A referral by pages, on both sides: each word is said once, and no side is told more than is so."""

import html
import re

import pytest

from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.gateway.test_referrals import MBMID, Sides
from tests.people.hired import hired_at
from tests.people.world import ADMIN, NODE, OFFICE, open_world, password_of

READING = "SELECT state, outcome FROM exchanges WHERE opening_id = '{}'"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID, "gt.pgn") as found:
        yield found


async def officer(world, login="o.ficticia", post=f"officer@{OFFICE}"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def offered(world):
    sides = Sides(world.federation)
    await sides.offer()
    await world.federation.settle()
    return f"/r/{sides.opening}", sides


async def both(world, sides):
    return [await table(world.federation.nodes[name], READING.format(sides.opening)) for name in (MBMID, NODE)]


async def test_an_officer_accepts_it_says_how_it_goes_and_ends_it(world):
    one, (path, sides) = await officer(world), await offered(world)
    other = await officer(world, "s.ficticia")
    assert f'href="{path}"' in (await one.get("/bandeja")).text
    page = html.unescape((await one.get(path)).text)
    assert "Hasta que se acepte no llega ningún dato" in page
    assert "Ficticia" not in page.replace("<span>Ficticia</span>", "").replace("· Ficticia", "")
    assert (await one.post(f"{path}/aceptar")).location == f"{path}?hecho=aceptar"
    assert (await other.post(f"{path}/aceptar")).location == f"{path}?hecho=ya"
    assert (await other.post(f"{path}/rechazar", {"motivo": "other"})).location == f"{path}?hecho=ya"
    await world.federation.settle()
    assert await both(world, sides) == [[("accepted", None)]] * 2
    page = await one.get(path)
    key = re.search(r'name="vez" value="([^"]+)"', page.text)[1]
    assert (await one.post(f"{path}/avance", {"avance": "inventado"})).status == 422
    for expected in ("avance", "ya"):
        given = {"avance": "in-progress", "vez": key}
        assert (await one.post(f"{path}/avance", given)).location == f"{path}?hecho={expected}"
    for expected in ("realizada", "ya"):
        assert (await one.post(f"{path}/realizada", {"resultado": "done"})).location == f"{path}?hecho={expected}"
    await world.federation.settle()
    assert await both(world, sides) == [[("closed", "done")]] * 2
    assert "Firmar" not in (await one.get(path)).text


async def test_the_head_of_the_office_passes_it_on_from_its_page_and_nobody_else_is_offered_that(world):
    (path, sides), one = await offered(world), await officer(world)
    head = await officer(world, "h.ficticia", f"office-head@{OFFICE}")
    way = f"/bandeja/{sides.opening}/reasignar"
    assert f'href="{way}"' not in (await one.get(path)).text
    assert f'href="{way}"' in (await head.get(path)).text
    done = await head.post(way, {"a": "persona:o.ficticia", "motivo": "workload"})
    assert done.location == f"{path}?hecho=reasignada"
    assert "Se reasignó" in (await head.get(done.location)).text
    assert path in (await one.get("/bandeja?quien=yo")).text
    await head.post(f"{path}/rechazar", {"motivo": "other"})
    assert way not in (await head.get(path)).text
    assert (await head.get(way)).status == 404


async def test_an_officer_declines_it_with_a_reason(world):
    one, (path, sides) = await officer(world), await offered(world)
    assert "Elija un motivo" in (await one.post(f"{path}/rechazar")).text
    assert (await one.post(f"{path}/rechazar", {"motivo": "no-capacity"})).location == f"{path}?hecho=rechazar"
    await world.federation.settle()
    assert await both(world, sides) == [[("closed", "declined")]] * 2


async def test_what_is_another_offices_is_not_there(world):
    await world.bootstrap()
    names = ("--name-es", "Otra", "--name-en", "Other", "--zone", "America/Guatemala", "--calendar", "GT", "--no-inbox")
    await world.open_office()
    await world.cli(ADMIN, "office", "add", "otra", *names)
    await world.hire("x.ficticia", "officer@otra")
    await world.hire("o.ficticia", f"officer@{OFFICE}")
    path, _ = await offered(world)
    for who, status in (("x.ficticia", 404), ("o.ficticia", 200)):
        visitor = Visitor(world.base)
        await visitor.post("/entrar", {"usuario": who, "clave": password_of(who)})
        assert (await visitor.get(path)).status == status
        assert (path in (await visitor.get("/bandeja")).text) is (status == 200)
        assert (await visitor.get("/r/x")).status == 404
