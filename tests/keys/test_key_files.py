"""Key files: age v1 by its specification, whole or not there, for the owner's eyes alone, and never a key in the clear."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyrage
import pytest

from contracts.codec import b64u_encode
from contracts.errors import ConfigurationError
from contracts.ids import KeyId, NodeId
from keys import keystore
from keys.keystore import (
    create_identity_file,
    load_node_keys,
    read_age,
    read_age_passphrase,
    read_secret,
    recipient_of,
    save_node_keys,
    write_age,
    write_age_passphrase,
    write_durably,
)
from keys.model import generate_node_keys
from tests.keys.age_oracle import open_age

NODE = NodeId("gt.minex")
WORDS = "gol sorpresa plata tripa babor cine"


@pytest.fixture
def identity(tmp_path):
    create_identity_file(tmp_path / "identity")
    return tmp_path / "identity"


def secret_line(identity):
    return next(line for line in identity.read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("size", [0, 1, 700, 65_536, 65_537, 200_000])
def test_what_we_write_any_age_opens(tmp_path, identity, size):
    data = os.urandom(size)
    write_age(tmp_path / "file", data, recipient=recipient_of(identity))
    sealed = (tmp_path / "file").read_bytes()
    assert open_age(sealed, secret_line(identity)) == data, "by the specification"
    assert pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(secret_line(identity))]) == data


def test_what_age_writes_we_open(tmp_path, identity):
    keys = generate_node_keys(NODE)
    save_node_keys(tmp_path / "ours", keys, recipient=recipient_of(identity))
    inner = read_age(tmp_path / "ours", identity)
    other = pyrage.x25519.Identity.generate().to_public()
    sealed = pyrage.encrypt(inner, [other, pyrage.x25519.Recipient.from_str(recipient_of(identity))])
    write_durably(tmp_path / "theirs", sealed)
    assert load_node_keys(tmp_path / "theirs", identity) == keys


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_passphrase_file_is_costly_to_guess_and_opens_both_ways(tmp_path):
    write_age_passphrase(tmp_path / "ours", b"secret", words=WORDS)
    sealed = (tmp_path / "ours").read_bytes()
    stanza = sealed.split(b"\n")[1].split(b" ")
    assert stanza[:2] == [b"->", b"scrypt"]
    assert int(stanza[3]) >= 17, "2**17 blocks of a KiB, at the least"
    assert pyrage.passphrase.decrypt(sealed, WORDS) == b"secret"
    write_durably(tmp_path / "theirs", pyrage.passphrase.encrypt(b"other", WORDS))
    assert read_age_passphrase(tmp_path / "theirs", words=WORDS) == b"other"
    for words in ("", WORDS + " ", WORDS.upper(), "otras palabras"):
        with pytest.raises(ConfigurationError):
            read_age_passphrase(tmp_path / "ours", words=words)


def weakly_sealed(work):
    return b"age-encryption.org/v1\n-> scrypt XA/ybYDANlC6qmnylOOmfw %d\n" % work


def test_a_busy_machine_seals_no_weak_passphrase_file(tmp_path, monkeypatch):
    measured = iter([10, 14, 16, 18])
    monkeypatch.setattr(keystore.passphrase, "encrypt", lambda _data, _words: weakly_sealed(next(measured)))
    write_age_passphrase(tmp_path / "key.age", b"secret", words=WORDS)
    assert (tmp_path / "key.age").read_bytes() == weakly_sealed(18)

    monkeypatch.setattr(keystore.passphrase, "encrypt", lambda _data, _words: weakly_sealed(16))
    with pytest.raises(ConfigurationError, match="too busy or too slow") as refused:
        write_age_passphrase(tmp_path / "other.age", b"secret", words=WORDS)
    assert refused.value.advice
    assert not (tmp_path / "other.age").exists()


def test_a_busy_machine_is_not_a_wrong_passphrase(tmp_path, monkeypatch):
    put(tmp_path / "key.age", weakly_sealed(19))
    (tmp_path / "key.age").chmod(0o600)
    answers = iter([pyrage.DecryptError("Excessive work parameter for passphrase.\nDecryption would take …")] * 3)

    def busy_then_open(_sealed, words):
        for refusal in answers:
            raise refusal
        return words.encode()

    monkeypatch.setattr(keystore.passphrase, "decrypt", busy_then_open)
    assert read_age_passphrase(tmp_path / "key.age", words=WORDS) == WORDS.encode()


def test_the_library_still_says_excessive_work_the_way_we_read_it(tmp_path):
    # 2**30 blocks would take any machine an hour: refused before a guess is made.
    header = (
        b"age-encryption.org/v1\n-> scrypt XA/ybYDANlC6qmnylOOmfw 30\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n" + bytes(40)
    )
    put(tmp_path / "key.age", header)
    (tmp_path / "key.age").chmod(0o600)
    with pytest.raises(ConfigurationError, match="the passphrase was not tried") as refused:
        read_age_passphrase(tmp_path / "key.age", words=WORDS)
    assert "age -d" in refused.value.advice


def put(path, data):
    path.touch(0o600)
    path.write_bytes(data)


def test_a_file_cut_short_anywhere_is_refused(tmp_path, identity):
    save_node_keys(tmp_path / "whole", generate_node_keys(NODE), recipient=recipient_of(identity))
    sealed = (tmp_path / "whole").read_bytes()
    for length in range(len(sealed)):
        put(tmp_path / "cut", sealed[:length])
        with pytest.raises(ConfigurationError):
            load_node_keys(tmp_path / "cut", identity)


def test_a_file_with_any_byte_changed_is_refused(tmp_path, identity):
    save_node_keys(tmp_path / "whole", generate_node_keys(NODE), recipient=recipient_of(identity))
    sealed = (tmp_path / "whole").read_bytes()
    for at in range(len(sealed)):
        put(tmp_path / "changed", sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :])
        with pytest.raises(ConfigurationError):
            load_node_keys(tmp_path / "changed", identity)


def inner_with(keys, change):
    inner = keystore._as_json(keys)
    change(inner)
    return json.dumps(inner).encode()


WRONG_INSIDE = {
    "a signing key of another node": lambda inner: inner["sig"].update(kid="gt.pgn#sig-1"),
    "an opening key of another node": lambda inner: inner["enc"][0].update(kid="gt.pgn#enc-1"),
    "a log key as signing key": lambda inner: inner["sig"].update(kid=f"{NODE}#log-1"),
    "an identity under another name": lambda inner: inner["id"].update(kid=f"{NODE}#sig-1"),
    "a short seed": lambda inner: inner["enc"][0].update(seed=b64u_encode(bytes(31))),
    "an empty seed": lambda inner: inner["enc"][0].update(seed=""),
    "a seed that is a number": lambda inner: inner["sig"].update(seed=1),
    "no signing key": lambda inner: inner.pop("sig"),
    "keys that are text": lambda inner: inner.update(enc="none"),
    "another node": lambda inner: inner.update(node="gt.pgn"),
    "a short vault key": lambda inner: inner.update(vault=""),
    "a short pseudonym key": lambda inner: inner.update(pseudonym=b64u_encode(bytes(16))),
    "no opening key": lambda inner: inner.update(enc=[]),
}


@pytest.mark.parametrize("name", WRONG_INSIDE)
def test_a_file_that_opens_and_holds_no_node_keys_is_refused(tmp_path, identity, name):
    keys = generate_node_keys(NODE)
    write_age(tmp_path / "good", inner_with(keys, lambda inner: None), recipient=recipient_of(identity))
    assert load_node_keys(tmp_path / "good", identity) == keys  # control
    write_age(tmp_path / "wrong", inner_with(keys, WRONG_INSIDE[name]), recipient=recipient_of(identity))
    with pytest.raises(ConfigurationError):
        load_node_keys(tmp_path / "wrong", identity)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o640, 0o601])
def test_the_sealed_file_too_is_for_its_owner_alone(tmp_path, identity, mode):
    save_node_keys(tmp_path / "node", generate_node_keys(NODE), recipient=recipient_of(identity))
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o600
    (tmp_path / "node").chmod(mode)
    with pytest.raises(ConfigurationError) as refused:
        load_node_keys(tmp_path / "node", identity)
    assert "chmod 600" in refused.value.advice


def test_what_is_no_file_is_refused_and_hangs_nobody(tmp_path, identity):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    (tmp_path / "link").symlink_to(identity)
    for name in ("pipe", "folder", "link", "missing", "identity/inside"):
        with pytest.raises(ConfigurationError):
            read_secret(tmp_path / name)


def test_a_file_too_large_for_keys_is_refused(tmp_path):
    write_durably(tmp_path / "large", bytes(256 * 1024 + 1))
    with pytest.raises(ConfigurationError):
        read_secret(tmp_path / "large")


def test_a_recipient_that_is_none_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ConfigurationError):
        write_age(tmp_path / "file", b"x", recipient="age1nobody")
    assert not (tmp_path / "file").exists()


def secrets_of(keys):
    """Every secret of a node, in every spelling a careless writer might use."""
    seeds = [keys.sig.seed, keys.log.seed, keys.identity.seed, keys.vault, keys.pseudonym, *(key.seed for key in keys.enc)]
    return [spelling for seed in seeds for spelling in (seed, seed.hex().encode(), b64u_encode(seed).encode())]


class Watched:
    """Keeps what lies in a folder at every fsync: what a power cut there would leave, and its modes."""

    def __init__(self, folder, monkeypatch):
        self.seen, self.modes = [], set()
        real = os.fsync

        def fsync(descriptor):
            for path in folder.rglob("*"):
                if path.is_file():
                    self.seen.append(path.read_bytes())
                    self.modes.add(path.stat().st_mode & 0o777)
            real(descriptor)

        monkeypatch.setattr(keystore.os, "fsync", fsync)

    def tells(self, secrets):
        return any(secret in data for secret in secrets for data in self.seen)


def test_no_key_is_ever_on_disk_in_the_clear(tmp_path, identity, monkeypatch):
    old = os.umask(0)
    try:
        keys, watched = generate_node_keys(NODE), Watched(tmp_path, monkeypatch)
        save_node_keys(tmp_path / "node", keys, recipient=recipient_of(identity))
    finally:
        os.umask(old)
    assert len(watched.seen) >= 4, "file and folder, each with the identity beside it"
    assert not watched.tells(secrets_of(keys))
    assert watched.modes == {0o600}, "from the first byte, whatever the umask"


def test_control_a_writer_that_drafts_in_the_clear_is_noticed(tmp_path, identity, monkeypatch):
    keys, watched = generate_node_keys(NODE), Watched(tmp_path, monkeypatch)
    write_durably(tmp_path / "draft", json.dumps(keystore._as_json(keys)).encode())
    assert watched.tells(secrets_of(keys))


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "folder"])
def test_a_write_that_fails_at_any_step_leaves_one_whole_file(tmp_path, monkeypatch, step):
    path = tmp_path / "key"
    write_durably(path, b"old")
    calls = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor):
        calls.append("fsync" if "fsync" not in calls else "folder")
        if calls[-1] == step:
            raise OSError(28, "No space left on device")
        real_fsync(descriptor)

    def replace(self, target):
        calls.append("replace")
        if step == "replace":
            raise OSError(5, "Input/output error")
        return real_replace(self, target)

    def fchmod(*_):
        if step == "write":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(keystore.os, "fsync", fsync)
    monkeypatch.setattr(keystore.os, "fchmod", fchmod)
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError):  # noqa: PT011 - whichever the step gave
        write_durably(path, b"new")
    assert path.read_bytes() == (b"new" if step == "folder" else b"old")
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(keystore.os, "fsync", lambda fd: (order.append("fsync"), real_fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), real_replace(self, to))[1])
    write_durably(tmp_path / "key", b"x")
    assert order == ["fsync", "replace", "fsync"]


WRITER = """
import sys, itertools
from pathlib import Path
from keys.keystore import write_durably
path = Path(sys.argv[1])
for number in itertools.count():
    write_durably(path, bytes([number % 256]) * 100_000)
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "key"
    for wait in (0.0, 0.013, 0.041):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.stdout.close()
        writer.wait()
        data = path.read_bytes()
        assert len(data) == 100_000
        assert len(set(data)) == 1


def test_old_opening_keys_stay_in_the_file_in_their_order(tmp_path, identity):
    keys = generate_node_keys(NODE)
    second = type(keys.enc[0])(KeyId(f"{NODE}#enc-2"), bytes(range(32)))
    both = type(keys)(
        **{name: getattr(keys, name) for name in ("node", "sig", "log", "pseudonym", "vault")}, enc=(second, *keys.enc)
    )
    save_node_keys(tmp_path / "node", both, recipient=recipient_of(identity))
    assert load_node_keys(tmp_path / "node", identity) == both
