"""Who normally sees a field, in the short codes of the dictionary (SPEC 6.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from contracts.register import Role

Condition = Literal["", "c", "d", "2"]
"""Nothing more; with a consent; by a duty; with two people."""

EVERYBODY = "ALL"
COARSELY = "TOK"
"""Others meet it as a blind token, or in a coarser form than exact."""
HOLDER = "OR"
FAMILY = "FA"

VIEWER_ROLES: Mapping[str, tuple[Role, ...]] = MappingProxyType(
    {
        "MB": (Role.SEARCH_MECHANISM,),
        "CO": (Role.FOREIGN_MINISTRY, Role.CONSULATE),
        "CN": (Role.MIGRANT_COUNCIL,),
        "PG": (Role.CHILD_PROTECTION,),
        "MS": (Role.HEALTH,),
        "PN": (Role.POLICE,),
        "IN": (Role.FORENSIC,),
        "RE": (Role.CIVIL_REGISTRY,),
        "MP": (Role.PROSECUTOR,),
        "RR": (Role.RETURNEE_RECEPTION,),
        "SS": (Role.SOCIAL_SERVICES,),
        "PD": (Role.OMBUDSMAN,),
        "MX": (Role.FOREIGN_SEARCH,),
        "FG": (Role.FOREIGN_PROSECUTOR,),
        "US": (Role.FOREIGN_MEDICOLEGAL,),
        "FC": (Role.FOREIGN_CONSULATE,),
        "CR": (Role.HUMANITARIAN,),
        EVERYBODY: tuple(role for role in Role if role not in {Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT}),
        COARSELY: (),
        HOLDER: (),
        FAMILY: (),
    }
)
_VIEWER = re.compile(r"([A-Z]{2,3})(?:\+([cd2]))?")


@dataclass(frozen=True, slots=True)
class Viewer:
    """One code of the dictionary, and on what condition."""

    code: str
    condition: Condition = ""

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles it stands for; none for a family, a holder, or a token."""
        return VIEWER_ROLES[self.code]

    def __str__(self) -> str:
        return f"{self.code}+{self.condition}" if self.condition else self.code


def parse_viewers(text: str) -> tuple[Viewer, ...]:
    """Return the viewers of one cell: ``MB CO+c TOK``.

    Raises:
        ValueError: an unknown code or condition.
    """
    found = []
    for word in text.split():
        match = _VIEWER.fullmatch(word)
        if match is None or match[1] not in VIEWER_ROLES:
            raise ValueError("an unknown viewer")
        condition = match[2] or ""
        found.append(Viewer(match[1], condition))  # type: ignore[arg-type] # the pattern lets only conditions through
    return tuple(found)
