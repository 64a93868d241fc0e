"""Ciphertexts over a real socket: ranges, what a stranger can learn, and a line that is slow and drops every few kB."""

import asyncio
import random
import re
from contextlib import suppress
from hashlib import sha256

import aiohttp
import pytest

from contracts.errors import PeerUnavailableError
from contracts.ids import NodeId
from gateway.exchange.collecting import SLICE
from gateway.exchange.ports import BlobGoneError
from gateway.federation.client import HttpTransport, PeerAddress
from gateway.federation.limits import AddressBudget
from gateway.federation.server import Blobs, FederationApi, Statics
from gateway.storage.blobs import BlobFolder
from gateway.web import Caps, Deadlines, Watch, serve_site
from tests.federation.test_port import LOOPBACK, raw, status

DATA = random.Random(3).randbytes(600_011)
NAME = sha256(DATA).hexdigest()
ERASED, UNKNOWN = "ab" * 32, "cd" * 32
PEER = NodeId("gt.x")


async def served_at(tmp_path, budget=None):
    folder = BlobFolder(tmp_path / "blobs")
    await folder.put(NAME, DATA)
    await folder.put(ERASED, b"its row says that it was erased")

    async def size(name):
        return await folder.size(name) if name == NAME else None

    async def nothing(*_):
        return None

    watch = Watch(Deadlines(), Caps(50, 50))
    statics = Statics(nothing, nothing, nothing, nothing, Blobs(size, folder.read))
    api = FederationApi(receive=nothing, answer=nothing, statics=statics, watch=watch, budget=budget, prefix="/secreto")
    return await serve_site(api.application(), watch, host="127.0.0.1", port=0)


@pytest.fixture
async def site(tmp_path):
    found = await served_at(tmp_path)
    yield found
    await found.close()


async def get(site, name=NAME, method="GET", **headers):
    url = f"http://127.0.0.1:{site.port}/secreto/v1/blobs/{name}"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
        return answer.status, answer.headers.copy(), await answer.read()


RANGES = {
    "bytes=0-9": (206, 0, 10),
    "bytes=100-100": (206, 100, 101),
    "bytes=600000-": (206, 600_000, 600_011),
    "bytes=600000-999999": (206, 600_000, 600_011),
    "bytes=600011-": (416, 0, 0),
    "bytes=9-3": (200, 0, 600_011),
    "bytes=-5": (200, 0, 600_011),
    "bytes=0-1,5-6": (200, 0, 600_011),
    "lines=1-2": (200, 0, 600_011),
    "bytes=0-99999999999999": (200, 0, 600_011),
}


@pytest.mark.parametrize("asked", RANGES)
async def test_a_part_is_served_as_it_was_asked_for_or_all_of_it(site, asked):
    code, start, end = RANGES[asked]
    found, headers, body = await get(site, Range=asked)
    assert found == code
    assert body == (DATA[start:end] if code != 416 else b"")
    if code == 206:
        assert headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    if code == 416:
        assert headers["Content-Range"] == f"bytes */{len(DATA)}"
    else:
        assert (headers["ETag"], headers["Accept-Ranges"]) == (f'"{NAME}"', "bytes")
        assert headers["Cache-Control"] == "no-store"


async def test_if_range_with_another_tag_gets_all_of_it(site):
    assert (await get(site, Range="bytes=5-9", **{"If-Range": '"x"'}))[0] == 200
    assert (await get(site, Range="bytes=5-9", **{"If-Range": f'"{NAME}"'}))[0] == 206
    code, headers, body = await get(site, method="HEAD")
    assert (code, headers["Content-Length"], body) == (200, str(len(DATA)), b"")


async def test_what_was_erased_and_what_never_was_look_alike_and_nothing_is_listed(site):
    def told(answer):
        return answer[0], {name: value for name, value in answer[1].items() if name != "Date"}, answer[2]

    gone = told(await get(site, ERASED))
    assert gone[0] == 404
    for other in (UNKNOWN, NAME.upper(), NAME[:-1], f"{NAME}.part", "..%2f..%2fparadero.toml", "x"):
        assert told(await get(site, other)) == gone, other
    for path in ("/secreto/v1/blobs", "/secreto/v1/blobs/"):
        assert status(await raw(site.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())) == 404


async def test_an_address_gets_no_more_than_its_budget(tmp_path):
    site = await served_at(tmp_path, AddressBudget(bytes_per_second=1, burst=700_000))
    try:
        assert (await get(site))[0] == 200
        assert (await get(site))[0] == 200  # what was left began it
        assert (await get(site, Range="bytes=0-1"))[0] == 429
    finally:
        await site.close()


