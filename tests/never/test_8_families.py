"""Never (N8, E1, E9): what a family is given by a paper, a page or a command says that somebody may have been found, or where."""

import re
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.console.private import PrivateApi
from gateway.console.public import PublicSheets
from gateway.people.sign_in import Carrier
from gateway.web import Caps, Deadlines, Watch
from tests.console.test_sheets import code_of, sheet_made
from tests.console.visitor import Visitor
from tests.gateway.story import MBMID, opened, sent, told_in, told_story
from tests.gateway.test_e1_scenario import released
from tests.gateway.test_e7_scenario import slot
from tests.gateway.test_exchange import row, send, table
from tests.people.hired import hired_at

DESK, MSPAS, INACIF = "gt.conamigua", "gt.mspas", "gt.inacif"
HOSPITAL = "Hospital Zanatukhospital"
WORDS = re.compile(
    r"zanatukhospital|coincide|posible|possible|match|hallad|found|restos|remains|fallec|muert|dead|con vida|alive"
)
CARE = {"at": MSPAS, "who": "officer@social", "login": "social"}
LAB = {"at": INACIF, "who": "officer@lab", "login": "perito"}
LAW = {"purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207"}
SON = {"given_names": ["Ficticio"], "surname_1": "Caal", "sex": "male", "age_range": {"min": 30, "max": 35}}


@pytest.fixture
async def story(tmp_path):
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(told_story(tmp_path, MBMID, DESK, MSPAS, INACIF))
        node = found.node
        node.operations = replace(node.operations, public_address="https://fichas.example", phone="1555")
        watch = Watch(Deadlines(), Caps())
        api = PrivateApi(node.operations, node.people, token="ficha-de-prueba", hosts=("127.0.0.1",), watch=watch)
        server = TestServer(api.application(), host="127.0.0.1")
        found.clients[MBMID] = await stack.enter_async_context(TestClient(server))
        yield found


async def visitor(story, at, post):
    session = await hired_at(story.federation.nodes[at].people, post, login=f"v{post[:2]}.ficticia", carrier=Carrier.COOKIE)
    return Visitor(f"http://127.0.0.1:{story.clients[at].port}", session=session)


async def searched_for(story):
    """A family reports, agrees to a sheet and gets one; a hospital is asked. Returns (folio, thread at the desk, code, question)."""
    await send(story.federation, row())
    await story.federation.settle()
    [(folio, thread)] = await table(story.node, "SELECT folio, thread_id FROM cases WHERE kind = 'report'")
    await story.says(folio, "given", "Madre", "c1", "c8")
    officer = await visitor(story, MBMID, "officer@igm")
    made = await sheet_made(officer, thread)
    code = code_of(await officer.get(made.location))
    [(ours,)] = await table(story.federation.nodes[DESK], "SELECT thread_id FROM cases WHERE kind = 'report-sent'")
    asking = {"to": MSPAS, "want": ["sex", "facility", "found_place"], "case_ref": folio} | LAW
    asking["records"] = [{"type": "missing-person", "values": SON}]
    asked = await story.ok("POST", "requests", asking, login="oficial")
    await story.federation.settle()
    return folio, ours, code, asked["message_id"]


class Family:
    """Everything a family can be given: who has its data, in both languages and of both offices; its receipt; the sheet's page."""

    def __init__(self, story, folio, receipt, code):
        self.story, self.folio, self.receipt, self.code = story, folio, receipt, code

    async def sheet(self):
        async with TestClient(TestServer(PublicSheets(self.story.node.operations).application())) as everybody:
            return await (await everybody.get(f"/v/{self.code}")).text()

    async def reads(self):
        story, found = self.story, {"sheet": await self.sheet()}
        for lang in ("es", "en"):
            found[f"who-has {lang}"] = await story.family_reads(self.folio, lang)
        session = await hired_at(
            story.federation.nodes[DESK].people,
            "desk-clerk@huehuetenango",
            login=f"c{len(story.seen)}.ficticia",
            carrier=Carrier.COOKIE,
        )
        clerk = Visitor(f"http://127.0.0.1:{story.clients[DESK].port}", session=session)
        page = await clerk.get(f"/recibo/{self.receipt}")
        assert page.status == 200
        found["receipt"] = page.text.split("<main")[1].split("</main")[0]
        return found


