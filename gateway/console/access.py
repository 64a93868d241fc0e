"""Who may use which route of the private port. A route says what it needs; one that does not, does not start (SPEC 13.2).

Programs show a bearer token, browsers a cookie; each opens its own face of the port and nothing of the other.
"""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from aiohttp import web

from gateway.console.answers import problem
from gateway.people.desk import PeopleDesk
from gateway.people.errors import PeopleError, SignedOutError, WaitError
from gateway.people.ports import Post
from gateway.people.roles import Permission, Role
from gateway.people.sign_in import Carrier, Principal, lately, require, resolve

PRINCIPAL = web.RequestKey("principal", Principal)
SESSION_COOKIE = "__Host-paradero"
_API = ("/api/", "/healthz", "/readyz", "/metrics")


class Open(Enum):
    """Needs that are not a permission."""

    EVERYBODY = "everybody"
    """Whoever reaches the port: health, metrics, and the two ways to come in."""
    ANYBODY_SIGNED_IN = "anybody signed in"
    """A person, whatever they are: to look who they are, to go out, to change their own password."""


class Face(Enum):
    """Who a route speaks to: programs, by JSON and a bearer token, or people, by pages and a cookie."""

    API = Carrier.BEARER
    PAGE = Carrier.COOKIE


Needs = Permission | Open


@dataclass(frozen=True, slots=True)
class Route:
    """One route and what it needs."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    needs: Needs
    face: Face = Face.API
    signs: bool = False
    """Whether what it does goes out under somebody's name: they showed who they are a short while ago, as for what is
    `SENSITIVE`. A page asks for that in the form that signs, and loses nothing that was written."""


class Doorkeeper:
    """Decides on every request of the private port before its handler runs."""

    def __init__(self, desk: PeopleDesk, *, token: str) -> None:
        self._desk = desk
        self._token = token.encode()
        self._routes: dict[tuple[str, str], Route] = {}
        self._faces: dict[str, Face] = {}

    def admit(self, routes: Sequence[Route], application: web.Application) -> None:
        """Put routes into an application.

        Raises:
            RuntimeError: one does not say what it needs, or two are the same; the port does not start.
        """
        for route in routes:
            declared = isinstance(route.needs, Permission | Open)
            if not declared:
                raise RuntimeError(f"{route.method} {route.path} does not say what it needs")
            if (route.method, route.path) in self._routes:
                raise RuntimeError(f"{route.method} {route.path} is there twice")
            if self._faces.setdefault(route.path, route.face) is not route.face or face_of(route.path) is not route.face:
                raise RuntimeError(f"{route.path} has another face than its path says")
            self._routes[route.method, route.path] = route
            application.router.add_route(route.method, route.path, route.handler)

    def check(self, application: web.Application) -> None:
        """See to it that nothing else is served.

        Raises:
            RuntimeError: a route came in another way.
        """
        for route in application.router.routes():
            if route.resource is None or (route.method, route.resource.canonical) not in self._routes:
                raise RuntimeError(f"{route.method} of {route.resource} was not admitted")

    def needs(self, request: web.Request) -> Needs | None:
        """Return what the route of a request needs; None when there is no such route."""
        route = self._route(request)
        return None if route is None else route.needs

    def _route(self, request: web.Request) -> Route | None:
        resource = request.match_info.route.resource
        return None if resource is None else self._routes.get((request.method, resource.canonical))

    async def refusal(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request, or None: then it may go on, and `PRINCIPAL` is who asks.

        Raises:
            SignedOutError, NotAllowedError, ConfirmError: nobody signed in; not their business; too long ago.
            web.HTTPNotFound: there is no such page.
        """
        route, face = self._route(request), face_of(request.path)
        if route is not None and route.needs is Open.EVERYBODY:
            return None
        principal = await self._who(request, face)  # before "not found": what is there is nobody's business who did not sign in
        request[PRINCIPAL] = principal
        if route is None and face is Face.PAGE:
            raise web.HTTPNotFound
        if route is None:
            return problem(404, "not-found", "No hay nada así en este puerto.", "Véase `paradero --help`.")
        if not isinstance(route.needs, Permission):
            if principal.person_id is None:
                raise SignedOutError
            return None
        require(principal, route.needs, self._desk)
        if route.signs:
            lately(principal, self._desk)
        return None

    async def _who(self, request: web.Request, face: Face) -> Principal:
        if face is Face.PAGE:
            return await resolve(request.cookies.get(SESSION_COOKIE, ""), self._desk, Carrier.COOKIE)
        given = bearer(request)
        if given is None:
            raise SignedOutError
        if hmac.compare_digest(given.encode(), self._token):
            return self._machine(self._desk.clock.now())
        return await resolve(given, self._desk)

    def _machine(self, now: datetime) -> Principal:
        post = Post(Role.MACHINE, None)
        return Principal(None, None, "", self._desk.pseudonyms.actor("operator"), frozenset({post}), now, now)


def face_of(path: str) -> Face:
    """Return which face of the port a path belongs to, whether there is anything at it or not."""
    return Face.API if path.startswith(_API) else Face.PAGE


def bearer(request: web.Request) -> str | None:
    """Return the token a request carries."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else None


def people_problem(error: PeopleError) -> web.Response:
    """Return the problem of an error about people."""
    answer = problem(error.status, error.problem, str(error), error.advice)
    if isinstance(error, WaitError):
        answer.headers["Retry-After"] = str(error.seconds)
    if error.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer
