"""Two real nodes with a line of our own between them, reports put into the sender's outbox, and what arrived."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from gateway.exchange.desk import send_rows
from gateway.main.node import open_node
from keys.register.client import read_folder
from tests.faults.net_proxy import ChaosProxy, Line
from tests.faults.oracle import desk_row
from tests.faults.rig import DESK, MBMID, Rig, found_rig

READY_SECONDS = 240.0  # two imports at once on a machine that does other things
_NUMBERS = iter(range(1, 10_000_000))


@dataclass
class Pair:
    """A desk that sends reports and the search mechanism that takes them; `to_mbmid` and `to_desk` are the lines."""

    rig: Rig
    to_mbmid: ChaosProxy
    to_desk: ChaosProxy
    sent: list[str] = field(default_factory=list)
    """Every message id the desk's people were told is on its way: acknowledged."""

    @property
    def desk(self):
        return self.rig.nodes[DESK]

    @property
    def mbmid(self):
        return self.rig.nodes[MBMID]

    async def report(self, number: int) -> list[str]:
        """Put reports into the desk's outbox, as another process on its database; return their message ids."""
        ids = await put_reports(self.rig, number)
        self.sent += ids
        return ids

    async def drained(self, ids: Sequence[str], within: float) -> float | None:
        """Wait until none of `ids` waits at the desk; return the seconds, or None when they still wait."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            if not waiting(self.desk, ids):
                return time.monotonic() - started
            await asyncio.sleep(0.1)
        return None

    def broken(self) -> list[str]:
        """Return what was acknowledged and is not exactly one effect at its recipient, in words."""
        return faults(self.rig, self.sent)


async def put_reports(rig: Rig, number: int, *, sender: str = DESK) -> list[str]:
    """Put `number` reports into a node's outbox; return the ids of messages that are durable there."""
    async with open_node(rig.nodes[sender].config, fetch=read_folder(rig.register.folder)) as node:
        rows = [desk_row(next(_NUMBERS)) for _ in range(number)]
        results = await send_rows(rows, node.capabilities, actor=node.capabilities.pseudonyms.actor("desk"))
        assert all(result.message_ids for result in results), Counter(r.reasons for r in results)
        return [str(message) for result in results for message in result.message_ids]


def faults(rig: Rig, sent: Sequence[str]) -> list[str]:
    """Compare the desk's book with what the mechanism holds."""
    states = dict(ask(rig.nodes[DESK], "SELECT message_id, state FROM outbox"))
    arrived = Counter(row[0] for row in ask(rig.nodes[MBMID], "SELECT message_id FROM inbox"))
    cases = Counter(row[0] for row in ask(rig.nodes[MBMID], "SELECT opened_by FROM cases"))
    found = [f"{message}: gone from the outbox" for message in sent if message not in states]
    found += [f"{message}: {states[message]}" for message in sent if states.get(message) in {"dead", "rejected"}]
    delivered = [message for message in sent if states.get(message) == "delivered"]
    found += [f"{message}: delivered and not there" for message in delivered if arrived[message] != 1]
    found += [f"{message}: {number} cases" for message, number in cases.items() if number > 1]
    return found


def effects(rig: Rig, sent: Sequence[str]) -> int:
    """Return how many of `sent` have not exactly one case at the mechanism."""
    cases = Counter(row[0] for row in ask(rig.nodes[MBMID], "SELECT opened_by FROM cases"))
    return sum(1 for message in sent if cases[message] != 1)


def ask(node, sql: str) -> list[tuple]:
    """Read a node's database beside its process."""
    if node.config.main_database.startswith("postgresql"):
        return asyncio.run(_ask_postgresql(node.config.main_database, sql)) if not _looping() else _in_thread(node, sql)
    path = Path(node.config.main_database.partition(":///")[2])
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def _looping() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_thread(node, sql: str) -> list[tuple]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask, node, sql).result()


async def _ask_postgresql(url: str, sql: str) -> list[tuple]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def starved(*nodes) -> float:
    """Return the most seconds one of the nodes' processes was ready to run and got no processor (Linux's schedstat)."""
    return max((sum(_waited(task) for task in Path(f"/proc/{node.pid}/task").iterdir()) for node in nodes), default=0.0)


def _waited(task: Path) -> float:
    try:
        return int((task / "schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def waiting(node, ids: Sequence[str]) -> int:
    """Return how many of `ids` still wait in a node's outbox."""
    wanted = set(ids)
    return sum(1 for (message,) in ask(node, "SELECT message_id FROM outbox WHERE state = 'waiting'") if message in wanted)


def attempts(node) -> int:
    """Return how often messages of a node were handed to the network."""
    return ask(node, "SELECT coalesce(sum(attempts), 0) FROM outbox")[0][0]


def listen_on(node, port: int) -> None:
    """Let a node listen elsewhere than the register says: between the two stands our line."""
    text = node.config_file.read_text()
    section = re.search(r"\[federation\].*?(?=\n\[|\Z)", text, re.DOTALL)
    changed = re.sub(r"(?m)^port = \d+", f"port = {port}", section.group(0))
    node.config_file.write_text(text.replace(section.group(0), changed))


def start_changed(
    node, settings: Mapping[str, object], *, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> subprocess.Popen:
    """Start a node as a process of its own, changed by `tests.faults.net_served`."""
    command = [*before, sys.executable, "-m", "tests.faults.net_served", str(node.config_file), json.dumps(dict(settings))]
    node._since, node.zygote = time.monotonic(), None
    with node.log.open("ab") as output:
        node.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            cwd=Path(__file__).parents[2],
            process_group=0,
        )
    node.pid = node.process.pid
    return node.process


@asynccontextmanager
async def open_pair(
    home: Path,
    ports: Sequence[int],
    *,
    bug: str | None = None,
    environment: Callable[[str], Mapping[str, str]] | None = None,
) -> AsyncIterator[Pair]:
    """Found, put the lines in between, start both nodes (the desk with a bug, if one is named); end them. Six ports."""
    async with AsyncExitStack() as stack:
        rig = await found_rig(home, MBMID, DESK, ports=ports[:4])
        stack.callback(rig.end)
        lines = []
        for name, real in zip((MBMID, DESK), ports[4:6], strict=True):
            registered = rig.nodes[name].config.federation.port
            listen_on(rig.nodes[name], real)
            lines.append(await stack.enter_async_context(ChaosProxy(registered, real)))
            planted = {"bug": bug} if bug and name == DESK else {}
            start_changed(rig.nodes[name], planted, environment=environment(name) if environment else None)
        for node in rig.nodes.values():
            await node.until_ready(READY_SECONDS)
        yield Pair(rig, *lines)


__all__ = [
    "ChaosProxy",
    "Line",
    "Pair",
    "ask",
    "attempts",
    "effects",
    "faults",
    "open_pair",
    "put_reports",
    "start_changed",
    "waiting",
]
