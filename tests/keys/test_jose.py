"""JWS and JWE: what is accepted, what is refused, and that other libraries agree (both ways)."""

import json
import random

import pytest
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey
from jwcrypto import jwk as jwcrypto_jwk
from jwcrypto import jws as jwcrypto_jws

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import EnvelopeError, ExchangeError, KeyRetiredError, SignatureError
from contracts.ids import KeyId
from keys.jose import decrypt_jwe, encrypt_jwe, parse_jws, self_test, sign_jws, verify_jws
from keys.model import OpeningKey, SigningKey

SIG = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
ENC = OpeningKey(KeyId("gt.igm.mbmid#enc-1"), bytes(range(32)))
TYP = "paradero-msg+jwt"
PAYLOAD = b'{"iss":"gt.minex"}'


def find(_kid):
    return SIG.public


def token_with(header, payload=PAYLOAD, *, raw=None):
    """A token signed properly over whatever header is given."""
    head = raw if raw is not None else json.dumps(header).encode()
    signing_input = f"{b64u_encode(head)}.{b64u_encode(payload)}"
    return f"{signing_input}.{b64u_encode(SIG.sign(signing_input.encode()))}"


GOOD = {"alg": "Ed25519", "kid": "gt.minex#sig-1", "typ": TYP}


def test_ours_verifies_in_other_libraries():
    token = sign_jws(PAYLOAD, SIG, typ=TYP)
    public = SIG.public.jwk()
    other = {"kty": "OKP", "crv": "Ed25519", "x": public["x"]}
    assert joserfc_jws.deserialize_compact(token, OKPKey.import_key(other), algorithms=["Ed25519"]).payload == PAYLOAD
    verifier = jwcrypto_jws.JWS()
    verifier.allowed_algs = ["Ed25519", "EdDSA"]
    verifier.deserialize(token, jwcrypto_jwk.JWK(**other))
    assert verifier.payload == PAYLOAD


def test_theirs_verifies_here():
    private = {"kty": "OKP", "crv": "Ed25519", "x": SIG.public.jwk()["x"], "d": b64u_encode(SIG.seed)}
    token = joserfc_jws.serialize_compact(GOOD, PAYLOAD, OKPKey.import_key(private), algorithms=["Ed25519"])
    assert verify_jws(token, typ=TYP, find=find).payload == PAYLOAD


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("alg twice", token_with(None, raw=b'{"alg":"none","alg":"Ed25519","kid":"gt.minex#sig-1","typ":"paradero-msg+jwt"}')),
        ("jku", token_with(GOOD | {"jku": "https://evil.example/keys"})),
        ("jwk", token_with(GOOD | {"jwk": SIG.public.jwk()})),
        ("crit", token_with(GOOD | {"crit": ["b64"]})),
        ("alg none", token_with(GOOD | {"alg": "none"})),
        ("alg EdDSA", token_with(GOOD | {"alg": "EdDSA"})),
        ("alg ES256", token_with(GOOD | {"alg": "ES256"})),
        ("alg HS256", token_with(GOOD | {"alg": "HS256"})),
        ("another typ", token_with(GOOD | {"typ": "paradero-receipt+jwt"})),
        ("no typ", token_with({"alg": "Ed25519", "kid": "gt.minex#sig-1"})),
        ("NaN in the header", token_with(None, raw=b'{"alg":"Ed25519","kid":"gt.minex#sig-1","typ":NaN}')),
        ("kid is no key id", token_with(GOOD | {"kid": "../../etc/passwd"})),
        ("header is a list", token_with(None, raw=b"[]")),
        ("four parts", sign_jws(PAYLOAD, SIG, typ=TYP) + ".x"),
        ("padded base64", sign_jws(PAYLOAD, SIG, typ=TYP) + "=="),
        ("no signature", sign_jws(PAYLOAD, SIG, typ=TYP).rpartition(".")[0] + "."),
        ("empty", ""),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_refused(name, token):
    with pytest.raises(SignatureError):
        verify_jws(token, typ=TYP, find=find)


def test_every_single_bit_of_a_token_counts():
    token = sign_jws(PAYLOAD, SIG, typ=TYP).encode()
    for position in range(len(token)):
        for bit in range(8):
            changed = token[:position] + bytes([token[position] ^ (1 << bit)]) + token[position + 1 :]
            with pytest.raises(SignatureError):
                verify_jws(changed.decode("latin-1"), typ=TYP, find=find)


def test_the_last_character_of_base64_has_one_spelling():
    head, _, signature = sign_jws(PAYLOAD, SIG, typ=TYP).rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sisters = [f"{head}.{signature[:-1]}{letter}" for letter in alphabet if letter != signature[-1]]
    for token in sisters:
        with pytest.raises(SignatureError):
            verify_jws(token, typ=TYP, find=find)


def test_a_header_is_exactly_three_members():
    assert set(json.loads(b64u_decode(sign_jws(PAYLOAD, SIG, typ=TYP).split(".")[0]))) == {"alg", "kid", "typ"}
    assert parse_jws(sign_jws(PAYLOAD, SIG, typ=TYP)).payload == PAYLOAD


def envelope(plaintext=b"hola"):
    return encrypt_jwe(plaintext, ENC.public, typ="t", cty="c")


def test_an_envelope_opens_for_its_recipient_alone():
    assert decrypt_jwe(envelope(), typ="t", cty="c", find=lambda _: ENC) == b"hola"
    other = OpeningKey(ENC.kid, bytes(32))
    with pytest.raises(EnvelopeError):
        decrypt_jwe(envelope(), typ="t", cty="c", find=lambda _: other)
    with pytest.raises(KeyRetiredError):
        decrypt_jwe(envelope(), typ="t", cty="c", find=lambda _: None)
    self_test()


def test_an_envelope_names_the_recipient_key_and_nothing_else_of_the_message():
    header = json.loads(b64u_decode(envelope().split(".")[0]))
    assert set(header) == {"alg", "enc", "kid", "ek", "typ", "cty"}


def test_any_changed_bit_of_an_envelope_is_refused():
    seed = 20261124
    print("seed", seed)
    chance, token = random.Random(seed), envelope().encode()
    for position in chance.sample(range(len(token)), 400):
        changed = token[:position] + bytes([token[position] ^ (1 << chance.randrange(8))]) + token[position + 1 :]
        with pytest.raises(ExchangeError):
            decrypt_jwe(changed.decode("latin-1"), typ="t", cty="c", find=lambda kid: ENC if kid == ENC.kid else None)


@pytest.mark.parametrize("part", range(5))
def test_an_envelope_with_a_part_of_another_is_refused(part):
    one, other = envelope().split("."), envelope(b"otro").split(".")
    one[part] = other[part]
    with pytest.raises(EnvelopeError):
        decrypt_jwe(".".join(one), typ="t", cty="c", find=lambda _: ENC)
