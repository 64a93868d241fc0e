"""Questions and answers between whole nodes: what is shown is what leaves, and nothing else. SQLite and PostgreSQL."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from contracts.codec import decode_message, pad_payload
from contracts.consents import Wish, WishEvent
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import SearchResult
from contracts.walls import WALL_HELD, WALL_TWO_PERSONS, WALL_WISH
from gateway.exchange import responding, searching
from gateway.exchange.asked import NoSuchRequestError, request_of
from gateway.exchange.departing import Held
from gateway.exchange.releasing import approve, confirm, drop, open_parcel, release_text
from gateway.exchange.responding import OwnAnswer, clarify, decline, extend, no_information, show_answer
from gateway.exchange.searching import FieldsWanted, Question, ask_fields, ask_search, own_question
from gateway.storage.engine import create_engine
from gateway.storage.rows import from_json
from keys.leaves import open_leaf
from tests.gateway import test_exchange
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import ADULT, SECOND, by

federation = test_exchange.federation

MBMID, HOLDER = "gt.igm.mbmid", "gt.conamigua"
WANT = ("sex", "age_range", "height_cm", "found_place")
PATIENT = {
    "sex": "female",
    "age_range": {"min": 30, "max": 34},
    "height_cm": {"min": 160, "max": 162},
    "found_place": {"country": "GT", "department": "22", "municipality": "2201"},
    "said_names": ["Ficticia"],
}


def patient(**more):
    return SourceRecord(RecordType.UNIDENTIFIED_PERSON, PATIENT | more)


def question(**more):
    found = {
        "to": NodeId(HOLDER),
        "want": tuple(Code(name) for name in WANT),
        "purpose": Code("locate-missing"),
        "basis": Code("gt:codigo-migracion:198-207"),
        "case_ref": "caso-1",
        "records": (SourceRecord(RecordType.MISSING_PERSON, ADULT),),
    }
    return Question(**(found | more))


async def asked(federation, **more):
    """A question of the MBMID that has reached the holder; its id."""
    node = federation.nodes[MBMID].capabilities
    prepared = await ask_search(question(**more), node, by=by(node))
    await federation.settle()
    return prepared.message.message_id


async def at_slot(federation):
    """Time passes until the slot of whatever waits for one."""
    federation.clock.forward(minutes=20)
    await federation.settle()


async def wishes(node, wish, case_ref="paciente-7"):
    event = WishEvent(node.new_message_id(node.clock.now()), wish, int(node.clock.now().timestamp()) - 9, Code("interview"))
    async with node.begin() as work:
        await work.consents.add_wishes(case_ref, [event], now=node.clock.now())


def own(result=SearchResult.MATCH, **more):
    return OwnAnswer(result, more.pop("records", (patient(),)), **({"case_ref": "paciente-7"} | more))


async def holder_of(federation, wish=Wish.CONTACT):
    node = federation.nodes[HOLDER].capabilities
    await wishes(node, wish)
    return node


async def test_a_question_is_filed_with_its_deadline_and_shown_to_nobody_who_does_not_open_it(federation):
    request = await asked(federation)
    holder = federation.nodes[HOLDER]
    assert await table(holder, "SELECT kind, state FROM cases") == [("search", "received")]
    [found] = await opened_messages(holder, "search.request")
    assert found.deadline - found.issued_at == 72 * 3600
    assert await table(holder, "SELECT state FROM inbox") == [("done",)]
    opened = await request_of(request, holder.capabilities)
    assert opened.open
    assert opened.message == found


async def test_what_is_shown_is_byte_for_byte_what_is_opened_and_nothing_unasked_is_in_it(federation):
    request = await asked(federation)
    node = await holder_of(federation)
    shown = await show_answer(request, own(), node, by=by(node))
    rows = {row.field: row for row in shown.rows}
    assert await table(federation.nodes[HOLDER], "SELECT kind FROM outbox") == []
    assert (rows["sex"].asked, rows["sex"].held, rows["sex"].leaves) == ("femenino", "femenino =", "femenino")
    assert (rows["said_names"].asked, rows["said_names"].held, rows["said_names"].leaves) == ("—", "(existe)", "no sale")
    assert rows["said_names"].why == "no se preguntó"
    assert rows["found_place"].rule == "answer-01"
    held = await confirm(shown.id, node, by=by(node))
    assert isinstance(held, Held)
    assert held.waits == ()
    await at_slot(federation)
    [kept] = await kept_messages(federation.nodes[MBMID], "search.response")
    assert kept.payload == pad_payload(shown.payload, len(kept.payload))
    message = decode_message(kept.payload)
    assert {item.field for record in message.records for item in record.disclosed} == set(WANT)
    assert message.issued_at == int(held.leaves_at.timestamp())
    for name in (MBMID, HOLDER):
        assert await table(federation.nodes[name], "SELECT state, outcome FROM exchanges") == [("closed", "answered")]


async def kept_messages(node, kind):
    rows = await table(node, f"SELECT thread_id, message_id, body FROM inbox WHERE kind = '{kind}' ORDER BY received_ms")
    return [await node.capabilities.bodies.open(thread, MessageId(message), body) for thread, message, body in rows]


async def test_nothing_is_found_in_no_record(federation):
    request = await asked(federation)
    node = await holder_of(federation)
    with pytest.raises(NotPermittedError, match="in a record"):
        await show_answer(request, own(records=()), node, by=by(node))


async def test_who_asked_reads_the_answer_once_it_is_there_and_only_what_was_asked(federation):
    request = await asked(federation)
    node, mbmid = await holder_of(federation), federation.nodes[MBMID].capabilities
    assert (await own_question(request, mbmid)).answer is None
    assert await own_question(request, node) is None
    await confirm((await show_answer(request, own(), node, by=by(node))).id, node, by=by(node))
    await at_slot(federation)
    found = await own_question(request, mbmid)
    assert found.answer.body.result is SearchResult.MATCH
    [(record_type, claims)] = found.claims
    assert record_type == "unidentified-person"
    assert claims == {name: PATIENT[name] for name in WANT}


async def test_nobody_confirms_what_another_person_was_shown_and_nothing_is_answered_twice(federation):
    request = await asked(federation)
    node = await holder_of(federation)
    shown = await show_answer(request, own(), node, by=by(node))
    with pytest.raises(NotPermittedError):
        await confirm(shown.id, node, by=by(node, SECOND))
    await confirm(shown.id, node, by=by(node))
    with pytest.raises(NotPermittedError):
        await show_answer(request, own(), node, by=by(node, SECOND))
    await at_slot(federation)
    with pytest.raises(NoSuchRequestError):
        await no_information(request, node, by=by(node), searched=(Code("registry"),), as_of=federation.clock.now())


async def test_who_confirms_after_the_slot_gets_a_later_one_and_two_answers_do_not_both_wait(federation):
    request = await asked(federation)
    node = await holder_of(federation)
    one = await show_answer(request, own(), node, by=by(node))
    other = await show_answer(request, own(), node, by=by(node, SECOND))
    federation.clock.forward(minutes=45)
    held = await confirm(one.id, node, by=by(node))
    assert held.leaves_at > federation.clock.now()
    assert held.content == one.content
    with pytest.raises(NotPermittedError, match="waits already"):
        await confirm(other.id, node, by=by(node, SECOND))
    await at_slot(federation)
    [found] = await opened_messages(federation.nodes[MBMID], "search.response")
    assert found.issued_at == int(held.leaves_at.timestamp())


async def test_an_answer_whose_thread_was_erased_holds_up_no_other(federation):
    erased, other = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation)
    for request in (erased, other):
        await confirm((await show_answer(request, own(), node, by=by(node))).id, node, by=by(node))
    [thread] = [thread for message, thread in await threads(federation) if message == str(erased)]
    await erase_key(federation.nodes[HOLDER], thread)
    await at_slot(federation)
    assert await table(federation.nodes[HOLDER], "SELECT count(*) FROM outbox WHERE kind = 'search.response'") == [(1,)]
    assert await table(federation.nodes[HOLDER], "SELECT count(*) FROM alarms WHERE code = 'leaving-stopped'") == [(1,)]


async def erase_key(node, thread):
    engine = create_engine(node.config.key_store)
    try:
        async with engine.begin() as connection:
            await connection.execute(
                text("UPDATE thread_keys SET destroyed_ms = 1 WHERE thread_id = :thread"), {"thread": thread}
            )
    finally:
        await engine.dispose()
    node.capabilities.bodies._cache.clear()


async def threads(federation):
    return await table(federation.nodes[HOLDER], "SELECT message_id, thread_id FROM inbox")


async def test_a_text_waits_until_a_person_lets_it_go_and_about_a_child_so_does_the_rest_for_a_second(federation):
    request = await asked(federation, want=(Code("sex"), Code("brought_by"), Code("features")))
    node = await holder_of(federation)
    features = [{"type": "scar", "text": "cicatriz en la frente"}]
    child = patient(age_range={"min": 9, "max": 12}, features=features)
    shown = await show_answer(request, own(records=(child,)), node, by=by(node))
    assert set(shown.waits) == {WALL_HELD, WALL_TWO_PERSONS}
    await confirm(shown.id, node, by=by(node))
    departure, _, texts = await open_parcel(shown.id, node)
    federation.clock.forward(hours=1)
    await federation.settle()
    assert await table(federation.nodes[HOLDER], "SELECT kind FROM outbox") == []
    [held_text] = texts
    assert b"cicatriz" not in held_text.sealed + departure.sealed
    held = await release_text(shown.id, [held_text.place], node, by=by(node))
    assert held.waits == (WALL_TWO_PERSONS,)
    held = await approve(shown.id, departure.content, node, by=by(node, SECOND))
    assert held.waits == ()
    assert held.leaves_at > federation.clock.now()  # a later slot, since it took a person longer
    await at_slot(federation)
    [found] = await opened_messages(federation.nodes[MBMID], "search.response")
    assert "features" in {item.field for record in found.records for item in record.disclosed}


@pytest.mark.parametrize("wish", [Wish.SILENCE, Wish.UNDECIDED])
async def test_against_the_wish_of_the_person_found_it_is_answered_as_if_there_were_nobody(federation, wish):
    """Two worlds: here somebody was found who wants silence; there nobody was. Bytes and slot are the same."""
    hidden, absent = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation, wish)
    shown = await show_answer(hidden, own(), node, by=by(node))
    assert shown.told == "no-match"
    assert WALL_WISH in shown.silenced_by
    one = await confirm(shown.id, node, by=by(node))
    other = await no_information(absent, node, by=by(node), searched=(Code("registry"),), as_of=federation.clock.now())
    federation.network.carried.clear()
    await at_slot(federation)
    first, second = await kept_messages(federation.nodes[MBMID], "search.response")
    assert one.leaves_at == other.leaves_at
    assert len(first.jws) == len(second.jws)
    envelopes = [envelope for peer, envelope in federation.network.carried if peer == MBMID]
    assert len({len(envelope) for envelope in envelopes}) == 1
    assert blind(decode_message(first.payload)) == blind(decode_message(second.payload))


def blind(message):
    """A message without its ids and times."""
    changing = ("message_id", "thread_id", "in_reply_to", "case_alias", "issued_at", "expires_at", "use", "body")
    return message.model_dump(exclude=set(changing)), message.body.model_dump(exclude={"searched_at"})


async def said_at_all(federation, kind):
    """Everything of the two messages but their ids and what they are made of; times count from when each question came."""
    holder = federation.nodes[HOLDER]
    came = {message: moment // 1000 for message, moment in await table(holder, "SELECT message_id, received_ms FROM inbox")}
    kept = await kept_messages(federation.nodes[MBMID], kind)
    assert len({len(item.jws) for item in kept}) == 1
    found = []
    for item in kept:
        message = decode_message(item.payload)
        body = message.body.model_dump()
        if "searched_at" in body:
            body["searched_at"] -= came[str(message.in_reply_to)]
        found.append((message.model_dump(exclude={"message_id", "thread_id", "in_reply_to", "case_alias", "body"}), body))
    return found


async def two_worlds(federation, act, kind, wish=Wish.SILENCE):
    """Somebody is here who wants silence, and was looked at; or nobody is. What `act` makes of either, as the asker has it."""
    hidden, absent = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation, wish)
    shown = await show_answer(hidden, own(), node, by=by(node))
    assert shown.told == ("no-match" if wish is Wish.SILENCE else "match")
    await drop(shown.id, node, by=by(node))
    federation.clock.forward(minutes=3)
    slots = [(await act(request, node)).leaves_at for request in (hidden, absent)]
    assert slots[0] == slots[1]
    federation.network.carried.clear()
    await at_slot(federation)
    envelopes = [envelope for peer, envelope in federation.network.carried if peer == MBMID]
    assert len({len(envelope) for envelope in envelopes}) == 1
    return await said_at_all(federation, kind)


ACTS = {
    "decline": (lambda request, node: decline(request, node, by=by(node), reason=Code("wish")), "search.response"),
    "no-access": (lambda request, node: decline(request, node, by=by(node), reason=Code("no-access")), "search.response"),
    "extend": (
        lambda request, node: extend(request, node.clock.now() + timedelta(days=6), node, by=by(node)),
        "case.status",
    ),
    "clarify": (
        lambda request, node: clarify(
            request, (Code("sex"),), Code("missing-person"), Code("compare"), node, by=by(node), calendar=None
        ),
        "disclosure.request",
    ),
}


@pytest.mark.parametrize("name", list(ACTS))
async def test_whatever_an_officer_says_instead_of_an_answer_is_the_same_where_nobody_is(federation, name):
    first, second = await two_worlds(federation, *ACTS[name])
    assert first == second


async def test_declined_for_a_reason_of_the_person_is_what_who_holds_nothing_says(federation):
    """The one world declines because somebody wants silence, the other found nothing and says through what and as of when."""
    hidden, absent = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation, Wish.SILENCE)
    await decline(hidden, node, by=by(node), reason=Code("wish-of-the-person"))
    federation.clock.forward(minutes=2)
    as_of = federation.clock.now() - timedelta(days=2)
    await no_information(absent, node, by=by(node), searched=(Code("registro-interno"),), as_of=as_of)
    await at_slot(federation)
    kept = await kept_messages(federation.nodes[MBMID], "search.response")
    first, second = await said_at_all(federation, "search.response")
    assert first == second
    # where was searched, as of when, and why it was declined stand in our own leaves, and in nothing that left
    assert not [item for item in kept if b"registro-interno" in item.payload or b"wish-of" in item.payload]
    leaves = str(await leaves_of(federation.nodes[HOLDER]))
    for own_words in ("registro-interno", f"as-of {as_of:%Y-%m-%d}", "wish-of-the-person"):
        assert own_words in leaves


async def leaves_of(node):
    """What every leaf of a node says, to its own people."""
    rows = await table(node, "SELECT data, disclosures FROM leaf_staging")
    rows += await table(node, "SELECT data, disclosures FROM leaves")
    return [open_leaf(data, from_json(disclosures)) for data, disclosures in rows]


async def test_control_a_decline_that_says_why_is_seen_by_the_two_worlds(federation, monkeypatch):
    monkeypatch.setattr(responding, "ABOUT_THE_OFFICE", frozenset({Code("wish-of-the-person")}))
    hidden, absent = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation, Wish.SILENCE)
    await decline(hidden, node, by=by(node), reason=Code("wish-of-the-person"))
    now = federation.clock.now()
    await no_information(absent, node, by=by(node), searched=(Code("registry"),), as_of=now)
    await at_slot(federation)
    first, second = await said_at_all(federation, "search.response")
    assert first != second


async def test_control_a_node_that_tells_is_seen_by_the_two_worlds(federation):
    hidden, absent = await asked(federation), await asked(federation, case_ref="caso-2")
    node = await holder_of(federation, Wish.CONTACT)
    await confirm((await show_answer(hidden, own(), node, by=by(node))).id, node, by=by(node))
    await no_information(absent, node, by=by(node), searched=(Code("registry"),), as_of=federation.clock.now())
    await at_slot(federation)
    first, second = await opened_messages(federation.nodes[MBMID], "search.response")
    assert blind(first) != blind(second)


async def test_a_wish_expressed_while_the_answer_waited_for_its_slot_stops_it(federation):
    request = await asked(federation)
    node = await holder_of(federation, Wish.CONTACT)
    await confirm((await show_answer(request, own(), node, by=by(node))).id, node, by=by(node))
    federation.clock.forward(seconds=20)
    event = WishEvent(node.new_message_id(node.clock.now()), Wish.SILENCE, int(node.clock.now().timestamp()), Code("interview"))
    async with node.begin() as work:
        await work.consents.add_wishes("paciente-7", [event], now=node.clock.now())
    await at_slot(federation)
    federation.clock.forward(hours=2)
    await at_slot(federation)
    assert await table(federation.nodes[HOLDER], "SELECT kind FROM outbox") == []
    assert await table(federation.nodes[HOLDER], "SELECT code FROM alarms WHERE code = 'leaving-stopped'") == [
        ("leaving-stopped",)
    ]


async def test_an_answer_with_more_than_was_asked_is_refused_at_the_door_with_a_signed_refusal(federation, monkeypatch):
    request = await asked(federation)
    node = await holder_of(federation)
    shown = await show_answer(request, own(), node, by=by(node))
    await confirm(shown.id, node, by=by(node))
    monkeypatch.setattr(searching, "wanted_of", lambda _: (frozenset({"sex"}), None))
    await at_slot(federation)
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM inbox WHERE kind = 'search.response'") == [(0,)]
    assert await table(federation.nodes[HOLDER], "SELECT state FROM outbox WHERE kind = 'search.response'") == [("rejected",)]
    assert await table(federation.nodes[HOLDER], "SELECT recall FROM disclosures") == [("not-taken",)]


async def test_control_a_door_that_does_not_look_takes_it_in(federation, monkeypatch):
    request = await asked(federation)
    node = await holder_of(federation)
    await confirm((await show_answer(request, own(), node, by=by(node))).id, node, by=by(node))
    monkeypatch.setattr(searching, "refuse_more", lambda *_: None)
    monkeypatch.setattr(searching, "wanted_of", lambda _: (frozenset({"sex"}), None))
    await at_slot(federation)
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM inbox WHERE kind = 'search.response'") == [(1,)]


async def test_declining_tells_one_word_and_an_extension_a_later_time(federation):
    request = await asked(federation)
    node = federation.nodes[HOLDER].capabilities
    [late] = await table(federation.nodes[MBMID], "SELECT deadline_ms FROM exchanges")
    until = federation.clock.now() + timedelta(days=6)
    await extend(request, until, node, by=by(node))
    with pytest.raises(NotPermittedError):
        await extend(request, federation.clock.now() + timedelta(hours=1), node, by=by(node))
    await at_slot(federation)
    for name in (MBMID, HOLDER):
        [(deadline,)] = await table(federation.nodes[name], "SELECT deadline_ms FROM exchanges")
        assert deadline // 1000 == int(until.timestamp())
        assert deadline > late[0]
    await decline(request, node, by=by(node), reason=Code("no-access"))
    await at_slot(federation)
    [found] = await opened_messages(federation.nodes[MBMID], "search.response")
    assert (found.body.result, found.body.basis) == (SearchResult.CANNOT_ANSWER, "not-answered")


async def test_fields_of_a_record_are_asked_and_granted_the_same_way(federation):
    request = await asked(federation)
    holder, mbmid = await holder_of(federation), federation.nodes[MBMID].capabilities
    await clarify(request, (Code("height_cm"),), Code("missing-person"), Code("compare"), holder, by=by(holder), calendar=None)
    await at_slot(federation)
    [wanted] = await opened_messages(federation.nodes[MBMID], "disclosure.request")
    found = OwnAnswer(SearchResult.MATCH, (SourceRecord(RecordType.MISSING_PERSON, ADULT),), case_ref="caso-1")
    with pytest.raises(NotPermittedError):  # to a migrant council no rule grants it
        await show_answer(wanted.message_id, found, mbmid, by=by(mbmid))
    await decline(wanted.message_id, mbmid, by=by(mbmid), reason=Code("no-rule"))
    await at_slot(federation)
    [grant] = await opened_messages(federation.nodes[HOLDER], "disclosure.grant")
    assert grant.body.result.value == "refused"
    fields = FieldsWanted(
        to=NodeId(HOLDER),
        record_type=Code("unidentified-person"),
        fields=(Code("sex"),),
        reason=Code("compare"),
        purpose=Code("locate-missing"),
        basis=Code("gt:codigo-migracion:198-207"),
        case_ref="caso-1",
    )
    asked_for = await ask_fields(fields, mbmid, by=by(mbmid))
    await at_slot(federation)
    shown = await show_answer(asked_for.message.message_id, own(), holder, by=by(holder))
    await confirm(shown.id, holder, by=by(holder))
    await at_slot(federation)
    [granted] = await opened_messages(federation.nodes[MBMID], "disclosure.grant")
    assert [item.field for record in granted.records for item in record.disclosed] == ["sex"]


def test_an_answer_is_measured_by_what_was_asked_alone():
    asked_for = type("Q", (), {})
    assert searching.wanted_of(asked_for()) == (frozenset(), None)
