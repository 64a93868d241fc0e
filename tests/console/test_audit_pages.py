"""The audit asks and is answered: pseudonyms, codes and names of fields, each line with its proof, and the asking is in the log first."""

import html
import re
import sqlite3

import pytest

from contracts.errors import ProblemCode
from contracts.ids import NodeId
from contracts.leaves import subject_of
from gateway.console.pages.audit_words import ACTS, REFUSED, fields_in_words
from gateway.console.words import words as spoken
from gateway.people.desk import PeopleDesk
from gateway.people.sign_in import Carrier
from tests.console.test_answering import MBMID, asked, officer, prepared
from tests.console.visitor import Visitor
from tests.gateway.test_answers import at_slot
from tests.gateway.test_leaving import ADULT
from tests.people.hired import hired_at
from tests.people.world import NODE, OFFICE, open_world
from tests.promises.life import envelope_of, ping


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        yield found


async def auditor(world, post="auditor", login="a.ficticia"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def sealed(world):
    """What the node's own loop does: entries get their place, and a checkpoint is signed over them."""
    while await world.node.log.sequence():
        pass
    world.clock.forward(minutes=10)
    [loop] = [loop for loop in world.node.loops if loop.name == "log"]
    await loop.step()


async def answered(world):
    """A request that an officer read and answered with a field; its id."""
    visitor, request = await officer(world), await asked(world)
    touched(world, f"UPDATE work_items SET office = '{OFFICE}'")
    await visitor.get(f"/s/{request}")
    review = await prepared(visitor, request, **{"s-height_cm": ""})
    await visitor.post(review)
    await at_slot(world.federation)
    await sealed(world)
    return request


def words(page):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page.text)))


def links(page, start="/auditoria/anotacion/"):
    return re.findall(rf'href="({start}[^"]*)"', page.text)


async def read_events(world):
    return [leaf["detail"] for leaf in await world.leaves() if leaf.get("detail", "").startswith("audit.read")]


async def test_the_questions_stand_first_and_open_lists(world):
    request, visitor = await answered(world), await auditor(world)
    page = await visitor.get("/auditoria")
    for question in ("¿Quién consultó este expediente?", "¿Qué salió de esta oficina?", "¿Qué negó la política, y por qué?",
                     "¿Quién respondió tarde?", "¿Algo falta en el registro?"):  # fmt: skip
        assert question in page.text
    found = await visitor.post("/auditoria/expediente", {"caso": request})
    assert found.status == 303
    shown = await visitor.get(found.location)
    assert ACTS["request.open"] in shown.text
    assert re.search(r"a:[\w-]{16}", shown.text)
    assert "n.º" in shown.text
    assert "sellada" in shown.text


async def test_who_looked_is_told_by_pseudonym_office_and_purpose_and_never_by_name_or_value(world):
    request, visitor = await answered(world), await auditor(world)
    location = (await visitor.post("/auditoria/expediente", {"caso": request})).location
    pages = [await visitor.get(path) for path in (location, "/auditoria/salio", "/auditoria/negado", "/auditoria/tarde")]
    pages += [await visitor.get(path) for page in pages for path in links(page)]
    assert len(pages) > 6
    values = [str(value) for value in ADULT.values() if isinstance(value, str) and len(value) > 4] + [
        "o.ficticia",
        "paciente-7",
        "1.60",
        "160",
    ]
    for page in pages:
        assert page.status == 200
        assert [value for value in values if value in page.text] == []


async def test_reading_the_audit_is_in_the_log_before_it_is_read(world, monkeypatch):
    request, visitor = await answered(world), await auditor(world)
    location = (await visitor.post("/auditoria/expediente", {"caso": request})).location
    entry = links(await visitor.get(location))[0]
    paths = [location, "/auditoria/salio", "/auditoria/negado", "/auditoria/rechazado", "/auditoria/tarde", entry]
    before = len(await read_events(world))
    for path in paths:
        await visitor.get(path)
    assert len(await read_events(world)) == before + len(paths)
    case = location.rpartition("/")[2]
    assert f"audit.read case {case}" in await read_events(world)
    assert ACTS["audit.read"] in (await visitor.get(location)).text  # whoever audits is seen by whoever audits next

    async def refuses(*_args, **_more):
        raise RuntimeError("the log takes nothing")

    monkeypatch.setattr(PeopleDesk, "record", refuses)
    for path in paths:
        page = await visitor.get(path)
        assert page.status == 500
        assert links(page) == []


