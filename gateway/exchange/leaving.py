"""The gate: whatever an officer sends about a case goes through `leave` (SPEC 18).

It judges each draft by the policy, the walls, the consents in force, the person's own wish and the never-to rules; refuses
by name what no person can let through; holds what needs a person, a second person or its slot; and puts the rest into the
outbox, with its books, in one transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from contracts.errors import NotPermittedError
from contracts.ids import Code, MessageId
from gateway.exchange.attachments import named
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.departing import Held, hold, send, slot_of, weigh_all
from gateway.exchange.gate import By, Persons, WallError, Weighed, built_of, refuse_walls, standing_walls
from gateway.exchange.ports import Nudge, UnitOfWork
from gateway.exchange.ports.departures import Departure, DepartureState
from gateway.exchange.submit import Built, Draft, Prepared, kind_of

__all__ = ["AUTOMATIC", "By", "Held", "WallError", "automatic", "leave", "leave_one", "show"]

AUTOMATIC = frozenset(
    {
        *("report.acknowledgement", "finding.acknowledgement", "case.status", "referral.done", "erasure.receipt"),
        *("node.restored", "node.returned", "ping", "audit.response"),
    }
)
"""What a node says by itself, without a person: it acknowledges, confirms and accounts, and carries no record."""


async def leave(
    drafts: Sequence[Draft],
    node: Capabilities,
    work: UnitOfWork | None = None,
    *,
    by: By,
    asked_at: int | None = None,
    office: Code | None = None,
) -> Sequence[Prepared] | Held:
    """Send drafts of a person, all or none: put them into the outbox, or hold them all for what one of them waits for.

    With `work` everything happens in the caller's transaction, and the caller nudges after its commit. `asked_at` (Unix
    seconds) is when the question reached us that these answer: answers wait for a slot. What they begin is the work of
    `office`, whether it leaves now or when a second person has agreed.

    Raises:
        WallError: something stands in the way that nobody can take away; names it. Nothing was stored.
        NotPermittedError: the policy has no such flow, nothing of a record may leave, or it may not be said now.
        TrustStaleError, ClockWrongError: nothing may leave now.
    """
    if work is not None:
        return await _leave(drafts, node, work, by, asked_at, office)
    async with node.begin() as opened:
        result = await _leave(drafts, node, opened, by, asked_at, office)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    return result


async def leave_one(draft: Draft, node: Capabilities, *, by: By, asked_at: int | None = None) -> Prepared | Held:
    """Send one draft of a person in a transaction of its own; as `leave`."""
    result = await leave([draft], node, by=by, asked_at=asked_at)
    return result if isinstance(result, Held) else result[0]


async def show(
    drafts: Sequence[Draft], node: Capabilities, *, by: By, asked_at: int | None = None, office: Code | None = None
) -> tuple[Departure, tuple[Weighed, ...], tuple[Built, ...]]:
    """Build what would leave and keep it, sealed, until the person who looks at it confirms; nothing is sent.

    What it begins is the work of `office`, once it has left.

    Raises:
        WallError, NotPermittedError: as `leave`.
    """
    async with node.begin() as work:
        weighed, built, waits, slot = await _judge(drafts, node, work, by, asked_at)
        departure = await hold(
            weighed,
            built,
            node,
            work,
            by=by,
            waits=waits,
            leaves_at=slot,
            asked_at=asked_at,
            state=DepartureState.SHOWN,
            office=office,
        )
    return departure, weighed, built


def automatic(drafts: Sequence[Draft]) -> None:
    """See to it that what software says by itself is of a kind it may say, and carries nothing about anybody.

    Raises:
        NotPermittedError: it is not; a person must send it.
    """
    for draft in drafts:
        if kind_of(draft) not in AUTOMATIC or draft.records:
            raise NotPermittedError("not said without a person")


async def only_answer(questions: Iterable[MessageId], work: UnitOfWork) -> None:
    """Let nobody else answer these questions until this transaction ends.

    Raises:
        NotPermittedError: another answer waits already, whoever looked before and saw none.
    """
    asked = sorted(set(questions))
    await work.departures.serialise(asked)
    for question in asked:
        if await work.departures.answers_to(question):
            raise NotPermittedError("another answer to it waits already")


async def _leave(
    drafts: Sequence[Draft], node: Capabilities, work: UnitOfWork, by: By, asked_at: int | None, office: Code | None
) -> Sequence[Prepared] | Held:
    if asked_at is not None:
        said = [draft for draft in drafts if kind_of(draft) != "case.status"]  # that it takes longer is no answer
        await only_answer([draft.in_reply_to for draft in said if draft.in_reply_to is not None], work)
    weighed, built, waits, slot = await _judge(drafts, node, work, by, asked_at)
    if not waits and slot is None:
        return await send(built, node, work, person=by.person, office=office)
    departure = await hold(
        weighed,
        built,
        node,
        work,
        by=by,
        waits=waits,
        leaves_at=slot,
        asked_at=asked_at,
        state=DepartureState.WAITING,
        office=office,
    )
    return Held(departure.id, departure.waits, departure.leaves_at, departure.content)


async def _judge(
    drafts: Sequence[Draft], node: Capabilities, work: UnitOfWork, by: By, asked_at: int | None
) -> tuple[tuple[Weighed, ...], tuple[Built, ...], tuple[str, ...], datetime | None]:
    persons = Persons(by.person)
    drafts = await named(drafts, node, work)
    weighed, now = await weigh_all(drafts, persons, node, work)
    slot = slot_of(drafts, asked_at, now)
    built = tuple(built_of(item, node, slot or now) for item in weighed)
    waits: set[str] = set()
    for item, message in zip(weighed, built, strict=True):
        standing = standing_walls(item, message.message, persons, node)
        refuse_walls(standing)
        waits.update(standing)
    return weighed, built, tuple(sorted(waits)), slot
