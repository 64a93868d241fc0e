"""Node processes of the demo: started, waited for, cut off (killed without warning), healed, stopped."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from contracts.codec import encode_object, parse_object
from contracts.errors import ExchangeError
from contracts.ids import NodeId
from gateway.demo.narrator import StepFailedError
from gateway.demo.ports import local_name

READY_SECONDS = 90.0
"""Six interpreters start at once; on a machine with other work each has little of it."""

RESPONSE_LIMIT = 64 * 1024 * 1024


@dataclass(slots=True)
class DemoNode:
    """One node of the demo: its files, its ports, its process."""

    node: NodeId
    title: str
    folder: Path
    federation_port: int
    private_port: int
    process: asyncio.subprocess.Process | None = None
    token: str | None = None
    """Of the made-up officer who signed in; until then, and for a node where nobody works, its machine asks."""

    people: "dict[str, DemoNode]" = field(default_factory=dict)
    """The same node as each of those who work there sees it, by their login."""

    @property
    def config(self) -> Path:
        """The node's configuration file."""
        return self.folder / "paradero.toml"

    @property
    def local_host(self) -> str:
        """The name and port of the node's pages, for a browser on this machine."""
        return f"{local_name(self.node)}:{self.private_port}"

    async def start(self) -> None:
        """Start the node's process; its output goes to a file beside its data."""
        with (self.folder / "serve.log").open("ab") as output:
            # A group of its own: Ctrl-C in the terminal reaches the demo, and the demo stops its nodes in order.
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway.demo.child",
                str(self.config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
            )

    async def until_ready(self, session: aiohttp.ClientSession) -> None:
        """Wait until the node says it is ready.

        Raises:
            StepFailedError: it ended, or took more than `READY_SECONDS`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while True:
                    if self.process is not None and self.process.returncode is not None:
                        raise StepFailedError(f"{self.node} terminó al arrancar; véase {self.folder / 'serve.log'}")
                    if await self._ready(session):
                        return
                    await asyncio.sleep(0.05)
        raise StepFailedError(f"{self.node} no está listo; véase {self.folder / 'serve.log'}")

    async def _ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            answer = await self.get(session, "/api/v1/status")
        except (aiohttp.ClientError, StepFailedError, ExchangeError):
            return False
        return answer["node"] == str(self.node) and answer["ready"] is True

    async def get(self, session: aiohttp.ClientSession, path: str, **query: str) -> dict[str, Any]:
        """GET from the node's private port."""
        return parse_object(await self._call(session, "GET", path, query, None), limit=RESPONSE_LIMIT)

    async def get_bytes(self, session: aiohttp.ClientSession, path: str) -> bytes:
        """GET raw bytes from the node's private port."""
        return await self._call(session, "GET", path, {}, None)

    async def post(self, session: aiohttp.ClientSession, path: str, body: bytes | None = None, **query: str) -> dict[str, Any]:
        """POST to the node's private port."""
        return parse_object(await self._call(session, "POST", path, query, body), limit=RESPONSE_LIMIT)

    async def send(self, session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST a JSON object to the node's private port."""
        return await self.post(session, path, encode_object(body))

    async def delete(self, session: aiohttp.ClientSession, path: str) -> None:
        """DELETE on the node's private port."""
        await self._call(session, "DELETE", path, {}, None)

    async def status_of(
        self, session: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any] | None = None
    ) -> int:
        """Return the status with which the node's private port answers: for what it must refuse."""
        return (await self._asked(session, method, path, {}, None if body is None else encode_object(body)))[0]

    async def _call(
        self, session: aiohttp.ClientSession, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> bytes:
        status, data = await self._asked(session, method, path, query, body)
        if status >= 400:
            raise StepFailedError(f"{self.node}: {method} {path} → {status} {data[:300].decode(errors='replace')}")
        return data

    async def _asked(
        self, session: aiohttp.ClientSession, method: str, path: str, query: Mapping[str, str], body: bytes | None
    ) -> tuple[int, bytes]:
        token = self.token or (self.folder / "operator.token").read_text(encoding="ascii").strip()
        url = f"http://127.0.0.1:{self.private_port}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with session.request(method, url, params=dict(query), data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    async def cut(self) -> None:
        """Kill the process without warning, as a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """Stop the process in order; kill it when it does not."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self.process.wait()
        except TimeoutError:
            await self.cut()

    def memory_kib(self) -> int:
        """Return the process's share of memory in KiB: pages it shares with others count once among them (0: not running)."""
        if self.process is None or self.process.returncode is not None:
            return 0
        with suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1])
        return 0
