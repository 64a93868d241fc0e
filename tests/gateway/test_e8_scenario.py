"""E8, somebody in custody: as the consulate, the MBMID and those who detain live it, on whole nodes."""

import pytest

from contracts.ids import Code, NodeId
from contracts.messages import IdentityCheck, IdentityCheckBody, SearchRequest, SearchRequestBody, Urgency
from gateway.exchange import submit as submit_module
from gateway.exchange.submit import Draft, submit
from tests.gateway.story import MBMID, in_clear, opened, sent, told_story
from tests.gateway.test_e7_scenario import slot
from tests.gateway.test_e14_scenario import renew
from tests.gateway.test_exchange import row, send, table
from tests.promises.canaries import files

DESK, MINEX, CNB, ICRC, ICE, CONTROL = "gt.conamigua", "gt.minex", "mx.cnb", "int.icrc", "us.ejemplo.control", "gt.igm.control"
LAW = {"purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207"}
SON = {"given_names": ["Ficticio"], "surname_1": "Caal", "sex": "male", "age_range": {"min": 24, "max": 24}}
A_NUMBER = "A987654321"
IN_CUSTODY = {"given_names": ["Ficticio"], "surname_1": "Caal", "birth_date": {"date": "2002-03-04", "precision": "day"},
              "custody_type": "ice", "authority": "Oficina Yumacanario", "facility": "Centro Florencecanario", "a_number": A_NUMBER,
              "protection_need": {"is": False, "source": "officer"}}  # fmt: skip
ABROAD = {"at": MINEX, "who": "officer@consular", "login": "consul"}


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, MINEX, CNB, ICRC, ICE, CONTROL) as found:
        yield found


async def reported(story):
    await send(story.federation, row(age=(24, 24)))
    await story.federation.settle()
    return (await table(story.node, "SELECT folio FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1"))[0][0]


def question(folio, to=MINEX, want=("given_names", "facility", "authority", "custody_type", "a_number"), **values):
    records = [{"type": "missing-person", "values": SON | values}]
    return {"to": to, "want": list(want), "case_ref": folio, "records": records} | LAW


async def asked(story):
    answer = await story.ok("POST", "requests", question(await reported(story)), login="oficial")
    await story.federation.settle()
    return answer["message_id"]


async def answers(story, request, **changed):
    held = [{"type": "custody", "values": IN_CUSTODY | changed}]
    answer = {"result": "match", "case_ref": "visita-1", "records": held}
    return await story.ok("POST", f"requests/{request}/preview", answer, **ABROAD)


async def test_the_family_hears_if_the_detained_person_wants_it_and_the_a_number_never_leaves(story):
    request = await asked(story)
    # -- before the consular visit, nobody: the answer is the one for somebody who is not there
    assert (await answers(story, request))["told"] == "no-match"
    for wish, told in (("undecided", "no-match"), ("silence", "no-match"), ("contact", "match")):
        story.federation.clock.forward(minutes=1)
        wanted = {"case_ref": "visita-1", "wish": wish, "evidence": "consular-visit"}
        await story.ok("POST", "wishes", wanted, **ABROAD)
        shown = await answers(story, request)
        assert shown["told"] == told, wish
    # -- they want it told: where they are leaves; the number in the other country's files does not, though it was asked for
    rows = {line["field"]: line for line in shown["rows"]}
    assert (rows["facility"]["leaves"], rows["a_number"]["leaves"]) == ("Centro Florencecanario", "no sale")
    held = await story.ok("POST", f"held/{shown['id']}/confirm", {}, **ABROAD)
    [waiting] = [await story.ok("GET", f"held/{held['id']}", **ABROAD)]
    places = {"places": [text["place"] for text in waiting["texts"]]}
    if places["places"]:  # free text: a person reads it first
        await story.ok("POST", f"held/{held['id']}/release", places, **ABROAD)
    await slot(story)
    read = await story.ok("GET", f"requests/{request}", login="oficial")
    [record] = read["answer"]["records"]
    assert record["claims"]["facility"] == "Centro Florencecanario"
    assert "a_number" not in record["claims"]
    for name in (MBMID, DESK, ICE, CONTROL):
        node = story.federation.nodes[name]
        messages = [*await opened(node, "%"), *await sent(node)]
        assert A_NUMBER not in "\n".join(map(in_clear, messages)) + story.seen_at(name), name
    assert A_NUMBER not in "\n".join(map(in_clear, await sent(story.federation.nodes[MINEX])))
    for name in (MBMID, MINEX):
        for path in files(story.federation.home / name):
            assert A_NUMBER.encode() not in path.read_bytes(), path
    assert (
        "florencecanario" in "\n".join(map(in_clear, await opened(story.node, "%"))).casefold()
    )  # control: it is looked for well


