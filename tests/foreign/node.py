"""A node by a stranger, from SPEC 3-6: keys, keyset, record, message, envelope, receipt, both ways. joserfc and HPKE of cryptography."""

import json
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256, shake_256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite
from joserfc.jwk import OKPKey

from tests.foreign.basics import RefusedError, b64u, digest, jws_header, need, parse, sign, unb64u, verify
from tests.foreign.register import Register
from tests.foreign.rules import check_message, check_receipt
from tests.foreign.schema import valid

DAY = 86_400
SUITE = Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM)
INFO = b"JOSE-HPKE rcpt\xffA256GCM\xff"
BUCKETS = [2**power for power in range(11, 20)]
VISIBLE = {"iss", "vct", "jti", "iat", "exp", "cnf", "use", "_sd", "_sd_alg"}
HEADER = {"alg", "enc", "kid", "ek", "typ", "cty"}


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def uuid7(unix_ms: int) -> str:
    value = unix_ms << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_key(node: str, use: str) -> OKPKey:
    kid = f"{node}#{use}-1"
    key = OKPKey.generate_key("Ed25519", {"kid": kid, "alg": "Ed25519", "use": "sig"})
    return OKPKey.import_key({**key.as_dict(private=True), "kid": kid, "alg": "Ed25519", "use": "sig"})


def public(key: OKPKey) -> dict[str, Any]:
    return {
        name: value for name, value in key.as_dict(private=False).items() if name in {"kty", "crv", "alg", "use", "kid", "x"}
    }


class SealKeys:
    """MLKEM768-X25519 from a 32-byte seed (draft-ietf-hpke-pq): SHAKE256 gives the two components' seeds."""

    def __init__(self) -> None:
        expanded = shake_256(secrets.token_bytes(32)).digest(96)
        kem, agreement = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
        self.private = MLKEM768X25519PrivateKey(kem, agreement)
        self.public = kem.public_key().public_bytes_raw() + agreement.public_key().public_bytes_raw()


def pad(claims: dict[str, Any], header: dict[str, Any]) -> bytes:
    """SPEC 3.3."""
    payload = dump(claims)
    taken = len(b64u(dump(header))) + len(b64u(bytes(64))) + 2
    for bucket in BUCKETS:
        room = (bucket - taken) * 3 // 4
        if len(payload) == room:
            return payload
        if len(payload) + len(',"pad":""') <= room:
            return dump({**claims, "pad": "0" * (room - len(payload) - len(',"pad":""'))})
    raise RefusedError("over 512 KiB")


def seal(token: str, jwk: dict[str, Any]) -> str:
    """SPEC 4.3."""
    raw, content_key, iv = unb64u(jwk["pub"]), secrets.token_bytes(32), secrets.token_bytes(12)
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(raw[:1184]), X25519PublicKey.from_public_bytes(raw[1184:])
    )
    wrapped = SUITE.encrypt(content_key, key, INFO)
    header = {"alg": "HPKE-9-KE", "enc": "A256GCM", "kid": jwk["kid"], "ek": b64u(wrapped[:1120])}
    protected = b64u(dump({**header, "typ": "paradero-msg+jwe", "cty": "paradero-msg+jwt"}))
    sealed = AESGCM(content_key).encrypt(iv, token.encode(), protected.encode())
    return ".".join((protected, b64u(wrapped[1120:]), b64u(iv), b64u(sealed[:-16]), b64u(sealed[-16:])))


