"""Hands bodies to receivers of webhooks over HTTPS. Only to hosts the configuration lists; no redirects; and to no address
of this institution's own network, whatever a name resolves to, unless the configuration says so.
"""

import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from gateway.exchange.receivers import LOOPBACK, BadHookError, Hosts
from gateway.exchange.telling import NotTakenError

SECONDS = 15.0


class HttpHooks:
    """One pool of connections; none is kept: receivers are told rarely."""

    def __init__(self, hosts: Hosts, allowed: Callable[[str], bool]) -> None:
        self._hosts = hosts
        self._allowed = allowed
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Return the status of the answer; what it says is not read.

        Raises:
            NotTakenError: the address is not one we send to, or nothing answered.
        """
        try:
            self._hosts.check(address)  # again: the list may have changed since it was added
        except BadHookError as error:
            raise NotTakenError(error.why) from None
        sent = {"Content-Type": "application/json", **headers}
        try:
            async with self._open().post(address, data=body, headers=sent, allow_redirects=False) as answer:
                return answer.status
        except PermissionError:
            raise NotTakenError("address-not-allowed") from None
        except aiohttp.ClientConnectorError as error:
            refused = isinstance(error.os_error, PermissionError)
            raise NotTakenError("address-not-allowed" if refused else "no-connection") from None
        except TimeoutError:
            raise NotTakenError("no-answer") from None
        except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError):
            raise NotTakenError("no-connection") from None

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, use_dns_cache=False, socket_factory=self._socket)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=SECONDS),
                trust_env=False,
                auto_decompress=False,
                headers={"User-Agent": "paradero"},
            )
        return self._session

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        # Names are resolved by now, literals too: what is looked at is what is connected to, and nothing in between.
        family, kind, protocol, _, target = info
        text = str(target[0])
        if not self._allowed(text) and not (self._hosts.plain and text in LOOPBACK):
            raise PermissionError("the address is not one webhooks may go to")
        return socket.socket(family, kind, protocol)