async def test_nothing_is_asked_of_those_who_detain_by_hand_or_by_itself(story):
    request = await asked(story)
    for at, who in ((MBMID, "officer@igm"), (MINEX, "officer@consular")):
        for to in (ICE, CONTROL):
            for basis in ("gt:codigo-migracion:198-207", "vienna:consular", "consent", "vital-interest"):
                wanted = question("visita-1", to) | {"basis": basis}
                assert (await story.call("POST", "requests", wanted, at=at, who=who, login=f"{at}"))[0] == 403
    # -- 48 h, 72 h, 7 d, 60 d: every loop of every node turns, and no machine asks anybody anything
    before = {name: await table(node, "SELECT lane, kind FROM outbox") for name, node in story.federation.nodes.items()}
    for days in (2, 1, 4, 26, 27):
        story.federation.clock.forward(days=days)
        await renew(story.federation)
        for node in story.federation.nodes.values():
            for loop in node.loops:
                if loop.name not in {"deliver", "register", "resign"}:
                    await loop.step()
        await story.federation.settle()
    for name, node in story.federation.nodes.items():
        said = await table(node, "SELECT lane, kind FROM outbox")
        assert [kind for lane, kind in said if lane in {ICE, CONTROL}] == [], name
        fresh = list(said)
        for line in before[name]:
            fresh.remove(line)
        assert [kind for _, kind in fresh if kind.startswith(("search.", "identity.", "disclosure."))] == [], name
    assert request in str(await story.ok("GET", "requests"))  # control: the officer's own question is there, unanswered


def hostile(story, name, kind, body):
    node = story.federation.nodes[name].capabilities
    return Draft(
        kind=kind,
        to=NodeId(MINEX),
        body=body,
        purpose=Code("locate-missing"),
        basis=Code("vienna:consular"),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(story.federation.clock.now()),
        case_key="removal-1",
    )


@pytest.mark.parametrize("kind", ["search", "identity"])
async def test_nobody_who_removes_people_is_told_whose_national_somebody_is(story, monkeypatch, kind):
    body = SearchRequestBody(want=(Code("nationalities"),), urgency=Urgency.NORMAL)
    drafted = SearchRequest if kind == "search" else IdentityCheck
    body = body if kind == "search" else IdentityCheckBody(question="document-exists")
    asks = {"to": MINEX, "want": ["nationalities"], "case_ref": "removal-1"} | LAW
    assert (await story.call("POST", "requests", asks, at=ICE, who="officer@ice"))[0] == 403
    with monkeypatch.context() as patched:  # one that asks all the same
        policy = story.node.trust.state.policy
        flow = policy.flow(Code("flow:search-abroad-answer"))
        permit = type(policy.decide("ping", "police", "police", Code("operate"), Code("federation:operation")))
        patched.setattr(submit_module, "_permit", lambda *_: permit(flow.id))
        await submit([hostile(story, ICE, drafted, body)], story.federation.nodes[ICE].capabilities)
    await story.federation.settle()
    assert await table(story.federation.nodes[ICE], "SELECT state FROM outbox") == [("rejected",)]
    assert await opened(story.federation.nodes[MINEX], "%.%") == []
    assert await table(story.federation.nodes[MINEX], f"SELECT kind FROM outbox WHERE lane = '{ICE}'") == []


async def test_control_a_search_commission_that_asks_the_same_is_heard(story):
    asks = {"to": MINEX, "want": ["sex"], "purpose": "locate-missing", "basis": "vienna:consular", "case_ref": "b-1"}
    await story.ok("POST", "requests", asks, at=CNB, who="officer@cnb")
    await story.federation.settle()
    assert len(await opened(story.federation.nodes[MINEX], "search.request")) == 1


async def test_no_question_says_who_seeks_or_that_a_family_waits_in_nashville(story):
    folio = await reported(story)
    assert (await story.says(folio, "given", "La madre Zanatuk", "c2", "c3", "c4", "c6"))[0] == 200
    secret = {"intended_destination": "Nashvillecanario", "companions": [{"text": "tío en Nashvillecanario"}],
              "phones": ["+16155550123"], "smuggler": "Coyotecanario", "narrative": "espera en Nashvillecanario"}  # fmt: skip
    for to, basis in ((MINEX, LAW["basis"]), (CNB, "consent"), (ICRC, "consent")):
        wanted = question(folio, to, want=("sex",), **secret) | {"basis": basis}
        status, answer = await story.call("POST", "requests", wanted)
        assert status == 200, (to, answer)
        if answer["state"] == "held":  # a second person looks: it is let go, and still nothing of it is in it
            await story.call("POST", f"held/{answer['id']}/approve", {"content": answer["content"]}, login="segunda")
        reporter = {"type": "reporter", "values": {"name": ["Zanatuk"], "phones": ["+16155550123"]}}
        status, problem = await story.call(
            "POST", "requests", wanted | {"records": [*wanted["records"], reporter], "case_ref": "otro"}
        )
        assert status == 403, (to, problem)
    await story.federation.settle()
    for to in (MINEX, CNB, ICRC):
        [message] = await sent(story.node, "search.request", to)
        said = in_clear(message).casefold()
        for canary in ("nashvillecanario", "6155550123", "coyotecanario", "zanatuk"):
            assert canary not in said, (to, canary)
        assert "ficticio" in said  # control: what may go is there to be found
    aliases = [message.case_alias for message in await sent(story.node, "search.request")]
    assert len(set(aliases)) == len(aliases) == 3  # and no two of them can join what they hold
