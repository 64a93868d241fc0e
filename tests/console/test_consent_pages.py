"""What relatives decide, by pages: written down once, and a withdrawal that says first who will be told and then who owes a word."""

import re
from dataclasses import replace

from contracts.consents import ConsentEvent, ConsentForm, RelativeId, Scope
from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import ConsentAct
from gateway.exchange import consenting
from gateway.exchange.searching import Question, ask_search
from gateway.exchange.told_at_desk import Told
from tests.console.test_cases import CANARY, a_case, cases_world, officer, text_of
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_leaving import ADULT, by

world = cases_world

GRANT = [
    ("familiar", "Madre Ficticia"),
    ("ambito", "c3"),
    ("ambito", "c4"),
    ("ambito", "c12"),
    ("como", "written"),
    ("idioma", "mam"),
]
CHANGE = [("ambito", "c3"), ("como", "written"), ("idioma", "mam")]


def key_of(page):
    return re.search(r'name="vez" value="([^"]+)"', page.text)[1]


async def granted(visitor, path, *fields):
    page = await visitor.get(f"{path}/consentimientos")
    return await visitor.post(f"{path}/consentimientos", [*(fields or GRANT), ("vez", key_of(page))])


async def asked_of_cnb(world, path):
    """A question that rests on C3 and that MX.CNB has."""
    node = world.node.capabilities
    question = Question(
        to=NodeId("mx.cnb"), want=(Code("sex"),), purpose=Code("locate-missing"), basis=Code("consent"),
        case_ref=path[3:], records=(SourceRecord(RecordType.MISSING_PERSON, ADULT),),
    )  # fmt: skip
    await ask_search(question, node, by=by(node))
    await world.federation.settle()


async def events(world):
    return await table(world.node, "SELECT act, scopes, language FROM consent_events ORDER BY recorded_ms")


