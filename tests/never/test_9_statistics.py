"""Never 9: a number below five in any figure, whichever way it is read; a place where somebody lives or was, beside a month."""

import re

import pytest

from gateway.console import figures
from gateway.console.figure_words import CATEGORIES
from gateway.console.figures import Row
from gateway.storage.statistics import PACES
from tests.console.test_statistics_pages import MBMID, OCTOBER, Books, Stores, filled, reader
from tests.gateway.test_exchange import row, send
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world

NAMES = ("funnel", "paces", "asked", "left")
STAGES = {"sent", "delivered", "taken", "answered"}
VILLAGE = {"country": "GT", "department": "13", "municipality": "1325", "text": "Zanatukaldea"}
HERE = re.compile(r"1325|Zanatuk", re.IGNORECASE)


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def told(world, first="2026-09", last="2026-10"):
    """Every figure as programs read it, and everything that people read, as one text."""
    token = await hired_at(world.desk, "auditor", login=f"a{first[-2:]}{last[-2:]}.ficticia")
    _, answer = await world.call("GET", "/api/v1/statistics", token, **{"from": first, "to": last})
    visitor = await reader(world, login=f"b{first[-2:]}{last[-2:]}.ficticia")
    span = f"desde={first}&hasta={last}"
    pages = [await visitor.get(f"/estadisticas?{span}")]
    pages += [await visitor.get(f"/estadisticas/{name}.csv?{span}") for name in NAMES]
    assert {page.status for page in pages} == {200}
    return answer, "\n".join([repr(answer), *(page.text for page in pages)])


def small(answer):
    """Counts below five; a median of hours is no count of anybody."""
    return [
        (name, row["code"], number)
        for name in NAMES
        for row in answer[name]["rows"]
        for column, number in zip(answer[name]["columns"], row["numbers"], strict=True)
        if column != "median-hours" and number is not None and 0 < number < 5
    ]


async def few_everywhere(world):
    """Some of everything, and few of it: three questions of ours, of which two were answered, and two of others."""
    books, stores = Books(), Stores(world)
    for number in range(3):
        books.asked(OCTOBER.replace(minute=number), took=10 if number < 2 else None, delivered=1)
        opening = books.asked(OCTOBER.replace(minute=30 + number), ours=False, took=3, due=10, office=OFFICE)
        books.left(OCTOBER, opening, ("sex", "health_conditions"), record="missing-person")
    await books.write(stores)
    await stores.engines[0].dispose()


@pytest.mark.parametrize("books", [filled, few_everywhere])
async def test_no_figure_shows_a_small_cell(world, books):
    await books(world)
    answer, _ = await told(world)
    assert [name for name in NAMES if not answer[name]["rows"]] == []
    assert small(answer) == []


async def test_control_shown_as_counted_small_cells_are_found_in_every_figure(world, monkeypatch):
    monkeypatch.setattr("gateway.console.suppression._hide", lambda *_: frozenset())
    monkeypatch.setattr(figures, "nested", tuple)
    await few_everywhere(world)
    answer, _ = await told(world)
    assert {name for name, _, _ in small(answer)} == set(NAMES)


def places(answer):
    """What stands in a figure beside a number and is no office, institution, stage, pace, category or month."""
    codes = {
        "funnel": STAGES,
        "paces": {OFFICE, "madrid", "", "total"},
        "asked": {"gt.igm.mbmid", "gt.pgn", "total"},
        "left": set(CATEGORIES),
    }
    columns = {"requests", "median-hours", *PACES, "asked-us", "we-asked", "total"}
    odd = [column for name in NAMES for column in answer[name]["columns"] if column not in columns]
    assert [one for one in odd if not re.fullmatch(r"20\d\d-\d\d", one)] == []
    assert [one for name in NAMES if name != "left" for one in answer[name]["columns"] if one in odd] == []
    return [(name, row["code"]) for name in NAMES for row in answer[name]["rows"] if row["code"] not in codes[name]]


async def six_of_one_village(world):
    """Enough of one municipality in one month that no rule about small numbers would hide them."""
    await send(world.federation, *(row(residence=VILLAGE, last_contact_place=VILLAGE) for _ in range(6)))
    await world.federation.settle()
    now = world.clock.now()
    return f"{now:%Y-%m}"


async def test_no_figure_is_of_a_place(world):
    await filled(world)
    month = await six_of_one_village(world)
    for first, last in (("2026-09", month), (month, month)):
        answer, everything = await told(world, first, last)
        assert places(answer) == []
        assert not HERE.search(everything)
    [described] = [row["numbers"] for row in answer["left"]["rows"] if row["code"] == "description"]
    assert described[0] >= 6, "where they were seen last did leave, and is counted as a description"


async def test_control_a_figure_by_municipality_is_seen(world, monkeypatch):
    month = await six_of_one_village(world)
    summed = figures._summed

    def by_place(name, columns, offices, lines):
        table = summed(name, columns, offices, lines)
        return figures.Table(name, table.columns, (*table.rows, Row("GT-1325", (6,) * len(table.columns))))

    monkeypatch.setattr(figures, "_summed", by_place)
    answer, everything = await told(world, month, month)
    assert places(answer) == [("paces", "GT-1325")]
    assert HERE.search(everything)
