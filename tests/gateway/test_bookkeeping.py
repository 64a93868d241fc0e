"""The books of whole nodes: what left stands in the ledger, each exchange stands where it stands at the peer. SQLite and PostgreSQL."""

import pytest

from contracts.codec import decode_message
from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import DutyNotice, DutyNoticeBody, FindingNotice, FindingNoticeBody
from contracts.messages.findings import FindingKind
from contracts.policy import Permit
from gateway.exchange import deliver
from gateway.exchange import submit as submit_module
from gateway.exchange.deliver import bury_expired
from gateway.exchange.holdings import RecallState, who_has
from gateway.exchange.ports import DeliveryOutcome
from gateway.exchange.states import OutboxState
from gateway.exchange.submit import Draft, submit
from gateway.storage.engine import create_engine
from gateway.storage.unit_of_work import unit_of_work_factory
from tests.gateway import test_exchange
from tests.gateway.test_exchange import row, send, table

federation = test_exchange.federation

DESK, MBMID, PGN = "gt.conamigua", "gt.igm.mbmid", "gt.pgn"
EXCHANGES = "SELECT machine, side, state, outcome FROM exchanges ORDER BY machine, opening_id"


async def books(node, statement=EXCHANGES):
    return await table(node, statement)


async def ledger(node, case_ref, aliases=()):
    engine = create_engine(node.config.main_database)
    try:
        async with unit_of_work_factory(engine)() as work:
            return await work.ledger.of_case(case_ref, aliases)
    finally:
        await engine.dispose()


async def test_a_report_closes_its_exchange_at_both_ends(federation):
    await send(federation, row())
    desk, mbmid = federation.nodes[DESK], federation.nodes[MBMID]
    assert await books(desk) == [("report", "opener", "open", None)]
    await federation.settle()
    assert await books(desk) == [("report", "opener", "closed", "acknowledged")]
    assert await books(mbmid) == [("report", "addressee", "closed", "acknowledged")]
    said = "SELECT opener, opening_id, message_id, kind, said_by FROM exchange_messages ORDER BY message_id"
    assert await books(desk, said) == await books(mbmid, said)


async def test_a_child_has_a_duty_beside_the_report_which_waits_for_nobodys_word(federation):
    await send(federation, row(age=(12, 14)))
    await federation.settle()
    assert await books(federation.nodes[DESK]) == [
        ("duty", "opener", "told", None),
        ("report", "opener", "closed", "acknowledged"),
    ]
    assert await books(federation.nodes[PGN]) == [("duty", "addressee", "told", None)]
    assert await books(federation.nodes[DESK], "SELECT awaited FROM exchanges WHERE machine = 'duty'") == [(None,)]


@pytest.mark.parametrize("fault", ["lose-request", "lose-reply", "duplicate", "bare-problem"])
async def test_whatever_the_network_does_both_ends_agree(federation, fault):
    await send(federation, row(), row())
    federation.network.fail_next(fault, fault)
    await federation.settle()
    closed = [("report", "opener", "closed", "acknowledged")] * 2
    assert await books(federation.nodes[DESK]) == closed
    assert await books(federation.nodes[MBMID], "SELECT DISTINCT state, outcome FROM exchanges") == [("closed", "acknowledged")]
    alarms = "SELECT code FROM alarms WHERE code IN ('not-of-this-exchange', 'message-crossed')"
    assert await books(federation.nodes[DESK], alarms) == await books(federation.nodes[MBMID], alarms) == []


async def test_the_ledger_says_what_the_message_says_and_who_has_it(federation):
    child = row(age=(12, 14))
    [result] = await send(federation, child)
    await federation.settle()
    found = await ledger(federation.nodes[DESK], child.key.hex())
    now = federation.clock.now()
    assert {entry.peer for entry in found} == {MBMID, PGN}
    assert {entry.message_id for entry in found} == set(result.message_ids)
    assert {entry.record_type for entry in found} == {"missing-person", "reporter"}
    assert {item.node for item in who_has(found, now)} == {MBMID, PGN}
    # field for field what the recipients opened
    for name in (MBMID, PGN):
        [opened] = await opened_messages(federation.nodes[name], "report.transfer" if name == MBMID else "duty.notice")
        told = {(item.field, item.form) for record in opened.records for item in record.disclosed}
        kept = {(item.field, item.form) for entry in found if entry.peer == name for item in entry.fields}
        assert told == kept
    assert await ledger(federation.nodes[DESK], "another") == []


async def opened_messages(node, kind):
    rows = await table(node, f"SELECT thread_id, message_id, body FROM inbox WHERE kind = '{kind}'")
    bodies = node.capabilities.bodies
    return [decode_message((await bodies.open(thread, MessageId(message), body)).payload) for thread, message, body in rows]


