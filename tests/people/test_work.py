"""The inbox, referrals and findings as people use them: commands against a running node, and a second node at the other end."""

import json

import pytest

from contracts.ids import Code, MessageId, NodeId
from gateway.exchange.searching import ask_search
from gateway.storage.work_models import WorkModels
from tests.gateway.test_answers import question
from tests.gateway.test_exchange import CANARY, row, table
from tests.gateway.test_leaving import by
from tests.gateway.test_referrals import MBMID, Sides
from tests.people.world import ADMIN, NODE, OFFICE, open_world

OFFICER, SECOND, HEAD, OTHER, CLERK = "o.ficticia", "s.ficticia", "h.ficticia", "x.ficticia", "v.ficticia"
READING = "SELECT state, outcome FROM exchanges WHERE opening_id = '{}'"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID, "gt.pgn") as found:
        await found.bootstrap()
        await found.open_office()
        names = ("--name-es", "Otra", "--name-en", "Other", "--zone", "America/Guatemala", "--no-inbox")
        await found.cli(ADMIN, "office", "add", "otra", *names)
        await found.hire(OFFICER, f"officer@{OFFICE}")
        yield found


@pytest.fixture
async def offered(world):
    """A referral that the MBMID offered to this node."""
    sides = Sides(world.federation)
    await sides.offer()
    await world.federation.settle()
    return sides


async def both(world, opening):
    return [await table(world.federation.nodes[name], READING.format(opening)) for name in (MBMID, NODE)]


async def test_an_officer_finds_it_takes_it_accepts_it_reports_and_ends_it(world, offered):
    await world.hire(SECOND, f"officer@{OFFICE}")
    [item] = (await world.ask(OFFICER, "inbox", "list"))["work"]
    assert (item["id"], item["section"], item["state_es"]) == (offered.opening, "Por aceptar", "Por aceptar")
    assert item["due_es"].startswith("vence ")
    assert "1 por atender" in (await world.cli(OFFICER, "inbox", "list")).stdout
    assert (await world.ask(OFFICER, "inbox", "list", "--due", "1"))["work"] == []
    await world.cli(OFFICER, "inbox", "take", offered.opening)
    await world.cli(SECOND, "inbox", "take", offered.opening, code=6)
    assert (await world.ask(SECOND, "inbox", "list"))["work"][0]["has_it"] == OFFICER
    await world.cli(OFFICER, "inbox", "done", offered.opening, code=6)  # a word is still awaited
    accepted = await world.ask(OFFICER, "referral", "accept", offered.opening)
    assert accepted["state"] == "queued"
    assert MessageId(accepted["message_id"])
    await world.cli(SECOND, "referral", "accept", offered.opening, code=6)
    await world.cli(SECOND, "referral", "decline", offered.opening, "--reason", "other", code=6)
    await world.federation.settle()
    assert await both(world, offered.opening) == [[("accepted", None)]] * 2
    words = ("--progress", "in-progress", "--expected-by", "2030-01-01T08:00:00-06:00")
    await world.cli(OFFICER, "referral", "update", offered.opening, *words)
    told = await world.ask(OFFICER, "referral", "show", offered.opening)
    assert [line["kind"] for line in told["said"]] == ["referral.offer", "referral.accept", "referral.update"]
    assert told["due"].startswith("2030-01-01T14:00")
    await world.cli(OFFICER, "referral", "done", offered.opening, "--outcome", "done")
    await world.federation.settle()
    assert await both(world, offered.opening) == [[("closed", "done")]] * 2
    assert (await world.ask(OFFICER, "referral", "list"))["work"] == []
    assert (await world.ask(OFFICER, "referral", "list", "--all"))["work"][0]["state_es"] == "Realizada"


async def test_who_has_no_business_with_it_does_not_see_it(world, offered):
    await world.hire(CLERK, f"desk-clerk@{OFFICE}")
    await world.hire(OTHER, "officer@otra")
    for who in (CLERK, ADMIN):
        await world.cli(who, "inbox", "list", code=5)
        await world.cli(who, "referral", "accept", offered.opening, code=5)
    assert (await world.ask(OTHER, "inbox", "list"))["work"] == []
    for words in (("referral", "show"), ("referral", "accept"), ("inbox", "take")):
        await world.cli(OTHER, *words, offered.opening, code=4)
    assert await both(world, offered.opening) == [[("offered", None)]] * 2


async def test_only_the_head_passes_work_to_another_office(world, offered):
    await world.hire(HEAD, f"office-head@{OFFICE}")
    await world.hire(OTHER, "officer@otra")
    await world.cli(OFFICER, "inbox", "move", offered.opening, "--office", "otra", code=5)
    await world.cli(HEAD, "inbox", "move", offered.opening, "--office", "no-hay", code=4)
    await world.cli(HEAD, "inbox", "move", offered.opening, "--office", "otra")
    assert [item["id"] for item in (await world.ask(OTHER, "inbox", "list"))["work"]] == [offered.opening]
    assert (await world.ask(OFFICER, "inbox", "list"))["work"] == []


