"""Statistics: the picture, the table beside it, the file, the command and the route say the same, and nothing small."""

import asyncio
import csv
import html
import re
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from gateway.console import figures
from gateway.console.figures import neutral
from gateway.people.sign_in import Carrier
from gateway.storage.engine import create_engine
from gateway.storage.statistics import Statistics
from tests.console.test_entrance import entered
from tests.console.visitor import Visitor
from tests.people.hired import hired_at
from tests.people.world import OFFICE, open_world
from tests.storage.test_oversight_models import Books

MBMID, PGN = "gt.igm.mbmid", "gt.pgn"
OCTOBER = datetime(2026, 10, 5, 12, tzinfo=UTC)
MONTHS = "desde=2026-09&hasta=2026-10"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as found:
        yield found


async def reader(world, post="auditor", login="a.ficticia", lang="es"):
    session = await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE)
    return Visitor(world.base, session=session, language=lang)


class Stores:
    """What `Books.write` writes to."""

    def __init__(self, world):
        self.engines = [create_engine(world.node.config.main_database)]


async def filled(world):
    """Two months of a node: plenty of some things, few of others."""
    books = Books()
    for number in range(12):
        books.asked(OCTOBER + timedelta(hours=number), took=10 + number, delivered=1)
    for number in range(7):
        opening = books.asked(OCTOBER + timedelta(hours=number), ours=False, took=2 + number, due=10, office=OFFICE)
        books.left(OCTOBER + timedelta(days=number), opening, ("sex", "marks"))
    for number in range(3):
        books.asked(OCTOBER + timedelta(hours=number), ours=False, took=30, due=10, office=OFFICE)
    for number in range(2):
        books.asked(OCTOBER + timedelta(hours=number), ours=False, took=3, due=10, office="madrid", peer=PGN)
        books.left(OCTOBER + timedelta(days=number), opening, ("health_conditions",), record="missing-person")
    stores = Stores(world)
    await books.write(stores)
    await stores.engines[0].dispose()


