"""Walls around a whole message: what no policy, grant or person opens (SPEC 16). Pure.

`contracts.disclosure` walls off fields one at a time; here the message that is about to leave is looked at as a whole, with
what is known of the case. Each check returns nothing or the name of the rule that stands in the way.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

from contracts.alike import FOUND
from contracts.consents import NEEDS_NO_CONSENT, Scope, Wish, ground_of, may_tell_alive, may_tell_more
from contracts.disclosure import Recipient, SourceRecord
from contracts.errors import SchemaError
from contracts.fields import FieldDefinition, RecordType, Sensitivity, plain
from contracts.ids import ActorPseudonym, Code
from contracts.messages import (
    CaseMessage,
    CaseState,
    CaseStatusBody,
    Minor,
    NoteBody,
    ReferralOfferBody,
    SearchResponseBody,
)
from contracts.minors import minority
from contracts.policy import ENFORCEMENT
from contracts.register import Role

WALL_ENFORCEMENT = "wall:enforcement"
WALL_NATIONALITY = "wall:nationality-for-removal"
WALL_REPORTER = "wall:reporter-in-query"
WALL_NEVER_TO = "wall:never-to"
WALL_HELD = "wall:free-text-held"
WALL_TWO_PERSONS = "wall:two-persons"
WALL_PUBLICATION = "wall:publication-needs-c4"
WALL_BULLETIN = "wall:bulletin-needs-c8"
WALL_FINDER_FIRST = "wall:finder-first"
WALL_WISH = "wall:wish-of-the-person-found"
WALL_OFFER = "wall:offer-names-nobody"
WALL_CONSULATE = "wall:protection-and-consulates"
WALL_RELATIVES = "wall:relatives-and-the-united-states"

PUBLISHERS: Mapping[Role, Scope] = MappingProxyType({Role.FOREIGN_SEARCH: Scope.MEXICO_REGISTER})
"""Roles whose register is shown to the public, and the scope a named record needs to go there: it amounts to publication."""

NATIONALITY_FIELDS = frozenset(
    {"nationalities", "presumed_nationality", "birth_place", "cui", "cui_absence_reason", "documents", "documents_found"}
)
"""Fields that tell, or prove, whose national somebody is."""

# An answer of any of these types, or a question, confirms that the person is known here, and so where they are from.
_CONFIRMS = ("search.", "identity.", "disclosure.", "finding.", "record.", "expert.", "case.", "correction")

# Said at once, by law, before anybody can have approved: the transfer of a report, and what child protection must know.
_IMMEDIATE = frozenset({"report.transfer", "report.acknowledgement", "duty.notice", "duty.cancel", "bulletin.cancel"})
# These say something about the person; the others ask, acknowledge or withdraw.
_TELLING = frozenset(
    {
        *("search.response", "disclosure.grant", "finding.notice", "referral.update", "referral.done", "correction"),
        *("identity.answer", "expert.conclusion", "bulletin", "family.message", "note"),
    }
)
_QUERIES = ("search.", "finding.", "identity.", "bulletin")
_LIVING = frozenset({RecordType.UNIDENTIFIED_PERSON.value, RecordType.CUSTODY.value})
_AGELESS = frozenset({RecordType.REPORTER, RecordType.UNIDENTIFIED_REMAINS})
_FINDER_FIRST = ("protection_need", "aggressor_risk", "family_conflict")
_PROTECTED = (*_FINDER_FIRST, "threats")
_UNITED_STATES = "us."
_SUBDIVISION = re.compile(r"[a-z]{2}-[a-z0-9]{1,3}")
_NOT_SO = (None, False, "no", "none")
_FREE_KINDS = frozenset({"text", "long_text"})


@dataclass(frozen=True, slots=True)
class Carried:
    """One record of the message as it leaves: its type, what leaves of it, and the dictionary's entry of each field.

    Raises:
        SchemaError: a field the dictionary does not know; no wall could judge it.
    """

    record_type: str
    claims: Mapping[str, Any]
    fields: Mapping[str, FieldDefinition]

    def __post_init__(self) -> None:
        if not set(self.claims) <= set(self.fields):
            raise SchemaError("a field the dictionary does not know")


@dataclass(frozen=True, slots=True)
class CaseMarks:
    """What is known of the case that walls depend on.

    `finder_first`: whoever holds the person decides before any seeker learns of a match (asylum, persecution, aggression
    by the seeker). `finder_released`: they did.
    """

    minor: Minor = "no"
    death: bool = False
    protection: bool = False
    finder_first: bool = False
    finder_released: bool = False
    flees: bool = False
    """They said that they need protection: their own country's consulate may be whom they are fleeing."""
    found: frozenset[str] = frozenset()
    """The types of the records here that the message speaks of."""

    @property
    def needs_two(self) -> bool:
        """Whether one person alone may not tell anything about it."""
        return self.minor != "no" or self.death or self.protection or self.finder_first


