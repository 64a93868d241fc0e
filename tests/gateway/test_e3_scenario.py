"""E3, a girl travelling alone: told at once to whom the law says, found in a shelter whose name two institutions know, and no more."""

from datetime import timedelta

import pytest

from contracts import walls as walls_module
from gateway.exchange.dispatch import dispatch_batch
from tests.gateway.story import MBMID, desk_mapping, opened, sent, told_in, told_story
from tests.gateway.test_exchange import table

PNC, PGN, MP, MINEX, COUNTY, CONTROL = "gt.pnc", "gt.pgn", "gt.mp", "gt.minex", "us.tx.kenedy", "gt.igm.control"
NAMES = (MBMID, PNC, PGN, MP, MINEX, COUNTY)
CLERK, OFFICER = "desk-clerk@solola", "officer@solola"
HEADINGS = (
    "Nombres,Apellidos,Edad,Sexo,Último contacto,Lugar del último contacto,Destino,Reportante,Parentesco,Teléfono,Dirección"
)
GIRL = (
    "Ficticia Zanatuk,Tzoczanatuk,15,F,2026-11-20,Tecún Umán,Tío Zanatuktio en Houston,"
    "Ficticia Tiazanatuk,Tía,+50255550300,Aldea Zanatukaldea"
)
HOUSEHOLD = ("zanatuktio", "houston", "tiazanatuk", "55550300", "zanatukaldea", "zanatukhogar")
PLACE = "Albergue Zanatukalbergue, Tapachula"
PERSON = {
    "given_names": ["Ficticia", "Zanatuk"], "surname_1": "Tzoczanatuk", "sex": "female", "age_range": {"min": 15, "max": 15},
    "intended_destination": "Tío Zanatuktio en Houston", "last_contact_date": {"date": "2026-11-20", "precision": "day"},
}  # fmt: skip
FOUND = {
    "given_names": ["Ficticia", "Zanatuk"], "surname_1": "Tzoczanatuk", "custody_type": "shelter", "facility": PLACE,
    "authority": "DIF Chiapas", "from_date": {"date": "2026-11-25", "precision": "day"},
    "birth_date": {"date": "2011-03-02", "precision": "day"},
}  # fmt: skip


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, *NAMES) as found:
        desk_mapping(found.federation.nodes[PNC], "libro", "solola")
        yield found


async def reported(story):
    [answer] = await story.reports("libro", f"{HEADINGS}\n{GIRL}\n", at=PNC, who=CLERK)
    assert answer["outcome"] == "imported", answer
    return answer


async def folio_of(story):
    [case] = [case for case in (await story.ok("GET", "cases"))["cases"] if case["kind"] == "report"]
    return case["folio"]


async def agreed(story, held, *, at=None, who="officer@igm"):
    """A second officer lets it go: about a child one alone tells nothing."""
    assert held["state"] == "held", held
    held_id = held.get("held", held["id"])
    return await story.ok("POST", f"held/{held_id}/approve", {"content": held["content"]}, at=at, who=who, login="segunda")


