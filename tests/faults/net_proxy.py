"""A line between two nodes that can be cut, held, made slow or made to lose one direction; no privileges needed.

It forwards bytes of TCP and sees only TLS. What a kernel would do to packets (loss) is `tests.faults.net_spaces`.
"""

import asyncio
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 4096


@dataclass
class Line:
    """What the line does now. Rates in bytes per second, latency in seconds one way."""

    cut: bool = False
    hold: bool = False
    lose_requests: bool = False
    lose_answers: bool = False
    reset_after: int | None = None
    rate: float | None = None
    latency: float = 0.0


@dataclass
class ChaosProxy:
    """Listens where the register says a node is, and forwards to where the node listens. A context."""

    port: int
    target: int
    line: Line = field(default_factory=Line)
    opened: list[float] = field(default_factory=list)
    """When each connection was asked for: every attempt that follows a failure needs one."""
    counts: Counter = field(default_factory=Counter)
    carried: int = 0
    _open: set = field(default_factory=set)
    _tasks: set = field(default_factory=set)
    _free_at: dict = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, self.port, reuse_address=True)
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        self.become(Line(cut=True))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def become(self, line: Line) -> None:
        """Change what the line does; a cut also ends what is open."""
        self.line = line
        if line.cut:
            self.sever()

    def sever(self) -> None:
        """Reset every open connection."""
        for writer in list(self._open):
            writer.transport.abort()

    def peak(self, since: float, until: float) -> int:
        """Return the most connections asked for within one second of a time span."""
        times = [at for at in self.opened if since <= at <= until]
        return max((sum(1 for other in times if at <= other < at + 1.0) for at in times), default=0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.opened.append(time.monotonic())
        if self.line.cut:
            self.counts["cut"] += 1
            writer.transport.abort()
            return
        with suppress(OSError):
            there, out = await asyncio.open_connection(HOST, self.target)
            self._open |= {writer, out}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, out, writer, up=True))
                    group.create_task(self._pump(there, writer, out, up=False))
            finally:
                self._open -= {writer, out}
        writer.transport.abort()

    async def _pump(self, reader, writer, other, *, up: bool) -> None:
        sent = 0
        with suppress(OSError, ConnectionError):
            while data := await reader.read(_CHUNK):
                sent += len(data)
                if self._lost(sent, up=up):
                    break
                await self._wait(len(data), up=up)
                writer.write(data)
                self.carried += len(data)
                await writer.drain()
        writer.transport.abort()
        other.transport.abort()

    def _lost(self, sent: int, *, up: bool) -> bool:
        line = self.line
        # The hello of TLS passes (3 kB each way): what is lost is a request or its answer, not the attempt to connect.
        if line.lose_requests and up and sent > 3000:
            self.counts["request-lost"] += 1
        elif line.lose_answers and not up and sent > 3000:
            self.counts["answer-lost"] += 1
        elif line.reset_after is not None and up and sent > line.reset_after:
            self.counts["reset"] += 1
        else:
            return False
        return True

    async def _wait(self, size: int, *, up: bool) -> None:
        while self.line.hold:
            self.counts["held"] += 1
            await asyncio.sleep(0.05)
        line, now = self.line, time.monotonic()
        if line.rate:
            # One queue for all connections of a direction, as on a real line.
            free = max(now, self._free_at.get(up, 0.0)) + size / line.rate
            self._free_at[up] = free
            await asyncio.sleep(free - now)
        if line.latency:
            # Chunks of one burst travel together: only the first of them pays the way.
            last = self._free_at.get(("latency", up), 0.0)
            if time.monotonic() - last > line.latency:
                await asyncio.sleep(line.latency)
            self._free_at["latency", up] = time.monotonic()
