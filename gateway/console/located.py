"""Routes of the private port for a person found: what they want, that they are alive, and the end of a case (SPEC 22)."""

from aiohttp import web

from contracts.alike import Closing
from contracts.consents import Wish
from contracts.errors import UnknownCaseError
from contracts.ids import Folio
from gateway.console import given
from gateway.console.access import Route
from gateway.console.answers import json_answer, problem
from gateway.console.requests import RequestsApi, by_of, went
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.located import Alive, close_case, record_wish, tell_alive
from gateway.people.errors import InvalidError
from gateway.people.roles import Permission
from gateway.web import Watch

_WISH = frozenset({"case_ref", "wish", "evidence"})
_ALIVE = frozenset({"case_ref", "records"}), frozenset({"review_at", "finder_released"})


class LocatedApi:
    """The handlers."""

    def __init__(self, node: Capabilities, requests: RequestsApi, watch: Watch) -> None:
        self._node = node
        self._requests = requests
        self._watch = watch

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        answer = Permission.REQUESTS_ANSWER
        return (
            Route("POST", "/api/v1/wishes", self._wish, Permission.CONSENTS_RECORD),
            Route("POST", "/api/v1/requests/{message_id}/alive", self._requests.seen(self._alive, answer), answer, signs=True),
            Route("POST", "/api/v1/cases/{case}/close", self._close, Permission.CASES_CLOSE),
        )

    async def _wish(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, _WISH)
        case_ref, evidence = await self._requests.our_case(given.text(body, "case_ref")), given.code(body, "evidence")
        wish = given.word(body, "wish", Wish)
        event = await record_wish(case_ref, wish, evidence, self._node, by=by_of(request))
        return json_answer({"event": str(event), "wish": wish.value})

    async def _alive(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, *_ALIVE)
        alive = Alive(
            case_ref=await self._requests.our_case(given.text(body, "case_ref")),
            records=given.records(body),
            review_at=given.moment(body, "review_at"),
            finder_released=body.get("finder_released", False) is True,
        )
        return went(await tell_alive(given.message_id(request), alive, self._node, by=by_of(request)))

    async def _close(self, request: web.Request) -> web.Response:
        body = await given.read_body(request, self._watch, frozenset({"as"}))
        closing = given.word(body, "as", Closing)
        try:
            case = Folio(request.match_info["case"])
        except ValueError:
            raise InvalidError("Eso no es un folio.", advice="Por ejemplo MBMID-2026-000123.") from None
        try:
            closed = await close_case(case, closing, self._node, by=by_of(request))
        except UnknownCaseError:
            return problem(404, "not-found", "Este nodo no tiene ese caso.", "Véase `GET /api/v1/cases`.")
        if closed is None:
            return json_answer({"case": str(case), "state": "waits-second"})
        return json_answer({"case": str(case), "state": "closed", "told": [str(peer) for peer in closed.told]})
