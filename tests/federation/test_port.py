"""The federation port on a real socket: limits, slow clients, odd shapes; problems without detail."""

import asyncio
import json
import time
from contextlib import suppress
from ipaddress import ip_network

import aiohttp
import pytest
from aiohttp import web

from contracts.errors import PeerUnavailableError, ProblemCode, StorageError
from contracts.ids import NodeId
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.federation.server import BATCH_TYPE, FederationApi, Statics
from gateway.web import Caps, Deadlines, Watch, serve_site

FAST = Deadlines(header_seconds=0.6, body_grace_seconds=0.4, body_bytes_per_second=1000, request_seconds=3.0, look_every=0.1)
CANARY = "Ficticiacanaria"
LOOPBACK = (ip_network("127.0.0.0/8"),)


class Door:
    def __init__(self):
        self.batches, self.error = [], None

    async def receive(self, envelopes):
        if self.error:
            raise self.error
        self.batches.append(list(envelopes))
        return ["e30.e30.e30" for _ in envelopes]

    async def answer(self, envelope):
        return envelope


@pytest.fixture
async def port():
    door, files = Door(), {"1.root.json": b"{}", "timestamp.json": b"[]"}

    async def metadata(name):
        return files.get(name)

    async def nothing(_name=None):
        return None

    watch = Watch(FAST, Caps(50, 20))
    statics = Statics(metadata, nothing, nothing, nothing)
    api = FederationApi(receive=door.receive, answer=door.answer, statics=statics, watch=watch, budget=None, prefix="/secreto")
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    yield site, door
    await site.close()


