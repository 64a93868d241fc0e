"""Journeys through the pages in Debian's Chromium, both sides of each, with scripts and without.

A consent that is taken back (E6), somebody alive who wants no contact (E7), a search in Mexico that is not a bulletin (E12), and
two officers who want the same request.
"""

import asyncio
import re

import pytest

from contracts.ids import Code
from gateway.exchange.erasing import keep
from tests.console.browser import needs_browser
from tests.console.journey_later import (
    CNB,
    DESK,
    FGR,
    ICRC,
    MBMID,
    MINEX,
    SEARCH,
    agrees,
    asks,
    case_of,
    journey,
    opens,
    own_question,
    picked,
    plain,
    whom,
)
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_recall import erase

pytestmark = [pytest.mark.slow, needs_browser, pytest.mark.timeout(600)]
both_ways = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])


@both_ways
async def test_a_daughter_takes_her_consent_back(tmp_path, monkeypatch, scripts):
    async with journey(tmp_path, monkeypatch, MBMID, DESK, CNB, ICRC, scripts=scripts) as told:
        person = row()
        folio, thread = await case_of(told, person)
        ana = await told.officer(MBMID, "officer@igm", "Ana Ficticia")
        cnb = await told.officer(CNB, "officer@cnb", "Carla Ficticia")
        icrc = await told.officer(ICRC, "officer@red", "Rosa Ficticia")

        # -- two relatives agree to different things; what each yes lets out goes, and is read on the other side
        await agrees(ana, folio, "Hija Mayor Zanatuk", "c3", "c4", "c8")
        await agrees(ana, folio, "Madre Zanatuk", "c6")
        said = await asks(ana, folio, CNB, ("surname_1", "age_range"), ("sex",))
        assert "Salió" in said, said
        said = await asks(ana, folio, ICRC, ("age_range",), ("sex",))
        assert "Salió" in said, said
        await told.federation.settle()
        assert "Caal" in await picked(cnb)
        request = cnb.path
        assert "30" in await picked(icrc)

        # -- she is extorted; before anything is written the page says who will be told: the CNB, once, and nobody else
        told.federation.network.down.add(CNB)
        await opens(ana, folio)
        said = await ana.follow("Consentimientos de los familiares")
        daughter = next(
            line for line in ("A", "B") if "México" in said.partition(f"Familiar {line} ")[2].partition("Retirar")[0]
        )
        await ana.follow(f"Retirar lo de Familiar {daughter}")
        await ana.pick("ambito", "c3", "c4", "c8")
        await ana.fill(como="Por escrito", idioma="Español", motivo="Hay una amenaza, o miedo")
        said = await ana.press("Ver a quién se le avisará")
        assert re.search(r"mx\.cnb[^:]*: 1 copia", said), said
        assert "int.icrc" not in said
        assert await table(told.worlds[MBMID].node, "SELECT count(*) FROM consent_events WHERE act = 'withdrawn'") == [(0,)]
        said = await ana.press("Retirarlo")
        assert "Quedó retirado desde ahora" in said
        assert "1 copia, falta" in said, said

        # -- at once nothing more leaves on it, and the receipt that is owed stands where the family reads it
        said = await whom(ana, folio, CNB)
        assert "falta el consentimiento" in said, said
        assert await ana.picks("sale") == set()
        await opens(ana, folio)
        said = await ana.follow("Dato por dato")
        owed, other = told_apart(said)
        assert "se le ordenó borrarlo; falta su constancia" in owed
        assert "lo tiene" not in owed
        assert "lo tiene" in other

        # -- the CNB is back: it hears that it must erase, and neither why nor who asked for it
        told.federation.network.down.clear()
        await told.federation.poll()
        await told.slot()
        await cnb.open("/bandeja")
        await cnb.open(request)
        for never in ("amenaza", "miedo", "extors", "hija", "madre", "zanatuk", "50255550100", CANARY.casefold()):
            assert never not in told.shown_at(CNB), never
            assert never not in told.shown_at(ICRC), never

        # -- a law makes it keep its register: a reasoned refusal, which is the residue that stays to be seen
        node = told.federation.nodes[CNB].capabilities
        asked = await table(told.federation.nodes[CNB], "SELECT thread_id FROM inbox WHERE kind = 'search.request'")
        assert await keep(asked[0][0], Code("mx:maebi"), node, actor=node.pseudonyms.actor("archivist"))
        await erase(told.federation, hours=30)
        await ana.back()
        await opens(ana, folio)
        owed, other = told_apart(await ana.follow("Dato por dato"))
        assert "dice que una ley le obliga a conservarlo" in owed
        assert "lo tiene" in other  # one relative's withdrawal cancels nobody else's
        await opens(ana, folio)
        said = await ana.follow("Consentimientos de los familiares")
        assert "ley le obliga a conservarla" in said
        assert "Cruz Roja" in said.partition("Lo que está vigente")[2].partition("Lo que no necesita permiso")[0], said

        # -- never: the search closed by it; a second import that brings it back
        said = await opens(ana, folio)
        assert "terminado" not in said
        assert "Preguntar a una institución" in said
        [again] = await send(told.federation, person)
        assert again.outcome == "duplicate"
        assert "falta el consentimiento" in await whom(ana, folio, CNB)
        assert await table(told.worlds[MBMID].node, f"SELECT state FROM cases WHERE thread_id = '{thread}'") == [("received",)]
        for page in ana.pages:
            assert "zanatuk" not in page.casefold()  # her office's name for her is kept nowhere


