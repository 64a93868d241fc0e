"""Saying by a page that somebody is alive: that and what they want, once; never against their wish or a wall."""

import re

import pytest

from contracts import walls
from contracts.messages import SearchResult
from gateway.console.pages.letters import STATUSES, WILLS
from gateway.exchange import departing, located
from gateway.storage.departures import SqlDepartures
from tests.console.test_answering import arrived, asked, officer, prepared
from tests.console.test_answering import world as answering_world
from tests.console.test_cases import text_of
from tests.console.test_consent_pages import key_of
from tests.console.visitor import Visitor
from tests.gateway.story import sent
from tests.gateway.test_answers import at_slot
from tests.gateway.test_exchange import table
from tests.people.world import OFFICE

world = answering_world
FORM = {"voluntad": "alive-only", "como": "interview", "v-age_range": "31", "v-possible_minor": "no", "expediente": "exp-7"}


async def told(visitor, request, **changed):
    """Prepare it, and sign what the page shows; the last page."""
    filled = FORM | changed
    page = await visitor.post(f"/s/{request}/con-vida", filled)
    if page.status != 200:
        return page
    return await visitor.post(f"/s/{request}/con-vida", filled | {"paso": "firmar", "vez": key_of(page)})


async def statuses(world):
    return [status.body.located.will for status in await sent(world.node, "case.status")]


async def events(world):
    return await table(world.node, "SELECT wish, evidence FROM wish_events")


async def test_that_somebody_is_alive_is_shown_signed_and_sent_once(world):
    visitor, request = await officer(world), await asked(world)
    assert f'href="/s/{request}/con-vida"' in (await visitor.get(f"/s/{request}")).text
    form = await visitor.get(f"/s/{request}/con-vida")
    assert form.status == 200
    assert "checked" not in form.text
    confirm = await visitor.post(f"/s/{request}/con-vida", FORM)
    assert "Está con vida; no quiere contacto; En persona" in text_of(confirm)
    assert await events(world) == []  # nothing yet
    final = FORM | {"paso": "firmar", "vez": key_of(confirm)}
    for expected in ("con-vida", "ya"):
        assert (await visitor.post(f"/s/{request}/con-vida", final)).location == f"/s/{request}?hecho={expected}"
    assert await events(world) == [("alive-only", "interview")]
    await at_slot(world.federation)
    [status] = await sent(world.node, "case.status")
    assert status.records == ()
    assert (status.body.located.will, status.body.located.evidence) == ("no-contact", "interview")
    later = await officer(world, "l.ficticia")
    assert f"/s/{request}/responder" in (await later.get(f"/s/{request}")).text  # the question itself is still open


async def test_two_forms_that_say_the_same_send_it_once_and_a_new_word_is_sent(world):
    visitor, request = await officer(world), await asked(world)
    assert (await told(visitor, request)).location == f"/s/{request}?hecho=con-vida"
    assert (await told(visitor, request)).location == f"/s/{request}?hecho=ya"  # while the first waits for its hour
    await at_slot(world.federation)
    visitor = await officer(world, "l.ficticia")
    assert (await told(visitor, request)).location == f"/s/{request}?hecho=ya"  # and once it has left
    await at_slot(world.federation)
    assert await statuses(world) == ["no-contact"]
    visitor = await officer(world, "m.ficticia")
    assert (await told(visitor, request, voluntad="contact")).location == f"/s/{request}?hecho=con-vida"
    await at_slot(world.federation)
    assert sorted(await statuses(world)) == ["contact", "no-contact"]


