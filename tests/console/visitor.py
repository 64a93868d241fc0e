"""A browser without a screen: keeps cookies as `__Host-` cookies are kept, sends forms as a page of the node would."""

from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import aiohttp

from gateway.console.access import SESSION_COOKIE
from gateway.console.pages.forms import TOKEN, token_of

OURS = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}


@dataclass(frozen=True)
class Page:
    """What came back."""

    status: int
    headers: object
    text: str
    size: int

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


@dataclass
class Visitor:
    """Somebody at a screen. `session`: the token of a cookie that another step made."""

    base: str
    session: str = ""
    cookies: dict = field(default_factory=dict)
    language: str = "es"

    def __post_init__(self) -> None:
        if self.session:
            self.cookies[SESSION_COOKIE] = self.session

    async def get(self, path: str, **headers: str) -> Page:
        return await self.ask("GET", path, headers=headers)

    async def post(self, path: str, fields: object = (), *, headers: dict | None = None, token: str | None = None) -> Page:
        """Send a form with the session's own token, or with `token`."""
        given = list(fields.items() if isinstance(fields, dict) else fields)
        own = token_of(self.cookies[SESSION_COOKIE]) if SESSION_COOKIE in self.cookies else ""
        given.append((TOKEN, own if token is None else token))
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | (OURS if headers is None else headers)
        return await self.ask("POST", path, headers=sent, data=urlencode(given))

    async def ask(self, method: str, path: str, *, headers: dict | None = None, data: str | None = None) -> Page:
        if method == "POST" and data is None:
            return await self.post(path)
        sent = {"Accept-Language": self.language, "Accept-Encoding": "gzip"} | (headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http,
            http.request(method, self.base + path, headers=sent, data=data, allow_redirects=False) as answer,
        ):
            raw = await answer.read()
            self._keep(answer.headers.getall("Set-Cookie", []))
            return Page(answer.status, answer.headers, _text(raw, answer.headers.get("Content-Encoding")), len(raw))

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            for name, morsel in SimpleCookie(line).items():
                # What a browser refuses, no test may rest on (RFC 6265bis 4.1.3.2).
                assert name.startswith("__Host-"), name
                assert (morsel["secure"], morsel["path"], morsel["domain"]) == (True, "/", ""), line
                assert (morsel["httponly"], morsel["samesite"]) == (True, "Strict"), line
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


def _text(raw: bytes, coding: str | None) -> str:
    import gzip

    return (gzip.decompress(raw) if coding == "gzip" else raw).decode()