async def test_a_consent_is_written_down_once_and_names_nobody(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    page = await visitor.get(f"{path}/consentimientos")
    assert "Lo que no necesita permiso" in text_of(page)
    filled = [*GRANT, ("vez", key_of(page))]
    for expected in ("autorizado", "ya"):
        sent = await visitor.post(f"{path}/consentimientos", filled)
        assert sent.location == f"{path}/consentimientos?hecho={expected}"
    assert await events(world) == [("given", '["c12", "c3", "c4"]', "mam")]
    shown = await visitor.get(sent.location)
    assert "México, vía restringida · Por escrito, Mam" in text_of(shown)
    assert "Madre Ficticia" not in shown.text
    assert "1 familiar autorizó" in text_of(await visitor.get(path))


BAD = (
    ("familiar", (), "familiar"), ("familiar", (("familiar", "x" * 201),), "familiar"), ("ambito", (), "ambito"),
    ("ambito", (("ambito", "c99"),), "ambito"), ("como", (("como", "inherited-without-proof"),), "como"),
    ("como", (("como", "fingerprint"),), "testigo"), ("idioma", (("idioma", "tlh"),), "idioma"),
    ("", (("hasta", "2001-01-01"),), "hasta"), ("", (("hasta", "9999-12-31"),), "hasta"), ("", (("hasta", "mañana"),), "hasta"),
)  # fmt: skip


async def test_what_is_missing_is_told_and_nothing_is_written(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    for without, changed, anchor in BAD:
        page = await granted(visitor, path, *(pair for pair in GRANT if pair[0] != without), *changed)
        assert page.status == 422, (without, changed)
        assert f'href="#{anchor}"' in page.text, (without, changed)
        assert f'id="{anchor}"' in page.text
    assert await events(world) == []


async def test_a_withdrawal_says_who_will_be_told_and_then_who_owes_a_word(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    await granted(visitor, path)
    await asked_of_cnb(world, path)
    read = text_of(await visitor.get(f"{path}/quien-tiene"))
    assert "MX.CNB" in read.upper()
    assert CANARY not in read
    listed = await visitor.get(f"{path}/consentimientos")
    target = re.search(r'href="([^"]+/retirar)"', listed.text)[1]
    assert (await visitor.get(target)).status == 200
    assert (await visitor.post(target, [("como", "written"), ("idioma", "mam")])).status == 422
    confirm = await visitor.post(target, CHANGE)
    assert confirm.status == 200
    assert "1 copia" in text_of(confirm)
    assert [act for act, _, _ in await events(world)] == ["given"]  # nothing yet
    final = [*CHANGE, ("vez", key_of(confirm)), ("paso", "firmar")]
    assert (await visitor.post(target, final)).location == f"{path}/consentimientos?hecho=retirado"
    again = await visitor.post(target, final)
    assert again.location == f"{path}/consentimientos?hecho=ya"
    assert [act for act, _, _ in await events(world)] == ["given", "withdrawn"]
    after = text_of(await visitor.get(f"{path}/consentimientos"))
    assert "falta su constancia de borrado" in after or "falta poder avisarle" in after
    assert "Acompañamiento" in after
    assert "por borrar o por saber" in text_of(await visitor.get(path))


async def test_narrowing_wants_to_be_told_to_what(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    await granted(visitor, path)
    listed = await visitor.get(f"{path}/consentimientos")
    target = re.search(r'href="([^"]+/reducir)"', listed.text)[1]
    assert 'href="#para"' in (await visitor.post(target, CHANGE)).text
    confirm = await visitor.post(target, [*CHANGE, ("para", "mx.cnb")])
    assert "A nadie" in text_of(confirm)
    sent = await visitor.post(target, [*CHANGE, ("para", "mx.cnb"), ("vez", key_of(confirm)), ("paso", "firmar")])
    assert sent.location.endswith("hecho=reducido")
    assert "sólo a" in text_of(await visitor.get(sent.location))


async def test_a_confirmation_that_tells_nobody_would_be_seen(world, monkeypatch):
    """The control of the test above: were the copies not looked up, the page would say that nobody is told."""
    path, _ = await a_case(world)
    visitor = await officer(world)
    await granted(visitor, path)
    await asked_of_cnb(world, path)
    monkeypatch.setattr(consenting, "_falls", lambda *_args: False)
    target = re.search(r'href="([^"]+/retirar)"', (await visitor.get(f"{path}/consentimientos")).text)[1]
    assert "A nadie" in text_of(await visitor.post(target, CHANGE))


async def test_a_decision_of_another_case_or_none_is_not_there(world):
    path, _ = await a_case(world)
    visitor = await officer(world)
    for odd in ("01990000-0000-7000-8000-000000000004", "nada", "x" * 200):
        assert (await visitor.get(f"{path}/consentimientos/{odd}/retirar")).status == 404
        assert (await visitor.post(f"{path}/consentimientos/{odd}/retirar", CHANGE)).status == 404


async def reported_with_consents(world):
    """A report whose family agreed to something at the desk of another institution; the path of its page, and that desk's books."""
    desk = world.federation.nodes["gt.conamigua"].capabilities
    taken = row()
    person, reporter = taken.records
    details = [
        {"scope": scope, "act": "given", "from": "2026-11-25", "form": "oral-witnessed", "language": "mam"}
        for scope in ("c3", "c4")
    ]
    told = SourceRecord(reporter.type, {**reporter.values, "consents": ["c3", "c4"], "consent_details": details})
    given = consenting.Decision(
        relative=RelativeId("r:hija-alla"),
        act=ConsentAct.GIVEN,
        scopes=frozenset({Scope.MEXICO_RESTRICTED, Scope.MEXICO_REGISTER}),
        form=ConsentForm.WRITTEN,
        language="mam",
    )
    event = ConsentEvent(
        id=desk.new_message_id(desk.clock.now()),
        relative=given.relative,
        act=given.act,
        scopes=given.scopes,
        effective_at=int(desk.clock.now().timestamp()),
        form=given.form,
        language=given.language,
    )
    await send(world.federation, replace(taken, records=(person, told), told=Told((event,))))
    actor = desk.pseudonyms.actor("clerk")
    await world.federation.settle()
    newest = "SELECT thread_id FROM cases WHERE kind = 'report' ORDER BY opened_ms DESC, folio DESC LIMIT 1"
    [(thread,)] = await table(world.node, newest)

    async def taken_back():
        act = replace(given, act=ConsentAct.WITHDRAWN, scopes=frozenset({Scope.MEXICO_REGISTER}))
        await consenting.decide(taken.key.hex(), act, desk, actor=actor)
        await world.federation.settle()

    return f"/e/{thread}", taken_back


def form_of(page):
    """What the page's form sends if somebody presses its button as it stands."""
    names = ("familiar", "vez", "testigo")
    values = [(name, re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]) for name in names]
    picked = re.findall(r'name="ambito" value="([^"]+)" checked', page.text)
    chosen = [(name, re.search(rf'id="{name}".*?value="([^"]+)" selected', page.text)[1]) for name in ("como", "idioma")]
    return [*values, *(("ambito", scope) for scope in picked), *chosen]


async def test_what_the_family_said_where_it_reported_is_one_press_away_and_counts_only_then(world):
    path, _ = await reported_with_consents(world)
    visitor = await officer(world)
    assert "aquí nadie ha anotado todavía" in text_of(await visitor.get(path))
    page = await visitor.get(f"{path}/consentimientos")
    read = text_of(page)
    assert "Lo que dijo quien reportó, en" in read
    assert "México, vía restringida" in read.split("Autorizó:")[1].split("Nada sale")[0]
    assert "Ninguno." in read
    filled = await visitor.get(re.search(r'href="([^"#]+[?]de=reporte)', page.text)[1])
    sent = await visitor.post(f"{path}/consentimientos", form_of(filled))
    assert sent.location == f"{path}/consentimientos?hecho=autorizado"
    assert await events(world) == [("given", '["c3", "c4"]', "mam")]
    after = text_of(await visitor.get(f"{path}/consentimientos"))
    assert "Familiar A" in after
    assert "aquí nadie ha anotado todavía" not in text_of(await visitor.get(path))
    assert "de=reporte" not in (await visitor.get(f"{path}/consentimientos")).text


async def test_what_the_family_took_back_there_is_told_and_an_old_form_brings_nothing_back(world):
    path, taken_back = await reported_with_consents(world)
    visitor = await officer(world)
    old = await visitor.get(f"{path}/consentimientos?de=reporte")
    await taken_back()
    sent = await visitor.post(f"{path}/consentimientos", form_of(old))
    assert sent.location == f"{path}/consentimientos?hecho=retirado-alla"
    assert [act for act, _, _ in await events(world)] == ["withdrawn"]
    read = text_of(await visitor.get(sent.location))
    assert "No se anotó" in read
    assert "Retiró o redujo: México, registro y alerta" in read
    assert "Autorizó: México, vía restringida." in read
    assert "Quien reportó retiró, donde se tomó el reporte" in text_of(await visitor.get(path))
    visitor.language = "en"
    assert "Withdrew or narrowed" in text_of(await visitor.get(f"{path}/consentimientos"))


async def test_where_another_relative_still_agrees_it_says_so(world):
    path, taken_back = await reported_with_consents(world)
    visitor = await officer(world)
    await granted(visitor, path)
    await taken_back()
    read = text_of(await visitor.get(f"{path}/consentimientos"))
    assert "Otro familiar sigue autorizando aquí: México, registro y alerta" in read
