"""Forms: read whole and bounded, and believed only when a page of ours, of this very session, sent them."""

import hmac
from asyncio import IncompleteReadError
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from contracts.codec import b64u_encode
from gateway.console.access import SESSION_COOKIE
from gateway.web import Watch

LIMIT = 256 * 1024
_FIELDS = 600
TOKEN = "ficha"  # noqa: S105 - the name of a form's field


class StaleFormError(Exception):
    """The form is of another session, or none of ours: nothing was done."""


class ForeignFormError(Exception):
    """Another site's page sent it: nothing was done."""


class BadFormError(Exception):
    """It is no form, or too long: nothing was done."""


class Form:
    """What somebody filled in. A field that is not there is empty; nothing here is trusted."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """Return a field's text without blanks around it."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """Return a field's text exactly: for passwords."""
        return next(iter(self._fields.get(name, ())), "")

    def lines(self, name: str) -> str:
        """Return each value of a field on a line of its own: of what is chosen from a list, all that was."""
        return "\n".join(self.every(name)).strip()

    def names(self) -> tuple[str, ...]:
        """Return which fields there are."""
        return tuple(self._fields)

    def every(self, name: str) -> tuple[str, ...]:
        """Return each value of a field that can be there more than once."""
        return tuple(self._fields.get(name, ()))


FORM = web.RequestKey("form", Form)


def from_our_page(request: web.Request) -> bool:
    """Return whether a browser says that a page of this very port sent the request (ASVS 3.5.1, 3.5.3).

    Our pages send no referrer, so their forms' `Origin` may read ``null``; `Sec-Fetch-Site` then says where they are from.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "null")
    if site is not None and site != "same-origin":
        return False
    if origin == "null":
        return site == "same-origin"
    return urlsplit(origin).netloc == request.host


def token_of(session: str) -> str:
    """Return what each form of a session carries. Nobody who does not hold the session's token can make it."""
    return b64u_encode(hmac.new(session.encode(), b"form", sha256).digest())


async def read_form(request: web.Request, watch: Watch) -> Form:
    """Return what a request carries.

    Raises:
        BadFormError: it is no form, or too long.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadFormError
    try:
        await request.content.readexactly(LIMIT + 1)
        raise BadFormError
    except IncompleteReadError as whole:
        data = whole.partial
    watch.body_read(request)
    try:
        fields = parse_qs(data.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except ValueError:
        raise BadFormError from None
    if any("\0" in value for values in fields.values() for value in values):
        raise BadFormError
    return Form({name: [value.replace("\r\n", "\n") for value in values] for name, values in fields.items()})


def check_token(request: web.Request, form: Form) -> None:
    """See to it that a form is of the session that sends it.

    Raises:
        StaleFormError: it is not.
    """
    session = request.cookies.get(SESSION_COOKIE, "")
    if not session or not hmac.compare_digest(form.raw(TOKEN).encode(), token_of(session).encode()):
        raise StaleFormError