async def test_control_a_ledger_that_is_not_written_is_seen(federation, monkeypatch):
    async def forgets(_handled, _leaving, _work, *, now):
        return None

    monkeypatch.setattr(submit_module, "note", forgets)
    quiet = row()
    await send(federation, quiet)
    assert await ledger(federation.nodes[DESK], quiet.key.hex()) == []


def finding(node, federation, case_key="hallazgo-1"):
    return Draft(
        kind=FindingNotice,
        to=NodeId(MBMID),
        body=FindingNoticeBody(
            kind=FindingKind.DETAINED, authority=Code("mx.ejemplo"), country="MX", received_at=1_795_953_600
        ),
        purpose=Code("identify-person"),
        basis=Code("vital-interest"),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(federation.clock.now()),
        case_key=case_key,
    )


def duty(node, federation):
    return Draft(
        kind=DutyNotice,
        to=NodeId(PGN),
        body=DutyNoticeBody(duty=Code("alba-keneth"), age_known=True),
        purpose=Code("protect-child"),
        basis=Code("gt:alba-keneth:8"),
        actor=node.pseudonyms.actor("officer"),
        thread_id=node.new_thread_id(federation.clock.now()),
        case_key="caso-1",
    )


async def test_no_second_exchange_about_one_case_with_one_peer_while_the_first_is_pending(federation, monkeypatch):
    desk = federation.nodes[DESK].capabilities
    monkeypatch.setattr(
        submit_module, "_permit", lambda *_: Permit(Code("flow:finding-notice"))
    )  # the first policy lets this desk send no finding
    await submit([finding(desk, federation)], desk)
    with pytest.raises(NotPermittedError, match="second-pending"):
        await submit([finding(desk, federation)], desk)
    with pytest.raises(NotPermittedError, match="second-pending"):
        await submit([finding(desk, federation, "h-2"), finding(desk, federation, "h-2")], desk)
    await submit([finding(desk, federation, "h-2")], desk)
    await submit([duty(desk, federation)], desk)
    await submit([duty(desk, federation)], desk)  # a duty never waits
    count = "SELECT count(*) FROM outbox"
    assert await books(federation.nodes[DESK], count) == [(4,)]  # and nothing of what was refused is on its way
    assert await books(federation.nodes[DESK], "SELECT count(*) FROM exchanges") == [(4,)]


async def test_a_line_is_found_by_the_alias_its_recipient_knows_the_case_by(federation):
    person = row()
    await send(federation, person)
    await federation.settle()
    found = await ledger(federation.nodes[DESK], person.key.hex())
    [opened] = await opened_messages(federation.nodes[MBMID], "report.transfer")
    assert len(found) == len(opened.records) == 2
    assert {entry.case_alias for entry in found} == {opened.case_alias}
    assert list(await ledger(federation.nodes[DESK], "lost in a restore", [opened.case_alias])) == list(found)


async def test_a_message_nobody_got_frees_its_place_and_the_ledger_does_not_say_that_it_is_held(federation):
    person = row()
    await send(federation, person)
    federation.clock.forward(days=8)
    desk = federation.nodes[DESK].capabilities
    assert await bury_expired(desk) == 1
    assert {entry.recall for entry in await ledger(federation.nodes[DESK], person.key.hex())} == {RecallState.UNKNOWN}
    assert await books(federation.nodes[DESK], "SELECT state, pending_slot, awaited FROM exchanges") == [("open", None, None)]


async def ended(desk, state, *, owner="worker:1", stale=False):
    """The desk's one message to the MBMID ends in a state, as a delivery would end it."""
    now = desk.clock.now()
    async with desk.begin() as work:
        [item] = await work.outbox.claim(NodeId(MBMID), owner=owner, now=now, lease=deliver.LEASE, limit=9)
    outcome = DeliveryOutcome(item.message_id, state, receipt="r" if state is OutboxState.REJECTED else None, reason="x")
    await deliver._finish(NodeId(MBMID), [outcome], desk, owner="worker:2" if stale else owner, next_attempt=None)


async def test_a_message_that_was_refused_is_not_held_by_who_refused_it(federation):
    person = row()
    await send(federation, person)
    await ended(federation.nodes[DESK].capabilities, OutboxState.REJECTED)
    assert {entry.recall for entry in await ledger(federation.nodes[DESK], person.key.hex())} == {RecallState.NOT_TAKEN}
    assert await books(federation.nodes[DESK], "SELECT pending_slot FROM exchanges") == [(None,)]


async def test_control_what_a_worker_says_that_lost_its_lease_changes_no_book(federation):
    person = row()
    await send(federation, person)
    await ended(federation.nodes[DESK].capabilities, OutboxState.REJECTED, stale=True)
    assert {entry.recall for entry in await ledger(federation.nodes[DESK], person.key.hex())} == {RecallState.HELD}
    assert await books(federation.nodes[DESK], "SELECT pending_slot FROM exchanges") == [("report",)]
