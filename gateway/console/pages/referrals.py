"""A referral as both sides see it: where it stands in words, and what one may say next. It names nobody."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from contracts.ids import Code, MessageId
from contracts.messages import DeclineReason, ReferralOutcome, ReferralProgress, WithdrawReason
from contracts.policy.words import say
from contracts.services import SERVICES, Service
from contracts.threads import CLOSED, Side
from gateway.console.access import Face, Route
from gateway.console.eyes import eyes_at, may_pass_on, open_offices
from gateway.console.marking import N_
from gateway.console.operations import Operations
from gateway.console.pages.bodies import MINOR, URGENCY
from gateway.console.pages.forms import FORM
from gateway.console.pages.history import REASSIGNED
from gateway.console.pages.looks import Looks
from gateway.console.pages.requests import RequestPages
from gateway.console.whose import worker, zone_of
from gateway.console.words import Words
from gateway.console.work_words import told_of
from gateway.exchange import referrals
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.folios import folio
from gateway.exchange.referrals import Acted, Ending, News
from gateway.exchange.work import NoSuchWorkError, Worker, WorkTakenError, take_work
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.seeing import Seen

DECLINES = {
    DeclineReason.NOT_COMPETENT.value: N_("No nos corresponde"),
    DeclineReason.OUTSIDE_AREA.value: N_("Fuera de nuestra zona"),
    DeclineReason.NO_CAPACITY.value: N_("No hay capacidad ahora"),
    DeclineReason.ALREADY_SERVED.value: N_("Ya se atiende"),
    DeclineReason.NEEDS_MORE.value: N_("Faltan datos para decidir"),
    DeclineReason.OTHER.value: N_("Otro motivo"),
}
PROGRESS = {
    ReferralProgress.IN_PROGRESS.value: N_("En curso"),
    ReferralProgress.WAITING_FOR_FAMILY.value: N_("En espera de la familia"),
    ReferralProgress.WAITING_FOR_SENDER.value: N_("En espera de quien la envió"),
    ReferralProgress.EXTENSION_ASKED.value: N_("Hace falta más tiempo"),
}
OUTCOMES = {
    ReferralOutcome.DONE.value: N_("Realizada"),
    ReferralOutcome.PARTLY.value: N_("Realizada en parte"),
    ReferralOutcome.NOT_POSSIBLE.value: N_("No fue posible"),
    ReferralOutcome.NOT_WANTED.value: N_("La persona o su familia no la quiso"),
}
WITHDRAWALS = {
    WithdrawReason.NO_LONGER_NEEDED.value: N_("Ya no hace falta"),
    WithdrawReason.CONSENT_WITHDRAWN.value: N_("Se retiró el consentimiento"),
    WithdrawReason.SENT_IN_ERROR.value: N_("Se envió por error"),
    WithdrawReason.TAKEN_ELSEWHERE.value: N_("Se atiende en otra parte"),
}
DONE = {
    "aceptar": N_("Aceptada. Quien la envió lo sabrá al recibirlo."),
    "rechazar": N_("Rechazada. Quien la envió lo sabrá al recibirlo."),
    "avance": N_("Se dijo cómo va."),
    "realizada": N_("Se dijo cómo terminó."),
    "retirar": N_("Se pidió retirarla. Está retirada cuando la otra institución lo confirme; si ya la aceptó, no se retira."),
    "tomar": N_("Usted la tiene ahora."),
    "ya": N_("Eso ya no se puede decir: la otra parte, u otra persona, dijo algo antes. No se envió otra vez."),
    "espera": N_("Espera la aprobación de otra persona antes de salir."),
    "reasignada": REASSIGNED,
}
_ONE = "/r/{message_id}"
_ASKS = {"offered", "start"}

Act = Callable[[MessageId, Mapping[str, str], Worker], Awaitable[Acted]]


class ReferralPages:
    """The handlers."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk, requests: RequestPages) -> None:
        self._looks = looks
        self._operations = operations
        self._node = operations.node
        self._desk = desk
        self._requests = requests

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        sends = Permission.REFERRALS_SEND
        return (
            Route("GET", _ONE, self._show, Permission.WORK_READ, Face.PAGE),
            Route("POST", f"{_ONE}/tomar", self._take, Permission.WORK_TAKE, Face.PAGE),
            Route("POST", f"{_ONE}/aceptar", self._accept, sends, Face.PAGE),
            Route("POST", f"{_ONE}/rechazar", self._decline, sends, Face.PAGE),
            Route("POST", f"{_ONE}/avance", self._update, sends, Face.PAGE),
            Route("POST", f"{_ONE}/realizada", self._done, sends, Face.PAGE),
            Route("POST", f"{_ONE}/retirar", self._withdraw, sends, Face.PAGE),
        )

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, "")

    async def _page(self, request: web.Request, error: str) -> web.Response:
        told, offices, now = self._looks.words(request), await open_offices(self._desk), self._node.clock.now()
        eyes = eyes_at(request, Permission.WORK_READ, offices)
        item = await self._operations.work.one(_opening(request), eyes, "referral")
        if item is None:
            raise NoSuchWorkError("no such referral")
        zone = zone_of(item["office"], offices)
        return await self._looks.page(
            request,
            "referencia.html",
            status=422 if error else 200,
            item=item,
            folio=folio("referral", item["id"]),
            peer=self._looks.name(item["peer"]),
            ours=item["side"] == Side.OPENER,
            words=told_of(item, now, zone, told),
            service=_service(item["service"], told),
            urgency=told.gettext(URGENCY[item["urgency"]]) if item["urgency"] in URGENCY else "",
            minor=told.gettext(MINOR[item["minor"]]) if item["minor"] in MINOR else "",
            purpose=self._reason("purposes", item["purpose"], told),
            basis=self._reason("bases", item["basis"], told),
            due=None if item["due"] is None else datetime.fromisoformat(item["due"]),
            office_zone=zone,
            offices=_own(eyes, offices, told),
            asks=item["side"] == Side.ADDRESSEE and item["state"] in _ASKS,
            works=item["side"] == Side.ADDRESSEE and item["state"] == "accepted",
            sends=item["side"] == Side.OPENER and item["state"] == "accepted",
            withdraws=item["side"] == Side.OPENER and item["state"] == "offered",
            over=item["state"] == CLOSED or item["ended"] is not None,
            lists={
                "declines": _said(DECLINES, told),
                "progress": _said(PROGRESS, told),
                "outcomes": _said(OUTCOMES, told),
                "withdrawals": _said(WITHDRAWALS, told),
            },
            moves=may_pass_on(request, item),
            key=self._requests.fresh_key(),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            error=error,
        )

    def _reason(self, which: str, code: str, told: Words) -> str:
        entries = getattr(self._node.trust().policy, which)
        return say(next((item for item in entries if item.id == code), None), told.lang) or code

    # -- what people say -----------------------------------------------------------------------------------------------

    async def _take(self, request: web.Request) -> web.Response:
        opening = _opening(request)
        try:
            await take_work(opening, self._node, by=await self._by(request, Permission.WORK_TAKE))
        except WorkTakenError:
            return _back(opening, "ya")
        return _back(opening, "tomar")

    async def _accept(self, request: web.Request) -> web.Response:
        by, told = await self._by(request), self._looks.words(request)
        wanted = request[FORM].text("oficina")
        office = next((code for code in by.offices if code == wanted or len(by.offices) == 1), None)
        if office is None:
            return await self._page(request, told.gettext("Diga qué oficina la toma."))
        said = referrals.accept(_opening(request), office, self._node, starts_by=None, by=by)
        return await self._say(request, "aceptar", said)

    async def _decline(self, request: web.Request) -> web.Response:
        by, reason = await self._by(request), request[FORM].text("motivo")
        if reason not in DECLINES:
            return await self._page(request, self._looks.words(request).gettext("Elija un motivo."))
        said = referrals.decline(_opening(request), DeclineReason(reason), None, self._node, by=by)
        return await self._say(request, "rechazar", said)

    async def _update(self, request: web.Request) -> web.Response:
        by, progress = await self._by(request), request[FORM].text("avance")
        if progress not in PROGRESS:
            return await self._page(request, self._looks.words(request).gettext("Elija cómo va."))
        if not await self._requests.first_time(request):
            return _back(_opening(request), "ya")
        said = referrals.update(_opening(request), News(ReferralProgress(progress)), self._node, by=by)
        return await self._say(request, "avance", said)

    async def _done(self, request: web.Request) -> web.Response:
        by, outcome = await self._by(request), request[FORM].text("resultado")
        if outcome not in OUTCOMES:
            return await self._page(request, self._looks.words(request).gettext("Elija cómo terminó."))
        ending = Ending(ReferralOutcome(outcome), self._node.clock.now())
        return await self._say(request, "realizada", referrals.done(_opening(request), ending, self._node, by=by))

    async def _withdraw(self, request: web.Request) -> web.Response:
        by, reason = await self._by(request), request[FORM].text("motivo")
        if reason not in WITHDRAWALS:
            return await self._page(request, self._looks.words(request).gettext("Elija un motivo."))
        return await self._say(
            request, "retirar", referrals.withdraw(_opening(request), WithdrawReason(reason), self._node, by=by)
        )

    async def _say(self, request: web.Request, done: str, act: Awaitable[Acted]) -> web.Response:
        opening = _opening(request)
        try:
            acted = await act
        except OutOfTurnError:
            return _back(opening, "ya")
        return _back(opening, done if acted.held is None else "espera")

    async def _by(self, request: web.Request, permission: Permission = Permission.REFERRALS_SEND) -> Worker:
        return await worker(request, permission, self._desk)


def _opening(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise NoSuchWorkError("no id") from None


def _back(opening: MessageId, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/r/{opening}?hecho={done}"})


def _said(entries: Mapping[str, str], told: Words) -> list[tuple[str, str]]:
    return [(code, told.gettext(label)) for code, label in entries.items()]


def _service(code: str | None, told: Words) -> str:
    if code is None:
        return ""
    label = SERVICES[Service(code)]
    return label.en if told.lang == "en" else label.es


def _own(eyes: Seen, offices: list[Any], told: Words) -> list[tuple[Code, str]]:
    mine = [office for office in offices if office.code in eyes.offices]
    return [(office.code, office.name(told.lang)) for office in mine]