async def test_what_left_says_which_fields_by_which_rule_and_leads_to_its_proof(world):
    await answered(world)
    visitor = await auditor(world)
    page = await visitor.get(f"/auditoria/salio?oficina={OFFICE}")
    told = words(page)
    assert "salió 1 registro" in told
    assert "Sexo" in told
    assert "Estatura" not in told
    assert "mujer" not in told
    proof = await visitor.get(links(page)[0])
    said = words(proof)
    assert "Se envió un mensaje." in said
    assert "La anotación está en la posición" in said
    assert "no ha cambiado desde que se selló" in said
    assert said.count("✓ Concuerda") == 3
    assert "Último punto de control" in said
    kept = words(await visitor.get("/auditoria/negado"))
    assert "salió 1 mensaje al que le faltó algún campo" in kept
    assert "Estatura" in kept
    assert "no se preguntó" in kept.lower() or "not-asked" in kept


def test_no_code_of_the_protocol_is_shown_raw():
    assert {code.value for code in ProblemCode} - set(REFUSED) == set()


async def test_a_field_is_not_called_by_the_name_it_has_in_another_record(world):
    policy, told = world.node.capabilities.trust().policy, spoken("es")
    assert fields_in_words(["cui", "marks"], policy, told, "missing-person")[0] == "CUI"
    assert fields_in_words(["cui"], policy, told, "reporter") == ["CUI del reportante"]
    assert fields_in_words(["cui", "nada"], policy, told) == ["CUI / CUI del reportante", "nada"]  # nobody knows of which


async def test_an_entry_that_is_not_sealed_yet_says_so(world):
    visitor, request = await officer(world), await asked(world)
    await sealed(world)
    await visitor.get(f"/s/{request}")
    while await world.node.log.sequence():
        pass
    reader = await auditor(world)
    page = await reader.get((await reader.post("/auditoria/expediente", {"caso": request})).location)
    assert "aún sin sellar" in page.text
    assert "Todavía no la cubre ningún punto de control" in (await reader.get(links(page)[0])).text


async def test_who_was_late_is_told_with_how_much(world):
    request, visitor = await asked(world), await auditor(world)
    assert "0 respuestas pasaron" in words(await visitor.get("/auditoria/tarde"))
    world.clock.forward(days=40)
    late = await auditor(world, login="b.ficticia")
    month = re.search(r'value="(\d{4}-\d\d)"[^>]*>Noviembre', (await late.get("/auditoria/tarde")).text)[1]
    told = words(await late.get(f"/auditoria/tarde?mes={month}"))
    assert "1 respuesta pasó de su plazo" in told
    assert "sin respuesta; pasaron" in told
    assert request[-4:].upper() in told


async def test_what_was_refused_at_the_door_is_told_to_the_whole_nodes_auditors(world):
    sender = world.federation.nodes[MBMID].capabilities
    await world.node.door.receive([await envelope_of(sender, ping(sender, to=NodeId(NODE)), mode="exercise")])
    await sealed(world)
    page = await (await auditor(world)).get("/auditoria/rechazado")
    assert "era de un ejercicio" in page.text
    assert len(links(page)) == 1
    head = await auditor(world, f"office-head@{OFFICE}", "j.ficticia")
    assert (await head.get("/auditoria/rechazado")).status == 404


async def test_a_head_audits_their_own_office_alone(world):
    request = await answered(world)
    own = await auditor(world, f"office-head@{OFFICE}", "j.ficticia")
    other = await auditor(world, "office-head@otra", "k.ficticia")
    whole = await auditor(world)
    location = (await whole.post("/auditoria/expediente", {"caso": request})).location
    entry = links(await whole.get("/auditoria/salio"))[0]
    assert "salió 1 registro" in words(await own.get("/auditoria/salio"))
    assert (await own.get(location)).status == (await own.get(entry)).status == 200
    for path in (f"/auditoria/salio?oficina={OFFICE}", "/auditoria/salio"):
        assert "salieron 0 registros" in words(await other.get(path))
    assert (await other.post("/auditoria/expediente", {"caso": request})).status == 422
    assert (await other.get(location)).status == (await other.get(entry)).status == 404


@pytest.mark.parametrize(
    "case", ["", "x", "ñ", "MBMID-2026-999999", "01990000-0000-7000-8000-000000000001", "a" * 500, "'; --"]
)
async def test_what_names_no_case_is_refused_in_words(world, case):
    visitor = await auditor(world)
    page = await visitor.post("/auditoria/expediente", {"caso": case})
    assert page.status == 422
    assert 'role="alert"' in page.text
    for path in ("/auditoria/expediente/x", "/auditoria/anotacion/x", "/auditoria/anotacion/1-999999", "/auditoria/anotacion/1--1",
                 "/auditoria/anotacion/99999999-1", "/auditoria/expediente/MBMID-2026-000001"):  # fmt: skip
        assert (await visitor.get(path)).status == 404, path


