"""JWS and JWE under attack, in tables: a token that is not exactly ours is the one typed refusal, whatever is wrong with it.

Every JWS here carries a signature that holds over its own bytes, or one an attacker can make without the key; every JWE
a content that decrypts under its own header, unless its name says otherwise.
"""

import hmac
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jws as jwcrypto_jws

from contracts.codec import b64u_encode
from contracts.errors import EnvelopeError, KeyRetiredError, SenderUnknownError, SignatureError
from contracts.ids import KeyId, NodeId
from keys.jose import _HPKE_INFO, _SUITE, MAX_TOKEN_BYTES, decrypt_jwe, encrypt_jwe, sign_jws, verify_jws
from keys.model import OpeningKey, SigningKey, generate_node_keys
from keys.sealing import ENVELOPE_TYP, MESSAGE_TYP, RECEIPT_TYP, Opener

SIG = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
OTHER = SigningKey(KeyId("gt.pgn#sig-1"), bytes([7]) * 32)
TYP = MESSAGE_TYP
PAYLOAD = b'{"iss":"gt.minex"}'
GOOD = {"alg": "Ed25519", "kid": str(SIG.kid), "typ": TYP}
REGISTER = {SIG.kid: SIG.public, OTHER.kid: OTHER.public}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def find(kid):
    try:
        return REGISTER[kid]
    except KeyError:
        raise SenderUnknownError("not in the register") from None


def head(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def signed(header, payload=PAYLOAD, *, key=SIG):
    signing_input = f"{b64u_encode(head(header))}.{b64u_encode(payload)}"
    return f"{signing_input}.{b64u_encode(key.sign(signing_input.encode()))}"


def maced(header):
    """The classic confusion: the public key, which everybody has, as the secret of an HMAC."""
    signing_input = f"{b64u_encode(head(header))}.{b64u_encode(PAYLOAD)}"
    mac = hmac.digest(SIG.public.raw, signing_input.encode(), sha256)
    return f"{signing_input}.{b64u_encode(mac)}"


def unsigned(header):
    return f"{b64u_encode(head(header))}.{b64u_encode(PAYLOAD)}."


def respelled(text):
    """The same bytes under another last character."""
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) ^ 1]


