"""The envelope's key encryption against published vectors, against HPKE written a second time, and in another JOSE library.

`cryptography_vectors` has the hybrid KEM with ChaCha20-Poly1305 only; our suite has AES-256-GCM. So the vectors prove the KEM, the
keys and the key schedule; the oracle they prove opens and makes our envelopes; and the JOSE draft's own HPKE-9-KE example is
opened by exactly the suite we seal with.
"""

import json
from pathlib import Path
from typing import ClassVar

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from joserfc import jwe
from joserfc._rfc7516.models import JWEKeyEncryption
from joserfc.jwk import OctKey
from joserfc.registry import HeaderParameter

from contracts.codec import b64u_decode, b64u_encode, parse_object
from contracts.errors import EnvelopeError
from contracts.ids import KeyId
from keys import jose
from keys.jose import _HPKE_INFO, _SUITE, decrypt_jwe, encrypt_jwe, self_test
from keys.model import OpeningKey, SealKey
from tests.keys import hpke_oracle

KID = KeyId("gt.igm.mbmid#enc-1")
SEED = bytes(range(32))
ENC = OpeningKey(KID, SEED)
ALL = json.loads((Path(cryptography_vectors.__file__).parent / "HPKE" / "hpke-pq-test-vectors.json").read_text())
HYBRID = [vector for vector in ALL if vector["kem_id"] == hpke_oracle.KEM_ID and vector["mode"] == 0]
KDFS = {0x0001: KDF.HKDF_SHA256, 0x0011: KDF.SHAKE256}
AES_256_GCM_ID = 0x0002
DRAFT = json.loads((Path(__file__).parent / "vectors" / "hpke_9_ke.json").read_text())


def raw(vector, name):
    return bytes.fromhex(vector[name])


def by_kdf(vector):
    return f"kdf-{vector['kdf_id']:#06x}"


def test_the_package_has_the_vectors_we_count_on():
    assert {vector["kdf_id"] for vector in HYBRID} == set(KDFS)


@pytest.mark.parametrize("vector", HYBRID, ids=by_kdf)
def test_our_key_expansion_gives_the_published_public_key(vector):
    assert OpeningKey(KID, raw(vector, "skRm")).public.raw == raw(vector, "pkRm")


@pytest.mark.parametrize("vector", HYBRID, ids=by_kdf)
def test_our_keys_open_the_published_ciphertext(vector):
    """Through the library's HPKE, as our envelopes do; its public call takes no associated data, the vectors have some."""
    suite = Suite(KEM.MLKEM768_X25519, KDFS[vector["kdf_id"]], AEAD.CHACHA20_POLY1305)
    first = vector["encryptions"][0]
    sealed, info, aad = raw(vector, "enc") + bytes.fromhex(first["ct"]), raw(vector, "info"), bytes.fromhex(first["aad"])
    key = OpeningKey(KID, raw(vector, "skRm"))
    assert openssl.hpke._decrypt_with_aad(suite, sealed, key.loaded, info, aad) == bytes.fromhex(first["pt"])
    with pytest.raises(InvalidTag):  # control: another key does not
        openssl.hpke._decrypt_with_aad(suite, sealed, ENC.loaded, info, aad)


@pytest.mark.parametrize("vector", HYBRID, ids=by_kdf)
def test_the_oracle_gives_the_published_secrets(vector):
    key = hpke_oracle.PrivateKey(raw(vector, "skRm"))
    shared = key.decapsulate(raw(vector, "enc"))
    assert (key.public, shared) == (raw(vector, "pkRm"), raw(vector, "shared_secret"))
    if vector["kdf_id"] == hpke_oracle.SHAKE256_ID:
        made = hpke_oracle.schedule(shared, raw(vector, "info"), vector["aead_id"])
        assert made == (raw(vector, "key"), raw(vector, "base_nonce"), raw(vector, "exporter_secret"))


def test_the_drafts_own_example_opens_with_our_suite():
    """draft-ietf-jose-hpke-pq-pqt, HPKE-9-KE, compact: seed to public key, `ek` and encrypted key to content key to text."""
    key = OpeningKey(KID, b64u_decode(DRAFT["seed"]))
    assert key.public.raw == b64u_decode(DRAFT["pub"])
    protected, wrapped, iv, text, tag = DRAFT["compact"].split(".")
    header = parse_object(b64u_decode(protected))
    assert (header["alg"], header["enc"]) == ("HPKE-9-KE", "A256GCM")
    content_key = _SUITE.decrypt(b64u_decode(header["ek"]) + b64u_decode(wrapped), key.loaded, _HPKE_INFO)
    opened = AESGCM(content_key).decrypt(b64u_decode(iv), b64u_decode(text) + b64u_decode(tag), protected.encode())
    assert opened.startswith(b"You can trust us to stick with you through thick and thin")


