"""Who works here, as pages need them: names for pseudonyms, posts in words, and who may be given a piece of work."""

from collections.abc import Sequence

from contracts.ids import Code
from gateway.console.eyes import open_offices
from gateway.console.words import Words
from gateway.exchange.work import Worker
from gateway.people.desk import PeopleDesk
from gateway.people.ports import Listed, Office, PersonState, Post
from gateway.people.roles import PERMISSIONS, ROLE_NAMES, Permission


async def names_of(desk: PeopleDesk) -> dict[str, str]:
    """Return the name of everybody who works or worked here, by what leaves call them."""
    return {str(desk.pseudonym(item.person.person_id)): item.person.name for item in await desk.reader.people()}


def office_in_words(code: str | None, offices: Sequence[Office], told: Words) -> str:
    """Return what an office is called; of work that no office has, that nobody has it."""
    office = next((item for item in offices if item.code == code), None)
    return told.gettext("sin asignar") if office is None else office.name(told.lang)


def post_in_words(post: Post, offices: Sequence[Office], told: Words) -> str:
    """Return what somebody is, and at which office."""
    role = ROLE_NAMES[post.role][told.lang == "en"]
    if post.office is None:
        return role
    office = next((item for item in offices if item.code == post.office), None)
    return f"{role} · {post.office if office is None else office.name(told.lang)}"


def listed_at(people: Sequence[Listed], places: frozenset[Code] | None) -> list[Listed]:
    """Return who has a post at one of these offices; everybody, for the whole node."""
    return [item for item in people if places is None or any(post.office in places for post in item.posts if post.office)]


async def takers(office: str | None, by: Worker, desk: PeopleDesk) -> list[Listed]:
    """Return who may be given work of an office: who takes work there; of work no office has, at one of the giver's offices."""
    roles, places = PERMISSIONS[Permission.WORK_TAKE], {office} if office in by.known else set(by.offices)
    return [
        item
        for item in await desk.reader.people()
        if item.person.state is PersonState.ENABLED and any(post.role in roles and post.office in places for post in item.posts)
    ]


async def worker_of(item: Listed, desk: PeopleDesk) -> Worker:
    """Return somebody as who works at the offices where they may take work."""
    offices = await open_offices(desk)
    roles, known = PERMISSIONS[Permission.WORK_TAKE], frozenset(Code(str(office.code)) for office in offices)
    mine = frozenset(post.office for post in item.posts if post.role in roles and post.office in known)
    places = frozenset(Code(str(office)) for office in mine)
    unclaimed = any(office.takes_inbox and office.code in places for office in offices)
    return Worker(item.person.person_id, desk.pseudonym(item.person.person_id), places, unclaimed, known)
