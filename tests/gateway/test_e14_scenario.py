"""E14, a complaint: "nobody did anything for five months". As the ombudsman, the MBMID and the family live it, on whole nodes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text as sql

from contracts.calendars import Holidays, OfficeCalendar
from contracts.errors import NotPermittedError
from contracts.ids import Code, Folio, NodeId
from contracts.messages import AuditRequest, AuditRequestBody, AuditResponse
from contracts.register import KeysetLog
from gateway.exchange import oversight, receive
from gateway.exchange import submit as submit_module
from gateway.exchange.ask import ask
from gateway.exchange.submit import Draft, submit
from gateway.main.logcheck import check_log
from gateway.people.offices import USUAL_HOURS, parse_hours
from gateway.storage.engine import create_engine
from keys.keystore import load_node_keys
from keys.register.ceremony import make_keyset, stage_keyset
from tests.gateway.story import MBMID, CommandLine, leaves_of, opened, told_story
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.gateway.test_recall import erase
from tests.promises.canaries import files

DESK, MINEX, CNB, PDH = "gt.conamigua", "gt.minex", "mx.cnb", "gt.pdh"
PERSON = {"given_names": ["Ficticio", CANARY], "surname_1": "Zanatukcaal", "sex": "male", "age_range": {"min": 30, "max": 35}}
DPO, OMBUDSMAN = "data-protection", "officer@defensoria"
QUEJA = "PDH-2026-77"


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, MINEX, CNB, PDH) as found:
        yield found


async def a_case(story, **values):
    await send(story.federation, row(surname_1="Zanatukcaal", **values))
    await story.federation.settle()
    return (await table(story.node, "SELECT folio FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1"))[0][0]


def question(folio, to, basis="gt:codigo-migracion:198-207", **values):
    records = [{"type": "missing-person", "values": PERSON | values}]
    return {"to": to, "want": ["sex"], "purpose": "locate-missing", "basis": basis, "case_ref": folio, "records": records}


async def months(story, number):
    """Time goes by, and the register is kept fresh."""
    for _ in range(number):
        story.federation.clock.forward(days=30)
        await renew(story.federation)
    await story.federation.settle()


async def renew(federation):
    """Renew every node's keyset, as its administrators would, and publish."""
    for node in federation.nodes.values():
        keyset = node.trust.state.keyset(node.config.node)
        log = KeysetLog(origin=keyset.log.origin, vkey=keyset.log.vkey)
        keys = load_node_keys(node.config.node_keys, node.config.key_identity)
        fresh = make_keyset(keys, endpoint=keyset.endpoint.url, log=log, seq=keyset.seq + 1, now=federation.clock.now())
        stage_keyset(federation.register, fresh, now=federation.clock.now())
    await federation.publish()


async def asks_for_the_window(story, folio, complaint=QUEJA, **more):
    asked = await story.ok("POST", "audit", {"folio": folio, "complaint": complaint} | more, at=PDH, who=OMBUDSMAN)
    await story.federation.settle()
    return (await story.ok("GET", f"audit/{asked['id']}", at=PDH, who=OMBUDSMAN))["window"]


async def worked_on(story):
    """A report; MINEX never answers; the desk does; Mexico gets features and must give them back."""
    folio = await a_case(story)
    assert (await story.says(folio, "given", "La madre", "c3"))[0] == 200
    await story.ok("POST", "requests", question(folio, MINEX))
    asked = await story.ok("POST", "requests", question(folio, DESK))
    await story.ok("POST", "requests", question(folio, CNB, basis="consent"))
    await story.federation.settle()
    nothing = {"searched": ["registry"], "as_of": story.federation.clock.now().isoformat()}
    await story.ok("POST", f"requests/{asked['message_id']}/no-information", nothing, at=DESK)
    story.federation.clock.forward(minutes=30)
    await story.federation.settle()
    assert (await story.says(folio, "withdrawn", "La madre", "c3"))[0] == 200
    await erase(story.federation, hours=36)
    return folio


def due_at_a_desk(opened, *, hours):
    """When an answer is due by the hours that every office has at first: a closed desk moves it to when it opens."""
    over = datetime.fromtimestamp(opened, UTC) + timedelta(hours=hours)
    none = Holidays(frozenset({over.year, over.year + 1}), frozenset())
    calendar = OfficeCalendar(ZoneInfo("America/Guatemala"), parse_hours(USUAL_HOURS), none)
    return int(calendar.next_working_moment(over).timestamp())


