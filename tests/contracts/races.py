"""Two replicas of one exchange and a network that delays, repeats and reorders: what the tests of races are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from contracts import threads
from contracts.ids import MessageId, uuid7
from contracts.messages import CaseMessage
from contracts.threads import CLOSED, MACHINES, START, Exchange, Machine, Refusal, Side, begin, owed, say, step
from tests.contracts.samples import EXAMPLES

NOTHING = ()


def message_id(number: int) -> MessageId:
    return MessageId(uuid7(1_795_000_000_000, number.to_bytes(10)))


def make(machine: Machine, kind: str, number: int, opening: MessageId, answers: MessageId | None) -> CaseMessage:
    """The example of a type, as a message of this exchange."""
    example = EXAMPLES[kind]
    where = machine.names[kind]
    change: dict[str, object] = {"message_id": opening if where == "self" else message_id(number)}
    if where == "re":
        change["in_reply_to"] = opening
    elif where != "self":
        change["body"] = example.body.model_copy(update={where: opening})
        change["in_reply_to"] = answers
    return example.model_copy(update=change)


@dataclass(frozen=True)
class World:
    """Where two replicas stand, and what is between them: (to whom, message number)."""

    opener: Exchange
    addressee: Exchange
    flying: tuple[tuple[Side, int], ...] = NOTHING
    repeats: int = 0
    said: int = 0
    """How many messages were made; their numbers are also the order in which they were said."""

    def at(self, side: Side) -> Exchange:
        return self.opener if side is Side.OPENER else self.addressee

    def put(self, side: Side, exchange: Exchange) -> "World":
        return replace(self, opener=exchange) if side is Side.OPENER else replace(self, addressee=exchange)


Stepper = Callable[..., object]


class Race:
    """Everything that can happen to one machine, with at most `extra` messages besides the opening and `repeats` duplicates."""

    def __init__(
        self,
        machine: Machine,
        opening_kind: str,
        *,
        extra: int = 4,
        repeats: int = 1,
        stepper: Stepper = step,
        sayer: Stepper = say,
    ) -> None:
        self.machine, self.opening_kind = machine, opening_kind
        self.extra, self.repeats, self.stepper, self.sayer = extra, repeats, stepper, sayer
        self.opening = message_id(0)
        self.made: dict[tuple[int, str], CaseMessage] = {}
        self.number_of: dict[MessageId, int] = {}

    def start(self) -> World:
        nothing = begin(self.machine.name, self.opening)
        return World(nothing, nothing)

    def message(self, number: int, kind: str, world: World, side: Side) -> CaseMessage:
        withdrawn = next((item.message_id for item in world.at(side).said if item.kind == "referral.withdraw"), None)
        answers = withdrawn if kind == "referral.done" and world.at(side).state == "withdrawing" else None
        key = (number, kind, answers)
        if key not in self.made:
            self.made[key] = make(self.machine, kind, number, self.opening, answers)
        return self.made[key]

    def kinds(self, side: Side) -> list[str]:
        found = {move.kind for move in self.machine.moves if move.by is side}
        openings = {kind for kind, where in self.machine.names.items() if where == "self"}
        return sorted(found - openings | ({self.opening_kind} if side is Side.OPENER else set()))

    def saying(self, world: World) -> Iterator[tuple[str, World]]:
        """Every message either side may say now, by its own gate."""
        for side in Side:
            for kind in self.kinds(side):
                if world.said > self.extra and not owed(world.at(side), by_opener=side is Side.OPENER):
                    continue
                message = self.message(world.said, kind, world, side)
                result = self.sayer(world.at(side), message, as_opener=side is Side.OPENER)
                if isinstance(result, Refusal):
                    continue
                number = world.said
                self.number_of[message.message_id] = number
                after = world.put(side, result.exchange)
                flying = tuple(sorted((*world.flying, (side.other, message.message_id, kind, message.in_reply_to))))
                yield f"{side} says {kind}", replace(after, flying=flying, said=number + 1)

    def arriving(self, world: World) -> Iterator[tuple[str, World]]:
        """Every message between the two arrives, once or with a copy still to come."""
        for item in dict.fromkeys(world.flying):
            side, identity, kind, re = item
            message = next(
                made for made in self.made.values() if (made.message_id, made.type, made.in_reply_to) == (identity, kind, re)
            )
            result = self.stepper(world.at(side), message, from_opener=side is Side.ADDRESSEE)
            assert not isinstance(result, Refusal), (result, kind, world.at(side).state)
            after = world.put(side, result.exchange)
            rest = list(world.flying)
            rest.remove(item)
            yield f"{kind} reaches the {side}", replace(after, flying=tuple(rest))
            if world.repeats < self.repeats:
                yield f"{kind} reaches the {side} and is on its way again", replace(after, repeats=world.repeats + 1)

    def after(self, world: World) -> list[tuple[str, World]]:
        return [*self.saying(world), *self.arriving(world)]


def truth(exchange: Exchange) -> tuple[object, ...]:
    """What a side would tell its people."""
    return exchange.state, exchange.outcome, exchange.crossed, exchange.early, exchange.path


def lies(world: World) -> str | None:
    """What a side believes that the other's log does not bear out; None when nothing."""
    for side in Side:
        mine, theirs = world.at(side), world.at(side.other)
        if mine.state != CLOSED or mine.outcome not in {
            move.outcome for move in MACHINES[mine.machine].moves if move.by is side.other
        }:
            continue  # not over, or by its own word, which the other will hear
        if (theirs.state, theirs.outcome) != (CLOSED, mine.outcome):
            return f"the {side} says {mine.outcome}, the other {theirs.state} {theirs.outcome}"
    if world.opener.state == "accepted" and "accepted" not in world.addressee.path:
        return "the opener says accepted, the addressee never accepted"
    return None


def explore(race: Race) -> tuple[int, int]:
    """Visit every world once; return how many there are and in how many nothing is left to arrive.

    Raises:
        AssertionError: two replicas that end apart, a lie on the way, or an end that was taken back.
    """
    seen: set[World] = set()
    ends = 0
    fresh = [race.start()]
    while fresh:
        world = fresh.pop()
        if world in seen:
            continue
        seen.add(world)
        assert lies(world) is None, (lies(world), world)
        if not world.flying:
            ends += 1
            assert truth(world.opener) == truth(world.addressee), (world.opener, world.addressee)
        for told, later in race.after(world):
            for side in Side:
                if world.at(side).state == CLOSED:
                    assert later.at(side).state == CLOSED, told
                    assert later.at(side).outcome == world.at(side).outcome, told
            fresh.append(later)
    return len(seen), ends


def naive_step(exchange: Exchange, message: CaseMessage, *, from_opener: bool) -> object:
    """The planted bug: each side lets decide what reached it first."""
    known = exchange.said
    result = step(exchange, message, from_opener=from_opener)
    if isinstance(result, Refusal) or exchange.state == START or message.message_id in {item.message_id for item in known}:
        return result
    fits = [move for move in MACHINES[exchange.machine].moves if (move.source, move.kind) == (exchange.state, message.type)]
    if fits:
        return result
    return threads.Step(exchange, threads.Effect.CROSSED)


def gateless_say(exchange: Exchange, message: CaseMessage, *, as_opener: bool) -> object:
    """The planted bug: an addressee that answers an offer though it has logged the withdrawal."""
    result = step(exchange, message, from_opener=as_opener)
    counts = not isinstance(result, Refusal) and result.effect in {threads.Effect.MOVED, threads.Effect.NOTED}
    return result if counts else Refusal(threads.Reason.ALREADY_DECIDED)
