"""What is worth a notice, found where it happens: noted in the transaction of its cause, told later and outside of any.

Nothing is noted that is not so, and nothing that is so goes untold: a cause without its notice cannot be committed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from contracts.ids import MessageId, NodeId
from contracts.messages import CaseMessage
from contracts.notices import NoticeType
from contracts.threads import Side
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.case_ports import ExchangeEntry
from gateway.exchange.folios import folio, folio_of
from gateway.exchange.notice_ports import Notice as Told
from gateway.exchange.ports import UnitOfWork
from gateway.exchange.ports.departures import Departure
from gateway.exchange.work_ports import Notice, WorkItem

DOWN_FOR = timedelta(minutes=15)
"""A link that has carried nothing for so long while something waits is told of. Shorter silences are usual on these lines."""
KEPT_FOR = timedelta(days=90)
_KEY_DAYS = (30, 14, 7, 3, 1)
_REQUESTS = frozenset({"search", "disclosure", "identity"})
_HEARD = {
    **dict.fromkeys(("search.request", "disclosure.request", "record.request", "identity.check"), NoticeType.REQUEST_RECEIVED),
    **dict.fromkeys(("search.response", "disclosure.grant", "identity.answer"), NoticeType.REQUEST_ANSWERED),
    **dict.fromkeys(("report.transfer", "finding.notice", "duty.notice"), NoticeType.WORK_RECEIVED),
    "referral.offer": NoticeType.REFERRAL_RECEIVED,
    "referral.accept": NoticeType.REFERRAL_ACCEPTED,
    "referral.decline": NoticeType.REFERRAL_DECLINED,
    "referral.withdraw": NoticeType.REFERRAL_WITHDRAWN,
    "referral.done": NoticeType.REFERRAL_DONE,
}
_SOON = {"referral": NoticeType.REFERRAL_DUE_SOON}
_OVERDUE = {"referral": NoticeType.REFERRAL_OVERDUE}


def what_is_told(message: CaseMessage, entry: ExchangeEntry, now: datetime) -> Told | None:
    """Return what a peer's message that moved its exchange is told as; None for what nobody waits for."""
    kind = _HEARD.get(message.type)
    if kind is NoticeType.REFERRAL_DONE and entry.exchange.outcome == "withdrawn":
        kind = NoticeType.REFERRAL_WITHDRAWN  # they confirm that we took it back
    if kind is None:
        return None
    return about(kind, entry.exchange.machine, entry.key.opening, now, subject=str(message.message_id), due=entry.deadline)


def about(
    kind: NoticeType, machine: str, opening: MessageId, now: datetime, *, subject: str, due: datetime | None = None
) -> Told:
    """Return a notice about an exchange."""
    return Told(kind, subject, folio(machine, opening), place_of(machine, opening), now, due, opening=str(opening))


def place_of(machine: str, opening: MessageId) -> str:
    """Return where a program reads more of an exchange, as somebody who may."""
    if machine in _REQUESTS:
        return f"/api/v1/requests/{opening}"
    return f"/api/v1/referrals/{opening}" if machine == "referral" else "/api/v1/inbox"


def late(notice: Notice, item: WorkItem, now: datetime) -> Told | None:
    """Return what is told of a term that comes near, or passed; None where it is the other side that is late."""
    if item.side is not Side.ADDRESSEE or item.due is None or notice is Notice.OVERSIGHT:
        return None
    usual = (NoticeType.REQUEST_DUE_SOON, NoticeType.REQUEST_OVERDUE)
    usual = usual if item.machine in _REQUESTS else (NoticeType.WORK_DUE_SOON, NoticeType.WORK_OVERDUE)
    soon = notice is Notice.REMINDER
    kind = (_SOON if soon else _OVERDUE).get(item.machine, usual[0 if soon else 1])
    subject = f"{item.key.opening} {item.due:%Y-%m-%dT%H:%MZ}"  # a term that was moved is another one
    return about(kind, item.machine, item.key.opening, now, subject=subject, due=item.due)


def waiting(departure: Departure, now: datetime) -> Told:
    """Return what is told of what waits for a second person, or for somebody who reads it."""
    opening = departure.in_reply_to
    return Told(
        NoticeType.APPROVAL_WAITING,
        str(departure.id),
        folio(departure.kind.split(".")[0], opening or departure.id),
        "/api/v1/held",
        now,
        opening=None if opening is None else str(opening),
        office=departure.office,
        but=departure.drafted_by,
    )


def undelivered(messages: Sequence[MessageId], now: datetime) -> list[Told]:
    """Return what is told of messages that were refused, or whose outcome nobody knows."""
    return [
        Told(NoticeType.DELIVERY_FAILED, str(message), folio("", message), f"/api/v1/messages/{message}", now)
        for message in messages
    ]


def withdrawn(asked: Sequence[tuple[str, MessageId]], now: datetime) -> list[Told]:
    """Return what is told of questions whose thread a peer ordered erased: no answer is wanted any more."""
    return [about(NoticeType.REQUEST_WITHDRAWN, machine, opening, now, subject=str(opening)) for machine, opening in asked]


async def look_around(node: Capabilities) -> None:
    """Note what no transaction causes: a link that has been silent, or works again; a keyset that is about to lapse."""
    now = node.clock.now()
    async with node.begin() as work:
        down = await work.notices.down(since=now - DOWN_FOR)
        found = [_link(NoticeType.DELIVERY_FAILED, peer, subject, now) for peer, subject in down]
        found += [_link(NoticeType.DELIVERY_RECOVERED, gone.peer, gone.subject, now) for gone in await work.notices.back()]
        found += _keys(node, now)
        await work.notices.add(found)
        await work.notices.forget(before=now - KEPT_FOR, limit=500)


def _link(kind: NoticeType, peer: NodeId, subject: str, now: datetime) -> Told:
    return Told(kind, subject, folio_of("L", str(peer)), "/api/v1/outbox", now)


def _keys(node: Capabilities, now: datetime) -> list[Told]:
    keyset = node.trust().keysets.get(node.us)
    if keyset is None:
        return []
    until = keyset.expires_at
    step = next((days for days in reversed(_KEY_DAYS) if until - now <= timedelta(days=days)), None)
    if step is None:
        return []
    subject = f"keyset {keyset.seq} {step}"
    return [Told(NoticeType.KEY_EXPIRING, subject, folio_of("K", str(keyset.seq)), "/api/v1/federation", now, until)]


async def note_waiting(departure: Departure, work: UnitOfWork, now: datetime) -> None:
    """Note that something waits for a person."""
    await work.notices.add([waiting(departure, now)])
