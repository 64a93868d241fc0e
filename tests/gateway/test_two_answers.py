"""Two officers answer one question at the same moment: one answer is kept, and the other officer is told no. SQLite, PostgreSQL."""

import asyncio

from contracts.errors import NotPermittedError
from contracts.ids import Code
from gateway.exchange import leaving, responding
from gateway.exchange.responding import decline, no_information
from tests.gateway import test_exchange
from tests.gateway.test_answers import HOLDER, asked
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import SECOND, by

federation = test_exchange.federation


def both_look_first(monkeypatch, persons=2):
    """Whoever answers looks whether it was answered before anybody has answered."""
    looked, seen = responding._open_request, asyncio.Barrier(persons)

    async def look(request_id, node):
        found = await looked(request_id, node)
        await seen.wait()
        return found

    monkeypatch.setattr(responding, "_open_request", look)


async def race(federation, monkeypatch):
    """How each of two answers ended."""
    request, node = await asked(federation), federation.nodes[HOLDER].capabilities
    both_look_first(monkeypatch)
    now = node.clock.now()
    first = no_information(request, node, by=by(node), searched=(Code("registry"),), as_of=now)
    second = decline(request, node, by=by(node, SECOND), reason=Code("no-access"))
    return await asyncio.gather(first, second, return_exceptions=True)


async def waiting(federation):
    return await table(federation.nodes[HOLDER], "SELECT count(*) FROM departures WHERE state = 'waiting'")


async def test_one_of_two_answers_is_kept_and_the_other_officer_is_told(federation, monkeypatch):
    ended = await race(federation, monkeypatch)
    assert sorted(isinstance(end, NotPermittedError) for end in ended) == [False, True], ended
    assert await waiting(federation) == [(1,)]


async def test_control_where_only_the_look_counts_both_are_kept(federation, monkeypatch):
    async def nothing(_questions, _work):
        return None

    monkeypatch.setattr(leaving, "only_answer", nothing)
    ended = await race(federation, monkeypatch)
    assert not any(isinstance(end, Exception) for end in ended), ended
    assert await waiting(federation) == [(2,)]