async def test_control_without_a_look_at_what_was_told_it_is_sent_again(world, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr(located, "_told_last", nothing)
    with pytest.raises(AssertionError, match="ya"):
        await test_two_forms_that_say_the_same_send_it_once_and_a_new_word_is_sent(world)


@pytest.mark.parametrize(
    ("changed", "anchor"),
    [
        ({"voluntad": ""}, "voluntad"), ({"voluntad": "silence"}, "voluntad"), ({"voluntad": "undecided"}, "voluntad"),
        ({"como": "de-oidas"}, "como"), ({"v-age_range": "", "v-possible_minor": ""}, "proteger"), ({"expediente": ""}, "expediente"),
        ({"expediente": "x" * 81}, "expediente"), ({"v-age_range": "ayer"}, "v-age_range"),
    ],
)  # fmt: skip
async def test_what_is_missing_is_told_and_nothing_is_written(world, changed, anchor):
    visitor, request = await officer(world), await asked(world)
    for step in ({}, {"paso": "firmar", "vez": "x" * 22}):
        page = await visitor.post(f"/s/{request}/con-vida", FORM | changed | step)
        assert page.status == 422
        assert f'href="#{anchor}"' in page.text
        assert f'id="{anchor}"' in page.text
    assert await events(world) == []


async def test_whoever_holds_the_person_decides_first_and_another_one_looks(world):
    visitor, request = await officer(world), await asked(world)
    refused = await told(visitor, request, **{"v-aggressor_risk": "yes"})
    assert refused.status == 422, refused.status
    assert re.search(r'id="v-aggressor_risk".*?<option value="yes" selected', refused.text, re.DOTALL)
    await at_slot(world.federation)
    assert await sent(world.node, "case.status") == []
    visitor = await officer(world, "l.ficticia")
    page = await told(visitor, request, **{"v-aggressor_risk": "yes", "decidido": "si"})
    assert page.location == f"/s/{request}?hecho=con-vida"
    await at_slot(world.federation)
    assert await sent(world.node, "case.status") == []  # not on one person's word
    assert "segunda aprobación" in text_of(await (await officer(world, "s.ficticia")).get("/espera"))


async def test_control_without_that_wall_it_would_leave(world, monkeypatch):
    monkeypatch.setattr(walls, "_confirms_a_find", lambda _leaving: False)
    visitor, request = await officer(world), await asked(world)
    assert (await told(visitor, request, **{"v-aggressor_risk": "yes"})).status == 303


async def test_it_is_nobody_elses_to_say(world):
    visitor, request = await officer(world), await asked(world)
    clerk = await officer(world, "c.ficticia", f"desk-clerk@{OFFICE}")
    assert (await clerk.get(f"/s/{request}/con-vida")).status == 403
    assert (await clerk.post(f"/s/{request}/con-vida", FORM)).status == 403
    assert (await visitor.get("/s/01990000-0000-7000-8000-000000000003/con-vida")).status == 404
    assert (await Visitor(world.base).post(f"/s/{request}/con-vida", FORM)).status in {303, 401, 403, 419}
    assert await events(world) == []


async def test_who_changes_their_mind_on_the_page_of_the_case_is_heard_before_the_hour(world):
    """What waits under the office's own number is the same person's as the question's case."""
    visitor, request = await officer(world), await asked(world, "sex")
    signed = await visitor.post(await prepared(visitor, request, voluntad="alive-only", expediente="exp-7"))
    assert "/enviada/" in signed.location
    [(thread,)] = await table(world.node, "SELECT thread_id FROM cases WHERE kind = 'search'")
    page = await visitor.get(f"/e/{thread}/voluntad")
    filled = {"voluntad": "silence", "como": "phone", "vez": key_of(page)}
    assert (await visitor.post(f"/e/{thread}/voluntad", filled)).location == f"/e/{thread}?hecho=voluntad"
    await at_slot(world.federation)
    answers = await arrived(world)
    assert [answer.body.result for answer in answers if answer.body.result is SearchResult.MATCH] == []


async def test_control_a_wish_under_one_name_alone_is_not_heard(world, monkeypatch):
    async def none(_departures, _thread):
        return ()

    monkeypatch.setattr(SqlDepartures, "names_in", none)  # neither where it is written down,
    monkeypatch.setattr(departing, "names_of", lambda draft: (draft.case_key,))  # nor where what leaves is weighed by it
    with pytest.raises(AssertionError, match="MATCH"):
        await test_who_changes_their_mind_on_the_page_of_the_case_is_heard_before_the_hour(world)


def test_every_state_and_wish_has_words():
    from typing import get_args

    from contracts.messages import CaseState, Located

    assert set(STATUSES) == set(CaseState)
    assert set(WILLS) == set(get_args(Located.model_fields["will"].annotation))
