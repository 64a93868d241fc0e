"""A relative takes back a consent (E6): between whole nodes, on SQLite and PostgreSQL. Each "never" and each "test" of it."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text as sql

from contracts.calendars import day_in_guatemala
from contracts.codec import decode_message
from contracts.consents import NO_LIMITS, ConsentForm, Limits, RelativeId, Scope, may_search_internally
from contracts.disclosure import Grant, SourceRecord
from contracts.errors import NotPermittedError, StorageError, UnknownCaseError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId, NodeId, ThreadId
from contracts.messages import ConsentAct, SearchRequest, SearchRequestBody, Urgency
from gateway.exchange import deliver, erasing, standing
from gateway.exchange import submit as submit_module
from gateway.exchange.consenting import Decision, consents_of, decide
from gateway.exchange.erasing import erase_turn, keep
from gateway.exchange.ports import DeliveryOutcome
from gateway.exchange.recalling import recall_turn
from gateway.exchange.states import OutboxState
from gateway.exchange.submit import Draft, submit
from gateway.storage.engine import create_engine
from tests.conftest import new_node_databases
from tests.gateway.test_exchange import CANARY, row, send, table
from tests.simulator.federation import simulated_federation

MBMID, DESK, CNB, ICRC = "gt.igm.mbmid", "gt.conamigua", "mx.cnb", "int.icrc"
NAMES = (MBMID, DESK, CNB, ICRC)
DAUGHTER, MOTHER = RelativeId("r:hija-1"), RelativeId("r:madre-1")
TRANSFER = Code("gt:mbmid:traslado-inmediato")


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in (MBMID, CNB)}
    async with simulated_federation(tmp_path, *NAMES, databases=databases) as found:
        yield found


@pytest.fixture
async def quick(tmp_path):
    """The same on SQLite, for what has nothing to do with the database."""
    async with simulated_federation(tmp_path, *NAMES) as found:
        yield found


async def a_case(federation):
    """A family's report at the MBMID; returns its folio and its thread."""
    await send(federation, row())
    await federation.settle()
    [(folio, thread)] = await table(federation.nodes[MBMID], "SELECT folio, thread_id FROM cases WHERE kind = 'report'")
    return folio, ThreadId(thread)


def said(act, *scopes, who=DAUGHTER, **more):
    return Decision(
        relative=who, act=act, scopes=frozenset(map(Scope, scopes)), form=ConsentForm.WRITTEN, language="es", **more
    )


async def says(federation, case, decision):
    node = federation.nodes[MBMID].capabilities
    return await decide(case, decision, node, actor=node.pseudonyms.actor("officer"))


PERSON = {"given_names": ["Ficticio", CANARY], "surname_1": "Caal", "sex": "male", "age_range": {"min": 30, "max": 35}}


def question(federation, case_ref, to=CNB, scopes=("c3", "c4"), values=PERSON):
    node = federation.nodes[MBMID].capabilities
    return Draft(
        kind=SearchRequest,
        to=NodeId(to),
        body=SearchRequestBody(want=(Code("sex"),), urgency=Urgency.NORMAL),
        purpose=Code("locate-missing"),
        basis=Code("consent"),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(federation.clock.now()),
        case_key=str(case_ref),
        records=(SourceRecord(RecordType.MISSING_PERSON, values),),
        grant=Grant(frozenset(map(Code, scopes)), duty=False, approvals=2),
    )


async def asks(federation, case_ref, **more):
    [prepared] = await submit([question(federation, case_ref, **more)], federation.nodes[MBMID].capabilities)
    return prepared.message


async def erase(federation, *, hours=0, step=6, reachable=True):
    """Turns of every node's eraser, as its loop would do them while time passes."""
    for _ in range(0, hours + 1, step):
        for name in federation.nodes:
            node = federation.nodes[name]
            while await erase_turn(node.capabilities, node.operations.scrub):
                pass
        if reachable:
            await federation.settle()
        else:
            await federation.turn()
        federation.clock.forward(hours=step if hours else 0)


async def recall_states(federation, peer=CNB):
    rows = await table(
        federation.nodes[MBMID], f"SELECT recall FROM disclosures WHERE peer = '{peer}' ORDER BY sent_ms, record_id"
    )
    return [row[0] for row in rows]


