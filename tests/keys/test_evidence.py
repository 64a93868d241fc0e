"""What a bundle proves, and that nothing else passes: every byte, every member, every lie a party could tell."""

import json
import random
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from contracts.codec import b64u_encode, encode_model
from contracts.errors import ExchangeError, SchemaError
from contracts.ids import NodeId
from contracts.leaves import LeafEvent
from contracts.register import Keysets
from keys import bundles, evidence
from keys.bundles import build_bundle, older_keysets, parse_bundle, redact_bundle, register_files
from keys.evidence import in_words, verify_bundle
from keys.model import generate_node_keys
from keys.notes import Checkpoint
from tests.keys.evidence_world import MBMID, MINEX, NOW, SECONDS, WITNESS, WITNESS_KEY, World, keyset, proof

EVERY_STEP = [
    "shape", "root-fingerprint", "register", "message", "receipt", "digest", "addressing", "times", "acceptance",
    "sender-leaf", "sender-log", "sender-inclusion", "promise", "recipient-inclusion", "witnesses",
]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def stranger():
    return generate_node_keys(NodeId("gt.ajeno"))


def failed_at(data, **known):
    result = verify_bundle(data, **known)
    assert result.ok == (result.steps[-1].outcome != "failed")
    return result.steps[-1].name if not result.ok else None


def outcomes(result):
    return {step.name: step.outcome.value for step in result.steps}


def changed(parts, **members):
    """The bundle of `parts` with members of its JSON replaced."""
    return json.dumps(json.loads(build_bundle(parts)) | members).encode()


def test_an_honest_exchange_verifies_whole_and_says_which_one_it_is(world):
    parts = world.parts(witness=WITNESS_KEY)
    result = verify_bundle(build_bundle(parts), root_fingerprint=world.fingerprint, now=NOW, witnesses=[WITNESS])
    assert [step.name for step in result.steps] == EVERY_STEP
    assert set(outcomes(result).values()) == {"ok"}
    assert result.ok
    assert result.complete
    assert (result.exchange.sender, result.exchange.recipient, result.exchange.kind) == (MINEX, MBMID, "ping")
    assert result.exchange.digest == b64u_encode(sha256(parts.message.encode()).digest())


def test_without_fingerprint_and_witness_it_verifies_and_says_what_that_leaves_open(world):
    bare = verify_bundle(build_bundle(world.parts(witness=WITNESS_KEY)))
    assert bare.ok
    assert bare.complete
    assert outcomes(bare)["root-fingerprint"] == outcomes(bare)["witnesses"] == "absent"
    known = verify_bundle(
        build_bundle(world.parts(witness=WITNESS_KEY)), root_fingerprint=world.fingerprint, witnesses=[WITNESS]
    )
    closed = {words.en for words in bare.not_proved} - {words.en for words in known.not_proved}
    assert len(closed) == 2
    assert any("root" in sentence for sentence in closed)
    assert any("witness" in sentence for sentence in closed)


def test_every_sentence_is_there_in_both_languages(world):
    result = verify_bundle(build_bundle(world.parts()))
    for spanish, verdict, rest in ((True, "TODO VERIFICA", "Lo que esto no prueba:"), (False, "VERIFIES", "What this does")):
        lines = in_words(result, spanish=spanish, at=NOW)
        assert any(line.startswith(verdict) for line in lines)
        assert any(line.startswith(rest) for line in lines)
        assert len(lines) == len(result.steps) + 3 + len(result.not_proved)
    assert all(words.es and words.en and words.es != words.en for words in result.not_proved)


def test_a_failing_one_says_so_and_vouches_for_no_exchange(world):
    result = verify_bundle(build_bundle(world.parts(receipt={"re": "01990000-0000-7000-8000-0000000000ff"})))
    assert result.exchange is None
    assert any(line.startswith("NO VERIFICA") for line in in_words(result, spanish=True, at=NOW))
    assert any(line.startswith("✗") for line in in_words(result, spanish=True, at=NOW))


