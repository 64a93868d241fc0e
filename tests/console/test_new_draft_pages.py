"""What is begun - a referral, a question, a finding - is kept on the server while it is filled in, for that person alone."""

import json
import re
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.messages import ConsentAct
from gateway.console.pages import signing
from gateway.exchange import drafting
from tests.console import test_ask_pages, test_find_pages, test_offer_pages
from tests.console.test_cases import DESK, MBMID, a_case, looked, officer, text_of
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import said, says
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MINEX, CNB = "gt.minex", "mx.cnb"
QUESTION = [("v-surname_1", "Zanatukapellido"), ("sale", "surname_1"), ("pide", "sex"), ("pide", "age_range")]


@asynccontextmanager
async def searching(folder, monkeypatch):
    """The MBMID, which refers and asks, with its private port, and whom it asks."""
    async with (
        simulated_federation(folder, MBMID, DESK, CNB) as federation,
        open_port(folder, monkeypatch, federation, MBMID) as found,
    ):
        yield found


@asynccontextmanager
async def finding_there(folder, monkeypatch):
    """MINEX, which finds, with its private port, and the MBMID, which it tells."""
    async with (
        simulated_federation(folder, MBMID, MINEX) as federation,
        open_port(folder, monkeypatch, federation, MINEX) as found,
    ):
        yield found


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with searching(tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
async def finder(tmp_path, monkeypatch):
    async with finding_there(tmp_path, monkeypatch) as found:
        yield found


@dataclass
class Sheet:
    """A form as one person has it before them: where it is sent, where what they left is shown, what they fill in."""

    at: Any
    post: str
    path: str
    again: str
    done: str
    fields: Sequence[tuple[str, str]]
    written: tuple[str, str]
    elsewhere: str = "officer@otra"

    async def person(self, login="o.ficticia", post=""):
        return await officer(self.at, login, post or self.post)

    async def saves(self, visitor, version="0", **changed):
        page = await visitor.post(f"{self.path}/borrador", [*self.filled(**changed), ("borrador", version)])
        return page.status, json.loads(page.text) if page.text.startswith("{") else {}

    def filled(self, **changed):
        return [(name, changed.pop(name, value)) for name, value in self.fields] + list(changed.items())

    async def shows(self, visitor):
        """Return whether what was written is in the form, and the version that the page shows."""
        page = await visitor.get(self.again)
        name, value = self.written
        typed = f'name="{name}" value="{value}"' in page.text or f'<option value="{value}" selected' in page.text
        version = re.search(r'name="borrador" value="(\d+)"', page.text)
        return page.status, typed, None if version is None else version[1]


async def referral(world):
    path, _ = await a_case(world)
    there = test_offer_pages.new(path)
    return Sheet(
        world,
        "officer@igm",
        there,
        there,
        f"{path}?hecho=guardado",
        [*test_offer_pages.OFFER.items()],
        ("servicio", "transport"),
    )


async def question(world):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    there = test_ask_pages.new(path)
    fields = [*test_ask_pages.WHOM.items(), *QUESTION]
    again = f"{there}?seguir={CNB}"
    return Sheet(world, "officer@igm", there, again, f"{path}?hecho=guardado", fields, ("v-surname_1", "Zanatukapellido"))


async def finding(world, login="primera.ficticia"):
    there = f"{test_find_pages.NEW}/unidentified-person"
    page = await (await officer(world, login, "officer@houston")).get(there)
    sheet = re.search(r'name="hoja" value="([^"]+)"', page.text)[1]
    fields = [*test_find_pages.PATIENT.items(), ("hoja", sheet)]
    done = f"{test_find_pages.NEW}?hecho=guardado"
    written = ("autoridad", "gt.hospital.san-benito")
    return Sheet(world, "officer@houston", there, f"{there}?hoja={sheet}", done, fields, written)


@pytest.fixture(params=[referral, question, finding])
async def sheet(tmp_path, monkeypatch, request):
    opened = finding_there if request.param is finding else searching
    async with opened(tmp_path, monkeypatch) as found:
        yield await request.param(found)


async def kept(sheet):
    return [row[0] for row in await table(sheet.at.node, "SELECT sealed FROM form_drafts ORDER BY made_ms")]


async def test_what_the_page_saves_is_there_when_they_come_back_and_nothing_was_prepared(sheet):
    visitor = await sheet.person()
    status, told = await sheet.saves(visitor)
    assert (status, told["version"]) == (200, 1)
    assert re.fullmatch(r"Su texto está guardado hasta las \d\d:\d\d\.", told["said"])
    assert await sheet.shows(visitor) == (200, True, "1")
    saved = await visitor.post(sheet.path, [*sheet.filled(), ("borrador", "1"), ("paso", "guardar")])
    assert saved.location == sheet.done
    assert "no se envió nada" in text_of(await visitor.get(saved.location))
    assert await table(sheet.at.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_what_is_kept_is_sealed_and_its_purpose_says_nothing_of_what_is_in_it(sheet):
    await sheet.saves(await sheet.person())
    [(purpose, sealed)] = await table(sheet.at.node, "SELECT purpose, sealed FROM form_drafts")
    assert sheet.written[1] not in purpose
    assert sheet.written[1].encode() not in bytes(sealed)


async def test_nobody_opens_what_another_person_left(sheet):
    mine = await sheet.person()
    await sheet.saves(mine)
    beside, elsewhere = await sheet.person("s.ficticia"), await sheet.person("x.ficticia", sheet.elsewhere)
    for visitor in (beside, elsewhere):
        assert (await sheet.shows(visitor))[1] is False
        await sheet.saves(visitor)  # theirs is another one, or none
        await visitor.post(sheet.path, [*sheet.filled(), ("borrador", "0"), ("paso", "guardar")])
    assert await sheet.shows(mine) == (200, True, "1")


async def test_to_another_office_the_form_of_a_case_that_is_not_theirs_is_not_there(world):
    path, _ = await a_case(world)
    other = await officer(world, "x.ficticia", "officer@otra")
    [[opening]] = await table(world.node, f"SELECT opened_by FROM cases WHERE thread_id = '{path[3:]}'")
    head = await test_offer_pages.hired_at(world.desk, "office-head@igm", login="h.ficticia")
    await world.call("POST", f"/api/v1/inbox/{opening}/move", head, {"office": "igm"})
    for there, fields in (
        (test_offer_pages.new(path), test_offer_pages.OFFER),
        (test_ask_pages.new(path), test_ask_pages.WHOM),
    ):
        assert (await other.post(f"{there}/borrador", fields | {"borrador": "0"})).status == 404
    assert await table(world.node, "SELECT count(*) FROM form_drafts") == [(0,)]


async def sent(sheet, visitor):
    """Check on it and sign it; returns what is kept before and after the signature."""
    page = await visitor.post(sheet.path, [*sheet.filled(), ("borrador", "0")])
    assert page.status == 303, text_of(page)
    before = await kept(sheet)
    assert (await visitor.post(page.location)).location == f"{page.location}/hecho"
    return before, await kept(sheet)


async def test_a_draft_is_kept_until_it_is_signed_and_destroyed_then(sheet):
    visitor, other = await sheet.person(), await sheet.person("s.ficticia")
    before, after = await sent(sheet, visitor)
    assert len(before) == 1
    assert b"" not in before
    assert after == [b""]
    assert (await sheet.shows(visitor))[1] is False
    await sheet.saves(other)
    assert [bool(sealed) for sealed in await kept(sheet)] == [False, True], "another person's is theirs"


async def test_control_a_draft_that_stays_after_the_signature_is_seen(sheet, monkeypatch):
    async def nothing(*_args, **_more):
        return None

    monkeypatch.setattr(signing, "forget_sent", nothing)
    before, after = await sent(sheet, await sheet.person())
    assert after == before


async def test_two_windows_never_write_over_each_other_unseen(sheet):
    visitor, (name, _) = await sheet.person(), sheet.written
    other = {name: "shelter" if name == "servicio" else "otra"}
    await sheet.saves(visitor)
    status, told = await sheet.saves(visitor, **other)
    assert status == 409
    assert "Otra ventana suya" in told["said"]
    page = await visitor.post(sheet.path, [*sheet.filled(**other), ("borrador", "0")])
    assert page.status == 409
    assert "Hay dos versiones" in page.text
    assert f'href="{sheet.again}"' in page.text
    assert await sheet.shows(visitor) == (200, True, "1")
    mine = await visitor.post(sheet.path, [*sheet.filled(**other), ("borrador", "0"), ("paso", "esta-ventana")])
    assert mine.location == sheet.done
    assert (await sheet.shows(visitor))[1:] == (False, "2")


async def test_what_was_begun_is_listed_for_its_person_and_put_away_there(sheet):
    visitor, other = await sheet.person(), await sheet.person("otra.ficticia")
    await sheet.saves(visitor)
    page = await visitor.get("/cuenta/borradores")
    assert sheet.written[1] not in page.text  # nothing of it is opened
    there = re.search(r'<th scope="row"><a id="b1" href="([^"]+)">', page.text)[1]
    assert (await visitor.get(there)).status == 200
    assert sheet.again.startswith(there)
    assert re.search(
        r">(Referencia · MBMID-2026-000001|Solicitud · MBMID-2026-000001 · mx.cnb|Hallazgo · Una persona con vida)", page.text
    )
    away = re.search(r'action="(/cuenta/borradores/[^"]+/descartar)"', page.text)[1]
    assert "Nada: todo" in text_of(await other.get("/cuenta/borradores"))
    assert (await other.post(away)).location.endswith("?hecho=ya")
    assert (await sheet.shows(visitor))[1:] == (True, "1")  # another person's hand does nothing
    assert (await visitor.post(away)).location.endswith("?hecho=descartado")
    assert (await visitor.post(away)).location.endswith("?hecho=ya")
    assert "Nada: todo" in text_of(await visitor.get("/cuenta/borradores"))
    assert await table(
        sheet.at.node, "SELECT count(*) FROM outbox WHERE kind IN ('referral.offer', 'search.request', 'finding.notice')"
    ) == [(0,)]


async def test_too_many_drafts_stop_nobody_from_sending(sheet, monkeypatch):
    monkeypatch.setattr(drafting, "MOST", 0)
    visitor = await sheet.person()
    assert (await sheet.saves(visitor))[0] == 409
    assert (await visitor.post(sheet.path, [*sheet.filled(), ("borrador", "0"), ("paso", "guardar")])).status == 409
    assert (await visitor.post(sheet.path, [*sheet.filled(), ("borrador", "0")])).status == 303


async def test_a_question_is_left_for_each_institution_and_the_page_says_which(world):
    sheet = await question(world)
    visitor = await sheet.person()
    assert "empezó y no ha enviado" not in text_of(await visitor.get(sheet.path))
    await sheet.saves(visitor)
    before = len(await looked(world, "case.person"))
    whom = await visitor.get(sheet.path)
    assert "Las que usted empezó y no ha enviado" in text_of(whom)
    assert f'href="{sheet.again}"' in whom.text
    assert "Zanatukapellido" not in whom.text
    assert len(await looked(world, "case.person")) == before
    await sheet.shows(visitor)
    assert len(await looked(world, "case.person")) == before + 1  # who reads what was typed of a person is in the log
    same = await visitor.get(f"{sheet.path}?{urlencode(test_ask_pages.WHOM)}")
    assert 'value="Zanatukapellido"' in same.text
    assert re.search(r'name="sale" value="surname_1" checked', same.text)


async def test_what_was_chosen_for_one_reason_is_not_chosen_for_another(world):
    sheet = await question(world)
    visitor = await sheet.person()
    await sheet.saves(visitor, base="otra-base")
    page = await visitor.get(f"{sheet.path}?{urlencode(test_ask_pages.WHOM)}")
    assert 'value="Zanatukapellido"' in page.text  # what was typed is still there
    assert 'name="sale" value="surname_1"' in page.text
    assert not re.search(r'name="sale" value="[^"]+" checked', page.text)


async def test_findings_that_were_begun_are_listed_each_its_own_and_go_one_by_one(finder):
    first, second = await finding(finder), await finding(finder, "segunda.ficticia")
    visitor = await first.person()
    await first.saves(visitor)
    await second.saves(visitor, expediente="paciente-10")
    listed = (await visitor.get(test_find_pages.NEW)).text
    for sheet in (first, second):
        assert f'href="{sheet.again}"' in listed
    await sent(first, visitor)
    listed = (await visitor.get(test_find_pages.NEW)).text
    assert f'href="{first.again}"' not in listed
    assert f'href="{second.again}"' in listed
    assert (await second.shows(visitor))[:2] == (200, True)


ODD = (("", 404), ("x", 404), ("gt.nadie", 404), ("é" * 300, 404), ("\x00", 422))


async def test_a_made_up_institution_keeps_nothing(world):
    sheet = await question(world)
    visitor = await sheet.person()
    for odd, status in ODD:
        assert (await sheet.saves(visitor, para=odd))[0] == status
    for to in ("gt.nadie", CNB, ""):
        assert (await visitor.get(f"{sheet.path}?seguir={to}")).status == 404
    assert await kept(sheet) == []


async def test_a_made_up_form_keeps_nothing(finder):
    sheet = await finding(finder)
    visitor = await sheet.person()
    for odd, status in ODD:
        assert (await sheet.saves(visitor, hoja=odd))[0] == status
    for odd in ("x", "01990000-0000-7000-8000-000000000003"):
        assert (await visitor.get(f"{sheet.path}?hoja={odd}")).status == 404
    assert await kept(sheet) == []
