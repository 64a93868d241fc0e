"""Attachments are C2SP chunked-encryption, byte for byte, and nothing that was touched opens."""

import json
import random
from base64 import b64decode
from hashlib import sha256
from importlib.resources import files

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from contracts.codec import b64u_decode, b64u_encode
from contracts.errors import EnvelopeError
from contracts.ids import ThreadId
from keys.blobs import open_blob, seal_blob

THREAD = ThreadId("01a2272d-2601-7000-8000-000000000001")
OTHER = ThreadId("01a2272d-2601-7000-8000-000000000002")
CHUNK, TAG, HEAD = 16 * 1024, 16, 56
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]


def opened(ciphertext, key, context, hash_):
    """The format as its specification (https://c2sp.org/chunked-encryption) says it, written again."""
    salt, commitment, body = ciphertext[:24], ciphertext[24:HEAD], ciphertext[HEAD:]
    name = {16: b"AEAD_AES_128_GCM", 32: b"AEAD_AES_256_GCM"}[len(key)]
    info = b"c2sp.org/chunked-encryption@v1+" + name + b"\0" + salt + context
    derived = HKDFExpand(hash_, len(key) + 12 + 32, info).derive(key)
    if derived[-32:] != commitment:
        raise ValueError("commitment")
    aead, base, out = AESGCM(derived[: len(key)]), int.from_bytes(derived[len(key) : len(key) + 12]), b""
    for number in range(len(body) // (CHUNK + TAG) + 1):
        part = body[number * (CHUNK + TAG) : (number + 1) * (CHUNK + TAG)]
        out += aead.decrypt((base ^ number).to_bytes(12), part, None)
    return out


def vectors():
    text = files("cryptography_vectors").joinpath("chunked-encryption/vectors.json").read_text()
    return [item for item in json.loads(text)["vectors"] if "GCM" in item["aead"] and not item.get("compressed")]


@pytest.mark.parametrize("vector", vectors(), ids=lambda item: item["name"])
def test_the_format_written_again_agrees_with_the_published_vectors(vector):
    """The published ones are of the SHA-256 instantiation; the one used here differs from it in that hash alone."""
    key, data = bytes.fromhex(vector["key"]), b64decode(vector["ciphertext"] or "")
    context = vector["context"].encode()
    if vector["expect"] == "success":
        assert sha256(opened(data, key, context, SHA256())).hexdigest() == vector["payload_sha256"]
    elif len(key) in (16, 32):
        with pytest.raises((InvalidTag, ValueError)):
            opened(data, key, context, SHA256())


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_here_is_that_format_with_sha_512(size):
    content = random.Random(size).randbytes(size)
    sealed = seal_blob(content, THREAD)
    context = b"paradero-attachment|" + THREAD.encode()
    assert opened(sealed.ciphertext, b64u_decode(sealed.key), context, SHA512()) == content
    assert open_blob(sealed.ciphertext, sealed.key, THREAD) == content
    assert sealed.sha256 == b64u_encode(sha256(sealed.ciphertext).digest())
    assert len(sealed.ciphertext) == HEAD + size + TAG * (size // CHUNK + 1)


def chunks(data):
    return [data[start : start + CHUNK + TAG] for start in range(HEAD, len(data), CHUNK + TAG)]


TOUCHED = {
    "a bit of a chunk": lambda data: (
        data[: HEAD + CHUNK + 30] + bytes([data[HEAD + CHUNK + 30] ^ 1]) + data[HEAD + CHUNK + 31 :]
    ),
    "a bit of the salt": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "a bit of the commitment": lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
    "cut at a chunk": lambda data: data[: HEAD + 2 * (CHUNK + TAG)],
    "cut inside one": lambda data: data[:-5],
    "two chunks swapped": lambda data: data[:HEAD] + b"".join([chunks(data)[1], chunks(data)[0], *chunks(data)[2:]]),
    "a chunk twice": lambda data: data[:HEAD] + b"".join([chunks(data)[0], *chunks(data)]),
    "something added": lambda data: data + b"\0",
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("touched", TOUCHED)
def test_what_was_touched_does_not_open(touched):
    sealed = seal_blob(random.Random(7).randbytes(3 * CHUNK + 7), THREAD)
    with pytest.raises(EnvelopeError):
        open_blob(TOUCHED[touched](sealed.ciphertext), sealed.key, THREAD)
    assert open_blob(sealed.ciphertext, sealed.key, THREAD)  # control: untouched it does


def test_no_other_thread_and_no_other_key_opens_it_and_no_two_are_alike():
    sealed, again = seal_blob(b"lo mismo", THREAD), seal_blob(b"lo mismo", THREAD)
    for key, thread in ((sealed.key, OTHER), (again.key, THREAD), ("", THREAD), ("A" * 20, THREAD)):
        with pytest.raises(EnvelopeError):
            open_blob(sealed.ciphertext, key, thread)
    assert sealed.sha256 != again.sha256
    assert sealed.key not in repr(sealed)
