"""What the pages about the node itself may use; `gateway.main` builds it. None of it reads a case."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.disclosure import Policies
from gateway.console.trials import MappingInfo, Trial
from gateway.exchange.probing import Line
from gateway.storage.link_models import LinkModels


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at on this machine. `severity`: ok, warn, refuse. Paths and versions; no secret, no case."""

    severity: str
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class BackupSeen:
    """One backup file this node made, and when it was last verified: from outside, and opened."""

    taken: datetime
    kind: str
    file: str
    size: int
    whole: datetime | None
    opened: datetime | None


@dataclass(frozen=True, slots=True)
class MachineRoom:
    """Read models of metadata, and looks at the machine, its lines and its sources."""

    links: LinkModels
    line: Line
    mappings: Callable[[], Sequence[MappingInfo]]
    """The sources this node is set up to read, by name. Reads files: call it off the loop."""
    try_mapping: Callable[[str, bytes | None, int, Policies], Trial]
    """Tries a source by its mapping's name: a file given, or the sample the mapping names; so many rows told whole.

    Runs in the adapter's sandbox with its bounds, off the loop. Raises SchemaError: what was refused and what to do.
    """
    diagnose: Callable[[], Awaitable[Sequence[Check]]]
    """What `paradero doctor` says, by the same checks; off the loop."""
    backups: Callable[[], Awaitable[Sequence[BackupSeen]]]
    release: str
    """The version of this program."""
