"""A bad line to a node's pages, as an office abroad has it: slow, far, lossy, and with TLS at its end as docs/install.md deploys it.

    browser -> the line (64 kbit/s each way, 800 ms there and back, 5 % of packets come a retransmission later) -> TLS -> node

Time on it is real. What is lost is chance of a seed that is printed.
"""

import asyncio
import random
import ssl
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from keys.tls import self_signed_certificate

_PACKET = 1400
_LEAST_TIMEOUT = 1.0
"""Seconds before a sender says a packet again, at least (RFC 6298, 2.4)."""


@dataclass(eq=False)
class Line:
    """What every connection shares: the room on the line, its length, its luck."""

    port_behind: int
    bits: int = 64_000
    round_trip: float = 0.8
    loss: float = 0.05
    seed: int = 1
    carried: dict = field(default_factory=lambda: {"up": 0, "down": 0})
    connections: int = 0
    far: "Line | None" = None
    lose_answers: bool = False
    """What is asked goes through; the answer never comes, and the connection breaks."""

    _free: dict = field(default_factory=lambda: {"up": 0.0, "down": 0.0})
    _open: set = field(default_factory=set)

    def __post_init__(self):
        self._chance = random.Random(self.seed)

    async def serve(self, reader, writer):
        """Carry one connection."""
        self.connections += 1
        self._open.add(writer)
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.port_behind)
            self._open.add(inner_writer)
            begun = asyncio.get_running_loop().time() + self.round_trip  # a connection is made before anything is said on it
            await asyncio.gather(
                self._carry("up", reader, inner_writer, begun), self._carry("down", inner_reader, writer, begun)
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, locals().get("inner_writer")):
                if end is not None:
                    self._open.discard(end)
                    end.close()

    async def _carry(self, way, reader, writer, begun):
        loop, queue, last = asyncio.get_running_loop(), asyncio.Queue(), begun

        async def arrive():
            while (item := await queue.get()) is not None:
                moment, data = item
                await asyncio.sleep(max(0.0, moment - loop.time()))
                if way == "down" and self.lose_answers:
                    self.cut()
                    return
                writer.write(data)
                await writer.drain()
            with suppress(OSError):
                writer.write_eof() if writer.can_write_eof() else writer.close()

        arriving = asyncio.create_task(arrive())
        try:
            while data := await reader.read(_PACKET):
                start = max(loop.time(), begun, self._free[way])
                self._free[way] = start + len(data) * 8 / self.bits
                moment = self._free[way] + self.round_trip / 2
                if self._chance.random() < self.loss:
                    moment += max(_LEAST_TIMEOUT, 1.25 * self.round_trip)
                last = max(last, moment)  # a stream is in order: what comes after a lost packet waits for it
                self.carried[way] += len(data)
                queue.put_nowait((last, data))
        finally:
            queue.put_nowait(None)
            await arriving

    def cut(self):
        """Break every connection, without a goodbye."""
        for end in list(self._open):
            end.transport.abort()


@asynccontextmanager
async def line_to(port: int, **more):
    """Give (line, address of the pages over it): TLS at the far end, the line in front of it."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = self_signed_certificate(["localhost", "127.0.0.1"], now=datetime.now(UTC))
        (Path(folder) / "cert.pem").write_bytes(certificate)
        (Path(folder) / "key.pem").write_bytes(key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(Path(folder) / "cert.pem", Path(folder) / "key.pem")
    ending = Line(port, bits=10**9, round_trip=0.0, loss=0.0)
    terminator = await asyncio.start_server(ending.serve, "127.0.0.1", 0, ssl=context)
    line = Line(terminator.sockets[0].getsockname()[1], **more)
    front = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    try:
        line.far = ending  # behind TLS: there an answer is one, and not part of a greeting
        yield line, f"https://127.0.0.1:{front.sockets[0].getsockname()[1]}"
    finally:
        for one, server in ((line, front), (ending, terminator)):
            server.close()
            one.cut()