def test_an_exercise_and_a_demonstration_say_first_that_they_prove_nothing_real(tmp_path):
    world = World(tmp_path, demo=True)
    result = verify_bundle(build_bundle(world.parts(message={"mode": "exercise"})))
    assert result.ok
    assert "demonstration" in result.not_proved[0].en
    assert "exercise" in result.not_proved[1].en


def test_a_member_that_was_removed_since_still_verifies_and_the_removal_is_told(tmp_path):
    world = World(tmp_path)
    world.enter(world.sender, status="revoked")
    world.sign_and_publish()
    world.poll()
    result = verify_bundle(build_bundle(world.parts()))
    assert result.ok
    assert any(str(MINEX) in words.es for words in result.not_proved)


# -- what parties could lie about ------------------------------------------------------------------------------------

OTHER_ID = "01990000-0000-7000-8000-0000000000ff"
REFUSED = {"status": "rejected", "code": "over-disclosure", "log": None}
LIES = {
    "receipt for another digest": ("digest", {"receipt": {"dig": {"val": "A" * 43, "of": "message"}}}),
    "receipt over an envelope": (
        "digest",
        {"receipt": REFUSED | {"dig": {"val": "A" * 43, "of": "envelope"}}, "promised": False},
    ),
    "receipt for another message": ("addressing", {"receipt": {"re": OTHER_ID}}),
    "receipt for somebody else": ("addressing", {"receipt": {"aud": "gt.pgn"}}),
    "message to somebody else": ("addressing", {"message": {"recipient": "gt.pgn"}}),
    "receipt before the message": ("times", {"receipt": {"iat": SECONDS - 3600}}),
    "accepted long after it expired": (
        "times",
        {"message": {"issued_at": SECONDS - 90_000, "expires_at": SECONDS - 3600}},
    ),
    "receipt after the export": ("times", {"receipt": {"iat": SECONDS + 7200}}),
    "leaf of another event": ("sender-leaf", {"leaf": {"event": LeafEvent.DEAD}}),
    "leaf about another message": ("sender-leaf", {"leaf": {"message_id": OTHER_ID}}),
    "leaf about another recipient": ("sender-leaf", {"leaf": {"peer": "gt.pgn"}}),
    "leaf of another digest": ("sender-leaf", {"leaf": {"digest": "A" * 43}}),
    "leaf without the digest": ("sender-leaf", {"leaf": {"digest": None}}),
    "leaf of another type": ("sender-leaf", {"leaf": {"kind": "note"}}),
    "leaf of another officer": ("sender-leaf", {"leaf": {"actor": "a:otro"}}),
    "promise in another log": ("promise", {"receipt": {"log": {"origin": "x/log", "leaf": "A" * 43}}}),
    "promise of another leaf": (
        "recipient-inclusion",
        {"receipt": {"log": {"origin": f"{MBMID}/paradero-log", "leaf": "A" * 43}}},
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_fails_at_the_step_that_looks_for_it(world, lie):
    step, options = LIES[lie]
    assert failed_at(build_bundle(world.parts(**options))) == step


# A second look catches these: a log is read under the key of the node it is said to be of.
CAUGHT_TWICE = {"receipt for somebody else", "promise in another log", "promise of another leaf"}


@pytest.mark.parametrize("lie", [lie for lie, (step, _) in LIES.items() if step != "times"])
def test_positive_control_without_comparison_the_lie_passes(world, lie, monkeypatch):
    monkeypatch.setattr(evidence, "_same", lambda *_: None)
    if lie in CAUGHT_TWICE:
        assert failed_at(build_bundle(world.parts(**LIES[lie][1]))) in {"sender-inclusion", "recipient-inclusion"}
        monkeypatch.setattr(evidence, "verify_proof", lambda *_: Checkpoint("x", 1, bytes(32), ()))
    assert failed_at(build_bundle(world.parts(**LIES[lie][1]))) is None


@pytest.mark.parametrize("lie", [lie for lie, (step, _) in LIES.items() if step == "times"])
def test_positive_control_without_a_look_at_the_times_it_passes(world, lie, monkeypatch):
    monkeypatch.setattr(evidence, "_in_order", lambda *_: None)
    assert failed_at(build_bundle(world.parts(**LIES[lie][1]))) is None


def test_another_nodes_key_signs_nothing(world, stranger):
    parts = world.parts()
    posing = replace(world.sender, sig=world.recipient.sig)
    assert failed_at(build_bundle(world.parts(sender=posing))) == "message"
    assert failed_at(build_bundle(replace(parts, receipt=world.parts().message))) == "receipt"
    unknown = replace(world.sender, sig=stranger.sig)
    assert failed_at(build_bundle(world.parts(sender=unknown))) == "message"


def test_proofs_count_only_under_their_own_nodes_log(world, stranger):
    parts = world.parts()
    swapped = replace(parts, sender_proof=parts.recipient_proof)
    assert failed_at(build_bundle(swapped)) == "sender-inclusion"
    leaf = evidence.leaf_hash(parts.leaf_data)
    foreign = replace(parts, sender_proof=proof(stranger, leaf, name=f"{MINEX}/paradero-log"))
    assert failed_at(build_bundle(foreign)) == "sender-inclusion"
    elsewhere = replace(parts, sender_proof=proof(world.sender, bytes(32)))
    assert failed_at(build_bundle(elsewhere)) == "sender-inclusion"


def test_positive_control_without_the_audit_path_a_leaf_from_nowhere_passes(world, monkeypatch):
    elsewhere = build_bundle(replace(world.parts(), sender_proof=proof(world.sender, bytes(32))))
    monkeypatch.setattr(evidence, "verify_proof", lambda *_: Checkpoint("x", 1, bytes(32), ()))
    assert failed_at(elsewhere) is None


def test_a_proof_holds_nothing_that_no_signature_covers(world):
    parts = world.parts()
    spoken = parts.sender_proof.replace("\nindex", "\nextra QUJD\nindex")
    assert failed_at(build_bundle(replace(parts, sender_proof=spoken))) == "sender-inclusion"


def test_a_known_witness_whose_line_does_not_hold_spoils_it_and_an_unknown_one_does_not(world):
    parts = world.parts(witness=world.sender.log)  # signs in the witness's name with a key that is not its
    assert failed_at(build_bundle(parts), witnesses=[WITNESS]) is None  # another key id: nobody we know
    honest = world.parts(witness=WITNESS_KEY)
    line = honest.sender_proof.rstrip("\n").rsplit("\n", 1)[1]
    forged = replace(honest, sender_proof=honest.sender_proof.replace(line, line[:-9] + "AAAAAAAA" + line[-1]))
    assert failed_at(build_bundle(forged)) is None
    assert failed_at(build_bundle(forged), witnesses=[WITNESS]) == "sender-inclusion"


def test_a_witness_of_one_log_alone_does_not_close_the_question(world):
    parts = replace(world.parts(witness=WITNESS_KEY), sender_proof=None)
    assert outcomes(verify_bundle(build_bundle(parts), witnesses=[WITNESS]))["witnesses"] == "absent"


# -- what may be missing ---------------------------------------------------------------------------------------------


def test_without_log_proofs_it_verifies_and_is_not_complete(world):
    result = verify_bundle(build_bundle(world.parts(logs=False)))
    assert result.ok
    assert not result.complete
    assert outcomes(result)["sender-inclusion"] == outcomes(result)["recipient-inclusion"] == "absent"


def test_a_refusal_is_proved_as_a_refusal(world):
    parts = world.parts(receipt=REFUSED, promised=False)
    result = verify_bundle(build_bundle(parts))
    assert result.ok
    assert not result.complete
    assert not result.exchange.accepted
    assert any("RECHAZÓ" in line for line in in_words(result, spanish=True, at=NOW))
    assert failed_at(build_bundle(replace(parts, recipient_proof=world.parts().recipient_proof))) == "addressing"


def test_a_subset_of_the_leaf_is_enough_when_it_names_the_message(world):
    parts = world.parts()
    opened = [set(evidence.open_leaf(parts.leaf_data, [text])) for text in parts.leaf_disclosures]
    kept = {"ev", "jti", "peer", "msg_sha256"}
    few = tuple(text for text, names in zip(parts.leaf_disclosures, opened, strict=True) if names <= kept)
    assert len(few) == 4
    assert failed_at(build_bundle(replace(parts, leaf_disclosures=few))) is None
    for left_out in few:
        fewer = tuple(text for text in few if text != left_out)
        assert failed_at(build_bundle(replace(parts, leaf_disclosures=fewer))) == "sender-leaf"


# -- redacted --------------------------------------------------------------------------------------------------------


def test_a_redacted_bundle_verifies_over_the_digest_and_holds_no_message(world):
    parts = world.parts()
    whole = build_bundle(parts)
    data = redact_bundle(whole)
    assert json.loads(data) == json.loads(build_bundle(parts, redacted=True))
    assert (json.loads(whole)["personal_data"], json.loads(data)["personal_data"]) == (True, False)
    assert parts.message.encode() not in data
    assert parts.message.split(".")[1].encode() not in data
    shown = evidence.open_leaf(parts.leaf_data, parse_bundle(data).leaf_disclosures)
    assert shown.keys() <= bundles.REDACTED_FIELDS
    assert "actor" not in shown
    result = verify_bundle(data, root_fingerprint=world.fingerprint)
    assert result.ok
    assert not result.complete
    assert outcomes(result)["message"] == "absent"
    assert result.exchange.digest == b64u_encode(sha256(parts.message.encode()).digest())
    assert "signed the message" in result.not_proved[0].en
    assert redact_bundle(data) == data


def test_a_redacted_bundle_still_fails_for_another_digest_and_needs_the_senders_log(world):
    parts = world.parts()
    redacted = json.loads(build_bundle(parts, redacted=True))
    assert failed_at(json.dumps(redacted | {"message_sha256": "A" * 43}).encode()) == "digest"
    assert failed_at(build_bundle(replace(parts, sender_proof=None), redacted=True)) == "shape"
    with pytest.raises(SchemaError):
        redact_bundle(build_bundle(replace(parts, sender_proof=None)))
    for lie in ("leaf of another event", "receipt for somebody else", "promise of another leaf"):
        assert failed_at(build_bundle(world.parts(**LIES[lie][1]), redacted=True)) is not None


# -- the register ----------------------------------------------------------------------------------------------------


def test_another_root_is_seen_when_the_fingerprint_is_compared(world):
    data = build_bundle(world.parts())
    other = " ".join(["0000"] * 10)
    assert failed_at(data, root_fingerprint=other) == "root-fingerprint"
    assert failed_at(data, root_fingerprint=world.fingerprint.upper()) is None


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "members", "policy", "suspensions", "keysets"])
def test_a_changed_or_missing_register_file_fails(world, role):
    name = next(name for name in world.files if name.startswith("metadata") and name.endswith(f"{role}.json"))
    changed_file = world.files[name].replace(b'"expires":"20', b'"expires":"21')
    assert changed_file != world.files[name]
    parts = world.parts()
    assert failed_at(build_bundle(replace(parts, register=world.files | {name: changed_file}))) == "register"
    missing = {other: data for other, data in world.files.items() if other != name}
    assert failed_at(build_bundle(replace(parts, register=missing))) == "shape"  # SPEC 7.4 lists the files a bundle has


