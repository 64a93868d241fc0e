"""An authenticator in software: makes passkeys and signs with them as WebAuthn says, or wrongly where a test asks for that."""

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from contracts.codec import b64u_decode, b64u_encode

UP, UV, AT = 0x01, 0x04, 0x40


@dataclass
class Key:
    credential: bytes
    private: ec.EllipticCurvePrivateKey
    owner: bytes
    rp_id: str
    counter: int = 0


@dataclass
class Authenticator:
    """`origin` is where the browser says it is; `flags` what it says of the person; `counts` whether it counts."""

    origin: str
    flags: int = UP | UV
    counts: bool = True
    keys: list[Key] = field(default_factory=list)

    def create(self, options: str, **changed) -> str:
        asked = json.loads(options) | changed
        assert asked["authenticatorSelection"]["userVerification"] == "required"
        assert asked["authenticatorSelection"]["residentKey"] == "required"
        key = Key(os.urandom(32), ec.generate_private_key(ec.SECP256R1()), b64u_decode(asked["user"]["id"]), asked["rp"]["id"])
        self.keys.append(key)
        numbers = key.private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        data = (
            self._data(key, self.flags | AT)
            + bytes(16)
            + len(key.credential).to_bytes(2, "big")
            + key.credential
            + cbor2.dumps(cose)
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked["challenge"])
        return self._answer(key, {"clientDataJSON": client, "attestationObject": attestation})

    def sign(
        self, options: str, key: Key | None = None, *, owner: bytes | None = b"own", kind="webauthn.get", **changed
    ) -> str:
        asked = json.loads(options) | changed
        assert asked["userVerification"] == "required"
        key = key or self.keys[-1]
        key.counter += self.counts
        data, client = self._data(key, self.flags, asked["rpId"]), self._client(kind, asked["challenge"])
        signature = key.private.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        if owner is not None:
            response["userHandle"] = key.owner if owner == b"own" else owner
        return self._answer(key, response)

    def _data(self, key: Key, flags: int, rp_id: str | None = None) -> bytes:
        return sha256((rp_id or key.rp_id).encode()).digest() + bytes([flags]) + key.counter.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _answer(self, key: Key, response: dict) -> str:
        name = b64u_encode(key.credential)
        coded = {member: b64u_encode(value) for member, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": coded, "clientExtensionResults": {}})
