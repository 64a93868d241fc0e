"""Data and keys at rest: bound to their place, durable, and readable by nobody else."""

import ssl
from datetime import UTC, datetime

import pytest

from contracts.errors import ConfigurationError, StorageError
from contracts.ids import MessageId, NodeId, ThreadId
from keys import keystore
from keys.keystore import (
    create_identity_file,
    load_node_keys,
    read_age_passphrase,
    save_node_keys,
    write_age_passphrase,
    write_durably,
)
from keys.model import generate_node_keys
from keys.pseudonyms import Pseudonyms
from keys.tls import pin, self_signed_certificate
from keys.vault import Vault

T1, T2 = (ThreadId(f"01990000-0000-7000-8000-00000000000{n}") for n in (1, 2))
M1, M2 = (MessageId(f"01990000-0000-7000-8000-00000000001{n}") for n in (1, 2))


def test_a_body_opens_in_its_place_only():
    vault = Vault(bytes(32))
    key, other = vault.new_key(T1), vault.new_key(T2)
    sealed = vault.seal(key, T1, M1, b"cuerpo")
    assert vault.open(key, T1, M1, sealed) == b"cuerpo"
    attempts = [(key, T1, M2, sealed), (key, T2, M1, sealed), (other, T2, M1, sealed), (key, T1, M1, sealed[:-1])]
    attempts += [(key, T1, M1, bytes([sealed[0] ^ 1]) + sealed[1:]), (b"", T1, M1, sealed), (key, T1, M1, b"")]
    for attempt in attempts:
        with pytest.raises(StorageError):
            vault.open(*attempt)
    with pytest.raises(StorageError):
        Vault(bytes([1]) * 32).open(key, T1, M1, sealed)


def test_keyed_digests_are_stable_here_and_mean_nothing_elsewhere():
    assert Vault(bytes(32)).digest("row", b"x") == Vault(bytes(32)).digest("row", b"x")
    assert len({Vault(bytes([n]) * 32).digest(purpose, b"x") for n in (1, 2) for purpose in ("row", "other")}) == 4


def test_two_recipients_know_a_case_by_unrelated_names():
    names = Pseudonyms(bytes(32))
    aliases = {names.case_alias("k", NodeId(node)) for node in ("gt.pgn", "gt.minex")}
    assert len(aliases) == 2
    assert names.case_alias("k", NodeId("gt.pgn")) in aliases


def test_node_keys_come_back_and_are_not_shown(tmp_path):
    keys = generate_node_keys(NodeId("gt.minex"))
    recipient = create_identity_file(tmp_path / "identity")
    save_node_keys(tmp_path / "node.age", keys, recipient=recipient)
    assert load_node_keys(tmp_path / "node.age", tmp_path / "identity") == keys
    assert keys.sig.seed.hex() not in repr(keys)
    assert "seed" not in repr(keys)
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_keys_that_others_can_read_are_refused_with_advice(tmp_path, mode):
    create_identity_file(tmp_path / "identity")
    (tmp_path / "identity").chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        keystore.read_secret(tmp_path / "identity")
    assert "chmod 600" in refused.value.advice


def test_another_identity_does_not_open_them(tmp_path):
    save_node_keys(tmp_path / "n", generate_node_keys(NodeId("gt.minex")), recipient=create_identity_file(tmp_path / "a"))
    create_identity_file(tmp_path / "b")
    with pytest.raises(ConfigurationError):
        load_node_keys(tmp_path / "n", tmp_path / "b")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "key"
    write_durably(path, b"old")
    monkeypatch.setattr(keystore.os, "fsync", lambda _fd: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_a_passphrase_file_opens_with_its_words_only(tmp_path):
    write_age_passphrase(tmp_path / "id.age", b"secret", words="gol sorpresa plata tripa babor cine")
    assert read_age_passphrase(tmp_path / "id.age", words="gol sorpresa plata tripa babor cine") == b"secret"
    with pytest.raises(ConfigurationError):
        read_age_passphrase(tmp_path / "id.age", words="otras palabras")


def test_a_self_signed_certificate_serves_and_has_a_pin(tmp_path):
    certificate, key = self_signed_certificate(["127.0.0.1", "node.example"], now=datetime.now(UTC))
    (tmp_path / "c.pem").write_bytes(certificate)
    (tmp_path / "k.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    assert len(bytes.fromhex(pin(certificate))) == 32