@dataclass
class ForeignNode:
    """An institution that took other software."""

    node: str
    endpoint: str
    now: int
    tls_pin: str | None = None
    register: Register = field(default_factory=lambda: Register(demo=True, nodes={}))
    received: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.identity, self.sig, self.log = (new_key(self.node, use) for use in ("id", "sig", "log"))
        self.enc = SealKeys()

    # -- enrolment ---------------------------------------------------------------------------------------------------

    def member(self, role: str) -> dict[str, Any]:
        return {"node": self.node, "name": "Institución ficticia", "role": role, "country": "GT", "status": "active",
                "since": self.now, "id_key": public(self.identity)}  # fmt: skip

    def keyset(self, seq: int = 1) -> str:
        origin, raw = f"{self.node}/paradero-log", b"\1" + unb64u(public(self.log)["x"])
        key_id = sha256(origin.encode() + b"\n" + raw).digest()[:4].hex()
        vkey = f"{origin}+{key_id}+{b64encode(raw).decode()}"
        sealing = {"kty": "AKP", "alg": "HPKE-9-KE", "use": "enc", "kid": f"{self.node}#enc-1", "pub": b64u(self.enc.public)}
        claims = {
            "iss": self.node, "seq": seq, "iat": self.now, "exp": self.now + 90 * DAY, "profile": "2026-11",
            "endpoint": self.endpoint, "mode": "push", "suites": ["HPKE-9-KE"],
            "keys": [public(self.sig), sealing], "log": {"origin": origin, "vkey": vkey},
        } | ({"tls_pin": self.tls_pin} if self.tls_pin else {})  # fmt: skip
        return sign(claims, "paradero-keyset+jwt", self.identity)

    # -- sending -----------------------------------------------------------------------------------------------------

    def key_of(self, node: str, use: str) -> dict[str, Any]:
        keyset = self.register.nodes[node].keyset
        if keyset is None:
            raise RefusedError("no keyset")
        return next(key for key in keyset["keys"] if key["use"] == use)

    def record(self, to: str, kind: str, values: dict[str, Any], purposes: list[str]) -> str:
        """SPEC 6.1."""
        disclosures = [b64u(dump([b64u(secrets.token_bytes(16)), name, value])) for name, value in values.items()]
        digests = [digest(item) for item in disclosures]
        digests += [b64u(secrets.token_bytes(32)) for _ in range(48 - len(digests))]
        payload = {
            "iss": self.node, "vct": f"urn:paradero:rec:{kind}:1", "jti": uuid7(self.now * 1000), "iat": self.now,
            "exp": self.now + 365 * DAY, "cnf": {"kid": self.key_of(to, "sig")["kid"]},
            "use": {"purposes": purposes, "hops": 1, "retain_until": self.now + 365 * DAY},
            "_sd": sorted(digests), "_sd_alg": "sha-256",
        }  # fmt: skip
        return "~".join((sign(payload, "paradero-rec+sd-jwt", self.sig), *disclosures, ""))

    def message(self, to: str, kind: str, body: dict[str, Any], *, purpose: str, basis: str, **more: Any) -> dict[str, Any]:
        """SPEC 5.1: the claims, unpadded."""
        long = kind.startswith(("consent.", "erasure.", "correction", "node.re"))
        return {
            "iss": self.node, "aud": to, "jti": uuid7(self.now * 1000), "iat": self.now,
            "exp": self.now + (30 if long else 7) * DAY, "v": 1, "type": kind, "thid": uuid7(self.now * 1000),
            "purpose": purpose, "basis": basis, "pol": 1, "trust": 1, "actor": "a:ventanilla", "mode": "actual",
            "use": {"retain_until": self.now + 365 * DAY, "onward": "none"}, **more, "body": body,
        }  # fmt: skip

    def signed(self, claims: dict[str, Any]) -> str:
        check_message(dump(claims))
        return sign(
            pad(claims, {"alg": "Ed25519", "kid": self.sig.as_dict()["kid"], "typ": "paradero-msg+jwt"}),
            "paradero-msg+jwt",
            self.sig,
        )

    def sealed(self, token: str, to: str) -> str:
        return seal(token, self.key_of(to, "enc"))

    def check_receipt(self, receipt: str, token: str, by: str) -> dict[str, Any]:
        """SPEC 5.3: a receipt of `by` for what we sent."""
        kid, payload = verify(receipt, "paradero-receipt+jwt", self.register.signers())
        claims = check_receipt(payload)
        sent = parse(unb64u(token.split(".")[1]))
        need(
            (kid.partition("#")[0], claims["iss"], claims.get("aud"), claims.get("re")) == (by, by, self.node, sent["jti"]),
            "parties",
        )
        need(claims["dig"] == {"alg": "sha-256", "val": digest(token), "of": "message"}, "digest")
        return claims

    # -- receiving ---------------------------------------------------------------------------------------------------

    def open(self, envelope: str) -> str:
        """SPEC 4.3."""
        parts = envelope.split(".")
        need(len(parts) == 5, "five parts")
        header = parse(unb64u(parts[0]))
        wanted = {"alg": "HPKE-9-KE", "enc": "A256GCM", "typ": "paradero-msg+jwe", "cty": "paradero-msg+jwt"}
        need(set(header) == HEADER and {name: header[name] for name in wanted} == wanted, "header")
        need(header["kid"] == f"{self.node}#enc-1", "our key")
        ek, wrapped, iv, sealed, tag = (unb64u(text) for text in (header["ek"], *parts[1:]))
        need((len(ek), len(wrapped), len(iv), len(tag)) == (1120, 48, 12, 16), "sizes")
        try:
            content_key = SUITE.decrypt(ek + wrapped, self.enc.private, INFO)
            return AESGCM(content_key).decrypt(iv, sealed + tag, parts[0].encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise RefusedError("does not open") from error

    def accept(self, token: str) -> dict[str, Any]:
        """SPEC 8.5, as far as it is about the message itself: signer, addressee, size, records."""
        kid, payload = verify(token, "paradero-msg+jwt", self.register.signers())
        claims = check_message(payload)
        need((kid.partition("#")[0], claims["aud"]) == (claims["iss"], self.node), "parties")
        need(any(bucket - 4 < len(token) <= bucket for bucket in BUCKETS), "padded")
        for item in claims.get("records", []):
            values = self.open_record(item["sd_jwt"], claims["iss"])
            need(set(values) == {entry["field"] for entry in item["disclosed"]}, "manifest")
        return claims

    def open_record(self, sd_jwt: str, sender: str) -> dict[str, Any]:
        """SPEC 6.1, RFC 9901 section 7.1."""
        token, *disclosures, end = sd_jwt.split("~")
        need(end == "" and jws_header(token)["typ"] == "paradero-rec+sd-jwt", "sd-jwt")
        kid, payload = verify(token, "paradero-rec+sd-jwt", self.register.signers())
        claims = parse(payload)
        need(set(claims) == VISIBLE and len(claims["_sd"]) == len(set(claims["_sd"])) == 48, "record")
        need(
            (kid.partition("#")[0], claims["iss"], claims["cnf"]) == (sender, sender, {"kid": f"{self.node}#sig-1"}), "parties"
        )
        opened: dict[str, Any] = {}
        for text in disclosures:
            salt, name, value = parse(b'{"d":' + unb64u(text) + b"}")["d"]
            need(
                len(unb64u(salt)) >= 16 and name not in opened and name not in VISIBLE and digest(text) in claims["_sd"],
                "disclosure",
            )
            opened[name] = value
        need(len({digest(text) for text in disclosures}) == len(disclosures), "repeated")
        return opened

    def receipt(self, token: str, claims: dict[str, Any]) -> str:
        """SPEC 5.3. (This one keeps no log; the leaf is that of a note saying so.)"""
        said = {
            "iss": self.node, "aud": claims["iss"], "jti": uuid7(self.now * 1000), "iat": self.now, "re": claims["jti"],
            "dig": {"alg": "sha-256", "val": digest(token), "of": "message"}, "status": "accepted", "trust": 1,
            "log": {"origin": f"{self.node}/paradero-log", "leaf": b64u(sha256(b"\0no log").digest())},
        }  # fmt: skip
        need(valid(said, "receipt"), "receipt")
        return sign(said, "paradero-receipt+jwt", self.sig)

    async def receive(self, envelopes: list[bytes]) -> list[str]:
        """The inbox: opens, verifies, keeps, answers each with a signed receipt."""
        results = []
        for envelope in envelopes:
            token = self.open(envelope.decode())
            claims = self.accept(token)
            self.received.append(claims)
            results.append(self.receipt(token, claims))
        return results
