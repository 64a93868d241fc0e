"""Findings and identity checks that came: read after the log has it, and answered in the few words there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from aiohttp import web

from contracts.attachments import without_keys
from contracts.fields import RecordType, Sensitivity
from contracts.ids import Code, MessageId
from contracts.messages import FindingNoticeBody, IdentityCheck
from contracts.threads import Side
from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import eyes_at, eyes_of, may_pass_on, only_office, open_offices
from gateway.console.marking import N_
from gateway.console.pages.bodies import DOUBTS, FINDS
from gateway.console.pages.case_room import CaseRoom
from gateway.console.pages.forms import FORM
from gateway.console.pages.history import REASSIGNED
from gateway.console.pages.letters import type_in_words
from gateway.console.pages.questions import Pair, basis_in_words, purpose_in_words
from gateway.console.pages.requests import RequestPages
from gateway.console.pages.values import said
from gateway.console.requests import by_of
from gateway.console.whose import worker, zone_of
from gateway.console.words import Words
from gateway.console.work_words import due_words, told_of
from gateway.exchange import searching
from gateway.exchange.asked import NoSuchRequestError, request_of
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.findings import ask_more
from gateway.exchange.folios import folio
from gateway.exchange.identities import answer_identity
from gateway.exchange.reading import read
from gateway.exchange.work import NoSuchWorkError, WorkTakenError, end_work, take_work
from gateway.people.offices import calendar_at
from gateway.people.roles import Permission

_FIND, _CHECK = "/h/{message_id}", "/i/{message_id}"
_FORENSIC = RecordType.UNIDENTIFIED_REMAINS.value
_ANSWERS: tuple[Literal["yes", "no"], ...] = ("yes", "no")
DONE = {
    "tomar": N_("Usted la tiene ahora."),
    "terminar": N_("Quedó terminado: no hay más que hacer con este aviso."),
    "preguntar": N_("Se pidieron esos datos a quien avisó. La respuesta llegará a la bandeja."),
    "responder": N_("Quedó dicho. Quien pregunta lo sabrá al recibirlo."),
    "espera": N_("Espera la aprobación de otra persona antes de salir."),
    "ya": N_("Eso ya se dijo, ya terminó, o lo tiene otra persona. No se hizo otra vez."),
    "reasignada": REASSIGNED,
}


class ArrivalPages:
    """The handlers."""

    def __init__(self, room: CaseRoom, requests: RequestPages) -> None:
        self._room = room
        self._node = room.node
        self._looks = room.looks
        self._requests = requests

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        reads, take, answer = Permission.WORK_READ, Permission.WORK_TAKE, Permission.REQUESTS_ANSWER
        seen = self._requests.seen
        return (
            Route("GET", _FIND, self._find, reads, Face.PAGE),
            Route("POST", f"{_FIND}/tomar", self._take, take, Face.PAGE),
            Route("POST", f"{_FIND}/terminar", self._end, take, Face.PAGE),
            Route("POST", f"{_FIND}/preguntar", self._more, Permission.REFERRALS_SEND, Face.PAGE),
            Route("GET", _CHECK, seen(self._check), Permission.REQUESTS_READ, Face.PAGE),
            Route("POST", f"{_CHECK}/responder", seen(self._answer), answer, Face.PAGE),
        )

    # -- findings ------------------------------------------------------------------------------------------------------

    async def _find(self, request: web.Request) -> web.Response:
        return await self._find_page(request, "")

    async def _find_page(self, request: web.Request, error: str) -> web.Response:
        opening, told, now = _opening(request), self._looks.words(request), self._node.clock.now()
        offices = await open_offices(self._room.desk)
        eyes = eyes_at(request, Permission.WORK_READ, offices)
        item = await self._room.operations.work.one(opening, eyes, "finding")
        if item is None:
            raise NoSuchWorkError("no such finding")
        zone = zone_of(item["office"], offices)
        words = told_of(item, now, zone, told)
        head: dict[str, Any] = {
            "item": item,
            "folio": folio("finding", opening),
            "peer": self._looks.name(item["peer"]),
            "words": words,
            "office_zone": zone,
            "moves": may_pass_on(request, item),
            "done": _done(request, told),
        }
        if item["side"] == Side.OPENER:
            return await self._looks.page(request, "hallazgo_nuestro.html", **head)
        if item["purpose"] == "identify-remains" and request.query.get("seguir") != "si" and not error:
            return await self._looks.page(request, "hallazgo_leer.html", **head)
        by = await worker(request, Permission.WORK_READ, self._room.desk)
        await self._room.desk.record(f"received.open {opening}", actor=by.actor)  # first: nobody reads it unseen
        brought = await read(opening, self._node, by=by)
        body = brought.message.body
        records = self._records(brought.claims, told)
        return await self._looks.page(
            request,
            "hallazgo.html",
            status=422 if error else 200,
            **head,
            what=told.gettext(FINDS[body.kind.value]) if isinstance(body, FindingNoticeBody) else "",
            authority=f"{body.authority} · {body.country}" if isinstance(body, FindingNoticeBody) else "",
            reference=(body.sender_reference or "") if isinstance(body, FindingNoticeBody) else "",
            records=records,
            askable=self._askable(brought.claims, str(brought.message.purpose), told),
            sends=request[PRINCIPAL].may(Permission.REFERRALS_SEND),
            key=self._requests.fresh_key(),
            error=error,
        )

    def _records(self, claims: Sequence[tuple[str, Mapping[str, Any]]], told: Words) -> list[tuple[str, list[Pair]]]:
        policy, found = self._node.trust().policy, []
        for kind, values in claims:
            known = policy.fields_of(kind)
            bare = {name: value for name, value in without_keys(values).items() if name in known}
            pairs = [
                Pair(known[name].label(told.lang), said(known[name].kind, value, told))
                for name, value in bare.items()
                if known[name].kind != "attachments"
            ]
            found.append((type_in_words(kind, policy, told), pairs))
        return found

    def _askable(self, claims: Sequence[tuple[str, Mapping[str, Any]]], purpose: str, told: Words) -> list[tuple[str, str]]:
        """Return the fields whoever told of it may still give us, by the policy."""
        trust = self._node.trust()
        role, found = trust.member(self._node.us).role, []
        for kind, values in claims[:1]:
            rule, known = trust.policy.rule_for(kind, "disclosure.grant", role, purpose), trust.policy.fields_of(kind)
            for name, field in known.items() if rule is not None else ():
                asked = rule is not None and rule.form_of(name) is not None and name not in values
                if asked and field.sensitivity < Sensitivity.PROTECTED:
                    found.append((str(name), field.label(told.lang)))
        return found

    async def _take(self, request: web.Request) -> web.Response:
        return await self._worked(request, take_work, "tomar")

    async def _end(self, request: web.Request) -> web.Response:
        return await self._worked(request, end_work, "terminar")

    async def _worked(self, request: web.Request, act: Any, done: str) -> web.Response:
        by = await worker(request, Permission.WORK_TAKE, self._room.desk)
        try:
            await act(_opening(request), self._node, by=by)
        except WorkTakenError:
            return _back(f"/h/{_opening(request)}", "ya")
        return _back(f"/h/{_opening(request)}", done)

    async def _more(self, request: web.Request) -> web.Response:
        opening, told = _opening(request), self._looks.words(request)
        by = await worker(request, Permission.REFERRALS_SEND, self._room.desk)
        brought = await read(opening, self._node, by=by)
        may = {name for name, _ in self._askable(brought.claims, str(brought.message.purpose), told)}
        fields = searching.fields_named(name for name in request[FORM].every("campo") if name in may)
        if not fields:
            return await self._find_page(request, told.gettext("Marque al menos un dato."))
        if not await self._requests.first_time(request):
            return _back(f"/h/{opening}", "ya")
        calendar = await calendar_at(only_office(by.offices), self._room.desk)
        await ask_more(opening, fields, Code("compare"), self._node, by=by, calendar=calendar)
        return _back(f"/h/{opening}", "preguntar")

    # -- identity checks -----------------------------------------------------------------------------------------------

    async def _check(self, request: web.Request) -> web.Response:
        return await self._check_page(request, "")

    async def _check_page(self, request: web.Request, error: str) -> web.Response:
        request_id, told, now = _opening(request), self._looks.words(request), self._node.clock.now()
        if await searching.own_question(request_id, self._node) is not None:
            return web.Response(status=303, headers={"Location": f"/s/{request_id}"})
        by = by_of(request)
        await self._room.desk.record(f"request.open {request_id}", actor=by.actor)  # first: nobody reads it unseen
        asked = await request_of(request_id, self._node)
        message = asked.message
        if not isinstance(message, IdentityCheck):
            raise NoSuchRequestError("it is answered with fields")
        policy, eyes = self._node.trust().policy, await eyes_of(request, Permission.REQUESTS_READ, self._room.desk)
        offices = await open_offices(self._room.desk)
        item = await self._room.operations.work.one(request_id, eyes, "identity")
        zone = zone_of(None if item is None else item["office"], offices)
        opener, at = self._node.opener, asked.received_at
        opened = [opener.verify_record(found.sd_jwt, sender=message.sender, at=at) for found in message.records]
        due = None if item is None or item["due"] is None else datetime.fromisoformat(item["due"])
        return await self._looks.page(
            request,
            "identidad.html",
            status=422 if error else 200,
            folio=folio("identity", request_id),
            address=f"/i/{request_id}",
            peer=self._looks.name(message.sender),
            question=told.gettext(DOUBTS[message.body.question]),
            purpose=purpose_in_words(policy, message.purpose, told),
            basis=basis_in_words(policy, message.basis, told),
            due=told.gettext("sin plazo") if due is None else due_words(due, now, zone, told),
            item=item,
            moves=may_pass_on(request, item),
            records=self._records([(found.record_type, found.claims) for found in opened], told),
            open=asked.open,
            answers=request[PRINCIPAL].may(Permission.REQUESTS_ANSWER),
            error=error,
            done=_done(request, told),
        )

    async def _answer(self, request: web.Request) -> web.Response:
        request_id, said_so = _opening(request), request[FORM].text("respuesta")
        answer = next((item for item in _ANSWERS if item == said_so), None)
        asked = await request_of(request_id, self._node)
        if not isinstance(asked.message, IdentityCheck):
            raise NoSuchRequestError("it is answered with fields")
        if not asked.open or await self._requests.answered(request_id):
            return _back(f"/i/{request_id}", "ya")
        if answer is not None:
            try:
                left = await answer_identity(request_id, answer, self._node, by=by_of(request))
            except (OutOfTurnError, NoSuchRequestError):  # somebody else was first, by a moment
                return _back(f"/i/{request_id}", "ya")
            return _back(f"/i/{request_id}", "espera" if getattr(left, "waits", ()) else "responder")
        return await self._check_page(request, self._looks.words(request).gettext("Diga sí o no."))


def _done(request: web.Request, told: Words) -> str:
    return told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else ""


def _opening(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise NoSuchWorkError("no id") from None


def _back(address: str, done: str) -> web.Response:
    more = "&seguir=si" if address.startswith("/h/") else ""
    return web.Response(status=303, headers={"Location": f"{address}?hecho={done}{more}"})
