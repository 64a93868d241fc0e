"""Strict SD-JWT: what no SD-JWT may be, in one table. Our profile: `test_records.py`; examples: `test_rfc9901.py`.

Crafted tokens are signed properly: only the verifier's rules stand between them and acceptance.
"""

import json

import pytest

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import RecordInvalidError
from contracts.ids import KeyId, NodeId, RecordId
from keys.jose import sign_jws
from keys.model import SigningKey
from keys.records import RecordClaims, _digest, issue_record, present, verify_record, verify_sd_jwt

KEY = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
TYP = "paradero-rec+sd-jwt"


def find(_kid):
    return KEY.public


def disclosure(*parts):
    return b64u_encode(json.dumps(list(parts)).encode())


def token(payload, *disclosures, typ=TYP, tail=""):
    return "~".join((sign_jws(json.dumps(payload).encode(), KEY, typ=typ), *disclosures, tail))


A, B = disclosure("c2FsdA", "given", "Ficticia"), disclosure("c2FsdDI", "city", "Sololá")
BASE = {"iss": "x", "_sd_alg": "sha-256"}


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


VALID = {
    "one claim": (token(BASE | {"_sd": [_digest(A)]}, A), {"iss": "x", "given": "Ficticia"}),
    "a digest nobody opens is a decoy": (token(BASE | {"_sd": [_digest(A), _digest(B)]}, A), {"iss": "x", "given": "Ficticia"}),
    "nested": (token(BASE | {"address": {"_sd": [_digest(B)]}}, B), {"iss": "x", "address": {"city": "Sololá"}}),
}
E1 = disclosure("s", "element")
REFUSED = {
    "a disclosure nothing refers to": token(BASE | {"_sd": [_digest(A)]}, A, B),
    "an altered disclosure": token(BASE | {"_sd": [_digest(A)]}, disclosure("c2FsdA", "given", "Otra")),
    "a claim named _sd": token(BASE | {"_sd": [_digest(disclosure("s", "_sd", []))]}, disclosure("s", "_sd", [])),
    "a claim named ...": token(BASE | {"_sd": [_digest(disclosure("s", "...", 1))]}, disclosure("s", "...", 1)),
    "an array digest with a sibling": token(BASE | {"list": [{"...": _digest(E1), "x": 1}]}, E1),
    "... as a claim of the payload": token(BASE | {"...": 1, "_sd": [_digest(A)]}, A),
    "another typ": token(BASE | {"_sd": [_digest(A)]}, A, typ="dc+sd-jwt"),
    "_sd is no list": token(BASE | {"_sd": _digest(A)}, A),
    "no final tilde": "~".join((sign_jws(json.dumps(BASE | {"_sd": [_digest(A)]}).encode(), KEY, typ=TYP), A)),
    "a key binding where none is spoken": token(BASE | {"_sd": [_digest(A)]}, A, tail="eyJ.eyJ.x"),
    "a member twice in a disclosure": token(
        BASE | {"_sd": [_digest(b64u_encode(b'["s","o",{"a":1,"a":2}]'))]}, b64u_encode(b'["s","o",{"a":1,"a":2}]')
    ),
    "a member twice in the payload": "~".join((sign_jws(b'{"iss":"x","iss":"y","_sd":[]}', KEY, typ=TYP), "")),
    "a salt that is no text": token(BASE | {"_sd": [_digest(disclosure(1, "given", "x"))]}, disclosure(1, "given", "x")),
    "nesting five thousand deep": token(BASE | {"_sd": []}, b64u_encode(b'["s","n",' + b"[" * 5000 + b"]" * 5000 + b"]")),
    "a digest twice": token(BASE | {"_sd": [_digest(A), _digest(A)]}, A),
    "a digest in two places": token(BASE | {"_sd": [_digest(A)], "o": {"_sd": [_digest(A)]}}, A),
    "a disclosure twice": token(BASE | {"_sd": [_digest(A)]}, A, A),
    "a claim that is there already": token(BASE | {"given": "y", "_sd": [_digest(A)]}, A),
    "four parts": token(BASE | {"_sd": [_digest(disclosure("s", "a", 1, 2))]}, disclosure("s", "a", 1, 2)),
    "one part": token(BASE | {"_sd": [_digest(disclosure("s"))]}, disclosure("s")),
    "an element as a claim": token(BASE | {"_sd": [_digest(E1)]}, E1),
    "a claim as an element": token(BASE | {"list": [{"...": _digest(A)}]}, A),
    "another digest algorithm": token({"iss": "x", "_sd_alg": "md5", "_sd": [_digest(A)]}, A),
    "a disclosure in padded base64": token(BASE | {"_sd": [_digest(A + "=")]}, A + "="),
    "a disclosure that is an object": token(BASE | {"_sd": [_digest(b64u_encode(b'{"a":1}'))]}, b64u_encode(b'{"a":1}')),
    "a disclosure with a second value": token(
        BASE | {"_sd": [_digest(b64u_encode(b'["s","a",1],"e":2'))]}, b64u_encode(b'["s","a",1],"e":2')
    ),
    "a float": token(BASE | {"_sd": [_digest(disclosure("s", "a", 1.5))]}, disclosure("s", "a", 1.5)),
    "a signature of somebody else": sign_jws(json.dumps(BASE | {"_sd": []}).encode(), SigningKey(KEY.kid, bytes(32)), typ=TYP)
    + "~",
}


