"""Erasing (R17): afterwards nothing of it opens or lies about, the log still verifies, and no odd clock or number erases by itself."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from contracts.errors import ClockWrongError, StorageError
from contracts.ids import MessageId, NodeId, ThreadId
from contracts.messages import ConsentAct
from gateway.exchange import erasing
from gateway.exchange.erasing import erase_turn, go_on, keep, plan
from gateway.exchange.submit import submit
from gateway.exchange.timekeeping import Timekeeper
from gateway.main.logcheck import check_log
from gateway.storage.engine import create_engine
from gateway.storage.erasures import SqlErasures
from gateway.storage.thread_keys import ThreadKeys
from keys.leaves import open_leaf
from tests.gateway import test_recall
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_recall import CNB, DESK, MBMID, a_case, asks, bodies_of, erase, question, recall_states, said, says
from tests.promises.canaries import files

federation = test_recall.federation
quick = test_recall.quick


async def withdrawn(federation):
    """A copy at the CNB whose recall is ordered; returns its message and its sealed body there."""
    folio, case = await a_case(federation)
    await says(federation, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(federation, case)
    await federation.settle()
    [(body,)] = await table(federation.nodes[CNB], f"SELECT body FROM inbox WHERE message_id = '{message.message_id}'")
    await says(federation, folio, said(ConsentAct.WITHDRAWN, "c4"))
    await federation.settle()
    return message, body


async def wrapped_key(node, thread):
    engine = create_engine(node.config.key_store)
    try:
        async with engine.connect() as connection:
            statement = text(f"SELECT wrapped FROM thread_keys WHERE thread_id = '{thread}'")
            return (await connection.execute(statement)).scalar_one()
    finally:
        await engine.dispose()


async def places(node, server):
    """Every file the node's two databases consist of: on SQLite its folder; on PostgreSQL the databases' own heaps."""
    if node.config.main_database.startswith("sqlite"):
        return list(files(Path(node.config.data)))
    found = []
    for url in (node.config.main_database, node.config.key_store):
        engine = create_engine(url)
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
            oid = (
                await connection.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
            ).scalar_one()
            await connection.execute(text("CHECKPOINT"))
        await engine.dispose()
        found += files(server["log"].parent / "data" / "base" / str(oid))
    return found


async def lies_about(node, server, *secrets):
    """Which of these bytes are in some file; a slice of each, for a database may break a long value."""
    found = set()
    for path in await places(node, server):
        data = path.read_bytes()
        found |= {secret for secret in secrets if secret[40:72] in data}
    return found


@pytest.fixture
def server(request, federation):
    uses = federation.nodes[CNB].config.main_database.startswith("postgresql")
    return request.getfixturevalue("postgresql_server") if uses else None


async def test_nothing_of_it_opens_or_lies_about_and_the_log_verifies(federation, server):
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)
    assert await lies_about(cnb, server, body, key) == {body, key}  # else what follows proves nothing
    await erase(federation, hours=30)
    assert await lies_about(cnb, server, body, key) == set()
    # an old backup's row, put back beside today's key store, stays shut
    with pytest.raises(StorageError, match="destroyed"):
        await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)
    await federation.nodes[CNB].log.sequence()
    checked = await check_log(cnb.config)
    assert checked.ok, checked.problem
    [leaf] = [leaf for leaf in await cnb.log.leaves_of(MessageId(message.message_id)) if leaf.event == "msg.received"]
    told = open_leaf(leaf.data, leaf.disclosures)
    assert {"ev", "jti", "peer", "msg_sha256", "purpose", "basis"} <= set(told)
    assert not {"rec", "fields", "case"} & set(told)
    # what is kept: that it was given, when, on which basis, and that it was recalled
    kept = "SELECT purpose, basis, recall FROM disclosures WHERE peer = 'mx.cnb'"
    assert await table(federation.nodes[MBMID], kept) == [("locate-missing", "consent", "erased")]


async def test_control_a_file_that_is_not_scrubbed_is_seen(federation, server):
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)

    async def nothing():
        return True

    for _ in range(5):
        federation.clock.forward(hours=6)
        await erase_turn(cnb.capabilities, nothing)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    assert await lies_about(cnb, server, body, key) == {body}


async def test_control_a_key_that_is_kept_is_seen(federation, server, monkeypatch):
    async def keeps(_self, _threads):
        return None

    monkeypatch.setattr(ThreadKeys, "destroy", keeps)
    message, body = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    key = await wrapped_key(cnb, message.thread_id)
    await erase(federation, hours=30)
    assert key in await lies_about(cnb, server, key)
    await cnb.capabilities.bodies.block([message.thread_id], blocked=False)
    assert (await cnb.capabilities.bodies.open(message.thread_id, message.message_id, body)).jws


async def test_what_outlived_its_time_is_marked_for_a_day_and_goes(federation):
    await send(federation, row())
    await federation.settle()
    desk = federation.nodes[DESK]
    [(thread, retain)] = await table(desk, "SELECT thread_id, retain_ms FROM outbox WHERE kind = 'report.transfer'")
    assert retain > federation.clock.now().timestamp() * 1000
    await erase_turn(desk.capabilities, desk.operations.scrub)
    assert list((await plan(desk.capabilities)).waiting) == []
    federation.clock.forward(days=3660)
    found = await plan(desk.capabilities)
    assert thread in found.outlived
    assert found.stops == erasing.PAUSE  # ten years since its last turn: a person looks first
    await erase_turn(desk.capabilities, desk.operations.scrub)
    assert await table(desk, "SELECT count(*) FROM erasures") == [(0,)]
    await go_on(desk.capabilities, actor=desk.capabilities.pseudonyms.actor("dpo"))
    await erase_turn(desk.capabilities, desk.operations.scrub)
    assert ("marked",) in await table(desk, f"SELECT state FROM erasures WHERE thread_id = '{thread}'")
    assert await table(
        desk,
        f"SELECT length(b.body) > 0 FROM outbox o JOIN outbox_bodies b ON o.message_id = b.message_id WHERE thread_id = '{thread}'",
    )
    federation.clock.forward(hours=25)
    await erase_turn(desk.capabilities, desk.operations.scrub)
    lengths = f"SELECT DISTINCT length(b.body) FROM outbox o JOIN outbox_bodies b ON o.message_id = b.message_id WHERE thread_id = '{thread}'"
    assert await table(desk, lengths) == [(0,)]
    assert await table(desk, "SELECT state FROM cases") == [("erased",)]
    again = await plan(desk.capabilities)
    assert thread not in again.outlived


async def test_a_law_keeps_what_outlived_its_time(quick):
    await send(quick, row())
    await quick.settle()
    desk = quick.nodes[DESK]
    [(thread,)] = await table(desk, "SELECT thread_id FROM cases")
    await keep(
        ThreadId(thread),
        next(iter(desk.capabilities.trust().policy.bases)).id,
        desk.capabilities,
        actor=desk.capabilities.pseudonyms.actor("x"),
    )
    quick.clock.forward(days=3660)
    assert thread not in (await plan(desk.capabilities)).outlived


async def state_of(node):
    return await table(node, "SELECT stopped FROM erasing_watch")


async def test_a_clock_that_jumped_erases_nothing_and_a_person_must_say_so(quick):
    message, _ = await withdrawn(quick)
    cnb = quick.nodes[CNB]
    beginning = quick.clock.now()
    steady = Timekeeper(quick.clock, steady=lambda: 0.0, known=beginning, hosts_register=True)
    jumped = replace(cnb.capabilities, timekeeper=steady)
    quick.clock.forward(days=400)
    await erase_turn(jumped, cnb.operations.scrub)
    assert await bodies_of(cnb, message.thread_id) != [(0,)]
    assert await state_of(cnb) == [("clock-jumped",)]
    alarms = "SELECT count(*) FROM alarms WHERE code = 'erasure-stopped'"
    assert await table(cnb, alarms) == [(1,)]
    with pytest.raises(ClockWrongError):
        await go_on(jumped, actor=jumped.pseudonyms.actor("dpo"))
    quick.clock.time = beginning + timedelta(hours=25)
    await erase_turn(cnb.capabilities, cnb.operations.scrub)  # right again: it still stands until a person says so
    assert await bodies_of(cnb, message.thread_id) != [(0,)]
    await go_on(cnb.capabilities, actor=cnb.capabilities.pseudonyms.actor("dpo"))
    await erase_turn(cnb.capabilities, cnb.operations.scrub)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    assert await table(cnb, alarms) == [(1,)]


async def test_control_a_clock_that_is_always_believed_would_erase(quick):
    message, _ = await withdrawn(quick)
    cnb = quick.nodes[CNB]
    quick.clock.forward(hours=25)
    await erase_turn(cnb.capabilities, cnb.operations.scrub)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]


async def test_too_much_at_once_stops_it(quick, monkeypatch):
    message, _ = await withdrawn(quick)
    monkeypatch.setattr(erasing, "USUAL", 0)
    cnb = quick.nodes[CNB]
    quick.clock.forward(hours=25)
    await erase_turn(cnb.capabilities, cnb.operations.scrub)
    assert await bodies_of(cnb, message.thread_id) != [(0,)]
    assert await state_of(cnb) == [("unusual-volume",)]
    assert (await plan(cnb.capabilities)).stops == "unusual-volume"
    await go_on(cnb.capabilities, actor=cnb.capabilities.pseudonyms.actor("dpo"))
    await erase_turn(cnb.capabilities, cnb.operations.scrub)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]


async def test_what_comes_after_its_order_is_blocked_and_goes_too(quick):
    folio, case = await a_case(quick)
    await says(quick, folio, said(ConsentAct.GIVEN, "c3", "c4"))
    message = await asks(quick, case)
    [(envelope,)] = await table(
        quick.nodes[MBMID], f"SELECT envelope FROM outbox_bodies WHERE message_id = '{message.message_id}'"
    )
    quick.network.fail_next("lose-request")
    await quick.turn()
    decided = await says(quick, folio, said(ConsentAct.WITHDRAWN, "c4"))
    assert decided.under_way == (message.message_id,)
    await quick.settle()
    cnb = quick.nodes[CNB]
    assert await table(cnb, "SELECT state FROM erasures") == [("absent",)]
    [receipt] = await cnb.door.receive([envelope])  # a proxy had kept it, and now lets it through
    assert isinstance(receipt, str)
    await quick.turn()
    assert await table(cnb, f"SELECT state FROM inbox WHERE message_id = '{message.message_id}'") == [("done",)]
    assert await table(cnb, "SELECT state FROM erasures") == [("blocked",)]
    await erase(quick, hours=30)
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    assert await recall_states(quick) == ["erased"]


async def test_what_is_said_in_an_erased_thread_is_refused_and_takes_nothing_along(quick):
    message, _ = await withdrawn(quick)
    await erase(quick, hours=30)
    mbmid = quick.nodes[MBMID].capabilities
    dead = replace(question(quick, "caso-2", scopes=("c3",)), thread_id=message.thread_id)
    live = question(quick, "caso-3", scopes=("c3",))
    await quick.poll()
    one, other = await submit([dead, live], mbmid)
    await quick.settle()
    states = dict(await table(quick.nodes[MBMID], "SELECT message_id, state FROM outbox"))
    assert states[one.message.message_id] == "rejected"
    assert states[other.message.message_id] == "delivered"
    assert NodeId(CNB) == one.message.recipient


@pytest.mark.parametrize("step", ["add", "empty"])
async def test_a_process_that_dies_on_the_way_ends_the_same(federation, monkeypatch, step):
    """Between the block and the order on file; between the end of the key and the end of the texts."""
    real, died = getattr(SqlErasures, step), []

    async def dies_once(self, *args, **more):
        if not died:
            died.append(step)
            raise StorageError("simulated")
        return await real(self, *args, **more)

    monkeypatch.setattr(SqlErasures, step, dies_once)
    message, _ = await withdrawn(federation)
    cnb = federation.nodes[CNB]
    for _ in range(6):
        federation.clock.forward(hours=6)
        try:
            await erase_turn(cnb.capabilities, cnb.operations.scrub)
        except StorageError:
            continue
        await federation.settle()
    assert died == [step]
    assert await bodies_of(cnb, message.thread_id) == [(0,)]
    assert await recall_states(federation) == ["erased"]
    erased = "SELECT count(*) FROM outbox WHERE kind = 'erasure.receipt'"
    assert await table(cnb, erased) == [(1,)]
