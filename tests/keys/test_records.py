"""Our record profile under attack. Every token is signed properly: only the verifier's rules stand in the way.

The tables of `test_sd_jwt.py` say what no SD-JWT may be; these say what no record may be, and that each failure is the
one typed error whatever the shape of the attack.
"""

import json
from datetime import UTC, datetime

import pytest
from jwcrypto.jwk import JWK
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

from contracts.codec import b64u_encode
from contracts.errors import RecordInvalidError, SenderUnknownError
from contracts.ids import KeyId, NodeId, RecordId
from keys import records
from keys.jose import sign_jws
from keys.model import SigningKey, generate_node_keys
from keys.records import DIGESTS, RecordClaims, _digest, issue_record, present, verify_record, verify_sd_jwt
from keys.sealing import RECORD_TYP, Opener

KEY = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
PRIVATE = JWK(kty="OKP", crv="Ed25519", x=KEY.public.jwk()["x"], d=b64u_encode(KEY.seed))
PUBLIC = JWK(kty="OKP", crv="Ed25519", x=KEY.public.jwk()["x"])
NOW = 1_764_000_000
HOLDER = KeyId("gt.igm.mbmid#sig-1")
VISIBLE = {
    "iss": "gt.minex",
    "vct": "urn:paradero:rec:missing-person:1",
    "jti": "01990000-0000-7000-8000-000000000001",
    "iat": NOW,
    "exp": NOW + 1000,
    "cnf": {"kid": str(HOLDER)},
    "use": {"purposes": ["locate-missing"], "hops": 1, "retain_until": NOW + 1000},
}


def find(_kid):
    return KEY.public


def disclosure(*parts):
    return b64u_encode(json.dumps(list(parts)).encode())


def digests(*disclosures, count=DIGESTS):
    return [_digest(item) for item in disclosures] + [_digest(f"decoy-{n}") for n in range(count - len(disclosures))]


def record(*disclosures, sd=None, without=(), **changes):
    """A record, signed as it should be, with whatever is wrong with it."""
    payload = VISIBLE | {"_sd": digests(*disclosures) if sd is None else sd, "_sd_alg": "sha-256"} | changes
    payload = {name: value for name, value in payload.items() if name not in without}
    return "~".join((sign_jws(json.dumps(payload).encode(), KEY, typ=RECORD_TYP), *disclosures, ""))


def use(**changes):
    return VISIBLE["use"] | changes


A = disclosure("c2FsdA", "given_names", "Ficticia")
INNER = disclosure("c2FsdDI", "kind", "tattoo")
OUTER = disclosure("c2FsdDM", "marks", {"_sd": [_digest(INNER)]})
ELEMENT = disclosure("c2FsdDQ", "mariposa")
LISTED = disclosure("c2FsdDU", "marks", [{"...": _digest(ELEMENT)}])


def chain(length):
    """Disclosures each of which holds the digest of the one before it."""
    made = [disclosure("c2FsdA", "leaf", 1)]
    for number in range(length - 1):
        made.append(disclosure("c2FsdA", f"n{number}", {"_sd": [_digest(made[-1])]}))
    return made


