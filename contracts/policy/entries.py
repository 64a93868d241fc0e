"""The entries of a policy, one model each, and the rules inside one of them (SPEC 6.3)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self, cast

from pydantic import Field, model_validator

from contracts.fields import ABOUT, Form, RecordDefinition, record_definition
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.register import Role
from contracts.types import Count, Distinct, Flag, LongText, Text, WireModel, broken

ANY_ROLE = "*"
ENFORCEMENT = frozenset({Role.MIGRATION_CONTROL, Role.FOREIGN_ENFORCEMENT})
"""Roles that can act against the person sought. Nothing protected ever reaches them."""
FORBID, NEVER = "forbid:", "never:"
"""How the ids of prohibitions begin, so that a reason tells "forbidden" from "not permitted" by itself."""

RoleOrAny = Role | Literal["*"]
Codes = Annotated[tuple[Code, ...], Field(min_length=1, max_length=50), Distinct]
Roles = Annotated[tuple[RoleOrAny, ...], Field(min_length=1, max_length=30), Distinct]
Hours = Annotated[Count, Field(ge=1, le=8760)]
Days = Annotated[Count, Field(ge=1, le=36_525)]
About = Annotated[tuple[Literal["precision", "source", "as_of", "confidence"], ...], Field(max_length=len(ABOUT)), Distinct]


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


class Counting(StrEnum):
    """How the hours of a term run. Wire format: add, never rename."""

    OPENING = "opening"  # as they pass; an end at which the office is closed moves to when it opens
    ELAPSED = "elapsed"  # as they pass, day and night: what a law counts so, for a child above all
    WORKING = "working"  # while the office is open


class Flow(Entry):
    """Message types that may go from some roles to others, why, and on which basis; and what holds for them.

    An answer is due within `deadline_hours` (`urgent_hours`, `life_hours` when the request says so); after
    `escalate_hours` a person is told; `counts` says how these hours run (absent: ``opening``). The recipient keeps what came
    for `retain_days`. `approvals` people release it.
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
    counts: Counting | None = None
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

    def form_of(self, field: str) -> Form | None:
        """Return the most precise form a field may leave in; None when the rule does not name it."""
        return cast(Mapping[str, Form], self.fields).get(field)

    def need_of(self, field: str) -> Need | None:
        """Return what a field needs to leave."""
        return cast(Mapping[str, Need], self.needs).get(field, self.need) if self.needs else self.need


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


def covers(roles: tuple[RoleOrAny, ...], role: Role) -> bool:
    """Return whether a list of roles names this one, or any."""
    return role in roles or ANY_ROLE in roles


def roles_meet(some: tuple[RoleOrAny, ...], others: tuple[RoleOrAny, ...]) -> bool:
    """Return whether two lists of roles have one in common."""
    return ANY_ROLE in (*some, *others) or not set(some).isdisjoint(others)
