"""People who work here: who they are, inviting them, what they are, shutting an account. An invitation is shown once.

Names and logins stand in pages and in bodies of forms, never in addresses: those carry a person's id.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from gateway.console.access import PRINCIPAL, Face, Route
from gateway.console.eyes import open_offices
from gateway.console.marking import N_
from gateway.console.network import since_in_words
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import Looks
from gateway.console.pages.once import first_time, fresh_key
from gateway.console.pages.staff_factors import DONE as FACTORS_DONE
from gateway.console.pages.staff_factors import StaffFactors
from gateway.console.staff import listed_at, post_in_words
from gateway.console.words import Words
from gateway.exchange.work import NoSuchWorkError
from gateway.people import accounts
from gateway.people.desk import PeopleDesk
from gateway.people.errors import InvalidError, NotAllowedError, PeopleError, TakenError, UnknownError
from gateway.people.ids import Login
from gateway.people.ports import Listed, Office, PersonState, Post
from gateway.people.roles import OFFICE_ROLES, Permission, Role
from gateway.people.sign_in import Principal, is_fresh

UNUSED = timedelta(days=90)
"""Whoever did not come in for so long is put before whoever looks after accounts."""
_ALL = "/administracion/personas"
_ONE = f"{_ALL}/{{person}}"
_STATES = {
    PersonState.INVITED: N_("invitada, aún sin clave"),
    PersonState.ENABLED: N_("activa"),
    PersonState.DISABLED: N_("cerrada"),
}
DONE = {
    "cerrada": N_("La cuenta está cerrada y sus sesiones terminaron."),
    "puestos": N_("Los puestos cambiaron y sus sesiones terminaron: entrará otra vez con lo nuevo."),
    **FACTORS_DONE,
    "ya": N_("Ese formulario ya se había enviado: no se hizo otra vez. Si no vio la invitación, dé otra."),
}


Inviting = Callable[[str, Principal, PeopleDesk], Awaitable[accounts.Invited]]


class NoSuchPersonError(NoSuchWorkError):
    """Nobody here has that id, or whoever asks may not see them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One person as lists show them."""

    address: str
    name: str
    login: str
    state: str
    posts: tuple[str, ...]
    last: str


@dataclass(frozen=True, slots=True)
class _Given:
    """What a form for somebody new says."""

    name: str = ""
    login: str = ""
    posts: tuple[str, ...] = ()


class StaffPages:
    """The handlers."""

    def __init__(self, looks: Looks, desk: PeopleDesk) -> None:
        self._looks = looks
        self._desk = desk
        self._factors = StaffFactors(looks, desk, self._person, self._page)

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        read, manage = Permission.PEOPLE_READ, Permission.PEOPLE_MANAGE
        return (
            Route("GET", _ALL, self._list, read, Face.PAGE),
            Route("GET", f"{_ALL}/nueva", self._new, manage, Face.PAGE),
            Route("POST", f"{_ALL}/nueva", self._add, manage, Face.PAGE),
            Route("GET", _ONE, self._show, read, Face.PAGE),
            Route("POST", f"{_ONE}/invitar", self._invite, manage, Face.PAGE),
            Route("POST", f"{_ONE}/abrir", self._enable, manage, Face.PAGE),
            Route("POST", f"{_ONE}/cerrar", self._disable, manage, Face.PAGE),
            Route("POST", f"{_ONE}/puestos", self._posts, manage, Face.PAGE),
            *self._factors.routes(_ONE),
        )

    # -- looking -------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        told, now = self._looks.words(request), self._desk.clock.now()
        offices, people = await self._desk.reader.offices(), await self._visible(request)
        rows = [(item, self._row(item, offices, now, told)) for item in people]
        return await self._looks.page(
            request,
            "admin_personas.html",
            rows=[row for _, row in rows],
            review=[(row, why) for item, row in rows for why in _review(item, offices, now, told)],
            may_manage=request[PRINCIPAL].may(Permission.PEOPLE_MANAGE),
        )

    async def _visible(self, request: web.Request) -> list[Listed]:
        return listed_at(await self._desk.reader.people(), request[PRINCIPAL].offices(Permission.PEOPLE_READ))

    def _row(self, item: Listed, offices: Sequence[Office], now: datetime, told: Words) -> Row:
        return Row(
            address=f"{_ALL}/{item.person.person_id}",
            name=item.person.name,
            login=str(item.person.login),
            state=told.gettext(_STATES[item.person.state]),
            posts=tuple(post_in_words(post, offices, told) for post in item.posts),
            last=since_in_words(item.person.signed_in_at, now, told),
        )

    async def _show(self, request: web.Request) -> web.Response:
        return await self._page(request, "", 200)

    async def _page(self, request: web.Request, error: str, status: int) -> web.Response:
        told, now, item = self._looks.words(request), self._desk.clock.now(), await self._person(request)
        offices, principal = await self._desk.reader.offices(), request[PRINCIPAL]
        return await self._looks.page(
            request,
            "admin_persona.html",
            status=status,
            row=self._row(item, offices, now, told),
            person=item.person,
            state=item.person.state.value,
            posts=self._choices([str(post) for post in item.posts], await open_offices(self._desk), told),
            own=item.person.person_id == principal.person_id,
            may_manage=principal.may(Permission.PEOPLE_MANAGE),
            fresh=is_fresh(principal, self._desk),
            key=fresh_key(self._desk),
            held=await self._desk.reader.held(item.person.person_id),
            done=told.gettext(DONE[request.query["hecho"]]) if request.query.get("hecho") in DONE else "",
            error=error,
        )

    async def _person(self, request: web.Request) -> Listed:
        wanted = request.match_info["person"]
        found = next((item for item in await self._visible(request) if item.person.person_id == wanted), None)
        if found is None:
            raise NoSuchPersonError("no such person")
        return found

    # -- somebody new --------------------------------------------------------------------------------------------------

    async def _new(self, request: web.Request) -> web.Response:
        return await self._form(request, _Given(), ())

    async def _form(self, request: web.Request, given: _Given, wrong: Sequence[tuple[str, str]]) -> web.Response:
        told = self._looks.words(request)
        return await self._looks.page(
            request,
            "admin_persona_nueva.html",
            status=422 if wrong else 200,
            given=given,
            posts=self._choices(given.posts, await open_offices(self._desk), told),
            wrong=wrong,
            key=fresh_key(self._desk),
        )

    def _choices(self, chosen: Sequence[str], offices: Sequence[Office], told: Words) -> list[tuple[str, str, bool]]:
        """Return every post there is: (its text, its name, whether it is chosen)."""
        every = [Post(role, None) for role in Role if role not in OFFICE_ROLES and role is not Role.MACHINE]
        every += [Post(role, office.code) for office in offices for role in Role if role in OFFICE_ROLES]
        return [(str(post), post_in_words(post, offices, told), str(post) in chosen) for post in every]

    async def _add(self, request: web.Request) -> web.Response:
        form, told = request[FORM], self._looks.words(request)
        given = _Given(form.text("nombre"), form.text("usuario"), form.every("puesto"))
        wrong = _wrong_parts(given, told)
        if wrong:
            return await self._form(request, given, wrong)
        if not await first_time(request, self._desk):
            return _to(_ALL, "ya")
        try:
            found = await accounts.add_person(given.login, given.name, given.posts, request[PRINCIPAL], self._desk)
        except (TakenError, InvalidError, UnknownError) as error:
            return await self._form(request, given, [_why_not_added(error, told)])
        return await self._invitation(request, found, given.name)

    async def _invitation(self, request: web.Request, found: accounts.Invited, name: str) -> web.Response:
        # Shown by this answer and by no other: a code that stood in an address would stay in histories and logs.
        return await self._looks.page(request, "admin_invitacion.html", found=found, name=name)

    # -- what changes of somebody --------------------------------------------------------------------------------------

    async def _invite(self, request: web.Request) -> web.Response:
        return await self._hand_over(request, accounts.invite)

    async def _enable(self, request: web.Request) -> web.Response:
        return await self._hand_over(request, accounts.enable)

    async def _hand_over(self, request: web.Request, act: Inviting) -> web.Response:
        item = await self._person(request)
        if not await first_time(request, self._desk):
            return _to(f"{_ALL}/{item.person.person_id}", "ya")
        try:
            found = await act(item.person.login, request[PRINCIPAL], self._desk)
        except (TakenError, NotAllowedError) as error:
            return await self._page(request, _why_not(error, self._looks.words(request)), error.status)
        return await self._invitation(request, found, item.person.name)

    async def _disable(self, request: web.Request) -> web.Response:
        item = await self._person(request)
        if item.person.state is not PersonState.DISABLED:
            try:
                await accounts.disable(item.person.login, request[PRINCIPAL], self._desk)
            except NotAllowedError as error:
                return await self._page(request, _why_not(error, self._looks.words(request)), error.status)
        return _to(f"{_ALL}/{item.person.person_id}", "cerrada")

    async def _posts(self, request: web.Request) -> web.Response:
        item, told = await self._person(request), self._looks.words(request)
        try:
            await accounts.set_posts(item.person.login, request[FORM].every("puesto"), request[PRINCIPAL], self._desk)
        except (InvalidError, UnknownError, NotAllowedError) as error:
            return await self._page(request, _why_not(error, told), error.status if error.status != 404 else 422)
        return _to(f"{_ALL}/{item.person.person_id}", "puestos")


def _to(path: str, done: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"{path}?hecho={done}"})


def _review(item: Listed, offices: Sequence[Office], now: datetime, told: Words) -> list[str]:
    """Return why somebody should look at an account: nobody uses it, its office is closed, or it is for nothing."""
    person = item.person
    if person.state is PersonState.DISABLED:
        return []
    closed = {office.code for office in offices if office.closed_at is not None}
    since = person.signed_in_at or person.created_at
    reasons = [
        (not item.posts, N_("no tiene ningún puesto")),
        (any(post.office in closed for post in item.posts if post.office), N_("su oficina está cerrada")),
        (person.state is PersonState.INVITED and now - since > timedelta(days=7), N_("se invitó y no ha entrado")),
        (person.state is PersonState.ENABLED and now - since > UNUSED, N_("hace más de 90 días que no entra")),
    ]
    return [told.gettext(text) for holds, text in reasons if holds]


def _wrong_parts(given: _Given, told: Words) -> list[tuple[str, str]]:
    wrong = []
    if not given.name or len(given.name) > 120 or not given.name.isprintable():
        wrong.append(("nombre", told.gettext("Escriba el nombre de la persona, en una línea.")))
    try:
        Login(given.login)
    except ValueError:
        wrong.append(
            ("usuario", told.gettext("El usuario lleva minúsculas sin tilde y cifras, unidas con punto o guion: a.garcia."))
        )
    try:
        accounts.parse_posts(given.posts)
    except InvalidError:
        wrong.append(("puestos", told.gettext(_APART)))
    else:
        wrong += [] if given.posts else [("puestos", told.gettext("Elija al menos un puesto."))]
    return wrong


_APART = N_("Esos puestos no pueden ser de una misma persona: quien administra el nodo o audita no trabaja casos.")


def _why_not_added(error: PeopleError, told: Words) -> tuple[str, str]:
    if isinstance(error, TakenError):
        why = N_("Ese usuario es o fue de alguien. Si es la misma persona, abra su cuenta; si es otra, elija otro usuario.")
        return "usuario", told.gettext(why)
    if isinstance(error, UnknownError):
        return "puestos", told.gettext("Una de esas oficinas ya no está abierta.")
    return "nombre", told.gettext("Escriba el nombre de la persona, en una línea.")


def _why_not(error: PeopleError, told: Words) -> str:
    match error:
        case NotAllowedError():
            return told.gettext("Nadie decide sobre su propia cuenta. Pídaselo a otra persona que administre el nodo.")
        case TakenError():
            return told.gettext("La cuenta ya no está como cuando abrió esta página. Mírela otra vez; no se hizo nada.")
        case UnknownError():
            return told.gettext("Una de esas oficinas ya no está abierta.")
        case _:
            return told.gettext(_APART)
