"""E1, the pictures of a body: the consulate gets the tattoo's when two persons agree, and neither a face nor the autopsy. On whole nodes."""

from dataclasses import replace

import pytest

from adapters.attached.cleaning import clean_attachment
from contracts.attachments import Grade
from contracts.disclosure import SourceRecord
from contracts.fields import Form, RecordType
from contracts.ids import Code, NodeId
from contracts.messages import SearchResult
from contracts.policy import load_template, parse_policy
from contracts.register import Role
from contracts.walls import WALL_TWO_PERSONS
from gateway.exchange.attachments import Content, add, content_of
from gateway.exchange.releasing import approve, confirm
from gateway.exchange.responding import OwnAnswer, show_answer
from gateway.exchange.searching import Question, ask_search
from tests.adapters.pictures import autopsy, photograph
from tests.gateway.test_answers import at_slot
from tests.gateway.test_bookkeeping import opened_messages
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import SECOND, by
from tests.simulator.federation import simulated_federation

MINEX, COUNTY, MBMID = "gt.minex", "us.tx.kenedy", "gt.igm.mbmid"


@pytest.fixture
async def federation(tmp_path):
    async with simulated_federation(tmp_path, MINEX, COUNTY, MBMID) as found:
        yield found


async def consulate_asks(federation):
    node = federation.nodes[MINEX].capabilities
    question = Question(
        to=NodeId(COUNTY),
        want=(Code("sex"), Code("attachments")),
        purpose=Code("identify-remains"),
        basis=Code("us:tx:john-joseph"),
        case_ref="hallazgo-7",
        records=(),
    )
    await ask_search(question, node, by=by(node))
    await federation.settle()
    [request] = await opened_messages(federation.nodes[COUNTY], "search.request")
    return request


async def county_answers(federation, request, *grades):
    """The county's answer with a picture of each grade; its autopsy is graded as what shows a body."""
    node = federation.nodes[COUNTY].capabilities
    ids = []
    for grade in grades:
        found = clean_attachment(autopsy() if grade is Grade.FACE else photograph())
        content = Content(found.media_type, grade, found.content)
        entry = await add(content, node, thread_id=request.thread_id, actor=node.pseudonyms.actor("officer"))
        ids.append(str(entry.id))
    values = {"sex": "male", "age_range": {"min": 22, "max": 30}, "attachments": ids}
    own = OwnAnswer(SearchResult.POSSIBLE, (SourceRecord(RecordType.UNIDENTIFIED_REMAINS, values),), "ML-26-118")
    shown = await show_answer(request.message_id, own, node, by=by(node))
    await confirm(shown.id, node, by=by(node))
    return node, shown


async def test_the_tattoo_reaches_the_consulate_when_two_agree_and_the_autopsy_stays(federation):
    request = await consulate_asks(federation)
    node, shown = await county_answers(federation, request, Grade.MARK, Grade.FACE)
    assert WALL_TWO_PERSONS in shown.waits
    await at_slot(federation)
    assert await opened_messages(federation.nodes[MINEX], "search.response") == []
    assert await table(federation.nodes[MINEX], "SELECT count(*) FROM attachments") == [(0,)]
    await approve(shown.id, shown.content, node, by=by(node, SECOND))
    await at_slot(federation)
    assert await table(federation.nodes[MINEX], "SELECT grade, state FROM attachments") == [("mark", "here")]
    consulate = federation.nodes[MINEX].capabilities
    async with consulate.begin() as work:
        [entry] = await work.attachments.listed(limit=9)
    seen = await content_of(entry.id, consulate, actor=consulate.pseudonyms.actor("officer"))
    assert (seen.media_type, seen.grade) == ("image/jpeg", Grade.MARK)
    assert len({name for name, _, _ in federation.network.served}) == 1, "the autopsy was fetched by nobody"


async def test_control_a_policy_that_tells_all_grades_sends_the_autopsy(federation):
    for simulated in federation.nodes.values():
        state = simulated.trust.state
        newest = max(state.policies)
        policy = state.policies[newest].policy
        rules = tuple(
            rule.model_copy(update={"fields": {**rule.fields, Code("attachments"): Form.EXACT}})
            if rule.id == "answer-06"
            else rule
            for rule in policy.rules
        )
        changed = replace(state.policies[newest], policy=policy.model_copy(update={"rules": rules}))
        simulated.trust.state = replace(state, policies={**state.policies, newest: changed})
    request = await consulate_asks(federation)
    node, shown = await county_answers(federation, request, Grade.MARK, Grade.FACE)
    await approve(shown.id, shown.content, node, by=by(node, SECOND))
    await at_slot(federation)
    assert sorted(await table(federation.nodes[MINEX], "SELECT grade FROM attachments")) == [("face",), ("mark",)]


def test_the_first_policy_shows_the_mbmid_no_picture_of_remains_and_a_finding_carries_none():
    policy = parse_policy(load_template("first-policy"))
    told = {
        (str(rule.id), rule.fields[Code("attachments")])
        for rule in policy.rules
        if rule.record == RecordType.UNIDENTIFIED_REMAINS and Code("attachments") in rule.fields
    }
    assert told == {("answer-06", Form("mark")), ("answer-11", Form.EXACT)}
    assert not [rule for rule in policy.rules if rule.id == "answer-11" and set(rule.recipients) != {Role.FORENSIC}]
