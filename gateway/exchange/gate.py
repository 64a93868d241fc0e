"""What stands in the way of a message: policy, walls, consents in force, the person's wish, never-to rules, two persons.

`weigh` asks everything at once, of stores and of pure rules, and decides nothing itself (SPEC 18.1). `contracts.disclosure`
judges field by field and `contracts.walls` the whole message; that the second of two persons is missing is found by asking
the first what would leave if everybody had agreed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from contracts.alike import says_nothing
from contracts.calendars import day_in_guatemala
from contracts.consents import InForce, Occasion, Wish, WishEvent, grant_of, in_force, wish_at
from contracts.disclosure import Extract, Grant, Recipient
from contracts.errors import NotPermittedError
from contracts.ids import ActorPseudonym, Code, ThreadId
from contracts.messages import CaseMessage
from contracts.walls import WALL_HELD, WALL_TWO_PERSONS, Carried, CaseMarks, Leaving, free_texts, marks_of, walls
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.ports.departures import PersonRef
from gateway.exchange.submit import Built, Draft, build, preview

WAITING_WALLS = frozenset({WALL_HELD, WALL_TWO_PERSONS})
"""Walls a person can take down; before every other one the message is refused."""

SOFTWARE: PersonRef = ""
"""Who drafted what no person did: an adapter."""

_EVERYBODY = 99


@dataclass(frozen=True, slots=True)
class By:
    """Who acts. `person` is the id by which persons are counted, `actor` what messages and the log call them."""

    person: PersonRef
    actor: ActorPseudonym


class WallError(NotPermittedError):
    """A message that may not leave, whoever agrees. `walls` names what stands in the way."""

    advice = "Ninguna persona puede quitar ese muro. Si nada puede responderse, use `paradero request no-information`."

    def __init__(self, standing: Sequence[str]) -> None:
        super().__init__(", ".join(standing))
        self.walls = tuple(standing)


@dataclass(frozen=True, slots=True)
class Known:
    """What our own books know about a case, as far as it bears on what may leave of it."""

    consents: InForce
    wish: Wish
    never_to: frozenset[str]


NO_CASE = Known(in_force((), 0), wish_at((), 0), frozenset())
"""What is known of no case of ours: the answer of who holds nothing leaves whatever our books forbid. No word would tell."""


@dataclass(frozen=True, slots=True)
class Persons:
    """The people behind a message: who drafted it, who agreed to exactly this content, which free texts were released."""

    drafted_by: PersonRef
    approved_by: frozenset[PersonRef] = frozenset()
    released: frozenset[str] = frozenset()

    @property
    def count(self) -> int:
        """How many different ones; who drafted it does not count twice. Software and one person are one."""
        return max(1, len({self.drafted_by, *self.approved_by} - {SOFTWARE}))


@dataclass(frozen=True, slots=True)
class Weighed:
    """A draft and everything that was found out about it. Nothing is signed."""

    draft: Draft
    """With the grant it rests on once everybody has agreed who must."""
    extracts: tuple[Extract, ...]
    known: Known
    marks: CaseMarks
    alone_enough: bool
    """Whether nobody else need agree for these very fields to leave."""


def names_of(draft: Draft) -> tuple[str, ...]:
    """Return what our books call the case of a draft; of an answer also the question's thread, which is a case of its own."""
    return (draft.case_key,) if draft.in_reply_to is None else one_case(draft.case_key, draft.thread_id)


def one_case(case_ref: str, thread_id: ThreadId) -> tuple[str, ...]:
    """Return the names of one case: the number we gave it, and the thread in which somebody asked about it."""
    return tuple(dict.fromkeys((case_ref, str(thread_id))))


async def wishes_under(names: Sequence[str], work: UnitOfWork) -> list[WishEvent]:
    """Return what the person found wanted, under whichever name of the case it was written down."""
    return [event for name in names for event in await work.consents.wishes_of(name)]


def of_no_case(draft: Draft) -> bool:
    """Return whether a draft is the answer of who holds nothing; with a record it is not."""
    return not draft.records and says_nothing(draft.body)


async def known_of(names: Sequence[str], work: UnitOfWork, now: datetime) -> Known:
    """Return what our books know of a case now. What forbids counts under each of its names, what allows under the first."""
    at = int(now.timestamp())
    return Known(
        consents=in_force(await work.consents.of_case(names[0]), at),
        wish=wish_at(await wishes_under(names, work), at),
        never_to=frozenset().union(*(await work.holds.never_to(names)).values()),
    )


