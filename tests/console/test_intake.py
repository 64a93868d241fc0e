"""A desk takes a family's report by pages: saved as it is filled in, sent once, to the MBMID alone; a child also to the PGN."""

import asyncio
import html
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from contracts.fields import FIELDS
from contracts.messages import SearchRequest
from gateway.console.pages import intake
from gateway.console.pages.intake_sections import NOT_ASKED, SECTIONS
from gateway.exchange import taking, told_at_desk
from gateway.exchange.duties import cancel
from gateway.exchange.erasing import erase_turn, plan
from gateway.exchange.searching import Question, ask_search
from gateway.people.sign_in import Carrier, Knock, sign_in
from keys.vault import Vault
from tests.console.visitor import Visitor
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_drafts import CANARY, traces
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import by
from tests.people.hired import PASSWORD, _made_quick, hired_at
from tests.people.world import NODE, OFFICE, open_port, open_world
from tests.simulator.federation import simulated_federation

MBMID, PGN, OTHER = "gt.igm.mbmid", "gt.pgn", "gt.minex"
WHO = {
    "canal": "phone", "r.name": "Ficticia Madre", "r.phones": "5555 0100, 5555 0101", "r.relationship": "mother",
    "r.language": "mam", "r.interpreter": "yes", "r.safe_hours": "después de las 6",
}  # fmt: skip
WHOM = {
    "p.given_names": "Ficticio, Ejemplo", "p.surname_1": "Caal", "p.birth_date": "marzo de 1999", "p.sex": "male",
    "p.nationalities": "Guatemala", "p.languages": "Español y Mam", "p.height_cm": "1.62 m", "p.surname_2": "no sabe",
    "p.residence": "Chiantla, Huehuetenango",
}  # fmt: skip
JOURNEY = {
    "p.last_contact_date": "septiembre de 2026",
    "p.last_contact_place": "Chiapas, México",
    "p.narrative": "Salió a pie\ncon otros",
}
CONSENTS = {"c-c1": "si", "c-c2": "si", "c-c4": "no", "forma": "oral-witnessed", "lengua": "mam", "testigo": "Ficticia Testigo"}
WHOLE = {"quien-pide": WHO, "persona": WHOM, "viaje": JOURNEY, "consentimientos": CONSENTS, "proteccion": {}}


@asynccontextmanager
async def opened(tmp_path, monkeypatch, name=NODE):
    async with (
        simulated_federation(tmp_path, NODE, MBMID, PGN, OTHER) as federation,
        open_port(tmp_path, monkeypatch, federation, name) as found,
    ):
        yield found


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with opened(tmp_path, monkeypatch) as found:
        yield found


async def clerk(world, login="v.ficticia", post=f"desk-clerk@{OFFICE}"):
    return Visitor(world.base, session=await hired_at(world.desk, post, login=login, carrier=Carrier.COOKIE))


async def begun(visitor):
    key = re.search(r'name="vez" value="(\w+)"', (await visitor.get("/reportes/nuevo")).text)[1]
    page = await visitor.post("/reportes/nuevo", {"vez": key})
    assert page.status == 303, page.text
    return page.location