@pytest.mark.parametrize("name", VALID)
def test_valid(name):
    text, claims = VALID[name]
    assert verify_sd_jwt(text, typ=TYP, find=find) == claims


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(REFUSED[name], typ=TYP, find=find)


def test_control_without_the_check_a_disclosure_nothing_refers_to_would_pass(monkeypatch):
    """The planted bug: a verifier that only looks up what the payload refers to, as the reference library does."""
    text = REFUSED["a disclosure nothing refers to"]
    payload = json.loads(b64u_decode(text.split(".")[1]))
    digests = {_digest(item): item for item in text.split("~")[1:-1]}
    naive = {json.loads(b64u_decode(digests[d]))[1] for d in payload["_sd"] if d in digests}
    assert naive == {"given"}, "a lookup by digest alone sees nothing wrong"
    from sd_jwt.verifier import SDJWTVerifier as Library

    monkeypatch.setattr(Library, "_verify_sd_jwt", lambda self, *_: setattr(self, "_sd_jwt_payload", payload), raising=True)
    assert Library(text, lambda *_: None, None, None).get_verified_payload()["given"] == "Ficticia"


def test_rfc_9901_published_digest():
    """RFC 9901 section 5.1: the disclosure of `given_name` and its digest."""
    text = "WyIyR0xDNDJzS1F2ZUNmR2ZyeU5STjl3IiwgImdpdmVuX25hbWUiLCAiSm9obiJd"
    assert _digest(text) == "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4"
    assert verify_sd_jwt(token(BASE | {"_sd": [_digest(text)]}, text), typ=TYP, find=find)["given_name"] == "John"


def test_rfc_9901_nested_and_array_elements():
    """RFC 9901 sections 6.2 and 6.3 in structure: recursive disclosures and array elements."""
    inner = disclosure("s1", "country", "GT")
    outer = disclosure("s2", "address", {"_sd": [_digest(inner)]})
    element = disclosure("s3", "MX")
    payload = BASE | {"_sd": [_digest(outer)], "nationalities": [{"...": _digest(element)}, "GT", {"...": _digest("hidden")}]}
    assert verify_sd_jwt(token(payload, outer, inner, element), typ=TYP, find=find) == {
        "iss": "x",
        "address": {"country": "GT"},
        "nationalities": ["MX", "GT"],
    }
    assert verify_sd_jwt(token(payload), typ=TYP, find=find) == {"iss": "x", "nationalities": ["GT"]}


def visible(**changes):
    fields = {
        "issuer": NodeId("gt.minex"),
        "record_type": "missing-person",
        "record_id": RecordId("01990000-0000-7000-8000-000000000001"),
        "issued_at": 1_764_000_000,
        "expires_at": 1_796_000_000,
        "holder": KeyId("gt.igm.mbmid#sig-1"),
        "purposes": ("locate-missing",),
        "retain_until": 1_796_000_000,
    }
    return RecordClaims(**fields | changes)


def issue(claims, **changes):
    return issue_record(claims, visible=visible(**changes), key=KEY, typ=TYP)


def test_a_record_always_has_48_digests_and_hides_how_many_it_uses():
    for count in (1, 8, 48):
        text = issue({f"field_{number}": number for number in range(count)})
        assert len(verify_record(text, typ=TYP, find=find).claims) == count
        header_and_payload = text.split("~")[0]
        assert len(header_and_payload) == len(issue({"a": 1}).split("~")[0])
    with pytest.raises(RecordInvalidError):
        issue({f"field_{number}": number for number in range(49)})


def test_two_copies_share_nothing_that_could_join_them():
    one, two = issue({"given": "Ficticia"}), issue({"given": "Ficticia"})
    assert set(one.split("~")[1:-1]).isdisjoint(two.split("~")[1:-1])


def test_a_subset_can_be_presented_and_a_claim_cannot_be_reserved():
    text = present(issue({"a": 1, "b": 2}), ["b"])
    assert verify_record(text, typ=TYP, find=find).claims == {"b": 2}
    for name in ("_sd", "...", "iss", "exp"):
        with pytest.raises(RecordInvalidError):
            issue({name: 1})


def test_a_record_signed_by_another_than_its_issuer_is_refused():
    with pytest.raises(RecordInvalidError):
        verify_record(issue({"a": 1}, issuer=NodeId("gt.pgn")), typ=TYP, find=find)
