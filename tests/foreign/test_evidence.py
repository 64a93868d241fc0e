"""Two verifiers that share no line: ours, and one written from SPEC 7.4. Whatever is done to a bundle, they agree."""

import json
import random
import secrets
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

import pytest

from contracts.ids import ActorPseudonym, KeyId, MessageId
from contracts.register import KeysetLog
from gateway.exchange.desk import send_rows
from keys import evidence as ours
from keys.bundles import build_bundle, older_keysets
from keys.keystore import load_node_keys
from keys.notes import parse_vkey
from keys.register import ceremony
from keys.register.ceremony import make_keyset, stage_keyset
from tests.foreign import evidence as theirs
from tests.foreign import mutations, register
from tests.gateway.test_exchange import row
from tests.keys.evidence_world import NOW, PGN, SECONDS, WITNESS, WITNESS_KEY, World, keyset, proof
from tests.keys.test_evidence import LIES, REFUSED
from tests.simulator.federation import simulated_federation

DAY = 86_400
OFFICER = ActorPseudonym("a:oficialficticia")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("foreign"))


def both(data, *, root=None, now=SECONDS + 60, witnesses=(str(WITNESS),)):
    """The two reports as one comparable shape each: steps with outcomes, verdict, completeness."""
    told = ours.verify_bundle(
        data, root_fingerprint=root, now=datetime.fromtimestamp(now, UTC), witnesses=[parse_vkey(text) for text in witnesses]
    )
    words = {"ok": "holds", "absent": "absent", "failed": "failed"}
    mine = ({step.name: words[step.outcome.value] for step in told.steps}, told.ok, told.complete)
    report = theirs.verify_bundle(data, root=root, now=now, witnesses=witnesses)
    failed = {report.failed: "failed"} if report.failed else {}
    return mine, (report.steps | failed, report.verifies, report.complete)


def agreed(data, **known):
    """The step both fail at, or None; anything else they differ in is an error of one of them, or of the SPEC."""
    mine, other = both(data, **known)
    assert mine == other
    return next((name for name, outcome in mine[0].items() if outcome == "failed"), None)


def test_an_honest_bundle_verifies_whole_redacted_and_without_what_is_optional(world):
    parts = world.parts(witness=WITNESS_KEY)
    mine, other = both(build_bundle(parts), root=world.fingerprint)
    assert mine == other == (dict.fromkeys(theirs.STEPS, "holds"), True, True)
    for data in (
        build_bundle(parts, redacted=True),
        build_bundle(world.parts()),
        build_bundle(world.parts(logs=False)),
        build_bundle(world.parts(receipt=REFUSED, promised=False)),
    ):
        assert agreed(data, root=world.fingerprint) is None
        assert agreed(data, witnesses=()) is None


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_of_a_party_fails_at_the_same_step(world, lie):
    step, options = LIES[lie]
    assert agreed(build_bundle(world.parts(**options))) == step
    agreed(build_bundle(world.parts(**options), redacted=True))


def test_other_times_other_roots_other_witnesses(world):
    data = build_bundle(world.parts(witness=WITNESS_KEY))
    assert agreed(data, root="0000 " * 10) == "root-fingerprint"
    assert agreed(data, root=world.fingerprint.upper()) is None
    for now in (SECONDS - DAY, SECONDS - 541, SECONDS - 540, SECONDS + 3650 * DAY):
        assert agreed(data, now=now) == ("times" if now < SECONDS - 540 else None)
    for at in (SECONDS - 601, SECONDS - 599, SECONDS, SECONDS + 6 * DAY, SECONDS + 8 * DAY, SECONDS + 400 * DAY):
        agreed(json.dumps(json.loads(data) | {"verified_at": at}).encode(), now=SECONDS + 500 * DAY)
    stolen = build_bundle(replace(world.parts(), sender_proof=proof(world.third, bytes(32))))
    assert agreed(stolen) == "sender-inclusion"


def test_a_redacted_bundle_that_tells_the_officer_is_none(world):
    parts = world.parts()
    told = json.loads(build_bundle(parts, redacted=True))
    told["sender_leaf"]["disclosures"] = list(parts.leaf_disclosures)
    assert agreed(json.dumps(told).encode()) == "sender-leaf"


def test_after_a_rotation_the_older_keyset_speaks(tmp_path):
    world = World(tmp_path)
    before = world.parts()
    turned = world.rotate(world.sender)
    parts = replace(before, register=world.files)
    assert agreed(build_bundle(parts)) == "message"
    carried = older_keysets(world.client.mirror, (before.message, before.receipt))
    assert agreed(build_bundle(replace(parts, keysets=carried))) is None
    assert agreed(build_bundle(replace(parts, keysets=(keyset(turned, 2),)))) == "register"
    assert agreed(build_bundle(replace(parts, keysets=(keyset(world.third, 1),)))) == "register"


def test_a_member_that_was_removed_or_whose_keyset_is_rubbish_spoils_no_bundle_of_others(tmp_path):
    world = World(tmp_path)
    world.enter(world.sender, status="revoked")
    posing = replace(world.third, identity=world.sender.identity)
    keysets = {PGN: keyset(posing, 9)} | {keys.node: keyset(keys, 1) for keys in (world.sender, world.recipient)}
    ceremony._stage_keysets(world.register, keysets, {}, NOW)  # what the online key alone could publish
    world.sign_and_publish()
    world.poll()
    assert agreed(build_bundle(world.parts())) is None
    assert agreed(build_bundle(world.parts(sender=world.third))) == "message"