def weigh(draft: Draft, known: Known, persons: Persons, node: Capabilities, now: datetime) -> Weighed:
    """Return what of a draft would leave, and whether these persons are enough for it.

    Raises:
        NotPermittedError: the policy has no such flow, or nothing of a record may leave even if everybody agreed.
    """
    marks = marks_of((*draft.records, *draft.about), day_in_guatemala(now))
    marks = replace(marks, finder_released=draft.finder_released)
    agreed = _resting(draft, known, marks, _EVERYBODY, node)
    extracts = preview(agreed, node)
    return Weighed(agreed, extracts, known, marks, _enough(draft, known, marks, persons, extracts, node))


def standing_walls(weighed: Weighed, message: CaseMessage, persons: Persons, node: Capabilities) -> tuple[str, ...]:
    """Return what stands in the way of the message as it was built; a missing second person among it."""
    leaving = as_leaving(weighed, message, persons, node)
    found = set(walls(leaving))
    if not weighed.alone_enough:
        found.add(WALL_TWO_PERSONS)
    return tuple(sorted(found))


def refuse_walls(standing: Sequence[str]) -> None:
    """Refuse what no person can let through.

    Raises:
        WallError: such a wall stands.
    """
    refused = [name for name in standing if name not in WAITING_WALLS]
    if refused:
        raise WallError(refused)


def as_leaving(weighed: Weighed, message: CaseMessage, persons: Persons, node: Capabilities) -> Leaving:
    """Return the message as the walls look at it."""
    trust, draft = node.trust(), weighed.draft
    records = zip(draft.records, weighed.extracts, strict=True)
    return Leaving(
        message=message,
        to=Recipient(draft.to, trust.member(draft.to).role),
        carried=tuple(Carried(str(item.type), found.claims, trust.policy.fields_of(item.type)) for item, found in records),
        marks=weighed.marks,
        drafted_by=None if persons.drafted_by == SOFTWARE else pseudonym(persons.drafted_by, node),
        approved_by=frozenset(pseudonym(person, node) for person in persons.approved_by),
        scopes=draft.grant.scopes,
        never_to=weighed.known.never_to,
        released=persons.released,
        wish=weighed.known.wish,
    )


def texts_of(weighed: Weighed, built: Built, persons: Persons, node: Capabilities) -> tuple[str, ...]:
    """Return the free texts of a message in an order that its content alone decides."""
    return tuple(sorted(free_texts(as_leaving(weighed, built.message, persons, node))))


def built_of(weighed: Weighed, node: Capabilities, at: datetime) -> Built:
    """Return the message of the moment `at`."""
    return build(weighed.draft, node, at)


def pseudonym(person: PersonRef, node: Capabilities) -> ActorPseudonym:
    """Return what the log calls a person: the same for the same person, under whatever login."""
    return node.pseudonyms.actor(f"person:{person}")


def _enough(
    draft: Draft, known: Known, marks: CaseMarks, persons: Persons, agreed: tuple[Extract, ...], node: Capabilities
) -> bool:
    try:
        found = preview(_resting(draft, known, marks, persons.count, node), node)
    except NotPermittedError:
        return False
    return [item.claims for item in found] == [item.claims for item in agreed]


def _resting(draft: Draft, known: Known, marks: CaseMarks, approvals: int, node: Capabilities) -> Draft:
    """Return the draft with what it rests on. A consent limited to some fields counts if no other would leave by it."""
    loose = _granted(draft, known, marks, approvals, frozenset())
    fields = frozenset(Code(name) for item in preview(loose, node) for name in item.claims)
    return _granted(draft, known, marks, approvals, fields)


def _granted(draft: Draft, known: Known, marks: CaseMarks, approvals: int, fields: frozenset[Code]) -> Draft:
    occasion = Occasion(draft.basis, draft.to, draft.purpose, fields)
    grant = grant_of(known.consents, occasion, approvals=approvals, wish=known.wish)
    other = Grant(frozenset(), duty=grant.duty, approvals=approvals)
    if draft.reporter is not None:
        other = grant_of(known.consents, occasion, approvals=approvals, relative=draft.reporter)
    return replace(draft, grant=replace(grant, minor=marks.minor), reporter_grant=replace(other, minor=marks.minor))
