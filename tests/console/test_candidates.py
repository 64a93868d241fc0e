"""Candidates out of this node's own records: ranked with reasons, nobody who was said not to be, nothing sent by looking."""

import html
import random
import re

import pytest

from contracts.ids import Code, MessageId, NodeId
from gateway.console.pages import candidates as pages
from gateway.exchange import candidates, taking
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.desk import send_rows
from tests.console.test_answering import asked, officer
from tests.console.test_inbox import MBMID, MINEX
from tests.gateway.test_exchange import row, table
from tests.gateway.test_leaving import by
from tests.people.world import OFFICE, open_port
from tests.simulator.federation import simulated_federation

SOUGHT = {
    "given_names": ["Ficticia"], "surname_1": "Shol", "surname_2": "Tzoq", "sex": "female",
    "birth_date": {"date": "1999-03-12", "precision": "day"}, "residence": {"country": "GT", "department": "16", "municipality": "1601"},
}  # fmt: skip
HELD = SOUGHT | {"surname_1": "Xol", "surname_2": "Tzoc", "nationalities": ["hn"]}


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with (
        simulated_federation(tmp_path, MINEX, MBMID) as federation,
        open_port(tmp_path, monkeypatch, federation, MINEX) as found,
    ):
        yield found


async def reported(world, **values):
    """Something this node holds on somebody: a report that it passed on."""
    node = world.node.capabilities
    given = {"given": "Ficticia", "age": (26, 28)} | {name: values.pop(name) for name in ("given", "age") if name in values}
    [result] = await send_rows([row(**given, **(HELD | values))], node, actor=node.pseudonyms.actor("officer"))
    assert result.outcome == "imported", result
    await world.federation.settle()
    [(opening,)] = await table(
        world.node, "SELECT opening_id FROM work_items WHERE machine = 'report' ORDER BY opening_id DESC LIMIT 1"
    )
    return opening


async def question(world, **values):
    return await asked(world, "sex", "age_range", "height_cm", values=SOUGHT | values, to=MINEX, case_ref="caso-q")


async def text(visitor, path):
    return html.unescape((await visitor.get(path)).text)


async def test_a_record_that_is_alike_appears_with_its_reasons_and_where_nobody_looked_is_said(world):
    await reported(world)
    await reported(
        world,
        given="Ficticio",
        surname_1="Otro",
        surname_2="Apellido",
        sex="male",
        birth_date={"date": "1960-01-01", "precision": "day"},
    )
    visitor, request = await officer(world), await question(world)
    page = await text(visitor, f"/s/{request}/candidatos")
    assert page.count("Por qué aparece") == 1
    for words in (
        "nombre parecido",
        "misma fecha de nacimiento",
        "mismo municipio",
        "Xol",
        "Se leyeron 2 registros",
        "No se consultó el sistema",
    ):
        assert words in page, words
    assert "Apellido" not in page
    told = [leaf["detail"] for leaf in await world.leaves() if str(leaf.get("detail")).startswith("candidate.")]
    assert told == [f"candidate.search {request}"]
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'search.response'") == [(0,)]


async def test_who_is_said_not_to_be_never_comes_back_for_this_request_and_the_history_says_who_said_so(world):
    opening = await reported(world)
    visitor, request = await officer(world), await question(world)
    named = {"registro": f"{MINEX}~{opening}"}
    said = await visitor.post(f"/s/{request}/candidatos", named | {"dicho": "no-es"})
    assert said.location == f"/s/{request}/candidatos?hecho=no-es"
    for who in (visitor, await officer(world, "s.ficticia")):
        page = await text(who, f"/s/{request}/candidatos")
        assert "Ningún registro de este nodo se parece" in page
        assert "1 no se muestra: alguien dijo que no es." in page
    other = await asked(world, "sex", values=SOUGHT, to=MINEX, case_ref="caso-2")
    assert "nombre parecido" in await text(visitor, f"/s/{other}/candidatos"), "of another request nothing was said"
    await world.leaves()
    assert "comparó un registro y dijo que no es la persona" in await text(visitor, f"/s/{request}")
    assert await table(world.node, "SELECT request_id, opener, opening_id, verdict FROM candidate_verdicts") == [
        (request, MINEX, opening, "no")
    ]


