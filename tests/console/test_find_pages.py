"""Findings by pages: coded descriptors alone, two persons for who may be dead or a child; and read only after one was asked."""

import pytest

from contracts.codec import decode_message
from contracts.ids import MessageId
from gateway.people.sign_in import Carrier
from tests.console.test_cases import officer as officer_at
from tests.console.test_cases import text_of
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_exchange import table
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MBMID, MINEX, NEW = "gt.igm.mbmid", "gt.minex", "/hallazgos/nuevo"
PATIENT = {
    "v-sex": "male", "v-age_range": "30 a 34", "v-possible_minor": "no", "autoridad": "gt.hospital.san-benito", "pais": "GT",
    "expediente": "paciente-9", "recibido": "2026-11-20T10:00",
}  # fmt: skip
REMAINS = {
    "v-sex": "male", "v-age_range": "22 a 30", "v-height_cm": "1.60 m", "autoridad": "us.tx.kenedy.jp-2", "pais": "US", "expediente": "restos-3", "recibido": "2026-11-20T10:00",
}  # fmt: skip


@pytest.fixture
async def world(tmp_path, monkeypatch):
    """MINEX, which finds, and the MBMID, each with its private port."""
    async with (
        simulated_federation(tmp_path, MBMID, MINEX) as federation,
        open_port(tmp_path, monkeypatch, federation, MINEX) as found,
        open_port(tmp_path, monkeypatch, federation, MBMID) as other,
    ):
        found.other = other
        yield found


