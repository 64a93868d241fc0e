"""Exchanges (SPEC 14): sound machines, and two replicas that end with the same truth whatever the network does."""

import random
import secrets
from dataclasses import replace

import pytest

from contracts.messages import MESSAGE_TYPES
from contracts.threads import (
    CLOSED,
    MACHINES,
    START,
    THREADLESS,
    Effect,
    Move,
    Pending,
    Reason,
    Refusal,
    Said,
    Side,
    begin,
    exchange_of,
    faults_of,
    open_refusal,
    overdue,
    owed,
    replay,
    say,
    step,
)
from tests.contracts.races import Race, World, explore, gateless_say, lies, make, message_id, naive_step, truth
from tests.contracts.samples import EXAMPLES, NAMES

REFERRAL = MACHINES["referral"]
OPENING = message_id(0)
OPENINGS = [(machine, kind) for machine in MACHINES.values() for kind, where in machine.names.items() if where == "self"]


def referral(kind, number, answers=None):
    return make(REFERRAL, kind, number, OPENING, answers)


OFFER, ACCEPT, DECLINE, WITHDRAW = (
    referral(f"referral.{word}", number) for number, word in enumerate(("offer", "accept", "decline", "withdraw"))
)
CONFIRM = referral("referral.done", 5, answers=WITHDRAW.message_id)


def told(*steps):
    """A reading after (message, from_opener) steps, each of which must be taken."""
    exchange = begin("referral", OPENING)
    for message, from_opener in steps:
        result = step(exchange, message, from_opener=from_opener)
        assert not isinstance(result, Refusal), result
        exchange = result.exchange
    return exchange


# -- the machines --------------------------------------------------------------------------------------------------


def test_every_type_belongs_to_one_machine_or_says_why_to_none() -> None:
    owned = [kind for machine in MACHINES.values() for kind in machine.names]
    assert sorted([*owned, *THREADLESS]) == sorted(MESSAGE_TYPES)
    assert {"report", "search", "referral", "finding", "duty", "disclosure", "erasure"} <= set(MACHINES)
    assert all(THREADLESS.values())


def broken(**change):
    machine = replace(REFERRAL, **change)
    return faults_of([machine if name == "referral" else found for name, found in MACHINES.items()], THREADLESS)


