"""R11: the same bytes again, whenever, wherever and however often: no second effect and the same receipt, or refused as expired."""

import asyncio
import random
from dataclasses import replace

import pytest

from contracts.errors import ProblemCode
from contracts.ids import KeyId
from contracts.messages import AuditRequest, AuditRequestBody, Note, NoteBody
from gateway.exchange import arrivals, receive
from gateway.exchange.desk import send_rows
from gateway.exchange.judging import CLOCK_SKEW
from gateway.exchange.submit import DELIVERY_VALIDITY, LONG_VALIDITY, prepare
from gateway.storage.inbox import SqlInbox
from keys.jose import encrypt_jwe
from keys.keystore import load_node_keys, recipient_of, save_node_keys
from keys.model import OpeningKey
from keys.sealing import ENVELOPE_TYP, MESSAGE_TYP
from tests.conftest import new_node_databases
from tests.promises.life import LOCATE, MBMID, NAMES, PGN, TRANSFER, draft, envelope_of, ping, row, rows_of
from tests.reliability.ledger import control, note, scaled
from tests.simulator.federation import simulated_federation

SEED = 11
BATCH = 50
EFFECTS = {
    "messages": "SELECT count(*) FROM inbox",
    "remembered": "SELECT count(*) FROM seen",
    "cases": "SELECT count(*) FROM cases",
    "folios": "SELECT coalesce(sum(last), 0) FROM folio_counters",
    "answers": "SELECT count(*) FROM outbox",
    "alarms": "SELECT count(*) FROM alarms",
    "received leaves": "SELECT (SELECT count(*) FROM leaves WHERE event = 'msg.received') "
    "+ (SELECT count(*) FROM leaf_staging WHERE event = 'msg.received')",
}


@pytest.fixture(params=["sqlite", "postgresql"])
async def federation(request, tmp_path):
    databases = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        if server is None:
            pytest.skip("NO POSTGRESQL FOUND: R11 was shown on SQLite only. apt-get install postgresql")
        databases = {name: new_node_databases(server) for name in NAMES}
    async with simulated_federation(tmp_path, *NAMES, databases=databases) as found:
        yield found


async def effects(node):
    """What a person or another system could see, in numbers."""
    return {name: (await rows_of(node, statement))[0][0] for name, statement in EFFECTS.items()}