@pytest.mark.parametrize("target", ["federation", "members", "policy", "suspensions", "keysets"])
def test_a_changed_register_target_fails(world, target):
    name = next(name for name in world.files if name.startswith("targets") and name.endswith(f"{target}.json"))
    files = world.files | {name: world.files[name].replace(b'"', b' "', 1)}
    assert failed_at(build_bundle(replace(world.parts(), register=files))) == "register"


def test_nobody_may_be_invented_in_an_old_version_of_the_register(world, stranger, monkeypatch):
    """Older files are in no snapshot: whoever makes a bundle could add a member of their own in one."""
    parts = world.parts(sender=stranger)
    forged = build_bundle(replace(parts, register=world.files | _invented(world, stranger)))
    assert failed_at(forged, root_fingerprint=world.fingerprint) == "shape"
    # Positive control: without the rule of one version each, a stranger's message verifies under the real root.
    monkeypatch.setattr(bundles, "_files", lambda value: {name: bundles.b64u_decode(text) for name, text in value.items()})
    assert failed_at(forged, root_fingerprint=world.fingerprint) is None


def _invented(world, keys):
    held = next(data for name, data in world.files.items() if name.startswith("targets") and ".members." in name)
    member = json.loads(held)["members"][0]
    member |= {"node": str(keys.node), "id_key": keys.identity.public.jwk()}
    contents = {
        "members": json.dumps({"members": [member]}).encode(),
        "keysets": encode_model(Keysets(keysets={keys.node: keyset(keys, 1)})),
    }
    files = {}
    for role, content in contents.items():
        newest = next(data for name, data in world.files.items() if name.startswith("metadata") and f".{role}." in name)
        metadata, digest = json.loads(newest), sha256(content).hexdigest()
        metadata["signed"] |= {
            "version": 1,
            "targets": {f"{role}.json": {"length": len(content), "hashes": {"sha256": digest}}},
        }
        files |= {f"metadata/1.{role}.json": json.dumps(metadata).encode(), f"targets/{digest}.{role}.json": content}
    return files


