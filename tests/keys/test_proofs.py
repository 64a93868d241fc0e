"""Merkle proofs against published answers, the probes of transparency-dev/merkle made anew, and large trees at random."""

from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import tree
from keys.tiles import Tile, exists, parse_tile
from keys.tree import (
    append,
    asked_of,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    right_edge,
    root,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves every RFC 6962 implementation is tested with (certificate-transparency, transparency-dev/merkle).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
ROOT_1 = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
ROOT_6 = "duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8="
ROOT_8 = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg="
FIRST_OF_EIGHT = [
    "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
    "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
    "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
]
SIX_TO_EIGHT = [
    "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
    "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
]


def decoded(texts):
    return [b64decode(text) for text in texts]


def stored(hashes, steps=(1,)):
    """A tree's nodes, appended in batches of these sizes, over and over."""
    nodes, size, turn = {}, 0, 0
    while size < len(hashes):
        batch = hashes[size : size + steps[turn % len(steps)]]
        asked = []

        def old(level, index, size=size, asked=asked):
            asked.append((level, index))
            return nodes[level, index]

        made = append(size, batch, old)
        assert set(asked) <= set(right_edge(size))
        assert all((level, index) not in nodes for level, index, _ in made)
        nodes.update({(level, index): value for level, index, value in made})
        size, turn = size + len(batch), turn + 1
    return lambda level, index: nodes[level, index]


def naive(hashes):
    """RFC 6962 section 2.1 as it is written."""
    if len(hashes) < 2:
        return hashes[0] if hashes else tree.EMPTY_ROOT
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return tree.node_hash(naive(hashes[:split]), naive(hashes[split:]))


def test_published_roots_and_proofs():
    node_at = stored(HASHES)
    assert [root(size, node_at) for size in (1, 6, 8)] == decoded([ROOT_1, ROOT_6, ROOT_8])
    assert inclusion_proof(0, 8, node_at) == decoded(FIRST_OF_EIGHT)
    assert consistency_proof(1, 8, node_at) == decoded(FIRST_OF_EIGHT)
    assert consistency_proof(6, 8, node_at) == decoded(SIX_TO_EIGHT)


def corrupted(proof):
    """Other proofs than `proof`, by name."""
    junk = bytes([7]) * 32
    yield "trailing garbage", [*proof, junk]
    yield "preceding garbage", [junk, *proof]
    yield "empty", [] if proof else [junk]
    yield "empty hash at the end", [*proof, b""]
    for place, value in enumerate(proof):
        flipped = bytes([value[0] ^ 0x10]) + value[1:]
        yield f"bit 4 of {place}", [*proof[:place], flipped, *proof[place + 1 :]]
        yield f"without {place}", [*proof[:place], *proof[place + 1 :]]
        yield f"twice {place}", [*proof[:place], value, *proof[place:]]
        yield f"cut {place}", [*proof[:place], value[:-1], *proof[place + 1 :]]


INCLUSIONS = [(0, 1), (0, 8), (5, 8), (2, 3), (1, 5), (6, 7), (4, 5), (3, 6)]


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_no_other_inclusion_proof_passes(index, size):
    node_at = stored(HASHES)
    proof, top, leaf = inclusion_proof(index, size, node_at), root(size, node_at), HASHES[index]
    assert verify_inclusion(leaf, index, size, proof, top)
    for name, other in corrupted(proof):
        assert not verify_inclusion(leaf, index, size, other, top), name
    for other_index in (index - 1, index + 1, index ^ 2, -1, size, 2**63):
        assert not verify_inclusion(leaf, other_index, size, proof, top)
    for other_size in (0, -1, size * 2, size // 2 if size > 1 else 3):
        assert not verify_inclusion(leaf, index, other_size, proof, top)
    for value in (b"", bytes(32), tree.EMPTY_ROOT, top[:-1], leaf if size > 1 else bytes(32)):
        assert not verify_inclusion(leaf, index, size, proof, value)
    for value in (b"", bytes(32), tree.EMPTY_ROOT, top if size > 1 else b""):
        assert not verify_inclusion(value, index, size, proof, top)
    for extra in (top, leaf):
        assert not verify_inclusion(leaf, index, size, [*proof, extra], top)
        assert not verify_inclusion(leaf, index, size, [extra, *proof], top)


CONSISTENCIES = [(1, 8), (6, 8), (2, 5), (6, 7), (4, 8), (3, 7), (5, 6), (1, 2)]


@pytest.mark.parametrize(("old", "new"), CONSISTENCIES)
def test_no_other_consistency_proof_passes(old, new):
    node_at = stored(HASHES)
    proof, first, second = consistency_proof(old, new, node_at), root(old, node_at), root(new, node_at)
    assert verify_consistency(old, new, proof, first, second)
    for name, other in corrupted(proof):
        assert not verify_consistency(old, new, other, first, second), name
    for other_old in (old - 1, old + 1, old ^ 2, new, 0, -1):
        assert not verify_consistency(other_old, new, proof, first, second)
    for other_new in (new * 2, new // 2, 0, -1):
        assert not verify_consistency(old, other_new, proof, first, second)
    assert not verify_consistency(old, new, proof, second, first)
    for value in (b"", bytes(32), tree.EMPTY_ROOT):
        assert not verify_consistency(old, new, proof, value, second)
        assert not verify_consistency(old, new, proof, first, value)
    for extra in (first, second):
        assert not verify_consistency(old, new, [*proof, extra], first, second)
        assert not verify_consistency(old, new, [extra, *proof], first, second)


def test_between_a_tree_and_itself_and_from_nothing():
    first = root(5, stored(HASHES))
    assert verify_consistency(5, 5, [], first, first)
    assert not verify_consistency(5, 5, [], first, bytes(32))
    assert not verify_consistency(5, 5, [first], first, first)
    # From size 0 there is nothing to prove: the reference test data call it an error.
    assert not verify_consistency(0, 5, [], tree.EMPTY_ROOT, first)
    for old, new in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="sizes"):
            consistency_proof(old, new, stored(HASHES))
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="leaf"):
            inclusion_proof(index, size, stored(HASHES))


def test_an_inner_node_is_no_leaf_and_without_prefixes_it_is(monkeypatch):
    """Data that reads like two hashes must not hash like their node; the control plants one prefix for both."""
    node_at = stored(HASHES)
    top = root(4, node_at)
    assert not verify_inclusion(leaf_hash(node_at(0, 0) + node_at(0, 1)), 0, 2, [node_at(1, 1)], top)
    monkeypatch.setattr(tree, "leaf_hash", lambda data: tree.sha256(b"\1" + data).digest())
    assert verify_inclusion(tree.leaf_hash(node_at(0, 0) + node_at(0, 1)), 0, 2, [node_at(1, 1)], top)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 1500),
    steps=st.lists(st.integers(1, 200), min_size=1, max_size=5),
    places=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)
