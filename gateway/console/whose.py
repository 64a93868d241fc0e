"""Who asks, as somebody who works at offices; and by whose clock their work runs."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from aiohttp import web

from contracts.ids import ActorPseudonym, Code
from gateway.console.eyes import eyes_of
from gateway.console.requests import by_of
from gateway.exchange.work import Worker
from gateway.people.desk import PeopleDesk
from gateway.people.ports import Office
from gateway.people.roles import Permission

GUATEMALA = ZoneInfo("America/Guatemala")


async def worker(request: web.Request, permission: Permission, desk: PeopleDesk) -> Worker:
    """Return who asks as somebody who works at the offices where they hold a permission.

    Raises:
        SignedOutError: it is the node's machine, which is nobody.
    """
    by, eyes = by_of(request), await eyes_of(request, permission, desk)
    mine, known = frozenset(map(Code, eyes.offices)), frozenset(map(Code, eyes.known))
    return Worker(by.person, ActorPseudonym(by.actor), mine, eyes.unclaimed, known)


def zone_of(code: str | None, offices: Sequence[Office]) -> ZoneInfo:
    """Return the time zone of an office; the capital's for what is at none."""
    found = next((office.zone for office in offices if office.code == code), None)
    return GUATEMALA if found is None else ZoneInfo(found)
