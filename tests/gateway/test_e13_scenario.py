"""E13, a tracing request of the Red Cross, one way and minimal: as its delegate, the MBMID and the ombudsman live it."""

import pytest

from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from gateway.exchange.departing import Held
from gateway.exchange.gate import By
from gateway.exchange.searching import Question, ask_search
from keys.sealing import Sealer
from tests.gateway.story import MBMID, in_clear, opened, told_story
from tests.gateway.test_e7_scenario import slot
from tests.gateway.test_exchange import row, send, table

DESK, ICRC, PDH, FGR, CNB = "gt.conamigua", "int.icrc", "gt.pdh", "mx.fgr", "mx.cnb"
BROTHER = {"given_names": ["Hondurascanario"], "surname_1": "Zanatukcaal", "sex": "male", "age_range": {"min": 30, "max": 34}}
DELEGATE = {"at": ICRC, "who": "officer@tracing", "login": "delegate"}
OFFICER = {"login": "oficial"}


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, ICRC, PDH, CNB, FGR) as found:
        yield found


async def reported(story):
    await send(story.federation, row())
    await story.federation.settle()
    return (await table(story.node, "SELECT folio FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1"))[0][0]


def tracing(number, **more):
    records = [{"type": "missing-person", "values": BROTHER}]
    asked = {"to": MBMID, "want": ["sex"], "purpose": "locate-missing", "basis": "icrc:rfl-code", "case_ref": f"RFL-{number}"}
    return asked | {"records": records} | more


async def traced(story, number):
    asked = await story.ok("POST", "requests", tracing(number), **DELEGATE)
    await story.federation.settle()
    return asked["message_id"]


async def test_the_icrc_asks_and_hears_yes_no_or_possible_and_says_no_more_than_it_wants(story):
    folio = await reported(story)
    # -- it withholds its source: there is no place for who enquires, and one who puts it in is stopped at the ICRC's own gate
    with_source = [*tracing(0)["records"], {"type": "reporter", "values": {"name": ["Fuentecanario"]}}]
    assert (await story.call("POST", "requests", tracing(0, records=with_source), **DELEGATE))[0] == 403
    requests = {told: await traced(story, number) for number, told in enumerate(("match", "possible", "no-match"))}
    read = await story.ok("GET", f"requests/{requests['match']}", **OFFICER)
    assert (read["from"], read["basis"], read["candidate"]["surname_1"]) == (ICRC, "icrc:rfl-code", "Zanatukcaal")
    for told in ("match", "possible"):
        own = [{"type": "missing-person", "values": {"sex": "male", "age_range": {"min": 30, "max": 35}}}]
        answer = {"result": told, "case_ref": folio, "records": own, "bare": True}
        shown = await story.ok("POST", f"requests/{requests[told]}/preview", answer, **OFFICER)
        assert {line["leaves"] for line in shown["rows"]} <= {"no sale", "—"}
        await story.ok("POST", f"held/{shown['id']}/confirm", {}, **OFFICER)
    nothing = {"searched": ["registry"], "as_of": story.federation.clock.now().isoformat()}
    await story.ok("POST", f"requests/{requests['no-match']}/no-information", nothing, **OFFICER)
    await slot(story)
    for told, request in requests.items():
        read = await story.ok("GET", f"requests/{request}", **DELEGATE)
        assert (read["answer"]["body"]["result"], read["answer"]["records"]) == (told, []), told
    # -- one way: nothing of the family here went there, and nothing was asked back
    assert await table(story.node, f"SELECT count(*) FROM disclosures WHERE peer = '{ICRC}'") == [(0,)]
    assert {message.type for message in await opened(story.federation.nodes[ICRC], "%")} == {"search.response"}
    assert "Fuentecanario" not in story.seen_at(MBMID)
    # -- without the family's yes to the ICRC no field could have gone with it
    own = [{"type": "missing-person", "values": {"sex": "male"}}]
    more = await traced(story, 9)
    full = {"result": "match", "case_ref": folio, "records": own}
    assert (await story.call("POST", f"requests/{more}/preview", full, **OFFICER))[0] == 403