def told_apart(said):
    """What «quién tiene qué» says of the CNB, and of the others."""
    other, _, owed = said.partition("mx.cnb")
    assert "int.icrc" in other
    assert owed
    return owed, other.partition("int.icrc")[2]


PLACE = ("Refugio Raleighcanario", "Raleighcanario")


@both_ways
async def test_a_woman_is_alive_and_wants_no_contact(tmp_path, monkeypatch, scripts):
    async with journey(tmp_path, monkeypatch, MBMID, DESK, MINEX, scripts=scripts) as told:
        folio, _ = await case_of(told, row(given="Ficticia", age=(31, 31)))
        other, _ = await case_of(told, row(given="Ficticia", age=(31, 31)))
        ana = await told.officer(MBMID, "officer@igm", "Ana Ficticia")
        second = await told.officer(MBMID, "officer@igm", "Berta Ficticia")
        abroad = await told.officer(MINEX, "officer@consular", "Celia Ficticia")
        colleague = await told.officer(MINEX, "officer@consular", "Dora Ficticia")
        clerk = await told.officer(DESK, "officer@huehuetenango", "Eva Ficticia")
        want = ("sex", "age_range", "found_place", "facility")
        await asks(ana, folio, MINEX, ("age_range",), want, basis=SEARCH)
        question = await own_question(told)
        await told.federation.settle()

        # -- nobody has asked her yet: nothing can leave but a wish for time
        await picked(abroad)
        request = abroad.path
        await held_of_her(abroad, request, "undecided")
        assert abroad.path.endswith("/prorroga")

        # -- she is asked. Her husband is why she left: whoever asks would read that there is nobody, whatever she allows
        said = await held_of_her(abroad, request, "alive-only", risk=True)
        assert "quien pregunta leerá «sin información»" in said, said
        await told_alive(abroad, request, decided=False)
        said = await abroad.press("Firmar y enviar")
        assert "Hay un problema" in said, said
        assert await table(told.worlds[MINEX].node, "SELECT count(*) FROM outbox WHERE kind = 'case.status'") == [(0,)]

        # -- she and those who hold her decide that it may be known; what leaves is that she is alive, and a second person looks
        said = await told_alive(abroad, request, decided=True)
        assert "Está con vida; no quiere contacto; En persona" in said, said
        assert "Quedó firmado" in await abroad.press("Firmar y enviar")
        await told.slot()
        assert await table(told.worlds[MINEX].node, "SELECT count(*) FROM outbox WHERE kind = 'case.status'") == [(0,)]
        await colleague.open("/espera")
        said = await colleague._goes(colleague.page.locator('main a[href^="/espera/"]').first)
        assert "Está con vida; no quiere contacto" in said, said
        await colleague.press("Apruebo que salga exactamente esto")
        await told.slot()

        # -- the MBMID reads that she is alive and what she wants; no page of it says where, or which consulate
        said = await ana.open(question)
        assert "Está con vida; no quiere contacto; En persona" in said, said
        await opens(ana, folio)
        await ana.open("/bandeja?ver=todo")

        # -- the question itself is answered with the result alone
        said = await held_of_her(abroad, request, "alive-only", risk=True, decided=True)
        assert "Saldrán 0 de 4 campos preguntados." in said, said
        await abroad.press("Firmar y enviar")
        assert "Quedó anotado" in await says_again(abroad)  # by telephone she says the same; it is weighed again
        await told.slot()
        await colleague.open("/espera")
        if await colleague.page.locator('main a[href^="/espera/"]').count():
            await colleague._goes(colleague.page.locator('main a[href^="/espera/"]').first)
            await colleague.press("Apruebo que salga exactamente esto")
            await told.slot()
        said = await ana.open(question)
        assert "Coincide con la persona buscada" in said, said
        assert "Lo que respondieron" not in said

        # -- the end: two persons say the same, and outside it is like any other end
        await closed(ana, second, folio, "Apareció con vida y no quiso contacto")
        await closed(ana, second, other, "La familia pidió que no se siga")
        await told.slot()
        pages = []
        for case in (folio, other):
            await clerk.open("/expedientes?ver=todo")
            pages.append(plain(await clerk.follow(case), without=(case,)))
        assert pages[0] == pages[1]
        assert "terminado" in pages[0]
        for page in clerk.pages:
            assert not re.search("con vida|contacto, En|voluntad de|minex|consular", page, re.IGNORECASE), page

        # -- never: the place, or who knows it, on any page but of who saw her
        for secret in PLACE:
            assert secret.casefold() in "\n".join(abroad.pages).casefold()  # control: she who saw her wrote it there
            assert secret.casefold() not in told.shown_at(MBMID)
            assert secret.casefold() not in told.shown_at(DESK)
            assert secret.casefold() not in "\n".join(colleague.pages).casefold()
        for text in ("celia", "dora", "officer@consular", "exp-7"):
            assert text not in told.shown_at(MBMID), text

        # -- never: a husband gets it by asking who has his data
        await opens(ana, folio)
        said = await ana.follow("Dato por dato")
        assert "vida" not in said
        assert "Edad al desaparecer" in said  # control: it does say what left


