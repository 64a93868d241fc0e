"""Keys as peers publish them: one that nothing can be sealed to is refused when it is read, not when it is first used."""

from datetime import UTC, datetime

import pytest

from contracts.codec import b64u_encode, encode_object, parse_object
from contracts.errors import ExchangeError, SignatureError
from contracts.ids import KeyId, NodeId
from contracts.register import KeysetLog, MemberStatus, Role
from keys.jose import parse_jws, sign_jws
from keys.model import OpeningKey, SealKey, SigningKey, VerifyKey, generate_node_keys
from keys.notes import verifier_key
from keys.register.ceremony import make_keyset
from keys.register.state import KEYSET_TYP, Member, verify_keyset

ENC = KeyId("gt.minex#enc-1")
SIG = KeyId("gt.minex#sig-1")
GOOD = OpeningKey(ENC, bytes(range(32))).public.raw
# The canonical encodings of the points of order 1, 2, 4 and 8 on Curve25519, and two that reduce to them (RFC 7748 section 6.1).
LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_sealing_key_of_low_order_is_refused(point):
    with pytest.raises(SignatureError):
        SealKey(ENC, GOOD[:1184] + point)


@pytest.mark.parametrize(
    "raw", [b"", GOOD[:-1], GOOD + b"\0", b"\xff" * 1184 + GOOD[1184:]], ids=["empty", "short", "long", "range"]
)
def test_a_sealing_key_out_of_shape_is_refused(raw):
    with pytest.raises(SignatureError):
        SealKey(ENC, raw)


def test_control_the_good_key_is_taken():
    assert SealKey(ENC, GOOD).raw == GOOD


@pytest.mark.parametrize(
    "change",
    [
        {"kid": None},
        {"kid": 1},
        {"kid": "?"},
        {"x": None},
        {"x": 7},
        {"x": "*"},
        {"x": "AA"},
        {"alg": "EdDSA"},
        {"crv": "X25519"},
    ],
)
def test_a_signing_jwk_out_of_shape_is_refused(change):
    jwk = SigningKey(SIG, bytes(32)).public.jwk() | change
    with pytest.raises(SignatureError):
        VerifyKey.from_jwk({name: value for name, value in jwk.items() if value is not None})


@pytest.mark.parametrize(
    "change", [{"kid": None}, {"kid": "?"}, {"pub": None}, {"pub": []}, {"pub": "A"}, {"alg": "HPKE-4-KE"}, {"kty": "OKP"}]
)
def test_a_sealing_jwk_out_of_shape_is_refused(change):
    jwk = SealKey(ENC, GOOD).jwk() | change
    with pytest.raises(SignatureError):
        SealKey.from_jwk({name: value for name, value in jwk.items() if value is not None})


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length):
    with pytest.raises(ValueError, match="32"):
        OpeningKey(ENC, bytes(length))
    with pytest.raises(ValueError, match="32"):
        SigningKey(SIG, bytes(length))


NOW = datetime(2026, 11, 24, tzinfo=UTC)
NODE = NodeId("gt.minex")
UNUSABLE = {"ML-KEM out of range": b"\xff" * 1184 + GOOD[1184:]} | {
    f"low order {n}": GOOD[:1184] + p for n, p in enumerate(LOW_ORDER)
}


def keyset_with(keys, pub):
    """A keyset its node really signed, with another sealing key."""
    log = KeysetLog(origin=f"{NODE}/paradero-log", vkey=str(verifier_key(f"{NODE}/paradero-log", keys.log.public.raw)))
    jws = make_keyset(keys, endpoint="https://node.example/p", log=log, seq=1, now=NOW)
    claims = parse_object(parse_jws(jws).payload)
    for jwk in claims["keys"]:
        if jwk["use"] == "enc":
            jwk["pub"] = b64u_encode(pub)
    return sign_jws(encode_object(claims), keys.identity, typ=KEYSET_TYP)


def member_of(keys):
    return Member(NODE, "Ficticia", Role.FOREIGN_MINISTRY, "GT", MemberStatus.ACTIVE, NOW, keys.identity.public)


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_member_cannot_stop_the_register_with_an_unusable_sealing_key(name):
    """Anything but a typed error would keep every node from this register version, suspensions included."""
    keys = generate_node_keys(NODE)
    assert verify_keyset(keyset_with(keys, keys.enc[0].public.raw), member_of(keys)).node == NODE  # control
    with pytest.raises(ExchangeError):
        verify_keyset(keyset_with(keys, UNUSABLE[name]), member_of(keys))
