"""The pages about the node itself: who works here and where, its state, its sources, the policy, and its links with others."""

from gateway.console.access import Route
from gateway.console.operations import Operations
from gateway.console.pages.adapters import AdapterPages
from gateway.console.pages.looks import Looks
from gateway.console.pages.network import NetworkPages
from gateway.console.pages.places import PlacePages
from gateway.console.pages.policy import PolicyPages
from gateway.console.pages.probes import Probes
from gateway.console.pages.staff import StaffPages
from gateway.console.pages.upkeep import UpkeepPages
from gateway.people.desk import PeopleDesk


def administration(looks: Looks, operations: Operations, desk: PeopleDesk, probes: Probes) -> tuple[Route, ...]:
    """Return every route of these with what it needs."""
    return (
        *StaffPages(looks, desk).routes(),
        *PlacePages(looks, desk).routes(),
        *UpkeepPages(looks, operations).routes(),
        *AdapterPages(looks, operations, desk).routes(),
        *PolicyPages(looks, operations).routes(),
        *NetworkPages(looks, operations, desk, probes).routes(),
    )
