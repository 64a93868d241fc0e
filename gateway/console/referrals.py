"""Routes of the private port for the inbox of work, referrals and findings. Names of people travel in none of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import ValidationError

from contracts.errors import NotPermittedError
from contracts.ids import ActorPseudonym, Code, MessageId
from contracts.messages import DeclineReason, ReferralOutcome, ReferralProgress, Urgency, WithdrawReason
from contracts.services import Service
from contracts.threads import Reason
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer, problem
from gateway.console.work_words import SECTIONS, headline, shown
from gateway.exchange import referrals
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.deadlines import answer_due
from gateway.exchange.findings import AlreadySentError, Find, send_finding
from gateway.exchange.gate import WallError
from gateway.exchange.leaving import Held
from gateway.exchange.referrals import Acted, Ending, News, Offer
from gateway.exchange.work import NoSuchWorkError, Worker, WorkTakenError, end_work, move_work, take_work
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, NotAllowedError, SignedOutError, TakenError, UnknownError
from gateway.people.offices import calendar_at
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.storage.work_models import Seen, WorkModels
from gateway.web import Watch

GUATEMALA = ZoneInfo("America/Guatemala")
_MINORS = ("yes", "no", "possible")
_LONGEST_HOURS = 24 * 366

Handler = Callable[[web.Request], Awaitable[web.Response]]


class WorkApi:
    """The handlers."""

    def __init__(self, node: Capabilities, models: WorkModels, desk: PeopleDesk, watch: Watch) -> None:
        self._node = node
        self._models = models
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, take, send, find = (
            Permission.WORK_READ,
            Permission.WORK_TAKE,
            Permission.REFERRALS_SEND,
            Permission.FINDINGS_SEND,
        )
        item, referral = "/api/v1/inbox/{message_id}", "/api/v1/referrals/{message_id}"
        return (
            Route("GET", "/api/v1/inbox", self._inbox, read),
            Route("POST", f"{item}/take", _told(self._take), take),
            Route("POST", f"{item}/done", _told(self._end), take),
            Route("POST", f"{item}/move", _told(self._move), Permission.WORK_MOVE),
            Route("GET", "/api/v1/referrals", self._referrals, read),
            Route("POST", "/api/v1/referrals", _told(self._offer), send),
            Route("GET", referral, self._referral, read),
            Route("POST", f"{referral}/accept", _told(self._accept), send),
            Route("POST", f"{referral}/decline", _told(self._decline), send),
            Route("POST", f"{referral}/update", _told(self._update), send),
            Route("POST", f"{referral}/done", _told(self._done), send),
            Route("POST", f"{referral}/withdraw", _told(self._withdraw), send),
            Route("GET", "/api/v1/findings", self._findings, read),
            Route("POST", "/api/v1/findings", _told(self._find), find),
            Route("GET", "/api/v1/findings/{message_id}", self._finding, read),
        )

    # -- the inbox -----------------------------------------------------------------------------------------------------

    async def _inbox(self, request: web.Request) -> web.Response:
        within = request.query.get("due", "")
        number = within.isascii() and within.isdigit() and len(within) <= 4
        if within and (not number or not 0 < int(within) <= _LONGEST_HOURS):
            raise InvalidError("due es un número de horas.", advice="Por ejemplo 48.")
        before = self._node.clock.now() + timedelta(hours=int(within)) if within else None
        return await self._list(request, everything=request.query.get("all") == "yes", due_before=before)

    async def _list(self, request: web.Request, machine: str | None = None, **which: Any) -> web.Response:
        seen, offices = await self._seen(request)
        now = self._node.clock.now()
        found = await self._models.work(seen, machine=machine, **which)
        items = [shown(item, now, _zone(item["office"], offices)) for item in found]
        items.sort(key=lambda item: SECTIONS.index(item["section"]))  # a stable sort: inside a section the soonest due first
        return json_answer({"headline": headline(items), "work": items})

    async def _take(self, request: web.Request) -> web.Response:
        item = await take_work(given.message_id(request), self._node, by=await self._worker(request, Permission.WORK_TAKE))
        return json_answer({"id": str(item.key.opening), "taken": True})

    async def _end(self, request: web.Request) -> web.Response:
        item = await end_work(given.message_id(request), self._node, by=await self._worker(request, Permission.WORK_TAKE))
        return json_answer({"id": str(item.key.opening), "done": True})

    async def _move(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"office"})
        worker, office = await self._worker(request, Permission.WORK_MOVE), given.code(body, "office")
        if office not in worker.known:
            raise UnknownError("No hay una oficina abierta con ese código.", advice="Véase `paradero office list`.")
        item = await move_work(given.message_id(request), office, self._node, by=worker)
        return json_answer({"id": str(item.key.opening), "office": str(office)})

    # -- referrals -----------------------------------------------------------------------------------------------------

    async def _referrals(self, request: web.Request) -> web.Response:
        return await self._list(request, "referral", everything=request.query.get("all") == "yes")

    async def _referral(self, request: web.Request) -> web.Response:
        return await self._one(request, "referral")

    async def _offer(self, request: web.Request) -> web.Response:
        needed = {"to", "case", "service", "minor", "purpose", "basis"}
        body = await self._body(request, needed, {"urgency", "language", "department", "office"})
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        office = _own_office(body, worker)
        if body["minor"] not in _MINORS:
            raise InvalidError("minor es yes, no o possible.")
        async with self._node.begin() as work:
            case_ref = await referrals.case_of(given.text(body, "case"), work)
        to, purpose, basis = given.node_id(body, "to"), given.code(body, "purpose"), given.code(body, "basis")
        urgency = given.word(body, "urgency", Urgency) if "urgency" in body else Urgency.NORMAL
        calendar = await calendar_at(office, self._desk)
        offer = Offer(
            to=to,
            case_ref=case_ref,
            office=office,
            service=given.word(body, "service", Service),
            urgency=urgency,
            minor=body["minor"],
            purpose=purpose,
            basis=basis,
            deadline=answer_due(self._node, "referral.offer", to, (purpose, basis), urgency, calendar),
            language=given.text(body, "language", longest=16) if "language" in body else None,
            department=given.maybe_code(body, "department"),
        )
        return _went(await referrals.offer(offer, self._node, by=worker))

    async def _accept(self, request: web.Request) -> web.Response:
        body = await self._body(request, set(), {"office", "starts_by"})
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        starts_by = self._ahead(body, "starts_by")
        office = _own_office(body, worker)
        return _went(await referrals.accept(given.message_id(request), office, self._node, starts_by=starts_by, by=worker))

    async def _decline(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"reason"}, {"suggestion"})
        reason = given.word(body, "reason", DeclineReason)
        suggestion = given.node_id(body, "suggestion") if "suggestion" in body else None
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.decline(given.message_id(request), reason, suggestion, self._node, by=worker))

    async def _update(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"progress"}, {"expected_by", "records"})
        progress = given.word(body, "progress", ReferralProgress)
        news = News(progress, self._ahead(body, "expected_by"), given.records(body))
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.update(given.message_id(request), news, self._node, by=worker))

    async def _done(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"outcome"}, {"finished_at", "records"})
        now = self._node.clock.now()
        finished = given.moment(body, "finished_at") or now
        if finished > now:
            raise InvalidError("finished_at está por venir.", advice="Sin él se toma el momento de ahora.")
        ending = Ending(given.word(body, "outcome", ReferralOutcome), finished, given.records(body))
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.done(given.message_id(request), ending, self._node, by=worker))

    async def _withdraw(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"reason"})
        reason = given.word(body, "reason", WithdrawReason)
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.withdraw(given.message_id(request), reason, self._node, by=worker))

    # -- findings ------------------------------------------------------------------------------------------------------

    async def _findings(self, request: web.Request) -> web.Response:
        return await self._list(request, "finding", everything=request.query.get("all") == "yes")

    async def _finding(self, request: web.Request) -> web.Response:
        return await self._one(request, "finding")

    async def _find(self, request: web.Request) -> web.Response:
        needed = {"records", "authority", "country", "case_ref"}
        body = await self._body(request, needed, {"basis", "received_at", "sender_reference", "office"})
        records, now = given.records(body), self._node.clock.now()
        if len(records) != 1:
            raise InvalidError("Un hallazgo lleva un registro, el de quien se halló.")
        received = given.moment(body, "received_at") or now
        if received > now:
            raise InvalidError("received_at está por venir.")
        worker = await self._worker(request, Permission.FINDINGS_SEND)
        office = _own_office(body, worker)
        basis = {"basis": given.code(body, "basis")} if "basis" in body else {}
        find = Find(
            record=records[0],
            authority=given.code(body, "authority"),
            country=given.text(body, "country", longest=2),
            received_at=received,
            case_ref=given.text(body, "case_ref"),
            sender_reference=given.text(body, "sender_reference", longest=40) if "sender_reference" in body else None,
            office=office,
            calendar=await calendar_at(office, self._desk),
            **basis,
        )
        sent = await send_finding(find, self._node, by=worker)
        return _went(Acted(sent.message_id, None if sent.held else sent.message_id, sent.held))

    # -- whoever asks --------------------------------------------------------------------------------------------------

    async def _one(self, request: web.Request, machine: str) -> web.Response:
        seen, offices = await self._seen(request)
        item = await self._models.one(given.message_id(request), seen, machine=machine)
        if item is None:
            raise _not_found()
        return json_answer(shown(item, self._node.clock.now(), _zone(item["office"], offices)))

    async def _seen(self, request: web.Request) -> tuple[Seen, list[Office]]:
        offices = [office for office in await self._desk.reader.offices() if office.closed_at is None]
        worker = await self._worker(request, Permission.WORK_READ, offices)
        return Seen(worker.offices, worker.known, worker.unclaimed), offices

    async def _worker(self, request: web.Request, permission: Permission, offices: list[Office] | None = None) -> Worker:
        principal = request[PRINCIPAL]
        if principal.person_id is None:
            raise SignedOutError
        if offices is None:
            offices = [office for office in await self._desk.reader.offices() if office.closed_at is None]
        known, places = frozenset(office.code for office in offices), principal.offices(permission)
        mine = known if places is None else places & known
        unclaimed = any(office.takes_inbox and office.code in mine for office in offices)
        return Worker(str(principal.person_id), ActorPseudonym(principal.actor), mine, unclaimed, known)

    async def _body(
        self, request: web.Request, needed: set[str], optional: set[str] | frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        return await given.read_body(request, self._watch, frozenset(needed), frozenset(optional))

    def _ahead(self, body: dict[str, Any], name: str) -> datetime | None:
        found = given.moment(body, name)
        if found is not None and found <= self._node.clock.now():
            raise InvalidError(f"{name} ya pasó.")
        return found


def _own_office(body: dict[str, Any], worker: Worker) -> Code:
    """Return the office somebody acts for: the one they name, or their only one."""
    wanted = given.maybe_code(body, "office")
    if wanted is None:
        if len(worker.offices) != 1:
            raise InvalidError("¿Por cuál de sus oficinas?", advice="Dígala con --office.")
        [wanted] = worker.offices
    if wanted not in worker.offices:
        raise NotAllowedError("Usted no tiene puesto en esa oficina.", advice="La administración da el puesto.")
    return wanted


def _zone(office: str | None, offices: list[Office]) -> ZoneInfo:
    found = next((item.zone for item in offices if item.code == office), None)
    return GUATEMALA if found is None else ZoneInfo(found)


def _not_found() -> UnknownError:
    return UnknownError("No hay nada con ese identificador que usted pueda ver.", advice="Véase `paradero inbox list`.")


def _told(handler: Handler) -> Handler:  # noqa: C901 - a line a refusal
    """Return the handler with its refusals in the words people read."""

    async def told(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except NoSuchWorkError:
            raise _not_found() from None
        except AlreadySentError:
            raise TakenError("Ese hallazgo ya se envió.", advice="Véase `paradero finding list --all`.") from None
        except WorkTakenError:
            advice = "Véase `paradero inbox list --all`."
            raise TakenError("Ya lo tiene otra persona, se terminó, o falta aún una respuesta.", advice=advice) from None
        except OutOfTurnError as error:
            raise _out_of_turn(error) from None
        except WallError as error:
            return problem(403, "wall", f"No puede salir: {', '.join(error.walls)}.", "Ninguna persona puede quitar ese muro.")
        except NotPermittedError as error:
            advice = error.advice or "`paradero policy explain` dice qué regla decide."
            return problem(403, error.code.value, f"No está permitido: {error}.", advice)
        except ValidationError as error:
            names = sorted({str(item["loc"][-1]) for item in error.errors(include_input=False) if item["loc"]})
            raise InvalidError(f"No tiene la forma que debe: {', '.join(names)}.") from None

    return told


def _out_of_turn(error: OutOfTurnError) -> TakenError:
    if error.reason is Reason.SECOND_PENDING:
        advice = "Espere su respuesta o retírela: `paradero referral list`."
        return TakenError("Ya hay una pendiente sobre ese caso con esa institución.", advice=advice)
    advice = "`paradero referral show` dice qué se dijo y cuándo."
    return TakenError("Aquí eso no se puede decir (ya): la otra parte, u otra persona, dijo algo antes.", advice=advice)


def _went(acted: Acted) -> web.Response:
    """Answer what became of an act: on its way, or waiting for a second person."""
    held = acted.held
    if not isinstance(held, Held):
        return json_answer({"state": "queued", "id": str(acted.opening), "message_id": str(acted.message_id or MessageId(""))})
    return json_answer(
        {"state": "held", "id": str(acted.opening), "held": str(held.id), "waits": list(held.waits), "content": held.content}
    )