async def raw(port, data, *, wait=2.0):
    """Send bytes, return everything that comes back until the server closes or `wait` passes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = b""
    try:
        async with asyncio.timeout(wait):
            while more := await reader.read(65536):
                answer += more
    except TimeoutError:
        return b"<open>"
    except ConnectionError:
        pass  # closed on us because we had not finished: what was said before counts
    finally:
        writer.close()
    return answer


def post(body, *headers, path="/secreto/v1/inbox", kind=BATCH_TYPE, version="HTTP/1.1"):
    lines = [f"POST {path} {version}", "Host: x", f"Content-Type: {kind}", *headers]
    if not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(answer):
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/") else None


async def test_a_batch_is_answered_in_order(port):
    site, door = port
    answer = await raw(site.port, post(b'{"messages":["a","b"]}'))
    assert status(answer) == 200
    assert door.batches == [[b"a", b"b"]]
    assert json.loads(answer.rpartition(b"\r\n\r\n")[2])["results"] == [{"receipt": "e30.e30.e30"}] * 2


BATCH = b'{"messages":["a"]}'
SHAPES = {
    "no messages": (post(b'{"messages":[]}'), {400}),
    "fifty-one messages": (post(json.dumps({"messages": ["a"] * 51}).encode()), {400}),
    "a message that is no text": (post(b'{"messages":[1]}'), {400}),
    "a member too many": (post(b'{"messages":["a"],"x":1}'), {400}),
    "a member twice": (post(b'{"messages":["a"],"messages":["b"]}'), {400}),
    "not JSON": (post(b"{"), {400}),
    "invalid UTF-8": (post(b'{"messages":["\xff"]}'), {400}),
    "deep": (post(b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"), {400}),
    "another content type": (post(BATCH, kind="text/plain"), {415}),
    "content encoding": (post(BATCH, "Content-Encoding: gzip"), {415}),
    "upgrade": (post(BATCH, "Upgrade: websocket"), {415, 400}),
    "absolute form": (post(BATCH, path="http://evil.example/secreto/v1/inbox"), {400, 404, 415}),
    "HTTP/1.0": (post(BATCH, version="HTTP/1.0"), {415}),
    "over a mebibyte": (post(b"x" * (1024 * 1024 + 1)), {413}),
    "says it is over a mebibyte": (post(BATCH, "Content-Length: 99999999"), {413}),
    "two lengths": (post(BATCH, "Content-Length: 18", "Content-Length: 19"), {400}),
    "length and chunked": (post(BATCH, "Content-Length: 18", "Transfer-Encoding: chunked"), {400}),
    "bad chunk": (post(b"zz\r\n", "Transfer-Encoding: chunked"), {400}),
    "NUL in a header": (post(BATCH, f"X-A: {CANARY}\0b"), {400}),
    "another expectation": (post(BATCH, f"Expect: {CANARY}"), {415}),
    "a thousand headers": (post(BATCH, *(f"X-{n}: a" for n in range(1000))), {400}),
    "a path of 5 kB": (post(BATCH, path=f"/secreto/v1/inbox?{CANARY}" + "a" * 5000), {400}),
    "a chunk that is none": (post(CANARY.encode() + b"\r\n", "Transfer-Encoding: chunked"), {400}),
    "a header of 20 kB": (post(BATCH, "X-A: " + "a" * 20_000), {400, 431}),
    "no prefix": (post(BATCH, path="/v1/inbox"), {404}),
    "GET at the door": (b"GET /secreto/v1/inbox HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {405}),
    "path traversal": (b"GET /secreto/v1/trust/metadata/../../x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", {404, 400}),
    "encoded traversal": (
        b"GET /secreto/v1/trust/metadata/..%2f..%2fx HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        {404, 400},
    ),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_bad_shapes_are_refused_and_change_nothing(port, name):
    site, door = port
    request, allowed = SHAPES[name]
    answer = await raw(site.port, request)
    assert status(answer) in allowed, answer[:200]
    assert door.batches == []
    assert answer.count(b"HTTP/1.1 ") <= 1


async def test_no_shape_ever_gives_a_5xx_or_repeats_what_it_was_sent(port):
    site, _ = port
    for request, _ in SHAPES.values():
        answer = await raw(site.port, request.replace(b"Host: x", f"Host: {CANARY}".encode()))
        assert status(answer) is None or status(answer) < 500
        assert CANARY.encode() not in answer


@pytest.mark.parametrize("name", SHAPES)
async def test_a_refusal_is_a_problem_of_three_members_or_a_bare_status(port, name):
    site, _ = port
    body = (await raw(site.port, SHAPES[name][0])).rpartition(b"\r\n\r\n")[2]
    assert body == b"" or set(json.loads(body)) == {"type", "title", "status"}


async def test_a_client_that_waits_to_be_told_to_go_on_is_told(port):
    site, door = port
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head, _, body = post(BATCH, "Expect: 100-continue").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert status(await asyncio.wait_for(reader.read(), 3)) == 200
    assert door.batches == [[b"a"]]
    writer.close()


@pytest.mark.parametrize("error", [StorageError(CANARY), RuntimeError(CANARY)])
async def test_our_own_trouble_is_a_problem_to_retry_without_detail(port, error):
    site, door = port
    door.error = error
    answer = await raw(site.port, post(BATCH))
    assert status(answer) == 503
    assert b"Retry-After" in answer
    assert CANARY.encode() not in answer
    assert b"Traceback" not in answer


SLOW = {"says nothing": [b""], "half a request line": [b"POST /secr"]}


@pytest.mark.parametrize("name", ["says nothing", "half a request line"])
async def test_a_client_that_never_finishes_its_headers_is_closed(port, name):
    site, _ = port
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(SLOW[name][0])
    started = time.monotonic()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 5)
    assert time.monotonic() - started < 2
    writer.close()


async def test_a_body_that_drips_is_closed_while_a_healthy_client_is_served(port):
    site, _ = port
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(
        b"POST /secreto/v1/inbox HTTP/1.1\r\nHost: x\r\nContent-Type: "
        + BATCH_TYPE.encode()
        + b"\r\nContent-Length: 9000\r\n\r\n"
    )
    closed = asyncio.create_task(reader.read())
    started = time.monotonic()
    while not closed.done() and time.monotonic() - started < 5:
        writer.write(b"x")
        assert status(await raw(site.port, post(BATCH))) == 200
        await asyncio.sleep(0.1)
    assert closed.done()
    assert time.monotonic() - started < 3
    writer.close()


async def test_control_without_the_watch_a_silent_client_stays(port, monkeypatch):
    site, _ = port
    monkeypatch.setattr(Watch, "_broken", lambda *_: False)
    unfinished = post(b"", "Content-Length: 900").replace(b"Connection: close\r\n", b"")
    assert await raw(site.port, unfinished, wait=2.5) == b"<open>"


async def test_a_slow_line_is_not_a_slow_attacker(port):
    """1 kB/s after the grace is enough: 4 kB in bites over two seconds arrives."""
    site, _ = port
    body = json.dumps({"messages": ["a" * 4000]}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    request = post(body)
    for start in range(0, len(request), 400):
        writer.write(request[start : start + 400])
        await asyncio.sleep(0.1)
    assert status(await asyncio.wait_for(reader.read(), 3)) == 200
    writer.close()


async def test_one_address_cannot_take_all_connections(port):
    site, _ = port
    held = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(25)]
    await asyncio.sleep(0.1)
    assert len(site.watch) == 20
    for _, writer in held:
        writer.close()
    await asyncio.sleep(0.8)
    assert len(site.watch) == 0
    assert status(await raw(site.port, post(BATCH))) == 200


async def test_when_every_place_is_taken_who_holds_most_gives_one_up(port):
    site, _ = port
    site.watch.caps = Caps(connections=6, per_address=6)
    held = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(6)]
    await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=("127.0.0.2", 0))
    writer.write(post(BATCH))
    assert status(await asyncio.wait_for(reader.read(), 3)) == 200
    with suppress(ConnectionError):  # the oldest of those who held all is cut off, however abruptly
        assert await asyncio.wait_for(held[0][0].read(), 0.2) == b""
    for _, other in [*held, (reader, writer)]:
        other.close()


async def test_static_files_have_tags_and_cost_nothing_twice(port):
    site, _ = port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{site.port}") as session:
        async with session.get("/secreto/v1/trust/metadata/timestamp.json") as first:
            assert (first.status, await first.read()) == (200, b"[]")
            tag = first.headers["ETag"]
        async with session.get("/secreto/v1/trust/metadata/timestamp.json", headers={"If-None-Match": tag}) as second:
            assert (second.status, await second.read()) == (304, b"")
        async with session.get("/secreto/v1/trust/metadata/2.root.json") as absent:
            assert absent.status == 404


# -- our client against servers that are not well ----------------------------------------------------------------------


@pytest.fixture
async def evil():
    answers = []

    async def handle(request):
        await request.read()
        return answers[-1]() if callable(answers[-1]) else answers[-1]

    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = PeerAddress(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}", None)
    transport = HttpTransport(lambda _peer: address, allowed=LOOPBACK)
    yield transport, answers
    await transport.close()
    await runner.cleanup()


EVIL = {
    "redirect": lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
    "not JSON": lambda: web.Response(body=b"<html>"),
    "too few results": lambda: web.Response(body=b'{"results":[]}'),
    "too many results": lambda: web.Response(body=b'{"results":[{},{}]}'),
    "results twice": lambda: web.Response(body=b'{"results":[{}],"results":[{}]}'),
    "two mebibytes": lambda: web.Response(body=b"x" * (2 * 1024 * 1024)),
    "an encoded body": lambda: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}),
    "500": lambda: web.Response(status=500, text=CANARY),
    "404": lambda: web.Response(status=404),
}


@pytest.mark.parametrize("name", EVIL)
async def test_whatever_a_peer_answers_is_unavailable_and_nothing_else(evil, name):
    transport, answers = evil
    answers.append(EVIL[name])
    with pytest.raises(PeerUnavailableError) as unavailable:
        await transport.deliver(NodeId("gt.minex"), [b"a"])
    assert CANARY not in str(unavailable.value)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (b'{"problem":{"type":"urn:paradero:problem:key-retired"}}', ProblemCode.KEY_RETIRED),
        (b'{"problem":{"type":"urn:paradero:problem:from-the-future"}}', ProblemCode.INTERNAL),
        (b'{"problem":7}', ProblemCode.INTERNAL),
        (b'{"receipt":7}', ProblemCode.INTERNAL),
        (b'"x"', ProblemCode.INTERNAL),
    ],
)
async def test_a_result_we_cannot_read_is_a_problem_that_ends_nothing(evil, result, code):
    transport, answers = evil
    answers.append(lambda: web.Response(body=b'{"results":[' + result + b"]}"))
    [found] = await transport.deliver(NodeId("gt.minex"), [b"a"])
    assert (found.receipt, found.problem) == (None, code)


async def test_an_address_inside_is_never_connected_to():
    transport = HttpTransport(lambda _peer: PeerAddress("http://127.0.0.1:9", None))
    with pytest.raises(PeerUnavailableError):
        await transport.deliver(NodeId("gt.minex"), [b"a"])
    await transport.close()