async def test_a_report_that_was_begun_is_put_away_under_ones_account(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    assert f'href="{draft}"' in (await visitor.get("/cuenta/borradores")).text
    away = await visitor.post(f"/cuenta/borradores/{draft.rpartition('/')[2]}/descartar")
    assert away.location.endswith("?hecho=descartado")
    assert (await visitor.get(draft)).status == 404


async def filled(visitor, changed=None, *, finished=True):
    """Fill in every page; return the address of the list of tasks."""
    draft = await begun(visitor)
    for section, fields in (WHOLE | (changed or {})).items():
        page = await visitor.post(
            f"{draft}/parte/{section}", fields | {"borrador": "0", "paso": "listo" if finished else "guardar"}
        )
        assert page.location == draft, (section, html.unescape(page.text))
    return draft


async def sent(visitor, changed=None):
    draft = await filled(visitor, changed)
    page = await visitor.post(f"{draft}/revisar")
    assert page.status == 303, html.unescape(page.text)
    return page.location


def text_of(page):
    return html.unescape(page.text.split("<main")[1])


async def claims_of(world, name, kind):
    [message] = await opened_messages(world.federation.nodes[name], kind)
    us = world.federation.nodes[name].capabilities
    opened = [us.opener.verify_record(r.sd_jwt, sender=message.sender, at=us.clock.now()) for r in message.records]
    return message, {record.record_type: dict(record.claims) for record in opened}


# -- the form ----------------------------------------------------------------------------------------------------------


def test_every_field_of_both_records_is_asked_or_named_as_not_asked():
    asked = {name for section in SECTIONS.values() for name in section.asks}
    known = {f"p.{name}" for name in FIELDS["missing-person"]} | {f"r.{name}" for name in FIELDS["reporter"]}
    assert asked | NOT_ASKED == known
    assert not asked & NOT_ASKED


async def test_an_adult_from_the_first_question_to_the_acknowledgement(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    tasks = text_of(await visitor.get(draft))
    assert tasks.count("no empezada") == 5
    early = await visitor.post(f"{draft}/revisar")
    assert early.status == 422
    assert "Falta terminar: La persona buscada." in text_of(early)
    for section, fields in WHOLE.items():
        await visitor.post(f"{draft}/parte/{section}", fields | {"borrador": "0", "paso": "listo"})
    assert "5 de 5 partes completas" in text_of(await visitor.get(draft))
    review = text_of(await visitor.get(f"{draft}/revisar"))
    for words in ("1999-03", "Español, Mam", "madre", "162", "De palabra, con testigo", "El relato espera"):
        assert words in review, words
    assert "PGN" not in review
    assert await table(world.node, "SELECT count(*) FROM outbox") == [(0,)]
    page = await visitor.post(f"{draft}/revisar")
    receipt = text_of(await visitor.get(page.location))
    assert "en espera de salir hacia el MBMID" in receipt
    await world.federation.settle()
    receipt = text_of(await visitor.get(page.location))
    assert "MBMID-2026-000001" in receipt
    assert "acuse del MBMID" in receipt
    message, claims = await claims_of(world, MBMID, "report.transfer")
    person, reporter = claims["missing-person"], claims["reporter"]
    assert (message.body.channel, message.body.language, message.body.minor) == ("phone", "mam", "no")
    assert person["birth_date"]["date"] == "1999-03"
    assert person["nationalities"] == ["gt"]
    assert "surname_2" not in person
    assert "narrative" not in person, "a story waits until somebody has read it"
    assert (reporter["name"], reporter["consents"]) == (["Ficticia Madre"], ["c1", "c2"])
    assert await opened_messages(world.federation.nodes[PGN], "duty.notice") == []


async def test_what_the_family_agreed_to_is_in_our_books_one_by_one(world):
    await sent(await clerk(world))
    rows = await table(world.node, "SELECT act, scopes, form, language, witness, imported FROM consent_events")
    [(act, scopes, form, language, witness, imported)] = rows
    assert (act, sorted(json.loads(scopes)), form, language, bool(imported)) == (
        "given",
        ["c1", "c2"],
        "oral-witnessed",
        "mam",
        False,
    )
    assert witness.startswith("a:")
    assert "Testigo" not in witness
    assert any("consent.given" in str(leaf.get("detail")) for leaf in await world.leaves())


async def test_a_child_is_told_to_the_pgn_in_the_same_transaction(world):
    visitor = await clerk(world)
    child = {"persona": WHOM | {"p.birth_date": "2012"}}
    draft = await filled(visitor, child)
    assert "Es menor de edad: la PGN lo sabe" in text_of(await visitor.get(f"{draft}/revisar"))
    receipt = (await visitor.post(f"{draft}/revisar")).location
    assert sorted(await table(world.node, "SELECT kind FROM outbox")) == [("duty.notice",), ("report.transfer",)]
    assert "aviso en camino" in text_of(await visitor.get(receipt))
    await world.federation.settle()
    [notice] = await opened_messages(world.federation.nodes[PGN], "duty.notice")
    assert notice.body.age_known
    assert "avisada, y lo recibió" in text_of(await visitor.get(receipt))
    [(case_ref,)] = await table(world.node, "SELECT case_ref FROM exchanges WHERE machine = 'duty'")
    await cancel(case_ref, world.node.capabilities, by=by(world.node.capabilities))
    assert "decirle que terminó va en camino" in text_of(await visitor.get(receipt))
    await world.federation.settle()
    assert "después se le dijo que terminó" in text_of(await visitor.get(receipt))


async def test_who_was_told_of_a_child_by_law_is_told_on_a_page_that_it_is_over(world):
    receipt = await sent(await clerk(world), {"persona": WHOM | {"p.birth_date": "", "p.age_range": "15"}})
    await world.federation.settle()
    officer = await clerk(world, "o.ficticia", f"officer@{OFFICE}")
    case = receipt.replace("/recibo/", "/e/")
    assert f'href="{case}/avisos-por-ley"' in (await officer.get(case)).text
    page = await officer.get(f"{case}/avisos-por-ley")
    assert "avisada, y lo recibió" in text_of(page)
    assert CANARY not in page.text.casefold()
    elsewhere = await clerk(world, "x.ficticia", "officer@otra")
    for ask in (elsewhere.get, elsewhere.post):
        assert (await ask(f"{case}/avisos-por-ley")).status == 404
    assert (await officer.post(f"{case}/avisos-por-ley")).location.endswith("?hecho=terminado")
    assert "decirle que terminó va en camino" in text_of(await officer.get(f"{case}/avisos-por-ley"))
    assert (await officer.post(f"{case}/avisos-por-ley")).location.endswith("?hecho=ya")
    await world.federation.settle()
    over = text_of(await officer.get(f"{case}/avisos-por-ley"))
    assert "después se le dijo que terminó" in over
    assert "Decirles que terminó" not in over
    assert len(await opened_messages(world.federation.nodes[PGN], "duty.cancel")) == 1
    adult = await sent(await clerk(world, "w.ficticia"))
    await world.federation.settle()
    assert "avisos-por-ley" not in (await officer.get(adult.replace("/recibo/", "/e/"))).text


@pytest.mark.parametrize(
    "changed",
    [{"persona": {"p.given_names": "Ficticio"}}, {"proteccion": {"menor": "si"}}],
    ids=["no age", "somebody thinks so"],
)
async def test_who_may_be_a_child_is_one_for_the_pgn(world, changed):
    await sent(await clerk(world), changed)
    await world.federation.settle()
    [notice] = await opened_messages(world.federation.nodes[PGN], "duty.notice")
    assert not notice.body.age_known


async def test_who_reports_is_in_no_question_to_others(world):
    await sent(await clerk(world))
    await world.federation.settle()
    mbmid = world.federation.nodes[MBMID].capabilities
    _, claims = await claims_of(world, MBMID, "report.transfer")
    from contracts.disclosure import SourceRecord
    from contracts.ids import Code, NodeId

    records = tuple(SourceRecord(name, values) for name, values in claims.items() if name == "missing-person")
    question = Question(
        NodeId(OTHER), (Code("sex"),), Code("locate-missing"), Code("gt:codigo-migracion:198-207"), "caso-1", records
    )
    await ask_search(question, mbmid, by=by(mbmid))
    await world.federation.settle()
    [asked] = await opened_messages(world.federation.nodes[OTHER], "search.request")
    assert isinstance(asked, SearchRequest)
    assert "Madre" not in asked.model_dump_json()
    assert "5555" not in asked.model_dump_json()
    assert await opened_messages(world.federation.nodes[OTHER], "report.transfer") == []


async def test_sending_twice_and_at_once_does_one_thing(world):
    visitor = await clerk(world)
    draft = await filled(visitor)
    pages = await asyncio.gather(*(visitor.post(f"{draft}/revisar") for _ in range(3)))
    again = await visitor.post(f"{draft}/revisar")
    assert {page.location for page in (*pages, again)} == {pages[0].location}
    assert pages[0].location.startswith("/recibo/")
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(1,)]
    assert await table(world.node, "SELECT count(*) FROM cases") == [(1,)]
    assert await table(world.node, "SELECT count(*) FROM consent_events") == [(1,)]


async def test_control_a_form_that_does_not_know_itself_is_sent_twice(world, monkeypatch):
    fresh = iter(range(100))
    monkeypatch.setattr(intake.IntakePages, "_key", lambda self, _draft: self._operations.row_digest(f"{next(fresh)}".encode()))

    async def keeps(told, *_, **__):
        return None

    monkeypatch.setattr("gateway.exchange.desk.write_down", keeps)
    assert told_at_desk.write_down is not keeps
    visitor = await clerk(world)
    draft = await filled(visitor)
    for _ in range(2):
        await visitor.post(f"{draft}/revisar")
    assert await table(world.node, "SELECT count(*) FROM outbox WHERE kind = 'report.transfer'") == [(2,)]


# -- kept, and whose ---------------------------------------------------------------------------------------------------


async def test_a_session_that_ends_in_the_middle_keeps_what_was_written(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    saved = await visitor.post(f"{draft}/parte/persona/borrador", WHOM | {"borrador": "0"})
    assert json.loads(saved.text)["version"] == 1
    world.clock.forward(minutes=25)
    assert (await visitor.post(f"{draft}/parte/viaje", JOURNEY | {"paso": "listo"})).status == 401
    token = (await sign_in("v.ficticia", PASSWORD, Knock("test", carrier=Carrier.COOKIE), _made_quick(world.desk))).token
    again = Visitor(world.base, session=token)
    assert draft in (await again.get("/reportes/nuevo")).text
    page = await again.get(f"{draft}/parte/persona")
    assert 'value="marzo de 1999"' in page.text
    assert "empezada" in text_of(await again.get(draft))


async def test_nobody_else_sees_what_is_not_sent(world):
    visitor = await clerk(world)
    draft = await filled(visitor)
    others = [await clerk(world, "otra.ficticia"), await clerk(world, "jefa.ficticia", f"office-head@{OFFICE}")]
    for other in others:
        for path in ("", "/parte/persona", "/revisar"):
            page = await other.get(draft + path)
            assert page.status == 404
            assert "Caal" not in page.text
        for path in ("/revisar", "/descartar"):
            assert (await other.post(draft + path)).status == 404
        assert (await other.post(f"{draft}/parte/persona", WHOM | {"paso": "esta-ventana"})).status == 404
        assert draft not in (await other.get("/reportes/nuevo")).text
    assert await table(world.node, "SELECT count(*) FROM outbox") == [(0,)]
    assert 'value="Caal"' in (await visitor.get(f"{draft}/parte/persona")).text


async def test_after_sending_a_clerk_sees_the_folio_and_the_state_and_no_more(world):
    visitor = await clerk(world)
    receipt = await sent(visitor)
    await world.federation.settle()
    for path in ("/reportes", receipt):
        page = text_of(await visitor.get(path))
        assert "MBMID-2026-000001" in page
        assert "acuse del MBMID" in page
        for said in ("Caal", "Ficticio", "Madre", "5555", "1999"):
            assert said not in page, (path, said)
    assert (await visitor.get(f"{receipt}/contenido")).status == 403
    assert {row[0] for row in await table(world.node, "SELECT sealed FROM form_drafts")} == {b""}
    elsewhere = await clerk(world, "lejos.ficticia", "desk-clerk@coban")
    assert (await elsewhere.get(receipt)).status == 404
    assert "MBMID-2026" not in (await elsewhere.get("/reportes")).text


async def test_who_may_read_cases_reads_it_and_the_log_says_so_first(world):
    receipt = await sent(await clerk(world))
    officer = await clerk(world, "o.ficticia", f"officer@{OFFICE}")
    page = text_of(await officer.get(f"{receipt}/contenido"))
    for said in ("Caal", "Ficticia Madre", "Chiantla"):
        assert said in page, said
    assert any("report.open" in str(leaf.get("detail")) for leaf in await world.leaves())
    far = await clerk(world, "lejos.ficticia", "officer@coban")
    assert (await far.get(f"{receipt}/contenido")).status == 404


async def test_a_receipt_says_nothing_of_anybody_and_its_square_holds_the_folio_alone(world, monkeypatch):
    made = []
    import segno

    real = segno.make
    monkeypatch.setattr(segno, "make", lambda text, **how: (made.append(text), real(text, **how))[1])
    visitor = await clerk(world)
    receipt = await sent(visitor)
    first = await visitor.get(receipt)
    await world.federation.settle()
    page = await visitor.get(receipt)
    for paper in (text_of(first), text_of(page)):
        assert [word for word in ("Caal", "Ejemplo", "Madre", "5555", "Chiantla", "Chiapas", "a pie") if word in paper] == []
    assert ("MBMID-2026-000001" in text_of(first), "MBMID-2026-000001" in text_of(page)) == (False, True)
    assert re.fullmatch(r"P-[0-9A-F]{4}-[0-9A-F]{4}", made[0])
    assert made[1] == "MBMID-2026-000001"
    assert "<svg" in page.text
    assert " style=" not in page.text


# -- what is typed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "fields", "told"),
    [
        ("quien-pide", {"canal": "phone"}, "Escriba un nombre o un teléfono"),
        ("quien-pide", WHO | {"canal": "paloma"}, "Diga cómo llegó"),
        ("quien-pide", WHO | {"r.language": "marciano"}, "Idioma: no se entiende."),
        ("persona", {}, "Escriba un nombre, un apellido o un apodo."),
        ("persona", WHOM | {"p.birth_date": "cuando llovía"}, "Fecha de nacimiento: no se entiende."),
        ("persona", WHOM | {"p.birth_date": "2090"}, "Fecha de nacimiento: no se entiende."),
        ("persona", WHOM | {"p.nationalities": "hondureña"}, "Nacionalidades declaradas: no se entiende."),
        ("persona", WHOM | {"p.height_cm": "9" * 400}, "Estatura (cm): no se entiende."),
        ("persona", WHOM | {"p.surname_1": "a" * 61}, "Primer apellido: no se entiende."),
        ("viaje", {"p.narrative": "a" * 5000}, "Narración: no se entiende."),
        ("consentimientos", {"c-c1": "si"}, "Diga cómo dio los consentimientos."),
        ("consentimientos", CONSENTS | {"testigo": ""}, "hace falta un testigo"),
        ("consentimientos", CONSENTS | {"lengua": "xx"}, "Diga en qué idioma se leyeron."),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_said_beside_its_field_and_kept_as_typed(world, section, fields, told):
    visitor = await clerk(world)
    draft = await begun(visitor)
    page = await visitor.post(f"{draft}/parte/{section}", fields | {"borrador": "0", "paso": "listo"})
    assert page.status == 422
    assert told in text_of(page)
    assert re.search(r'class="wrong".*?href="#[pr]?\.?\w+"', page.text, re.DOTALL)
    assert "empezada" in text_of(await visitor.get(draft)) or not fields
    assert (await visitor.post(f"{draft}/revisar")).status == 422
    assert await table(world.node, "SELECT count(*) FROM outbox") == [(0,)]


async def test_a_script_in_every_field_is_text_everywhere(world):
    planted = "<script>alert(1)</script>"
    visitor, evil = await clerk(world), {}
    for section in SECTIONS.values():
        evil[section.id] = dict.fromkeys(section.asks, planted) | WHOLE[section.id]
    evil["consentimientos"] = CONSENTS | {"testigo": planted}
    evil["persona"] |= {"p.given_names": planted, "p.surname_1": planted, "p.aliases": planted, "p.features": planted}
    evil["viaje"] |= {"p.narrative": planted, "p.companions": planted}
    draft = await filled(visitor, evil, finished=False)
    for section in SECTIONS:
        page = await visitor.get(f"{draft}/parte/{section}")
        assert planted not in page.text
        assert html.escape(planted) in page.text or section == "proteccion", section
    assert planted not in (await visitor.get(f"{draft}/revisar")).text
    broken = await visitor.post(f"{draft}/parte/persona", {"p.birth_date": planted, "borrador": "9", "paso": "listo"})
    assert planted not in broken.text
    sendable = {"persona": WHOM | {"p.given_names": planted, "p.features": planted}, "quien-pide": WHO | {"r.name": planted}}
    receipt = await sent(visitor, sendable)
    officer = await clerk(world, "o.ficticia", f"officer@{OFFICE}")
    page = await officer.get(f"{receipt}/contenido")
    assert planted not in page.text
    assert html.escape(planted) in page.text


async def test_what_is_no_form_of_ours_changes_nothing(world):
    visitor = await clerk(world)
    draft = await begun(visitor)
    assert (await visitor.post(f"{draft}/parte/persona", WHOM, token="otra")).status == 419
    assert (await visitor.post(f"{draft}/parte/nada", WHOM)).status == 404
    assert (await visitor.get("/reportes/nada")).status == 404
    assert (await visitor.get("/recibo/nada")).status == 404
    assert (await visitor.post("/reportes/nuevo", {"vez": ""})).location == "/reportes/nuevo"
    assert (await visitor.post(f"{draft}/parte/persona", {"p.given_names": "a\0b"})).status == 422
    assert "no empezada" in text_of(await visitor.get(draft))
    many = await visitor.post(f"{draft}/parte/viaje", {"p.narrative": "a" * 70_000, "borrador": "0"})
    assert many.status == 422
    assert "Acorte" in text_of(many)


async def test_discarding_forgets_it(world):
    visitor = await clerk(world)
    draft = await filled(visitor)
    assert "Se descartó" in text_of(await visitor.get((await visitor.post(f"{draft}/descartar")).location))
    assert (await visitor.get(draft)).status == 404
    assert (await visitor.post(f"{draft}/revisar")).status == 404
    assert await table(world.node, "SELECT count(*) FROM outbox") == [(0,)]


# -- protection --------------------------------------------------------------------------------------------------------


async def test_whom_it_must_never_reach_is_barred_here_and_at_the_mbmid(world):
    changed = {
        "persona": WHOM | {"p.nationalities": "Honduras"},
        "proteccion": {"p.protection_need": "yes", "nunca": OTHER},
    }
    await sent(await clerk(world), changed)
    await world.federation.settle()
    assert {row[0] for row in await table(world.node, "SELECT target FROM never_to")} == {
        OTHER,
        "foreign-consulate",
        "country:hn",
    }
    theirs = await table(world.federation.nodes[MBMID], "SELECT target FROM never_to")
    assert {row[0] for row in theirs} == {"foreign-consulate", "country:hn"}


# -- at the MBMID itself -----------------------------------------------------------------------------------------------


async def test_at_the_mbmid_itself_a_report_is_a_case_at_once_and_a_child_is_told(tmp_path, monkeypatch):
    async with opened(tmp_path, monkeypatch, MBMID) as world:
        visitor = await clerk(world)
        changed = {"persona": WHOM | {"p.birth_date": "2012"}, "proteccion": {"p.protection_need": "yes"}}
        draft = await filled(visitor, changed)
        pages = await asyncio.gather(*(visitor.post(f"{draft}/revisar") for _ in range(2)))
        assert len({page.location for page in pages}) == 1
        receipt = text_of(await visitor.get(pages[0].location))
        assert "MBMID-2026-000001" in receipt
        assert "recibido por el MBMID" in receipt
        assert "Caal" not in receipt
        assert await table(world.node, "SELECT kind, state, folio FROM cases WHERE kind = 'report'") == [
            ("report", "received", "MBMID-2026-000001")
        ]
        await world.federation.settle()
        [notice] = await opened_messages(world.federation.nodes[PGN], "duty.notice")
        assert notice.sender == MBMID
        assert "avisada, y lo recibió" in text_of(await visitor.get(pages[0].location))
        assert {row[0] for row in await table(world.node, "SELECT target FROM never_to")} == {"foreign-consulate"}
        assert await table(world.node, "SELECT count(*) FROM consent_events") == [(1,)]
        officer = await clerk(world, "o.ficticia", f"officer@{OFFICE}")
        assert "Ficticia Madre" in text_of(await officer.get(f"{pages[0].location}/contenido"))
        assert (await visitor.get(f"{pages[0].location}/contenido")).status == 403
        case = pages[0].location.replace("/recibo/", "/e/")
        assert "MBMID-2026-000001" in text_of(await officer.get(case))
        person = text_of(await officer.get(f"{case}/persona"))
        assert "Caal" in person
        assert "Ficticia Madre" not in person


async def test_a_report_taken_at_the_mbmid_goes_when_its_time_is_over(tmp_path, monkeypatch):
    async with opened(tmp_path, monkeypatch, MBMID) as world:
        receipt = await sent(await clerk(world))
        node = world.node.capabilities
        await erase_turn(node, world.node.operations.scrub)
        assert (await plan(node)).outlived == [], "control: not before"
        monkeypatch.setattr(taking, "kept_for", lambda _node: timedelta())
        world.clock.forward(minutes=1)
        assert len((await plan(node)).outlived) == 1
        await erase_turn(node, world.node.operations.scrub)
        assert len((await plan(node)).waiting) == 1
        world.clock.forward(hours=25)
        await world.federation.settle()
        await erase_turn(node, world.node.operations.scrub)
        assert await table(world.node, "SELECT sealed FROM taken_reports") == [(b"",)]
        assert (await plan(node)).outlived == []
        officer = await clerk(world, "o.ficticia", f"officer@{OFFICE}")
        assert "borrado" in text_of(await officer.get(receipt))
        assert (await officer.get(f"{receipt}/contenido")).status == 404


@pytest.mark.parametrize("plain", [False, True], ids=["sealed", "control: stored plain"])
@pytest.mark.parametrize("name", [NODE, MBMID])
async def test_a_report_stands_in_no_file_in_clear(tmp_path, monkeypatch, name, plain):
    if plain:
        for step in ("keep_draft", "kept_draft"):
            monkeypatch.setattr(Vault, step, lambda _self, _wrapped, _thread, _draft, data: data)
    async with opened(tmp_path, monkeypatch, name) as world:
        visitor = await clerk(world)
        draft = await filled(visitor, {"persona": WHOM | {"p.given_names": CANARY}})
        assert await traces(world.node) is plain
        if not plain:
            await visitor.post(f"{draft}/revisar")
            assert await traces(world.node) is False


async def test_the_way_in_leads_a_clerk_to_the_reports(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch) as world:
        visitor = await clerk(world)
        assert (await visitor.get("/")).location == "/reportes"
        page = await visitor.get("/reportes")
        assert 'href="/reportes" aria-current="page"' in page.text
        assert 'href="/bandeja"' not in page.text
