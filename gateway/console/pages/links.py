"""Coming in by a link, at a demonstration: looking at it does nothing (browsers look ahead), the button spends it."""

from aiohttp import web

from gateway.console.access import Face, Open, Route
from gateway.console.operations import Operations
from gateway.console.pages.entrance import came_in, knock_of
from gateway.console.pages.looks import Looks
from gateway.people.desk import PeopleDesk
from gateway.people.errors import WrongCredentialsError
from gateway.people.links import enter


class LinkPages:
    """The handlers. At a node that is no demonstration there is nothing at these addresses."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self._looks = looks
        self._operations = operations
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/enlace/{code}", self._look, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/enlace/{code}", self._enter, Open.EVERYBODY, Face.PAGE),
        )

    async def _look(self, request: web.Request) -> web.Response:
        self._refuse_elsewhere()
        return await self._looks.page(request, "enlace.html", spent=False)

    async def _enter(self, request: web.Request) -> web.Response:
        self._refuse_elsewhere()
        try:
            found = await enter(request.match_info["code"], knock_of(request), self._desk)
        except WrongCredentialsError as error:
            return await self._looks.page(request, "enlace.html", status=error.status, spent=True)
        return came_in(found, "/")

    def _refuse_elsewhere(self) -> None:
        if not self._operations.node.trust().federation.demo:
            raise web.HTTPNotFound
