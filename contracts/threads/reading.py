"""Exchanges between two institutions: who may say what when, as data, and one pure step (SPEC 14).

An exchange is one run of a machine and is named by its opening message; a thread may hold several. Each side keeps its own
reading of it, and messages come late, twice and in any order. What both must end with is decided by the addressee's log:

* A reading is a function of the set of messages known, never of the order they came in.
* Where a message of the addressee and one of the opener both fit, the addressee's counts. An addressee that has logged a
  withdrawal says nothing but what confirms it, so an answer that exists was logged before the withdrawal came.
* What fitted once and does so no longer has crossed: it changes nothing, and both sides know that it did not.
* A contested message of the opener ends nothing by itself: the exchange is over when the addressee confirms it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from contracts.ids import MessageId
from contracts.messages import CaseMessage
from contracts.threads.machines import CLOSED, MACHINE_OF, MACHINES, START, Machine, Move, Side


class Effect(StrEnum):
    """What a message did to a reading."""

    MOVED = "moved"
    NOTED = "noted"  # it fits and moves nothing: news
    DUPLICATE = "duplicate"
    EARLY = "early"  # it fits after something that is still on its way
    CROSSED = "crossed"  # it came too late to count; the other side learns so


class Reason(StrEnum):
    """Why a message is no part of an exchange, or may not be said in it."""

    NOT_OF_THIS_MACHINE = "not-of-this-machine"
    ANOTHER_EXCHANGE = "another-exchange"
    CONFLICT = "one-id-two-contents"
    NOT_THEIRS = "not-theirs-to-say"
    ANSWERS_NOTHING = "answers-nothing-here"
    RECORDS_TOO_EARLY = "records-too-early"
    OUT_OF_TURN = "out-of-turn"
    ALREADY_DECIDED = "already-decided"
    SECOND_PENDING = "second-pending"


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """One message of an exchange, as much of it as a reading needs. `re` is the message it replies to."""

    message_id: MessageId
    kind: str
    by: Side
    re: MessageId | None = None
    carries: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One side's reading. Two readings of the same messages are equal, in whatever order they came. Made by `replay`."""

    machine: str
    opening: MessageId
    said: frozenset[Said]
    state: str
    outcome: str | None
    path: tuple[str, ...]
    crossed: frozenset[MessageId]
    early: frozenset[MessageId]

    @property
    def pending(self) -> bool:
        """Whether it is under way."""
        return self.state not in {START, CLOSED}

    @property
    def awaited(self) -> Side | None:
        """Whose word is awaited: the addressee's where it has one to say; nobody's otherwise."""
        answers = any(move.by is Side.ADDRESSEE for move in MACHINES[self.machine].leaving(self.state))
        return Side.ADDRESSEE if answers and self.pending else None


@dataclass(frozen=True, slots=True)
class Step:
    """The reading with one more message in it. `crossed`: what has crossed only now, this message or one of before."""

    exchange: Exchange
    effect: Effect
    crossed: frozenset[MessageId] = frozenset()


@dataclass(frozen=True, slots=True)
class Refusal:
    """The message is no part of the exchange, or may not be said now."""

    reason: Reason


def exchange_of(message: CaseMessage) -> tuple[Machine, MessageId] | None:
    """Return the machine of a message and the opening message of its exchange; None for a threadless type."""
    machine = MACHINE_OF.get(message.type)
    if machine is None:
        return None
    where = machine.names[message.type]
    if where == "self":
        return machine, message.message_id
    if where == "re":
        return None if message.in_reply_to is None else (machine, message.in_reply_to)
    return machine, MessageId(getattr(message.body, where))


