"""The policy as data: `policy.json` of the register (SPEC 6.3). Signed three of three; readable; small.

What the policy does not name is denied. Walls that no policy opens stand in `contracts.disclosure`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.codec import decode_model
from contracts.fields import ABOUT, RECORDS, FieldDefinition, Form, RecordDefinition, record_definition
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES, Minor, Urgency
from contracts.register import Role
from contracts.types import Count, Distinct, Flag, LongText, Text, UnixTime, WireModel, broken

MAX_POLICY_BYTES = 128 * 1024
"""Far below what a target of the register may have: every node fetches it over a slow line, and people read it."""
ANY_ROLE = "*"
ENFORCEMENT = frozenset({Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT})
"""Roles that can act against the person sought. Nothing protected ever reaches them."""
RETAIN_DAYS = 365
"""What a flow without a word about retention allows."""
FORBID, NEVER = "forbid:", "never:"
"""How the ids of prohibitions begin, so that a reason tells "forbidden" from "not permitted" by itself."""

RoleOrAny = Role | Literal["*"]
Codes = Annotated[tuple[Code, ...], Field(min_length=1, max_length=50), Distinct]
Roles = Annotated[tuple[RoleOrAny, ...], Field(min_length=1, max_length=30), Distinct]
Hours = Annotated[Count, Field(ge=1, le=8760)]
Days = Annotated[Count, Field(ge=1, le=36_525)]
About = Annotated[tuple[Literal["precision", "source", "as_of", "confidence"], ...], Field(max_length=len(ABOUT)), Distinct]


@dataclass(frozen=True, slots=True)
class Permit:
    """The policy has a rule for it: `rule`."""

    rule: Code


@dataclass(frozen=True, slots=True)
class Deny:
    """The policy does not allow it. `rule` says what decided: a prohibition, or `none` when nothing names it.

    `forbidden`: something says no. Otherwise nothing says yes, and another purpose, basis or flow may.
    """

    rule: str
    reason: str
    forbidden: bool = False


class Entry(WireModel):
    """Base of everything in a policy that has a name."""

    id: Code


class Purpose(Entry):
    """Why data travels."""

    es: Text
    en: Text


class Basis(Entry):
    """An entry of the norm pack: the law a message rests on. What nobody verified is shown as such.

    `norm`, `article` and `in_force` (ISO date) say where it stands; `value` a number the law gives ("72 horas").
    """

    es: Text
    en: Text | None = None
    norm: Text | None = None
    article: Text | None = None
    in_force: Text | None = None
    value: Text | None = None
    text: LongText | None = None
    verified: Flag


class Scope(Entry):
    """Something a person consents to, item by item."""

    es: Text
    en: Text


class Flow(Entry):
    """Message types that may go from some roles to others, why, and on which basis; and what holds for them.

    An answer is due within `deadline_hours` (`urgent_hours`, `life_hours` when the request says so); after
    `escalate_hours` a person is told. The recipient keeps what came for `retain_days`. `approvals` people release it.
    """

    es: Text | None = None
    en: Text | None = None
    kinds: Codes
    senders: Roles
    recipients: Roles
    purposes: Codes
    bases: Codes
    deadline_hours: Hours | None = None
    urgent_hours: Hours | None = None
    life_hours: Hours | None = None
    escalate_hours: Hours | None = None
    retain_days: Days | None = None
    approvals: Annotated[Count, Field(ge=1, le=3)] | None = None

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        if not set(self.kinds) <= set(MESSAGE_TYPES):
            raise broken("unknown_message_type")
        return self

    @model_validator(mode="after")
    def _sooner_when_worse(self) -> Self:
        hours = [h for h in (self.life_hours, self.urgent_hours, self.deadline_hours) if h is not None]
        if hours != sorted(hours) or (self.deadline_hours is None and hours):
            raise broken("deadlines_out_of_order")
        return self


class Need(WireModel):
    """What a field may leave on: a consent scope, or a duty instead of it; and how many people's approval."""

    scope: Code | None = None
    duty: Literal[True] | None = None
    approvals: Annotated[Count, Field(ge=1, le=3)] | None = None

    @model_validator(mode="after")
    def _needs_something(self) -> Self:
        if self.scope is None and not self.duty and self.approvals is None:
            raise broken("need_of_nothing")
        return self


