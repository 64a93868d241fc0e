"""Generated answers: the bytes a person was shown are the bytes the recipient opens, and no unasked field is among them."""

import os
import random

import pytest

from contracts.codec import decode_message, pad_payload
from contracts.disclosure import SourceRecord
from contracts.errors import NotPermittedError
from contracts.fields import FIELDS, RecordType
from contracts.ids import Code, MessageId, NodeId
from contracts.messages import SearchResult
from contracts.walls import WALL_HELD
from gateway.exchange import departing
from gateway.exchange.gate import WallError, built_of
from gateway.exchange.releasing import approve, confirm, open_parcel, release_text
from gateway.exchange.responding import OwnAnswer, show_answer
from gateway.exchange.searching import Question, ask_search
from tests.contracts.test_policy_disclosure import SAMPLES
from tests.gateway.test_exchange import table
from tests.gateway.test_leaving import SECOND, by
from tests.simulator.federation import simulated_federation

MBMID, HOLDER = "gt.igm.mbmid", "gt.conamigua"
TYPES = (RecordType.MISSING_PERSON, RecordType.UNIDENTIFIED_REMAINS, RecordType.UNIDENTIFIED_PERSON)
TOGETHER = 25


def made(chance):
    """One question's fields, and one own answer: any type, any fields, some of them asked for, some not, some unknown here."""
    record_type = chance.choice(TYPES)
    known = FIELDS[record_type]
    asked = chance.sample(sorted(known), chance.randint(1, 16))
    held = chance.sample(sorted(known), chance.randint(1, len(known)))
    values = {name: SAMPLES[known[name].kind] for name in held} | chance.choice(
        ({}, {"age_range": {"min": 30, "max": 40}}, {"age_range": {"min": 9, "max": 12}})
    )
    if "attachments" in values and chance.random() < 0.9:
        values["attachments"] = True  # there is one, not here: a hundred that nobody serves, and one of them is always due
    result = chance.choice((SearchResult.MATCH, SearchResult.POSSIBLE))
    return asked, OwnAnswer(result, (SourceRecord(record_type, values),), case_ref=f"propio-{chance.random()}")


@pytest.mark.parametrize("number", [50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
async def test_what_was_shown_is_what_is_opened(tmp_path, number):
    await shown_and_opened(tmp_path, number)


async def test_control_an_answer_that_is_built_again_before_it_leaves_is_seen(tmp_path, monkeypatch):
    """The same fields, in other bytes than those the officer was shown."""
    monkeypatch.setattr(departing, "rebuilt", lambda _parcel, _number, item, node: built_of(item, node, node.clock.now()))
    with pytest.raises(AssertionError, match="not what was shown"):
        await shown_and_opened(tmp_path, 5)


async def shown_and_opened(tmp_path, number):
    seed = int(os.environ.get("PARADERO_SEED", str(random.SystemRandom().getrandbits(32))))
    print(f"PARADERO_SEED={seed}")
    chance = random.Random(seed)
    async with simulated_federation(tmp_path, MBMID, HOLDER) as federation:
        shown: dict[str, tuple[bytes, set[str]]] = {}
        while len(shown) < number:
            await some(federation, chance, shown)
        opened = await answers(federation)
        assert set(opened) == set(shown)
        for re, payload in opened.items():
            bytes_shown, asked = shown[re]
            assert payload == pad_payload(bytes_shown, len(payload)), "not what was shown"
            message = decode_message(payload)
            assert {item.field for record in message.records for item in record.disclosed} <= asked


async def some(federation, chance, shown):
    """Ask a few questions and answer them; note for each what the officer was shown."""
    mbmid, holder = (federation.nodes[name].capabilities for name in (MBMID, HOLDER))
    answers_by_question = {}
    for _ in range(TOGETHER):
        asked, answer = made(chance)
        question = Question(
            to=NodeId(HOLDER),
            want=tuple(Code(name) for name in asked),
            purpose=Code("locate-missing"),
            basis=Code("gt:codigo-migracion:198-207"),
            case_ref=f"caso-{chance.random()}",
        )
        sent = await ask_search(question, mbmid, by=by(mbmid))
        answers_by_question[sent.message.message_id] = asked, answer
    await federation.settle()
    for request, (asked, answer) in answers_by_question.items():
        try:
            seen = await show_answer(request, answer, holder, by=by(holder))
        except WallError:
            raise
        except NotPermittedError:
            continue  # nothing of this record may leave
        shown[str(request)] = seen.payload, set(asked)
        await let_go(seen, holder)
    federation.clock.forward(minutes=20)
    await federation.settle()


async def let_go(seen, holder):
    held = await confirm(seen.id, holder, by=by(holder))
    if WALL_HELD in held.waits:
        _, _, texts = await open_parcel(seen.id, holder)
        held = await release_text(seen.id, [text.place for text in texts], holder, by=by(holder))
    if held.waits:
        held = await approve(seen.id, seen.content, holder, by=by(holder, SECOND))
    assert held.waits == ()


async def answers(federation):
    node = federation.nodes[MBMID]
    statement = "SELECT thread_id, message_id, body FROM inbox WHERE kind = 'search.response'"
    found = {}
    for thread, message, body in await table(node, statement):
        kept = await node.capabilities.bodies.open(thread, MessageId(message), body)
        found[str(decode_message(kept.payload).in_reply_to)] = kept.payload
    return found
