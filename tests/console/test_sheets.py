"""Search sheets: what is on one, who lets it out, that its paper is one page, and that its code dies with the consent."""

import re
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
import segno
from aiohttp.test_utils import TestClient, TestServer

from contracts.consents import ConsentForm, RelativeId, Scope
from contracts.ids import ThreadId
from contracts.messages import ConsentAct
from gateway.console.pages import paper
from gateway.console.public import PublicSheets, Turnstile
from gateway.exchange import consenting, sheets
from gateway.exchange.barring import bar
from gateway.exchange.consenting import Decision, decide
from gateway.exchange.sheet_ports import SheetState
from gateway.exchange.sheets import new_code, read_code
from gateway.people.sign_in import Carrier
from tests.console.visitor import Visitor
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.people.hired import hired_at
from tests.people.world import open_port
from tests.simulator.federation import simulated_federation

MBMID, CONAMIGUA, PGN, OFFICE = "gt.igm.mbmid", "gt.conamigua", "gt.pgn", "igm"
ADDRESS, PHONE = "https://fichas.igm.example", "+502 1555"
DAUGHTER, BROTHER = RelativeId("r:hija"), RelativeId("r:hermano")
CHOSEN = ("given_names", "surname_1", "age_range", "last_contact_date")


@pytest.fixture
async def stage(tmp_path, monkeypatch):
    """The MBMID with a family's report, its private port, and the page for everybody."""
    async with simulated_federation(tmp_path, MBMID, CONAMIGUA, PGN) as federation:
        node = federation.nodes[MBMID]
        node.operations = replace(node.operations, public_address=ADDRESS, phone=PHONE)
        async with (
            open_port(tmp_path, monkeypatch, federation, MBMID) as world,
            TestClient(TestServer(PublicSheets(node.operations).application())) as everybody,
        ):
            found = Stage(world, federation, everybody)
            await found.report(row())
            yield found


class Stage:
    def __init__(self, world, federation, everybody):
        self.world, self.federation, self.everybody = world, federation, everybody
        self.node = federation.nodes[MBMID].capabilities

    async def report(self, given):
        await send(self.federation, given)
        await self.federation.settle()
        rows = "SELECT folio, thread_id FROM cases WHERE kind = 'report' ORDER BY opened_ms"
        self.folio, self.thread = (await table(self.federation.nodes[MBMID], rows))[-1]

    async def says(self, act, *scopes, who=DAUGHTER):
        decision = Decision(
            relative=who, act=act, scopes=frozenset(map(Scope, scopes)), form=ConsentForm.WRITTEN, language="es"
        )
        return await decide(self.folio, decision, self.node, actor=self.node.pseudonyms.actor("officer"))

    async def agrees(self, who=DAUGHTER):
        await self.says(ConsentAct.GIVEN, "c1", "c8", who=who)

    async def officer(self, login="o.ficticia", post=f"officer@{OFFICE}"):
        return Visitor(self.world.base, session=await hired_at(self.world.desk, post, login=login, carrier=Carrier.COOKIE))

    async def made(self, visitor, *fields, days="30"):
        return await sheet_made(visitor, self.thread, *(fields or CHOSEN), days=days)

    async def ask(self, code, **headers):
        answer = await self.everybody.get(f"/v/{code}", headers=headers)
        return answer, await answer.text()


async def agrees_to_publish(world, case):
    """Let a relative agree to a public bulletin."""
    node = world.node.capabilities
    decision = Decision(
        relative=DAUGHTER,
        act=ConsentAct.GIVEN,
        scopes=frozenset({Scope.PUBLIC_BULLETIN}),
        form=ConsentForm.WRITTEN,
        language="es",
    )
    await decide(case, decision, node, actor=node.pseudonyms.actor("officer"))


async def sheet_made(visitor, thread, *fields, days="30"):
    """Make a sheet by its page; return the answer to the form."""
    page = await visitor.get(f"/f/nueva/{thread}")
    assert page.status == 200, page.text
    key = re.search(r'name="vez" value="([0-9a-f]+)"', page.text)[1]
    offered = re.findall(r'name="campo" value="(\w+)"', page.text)
    given = [("vez", key), ("dias", days), *(("campo", name) for name in fields or offered)]
    return await visitor.post(f"/f/nueva/{thread}", given)


