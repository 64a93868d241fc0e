"""Reports, duties and findings between whole nodes, with the network at its worst. On SQLite and on PostgreSQL."""

import asyncio
import itertools

import pytest
from sqlalchemy import text

from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError, PeerUnavailableError, ProblemCode
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import Note, NoteBody, Ping, PingBody, SampleReference
from contracts.messages.reports import Channel
from contracts.register import KeysetLog
from gateway.exchange import dispatch
from gateway.exchange.ask import ask
from gateway.exchange.deliver import deliver_lane, pause_peer
from gateway.exchange.desk import DeskRow, send_rows
from gateway.exchange.submit import Draft, submit
from gateway.storage.engine import create_engine
from keys.keystore import load_node_keys
from keys.register.ceremony import (
    make_keyset,
    make_self_suspension,
    publish_alone,
    stage_keyset,
    stage_self_suspension,
    stage_suspension,
)
from tests.conftest import new_node_databases
from tests.simulator.federation import simulated_federation

CANARY = "Ficticiacanaria"
MBMID, PGN, CONAMIGUA = NodeId("gt.igm.mbmid"), NodeId("gt.pgn"), NodeId("gt.conamigua")


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in ("gt.igm.mbmid", "gt.conamigua", "gt.pgn")}
    names = ("gt.igm.mbmid", "gt.conamigua", "gt.pgn", "gt.igm.control")
    async with simulated_federation(tmp_path, *names, databases=databases) as found:
        yield found


_NUMBER = itertools.count(1)


def row(*, age=(30, 35), given="Ficticio", **values) -> DeskRow:
    number = next(_NUMBER)
    person = {
        "given_names": [given, CANARY],
        "surname_1": "Caal",
        "age_range": {"min": age[0], "max": age[1]},
        "last_contact_date": {"date": "2026-10-15", "precision": "day"},
        "narrative": f"{CANARY} salió a pie",
    } | values
    reporter = {"name": ["Ficticia"], "phones": ["+50255550100"]}
    return DeskRow(
        source="prueba",
        row=number,
        key=number.to_bytes(32),
        records=(SourceRecord(RecordType.MISSING_PERSON, person), SourceRecord(RecordType.REPORTER, reporter)),
        office=Code("huehuetenango"),
        channel=Channel.DESK,
        language="es",
    )


async def send(federation, *rows):
    node = federation.nodes["gt.conamigua"].capabilities
    return await send_rows(rows, node, actor=node.pseudonyms.actor("officer"))


async def table(node, statement):
    engine = create_engine(node.config.main_database)
    try:
        async with engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]
    finally:
        await engine.dispose()


async def folios(federation):
    return sorted(
        row[0] for row in await table(federation.nodes["gt.igm.mbmid"], "SELECT folio FROM cases WHERE kind = 'report'")
    )


async def test_a_report_reaches_the_mbmid_and_comes_back_with_a_folio(federation):
    [result] = await send(federation, row())
    assert (result.outcome, result.kinds) == ("imported", ("report.transfer",))
    await federation.settle()
    assert await folios(federation) == ["MBMID-2026-000001"]
    assert await table(federation.nodes["gt.conamigua"], "SELECT state, folio FROM cases") == [
        ("acknowledged", "MBMID-2026-000001")
    ]
    sent = await table(federation.nodes["gt.conamigua"], "SELECT state FROM outbox")
    assert sent == [("delivered",)]
    # two leaves per exchange: one at each end, in the transaction of its effect
    for name, event in (("gt.conamigua", "msg.sent"), ("gt.igm.mbmid", "msg.received")):
        leaves = await table(federation.nodes[name], f"SELECT count(*) FROM leaves WHERE event = '{event}'")
        assert leaves == [(1,)]


