"""What every page has around its own part: who is signed in and where, the menu, the state of the links in a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.web import ContentCoding

from contracts.codec import b64u_encode
from contracts.errors import ExchangeError
from contracts.ids import NodeId
from contracts.policy.words import Lang, word
from gateway.console.access import PRINCIPAL, SESSION_COOKIE
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.forms import token_of
from gateway.console.pages.statics import Statics
from gateway.console.pages.values import country
from gateway.console.whose import GUATEMALA
from gateway.console.words import LANGUAGES, Words, words
from gateway.people.desk import PeopleDesk
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.people.sign_in import TOUCH, Principal

if TYPE_CHECKING:
    from jinja2 import Environment

LANGUAGE_COOKIE = "__Host-paradero-idioma"
NONCE = web.RequestKey("nonce", str)
_MENU = (
    ("/bandeja", N_("Bandeja"), Permission.WORK_READ),
    ("/expedientes", N_("Expedientes"), Permission.CASES_READ),
    ("/reportes", N_("Reportes"), Permission.REPORTS_SEND),
    ("/plazos", N_("Plazos"), Permission.WORK_READ),
    ("/espera", N_("Por aprobar"), Permission.REQUESTS_READ),
    ("/red", N_("Red"), Permission.FEDERATION_READ),
    ("/fichas", N_("Fichas"), Permission.SHEETS_READ),
    ("/avisos", N_("Avisos"), Permission.NOTICES_READ),
    ("/administracion", N_("Administración"), Permission.ERASURE_READ),
    ("/auditoria", N_("Auditoría"), Permission.OVERSIGHT_READ),
    ("/estadisticas", N_("Estadísticas"), Permission.STATISTICS_READ),
    ("/cuenta", N_("Su cuenta"), None),
)


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around a page's own part."""

    institution: str
    demo: bool
    person: str
    login: str
    offices: tuple[str, ...]
    menu: tuple[tuple[str, str, bool], ...]
    status: str
    token: str
    nonce: str
    lang: Lang
    languages: Mapping[Lang, str]
    here: str
    style: str
    script: str
    icon: str
    way: str
    """By what somebody came in: `Method`, empty for who did not."""
    provider: str
    """What the ministry's own sign-in is called, where this node uses one."""
    due: datetime | None
    """Until when their password alone is enough."""
    idle_until: datetime | None
    idle_seconds: int
    """When the session ends, and in how many seconds, if nothing more is done."""


class Looks:
    """Makes pages of templates."""

    def __init__(self, operations: Operations, desk: PeopleDesk, statics: Statics) -> None:
        self._operations = operations
        self._desk = desk
        self._statics = statics
        self._environments: dict[Lang, Environment] = {}

    def environment(self, lang: Lang) -> "Environment":
        """Return the templates in a language, which are made when somebody asks for the first page in it."""
        if lang not in self._environments:
            self._environments[lang] = environment_of(words(lang))
        return self._environments[lang]

    def words(self, request: web.Request) -> Words:
        """Return the language of whoever asks: the one they chose, else their browser's, else Spanish."""
        accepted = request.headers.get("Accept-Language", "").split(",")
        wanted = (request.cookies.get(LANGUAGE_COOKIE), *(part.split(";")[0].strip()[:2].lower() for part in accepted))
        return words(next((lang for code in wanted for lang in LANGUAGES if lang == code), "es"))

    def nonce(self) -> str:
        """Return a fresh nonce."""
        return b64u_encode(self._desk.randomness.token(16))

    def name(self, node: NodeId | str) -> str:
        """Return an institution's name as the register has it."""
        member = self._operations.node.trust().members.get(NodeId(node))
        return str(node) if member is None else member.name

    async def zone(self, request: web.Request) -> tzinfo:
        """Return the time zone of whoever asks: that of their office, the capital's when they have several or none."""
        return _zone_of(await self._offices(request.get(PRINCIPAL)))

    async def page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
        """Return a page."""
        found = self.environment(self.words(request).lang).get_template(template)
        offices = await self._offices(request.get(PRINCIPAL))
        html = found.render(shell=await self._shell(request, offices), zone=_zone_of(offices), **values)
        answer = web.Response(text=html, status=status, content_type="text/html", charset="utf-8")
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            answer.enable_compression(ContentCoding.gzip)
        return answer

    async def _shell(self, request: web.Request, offices: Sequence[Office]) -> Shell:
        told, principal, trust = self.words(request), request.get(PRINCIPAL), self._operations.node.trust()
        now = self._desk.clock.now()
        until = None if principal is None else min(now + self._desk.limits.idle - TOUCH, principal.expires_at)
        return Shell(
            institution=self.name(self._operations.node.us),
            demo=trust.federation.demo,
            person="" if principal is None else principal.name,
            login="" if principal is None else str(principal.login),
            offices=tuple(office.name(told.lang) for office in offices),
            menu=() if principal is None else _menu(principal, request.path, told),
            status="" if principal is None else await self._status(told),
            token=token_of(request.cookies.get(SESSION_COOKIE, "")),
            nonce=request[NONCE],
            lang=told.lang,
            languages=LANGUAGES,
            here=request.path if request.method == "GET" else "/",
            style=self._statics.address("console.css"),
            script=self._statics.address("console.js"),
            icon=self._statics.address("icono.svg"),
            way="" if principal is None else principal.method.value,
            provider="" if self._desk.institution is None else self._desk.institution.name,
            due=None if principal is None else principal.factor_due,
            idle_until=until,
            idle_seconds=0 if until is None else int((until - now).total_seconds()),
        )

    async def _offices(self, principal: Principal | None) -> list[Office]:
        codes = set() if principal is None else {post.office for post in principal.posts}
        return [office for office in await self._desk.reader.offices() if office.code in codes] if codes - {None} else []

    async def _status(self, told: Words) -> str:
        try:
            lanes = await self._operations.models.lanes()
        except ExchangeError:
            return told.gettext("No se pudo leer el estado de los enlaces.")
        return links_in_words(lanes, self._operations.node.clock.now(), told, self.name)