async def exchanged(federation, number):
    """Have `number` messages delivered and handled: reports with records, notes, pings; return what was carried to the MBMID."""
    sender, chance = federation.nodes["gt.conamigua"].capabilities, random.Random(SEED)
    drafts, rows = [], []
    for _ in range(number):
        kind = chance.choice(("report", "note", "ping", "ping"))
        if kind == "report":
            rows.append(row(age=(30, 35)))
        elif kind == "note":
            drafts.append(draft(sender, Note, NoteBody(text="Ficticia llama", language="es"), purpose=LOCATE, basis=TRANSFER))
        else:
            drafts.append(ping(sender))
    for start in range(0, len(drafts), BATCH):
        made = await prepare(drafts[start : start + BATCH], sender)
        async with sender.begin() as work:
            await work.outbox.put([item.outgoing for item in made])
    await send_rows(rows, sender, actor=sender.pseudonyms.actor("x"))
    await federation.settle(turns=number // 10 + 60)
    envelopes = [envelope for peer, envelope in federation.network.carried if peer == MBMID]
    assert len(envelopes) == number
    return envelopes


async def shown(node, envelopes):
    """Show envelopes at the inbox in batches; return what is answered, one by one."""
    answers = []
    for start in range(0, len(envelopes), BATCH):
        answers += await node.door.receive(envelopes[start : start + BATCH])
    return answers


async def worked(federation, name="gt.igm.mbmid"):
    """Let the node do whatever it would now do."""
    await federation.settle()
    return await effects(federation.nodes[name])


async def twice(node, envelopes):
    """Show each envelope two times in one batch."""
    answers = []
    for envelope in envelopes:
        one, other = await node.door.receive([envelope, envelope])
        assert one == other
        answers.append(one)
    return answers


def differing(first, again):
    return sum(1 for one, other in zip(first, again, strict=True) if one != other)


async def re_keyed(federation, *, keep_old):
    """Give the MBMID a new sealing key and restart it; the old one opens during the overlap, or is gone."""
    config = federation.nodes["gt.igm.mbmid"].config
    keys = load_node_keys(config.node_keys, config.key_identity)
    fresh = OpeningKey(KeyId(f"{MBMID}#enc-{len(keys.enc) + 1}"), random.Random(SEED).randbytes(32))
    enc = (fresh, *keys.enc) if keep_old else (fresh,)
    save_node_keys(config.node_keys, replace(keys, enc=enc), recipient=recipient_of(config.key_identity))
    await federation.reopen("gt.igm.mbmid")
    return fresh.public


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_whatever_is_replayed_has_one_effect_and_one_receipt(federation):
    number = scaled(ci=400, night=10_000)
    envelopes = await exchanged(federation, number)
    mbmid = federation.nodes["gt.igm.mbmid"]
    jws = [mbmid.capabilities.opener.open(envelope).jws for envelope in envelopes]
    before = await worked(federation)
    first = await shown(mbmid, envelopes)
    held = {receipt for (receipt,) in await rows_of(mbmid, "SELECT receipt FROM seen")}
    assert set(first) <= held, "the receipt a replay earns is the one that was given"

    async def tried(what, answers):
        after = await worked(federation)
        second = sum(abs(after[key] - before[key]) for key in before)
        failures = differing(first, answers) + second
        note("R11", what, unit="replays", trials=len(answers), failures=failures, seed=SEED)
        assert (differing(first, answers), after) == (0, before), what

    for words, delta in (("1 s", {"seconds": 1}), ("1 h", {"hours": 1}), ("1 d", {"days": 1}), ("8 d", {"days": 8})):
        federation.clock.forward(**delta)
        await tried(f"byte for byte, after {words}", await shown(mbmid, envelopes))
    await tried("twice within one batch", await twice(mbmid, envelopes))
    await tried(
        "all at once, side by side", [group[0] for group in await asyncio.gather(*(mbmid.door.receive([e]) for e in envelopes))]
    )
    mbmid = await federation.reopen("gt.igm.mbmid")
    await tried("after a restart", await shown(mbmid, envelopes))
    await re_keyed(federation, keep_old=True)
    await tried("after the recipient's new key, within the overlap", await shown(federation.nodes["gt.igm.mbmid"], envelopes))
    newest = await re_keyed(federation, keep_old=False)
    mbmid = federation.nodes["gt.igm.mbmid"]
    retired = await shown(mbmid, envelopes)
    assert set(retired) == {ProblemCode.KEY_RETIRED}, "a problem that ends nothing: the sender seals again"
    again = [encrypt_jwe(text, newest, typ=ENVELOPE_TYP, cty=MESSAGE_TYP).encode() for text in jws]
    await tried("sealed again to the recipient's new key", await shown(mbmid, again))


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_at_another_door_or_another_node_nothing_happens(federation):
    number = scaled(ci=100, night=1000)
    envelopes = await exchanged(federation, number)
    mbmid, pgn = federation.nodes["gt.igm.mbmid"], federation.nodes["gt.pgn"]
    before, elsewhere = await worked(federation), await worked(federation, "gt.pgn")
    answers = [await mbmid.ask_door.answer(envelope) for envelope in envelopes]
    after = await worked(federation)
    failures = sum(abs(after[key] - before[key]) for key in before)
    note("R11", "at the ask door", unit="replays", trials=number, failures=failures, seed=SEED)
    assert any(isinstance(answer, str) for answer in answers)
    assert after == before
    refused = await shown(pgn, envelopes)
    sealed = [pgn.capabilities.sealer.seal(mbmid.capabilities.opener.open(e).jws, PGN).envelope for e in envelopes]
    refused += await shown(pgn, sealed)  # the MBMID hands on what it received
    after = await worked(federation, "gt.pgn")
    failures = sum(abs(after[key] - elsewhere[key]) for key in elsewhere)
    note("R11", "to another node, as it came and sealed again", unit="replays", trials=2 * number, failures=failures, seed=SEED)
    assert after == elsewhere
    verify = federation.nodes["gt.conamigua"].capabilities.opener.verify_receipt
    assert {verify(answer, peer=PGN).receipt.status for answer in refused} == {"rejected"}


async def questions(federation, number):
    """Questions as the ask door gets them."""
    sender = federation.nodes["gt.conamigua"].capabilities
    kinds = [(AuditRequest, AuditRequestBody(leaves=("A" * 43,))) for _ in range(number)]
    return [await envelope_of(sender, draft(sender, kind, body)) for kind, body in kinds]


async def replayed_questions(federation, number):
    """Show questions the ask door answered to the inbox; return by how much the node's effects differ."""
    mbmid = federation.nodes["gt.igm.mbmid"]
    asked = await questions(federation, number)
    answers = [await mbmid.ask_door.answer(envelope) for envelope in asked]
    assert all(isinstance(answer, bytes) for answer in answers)
    before = await worked(federation)
    await shown(mbmid, asked)
    after = await worked(federation)
    return sum(abs(after[key] - before[key]) for key in before)


async def test_a_question_replayed_at_the_inbox_sets_nobody_to_work(federation):
    number = scaled(ci=20, night=200)
    failures = await replayed_questions(federation, number)
    note("R11", "a question of the ask door, at the inbox", unit="replays", trials=number, failures=failures)
    assert failures == 0


async def beyond_the_horizon(federation):
    """Show messages, past their expiry, to a node that remembers nothing of them."""
    sender, mbmid = federation.nodes["gt.conamigua"].capabilities, federation.nodes["gt.igm.mbmid"]
    envelopes = [await envelope_of(sender, ping(sender)) for _ in range(20)]
    verify = sender.opener.verify_receipt
    federation.clock.forward(seconds=DELIVERY_VALIDITY.total_seconds() + CLOCK_SKEW.total_seconds() - 1)
    [edge] = await mbmid.door.receive(envelopes[:1])
    assert verify(edge, peer=MBMID).receipt.status == "accepted", "the last second that counts"
    federation.clock.forward(seconds=1)
    return [verify(answer, peer=MBMID).receipt for answer in await shown(mbmid, envelopes[1:])]


async def test_what_is_not_remembered_is_refused_once_it_expired(federation):
    receipts = await beyond_the_horizon(federation)
    failures = sum(receipt.code is not ProblemCode.EXPIRED for receipt in receipts)
    note("R11", "past validity and skew, to a node that forgot", unit="replays", trials=len(receipts), failures=failures)
    assert failures == 0


async def test_nothing_is_ever_forgotten_so_the_horizon_is_longer_than_any_validity(federation):
    """Deduplication rows are never pruned. If that changes, the horizon must stay over validity + 2 x skew (decision 6)."""
    sender, mbmid = federation.nodes["gt.conamigua"].capabilities, federation.nodes["gt.igm.mbmid"]
    envelope = await envelope_of(sender, ping(sender))
    first = await mbmid.door.receive([envelope])
    needed = max(DELIVERY_VALIDITY, LONG_VALIDITY) + 2 * CLOCK_SKEW
    federation.clock.forward(seconds=3 * needed.total_seconds())
    for loop in mbmid.loops:
        if loop.name not in {"register", "resign"}:
            await loop.step()
    mbmid = await federation.reopen("gt.igm.mbmid")
    assert await mbmid.door.receive([envelope]) == list(first)


# -- controls ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def small(tmp_path):
    async with simulated_federation(tmp_path, *NAMES) as found:
        yield found


async def test_control_deduplication_that_forgets_after_a_week_is_seen(small, monkeypatch):
    [envelope] = await exchanged(small, 1)
    mbmid = small.nodes["gt.igm.mbmid"]
    first = await mbmid.door.receive([envelope])
    real = SqlInbox.seen

    async def forgetful(self, keys):
        return {} if small.clock.now() > start + DELIVERY_VALIDITY else await real(self, keys)

    start = small.clock.now()
    monkeypatch.setattr(SqlInbox, "seen", forgetful)
    small.clock.forward(days=8)
    seen = differing(first, await mbmid.door.receive([envelope])) == 1
    control("R11", "Deduplication rows are pruned after a week.", seen=seen)
    assert seen


async def test_control_a_door_that_judges_times_first_is_seen(small, monkeypatch):
    [envelope] = await exchanged(small, 1)
    mbmid = small.nodes["gt.igm.mbmid"]
    first = await mbmid.door.receive([envelope])
    real = arrivals._settle_one

    async def hasty(verdict, seen, *others):
        return await real(verdict, {} if verdict.error else seen, *others)

    monkeypatch.setattr(arrivals, "_settle_one", hasty)
    small.clock.forward(days=8)
    seen = differing(first, await mbmid.door.receive([envelope])) == 1
    control("R11", "Times are judged before deduplication is looked up.", seen=seen)
    assert seen


async def test_control_expiry_that_nobody_judges_is_seen(small, monkeypatch):
    monkeypatch.setattr("gateway.exchange.judging._check_times", lambda *_: None)
    seen = any(receipt.code is not ProblemCode.EXPIRED for receipt in await beyond_the_horizon(small))
    control("R11", "The door does not look at expiry.", seen=seen)
    assert seen


async def test_control_an_inbox_that_takes_questions_is_seen(small, monkeypatch):
    monkeypatch.setattr(receive, "_not_a_question", lambda verdict, *_: verdict)
    seen = await replayed_questions(small, 1) > 0
    control("R11", "A question replayed at the inbox is stored, raised to people and answered.", seen=seen)
    assert seen
