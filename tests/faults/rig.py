"""Real node processes of a founded federation, on loopback TLS, on databases and folders of a test's choice.

Example::

    with Zygote() as zygote:
        rig = await found_rig(tmp_path, "gt.igm.mbmid", "gt.conamigua", ports=ports)
        node = rig.nodes["gt.igm.mbmid"]
        node.start(zygote)
        await node.until_ready()
        node.kill()
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp

from contracts.codec import decode_model
from contracts.policy import load_template
from contracts.register import FederationInfo, Role
from gateway.config import NodeConfig, load_config
from gateway.main.setup import InitAnswers, initialise_node
from keys.keystore import write_durably
from keys.register.ceremony import EnrolmentRequest, Holders, Preset, publish, stage_founding, stage_keyset, stage_member
from keys.register.client import RegisterClient, fingerprint
from keys.register.custodians import Custodian, new_custodian
from keys.register.repository import Repository
from tests.people.hired import hired

MBMID, DESK, PGN, MINEX = "gt.igm.mbmid", "gt.conamigua", "gt.pgn", "gt.minex"
ROLES = {MBMID: Role.SEARCH_MECHANISM, DESK: Role.MIGRANT_COUNCIL, PGN: Role.CHILD_PROTECTION, MINEX: Role.FOREIGN_MINISTRY}
HOST = "127.0.0.1"
OFFICE = "oficina"
READY_SECONDS = 180.0
_SETTINGS = """{top}[register]
hosted = "{register}"
poll_seconds = 60.0

[workers]
idle_seconds = 0.5
checkpoint_seconds = 0.5
"""


class Zygote:
    """Forks nodes from a process that has imported everything; tells how each ended. A context."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            process_group=0,
        )
        self._started: list[int] = []
        self._ended: dict[int, int] = {}
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(30)  # its nodes die with it
        except subprocess.TimeoutExpired:  # still importing, on a loaded machine
            self._process.kill()
            self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            news = json.loads(line)
            with self._news:
                if "started" in news:
                    self._started.append(news["started"])
                else:
                    self._ended[news["ended"]] = news["code"]
                self._news.notify_all()

    def fork(self, config: Path, log: Path, bug: str | None = None) -> int:
        """Start a node; return its process id."""
        order = json.dumps({"config": str(config), "log": str(log), "bug": bug}).encode() + b"\n"
        with self._news:
            self._process.stdin.write(order)
            self._process.stdin.flush()
            if not self._news.wait_for(lambda: self._started, 180):
                raise RuntimeError("the zygote does not answer")
            return self._started.pop(0)

    def exit_code(self, pid: int, seconds: float = 0.0) -> int | None:
        """Return how a node ended (minus the signal that killed it), waiting up to `seconds`; None while it runs."""
        with self._news:
            self._news.wait_for(lambda: pid in self._ended, seconds)
            return self._ended.get(pid)


