"""A node as a process, with faults and planted bugs put in before it starts: `python -m tests.hostile.launch CONFIG [NAME…]`.

Nothing here is in the product: names are functions of this module, run before `gateway.main`.
"""

import asyncio
import ctypes
import os
import signal
import sys


def main() -> int:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the test that started it
    config, *names = sys.argv[1:]
    for name in names:
        globals()[name]()
    sys.argv = [sys.argv[0], config]
    from gateway.main.__main__ import main as serve

    return serve()


# -- faults that come from outside or from a future handler of ours ---------------------------------------------------


def poison():
    """A note that begins with `poison:` makes our handler raise, hang, grow or end the process."""
    from gateway.exchange import dispatch

    real = dispatch.handle_message
    kept = []

    async def handle(message, node):
        word = message.body.text.partition(" ")[0] if message.type == "note" else ""
        if word == "poison:raise":
            raise RuntimeError("planted")
        if word == "poison:hang":
            await asyncio.sleep(60)
        if word == "poison:grow":
            for _ in range(2048):  # a megabyte at a time, as a loop over a hostile list would
                kept.append(bytes(1024 * 1024))
                await asyncio.sleep(0)
                if len(kept) > 256:
                    kept.clear()
                    raise MemoryError
        if word == "poison:exit":
            os._exit(1)
        return await real(message, node)

    dispatch.handle_message = handle


def soon():
    """Attempts follow each other at once and leases are short: what takes minutes takes seconds."""
    from datetime import timedelta

    from gateway.exchange import dispatch, retry

    retry.MESSAGE_BASE_SECONDS = 0.1
    dispatch.LEASE = timedelta(seconds=3)


# -- planted bugs ----------------------------------------------------------------------------------------------------


def a_refused_request_leaks():
    """Each refused envelope leaves 64 kilobytes behind."""
    from gateway.exchange.receive import UnauthenticatedCounter

    real, kept = UnauthenticatedCounter.count, []

    def count(self, code):
        kept.append(b"x" * 65536 + bytes([len(kept) % 256]))  # written to: a page nobody touched is no memory
        real(self, code)

    UnauthenticatedCounter.count = count


def an_exception_is_a_500():
    """A batch nobody thought of raises what no refusal catches."""
    from contracts.errors import MalformedError
    from gateway.federation import server

    real = server._envelopes

    def envelopes(headers, body):
        try:
            return real(headers, body)
        except MalformedError:
            raise KeyError("messages") from None

    server._envelopes = envelopes


def sockets_are_kept():
    """Descriptors of closed connections stay open."""
    from gateway.web import _Watched

    real, kept = _Watched.connection_lost, []

    def lost(self, exc):
        kept.append(os.dup(0))
        real(self, exc)

    _Watched.connection_lost = lost


def no_deadline():
    """Nobody closes a connection that keeps us waiting."""
    from gateway.web import Watch

    Watch._broken = lambda *_: False


def first_come_only():
    """When every place is taken, whoever comes later is turned away."""
    from gateway.web import Watch

    Watch._room_for = lambda self, _address: len(self._connections) < self.caps.connections


def no_quarantine():
    """A message that fails is tried for ever."""
    from gateway.exchange import dispatch

    dispatch.MAX_ATTEMPTS = 1_000_000


def one_after_the_other():
    """Messages are handled one by one, and nobody looks at the clock."""
    from gateway.exchange import dispatch

    real, lock = dispatch._handled, asyncio.Lock()

    async def handled(item, message, node, handle):
        async with lock:
            return await real(item, message, node, handle)

    dispatch._handled = handled
    dispatch.HANDLER_SECONDS = 60.0


def those_left_behind_are_handled_together():
    """After the process died, what it had claimed is claimed together again."""
    from gateway.storage.inbox import SqlInbox

    real = SqlInbox.claim

    async def claim(self, *, lapsed=False, **how):
        if lapsed:
            return []
        return [*await real(self, lapsed=True, **how), *await real(self, **how)]

    SqlInbox.claim = claim


if __name__ == "__main__":
    sys.exit(main())
