"""Somebody at a screen without a screen: opens the nodes' pages, fills in their forms and sends them, as a browser does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

import aiohttp

from gateway.console.access import SESSION_COOKIE
from gateway.demo.narrator import StepFailedError
from gateway.demo.ports import HOST


@dataclass(slots=True)
class PageForm:
    """One form of a page, with what stands in it before somebody types."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    """Finds the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[PageForm] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a form, and what is filled in already."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(PageForm(given.get("action", "")))
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and "selected" in given:
            self._fill(self._select, given.get("value", ""))
        elif tag == "input" and ("checked" in given or given.get("type") not in {"checkbox", "radio"}):
            self._fill(given.get("name", ""), given.get("value", ""))

    def _fill(self, name: str, value: str) -> None:
        if self.forms and name:
            self.forms[-1].fields.append((name, value))


@dataclass(slots=True)
class Visit:
    """One person's window at one node."""

    session: aiohttp.ClientSession
    host: str
    """The node's name and port, as a browser would say it."""

    cookie: str = ""
    path: str = ""
    text: str = ""

    async def open(self, path: str) -> int:
        """Open a page; follow where it sends us. Return its status."""
        return await self._go("GET", path, None)

    async def send(self, action: str, filled: Mapping[str, str] | None = None) -> int:
        """Send the form of the open page that goes to `action`, with this filled in. Return the status of where it leads.

        Raises:
            StepFailedError: the page has no such form.
        """
        parser = _Forms()
        parser.feed(self.text)
        form = next((form for form in parser.forms if form.action == action), None)
        if form is None:
            raise StepFailedError(f"la página {self.path} no tiene el formulario {action}")
        filled = filled or {}
        fields = [(name, value) for name, value in form.fields if name not in filled]
        return await self._go("POST", action or self.path, urlencode([*fields, *filled.items()]))

    async def _go(self, method: str, path: str, data: str | None) -> int:
        port = self.host.rpartition(":")[2]
        headers = {"Host": self.host, "Sec-Fetch-Site": "same-origin", "Accept-Language": "es"}
        if self.cookie:
            headers["Cookie"] = f"{SESSION_COOKIE}={self.cookie}"
        if data is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"http://{HOST}:{port}{path}"
        async with self.session.request(method, url, headers=headers, data=data, allow_redirects=False) as answer:
            given = answer.cookies.get(SESSION_COOKIE)
            if given is not None:
                self.cookie = given.value
            if answer.status == 303:
                return await self._go("GET", answer.headers["Location"], None)
            self.path, self.text = path, await answer.text()
            return answer.status
