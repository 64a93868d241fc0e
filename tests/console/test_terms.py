"""Deadlines by pages and as a calendar: by the office's clock, its holidays marked; a secret address that opens nothing else."""

import html
import re
from datetime import UTC, date, datetime, timedelta

import pytest
from icalendar import Calendar

from gateway.console.pages import terms
from gateway.console.pages.horizon import DAYS, horizon
from gateway.console.whose import GUATEMALA
from gateway.console.words import words
from gateway.people import calendars
from tests.console.test_answering import MBMID, asked, officer
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import ADULT
from tests.people.world import NODE, OFFICE, open_world

CANARY = "Ficticia Canaria"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def due(world, request):
    [(moment,)] = await table(world.node, f"SELECT due_ms FROM work_items WHERE opening_id = '{request}'")
    return datetime.fromtimestamp(moment / 1000, UTC)


async def text(visitor, path):
    return html.unescape((await visitor.get(path)).text)


async def address(visitor):
    page = await text(visitor, "/plazos")
    return re.search(r"<code>https?://[^/]+(/plazos/[^<]+\.ics)</code>", page)[1]


async def fed(world, visitor=None):
    visitor = visitor or await officer(world)
    assert (await visitor.post("/plazos/direccion", {"hacer": "otra"})).location == "/plazos?hecho=hecha#direccion"
    return visitor, await address(visitor)


async def test_deadlines_stand_by_day_late_ones_first_and_the_month_has_its_holidays(world):
    visitor = await officer(world)
    assert "No hay plazos por delante" in await text(visitor, "/plazos")
    request = await asked(world, values=ADULT | {"given_names": [CANARY]})
    page = await text(visitor, "/plazos")
    assert f'href="/s/{request}"' in page
    assert "Vencidos" not in page
    assert CANARY not in page
    there = (await due(world, request)).date()
    month = await text(visitor, f"/plazos?mes={there:%Y-%m}")
    table_of = month[month.index('<table class="month"') :]
    assert f'href="/s/{request}"' in table_of
    september = await text(visitor, "/plazos?mes=2026-09")
    assert re.search(r"<strong>15</strong>[^/]*</span>[^<]*<span class=\"soft\">feriado</span>", september)
    assert september.count("no se atiende") >= 8  # its Saturdays and Sundays
    for nonsense in ("2026-13", "x", "1999-01", "2026-09&mes=y"):
        assert (await visitor.get(f"/plazos?mes={nonsense}")).status == 200
    world.clock.forward(days=30)
    visitor = await officer(world, "s.ficticia")
    page = await text(visitor, "/plazos")
    assert page.index("Vencidos") < page.index(f'href="/s/{request}"')


async def test_what_is_due_in_the_next_days_is_drawn_with_the_numbers_beside_it(world):
    visitor = await officer(world)
    assert "en los próximos 14 días" not in await text(visitor, "/plazos")
    request = await asked(world, values=ADULT | {"given_names": [CANARY]})
    moment = (await due(world, request)).astimezone(GUATEMALA)
    while moment.date() - world.clock.now().astimezone(GUATEMALA).date() >= timedelta(days=DAYS):
        world.clock.forward(hours=24)
    visitor = await officer(world, login="z.ficticia")
    page = await text(visitor, "/plazos")
    drawn = page[page.index("<figure>") : page.index("</figure>")]
    assert "Vence 1." in drawn
    assert CANARY not in drawn
    numbers = {name: int(number) for name, number in re.findall(r'<th scope="row">([^<]+)</th><td[^>]*>(\d+)</td>', drawn)}
    assert len(numbers) == DAYS
    assert numbers.pop(words("es").calendar_day(moment.date())) == 1
    assert set(numbers.values()) == {0}
    world.clock.forward(hours=24 * DAYS)
    visitor = await officer(world, login="y.ficticia")
    assert "en los próximos 14 días" not in await text(visitor, "/plazos")  # it is late: it stands in its list


def test_days_pile_up_office_by_office():
    today = date(2026, 11, 26)
    due = [
        (today, "tijuana"),
        (today, "houston"),
        (today + timedelta(days=3), "houston"),
        (today + timedelta(days=14), "houston"),
    ]
    drawn = horizon(due, {"houston": "Houston", "tijuana": "Tijuana", "idle": "Otra"}, today, {today: ["feriado"]}, words("es"))
    assert drawn.offices == ("Houston", "Tijuana")
    assert [column.numbers for column in drawn.columns[:4]] == [(1, 1), (0, 0), (0, 0), (1, 0)]
    assert [column.free for column in drawn.columns[:2]] == [True, False]
    assert drawn.told == "Vencen 3. Hoy: 2. El día con más: 2 el jueves, 26 de noviembre de 2026."
    assert drawn.most == 2
    assert horizon(due[-1:], {"houston": "Houston"}, today, None, words("es")) is None