def test_after_a_rotation_the_older_keyset_is_carried_and_nothing_passes_for_one(tmp_path):
    world = World(tmp_path)
    before = world.parts()
    assert older_keysets(world.client.mirror, (before.message, before.receipt)) == ()
    turned = world.rotate(world.sender)
    before = replace(before, register=world.files)
    assert failed_at(build_bundle(before)) == "message"
    carried = older_keysets(world.client.mirror, (before.message, before.receipt))
    assert len(carried) == 1
    assert failed_at(build_bundle(replace(before, keysets=carried))) is None
    stranger = generate_node_keys(MINEX)
    for forged in (keyset(stranger, 1), keyset(turned, 2), keyset(generate_node_keys(NodeId("gt.ajeno")), 1)):
        assert failed_at(build_bundle(replace(before, keysets=(forged,)))) == "register"


def test_a_refresh_cut_short_leaves_files_that_no_bundle_carries(tmp_path):
    world = World(tmp_path)
    whole = register_files(world.client.mirror)
    later = world.client.mirror / "metadata" / "99.keysets.json"
    later.write_bytes(b"{}")
    assert register_files(world.client.mirror) == whole
    assert failed_at(build_bundle(replace(world.parts(), register=whole))) is None


def test_a_bundle_from_the_future_fails_when_the_time_is_known(world):
    data = build_bundle(world.parts())
    assert failed_at(data, now=NOW - timedelta(hours=1)) == "times"
    assert failed_at(data, now=NOW + timedelta(days=3650)) is None