def code_of(page):
    return re.search(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}", page.text)[0]


def matrix_of(svg):
    """The dark modules of a code as drawn, by row and column: its path read move by move."""
    path, dark, x, y = re.search(r' d="([^"]+)"', svg)[1], set(), 0.0, 0.0
    for move, numbers in re.findall(r"([Mmhv])([-\d. ]+)", path):
        values = [float(item) for item in re.findall(r"-?\d+(?:\.\d+)?", numbers)]
        if move == "M":
            x, y = values
        elif move == "m":
            x, y = x + values[0], y + values[1]
        elif move == "h":
            dark |= {(int(y), int(x) + step) for step in range(int(values[0]))}
            x += values[0]
    return dark


# -- who may, and of what -------------------------------------------------------------------------------------------------


async def test_a_sheet_carries_what_was_chosen_of_what_is_public_and_nothing_else(stage):
    await stage.agrees()
    visitor = await stage.officer()
    offered = await visitor.get(f"/f/nueva/{stage.thread}")
    assert "salió a pie" not in offered.text  # the narrative is nobody's but the mechanism's
    assert "55550100" not in offered.text
    answer = await stage.made(visitor, *CHOSEN, "narrative", "phones")
    page = await visitor.get(answer.location)
    sheet = re.search(r'<div class="sheet">.*?</div>\s*</div>', page.text, re.DOTALL)[0]
    assert CANARY in sheet
    assert "Caal" in sheet
    assert PHONE in sheet
    assert "es extorsión" in sheet
    assert "salió a pie" not in page.text
    again = await stage.made(visitor, "surname_1")
    page = await visitor.get(again.location)
    assert CANARY not in page.text  # not chosen
    assert (await visitor.get(answer.location)).text.count("reemplazada") == 1


async def test_sent_twice_it_is_made_once(stage):
    await stage.agrees()
    visitor = await stage.officer()
    page = await visitor.get(f"/f/nueva/{stage.thread}")
    given = [("vez", re.search(r'name="vez" value="([0-9a-f]+)"', page.text)[1]), ("dias", "30"), ("campo", "surname_1")]
    first, second = [await visitor.post(f"/f/nueva/{stage.thread}", given) for _ in range(2)]
    assert first.location.startswith("/f/")
    assert second.location == "/fichas?hecho=ya"
    assert await table(stage.federation.nodes[MBMID], "SELECT count(*) FROM sheets") == [(1,)]


@pytest.mark.parametrize("reason", ["consent", "withdrawn", "never-to", "located", "closed", "no-report"])
async def test_where_it_may_not_be_no_sheet_is_made_and_the_page_says_why(stage, reason):
    visitor = await stage.officer()
    if reason != "consent":
        await stage.agrees()
    if reason == "withdrawn":
        await stage.says(ConsentAct.WITHDRAWN, "c8")
    if reason == "never-to":
        async with stage.node.begin() as work:
            await bar(stage.thread, "foreign-consulate", "risk", work, stage.node, actor=stage.node.pseudonyms.actor("o"))
    if reason == "located":
        from contracts.consents import Wish
        from gateway.exchange.gate import By
        from gateway.exchange.located import record_wish

        by = By("p", stage.node.pseudonyms.actor("o"))
        await record_wish(stage.thread, Wish.ALIVE_ONLY, "interview", stage.node, by=by)
    if reason == "closed":
        async with stage.node.begin() as work:
            await work.cases.set_state(ThreadId(stage.thread), state="closed")
    if reason == "no-report":
        stage.thread = "01990000-0000-7000-8000-000000000009"
    page = await visitor.get(f"/f/nueva/{stage.thread}")
    assert page.status == 409
    assert CANARY not in page.text
    assert "Ficticio" not in page.text
    if reason in {"located", "closed"}:  # which of the two is nobody's business in a list
        assert "ya no se hacen fichas" in page.text
    posted = await visitor.post(f"/f/nueva/{stage.thread}", [("vez", "x"), ("dias", "3"), ("campo", "surname_1")])
    assert posted.status == 409
    assert await table(stage.federation.nodes[MBMID], "SELECT count(*) FROM sheets") == [(0,)]


