"""E7, found alive and wanting no contact: as an officer abroad, the MBMID's and the husband live it, on whole nodes."""

import itertools
from datetime import timedelta

import pytest

from contracts import alike
from contracts.alike import Closing
from contracts.messages import CaseState
from gateway.exchange import agreeing, located, responding
from tests.gateway.story import MBMID, in_clear, leaves_of, opened, sent, told_story
from tests.gateway.test_answers import blind
from tests.gateway.test_exchange import row, send, table
from tests.promises.canaries import files

DESK, MINEX = "gt.conamigua", "gt.minex"
ABROAD, SECOND = "officer@consular", "officer@consular"
WIFE = {"given_names": ["Ficticia"], "surname_1": "Caal", "sex": "female", "age_range": {"min": 31, "max": 31}}
WANT = ["sex", "age_range", "found_place", "facility"]
LAW = {"purpose": "locate-missing", "basis": "gt:codigo-migracion:198-207"}
RALEIGH = {"facility": "Refugio Raleighcanario", "found_place": {"country": "US", "text": "Raleighcanario"}}
TAPACHULA = {"facility": "Albergue Tapachulacanario", "found_place": {"country": "MX", "text": "Tapachulacanario"}}
SECRETS = ("raleighcanario", "tapachulacanario")


@pytest.fixture
async def story(tmp_path):
    async with told_story(tmp_path, MBMID, DESK, MINEX) as found:
        yield found


def held(place, **more):
    values = {"sex": "female", "age_range": {"min": 31, "max": 31}, **place} | more
    return [{"type": "unidentified-person", "values": values}]


async def reported(story):
    """The husband's report, and the MBMID's question to the foreign ministry; its folio and the question."""
    await send(story.federation, row(given="Ficticia", age=(31, 31)))
    await story.federation.settle()
    [(folio,)] = await table(story.node, "SELECT folio FROM cases WHERE kind = 'report' ORDER BY folio DESC LIMIT 1")
    question = {"to": MINEX, "want": WANT, "case_ref": folio, "records": [{"type": "missing-person", "values": WIFE}]} | LAW
    asked = await story.ok("POST", "requests", question, login="oficial")
    await story.federation.settle()
    return folio, asked["message_id"]


async def slot(story):
    """Time passes until the slot of what waits for one."""
    story.federation.clock.forward(minutes=25)
    await story.federation.settle()


async def found(story, request, place, ref, login="abroad", wish="alive-only", **more):
    """She is found, asked what she wants, and what she wants is written down; the MBMID is told that and no more."""
    at = {"at": MINEX, "who": ABROAD, "login": login}
    await story.ok("POST", "wishes", {"case_ref": ref, "wish": wish, "evidence": "interview"}, **at)
    told = {"case_ref": ref, "records": held(place)} | more
    await story.ok("POST", f"requests/{request}/alive", told, **at)
    await slot(story)
    bare = {"result": "match", "case_ref": ref, "records": held(place), "bare": True}
    shown = await story.ok("POST", f"requests/{request}/preview", bare, **at)
    await story.ok("POST", f"held/{shown['id']}/confirm", {}, **at)
    await slot(story)
    return shown


async def everything_at(story, node):
    """All that anybody can find at a node: messages opened, log, answers to its people, files."""
    there = story.federation.nodes[node]
    texts = [in_clear(message) for message in [*await opened(there, "%"), *await sent(there)]]
    texts += [str(leaf) for leaf in await leaves_of(there)] + [story.seen_at(node)]
    texts += [path.read_bytes().decode("latin-1") for path in files(story.federation.home / node)]
    return "\n".join(texts).casefold()