@dataclass
class RealNode:
    """One node: its configuration and its process, started and ended many times."""

    name: str
    config_file: Path
    log: Path
    zygote: Zygote | None = None
    pid: int | None = None
    process: subprocess.Popen | None = None
    spans: list[float] = field(default_factory=list)
    """Seconds from each start to readiness."""
    _since: float = 0.0
    _token: str | None = None

    @property
    def config(self) -> NodeConfig:
        return load_config(self.config_file)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.config.federation.port}{self.config.federation.path}"

    def start(self, zygote: Zygote, *, bug: str | None = None) -> None:
        """Fork the node's process."""
        self._since = time.monotonic()
        self.zygote, self.process = zygote, None
        self.pid = zygote.fork(self.config_file, self.log, bug)

    def start_alone(
        self, *, bug: str | None = None, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the node as its administrator would, or under another program (`before`: strace, faketime and the like)."""
        self._since = time.monotonic()
        if bug:
            command = [sys.executable, "-m", "tests.faults.served", str(self.config_file), bug]
        else:
            command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config_file)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*before, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                cwd=Path(__file__).parents[2],
                process_group=0,
            )
        self.pid, self.zygote = self.process.pid, None

    async def until_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until the node is ready; return the seconds since its start.

        Raises:
            NodeEndedError: it ended; carries its exit code.
        """
        async with aiohttp.ClientSession() as session:
            end = self._since + seconds
            while time.monotonic() < end:
                if (code := self.exit_code()) is not None:
                    raise NodeEndedError(self, code)
                with suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(f"{self._private}/readyz") as answer:
                        if answer.status == 200 and (await answer.json())["ready"]:
                            self.spans.append(time.monotonic() - self._since)
                            return self.spans[-1]
                await asyncio.sleep(0.01)
        raise TimeoutError(f"{self.name} is not ready; its log ends: {self.log_tail()}")

    @property
    def _private(self) -> str:
        return f"http://{HOST}:{self.config.private.port}"

    async def call(self, method: str, path: str, data: bytes | None = None, **query: str) -> tuple[int, Any]:
        """Call the private port as an officer of the node's office; return status and JSON."""
        if self._token is None:
            self._token = await hired(self.config, f"officer@{OFFICE}")
        headers = {"Authorization": f"Bearer {self._token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self._private}{path}", params=query, data=data, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    def exit_code(self, seconds: float = 0.0) -> int | None:
        """Return how the process ended, waiting up to `seconds`; None while it runs."""
        if self.zygote is not None:
            return self.zygote.exit_code(self.pid, seconds)
        if self.process is not None:
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(seconds or 0.001)
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.exit_code() is None and self.pid is not None:
            with suppress(ProcessLookupError):
                # Under strace and the like the node is its child: both, or the node lives on.
                (os.killpg if self.process is not None else os.kill)(self.pid, number)

    def kill(self) -> None:
        """Kill without warning, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        assert self.pid is None or self.exit_code(30) is not None

    def stop(self) -> int | None:
        """Stop in order; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.exit_code(30)

    def log_tail(self, size: int = 1500) -> str:
        """Return the end of what the process said."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""


class NodeEndedError(Exception):
    """A node ended by itself."""

    def __init__(self, node: RealNode, code: int):
        super().__init__(f"{node.name} ended with {code}: {node.log_tail()}")
        self.code = code


@dataclass
class Rig:
    """A founded federation: its register on disk, its nodes, none of them running."""

    home: Path
    register: Repository
    nodes: dict[str, RealNode]
    online: Custodian

    def end(self) -> None:
        """Kill whatever still runs."""
        for node in self.nodes.values():
            node.kill()


async def found_rig(
    home: Path,
    *names: str,
    ports: Sequence[int],
    data: Mapping[str, Path] | None = None,
    databases: Mapping[str, tuple[str, str]] | None = None,
) -> Rig:
    """Found a federation of `names`, two of `ports` each; `data` and `databases` (main, keys) say where a node keeps what."""
    now = datetime.now(UTC)
    register, officers = Repository(home / "register"), _officers()
    info = FederationInfo(name="De prueba", demo=True, preset="full")
    publics = {office: [item.public for item in holders] for office, holders in officers.items()}
    council, online = publics["council"], officers["online"][0]
    holders = Holders(council, publics["registrars"], publics["policy"], council + publics["duty"], online.public)
    stage_founding(register, Preset.FULL, holders, info, load_template("first-policy"), now=now)
    for item in (*officers["council"][:3], *officers["registrars"][:2], *officers["policy"]):
        register.sign(item)
    publish(register, online, now=now)
    nodes: dict[str, RealNode] = {}
    for name, federation, private in zip(names, ports[::2], ports[1::2], strict=False):
        folder = (data or {}).get(name, home / name)
        nodes[name] = await _make(home, name, folder, (federation, private), (databases or {}).get(name))
        request = decode_model(EnrolmentRequest, nodes[name].config.request.read_bytes())
        stage_member(register, request.member, now=now)
        stage_keyset(register, request.keyset, now=now)
    for item in officers["registrars"][:2]:
        register.sign(item)
    publish(register, online, now=now)
    root = register.root_bytes()
    for node in nodes.values():
        RegisterClient.initialise(node.config.trust, root, expected=fingerprint(root))
    return Rig(home, register, nodes, online)


def _officers() -> dict[str, list[Custodian]]:
    numbers = {"council": 5, "registrars": 3, "policy": 3, "duty": 1, "online": 1}
    return {office: [new_custodian(f"{office}-{n}") for n in range(number)] for office, number in numbers.items()}


async def _make(home: Path, name: str, folder: Path, ports: tuple[int, int], databases: tuple[str, str] | None) -> RealNode:
    top = "demo = true  #top\n"
    if databases:
        top += f'database_url = "{databases[0]}"  #top\nkey_store_url = "{databases[1]}"  #top\n'
    config = folder / "paradero.toml"
    answers = InitAnswers(
        node=name,
        role=ROLES[name],
        name=f"{name} (ficticio)",
        country="GT",
        endpoint=f"https://{HOST}:{ports[0]}/x-{name.replace('.', '-')}",
        config=config,
        data=folder,
        self_signed=True,
        federation_port=ports[0],
        private_port=ports[1],
        federation_host=HOST,
        extra=_SETTINGS.format(top=top, register=(home / "register").resolve()),
    )
    await initialise_node(answers)
    text = config.read_text().replace("[federation]\n", '[federation]\nallowed_networks = ["127.0.0.0/8"]\n')
    write_durably(config, text.encode(), mode=0o640)
    return RealNode(name, config, home / f"{name}.log")