async def test_the_ombudsman_sees_what_was_done_and_when_and_nothing_of_anybody(story):
    folio = await worked_on(story)
    await months(story, 5)
    window = await asks_for_the_window(story, folio)

    # -- the timeline: who, what question, when answered, overdue
    assert window["result"] == "opened"
    assert window["complete"]
    steps = {(step["asker"], step["asked"], step["kind"]): step for step in window["steps"]}
    silent, answered = steps[MBMID, MINEX, "search.request"], steps[MBMID, DESK, "search.request"]
    assert "answered_at" not in silent
    assert silent["overdue"] is True
    assert silent["due_at"] == due_at_a_desk(silent["opened_at"], hours=72)
    assert answered["overdue"] is False
    assert answered["opened_at"] <= answered["answered_at"] < answered["due_at"]
    assert (answered["state"], answered["outcome"]) == ("closed", "answered")
    report = steps[DESK, MBMID, "report.transfer"]
    assert report["answered_at"] - report["opened_at"] < 300

    # -- what left: fields with their forms, date, purpose, basis, what became of the copy
    copies = {copy["recipient"]: copy for copy in window["copies"]}
    assert set(copies) == {MINEX, DESK, CNB}
    assert {item["field"]: item["form"] for item in copies[MINEX]["fields"]}["surname_1"] == "exact"
    assert {item["field"] for item in copies[CNB]["fields"]} == {"sex", "age_range"}  # features: names needed C4
    assert (copies[CNB]["recall"], copies[CNB]["basis"], copies[CNB]["purpose"]) == ("erased", "consent", "locate-missing")
    assert copies[MINEX]["recall"] == "held"
    assert all(copy["sent_at"] < copy["retain_until"] for copy in copies.values())

    # -- never: content beyond class S1. Not on the wire, not in what a person read there, not in a file of that node
    [message] = await opened(story.federation.nodes[PDH], "audit.response")
    read = message.model_dump_json() + story.seen_at(PDH)
    for secret in (CANARY, "Zanatukcaal", "50255550100", "salió a pie", "La madre", "2026-10-15", '"male"'):
        assert secret.casefold() not in read.casefold(), secret
    for path in files(story.federation.home / PDH):
        assert b"zanatukcaal" not in path.read_bytes().lower(), path
    assert folio in read  # control: the same search finds what is there

    # -- and the family, which asks who has its data, reads it
    read = await story.family_reads(folio)
    for line in ("gt.minex (ficticio)", "mx.cnb (ficticio)", "lo tiene", "lo borró, con constancia firmada", "Para qué:",
                 "Por qué ley o permiso:", "Puede conservarlo hasta:", "Primer apellido"):  # fmt: skip
        assert line in read, line
    _, answer = await story.call("GET", f"cases/{folio}/who-has")
    for held in answer["holdings"]:
        assert datetime.fromisoformat(held["sent"])
        assert {"node", "field", "form", "purpose", "basis", "state"} <= set(held)
    assert CANARY not in read


async def test_one_leaf_on_each_side_and_the_institutions_data_protection_sees_it(story):
    folio = await a_case(story)
    await asks_for_the_window(story, folio)
    seen = (await story.ok("GET", "oversight", who=DPO))["windows"]
    looked = [leaf for leaf in await leaves_of(story.federation.nodes[MBMID]) if leaf.get("detail") == "audit.read windows"]
    assert len(looked) == 1  # that they looked is in the log too
    assert [(line["node"], line["folio"], line["complaint"], line["result"]) for line in seen] == [
        (PDH, folio, QUEJA, "opened")
    ]
    alarms = (await story.ok("GET", "alarms", who=DPO))["alarms"]
    assert [alarm["peer"] for alarm in alarms if alarm["code"] == "audit-window"] == [PDH]
    for name, events in ((PDH, ["msg.sent", "msg.received"]), (MBMID, ["msg.received", "msg.sent"])):
        leaves = await leaves_of(story.federation.nodes[name])
        told = [(leaf["type"], leaf["ev"]) for leaf in leaves if str(leaf.get("type", "")).startswith("audit.")]
        assert told == list(zip(["audit.request", "audit.response"], events, strict=True))
    reading = [leaf for leaf in await leaves_of(story.federation.nodes[PDH]) if "window.read" in leaf.get("detail", "")]
    assert len(reading) == 1  # and who read it there is in the ombudsman's own log
    status, _ = await story.call("GET", "oversight")
    assert status == 403  # an officer of cases does not watch who watches


