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
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from contracts.errors import ConfigurationError
from contracts.ids import Code, NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.services import Service

CONFIG_VARIABLE = "PARADERO_CONFIG"
DEFAULT_CONFIG = Path("/etc/paradero/paradero.toml")

FEDERATION_PATH = r"(?:/[A-Za-z0-9_-]{1,64})*"
"""What an endpoint's path may be, up to 200 characters."""
_DATABASE = r"(?:sqlite\+aiosqlite:///|postgresql\+asyncpg://).+"

_CONSOLE = r"^(?:https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|http://localhost)(?::[0-9]{1,5})?$"
_ISSUER = r"^(?:https://[A-Za-z0-9._~:/-]+|http://(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*)$"
_HOST_LENGTH = 40

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


_Part = TypeVar("_Part", bound=_Section)


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
    """The port of this institution: health, metrics, commands, pages. `names`: under which a proxy with TLS is reached.

    `url`: where people open the pages; passkeys are bound to its name for good.
    """

    host: str = "127.0.0.1"
    port: Port = 8441
    names: tuple[str, ...] = ()
    url: str | None = Field(default=None, pattern=_CONSOLE, max_length=200)


class SessionsConfig(_Section):
    """How long a person who signed in stays in."""

    idle_seconds: Seconds = 1200.0
    session_seconds: Seconds = 28800.0
    fresh_seconds: Seconds = 300.0
    invitation_seconds: Seconds = 86400.0
    require_second_factor: bool | None = None
    """Left out: as soon as the node is no demo."""
    second_factor_grace_days: Annotated[int, Field(ge=0, le=90)] = 7


class SingleSignOnConfig(_Section):
    """The ministry's own sign-in (OpenID Connect). It makes no accounts: an administrator links them."""

    issuer: str | None = Field(default=None, pattern=_ISSUER, max_length=200)
    """Left out: there is none."""
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    name: str | None = Field(default=None, min_length=1, max_length=80)
    secret_file: Path | None = None
    linked_by: Literal["subject", "email"] = "subject"
    amr: tuple[str, ...] = ()
    acr: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> "SingleSignOnConfig":
        if len({self.issuer is None, self.client_id is None, self.name is None}) > 1:
            raise ValueError("issuer, client_id and name go together")
        if self.issuer is None and self.secret_file is not None:
            raise ValueError("a secret_file is of an issuer")
        return self


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


class AttachmentsConfig(_Section):
    """Pictures and documents that travel apart from their messages."""

    quota_mib: Annotated[int, Field(ge=64, le=1_048_576)] = 4096


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


class DeskConfig(_Section):
    """What a desk keeps of reports it handed over."""

    keep_days: Annotated[int, Field(ge=0, le=3650)] = 7
    """After the acknowledgement. Until a transfer's validity is over (seven days) its recipient may need it again."""
    own_norm: bool = False
    """A norm of this institution has it keep them: its copy stays as long as the policy lets it."""


class WebhooksConfig(_Section):
    """Where notices may go by webhook: the hosts listed, over https."""

    hosts: tuple[Annotated[str, Field(pattern=r"[a-z0-9.:-]{1,253}")], ...] = ()
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks of this institution where one of them stands; every other private address is refused."""
    plain_loopback: bool = False
    """Also to this very machine, without TLS."""


class MailConfig(_Section):
    """The institution's mail server; none, no mail."""

    host: str | None = None
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str | None = Field(default=None, pattern=r"[^@\s<>]+@[A-Za-z0-9.-]+")
    username: str | None = None
    password_file: Path | None = None
    authority: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> "MailConfig":
        if self.host is not None and self.sender is None:
            raise ValueError("a mail server without a sender")
        if self.security == "none" and self.host not in {None, "127.0.0.1", "::1", "localhost"}:
            raise ValueError("mail without TLS leaves this machine")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("a user without a password file, or the other way round")
        return self


class PublicConfig(_Section):
    """The port of the one page for everybody: whether a search sheet still holds. Without `port` it is not served."""

    host: str = "127.0.0.1"
    port: Port | None = None
    address: str | None = Field(
        default=None, pattern=r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9_-]{1,40})*", max_length=120
    )
    phone: str | None = Field(default=None, pattern=r"[+0-9][0-9 ()-]{2,30}")


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
    single_sign_on: SingleSignOnConfig = SingleSignOnConfig()
    register_: RegisterConfig = Field(default=RegisterConfig(), alias="register")
    workers: WorkersConfig = WorkersConfig()
    backup: BackupConfig = BackupConfig()
    inbox: InboxConfig = InboxConfig()
    desk: DeskConfig = DeskConfig()
    attachments: AttachmentsConfig = AttachmentsConfig()
    webhooks: WebhooksConfig = WebhooksConfig()
    mail: MailConfig = MailConfig()
    public: PublicConfig = PublicConfig()

    @property
    def main_database(self) -> str:
        """The URL of the main database; SQLite in the data folder unless configured."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'paradero.db'}"

    @property
    def key_store(self) -> str:
        """The URL of the key store (thread keys), never in the main database's backup (decision 4)."""
        return self.key_store_url or f"sqlite+aiosqlite:///{self.data / 'thread-keys.db'}"

    @property
    def console_url(self) -> str:
        """Where people open the pages: as configured, or on the node's own machine."""
        return self.private.url or f"http://localhost:{self.private.port}"

    @property
    def second_factor(self) -> bool:
        """Whether those who may disclose or decide need more than a password; not in a demo, unless configured."""
        return not self.demo if self.sessions.require_second_factor is None else self.sessions.require_second_factor

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
    def blobs(self) -> Path:
        """The folder with the ciphertexts of attachments, each named by its own SHA-256."""
        return self.data / "blobs"

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


def _anchored(part: _Part, base: Path) -> _Part:
    """Return a section whose paths, and those of sections in it, are relative to `base`."""
    given = {name: getattr(part, name) for name in type(part).model_fields}
    paths = {name: base / value for name, value in given.items() if isinstance(value, Path)}
    sections = {name: _anchored(value, base) for name, value in given.items() if isinstance(value, _Section)}
    return part.model_copy(update=paths | sections)
