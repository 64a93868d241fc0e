"""What a relative decides: given, narrowed, withdrawn (SPEC 15, 20). An event with its leaf; a withdrawal acts at once.

Whoever read with a report what its family agreed to is told what the one who reported changes (SPEC 20.9).

In one transaction a withdrawal is written down, what waits to leave on it is taken back, and every node that has a copy is
ordered to erase it. From its commit on nothing leaves on what was withdrawn: `standing.refuse_fallen` looks at the same
events in the transaction of every send.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.consents import NO_LIMITS, ConsentEvent, ConsentForm, InForce, Limits, RelativeId, Scope, in_force
from contracts.errors import NotPermittedError, StorageError, UnknownCaseError
from contracts.fields import RecordType
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId, RecordId
from contracts.leaves import LeafEvent, LeafFields
from contracts.messages import ConsentAct
from gateway.exchange.capabilities import Capabilities
from gateway.exchange.holdings import LedgerEntry, RecallState
from gateway.exchange.ports import Nudge, Onward, StagedLeaf, UnitOfWork
from gateway.exchange.recalling import prepare_news, prepare_orders, write_orders
from gateway.exchange.sheets import end_of_case
from gateway.exchange.standing import UNKNOWN_RULE, rests_on, stands
from gateway.exchange.submit import enqueue
from keys.register.state import TrustState

_TRIES = 5
_OUT = (RecallState.HELD, RecallState.UNKNOWN, RecallState.WANTED)
_AGREED = frozenset({"consents", "consent_details"})
"""Fields of a reporter that say what they agreed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a relative said, and how. Times are Unix seconds; `effective_at` None: from now on."""

    relative: RelativeId
    act: ConsentAct
    scopes: frozenset[Scope]
    form: ConsentForm
    language: str
    witness: ActorPseudonym | None = None
    limits: Limits = NO_LIMITS
    reason: Code | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of it. `taken_back`: never left. `under_way`: it may have arrived, and is recalled like what did."""

    event: MessageId
    taken_back: tuple[MessageId, ...] = ()
    under_way: tuple[MessageId, ...] = ()
    ordered: Mapping[NodeId, int] | None = None
    told: tuple[NodeId, ...] = ()
    """Nodes that read what was agreed to, and are told of the change; their copies stay."""
    untold: tuple[NodeId, ...] = ()
    """Nodes that have a copy and could not be told yet; people are, every day."""
    unheard: tuple[NodeId, ...] = ()
    """Nodes that read what was agreed to and cannot be told of the change now: nothing tries again, so somebody must call."""


@dataclass(frozen=True, slots=True)
class _Fall:
    """What a decision brings down: copies that may be out, messages that wait; and the copies whose holders it is news to."""

    out: frozenset[RecordId] = frozenset()
    never_left: frozenset[MessageId] = frozenset()
    under_way: frozenset[MessageId] = frozenset()
    news: frozenset[RecordId] = frozenset()


class TakenBackError(NotPermittedError):
    """What somebody wants to write down as agreed was taken back where it was said."""

    advice = "Pregunte a la familia. Si lo autoriza de nuevo, anótelo como lo que dijo aquí."


class _MovedError(Exception):
    """Something left, or came to its end, between the look and the write."""


async def decide(case: str, decision: Decision, node: Capabilities, *, actor: ActorPseudonym) -> Decided:
    """Write down what a relative decided about a case, and let it take effect before anything else leaves.

    Raises:
        UnknownCaseError: no such case here.
        SchemaError: no scope, or no witness where the form needs one.
        TakenBackError: it says again what the desk's signed word has taken back.
        ClockWrongError: our clock jumped; the decision would carry the wrong time.
    """
    return await carry_out(case, _event(decision, node, node.clock.now()), node, actor=actor)


async def carry_out(case: str, event: ConsentEvent, node: Capabilities, *, actor: ActorPseudonym) -> Decided:
    """Do what `decide` does for a decision that is an event already; one that is written down does nothing again.

    Raises:
        UnknownCaseError, TakenBackError, ClockWrongError: as `decide`.
    """
    node.timekeeper.check()
    async with node.begin() as work:
        refs = await known_case(case, work)
        if event.id in {known.id for ref in refs for known in await work.consents.of_case(ref)}:
            return Decided(event.id)
    for _ in range(_TRIES):
        try:
            return await _decide(refs, event, node, actor)
        except _MovedError:
            continue
    raise StorageError("too much moves in this case just now")


