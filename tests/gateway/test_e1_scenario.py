"""E1, the Texas pilot: a body at a county, a mother in Guatemala; what each institution learns of it, and what the county never does."""

from datetime import timedelta

import pytest

from contracts import walls as walls_module
from contracts.fields import FIELDS, RecordType, Sensitivity
from tests.gateway.story import MBMID, desk_mapping, opened, sent, told_in, told_story
from tests.gateway.test_exchange import table

DESK, MINEX, RENAP, COUNTY = "gt.conamigua", "gt.minex", "gt.renap", "us.tx.kenedy"
NAMES = (MBMID, DESK, MINEX, RENAP, COUNTY)
HEADINGS = "Nombres,Apellidos,Edad,Sexo,CUI,Último contacto,Destino,Reportante,Parentesco,Teléfono,Dirección"
SON = "Ficticio Zanatuk,Caalhijo,26,M,,2026-09-15,Zanatukdestino,Ficticia Zanatukmadre,Madre,+50255550400,Aldea Zanatukaldea"
REMAINS = {
    "sex": "male", "age_range": {"min": 22, "max": 30}, "height_cm": {"min": 160, "max": 166},
    "marks": [{"type": "tattoo", "region": "forearm-left"}], "clothing": [{"type": "shirt", "colour": "blue"}],
    "possible_names": ["Zanatukdocumento"], "documents_found": [{"type": "dpi-fragment"}], "phones_found": ["+50255550499"],
    "found_date": {"date": "2026-11-02", "precision": "day"}, "identification": "unidentified",
}  # fmt: skip
TEXTS = {"text", "long_text", "choice"}


def canary(record, name):
    """A value of this field's kind that nobody else has; None where its kind has no room for one."""
    word = f"zanatuk-{record}-{name}".replace("_", "-")
    return {
        "text": word, "long_text": word, "choice": word, "choices": [word], "names": [word], "items": [{"type": word}],
        "phones": ["+50255550477"],
    }.get(FIELDS[record][name].kind)  # fmt: skip


def protected(record):
    return {name for name, field in FIELDS[record].items() if field.sensitivity >= Sensitivity.PROTECTED}


def planted(record, **values):
    """A record with a canary in every field of class S4 or S5 that has room for one, and the son's own data."""
    found = {name: canary(record, name) for name in sorted(protected(record))}
    return {"type": record.value, "values": {name: value for name, value in found.items() if value is not None} | values}


HIM = planted(
    RecordType.MISSING_PERSON,
    given_names=["Ficticio", "Zanatuk"], surname_1="Caalhijo", sex="male", age_range={"min": 26, "max": 26},
    birth_date={"date": "2000-05-01", "precision": "day"},
)  # fmt: skip
HER = planted(RecordType.REPORTER, relationship="mother", language="kek")
BROTHER = {
    "type": "reporter",
    "values": {"name": ["Ficticio", "Zanatukhermano"], "phones": ["+12055550188"], "relationship": "sibling"},
}


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, *NAMES) as found:
        desk_mapping(found.federation.nodes[DESK], "libro", "huehuetenango")
        yield found


async def reported(story):
    [answer] = await story.reports("libro", f"{HEADINGS}\n{SON}\n", at=DESK, who="desk-clerk@huehuetenango")
    assert answer["outcome"] == "imported", answer
    await story.federation.settle()
    [case] = [case for case in (await story.ok("GET", "cases"))["cases"] if case["kind"] == "report"]
    return case["folio"]


async def released(story, held, *, at=None, who="officer@igm", login="segunda"):
    """A second officer reads what waits, lets its texts go and agrees to exactly that."""
    held_id = held.get("held") or held["id"]
    waiting = await story.ok("GET", f"held/{held_id}", at=at, who=who, login=login)
    if waiting["texts"]:
        places = {"places": [text["place"] for text in waiting["texts"]]}
        left = await story.ok("POST", f"held/{held_id}/release", places, at=at, who=who, login=login)
        if left["state"] != "held":
            return left
    return await story.ok("POST", f"held/{held_id}/approve", {"content": waiting["content"]}, at=at, who=who, login=login)


