"""Who may use which route of the private port. A route says what it needs; one that does not, does not start (SPEC 13.2)."""

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
from gateway.people.sign_in import Principal, require, resolve

PRINCIPAL = web.RequestKey("principal", Principal)


class Open(Enum):
    """Needs that are not a permission."""

    EVERYBODY = "everybody"
    """Whoever reaches the port: health, metrics, and the two ways to come in."""
    ANYBODY_SIGNED_IN = "anybody signed in"
    """A person, whatever they are: to look who they are, to go out, to change their own password."""


Needs = Permission | Open


@dataclass(frozen=True, slots=True)
class Route:
    """One route and what it needs."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    needs: Needs


class Doorkeeper:
    """Decides on every request of the private port before its handler runs."""

    def __init__(self, desk: PeopleDesk, *, token: str) -> None:
        self._desk = desk
        self._token = token.encode()
        self._needs: dict[tuple[str, str], Needs] = {}

    def admit(self, routes: Sequence[Route], application: web.Application) -> None:
        """Put routes into an application.

        Raises:
            RuntimeError: one does not say what it needs, or two are the same; the port does not start.
        """
        for route in routes:
            declared = isinstance(route.needs, Permission | Open)
            if not declared:
                raise RuntimeError(f"{route.method} {route.path} does not say what it needs")
            if (route.method, route.path) in self._needs:
                raise RuntimeError(f"{route.method} {route.path} is there twice")
            self._needs[route.method, route.path] = route.needs
            application.router.add_route(route.method, route.path, route.handler)

    def check(self, application: web.Application) -> None:
        """See to it that nothing else is served.

        Raises:
            RuntimeError: a route came in another way.
        """
        for route in application.router.routes():
            if route.resource is None or (route.method, route.resource.canonical) not in self._needs:
                raise RuntimeError(f"{route.method} of {route.resource} was not admitted")

    async def refusal(self, request: web.Request) -> web.Response | None:
        """Return the refusal of a request, or None: then it may go on, and `PRINCIPAL` is who asks.

        Raises:
            SignedOutError, NotAllowedError, ConfirmError: nobody signed in; not their business; too long ago.
        """
        resource = request.match_info.route.resource
        needs = None if resource is None else self._needs.get((request.method, resource.canonical))
        if needs is Open.EVERYBODY:
            return None
        principal = await self._who(request)  # before "not found": what is there is nobody's business who did not sign in
        if needs is None:
            return problem(404, "not-found", "No hay nada así en este puerto.", "Véase `paradero --help`.")
        if isinstance(needs, Permission):
            require(principal, needs, self._desk)
        elif principal.person_id is None:
            raise SignedOutError
        request[PRINCIPAL] = principal
        return None

    async def _who(self, request: web.Request) -> Principal:
        given = bearer(request)
        if given is None:
            raise SignedOutError
        if hmac.compare_digest(given.encode(), self._token):
            return self._machine(self._desk.clock.now())
        return await resolve(given, self._desk)

    def _machine(self, now: datetime) -> Principal:
        post = Post(Role.MACHINE, None)
        return Principal(None, None, "", self._desk.pseudonyms.actor("operator"), frozenset({post}), now, now)


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