async def test_only_the_institution_the_policy_names_publishes(stage, tmp_path, monkeypatch):
    """CONAMIGUA holds no report of others, and no flow lets it publish."""
    from contracts.disclosure import SourceRecord
    from contracts.errors import NotPermittedError
    from contracts.publication import publishable
    from contracts.register import Role

    policy = stage.node.trust().policy
    await stage.agrees()
    events, held = await consenting.consents_of(stage.folio, stage.node)
    record = SourceRecord("missing-person", {"surname_1": "Caal", "narrative": "x", "phones": ["+50255550100"]})
    how = {"consents": held, "minor": "no", "approvals": 1, "policy": policy}
    assert dict(publishable(record, us=Role.SEARCH_MECHANISM, **how).values) == {"surname_1": "Caal"}
    for role in set(Role) - {Role.SEARCH_MECHANISM}:
        with pytest.raises(NotPermittedError):
            publishable(record, us=role, **how)
    assert events


async def test_a_child_needs_a_second_person_and_exactly_that_is_approved(stage):
    await stage.report(row(age=(12, 13)))
    await stage.agrees()
    first, second = await stage.officer(), await stage.officer("s.ficticia")
    answer = await stage.made(first)
    assert answer.location.endswith("hecho=espera")
    address = answer.location.partition("?")[0]
    page = await second.get(address)
    content = re.search(r'name="contenido" value="([0-9a-f]{64})"', page.text)[1]
    assert (await stage.ask(code_of(page)))[0].status == 404  # nobody has paper of it yet
    for path in ("pdf", "texto"):
        assert (await second.get(f"{address}/{path}")).status == 404
    assert (await first.post(f"{address}/aprobar", {"contenido": content})).status == 403
    assert (await second.post(f"{address}/aprobar", {"contenido": "0" * 64})).status == 409
    assert (await second.post(f"{address}/aprobar", {"contenido": content})).location.endswith("aprobada")
    assert (await second.post(f"{address}/aprobar", {"contenido": content})).location.endswith("ya")
    assert (await stage.ask(code_of(page)))[0].status == 200
    kinds = await table(stage.federation.nodes[MBMID], "SELECT type FROM notices WHERE folio LIKE 'F-%'")
    assert kinds == [("approval.waiting",)]


async def test_who_comes_of_age_tomorrow_is_a_child_until_midnight_in_guatemala(stage):
    clock = stage.federation.clock
    tomorrow = (clock.now() + timedelta(days=1)).replace(hour=1, minute=0)  # in Greenwich; there it is seven in the evening
    born = f"{tomorrow.year - 18}-{tomorrow:%m-%d}"
    await stage.report(row(birth_date={"date": born, "precision": "day"}))
    await stage.agrees()
    clock.forward(seconds=(tomorrow - clock.now()).total_seconds())
    found = []
    for _ in range(2):
        found.append((await sheets.offer(ThreadId(stage.thread), stage.node)).minor)
        clock.forward(hours=5)
    assert found == ["possible", "no"]


async def test_another_office_sees_no_sheet_and_no_case(stage):
    await stage.agrees()
    visitor = await stage.officer()
    address = (await stage.made(visitor)).location.partition("?")[0]
    async with stage.node.begin() as work:
        await work.work_items._connection.exec_driver_sql("UPDATE work_items SET office = 'igm'")
        await work.sheets._connection.exec_driver_sql("UPDATE sheets SET office = 'igm'")
    other = await stage.officer("x.ficticia", "officer@otra")
    for path in (address, f"{address}/pdf", f"{address}/texto", f"/f/nueva/{stage.thread}"):
        assert (await other.get(path)).status == 404, path
    assert (await other.post(f"{address}/retirar", {"motivo": "error"})).status == 404
    assert address not in (await other.get("/fichas")).text
    assert "folio que usted pueda ver" in (await other.post("/fichas/caso", {"folio": stage.folio})).text
    assert (await visitor.post("/fichas/caso", {"folio": stage.folio})).location == f"/f/nueva/{stage.thread}"
    assert (await visitor.get(address)).status == 200