async def at_slot(story):
    story.federation.clock.forward(minutes=25)
    await story.federation.settle()


async def county_asks(story, want):
    body = {
        "to": MBMID, "want": want, "purpose": "identify-remains", "basis": "us:tx:john-joseph", "case_ref": "ML-26-118",
        "urgency": "normal",
    }  # fmt: skip
    await story.ok("POST", "requests", body, at=COUNTY, who="officer@kenedy", login="jp")
    await story.federation.settle()
    asked = (await story.ok("GET", "requests"))["requests"]
    [request] = [item for item in asked if item["peer"] == COUNTY and item["state"] == "open"]
    return request["request_id"]


async def test_from_the_body_to_the_mother(story):
    federation = story.federation
    folio = await reported(story)

    # -- the consulate tells the MBMID: coded descriptors, when two have agreed
    minex = {"at": MINEX, "who": "officer@mcallen"}
    find = {
        "authority": "us.tx.kenedy.jp-2", "country": "US", "case_ref": "hallazgo-7", "sender_reference": "ML-26-118",
        "records": [{"type": "unidentified-remains", "values": REMAINS}],
    }  # fmt: skip
    began = federation.clock.now()
    held = await story.ok("POST", "findings", find, login="consul", **minex)
    assert held["waits"] == ["wall:two-persons"]
    assert await sent(federation.nodes[MINEX], "finding.notice") == []
    await released(story, held, **minex)
    await federation.settle()
    assert federation.clock.now() - began < timedelta(hours=24)  # acknowledged the same day, with a reference and no count
    [acknowledged] = await opened(federation.nodes[MINEX], "finding.acknowledgement")
    assert acknowledged.body.candidates == "unknown"
    [notice] = await opened(story.node, "finding.notice")
    disclosed = {item.field: item.form for record in notice.records for item in record.disclosed}
    assert disclosed["marks"] == "coded"
    assert disclosed.keys().isdisjoint(protected(RecordType.UNIDENTIFIED_REMAINS))

    # -- an officer of the MBMID reads it and compares with the families' reports here, on this node alone
    brought = await story.ok("GET", f"received/{notice.message_id}", login="oficial")
    [claims] = [record["claims"] for record in brought["records"]]
    assert (claims["sex"], claims["possible_names"]) == ("male", ["Zanatukdocumento"])
    [transfer] = await opened(story.node, "report.transfer")
    ours = await story.ok("GET", f"received/{transfer.message_id}", login="oficial")
    assert ours["records"][0]["claims"]["given_names"] == ["Ficticio", "Zanatuk"]

    # -- it asks for the mark, and gets the mark
    await story.ok("POST", f"findings/{notice.message_id}/clarify", {"fields": ["marks"]}, login="oficial")
    await federation.settle()
    [request] = [item for item in (await story.ok("GET", "requests", **minex))["requests"] if item["state"] == "open"]
    # meanwhile the consulate asks for one contact of the family
    wanted = {"fields": ["name", "phones", "address"], "record_type": "reporter", "reason": "notify"}
    await story.ok("POST", f"requests/{request['request_id']}/clarify", wanted, login="consul", **minex)
    await federation.settle()
    mark = [{"type": "tattoo", "region": "forearm-left", "side": "left"}]
    answer = {"case_ref": "hallazgo-7", "records": [{"type": "unidentified-remains", "values": REMAINS | {"marks": mark}}]}
    shown = await story.ok("POST", f"requests/{request['request_id']}/preview", answer, login="consul", **minex)
    assert [row["field"] for row in shown["rows"] if row["rule"] == "answer-02" and row["leaves"] != "no sale"] == ["marks"]
    await story.ok("POST", f"held/{shown['id']}/confirm", {}, login="consul", **minex)
    await released(story, {"id": shown["id"]}, **minex)
    await at_slot(story)
    [granted] = await opened(story.node, "disclosure.grant")
    assert [item.field for record in granted.records for item in record.disclosed] == ["marks"]

    # -- RENAP: yes or no, and not a word more
    check = {
        "question": "data-matches", "purpose": "identify-remains", "basis": "gt:codigo-migracion:198-207", "case_ref": folio,
        "records": [{"type": "missing-person", "values": {
            "given_names": ["Ficticio", "Zanatuk"], "surname_1": "Caalhijo", "birth_date": {"date": "2000-05-01", "precision": "day"},
        }}],
    }  # fmt: skip
    asked = await story.ok("POST", "identity-checks", check, login="oficial")
    await federation.settle()
    renap = {"at": RENAP, "who": "officer@renap", "login": "renap"}
    assert (await story.ok("GET", f"requests/{asked['message_id']}", **renap))["body"] == {"question": "data-matches"}
    for wrong in ({"answer": "maybe"}, {"answer": True}, {}):
        assert (await story.call("POST", f"requests/{asked['message_id']}/identity", wrong, **renap))[0] == 422
    assert (await story.call("POST", f"requests/{asked['message_id']}/decline", {"reason": "x"}, **renap))[0] == 403
    await story.ok("POST", f"requests/{asked['message_id']}/identity", {"answer": "yes"}, **renap)
    await federation.settle()
    answered = (await story.ok("GET", f"requests/{asked['message_id']}", login="oficial"))["answer"]
    assert (answered["body"], answered["records"]) == ({"answer": "yes"}, [])
    # -- never: a name on a document taken for an identity. It moved no case, opened nothing and went to nobody else
    found = [case for case in (await story.ok("GET", "cases"))["cases"] if case["kind"] in {"report", "finding"}]
    assert {(case["kind"], case["state"]) for case in found} == {("report", "received"), ("finding", "received")}
    assert await table(
        story.node, "SELECT count(*) FROM outbox WHERE kind IN ('case.status', 'note', 'expert.conclusion')"
    ) == [(0,)]
    for name in NAMES:
        assert ("zanatukdocumento" in await told_in(story, name)) == (name == MBMID), name

    # -- to the consulate: name and telephone of the one who agreed to it
    [contact] = [item for item in (await story.ok("GET", "requests"))["requests"] if item["state"] == "open"]
    mother = {
        "type": "reporter",
        "values": {"name": ["Ficticia", "Zanatukmadre"], "phones": ["+50255550400"], "address": "Zanatukaldea"},
    }
    giving = {"case_ref": folio, "records": [mother], "relative": "Madre"}
    path = f"requests/{contact['request_id']}/preview"
    assert (await story.call("POST", path, giving, login="oficial"))[0] == 403  # she has not agreed to anything yet
    await story.says(folio, "given", "Madre", "c2", "c5", "c12")
    assert (await story.call("POST", path, giving | {"relative": "Hermano"}, login="oficial"))[0] == 403  # nor did he
    shown = await story.ok("POST", path, giving, login="oficial")
    left = await story.ok("POST", f"held/{shown['id']}/confirm", {}, login="oficial")
    if left["state"] == "held":
        await released(story, left)
    await at_slot(story)
    at_minex = await told_in(story, MINEX)
    assert "zanatukmadre" in at_minex
    assert "zanatukaldea" not in at_minex

    # -- to CONAMIGUA: the hamlet and the contact, for the journey home
    offer = {
        "to": DESK, "case": folio, "service": "transport", "minor": "no", "purpose": "repatriate", "basis": "consent",
    }  # fmt: skip
    offered = await story.ok("POST", "referrals", offer, login="oficial")
    await federation.settle()
    await story.ok("POST", f"referrals/{offered['id']}/accept", {}, at=DESK, who="officer@huehuetenango", login="traslados")
    await federation.settle()
    news = {"progress": "records-sent", "records": [mother], "relative": "Madre"}
    update = await story.ok("POST", f"referrals/{offered['id']}/update", news, login="oficial")
    if update["state"] == "held":
        await released(story, update)
    await federation.settle()
    assert "zanatukaldea" in await told_in(story, DESK)

    # -- the county asks for everything; it gets the identity, the spelling of the name and the date of birth
    want = ["given_names", "surname_1", "birth_date", "intended_destination", "companions", "phones", "narrative"]
    request_id = await county_asks(story, want)
    county = {"result": "match", "case_ref": folio, "records": [HIM]}
    for relatives in ([HIM, HER], [HIM, BROTHER]):
        refused = await story.call("POST", f"requests/{request_id}/preview", county | {"records": relatives}, login="oficial")
        assert refused[0] == 403, refused
    shown = await story.ok("POST", f"requests/{request_id}/preview", county, login="oficial")
    left = await story.ok("POST", f"held/{shown['id']}/confirm", {}, login="oficial")
    if left["state"] == "held":
        await released(story, left)
    await at_slot(story)
    assert "caalhijo" in await told_in(story, COUNTY)
    # -- test: of every outbound byte to the county, opened, no field is of class S4, and no canary of one is there
    to_county = [message for node in federation.nodes.values() for message in await sent(node, to=COUNTY)]
    assert {message.type for message in to_county} >= {"search.response"}
    names = {item.field for message in to_county for record in message.records for item in record.disclosed}
    assert names == {"given_names", "surname_1", "birth_date"}
    assert names.isdisjoint(protected(RecordType.MISSING_PERSON) | protected(RecordType.REPORTER))
    said = "\n".join(message.model_dump_json() for message in to_county).casefold() + await told_in(story, COUNTY)
    asked = (await story.ok("GET", "requests", at=COUNTY, who="officer@kenedy", login="jp"))["requests"]
    read = await story.ok("GET", f"requests/{asked[0]['request_id']}", at=COUNTY, who="officer@kenedy", login="jp")
    assert {name for record in read["answer"]["records"] for name in record["claims"]} == names
    for word in (
        "zanatuk-missing",
        "zanatuk-reporter",
        "zanatukmadre",
        "zanatukhermano",
        "zanatukaldea",
        "55550188",
        "55550477",
    ):
        assert word not in said, word
        assert word not in story.seen_at(COUNTY).casefold(), word