class Rule(Entry):
    """Which fields of one record type may leave in which messages, and the most precise form of each.

    `need` holds for every field, `needs` for those it names (instead of `need`). `about` is what may be said beside a value.
    """

    es: Text | None = None
    en: Text | None = None
    record: Code
    kinds: Codes
    recipients: Roles
    purposes: Codes
    fields: Annotated[Mapping[Code, Form], Field(min_length=1, max_length=48)]
    need: Need | None = None
    needs: Mapping[Code, Need] = Field(default_factory=dict)
    about: About = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not set(self.kinds) <= set(MESSAGE_TYPES):
            raise broken("unknown_message_type")
        if not set(self.needs) <= set(self.fields):
            raise broken("need_without_field")
        return self

    def need_of(self, field: str) -> Need | None:
        """Return what a field needs to leave."""
        return self.needs.get(Code(field), self.need) if self.needs else self.need


class Forbid(Entry):
    """Messages that never go between these roles, whatever a flow says."""

    es: Text
    en: Text
    kinds: Codes
    senders: Roles
    recipients: Roles

    @model_validator(mode="after")
    def _named_and_known(self) -> Self:
        if not self.id.startswith(FORBID) or not set(self.kinds) <= set(MESSAGE_TYPES):
            raise broken("forbid_of_what")
        return self


class Never(Entry):
    """Fields that never go to these roles; a rule that says otherwise makes the policy none."""

    es: Text
    en: Text
    record: Code
    fields: Codes
    recipients: Roles

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.id.startswith(NEVER):
            raise broken("never_of_what")
        return self


class SecondPerson(Entry):
    """Records that leave in these messages only when two people approved: always, or when the person may be a child."""

    es: Text
    en: Text
    kinds: Codes
    records: Codes
    when: Literal["always", "minor"]

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        if not set(self.kinds) <= set(MESSAGE_TYPES):
            raise broken("unknown_message_type")
        return self


class BlindSearch(Entry):
    """Who may search whose index blindly, and how much: the answerer counts by case, so that nobody can try out a country."""

    es: Text
    en: Text
    askers: Roles
    answerers: Roles
    purposes: Codes
    bases: Codes
    cases_per_day: Annotated[Count, Field(ge=1, le=100_000)]
    evaluations_per_case: Annotated[Count, Field(ge=1, le=4096)]
    """In one epoch: all batches of a case, tokens and comparisons together."""
    epoch_days: Annotated[Count, Field(ge=1, le=366)]


class OwnRecord(Entry):
    """A partner's own record type: `fields` are lines of the dictionary's table (SPEC 6.2)."""

    es: Text
    en: Text
    fields: Annotated[tuple[Text, ...], Field(min_length=1, max_length=96), Distinct]

    @model_validator(mode="after")
    def _a_record(self) -> Self:
        # A dot: the partner's own corner, as `mx.cnb.ficha`. The protocol's own record types have none.
        if "." not in self.id:
            raise broken("record_without_corner")
        try:
            self.definition()
        except ValueError:
            raise broken("no_record_type") from None
        return self

    def definition(self) -> RecordDefinition:
        """Return it as the dictionary has it."""
        return record_definition(self.id, self.es, self.en, self.fields)


