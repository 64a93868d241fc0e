"""R15: slow clients are closed, a slow line is not. A real process behind TLS; deadlines as configured; an honest member meanwhile."""

import asyncio
import json
import socket
import ssl
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.hostile import launch, served
from tests.hostile.forgeries import ping, seal
from tests.reliability.ledger import control, note, scaled

HEAD = b"POST /x/v1/inbox HTTP/1.1\r\nHost: h\r\nContent-Type: application/jose\r\n"
LIMITS = {"header_seconds": 4.0, "body_grace_seconds": 3.0, "request_seconds": 14.0}
HANDSHAKE = 10.0
SLACK = 6.0  # a look a second, a goodbye of two seconds, and a loaded machine
pytestmark = pytest.mark.slow


@dataclass
class Lives:
    """How long each kind of connection lived, in seconds; and which outlived the test."""

    closed: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    alive: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lag: float = 0.0

    def longest(self, kind: str) -> float:
        return max(self.closed[kind], default=0.0)


class Slow:
    """One kind of slow client each; all from addresses of their own."""

    def __init__(self, node, lives: Lives, until: float) -> None:
        self.node, self.lives, self.until, self.trusting = node, lives, until, node.trusting

    async def live(self, kind: str, number: int) -> None:
        """Be one slow client until the node closes the connection or time is up."""
        started = time.monotonic()
        try:
            reader, writer = await self._connect(number, tls=kind not in {"handshake stalled", "half a handshake"})
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.lives.closed[kind].append(time.monotonic() - started)
            return
        gone = asyncio.create_task(self._dead(writer) if kind == "slow read" else self._gone(reader))
        drip = asyncio.create_task(getattr(self, "_" + kind.replace(" ", "_"))(writer))
        done, _ = await asyncio.wait({gone}, timeout=max(0.0, self.until - time.monotonic()))
        drip.cancel()
        if done:
            self.lives.closed[kind].append(time.monotonic() - started)
        else:
            self.lives.alive[kind] += 1
            gone.cancel()
        writer.transport.abort()
        await asyncio.gather(drip, gone, return_exceptions=True)

    async def _connect(self, number: int, *, tls: bool):
        """From an address of its own, with little room for what it does not read."""
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        raw.bind((f"127.2.{number // 50}.{number % 50 + 1}", 0))
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.node.port))
        more = {"ssl": self.trusting, "server_hostname": "127.0.0.1", "ssl_handshake_timeout": 60.0} if tls else {}
        return await asyncio.open_connection(sock=raw, limit=256, **more)

    async def _gone(self, reader) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while await reader.read(4096):
                pass

    async def _dead(self, writer) -> None:
        """Who does not read never learns that the node let go; the kernel knows whether it still holds its end."""
        ours = writer.get_extra_info("sockname")[1]
        while ours in self.node.holds():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.5)

    async def _forever(self, writer, bites, pause: float) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            for bite in bites:
                writer.write(bite)
                await asyncio.sleep(pause)
            await asyncio.Event().wait()

    async def _idle(self, writer) -> None:
        await asyncio.Event().wait()

    async def _handshake_stalled(self, writer) -> None:
        await asyncio.Event().wait()

    async def _half_a_handshake(self, writer) -> None:
        await self._forever(writer, [bytes.fromhex("1603010200")], 1.0)

    async def _half_a_line(self, writer) -> None:
        await self._forever(writer, [HEAD[:20]], 1.0)

    async def _header_drip(self, writer) -> None:
        await self._forever(writer, [HEAD, *(b"X-%d: a\r\n" % n for n in range(10_000))], 0.5)

    async def _body_drip(self, writer) -> None:
        await self._forever(writer, [HEAD + b"Content-Length: 100000\r\n\r\n", *([b"a" * 100] * 10_000)], 0.5)

    async def _chunk_drip(self, writer) -> None:
        await self._forever(writer, [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *([b"1\r\na\r\n"] * 10_000)], 0.5)

    async def _just_fast_enough(self, writer) -> None:
        """1.6 kB/s: above the rate, until the hard cap."""
        await self._forever(writer, [HEAD + b"Content-Length: 1000000\r\n\r\n", *([b"a" * 800] * 10_000)], 0.5)

    async def _idle_after_an_answer(self, writer) -> None:
        await self._forever(writer, [b"GET /x/v1/health HTTP/1.1\r\nHost: h\r\n\r\n"], 1.0)

    async def _slow_read(self, writer) -> None:
        """Asks for much, many times, and reads nothing."""
        writer.transport.pause_reading()
        await self._forever(writer, [b"GET /x/v1/trust/metadata/1.root.json HTTP/1.1\r\nHost: h\r\n\r\n" * 600], 0.0)