class Line:
    """A relay that lets some bytes of each connection through and then drops it; slow and far away when asked."""

    def __init__(self, target, *, drop_after=None, bytes_per_second=None, delay=0.0):
        self.target, self.drop_after, self.rate, self.delay = target, drop_after, bytes_per_second, delay
        self.carried, self.connections, self.heads = 0, 0, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        tasks = [asyncio.create_task(self._up(reader, up_writer)), asyncio.create_task(self._down(up_reader, writer))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (writer, up_writer):
            stream.transport.abort()
            with suppress(Exception):
                await stream.wait_closed()

    async def _up(self, reader, writer):
        while data := await reader.read(4096):
            self.heads.append(data)
            await asyncio.sleep(self.delay)
            writer.write(data)
            await writer.drain()

    async def _down(self, reader, writer):
        left = self.drop_after
        while data := await reader.read(4096 if left is None else min(4096, left)):
            if self.rate:
                await asyncio.sleep(len(data) / self.rate)
            writer.write(data)
            await writer.drain()
            self.carried += len(data)
            if left is not None:
                left -= len(data)
                if left <= 0:
                    return


async def fetch(transport, folder, size, *, tries):
    """As gateway.exchange.collecting does it: from what is here on, a slice at a time, keeping whatever came."""
    for _ in range(tries):
        have = await folder.have(NAME)
        if have >= size:
            return await folder.finish(NAME)
        try:
            part = await transport.read_blob(PEER, NAME, have, min(have + SLICE, size))
        except PeerUnavailableError:
            continue
        await folder.append(NAME, part.start, part.data)
    return False


def transport_to(port):
    return HttpTransport(lambda _: PeerAddress(f"http://127.0.0.1:{port}/secreto", None), allowed=LOOPBACK)


async def test_a_line_that_drops_every_few_kb_gets_it_whole_and_carries_hardly_a_byte_twice(site, tmp_path):
    here = BlobFolder(tmp_path / "here")
    async with Line(site.port, drop_after=30_000) as line:
        transport = transport_to(line.port)
        try:
            assert await fetch(transport, here, len(DATA), tries=60)
        finally:
            await transport.close()
    assert await here.read(NAME) == DATA
    assert line.connections >= 20
    # 30,000 bytes of each connection, of which its head is lost and what had not been read yet: under a tenth in all
    assert line.carried < len(DATA) * 1.1 + line.connections * 1_500
    asked = [int(found[1]) for head in line.heads if (found := re.search(rb"Range: bytes=(\d+)-", head))]
    assert asked == sorted(asked)
    assert asked[-1] > len(DATA) - 60_000


async def test_control_without_ranges_the_same_line_never_brings_it(site, tmp_path, monkeypatch):
    here = BlobFolder(tmp_path / "here")
    monkeypatch.setattr(BlobFolder, "have", lambda self, name: asyncio.sleep(0, 0))
    async with Line(site.port, drop_after=30_000) as line:
        transport = transport_to(line.port)
        try:
            assert not await fetch(transport, here, len(DATA), tries=25)
        finally:
            await transport.close()


async def test_a_slow_and_distant_line_is_no_fault(tmp_path):
    """64 kbit/s and 800 ms: forty kB take about six seconds, and come in one piece."""
    data = DATA[:40_000]
    name, folder = sha256(data).hexdigest(), BlobFolder(tmp_path / "blobs")
    await folder.put(name, data)
    watch = Watch(Deadlines(), Caps(50, 50))

    async def nothing(*_):
        return None

    statics = Statics(nothing, nothing, nothing, nothing, Blobs(folder.size, folder.read))
    api = FederationApi(receive=nothing, answer=nothing, statics=statics, watch=watch, budget=None, prefix="/secreto")
    site = await serve_site(api.application(), watch, host="127.0.0.1", port=0)
    async with Line(site.port, bytes_per_second=8_000, delay=0.8) as line:
        transport = transport_to(line.port)
        try:
            part = await transport.read_blob(PEER, name, 0, len(data))
        finally:
            await transport.close()
            await site.close()
    assert (part.start, part.data) == (0, data)
    assert line.connections == 1


async def test_what_is_not_served_is_told_apart_from_a_line_that_is_down(site):
    transport = transport_to(site.port)
    try:
        with pytest.raises(BlobGoneError):
            await transport.read_blob(PEER, UNKNOWN, 0, 10)
        assert (await transport.read_blob(PEER, NAME, 10, 20)).data == DATA[10:20]
    finally:
        await transport.close()
