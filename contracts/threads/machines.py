"""The machines of exchanges, as data: who may say what when (SPEC 14.1). Checked when this module loads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from contracts.messages import MESSAGE_TYPES

START = "start"
CLOSED = "closed"
"""The one state of every machine that nothing leaves. How it was reached is the outcome."""


class Side(StrEnum):
    """Who said it: whoever opened the exchange, or whom it was opened with."""

    OPENER = "opener"
    ADDRESSEE = "addressee"

    @property
    def other(self) -> "Side":
        """The other side."""
        return Side.ADDRESSEE if self is Side.OPENER else Side.OPENER


@dataclass(frozen=True, slots=True)
class Move:
    """One message that fits one state. `answers`: it must reply to a message of that type of this exchange.

    `carries`: it may bring records or attachments. `automatic`: the node says it, no person decides. A move to its own
    source is noted and moves nothing.
    """

    source: str
    kind: str
    by: Side
    target: str
    answers: str | None = None
    outcome: str | None = None
    carries: bool = False
    automatic: bool = False

    @property
    def moves(self) -> bool:
        """Whether the state becomes another one."""
        return self.source != self.target


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of exchange. `names` says where each type names the opening message: itself, `re`, or a member of the body.

    `exclusive`: one at a time for a case and a recipient. `records_after`: no record leaves before this state.
    """

    name: str
    moves: tuple[Move, ...]
    names: Mapping[str, str]
    exclusive: bool = True
    records_after: str | None = None

    @property
    def states(self) -> frozenset[str]:
        """Every state, the first one included."""
        return frozenset({START, *(move.source for move in self.moves), *(move.target for move in self.moves)})

    def leaving(self, state: str) -> tuple[Move, ...]:
        """Return the moves from `state` to another one."""
        return tuple(move for move in self.moves if move.source == state and move.moves)


_O, _A = Side.OPENER, Side.ADDRESSEE


def _asked(name: str, questions: Mapping[str, bool], answer: str, outcome: str, **more: bool) -> Machine:
    """Return a machine of one question and one answer; `questions` says of each type whether it carries records."""
    answer_carries, exclusive = more.get("answer_carries", False), more.get("exclusive", True)
    asked = tuple(Move(START, kind, _O, "open", carries=carries) for kind, carries in questions.items())
    answers = tuple(Move("open", answer, _A, CLOSED, kind, outcome, answer_carries) for kind in questions)
    return Machine(name, (*asked, *answers), MappingProxyType({**dict.fromkeys(questions, "self"), answer: "re"}), exclusive)


_REFERRAL = Machine(
    "referral",
    (
        Move(START, "referral.offer", _O, "offered"),
        Move("offered", "referral.accept", _A, "accepted", answers="referral.offer"),
        Move("offered", "referral.decline", _A, CLOSED, answers="referral.offer", outcome="declined"),
        Move("offered", "referral.withdraw", _O, "withdrawing"),
        Move("withdrawing", "referral.done", _A, CLOSED, answers="referral.withdraw", outcome="withdrawn", automatic=True),
        Move("accepted", "referral.update", _O, "accepted", carries=True),
        Move("accepted", "referral.update", _A, "accepted", carries=True),
        Move("accepted", "referral.done", _A, CLOSED, outcome="done", carries=True),
    ),
    MappingProxyType(
        {
            "referral.offer": "self",
            "referral.accept": "re",
            "referral.decline": "re",
            "referral.withdraw": "offer",
            "referral.update": "offer",
            "referral.done": "offer",
        }
    ),
    records_after="accepted",
)

_DUTY = Machine(
    "duty",
    (
        Move(START, "duty.notice", _O, "told", carries=True),  # the signed receipt is the answer
        Move("told", "duty.cancel", _O, CLOSED, outcome="cancelled"),
    ),
    MappingProxyType({"duty.notice": "self", "duty.cancel": "notice"}),
    exclusive=False,  # a duty never waits for another one
)

MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        machine.name: machine
        for machine in (
            _asked("report", {"report.transfer": True}, "report.acknowledgement", "acknowledged"),
            _asked("search", {"search.request": True}, "search.response", "answered", answer_carries=True),
            _REFERRAL,
            _asked("finding", {"finding.notice": True}, "finding.acknowledgement", "acknowledged"),
            _DUTY,
            _asked(
                "disclosure",
                {"disclosure.request": False, "record.request": False},
                "disclosure.grant",
                "answered",
                answer_carries=True,
            ),
            # A right is never made to wait for the answer to another one.
            _asked(
                "erasure",
                {"erasure.order": False, "correction": True, "bulletin.cancel": False},
                "erasure.receipt",
                "accounted-for",
                exclusive=False,
            ),
            _asked("identity", {"identity.check": True}, "identity.answer", "answered"),
        )
    }
)

_BETWEEN_NODES = "said by a node as a node, about no case"
_BESIDE = "goes beside an exchange and moves none"
_ONE_WAY = "told once; the signed receipt is all the answer there is"

