"""`paradero request`, `preview`, `hold` and `approve` as officers of a running node use them."""

import json
from datetime import timedelta

import pytest

from contracts.consents import Wish
from contracts.disclosure import SourceRecord
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from gateway.cli.output import ExitCode
from gateway.exchange.searching import Question, ask_search
from tests.gateway.test_answers import PATIENT, at_slot, wishes
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import ADULT, by
from tests.people.world import NODE, OFFICE, open_world

MBMID = "gt.igm.mbmid"
ONE, OTHER = "o.ficticia", "s.ficticia"


@pytest.fixture
async def world(tmp_path, monkeypatch):
    async with open_world(tmp_path, monkeypatch, None, NODE, MBMID) as found:
        await found.bootstrap()
        await found.open_office()
        for who in (ONE, OTHER):
            await found.hire(who, f"officer@{OFFICE}")
        await wishes(found.node.capabilities, Wish.CONTACT)
        yield found


async def asked(world, *want, case_ref="caso-1"):
    mbmid = world.federation.nodes[MBMID].capabilities
    question = Question(
        to=NodeId(NODE),
        want=tuple(Code(name) for name in want),
        purpose=Code("locate-missing"),
        basis=Code("gt:codigo-migracion:198-207"),
        case_ref=case_ref,
        records=(SourceRecord(RecordType.MISSING_PERSON, ADULT),),
    )
    sent = await ask_search(question, mbmid, by=by(mbmid))
    await world.federation.settle()
    return str(sent.message.message_id)


def answer_file(world, record_type="unidentified-person", **values):
    path = world.folder / "respuesta.json"
    record = {"type": record_type, "values": PATIENT | values}
    path.write_text(json.dumps({"result": "match", "records": [record], "case_ref": "paciente-7"}))
    return path


async def arrived(world, kind="search.response"):
    return await opened_messages(world.federation.nodes[MBMID], kind)


async def test_nothing_is_sent_by_looking_and_the_table_has_its_four_columns(world):
    request = await asked(world, "sex", "height_cm", "facility")
    shown = (await world.cli(ONE, "preview", request, answer_file(world, facility="Albergue Ficticio"))).stdout
    for words in (
        "LO QUE PREGUNTAN",
        "LO QUE TENEMOS",
        "LO QUE SALE",
        "POR QUÉ",
        "femenino =",
        "(existe)",
        "no se preguntó",
        "Nada se ha enviado.",
        "answer-01",
    ):
        assert words in shown, shown
    english = (await world.cli(ONE, "preview", request, answer_file(world), "--lang", "en")).stdout
    assert "WHAT LEAVES" in english
    assert "Nothing has been sent." in english
    await at_slot(world.federation)
    assert await arrived(world) == []
    assert await table(world.node, "SELECT DISTINCT state FROM departures") == [("shown",)]


async def test_an_officer_answers_and_another_gives_the_second_word(world):
    request = await asked(world, "sex", "height_cm", "facility")
    listed = await world.ask(ONE, "request", "list")
    assert [row["request_id"] for row in listed["requests"]] == [request]
    opened = await world.ask(ONE, "request", "show", request)
    assert opened["want"] == ["facility", "height_cm", "sex"]
    assert opened["candidate"]["sex"] == "female"
    went = (await world.ask(ONE, "request", "answer", request, answer_file(world, facility="Albergue Ficticio"), "--yes"))[
        "went"
    ]
    assert went["state"] == "held"
    [held] = (await world.ask(OTHER, "hold", "list"))["held"]
    assert held["id"] == went["id"]
    again = await world.ask(ONE, "approve", went["id"], "--yes")
    assert again["state"] == "held"  # the first person is not the second
    shown = (await world.cli(OTHER, "hold", "show", went["id"])).stdout
    assert "Albergue Ficticio" in shown
    for text in (await world.ask(OTHER, "hold", "show", went["id"]))["texts"]:
        await world.ask(OTHER, "hold", "release", went["id"], text["place"])
    done = await world.ask(OTHER, "approve", went["id"], "--content", went["content"])
    assert done["state"] == "waiting-for-slot"
    await at_slot(world.federation)
    [found] = await arrived(world)
    assert {item.field for record in found.records for item in record.disclosed} == {"sex", "height_cm", "facility"}


async def test_without_a_terminal_nothing_is_sent_unless_it_was_said_beforehand(world):
    request = await asked(world, "sex")
    await world.cli(ONE, "request", "answer", request, answer_file(world), code=ExitCode.USAGE)
    await at_slot(world.federation)
    assert await arrived(world) == []


async def test_no_information_extension_and_decline(world):
    first, second = await asked(world, "sex"), await asked(world, "sex", case_ref="caso-2")
    now = world.clock.now()
    await world.ask(ONE, "request", "extend", first, "--until", (now + timedelta(days=5)).isoformat())
    await world.cli(ONE, "request", "extend", first, "--until", "mañana", code=ExitCode.USAGE)
    await world.cli(ONE, "request", "extend", first, "--until", now.isoformat(), code=ExitCode.DENIED)
    await world.ask(ONE, "request", "no-information", first, "--searched", "libro-local", "--as-of", now.isoformat())
    await world.ask(ONE, "request", "decline", second, "--reason", "no-access")
    await world.cli(ONE, "request", "decline", second, "--reason", "no-access", code=ExitCode.DENIED)
    await at_slot(world.federation)
    assert {found.body.result.value for found in await arrived(world)} == {"no-match", "cannot-answer"}
    await world.login(ONE)  # twenty minutes went by
    await world.cli(ONE, "request", "decline", second, "--reason", "no-access", code=ExitCode.NOT_FOUND)
    assert all("no-access" not in str(found) for found in await arrived(world))
    leaves = [leaf.get("outcome") for leaf in await world.leaves()]
    assert "request.no-information libro-local" in leaves


async def test_a_policy_that_has_no_such_question_says_so(world):
    path = world.folder / "pregunta.toml"
    path.write_text(
        'to = "gt.igm.mbmid"\nwant = ["sex"]\npurpose = "locate-missing"\n'
        'basis = "gt:codigo-migracion:198-207"\ncase_ref = "caso-9"\n'
    )
    result = await world.cli(ONE, "request", "new", path, code=ExitCode.DENIED)
    assert "Qué hacer:" in result.output


async def test_who_opens_a_question_is_in_the_log_and_a_clerk_opens_none(world):
    request = await asked(world, "sex")
    await world.ask(ONE, "request", "show", request)
    assert any(f"request.open {request}" in str(leaf) for leaf in await world.leaves())
    await world.hire("v.ficticia", f"desk-clerk@{OFFICE}")
    for words in (("request", "list"), ("request", "show", request), ("hold", "list")):
        await world.cli("v.ficticia", *words, code=ExitCode.DENIED)