def plain(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


def tables(page):
    """The numbers of each figure's table: {caption: {first cell: cells}}."""
    found = {}
    for figure in re.findall(r"<figure>(.*?)</figure>", page.text, re.DOTALL):
        caption = html.unescape(re.search(r"<figcaption>(.*?)</figcaption>", figure)[1])
        rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', figure, re.DOTALL)
        found[caption] = {html.unescape(name): re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in rows}
    return found


async def test_four_figures_stand_with_their_numbers_beside_them(world):
    await filled(world)
    page = await (await reader(world)).get(f"/estadisticas?{MONTHS}")
    assert page.text.count("<figure>") == page.text.count("<svg") == page.text.count("<details>") == 4
    found = tables(page)
    assert found["Qué pasó con lo que pedimos"] == {
        "Enviadas": ["12", "0"], "Entregadas": ["12", "1"], "Aceptadas o atendidas": ["12", "15"], "Respondidas": ["12", "15"],
    }  # fmt: skip
    assert "Actualizado a" in page.text
    assert "Especialmente protegidos" in found["Qué datos salieron, por categoría y mes"]
    assert found["Qué datos salieron, por categoría y mes"]["Descripción"][1] == "7"
    svg = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
    assert not any("style=" in one or "href" in one or "//" in one.replace("http://www.w3.org", "") for one in svg)
    assert all('role="img"' in one and "aria-label=" in one for one in svg)


async def test_no_small_number_is_shown_anywhere(world):
    await filled(world)
    visitor = await reader(world)
    page = await visitor.get(f"/estadisticas?{MONTHS}")
    token = await hired_at(world.desk, "auditor", login="b.ficticia")
    _, answer = await world.call("GET", "/api/v1/statistics", token, **{"from": "2026-09", "to": "2026-10"})
    hidden = 0
    for name in ("paces", "asked", "left"):
        for row in answer[name]["rows"]:
            hidden += row["numbers"].count(None)
            assert [number for number in row["numbers"] if number is not None and 0 < number < 5] == [], (name, row)
    assert hidden > 5
    for name, rows in tables(page).items():
        if name != "Qué pasó con lo que pedimos":
            assert [cell for cells in rows.values() for cell in cells if cell in {"1", "2", "3", "4"}] == [], name
    drawn = re.findall(r"<text[^>]*>(\d+)</text>", page.text)
    assert [number for number in drawn if number in {"1", "2", "3", "4"}] == []


async def test_control_without_suppression_small_numbers_are_seen(world, monkeypatch):
    await filled(world)
    monkeypatch.setattr("gateway.console.suppression._hide", lambda *_: frozenset())
    page = await (await reader(world)).get(f"/estadisticas?{MONTHS}")
    assert "3" in [cell for rows in tables(page).values() for cells in rows.values() for cell in cells]


async def test_a_total_does_not_betray_a_cell(world):
    await filled(world)
    found = tables(await (await reader(world)).get(f"/estadisticas?{MONTHS}"))[
        "Cuánto tardó cada oficina, en partes de su plazo"
    ]
    for cells in found.values():
        assert cells.count("no se muestra") != 1, found
    for column in zip(*found.values(), strict=True):
        assert column.count("no se muestra") != 1, found


async def test_a_number_that_is_hidden_for_another_is_not_said_to_be_small(world):
    books, stores = Books(), Stores(world)
    for number in range(42):
        books.asked(OCTOBER + timedelta(minutes=number), took=10 if number < 40 else None, delivered=1)
    await books.write(stores)
    await stores.engines[0].dispose()
    visitor = await reader(world)
    page, file = await visitor.get(f"/estadisticas?{MONTHS}"), await visitor.get(f"/estadisticas/funnel.csv?{MONTHS}")
    assert "Enviadas: 42. Respondidas: no se muestra." in plain(page)
    for text in (plain(page), html.unescape(page.text), file.text):
        assert "menos de 5" not in text
        assert "<5" not in text
    assert "40" not in [cell for cells in tables(page)["Qué pasó con lo que pedimos"].values() for cell in cells]


async def few_of_each(world):
    """Two institutions we asked for 2 and for 3: that they are 5 would tell that both are few."""
    books, stores = Books(), Stores(world)
    for number in range(5):
        books.asked(OCTOBER + timedelta(minutes=number), peer=MBMID if number < 2 else PGN, took=10, delivered=1)
    await books.write(stores)
    await stores.engines[0].dispose()
    token = await hired_at(world.desk, "auditor", login="b.ficticia")
    _, answer = await world.call("GET", "/api/v1/statistics", token, **{"from": "2026-09", "to": "2026-10"})
    assert [row["numbers"] for row in answer["asked"]["rows"]] == [[0, None], [0, None], [0, None]]
    return [row["numbers"][0] for row in answer["funnel"]["rows"]]


async def test_one_table_does_not_betray_a_cell_of_another(world):
    assert await few_of_each(world) == [None] * 4


async def test_control_tables_that_know_nothing_of_each_other_betray_a_cell(world, monkeypatch):
    monkeypatch.setattr(figures, "_tells_what_we_asked", lambda _: True)
    assert await few_of_each(world) == [5] * 4


async def test_what_we_asked_is_told_beside_what_few_asked_us(world):
    await filled(world)
    token = await hired_at(world.desk, "auditor", login="b.ficticia")
    _, answer = await world.call("GET", "/api/v1/statistics", token, **{"from": "2026-09", "to": "2026-10"})
    rows = {row["code"]: row["numbers"] for row in answer["asked"]["rows"]}
    assert rows == {MBMID: [None, 12], PGN: [None, 0], "total": [12, 12]}  # no sum of both ways: less 12, it would tell


async def test_page_file_command_and_route_say_the_same(world):
    await filled(world)
    await world.bootstrap()
    await world.hire("e.ficticia", "auditor")
    said = await world.ask("e.ficticia", "stats", "--from", "2026-09", "--to", "2026-10")
    visitor = await entered(world, "e.ficticia")
    for name in ("funnel", "paces", "asked", "left"):
        answer = await visitor.get(f"/estadisticas/{name}.csv?{MONTHS}")
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="paradero-{name}-2026-09-2026-10.csv"'
        lines = list(csv.reader(StringIO(answer.text.removeprefix("\ufeff"))))
        numbers = {line[0]: line[2:] for line in lines[1 : lines.index([])]}
        expected = {row["code"]: [("—" if place and name == "funnel" else "*") if number is None else str(number)
                                  for place, number in enumerate(row["numbers"])] for row in said[name]["rows"]}  # fmt: skip
        assert numbers == expected
        assert any("no se muestran" in cell for line in lines[lines.index([]) :] for cell in line)
    written = await world.cli("e.ficticia", "stats", "--from", "2026-09", "--to", "2026-10", "--csv", world.folder / "hojas")
    assert written.stdout.count("✓") == 4
    assert len(list((world.folder / "hojas").glob("*.csv"))) == 4
    shown = (await world.cli("e.ficticia", "stats")).stdout
    assert "Quién le pide a quién" in shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_no_name_becomes_a_formula(text):
    assert neutral(text).startswith("'")
    assert neutral("Houston") == "Houston"


async def test_an_office_with_a_formula_for_a_name_is_written_as_a_word(world):
    await filled(world)
    await hired_at(world.desk, f"officer@{OFFICE}", login="o.ficticia")
    await evil_name(world)
    text = (await (await reader(world)).get(f"/estadisticas/paces.csv?{MONTHS}")).text
    assert "'=1+1" in text
    assert ",=1+1" not in text


async def evil_name(world):
    from sqlalchemy import text

    engine = create_engine(world.node.config.main_database)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE offices SET name_es = '=1+1'"))
    await engine.dispose()


@pytest.mark.parametrize("query", [
    {"from": "2026-13"}, {"from": "x"}, {"from": ""}, {"to": "2099-01"}, {"from": "2026-11", "to": "2026-10"}, {"from": "2010-01"}, {"csv": "nada"},
])  # fmt: skip
async def test_months_that_cannot_be_are_refused_by_the_route_and_the_page_shows_the_usual_ones(world, query):
    token = await hired_at(world.desk, "auditor", login="b.ficticia")
    status, answer = await world.call("GET", "/api/v1/statistics", token, **query)
    assert status == 422
    assert answer["advice"]
    path = "&".join(f"{ {'from': 'desde', 'to': 'hasta'}.get(name, name) }={value}" for name, value in query.items())
    assert (await (await reader(world)).get(f"/estadisticas?{path}")).status == 200


async def test_files_that_are_not_there_are_not_there(world):
    visitor = await reader(world)
    for name in ("funnel", "nada.csv", "funnel.xlsx", ".csv", "funnel.csv.csv"):
        assert (await visitor.get(f"/estadisticas/{name}")).status == 404


async def test_the_database_counts_once_in_five_minutes(world, monkeypatch):
    counted, real = [], Statistics.funnel

    async def funnel(self, start, end):
        counted.append(start)
        return await real(self, start, end)

    monkeypatch.setattr(Statistics, "funnel", funnel)
    visitor = await reader(world)
    await asyncio.gather(*(visitor.get("/estadisticas") for _ in range(3)))
    assert len(counted) == 1
    world.clock.forward(minutes=6)
    await visitor.get("/estadisticas")
    assert len(counted) == 2
    assert timedelta(minutes=5) == figures._KEPT


async def test_nothing_yet_is_said_with_noughts(world):
    page = await (await reader(world)).get("/estadisticas")
    assert page.status == 200
    assert tables(page)["Qué pasó con lo que pedimos"]["Enviadas"] == ["0", "—"]
    assert "Con 0 instituciones." in plain(page)


@pytest.mark.parametrize(
    ("lang", "told"), [("es", "Preguntan 6 campos; tenemos 4; salen 2"), ("en", "They ask 6 fields; we hold 4; 2 leave")]
)
async def test_what_leaves_and_what_does_not_is_a_picture_any_page_can_draw(world, lang, told):
    environment = world.api._pages._looks.environment(lang)
    drawn = environment.from_string('{% from "pictures.html" import strip with context %}{{ strip(6, 4, 2) }}').render()
    assert told in drawn
    assert drawn.count("<rect") == 6
    assert "<details>" in drawn
    assert environment.from_string('{% from "pictures.html" import strip with context %}{{ strip(0, 0, 0) }}').render()
