"""The private port: health and metrics for the machine room, an API for this institution's people. Default deny."""

import re
from collections.abc import Sequence

from aiohttp import web

from contracts.errors import ExchangeError
from contracts.ids import Code, MessageId, NodeId
from gateway.console.access import PRINCIPAL, Doorkeeper, Face, Open, Route, face_of, people_problem
from gateway.console.answers import json_answer, problem, refused
from gateway.console.attachments import AttachmentsApi
from gateway.console.casework import CaseworkApi
from gateway.console.eyes import eyes_of
from gateway.console.factors import FactorsApi
from gateway.console.located import LocatedApi
from gateway.console.notices import NoticesApi
from gateway.console.operations import Operations, Sender
from gateway.console.oversight import OversightApi
from gateway.console.pages.probes import probe_as_dict
from gateway.console.pages.site import Pages
from gateway.console.people import PeopleApi
from gateway.console.recall import RecallApi
from gateway.console.referrals import WorkApi
from gateway.console.requests import RequestsApi
from gateway.console.sheets import SheetsApi
from gateway.exchange.gate import SOFTWARE
from gateway.exchange.states import OutboxState
from gateway.people.desk import PeopleDesk
from gateway.people.errors import PeopleError, WaitError
from gateway.people.roles import Permission
from gateway.telemetry import log
from gateway.web import Handler, Watch

MAX_UPLOAD = 32 * 1024 * 1024
_MAPPING = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")