def _zone_of(offices: Sequence[Office]) -> tzinfo:
    zones = {office.zone for office in offices}
    return ZoneInfo(zones.pop()) if len(zones) == 1 else GUATEMALA


def links_in_words(lanes: list[dict[str, Any]], now: datetime, told: Words, name: Any) -> str:
    """Return how the links to other institutions stand, in a sentence or two."""
    cut = [lane for lane in lanes if lane["failures"] and lane["waiting"]]
    paused = [lane for lane in lanes if lane["paused"] and lane["waiting"]]
    waiting = sum(lane["waiting"] for lane in lanes)
    if cut:
        names = ", ".join(sorted(name(lane["peer"]) for lane in cut))
        first = told.gettext("Sin enlace con %(names)s; se sigue intentando.") % {"names": names}
    elif paused:
        names = ", ".join(sorted(name(lane["peer"]) for lane in paused))
        first = told.gettext("Envíos en pausa hacia %(names)s.") % {"names": names}
    else:
        first = told.gettext("Enlaces: enviando con normalidad.")
    reached = [datetime.fromisoformat(lane["last_success"]) for lane in lanes if lane["last_success"]]
    last = ""
    if reached:
        last = told.gettext("Última entrega hace %(span)s.") % {"span": told.span(now - max(reached))}
    queued = told.ngettext("%(number)s en espera.", "%(number)s en espera.", waiting) % {"number": waiting}
    return " ".join(part for part in (first, last, queued) if part)


def environment_of(told: Words) -> "Environment":
    """Return the templates in a language."""
    # A node whose officers use commands alone need not carry the engine: it costs start-up and memory.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - a node that shows no page need not carry it

    made = Environment(
        loader=PackageLoader("gateway.console"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_callables(told.gettext, told.ngettext, newstyle=True)  # type: ignore[attr-defined] # the extension's
    made.filters.update(day=told.day, time=told.time, moment=told.moment, span=told.span, parsed=datetime.fromisoformat)
    made.filters.update(date=told.calendar_day, month=told.month)
    made.filters["kindword"] = lambda kind: word("kind", kind, told.lang)
    made.filters["country"] = lambda code: country(code, told)
    made.globals["guatemala"] = GUATEMALA
    return made


def _menu(principal: Principal, path: str, told: Words) -> tuple[tuple[str, str, bool], ...]:
    seen = [(address, label) for address, label, needs in _MENU if needs is None or principal.may(needs)]
    return tuple((address, told.gettext(label), path == address) for address, label in seen)