REFUSED = {
    "47 digests": record(A, sd=digests(A, count=47)),
    "49 digests": record(A, sd=digests(A, count=49)),
    "no digests": record(A, without=("_sd",)),
    "digests that are no list": record(sd={"0": _digest(A)}),
    "a digest that is a number": record(sd=[*digests(count=47), 7]),
    "a digest that is a list": record(sd=[*digests(count=47), ["x"]]),
    "a digest that is null": record(sd=[*digests(count=47), None]),
    "a digest twice": record(sd=[*digests(A, count=47), _digest(A)]),
    "no digest algorithm": record(A, without=("_sd_alg",)),
    "another digest algorithm": record(A, _sd_alg="sha-512"),
    "a digest algorithm that is a list": record(A, _sd_alg=["sha-256"]),
    "a claim in the open": record(A, given_names="Ficticia"),
    "a member missing": record(A, without=("use",)),
    "digests inside a visible member": record(A, cnf={"kid": str(HOLDER), "_sd": []}),
    "a disclosure inside a value": record(OUTER, INNER, sd=digests(OUTER)),
    "a digest inside a value that nobody opens": record(OUTER),
    "an array element disclosed apart": record(LISTED, ELEMENT, sd=digests(LISTED)),
    "an array digest that nobody opens": record(LISTED),
    "an element among the digests": record(ELEMENT),
    "a claim named as a visible one": record(disclosure("c2FsdA", "iss", "gt.pgn")),
    "a claim named _sd_alg": record(disclosure("c2FsdA", "_sd_alg", "sha-256")),
    "two claims of one name": record(A, disclosure("c2FsdB", "given_names", "Otra")),
    "a chain of disclosures": record(*chain(512), sd=digests(chain(512)[-1])),
    "more disclosures than may be": record(*[disclosure("c2FsdA", f"n{n}", 1) for n in range(513)], sd=digests()),
    "another issuer than the signer": record(A, iss="gt.pgn"),
    "an issuer that is no node": record(A, iss="../etc"),
    "an issuer that is a number": record(A, iss=1),
    "an id that is none": record(A, jti="1"),
    "no holder": record(A, cnf={}),
    "a holder that is no key": record(A, cnf={"kid": "gt.minex"}),
    "a holder by value": record(A, cnf={"jwk": KEY.public.jwk()}),
    "a holder that is text": record(A, cnf="kid"),
    "a holder that is null": record(A, cnf=None),
    "a holder that is a list": record(A, cnf=["kid"]),
    "a type of another federation": record(A, vct="urn:fgw:rec:missing-person:1"),
    "a type of another version": record(A, vct="urn:paradero:rec:missing-person:2"),
    "a type without a name": record(A, vct="urn:paradero:rec::1"),
    "a type that is only ends": record(A, vct="urn:paradero:rec:1"),
    "a type that is no word": record(A, vct="urn:paradero:rec:Missing Person:1"),
    "a type that is a number": record(A, vct=1),
    "times that are text": record(A, iat=str(NOW)),
    "times that are true": record(A, iat=True),
    "issued before 1970": record(A, iat=-1),
    "expired before it was issued": record(A, exp=NOW - 1),
    "expired when it was issued": record(A, exp=NOW),
    "kept until before it was issued": record(A, use=use(retain_until=NOW - 1)),
    "kept until null": record(A, use=use(retain_until=None)),
    "two hops": record(A, use=use(hops=2)),
    "no hops": record(A, use=use(hops=0)),
    "hops that are true": record(A, use=use(hops=True)),
    "hops that are text": record(A, use=use(hops="1")),
    "purposes that are text": record(A, use=use(purposes="locate")),
    "purposes that are an object": record(A, use=use(purposes={"locate-missing": 1})),
    "a purpose that is a number": record(A, use=use(purposes=[1])),
    "a purpose that is no code": record(A, use=use(purposes=["Any Purpose!"])),
    "a purpose disclosed apart": record(A, use=use(purposes=[{"...": _digest(ELEMENT)}])),
    "use with more to it": record(A, use=use(onward="any")),
    "use that is a list": record(A, use=["purposes", "hops", "retain_until"]),
    "nothing": "",
    "tildes alone": "~~~",
    "a NUL": record(A) + "\0",
    "text beyond ASCII": record(A).replace("~", "~é", 1),
    "a lone surrogate": "\ud800~",
    "a JSON serialisation": json.dumps({"payload": "e30", "signature": "AA", "disclosures": []}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(RecordInvalidError):
        verify_record(REFUSED[name], typ=RECORD_TYP, find=find)


def test_control_the_same_tokens_without_the_wrong_are_records():
    """The table refuses for what it names: the token it changes is good."""
    assert verify_record(record(A), typ=RECORD_TYP, find=find).claims == {"given_names": "Ficticia"}
    assert verify_record(record(), typ=RECORD_TYP, find=find).claims == {}
    structured = disclosure("c2FsdDM", "marks", [{"kind": "tattoo", "where": ["shoulder"]}])
    assert verify_record(record(structured), typ=RECORD_TYP, find=find).claims["marks"][0]["kind"] == "tattoo"


def test_control_the_general_verifier_takes_what_only_the_profile_refuses():
    """Nested digests are good SD-JWT: the profile's own rule refuses them, no accident of the crafting."""
    assert verify_sd_jwt(REFUSED["a disclosure inside a value"], typ=RECORD_TYP, find=find)["marks"] == {"kind": "tattoo"}
    assert verify_sd_jwt(REFUSED["an array element disclosed apart"], typ=RECORD_TYP, find=find)["marks"] == ["mariposa"]
    assert verify_sd_jwt(REFUSED["an array digest that nobody opens"], typ=RECORD_TYP, find=find)["marks"] == []


@pytest.mark.parametrize("length", [17, 100, 512])
def test_disclosures_that_nest_too_deep_are_a_typed_refusal_of_the_general_verifier_too(length):
    made = chain(length)
    text = "~".join((sign_jws(json.dumps({"_sd": [_digest(made[-1])]}).encode(), KEY, typ="t"), *made, ""))
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(text, typ="t", find=find)


def test_disclosures_nest_as_deep_as_an_object_may():
    made = chain(16)
    text = "~".join((sign_jws(json.dumps({"_sd": [_digest(made[-1])]}).encode(), KEY, typ="t"), *made, ""))
    assert "leaf" in json.dumps(verify_sd_jwt(text, typ="t", find=find))


def test_control_without_the_bound_a_chain_ends_in_no_typed_error(monkeypatch):
    monkeypatch.setattr(records, "MAX_DEPTH", 1_000_000)
    made = chain(512)
    text = "~".join((sign_jws(json.dumps({"_sd": [_digest(made[-1])]}).encode(), KEY, typ="t"), *made, ""))
    with pytest.raises(RecursionError):
        verify_sd_jwt(text, typ="t", find=find)


class Trust:
    """What an Opener asks of the register: keys, by id."""

    def __init__(self, *keys):
        self._keys = {key.kid: key for key in keys}

    def signer(self, kid):
        try:
            return self._keys[kid]
        except KeyError:
            raise SenderUnknownError("not in the register") from None


US = NodeId("gt.igm.mbmid")
OPENER = Opener(generate_node_keys(US), lambda: Trust(KEY.public))


def opened(text, *, at=NOW + 1, sender="gt.minex"):
    return OPENER.verify_record(text, sender=NodeId(sender), at=datetime.fromtimestamp(at, UTC))


def test_a_record_holds_from_its_issue_to_its_expiry_and_no_longer():
    for good in (NOW - 300, NOW, NOW + 999):
        assert opened(record(A), at=good).claims
    for bad in (NOW - 301, NOW + 1000, NOW + 10**6):
        with pytest.raises(RecordInvalidError):
            opened(record(A), at=bad)


def test_a_record_is_for_its_holder_from_its_issuer_alone():
    with pytest.raises(RecordInvalidError):
        opened(record(A, cnf={"kid": "gt.pgn#sig-1"}))
    with pytest.raises(RecordInvalidError):
        opened(record(A), sender="gt.pgn")  # forwarded: hop limit 1


def test_a_record_signed_by_an_unknown_key_can_be_tried_again_and_one_by_a_key_for_another_use_cannot():
    stranger = SigningKey(KeyId("gt.minex#sig-9"), bytes(32))
    text = "~".join((sign_jws(b"{}", stranger, typ=RECORD_TYP), ""))
    with pytest.raises(SenderUnknownError):
        opened(text)
    for use_of_key in ("id", "log", "enc"):
        other = SigningKey(KeyId(f"gt.minex#{use_of_key}-1"), bytes(32))
        with pytest.raises(RecordInvalidError):
            opened("~".join((sign_jws(b"{}", other, typ=RECORD_TYP), "")))


# Wire study 11.3, row by row, with what the reference library of that day does: the control that each crafted token is
# one a lenient verifier believes.
def lenient_only(payload, *disclosures, header=None, tail=""):
    head = json.dumps(header or {"alg": "Ed25519", "kid": str(KEY.kid), "typ": RECORD_TYP}).encode()
    signing_input = f"{b64u_encode(head)}.{b64u_encode(json.dumps(payload).encode() if isinstance(payload, dict) else payload)}"
    return "~".join((f"{signing_input}.{b64u_encode(KEY.sign(signing_input.encode()))}", *disclosures, tail))


def not_canonical(text):
    """The same bytes in another spelling: one of the unused bits of the signature's last character set."""
    token, _, rest = text.partition("~")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return f"{token[:-1]}{alphabet[alphabet.index(token[-1]) ^ 1]}~{rest}"


SD = {"iss": "gt.minex", "_sd_alg": "sha-256", "_sd": [_digest(A)]}
NAMED_SD, NAMED_DOTS = disclosure("s", "_sd", 1), disclosure("s", "...", 1)
NUMBER_SALT = disclosure(1, "given_names", "Ficticia")
TWICE = b64u_encode(b'["s","o",{"a":1,"a":2}]')
SIBLING = disclosure("s", "GT")
DEEP = b64u_encode(b'["s","n",' + b"[" * 5000 + b"]" * 5000 + b"]")
B = disclosure("c2FsdB", "given_names", "Otra")
ROWS = {
    "unreferenced disclosure": (lenient_only(SD, A, INNER), "accepts"),
    "altered disclosure": (lenient_only(SD, B), "accepts"),
    "claim named _sd": (lenient_only(SD | {"_sd": [_digest(NAMED_SD)]}, NAMED_SD), "accepts"),
    "claim named ...": (lenient_only(SD | {"_sd": [_digest(NAMED_DOTS)]}, NAMED_DOTS), "accepts"),
    "array digest with a sibling": (lenient_only(SD | {"list": [{"...": _digest(SIBLING), "x": 1}]}, A, SIBLING), "accepts"),
    "wrong typ": (lenient_only(SD, A, header={"alg": "Ed25519", "kid": str(KEY.kid), "typ": "dc+sd-jwt"}), "accepts"),
    "_sd is no list": (lenient_only(SD | {"_sd": ""}), "accepts"),
    "no final tilde": (lenient_only(SD, A)[:-1], "accepts"),
    "duplicate member": (lenient_only(SD | {"_sd": [_digest(TWICE)]}, TWICE), "accepts"),
    "duplicate member in the payload": (lenient_only(b'{"iss":"a","iss":"b","_sd":[],"_sd_alg":"sha-256"}'), "accepts"),
    "signature in base64 that is not canonical": (not_canonical(lenient_only(SD, A)), "accepts"),
    "salt that is no text": (lenient_only(SD | {"_sd": [_digest(NUMBER_SALT)]}, NUMBER_SALT), "accepts"),
    "nesting 5,000 deep": (lenient_only(SD | {"_sd": [_digest(DEEP)]}, DEEP), "breaks"),
    "repeated digest": (lenient_only(SD | {"_sd": [_digest(A), _digest(A)]}, A), "refuses"),
    "repeated disclosure": (lenient_only(SD, A, A), "refuses"),
    "collision": (lenient_only(SD | {"given_names": "x"}, A), "refuses"),
    "four parts": (lenient_only(SD | {"_sd": [_digest(disclosure("s", "a", 1, 2))]}, disclosure("s", "a", 1, 2)), "refuses"),
    "one part": (lenient_only(SD | {"_sd": [_digest(disclosure("s"))]}, disclosure("s")), "refuses"),
    "alg none": (lenient_only(SD, A, header={"alg": "none", "kid": str(KEY.kid), "typ": RECORD_TYP}), "refuses"),
    "alg HS256": (lenient_only(SD, A, header={"alg": "HS256", "kid": str(KEY.kid), "typ": RECORD_TYP}), "refuses"),
    "crit": (
        lenient_only(SD, A, header={"alg": "Ed25519", "kid": str(KEY.kid), "typ": RECORD_TYP, "crit": ["x"], "x": 1}),
        "refuses",
    ),
}


def library_verdict(text):
    try:
        SDJWTVerifier(text, lambda *_: PUBLIC).get_verified_payload()
    except RecursionError:
        return "breaks"
    except Exception:
        return "refuses"
    return "accepts"


@pytest.mark.parametrize("row", ROWS)
def test_wire_11_3(row):
    text, library = ROWS[row]
    assert library_verdict(text) == library
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(text, typ=RECORD_TYP, find=find)
    with pytest.raises(RecordInvalidError):
        verify_record(text, typ=RECORD_TYP, find=find)


def test_wire_11_3_expired_is_refused_one_layer_up_where_the_clock_is():
    expired = record(A, iat=NOW - 2000, exp=NOW - 1000, use=use(retain_until=NOW - 1000))
    assert library_verdict(expired) == "accepts"
    with pytest.raises(RecordInvalidError):
        opened(expired, at=NOW)


def claims_visible():
    return RecordClaims(
        issuer=NodeId("gt.minex"),
        record_type="missing-person",
        record_id=RecordId(VISIBLE["jti"]),
        issued_at=NOW,
        expires_at=NOW + 1000,
        holder=HOLDER,
        purposes=("locate-missing",),
        retain_until=NOW + 1000,
    )


def test_what_the_reference_library_issues_and_presents_verifies_here():
    claims = {"iss": "gt.minex", SDObj("given"): "Ficticia", "list": [SDObj("a"), "b"], "o": {SDObj("deep"): {SDObj("er"): 1}}}
    headers = {"kid": str(KEY.kid), "typ": RECORD_TYP}
    issued = SDJWTIssuer(claims, PRIVATE, None, sign_alg="Ed25519", extra_header_parameters=headers).sd_jwt_issuance
    assert verify_sd_jwt(issued, typ=RECORD_TYP, find=find) == {
        "iss": "gt.minex",
        "given": "Ficticia",
        "list": ["a", "b"],
        "o": {"deep": {"er": 1}},
    }
    holder = SDJWTHolder(issued)
    holder.create_presentation({"given": True, "list": [False], "o": {"deep": True}})
    shown = verify_sd_jwt(holder.sd_jwt_presentation, typ=RECORD_TYP, find=find)
    assert shown == {"iss": "gt.minex", "given": "Ficticia", "list": ["b"], "o": {"deep": {}}}


def test_what_we_issue_and_present_verifies_in_the_reference_library():
    claims = {"given_names": "Ficticia", "marks": [{"kind": "tattoo"}], "birth_year": 1998}
    issued = issue_record(claims, visible=claims_visible(), key=KEY, typ=RECORD_TYP)
    for text, expected in ((issued, claims), (present(issued, ["marks"]), {"marks": claims["marks"]})):
        theirs = SDJWTVerifier(text, lambda *_: PUBLIC).get_verified_payload()
        assert {name: value for name, value in theirs.items() if name not in VISIBLE} == expected
        assert {name: value for name, value in theirs.items() if name in VISIBLE} == VISIBLE
        assert verify_record(text, typ=RECORD_TYP, find=find).claims == expected


@pytest.mark.parametrize("text", ["", "x", "~x", "a.b.c", "a~b"])
def test_only_an_sd_jwt_can_be_presented(text):
    with pytest.raises(RecordInvalidError):
        present(text, ["a"])
