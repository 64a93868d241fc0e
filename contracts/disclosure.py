"""How a record becomes a disclosure: `extract`, the only way out, and `recheck`, the recipient's same rules (SPEC 6.4).

Both are pure. Walls stand here and not in the policy: no policy, grant or person opens them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.errors import NotPermittedError, OverDisclosureError
from contracts.fields import FIELDS, FieldDefinition, Form, RecordType, Sensitivity, check_value, coarsen, fits
from contracts.fields.kinds import at_most
from contracts.ids import Code, NodeId
from contracts.policy import ENFORCEMENT, Need, Policy, Rule
from contracts.register import Role

WALL_ENFORCEMENT = "wall:enforcement"
WALL_REPORTER = "wall:reporter-in-query"
NOT_NAMED = "none"
MAX_CLAIMS = 48
_FORMS = frozenset(Form)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record as this institution holds it: exact values, in the shapes of the field dictionary."""

    type: RecordType
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who would get it."""

    node: NodeId
    role: Role


@dataclass(frozen=True, slots=True)
class Grant:
    """What there is to rest on: consent scopes, whether a duty applies, how many people approved."""

    scopes: frozenset[Code]
    duty: bool
    approvals: int


@dataclass(frozen=True, slots=True)
class DisclosedField:
    """A field that leaves: in which form, by which rule."""

    field: str
    form: Form
    rule: str


@dataclass(frozen=True, slots=True)
class WithheldField:
    """A field that stays: by which rule. `none` means not permitted, a wall means forbidden."""

    field: str
    rule: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every field the record has, once: what leaves is signed into the message, what stays is known here alone."""

    disclosed: tuple[DisclosedField, ...]
    withheld: tuple[WithheldField, ...]


@dataclass(frozen=True, slots=True)
class Extract:
    """What leaves, value by value, and the manifest of it."""

    claims: Mapping[str, Any]
    manifest: Manifest


class Disclosed(Protocol):
    """One entry of a message's manifest, whoever made it."""

    @property
    def field(self) -> str:
        """The field's name."""
        ...

    @property
    def form(self) -> str:
        """How coarse it is."""
        ...

    @property
    def rule(self) -> str:
        """What let it leave."""
        ...


def extract(record: SourceRecord, *, to: Recipient, kind: str, purpose: Code, grant: Grant, policy: Policy) -> Extract:
    """Return what of `record` leaves in a message of type `kind`, and why each field does or does not.

    Raises:
        NotPermittedError: nothing of this record may leave, or the record has a value that is not of its field's kind.
    """
    rule = policy.rule_for(record.type, kind, to.role, purpose)
    if rule is None or walled(record.type, kind):
        raise NotPermittedError(f"no rule lets a {record.type.value} record leave in {kind}")
    claims: dict[str, Any] = {}
    disclosed: list[DisclosedField] = []
    withheld: list[WithheldField] = []
    for name, value in record.values.items():
        found = _known(record.type, name, value)
        reason = _withheld_by(found, rule, to.role, grant)
        if reason is not None:
            withheld.append(WithheldField(name, reason))
            continue
        form = rule.fields[Code(name)]
        claims[name] = coarsen(found.kind, value, form)
        disclosed.append(DisclosedField(name, form, rule.id))
    if not claims:
        raise NotPermittedError("nothing of this record may leave")
    return Extract(claims, Manifest(tuple(disclosed), tuple(withheld)))


def recheck(
    record_type: RecordType,
    claims: Mapping[str, Any],
    disclosed: Iterable[Disclosed],
    *,
    own_role: Role,
    kind: str,
    purpose: Code,
    policy: Policy,
) -> None:
    """Refuse what a sender should not have let out, whoever it is.

    Raises:
        OverDisclosureError: claims and manifest differ, a field or form the policy does not allow to us, a value more
            precise than its form, another rule than the policy's, a wall.
    """
    rule = policy.rule_for(record_type, kind, own_role, purpose)
    if rule is None or walled(record_type, kind):
        raise OverDisclosureError("no rule lets such a record come here")
    listed = tuple(disclosed)
    entries = {entry.field: entry for entry in listed}
    if len(entries) != len(listed) or set(entries) != set(claims) or len(claims) > MAX_CLAIMS:
        raise OverDisclosureError("claims and manifest differ")
    if any(entry.rule != rule.id for entry in listed):
        raise OverDisclosureError("the manifest names another rule than the one that decides")
    for name, value in claims.items():
        _recheck_field(record_type, name, value, str(entries[name].form), rule, own_role)


def _recheck_field(record_type: RecordType, name: str, value: Any, form: str, rule: Rule, own_role: Role) -> None:
    found = FIELDS[record_type].get(name)
    allowed = rule.fields.get(Code(name)) if found else None
    if found is None or allowed is None or form not in _FORMS:
        raise OverDisclosureError("a field or form that no rule allows")
    if behind_wall(found, own_role):
        raise OverDisclosureError("a protected field for a role that must never see one")
    if not at_most(found.kind, Form(form), allowed) or not fits(found.kind, value, Form(form)):
        raise OverDisclosureError("a value more precise than allowed")


def behind_wall(field: FieldDefinition, role: Role) -> bool:
    """Return whether no policy whatever may let this field reach this role: S4 and S5 never reach enforcement."""
    return role in ENFORCEMENT and field.sensitivity >= Sensitivity.PROTECTED


def walled(record_type: RecordType, kind: str) -> bool:
    """Return whether no policy whatever may put such a record into such a message: never a reporter in a query."""
    return record_type is RecordType.REPORTER and kind.startswith(("search.", "finding.", "identity.", "bulletin"))


def _known(record_type: RecordType, name: str, value: Any) -> FieldDefinition:
    found = FIELDS[record_type].get(name)
    if found is None or not check_value(found.kind, value):
        raise NotPermittedError("the record has a field or value the dictionary does not know")
    return found


def _withheld_by(field: FieldDefinition, rule: Rule, role: Role, grant: Grant) -> str | None:
    if behind_wall(field, role):
        return WALL_ENFORCEMENT
    if field.name not in rule.fields:
        return NOT_NAMED
    need = rule.needs.get(Code(field.name))
    return None if need is None else _missing(need, grant)


def _missing(need: Need, grant: Grant) -> str | None:
    if need.scope is not None and need.scope not in grant.scopes and not (need.duty and grant.duty):
        return f"needs:scope:{need.scope}"
    if need.scope is None and need.duty and not grant.duty:
        return "needs:duty"
    if need.approvals is not None and grant.approvals < need.approvals:
        return f"needs:approvals:{need.approvals}"
    return None
