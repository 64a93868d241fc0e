"""Whose work the person who asks may see: that of the offices they have a post at, or of the whole node (SPEC 13.2, 19.1)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from contracts.calendars import OfficeCalendar
from contracts.ids import Code
from gateway.console.access import PRINCIPAL
from gateway.console.work_words import is_over
from gateway.exchange.departing import NoSuchDepartureError
from gateway.people.desk import PeopleDesk
from gateway.people.offices import calendar_at
from gateway.people.ports import Office, Post
from gateway.people.roles import PERMISSIONS, Permission
from gateway.storage.read_models import ReadModels
from gateway.storage.seeing import Seen
from gateway.web import Handler


async def open_offices(desk: PeopleDesk) -> list[Office]:
    """Return the offices that are open."""
    return [office for office in await desk.reader.offices() if office.closed_at is None]


def eyes_at(request: web.Request, permission: Permission, offices: Sequence[Office]) -> Seen:
    """Return whose work they see who ask with this permission."""
    return _eyes(request[PRINCIPAL].offices(permission), offices)


def eyes_for(posts: Iterable[Post], permission: Permission, offices: Sequence[Office]) -> Seen:
    """Return whose work somebody sees who holds these posts at offices."""
    return _eyes(frozenset(post.office for post in posts if post.role in PERMISSIONS[permission] and post.office), offices)


def _eyes(places: frozenset[Code] | None, offices: Sequence[Office]) -> Seen:
    known = frozenset(office.code for office in offices)
    mine = known if places is None else places & known
    return Seen(mine, known, unclaimed=any(office.takes_inbox and office.code in mine for office in offices))


async def eyes_of(request: web.Request, permission: Permission, desk: PeopleDesk) -> Seen:
    """As `eyes_at`, with the offices there are now."""
    return eyes_at(request, permission, await open_offices(desk))


def only_office(offices: Collection[str]) -> Code | None:
    """Return the office somebody acts for who works at one alone; None where only they could say which."""
    return Code(next(iter(offices))) if len(offices) == 1 else None


async def calendar_here(request: web.Request, permission: Permission, desk: PeopleDesk) -> OfficeCalendar | None:
    """Return by whose calendar what they ask for is due: their only office's, else that of the one that takes new work."""
    return await calendar_at(only_office((await eyes_of(request, permission, desk)).offices), desk)


def may_pass_on(request: web.Request, item: Mapping[str, Any] | None) -> bool:
    """Return whether whoever asks may give a piece of work to somebody else: heads of office may, while it is not over."""
    return item is not None and not is_over(item) and request[PRINCIPAL].may(Permission.WORK_MOVE)


def of_ones_own(
    handler: Handler, named: Callable[[web.Request], str], permission: Permission, models: ReadModels, desk: PeopleDesk
) -> Handler:
    """Return the handler of what waits, for those whose office has it or who prepared it; `named` is which one is asked for.

    Of another office's nobody is told that it is there: the handler raises NoSuchDepartureError.
    """

    async def looked(request: web.Request) -> web.StreamResponse:
        eyes = await eyes_of(request, permission, desk)
        if await models.departure_hidden(named(request), eyes, actor=str(request[PRINCIPAL].actor)):
            raise NoSuchDepartureError("the work of another office")
        return await handler(request)

    return looked
