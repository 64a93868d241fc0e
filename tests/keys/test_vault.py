"""Bodies at rest: bound to thread and message, and gone for ever with their thread's key."""

import hmac
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.errors import StorageError
from contracts.ids import MessageId, NodeId, ThreadId
from keys.model import generate_node_keys
from keys.sealing import Sealer, SignedMessage, VerifiedMessage
from keys.vault import KeptMessage, Vault

T1, T2 = (ThreadId(f"01990000-0000-7000-8000-00000000000{n}") for n in (1, 2))
M1, M2 = (MessageId(f"01990000-0000-7000-8000-00000000001{n}") for n in (1, 2))
MASTER = bytes(range(32))
BODY = b"cuerpo con datos de Ficticia"
KEYS = generate_node_keys(NodeId("gt.pgn"))


def opens(vault, *place):
    try:
        return vault.open(*place) == BODY
    except StorageError:
        return False


def recoverable(vault, sealed):
    """Everything an attacker may still have after the key was destroyed: the vault, other threads' keys, new keys, the body."""
    kept = [vault.new_key(T2), vault.new_key(T1), vault.new_key(T1), b"", bytes(60), sealed, sealed[:60]]
    return any(opens(vault, wrapped, thread, M1, sealed) for wrapped in kept for thread in (T1, T2))


def test_a_body_is_gone_with_its_threads_key():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    sealed = vault.seal(wrapped, T1, M1, BODY)
    assert opens(vault, wrapped, T1, M1, sealed)
    del wrapped
    assert not recoverable(vault, sealed)
    assert not recoverable(Vault(MASTER), sealed), "nor after a restart with the same master key"


class Derived(Vault):
    """The planted bug: thread keys computed from the master key, so that destroying one destroys nothing."""

    __slots__ = ()

    def _key(self, wrapped, thread_id):
        return AESGCM(hmac.digest(MASTER, thread_id.encode(), sha256))


def test_control_a_vault_that_derives_its_keys_is_noticed():
    vault = Derived(MASTER)
    assert recoverable(vault, vault.seal(vault.new_key(T1), T1, M1, BODY))


class Unbound(Vault):
    """The planted bug: bodies not bound to their message."""

    __slots__ = ()

    def open(self, wrapped, thread_id, message_id, sealed):
        return super().open(wrapped, thread_id, M1, sealed)


def moved(vault):
    """Whether a body opens anywhere but in its place."""
    one, two = vault.new_key(T1), vault.new_key(T2)
    sealed = vault.seal(one, T1, M1, BODY)
    places = [(one, T1, M2), (one, T2, M1), (two, T1, M1), (two, T2, M1), (vault.new_key(T1), T1, M1)]
    return any(opens(vault, *place, sealed) for place in places)


def test_a_body_opens_nowhere_but_in_its_place():
    assert not moved(Vault(MASTER))


def test_control_a_vault_that_does_not_bind_is_noticed():
    assert moved(Unbound(MASTER))


def test_any_changed_bit_of_a_body_or_of_a_wrapped_key_is_refused():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    sealed = vault.seal(wrapped, T1, M1, BODY)
    for at in range(len(sealed)):
        for bit in range(8):
            assert not opens(vault, wrapped, T1, M1, sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :])
    for at in range(len(wrapped)):
        for bit in range(8):
            assert not opens(vault, wrapped[:at] + bytes([wrapped[at] ^ 1 << bit]) + wrapped[at + 1 :], T1, M1, sealed)


def test_a_body_cut_short_or_grown_is_refused():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    sealed = vault.seal(wrapped, T1, M1, BODY)
    for cut in (*(sealed[:length] for length in range(len(sealed))), sealed + b"\0", b"\0" + sealed):
        assert not opens(vault, wrapped, T1, M1, cut)


def test_the_master_key_of_another_node_opens_nothing():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    assert not opens(Vault(bytes(32)), wrapped, T1, M1, vault.seal(wrapped, T1, M1, BODY))


def test_sealing_the_same_twice_shows_nothing_of_it():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    one, two = (vault.seal(wrapped, T1, M1, BODY) for _ in range(2))
    assert one[:12] != two[:12]
    assert one[12:] != two[12:]
    assert BODY not in one
    assert len({vault.new_key(T1) for _ in range(100)}) == 100


def test_a_body_is_sealed_under_a_good_wrapped_key_alone():
    vault = Vault(MASTER)
    for wrapped in (b"", bytes(60), vault.new_key(T2), vault.new_key(T1)[:-1]):
        with pytest.raises(StorageError):
            vault.seal(wrapped, T1, M1, BODY)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_vaults_key_has_32_bytes(length):
    with pytest.raises(ValueError, match="32"):
        Vault(bytes(length))


def test_nothing_but_a_proven_message_is_kept_and_nothing_but_the_vault_says_it_was():
    with pytest.raises(TypeError):
        SignedMessage(BODY, sha256(BODY).digest(), object())
    with pytest.raises(TypeError):
        VerifiedMessage(KEYS.node, KEYS.sig.kid, BODY, BODY, sha256(BODY).digest(), object())
    with pytest.raises(TypeError):
        KeptMessage(BODY, object())


def test_a_kept_message_is_what_was_signed_and_opens_in_its_place_alone():
    vault, signed = Vault(MASTER), Sealer(KEYS, lambda: None, "log").sign_message(b'{"a":1}')
    wrapped = vault.new_key(T1)
    sealed = vault.keep(wrapped, T1, M1, signed)
    kept = vault.kept(wrapped, T1, M1, sealed)
    assert kept.jws == signed.jws
    assert kept.payload.startswith(b'{"a":1,"pad":"0')
    for place in ((wrapped, T1, M2, sealed), (wrapped, T2, M1, sealed), (wrapped, T1, M1, sealed[:-1])):
        with pytest.raises(StorageError):
            vault.kept(*place)


def test_a_draft_is_bound_to_its_place_and_never_opens_as_a_message():
    vault = Vault(MASTER)
    wrapped = vault.new_key(T1)
    draft = vault.keep_draft(wrapped, T1, M1, BODY)
    assert vault.kept_draft(wrapped, T1, M1, draft) == BODY
    with pytest.raises(StorageError):
        vault.kept(wrapped, T1, M1, draft)  # nobody signed it
    with pytest.raises(StorageError):
        vault.kept_draft(wrapped, T1, M1, vault.seal(wrapped, T1, M1, BODY))
    for key, thread, place in ((wrapped, T1, M2), (wrapped, T2, M1), (vault.new_key(T1), T1, M1)):
        with pytest.raises(StorageError):
            vault.kept_draft(key, thread, place, draft)
    for place in (0, 12, len(draft) - 1):
        with pytest.raises(StorageError):
            vault.kept_draft(wrapped, T1, M1, draft[:place] + bytes([draft[place] ^ 1]) + draft[place + 1 :])
