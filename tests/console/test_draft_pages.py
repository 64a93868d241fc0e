"""What somebody fills in is kept on the server while they do, for them alone, and never written over unseen."""

import html
import json
import re

import pytest

from gateway.console.pages import answering
from gateway.people.sign_in import Carrier
from tests.console.test_answering import ANSWER, MBMID, asked, officer, prepared
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.people.world import NODE, open_world

FORM = "/s/{}/responder/unidentified-person"
WRITTEN = {"v-sex": "female", "v-age_range": "30 a 34", "s-sex": "exact", "v-facility": "Albergue «Ficticio» <b>"}


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


def shown(page):
    """The fields of a page's form that hold something, and the version it shows."""
    text = page.text.split("<main")[1]
    held = dict(re.findall(r'<input type="text" id="v-\w+" name="(v-\w+)" value="([^"]+)"', text))
    held |= dict(
        re.findall(r'<select [^>]*name="([vs]-\w+)"[^>]*>(?:(?!</select>).)*<option value="([^"]+)" selected', text, re.DOTALL)
    )
    return {name: html.unescape(value) for name, value in held.items()}, re.search(r'name="borrador" value="(\d+)"', text)[1]


async def saves(visitor, request, fields, version="0"):
    page = await visitor.post(FORM.format(request) + "/borrador", fields | {"borrador": version})
    return page.status, json.loads(page.text)


async def test_what_the_page_saves_while_somebody_writes_is_there_when_they_come_back(world):
    visitor, request = await officer(world), await asked(world, "sex", "age_range", "facility")
    assert shown(await visitor.get(FORM.format(request)))[1] == "0"
    world.clock.forward(minutes=3)
    status, told = await saves(visitor, request, WRITTEN)
    assert (status, told["version"]) == (200, 1)
    assert re.fullmatch(r"Su texto está guardado hasta las \d\d:\d\d\.", told["said"])
    page = await visitor.get(FORM.format(request))
    fields, version = shown(page)
    assert (fields["v-sex"], fields["v-age_range"], fields["v-facility"], version) == (
        "female",
        "30 a 34",
        WRITTEN["v-facility"],
        "1",
    )
    assert told["said"] in page.text
    assert "<b>" not in page.text
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_the_button_saves_without_a_script_and_sends_nothing(world):
    visitor, request = await officer(world), await asked(world)
    done = await visitor.post(FORM.format(request), WRITTEN | {"borrador": "0", "paso": "guardar"})
    assert done.location == f"/s/{request}?hecho=guardado"
    assert "no se envió nada" in (await visitor.get(done.location)).text
    assert shown(await visitor.get(FORM.format(request)))[0]["v-sex"] == "female"
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_an_answer_that_was_begun_is_put_away_under_ones_account(world):
    visitor, request = await officer(world), await asked(world)
    await saves(visitor, request, WRITTEN)
    page = await visitor.get("/cuenta/borradores")
    assert f'href="{FORM.format(request)}"' in page.text
    assert re.search(r">Respuesta a una solicitud · [A-Z]", page.text)
    assert "Albergue" not in page.text
    away = re.search(r'action="(/cuenta/borradores/[^"]+/descartar)"', page.text)[1]
    assert (await visitor.post(away)).location.endswith("?hecho=descartado")
    assert shown(await visitor.get(FORM.format(request))) == ({}, "0")


async def test_nobody_sees_what_another_person_saved(world):
    visitor, request = await officer(world), await asked(world)
    await saves(visitor, request, WRITTEN)
    other = await officer(world, "otra.ficticia")
    fields, version = shown(await other.get(FORM.format(request)))
    assert (fields, version) == ({}, "0")
    assert (await saves(other, request, {"v-sex": "male"}))[0] == 200
    assert shown(await visitor.get(FORM.format(request)))[0]["v-sex"] == "female"


async def test_two_windows_never_write_over_each_other_unseen(world):
    visitor, request = await officer(world), await asked(world)
    await saves(visitor, request, WRITTEN)
    status, told = await saves(visitor, request, {"v-sex": "male"})
    assert status == 409
    assert "Otra ventana suya" in told["said"]
    page = await visitor.post(
        FORM.format(request), {"v-sex": "male", "v-marks": '"><script>', "borrador": "0", "paso": "guardar"}
    )
    assert page.status == 409
    assert "Hay dos versiones" in page.text
    assert "<script>" not in page.text.split("<main")[1]
    assert shown(await visitor.get(FORM.format(request)))[0]["v-sex"] == "female"
    mine = {"v-sex": "male", "borrador": "0", "paso": "esta-ventana"}
    assert (await visitor.post(FORM.format(request), mine)).location == f"/s/{request}?hecho=guardado"
    assert shown(await visitor.get(FORM.format(request)))[0]["v-sex"] == "male"


async def test_a_session_that_ends_keeps_what_was_saved(world):
    visitor, request = await officer(world), await asked(world)
    await saves(visitor, request, WRITTEN)
    world.clock.forward(minutes=25)
    refused = await visitor.post(FORM.format(request) + "/borrador", WRITTEN | {"borrador": "1"})
    assert refused.status == 401
    again = Visitor(world.base, session=await back_at_pages(world, "o.ficticia"))
    assert shown(await again.get(FORM.format(request)))[0]["v-sex"] == "female"


async def back_at_pages(world, login):
    from gateway.people.sign_in import Knock, sign_in
    from tests.people.hired import PASSWORD, _made_quick

    return (await sign_in(login, PASSWORD, Knock("test", carrier=Carrier.COOKIE), _made_quick(world.desk))).token


async def test_a_draft_goes_when_the_answer_is_signed_everybodys(world):
    visitor, request = await officer(world), await asked(world)
    other = await officer(world, "otra.ficticia")
    await saves(other, request, WRITTEN)
    review = await prepared(visitor, request, borrador="0")
    assert shown(await visitor.get(FORM.format(request)))[0]["v-sex"] == ANSWER["v-sex"], "kept until it is signed"
    await visitor.post(review)
    assert {row[0] for row in await table(world.node, "SELECT sealed FROM form_drafts")} == {b""}


async def test_control_a_draft_that_stays_after_the_signature_is_seen(world, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr(answering, "forget_drafts", nothing)
    visitor, request = await officer(world), await asked(world)
    review = await prepared(visitor, request, borrador="0")
    await visitor.post(review)
    assert b"" not in {row[0] for row in await table(world.node, "SELECT sealed FROM form_drafts")}


async def test_a_draft_goes_with_no_information_and_with_no_answer(world):
    visitor = await officer(world)
    for path, fields in (
        ("sin-informacion", {"fuente": "otra-fuente", "hasta": "2026-01-01T10:00"}),
        ("rechazo", {"motivo": "no-capacity"}),
    ):
        request = await asked(world, case_ref=f"caso-{path}")
        await saves(visitor, request, WRITTEN)
        assert (await visitor.post(f"/s/{request}/{path}", fields)).status == 303
        assert {row[0] for row in await table(world.node, "SELECT sealed FROM form_drafts")} == {b""}


async def test_too_long_a_text_is_said_and_not_kept(world):
    visitor, request = await officer(world), await asked(world)
    status, told = await saves(visitor, request, {"v-marks": "a" * 70_000})
    assert status == 413
    assert "no se guardó" in told["said"]


async def test_a_save_without_the_sessions_token_is_refused(world):
    visitor, request = await officer(world), await asked(world)
    page = await visitor.post(FORM.format(request) + "/borrador", WRITTEN | {"borrador": "0"}, token="otra")
    assert page.status == 419
    assert await table(world.node, "SELECT count(*) FROM form_drafts") == [(0,)]