async def test_one_that_may_be_fills_in_what_is_held_and_nothing_leaves_by_that(world):
    opening = await reported(world)
    visitor, request = await officer(world), await question(world)
    named, before = {"registro": f"{MINEX}~{opening}"}, await table(world.node, "SELECT id, state FROM departures")
    onward = (await visitor.post(f"/s/{request}/candidatos", named | {"dicho": "podria"})).location
    assert re.fullmatch(rf"/s/{request}/responder/[a-z-]+\?con={MINEX}~{opening}", onward)
    form = await text(visitor, onward)
    assert re.search(r'id="v-sex".*?<option value="female" selected>', form, re.DOTALL)
    assert re.search(r'<select id="s-sex"[^>]*>\s*<option value="" selected>No sale', form), "held is not leaving"
    assert f"candidate.open {opening}" in [leaf.get("detail") for leaf in await world.leaves()]
    assert await table(world.node, "SELECT id, state FROM departures") == before
    assert "Se dijo que podría ser la persona." in await text(visitor, f"/s/{request}/candidatos")


async def test_the_records_of_another_office_are_not_looked_through(world):
    opening = await reported(world)
    await officer(world, "x.ficticia", "officer@otra")
    visitor, request = await officer(world), await question(world)
    node = world.node.capabilities
    async with node.begin() as work:
        await work.work_items.move(ExchangeKey(NodeId(MINEX), MessageId(opening)), Code("otra"))
        [item] = await work.work_items.find(request)
        await work.work_items.move(item.key, Code(OFFICE))
    assert "Ningún registro" in await text(visitor, f"/s/{request}/candidatos")
    for path in (f"/s/{request}/responder/unidentified-person?con={MINEX}~{opening}",):
        assert (await visitor.get(path)).status == 404
    said = await visitor.post(f"/s/{request}/candidatos", {"registro": f"{MINEX}~{opening}", "dicho": "no-es"})
    assert said.status == 404


async def test_records_that_were_not_read_are_said_and_read_next_and_a_verdict_stays_there(world, monkeypatch):
    """An officer is never told that nobody is alike where somebody was not looked at."""
    oldest, other = await reported(world), {"surname_1": "Otro", "surname_2": "Apellido", "sex": "male"}
    for day in ("1960-01-01", "1961-01-01", "1962-01-01"):
        await reported(world, given="Ficticio", birth_date={"date": day, "precision": "day"}, **other)
    monkeypatch.setattr(pages, "READ", 2)
    monkeypatch.setattr(pages, "AT_ONCE", 1)
    visitor, request = await officer(world), await question(world)
    here = f"/s/{request}/candidatos"
    first = await text(visitor, here)
    assert "Se leyeron 2 registros" in first
    assert "Hay más antiguos que no se leyeron" in first
    assert "Ningún registro" not in first
    onward = re.search(r'href="(/s/[^"]+\?despues=[^"]+)">Buscar en los anteriores', first)[1]
    second = await text(visitor, onward)
    assert "nombre parecido" in second
    assert f'value="{MINEX}~{oldest}"' in second
    assert "Volver a los más recientes" in second
    assert "que no se leyeron" not in second
    mark = onward.partition("despues=")[2]
    said = await visitor.post(here, {"registro": f"{MINEX}~{oldest}", "dicho": "no-es", "despues": mark})
    assert said.location == f"{here}?hecho=no-es&despues={mark}"
    assert "no hay más antiguos" in await text(visitor, said.location)
    searches = [leaf for leaf in await world.leaves() if leaf.get("detail") == f"candidate.search {request}"]
    assert len(searches) == 3, "each look is noted"
    for bad in ("x", f"0~0~{'9' * 16}~{oldest}~gt.x"):
        assert "Se leyeron 2 registros" in await text(visitor, f"{here}?despues={bad}")


async def test_a_report_that_a_family_made_here_is_looked_through_too(world):
    node = world.node.capabilities
    result = await taking._take_here(row(given="Ficticia", age=(26, 28), **HELD), node, by(node))
    assert result.outcome == "imported", result
    thread, [(folio,)] = result.thread_id, await table(world.node, "SELECT folio FROM cases WHERE kind = 'report'")
    visitor, request = await officer(world), await question(world)
    page = await text(visitor, f"/s/{request}/candidatos")
    for words in (folio, "reporte que tomó esta oficina", "nombre parecido", f'value="{thread}"'):
        assert words in page, words
    assert "+50255550100" not in page, "who reported is nobody's candidate"
    said = {"registro": str(thread), "dicho": "podria"}
    onward = (await visitor.post(f"/s/{request}/candidatos", said)).location
    assert re.search(r'id="v-sex".*?<option value="female" selected>', await text(visitor, onward), re.DOTALL)
    await visitor.post(f"/s/{request}/candidatos", said | {"dicho": "no-es"})
    assert "1 no se muestra" in await text(visitor, f"/s/{request}/candidatos")
    await node.bodies.destroy([thread])
    other = await asked(world, "sex", values=SOUGHT, to=MINEX, case_ref="caso-2")
    assert "1 ya no se puede leer" in await text(visitor, f"/s/{other}/candidatos")