async def bodies_of(node, thread):
    return await table(node, f"SELECT length(body) FROM inbox WHERE thread_id = '{thread}'")


async def test_what_was_given_is_ordered_back_blocked_shredded_and_accounted_for(federation):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4", "c6"))
    message = await asks(federation, case)
    kept = await asks(federation, case, to=ICRC, scopes=("c6",))
    await federation.settle()
    cnb = federation.nodes[CNB]
    [(body,)] = await table(cnb, f"SELECT body FROM inbox WHERE message_id = '{message.message_id}'")
    assert (await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)).jws

    decided = await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4", reason=Code("threat")))
    assert decided.ordered == {CNB: 1}
    assert await recall_states(federation) == ["ordered"]
    await federation.settle()
    # blocked at once: the text is there and nobody reads it, and nothing more is said in its thread
    assert await bodies_of(cnb, message.thread_id) != [(0,)]
    with pytest.raises(StorageError, match="blocked"):
        await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)
    [state] = await table(cnb, "SELECT state, kind FROM erasures")
    assert state == ("blocked", "record")
    await erase(federation, hours=18)
    assert await bodies_of(cnb, message.thread_id) != [(0,)]  # not before a day is over
    await erase(federation, hours=12)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    with pytest.raises(StorageError, match="destroyed"):
        await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)
    assert await recall_states(federation) == ["erased"]
    # the other node's copy rests on what still stands
    assert await recall_states(federation, ICRC) == ["held"]
    icrc = federation.nodes[ICRC]
    assert await bodies_of(icrc, kept.thread_id) != [(0,)]
    [(ordered, ended, answered)] = await table(cnb, "SELECT ordered_ms, ended_ms, answered_ms FROM erasures")
    assert 24 <= (ended - ordered) / 3_600_000 <= 48
    assert (answered - ordered) / 3_600_000 <= 72
    # the signed receipt is filed, and what was said and by whom is still proven
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM inbox WHERE kind = 'erasure.receipt'") == [(1,)]
    machine = "SELECT machine, state, outcome FROM exchanges WHERE machine = 'erasure'"
    assert (
        await table(federation.nodes[MBMID], machine) == await table(cnb, machine) == [("erasure", "closed", "accounted-for")]
    )


async def test_control_an_order_that_is_ignored_is_seen(federation, monkeypatch):
    async def ignores(_message, _node):
        return None

    monkeypatch.setattr("gateway.exchange.dispatch.take_order", ignores)
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    await federation.settle()
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c3", "c4"))
    first = day_in_guatemala(federation.clock.now())
    await erase(federation, hours=54)
    last = day_in_guatemala(federation.clock.now() - timedelta(hours=6))
    assert await recall_states(federation) == ["ordered"]
    assert await bodies_of(federation.nodes[CNB], message.thread_id) != [(0,)]
    days = await table(federation.nodes[MBMID], "SELECT subject FROM alarms WHERE code = 'recall-outstanding' ORDER BY subject")
    assert len(days) == len(set(days)) == (last - first).days + 1  # once a day, however often anybody looked


async def test_what_waits_on_it_is_taken_back_and_never_leaves(federation):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    decided = await says(federation, folio, said(ConsentAct.WITHDRAWN, "c3", "c4"))
    assert decided.taken_back == (message.message_id,)
    assert decided.ordered == {}
    carried = len(federation.network.carried)
    await federation.settle()
    assert [peer for peer, _ in federation.network.carried[carried:]] == []
    assert await table(federation.nodes[CNB], "SELECT count(*) FROM inbox") == [(0,)]
    state = f"SELECT state, reason FROM outbox WHERE message_id = '{message.message_id}'"
    assert await table(federation.nodes[MBMID], state) == [("withdrawn", "consent-withdrawn")]
    assert await recall_states(federation) == ["withdrawn"]


async def test_nothing_leaves_on_it_any_more_whoever_prepared_it(federation, monkeypatch):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    with pytest.raises(NotPermittedError, match="withdrawn"):
        await asks(federation, case)
    await asks(federation, case, scopes=("c3",))  # what still stands goes on
    assert await recall_states(federation) == ["held"]


