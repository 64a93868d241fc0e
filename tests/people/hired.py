"""Somebody who works at a node, made on its files by the product's own steps, for suites that are about other things."""

from dataclasses import replace
from datetime import timedelta

from gateway.config import NodeConfig
from gateway.main.first_person import _desk
from gateway.people.accounts import accept, add_person, bootstrap
from gateway.people.desk import PeopleDesk
from gateway.people.offices import NewOffice, add_office
from gateway.people.sign_in import Carrier, Knock, sign_in

ADMIN, PASSWORD = "admin.ficticia", "una clave de pruebas, larga"


class _Quick:
    """Hashes that cost nothing: these suites time other things."""

    async def hash(self, password: str) -> str:
        return f"plain:{password}"

    async def verify(self, password: str, kept: str | None) -> bool:
        return kept == f"plain:{password}"

    def outdated(self, _kept: str) -> bool:
        return False


async def _no_holidays(_country, _years):
    return frozenset()


async def hired(config: NodeConfig, *posts: str, login: str = "o.ficticia") -> str:
    """Return the token of a person with these posts, signed in for a month; makes the offices they are at."""
    async with _desk(config) as desk:
        return await hired_at(desk, *posts, login=login)


def _made_quick(desk: PeopleDesk) -> PeopleDesk:
    limits = replace(desk.limits, session=timedelta(days=30))
    return replace(desk, passwords=_Quick(), holidays=_no_holidays, limits=limits)


async def back_at(desk: PeopleDesk, login: str, carrier: Carrier = Carrier.BEARER) -> str:
    """Return a fresh token of somebody who was hired before."""
    return (await sign_in(login, PASSWORD, Knock("test", carrier=carrier), _made_quick(desk))).token


async def hired_at(
    desk: PeopleDesk, *posts: str, login: str = "o.ficticia", carrier: Carrier = Carrier.BEARER, name: str = "Ficticia"
) -> str:
    """As `hired`, at the desk of a node that is open in this process; for pages, the token of a cookie."""
    quick = _made_quick(desk)
    if not await quick.reader.people():
        await bootstrap(ADMIN, "Ficticia Administra", PASSWORD, quick)
    admin = (await sign_in(ADMIN, PASSWORD, Knock("test"), quick)).principal
    known = {str(office.code) for office in await quick.reader.offices()}
    for code in {post.partition("@")[2] for post in posts} - known - {""}:
        await add_office(NewOffice(code, "Ficticia", "Made up", "America/Guatemala", "GT"), admin, quick)
    invited = await add_person(login, name, posts, admin, quick)
    return (await accept(login, invited.code, PASSWORD, Knock("test", carrier=carrier), quick)).token
