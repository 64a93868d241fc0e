"""Ed25519 keys and signatures every implementation judges alike (SPEC 4.1): canonical points of prime order alone.

`cryptography` accepts the eight small-order points. Under the identity point one fixed signature verifies for every
message, which would end non-repudiation. Under a point with a small-order part, implementations differ over which of its
owner's signatures hold. Such keys are refused at enrolment and again at verification.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contracts.errors import SignatureError

_P = 2**255 - 19
_D = (-121665 * pow(121666, _P - 2, _P)) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)
_ORDER = 2**252 + 27742317777372353535851937790883648493
_IDENTITY = (1).to_bytes(32, "little")

Point = tuple[int, int, int, int]


def check_point(raw: bytes) -> None:
    """Check that 32 bytes are the canonical encoding of a point of prime order.

    Raises:
        SignatureError: they are not (RFC 8032 section 5.1.3 decoding, and L·A is not the neutral element, or A is).
    """
    if len(raw) != 32:
        raise SignatureError("a public key has 32 bytes")
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= _P:
        raise SignatureError("public key is not canonical")
    x = _recover_x(y, sign)
    if raw == _IDENTITY or not _is_neutral(_multiply(_ORDER, (x, y, 1, x * y % _P))):
        raise SignatureError("public key that is not of prime order")


def _recover_x(y: int, sign: int) -> int:
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P != 0:
        x = x * _SQRT_M1 % _P
    if (v * x * x - u) % _P != 0 or (x == 0 and sign):
        raise SignatureError("public key is no point of the curve")
    return _P - x if x & 1 != sign else x


def _multiply(scalar: int, point: Point) -> Point:
    # Public values only: constant time is not needed.
    product: Point = (0, 1, 1, 0)
    for bit in f"{scalar:b}":
        product = _add(product, product)
        if bit == "1":
            product = _add(product, point)
    return product


def _add(one: Point, other: Point) -> Point:
    # RFC 8032 section 5.1.4, extended homogeneous coordinates; complete, so it doubles too.
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * _D * one[3] * other[3] % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _is_neutral(point: Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0


@lru_cache(maxsize=4096)
def load_public_key(raw: bytes) -> Ed25519PublicKey:
    """Return the loaded key of 32 raw bytes, checked once.

    Raises:
        SignatureError: see `check_point`.
    """
    check_point(raw)
    return Ed25519PublicKey.from_public_bytes(raw)


def verify(raw: bytes, signature: bytes, data: bytes) -> None:
    """Verify an Ed25519 signature (RFC 8032).

    Raises:
        SignatureError: the key is refused, or the signature is not its signature of `data`.
    """
    if signature[:32] == _IDENTITY:  # some implementations refuse it, and it gives the signer's key away
        raise SignatureError("signature with a neutral commitment")
    try:
        load_public_key(raw).verify(signature, data)
    except InvalidSignature:
        raise SignatureError("signature does not verify") from None