async def test_the_mbmid_learns_that_she_is_alive_and_what_she_wants_and_never_where(story):
    folio, request = await reported(story)
    at = {"at": MINEX, "who": ABROAD, "login": "abroad"}

    # -- before anybody wrote down what she wants, nobody is told, whoever asks
    early = {"result": "match", "case_ref": "exp-1", "records": held(RALEIGH), "bare": True}
    shown = await story.ok("POST", f"requests/{request}/preview", early, **at)
    assert (shown["told"], shown["silenced_by"]) == ("no-match", ["wall:wish-of-the-person-found"])
    status, _ = await story.call("POST", f"requests/{request}/alive", {"case_ref": "exp-1", "records": held(RALEIGH)}, **at)
    assert status == 403

    # -- her wish; then the fact alone
    shown = await found(story, request, RALEIGH, "exp-1")
    assert shown["told"] == "match"
    assert {row["field"]: row["leaves"] for row in shown["rows"]} == dict.fromkeys(WANT, "no sale")
    read = await story.ok("GET", f"requests/{request}", login="oficial")
    [told] = read["told"]
    assert (told["state"], told["located"]) == ("located-alive", {"will": "no-contact", "evidence": "interview"})
    assert (read["answer"]["body"]["result"], read["answer"]["records"]) == ("match", [])
    alarms = (await story.ok("GET", "alarms", login="oficial"))["alarms"]
    assert ("person-located", MINEX) in {(alarm["code"], alarm["peer"]) for alarm in alarms}

    # -- the place: one officer saw it, while they looked; it is in no file, no message, no log, of either node
    assert "raleighcanario" in story.seen_at(MINEX, "abroad").casefold()
    for secret in SECRETS:
        assert secret not in await everything_at(story, MBMID), secret
    assert "ficticiacanaria" in await everything_at(story, MBMID)  # control: the same search finds what the family told
    for waiting in (await story.ok("GET", "held", at=MINEX, who=SECOND, login="other"))["held"]:
        await story.call("GET", f"held/{waiting['id']}", at=MINEX, who=SECOND, login="other")
    assert "raleighcanario" not in story.seen_at(MINEX, "other").casefold()
    for path in files(story.federation.home / MINEX):
        assert b"raleighcanario" not in path.read_bytes().lower(), path

    # -- a husband's request for access: what is said of this case is what is said of one where nobody was found
    other, nothing = await reported(story)
    answer = {"searched": ["registry"], "as_of": story.federation.clock.now().isoformat()}
    await story.ok("POST", f"requests/{nothing}/no-information", answer, **at)
    await slot(story)
    for case, kind in ((folio, "found-alive-no-contact"), (other, "withdrawn-by-family")):
        await closed(story, case, kind)
    await story.federation.settle()
    first, second = [await told_of(story, case) for case in (folio, other)]
    assert first.replace(folio, other) == second
    assert "gt.minex" in first  # control: it does say who was given what
    desk = await table(story.federation.nodes[DESK], "SELECT DISTINCT state FROM cases")
    assert desk == [("closed",)]


async def closed(story, case, kind):
    """Two officers end a case; what the second is answered."""
    first = await story.ok("POST", f"cases/{case}/close", {"as": kind}, login="oficial")
    assert first == {"case": case, "state": "waits-second"}
    return await story.ok("POST", f"cases/{case}/close", {"as": kind}, login="oficial.dos")


async def told_of(story, case):
    """What a relative can be told of a case, without its times."""
    _, answer = await story.call("GET", f"cases/{case}/who-has")
    lines = [{name: value for name, value in line.items() if name not in {"sent", "message", "keep_until"}} for line in
             answer["holdings"]]  # fmt: skip
    events = await story.ok("GET", f"cases/{case}/consents")
    states = await table(story.node, f"SELECT state, kind, peer FROM cases WHERE folio = '{case}'")
    return f"{case} {lines} {events} {states}"


async def test_nothing_that_arrives_tells_the_country_the_office_or_who_found_her(story):
    """Two women, found by two officers in two countries: what reaches the MBMID differs in ids and times alone."""
    _, one = await reported(story)
    _, two = await reported(story)
    extended = {"until": story.federation.clock.now().replace(year=2027).isoformat()}
    await story.ok("POST", f"requests/{one}/extend", extended, at=MINEX, who=ABROAD, login="raleigh")
    story.federation.network.carried.clear()
    await found(story, one, RALEIGH, "exp-raleigh", login="raleigh")
    await found(story, two, TAPACHULA, "exp-tapachula", login="tapachula")
    statuses = [item for item in await opened(story.node, "case.status") if item.body.state is CaseState.LOCATED_ALIVE]
    answers = await opened(story.node, "search.response")
    assert (len(statuses), len(answers)) == (2, 2)
    first, second = statuses
    assert unlike(first) == unlike(second)
    assert unlike(*answers[:1]) == unlike(*answers[1:])
    assert {item.sender for item in (*statuses, *answers)} == {MINEX}
    assert all(item.issued_at % 600 == 0 for item in (*statuses, *answers))
    assert len({len(envelope) for peer, envelope in story.federation.network.carried if peer == MBMID}) == 1
    # nor by whom it was written: one voice for every desk, whatever it said; who did is in the institution's own log
    [voice] = {item.actor for item in await opened(story.node, "%") if item.sender == MINEX}
    log = [leaf for leaf in await leaves_of(story.federation.nodes[MINEX]) if "told-alive" in leaf.get("detail", "")]
    assert len({leaf["actor"] for leaf in log} - {voice}) == 2