def said(found):
    return {name: WORDS.findall(text.casefold()) for name, text in found.items() if WORDS.search(text.casefold())}


async def hospital_says_yes(story, request):
    """It may be him, he wants his family to know, and two persons let the hospital's name go to the MBMID."""
    await story.ok("POST", "wishes", {"case_ref": "cama-13", "wish": "contact", "evidence": "interview"}, **CARE)
    held = {"sex": "male", "age_range": {"min": 30, "max": 35}, "facility": HOSPITAL}
    answer = {"result": "possible", "case_ref": "cama-13", "records": [{"type": "unidentified-person", "values": held}]}
    shown = await story.ok("POST", f"requests/{request}/preview", answer, **CARE)
    assert shown["told"] == "possible"
    left = await story.ok("POST", f"held/{shown['id']}/confirm", {}, **CARE)
    assert left["state"] == "held"
    await released(story, left, at=MSPAS, who="officer@social")
    await slot(story)


async def laboratory_finds(story):
    find = {
        "authority": "gt.inacif.peten", "country": "GT", "case_ref": "hallazgo-9",
        "records": [{"type": "unidentified-remains", "values": {"sex": "male", "age_range": {"min": 28, "max": 38}}}],
    }  # fmt: skip
    await released(story, await story.ok("POST", "findings", find, **LAB), at=INACIF, who="officer@lab")
    await story.federation.settle()


async def test_whatever_is_found_a_family_is_given_the_same_papers_until_a_person_speaks_with_it(story):
    folio, receipt, code, request = await searched_for(story)
    family = Family(story, folio, receipt, code)
    before = await family.reads()
    assert said(before) == {}
    assert "MSPAS" in before["who-has es"] or "mspas" in before["who-has es"], "control: that somebody was asked is there"
    assert "Ficha vigente" in before["sheet"]
    left = len(await sent(story.node))
    await hospital_says_yes(story, request)
    assert "zanatukhospital" in await told_in(story, MBMID), "control: an officer of the MBMID can read it"
    assert await family.reads() == before
    await laboratory_finds(story)
    assert len(await opened(story.node, "finding.notice")) == 1
    assert await family.reads() == before
    # and no message that a node sends by itself tells anybody of it: the finding was acknowledged
    assert [message.type for message in (await sent(story.node))[left:]] == ["finding.acknowledgement"]
    assert HOSPITAL.casefold() not in (await told_in(story, DESK))
    for name in (MBMID, DESK):
        assert await table(story.federation.nodes[name], "SELECT count(*) FROM mail_queue") == [(0,)]


@pytest.mark.parametrize("ending", ["found-dead", "found-alive-contact"])
async def test_an_ending_is_read_in_no_paper(story, ending):
    folio, receipt, code, _ = await searched_for(story)
    family = Family(story, folio, receipt, code)
    before = await family.reads()
    for login in ("oficial", "segunda"):
        closed = await story.ok("POST", f"cases/{folio}/close", {"as": ending}, login=login)
    assert closed["state"] == "closed"
    await story.federation.settle()
    after = await family.reads()
    assert said(after) == {}
    assert {name for name, text in after.items() if text != before[name]} == {"sheet"}, "one word, whatever the ending"
    assert "Ficha retirada" in after["sheet"]


async def test_control_a_paper_that_says_it_is_found(story):
    folio, receipt, code, _ = await searched_for(story)
    family = Family(story, folio, receipt, code)
    before = await family.reads()
    story.node.operations = replace(story.node.operations, phone=HOSPITAL)
    after = await family.reads()
    assert said(after) == {"sheet": ["zanatukhospital"]}
    assert after != before