async def test_control_a_policy_that_tells_the_county_everything_meets_the_wall_and_without_it_is_seen(story, monkeypatch):
    folio = await reported(story)
    await story.says(folio, "given", "Madre", *(f"c{number}" for number in range(1, 14)))
    policy = story.node.trust.state.policy
    everything = dict(next(rule for rule in policy.rules if rule.id == "report-01").fields)
    rules = tuple(
        rule.model_copy(update={"fields": everything, "needs": {}}) if rule.id == "search-08" else rule for rule in policy.rules
    )
    nevers = tuple(entry for entry in policy.nevers if entry.record != "missing-person")
    story.decree(policy.model_copy(update={"rules": rules, "nevers": nevers}))
    request_id = await county_asks(story, ["given_names", "religion"])
    county = {"result": "match", "case_ref": folio, "records": [HIM]}
    status, problem = await story.call("POST", f"requests/{request_id}/preview", county, login="oficial")
    assert (status, "a Estados Unidos no va nada protegido" in problem["title"]) == (403, True), problem
    taken = tuple(wall for wall in walls_module._WALLS if wall[0] != walls_module.WALL_RELATIVES)
    monkeypatch.setattr(walls_module, "_WALLS", taken)
    shown = await story.ok("POST", f"requests/{request_id}/preview", county, login="oficial")
    left = await story.ok("POST", f"held/{shown['id']}/confirm", {}, login="oficial")
    if left["state"] == "held":
        await released(story, left)
    await at_slot(story)
    assert "zanatuk-missing-person-religion" in await told_in(story, COUNTY)
