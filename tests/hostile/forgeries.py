"""Envelopes nobody should believe, made by a member with valid keys and other software (tests.foreign), or by nobody at all."""

import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from contracts.codec import decode_model
from contracts.ids import NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.register import MemberEntry
from gateway.exchange.judging import Authenticated, judge
from keys import ed25519
from keys.bundles import register_files
from keys.register import ceremony
from keys.register.ceremony import stage_keyset, stage_member
from tests.foreign import register as theirs
from tests.foreign.basics import b64u, sign, unb64u
from tests.foreign.node import ForeignNode, dump, new_key, public
from tests.foreign.test_exchange import MBMID, OPERATION, everything_may_travel, sample
from tests.gateway.test_exchange import table
from tests.simulator import federation as simulator
from tests.simulator.federation import simulated_federation

OTHER = "gt.conamigua"
TYP = "paradero-msg+jwt"
IDENTITY_POINT = (1).to_bytes(32, "little")
# What a re-signed message must not take over from another member's message, whoever signs it.
BINDING = {"iss", "aud", "type", "body", "v"}


@asynccontextmanager
async def world(folder, patch, databases=None):
    """MBMID as it is, with three strangers enrolled: a liar, an honest member, and one whose signing key was replaced."""
    patch.setattr(simulator, "load_template", everything_may_travel)
    async with simulated_federation(folder, MBMID, OTHER, databases=databases) as federation:
        now = federation.clock.now()
        seconds = int(now.timestamp())
        people = {name: ForeignNode(f"gt.{name}", f"https://{name}.example/x", seconds) for name in ("liar", "honest", "moved")}
        for one in people.values():
            stage_member(federation.register, decode_model(MemberEntry, dump(one.member("migrant-council"))), now=now)
            stage_keyset(federation.register, one.keyset(), now=now)
        await federation.publish(federation.custodians["registrars"][:2])
        mbmid = federation.nodes[MBMID]
        for one in people.values():
            one.register = theirs.verify_register(register_files(mbmid.trust.client.mirror), seconds)
        yield SimpleNamespace(federation=federation, node=mbmid, **people)


async def replace_signing_key(world):
    """The third stranger's key is taken out of its keyset; the old one still verifies what it signed before."""
    moved = world.moved
    old, moved.sig = moved.sig, renamed(new_key(moved.node, "sig"), f"{moved.node}#sig-2")
    stage_keyset(world.federation.register, moved.keyset(seq=2), now=world.federation.clock.now())
    await world.federation.publish()
    return old


def renamed(key, kid):
    return type(key).import_key({**key.as_dict(private=True), "kid": kid})


async def stored(node) -> int:
    """How many messages the database holds: the only witness that counts."""
    return (await table(node, "SELECT count(*) FROM inbox"))[0][0] + (await table(node, "SELECT count(*) FROM seen"))[0][0]


def outcome(envelope: bytes, node) -> str:
    """What the numbered list says of an envelope: `accepted`, or the code of its refusal."""
    verdict = judge(envelope, node.capabilities, node.capabilities.clock.now())
    if isinstance(verdict, Authenticated) and verdict.error is None:
        return "accepted"
    return verdict.error.code.value


# -- valid to begin with ---------------------------------------------------------------------------------------------


def ping(stranger, **changes):
    return stranger.message(MBMID, "ping", {"probe": "health"}, **OPERATION) | changes


def valid_messages(stranger, number: int) -> list[dict]:
    """One message each of `number` types, with and without records."""
    kinds = sorted(MESSAGE_TYPES)
    return [sample(stranger, kind) for kind in kinds[: number - 2]] + [ping(stranger), ping(stranger)]


def seal(stranger, token: str) -> bytes:
    return stranger.sealed(token, MBMID).encode()


# -- bits ------------------------------------------------------------------------------------------------------------


