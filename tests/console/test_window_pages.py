"""The ombudsman's windows as pages: asked for by a complaint, read with its steps and fields, seen by whom it looked at."""

import html
import re

import pytest

from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.people.hired import hired_at
from tests.people.world import OFFICE, open_port
from tests.simulator.federation import simulated_federation

MBMID, DESK, PDH = "gt.igm.mbmid", "gt.conamigua", "gt.pdh"


@pytest.fixture
async def worlds(tmp_path, monkeypatch):
    async with (
        simulated_federation(tmp_path, MBMID, DESK, PDH) as federation,
        open_port(tmp_path, monkeypatch, federation, PDH) as pdh,
        open_port(tmp_path, monkeypatch, federation, MBMID) as mbmid,
    ):
        await send(federation, row(surname_1=CANARY))
        await federation.settle()
        yield pdh, mbmid


async def visitor(world, post, login):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


def words(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


async def folio_at(world):
    return (await table(world.node, "SELECT folio FROM cases WHERE kind = 'report'"))[0][0]


async def test_a_window_is_asked_for_read_and_seen_where_it_was_opened(worlds):
    pdh, mbmid = worlds
    folio, ombudsman = await folio_at(mbmid), await visitor(pdh, f"officer@{OFFICE}", "o.ficticia")
    key = re.search(r'name="vez" value="([^"]+)"', (await ombudsman.get("/auditoria/pedidas")).text)[1]
    given = {"folio": folio, "queja": "PDH-2026-7", "a": "", "vez": key}
    asked = await ombudsman.post("/auditoria/pedidas", given)
    assert asked.status == 303
    assert (await ombudsman.post("/auditoria/pedidas", given)).location == "/auditoria/pedidas"  # sent once more
    assert await table(pdh.node, "SELECT count(*) FROM windows") == [(1,)]
    assert "Aún no hay respuesta" in (await ombudsman.get(asked.location)).text
    await pdh.federation.settle()
    page = await ombudsman.get(asked.location)
    told = words(page)
    assert "pasos" in told
    assert "fuera de plazo" in told
    assert re.search(r"\d+ copias entregadas", told)
    assert CANARY not in page.text
    assert CANARY.lower() not in page.text.lower()
    assert folio in words(await ombudsman.get("/auditoria/pedidas"))
    read = [leaf["detail"] for leaf in await pdh.leaves() if leaf.get("detail", "").startswith("window.read")]
    assert len(read) == 2

    auditor = await visitor(mbmid, "auditor", "a.ficticia")
    seen = words(await auditor.get("/auditoria/ventanas"))
    assert folio in seen
    assert "PDH-2026-7" in seen
    assert "abierta" in seen
    assert [leaf for leaf in await mbmid.leaves() if leaf.get("detail") == "audit.read windows"]


@pytest.mark.parametrize("given", [
    {}, {"folio": "x", "queja": "PDH-1"}, {"folio": "MBMID-2026-000001", "queja": ""}, {"folio": "MBMID-2026-000001", "queja": "x" * 300},
    {"folio": "MBMID-2026-000001", "queja": "PDH-2026-7", "a": "no es nodo"},
])  # fmt: skip
async def test_what_names_no_case_or_complaint_is_refused_and_asks_nothing(worlds, given):
    pdh, _ = worlds
    ombudsman = await visitor(pdh, f"officer@{OFFICE}", "o.ficticia")
    page = await ombudsman.post("/auditoria/pedidas", given)
    assert page.status == 422
    assert 'role="alert"' in page.text
    assert await table(pdh.node, "SELECT count(*) FROM windows") == [(0,)]


async def test_who_is_no_ombudsman_asks_for_none(worlds):
    _, mbmid = worlds
    officer = await visitor(mbmid, f"officer@{OFFICE}", "o.ficticia")
    page = await officer.get("/auditoria/pedidas")
    assert "Sólo la procuraduría" in page.text
    assert "Firmar y pedir la ventana" not in page.text
    given = {"folio": await folio_at(mbmid), "queja": "PDH-2026-7", "a": DESK, "vez": "0" * 32}
    assert (await officer.post("/auditoria/pedidas", given)).status == 403
    assert await table(mbmid.node, "SELECT count(*) FROM windows") == [(0,)]
    for address in ("x", "01990000-0000-7000-8000-000000000001"):
        assert (await officer.get(f"/auditoria/pedidas/{address}")).status == 404
