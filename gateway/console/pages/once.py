"""Forms whose effect must follow once, whatever is sent again on a bad line."""

from hashlib import sha256

from aiohttp import web

from gateway.console.access import PRINCIPAL
from gateway.console.pages.forms import FORM
from gateway.people.desk import PeopleDesk


def fresh_key(desk: PeopleDesk) -> str:
    """Return what tells one form from every other."""
    return desk.randomness.token(16).hex()


async def first_time(request: web.Request, desk: PeopleDesk) -> bool:
    """Return whether this very form came for the first time; then its effect may follow, once.

    That somebody sent it is noted as their yes to it: one person, one form, one row, whatever is sent again.
    """
    key, person_id = request[FORM].raw("vez"), request[PRINCIPAL].person_id
    if not key or person_id is None:
        return False
    subject = f"form {sha256(f'{request.path} {key}'.encode()).hexdigest()}"
    async with desk.begin() as work:
        return await work.approvals.give(subject, person_id, now=desk.clock.now())
