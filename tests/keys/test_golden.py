"""The protocol's known-answer file, layer by layer, under its own type names (fixed keys and salts; invented people).

`golden.json` is the wire study's, byte for byte: made by another implementation of the same formats, before this one.
"""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from contracts.codec import b64u_decode, parse_object
from contracts.errors import EnvelopeError, RecordInvalidError, SignatureError
from contracts.ids import KeyId
from keys.jose import decrypt_jwe, parse_jws, sign_jws, verify_jws
from keys.leaves import open_leaf
from keys.model import OpeningKey, SigningKey, VerifyKey
from keys.notes import open_checkpoint, parse_vkey, verify_proof
from keys.records import present, verify_record, verify_sd_jwt
from keys.tree import leaf_hash

GOLDEN = json.loads((Path(__file__).parent / "vectors" / "golden.json").read_text())
KEYS, MADE = GOLDEN["keys"], GOLDEN["artifacts"]


TOKENS = [name for name in MADE if name.endswith("_jws")]
MESSAGES = ["search_request", "search_response", "consent_withdraw", "purge_receipt"]


def signing(kid: KeyId) -> SigningKey:
    seed = "id_seed" if kid.use == "id" else "sig_seed"
    return SigningKey(kid, bytes.fromhex(KEYS[str(kid.node)][seed]))


def find(kid: KeyId) -> VerifyKey:
    return signing(kid).public


def claims_of(token):
    return parse_object(parse_jws(token).payload)


@pytest.mark.parametrize("node", KEYS)
def test_a_seed_gives_the_public_key(node):
    assert find(KeyId(f"{node}#sig-1")).jwk() == KEYS[node]["jwk_sig"]
    assert VerifyKey.from_jwk(KEYS[node]["jwk_sig"]) == find(KeyId(f"{node}#sig-1"))


def test_the_member_entry_and_the_keyset_name_the_keys_of_the_seeds():
    assert VerifyKey.from_jwk(MADE["member_entry"]["id_key"]) == find(KeyId("mx.sre#id-1"))
    published = {jwk["kid"]: jwk for jwk in claims_of(MADE["keyset_jws"])["keys"]}
    sealing = OpeningKey(KeyId("mx.sre#enc-1"), bytes.fromhex(KEYS["mx.sre"]["enc_seed"]))
    assert published["mx.sre#enc-1"] == sealing.public.jwk()
    assert published["mx.sre#sig-1"] == find(KeyId("mx.sre#sig-1")).jwk()


@pytest.mark.parametrize("name", TOKENS)
def test_we_sign_the_same_bytes(name):
    """Ed25519 has one signature per message: header, payload and signature come out as the other implementation made them."""
    parsed = parse_jws(MADE[name])
    assert sign_jws(parsed.payload, signing(parsed.kid), typ=parsed.typ) == MADE[name]


@pytest.mark.parametrize("name", TOKENS)
def test_control_another_key_does_not_verify(name):
    with pytest.raises(SignatureError):
        verify_jws(MADE[name], typ=parse_jws(MADE[name]).typ, find=lambda kid: SigningKey(kid, bytes(32)).public)


def test_the_keyset_verifies_with_the_identity_key():
    claims = parse_object(verify_jws(MADE["keyset_jws"], typ="fgw-keyset+jwt", find=find).payload)
    assert claims["iss"] == "mx.sre"


@pytest.mark.parametrize("name", ["record_full", "record_presented_8_of_30"])
def test_the_record_verifies(name):
    claims = verify_sd_jwt(MADE[name], typ="fgw-rec+sd-jwt", find=find)
    if name == "record_presented_8_of_30":
        assert claims == MADE["record_verified_claims"]
    assert claims["given_names"] == MADE["record_verified_claims"]["given_names"]


def test_the_record_has_48_digests_whatever_it_shows():
    full, shown = MADE["record_full"], MADE["record_presented_8_of_30"]
    assert [text.count("~") - 1 for text in (full, shown)] == [30, 8]
    assert full.split("~")[0] == shown.split("~")[0]
    assert len(set(claims_of(full.split("~")[0])["_sd"])) == 48
    claims = verify_sd_jwt(present(full, list(MADE["record_verified_claims"])), typ="fgw-rec+sd-jwt", find=find)
    assert claims == MADE["record_verified_claims"]


def test_the_record_is_of_its_own_profile_and_not_of_ours():
    with pytest.raises(RecordInvalidError):  # other members (status, use.roles) and another type's name
        verify_record(MADE["record_full"], typ="fgw-rec+sd-jwt", find=find)


def test_the_message_carries_the_record_and_the_receipt_names_the_message():
    assert claims_of(MADE["search_request_jws"])["records"] == [{"sd_jwt": MADE["record_presented_8_of_30"]}]
    receipt, message = claims_of(MADE["receipt_jws"]), claims_of(MADE["search_request_jws"])
    assert b64u_decode(receipt["dig"]["val"]) == sha256(MADE["search_request_jws"].encode()).digest()
    assert (receipt["re"], receipt["aud"], receipt["iss"]) == (message["jti"], message["iss"], message["aud"])
    assert b64u_decode(receipt["log"]["leaf"]).hex() == MADE["audit_leaf_hash"]


def test_messages_of_one_bucket_have_one_length_inside_and_outside():
    small = ["search_response", "consent_withdraw", "purge_receipt"]
    assert {len(MADE[f"{kind}_jws"]) for kind in small} == {2046}
    assert {len(MADE[f"{kind}_jwe"]) for kind in small} == {4965}


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_envelope_opens_to_the_message_and_the_message_verifies(kind):
    jws = MADE[f"{kind}_jws"]
    payload = parse_object(verify_jws(jws, typ="fgw-msg+jwt", find=find).payload)

    def opening(kid: KeyId) -> OpeningKey:
        assert str(kid.node) == payload["aud"]
        return OpeningKey(kid, bytes.fromhex(KEYS[str(kid.node)]["enc_seed"]))

    assert decrypt_jwe(MADE[f"{kind}_jwe"], typ="fgw-msg+jwe", cty="fgw-msg+jwt", find=opening).decode() == jws
    with pytest.raises(EnvelopeError):  # control
        decrypt_jwe(MADE[f"{kind}_jwe"], typ="fgw-msg+jwe", cty="fgw-msg+jwt", find=lambda kid: OpeningKey(kid, bytes(32)))
    with pytest.raises(EnvelopeError):
        decrypt_jwe(MADE[f"{kind}_jwe"], typ="paradero-msg+jwe", cty="paradero-msg+jwt", find=opening)


def test_the_receipt_verifies():
    assert parse_object(verify_jws(MADE["receipt_jws"], typ="fgw-receipt+jwt", find=find).payload)["status"] == "accepted"


def test_the_log_layer_by_layer():
    data = MADE["audit_leaf_data"].encode()
    assert leaf_hash(data).hex() == MADE["audit_leaf_hash"]
    opened = open_leaf(data, [item for item in MADE["audit_leaf_disclosures"].split("~") if item])
    assert opened["ev"] == "msg.received"
    log, witness = parse_vkey(MADE["log_vkey"]), parse_vkey(MADE["witness_vkey"])
    checkpoint = open_checkpoint(MADE["checkpoint_cosigned_ed25519"], log, [witness])
    assert (checkpoint.size, len(checkpoint.witnessed)) == (11, 1)
    assert verify_proof(MADE["tlog_proof"], bytes.fromhex(MADE["audit_leaf_hash"]), log).size == 11