async def test_the_head_gives_work_to_who_works_there_and_to_nobody_else(world, offered):
    await world.hire(HEAD, f"office-head@{OFFICE}")
    await world.hire(OTHER, "officer@otra")
    await world.cli(OFFICER, "inbox", "give", offered.opening, "--to", OFFICER, code=5)
    for nobody in (OTHER, ADMIN, "nadie"):
        await world.cli(HEAD, "inbox", "give", offered.opening, "--to", nobody, code=4)
    await world.cli(HEAD, "inbox", "give", offered.opening, "--to", OFFICER, "--reason", "absence")
    assert [item["has_it"] for item in (await world.ask(OFFICER, "inbox", "list"))["work"]] == [OFFICER]
    [told] = [leaf["detail"] for leaf in await world.leaves() if str(leaf.get("detail")).startswith("work.give")]
    assert told.endswith(" absence")
    assert OFFICER not in told


async def test_work_at_an_office_that_closed_is_seen_by_those_who_take_what_is_nobodys(world, offered):
    await world.hire(HEAD, f"office-head@{OFFICE}")
    await world.cli(HEAD, "inbox", "move", offered.opening, "--office", "otra")
    await world.cli(ADMIN, "office", "close", "otra")
    assert [item["id"] for item in (await world.ask(OFFICER, "inbox", "list"))["work"]] == [offered.opening]


async def to_office(world, opening, office):
    node = world.node.capabilities
    async with node.begin() as work:
        [item] = await work.work_items.find(opening)
        await work.work_items.move(item.key, Code(office))


async def test_a_question_and_its_case_are_seen_at_the_office_that_has_them_and_nowhere_else(world):
    await world.hire(OTHER, "officer@otra")
    mbmid = world.federation.nodes[MBMID].capabilities
    asked = (await ask_search(question(to=NodeId(NODE)), mbmid, by=by(mbmid))).message.message_id
    await world.federation.settle()

    async def sees(who):
        requests = (await world.ask(who, "request", "list"))["requests"]
        _, found = await world.call("GET", "/api/v1/cases", world.token(who))
        return [item["request_id"] for item in requests], len(found["cases"])

    for who in (OFFICER, OTHER):  # it came for nobody in particular
        assert await sees(who) == ([asked], 1)
    await to_office(world, asked, "otra")
    assert await sees(OTHER) == ([asked], 1)
    assert await sees(OFFICER) == ([], 0)
    await world.ask(OTHER, "request", "show", asked)
    for words in (("show",), ("decline", "--reason", "no-access"), ("extend", "--until", "2030-01-01T08:00:00-06:00")):
        await world.cli(OFFICER, "request", words[0], asked, *words[1:], code=4)  # nobody is told that it is there
    assert await table(world.node, "SELECT count(*) FROM departures") == [(0,)]
    [(thread,)] = await table(world.node, "SELECT thread_id FROM cases")
    for path in ("who-has", "consents"):
        assert (await world.call("GET", f"/api/v1/cases/{thread}/{path}", world.token(OTHER)))[0] == 200
        assert (await world.call("GET", f"/api/v1/cases/{thread}/{path}", world.token(OFFICER)))[0] == 404


async def test_control_without_the_look_another_office_reads_it(world, monkeypatch):
    async def hides_nothing(_self, _opening, _eyes):
        return False

    monkeypatch.setattr(WorkModels, "hidden", hides_nothing)
    mbmid = world.federation.nodes[MBMID].capabilities
    asked = (await ask_search(question(to=NodeId(NODE)), mbmid, by=by(mbmid))).message.message_id
    await world.federation.settle()
    await to_office(world, asked, "otra")
    assert (await world.ask(OFFICER, "request", "show", asked))["candidate"]


async def own_case(world):
    """A case of this node: a report that it passed on. Returns its thread."""
    from gateway.exchange.desk import send_rows

    node = world.node.capabilities
    [result] = await send_rows([row()], node, actor=node.pseudonyms.actor("officer"))
    await world.federation.settle()
    return result.thread_id


def offer_words(case, **changed):
    given = {
        "to": MBMID,
        "case": case,
        "service": "dna-sampling",
        "minor": "no",
        "purpose": "support-family",
        "basis": "consent",
    } | changed
    return ("referral", "offer", *(word for name, value in given.items() for word in (f"--{name}", value)))