def marks_of(records: Iterable[SourceRecord], today: date) -> CaseMarks:
    """Return what these records, as they are held here, say about the walls around them; unknown errs towards care."""
    known = tuple(records)
    types = frozenset(str(record.type) for record in known)
    ages = {minority(record.values, today) for record in known if record.type not in _AGELESS}
    protected = any(_said(record, name) for record in known for name in _PROTECTED)
    return CaseMarks(
        minor="yes" if "yes" in ages else "possible" if "possible" in ages else "no",
        death=RecordType.UNIDENTIFIED_REMAINS.value in types,
        protection=protected,
        finder_first=any(_said(record, name) for record in known for name in _FINDER_FIRST),
        flees=any(_said(record, "protection_need") for record in known),
        found=types,
    )


def _said(record: SourceRecord, name: str) -> bool:
    return plain(record.values.get(name)) not in _NOT_SO


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A message about to leave, and all the walls look at.

    `drafted_by` is None when software made it; `approved_by` are the people who agreed to exactly these bytes. `scopes` are
    the consent scopes in force for this recipient. `never_to`: node ids, roles, and ``country:xx``. `released`: the free
    texts a person has read and let go.
    """

    message: CaseMessage
    to: Recipient
    carried: tuple[Carried, ...] = ()
    marks: CaseMarks = CaseMarks()
    drafted_by: ActorPseudonym | None = None
    approved_by: frozenset[ActorPseudonym] = frozenset()
    scopes: frozenset[Code] = frozenset()
    never_to: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    wish: Wish = Wish.UNDECIDED

    @property
    def fields(self) -> tuple[FieldDefinition, ...]:
        """The definition of every field that leaves."""
        return tuple(record.fields[name] for record in self.carried for name in record.claims)


def walls(leaving: Leaving) -> tuple[str, ...]:
    """Return every wall that stands in the way of this message; none means none of these stops it."""
    return tuple(name for name, stands in _WALLS if stands(leaving))


def persons(drafted_by: ActorPseudonym | None, approved_by: Iterable[ActorPseudonym]) -> int:
    """Return how many different people stand behind a message; who drafted it does not count twice for approving it."""
    return len({*approved_by, *([] if drafted_by is None else [drafted_by])})


# -- the walls -----------------------------------------------------------------------------------------------------


def _enforcement(leaving: Leaving) -> bool:
    return leaving.to.role in ENFORCEMENT and any(field.sensitivity >= Sensitivity.PROTECTED for field in leaving.fields)


def _nationality(leaving: Leaving) -> bool:
    """Nothing that confirms a nationality for a removal: no such field, no answer, no question about an identified person."""
    if leaving.to.role not in ENFORCEMENT:
        return False
    body = leaving.message.body
    if isinstance(body, CaseStatusBody) and body.state is CaseState.NOT_HANDLED_HERE:
        return False  # about a type of message, not about anybody
    named = any(field.name in NATIONALITY_FIELDS for field in leaving.fields)
    return named or leaving.message.type.startswith(_CONFIRMS)


def _reporter(leaving: Leaving) -> bool:
    in_query = leaving.message.type.startswith(_QUERIES)
    return in_query and any(record.record_type == RecordType.REPORTER.value for record in leaving.carried)


def _never_to(leaving: Leaving) -> bool:
    country = f"country:{leaving.to.node.partition('.')[0]}"
    return not leaving.never_to.isdisjoint({str(leaving.to.node), leaving.to.role.value, country})


def _held(leaving: Leaving) -> bool:
    return not free_texts(leaving) <= leaving.released


def _two_persons(leaving: Leaving) -> bool:
    if leaving.message.type in _IMMEDIATE or not (leaving.carried or _tells(leaving)):
        return False
    two = leaving.marks.needs_two or _about_dead(leaving)
    return two and persons(leaving.drafted_by, leaving.approved_by) < 2


def _publication(leaving: Leaving) -> bool:
    scope = PUBLISHERS.get(leaving.to.role)
    named = any(field.sensitivity == Sensitivity.IDENTIFYING for field in leaving.fields)
    return scope is not None and named and Code(scope.value) not in leaving.scopes


def _bulletin(leaving: Leaving) -> bool:
    if leaving.message.type != "bulletin" or ground_of(leaving.message.basis) in NEEDS_NO_CONSENT:
        return False
    return Code(Scope.PUBLIC_BULLETIN.value) not in leaving.scopes


def _finder_first(leaving: Leaving) -> bool:
    marks = leaving.marks
    return marks.finder_first and not marks.finder_released and _confirms_a_find(leaving)


def _wish(leaving: Leaving) -> bool:
    """The found person's own wish gates every answer that they are alive; a child's protection and a duty do not wait."""
    if leaving.message.type in _IMMEDIATE or not _says_alive(leaving):
        return False
    if leaving.marks.minor == "yes" and leaving.to.role is Role.CHILD_PROTECTION:
        return False
    basis = leaving.message.basis
    return not may_tell_alive(leaving.wish, basis) or (bool(leaving.carried) and not may_tell_more(leaving.wish, basis))


def _offer(leaving: Leaving) -> bool:
    """An offer names nobody: its one word that is no catalogue's is a department, state or province, by its ISO 3166-2 code."""
    body = leaving.message.body
    if not isinstance(body, ReferralOfferBody):
        return False
    return bool(leaving.carried) or (body.department is not None and not _SUBDIVISION.fullmatch(body.department))


