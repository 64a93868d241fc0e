"""The Merkle tree against a naive one, every size up to forty; and notes that must not verify."""

import pytest

from contracts.errors import SignatureError
from contracts.ids import KeyId
from contracts.leaves import LEAF_DIGESTS, LeafEvent, LeafFields
from keys.leaves import make_leaf, open_leaf
from keys.model import SigningKey
from keys.notes import cosign, open_checkpoint, parse_vkey, proof_text, sign_checkpoint, verifier_key, verify_proof
from keys.tiles import Tile, exists, parse_tile
from keys.tree import (
    EMPTY_ROOT,
    append,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)


def naive(hashes):
    """RFC 6962 section 2.1, written down as it stands there."""
    if not hashes:
        return EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(naive(hashes[:split]), naive(hashes[split:]))


HASHES = [leaf_hash(bytes([number])) for number in range(40)]


def stored(size, step=3):
    nodes = {}
    for start in range(0, size, step):
        made = append(start, HASHES[start : min(start + step, size)], lambda level, index, nodes=nodes: nodes[level, index])
        nodes |= {(level, index): value for level, index, value in made}
    return lambda level, index: nodes[level, index]


@pytest.mark.parametrize("size", range(41))
def test_root_inclusion_and_consistency_of_every_size(size):
    node_at, expected = stored(size), naive(HASHES[:size])
    assert root(size, node_at) == expected
    for index in range(size):
        proof = inclusion_proof(index, size, node_at)
        assert verify_inclusion(HASHES[index], index, size, proof, expected)
        assert not verify_inclusion(HASHES[(index + 1) % 40], index, size, proof, expected)
        assert not verify_inclusion(HASHES[index], index, size, [*proof, bytes(32)], expected)
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, node_at)
        assert verify_consistency(old, size, proof, naive(HASHES[:old]), expected)
        assert not verify_consistency(old, size, proof, bytes(32), expected)


KEY = SigningKey(KeyId("gt.minex#log-1"), bytes(range(32)))
ORIGIN = "gt.minex/paradero-log"
LOG = verifier_key(ORIGIN, KEY.public.raw)


def test_a_checkpoint_and_a_proof_verify_and_their_changes_do_not():
    node_at = stored(11)
    note = sign_checkpoint(ORIGIN, 11, root(11, node_at), KEY)
    proof = proof_text(6, inclusion_proof(6, 11, node_at), note)
    assert verify_proof(proof, HASHES[6], LOG).size == 11
    assert parse_vkey(str(LOG)) == LOG
    for changed in (
        proof.replace("index 6", "index 5"),
        proof.replace("\n11\n", "\n12\n"),
        proof[:-5],
        proof.replace("=", "", 1),
    ):
        with pytest.raises(SignatureError):
            verify_proof(changed, HASHES[6], LOG)
    with pytest.raises(SignatureError):
        verify_proof(proof, HASHES[7], LOG)


def test_a_known_witness_that_does_not_verify_spoils_the_note_an_unknown_one_does_not():
    note = sign_checkpoint(ORIGIN, 3, root(3, stored(3)), KEY)
    witness_key = SigningKey(KeyId("gt.pdh#log-1"), bytes([7]) * 32)
    witness = verifier_key("gt.pdh/witness", witness_key.public.raw, kind=4)
    signed = note + cosign(note, "gt.pdh/witness", witness_key, at=1_764_000_000)
    assert open_checkpoint(signed, LOG, [witness]).witnessed == (("gt.pdh/witness", 1_764_000_000),)
    forged = note + cosign(note.replace("\n3\n", "\n4\n"), "gt.pdh/witness", witness_key, at=1)
    with pytest.raises(SignatureError):
        open_checkpoint(forged, LOG, [witness])
    assert open_checkpoint(forged, LOG).size == 3


def test_a_leaf_commits_to_its_fields_and_shows_nothing():
    made = make_leaf(LeafFields(at=1_764_000_000, event=LeafEvent.SENT, outcome="queued"))
    assert b"queued" not in made.data
    assert open_leaf(made.data, made.disclosures) == {"ts": 1_764_000_000, "ev": "msg.sent", "outcome": "queued"}
    assert made.data.count(b'"') == 2 * LEAF_DIGESTS + 8
    other = make_leaf(LeafFields(at=1, event=LeafEvent.SENT))
    with pytest.raises(SignatureError):
        open_leaf(made.data, other.disclosures)


@pytest.mark.parametrize(
    ("path", "tile"), [("0/000", Tile(0, 0, 256)), ("0/x001/234", Tile(0, 1234, 256)), ("1/005.p/7", Tile(1, 5, 7))]
)
def test_tile_paths(path, tile):
    assert parse_tile(path) == tile
    assert tile.path == path


@pytest.mark.parametrize("path", ["0/1", "0/x000/001", "00/000", "0/000.p/0", "0/000.p/256", "64/000", "0/../000", "0/000/"])
def test_other_spellings_are_no_tiles(path):
    assert parse_tile(path) is None


def test_a_tile_exists_when_its_hashes_do():
    assert exists(Tile(0, 0, 5), 5)
    assert not exists(Tile(0, 0, 6), 5)
    assert not exists(Tile(1, 0, 1), 255)