async def test_the_ombudsman_cannot_browse(story):
    folio = await a_case(story)
    other = await a_case(story)
    # never: a list of cases by surname, or any list of another institution's cases
    for named in ("Zanatukcaal", CANARY, "Ficticio Zanatukcaal", "MBMID-2026-%", "*", "", 7, None, ["x"]):
        status, _ = await story.call("POST", "audit", {"folio": named, "complaint": QUEJA}, at=PDH, who=OMBUDSMAN)
        assert status == 422, named
    for query in ("cases?surname=Zanatukcaal", "cases", "requests"):
        status, answer = await story.call("GET", query, at=PDH, who=OMBUDSMAN)
        assert (status, any(answer.values())) == (200, False), query
    assert "message_id" not in str(await story.call("POST", "requests", question(folio, MBMID), at=PDH, who=OMBUDSMAN))
    assert await table(story.federation.nodes[PDH], "SELECT count(*) FROM outbox") == [(0,)]
    # one complaint opens one case
    assert (await asks_for_the_window(story, folio))["result"] == "opened"
    refused = await asks_for_the_window(story, other)
    assert (refused["result"], refused["basis"]) == ("refused", "complaint-of-another-case")
    assert "steps" not in refused or refused["steps"] == []
    assert (await asks_for_the_window(story, folio))["result"] == "opened"
    assert (await asks_for_the_window(story, "MBMID-2026-999999", "PDH-2026-78"))["result"] == "unknown-case"


async def test_counting_up_folios_ends_at_the_days_quota_and_is_seen(story, monkeypatch):
    folio = await a_case(story)
    monkeypatch.setattr(oversight, "WINDOWS_PER_DAY", 3)
    results = [(await asks_for_the_window(story, folio, f"PDH-2026-{number}"))["result"] for number in range(5)]
    assert results == ["opened"] * 3 + ["refused"] * 2
    assert await table(story.node, "SELECT count(*) FROM alarms WHERE code = 'audit-quota'") == [(2,)]
    await months(story, 1)
    assert (await asks_for_the_window(story, folio, "PDH-2026-9"))["result"] == "opened"


def hostile(story, name, folio, purpose="operate", basis="federation:operation"):
    node = story.federation.nodes[name].capabilities
    return Draft(
        kind=AuditRequest,
        to=NodeId(MBMID),
        body=AuditRequestBody(folio=Folio(folio), complaint=QUEJA),
        purpose=Code(purpose),
        basis=Code(basis),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(story.federation.clock.now()),
        case_key="x",
    )


@pytest.mark.parametrize(("purpose", "basis"), [("operate", "federation:operation"), ("oversee", "gt:pdh:supervision")])
async def test_nobody_else_opens_a_window(story, monkeypatch, purpose, basis):
    folio = await a_case(story)
    status, _ = await story.call("POST", "audit", {"folio": folio, "complaint": QUEJA}, at=MINEX, who="officer@minex")
    assert status == 403
    status, _ = await story.call("POST", "audit", {"folio": folio, "complaint": QUEJA, "to": CNB}, at=PDH, who=OMBUDSMAN)
    assert status == 403  # the mandate ends at the border
    minex = story.federation.nodes[MINEX].capabilities
    with monkeypatch.context() as patched:  # a member that asks all the same
        patched.setattr(
            submit_module,
            "_permit",
            lambda _draft, _node, trust: trust.policy.decide(
                "ping",
                trust.member(minex.us).role,
                trust.member(NodeId(MBMID)).role,
                Code("operate"),
                Code("federation:operation"),
            ),
        )
        await submit([hostile(story, MINEX, folio, purpose, basis)], minex)
    await story.federation.settle()
    assert await table(story.federation.nodes[MINEX], "SELECT state FROM outbox WHERE kind = 'audit.request'") == [
        ("rejected",)
    ]
    assert await table(story.node, "SELECT count(*) FROM windows") == [(0,)]
    assert await table(story.node, "SELECT count(*) FROM inbox WHERE kind = 'audit.request'") == [(0,)]


