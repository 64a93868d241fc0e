"""Knocks on peers' doors (gateway.exchange.ports.Transport). Addresses come from the register only; no redirects."""

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import aiohttp
from aiohttp.abc import AbstractCookieJar

from contracts.codec import encode_object, parse_object
from contracts.errors import ExchangeError, PeerUnavailableError, ProblemCode
from contracts.ids import NodeId
from gateway.exchange.ports import BlobGoneError, BlobPart, DoorResult
from gateway.federation.limits import Network, address_allowed
from gateway.federation.problems import problem_code
from gateway.federation.server import BATCH_TYPE, ENVELOPE_TYPE, MAX_BODY
from gateway.federation.tls import client_context, pinned
from gateway.telemetry import deliveries

CONNECT_SECONDS = 15.0
BASE_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 4000  # half of a 64 kbit/s line
MAX_ANSWER = 1024 * 1024
_SILENCE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6, "TCP_USER_TIMEOUT": 40_000}


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a peer's doors are, and the pin of its certificate when that is self-signed."""

    url: str
    tls_pin: str | None


class HttpTransport:
    """One pool of kept connections to all peers."""

    def __init__(self, address_of: Callable[[NodeId], PeerAddress], *, allowed: Sequence[Network] = ()) -> None:
        self._address_of = address_of
        self._allowed = tuple(allowed)
        self._session: aiohttp.ClientSession | None = None

    @cached_property
    def _webpki(self) -> ssl.SSLContext:
        # Made for the first peer without a pin: a context that knows every public authority takes a megabyte.
        return client_context()

    async def deliver(self, peer: NodeId, envelopes: Sequence[bytes]) -> Sequence[DoorResult]:
        """Hand 1 to 50 envelopes to the peer's inbox; return one result each, in order."""
        body = encode_object({"messages": [envelope.decode("ascii") for envelope in envelopes]}, limit=MAX_BODY)
        try:
            data, _ = await self._post(peer, "/v1/inbox", body, BATCH_TYPE)
            results = _results(data, len(envelopes))
        except PeerUnavailableError:
            deliveries.labels(peer=peer, outcome="unavailable").inc()
            raise
        deliveries.labels(peer=peer, outcome="answered").inc()
        return results

    async def ask(self, peer: NodeId, envelope: bytes) -> bytes:
        """Hand a sealed question to the peer's ask door; return the sealed reply."""
        data, kind = await self._post(peer, "/v1/ask", envelope, ENVELOPE_TYPE)
        if kind != ENVELOPE_TYPE:
            raise PeerUnavailableError("no sealed reply")
        return data

    async def fetch(self, base: str, tls_pin: str | None, path: str, limit: int) -> bytes:
        """GET a static file below `base`.

        Raises:
            FileNotFoundError: the server has no such file.
            PeerUnavailableError: no answer, or more than `limit` bytes.
        """
        timeout = aiohttp.ClientTimeout(total=BASE_SECONDS + limit / SLOWEST_BYTES_PER_SECOND, sock_connect=CONNECT_SECONDS)
        try:
            async with self._open().get(
                f"{base.rstrip('/')}/{path}", ssl=self._tls(tls_pin), timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status == 404:
                    await _read(answer, limit)  # to its end, so that the connection is kept
                    raise FileNotFoundError(path)
                if answer.status != 200:
                    raise PeerUnavailableError(f"status {answer.status}")
                return await _read(answer, limit)
        except (aiohttp.ClientError, TimeoutError, ssl.SSLError, ValueError) as error:
            raise PeerUnavailableError(type(error).__name__) from None
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise PeerUnavailableError(type(error).__name__) from None

    async def read_blob(self, peer: NodeId, name: str, start: int, end: int) -> BlobPart:
        """GET bytes of a ciphertext; what came before the line dropped is kept.

        Raises:
            BlobGoneError: the peer serves none of that name.
            PeerUnavailableError: no byte came, or not those that were asked for.
        """
        timeout = aiohttp.ClientTimeout(
            total=BASE_SECONDS + (end - start) / SLOWEST_BYTES_PER_SECOND, sock_connect=CONNECT_SECONDS
        )
        wish = {"Range": f"bytes={start}-{end - 1}", "If-Range": f'"{name}"'}
        body = bytearray()
        first = start
        try:
            address = self._address_of(peer)
            async with self._open().get(
                f"{address.url.rstrip('/')}/v1/blobs/{name}",
                headers=wish,
                ssl=self._tls(address.tls_pin),
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                first = _begins_at(answer, start)
                async for chunk in answer.content.iter_chunked(16 * 1024):
                    body += chunk
                    if len(body) >= end - first:
                        break
        except PeerUnavailableError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ExchangeError) as error:
            if not body:
                raise PeerUnavailableError(type(error).__name__) from None
        return BlobPart(first, bytes(body[: end - first]))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, peer: NodeId, path: str, body: bytes, kind: str) -> tuple[bytes, str]:
        try:
            address = self._address_of(peer)
            timeout = aiohttp.ClientTimeout(
                total=BASE_SECONDS + (len(body) + MAX_ANSWER // 8) / SLOWEST_BYTES_PER_SECOND, sock_connect=CONNECT_SECONDS
            )
            async with self._open().post(
                address.url.rstrip("/") + path,
                data=body,
                headers={"Content-Type": kind},
                ssl=self._tls(address.tls_pin),
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    raise PeerUnavailableError(f"status {answer.status}")
                return await _read(answer, MAX_ANSWER), answer.content_type
        except PeerUnavailableError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ExchangeError) as error:
            raise PeerUnavailableError(type(error).__name__) from None

    def _tls(self, tls_pin: str | None) -> ssl.SSLContext | aiohttp.Fingerprint:
        return pinned(tls_pin) if tls_pin is not None else self._webpki

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=64, limit_per_host=2, keepalive_timeout=12.0, ttl_dns_cache=60, socket_factory=self._socket
            )
            jar: AbstractCookieJar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=jar, trust_env=False, auto_decompress=False, headers={"User-Agent": "paradero"}
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        # The one place that sees every connection, names already resolved: also literals and what DNS changed meanwhile.
        family, kind, protocol, _, target = info
        if not address_allowed(str(target[0]), self._allowed):
            raise PermissionError("the address is not one a peer may have")
        opened = socket.socket(family, kind, protocol)
        _notice_silence(opened)
        return opened


