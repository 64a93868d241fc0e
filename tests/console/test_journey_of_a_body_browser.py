"""From a body at a county to a mother in Guatemala (E1), lived in Debian's Chromium, with scripts and without."""

import pytest

from tests.console.browser import needs_browser
from tests.console.journey import (
    MOTHER,
    answered_at_its_hour,
    approves,
    everything,
    lived,
    reviews,
    takes_report,
    takes_up,
)  # fmt: skip
from tests.gateway.story import sent

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]

both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
MBMID, DESK, MINEX, RENAP = "gt.igm.mbmid", "gt.conamigua", "gt.minex", "gt.renap"
COUNTY = "us.tx.kenedy"
HIM = {
    "p.given_names": "Ficticio Zanatuk", "p.surname_1": "Caalhijo", "p.birth_date": "1/5/2000", "p.sex": "male",
    "p.residence": "Chiantla, Huehuetenango", "p.phones": "5555 0477",
}  # fmt: skip
HIS_WAY = {
    "p.last_contact_date": "15 de septiembre de 2026", "p.intended_destination": "Zanatukdestino, con su hermano Zanatukhermano",
    "p.companions": "Zanatukprimo",
}  # fmt: skip
HIS_MOTHER = MOTHER | {"r.name": "Ficticia Zanatukmadre", "r.phones": "5555 0400"}
FOUND = {
    "v-sex": "male", "v-age_range": "22 a 30", "v-height_cm": "160 a 166", "v-possible_names": "Zanatukdocumento",
    "autoridad": "us.tx.kenedy.jp-2", "pais": "US", "recibido": "2026-11-20T10:00", "expediente": "hallazgo-7",
    "referencia": "ML-26-118",
}  # fmt: skip
OF_A_DEATH = ("restos", "fallec", "muert", "cadáver", "cuerpo")


async def answers(officer, address, record, held, leaves):
    """Answer a question with what is held; `leaves`: the fields that are let out, as exactly as the policy lets them."""
    await officer.goes(f"{address}/responder/{record}?seguir=si")
    await officer.fills(held)
    for name in leaves:
        await officer.page.locator(f'[id="s-{name}"]').select_option(index=1)
    await reviews(officer)


async def to_sign(officer, second, story):
    """Sign what was checked; where another person has to agree, they do."""
    await officer.presses("Firmar y enviar")
    if "Todavía no sale" in await officer.main() and "Hace falta" in await officer.main():
        await approves(second)
    await answered_at_its_hour(story)


