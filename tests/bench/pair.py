"""Two real nodes as two processes over TLS on loopback, and what /proc says they cost."""

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from gateway.config import load_config
from gateway.demo.founding import found_demo
from gateway.demo.narrator import StepFailedError
from gateway.demo.ports import reserved_ports
from gateway.demo.processes import DemoNode
from gateway.main.setup import upgrade_databases
from tests.bench.messages import DESTINATION, SOURCE
from tests.bench.proc import cpu_seconds

READY_TRIES = 6


@dataclass
class Process:
    """One process: its node, its control socket, its numbers."""

    node: DemoNode
    socket: Path
    ready_seconds: float = 0.0
    process: asyncio.subprocess.Process | None = None
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    _streams: tuple = field(default=())

    async def start(self, session):
        """Start, and measure until its private port says ready."""
        began = time.perf_counter()
        with (self.node.folder / "serve.log").open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, sys.executable, "-m", "tests.bench.launcher", str(self.node.config), str(self.socket),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, process_group=0,
                env={**os.environ, **self.environment},
            )  # fmt: skip
        for _ in range(READY_TRIES - 1):  # a machine under load takes its time
            with suppress(StepFailedError):
                await self.node.until_ready(session)
                break
            if self.process.returncode is not None:
                break
        await self.node.until_ready(session)  # or say why not
        self.ready_seconds = time.perf_counter() - began
        self._streams = await asyncio.open_unix_connection(str(self.socket), limit=1 << 24)

    async def do(self, what, **options):
        """Have the node's bench do something."""
        reader, writer = self._streams
        writer.write(json.dumps({"do": what, **options}).encode() + b"\n")
        await writer.drain()
        answer = json.loads(await reader.readline())
        if "error" in answer:
            raise RuntimeError(f"{self.node.node}: {answer['error']}; see {self.node.folder}/serve.log")
        return answer

    @property
    def pid(self):
        """The node's own process, also below strace."""
        if not self.prefix:
            return self.process.pid
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def cpu(self):
        """Return the CPU seconds the process used so far (user and system)."""
        return cpu_seconds(self.pid)

    def resident_mb(self):
        """Return the resident memory in MB."""
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def stop(self):
        """Stop in order."""
        if self._streams:
            self._streams[1].close()
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                await self.process.wait()
                return
        self.process.kill()
        await self.process.wait()


@dataclass
class Pair:
    """Sender and receiver."""

    sender: Process
    receiver: Process
    others: tuple[str, ...] = ()
    """The federation's other members, whom nobody runs."""

    async def exchange(self, **options):
        """Carry messages; return rates, latencies and CPU of both ends until all is filed and logged."""
        before = self.sender.cpu(), self.receiver.cpu()
        answer = await self.sender.do("exchange", **options)
        await self.receiver.do("drained")
        await self.sender.do("drained")
        after = self.sender.cpu(), self.receiver.cpu()
        count = len(answer["times"])
        if answer["states"] != {"delivered": count}:
            raise RuntimeError(f"not all were delivered: {answer['states']}")
        times = sorted(answer["times"])
        send, receive = [(new - old) / count * 1000 for new, old in zip(after, before, strict=True)]
        return {
            "per_second": count / answer["seconds"],
            "cpu_ms_send": send,
            "cpu_ms_receive": receive,
            "cpu_ms": send + receive,
            "bytes": answer["bytes"] / count,
            "payload": answer["payload"] / count,
            "padding": answer["padding"] / count,
            "p50_ms": times[count // 2] * 1000,
            "p99_ms": times[min(count - 1, count * 99 // 100)] * 1000,
        }

    async def profile(self, on, folder=None):
        """Begin or end profiling both ends; what was found goes to `folder`."""
        for name, process in (("sender", self.sender), ("receiver", self.receiver)):
            await process.do("profile", on=on, output=None if folder is None else str(folder / f"{name}.prof"))


def _as_shipped(node, urls):
    """Take the demo's shorter intervals out of the configuration; name other databases where asked."""
    kept = []
    for line in node.config.read_text().splitlines():
        if line.split(" ")[0] not in {"poll_seconds", "idle_seconds", "checkpoint_seconds", "resign_seconds"}:
            kept.append(line)
    if urls:
        kept = [f'database_url = "{urls[0]}"', f'key_store_url = "{urls[1]}"', *kept]
    node.config.write_text("\n".join(kept) + "\n")


@asynccontextmanager
async def founded_pair(home, *, databases=None, prefix=(), environment=None):
    """Found a federation in `home`; two of its nodes, not started.

    `databases` makes URLs for one node, `prefix` goes before python, `environment` is added to the nodes' own.
    """
    with reserved_ports(12) as ports:
        federation = await found_demo(home, ports)
        processes = []
        for name in (SOURCE, DESTINATION):
            node = federation.nodes[str(name)]
            _as_shipped(node, databases() if databases else None)
            if databases:
                await asyncio.to_thread(upgrade_databases, load_config(node.config))
            socket = home / f"{name}.sock"
            processes.append(Process(node, socket, prefix=tuple(prefix), environment=dict(environment or {})))
        yield Pair(*processes, others=tuple(sorted(set(federation.nodes) - {SOURCE, DESTINATION})))


@asynccontextmanager
async def started(pair):
    """Run both nodes until left; they can be started again."""
    processes = (pair.sender, pair.receiver)
    async with aiohttp.ClientSession() as session:
        try:
            for process in processes:
                await process.start(session)
            yield pair
        finally:
            for process in processes:
                await process.stop()


@asynccontextmanager
async def running_pair(home, **options):
    """Found a federation in `home` and run two of its nodes; options as `founded_pair` has them."""
    async with founded_pair(home, **options) as pair, started(pair):
        yield pair