async def test_control_without_the_look_in_the_transaction_it_would_leave(quick, monkeypatch):
    async def looks_away(_lines, _work, *, now):
        return None

    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await says(quick, folio, said(ConsentAct.WITHDRAWN, "c4"))
    monkeypatch.setattr(submit_module, "refuse_fallen", looks_away)
    await asks(quick, case)
    assert await recall_states(quick) == ["held"]


async def test_one_that_is_under_way_is_told_truthfully(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(quick, case)
    quick.network.fail_next("lose-reply")  # it arrived, and we do not know
    await quick.turn()
    decided = await says(quick, folio, said(ConsentAct.WITHDRAWN, "c3", "c4"))
    assert decided.taken_back == ()
    assert decided.under_way == (message.message_id,)
    assert decided.ordered == {CNB: 1}
    await quick.settle()
    await erase(quick, hours=30)
    assert await recall_states(quick) == ["erased"]
    assert await bodies_of(quick.nodes[CNB], message.thread_id) == [(0,)]
    state = f"SELECT state FROM outbox WHERE message_id = '{message.message_id}'"
    assert await table(quick.nodes[MBMID], state) == [("withdrawn",)]  # not sent a second time


async def test_one_relatives_withdrawal_never_touches_anothers(federation):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4", who=MOTHER))
    message = await asks(federation, case)
    await federation.settle()
    decided = await says(federation, folio, said(ConsentAct.WITHDRAWN, *[scope.value for scope in Scope]))
    assert decided.ordered == {}
    await erase(federation, hours=30)
    assert await recall_states(federation) == ["held"]
    assert await bodies_of(federation.nodes[CNB], message.thread_id) != [(0,)]
    _, holding = await consents_of(folio, federation.nodes[MBMID].capabilities)
    assert {who for who, _ in holding.scopes} == {MOTHER}
    # and when she takes hers back too, it falls
    assert (await says(federation, folio, said(ConsentAct.WITHDRAWN, "c3", who=MOTHER))).ordered == {CNB: 1}


async def test_control_a_fold_that_mixes_relatives_is_seen(quick, monkeypatch):
    monkeypatch.setattr(standing, "_given", lambda _holding, _entry, _who: frozenset())
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4", who=MOTHER))
    await asks(quick, case)
    await quick.settle()
    assert (await says(quick, folio, said(ConsentAct.WITHDRAWN, "c3"))).ordered == {CNB: 1}


async def test_a_withdrawal_never_closes_the_search_and_stops_no_duty(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c1", "c3", "c4"))
    await says(quick, folio, said(ConsentAct.WITHDRAWN, *[scope.value for scope in Scope]))
    mbmid = quick.nodes[MBMID]
    assert await table(mbmid, f"SELECT state, folio FROM cases WHERE thread_id = '{case}'") == [("received", folio)]
    _, holding = await consents_of(folio, mbmid.capabilities)
    assert may_search_internally(holding, TRANSFER)
    # the report itself rests on a duty: it is nowhere recalled, at the desk that sent it neither
    desk = quick.nodes[DESK]
    [(ref,)] = await table(desk, "SELECT DISTINCT case_ref FROM disclosures")
    decided = await decide(
        ref, said(ConsentAct.WITHDRAWN, "c1"), desk.capabilities, actor=desk.capabilities.pseudonyms.actor("x")
    )
    assert decided.ordered == {}
    assert await table(desk, "SELECT DISTINCT recall FROM disclosures") == [("held",)]


async def test_a_re_import_brings_nothing_back(quick):
    again = row()
    await send(quick, again)
    await quick.settle()
    desk = quick.nodes[DESK]
    ref = again.key.hex()
    actor = desk.capabilities.pseudonyms.actor("x")
    await decide(ref, said(ConsentAct.WITHDRAWN, "c1"), desk.capabilities, actor=actor)
    [result] = await send(quick, again)
    assert result.outcome == "duplicate"
    _, holding = await consents_of(ref, desk.capabilities)
    assert holding.scopes == {}


async def test_a_law_may_keep_it_and_says_which(federation):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    await federation.settle()
    cnb = federation.nodes[CNB].capabilities
    actor = cnb.pseudonyms.actor("archivist")
    with pytest.raises(NotPermittedError):
        await keep(message.thread_id, Code("porque-si"), cnb, actor=actor)
    assert await keep(message.thread_id, Code("mx:maebi"), cnb, actor=actor)
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    await erase(federation, hours=30)
    rows = await table(federation.nodes[MBMID], f"SELECT recall, recall_basis FROM disclosures WHERE peer = '{CNB}'")
    assert rows == [("refused", "mx:maebi")]
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM alarms WHERE code = 'erasure-refused'") == [(1,)]
    [(body,)] = await table(federation.nodes[CNB], f"SELECT body FROM inbox WHERE message_id = '{message.message_id}'")
    assert (await cnb.bodies.open(message.thread_id, message.message_id, body)).jws  # kept, and readable again


async def receipt_of(federation):
    """The body of the one erasure receipt the MBMID got."""
    node = federation.nodes[MBMID]
    [(thread, message, body)] = await table(
        node, "SELECT thread_id, message_id, body FROM inbox WHERE kind = 'erasure.receipt'"
    )
    kept = await node.capabilities.bodies.open(ThreadId(thread), MessageId(message), body)
    return decode_message(kept.payload).body


async def in_a_shared_thread(federation):
    """A copy at the CNB in a thread in which another peer said something too; returns the copy's thread."""
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    await federation.settle()
    engine = create_engine(federation.nodes[CNB].config.main_database)
    async with engine.begin() as connection:
        columns = "message_id, kind, thread_id, body, state, attempts, due_ms, received_ms, expires_ms"
        await connection.execute(sql(f"INSERT INTO inbox (sender, {columns}) SELECT 'gt.minex', {columns} FROM inbox"))
    await engine.dispose()
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    return message


async def test_a_receipt_says_of_which_copy_the_key_stays(federation):
    message = await in_a_shared_thread(federation)
    cnb = federation.nodes[CNB]
    [(record,)] = await table(cnb, "SELECT record_id FROM received_records")
    [(body,)] = await table(cnb, "SELECT body FROM inbox WHERE sender = 'gt.igm.mbmid'")
    await erase(federation, hours=30)
    told = await receipt_of(federation)
    assert told.stores == ("database",)  # the key is where it was, and an older backup of the body opens with it
    assert told.backups_expire is None
    assert [(entry.item, entry.because) for entry in told.key_stays] == [(record, "shared-thread")]
    assert (await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)).jws
    assert await recall_states(federation) == ["erased"]
    raised = "SELECT count(*) FROM alarms WHERE code = 'erasure-key-stays'"
    assert await table(federation.nodes[MBMID], raised) == [(1,)]


async def test_a_receipt_for_a_thread_that_went_names_the_key_store(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await asks(quick, case)
    await quick.settle()
    await says(quick, folio, said(ConsentAct.WITHDRAWN, "c4"))
    await erase(quick, hours=30)
    told = await receipt_of(quick)
    assert (told.stores, told.key_stays) == (("database", "key-store"), ())
    assert told.backups_expire > told.erased_at


async def test_nobody_erases_what_another_sent(quick):
    """An order names ids and a thread; only the orderer's own copies are found, and a thread of others keeps its key."""
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await asks(quick, case)
    await quick.settle()
    cnb = quick.nodes[CNB]
    [(record, thread)] = await table(cnb, "SELECT record_id, thread_id FROM received_records")
    async with cnb.capabilities.begin() as work:
        assert await work.erasures.find(NodeId(ICRC), [record]) == {}
        found = await work.erasures.find(NodeId(MBMID), [record])
    assert found[record].whole
    engine = create_engine(cnb.config.main_database)  # a stranger's message in the same thread
    async with engine.begin() as connection:
        columns = "message_id, kind, thread_id, body, state, attempts, due_ms, received_ms, expires_ms"
        await connection.execute(sql(f"INSERT INTO inbox (sender, {columns}) SELECT 'gt.minex', {columns} FROM inbox"))
    await engine.dispose()
    await says(quick, folio, said(ConsentAct.WITHDRAWN, "c4"))
    await erase(quick, hours=30)
    lengths = dict(await table(cnb, f"SELECT sender, length(body) FROM inbox WHERE thread_id = '{thread}'"))
    assert lengths[MBMID] == 0
    assert lengths["gt.minex"] > 0
    assert await table(cnb, "SELECT count(*) FROM alarms WHERE code = 'erasure-in-shared-thread'") == [(1,)]


async def test_what_cannot_be_told_now_is_told_later(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    await asks(quick, case)
    await quick.settle()
    mbmid = quick.nodes[MBMID].capabilities
    quick.clock.forward(days=8)  # nobody polled: the register is too old for anything to leave
    decided = await says(quick, folio, said(ConsentAct.WITHDRAWN, "c4"))
    assert decided.untold == (CNB,)
    assert await recall_states(quick) == ["wanted"]
    await recall_turn(mbmid)
    assert await recall_states(quick) == ["wanted"]
    await quick.publish()
    await recall_turn(mbmid)
    assert await recall_states(quick) == ["ordered"]


async def test_a_case_nobody_knows_and_a_consent_without_its_witness_change_nothing(quick):
    with pytest.raises(UnknownCaseError):
        await says(quick, "MBMID-2026-000099", said(ConsentAct.GIVEN, "c3"))
    assert await table(quick.nodes[MBMID], "SELECT count(*) FROM consent_events") == [(0,)]


async def test_narrowed_to_fewer_recipients_the_others_give_it_back(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4", "c6"))
    await asks(quick, case)
    await quick.settle()
    limits = Limits(recipients=frozenset({NodeId(ICRC)}))
    decided = await says(quick, folio, said(ConsentAct.NARROWED, "c3", "c4", limits=limits))
    assert decided.ordered == {CNB: 1}
    assert limits != NO_LIMITS
    assert erasing.SHRED_AFTER < erasing.SHRED_BY < erasing.RECEIPT_BY


@pytest.mark.parametrize(("came", "ends"), [(OutboxState.DELIVERED, "delivered"), (OutboxState.WAITING, "withdrawn")])
async def test_what_a_delivery_has_in_hand_ends_as_its_receipt_says(federation, came, ends):
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    mbmid, now = federation.nodes[MBMID].capabilities, federation.clock.now()
    async with mbmid.begin() as work:
        [item] = await work.outbox.claim(NodeId(CNB), owner="worker:1", now=now, lease=deliver.LEASE, limit=9)
    decided = await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    assert decided.under_way == (message.message_id,)
    receipt = "r" if came is OutboxState.DELIVERED else None
    outcome = DeliveryOutcome(item.message_id, came, receipt=receipt)
    await deliver._finish(NodeId(CNB), [outcome], mbmid, owner="worker:1", next_attempt=None)
    kept = "SELECT o.state, b.receipt, length(b.envelope) FROM outbox o JOIN outbox_bodies b ON o.message_id = b.message_id"
    assert await table(federation.nodes[MBMID], f"{kept} WHERE o.message_id = '{message.message_id}'") == [(ends, receipt, 0)]
    assert await recall_states(federation) == ["ordered"]


async def test_a_send_and_a_withdrawal_at_once_leave_nothing_that_nobody_recalls(federation):
    """Either the send came first, and is taken back or recalled, or the withdrawal did, and it was refused."""
    mbmid, refused = federation.nodes[MBMID].capabilities, 0
    for number in range(8):
        ref = f"caso-{number}"
        await asks(federation, ref, to=ICRC, scopes=("c6",))
        await decide(ref, said(ConsentAct.GIVEN, "c3", "c4"), mbmid, actor=mbmid.pseudonyms.actor("x"))
        send = submit([question(federation, ref)], mbmid)
        take = decide(ref, said(ConsentAct.WITHDRAWN, "c4"), mbmid, actor=mbmid.pseudonyms.actor("x"))
        results = await asyncio.gather(*((send, take) if number % 2 else (take, send)), return_exceptions=True)
        failed = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(result, NotPermittedError) for result in failed)
        refused += len(failed)
    states = await recall_states(federation)
    assert set(states) <= {"withdrawn", "ordered"}
    assert len(states) + refused == 8
