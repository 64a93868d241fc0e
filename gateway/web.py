"""Serving aiohttp applications on hostile networks: connection caps and deadlines aiohttp does not have (SPEC 8.2).

A slow line is not a slow attacker: a consulate's 64 kbit/s passes every limit here; a client that drips does not.
"""

import asyncio
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from aiohttp import web

_UNREAD_BYTES = 128 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds and bytes per second. The defaults tell a slow line from a slow attacker."""

    header_seconds: float = 20.0
    body_grace_seconds: float = 10.0
    body_bytes_per_second: int = 1000
    request_seconds: float = 300.0
    handshake_seconds: float = 10.0
    look_every: float = 1.0


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections at once, in all and from one address."""

    connections: int = 512
    per_address: int = 64


class _Phase(Enum):
    HEADERS = auto()
    BODY = auto()
    ANSWERING = auto()


@dataclass(slots=True, eq=False)
class _Connection:
    transport: asyncio.Transport
    address: str
    phase: _Phase
    since: float
    received: int = 0
    body_from: int = 0


@dataclass(slots=True)
class Watch:
    """Sees every connection of one site and closes those that break a deadline."""

    deadlines: Deadlines
    caps: Caps
    monotonic: Callable[[], float] = time.monotonic
    _connections: dict[Any, _Connection] = field(default_factory=dict)
    _addresses: Counter[str] = field(default_factory=Counter)

    def opened(self, transport: asyncio.Transport) -> _Connection | None:
        """Note a connection; None when it is over a cap and must be closed."""
        address = str((transport.get_extra_info("peername") or ("local",))[0])
        if self._addresses[address] >= self.caps.per_address or not self._room_for(address):
            return None
        _little_room(transport)
        connection = _Connection(transport, address, _Phase.HEADERS, self.monotonic())
        self._connections[transport] = connection
        self._addresses[address] += 1
        return connection

    def _room_for(self, address: str) -> bool:
        """Tell whether there is a place; when all are taken, the address with most gives up its oldest idle one."""
        if len(self._connections) < self.caps.connections:
            return True
        greedy, held = self._addresses.most_common(1)[0]
        if held <= self._addresses[address] + 1:
            return False
        idle = (one for one in self._connections.values() if one.address == greedy and one.phase is not _Phase.ANSWERING)
        oldest = min(idle, key=lambda one: one.since, default=None)
        if oldest is None:
            return False
        self.closed(oldest)
        _drop(oldest.transport)
        return True

    def closed(self, connection: _Connection) -> None:
        """Forget a connection; the second time does nothing."""
        if self._connections.pop(connection.transport, None) is None:
            return
        self._addresses[connection.address] -= 1
        if not self._addresses[connection.address]:
            del self._addresses[connection.address]

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Tell the phases of a request apart."""
        connection = self._connections.get(request.transport)
        self._enter(connection, _Phase.BODY if request.body_exists else _Phase.ANSWERING)
        try:
            return await handler(request)
        finally:
            # The answer is still to be written; the next request's headers may take their time from then.
            self._enter(connection, _Phase.HEADERS)

    def body_read(self, request: web.Request) -> None:
        """The body is complete: from here on we are the slow ones."""
        self._enter(self._connections.get(request.transport), _Phase.ANSWERING)

    def _enter(self, connection: _Connection | None, phase: _Phase) -> None:
        if connection is not None:
            connection.phase, connection.since, connection.body_from = phase, self.monotonic(), connection.received

    async def look(self) -> None:
        """Close what breaks a deadline, for ever."""
        while True:
            await asyncio.sleep(self.deadlines.look_every)
            now = self.monotonic()
            for connection in list(self._connections.values()):
                if self._broken(connection, now):
                    _drop(connection.transport)

    def _broken(self, connection: _Connection, now: float) -> bool:
        limits, elapsed = self.deadlines, now - connection.since
        if connection.phase is _Phase.HEADERS:
            return elapsed > limits.header_seconds
        if elapsed > limits.request_seconds:
            return True
        if connection.phase is _Phase.BODY and elapsed > limits.body_grace_seconds:
            earned = (elapsed - limits.body_grace_seconds) * limits.body_bytes_per_second
            return connection.received - connection.body_from < earned
        return False


def _little_room(transport: asyncio.Transport) -> None:
    """Bound what waits for a client that asks and does not read: the next answer waits, and its deadline runs."""
    transport.set_write_buffer_limits(high=_UNREAD_BYTES)
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)


def _drop(transport: asyncio.Transport) -> None:
    """Close at once. What waits for a client that does not read is not kept for it by the kernel either."""
    sock = transport.get_extra_info("socket")
    if sock is not None and transport.get_write_buffer_size():
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Watched(asyncio.Protocol):
    """Stands between a transport and aiohttp's protocol, and counts."""

    def __init__(self, inner: asyncio.Protocol, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch
        self._connection: _Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a stream server has no other kind
        self._connection = self._watch.opened(transport)
        if self._connection is None:
            transport.abort()
            return
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.received += len(data)
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        if self._connection is None:
            return None
        # The peer hung up. TLS may take its time to say goodbye; that is no connection any more.
        self._watch.closed(self._connection)
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._watch.closed(self._connection)
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


class _Terse(web.RequestHandler):
    """Answers what is no HTTP with a bare status: aiohttp's own words repeat to the client the bytes it sent."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Say nothing but the status."""
        super().handle_error(request, status, exc, message)  # it tells the log, and gives up where an answer began
        answer = web.Response(status=status)
        answer.force_close()
        return answer


@dataclass(slots=True)
class Site:
    """A listening site."""

    host: str
    port: int
    watch: Watch
    _server: asyncio.Server
    _runner: web.AppRunner
    _looking: asyncio.Task[None]

    async def close(self) -> None:
        """Stop listening, let what is being answered finish, close the rest."""
        self._server.close()
        self._looking.cancel()
        with suppress(asyncio.CancelledError):
            await self._looking
        await self._runner.cleanup()


async def serve_site(
    application: web.Application, watch: Watch, *, host: str, port: int, tls: ssl.SSLContext | None = None
) -> Site:
    """Listen. `application` must have `watch.middleware` first."""
    options: dict[str, Any] = {
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": watch.deadlines.header_seconds,
        "max_line_size": 4096,
        "max_field_size": 8190,
    }
    runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=5.0, **options)
    await runner.setup()
    inner, loop = runner.server, asyncio.get_running_loop()
    if inner is None:
        raise RuntimeError("the application did not start")
    server = await loop.create_server(
        lambda: _Watched(_Terse(inner, loop=loop, **options), watch),
        host,
        port,
        ssl=tls,
        ssl_handshake_timeout=watch.deadlines.handshake_seconds if tls else None,
        ssl_shutdown_timeout=2.0 if tls else None,
        backlog=256,
        reuse_address=True,
    )
    looking = asyncio.create_task(watch.look(), name="connection watch")
    bound = server.sockets[0].getsockname()
    return Site(host, bound[1], watch, server, runner, looking)
