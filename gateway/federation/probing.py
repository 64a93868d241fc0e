"""The way to a peer, tried step by step (gateway.exchange.probing.Line): name, connection, certificate, the far clock.

Only the address the register has, and only where our own client may connect. One look, no redirects, bounded in time.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit

from contracts.ids import NodeId
from gateway.exchange.probing import Fault, LineLook, Looked, Step
from gateway.federation.client import PeerAddress
from gateway.federation.limits import Network, address_allowed
from gateway.federation.tls import client_context

SECONDS = 15.0
_ANSWER = 8192


class HttpsLine:
    """Looks at the way to peers."""

    def __init__(
        self, address_of: Callable[[NodeId], PeerAddress], *, allowed: Sequence[Network] = (), seconds: float = SECONDS
    ) -> None:
        self._address_of = address_of
        self._allowed = tuple(allowed)
        self._seconds = seconds

    # Made at the first look: a context that knows every public authority takes megabytes, and few nodes are ever tried.
    @cached_property
    def _webpki(self) -> ssl.SSLContext:
        return client_context()

    @cached_property
    def _pinned(self) -> ssl.SSLContext:
        return _unverified()

    async def look(self, peer: NodeId) -> LineLook:
        """Return the steps that were tried; the first that fails is the last."""
        address = self._address_of(peer)
        parts = urlsplit(address.url)
        host, port = parts.hostname or "", parts.port or 443
        found, fault = await self._resolve(host, port)
        if fault is not None:
            return LineLook((Looked(Step.NAME, fault),))
        line, fault = await self._connect(found, port)
        if line is None:
            return LineLook((Looked(Step.NAME), Looked(Step.CONNECTION, fault)))
        try:
            done = (Looked(Step.NAME), Looked(Step.CONNECTION))
            fault, clock = await self._secured(line, host, address)
            return LineLook((*done, Looked(Step.CERTIFICATE, fault)), clock)
        finally:
            line[1].close()
            with suppress(OSError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(1):
                    await line[1].wait_closed()

    async def _resolve(self, host: str, port: int) -> tuple[list[str], Fault | None]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._seconds):
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError):
            return [], Fault.NAME_UNKNOWN
        found = [str(answer[4][0]) for answer in answers if address_allowed(str(answer[4][0]), self._allowed)]
        return found, None if found else Fault.OWN_NETWORK

    async def _connect(
        self, addresses: Sequence[str], port: int
    ) -> tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None, Fault]:
        # By the addresses that were just judged, never by the name again: it could mean another one by now.
        fault = Fault.UNREACHABLE
        try:
            async with asyncio.timeout(self._seconds):
                for address in addresses:
                    try:
                        return await asyncio.open_connection(address, port, limit=_ANSWER), fault
                    except ConnectionRefusedError:
                        fault = Fault.REFUSED
                    except OSError:
                        continue
        except TimeoutError:
            fault = Fault.SILENCE
        return None, fault

    async def _secured(
        self, line: tuple[asyncio.StreamReader, asyncio.StreamWriter], host: str, address: PeerAddress
    ) -> tuple[Fault | None, datetime | None]:
        reader, writer = line
        try:
            async with asyncio.timeout(self._seconds):
                await writer.start_tls(self._webpki if address.tls_pin is None else self._pinned, server_hostname=host)
                if not _is_pinned(writer, address.tls_pin):
                    return Fault.OTHER_CERTIFICATE, None
                return None, await _clock(reader, writer, address.url)
        except ssl.SSLCertVerificationError:
            return Fault.NOT_TRUSTED, None
        except (OSError, ssl.SSLError, TimeoutError):
            return Fault.HANDSHAKE, None


def _unverified() -> ssl.SSLContext:
    """Return a context that lets the handshake end whatever the certificate is: the register's pin judges it right after."""
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_pinned(writer: asyncio.StreamWriter, tls_pin: str | None) -> bool:
    if tls_pin is None:
        return True
    secured = writer.get_extra_info("ssl_object")
    shown = secured.getpeercert(binary_form=True) if secured is not None else None
    return shown is not None and compare_digest(sha256(shown).hexdigest(), tls_pin)


async def _clock(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> datetime | None:
    """Return what the far end's clock says in an answer's `Date`; None where it says nothing."""
    parts = urlsplit(url)
    lines = (f"GET {parts.path}/v1/health HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: paradero", "Connection: close")
    writer.write("\r\n".join((*lines, "", "")).encode("ascii"))
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        dates = [line[5:].strip() for line in head.split(b"\r\n") if line[:5].lower() == b"date:"]
        return parsedate_to_datetime(dates[0].decode("ascii")).astimezone(UTC) if dates else None
    except (ValueError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