TOKEN = sign_jws(PAYLOAD, SIG, typ=TYP)
PARTS = TOKEN.split(".")
HEADER_TEXT = b'{"alg":"Ed25519","kid":"gt.minex#sig-1","typ":"paradero-msg+jwt"'
JWS = {
    "alg none, no signature": unsigned(GOOD | {"alg": "none"}),
    "alg None": unsigned(GOOD | {"alg": "None"}),
    "alg none, signature kept": signed(GOOD | {"alg": "none"}),
    "alg HS256 with the public key": maced(GOOD | {"alg": "HS256"}),
    "alg Ed25519 with an HMAC of the public key": maced(GOOD),
    "alg EdDSA": signed(GOOD | {"alg": "EdDSA"}),
    "alg ed25519": signed(GOOD | {"alg": "ed25519"}),
    "alg ES256": signed(GOOD | {"alg": "ES256"}),
    "alg ML-DSA-65": signed(GOOD | {"alg": "ML-DSA-65"}),
    "alg null": signed(GOOD | {"alg": None}),
    "alg a list": signed(GOOD | {"alg": ["Ed25519"]}),
    "alg twice": signed(HEADER_TEXT + b',"alg":"Ed25519"}'),
    "alg twice, once escaped": signed(HEADER_TEXT + b',"\\u0061lg":"none"}'),
    "kid twice": signed(HEADER_TEXT + b',"kid":"gt.pgn#sig-1"}'),
    "no alg": signed({"kid": str(SIG.kid), "typ": TYP}),
    "no kid": signed({"alg": "Ed25519", "typ": TYP}),
    "no typ": signed({"alg": "Ed25519", "kid": str(SIG.kid)}),
    "crit of nothing": signed(GOOD | {"crit": []}),
    "crit b64": signed(GOOD | {"crit": ["b64"], "b64": False}),
    "b64 false": signed(GOOD | {"b64": False}),
    "zip": signed(GOOD | {"zip": "DEF"}),
    "jku": signed(GOOD | {"jku": "https://evil.example/keys"}),
    "jwk of the attacker": signed(GOOD | {"jwk": OTHER.public.jwk()}, key=OTHER),
    "x5c": signed(GOOD | {"x5c": ["MIIB"]}),
    "x5u": signed(GOOD | {"x5u": "https://evil.example/cert"}),
    "cty": signed(GOOD | {"cty": "json"}),
    "an unknown member": signed(GOOD | {"x": 1}),
    "kid of another member": signed(GOOD | {"kid": str(OTHER.kid)}),
    "kid of a path": signed(GOOD | {"kid": "../../etc/passwd"}),
    "kid of a query": signed(GOOD | {"kid": "gt.minex#sig-1' OR '1'='1"}),
    "kid with a line end": signed(GOOD | {"kid": "gt.minex#sig-1\n"}),
    "kid a number": signed(GOOD | {"kid": 1}),
    "kid an object": signed(GOOD | {"kid": {}}),
    "kid null": signed(GOOD | {"kid": None}),
    "typ of a receipt": signed(GOOD | {"typ": RECEIPT_TYP}),
    "typ in capitals": signed(GOOD | {"typ": TYP.upper()}),
    "typ with application/": signed(GOOD | {"typ": f"application/{TYP}"}),
    "typ a list": signed(GOOD | {"typ": [TYP]}),
    "typ null": signed(GOOD | {"typ": None}),
    "header a list": signed(b"[]"),
    "header null": signed(b"null"),
    "header text": signed(b'"Ed25519"'),
    "header empty": signed(b""),
    "header not UTF-8": signed(b'{"alg":"\xff"}'),
    "header with a BOM": signed(b"\xef\xbb\xbf" + head(GOOD)),
    "header with NUL": signed(head(GOOD) + b"\0"),
    "header with more after it": signed(head(GOOD) + b"{}"),
    "header with NaN": signed(HEADER_TEXT.replace(b'"paradero-msg+jwt"', b"NaN") + b"}"),
    "header 5,000 deep": signed(b"[" * 5000 + b"]" * 5000),
    "header too long": signed(GOOD | {"typ": "x" * 2000}),
    "signature of another key": signed(GOOD, key=OTHER),
    "signature of another payload": f"{PARTS[0]}.{b64u_encode(b'{}')}.{PARTS[2]}",
    "signature empty": f"{PARTS[0]}.{PARTS[1]}.",
    "signature cut": TOKEN[:-4],
    "signature with more after it": TOKEN + "AAAA",
    "signature respelled": respelled(TOKEN),
    "header respelled": f"{respelled(b64u_encode(head(GOOD) + b' '))}.{PARTS[1]}.{PARTS[2]}",
    "padded": TOKEN + "==",
    "standard base64": f"{PARTS[0]}.{PARTS[1]}.{'+' + PARTS[2][1:]}",
    "a space before": " " + TOKEN,
    "a line end after": TOKEN + "\n",
    "a line end inside": TOKEN[:40] + "\n" + TOKEN[40:],
    "NUL after": TOKEN + "\0",
    "beyond ASCII": TOKEN[:-1] + "é",
    "a wide digit": TOKEN[:-1] + "\uff11",
    "a lone surrogate": TOKEN[:-1] + "\ud800",
    "two parts": f"{PARTS[0]}.{PARTS[1]}",
    "four parts": TOKEN + ".",
    "five parts": TOKEN + "..",
    "dots": "..",
    "nothing": "",
    "JSON serialisation": json.dumps({"payload": PARTS[1], "protected": PARTS[0], "signature": PARTS[2]}),
    "longer than any token": TOKEN + "A" * MAX_TOKEN_BYTES,
}


@pytest.mark.parametrize("name", JWS)
def test_a_jws_is_refused(name):
    with pytest.raises(SignatureError):
        verify_jws(JWS[name], typ=TYP, find=find)


def test_control_the_token_the_table_changes_is_good():
    assert verify_jws(TOKEN, typ=TYP, find=find).payload == PAYLOAD
    assert verify_jws(signed(GOOD), typ=TYP, find=find).kid == SIG.kid