async def held_of_her(who, request, wish, *, risk=False, decided=False):
    """Answer with what is held of her; the page to check."""
    page = who.page
    await who.open(f"{request}/responder/unidentified-person")
    await page.check(f"#vol-{wish}")
    await page.select_option("#como", "interview")
    await page.select_option("#v-sex", "female")
    await page.fill("#v-age_range", "31")
    await page.fill("#v-facility", PLACE[0])
    await page.fill("#v-found_place", PLACE[1])
    await page.select_option("#v-possible_minor", "no")
    if risk:
        await page.select_option("#v-aggressor_risk", "yes")
    if decided:
        await page.check("#decidido")
    await page.check("#r-match")
    await page.fill("#expediente", "exp-7")
    return await who.press("Revisar antes de enviar")


async def says_again(who):
    """She says it once more, and it is written down at the case of the question."""
    await who.open("/expedientes")
    await who._goes(who.page.locator('main a[href^="/e/"]').first)
    await who.follow("Anotar qué quiere la persona localizada")
    await who.page.check("#w-alive-only")
    await who.page.select_option("#como", "phone")
    return await who.press("Anotarlo")


async def told_alive(who, request, *, decided):
    """Prepare to say that she is alive; the page to check."""
    await who.open(request)
    await who.follow("Decir que está con vida, y qué quiere")
    page = who.page
    await page.check("#w-alive-only")
    await page.select_option("#como", "interview")
    await page.fill("#v-age_range", "31")
    await page.select_option("#v-aggressor_risk", "yes")
    if decided:
        await page.check("#decidido")
    await page.fill("#expediente", "exp-7")
    return await who.press("Revisar antes de enviar")


async def closed(one, two, folio, how):
    """Two officers end a case."""
    for who, expected in ((one, "Se cierra cuando otra persona diga lo mismo"), (two, "terminado")):
        await opens(who, folio)
        await who.follow("Cerrar el caso")
        await who.tick(how)
        said = await who.press("Cerrar el caso")
        assert expected in said, said