def _consulate(leaving: Leaving) -> bool:
    """Of whoever needs protection no foreign consulate learns anything, agree who may: not even that somebody asks."""
    return leaving.marks.flees and leaving.to.role is Role.FOREIGN_CONSULATE


def _relatives(leaving: Leaving) -> bool:
    """A node of the United States gets nothing protected and no relative: who came forward for a child was once handed on."""
    if not leaving.to.node.startswith(_UNITED_STATES):
        return False
    relative = any(record.record_type == RecordType.REPORTER.value for record in leaving.carried)
    return relative or any(field.sensitivity >= Sensitivity.PROTECTED for field in leaving.fields)


def _tells(leaving: Leaving) -> bool:
    body = leaving.message.body
    if isinstance(body, SearchResponseBody):
        return body.result in FOUND
    if isinstance(body, CaseStatusBody):
        return body.state in {CaseState.LOCATED_ALIVE, CaseState.POSSIBLE_MATCH, CaseState.CONFIRMING}
    return leaving.message.type in _TELLING and (bool(leaving.carried) or not leaving.message.type.startswith("referral."))


def _confirms_a_find(leaving: Leaving) -> bool:
    return _tells(leaving) and not leaving.message.type.startswith(("family.", "note", "bulletin"))


def _says_alive(leaving: Leaving) -> bool:
    body = leaving.message.body
    if isinstance(body, CaseStatusBody):
        return body.state is CaseState.LOCATED_ALIVE
    living = not _LIVING.isdisjoint(_types(leaving))
    if isinstance(body, SearchResponseBody):
        return body.result in FOUND and living
    return living and leaving.message.type in {"disclosure.grant", "correction", "referral.update", "referral.done"}


def _about_dead(leaving: Leaving) -> bool:
    return leaving.marks.death or RecordType.UNIDENTIFIED_REMAINS.value in _types(leaving)


def _types(leaving: Leaving) -> frozenset[str]:
    return leaving.marks.found | {record.record_type for record in leaving.carried}


_WALLS: tuple[tuple[str, Callable[[Leaving], bool]], ...] = (
    (WALL_ENFORCEMENT, _enforcement),
    (WALL_NATIONALITY, _nationality),
    (WALL_REPORTER, _reporter),
    (WALL_NEVER_TO, _never_to),
    (WALL_HELD, _held),
    (WALL_TWO_PERSONS, _two_persons),
    (WALL_PUBLICATION, _publication),
    (WALL_BULLETIN, _bulletin),
    (WALL_FINDER_FIRST, _finder_first),
    (WALL_WISH, _wish),
    (WALL_OFFER, _offer),
    (WALL_CONSULATE, _consulate),
    (WALL_RELATIVES, _relatives),
)

WALL_NAMES = tuple(name for name, _ in _WALLS)


# -- free text -----------------------------------------------------------------------------------------------------


def free_texts(leaving: Leaving) -> frozenset[str]:
    """Return every text in the message that somebody typed freely: notes, text fields, the `text` inside items and places."""
    found = {
        text for record in leaving.carried for name, value in record.claims.items() for text in _texts(record, name, value)
    }
    if isinstance(leaving.message.body, NoteBody):
        found.add(leaving.message.body.text)
    return frozenset(found)


def narratives(record: Carried) -> frozenset[str]:
    """Return the fields in which somebody told a story: several lines of whatever they had to say, addresses among it."""
    return frozenset(name for name in record.claims if record.fields[name].kind == "long_text")


def without_held(record: Carried, released: frozenset[str]) -> tuple[Carried, frozenset[str]]:
    """Return `record` without the fields whose free text nobody released yet, and their names: the rest need not wait."""
    held = frozenset(name for name, value in record.claims.items() if not _texts(record, name, value) <= released)
    kept = {name: value for name, value in record.claims.items() if name not in held}
    return Carried(record.record_type, kept, record.fields), held


def _texts(record: Carried, name: str, value: Any) -> frozenset[str]:
    bare = plain(value)
    if isinstance(bare, str):
        return frozenset({bare}) if record.fields[name].kind in _FREE_KINDS else frozenset()
    members = bare if isinstance(bare, list | tuple) else [bare]
    return frozenset(str(member["text"]) for member in members if isinstance(member, Mapping) and "text" in member)


ABOUT_THE_PERSON = frozenset({WALL_ENFORCEMENT, WALL_NATIONALITY, WALL_NEVER_TO, WALL_FINDER_FIRST, WALL_WISH, WALL_CONSULATE})
"""Walls that are about the person found. Even that one of them stands would tell that somebody was found."""


def must_stay_unknown(leaving: Leaving) -> bool:
    """Return whether a find must look, to this seeker, like no find: a wall that is about the person stands before it."""
    return not ABOUT_THE_PERSON.isdisjoint(walls(leaving))
