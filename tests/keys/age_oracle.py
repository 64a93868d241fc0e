"""age v1 for X25519 identities, by its specification (C2SP age); opens what the product writes, for tests alone."""

import hmac
from base64 import b64decode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 64 * 1024
ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def secret_of(identity: str) -> bytes:
    """The 32 bytes of AGE-SECRET-KEY-1… (Bech32; its checksum is left to the writer)."""
    symbols = [ALPHABET.index(letter) for letter in identity.lower().rpartition("1")[2][:-6]]
    bits = "".join(f"{symbol:05b}" for symbol in symbols)[:256]
    return int(bits, 2).to_bytes(32, "big")


def derive(key: bytes, *, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt or None, info).derive(key)


def unpadded(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))


def stanzas(lines: list[str]) -> list[tuple[list[str], str]]:
    """Return (arguments, body) of each; a body's last line is the one shorter than 64 characters."""
    found, rest = [], iter(lines)
    for line in rest:
        arguments, body = line.removeprefix("-> ").split(" "), [next(rest)]
        while len(body[-1]) == 64:
            body.append(next(rest))
        found.append((arguments, "".join(body)))
    return found


def open_age(data: bytes, identity: str) -> bytes:
    """Return what an age file for one X25519 recipient holds; raises where anything is not as the specification says."""
    head, _, rest = data.partition(b"\n--- ")
    mac, _, payload = rest.partition(b"\n")
    version, *lines = head.decode().split("\n")
    assert version == "age-encryption.org/v1"
    [(share_text, body)] = [(arguments[1], text) for arguments, text in stanzas(lines) if arguments[0] == "X25519"]
    private, share = X25519PrivateKey.from_private_bytes(secret_of(identity)), unpadded(share_text)
    wrapping = derive(
        private.exchange(X25519PublicKey.from_public_bytes(share)),
        salt=share + private.public_key().public_bytes_raw(),
        info=b"age-encryption.org/v1/X25519",
    )
    file_key = ChaCha20Poly1305(wrapping).decrypt(bytes(12), unpadded(body), None)
    expected = hmac.digest(derive(file_key, salt=b"", info=b"header"), head + b"\n---", sha256)
    assert hmac.compare_digest(expected, unpadded(mac.decode()))
    stream, sealed = ChaCha20Poly1305(derive(file_key, salt=payload[:16], info=b"payload")), payload[16:]
    chunks = [sealed[at : at + CHUNK + 16] for at in range(0, len(sealed), CHUNK + 16)]
    last = len(chunks) - 1
    return b"".join(stream.decrypt(n.to_bytes(11, "big") + bytes([n == last]), chunk, None) for n, chunk in enumerate(chunks))
