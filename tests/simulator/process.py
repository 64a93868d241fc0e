"""A node's process and its lives: what belongs to one life ends with it. A life can also be stopped and resumed."""

import asyncio
import random
import sqlite3

from contracts.errors import ExchangeError
from gateway.config import load_config
from gateway.main.node import open_node
from keys.register.client import read_folder
from tests.simulator.network import Network
from tests.simulator.sqlite import CrashedError, connections_of

FATAL_SHARE = 0.1
SHORT_STOPS = 0.6
WRITES = ("INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT", "commit")


class Process:
    """One node's process: whatever kills it, its supervisor starts it again."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.life = None
        self._lives = 0
        self._others = set()
        self._replace = asyncio.Event()

    @property
    def node(self):
        """The running node, or None while it is down or starting."""
        return self.life.node if self.life is not None and self.life.alive else None

    async def supervise(self):
        """Start, run until death, wait, start again."""
        worker = "only"
        while True:
            self._lives += 1
            self._replace.clear()
            self.life = Life(self.world, self.name, self._lives, worker)
            running = self._keep(self.life.run())
            replaced = self._keep(self._replace.wait())
            await asyncio.wait({running, replaced}, return_when=asyncio.FIRST_COMPLETED)
            worker = self.world.chance.choice(("only", "second")) if self._replace.is_set() else "only"
            replaced.cancel()
            long = self.world.happens("long-down", self.world.weather.long_down)
            await asyncio.sleep(self.world.chance.uniform(3, 20) if long else self.world.chance.uniform(0.05, 1.0))

    def spawn(self, work):
        """Run `work` as part of the life this process leads now."""
        return self.life.spawn(work)

    def freeze(self):
        """Stop the present life where it stands, and start another in its place, as a supervisor that lost sight of it does."""
        if self.node is None:
            return False
        self.life.frozen.clear()
        self.world.note(self.name, "frozen")
        self._keep(self._thaw(self.life))
        self._replace.set()
        return True

    async def _thaw(self, life):
        # Short enough to be back in the middle of what it did, or so long that every lease and deadline has passed.
        short = self.world.chance.random() < SHORT_STOPS
        await asyncio.sleep(self.world.chance.uniform(1.2, 3.5) if short else self.world.chance.uniform(3.5, 40))
        self.world.note(self.name, "thawed")
        life.frozen.set()
        await asyncio.sleep(self.world.chance.uniform(0.5, 5))
        life.die()

    def _keep(self, work):
        task = asyncio.create_task(work)
        self._others.add(task)
        task.add_done_callback(self._others.discard)
        return task

    async def end(self):
        """Leave nothing running."""
        if self.life is not None:
            self.life.die()
        for task in self._others:
            task.cancel()
        await asyncio.gather(*self._others, return_exceptions=True)


class Life:
    """One run of a process, from its start to its end."""

    def __init__(self, world, name, number, worker):
        self.world, self.name, self.worker = world, name, worker
        self.chance = random.Random(f"{world.seed}:{name}:{number}:locks")
        self.connections = []
        self.tasks = {}  # in the order they began in: whoever waits for one goes on, and throws dice, in that order
        self.node = None
        self.alive = True
        self.frozen = asyncio.Event()
        self.frozen.set()
        self._ids = f"{world.seed}:{name}:{number}"

    async def run(self):
        """Open the node and run it until it dies."""
        try:
            await self._live()
        except (CrashedError, asyncio.CancelledError, BaseExceptionGroup, ExchangeError):
            if asyncio.current_task().cancelling():
                raise
        finally:
            self.die()
            self.world.note(self.name, "down")

    async def _live(self):
        config = load_config(self.world.home / self.name / "paradero.toml")
        config = config.model_copy(update={"workers": config.workers.model_copy(update={"name": self.worker})})
        async with open_node(
            config,
            clock=self.world.clocks[self.name],
            randomness=self.world.randomness(self._ids),
            transport=Network(self.world, self),
            fetch=read_folder(self.world.home / "register"),
            connect=connections_of(self),
        ) as node:
            self.node = node
            self.world.note(self.name, "up")
            await self.spawn(node.run_loops())

    def spawn(self, work):
        """Run `work` as part of this life."""
        task = asyncio.create_task(work)
        self.tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def enlist(self, connection):
        """Note a connection; a dead process opens none."""
        self.check()
        self.connections.append(connection)

    def _ended(self, task):
        self.tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # looked at: whoever waits for it is told as well

    def die(self):
        """End here and now: nothing of it runs on, nothing uncommitted remains."""
        self.alive = False
        self.frozen.set()
        for connection in self.connections:
            connection.die()
        self.connections.clear()
        for task in self.tasks:
            task.cancel()

    async def before(self, sql, *, changed):
        """Faults before a database call: the power goes, or the database refuses and nothing was done."""
        if sql in {"close", "fetchall", "fetchmany", "fetchone", "cursor"}:
            self.check()
            return
        await asyncio.sleep(self.chance.uniform(0.0001, 0.002))
        if sql.startswith("BEGIN"):
            await self.frozen.wait()  # a life is stopped between transactions: within one it would hold everybody up
        self.check()
        world = self.world
        if world.happens("crash-before", self._risk(sql, changed)):
            self._crash(sql)
        if sql.startswith(WRITES) and world.happens("refuse", world.weather.refuse):
            world.note(self.name, "refuse", _short(sql))
            raise _operational("SQLITE_FULL")

    async def after(self, sql, *, changed):
        """Faults after it: the power goes, or a commit that was done is reported as failed."""
        world = self.world
        self.check()
        if sql.startswith(WRITES) or changed:
            world.note(self.name, _short(sql))
        if world.happens("crash-after", self._risk(sql, changed)):
            self._crash(sql)
        present = self is world.processes[self.name].life
        if changed and present and _takes_in_hand(sql) and world.happens("freeze", world.weather.freeze):
            world.processes[self.name].freeze()
        if changed and sql == "commit" and world.happens("unknown-commit", world.weather.unknown_commit):
            world.note(self.name, "unknown-commit")
            raise _operational("SQLITE_IOERR_FSYNC" if world.chance.random() < FATAL_SHARE else "SQLITE_FULL")

    def _risk(self, sql, changed):
        # Beside a commit that changes something is where half a truth can stand; an idle look is where nothing can.
        weather = self.world.weather
        if not changed:
            return weather.crash
        return weather.crash_at_commit if sql == "commit" else weather.crash_in_transaction

    def check(self):
        """Refuse to go on in a life that has ended."""
        if not self.alive:
            raise CrashedError

    def _crash(self, sql):
        self.world.note(self.name, "crash", _short(sql))
        self.die()
        raise CrashedError


def _operational(name):
    error = sqlite3.OperationalError("simulated")
    error.sqlite_errorname = name
    return error


def _takes_in_hand(sql):
    return sql.startswith(("UPDATE inbox SET attempts", "UPDATE outbox SET attempts"))


def _short(sql):
    return " ".join(sql.split()[:3])
