"""Who may read whose audit, what is written down before they do, and what of it is sealed."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.console.access import PRINCIPAL
from gateway.console.eyes import eyes_of
from gateway.console.operations import Operations
from gateway.console.pages.looks import Looks
from gateway.console.words import Words
from gateway.people.desk import PeopleDesk
from gateway.people.roles import Permission
from gateway.storage.log import LoggedLeaf

ROWS = 25
MONTHS = 24
READ = Permission.OVERSIGHT_READ
LAST_PAGE = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its cells in the order of the columns; `address` is where its proof is, empty while there is none."""

    cells: tuple[str, ...]
    address: str
    proof: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A question that was asked, and a page of its answer. `total` is None where it is not counted."""

    title: str
    told: str
    columns: tuple[str, ...]
    rows: Sequence[Row]
    total: int | None


class AuditDesk:
    """What each page of the audit needs to know of whoever asks and of what is sealed."""

    def __init__(self, looks: Looks, operations: Operations, desk: PeopleDesk) -> None:
        self.looks, self.operations, self.desk = looks, operations, desk

    async def noted(self, request: web.Request, what: str) -> None:
        """Write into the log what is about to be read."""
        await self.desk.record(f"audit.read {what}", actor=request[PRINCIPAL].actor)

    def own(self, request: web.Request) -> frozenset[str] | None:
        """Return the offices whose audit they may read; None: the whole node's."""
        places = request[PRINCIPAL].offices(READ)
        return None if places is None else frozenset(map(str, places))

    async def may_see(self, request: web.Request, threads: Sequence[str]) -> bool:
        """Return whether all of these threads are the work of offices whose audit they may read."""
        if self.own(request) is None:
            return True
        eyes = await eyes_of(request, READ, self.desk)
        return bool(threads) and not [one for one in threads if await self.operations.work.case_hidden(one, eyes)]

    async def offices(self, told: Words) -> dict[str, str]:
        """Return every office's name by its code."""
        return {str(office.code): office.name(told.lang) for office in await self.desk.reader.offices()}

    async def posts(self, told: Words) -> dict[str, str]:
        """Return the offices of everybody who works here, by the pseudonym the log has of them."""
        names, found = await self.offices(told), {}
        for listed in await self.desk.reader.people():
            places = sorted({names.get(str(post.office), str(post.office)) for post in listed.posts if post.office})
            found[str(self.desk.pseudonym(listed.person.person_id))] = ", ".join(places) or told.gettext("el nodo")
        return found

    async def sealed(self, leaves: Sequence[LoggedLeaf], told: Words) -> list[tuple[str, str]]:
        """Return (address, proof in words) of entries: their place, and whether a signed checkpoint covers it."""
        heads = {epoch: await self.operations.log.head(epoch) for epoch in {leaf.epoch for leaf in leaves}}
        said = []
        for leaf in leaves:
            head, place = heads[leaf.epoch], {"place": leaf.index}
            if head is not None and leaf.index < head.size:
                words = told.gettext("n.º %(place)s, sellada") % place
            else:
                words = told.gettext("n.º %(place)s, aún sin sellar") % place
            said.append((address_of(leaf), words))
        return said


def page_of(request: web.Request) -> int:
    """Return which page of a list is asked for."""
    text = request.query.get("hoja", "1")
    return min(int(text), LAST_PAGE) if text.isascii() and text.isdigit() and 0 < len(text) <= 4 and int(text) else 1


def address_of(leaf: LoggedLeaf) -> str:
    """Return the page of one entry."""
    return f"/auditoria/anotacion/{leaf.epoch}-{leaf.index}"
