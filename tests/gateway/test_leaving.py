"""The gate in whole nodes: what leaves, what waits for whom, what nobody can let through. SQLite and PostgreSQL."""

import itertools

import pytest

from contracts.disclosure import SourceRecord
from contracts.errors import MessageConflictError, NotPermittedError
from contracts.fields import RecordType
from contracts.ids import Code, NodeId
from contracts.messages import SearchRequest, SearchRequestBody, Urgency
from contracts.walls import WALL_NEVER_TO, WALL_TWO_PERSONS
from gateway.exchange import gate
from gateway.exchange.departing import NoSuchDepartureError
from gateway.exchange.gate import By
from gateway.exchange.leaving import Held, WallError, automatic, leave
from gateway.exchange.releasing import approve, drop, open_parcel
from gateway.exchange.submit import Draft
from tests.gateway import test_exchange
from tests.gateway.test_exchange import table

federation = test_exchange.federation

MBMID, DESK = "gt.igm.mbmid", "gt.conamigua"
ADULT = {"given_names": ["Ficticia"], "sex": "female", "age_range": {"min": 30, "max": 35}}
CHILD = ADULT | {"age_range": {"min": 9, "max": 11}}


def by(node, person="0198aaaa-0000-7000-8000-000000000001"):
    return By(person, node.pseudonyms.actor(f"person:{person}"))


SECOND = "0198aaaa-0000-7000-8000-000000000002"


def question(node, federation, values=ADULT, case_key="caso-1", **more):
    return Draft(
        kind=SearchRequest,
        to=NodeId(more.pop("to", DESK)),
        body=SearchRequestBody(want=(Code("sex"),), urgency=Urgency.NORMAL),
        purpose=Code("locate-missing"),
        basis=Code("gt:codigo-migracion:198-207"),
        actor=by(node).actor,
        thread_id=node.new_thread_id(federation.clock.now()),
        case_key=case_key,
        records=(SourceRecord(RecordType.MISSING_PERSON, values),),
        **more,
    )


async def sent(federation, name=MBMID):
    return await table(federation.nodes[name], "SELECT kind, lane FROM outbox")


async def test_what_nothing_stops_leaves_at_once_with_its_books(federation):
    node = federation.nodes[MBMID].capabilities
    [prepared] = await leave([question(node, federation)], node, by=by(node))
    assert prepared.message.type == "search.request"
    assert await sent(federation) == [("search.request", DESK)]
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM disclosures") == [(1,)]
    assert await table(federation.nodes[MBMID], "SELECT count(*) FROM departures") == [(0,)]


async def test_about_a_child_it_waits_for_a_second_person_who_is_another(federation):
    node = federation.nodes[MBMID].capabilities
    held = await leave([question(node, federation, CHILD)], node, by=by(node))
    assert isinstance(held, Held)
    assert held.waits == (WALL_TWO_PERSONS,)
    assert await sent(federation) == []
    again = await approve(held.id, held.content, node, by=by(node))
    assert isinstance(again, Held)  # the first person is not the second
    with pytest.raises(MessageConflictError):
        await approve(held.id, "0" * 64, node, by=by(node, SECOND))
    [prepared] = await approve(held.id, held.content, node, by=by(node, SECOND))
    assert await sent(federation) == [("search.request", DESK)]
    assert prepared.message.actor == by(node).actor
    with pytest.raises(NoSuchDepartureError):
        await approve(held.id, held.content, node, by=by(node, SECOND))
    assert await table(federation.nodes[MBMID], "SELECT state, length(sealed) FROM departures") == [("left", 0)]


async def test_control_a_gate_that_counts_acts_and_not_persons_is_seen(federation, monkeypatch):
    node = federation.nodes[MBMID].capabilities
    acts = itertools.count()
    monkeypatch.setattr(gate, "pseudonym", lambda person, node: node.pseudonyms.actor(f"{person} {next(acts)}"))
    held = await leave([question(node, federation, CHILD)], node, by=by(node))
    assert not isinstance(await approve(held.id, held.content, node, by=by(node)), Held)


async def test_a_never_to_rule_refuses_by_name_and_stores_nothing(federation):
    node = federation.nodes[MBMID].capabilities
    async with node.begin() as work:
        await work.holds.forbid("caso-1", "migrant-council", reason=Code("risk"), by=by(node).actor, now=federation.clock.now())
    with pytest.raises(WallError) as refused:
        await leave([question(node, federation)], node, by=by(node))
    assert refused.value.walls == (WALL_NEVER_TO,)
    assert await sent(federation) == []
    await leave([question(node, federation, case_key="caso-2")], node, by=by(node))


async def test_a_rule_set_while_it_waited_stops_it(federation):
    node = federation.nodes[MBMID].capabilities
    held = await leave([question(node, federation, CHILD)], node, by=by(node))
    async with node.begin() as work:
        await work.holds.forbid("caso-1", DESK, reason=Code("risk"), by=by(node).actor, now=federation.clock.now())
    with pytest.raises(WallError):
        await approve(held.id, held.content, node, by=by(node, SECOND))
    assert await sent(federation) == []
    await drop(held.id, node, by=by(node))
    with pytest.raises(NoSuchDepartureError):
        await open_parcel(held.id, node)


def test_software_says_by_itself_nothing_about_anybody(federation):
    node = federation.nodes[MBMID].capabilities
    with pytest.raises(NotPermittedError):
        automatic([question(node, federation)])