@pytest.mark.parametrize("days", ["", "0", "91", "999", "-1", "x", "\u0663"])
async def test_days_are_from_one_to_ninety(stage, days):
    await stage.agrees()
    visitor = await stage.officer()
    page = await stage.made(visitor, days=days)
    assert page.status == 422


async def test_the_policy_and_the_consent_end_a_sheet_sooner_than_people(stage):
    await stage.agrees()
    visitor = await stage.officer()
    answer = await stage.made(visitor, days="90")
    [(made, expires)] = await table(stage.federation.nodes[MBMID], "SELECT made_ms, expires_ms FROM sheets")
    assert timedelta(milliseconds=expires - made) <= timedelta(days=60)  # flow:bulletin-consent keeps 60 days
    code = code_of(await visitor.get(answer.location))
    assert "Ficha vigente" in (await stage.ask(code))[1]
    stage.federation.clock.forward(days=61)
    assert "Ficha retirada" in (await stage.ask(code))[1]


# -- paper --------------------------------------------------------------------------------------------------------------


async def test_the_pdf_is_one_tagged_page_with_approved_values_and_a_code_that_leads_to_its_page(stage):
    import io

    import pypdf

    await stage.agrees()
    visitor = await stage.officer()
    address = (await stage.made(visitor)).location.partition("?")[0]
    page = await visitor.get(address)
    code = code_of(page)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{stage.world.base}{address}/pdf", headers={"Cookie": cookies}) as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == "application/pdf"
        assert CANARY not in answer.headers["Content-Disposition"]
        data = await answer.read()
    document = pypdf.PdfReader(io.BytesIO(data))
    assert len(document.pages) == 1
    root = document.trailer["/Root"]
    assert root["/Lang"] == "es-GT"
    assert root["/MarkInfo"]["/Marked"]
    assert "Ficha de búsqueda F-" in document.metadata.title
    text = document.pages[0].extract_text()
    for shown in (CANARY, "Caal", PHONE, code, "extorsión"):
        assert shown in text, shown
    for hidden in ("salió a pie", "55550100", stage.folio, stage.thread):
        assert hidden not in text
        assert hidden.encode() not in data
    expected = {
        (y + 2, x + 2)
        for y, line in enumerate(segno.make(f"{ADDRESS}/v/{code}", error="m", micro=False).matrix)
        for x, dark in enumerate(line)
        if dark
    }
    drawn = re.search(r'<svg[^>]*class="qr".*?</svg>', page.text, re.DOTALL)[0]
    assert matrix_of(drawn) == expected
    other = segno.make(f"{ADDRESS}/v/{new_code(bytes(10))}", error="m", micro=False)
    assert matrix_of(other.svg_inline(border=2)) != expected, "the control: another code is drawn otherwise"
    read = await visitor.get(f"{address}/texto")
    assert "Caal" in read.text
    assert "<" not in read.text


async def test_without_the_library_the_page_says_how_to_print(stage, monkeypatch):
    await stage.agrees()
    visitor = await stage.officer()
    address = (await stage.made(visitor)).location.partition("?")[0]
    monkeypatch.setattr("gateway.console.pages.sheets.pdf_possible", lambda: False)

    async def none(*_):
        return None

    monkeypatch.setattr("gateway.console.pages.sheets.pdf", none)
    page = await visitor.get(address)
    assert "use Imprimir en su navegador" in page.text
    assert "/pdf" not in page.text
    assert (await visitor.get(f"{address}/pdf")).status == 303


async def test_a_sheet_loads_nothing_from_anywhere(tmp_path, monkeypatch, caplog):
    import io

    import pypdf

    (tmp_path / "a.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="40"><text x="0" y="20">DEFUERA</text></svg>'
    )
    page = (
        f'<html lang="es"><head><title>x</title></head><body><img src="file://{tmp_path}/a.svg" alt="x"><p>y</p></body></html>'
    )

    async def text():
        data = await paper.pdf(page, "p{color:#000}")
        return pypdf.PdfReader(io.BytesIO(data)).pages[0].extract_text()

    assert "DEFUERA" not in await text()
    monkeypatch.setattr(paper, "_PROTOCOLS", None)  # the control: it is this that keeps it out
    assert "DEFUERA" in await text()