async def foresee(case: str, decision: Decision, node: Capabilities) -> Decided:
    """Return what would become of a decision if it were written down now: who would be told, and how many copies they have.

    Nothing is written. What leaves or comes back before it is written down counts then all the same.

    Raises:
        UnknownCaseError, SchemaError: as `decide`.
    """
    event = _event(decision, node, node.clock.now())
    async with node.begin() as work:
        fall, copies = await _look(await known_case(case, work), event, node, work)
    ordered = Counter(copy.peer for copy in copies if copy.record_id in fall.out)
    told = tuple(sorted({copy.peer for copy in copies if copy.record_id in fall.news}))
    return Decided(event.id, tuple(sorted(fall.never_left)), tuple(sorted(fall.under_way)), ordered, told)


async def known_case(case: str, work: UnitOfWork) -> Sequence[str]:
    """Return what our books call a case.

    Raises:
        UnknownCaseError: nothing of that name.
    """
    refs = await work.erasures.case_refs(case)
    if not refs:
        raise UnknownCaseError("no such case here")
    return refs


async def _decide(refs: Sequence[str], event: ConsentEvent, node: Capabilities, actor: ActorPseudonym) -> Decided:
    async with node.begin() as work:
        fall, copies = await _look(refs, event, node, work)
    change = (event.act, frozenset(Code(scope.value) for scope in event.scopes), event.effective_at)
    out = [copy for copy in copies if copy.record_id in fall.out]
    named, messages, untold = await prepare_orders(out, node, actor=actor, change=change)
    told = [copy for copy in copies if copy.record_id in fall.news]
    news, unheard = await prepare_news(told, node, actor=actor, change=change)
    now = node.clock.now()
    async with node.begin() as work:
        again, _ = await _look(refs, event, node, work)
        if again != fall:
            raise _MovedError
        await work.consents.add(refs[0], [event], now=now)
        if event.act is not ConsentAct.GIVEN and Scope.PUBLIC_BULLETIN in event.scopes:
            await end_of_case(refs, "consent", work, now)  # from here on, the page of the paper's code says so
        await _take_back(fall, copies, work, now)
        await write_orders(fall.out, named, messages, work, now)
        await enqueue(news, work, now=now)
        await work.audit.stage([_leaf(refs[0], event, node, actor, fall)])
        for peer in sorted(untold | unheard):
            await work.alarms.raise_("recall-untold", subject=f"{event.id} {peer}"[:80], now=now, peer=peer)
    node.nudge(Nudge.OUTBOX)
    node.nudge(Nudge.LOG)
    ordered = Counter(copy.peer for copy in out if copy.record_id in named)
    return Decided(
        event.id,
        tuple(sorted(fall.never_left)),
        tuple(sorted(fall.under_way)),
        ordered,
        tuple(sorted({item.message.recipient for item in news})),
        tuple(sorted(untold)),
        tuple(sorted(unheard)),
    )


async def _look(
    refs: Sequence[str], event: ConsentEvent, node: Capabilities, work: UnitOfWork
) -> tuple[_Fall, Sequence[LedgerEntry]]:
    """Return what falls with this decision, and every copy of the case; nobody sends anything of it meanwhile."""
    await work.departures.serialise(refs)
    before = [known for ref in refs for known in await work.consents.of_case(ref)]
    refuse_taken_back(event, before)
    copies = [copy for ref in refs for copy in await work.ledger.of_case(ref)]
    at = max(event.effective_at, int(node.clock.now().timestamp()))  # what was decided since, elsewhere or here, counts
    standing = [] if event.act is ConsentAct.GIVEN else [copy for copy in copies if copy.recall in _OUT]
    fallen = [copy for copy in standing if _falls(copy, event, before, node.trust(), at)]
    messages = {copy.message_id for copy in fallen}
    onward = await work.outbox.onward(sorted(messages))
    never = frozenset(message for message in messages if onward.get(message) is Onward.NEVER_LEFT)
    under_way = frozenset(message for message in messages if onward.get(message) is Onward.MAY_HAVE_ARRIVED)
    out = frozenset(copy.record_id for copy in fallen if copy.message_id not in never)
    news = frozenset(copy.record_id for copy in copies if _is_news(copy, event, before)) - out
    return _Fall(out, never, under_way, news), copies


