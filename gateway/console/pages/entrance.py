"""Coming in and going out, one's own account, the language: by the steps of `gateway.people`, with a cookie for a token."""

import re
from datetime import timedelta

from aiohttp import web

from gateway.console.access import PRINCIPAL, SESSION_COOKIE, Face, Open, Route
from gateway.console.marking import N_
from gateway.console.pages.cookies import (
    DEVICE_COOKIE,
    STEP_COOKIE,
    end_step,
    forget_session,
    keep,
    keep_session,
    keep_step,
)
from gateway.console.pages.forms import FORM
from gateway.console.pages.looks import LANGUAGE_COOKIE, Looks
from gateway.console.pages.refusals import refusal
from gateway.console.words import LANGUAGES
from gateway.people.accounts import SHORTEST, accept
from gateway.people.desk import PeopleDesk
from gateway.people.errors import (
    CodeNeededError,
    InvalidError,
    PeopleError,
    StepOverError,
    WaitError,
    WrongCodeError,
    WrongCredentialsError,
)
from gateway.people.factor_ports import Method
from gateway.people.own_factors import whose
from gateway.people.roles import Permission
from gateway.people.sign_in import Carrier, Knock, SignedIn, finish, sign_in, sign_out

_YEAR = int(timedelta(days=365).total_seconds())
_PART = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*"
_OURS = re.compile(rf"/(?:{_PART}(?:/{_PART})*)?")


_BAD_PASSWORD = N_("Esa clave no sirve: use %(shortest)s caracteres o más, que no sean su usuario ni la clave de antes.")


_TOLD = {
    "salio": N_("Usted salió. En un equipo compartido, cierre también esta ventana."),
    "otra": N_("Ese paso tardó demasiado o empezó en otra ventana. Empiece otra vez."),
    "cambiada": N_("Su clave cambió y todas sus sesiones terminaron. Entre con la nueva."),
    "no-era": N_("Ésa no era su clave de antes: no cambió nada, y todas sus sesiones terminaron. Entre y pruebe otra vez."),
}
"""What whoever is sent to the door reads there."""


class UnlikeError(InvalidError):
    """The new password was not typed twice alike."""

    def __init__(self) -> None:
        super().__init__("")


_WHY: tuple[tuple[type[PeopleError], str], ...] = (
    (
        WrongCodeError,
        N_("Ese código no es, o ya se usó. Espere al siguiente de su aplicación, o use un código de recuperación."),
    ),
    (CodeNeededError, N_("Escriba también el código de su aplicación, o uno de recuperación.")),
    (
        WrongCredentialsError,
        N_(
            "El usuario, la clave o la invitación no son, o ya no sirven. Escríbalos otra vez; si olvidó su clave, "
            "la administración del nodo le da una invitación nueva."
        ),
    ),
    (UnlikeError, N_("Las dos claves nuevas no son iguales.")),
)