KINDS = {
    "idle": LIMITS["header_seconds"],
    "handshake stalled": HANDSHAKE,
    "half a handshake": HANDSHAKE,
    "half a line": LIMITS["header_seconds"],
    "header drip": LIMITS["header_seconds"],
    "body drip": LIMITS["body_grace_seconds"] + 3,
    "chunk drip": LIMITS["body_grace_seconds"] + 3,
    "just fast enough": LIMITS["request_seconds"],
    "idle after an answer": LIMITS["header_seconds"] + 1,
    "slow read": LIMITS["request_seconds"],
}
"""Each kind, and after how many seconds it must be gone."""


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield served.found(tmp_path_factory.mktemp("town"), patch)


async def be_slow(node, number: int, seconds: float, kinds=tuple(KINDS)) -> Lives:
    """`number` slow clients of all kinds at once."""
    lives = Lives()
    slow = Slow(node, lives, time.monotonic() + seconds)
    lag = asyncio.create_task(worst_lag(lives))
    await asyncio.gather(*(slow.live(kinds[one % len(kinds)], one) for one in range(number)))
    lag.cancel()
    return lives


async def worst_lag(lives: Lives) -> None:
    """How late this machine lets us be: what we measure is off by as much."""
    while True:
        due = time.monotonic() + 0.1
        await asyncio.sleep(0.1)
        lives.lag = max(lives.lag, time.monotonic() - due)


def late(lives: Lives) -> dict[str, float]:
    return {
        kind: round(lives.longest(kind), 1)
        for kind, limit in KINDS.items()
        if lives.longest(kind) > limit + SLACK + 5 * lives.lag
    }


@pytest.mark.timeout(900)
async def test_every_slow_client_is_closed_in_time_and_the_honest_member_does_not_notice(town):
    number = scaled(ci=400, night=2000)
    with served.serving(town, **LIMITS, max_connections=max(512, number + 100)) as node:
        usual = await served.undisturbed(node)
        with served.healthy(node, messages=900) as member:
            lives = await be_slow(node, number, 45.0)
        complaints = node.complaints()
    wrong, alive = late(lives), sum(lives.alive.values())
    longest = {f"longest {kind} s": round(lives.longest(kind), 1) for kind in KINDS}
    note("R15", "slow connections of ten kinds over TLS", unit="connections", trials=number, failures=alive + len(wrong),
         figures=longest | {"healthy p99 ms": round(member.p99() * 1000), "healthy deliveries": member.accepted})  # fmt: skip
    print(longest, dict(lives.alive), member.p99(), member.failed, complaints[:3])
    assert dict(lives.alive) == {}
    assert wrong == {}
    assert complaints == []
    assert member.accepted > 5
    assert member.failed == []
    assert member.p99() < served.allowed(usual)


@pytest.mark.timeout(600)
async def test_when_every_place_is_taken_a_newcomer_from_elsewhere_still_gets_one(town):
    """Fewer places than slow clients: those who hold most lose theirs to an address that holds none."""
    number = 150
    with served.serving(town, max_connections=64, header_seconds=20.0) as node:
        usual = await served.undisturbed(node)
        slow = asyncio.create_task(be_slow_from_few(node, number, 20.0))
        await asyncio.sleep(4)
        with served.healthy(node, messages=300) as member:
            await asyncio.sleep(10)
        await slow
    note("R15", "an honest member at a door whose places are all taken", unit="deliveries", trials=len(member.seconds),
         failures=len(member.failed), figures={"healthy p99 ms": round(member.p99() * 1000)})  # fmt: skip
    assert member.accepted > 5
    assert member.failed == []
    assert member.p99() < served.allowed(usual)


@pytest.mark.timeout(600)
async def test_where_first_come_is_all_that_counts_the_honest_member_is_locked_out(town):
    with served.serving(town, "first_come_only", max_connections=64, header_seconds=20.0) as node:
        slow = asyncio.create_task(be_slow_from_few(node, 150, 20.0))
        await asyncio.sleep(5)
        with served.healthy(node, messages=300) as member:
            await asyncio.sleep(8)
        await slow
    control("R15", launch.first_come_only, seen=bool(member.failed))
    assert member.failed


async def be_slow_from_few(node, number: int, seconds: float) -> None:
    """Idle connections, twenty to an address, for ever anew."""
    until = time.monotonic() + seconds

    async def one(place: int) -> None:
        while time.monotonic() < until:
            with suppress(ConnectionError, ssl.SSLError, TimeoutError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1",
                    node.port,
                    ssl=node.trusting,
                    server_hostname="127.0.0.1",
                    local_addr=(f"127.3.0.{place // 20 + 1}", 0),
                )
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), max(0.1, until - time.monotonic()))
                writer.transport.abort()
            await asyncio.sleep(0.5)

    await asyncio.gather(*(one(place) for place in range(number)))


@pytest.mark.timeout(300)
async def test_an_honest_line_of_64_kbit_with_800_ms_is_not_closed(town):
    """A backlog of a hundred kilobytes through a line of 8 kB/s and 800 ms there and back."""
    honest = town.honest
    honest.now = int(time.time())
    with served.serving(town, header_seconds=20.0, body_grace_seconds=3.0) as node:
        async with line(node.port, bytes_per_second=8000, one_way=0.4) as port:
            envelopes = [seal(honest, honest.signed(ping(honest))).decode() for _ in range(scaled(ci=18, night=50))]
            body = json.dumps({"messages": envelopes}).encode()
            started = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=node.trusting, server_hostname="127.0.0.1")
            head = b"POST /x/v1/inbox HTTP/1.1\r\nHost: h\r\nContent-Type: application/paradero-batch+json\r\n"
            writer.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
            answer = await reader.read()
            writer.close()
    took = time.monotonic() - started
    receipts = answer.count(b'"receipt"')
    note("R15", "an honest line of 64 kbit/s and 800 ms", unit="messages", trials=len(envelopes), failures=len(envelopes) - receipts,
         figures={"bytes": len(body), "seconds": round(took, 1)})  # fmt: skip
    assert receipts == len(envelopes), answer[:200]
    assert took > len(body) / 8000, "the line was not slow"


class line:
    """A relay that is a slow line: so many bytes a second, so late."""

    def __init__(self, port: int, *, bytes_per_second: int, one_way: float) -> None:
        self._port, self._rate, self._late = port, bytes_per_second, one_way
        self._tasks: set[asyncio.Task] = set()
        self._ends: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:  # what is due to be closed later would be when the loop is gone
            end.transport.abort()
        await asyncio.sleep(0)

    async def _relay(self, reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += writer, back
        for source, sink in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._carry(source, sink)))

    async def _carry(self, source, sink):
        loop = asyncio.get_running_loop()
        free = loop.time()
        with suppress(ConnectionError):
            while data := await source.read(800):
                free = max(free, loop.time()) + len(data) / self._rate
                await asyncio.sleep(max(0.0, free - loop.time()))
                loop.call_later(self._late, lambda bite: sink.is_closing() or sink.write(bite), data)
            loop.call_later(self._late, sink.close)


@pytest.mark.timeout(300)
async def test_without_deadlines_they_stay(town):
    kinds = ("idle", "half a line", "header drip", "body drip", "chunk drip")
    with served.serving(town, "no_deadline", **LIMITS) as node:
        lives = await be_slow(node, 50, 15.0, kinds)
    alive = sum(lives.alive[kind] for kind in ("half a line", "header drip", "body drip", "chunk drip"))
    control("R15", launch.no_deadline, seen=alive > 0)
    assert alive > 0, lives