@pytest.mark.parametrize("fault", ["lose-request", "lose-reply", "duplicate", "bare-problem"])
async def test_whatever_the_network_does_each_report_is_one_case(federation, fault):
    await send(federation, row(), row(), row())
    federation.network.fail_next(fault, fault)
    await federation.settle()
    assert await folios(federation) == [f"MBMID-2026-00000{n}" for n in (1, 2, 3)]
    assert await table(federation.nodes["gt.conamigua"], "SELECT DISTINCT state FROM outbox") == [("delivered",)]


async def test_the_duplicate_gets_the_original_receipt_and_no_second_leaf(federation):
    await send(federation, row())
    federation.network.fail_next("duplicate")
    await federation.settle()
    door = federation.nodes["gt.igm.mbmid"].door
    [(_, envelope)] = [item for item in federation.network.carried if item[0] == MBMID]
    first = await door.receive([envelope])
    federation.clock.forward(days=30)  # long past its expiry: deduplication is looked up before times
    assert list(await door.receive([envelope])) == list(first)
    await federation.nodes["gt.igm.mbmid"].log.sequence()
    received = await table(federation.nodes["gt.igm.mbmid"], "SELECT count(*) FROM leaves WHERE event = 'msg.received'")
    assert received == [(1,)]


async def test_a_changed_envelope_ends_with_a_signed_refusal_and_a_person_is_told(federation):
    await send(federation, row())
    federation.network.fail_next("flip-bit")
    await federation.turn()
    # The refusal is over the changed envelope's digest, which is not the one we sent: it proves nothing, so we go on.
    await federation.settle()
    assert await folios(federation) == ["MBMID-2026-000001"]
    assert ("receipt-invalid",) in await table(federation.nodes["gt.conamigua"], "SELECT code FROM alarms")


async def test_a_minor_goes_to_the_mbmid_and_to_the_pgn_in_one_transaction(federation):
    [result] = await send(federation, row(age=(15, 15)))
    assert result.kinds == ("report.transfer", "duty.notice")
    await federation.settle()
    assert await table(federation.nodes["gt.pgn"], "SELECT kind, state FROM cases") == [("duty", "received")]
    assert ("duty-notice",) in await table(federation.nodes["gt.pgn"], "SELECT code FROM alarms")


async def test_an_unknown_age_may_be_a_child(federation):
    [result] = await send(federation, row(age=(15, 40)))
    assert "duty.notice" in result.kinds


async def test_without_child_protection_neither_leaves(federation):
    """Nothing can stop the one without the other."""
    node = federation.nodes["gt.conamigua"]
    state = node.trust.state
    members = {name: member for name, member in state.members.items() if name != PGN}
    node.trust.state = state.__class__(**{slot: getattr(state, slot) for slot in state.__slots__} | {"members": members})
    [minor, adult] = await send(federation, row(age=(15, 15)), row())
    assert (minor.outcome, minor.reasons) == ("rejected", ("refused:not-permitted",))
    assert adult.outcome == "imported"
    assert await table(node, "SELECT count(*) FROM outbox") == [(1,)]


async def test_the_same_rows_again_send_nothing(federation):
    rows = (row(), row(age=(16, 16)))
    await send(federation, *rows)
    again = await send(federation, *rows, rows[0])
    assert [result.outcome for result in again] == ["duplicate"] * 3
    assert await table(federation.nodes["gt.conamigua"], "SELECT count(*) FROM outbox") == [(3,)]


async def test_concurrent_arrivals_commit_together_and_each_once(federation):
    await send(federation, *(row() for _ in range(20)))
    conamigua, mbmid = federation.nodes["gt.conamigua"], federation.nodes["gt.igm.mbmid"]
    async with conamigua.capabilities.begin() as work:
        items = await work.outbox.claim(MBMID, owner="x", now=federation.clock.now(), lease=dispatch.LEASE, limit=50)
    groups = [[item.envelope] for item in items] + [[item.envelope for item in items]]
    results = await asyncio.gather(*(mbmid.door.receive(group) for group in groups))
    one_by_one = [receipts[0] for receipts in results[:-1]]
    assert one_by_one == list(results[-1])
    assert all(not isinstance(receipt, ProblemCode) for receipt in one_by_one)
    assert await table(mbmid, "SELECT count(*) FROM inbox") == [(20,)]
    assert await table(mbmid, "SELECT count(*) FROM leaf_staging WHERE event = 'msg.received'") == [(20,)]


