"""A node's own restrictions on top of the policy: it may be stricter than what was signed, never laxer (SPEC 6.3).

An entry can only take away: withhold fields, coarsen them, ask for more before they leave, or not send a message at all.
What the policy makes a node send (`OBLIGED`) cannot be narrowed here: a child's alert waits for nobody.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from contracts.errors import SchemaError
from contracts.fields import Form
from contracts.fields.kinds import at_most
from contracts.ids import Code
from contracts.messages import MESSAGE_TYPES
from contracts.policy.entries import Codes, Need, Roles, Rule, covers, roles_meet
from contracts.policy.model import Deny, Permit, Policy
from contracts.register import Role
from contracts.types import Flag, Text, WireModel, broken

OWN = "own:"
OBLIGED = frozenset(
    {
        *("duty.notice", "duty.cancel", "bulletin.cancel", "consent.change", "correction", "erasure.order", "erasure.receipt"),
        *("report.acknowledgement", "finding.acknowledgement", "audit.request", "audit.response", "register.metadata"),
        *("node.suspend-self", "node.leave", "node.restored", "node.returned", "ping"),
    }
)
"""Types whose sending is a duty, a right of the person, or how the federation keeps itself honest."""


class Stricter(WireModel):
    """One restriction. Without `record`, `kinds` or `recipients` it holds for all of them (never for `OBLIGED` types)."""

    id: Code
    es: Text
    en: Text | None = None
    record: Code | None = None
    kinds: Codes | None = None
    recipients: Roles | None = None
    withhold: Annotated[tuple[Code, ...], Field(max_length=48)] = ()
    coarsen: Annotated[Mapping[Code, Form], Field(max_length=48)] = Field(default_factory=dict)
    need: Need | None = None
    """For every field this entry reaches, besides what the policy asks for."""
    deny: Flag = False
    """The message does not go at all."""

    @model_validator(mode="after")
    def _restricts(self) -> Self:
        if not self.id.startswith(OWN):
            raise broken("own_without_name")
        if not (self.withhold or self.coarsen or self.need or self.deny):
            raise broken("restricts_nothing")
        if (self.withhold or self.coarsen) and self.record is None:
            raise broken("fields_of_what_record")
        if self.kinds is not None and (not set(self.kinds) <= set(MESSAGE_TYPES) or not OBLIGED.isdisjoint(self.kinds)):
            raise broken("obliged_or_unknown_type")
        return self

    def reaches(self, record: str | None, kind: str, role: Role) -> bool:
        """Return whether this entry says anything about such a record in such a message to such a role."""
        if kind in OBLIGED or (self.kinds is not None and kind not in self.kinds):
            return False
        if self.record is not None and record != self.record:
            return False
        return self.recipients is None or covers(self.recipients, role)


class Overlay(WireModel):
    """The overlay file of one node (TOML): who decided it, and what is stricter here."""

    title: Text
    stricter: Annotated[tuple[Stricter, ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _one_id_each(self) -> Self:
        if len({entry.id for entry in self.stricter}) != len(self.stricter):
            raise broken("repeated_id")
        return self


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """What the node itself adds to a rule for one field: a coarser form, or nothing at all; and further needs."""

    form: Form | None
    withheld_by: Code | None
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class Tightened:
    """The policy as one node applies it to what it sends. What it receives is judged by the policy alone."""

    policy: Policy
    overlay: Overlay = field(default_factory=lambda: Overlay(title="-"))

    def decide(self, kind: str, sender: Role, recipient: Role, purpose: Code, basis: Code) -> Permit | Deny:
        """Return the policy's decision, or that this node does not send it."""
        decision = self.policy.decide(kind, sender, recipient, purpose, basis)
        if isinstance(decision, Deny):
            return decision
        for entry in self.overlay.stricter:
            if entry.deny and entry.record is None and entry.reaches(None, kind, recipient):
                return Deny(entry.id, "this node does not send it", forbidden=True)
        return decision

    def limit(self, rule: Rule, name: str, kind: str, role: Role) -> OwnLimit:
        """Return what this node adds to `rule` for one field in one message."""
        form, needs = rule.fields[Code(name)], []
        for entry in self.overlay.stricter:
            if not entry.reaches(rule.record, kind, role):
                continue
            if (entry.deny and entry.record is not None) or name in entry.withhold:
                return OwnLimit(None, entry.id, ())
            if (coarser := entry.coarsen.get(Code(name))) is not None:
                # A newer policy may have become coarser than what was written here: the coarser of the two holds.
                form = _coarser(self.policy, rule.record, name, form, coarser)
            if entry.need is not None:
                needs.append(entry.need)
        return OwnLimit(form, None, tuple(needs))


