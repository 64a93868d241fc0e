"""Routes of the private port for the inbox of work, referrals and findings. Names of people travel in none of them."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from contracts.attachments import without_keys
from contracts.codec import encode_model, parse_object
from contracts.disclosure import SourceRecord
from contracts.ids import Code, MessageId
from contracts.messages import DeclineReason, ReferralOutcome, ReferralProgress, Urgency, WithdrawReason
from contracts.services import Service
from contracts.threads import Reason
from gateway.console import given
from gateway.console.access import PRINCIPAL, Route
from gateway.console.answers import json_answer
from gateway.console.eyes import eyes_at, only_office, open_offices
from gateway.console.operations import Operations
from gateway.console.refusals import labels
from gateway.console.staff import takers, worker_of
from gateway.console.whose import worker, zone_of
from gateway.console.work_words import SECTIONS, headline, shown
from gateway.exchange import referrals
from gateway.exchange.bookkeeping import OutOfTurnError
from gateway.exchange.deadlines import answer_due
from gateway.exchange.departing import AlreadySentError
from gateway.exchange.findings import Find, ask_more, send_finding
from gateway.exchange.leaving import Held
from gateway.exchange.reading import read
from gateway.exchange.referrals import Acted, Ending, News, Offer
from gateway.exchange.work import NoSuchWorkError, Worker, WorkTakenError, end_work, find_work, give_work, move_work, take_work
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, NotAllowedError, SignedOutError, TakenError, UnknownError
from gateway.people.offices import calendar_at
from gateway.people.ports import Office
from gateway.people.roles import Permission
from gateway.people.sign_in import lately
from gateway.storage.seeing import Seen
from gateway.web import Watch

_MINORS = ("yes", "no", "possible")
_LONGEST_HOURS = 24 * 366

Handler = Callable[[web.Request], Awaitable[web.Response]]


class WorkApi:
    """The handlers."""

    def __init__(self, operations: Operations, desk: PeopleDesk, watch: Watch) -> None:
        self._node = operations.node
        self._models = operations.work
        self._digest = operations.digest
        self._desk = desk
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        reads, take, send, find = (
            Permission.WORK_READ,
            Permission.WORK_TAKE,
            Permission.REFERRALS_SEND,
            Permission.FINDINGS_SEND,
        )
        item, referral = "/api/v1/inbox/{message_id}", "/api/v1/referrals/{message_id}"
        return (
            Route("GET", "/api/v1/inbox", self._inbox, reads),
            Route("POST", f"{item}/take", self._told(self._take), take),
            Route("POST", f"{item}/done", self._told(self._end), take),
            Route("POST", f"{item}/move", self._told(self._move), Permission.WORK_MOVE),
            Route("POST", f"{item}/give", self._told(self._give), Permission.WORK_MOVE),
            Route("GET", "/api/v1/referrals", self._referrals, reads),
            Route("POST", "/api/v1/referrals", self._told(self._offer), send, signs=True),
            Route("GET", referral, self._referral, reads),
            Route("POST", f"{referral}/accept", self._told(self._accept), send),
            Route("POST", f"{referral}/decline", self._told(self._decline), send),
            Route("POST", f"{referral}/update", self._told(self._update), send),
            Route("POST", f"{referral}/done", self._told(self._done), send),
            Route("POST", f"{referral}/withdraw", self._told(self._withdraw), send),
            Route("GET", "/api/v1/received/{message_id}", self._told(self._received), reads),
            Route("GET", "/api/v1/findings", self._findings, reads),
            Route("POST", "/api/v1/findings", self._told(self._find), find, signs=True),
            Route("GET", "/api/v1/findings/{message_id}", self._finding, reads),
            Route("POST", "/api/v1/findings/{message_id}/clarify", self._told(self._clarify), send),
        )

    def _told(self, handler: Handler) -> Handler:
        """Return the handler with its refusals in the words people read."""

        async def told(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except NoSuchWorkError:
                raise _not_found() from None
            except AlreadySentError:
                raise TakenError("Ese hallazgo ya se envió, o espera a otra persona.", advice=AlreadySentError.advice) from None
            except WorkTakenError:
                advice = "Véase `paradero inbox list --all`."
                raise TakenError("Ya lo tiene otra persona, se terminó, o falta aún una respuesta.", advice=advice) from None
            except OutOfTurnError as error:
                raise _out_of_turn(error) from None
            except ValidationError as error:
                names = sorted({str(item["loc"][-1]) for item in error.errors(include_input=False) if item["loc"]})
                raise InvalidError(f"No tiene la forma que debe: {', '.join(names)}.") from None

        return told

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
        items = [shown(item, now, zone_of(item["office"], offices)) for item in found]
        items.sort(key=lambda item: SECTIONS.index(item["section"]))  # a stable sort: inside a section the soonest due first
        return json_answer({"headline": headline(items), "work": items})

    async def _take(self, request: web.Request) -> web.Response:
        item = await take_work(given.message_id(request), self._node, by=await self._worker(request, Permission.WORK_TAKE))
        return json_answer({"id": str(item.key.opening), "taken": True})

    async def _end(self, request: web.Request) -> web.Response:
        item = await end_work(given.message_id(request), self._node, by=await self._worker(request, Permission.WORK_TAKE))
        return json_answer({"id": str(item.key.opening), "done": True})

    async def _move(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"office"}, {"reason"})
        worker, office = await self._worker(request, Permission.WORK_MOVE), given.code(body, "office")
        if office not in worker.known:
            raise UnknownError("No hay una oficina abierta con ese código.", advice="Véase `paradero office list`.")
        reason = given.maybe_code(body, "reason")
        item = await move_work(given.message_id(request), office, self._node, by=worker, reason=reason)
        return json_answer({"id": str(item.key.opening), "office": str(office)})

    async def _give(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"person"}, {"reason"})
        login, by = given.text(body, "person", longest=40), await self._worker(request, Permission.WORK_MOVE)
        found = next((item for item in await self._desk.reader.people() if item.person.login == login), None)
        to = None if found is None else await worker_of(found, self._desk)
        opening, reason = given.message_id(request), given.maybe_code(body, "reason")
        async with self._node.begin() as work:
            item = await find_work(opening, work, by=by)
        if to is None or found not in await takers(item.office, by, self._desk):
            advice = "`paradero office members OFICINA` dice quién trabaja ahí."
            raise UnknownError("Nadie con ese usuario atiende trabajo de esa oficina.", advice=advice)
        await give_work(opening, to, self._node, by=by, reason=reason)
        return json_answer({"id": str(opening), "has_it": login})

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
        body = await self._body(request, {"progress"}, {"expected_by", "records", "relative"})
        progress = given.word(body, "progress", ReferralProgress)
        whose = given.relative(given.text(body, "relative"), self._digest) if "relative" in body else None
        news = News(progress, self._ahead(body, "expected_by"), self._signed_records(request, body), whose)
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.update(given.message_id(request), news, self._node, by=worker))

    async def _done(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"outcome"}, {"finished_at", "records"})
        now = self._node.clock.now()
        finished = given.moment(body, "finished_at") or now
        if finished > now:
            raise InvalidError("finished_at está por venir.", advice="Sin él se toma el momento de ahora.")
        ending = Ending(given.word(body, "outcome", ReferralOutcome), finished, self._signed_records(request, body))
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.done(given.message_id(request), ending, self._node, by=worker))

    async def _withdraw(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"reason"})
        reason = given.word(body, "reason", WithdrawReason)
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        return _went(await referrals.withdraw(given.message_id(request), reason, self._node, by=worker))

    # -- what came, opened -----------------------------------------------------------------------------------------------

    async def _received(self, request: web.Request) -> web.Response:
        message_id, worker = given.message_id(request), await self._worker(request, Permission.WORK_READ)
        await self._desk.record(f"received.open {message_id}", actor=worker.actor)  # first: nobody reads it unseen
        brought = await read(message_id, self._node, by=worker)
        message = brought.message
        return json_answer(
            {
                "id": str(message.message_id),
                "kind": message.type,
                "from": str(message.sender),
                "received": brought.received_at.isoformat(timespec="seconds"),
                "body": parse_object(encode_model(message.body)),
                "records": [{"type": kind, "claims": without_keys(claims)} for kind, claims in brought.claims],
            }
        )

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

    async def _clarify(self, request: web.Request) -> web.Response:
        body = await self._body(request, {"fields"}, {"reason"})
        fields, reason = given.codes(body, "fields"), given.maybe_code(body, "reason") or Code("compare")
        worker = await self._worker(request, Permission.REFERRALS_SEND)
        calendar = await calendar_at(only_office(worker.offices), self._desk)
        left = await ask_more(given.message_id(request), fields, reason, self._node, by=worker, calendar=calendar)
        if isinstance(left, Held):
            return json_answer({"state": "held", "held": str(left.id), "waits": list(left.waits), "content": left.content})
        return json_answer({"state": "queued", "message_id": str(left.message.message_id)})

    # -- whoever asks --------------------------------------------------------------------------------------------------

    async def _one(self, request: web.Request, machine: str) -> web.Response:
        seen, offices = await self._seen(request)
        item = await self._models.one(given.message_id(request), seen, machine)
        if item is None:
            raise _not_found()
        policy = self._node.trust().policy
        words = labels("purpose", item["purpose"], policy) | labels("basis", item["basis"], policy)
        return json_answer(shown(item, self._node.clock.now(), zone_of(item["office"], offices)) | words)

    async def _seen(self, request: web.Request) -> tuple[Seen, list[Office]]:
        if request[PRINCIPAL].person_id is None:
            raise SignedOutError
        offices = await open_offices(self._desk)
        return eyes_at(request, Permission.WORK_READ, offices), offices

    async def _worker(self, request: web.Request, permission: Permission) -> Worker:
        return await worker(request, permission, self._desk)

    async def _body(
        self, request: web.Request, needed: set[str], optional: set[str] | frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        return await given.read_body(request, self._watch, frozenset(needed), frozenset(optional))

    def _signed_records(self, request: web.Request, body: dict[str, Any]) -> tuple[SourceRecord, ...]:
        """Return the records that news brings; whoever sends some showed who they are a short while ago."""
        found = given.records(body)
        if found:
            lately(request[PRINCIPAL], self._desk)
        return found

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


def _not_found() -> UnknownError:
    return UnknownError("No hay nada con ese identificador que usted pueda ver.", advice="Véase `paradero inbox list`.")


def _out_of_turn(error: OutOfTurnError) -> TakenError:
    if error.reason is Reason.SECOND_PENDING:
        advice = "Espere su respuesta o retírela: `paradero referral list`."
        return TakenError("Ya hay una pendiente de ese servicio sobre ese caso con esa institución.", advice=advice)
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