class PrivateApi:
    """The private port's application."""

    def __init__(self, operations: Operations, people: PeopleDesk, *, token: str, hosts: Sequence[str], watch: Watch) -> None:
        self._operations = operations
        self._desk = people
        self._people = PeopleApi(people, watch)
        self._factors = FactorsApi(people, operations.node.us, watch)
        self._requests = RequestsApi(operations, people, watch)
        self._work = WorkApi(operations, people, watch)
        self._recall = RecallApi(operations, people, watch)
        self._casework = CaseworkApi(operations, people, watch)
        self._located = LocatedApi(operations.node, self._requests, watch)
        self._oversight = OversightApi(operations, people, watch)
        self._attachments = AttachmentsApi(operations, watch)
        self._notices = NoticesApi(operations, watch)
        self._sheets = SheetsApi(operations, people, watch)
        self._door = Doorkeeper(people, token=token)
        self._pages = Pages(operations, people, self._door, watch, self._requests)
        self._hosts = frozenset(hosts)
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/healthz", self._healthz, Open.EVERYBODY),
            Route("GET", "/readyz", self._readyz, Open.EVERYBODY),
            Route("GET", "/metrics", self._metrics, Open.EVERYBODY),
            Route("GET", "/api/v1/status", self._status, Permission.STATUS_READ),
            Route("GET", "/api/v1/outbox", self._outbox, Permission.OUTBOX_READ),
            Route("POST", "/api/v1/outbox/lanes/{peer}/pause", self._pause, Permission.OUTBOX_OPERATE),
            Route("POST", "/api/v1/outbox/lanes/{peer}/resume", self._resume, Permission.OUTBOX_OPERATE),
            Route("POST", "/api/v1/outbox/{message_id}/retry", self._retry, Permission.OUTBOX_OPERATE),
            Route("GET", "/api/v1/cases", self._cases, Permission.CASES_READ),
            Route("GET", "/api/v1/alarms", self._alarms, Permission.ALARMS_READ),
            Route("GET", "/api/v1/imports", self._imported, Permission.IMPORTS_READ),
            Route("POST", "/api/v1/imports", self._import, Permission.REPORTS_SEND),
            Route("GET", "/api/v1/messages/{message_id}", self._message, Permission.OUTBOX_READ),
            Route("GET", "/api/v1/messages/{message_id}/evidence", self._evidence, Permission.EVIDENCE_EXPORT),
            Route("POST", "/api/v1/restore/{peer}/give-up", self._give_up, Permission.RESTORE_OPERATE),
            Route("GET", "/api/v1/federation", self._federation, Permission.FEDERATION_READ),
            Route("GET", "/api/v1/policy", self._policy, Permission.FEDERATION_READ),
            Route("POST", "/api/v1/federation/poll", self._poll, Permission.FEDERATION_POLL),
            Route("POST", "/api/v1/federation/members/{peer}/test", self._test_link, Permission.LINKS_TEST),
            *self._people.routes(),
            *self._factors.routes(),
            *self._requests.routes(),
            *self._work.routes(),
            *self._recall.routes(),
            *self._casework.routes(),
            *self._located.routes(),
            *self._oversight.routes(),
            *self._attachments.routes(),
            *self._notices.routes(),
            *self._sheets.routes(),
            *self._pages.routes(),
        )

    def application(self) -> web.Application:
        """Return the application to serve.

        Raises:
            RuntimeError: a route does not say what it needs.
        """
        application = web.Application(client_max_size=MAX_UPLOAD, middlewares=[self._watch.middleware, self._guard])
        self._door.admit(self.routes(), application)
        self._door.check(application)
        application.on_cleanup.append(self._pages.close)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        other = self._other_host(request)
        if other is None and face_of(request.path) is Face.PAGE:
            return await self._pages.answer(request, handler)
        answer = other if other is not None else await self._answered(request, handler)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        return answer

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            stopped = await self._door.refusal(request)
            answer = stopped if stopped is not None else await handler(request)
        except PeopleError as error:
            answer = people_problem(error)
        except ExchangeError as error:
            answer = refused(error, self._operations.node)
        except _NoMessageIdError:
            title, advice = "Eso no es el identificador de un mensaje.", "Cópielo entero: `paradero outbox list`."
            answer = problem(404, "not-found", title, advice)
        except web.HTTPException as error:
            answer = problem(
                error.status, "not-found" if error.status == 404 else "refused", "No hay nada así en este puerto.", ""
            )
        except Exception as error:  # noqa: BLE001 - type and place go to the log, nothing to the caller
            log.error("private-port-failed", exc_info=error)
            answer = problem(500, "internal", "Falla inesperada del nodo; véase su bitácora de servicio.", "")
        return answer

    def _other_host(self, request: web.Request) -> web.Response | None:
        if request.host.rpartition(":")[0] in self._hosts or request.host in self._hosts:
            return None
        return problem(421, "not-me", "Este puerto no responde a ese nombre.", "Use 127.0.0.1.")

    # -- handlers ----------------------------------------------------------------------------------------------------

    async def _healthz(self, _request: web.Request) -> web.Response:
        return json_answer({})

    async def _readyz(self, _request: web.Request) -> web.Response:
        health = self._operations.health()
        return json_answer({"ready": health.ready, "components": health.components}, status=200 if health.ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._operations.metrics(), content_type="text/plain", charset="utf-8")

    async def _status(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.status())

    async def _outbox(self, request: web.Request) -> web.Response:
        state = request.query.get("state", OutboxState.WAITING.value)
        if state not in set(OutboxState):
            return problem(422, "schema", "No hay un estado así.", "waiting, delivered, rejected, withdrawn o dead.")
        return json_answer(await self._operations.outbox(state))

    async def _pause(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=True)

    async def _resume(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: web.Request, *, paused: bool) -> web.Response:
        try:
            peer = NodeId(request.match_info["peer"])
        except ValueError:
            return problem(422, "schema", "Eso no es el nombre de un nodo.", "Por ejemplo gt.minex.")
        answer = await self._operations.pause(peer, paused=paused, actor=request[PRINCIPAL].actor)
        if answer is None:
            return problem(404, "not-found", f"{peer} no es miembro de la red.", "Véase `paradero federation status`.")
        return json_answer(answer)

    async def _give_up(self, request: web.Request) -> web.Response:
        try:
            peer = NodeId(request.match_info["peer"])
        except ValueError:
            return problem(422, "schema", "Eso no es el nombre de un nodo.", "Por ejemplo gt.minex.")
        return json_answer(await self._operations.give_up(peer, actor=request[PRINCIPAL].actor))

    async def _retry(self, request: web.Request) -> web.Response:
        message_id = _message_id(request)
        if not await self._operations.retry(message_id, actor=request[PRINCIPAL].actor):
            return problem(
                404, "not-found", "Ningún mensaje en espera tiene ese identificador.", "Véase `paradero outbox list`."
            )
        return json_answer({"retried": True})

    async def _cases(self, request: web.Request) -> web.Response:
        return json_answer(await self._operations.cases(await eyes_of(request, Permission.CASES_READ, self._desk)))

    async def _alarms(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.alarms())

    async def _imported(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.imported())

    async def _import(self, request: web.Request) -> web.Response:
        mapping = request.query.get("mapping", "")
        if not _MAPPING.fullmatch(mapping):
            return problem(422, "schema", "Falta el nombre del mapeo.", "`paradero adapter list` muestra los que hay.")
        data = await request.read()
        self._watch.body_read(request)
        principal = request[PRINCIPAL]

        def may_send_for(office: Code) -> bool:
            return principal.may_at(Permission.REPORTS_SEND, office)

        by = Sender(principal.actor, str(principal.person_id or SOFTWARE), may_send_for)
        return json_answer(await self._operations.import_file(mapping, request.query.get("name", ""), data, by=by))

    async def _message(self, request: web.Request) -> web.Response:
        found = await self._operations.message(_message_id(request))
        return (
            problem(404, "not-found", "Este nodo no tiene ese mensaje.", "Véase `paradero outbox list`.")
            if found is None
            else json_answer(found)
        )

    async def _evidence(self, request: web.Request) -> web.Response:
        message_id = _message_id(request)
        actor = request[PRINCIPAL].actor
        await self._desk.record(f"evidence.export {message_id}", actor=actor)  # first: nobody reads it unseen
        bundle = await self._operations.evidence(message_id, actor=actor)
        if bundle is None:
            advice = "Sólo hay constancia de mensajes propios con recibo; espere a que llegue."
            return problem(404, "not-found", "Aún no hay constancia de ese mensaje.", advice)
        return web.Response(body=bundle, content_type="application/json")

    async def _federation(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.federation())

    async def _policy(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.policy())

    async def _test_link(self, request: web.Request) -> web.Response:
        members, peer = self._operations.node.trust().members, request.match_info["peer"]
        if peer not in members or peer == self._operations.node.us:
            return problem(
                404, "not-found", "Esa institución no es otro miembro de la red.", "Véase `paradero federation status`."
            )
        wait = await self._pages.probes.run(NodeId(peer), actor=request[PRINCIPAL].actor)
        if wait:
            raise WaitError(wait)
        found = self._pages.probes.last(NodeId(peer))
        return json_answer({"peer": peer, **({} if found is None else probe_as_dict(found))})

    async def _poll(self, _request: web.Request) -> web.Response:
        return json_answer(await self._operations.poll())


class _NoMessageIdError(web.HTTPNotFound):
    """What stands where a message's id should is none."""


def _message_id(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise _NoMessageIdError from None