def replay(machine: str, opening: MessageId, said: Iterable[Said]) -> Exchange:
    """Return the reading of these messages (SPEC 14.2)."""
    known = frozenset(said)
    fits = _Fits.among(MACHINES[machine], known)
    waiting = sorted(known, key=_addressee_first)
    path, outcome = [START], None
    while (taken := fits.first_that_moves(path[-1], waiting)) is not None:
        item, move = taken
        waiting = [other for other in waiting if other != item and not fits.is_noted(path[-1], other)]
        path.append(move.target)
        outcome = move.outcome
    waiting = [item for item in waiting if not fits.is_noted(path[-1], item)]
    crossed = frozenset(item.message_id for item in waiting if any(fits(state, item) for state in path))
    early = frozenset(item.message_id for item in waiting) - crossed
    return Exchange(machine, opening, known, path[-1], outcome, tuple(path), crossed, early)


def begin(machine: str, opening: MessageId) -> Exchange:
    """Return the reading of nothing yet."""
    return replay(machine, opening, ())


def step(exchange: Exchange, message: CaseMessage, *, from_opener: bool) -> Step | Refusal:
    """Return the reading with `message` in it, whoever said it, and what it did; or why it is no part of this exchange."""
    found = _place(exchange, message, Side.OPENER if from_opener else Side.ADDRESSEE)
    if isinstance(found, Refusal):
        return found
    if found in exchange.said:
        return Step(exchange, Effect.DUPLICATE)
    after = replay(exchange.machine, exchange.opening, exchange.said | {found})
    if found.message_id in after.early and not _may_fit_later(after, found):
        return Refusal(Reason.OUT_OF_TURN)
    return Step(after, _effect(exchange, after, found), after.crossed - exchange.crossed)


def say(exchange: Exchange, message: CaseMessage, *, as_opener: bool) -> Step | Refusal:
    """Return the reading after we said `message`; refused unless it fits where the exchange stands now.

    This is what makes an addressee's log decide: after it logged a withdrawal it cannot answer the offer any more.
    """
    side = Side.OPENER if as_opener else Side.ADDRESSEE
    found = _place(exchange, message, side)
    if isinstance(found, Refusal):
        return found
    if found in exchange.said:
        return Step(exchange, Effect.DUPLICATE)
    fits = _Fits.among(MACHINES[exchange.machine], exchange.said)
    if not fits(exchange.state, found):
        once = any(fits(state, found) for state in exchange.path)
        return Refusal(Reason.ALREADY_DECIDED if once else Reason.OUT_OF_TURN)
    return step(exchange, message, from_opener=as_opener)


def remember(exchange: Exchange, message: CaseMessage, *, by_opener: bool) -> Exchange:
    """Return the reading with `message` in it, which is proven to have been said, whatever is known of what came before.

    For a node that lost its books and gets its own signed messages back (SPEC 8.7).
    """
    side = Side.OPENER if by_opener else Side.ADDRESSEE
    return replay(exchange.machine, exchange.opening, exchange.said | {_said(message, side)})


def sides_of(message: CaseMessage) -> frozenset[Side]:
    """Return who may say a message of this type in its exchange; empty for a threadless type."""
    machine = MACHINE_OF.get(message.type)
    return frozenset() if machine is None else frozenset(move.by for move in machine.moves if move.kind == message.type)


def owed(exchange: Exchange, *, by_opener: bool) -> Move | None:
    """Return what the node says now by itself, without a person: the confirmation of a withdrawal."""
    side = Side.OPENER if by_opener else Side.ADDRESSEE
    moves = MACHINES[exchange.machine].leaving(exchange.state)
    return next((move for move in moves if move.automatic and move.by is side), None)


@dataclass(frozen=True, slots=True)
class Pending:
    """An exchange we opened that is under way: its machine, its case in our books, whom it is with.

    `topic`: the service, where what is asked for is one: a family may need a shelter and a passage at the same time.
    """

    machine: str
    case: str
    recipient: str
    topic: str = ""


def open_refusal(pending: Iterable[Pending], wanted: Pending) -> Refusal | None:
    """Return why an exchange may not be opened: the same is asked of the same recipient about the same case."""
    if MACHINES[wanted.machine].exclusive and wanted in set(pending):
        return Refusal(Reason.SECOND_PENDING)
    return None


