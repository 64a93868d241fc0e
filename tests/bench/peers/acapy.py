"""ACA-Py (`acapy-agent`): two agents over DIDComm on loopback, Askar with SQLite, basic messages.

A message enters by the admin API, as a controller's does, and has arrived when the receiver's webhook says so: there is no
receipt. This process is the controller of both; what it uses is not counted. Between the agents stands a relay of ours that
counts the bytes, also uncounted.
"""

import asyncio
import hashlib
import itertools
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
from aiohttp import web

from gateway.demo.ports import reserved_ports
from tests.bench.peers.environments import version
from tests.bench.peers.program import Program, row

NAME = "acapy"
SIZES, IN_FLIGHT = ("1.5", "4", "20"), (1, 16, 64)
MESSAGES = 128
READY_SECONDS, LATEST_SECONDS = 90, 120


class Controller:
    """The admin side of both agents, their webhooks, and the relay before the receiver."""

    def __init__(self, session, receiver_port):
        self.session = session
        self.waiting = {}
        self.carried = 0
        self._target = f"http://127.0.0.1:{receiver_port}/"

    async def webhook(self, request):
        body = await request.json()
        if request.match_info["topic"] == "basicmessages":
            number = body["content"].partition("|")[0]
            if future := self.waiting.pop(number, None):
                future.set_result(None)
        return web.Response()

    async def relay(self, request):
        body = await request.read()
        headers = {"Content-Type": request.headers["Content-Type"]}
        async with self.session.post(self._target, data=body, headers=headers) as answer:
            back = await answer.read()
            self.carried += len(body) + len(back)
            return web.Response(status=answer.status, body=back, content_type=answer.content_type)

    async def admin(self, port, method, path, **options):
        async with self.session.request(method, f"http://127.0.0.1:{port}{path}", **options) as answer:
            if answer.status != 200:
                raise RuntimeError(f"ACA-Py answered {answer.status} to {path}: {(await answer.text())[:300]}")
            return await answer.json()


class AcaPy:
    """The running pair."""

    def __init__(self, controller, agents, admins, connection, stores):
        self._controller, self._connection = controller, connection
        self._sender, self._receiver = agents
        self._admin_port = admins[0]
        self._numbers = itertools.count()
        self._stores = stores
        self._before = self._sent = None

    async def exchange(self, *, count, in_flight, payload):
        """Carry messages; return a row of the bench."""
        if self._before is None:
            self._before, self._sent = [_digest(path) for path in self._stores], 0
        self._sent += count
        times, left, controller = [], iter(range(count)), self._controller
        path = f"/connections/{self._connection}/send-message"

        async def worker():
            for _ in left:
                number = f"{next(self._numbers):08d}"
                arrived = controller.waiting[number] = asyncio.Future()
                content = f"{number}|{payload[len(number) + 1 :]}"
                began = time.perf_counter()
                await controller.admin(self._admin_port, "POST", path, json={"content": content})
                await arrived
                times.append(time.perf_counter() - began)

        before, carried = (self._sender.cpu(), self._receiver.cpu()), controller.carried
        began = time.perf_counter()
        async with asyncio.timeout(LATEST_SECONDS):
            await asyncio.gather(*[worker() for _ in range(in_flight)])
        seconds = time.perf_counter() - began
        await asyncio.sleep(0.1)  # what either does after the webhook left
        after = self._sender.cpu(), self._receiver.cpu()
        answer = {"times": times, "seconds": seconds, "bytes": controller.carried - carried}
        return row(answer, after[0] - before[0], after[1] - before[1])

    async def admin_cpu_ms(self, calls):
        """Return what one call of the admin API costs the sender, whatever it asks for."""
        before = self._sender.cpu()
        for _ in range(calls):
            await self._controller.admin(self._admin_port, "GET", "/status/live")
        return (self._sender.cpu() - before) / calls * 1000

    async def kept(self):
        """Return whether anything of the messages reached either agent's store."""
        after = [_digest(path) for path in self._stores]
        changed = [new != old for new, old in zip(after, self._before, strict=True)]
        what = "no row of either agent's SQLite store changed" if not any(changed) else f"stores changed: {changed}"
        how = f"{what} over {self._sent} messages ({after[0][0]} and {after[1][0]} rows); no receipt is asked for or sent"
        return {"durable": all(changed), "receipt": False, "how": how}


def _digest(path):
    """Return how many rows an Askar store has, and a digest of all of them."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT id, kind, category, name, value FROM items ORDER BY id").fetchall()
    return len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()


@asynccontextmanager
async def opened(environment, home):
    """Run two agents in `home` and connect them."""
    with reserved_ports(6) as ports:
        doors, admins, (hooks, _) = ports[:2], ports[2:4], ports[4:6]
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)))
            controller = Controller(session, doors[1])
            await _serve(stack, controller, hooks)
            endpoints = (f"http://127.0.0.1:{doors[0]}", f"http://127.0.0.1:{hooks}/relay")
            agents = [
                await stack.enter_async_context(_agent(environment, home / name, doors[at], admins[at], endpoints[at], hooks))
                for at, name in enumerate(("sender", "receiver"))
            ]
            for port in admins:
                await _until(lambda port=port: controller.admin(port, "GET", "/status/ready"), lambda found: found["ready"])
            connection = await _connect(controller, *admins)
            stores = [next((home / name).rglob("*.db")) for name in ("sender", "receiver")]
            yield AcaPy(controller, agents, admins, connection, stores)


async def _serve(stack, controller, port):
    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/hook/topic/{topic}/", controller.webhook)
    application.router.add_post("/relay", controller.relay)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()


@asynccontextmanager
async def _agent(environment, home, door, admin, endpoint, hooks):
    home.mkdir()
    options = {
        "label": home.name, "endpoint": endpoint, "outbound-transport": "http", "wallet-type": "askar", "wallet-name": home.name,
        "wallet-key": "bench", "webhook-url": f"http://127.0.0.1:{hooks}/hook", "log-level": "error",
    }  # fmt: skip
    command = [environment / "bin/aca-py", "start", *(part for name, value in options.items() for part in (f"--{name}", value))]
    command += ["--inbound-transport", "http", "127.0.0.1", door, "--admin", "127.0.0.1", admin, "--admin-insecure-mode"]
    command += ["--auto-provision", "--no-ledger", "--auto-accept-invites", "--auto-accept-requests"]
    log = home / "agent.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    try:
        yield Program(process, log)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _connect(controller, sender, receiver):
    asked = {"handshake_protocols": ["https://didcomm.org/didexchange/1.1"]}
    made = await controller.admin(receiver, "POST", "/out-of-band/create-invitation?auto_accept=true", json=asked)
    path = "/out-of-band/receive-invitation?auto_accept=true"
    taken = await controller.admin(sender, "POST", path, json=made["invitation"])
    connection = taken["connection_id"]
    for port, where in ((sender, f"/connections/{connection}"), (receiver, "/connections?state=completed")):
        await _until(lambda port=port, where=where: controller.admin(port, "GET", where), _completed)
    return connection


def _completed(found):
    states = {found["rfc23_state"]} if "rfc23_state" in found else {row["rfc23_state"] for row in found["results"]}
    return "completed" in states


async def _until(ask, satisfied):
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(aiohttp.ClientError, RuntimeError):
                if satisfied(await ask()):
                    return
            await asyncio.sleep(0.3)


def about(environment):
    """Return what is measured, in words."""
    return f"ACA-Py {version(environment, 'acapy-agent')}, DIDComm basic messages, Askar on SQLite, plain HTTP"
