"""Key files: age v1 files (C2SP age), which any administrator can open with the stock `age` tool (SPEC 4.5).

Running keys are sealed to an age identity that lies beside them with mode 0600, or comes as a systemd credential.
Identity, council and recovery keys can be sealed under a passphrase instead (scrypt).
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from pyrage import DecryptError, IdentityError, RecipientError, decrypt, encrypt, passphrase, x25519

from contracts.codec import Json, b64u_decode, b64u_encode, encode_object, parse_object
from contracts.errors import ConfigurationError, ExchangeError
from contracts.ids import KeyId, NodeId
from keys.model import NodeKeys, OpeningKey, SigningKey

_MAX_FILE = 256 * 1024
_SECRET = 32

_LEAST_WORK = 17  # 2**17 blocks of a KiB
_TRIES = 20
_TOO_MUCH_WORK = "Excessive work"  # the library's words: no type of its own tells this refusal from a wrong passphrase


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that after a power cut it is there whole, or as it was: temp, fsync, rename, fsync the folder."""
    _make_durably(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _make_durably(folder: Path) -> None:
    # A new folder is an entry in the one above it: without a sync there, a power cut takes it with all it holds.
    if not folder.exists():
        _make_durably(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> bytes:
    """Read a file only its owner can read.

    Raises:
        ConfigurationError: missing, unreadable, too large, or readable by group or others.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not hang the start
    except OSError as error:
        raise ConfigurationError(
            f"cannot open {path}: {type(error).__name__}", advice="Check that the file is there and belongs to the node's user."
        ) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigurationError(f"{path} is no file", advice="Restore it from the sealed copy.")
        if mode & 0o077:
            raise ConfigurationError(f"{path} can be read by others", advice=f"Run: chmod 600 {path}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(_MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_FILE:
        raise ConfigurationError(f"{path} is too large for a key file", advice="Restore it from the sealed copy.")
    return data


def create_identity_file(path: Path, note: str = "opens this node's key file. Never copy, mail or photograph it.") -> str:
    """Make an age identity (X25519), write it with mode 0600, and return its recipient."""
    identity = x25519.Identity.generate()
    write_durably(path, f"# paradero: {note}\n{identity}\n".encode())
    return str(identity.to_public())


def recipient_of(identity_path: Path) -> str:
    """Return the recipient of an identity file.

    Raises:
        ConfigurationError: missing, readable by others, or no identity.
    """
    return str(load_identities(identity_path)[0].to_public())


def load_identities(path: Path) -> list[x25519.Identity]:
    """Return the identities of an age identity file.

    Raises:
        ConfigurationError: missing, readable by others, or no identity.
    """
    try:
        lines = read_secret(path).decode("ascii").splitlines()
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (IdentityError, UnicodeDecodeError):
        found = []
    if not found:
        raise ConfigurationError(f"{path} holds no age identity", advice="Restore it from the sealed copy.")
    return found


def write_age(path: Path, data: bytes, *, recipient: str) -> None:
    """Write `data` sealed to an age recipient.

    Raises:
        ConfigurationError: `recipient` is none.
    """
    try:
        to = x25519.Recipient.from_str(recipient)
    except RecipientError:
        raise ConfigurationError("not an age recipient", advice="It begins with age1 and stands beside the identity.") from None
    write_durably(path, encrypt(data, [to]))


def read_age(path: Path, identity_path: Path) -> bytes:
    """Return what an age file holds, opened with an identity file.

    Raises:
        ConfigurationError: a file is missing or readable by others, or the identity does not open it.
    """
    identities = load_identities(identity_path)
    try:
        return bytes(decrypt(read_secret(path), identities))
    except DecryptError:
        raise ConfigurationError(
            f"{identity_path} does not open {path}", advice="Use the identity that was made together with the key file."
        ) from None


def write_age_passphrase(path: Path, data: bytes, *, words: str) -> None:
    """Write `data` sealed under a passphrase (scrypt, at least 128 MB a guess; half a gigabyte on a quiet machine).

    The library measures how fast this machine is, once, for milliseconds, and takes the work for a second from it. Measured
    while the machine is busy, that is a fraction of the work a thief's machine should have: such a file is sealed again.

    Raises:
        ConfigurationError: the machine never came to the least work.
    """
    for _ in range(_TRIES):
        sealed = bytes(passphrase.encrypt(data, words))
        if _work(sealed) >= _LEAST_WORK:
            write_durably(path, sealed)
            return
    raise ConfigurationError(
        f"{path} was not written: this machine is too busy or too slow to seal it well",
        advice="Try again on a quiet machine.",
    )


def read_age_passphrase(path: Path, *, words: str) -> bytes:
    """Return what a passphrase-sealed age file holds.

    Raises:
        ConfigurationError: missing, the passphrase does not open it, or the machine is too busy to try.
    """
    sealed = read_secret(path)
    for _ in range(_TRIES):
        try:
            return bytes(passphrase.decrypt(sealed, words))
        except DecryptError as error:
            if not str(error).startswith(_TOO_MUCH_WORK):
                raise ConfigurationError(
                    f"the passphrase does not open {path}",
                    advice="Try again; five words wrong in a row: use the sealed copy.",
                ) from None
    # Not a word about the passphrase: it was never tried, and who believes it wrong reaches for the sealed copy.
    raise ConfigurationError(
        f"{path} was sealed with more work than this machine seems to manage now; the passphrase was not tried",
        advice="Close other programs and try again, or use a faster machine; `age -d` opens the file anywhere.",
    )


def _work(sealed: bytes) -> int:
    """Return log2 of the scrypt work a passphrase-sealed file asks of each guess (C2SP age, the scrypt stanza)."""
    return int(sealed.split(b"\n", 2)[1].split(b" ")[3])


def save_node_keys(path: Path, keys: NodeKeys, *, recipient: str) -> None:
    """Write a node's running keys as an age file."""
    write_age(path, encode_object(_as_json(keys)), recipient=recipient)


def load_node_keys(path: Path, identity_path: Path) -> NodeKeys:
    """Read a node's running keys.

    Raises:
        ConfigurationError: the files do not give them.
    """
    data = read_age(path, identity_path)
    try:
        return _from_json(parse_object(data))
    except (ExchangeError, KeyError, TypeError, ValueError):
        raise ConfigurationError(f"{path} holds no node keys", advice="Restore it from the sealed copy.") from None


def _as_json(keys: NodeKeys) -> Json:
    value: Json = {
        "node": str(keys.node),
        "sig": _signing(keys.sig),
        "enc": [{"kid": str(key.kid), "seed": b64u_encode(key.seed)} for key in keys.enc],
        "log": _signing(keys.log),
        "pseudonym": b64u_encode(keys.pseudonym),
        "vault": b64u_encode(keys.vault),
    }
    if keys.identity is not None:
        value["id"] = _signing(keys.identity)
    return value


def _signing(key: SigningKey) -> Json:
    return {"kid": str(key.kid), "seed": b64u_encode(key.seed)}


def _from_json(value: Json) -> NodeKeys:
    node = NodeId(value["node"])

    def own(item: Json, use: str) -> tuple[KeyId, bytes]:
        kid = KeyId(item["kid"])
        if (kid.node, kid.use) != (node, use):
            raise ValueError("a key of another node, or for another use")
        return kid, b64u_decode(item["seed"])

    def signing(name: str) -> SigningKey:
        return SigningKey(*own(value[name], name))

    def secret(name: str) -> bytes:
        data = b64u_decode(value[name])
        if len(data) != _SECRET:
            raise ValueError("a secret of another length")
        return data

    if not value["enc"]:
        raise ValueError("no key to open envelopes with")
    return NodeKeys(
        node=node,
        sig=signing("sig"),
        enc=tuple(OpeningKey(*own(item, "enc")) for item in value["enc"]),
        log=signing("log"),
        pseudonym=secret("pseudonym"),
        vault=secret("vault"),
        identity=signing("id") if "id" in value else None,
    )