def by_the_token(token):
    """The planted bug: a verifier that does what the token's `alg` says."""
    header, payload, signature = token.split(".")
    alg = json.loads(jwcrypto_jws.base64url_decode(header))["alg"]
    raw = jwcrypto_jws.base64url_decode(signature)
    if alg.lower() == "none":
        return True
    if alg == "HS256":
        return hmac.compare_digest(hmac.digest(SIG.public.raw, f"{header}.{payload}".encode(), sha256), raw)
    SIG.public.verify(raw, f"{header}.{payload}".encode())
    return True


@pytest.mark.parametrize("name", ["alg none, no signature", "alg None", "alg HS256 with the public key"])
def test_control_a_verifier_that_takes_alg_from_the_token_believes_forgeries(name):
    assert by_the_token(JWS[name])


def joserfc_takes(token):
    registry = joserfc_jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": SIG.public.jwk()["x"]})
    return joserfc_jws.deserialize_compact(token, key, registry=registry).payload == PAYLOAD


def jwcrypto_takes(token):
    verifier = jwcrypto_jws.JWS()
    verifier.allowed_algs = ["Ed25519"]
    verifier.deserialize(token, jwcrypto_jwk.JWK(kty="OKP", crv="Ed25519", x=SIG.public.jwk()["x"]))
    return verifier.payload == PAYLOAD


@pytest.mark.parametrize("name", ["alg twice", "jku", "typ of a receipt", "an unknown member"])
def test_control_joserfc_takes_what_only_our_strictness_refuses(name):
    assert joserfc_takes(JWS[name])


@pytest.mark.parametrize("name", ["alg twice", "jku", "padded", "signature respelled", "header with NaN"])
def test_control_jwcrypto_takes_what_only_our_strictness_refuses(name):
    assert jwcrypto_takes(JWS[name])


def test_another_library_signs_and_we_verify_and_the_reverse():
    assert joserfc_takes(TOKEN)
    assert jwcrypto_takes(TOKEN)
    private = {"kty": "OKP", "crv": "Ed25519", "x": SIG.public.jwk()["x"], "d": b64u_encode(SIG.seed)}
    theirs = joserfc_jws.serialize_compact(GOOD, PAYLOAD, OKPKey.import_key(private), algorithms=["Ed25519"])
    assert verify_jws(theirs, typ=TYP, find=find).payload == PAYLOAD
    signer = jwcrypto_jws.JWS(PAYLOAD)
    signer.allowed_algs = ["Ed25519"]
    signer.add_signature(jwcrypto_jwk.JWK(**private), None, protected=json.dumps(GOOD))
    assert verify_jws(signer.serialize(compact=True), typ=TYP, find=find).payload == PAYLOAD


def test_an_unknown_key_can_be_tried_again():
    stranger = SigningKey(KeyId("gt.minex#sig-9"), bytes(32))
    with pytest.raises(SenderUnknownError):
        verify_jws(sign_jws(PAYLOAD, stranger, typ=TYP), typ=TYP, find=find)


def test_a_register_that_answers_with_a_key_of_another_id_is_not_believed():
    with pytest.raises(SignatureError):
        verify_jws(sign_jws(PAYLOAD, SIG, typ=TYP), typ=TYP, find=lambda _: SigningKey(OTHER.kid, SIG.seed).public)


US = NodeId("gt.igm.mbmid")
OWN = generate_node_keys(US)
ENC = OWN.enc[0]
NEIGHBOUR = OpeningKey(KeyId("gt.pgn#enc-1"), bytes(32))
TEXT = TOKEN.encode()


class Trust:
    def signer(self, kid):
        return find(kid)


OPENER = Opener(OWN, Trust)


def envelope(plaintext=TEXT, *, to=ENC, changes=None, without=(), header=None, cut=None):
    """An envelope whose content was encrypted under the very header it shows; `cut` takes the raw parts apart."""
    key, iv = bytes(32), bytes(12)
    made = _SUITE.encrypt(key, to.public.loaded, _HPKE_INFO)
    members = {
        "alg": "HPKE-9-KE",
        "enc": "A256GCM",
        "kid": str(to.kid),
        "ek": b64u_encode(made[:1120]),
        "typ": ENVELOPE_TYP,
        "cty": MESSAGE_TYP,
    }
    members = {name: value for name, value in (members | (changes or {})).items() if name not in without}
    protected = b64u_encode(header(members) if header else json.dumps(members).encode())
    sealed = AESGCM(key).encrypt(iv, plaintext, protected.encode())
    parts = [made[1120:], iv, sealed[:-16], sealed[-16:]]
    return ".".join([protected, *(b64u_encode(part) for part in (cut(parts) if cut else parts))])


