"""Erasing: what goes when, what keeps it, and that no odd clock or number erases by itself. That nothing is left: R17, in tests/promises."""

from dataclasses import replace
from datetime import timedelta

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from contracts.errors import ClockWrongError, StorageError
from contracts.ids import NodeId, ThreadId
from contracts.messages import ConsentAct
from gateway.exchange import erasing
from gateway.exchange.erasing import erase_turn, go_on, keep, plan
from gateway.exchange.submit import submit
from gateway.exchange.timekeeping import Timekeeper
from gateway.storage.engine import create_engine
from gateway.storage.erasures import SqlErasures
from gateway.storage.migrations.runner import _config, upgrade_engine
from gateway.storage.revisions import Schema
from tests.gateway import test_recall
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_recall import CNB, DESK, MBMID, a_case, asks, bodies_of, erase, question, recall_states, said, says
from tests.promises.test_r17_erasure import withdrawn

federation = test_recall.federation
quick = test_recall.quick


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


FORGOTTEN = "SELECT count(*) FROM {} WHERE retain_ms IS NULL OR retain_ms < 0"


async def of_an_old_release(federation, name):
    """Bring a node's database back to where older releases left it, without what they did not write down, and up again."""
    engine = create_engine(federation.nodes[name].config.main_database)
    async with engine.begin() as connection:
        await connection.run_sync(_back)
        for queue in ("inbox", "outbox"):
            await connection.execute(text(f"UPDATE {queue} SET retain_ms = NULL"))
    await upgrade_engine(engine, Schema.MAIN)
    await engine.dispose()
    await federation.reopen(name)


def _back(connection):
    config = _config(Schema.MAIN)
    config.attributes["connection"] = connection
    command.downgrade(config, str(ScriptDirectory.from_config(config).get_revision("r0011_casework").down_revision))


async def test_what_an_old_release_kept_without_a_time_is_given_its_own(federation):
    await send(federation, row())
    await federation.settle()
    desk = federation.nodes[DESK]
    known = "SELECT message_id, retain_ms FROM {} ORDER BY message_id"
    before = [await table(desk, known.format(queue)) for queue in ("inbox", "outbox")]
    await of_an_old_release(federation, DESK)
    desk = federation.nodes[DESK]
    assert await table(desk, FORGOTTEN.format("outbox")) != [(0,)]
    assert (await plan(desk.capabilities)).outlived == []  # what has no time yet has not outlived it
    await erase_turn(desk.capabilities, desk.operations.scrub)
    after = [await table(desk, known.format(queue)) for queue in ("inbox", "outbox")]
    assert after[0] == before[0]
    for (message, until), (known_as, was) in zip(after[1], before[1], strict=True):
        assert message == known_as
        assert was <= until <= was + 3_600_000  # our copy of a report that was handed over: its days count from now


async def test_control_without_a_time_nothing_ever_goes(federation, monkeypatch):
    async def dates_nothing(_node):
        return False

    monkeypatch.setattr(erasing, "_date", dates_nothing)
    await send(federation, row())
    await federation.settle()
    await of_an_old_release(federation, DESK)
    federation.clock.forward(days=14_600)
    async with federation.nodes[DESK].capabilities.begin() as work:
        assert await work.erasures.outlived(now=federation.clock.now(), limit=9) == []


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