@both_ways
async def test_from_a_body_at_a_county_to_a_mother(tmp_path, monkeypatch, scripts):
    async with lived(tmp_path, monkeypatch, scripts, MBMID, DESK, MINEX, RENAP, COUNTY) as story:
        clerk = await story.enters("desk-clerk@huehuetenango", at=DESK)
        await takes_report(clerk, HIS_MOTHER, HIM, HIS_WAY, ("c1", "c2", "c5", "c12"))
        await story.settle()

        # -- the consulate tells of a body: descriptors, once two agree
        consul, other = [await story.enters("officer@mcallen", at=MINEX) for _ in range(2)]
        await consul.goes("/hallazgos/nuevo/unidentified-remains")
        await consul.sees("Antes de seguir")
        await consul.goes("/hallazgos/nuevo/unidentified-remains?seguir=si")
        await consul.fills(FOUND)
        await consul.presses("Revisar antes de enviar")
        await consul.sees("segunda aprobación")
        await consul.presses("Firmar y enviar")
        assert await sent(story.federation.nodes[MINEX]) == []
        await approves(other)
        await story.settle()

        # -- the MBMID: no word of a death in a list; read after one was asked; the consulate learns a folio and no count
        officer, second = [await story.enters("officer@igm", at=MBMID) for _ in range(2)]
        for path in ("/bandeja", "/bandeja?ver=todo", "/expedientes"):
            await officer.goes(path)
            listed = (await officer.main()).casefold()
            assert [word for word in OF_A_DEATH if word in listed] == [], path
        finding = await takes_up(officer, "/h/")
        await officer.sees("Antes de leer")
        assert "zanatukdocumento" not in story.read_at(MBMID)
        await officer.follows("Leerlo")
        await officer.sees("Zanatukdocumento", "ML-26-118", "quien avisó no sabe si una familia busca")
        await consul.goes(finding)
        await consul.sees("nunca cuántas familias")
        assert "mbmid-2026" not in story.read_at(MINEX)
        # it asks for the mark, and gets the mark
        await officer.page.get_by_text("Pedir más datos a quien avisó").click()
        await officer.ticks("campo", "marks")
        await officer.presses("Firmar y pedir estos datos")
        await story.settle()
        asked = await takes_up(consul, "/s/")
        mark = {"v-marks": "tatuaje: antebrazo izquierdo", "r-possible": True, "expediente": "hallazgo-7"}
        await answers(consul, asked, "unidentified-remains", mark, ("marks",))
        await to_sign(consul, other, story)
        await officer.goes(asked)
        await officer.sees("antebrazo")

        # -- the civil registry: yes or no, and not a word more
        case = f"/e/{(await story.call(officer, MBMID, 'GET', 'cases'))['cases'][-1]['thread_id']}"
        await officer.goes(case)
        await officer.sees("MBMID-2026-000001")
        await officer.follows("Comprobar una identidad")
        await officer.ticks("duda", "data-matches")
        await officer.fills({"fin": "identify-remains", "base": "gt:codigo-migracion:198-207"})
        await officer.ticks("sale", "given_names", "surname_1", "birth_date")
        await officer.presses("Revisar antes de enviar")
        await officer.presses("Firmar y enviar")
        await story.settle()
        registrar = await story.enters("officer@renap", at=RENAP)
        check = await takes_up(registrar, "/i/")
        await registrar.sees("Caalhijo", "Se responde sí o no, y nada más sale de aquí")
        await registrar.ticks("respuesta", "yes")
        await registrar.presses("Firmar y responder")
        await story.settle()
        await officer.goes(check.replace("/i/", "/s/"))
        await officer.sees("sí")
        # -- never: a name on a document taken for who he is. It moved no case, and was told to nobody
        await officer.goes(case)
        await officer.sees("Estado abierto")
        for name in (RENAP, DESK):
            assert "zanatukdocumento" not in story.read_at(name), name

        # -- the journey home: the desk learns what it needs, once it accepted
        await officer.goes(case.replace("/e/", "/r/nueva/"))
        await officer.fills(
            {"menor": "no", "servicio": "transport", "urgencia": "normal", "fin": "repatriate", "base": "consent"}
        )
        await officer.ticks("para", DESK)
        await officer.presses("Revisar antes de enviar")
        await officer.presses("Firmar y enviar")
        await story.settle()
        helper = await story.enters("officer@huehuetenango", at=DESK)
        journey = await takes_up(helper, "/r/")
        assert "caalhijo" not in everything([helper.read])
        await helper.presses("Firmar y aceptar")
        await story.settle()
        await officer.goes(f"{journey}/datos")
        # the page lets out how old he is; his name no box offers
        may = [await box.get_attribute("value") for box in await officer.page.locator('main input[name="sale"]').all()]
        assert "age_range" in may
        assert not {"given_names", "surname_1", "phones"} & set(may)
        await officer.fills({"v-age_range": "26"})
        await officer.ticks("sale", "age_range")
        await officer.presses("Revisar antes de enviar")
        await to_sign(officer, second, story)
        await helper.goes(journey)
        await helper.follows("leer los datos de la persona")
        await helper.sees("26")

        # -- the county asks for everything: where he was going, with whom and his telephone no page lets out
        sheriff = await story.enters("officer@kenedy", at=COUNTY)
        want = ["given_names", "surname_1", "birth_date", "intended_destination", "companions", "phones", "residence"]
        body = {
            "to": MBMID, "want": want, "purpose": "identify-remains", "basis": "us:tx:john-joseph", "case_ref": "ML-26-118",
            "urgency": "normal",
        }  # fmt: skip
        await story.call(sheriff, COUNTY, "POST", "requests", body)
        await story.settle()
        asked = await takes_up(officer, "/s/")
        await officer.goes(f"{asked}/responder/missing-person")
        for name in ("intended_destination", "companions", "phones"):
            assert await officer.page.locator(f"#s-{name}").is_disabled(), name
