"""The policy's pages say what `paradero policy` says, and the tester answers by the function that decides in earnest."""

import html
import json
import re
from urllib.parse import urlencode

import pytest
from typer.testing import CliRunner

from contracts.policy import load_template, parse_policy
from contracts.policy.matrix import matrix
from contracts.policy.words import word
from contracts.register import Role
from gateway.cli import app
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world

POLICY = parse_policy(load_template("first-policy"))
QUESTION = {
    "de": "search-mechanism", "a": "foreign-search", "mensaje": "search.request", "finalidad": "locate-missing",
    "base": "gt:codigo-migracion:198-207", "registro": "missing-person", "personas": "1", "menor": "no",
}  # fmt: skip


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, "gt.igm.mbmid", "gt.igm.control") as found:
        yield found


async def visitor_of(world, post="auditor"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login="p.ficticia", carrier=Carrier.COOKIE))


async def text_of(visitor, path, status=200):
    page = await visitor.get(path)
    assert page.status == status, page.text
    return html.unescape(page.text)


async def test_every_cell_of_the_table_is_what_the_rules_say(world):
    visitor = await visitor_of(world)
    for record in POLICY.record_types():
        page = await text_of(visitor, f"/politica/{record.id}?ver=todos")
        cells = dict(re.findall(rf'<a href="/politica/{re.escape(record.id)}/([^"]+)">([^<]+)<span', page))
        assert len(cells) == len(record.fields) * len(Role)
        for row in matrix(POLICY, record.id, "es"):
            for role in Role:
                assert cells[f"{row.field}/{role.value}"].strip() == row.cells.get(role.value, "no sale"), (
                    record.id,
                    row.field,
                    role,
                )


async def test_without_asking_for_all_only_roles_of_this_network_are_shown(world):
    page = await text_of(await visitor_of(world), "/politica")
    assert "MBMID" in page
    assert "/given_names/search-mechanism" in page
    assert "/given_names/health" not in page
    assert "sin verificar" in page
    assert "Versión 1" in page


async def test_a_cell_tells_its_rules_its_law_and_whether_anybody_verified_it(world):
    visitor = await visitor_of(world)
    page = await text_of(visitor, "/politica/missing-person/given_names/search-mechanism")
    for said in (
        "Cómo sale",
        "tal cual",
        "Base legal, si lo envía esta institución",
        "traslado de reporte",
        "en vigor desde el",
    ):
        assert said in page
    assert ("texto sin verificar" in page) or ("texto verificado" in page)
    marks = {basis.verified for basis in POLICY.bases}
    assert False in marks  # control: there is something unverified to be told of


async def test_not_permitted_and_forbidden_are_told_apart_in_a_cell(world):
    visitor = await visitor_of(world)
    walled = await text_of(visitor, "/politica/missing-person/narrative/migration-control")
    assert "Prohibido: muro" in walled
    nothing = next(
        (row.field, role)
        for row in matrix(POLICY, "missing-person", "es")
        for role in Role
        if role.value not in row.cells and row.sensitivity < "S4" and row.field not in POLICY.nevers_for("missing-person", role)
    )
    page = await text_of(visitor, f"/politica/missing-person/{nothing[0]}/{nothing[1].value}")
    assert "No permitido: ninguna regla" in page or "Prohibido" in page


@pytest.mark.parametrize(
    "path", ["/politica/nada", "/politica/missing-person/nada/health", "/politica/missing-person/sex/nadie", "/politica/%00"]
)
async def test_what_the_policy_does_not_have_is_not_there(world, path):
    assert (await (await visitor_of(world)).get(path)).status == 404


async def test_the_tester_answers_as_the_command_does(world):
    visitor = await visitor_of(world)
    for changed, scopes in (
        ({}, []),
        ({}, ["c4"]),
        ({"a": "migration-control"}, ["c4"]),
        ({"mensaje": "search.response"}, []),
        ({"base": "consent"}, []),
    ):
        asked = QUESTION | changed
        page = await text_of(
            visitor, f"/politica/probar?{urlencode(asked)}&{urlencode([('consentimiento', one) for one in scopes])}"
        )
        words = [
            "policy",
            "explain",
            asked["mensaje"],
            "--from",
            asked["de"],
            "--to",
            asked["a"],
            "--purpose",
            asked["finalidad"],
        ]
        words += ["--basis", asked["base"], "--record", asked["registro"], "--minor", "no", "--json"]
        words += [word for one in scopes for word in ("--scope", one)]
        if asked["mensaje"] == "search.response":
            words += [word for name in POLICY.fields_of(asked["registro"]) for word in ("--asked", name)]
        told = json.loads(CliRunner().invoke(app, words).stdout)
        assert f"<code>{told['message']['rule']}</code>" in page
        for item in told["message"]["considered"]:
            if item["rule"] != told["message"]["rule"]:
                assert item["rule"] in page
        rows = re.findall(
            r'<tr><th scope="row">([^<]+)</th><td data-label="Respuesta">([^<]+)</td><td[^>]*>([^<]*)</td><td[^>]*><code>([^<]*)',
            page,
        )
        assert [(row[2], row[3]) for row in rows] == [(item["text"], item["rule"]) for item in told["fields"]]


async def test_the_tester_tells_forbidden_from_not_permitted_and_counts_nothing_of_a_message_that_may_not_go(world):
    visitor = await visitor_of(world)
    forbidden = await text_of(
        visitor,
        f"/politica/probar?{urlencode(QUESTION | {'mensaje': 'case.status', 'de': 'consulate', 'a': 'migration-control', 'base': 'consent'})}",
    )
    assert "La política dice: prohibido" in forbidden
    assert "forbid:to-enforcement" in forbidden
    assert "de los datos no sale ninguno" in forbidden
    not_permitted = await text_of(visitor, f"/politica/probar?{urlencode(QUESTION | {'base': 'federation:operation'})}")
    assert "La política dice: no permitido" in not_permitted
    assert "otra base legal" in not_permitted


BAD = [
    {"a": "nadie"}, {"mensaje": "nada"}, {"finalidad": ""}, {"base": "x"}, {"registro": "x"}, {"personas": "9"}, {"menor": "quizá"},
    {"campo": "no-hay"}, {"consentimiento": "c99"}, {"de": "machine"}, {"personas": "1e3"}, {"a": "<script>"},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
async def test_a_question_that_is_none_is_told_where(world, bad):
    [(name, value)] = bad.items()
    page = await (await visitor_of(world)).get(f"/politica/probar?{urlencode(QUESTION | bad)}")
    assert page.status == 422
    assert f'href="#{name}"' in page.text
    assert f'id="{name}"' in page.text
    assert "<script>" not in page.text
    assert value == "" or "La política dice" not in page.text


async def test_a_role_without_the_register_is_told_who_has_it(world):
    page = await (await visitor_of(world, f"desk-clerk@{OFFICE}")).get("/politica")
    assert page.status == 403
    assert word("role", "health", "en") not in page.text


async def test_the_table_is_small_enough_for_a_slow_line(world):
    visitor = await visitor_of(world)
    sizes = {
        path: (await visitor.get(path)).size
        for path in ("/politica", "/politica/probar", "/politica/missing-person/sex/search-mechanism")
    }
    assert max(sizes.values()) <= 15 * 1024, sizes