async def test_control_a_desk_that_answers_in_its_own_name_is_seen(story, monkeypatch):
    desks = itertools.count()
    for module in (located, responding):
        monkeypatch.setattr(module, "one_voice", lambda node: node.pseudonyms.actor(f"desk {next(desks)}"))
    _, request = await reported(story)
    await found(story, request, RALEIGH, "exp-1")
    assert len({item.actor for item in await opened(story.node, "%") if item.sender == MINEX}) == 2


def unlike(message):
    """A message without what is new in each: ids and times."""
    found = message.model_dump(exclude={"message_id", "thread_id", "in_reply_to", "case_alias", "issued_at", "expires_at", "use",
                                        "body"})  # fmt: skip
    return found, message.body.model_dump(exclude={"searched_at", "sequence"})


async def test_closings_of_every_kind_are_the_same_bytes_but_for_ids_and_times(story):
    folios = [(await reported(story))[0] for _ in Closing]
    story.federation.network.carried.clear()
    for folio, closing in zip(folios, Closing, strict=True):
        answer = await closed(story, folio, closing.value)
        assert answer["told"] == [DESK, MINEX]
    await story.federation.settle()
    for name in (DESK, MINEX):
        notices = await opened(story.federation.nodes[name], "case.status")
        assert len(notices) == len(Closing)
        assert len({str(blind(notice)) for notice in notices}) == 1
        assert {notice.sender for notice in notices} == {MBMID}  # never whoever found the person
        assert len({len(envelope) for peer, envelope in story.federation.network.carried if peer == name}) == 1
    assert await table(story.node, "SELECT DISTINCT state FROM cases WHERE kind = 'report'") == [("closed",)]

    # -- it is the MBMID's to say, once, and never for want of news
    status, _ = await story.call("POST", f"cases/{folios[0]}/close", {"as": "detained"}, at=MINEX, who=ABROAD)
    assert status == 403
    assert (await story.call("POST", f"cases/{folios[0]}/close", {"as": "detained"}))[0] == 403
    for body in ({"as": "no-news"}, {}, {"as": 7}, {"as": "detained", "why": "x"}):
        assert (await story.call("POST", f"cases/{folios[1]}/close", body))[0] == 422, body
    assert (await story.call("POST", "cases/MBMID-2026-999999/close", {"as": "detained"}))[0] == 404
    assert (await story.call("POST", "cases/Zanatuk/close", {"as": "detained"}))[0] == 422


async def test_a_search_is_ended_by_two_who_say_the_same_and_not_by_one(story, monkeypatch):
    folio, _ = await reported(story)
    state = f"SELECT DISTINCT state FROM cases WHERE folio = '{folio}'"
    for login, kind in (("oficial", "found-dead"), ("oficial", "found-dead"), ("oficial.dos", "detained")):
        answer = await story.ok("POST", f"cases/{folio}/close", {"as": kind}, login=login)
        assert answer["state"] == "waits-second"
        assert await table(story.node, state) != [("closed",)]
    monkeypatch.setattr(agreeing, "TERM", timedelta(hours=5))
    story.federation.clock.forward(hours=6)  # a first word does not stand for ever
    assert (await story.ok("POST", f"cases/{folio}/close", {"as": "found-dead"}, login="oficial.dos"))[
        "state"
    ] == "waits-second"
    assert (await story.ok("POST", f"cases/{folio}/close", {"as": "found-dead"}, login="oficial"))["state"] == "closed"
    assert await table(story.node, state) == [("closed",)]
    said = [leaf.get("detail", "") for leaf in await leaves_of(story.node)]
    assert sum(detail == "agreed case.close found-dead" for detail in said) == 4