def campaign(world, rng, *, redacted):
    data = build_bundle(world.parts(witness=WITNESS_KEY), redacted=redacted)
    kinds = (mutations.members(data), mutations.tokens(data), mutations.proofs(data), mutations.leaf(data))
    spoilt = chain(mutations.bytes_flipped(data, rng, 400), *kinds, mutations.register(data, rng))
    return data, [(what, bad) for what, bad in spoilt if bad != data]


def run(world, cases, seed, data):
    """Both verifiers over every case. What they accept must say the same: same message, same receipt."""
    kept = [{name: json.loads(data).get(name) for name in ("message", "message_sha256", "verified_at")}]
    failed = Counter()
    for what, bad in cases:
        mine, other = both(bad, root=world.fingerprint)
        assert mine == other, (seed, what)
        failed[next((name for name, outcome in mine[0].items() if outcome == "failed"), None)] += 1
        if mine[1]:
            assert [{name: json.loads(bad).get(name) for name in kept[0]}] == kept, (seed, what)
    print(f"seed {seed}: {dict(failed)}")
    return failed


@pytest.mark.parametrize("redacted", [False, True])
def test_whatever_is_done_to_a_bundle_the_two_agree_on_the_step(world, redacted):
    seed = secrets.randbits(32)
    rng = random.Random(seed)
    data, cases = campaign(world, rng, redacted=redacted)
    failed = run(world, rng.sample(cases, 300), seed, data)
    assert sum(failed.values()) - failed[None] > 200, seed


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("redacted", [False, True])
def test_the_whole_campaign(world, redacted):
    seed = secrets.randbits(32)
    data, cases = campaign(world, random.Random(seed), redacted=redacted)
    failed = run(world, cases, seed, data)
    assert set(failed) >= {"shape", "root-fingerprint", "register", "receipt", "sender-leaf", "sender-inclusion"}, seed


def test_positive_control_a_verifier_that_looks_away_is_caught(world, monkeypatch):
    data = build_bundle(world.parts(**LIES["leaf of another officer"][1]))
    monkeypatch.setattr(ours, "_same", lambda *_: None)
    mine, other = both(data)
    assert mine[1] != other[1]


def test_metadata_that_two_parsers_read_differently_is_refused(world):
    """python-tuf takes the last of two `signed`; a client that takes the first would read another register."""
    bundle = json.loads(build_bundle(world.parts()))
    for path, raw in world.files.items():
        if path.startswith("metadata/"):
            twice = mutations.b64u(b'{"signed":{"_type":"targets"},' + raw[1:])
            assert agreed(mutations.dump(mutations.put(bundle, ("register", path), twice))) == "register", path


async def exchange(federation):
    """A minor's report: to the MBMID, and to the PGN in the same breath. Returns the sender's node and the message ids."""
    node = federation.nodes["gt.conamigua"]
    actor = node.capabilities.pseudonyms.actor("officer")
    [sent] = await send_rows([row(age=(15, 15))], node.capabilities, actor=actor)
    await federation.settle()
    for each in federation.nodes.values():
        await next(loop for loop in each.loops if loop.name == "log").step()
    return node, sent.message_ids


async def test_a_real_exchange_between_whole_nodes_is_proved_to_a_stranger(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua", "gt.pgn") as federation:
        node, message_ids = await exchange(federation)
        known = {"root": register.fingerprint(federation.register.root_bytes()), "witnesses": ()}
        assert len(message_ids) == 2
        for message_id in message_ids:
            data = await node.operations.evidence(MessageId(message_id), actor=OFFICER)
            mine, other = both(data, now=int(federation.clock.now().timestamp()), **known)
            assert mine == other
            assert mine[1:] == (True, True), mine[0]
            assert agreed(ours.redact_bundle(data), now=int(federation.clock.now().timestamp()), **known) is None


async def test_after_its_sender_changed_keys_a_real_exchange_is_still_proved(tmp_path):
    async with simulated_federation(tmp_path, "gt.igm.mbmid", "gt.conamigua", "gt.pgn") as federation:
        node, message_ids = await exchange(federation)
        held = load_node_keys(node.config.node_keys, node.config.key_identity)
        turned = replace(held, sig=replace(held.sig, kid=KeyId(f"{held.node}#sig-2"), seed=bytes([9]) * 32))
        claims = node.trust.state.keyset(held.node)
        renewed = make_keyset(turned, endpoint=claims.endpoint.url, log=KeysetLog(origin=claims.log.origin, vkey=claims.log.vkey),
                              seq=claims.seq + 1, now=federation.clock.now())  # fmt: skip
        stage_keyset(federation.register, renewed, now=federation.clock.now())
        await federation.publish()
        data = await node.operations.evidence(MessageId(message_ids[0]), actor=OFFICER)
        assert agreed(data, now=int(federation.clock.now().timestamp()), witnesses=()) is None
