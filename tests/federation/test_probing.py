"""The way to a peer, tried on real sockets: which step breaks, and that no name leads into this institution's own network."""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from contracts.ids import NodeId
from gateway.exchange.probing import Fault, Step
from gateway.federation import probing
from gateway.federation.client import PeerAddress
from gateway.federation.probing import HttpsLine
from gateway.federation.tls import server_context
from keys.tls import pin, self_signed_certificate

PEER, LOOPBACK = NodeId("gt.pgn"), (ip_network("127.0.0.0/8"),)


@pytest.fixture
def certificate(tmp_path):
    made, key = self_signed_certificate(["127.0.0.1", "localhost"], now=datetime.now(UTC))
    (tmp_path / "c.pem").write_bytes(made)
    (tmp_path / "k.pem").write_bytes(key)
    return tmp_path / "c.pem", tmp_path / "k.pem"


@asynccontextmanager
async def peer(tls=None, answer=b"HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 15:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}"):
    heard = []

    async def serve(reader, writer):
        try:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


async def looked(url, tls_pin=None, *, allowed=LOOPBACK, seconds=5.0):
    return await HttpsLine(lambda _peer: PeerAddress(url, tls_pin), allowed=allowed, seconds=seconds).look(PEER)


def end(look):
    return look.steps[-1].step, look.steps[-1].fault


async def test_every_step_succeeds_and_the_far_clock_is_read(certificate):
    async with peer(server_context(*certificate)) as (port, heard):
        look = await looked(f"https://localhost:{port}/parte-secreta", pin(certificate[0].read_bytes()))
    assert [(item.step, item.fault) for item in look.steps] == [
        (step, None) for step in (Step.NAME, Step.CONNECTION, Step.CERTIFICATE)
    ]
    assert look.clock == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
    assert heard[0].startswith(b"GET /parte-secreta/v1/health HTTP/1.1\r\n")


async def test_another_certificate_than_the_registers_is_told_and_nothing_is_asked_of_it(certificate):
    async with peer(server_context(*certificate)) as (port, heard):
        look = await looked(f"https://localhost:{port}/parte-secreta", "00" * 32)
        assert end(look) == (Step.CERTIFICATE, Fault.OTHER_CERTIFICATE)
        assert look.clock is None
        look = await looked(f"https://localhost:{port}/x", None)  # nobody known signed it
        assert end(look) == (Step.CERTIFICATE, Fault.NOT_TRUSTED)
    assert heard == []  # the secret part of the address went to nobody


async def test_control_a_certificate_nobody_judged_would_be_asked(certificate, monkeypatch):
    monkeypatch.setattr(probing, "_is_pinned", lambda _writer, _pin: True)
    async with peer(server_context(*certificate)) as (port, heard):
        await looked(f"https://localhost:{port}/parte-secreta", "00" * 32)
    assert b"parte-secreta" in heard[0]


async def test_nobody_listens_or_speaks_something_else():
    async with peer() as (port, _):
        plain = port
        assert end(await looked(f"https://127.0.0.1:{port}/x", "00" * 32, seconds=2.0)) == (Step.CERTIFICATE, Fault.HANDSHAKE)
    assert end(await looked(f"https://127.0.0.1:{plain}/x")) == (Step.CONNECTION, Fault.REFUSED)
    assert end(await looked("https://no-existe.invalid/x")) == (Step.NAME, Fault.NAME_UNKNOWN)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"])
async def test_no_name_leads_into_our_own_network(host):
    async with peer() as (port, heard):
        assert end(await looked(f"https://{host}:{port}/x", allowed=())) == (Step.NAME, Fault.OWN_NETWORK)
    assert heard == []


async def test_a_connection_goes_to_the_address_that_was_judged(certificate, monkeypatch):
    """A name that means another address a moment later leads nowhere else: it is asked once."""
    asked = []
    real = asyncio.get_running_loop().getaddrinfo

    async def counted(host, port, **more):
        asked.append(host)
        return await real(host, port, **more)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", counted)
    async with peer(server_context(*certificate)) as (port, _):
        look = await looked(f"https://localhost:{port}/x", pin(certificate[0].read_bytes()))
    assert look.steps[-1].fault is None
    assert asked.count("localhost") == 1


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nDate: x\xff\r\n\r\n", b"x" * 20_000])
async def test_a_far_end_that_says_nonsense_has_no_clock(certificate, answer):
    async with peer(server_context(*certificate), answer) as (port, _):
        look = await looked(f"https://localhost:{port}/x", pin(certificate[0].read_bytes()), seconds=2.0)
    assert look.clock is None
    assert (look.steps[-1].step, look.steps[-1].fault) in {(Step.CERTIFICATE, None), (Step.CERTIFICATE, Fault.HANDSHAKE)}


async def test_a_far_end_that_says_nothing_ends_in_time(certificate):
    async def silent(reader, writer):
        while await reader.read(4096):
            pass
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=None)
    begun = asyncio.get_running_loop().time()
    port = server.sockets[0].getsockname()[1]
    assert end(await looked(f"https://127.0.0.1:{port}/x", "00" * 32, seconds=0.5))[1] is Fault.HANDSHAKE
    assert asyncio.get_running_loop().time() - begun < 5
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.05)
