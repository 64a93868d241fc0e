"""Arbitrary and mutated bytes at every parser of keys: a value, or a typed error; nothing else ever comes out."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.codec import b64u_encode
from contracts.errors import ConfigurationError, EnvelopeError, ExchangeError, RecordInvalidError, SignatureError, StorageError
from contracts.ids import KeyId, MessageId, NodeId, ThreadId
from keys import ed25519
from keys.jose import decrypt_jwe, encrypt_jwe, parse_jws, sign_jws, verify_jws
from keys.keystore import create_identity_file, load_node_keys, read_age, save_node_keys, write_age
from keys.model import OpeningKey, SealKey, SigningKey, VerifyKey, generate_node_keys
from keys.records import RecordClaims, _digest, issue_record, present, verify_record, verify_sd_jwt
from keys.vault import Vault

SIG = SigningKey(KeyId("gt.minex#sig-1"), bytes(range(32)))
ENC = OpeningKey(KeyId("gt.igm.mbmid#enc-1"), bytes(range(32)))
TOKEN = sign_jws(b'{"iss":"gt.minex"}', SIG, typ="t")
ENVELOPE = encrypt_jwe(TOKEN.encode(), ENC.public, typ="t", cty="c")
VISIBLE = RecordClaims(
    issuer=NodeId("gt.minex"),
    record_type="missing-person",
    record_id="01990000-0000-7000-8000-000000000001",
    issued_at=1,
    expires_at=2,
    holder=KeyId("gt.igm.mbmid#sig-1"),
    purposes=("locate-missing",),
    retain_until=2,
)
RECORD = issue_record({"given_names": "Ficticia", "marks": [{"kind": "tattoo"}]}, visible=VISIBLE, key=SIG, typ="t")
PAYLOAD = json.loads(parse_jws(RECORD.split("~")[0]).payload)

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SLOW = settings(FUZZ, max_examples=80)
ANYTHING = st.one_of(
    st.text(max_size=200),
    st.text(alphabet='eyJ.~=_-AQgw{}[]",:\\u0\n\0\ud800é', max_size=200),
    st.lists(st.text(alphabet="ABCDabcd0189_-", max_size=40), max_size=6).map(".".join),
)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["_sd", "...", "_sd_alg", "Ed25519"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=6) | st.sampled_from(["_sd", "...", "_sd_alg", "kid", "alg", "typ", "ek"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@st.composite
def mutated(draw, good):
    """A good token with a piece replaced, removed, doubled or moved."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 40)))
    piece = draw(
        st.one_of(st.just(""), st.text(max_size=8), st.sampled_from([".", "~", "=", "A", good[start:end] * 2, "\0", "é"]))
    )
    return good[:start] + piece + good[end:]


def only(error, call):
    """Return the value, or None where the one typed error came."""
    try:
        return call()
    except error:
        return None


def find(_kid):
    return SIG.public


def signed(header, payload):
    signing_input = f"{b64u_encode(json.dumps(header).encode())}.{b64u_encode(payload)}"
    return f"{signing_input}.{b64u_encode(SIG.sign(signing_input.encode()))}"


@FUZZ
@given(ANYTHING | mutated(TOKEN))
def test_jws(text):
    found = only(SignatureError, lambda: verify_jws(text, typ="t", find=find))
    assert found is None or text == TOKEN


@FUZZ
@given(JSON)
def test_jws_header(header):
    assert only(SignatureError, lambda: verify_jws(signed(header, b"{}"), typ="t", find=find)) is None


@FUZZ
@given(ANYTHING | mutated(ENVELOPE))
def test_jwe(text):
    found = only(EnvelopeError, lambda: decrypt_jwe(text, typ="t", cty="c", find=lambda _: ENC))
    assert found is None or text == ENVELOPE


@FUZZ
@given(JSON, st.binary(max_size=60))
def test_jwe_header(header, rest):
    text = ".".join([b64u_encode(json.dumps(header).encode()), *[b64u_encode(rest)] * 4])
    assert only(EnvelopeError, lambda: decrypt_jwe(text, typ="t", cty="c", find=lambda _: ENC)) is None


@FUZZ
@given(ANYTHING | mutated(RECORD))
def test_record(text):
    found = only(RecordInvalidError, lambda: verify_record(text, typ="t", find=find))
    assert found is None or set(found.claims) <= {"given_names", "marks"}
    only(RecordInvalidError, lambda: present(text, ["marks"]))