# -- bytes -----------------------------------------------------------------------------------------------------------

MALFORMED = {
    "no register": {"register": {}},
    "register is a list": {"register": []},
    "a register file is no base64": {"register": {"metadata/1.root.json": "!!"}},
    "a register file outside": {"register": {"../x": "AA"}},
    "a register file by an absolute name": {"register": {"/etc/x": "AA"}},
    "a register file with a long name": {"register": {"metadata/" + "x" * 500: "AA"}},
    "the root is missing": {"register": {"metadata/2.root.json": "e30"}},
    "another format": {"format": "urn:paradero:evidence:2"},
    "a member nobody knows": {"note": "x"},
    "message is no text": {"message": ["x"]},
    "message is not ASCII": {"message": "é.é.é"},
    "receipt is null": {"receipt": None},
    "leaf is text": {"sender_leaf": "x"},
    "disclosures are text": {"sender_leaf": {"data": "{}", "disclosures": "x"}},
    "verified_at is true": {"verified_at": True},
    "verified_at is before time": {"verified_at": 1},
    "keysets are a text": {"keysets": "x"},
    "too many keysets": {"keysets": ["x"] * 9},
    "message and digest": {"message_sha256": "A" * 43},
    "says it holds no personal data": {"personal_data": False},
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_bundle_fails_at_its_shape(world, name):
    assert failed_at(changed(world.parts(), **MALFORMED[name])) == "shape"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"PK\x03\x04"])
