"""Work is passed on by the head of an office; two officers race for one request, and the second is told who was first."""

import asyncio
import html
import re

import pytest

from gateway.console.pages import requests as request_pages
from tests.console.test_answering import MBMID, arrived, asked, officer, prepared
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import table
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world

HEAD = f"office-head@{OFFICE}"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def text(visitor, path):
    return html.unescape((await visitor.get(path)).text)


async def test_the_head_gives_it_to_a_person_and_page_and_history_say_so(world):
    head, other = await officer(world, "h.ficticia", HEAD), await officer(world, "b.ficticia")
    request = await asked(world)
    assert (await other.get(f"/bandeja/{request}/reasignar")).status == 403
    assert "Reasignar" not in await text(other, f"/s/{request}")
    assert "Reasignar" in await text(head, f"/s/{request}")
    form = await text(head, f"/bandeja/{request}/reasignar")
    assert 'value="persona:b.ficticia"' in form
    for wrong in (
        {},
        {"a": "persona:b.ficticia"},
        {"a": "persona:nadie", "motivo": "workload"},
        {"a": "oficina:nada", "motivo": "other"},
    ):
        page = await head.post(f"/bandeja/{request}/reasignar", wrong)
        assert page.status == 422, wrong
    assert await table(world.node, "SELECT person_id FROM work_items") == [(None,)]
    done = await head.post(f"/bandeja/{request}/reasignar", {"a": "persona:b.ficticia", "motivo": "workload"})
    assert done.location == f"/s/{request}?hecho=reasignada"
    await world.leaves()
    page = await text(head, done.location)
    assert "Se reasignó" in page
    assert re.search(r"Ficticia la dio a Ficticia: reparto del trabajo", page)
    assert await table(world.node, "SELECT count(*) FROM work_items WHERE person_id IS NOT NULL") == [(1,)]
    assert (await other.get("/bandeja?quien=yo")).text.count(f"/s/{request}") == 1
    told = [leaf["detail"] for leaf in await world.leaves() if str(leaf.get("detail")).startswith("work.give")]
    assert len(told) == 1
    assert "ficticia" not in told[0].casefold()


async def test_the_head_passes_it_to_another_office_and_no_longer_sees_it(world):
    await officer(world, "x.ficticia", "officer@otra")
    head, request = await officer(world, "h.ficticia", HEAD), await asked(world)
    done = await head.post(f"/bandeja/{request}/reasignar", {"a": "oficina:otra", "motivo": "competence"})
    assert done.location == "/bandeja?hecho=reasignada"
    assert (await head.get(f"/s/{request}")).status == 404
    assert (await head.get(f"/bandeja/{request}/reasignar")).status == 404
    assert (await head.post(f"/bandeja/{request}/reasignar", {"a": "oficina:otra", "motivo": "competence"})).status == 404
    there = await officer(world, "y.ficticia", "officer@otra")
    await world.leaves()
    assert "la pasó a la oficina Ficticia: corresponde a otra oficina" in await text(there, f"/s/{request}")


async def test_nobody_is_given_what_is_not_at_their_office(world):
    await officer(world, "x.ficticia", "officer@otra")
    await officer(world, "c.ficticia", f"desk-clerk@{OFFICE}")
    head, request = await officer(world, "h.ficticia", HEAD), await asked(world)
    form = await text(head, f"/bandeja/{request}/reasignar")
    for login in ("x.ficticia", "c.ficticia"):
        assert login not in form
        assert (await head.post(f"/bandeja/{request}/reasignar", {"a": f"persona:{login}", "motivo": "other"})).status == 422


async def test_two_officers_take_one_request_at_once_and_the_second_is_told_who_has_it(world):
    one, other, request = await officer(world), await officer(world, "s.ficticia"), await asked(world)
    answers = await asyncio.gather(*(visitor.post(f"/s/{request}/tomar") for visitor in (one, other)))
    ends = sorted(answer.location.rpartition("=")[2] for answer in answers)
    assert ends == ["de-otra-persona", "tomada"]
    second = (one, other)[[answer.location.rpartition("=")[2] for answer in answers].index("de-otra-persona")]
    assert "Ya la tiene Ficticia." in await text(second, f"/s/{request}?hecho=de-otra-persona")


async def test_two_officers_sign_at_once_one_answer_leaves_and_the_second_is_told_whose(world):
    one, other, request = await officer(world), await officer(world, "s.ficticia"), await asked(world)
    paths = [await prepared(visitor, request) for visitor in (one, other)]
    answers = await asyncio.gather(*(visitor.post(path) for visitor, path in zip((one, other), paths, strict=True)))
    assert [answer.status for answer in answers] == [303, 303]
    lost = [place for place, answer in enumerate(answers) if answer.location.endswith("hecho=ya")]
    assert len(lost) == 1
    page = await text((one, other)[lost[0]], answers[lost[0]].location)
    assert "Ya la respondió Ficticia. De usted no se envió nada." in page
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_two_officers_say_at_once_that_there_is_nothing_and_it_is_said_once(world):
    one, other, request = await officer(world), await officer(world, "s.ficticia"), await asked(world)
    as_of = re.search(r'name="hasta" value="([^"]+)"', (await one.get(f"/s/{request}/sin-informacion")).text)[1]
    form = [("hasta", as_of), ("fuente", "registro-de-la-oficina")]
    answers = await asyncio.gather(*(visitor.post(f"/s/{request}/sin-informacion", form) for visitor in (one, other)))
    assert sorted(answer.location.rpartition("=")[2] for answer in answers) == ["sin-informacion", "ya"]
    await at_slot(world.federation)
    assert len(await arrived(world)) == 1


async def test_control_a_race_that_nobody_looked_at_again_would_end_in_a_refusal(world, monkeypatch):
    one, other, request = await officer(world), await officer(world, "s.ficticia"), await asked(world)
    as_of = re.search(r'name="hasta" value="([^"]+)"', (await one.get(f"/s/{request}/sin-informacion")).text)[1]
    form = [("hasta", as_of), ("fuente", "registro-de-la-oficina")]

    async def never(_self, _request_id):
        return False

    monkeypatch.setattr(request_pages.RequestPages, "answered", never)
    answers = [await visitor.post(f"/s/{request}/sin-informacion", form) for visitor in (one, other)]
    assert [answer.status for answer in answers] == [303, 403]


async def test_the_page_says_who_signed_it_both_clocks_and_what_happened(world):
    await hired_at(world.desk, "officer@otra", login="x.ficticia")
    visitor, request = await officer(world), await asked(world)
    await visitor.post(f"/s/{request}/tomar")
    await visitor.get(f"/s/{request}")
    await world.leaves()
    page = await text(visitor, f"/s/{request}")
    for words in ("firma comprobada al llegar", "en su oficina", "Historia", "Llegó:", "Ficticia la tomó", "Quién la abrió"):
        assert words in page, words
    assert page.index("Llegó:") < page.index("Ficticia la tomó")


async def test_one_page_reads_its_work_once(world, monkeypatch):
    from gateway.storage.work_models import WorkModels

    visitor, request, calls, real = await officer(world), await asked(world), [], WorkModels.one

    async def counted(self, *args, **more):
        calls.append(args)
        return await real(self, *args, **more)

    monkeypatch.setattr(WorkModels, "one", counted)
    await visitor.get(f"/s/{request}")
    assert len(calls) == 1
