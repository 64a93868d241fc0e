"""Identifiers (SPEC 2): each accepts its own spelling and nothing near it."""

import copy
import pickle
import random
import uuid

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.ids import (
    ActorPseudonym,
    CaseAlias,
    Code,
    Folio,
    Identifier,
    KeyId,
    MessageId,
    NodeId,
    RecordId,
    ThreadId,
    uuid7,
)

UUID = "01a2272d-260a-7000-8000-00000000000a"

GOOD = [
    (NodeId, "gt.minex"),
    (NodeId, "int.icrc"),
    (NodeId, "gt.igm.mbmid"),
    (NodeId, "mx.c-n-b.a1"),
    (NodeId, "us.tx.a.b.c"),
    (KeyId, "gt.minex#sig-1"),
    (KeyId, "gt.igm.mbmid#enc-999999"),
    (KeyId, "gt.pdh#log-10"),
    (KeyId, "gt.pdh#id-2"),
    (MessageId, UUID),
    (ThreadId, UUID),
    (RecordId, UUID),
    (CaseAlias, "c:AAAAAAAAAAAAAAAAAAAAAA"),
    (CaseAlias, "c:____-----_________--0w"),
    (ActorPseudonym, "a:Qm9n"),
    (Folio, "MBMID-2026-000123"),
    (Code, "locate-missing"),
    (Code, "mx:lgmdfp:art-99"),
    (Code, "surname_1"),
    (Code, "x"),
]

BAD = [
    (NodeId, ["", "gt", "GT.minex", "gt.", ".gt", "gt..minex", "g.minex", "gtgt.minex", "gt.-a", "gt.a-", "gt.a.b.c.d.e"]),
    (NodeId, ["gt.minex\n", " gt.minex", "gt.mínex", "gt.mine\u0445", "gt." + "a" * 31, "gt/minex", "gt.minex#sig-1"]),
    (NodeId, [".".join(["gt", *["a" * 30] * 4])]),
    (
        KeyId,
        ["gt.minex", "gt.minex#sig-0", "gt.minex#sig-01", "gt.minex#http-1", "gt.minex#sig-1000000", "gt.minex#sig", "#sig-1"],
    ),
    (KeyId, ["gt.minex#sig-1\n", "gt.minex#SIG-1", "gt.minex##sig-1"]),
    (MessageId, [UUID.upper(), UUID[:-1], UUID + "0", UUID.replace("-", ""), "{" + UUID + "}", UUID + "\n"]),
    (MessageId, ["01a2272d-260a-4000-8000-00000000000a", "01a2272d-260a-7000-c000-00000000000a", "urn:uuid:" + UUID]),
    (CaseAlias, ["c:" + "A" * 21, "c:" + "A" * 23, "A" * 24, "c:" + "A" * 21 + "B", "c:" + "A" * 21 + "=", "C:" + "A" * 22]),
    (ActorPseudonym, ["a:", "a:abc", "a:" + "a" * 41, "b:Qm9n", "a:Qm9n b"]),
    (Folio, ["MBMID-2026-123", "mbmid-2026-000123", "MBMID-26-000123", "MBMID-2026-0001234", "MBMID-2026-٠٠٠١٢٣"]),
    (Code, ["", "A", "1a", "a-", "-a", "a--b", "a b", "a.", "a" * 81, "ä", "a\n"]),
]


@pytest.mark.parametrize(("kind", "text"), GOOD)
def test_accepts(kind: type[Identifier], text: str) -> None:
    value = kind(text)
    assert type(value) is kind
    assert value == text
    assert hash(value) == hash(text)
    assert kind(value) is value
    assert TypeAdapter(kind).validate_python(text) == value
    assert type(TypeAdapter(kind).validate_python(text)) is kind


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD for text in texts])
def test_refuses_without_repeating(kind: type[Identifier], text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a ") as caught:
        kind(text)
    if len(text) > 4:
        assert text not in str(caught.value)
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("value", [None, 5, b"gt.minex", ["gt.minex"], True])
def test_refuses_what_is_no_text(value: object) -> None:
    with pytest.raises(ValueError, match=r"^not a NodeId$"):
        NodeId(value)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        TypeAdapter(NodeId).validate_python(value)


def test_kinds_are_different_types_of_equal_text() -> None:
    assert type(ThreadId(MessageId(UUID))) is ThreadId
    assert {MessageId(UUID): 1}[UUID] == 1  # type: ignore[index]


def test_survives_copy_and_pickle() -> None:
    node = NodeId("gt.minex")
    for other in (copy.copy(node), copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert other == node
        assert type(other) is NodeId


def test_key_id_names_its_node_and_use() -> None:
    kid = KeyId("gt.igm.mbmid#enc-12")
    assert kid.node == NodeId("gt.igm.mbmid")
    assert type(kid.node) is NodeId
    assert kid.use == "enc"


def test_uuid7_layout() -> None:
    # RFC 9562, appendix A.6.
    randomness = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10)
    assert uuid7(0x017F22E279B0, randomness) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_uuid7_is_read_back_by_the_standard_library() -> None:
    seed = 20261129
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(500):
        moment, randomness = source.getrandbits(48), source.randbytes(10)
        text = MessageId(uuid7(moment, randomness))
        read = uuid.UUID(text)
        assert str(read) == text
        assert read.version == 7
        assert read.variant == uuid.RFC_4122
        assert read.int >> 80 == moment
        bits = int.from_bytes(randomness)
        assert read.int >> 64 & 0xFFF == bits >> 68
        assert read.int & (1 << 62) - 1 == bits & (1 << 62) - 1


def test_uuid7_sorts_by_time() -> None:
    ids = [uuid7(moment, bytes([255 - moment]) * 10) for moment in range(100)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("moment", "randomness"), [(-1, bytes(10)), (1 << 48, bytes(10)), (0, bytes(9)), (0, bytes(11)), (0, b"")]
)
def test_uuid7_refuses(moment: int, randomness: bytes) -> None:
    with pytest.raises(ValueError, match="UUIDv7"):
        uuid7(moment, randomness)