async def officer(world, login="o.ficticia", post="officer@houston"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def signed(visitor, record, fields):
    page = await visitor.post(f"{NEW}/{record}", fields)
    assert page.status == 303, text_of(page)
    assert "Ningún dato de ninguna persona" not in text_of(await visitor.get(page.location))
    assert (await visitor.post(page.location)).location == f"{page.location}/hecho"
    return page.location


async def test_a_living_person_is_told_of_by_one_officer_and_read_by_another(world):
    visitor = await officer(world)
    assert f'href="{NEW}/unidentified-person"' in (await visitor.get(NEW)).text
    half = text_of(await visitor.post(f"{NEW}/unidentified-person", {"v-sex": "male", "autoridad": "x", "paso": "ver"}))
    assert "Qué se sabe de la persona Hecha" in half
    assert "Quién es competente y dónde Empezada" in half
    review = await signed(visitor, "unidentified-person", PATIENT)
    [notice] = await sent(world.node, "finding.notice")
    assert notice.body.kind.value == "living-unidentified"
    assert "paciente-9" not in notice.model_dump_json()
    assert (await visitor.post(review)).location == f"{review}/hecho"
    await world.federation.settle()
    assert len(await sent(world.node, "finding.notice")) == 1
    assert await table(world.node, "SELECT kind, state FROM cases") == [("finding-sent", "acknowledged")]
    assert "nunca cuántas familias" in text_of(await visitor.get(f"/h/{notice.message_id}"))
    reader = await officer_at(world.other)
    assert f'href="/h/{notice.message_id}"' in (await reader.get("/bandeja")).text
    page = await reader.get(f"/h/{notice.message_id}")
    read = text_of(page)
    for words in ("hombre", "una persona con vida sin identificar", "El acuse ya salió"):
        assert words in read, words
    assert [leaf for leaf in await world.other.leaves() if str(leaf.get("detail", "")).startswith("received.open")]
    for done in ("tomar", "terminar"):
        assert f"hecho={done}" in (await reader.post(f"/h/{notice.message_id}/{done}")).location
    assert "hecho=ya" in (await reader.post(f"/h/{notice.message_id}/terminar")).location


async def test_who_may_have_died_stops_the_page_and_waits_for_a_second_person(world):
    visitor, second = await officer(world), await officer(world, "s.ficticia")
    stop = text_of(await visitor.get(f"{NEW}/unidentified-remains"))
    assert "Antes de seguir" in stop
    assert 'name="v-sex"' in (await visitor.get(f"{NEW}/unidentified-remains?seguir=si")).text
    review = await signed(visitor, "unidentified-remains", REMAINS)
    assert "segunda aprobación" in text_of(await visitor.get(f"{review}/hecho"))
    assert await table(world.node, "SELECT count(*) FROM outbox") == [(0,)]
    again = await visitor.post(f"{NEW}/unidentified-remains", REMAINS)
    assert again.status == 422
    assert "ya se avisó, o un aviso espera" in text_of(again)
    waiting = f"/espera/{review.rpartition('/')[2]}"
    [(content,)] = await table(world.node, "SELECT content FROM departures WHERE state = 'waiting'")
    assert (await second.post(f"{waiting}/aprobar", {"contenido": content})).status == 303
    [notice] = await sent(world.node, "finding.notice")
    await world.federation.settle()
    assert await table(world.node, "SELECT kind, state FROM cases") == [("finding-sent", "acknowledged")]
    reader = await officer_at(world.other)
    listed = await reader.get("/bandeja")
    assert "restos" not in listed.text.casefold()  # no word of a death in a list
    before = await reader.get(f"/h/{notice.message_id}")
    assert "Antes de leer" in text_of(before)
    assert "hombre" not in text_of(before)
    assert not [leaf for leaf in await world.other.leaves() if str(leaf.get("detail", "")).startswith("received.open")]
    assert "hombre" in text_of(await reader.get(f"/h/{notice.message_id}?seguir=si"))


async def test_the_head_of_the_office_passes_a_finding_on_from_its_page(world):
    sender, ours = await officer(world), await officer(world, "h.ficticia", "office-head@houston")
    one, head = await officer_at(world.other), await officer_at(world.other, "h.ficticia", "office-head@igm")
    await signed(sender, "unidentified-person", PATIENT)
    [notice] = await sent(world.node, "finding.notice")
    path, way = f"/h/{notice.message_id}", f"/bandeja/{notice.message_id}/reasignar"
    for visitor, alone in ((ours, sender), (head, one)):
        if visitor is head:
            await world.federation.settle()
        assert way not in (await alone.get(path)).text
        assert f'href="{way}"' in (await visitor.get(path)).text
        done = await visitor.post(way, {"a": "persona:o.ficticia", "motivo": "workload"})
        assert done.location == f"{path}?hecho=reasignada"
        assert "Se reasignó" in text_of(await visitor.get(done.location))
    assert way not in (await ours.get(path)).text  # it was acknowledged: there is nothing left to wait for
    await one.post(f"{path}/terminar")
    assert way not in (await head.get(path)).text


async def test_a_possible_child_is_pointed_out_before_it_is_prepared(world):
    visitor = await officer(world)
    fields = {name: value for name, value in PATIENT.items() if name not in {"v-age_range", "v-possible_minor"}}
    page = await visitor.post(f"{NEW}/unidentified-person", fields)
    assert page.status == 422
    assert "Alba-Keneth" in text_of(page)
    assert 'name="menor-visto" value="si"' in page.text
    assert (await visitor.post(f"{NEW}/unidentified-person", fields | {"menor-visto": "si"})).status == 303


async def test_what_is_missing_or_made_up_is_told_and_nothing_is_prepared(world):
    visitor = await officer(world)
    for name, value, anchor in (
        ("autoridad", "", "autoridad"), ("autoridad", "No Es Código", "autoridad"), ("pais", "ZZ", "pais"), ("expediente", "", "expediente"),
        ("expediente", "x" * 81, "expediente"), ("referencia", "x" * 41, "referencia"), ("recibido", "2999-01-01T00:00", "recibido"),
        ("recibido", "ayer", "recibido"), ("v-age_range", "muchos", "v-age_range"),
    ):  # fmt: skip
        page = await visitor.post(f"{NEW}/unidentified-person", PATIENT | {name: value})
        assert page.status == 422, (name, value)
        assert f'href="#{anchor}"' in page.text, (name, value)
        assert f'id="{anchor}"' in page.text, (name, value)
    for odd in ("missing-person", "reporter", "x", "%2e%2e"):
        assert (await visitor.get(f"{NEW}/{odd}")).status == 404
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_what_the_policy_does_not_name_is_no_field_of_the_form(world):
    visitor = await officer(world)
    page = await visitor.get(f"{NEW}/unidentified-person")
    assert 'name="v-facility"' not in page.text  # the hospital never leaves in a finding
    await signed(visitor, "unidentified-person", PATIENT | {"v-facility": "Hospital Ficticio Canario"})
    [(thread, message, body)] = await table(
        world.node,
        "SELECT thread_id, message_id, body FROM outbox JOIN outbox_bodies USING (lane, message_id) WHERE kind = 'finding.notice'",
    )
    opened = decode_message((await world.node.capabilities.bodies.open(thread, MessageId(message), body)).payload)
    assert "Canario" not in repr(opened)