class Policy(WireModel):
    """`policy.json` of the register. `version` only grows; `since` is when this version begins to hold."""

    version: Annotated[Count, Field(ge=1)]
    since: UnixTime
    title: Text
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=50)]
    bases: Annotated[tuple[Basis, ...], Field(min_length=1, max_length=200)]
    scopes: Annotated[tuple[Scope, ...], Field(max_length=50)] = ()
    flows: Annotated[tuple[Flow, ...], Field(min_length=1, max_length=400)]
    forbids: Annotated[tuple[Forbid, ...], Field(max_length=100)] = ()
    rules: Annotated[tuple[Rule, ...], Field(max_length=800)] = ()
    nevers: Annotated[tuple[Never, ...], Field(max_length=100)] = ()
    second_person: Annotated[tuple[SecondPerson, ...], Field(max_length=50)] = ()
    searches: Annotated[tuple[BlindSearch, ...], Field(max_length=50)] = ()
    records: Annotated[tuple[OwnRecord, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _one_id_each(self) -> Self:
        ids = list(self._ids())
        if len(set(ids)) != len(ids):
            raise broken("repeated_id")
        return self

    @model_validator(mode="after")
    def _known_words(self) -> Self:
        purposes, bases = {entry.id for entry in self.purposes}, {entry.id for entry in self.bases}
        reasons = [(flow.purposes, flow.bases) for flow in self.flows]
        reasons += [(found.purposes, found.bases) for found in self.searches]
        if any(not set(why) <= purposes or not set(law) <= bases for why, law in reasons):
            raise broken("unknown_purpose_or_basis")
        if any(not set(rule.purposes) <= purposes for rule in self.rules):
            raise broken("unknown_purpose_or_basis")
        scopes = {entry.id for entry in self.scopes}
        needs = (need for rule in self.rules for need in (rule.need, *rule.needs.values()) if need)
        if any(need.scope is not None and need.scope not in scopes for need in needs):
            raise broken("unknown_scope")
        return self

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        for rule in self.rules:
            known = self.fields_of(rule.record)
            if any(name not in known or form not in known[name].forms for name, form in rule.fields.items()):
                raise broken("unknown_field_or_form")
        for entry in self.nevers:
            if not set(entry.fields) <= set(self.fields_of(entry.record)):
                raise broken("unknown_field_or_form")
        if any(not self.fields_of(record) for entry in self.second_person for record in entry.records):
            raise broken("unknown_record")
        return self

    @model_validator(mode="after")
    def _walls(self) -> Self:
        for rule in self.rules:
            if ENFORCEMENT.isdisjoint(rule.recipients) and ANY_ROLE not in rule.recipients:
                continue
            known = self.fields_of(rule.record)
            if rule.about or any(known[name].sensitivity >= 4 for name in rule.fields):
                raise broken("protected_field_to_enforcement")
        return self

    @model_validator(mode="after")
    def _one_rule_each(self) -> Self:
        if any(_overlap(one, other) for one, other in combinations(self.rules, 2)):
            raise broken("two_rules_for_one_disclosure")
        for rule, entry in ((rule, entry) for rule in self.rules for entry in self.nevers if rule.record == entry.record):
            if roles_meet(rule.recipients, entry.recipients) and not set(rule.fields).isdisjoint(entry.fields):
                raise broken("rule_against_never")
        return self

    def _ids(self) -> Iterator[Code]:
        yield from (entry.id for entry in (*self.purposes, *self.bases, *self.scopes, *self.records))
        yield from (entry.id for entry in (*self.flows, *self.forbids, *self.searches))
        yield from (entry.id for entry in (*self.rules, *self.nevers, *self.second_person))

    def fields_of(self, record: str) -> Mapping[str, FieldDefinition]:
        """Return the fields of a record type, the protocol's or one of this policy's own; empty when there is none."""
        found = self.record_of(record)
        return found.fields if found else {}

    def record_of(self, record: str) -> RecordDefinition | None:
        """Return a record type, the protocol's or one of this policy's own."""
        return RECORDS.get(record) or (_own_records(self.records).get(record) if self.records else None)

    def record_types(self) -> tuple[RecordDefinition, ...]:
        """Return every record type there is under this policy."""
        return (*RECORDS.values(), *_own_records(self.records).values())

    def decide(self, kind: str, sender: Role, recipient: Role, purpose: Code, basis: Code) -> Permit | Deny:
        """Return whether a message of this type may go: no prohibition, and the first flow that fits. Pure."""
        for ban in self.forbids:
            if covers(ban.senders, sender) and covers(ban.recipients, recipient) and kind in ban.kinds:
                return Deny(ban.id, "forbidden between these roles", forbidden=True)
        reason = "no flow names this message type between these roles"
        for flow in self.flows:
            if kind not in flow.kinds or not covers(flow.senders, sender) or not covers(flow.recipients, recipient):
                continue
            if purpose in flow.purposes and basis in flow.bases:
                return Permit(flow.id)
            reason = f"{flow.id} does not allow this purpose or basis"
        return Deny("none", reason)

    def rule_for(self, record: str, kind: str, recipient: Role, purpose: str) -> Rule | None:
        """Return the one rule for a record in a message; None when nothing of it may leave."""
        for rule in self.rules:
            if rule.record == record and kind in rule.kinds and purpose in rule.purposes and covers(rule.recipients, recipient):
                return rule
        return None

    def never_for(self, record: str, field: str, recipient: Role) -> Never | None:
        """Return what forbids a field to a role, if anything does."""
        for entry in self.nevers:
            if entry.record == record and field in entry.fields and covers(entry.recipients, recipient):
                return entry
        return None

    def second_person_for(self, record: str, kind: str, minor: Minor) -> SecondPerson | None:
        """Return what asks for two people before a record leaves in a message; ``possible`` counts as a child."""
        for entry in self.second_person:
            if record in entry.records and kind in entry.kinds and (entry.when == "always" or minor != "no"):
                return entry
        return None

    def search_for(self, asker: Role, answerer: Role, purpose: str, basis: str) -> BlindSearch | None:
        """Return what lets one role search another's index blindly, with its quotas; None: it may not."""
        for entry in self.searches:
            if not covers(entry.askers, asker) or not covers(entry.answerers, answerer):
                continue
            if purpose in entry.purposes and basis in entry.bases:
                return entry
        return None

    def flow(self, rule: str) -> Flow | None:
        """Return the flow a `Permit` names."""
        return next((flow for flow in self.flows if flow.id == rule), None)

    def deadline_hours(self, rule: str, urgency: Urgency = Urgency.NORMAL) -> int | None:
        """Return how long an answer to a message permitted by `rule` may take."""
        flow = self.flow(rule)
        if flow is None:
            return None
        urgent = flow.deadline_hours if flow.urgent_hours is None else flow.urgent_hours
        if urgency is Urgency.LIFE_AT_RISK:
            return urgent if flow.life_hours is None else flow.life_hours
        return urgent if urgency is Urgency.URGENT else flow.deadline_hours

    def retain_days(self, rule: str) -> int:
        """Return how long the recipient of a message permitted by `rule` keeps it, in days."""
        flow = self.flow(rule)
        return RETAIN_DAYS if flow is None or flow.retain_days is None else flow.retain_days

    def approvals(self, rule: str) -> int:
        """Return how many people release a message permitted by `rule`, whatever it carries."""
        flow = self.flow(rule)
        return 1 if flow is None or flow.approvals is None else flow.approvals

    def unverified(self) -> tuple[Basis, ...]:
        """Return the legal references nobody has verified."""
        return tuple(basis for basis in self.bases if not basis.verified)


def parse_policy(data: bytes) -> Policy:
    """Return the policy in a register target.

    Raises:
        TooLargeError, MalformedError, SchemaError: not a policy, or one that contradicts itself or opens a wall.
    """
    return decode_model(Policy, data, limit=MAX_POLICY_BYTES)


def load_template(name: str) -> bytes:
    """Return a policy template that ships with the product, for example ``first-policy``."""
    return files("contracts").joinpath("templates", f"{name}.json").read_bytes()


def load_source(name: str) -> str:
    """Return the readable source a template is built from (`contracts.policy.drafting`)."""
    return files("contracts").joinpath("templates", f"{name}.toml").read_text(encoding="utf-8")


def covers(roles: tuple[RoleOrAny, ...], role: Role) -> bool:
    """Return whether a list of roles names this one, or any."""
    return role in roles or ANY_ROLE in roles


def roles_meet(some: tuple[RoleOrAny, ...], others: tuple[RoleOrAny, ...]) -> bool:
    """Return whether two lists of roles have one in common."""
    return ANY_ROLE in (*some, *others) or not set(some).isdisjoint(others)


@lru_cache(maxsize=16)
def _own_records(records: tuple[OwnRecord, ...]) -> Mapping[str, RecordDefinition]:
    return {record.id: record.definition() for record in records}


def _overlap(one: Rule, other: Rule) -> bool:
    return (
        one.record == other.record
        and roles_meet(one.recipients, other.recipients)
        and not set(one.kinds).isdisjoint(other.kinds)
        and not set(one.purposes).isdisjoint(other.purposes)
    )
