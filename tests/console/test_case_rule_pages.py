"""Whom a case must never reach, and two reports about one person: set and ended by pages, by whom the rules let."""

import re

import pytest

from contracts.errors import NotPermittedError
from contracts.ids import Code
from contracts.messages import ConsentAct
from gateway.exchange.barring import Lifting, bar, unbar
from tests.console.test_cases import CANARY, a_case, cases_world, officer, text_of
from tests.console.test_consent_pages import asked_of_cnb
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import SECOND, by
from tests.gateway.test_recall import said, says

world = cases_world
CNB_RULE = [("quien", "mx.cnb"), ("motivo", "aggressor")]


async def test_from_a_rule_on_nothing_reaches_whom_it_names_and_two_persons_end_it(world):
    path, folio = await a_case(world)
    await says(world.federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    visitor, second = await officer(world), await officer(world, "b.ficticia")
    page = f"{path}/no-llegar"
    assert f'href="{page}"' in (await visitor.get(path)).text
    assert "No hay ninguna regla" in text_of(await visitor.get(page))
    assert (await visitor.post(page, CNB_RULE)).location == f"{page}?hecho=puesta"
    assert (await visitor.post(page, CNB_RULE)).location == f"{page}?hecho=puesta"  # once more changes nothing
    with pytest.raises(NotPermittedError):
        await asked_of_cnb(world, path)
    assert await table(world.node, "SELECT target, reason FROM never_to") == [("mx.cnb", "aggressor")]
    assert "Levantar esta regla" in (await visitor.get(page)).text
    lift = [("quien", "mx.cnb")]
    assert (await visitor.post(f"{page}/levantar", lift)).location == f"{page}?hecho=espera"
    assert (await visitor.post(f"{page}/levantar", lift)).location == f"{page}?hecho=espera"  # the same person counts once
    with pytest.raises(NotPermittedError):
        await asked_of_cnb(world, path)
    assert (await second.post(f"{page}/levantar", lift)).location == f"{page}?hecho=levantada"
    assert (await second.post(f"{page}/levantar", lift)).location == f"{page}?hecho=ya"
    await asked_of_cnb(world, path)


async def test_what_is_no_rule_is_told_and_nothing_is_set(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    for fields in (
        [], [("quien", "mx.cnb")], [("quien", "nadie"), ("motivo", "aggressor")], [("motivo", "aggressor"), ("pais", "Honduras")],
        [*CNB_RULE, ("pais", "hn")], [("quien", "mx.cnb"), ("motivo", "<script>")], [("quien", "gt.igm.mbmid"), ("motivo", "aggressor")],
    ):  # fmt: skip
        assert (await visitor.post(f"{path}/no-llegar", fields)).status == 422, fields
    assert await table(world.node, "SELECT count(*) FROM never_to") == [(0,)]
    for fields in ([("pais", "HN"), ("motivo", "family-asked")], [("quien", "foreign-consulate"), ("motivo", "family-asked")]):
        assert (await visitor.post(f"{path}/no-llegar", fields)).status == 303
    assert "todo lo del país HN" in text_of(await visitor.get(f"{path}/no-llegar"))
    assert await table(world.node, "SELECT target FROM never_to ORDER BY target") == [("country:hn",), ("foreign-consulate",)]


async def test_two_reports_are_joined_and_parted_and_neither_page_names_the_other_family(world):
    first, folio = await a_case(world)
    world.federation.clock.forward(minutes=1)
    second, other = await a_case(world)
    visitor = await officer(world)
    page = f"{second}/misma-persona"
    for wrong in ("", "nada", "MBMID-2026-009999", other):
        answer = await visitor.post(page, [("folio", wrong)])
        assert answer.status == 422, wrong
    assert (await visitor.post(page, [("folio", folio.lower())])).location == f"{page}?hecho=unidos"
    shown = await visitor.get(second)
    assert re.search(rf'href="{first}"', shown.text)
    assert CANARY not in (await visitor.get(page)).text
    back = await visitor.post(f"{first}/misma-persona", [("folio", other)])
    assert back.status == 422  # the one that was there stays itself
    for _ in range(2):
        assert (await visitor.post(f"{page}/separar")).location == f"{page}?hecho=separados"
    assert await table(world.node, "SELECT count(*) FROM cases WHERE same_as IS NOT NULL") == [(0,)]


async def test_a_rule_is_lifted_under_whichever_name_of_the_case_it_stands(world):
    node, names = world.node.capabilities, ("caso-1", "caso-1-otro-nombre")
    async with node.begin() as work:
        await bar(names[1], "mx.cnb", Code("aggressor"), work, node, actor=by(node).actor)
        assert await unbar(names[:1], "mx.cnb", work, node, by=by(node)) is Lifting.NO_RULE
        assert await unbar(names, "mx.cnb", work, node, by=by(node)) is Lifting.WAITS
        assert await unbar(names, "mx.cnb", work, node, by=by(node, SECOND)) is Lifting.LIFTED
        assert await unbar(names, "mx.cnb", work, node, by=by(node)) is Lifting.NO_RULE
