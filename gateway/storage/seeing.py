"""Whose work somebody may look at (SPEC 19.1)."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_

from gateway.storage.case_tables import work_items


@dataclass(frozen=True, slots=True)
class Seen:
    """Whose work is looked at: that of these offices, and what is nobody's if one of them takes it."""

    offices: Collection[str]
    known: Collection[str]
    unclaimed: bool


def others_alone(offices: Collection[str | None], eyes: Seen) -> bool:
    """Return whether everything that is at these offices is work these eyes do not see; what no office has hides nothing."""
    at = {office for office in offices if office is not None}
    elsewhere = at - set(eyes.offices)
    elsewhere &= set(eyes.known) if eyes.unclaimed else elsewhere
    return bool(elsewhere) and elsewhere == at


def hidden_from(eyes: Seen, office: ColumnElement[str | None] = work_items.c.office) -> ColumnElement[bool]:
    """Return whether work is of an office these eyes do not see; what no office has is everybody's of the node."""
    elsewhere = and_(office.is_not(None), office.not_in(list(eyes.offices)))
    return and_(elsewhere, office.in_(list(eyes.known))) if eyes.unclaimed else elsewhere