def _notice_silence(opened: socket.socket) -> None:
    """Let a line that was cut without a word end our request within a minute.

    Left alone, TCP repeats itself at twice the distance each time: after two minutes of silence a healed line would lie
    idle for two more. A slow line is not silent: it acknowledges.
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SILENCE.items():
        if hasattr(socket, name):
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _begins_at(answer: aiohttp.ClientResponse, start: int) -> int:
    """Return where the bytes of an answer begin in the ciphertext."""
    if answer.status == 404:
        raise BlobGoneError("not served")
    if answer.headers.get("Content-Encoding") or answer.status not in {200, 206}:
        raise PeerUnavailableError(f"status {answer.status}")
    if answer.status == 200:
        return 0  # whoever stands between gives no parts: all of it, from the beginning
    if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise PeerUnavailableError("another part than was asked for")
    return start


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    if answer.headers.get("Content-Encoding"):
        raise PeerUnavailableError("an encoded answer")
    body = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > limit:
            raise PeerUnavailableError("the answer is too long")
    return bytes(body)


def _results(data: bytes, expected: int) -> list[DoorResult]:
    try:
        results = parse_object(data, limit=MAX_ANSWER, depth=6).get("results")
    except ExchangeError:
        raise PeerUnavailableError("the answer is no list of results") from None
    if not isinstance(results, list) or len(results) != expected:
        raise PeerUnavailableError("the answer is no list of results")
    return [_door_result(result) for result in results]


def _door_result(result: object) -> DoorResult:
    if not isinstance(result, dict) or len(result) != 1:
        return DoorResult(None, ProblemCode.INTERNAL)
    receipt = result.get("receipt")
    if isinstance(receipt, str) and len(receipt) <= 16_384:
        return DoorResult(receipt, None)
    return DoorResult(None, problem_code(result.get("problem")) or ProblemCode.INTERNAL)