def compact(members):
    return json.dumps(members).encode()


ENVELOPE = envelope()
SEALED = ENVELOPE.split(".")
EK = json.loads(jwcrypto_jws.base64url_decode(SEALED[0]))["ek"]
LOW_ORDER_SHARE = b64u_encode(jwcrypto_jws.base64url_decode(EK)[:1088] + bytes(32))
JWE = {
    "alg HPKE-9 (integrated)": envelope(changes={"alg": "HPKE-9"}),
    "alg HPKE-4-KE": envelope(changes={"alg": "HPKE-4-KE"}),
    "alg dir": envelope(changes={"alg": "dir"}),
    "alg RSA1_5": envelope(changes={"alg": "RSA1_5"}),
    "alg PBES2": envelope(changes={"alg": "PBES2-HS256+A128KW", "p2c": 2**31}),
    "alg none": envelope(changes={"alg": "none"}),
    "alg null": envelope(changes={"alg": None}),
    "alg twice": envelope(header=lambda members: compact(members)[:-1] + b',"alg":"HPKE-9-KE"}'),
    "enc A128GCM": envelope(changes={"enc": "A128GCM"}),
    "enc A256CBC-HS512": envelope(changes={"enc": "A256CBC-HS512"}),
    "enc a list": envelope(changes={"enc": ["A256GCM"]}),
    "zip": envelope(changes={"zip": "DEF"}),
    "crit": envelope(changes={"crit": ["x"]}),
    "jku": envelope(changes={"jku": "https://evil.example"}),
    "epk": envelope(changes={"epk": {"kty": "OKP"}}),
    "apu": envelope(changes={"apu": "QQ"}),
    "typ of another envelope": envelope(changes={"typ": "paradero-ask+jwe"}),
    "cty of a receipt": envelope(changes={"cty": RECEIPT_TYP}),
    "cty of another envelope": envelope(changes={"cty": ENVELOPE_TYP}),
    "no typ": envelope(without=("typ",)),
    "no cty": envelope(without=("cty",)),
    "no enc": envelope(without=("enc",)),
    "no ek": envelope(without=("ek",)),
    "no kid": envelope(without=("kid",)),
    "kid of another node": envelope(to=NEIGHBOUR),
    "kid of ours, sealed to another": envelope(to=NEIGHBOUR, changes={"kid": str(ENC.kid)}),
    "kid a signing key": envelope(changes={"kid": f"{US}#sig-1"}),
    "kid a path": envelope(changes={"kid": "../enc"}),
    "kid a number": envelope(changes={"kid": 1}),
    "ek a number": envelope(changes={"ek": 1}),
    "ek empty": envelope(changes={"ek": ""}),
    "ek one byte short": envelope(changes={"ek": b64u_encode(bytes(1119))}),
    "ek one byte long": envelope(changes={"ek": b64u_encode(bytes(1121))}),
    "ek of zeros": envelope(changes={"ek": b64u_encode(bytes(1120))}),
    "ek of another envelope": envelope(changes={"ek": EK}),
    "ek with a share of low order": envelope(changes={"ek": LOW_ORDER_SHARE}),
    "ek padded": envelope(changes={"ek": EK + "="}),
    "header a list": envelope(header=lambda _: b"[]"),
    "header not UTF-8": envelope(header=lambda _: b"\xff"),
    "header 5,000 deep": envelope(header=lambda _: b"[" * 5000),
    "header too long": envelope(changes={"apu": "x" * 5000}),
    "encrypted key short": envelope(cut=lambda p: [p[0][:-1], *p[1:]]),
    "encrypted key empty": envelope(cut=lambda p: [b"", *p[1:]]),
    "encrypted key with a zero": envelope(cut=lambda p: [p[0] + b"\0", *p[1:]]),
    "iv short": envelope(cut=lambda p: [p[0], p[1][:-1], *p[2:]]),
    "iv of 16": envelope(cut=lambda p: [p[0], bytes(16), *p[2:]]),
    "tag empty": envelope(cut=lambda p: [*p[:3], b""]),
    "tag of 12": envelope(cut=lambda p: [*p[:3], p[3][:12]]),
    "tag of 4": envelope(cut=lambda p: [*p[:3], p[3][:4]]),
    "tag moved into the text": envelope(cut=lambda p: [*p[:2], p[2] + p[3], b""]),
    "text cut": envelope(cut=lambda p: [*p[:2], p[2][:-1], p[3]]),
    "text empty": envelope(cut=lambda p: [*p[:2], b"", p[3]]),
    "text with more": envelope(cut=lambda p: [*p[:2], p[2] + b"\0", p[3]]),
    "parts swapped": ".".join([SEALED[0], SEALED[2], SEALED[1], *SEALED[3:]]),
    "tag respelled": respelled(ENVELOPE),
    "padded": ENVELOPE + "==",
    "a line end after": ENVELOPE + "\n",
    "beyond ASCII": ENVELOPE[:-1] + "é",
    "four parts": ".".join(SEALED[:4]),
    "six parts": ENVELOPE + ".AA",
    "a JWS": TOKEN,
    "nothing": "",
    "dots": "....",
    "JSON serialisation": json.dumps(dict(zip(("protected", "encrypted_key", "iv", "ciphertext", "tag"), SEALED, strict=True))),
    "longer than any token": ENVELOPE + "A" * MAX_TOKEN_BYTES,
}