@pytest.mark.parametrize(
    "query", ["mes=x", "mes=2026-13", "hoja=0", "hoja=-1", "hoja=99999", "hoja=x", "oficina=nadie", "mes=2000-01&hoja=400"]
)
async def test_a_question_asked_wrongly_is_answered_as_if_it_were_plain(world, query):
    visitor = await auditor(world)
    for path in ("salio", "negado", "rechazado", "tarde"):
        assert (await visitor.get(f"/auditoria/{path}?{query}")).status == 200


async def test_a_list_is_read_page_by_page(world, monkeypatch):
    monkeypatch.setattr("gateway.console.pages.audit.ROWS", 2)
    visitor, request = await officer(world), await asked(world)
    for _ in range(5):
        await visitor.get(f"/s/{request}")
    await sealed(world)
    reader = await auditor(world)
    location = (await reader.post("/auditoria/expediente", {"caso": request})).location
    seen, path = [], location
    while path:
        page = await reader.get(path)
        seen += links(page)
        path = next(iter(re.findall(r'href="([^"]+)">Siguientes', html.unescape(page.text))), None)
    assert len(seen) == len(set(seen)) == 5
    assert "Hoja 1 de 3" in (await reader.get(location)).text


# -- does anything miss? -------------------------------------------------------------------------------------------------


async def review(visitor):
    assert (await visitor.post("/auditoria/registro")).location == "/auditoria/registro"
    return words(await visitor.get("/auditoria/registro"))


def touched(world, statement):
    path = str(world.node.config.main_database).removeprefix("sqlite+aiosqlite:///")
    with sqlite3.connect(path) as database:
        assert database.execute(statement).rowcount > 0


async def test_a_log_that_agrees_is_said_to(world):
    await answered(world)
    visitor = await auditor(world)
    assert "Nadie la ha revisado" in words(await visitor.get("/auditoria/registro"))
    told = await review(visitor)
    assert "No falta nada." in told
    assert "Esto no demuestra" in told
    assert "audit.read log" in await read_events(world)


TAMPERED = {
    "an entry was rewritten": ("UPDATE leaves SET data = replace(data, '\"v\":1', '\"v\":1 ') WHERE leaf_index = 3", 3),
    "an entry is gone": ("DELETE FROM leaves WHERE leaf_index = 3", 3),
    "its digest was made to fit": ("UPDATE leaves SET leaf_hash = zeroblob(32) WHERE leaf_index = 3", 3),
    "what it is found by was changed": ("UPDATE leaves SET subject = 'x' WHERE leaf_index = 3", 3),
    "another peer was written over it": ("UPDATE leaves SET peer = 'gt.pgn' WHERE leaf_index = 3", 3),
    "a node of the tree was changed": ("UPDATE tree_nodes SET hash = zeroblob(32) WHERE level = 1 AND node_index = 1", 0),
    "a checkpoint was changed": ("UPDATE checkpoints SET root = zeroblob(32)", None),
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_a_row_that_somebody_touched_is_named_with_node_position_and_time(world, how):
    await answered(world)
    visitor = await auditor(world)
    assert "No falta nada." in await review(visitor)  # control: before
    statement, place = TAMPERED[how]
    touched(world, statement)
    told = await review(visitor)
    assert "La bitácora no concuerda" in told
    assert f"({NODE})" in told
    assert f"{NODE}/paradero-log" in told
    assert "No borre ni repare nada" in told
    if place:
        assert f"Primera posición que no concuerda {place} " in told
        assert "Después de la última que concuerda, de jueves, 26 de noviembre de 2026" in told or "de 2026" in told


async def test_control_a_check_that_looks_at_nothing_calls_it_whole(world, monkeypatch):
    await answered(world)
    visitor = await auditor(world)
    touched(world, TAMPERED["an entry was rewritten"][0])
    monkeypatch.setattr("gateway.main.logcheck._leaf_problem", lambda *_: "")
    assert "No falta nada." in await review(visitor)


async def test_an_entry_that_was_touched_says_so_on_its_own_page(world):
    await answered(world)
    visitor = await auditor(world)
    page = await visitor.get("/auditoria/salio")
    path = links(page)[0]
    assert "Esta anotación no concuerda" not in (await visitor.get(path)).text
    index = path.rpartition("-")[2]
    touched(world, f"UPDATE leaves SET data = replace(data, '\"v\":1', '\"v\":1 ') WHERE leaf_index = {index}")
    told = words(await visitor.get(path))
    assert "Esta anotación no concuerda" in told
    assert told.count("✗ No concuerda") >= 2


async def test_what_an_act_was_about_is_read_from_its_words():
    about = "01990000-0000-7000-8000-000000000001"
    assert subject_of("admin.action", f"request.open {about}", None) == about
    assert subject_of("admin.action", f"audit.read case {about} x", "other") == about
    assert subject_of("admin.action", "user.add a:b", "message") == "message"
    assert subject_of("admin.action", None, None) is None
    assert subject_of("msg.sent", f"request.open {about}", about) is None
