"""The family takes back at the desk where it reported what the search mechanism asked on (E6): whole nodes, both databases."""

from dataclasses import replace

import pytest

from contracts.consents import ConsentEvent, ConsentForm, RelativeId, Scope
from contracts.errors import NotPermittedError
from contracts.ids import Code, NodeId
from contracts.messages import ConsentAct, ConsentChange, ConsentChangeBody
from gateway.exchange import recalling
from gateway.exchange.consenting import TakenBackError, consents_of, decide, foresee
from gateway.exchange.passed_on import reporter_of, said_there, take_word
from gateway.exchange.presented import record_id_of
from gateway.exchange.recalling import RIGHTS, RIGHTS_BASIS
from gateway.exchange.submit import Draft, submit
from gateway.exchange.told_at_desk import Told
from tests.conftest import new_node_databases
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import row, send, table
from tests.gateway.test_recall import CNB, DESK, MBMID, asks, bodies_of, erase, recall_states, said, says
from tests.simulator.federation import simulated_federation

NAMES = (MBMID, DESK, CNB)
DAUGHTER, MOTHER = RelativeId("r:hija-en-ventanilla"), RelativeId("r:madre-aqui")
SAID = {
    "consents": ["c3", "c4"],
    "consent_details": [
        {"scope": scope, "act": "given", "from": "2026-11-25", "form": "written", "language": "kjb"} for scope in ("c3", "c4")
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in (MBMID, DESK)}
    async with simulated_federation(tmp_path, *NAMES, databases=databases) as found:
        yield found


@pytest.fixture
async def quick(tmp_path):
    """The same on SQLite, for what has nothing to do with the database."""
    async with simulated_federation(tmp_path, *NAMES) as found:
        yield found


async def reported(federation, values=SAID):
    """A family's report with what it agreed to, as a desk takes it; returns the thread at the search mechanism."""
    desk = federation.nodes[DESK].capabilities
    plain = row()
    person, reporter = plain.records
    given = ConsentEvent(
        id=desk.new_message_id(desk.clock.now()),
        relative=DAUGHTER,
        act=ConsentAct.GIVEN,
        scopes=frozenset({Scope.MEXICO_RESTRICTED, Scope.MEXICO_REGISTER}),
        effective_at=int(desk.clock.now().timestamp()),
        form=ConsentForm.WRITTEN,
        language="kjb",
    )
    told = replace(reporter, values={**reporter.values, **values})
    await send(federation, replace(plain, records=(person, told), told=Told((given,) if values else ())))
    await federation.settle()
    [(thread,)] = await table(federation.nodes[MBMID], "SELECT thread_id FROM cases WHERE kind = 'report'")
    return thread


async def taken_over(federation, thread, *scopes):
    """An officer of the search mechanism writes down what the report says was agreed to."""
    return await says(federation, thread, said(ConsentAct.GIVEN, *(scopes or ("c3", "c4")), who=reporter_of(thread)))


async def at_the_desk(federation, act, *scopes, who=DAUGHTER, **more):
    desk = federation.nodes[DESK].capabilities
    [(ref,)] = await table(federation.nodes[DESK], "SELECT DISTINCT case_ref FROM disclosures")
    return await decide(ref, said(act, *scopes, who=who, **more), desk, actor=desk.pseudonyms.actor("clerk"))


async def in_force_at_mbmid(federation, thread):
    _, holding = await consents_of(thread, federation.nodes[MBMID].capabilities)
    return {(who, scope.value) for who, scope in holding.scopes if holding.scopes[who, scope].limits.recipients is None}


async def events_at_mbmid(federation, thread):
    events, _ = await consents_of(thread, federation.nodes[MBMID].capabilities)
    return [(event.act.value, event.form.value) for event in events]


async def changes(federation):
    return await opened_messages(federation.nodes[MBMID], "consent.change")


async def test_what_the_report_says_was_agreed_to_is_shown_and_is_nobodys_yes_until_a_person_writes_it_down(federation):
    thread = await reported(federation)
    node = federation.nodes[MBMID].capabilities
    found = await said_there(thread, node)
    assert (found.peer, found.relative, found.scopes) == (DESK, reporter_of(thread), frozenset(map(Scope, ("c3", "c4"))))
    assert (found.form, found.language) == ("written", "kjb")
    assert await in_force_at_mbmid(federation, thread) == set()
    await taken_over(federation, thread)
    assert await in_force_at_mbmid(federation, thread) == {(reporter_of(thread), "c3"), (reporter_of(thread), "c4")}
    assert await said_there(thread, node) is None


async def test_taken_back_at_the_desk_it_is_taken_back_at_every_node_that_got_the_data(federation):
    thread = await reported(federation)
    await taken_over(federation, thread)
    message = await asks(federation, thread)
    await federation.settle()
    assert await recall_states(federation) == ["held"]
    decided = await at_the_desk(federation, ConsentAct.WITHDRAWN, "c3", "c4", reason=Code("threat"))
    assert decided.told == (MBMID,)
    assert decided.ordered == {}  # the report itself is a duty, and stays
    await federation.settle()
    assert await in_force_at_mbmid(federation, thread) == set()
    assert await recall_states(federation) == ["ordered"]
    await erase(federation, hours=30)
    assert await recall_states(federation) == ["erased"]
    assert await bodies_of(federation.nodes[CNB], message.thread_id) == [(0,)]
    alarms = await table(federation.nodes[MBMID], "SELECT code, peer FROM alarms WHERE code = 'consent-changed'")
    assert alarms == [("consent-changed", DESK)]
    assert (DESK,) not in await table(federation.nodes[MBMID], "SELECT peer FROM alarms WHERE code = 'recall-untold'")
    # why she was afraid stays at the desk, and who she is too
    [change] = await changes(federation)
    assert change.body.reason is None
    assert DAUGHTER not in change.model_dump_json()


async def test_what_waits_at_the_search_mechanism_does_not_leave(federation):
    thread = await reported(federation)
    await taken_over(federation, thread)
    federation.network.down.add(CNB)
    message = await asks(federation, thread)
    await federation.turn()
    await at_the_desk(federation, ConsentAct.WITHDRAWN, "c4")
    for _ in range(4):
        await federation.turn()
    state = f"SELECT state FROM outbox WHERE message_id = '{message.message_id}'"
    assert await table(federation.nodes[MBMID], state) == [("withdrawn",)]
    federation.network.down.discard(CNB)
    await federation.settle()
    assert await table(federation.nodes[CNB], f"SELECT count(*) FROM inbox WHERE message_id = '{message.message_id}'") == [(0,)]


async def test_control_a_word_that_only_rings_a_bell_is_seen(quick, monkeypatch):
    async def rings(message, node):
        async with node.begin() as work:
            await work.alarms.raise_("consent-changed", subject=str(message.message_id), now=node.clock.now())

    monkeypatch.setattr("gateway.exchange.dispatch.take_word", rings)
    thread = await reported(quick)
    await taken_over(quick, thread)
    await asks(quick, thread)
    await quick.settle()
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c3", "c4")
    await quick.settle()
    assert await in_force_at_mbmid(quick, thread) != set()
    assert await recall_states(quick) == ["held"]


async def test_before_anybody_wrote_it_down_it_is_no_more_offered_and_cannot_be_written_down(quick):
    thread = await reported(quick)
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c4")
    await quick.settle()
    found = await said_there(thread, quick.nodes[MBMID].capabilities)
    assert found.scopes == {Scope.MEXICO_RESTRICTED}
    with pytest.raises(TakenBackError):
        await taken_over(quick, thread, "c3", "c4")
    assert await in_force_at_mbmid(quick, thread) == set()
    await taken_over(quick, thread, "c3")
    assert await in_force_at_mbmid(quick, thread) == {(reporter_of(thread), "c3")}


async def test_control_a_yes_from_an_old_page_would_bring_it_back(quick, monkeypatch):
    monkeypatch.setattr("gateway.exchange.consenting.refuse_taken_back", lambda _event, _before: None)
    thread = await reported(quick)
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c4")
    await quick.settle()
    quick.clock.forward(minutes=1)
    await taken_over(quick, thread, "c4")
    assert await in_force_at_mbmid(quick, thread) == {(reporter_of(thread), "c4")}


async def test_given_again_at_the_desk_it_is_offered_again_and_nothing_leaves_on_it_yet(quick):
    thread = await reported(quick)
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c4")
    quick.clock.forward(hours=1)
    await quick.settle()
    decided = await at_the_desk(quick, ConsentAct.GIVEN, "c4", "c5")
    assert decided.told == (MBMID,)
    await quick.settle()
    assert await in_force_at_mbmid(quick, thread) == set()
    found = await said_there(thread, quick.nodes[MBMID].capabilities)
    assert found.scopes == frozenset(map(Scope, ("c3", "c4", "c5")))
    await taken_over(quick, thread, "c3", "c4", "c5")
    assert {scope for _, scope in await in_force_at_mbmid(quick, thread)} == {"c3", "c4", "c5"}


async def test_narrowed_at_the_desk_it_holds_for_nobody_until_a_person_asks_to_whom(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    await asks(quick, thread)
    await quick.settle()
    await at_the_desk(quick, ConsentAct.NARROWED, "c4")
    await quick.settle()
    assert await in_force_at_mbmid(quick, thread) == {(reporter_of(thread), "c3")}
    assert await recall_states(quick) == ["ordered"]


async def test_what_another_relative_allows_here_still_stands(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    await says(quick, thread, said(ConsentAct.GIVEN, "c3", "c4", who=MOTHER))
    await asks(quick, thread)
    await quick.settle()
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c3", "c4")
    await quick.settle()
    assert await in_force_at_mbmid(quick, thread) == {(MOTHER, "c3"), (MOTHER, "c4")}
    assert await recall_states(quick) == ["held"]


async def test_another_relative_at_the_desk_speaks_for_nobody_else(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    decided = await at_the_desk(quick, ConsentAct.WITHDRAWN, "c3", "c4", who=MOTHER)
    assert decided.told == ()
    await quick.settle()
    assert len(await in_force_at_mbmid(quick, thread)) == 2
    assert await changes(quick) == []


async def test_a_report_that_told_nothing_of_consents_has_nobody_to_tell(quick):
    thread = await reported(quick, values={})
    assert await said_there(thread, quick.nodes[MBMID].capabilities) is None
    assert (await at_the_desk(quick, ConsentAct.GIVEN, "c3")).told == ()
    assert (await at_the_desk(quick, ConsentAct.WITHDRAWN, "c3")).told == ()


async def test_who_will_be_told_is_said_before_it_is_signed(quick):
    await reported(quick)
    [(ref,)] = await table(quick.nodes[DESK], "SELECT DISTINCT case_ref FROM disclosures")
    found = await foresee(ref, said(ConsentAct.WITHDRAWN, "c4", who=DAUGHTER), quick.nodes[DESK].capabilities)
    assert found.told == (MBMID,)
    assert await table(quick.nodes[DESK], "SELECT kind FROM outbox WHERE kind = 'consent.change'") == []


async def test_said_before_the_report_has_left_it_is_found_when_it_comes(quick):
    quick.network.down.add(MBMID)
    desk = quick.nodes[DESK].capabilities
    plain = row()
    person, reporter = plain.records
    await send(quick, replace(plain, records=(person, replace(reporter, values={**reporter.values, **SAID}))))
    for act, scopes in ((ConsentAct.GIVEN, ("c3", "c4")), (ConsentAct.WITHDRAWN, ("c4",))):
        decision = said(act, *scopes, who=DAUGHTER)
        await decide(plain.key.hex(), decision, desk, actor=desk.pseudonyms.actor("clerk"))
        quick.clock.forward(minutes=2)
    quick.network.down.discard(MBMID)
    await quick.settle()
    [(thread,)] = await table(quick.nodes[MBMID], "SELECT thread_id FROM cases WHERE kind = 'report'")
    found = await said_there(thread, quick.nodes[MBMID].capabilities)
    assert (found.scopes, found.taken_back) == ({Scope.MEXICO_RESTRICTED}, {Scope.MEXICO_REGISTER})


async def test_who_cannot_be_told_now_is_named_and_not_promised_to_be_tried_again(quick, monkeypatch):
    async def nobody(_drafts, _node):
        raise NotPermittedError("the register is too old")

    thread = await reported(quick)
    monkeypatch.setattr(recalling, "prepare", nobody)
    decided = await at_the_desk(quick, ConsentAct.WITHDRAWN, "c4")
    assert (decided.told, decided.unheard, decided.untold) == ((), (MBMID,), ())
    assert await table(quick.nodes[DESK], "SELECT peer FROM alarms WHERE code = 'recall-untold'") == [(MBMID,)]
    await quick.settle()
    found = await said_there(thread, quick.nodes[MBMID].capabilities)
    assert found.taken_back == frozenset()  # as said: it knows nothing of it


async def test_handled_twice_it_is_one_word(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    await asks(quick, thread)
    await quick.settle()
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c3", "c4")
    await quick.settle()
    before = await events_at_mbmid(quick, thread)
    orders = "SELECT count(*) FROM outbox WHERE kind = 'erasure.order'"
    assert await table(quick.nodes[MBMID], orders) == [(1,)]
    [change] = await changes(quick)
    await take_word(change, quick.nodes[MBMID].capabilities)
    assert await events_at_mbmid(quick, thread) == before == [("given", "written"), ("withdrawn", "relayed")]
    assert await table(quick.nodes[MBMID], orders) == [(1,)]


async def test_a_word_that_comes_late_undoes_no_later_yes(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    quick.network.down.add(MBMID)
    await at_the_desk(quick, ConsentAct.WITHDRAWN, "c4")
    await quick.turn()
    quick.clock.forward(hours=3)
    await taken_over(quick, thread, "c4")  # she telephoned, after she had been at the desk
    await asks(quick, thread)
    quick.network.down.discard(MBMID)
    quick.clock.forward(hours=1)
    await quick.settle()
    assert ("withdrawn", "relayed") in await events_at_mbmid(quick, thread)
    assert (reporter_of(thread), "c4") in await in_force_at_mbmid(quick, thread)
    assert await recall_states(quick) == ["held"]


async def test_nobody_else_changes_what_a_family_said_there(quick):
    thread = await reported(quick)
    await taken_over(quick, thread)
    [transfer] = await opened_messages(quick.nodes[MBMID], "report.transfer")
    stranger = quick.nodes[CNB].capabilities
    body = ConsentChangeBody(
        act=ConsentAct.WITHDRAWN,
        scopes=(Code("c3"), Code("c4")),
        records=tuple(record_id_of(record) for record in transfer.records),
        effective_at=int(quick.clock.now().timestamp()),
    )
    draft = Draft(
        kind=ConsentChange,
        to=NodeId(MBMID),
        body=body,
        purpose=RIGHTS,
        basis=RIGHTS_BASIS,
        actor=stranger.pseudonyms.actor("x"),
        thread_id=stranger.new_thread_id(quick.clock.now()),
        case_key="caso-ajeno",
    )
    await submit([draft], stranger)
    await quick.settle()
    assert len(await in_force_at_mbmid(quick, thread)) == 2
    assert len(await changes(quick)) == 1
    assert await table(quick.nodes[MBMID], "SELECT state FROM inbox WHERE kind = 'consent.change'") == [("done",)]
    assert await table(quick.nodes[MBMID], "SELECT peer FROM alarms WHERE code = 'consent-changed'") == [(CNB,)]


async def test_a_word_nobody_heard_gives_nothing_whatever_it_says(quick):
    thread = await reported(quick)
    node = quick.nodes[MBMID].capabilities
    event = ConsentEvent(
        id=node.new_message_id(node.clock.now()),
        relative=reporter_of(thread),
        act=ConsentAct.GIVEN,
        scopes=frozenset(Scope),
        effective_at=int(node.clock.now().timestamp()),
        form=ConsentForm.RELAYED,
        language="und",
        imported=True,
    )
    async with node.begin() as work:
        await work.consents.add(thread, [event], now=node.clock.now())
    _, holding = await consents_of(thread, node)
    assert holding.scopes == {}
    assert not holding.internal_search
