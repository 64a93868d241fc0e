"""What this node keeps in a browser: a session, the mark of the device, a step under way. No script reads it."""

from datetime import timedelta

from aiohttp import web

from gateway.console.access import SESSION_COOKIE
from gateway.people.sign_in import Carrier, SignedIn, session_digest

DEVICE_COOKIE = "__Host-paradero-equipo"
STEP_COOKIE = "__Host-paradero-paso"
_DEVICE = timedelta(days=180)
_STEP = timedelta(minutes=10)
_CLEARED = '"cache", "storage"'


def keep(answer: web.Response, name: str, value: str, seconds: int | None) -> None:
    """Give something to the browser; until it closes where no time is given, away with it at 0."""
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Strict")


def keep_session(answer: web.Response, found: SignedIn) -> None:
    """Give the session to the browser, until it closes; and the mark of a device somebody came in from before."""
    keep(answer, SESSION_COOKIE, found.token, None)
    keep(answer, DEVICE_COOKIE, found.device, int(_DEVICE.total_seconds()))


def keep_step(answer: web.Response, step: str) -> None:
    """Give a step under way to the browser."""
    keep(answer, STEP_COOKIE, step, int(_STEP.total_seconds()))


def end_step(answer: web.Response) -> None:
    """Take a step away from the browser."""
    keep(answer, STEP_COOKIE, "", 0)


def forget_session(answer: web.Response) -> None:
    """Take the session away from the browser, and what pages of it there may be on a shared machine."""
    keep(answer, SESSION_COOKIE, "", 0)
    answer.headers["Clear-Site-Data"] = _CLEARED


def session_of(request: web.Request) -> bytes:
    """Return what the session of whoever asks is kept by: steps that are under way in it are bound to this.

    Raises:
        SignedOutError: the browser holds none.
    """
    return session_digest(request.cookies.get(SESSION_COOKIE, ""), Carrier.COOKIE)
