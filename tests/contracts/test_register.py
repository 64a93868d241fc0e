"""What the register holds (SPEC 10.2): shapes, and rules inside one file."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import b64u_encode, decode_model, encode_model
from contracts.errors import SchemaError
from contracts.ids import NodeId
from contracts.register import FederationInfo, KeysetClaims, Keysets, MemberEntry, Members, Role, Suspensions
from contracts.types import WireModel
from tests.contracts import strategies

NOON = 1_795_953_600
DAY = 86_400
KEY = b64u_encode(bytes(range(32)))
HYBRID = b64u_encode(bytes(1216))


def ed25519(kid: str) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "use": "sig", "kid": kid, "x": KEY}


def hybrid(kid: str) -> dict[str, Any]:
    return {"kty": "AKP", "alg": "HPKE-9-KE", "use": "enc", "kid": kid, "pub": HYBRID}


def member(node: str = "gt.minex", **more: Any) -> dict[str, Any]:
    return {
        "node": node, "name": "Ministerio de Relaciones Exteriores", "role": "foreign-ministry", "country": "GT",
        "status": "active", "since": NOON, "id_key": ed25519(f"{node}#id-1"), **more,
    }  # fmt: skip


def keyset(**more: Any) -> dict[str, Any]:
    return {
        "iss": "gt.minex", "seq": 1, "iat": NOON, "exp": NOON + 120 * DAY, "profile": "2026-11",
        "endpoint": "https://127.0.0.1:8443/f/abc", "mode": "push", "tls_pin": "0a" * 32,
        "suites": ["Ed25519", "HPKE-9-KE"], "keys": [ed25519("gt.minex#sig-1"), hybrid("gt.minex#enc-1")],
        "log": {"origin": "minex.example.invalid/log", "vkey": "minex.example.invalid/log+23d900a1+AZzygMvKQ0t="}, **more,
    }  # fmt: skip


def suspension(**more: Any) -> dict[str, Any]:
    entry = {"id": "s-1", "node": "gt.minex", "since": NOON, "reason": "stolen-laptop", "by": "custodio 2", "until": NOON + DAY}
    return {"suspensions": [{**entry, **more}]}


GOOD: list[tuple[type[WireModel], dict[str, Any]]] = [
    (MemberEntry, member()),
    (Members, {"members": [member(), member("gt.pgn")], "cleared": ["s-1"]}),
    (Members, {"version": 3, "members": [], "cleared": []}),
    (KeysetClaims, keyset()),
    (
        KeysetClaims,
        keyset(keys=[*keyset()["keys"], hybrid("gt.minex#enc-2")], relay="gt.pgn", mode="pull", contact="24 h: 1500"),
    ),
    (Keysets, {"keysets": {"gt.minex": "a.b.c"}, "self_suspensions": {"gt.pgn": "d.e.f"}}),
    (Suspensions, suspension()),
    (Suspensions, suspension(until=NOON + 72 * 3600)),
    (FederationInfo, {"name": "Demo", "demo": True, "preset": "start"}),
]

BAD: list[tuple[type[WireModel], dict[str, Any]]] = [
    (MemberEntry, member(id_key=ed25519("gt.pgn#id-1"))),
    (MemberEntry, member(id_key=ed25519("gt.minex#sig-1"))),
    (MemberEntry, member(id_key=hybrid("gt.minex#enc-1"))),
    (MemberEntry, member(role="president")),
    (MemberEntry, member(status="suspended")),
    (MemberEntry, member(country="gt")),
    (MemberEntry, member(extra=1)),
    *((MemberEntry, member(id_key={**ed25519("gt.minex#id-1"), **change})) for change in (
        {"alg": "EdDSA"}, {"alg": "none"}, {"kty": "EC"}, {"crv": "X25519"}, {"use": "enc"}, {"d": KEY}, {"x": KEY[:-1] + "B"},
    )),
    *((MemberEntry, member(id_key={key: value for key, value in ed25519("gt.minex#id-1").items() if key != gone}))
      for gone in ("kty", "crv", "alg", "use", "kid", "x")),
    (Members, {"members": [member(), member()]}),
    (Members, {"members": [], "cleared": ["s-1", "s-1"]}),
    (KeysetClaims, keyset(exp=NOON + 120 * DAY + 1)),
    (KeysetClaims, keyset(exp=NOON)),
    (KeysetClaims, keyset(seq=0)),
    (KeysetClaims, keyset(profile="2027-01")),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#sig-1")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#sig-1"), ed25519("gt.minex#sig-2")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#sig-1"), hybrid("gt.pgn#enc-1")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#id-1"), ed25519("gt.minex#sig-1"), hybrid("gt.minex#enc-1")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#sig-1")] * 2 + [hybrid("gt.minex#enc-1")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#enc-1"), hybrid("gt.minex#enc-2")])),
    (KeysetClaims, keyset(keys=[ed25519("gt.minex#sig-1"), {**hybrid("gt.minex#enc-1"), "pub": KEY}])),
    *((KeysetClaims, keyset(endpoint=address)) for address in (
        "http://a.example", "https://", "https://u@a.example", "https://a.example/", "https://a.example/x?y", "https://a.example/#z",
        "https://a.example/../x y", "ftp://a.example", "https://a.example\n",
    )),
    (KeysetClaims, keyset(tls_pin="0A" * 32)),
    (KeysetClaims, keyset(log={"origin": "a", "vkey": "a+b"})),
    (Keysets, {"keysets": {"GT.Ficticia": "a.b.c"}}),
    (Keysets, {"keysets": {"gt.minex": "a.b"}}),
    (Suspensions, suspension(until=NOON + 72 * 3600 + 1)),
    (Suspensions, suspension(until=NOON)),
    (Suspensions, {"suspensions": suspension()["suspensions"] * 2}),
    (FederationInfo, {"name": "Demo", "demo": 1, "preset": "start"}),
    (FederationInfo, {"name": "Demo", "demo": True, "preset": "none"}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "value"), GOOD)
def test_accepts(model: type[WireModel], value: dict[str, Any]) -> None:
    read = decode_model(model, json.dumps(value).encode())
    assert json.loads(encode_model(read)) == ({"cleared": []} | value if model is Members else value)
    assert decode_model(model, encode_model(read)) == read


@pytest.mark.parametrize(("model", "value"), BAD)
def test_refuses(model: type[WireModel], value: dict[str, Any]) -> None:
    with pytest.raises(SchemaError) as caught:
        decode_model(model, json.dumps(value).encode())
    assert "Ficticia" not in str(caught.value)


def test_every_role_is_a_word_of_the_policy() -> None:
    assert len(set(Role)) == 21
    for role in Role:
        assert role.value == role.name.lower().replace("_", "-")


def test_keys_of_read_mappings_are_identifiers() -> None:
    read = decode_model(Keysets, b'{"keysets":{"gt.minex":"a.b.c"}}')
    assert {type(node) for node in read.keysets} == {NodeId}


@settings(max_examples=60, print_blob=True, deadline=None)
@given(st.data())
def test_any_federation_survives(data: st.DataObject) -> None:
    read = data.draw(strategies.models(FederationInfo))
    assert decode_model(FederationInfo, encode_model(read)) == read