def _is_news(copy: LedgerEntry, event: ConsentEvent, before: Sequence[ConsentEvent]) -> bool:
    """Return whether a copy said what the relative who now decides had agreed to: the one who reported, who spoke first."""
    if event.form is ConsentForm.RELAYED or copy.recall not in _OUT or copy.record_type != RecordType.REPORTER:
        return False
    spoke = min(before, key=lambda known: (known.effective_at, known.id), default=event)
    return event.relative == spoke.relative and not _AGREED.isdisjoint(item.field for item in copy.fields)


def refuse_taken_back(event: ConsentEvent, before: Sequence[ConsentEvent]) -> None:
    """Refuse a yes that repeats what the desk that took it down has since said is taken back.

    Raises:
        TakenBackError: it would.
    """
    if event.act is not ConsentAct.GIVEN or event.form is ConsentForm.RELAYED:
        return  # given again there is news, and rests on nothing here
    if event.scopes & withdrawn_there([known for known in before if known.relative == event.relative]):
        raise TakenBackError("the desk that wrote this down says that it was taken back")


def withdrawn_there(events: Sequence[ConsentEvent]) -> frozenset[Scope]:
    """Return what one relative took back, or narrowed, at another institution's desk, and did not give again there."""
    last: dict[Scope, ConsentAct] = {}
    for event in sorted(events, key=lambda event: (event.effective_at, event.id)):
        if event.form is ConsentForm.RELAYED:
            last |= dict.fromkeys(event.scopes, event.act)
    return frozenset(scope for scope, act in last.items() if act is not ConsentAct.GIVEN)


def _falls(copy: LedgerEntry, event: ConsentEvent, before: Sequence[ConsentEvent], trust: TrustState, at: int) -> bool:
    """Return whether a copy has nothing to stand on at `at` (Unix seconds) once `event` is known, and has to do with it."""
    member = trust.members.get(copy.peer)
    rested = copy.scopes if copy.scopes is not None else frozenset({UNKNOWN_RULE})
    if member is not None:
        rested = rests_on(copy, trust.policy, member.role)
    touched = {Code(scope.value) for scope in event.scopes} | {UNKNOWN_RULE}
    return not rested.isdisjoint(touched) and not stands(copy, rested, [*before, event], at)


async def _take_back(fall: _Fall, copies: Iterable[LedgerEntry], work: UnitOfWork, now: datetime) -> None:
    """End what waits. Whatever else was in such a message did not leave with it either: an officer sends that anew."""
    waiting = sorted(fall.never_left | fall.under_way)
    taken = await work.outbox.withdraw(waiting, reason="consent-withdrawn", now=now)
    for copy in copies:
        if copy.message_id not in taken:
            continue
        if copy.message_id in fall.never_left:
            await work.ledger.recall([copy.record_id], RecallState.WITHDRAWN, now=now)
        elif copy.record_id not in fall.out:
            await work.ledger.not_delivered([copy.message_id], RecallState.UNKNOWN, now=now)
        await work.exchanges.release(copy.peer, [copy.message_id])
    for message in sorted(taken):
        await work.alarms.raise_("send-taken-back", subject=str(message), now=now)


def _event(decision: Decision, node: Capabilities, now: datetime) -> ConsentEvent:
    return ConsentEvent(
        id=node.new_message_id(now),
        relative=decision.relative,
        act=decision.act,
        scopes=decision.scopes,
        effective_at=int(now.timestamp()),
        form=decision.form,
        language=decision.language,
        witness=decision.witness,
        limits=decision.limits,
        reason=decision.reason,
    )


def _leaf(case_ref: str, event: ConsentEvent, node: Capabilities, actor: ActorPseudonym, fall: _Fall) -> StagedLeaf:
    scopes = ",".join(sorted(scope.value for scope in event.scopes))
    return node.leaves.leaf(
        LeafFields(
            at=int(node.clock.now().timestamp()),
            event=LeafEvent.ADMIN,
            outcome=f"taken-back={len(fall.never_left)} under-way={len(fall.under_way)} recalled={len(fall.out)}",
            actor=actor,
            case=node.pseudonyms.case_alias(case_ref, node.us),
            detail=f"consent.{event.act.value} {event.relative} {scopes} {event.id}",
        )
    )


async def consents_of(case: str, node: Capabilities) -> tuple[Sequence[ConsentEvent], InForce]:
    """Return every decision about a case, and what is in force now.

    Raises:
        UnknownCaseError: no such case here.
    """
    async with node.begin() as work:
        refs = await known_case(case, work)
        events = [event for ref in refs for event in await work.consents.of_case(ref)]
    return events, in_force(events, int(node.clock.now().timestamp()))