async def test_a_suspended_node_is_refused_and_its_lane_held_at_the_next_poll(federation):
    await send(federation, row())
    stage_suspension(federation.register, CONAMIGUA, reason=Code("lost-laptop"), by="duty", now=federation.clock.now())
    publish_alone(
        federation.register, federation.custodians["duty"][0], federation.custodians["online"][0], now=federation.clock.now()
    )
    await federation.poll()
    await federation.settle()
    assert await folios(federation) == []
    assert await table(federation.nodes["gt.conamigua"], "SELECT state, reason FROM outbox") == [
        ("rejected", "sender-suspended")
    ]
    assert await table(federation.nodes["gt.igm.mbmid"], "SELECT held FROM lanes WHERE peer = 'gt.conamigua'") in (
        [(1,)],
        [(True,)],
    )
    refused = await table(federation.nodes["gt.igm.mbmid"], "SELECT count(*) FROM leaves WHERE event = 'msg.refused'")
    assert refused == [(1,)]


async def test_a_node_suspends_itself_and_deliveries_to_it_wait(federation):
    mbmid = federation.nodes["gt.igm.mbmid"]
    keys = load_node_keys(mbmid.config.node_keys, mbmid.config.key_identity)
    jws = make_self_suspension(keys, seq=1, reason=Code("panic"), now=federation.clock.now())
    stage_self_suspension(federation.register, MBMID, jws, now=federation.clock.now())
    await federation.publish()
    await send(federation, row())
    await federation.settle()
    assert await table(federation.nodes["gt.conamigua"], "SELECT state, attempts FROM outbox") == [("waiting", 0)]


async def test_who_suspended_itself_is_refused_at_both_doors_and_what_waited_arrives_once_it_is_back(federation):
    mbmid, conamigua = federation.nodes["gt.igm.mbmid"], federation.nodes["gt.conamigua"]
    await send(federation, row())
    await deliver_lane(MBMID, conamigua.capabilities, owner="t")
    await dispatch.dispatch_batch(mbmid.capabilities, owner="t")  # the folio waits for its sender now
    keys = load_node_keys(conamigua.config.node_keys, conamigua.config.key_identity)
    now = federation.clock.now()
    jws = make_self_suspension(keys, seq=1, reason=Code("panic"), now=now)
    stage_self_suspension(federation.register, CONAMIGUA, jws, now=now)
    await federation.publish()
    ping = Draft(
        kind=Ping,
        to=MBMID,
        body=PingBody(),
        purpose=Code("operate"),
        basis=Code("federation:operation"),
        actor=conamigua.capabilities.pseudonyms.actor("x"),
        thread_id=conamigua.capabilities.new_thread_id(now),
        case_key="k",
    )
    with pytest.raises(PeerUnavailableError):  # a signed refusal, which is no reply
        await ask(ping, conamigua.capabilities)
    asked = await table(mbmid, "SELECT count(*) FROM leaf_staging WHERE event = 'ask.answered'")
    await send(federation, row())
    await federation.settle()
    assert asked == [(1,)], "an authenticated refusal has its leaf at this door too"
    ends = await table(conamigua, "SELECT state, reason FROM outbox ORDER BY state")
    assert ends == [("delivered", None), ("rejected", "sender-suspended")]
    assert await table(mbmid, "SELECT state, attempts FROM outbox") == [("waiting", 0)]
    state = mbmid.trust.state
    log = KeysetLog(origin=state.log_key(CONAMIGUA).origin, vkey=state.log_key(CONAMIGUA).vkey)
    url = state.endpoint(CONAMIGUA).url
    keyset = make_keyset(keys, endpoint=url, log=log, seq=2, now=federation.clock.now())
    stage_keyset(federation.register, keyset, now=federation.clock.now())
    await federation.publish()
    await federation.settle()
    assert await table(mbmid, "SELECT state FROM outbox") == [("delivered",)]
    assert ("acknowledged", "MBMID-2026-000001") in await table(conamigua, "SELECT state, folio FROM cases")