async def test_told_at_once_and_found_where_only_two_institutions_know(story):
    federation = story.federation
    # -- never: wait. The report and the notice leave in one transaction, nobody agrees to anything, and no clock runs
    answer = await reported(story)
    assert answer["kinds"] == ["report.transfer", "duty.notice"]
    [moments] = await table(federation.nodes[PNC], "SELECT count(DISTINCT created_ms) FROM outbox")
    assert moments == (1,)
    began = federation.clock.now()
    await federation.turn()
    assert federation.clock.now() - began < timedelta(minutes=1)
    [notice] = await opened(federation.nodes[PGN], "duty.notice")
    assert {"given_names", "surname_1", "name", "phones"} <= {
        item.field for record in notice.records for item in record.disclosed
    }
    await federation.settle()
    folio = await folio_of(story)
    assert "duty-notice" in {alarm["code"] for alarm in (await story.ok("GET", "alarms", at=PGN))["alarms"]}
    # whom PGN must call, PGN's officer reads; nobody had to agree
    brought = await story.ok("GET", f"received/{notice.message_id}", at=PGN, who="officer@pgn")
    assert [record["type"] for record in brought["records"]] == ["missing-person", "reporter"]
    # a copy to the prosecutor, for the crime, by an officer of the police, by duty
    copy = {
        "to": MP, "duty": "mp-denuncia", "purpose": "investigate-crime", "basis": "gt:mp:denuncia", "age_known": True,
        "records": [{"type": "missing-person", "values": PERSON}],
    }  # fmt: skip
    refused = await story.call("POST", f"cases/{folio}/duties", copy | {"to": COUNTY}, at=PNC, who=OFFICER)
    assert refused[0] == 403
    told = copy | {"purpose": "protect-child", "basis": "gt:alba-keneth:8"}
    assert (await story.ok("POST", f"cases/{folio}/duties", told, at=PNC, who=OFFICER))["state"] == "queued"
    await federation.settle()
    assert len(await opened(federation.nodes[MP], "duty.notice")) == 1

    # -- consent blocks nothing: the aunt takes back everything, and a second report of a child is told all the same
    status, _ = await story.says(folio, "withdrawn", "Tía", *(f"c{number}" for number in range(1, 14)))
    assert status == 200
    again = GIRL.replace("2026-11-20", "2026-11-21")
    [second] = await story.reports("libro", f"{HEADINGS}\n{again}\n", at=PNC, who=CLERK)
    assert second["kinds"] == ["report.transfer", "duty.notice"]
    await federation.settle()

    # -- found alive. The MBMID asks the consulates, two agreeing; MINEX has her in a shelter in Tapachula
    body = {
        "to": MINEX, "want": ["facility", "custody_type", "from_date"], "purpose": "locate-missing", "basis": "gt:alba-keneth:8",
        "case_ref": folio, "records": [{"type": "missing-person", "values": PERSON}],
    }  # fmt: skip
    held = await story.ok("POST", "requests", body, login="primera")
    await agreed(story, held)
    await federation.settle()
    minex = {"at": MINEX, "who": "officer@tapachula"}
    [request] = (await story.ok("GET", "requests", **minex))["requests"]
    found = {"result": "match", "case_ref": "nna-7", "records": [{"type": "custody", "values": FOUND}]}
    shown = await story.ok("POST", f"requests/{request['request_id']}/preview", found, login="consul", **minex)
    assert PLACE not in shown["payload"]
    # the location goes from MINEX to PGN: offered without her name, accepted, told when two agree
    [(thread,)] = await table(federation.nodes[MINEX], "SELECT thread_id FROM cases WHERE kind = 'search'")
    offer = {
        "to": PGN, "case": thread, "service": "child-protection", "minor": "yes", "purpose": "protect-child",
        "basis": "gt:alba-keneth:8", "urgency": "urgent",
    }  # fmt: skip
    offered = await story.ok("POST", "referrals", offer, login="consul", **minex)
    if offered["state"] == "held":
        await agreed(story, offered, **minex)
    await federation.settle()
    pgn = {"at": PGN, "who": "officer@pgn"}
    assert (await story.ok("POST", f"referrals/{offered['id']}/accept", {}, login="procuradora", **pgn))["state"] == "queued"
    await federation.settle()
    news = {"progress": "records-sent", "records": [{"type": "custody", "values": FOUND}]}
    waiting = await story.ok("POST", f"referrals/{offered['id']}/update", news, login="consul", **minex)
    assert await sent(federation.nodes[MINEX], "referral.update") == []
    left = await agreed(story, waiting, **minex)
    if left["state"] == "held":  # the place is a text somebody typed: a person has read it
        opened_ = await story.ok("GET", f"held/{waiting['held']}", login="segunda", **minex)
        places = {"places": [text["place"] for text in opened_["texts"]]}
        left = await story.ok("POST", f"held/{waiting['held']}/release", places, login="segunda", **minex)
        if left["state"] == "held":
            left = await story.ok(
                "POST", f"held/{waiting['held']}/approve", {"content": left["content"]}, login="segunda", **minex
            )
    assert left["state"] == "queued", left
    await federation.settle()
    [update] = await opened(federation.nodes[PGN], "referral.update")
    brought = await story.ok("GET", f"received/{update.message_id}", **pgn)
    assert brought["records"][0]["claims"]["facility"] == PLACE
    for name in NAMES:
        assert ("zanatukalbergue" in await told_in(story, name)) == (name == PGN), name
    for name in (MBMID, PNC, MP):
        assert "zanatukalbergue" not in story.seen_at(name).casefold()

    # -- the alert ends: everybody who was told is told so within the hour, and has signed for it
    cases = (await story.ok("GET", "cases", at=PNC, who=OFFICER))["cases"]
    own = next(case for case in cases if case["kind"] == "report-sent" and case["folio"] == folio)
    confirmed = federation.clock.now()
    federation.network.down.add(MP)
    ended = await story.ok("POST", f"cases/{own['folio']}/duties/cancel", {}, at=PNC, who=OFFICER)
    assert len(ended["messages"]) == 2
    await federation.turn()
    told = {duty["to"]: duty for duty in (await story.ok("GET", f"cases/{folio}/duties", at=PNC, who=OFFICER))["duties"]}
    assert {to: duty["cancel_delivery"] for to, duty in told.items()} == {PGN: "delivered", MP: "waiting"}  # who has not signed
    federation.network.down.clear()
    await federation.settle()
    assert federation.clock.now() - confirmed < timedelta(hours=1)
    told = (await story.ok("GET", f"cases/{folio}/duties", at=PNC, who=OFFICER))["duties"]
    assert {(duty["state"], duty["cancel_delivery"]) for duty in told} == {("closed", "delivered")}
    for name in (PGN, MP):
        [cancelled] = await opened(federation.nodes[name], "duty.cancel")
        assert cancelled.deadline - cancelled.issued_at == 3600
        assert set(type(cancelled.body).model_fields) == {"notice"}  # nothing of why, or of where
        state = f"SELECT state FROM cases WHERE opened_by = '{cancelled.body.notice}'"
        assert await table(federation.nodes[name], state) == [("cancelled",)]
        assert "duty-cancelled" in {alarm["code"] for alarm in (await story.ok("GET", "alarms", at=name))["alarms"]}
    assert (await story.call("POST", f"cases/{folio}/duties/cancel", {}, at=PNC, who=OFFICER))[0] == 404

    # -- never: who would take her in, in any message to a node of the United States
    assert await sent(story.node, to="us.%") == []