async def test_an_offer_goes_out_without_a_name_and_is_withdrawn(world):
    case = await own_case(world)
    made = await world.ask(OFFICER, *offer_words(case, department="gt-13", language="mam"))
    await world.cli(OFFICER, *offer_words(case), code=6)
    [item] = (await world.ask(OFFICER, "inbox", "list"))["work"]
    assert (item["id"], item["state_es"], item["has_it"]) == (made["id"], "En espera de enlace", OFFICER)
    await world.federation.settle()
    assert (await world.ask(OFFICER, "referral", "show", made["id"]))["state_es"] == "Entregada, sin respuesta"
    await world.cli(OFFICER, "referral", "withdraw", made["id"], "--reason", "sent-in-error")
    told = (await world.ask(OFFICER, "referral", "show", made["id"]))["state_es"]
    assert told == "Retirándose: falta que lo confirmen"
    await world.federation.settle()
    assert (await world.ask(OFFICER, "referral", "show", made["id"]))["state_es"] == "Retirada"
    assert await both(world, made["id"]) == [[("closed", "withdrawn")]] * 2
    assert [seen for seen in world.seen if CANARY in seen] == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"department": "ficticia-caal"}, 5),  # a name has no place in an offer
        ({"language": "Ficticia Caal"}, 2),
        ({"service": "whatever"}, 2),
        ({"minor": "maybe"}, 2),
        ({"to": "gt.nadie"}, 5),
        ({"to": "NADIE"}, 2),
        ({"purpose": "no-such"}, 5),
        ({"case": "MBMID-2026-999999"}, 4),
        ({"case": "no"}, 4),
        ({"office": "otra"}, 5),
        ({"urgency": "soon"}, 2),
    ],
)
async def test_a_wrong_offer_is_refused_in_words_and_changes_nothing(world, changed, code):
    case = await own_case(world)
    before = await table(world.node, "SELECT count(*) FROM outbox")
    result = await world.cli(OFFICER, *offer_words(**({"case": case} | changed)), code=code)
    assert "Qué hacer:" in result.output
    assert await table(world.node, "SELECT count(*) FROM outbox") == before
    assert (await world.ask(OFFICER, "referral", "list", "--all"))["work"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("accept", "x"), 4),
        (("accept", "01990000-0000-7000-8000-000000000001"), 4),
        (("show", "x"), 4),
        (("decline", "ID", "--reason", "whatever"), 2),
        (("decline", "ID", "--reason", "other", "--suggest", "gt.juan.perez"), 5),
        (("accept", "ID", "--starts-by", "tomorrow"), 2),
        (("accept", "ID", "--starts-by", "2001-01-01T00:00:00Z"), 2),
        (("done", "ID", "--outcome", "done"), 6),
        (("withdraw", "ID", "--reason", "sent-in-error"), 4),  # the other side's to withdraw
        (("update", "ID", "--progress", "in-progress"), 6),
    ],
)
async def test_a_wrong_word_is_refused_and_the_offer_stands(world, offered, words, code):
    result = await world.cli(OFFICER, "referral", *(offered.opening if word == "ID" else word for word in words), code=code)
    assert "Qué hacer:" in result.output
    assert await both(world, offered.opening) == [[("offered", None)]] * 2


async def test_records_of_a_file_leave_only_as_the_policy_lets_them(world, offered, tmp_path):
    path = tmp_path / "datos.json"
    values = {"given_names": [CANARY], "sex": "female", "age_range": {"min": 30, "max": 35}}
    path.write_text(json.dumps({"records": [{"type": "missing-person", "values": values}]}))
    await world.cli(OFFICER, "referral", "accept", offered.opening)
    await world.federation.settle()
    # To the search mechanism no rule lets a record of a missing person leave in a referral.
    words = ("referral", "update", offered.opening, "--progress", "records-sent", "--records", path)
    result = await world.cli(OFFICER, *words, code=5)
    assert CANARY not in result.output
    path.write_text('{"records": [{"type": "missing-person"}]}')
    await world.cli(OFFICER, *words, code=2)
    path.write_text('{"records": 7}')
    await world.cli(OFFICER, *words, code=2)


async def test_a_finding_without_a_flow_is_refused_by_the_policy(world, tmp_path):
    path = tmp_path / "hallazgo.json"
    values = {"sex": "male", "age_range": {"min": 22, "max": 30}}
    path.write_text(json.dumps({"records": [{"type": "unidentified-remains", "values": values}]}))
    words = ("finding", "send", path, "--authority", "us.tx.kenedy.jp-2", "--case-ref", "H-1")
    await world.cli(OFFICER, *words, "--country", "US", code=5)  # this node's role finds nobody
    await world.cli(OFFICER, *words, "--country", "usa", code=2)
    assert (await world.ask(OFFICER, "finding", "list"))["work"] == []
