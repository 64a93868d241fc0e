"""Custodians: the people who hold the register's keys, one age file each (SPEC 10.6)."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey

from contracts.codec import b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import ConfigurationError, ExchangeError
from keys.keystore import read_age, read_age_passphrase, write_age, write_age_passphrase


@dataclass(frozen=True, slots=True)
class Custodian:
    """One custodian's key. `name` says who answers for it, for example ``pdh-1``."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def signer(self) -> CryptoSigner:
        """What signs register metadata."""
        return CryptoSigner(Ed25519PrivateKey.from_private_bytes(self.seed))

    @property
    def public(self) -> SSlibKey:
        """The public half, as TUF writes it."""
        key = self.signer.public_key
        key.unrecognized_fields["x-paradero-custodian"] = self.name
        return key


def new_custodian(name: str) -> Custodian:
    """Make a custodian's key."""
    return Custodian(name, secrets.token_bytes(32))


def save_custodian(path: Path, custodian: Custodian, *, recipient: str | None = None, words: str | None = None) -> None:
    """Write the key under a passphrase (the rule for custodians) or an age recipient (online and demo keys)."""
    data = encode_object({"custodian": custodian.name, "seed": b64u_encode(custodian.seed)})
    if words is not None:
        write_age_passphrase(path, data, words=words)
    elif recipient is not None:
        write_age(path, data, recipient=recipient)
    else:
        raise ConfigurationError("a custodian's key needs a passphrase or a recipient", advice="Give one of the two.")


def load_custodian(path: Path, *, identity: Path | None = None, words: str | None = None) -> Custodian:
    """Read a custodian's key.

    Raises:
        ConfigurationError: the file, the passphrase or the identity is not right.
    """
    if words is None and identity is None:
        raise ConfigurationError("no way to open a custodian's key", advice="Give its passphrase file or its age identity.")
    data = read_age_passphrase(path, words=words) if words is not None else read_age(path, identity or path)
    try:
        value = parse_object(data)
        return Custodian(str(value["custodian"]), b64u_decode(value["seed"]))
    except (ExchangeError, KeyError, TypeError):
        raise ConfigurationError(f"{path} holds no custodian's key", advice="Choose the custodian's own file.") from None
