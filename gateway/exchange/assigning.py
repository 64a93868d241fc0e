"""Which office a message's exchange goes to, by the node's own rules; and what an exchange is as work (SPEC 19.1). Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contracts.codec import b64u_decode, parse_object
from contracts.ids import Code, NodeId
from contracts.messages import CaseMessage, ReferralAccept, ReferralUpdate, Urgency
from contracts.policy import Permit, Policy
from contracts.register import Role
from contracts.threads import Side, exchange_of
from gateway.exchange.case_ports import ExchangeKey
from gateway.exchange.work_ports import Term, WorkItem

_REMIND_AFTER = 3, 4
"""Of the time there is, as a fraction: then whoever has it is reminded."""


@dataclass(frozen=True, slots=True)
class OfficeRule:
    """Messages that have one of each of these go to `office`; an empty set asks for nothing.

    `types` of messages, `records` they carry, `offices` they name (the sender's), `senders`, `services` asked for.
    """

    office: Code
    types: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()
    offices: frozenset[str] = frozenset()
    senders: frozenset[NodeId] = frozenset()
    services: frozenset[str] = frozenset()

    def fits(self, message: CaseMessage) -> bool:
        """Return whether the message has one of each."""
        return all(
            not wanted or not wanted.isdisjoint(found)
            for wanted, found in (
                (self.types, {message.type}),
                (self.records, record_types(message)),
                (self.offices, _body(message, "office")),
                (self.senders, {message.sender}),
                (self.services, _body(message, "service")),
            )
        )


@dataclass(frozen=True, slots=True)
class Assignments:
    """The node's rules, the first that fits counts; what none fits goes to `default`, or to nobody in particular."""

    rules: tuple[OfficeRule, ...] = ()
    default: Code | None = None

    def office_for(self, message: CaseMessage) -> Code | None:
        """Return the office of an exchange that `message` opens; None: of every office that takes such work."""
        return next((rule.office for rule in self.rules if rule.fits(message)), self.default)


@dataclass(frozen=True, slots=True)
class Roles:
    """Who speaks to whom, for the policy."""

    sender: Role
    recipient: Role
    policy: Policy = field(repr=False)


def record_types(message: CaseMessage) -> frozenset[str]:
    """Return the types of the records a message carries, as they were signed."""
    signed = (parse_object(b64u_decode(item.sd_jwt.partition("~")[0].split(".")[1])) for item in message.records)
    return frozenset(str(claims["vct"]).split(":")[3] for claims in signed)


def topic_of(message: CaseMessage) -> str:
    """Return what an exclusive exchange is exclusive about, beside its case and its recipient: the service an offer names."""
    return next(iter(_body(message, "service")), "")


def work_of(message: CaseMessage, roles: Roles | None, *, us: NodeId, office: Code | None, now: datetime) -> WorkItem | None:
    """Return the work an opening message is; None for one that opens nothing. `roles` None: only its own deadline counts."""
    named = exchange_of(message)
    if named is None or named[1] != message.message_id:
        return None
    urgency = next(iter(_body(message, "urgency")), None)
    hours, escalate = (None, None) if roles is None else _hours(message, roles, urgency)
    due = None if message.deadline is None else datetime.fromtimestamp(message.deadline, UTC)
    term = None if due is None else term_of(now, due, due)
    return WorkItem(
        key=ExchangeKey(message.sender, message.message_id),
        machine=named[0].name,
        side=Side.OPENER if message.sender == us else Side.ADDRESSEE,
        peer=message.recipient if message.sender == us else message.sender,
        thread_id=message.thread_id,
        kind=message.type,
        purpose=message.purpose,
        basis=message.basis,
        opened_at=now,
        office=office,
        service=next(iter(_body(message, "service")), None),
        urgency=urgency,
        minor=next(iter(_body(message, "minor")), None),
        hours=hours if due is None else None,
        escalate_hours=escalate,
        due=due,
        remind_at=None if term is None else term.remind_at,
        escalate_at=None if term is None else term.escalate_at,
    )


def term_of(start: datetime, due: datetime, escalate_at: datetime) -> Term:
    """Return a term: the reminder when three quarters of the time are over, the head of the office never before it is due."""
    used, of = _REMIND_AFTER
    left = max(timedelta(), due - start)
    return Term(due, due - left * (of - used) / of, max(due, escalate_at))


@dataclass(frozen=True, slots=True)
class NewTerm:
    """What a message makes of a term; None: no word is awaited by a moment any more."""

    term: Term | None


def new_term(message: CaseMessage, state: str, now: datetime) -> NewTerm | None:
    """Return what a message makes of the term of its exchange, which is in `state` after it; None: nothing.

    An acceptance ends the term of the offer and may set another; news may say a later one. Only what counts does: an
    acceptance that changed nothing, because it crossed a withdrawal, leaves the term alone.
    """
    if state != "accepted":
        return None
    if isinstance(message, ReferralAccept):
        return NewTerm(_term_at(message.body.starts_by, now))
    if isinstance(message, ReferralUpdate) and message.body.expected_by is not None:
        return NewTerm(_term_at(message.body.expected_by, now))
    return None


def _term_at(seconds: int | None, now: datetime) -> Term | None:
    due = None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return None if due is None else term_of(now, due, due)


def _hours(message: CaseMessage, roles: Roles, urgency: str | None) -> tuple[int | None, int | None]:
    decision = roles.policy.decide(message.type, roles.sender, roles.recipient, message.purpose, message.basis)
    if not isinstance(decision, Permit):
        return None, None
    flow = roles.policy.flow(decision.rule)
    hours = roles.policy.deadline_hours(decision.rule, Urgency(urgency) if urgency else Urgency.NORMAL)
    return hours, None if flow is None else flow.escalate_hours


def _body(message: CaseMessage, name: str) -> frozenset[str]:
    value = getattr(message.body, name, None)
    return frozenset() if value is None else frozenset({str(getattr(value, "value", value))})