async def test_control_without_the_look_at_the_mandate_any_member_opens_one(story, monkeypatch):
    folio = await a_case(story)
    for module in (receive, oversight):
        monkeypatch.setattr(module, "has_mandate", lambda *_: True)
    await submit([hostile(story, MINEX, folio)], story.federation.nodes[MINEX].capabilities)
    await story.federation.settle()
    assert await table(story.node, "SELECT result FROM windows") == [("opened",)]


async def test_a_step_is_in_the_log_and_a_log_that_was_touched_is_found(story):
    folio = await a_case(story)
    window = await asks_for_the_window(story, folio)
    [turn] = [loop for loop in story.node.loops if loop.name == "log"]
    await turn.step()  # what its loop does all the time: a signed checkpoint
    leaf = window["steps"][0]["leaf"]
    pdh = story.federation.nodes[PDH].capabilities
    proof = Draft(
        kind=AuditRequest,
        to=NodeId(MBMID),
        body=AuditRequestBody(leaves=(leaf,)),
        purpose=Code("operate"),
        basis=Code("federation:operation"),
        actor=pdh.pseudonyms.actor("officer"),
        thread_id=pdh.new_thread_id(story.federation.clock.now()),
        case_key="x",
    )
    answer = await ask(proof, pdh)
    assert isinstance(answer, AuditResponse)
    assert [item.leaf for item in answer.body.proofs] == [leaf]
    assert (await check_log(story.node.config)).ok
    engine = create_engine(story.node.config.main_database)
    async with engine.begin() as connection:
        await connection.execute(
            sql("UPDATE leaves SET data = CAST(replace(CAST(data AS TEXT), 'v', 'w') AS BLOB) WHERE leaf_index = 0")
        )
    await engine.dispose()
    found = await check_log(story.node.config)
    assert (found.ok, found.first_bad) == (False, 0)


async def test_an_answer_to_nothing_that_was_asked_shows_nothing(story, monkeypatch):
    folio = await a_case(story)
    await asks_for_the_window(story, folio)
    [message] = await opened(story.federation.nodes[PDH], "audit.response")
    other = message.model_copy(
        update={
            "body": message.body.model_copy(
                update={"window": message.body.window.model_copy(update={"folio": Folio("MBMID-2026-000777")})}
            )
        }
    )
    with pytest.raises(NotPermittedError):
        await oversight.take_window(other, story.federation.nodes[PDH].capabilities)
    assert (await story.call("GET", "audit/no", at=PDH, who=OMBUDSMAN))[0] == 404
    missing = "0198aaaa-0000-7000-8000-000000000001"
    assert (await story.call("GET", f"audit/{missing}", at=PDH, who=OMBUDSMAN))[0] == 404


async def test_on_the_command_line(story, monkeypatch, capsys, tmp_path):
    folio = await worked_on(story)
    story.federation.clock.forward(days=4)
    await story.federation.publish()
    pdh = await CommandLine(story, monkeypatch, capsys, tmp_path, at=PDH).sign_in(OMBUDSMAN)
    code, said = await pdh("audit", "open", folio, "--complaint", QUEJA)
    assert code == 0, said
    window = said.split("audit show ")[1].strip()
    code, said = await pdh("audit", "show", window)
    assert "Aún no hay respuesta" in said
    await story.federation.settle()
    code, said = await pdh("audit", "list")
    assert (code, "abierta" in said) == (0, True), said
    code, said = await pdh("audit", "show", window)
    assert code == 0, said
    assert "FUERA DE PLAZO" in said
    assert "1 fuera de plazo" in said
    assert CANARY not in said
    code, said = await pdh("audit", "open", "Zanatukcaal", "--complaint", QUEJA)
    assert code == 2
    dpo = await CommandLine(story, monkeypatch, capsys, tmp_path, at=MBMID).sign_in(DPO, "dpo.ficticia")
    code, said = await dpo("audit", "opened", "--json")
    assert (code, folio in said, QUEJA in said) == (0, True, True), said
