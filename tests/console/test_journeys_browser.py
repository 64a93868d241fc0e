"""Two cases as the officers of both sides live them in Debian's Chromium, with scripts and without: every page they read is kept."""

from datetime import timedelta

import pytest

from gateway.exchange.deadlines import deadline_turn
from tests.console.browser import needs_browser
from tests.console.journey import (
    MOTHER,
    answered_at_its_hour,
    approves,
    asks,
    everything,
    lived,
    newest_case,
    opens,
    reviews,
    takes_report,
    takes_up,
    words_of,
)  # fmt: skip
from tests.gateway.story import sent

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]

both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
MBMID, DESK, PNC, MSPAS = "gt.igm.mbmid", "gt.conamigua", "gt.pnc", "gt.mspas"


async def always(_office):
    return None


# -- E2: an ordinary report at a desk, and its immediate transfer ------------------------------------------------------------

SON = {
    "p.given_names": "Ficticio Zanatuk", "p.surname_1": "Caalzanatuk", "p.age_range": "27", "p.sex": "male", "p.mother_tongue": "Chuj",
}  # fmt: skip
REYNOSA = {
    "p.last_contact_date": "15 de octubre de 2026", "p.last_contact_place": "Reynosa, México",
    "p.intended_destination": "Nashvillezanatuk",
}  # fmt: skip
FATHER = MOTHER | {
    "r.name": "Ficticio Padrezanatuk",
    "r.relationship": "father",
    "r.phones": "5555 0200",
    "r.address": "Otrazanatuk",
}
OF_THE_FAMILY = (
    "madrezanatuk",
    "padrezanatuk",
    "55550100",
    "55550200",
    "5555 0100",
    "zanatukaldea",
    "otrazanatuk",
    "nashvillezanatuk",
)


@both_ways
async def test_a_report_at_a_desk_its_transfer_and_a_father_who_reports_him_too(tmp_path, monkeypatch, scripts):
    async with lived(tmp_path, monkeypatch, scripts, MBMID, DESK, PNC, MSPAS) as story:
        network, clock = story.federation.network, story.federation.clock
        # -- the mother, at the desk; the link is down for nine hours
        clerk = await story.enters("desk-clerk@huehuetenango", at=DESK)
        network.down.add(MBMID)
        draft, receipt = await takes_report(clerk, MOTHER, SON, REYNOSA, ("c1", "c2"))
        await clerk.sees("Transferido al MBMID: todavía no", "en espera")
        assert await clerk.page.locator(".qr svg").count() == 1
        head = await story.enters("office-head@huehuetenango", at=DESK)
        for hours, words in ((1, ()), (4, ("Vencidas", "En espera de enlace"))):
            clock.forward(hours=hours)
            await story.federation.turn()
            await deadline_turn(story.federation.nodes[DESK].capabilities, always)
            await head.goes("/bandeja")
            await head.sees(*words)
        clock.forward(hours=4)
        network.down.clear()
        await story.settle()
        officer = await story.enters("officer@igm", at=MBMID)
        first = await newest_case(officer)
        await officer.sees("MBMID-2026-000001", "Tardó en llegar porque no había enlace")

        # -- never: the clerk reads it again. The folio and the state, and of all that was typed not a word
        clerk.read.clear()
        await clerk.goes(receipt)
        await clerk.sees("MBMID-2026-000001", "Acuse del MBMID: sí")
        await clerk.goes("/reportes")
        await clerk.follows("MBMID-2026-000001")
        await clerk.goes("/reportes/nuevo")
        for path in (draft, f"{draft}/parte/persona", f"{draft}/revisar"):
            await clerk.goes(path, status=404)
        for path in (f"{receipt}/contenido", "/expedientes", "/bandeja", receipt.replace("/recibo/", "/e/")):
            await clerk.goes(path, status=403)
        for _ in range(12):
            await clerk.page.go_back()
            await clerk.page.reload()
            clerk.read.append(await clerk.page.content())
        assert "zanatuk" not in everything([clerk.read])

        # -- two days later the father, who may not speak to her, reports him to the police
        clock.forward(days=2)
        await story.federation.publish()
        police = await story.enters("desk-clerk@cuilco", at=PNC)
        await takes_report(police, FATHER, SON, REYNOSA, ("c1",))
        await story.settle()
        second = await newest_case(officer)
        await officer.sees("MBMID-2026-000002")
        await officer.follows("Es la misma persona de otro expediente")
        await officer.fills({"folio": "MBMID-2026-000001"})
        await officer.presses("Es la misma persona")
        await officer.sees("se la busca en el otro expediente")
        await officer.goes(second)
        await officer.follows("Ir a ese expediente")
        assert officer.page.url.endswith(first)
        # both reporters are kept apart
        for path, own, other in ((first, "madrezanatuk", "padrezanatuk"), (second, "padrezanatuk", "madrezanatuk")):
            await officer.goes(f"{path}/quien-pide")
            text = (await officer.main()).casefold()
            assert own in text
            assert "chuj" in text
            assert other not in text

        # -- never: two folios chased as two people. A hospital is asked once, with questions and not with the file
        for path, asked in ((first, True), (second, False)):
            await asks(officer, path)
            if not asked:
                await officer.sees("Ver la que está pendiente")
                continue
            await officer.presses("Firmar y enviar")
            assert officer.page.url.endswith("/hecho"), await officer.main()
        await story.settle()
        nurse = await story.enters("officer@central", at=MSPAS)
        await nurse.goes("/bandeja")
        rows = nurse.page.locator("main th[scope=row] a")
        assert await rows.count() == 1
        await opens(nurse, rows.first)
        await nurse.sees("27")
        await nurse.follows("Responder")
        await nurse.follows("No tenemos información")
        await nurse.fills({"f1": True})
        await nurse.presses("Firmar y enviar «sin información»")
        read = story.read_at(MSPAS)
        assert [word for word in OF_THE_FAMILY if word in read] == []
        assert [word for word in ("zanatuk", "reynosa") if word in read] == []  # of a surname, its first letter