def flips(data: bytes, bits) -> Iterator[bytes]:
    """`data` with one bit turned, for each of `bits`."""
    spoilt = bytearray(data)
    for bit in bits:
        spoilt[bit // 8] ^= 1 << bit % 8
        yield bytes(spoilt)
        spoilt[bit // 8] ^= 1 << bit % 8


def some_bits(data: bytes, count: int, rng: random.Random):
    total = len(data) * 8
    return range(total) if count >= total else rng.sample(range(total), count)


# -- swaps -----------------------------------------------------------------------------------------------------------


def swapped_envelopes(one: bytes, other: bytes) -> Iterator[tuple[str, bytes]]:
    """Every part and every header member of one envelope put into another, and other spellings of the whole."""
    a, b = one.decode().split("."), other.decode().split(".")
    for place, name in enumerate(("header", "key", "iv", "ciphertext", "tag")):
        yield f"the other's {name}", ".".join([*a[:place], b[place], *a[place + 1 :]]).encode()
    ours, others = json.loads(unb64u(a[0])), json.loads(unb64u(b[0]))
    for name in ours:
        for what, header in {
            "the other's": ours | {name: others[name]},
            "no": {key: value for key, value in ours.items() if key != name},
            "empty": ours | {name: ""},
            "a number for": ours | {name: 1},
        }.items():
            if header != ours:
                yield f"{what} {name}", ".".join([b64u(dump(header)), *a[1:]]).encode()
    for extra in ({"crit": ["x"], "x": 1}, {"zip": "DEF"}, {"jku": "https://x.example"}, {"alg": "dir"}, {"enc": "A128GCM"}):
        yield f"header {extra}", ".".join([b64u(dump(ours | extra)), *a[1:]]).encode()
    yield "header spelled otherwise", ".".join([b64u(json.dumps(ours).encode()), *a[1:]]).encode()
    yield from ((f"{len(cut)} parts", ".".join(cut).encode()) for cut in (a[:4], a[:1], [*a, ""], [*a, a[4]]))
    yield "padded", one + b"="
    yield "a newline", one + b"\n"


def swapped_tokens(one: str, other: str) -> Iterator[tuple[str, str]]:
    """Every part, header member and claim of one signed message put into another, without a new signature."""
    a, b = one.split("."), other.split(".")
    for place, name in enumerate(("header", "payload", "signature")):
        yield f"the other's {name}", ".".join([*a[:place], b[place], *a[place + 1 :]])
    for place, part in ((0, "header"), (1, "claim")):
        ours, others = json.loads(unb64u(a[place])), json.loads(unb64u(b[place]))
        for name in {*ours, *others}:
            mixed = ours | {name: others[name]} if name in others else {k: v for k, v in ours.items() if k != name}
            if mixed != ours:
                yield f"the other's {part} {name}", ".".join([*a[:place], b64u(dump(mixed)), *a[place + 1 :]])


def swapped_claims(mine: dict, theirs_: dict) -> Iterator[tuple[str, dict]]:
    """Claims of another member's message in ours, to be signed anew with our own, valid key."""
    for name in {*mine, *theirs_}:
        mixed = mine | {name: theirs_[name]} if name in theirs_ else {k: v for k, v in mine.items() if k != name}
        if mixed != mine:
            yield name, mixed


# -- one class of lie each -------------------------------------------------------------------------------------------


def token(header: dict, payload: bytes, signer: Callable[[bytes], bytes]) -> str:
    signing_input = f"{b64u(dump(header))}.{b64u(payload)}"
    return f"{signing_input}.{b64u(signer(signing_input.encode()))}"


def without_a_key(data: bytes, seed: bytes = bytes(32)) -> bytes:
    """What verifies under the identity point for every message: S·B = R, and k times nothing is nothing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    clamped = bytearray(hashlib.sha512(seed).digest()[:32])
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    scalar = int.from_bytes(clamped, "little") % ed25519._ORDER
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() + scalar.to_bytes(32, "little")


def lies(world, old_key) -> dict[str, bytes]:
    """One envelope for each class of what R3 says is never stored. All are sealed to the node, properly."""
    liar, honest = world.liar, world.honest
    kid, own = f"{liar.node}#sig-1", liar.sig.private_key.sign
    head = {"alg": "Ed25519", "kid": kid, "typ": TYP}
    secret = unb64u(public(liar.sig)["x"])
    plain = dump(ping(liar))
    true = liar.signed(ping(liar))
    elsewhere = ForeignNode(honest.node, honest.endpoint, honest.now, register=honest.register)  # another federation's namesake
    nobody = ForeignNode("gt.nadie", "https://nadie.example/x", liar.now, register=liar.register)
    now = liar.now
    tokens = {
        "unsigned, alg none": token(head | {"alg": "none"}, plain, lambda _: b""),
        "alg none, a signature for show": token(head | {"alg": "none"}, plain, lambda _: bytes(64)),
        "HS256 with the public key": token(
            head | {"alg": "HS256"}, plain, lambda data: hmac.digest(secret, data, hashlib.sha256)
        ),
        "HS512 with the public key": token(
            head | {"alg": "HS512"}, plain, lambda data: hmac.digest(secret, data, hashlib.sha512)
        ),
        "alg EdDSA": token(head | {"alg": "EdDSA"}, plain, own),
        "an unknown crit": token(head | {"crit": ["exp"]}, plain, own),
        "its own key in the header": token(head | {"jwk": public(liar.sig)}, plain, own),
        "another typ": token(head | {"typ": "JWT"}, plain, own),
        "a receipt": sign(plain, "paradero-receipt+jwt", liar.sig),
        "a record": liar.record(MBMID, "missing-person", {"sex": "female"}, ["operate"]),
        "a keyset": liar.keyset(),
        "no kid": token({"alg": "Ed25519", "typ": TYP}, plain, own),
        "the kid of its log key": token(head | {"kid": f"{liar.node}#log-1"}, plain, liar.log.private_key.sign),
        "the kid of its identity": token(head | {"kid": f"{liar.node}#id-1"}, plain, liar.identity.private_key.sign),
        "another member's kid": token(head | {"kid": f"{honest.node}#sig-1"}, dump(ping(honest)), own),
        "in another member's name": token(head, dump(ping(honest)), own),
        "a namesake in another federation": elsewhere.signed(ping(elsewhere)),
        "a key nobody vouches for": nobody.signed(ping(nobody)),
        "a key that was replaced": sign(dump(ping(world.moved)), TYP, old_key),
        "a key of small order": token(head | {"kid": "gt.weak#sig-1"}, dump(ping(liar, iss="gt.weak")), without_a_key),
        "to another node": sign(dump(ping(honest, aud=OTHER)), TYP, honest.sig),
        "to another node, from the liar": sign(dump(ping(liar, aud=OTHER)), TYP, liar.sig),
        "expired": sign(dump(ping(liar, iat=now - 9000, exp=now - 301)), TYP, liar.sig),
        "expired a year ago": sign(dump(ping(liar, iat=now - 366 * 86400, exp=now - 365 * 86400)), TYP, liar.sig),
        "from the future": sign(dump(ping(liar, iat=now + 86_400, exp=now + 90_000)), TYP, liar.sig),
        "valid for ten years": sign(dump(ping(liar, exp=now + 3650 * 86400)), TYP, liar.sig),
        "another version": sign(dump(ping(liar, v=2)), TYP, liar.sig),
        "an unknown type": sign(dump(ping(liar, type="ping.twice")), TYP, liar.sig),
        "for another purpose": sign(dump(ping(liar, purpose="locate-missing")), TYP, liar.sig),
        "an unknown member": sign(dump(ping(liar, x=1)), TYP, liar.sig),
        "an exercise": sign(dump(ping(liar, mode="exercise")), TYP, liar.sig),
        "a claim twice": sign(b'{"iss":"gt.honest",' + plain[1:], TYP, liar.sig),
        "a number that is a float": sign(plain.replace(b'"v":1', b'"v":1.0'), TYP, liar.sig),
        "padded by a stranger": true + "=",
        "a JWS in a JWS": sign(true.encode(), TYP, liar.sig),
    }
    made = {name: seal(liar, text) for name, text in tokens.items()}
    made["not sealed at all"] = true.encode()
    made["sealed to another node"] = liar.sealed(true, OTHER).encode()
    made["sealed to another, our kid on it"] = relabelled(liar, true).encode()
    made["sealed twice"] = seal(liar, liar.sealed(true, MBMID))
    return made


def relabelled(liar, text: str) -> str:
    from tests.foreign.node import seal as seal_to

    return seal_to(text, liar.key_of(OTHER, "enc") | {"kid": f"{MBMID}#enc-1"})


class WeakKey:
    """A signing key whose public half is the neutral point: everything is signed with it."""

    def __init__(self, kid: str) -> None:
        self._jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "use": "sig", "kid": kid, "x": b64u(IDENTITY_POINT)}

    def as_dict(self, *, private: bool) -> dict:
        return self._jwk


async def enrol_weak_key(world) -> None:
    """The register comes to carry a keyset with that key, as registrars without our checks would publish it."""
    federation, now = world.federation, world.federation.clock.now()
    weak = ForeignNode("gt.weak", "https://weak.example/x", int(now.timestamp()))
    weak.sig = WeakKey("gt.weak#sig-1")
    stage_member(federation.register, decode_model(MemberEntry, dump(weak.member("migrant-council"))), now=now)
    keysets = ceremony._keysets(federation.register)
    more = {**keysets.keysets, NodeId(weak.node): weak.keyset()}
    ceremony._stage_keysets(federation.register, more, keysets.self_suspensions, now)
    await federation.publish(federation.custodians["registrars"][:2])


def tally(results: Counter) -> dict[str, int]:
    return {f"refused: {code}": number for code, number in sorted(results.items()) if code != "accepted"}
