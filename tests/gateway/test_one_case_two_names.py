"""A case has the number its office gave it, and the thread of who asks: what was written down under either counts under both."""

import pytest

from contracts.consents import Wish
from contracts.ids import Code
from contracts.messages import SearchResult
from contracts.walls import WALL_NEVER_TO, WALL_WISH
from gateway.exchange import departing
from gateway.exchange.asked import request_of
from gateway.exchange.barring import bar
from gateway.exchange.gate import WallError
from gateway.exchange.located import Alive, record_wish, tell_alive
from gateway.exchange.releasing import confirm
from gateway.exchange.responding import no_information, show_answer
from tests.gateway import test_exchange
from tests.gateway.test_answers import MBMID, asked, at_slot, holder_of, own
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_leaving import by

federation = test_exchange.federation


async def holder_told_at_the_question(federation, forbid):
    """A question, and who holds the person: their own record said contact, and then the case of the question forbids it."""
    request = await asked(federation)
    node = await holder_of(federation, Wish.CONTACT)
    federation.clock.forward(minutes=1)
    await forbid(str((await request_of(request, node)).message.thread_id), node)
    federation.clock.forward(minutes=1)
    return request, node


async def silence(case_ref, node):
    await record_wish(case_ref, Wish.SILENCE, Code("phone"), node, by=by(node))


async def never_to_the_seeker(case_ref, node):
    async with node.begin() as work:
        await bar(case_ref, MBMID, Code("risk"), work, node, actor=by(node).actor)


async def test_a_wish_at_the_questions_case_holds_for_an_answer_prepared_later_under_another_number(federation):
    request, node = await holder_told_at_the_question(federation, silence)
    shown = await show_answer(request, own(), node, by=by(node))
    assert (shown.told, shown.silenced_by) == ("no-match", (WALL_WISH,))


async def test_who_is_barred_at_the_questions_case_is_told_what_who_holds_nothing_tells(federation):
    request, node = await holder_told_at_the_question(federation, never_to_the_seeker)
    shown = await show_answer(request, own(), node, by=by(node))
    assert (shown.told, shown.silenced_by) == ("no-match", (WALL_NEVER_TO,))
    await confirm(shown.id, node, by=by(node))
    await at_slot(federation)
    [answer] = await opened_messages(federation.nodes[MBMID], "search.response")
    assert (answer.body.result, answer.records) == (SearchResult.NO_MATCH, ())


async def test_who_is_barred_can_be_told_at_once_that_there_is_nothing(federation):
    request, node = await holder_told_at_the_question(federation, never_to_the_seeker)
    await no_information(request, node, by=by(node), searched=(Code("cases"),), as_of=node.clock.now())
    await at_slot(federation)
    [answer] = await opened_messages(federation.nodes[MBMID], "search.response")
    assert answer.body.result is SearchResult.NO_MATCH


async def test_control_books_that_are_asked_about_the_empty_answer_too_leave_who_is_barred_without_a_word(
    federation, monkeypatch
):
    monkeypatch.setattr(departing, "of_no_case", lambda draft: False)
    request, node = await holder_told_at_the_question(federation, never_to_the_seeker)
    with pytest.raises(WallError) as refused:
        await show_answer(request, own(), node, by=by(node))
    assert refused.value.walls == (WALL_NEVER_TO,)


async def test_what_is_told_of_somebody_alive_is_what_they_want_now_under_whichever_number(federation):
    async def alone(case_ref, node):
        await record_wish(case_ref, Wish.ALIVE_ONLY, Code("phone"), node, by=by(node))

    request, node = await holder_told_at_the_question(federation, alone)
    await tell_alive(request, Alive("paciente-7", own().records), node, by=by(node))
    await at_slot(federation)
    [status] = await opened_messages(federation.nodes[MBMID], "case.status")
    assert (status.body.located.will, status.body.located.evidence) == ("no-contact", "phone")


async def test_control_what_is_looked_for_under_one_name_alone_is_not_heard(federation, monkeypatch):
    monkeypatch.setattr(departing, "names_of", lambda draft: (draft.case_key,))
    request, node = await holder_told_at_the_question(federation, silence)
    assert (await show_answer(request, own(), node, by=by(node))).told == "match"