MOVES = REFERRAL.moves
BUGS = {
    "a state nothing leads to": broken(moves=(*MOVES, Move("lost", "referral.done", Side.ADDRESSEE, CLOSED, outcome="x"))),
    "not exactly one terminal state": broken(
        moves=tuple(replace(move, target="refused", outcome=None) if move.outcome == "declined" else move for move in MOVES)
    ),
    "records before accepted": broken(moves=(*MOVES, Move("offered", "referral.update", Side.OPENER, "offered", carries=True))),
    "carries what its type has no room for": broken(
        moves=tuple(replace(move, carries=True) if move.kind == "referral.offer" else move for move in MOVES)
    ),
    "nobody confirms that it came before an answer": broken(
        moves=tuple(
            replace(move, target=CLOSED, outcome="withdrawn") if move.kind == "referral.withdraw" else move
            for move in MOVES
            if move.source != "withdrawing"
        )
    ),
    "two moves for one message": broken(
        moves=(*MOVES, Move("offered", "referral.accept", Side.ADDRESSEE, CLOSED, answers="referral.offer", outcome="x"))
    ),
    "opened by the addressee": broken(
        moves=tuple(replace(move, by=Side.ADDRESSEE) if move.source == START else move for move in MOVES)
    ),
    "its body does not name the exchange": broken(names={**REFERRAL.names, "referral.update": "notice"}),
    "each type belongs to one machine or to none, once": faults_of(MACHINES.values(), [*THREADLESS, "referral.offer"]),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_machine_that_is_not_sound_is_seen(bug) -> None:
    assert any(bug in fault for fault in BUGS[bug]), BUGS[bug]


def test_the_products_own_are_sound() -> None:
    assert faults_of(MACHINES.values(), THREADLESS) == ()


@pytest.mark.parametrize("name", NAMES)
def test_each_type_names_its_exchange(name) -> None:
    found = exchange_of(EXAMPLES[name])
    if name in THREADLESS:
        assert found is None
        return
    machine, opening = found
    where = machine.names[name]
    message = EXAMPLES[name]
    assert opening == {"self": message.message_id, "re": message.in_reply_to}.get(where, getattr(message.body, where, None))


def test_an_offer_carries_nothing_and_records_leave_only_after_a_yes() -> None:
    for kind in ("referral.offer", "referral.accept", "referral.decline", "referral.withdraw"):
        assert not any(move.carries for move in REFERRAL.moves if move.kind == kind)
    update = referral("referral.update", 7)
    assert update.records
    offered = told((OFFER, True))
    assert say(offered, update, as_opener=True) == Refusal(Reason.OUT_OF_TURN)
    assert step(offered, update, from_opener=True) == Refusal(Reason.OUT_OF_TURN)  # a peer that sends them all the same
    accepted = told((OFFER, True), (ACCEPT, False))
    assert say(accepted, update, as_opener=True).effect is Effect.NOTED
    confirm = CONFIRM.model_copy(update={"records": EXAMPLES["referral.update"].records})
    withdrawing = told((OFFER, True), (WITHDRAW, True))
    assert step(withdrawing, confirm, from_opener=False) == Refusal(Reason.RECORDS_TOO_EARLY)


# -- one reading ---------------------------------------------------------------------------------------------------


def test_a_withdrawal_that_comes_after_the_answer_does_not_undo_it_and_the_opener_learns_that_it_crossed() -> None:
    addressee = told((OFFER, True), (ACCEPT, False), (WITHDRAW, True))
    assert (addressee.state, addressee.crossed) == ("accepted", {WITHDRAW.message_id})
    opener = told((OFFER, True), (WITHDRAW, True))
    assert (opener.state, opener.awaited) == ("withdrawing", Side.ADDRESSEE)  # not said to be withdrawn before it is
    learned = step(opener, ACCEPT, from_opener=False)
    assert (learned.exchange.state, learned.crossed) == ("accepted", {WITHDRAW.message_id})
    assert learned.exchange == addressee


def test_after_a_withdrawal_was_logged_nothing_but_its_confirmation_can_be_said() -> None:
    addressee = told((OFFER, True), (WITHDRAW, True))
    for answer in (ACCEPT, DECLINE):
        assert say(addressee, answer, as_opener=False) == Refusal(Reason.ALREADY_DECIDED)
    assert owed(addressee, by_opener=False).kind == "referral.done"
    assert owed(addressee, by_opener=True) is None
    over = say(addressee, CONFIRM, as_opener=False).exchange
    assert (over.state, over.outcome) == (CLOSED, "withdrawn")


def test_a_withdrawal_that_overtakes_its_offer_waits_for_it_and_the_offer_never_opens() -> None:
    early = step(begin("referral", OPENING), WITHDRAW, from_opener=True)
    assert early.effect is Effect.EARLY
    assert not early.exchange.pending
    late = step(early.exchange, OFFER, from_opener=True).exchange
    assert late.state == "withdrawing"
    assert say(late, ACCEPT, as_opener=False) == Refusal(Reason.ALREADY_DECIDED)


def test_two_offices_answer_at_once_and_the_first_one_counts() -> None:
    accepted = told((OFFER, True), (ACCEPT, False))
    again = referral("referral.accept", 8)
    assert say(accepted, again, as_opener=False) == Refusal(Reason.ALREADY_DECIDED)
    assert say(accepted, DECLINE, as_opener=False) == Refusal(Reason.ALREADY_DECIDED)


def test_a_duplicate_changes_nothing_and_one_id_with_two_contents_is_refused() -> None:
    accepted = told((OFFER, True), (ACCEPT, False))
    again = step(accepted, ACCEPT, from_opener=False)
    assert (again.effect, again.exchange) == (Effect.DUPLICATE, accepted)
    other = DECLINE.model_copy(update={"message_id": ACCEPT.message_id})
    assert step(accepted, other, from_opener=False) == Refusal(Reason.CONFLICT)


def test_what_is_no_part_of_an_exchange_is_refused() -> None:
    offered = told((OFFER, True))
    assert step(offered, ACCEPT, from_opener=True) == Refusal(Reason.NOT_THEIRS)
    assert step(offered, EXAMPLES["search.response"], from_opener=False) == Refusal(Reason.NOT_OF_THIS_MACHINE)
    assert step(offered, EXAMPLES["note"], from_opener=False) == Refusal(Reason.NOT_OF_THIS_MACHINE)
    elsewhere = make(REFERRAL, "referral.accept", 9, message_id(77), None)
    assert step(offered, elsewhere, from_opener=False) == Refusal(Reason.ANOTHER_EXCHANGE)
    assert step(begin("referral", OPENING), ACCEPT, from_opener=False) == Refusal(Reason.ANSWERS_NOTHING)
    finished = referral("referral.done", 6)
    assert say(offered, finished, as_opener=False) == Refusal(Reason.OUT_OF_TURN)
    # it says work is done that nobody here knows was accepted: the acceptance may still be on its way
    assert step(offered, finished, from_opener=False).effect is Effect.EARLY
    assert step(told((OFFER, True), (DECLINE, False)), finished, from_opener=False).effect is Effect.EARLY


def test_no_second_pending_exchange_for_the_same_case_and_recipient() -> None:
    pending = [Pending("referral", "case-1", "gt.conamigua")]
    assert open_refusal(pending, pending[0]) == Refusal(Reason.SECOND_PENDING)
    for other in (
        ("search", "case-1", "gt.conamigua"),
        ("referral", "case-2", "gt.conamigua"),
        ("referral", "case-1", "gt.pgn"),
        ("referral", "case-1", "gt.conamigua", "shelter"),
    ):
        assert open_refusal(pending, Pending(*other)) is None
    for never_waits in ("duty", "erasure"):
        assert open_refusal([Pending(never_waits, "case-1", "gt.pgn")], Pending(never_waits, "case-1", "gt.pgn")) is None


def test_a_deadline_tells_who_is_late_and_closes_nothing() -> None:
    offered = told((OFFER, True))
    assert not overdue(offered, 100, 100)
    assert overdue(offered, 100, 101)
    assert not overdue(offered, None, 101)
    accepted = say(offered, ACCEPT, as_opener=False).exchange
    assert accepted.state == "accepted"
    notice = replay("duty", OPENING, {Said(OPENING, "duty.notice", Side.OPENER, None, True)})
    assert notice.awaited is None
    assert not overdue(notice, 100, 101)


# -- races ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("machine", "kind"), OPENINGS, ids=lambda value: getattr(value, "name", value))
def test_whatever_is_said_and_however_it_arrives_both_sides_end_with_the_same_truth(machine, kind) -> None:
    worlds, ends = explore(Race(machine, kind))
    print(machine.name, kind, worlds, "worlds,", ends, "ends")
    assert worlds > 8


def test_control_where_the_first_to_arrive_decides_the_sides_end_apart() -> None:
    with pytest.raises(AssertionError):
        explore(Race(REFERRAL, "referral.offer", stepper=naive_step))


def test_control_without_the_gate_an_end_is_taken_back() -> None:
    with pytest.raises(AssertionError):
        explore(Race(REFERRAL, "referral.offer", extra=3, repeats=0, sayer=gateless_say))


def test_control_a_withdrawal_that_ends_by_itself_is_a_lie_on_the_way() -> None:
    opener = told((OFFER, True), (WITHDRAW, True))
    claimed = replace(opener, state=CLOSED, outcome="withdrawn")
    addressee = told((OFFER, True), (ACCEPT, False))
    late = replace(claimed, said=claimed.said | {Said(ACCEPT.message_id, "referral.accept", Side.ADDRESSEE)})
    assert lies(World(late, addressee)) is not None


def race_once(chance: random.Random) -> tuple[str, ...]:
    """One race with many messages: both sides say what they may at random, the network does its worst."""
    race = Race(REFERRAL, "referral.offer", extra=9, repeats=6)
    world, told_ = race.start(), []
    for _ in range(200):
        choices = race.after(world)
        if not choices or (not world.flying and chance.random() < 0.1):
            break
        what, world = chance.choice(choices)
        told_.append(what)
        assert lies(world) is None, (lies(world), told_)
    while world.flying:
        what, world = chance.choice(list(race.arriving(world)))
        told_.append(what)
    assert truth(world.opener) == truth(world.addressee), told_
    return world.opener.outcome or world.opener.state, bool(world.opener.crossed), any("again" in line for line in told_)


def test_five_hundred_raced_rounds() -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    rounds = [race_once(random.Random(seed * 1000 + number)) for number in range(500)]
    outcomes = {outcome for outcome, _, _ in rounds}
    assert {"withdrawn", "declined", "done"} <= outcomes, outcomes
    assert sum(crossed for _, crossed, _ in rounds) > 5
    assert sum(repeated for _, _, repeated in rounds) > 50


def test_a_reading_does_not_depend_on_the_order_of_arrival() -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    messages = [
        (OFFER, True),
        (ACCEPT, False),
        (WITHDRAW, True),
        (referral("referral.update", 7), True),
        (referral("referral.done", 8), False),
    ]
    whole = told(*messages)
    for _ in range(200):
        exchange = told(messages[0])
        rest = messages[1:]
        chance.shuffle(rest)
        rest.sort(key=lambda item: item[1])  # an answer is in the addressee's own log before what the opener says to it arrives
        for message, from_opener in rest:
            exchange = step(exchange, message, from_opener=from_opener).exchange
        assert exchange == whole
