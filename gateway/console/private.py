"""The private port: health and metrics for the machine room, an API for this institution's commands. Default deny."""

import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from contracts.codec import encode_object
from contracts.errors import PROBLEM_URN, ExchangeError, ProblemCode, StorageError
from contracts.ids import MessageId, NodeId
from gateway.console.operations import Operations
from gateway.exchange.states import OutboxState
from gateway.telemetry import log
from gateway.web import Handler, Watch

MAX_UPLOAD = 32 * 1024 * 1024
MAX_ANSWER = 64 * 1024 * 1024
"""What this institution's own commands take: an import answers for every row, some 300 bytes each."""
_MAPPING = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
_STATUS = {ProblemCode.UNAVAILABLE: 503, ProblemCode.INTERNAL: 500, ProblemCode.TOO_LARGE: 413, ProblemCode.CONFLICT: 409}


@dataclass(frozen=True, slots=True)
class Route:
    """One route and who may use it: everybody who reaches the port, or the operator with the token."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    public: bool = False


class PrivateApi:
    """The private port's application."""

    def __init__(self, operations: Operations, *, token: str, hosts: Sequence[str], watch: Watch) -> None:
        self._operations = operations
        self._token = token.encode()
        self._hosts = frozenset(hosts)
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with its permission."""
        return (
            Route("GET", "/healthz", self._healthz, public=True),
            Route("GET", "/readyz", self._readyz, public=True),
            Route("GET", "/metrics", self._metrics, public=True),
            Route("GET", "/api/v1/status", self._status),
            Route("GET", "/api/v1/outbox", self._outbox),
            Route("POST", "/api/v1/outbox/lanes/{peer}/pause", self._pause),
            Route("POST", "/api/v1/outbox/lanes/{peer}/resume", self._resume),
            Route("POST", "/api/v1/outbox/{message_id}/retry", self._retry),
            Route("GET", "/api/v1/cases", self._cases),
            Route("GET", "/api/v1/alarms", self._alarms),
            Route("GET", "/api/v1/imports", self._imported),
            Route("POST", "/api/v1/imports", self._import),
            Route("GET", "/api/v1/messages/{message_id}", self._message),
            Route("GET", "/api/v1/messages/{message_id}/evidence", self._evidence),
            Route("POST", "/api/v1/restore/{peer}/give-up", self._give_up),
            Route("GET", "/api/v1/federation", self._federation),
            Route("POST", "/api/v1/federation/poll", self._poll),
        )

    def application(self) -> web.Application:
        """Return the application to serve."""
        application = web.Application(client_max_size=MAX_UPLOAD, middlewares=[self._watch.middleware, self._guard])
        self._public = {(route.method, route.path) for route in self.routes() if route.public}
        for route in self.routes():
            application.router.add_route(route.method, route.path, route.handler)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refused = self._refused(request)
            answer = refused if refused is not None else await handler(request)
        except ExchangeError as error:
            answer = _problem(_STATUS.get(error.code, 422), error.code.value, str(error), getattr(error, "advice", ""))
        except _NoMessageIdError:
            title, advice = "Eso no es el identificador de un mensaje.", "Cópielo entero: `paradero outbox list`."
            answer = _problem(404, "not-found", title, advice)
        except web.HTTPException as error:
            answer = _problem(
                error.status, "not-found" if error.status == 404 else "refused", "No hay nada así en este puerto.", ""
            )
        except Exception as error:  # noqa: BLE001 - type and place go to the log, nothing to the caller
            log.error("private-port-failed", exc_info=error)
            answer = _problem(500, "internal", "Falla inesperada del nodo; véase su bitácora de servicio.", "")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.host.rpartition(":")[0] not in self._hosts and request.host not in self._hosts:
            return _problem(421, "not-me", "Este puerto no responde a ese nombre.", "Use 127.0.0.1.")
        resource = request.match_info.route.resource
        if resource is not None and (request.method, resource.canonical) in self._public:
            return None
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self._token):
            return _problem(
                401, "unauthorised", "Falta la ficha de operador, o no es la de este nodo.", "Está en operator.token."
            )
        return None

    # -- handlers ----------------------------------------------------------------------------------------------------

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _json({})

    async def _readyz(self, _request: web.Request) -> web.Response:
        health = self._operations.health()
        return _json({"ready": health.ready, "components": health.components}, status=200 if health.ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._operations.metrics(), content_type="text/plain", charset="utf-8")

    async def _status(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.status())

    async def _outbox(self, request: web.Request) -> web.Response:
        state = request.query.get("state", OutboxState.WAITING.value)
        if state not in set(OutboxState):
            return _problem(422, "schema", "No hay un estado así.", "waiting, delivered, rejected o dead.")
        return _json(await self._operations.outbox(state))

    async def _pause(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=True)

    async def _resume(self, request: web.Request) -> web.Response:
        return await self._set_paused(request, paused=False)

    async def _set_paused(self, request: web.Request, *, paused: bool) -> web.Response:
        try:
            peer = NodeId(request.match_info["peer"])
        except ValueError:
            return _problem(422, "schema", "Eso no es el nombre de un nodo.", "Por ejemplo gt.minex.")
        answer = await self._operations.pause(peer, paused=paused)
        if answer is None:
            return _problem(404, "not-found", f"{peer} no es miembro de la red.", "Véase `paradero federation status`.")
        return _json(answer)

    async def _give_up(self, request: web.Request) -> web.Response:
        try:
            peer = NodeId(request.match_info["peer"])
        except ValueError:
            return _problem(422, "schema", "Eso no es el nombre de un nodo.", "Por ejemplo gt.minex.")
        return _json(await self._operations.give_up(peer))

    async def _retry(self, request: web.Request) -> web.Response:
        if not await self._operations.retry(_message_id(request)):
            return _problem(
                404, "not-found", "Ningún mensaje en espera tiene ese identificador.", "Véase `paradero outbox list`."
            )
        return _json({"retried": True})

    async def _cases(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.cases())

    async def _alarms(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.alarms())

    async def _imported(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.imported())

    async def _import(self, request: web.Request) -> web.Response:
        mapping = request.query.get("mapping", "")
        if not _MAPPING.fullmatch(mapping):
            return _problem(422, "schema", "Falta el nombre del mapeo.", "`paradero adapter list` muestra los que hay.")
        data = await request.read()
        self._watch.body_read(request)
        return _json(await self._operations.import_file(mapping, request.query.get("name", ""), data))

    async def _message(self, request: web.Request) -> web.Response:
        found = await self._operations.message(_message_id(request))
        return (
            _problem(404, "not-found", "Este nodo no tiene ese mensaje.", "Véase `paradero outbox list`.")
            if found is None
            else _json(found)
        )

    async def _evidence(self, request: web.Request) -> web.Response:
        bundle = await self._operations.evidence(_message_id(request))
        if bundle is None:
            advice = "Sólo hay constancia de mensajes propios con recibo; espere a que llegue."
            return _problem(404, "not-found", "Aún no hay constancia de ese mensaje.", advice)
        return web.Response(body=bundle, content_type="application/json")

    async def _federation(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.federation())

    async def _poll(self, _request: web.Request) -> web.Response:
        return _json(await self._operations.poll())


class _NoMessageIdError(web.HTTPNotFound):
    """What stands where a message's id should is none."""


def _message_id(request: web.Request) -> MessageId:
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise _NoMessageIdError from None


def _json(value: dict[str, Any], *, status: int = 200) -> web.Response:
    return web.Response(body=_encode(value), status=status, content_type="application/json")


def _encode(value: dict[str, Any]) -> bytes:
    try:
        return encode_object(value, limit=MAX_ANSWER)
    except ExchangeError:
        raise StorageError("the answer is too large; narrow the question") from None


def _problem(status: int, code: str, title: str, advice: str) -> web.Response:
    body = {"type": PROBLEM_URN + code, "title": title, "status": status, "advice": advice}
    return web.Response(body=encode_object(body), status=status, content_type="application/problem+json")
