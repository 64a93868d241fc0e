"""Who signed in to which node from this account of the machine: one file per node (0600), in the user's own folder.

A file is for one node at one address. The token in it is sent nowhere else.
"""

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from contracts.codec import encode_object, parse_object
from contracts.errors import ConfigurationError, ExchangeError
from gateway.config import NodeConfig, sessions_folder
from keys.keystore import read_secret, write_durably


@dataclass(frozen=True, slots=True)
class KeptSession:
    """What a sign-in left here."""

    login: str
    token: str
    expires: str


class SessionFile:
    """Where one node's session is kept, and the mark of this device for the next sign-in."""

    def __init__(self, config: NodeConfig) -> None:
        self._node = str(config.node)
        self._address = f"http://{config.private.host}:{config.private.port}"
        bound = sha256(f"{self._node}\0{self._address}".encode()).hexdigest()[:16]
        self._session = sessions_folder() / f"{self._node}-{bound}.session"
        self._device = sessions_folder() / f"{self._node}-{bound}.device"

    def read(self) -> KeptSession | None:
        """Return the session; None when nobody signed in from here.

        Raises:
            ConfigurationError: the file can be read by others, or is none of ours.
        """
        value = self._read(self._session)
        if value is None:
            return None
        try:
            if (value["node"], value["address"]) != (self._node, self._address):
                raise KeyError
            return KeptSession(str(value["login"]), str(value["token"]), str(value["expires"]))
        except KeyError:
            raise ConfigurationError(
                f"{self._session} no es una sesión de este nodo", advice="Bórrelo y entre otra vez: `paradero login USUARIO`."
            ) from None

    def device(self, login: str) -> str | None:
        """Return the mark of this device for a login; None when they never signed in from here."""
        value = self._read(self._device) or {}
        mark = value.get(sha256(login.encode()).hexdigest())
        return mark if isinstance(mark, str) else None

    def write(self, kept: KeptSession, device: str) -> None:
        """Keep a session and the device's mark."""
        folder = self._session.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = self._read(self._device) or {}
        known[sha256(kept.login.encode()).hexdigest()] = device
        write_durably(self._device, encode_object(known))
        value = {
            "node": self._node,
            "address": self._address,
            "login": kept.login,
            "token": kept.token,
            "expires": kept.expires,
        }
        write_durably(self._session, encode_object(value))

    def forget(self) -> None:
        """Keep no session; the device's mark stays."""
        with suppress(FileNotFoundError):
            self._session.unlink()

    def _read(self, path: Path) -> dict[str, object] | None:
        if not path.exists():
            return None
        try:
            return parse_object(read_secret(path))
        except ConfigurationError:
            raise
        except ExchangeError:
            raise ConfigurationError(f"{path} está dañado", advice="Bórrelo y entre otra vez.") from None
