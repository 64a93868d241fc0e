"""RFC 6962 Merkle trees over stored nodes (SPEC 7.2). Pure: nodes come in through `node_at`.

A stored node (level, index) is the hash of the complete subtree over leaves [index·2^level, (index+1)·2^level).
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

NodeAt = Callable[[int, int], bytes]
Node = tuple[int, int, bytes]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962 section 2.1)."""
    return sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962 section 2.1)."""
    return sha256(b"\1" + left + right).digest()


def append(size: int, hashes: Sequence[bytes], node_at: NodeAt) -> list[Node]:
    """Return the nodes to store when `hashes` follow the first `size` leaves: the leaves and what they complete.

    `node_at` is asked only for nodes on the right edge of the old tree.
    """
    made: dict[tuple[int, int], bytes] = {}
    for index, value in enumerate(hashes, start=size):
        level, position = 0, index
        made[0, index] = value
        while position & 1:
            left = made.get((level, position - 1)) or node_at(level, position - 1)
            made[level + 1, position >> 1] = node_hash(left, made[level, position])
            level, position = level + 1, position >> 1
    return [(level, index, value) for (level, index), value in made.items()]


def right_edge(size: int) -> list[tuple[int, int]]:
    """Return which stored nodes `append` and `root` need of a tree of `size` leaves."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]


def root(size: int, node_at: NodeAt) -> bytes:
    """Return the root of the tree over the first `size` leaves."""
    return _range_hash(0, size, node_at) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node_at: NodeAt) -> list[bytes]:
    """Return the audit path of a leaf (RFC 6962 section 2.1.1).

    Raises:
        ValueError: no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("no such leaf")
    return _path(index, 0, size, node_at)


def consistency_proof(old: int, new: int, node_at: NodeAt) -> list[bytes]:
    """Return the proof that the tree of `new` leaves extends the tree of `old` (RFC 6962 section 2.1.2).

    Raises:
        ValueError: not 0 < old <= new; from size 0 there is nothing to prove.
    """
    if not 0 < old <= new:
        raise ValueError("no consistency proof between these sizes")
    return [] if old == new else _subproof(old, 0, new, node_at, whole=True)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Return whether `proof` shows that `leaf` is the leaf `index` of the tree (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            value = node_hash(sibling, value)
            node, last = _climb(node, last)
        else:
            value = node_hash(value, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and value == root_hash


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Return whether `proof` shows that the new tree extends the old one (RFC 9162 section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            node, last = _climb(node, last)
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _climb(node: int, last: int) -> tuple[int, int]:
    while not node & 1 and node:
        node, last = node >> 1, last >> 1
    return node, last


def asked_of(compute: Callable[[NodeAt], object]) -> list[tuple[int, int]]:
    """Return which stored nodes a computation asks for, so that they can be loaded in one query before it runs."""
    asked: list[tuple[int, int]] = []

    def note(level: int, index: int) -> bytes:
        asked.append((level, index))
        return bytes(32)

    compute(note)
    return asked


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _range_hash(low: int, high: int, node_at: NodeAt) -> bytes:
    count = high - low
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node_at(level, low >> level)
    middle = low + _split(count)
    return node_hash(_range_hash(low, middle, node_at), _range_hash(middle, high, node_at))


def _path(index: int, low: int, high: int, node_at: NodeAt) -> list[bytes]:
    if high - low == 1:
        return []
    middle = low + _split(high - low)
    if index < middle:
        return [*_path(index, low, middle, node_at), _range_hash(middle, high, node_at)]
    return [*_path(index, middle, high, node_at), _range_hash(low, middle, node_at)]


def _subproof(old: int, low: int, high: int, node_at: NodeAt, *, whole: bool) -> list[bytes]:
    if old == high:
        return [] if whole else [_range_hash(low, high, node_at)]
    middle = low + _split(high - low)
    if old <= middle:
        return [*_subproof(old, low, middle, node_at, whole=whole), _range_hash(middle, high, node_at)]
    return [*_subproof(old, middle, high, node_at, whole=False), _range_hash(low, middle, node_at)]
