"""Speaks to the ministry's own sign-in: discovery, keys, a code for a token. No redirects, no cookies, bounded answers."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import quote_plus, urlsplit

import aiohttp
from aiohttp.abc import AbstractCookieJar

from contracts.codec import parse_object
from contracts.errors import ExchangeError
from gateway.people.errors import ProviderError, ProviderFault

_ANSWER = 256 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=8)
_KNOWN_FOR = timedelta(hours=1)
_ANEW = timedelta(minutes=1)
"""How often keys are fetched anew at most, whatever keys tokens name."""
_LEFT_ALONE = timedelta(seconds=15)
"""How long after it did not answer it is not asked again."""
_JSON = MappingProxyType({"Accept": "application/json"})
_DISCOVERY = "/.well-known/openid-configuration"


class InstitutionClient:
    """One ministry."""

    def __init__(self, issuer: str, client: str, secret: str | None, now: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._client = client
        self._secret = secret
        self._session: aiohttp.ClientSession | None = None
        self._now = now
        self._found: dict[str, str] = {}
        self._found_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._keys: Mapping[str, Any] = {}
        self._keys_at: datetime | None = None

    async def doors(self) -> str:
        """Return the address people are sent to."""
        return (await self._discovered())["authorization_endpoint"]

    async def exchange(self, code: str, verifier: str, back: str) -> str:
        """Return the ID token that a code is good for."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self._client,
            "code_verifier": verifier,
        }
        address = (await self._discovered())["token_endpoint"]
        answer = await self._object("POST", address, refused=ProviderFault.TOKEN, headers=self._who(), data=form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderError(ProviderFault.TOKEN)
        return token

    async def keys(self, wanted: str | None) -> Mapping[str, Any]:
        """Return the ministry's public keys; anew where `wanted` is not among those known, at most once a minute."""
        age = None if self._keys_at is None else self._now() - self._keys_at
        known = wanted is None or wanted in {one.get("kid") for one in self._listed()}
        if age is None or age >= _KNOWN_FOR or (not known and age >= _ANEW):
            self._keys = await self._object("GET", (await self._discovered())["jwks_uri"])
            self._keys_at = self._now()
        return self._keys

    async def close(self) -> None:
        """Let go of what is open."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            jar: AbstractCookieJar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(cookie_jar=jar, trust_env=False, headers={"User-Agent": "paradero"})
        return self._session

    def _who(self) -> Mapping[str, str]:
        # Both parts are written as in a form before they are joined (RFC 6749 2.3.1).
        if self._secret is None:
            return _JSON
        both = f"{quote_plus(self._client)}:{quote_plus(self._secret)}"
        return {**_JSON, "Authorization": f"Basic {b64encode(both.encode('ascii')).decode('ascii')}"}

    def _listed(self) -> list[Mapping[str, Any]]:
        listed = self._keys.get("keys")
        return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    async def _discovered(self) -> dict[str, str]:
        now = self._now()
        if self._found_at is None or now - self._found_at >= _KNOWN_FOR:
            if self._failed_at is not None and timedelta() <= now - self._failed_at < _LEFT_ALONE:
                raise ProviderError(ProviderFault.UNREACHABLE)  # whoever presses again and again must not make us ask as often
            try:
                self._found, self._found_at = await self._discover(), now
            except ProviderError:
                self._failed_at = now
                raise
        return self._found

    async def _discover(self) -> dict[str, str]:
        answer = await self._object("GET", self._issuer.rstrip("/") + _DISCOVERY)
        found = {name: answer.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        if answer.get("issuer") != self._issuer or not all(self._may_be(address) for address in found.values()):
            raise ProviderError(ProviderFault.UNREACHABLE)
        return {name: str(address) for name, address in found.items()}

    def _may_be(self, address: object) -> bool:
        # As safe a line as the issuer's own: TLS, except where that is on this machine.
        return isinstance(address, str) and urlsplit(address).scheme == urlsplit(self._issuer).scheme

    async def _object(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] = _JSON,
        refused: ProviderFault = ProviderFault.UNREACHABLE,
        **more: Any,
    ) -> dict[str, Any]:
        try:
            async with self._open().request(
                method, address, timeout=_TIMEOUT, allow_redirects=False, headers=headers, **more
            ) as answer:
                data = await answer.content.read(_ANSWER + 1)
                while len(data) <= _ANSWER and (part := await answer.content.read(_ANSWER)):
                    data += part
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise ProviderError(ProviderFault.UNREACHABLE) from None
        if status != 200:
            raise ProviderError(refused if 400 <= status < 500 else ProviderFault.UNREACHABLE)
        try:
            return parse_object(data, limit=_ANSWER)
        except ExchangeError:
            raise ProviderError(ProviderFault.UNREACHABLE) from None
