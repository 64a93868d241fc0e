"""Who listens on a port of this machine: passwords and tokens go to the node's own process and to nobody who took its place.

While a node is down, any user of its machine can listen on its port. Linux says whose each listening socket is.
"""

from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def stranger_listens(host: str, port: int, owner: int) -> bool:
    """Return whether somebody else than `owner` (a user id) or root listens on a loopback port.

    False where that cannot be known: another host, or a system without these tables.
    """
    if host not in _LOOPBACK:
        return False
    return any(user not in {owner, 0} for table in _TABLES for user in _listeners(table, port))


def _listeners(table: Path, port: int) -> Iterator[int]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        cells = line.split()
        if cells[3] == _LISTENING and int(cells[1].rpartition(":")[2], 16) == port:
            yield int(cells[7])