@both_ways
async def test_a_search_in_mexico_is_no_bulletin(tmp_path, monkeypatch, scripts):
    async with journey(tmp_path, monkeypatch, MBMID, DESK, CNB, FGR, scripts=scripts, ports=(MBMID, CNB, FGR)) as told:
        folio, _ = await case_of(told)
        ana = await told.officer(MBMID, "officer@igm", "Ana Ficticia")
        second = await told.officer(MBMID, "officer@igm", "Berta Ficticia")
        cnb = await told.officer(CNB, "officer@cnb", "Carla Ficticia")
        fgr = await told.officer(FGR, "officer@fgr", "Flora Ficticia")

        # -- nothing without her yes; then each item is read to her for what it is
        said = await whom(ana, folio, CNB)
        assert await ana.picks("sale") == set()
        await opens(ana, folio)
        said = await ana.follow("Consentimientos de los familiares")
        assert "vía restringida" in said
        assert "equivale a publicar" in said
        await agrees(ana, folio, "La madre Zanatuk", "c3")

        # -- the restricted route: what tells him apart, and neither his name, nor a telephone, nor a smuggler
        await whom(ana, folio, CNB)
        may = await ana.picks("sale")
        assert {"sex", "age_range", "hair"} <= may
        assert not may & {"given_names", "surname_1", "phones", "smuggler"}
        said = await asks(ana, folio, CNB, ("age_range", "hair"), ("sex",), hair="negro")
        assert "Salió" in said, said
        question = await own_question(told)

        # -- the complaint is another yes, and another officer's word; there alone the smuggler is named
        await whom(ana, folio, FGR)
        assert not await ana.picks("sale") & {"smuggler", "phones"}
        await agrees(ana, folio, "La madre Zanatuk", "c13")
        await whom(ana, folio, FGR)
        may = await ana.picks("sale")
        assert "smuggler" in may, may
        said = await asks(ana, folio, FGR, ("smuggler",), ("sex",), smuggler="Coyotecanario")
        assert "Hace falta" in said, said
        await ana.follow("Ver qué espera")
        waiting = ana.path
        texts = ana.page.locator('main input[name="texto"]')
        for number in range(await texts.count()):
            await texts.nth(number).check()
        if await texts.count():
            await ana.press("Puede salir")
        await told.federation.settle()
        assert await table(told.worlds[FGR].node, "SELECT count(*) FROM inbox WHERE kind = 'search.request'") == [(0,)]
        assert "Coyotecanario" in await second.open(waiting)
        await second.press("Apruebo que salga exactamente esto")
        await told.federation.settle()
        assert "Coyotecanario" in await picked(fgr)

        # -- the register asked: it reads features; it has no record, which is not the end of anything
        said = await picked(cnb)
        assert "negro" in said, said
        await cnb.follow("No tenemos información")
        await cnb.page.check("#f1")
        await cnb.press("Firmar y enviar «sin información»")
        await told.slot()
        await cnb.open("/bandeja?ver=todo")
        for never in ("coyotecanario", "zanatuk", "caal", "50255550100", "madre", CANARY.casefold()):
            assert never not in told.shown_at(CNB), never
        for never in ("zanatuk", "50255550100", "madre"):
            assert never not in told.shown_at(FGR), never
        said = await ana.open(question)
        assert "Sin información" in said, said
        said = await opens(ana, folio)
        assert "terminado" not in said
        said = await ana.follow("Cerrar el caso")
        assert not re.search("sin información|sin registro|sin noticias|no consta", said.casefold())
        await whom(ana, folio, CNB)
        assert "age_range" in await ana.picks("sale")  # it can be asked again


@both_ways
async def test_two_officers_want_one_request(tmp_path, monkeypatch, scripts):
    async with journey(tmp_path, monkeypatch, MBMID, DESK, MINEX, scripts=scripts, ports=(MBMID, MINEX)) as told:
        folio, _ = await case_of(told)
        ana = await told.officer(MBMID, "officer@igm", "Ana Ficticia")
        await asks(ana, folio, MINEX, ("age_range",), ("sex",), basis=SEARCH)
        await told.federation.settle()
        pair = [await told.officer(MINEX, "officer@consular", name) for name in ("Celia Ficticia", "Dora Ficticia")]
        names = ("Celia Ficticia", "Dora Ficticia")

        # -- both press «Tomarla yo» at the same moment: one has it, the other reads who
        for who in pair:
            await picked(who)
        said = await asyncio.gather(*(who.press("Tomarla yo") for who in pair))
        assert sum("Usted la tiene ahora." in text for text in said) == 1, said
        winner = next(number for number, text in enumerate(said) if "Usted la tiene ahora." in text)
        assert f"Ya la tiene {names[winner]}." in said[1 - winner]
        assert "Usted la tiene" not in said[1 - winner]

        # -- both answer at the same moment: one answer leaves, and the other reads whose
        for who in pair:
            await who.open(who.path.partition("?")[0])
            await who.follow("No tenemos información")
            await who.page.check("#f1")
        said = await asyncio.gather(*(who.press("Firmar y enviar «sin información»") for who in pair))
        assert sum("Queda dicho que no hay información" in text for text in said) == 1, said
        first = next(number for number, text in enumerate(said) if "Queda dicho" in text)
        assert f"Ya la respondió {names[first]}. De usted no se envió nada." in said[1 - first]
        await told.slot()
        assert await table(told.worlds[MBMID].node, "SELECT count(*) FROM inbox WHERE kind = 'search.response'") == [(1,)]
        for name in names:
            assert name.casefold() not in told.shown_at(MBMID)
