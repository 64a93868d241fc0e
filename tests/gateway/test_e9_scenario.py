"""E9, a patient nobody knows: whom a hospital tells, and that no way leads to the police or to migration control. On whole nodes."""

import pytest

from contracts.fields import Form, RecordType
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.policy import load_template, parse_policy
from contracts.register import Role
from tests.gateway.story import MBMID, in_clear, opened, sent, told_in, told_story
from tests.gateway.test_e7_scenario import slot
from tests.gateway.test_exchange import row, send, table

DESK, MSPAS, PNC, CONTROL = "gt.conamigua", "gt.mspas", "gt.pnc", "gt.igm.control"
CARE = {"at": MSPAS, "who": "officer@social", "login": "social"}
POLICE = {"at": PNC, "who": "officer@central", "login": "agente"}
BORDER = {"at": CONTROL, "who": "officer@frontera", "login": "delegado"}
LAW = {"purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207"}
PATIENT = {
    "sex": "male", "age_range": {"min": 42, "max": 48}, "said_names": ["Cesarzanatuk"], "heard_language": "spa",
    "facility": "Hospital Zanatukhospital", "presumed_nationality": ["hn"],
}  # fmt: skip
RECORD = {"type": "unidentified-person", "values": PATIENT}
SOUGHT = {
    "type": "missing-person",
    "values": {"given_names": ["Ficticio"], "surname_1": "Caal", "sex": "male", "age_range": {"min": 42, "max": 46}},
}


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, MSPAS, PNC, CONTROL) as found:
        yield found


async def told_of_a_patient(story):
    """The hospital tells of him, and the MBMID knows a case of its own; its folio."""
    find = {"authority": "gt.hospital.zanatuk", "country": "GT", "case_ref": "cama-13", "records": [RECORD]}
    await story.ok("POST", "findings", find, **CARE)
    await send(story.federation, row())
    await story.federation.settle()
    folio = (await table(story.node, "SELECT folio FROM cases WHERE kind = 'report'"))[0][0]
    # He wants to be found, so no wish of his is what keeps it from anybody.
    await story.ok("POST", "wishes", {"case_ref": folio, "wish": "contact", "evidence": "interview"}, login="oficial")
    await story.ok("POST", "wishes", {"case_ref": "cama-13", "wish": "contact", "evidence": "interview"}, **CARE)
    return folio


async def police_want(story, folio):
    """The MBMID asks the police, who ask back for what it knows of a patient; their question."""
    asked = {"to": PNC, "want": ["sex"], "case_ref": folio, "records": [SOUGHT]} | LAW
    await story.ok("POST", "requests", asked, login="oficial")
    await story.federation.settle()
    [request] = (await story.ok("GET", "requests", **POLICE))["requests"]
    wanted = {"fields": ["sex", "facility", "said_names"], "record_type": "unidentified-person", "reason": "verify"}
    await story.ok("POST", f"requests/{request['request_id']}/clarify", wanted, **POLICE)
    await slot(story)
    [back] = [item for item in (await story.ok("GET", "requests"))["requests"] if item["direction"] != "asked"]
    assert (back["peer"], back["state"]) == (PNC, "open")
    return back["request_id"]


async def knows(story, name):
    node = story.federation.nodes[name]
    said = "\n".join(map(in_clear, await opened(node, "%"))) + await told_in(story, name) + story.seen_at(name)
    return [word for word in ("zanatuk", "cama-13") if word in said.casefold()]


async def test_a_hospital_tells_the_mbmid_and_the_police_and_migration_control_hear_of_no_patient(story):
    folio = await told_of_a_patient(story)
    assert {message.recipient for message in await sent(story.federation.nodes[MSPAS])} == {MBMID}
    assert "cesarzanatuk" in await told_in(story, MBMID)  # control: there he is found
    assert "zanatukhospital" not in await told_in(story, MBMID)
    # -- they ask the hospital, or the MBMID, themselves
    for who in (POLICE, BORDER):
        for to in (MSPAS, MBMID):
            asked = {"to": to, "want": ["sex", "facility"], "case_ref": "x-1", "records": [SOUGHT]} | LAW
            assert (await story.call("POST", "requests", asked, **who))[0] == 403, (who, to)
    # -- the MBMID, or the hospital, brings it to them: a question, an answer, a referral
    back = await police_want(story, folio)
    answer = {"case_ref": folio, "records": [RECORD], "finder_released": True}
    assert (await story.call("POST", f"requests/{back}/preview", answer, login="oficial"))[0] == 403
    for to in (PNC, CONTROL):
        asked = {"to": to, "want": ["sex"], "case_ref": folio, "records": [RECORD]} | LAW
        assert (await story.call("POST", "requests", asked, login="oficial"))[0] == 403, to
        assert (await story.call("POST", "requests", asked | {"case_ref": "cama-13"}, **CARE))[0] == 403, to
    offer = {"to": PNC, "case": folio, "service": "crime-report", "minor": "no"} | LAW
    offered = await story.ok("POST", "referrals", offer, login="oficial")
    await story.federation.settle()
    await story.ok("POST", f"referrals/{offered['id']}/accept", {}, **POLICE)
    await story.federation.settle()
    news = {"progress": "records-sent", "records": [RECORD]}
    assert (await story.call("POST", f"referrals/{offered['id']}/update", news, login="oficial"))[0] == 403
    assert (await story.call("POST", "referrals", offer | {"to": CONTROL}, login="oficial"))[0] == 403
    await slot(story)
    assert await knows(story, PNC) == []
    assert await knows(story, CONTROL) == []
    assert await table(story.federation.nodes[CONTROL], "SELECT count(*) FROM inbox") == [(0,)]


async def test_control_a_policy_that_tells_the_police_is_seen_and_still_keeps_the_hospital_back(story):
    folio = await told_of_a_patient(story)
    policy = story.node.trust.state.policy
    fields = {Code(name): Form.EXACT for name in ("sex", "said_names", "facility", "presumed_nationality")}
    change = {"recipients": (Role.POLICE,), "fields": fields, "needs": {}, "kinds": (Code("referral.update"),),
              "purposes": (Code("locate-missing"),)}  # fmt: skip
    rules = [rule.model_copy(update=change) if rule.id == "finding-05" else rule for rule in policy.rules]
    story.decree(policy.model_copy(update={"rules": tuple(rules)}))
    offer = {"to": PNC, "case": folio, "service": "crime-report", "minor": "no"} | LAW
    offered = await story.ok("POST", "referrals", offer, login="oficial")
    await story.federation.settle()
    await story.ok("POST", f"referrals/{offered['id']}/accept", {}, **POLICE)
    await story.federation.settle()
    news = {"progress": "records-sent", "records": [RECORD]}
    await story.ok("POST", f"referrals/{offered['id']}/update", news, login="oficial")
    await story.federation.settle()
    assert await knows(story, PNC) == ["zanatuk"]
    assert "zanatukhospital" not in await told_in(story, PNC)


def test_the_first_policy_tells_of_a_patient_to_four_and_to_no_others():
    policy = parse_policy(load_template("first-policy"))
    told = {
        role
        for role in Role
        for kind in MESSAGE_TYPES
        for purpose in policy.purposes
        if policy.rule_for(RecordType.UNIDENTIFIED_PERSON, kind, role, purpose.id) is not None
    }
    assert told == {Role.SEARCH_MECHANISM, Role.CHILD_PROTECTION, Role.FOREIGN_CONSULATE, Role.HUMANITARIAN}
