"""Signed notes and proofs as others publish them, and what the reference implementation refuses."""

from base64 import b64decode, b64encode

import pytest

from contracts.errors import SignatureError
from contracts.ids import KeyId
from keys import notes
from keys.model import SigningKey
from keys.notes import (
    COSIGNATURE_TYPE,
    VerifierKey,
    cosign,
    open_checkpoint,
    open_note,
    parse_proof,
    parse_vkey,
    proof_text,
    sign_checkpoint,
    verifier_key,
    verify_proof,
)
from keys.tree import leaf_hash, node_hash

# The example of golang.org/x/mod/sumdb/note (note_test.go, BSD-3-Clause): key, text and signature.
PETER = parse_vkey("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
NOTE = f"{TEXT}\n{PETER_LINE}"

# A checkpoint of Go's checksum database of 2024-09-23; its key is in cmd/go/internal/modfetch/key.go.
SUMDB = parse_vkey("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
SUMDB_NOTE = (
    "go.sum database tree\n30055305\nmXfgRcJ0bG0j3CPdKwgGWtUzBUbX67saZGRmFuJGGsM=\n\n"
    "— sum.golang.org Az3grpgEild5qw7+5dtV13Kf1C2Xurm8q4fhdxvcsDHnqNTaxL2AFjBY+2TyGKevucFcAAlWFJJYle3EJlDCrQ+y3A8=\n"
)

ORIGIN = "gt.minex/paradero-log"
LOG_KEY = SigningKey(KeyId("gt.minex#log-1"), bytes(range(32)))
LOG = verifier_key(ORIGIN, LOG_KEY.public.raw)
WITNESS_KEY = SigningKey(KeyId("gt.pdh#log-1"), bytes([7]) * 32)
WITNESS = verifier_key("gt.pdh/witness", WITNESS_KEY.public.raw, kind=COSIGNATURE_TYPE)
ROOT = bytes(range(32))
CHECKPOINT = sign_checkpoint(ORIGIN, 11, ROOT, LOG_KEY)


def signed_line(name, key, text, *, kind=1):
    verifier = verifier_key(name, key.public.raw, kind=kind)
    return f"— {name} {b64encode(verifier.key_id + key.sign(text.encode())).decode()}\n"


def test_the_published_notes_verify():
    assert open_note(NOTE, [PETER]).text == TEXT
    assert [item.key for item in open_note(NOTE, [PETER]).signatures] == [PETER]
    assert open_note(SUMDB_NOTE, [SUMDB]).text.startswith("go.sum database tree\n30055305\n")


def test_we_sign_the_published_note_byte_for_byte_and_spell_its_key_alike():
    key = SigningKey(KeyId("gt.minex#log-1"), PETER_SEED)
    assert signed_line("PeterNeumann", key, TEXT) == PETER_LINE
    assert str(verifier_key("PeterNeumann", key.public.raw)) == str(PETER)


def test_text_may_hold_empty_lines_and_the_last_one_divides():
    key = SigningKey(KeyId("gt.minex#log-1"), PETER_SEED)
    text = "one\n\n\ntwo\n"
    assert open_note(f"{text}\n{signed_line('PeterNeumann', key, text)}", [PETER]).text == text


# As in note_test.go: TestOpen's table of malformed messages, and what its text says of them.
BAD_NOTES = {
    "empty": "",
    "text alone": TEXT,
    "no line": f"{TEXT}\n",
    "no dividing line": TEXT + PETER_LINE,
    "no last newline": NOTE[:-1],
    "two last newlines": f"{NOTE}\n",
    "an empty line among signatures": f"{NOTE}\nx\n",
    "hyphen for the dash": NOTE.replace("—", "-"),
    "en dash": NOTE.replace("—", "–"),
    "a tab": NOTE.replace("— ", "—\t"),
    "two spaces": NOTE.replace("— ", "—  "),
    "a space at the end": NOTE[:-1] + " \n",
    "no name": NOTE.replace("PeterNeumann ", " "),
    "a plus in the name": NOTE.replace("PeterNeumann", "Peter+Neumann"),
    "a no-break space in the name": NOTE.replace("PeterNeumann", "Peter\u00a0Neumann"),
    "no signature": NOTE.replace(PETER_LINE, "— PeterNeumann \n"),
    "a short signature": NOTE.replace(PETER_LINE, "— PeterNeumann x08gow==\n"),
    "no base64": NOTE.replace("x08go/", "x08go!"),
    "base64 without padding": NOTE.replace("AM=", "AM"),
    "base64 that is not canonical": NOTE.replace("AM=", "AN="),
    "base64url": NOTE.replace("/", "_"),
    "carriage returns": NOTE.replace("\n", "\r\n"),
    "a bell in the text": NOTE.replace("problem,", "problem\a"),
    "a bell in another's line": f"{NOTE}— Other\a AAAAAAAA\n",
    "NUL": NOTE.replace("problem,", "problem\0"),
    "a lone surrogate": NOTE.replace("problem,", "problem\ud800"),
    "another text": NOTE.replace("answer", "Answer"),
    "another signature": NOTE.replace("x08go/ZJ", "x08go/ZK"),
    "seventeen lines": NOTE + "— Other AAAAAAAA\n" * 16,
    "too long": "a" * (128 * 1024) + NOTE,
    "a bad line of somebody unknown": f"{NOTE}— Other not_base64\n",
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_bad_notes_are_refused(name):
    assert BAD_NOTES[name] != NOTE
    with pytest.raises(SignatureError):
        open_note(BAD_NOTES[name], [PETER])


def test_positive_control_without_signatures_another_text_passes(monkeypatch):
    monkeypatch.setattr(notes.ed25519, "verify", lambda *_: None)
    assert "Answer" in open_note(BAD_NOTES["another text"], [PETER]).text


def test_positive_control_without_the_one_spelling_other_base64_passes(monkeypatch):
    monkeypatch.setattr(notes, "_b64", b64decode)
    assert open_note(BAD_NOTES["base64 that is not canonical"], [PETER]).text == TEXT


def test_sixteen_lines_of_the_longest_signatures_are_accepted():
    others = "".join(f"— other{number} {b64encode(bytes(4931)).decode()}\n" for number in range(15))
    assert open_note(f"{TEXT}\n{others}{PETER_LINE}", [PETER]).text == TEXT


def test_lines_of_others_are_ignored_but_one_of_ours_must_be_there():
    same_name = "— PeterNeumann AAAAAAAA\n"
    same_id = PETER_LINE.replace("PeterNeumann", "PeterOldmann")
    assert open_note(NOTE + same_name + same_id, [PETER]).text == TEXT
    for lines in (same_name, same_id, same_name + same_id):
        with pytest.raises(SignatureError):
            open_note(f"{TEXT}\n{lines}", [PETER])
    with pytest.raises(SignatureError):
        open_note(NOTE, [])


def test_a_key_counts_once_however_often_it_signs_and_each_of_its_lines_must_hold():
    assert len(open_note(NOTE + PETER_LINE, [PETER]).signatures) == 1
    with pytest.raises(SignatureError):
        open_note(NOTE + PETER_LINE.replace("x08go/ZJ", "x08go/ZK"), [PETER])
    twice = (
        CHECKPOINT + cosign(CHECKPOINT, WITNESS.name, WITNESS_KEY, at=5) + cosign(CHECKPOINT, WITNESS.name, WITNESS_KEY, at=6)
    )
    assert open_checkpoint(twice, LOG, [WITNESS, WITNESS]).witnessed == ((WITNESS.name, 5),)


def test_two_keys_under_one_name_and_id_are_nobodys_signature():
    other = VerifierKey(PETER.name, PETER.key_id, PETER.kind, LOG.raw)
    with pytest.raises(SignatureError):
        open_note(NOTE, [PETER, other])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_keys_of_other_spellings_or_types_are_refused(text):
    with pytest.raises(SignatureError):
        parse_vkey(text)


def test_a_small_order_key_is_no_key():
    with pytest.raises(SignatureError):
        verifier_key("x", (1).to_bytes(32, "little"))


# -- checkpoints -----------------------------------------------------------------------------------------------------


def signed(text):
    return f"{text}\n{signed_line(ORIGIN, LOG_KEY, text)}"


HASH = b64encode(ROOT).decode()
BAD_CHECKPOINTS = {
    "another origin": f"gt.pgn/paradero-log\n11\n{HASH}\n",
    "no origin": f"\n11\n{HASH}\n",
    "a leading zero": f"{ORIGIN}\n011\n{HASH}\n",
    "a sign": f"{ORIGIN}\n+11\n{HASH}\n",
    "other digits": f"{ORIGIN}\n١١\n{HASH}\n",
    "no size": f"{ORIGIN}\n\n{HASH}\n",
    "no root": f"{ORIGIN}\n11\n",
    "a short root": f"{ORIGIN}\n11\nAAAA\n",
    "a root that is not canonical": f"{ORIGIN}\n11\n{HASH[:-2]}9=\n",
    "an empty extension": f"{ORIGIN}\n11\n{HASH}\n\nx\n",
}


@pytest.mark.parametrize("name", BAD_CHECKPOINTS)
def test_what_the_log_signed_must_still_be_a_checkpoint(name):
    with pytest.raises(SignatureError):
        open_checkpoint(signed(BAD_CHECKPOINTS[name]), LOG)


def test_extension_lines_are_allowed_and_signed():
    assert open_checkpoint(signed(f"{ORIGIN}\n11\n{HASH}\nmore\n"), LOG).size == 11
    with pytest.raises(SignatureError):
        open_checkpoint(signed(f"{ORIGIN}\n11\n{HASH}\nmore\n").replace("more", "less"), LOG)


def test_a_witness_is_no_log_and_a_log_no_witness():
    cosigned = CHECKPOINT + cosign(CHECKPOINT, WITNESS.name, WITNESS_KEY, at=5)
    assert open_checkpoint(cosigned, LOG, [WITNESS]).witnessed == ((WITNESS.name, 5),)
    for log, witnesses in ((WITNESS, ()), (LOG, (LOG,))):
        with pytest.raises(SignatureError):
            open_checkpoint(cosigned, log, witnesses)
    alone = CHECKPOINT[: CHECKPOINT.index("—")] + cosign(CHECKPOINT, WITNESS.name, WITNESS_KEY, at=5)
    with pytest.raises(SignatureError):
        open_checkpoint(alone, LOG, [WITNESS])


def test_a_cosignature_is_bound_to_its_time_and_its_kind():
    line = cosign(CHECKPOINT, WITNESS.name, WITNESS_KEY, at=5)
    data = b64decode(line.split(" ")[2])
    assert data[4:12] == (5).to_bytes(8)

    def with_signature(value):
        return f"{CHECKPOINT}— {WITNESS.name} {b64encode(value).decode()}\n"

    plain = data[:4] + WITNESS_KEY.sign(CHECKPOINT[: CHECKPOINT.index("\n\n") + 1].encode())
    late = (
        data[:4]
        + (1 << 63).to_bytes(8)
        + WITNESS_KEY.sign(notes._cosigned(CHECKPOINT[: CHECKPOINT.index("\n\n") + 1], 1 << 63))
    )
    for spoiled in (data[:4] + (6).to_bytes(8) + data[12:], plain, data + b"\0", data[:-1], late):
        with pytest.raises(SignatureError):
            open_checkpoint(with_signature(spoiled), LOG, [WITNESS])
    assert open_checkpoint(with_signature(data), LOG, [WITNESS]).witnessed == ((WITNESS.name, 5),)


# -- tlog-proof ------------------------------------------------------------------------------------------------------


def test_a_proof_is_read_as_the_format_says():
    text = proof_text(0, [ROOT], CHECKPOINT)
    assert text.splitlines()[:3] == ["c2sp.org/tlog-proof@v1", "index 0", HASH]
    assert parse_proof(text) == notes.InclusionProof(0, (ROOT,), CHECKPOINT)
    assert parse_proof(text.replace("\nindex", "\nextra QUJD\nindex")).extra == b"ABC"
    assert parse_proof(proof_text(0, [], CHECKPOINT)).hashes == ()


PROOF = proof_text(6, [ROOT], CHECKPOINT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PROOF.replace("@v1", "@v2"),
        PROOF.replace("index 6\n", ""),
        PROOF.replace("index 6", "index 06"),
        PROOF.replace("index 6", "index -1"),
        PROOF.replace("index 6", "index  6"),
        PROOF.replace("index 6", "Index 6"),
        PROOF.replace("index 6", "extra QUJD"),
        PROOF.replace("\nindex 6", "\nextra QUI\nindex 6"),
        PROOF.replace("\nindex 6", "\nextra QUJD\nextra QUJD\nindex 6"),
        PROOF.replace(HASH, HASH[:-4] + "="),
        PROOF.replace(HASH, "AAAA"),
        PROOF.replace("@v1\n", "@v1\n\n"),
        proof_text(6, [ROOT] * 64, CHECKPOINT),
        PROOF[: PROOF.index("\n\n")],
    ],
)
def test_what_is_no_proof_is_refused(text):
    with pytest.raises(SignatureError):
        parse_proof(text)


def test_a_proof_holds_for_its_leaf_its_place_and_its_log_alone():
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    text = proof_text(1, [left], sign_checkpoint(ORIGIN, 2, node_hash(left, right), LOG_KEY))
    assert verify_proof(text, right, LOG).size == 2
    other_log = verifier_key("gt.pgn/paradero-log", LOG_KEY.public.raw)
    for spoiled, leaf, log in (
        (text, left, LOG),
        (text.replace("index 1", "index 0"), right, LOG),
        (text.replace("index 1", "index 2"), right, LOG),
        (text.replace("\n2\n", "\n3\n"), right, LOG),
        (text, right, other_log),
    ):
        with pytest.raises(SignatureError):
            verify_proof(spoiled, leaf, log)


def test_positive_control_without_the_audit_path_any_leaf_is_in_the_log(monkeypatch):
    text = proof_text(0, [], CHECKPOINT)
    with pytest.raises(SignatureError):
        verify_proof(text, leaf_hash(b"x"), LOG)
    monkeypatch.setattr(notes, "verify_inclusion", lambda *_: True)
    assert verify_proof(text, leaf_hash(b"x"), LOG).size == 11