@FUZZ
@given(st.sampled_from(sorted(PAYLOAD)), JSON)
def test_record_with_a_member_of_another_shape(name, value):
    text = "~".join((sign_jws(json.dumps(PAYLOAD | {name: value}).encode(), SIG, typ="t"), ""))
    only(RecordInvalidError, lambda: verify_record(text, typ="t", find=find))


@FUZZ
@given(st.lists(st.lists(JSON, max_size=4), max_size=4), JSON)
def test_disclosures_of_any_shape(disclosures, payload):
    made = [b64u_encode(json.dumps(parts).encode()) for parts in disclosures]
    digests = [_digest(item) for item in made]
    body = (payload if isinstance(payload, dict) else {"p": payload}) | {"_sd": digests}
    text = "~".join((sign_jws(json.dumps(body).encode(), SIG, typ="t"), *made, ""))
    only(RecordInvalidError, lambda: verify_sd_jwt(text, typ="t", find=find))
    only(RecordInvalidError, lambda: verify_record(text, typ="t", find=find))


@FUZZ
@given(st.binary(max_size=70), st.binary(max_size=70))
def test_points_and_signatures(raw, signature):
    only(SignatureError, lambda: ed25519.check_point(raw))
    only(SignatureError, lambda: SIG.public.verify(signature, b"m"))
    assert only(SignatureError, lambda: ed25519.verify(SIG.public.raw, signature, raw)) is None


@FUZZ
@given(st.dictionaries(st.sampled_from(["kty", "crv", "alg", "kid", "x", "pub", "use"]), JSON, max_size=7))
def test_jwk(changes):
    only(SignatureError, lambda: VerifyKey.from_jwk(SIG.public.jwk() | changes))
    only(SignatureError, lambda: SealKey.from_jwk(ENC.public.jwk() | changes))


@FUZZ
@given(st.binary(max_size=100), st.binary(max_size=100))
def test_vault(wrapped, sealed):
    vault = Vault(bytes(32))
    thread, message = ThreadId("01990000-0000-7000-8000-000000000001"), MessageId("01990000-0000-7000-8000-000000000011")
    good = vault.new_key(thread)
    assert only(StorageError, lambda: vault.open(wrapped, thread, message, sealed)) is None
    assert only(StorageError, lambda: vault.open(good, thread, message, sealed)) is None
    assert only(StorageError, lambda: vault.seal(wrapped, thread, message, sealed)) is None


@pytest.fixture(scope="module")
def key_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    recipient = create_identity_file(folder / "identity")
    save_node_keys(folder / "node.age", generate_node_keys(NodeId("gt.minex")), recipient=recipient)
    return folder, recipient, (folder / "node.age").read_bytes()


@SLOW
@given(data=st.data())
def test_key_file(key_files, data):
    folder, recipient, good = key_files
    kind = data.draw(st.sampled_from(["bytes", "cut", "changed", "content", "members"]))
    path = folder / "attacked.age"
    if kind in {"content", "members"}:
        inner = json.loads(read_age(folder / "node.age", folder / "identity"))
        value = data.draw(JSON) if kind == "content" else inner | {data.draw(st.sampled_from(sorted(inner))): data.draw(JSON)}
        write_age(path, json.dumps(value).encode(), recipient=recipient)
    else:
        at = data.draw(st.integers(0, len(good) - 1))
        flip = bytes([good[at] ^ data.draw(st.integers(1, 255))])
        path.write_bytes(
            {"bytes": data.draw(st.binary(max_size=300)), "cut": good[:at], "changed": good[:at] + flip + good[at + 1 :]}[kind]
        )
        path.chmod(0o600)
        assert only(ConfigurationError, lambda: read_age(path, folder / "identity")) is None
    only(ConfigurationError, lambda: load_node_keys(path, folder / "identity"))


@SLOW
@given(st.binary(max_size=200))
def test_identity_file(key_files, content):
    folder, _, _ = key_files
    path = folder / "identity.attacked"
    path.write_bytes(content)
    path.chmod(0o600)
    assert only(ConfigurationError, lambda: read_age(folder / "node.age", path)) is None


def test_control_a_parser_that_lets_another_error_out_is_noticed():
    def careless():
        return {}["alg"]

    with pytest.raises(KeyError):
        only(ExchangeError, careless)