async def test_a_paused_peer_waits_and_a_resumed_one_gets_everything(federation):
    node = federation.nodes["gt.conamigua"].capabilities
    await pause_peer(MBMID, node, paused=True, actor=node.pseudonyms.actor("admin"))
    await send(federation, row(), row(age=(15, 15)))
    await federation.settle()
    assert await folios(federation) == []
    assert len(await table(federation.nodes["gt.pgn"], "SELECT 1 FROM cases")) == 1
    await pause_peer(MBMID, node, paused=False, actor=node.pseudonyms.actor("admin"))
    await federation.settle()
    assert len(await folios(federation)) == 2


async def test_a_message_that_nobody_answers_ends_in_a_visible_dead_letter(federation):
    federation.network.down.add(MBMID)
    await send(federation, row())
    await federation.turn()
    federation.clock.forward(days=8)
    await federation.turn()
    node = federation.nodes["gt.conamigua"]
    assert await table(node, "SELECT state, reason FROM outbox") == [("dead", "expired-outcome-unknown")]
    assert ("message-dead",) in await table(node, "SELECT code FROM alarms")
    assert await table(node, "SELECT count(*) FROM leaves WHERE event = 'msg.dead'") == [(1,)]


async def test_one_id_with_two_contents_is_a_conflict_that_people_see(federation):
    conamigua, mbmid = federation.nodes["gt.conamigua"].capabilities, federation.nodes["gt.igm.mbmid"]
    same = conamigua.new_message_id(federation.clock.now())

    def ping(probe):
        return Draft(
            kind=Ping,
            to=MBMID,
            body=PingBody(probe=probe),
            purpose=Code("operate"),
            basis=Code("federation:operation"),
            actor=conamigua.pseudonyms.actor("x"),
            thread_id=conamigua.new_thread_id(federation.clock.now()),
            case_key="ping",
            message_id=same,
        )

    from gateway.exchange.submit import prepare

    [first] = await prepare([ping("health")], conamigua)
    [second] = await prepare([ping("enrolment")], conamigua)
    await mbmid.door.receive([first.outgoing.envelope])
    [receipt] = await mbmid.door.receive([second.outgoing.envelope])
    verified = conamigua.opener.verify_receipt(receipt, peer=MBMID).receipt
    assert (verified.status, verified.code) == ("rejected", ProblemCode.CONFLICT)
    assert ("message-conflict",) in await table(mbmid, "SELECT code FROM alarms")
    assert await table(mbmid, "SELECT count(*) FROM inbox") == [(1,)]


async def test_a_poison_message_is_quarantined_and_delays_nobody(federation):
    await send(federation, *(row() for _ in range(6)))
    for lane in (MBMID,):
        await deliver_lane(lane, federation.nodes["gt.conamigua"].capabilities, owner="t")
    mbmid = federation.nodes["gt.igm.mbmid"].capabilities
    poisoned = []

    async def handle(message, node):
        if not poisoned:
            poisoned.append(message.message_id)
        if message.message_id == poisoned[0]:
            raise ZeroDivisionError(CANARY)
        return await dispatch.handle_message(message, node)

    await dispatch.dispatch_batch(mbmid, owner="t", handle=handle)
    assert len(await folios(federation)) == 5
    for _ in range(dispatch.MAX_ATTEMPTS):
        federation.clock.forward(hours=2)
        await dispatch.dispatch_batch(mbmid, owner="t", handle=handle)
    node = federation.nodes["gt.igm.mbmid"]
    assert ("quarantined", None) not in await table(node, "SELECT state, last_error FROM inbox WHERE state = 'done'")
    assert await table(node, "SELECT count(*) FROM inbox WHERE state = 'quarantined'") == [(1,)]
    assert ("message-quarantined",) in await table(node, "SELECT code FROM alarms")


