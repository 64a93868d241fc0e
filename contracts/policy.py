"""The policy: who may send what to whom, why, and how coarse each field leaves (SPEC 6.3). Data, signed in the register.

What the policy does not name is denied. Walls that no policy opens stand in `contracts.disclosure`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.codec import decode_model
from contracts.fields import FIELDS, Form, RecordType
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.register import Role
from contracts.types import Count, Distinct, Flag, LongText, Text, UnixTime, WireModel, broken

MAX_POLICY_BYTES = 512 * 1024
ANY_ROLE = "*"
ENFORCEMENT = frozenset({Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT})
"""Roles that can act against the person sought. Nothing protected ever reaches them."""

RoleOrAny = Role | Literal["*"]
Codes = Annotated[tuple[Code, ...], Field(min_length=1, max_length=50), Distinct]
Roles = Annotated[tuple[RoleOrAny, ...], Field(min_length=1, max_length=20), Distinct]


@dataclass(frozen=True, slots=True)
class Permit:
    """The policy has a rule for it: `rule`."""

    rule: Code


@dataclass(frozen=True, slots=True)
class Deny:
    """The policy does not allow it. `rule` says what decided: a rule, or `none` when nothing names it."""

    rule: str
    reason: str


class Purpose(WireModel):
    """Why data travels."""

    id: Code
    es: Text
    en: Text


class Basis(WireModel):
    """An entry of the norm pack: the law a message rests on. Unverified text is shown as such."""

    id: Code
    es: Text
    text: LongText | None = None
    verified: Flag


class Flow(WireModel):
    """Which message types may go from which roles to which, for which purposes, on which bases."""

    id: Code
    kinds: Codes
    senders: Roles
    recipients: Roles
    purposes: Codes
    bases: Codes
    deadline_hours: Annotated[Count, Field(ge=1, le=8760)] | None = None

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        if not set(self.kinds) <= set(MESSAGE_TYPES):
            raise broken("unknown_message_type")
        return self


class Need(WireModel):
    """What must be there before a field leaves: a consent scope, or a duty, or the nods of several people."""

    scope: Code | None = None
    duty: Flag | None = None
    approvals: Annotated[Count, Field(ge=1, le=3)] | None = None

    @model_validator(mode="after")
    def _needs_something(self) -> Self:
        if self.scope is None and not self.duty and self.approvals is None:
            raise broken("need_of_nothing")
        return self


class Rule(WireModel):
    """Which fields of one record type may leave in which messages, and the most precise form of each."""

    id: Code
    record: RecordType
    kinds: Codes
    recipients: Roles
    purposes: Codes
    fields: Annotated[Mapping[Code, Form], Field(min_length=1, max_length=48)]
    needs: Mapping[Code, Need] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        known = FIELDS[self.record]
        for name, form in self.fields.items():
            if name not in known or form not in known[name].forms:
                raise broken("unknown_field_or_form")
        if not set(self.needs) <= set(self.fields):
            raise broken("need_without_field")
        return self

    @model_validator(mode="after")
    def _walls(self) -> Self:
        if ENFORCEMENT.isdisjoint(self.recipients) and ANY_ROLE not in self.recipients:
            return self
        if any(FIELDS[self.record][name].sensitivity >= 4 for name in self.fields):
            raise broken("protected_field_to_enforcement")
        return self


class Policy(WireModel):
    """`policy.json` of the register. `version` only grows; `since` is when this version begins to hold."""

    version: Annotated[Count, Field(ge=1)]
    since: UnixTime
    title: Text
    purposes: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=50)]
    bases: Annotated[tuple[Basis, ...], Field(min_length=1, max_length=200)]
    flows: Annotated[tuple[Flow, ...], Field(min_length=1, max_length=400)]
    rules: Annotated[tuple[Rule, ...], Field(max_length=800)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [entry.id for entries in (self.purposes, self.bases, self.flows, self.rules) for entry in entries]
        if len(set(ids)) != len(ids):
            raise broken("repeated_id")
        purposes, bases = {entry.id for entry in self.purposes}, {entry.id for entry in self.bases}
        for flow in self.flows:
            if not set(flow.purposes) <= purposes or not set(flow.bases) <= bases:
                raise broken("unknown_purpose_or_basis")
        if any(not set(rule.purposes) <= purposes for rule in self.rules):
            raise broken("unknown_purpose_or_basis")
        return self

    @model_validator(mode="after")
    def _one_rule_each(self) -> Self:
        if any(_overlap(one, other) for one, other in combinations(self.rules, 2)):
            raise broken("two_rules_for_one_disclosure")
        return self

    def decide(self, kind: str, sender: Role, recipient: Role, purpose: Code, basis: Code) -> Permit | Deny:
        """Return whether a message of this type may go; the first flow that fits decides."""
        reason = "no flow names this message type between these roles"
        for flow in self.flows:
            if kind not in flow.kinds or not _names(flow.senders, sender) or not _names(flow.recipients, recipient):
                continue
            if purpose in flow.purposes and basis in flow.bases:
                return Permit(flow.id)
            reason = f"{flow.id} does not allow this purpose or basis"
        return Deny("none", reason)

    def rule_for(self, record: RecordType, kind: str, recipient: Role, purpose: Code) -> Rule | None:
        """Return the one rule for a record in a message; None when nothing of it may leave."""
        for rule in self.rules:
            if rule.record is record and kind in rule.kinds and purpose in rule.purposes and _names(rule.recipients, recipient):
                return rule
        return None

    def deadline_hours(self, rule: Code) -> int | None:
        """Return how long an answer to a message permitted by `rule` may take."""
        return next((flow.deadline_hours for flow in self.flows if flow.id == rule), None)


def parse_policy(data: bytes) -> Policy:
    """Return the policy in a register target.

    Raises:
        TooLargeError, MalformedError, SchemaError: not a policy, or one that contradicts itself or opens a wall.
    """
    return decode_model(Policy, data, limit=MAX_POLICY_BYTES)


def load_template(name: str) -> bytes:
    """Return a policy template that ships with the product, for example ``first-policy``."""
    return files("contracts").joinpath("templates", f"{name}.json").read_bytes()


def _overlap(one: Rule, other: Rule) -> bool:
    same_roles = ANY_ROLE in (*one.recipients, *other.recipients) or not set(one.recipients).isdisjoint(other.recipients)
    return (
        one.record is other.record
        and same_roles
        and not set(one.kinds).isdisjoint(other.kinds)
        and not set(one.purposes).isdisjoint(other.purposes)
    )


def _names(roles: tuple[RoleOrAny, ...], role: Role) -> bool:
    return role in roles or ANY_ROLE in roles