def parse_overlay(text: str) -> Overlay:
    """Return the overlay in a TOML text.

    Raises:
        SchemaError: not TOML, or no overlay. Names members and rules, never values.
    """
    try:
        return Overlay.model_validate(tomllib.loads(text), by_alias=True, by_name=False)
    except tomllib.TOMLDecodeError:
        raise SchemaError("the overlay is no TOML") from None
    except ValidationError as error:
        told = [
            f"{'.'.join(str(part) for part in item['loc'] if isinstance(part, int) or part in _MEMBERS)}: {item['type']}"
            for item in error.errors(include_input=False, include_context=False, include_url=False)[:8]
        ]
        raise SchemaError("; ".join(told)) from None


_MEMBERS = frozenset({*Overlay.model_fields, *Stricter.model_fields, *Need.model_fields})


def check_overlay(policy: Policy, overlay: Overlay) -> tuple[str, ...]:
    """Return the ids of entries that reach nothing the policy allows: perhaps a word written wrong.

    Raises:
        SchemaError: an entry names what the policy does not have, or would let out more than it does. Names the entry.
    """
    idle = []
    scopes = {scope.id for scope in policy.scopes}
    for entry in overlay.stricter:
        if entry.need is not None and entry.need.scope is not None and entry.need.scope not in scopes:
            raise SchemaError(f"{entry.id}: the policy has no scope of that name")
        known = policy.fields_of(entry.record) if entry.record is not None else {}
        if entry.record is not None and not known:
            raise SchemaError(f"{entry.id}: there is no record type of that name")
        if not {*entry.withhold, *entry.coarsen} <= set(known):
            raise SchemaError(f"{entry.id}: a field the record type does not have")
        if any(form not in known[name].forms for name, form in entry.coarsen.items()):
            raise SchemaError(f"{entry.id}: a form the field does not have")
        _refuse_laxer(policy, entry)
        if not _reaches_anything(policy, entry):
            idle.append(str(entry.id))
    return tuple(idle)


def _refuse_laxer(policy: Policy, entry: Stricter) -> None:
    for rule in _reached(policy, entry):
        for name, form in entry.coarsen.items():
            allowed = rule.fields.get(name)
            if allowed is not None and not at_most(policy.fields_of(rule.record)[name].kind, form, allowed):
                told = f"{entry.id}: {name} would leave as {form.value}, {rule.id} allows {allowed.value}"
                raise SchemaError(told)


def _reached(policy: Policy, entry: Stricter) -> Iterator[Rule]:
    for rule in policy.rules:
        kinds = set(rule.kinds) - OBLIGED
        same_kind = bool(kinds) if entry.kinds is None else not kinds.isdisjoint(entry.kinds)
        same_role = entry.recipients is None or roles_meet(entry.recipients, rule.recipients)
        if entry.record in (None, rule.record) and same_kind and same_role:
            yield rule


def _reaches_anything(policy: Policy, entry: Stricter) -> bool:
    fields = {*entry.withhold, *entry.coarsen}
    if entry.deny and entry.record is None:
        flows = (f for f in policy.flows if entry.recipients is None or roles_meet(entry.recipients, f.recipients))
        return any(not (set(f.kinds) - OBLIGED).isdisjoint(entry.kinds or f.kinds) for f in flows)
    return any(not fields or not fields.isdisjoint(rule.fields) for rule in _reached(policy, entry))


def _coarser(policy: Policy, record: str, name: str, one: Form, other: Form) -> Form:
    kind = policy.fields_of(record)[name].kind
    return other if at_most(kind, other, one) else one
