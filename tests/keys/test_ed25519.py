"""Public keys that are not canonical or not of prime order are refused at enrolment and at verification."""

from hashlib import sha512

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.errors import SignatureError
from contracts.ids import KeyId
from keys import ed25519
from keys.model import SigningKey, VerifyKey

P = 2**255 - 19
KID = KeyId("gt.minex#sig-1")
# The eight points of order 1, 2, 4 and 8 (RFC 8032 encoding), then encodings that are not canonical.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NOT_CANONICAL = [
    (P).to_bytes(32, "little").hex(),
    (P + 1).to_bytes(32, "little").hex(),
    (2**255 - 1).to_bytes(32, "little").hex(),
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize("encoding", SMALL_ORDER + NOT_CANONICAL)
def test_refused_at_enrolment_and_at_verification(encoding):
    with pytest.raises(SignatureError):
        VerifyKey(KID, bytes.fromhex(encoding))
    with pytest.raises(SignatureError):
        ed25519.verify(bytes.fromhex(encoding), bytes(64), b"anything")


def test_control_the_library_alone_accepts_any_message_under_the_identity_key():
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER[0]))
    signature = bytes.fromhex(SMALL_ORDER[0]) + bytes(32)
    for number in range(64):
        key.verify(signature, f"message {number}".encode())


def test_ordinary_keys_pass_and_a_malleated_signature_does_not():
    for number in range(20):
        key = SigningKey(KID, bytes([number + 1]) * 32)
        signature = key.sign(b"m")
        key.public.verify(signature, b"m")
        raised = int.from_bytes(signature[32:], "little") + ORDER
        with pytest.raises(SignatureError):
            key.public.verify(signature[:32] + raised.to_bytes(32, "little"), b"m")
    with pytest.raises(InvalidSignature):
        Ed25519PrivateKey.generate().public_key().verify(bytes(64), b"m")


ORDER = 2**252 + 27742317777372353535851937790883648493
BASE = bytes.fromhex("5866666666666666666666666666666666666666666666666666666666666666")


def compress(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decompress(raw):
    y, sign = int.from_bytes(raw, "little") & (1 << 255) - 1, raw[31] >> 7
    x = ed25519._recover_x(y, sign)
    return (x, y, 1, x * y % P)


def sign_under(encoded_key, scalar, prefix, data, *, torsion=None):
    """A signature by the definition (RFC 8032 section 5.1.6), under whatever key; `torsion` is added to its commitment."""
    nonce = int.from_bytes(sha512(prefix + data).digest(), "little") % ORDER
    commitment = ed25519._multiply(nonce, decompress(BASE))
    if torsion is not None:
        commitment = ed25519._add(commitment, torsion)
    encoded = compress(commitment)
    challenge = int.from_bytes(sha512(encoded + encoded_key + data).digest(), "little") % ORDER
    return encoded + ((nonce + challenge * scalar) % ORDER).to_bytes(32, "little")


def expanded(seed):
    half = sha512(seed).digest()
    scalar = int.from_bytes(half[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar % ORDER, half[32:]


def test_the_point_arithmetic_is_that_of_the_library():
    for number in range(20):
        seed = bytes([number]) * 32
        scalar, prefix = expanded(seed)
        public = compress(ed25519._multiply(scalar, decompress(BASE)))
        assert public == Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        assert sign_under(public, scalar, prefix, b"m") == Ed25519PrivateKey.from_private_bytes(seed).sign(b"m")


@pytest.mark.parametrize("torsion", SMALL_ORDER[1:])
def test_a_key_with_a_small_order_part_is_refused(torsion):
    """Its owner can make signatures that hold in one implementation and not in another."""
    scalar, _ = expanded(bytes(32))
    mixed = compress(ed25519._add(ed25519._multiply(scalar, decompress(BASE)), decompress(bytes.fromhex(torsion))))
    Ed25519PublicKey.from_public_bytes(mixed)  # control: the library alone takes it
    with pytest.raises(SignatureError):
        VerifyKey(KID, mixed)


def test_control_the_library_alone_takes_signatures_under_a_mixed_key():
    scalar, prefix = expanded(bytes(32))
    torsion = decompress(bytes.fromhex(SMALL_ORDER[1]))  # order 2: half of all challenges cancel it
    mixed = compress(ed25519._add(ed25519._multiply(scalar, decompress(BASE)), torsion))
    taken = 0
    for number in range(64):
        data = f"message {number}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(mixed).verify(sign_under(mixed, scalar, prefix, data), data)
            taken += 1
        except InvalidSignature:
            pass
    assert 0 < taken < 64, "the same honest signer, sometimes believed and sometimes not"


@pytest.mark.parametrize("torsion", SMALL_ORDER[1:])
def test_a_commitment_with_a_small_order_part_does_not_verify(torsion):
    key = SigningKey(KID, bytes(32))
    scalar, prefix = expanded(bytes(32))
    signature = sign_under(key.public.raw, scalar, prefix, b"m", torsion=decompress(bytes.fromhex(torsion)))
    with pytest.raises(SignatureError):
        key.public.verify(signature, b"m")


def test_a_neutral_commitment_is_refused_though_the_equation_holds():
    key = SigningKey(KID, bytes(32))
    scalar, _ = expanded(bytes(32))
    neutral = bytes.fromhex(SMALL_ORDER[0])
    challenge = int.from_bytes(sha512(neutral + key.public.raw + b"m").digest(), "little") % ORDER
    signature = neutral + (challenge * scalar % ORDER).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(key.public.raw).verify(signature, b"m")  # control: the library alone takes it
    with pytest.raises(SignatureError):
        key.public.verify(signature, b"m")


@pytest.mark.parametrize("encoding", NOT_CANONICAL)
def test_a_commitment_that_is_not_canonical_does_not_verify(encoding):
    key = SigningKey(KID, bytes(32))
    for scalar in (bytes(32), key.sign(b"m")[32:]):
        with pytest.raises(SignatureError):
            key.public.verify(bytes.fromhex(encoding) + scalar, b"m")


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_other_lengths_are_refused(length):
    with pytest.raises(SignatureError):
        ed25519.check_point(bytes(length))