# -- the page for everybody ------------------------------------------------------------------------------------------------


async def test_everybody_reads_that_it_holds_and_nothing_about_anybody(stage):
    await stage.agrees()
    visitor = await stage.officer()
    page = await visitor.get((await stage.made(visitor)).location)
    code = code_of(page)
    for typed in (code, code.lower(), code.replace("-", ""), code.replace("-", "%20")):
        answer, text = await stage.ask(typed)
        assert (answer.status, "Ficha vigente" in text) == (200, True), typed
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Robots-Tag"].startswith("noindex")
    for hidden in (CANARY, "Caal", stage.folio, stage.thread, code, "Ficticio", "<script", "http://", "https://"):
        assert hidden not in text, hidden
    assert PHONE in text
    assert "Valid sheet" in (await stage.ask(code, **{"Accept-Language": "en"}))[1]
    for odd in (new_code(bytes(10)), "x", "%00", "a" * 500, "..%2f..", "'--"):
        answer, text = await stage.ask(odd)
        assert (answer.status, "No hay una ficha" in text) == (404, True), odd
    for path in ("/", "/fichas", "/entrar", "/api/v1/status", "/metrics", "/v/", "/healthz"):
        assert (await stage.everybody.get(path)).status == 404, path
    assert (await stage.everybody.post(f"/v/{code}")).status == 405


@pytest.mark.parametrize("how", ["consent", "another relative narrows", "never-to", "located", "person", "closed", "erased"])
async def test_what_ends_the_reason_for_it_ends_the_sheet_at_once(stage, how):
    await stage.agrees()
    await stage.agrees(BROTHER)
    visitor = await stage.officer()
    address = (await stage.made(visitor)).location.partition("?")[0]
    code = code_of(await visitor.get(address))
    assert "Ficha vigente" in (await stage.ask(code))[1]
    await ends(stage, how, visitor, address)
    answer, text = await stage.ask(code)
    assert (answer.status, "Ficha retirada" in text) == (200, True)
    told = await table(stage.federation.nodes[MBMID], "SELECT type, href FROM notices WHERE type = 'sheet.withdrawn'")
    assert how == "erased" or told == [("sheet.withdrawn", f"/api/v1/sheets/{address.rpartition('/')[2]}")]
    assert (await visitor.get(f"{address}/pdf")).status == 404


async def ends(stage, how, visitor, address):
    actor = stage.node.pseudonyms.actor("o")
    if how == "consent":
        await stage.says(ConsentAct.WITHDRAWN, "c8")
    elif how == "another relative narrows":
        await stage.says(ConsentAct.NARROWED, "c8", who=BROTHER)
    elif how == "never-to":
        async with stage.node.begin() as work:
            await bar(stage.thread, "foreign-consulate", "risk", work, stage.node, actor=actor)
    elif how == "located":
        from contracts.consents import Wish
        from gateway.exchange.gate import By
        from gateway.exchange.located import record_wish

        await record_wish(stage.thread, Wish.ALIVE_ONLY, "interview", stage.node, by=By("p", actor))
    elif how == "person":
        assert (await visitor.post(f"{address}/retirar", {"motivo": "nada"})).status == 422
        assert (await visitor.post(f"{address}/retirar", {"motivo": "family"})).location.endswith("retirada")
        assert (await visitor.post(f"{address}/retirar", {"motivo": "family"})).location.endswith("ya")
    elif how == "closed":
        from gateway.exchange.gate import By
        from gateway.exchange.located import Closing, close_case

        for who in ("p", "q"):
            await close_case(stage.folio, next(iter(Closing)), stage.node, by=By(who, actor))
    else:
        async with stage.node.begin() as work:
            await work.erasures.empty([ThreadId(stage.thread)], now=stage.node.clock.now())
        assert await table(stage.federation.nodes[MBMID], "SELECT length(sealed) FROM sheets") == [(0,)]


