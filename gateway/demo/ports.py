"""Ports of the demo's nodes: free when chosen, and nobody else's until the demo ends, also while a node is cut off."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gateway.demo.narrator import StepFailedError

HOST = "127.0.0.1"
# Below the range the system gives to outgoing connections: a node that knocks before its peer listens must be
# refused, and not meet its own or somebody else's outgoing socket on that port.
_FIRST, _LAST = 18_441, 32_000


@contextmanager
def reserved_ports(number: int) -> Iterator[tuple[int, ...]]:
    """Hold free ports. Only who says SO_REUSEADDR, as our nodes do and another demo's search does not, can listen on one.

    Raises:
        StepFailedError: too few are free.
    """
    with ExitStack() as stack:
        held: list[int] = []
        for port in range(_FIRST, _LAST):
            holder = stack.enter_context(socket.socket())
            if _hold(holder, port):
                held.append(port)
                if len(held) == number:
                    break
        else:
            raise StepFailedError("no hay puertos libres en este equipo; termine otras demostraciones")
        yield tuple(held)


def local_name(node: str) -> str:
    """Return the name a browser on this machine has for a node's pages.

    One a node: a browser keeps cookies by name and not by port, and who enters at one node must not be out at another.
    Everything under ``localhost`` is this machine, and safe enough for cookies that want TLS elsewhere (RFC 6761 6.3).
    """
    return f"{node.rpartition('.')[2]}.localhost"


def _hold(holder: socket.socket, port: int) -> bool:
    try:
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        return False
    # Only after binding: until here the port was asked for alone, so two demos that search at once cannot both get it.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return True
