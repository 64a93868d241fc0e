"""Asking an institution by pages: whom first, then field by field; what is checked is what leaves, and one at a time."""

import html
import re
from datetime import datetime, time
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from contracts.messages import ConsentAct
from tests.console.test_cases import CANARY, a_case, cases_world, looked, officer, text_of
from tests.gateway.story import in_clear, sent
from tests.gateway.test_exchange import table
from tests.gateway.test_recall import said, says

world = cases_world
WHOM = {"para": "mx.cnb", "fin": "locate-missing", "base": "consent", "urgencia": "normal"}
FIELDS = [
    ("v-surname_1", "Caal"),
    ("sale", "surname_1"),
    ("v-age_range", "30 a 35"),
    ("sale", "age_range"),
    ("pide", "sex"),
    ("pide", "age_range"),
]


def new(path):
    return path.replace("/e/", "/s/nueva/")


async def agreed(world):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    return path, await officer(world)


async def asked(visitor, path, fields=FIELDS, **changed):
    return await visitor.post(new(path), [*(WHOM | changed).items(), *fields])


async def test_an_officer_asks_field_by_field(world):
    path, visitor = await agreed(world)
    whom = await visitor.get(new(path))
    assert 'value="mx.cnb"' in whom.text
    assert CANARY not in whom.text
    form = await visitor.get(f"{new(path)}?{urlencode(WHOM)}")
    assert form.status == 200
    assert len(await looked(world, "case.person")) == 1  # what is held was read, and that is in the log
    assert CANARY in form.text
    assert "checked" not in form.text  # nothing leaves unless it is chosen
    page = await asked(visitor, path)
    assert page.status == 303, text_of(page)
    review = await visitor.get(page.location)
    read = text_of(review)
    assert CANARY not in review.text  # the given names were not chosen
    assert "Caal" in read
    assert "Qué preguntamos" in read
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'search.request'") == [(0,)]
    assert (await visitor.post(page.location)).location == f"{page.location}/hecho"
    [message] = await sent(world.node, "search.request")
    assert {str(item.field) for record in message.records for item in record.disclosed} <= {"surname_1", "age_range"}
    assert sorted(message.body.want) == ["age_range", "sex"]
    assert CANARY not in in_clear(message)
    assert "solicitud de búsqueda" in text_of(await visitor.get(path))
    second = await asked(visitor, path)
    assert second.status == 422
    assert f'href="/s/{message.message_id}"' in second.text


async def test_an_answer_is_due_when_the_office_that_asks_works(world):
    world.clock.forward(hours=10)  # seven in the evening: whole days later nobody works there
    path, visitor = await agreed(world)
    page = await asked(visitor, path)
    assert (await visitor.post(page.location)).location == f"{page.location}/hecho"
    [message] = await sent(world.node, "search.request")
    assert datetime.fromtimestamp(message.deadline, ZoneInfo("America/Guatemala")).time() == time(8)


async def test_it_can_be_changed_before_it_is_signed_and_by_nobody_else(world):
    path, visitor = await agreed(world)
    page = await asked(visitor, path)
    shown = page.location.rpartition("/")[2]
    change = html.unescape(re.search(r'href="(/s/nueva/[^"]+)"', (await visitor.get(page.location)).text)[1])
    again = await visitor.get(change)
    assert re.search(r'name="sale" value="surname_1" checked', again.text)
    assert not re.search(r'name="sale" value="given_names" checked', again.text)
    other = await officer(world, "s.ficticia")
    assert (await other.get(change)).status == 404
    assert (await other.get(f"/enviar/{shown}")).status == 404


async def test_what_is_missing_or_made_up_is_told_and_nothing_is_prepared(world):
    path, visitor = await agreed(world)
    for name, value, anchor in (
        ("para", "gt.nadie", "para"), ("para", "x y", "para"), ("fin", "porque-si", "fin"), ("base", "consentx", "base"),
        ("urgencia", "ya", "urgencia"), ("base", "gt:codigo-migracion:198-207", "para"),
    ):  # fmt: skip
        for page in (
            await asked(visitor, path, **{name: value}),
            await visitor.get(f"{new(path)}?{urlencode(WHOM | {name: value})}"),
        ):
            assert page.status == 422, (name, value)
            assert f'href="#{anchor}"' in page.text, (name, value)
            assert f'id="{anchor}"' in page.text, (name, value)
    for fields, anchor in (
        ([pair for pair in FIELDS if pair[0] != "pide"], "pide"), ([*FIELDS[:-2], ("pide", "inventado")], "pide"),
        ([pair for pair in FIELDS if pair[0] != "sale"], "tabla"), ([("sale", "surname_1"), ("pide", "sex")], "v-surname_1"),
        ([("sale", "age_range"), ("v-age_range", "no sé"), ("pide", "sex")], "v-age_range"),
    ):  # fmt: skip
        page = await asked(visitor, path, fields)
        assert page.status == 422, fields
        assert f'href="#{anchor}"' in page.text, fields
        assert f'id="{anchor}"' in page.text, fields
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]


async def test_without_a_consent_nothing_of_the_person_leaves(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    form = text_of(await visitor.get(f"{new(path)}?{urlencode(WHOM)}"))
    assert "falta el consentimiento" in form
    page = await asked(visitor, path)
    assert page.status == 422
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]
