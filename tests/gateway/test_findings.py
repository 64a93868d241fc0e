"""Findings sent by officers: two persons for the dead, acknowledged without a word about who is looking. SQLite and PostgreSQL."""

import itertools

import pytest

from contracts.codec import decode_message
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, MessageId
from contracts.walls import WALL_TWO_PERSONS
from gateway.exchange import departing, gate
from gateway.exchange.departing import AlreadySentError
from gateway.exchange.findings import Find, send_finding
from gateway.exchange.gate import By
from gateway.exchange.releasing import approve, drop
from gateway.storage.departures import SqlDepartures
from tests.conftest import new_node_databases
from tests.gateway.test_exchange import table
from tests.gateway.test_referrals import CONAMIGUA, MBMID, worker
from tests.simulator.federation import simulated_federation

MINEX = "gt.minex"
REMAINS = SourceRecord(RecordType.UNIDENTIFIED_REMAINS, {"sex": "male", "age_range": {"min": 22, "max": 30}})
PATIENT = SourceRecord(RecordType.UNIDENTIFIED_PERSON, {"sex": "male", "age_range": {"min": 22, "max": 30}})
FIRST, SECOND = "0198aaaa-0000-7000-8000-000000000001", "0198aaaa-0000-7000-8000-000000000002"
_NUMBER = itertools.count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    names, databases = (MBMID, MINEX, CONAMIGUA), None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: this test ran on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in names}
    async with simulated_federation(tmp_path, *names, databases=databases) as found:
        yield found


@pytest.fixture
def finder(federation):
    return federation.nodes[MINEX].capabilities


def find(federation, record=REMAINS, **changed):
    values = {
        "record": record, "authority": Code("us.tx.kenedy.jp-2"), "country": "US", "received_at": federation.clock.now(),
        "case_ref": f"hallazgo-{next(_NUMBER)}",
    }  # fmt: skip
    return Find(**(values | changed))


def by(node, person):
    return By(person, node.pseudonyms.actor(f"person:{person}"))


async def sent(federation):
    return await table(federation.nodes[MINEX], "SELECT kind FROM outbox")


async def test_remains_leave_when_a_second_person_agreed_and_are_acknowledged(federation, finder):
    found = await send_finding(find(federation), finder, by=worker(finder, FIRST))
    assert found.held is not None
    assert found.held.waits == (WALL_TWO_PERSONS,)
    assert await sent(federation) == []
    await approve(found.held.id, found.held.content, finder, by=by(finder, FIRST))
    assert await sent(federation) == []  # whoever drafted does not count twice
    await approve(found.held.id, found.held.content, finder, by=by(finder, SECOND))
    assert await sent(federation) == [("finding.notice",)]
    await federation.settle()
    assert await table(federation.nodes[MINEX], "SELECT kind, state, folio FROM cases") == [
        ("finding-sent", "acknowledged", "HALLAZGO-2026-000001")
    ]
    reading = "SELECT state, outcome FROM exchanges"
    for name in (MINEX, MBMID):
        assert await table(federation.nodes[name], reading) == [("closed", "acknowledged")]
    assert await table(federation.nodes[MINEX], "SELECT state FROM inbox") == [("done",)]
    assert await table(federation.nodes[MBMID], "SELECT machine, kind, side FROM work_items") == [
        ("finding", "finding.notice", "addressee")
    ]


async def test_the_acknowledgement_never_says_how_many_are_looking(federation, finder):
    await send_finding(find(federation, PATIENT), finder, by=worker(finder, FIRST))
    await federation.settle()
    desk = federation.nodes[MINEX]
    [(thread, message_id, body)] = await table(desk, "SELECT thread_id, message_id, body FROM inbox")
    kept = await desk.capabilities.bodies.open(thread, MessageId(message_id), body)
    message = decode_message(kept.payload)
    assert message.body.candidates == "unknown"
    assert set(type(message.body).model_fields) == {"reference", "received_at", "candidates"}


async def test_control_without_the_wall_one_person_alone_would_send_the_dead(federation, finder, monkeypatch):
    monkeypatch.setattr(gate, "walls", lambda _leaving: ())
    found = await send_finding(find(federation), finder, by=worker(finder, FIRST))
    assert found.held is None
    assert await sent(federation) == [("finding.notice",)]


async def test_a_finding_that_left_is_not_sent_again_and_one_that_was_dropped_can_be(federation, finder):
    patient = find(federation, PATIENT)
    await send_finding(patient, finder, by=worker(finder, FIRST))
    await federation.settle()
    with pytest.raises(AlreadySentError):
        await send_finding(patient, finder, by=worker(finder, FIRST))
    body = find(federation)
    held = (await send_finding(body, finder, by=worker(finder, FIRST))).held
    await drop(held.id, finder, by=by(finder, FIRST))
    assert (await send_finding(body, finder, by=worker(finder, FIRST))).held is not None


OFFICE_OF = "SELECT office, person_id FROM work_items WHERE side = 'opener'"


async def test_what_waited_for_a_second_person_is_the_work_of_the_office_that_sent_it(federation, finder):
    found = await send_finding(find(federation, office=Code("antigua")), finder, by=worker(finder, FIRST))
    await approve(found.held.id, found.held.content, finder, by=by(finder, SECOND))
    assert await table(federation.nodes[MINEX], OFFICE_OF) == [("antigua", None)]


async def test_a_finding_that_waits_is_not_prepared_again(federation, finder):
    body = find(federation)
    await send_finding(body, finder, by=worker(finder, FIRST))
    with pytest.raises(AlreadySentError):
        await send_finding(body, finder, by=worker(finder, SECOND))
    assert await table(federation.nodes[MINEX], "SELECT count(*) FROM departures") == [(1,)]


async def prepared_twice(federation, finder, monkeypatch):
    """Two departures of one finding, as two persons at once would leave them."""

    async def nothing_waits(_self, _case_ref, _kind):
        return ()

    body = find(federation)
    with monkeypatch.context() as patch:
        patch.setattr(SqlDepartures, "prepared", nothing_waits)
        return [(await send_finding(body, finder, by=worker(finder, FIRST))).held for _ in range(2)]


async def test_a_finding_prepared_twice_leaves_once(federation, finder, monkeypatch):
    one, other = await prepared_twice(federation, finder, monkeypatch)
    await approve(one.id, one.content, finder, by=by(finder, SECOND))
    await federation.settle()  # acknowledged: no exchange is pending any more
    with pytest.raises(AlreadySentError):
        await approve(other.id, other.content, finder, by=by(finder, SECOND))
    assert await sent(federation) == [("finding.notice",)]


async def test_control_without_the_look_it_would_leave_twice(federation, finder, monkeypatch):
    async def never(_case_ref, _work):
        return False

    monkeypatch.setattr(departing, "told_before", never)
    one, other = await prepared_twice(federation, finder, monkeypatch)
    await approve(one.id, one.content, finder, by=by(finder, SECOND))
    await federation.settle()
    await approve(other.id, other.content, finder, by=by(finder, SECOND))
    assert await sent(federation) == [("finding.notice",)] * 2


async def test_only_somebody_found_is_a_finding(federation, finder):
    missing = SourceRecord(RecordType.MISSING_PERSON, {"given_names": ["Ficticia"]})
    with pytest.raises(NotPermittedError):
        await send_finding(find(federation, missing), finder, by=worker(finder, FIRST))
    assert await sent(federation) == []


async def test_without_a_flow_nothing_leaves(federation):
    desk = federation.nodes[CONAMIGUA].capabilities
    with pytest.raises(NotPermittedError):
        await send_finding(find(federation), desk, by=worker(desk, FIRST))
