"""The pages by which people come in, and of what is each one's own: account, passkeys, links, what they have begun."""

from gateway.console.access import Route
from gateway.console.operations import Operations
from gateway.console.pages.account import AccountPages
from gateway.console.pages.entrance import Entrance
from gateway.console.pages.institution import InstitutionPages
from gateway.console.pages.links import LinkPages
from gateway.console.pages.looks import Looks
from gateway.console.pages.passkeys import PasskeyPages
from gateway.console.pages.unfinished import UnfinishedPages
from gateway.people.desk import PeopleDesk


def coming_in(looks: Looks, operations: Operations, desk: PeopleDesk, entrance: Entrance) -> tuple[Route, ...]:
    """Return every route of these with what it needs."""
    return (
        *entrance.routes(),
        *AccountPages(looks, desk, operations.node.us, entrance).routes(),
        *LinkPages(looks, operations, desk).routes(),
        *UnfinishedPages(looks, operations).routes(),
        *PasskeyPages(looks, operations, desk).routes(),
        *InstitutionPages(looks, desk).routes(),
    )