def test_the_drafts_own_example_is_no_envelope_of_ours():
    with pytest.raises(EnvelopeError):  # its header has no typ and no cty, and its kid is no key id
        decrypt_jwe(DRAFT["compact"], typ="t", cty="c", find=lambda _: OpeningKey(KID, b64u_decode(DRAFT["seed"])))


class HpkeKe(JWEKeyEncryption):
    """HPKE-9-KE for joserfc, on the oracle; joserfc does all the rest of the envelope."""

    name = "HPKE-9-KE"
    description = "HPKE key encryption, MLKEM768-X25519, SHAKE256, AES-256-GCM"
    key_types: ClassVar = ["oct"]
    info = b"JOSE-HPKE rcpt\xffA256GCM\xff"

    def encrypt_cek(self, cek, recipient):
        shared, enc = hpke_oracle.encapsulate(recipient.recipient_key.raw_value)
        recipient.add_header("ek", b64u_encode(enc))
        key, nonce, _ = hpke_oracle.schedule(shared, self.info, AES_256_GCM_ID)
        return AESGCM(key).encrypt(nonce, cek, b"")

    def decrypt_cek(self, recipient):
        shared = hpke_oracle.PrivateKey(recipient.recipient_key.raw_value).decapsulate(b64u_decode(recipient.headers()["ek"]))
        key, nonce, _ = hpke_oracle.schedule(shared, self.info, AES_256_GCM_ID)
        return AESGCM(key).decrypt(nonce, recipient.encrypted_key, b"")


class WithHpke(jwe.JWERegistry):
    algorithms = jwe.JWERegistry.algorithms | {"alg": {HpkeKe.name: HpkeKe()}}
    max_protected_header_length = 4096


REGISTRY = WithHpke({"ek": HeaderParameter("Encapsulated key", lambda _: None)}, algorithms=[HpkeKe.name, "A256GCM"])
HEADER = {"alg": HpkeKe.name, "enc": "A256GCM", "kid": str(KID), "typ": "t", "cty": "c"}


@pytest.mark.parametrize("plaintext", [b"", b"hola", b"x" * 40_000], ids=len)
def test_joserfc_opens_what_we_seal(plaintext):
    opened = jwe.decrypt_compact(
        encrypt_jwe(plaintext, ENC.public, typ="t", cty="c"), OctKey.import_key(SEED), registry=REGISTRY
    )
    assert opened.plaintext == plaintext
    assert opened.protected == HEADER | {"ek": opened.protected["ek"]}


@pytest.mark.parametrize("plaintext", [b"", b"hola", b"x" * 40_000], ids=len)
def test_we_open_what_joserfc_seals(plaintext):
    sealed = jwe.encrypt_compact(dict(HEADER), plaintext, OctKey.import_key(ENC.public.raw), registry=REGISTRY)
    assert decrypt_jwe(sealed, typ="t", cty="c", find=lambda _: ENC) == plaintext


def test_control_another_info_would_not_open():
    """The binding to JOSE and to the content algorithm is part of what the two sides agree on."""

    class Other(HpkeKe):
        info = b""

    class WithOther(WithHpke):
        algorithms = WithHpke.algorithms | {"alg": {HpkeKe.name: Other()}}

    other = WithOther({"ek": HeaderParameter("Encapsulated key", lambda _: None)}, algorithms=[HpkeKe.name, "A256GCM"])
    sealed = jwe.encrypt_compact(dict(HEADER), b"hola", OctKey.import_key(ENC.public.raw), registry=other)
    with pytest.raises(EnvelopeError):
        decrypt_jwe(sealed, typ="t", cty="c", find=lambda _: ENC)


def test_a_public_key_is_the_two_in_the_order_of_the_draft():
    assert SealKey(KID, hpke_oracle.PrivateKey(SEED).public).raw == ENC.public.raw


def test_the_known_answer_of_the_start_is_the_oracles():
    encapsulated = bytes(1088) + (9).to_bytes(32, "little")
    shared = hpke_oracle.PrivateKey(bytes(32)).decapsulate(encapsulated)
    key, nonce, _ = hpke_oracle.schedule(shared, HpkeKe.info, AES_256_GCM_ID)
    assert AESGCM(key).encrypt(nonce, bytes(32), b"") == jose._KNOWN_ANSWER
    self_test()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("_SUITE", Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)),
        ("_SUITE", Suite(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.CHACHA20_POLY1305)),
        ("_HPKE_INFO", b"JOSE-HPKE rcpt\xffA128GCM\xff"),
    ],
)
def test_a_build_that_agrees_only_with_itself_does_not_start(monkeypatch, name, other):
    monkeypatch.setattr(jose, name, other)
    sealed = encrypt_jwe(b"hola", ENC.public, typ="t", cty="c")
    assert decrypt_jwe(sealed, typ="t", cty="c", find=lambda _: ENC) == b"hola", "control: a round trip notices nothing"
    with pytest.raises(EnvelopeError):
        self_test()
