"""RFC 9901's published examples: its digests, its reconstructed payloads, its issuer's signatures; what our profile refuses.

The bytes are re-made from the RFC's salts, names and values; the RFC's own ES256 signatures, checked by another library
with the key of its appendix A.5, say that they are the same bytes. Our verifier speaks Ed25519 alone, so that the payload
is signed again for it.
"""

import json
from pathlib import Path

import pytest
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.verifier import SDJWTVerifier

from contracts.codec import b64u_encode
from contracts.errors import RecordInvalidError
from contracts.ids import KeyId
from keys.jose import sign_jws
from keys.model import SigningKey
from keys.records import verify_record, verify_sd_jwt

RFC = json.loads((Path(__file__).parent / "vectors" / "rfc9901.json").read_text(encoding="utf-8"))
KEY = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
TYP = "example+sd-jwt"
EXAMPLES = {example["section"]: example for example in RFC["examples"]}
PRESENTATIONS = [
    pytest.param(example, shown, id=shown["section"]) for example in RFC["examples"] for shown in example["presentations"]
]


def rfc_json(value):
    """As the RFC's own tool writes JSON: ASCII, with spaces."""
    return json.dumps(value).encode()


def disclosure(parts):
    return b64u_encode(rfc_json(parts))


def published_token(example):
    return f"{b64u_encode(rfc_json(RFC['header']))}.{b64u_encode(rfc_json(example['payload']))}.{example['es256']}"


def ours(example, disclosures, *, tail=""):
    return "~".join((sign_jws(rfc_json(example["payload"]), KEY, typ=TYP), *disclosures, tail))


def find(_kid):
    return KEY.public


@pytest.mark.parametrize("section", EXAMPLES)
def test_the_bytes_are_the_published_ones(section):
    token = JWS()
    token.deserialize(published_token(EXAMPLES[section]))
    token.verify(JWK(**RFC["issuer_jwk"]))


@pytest.mark.parametrize("section", EXAMPLES)
def test_every_published_digest_is_that_of_its_disclosure(section):
    """One disclosure at a time: only the digest can say where it belongs."""
    example = EXAMPLES[section]
    for parts, digest in zip(example["disclosures"], example["digests"], strict=True):
        payload = {"_sd": [digest]} if len(parts) == 3 else {"list": [{"...": digest}]}
        token = "~".join((sign_jws(rfc_json(payload), KEY, typ=TYP), disclosure(parts), ""))
        found = verify_sd_jwt(token, typ=TYP, find=find)
        assert list(found) == ([parts[1]] if len(parts) == 3 else ["list"])


@pytest.mark.parametrize(("example", "shown"), PRESENTATIONS)
def test_a_presentation_gives_the_published_claims(example, shown):
    disclosures = [disclosure(example["disclosures"][number]) for number in shown["present"]]
    assert verify_sd_jwt(ours(example, disclosures), typ=TYP, find=find) == shown["claims"]
    published = "~".join((published_token(example), *disclosures, ""))
    library = SDJWTVerifier(published, lambda *_: JWK(**RFC["issuer_jwk"]))
    assert library.get_verified_payload() == shown["claims"], "the reference library reads the published token alike"


@pytest.mark.parametrize("section", EXAMPLES)
def test_without_disclosures_only_the_plain_claims_are_left(section):
    found = verify_sd_jwt(ours(EXAMPLES[section], []), typ=TYP, find=find)
    assert "_sd" not in json.dumps(found)
    assert found["iss"] == "https://issuer.example.com"


def test_a_nested_disclosure_needs_the_one_that_holds_its_digest():
    example = EXAMPLES["A.2"]
    inner = disclosure(example["disclosures"][3])
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(ours(example, [inner]), typ=TYP, find=find)


def test_the_published_token_itself_is_refused_for_its_algorithm():
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(published_token(EXAMPLES["5.1"]) + "~", typ=TYP, find=find)


def test_a_key_binding_is_refused():
    """Section 5.2 ends in a key binding token; our message is the binding, so a record never has one."""
    binding = sign_jws(b'{"nonce":"1234567890"}', KEY, typ="kb+jwt")
    with pytest.raises(RecordInvalidError):
        verify_sd_jwt(ours(EXAMPLES["5.1"], [], tail=binding), typ=TYP, find=find)


@pytest.mark.parametrize("section", EXAMPLES)
def test_no_example_is_a_record_of_our_profile(section):
    with pytest.raises(RecordInvalidError):
        verify_record(ours(EXAMPLES[section], []), typ=TYP, find=find)