async def test_a_withdrawal_and_the_end_of_its_sheet_are_one_transaction(stage, monkeypatch):
    from contracts.errors import StorageError
    from gateway.storage.sheets import SqlSheets

    await stage.agrees()
    visitor = await stage.officer()
    code = code_of(await visitor.get((await stage.made(visitor)).location))

    async def fails(*_, **__):
        raise StorageError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(SqlSheets, "end", fails)
        with pytest.raises(StorageError):
            await stage.says(ConsentAct.WITHDRAWN, "c8")
    _, held = await consenting.consents_of(stage.folio, stage.node)
    assert Scope.PUBLIC_BULLETIN in {scope for _, scope in held.scopes}, "neither happened"
    assert "Ficha vigente" in (await stage.ask(code))[1]

    async def forgets(*_):
        return ()

    with monkeypatch.context() as planted:  # the control: a withdrawal that forgot the sheet would be seen
        planted.setattr(consenting, "end_of_case", forgets)
        await stage.says(ConsentAct.WITHDRAWN, "c8")
    assert "Ficha vigente" in (await stage.ask(code))[1]


async def test_whoever_asks_too_often_waits_and_others_do_not():
    now = [0.0]
    gate = Turnstile(monotonic=lambda: now[0])
    assert [gate.lets("203.0.113.7") for _ in range(31)] == [True] * 30 + [False]
    assert gate.lets("203.0.113.8")
    now[0] = 2.0
    assert [gate.lets("203.0.113.7") for _ in range(3)] == [True, True, False]
    assert sum(gate.lets("127.0.0.1") for _ in range(700)) == 600


def test_codes_have_eighty_bits_and_are_read_as_people_write_them():
    import random

    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    made = {new_code(chance.randbytes(10)) for _ in range(2000)}
    assert len(made) == 2000
    for code in made:
        assert read_code(code) == code
        assert read_code(code.lower().replace("-", " ").replace("0", "o").replace("1", "l")) == code
    assert new_code(b"\xff" * 10) == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"
    for odd in ("", "U" * 16, "A" * 15, "A" * 17, "ñ" * 16):
        assert read_code(odd) is None


async def test_neither_the_code_nor_a_value_of_a_sheet_stands_in_the_tables(stage, capsys):
    await stage.agrees()
    visitor = await stage.officer()
    code = code_of(await visitor.get((await stage.made(visitor)).location))
    kept = repr(await table(stage.federation.nodes[MBMID], "SELECT * FROM sheets"))
    leaves = repr(await stage.world.leaves())
    for hidden in (code, code.replace("-", ""), CANARY, "Caal"):
        assert hidden not in kept
        assert hidden not in leaves
    assert "sheet.made" in leaves
    assert "sheet.open" in leaves
    assert SheetState.VALID.value in kept
    assert sheets.LONGEST.days == 90


async def test_programs_read_how_a_sheet_stands_and_take_it_back(stage):
    await stage.agrees()
    visitor = await stage.officer()
    address = (await stage.made(visitor)).location.partition("?")[0]
    token = await hired_at(stage.world.desk, f"officer@{OFFICE}", login="api.ficticia")
    [found] = (await stage.world.call("GET", "/api/v1/sheets", token))[1]["sheets"]
    assert (found["state"], found["id"]) == ("valid", address.rpartition("/")[2])
    assert CANARY not in repr(found)
    one = f"/api/v1/sheets/{found['id']}"
    assert (await stage.world.call("GET", one, token))[1] == found
    for body in ({}, {"reason": 7}, {"reason": "located"}, {"reason": "family", "more": 1}):
        assert (await stage.world.call("POST", f"{one}/withdraw", token, body))[0] == 422, body
    for path in ("/api/v1/sheets/nada", "/api/v1/sheets/01990000-0000-7000-8000-000000000001"):
        assert (await stage.world.call("GET", path, token))[0] == 404
    assert (await stage.world.call("POST", f"{one}/withdraw", token, {"reason": "family"}))[1]["state"] == "withdrawn"
    assert (await stage.world.call("POST", f"{one}/withdraw", token, {"reason": "family"}))[1]["state"] == "withdrawn"
