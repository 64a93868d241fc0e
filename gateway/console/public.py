"""The one page for everybody: whether a search sheet still holds. On a port of its own, so that nothing else of the node is
reachable where families' paper leads; it asks nobody who they are, sets no cookie, and knows of a code what its digest says.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.console.operations import Operations
from gateway.console.pages.looks import environment_of
from gateway.console.pages.statics import Statics
from gateway.console.words import LANGUAGES, Words, words
from gateway.exchange.sheet_ports import Sheet, SheetState
from gateway.exchange.sheets import new_code, read_code, stands
from gateway.telemetry import log

if TYPE_CHECKING:
    from jinja2 import Template

_BUCKETS = 10_000
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
}
_NOBODYS = new_code(bytes(10))
"""Looked up in place of what is no code, so that each question costs the same."""


@dataclass(slots=True)
class Turnstile:
    """A token bucket an address; one for all who come through a proxy on this machine, and it is larger."""

    per_second: float = 1.0
    burst: float = 30.0
    proxied: float = 20.0
    """How many times as much comes through a proxy."""
    monotonic: Callable[[], float] = time.monotonic
    _levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def lets(self, address: str) -> bool:
        """Take one from an address's budget; False when it has none left."""
        times = self.proxied if address in {"127.0.0.1", "::1", ""} else 1.0
        now = self.monotonic()
        level, at = self._levels.get(address, (self.burst * times, now))
        level = min(self.burst * times, level + (now - at) * self.per_second * times)
        if level < 1:
            self._levels[address] = (level, now)
            return False
        if len(self._levels) >= _BUCKETS:
            self._levels.clear()
        self._levels[address] = (level - 1, now)
        return True


class PublicSheets:
    """The application."""

    def __init__(self, operations: Operations, *, turnstile: Turnstile | None = None) -> None:
        self._clock = operations.node.clock
        self._look = operations.look  # strangers never wait for, nor hold up, whoever writes
        self._digest = operations.digest
        self._phone = operations.phone
        self._turnstile = turnstile or Turnstile()
        self._statics = Statics()
        self._templates: dict[str, Template] = {}

    def application(self) -> web.Application:
        """Return what is served: this page and its style, nothing else."""
        application = web.Application(middlewares=[self._guard], client_max_size=1024)
        application.router.add_get("/v/{code}", self._answer)
        application.router.add_get("/estatico/{name}", self._statics.serve)
        return application

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if not self._turnstile.lets(request.remote or ""):
                answer: web.StreamResponse = self._page(request, None, 429)
                answer.headers["Retry-After"] = "30"
            else:
                answer = await handler(request)
        except web.HTTPException as error:
            answer = self._page(request, None, error.status if error.status in {404, 405} else 400)
        except Exception as error:  # noqa: BLE001 - type and place go to the log, nothing to a stranger
            log.error("public-page-failed", exc_info=error)
            answer = self._page(request, None, 503)
        for name, value in HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer

    async def _answer(self, request: web.Request) -> web.Response:
        code = read_code(request.match_info["code"])
        async with self._look() as work:
            sheet = await work.sheets.by_code(self._digest("sheet", (code or _NOBODYS).encode()))
        known = _printed(sheet) if code is not None else None
        return self._page(request, known, 200 if known is not None else 404)

    def _page(self, request: web.Request, sheet: Sheet | None, status: int) -> web.Response:
        told = _language(request)
        state = None if sheet is None else stands(sheet, self._clock.now())
        html = self._template(told).render(
            title=_title(state, status, told),
            text=_text(state, status, told),
            phone=self._phone,
            style=self._statics.address("console.css"),
            lang=told.lang,
        )
        return web.Response(text=html, status=status, content_type="text/html", charset="utf-8")

    def _template(self, told: Words) -> "Template":
        if told.lang not in self._templates:
            self._templates[told.lang] = environment_of(told).get_template("ficha_publica.html")
        return self._templates[told.lang]


def _printed(sheet: Sheet | None) -> Sheet | None:
    """Return a sheet that paper was made of; of one that only waited, nobody has a code."""
    unprinted = sheet is None or sheet.state in {SheetState.WAITING, SheetState.DROPPED}
    return None if unprinted else sheet


def _language(request: web.Request) -> Words:
    wanted = [part.split(";")[0].strip()[:2].lower() for part in request.headers.get("Accept-Language", "").split(",")]
    return words(next((lang for code in wanted for lang in LANGUAGES if lang == code), "es"))


def _title(state: SheetState | None, status: int, told: Words) -> str:
    if state is None and status == 429:
        return told.gettext("Espere un momento")
    if state is None:
        return told.gettext("No se pudo comprobar") if status == 503 else told.gettext("No hay una ficha con ese código")
    titles = {
        SheetState.VALID: told.gettext("Ficha vigente"),
        SheetState.REPLACED: told.gettext("Ficha reemplazada"),
    }
    return titles.get(state, told.gettext("Ficha retirada"))


def _text(state: SheetState | None, status: int, told: Words) -> str:
    match state:
        case None if status in {429, 503}:
            return told.gettext("Pruebe otra vez en un momento.")
        case None:
            return told.gettext("Revise el código de la hoja. Si sigue sin encontrarse, la hoja puede ser falsa.")
        case SheetState.VALID:
            return told.gettext("Esta ficha de búsqueda sigue vigente.")
        case SheetState.REPLACED:
            return told.gettext("Hay otra ficha más reciente. Por favor, no reparta esta hoja.")
        case _:
            return told.gettext("Esta ficha ya no vale. Por favor, quite la hoja y no la reparta ni la publique.")
