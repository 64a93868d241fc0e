"""Key material. Only `keys`, `gateway.main` and the commands that make keys may import this; `repr` shows no secret."""

import secrets
from dataclasses import dataclass, field
from hashlib import shake_256
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey

from contracts.codec import Json, b64u_decode, b64u_encode
from contracts.errors import MalformedError, SignatureError
from contracts.ids import KeyId, NodeId
from keys import ed25519

SIGNATURE_ALGORITHM = "Ed25519"  # RFC 9864
SEALING_ALGORITHM = "HPKE-9-KE"  # draft-ietf-jose-hpke-pq-pqt
_MLKEM_PUBLIC = 1184
_HYBRID_PUBLIC = 1216
_SEED = 32
_PROBE = X25519PrivateKey.from_private_bytes(bytes(_SEED))


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public Ed25519 key and the id it goes by.

    Raises:
        SignatureError: the key is of small order, not canonical or no point.
    """

    kid: KeyId
    raw: bytes

    def __post_init__(self) -> None:
        ed25519.load_public_key(self.raw)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Verify, or raise SignatureError."""
        ed25519.verify(self.raw, signature, data)

    def jwk(self) -> Json:
        """Return the key as a JWK (RFC 8037) with the algorithm name of RFC 9864."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": SIGNATURE_ALGORITHM,
            "use": "sig",
            "kid": str(self.kid),
            "x": b64u_encode(self.raw),
        }

    @classmethod
    def from_jwk(cls, jwk: Json) -> Self:
        """Return the key of a JWK.

        Raises:
            SignatureError: not an Ed25519 signing key.
        """
        if (jwk.get("kty"), jwk.get("crv"), jwk.get("alg")) != ("OKP", "Ed25519", SIGNATURE_ALGORITHM):
            raise SignatureError("not an Ed25519 key")
        return cls(*_id_and_bytes(jwk, "x"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key: 32 bytes of seed (RFC 8032)."""

    kid: KeyId
    seed: bytes = field(repr=False)
    _private: Ed25519PrivateKey = field(init=False, repr=False, compare=False)
    _public: VerifyKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_private", private)
        object.__setattr__(self, "_public", VerifyKey(self.kid, private.public_key().public_bytes_raw()))

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of `data`."""
        return self._private.sign(data)

    @property
    def public(self) -> VerifyKey:
        """The public half."""
        return self._public


@dataclass(frozen=True, slots=True)
class SealKey:
    """A public key envelopes are sealed to: ML-KEM-768 (1184 bytes) then X25519 (32 bytes).

    Raises:
        SignatureError: nothing could be sealed to it: wrong length, ML-KEM key out of range, X25519 point of low order.
    """

    kid: KeyId
    raw: bytes
    loaded: MLKEM768X25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.raw) != _HYBRID_PUBLIC:
            raise SignatureError("a sealing key has 1216 bytes")
        try:
            kem = MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM_PUBLIC])
            group = X25519PublicKey.from_public_bytes(self.raw[_MLKEM_PUBLIC:])
            _PROBE.exchange(group)  # a point of low order fails here, and not at the first message to its owner
        except ValueError:
            raise SignatureError("not a sealing key") from None
        object.__setattr__(self, "loaded", MLKEM768X25519PublicKey(kem, group))

    def jwk(self) -> Json:
        """Return the key as an AKP JWK (RFC 9964 key type)."""
        return {"kty": "AKP", "alg": SEALING_ALGORITHM, "use": "enc", "kid": str(self.kid), "pub": b64u_encode(self.raw)}

    @classmethod
    def from_jwk(cls, jwk: Json) -> Self:
        """Return the key of a JWK.

        Raises:
            SignatureError: not a key of HPKE-9-KE.
        """
        if (jwk.get("kty"), jwk.get("alg")) != ("AKP", SEALING_ALGORITHM):
            raise SignatureError("not an HPKE-9-KE key")
        return cls(*_id_and_bytes(jwk, "pub"))


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """A private key that opens envelopes: a 32-byte seed, expanded with SHAKE256 to ML-KEM seed and X25519 scalar.

    Raises:
        ValueError: another length of seed.
    """

    kid: KeyId
    seed: bytes = field(repr=False)
    loaded: MLKEM768X25519PrivateKey = field(init=False, repr=False, compare=False)
    _public: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != _SEED:  # the expansion would take any length, and an empty one is known to everybody
            raise ValueError("a seed has 32 bytes")
        expanded = shake_256(self.seed).digest(96)
        kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        group = X25519PrivateKey.from_private_bytes(expanded[64:])
        object.__setattr__(self, "loaded", MLKEM768X25519PrivateKey(kem, group))
        public = kem.public_key().public_bytes_raw() + group.public_key().public_bytes_raw()
        object.__setattr__(self, "_public", public)

    @property
    def public(self) -> SealKey:
        """The public half."""
        return SealKey(self.kid, self._public)


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """A node's running keys. `identity` signs keysets only and usually lies elsewhere, under a passphrase."""

    node: NodeId
    sig: SigningKey
    enc: tuple[OpeningKey, ...]
    """Newest first; older ones open what was sealed during the overlap."""
    log: SigningKey
    pseudonym: bytes = field(repr=False)
    vault: bytes = field(repr=False)
    identity: SigningKey | None = None


def _id_and_bytes(jwk: Json, member: str) -> tuple[KeyId, bytes]:
    kid, data = jwk.get("kid"), jwk.get(member)
    if not isinstance(kid, str) or not isinstance(data, str):
        raise SignatureError("a key without its id or its bytes")
    try:
        return KeyId(kid), b64u_decode(data)
    except (MalformedError, ValueError):
        raise SignatureError("a key whose id or bytes are not well-formed") from None


def generate_node_keys(node: NodeId) -> NodeKeys:
    """Return fresh keys for `node`, identity included."""

    def signing(use: str) -> SigningKey:
        return SigningKey(KeyId(f"{node}#{use}-1"), secrets.token_bytes(32))

    return NodeKeys(
        node=node,
        sig=signing("sig"),
        enc=(OpeningKey(KeyId(f"{node}#enc-1"), secrets.token_bytes(32)),),
        log=signing("log"),
        pseudonym=secrets.token_bytes(32),
        vault=secrets.token_bytes(32),
        identity=signing("id"),
    )
