"""The policy as data: `policy.json` of the register (SPEC 6.3). Signed three of three; readable; small.

What the policy does not name is denied. Walls that no policy opens stand in `contracts.disclosure`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.codec import decode_model
from contracts.fields import RECORDS, FieldDefinition, RecordDefinition
from contracts.ids import Code
from contracts.messages import Minor, Urgency
from contracts.policy.entries import (
    ANY_ROLE,
    ENFORCEMENT,
    Basis,
    BlindSearch,
    Counting,
    Flow,
    Forbid,
    Never,
    OwnRecord,
    Purpose,
    Rule,
    Scope,
    SecondPerson,
    covers,
    roles_meet,
)
from contracts.register import Role
from contracts.types import Count, Text, UnixTime, WireModel, broken

MAX_POLICY_BYTES = 128 * 1024
"""Far below what a target of the register may have: every node fetches it over a slow line, and people read it."""
RETAIN_DAYS = 365
"""What a flow without a word about retention allows."""


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

    def nevers_for(self, record: str, recipient: Role) -> Mapping[str, Code]:
        """Return the fields of a record type that never go to a role, and what forbids each."""
        entries = [entry for entry in self.nevers if entry.record == record and covers(entry.recipients, recipient)]
        return {str(field): entry.id for entry in reversed(entries) for field in entry.fields}

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

    def counting(self, rule: str) -> Counting:
        """Return how the hours run in which a message permitted by `rule` is to be answered."""
        flow = self.flow(rule)
        return Counting.OPENING if flow is None or flow.counts is None else flow.counts

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