async def test_a_hanging_message_is_cut_off_and_the_others_are_done(federation, monkeypatch):
    monkeypatch.setattr(dispatch, "HANDLER_SECONDS", 0.3)
    await send(federation, *(row() for _ in range(4)))
    await deliver_lane(MBMID, federation.nodes["gt.conamigua"].capabilities, owner="t")
    hung = []

    async def handle(message, node):
        if not hung:
            hung.append(message.message_id)
            await asyncio.sleep(60)
        return await dispatch.handle_message(message, node)

    await asyncio.wait_for(dispatch.dispatch_batch(federation.nodes["gt.igm.mbmid"].capabilities, owner="t", handle=handle), 5)
    assert len(await folios(federation)) == 3


async def test_a_note_waits_for_a_person_and_other_types_say_not_handled(federation):
    conamigua = federation.nodes["gt.conamigua"].capabilities

    def draft(kind, body):
        return Draft(
            kind=kind,
            to=MBMID,
            body=body,
            purpose=Code("locate-missing"),
            basis=Code("gt:mbmid:traslado-inmediato"),
            actor=conamigua.pseudonyms.actor("x"),
            thread_id=conamigua.new_thread_id(federation.clock.now()),
            case_key="k",
        )

    await submit([draft(Note, NoteBody(text="Ficticia llamó", language="es"))], conamigua)
    await federation.settle()
    assert await table(federation.nodes["gt.igm.mbmid"], "SELECT kind, state FROM inbox") == [("note", "held")]
    with pytest.raises(NotPermittedError):
        await submit([draft(SampleReference, None)], conamigua)


async def test_enforcement_can_be_asked_nothing_and_told_nothing(federation):
    conamigua = federation.nodes["gt.conamigua"].capabilities
    draft = Draft(
        kind=Note,
        to=NodeId("gt.igm.control"),
        body=NoteBody(text="x", language="es"),
        purpose=Code("locate-missing"),
        basis=Code("gt:mbmid:traslado-inmediato"),
        actor=conamigua.pseudonyms.actor("x"),
        thread_id=conamigua.new_thread_id(federation.clock.now()),
        case_key="k",
    )
    with pytest.raises(NotPermittedError):
        await submit([draft], conamigua)


async def test_the_ask_door_answers_a_ping_with_a_sealed_reply(federation):
    conamigua = federation.nodes["gt.conamigua"].capabilities
    draft = Draft(
        kind=Ping,
        to=MBMID,
        body=PingBody(),
        purpose=Code("operate"),
        basis=Code("federation:operation"),
        actor=conamigua.pseudonyms.actor("x"),
        thread_id=conamigua.new_thread_id(federation.clock.now()),
        case_key="k",
    )
    reply = await ask(draft, conamigua)
    assert (reply.type, reply.sender) == ("ping", MBMID)
    assert await table(federation.nodes["gt.igm.mbmid"], "SELECT count(*) FROM leaf_staging WHERE event = 'ask.answered'") == [
        (1,)
    ]


async def test_bodies_are_sealed_at_rest_and_no_canary_stands_in_any_file(federation):
    await send(federation, row(), row(age=(15, 15)))
    await federation.settle()
    for path in federation.home.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


async def test_a_second_process_on_the_same_files_goes_on_where_the_first_stopped(federation):
    await send(federation, row(), row())
    await federation.reopen("gt.conamigua")
    await federation.reopen("gt.igm.mbmid")
    await federation.settle()
    assert len(await folios(federation)) == 2
