"""The network as this node sees it, for pages: who there is, what the policy lets each side send, how the links stand. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from contracts.calendars import GUATEMALA
from contracts.ids import NodeId
from contracts.messages import MESSAGE_TYPES
from contracts.policy import Policy
from contracts.policy.entries import covers
from contracts.register import Role
from gateway.console.marking import N_
from gateway.console.words import Words
from gateway.storage.link_models import Carried, Contact
from keys.register.state import Member, Standing, TrustState

DAYS = 30
"""How far back traffic is shown."""
CLOCK = GUATEMALA.utcoffset(None)
"""Guatemala's: days are told by it."""
STANDINGS: Mapping[Standing, str] = {
    Standing.ACTIVE: N_("activa"),
    Standing.PROBATION: N_("en prueba"),
    Standing.SUSPENDED: N_("suspendida"),
    Standing.LEFT: N_("se retiró"),
    Standing.REVOKED: N_("revocada"),
    Standing.UNKNOWN: N_("no es miembro"),
}
_OPENS = frozenset(
    {"report.transfer", "search.request", "disclosure.request", "identity.check", "record.request", "referral.offer"}
    | {"finding.notice", "duty.notice", "bulletin", "sample.reference", "consent.change", "erasure.order"}
)
"""What asks something of whoever gets it, or hands something over; the rest answers, or keeps the network going."""


@dataclass(frozen=True, slots=True)
class Lane:
    """How deliveries to a peer stand. `oldest`: since when the first of those that wait does."""

    waiting: int = 0
    oldest: datetime | None = None
    failures: int = 0
    paused: bool = False
    held: bool = False
    next_attempt: datetime | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One institution and both directions of the link to it."""

    member: Member
    standing: Standing
    lane: Lane
    contact: Contact
    protocol: str
    keys_until: datetime | None


def lanes_by_peer(rows: Iterable[Mapping[str, Any]]) -> dict[NodeId, Lane]:
    """Return lanes as the read model tells them."""
    return {
        NodeId(row["peer"]): Lane(
            row["waiting"],
            _moment(row["oldest_due"]),
            row["failures"],
            row["paused"],
            row["held"],
            _moment(row["next_attempt"]),
        )
        for row in rows
    }


def links_of(
    trust: TrustState, us: NodeId, lanes: Mapping[NodeId, Lane], contacts: Mapping[NodeId, Contact], now: datetime
) -> list[Link]:
    """Return the link to every other member, by name; those that left last."""
    found = [
        Link(
            member=member,
            standing=trust.standing(member.node, now),
            lane=lanes.get(member.node, Lane()),
            contact=contacts.get(member.node, Contact(None, None)),
            protocol=trust.keysets[member.node].profile if member.node in trust.keysets else "",
            keys_until=trust.keysets[member.node].expires_at if member.node in trust.keysets else None,
        )
        for member in trust.members.values()
        if member.node != us
    ]
    gone = {Standing.LEFT, Standing.REVOKED}
    return sorted(found, key=lambda link: (link.standing in gone, link.member.name.casefold(), link.member.node))


def sendable(policy: Policy, sender: Role, recipient: Role) -> list[str]:
    """Return the message types that some purpose and basis let one role send to another, in the protocol's order."""
    banned = {
        str(kind) for ban in policy.forbids if _between(ban, sender, recipient) for kind in ban.kinds
    }  # whatever a flow says
    open_ = {str(kind) for flow in policy.flows if _between(flow, sender, recipient) for kind in flow.kinds}
    return [kind for kind in MESSAGE_TYPES if kind in open_ - banned]


def opening(kinds: Iterable[str]) -> list[str]:
    """Return those that ask something of whoever gets them."""
    return [kind for kind in kinds if kind in _OPENS]


def _between(entry: Any, sender: Role, recipient: Role) -> bool:
    return covers(entry.senders, sender) and covers(entry.recipients, recipient)


def standing_in_words(standing: Standing, told: Words) -> str:
    """Return a standing as people read it."""
    return told.gettext(STANDINGS[standing])


def lane_in_words(lane: Lane, now: datetime, told: Words) -> str:
    """Return how deliveries to a peer stand, in a sentence."""
    if lane.held:
        return told.gettext("detenidos: el registro no la tiene por activa")
    if lane.paused:
        return told.gettext("en pausa por decisión de esta administración")
    if lane.failures and lane.waiting and lane.next_attempt is not None:
        wait = told.span(lane.next_attempt - now)
        return told.gettext("sin enlace: se intenta otra vez en %(span)s") % {"span": wait}
    return told.gettext("con normalidad")


def since_in_words(moment: datetime | None, now: datetime, told: Words) -> str:
    """Return how long ago something was."""
    if moment is None:
        return told.gettext("nunca")
    return told.gettext("hace %(span)s") % {"span": told.span(now - moment)}


# -- the matrix ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """What went from one institution to another: by type, in all, and when the last did."""

    sender: NodeId
    recipient: NodeId
    kinds: tuple[tuple[str, int], ...]
    total: int
    last: datetime


def matrix_of(carried: Sequence[Carried], us: NodeId) -> list[Cell]:
    """Return who sent what to whom, those with most first."""
    by_way: dict[tuple[NodeId, NodeId], list[Carried]] = {}
    for item in carried:
        way = (us, item.peer) if item.ours else (item.peer, us)
        by_way.setdefault(way, []).append(item)
    cells = [
        Cell(
            *way,
            tuple((item.kind, item.count) for item in sorted(items, key=lambda one: -one.count)),
            sum(item.count for item in items),
            max(item.last for item in items),
        )
        for way, items in by_way.items()
    ]
    return sorted(cells, key=lambda cell: (-cell.total, cell.sender, cell.recipient))


# -- a month of traffic ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DayTraffic:
    """One day: how many messages went each way, and where its bars stand in the picture."""

    day: date
    sent: int
    received: int
    x: int
    up: int
    down: int


BAR, HALF = 12, 60
"""Width of a day and height of one direction in the picture, in its own units."""


def month_of(numbers: Mapping[tuple[int, bool], int], now: datetime) -> list[DayTraffic]:
    """Return the last days, oldest first, with bars in proportion to the busiest."""
    today = (now + CLOCK).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    first = date(1970, 1, 1)
    told = [(day, numbers.get(((day - first).days, True), 0), numbers.get(((day - first).days, False), 0)) for day in days]
    most = max((number for _, *both in told for number in both), default=0)
    return [
        DayTraffic(day, sent, received, index * BAR, _height(sent, most), _height(received, most))
        for index, (day, sent, received) in enumerate(told)
    ]


def first_day(now: datetime) -> datetime:
    """Return when the first of the days that are shown began."""
    shown = (now + CLOCK).replace(hour=0, minute=0, second=0, microsecond=0)
    return shown - CLOCK - timedelta(days=DAYS - 1)


def _height(number: int, most: int) -> int:
    return 0 if not number else max(2, round(HALF * number / most))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