async def test_where_holidays_cannot_be_known_nothing_is_marked_and_that_is_said(world, monkeypatch):
    visitor = await officer(world)

    async def fails(_self, _country, _years):
        from contracts.errors import FaultError

        raise FaultError("no child")

    monkeypatch.setattr("gateway.main.national_days.NationalDays.__call__", fails)
    page = await text(visitor, "/plazos?mes=2026-09")
    assert "No se pudieron calcular los feriados" in page
    assert "feriado</span>" not in page


async def test_a_calendar_program_reads_folios_and_moments_and_nothing_else(world):
    request = await asked(world, values=ADULT | {"given_names": [CANARY]})
    _, path = await fed(world)
    program = Visitor(world.base)  # no cookie
    answer = await program.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/calendar")
    [event] = Calendar.from_ical(answer.text).walk("VEVENT")
    folio = request.replace("-", "")[-8:].upper()
    assert str(event["summary"]) == f"Solicitud S-{folio[:4]}-{folio[4:]} vence"
    assert event.decoded("dtstart") == (await due(world, request)).replace(microsecond=0)
    for personal in (CANARY, "Ficticia", request, MBMID, "MBMID", "@"):
        assert personal not in answer.text, personal
    again = await program.get(path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    assert "max-age" in answer.headers["Cache-Control"]
    await asked(world, case_ref="caso-2")
    assert (await program.get(path, **{"If-None-Match": answer.headers["ETag"]})).status == 200


async def test_the_address_ends_when_its_owner_says_so_or_makes_another_or_leaves(world):
    await asked(world)
    visitor, first = await fed(world)
    program = Visitor(world.base)
    _, second = await fed(world, visitor)
    assert first != second
    assert [(await program.get(path)).status for path in (first, second)] == [404, 200]
    assert (await visitor.post("/plazos/direccion", {"hacer": "quitar"})).location == "/plazos?hecho=quitada#direccion"
    assert (await program.get(second)).status == 404
    _, third = await fed(world, visitor)
    from gateway.people.accounts import disable
    from gateway.people.sign_in import Knock, sign_in
    from tests.people.hired import ADMIN, PASSWORD, _made_quick

    admin = (await sign_in(ADMIN, PASSWORD, Knock("test"), _made_quick(world.desk))).principal
    await disable("o.ficticia", admin, world.desk)
    assert (await program.get(third)).status == 404
    assert await table(world.node, "SELECT count(*) FROM calendar_links") == [(0,)]


async def test_the_secret_is_not_in_the_database_nor_in_the_log(world):
    _, path = await fed(world)
    secret = path.removeprefix("/plazos/").removesuffix(".ics")
    rows = str(await table(world.node, "SELECT hex(digest) FROM calendar_links"))
    assert secret not in rows
    from contracts.codec import b64u_decode

    assert b64u_decode(secret).hex().upper() not in rows
    assert secret not in repr(await world.leaves())
    assert [leaf["detail"] for leaf in await world.leaves() if "calendar" in str(leaf.get("detail"))] == [
        "calendar.address-made"
    ]


async def test_it_opens_the_list_of_deadlines_alone_and_only_those_of_ones_office(world):
    request = await asked(world)
    _, path = await fed(world)
    secret = path.removeprefix("/plazos/").removesuffix(".ics")
    for way in ({"Authorization": f"Bearer {secret}"}, {}):
        assert (await Visitor(world.base, session=secret).get(f"/s/{request}", **way)).status == 303
    _, theirs = await fed(world, await officer(world, "x.ficticia", "officer@otra"))
    node = world.node.capabilities
    from contracts.ids import Code

    async with node.begin() as work:
        [item] = await work.work_items.find(request)
        await work.work_items.move(item.key, Code(OFFICE))
    program = Visitor(world.base)
    assert "Solicitud" in (await program.get(path)).text
    assert "Solicitud" not in (await program.get(theirs)).text


async def test_who_guesses_is_slowed_down_and_who_knows_is_not(world):
    _, path = await fed(world)
    program = Visitor(world.base)
    said = [(await program.get(f"/plazos/{'A' * 43}.ics")).status for _ in range(23)]
    assert said[0] == 404
    assert said[-1] == 429
    assert (await program.get(path)).status == 200
    assert (await program.get("/plazos/%00.ics")).status in {404, 429}


async def test_control_an_address_that_said_more_would_be_seen(world, monkeypatch):
    await asked(world)
    _, path = await fed(world)
    monkeypatch.setattr(terms, "folio", lambda _machine, opening: opening)
    [(request,)] = await table(world.node, "SELECT opening_id FROM work_items")
    assert request in (await Visitor(world.base).get(path)).text.replace("\r\n ", "")


async def test_control_a_secret_made_of_what_the_database_says_would_be_seen(world, monkeypatch):
    monkeypatch.setattr(calendars, "_secret", lambda person, made, _desk: calendars.b64u_encode(f"{person}".encode()[:32]))
    _, path = await fed(world)
    secret = path.removeprefix("/plazos/").removesuffix(".ics")
    from contracts.codec import b64u_decode

    [(person,)] = await table(world.node, "SELECT person_id FROM calendar_links")
    assert person.encode().startswith(b64u_decode(secret))
