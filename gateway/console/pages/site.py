"""All pages, and what holds for each: who may, sent by whom, headers, and refusals that are pages too."""

from collections.abc import Mapping

from aiohttp import web

from contracts.errors import ExchangeError
from gateway.console.access import Doorkeeper, Face, Open, Route
from gateway.console.operations import Operations
from gateway.console.pages.administration import administration
from gateway.console.pages.alive import AlivePages
from gateway.console.pages.answering import AnswerPages
from gateway.console.pages.attached import ADDING
from gateway.console.pages.audit import AuditPages
from gateway.console.pages.audit_desk import AuditDesk
from gateway.console.pages.audit_proof import ProofPages
from gateway.console.pages.candidates import CandidatePages
from gateway.console.pages.case_room import CaseRoom
from gateway.console.pages.casework import case_routes
from gateway.console.pages.coming_in import coming_in
from gateway.console.pages.entrance import Entrance, ours
from gateway.console.pages.forms import (
    FORM,
    BadFormError,
    ForeignFormError,
    StaleFormError,
    check_token,
    from_our_page,
    read_form,
)
from gateway.console.pages.inbox import InboxPage
from gateway.console.pages.intake import IntakePages
from gateway.console.pages.looks import NONCE, Looks
from gateway.console.pages.notices import NoticePages
from gateway.console.pages.probes import Probes
from gateway.console.pages.reassigning import ReassigningPages
from gateway.console.pages.referrals import ReferralPages
from gateway.console.pages.refusals import refusal
from gateway.console.pages.reports import ReportPages
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.sheets import SheetPages
from gateway.console.pages.statics import Statics
from gateway.console.pages.statistics import StatisticsPages
from gateway.console.pages.terms import TermPages
from gateway.console.pages.verifying import ADDRESS as VERIFYING
from gateway.console.pages.verifying import VerifyPages
from gateway.console.pages.waiting import WaitingPages
from gateway.console.pages.windows import WindowPages
from gateway.console.requests import RequestsApi
from gateway.people.desk import PeopleDesk
from gateway.people.errors import ConfirmError, FactorNeededError, SignedOutError
from gateway.telemetry import log
from gateway.web import Handler, Watch

_REFUSED = (ExchangeError, StaleFormError, ForeignFormError, BadFormError, web.HTTPException)
_ELSEWHERE: Mapping[type[Exception], str] = {
    SignedOutError: "/entrar",
    ConfirmError: "/confirmar",
    FactorNeededError: "/cuenta",
}
"""Where whoever wants to read a page goes first."""
UPLOADS = frozenset({VERIFYING, ADDING})
"""Pages that take a file: their handlers read it as it comes, and check its token as `check_token` does."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def content_policy(nonce: str) -> str:
    """Return what a page may load: its own style and script, nothing else and from nowhere else (ASVS 3.4.3)."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'nonce-{nonce}'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


class Pages:
    """The page face of the private port."""

    def __init__(self, operations: Operations, desk: PeopleDesk, door: Doorkeeper, watch: Watch, requests: RequestsApi) -> None:
        self._statics = Statics()
        self._looks = Looks(operations, desk, self._statics)
        self._door, self._watch = door, watch
        self.probes = Probes(operations, desk)
        self._entrance = Entrance(self._looks, desk)
        self._coming_in = coming_in(self._looks, operations, desk, self._entrance)
        self._administration = administration(self._looks, operations, desk, self.probes)
        self._inbox = InboxPage(self._looks, operations, desk)
        self._terms = TermPages(self._looks, operations, desk)
        self._reassigning = ReassigningPages(self._looks, operations, desk)
        self._requests = RequestPages(self._looks, operations, desk)
        self._candidates = CandidatePages(self._looks, operations, desk, self._requests)
        self._answers = AnswerPages(self._looks, operations, desk, self._requests, self._entrance, requests, self._candidates)
        self._referrals = ReferralPages(self._looks, operations, desk, self._requests)
        self._intake = IntakePages(self._looks, operations, desk, self._requests)
        self._reports = ReportPages(self._looks, operations, desk)
        self._alive = AlivePages(self._looks, operations, desk, self._requests, self._answers, requests)
        self._waiting = WaitingPages(self._looks, operations, desk, self._answers)
        self._casework = case_routes(CaseRoom(self._looks, operations, desk), self._requests, self._answers, watch)
        self._notices = NoticePages(self._looks, operations, desk)
        audit = AuditDesk(self._looks, operations, desk)
        self._audit, self._proofs = AuditPages(audit), ProofPages(audit)
        self._statistics = StatisticsPages(self._looks, operations, desk)
        self._windows = WindowPages(self._looks, operations, desk)
        self._verifying = VerifyPages(self._looks, operations, watch)
        self._sheets = SheetPages(self._looks, operations, desk, self._requests)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/estatico/{name}", self._statics.serve, Open.EVERYBODY, Face.PAGE),
            *self._coming_in,
            *self._administration,
            *self._inbox.routes(),
            *self._reassigning.routes(),
            *self._terms.routes(),
            *self._requests.routes(),
            *self._answers.routes(),
            *self._candidates.routes(),
            *self._alive.routes(),
            *self._waiting.routes(),
            *self._referrals.routes(),
            *self._casework,
            *self._notices.routes(),
            *self._intake.routes(),
            *self._reports.routes(),
            *self._audit.routes(),
            *self._proofs.routes(),
            *self._windows.routes(),
            *self._statistics.routes(),
            *self._verifying.routes(),
            *self._sheets.routes(),
        )

    async def close(self, _application: web.Application) -> None:
        """Give up what pages began and nobody waits for any more."""
        await self._proofs.review.close()

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request for a page: whatever happens, with a page."""
        request[NONCE] = self._looks.nonce()
        try:
            answer = await self._admitted(request, handler)
        except _REFUSED as error:
            answer = await self._refused(request, error)
        except Exception as error:  # noqa: BLE001 - type and place go to the log, nothing to the caller
            log.error("private-port-failed", exc_info=error)
            answer = await self._refused(request, error)
        answer.headers.update(HEADERS)
        answer.headers["Content-Security-Policy"] = content_policy(request[NONCE])
        answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    async def _admitted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        acts = request.method not in {"GET", "HEAD"}
        if acts and not from_our_page(request):
            raise ForeignFormError
        await self._door.refusal(request)
        if acts and request.path not in UPLOADS:
            form = await read_form(request, self._watch)
            if self._door.needs(request) is not Open.EVERYBODY:
                check_token(request, form)
            request[FORM] = form
        return await handler(request)

    async def _refused(self, request: web.Request, error: Exception) -> web.StreamResponse:
        if request.method == "GET" and type(error) in _ELSEWHERE:
            after = "" if ours(request.path) == "/" else f"?sigue={request.path}"
            return web.Response(status=303, headers={"Location": _ELSEWHERE[type(error)] + after})
        needs, told = self._door.needs(request), self._looks.words(request)
        found = refusal(error, needs, told)
        try:
            return await self._looks.page(request, "rechazo.html", status=found.status, refusal=found)
        except Exception as again:  # noqa: BLE001 - what failed the page may fail its frame too
            log.error("private-port-failed", exc_info=again)
            return web.Response(status=found.status, text=f"{found.title}\n\n{found.text}\n")
