"""A real node process over TLS, and members who know its register: attackers and the honest one talk to the same port."""

import asyncio
import json
import re
import signal
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.demo.ports import reserved_ports
from keys.tls import self_signed_certificate
from tests.hostile import forgeries
from tests.hostile.forgeries import MBMID, ping, seal

ROOT = Path(__file__).parents[2]
BASE = "/x/v1"


@dataclass
class Town:
    """A founded federation on disk; its node is not running."""

    folder: Path
    liar: Any
    honest: Any
    databases: tuple[str, str] | None
    lies: dict[str, bytes] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / MBMID / "paradero.toml"


def found(folder: Path, patch, databases=None, *, with_lies=False) -> Town:
    """Found the federation in-process, and leave only its files."""

    async def make():
        async with forgeries.world(folder, patch, {MBMID: databases} if databases else None) as world:
            made = {}
            if with_lies:
                old = await forgeries.replace_signing_key(world)
                made = forgeries.lies(world, old)
            return Town(folder, world.liar, world.honest, databases, made)

    return asyncio.run(make())


@dataclass
class Served:
    """The running process."""

    town: Town
    process: subprocess.Popen
    port: int
    private_port: int
    log: Path

    @property
    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.town.folder / "cert.pem"))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def rss_kib(self) -> int:
        """Memory the process took for itself; not its files."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text)[1])

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def holds(self) -> set[int]:
        """The clients' ports of connections the process has not let go of (/proc/net/tcp: an orphan has no inode)."""
        ends = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        here = f":{self.port:04X}"
        return {int(end[2].partition(":")[2], 16) for end in ends if end[1].endswith(here) and end[9] != "0" and end[3] != "0A"}

    def complaints(self) -> list[str]:
        """What the log holds that no stranger may cause: tracebacks, faults, doors that failed."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if not harmless(line)]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def harmless(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return False
    return said.get("level") in {"info", "warning", "debug"} or said.get("event") == "register-out-of-reach"


def configure(town: Town, ports, **limits) -> None:
    """Write the port, certificate and limits into the node's configuration."""
    certificate, key = self_signed_certificate(["127.0.0.1"], now=datetime.now(UTC))
    (town.folder / "cert.pem").write_bytes(certificate)
    (town.folder / "key.pem").write_bytes(key)
    text = town.config.read_text()
    text = re.sub(r'\[federation\]\nhost = "[^"]*"\nport = \d+', "[federation]\n<limits>", text)
    text = re.sub(r"\[private\]\nport = \d+", f"[private]\nport = {ports[1]}", text)
    lines = ['host = "127.0.0.1"', f"port = {ports[0]}", f'tls_certificate = "{town.folder}/cert.pem"',
             f'tls_key = "{town.folder}/key.pem"', *(f"{name} = {value}" for name, value in limits.items())]  # fmt: skip
    text = text.replace("<limits>", "\n".join(lines), 1)
    text += f'\n[register]\nhosted = "{town.folder}/register"\n[workers]\nidle_seconds = 0.2\n'
    town.config.write_text(text)


@contextmanager
def serving(town: Town, *planted: str, **limits):
    """The node as a process; `planted` are functions of tests.hostile.launch."""
    original = town.config.read_text()
    with reserved_ports(2) as ports:
        configure(town, ports, **limits)
        served = start(town, ports, *planted)
        try:
            yield served
        finally:
            served.stop()
            town.config.write_text(original)


def start(town: Town, ports, *planted: str) -> Served:
    log = town.folder / "serve.log"
    command = [sys.executable, "-m", "tests.hostile.launch", str(town.config), *planted]
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    served = Served(town, process, *ports, log)
    deadline = time.monotonic() + 150
    while log.read_bytes()[before:].count(b'"listening"') < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            served.stop()
            raise RuntimeError(f"the node did not start: {log.read_text(errors='replace')[-500:]}")
        time.sleep(0.05)
    return served


# -- the healthy member ----------------------------------------------------------------------------------------------


@dataclass
class Healthy:
    """What the honest member saw meanwhile: it runs in a process of its own, so that no attacker of ours slows its clock."""

    process: subprocess.Popen
    seconds: list[float] = field(default_factory=list)
    accepted: int = 0
    failed: list[str] = field(default_factory=list)

    def p99(self) -> float:
        return sorted(self.seconds)[max(0, int(len(self.seconds) * 0.99) - 1)] if self.seconds else float("inf")


@contextmanager
def healthy(served: Served, *, messages: int = 400, every: float = 0.1):
    """An honest member delivers steadily from an address of its own until the block ends."""
    honest = served.town.honest
    now, honest.now = honest.now, int(time.time())
    envelopes = [seal(honest, honest.signed(ping(honest))).decode() for _ in range(messages)]
    honest.now = now
    file = served.town.folder / "healthy.json"
    file.write_text(json.dumps(envelopes))
    command = [sys.executable, "-m", "tests.hostile.healthy", str(served.port), str(served.town.folder / "cert.pem"),
               str(file), str(every)]  # fmt: skip
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seen = Healthy(process)
    assert process.stdout.readline() == "ready\n"
    try:
        yield seen
    finally:
        told, _ = process.communicate("stop\n", timeout=60)
        said = json.loads(told.splitlines()[-1])
        seen.seconds, seen.accepted, seen.failed = said["seconds"], said["accepted"], said["failed"]


async def undisturbed(served: Served, seconds: float = 3.0) -> float:
    """The honest member's 99th percentile while nobody else knocks: what this machine, as busy as it is, can do."""
    with healthy(served, messages=60, every=0.05) as member:
        await asyncio.sleep(seconds)
    return member.p99()


def allowed(usual: float) -> float:
    """A second; more only where the machine is so busy that an undisturbed door takes a good part of it."""
    return max(1.0, 10 * usual)


async def call(port: int, method: str, path: str, token: str) -> dict[str, Any]:
    """Ask the node's private port as its operator."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])