# -- E3: a girl travelling alone ---------------------------------------------------------------------------------------------

PGN, MINEX, COUNTY = "gt.pgn", "gt.minex", "us.tx.kenedy"
GIRL = {
    "p.given_names": "Ficticia Zanatuk", "p.surname_1": "Tzoczanatuk", "p.age_range": "15", "p.sex": "female",
    "p.residence": "Sololá", "p.mother_tongue": "Kaqchikel",
}  # fmt: skip
HER_WAY = {
    "p.last_contact_date": "20 de noviembre de 2026", "p.last_contact_place": "San Marcos",
    "p.intended_destination": "Tío Zanatuktio en Houston", "p.smuggler": "Zanatukcoyote",
}  # fmt: skip
AUNT = {
    "canal-1": True, "r.name": "Ficticia Tiazanatuk", "r.relationship": "aunt-uncle", "r.phones": "5555 0300", "r.language": "cak",
    "r.safe_hours": "sólo de mañana", "r.address": "Aldea Zanatukaldea",
}  # fmt: skip
HOUSEHOLD = ("zanatuktio", "houston", "zanatukcoyote", "tiazanatuk", "5555 0300", "55550300", "zanatukaldea")
SHELTER = "zanatukalbergue"


@both_ways
async def test_a_girl_alone_is_told_of_at_once_and_where_she_is_two_institutions_know(tmp_path, monkeypatch, scripts):
    async with lived(tmp_path, monkeypatch, scripts, MBMID, PNC, PGN, MINEX, COUNTY) as story:
        clock = story.federation.clock
        began = clock.now()
        # -- never: wait, or let a consent block it. The aunt agrees to nothing
        police = await story.enters("desk-clerk@solola", at=PNC)
        _, receipt = await takes_report(police, AUNT, GIRL, HER_WAY)
        assert "Es menor de edad: la PGN lo sabe en el mismo momento" in words_of("\n".join(police.read))
        await story.federation.turn()
        assert clock.now() - began < timedelta(minutes=1)
        await story.settle()
        await police.goes(receipt)
        await police.sees("Aviso por ley", "PGN")
        # the PGN reads who she is and whom it must call, and how without risk
        lawyer = await story.enters("officer@pgn", at=PGN)
        duty = await takes_up(lawyer, "/e/")
        await lawyer.sees("Aviso por deber")
        await lawyer.follows("Leer los datos de la persona")
        await lawyer.sees("Tzoczanatuk", "15")
        await lawyer.goes(f"{duty}/quien-pide")
        await lawyer.sees("Tiazanatuk", "5555 0300", "sólo de mañana", "Kaqchikel")
        # the MBMID has the case, and asks the consulates; about a child two say so
        officer, second = [await story.enters("officer@igm", at=MBMID) for _ in range(2)]
        case = await newest_case(officer)
        await officer.sees("MBMID-2026-000001")
        # -- never: who would take her in, to a node of the United States. No page offers where she was going
        await officer.goes(f"{case.replace('/e/', '/s/nueva/')}?para={COUNTY}&fin=locate-missing&base=consent&urgencia=normal")
        may_leave = officer.page.locator('main input[name="sale"]')
        assert await may_leave.count() == 0, await officer.main()
        await asks(
            officer, case, MINEX, "gt:alba-keneth:8", ("given_names", "surname_1", "age_range"), ("facility", "custody_type")
        )
        await officer.sees("la segunda aprobación, de otra persona")
        await officer.presses("Firmar y enviar")
        await officer.sees("Todavía no sale")
        await approves(second)
        await story.settle()

        # -- found alive, in a shelter. MINEX answers that she lives; where, the consul does not let out
        consul, other = [await story.enters("officer@tapachula", at=MINEX) for _ in range(2)]
        question = await takes_up(consul, "/s/")
        assert [word for word in HOUSEHOLD if word in story.read_at(MINEX)] == []
        await consul.follows("Responder")
        await consul.follows("Detención, custodia o retorno")
        await consul.fills({
            "vol-contact": True, "v-facility": f"Albergue {SHELTER}", "v-custody_type": "shelter", "s-custody_type": "exact",
            "r-match": True, "expediente": "nna-7",
        })  # fmt: skip
        await reviews(consul)
        await consul.sees("No saldrán: Establecimiento")
        assert SHELTER not in (await consul.main()).casefold()
        await consul.presses("Firmar y enviar")
        await approves(other)
        await answered_at_its_hour(story)
        await officer.goes(question)
        await officer.sees("Coincide con la persona buscada")

        # the place goes to the PGN alone: offered without her name, accepted, and told when two agree
        there = await newest_case(consul)
        await consul.goes(there.replace("/e/", "/r/nueva/"))
        await consul.fills({
            "menor": "yes", "servicio": "child-protection", "urgencia": "urgent", "fin": "protect-child", "base": "gt:alba-keneth:8",
        })  # fmt: skip
        await consul.ticks("para", PGN)
        await consul.presses("Revisar antes de enviar")
        assert "zanatuk" not in (await consul.main()).casefold()
        await consul.presses("Firmar y enviar")
        if "Todavía no sale" in await consul.main():
            await approves(other)
        await story.settle()
        referral = await takes_up(lawyer, "/r/")
        await lawyer.presses("Firmar y aceptar")
        await story.settle()
        await consul.goes(f"{referral}/datos")
        await consul.sees("Detención, custodia o retorno")
        custody = {
            "given_names": "Ficticia, Zanatuk", "surname_1": "Tzoczanatuk", "custody_type": "shelter",
            "facility": f"Albergue {SHELTER}", "birth_date": "2 de marzo de 2011",
        }  # fmt: skip
        for name, value in custody.items():
            await consul.fills({f"v-{name}": value, f"s-{name}": True})
        await consul.presses("Revisar antes de enviar")
        await consul.sees(SHELTER)
        await consul.presses("Firmar y enviar")
        await consul.sees("Todavía no sale")
        await story.settle()
        await lawyer.goes(referral)
        assert SHELTER not in story.read_at(PGN)
        await approves(other)
        await story.settle()
        await lawyer.goes(referral)
        await lawyer.follows("leer los datos de la persona")
        await lawyer.sees(SHELTER)

        # -- the alert ends within the hour, at whoever was told; nothing of why, or of where
        sergeant = await story.enters("officer@solola", at=PNC)
        reported = await newest_case(sergeant)
        await sergeant.follows("Avisos por ley, y decir que terminaron")
        await sergeant.sees("PGN", "avisada, y lo recibió")
        await sergeant.presses("Decirles que terminó")
        await sergeant.sees("Se les dice a todas que terminó")
        ended = clock.now()
        await story.settle()
        assert clock.now() - ended < timedelta(hours=1)
        await sergeant.goes(f"{reported}/avisos-por-ley")
        await sergeant.sees("después se le dijo que terminó")
        await police.goes(receipt)
        await lawyer.goes(duty)
        await lawyer.sees("Estado terminado", "fin de aviso por deber")
        await officer.goes(case)
        await officer.goes("/bandeja")
        for name in (MBMID, PNC):
            assert SHELTER not in story.read_at(name), name
        assert [word for word in HOUSEHOLD if word in story.read_at(MINEX)] == []
        assert "tiazanatuk" in story.read_at(PGN)
        for node in story.federation.nodes.values():
            assert await sent(node, to="us.%") == []