class Entrance:
    """The handlers."""

    def __init__(self, looks: Looks, desk: PeopleDesk) -> None:
        self._looks = looks
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        """Return every route with what it needs."""
        return (
            Route("GET", "/", self._home, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("GET", "/entrar", self._door, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/entrar", self._sign_in, Open.EVERYBODY, Face.PAGE),
            Route("GET", "/invitacion", self._invited, Open.EVERYBODY, Face.PAGE),
            Route("GET", "/entrar/codigo", self._code, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/entrar/codigo", self._finish, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/invitacion", self._accept, Open.EVERYBODY, Face.PAGE),
            Route("POST", "/idioma", self._language, Open.EVERYBODY, Face.PAGE),
            Route("GET", "/confirmar", self._confirmation, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/confirmar", self._confirm, Open.ANYBODY_SIGNED_IN, Face.PAGE),
            Route("POST", "/salir", self._sign_out, Open.ANYBODY_SIGNED_IN, Face.PAGE),
        )

    async def _home(self, request: web.Request) -> web.Response:
        principal = request[PRINCIPAL]
        works = (
            (Permission.WORK_READ, "/bandeja"),
            (Permission.REPORTS_SEND, "/reportes"),
            (Permission.ERASURE_RUN, "/administracion"),
            (Permission.OVERSIGHT_READ, "/auditoria"),
            (Permission.ERASURE_READ, "/administracion"),
        )
        return to(next((page for needs, page in works if principal.may(needs)), "/cuenta"))

    # -- coming in -----------------------------------------------------------------------------------------------------

    async def _door(self, request: web.Request) -> web.Response:
        told = next((self._looks.words(request).gettext(_TOLD[name]) for name in request.query if name in _TOLD), "")
        return await self._looks.page(request, "entrar.html", next=after(request), login="", error="", told=told)

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = request[FORM]
        login, password = form.text("usuario"), form.raw("clave")
        try:
            found = await sign_in(login, password, knock_of(request), self._desk)
        except CodeNeededError as half:
            return on_to_code(half, ours(form.text("sigue")))
        except (WrongCredentialsError, WaitError) as error:
            said = {"next": ours(form.text("sigue")), "login": login, "error": self.why(error, request), "told": ""}
            return _late(await self._looks.page(request, "entrar.html", status=error.status, **said), error)
        return came_in(found, ours(form.text("sigue")))

    async def _code(self, request: web.Request) -> web.Response:
        return await self._looks.page(request, "codigo.html", next=after(request), error="")

    async def _finish(self, request: web.Request) -> web.Response:
        form, step = request[FORM], request.cookies.get(STEP_COOKIE, "")
        try:
            found = await finish(step, form.raw("codigo"), knock_of(request), self._desk)
        except StepOverError:
            return to("/entrar?otra=vez")
        except (WrongCredentialsError, WaitError) as error:
            said = {"next": ours(form.text("sigue")), "error": self.why(error, request)}
            return _late(await self._looks.page(request, "codigo.html", status=error.status, **said), error)
        return came_in(found, ours(form.text("sigue")))

    async def _invited(self, request: web.Request) -> web.Response:
        return await self._looks.page(request, "invitacion.html", login="", error="", shortest=SHORTEST)

    async def _accept(self, request: web.Request) -> web.Response:
        form = request[FORM]
        login, code, password = form.text("usuario"), form.text("codigo"), form.raw("clave")
        try:
            if password != form.raw("otra-vez"):
                raise UnlikeError
            found = await accept(login, code, password, knock_of(request), self._desk)
        except CodeNeededError as half:
            return on_to_code(half, "/")
        except (WrongCredentialsError, WaitError, InvalidError) as error:
            said = {"login": login, "error": self.why(error, request), "shortest": SHORTEST}
            return _late(await self._looks.page(request, "invitacion.html", status=error.status, **said), error)
        return came_in(found, "/")

    async def _confirmation(self, request: web.Request) -> web.Response:
        return await self._confirmation_page(request, after(request), "", 200)

    async def _confirmation_page(self, request: web.Request, path: str, error: str, status: int) -> web.Response:
        held = await self._desk.reader.held(whose(request[PRINCIPAL]))
        return await self._looks.page(request, "confirmar.html", status=status, next=path, held=held, error=error)

    async def _confirm(self, request: web.Request) -> web.Response:
        form = request[FORM]
        try:
            found = await self.confirmed(request)
        except (WrongCredentialsError, CodeNeededError, WaitError) as error:
            why = self.why(error, request)
            return _late(await self._confirmation_page(request, ours(form.text("sigue")), why, unsigned(error)), error)
        answer = to(ours(form.text("sigue")))
        keep_session(answer, found)
        return answer

    async def confirmed(self, request: web.Request) -> SignedIn:
        """Return a new session of the person who holds this one: the form has their password, and a code if they have one.

        Raises:
            WrongCredentialsError, CodeNeededError, WaitError: it is not theirs; there is no code; too many failures.
        """
        form, login = request[FORM], request[PRINCIPAL].login or ""
        return await sign_in(login, form.raw("clave"), knock_of(request), self._desk, form.raw("codigo"))

    # -- being in ------------------------------------------------------------------------------------------------------

    async def _sign_out(self, request: web.Request) -> web.Response:
        await sign_out(request.cookies[SESSION_COOKIE], self._desk, Carrier.COOKIE)
        answer = to("/entrar?salio=si")
        forget_session(answer)
        return answer

    async def _language(self, request: web.Request) -> web.Response:
        chosen = request[FORM].text("idioma")
        answer = to(ours(request[FORM].text("sigue")))
        if chosen in LANGUAGES:
            keep(answer, LANGUAGE_COOKIE, chosen, _YEAR)
        return answer

    def why(self, error: PeopleError, request: web.Request) -> str:
        """Return why somebody did not come in, in their language."""
        told = self._looks.words(request)
        if isinstance(error, WaitError):
            found = refusal(error, None, told)
            return f"{found.title}. {found.text}"
        text = next((said for kind, said in _WHY if isinstance(error, kind)), _BAD_PASSWORD)
        return told.gettext(text) % {"shortest": SHORTEST}


def unsigned(error: PeopleError) -> int:
    """Return the status of a wrong password of somebody who is signed in, and stays so: 401 would say they are not."""
    return 422 if isinstance(error, WrongCredentialsError | CodeNeededError) else error.status


def knock_of(request: web.Request) -> Knock:
    """Return who wants to come in, as far as a browser says it."""
    device, earlier = request.cookies.get(DEVICE_COOKIE), request.cookies.get(SESSION_COOKIE)
    return Knock(request.remote or "local", device, earlier, Carrier.COOKIE)


def came_in(found: SignedIn, path: str) -> web.Response:
    """Return the way on of somebody who came in; who used up a recovery code is told so first."""
    answer = to("/cuenta" if found.principal.method is Method.RECOVERY else path)
    keep_session(answer, found)
    end_step(answer)
    return answer


def ours(path: str) -> str:
    """Return a path of this port to go on to; the first page for anything else."""
    return path if _OURS.fullmatch(path) else "/"


def after(request: web.Request) -> str:
    """Return where somebody was going when they were asked who they are."""
    return ours(request.query.get("sigue", "/"))


def to(path: str) -> web.Response:
    """Return the way to a page."""
    return web.Response(status=303, headers={"Location": path})


def on_to_code(half: CodeNeededError, path: str) -> web.Response:
    """Return the way on of somebody whose first proof was right."""
    answer = to("/entrar/codigo" + ("" if path == "/" else f"?sigue={path}"))
    keep_step(answer, half.step)
    return answer


def _late(answer: web.Response, error: PeopleError) -> web.Response:
    if isinstance(error, WaitError):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer
