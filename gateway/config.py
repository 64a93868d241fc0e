"""The node's configuration: one TOML file, read once, unknown keys refused. The only reader of the environment.

Every option stands, with its meaning, in `deploy/paradero.example.toml`; a test keeps the two the same.
"""

import os
import pwd
import socket
import tomllib
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from contracts.errors import ConfigurationError
from contracts.ids import Code, NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.services import Service

CONFIG_VARIABLE = "PARADERO_CONFIG"
DEFAULT_CONFIG = Path("/etc/paradero/paradero.toml")

FEDERATION_PATH = r"(?:/[A-Za-z0-9_-]{1,64})*"
"""What an endpoint's path may be, up to 200 characters."""
_DATABASE = r"(?:sqlite\+aiosqlite:///|postgresql\+asyncpg://).+"

_HOST_LENGTH = 40

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FederationConfig(_Section):
    """The port peers knock on."""

    host: str = "0.0.0.0"  # noqa: S104 - peers come from outside; the private port does not
    port: Port = 8440
    path: str = Field(default="", pattern=FEDERATION_PATH, max_length=200)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = 512
    max_connections_per_address: Annotated[int, Field(ge=1, le=10_000)] = 64
    header_seconds: Seconds = 20.0
    body_grace_seconds: Seconds = 10.0
    request_seconds: Seconds = 300.0


class PrivateConfig(_Section):
    """The port of this institution: health, metrics, commands."""

    host: str = "127.0.0.1"
    port: Port = 8441


class SessionsConfig(_Section):
    """How long a person who signed in stays in."""

    idle_seconds: Seconds = 1200.0
    session_seconds: Seconds = 28800.0
    fresh_seconds: Seconds = 300.0
    invitation_seconds: Seconds = 86400.0


class RegisterConfig(_Section):
    """Where the register of members is fetched from, and how often."""

    mirrors: tuple[str, ...] = ()
    tls_pin: str | None = Field(default=None, pattern=r"[0-9a-f]{64}")
    poll_seconds: Seconds = 30.0
    hosted: Path | None = None
    online_key: Path | None = None
    resign_seconds: Seconds = 300.0


class WorkersConfig(_Section):
    """The loops."""

    name: str | None = Field(default=None, pattern=r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
    idle_seconds: Seconds = 3.0
    lanes_at_once: Annotated[int, Field(ge=1, le=64)] = 8
    checkpoint_seconds: Seconds = 5.0
    heartbeat_seconds: Seconds = 21600.0


class BackupConfig(_Section):
    """Where `paradero backup now` writes."""

    folder: Path | None = None


class InboxRule(_Section):
    """Work that has one of each of these goes to `office`; a list left out asks for nothing."""

    office: Code
    types: frozenset[Code] = frozenset()
    records: frozenset[Code] = frozenset()
    offices: frozenset[Code] = frozenset()
    senders: frozenset[NodeId] = frozenset()
    services: frozenset[Service] = frozenset()

    @field_validator("types")
    @classmethod
    def _known_types(cls, types: frozenset[Code]) -> frozenset[Code]:
        if not types <= set(MESSAGE_TYPES):
            raise ValueError("a type of message there is not")
        return types


class InboxConfig(_Section):
    """Which office the work that comes in goes to."""

    default_office: Code | None = None
    rules: tuple[InboxRule, ...] = ()


class NodeConfig(_Section):
    """Everything `gateway.main` needs to wire one node."""

    node: NodeId
    mode: Literal["actual", "exercise"] = "actual"
    demo: bool = False
    data: Path
    database_url: str | None = Field(default=None, pattern=_DATABASE)
    key_store_url: str | None = Field(default=None, pattern=_DATABASE)
    mappings: Path | None = None
    overlay: Path | None = None
    """This node's own restrictions on top of the policy (SPEC 6.3)."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    federation: FederationConfig = FederationConfig()
    private: PrivateConfig = PrivateConfig()
    sessions: SessionsConfig = SessionsConfig()
    register_: RegisterConfig = Field(default=RegisterConfig(), alias="register")
    workers: WorkersConfig = WorkersConfig()
    backup: BackupConfig = BackupConfig()
    inbox: InboxConfig = InboxConfig()

    @property
    def main_database(self) -> str:
        """The URL of the main database; SQLite in the data folder unless configured."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'paradero.db'}"

    @property
    def key_store(self) -> str:
        """The URL of the key store (thread keys), never in the main database's backup (DESIGN ruling 18)."""
        return self.key_store_url or f"sqlite+aiosqlite:///{self.data / 'thread-keys.db'}"

    @property
    def worker_name(self) -> str:
        """What this process is called in leases: the same after a restart, never that of another process on one database.

        A SQLite database has one process. On a shared one the name is made of the host and the federation port, which no
        two processes of one host can have.
        """
        if self.workers.name is not None:
            return self.workers.name
        if self.main_database.startswith("sqlite"):
            return "only"
        host = socket.gethostname()
        if len(host) > _HOST_LENGTH:  # what is cut off may be what tells two hosts apart
            host = sha256(host.encode()).hexdigest()[:_HOST_LENGTH]
        return f"{host}-{self.federation.port}"

    @property
    def mapping_folder(self) -> Path:
        """The folder with the mapping files of this node's sources."""
        return self.mappings or self.data / "mappings"

    @property
    def node_keys(self) -> Path:
        """The age file with the running keys."""
        return self.data / "keys" / "node.age"

    @property
    def key_identity(self) -> Path:
        """The age identity that opens `node_keys` (0600), unless systemd hands it over as a credential."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if credentials and (handed := Path(credentials) / "paradero-identity").exists():
            return handed
        return self.data / "keys" / "identity.age.key"

    @property
    def trust(self) -> Path:
        """The folder with every register version this node ever verified."""
        return self.data / "trust"

    @property
    def request(self) -> Path:
        """The enrolment request: public parts only, to be sent to a registrar."""
        return self.data / "request.json"

    @property
    def backup_folder(self) -> Path:
        """The folder with this node's backups; better on another disk, best on another machine."""
        return self.backup.folder or self.data / "backups"

    @property
    def recovery_recipients(self) -> Path:
        """The public halves of the recovery keys, one age recipient a line."""
        return self.data / "recovery.recipients"

    @property
    def restoring(self) -> Path:
        """There while a restore is under way: the node does not start on half a restore."""
        return self.data / "restoring"

    @property
    def operator_token(self) -> Path:
        """The file (0600) by which a program of this machine asks the private port for the node's state; people sign in."""
        return self.data / "operator.token"


def config_path(explicit: Path | None) -> Path:
    """Return the configuration file: the option, then $PARADERO_CONFIG, then /etc."""
    if explicit is not None:
        return explicit
    return Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))