def overdue(exchange: Exchange, deadline: int | None, now: int) -> bool:
    """Return whether the awaited word is late (Unix seconds). It may still be said: a deadline moves nothing."""
    return deadline is not None and exchange.awaited is not None and now > deadline


def _effect(before: Exchange, after: Exchange, item: Said) -> Effect:
    if item.message_id in after.crossed:
        return Effect.CROSSED
    if item.message_id in after.early:
        return Effect.EARLY
    return Effect.NOTED if after.path == before.path else Effect.MOVED


# -- reading -------------------------------------------------------------------------------------------------------


def _addressee_first(item: Said) -> tuple[bool, MessageId]:
    return item.by is Side.OPENER, item.message_id


@dataclass(frozen=True, slots=True)
class _Fits:
    """Which move a message is in a state, given what else was said."""

    machine: Machine
    kinds: Mapping[MessageId, str]

    @classmethod
    def among(cls, machine: Machine, said: Iterable[Said]) -> "_Fits":
        return cls(machine, {item.message_id: item.kind for item in said})

    def __call__(self, state: str, item: Said, *, moving: bool | None = None) -> Move | None:
        """Return the move that `item` is in `state`; with `moving`, only one that leads elsewhere, or none that does."""
        answers = None if item.re is None else self.kinds.get(item.re)  # the type of what it replies to
        for move in self.machine.moves:
            if (move.source, move.kind, move.by) != (state, item.kind, item.by) or moving not in {None, move.moves}:
                continue
            asked = {other.answers for other in self.machine.moves if other.kind == item.kind and other.answers}
            if move.answers == answers or (move.answers is None and answers not in asked):
                return move
        return None

    def first_that_moves(self, state: str, waiting: Iterable[Said]) -> tuple[Said, Move] | None:
        moving = ((item, self(state, item, moving=True)) for item in waiting)
        return next(((item, move) for item, move in moving if move is not None), None)

    def is_noted(self, state: str, item: Said) -> bool:
        return self(state, item, moving=False) is not None


def _place(exchange: Exchange, message: CaseMessage, side: Side) -> Said | Refusal:
    """Return `message` as part of `exchange`, or why it is none whatever the state."""
    named = exchange_of(message)
    if named is None or named[0].name != exchange.machine:
        return Refusal(Reason.NOT_OF_THIS_MACHINE)
    if named[1] != exchange.opening:
        return Refusal(Reason.ANOTHER_EXCHANGE)
    item = _said(message, side)
    before = next((known for known in exchange.said if known.message_id == item.message_id), None)
    if before is not None:
        return before if before == item else Refusal(Reason.CONFLICT)
    return _lawful(named[0], exchange, item)


def _said(message: CaseMessage, side: Side) -> Said:
    return Said(message.message_id, message.type, side, message.in_reply_to, bool(message.records or message.att))


def _lawful(machine: Machine, exchange: Exchange, item: Said) -> Said | Refusal:
    if not any((move.kind, move.by) == (item.kind, item.by) for move in machine.moves):
        return Refusal(Reason.NOT_THEIRS)
    fits = _Fits.among(machine, exchange.said)
    fitting = [move for state in machine.states if (move := fits(state, item)) is not None]
    if not fitting:  # what it answers is our own and always known here
        return Refusal(Reason.ANSWERS_NOTHING)
    if item.carries and not any(move.carries for move in fitting):
        return Refusal(Reason.RECORDS_TOO_EARLY)
    return item


def _may_fit_later(exchange: Exchange, item: Said) -> bool:
    """Whether messages of the same side alone, still on their way, can bring the exchange where `item` fits.

    What the other side says is known here already: it is our own. A move of ours may have to give way, so every state
    passed counts.
    """
    machine, fits = MACHINES[exchange.machine], _Fits.among(MACHINES[exchange.machine], exchange.said)
    reached, fresh = set(exchange.path), list(exchange.path)
    while fresh:
        for move in machine.leaving(fresh.pop()):
            if move.by is item.by and move.target not in reached:
                reached.add(move.target)
                fresh.append(move.target)
    return any(fits(state, item) for state in reached)
