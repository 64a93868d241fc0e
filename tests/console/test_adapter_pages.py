"""Trying a source on a page: nothing is sent, values are masked, and only who sends its rows may see them, logged first."""

import html
import re

import pytest

from gateway.console import trials
from gateway.console.pages import adapters
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import table
from tests.people.hired import hired_at
from tests.people.world import FIXTURES, NODE, OFFICE, open_world

NAME = "reportes_conamigua"
TRY = f"/adaptadores/{NAME}/probar"
ROWS = (
    "Nombres,Apellidos,Fecha de nacimiento,Sexo,Último contacto,Relato\n"
    "Ficticiacanaria,Caalcanario,12/03/1999,F,01/10/2026,relatocanario\nFicticio,,31/02/1999,M,,\n"
)
CANARIES = ("Ficticiacanaria", "Caalcanario", "relatocanario", "1999-03-12", "12/03/1999", "1999")


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, "gt.igm.mbmid", "gt.pgn") as found:
        found.mappings()
        folder = found.node.config.mapping_folder
        (folder / f"{NAME}.xlsx").write_bytes((FIXTURES / f"{NAME}.xlsx").read_bytes())
        yield found


async def somebody(world, post, login="p.ficticia"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


def told(page):
    return html.unescape(page.text)


async def test_the_list_says_what_was_read_of_each_source(world):
    admin = await somebody(world, "node-admin")
    page = told(await admin.get("/adaptadores"))
    assert "Reportes de familias, oficina de Huehuetenango" in page
    assert 'data-label="Última lectura">nunca' in page
    clerk = await hired_at(world.desk, f"desk-clerk@{OFFICE}", login="c.ficticia")
    import aiohttp

    url = f"{world.base}/api/v1/imports?mapping={NAME}"
    async with aiohttp.ClientSession() as session:
        answer = await session.post(url, data=ROWS.encode(), headers={"Authorization": f"Bearer {clerk}"})
        assert answer.status == 200
    world.clock.forward(minutes=5)
    page = told(await admin.get("/adaptadores"))
    assert 'data-label="Última lectura">hace 5 min' in page
    [(rows,)] = await table(world.node, "SELECT count(*) FROM imports")
    assert rows > 0
    assert f'data-label="Filas leídas">{rows}<' in page


async def test_a_mapping_that_is_none_is_told_and_cannot_be_tried(world):
    (world.node.config.mapping_folder / "roto.toml").write_text('name = "roto"\n')
    admin = await somebody(world, "node-admin")
    assert "El mapeo no vale" in told(await admin.get("/adaptadores"))
    assert (await admin.get("/adaptadores/roto/probar")).status == 404


async def test_three_panes_and_a_sentence_and_nothing_is_sent(world):
    officer = await somebody(world, f"officer@{OFFICE}")
    before = [await table(world.node, f"SELECT count(*) FROM {name}") for name in ("outbox", "imports", "cases")]
    page = told(await officer.post(TRY, {"filas": ROWS, "valores": "ver"}))
    for said in (
        "Esto no envía nada.",
        "1 de 2 filas pasan.",
        "Fila original",
        "Registro normalizado",
        "Lo que vería quien lo recibe",
    ):
        assert said in page, said
    for canary in CANARIES:
        assert canary in page
    assert "esa fecha no existe" in page
    assert '{"' not in page  # values as people read them
    assert "femenino" in page
    assert "traslado de reporte → MBMID" in page
    after = [await table(world.node, f"SELECT count(*) FROM {name}") for name in ("outbox", "imports", "cases")]
    assert after == before
    details = [leaf.get("detail") for leaf in await world.leaves()]
    assert f"source.read {NAME}" in details


async def test_values_are_masked_until_somebody_asks_and_then_it_is_logged(world):
    officer = await somebody(world, f"officer@{OFFICE}")
    page = await officer.post(TRY, {"filas": ROWS})
    shown = re.sub(r"(?s)<textarea.*?</textarea>", "", told(page))
    assert [canary for canary in CANARIES if canary in shown] == []
    assert "xxx" in shown
    assert "99/99/9999" in shown
    assert "femenino" not in shown
    assert "Los valores están tapados" in shown
    assert not [leaf for leaf in await world.leaves() if "source.read" in leaf.get("detail", "")]


async def test_who_administers_sees_no_value_whatever_the_form_says(world):
    admin = await somebody(world, "node-admin")
    assert 'name="valores"' not in (await admin.get(TRY)).text
    for fields in (
        {"filas": ROWS},
        {"filas": ROWS, "valores": "ver"},
        {"valores": "ver"},
        [("filas", ROWS), ("valores", "no"), ("valores", "ver")],
    ):
        page = await admin.post(TRY, fields)
        assert page.status == 200
        assert [canary for canary in CANARIES if canary in page.text] == [], fields
        assert "Ficticia" not in page.text.replace(">Ficticia<", "><")
    assert not [leaf for leaf in await world.leaves() if "source.read" in leaf.get("detail", "")]


async def test_control_a_page_that_masked_nothing_would_be_seen(world, monkeypatch):
    monkeypatch.setattr(adapters, "masked_trial", lambda trial: trial)
    admin = await somebody(world, "node-admin")
    page = await admin.post(TRY, {"filas": ROWS})
    assert all(canary in page.text for canary in CANARIES)


async def test_control_a_page_that_believed_the_form_would_be_seen(world, monkeypatch):
    monkeypatch.setattr(adapters.AdapterPages, "_may_see", lambda *_: True)
    admin = await somebody(world, "node-admin")
    page = await admin.post(TRY, {"filas": ROWS, "valores": "ver"})
    assert CANARIES[0] in page.text


async def test_another_offices_source_is_not_there(world):
    for post in ("officer@otra", "desk-clerk@otra", "office-head@otra"):
        visitor = await somebody(world, post, post.partition("@")[0].replace("-", "."))
        assert "Reportes de familias" not in (await visitor.get("/adaptadores")).text
        assert (await visitor.get(TRY)).status == 404
        assert (await visitor.post(TRY, {"filas": ROWS, "valores": "ver"})).status == 404


async def test_the_sample_is_read_when_nothing_is_pasted_and_only_beside_its_mapping(world):
    officer = await somebody(world, f"officer@{OFFICE}")
    page = told(await officer.post(TRY, {}))
    assert re.search(r"\d+ de \d+ filas pasan\.", page)
    assert page.count("<h3>Fila") == adapters.ROWS
    path = world.node.config.mapping_folder / f"{NAME}.toml"
    secret = world.node.config.data / "secreto.csv"
    secret.write_text(ROWS)
    path.write_text(path.read_text().replace(f'sample = "{NAME}.xlsx"', f'sample = "{secret}"'))
    page = await officer.post(TRY, {})
    assert page.status == 422
    assert "Ficticiacanaria" not in page.text


@pytest.mark.parametrize(
    "name", ["no-hay", "..", "%2e%2e%2fparadero", "REPORTES_CONAMIGUA", "a" * 200, "reportes_conamigua.toml"]
)
async def test_what_is_no_source_is_not_there(world, name):
    officer = await somebody(world, f"officer@{OFFICE}")
    assert (await officer.get(f"/adaptadores/{name}/probar")).status == 404


BAD = [
    "x",
    "Nombres\n",
    "\x7f\x00"[:1],
    "a,b\n1,2\n",
    "x" * 210_000,
    "=cmd|'/C calc'!A0\n" * 3,
    "Nombres,Apellidos\n" + "a," * 5000,
]


@pytest.mark.parametrize("rows", BAD, ids=range(len(BAD)))
async def test_rows_that_are_none_are_refused_in_words(world, rows):
    officer = await somebody(world, f"officer@{OFFICE}")
    page = await officer.post(TRY, {"filas": rows})
    assert page.status in {200, 422}
    assert page.status == 200 or 'role="alert"' in page.text
    assert "Traceback" not in page.text


async def test_what_is_pasted_runs_nowhere(world):
    officer = await somebody(world, f"officer@{OFFICE}")
    planted = "Nombres,Apellidos\n<script>alert(1)</script>,</textarea><b>x\n"
    page = await officer.post(TRY, {"filas": planted, "valores": "ver"})
    assert "<script>alert" not in page.text
    assert "</textarea><b>" not in page.text


async def test_two_trials_at_once_are_one_and_a_wait(world, monkeypatch):
    import asyncio
    import threading

    go = threading.Event()
    real = world.node.operations.room.try_mapping

    def slow(*given):
        go.wait(10)
        return real(*given)

    object.__setattr__(world.node.operations.room, "try_mapping", slow)
    officer = await somebody(world, f"officer@{OFFICE}")
    first = asyncio.create_task(officer.post(TRY, {"filas": ROWS}))
    await asyncio.sleep(1)
    second = await officer.post(TRY, {"filas": ROWS})
    go.set()
    assert second.status == 429
    assert (await first).status == 200


@pytest.mark.parametrize(("text", "shape"), [
    ("Ficticia López", "xxx xxx"), ("sí", "xxx"), ("no", "xxx"), ("12/03/1999", "99/99/9999"), ("7", "99"), ("14", "99"), ("2590 12345 0101", "9999 999999 9999"),
    ("9900000011301", "999999"), ("a.b@c.example", "xxx.xxx@xxx.xxx"), ("", ""), ("Ñandú_2", "xxx_99"), ("関", "xxx"), ("٣", "99"),
])  # fmt: skip
def test_a_mask_keeps_the_shape_and_tells_nothing_else(text, shape):
    assert trials.masked(text) == shape


def test_every_word_of_an_outcome_and_a_reason_is_translated():
    from gateway.console.words import words

    for lang in ("es", "en"):
        for reason in (
            *trials._REASONS,
            "missing:sex",
            "differs:sex",
            "same-as-row-4",
            "sex:unknown",
            "refused:x",
            "nueva:cosa",
        ):
            said = trials.reason_in_words(reason, words(lang))
            assert said
            assert "%" not in said