async def test_control_a_count_of_words_instead_of_persons_is_seen(story, monkeypatch):
    folio, _ = await reported(story)
    monkeypatch.setattr(agreeing, "PERSONS", 1)
    assert (await story.ok("POST", f"cases/{folio}/close", {"as": "detained"}, login="oficial"))["state"] == "closed"


async def test_control_one_kind_of_closing_that_is_told_otherwise_is_seen(story, monkeypatch):
    monkeypatch.setattr(alike, "_TOLD", {**alike._TOLD, Closing.FOUND_ALIVE_NO_CONTACT: CaseState.SEARCHING_ABROAD})
    for closing in (Closing.FOUND_ALIVE_NO_CONTACT, Closing.DETAINED):
        folio, _ = await reported(story)
        await closed(story, folio, closing.value)
    await story.federation.settle()
    notices = await opened(story.federation.nodes[DESK], "case.status")
    assert len({notice.body.state for notice in notices}) == 2


async def test_who_holds_her_hears_first_and_decides(story):
    """Finder-first: she fears the one who seeks her. Who asks reads that there is nobody, until she is asked and two agree."""
    _, request = await reported(story)
    at = {"at": MINEX, "who": ABROAD, "login": "abroad"}
    await story.ok("POST", "wishes", {"case_ref": "exp-1", "wish": "contact", "evidence": "interview"}, **at)
    risky = held({}, aggressor_risk=True)
    answer = {"result": "match", "case_ref": "exp-1", "records": risky}
    shown = await story.ok("POST", f"requests/{request}/preview", answer, **at)
    assert shown["told"] == "no-match"
    assert "wall:finder-first" in shown["silenced_by"]  # the officer who holds her is told so, and nobody else
    status, problem = await story.call("POST", f"requests/{request}/alive", {"case_ref": "exp-1", "records": risky}, **at)
    assert (status, "decide antes que quien la busca" in problem["title"]) == (403, True)
    await slot(story)
    assert await table(story.federation.nodes[MINEX], "SELECT count(*) FROM outbox WHERE kind != 'ping'") == [(0,)]
    assert "finder" not in story.seen_at(MBMID)
    # control: when those who hold her let it go, and a second person agrees, it goes
    shown = await story.ok("POST", f"requests/{request}/preview", answer | {"finder_released": True}, **at)
    assert shown["told"] == "match"
    waits = await story.ok("POST", f"held/{shown['id']}/confirm", {}, **at)
    assert "wall:two-persons" in waits["waits"]
    await slot(story)
    assert await opened(story.node, "search.response") == []
    second = {"at": MINEX, "who": SECOND, "login": "second"}
    await story.ok("POST", f"held/{shown['id']}/approve", {"content": waits["content"]}, **second)
    await slot(story)
    assert len(await opened(story.node, "search.response")) == 1


async def test_what_is_asked_of_it_wrongly_is_refused_in_words(story):
    _, request = await reported(story)
    at = {"at": MINEX, "who": ABROAD, "login": "abroad"}
    for body in ({}, {"case_ref": "x", "wish": "gone", "evidence": "interview"}, {"case_ref": "x", "wish": "silence"},
                 {"case_ref": 7, "wish": "silence", "evidence": "interview"}, {"case_ref": "x", "wish": "silence", "evidence": "Á"}):  # fmt: skip
        assert (await story.call("POST", "wishes", body, **at))[0] == 422, body
    for body in ({}, {"case_ref": "x"}, {"case_ref": "x", "records": "no"}, {"case_ref": "x", "records": [], "place": "US"}):
        assert (await story.call("POST", f"requests/{request}/alive", body, **at))[0] == 422, body
    nobody = {"case_ref": "x", "records": []}
    assert (await story.call("POST", f"requests/{request}/alive", nobody, **at))[0] == 403
    assert (await story.call("POST", "requests/0198aaaa-0000-7000-8000-000000000001/alive", nobody, **at))[0] == 404
    assert await table(story.federation.nodes[MINEX], "SELECT count(*) FROM wish_events") == [(0,)]