THREADLESS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("audit.request", "audit.response", "node.leave", "node.restored", "node.returned"), _BETWEEN_NODES),
        **dict.fromkeys(("node.suspend-self", "ping", "register.metadata"), _BETWEEN_NODES),
        **dict.fromkeys(("case.status", "family.message", "note"), _BESIDE),
        **dict.fromkeys(("bulk.manifest", "bulletin", "consent.change", "expert.conclusion", "sample.reference"), _ONE_WAY),
    }
)
"""Types of no machine, and why."""


# -- checks at import ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Faults:
    found: list[str] = field(default_factory=list)

    def unless(self, condition: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
        if not condition:
            self.found.append(what)


def faults_of(machines: Iterable[Machine], threadless: Iterable[str]) -> tuple[str, ...]:
    """Return what is wrong with these machines; empty when they are sound. The product's own are checked at import."""
    faults, machines = _Faults(), tuple(machines)
    kinds = [kind for machine in machines for kind in machine.names] + list(threadless)
    faults.unless(sorted(kinds) == sorted(MESSAGE_TYPES), "each type belongs to one machine or to none, once")
    for machine in machines:
        _check_states(machine, faults)
        _check_moves(machine, faults)
        _check_races(machine, faults)
    return tuple(faults.found)


def _check_states(machine: Machine, faults: _Faults) -> None:
    reached = _reached(machine, without=None)
    faults.unless(reached == machine.states, f"{machine.name}: a state nothing leads to")
    ends = {state for state in machine.states if not machine.leaving(state)}
    faults.unless(ends == {CLOSED}, f"{machine.name}: not exactly one terminal state")
    loops = any(move.source == CLOSED for move in machine.moves)
    faults.unless(not loops, f"{machine.name}: something is said after the end")
    if machine.records_after is not None:
        before = _reached(machine, without=machine.records_after)
        early = any(move.carries and move.source in before for move in machine.moves)
        faults.unless(not early, f"{machine.name}: records before {machine.records_after}")


def _reached(machine: Machine, *, without: str | None) -> frozenset[str]:
    reached, fresh = {START}, [START]
    while fresh:
        for move in machine.leaving(fresh.pop()):
            if move.target not in reached and move.target != without:
                reached.add(move.target)
                fresh.append(move.target)
    return frozenset(reached)


def _check_moves(machine: Machine, faults: _Faults) -> None:
    keys = [(move.source, move.kind, move.by, move.answers) for move in machine.moves]
    faults.unless(len(set(keys)) == len(keys), f"{machine.name}: two moves for one message")
    said = {move.kind for move in machine.moves}
    faults.unless(said == set(machine.names), f"{machine.name}: a type without a move, or without a name of its exchange")
    for move in machine.moves:
        first = move.source == START
        told = f"{machine.name}, {move.kind}"
        faults.unless(first == (machine.names.get(move.kind) == "self"), f"{told}: opens, and only an opening names itself")
        faults.unless(not first or move.by is _O, f"{told}: opened by the addressee")
        faults.unless((move.target == CLOSED) == (move.outcome is not None), f"{told}: an end has an outcome")
        faults.unless(move.answers is None or move.answers in machine.names, f"{told}: answers a type of another machine")
    for kind in said & set(MESSAGE_TYPES):
        carries = any(move.carries for move in machine.moves if move.kind == kind)
        faults.unless(carries == _has_room(kind), f"{machine.name}, {kind}: carries what its type has no room for, or not")
        where = machine.names.get(kind, "self")
        named = where in {"self", "re"} or where in _body_fields(kind)
        faults.unless(named, f"{machine.name}, {kind}: its body does not name the exchange")


def _check_races(machine: Machine, faults: _Faults) -> None:
    """A move of the opener that an answer may cross ends nothing, and the addressee alone speaks next, to confirm it."""
    for state in machine.states:
        leaving = machine.leaving(state)
        if not any(move.by is _A for move in leaving):
            continue
        for move in (move for move in leaving if move.by is _O):
            after = machine.leaving(move.target)
            confirmed = bool(after) and all(next_.by is _A and next_.answers == move.kind for next_ in after)
            faults.unless(confirmed, f"{machine.name}, {move.kind}: nobody confirms that it came before an answer")


def _has_room(kind: str) -> bool:
    fields = MESSAGE_TYPES[kind].model_fields
    return not all(any(getattr(rule, "max_length", None) == 0 for rule in fields[name].metadata) for name in ("records", "att"))


def _body_fields(kind: str) -> frozenset[str]:
    body = MESSAGE_TYPES[kind].model_fields["body"].annotation
    return frozenset(getattr(body, "model_fields", {}))


MACHINE_OF = {kind: machine for machine in MACHINES.values() for kind in machine.names}
"""The machine of each type that has one."""

if _found := faults_of(MACHINES.values(), THREADLESS):
    raise RuntimeError("; ".join(_found))
