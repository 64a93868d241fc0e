"""Identity checks answered with yes or no, what the person located wants, and the end of a case, which two persons say."""

import asyncio
import re

import pytest

from contracts.alike import Closing
from gateway.console.pages.endings import CLOSINGS, WISHES
from gateway.exchange.identities import answer_identity
from gateway.people.sign_in import Carrier
from tests.console.test_cases import CANARY, a_case, looked, text_of
from tests.console.test_consent_pages import key_of
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_exchange import table
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MBMID, DESK, RENAP = "gt.igm.mbmid", "gt.conamigua", "gt.renap"
CHECK = [
    ("duda", "data-matches"), ("fin", "locate-missing"), ("base", "gt:codigo-migracion:198-207"), ("v-surname_1", "Caal"), ("sale", "surname_1"),
    ("v-birth_date", "12/3/1999"), ("sale", "birth_date"),
]  # fmt: skip


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with (
        simulated_federation(tmp_path, MBMID, DESK, RENAP) as federation,
        open_port(tmp_path, monkeypatch, federation, MBMID) as found,
        open_port(tmp_path, monkeypatch, federation, RENAP) as other,
    ):
        found.other = other
        yield found


async def officer(world, login="o.ficticia", post="officer@igm"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def test_an_identity_is_checked_with_yes_or_no_on_both_sides(world):
    path, _ = await a_case(world)
    visitor, registry = await officer(world), await officer(world.other, post="officer@renap")
    form = await visitor.get(f"{path}/identidad")
    assert form.status == 200
    assert "checked" not in form.text
    assert len(await looked(world, "case.person")) == 1
    page = await visitor.post(f"{path}/identidad", CHECK)
    assert page.status == 303, text_of(page)
    review = await visitor.get(page.location)
    assert CANARY not in review.text  # nothing but what was chosen
    assert (await visitor.post(page.location)).location == f"{page.location}/hecho"
    [check] = await sent(world.node, "identity.check")
    second = await visitor.post(f"{path}/identidad", CHECK)
    assert f'href="/i/{check.message_id}"' in second.text
    await world.federation.settle()
    address = f"/i/{check.message_id}"
    assert f'href="{address}"' in (await registry.get("/bandeja")).text
    assert (await registry.get(f"/s/{check.message_id}")).location == address
    asked = await registry.get(address)
    read = text_of(asked)
    assert "¿Los datos son los de ese documento?" in read
    assert "Caal" in read
    assert [leaf for leaf in await world.other.leaves() if str(leaf.get("detail", "")).startswith("request.open")]
    head, way = await officer(world.other, "h.ficticia", "office-head@renap"), f"/bandeja/{check.message_id}/reasignar"
    assert way not in asked.text
    assert f'href="{way}"' in (await head.get(address)).text
    given = await head.post(way, {"a": "persona:o.ficticia", "motivo": "workload"})
    assert given.location == f"{address}?hecho=reasignada"
    assert "Se reasignó" in text_of(await head.get(given.location))
    assert (await registry.post(f"{address}/responder", {"respuesta": "quizá"})).status == 422
    assert (await registry.post(f"{address}/responder", {"respuesta": "yes"})).location == f"{address}?hecho=responder"
    assert (await registry.post(f"{address}/responder", {"respuesta": "no"})).location == f"{address}?hecho=ya"
    await world.federation.settle()
    [answer] = await sent(world.other.node, "identity.answer")
    assert answer.body.answer == "yes"
    assert answer.model_dump()["body"] == {"answer": "yes"}
    assert (await visitor.get(address)).location == f"/s/{check.message_id}"
    assert "sí" in text_of(await visitor.get(f"/s/{check.message_id}"))


async def test_of_two_who_answer_a_check_at_one_moment_the_second_is_told_that_it_was_answered(world, monkeypatch):
    both_here = asyncio.Barrier(2)

    async def together(*args, **more):  # each has seen it open before either answers
        await both_here.wait()
        return await answer_identity(*args, **more)

    monkeypatch.setattr("gateway.console.pages.arrivals.answer_identity", together)
    path, _ = await a_case(world)
    visitor = await officer(world)
    two = [await officer(world.other, f"{name}.ficticia", "officer@renap") for name in "ab"]
    page = await visitor.post(f"{path}/identidad", CHECK)
    await visitor.post(page.location)
    await world.federation.settle()
    [check] = await sent(world.node, "identity.check")
    address = f"/i/{check.message_id}"
    both = zip(two, ("yes", "no"), strict=True)
    said = await asyncio.gather(*(who.post(f"{address}/responder", {"respuesta": word}) for who, word in both))
    assert sorted(page.location.partition("=")[2] for page in said) == ["responder", "ya"]
    await world.federation.settle()
    assert len(await sent(world.other.node, "identity.answer")) == 1


async def test_what_is_missing_in_a_check_is_told_and_nothing_is_prepared(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    for fields, anchor in (
        ([pair for pair in CHECK if pair[0] != "duda"], "duda"), ([*CHECK, ("fin", "x")][1:], "duda"),
        ([pair for pair in CHECK if pair[0] != "base"], "base"), ([pair for pair in CHECK if pair[0] != "sale"], "tabla"),
        ([("duda", "quién-es"), *CHECK[1:]], "duda"), ([*CHECK[:3], ("sale", "birth_date"), ("v-birth_date", "un día")], "v-birth_date"),
    ):  # fmt: skip
        page = await visitor.post(f"{path}/identidad", fields)
        assert page.status == 422, fields
        assert f'href="#{anchor}"' in page.text, fields
        assert f'id="{anchor}"' in page.text, fields
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_what_the_person_wants_is_written_down_once(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    page = await visitor.get(f"{path}/voluntad")
    assert (await visitor.post(f"{path}/voluntad", {"voluntad": "inventada", "como": "phone"})).status == 422
    filled = {"voluntad": "alive-only", "como": "phone", "vez": key_of(page)}
    for expected in ("voluntad", "ya"):
        assert (await visitor.post(f"{path}/voluntad", filled)).location == f"{path}?hecho={expected}"
    assert await table(world.node, "SELECT wish, evidence FROM wish_events") == [("alive-only", "phone")]
    shown = text_of(await visitor.get(path))
    assert "La persona dijo qué quiere que se sepa" in shown
    assert WISHES["alive-only"][0] not in shown  # what it was stands where it is needed


async def test_two_persons_close_a_case_and_the_ending_is_told_nowhere(world):
    path, folio = await a_case(world)
    visitor, second = await officer(world), await officer(world, "s.ficticia")
    assert (await visitor.post(f"{path}/cerrar", {"final": "caso-exitoso"})).status == 422
    for _ in range(2):  # one person is one, however often
        sent_once = await visitor.post(f"{path}/cerrar", {"final": "found-dead"})
        assert sent_once.location == f"{path}?hecho=segunda"
    assert "Se cierra cuando otra persona diga lo mismo" in text_of(await visitor.get(sent_once.location))
    assert await table(world.node, "SELECT state FROM cases WHERE kind = 'report'") == [("received",)]
    assert (await second.post(f"{path}/cerrar", {"final": "found-dead"})).location == f"{path}?hecho=cerrado"
    assert (await second.post(f"{path}/cerrar", {"final": "found-dead"})).location == f"{path}?hecho=ya"
    for page in (await visitor.get(path), await visitor.get("/expedientes?ver=todo")):
        assert "terminado" in text_of(page)
        assert not re.search("falle|muert|dead|restos", page.text)
    assert folio not in (await visitor.get("/expedientes")).text
    assert f'href="{path}/cerrar"' not in (await visitor.get(path)).text


async def test_no_ending_is_called_a_success_or_a_death(world):
    assert set(CLOSINGS) == {item.value for item in Closing}
    path, _ = await a_case(world)
    read = text_of(await (await officer(world)).get(f"{path}/cerrar")).casefold()
    for word in ("éxito", "exitoso", "muert", "fallecid", "cadáver", "restos"):
        assert word not in read, word