async def test_what_is_no_candidate_and_what_is_no_word_is_refused_and_changes_nothing(world):
    opening = await reported(world)
    visitor, request = await officer(world), await question(world)
    for form in ({}, {"dicho": "es"}, {"registro": "x", "dicho": "es"}, {"registro": f"{MINEX}~{opening}", "dicho": "quizás"}):
        assert (await visitor.post(f"/s/{request}/candidatos", form)).status == 404, form
    for con in ("x", "%00", opening, "~", f"{MINEX}~", "%00~x"):
        assert (await visitor.get(f"/s/{request}/responder/unidentified-person?con={con}")).status == 404
    assert await table(world.node, "SELECT count(*) FROM candidate_verdicts") == [(0,)]


async def test_control_a_verdict_that_is_forgotten_would_be_seen(world, monkeypatch):
    opening = await reported(world)
    visitor, request = await officer(world), await question(world)
    await visitor.post(f"/s/{request}/candidatos", {"registro": f"{MINEX}~{opening}", "dicho": "no-es"})

    async def nothing(_self, _request_id):
        return {}

    monkeypatch.setattr(pages.HeldModels, "verdicts", nothing)
    assert "nombre parecido" in await text(visitor, f"/s/{request}/candidatos")


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({"surname_1": "Xol", "given_names": ["Ana"]}, {"surname_1": "Shol", "given_names": ["Ana"]}, "name-like"),
        ({"surname_1": "Vásquez", "given_names": ["Ana"]}, {"said_names": ["ana basques"]}, "name-like"),
        ({"surname_1": "Pérez", "given_names": ["Ana"]}, {"said_names": ["ANA PEREZ"]}, "name-same"),
        ({"surname_1": "Tzoc"}, {"surname_1": "Pérez"}, "name-other"),
        ({"birth_date": {"date": "1999"}}, {"birth_date": {"date": "1999-03-12"}}, "birth-year"),
        ({"birth_date": {"date": "1999"}}, {"birth_date": {"date": "1980"}}, "birth-other"),
        ({"residence": {"country": "GT", "department": "16"}}, {"found_place": {"country": "MX", "department": "16"}}, None),
        ({"age_range": {"min": 1, "max": 3}}, {"age_range": {"min": 3, "max": 9}}, "age-fits"),
        ({"sex": "unknown"}, {"sex": "male"}, None),
    ],
)
def test_how_alike_two_people_are_is_said_in_codes(theirs, ours, expected):
    _, reasons, against = candidates.likeness(theirs, ours)
    assert (reasons + against) == (() if expected is None else (expected,))


def test_a_nationality_changes_no_rank_and_every_code_has_words():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    seen = set()
    for _ in range(300):
        theirs, ours = ({name: rng.choice(values) for name, values in _POOL.items() if rng.random() < 0.7} for _ in range(2))
        score, reasons, against = candidates.likeness(theirs, ours)
        for nationality in ("gt", "hn", "ve"):
            more = {"nationalities": [nationality], "presumed_nationality": [nationality]}
            assert candidates.likeness(theirs | {"nationalities": ["gt"]}, ours | more) == (score, reasons, against)
        seen |= set(reasons) | set(against)
    assert seen <= set(pages.REASONS) | set(pages.AGAINST)
    assert len(seen) > 8


_POOL = {
    "given_names": [["Ana"], ["Ana María"], ["José"]], "surname_1": ["Xol", "Shol", "Caal"], "sex": ["female", "male", "unknown"],
    "birth_date": [{"date": day} for day in ("1999-03-12", "1999-03", "2000", "1960-01-01")], "cui": ["1", "2"],
    "age_range": [{"min": 1, "max": 3}, {"min": 2, "max": 9}, {"min": 30, "max": 31}], "height_cm": [{"min": 150, "max": 160}, {"min": 180, "max": 190}],
    "residence": [{"country": "GT", "department": "16", "municipality": "1601"}, {"country": "GT", "department": "16"}],
    "marks": [[{"type": "scar", "text": "ceja izquierda"}], []],
}  # fmt: skip