def test_bytes_that_are_no_bundle_fail_at_their_shape(data):
    assert failed_at(data) == "shape"


def test_a_keyset_that_is_none_and_a_leaf_that_is_none_fail_and_raise_nothing(world):
    parts = world.parts()
    assert failed_at(changed(parts, keysets=["x"])) == "register"
    assert failed_at(changed(parts, sender_leaf={"data": "{}", "disclosures": []})) == "sender-leaf"
    assert failed_at(changed(parts, receipt="a.b.c")) == "receipt"
    with pytest.raises(ExchangeError):
        redact_bundle(b"{}")


@pytest.fixture
def known_register(world, monkeypatch):
    """The register of these bundles, verified once: byte after byte is changed elsewhere."""
    state = evidence._register(parse_bundle(build_bundle(world.parts())))

    def register(bundle):
        assert bundle.register == world.files
        assert bundle.keysets == ()
        return state

    monkeypatch.setattr(evidence, "_register", register)


def _spans(data, parts):
    """Where the message, the receipt, the leaf, its disclosures and the proofs stand in the file."""
    texts = [parts.message, parts.receipt, parts.leaf_data.decode(), *parts.leaf_disclosures]
    texts += [parts.sender_proof, parts.recipient_proof]
    for text in texts:
        encoded = json.dumps(text, ensure_ascii=False).encode()
        start = data.index(encoded)
        yield start, start + len(encoded)


def test_one_byte_changed_anywhere_fails(world, known_register):
    parts = world.parts()
    data = build_bundle(parts)
    assert failed_at(data) is None
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    positions = [position for start, end in _spans(data, parts) for position in range(start, end)]
    assert len(positions) > 3500
    for position in positions:
        byte = bytes([data[position] ^ chance.randrange(1, 256)])
        spoiled = data[:position] + byte + data[position + 1 :]
        assert failed_at(spoiled) is not None, (seed, position)


def test_positive_control_without_signatures_changed_bytes_pass(world, known_register, monkeypatch):
    """A byte of the message's signature: seen by the signature alone where digests are compared no more."""
    parts = world.parts()
    head, body, signature = parts.message.split(".")
    other = "B" if signature[0] == "A" else "A"
    spoiled = build_bundle(replace(parts, message=f"{head}.{body}.{other}{signature[1:]}"))
    assert failed_at(spoiled) == "message"
    monkeypatch.setattr("keys.model.ed25519.verify", lambda *_: None)
    assert failed_at(spoiled) == "digest"
    monkeypatch.setattr(evidence, "_same", lambda *_: None)
    assert failed_at(spoiled) is None


def test_one_byte_cut_or_put_in_anywhere_fails(world, known_register):
    parts = world.parts()
    data = build_bundle(parts)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for start, end in _spans(data, parts):
        for position in sorted(chance.sample(range(start + 1, end - 1), 20)):
            cut = data[:position] + data[position + 1 :]
            longer = data[:position] + data[position : position + 1] + data[position:]
            assert failed_at(cut) is not None, (seed, position)
            assert failed_at(longer) is not None, (seed, position)