def sessions_folder() -> Path:
    """Return where a person's commands keep who signed in to which node: $XDG_CONFIG_HOME/paradero, or ~/.config/paradero.

    Under `runuser` the environment is still root's: a folder that belongs to somebody else is not taken for one's own.
    """
    home = Path.home()
    if home.exists() and home.stat().st_uid != os.geteuid():
        home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
        return home / ".config" / "paradero"
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return (configured if configured.is_absolute() else home / ".config") / "paradero"


def load_config(path: Path) -> NodeConfig:
    """Read and check the configuration.

    Relative paths in it are relative to the file.

    Raises:
        ConfigurationError: missing, not TOML, or an option that is wrong; names the option, never its value.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            f"no hay configuración en {path}",
            advice="Ejecute `paradero init`, o nombre el archivo con --config o $PARADERO_CONFIG.",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"no se puede leer {path}: {_reason(error)}", advice="Compruebe sus permisos y que sea TOML bien escrito."
        ) from None
    try:
        config = NodeConfig.model_validate(raw)
    except ValidationError as error:
        options = ", ".join(".".join(str(part) for part in item["loc"]) for item in error.errors(include_input=False))
        raise ConfigurationError(
            f"{path}: opción equivocada, desconocida o que falta: {options}",
            advice="deploy/paradero.example.toml explica cada opción. Una más nueva que este programa tampoco se acepta.",
        ) from None
    return _anchored(config, path.resolve().parent)


def _reason(error: Exception) -> str:
    # A TOML error says line and column; it quotes no value.
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__


def _anchored(config: NodeConfig, base: Path) -> NodeConfig:
    def anchor(value: Path | None) -> Path | None:
        return None if value is None else base / value

    federation = config.federation.model_copy(
        update={"tls_certificate": anchor(config.federation.tls_certificate), "tls_key": anchor(config.federation.tls_key)}
    )
    register = config.register_.model_copy(
        update={"hosted": anchor(config.register_.hosted), "online_key": anchor(config.register_.online_key)}
    )
    return config.model_copy(
        update={
            "data": base / config.data,
            "mappings": anchor(config.mappings),
            "overlay": anchor(config.overlay),
            "federation": federation,
            "register_": register,
            "backup": BackupConfig(folder=anchor(config.backup.folder)),
        }
    )