async def test_nobody_who_would_take_her_in_is_told_to_a_node_of_the_united_states(story, monkeypatch):
    """Whatever the policy says: here it lets everything out to that role, and the family agreed to everything."""
    await reported(story)
    await story.federation.settle()
    folio = await folio_of(story)
    await story.says(folio, "given", "Tía", *(f"c{number}" for number in range(1, 14)))
    policy = story.node.trust.state.policy
    everything = next(rule for rule in policy.rules if rule.id == "report-01").fields
    rules = tuple(
        rule.model_copy(update={"fields": dict(everything), "needs": {}}) if rule.id == "search-08" else rule
        for rule in policy.rules
    )
    nevers = tuple(entry for entry in policy.nevers if not entry.id.startswith("never:relatives"))
    story.decree(policy.model_copy(update={"rules": rules, "nevers": nevers}))
    asked = {
        "to": COUNTY, "want": ["sex"], "purpose": "locate-missing", "basis": "consent", "case_ref": folio,
        "records": [{"type": "missing-person", "values": PERSON}],
    }  # fmt: skip
    status, problem = await story.call("POST", "requests", asked, login="primera")
    assert (status, "a Estados Unidos no va nada protegido" in problem["title"]) == (403, True), problem
    assert await sent(story.node, to="us.%") == []
    # control: that policy, without the wall, would have told where the uncle lives
    taken = tuple(wall for wall in walls_module._WALLS if wall[0] != walls_module.WALL_RELATIVES)
    monkeypatch.setattr(walls_module, "_WALLS", taken)
    held = await story.ok("POST", "requests", asked, login="primera")
    opened_ = await story.ok("GET", f"held/{held['id']}", login="segunda")
    await story.ok(
        "POST", f"held/{held['id']}/release", {"places": [item["place"] for item in opened_["texts"]]}, login="segunda"
    )
    await agreed(story, await story.ok("GET", f"held/{held['id']}", login="segunda") | {"state": "held"})
    await story.federation.settle()
    assert "zanatuktio" in await told_in(story, COUNTY)


async def test_control_a_node_that_does_not_hear_the_end_goes_on_alarming(story, monkeypatch):
    async def deaf(_message, _node):
        return None

    monkeypatch.setattr("gateway.exchange.dispatch.note_cancelled", deaf)
    await reported(story)
    await story.federation.settle()
    await story.ok("POST", f"cases/{await folio_of(story)}/duties/cancel", {}, at=PNC, who=OFFICER)
    await story.federation.settle()
    assert await dispatch_batch(story.federation.nodes[PGN].capabilities, owner="test") == 0
    assert await table(story.federation.nodes[PGN], "SELECT DISTINCT state FROM cases WHERE kind = 'duty'") == [("received",)]