def test_large_trees_in_any_batches(size, steps, places):
    hashes = [leaf_hash(number.to_bytes(4)) for number in range(size)]
    node_at, top = stored(hashes, steps), naive(hashes)
    assert root(size, node_at) == top
    index, old = places[0] % size, 1 + places[1] % size
    proof = inclusion_proof(index, size, node_at)
    assert len(proof) <= (size - 1).bit_length()
    assert verify_inclusion(hashes[index], index, size, proof, top)
    assert not verify_inclusion(leaf_hash(b"x"), index, size, proof, top)
    proof = consistency_proof(old, size, node_at)
    assert verify_consistency(old, size, proof, naive(hashes[:old]), top)
    assert not verify_consistency(old, size, proof, naive([*hashes[: old - 1], leaf_hash(b"x")]), top)


def test_what_a_proof_asks_for_can_be_loaded_at_once():
    node_at = stored(HASHES)
    wanted = asked_of(lambda at: inclusion_proof(3, 7, at))
    held = {place: node_at(*place) for place in wanted}
    assert inclusion_proof(3, 7, lambda level, index: held[level, index]) == inclusion_proof(3, 7, node_at)


# -- tiles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/x001/x234/067", Tile(0, 1_234_067, 256)),  # the example of C2SP tlog-tiles
        ("0/999", Tile(0, 999, 256)),
        ("0/x001/000", Tile(0, 1000, 256)),
        ("63/000.p/255", Tile(63, 0, 255)),
        ("2/x123/x456/789.p/1", Tile(2, 123_456_789, 1)),
    ],
)
def test_tile_paths_have_one_spelling(path, tile):
    assert parse_tile(path) == tile
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    ["entries/000", "0/x1/000", "0/x000/x001/000", "0/001/000", "0/x001", "-1/000", "0/000.p/007", "0/٠٠٠", "0/000\n", ""],
)
def test_what_is_no_tile_of_hashes_is_none(path):
    assert parse_tile(path) is None


def test_the_tiles_of_a_tree_are_those_the_standard_lists():
    """C2SP tlog-tiles: a tree of 70,000 leaves; of 256."""
    full_0 = [number for number in range(300) if exists(Tile(0, number, 256), 70_000)]
    assert len(full_0) == 273
    assert exists(Tile(0, 273, 112), 70_000)
    assert not exists(Tile(0, 273, 113), 70_000)
    assert [exists(Tile(1, number, width), 70_000) for number, width in ((0, 256), (1, 17), (1, 18))] == [True, True, False]
    assert [exists(Tile(2, 0, width), 70_000) for width in (1, 2)] == [True, False]
    assert [exists(Tile(1, 0, width), 256) for width in (1, 2)] == [True, False]


def test_a_tiles_hashes_are_the_trees_nodes_at_its_level():
    hashes = [leaf_hash(number.to_bytes(4)) for number in range(520)]
    node_at = stored(hashes, (100,))
    tile = Tile(1, 0, 2)
    held = [node_at(tile.node_level, tile.first + offset) for offset in range(tile.width)]
    assert held == [naive(hashes[:256]), naive(hashes[256:512])]