@pytest.mark.parametrize("name", JWE)
def test_a_jwe_is_refused(name):
    with pytest.raises(EnvelopeError):
        OPENER.open(JWE[name].encode())


def test_control_the_envelope_the_table_changes_is_good():
    assert OPENER.open(ENVELOPE.encode()).jws == TEXT
    assert OPENER.verify(OPENER.open(ENVELOPE.encode()).jws).sender == "gt.minex"
    assert decrypt_jwe(JWE["kid of another node"], typ=ENVELOPE_TYP, cty=MESSAGE_TYP, find=lambda _: NEIGHBOUR) == TEXT


def test_a_key_we_no_longer_have_says_seal_again_and_nothing_else_does():
    retired = OpeningKey(KeyId(f"{US}#enc-9"), bytes(32))
    with pytest.raises(KeyRetiredError):
        OPENER.open(envelope(to=retired).encode())
    assert not EnvelopeError.retryable


def test_how_an_envelope_fails_to_open_says_nothing_about_where():
    """No oracle: a wrong encapsulation, a wrong encrypted key and a wrong content have one answer, to the letter."""
    wrong = [
        "ek of zeros",
        "ek of another envelope",
        "ek with a share of low order",
        "kid of ours, sealed to another",
        "text cut",
        "text empty",
        "text with more",
    ]
    answers = set()
    for name in wrong:
        with pytest.raises(EnvelopeError) as refused:
            OPENER.open(JWE[name].encode())
        answers.add((str(refused.value), refused.value.code))
    assert len(answers) == 1


def test_an_inner_token_is_not_taken_for_a_receipt_nor_a_receipt_for_a_message():
    receipt = sign_jws(b"{}", SIG, typ=RECEIPT_TYP)
    with pytest.raises(SignatureError):
        OPENER.verify(receipt.encode())
    with pytest.raises(SignatureError):
        OPENER.verify_receipt(TOKEN, peer=NodeId("gt.minex"))


@pytest.mark.parametrize("use", ["id", "log", "enc"])
def test_only_a_signing_key_signs_messages(use):
    key = SigningKey(KeyId(f"gt.minex#{use}-1"), SIG.seed)
    with pytest.raises(SignatureError):
        OPENER.verify(sign_jws(PAYLOAD, key, typ=MESSAGE_TYP).encode())


def test_sealing_twice_shares_nothing():
    one, two = (encrypt_jwe(TEXT, ENC.public, typ="t", cty="c").split(".") for _ in range(2))
    assert all(mine != theirs for mine, theirs in zip(one, two, strict=True))
