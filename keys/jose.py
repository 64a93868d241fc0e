"""Strict JWS and JWE compact (SPEC 4.2, 4.3): one signature algorithm, one envelope, nothing negotiated.

The algorithm is a property of the key in the trust store. A token's `alg` must equal it and chooses nothing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from contracts.codec import b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import EnvelopeError, ExchangeError, KeyRetiredError, MalformedError, SignatureError, TooLargeError
from contracts.ids import KeyId
from keys.model import SEALING_ALGORITHM, SIGNATURE_ALGORITHM, OpeningKey, SealKey, SigningKey, VerifyKey

CONTENT_ALGORITHM = "A256GCM"
MAX_TOKEN_BYTES = 1024 * 1024
_KEM_BYTES = 1120  # ML-KEM-768 ciphertext and X25519 share
_WRAPPED_BYTES = 48  # a 32-byte content key and its tag
_HPKE_INFO = b"JOSE-HPKE rcpt\xffA256GCM\xff"  # draft-ietf-jose-hpke-encrypt, Recipient_structure without extra info
_BASE_POINT = (9).to_bytes(32, "little")
_KNOWN_ANSWER = bytes.fromhex(
    "d0cbd346082669c8c6bb9ecfdc162a287c722c8f768b5c956b69f08b5a52b51de33c08a25366f3a194d2e3a6901711e6"
)
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True)
class ParsedJws:
    """A token taken apart. Nothing in it is proven; `kid` is a hint."""

    kid: KeyId
    typ: str
    payload: bytes
    signing_input: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """A payload whose signature held, and the key that made it."""

    kid: KeyId
    payload: bytes


def sign_jws(payload: bytes, key: SigningKey, *, typ: str) -> str:
    """Return a compact JWS (RFC 7515 section 7.1) with exactly `alg`, `kid` and `typ` in its header."""
    signing_input = f"{_jws_header(key.kid, typ)}.{b64u_encode(payload)}"
    return f"{signing_input}.{b64u_encode(key.sign(signing_input.encode('ascii')))}"


def jws_header_length(kid: KeyId, typ: str) -> int:
    """Return the length of the encoded header, so that padding can reckon with it."""
    return len(_jws_header(kid, typ))


@lru_cache(maxsize=64)
def _jws_header(kid: KeyId, typ: str) -> str:
    return b64u_encode(encode_object({"alg": SIGNATURE_ALGORITHM, "kid": str(kid), "typ": typ}))


def parse_jws(token: str) -> ParsedJws:
    """Take a compact JWS apart.

    Raises:
        SignatureError: not exactly three canonical base64url parts with a header of exactly alg, kid, typ.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise SignatureError("token too long")
    parts = token.split(".")
    if len(parts) != 3:
        raise SignatureError("a JWS has three parts")
    try:
        kid, typ = _parse_header(parts[0])
        payload, signature = b64u_decode(parts[1]), b64u_decode(parts[2])
    except (MalformedError, TooLargeError, ValueError):
        raise SignatureError("token is not well-formed") from None
    if len(signature) != 64:
        raise SignatureError("token is not well-formed")
    return ParsedJws(kid, typ, payload, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


@lru_cache(maxsize=256)
def _parse_header(part: str) -> tuple[KeyId, str]:
    """Return (key id, type) of a header. A peer's tokens of one type all have the same; refused ones are not remembered."""
    header = parse_object(b64u_decode(part), limit=1024, depth=1)
    if set(header) != {"alg", "kid", "typ"} or header["alg"] != SIGNATURE_ALGORITHM:
        raise SignatureError("header must have alg, kid and typ, and the one algorithm")
    if not isinstance(header["typ"], str):
        raise SignatureError("token is not well-formed")
    return KeyId(header["kid"]), header["typ"]


def verify_jws(token: str, *, typ: str, find: Callable[[KeyId], VerifyKey]) -> VerifiedJws:
    """Verify a compact JWS of one type with the key `find` vouches for.

    Raises:
        SignatureError: malformed, another type, or the signature does not hold.
        SenderUnknownError: from `find`.
    """
    parsed = parse_jws(token)
    if parsed.typ != typ:
        raise SignatureError("token of another type")
    key = find(parsed.kid)
    if key.kid != parsed.kid:
        raise SignatureError("key of another id")
    key.verify(parsed.signature, parsed.signing_input)
    return VerifiedJws(parsed.kid, parsed.payload)


def encrypt_jwe(plaintext: bytes, to: SealKey, *, typ: str, cty: str) -> str:
    """Return a compact JWE in key-encryption mode HPKE-9-KE with A256GCM (SPEC 4.3)."""
    content_key, iv = secrets.token_bytes(32), secrets.token_bytes(12)
    encapsulated = _SUITE.encrypt(content_key, to.loaded, _HPKE_INFO)
    header = encode_object(
        {
            "alg": SEALING_ALGORITHM,
            "enc": CONTENT_ALGORITHM,
            "kid": str(to.kid),
            "ek": b64u_encode(encapsulated[:_KEM_BYTES]),
            "typ": typ,
            "cty": cty,
        }
    )
    protected = b64u_encode(header)
    sealed = AESGCM(content_key).encrypt(iv, plaintext, protected.encode("ascii"))
    parts = (encapsulated[_KEM_BYTES:], iv, sealed[:-16], sealed[-16:])
    return ".".join((protected, *(b64u_encode(part) for part in parts)))


def decrypt_jwe(token: str, *, typ: str, cty: str, find: Callable[[KeyId], OpeningKey | None]) -> bytes:
    """Open a compact JWE.

    Raises:
        KeyRetiredError: sealed to a key id that `find` no longer has.
        EnvelopeError: not such an envelope, or it does not open.
    """
    try:
        protected, wrapped, iv, sealed, kid, ek = _parse_jwe(token, typ, cty)
    except (MalformedError, TooLargeError, ValueError):
        raise EnvelopeError("envelope is not well-formed") from None
    key = find(kid)
    if key is None:
        raise KeyRetiredError("sealed to a key we do not have")
    try:
        content_key = _SUITE.decrypt(ek + wrapped, key.loaded, _HPKE_INFO)
        return AESGCM(content_key).decrypt(iv, sealed, protected)
    except (InvalidTag, ValueError):
        raise EnvelopeError("envelope does not open") from None


def _parse_jwe(token: str, typ: str, cty: str) -> tuple[bytes, bytes, bytes, bytes, KeyId, bytes]:
    parts = token.split(".") if len(token) <= MAX_TOKEN_BYTES else []
    if len(parts) != 5:
        raise EnvelopeError("a JWE has five parts")
    header = parse_object(b64u_decode(parts[0]), limit=4096, depth=1)
    expected = {"alg": SEALING_ALGORITHM, "enc": CONTENT_ALGORITHM, "typ": typ, "cty": cty}
    if set(header) != {*expected, "kid", "ek"} or any(header[name] != value for name, value in expected.items()):
        raise EnvelopeError("header must have exactly the members of this envelope")
    if not isinstance(header["ek"], str):
        raise EnvelopeError("ek is not text")
    wrapped, iv, body, tag = (b64u_decode(part) for part in parts[1:])
    ek = b64u_decode(header["ek"])
    if (len(wrapped), len(iv), len(tag), len(ek)) != (_WRAPPED_BYTES, 12, 16, _KEM_BYTES):
        raise EnvelopeError("a part has the wrong length")
    return parts[0].encode("ascii"), wrapped, iv, body + tag, KeyId(header["kid"]), ek


def self_test() -> None:
    """Open a known answer, then what we seal, so that a build that lacks ML-KEM or differs is noticed at start.

    The known answer is sealed to the seed of zeros under an encapsulation of zeros: ML-KEM gives a fixed secret for it too
    (FIPS 203, implicit rejection), so that the seed's expansion, the combiner and the key schedule all must be right.

    Raises:
        EnvelopeError: this build of the library cannot do it.
    """
    key = OpeningKey(KeyId("gt.test#enc-1"), bytes(32))
    try:
        known = _SUITE.decrypt(bytes(_KEM_BYTES - 32) + _BASE_POINT + _KNOWN_ANSWER, key.loaded, _HPKE_INFO)
        opened = decrypt_jwe(encrypt_jwe(b"probe", key.public, typ="t", cty="c"), typ="t", cty="c", find=lambda _: key)
    except ExchangeError:
        raise
    except Exception as error:
        raise EnvelopeError(f"HPKE is not available: {type(error).__name__}") from error
    if (known, opened) != (bytes(32), b"probe"):
        raise EnvelopeError("HPKE does not open what it sealed")