async def test_what_the_icrc_brought_serves_no_other_end(story, monkeypatch):
    folio, request = await reported(story), await traced(story, 1)
    # -- neither side says it for a criminal case, for migration control, or for anything but tracing
    for purpose in ("investigate-crime", "oversee", "repatriate", "protect-woman"):
        basis = {"purpose": purpose, "basis": "gt:mp:denuncia"}
        assert (await story.call("POST", "requests", tracing(2) | basis, **DELEGATE))[0] == 403, purpose
        assert (await story.call("POST", "requests", tracing(3, to=ICRC) | basis, **OFFICER))[0] == 403, purpose
    # -- whoever answers does it for the purpose it was asked for, whatever they type
    [question] = await opened(story.node, "search.request")
    assert (question.purpose, question.use.onward) == ("locate-missing", "none")
    await story.call("POST", f"requests/{request}/clarify", {"fields": ["sex"]}, **OFFICER)
    await story.federation.settle()
    assert {message.purpose for message in await opened(story.federation.nodes[ICRC], "%")} <= {"locate-missing"}
    # -- its record, signed for us and this purpose, convinces nobody else: an MBMID that passes it on is refused at the door
    assert (await story.says(folio, "given", "La madre", "c3", "c4"))[0] == 200
    [brought] = [record.sd_jwt for record in question.records]
    node = story.node.capabilities
    [(case,)] = await table(story.node, f"SELECT thread_id FROM cases WHERE folio = '{folio}'")
    asked = Question(to=NodeId(FGR), want=(Code("sex"),), purpose=Code("locate-missing"), basis=Code("consent"), case_ref=case,
                     records=(SourceRecord(RecordType.MISSING_PERSON, BROTHER),))  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(Sealer, "issue_record", lambda *_, **__: brought)
        person = "0198aaaa-0000-7000-8000-000000000001"
        assert not isinstance(await ask_search(asked, node, by=By(person, node.pseudonyms.actor("x"))), Held)
    await story.federation.settle()
    assert await table(story.node, f"SELECT state FROM outbox WHERE lane = '{FGR}'") == [("rejected",)]
    assert await opened(story.federation.nodes[FGR], "%") == []
    # control: a record of the MBMID's own is taken there
    other = await reported(story)
    assert (await story.says(other, "given", "La madre", "c3", "c4"))[0] == 200
    await story.ok("POST", "requests", tracing(4, to=FGR, case_ref=other, basis="consent"), **OFFICER)
    await story.federation.settle()
    assert len(await opened(story.federation.nodes[FGR], "search.request")) == 1


async def test_the_ombudsman_sees_that_it_was_asked_and_nobody_to_summon(story):
    folio, request = await reported(story), await traced(story, 1)
    assert (await story.says(folio, "given", "La madre", "c6"))[0] == 200
    own = [{"type": "missing-person", "values": {"sex": "male", "age_range": {"min": 30, "max": 35}}}]
    answer = {"result": "possible", "case_ref": folio, "records": own}
    shown = await story.ok("POST", f"requests/{request}/preview", answer, **OFFICER)
    await story.ok("POST", f"held/{shown['id']}/confirm", {}, **OFFICER)
    await slot(story)
    ombudsman = {"at": PDH, "who": "officer@defensoria", "login": "pdh"}
    asked = await story.ok("POST", "audit", {"folio": folio, "complaint": "PDH-2026-9"}, **ombudsman)
    await story.federation.settle()
    window = (await story.ok("GET", f"audit/{asked['id']}", **ombudsman))["window"]
    [step] = [step for step in window["steps"] if step["asker"] == ICRC]
    assert (step["asked"], step["kind"], step["outcome"]) == (MBMID, "search.request", "answered")
    [copy] = [copy for copy in window["copies"] if copy["recipient"] == ICRC]
    assert [item["field"] for item in copy["fields"]] == ["sex"]
    # -- metadata alone: no value, no name of an enquirer, no file number of the ICRC's, and nobody's pseudonym
    [question] = await opened(story.node, "search.request")
    seen = story.seen_at(PDH) + "\n".join(map(in_clear, await opened(story.federation.nodes[PDH], "%")))
    for secret in ("Hondurascanario", "Zanatukcaal", "RFL-", '"male"', str(question.actor), str(question.case_alias)):
        assert secret not in seen, secret
    assert ICRC in seen  # control
    # -- and of the ICRC itself nothing is asked: its books are its own
    status, _ = await story.call("POST", "audit", {"folio": folio, "complaint": "PDH-2026-9", "to": ICRC}, **ombudsman)
    assert status == 403
